/* SPDX-License-Identifier: MIT */
/* Time-outs that do not pass: two fibers of one worker answer each other over
 * channels, and each receive has a deadline a second away. So each round trip sets two
 * timers and takes two away. "recv_plain" is the same without deadlines. */
#include "../subject.h"

#include <errno.h>

#include <weft/channel.h>
#include <weft/runtime.h>
#include <weft/scope.h>

#define MOST 20000000

struct game {
	weft_chan *there, *back;
	uint64_t rounds;
	bool timed;
};

static int receive(const struct game *g, weft_chan *chan, uint64_t *value)
{
	return weft_chan_recv_until(chan, value, g->timed ? weft_after_ms(1000) : WEFT_NEVER);
}

static int answer(void *arg)
{
	struct game *g = arg;
	uint64_t value;
	int err = 0;

	for (uint64_t i = 0; i < g->rounds && err == 0; i++) {
		err = receive(g, g->there, &value);
		value++;
		if (err == 0)
			err = weft_chan_send(g->back, &value);
	}
	return err;
}

static int ask(void *arg)
{
	struct game *g = arg;
	uint64_t value = 0;
	weft_scope scope;
	int err;

	weft_scope_open(&scope);
	err = weft_scope_spawn(&scope, answer, g, NULL);
	for (uint64_t i = 0; i < g->rounds && err == 0; i++) {
		err = weft_chan_send(g->there, &value);
		if (err == 0)
			err = receive(g, g->back, &value);
	}
	if (err)
		weft_scope_cancel(&scope);
	err = weft_scope_close(&scope);
	return err == 0 && value != g->rounds ? -EIO : err;
}

static double play(weft_runtime *runtime, struct game *g, uint64_t rounds, int *err)
{
	double start = subject_now_ns();
	int result = 0;

	g->rounds = rounds;
	*err = weft_block_on(runtime, ask, g, &result);
	if (*err == 0)
		*err = result;
	return subject_now_ns() - start;
}

int main(int argc, char **argv)
{
	const weft_runtime_opts opts = { .workers = 1, .hog_ns = -1 };
	struct game g = { .timed = false };
	weft_runtime *runtime;
	uint64_t rounds = MOST / 50;
	double took;
	int err;

	if (argc != 4 || strcmp(argv[1], "timers") != 0)
		return subject_bad("usage: SUBJECT timers CASE WORKERS");
	g.timed = strcmp(argv[2], "recv_timeout") == 0;
	if (!g.timed && strcmp(argv[2], "recv_plain") != 0)
		return subject_bad("there is no case %s", argv[2]);
	if (weft_runtime_start(&runtime, &opts) != 0 ||
	    weft_chan_new(&g.there, sizeof(uint64_t), 1, NULL) != 0 ||
	    weft_chan_new(&g.back, sizeof(uint64_t), 1, NULL) != 0)
		return subject_bad("no runtime, or no memory for a channel");
	took = play(runtime, &g, rounds, &err);
	rounds = subject_count(rounds, took, MOST, 1);
	if (err == 0)
		took = play(runtime, &g, rounds, &err);
	(void)weft_runtime_stop(runtime, WEFT_NEVER);
	weft_chan_release(g.there);
	weft_chan_release(g.back);
	if (err)
		return subject_bad("a message was lost, or came too late: %s", strerror(-err));
	return subject_ok(took / (double)rounds, "ns/round");
}
