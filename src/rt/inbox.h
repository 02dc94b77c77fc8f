/* SPDX-License-Identifier: MIT */
/*
 * The inbox: fibers that others have woken, on their way to their home worker, and
 * the word that decides whether that worker must be roused.
 *
 *   0        empty; the worker is awake, or on its way to look
 *   ASLEEP   empty; the worker sleeps in its poller, or is about to
 *   else     the youngest of a chain of nodes; the worker is awake, or is being roused
 *
 * All that decides is in one modification order: a waker that replaces ASLEEP has the
 * duty to rouse the worker, and nobody else has; a worker that cannot put ASLEEP
 * there has something to do. Neither needs a fence or a second look.
 *
 * inbox.1  pushing releases, emptying acquires: the fiber, and what led to its wake.
 *          Pushes onto a chain are read-modify-writes and continue the release
 *          sequence of the first.
 * inbox.2  falling asleep and rousing are seq_cst: a worker falls asleep, then looks
 *          once more at what is not in its inbox (idle.1).
 */
#ifndef WEFT_RT_INBOX_H
#define WEFT_RT_INBOX_H

#include "base/fifo.h"
#include "sys/sys.h"

enum { WEFT__ASLEEP = 1 };

struct weft__inbox {
	weft_atomic_uptr word;
};

/* Any thread. The node may be gone when it returns. True: the caller must rouse the
 * worker. */
static inline bool weft__inbox_push(struct weft__inbox *inbox, struct weft__fifo_node *node)
{
	uintptr_t old = weft_load_relaxed(&inbox->word);

	do {
		bool chain = old != 0 && old != WEFT__ASLEEP;

		node->next = chain ? (struct weft__fifo_node *)old : NULL;
	} while (!weft_cas_weak_release(&inbox->word, &old, (uintptr_t)node)); /* inbox.1 */
	return old == WEFT__ASLEEP;
}

/* Whether emptying it would bring something; a look. */
static inline bool weft__inbox_filled(const struct weft__inbox *inbox)
{
	uintptr_t word = weft_load_relaxed(&inbox->word);

	return WEFT_UNLIKELY(word != 0 && word != WEFT__ASLEEP);
}

/* The worker, awake: takes all, the youngest first. */
static inline struct weft__fifo_node *weft__inbox_empty(struct weft__inbox *inbox)
{
	return (struct weft__fifo_node *)weft_swap_acquire(&inbox->word, 0); /* inbox.1 */
}

/* The worker: false when there is something in it. */
static inline bool weft__inbox_sleep(struct weft__inbox *inbox)
{
	uintptr_t empty = 0;

	return weft_cas_seq_cst(&inbox->word, &empty, WEFT__ASLEEP); /* inbox.2 */
}

/* The worker, having slept: takes all, and is awake. True if somebody else has taken
 * the duty to rouse it. */
static inline bool weft__inbox_get_up(struct weft__inbox *inbox, struct weft__fifo_node **chain)
{
	uintptr_t word = weft_swap_acquire(&inbox->word, 0); /* inbox.1 */

	*chain = word == WEFT__ASLEEP ? NULL : (struct weft__fifo_node *)word;
	return word != WEFT__ASLEEP;
}

/* Any thread: true if the caller must rouse the worker. */
static inline bool weft__inbox_rouse(struct weft__inbox *inbox)
{
	uintptr_t asleep = WEFT__ASLEEP;

	return weft_cas_seq_cst(&inbox->word, &asleep, 0); /* inbox.2 */
}

#endif
