/* SPDX-License-Identifier: MIT */
/*
 * What all pollers have in common: choosing a kind, the wake, and the pollees.
 *
 * Pollees come from chunks that are never freed. An event that epoll had already
 * handed to the owner's batch when its descriptor was closed therefore finds a
 * pollee, if perhaps another one, and does no more harm than to make somebody try
 * in vain. The queues' words are not reset for the same reason: only by atomic
 * steps that leave the lock alone.
 *
 * poller.1  the wake's swap releases, the owner's acquires: what was done before a
 *           wake is seen after the wait. A wake that finds the alarm rung leaves
 *           the ringing to whoever rang it.
 * poller.2  registering and its end release, who waits acquires: who finds that its poller
 *           has gone must not choose that one again. With the queue's lock
 *           held, a party that is queued after its poller was closed sees that; one
 *           that was queued before is found by poller_abandon().
 * poller.6  a pollee that was renewed is published by its epoch.
 *
 * The child of a fork() has none of the parent's pollers, but for descriptors that lead
 * to what they wait in: to take a pollee out of an epoll set there would take the
 * parent's descriptor out. So the child forgets. Each pollee knows the epoch, a count of
 * forks; the first who uses one of an old epoch makes it one that was never registered,
 * whoever held its locks or waited for it when the process was copied.
 */
#include "rt/poller.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "rt/reactor.h"
#include "rt/rt.h"

#define EDGE ((uintptr_t)WEFT__A)
#define ENDED ((uintptr_t)WEFT__B)

/* ---- the poller ------------------------------------------------------------------ */

#define LOCAL static __thread __attribute__((tls_model("initial-exec")))
LOCAL struct weft__poller *owned;
static weft_atomic_ptr fallback; /* poller.4: release, acquire */

struct weft__poller *weft__poller_own(struct weft__poller *poller)
{
	struct weft__poller *old = owned;

	owned = poller;
	return old;
}

bool weft__poller_owned(const struct weft__poller *poller)
{
	return owned == poller;
}

/* Why there is no ring, once that is known; `accepted` if there is. poller.5: release,
 * acquire. */
static weft_atomic_ptr refusal;
static const char accepted[] = "";

static void refusal_note(int err)
{
	const char *why = err == 0 ? accepted : weft__uring_why(err);

	weft_store_release(&refusal, (void *)(uintptr_t)why); /* poller.5 */
}

const char *weft__uring_refusal(void)
{
	const char *why = weft_load_acquire(&refusal); /* poller.5 */

	if (!why) {
		struct weft__uring *ring;

		refusal_note(weft__uring_open(&ring));
		weft__uring_close(ring);
		why = weft_load_acquire(&refusal); /* poller.5 */
	}
	return why == accepted ? NULL : why;
}

/* By io_uring, or by epoll if the system has begun to refuse it since we asked. */
static int open_uring(struct weft__poller **out)
{
	int err = weft__uring_refusal() ? -EPERM : weft__reactor_uring.open(out);

	if (err == 0 || err == -EMFILE || err == -ENFILE)
		return err;
	if (!weft__uring_refusal())
		refusal_note(err);
	return weft__reactor_epoll.open(out);
}

int weft__poller_open(struct weft__poller **out, int which)
{
	const char *wish = which == WEFT__REACTOR_AUTO ? getenv("WEFT_REACTOR") : NULL;

	*out = NULL;
	if (wish && strcmp(wish, "epoll") == 0)
		which = WEFT__REACTOR_EPOLL;
	else if (wish && strcmp(wish, "uring") == 0)
		which = WEFT__REACTOR_URING;
	else if (wish && *wish)
		return -EINVAL;
	return which == WEFT__REACTOR_URING ? open_uring(out) : weft__reactor_epoll.open(out);
}

int weft__poller_kind(const struct weft__poller *poller)
{
	return poller->reactor->kind;
}

int weft__poller_wait(struct weft__poller *poller, int64_t deadline)
{
	return poller->reactor->wait(poller, deadline);
}

void weft__poller_wake(struct weft__poller *poller)
{
	if (weft_swap_acq_rel(&poller->rung, 1) == 0) /* poller.1 */
		weft__alarm_ring(poller->alarm);
}

void weft__poller_answered(struct weft__poller *poller)
{
	(void)weft_swap_acq_rel(&poller->rung, 0); /* poller.1 */
}

/* ---- the pollees' memory ------------------------------------------------------------ */

enum { CHUNK = 64 };

struct chunk {
	struct chunk *next;
	struct weft__pollee pollees[CHUNK];
};

static struct {
	weft_waitq gate;
	struct weft__pollee *free;
	weft_atomic_ptr chunks; /* all there ever were; poller.3: release, acquire */
	bool forgets;           /* in the child of a fork() */
} store;

weft_atomic_u32 weft__poller_epoch;

/* In the child. The free pollees are lost: somebody may just have been at the list. */
static void forget(void)
{
	weft_add_relaxed(&weft__poller_epoch, 1);
	store.gate = (weft_waitq){ 0 };
	store.free = NULL;
	owned = NULL;
	weft_store_relaxed(&fallback, NULL);
}

/* With the gate closed. */
static bool store_grow(void)
{
	struct chunk *chunk;

	if (!store.forgets && weft__atfork_child(forget) < 0)
		return false;
	store.forgets = true;
	chunk = weft__alloc_zero(1, sizeof(*chunk));
	if (!chunk)
		return false;
	for (int i = 0; i < CHUNK; i++) {
		chunk->pollees[i].fd = -1;
		chunk->pollees[i].next = store.free;
		store.free = &chunk->pollees[i];
	}
	chunk->next = weft_load_relaxed(&store.chunks);
	weft_store_release(&store.chunks, chunk); /* poller.3 */
	return true;
}

/* What a new one starts with. */
static void pollee_reset(struct weft__pollee *pollee)
{
	weft_store_relaxed(&pollee->drained, weft_load_relaxed(&pollee->edges));
	weft_store_relaxed(&pollee->urgent, false);
	weft_store_relaxed(&pollee->error, 0);
	pollee->armed = pollee->queued = pollee->removed = false;
	pollee->settled = NULL;
}

void weft__pollee_renew(struct weft__pollee *pollee)
{
	const uint32_t epoch = weft_load_relaxed(&weft__poller_epoch);

	weft__gate_enter(&store.gate);
	if (weft_load_relaxed(&pollee->epoch) != epoch) {
		for (int side = 0; side < WEFT__SIDES; side++)
			weft_store_relaxed(&pollee->queue[side].word, 0);
		pollee->gate = (weft_waitq){ 0 };
		pollee->poller = NULL;
		weft_store_relaxed(&pollee->registered, false);
		pollee_reset(pollee);
		weft_store_release(&pollee->epoch, epoch); /* poller.6 */
	}
	weft__gate_leave(&store.gate);
}

struct weft__pollee *weft__pollee_new(int fd)
{
	struct weft__pollee *pollee = NULL;

	weft__gate_enter(&store.gate);
	if (store.free || store_grow()) {
		pollee = store.free;
		store.free = pollee->next;
	}
	weft__gate_leave(&store.gate);
	if (!pollee)
		return NULL;
	for (int side = 0; side < WEFT__SIDES; side++)
		weft_and_relaxed(&pollee->queue[side].word, ~(EDGE | ENDED));
	pollee_reset(pollee);
	weft_store_relaxed(&pollee->epoch, weft_load_relaxed(&weft__poller_epoch));
	pollee->fd = fd;
	return pollee;
}

static void store_give(struct weft__pollee *pollee)
{
	pollee->fd = -1;
	weft__gate_enter(&store.gate);
	pollee->next = store.free;
	store.free = pollee;
	weft__gate_leave(&store.gate);
}

void weft__pollee_free(struct weft__pollee *pollee)
{
	WEFT__ASSERT(!weft_load_relaxed(&pollee->registered),
		     "a pollee was freed that its poller has");
	store_give(pollee);
}

/* ---- edges ---------------------------------------------------------------------------- */

/* Brings an edge: to one party, or with `all` to each, or to nobody yet. */
static void queue_edge(weft_waitq *q, bool all, uintptr_t ended)
{
	uintptr_t word = weft_load_relaxed(&q->word);
	struct weft__wakes wakes;
	weft_case *head;
	bool taken = false;

	while (!(word & ~(EDGE | ENDED)))
		if (weft_cas_weak_acq_rel(&q->word, &word, word | EDGE | ended))
			return;
	weft__wakes_init(&wakes);
	head = weft__waitq_lock(q);
	if (all) {
		(void)weft__win_all(head, &wakes, WEFT__NOTIFIED, 0);
		head = NULL;
	} else {
		head = weft__notify_one(head, &wakes, &taken);
	}
	weft__waitq_unlock(q, head, (unsigned)((taken ? 0 : EDGE) | ended), 0);
	weft__wakes_fire(&wakes);
}

void weft__pollee_edge(struct weft__pollee *pollee, unsigned how)
{
	const unsigned read = WEFT__READABLE | WEFT__URGENT | WEFT__READ_END | WEFT__FAILED;
	const unsigned write = WEFT__WRITABLE | WEFT__HUNG_UP | WEFT__FAILED;

	/* Before the edge itself: who finds the old count finds the edge, or is found. */
	weft_add_relaxed(&pollee->edges, 1);
	if (how & WEFT__URGENT)
		weft_store_relaxed(&pollee->urgent, true);
	if (how & read)
		queue_edge(&pollee->queue[WEFT__TO_READ], how & (WEFT__READ_END | WEFT__FAILED),
			   how & WEFT__READ_END ? ENDED : 0);
	if (how & write)
		queue_edge(&pollee->queue[WEFT__TO_WRITE], how & (WEFT__HUNG_UP | WEFT__FAILED),
			   how & WEFT__HUNG_UP ? ENDED : 0);
}

void weft__pollee_give(struct weft__pollee *pollee, int side)
{
	queue_edge(&pollee->queue[side], false, 0);
}

void weft__pollee_in_vain(struct weft__pollee *pollee, int side)
{
	weft_waitq *q = &pollee->queue[side];

	if (weft_load_relaxed(&q->word) & ENDED)
		weft_and_relaxed(&q->word, ~ENDED);
}

/* ---- registration ----------------------------------------------------------------------- */

void weft__poller_set_fallback(struct weft__poller *poller)
{
	weft_store_release(&fallback, poller); /* poller.4 */
}

/* The caller's own poller, or one of somebody who is at work. */
static struct weft__poller *poller_near(void)
{
	struct weft__poller *poller = owned;
	struct weft__rt_worker *worker;

	if (poller)
		return poller;
	poller = weft_load_acquire(&fallback); /* poller.4 */
	if (poller)
		return poller;
	worker = weft__rt_worker_any();
	return worker ? weft__rt_worker_poller(worker) : NULL;
}

int weft__pollee_register(struct weft__pollee *pollee)
{
	struct weft__poller *poller;
	int err = 0;

	weft__pollee_look(pollee);
	if (WEFT_LIKELY(weft_load_acquire(&pollee->registered))) /* poller.2 */
		return 0;
	poller = poller_near();
	if (!poller)
		return -EAGAIN;
	weft__gate_enter(&pollee->gate);
	if (!pollee->poller) {
		err = poller->reactor->arm(poller, pollee);
		if (err == 0) {
			pollee->poller = poller;
			weft_store_release(&pollee->registered, true); /* poller.2 */
		}
	}
	weft__gate_leave(&pollee->gate);
	return err;
}

void weft__pollee_finish(struct weft__pollee *pollee)
{
	weft_event *settled;

	weft__gate_enter(&pollee->gate);
	settled = pollee->settled;
	pollee->poller = NULL;
	weft_store_relaxed(&pollee->registered, false);
	weft__gate_leave(&pollee->gate);
	if (pollee->fd >= 0)
		(void)weft__fd_close(pollee->fd);
	store_give(pollee);
	if (settled)
		weft_event_set(settled);
}

/* Takes the registration away. */
static enum weft__disarmed pollee_disarm(struct weft__pollee *pollee, weft_event *settled)
{
	enum weft__disarmed how = WEFT__DISARMED;

	weft__gate_enter(&pollee->gate);
	if (pollee->poller)
		how = pollee->poller->reactor->disarm(pollee->poller, pollee);
	if (how == WEFT__DISARMED_LATER)
		pollee->settled = settled;
	else
		pollee->fd = -1;
	if (how == WEFT__DISARMED) {
		/* It is ours alone to finish, also if its poller goes just now. */
		pollee->poller = NULL;
		weft_store_relaxed(&pollee->registered, false);
	}
	pollee->removed = true;
	weft__gate_leave(&pollee->gate);
	return how;
}

void weft__pollee_close(struct weft__pollee *pollee, bool settle)
{
	weft_event settled = WEFT_EVENT_INIT;
	const int fd = pollee->fd;
	enum weft__disarmed how;

	weft__pollee_look(pollee);
	for (int side = 0; side < WEFT__SIDES; side++)
		WEFT__ASSERT(!weft__waitq_head(weft_load_relaxed(&pollee->queue[side].word)),
			     "a descriptor was closed while somebody waits for it");
	how = pollee_disarm(pollee, settle ? &settled : NULL);
	/* From here on the pollee is another's, unless it is ours alone. */
	if (how != WEFT__DISARMED_LATER)
		(void)weft__fd_close(fd);
	else if (settle)
		weft__event_await(&settled);
	if (how == WEFT__DISARMED)
		weft__pollee_finish(pollee);
}

/* Everything that is registered with a poller that is about to go. */
static void poller_abandon(struct weft__poller *poller)
{
	struct chunk *chunk = weft_load_acquire(&store.chunks); /* poller.3 */

	for (; chunk; chunk = chunk->next) {
		for (int i = 0; i < CHUNK; i++) {
			struct weft__pollee *pollee = &chunk->pollees[i];
			bool found, removed;

			if (weft_load_relaxed(&pollee->epoch) !=
			    weft_load_relaxed(&weft__poller_epoch))
				continue; /* of a poller that was left behind */
			weft__gate_enter(&pollee->gate);
			found = pollee->poller == poller;
			removed = found && pollee->removed;
			if (found) {
				pollee->poller = NULL;
				pollee->armed = pollee->queued = false;
				weft_store_release(&pollee->registered, false); /* poller.2 */
			}
			weft__gate_leave(&pollee->gate);
			if (removed)
				weft__pollee_finish(pollee);
			else if (found)
				weft__pollee_edge(pollee, WEFT__FAILED);
		}
	}
}

void weft__poller_close(struct weft__poller *poller)
{
	if (!poller)
		return;
	poller_abandon(poller);
	poller->reactor->close(poller);
}

/* ---- waiting -------------------------------------------------------------------------------- */

static weft_waitq *case_queue(const weft_case *c)
{
	struct weft__pollee *pollee = c->object;

	return &pollee->queue[c->need];
}

static bool is_registered(const struct weft__pollee *pollee)
{
	return weft_load_acquire(&pollee->registered); /* poller.2 */
}

/* Leaves the edge to the try; a notified party was given it, and puts it there. Who finds
 * that its poller has gone meanwhile goes back, too, to register anew. */
static bool edge_attempt(weft_case *c)
{
	weft_waitq *q = case_queue(c);

	c->result = 0;
	if (c->notified)
		weft_or_acq_rel(&q->word, EDGE);
	return (weft_load_acquire(&q->word) & (EDGE | ENDED)) || !is_registered(c->object);
}

static bool edge_enqueue(weft_case *c)
{
	weft_waitq *q = case_queue(c);
	weft_case *head = weft__waitq_lock(q);
	bool open = !(weft_load_relaxed(&q->word) & (EDGE | ENDED)) && is_registered(c->object);

	if (open)
		head = weft__cases_push(head, c);
	weft__waitq_unlock(q, head, 0, 0);
	return open;
}

static void edge_dequeue(weft_case *c)
{
	weft__waitq_cancel(case_queue(c), c);
}

static void edge_pass_on(weft_case *c)
{
	queue_edge(case_queue(c), false, 0);
}

static const struct weft_source edge_source = {
	.name = "descriptor",
	.attempt = edge_attempt,
	.enqueue = edge_enqueue,
	.dequeue = edge_dequeue,
	.pass_on = edge_pass_on,
};

int weft__pollee_wait(struct weft__pollee *pollee, int side, int64_t deadline, unsigned flags)
{
	weft_case c = weft__case_make(&edge_source, pollee, NULL);
	int err = weft__pollee_register(pollee);

	if (err < 0)
		return err;
	c.need = (uint32_t)side;
	err = weft__block_one(&c, deadline, flags);
	if (err == 0 && WEFT_UNLIKELY(weft_load_relaxed(&pollee->error)))
		err = weft_swap_relaxed(&pollee->error, 0);
	return err;
}

/* The same for a select: looks at the descriptor itself, since calls that succeed
 * leave no edge behind, and leaves the edge to the call that will follow. */
static bool ready_attempt(weft_case *c)
{
	struct weft__pollee *pollee = c->object;
	const int side = (int)c->need;
	const bool edge = weft__pollee_take(pollee, side) || c->notified;

	c->result = weft__fd_ready(pollee->fd,
				   side == WEFT__TO_READ ? WEFT__READABLE : WEFT__WRITABLE);
	if (c->result == 0) {
		weft__pollee_in_vain(pollee, side);
		c->result = weft__pollee_register(pollee);
		return c->result < 0;
	}
	if (c->result > 0) {
		c->result = 0;
		weft__pollee_doubt(pollee);
	}
	if (edge)
		weft__pollee_give(pollee, side);
	return true;
}

static const struct weft_source ready_source = {
	.name = "descriptor",
	.attempt = ready_attempt,
	.enqueue = edge_enqueue,
	.dequeue = edge_dequeue,
	.pass_on = edge_pass_on,
};

weft_case weft__pollee_case(struct weft__pollee *pollee, int side)
{
	weft_case c = weft__case_make(&ready_source, pollee, NULL);

	c.need = (uint32_t)side;
	return c;
}

/* ---- operations ----------------------------------------------------------------------------- */

struct weft__poller *weft__poller_for_ops(void)
{
	const struct weft__rt_worker *w = weft__rt_worker_self();

	if (!owned || !owned->reactor->start)
		return NULL;
	/* One that may come back on another thread could not end what it began. */
	return w && w->current && w->current->migrate ? NULL : owned;
}

void weft__op_done(struct weft__op *op, const struct weft__done *done)
{
	op->result = done->result;
	op->left = done->left;
	weft_event_set(&op->done);
}

/* Fibers that are ready beside the caller: below that there is little to be saved, and the
 * answer would have to wait for the others. */
enum { TOGETHER_LEAST = 3 };

bool weft__poller_try(struct weft__op *op)
{
	const struct weft__rt_worker *w = weft__rt_worker_self();

	if (!w || !w->current || w->ready_count < TOGETHER_LEAST || !weft__poller_for_ops())
		return false;
	op->done = (weft_event)WEFT_EVENT_INIT;
	owned->reactor->start(owned, op);
	weft__event_await(&op->done);
	/* These come of what happens to the worker, not to the descriptor. */
	return op->result != -EINTR && op->result != -ECANCELED;
}

int weft__poller_run(struct weft__poller *poller, struct weft__op *op, int64_t deadline)
{
	int err;

	op->done = (weft_event)WEFT_EVENT_INIT;
	poller->reactor->start(poller, op);
	err = weft_event_wait_until(&op->done, deadline);
	if (err == 0)
		return op->result;
	poller->reactor->stop(poller, op);
	weft__event_await(&op->done);
	return op->result == -ECANCELED || op->result == -EINTR ? err : op->result;
}
