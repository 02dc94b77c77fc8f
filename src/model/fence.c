/* SPDX-License-Identifier: MIT */
/*
 * Stand-alone fences, and the barrier for all threads.
 *
 * A release fence keeps what its thread has seen, for the relaxed stores to come;
 * an acquire fence takes over what relaxed loads found beside their values. A
 * seq_cst fence does both, and meets the other seq_cst fences and accesses in
 * `sc`: see memory.c.
 */
#include "model/model.h"

static const char *order_name(int order)
{
	return order == WEFT__SEQ_CST   ? "seq_cst"
	       : order == WEFT__ACQ_REL ? "acq_rel"
	       : order == WEFT__ACQUIRE ? "acquire"
					: "release";
}

static void fence_acquire(struct model_thread *t)
{
	if (t->pending_any)
		weft__view_joined(&t->now, &t->pending_acquire);
	t->pending_any = false;
}

static void sc_take(struct model_thread *t)
{
	weft__view_extend(&t->now, M.locations);
	for (uint32_t i = 0; i < M.locations; i++)
		if (t->now.at[i] < M.sc[i])
			t->now.at[i] = M.sc[i];
}

static void sc_give(const struct full_view *from)
{
	for (uint32_t i = 0; i < from->count; i++)
		if (M.sc[i] < from->at[i])
			M.sc[i] = from->at[i];
}

static void fence(int order)
{
	const struct op op = { .all = order == WEFT__SEQ_CST };
	struct model_thread *t = M.self;

	ENTER();
	weft__model_point(&op, "fence");
	if (order != WEFT__RELEASE)
		fence_acquire(t);
	if (order == WEFT__SEQ_CST) {
		sc_take(t);
		sc_give(&t->now);
	}
	if (order != WEFT__ACQUIRE)
		t->released = weft__view_copy(&t->now);
	weft__trace("fences", 0, NULL, "%s", order_name(order));
	weft__model_pointed();
}

void weft_check_fence_acquire(void)
{
	fence(WEFT__ACQUIRE);
}

void weft_check_fence_release(void)
{
	fence(WEFT__RELEASE);
}

void weft_check_fence_acq_rel(void)
{
	fence(WEFT__ACQ_REL);
}

void weft_check_fence_seq_cst(void)
{
	fence(WEFT__SEQ_CST);
}

/* A barrier on each thread, somewhere within the call: each sees what the caller
 * has seen, and the caller sees what each of them has seen. */
void weft__model_barrier(void)
{
	const struct op op = { .all = true };
	struct model_thread *self = M.self;

	if (!M.running)
		return;
	ENTER();
	weft__model_point(&op, "barrier for all threads");
	fence_acquire(self);
	sc_take(self);
	sc_give(&self->now);
	for (int i = 0; i < M.count; i++) {
		struct model_thread *t = &M.threads[i];

		if (t == self)
			continue;
		fence_acquire(t);
		sc_take(t);
		t->released = weft__view_copy(&t->now);
	}
	for (int i = 0; i < M.count; i++)
		sc_give(&M.threads[i].now);
	sc_take(self);
	self->released = weft__view_copy(&self->now);
	weft__trace("fences", 0, NULL, "%s", "every thread");
	weft__model_pointed();
}
