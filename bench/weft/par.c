/* SPDX-License-Identifier: MIT */
/* Weft's parallel loops: scale an array in place, sum it up, in steps, and filter it. */
#include "../subject.h"

#include <weft/par.h>

static weft_par_opts opts;

struct scaling {
	double *x;
	double factor;
};

static void scale_range(void *context, size_t lo, size_t hi)
{
	struct scaling *s = context;

	subject_scale(s->x, lo, hi, s->factor);
}

static void scale(double *x, size_t n, double factor)
{
	struct scaling s = { x, factor };

	weft_par_for(0, n, scale_range, &s, &opts);
}

static void sum_range(void *context, size_t lo, size_t hi, void *accumulator)
{
	*(double *)accumulator += subject_sum(context, lo, hi);
}

static void sum_combine(void *context, void *left, const void *right)
{
	(void)context;
	*(double *)left += *(const double *)right;
}

static double sum(const double *x, size_t n)
{
	static const double zero;
	weft_reduce reduce = {
		.size = sizeof(double),
		.identity = &zero,
		.body = sum_range,
		.combine = sum_combine,
		.context = (void *)x,
	};
	double total;

	return weft_par_reduce(0, n, &reduce, &total, &opts) == 0 ? total : -1.0;
}

struct arrays {
	const double *x;
	double *y;
};

#define WEFT_SCAN running_sums
#define WEFT_CONTEXT struct arrays
#define WEFT_T double
#define WEFT_IDENTITY 0
#define WEFT_ITEM(a, i) ((a)->x[i])
#define WEFT_COMBINE(a, b) ((a) + (b))
#define WEFT_COMMUTES
#define WEFT_STORE(a, i, value) (a)->y[i] = (value)
#include <weft/par_tmpl.h>

static double scan(const double *x, double *y, size_t n)
{
	struct arrays a = { x, y };

	return running_sums(0, n, &a, &opts);
}

#define WEFT_FILTER kept
#define WEFT_CONTEXT struct arrays
#define WEFT_TEST(a, i) subject_keep((a)->x[i])
#define WEFT_KEEP(a, k, i) (a)->y[k] = (a)->x[i]
#include <weft/par_tmpl.h>

static size_t filter(const double *x, double *y, size_t n)
{
	struct arrays a = { x, y };

	return kept(0, n, &a, &opts);
}

static const struct subject_par verbs = { scale, sum, scan, filter };

int main(int argc, char **argv)
{
	if (argc != 4)
		return subject_bad(
			"usage: weft-par par_for|par_reduce|par_scan|par_filter N WORKERS");
	int err = weft_pool_new(&opts.pool, &(weft_pool_opts){ .workers = atoi(argv[3]) });

	if (err)
		return subject_bad("a pool of %s workers: %s", argv[3], strerror(-err));
	int rc = subject_par_run(argv[1], argv[2], &verbs);

	weft_pool_free(opts.pool);
	return rc;
}
