/* SPDX-License-Identifier: MIT */
/*
 * Reading litmus tests, and running them under the checker.
 */
#include "litmus.h"

#include <ctype.h>
#include <string.h>

#include <weft/check.h>

void litmus_add(struct litmus_set *set, uint64_t outcome)
{
	size_t i = 0;

	while (i < set->count && set->of[i] < outcome)
		i++;
	if ((i < set->count && set->of[i] == outcome) || set->count == LITMUS_OUTCOMES)
		return;
	memmove(&set->of[i + 1], &set->of[i], (set->count - i) * sizeof(set->of[0]));
	set->of[i] = outcome;
	set->count++;
}

/* ---- reading --------------------------------------------------------------------- */

static int order_of(char letter)
{
	switch (letter) {
	case 'a': return WEFT__ACQUIRE;
	case 'r': return WEFT__RELEASE;
	case 'q': return WEFT__ACQ_REL;
	case 's': return WEFT__SEQ_CST;
	default: return WEFT__RELAXED;
	}
}

static int location_of(struct litmus *t, char letter)
{
	int location = letter - 'x' >= 0 ? letter - 'x' : 3;

	if (location >= t->locations)
		t->locations = location + 1;
	return location;
}

/* "x+1", "x:5", "x?1>2", "x", after "r0=". */
static void parse_read(struct litmus *t, struct litmus_step *s, const char *text)
{
	s->location = location_of(t, text[0]);
	s->kind = L_LOAD;
	if (text[1] == '+' || text[1] == ':') {
		s->kind = text[1] == '+' ? L_ADD : L_SWAP;
		s->value = text[2] - '0';
	} else if (text[1] == '?') {
		s->kind = L_CAS;
		s->expected = text[2] - '0';
		s->value = text[4] - '0';
	}
}

static void parse_step(struct litmus *t, struct litmus_step *s, const char *text)
{
	if (text[0] == 'F') {
		s->kind = L_FENCE;
	} else if (text[0] == 'r' && isdigit((unsigned char)text[1])) {
		s->reg = text[1] - '0';
		if (s->reg >= t->registers)
			t->registers = s->reg + 1;
		parse_read(t, s, text + 3);
	} else {
		s->kind = L_STORE;
		s->location = location_of(t, text[0]);
		s->value = text[2] - '0';
	}
}

bool litmus_parse(struct litmus *out, const char *text, const char *finals)
{
	int thread = 0;

	*out = (struct litmus){ 0 };
	while (*text) {
		size_t length = strcspn(text, " ");

		if (text[0] == '|') {
			thread++;
		} else if (length > 0) {
			struct litmus_step *s = &out->steps[out->count++];

			if (out->count > LITMUS_STEPS || thread >= LITMUS_THREADS)
				return false;
			s->thread = thread;
			s->order = order_of(text[length - 1]);
			parse_step(out, s, text);
		}
		text += length + (text[length] == ' ');
	}
	out->threads = thread + 1;
	for (; *finals; finals++)
		if (*finals != ' ')
			out->finals[out->finals_count++] = location_of(out, *finals);
	return true;
}

/* ---- running ----------------------------------------------------------------------- */

struct state {
	const struct litmus *test;
	int registers[10];
	weft_atomic_u32 locations[LITMUS_LOCATIONS];
};

struct part {
	struct state *state;
	int thread;
};

#define BY_ORDER(result, order, name, ...)                                    \
	switch (order) {                                                      \
	case WEFT__ACQUIRE: result weft_##name##_acquire(__VA_ARGS__); break; \
	case WEFT__RELEASE: result weft_##name##_release(__VA_ARGS__); break; \
	case WEFT__ACQ_REL: result weft_##name##_acq_rel(__VA_ARGS__); break; \
	case WEFT__SEQ_CST: result weft_##name##_seq_cst(__VA_ARGS__); break; \
	default: result weft_##name##_relaxed(__VA_ARGS__); break;            \
	}

static void do_fence(int order)
{
	if (order == WEFT__ACQUIRE)
		weft_check_fence_acquire();
	else if (order == WEFT__RELEASE)
		weft_check_fence_release();
	else if (order == WEFT__ACQ_REL)
		weft_check_fence_acq_rel();
	else
		weft_check_fence_seq_cst();
}

static uint32_t do_load(weft_atomic_u32 *x, int order)
{
	if (order == WEFT__SEQ_CST)
		return weft_load_seq_cst(x);
	return order == WEFT__ACQUIRE ? weft_load_acquire(x) : weft_load_relaxed(x);
}

static void do_store(weft_atomic_u32 *x, uint32_t value, int order)
{
	if (order == WEFT__SEQ_CST)
		weft_store_seq_cst(x, value);
	else if (order == WEFT__RELEASE)
		weft_store_release(x, value);
	else
		weft_store_relaxed(x, value);
}

static uint32_t do_rmw(weft_atomic_u32 *x, const struct litmus_step *s)
{
	uint32_t value = (uint32_t)s->value, expected = (uint32_t)s->expected, old = 0;

	if (s->kind == L_ADD)
		BY_ORDER(old =, s->order, add, x, value)
	else if (s->kind == L_SWAP)
		BY_ORDER(old =, s->order, swap, x, value)
	else
		BY_ORDER(old =, s->order, cas, x, &expected, value)
	return old;
}

static void part_run(void *arg)
{
	const struct part part = *(struct part *)arg;
	struct state *state = part.state;

	for (int i = 0; i < state->test->count; i++) {
		const struct litmus_step *s = &state->test->steps[i];
		weft_atomic_u32 *x = &state->locations[s->location];

		if (s->thread != part.thread)
			continue;
		if (s->kind == L_FENCE)
			do_fence(s->order);
		else if (s->kind == L_STORE)
			do_store(x, (uint32_t)s->value, s->order);
		else if (s->kind == L_LOAD)
			state->registers[s->reg] = (int)do_load(x, s->order);
		else
			state->registers[s->reg] = (int)do_rmw(x, s);
	}
}

static void program(void *arg)
{
	const struct litmus *test = arg;
	struct state *state = weft_check_alloc(sizeof(*state));
	struct part *parts = weft_check_alloc(sizeof(*parts) * LITMUS_THREADS);
	int threads[LITMUS_THREADS];
	uint64_t outcome = 0;

	state->test = test;
	for (int i = 0; i < test->threads; i++) {
		parts[i] = (struct part){ state, i };
		threads[i] = weft_check_spawn(part_run, &parts[i], NULL);
	}
	for (int i = 0; i < test->threads; i++)
		weft_check_join(threads[i]);
	for (int i = 0; i < test->registers; i++)
		outcome = outcome * 10 + (uint64_t)state->registers[i];
	for (int i = 0; i < test->finals_count; i++)
		outcome = outcome * 10 + weft_load_relaxed(&state->locations[test->finals[i]]);
	weft_check_outcome(outcome);
	weft_check_free(parts);
	weft_check_free(state);
}

void litmus_run(const struct litmus *test, int mode, int preemptions, struct litmus_set *out)
{
	const weft_check_opts opts = {
		.name = "litmus", .mode = mode, .preemptions = preemptions, .rereads = 8
	};

	out->count = 0;
	if (weft_check(program, (void *)(uintptr_t)test, &opts) == WEFT_CHECK_PASSED)
		out->count = weft_check_outcomes(out->of, LITMUS_OUTCOMES);
}
