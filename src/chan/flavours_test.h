/* SPDX-License-Identifier: MIT */
/*
 * For tests of what all flavours have in common: the capacities that they are
 * tried with, elements of every size, and a thread in a blocking call of which
 * one can tell that it sleeps.
 */
#ifndef WEFT_CHAN_FLAVOURS_TEST_H
#define WEFT_CHAN_FLAVOURS_TEST_H

#include "weft/cancel.h"
#include "weft/channel.h"

#include "check.h"
#include "poll_waiter_test.h"
#include "team_test.h"

#include <string.h>

static const size_t flavours[] = { 0, 1, 2, 3, 5, 128, WEFT_UNBOUNDED };
enum { FLAVOURS = sizeof(flavours) / sizeof(flavours[0]) };

#define FOR_EACH_FLAVOUR(capacity)                          \
	for (size_t flavour__i = 0, capacity = flavours[0]; \
	     flavour__i < FLAVOURS && (capacity = flavours[flavour__i], true); flavour__i++)

static inline weft_chan *open_chan(size_t element_size, size_t capacity)
{
	weft_chan *chan;

	CHECK_EQ(weft_chan_new(&chan, element_size, capacity, NULL), 0);
	return chan;
}

/* How many values it takes without a receiver; of the unbounded, enough for a few
 * segments. */
static inline int room_of(const weft_chan *chan)
{
	size_t capacity = weft_chan_capacity(chan);

	return capacity == WEFT_UNBOUNDED ? 300 : (int)capacity;
}

/* ---- elements that tell whether they are whole ------------------------------------ */

enum { ELEMENT_MOST = 100000, ELEMENT_GUARD = 16 };

static const size_t element_sizes[] = { 0, 1, 3, 4, 8, 13, 16, 1000, ELEMENT_MOST };
enum { ELEMENT_SIZES = sizeof(element_sizes) / sizeof(element_sizes[0]) };

static inline unsigned char element_byte(uint32_t seed, size_t i)
{
	return (unsigned char)((seed * 2654435761u >> 24) + i * 31 + (i >> 8));
}

/* Writes an element, and around it what nobody may touch. Returns the element. */
static inline unsigned char *element_make(unsigned char *buffer, size_t size, uint32_t seed)
{
	memset(buffer, 0xa5, size + 2 * ELEMENT_GUARD);
	for (size_t i = 0; i < size; i++)
		buffer[ELEMENT_GUARD + i] = element_byte(seed, i);
	return buffer + ELEMENT_GUARD;
}

static inline void element_check(const unsigned char *buffer, size_t size, uint32_t seed)
{
	for (size_t i = 0; i < size; i++)
		if (buffer[ELEMENT_GUARD + i] != element_byte(seed, i))
			FAIL("byte %zu of %zu of element %u is wrong", i, size, seed);
	for (size_t i = 0; i < ELEMENT_GUARD; i++) {
		CHECK_EQ(buffer[i], 0xa5);
		CHECK_EQ(buffer[ELEMENT_GUARD + size + i], 0xa5);
	}
}

/* ---- a thread in a blocking call -------------------------------------------------- */

struct blocked {
	weft_chan *chan;
	bool sends;
	int value; /* to be sent, or what was received; -1 if nothing was */
	int64_t deadline;
	weft_token *token; /* ambient for the call, or NULL */
	int err;
	weft_atomic_ptr parker;
	struct weft__thread thread;
};

static inline void blocked__run(void *arg)
{
	struct blocked *b = arg;

	weft_ambient_set(b->token);
	weft_store_release(&b->parker, weft__parker_self());
	if (b->sends)
		b->err = weft_chan_send_until(b->chan, &b->value, b->deadline);
	else
		b->err = weft_chan_recv_until(b->chan, &b->value, b->deadline);
}

/* Starts the thread, and waits until it sleeps if it is bound to. */
static inline void blocked_start(struct blocked *b, bool sleeps)
{
	weft_store_relaxed(&b->parker, NULL);
	if (!b->sends)
		b->value = -1;
	b->err = 77;
	CHECK_EQ(weft__thread_start(&b->thread, blocked__run, b, 0, "blocked"), 0);
	while (sleeps) {
		struct weft__parker *parker = weft_load_acquire(&b->parker);

		if (parker && weft_load_acquire(&parker->token) == WEFT__PARKED)
			break;
		weft__thread_yield();
	}
}

static inline int blocked_join(struct blocked *b)
{
	weft__thread_join(b->thread);
	return b->err;
}

static inline void blocked_recv(struct blocked *b, weft_chan *chan, weft_token *token)
{
	*b = (struct blocked){ .chan = chan, .deadline = WEFT_NEVER, .token = token };
	blocked_start(b, true);
}

static inline void blocked_send(struct blocked *b, weft_chan *chan, int value, weft_token *token)
{
	*b = (struct blocked){
		.chan = chan, .sends = true, .value = value, .deadline = WEFT_NEVER, .token = token
	};
	blocked_start(b, true);
}

#endif
