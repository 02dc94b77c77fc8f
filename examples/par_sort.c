/* SPDX-License-Identifier: MIT */
/*
 * Sorting in parallel: cities by population as a number in a struct, then by name as a
 * comparison that the compiler inlines, and the five largest without sorting at all.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weft.h>

struct city {
	char name[16];
	uint64_t people;
};

#define WEFT_SORT_NAME by_name
#define WEFT_SORT_TYPE struct city
#define WEFT_SORT_LESS(a, b) (strcmp((a)->name, (b)->name) < 0)
#include <weft/sort_tmpl.h>

static int larger(void *context, const void *a, const void *b)
{
	const struct city *x = a, *y = b;

	(void)context;
	return x->people > y->people ? -1 : x->people < y->people;
}

static void found(void *context, size_t lo, size_t hi)
{
	struct city *cities = context;

	for (size_t i = lo; i < hi; i++) {
		uint64_t x = (i + 1) * UINT64_C(0x9e3779b97f4a7c15);

		x ^= x >> 29;
		snprintf(cities[i].name, sizeof(cities[i].name), "city-%06zu", x % 1000000);
		cities[i].people = x % 40000000;
	}
}

int main(void)
{
	enum { COUNT = 200000, LARGEST = 5 };
	static const weft_sort_key people = { WEFT_KEY_U64, offsetof(struct city, people) };
	struct city *cities = malloc(COUNT * sizeof(*cities)), top[LARGEST];
	bool good = cities != NULL;

	if (!good)
		return 1;
	weft_par_for(0, COUNT, found, cities, NULL);
	if (weft_top_k(cities, COUNT, sizeof(*cities), LARGEST, top, larger, NULL, NULL) != 0 ||
	    weft_sort_by_key(cities, COUNT, sizeof(*cities), &people, NULL) != 0)
		return 1;
	for (size_t i = 1; i < COUNT; i++)
		good &= cities[i - 1].people <= cities[i].people;
	for (size_t i = 0; i < LARGEST; i++)
		good &= top[i].people == cities[COUNT - 1 - i].people;
	if (by_name_sort_stable(cities, COUNT, NULL, NULL) != 0)
		return 1;
	for (size_t i = 1; i < COUNT; i++) {
		int order = strcmp(cities[i - 1].name, cities[i].name);

		/* Stable: of the same name, those with fewer people still go first. */
		good &= order < 0 || (order == 0 && cities[i - 1].people <= cities[i].people);
	}
	printf("%d cities sorted by people and by name; the largest is %s with %llu\n", COUNT,
	       top[0].name, (unsigned long long)top[0].people);
	free(cities);
	return !good;
}
