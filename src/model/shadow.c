/* SPDX-License-Identifier: MIT */
/*
 * Plain accesses, allocations, and variables to be set back.
 *
 * For each eight bytes that the program has touched there is a granule: who has
 * accessed which of the bytes, how, and when by its own clock; a few records are
 * enough, as an access that comes after another and conflicts with all that the
 * other conflicts with takes its place. Two accesses race when they overlap, one
 * of them writes, one of them is plain, and neither happened before the other.
 * That does not depend on the order in which the run made them: plain accesses
 * need not be decisions.
 *
 * Freed memory is not used again in the same run. Freeing races with every access
 * that did not happen before it, so a use after free is found even in a run in
 * which the use came first.
 *
 * Granules are found by address in tables that shadow the program's variables, the
 * threads' blocks and stacks; and by hash for what lies elsewhere.
 */
#include "model/model.h"

#include <stdio.h>
#include <string.h>

enum {
	RECORDS = 10,
	INLINE = 2,
	ARENA_SIZE = 4 << 20,
	BLOCKS = 4096,
	STRAYS = 1 << 12,
	KEPT = 1 << 14,
	MORE = 1 << 14,
	NAMES = 64,
};

struct record {
	const void *site;
	uint32_t clock;
	uint8_t thread, bytes, access;
};

struct head {
	uint32_t epoch;
	uint8_t used;
	bool plain : 1;  /* some record is of a plain access */
	bool shared : 1; /* not all records are of one thread */
	uint16_t more;   /* where the other records are; 0: nowhere */
};

/* Most have one record or two, which lie here: a small table stays in the cache. The
 * records are kept for the next run, as undo.c says, the locations are not. */
struct granule {
	struct location *locations;
	uint32_t run;
	struct head head;
	struct record first[INLINE];
};

struct more {
	struct record records[RECORDS - INLINE];
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
static struct more *more;
static uint32_t more_used;
static unsigned char *arena_state; /* of each granule of the arenas */
static size_t arena_used[THREADS];
static uintptr_t program_begin;
static struct granule *strays;
static uintptr_t stray_keys[STRAYS];
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
	begin = (uintptr_t)weft__model_stacks();
	range_make(&stacks, begin, begin + (size_t)STACK_SIZE * THREADS);
	more = weft__model_map(MORE * sizeof(*more));
	strays = weft__model_map(STRAYS * sizeof(*strays));
	kept_run = weft__model_map((variables.end - variables.begin) / 8 * sizeof(*kept_run));
}

void weft__shadow_begin(void)
{
	for (int i = 0; i < THREADS; i++) {
		memset(arena_state + (size_t)i * ARENA_SIZE / 8, 0, arena_used[i] / 8);
		arena_used[i] = 0;
	}
	blocks_count = 0;
	names_count = 0;
	kept_count = 0;
	if (M.live)
		more_used = 1;
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

		if (g->run != M.run && g->head.epoch != M.epoch)
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

struct location **weft__shadow_locations(uintptr_t address)
{
	struct granule *g = granule_of(address);

	if (g->run != M.run) {
		g->run = M.run;
		g->locations = NULL;
	}
	return &g->locations;
}

/* ---- accesses ------------------------------------------------------------- */

static bool is_atomic(int access)
{
	return access >= ATOMIC_READ;
}

static bool is_write(int access)
{
	return access == PLAIN_WRITE || access == ATOMIC_WRITE;
}

static bool before_now(const struct record *r)
{
	return r->clock <= M.self->now.clock[r->thread];
}

/* Whether what races with the old record races with the new one, too. */
static bool takes_place(struct record n, struct record o)
{
	if (o.bytes & ~n.bytes)
		return false;
	if (n.access == PLAIN_WRITE)
		return true;
	if (is_atomic(n.access) != is_atomic(o.access))
		return false;
	return !is_write(o.access) || is_write(n.access);
}

static const char *access_name(int access)
{
	static const char *const texts[] = { "reads", "writes", "reads (atomic)",
					     "writes (atomic)" };

	return texts[access];
}

static _Noreturn void report_race(const struct record *o, struct record n, uintptr_t address)
{
	char where[64], place[80];

	weft__shadow_describe(address, where, sizeof(where));
	snprintf(place, sizeof(place), "%s", weft__trace_place(o->site));
	weft__model_stop(WEFT_CHECK_RACE, "%s: %s %s at %s, %s %s at %s", where,
			 M.threads[o->thread].name, access_name(o->access), place,
			 M.threads[n.thread].name, access_name(n.access),
			 weft__trace_place(n.site));
}

static bool races(const struct record *o, struct record n)
{
	return (o->bytes & n.bytes) && (is_write(o->access) || is_write(n.access)) &&
	       !(is_atomic(o->access) && is_atomic(n.access)) && !before_now(o);
}

static struct record *record_at(struct granule *g, int i)
{
	return i < INLINE ? &g->first[i] : &more[g->head.more].records[i - INLINE];
}

static void record_set(struct record *r, struct record n)
{
	weft__undo_save(r, sizeof(*r));
	*r = n;
}

static void record_add(struct granule *g, struct record n)
{
	weft__undo_save(&g->head, sizeof(g->head));
	if (g->head.used >= INLINE && !g->head.more) {
		if (more_used == MORE)
			weft__model_stop(WEFT_CHECK_UNSUITED, "a run that shares too much");
		weft__undo_save(&more_used, sizeof(more_used));
		g->head.more = (uint16_t)more_used++;
	}
	g->head.plain |= !is_atomic(n.access);
	g->head.shared |= g->head.used > 0 && g->first[0].thread != n.thread;
	record_set(record_at(g, g->head.used++), n);
}

/* Whether an older record of the same step and thread stands for the new one, too: it
 * was compared with all others, or they with it. */
static bool stands_for(const struct record *o, struct record n)
{
	return o->thread == n.thread && o->clock == n.clock && takes_place(*o, n);
}

/* Atomic accesses race with plain ones only; the latest of a thread stands for all of
 * its kind. */
static bool atomic_again(struct granule *g, struct record n)
{
	if (!is_atomic(n.access) || g->head.plain)
		return false;
	for (int i = 0; i < g->head.used; i++) {
		struct record *o = record_at(g, i);

		if (o->thread == n.thread && o->access == n.access && o->bytes == n.bytes) {
			record_set(o, n);
			return true;
		}
	}
	return false;
}

/* Compares with every record, and keeps those that the new one does not replace. */
static void granule_compare(struct granule *g, uintptr_t address, struct record n)
{
	const int used = g->head.used;
	int kept_records = 0;

	for (int i = 0; i < used; i++) {
		const struct record *o = record_at(g, i);

		if (races(o, n))
			report_race(o, n, address);
		if (before_now(o) && takes_place(n, *o))
			continue;
		if (kept_records != i)
			record_set(record_at(g, kept_records), *o);
		kept_records++;
	}
	if (kept_records == RECORDS) {
		for (int i = 1; i < RECORDS; i++)
			record_set(record_at(g, i - 1), *record_at(g, i));
		kept_records--;
	}
	weft__undo_save(&g->head, sizeof(g->head));
	g->head.used = (uint8_t)kept_records;
	record_add(g, n);
}

/* Nobody else was here: nothing to compare with. A record that the new one might replace,
 * too, is older and does no harm. */
static bool own_again(struct granule *g, struct record n)
{
	if (g->head.shared || g->first[0].thread != n.thread)
		return false;
	for (int i = 0; i < g->head.used; i++) {
		struct record *o = record_at(g, i);

		if (takes_place(n, *o)) {
			record_set(o, n);
			return true;
		}
	}
	if (g->head.used == RECORDS)
		return false;
	record_add(g, n);
	return true;
}

static void granule_access(struct granule *g, uintptr_t address, struct record n)
{
	if (g->head.epoch != M.epoch) {
		weft__undo_save(&g->head, sizeof(g->head));
		g->head = (struct head){ .epoch = M.epoch };
		record_add(g, n);
		return;
	}
	if (stands_for(&g->first[0], n) || atomic_again(g, n))
		return;
	if (!own_again(g, n))
		granule_compare(g, address, n);
}

static void check_alive(uintptr_t address, const void *site)
{
	int state = arena_state[(address - arenas.begin) / 8];
	char where[64];

	if (WEFT_LIKELY(state == LIVE))
		return;
	weft__shadow_describe(address, where, sizeof(where));
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

static void reset_locations(struct granule *g, uintptr_t address, size_t size)
{
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
	const uint8_t bytes = (uint8_t)(((1u << size) - 1) << (address & 7));
	const int self = M.self->index;
	const struct record n = { site, M.self->now.clock[self], (uint8_t)self, bytes,
				  (uint8_t)access };
	struct granule *g;

	if (M.live)
		check_place(address, site);
	g = granule_of(address);
	if (M.live)
		granule_access(g, address, n);
	if (access == PLAIN_WRITE && g->run == M.run && g->locations)
		reset_locations(g, address, size);
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

		if (!M.live || g->head.epoch != M.epoch)
			continue;
		for (int i = 0; i < g->head.used; i++) {
			const struct record *r = record_at(g, i);
			char place[80];

			if (before_now(r))
				continue;
			snprintf(place, sizeof(place), "%s", weft__trace_place(r->site));
			weft__model_stop(WEFT_CHECK_USE_AFTER_FREE,
					 "%s frees at %s what %s uses at %s, in no order",
					 M.self->name, weft__trace_place(caller),
					 M.threads[r->thread].name, place);
		}
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
	if (!inside(&variables, address))
		return;
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
