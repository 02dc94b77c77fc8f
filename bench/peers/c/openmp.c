/* SPDX-License-Identifier: MIT */
/* Peer: GCC's OpenMP - tasks for fork_join, loops for the arrays. */
#include "../../subject.h"

#include <omp.h>

__attribute__((noinline)) static uint64_t fib_task(int n)
{
	if (n < 2)
		return (uint64_t)n;
	uint64_t a, b;

#pragma omp task shared(a) untied
	a = fib_task(n - 1);
	b = fib_task(n - 2);
#pragma omp taskwait
	return a + b;
}

static uint64_t fib(int n)
{
	uint64_t result = 0;

#pragma omp parallel
#pragma omp single
	result = fib_task(n);
	return result;
}

static void scale(double *x, size_t n, double factor)
{
#pragma omp parallel for simd schedule(static)
	for (size_t i = 0; i < n; i++)
		x[i] *= factor;
}

static double sum(const double *x, size_t n)
{
	double total = 0.0;

#pragma omp parallel reduction(+ : total)
	{
		size_t t = (size_t)omp_get_thread_num(), of = (size_t)omp_get_num_threads();

		total += subject_sum(x, n * t / of, n * (t + 1) / of);
	}
	return total;
}

enum { THREADS_MAX = 256 };

/* Twice over the array, as there is no loop for it that is faster. */
static double scan(const double *x, double *y, size_t n)
{
	double sums[THREADS_MAX], total = 0.0;

#pragma omp parallel
	{
		size_t t = (size_t)omp_get_thread_num(), of = (size_t)omp_get_num_threads();
		size_t lo = n * t / of, hi = n * (t + 1) / of;
		double before = 0.0;

		sums[t] = subject_sum(x, lo, hi);
#pragma omp barrier
		for (size_t k = 0; k < t; k++)
			before += sums[k];
		before = subject_scan(x, y, lo, hi, before);
		if (t == of - 1)
			total = before;
	}
	return total;
}

static size_t filter(const double *x, double *y, size_t n)
{
	size_t counts[THREADS_MAX], total = 0;

#pragma omp parallel
	{
		size_t t = (size_t)omp_get_thread_num(), of = (size_t)omp_get_num_threads();
		size_t lo = n * t / of, hi = n * (t + 1) / of, before = 0;

		counts[t] = subject_kept(x, lo, hi);
#pragma omp barrier
		for (size_t k = 0; k < t; k++)
			before += counts[k];
		subject_filter(x, y, lo, before, before + counts[t]);
		if (t == of - 1)
			total = before + counts[t];
	}
	return total;
}

static const struct subject_par loops = { scale, sum, scan, filter };

int main(int argc, char **argv)
{
	if (argc != 4)
		return subject_bad("usage: openmp BENCH CASE WORKERS");
	if (atoi(argv[3]) > THREADS_MAX)
		return subject_skip("written for 1 to %d workers", THREADS_MAX);
	omp_set_dynamic(0);
	omp_set_num_threads(atoi(argv[3]));
	if (strcmp(argv[1], "fork_join") == 0)
		return subject_fib_measure(argv[2], fib);
	return subject_par_run(argv[1], argv[2], &loops);
}
