/* SPDX-License-Identifier: MIT */
/*
 * Goal: the pipeline gives every item to the consumer once and in order, holds no
 * more than its budget, and ends from either side without losing what is done.
 * Method: producers and consumers that count, fail and cancel, with one worker and
 * with more than there are CPUs.
 */
#include "flow.h"
#include "check.h"

#include <weft/cancel.h>
#include <weft/thread.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ITEMS 5000

struct script {
	uint64_t items;
	size_t extra;            /* bytes with each item */
	uint64_t producer_fails; /* at this number; UINT64_MAX: never */
	uint64_t consumer_fails;
	weft_token *cancel; /* at consumer_fails, instead of failing */
	weft_atomic_u64 produced;
	uint64_t consumed, most_under_way;
	uint64_t hold; /* the first item stays until so many were produced */
};

/* Then gives the producer a moment to go too far, if it can. */
static void hold(struct script *s)
{
	if (s->consumed > 0 || s->hold == 0)
		return;
	while (weft_load_relaxed(&s->produced) < s->hold)
		weft_thread_yield();
	weft_sleep_until(weft_after_ms(50));
}

static int produce(struct flow *flow, void *context)
{
	struct script *s = context;
	char *extra = calloc(1, s->extra);
	int err = 0;

	CHECK_NOT_NULL(extra);
	for (uint64_t n = 0; n < s->items && err == 0; n++) {
		memcpy(extra, &n, sizeof(n));
		if (n == s->producer_fails)
			err = -E2BIG;
		else
			err = flow_emit(flow, n % 3 == 1 ? FLOW_EMPTY : FLOW_NOTE, 0, "x", extra,
					s->extra);
		if (err == 0)
			weft_store_relaxed(&s->produced, n + 1);
	}
	free(extra);
	return err;
}

static int consume(const struct flow_item *item, void *context)
{
	static const uint8_t empty[4] = { 0xe3, 0xb0, 0xc4, 0x42 };
	struct script *s = context;
	uint64_t n;

	hold(s);
	uint64_t under_way = weft_load_relaxed(&s->produced) - s->consumed;
	memcpy(&n, item->extra, sizeof(n));
	/* What was under way when it was cancelled leaves gaps. */
	if (s->cancel && s->consumed > s->consumer_fails)
		s->consumed = n > s->consumed ? n : s->consumed;
	CHECK_EQ(n, s->consumed);
	CHECK_EQ(item->extra_len, s->extra);
	CHECK_STR_EQ(item->path, "x");
	CHECK_EQ(item->trouble, 0);
	if (item->kind == FLOW_EMPTY)
		CHECK_MEM_EQ(item->digest, empty, sizeof(empty));
	if (under_way > s->most_under_way)
		s->most_under_way = under_way;
	s->consumed++;
	if (n != s->consumer_fails)
		return 0;
	if (!s->cancel)
		return -ENOSPC;
	weft_token_cancel(s->cancel);
	return 0;
}

static int64_t pace(struct flow *flow, void *context)
{
	(void)flow;
	(void)context;
	return WEFT_NEVER;
}

static void give_up(void *context)
{
	(void)context;
	FAIL("the workers did not come back");
}

static int run(struct script *s, int jobs)
{
	struct flow_opts opts = { .jobs = jobs,
				  .produce = produce,
				  .consume = consume,
				  .pace = pace,
				  .give_up = give_up,
				  .context = s };

	return flow_run(&opts);
}

#define SCRIPT                                                            \
	{                                                                 \
		.items = ITEMS, .extra = 8, .producer_fails = UINT64_MAX, \
		.consumer_fails = UINT64_MAX                              \
	}

static const int jobs[] = { 1, 2, 8 };

TEST(flow_gives_all_in_order)
{
	for (int i = 0; i < 3; i++) {
		struct script s = SCRIPT;

		CHECK_EQ(run(&s, jobs[i]), 0);
		CHECK_EQ(s.consumed, ITEMS);
	}
}

TEST(flow_of_nothing_ends)
{
	struct script s = SCRIPT;

	s.items = 0;
	CHECK_EQ(run(&s, 2), 0);
	CHECK_EQ(s.consumed, 0);
}

TEST(flow_ends_with_the_producers_error)
{
	for (int i = 0; i < 3; i++) {
		struct script s = SCRIPT;

		s.producer_fails = 1000;
		CHECK_EQ(run(&s, jobs[i]), -E2BIG);
		CHECK_LE(s.consumed, 1000);
	}
}

TEST(flow_ends_with_the_consumers_error)
{
	for (int i = 0; i < 3; i++) {
		struct script s = SCRIPT;

		s.consumer_fails = 1000;
		CHECK_EQ(run(&s, jobs[i]), -ENOSPC);
		CHECK_EQ(s.consumed, 1001);
	}
}

TEST(flow_ends_when_cancelled)
{
	for (int i = 0; i < 3; i++) {
		struct script s = SCRIPT;
		weft_token token;

		weft_token_init(&token, NULL);
		weft_token *outer = weft_ambient_set(&token);
		s.items = UINT64_MAX;
		s.consumer_fails = 1000;
		s.cancel = &token;
		CHECK_EQ(run(&s, jobs[i]), -ECANCELED);
		CHECK_GT(s.consumed, 1000);
		weft_ambient_set(outer);
	}
}

/* One file that would take hours, cancelled once some of it has been hashed. */
static char large_path[] = "/tmp/weft-flow-XXXXXX";

static int produce_large(struct flow *flow, void *context)
{
	(void)context;
	return flow_emit(flow, FLOW_NAMED, 0, large_path, NULL, 0);
}

static int consume_nothing(const struct flow_item *item, void *context)
{
	(void)context;
	FAIL("%s has been hashed to its end", item->path);
}

static int64_t cancel_when_begun(struct flow *flow, void *context)
{
	struct flow_tally t;

	flow_tally_read(flow, &t);
	if (t.bytes > 0)
		weft_token_cancel(context);
	return weft_after_ms(1);
}

TEST(flow_leaves_a_large_file_when_cancelled)
{
	weft_token token;
	struct flow_opts opts = { .jobs = 2,
				  .produce = produce_large,
				  .consume = consume_nothing,
				  .pace = cancel_when_begun,
				  .give_up = give_up,
				  .context = &token };
	int fd = mkstemp(large_path);

	CHECK_GE(fd, 0);
	CHECK_EQ(ftruncate(fd, (off_t)1 << 42), 0);
	close(fd);
	weft_token_init(&token, NULL);
	weft_token *outer = weft_ambient_set(&token);
	CHECK_EQ(flow_run(&opts), -ECANCELED);
	weft_ambient_set(outer);
	CHECK_EQ(unlink(large_path), 0);
}

TEST(flow_bounds_what_is_under_way)
{
	struct script s = SCRIPT;

	/* 24 MiB are allowed; an item of 1 MiB and a little. */
	s.items = 100;
	s.extra = 1 << 20;
	s.hold = 23;
	CHECK_EQ(run(&s, 2), 0);
	CHECK_EQ(s.consumed, 100);
	CHECK_EQ(s.most_under_way, 23);

	/* One of more than the whole budget goes through all the same. */
	struct script huge = SCRIPT;
	huge.items = 5;
	huge.extra = 40 << 20;
	CHECK_EQ(run(&huge, 2), 0);
	CHECK_EQ(huge.consumed, 5);
}
