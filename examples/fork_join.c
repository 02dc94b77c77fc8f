/* SPDX-License-Identifier: MIT */
/*
 * Fork and join: quicksort, whose halves are sorted at the same time if a CPU is
 * free for it. The job lives in the frame that forks it, like any local variable.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <weft/pool.h>

struct part {
	weft_job job;
	uint64_t *lo, *hi; /* [lo, hi) */
};

static void sort(weft_par par, uint64_t *lo, uint64_t *hi);

static void sort_job(weft_par par, weft_job *job)
{
	struct part *p = weft_container_of(job, struct part, job);

	sort(par, p->lo, p->hi);
}

static void swap(uint64_t *a, uint64_t *b)
{
	uint64_t old = *a;

	*a = *b;
	*b = old;
}

static void insertion_sort(uint64_t *lo, uint64_t *hi)
{
	for (uint64_t *i = lo; i < hi; i++)
		for (uint64_t *j = i; j > lo && j[-1] > *j; j--)
			swap(j - 1, j);
}

/* Hoare's partition around the middle element; both sides are shorter than the
 * whole. */
static uint64_t *partition(uint64_t *lo, uint64_t *hi)
{
	uint64_t pivot = lo[(hi - lo - 1) / 2], *i = lo, *j = hi - 1;

	for (;; i++, j--) {
		while (*i < pivot)
			i++;
		while (*j > pivot)
			j--;
		if (i >= j)
			return j + 1;
		swap(i, j);
	}
}

static void sort(weft_par par, uint64_t *lo, uint64_t *hi)
{
	struct part upper;
	uint64_t *middle;
	weft_par inner;

	/* Not for the fork's sake, which costs a nanosecond or two. */
	if (hi - lo <= 16) {
		insertion_sort(lo, hi);
		return;
	}
	middle = partition(lo, hi);
	upper.lo = middle;
	upper.hi = hi;
	inner = weft_fork(par, &upper.job, sort_job);
	sort(inner, lo, middle);
	weft_join(par, &upper.job, sort_job);
}

static void sort_root(weft_par par, void *arg)
{
	struct part *all = arg;

	sort(par, all->lo, all->hi);
}

int main(void)
{
	enum { COUNT = 1000000 };
	uint64_t *numbers = malloc(COUNT * sizeof(*numbers)), x = 88172645463325252u, sum = 0;
	struct part all = { .lo = numbers, .hi = numbers + COUNT };

	if (!numbers)
		return 1;
	for (size_t i = 0; i < COUNT; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		numbers[i] = x;
		sum += x;
	}
	weft_pool_run(NULL, sort_root, &all);

	for (size_t i = 0; i < COUNT; i++) {
		sum -= numbers[i];
		if (i > 0 && numbers[i - 1] > numbers[i])
			sum = 1;
	}
	free(numbers);
	printf("%d numbers on %d workers: %s\n", (int)COUNT, weft_pool_workers(NULL),
	       sum ? "not sorted" : "sorted");
	return sum != 0;
}
