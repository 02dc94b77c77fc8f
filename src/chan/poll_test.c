/* SPDX-License-Identifier: MIT */
/*
 * Goal: futures and threads use one channel side by side, and a future may leave
 * at any time, notified or not, without a value being lost or doubled.
 * Method: two executors with tasks and two threads on each side; tasks give up
 * and begin anew at random, most of all when they have just been woken; each
 * value is counted, and the order of each sender is checked at each receiver.
 */
#include "flavours_test.h"

#include "base/rng.h"

#include <errno.h>

enum { TASKS = 3, THREADS = 2, PARTIES = TASKS + THREADS, EACH = 3000 };

struct message {
	uint32_t sender, number;
};

struct market {
	weft_chan *chan;
	weft_atomic_u32 sending;
	weft_atomic_u32 dropped; /* times that a task gave up */
	weft_atomic_u32 seen[PARTIES][EACH];
};

struct party {
	struct market *market;
	struct weft__rng rng;
	weft_case one;
	struct message m;
	bool begun;
	uint32_t last[PARTIES];
};

static void note(struct party *p)
{
	CHECK_LT(p->m.sender, PARTIES);
	CHECK_LT(p->m.number, EACH);
	CHECK_GT(p->m.number + 1, p->last[p->m.sender]);
	p->last[p->m.sender] = p->m.number + 1;
	CHECK_EQ(weft_add_relaxed(&p->market->seen[p->m.sender][p->m.number], 1), 0);
}

static void party_init(struct party *p, struct market *market, int index)
{
	*p = (struct party){ .market = market, .m.sender = (uint32_t)index };
	p->rng = (struct weft__rng){ (uint64_t)index + 17 };
}

static void sender_ends(struct market *market)
{
	if (weft_sub_acq_rel(&market->sending, 1) == 1)
		weft_chan_close(market->chan);
}

/* The outcome of one turn: an index, or -EAGAIN when it is to be polled again. */
static int turn(struct poll_task *task, struct party *p, weft_case c)
{
	int chosen;

	for (;;) {
		if (!p->begun) {
			p->one = c;
			poll_task_begin(task, &p->one, 1);
			p->begun = true;
		} else if (weft__rng_below(&p->rng, 3) == 0) {
			p->begun = false;
			weft_add_relaxed(&p->market->dropped, 1);
			if (weft__poll_drop(&task->poll) == 0)
				return 0; /* it had taken effect already */
			continue;
		}
		chosen = weft__poll_next(&task->poll);
		if (chosen != -EAGAIN)
			p->begun = false;
		return chosen;
	}
}

static bool send_step(struct poll_task *task)
{
	struct party *p = task->arg;

	while (p->m.number < EACH) {
		int chosen = turn(task, p, weft_case_send(p->market->chan, &p->m));

		if (chosen == -EAGAIN)
			return false;
		CHECK_EQ(chosen, 0);
		CHECK_EQ(p->one.result, 0);
		p->m.number++;
	}
	sender_ends(p->market);
	return true;
}

static bool recv_step(struct poll_task *task)
{
	struct party *p = task->arg;

	for (;;) {
		int chosen = turn(task, p, weft_case_recv(p->market->chan, &p->m));

		if (chosen == -EAGAIN)
			return false;
		CHECK_EQ(chosen, 0);
		if (p->one.result == -EPIPE)
			return true;
		CHECK_EQ(p->one.result, 0);
		note(p);
	}
}

static void run_tasks(void *arg, poll_step_fn step)
{
	struct poll_executor executor = { { 0 } };
	struct poll_task tasks[TASKS];
	struct party parties[TASKS];

	for (int i = 0; i < TASKS; i++) {
		party_init(&parties[i], arg, i);
		poll_task_init(&tasks[i], &executor, step, &parties[i]);
	}
	poll_executor_run(&executor, tasks, TASKS);
}

static void run_sender(void *arg, int index)
{
	struct party p;

	if (index == 0) {
		run_tasks(arg, send_step);
		return;
	}
	party_init(&p, arg, TASKS + index - 1);
	for (; p.m.number < EACH; p.m.number++)
		CHECK_EQ(weft_chan_send(p.market->chan, &p.m), 0);
	sender_ends(p.market);
}

static void run_receiver(void *arg, int index)
{
	struct party p;

	if (index % 2 == 0) {
		run_tasks(arg, recv_step);
		return;
	}
	party_init(&p, arg, 0);
	while (weft_chan_recv(p.market->chan, &p.m) == 0)
		note(&p);
}

static void run_market(struct market *market, size_t capacity)
{
	struct team senders = { .count = 0 }, receivers = { .count = 0 };

	memset(market, 0, sizeof(*market));
	market->chan = open_chan(sizeof(struct message), capacity);
	weft_store_relaxed(&market->sending, PARTIES);
	team_add(&receivers, 1 + THREADS, run_receiver, market);
	team_add(&senders, 1 + THREADS, run_sender, market);
	team_join(&senders);
	team_join(&receivers);
	for (int i = 0; i < PARTIES; i++)
		for (int k = 0; k < EACH; k++)
			CHECK_EQ(weft_load_relaxed(&market->seen[i][k]), 1);
	weft_chan_release(market->chan);
}

TEST(poll_futures_and_threads_share_a_channel)
{
	static struct market market;
	uint32_t dropped = 0;

	FOR_EACH_FLAVOUR(capacity)
	{
		run_market(&market, capacity);
		dropped += weft_load_relaxed(&market.dropped);
	}
	CHECK_GT(dropped, 1000);
}

TEST(poll_futures_and_threads_share_a_channel_on_one_cpu)
{
	static struct market market;
	cpu_set_t all = pin_to_one_cpu();

	FOR_EACH_FLAVOUR(capacity)
	{
		run_market(&market, capacity);
	}
	unpin(all);
}

/* ---- step by step ----------------------------------------------------------------------- */

/* A future that was notified does not count: the thread behind it is notified too,
 * so that a future that is never polled again holds nothing up. */
TEST(poll_future_that_is_not_polled_holds_nothing_up)
{
	FOR_EACH_FLAVOUR(capacity)
	{
		weft_chan *chan = open_chan(sizeof(int), capacity);
		struct puppet future[2], thread;
		int got[3] = { -1, -1, -1 }, value = 1;

		for (int i = 0; i < 2; i++) {
			puppet_init(&future[i], false);
			CHECK_EQ(puppet_wait(&future[i], weft_case_recv(chan, &got[i])), -EAGAIN);
		}
		puppet_init(&thread, true);
		CHECK_EQ(puppet_wait(&thread, weft_case_recv(chan, &got[2])), -EAGAIN);
		CHECK_EQ(weft_chan_try_send(chan, &value), 0);
		CHECK_EQ(thread.wakes, 1);
		CHECK_EQ(puppet_next(&thread), 0);
		CHECK_EQ(got[2], 1);
		CHECK_EQ(puppet_next(&future[0]), -EAGAIN);
		CHECK_EQ(puppet_drop(&future[0]), -EAGAIN);
		CHECK_EQ(puppet_drop(&future[1]), -EAGAIN);
		CHECK_EQ(got[0] + got[1], -2);
		weft_chan_release(chan);
	}
}

/* The value was for the first one alone; it leaves, notified, and whoever comes
 * after that gets the value. */
TEST(poll_future_that_leaves_when_notified_passes_the_value_on)
{
	FOR_EACH_FLAVOUR(capacity)
	{
		weft_chan *chan = open_chan(sizeof(int), capacity);
		struct puppet future, late, sender;
		int got = -1, gone = -1, value = 1;

		puppet_init(&future, false);
		puppet_init(&late, false);
		puppet_init(&sender, true);
		CHECK_EQ(puppet_wait(&future, weft_case_recv(chan, &gone)), -EAGAIN);
		CHECK_EQ(puppet_wait(&sender, weft_case_send(chan, &value)),
			 capacity ? 0 : -EAGAIN);
		CHECK_EQ(future.wakes, 1);
		CHECK_EQ(puppet_drop(&future), -EAGAIN);
		CHECK_EQ(puppet_wait(&late, weft_case_recv(chan, &got)), 0);
		CHECK_EQ(got, 1);
		CHECK_EQ(gone, -1);
		if (capacity == 0)
			CHECK_EQ(puppet_next(&sender), 0);
		weft_chan_release(chan);
	}
}

/* ---- who is on its way ------------------------------------------------------------ */

/* A party that is certain to run, but not before the test says so. */
struct sleeper {
	struct weft__parker parker;
	struct weft__wait wait;
	weft_case one;
	uint64_t value;
};

static int wakes;

static void count_wake(struct weft__parker *parker)
{
	(void)parker;
	wakes++;
}

static const struct weft__parker_kind sleeper_kind = {
	.name = "sleeper",
	.certain = true,
	.wake = count_wake,
};

static void sleeper_receives(struct sleeper *s, weft_chan *chan)
{
	weft__parker_init(&s->parker, &sleeper_kind);
	s->one = weft_case_recv(chan, &s->value);
	weft__wait_init(&s->wait, &s->parker, &s->one, 1, WEFT__UNCANCELLABLE);
	weft__wait_arm(&s->wait);
	CHECK(!s->wait.found);
}

static void sleeper_takes(struct sleeper *s, uint64_t value)
{
	CHECK(s->one.notified);
	CHECK(s->one.source->attempt(&s->one));
	CHECK_EQ(s->one.result, 0);
	CHECK_EQ(s->value, value);
}

static void send_value(weft_chan *chan, uint64_t value)
{
	CHECK_EQ(weft_chan_try_send(chan, &value), 0);
}

static void check_wakes(size_t capacity)
{
	struct sleeper a, b;
	uint64_t value;
	weft_chan *chan;

	wakes = 0;
	CHECK_EQ(weft_chan_new(&chan, sizeof(uint64_t), capacity, NULL), 0);
	sleeper_receives(&a, chan);
	sleeper_receives(&b, chan);
	send_value(chan, 1);
	CHECK_EQ(wakes, 1);
	send_value(chan, 2);
	CHECK_EQ(wakes, 1);
	sleeper_takes(&a, 1);
	CHECK_EQ(wakes, 2); /* there is more: it hands that on */
	sleeper_takes(&b, 2);
	sleeper_receives(&a, chan);
	send_value(chan, 3);
	CHECK_EQ(wakes, 3);
	CHECK_EQ(weft_chan_try_recv(chan, &value), 0); /* overtaken */
	CHECK(!a.one.source->attempt(&a.one));
	sleeper_receives(&b, chan);
	send_value(chan, 4);
	CHECK_EQ(wakes, 4); /* it was in vain, and so it is no longer on its way */
	sleeper_takes(&b, 4);
	weft_chan_release(chan);
}

TEST(channel_wakes_nobody_while_one_is_on_its_way)
{
	check_wakes(2);
	check_wakes(WEFT_UNBOUNDED);
}
