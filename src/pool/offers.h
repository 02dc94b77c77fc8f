/* SPDX-License-Identifier: MIT */
/*
 * The jobs that one worker has handed out and nobody has taken yet: a bounded
 * queue with one end for its owner and one for everybody else.
 *
 * The owner pushes at the young end and takes back from the young end; thieves
 * take from the old end. So what is left is always the youngest part of what was
 * handed out, and it is in order of age. job.c builds on exactly that.
 *
 * Everything hangs on one word:
 *
 *     bits 8 .. 63  stamp: + 1 for a claim, + 256 for a push
 *     bits 0 .. 7   count of offers
 *
 * The oldest offer is in slot stamp % SLOTS: a claim moves on by one slot, and a
 * push adds a multiple of SLOTS, which moves nothing. The next push goes to slot
 * (stamp + count) % SLOTS, and a claim does not move that.
 *
 * Why there is no ABA. The stamp grows with each push and each claim, and between
 * two of these the count only falls (take-backs). So no value of the word ever
 * comes back; not before 2^48 pushes, that is, years of nothing but pushing. A
 * thief reads the word, then the slot, then swaps the word: if that succeeds, the
 * word was the same throughout, so the slot held that offer throughout.
 *
 * Why a slot that is written is not one that is being claimed. The owner writes
 * the slot after the youngest. It is the oldest one's slot only if the queue is
 * full, and then the owner may not push; or if it is empty, and then a thief who
 * still believes in an offer there has an old word, and its swap fails. The slots
 * are atomic because such a thief may read while the owner writes.
 *
 * offer.1  the push releases; a thief's load of the word acquires: it sees the
 *          slot, and the job behind it. Claims and take-backs are read-modify-
 *          writes and so extend the push's release sequence. Seq_cst, as it is
 *          also half of the sleep protocol (idle.1 in README.md).
 * offer.2  a claim releases, the owner's load before it writes a slot acquires:
 *          the thief's reads of the slot come before the owner's next writes.
 */
#ifndef WEFT_POOL_OFFERS_H
#define WEFT_POOL_OFFERS_H

#include "base/assert.h"
#include "weft/cancel.h"
#include "weft/pool.h"

enum { WEFT__OFFERS_MOST = WEFT__BOUND(32, 2) };

#define WEFT__OFFERS_PUSH ((UINT64_C(256) << 8) + 1)
#define WEFT__OFFERS_CLAIM ((UINT64_C(1) << 8) - 1)
#define WEFT__OFFERS_TAKE_BACK UINT64_C(1)

struct weft__offer {
	weft_job *job;
	weft_job_fn run;
	weft_token *ambient;
};

struct weft__offers {
	weft_atomic_u64 word;
	struct {
		weft_atomic_ptr job;
		weft_atomic_uptr run;
		weft_atomic_ptr ambient;
	} slots[WEFT__OFFERS_MOST];
};

static inline unsigned weft__offers_count(uint64_t word)
{
	return word & 0xff;
}

/* The owner adds an offer; there must be room. Returns how many there are now. */
static inline unsigned weft__offers_push(struct weft__offers *offers, struct weft__offer offer)
{
	uint64_t word = weft_load_acquire(&offers->word); /* offer.2 */
	unsigned slot = (unsigned)((word >> 8) + weft__offers_count(word)) % WEFT__OFFERS_MOST;

	WEFT__DEBUG_ASSERT(weft__offers_count(word) < WEFT__OFFERS_MOST,
			   "a job was offered where there was no room");
	weft_store_relaxed(&offers->slots[slot].job, offer.job);
	weft_store_relaxed(&offers->slots[slot].run, (uintptr_t)offer.run);
	weft_store_relaxed(&offers->slots[slot].ambient, offer.ambient);
	word = weft_add_seq_cst(&offers->word, WEFT__OFFERS_PUSH); /* offer.1, idle.1 */
	return weft__offers_count(word) + 1;
}

/* The owner takes the youngest offer back: false when all have been claimed. */
static inline bool weft__offers_take_back(struct weft__offers *offers)
{
	uint64_t word = weft_load_relaxed(&offers->word);

	while (weft__offers_count(word) > 0)
		if (weft_cas_weak_relaxed(&offers->word, &word, word - WEFT__OFFERS_TAKE_BACK))
			return true;
	return false;
}

/* One attempt of a thief that read `word`, with acquire or stronger, and found
 * the count above 0. */
static inline bool weft__offers_claim(struct weft__offers *offers, uint64_t word,
				      struct weft__offer *out)
{
	unsigned slot = (unsigned)(word >> 8) % WEFT__OFFERS_MOST;

	out->job = weft_load_relaxed(&offers->slots[slot].job);
	out->run = (weft_job_fn)weft_load_relaxed(&offers->slots[slot].run);
	out->ambient = weft_load_relaxed(&offers->slots[slot].ambient);
	return weft_cas_acq_rel(&offers->word, &word, word + WEFT__OFFERS_CLAIM); /* offer.2 */
}

#endif
