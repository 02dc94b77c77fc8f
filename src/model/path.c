/* SPDX-License-Identifier: MIT */
/*
 * A run is a path of decisions: which thread makes the next step, and what comes
 * out of a step that may go several ways. Depth-first search keeps the path of the
 * latest run, changes its last decision that has an alternative left, and runs
 * again: what is decided is followed, what follows is decided anew.
 *
 * The first choice is to go on with the same thread, and to see the newest store:
 * the run that comes first is the one without preemptions.
 *
 * A token is the path in letters: for each decision with more than one
 * alternative, which one. 'a' + choice; a number before it repeats it.
 */
#include "model/model.h"

#include <stdio.h>
#include <string.h>

/* More than any loop of the library pauses before it sleeps. */
enum { IDLE_ROUNDS = 4 };

static struct node *node_at(uint32_t place)
{
	if (place >= PATH_MOST)
		weft__model_stop(WEFT_CHECK_LIVELOCK, "a run with more than %d decisions",
				 PATH_MOST);
	return &M.path[place];
}

/* The decision is made, and followed from here on. */
static void decided(struct node *n)
{
	if (M.live)
		n->mark = M.undo_used;
	M.live = ++M.place >= M.length;
}

static bool can_run(const struct model_thread *t)
{
	return t->state == READY || (t->state == ASLEEP && t->timed);
}

static uint16_t enabled_set(void)
{
	uint16_t set = 0;

	for (int i = 0; i < M.count; i++)
		if (can_run(&M.threads[i]))
			set |= (uint16_t)(1u << i);
	return set;
}

static uint16_t timer_set(uint16_t enabled)
{
	uint16_t set = 0;

	for (int i = 0; i < M.count; i++)
		if ((enabled & (1u << i)) &&
		    (M.threads[i].state == ASLEEP || M.threads[i].anytime))
			set |= (uint16_t)(1u << i);
	return set;
}

static bool is_preemption(const struct node *n, int thread)
{
	return n->previous_ready && thread != n->previous && !(n->timers & (1u << thread));
}

/* Nobody can run. Loops that look at the clock may end when time passes. */
static bool time_passes(void)
{
	bool any = false;

	if (M.idle_rounds++ >= IDLE_ROUNDS)
		return false;
	for (int i = 0; i < M.count; i++) {
		struct model_thread *t = &M.threads[i];

		if (t->state == SPINNING) {
			t->state = READY;
			t->fresh = true;
			any = true;
		}
	}
	if (any)
		M.clock += WEFT_SECOND;
	return any;
}

/* ---- choosing a thread ---------------------------------------------------- */

static int lowest(uint16_t set)
{
	return __builtin_ctz(set);
}

static int nth(uint16_t set, uint32_t n)
{
	while (n-- > 0)
		set &= (uint16_t)(set - 1);
	return lowest(set);
}

static int choose_pct(uint16_t set)
{
	int best = -1;

	for (int i = 0; i < 8; i++)
		if (M.change[i] && M.change[i] == M.steps && M.self)
			M.self->priority = (uint32_t)i;
	for (int i = 0; i < M.count; i++)
		if ((set & (1u << i)) &&
		    (best < 0 || M.threads[i].priority > M.threads[best].priority))
			best = i;
	return best;
}

/* The thread to go on with by default, of those in `set`: what is from outside comes last. */
static int choose_default(uint16_t set, int previous)
{
	const uint16_t awake = set & (uint16_t)~timer_set(set);

	set = awake ? awake : set;
	if (previous >= 0 && (set & (1u << previous)))
		return previous;
	return lowest(set);
}

/* Of those who were tried at n, who need not be tried after a step that does not depend
 * on theirs: a run in which they come then is one in which they came at once. With a
 * bound that must not have had more preemptions, which is so for the thread that went
 * on there; but not if it ended, as then who joins it had not come to rest. */
static uint16_t tried_before(const struct node *n)
{
	if (M.bound < 0)
		return n->done;
	return n->previous_ready ? n->done & (uint16_t)(1u << n->previous) & ~n->ended : 0;
}

/* After the step that the parent decided, who still need not be tried: those whose
 * next step was tried there and does not depend on that step. */
static uint16_t sleep_set(void)
{
	const struct node *parent = &M.path[M.thread_place];
	uint16_t set = 0, candidates;

	if (!M.self)
		return 0;
	candidates = (uint16_t)((parent->sleep | tried_before(parent)) & ~(1u << parent->chosen));
	candidates &= (uint16_t)~M.woken;
	for (; candidates; candidates &= (uint16_t)(candidates - 1)) {
		int q = lowest(candidates);

		if (weft__op_independent(&M.threads[q].pending, &M.last_op))
			set |= (uint16_t)(1u << q);
	}
	return set;
}

/* A new decision; false if all that could be chosen was tried elsewhere. */
static bool node_new(struct node *n, uint16_t enabled)
{
	const int previous = M.self ? M.self->index : -1;
	uint16_t open = enabled;

	*n = (struct node){ .kind = DECIDE_THREAD, .enabled = enabled };
	n->timers = timer_set(enabled);
	n->previous = (uint8_t)(previous < 0 ? 0 : previous);
	n->previous_ready = M.self && M.self->state == READY && !M.self->yields;
	n->preemptions = (uint8_t)(M.preemptions < 255 ? M.preemptions : 255);
	if (M.opts.mode == WEFT_CHECK_RANDOM) {
		n->chosen = (uint8_t)nth(
			enabled, weft__rng_below(&M.rng, (uint32_t)__builtin_popcount(enabled)));
		return true;
	}
	if (M.opts.mode == WEFT_CHECK_PCT) {
		n->chosen = (uint8_t)choose_pct(enabled);
		return true;
	}
	if (M.reduce) {
		n->sleep = sleep_set();
		open &= (uint16_t)~n->sleep;
		if (!open)
			return false;
	}
	n->chosen = (uint8_t)choose_default(open, previous);
	n->backtrack = M.reduce ? (uint16_t)(1u << n->chosen) : enabled;
	return true;
}

static void count_preemption(const struct node *n)
{
	if (is_preemption(n, n->chosen))
		M.preemptions++;
}

/* From the token, which names threads by their place among the enabled ones. */
static void node_replay(struct node *n, uint16_t enabled)
{
	*n = (struct node){ .kind = DECIDE_THREAD, .enabled = enabled };
	n->timers = timer_set(enabled);
	n->previous = (uint8_t)(M.self ? M.self->index : 0);
	n->previous_ready = M.self && M.self->state == READY && !M.self->yields;
	if (enabled & (enabled - 1)) {
		uint32_t choice = M.token_length ? *M.token : 0;

		if (M.token_length) {
			M.token++;
			M.token_length--;
		}
		if (choice >= (uint32_t)__builtin_popcount(enabled))
			weft__model_stop(WEFT_CHECK_BAD_TOKEN,
					 "the token does not belong to this program");
		n->chosen = (uint8_t)nth(enabled, choice);
	} else {
		n->chosen = (uint8_t)lowest(enabled);
	}
}

static void note_end(void)
{
	if (M.live && M.self && M.self->state == ENDED)
		M.path[M.thread_place].ended |= (uint16_t)(1u << M.self->index);
}

struct model_thread *weft__path_thread(void)
{
	uint16_t enabled = enabled_set();
	struct node *n;

	while (!enabled && time_passes())
		enabled = enabled_set();
	note_end();
	if (!enabled)
		return NULL;
	n = node_at(M.place);
	if (M.replaying) {
		node_replay(n, enabled);
	} else if (M.place >= M.length && !node_new(n, enabled)) {
		M.given_up = true;
		return NULL;
	}
	WEFT__ASSERT(n->kind == DECIDE_THREAD && n->enabled == enabled,
		     "a program under the model checker did not do the same again");
	decided(n);
	count_preemption(n);
	M.last_op = M.threads[n->chosen].pending;
	M.woken = 0;
	M.thread_place = M.place - 1;
	weft__races_step(&M.threads[n->chosen], M.thread_place);
	return &M.threads[n->chosen];
}

/* ---- choosing a value ----------------------------------------------------- */

static int choose_among(uint32_t allowed, uint32_t n)
{
	while (n-- > 0)
		allowed &= allowed - 1;
	return __builtin_ctz(allowed);
}

static void value_new(struct node *n, int count, uint32_t allowed)
{
	*n = (struct node){ .kind = DECIDE_VALUE, .count = (uint8_t)count, .allowed = allowed };
	if (M.replaying) {
		n->chosen = M.token_length ? *M.token : 0;
		if (M.token_length) {
			M.token++;
			M.token_length--;
		}
		if (n->chosen >= count)
			weft__model_stop(WEFT_CHECK_BAD_TOKEN,
					 "the token does not belong to this program");
	} else if (M.opts.mode == WEFT_CHECK_RANDOM || M.opts.mode == WEFT_CHECK_PCT) {
		uint32_t some = (uint32_t)__builtin_popcount(allowed);

		n->chosen = (uint8_t)choose_among(allowed, weft__rng_below(&M.rng, some));
	} else {
		n->chosen = (uint8_t)__builtin_ctz(allowed);
	}
	n->allowed &= ~(1u << n->chosen);
}

int weft__path_value(int count, uint32_t allowed)
{
	struct node *n;

	if (count == 1)
		return 0;
	if (count > 26)
		weft__model_stop(WEFT_CHECK_UNSUITED, "a choice among more than 26");
	n = node_at(M.place);
	if (M.replaying || M.place >= M.length)
		value_new(n, count, allowed);
	WEFT__ASSERT(n->kind == DECIDE_VALUE && n->count == count,
		     "a program under the model checker did not do the same again");
	decided(n);
	return n->chosen;
}

/* ---- the next path -------------------------------------------------------- */

static bool within_bound(const struct node *n, int thread)
{
	return M.bound < 0 || n->preemptions + is_preemption(n, thread) <= M.bound;
}

static bool node_next(struct node *n)
{
	if (n->kind == DECIDE_VALUE) {
		if (!n->allowed)
			return false;
		n->chosen = (uint8_t)__builtin_ctz(n->allowed);
		n->allowed &= n->allowed - 1;
		return true;
	}
	n->done |= (uint16_t)(1u << n->chosen);
	for (uint16_t left = n->backtrack & ~(n->done | n->sleep); left;
	     left &= (uint16_t)(left - 1)) {
		int q = lowest(left);

		if (within_bound(n, q)) {
			n->chosen = (uint8_t)q;
			return true;
		}
		n->done |= (uint16_t)(1u << q);
	}
	return false;
}

bool weft__path_next(void)
{
	M.length = 0;
	if (M.opts.mode == WEFT_CHECK_RANDOM || M.opts.mode == WEFT_CHECK_PCT)
		return true;
	for (uint32_t place = M.place; place-- > 0;)
		if (node_next(&M.path[place])) {
			M.length = place + 1;
			return true;
		}
	return false;
}

/* ---- tokens --------------------------------------------------------------- */

static int letter_of(const struct node *n)
{
	if (n->kind == DECIDE_VALUE)
		return 'a' + n->chosen;
	if (!(n->enabled & (n->enabled - 1)))
		return 0;
	return 'a' + __builtin_popcount(n->enabled & ((1u << n->chosen) - 1));
}

static size_t token_put(char *out, size_t size, size_t used, int letter, int times)
{
	char piece[16];
	int length = times == 2  ? snprintf(piece, sizeof(piece), "%c%c", letter, letter)
		     : times > 2 ? snprintf(piece, sizeof(piece), "%d%c", times, letter)
				 : snprintf(piece, sizeof(piece), "%c", letter);

	if (used + (size_t)length + 1 > size)
		return size; /* too long to be of use */
	memcpy(out + used, piece, (size_t)length + 1);
	return used + (size_t)length;
}

void weft__path_token(char *out, size_t size)
{
	size_t used = 0;
	int last = 0, times = 0;

	out[0] = 0;
	for (uint32_t place = 0; place <= M.place && used < size; place++) {
		int letter = place < M.place ? letter_of(&M.path[place]) : -1;

		if (letter == 0)
			continue;
		if (letter != last && times > 0) {
			used = token_put(out, size, used, last, times);
			times = 0;
		}
		last = letter;
		times++;
	}
	if (used >= size)
		out[0] = 0;
	else if (used == 0)
		snprintf(out, size, "-");
}

bool weft__path_parse(const char *token)
{
	static uint8_t choices[PATH_MOST];
	size_t length = 0, times = 0;

	for (const char *at = token; *at; at++) {
		if (*at == '-')
			continue;
		if (*at >= '0' && *at <= '9') {
			times = times * 10 + (size_t)(*at - '0');
		} else if (*at >= 'a' && *at <= 'z') {
			for (times = times ? times : 1; times > 0; times--) {
				if (length == PATH_MOST)
					return false;
				choices[length++] = (uint8_t)(*at - 'a');
			}
		} else {
			return false;
		}
		if (times > PATH_MOST)
			return false;
	}
	M.token = choices;
	M.token_length = length;
	return true;
}
