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

#define ITEMS 5000

struct script {
	uint64_t items;
	size_t extra;            /* bytes with each item */
	uint64_t producer_fails; /* at this number; UINT64_MAX: never */
	uint64_t consumer_fails;
	weft_token *cancel; /* at consumer_fails, instead of failing */
	weft_atomic_u64 produced;
	uint64_t consumed, most_under_way;
};

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
	uint64_t n, under_way = weft_load_relaxed(&s->produced) - s->consumed;

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

TEST(flow_bounds_what_is_under_way)
{
	struct script s = SCRIPT;

	/* 24 MiB are allowed; an item of 1 MiB and a little. */
	s.items = 500;
	s.extra = 1 << 20;
	CHECK_EQ(run(&s, 2), 0);
	CHECK_EQ(s.consumed, 500);
	CHECK_LE(s.most_under_way, 24);

	/* One of more than the whole budget goes through all the same. */
	struct script huge = SCRIPT;
	huge.items = 5;
	huge.extra = 40 << 20;
	CHECK_EQ(run(&huge, 2), 0);
	CHECK_EQ(huge.consumed, 5);
}
