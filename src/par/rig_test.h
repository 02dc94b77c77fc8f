/* SPDX-License-Identifier: MIT */
/*
 * What the tests of the verbs share: each is checked against a serial loop over many
 * sizes, with 1, 2 and 8 workers, with and without a grain, from outside and from inside
 * of a job. Bodies now and then take longer, so that idle workers get to ask.
 */
#ifndef WEFT_PAR_RIG_TEST_H
#define WEFT_PAR_RIG_TEST_H

#include "check.h"

#include "sys/sys.h"
#include "weft/par.h"

enum { RIG_MOST = 40011 };

typedef void (*rig_check_fn)(size_t n, const weft_par_opts *opts);

struct rig_call {
	rig_check_fn check;
	size_t n;
	weft_par_opts opts;
};

static inline void rig_in_job(weft_par par, void *arg)
{
	struct rig_call *call = arg;

	call->opts.in = &par;
	call->check(call->n, &call->opts);
}

static inline void rig_sizes(rig_check_fn check, weft_pool *pool)
{
	static const size_t sizes[] = { 0, 1, 2, 3, 64, 1001, RIG_MOST };

	for (size_t s = 0; s < sizeof(sizes) / sizeof(*sizes); s++)
		for (size_t grain = 0; grain < 50; grain += 49) {
			struct rig_call call = { check,
						 sizes[s],
						 { .pool = pool, .grain = grain } };

			for (int round = 0; round < 3; round++)
				check(call.n, &call.opts);
			weft_pool_run(pool, rig_in_job, &call);
		}
}

/* check(n, opts) for all of that. */
static inline void rig_run(rig_check_fn check)
{
	for (int workers = 1; workers <= 8; workers *= workers == 2 ? 4 : 2) {
		weft_pool *pool;

		CHECK_EQ(weft_pool_new(&pool, &(weft_pool_opts){ .workers = workers }), 0);
		rig_sizes(check, pool);
		weft_pool_free(pool);
	}
	check(1001, NULL);
}

/* Some 10 us, each 512 indices: a loop over RIG_MOST takes about a millisecond. */
static inline void rig_dawdle(size_t index)
{
	for (int i = 0; index % 512 == 0 && i < 200; i++)
		weft__cpu_pause();
}

#endif
