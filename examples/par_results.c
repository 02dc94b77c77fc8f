/* SPDX-License-Identifier: MIT */
/*
 * What can come of a loop: what is kept of an array, running sums, sums that are the same on
 * every machine, extremes by key, items by the handful, and errors.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <weft/par_array.h>

enum { ORDERS = 200000 };

struct order {
	int customer;
	int cents;
};

static struct order orders[ORDERS], large[ORDERS], small[ORDERS];
static long running[ORDERS];

#define WEFT_SCAN add_up
#define WEFT_CONTEXT long
#define WEFT_T long
#define WEFT_IDENTITY 0
#define WEFT_ITEM(sums, i) ((long)orders[i].cents)
#define WEFT_COMBINE(a, b) ((a) + (b))
#define WEFT_STORE(sums, i, sum) (sums)[i] = (sum)
#include <weft/par_tmpl.h>

#define WEFT_BEST dearest
#define WEFT_T int
#define WEFT_KEY(none, i) (orders[i].cents)
#define WEFT_BETTER(a, b) ((a) > (b))
#include <weft/par_tmpl.h>

static bool is_large(void *context, const void *order)
{
	(void)context;
	return ((const struct order *)order)->cents >= 5000;
}

static int by_customer(void *context, const void *a, const void *b)
{
	int l = ((const struct order *)a)->customer, r = ((const struct order *)b)->customer;

	(void)context;
	return (l > r) - (l < r);
}

/* Parcels of at most 30.00 each: an order gives none, one or more of them. */
static int pack(void *context, size_t lo, size_t hi, weft_items *parcels)
{
	(void)context;
	for (; lo < hi; lo++)
		for (int left = orders[lo].cents; left > 0; left -= 3000) {
			int parcel = left < 3000 ? left : 3000;

			weft_items_push(parcels, &parcel);
		}
	return 0;
}

/* Floats, the sums of which depend on the order of additions. */
static void euros(void *context, size_t lo, size_t hi, void *sum)
{
	(void)context;
	for (; lo < hi; lo++)
		*(float *)sum += (float)orders[lo].cents / 100;
}

static void add_euros(void *context, void *left, const void *right)
{
	(void)context;
	*(float *)left += *(const float *)right;
}

static int check(void *context, size_t lo, size_t hi)
{
	(void)context;
	for (; lo < hi; lo++)
		if (orders[lo].cents < 0)
			return -ERANGE;
	return 0;
}

int main(void)
{
	static const float zero;
	const weft_reduce sum = { sizeof(float), &zero, euros, add_euros, NULL };
	size_t kept, first, parcels_count;
	float once, again;
	void *parcels;
	long total;

	for (int i = 0; i < ORDERS; i++)
		orders[i] = (struct order){ (i * 7919 + 11) % ORDERS, i * 31 % 9973 };

	kept = weft_par_partition_copy(large, small, orders, ORDERS, sizeof(*orders), is_large,
				       NULL, NULL);
	total = add_up(0, ORDERS, running, NULL);
	first = weft_par_min(orders, ORDERS, sizeof(*orders), by_customer, NULL, NULL);
	printf("%zu large orders; %ld.%02ld in all; the dearest costs %d\n", kept, total / 100,
	       total % 100, orders[dearest(0, ORDERS, NULL, NULL)].cents);
	if (!is_large(NULL, &large[kept - 1]) || is_large(NULL, &small[ORDERS - kept - 1]) ||
	    running[ORDERS - 1] != total || orders[first].customer != 0)
		return 1;

	if (weft_par_collect(0, ORDERS, sizeof(int), pack, NULL, &parcels, &parcels_count, NULL))
		return 1;
	printf("%zu parcels, worth %ld cents\n", parcels_count,
	       (long)weft_par_sum_i32(parcels, parcels_count, NULL));
	if (weft_par_sum_i32(parcels, parcels_count, NULL) != total)
		return 1;
	free(parcels);

	if (weft_par_reduce_fixed(0, ORDERS, 0, &sum, &once, NULL) ||
	    weft_par_reduce_fixed(0, ORDERS, 0, &sum, &again, NULL) || once != again)
		return 1;
	orders[ORDERS / 2].cents = -1;
	return weft_par_try_for(0, ORDERS, check, NULL, NULL) != -ERANGE ||
	       weft_par_equal(orders, ORDERS, large, kept, sizeof(*orders), NULL, NULL, NULL);
}
