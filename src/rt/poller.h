/* SPDX-License-Identifier: MIT */
/*
 * Pollers: where a worker sleeps, and who tells when a descriptor is ready.
 *
 * Each worker owns one. It waits in it when there is nothing to run, and looks into
 * it between. Whoever is about to wait for a descriptor registers it once, with
 * the poller of its own worker; from then on each change is an *edge*, which the
 * poller's owner brings to the pollee's queue of waiting parties.
 *
 * A call on a descriptor is tried first. When it says -EAGAIN it waits in the queue
 * and tries again; that is why it works from threads, fibers and futures alike, why
 * the kernel never has a caller's buffer beyond a call, and why nothing is lost when
 * a wait is cancelled. The state of a queue:
 *
 *   A  EDGE    something changed since it was cleared, and nobody has come to see
 *   B  ENDED   sticky: peer's end or hang-up seen. A try is always worth it
 *
 * An edge is a permit to try, and a duty: who takes it before a try has either seen that
 * there is nothing (more), or gives it back, to one who waits or for whoever comes next.
 * It is taken before the try, so that an edge that comes after it is seen. A wait ends
 * with the edge still there, for the try that follows.
 *
 * `edges` spares the second try, the one that says -EAGAIN: a read from a stream
 * that returned less than was asked for has emptied it, so that unless an edge has
 * come since before that read the next one would be in vain.
 *
 * Two kinds of poller, with the same contract: epoll, and io_uring with one poll
 * request for each descriptor that reports many times.
 */
#ifndef WEFT_RT_POLLER_H
#define WEFT_RT_POLLER_H

#include "sys/io.h"
#include "wait/wait.h"
#include "weft/event.h"

struct weft__poller;

enum { WEFT__REACTOR_AUTO, WEFT__REACTOR_EPOLL, WEFT__REACTOR_URING };

/* ---- the owner: a worker ------------------------------------------------------- */

/* Makes a poller. `which` is a WEFT__REACTOR_*; the environment's WEFT_REACTOR, epoll
 * or uring, comes before it. io_uring where the system refuses it becomes epoll,
 * and weft__poller_refusal() says why. 0, -EMFILE, -ENFILE, -ENOMEM, -EINVAL (the
 * environment names something else); on failure *out is NULL. */
int weft__poller_open(struct weft__poller **out, int which);

/* Frees it, when nobody waits in it and nobody will wake it any more. What is still
 * registered is not any more; parties that wait for it register anew, elsewhere. */
void weft__poller_close(struct weft__poller *poller);

/* The calling thread becomes the owner: the only one that may wait in the poller, and
 * whose calls register there. NULL, or returning from the thread, ends that; one who
 * closes the poller ends it first. Returns the one before. */
struct weft__poller *weft__poller_own(struct weft__poller *poller);

/* Waits until something was ready, or was woken, or the deadline (0: only looks).
 * Dispatches what is ready: wakes parties. Returns how many descriptors and
 * operations that were; 0 also after a wake or a signal, or for no reason. The owner
 * only, and not from what a dispatch calls. */
int weft__poller_wait(struct weft__poller *poller, int64_t deadline);

/* Makes the wait under way, or else the next one, return at once. Any thread, and
 * signal handlers. What happened before it is visible to the owner after that. */
void weft__poller_wake(struct weft__poller *poller);

/* Where threads register that own no poller; for tests of pollers without workers. */
void weft__poller_set_fallback(struct weft__poller *poller);

/* WEFT__REACTOR_EPOLL or WEFT__REACTOR_URING. */
int weft__poller_kind(const struct weft__poller *poller);

/* Why io_uring cannot be used here, as a sentence; NULL if it can. Tried once. */
const char *weft__uring_refusal(void);

/* ---- pollees: descriptors that are waited for ------------------------------------ */

enum { WEFT__TO_READ, WEFT__TO_WRITE, WEFT__SIDES };

/* In memory that is a pollee's for ever: an event of the past may still come in for
 * one that is closed, or that is another's by now, and is a spurious edge then. */
struct weft__pollee {
	weft_waitq queue[WEFT__SIDES];
	weft_atomic_u32 edges;
	weft_atomic_u32 drained; /* the count of edges, plus one, before a read that emptied */
	weft_atomic_bool registered;
	weft_atomic_bool urgent;     /* urgent data were reported */
	weft_atomic_u32 epoch;       /* the count of fork()s at which all this was so */
	bool armed, queued, removed; /* of io_uring's: see uring.c */
	int fd;
	weft_atomic_i32 error; /* why registering failed, to be told once */
	weft_waitq gate;       /* guards registration, and what follows */
	struct weft__poller *poller;
	struct weft__pollee *next; /* in a list of its poller's, or of free ones */
	weft_event *settled;
};

/* How often this process has come from a fork() that left pollees behind. */
extern weft_atomic_u32 weft__poller_epoch;

/* In the child of a fork(): what the parent waits for, and where, is the parent's. Makes
 * it as a new one. */
void weft__pollee_renew(struct weft__pollee *pollee);

static inline void weft__pollee_look(struct weft__pollee *pollee)
{
	if (WEFT_UNLIKELY(weft_load_acquire(&pollee->epoch) != /* poller.6 */
			  weft_load_relaxed(&weft__poller_epoch)))
		weft__pollee_renew(pollee);
}

/* A pollee for `fd`, not registered yet: NULL without memory. */
struct weft__pollee *weft__pollee_new(int fd);

/* Undoes that; the descriptor is left alone. */
void weft__pollee_free(struct weft__pollee *pollee);

/* Ends it and closes its descriptor. Nobody may be waiting for it. With `settle` it
 * returns when the system is done with the descriptor, so that what it was bound to
 * is free; that may take until the poller's owner looks. Without it never waits. */
void weft__pollee_close(struct weft__pollee *pollee, bool settle);

/* Waits until a try is worth it: 0, -ETIMEDOUT, -ECANCELED, or why the system cannot
 * wait for such a descriptor. `flags` as for weft__block(). */
int weft__pollee_wait(struct weft__pollee *pollee, int side, int64_t deadline, unsigned flags);

/* Registers it if need be: 0 or -errno. For cases, which cannot fail later. */
int weft__pollee_register(struct weft__pollee *pollee);

/* A case that takes effect when a try is worth it; it leaves the chance to that try. */
weft_case weft__pollee_case(struct weft__pollee *pollee, int side);

/* A try after the wait said -EAGAIN once more: an end that was seen was none. */
void weft__pollee_in_vain(struct weft__pollee *pollee, int side);

/* Around each try. Take the edge, if there is one, before it; give it back after a try
 * that may have left something for others, so that one of them comes. Whoever has taken
 * an edge and says nothing has seen that there is no more. */
static inline bool weft__pollee_take(struct weft__pollee *pollee, int side)
{
	weft_waitq *q = &pollee->queue[side];

	weft__pollee_look(pollee);
	return (weft_load_relaxed(&q->word) & WEFT__A) &&
	       (weft_and_acq_rel(&q->word, ~(uintptr_t)WEFT__A) & WEFT__A);
}

void weft__pollee_give(struct weft__pollee *pollee, int side);

/* Around a read from a stream that ends early only where the stream is empty: the
 * count before it, and after a short one the mark. */
static inline uint32_t weft__pollee_edges(const struct weft__pollee *pollee)
{
	return weft_load_relaxed(&pollee->edges);
}

static inline void weft__pollee_drained(struct weft__pollee *pollee, uint32_t edges)
{
	weft_store_relaxed(&pollee->drained, edges + 1);
}

/* The edge of what is there may be on its way only. */
static inline void weft__pollee_doubt(struct weft__pollee *pollee)
{
	weft_store_relaxed(&pollee->drained, weft_load_relaxed(&pollee->edges));
}

/* Whether a read may end early though the stream is not empty: at the mark of urgent
 * data. io_uring reports those whether there are any or not. */
static inline bool weft__pollee_urgent(const struct weft__pollee *pollee)
{
	return weft_load_relaxed(&pollee->urgent);
}

/* Whether a try would be in vain. */
static inline bool weft__pollee_empty(const struct weft__pollee *pollee)
{
	return weft_load_relaxed(&pollee->drained) == weft_load_relaxed(&pollee->edges) + 1 &&
	       weft_load_relaxed(&pollee->registered) &&
	       !(weft_load_relaxed(&pollee->queue[WEFT__TO_READ].word) & WEFT__B);
}

/* ---- operations that the kernel carries out --------------------------------------- */

/* Lives in the caller's frame, which stays until the kernel is done with it. */
struct weft__op {
	struct weft__uring_op what;
	int result;
	bool left; /* as in struct weft__done */
	weft_event done;
};

/* The poller that carries out operations of the caller's, or NULL if it has none that
 * can: then a thread has to do it. So it is for fibers that migrate, since only a poller's
 * owner may begin and end operations. */
struct weft__poller *weft__poller_for_ops(void);

/* Carries out op->what: its result; or -ETIMEDOUT, -ECANCELED when the kernel could be
 * made to leave it undone. It is over when this returns, in any case. */
int weft__poller_run(struct weft__poller *poller, struct weft__op *op, int64_t deadline);

/* A call that does not wait, made in one system call with those of other fibers: the caller
 * lets them run until their worker looks into its poller the next time. True, and
 * op->result. False where nobody can do that, or it would not be worth while: then the
 * caller makes the call itself. Neither cancellation nor a deadline ends it, since it is
 * over so soon; and when it returns the kernel is done with the caller's buffer. */
bool weft__poller_try(struct weft__op *op);

#endif
