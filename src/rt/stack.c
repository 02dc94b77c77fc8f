/* SPDX-License-Identifier: MIT */
/*
 * The store of stacks behind the workers' caches, one for each size.
 *
 * It has slabs: large pieces of address space, cut into slots. A slot is
 *
 *     | guard | stack, growing down <- | struct weft__stack |
 *
 * and in one of these states:
 *
 *     fresh   never used: no memory, and the guard is still to be made
 *     cold    free, without memory; its bit in the slab's map says so, as it does
 *             for a fresh one
 *     ready   free, with its memory, in a batch: a list of WEFT__STACK_BATCH stacks
 *     out     with a worker: in its cache, or in use
 *
 * Who needs a batch is given the latest ready one, else a single cold slot of
 * a slab that was full, so that the others empty. Who has a batch too many
 * makes it ready; when more are ready than are out, it is made cold at once. (So many
 * sleepers may come and go in waves without a page fault each.) What is ready and was
 * not needed for a while is made cold by weft__stack_trim(). A slab without
 * a stack in use is unmapped if there is another such.
 *
 * `gate` guards all of a store. No system call is made inside: a slab is mapped
 * before it is linked and unmapped after it was unlinked, and a batch's memory is
 * dropped while the batch is nobody else's.
 *
 * After a fork() the child has an empty store. The parent's slabs stay where they
 * are, for the fiber that may have forked.
 */
#include "rt/stack.h"

#include "base/list.h"
#include "base/time.h"
#include "rt/switch.h"
#include "wait/wait.h"

#include <string.h>

enum {
	SLOTS_FIRST = WEFT__BOUND(64, 1), /* of the first slab; each has twice the former's */
	SLOTS_MOST = WEFT__BOUND(1024, 2),
	READY_LEAST = WEFT__BOUND(64, 1), /* batches that may be ready however few are out */
	TRIM_MOST = WEFT__BOUND(32, 1),   /* batches at a time: some 500 us */
	MAP_BITS = 64,
	COLOURS = 16,
	COLOUR = WEFT__BOUND(64, 0), /* bytes */
};

/* For so long a ready batch waits to be needed. */
#define TRIM_EVERY WEFT_SECOND

/* At the low end of its own memory; the slots follow. */
struct weft__stack_slab {
	struct weft__list_node node; /* in `open` while it has a free slot */
	char *base;                  /* of the slots */
	size_t bytes;                /* of everything */
	uint32_t count;              /* slots */
	uint32_t free;
	uint32_t generation;
	struct map {
		uint64_t free, bare; /* bits: free slots; slots without a guard */
	} map[];
};

static struct store {
	WEFT_ALIGNED(WEFT_CACHE_LINE) weft_waitq gate;
	struct weft__stack *ready;
	weft_atomic_u32 ready_count; /* batches; read outside as a hint */
	uint32_t ready_least;        /* since the last trim */
	uint32_t slots_next;         /* of the next slab; 0 is SLOTS_FIRST */
	uint32_t empty;              /* slabs without a stack in use */
	uint32_t slots;
	size_t out;
	size_t bytes;
	int64_t trim_at;
	struct weft__list open;
} stores[WEFT__STACK_CLASSES];

static struct {
	weft_waitq gate;
	bool forks;          /* the child of a fork() forgets */
	uint32_t generation; /* of slabs; counts forks */
} once;

#if WEFT__ASAN
_Thread_local struct weft__strand *weft__strand_left;
#endif

bool weft__stack_watched;

/* ---- geometry -------------------------------------------------------------------- */

static size_t page_round(size_t size)
{
	const size_t mask = WEFT__BOUND(weft__page_size(), 64) - 1;

	return (size + mask) & ~mask;
}

static size_t guard_size(void)
{
	return page_round(WEFT__STACK_GUARD);
}

/* Of the stack and its description. */
static size_t usable_size(enum weft__stack_class class)
{
	return page_round(((size_t)WEFT__STACK_LEAST << 2 * class) + sizeof(struct weft__stack) +
			  COLOURS * COLOUR);
}

static size_t slot_size(enum weft__stack_class class)
{
	return guard_size() + usable_size(class);
}

enum weft__stack_class weft__stack_class_of(size_t size)
{
	enum weft__stack_class class = WEFT__STACK_16K;

	if (size == 0)
		return WEFT__STACK_64K;
	while (class < WEFT__STACK_CLASSES - 1 && size > (size_t)16384 << 2 * class)
		class ++;
	return class;
}

static char *low_end(const struct weft__stack_slab *slab, uint32_t slot,
		     enum weft__stack_class class)
{
	return slab->base + slot * slot_size(class) + guard_size();
}

/* Writes the description of a slot that was cold. Stacks begin at different places
 * of their page, since the caches of a processor have few places for lines that are
 * alike in the lower bits of their address. */
static struct weft__stack *describe(struct weft__stack_slab *slab, uint32_t slot,
				    enum weft__stack_class class)
{
	char *low = low_end(slab, slot, class);
	char *high = low + usable_size(class) - slot % COLOURS * COLOUR;
	struct weft__stack *stack = (struct weft__stack *)(void *)high - 1;

	*stack = (struct weft__stack){ .low = low, .slab = slab, .slot = slot };
	stack->size = (size_t)((char *)stack - low);
	stack->class = (uint8_t) class;
	stack->announced = weft__stack_announce(low, stack);
	return stack;
}

/* ---- slabs ------------------------------------------------------------------------ */

static uint64_t bit_of(uint32_t slot)
{
	return UINT64_C(1) << slot % MAP_BITS;
}

static void mark_free(struct weft__stack_slab *slab, uint32_t slot)
{
	slab->map[slot / MAP_BITS].free |= bit_of(slot);
	slab->free++;
}

static void mark_bare(struct weft__stack_slab *slab, uint32_t slot)
{
	slab->map[slot / MAP_BITS].bare |= bit_of(slot);
}

/* Takes the lowest free slot; *bare: its guard is to be made. */
static uint32_t first_free(struct weft__stack_slab *slab, bool *bare)
{
	struct map *map = slab->map;
	uint32_t slot;

	while (map->free == 0)
		map++;
	slot = (uint32_t)(map - slab->map) * MAP_BITS + (uint32_t)__builtin_ctzll(map->free);
	*bare = map->bare & bit_of(slot);
	map->free &= ~bit_of(slot);
	map->bare &= ~bit_of(slot);
	slab->free--;
	return slot;
}

static struct weft__stack_slab *slab_of(uint32_t count, enum weft__stack_class class)
{
	const size_t words = (count + MAP_BITS - 1) / MAP_BITS;
	const size_t head = page_round(sizeof(struct weft__stack_slab) +
				       words * sizeof(struct map));
	const size_t bytes = head + count * slot_size(class);
	struct weft__stack_slab *slab = weft__stacks_map(bytes);

	if (!slab)
		return NULL;
	slab->base = (char *)slab + head;
	slab->bytes = bytes;
	slab->count = count;
	slab->generation = once.generation;
	for (uint32_t i = 0; i < count; i++) {
		mark_free(slab, i);
		mark_bare(slab, i);
	}
	return slab;
}

static void forget(void)
{
	memset(stores, 0, sizeof(stores));
	memset(&once.gate, 0, sizeof(once.gate));
	once.generation++;
}

static bool forgets_after_fork(void)
{
	bool good;

	weft__gate_enter(&once.gate);
	if (!once.forks) {
		once.forks = weft__atfork_child(forget) == 0;
		weft__stack_watched = weft__tools_watch();
	}
	good = once.forks;
	weft__gate_leave(&once.gate);
	return good;
}

/* A slab of as many slots as it is the turn of, or as the system has room for. */
static struct weft__stack_slab *slab_new(uint32_t count, enum weft__stack_class class)
{
	struct weft__stack_slab *slab = NULL;

	if (!forgets_after_fork())
		return NULL;
	for (; count > 0 && !slab; count /= 2)
		slab = slab_of(count, class);
	return slab;
}

static uint32_t slots_of_next(const struct store *store)
{
	return store->slots_next ? store->slots_next : SLOTS_FIRST;
}

static void slab_link(struct store *store, struct weft__stack_slab *slab)
{
	weft__list_push_back(&store->open, &slab->node);
	store->slots_next = slots_of_next(store) * 2;
	if (store->slots_next > SLOTS_MOST)
		store->slots_next = SLOTS_MOST;
	store->slots += slab->count;
	store->bytes += slab->bytes;
	store->empty++;
}

/* Takes a slab out that has no stack in use. */
static void slab_unlink(struct store *store, struct weft__stack_slab *slab)
{
	weft__list_remove(&slab->node);
	store->slots -= slab->count;
	store->bytes -= slab->bytes;
	store->empty--;
}

/* ---- cold slots -------------------------------------------------------------------- */

/* A slot in somebody's hands. */
struct slot {
	struct weft__stack_slab *slab;
	uint32_t index;
	bool bare;
};

/* Inside the gate: false when no slab has a free slot. */
static bool slot_take(struct store *store, struct slot *out)
{
	struct weft__list_node *first = weft__list_first(&store->open);
	struct weft__stack_slab *slab;

	if (!first)
		return false;
	slab = weft_container_of(first, struct weft__stack_slab, node);
	if (slab->free == slab->count)
		store->empty--;
	out->slab = slab;
	out->index = first_free(slab, &out->bare);
	if (slab->free == 0)
		weft__list_remove(&slab->node);
	store->out++;
	return true;
}

/* Inside the gate. If the slab is to be unmapped, it is unlinked and joins the list. */
static void slot_give(struct store *store, const struct slot *slot, struct weft__list *unmap)
{
	struct weft__stack_slab *slab = slot->slab;

	if (slab->generation != once.generation)
		return;
	store->out--;
	if (slab->free == 0)
		weft__list_push_front(&store->open, &slab->node);
	mark_free(slab, slot->index);
	if (slot->bare)
		mark_bare(slab, slot->index);
	if (slab->free < slab->count || ++store->empty == 1)
		return;
	slab_unlink(store, slab);
	weft__list_push_back(unmap, &slab->node);
}

/* Slots whose memory has been dropped, at most a batch of them. */
static void slots_give(struct store *store, const struct slot *slots, uint32_t count)
{
	struct weft__list unmap = { 0 };
	struct weft__list_node *node;

	weft__gate_enter(&store->gate);
	for (uint32_t i = 0; i < count; i++)
		slot_give(store, &slots[i], &unmap);
	weft__gate_leave(&store->gate);

	while ((node = weft__list_pop_front(&unmap))) {
		struct weft__stack_slab *slab = weft_container_of(node, struct weft__stack_slab,
								  node);

		if (weft__stacks_unmap(slab, slab->bytes))
			continue;
		weft__gate_enter(&store->gate);
		slab_link(store, slab);
		weft__gate_leave(&store->gate);
	}
}

static struct weft__stack *stack_of(struct store *store, const struct slot *slot,
				    enum weft__stack_class class)
{
	char *low = low_end(slot->slab, slot->index, class);

	if (slot->bare && weft__guard_install(low - guard_size(), guard_size()) != 0) {
		slots_give(store, slot, 1);
		return NULL;
	}
	return describe(slot->slab, slot->index, class);
}

static struct weft__stack *take_cold(struct store *store, enum weft__stack_class class,
				     uint32_t slots)
{
	struct weft__stack_slab *slab = slab_new(slots, class);
	struct slot slot;
	bool taken;

	if (!slab)
		return NULL;
	weft__gate_enter(&store->gate);
	slab_link(store, slab);
	taken = slot_take(store, &slot);
	weft__gate_leave(&store->gate);
	WEFT__ASSERT(taken, "a slab of stacks that was just made has none");
	return stack_of(store, &slot, class);
}

/* Gives the memory of a batch, which is in nobody else's hands, to the system. Slots
 * that are neighbours are dropped by one call, the guards between them staying. */
static void make_cold(struct store *store, struct weft__stack *batch)
{
	const enum weft__stack_class class = batch->class;
	const uint32_t count = batch->count;
	struct slot slots[WEFT__STACK_BATCH];

	for (uint32_t i = 0; i < count; i++, batch = batch->next) {
		slots[i] = (struct slot){ .slab = batch->slab, .index = batch->slot };
		weft__stack_retract(batch->announced);
	}
	for (uint32_t i = 0, n; i < count; i += n) {
		uint32_t least = slots[i].index, most = least;

		for (n = 1; i + n < count && slots[i + n].slab == slots[i].slab; n++) {
			if (slots[i + n].index == most + 1)
				most++;
			else if (slots[i + n].index + 1 == least)
				least--;
			else
				break;
		}
		weft__pages_drop(low_end(slots[i].slab, least, class),
				 (most - least) * slot_size(class) + usable_size(class));
	}
	slots_give(store, slots, count);
}

/* ---- ready batches ------------------------------------------------------------------- */

static void set_ready_count(struct store *store, uint32_t count)
{
	weft_store_relaxed(&store->ready_count, count);
	if (count < store->ready_least)
		store->ready_least = count;
}

/* Inside the gate: the latest batch, or NULL. */
static struct weft__stack *ready_pop(struct store *store)
{
	struct weft__stack *batch = store->ready;

	if (batch) {
		store->ready = batch->batch;
		store->out += batch->count;
		set_ready_count(store, weft_load_plain(&store->ready_count) - 1);
	}
	return batch;
}

static void make_ready(struct store *store, struct weft__stack *batch, uint32_t count)
{
	uint32_t batches;
	bool room;

	batch->count = (uint8_t)count;
	weft__gate_enter(&store->gate);
	batches = weft_load_plain(&store->ready_count);
	room = batches < READY_LEAST || batches < store->out / WEFT__STACK_BATCH;
	if (room) {
		batch->batch = store->ready;
		store->ready = batch;
		store->out -= count;
		set_ready_count(store, batches + 1);
	}
	weft__gate_leave(&store->gate);
	if (!room)
		make_cold(store, batch);
}

struct weft__stack *weft__stack_take_shared(struct weft__stack_cache *cache,
					    enum weft__stack_class class)
{
	struct weft__stack_shelf *shelf = &cache->shelves[class];
	struct store *store = &stores[class];
	struct weft__stack *batch = shelf->spare;
	struct slot slot = { 0 };
	uint32_t slots = 0;

	if (!batch) {
		weft__gate_enter(&store->gate);
		batch = ready_pop(store);
		if (!batch && !slot_take(store, &slot))
			slots = slots_of_next(store);
		weft__gate_leave(&store->gate);
	}
	if (slots)
		return take_cold(store, class, slots);
	if (!batch)
		return stack_of(store, &slot, class);
	shelf->spare = NULL;
	shelf->hot = batch->next;
	shelf->count = batch->count - 1u;
	return batch;
}

void weft__stack_make_room(struct weft__stack_shelf *shelf, enum weft__stack_class class)
{
	if (shelf->spare)
		make_ready(&stores[class], shelf->spare, WEFT__STACK_BATCH);
	shelf->spare = shelf->hot;
	shelf->spare->count = WEFT__STACK_BATCH;
	shelf->hot = NULL;
	shelf->count = 0;
}

void weft__stack_cache_empty(struct weft__stack_cache *cache)
{
	for (int class = 0; class < WEFT__STACK_CLASSES; class ++) {
		struct weft__stack_shelf *shelf = &cache->shelves[class];

		if (shelf->spare)
			make_ready(&stores[class], shelf->spare, WEFT__STACK_BATCH);
		if (shelf->hot)
			make_ready(&stores[class], shelf->hot, shelf->count);
		*shelf = (struct weft__stack_shelf){ 0 };
	}
}

/* ---- trimming --------------------------------------------------------------------------- */

/* Of the batches that there were too many since the last time: some, as a chain. */
static struct weft__stack *excess(struct store *store, int64_t now)
{
	struct weft__stack *chain = NULL;
	uint32_t count = store->ready_least;

	for (int i = 0; i < TRIM_MOST && count > 0; i++, count--) {
		struct weft__stack *batch = ready_pop(store);

		batch->batch = chain;
		chain = batch;
	}
	store->ready_least = count;
	if (count == 0) {
		store->ready_least = weft_load_plain(&store->ready_count);
		store->trim_at = weft__time_add(now, TRIM_EVERY);
	}
	return chain;
}

static int64_t trim(struct store *store, int64_t now)
{
	struct weft__stack *chain = NULL;
	int64_t again;

	if (weft_load_relaxed(&store->ready_count) == 0)
		return WEFT_NEVER;
	weft__gate_enter(&store->gate);
	if (now >= store->trim_at)
		chain = excess(store, now);
	again = weft_load_plain(&store->ready_count) ? store->trim_at : WEFT_NEVER;
	weft__gate_leave(&store->gate);
	while (chain) {
		struct weft__stack *batch = chain;

		chain = batch->batch;
		make_cold(store, batch);
	}
	return again;
}

int64_t weft__stack_trim(int64_t now)
{
	int64_t again = WEFT_NEVER;

	for (int class = 0; class < WEFT__STACK_CLASSES; class ++) {
		int64_t next = trim(&stores[class], now);

		if (next < again)
			again = next;
	}
	return again;
}

/* ---- looking ------------------------------------------------------------------------------ */

/* Others may be running there, and tools think that what was used is not to be read. */
__attribute__((no_sanitize("address", "thread"))) size_t weft__stack_high_water(
	const struct weft__stack *stack)
{
	const size_t whole = stack->size & ~(weft__page_size() - 1);
	const char *low = stack->low;
	const uintptr_t *word = (const uintptr_t *)(const void *)(low + weft__pages_untouched(
										low, whole));

	/* A tool that watches lets whole pages be told. */
	while (!weft__stack_watched && word < (const uintptr_t *)(const void *)stack && *word == 0)
		word++;
	return (size_t)((const char *)stack - (const char *)word);
}

void weft__stack_count(struct weft__stack_counts *out)
{
	*out = (struct weft__stack_counts){ 0 };
	for (int class = 0; class < WEFT__STACK_CLASSES; class ++) {
		struct store *store = &stores[class];
		size_t ready = 0;

		weft__gate_enter(&store->gate);
		for (struct weft__stack *batch = store->ready; batch; batch = batch->batch)
			ready += batch->count;
		out->ready += ready;
		out->mapped += store->slots;
		out->out += store->out;
		out->bytes += store->bytes;
		weft__gate_leave(&store->gate);
	}
}
