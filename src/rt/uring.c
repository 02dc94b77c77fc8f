/* SPDX-License-Identifier: MIT */
/*
 * The poller by io_uring: one poll request for each pollee that reports many times,
 * and operations on files. Going to sleep, and all that was asked for since the last
 * time, are one system call; a look that finds nothing is none at all.
 *
 * Only the owner may touch the ring. Others put the pollee that they want registered
 * or removed into the inbox, and wake the owner.
 *
 *   armed    the ring has, or had, its poll request; the last report is to come
 *   queued   it lies in the inbox
 *   removed  it is nobody's any more, and is freed when neither of the above holds
 *
 * All three are guarded by the pollee's gate. A poll request keeps the socket open
 * that it looks at: the owner therefore takes it back in the same step in which the
 * descriptor is closed, and for other threads closes the descriptor itself, since its
 * number must not become another's while the request is there.
 *
 * uring.1  pushing releases, the owner's swap of the inbox acquires.
 */
#include <errno.h>

#include "rt/reactor.h"

enum { BATCH = 128 };

struct uring_poller {
	struct weft__poller base;
	struct weft__uring *ring;
	weft_atomic_ptr inbox; /* pollees, by `next` */
	bool alarmed;
	struct weft__done batch[BATCH];
};

/* What requests are marked with: the alarm; else an address, of an operation if odd. */
enum { ALARM = 0, OPERATION = 1 };

static struct uring_poller *uring_of(struct weft__poller *poller)
{
	return weft_container_of(poller, struct uring_poller, base);
}

static void shut(struct weft__poller *poller)
{
	struct uring_poller *p = uring_of(poller);

	weft__uring_close(p->ring);
	if (poller->alarm >= 0)
		(void)weft__fd_close(poller->alarm);
	weft__release(p);
}

static int make(struct weft__poller **out)
{
	struct uring_poller *p = weft__alloc_zero(1, sizeof(*p));
	int err;

	if (!p)
		return -ENOMEM;
	p->base.reactor = &weft__reactor_uring;
	p->base.alarm = weft__alarm_open();
	err = p->base.alarm < 0 ? p->base.alarm : weft__uring_open(&p->ring);
	if (err < 0) {
		shut(&p->base);
		return err;
	}
	*out = &p->base;
	return 0;
}

/* ---- the inbox ---------------------------------------------------------------------- */

/* With the gate closed. */
static void inbox_push(struct uring_poller *p, struct weft__pollee *pollee)
{
	void *head = weft_load_relaxed(&p->inbox);

	if (pollee->queued)
		return;
	pollee->queued = true;
	do
		pollee->next = head;
	while (!weft_cas_weak_release(&p->inbox, &head, pollee)); /* uring.1 */
	weft__poller_wake(&p->base);
}

static void inbox_one(struct uring_poller *p, struct weft__pollee *pollee)
{
	bool finished;

	weft__gate_enter(&pollee->gate);
	pollee->queued = false;
	finished = pollee->removed && !pollee->armed;
	if (pollee->removed && pollee->armed) {
		weft__uring_cancel(p->ring, (uintptr_t)pollee);
	} else if (!pollee->armed && !finished) {
		weft__uring_watch(p->ring, pollee->fd, (uintptr_t)pollee);
		pollee->armed = true;
	}
	weft__gate_leave(&pollee->gate);
	if (finished)
		weft__pollee_finish(pollee);
}

static void inbox_drain(struct uring_poller *p)
{
	struct weft__pollee *pollee;

	if (WEFT_LIKELY(!weft_load_relaxed(&p->inbox)))
		return;
	pollee = weft_swap_acquire(&p->inbox, NULL); /* uring.1 */
	while (pollee) {
		struct weft__pollee *next = pollee->next;

		inbox_one(p, pollee);
		pollee = next;
	}
}

/* ---- registration ------------------------------------------------------------------- */

static int arm(struct weft__poller *poller, struct weft__pollee *pollee)
{
	struct uring_poller *p = uring_of(poller);

	if (weft__poller_owned(poller)) {
		weft__uring_watch(p->ring, pollee->fd, (uintptr_t)pollee);
		pollee->armed = true;
	} else {
		inbox_push(p, pollee);
	}
	return 0;
}

static enum weft__disarmed disarm(struct weft__poller *poller, struct weft__pollee *pollee)
{
	struct uring_poller *p = uring_of(poller);

	if (!pollee->armed)
		return pollee->queued ? WEFT__DISARMED_SOON : WEFT__DISARMED;
	if (weft__poller_owned(poller)) {
		weft__uring_cancel(p->ring, (uintptr_t)pollee);
		weft__uring_flush(p->ring);
		return WEFT__DISARMED_SOON;
	}
	inbox_push(p, pollee);
	return WEFT__DISARMED_LATER;
}

/* ---- dispatch ------------------------------------------------------------------------- */

/* The last report of a poll request: it was taken back, or it failed, or the kernel had
 * no room for the report. */
static void pollee_ended(struct uring_poller *p, struct weft__pollee *pollee, int result)
{
	bool removed, failed;

	weft__gate_enter(&pollee->gate);
	pollee->armed = false;
	removed = pollee->removed && !pollee->queued;
	failed = !pollee->removed && result < 0 && result != -ECANCELED;
	if (failed) {
		pollee->poller = NULL;
		weft_store_relaxed(&pollee->error, result);
		weft_store_release(&pollee->registered, false); /* poller.2 */
	} else if (!pollee->removed) {
		weft__uring_watch(p->ring, pollee->fd, (uintptr_t)pollee);
		pollee->armed = true;
	}
	weft__gate_leave(&pollee->gate);
	if (removed)
		weft__pollee_finish(pollee);
	else if (failed)
		weft__pollee_edge(pollee, WEFT__FAILED);
}

static void pollee_done(struct uring_poller *p, const struct weft__done *done)
{
	struct weft__pollee *pollee = (void *)(uintptr_t)done->what;

	if (done->result > 0)
		weft__pollee_edge(pollee, weft__ready_from(done->result));
	if (!done->more)
		pollee_ended(p, pollee, done->result);
}

static void alarm_done(struct uring_poller *p, const struct weft__done *done)
{
	weft__poller_answered(&p->base);
	if (!done->more)
		weft__uring_watch(p->ring, p->base.alarm, ALARM);
}

static int look(struct weft__poller *poller, int64_t deadline)
{
	struct uring_poller *p = uring_of(poller);
	int count, dispatched = 0;

	if (!p->alarmed) {
		weft__uring_watch(p->ring, poller->alarm, ALARM);
		p->alarmed = true;
	}
	inbox_drain(p);
	count = weft__uring_wait(p->ring, p->batch, BATCH, deadline);
	for (int i = 0; i < count; i++) {
		const struct weft__done *done = &p->batch[i];

		if (done->what == ALARM) {
			alarm_done(p, done);
			continue;
		}
		if (done->what & OPERATION)
			weft__op_done((void *)(uintptr_t)(done->what - OPERATION), done);
		else
			pollee_done(p, done);
		dispatched++;
	}
	inbox_drain(p);
	return dispatched;
}

static void start(struct weft__poller *poller, struct weft__op *op)
{
	WEFT__ASSERT(weft__poller_owned(poller), "an operation was begun on a foreign ring");
	weft__uring_start(uring_of(poller)->ring, &op->what, (uintptr_t)op | OPERATION);
}

static void stop(struct weft__poller *poller, struct weft__op *op)
{
	WEFT__ASSERT(weft__poller_owned(poller), "an operation was ended on a foreign ring");
	weft__uring_cancel(uring_of(poller)->ring, (uintptr_t)op | OPERATION);
}

const struct weft__reactor weft__reactor_uring = {
	.name = "io_uring",
	.kind = WEFT__REACTOR_URING,
	.open = make,
	.close = shut,
	.wait = look,
	.arm = arm,
	.disarm = disarm,
	.start = start,
	.stop = stop,
};
