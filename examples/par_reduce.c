/* SPDX-License-Identifier: MIT */
/*
 * A parallel reduction: mean, variance and range of ten million numbers in one
 * pass. The accumulator is a small struct, two of which can be combined; nothing is
 * allocated, and nothing is shared but the numbers.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include <weft/par.h>

struct summary {
	double count, mean, squares; /* squares of distances from the mean */
	double least, most;
};

static const struct summary nothing = { 0, 0, 0, INFINITY, -INFINITY };

/* Chan, Golub, LeVeque: "Updating formulae and a pairwise algorithm for computing
 * sample variances" (1979). */
static void combine(void *context, void *left, const void *right)
{
	struct summary *l = left;
	const struct summary *r = right;
	double count = l->count + r->count, apart = r->mean - l->mean;

	(void)context;
	if (r->count == 0)
		return;
	l->squares += r->squares + apart * apart * l->count * r->count / count;
	l->mean += apart * r->count / count;
	l->count = count;
	l->least = l->least < r->least ? l->least : r->least;
	l->most = l->most > r->most ? l->most : r->most;
}

static void summarise(void *context, size_t lo, size_t hi, void *accumulator)
{
	const double *numbers = context;
	struct summary block = nothing;
	double sum = 0;

	for (size_t i = lo; i < hi; i++) {
		sum += numbers[i];
		block.least = block.least < numbers[i] ? block.least : numbers[i];
		block.most = block.most > numbers[i] ? block.most : numbers[i];
	}
	block.count = (double)(hi - lo);
	block.mean = sum / block.count;
	for (size_t i = lo; i < hi; i++)
		block.squares += (numbers[i] - block.mean) * (numbers[i] - block.mean);
	combine(NULL, accumulator, &block);
}

static void fill(void *context, size_t lo, size_t hi)
{
	double *numbers = context;

	for (size_t i = lo; i < hi; i++)
		numbers[i] = (double)(i % 1000);
}

int main(void)
{
	enum { COUNT = 10000000 };
	double *numbers = malloc(COUNT * sizeof(*numbers));
	weft_reduce reduce = {
		.size = sizeof(nothing),
		.identity = &nothing,
		.body = summarise,
		.combine = combine,
		.context = numbers,
	};
	struct summary all;

	if (!numbers)
		return 1;
	weft_par_for(0, COUNT, fill, numbers, NULL);
	if (weft_par_reduce(0, COUNT, &reduce, &all, NULL) != 0)
		return 1;
	free(numbers);
	printf("%.0f numbers from %g to %g, mean %g, variance %g\n", all.count, all.least,
	       all.most, all.mean, all.squares / all.count);
	return !(all.count == COUNT && all.least == 0 && all.most == 999 &&
		 fabs(all.mean - 499.5) < 1e-9 && fabs(all.squares / all.count - 83333.25) < 1e-4);
}
