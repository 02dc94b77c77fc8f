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

int main(int argc, char **argv)
{
	if (argc != 4)
		return subject_bad("usage: openmp BENCH CASE WORKERS");
	omp_set_dynamic(0);
	omp_set_num_threads(atoi(argv[3]));
	if (strcmp(argv[1], "fork_join") == 0)
		return subject_fib_measure(argv[2], fib);
	return subject_par_measure(argv[1], argv[2], scale, sum);
}
