/* SPDX-License-Identifier: MIT */
/*
 * Which decisions matter: dynamic partial-order reduction (Flanagan and Godefroid,
 * POPL 2005) with sleep sets (Godefroid, 1996).
 *
 * Two steps are dependent when both are of one thread, or touch the same object
 * and one of them writes. Runs that differ only in the order of independent steps
 * are equivalent. Two dependent steps of different threads with no chain of
 * dependence between them race: the later thread must also be tried where the
 * earlier step was made, or who leads to it. `order` is the vector clock of that
 * chain, in places of the path; it has nothing to do with happens-before of C11.
 *
 * A load may return an old store, so it depends on each store to its location as
 * it does in any interleaving. What commutes here commutes in the memory model,
 * too, since a step touches the views of its own thread only. The exceptions, a
 * seq_cst fence and a barrier for all threads, are dependent with everything.
 *
 * With a bound on preemptions, a race must also be tried at the beginning of the
 * earlier thread's turn, where that costs no preemption (Coons, Musuvathi,
 * McKinley: "Bounded partial-order reduction", OOPSLA 2013); and sleep sets are
 * off, as a run that they skip may be cheaper than its equivalent.
 */
#include "model/model.h"

#include <string.h>

enum { OBJECTS = 1 << 12 };

struct object {
	uintptr_t key;
	uint32_t epoch;
	bool written;
	uint8_t writer;
	uint16_t readers;
	uint32_t write_place;
	uint32_t read_place[THREADS];
	uint32_t write_order[THREADS];
	uint32_t read_order[THREADS]; /* of all reads together */
};

static struct object objects[OBJECTS];
static struct object everything; /* read by each step, written by `all` */
static bool any_all;

static void object_clear(struct object *o, uintptr_t key)
{
	o->key = key;
	o->epoch = M.epoch;
	o->written = false;
	o->readers = 0;
	memset(o->write_order, 0, sizeof(o->write_order));
	memset(o->read_order, 0, sizeof(o->read_order));
}

void weft__races_begin(void)
{
	if (!M.live)
		return;
	object_clear(&everything, 0);
	any_all = false;
}

static struct object *object_of(uintptr_t key)
{
	uint32_t i = (uint32_t)(weft__rng_mix(key) % OBJECTS);

	for (uint32_t tries = 0; tries < OBJECTS; tries++, i = (i + 1) % OBJECTS) {
		struct object *o = &objects[i];

		if (o->epoch != M.epoch) {
			weft__undo_save(&o->epoch, sizeof(o->epoch));
			object_clear(o, key);
			return o;
		}
		if (o->key == key)
			return o;
	}
	weft__model_stop(WEFT_CHECK_UNSUITED, "more than %d objects in one run", OBJECTS);
}

static void order_join(uint32_t *to, const uint32_t *from)
{
	for (int i = 0; i < THREADS; i++)
		to[i] = to[i] > from[i] ? to[i] : from[i];
}

bool weft__op_independent(const struct op *a, const struct op *b)
{
	if (a->all || b->all)
		return false;
	for (int i = 0; i < 2; i++)
		for (int k = 0; k < 2; k++)
			if (a->object[i] && a->object[i] == b->object[k] &&
			    (a->writes[i] || b->writes[k]))
				return false;
	return true;
}

/* The steps that come after the one at `place` in the path, but do not depend on
 * it, followed by t's, could be made without it. This is the set of threads that
 * may make the first of them: whose first step there comes after none of the
 * others' (the "initials" of Abdulla et al., POPL 2014, without which sleep sets
 * would hide what backtracking asks for). */
static uint16_t initials(const struct model_thread *t, uint32_t place, uint32_t now)
{
	const int q = M.path[place].chosen;
	uint32_t first[THREADS] = { 0 };
	uint16_t seen = 0, set = 0;

	for (uint32_t k = place + 1; k <= now; k++) {
		const struct node *n = &M.path[k];
		const uint32_t *order = k == now ? t->order : n->order;
		const int u = k == now ? t->index : n->chosen;
		bool is_initial = true;

		if (k < now && (n->kind != DECIDE_THREAD || order[q] > place))
			continue;
		if (seen & (1u << u))
			continue;
		for (int w = 0; w < M.count; w++)
			if ((seen & (1u << w)) && order[w] > first[w])
				is_initial = false;
		seen |= (uint16_t)(1u << u);
		first[u] = k;
		if (is_initial)
			set |= (uint16_t)(1u << u);
	}
	return set & M.path[place].enabled;
}

/* Has the step of t, and what leads to it, tried without the step at `place`. */
static void add_initial(const struct model_thread *t, uint32_t place, uint32_t now)
{
	struct node *n = &M.path[place];
	uint16_t set = initials(t, place, now);

	if (!set)
		n->backtrack |= n->enabled;
	else if (set & (n->backtrack | n->sleep))
		return;
	else if (set & (1u << t->index))
		n->backtrack |= (uint16_t)(1u << t->index);
	else
		n->backtrack |= set & (uint16_t)-set;
}

static void add_thread(const struct model_thread *t, uint32_t place)
{
	struct node *n = &M.path[place];
	uint16_t own = n->enabled & (uint16_t)(1u << t->index);

	n->backtrack |= own ? own : n->enabled;
}

/* Where the turn began in which the step of this place was made: a turn ends where
 * its thread could not go on, even if it is the one that goes on after all. */
static uint32_t turn_begin(uint32_t place)
{
	const int thread = M.path[place].chosen;
	uint32_t begin = place;

	for (uint32_t i = place + 1; i-- > 0;) {
		if (M.path[i].kind != DECIDE_THREAD)
			continue;
		if (M.path[i].chosen != thread)
			break;
		begin = i;
		if (!M.path[i].previous_ready)
			break;
	}
	return begin;
}

/* With a bound: at the beginnings of the turns before, back to where trying t costs
 * no preemption. */
static void add_at_turns(const struct model_thread *t, uint32_t place)
{
	for (;;) {
		const struct node *n;

		place = turn_begin(place);
		n = &M.path[place];
		add_thread(t, place);
		if (!(n->previous_ready && n->previous != t->index) || place == 0)
			return;
		while (place > 0 && M.path[--place].kind != DECIDE_THREAD)
			;
	}
}

/* Places that race with the step being made. */
static uint32_t raced[2 * THREADS + 4];
static int raced_count;

/* The pending step of t races with one of thread q at `place`, unless that came
 * before. Places are kept plus one, so that 0 is "none". */
static void race(const struct model_thread *t, int q, uint32_t place)
{
	if (q != t->index && t->order[q] <= place)
		raced[raced_count++] = place;
}

static void races_with(const struct model_thread *t, const struct object *o, bool writes)
{
	if (o->written)
		race(t, o->writer, o->write_place);
	if (!writes)
		return;
	for (int q = 0; q < M.count; q++)
		if (o->readers & (1u << q))
			race(t, q, o->read_place[q]);
}

static void races_add(const struct model_thread *t, uint32_t now)
{
	for (int i = 0; i < raced_count; i++) {
		if (M.bound < 0) {
			add_initial(t, raced[i], now);
		} else { /* an initial that was tried may have been cut by the bound */
			add_thread(t, raced[i]);
			add_at_turns(t, raced[i]);
		}
	}
}

static void order_after(struct model_thread *t, const struct object *o, bool writes)
{
	order_join(t->order, o->write_order);
	if (writes)
		order_join(t->order, o->read_order);
}

static void object_note(struct model_thread *t, struct object *o, bool writes, uint32_t place)
{
	weft__undo_save(o, sizeof(*o));
	if (writes) {
		o->written = true;
		o->writer = (uint8_t)t->index;
		o->write_place = place;
		o->readers = 0;
		memcpy(o->write_order, t->order, sizeof(o->write_order));
		memset(o->read_order, 0, sizeof(o->read_order));
	} else {
		o->readers |= (uint16_t)(1u << t->index);
		o->read_place[t->index] = place;
		order_join(o->read_order, t->order);
	}
}

/* Steps that depend on everything race with the latest step of each thread, and
 * what comes after them comes after all. */
static bool with_everything(const struct model_thread *t)
{
	if (t->pending.all && !any_all) {
		weft__undo_save(&any_all, sizeof(any_all));
		any_all = true;
	}
	return any_all;
}

void weft__races_step(struct model_thread *t, uint32_t place)
{
	struct object *o[3] = { NULL, NULL, NULL };
	bool writes[3] = { t->pending.writes[0], t->pending.writes[1], t->pending.all };

	if (!M.reduce)
		return;
	if (!M.live) {
		memcpy(t->order, M.path[place].order, sizeof(t->order));
		return;
	}
	raced_count = 0;
	for (int i = 0; i < 2; i++)
		if (t->pending.object[i])
			o[i] = object_of(t->pending.object[i]);
	if (with_everything(t))
		o[2] = &everything;
	for (int i = 0; i < 3; i++)
		if (o[i])
			races_with(t, o[i], writes[i]);
	for (int i = 0; i < 3; i++)
		if (o[i])
			order_after(t, o[i], writes[i]);
	t->order[t->index] = place + 1;
	races_add(t, place);
	memcpy(M.path[place].order, t->order, sizeof(t->order));
	o[2] = &everything;
	for (int i = 0; i < 3; i++)
		if (o[i])
			object_note(t, o[i], writes[i], place);
}

/* The step being made wakes t before its timer fires, so that the step of the timer,
 * which t announced, will not be made: it is one that races with this one. */
void weft__races_woken(const struct model_thread *t)
{
	const uint32_t place = M.place - 1;

	M.woken |= (uint16_t)(1u << t->index);
	if (!M.reduce || !M.live)
		return;
	add_thread(t, place);
	if (M.bound >= 0)
		add_at_turns(t, place);
}
