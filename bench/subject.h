/* SPDX-License-Identifier: MIT */
/* What the measured programs written in C and C++ have in common.
 *
 * A measured program is a subject. The driver starts it as
 *
 *	SUBJECT BENCH CASE WORKERS
 *
 * and it rehearses, measures once, checks its own result and prints one line:
 * "ok VALUE UNIT", "bad SENTENCE" or "skip SENTENCE". Alternating the runs,
 * medians and time limits are the driver's business.
 *
 * The arithmetic here is a rule of the comparison: peers in other languages
 * (bench/peers/rust/subject.rs, bench/peers/go/main.go) do the same steps, so
 * that only the library under test differs. Linux only, like the driver.
 */
#ifndef BENCH_SUBJECT_H
#define BENCH_SUBJECT_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A measured run aims at this long: far above the clock, the start of a
 * thread and one time slice, and still short enough to alternate often. */
#define SUBJECT_RUN_NS 250e6

static inline double subject_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

/* The three answers. Each returns what main returns. */

static inline int subject_ok(double value, const char *unit)
{
	printf("ok %.6g %s\n", value, unit);
	return 0;
}

static inline int subject_say(const char *word, const char *format, va_list args)
{
	fputs(word, stdout);
	vprintf(format, args);
	putchar('\n');
	return 0;
}

__attribute__((format(printf, 1, 2))) static inline int subject_bad(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	int rc = subject_say("bad ", format, args);
	va_end(args);
	return rc;
}

__attribute__((format(printf, 1, 2))) static inline int subject_skip(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	int rc = subject_say("skip ", format, args);
	va_end(args);
	return rc;
}

/* Operations for the measured run, from a rehearsal of `done` that took
 * `took_ns`: enough for SUBJECT_RUN_NS, but within most/40 .. most, and a
 * multiple of `step`. A peer that is a hundred times slower than the others
 * thus does fewer operations instead of holding up everybody. */
static inline uint64_t subject_count(uint64_t done, double took_ns, uint64_t most, uint64_t step)
{
	double want = SUBJECT_RUN_NS * (double)done / (took_ns < 1.0 ? 1.0 : took_ns);
	uint64_t n = want >= (double)most ? most : (uint64_t)want;

	if (n < most / 40)
		n = most / 40;
	n -= n % step;
	return n ? n : step;
}

/* fork_join: "fib38" is fib(38) where every call of 2 or more forks once. */

static inline int subject_fib_n(const char *name)
{
	int n = strncmp(name, "fib", 3) == 0 ? atoi(name + 3) : 0;

	return n >= 10 && n <= 60 ? n : 0;
}

static inline uint64_t subject_fib(int n)
{
	uint64_t a = 0, b = 1;

	for (int i = 0; i < n; i++) {
		uint64_t next = a + b;

		a = b;
		b = next;
	}
	return a;
}

static inline uint64_t subject_fib_forks(int n)
{
	return subject_fib(n + 1) - 1;
}

typedef uint64_t (*subject_fib_fn)(int n);

/* Rehearse with a small n, measure fib of `name`, answer. */
static inline int subject_fib_measure(const char *name, subject_fib_fn fib)
{
	int n = subject_fib_n(name);

	if (!n)
		return subject_bad("there is no case %s", name);
	uint64_t small = fib(n - 8);
	double start = subject_now_ns();
	uint64_t got = fib(n);
	double took = subject_now_ns() - start;

	if (small != subject_fib(n - 8) || got != subject_fib(n))
		return subject_bad("fib(%d) came out as %" PRIu64 " and not %" PRIu64, n, got,
				   subject_fib(n));
	return subject_ok(took / (double)subject_fib_forks(n), "ns/fork");
}

/* channel: "cap128_4to1", "unbounded_1to1_pinned". The driver does the
 * pinning, before the program starts. */

#define SUBJECT_UNBOUNDED SIZE_MAX

struct subject_channel {
	size_t capacity; /* SUBJECT_UNBOUNDED without a bound */
	unsigned senders, receivers;
	uint64_t most; /* messages of the longest run */
};

static inline bool subject_channel_parse(const char *name, struct subject_channel *c)
{
	unsigned long capacity = 0;
	int at = 0;

	if (strncmp(name, "unbounded", 9) == 0)
		at = 9;
	else if (sscanf(name, "cap%lu%n", &capacity, &at) != 1)
		return false;
	if (sscanf(name + at, "_%uto%u", &c->senders, &c->receivers) != 2)
		return false;
	bool bounded = name[0] == 'c';

	c->capacity = bounded ? (size_t)capacity : SUBJECT_UNBOUNDED;
	c->most = bounded && capacity < 16 ? 400000 : 4000000;
	return c->senders > 0 && c->receivers > 0;
}

/* The messages are 1 .. n, sender s has the block after s * n / senders. */
static inline uint64_t subject_channel_sum(uint64_t n)
{
	return n % 2 ? (n + 1) / 2 * n : n / 2 * (n + 1);
}

/* mutex: under the lock one count and one mix, outside a little private work.
 * The mix is an exclusive or, so its final value does not depend on the order
 * of the threads and can be computed again serially. */

struct subject_guarded {
	uint64_t count, mix;
};

static inline unsigned subject_mutex_threads(const char *name)
{
	unsigned threads = 0;

	if (strcmp(name, "uncontended") == 0)
		return 1;
	return sscanf(name, "threads%u", &threads) == 1 && threads <= 64 ? threads : 0;
}

static inline uint64_t subject_mutex_seed(unsigned thread)
{
	return (thread + 1) * UINT64_C(0x9e3779b97f4a7c15);
}

static inline uint64_t subject_mutex_work(uint64_t x)
{
	for (int i = 0; i < 8; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
	}
	return x;
}

static inline bool subject_mutex_check(const struct subject_guarded *g, unsigned threads,
				       uint64_t each)
{
	uint64_t mix = 0;

	for (unsigned t = 0; t < threads; t++) {
		uint64_t x = subject_mutex_seed(t);

		for (uint64_t i = 0; i < each; i++) {
			mix ^= x;
			x = subject_mutex_work(x);
		}
	}
	return g->count == threads * each && g->mix == mix;
}

#define SUBJECT_MUTEX_MOST_ALONE UINT64_C(20000000)
#define SUBJECT_MUTEX_MOST UINT64_C(4000000)

/* par_for and par_reduce: "1e8" and "2000" doubles. The values are the whole
 * numbers 1 .. 1000 over and over, so that sums are exact in any order. */

static inline size_t subject_par_n(const char *name)
{
	double n = strtod(name, NULL);

	return n >= 1.0 && n <= 1e9 ? (size_t)n : 0;
}

/* Passes over the array in the longest measured run. */
static inline uint64_t subject_par_most(size_t n)
{
	return n >= 10000000 ? 5 : UINT64_C(400000000) / n;
}

/* Filled from one thread, on large pages where the system gives them: page
 * faults and translation misses are not what is compared. NULL: no memory. */
static inline double *subject_doubles_new(size_t n)
{
	size_t huge = (size_t)2 << 20;
	size_t bytes = (n * sizeof(double) + huge - 1) / huge * huge;
	double *x = (double *)aligned_alloc(huge, bytes);

	if (!x)
		return NULL;
	madvise(x, bytes, MADV_HUGEPAGE);
	for (size_t i = 0, k = 0; i < n; i++) {
		x[i] = (double)(k + 1);
		k = k == 999 ? 0 : k + 1;
	}
	return x;
}

static inline double subject_doubles_sum(size_t n)
{
	double rest = (double)(n % 1000);

	return (double)(n / 1000) * 500500.0 + rest * (rest + 1.0) / 2.0;
}

static inline bool subject_doubles_check(const double *x, size_t n, double factor)
{
	for (size_t i = 0, k = 0; i < n; i++) {
		if (x[i] != (double)(k + 1) * factor)
			return false;
		k = k == 999 ? 0 : k + 1;
	}
	return true;
}

/* The bodies over one range: what a plain loop does on one thread. Eight
 * running sums, since one would measure the latency of an addition. Neither inlined nor
 * fitted to their callers, and aligned, so that all subjects have the same loops, at the
 * same place of a line of code: of two such loops one may be twice as fast. */
#if defined(__clang__)
#define SUBJECT_BODY __attribute__((noinline, unused, aligned(64)))
#else
#define SUBJECT_BODY __attribute__((noipa, unused, aligned(64)))
#endif

SUBJECT_BODY static void subject_scale(double *x, size_t lo, size_t hi, double factor)
{
	for (size_t i = lo; i < hi; i++)
		x[i] *= factor;
}

SUBJECT_BODY static double subject_sum(const double *x, size_t lo, size_t hi)
{
	double s[8] = { 0 };
	size_t i = lo;

	for (; i + 8 <= hi; i += 8)
		for (int k = 0; k < 8; k++)
			s[k] += x[i + k];
	for (; i < hi; i++)
		s[0] += x[i];
	return ((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7]));
}

typedef void (*subject_scale_fn)(double *x, size_t n, double factor);
typedef double (*subject_sum_fn)(const double *x, size_t n);

/* `passes` passes by 2 and by 1/2 in turn. */
static inline double subject_scale_time(double *x, size_t n, uint64_t passes, subject_scale_fn fn)
{
	double start = subject_now_ns();

	for (uint64_t i = 0; i < passes; i++)
		fn(x, n, i % 2 ? 0.5 : 2.0);
	return subject_now_ns() - start;
}

/* The time of `passes` passes, or a negative number if one sum was wrong. */
static inline double subject_sum_time(const double *x, size_t n, uint64_t passes,
				      subject_sum_fn fn)
{
	double want = subject_doubles_sum(n), start = subject_now_ns();
	bool good = true;

	for (uint64_t i = 0; i < passes; i++)
		good &= fn(x, n) == want;
	return good ? subject_now_ns() - start : -1.0;
}

/* Both benches, whole: rehearse, measure, check, answer. An odd number of
 * measured passes leaves the array doubled, which a loop that does nothing
 * would not. */
static inline int subject_par_measure(const char *bench, const char *name, subject_scale_fn scale,
				      subject_sum_fn sum)
{
	bool reduce = strcmp(bench, "par_reduce") == 0;
	size_t n = subject_par_n(name);
	double *x = n ? subject_doubles_new(n) : NULL;

	if (!x)
		return subject_bad("no %zu doubles in memory for case %s", n, name);
	uint64_t most = subject_par_most(n), rehearse = n >= 10000000 ? 2 : most / 50 / 2 * 2;
	double took = reduce ? subject_sum_time(x, n, rehearse, sum)
			     : subject_scale_time(x, n, rehearse, scale);
	uint64_t passes = n >= 10000000 ? most : subject_count(rehearse, took, most, 2) - 1;
	bool good = took >= 0.0;

	took = reduce ? subject_sum_time(x, n, passes, sum)
		      : subject_scale_time(x, n, passes, scale);
	good &= took >= 0.0 && subject_doubles_check(x, n, reduce ? 1.0 : 2.0);
	free(x);
	if (!good)
		return subject_bad("%s over %s doubles gave a wrong result", bench, name);
	return subject_ok(took / ((double)n * (double)passes), "ns/element");
}

/* par_scan: y[i] = x[0] + ... + x[i]. par_filter: y is those of x that are to be kept, in
 * their order. About half are, and which is not easy to foresee. */

static inline bool subject_keep(double x)
{
	return (uint32_t)(int32_t)x * UINT32_C(2654435761) >> 31;
}

/* The sums of one range behind `before`; returns the last one. */
SUBJECT_BODY static double subject_scan(const double *x, double *y, size_t lo, size_t hi,
					double before)
{
	for (size_t i = lo; i < hi; i++)
		y[i] = before += x[i];
	return before;
}

SUBJECT_BODY static size_t subject_kept(const double *x, size_t lo, size_t hi)
{
	size_t count = 0;

	for (size_t i = lo; i < hi; i++)
		count += subject_keep(x[i]);
	return count;
}

/* Fills y[k] .. y[end - 1], without a branch that cannot be foreseen. */
SUBJECT_BODY static void subject_filter(const double *x, double *y, size_t lo, size_t k,
					size_t end)
{
	for (size_t i = lo; k < end; i++) {
		y[k] = x[i];
		k += subject_keep(x[i]);
	}
}

/* Return the sum of all, and the count of what was kept. */
typedef double (*subject_scan_fn)(const double *x, double *y, size_t n);
typedef size_t (*subject_filter_fn)(const double *x, double *y, size_t n);

static inline bool subject_scan_check(const double *x, const double *y, size_t n)
{
	double sum = 0.0;
	bool good = true;

	for (size_t i = 0; i < n; i++)
		good &= y[i] == (sum += x[i]);
	return good;
}

static inline bool subject_filter_check(const double *x, const double *y, size_t n)
{
	bool good = true;
	size_t k = 0;

	for (size_t i = 0; i < n; i++)
		if (subject_keep(x[i]))
			good &= y[k++] == x[i];
	return good;
}

/* The time of `passes` passes, or a negative number if one gave a wrong answer. */
static inline double subject_order_time(const double *x, double *y, size_t n, uint64_t passes,
					subject_scan_fn scan, subject_filter_fn filter)
{
	double sum = subject_doubles_sum(n), start;
	size_t kept = subject_kept(x, 0, n);
	bool good = true;

	start = subject_now_ns();
	for (uint64_t i = 0; i < passes; i++)
		good &= scan ? scan(x, y, n) == sum : filter(x, y, n) == kept;
	return good ? subject_now_ns() - start : -1.0;
}

/* Both benches, whole; one of the functions is NULL. */
static inline int subject_order_measure(const char *bench, const char *name, subject_scan_fn scan,
					subject_filter_fn filter)
{
	size_t n = subject_par_n(name);
	double *x = n ? subject_doubles_new(n) : NULL, *y = n ? subject_doubles_new(n) : NULL;

	if (!x || !y)
		return subject_bad("no %zu doubles in memory for case %s", n, name);
	uint64_t most = subject_par_most(n), rehearse = n >= 10000000 ? 1 : most / 50;
	double took = subject_order_time(x, y, n, rehearse, scan, filter);
	uint64_t passes = n >= 10000000 ? most : subject_count(rehearse, took, most, 1);
	bool good = took >= 0.0;

	for (size_t i = 0; i < n; i++)
		y[i] = -1.0;
	took = subject_order_time(x, y, n, passes, scan, filter);
	good &= took >= 0.0 &&
		(scan ? subject_scan_check(x, y, n) : subject_filter_check(x, y, n));
	free(x);
	free(y);
	if (!good)
		return subject_bad("%s over %s doubles gave a wrong result", bench, name);
	return subject_ok(took / ((double)n * (double)passes), "ns/element");
}

/* The four benches over arrays. */
struct subject_par {
	subject_scale_fn scale;
	subject_sum_fn sum;
	subject_scan_fn scan;
	subject_filter_fn filter;
};

static inline int subject_par_run(const char *bench, const char *name, const struct subject_par *p)
{
	if (strcmp(bench, "par_scan") == 0)
		return subject_order_measure(bench, name, p->scan, NULL);
	if (strcmp(bench, "par_filter") == 0)
		return subject_order_measure(bench, name, NULL, p->filter);
	return subject_par_measure(bench, name, p->scale, p->sum);
}

#ifdef __cplusplus
}
#endif

#endif
