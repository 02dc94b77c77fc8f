/* SPDX-License-Identifier: MIT */
/*
 * The two types that every blocking object and every wait is made of.
 *
 * Programs see them as the storage inside other types: a weft_waitq is inside
 * each object that can be waited for, a weft_case is one thing waited for in a
 * select. Their fields belong to the library.
 */
#ifndef WEFT_WAIT_H
#define WEFT_WAIT_H

#include <weft/atomic.h>
#include <weft/base.h>

struct weft_sel;
struct weft_source;

/* The parties that wait for one object, and a few bits of the object's own
 * state, in one word. All-zero is empty. Never copied once it is in use. */
typedef struct weft_waitq {
	weft_atomic_uptr word;
} weft_waitq;

/* One thing that is waited for. Made by the weft_case_* functions, handed to
 * weft_select(), which links it into the object for the time of the call; it
 * lives in the caller's frame, so that to wait never allocates. */
typedef struct WEFT_ALIGNED(16) weft_case {
	/* What a waker touches, together. */
	struct weft_case *next;
	struct weft_case *prev;
	struct weft_sel *sel;
	void *slot;
	int32_t result; /* of the case that was chosen: 0 or -errno */
	uint16_t index; /* place among the cases of its select */
	uint8_t linked;
	uint8_t notified;
	/* What its own party needs besides. */
	const struct weft_source *source;
	void *object;
	uint32_t need;   /* permits wanted, where the object deals in permits */
	uint16_t order;  /* place in the order in which this select tries */
	uint16_t passes; /* how often it was woken and lost, or passed over */
} weft_case;

#endif
