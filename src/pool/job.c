/* SPDX-License-Identifier: MIT */
/*
 * Handing jobs out, and joining those that were: the slow halves of fork and join.
 * The rules that this file keeps are argued in README.md; in short:
 *
 *   list    root .. base was handed out, what follows base was not
 *   offers  of what was handed out, the part that nobody has claimed: always the
 *           youngest, so "none left" means that the youngest is claimed, too
 *
 * A job that was handed out has run == NULL. Its `state`:
 *
 *   0                nobody is known to run it        -> thief, WAITED
 *   thief            claimed, the thief says so       -> thief | WAITED, DONE
 *   ... | WAITED     and the joiner sleeps            -> DONE
 *   DONE             final; perhaps | WAITED, which means nothing then
 *
 * job.1  the thief's swap to DONE releases what the job did; the joiner's look
 *        acquires.
 * job.2  the joiner's or of WAITED, and the thief's or of its own name and swap to
 *        DONE, each acquire and release: whoever comes second knows of the other,
 *        and an event that is set because of WAITED is set after it was reset.
 * want.1 asking is a swap to 1, or a load that finds 1; the answer begins with a
 *        swap to 0, and then counts who is hungry. All are seq_cst, and so is the
 *        registration of the hungry before they ask: whoever asked before the
 *        swap is counted, whoever asked after it has left a 1.
 */
#include "pool/pool.h"

#include "base/assert.h"
#include "sync/sync.h"
#include "weft/task.h"

/* ---- handing out ----------------------------------------------------------------- */

/* How many others would like to have a job of this worker. */
static unsigned hungry(const struct weft__worker *worker)
{
	return weft__census_idle(weft_load_seq_cst(&worker->core->census)) + /* want.1 */
	       weft_load_seq_cst(&worker->helpers);                          /* want.1 */
}

/* Hands out the oldest private job; there is one. Returns the count of offers. */
static unsigned offer_oldest(struct weft__worker *w)
{
	weft_job *job = w->base->next;
	struct weft__offer offer = { .job = job, .run = job->run, .ambient = w->ambient };

	job->run = NULL;
	weft_store_relaxed(&job->state, 0); /* published by the push */
	w->base = job;
	weft__count(&w->promoted);
	return weft__offers_push(&w->offers, offer);
}

/* Whether a guest that is shy is to go on without handing out. The clock is dear, so
 * it is looked at each fourth time only: three long jobs are the most that can pass
 * unnoticed. */
static bool shy(struct weft__worker *w)
{
	if (w->patience == 0)
		return false;
	if (--w->patience % 4 == 0 && weft__cpu_ticks() - w->begun >= w->core->small_ticks)
		w->patience = 0;
	return w->patience > 0;
}

/* par.tail is the newest job that is sure to be in the list.
 *
 * Each who is hungry is offered two: one to take, and one to find if it comes back
 * while this worker is busy with something long. But at least there is a stock, for
 * those who will be hungry by then. It is doubled when it was used up before the
 * owner came to fill it, and halved when it was not wanted. If there is not that
 * much, the next fork is asked again. */
void weft_pool_promote(weft_par par)
{
	struct weft__worker *w = weft__worker_of(par.worker);
	unsigned count, enough, offered = 0;

	if (shy(w))
		return;
	weft_swap_seq_cst(&w->face.want, 0); /* want.1 */
	if (weft__core_stale(w->core))
		return;
	count = weft__offers_count(weft_load_relaxed(&w->offers.word));
	if (count == 0 && w->stock < WEFT__OFFERS_MOST)
		w->stock *= 2;
	enough = 2 * hungry(w);
	if (enough < w->stock)
		enough = w->stock;
	if (enough > WEFT__OFFERS_MOST)
		enough = WEFT__OFFERS_MOST;
	for (; count < enough && w->base != par.tail; offered++)
		count = offer_oldest(w);
	if (count < enough)
		weft_store_relaxed(&w->face.want, 1);
	if (offered > 0)
		weft__offers_announce(w, offered);
}

/* ---- running what was claimed ------------------------------------------------------ */

/* The thief says its name, `w`, and `as` is who runs it: `w` too, but for a job that must
 * not hand out what it forks. */
static void run_claimed(struct weft__worker *w, struct weft__worker *as,
			struct weft__worker *victim, weft_job *tail,
			const struct weft__offer *offer)
{
	weft_token *outer = as->ambient, *ambient = weft_ambient_set(offer->ambient);
	weft_job *job = offer->job;

	weft__count(&w->stolen);
	as->ambient = offer->ambient;
	as->base = tail;
	if (weft_or_acq_rel(&job->state, (uintptr_t)w) & WEFT__JOB_WAITED) /* job.2 */
		weft_event_set(&victim->event);

	offer->run((weft_par){ &as->face, tail }, job);

	if (weft__core_stale(w->core))
		weft__die("a job returned to its pool in the child of a fork() inside of it");
	WEFT__ASSERT(as->base == tail, "a job returned with a fork that it did not join");
	as->ambient = outer;
	weft_ambient_set(ambient);
	/* The job, in its joiner's frame, is gone after this; the joiner's worker is
	 * not, as long as the pool lives. */
	if (weft_swap_acq_rel(&job->state, WEFT__JOB_DONE) & WEFT__JOB_WAITED) /* job.1, job.2 */
		weft_event_set(&victim->event);
}

void weft__job_run(struct weft__worker *w, struct weft__worker *victim, weft_job *tail,
		   const struct weft__offer *offer)
{
	run_claimed(w, w, victim, tail, offer);
}

/* ---- joining what was claimed ------------------------------------------------------ */

static struct weft__worker *job_thief(uintptr_t state)
{
	return (struct weft__worker *)(state & ~(uintptr_t)WEFT__JOB_BITS);
}

/* Runs one job that was forked below `job`, which `thief` runs: true if there was.
 *
 * If DONE is not seen after the word was read, the word is from a time when the
 * thief was inside of `job`, and so was every offer that it counts. If the claim
 * succeeds, the word is the current one, those offers have not been joined, and
 * the thief is inside of `job` still. */
static bool help_once(struct weft__worker *w, struct weft__worker *thief, weft_job *job,
		      weft_job *tail)
{
	uint64_t word = weft_load_seq_cst(&thief->offers.word); /* offer.1, help.1 */
	struct weft__offer offer;

	if (weft__offers_count(word) == 0 ||
	    weft_load_acquire(&job->state) & WEFT__JOB_DONE || /* job.1 */
	    !weft__offers_claim(&thief->offers, word, &offer))
		return false;
	weft__worker_ask(thief);
	weft__job_run(w, thief, tail, &offer);
	return true;
}

/* Sleeps until the job is done, or its thief has offers, or has told its name. */
static void join_sleep(struct weft__worker *w, struct weft__worker *thief, weft_job *job)
{
	uintptr_t state;

	weft_event_reset(&w->event);
	state = weft_or_acq_rel(&job->state, WEFT__JOB_WAITED); /* job.2 */
	if (state & WEFT__JOB_DONE || (!thief && job_thief(state)))
		return;
	if (thief) {
		weft_store_seq_cst(&w->waits_on, thief); /* help.1 */
		weft__worker_ask(thief);
		if (weft__offers_count(weft_load_seq_cst(&thief->offers.word))) { /* help.1 */
			weft_store_relaxed(&w->waits_on, NULL);
			return;
		}
	}
	weft__count(&w->parks);
	weft__event_await(&w->event);
	weft__count(&w->wakes);
	weft_store_relaxed(&w->waits_on, NULL);
}

static void join_claimed(struct weft__worker *w, weft_job *job, weft_job *tail)
{
	struct weft__worker *thief = NULL;
	int64_t spin_until = 0;
	uintptr_t state;

	while (!((state = weft_load_acquire(&job->state)) & WEFT__JOB_DONE)) { /* job.1 */
		int64_t now;

		if (weft__core_stale(w->core))
			weft__die("a fork() inside of a job: the child joins what another worker "
				  "of the parent was running");
		if (!thief && job_thief(state)) {
			thief = job_thief(state);
			weft_add_seq_cst(&thief->helpers, 1); /* want.1 */
		}
		if (thief && help_once(w, thief, job, tail)) {
			spin_until = 0;
			continue;
		}
		now = weft_now();
		if (thief && weft__worker_may_ask(w, now))
			weft__worker_ask(thief);
		if (spin_until == 0)
			spin_until = now + w->core->spin_ns;
		if (now < spin_until) {
			weft__worker_pause();
			continue;
		}
		join_sleep(w, thief, job);
		spin_until = 0;
	}
	if (thief)
		weft_sub_relaxed(&thief->helpers, 1);
}

bool weft_pool_await(weft_par par, weft_job *job)
{
	struct weft__worker *w = weft__worker_of(par.worker);

	WEFT__ASSERT(w->base == job, "jobs were joined in another order than they were forked "
				     "in, or with another par");
	w->base = par.tail;
	if (weft__offers_take_back(&w->offers)) {
		if (w->stock > WEFT__POOL_STOCK)
			w->stock /= 2;
		return false;
	}
	join_claimed(w, job, par.tail);
	return true;
}

/* ---- yielding ------------------------------------------------------------------------ */

/* Runs the oldest job that the worker itself has forked and nobody has taken: a joiner
 * that helps it may have the others meanwhile, which are below its job as they were. */
static bool run_own(struct weft__worker *w, weft_job *tail)
{
	uint64_t word = weft_load_acquire(&w->offers.word); /* offer.1 */
	weft_job *base = w->base;
	struct weft__offer offer;

	while (weft__offers_count(word) > 0) {
		if (weft__offers_claim(&w->offers, word, &offer)) {
			run_claimed(w, w, w, tail, &offer);
			w->base = base;
			return true;
		}
		word = weft_load_acquire(&w->offers.word); /* offer.1 */
	}
	return false;
}

/* Runs a task or somebody's job, with no offers of its own outstanding. What that forks
 * stays here: a joiner that helps this worker must not get it, as it is not below the job
 * that the joiner waits for. */
static bool run_foreign(struct weft__worker *w)
{
	struct weft__task *task = weft__tasks_take(w->core);
	struct weft__worker alone, *victim = NULL;
	struct weft__offer offer;

	if (!task)
		victim = weft__offer_claim_any(w, &offer);
	if (!task && !victim)
		return false;
	weft__worker_alone(&alone, w->core);
	alone.outer = w;
	weft__worker_become(&alone);
	if (task)
		weft__tasks_run(&alone, task);
	else
		run_claimed(w, &alone, victim, &alone.root, &offer);
	weft__worker_become(w);
	return true;
}

bool weft_pool_yield(weft_par par)
{
	struct weft__worker *w = weft__worker_of(par.worker);

	if (w->alone || weft__core_stale(w->core))
		return false;
	if (weft__offers_count(weft_load_relaxed(&w->offers.word)) == 0 && w->base != par.tail)
		offer_oldest(w);
	return run_own(w, par.tail) || (w->base == par.tail && run_foreign(w));
}

/* ---- as functions -------------------------------------------------------------------- */

weft_par weft_pool_fork(weft_par par, weft_job *job, weft_job_fn run)
{
	return weft_fork(par, job, run);
}

void weft_pool_join(weft_par par, weft_job *job, weft_job_fn run)
{
	weft_join(par, job, run);
}

void weft_pool_poll(weft_par par)
{
	weft_par_poll(par);
}
