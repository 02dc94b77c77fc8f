/* SPDX-License-Identifier: MIT */
/*
 * C11's memory, as views (Kang et al., "A Promising Semantics for Relaxed-Memory
 * Concurrency", POPL 2017, without promises).
 *
 * A location is a list of stores in modification order, each with a place `at` in
 * it. A thread's view has, for each location, the oldest store that it may still
 * read, and a vector clock for happens-before. A load may return any store from
 * there on; an acquire load joins the view that a release store put beside its
 * value. A store goes to the end, or before stores that the thread has not seen; a
 * read-modify-write goes right behind the store that it reads, where nothing may
 * come between them, and passes that store's view on, so that release sequences go
 * through it.
 *
 * seq_cst: the steps of a run are its one order S. `sc` has for each location the
 * place of its newest seq_cst store, and of what came before seq_cst fences: a
 * seq_cst load must not read anything older, a seq_cst store must not go before
 * it, and a fence takes it over, and adds what its thread has seen.
 *
 * An old store is not offered to a load that might as well have been made before
 * the newer one: when the thread has not made a step since. The exploration does
 * try that order. Within a bound it is sure to, if the load might have come right
 * behind the thread's latest step: the thread was interrupted before the load, and
 * might as well have been after it. (Not at random, where it may not be tried.)
 * The same goes for the place of a store.
 */
#include "model/model.h"

#include <string.h>

enum { GAP = 1 << 12, ALTERNATIVES = 24 };

struct store {
	uint64_t value;
	struct store *older, *newer;
	const struct view *view; /* what an acquiring load gets; NULL: nothing */
	uint32_t at;
	uint32_t step;
	int thread;
	bool rmw; /* belongs right behind `older` */
};

struct location {
	uintptr_t address;
	unsigned size;
	uint32_t index;
	struct location *next; /* in the same eight bytes */
	struct store *newest;
	bool reset; /* the next access reads its first value from memory */
	bool gone;  /* something else lies there by now: a frame has come to an end */
	const struct store *last_read[THREADS];
	uint32_t rereads[THREADS];
};

enum { STORES = 1 << 20 };

static struct store *stores;
static uint32_t stores_used;
static struct location locations[LOCATIONS];

static struct store *store_take(void)
{
	if (stores_used == STORES)
		weft__model_stop(WEFT_CHECK_UNSUITED, "a run that stores too much");
	return &stores[stores_used++];
}

void weft__memory_begin(void)
{
	if (!stores)
		stores = weft__model_map(STORES * sizeof(*stores));
	stores_used = 0;
	M.locations = 0;
}

/* Locations that came later are the first in their lists. */
void weft__memory_snapshot(struct snapshot_bytes *b)
{
	uint32_t count = M.locations;

	weft__snapshot_piece(b, &count, sizeof(count));
	while (M.locations > count) {
		const struct location *l = &locations[--M.locations];

		weft__shadow_forget(l->address, l->next);
	}
	weft__snapshot_piece(b, locations, count * sizeof(locations[0]));
	weft__snapshot_piece(b, M.sc, count * sizeof(M.sc[0]));
	weft__snapshot_piece(b, &stores_used, sizeof(stores_used));
	weft__snapshot_piece(b, stores, stores_used * sizeof(stores[0]));
}

/* ---- what a thread has seen ------------------------------------------------ */

static uint32_t *seen_at(struct full_view *v, const struct location *l)
{
	weft__view_extend(v, l->index + 1);
	return &v->at[l->index];
}

static void see(struct model_thread *t, const struct location *l, const struct store *s)
{
	uint32_t *at = seen_at(&t->now, l);

	if (*at < s->at)
		*at = s->at;
}

/* ---- locations ------------------------------------------------------------ */

uint64_t weft__bytes_load(uintptr_t address, unsigned size)
{
	uint64_t value = 0;

	memcpy(&value, (const void *)address, size);
	return value;
}

static void bytes_store(uintptr_t address, unsigned size, uint64_t value)
{
	weft__shadow_keep(address, size);
	memcpy((void *)address, &value, size);
}

uintptr_t weft__location_address(const struct location *location)
{
	return location->address;
}

unsigned weft__location_size(const struct location *location)
{
	return location->size;
}

struct location *weft__location_next(const struct location *location)
{
	return location->next;
}

void weft__location_reset(struct location *location)
{
	location->reset = true;
}

/* The store that is there at first, or after plain writes: older than nothing that
 * any thread has seen, so that it is the only one. */
static void location_begin(struct location *l)
{
	struct store *s = store_take();

	*s = (struct store){ .thread = -1, .at = l->newest ? l->newest->at : 0 };
	s->value = weft__bytes_load(l->address, l->size);
	l->newest = s;
	l->reset = false;
	memset(l->last_read, 0, sizeof(l->last_read));
	memset(l->rereads, 0, sizeof(l->rereads));
}

static struct location *location_of(uintptr_t address, unsigned size)
{
	struct location **list = weft__shadow_locations(address), *l;

	for (l = *list; l; l = l->next) {
		if (l->gone || l->address >= address + size || address >= l->address + l->size)
			continue;
		if (l->address == address && l->size == size)
			break;
		if (!l->reset)
			weft__model_stop(WEFT_CHECK_UNSUITED,
					 "an atomic is accessed in two sizes");
		l->gone = true;
	}
	if (!l) {
		if (M.locations == LOCATIONS)
			weft__model_stop(WEFT_CHECK_UNSUITED, "more than %d atomics", LOCATIONS);
		l = &locations[M.locations];
		*l = (struct location){ .address = address, .size = size, .next = *list };
		l->index = M.locations;
		l->reset = true;
		M.sc[M.locations++] = 0;
		*list = l;
	}
	if (l->reset)
		location_begin(l);
	return l;
}

/* Also a part of a location: futexes look at half a word. */
static struct location *location_at(uintptr_t address)
{
	struct location *l = *weft__shadow_locations(address);

	while (l && (l->gone || address - l->address >= l->size))
		l = l->next;
	return l;
}

uint64_t weft__location_newest(uintptr_t address, unsigned size)
{
	struct location *l = location_at(address);

	if (l && !l->reset)
		see(M.self, l, l->newest);
	return weft__bytes_load(address, size);
}

void weft__location_seen(uintptr_t address, struct model_thread *by)
{
	const struct location *l = location_at(address);
	uint32_t at;

	if (!l || l->reset)
		return;
	at = *seen_at(&M.self->now, l);
	if (*seen_at(&by->now, l) < at)
		*seen_at(&by->now, l) = at;
}

/* ---- which store ---------------------------------------------------------- */

static bool is_acquire(int order)
{
	return order == WEFT__ACQUIRE || order >= WEFT__ACQ_REL;
}

static bool is_release(int order)
{
	return order >= WEFT__RELEASE;
}

/* Whether moving the step to behind the store, before newer ones, is tried anyway. With
 * a bound it is, if that is the place right behind the thread's latest step. */
static bool moves_to(const struct model_thread *t, const struct store *s)
{
	if (M.bound < 0)
		return M.opts.mode == WEFT_CHECK_EXHAUSTIVE || M.opts.mode == WEFT_CHECK_EVERY;
	return M.opts.mode == WEFT_CHECK_EXHAUSTIVE && s->step <= t->step_before;
}

static uint32_t oldest_seen(struct model_thread *t, const struct location *l, int order)
{
	uint32_t at = *seen_at(&t->now, l);

	return order == WEFT__SEQ_CST && M.sc[l->index] > at ? M.sc[l->index] : at;
}

static bool reread_too_often(const struct model_thread *t, const struct location *l,
			     const struct store *s)
{
	return s != l->newest && l->last_read[t->index] == s &&
	       l->rereads[t->index] >= M.opts.rereads;
}

/* Which values a read may take into account: all of them; or as the reading half
 * of a read-modify-write, those of stores behind which there is room. */
struct wish {
	bool writes;   /* it is a read-modify-write */
	bool compares; /* ... if the value is this one, else a load */
	uint64_t expected;
};

static bool wanted(const struct store *s, const struct wish *wish)
{
	bool succeeds = wish->writes && (!wish->compares || s->value == wish->expected);

	return !succeeds || !s->newer || !s->newer->rmw;
}

/* Index 0 is what would be without weak memory. */
static int choose_age(int count, uint32_t allowed)
{
	int chosen;

	if (M.opts.stale < 0 || (M.opts.stale > 0 && M.stale >= M.opts.stale))
		allowed = 1;
	chosen = weft__path_value(count, allowed);
	M.stale += chosen > 0;
	return chosen;
}

static struct store *choose_store(struct model_thread *t, struct location *l, int order,
				  const struct wish *wish)
{
	const uint32_t oldest = oldest_seen(t, l, order);
	struct store *candidates[ALTERNATIVES];
	uint32_t allowed = 0, latest = 0;
	int count = 0;

	for (struct store *s = l->newest; s && s->at >= oldest && count < ALTERNATIVES;
	     s = s->older) {
		bool elsewhere = latest > t->step_before && latest > s->step && moves_to(t, s);

		if (wanted(s, wish)) {
			if (!count || (!elsewhere && !t->fresh && !reread_too_often(t, l, s)))
				allowed |= 1u << count;
			candidates[count++] = s;
		}
		if (s->step > latest)
			latest = s->step;
	}
	return candidates[choose_age(count, allowed)];
}

static void note_read(struct model_thread *t, struct location *l, const struct store *s)
{
	if (s != l->newest) {
		t->read_stale = true;
		if (l->last_read[t->index] == s)
			l->rereads[t->index]++;
	}
	if (l->last_read[t->index] != s) {
		l->last_read[t->index] = s;
		l->rereads[t->index] = 0;
	}
}

static void acquire(struct model_thread *t, const struct store *s, int order)
{
	if (!s->view)
		return;
	if (is_acquire(order)) {
		weft__view_join(&t->now, s->view);
		return;
	}
	if (!t->pending_any) {
		t->pending_acquire.count = 0;
		memset(t->pending_acquire.clock, 0, sizeof(t->pending_acquire.clock));
		t->pending_any = true;
	}
	weft__view_join(&t->pending_acquire, s->view);
}

/* Room behind `behind`; the modification order is made to have some. */
static uint32_t place_behind(const struct store *behind)
{
	if (!behind->newer) {
		if (behind->at > UINT32_MAX - 2 * GAP)
			weft__model_stop(WEFT_CHECK_UNSUITED, "too many stores to one atomic");
		return behind->at + GAP;
	}
	return behind->at + (behind->newer->at - behind->at) / 2;
}

/* The newest store that this one is to go behind. Index 0 is the end. */
static struct store *choose_place(struct model_thread *t, struct location *l, int order)
{
	const uint32_t oldest = oldest_seen(t, l, order);
	struct store *candidates[ALTERNATIVES];
	uint32_t allowed = 0;
	bool elsewhere = false;
	int count = 0;

	for (struct store *s = l->newest; s && s->at >= oldest && count < ALTERNATIVES;
	     s = s->older) {
		bool room = !s->newer || (!s->newer->rmw && s->newer->at - s->at > 1);

		if (room) {
			if (!elsewhere || !moves_to(t, s))
				allowed |= 1u << count;
			candidates[count++] = s;
		}
		elsewhere |= s->step > t->step_before;
	}
	return candidates[choose_age(count, allowed)];
}

static struct store *store_behind(struct model_thread *t, struct location *l, struct store *behind,
				  uint64_t value, int order, const struct store *reads)
{
	struct store *s = store_take();
	const struct view *view;

	*s = (struct store){ .value = value, .thread = t->index, .step = t->step };
	s->rmw = reads != NULL;
	s->at = place_behind(behind);
	s->older = behind;
	s->newer = behind->newer;
	behind->newer = s;
	if (s->newer)
		s->newer->older = s;
	else
		l->newest = s;
	see(t, l, s);
	view = is_release(order) ? weft__view_copy(&t->now) : t->released;
	s->view = weft__views_union(view, reads ? reads->view : NULL);
	if (order == WEFT__SEQ_CST && M.sc[l->index] < s->at)
		M.sc[l->index] = s->at;
	if (!s->newer)
		bytes_store(l->address, l->size, value);
	weft__threads_stored();
	return s;
}

/* ---- the steps ------------------------------------------------------------ */

static const char *const order_names[] = { "relaxed", "acquire", "release", "acq_rel", "seq_cst" };

static struct op op_of(const void *p, bool writes)
{
	return (struct op){ { (uintptr_t)p, 0 }, { writes, false }, false };
}

static uint64_t truncated(uint64_t value, unsigned size)
{
	return size == 8 ? value : value & ((UINT64_C(1) << size * 8) - 1);
}

uint64_t weft__model_load(const void *p, unsigned size, int order, const char *site)
{
	const struct op op = op_of(p, false);
	const struct wish wish = { 0 };
	struct model_thread *t = M.self;
	struct location *l;
	struct store *s;

	if (!M.running)
		return weft__bytes_load((uintptr_t)p, size);
	ENTER();
	order = weft__mutant_order("load", site, order);
	weft__model_point(&op, site);
	weft__shadow_access((uintptr_t)p, size, ATOMIC_READ, site);
	l = location_of((uintptr_t)p, size);
	s = choose_store(t, l, order, &wish);
	note_read(t, l, s);
	see(t, l, s);
	acquire(t, s, order);
	if (M.tracing)
		weft__trace("loads", (uintptr_t)p, site, "%#llx %s%s",
			    (unsigned long long)s->value, order_names[order],
			    s == l->newest ? "" : ", which is old");
	weft__model_pointed();
	return s->value;
}

void weft__model_store(void *p, unsigned size, uint64_t value, int order, const char *site)
{
	const struct op op = op_of(p, true);
	struct model_thread *t = M.self;
	struct store *behind, *s;
	struct location *l;

	value = truncated(value, size);
	if (!M.running) {
		memcpy(p, &value, size);
		return;
	}
	ENTER();
	order = weft__mutant_order("store", site, order);
	weft__model_point(&op, site);
	weft__shadow_access((uintptr_t)p, size, ATOMIC_WRITE, site);
	l = location_of((uintptr_t)p, size);
	behind = choose_place(t, l, order);
	s = store_behind(t, l, behind, value, order, NULL);
	if (M.tracing)
		weft__trace("stores", (uintptr_t)p, site, "%#llx %s%s", (unsigned long long)value,
			    order_names[order], s->newer ? ", before a newer one" : "");
	weft__model_pointed();
}

static uint64_t applied(int op, uint64_t a, uint64_t b)
{
	switch (op) {
	case WEFT__ADD: return a + b;
	case WEFT__SUB: return a - b;
	case WEFT__OR: return a | b;
	case WEFT__AND: return a & b;
	case WEFT__XOR: return a ^ b;
	default: return b;
	}
}

/* One read-modify-write done as a load and a store: a planted bug. */
static uint64_t split_rmw(void *p, unsigned size, int op, uint64_t value, int order,
			  const char *site)
{
	uint64_t old = weft__model_load(p, size, order == WEFT__RELEASE ? 0 : order, site);

	weft__model_store(p, size, applied(op, old, value), order == WEFT__ACQUIRE ? 0 : order,
			  site);
	return old;
}

uint64_t weft__model_rmw(void *p, unsigned size, int op, uint64_t value, int order,
			 const char *site)
{
	static const char *const names[] = { "swaps", "adds", "subtracts", "ors", "ands", "xors" };
	const struct op step = op_of(p, true);
	const struct wish wish = { .writes = true };
	struct model_thread *t = M.self;
	struct location *l;
	struct store *s;
	uint64_t after;

	if (!M.running) {
		uint64_t old = weft__bytes_load((uintptr_t)p, size);

		after = applied(op, old, value);
		memcpy(p, &after, size);
		return old;
	}
	ENTER();
	if (weft__mutant_is(MUTANT_SPLIT, site))
		return split_rmw(p, size, op, value, order, site);
	order = weft__mutant_order("rmw", site, order);
	weft__model_point(&step, site);
	weft__shadow_access((uintptr_t)p, size, ATOMIC_WRITE, site);
	l = location_of((uintptr_t)p, size);
	s = choose_store(t, l, order, &wish);
	note_read(t, l, s);
	see(t, l, s);
	acquire(t, s, order);
	after = truncated(applied(op, s->value, value), size);
	store_behind(t, l, s, after, order, s);
	if (M.tracing)
		weft__trace(names[op], (uintptr_t)p, site, "%#llx, from %#llx to %#llx %s",
			    (unsigned long long)truncated(value, size),
			    (unsigned long long)s->value, (unsigned long long)after,
			    order_names[order]);
	weft__model_pointed();
	return s->value;
}

static bool plain_cas(void *p, unsigned size, void *expected, uint64_t desired)
{
	if (memcmp(p, expected, size) != 0) {
		memcpy(expected, p, size);
		return false;
	}
	memcpy(p, &desired, size);
	return true;
}

static bool split_cas(void *p, unsigned size, void *expected, uint64_t desired, int order,
		      const char *site)
{
	uint64_t old = weft__model_load(p, size, order == WEFT__RELEASE ? 0 : order, site);

	if (memcmp(&old, expected, size) != 0) {
		memcpy(expected, &old, size);
		return false;
	}
	weft__model_store(p, size, desired, order == WEFT__ACQUIRE ? 0 : order, site);
	return true;
}

/* The order of the load when it fails; its site is told apart for mutants. */
static int failure_order(int order)
{
	return order == WEFT__RELEASE   ? WEFT__RELAXED
	       : order == WEFT__ACQ_REL ? WEFT__ACQUIRE
					: order;
}

bool weft__model_cas(void *p, unsigned size, void *expected, uint64_t desired, int order,
		     const char *site)
{
	const struct op step = op_of(p, true);
	struct wish wish = { .writes = true, .compares = true };
	struct model_thread *t = M.self;
	const bool weak = order & WEFT__WEAK;
	struct location *l;
	struct store *s;
	bool fails;

	order &= ~WEFT__WEAK;
	desired = truncated(desired, size);
	if (!M.running)
		return plain_cas(p, size, expected, desired);
	ENTER();
	if (weft__mutant_is(MUTANT_SPLIT, site))
		return split_cas(p, size, expected, desired, order, site);
	order = weft__mutant_order("cas", site, order);
	memcpy(&wish.expected, expected, size);
	weft__model_point(&step, site);
	weft__shadow_access((uintptr_t)p, size, ATOMIC_WRITE, site);
	l = location_of((uintptr_t)p, size);
	s = choose_store(t, l, order, &wish);
	note_read(t, l, s);
	see(t, l, s);
	fails = s->value != wish.expected;
	if (!fails && weak && t->weak_left > 0 && weft__path_value(2, 3)) {
		t->weak_left--;
		fails = true;
	}
	acquire(t, s, fails ? failure_order(order) : order);
	if (!fails)
		store_behind(t, l, s, desired, order, s);
	if (M.tracing)
		weft__trace(fails ? "fails to swap" : "swaps", (uintptr_t)p, site,
			    "%#llx for %#llx, found %#llx%s %s", (unsigned long long)desired,
			    (unsigned long long)wish.expected, (unsigned long long)s->value,
			    fails && s != l->newest ? ", which is old," : "", order_names[order]);
	weft__model_pointed();
	if (fails) {
		weft__shadow_access((uintptr_t)expected, size, PLAIN_WRITE, site);
		memcpy(expected, &s->value, size);
	}
	return !fails;
}
