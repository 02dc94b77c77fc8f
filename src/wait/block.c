/* SPDX-License-Identifier: MIT */
/*
 * The one loop in which every blocking call of Weft waits.
 *
 *   try      each case, in the order of the select; done if one succeeds
 *   arm      link each case into its object, looking once more under its lock
 *   sleep    until somebody wins the sel: a waker, or the clock through us
 *   disarm   unlink the other cases
 *
 * and again, if the sel was won by a mere notification. No two locks are held at
 * once, nothing is allocated, and while a party is between arm and disarm the
 * sel is what decides: a case that is found ready while arming first wins the
 * party's own sel, so that it cannot happen that two cases take effect.
 *
 * A notified case is tried before all others, unless the caller wants the first
 * that is possible. If it succeeds, the chance was used. If it fails, somebody
 * overtook us and used it. If the party leaves with the case still marked
 * `notified`, the source gets to pass the chance on; a case that is linked again
 * is back in the queue and owes nothing.
 */
#include "wait/wait.h"

#include <errno.h>

#include "base/time.h"

/* The loop is compiled twice: for any number of cases, and for one, where the number is
 * a constant and the loops over it go away. */
#define INLINE static inline __attribute__((always_inline))

/* A look that succeeds, then a try that fails: others are faster. Queue up. */
enum { SPIN_ROUNDS = 3 };

static bool cancel_attempt(weft_case *c)
{
	return weft_token_cancelled(c->object);
}

/* The indices 0 .. count-1 in the `order` fields: as they are, or shuffled
 * (Fisher and Yates, inside out). A rotation would favour the case after one
 * that is seldom ready. */
INLINE void cases_order(struct weft__parker *parker, weft_case *cases, int count, unsigned flags)
{
	for (int i = 0; i < count; i++) {
		int j = i;

		if (!(flags & WEFT__BIASED) && i > 0)
			j = (int)(weft__parker_random(parker) % ((unsigned)i + 1));
		cases[i].order = cases[j].order;
		cases[j].order = (uint16_t)i;
	}
}

static bool case_try(weft_case *c)
{
	if (!c->source->attempt(c))
		return false;
	c->notified = 0;
	return true;
}

/* Tries the notified case, then the others; the index or -1. */
INLINE int cases_try(const struct weft__wait *w, int count, int notified)
{
	weft_case *cases = w->cases;
	const int first = w->biased ? -1 : notified;

	if (first >= 0 && case_try(&cases[first]))
		return first;
	for (int i = 0; i < count; i++) {
		int k = cases[i].order;

		if (k != first && case_try(&cases[k]))
			return k;
	}
	return -1;
}

/* The party leaves: chances that it was given and did not take go on. */
INLINE void cases_settle(weft_case *cases, int count)
{
	for (int i = 0; i < count; i++) {
		weft_case *c = &cases[i];

		if (c->notified) {
			c->notified = 0;
			if (c->source->pass_on)
				c->source->pass_on(c);
		}
	}
}

INLINE void wait_init(struct weft__wait *w, struct weft__parker *parker, weft_case *cases,
		      int count, unsigned flags)
{
	weft_token *ambient = flags & WEFT__UNCANCELLABLE ? NULL : parker->ambient;

	weft__sel_init(&w->sel, parker);
	w->cases = cases;
	w->count = count;
	w->armed = 0;
	w->found = false;
	w->cancellable = ambient != NULL;
	w->linked = ambient && !(ambient->unlinked && parker->kind->tracked);
	w->biased = flags & WEFT__BIASED;
	w->limit = ambient ? weft_token_deadline(ambient) : WEFT_NEVER;
	if (ambient) {
		w->cancel.source = &weft__token_source;
		w->cancel.object = ambient;
		w->cancel.sel = &w->sel;
		w->cancel.index = (uint16_t)count;
		w->cancel.linked = 0;
		w->cancel.notified = 0;
	}
	for (int i = 0; i < count; i++) {
		cases[i].sel = &w->sel;
		cases[i].index = (uint16_t)i;
		cases[i].linked = 0;
		cases[i].notified = 0;
		cases[i].passes = 0;
	}
	cases_order(parker, cases, count, flags);
}

void weft__wait_init(struct weft__wait *w, struct weft__parker *parker, weft_case *cases,
		     int count, unsigned flags)
{
	wait_init(w, parker, cases, count, flags);
}

/* The k-th case in this round's order; the cancellation comes last. */
INLINE weft_case *wait_case(struct weft__wait *w, int count, int k)
{
	return k < count ? &w->cases[count == 1 ? 0 : w->cases[k].order] : &w->cancel;
}

INLINE void wait_arm(struct weft__wait *w, int count)
{
	int total = count + w->linked;

	/* Both are published to wakers by the locks of the queues. A future's token
	 * is its executor's, and may have been woken for another of its waits. */
	weft_store_relaxed(&w->sel.won, 0);
	if (w->sel.parker->kind->park)
		weft_store_relaxed(&w->sel.parker->token, WEFT__EMPTY);
	w->found = false;
	for (w->armed = 0; w->armed < total; w->armed++) {
		weft_case *c = wait_case(w, count, w->armed);

		if (!c->source->enqueue(c)) {
			/* If this fails, another case took effect: just as well. */
			w->found = weft__case_win(c, WEFT__NOTIFIED);
			return;
		}
	}
}

/* The token's deadline goes before the caller's if they are the same, but not before a
 * case that comes true by then. */
static uint32_t sleep_until(struct weft__wait *w, int64_t deadline, int64_t due)
{
	const bool limited = w->limit < due && w->limit <= deadline;
	struct weft__parker *parker = w->sel.parker;
	uint32_t open = 0;

	if (w->found)
		return weft_load_relaxed(&w->sel.won);
	/* Who looks for fibers that are parked may have been here before this one. */
	if (weft__wait_cancel(w))
		return w->count + 1u;
	deadline = weft__time_min(deadline, due);
	parker->wait = w;
	if (weft__parker_park(parker, limited ? w->limit : deadline) == -ETIMEDOUT) {
		if (weft_cas_acq_rel(&w->sel.won, &open, WEFT__TIMED_OUT)) { /* win.1 */
			if (!limited)
				return WEFT__TIMED_OUT;
			/* It unlinks the case too: who cancels takes all, won or not. */
			weft__token_expire(w->cancel.object);
			return w->count + 1u;
		}
		/* Won at the last moment: the wake is under way. */
		weft__parker_park(parker, WEFT_NEVER);
	}
	return weft_load_relaxed(&w->sel.won);
}

uint32_t weft__wait_sleep(struct weft__wait *w, int64_t deadline)
{
	return sleep_until(w, deadline, WEFT_NEVER);
}

bool weft__wait_cancel(struct weft__wait *w)
{
	uint32_t open = 0;

	return w->cancellable && !w->linked && cancel_attempt(&w->cancel) &&
	       weft_cas_acq_rel(&w->sel.won, &open, w->count + 1u); /* win.1 */
}

INLINE void wait_disarm(struct weft__wait *w, int count, uint32_t won)
{
	/* A party that is woken knows that its winner unlinked the case. */
	int winner = won == WEFT__TIMED_OUT || w->found ? -1 : (int)(won & ~WEFT__NOTIFIED) - 1;

	for (int k = 0; k < w->armed; k++) {
		weft_case *c = wait_case(w, count, k);

		if (c->index != winner)
			c->source->dequeue(c);
	}
}

void weft__wait_arm(struct weft__wait *w)
{
	wait_arm(w, w->count);
}

void weft__wait_disarm(struct weft__wait *w, uint32_t won)
{
	wait_disarm(w, w->count, won);
}

/* For one source with a cheap look: spins while nothing is to be had. Gaps leave the
 * other side's cache lines alone, and let it get ahead, so that the next few tries
 * succeed at once. */
static bool spin_until_ready(struct weft__parker *parker, const weft_case *c)
{
	struct weft__spin spin;
	bool ready;

	if (!c->source->ready)
		return false;
	weft__spin_begin(&spin, parker, 1, 16);
	do
		ready = c->source->ready(c);
	while (!ready && weft__spin_once(&spin));
	weft__spin_end(&spin, ready);
	return ready;
}

/* When one of the cases comes true by the clock; WEFT_NEVER. */
INLINE int64_t cases_due(const struct weft__wait *w, int count)
{
	int64_t first = WEFT_NEVER;

	for (int i = 0; i < count; i++) {
		const weft_case *c = &w->cases[i];

		if (WEFT_UNLIKELY(c->source->due != NULL))
			first = weft__time_min(first, c->source->due(c));
	}
	return first;
}

/* The loop. */
INLINE int wait_run(struct weft__wait *w, int count, int64_t deadline, bool tried)
{
	/* A fiber never spins: there are others to run. */
	int spins = count == 1 && !w->sel.parker->kind->tracked ? SPIN_ROUNDS : 0;
	int notified = -1;

	for (;;) {
		int chosen = tried ? -1 : cases_try(w, count, notified);
		int64_t due;
		uint32_t won;

		tried = false;
		if (chosen >= 0)
			return chosen;
		if (w->cancellable && cancel_attempt(&w->cancel))
			return -ECANCELED;
		if (deadline <= 0)
			return -ETIMEDOUT;
		if (spins-- > 0 && spin_until_ready(w->sel.parker, w->cases))
			continue;
		spins = 0;
		wait_arm(w, count);
		due = cases_due(w, count);
		won = sleep_until(w, deadline, due);
		wait_disarm(w, count, won);
		if (won == WEFT__TIMED_OUT && due < deadline) {
			notified = -1;
			continue;
		}
		if (won == WEFT__TIMED_OUT)
			return -ETIMEDOUT;
		notified = (int)(won & ~WEFT__NOTIFIED) - 1;
		if (notified == count)
			return -ECANCELED;
		if (!(won & WEFT__NOTIFIED))
			return notified;
	}
}

int weft__block(weft_case *cases, int count, int64_t deadline, unsigned flags)
{
	struct weft__parker *parker = weft__parker_self();
	const uint32_t spins = parker->spins;
	struct weft__wait w;
	int chosen;

	weft__slice_pay();
	weft__wait_init(&w, parker, cases, count, flags);
	/* A mere sleep: nobody ends it early, and it says nothing about other waits. */
	if (count == 0)
		parker->spins = 0;
	chosen = wait_run(&w, count, deadline, flags & WEFT__TRIED);
	if (count == 0)
		parker->spins = spins;
	cases_settle(cases, count);
	return chosen;
}

int weft__block_on(const struct weft_source *source, void *object, void *slot, uint32_t need,
		   int64_t deadline, unsigned flags)
{
	struct weft__wait w;
	int err;

	weft__slice_pay();
	w.one.source = source;
	w.one.object = object;
	w.one.slot = slot;
	w.one.need = need;
	w.one.result = 0;
	wait_init(&w, weft__parker_self(), &w.one, 1, flags);
	err = wait_run(&w, 1, deadline, flags & WEFT__TRIED);
	cases_settle(&w.one, 1);
	return err == 0 ? w.one.result : err;
}

/* ---- polling -------------------------------------------------------------------- */

void weft__poll_init(struct weft__poll *poll, struct weft__parker *parker, weft_case *cases,
		     int count, unsigned flags)
{
	weft__wait_init(&poll->wait, parker, cases, count, flags);
	poll->armed = false;
}

/* Ends the round if somebody won it, else false. A future takes the lock of its
 * winner too: it does not wait for the wake, so this is what makes the winner's
 * writes visible, and keeps the frame until the winner has left it. */
static bool poll_collect(struct weft__poll *poll, uint32_t *won)
{
	struct weft__wait *w = &poll->wait;

	*won = weft_load_acquire(&w->sel.won); /* win.1 */
	if (*won == 0)
		return false;
	for (int k = 0; k < w->armed; k++)
		wait_case(w, w->count, k)->source->dequeue(wait_case(w, w->count, k));
	poll->armed = false;
	return true;
}

int weft__poll_next(struct weft__poll *poll)
{
	struct weft__wait *w = &poll->wait;
	int notified = -1, chosen;
	uint32_t won;

	for (;;) {
		if (poll->armed) {
			if (w->limit != WEFT_NEVER && w->limit <= weft_now())
				weft__token_expire(w->cancel.object);
			if (!poll_collect(poll, &won))
				return -EAGAIN;
			notified = (int)(won & ~WEFT__NOTIFIED) - 1;
			chosen = notified == w->count ? -ECANCELED : notified;
			if (notified == w->count || !(won & WEFT__NOTIFIED))
				break;
		}
		chosen = cases_try(w, w->count, notified);
		if (chosen >= 0)
			break;
		weft__wait_arm(w);
		poll->armed = true;
		/* Whether a case was found ready or another party won meanwhile, the
		 * next turn of the loop sees it. */
	}
	cases_settle(w->cases, w->count);
	return chosen;
}

int64_t weft__poll_due(const struct weft__poll *poll)
{
	const struct weft__wait *w = &poll->wait;

	return poll->armed ? weft__time_min(cases_due(w, w->count), w->limit) : WEFT_NEVER;
}

int weft__poll_drop(struct weft__poll *poll)
{
	struct weft__wait *w = &poll->wait;
	uint32_t open = 0, won;
	int chosen = -EAGAIN;

	if (!poll->armed)
		return -EAGAIN;
	(void)weft_cas_acq_rel(&w->sel.won, &open, WEFT__TIMED_OUT); /* win.1 */
	poll_collect(poll, &won);
	if (won != WEFT__TIMED_OUT && !(won & WEFT__NOTIFIED) && (int)won - 1 < w->count)
		chosen = (int)won - 1;
	cases_settle(w->cases, w->count);
	return chosen;
}
