/* SPDX-License-Identifier: MIT */
/*
 * Time in Weft: an interval beside a channel in one select, a time-out around calls,
 * a call that blocks on another thread, and a signal as an event. All of it is run
 * twice: in real time, and in a deterministic runtime, where an hour passes at once.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include <weft.h>

#define CHECK(cond)                                                           \
	do {                                                                  \
		if (!(cond)) {                                                \
			fprintf(stderr, "%d: not so: %s\n", __LINE__, #cond); \
			exit(1);                                              \
		}                                                             \
	} while (0)

struct world {
	int64_t beat; /* ns between two reports */
	weft_chan *jobs;
	int reports, done;
};

/* Sends ten jobs, each a little after the one before. */
static int produce(void *arg)
{
	struct world *w = arg;
	int err = 0;

	for (int job = 0; job < 10 && err == 0; job++) {
		err = weft_sleep_until(weft_after(w->beat / 2));
		if (err == 0)
			err = weft_chan_send(w->jobs, &job);
	}
	weft_chan_close(w->jobs);
	return err;
}

/* Takes jobs, and reports at each beat how far it is. */
static int serve(struct world *w)
{
	weft_interval tick;
	int job, err = weft_interval_init(&tick, weft_after(w->beat), w->beat, WEFT_MISSED_SKIP);

	if (err)
		return err;
	for (;;) {
		weft_case cases[] = { weft_case_recv(w->jobs, &job), weft_case_interval(&tick) };

		switch (weft_select(cases, 2, WEFT_NEVER)) {
		case 0:
			if (cases[0].result == -EPIPE)
				return 0;
			w->done++;
			break;
		case 1: w->reports++; break;
		default: return -ECANCELED;
		}
	}
}

/* Waits for what never comes, but not for ever. */
static int wait_in_vain(int64_t span)
{
	weft_event never = WEFT_EVENT_INIT;
	weft_timeout timeout;

	weft_timeout_begin(&timeout, weft_after(span));
	return weft_timeout_end(&timeout, weft_event_wait(&never));
}

/* Something that would hold up a fiber's worker. */
static int compute(void *arg)
{
	unsigned x = *(unsigned *)arg;

	for (int i = 0; i < 1000000; i++)
		x = x * 1664525u + 1013904223u;
	*(unsigned *)arg = x;
	return 0;
}

static int live(void *arg)
{
	struct world *w = arg;
	int64_t start = weft_now();
	unsigned number = 1;
	weft_scope scope;

	CHECK(weft_chan_new(&w->jobs, sizeof(int), 4, NULL) == 0);
	weft_scope_open(&scope);
	CHECK(weft_scope_spawn(&scope, produce, w, NULL) == 0);
	CHECK(serve(w) == 0);
	CHECK(weft_scope_close(&scope) == 0);
	weft_chan_release(w->jobs);
	CHECK(w->done == 10 && w->reports >= 1);
	CHECK(weft_now() - start >= 5 * w->beat);

	CHECK(wait_in_vain(w->beat) == -ETIMEDOUT);
	CHECK(weft_blocking(compute, &number) == 0 && number != 1);
	return 0;
}

static void run(const weft_runtime_opts *opts, int64_t beat)
{
	struct world world = { .beat = beat };
	weft_runtime *runtime;
	int result;

	CHECK(weft_runtime_start(&runtime, opts) == 0);
	CHECK(weft_block_on(runtime, live, &world, &result) == 0 && result == 0);
	CHECK(weft_runtime_stop(runtime, WEFT_NEVER) == 0);
	printf("%d jobs, %d reports\n", world.done, world.reports);
}

int main(void)
{
	const int numbers[] = { SIGINT, SIGTERM };
	weft_signals *signals;

	run(NULL, 2 * WEFT_MS);
	run(&(weft_runtime_opts){ .deterministic = true, .seed = 7 }, 3600 * WEFT_SECOND);

	CHECK(weft_signals_open(&signals, numbers, 2) == 0);
	CHECK(raise(SIGTERM) == 0); /* as if somebody had asked us to stop */
	CHECK(weft_signals_next(signals) == SIGTERM);
	weft_signals_close(signals);
	return 0;
}
