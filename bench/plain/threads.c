/* SPDX-License-Identifier: MIT */
/* The limit for the large arrays: one loop per CPU, cut by hand, on threads
 * that are started for each pass. No scheduler can stream faster. */
#include "../subject.h"

#include <pthread.h>

#define THREADS_MAX 64

struct part {
	double *x;
	size_t lo, hi;
	double factor, sum;
};

static size_t workers;

static void *part_scale(void *arg)
{
	struct part *p = arg;

	subject_scale(p->x, p->lo, p->hi, p->factor);
	return NULL;
}

static void *part_sum(void *arg)
{
	struct part *p = arg;

	p->sum = subject_sum(p->x, p->lo, p->hi);
	return NULL;
}

/* Every part but the first on a thread of its own, the first one here. */
static double split(double *x, size_t n, double factor, void *(*run)(void *))
{
	struct part parts[THREADS_MAX];
	pthread_t threads[THREADS_MAX];
	double sum = 0.0;

	for (size_t w = 0; w < workers; w++)
		parts[w] = (struct part){ x, n * w / workers, n * (w + 1) / workers, factor, 0.0 };
	for (size_t w = 1; w < workers; w++)
		if (pthread_create(&threads[w], NULL, run, &parts[w]) != 0)
			abort();
	run(&parts[0]);
	for (size_t w = 1; w < workers; w++)
		pthread_join(threads[w], NULL);
	for (size_t w = 0; w < workers; w++)
		sum += parts[w].sum;
	return sum;
}

static void scale(double *x, size_t n, double factor)
{
	split(x, n, factor, part_scale);
}

static double sum(const double *x, size_t n)
{
	return split((double *)x, n, 0.0, part_sum);
}

int main(int argc, char **argv)
{
	if (argc != 4)
		return subject_bad("usage: threads BENCH CASE WORKERS");
	workers = strtoul(argv[3], NULL, 10);
	if (workers < 1 || workers > THREADS_MAX)
		return subject_skip("written for 1 to %d workers", THREADS_MAX);
	return subject_par_measure(argv[1], argv[2], scale, sum);
}
