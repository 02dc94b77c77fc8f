/* SPDX-License-Identifier: MIT */
/*
 * The bare switch between contexts, below all scheduling: a pair that takes turns, and
 * a ring of a thousand, whose stacks do not all stay in the caches closest to the
 * processor. "pair", "ring1000".
 */
#include "../subject.h"

#include "rt/stack.h"
#include "sys/arch/context.h"

#define MOST UINT64_C(100000000)

enum { RING_MOST = 10000 };

struct member {
	struct weft__context context;
	struct weft__context *next;
	uint64_t turns;
	struct weft__stack *stack;
};

/* The program's own context is the last of the ring. */
static struct weft__context home;
static struct member ring[RING_MOST];
static unsigned members;

static void take_turns(void *arg)
{
	struct member *self = arg;

	for (;;) {
		self->turns++;
		weft__context_switch(&self->context, self->next);
	}
}

static bool make_ring(unsigned count)
{
	static struct weft__stack_cache cache;

	members = count;
	for (unsigned i = 0; i < count; i++) {
		struct member *m = &ring[i];

		m->stack = weft__stack_take(&cache, WEFT__STACK_64K);
		if (!m->stack)
			return false;
		m->next = i + 1 < count ? &ring[i + 1].context : &home;
		weft__context_make(&m->context, m->stack->low, m->stack->size, take_turns, m);
	}
	return true;
}

static double go_round(uint64_t rounds)
{
	double start = subject_now_ns();

	for (uint64_t i = 0; i < rounds; i++)
		weft__context_switch(&home, &ring[0].context);
	return subject_now_ns() - start;
}

static int measure(void)
{
	const uint64_t each = members + 1; /* switches of a round */
	uint64_t small = MOST / 50 / each, rounds;
	double took = go_round(small);

	rounds = subject_count(small * each, took, MOST, each) / each;
	took = go_round(rounds);
	for (unsigned i = 0; i < members; i++)
		if (ring[i].turns != small + rounds)
			return subject_bad("context %u had %" PRIu64 " turns of %" PRIu64, i,
					   ring[i].turns, small + rounds);
	return subject_ok(took / (double)(rounds * each), "ns/switch");
}

int main(int argc, char **argv)
{
	unsigned count = 0;

	if (argc == 4 && strcmp(argv[2], "pair") == 0)
		count = 2;
	else if (argc == 4 && sscanf(argv[2], "ring%u", &count) != 1)
		count = 0;
	if (count < 2 || count > RING_MOST)
		return subject_bad("usage: weft-switch switch pair|ringN WORKERS");
	if (!make_ring(count - 1))
		return subject_skip("there is no memory for %u stacks", count);
	return measure();
}
