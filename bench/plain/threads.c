/* SPDX-License-Identifier: MIT */
/* The limit for the large arrays: one loop per CPU, cut by hand, on threads
 * that are started for each pass. No scheduler can stream faster. */
#include "../subject.h"

#include <pthread.h>

#define THREADS_MAX 64

struct part {
	const double *x;
	double *y;
	size_t lo, hi;
	double factor, sum;
	size_t kept;
};

static size_t workers;

static void *part_scale(void *arg)
{
	struct part *p = arg;

	subject_scale(p->y, p->lo, p->hi, p->factor);
	return NULL;
}

static void *part_sum(void *arg)
{
	struct part *p = arg;

	p->sum = subject_sum(p->x, p->lo, p->hi);
	return NULL;
}

static void *part_scan(void *arg)
{
	struct part *p = arg;

	subject_scan(p->x, p->y, p->lo, p->hi, p->sum);
	return NULL;
}

static void *part_count(void *arg)
{
	struct part *p = arg;

	p->kept = subject_kept(p->x, p->lo, p->hi);
	return NULL;
}

static void *part_filter(void *arg)
{
	struct part *p = arg;

	/* From here on `kept` is where the part begins in y, and `hi` where it ends. */
	subject_filter(p->x, p->y, p->lo, p->kept, p->hi);
	return NULL;
}

static void parts_make(struct part *parts, const double *x, double *y, size_t n, double factor)
{
	for (size_t w = 0; w < workers; w++)
		parts[w] = (struct part){ x,   y, n * w / workers, n * (w + 1) / workers, factor,
					  0.0, 0 };
}

/* Every part but the first on a thread of its own, the first one here. */
static void parts_run(struct part *parts, void *(*run)(void *))
{
	pthread_t threads[THREADS_MAX];

	for (size_t w = 1; w < workers; w++)
		if (pthread_create(&threads[w], NULL, run, &parts[w]) != 0)
			abort();
	run(&parts[0]);
	for (size_t w = 1; w < workers; w++)
		pthread_join(threads[w], NULL);
}

static void scale(double *x, size_t n, double factor)
{
	struct part parts[THREADS_MAX];

	parts_make(parts, x, x, n, factor);
	parts_run(parts, part_scale);
}

static double sum(const double *x, size_t n)
{
	struct part parts[THREADS_MAX];
	double all = 0.0;

	parts_make(parts, x, NULL, n, 0.0);
	parts_run(parts, part_sum);
	for (size_t w = 0; w < workers; w++)
		all += parts[w].sum;
	return all;
}

/* Twice over the array: what each part sums up to, and then its sums. */
static double scan(const double *x, double *y, size_t n)
{
	struct part parts[THREADS_MAX];
	double before = 0.0;

	parts_make(parts, x, y, n, 0.0);
	parts_run(parts, part_sum);
	for (size_t w = 0; w < workers; w++) {
		double own = parts[w].sum;

		parts[w].sum = before;
		before += own;
	}
	parts_run(parts, part_scan);
	return before;
}

static size_t filter(const double *x, double *y, size_t n)
{
	struct part parts[THREADS_MAX];
	size_t before = 0;

	parts_make(parts, x, y, n, 0.0);
	parts_run(parts, part_count);
	for (size_t w = 0; w < workers; w++) {
		size_t own = parts[w].kept;

		parts[w].kept = before;
		parts[w].hi = before += own;
	}
	parts_run(parts, part_filter);
	return before;
}

static const struct subject_par loops = { scale, sum, scan, filter };

int main(int argc, char **argv)
{
	if (argc != 4)
		return subject_bad("usage: threads BENCH CASE WORKERS");
	workers = strtoul(argv[3], NULL, 10);
	if (workers < 1 || workers > THREADS_MAX)
		return subject_skip("written for 1 to %d workers", THREADS_MAX);
	return subject_par_run(argv[1], argv[2], &loops);
}
