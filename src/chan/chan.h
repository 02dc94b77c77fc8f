/* SPDX-License-Identifier: MIT */
/*
 * What the flavours of channels share: the head of the object and the functions
 * by which chan.c drives them. One flavour per file:
 *
 *   rendezvous.c  capacity 0: values pass from party to party under a lock
 *   ring.c        capacity n: an array of cells with stamps
 *   segments.c    unbounded: a list of arrays
 *   spsc.c        capacity n, of one sender and one receiver: a ring without stamps
 */
#ifndef WEFT_CHAN_CHAN_H
#define WEFT_CHAN_CHAN_H

#include <errno.h>
#include <string.h>

#include "wait/wait.h"
#include "weft/channel.h"

/* Bytes between words that different CPUs write: a line. */
#define CHAN_LINE 64

/* The fewest cells of a segment of the unbounded channel, however large they are. */
#define CHAN_SEGMENT_LEAST 8

struct weft__flavour {
	const char *name;
	bool one_to_one; /* there is one end of a kind at most */
	/* 0, -EPIPE, -EAGAIN; send also -ENOMEM. Never wait. */
	int (*try_send)(weft_chan *chan, const void *element);
	int (*try_recv)(weft_chan *chan, void *element);
	/* As many of `count` as go in one step: 0, and *n is set, 1 at least; or as above.
	 * `count` is not 0. */
	int (*send_some)(weft_chan *chan, const void *elements, size_t count, size_t *n);
	int (*recv_some)(weft_chan *chan, void *elements, size_t count, size_t *n);
	/* A place for a value, and its two ends: 0, -EPIPE, -EAGAIN, -EINVAL; never waits. */
	int (*try_reserve)(weft_chan *chan);
	int (*commit)(weft_chan *chan, const void *element);
	void (*abandon)(weft_chan *chan);
	const struct weft_source *reserve_source;
	const struct weft_source *send_source;
	const struct weft_source *recv_source;
	/* Closes: true if it was open. */
	bool (*close)(weft_chan *chan);
	bool (*is_closed)(const weft_chan *chan);
	size_t (*len)(const weft_chan *chan);
	/* Drops what is left and frees the object; nobody else uses it. */
	void (*destroy)(weft_chan *chan);
};

/* The head of each flavour's object; after weft_chan_new only the queue and the counts change. */
struct weft_chan {
	const struct weft__flavour *flavour;
	size_t element_size;
	size_t capacity;
	void (*drop)(void *element, void *context);
	void *context;
	weft_waitq closers; /* who wait until it is closed */
	weft_atomic_u32 references;
	weft_atomic_u32 senders;
	weft_atomic_u32 receivers;
};

/* Each makes its flavour's object with the head's capacity and element size set;
 * NULL when there is no memory. */
weft_chan *weft__rendezvous_new(void);
weft_chan *weft__ring_new(size_t element_size, size_t capacity);
weft_chan *weft__segments_new(size_t element_size);
weft_chan *weft__spsc_new(size_t element_size, size_t capacity);

/* Stops the program if there is one who waits for a channel that is being freed. */
void weft__chan_expect_idle(const weft_case *waiter);

/* Hands a value that nobody took to the user's function, if there is one. `cell` is
 * where its stamp is, `element` the value behind that. */
void weft__cell_drop(const weft_chan *chan, void *cell, unsigned char *element);

/* How far a party that would have to wait can see. */
enum weft__outlook {
	WEFT__WAIT,    /* nothing there, and whoever brings something will see us */
	WEFT__GO,      /* something there, or closed: worth a try */
	WEFT__PENDING, /* somebody is between claiming a cell and publishing it, and
			* may have looked for waiters already */
	WEFT__UNSEEN,  /* nothing there; whoever brings something sees us after a barrier */
};

typedef enum weft__outlook weft__outlook_fn(const weft_chan *chan);

/* The enqueue of flavours whose values do not pass under the queue's lock: links
 * the case, then looks again. See ring.c, chan.2 and chan.3. */
bool weft__chan_enqueue(weft_waitq *q, weft_case *c, weft__outlook_fn *outlook);

/* A bit of those queues' words: a thread that waits was notified, and has not looked yet;
 * it will see to all that comes until then. */
#define CHAN_DESIGNATED ((uintptr_t)WEFT__A)

/* The other bit, a hint: it may be that a fiber waits, to which a value can be handed. */
#define CHAN_FIBER ((uintptr_t)WEFT__B)

/* Whether it is open, and nothing is in it or on its way in that the caller could know. */
typedef bool weft__is_empty_fn(const weft_chan *chan);

/* A sender, before it claims a cell: gives the value straight to a fiber that waits, if
 * there is none before it. True if it has. See ring.c, chan.7. */
bool weft__chan_hand_slow(weft_chan *chan, weft_waitq *receivers, const void *element,
			  weft__is_empty_fn *is_empty);

static inline bool weft__chan_hand(weft_chan *chan, weft_waitq *receivers, const void *element,
				   weft__is_empty_fn *is_empty)
{
	return WEFT_UNLIKELY(weft_load_relaxed(&receivers->word) & CHAN_FIBER) &&
	       weft__chan_hand_slow(chan, receivers, element, is_empty);
}

/* Notifies one waiter of the queue, or all of them. */
void weft__chan_notify_slow(weft_waitq *q);
void weft__chan_notify_all(weft_waitq *q);

/* Whether somebody waits, and nobody is on its way to see to it. */
static inline bool weft__chan_wants_wake(const weft_waitq *q)
{
	uintptr_t word = weft_load_seq_cst(&q->word); /* chan.2, chan.4 */

	return weft__waitq_head(word) && !(word & CHAN_DESIGNATED);
}

static inline void weft__chan_notify(weft_waitq *q)
{
	if (WEFT_UNLIKELY(weft__chan_wants_wake(q)))
		weft__chan_notify_slow(q);
}

/* Before the try of a notified case: its party is no longer on its way. */
void weft__chan_arrive(weft_waitq *q, const weft_case *c);

/* After it, or instead of it: gives what else there is to the next waiter. */
void weft__chan_hand_on(weft_waitq *q, const weft_case *c, weft__outlook_fn *outlook);

/* Copies an element; the sizes that are most common without a call. */
static inline void weft__element_copy(void *to, const void *from, size_t size)
{
	if (WEFT_LIKELY(size == 8))
		memcpy(to, from, 8);
	else if (size == 4)
		memcpy(to, from, 4);
	else if (size == 16)
		memcpy(to, from, 16);
	else if (size > 0)
		memcpy(to, from, size);
}

#endif
