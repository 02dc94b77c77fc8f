/* SPDX-License-Identifier: MIT */
/*
 * What concerns several calls, or all threads, at once: calls of which the first error
 * ends the others, and what every thread is to do.
 *
 * weft_invoke() is a tree of forks over an array, under a token of its own. The token is
 * looked at before each call, so of those that have not begun none does once one has
 * failed. Whoever is first to store its error cancels the token after that, so what follows
 * from the cancellation is never the first.
 *
 * A broadcast gives each thread an errand, which it looks at whenever it looks for work;
 * see weft__staff_tell(). One at a time, as a thread has room for one.
 */
#include "pool/pool.h"

#include <errno.h>

#include "base/assert.h"
#include "sync/sync.h"
#include "weft/cancel.h"
#include "weft/task.h"

/* ---- several calls ------------------------------------------------------------------- */

struct invoke {
	weft_call *calls;
	int count;
	weft_token token;
	weft_atomic_i32 error;
};

struct part {
	weft_job job;
	struct invoke *all;
	int lo, hi;
};

static void call_one(weft_par par, struct invoke *all, weft_call *call)
{
	int32_t none = 0;

	call->result = weft_cancelled() ? -ECANCELED : call->fn(par, call->arg);
	if (call->result != 0 && weft_cas_relaxed(&all->error, &none, call->result))
		weft_token_cancel(&all->token);
}

static void part_run(weft_par par, weft_job *job)
{
	struct part *p = weft_container_of(job, struct part, job);
	struct part upper = { .all = p->all, .hi = p->hi };
	struct part lower = { .all = p->all, .lo = p->lo };
	weft_par inner;

	if (p->hi - p->lo == 1) {
		call_one(par, p->all, &p->all->calls[p->lo]);
		return;
	}
	lower.hi = upper.lo = p->lo + (p->hi - p->lo) / 2;
	inner = weft_fork(par, &upper.job, part_run);
	part_run(inner, &lower.job);
	weft_join(par, &upper.job, part_run);
}

static void invoke_root(weft_par par, void *arg)
{
	struct invoke *all = arg;
	struct part whole = { .all = all, .hi = all->count };

	part_run(par, &whole.job);
}

/* Both ways in: from a job, or from outside. */
static int invoke(struct weft__worker *w, weft_pool *pool, weft_call *calls, int count)
{
	struct invoke all = { .calls = calls, .count = count };
	weft_token *outer = weft_ambient();

	if (count <= 0)
		return count < 0 ? -EINVAL : 0;
	weft_token_init(&all.token, outer);
	weft_ambient_set(&all.token);
	if (w)
		weft__worker_enter(w, invoke_root, &all);
	else
		weft_pool_run(pool, invoke_root, &all);
	weft_ambient_set(outer);
	weft_token_fini(&all.token);
	return weft_load_relaxed(&all.error);
}

int weft_invoke(weft_pool *pool, weft_call *calls, int count)
{
	return invoke(NULL, pool, calls, count);
}

int weft_invoke_in(weft_par par, weft_call *calls, int count)
{
	return invoke(weft__worker_of(par.worker), NULL, calls, count);
}

/* ---- all threads --------------------------------------------------------------------- */

struct broadcast {
	struct weft__errand errand;
	weft_broadcast_fn fn;
	void *arg;
	weft_token *ambient;
	weft_atomic_u32 pending; /* errands, and the caller while it gives them out */
	weft_atomic_u32 next;    /* index */
	weft_atomic_u32 ran;
	weft_event over;
};

static void done(struct broadcast *b)
{
	if (weft_sub_acq_rel(&b->pending, 1) == 1) /* broadcast.1: what was done is seen */
		weft_event_set(&b->over);
}

static void call(struct broadcast *b)
{
	weft_token *outer = weft_ambient_set(b->ambient);

	b->fn(b->arg, (int)weft_add_relaxed(&b->next, 1));
	weft_add_relaxed(&b->ran, 1);
	weft_ambient_set(outer);
}

static void errand_run(struct weft__errand *errand, struct weft__worker *w)
{
	struct broadcast *b = weft_container_of(errand, struct broadcast, errand);

	if (w)
		call(b);
	done(b);
}

/* `pending` is far above zero until all have been told, and right from then on. */
static void tell(struct weft__core *core, struct broadcast *b)
{
	const uint32_t many = 1u << 30;
	uint32_t told;

	weft_atomic_init(&b->pending, many);
	told = (uint32_t)weft__staff_tell(core, &b->errand);
	if (weft_sub_acq_rel(&b->pending, many - told) == many - told) /* broadcast.1 */
		weft_event_set(&b->over);
}

int weft_pool_broadcast(weft_pool *pool, weft_broadcast_fn fn, void *arg)
{
	struct broadcast b = {
		.errand = { errand_run }, .fn = fn, .arg = arg, .ambient = weft_ambient()
	};
	struct weft__worker *self = weft__worker_self();
	struct weft__core *core;

	pool = weft__pool_or_global(pool);
	core = weft__core_get(pool);
	if (!fn)
		return -EINVAL;
	if (!core)
		return -ENOMEM;
	if (self && self->core == core)
		return -EDEADLK;
	weft_mutex_lock(&pool->crier);
	tell(core, &b);
	weft__event_await(&b.over);
	weft_mutex_unlock(&pool->crier);
	return (int)weft_load_relaxed(&b.ran);
}
