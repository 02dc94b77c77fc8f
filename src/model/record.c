/* SPDX-License-Identifier: MIT */
/*
 * Plain accesses, and who raced with whom.
 *
 * A record says which bytes were accessed, how, and when by the thread's own clock. A
 * few are enough, as an access that comes after another and conflicts with all that
 * the other conflicts with takes its place. Two accesses race when they overlap, one
 * of them writes, one of them is plain, and neither happened before the other. That
 * does not depend on the order in which the run made them: plain accesses need not
 * be decisions.
 */
#include "model/record.h"

#include <stdio.h>

enum { MORE = 1 << 14 };

/* Records that have no room beside the first ones. */
static struct more {
	struct record records[RECORDS_MOST - RECORDS_INLINE];
} * more;
static uint32_t more_used;

void weft__records_begin(void)
{
	if (!more)
		more = weft__model_map(MORE * sizeof(*more));
	if (M.live)
		more_used = 1;
}

static bool before_now(const struct record *o)
{
	return o->clock <= M.self->now.clock[o->thread];
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

static struct record *record_at(struct records *r, int i)
{
	return i < RECORDS_INLINE ? &r->first[i] : &more[r->head.more].records[i - RECORDS_INLINE];
}

static void record_set(struct record *at, struct record n)
{
	weft__undo_save(at, sizeof(*at));
	*at = n;
}

static void record_add(struct records *r, struct record n)
{
	weft__undo_save(&r->head, sizeof(r->head));
	if (r->head.used >= RECORDS_INLINE && !r->head.more) {
		if (more_used == MORE)
			weft__model_stop(WEFT_CHECK_UNSUITED, "a run that shares too much");
		weft__undo_save(&more_used, sizeof(more_used));
		r->head.more = (uint16_t)more_used++;
	}
	r->head.plain |= !is_atomic(n.access);
	r->head.shared |= r->head.used > 0 && r->first[0].thread != n.thread;
	record_set(record_at(r, r->head.used++), n);
}

/* Whether an older record of the same step and thread stands for the new one, too: it
 * was compared with all others, or they with it. */
static bool stands_for(const struct record *o, struct record n)
{
	return o->thread == n.thread && o->clock == n.clock && takes_place(*o, n);
}

/* Atomic accesses race with plain ones only; the latest of a thread stands for all of
 * its kind. */
static bool atomic_again(struct records *r, struct record n)
{
	if (!is_atomic(n.access) || r->head.plain)
		return false;
	for (int i = 0; i < r->head.used; i++) {
		struct record *o = record_at(r, i);

		if (o->thread == n.thread && o->access == n.access && o->bytes == n.bytes) {
			record_set(o, n);
			return true;
		}
	}
	return false;
}

/* Compares with every record, and keeps those that the new one does not replace. */
static void compare(struct records *r, uintptr_t address, struct record n)
{
	const int used = r->head.used;
	int kept_records = 0;

	for (int i = 0; i < used; i++) {
		const struct record *o = record_at(r, i);

		if (races(o, n))
			report_race(o, n, address);
		if (before_now(o) && takes_place(n, *o))
			continue;
		if (kept_records != i)
			record_set(record_at(r, kept_records), *o);
		kept_records++;
	}
	if (kept_records == RECORDS_MOST) {
		for (int i = 1; i < RECORDS_MOST; i++)
			record_set(record_at(r, i - 1), *record_at(r, i));
		kept_records--;
	}
	weft__undo_save(&r->head, sizeof(r->head));
	r->head.used = (uint8_t)kept_records;
	record_add(r, n);
}

/* Nobody else was here: nothing to compare with. A record that the new one might replace,
 * too, is older and does no harm. */
static bool own_again(struct records *r, struct record n)
{
	if (r->head.shared || r->first[0].thread != n.thread)
		return false;
	for (int i = 0; i < r->head.used; i++) {
		struct record *o = record_at(r, i);

		if (takes_place(n, *o)) {
			record_set(o, n);
			return true;
		}
	}
	if (r->head.used == RECORDS_MOST)
		return false;
	record_add(r, n);
	return true;
}

void weft__records_access(struct records *r, uintptr_t address, struct record n)
{
	if (r->head.epoch != M.epoch) {
		weft__undo_save(&r->head, sizeof(r->head));
		r->head = (struct records_head){ .epoch = M.epoch };
		record_add(r, n);
		return;
	}
	if (stands_for(&r->first[0], n) || atomic_again(r, n))
		return;
	if (!own_again(r, n))
		compare(r, address, n);
}

const struct record *weft__records_unordered(struct records *r)
{
	if (!M.live || r->head.epoch != M.epoch)
		return NULL;
	for (int i = 0; i < r->head.used; i++)
		if (!before_now(record_at(r, i)))
			return record_at(r, i);
	return NULL;
}
