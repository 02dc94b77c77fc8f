/* SPDX-License-Identifier: MIT */
/* Peer: oneTBB - a task_group per fork, parallel_for and parallel_reduce. */
#include "../../subject.h"

#include <tbb/blocked_range.h>
#include <tbb/global_control.h>
#include <tbb/parallel_for.h>
#include <tbb/parallel_invoke.h>
#include <tbb/parallel_reduce.h>
#include <tbb/parallel_scan.h>
#include <tbb/task_group.h>

#include <functional>

static uint64_t fib(int n)
{
	if (n < 2)
		return static_cast<uint64_t>(n);
	uint64_t a, b;
#ifdef TBB_INVOKE
	tbb::parallel_invoke([&] { a = fib(n - 1); }, [&] { b = fib(n - 2); });
#else
	tbb::task_group group;

	group.run([&a, n] { a = fib(n - 1); });
	b = fib(n - 2);
	group.wait();
#endif
	return a + b;
}

using range = tbb::blocked_range<size_t>;

static void scale(double *x, size_t n, double factor)
{
	tbb::parallel_for(range(0, n),
			  [=](const range &r) { subject_scale(x, r.begin(), r.end(), factor); });
}

static double sum(const double *x, size_t n)
{
	return tbb::parallel_reduce(
		range(0, n), 0.0,
		[=](const range &r, double s) { return s + subject_sum(x, r.begin(), r.end()); },
		std::plus<double>());
}

static double scan(const double *x, double *y, size_t n)
{
	return tbb::parallel_scan(
		range(0, n), 0.0,
		[=](const range &r, double before, bool last) {
			return last ? subject_scan(x, y, r.begin(), r.end(), before)
				    : before + subject_sum(x, r.begin(), r.end());
		},
		std::plus<double>());
}

static size_t filter(const double *x, double *y, size_t n)
{
	return tbb::parallel_scan(
		range(0, n), size_t(0),
		[=](const range &r, size_t before, bool last) {
			size_t end = before + subject_kept(x, r.begin(), r.end());

			if (last)
				subject_filter(x, y, r.begin(), before, end);
			return end;
		},
		std::plus<size_t>());
}

static const subject_par verbs = { scale, sum, scan, filter };

int main(int argc, char **argv)
{
	if (argc != 4)
		return subject_bad("usage: tbb BENCH CASE WORKERS");
	tbb::global_control limit(tbb::global_control::max_allowed_parallelism,
				  strtoul(argv[3], nullptr, 10));

	if (strcmp(argv[1], "fork_join") == 0)
		return subject_fib_measure(argv[2], fib);
	return subject_par_run(argv[1], argv[2], &verbs);
}
