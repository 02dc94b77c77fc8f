/* SPDX-License-Identifier: MIT */
/*
 * What the files of the sorts share.
 */
#ifndef WEFT_PAR_SORT_H
#define WEFT_PAR_SORT_H

#include "par/par.h"

#include <string.h>

#include "sys/sys.h"

#include "weft/mutex.h"
#include "weft/sort.h"

/* ---- keys ------------------------------------------------------------------------------ */

/* How the bytes of a key become a number that is compared without a sign. Within the
 * key's own width: ordered = raw ^ ((raw, if negative, all ones) & fold) ^ flip. A
 * negative float has all its bits turned, so that a larger magnitude sorts lower. The
 * map is undone by unordered = x ^ flip, then the same with fold. */
struct weft__order {
	size_t offset;
	unsigned width;
	uint64_t fold, flip;
};

/* False if there is no such type of key, or it reaches beyond `size` bytes. */
bool weft__order_make(struct weft__order *order, const weft_sort_key *key, size_t size);

/* The key at `at`, `width` bytes of it, in this order. */
static inline uint64_t weft__order_read(const struct weft__order *order, const char *at,
					unsigned width)
{
	uint64_t x8;
	uint32_t x4;
	uint16_t x2;

	switch (width) {
	case 8:
		memcpy(&x8, at, 8);
		return x8 ^ ((x8 >> 63 ? UINT64_MAX : 0) & order->fold) ^ order->flip;
	case 4:
		memcpy(&x4, at, 4);
		return x4 ^ ((x4 >> 31 ? UINT32_MAX : 0) & (uint32_t)order->fold) ^
		       (uint32_t)order->flip;
	case 2: memcpy(&x2, at, 2); return x2 ^ order->flip;
	default: return *(const uint8_t *)at ^ order->flip;
	}
}

/* ---- the radix sort -------------------------------------------------------------------- */

enum { WEFT__RADIX_WIDEST = 256 }; /* bytes of an element that is moved itself */

/* One sort; lives as long as the call. */
struct weft__radix {
	struct weft__order order;
	const struct weft__radix_kind *kind;
	size_t size; /* of an element */
	weft__leaf_fn leaf;
	size_t leaf_most;  /* so few elements are a leaf, */
	unsigned leaf_log; /* and pieces aim at 2^leaf_log and a half more */
	size_t workers;
	size_t scratch_bytes, counters;
	weft_mutex lock; /* guards `spare` */
	struct weft__scratch *spare;
	weft_atomic_u32 cancelled;
};

/* Sorts n elements of at most WEFT__RADIX_WIDEST bytes in place; 0 or -ECANCELED, with
 * all elements in some order. */
int weft__radix_sort(const weft_par_opts *opts, void *base, size_t n, size_t size,
		     const struct weft__order *order);

/* The same for one worker and without any memory; slowly. */
void weft__radix_heap(const struct weft__radix *radix, char *base, size_t n);
void weft__radix_heap_u64(uint64_t *numbers, size_t n);

/* ---- runs of equal keys ---------------------------------------------------------------- */

struct weft__pair {
	uint64_t key, value;
};

/* Cuts sorted pairs where the key changes, into pieces of about equal length: piece i is
 * bounds[i] .. bounds[i + 1] - 1, and may be empty. */
enum { WEFT__PIECES = 64 };
void weft__pairs_cut(const struct weft__pair *pairs, size_t n, size_t bounds[WEFT__PIECES + 1]);

#endif
