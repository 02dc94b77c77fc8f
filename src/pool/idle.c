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

#include <errno.h>

#include "sync/sync.h"

/* ---- the sleepers' side: announcing and waking -------------------------------------- */

static unsigned guests_inside(const struct weft__core *core)
{
	return (unsigned)__builtin_popcountll(weft_load_seq_cst(&core->guests));
}

/* Threads that are awake, and not in a job that sleeps. */
static int threads_at_work(const struct weft__core *core, uint64_t census)
{
	return (int)weft_load_seq_cst(&core->live) - (int)weft__census_asleep(census) -
	       (int)weft_load_seq_cst(&core->blocked); /* staff.1 */
}

static int width(const struct weft__core *core)
{
	return (int)weft_load_seq_cst(&core->width); /* staff.1 */
}

/* Whether one more thread would be of use: to help with what callers and others have
 * begun; or with tasks, which are for threads, so that callers do not count. (Of the
 * blocked some are callers: then there may be a thread too many.) */
static bool room_to_help(const struct weft__core *core, uint64_t census)
{
	return threads_at_work(core, census) + (int)guests_inside(core) < width(core);
}

static bool room_for_task(const struct weft__core *core, uint64_t census)
{
	return threads_at_work(core, census) < width(core);
}

static bool tasks_queued(const struct weft__core *core)
{
	return weft_load_seq_cst(&core->queued) > 0; /* task.1 */
}

/* The caller is awake and has nothing to do: is it one too many? */
static bool too_many_awake(const struct weft__core *core)
{
	uint64_t census = weft_load_relaxed(&core->census);

	return threads_at_work(core, census) + (int)guests_inside(core) > width(core);
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

bool weft__core_wake_sleeper(struct weft__core *core)
{
	for (int i = 0; i < core->threads; i += 64) {
		uint64_t set = weft_load_seq_cst(&core->asleep[i / 64]); /* idle.1 */

		for (; set; set &= set - 1) {
			int index = i + __builtin_ctzll(set);

			if (asleep_clear(core, index)) {
				weft_event_set(&core->workers[index].event);
				return true;
			}
		}
	}
	return false;
}

static void wake_or_hire(struct weft__core *core, uint64_t census)
{
	if (weft__census_asleep(census) == 0)
		weft__staff_hire_one(core);
	else
		(void)weft__core_wake_sleeper(core);
}

void weft__core_wake(struct weft__core *core)
{
	uint64_t census = weft_load_seq_cst(&core->census); /* idle.1 */

	if (room_to_help(core, census))
		wake_or_hire(core, census);
}

void weft__core_wake_for_task(struct weft__core *core)
{
	uint64_t census = weft_load_seq_cst(&core->census); /* task.1 */

	if (room_for_task(core, census))
		wake_or_hire(core, census);
}

void weft__core_rouse(struct weft__core *core, int index)
{
	(void)asleep_clear(core, index);
	weft_event_set(&core->workers[index].event);
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

/* Records from there on have never had a thread. */
static int threads_seen(const struct weft__core *core)
{
	return (int)weft_load_acquire(&core->high); /* high.1 */
}

static bool helpers_wake_one(struct weft__worker *owner)
{
	struct weft__core *core = owner->core;
	uint64_t set = weft_load_seq_cst(&core->guests);
	struct weft__worker *guest;

	while ((guest = weft__guest_next(core, &set)))
		if (helper_wake(guest, owner))
			return true;
	for (int i = 0, n = threads_seen(core); i < n; i++)
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
struct weft__worker *weft__offer_claim_any(struct weft__worker *w, struct weft__offer *offer)
{
	struct weft__core *core = w->core;
	uint64_t set = weft_load_seq_cst(&core->guests);
	int count = threads_seen(core);
	int first = (int)weft__rng_below(&w->rng, (uint32_t)count);
	struct weft__worker *victim;

	while ((victim = weft__guest_next(core, &set)))
		if (claim_from(victim, offer))
			return victim;
	for (int i = 0; i < count; i++) {
		victim = &core->workers[(first + i) % count];
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
	for (int i = 0, n = threads_seen(core); i < n; i++)
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
	for (int i = 0, n = threads_seen(core); i < n; i++)
		if (&core->workers[i] != w)
			weft__worker_ask(&core->workers[i]);
}

void weft__core_reconsider(struct weft__core *core)
{
	uint64_t census = weft_load_seq_cst(&core->census); /* staff.1 */

	if (weft__census_searching(census) > 0)
		return;
	if ((room_to_help(core, census) && offers_anywhere(core)) ||
	    (room_for_task(core, census) && tasks_queued(core)))
		wake_or_hire(core, census);
}

/* What an idle thread has found. */
struct find {
	struct weft__task *task;
	struct weft__worker *victim;
	struct weft__offer offer;
};

/* Tasks and offers, by turns first. */
static bool look(struct weft__worker *w, struct find *find)
{
	w->tasks_first = !w->tasks_first;
	if (w->tasks_first && (find->task = weft__tasks_take(w->core)))
		return true;
	if (!too_many_awake(w->core) && (find->victim = weft__offer_claim_any(w, &find->offer)))
		return true;
	if (!w->tasks_first && (find->task = weft__tasks_take(w->core)))
		return true;
	return false;
}

/* Looks around for a while; false when it is time to sleep. */
static bool search(struct weft__worker *w, struct find *find)
{
	struct weft__core *core = w->core;
	int64_t until = 0;

	find->task = NULL;
	find->victim = NULL;
	for (;;) {
		int64_t now;

		if (weft_load_relaxed(&w->errand) || look(w, find))
			return true;
		if (too_many_awake(core))
			return false;
		now = weft_now();
		if (weft__worker_may_ask(w, now))
			ask_everybody(w);
		if (until == 0)
			until = now + core->spin_ns;
		if (now >= until || weft_load_relaxed(&core->stop))
			return false;
		weft__worker_pause();
	}
}

/* A thread has found something and is idle no more. Where that was an offer, it has a
 * new one made, and by itself as soon as it can: so that who becomes idle while all
 * others are busy with something long finds something. */
static void found(struct weft__worker *w, struct weft__worker *victim)
{
	struct weft__core *core = w->core;

	weft_sub_seq_cst(&core->census, /* idle.1 */
			 WEFT__CENSUS_IDLE + WEFT__CENSUS_SEARCHING);
	if (victim)
		weft__worker_ask(victim);
	weft_store_relaxed(&w->face.want, 1);
	/* Offers made while this thread was searching have woken nobody. */
	weft__core_reconsider(core);
}

/* ---- sleeping ----------------------------------------------------------------------- */

/* Until somebody sets the event, or this one too many has rested for long enough: true
 * then. It sleeps without a job, which is nobody's concern. */
static bool rest(struct weft__worker *w)
{
	struct weft__core *core = w->core;
	struct weft__onlooker *own = weft__onlooker_install(NULL);
	int64_t until = WEFT_NEVER;
	int err;

	if (weft_load_seq_cst(&core->live) > weft_load_seq_cst(&core->width)) /* staff.1 */
		until = weft_after(core->rest_ns);
	weft__count(&w->parks);
	err = weft_event_wait_until(&w->event, until);
	weft__onlooker_install(own);
	return err == -ETIMEDOUT;
}

/* False when the thread is to leave. Otherwise there may be something to do. */
static bool sleep_until_woken(struct weft__worker *w)
{
	struct weft__core *core = w->core;
	bool stop, rested = false;

	weft_event_reset(&w->event);
	weft_or_seq_cst(&core->asleep[w->index / 64], UINT64_C(1) << (w->index % 64)); /* idle.1 */
	weft_sub_seq_cst(&core->census, WEFT__CENSUS_SEARCHING);                       /* idle.1 */
	stop = weft_load_seq_cst(&core->stop);                                         /* idle.1 */
	if (!stop) {
		/* It counts as asleep by now: were it woken, would that be of use? */
		uint64_t census = weft_load_seq_cst(&core->census);
		bool help = room_to_help(core, census);

		if (help)
			ask_everybody(w);
		if (!(help && offers_anywhere(core)) &&
		    !(room_for_task(core, census) && tasks_queued(core)) &&
		    !weft_load_seq_cst(&w->errand)) { /* errand.1 */
			rested = rest(w);
			stop = weft_load_seq_cst(&core->stop);
		}
	}
	/* Woken by chance or found something: the bit is still there. */
	if (!asleep_clear(core, w->index)) {
		weft__count(&w->wakes);
		rested = false;
	}
	return !((stop || rested) && weft__staff_leave(w, stop));
}

/* Whatever it found: at the root of its stack, counted as idle before and after. */
static void work(struct weft__worker *w, const struct find *find)
{
	struct weft__errand *errand = weft_swap_seq_cst(&w->errand, NULL); /* errand.1 */

	found(w, find->victim);
	if (errand)
		errand->run(errand, w);
	if (find->victim)
		weft__job_run(w, find->victim, &w->root, &find->offer);
	if (find->task)
		weft__tasks_run(w, find->task);
	weft_add_seq_cst(&w->core->census, WEFT__CENSUS_IDLE + WEFT__CENSUS_SEARCHING);
}

static void arrive(struct weft__worker *w)
{
	const weft_pool_opts *opts = &w->core->pool->opts;

	weft__rng_seed(&w->rng, (uint64_t)w->index);
	if (opts->cpu_count > 0)
		(void)weft__thread_pin(opts->cpus[w->index % opts->cpu_count]);
	weft__worker_become(w);
	if (opts->on_start)
		opts->on_start(opts->context, w->index);
}

void weft__worker_main(void *worker)
{
	struct weft__worker *w = worker;
	struct find find;

	arrive(w);
	/* Whoever made this thread has counted it as idle and searching. */
	for (;;) {
		if (search(w, &find))
			work(w, &find);
		else if (!sleep_until_woken(w))
			break;
	}
	weft__worker_become(NULL);
}
