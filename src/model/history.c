/* SPDX-License-Identifier: MIT */
/*
 * Linearizability: is there an order of the calls that were made, which agrees with
 * "ended before the other began", and in which a sequential object would have given
 * the same results?
 *
 * Wing and Gong's search ("Testing and verifying concurrent objects", 1993), with
 * Lowe's memory of what has been tried ("Testing for linearizability", 2017): a set
 * of calls done and the state that they led to need not be tried twice. Calls of
 * different keys are of different objects, and are searched apart.
 *
 * "Ended before" is happens-before: calls that nothing orders may be put either
 * way, whatever the order of execution was, since no thread could tell.
 */
#include "model/model.h"

#include <stdio.h>
#include <string.h>

enum { CALLS = 256, KEY_CALLS = 32, STATE = WEFT_CHECK_STATE_MOST, TRIED = 1 << 13 };

struct call {
	weft_check_call public;
	int thread;
	uint32_t begin[THREADS]; /* what happened before it began */
	uint32_t end;            /* its thread's clock when it ended */
	bool ended;
};

static struct call calls[CALLS];
static int calls_count;

static struct {
	uint64_t hash;
	uint32_t search;
} tried[TRIED];
static uint32_t search_number;

void weft__history_begin(void)
{
	calls_count = 0;
}

void weft__history_snapshot(struct snapshot_bytes *b)
{
	weft__snapshot_piece(b, &calls_count, sizeof(calls_count));
	weft__snapshot_piece(b, calls, (size_t)calls_count * sizeof(calls[0]));
}

int weft_check_call_begin(int kind, int64_t key, int64_t argument)
{
	struct call *c = &calls[calls_count];

	if (!M.running)
		return 0;
	if (calls_count == CALLS)
		weft__model_stop(WEFT_CHECK_UNSUITED, "more than %d calls in a history", CALLS);
	*c = (struct call){ .public = { kind, key, argument, 0, false } };
	c->thread = M.self->index;
	memcpy(c->begin, M.self->now.clock, sizeof(c->begin));
	return calls_count++;
}

void weft_check_call_end(int call, int64_t result)
{
	struct call *c = &calls[call];

	if (!M.running)
		return;
	c->public.result = result;
	c->public.ended = true;
	c->ended = true;
	c->end = M.self->now.clock[M.self->index]++;
}

static bool ended_before(const struct call *a, const struct call *b)
{
	return a->ended && a->end < b->begin[a->thread];
}

/* ---- the search ---------------------------------------------------------------- */

struct search {
	const weft_check_sequential *object;
	struct call *of[KEY_CALLS];
	uint32_t before[KEY_CALLS]; /* calls that must come first */
	uint32_t must;              /* those that ended */
	int count;
};

/* Whether these calls were done already with this state as the result. */
static bool tried_already(uint32_t done, const unsigned char *state, size_t size)
{
	uint64_t hash = weft__rng_mix(done + UINT64_C(0x9e3779b97f4a7c15));
	uint32_t i;

	for (size_t k = 0; k < size; k++)
		hash = weft__rng_mix(hash ^ state[k]);
	i = (uint32_t)(hash % TRIED);
	if (tried[i].search == search_number && tried[i].hash == hash)
		return true;
	tried[i].search = search_number;
	tried[i].hash = hash;
	return false;
}

static bool search_on(const struct search *s, uint32_t done, const unsigned char *state)
{
	if ((done & s->must) == s->must)
		return true;
	if (tried_already(done, state, s->object->size))
		return false;
	for (int i = 0; i < s->count; i++) {
		unsigned char next[STATE];

		if ((done >> i & 1) || (s->before[i] & ~done))
			continue;
		memcpy(next, state, s->object->size);
		if (s->object->step(next, &s->of[i]->public) && search_on(s, done | 1u << i, next))
			return true;
	}
	return false;
}

static bool key_is_linearizable(const weft_check_sequential *object, int64_t key)
{
	static struct search s;
	unsigned char state[STATE] = { 0 };

	s = (struct search){ .object = object };
	for (int i = 0; i < calls_count; i++) {
		if (calls[i].public.key != key)
			continue;
		if (s.count == KEY_CALLS)
			weft__model_stop(WEFT_CHECK_UNSUITED, "more than %d calls of a key",
					 KEY_CALLS);
		if (calls[i].ended)
			s.must |= 1u << s.count;
		s.of[s.count++] = &calls[i];
	}
	for (int i = 0; i < s.count; i++)
		for (int k = 0; k < s.count; k++)
			if (ended_before(s.of[k], s.of[i]))
				s.before[i] |= 1u << k;
	search_number++;
	if (object->init)
		object->init(state, key);
	return search_on(&s, 0, state);
}

static void describe(int64_t key, char *out, size_t size)
{
	size_t used = 0;

	*out = 0;
	for (int i = 0; i < calls_count && used + 1 < size; i++) {
		const struct call *c = &calls[i];

		if (c->public.key != key)
			continue;
		used += (size_t)snprintf(out + used, size - used, "%s%s: %d(%lld) = %lld",
					 used ? "; " : "", M.threads[c->thread].name,
					 c->public.kind, (long long)c->public.argument,
					 (long long)c->public.result);
	}
}

void weft_check_linearizable(const weft_check_sequential *object)
{
	char text[200];

	if (!M.running)
		return;
	if (object->size > STATE)
		weft__model_stop(WEFT_CHECK_UNSUITED, "a sequential object of more than %d bytes",
				 STATE);
	for (int i = 0; i < calls_count; i++) {
		const int64_t key = calls[i].public.key;
		bool seen = false;

		for (int k = 0; k < i && !seen; k++)
			seen = calls[k].public.key == key;
		if (seen || key_is_linearizable(object, key))
			continue;
		describe(key, text, sizeof(text));
		weft__model_stop(WEFT_CHECK_HISTORY, "%s: %s", object->name, text);
	}
}
