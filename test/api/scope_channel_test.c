/* SPDX-License-Identifier: MIT */
/*
 * Goal: a scope's first error reaches threads that are blocked in channels of each
 * flavour, and no message is lost by it: what was not received is still there, or
 * still the sender's. Method: the failing thread looks for the others in the queue
 * of the scope's token first.
 */
#include "weft/channel.h"
#include "weft/scope.h"
#include "weft/select.h"

#include "check.h"
#include "thread/blocked_test.h"

#include <errno.h>

struct failing {
	weft_scope *scope;
	int blocked;
};

static int fail_when_all_are_blocked(void *arg)
{
	struct failing *f = arg;

	blocked_await(&f->scope->token.queue, f->blocked);
	return -EIO;
}

static int receive(void *chan)
{
	int value = 77;

	CHECK_EQ(weft_chan_recv(chan, &value), -ECANCELED);
	CHECK_EQ(weft_chan_recv_until(chan, &value, WEFT_NEVER), -ECANCELED);
	CHECK_EQ(value, 77);
	return 0;
}

static int receive_by_select(void *chan)
{
	int value = 77;
	weft_case c = weft_case_recv(chan, &value);

	CHECK_EQ(weft_select(&c, 1, WEFT_NEVER), -ECANCELED);
	CHECK_EQ(value, 77);
	return 0;
}

static int send(void *chan)
{
	int value = 5;

	CHECK_EQ(weft_chan_send(chan, &value), -ECANCELED);
	CHECK_EQ(weft_chan_send_until(chan, &value, WEFT_NEVER), -ECANCELED);
	return 0;
}

static void run_until_the_first_error(weft_chan *chan, weft_thread_fn a, weft_thread_fn b)
{
	enum { EACH = 3 };
	weft_scope scope;
	struct failing failing = { &scope, 2 * EACH };

	weft_scope_open(&scope);
	for (int i = 0; i < EACH; i++) {
		CHECK_EQ(weft_scope_spawn_thread(&scope, a, chan, NULL), 0);
		CHECK_EQ(weft_scope_spawn_thread(&scope, b, chan, NULL), 0);
	}
	CHECK_EQ(weft_scope_spawn_thread(&scope, fail_when_all_are_blocked, &failing, NULL), 0);
	CHECK_EQ(weft_scope_close(&scope), -EIO);
}

static weft_chan *chan_new(size_t capacity)
{
	weft_chan *chan;

	CHECK_EQ(weft_chan_new(&chan, sizeof(int), capacity, NULL), 0);
	return chan;
}

TEST(scope_error_ends_receives)
{
	static const size_t capacities[] = { 0, 1, 128, WEFT_UNBOUNDED };

	for (int i = 0; i < 4; i++) {
		weft_chan *chan = chan_new(capacities[i]);

		run_until_the_first_error(chan, receive, receive_by_select);
		CHECK_EQ(weft_chan_len(chan), 0);
		weft_chan_release(chan);
	}
}

TEST(scope_error_ends_sends_and_nothing_was_sent)
{
	static const size_t capacities[] = { 0, 1, 128 };

	for (int i = 0; i < 3; i++) {
		weft_chan *chan = chan_new(capacities[i]);
		int value;

		for (value = 0; weft_chan_try_send(chan, &value) == 0; value++)
			continue;
		CHECK_EQ(value, capacities[i]);
		run_until_the_first_error(chan, send, send);
		CHECK_EQ(weft_chan_len(chan), capacities[i]);
		for (int expect = 0; weft_chan_try_recv(chan, &value) == 0; expect++)
			CHECK_EQ(value, expect);
		CHECK_EQ(weft_chan_try_recv(chan, &value), -EAGAIN);
		weft_chan_release(chan);
	}
}
