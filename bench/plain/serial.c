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

int main(int argc, char **argv)
{
	if (argc != 4)
		return subject_bad("usage: serial BENCH CASE WORKERS");
	if (strcmp(argv[1], "fork_join") == 0)
		return subject_fib_measure(argv[2], fib);
	if (strcmp(argv[1], "par_for") == 0 || strcmp(argv[1], "par_reduce") == 0)
		return subject_par_measure(argv[1], argv[2], scale, sum);
	return subject_skip("there is no plain form of %s", argv[1]);
}
