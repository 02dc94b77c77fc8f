/* SPDX-License-Identifier: MIT */
/*
 * Bugs that were published, in small re-creations: the checker must find each, and
 * must find nothing in the same program without it. The argument says which.
 */
#include "rig.h"

#include <errno.h>

#include <weft.h>

enum { RIGHT, WRONG };

static bool wrong(const void *arg)
{
	return (intptr_t)arg == WRONG;
}

/* The program as it should be, and the one with the bug. */
#define PUBLISHED(ident, verdict, ...)                                     \
	MODEL_OF(ident##_right, ident, .arg = (void *)RIGHT, __VA_ARGS__); \
	MODEL_OF(ident##_is_found, ident, .arg = (void *)WRONG, .expects = verdict, __VA_ARGS__)

/* ---- an item stolen twice ------------------------------------------------- */

/* Chase and Lev's deque, of one or two items (crossbeam-deque, RUSTSEC-2021-0093 was
 * a steal that did not look again; here the owner's look at `top` is not ordered
 * after its claim of `bottom`). */
struct deque {
	weft_atomic_i64 top, bottom;
	int items[2];
	weft_atomic_i32 taken[2];
	bool is_wrong;
};

static void deque_took(struct deque *d, int64_t at)
{
	WEFT_CHECK(weft_add_relaxed(&d->taken[at], 1) == 0);
}

static void deque_steal(void *arg)
{
	struct deque *d = arg;
	int64_t top = weft_load_seq_cst(&d->top);
	int64_t bottom = weft_load_seq_cst(&d->bottom);

	if (top < bottom && weft_cas_seq_cst(&d->top, &top, top + 1))
		deque_took(d, top);
}

static void deque_pop(struct deque *d)
{
	int64_t bottom = weft_load_relaxed(&d->bottom) - 1, top;

	if (d->is_wrong) {
		weft_store_relaxed(&d->bottom, bottom);
		top = weft_load_relaxed(&d->top);
	} else {
		weft_store_seq_cst(&d->bottom, bottom);
		top = weft_load_seq_cst(&d->top);
	}
	if (top < bottom) {
		deque_took(d, bottom);
		return;
	}
	if (top == bottom && weft_cas_seq_cst(&d->top, &top, top + 1))
		deque_took(d, bottom);
	weft_store_relaxed(&d->bottom, bottom + 1);
}

static void item_stolen_twice(void *arg)
{
	struct deque *d = weft_check_alloc(sizeof(*d));

	d->is_wrong = wrong(arg);
	weft_atomic_init(&d->bottom, 2);
	SPAWN(deque_steal, d);
	SPAWN(deque_steal, d);
	deque_pop(d);
	weft_check_join(1);
	weft_check_join(2);
	weft_check_free(d);
}

PUBLISHED(item_stolen_twice, WEFT_CHECK_ASSERTION);

/* ---- a channel's block freed twice ---------------------------------------- */

/* The last receiver discards what is there while a sender still links its block in
 * (crossbeam RUSTSEC-2025-0024): the block is freed by the receiver, who does not
 * take it out, and again as the channel goes. */
struct list {
	weft_atomic_ptr head;
	weft_atomic_u32 ends;
	bool is_wrong;
};

static void list_drop_end(struct list *l)
{
	if (weft_sub_acq_rel(&l->ends, 1) != 1)
		return;
	weft_check_free(weft_load_acquire(&l->head));
	weft_check_free(l);
}

static void list_sender(void *arg)
{
	struct list *l = arg;
	int *block = weft_check_alloc(sizeof(*block));
	void *empty = NULL;

	*block = 1;
	if (!weft_cas_acq_rel(&l->head, &empty, block))
		weft_check_free(block);
	list_drop_end(l);
}

static void block_freed_twice(void *arg)
{
	struct list *l = weft_check_alloc(sizeof(*l));

	l->is_wrong = wrong(arg);
	weft_atomic_init(&l->ends, 2);
	SPAWN(list_sender, l);
	if (l->is_wrong)
		weft_check_free(weft_load_acquire(&l->head));
	else
		weft_check_free(weft_swap_acq_rel(&l->head, NULL));
	list_drop_end(l);
}

PUBLISHED(block_freed_twice, WEFT_CHECK_DOUBLE_FREE);

/* ---- a cancelled waiter that swallows its wake ---------------------------- */

/* (tokio #5396, event-listener #138.) Two wait for one notification; the first is
 * cancelled after it was notified, and does not pass it on. */
struct notify {
	weft_mutex mutex;
	bool waits[2], notified[2];
	weft_event events[2];
	bool is_wrong;
};

static void notify_one(struct notify *n)
{
	int chosen = -1;

	weft_mutex_lock(&n->mutex);
	for (int i = 0; i < 2 && chosen < 0; i++)
		if (n->waits[i] && !n->notified[i])
			chosen = i;
	if (chosen >= 0) {
		n->notified[chosen] = true;
		weft_event_set(&n->events[chosen]);
	}
	weft_mutex_unlock(&n->mutex);
}

static void notify_leaver(void *arg)
{
	struct notify *n = arg;
	bool swallowed;

	if (weft_event_wait_until(&n->events[0], 5 * WEFT_SECOND) == 0) {
		notify_one(n); /* it was served: the next one's turn */
		return;
	}
	weft_mutex_lock(&n->mutex);
	n->waits[0] = false;
	swallowed = n->notified[0];
	weft_mutex_unlock(&n->mutex);
	if (swallowed && !n->is_wrong)
		notify_one(n);
}

static void notify_stayer(void *arg)
{
	struct notify *n = arg;

	WEFT_CHECK(weft_event_wait(&n->events[1]) == 0);
}

static void wake_swallowed(void *arg)
{
	struct notify *n = weft_check_alloc(sizeof(*n));

	n->is_wrong = wrong(arg);
	n->waits[0] = n->waits[1] = true;
	SPAWN(notify_leaver, n);
	SPAWN(notify_stayer, n);
	notify_one(n);
	weft_check_join(1);
	weft_check_join(2);
	weft_check_free(n);
}

PUBLISHED(wake_swallowed, WEFT_CHECK_DEADLOCK, .preemptions = 2);

/* ---- a waiter freed while the waker still touches it ---------------------- */

struct waiter {
	weft_atomic_u32 done;
	weft_event *event;
};

struct waking {
	struct waiter *waiter;
	weft_event event;
	bool is_wrong;
};

static void waker(void *arg)
{
	struct waking *w = arg;
	weft_event *event = w->waiter->event;

	weft_store_release(&w->waiter->done, 1);
	weft_event_set(w->is_wrong ? w->waiter->event : event);
}

static void waiter_freed_early(void *arg)
{
	struct waking *w = weft_check_alloc(sizeof(*w));

	w->is_wrong = wrong(arg);
	w->waiter = weft_check_alloc(sizeof(*w->waiter));
	w->waiter->event = &w->event;
	SPAWN(waker, w);
	/* It looks for itself first, as many a wait does. */
	if (!weft_load_acquire(&w->waiter->done))
		WEFT_CHECK(weft_event_wait(&w->event) == 0);
	weft_check_free(w->waiter);
	weft_check_join(1);
	weft_check_free(w);
}

PUBLISHED(waiter_freed_early, WEFT_CHECK_USE_AFTER_FREE, .preemptions = 2);

/* ---- a spin lock whose unlock is relaxed ---------------------------------- */

struct spin {
	weft_atomic_u32 locked;
	int count;
	bool is_wrong;
};

static void spin_add(void *arg)
{
	struct spin *s = arg;

	while (weft_swap_acquire(&s->locked, 1))
		weft_pause();
	s->count++;
	if (s->is_wrong)
		weft_store_relaxed(&s->locked, 0);
	else
		weft_store_release(&s->locked, 0);
}

static void relaxed_unlock(void *arg)
{
	struct spin *s = weft_check_alloc(sizeof(*s));

	s->is_wrong = wrong(arg);
	SPAWN(spin_add, s);
	spin_add(s);
	weft_check_join(1);
	WEFT_CHECK(s->count == 2);
	weft_check_free(s);
}

PUBLISHED(relaxed_unlock, WEFT_CHECK_RACE);

/* ---- flags that are stored and then loaded, without order ----------------- */

struct flags {
	weft_atomic_u32 wants[2];
	int guarded;
	bool is_wrong;
};

static void enter(struct flags *f, int self)
{
	uint32_t other;

	if (f->is_wrong) {
		weft_store_release(&f->wants[self], 1);
		other = weft_load_acquire(&f->wants[!self]);
	} else {
		weft_store_seq_cst(&f->wants[self], 1);
		other = weft_load_seq_cst(&f->wants[!self]);
	}
	if (!other)
		f->guarded++;
}

static void enter_second(void *arg)
{
	enter(arg, 1);
}

static void flags_without_order(void *arg)
{
	struct flags *f = weft_check_alloc(sizeof(*f));

	f->is_wrong = wrong(arg);
	SPAWN(enter_second, f);
	enter(f, 0);
	weft_check_join(1);
	weft_check_free(f);
}

PUBLISHED(flags_without_order, WEFT_CHECK_RACE);

/* ---- and one of each other verdict ---------------------------------------- */

MODEL(leak_is_found, .expects = WEFT_CHECK_LEAK)
{
	weft_check_alloc(8);
}

static void wait_for_ever(void *arg)
{
	while (!weft_load_relaxed((weft_atomic_u32 *)arg))
		weft_pause();
}

MODEL(livelock_is_found, .expects = WEFT_CHECK_LIVELOCK)
{
	weft_atomic_u32 *flag = weft_check_alloc(sizeof(*flag));

	SPAWN(wait_for_ever, flag);
	weft_check_join(1);
	weft_check_free(flag);
}

static weft_atomic_u32 *escaped;

static void use_escaped(void *arg)
{
	(void)arg;
	weft_store_relaxed(escaped, 1);
}

static __attribute__((noinline)) void let_frame_escape(void)
{
	weft_atomic_u32 local;

	weft_store_relaxed(&local, 0);
	escaped = &local;
	SPAWN(use_escaped, NULL);
}

MODEL(returned_frame_is_found, .expects = WEFT_CHECK_USE_AFTER_FREE)
{
	let_frame_escape();
	weft_check_join(1);
}

/* Fresh memory, of which only atomics are used, handed over by a pointer that orders nothing:
 * the reader knows neither what was there before nor that it was made. */
struct fresh {
	weft_atomic_ptr made;
	bool is_wrong;
};

static void use_fresh(void *arg)
{
	struct fresh *f = arg;
	weft_atomic_u32 *memory = f->is_wrong ? weft_load_relaxed(&f->made)
					      : weft_load_acquire(&f->made);

	if (memory)
		WEFT_CHECK(weft_load_relaxed(memory) == 0);
}

static void fresh_memory(void *arg)
{
	struct fresh *f = weft_check_alloc(sizeof(*f));
	weft_atomic_u32 *memory;

	f->is_wrong = wrong(arg);
	SPAWN(use_fresh, f);
	memory = weft_check_alloc(sizeof(*memory));
	weft_store_release(&f->made, memory);
	weft_check_join(1);
	weft_check_free(memory);
	weft_check_free(f);
}

PUBLISHED(fresh_memory, WEFT_CHECK_RACE);

/* A queue of which two poppers may get the same value: no race, but no queue. */
struct torn {
	weft_atomic_u32 next;
	bool is_wrong;
};

static void torn_pop(void *arg)
{
	struct torn *t = arg;
	int call = weft_check_call_begin(WEFT_CHECK_POP, 0, 0);
	uint32_t at;

	if (t->is_wrong) {
		at = weft_load_acquire(&t->next);
		weft_store_release(&t->next, at + 1);
	} else {
		at = weft_add_acq_rel(&t->next, 1);
	}
	weft_check_call_end(call, at + 10);
}

static void not_linearizable(void *arg)
{
	struct torn *t = weft_check_alloc(sizeof(*t));

	t->is_wrong = wrong(arg);
	for (int i = 0; i < 2; i++)
		weft_check_call_end(weft_check_call_begin(WEFT_CHECK_PUSH, 0, 10 + i), 0);
	SPAWN(torn_pop, t);
	torn_pop(t);
	weft_check_join(1);
	weft_check_linearizable(&weft_check_queue);
	weft_check_free(t);
}

PUBLISHED(not_linearizable, WEFT_CHECK_HISTORY);

/* ---- what the compiler or the system may do to a right program ------------ */

static void waits_on_futex_once(void *arg)
{
	weft_event *e = arg;

	WEFT_CHECK(weft_event_wait(e) == 0);
}

MODEL(no_memory_is_explored, .failures = 1, .expects = WEFT_CHECK_ASSERTION)
{
	void *p = weft_check_alloc(8);

	WEFT_CHECK(p != NULL);
	weft_check_free(p);
}

MODEL(deadlock_is_found, .expects = WEFT_CHECK_DEADLOCK)
{
	weft_event *e = weft_check_alloc(sizeof(*e));

	SPAWN(waits_on_futex_once, e);
	weft_check_join(1);
	weft_check_free(e);
}
