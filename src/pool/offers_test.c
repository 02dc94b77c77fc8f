/* SPDX-License-Identifier: MIT */
/*
 * Goal: every offer is had by exactly one party, in order of age.
 * Method: the steps one at a time; then an owner and three thieves at full speed,
 * where each job that was pushed is ticked off by whoever got it.
 */
#include "check.h"

#include "base/rng.h"
#include "pool/offers.h"
#include "weft/thread.h"

static struct weft__offers offers;
static weft_job jobs[64];

static void nop(weft_par par, weft_job *job)
{
	(void)par;
	(void)job;
}

static struct weft__offer offer_of(weft_job *job)
{
	return (struct weft__offer){ .job = job, .run = nop, .ambient = NULL };
}

static weft_job *claim(struct weft__offers *o)
{
	uint64_t word = weft_load_acquire(&o->word);
	struct weft__offer got;

	return weft__offers_count(word) && weft__offers_claim(o, word, &got) ? got.job : NULL;
}

TEST(offers_claimed_oldest_first_taken_back_youngest_first)
{
	for (unsigned i = 0; i < 4; i++)
		CHECK_EQ(weft__offers_push(&offers, offer_of(&jobs[i])), i + 1);
	CHECK_PTR_EQ(claim(&offers), &jobs[0]);
	CHECK(weft__offers_take_back(&offers)); /* 3 */
	CHECK_PTR_EQ(claim(&offers), &jobs[1]);
	CHECK_PTR_EQ(claim(&offers), &jobs[2]);
	CHECK_NULL(claim(&offers));
	CHECK(!weft__offers_take_back(&offers));
}

TEST(offers_keep_their_order_around_the_end)
{
	unsigned next = 0, oldest = 0;

	/* Over the 8 bits of the claims' part of the stamp, too. */
	for (int round = 0; round < 1000; round++) {
		while (next - oldest < WEFT__OFFERS_MOST)
			weft__offers_push(&offers, offer_of(&jobs[next++ % 64]));
		for (int i = 0; i < 1 + round % 31; i++)
			CHECK_PTR_EQ(claim(&offers), &jobs[oldest++ % 64]);
	}
}

TEST(offers_claim_by_an_old_word_fails)
{
	struct weft__offer got;
	uint64_t word;

	weft__offers_push(&offers, offer_of(&jobs[0]));
	word = weft_load_acquire(&offers.word);
	CHECK(weft__offers_take_back(&offers));
	CHECK(!weft__offers_claim(&offers, word, &got));
	weft__offers_push(&offers, offer_of(&jobs[1]));
	/* The same slot, the same count: only the stamp tells. */
	CHECK(!weft__offers_claim(&offers, word, &got));
	CHECK_PTR_EQ(claim(&offers), &jobs[1]);
}

/* ---- at full speed ------------------------------------------------------------------ */

enum { THIEVES = 3, ROUNDS = 100000 };

static weft_atomic_u32 times_had[ROUNDS];
static weft_job many[ROUNDS];
static weft_atomic_u32 over;

static int thief(void *arg)
{
	uintptr_t last = 0;

	(void)arg;
	for (;;) {
		bool end = weft_load_acquire(&over);
		weft_job *job = claim(&offers);

		if (job) {
			CHECK_LT(last, (uintptr_t)job);
			last = (uintptr_t)job;
			weft_add_relaxed(&times_had[job - many], 1);
		} else if (end) {
			return 0;
		}
	}
}

TEST(offers_had_exactly_once_by_many_thieves)
{
	struct weft__rng rng = { 1 };
	weft_thread *threads[THIEVES];
	int held[WEFT__OFFERS_MOST], top = 0;

	for (int i = 0; i < THIEVES; i++)
		CHECK_EQ(weft_thread_spawn(&threads[i], thief, NULL, NULL), 0);
	/* Like joins: what was not taken back has been claimed, and all before it. */
	for (int next = 0; next < ROUNDS;) {
		if (top < WEFT__OFFERS_MOST && weft__rng_below(&rng, 2)) {
			weft__offers_push(&offers, offer_of(&many[next]));
			held[top++] = next++;
		} else if (top > 0 && weft__offers_take_back(&offers)) {
			weft_add_relaxed(&times_had[held[--top]], 1);
		} else {
			top = 0;
		}
	}
	while (top > 0 && weft__offers_take_back(&offers))
		weft_add_relaxed(&times_had[held[--top]], 1);
	weft_store_release(&over, 1);
	for (int i = 0; i < THIEVES; i++)
		weft_thread_join(threads[i], NULL);
	for (int i = 0; i < ROUNDS; i++)
		CHECK_EQ(weft_load_relaxed(&times_had[i]), 1);
}
