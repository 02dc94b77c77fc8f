/* SPDX-License-Identifier: MIT */
/*
 * What there is beside each eight bytes that the program has touched: a granule, with
 * the records of record.c and the atomics that lie there. And allocations, and variables
 * to be set back.
 *
 * An access has to come after the allocation in happens-before: fresh memory was written
 * by nobody yet, as far as the accessor knows.
 *
 * Freed memory is not used again in the same run. Freeing races with every access
 * that did not happen before it, so a use after free is found even in a run in
 * which the use came first.
 *
 * Granules are found by address in tables that shadow the program's variables, the
 * threads' blocks and stacks; and by hash for what lies elsewhere.
 */
#include "model/record.h"

#include <stdio.h>
#include <string.h>

enum {
	ARENA_SIZE = 4 << 20,
	BLOCKS = 4096,
	STRAYS = 1 << 12,
	KEPT = 1 << 14,
	NAMES = 64,
};

struct granule {
	struct location *locations;
	uint32_t run; /* of the locations; the records are older than the run */
	struct records records;
};

/* A range of memory with a table of granules beside it. */
struct range {
	uintptr_t begin, end;
	struct granule *granules;
};

struct block {
	uintptr_t address;
	size_t size;
	const void *caller;
	bool live;
};

struct kept {
	uintptr_t address;
	uint64_t value;
};

struct name {
	uintptr_t begin, end;
	const char *name;
};

static struct range variables, arenas, stacks;
static unsigned char *arena_state; /* of each granule of the arenas */
static uint32_t *arena_clock;      /* when it was allocated, by its arena's thread */
static size_t arena_used[THREADS];
static uintptr_t program_begin;
static struct granule *strays;
static uintptr_t stray_keys[STRAYS];
static uint16_t with_locations[1 << 12]; /* the run, where an atomic may lie nearby */
static struct block blocks[BLOCKS];
static int blocks_count;
static struct kept kept[KEPT];
static int kept_count;
static uint32_t *kept_run; /* of each eight bytes of the variables */
static struct name names[NAMES];
static int names_count;

enum { NOT_MINE, LIVE, FREED };

static void range_make(struct range *r, uintptr_t begin, uintptr_t end)
{
	r->begin = begin;
	r->end = end;
	r->granules = weft__model_map((end - begin) / 8 * sizeof(struct granule));
}

void weft__shadow_setup(void)
{
	uintptr_t begin, end;

	if (variables.granules)
		return;
	weft__model_data_find(&begin, &end, &program_begin);
	range_make(&variables, begin, end);
	begin = (uintptr_t)weft__model_map((size_t)ARENA_SIZE * THREADS);
	range_make(&arenas, begin, begin + (size_t)ARENA_SIZE * THREADS);
	arena_state = weft__model_map((size_t)ARENA_SIZE * THREADS / 8);
	arena_clock = weft__model_map((size_t)ARENA_SIZE * THREADS / 8 * sizeof(*arena_clock));
	begin = (uintptr_t)weft__model_stacks();
	range_make(&stacks, begin, begin + (size_t)STACK_SIZE * THREADS);
	strays = weft__model_map(STRAYS * sizeof(*strays));
	kept_run = weft__model_map((variables.end - variables.begin) / 8 * sizeof(*kept_run));
}

void weft__shadow_begin(void)
{
	weft__shadow_restore();
	for (int i = 0; i < THREADS; i++) {
		memset(arena_state + (size_t)i * ARENA_SIZE / 8, 0, arena_used[i] / 8);
		arena_used[i] = 0;
	}
	blocks_count = 0;
	names_count = 0;
	weft__records_begin();
}

static bool inside(const struct range *r, uintptr_t address)
{
	return address - r->begin < r->end - r->begin;
}

/* ---- granules ------------------------------------------------------------- */

static struct granule *in_range(const struct range *r, uintptr_t address)
{
	return &r->granules[(address - r->begin) / 8];
}

static struct granule *stray(uintptr_t address)
{
	uintptr_t key = address / 8;
	uint32_t i = (uint32_t)(weft__rng_mix(key) % STRAYS);

	for (int tries = 0; tries < STRAYS; tries++, i = (i + 1) % STRAYS) {
		struct granule *g = &strays[i];

		if (g->run != M.run && g->records.head.epoch != M.epoch)
			stray_keys[i] = key;
		if (stray_keys[i] == key)
			return g;
	}
	weft__model_stop(WEFT_CHECK_UNSUITED,
			 "too much memory that is not from weft_check_alloc()");
}

static struct granule *granule_of(uintptr_t address)
{
	if (inside(&stacks, address))
		return in_range(&stacks, address);
	if (inside(&arenas, address))
		return in_range(&arenas, address);
	if (inside(&variables, address))
		return in_range(&variables, address);
	return stray(address);
}

static uint16_t *may_have_locations(uintptr_t address)
{
	return &with_locations[address / 8 % (sizeof(with_locations) / sizeof(uint16_t))];
}

struct location **weft__shadow_locations(uintptr_t address)
{
	struct granule *g = granule_of(address);

	if (g->run != M.run) {
		g->run = M.run;
		g->locations = NULL;
		*may_have_locations(address) = (uint16_t)M.run;
	}
	return &g->locations;
}

void weft__shadow_forget(uintptr_t address, struct location *next)
{
	granule_of(address)->locations = next;
}

/* ---- accesses ------------------------------------------------------------- */

static void check_alive(uintptr_t address, const void *site)
{
	const size_t at = (address - arenas.begin) / 8;
	const size_t owner = (address - arenas.begin) / ARENA_SIZE;
	int state = arena_state[at];
	char where[64];

	if (WEFT_LIKELY(state == LIVE && arena_clock[at] <= M.self->now.clock[owner]))
		return;
	weft__shadow_describe(address, where, sizeof(where));
	if (state == LIVE)
		weft__model_stop(WEFT_CHECK_RACE, "%s: %s allocates it, %s uses it at %s", where,
				 M.threads[owner].name, M.self->name, weft__trace_place(site));
	weft__model_stop(WEFT_CHECK_USE_AFTER_FREE, "%s: %s at %s", where,
			 state == FREED ? "used after it was freed" : "is not allocated",
			 weft__trace_place(site));
}

/* A frame of another thread, which is below what that thread has in use. */
static void check_frame(uintptr_t address, const void *site)
{
	const int index = (int)((address - stacks.begin) / STACK_SIZE);
	const struct model_thread *t = &M.threads[index];

	if (t == M.self || index >= M.count)
		return;
	if (t->state == ENDED || address < (uintptr_t)t->user_sp)
		weft__model_stop(WEFT_CHECK_USE_AFTER_FREE,
				 "a frame of %s that has returned is used at %s", t->name,
				 weft__trace_place(site));
}

static void reset_locations(uintptr_t address, size_t size)
{
	const struct granule *g = granule_of(address);

	if (g->run != M.run)
		return;
	for (struct location *l = g->locations; l; l = weft__location_next(l)) {
		uintptr_t at = weft__location_address(l);

		if (at < address + size && address < at + weft__location_size(l))
			weft__location_reset(l);
	}
}

static void check_place(uintptr_t address, const void *site)
{
	if (inside(&stacks, address))
		check_frame(address, site);
	else if (inside(&arenas, address))
		check_alive(address, site);
}

static void access_part(uintptr_t address, size_t size, enum access access, const void *site)
{
	if (M.live) {
		const uint8_t bytes = (uint8_t)(((1u << size) - 1) << (address & 7));
		const int self = M.self->index;
		const struct record n = { site, M.self->now.clock[self], (uint8_t)self, bytes,
					  (uint8_t)access };

		check_place(address, site);
		weft__records_access(&granule_of(address)->records, address, n);
	}
	if (access == PLAIN_WRITE && *may_have_locations(address) == (uint16_t)M.run)
		reset_locations(address, size);
}

/* Constants, code, and the thread-locals: nobody else's. */
static bool is_private(uintptr_t address)
{
	return (address >= program_begin && address < variables.begin) ||
	       address - (uintptr_t)M.locals.base < M.locals.size;
}

void weft__shadow_access(uintptr_t address, size_t size, enum access access, const void *site)
{
	if ((!M.live && access != PLAIN_WRITE) || is_private(address))
		return;
	if (is_write(access))
		weft__shadow_keep(address, size);
	while (size > 0) {
		size_t part = 8 - (address & 7);

		if (part > size)
			part = size;
		access_part(address, part, access, site);
		address += part;
		size -= part;
	}
}

/* ---- blocks --------------------------------------------------------------- */

void *weft__shadow_alloc(size_t alignment, size_t size, bool zero, const void *caller)
{
	const int t = M.self->index;
	uintptr_t base = arenas.begin + (uintptr_t)t * ARENA_SIZE;
	uintptr_t address = base + arena_used[t] + 16;
	size_t rounded = (size + 7) & ~(size_t)7;

	alignment = alignment < 16 ? 16 : alignment;
	address = (address + alignment - 1) & ~(uintptr_t)(alignment - 1);
	rounded = rounded ? rounded : 8;
	if (rounded > ARENA_SIZE || address + rounded > base + ARENA_SIZE ||
	    blocks_count == BLOCKS)
		weft__model_stop(WEFT_CHECK_UNSUITED, "a run that allocates too much");
	arena_used[t] = address + rounded - base;
	memset(arena_state + (address - arenas.begin) / 8, LIVE, rounded / 8);
	for (size_t i = 0; i < rounded / 8; i++)
		arena_clock[(address - arenas.begin) / 8 + i] = M.self->now.clock[t];
	memset((void *)address, zero ? 0 : 0xa5, rounded);
	blocks[blocks_count++] = (struct block){ address, size, caller, true };
	return (void *)address;
}

static struct block *block_of(uintptr_t address)
{
	for (int i = blocks_count; i-- > 0;)
		if (address - blocks[i].address < (blocks[i].size ? blocks[i].size : 1))
			return &blocks[i];
	return NULL;
}

/* Freeing is a write to all of it. */
static void free_races(const struct block *b, const void *caller)
{
	for (uintptr_t at = b->address; at < b->address + b->size; at += 8) {
		struct granule *g = &arenas.granules[(at - arenas.begin) / 8];
		const struct record *r = weft__records_unordered(&g->records);
		char place[80];

		if (!r)
			continue;
		snprintf(place, sizeof(place), "%s", weft__trace_place(r->site));
		weft__model_stop(WEFT_CHECK_USE_AFTER_FREE,
				 "%s frees at %s what %s uses at %s, in no order", M.self->name,
				 weft__trace_place(caller), M.threads[r->thread].name, place);
	}
}

void weft__shadow_free(void *memory, const void *caller)
{
	struct block *b = memory ? block_of((uintptr_t)memory) : NULL;

	if (!memory)
		return;
	if (!b || b->address != (uintptr_t)memory)
		weft__model_stop(WEFT_CHECK_DOUBLE_FREE, "what was not allocated is freed at %s",
				 weft__trace_place(caller));
	if (!b->live)
		weft__model_stop(WEFT_CHECK_DOUBLE_FREE, "freed twice, the second time at %s",
				 weft__trace_place(caller));
	free_races(b, caller);
	b->live = false;
	memset(arena_state + (b->address - arenas.begin) / 8, FREED,
	       (b->size ? b->size + 7 : 8) / 8);
}

const void *weft__shadow_leak(size_t *size, const void **caller)
{
	for (int i = 0; i < blocks_count; i++)
		if (blocks[i].live) {
			*size = blocks[i].size;
			*caller = blocks[i].caller;
			return (const void *)blocks[i].address;
		}
	return NULL;
}

/* ---- variables of the program --------------------------------------------- */

void weft__shadow_keep(uintptr_t address, size_t size)
{
	if (!inside(&variables, address)) {
		if (!inside(&arenas, address) && !inside(&stacks, address))
			weft__snapshot_never();
		return;
	}
	for (uintptr_t at = address & ~(uintptr_t)7; at < address + size; at += 8) {
		uint32_t *run = &kept_run[(at - variables.begin) / 8];

		if (*run == M.run)
			continue;
		if (kept_count == KEPT)
			weft__model_stop(WEFT_CHECK_UNSUITED, "too many variables are written");
		*run = M.run;
		kept[kept_count].address = at;
		memcpy(&kept[kept_count++].value, (const void *)at, 8);
	}
}

void weft__shadow_restore(void)
{
	while (kept_count > 0) {
		kept_count--;
		memcpy((void *)kept[kept_count].address, &kept[kept_count].value, 8);
	}
}

/* ---- snapshots ------------------------------------------------------------ */

static void arena_snapshot(struct snapshot_bytes *b, int i)
{
	const size_t at = (size_t)i * ARENA_SIZE, before = arena_used[i];

	weft__snapshot_piece(b, &arena_used[i], sizeof(arena_used[i]));
	if (b->restores)
		memset(arena_state + (at + arena_used[i]) / 8, 0, (before - arena_used[i]) / 8);
	weft__snapshot_piece(b, arena_state + at / 8, arena_used[i] / 8);
	weft__snapshot_piece(b, (void *)(arenas.begin + at), arena_used[i]);
}

/* Those that were first written later are as they were at first. */
static void variables_snapshot(struct snapshot_bytes *b)
{
	int count = kept_count;

	weft__snapshot_piece(b, &count, sizeof(count));
	while (kept_count > count) {
		const struct kept *k = &kept[--kept_count];

		memcpy((void *)k->address, &k->value, 8);
		kept_run[(k->address - variables.begin) / 8] = 0;
	}
	for (int i = 0; i < count; i++)
		weft__snapshot_piece(b, (void *)kept[i].address, 8);
}

/* Blocks, names and variables are added in order, so that of what is there by now the
 * first so many are those of the snapshot. */
void weft__shadow_snapshot(struct snapshot_bytes *b)
{
	for (int i = 0; i < THREADS; i++)
		arena_snapshot(b, i);
	weft__snapshot_piece(b, &blocks_count, sizeof(blocks_count));
	weft__snapshot_piece(b, blocks, (size_t)blocks_count * sizeof(blocks[0]));
	weft__snapshot_piece(b, &names_count, sizeof(names_count));
	variables_snapshot(b);
}

/* ---- names ---------------------------------------------------------------- */

void weft_check_name(const void *memory, size_t size, const char *name)
{
	uintptr_t begin = (uintptr_t)memory;

	if (names_count < NAMES)
		names[names_count++] = (struct name){ begin, begin + size, name };
}

static void with_offset(char *out, size_t size, const char *name, uintptr_t offset)
{
	if (offset)
		snprintf(out, size, "%s+%zu", name, (size_t)offset);
	else
		snprintf(out, size, "%s", name);
}

void weft__shadow_describe(uintptr_t address, char *out, size_t size)
{
	const struct block *b = inside(&arenas, address) ? block_of(address) : NULL;
	char name[40];

	for (int i = names_count; i-- > 0;)
		if (address - names[i].begin < names[i].end - names[i].begin) {
			with_offset(out, size, names[i].name, address - names[i].begin);
			return;
		}
	if (b) {
		snprintf(name, sizeof(name), "block %d", (int)(b - blocks));
		with_offset(out, size, name, address - b->address);
		return;
	}
	for (int i = 0; i < M.count; i++) {
		const struct model_thread *t = &M.threads[i];

		if (address - (uintptr_t)t->stack < STACK_SIZE) {
			snprintf(out, size, "a frame of %s (%s-%zu)", t->name, "top",
				 (size_t)((uintptr_t)t->top - address));
			return;
		}
		if (address - (uintptr_t)&t->parker < sizeof(t->parker)) {
			snprintf(name, sizeof(name), "parker of %s", t->name);
			with_offset(out, size, name, address - (uintptr_t)&t->parker);
			return;
		}
	}
	if (inside(&variables, address))
		snprintf(out, size, "variable %#zx", (size_t)(address - program_begin));
	else
		snprintf(out, size, "%#zx", (size_t)address);
}
