/* SPDX-License-Identifier: MIT */
/*
 * An estimate of which loops are too small to be measured.
 *
 * Two thousand additions take less time than three looks at a clock and the four
 * blocks between them are allowed to cost. So each thread remembers of the last
 * few loops that it has run, known by body and context, up to which count of
 * indices they were over within microseconds. A loop that is known to be small is
 * one plain call.
 *
 * The idea is the estimator of "Provably and practically efficient granularity
 * control" (Acar, Aksenov, Charguéraud, Rainey; PPoPP 2019), without its cost
 * functions: the same loop with at most the same count is taken to be as cheap as
 * it was. That may be wrong, so every eighth time the loop is measured anew, or, if it
 * was far below what is small, every 32nd time; and one that turned out dear is
 * forgotten. The harm is bounded by that: a few loops in a row that are run on one CPU.
 */
#include "par/par.h"

#include "base/rng.h"

enum { ENTRIES = 16, BELIEVED_LEAST = 7, BELIEVED_MOST = 31 };

struct entry {
	uintptr_t key;
	size_t small_count; /* known to be small */
	unsigned left;      /* runs that are believed without a look */
};

static __thread __attribute__((tls_model("initial-exec"))) struct entry entries[ENTRIES];

static struct entry *loop_entry(uintptr_t key)
{
	return &entries[(key ^ key >> 32 ^ key >> 16) % ENTRIES];
}

enum weft__guess weft__guess_size(uintptr_t key, size_t count)
{
	struct entry *e = loop_entry(key);

	if (e->key != key || count > e->small_count)
		return WEFT__UNKNOWN;
	if (e->left == 0)
		return WEFT__SMALL;
	e->left--;
	return WEFT__SMALL_FOR_SURE;
}

void weft__guess_learn(uintptr_t key, size_t count, uint64_t ticks, uint64_t budget)
{
	struct entry *e = loop_entry(key);
	bool known = e->key == key;

	if (ticks < budget) {
		if (!known || e->small_count < count)
			e->small_count = count;
		e->left = ticks < budget / 8 ? BELIEVED_MOST : BELIEVED_LEAST;
		e->key = key;
	} else if (known) {
		e->small_count = 0;
	}
}
