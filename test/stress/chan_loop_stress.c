/* SPDX-License-Identifier: MIT */
/*
 * Goal: no wake-up is lost in a channel: nobody sleeps beside a value or a free
 * cell, whoever else timed out, was cancelled or left just when it was notified.
 * Method: closed loops. Clients ask on one channel and wait for an answer on
 * another, servers answer; nobody has more than one message under way, so that
 * almost any wake-up that is lost stops the whole loop, and an alarm tells. (In
 * chan_stress.c the next message or the next time-out would hide it.) Each party
 * waits in a style of its own: plainly, in a select beside a channel that stays
 * empty, with deadlines and cancelled tokens, or as a future that gives up when it
 * is notified, to begin anew or, if it serves, for good. Large elements take long
 * to copy, so that values are published out of order.
 *
 * WEFT_STRESS_OPS and WEFT_STRESS_SEED as in chan_stress.c.
 */
#include "weft/cancel.h"
#include "weft/channel.h"
#include "weft/select.h"

#include "base/rng.h"

#include "poll_waiter_test.h"
#include "team_test.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	CLIENTS_MOST = 6,
	SERVERS_MOST = 4,
	HANG_SECONDS = 60,
	OPS_DEFAULT = 300000,
	SIZE_MOST = 65536
};

enum style { PLAIN, SELECT, RESTLESS, FUTURE, STYLES };

static struct round {
	weft_chan *ask, *answer, *never;
	size_t capacity_ask, capacity_answer, size;
	int clients, servers, styles; /* styles: of STYLES, those in use */
	int turns;                    /* of a client */
	uint64_t seed;
	weft_atomic_u64 asked, answered; /* sums of what was sent and received */
} round_;

struct party {
	struct weft__rng rng;
	enum style style;
	bool is_client;
	int turns;
	unsigned char *element; /* its first eight bytes count */
	/* Of a future: */
	weft_case one;
	bool begun, receives;
};

static uint64_t ops_done;

static bool chance(struct party *p, uint32_t of)
{
	return weft__rng_below(&p->rng, of) == 0;
}

static weft_case draw_case(struct party *p, weft_chan *chan, bool sends)
{
	return sends ? weft_case_send(chan, p->element) : weft_case_recv(chan, p->element);
}

/* ---- one send or receive, in the party's style ------------------------------------- */

static int by_select(struct party *p, weft_chan *chan, bool sends)
{
	weft_case cases[] = { weft_case_recv(round_.never, NULL), draw_case(p, chan, sends) };

	CHECK_EQ(chance(p, 2) ? weft_select(cases, 2, WEFT_NEVER)
			      : weft_select_biased(cases, 2, WEFT_NEVER),
		 1);
	return cases[1].result;
}

/* In short attempts until one succeeds, and now and then a longer one, since a short
 * one may be over before a future has come to see. */
static int restlessly(struct party *p, weft_chan *chan, bool sends)
{
	int err;

	do {
		uint32_t most_ns = chance(p, 8) ? 5000000 : 30000;
		int64_t deadline = weft_after(weft__rng_below(&p->rng, most_ns));
		weft_token token;

		weft_token_init(&token, NULL);
		if (chance(p, 16))
			weft_token_cancel(&token);
		weft_ambient_set(&token);
		err = sends ? weft_chan_send_until(chan, p->element, deadline)
			    : weft_chan_recv_until(chan, p->element, deadline);
		weft_ambient_set(NULL);
	} while (err == -ETIMEDOUT || err == -ECANCELED);
	return err;
}

static int transfer(struct party *p, weft_chan *chan, bool sends)
{
	switch (p->style) {
	case SELECT: return by_select(p, chan, sends);
	case RESTLESS: return restlessly(p, chan, sends);
	default:
		return sends ? weft_chan_send(chan, p->element) : weft_chan_recv(chan, p->element);
	}
}

/* ---- parties -------------------------------------------------------------------------- */

static void client_asks(struct party *p)
{
	uint64_t value = weft__rng_next(&p->rng);

	memcpy(p->element, &value, sizeof(value));
	weft_add_relaxed(&round_.asked, value);
}

static void client_is_answered(struct party *p)
{
	uint64_t value;

	memcpy(&value, p->element, sizeof(value));
	weft_add_relaxed(&round_.answered, value);
	p->turns--;
}

static void run_thread(struct party *p)
{
	int err;

	while (p->is_client && p->turns > 0) {
		client_asks(p);
		CHECK_EQ(transfer(p, round_.ask, true), 0);
		CHECK_EQ(transfer(p, round_.answer, false), 0);
		client_is_answered(p);
	}
	while (!p->is_client && (err = transfer(p, round_.ask, false)) != -EPIPE) {
		CHECK_EQ(err, 0);
		CHECK_EQ(transfer(p, round_.answer, true), 0);
	}
}

/* A server receives, then sends; a client the other way round. */
static void future_begin(struct poll_task *task, struct party *p)
{
	weft_chan *chan = p->receives == p->is_client ? round_.answer : round_.ask;

	if (p->is_client && !p->receives)
		client_asks(p);
	p->one = draw_case(p, chan, !p->receives);
	poll_task_begin(task, &p->one, 1);
	p->begun = true;
}

/* True when the party has ended. */
static bool future_completed(struct party *p)
{
	p->begun = false;
	if (p->one.result == -EPIPE && !p->is_client)
		return true;
	CHECK_EQ(p->one.result, 0);
	if (p->is_client && p->receives)
		client_is_answered(p);
	p->receives = !p->receives;
	return p->is_client && p->turns == 0;
}

/* Gives up, as like as not just when it has been notified. A server may do so for
 * good as long as it owes no answer; then another one has to take over. True when
 * the party has ended. */
static bool future_leaves(struct poll_task *task, struct party *p)
{
	if (weft__poll_drop(&task->poll) == 0)
		return future_completed(p);
	if (!p->is_client && p->receives && chance(p, 4))
		return true;
	poll_task_begin(task, &p->one, 1);
	return false;
}

static bool future_step(struct poll_task *task)
{
	struct party *p = task->arg;

	for (;;) {
		int chosen;

		if (p->begun && chance(p, 3)) {
			if (future_leaves(task, p))
				return true;
		}
		if (!p->begun)
			future_begin(task, p);
		chosen = weft__poll_next(&task->poll);
		if (chosen == -EAGAIN)
			return false;
		CHECK_EQ(chosen, 0);
		if (future_completed(p))
			return true;
	}
}

static void run_future(struct party *p)
{
	struct poll_executor executor = { { 0 } };
	struct poll_task task;

	p->receives = !p->is_client;
	poll_task_init(&task, &executor, future_step, p);
	poll_executor_run(&executor, &task, 1);
}

static void run_party(void *arg, int index)
{
	struct party p = { .is_client = *(bool *)arg, .turns = round_.turns };

	weft__rng_seed(&p.rng, round_.seed + (uint64_t)(index * 2 + p.is_client));
	p.style = (enum style)weft__rng_below(&p.rng, STYLES);
	/* The first server is one that stays. */
	if (!(round_.styles & 1 << p.style) || (!p.is_client && index == 0))
		p.style = PLAIN;
	p.element = calloc(1, round_.size);
	CHECK_NOT_NULL(p.element);
	if (p.style == FUTURE)
		run_future(&p);
	else
		run_thread(&p);
	free(p.element);
}

/* ---- rounds ----------------------------------------------------------------------------- */

static void draw_round(struct weft__rng *rng)
{
	static const size_t capacities[] = { 0, 1, 2, 3, 8, WEFT_UNBOUNDED };
	static const size_t sizes[] = { 8, 8, 8, 500, 10000, SIZE_MOST };

	memset(&round_, 0, sizeof(round_));
	round_.seed = weft__rng_next(rng);
	round_.capacity_ask = capacities[weft__rng_below(rng, 6)];
	round_.capacity_answer = capacities[weft__rng_below(rng, 6)];
	round_.clients = 1 + (int)weft__rng_below(rng, CLIENTS_MOST);
	round_.servers = 1 + (int)weft__rng_below(rng, SERVERS_MOST);
	round_.styles = (int)weft__rng_below(rng, 1 << STYLES);
	round_.size = sizes[weft__rng_below(rng, 6)];
	round_.turns = 1 + (int)weft__rng_below(rng, round_.size > 1000 ? 50 : 400);
}

static void run_round(void)
{
	struct team clients = { .count = 0 }, servers = { .count = 0 };
	static bool yes = true, no = false;

	alarm(HANG_SECONDS);
	CHECK_EQ(weft_chan_new(&round_.ask, round_.size, round_.capacity_ask, NULL), 0);
	CHECK_EQ(weft_chan_new(&round_.answer, round_.size, round_.capacity_answer, NULL), 0);
	CHECK_EQ(weft_chan_new(&round_.never, 0, 1, NULL), 0);
	team_add(&servers, round_.servers, run_party, &no);
	team_add(&clients, round_.clients, run_party, &yes);
	team_join(&clients);
	weft_chan_close(round_.ask);
	team_join(&servers);
	CHECK_EQ(weft_load_relaxed(&round_.asked), weft_load_relaxed(&round_.answered));
	CHECK_EQ(weft_chan_len(round_.ask) + weft_chan_len(round_.answer), 0);
	weft_chan_release(round_.ask);
	weft_chan_release(round_.answer);
	weft_chan_release(round_.never);
	ops_done += 4 * (uint64_t)(round_.clients * round_.turns);
	alarm(0);
}

static void run_rounds(const char *name, uint64_t ops, struct weft__rng *rng)
{
	uint64_t before = ops_done, rounds = 0;

	for (; ops_done - before < ops; rounds++) {
		draw_round(rng);
		run_round();
	}
	printf("  %-10s %9llu operations, %6llu loops\n", name,
	       (unsigned long long)(ops_done - before), (unsigned long long)rounds);
	fflush(stdout);
}

static void on_hang(int sig)
{
	char text[256];
	int len = snprintf(
		text, sizeof(text),
		"a wake-up was lost: capacities %zu and %zu, size %zu, %d clients, %d servers, "
		"styles 0x%x, asked %llu, answered %llu\n",
		round_.capacity_ask, round_.capacity_answer, round_.size, round_.clients,
		round_.servers, (unsigned)round_.styles,
		(unsigned long long)weft_load_relaxed(&round_.asked),
		(unsigned long long)weft_load_relaxed(&round_.answered));

	(void)sig;
	if (write(STDERR_FILENO, text, (size_t)len) < 0)
		_exit(1);
	abort();
}

static uint64_t number_from(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text && *text ? strtoull(text, NULL, 10) : otherwise;
}

int main(void)
{
	uint64_t ops = number_from("WEFT_STRESS_OPS", OPS_DEFAULT);
	uint64_t seed = number_from("WEFT_STRESS_SEED", weft__entropy());
	struct weft__rng rng = { seed };
	cpu_set_t all;

	signal(SIGALRM, on_hang);
	printf("chan_loop_stress: about %llu operations, WEFT_STRESS_SEED=%llu\n",
	       (unsigned long long)ops, (unsigned long long)seed);
	fflush(stdout);
	run_rounds("all CPUs", ops / 4 * 3, &rng);
	all = pin_to_one_cpu();
	run_rounds("one CPU", ops / 4, &rng);
	unpin(all);
	printf("chan_loop_stress: %llu operations, no wake-up lost\n",
	       (unsigned long long)ops_done);
	return 0;
}
