/* SPDX-License-Identifier: MIT */
/*
 * Goal: strands take turns as their switches say, many of them, from any thread, and
 * what the sanitizers are told about them is right: they find nothing here.
 */
#include "rt/switch.h"

#include "check.h"
#include "rt/stack.h"

#include <string.h>

enum { STRANDS = 100, TURNS = 1000 };

struct party {
	struct weft__strand strand;
	struct weft__stack *stack;
	struct ring *ring;
	int index, turns;
	char *said; /* what only its stack points to */
};

struct ring {
	struct weft__strand root;
	struct weft__stack_cache cache;
	struct party parties[STRANDS];
	int last, alive;
};

/* Something with a frame that sanitizers guard. */
static __attribute__((noinline)) int fill(int byte)
{
	volatile char frame[200];

	for (size_t i = 0; i < sizeof(frame); i++)
		frame[i] = (char)byte;
	return frame[byte % 200];
}

static void turn(void *arg)
{
	struct party *self = arg;
	struct ring *ring = self->ring;

	weft__strand_begin(&self->strand);
	self->said = weft__alloc(16);
	for (int i = 0; i < TURNS; i++) {
		struct party *next = &ring->parties[(self->index + 1) % STRANDS];

		CHECK_EQ(ring->last, (self->index + STRANDS - 1) % STRANDS);
		ring->last = self->index;
		self->turns++;
		CHECK_EQ(fill(self->index), self->index);
		weft__strand_switch(&self->strand, &next->strand);
	}
	weft__release(self->said);
	ring->last = self->index;
	ring->alive--;
	if (self->index == STRANDS - 1)
		weft__strand_leave(&self->strand, &ring->root);
	weft__strand_leave(&self->strand, &ring->parties[self->index + 1].strand);
}

static void take_turns(void *arg)
{
	struct ring *ring = weft__alloc_zero(1, sizeof(*ring));

	(void)arg;
	CHECK_NOT_NULL(ring);
	ring->last = STRANDS - 1;
	ring->alive = STRANDS;
	weft__strand_adopt(&ring->root);
	for (int i = 0; i < STRANDS; i++) {
		struct party *p = &ring->parties[i];

		p->ring = ring;
		p->index = i;
		p->stack = weft__stack_take(&ring->cache, WEFT__STACK_64K);
		CHECK_NOT_NULL(p->stack);
		weft__strand_make(&p->strand, p->stack->low, p->stack->size, turn, p);
	}
	weft__strand_switch(&ring->root, &ring->parties[0].strand);
	CHECK_EQ(ring->alive, 0);
	for (int i = 0; i < STRANDS; i++) {
		CHECK_EQ(ring->parties[i].turns, TURNS);
		weft__strand_free(&ring->parties[i].strand);
		weft__stack_give(&ring->cache, ring->parties[i].stack);
	}
	weft__stack_cache_empty(&ring->cache);
	weft__release(ring);
}

TEST(strands_take_turns)
{
	take_turns(NULL);
}

TEST(strands_take_turns_on_each_thread)
{
	struct weft__thread threads[3];

	for (int i = 0; i < 3; i++)
		CHECK_EQ(weft__thread_start(&threads[i], take_turns, NULL, 0, NULL), 0);
	for (int i = 0; i < 3; i++)
		weft__thread_join(threads[i]);
}
