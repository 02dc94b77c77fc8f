/* SPDX-License-Identifier: MIT */
/*
 * Parts of the runtime by themselves: the stealable ring, the inbox, the injector, the
 * census of idle workers with its sleep and its wakes, and the end of a scope's work.
 * No fiber runs: a node stands for one, and a model's own loop for the worker's.
 */
#include "rig.h"

#include <weft.h>

#include "rt/idle.h"
#include "rt/inbox.h"
#include "rt/injector.h"
#include "rt/ring.h"
#include "sync/sync.h"
#include "thread/thread.h"

/* Stands for a fiber: a plain count of how often somebody got it. */
struct item {
	struct weft__fifo_node node;
	int got;
	int written; /* before it was handed over */
};

static void item_get(struct weft__fifo_node *node)
{
	struct item *item = weft_container_of(node, struct item, node);

	WEFT_CHECK(item->written == 1);
	item->got++;
	WEFT_CHECK(item->got == 1);
}

static int chain_get(struct weft__fifo *chain)
{
	struct weft__fifo_node *node;
	int count = 0;

	while ((node = weft__fifo_pop(chain))) {
		item_get(node);
		count++;
	}
	return count;
}

/* ---- the ring ---------------------------------------------------------------------- */

enum { RING_ITEMS = 6 };

struct ring_world {
	struct weft__deals ring;
	struct item items[RING_ITEMS];
	int pushes, thefts;
};

static bool ring_push(struct ring_world *r, int index)
{
	r->items[index].written = 1;
	return weft__deals_push(&r->ring, &r->items[index].node, true);
}

static void ring_thief(void *arg)
{
	struct ring_world *r = arg;
	struct weft__fifo chain = { 0 };

	for (int i = 0; i < r->thefts; i++)
		weft__deals_take(&r->ring, &chain);
	chain_get(&chain);
}

/* Pushes, popping in between when it is full, beside one or two thieves; then nobody
 * has got anything twice, and all is got. */
static void ring_program(int pushes, int thieves, int thefts)
{
	struct ring_world *r = weft_check_alloc(sizeof(*r));
	struct weft__fifo_node *node;
	int threads[2];

	r->pushes = pushes;
	r->thefts = thefts;
	for (int i = 0; i < thieves; i++)
		threads[i] = SPAWN(ring_thief, r);
	for (int i = 0; i < pushes; i++)
		while (!ring_push(r, i))
			if ((node = weft__deals_pop(&r->ring, true)))
				item_get(node);
	while ((node = weft__deals_pop(&r->ring, true)))
		item_get(node);
	for (int i = 0; i < thieves; i++)
		weft_check_join(threads[i]);
	while ((node = weft__deals_pop(&r->ring, true)))
		item_get(node);
	for (int i = 0; i < pushes; i++)
		WEFT_CHECK(r->items[i].got == 1);
	weft_check_free(r);
}

#define RING "src/rt/ring.h"

MODEL(rt_ring_thief, .covers = RING)
{
	ring_program(2, 1, 1);
}

MODEL(rt_ring_two_thieves, .covers = RING, .preemptions = 3, .preemptions_long = 4)
{
	ring_program(3, 2, 1);
}

/* One more than it has slots: a slot is written again behind a thief's back. */
MODEL(rt_ring_wraps, .covers = RING, .preemptions = 2, .preemptions_long = 3)
{
	ring_program(WEFT__DEALS + 1, 1, 2);
}

/* ---- the inbox --------------------------------------------------------------------- */

struct inbox_world {
	struct weft__inbox inbox;
	weft_event poller;
	weft_atomic_u32 roused;
	struct item items[2];
	uint32_t due;
};

static void inbox_rouse(struct inbox_world *w)
{
	weft_event_set(&w->poller);
	weft__leave(&w->roused);
}

static void inbox_waker(void *arg)
{
	struct inbox_world *w = arg;

	w->items[0].written = 1;
	if (weft__inbox_push(&w->inbox, &w->items[0].node))
		inbox_rouse(w);
}

static void inbox_second_waker(void *arg)
{
	struct inbox_world *w = arg;

	w->items[1].written = 1;
	if (weft__inbox_push(&w->inbox, &w->items[1].node))
		inbox_rouse(w);
}

static int inbox_get(struct weft__fifo_node *node)
{
	int count = 0;

	while (node) {
		struct weft__fifo_node *next = node->next;

		item_get(node);
		node = next;
		count++;
	}
	return count;
}

/* The worker takes what comes, and sleeps when nothing is there, until it has `all`; then
 * it waits for those who have roused it, and is gone. */
static void inbox_worker(struct inbox_world *w, int all)
{
	int count = 0;

	while (count < all) {
		struct weft__fifo_node *chain;

		if (weft__inbox_filled(&w->inbox)) {
			count += inbox_get(weft__inbox_empty(&w->inbox));
			continue;
		}
		if (!weft__inbox_sleep(&w->inbox))
			continue;
		weft__event_await(&w->poller);
		weft_event_reset(&w->poller);
		if (weft__inbox_get_up(&w->inbox, &chain))
			w->due++;
		count += inbox_get(chain);
	}
	weft__await_left(&w->roused, w->due);
}

#define INBOX "src/rt/inbox.h src/rt/idle.c"

MODEL(rt_inbox_one_waker, .covers = INBOX)
{
	struct inbox_world *w = weft_check_alloc(sizeof(*w));
	int thread = SPAWN(inbox_waker, w);

	inbox_worker(w, 1);
	/* The waker does not touch it any more. */
	weft_check_free(w);
	weft_check_join(thread);
}

MODEL(rt_inbox_two_wakers, .covers = INBOX, .preemptions = 3, .preemptions_long = 4)
{
	struct inbox_world *w = weft_check_alloc(sizeof(*w));
	int one = SPAWN(inbox_waker, w), two = SPAWN(inbox_second_waker, w);

	inbox_worker(w, 2);
	weft_check_free(w);
	weft_check_join(one);
	weft_check_join(two);
}

/* ---- the injector and the census --------------------------------------------------- */

enum { SLEEPERS = 2 };

struct bedroom {
	struct weft__idle idle;
	struct weft__injector injector;
	struct weft__shard shards[2];
	weft_atomic_u32 flag; /* no more will come */
	weft_atomic_u32 count;
	struct guest {
		struct bedroom *room;
		unsigned index;
		struct weft__inbox inbox;
		weft_event poller;
		weft_atomic_u32 roused;
		uint32_t due;
	} guests[SLEEPERS];
	struct item items[3];
};

static void guest_rouse(struct weft__idle *idle, unsigned index)
{
	struct bedroom *room = weft_container_of(idle, struct bedroom, idle);
	struct guest *guest = &room->guests[index];

	if (weft__inbox_rouse(&guest->inbox)) {
		weft_event_set(&guest->poller);
		weft__leave(&guest->roused);
	}
}

static bool guest_wanted(void *arg)
{
	struct guest *guest = arg;

	return weft__injector_filled(&guest->room->injector) ||
	       weft_load_seq_cst(&guest->room->flag);
}

static void guest_sleep(void *arg)
{
	struct guest *guest = arg;

	weft__event_await(&guest->poller);
	weft_event_reset(&guest->poller);
}

static void guest_found(struct guest *guest)
{
	struct weft__idle *idle = &guest->room->idle;

	if (weft__idle_found(idle) && weft__injector_filled(&guest->room->injector))
		(void)weft__idle_wake(idle);
}

/* A worker: searching, it takes one piece of work after the other, and sleeps when there
 * is none; it ends when the flag is up and nothing is left. */
static void guest_work(void *arg)
{
	struct guest *guest = arg;
	struct bedroom *room = guest->room;
	const struct weft__bed bed = { guest_wanted, guest_sleep, guest };

	weft__idle_search(&room->idle);
	for (;;) {
		struct weft__fifo chain = { 0 };
		struct weft__fifo_node *wakes;

		if (weft__injector_take(&room->injector, guest->index, 1, &chain)) {
			guest_found(guest);
			weft_add_relaxed(&room->count, (uint32_t)chain_get(&chain));
			weft__idle_search(&room->idle);
			continue;
		}
		/* What was injected before the flag is seen after it. */
		if (weft_load_seq_cst(&room->flag)) {
			if (!weft__injector_filled(&room->injector))
				break;
			continue;
		}
		if (weft__idle_sleep(&room->idle, guest->index, &guest->inbox, &bed, &wakes))
			guest->due++;
	}
	weft__await_left(&guest->roused, guest->due);
}

static struct bedroom *bedroom_new(void)
{
	struct bedroom *room = weft__pages_map(sizeof(*room));

	weft__idle_init(&room->idle, SLEEPERS, guest_rouse);
	room->injector = (struct weft__injector){ room->shards, 2 };
	for (unsigned i = 0; i < SLEEPERS; i++) {
		room->guests[i].room = room;
		room->guests[i].index = i;
	}
	return room;
}

static void inject(struct bedroom *room, int index)
{
	struct weft__fifo chain = { 0 };

	room->items[index].written = 1;
	weft__fifo_push(&chain, &room->items[index].node);
	weft__injector_push(&room->injector, (unsigned)index, &chain, 1);
	weft__idle_announce(&room->idle);
}

/* The flag wakes everybody, by the inbox alone, as errands and the end do. */
static void flag_up(struct bedroom *room, int guests)
{
	weft_swap_seq_cst(&room->flag, 1);
	for (int i = 0; i < guests; i++)
		guest_rouse(&room->idle, (unsigned)i);
}

static void bedroom_program(int guests, int items)
{
	struct bedroom *room = bedroom_new();
	int threads[SLEEPERS];

	for (int i = 0; i < guests; i++)
		threads[i] = SPAWN(guest_work, &room->guests[i]);
	for (int i = 0; i < items; i++)
		inject(room, i);
	flag_up(room, guests);
	for (int i = 0; i < guests; i++)
		weft_check_join(threads[i]);
	WEFT_CHECK(weft_load_relaxed(&room->count) == (uint32_t)items);
	weft__pages_unmap(room, sizeof(*room));
}

#define IDLE "src/rt/idle src/rt/injector src/rt/inbox.h"

/* Work arrives without the flag, so nothing but the census can wake the sleeper for it. */
static void bedroom_await(int guests, int items)
{
	struct bedroom *room = bedroom_new();
	int threads[SLEEPERS];

	for (int i = 0; i < guests; i++)
		threads[i] = SPAWN(guest_work, &room->guests[i]);
	for (int i = 0; i < items; i++)
		inject(room, i);
	while (weft_load_relaxed(&room->count) < (uint32_t)items)
		weft_pause();
	flag_up(room, guests);
	for (int i = 0; i < guests; i++)
		weft_check_join(threads[i]);
	weft__pages_unmap(room, sizeof(*room));
}

MODEL(rt_idle_one_sleeper, .covers = IDLE, .preemptions = 3, .preemptions_long = 4)
{
	bedroom_await(1, 1);
}

MODEL(rt_idle_two_items, .covers = IDLE, .preemptions = 2, .preemptions_long = 3)
{
	bedroom_await(1, 2);
}

MODEL(rt_idle_two_sleepers, .covers = IDLE, .preemptions = 2, .preemptions_long = 2)
{
	bedroom_await(2, 2);
}

/* Each of two workers does one piece of work and leaves: so neither can do the other's,
 * and each must have been woken. */
static void guest_work_once(void *arg)
{
	struct guest *guest = arg;
	struct bedroom *room = guest->room;
	const struct weft__bed bed = { guest_wanted, guest_sleep, guest };
	struct weft__fifo chain = { 0 };

	weft__idle_search(&room->idle);
	while (!weft__injector_take(&room->injector, guest->index, 1, &chain)) {
		struct weft__fifo_node *wakes;

		if (weft__idle_sleep(&room->idle, guest->index, &guest->inbox, &bed, &wakes))
			guest->due++;
	}
	guest_found(guest);
	chain_get(&chain);
	weft__await_left(&guest->roused, guest->due);
}

MODEL(rt_idle_one_each, .covers = IDLE, .preemptions = 2, .preemptions_long = 3, .random = 20000)
{
	struct bedroom *room = bedroom_new();
	int threads[SLEEPERS];

	for (int i = 0; i < SLEEPERS; i++)
		threads[i] = SPAWN(guest_work_once, &room->guests[i]);
	for (int i = 0; i < SLEEPERS; i++)
		inject(room, i);
	for (int i = 0; i < SLEEPERS; i++)
		weft_check_join(threads[i]);
	weft__pages_unmap(room, sizeof(*room));
}

/* The same with a ring: its owner makes the work, and goes on with something else. */
struct ring_room {
	struct bedroom room;
	struct weft__deals ring;
};

static bool ring_wanted(void *arg)
{
	struct guest *guest = arg;

	return weft__deals_count(&weft_container_of(guest->room, struct ring_room, room)->ring) >
	       0;
}

static void ring_guest(void *arg)
{
	struct guest *guest = arg;
	struct ring_room *r = weft_container_of(guest->room, struct ring_room, room);
	const struct weft__bed bed = { ring_wanted, guest_sleep, guest };
	struct weft__fifo chain = { 0 };

	weft__idle_search(&r->room.idle);
	while (!weft__deals_take(&r->ring, &chain)) {
		struct weft__fifo_node *wakes;

		if (weft__idle_sleep(&r->room.idle, guest->index, &guest->inbox, &bed, &wakes))
			guest->due++;
	}
	(void)weft__idle_found(&r->room.idle);
	chain_get(&chain);
	weft__await_left(&guest->roused, guest->due);
}

MODEL(rt_idle_steals, .covers = "src/rt/ring.h src/rt/idle src/rt/inbox.h", .preemptions = 3,
      .preemptions_long = 4)
{
	struct ring_room *r = weft__pages_map(sizeof(*r));
	int thread;

	weft__idle_init(&r->room.idle, 1, guest_rouse);
	r->room.guests[0].room = &r->room;
	thread = SPAWN(ring_guest, &r->room.guests[0]);
	r->room.items[0].written = 1;
	weft__deals_push(&r->ring, &r->room.items[0].node, true);
	weft__idle_announce(&r->room.idle);
	weft_check_join(thread);
	weft__pages_unmap(r, sizeof(*r));
}

MODEL(rt_idle_end, .covers = IDLE, .preemptions = 2, .preemptions_long = 3)
{
	bedroom_program(2, 1);
}

/* ---- the end of a scope's work ----------------------------------------------------- */

static void scope_worker(void *arg)
{
	weft__scope_end(arg, 0);
}

static void scope_failing_worker(void *arg)
{
	weft__scope_end(arg, -7);
}

/* To end the work is the last touch: the opener may free the scope. */
MODEL(rt_scope_closes, .covers = "src/thread/scope.c src/sync/waitgroup.c")
{
	weft_scope *scope = weft_check_alloc(sizeof(*scope));
	int thread;

	weft_scope_open(scope);
	weft__scope_begin(scope);
	thread = SPAWN(scope_worker, scope);
	WEFT_CHECK(weft_scope_close(scope) == 0);
	weft_check_free(scope);
	weft_check_join(thread);
}

MODEL(rt_scope_fails, .covers = "src/thread/scope.c src/sync/waitgroup.c src/wait/token.c",
      .preemptions = 3, .preemptions_long = 4)
{
	weft_scope *scope = weft_check_alloc(sizeof(*scope));
	int one, two;

	weft_scope_open(scope);
	weft__scope_begin(scope);
	weft__scope_begin(scope);
	one = SPAWN(scope_worker, scope);
	two = SPAWN(scope_failing_worker, scope);
	WEFT_CHECK(weft_scope_close(scope) == -7);
	weft_check_free(scope);
	weft_check_join(one);
	weft_check_join(two);
}
