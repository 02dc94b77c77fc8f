/* SPDX-License-Identifier: MIT */
/* The plain way on one thread: real calls, and loops over the whole array.
 * What a library costs is seen against this. */
#include "../subject.h"

/* Both calls stay calls: without the barriers the compiler turns one of them
 * into a loop, and there would be nothing to compare a fork with. */
__attribute__((noinline)) static uint64_t fib(int n)
{
	if (n < 2)
		return (uint64_t)n;
	uint64_t a = fib(n - 1);

	__asm__ volatile("" : "+r"(a));
	uint64_t b = fib(n - 2);

	__asm__ volatile("" : "+r"(b));
	return a + b;
}

__attribute__((noinline)) static void scale(double *x, size_t n, double factor)
{
	subject_scale(x, 0, n, factor);
}

__attribute__((noinline)) static double sum(const double *x, size_t n)
{
	/* Keeps the calls apart: each of them must read the array again. */
	__asm__ volatile("" : "+r"(x) : : "memory");
	return subject_sum(x, 0, n);
}

static double scan(const double *x, double *y, size_t n)
{
	return subject_scan(x, y, 0, n, 0.0);
}

/* There is room for all, so it need not count before. */
__attribute__((noinline)) static size_t filter(const double *x, double *y, size_t n)
{
	size_t k = 0;

	for (size_t i = 0; i < n; i++) {
		y[k] = x[i];
		k += subject_keep(x[i]);
	}
	return k;
}

static const struct subject_par loops = { scale, sum, scan, filter };

int main(int argc, char **argv)
{
	if (argc != 4)
		return subject_bad("usage: serial BENCH CASE WORKERS");
	if (strcmp(argv[1], "fork_join") == 0)
		return subject_fib_measure(argv[2], fib);
	if (strncmp(argv[1], "par_", 4) == 0)
		return subject_par_run(argv[1], argv[2], &loops);
	return subject_skip("there is no plain form of %s", argv[1]);
}
