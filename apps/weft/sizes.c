/* SPDX-License-Identifier: MIT */
/*
 * The set of sizes.h: open addressing with linear probing.
 */
#include "sizes.h"

#include <errno.h>
#include <stdlib.h>

void sizes_free(struct sizes *s)
{
	free(s->slots);
	*s = (struct sizes){ 0 };
}

/* The slot of a key (its low bit aside): its own or the free one where it would
 * go. */
static uint64_t *slot_of(const struct sizes *s, uint64_t key)
{
	/* Sizes of files have few random bits; the multiplication spreads them. */
	uint64_t at = (key * UINT64_C(0x9e3779b97f4a7c15)) >> 20;

	for (;; at++) {
		uint64_t *slot = &s->slots[at & s->mask];

		if (*slot == 0 || (*slot | 1) == (key | 1))
			return slot;
	}
}

static int grow(struct sizes *s)
{
	size_t slots = s->slots ? 2 * (s->mask + 1) : 1024;
	struct sizes bigger = { .mask = slots - 1, .count = s->count };

	bigger.slots = calloc(slots, sizeof(*bigger.slots));
	if (!bigger.slots)
		return -ENOMEM;
	for (size_t i = 0; s->slots && i <= s->mask; i++) {
		if (s->slots[i])
			*slot_of(&bigger, s->slots[i]) = s->slots[i];
	}
	free(s->slots);
	*s = bigger;
	return 0;
}

int sizes_add(struct sizes *s, uint64_t size)
{
	uint64_t key = (size + 1) * 2;

	if (!s->slots || s->count * 4 >= (s->mask + 1) * 3) {
		int err = grow(s);

		if (err)
			return err;
	}
	uint64_t *slot = slot_of(s, key);
	if (*slot == 0) {
		*slot = key;
		s->count++;
	} else {
		*slot = key | 1;
	}
	return 0;
}

bool sizes_twice(const struct sizes *s, uint64_t size)
{
	uint64_t key = (size + 1) * 2;

	return s->slots && *slot_of(s, key) == (key | 1);
}
