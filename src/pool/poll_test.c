/* SPDX-License-Identifier: MIT */
/*
 * Goal: a job that computes for long can let others have what it forked before.
 * Method: it forks a job and then neither forks nor joins, but polls, until that job
 * has run. Nobody but another worker can run it, and only the poll hands it out.
 */
#include "check.h"
#include "weft/event.h"
#include "weft/pool.h"

struct signal_job {
	weft_job job;
	weft_event *ran;
};

static void signal_run(weft_par par, weft_job *job)
{
	(void)par;
	weft_event_set(weft_container_of(job, struct signal_job, job)->ran);
}

static void fork_and_poll(weft_par par, void (*poll)(weft_par par))
{
	static weft_event ran;
	struct signal_job other = { .ran = &ran };
	int64_t deadline = weft_after_s(20);
	weft_par inner;

	weft_event_reset(&ran);
	inner = weft_fork(par, &other.job, signal_run);
	while (!weft_event_is_set(&ran)) {
		CHECK_LT(weft_now(), deadline);
		poll(inner);
	}
	weft_join(par, &other.job, signal_run);
}

static void poll_inline(weft_par par)
{
	weft_par_poll(par);
}

static void poll_both(weft_par par, void *arg)
{
	(void)arg;
	fork_and_poll(par, poll_inline);
	fork_and_poll(par, weft_pool_poll);
}

TEST(poll_hands_out_what_was_forked)
{
	weft_pool *pool;

	CHECK_EQ(weft_pool_new(&pool, &(weft_pool_opts){ .workers = 2 }), 0);
	for (int i = 0; i < 10; i++)
		weft_pool_run(pool, poll_both, NULL);
	weft_pool_free(pool);
}
