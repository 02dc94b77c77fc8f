/* SPDX-License-Identifier: MIT */
/*
 * The axioms of C11 as repaired by Lahav, Vafeiadis, Kang, Hur and Dreyer
 * ("Repairing Sequential Consistency in C/C++11", PLDI 2017), with the release
 * sequences of C++20, for litmus tests. Nothing is shared with the checker: every
 * way to read and every modification order is tried, and those are kept of which
 *
 *   sb u rf             has no cycle (no load buffering),
 *   hb ; eco?           is irreflexive (coherence),
 *   rmw n (fr ; mo)     is empty (atomicity),
 *   psc                 has no cycle (seq_cst).
 *
 * The checker takes the order of execution for the order of seq_cst steps. That is
 * a little stronger: psc u sb u rf has no cycle. It leaves out outcomes in which a
 * seq_cst step comes before another one of which it knows by relaxed accesses.
 *
 * A relation is a matrix of bits, a row an event; the events are the writes of the
 * initial values, one a location, and then the steps.
 */
#include "litmus.h"

#include <string.h>

#include <weft/atomic.h>

enum { EVENTS = LITMUS_LOCATIONS + LITMUS_STEPS };

typedef struct relation {
	uint32_t row[EVENTS];
} relation;

struct trial {
	const struct litmus *test;
	int events;
	bool executed;      /* ask for the stronger order */
	int source[EVENTS]; /* of reads: the event read from */
	int value_read[EVENTS], value_written[EVENTS];
	bool writes[EVENTS], reads[EVENTS];
	relation rf, mo, sb, hb, same;
	struct litmus_set *out;
};

/* ---- relations ----------------------------------------------------------------- */

static void put(relation *r, int a, int b)
{
	r->row[a] |= 1u << b;
}

static bool has(const relation *r, int a, int b)
{
	return r->row[a] >> b & 1;
}

static relation join(const relation *a, const relation *b)
{
	relation r;

	for (int i = 0; i < EVENTS; i++)
		r.row[i] = a->row[i] | b->row[i];
	return r;
}

static relation meet(const relation *a, const relation *b)
{
	relation r;

	for (int i = 0; i < EVENTS; i++)
		r.row[i] = a->row[i] & b->row[i];
	return r;
}

static relation minus(const relation *a, const relation *b)
{
	relation r;

	for (int i = 0; i < EVENTS; i++)
		r.row[i] = a->row[i] & ~b->row[i];
	return r;
}

static relation then(const relation *a, const relation *b)
{
	relation r = { { 0 } };

	for (int i = 0; i < EVENTS; i++)
		for (int k = 0; k < EVENTS; k++)
			if (has(a, i, k))
				r.row[i] |= b->row[k];
	return r;
}

static relation inverse(const relation *a)
{
	relation r = { { 0 } };

	for (int i = 0; i < EVENTS; i++)
		for (int k = 0; k < EVENTS; k++)
			if (has(a, i, k))
				put(&r, k, i);
	return r;
}

static relation closure(relation a)
{
	for (int k = 0; k < EVENTS; k++)
		for (int i = 0; i < EVENTS; i++)
			if (has(&a, i, k))
				a.row[i] |= a.row[k];
	return a;
}

static relation identity(uint32_t set)
{
	relation r = { { 0 } };

	for (int i = 0; i < EVENTS; i++)
		if (set >> i & 1)
			put(&r, i, i);
	return r;
}

static relation optional(const relation *a)
{
	relation i = identity((1u << EVENTS) - 1);

	return join(a, &i);
}

static bool irreflexive(const relation *a)
{
	for (int i = 0; i < EVENTS; i++)
		if (has(a, i, i))
			return false;
	return true;
}

static bool acyclic(relation a)
{
	a = closure(a);
	return irreflexive(&a);
}

/* ---- events ------------------------------------------------------------------------ */

static const struct litmus_step *step_of(const struct trial *t, int event)
{
	return event < LITMUS_LOCATIONS ? NULL : &t->test->steps[event - LITMUS_LOCATIONS];
}

static int location(const struct trial *t, int event)
{
	return event < LITMUS_LOCATIONS ? event : step_of(t, event)->location;
}

static bool is_fence(const struct trial *t, int event)
{
	return event >= LITMUS_LOCATIONS && step_of(t, event)->kind == L_FENCE;
}

/* The order of the event; that of a compare-and-swap that fails is weaker. */
static int order(const struct trial *t, int event)
{
	int given = step_of(t, event)->order;

	if (step_of(t, event)->kind != L_CAS || t->writes[event])
		return given;
	return given == WEFT__ACQ_REL   ? WEFT__ACQUIRE
	       : given == WEFT__RELEASE ? WEFT__RELAXED
					: given;
}

static uint32_t set_of(const struct trial *t, bool (*member)(const struct trial *, int))
{
	uint32_t set = 0;

	for (int i = 0; i < t->events; i++)
		if (member(t, i))
			set |= 1u << i;
	return set;
}

static bool releases(const struct trial *t, int e)
{
	return e >= LITMUS_LOCATIONS && (t->writes[e] || is_fence(t, e)) &&
	       order(t, e) >= WEFT__RELEASE;
}

static bool acquires(const struct trial *t, int e)
{
	return e >= LITMUS_LOCATIONS && (t->reads[e] || is_fence(t, e)) &&
	       (order(t, e) == WEFT__ACQUIRE || order(t, e) >= WEFT__ACQ_REL);
}

static bool is_sc(const struct trial *t, int e)
{
	return e >= LITMUS_LOCATIONS && order(t, e) == WEFT__SEQ_CST;
}

static bool is_sc_fence(const struct trial *t, int e)
{
	return is_fence(t, e) && is_sc(t, e);
}

static bool is_write(const struct trial *t, int e)
{
	return t->writes[e];
}

static bool is_read(const struct trial *t, int e)
{
	return t->reads[e];
}

static bool is_rmw(const struct trial *t, int e)
{
	return t->writes[e] && t->reads[e];
}

/* ---- the axioms ----------------------------------------------------------------------- */

/* sw = [rel] ; ([F] ; sb)? ; [W] ; (rf ; rmw)* ; rf ; [R] ; (sb ; [F])? ; [acq] */
static relation synchronizes(const struct trial *t)
{
	relation rel = identity(set_of(t, releases)), acq = identity(set_of(t, acquires));
	relation fences = identity(set_of(t, is_fence)), rmw = identity(set_of(t, is_rmw));
	relation w = identity(set_of(t, is_write)), r = identity(set_of(t, is_read));
	relation before = then(&fences, &t->sb), after = then(&t->sb, &fences), sequence, sw;

	before = optional(&before);
	after = optional(&after);
	sequence = then(&t->rf, &rmw);
	sequence = closure(sequence);
	sequence = optional(&sequence);
	sw = then(&rel, &before);
	sw = then(&sw, &w);
	sw = then(&sw, &sequence);
	sw = then(&sw, &t->rf);
	sw = then(&sw, &r);
	sw = then(&sw, &after);
	return then(&sw, &acq);
}

/* psc = ([SC] u [F_sc];hb?) ; scb ; ([SC] u hb?;[F_sc])
 *     u [F_sc] ; (hb u hb;eco;hb) ; [F_sc]
 * with scb = sb u (sb\loc ; hb ; sb\loc) u hb|loc u mo u fr */
static relation sc_order(const struct trial *t, const relation *fr, const relation *eco)
{
	relation sc = identity(set_of(t, is_sc)), f = identity(set_of(t, is_sc_fence));
	relation other = minus(&t->sb, &t->same), local = meet(&t->hb, &t->same);
	relation maybe = optional(&t->hb), scb, left, right, psc, fences;

	scb = then(&other, &t->hb);
	scb = then(&scb, &other);
	scb = join(&scb, &t->sb);
	scb = join(&scb, &local);
	scb = join(&scb, &t->mo);
	scb = join(&scb, fr);
	left = then(&f, &maybe);
	left = join(&left, &sc);
	right = then(&maybe, &f);
	right = join(&right, &sc);
	psc = then(&left, &scb);
	psc = then(&psc, &right);
	fences = then(&t->hb, eco);
	fences = then(&fences, &t->hb);
	fences = join(&fences, &t->hb);
	fences = then(&f, &fences);
	fences = then(&fences, &f);
	return join(&psc, &fences);
}

static void judge(struct trial *t)
{
	relation sw = synchronizes(t), back = inverse(&t->rf), fr, eco, bad, rmw, sbrf;
	uint64_t outcome = 0;

	sbrf = join(&t->sb, &t->rf);
	if (!acyclic(sbrf))
		return;
	t->hb = join(&t->sb, &sw);
	t->hb = closure(t->hb);
	fr = then(&back, &t->mo);
	rmw = identity((1u << EVENTS) - 1);
	fr = minus(&fr, &rmw); /* a read-modify-write is not before itself */
	eco = join(&t->rf, &t->mo);
	eco = join(&eco, &fr);
	eco = closure(eco);
	/* A read-modify-write is one event here: what it reads must not come after
	 * what it writes. */
	if (!irreflexive(&eco))
		return;
	bad = optional(&eco);
	bad = then(&t->hb, &bad);
	if (!irreflexive(&bad))
		return;
	bad = then(&fr, &t->mo);
	if (!irreflexive(&bad))
		return;
	bad = sc_order(t, &fr, &eco);
	if (t->executed)
		bad = join(&bad, &sbrf);
	if (!acyclic(bad))
		return;
	for (int r = 0; r < t->test->registers; r++)
		for (int e = LITMUS_LOCATIONS; e < t->events; e++)
			if (t->reads[e] && step_of(t, e)->reg == r)
				outcome = outcome * 10 + (uint64_t)(step_of(t, e)->kind == L_CAS
									    ? t->writes[e]
									    : t->value_read[e]);
	for (int i = 0; i < t->test->finals_count; i++)
		for (int e = 0; e < t->events; e++)
			if (t->writes[e] && location(t, e) == t->test->finals[i] && !t->mo.row[e])
				outcome = outcome * 10 + (uint64_t)t->value_written[e];
	litmus_add(t->out, outcome);
}

/* ---- every way to read, every modification order ----------------------------------------- */

static void try_orders(struct trial *t, int l);

/* Extends the order of location l, whose writes in `placed` are in order. */
static void try_next(struct trial *t, int l, uint32_t placed, uint32_t left)
{
	const relation saved = t->mo;

	if (!left) {
		try_orders(t, l + 1);
		return;
	}
	for (int e = 0; e < t->events; e++) {
		if (!(left >> e & 1))
			continue;
		for (int p = 0; p < t->events; p++)
			if (placed >> p & 1)
				put(&t->mo, p, e);
		try_next(t, l, placed | 1u << e, left & ~(1u << e));
		t->mo = saved;
	}
}

static void try_orders(struct trial *t, int l)
{
	uint32_t writes = 0;

	if (l == LITMUS_LOCATIONS) {
		judge(t);
		return;
	}
	for (int e = LITMUS_LOCATIONS; e < t->events; e++)
		if (t->writes[e] && location(t, e) == l)
			writes |= 1u << e;
	try_next(t, l, 1u << l, writes);
}

/* Values follow from who reads from whom; false if a read has no such source. */
static bool evaluate(struct trial *t)
{
	for (int round = 0; round <= t->events; round++)
		for (int e = LITMUS_LOCATIONS; e < t->events; e++) {
			const struct litmus_step *s = step_of(t, e);

			if (t->reads[e])
				t->value_read[e] = t->value_written[t->source[e]];
			if (s->kind == L_CAS)
				t->writes[e] = t->value_read[e] == s->expected;
			t->value_written[e] = s->value + (s->kind == L_ADD ? t->value_read[e] : 0);
		}
	for (int e = LITMUS_LOCATIONS; e < t->events; e++)
		if (t->reads[e] && !t->writes[t->source[e]])
			return false;
	return true;
}

static void try_sources(struct trial *t, int event)
{
	if (event == t->events) {
		memset(&t->rf, 0, sizeof(t->rf));
		memset(&t->mo, 0, sizeof(t->mo));
		for (int e = LITMUS_LOCATIONS; e < t->events; e++)
			if (t->reads[e])
				put(&t->rf, t->source[e], e);
		if (evaluate(t))
			try_orders(t, 0);
		return;
	}
	if (!t->reads[event]) {
		try_sources(t, event + 1);
		return;
	}
	for (int e = 0; e < t->events; e++) {
		bool candidate = e < LITMUS_LOCATIONS ||
				 (step_of(t, e)->kind != L_LOAD && step_of(t, e)->kind != L_FENCE);

		if (e == event || !candidate || location(t, e) != location(t, event))
			continue;
		t->source[event] = e;
		try_sources(t, event + 1);
	}
}

void litmus_axioms(const struct litmus *test, bool executed, struct litmus_set *out)
{
	struct trial t = { .test = test, .out = out, .executed = executed };

	out->count = 0;
	t.events = LITMUS_LOCATIONS + test->count;
	for (int a = 0; a < t.events; a++) {
		const struct litmus_step *s = step_of(&t, a);

		t.writes[a] = !s || (s->kind != L_LOAD && s->kind != L_FENCE);
		t.reads[a] = s && s->kind != L_STORE && s->kind != L_FENCE;
		for (int b = LITMUS_LOCATIONS; b < t.events; b++) {
			if (!s || (a < b && s->thread == step_of(&t, b)->thread))
				put(&t.sb, a, b);
			if (!is_fence(&t, a) && !is_fence(&t, b) &&
			    location(&t, a) == location(&t, b))
				put(&t.same, a, b), put(&t.same, b, a);
		}
	}
	try_sources(&t, LITMUS_LOCATIONS);
}
