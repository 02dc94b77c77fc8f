/* SPDX-License-Identifier: MIT */
/*
 * The life of a pool's thread: look for a job, run it, and sleep when there is
 * none. And the other side: who wakes whom. README.md argues that no wake is lost.
 *
 * A thread that has no job is counted in the census, as idle and as searching. It
 * looks through the offers of all and asks those who have none, for spin_ns. Then
 * it goes to sleep: sets its bit in `asleep`, is not searching any more, asks
 * everybody, looks at all offers once more, and waits for its event.
 *
 * Who has made an offer wakes one sleeper if nobody is searching. Clearing the bit
 * in `asleep` is the right to wake, and whoever clears it counts the sleeper as
 * searching again, on its behalf: so that ten offers in a row do not wake ten
 * threads for the first of them. In return a thread that stops searching because
 * it has found something looks whether there is more, and wakes the next: an
 * avalanche that the owner of the jobs need not push.
 *
 * A thread is of use only while fewer than `workers` are awake, and the callers
 * inside the pool count (guests). If there are more, a thread that finds itself
 * idle sleeps at once, and nobody wakes it; a guest that leaves others behind
 * wakes one in its place.
 *
 * idle.1   an offer (or guest, or stop) is made by a read-modify-write, then the
 *          census and `asleep` are read; a thread sets its bit and leaves the
 *          census by read-modify-writes, then reads offers and stop. All seq_cst:
 *          one of the two sees the other.
 * guest.1  a guest sets its bit in `guests` and begins by asking itself, so that
 *          its first fork makes an offer and wakes somebody, whoever knows of it.
 *          Seq_cst, so that who is woken then also sees the bit.
 * event    a sleeper resets its event before it sets its bit, and is woken after
 *          the bit was cleared by a seq_cst read-modify-write.
 */
#include "pool/pool.h"

#include "sync/sync.h"

/* ---- the sleepers' side: announcing and waking -------------------------------------- */

static unsigned guests_inside(const struct weft__core *core)
{
	return (unsigned)__builtin_popcountll(weft_load_seq_cst(&core->guests));
}

/* With threads + 1 workers: guests + awake threads < workers. */
static bool wake_is_of_use(const struct weft__core *core, uint64_t census)
{
	return weft__census_asleep(census) > 0 &&
	       weft__census_asleep(census) >= guests_inside(core);
}

/* Likewise guests + awake threads > workers, the caller being awake. */
static bool too_many_awake(const struct weft__core *core)
{
	uint64_t census = weft_load_relaxed(&core->census);

	return guests_inside(core) > weft__census_asleep(census) + 1;
}

/* Clears the bit of a thread: true if the caller is the one who did. */
static bool asleep_clear(struct weft__core *core, int index)
{
	uint64_t bit = UINT64_C(1) << (index % 64);

	if (!(weft_and_seq_cst(&core->asleep[index / 64], ~bit) & bit)) /* idle.1, event */
		return false;
	weft_add_seq_cst(&core->census, WEFT__CENSUS_SEARCHING);
	return true;
}

void weft__core_wake(struct weft__core *core)
{
	if (!wake_is_of_use(core, weft_load_seq_cst(&core->census))) /* idle.1 */
		return;
	for (int i = 0; i < core->threads; i += 64) {
		uint64_t set = weft_load_seq_cst(&core->asleep[i / 64]); /* idle.1 */

		for (; set; set &= set - 1) {
			int index = i + __builtin_ctzll(set);

			if (asleep_clear(core, index)) {
				weft_event_set(&core->workers[index].event);
				return;
			}
		}
	}
}

/* Wakes a joiner that helps `owner` and sleeps. */
static bool helper_wake(struct weft__worker *helper, struct weft__worker *owner)
{
	void *expected = owner;

	if (weft_load_seq_cst(&helper->waits_on) != owner || /* help.1 */
	    !weft_cas_seq_cst(&helper->waits_on, &expected, NULL))
		return false;
	weft_event_set(&helper->event);
	return true;
}

static bool helpers_wake_one(struct weft__worker *owner)
{
	struct weft__core *core = owner->core;
	uint64_t set = weft_load_seq_cst(&core->guests);
	struct weft__worker *guest;

	while ((guest = weft__guest_next(core, &set)))
		if (helper_wake(guest, owner))
			return true;
	for (int i = 0; i < core->threads; i++)
		if (helper_wake(&core->workers[i], owner))
			return true;
	return false;
}

void weft__offers_announce(struct weft__worker *owner, unsigned offered)
{
	uint64_t census;

	if (weft_load_seq_cst(&owner->helpers) > 0 && helpers_wake_one(owner)) /* help.1 */
		offered--;
	if (offered == 0)
		return;
	census = weft_load_seq_cst(&owner->core->census); /* idle.1 */
	if (weft__census_searching(census) <= 0)
		weft__core_wake(owner->core);
}

/* ---- searching ---------------------------------------------------------------------- */

static bool claim_from(struct weft__worker *victim, struct weft__offer *offer)
{
	uint64_t word = weft_load_seq_cst(&victim->offers.word); /* offer.1, idle.1 */

	while (weft__offers_count(word) > 0) {
		if (weft__offers_claim(&victim->offers, word, offer))
			return true;
		word = weft_load_seq_cst(&victim->offers.word); /* offer.1 */
	}
	return false;
}

/* Guests first: all work comes in by them, so theirs tends to be the largest. The
 * threads in a circle, from a random one on. */
static struct weft__worker *claim_any(struct weft__worker *w, struct weft__offer *offer)
{
	struct weft__core *core = w->core;
	uint64_t set = weft_load_seq_cst(&core->guests);
	int first = (int)weft__rng_below(&w->rng, (uint32_t)core->threads);
	struct weft__worker *victim;

	while ((victim = weft__guest_next(core, &set)))
		if (claim_from(victim, offer))
			return victim;
	for (int i = 0; i < core->threads; i++) {
		victim = &core->workers[(first + i) % core->threads];
		if (claim_from(victim, offer))
			return victim;
	}
	return NULL;
}

static bool offers_anywhere(struct weft__core *core)
{
	uint64_t set = weft_load_seq_cst(&core->guests); /* guest.1 */
	struct weft__worker *guest;

	while ((guest = weft__guest_next(core, &set)))
		if (weft__offers_count(weft_load_seq_cst(&guest->offers.word))) /* idle.1 */
			return true;
	for (int i = 0; i < core->threads; i++)
		if (weft__offers_count(weft_load_seq_cst(&core->workers[i].offers.word)))
			return true;
	return false;
}

static void ask_everybody(struct weft__worker *w)
{
	struct weft__core *core = w->core;
	uint64_t set = weft_load_seq_cst(&core->guests); /* guest.1 */
	struct weft__worker *guest;

	while ((guest = weft__guest_next(core, &set)))
		weft__worker_ask(guest);
	for (int i = 0; i < core->threads; i++)
		if (&core->workers[i] != w)
			weft__worker_ask(&core->workers[i]);
}

/* Looks around for a while: the victim, or NULL when it is time to sleep. */
static struct weft__worker *search(struct weft__worker *w, struct weft__offer *offer)
{
	struct weft__core *core = w->core;
	int64_t until = 0;

	for (;;) {
		struct weft__worker *victim;
		int64_t now;

		if (too_many_awake(core))
			return NULL;
		victim = claim_any(w, offer);
		if (victim)
			return victim;
		now = weft_now();
		if (weft__worker_may_ask(w, now))
			ask_everybody(w);
		if (until == 0)
			until = now + core->spin_ns;
		if (now >= until || weft_load_relaxed(&core->stop))
			return NULL;
		weft__worker_pause();
	}
}

/* A thread has claimed an offer of `victim` and is idle no more. It has a new offer
 * made where it took one, and by itself as soon as it can: so that who becomes idle
 * while all others are busy with something long finds something. */
static void found(struct weft__worker *w, struct weft__worker *victim)
{
	struct weft__core *core = w->core;
	uint64_t census = weft_sub_seq_cst(&core->census, /* idle.1 */
					   WEFT__CENSUS_IDLE + WEFT__CENSUS_SEARCHING);

	weft__worker_ask(victim);
	weft_store_relaxed(&w->face.want, 1);
	/* Offers made while this thread was searching have woken nobody. */
	if (weft__census_searching(census) <= 1 && wake_is_of_use(core, census) &&
	    offers_anywhere(core))
		weft__core_wake(core);
}

/* ---- sleeping ----------------------------------------------------------------------- */

/* False when the pool is being freed. Otherwise there may be something to do. */
static bool sleep_until_woken(struct weft__worker *w)
{
	struct weft__core *core = w->core;
	bool stop;

	weft_event_reset(&w->event);
	weft_or_seq_cst(&core->asleep[w->index / 64], UINT64_C(1) << (w->index % 64)); /* idle.1 */
	weft_sub_seq_cst(&core->census, WEFT__CENSUS_SEARCHING);                       /* idle.1 */
	stop = weft_load_seq_cst(&core->stop);                                         /* idle.1 */
	if (!stop) {
		/* It counts as asleep by now: were it woken, would that be of use? */
		bool of_use = wake_is_of_use(core, weft_load_seq_cst(&core->census));

		if (of_use)
			ask_everybody(w);
		if (!of_use || !offers_anywhere(core)) {
			weft__count(&w->parks);
			weft__event_await(&w->event);
			stop = weft_load_seq_cst(&core->stop);
		}
	}
	/* Woken by chance or found something: the bit is still there. */
	if (!asleep_clear(core, w->index))
		weft__count(&w->wakes);
	return !stop;
}

void weft__worker_main(void *worker)
{
	struct weft__worker *w = worker;
	struct weft__core *core = w->core;
	bool alive = true;

	weft__worker_become(w);
	/* Whoever made this thread has counted it as idle and searching. */
	while (alive) {
		struct weft__worker *victim;
		struct weft__offer offer;

		while (!(victim = search(w, &offer)) && alive)
			alive = sleep_until_woken(w);
		if (victim) {
			found(w, victim);
			weft__job_run(w, victim, &w->root, &offer);
			weft_add_seq_cst(&core->census,
					 WEFT__CENSUS_IDLE + WEFT__CENSUS_SEARCHING);
		}
	}
	weft__worker_become(NULL);
}
