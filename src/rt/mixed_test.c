/* SPDX-License-Identifier: MIT */
/*
 * Goal: every primitive serves fibers and threads at the same time, on the same
 * object, with nothing lost and nothing doubled. Method: conservation. Half of the
 * parties are fibers (on two workers, some of which migrate), half are threads; waits
 * have short deadlines and are cancelled while wakes are under way; afterwards the sums
 * must be what they were.
 */
#include "rt_test.h"
#include "weft/channel.h"
#include "weft/cond.h"
#include "weft/event.h"
#include "weft/mutex.h"
#include "weft/select.h"
#include "weft/semaphore.h"

#include <errno.h>

enum { PARTIES = 8, ROUNDS = 2000 };

/* Runs fn(arg) as PARTIES fibers and threads of one scope. */
static void mix(weft_fiber_fn fn, void *arg)
{
	weft_runtime *runtime = rt_start(2);
	weft_scope scope;

	weft_scope_open(&scope);
	for (int i = 0; i < PARTIES; i++) {
		const weft_fiber_opts opts = { .runtime = runtime, .migrate = i % 4 == 0 };

		if (i % 2)
			CHECK_EQ(weft_scope_spawn_thread(&scope, fn, arg, NULL), 0);
		else
			CHECK_EQ(weft_scope_spawn(&scope, fn, arg, &opts), 0);
	}
	CHECK_EQ(weft_scope_close(&scope), 0);
	rt_stop(runtime);
}

/* ---- mutex, semaphore, condition variable ------------------------------------------ */

struct counted {
	weft_mutex mutex;
	weft_semaphore semaphore;
	weft_cond cond;
	long count;
	int turn;
};

static int lock_and_count(void *arg)
{
	struct counted *c = arg;

	for (int i = 0; i < ROUNDS; i++) {
		weft_mutex_lock(&c->mutex);
		c->count++;
		if (i % 64 == 0)
			weft_yield();
		weft_mutex_unlock(&c->mutex);
	}
	return 0;
}

TEST(mutex_between_fibers_and_threads)
{
	struct counted c = { .count = 0 };

	mix(lock_and_count, &c);
	CHECK_EQ(c.count, PARTIES * ROUNDS);
}

static int acquire_and_count(void *arg)
{
	struct counted *c = arg;

	for (int i = 0; i < ROUNDS; i++) {
		int err = weft_semaphore_acquire_until(&c->semaphore, 1,
						       weft_after_us(i % 3 * 40));

		if (err) {
			CHECK_EQ(err, -ETIMEDOUT);
			CHECK_EQ(weft_semaphore_acquire(&c->semaphore, 1), 0);
		}
		c->count++;
		weft_semaphore_release(&c->semaphore, 1);
	}
	return 0;
}

TEST(semaphore_between_fibers_and_threads)
{
	struct counted c = { .count = 0 };

	weft_semaphore_release(&c.semaphore, 1);
	mix(acquire_and_count, &c);
	CHECK_EQ(c.count, PARTIES * ROUNDS);
}

/* Each waits until the number is its own, modulo the parties, and passes it on. */
static int take_turns(void *arg)
{
	struct counted *c = arg;
	int mine;

	weft_mutex_lock(&c->mutex);
	mine = c->turn++;
	for (int i = 0; i < ROUNDS / 20; i++) {
		while (c->count % PARTIES != mine) {
			int err = weft_cond_wait_until(&c->cond, &c->mutex, weft_after_ms(20));

			CHECK(err == 0 || err == -ETIMEDOUT);
		}
		c->count++;
		weft_cond_notify_all(&c->cond);
	}
	weft_mutex_unlock(&c->mutex);
	return 0;
}

TEST(cond_between_fibers_and_threads)
{
	struct counted c = { .count = 0 };

	mix(take_turns, &c);
	CHECK_EQ(c.count, PARTIES * (ROUNDS / 20));
}

/* ---- channels ---------------------------------------------------------------------- */

struct traffic {
	weft_chan *chan;
	weft_atomic_u32 parties;
	weft_atomic_u64 sent, received;
	weft_atomic_u32 senders;
};

static void send_all(struct traffic *t)
{
	for (uint64_t i = 1; i <= ROUNDS; i++) {
		int err = weft_chan_send_until(t->chan, &i, weft_after_us((int64_t)i % 5 * 30));

		if (err == -ETIMEDOUT)
			err = weft_chan_send(t->chan, &i);
		CHECK_EQ(err, 0);
		weft_add_relaxed(&t->sent, i);
	}
	if (weft_sub_acq_rel(&t->senders, 1) == 1)
		weft_chan_close(t->chan);
}

static void recv_all(struct traffic *t)
{
	uint64_t value;

	for (int i = 0;; i++) {
		int err = weft_chan_recv_until(t->chan, &value, weft_after_us(i % 7 * 30));

		if (err == -EPIPE)
			return;
		if (err == 0)
			weft_add_relaxed(&t->received, value);
		else
			CHECK_EQ(err, -ETIMEDOUT);
		if (err)
			weft_yield();
	}
}

static int send_or_recv(void *arg)
{
	struct traffic *t = arg;

	/* Two of each kind send, and two of each kind receive. */
	if (weft_add_relaxed(&t->parties, 1) % 4 < 2)
		send_all(t);
	else
		recv_all(t);
	return 0;
}

static void exchange(size_t capacity)
{
	struct traffic t = { .senders = { PARTIES / 2 } };

	CHECK_EQ(weft_chan_new(&t.chan, sizeof(uint64_t), capacity, NULL), 0);
	mix(send_or_recv, &t);
	CHECK_EQ(weft_load_relaxed(&t.sent), (uint64_t)PARTIES / 2 * ROUNDS * (ROUNDS + 1) / 2);
	CHECK_EQ(weft_load_relaxed(&t.received), weft_load_relaxed(&t.sent));
	weft_chan_release(t.chan);
}

TEST(rendezvous_between_fibers_and_threads)
{
	exchange(0);
}

TEST(channel_of_one_between_fibers_and_threads)
{
	exchange(1);
}

TEST(bounded_channel_between_fibers_and_threads)
{
	exchange(16);
}

TEST(unbounded_channel_between_fibers_and_threads)
{
	exchange(WEFT_UNBOUNDED);
}

/* ---- select over everything -------------------------------------------------------- */

struct bazaar {
	weft_chan *chans[3]; /* rendezvous, bounded, unbounded */
	weft_semaphore semaphore;
	weft_atomic_u64 put, got;
	weft_atomic_u32 parties, sellers;
	weft_event closed;
};

static void sell(struct bazaar *b)
{
	for (uint64_t i = 1; i <= ROUNDS; i++) {
		weft_case cases[4] = {
			weft_case_send(b->chans[0], &i),
			weft_case_send(b->chans[1], &i),
			weft_case_send(b->chans[2], &i),
			weft_case_event(&b->closed),
		};
		int chosen = weft_select(cases, 4, weft_after_us((int64_t)i % 3 * 50));

		if (chosen == -ETIMEDOUT) {
			weft_semaphore_release(&b->semaphore, 1);
			weft_add_relaxed(&b->put, 1);
		} else {
			CHECK(chosen >= 0 && chosen < 3);
			CHECK_EQ(cases[chosen].result, 0);
			weft_add_relaxed(&b->put, i);
		}
	}
	if (weft_sub_acq_rel(&b->sellers, 1) == 1)
		weft_event_set(&b->closed);
}

static void buy(struct bazaar *b)
{
	for (;;) {
		uint64_t value = 0;
		weft_case cases[5] = {
			weft_case_recv(b->chans[0], &value), weft_case_recv(b->chans[1], &value),
			weft_case_recv(b->chans[2], &value), weft_case_acquire(&b->semaphore, 1),
			weft_case_event(&b->closed),
		};
		int chosen = weft_select_biased(cases, 5, WEFT_NEVER);

		if (chosen == 4)
			return;
		weft_add_relaxed(&b->got, chosen == 3 ? 1 : value);
	}
}

static int trade(void *arg)
{
	struct bazaar *b = arg;

	if (weft_add_relaxed(&b->parties, 1) % 4 < 2)
		sell(b);
	else
		buy(b);
	return 0;
}

static weft_chan *hogged;
static weft_atomic_bool other_received;

static int receive_first(void *arg)
{
	int value;

	(void)arg;
	return weft_chan_recv(hogged, &value);
}

static int receive_too(void *arg)
{
	int err = receive_first(arg);

	weft_store_relaxed(&other_received, true);
	return err;
}

/* Keeps its worker, and with it the fiber that was notified first, until the one on the
 * other worker has received something. */
static int send_and_keep_the_worker(void *arg)
{
	int value = 0;

	(void)arg;
	do {
		CHECK_EQ(weft_chan_send(hogged, &value), 0);
		weft_thread_yield();
	} while (!weft_load_relaxed(&other_received));
	return 0;
}

static weft_fiber *park_in(weft_runtime *runtime, weft_fiber_fn fn)
{
	weft_fiber *fiber = rt_spawn_on(runtime, fn, NULL);
	weft_runtime_stats stats;

	do {
		weft_thread_yield();
		weft_runtime_stats_read(runtime, &stats);
	} while (stats.parks == 0);
	return fiber;
}

TEST(channel_does_not_wait_for_a_fiber_that_cannot_run)
{
	const size_t capacities[] = { 1000000, WEFT_UNBOUNDED };

	for (int i = 0; i < 2; i++) {
		weft_runtime *busy = rt_start(1), *idle = rt_start(1);
		weft_fiber *first, *other;

		weft_store_relaxed(&other_received, false);
		CHECK_EQ(weft_chan_new(&hogged, sizeof(int), capacities[i], NULL), 0);
		first = park_in(busy, receive_first);
		other = park_in(idle, receive_too);
		CHECK_EQ(rt_join(rt_spawn_on(busy, send_and_keep_the_worker, NULL)), 0);
		CHECK_EQ(rt_join(first), 0);
		CHECK_EQ(rt_join(other), 0);
		rt_stop(busy);
		rt_stop(idle);
		weft_chan_release(hogged);
	}
}

TEST(select_between_fibers_and_threads)
{
	const size_t capacities[3] = { 0, 4, WEFT_UNBOUNDED };
	struct bazaar b = { .sellers = { PARTIES / 2 } };

	for (int i = 0; i < 3; i++)
		CHECK_EQ(weft_chan_new(&b.chans[i], sizeof(uint64_t), capacities[i], NULL), 0);
	mix(trade, &b);
	CHECK_EQ(weft_load_relaxed(&b.got), weft_load_relaxed(&b.put));
	for (int i = 0; i < 3; i++)
		weft_chan_release(b.chans[i]);
}

/* ---- cancellation that races with wakes -------------------------------------------- */

struct hunt {
	weft_semaphore permits;
	weft_atomic_u32 taken;
};

static int take_until_cancelled(void *arg)
{
	struct hunt *h = arg;
	int err;

	while ((err = weft_semaphore_acquire(&h->permits, 1)) == 0)
		weft_add_relaxed(&h->taken, 1);
	CHECK_EQ(err, -ECANCELED);
	return 0;
}

static int release_some(void *arg)
{
	struct hunt *h = arg;

	for (int i = 0; i < 20; i++) {
		weft_semaphore_release(&h->permits, 1);
		weft_yield();
	}
	return 0;
}

/* A permit is taken or is still there, however the cancellation came. */
TEST(cancellation_loses_no_permit)
{
	weft_runtime *runtime = rt_start(2);
	const weft_fiber_opts opts = { .runtime = runtime };

	for (int i = 0; i < 150; i++) {
		struct hunt h = { .taken = { 0 } };
		weft_scope scope;
		weft_fiber *giver;
		uint32_t left = 0;

		weft_scope_open(&scope);
		for (int k = 0; k < 6; k++)
			CHECK_EQ(weft_scope_spawn(&scope, take_until_cancelled, &h, &opts), 0);
		for (int k = 0; k < 2; k++)
			CHECK_EQ(weft_scope_spawn_thread(&scope, take_until_cancelled, &h, NULL),
				 0);
		giver = rt_spawn_on(runtime, release_some, &h);
		weft_scope_cancel(&scope);
		CHECK_EQ(weft_fiber_join(giver, NULL), 0);
		CHECK_EQ(weft_scope_close(&scope), -ECANCELED);
		while (weft_semaphore_try_acquire(&h.permits, 1))
			left++;
		CHECK_EQ(weft_load_relaxed(&h.taken) + left, 20);
	}
	rt_stop(runtime);
}

/* ---- time-outs that race with wakes ------------------------------------------------ */

struct beat {
	weft_semaphore to, back;
	bool over;
};

static int answer(void *arg)
{
	struct beat *b = arg;

	for (;;) {
		CHECK_EQ(weft_semaphore_acquire(&b->to, 1), 0);
		if (b->over)
			return 0;
		weft_semaphore_release(&b->back, 1);
	}
}

/* The answer comes at about the time of the deadline; it is got now or later. */
static int ask(void *arg)
{
	struct beat *b = arg;
	int late = 0;

	for (int i = 0; i < 3000; i++) {
		weft_semaphore_release(&b->to, 1);
		if (weft_semaphore_acquire_until(&b->back, 1, weft_after_us(i % 30)) == 0)
			continue;
		CHECK_EQ(weft_semaphore_acquire(&b->back, 1), 0);
		late++;
	}
	b->over = true;
	weft_semaphore_release(&b->to, 1);
	return late < 0;
}

TEST(deadline_meets_the_wake_of_a_thread)
{
	for (int migrate = 0; migrate < 2; migrate++) {
		weft_runtime *runtime = rt_start(2);
		const weft_fiber_opts opts = { .runtime = runtime, .migrate = migrate };
		struct beat b = { .over = false };
		weft_scope scope;

		weft_scope_open(&scope);
		CHECK_EQ(weft_scope_spawn_thread(&scope, answer, &b, NULL), 0);
		CHECK_EQ(weft_scope_spawn(&scope, ask, &b, &opts), 0);
		CHECK_EQ(weft_scope_close(&scope), 0);
		rt_stop(runtime);
	}
}

TEST(deadline_meets_the_wake_of_a_fiber)
{
	weft_runtime *runtime = rt_start(2);
	const weft_fiber_opts opts = { .runtime = runtime, .migrate = true };
	struct beat b = { .over = false };
	weft_scope scope;

	weft_scope_open(&scope);
	CHECK_EQ(weft_scope_spawn(&scope, answer, &b, &opts), 0);
	CHECK_EQ(weft_scope_spawn(&scope, ask, &b, &opts), 0);
	CHECK_EQ(weft_scope_close(&scope), 0);
	rt_stop(runtime);
}

/* ---- tokens, events, wait groups, threads ------------------------------------------ */

struct gate {
	weft_event event;
	weft_token token;
	weft_waitgroup group;
};

static int pass_gate(void *arg)
{
	struct gate *g = arg;
	int err = weft_event_wait(&g->event);

	if (err == 0)
		err = weft_token_wait_until(&g->token, WEFT_NEVER);
	weft_waitgroup_done(&g->group);
	return err ? err : weft_waitgroup_wait(&g->group);
}

static int open_gate(void *arg)
{
	struct gate *g = arg;

	weft_event_set(&g->event);
	weft_token_cancel(&g->token);
	return 0;
}

TEST(event_token_and_wait_group_between_fibers_and_threads)
{
	for (int i = 0; i < 20; i++) {
		struct gate g = { .event = WEFT_EVENT_INIT };
		weft_thread *opener;

		weft_token_init(&g.token, NULL);
		weft_waitgroup_add(&g.group, PARTIES);
		CHECK_EQ(weft_thread_spawn(&opener, open_gate, &g, NULL), 0);
		mix(pass_gate, &g);
		CHECK_EQ(weft_thread_join(opener, NULL), 0);
		weft_token_fini(&g.token);
	}
}

static int give_number(void *arg)
{
	return *(int *)arg;
}

static int join_thread(void *arg)
{
	weft_thread *thread;
	int result, number = 5;

	(void)arg;
	CHECK_EQ(weft_thread_spawn(&thread, give_number, &number, NULL), 0);
	CHECK_EQ(weft_thread_join(thread, &result), 0);
	CHECK_EQ(result, number);
	return 0;
}

TEST(fiber_joins_a_thread)
{
	rt_run(join_thread, NULL);
}
