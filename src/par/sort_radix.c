/* SPDX-License-Identifier: MIT */
/*
 * Sorting by a number, in place: a radix sort from the most significant digit.
 *
 * What is larger than a core's cache is partitioned into up to 256 buckets, all workers
 * together (sort_blocks.c). The digit's place follows from a sample of the keys, so
 * that narrow ranges and common beginnings cost nothing; keys outside of what the
 * sample saw fall into the outermost buckets. A bucket that fits the cache is sorted by
 * one worker: one more digit spreads it into a scratch, into pieces of some 20 elements,
 * which sorting networks (sys.h, plain C where there are none) sort on their way back.
 * So ten million keys of 64 bits are written three times.
 *
 * Buckets are independent; they are forked as a tree, halves by number of elements.
 * If there is no memory for a scratch, a bucket is sorted by a heap, slowly.
 *
 * Sorted and reversed arrays are seen first: a look at the first elements says whether
 * it is worth to look at all.
 *
 * IPS2Ra (Axtmann, Witt, Ferizovic, Sanders: "Engineering in-place (shared-memory)
 * sorting algorithms", ACM TOPC 2022) has the same partition in blocks; the sample, the
 * clamped digit and the leaves are different.
 */
#include "par/sort_radix.h"

#include <errno.h>
#include <string.h>

#include "base/rng.h"
#include "pool/pool.h"
#include "sys/sys.h"
#include "weft/cancel.h"

enum {
	CACHED_BYTES = 384 << 10, /* sorted within a core's own cache */
	ALONE_BYTES = 64 << 10,   /* not worth a look at the pool */
	DIGIT_BITS_MOST = 11,
	COUNTERS_MOST = 12 << 10,
	SAMPLE = 256,
	GUESSES = 8, /* partitions, one below the other, by samples; then by the range */
};

struct weft__scratch {
	struct weft__scratch *next;
};

static unsigned bits_of(uint64_t x)
{
	return x ? 64 - (unsigned)__builtin_clzll(x) : 0;
}

/* The digit that spreads n elements into pieces of the size of a leaf. */
static unsigned digit_shift(const struct weft__radix *radix, size_t n, unsigned bits)
{
	unsigned log = bits_of(n) - 1;
	unsigned width = log > radix->leaf_log ? log - radix->leaf_log : 1;

	width = width < DIGIT_BITS_MOST ? width : DIGIT_BITS_MOST;
	return width < bits ? bits - width : 0;
}

#define KIND u64
#define SIZE 8
#define WIDTH 8
#define BARE 1
#define PLAIN 1
#include "par/sort_radix_tmpl.h"

#define KIND bare8
#define SIZE 8
#define WIDTH 8
#define BARE 1
#define PLAIN 0
#include "par/sort_radix_tmpl.h"

#define KIND bare4
#define SIZE 4
#define WIDTH 4
#define BARE 1
#define PLAIN 0
#include "par/sort_radix_tmpl.h"

#define KIND pair16
#define SIZE 16
#define WIDTH 0
#define BARE 0
#define PLAIN 0
#include "par/sort_radix_tmpl.h"

#define KIND triple24
#define SIZE 24
#define WIDTH 0
#define BARE 0
#define PLAIN 0
#include "par/sort_radix_tmpl.h"

#define KIND any
#define SIZE 0
#define WIDTH 0
#define BARE 0
#define PLAIN 0
#include "par/sort_radix_tmpl.h"

/* ---- without memory -------------------------------------------------------------------- */

static void swap(char *a, char *b, size_t size)
{
	char held[WEFT__RADIX_WIDEST];

	memcpy(held, a, size);
	memcpy(a, b, size);
	memcpy(b, held, size);
}

static void sift(const struct weft__radix *radix, char *base, size_t i, size_t n)
{
	const size_t size = radix->size;

	for (size_t child; (child = 2 * i + 1) < n; i = child) {
		uint64_t key = radix->kind->key(radix, base + child * size);

		if (child + 1 < n) {
			uint64_t right = radix->kind->key(radix, base + (child + 1) * size);

			child += right > key;
			key = right > key ? right : key;
		}
		if (radix->kind->key(radix, base + i * size) >= key)
			return;
		swap(base + i * size, base + child * size, size);
	}
}

void weft__radix_heap(const struct weft__radix *radix, char *base, size_t n)
{
	for (size_t i = n / 2; i-- > 0;)
		sift(radix, base, i, n);
	for (size_t i = n; i-- > 1;) {
		swap(base, base + i * radix->size, radix->size);
		sift(radix, base, 0, i);
	}
}

void weft__radix_heap_u64(uint64_t *numbers, size_t n)
{
	struct weft__radix radix = { .order = { .width = 8 }, .size = 8, .kind = &kind_u64 };

	weft__radix_heap(&radix, (char *)numbers, n);
}

/* ---- what fits the cache --------------------------------------------------------------- */

static struct weft__scratch *scratch_take(struct weft__radix *radix)
{
	struct weft__scratch *scratch;

	weft_mutex_lock(&radix->lock);
	scratch = radix->spare;
	if (scratch)
		radix->spare = scratch->next;
	weft_mutex_unlock(&radix->lock);
	if (!scratch)
		scratch = weft__alloc_aligned(64, 64 + radix->scratch_bytes +
							  radix->counters * sizeof(uint32_t));
	return scratch;
}

static void scratch_give(struct weft__radix *radix, struct weft__scratch *scratch)
{
	weft_mutex_lock(&radix->lock);
	scratch->next = radix->spare;
	radix->spare = scratch;
	weft_mutex_unlock(&radix->lock);
}

static void sort_cached(struct weft__radix *radix, char *base, size_t n, struct span span)
{
	struct weft__scratch *scratch;
	struct counters counters = { .left = radix->counters };
	char *memory;

	if (n <= radix->leaf_most) {
		radix->kind->cached(radix, base, NULL, n, span, counters);
		return;
	}
	scratch = scratch_take(radix);
	if (!scratch) {
		weft__radix_heap(radix, base, n);
		return;
	}
	memory = (char *)scratch + 64;
	counters.at = (uint32_t *)(void *)(memory + radix->scratch_bytes);
	if (span.bits == 64)
		radix->kind->range(radix, base, n, &span);
	radix->kind->cached(radix, base, memory, n, span, counters);
	scratch_give(radix, scratch);
}

/* ---- what does not --------------------------------------------------------------------- */

static void sort_any(weft_par par, struct weft__radix *radix, char *base, size_t n,
		     struct span span, int depth);

static bool stopped(struct weft__radix *radix)
{
	if (weft_load_relaxed(&radix->cancelled))
		return true;
	if (!weft_cancelled())
		return false;
	weft_store_relaxed(&radix->cancelled, 1);
	return true;
}

/* The span that most keys of a sample are in: all but the outermost two on either side.
 * If that is one key, it becomes a bucket of its own. */
static void span_guess(const struct weft__radix *radix, const char *base, size_t n,
		       struct span *span)
{
	uint64_t keys[SAMPLE];
	struct weft__rng rng = { n };
	uint64_t lo, hi;

	for (size_t i = 0; i < SAMPLE; i++) {
		size_t part = n / SAMPLE, at = i * part + weft__rng_next(&rng) % part;

		keys[i] = radix->kind->key(radix, base + at * radix->size);
	}
	for (size_t gap = 109; gap; gap = gap > 4 ? gap * 5 / 11 : gap / 2)
		for (size_t i = gap; i < SAMPLE; i++) {
			uint64_t key = keys[i];
			size_t j = i;

			for (; j >= gap && keys[j - gap] > key; j -= gap)
				keys[j] = keys[j - gap];
			keys[j] = key;
		}
	lo = keys[2];
	hi = keys[SAMPLE - 3];
	*span = (struct span){ lo == hi && lo > 0 ? lo - 1 : lo, bits_of(hi - lo) };
}

struct buckets {
	weft_job job;
	struct partition *p;
	size_t lo, hi;
	int depth;
};

static void buckets_sort(weft_par par, struct partition *p, size_t lo, size_t hi, int depth);

static void buckets_job(weft_par par, weft_job *job)
{
	struct buckets *b = weft_container_of(job, struct buckets, job);

	buckets_sort(par, b->p, b->lo, b->hi, b->depth);
}

static void bucket_sort(weft_par par, struct partition *p, size_t d, int depth)
{
	bool open_below = d == 0 && p->lo > 0;
	bool open_above = d + 1 == p->buckets && (UINT64_MAX - p->lo) >> p->shift > d;
	struct span span = { p->lo + ((uint64_t)d << p->shift), p->shift };
	size_t n = p->start[d + 1] - p->start[d];

	if (open_below || open_above)
		span.bits = 64;
	if (n > 1)
		sort_any(par, p->radix, p->base + p->start[d] * p->radix->size, n, span, depth);
}

static void buckets_sort(weft_par par, struct partition *p, size_t lo, size_t hi, int depth)
{
	size_t first = p->start[lo], n = p->start[hi] - first, middle = lo + 1;
	struct buckets upper;
	weft_par inner;

	if (n < 2 || hi - lo == 1) {
		if (n > 1)
			bucket_sort(par, p, lo, depth);
		return;
	}
	while (middle + 1 < hi && p->start[middle] - first < n / 2)
		middle++;
	upper = (struct buckets){ .p = p, .lo = middle, .hi = hi, .depth = depth };
	inner = weft_fork(par, &upper.job, buckets_job);
	buckets_sort(inner, p, lo, middle, depth);
	weft_join(par, &upper.job, buckets_job);
}

/* The number of buckets that leaves each in the cache, within bounds. */
static unsigned buckets_log(const struct weft__radix *radix, size_t n)
{
	unsigned log = bits_of(n / (CACHED_BYTES / radix->size));

	return log < 2 ? 2 : log > 8 ? 8 : log;
}

static void sort_large(weft_par par, struct weft__radix *radix, char *base, size_t n,
		       struct span span, int depth)
{
	struct partition p = { .radix = radix, .base = base, .n = n };
	unsigned log = buckets_log(radix, n);

	p.lo = span.lo;
	p.shift = span.bits > log ? span.bits - log : 0;
	p.buckets = (size_t)1 << log;
	p.block = BLOCK_BYTES / radix->size;
	if (!weft__partition_run(par, &p)) {
		weft__radix_heap(radix, base, n);
		return;
	}
	buckets_sort(par, &p, 0, p.buckets, depth + 1);
	weft__partition_release(&p);
}

static void sort_any(weft_par par, struct weft__radix *radix, char *base, size_t n,
		     struct span span, int depth)
{
	if (span.bits == 0 || stopped(radix))
		return;
	if (n * radix->size <= CACHED_BYTES) {
		sort_cached(radix, base, n, span);
		return;
	}
	if (depth <= GUESSES)
		span_guess(radix, base, n, &span);
	else
		radix->kind->range(radix, base, n, &span);
	if (depth <= GUESSES || span.bits > 0)
		sort_large(par, radix, base, n, span, depth);
}

/* ---- sorted and reversed --------------------------------------------------------------- */

struct look {
	const struct weft__radix *radix;
	char *base;
	size_t n;
	bool down;
	weft_atomic_u32 disorder;
};

static void look_range(void *context, size_t lo, size_t hi)
{
	struct look *look = context;

	if (weft_load_relaxed(&look->disorder))
		return;
	if (!look->radix->kind->ordered(look->radix, look->base, lo, hi, look->down))
		weft_store_relaxed(&look->disorder, 1);
}

static void reverse_range(void *context, size_t lo, size_t hi)
{
	struct look *look = context;

	look->radix->kind->reverse(look->radix, look->base, look->n, lo, hi);
}

enum { LOOK_FIRST = 256, LOOK_GRAIN = 8192 };

/* Whether it was in order, or is now. */
static bool sort_by_a_look(weft_par par, const struct weft__radix *radix, char *base, size_t n)
{
	struct look look = { .radix = radix, .base = base, .n = n };
	size_t first = n < LOOK_FIRST ? n : LOOK_FIRST;

	if (!radix->kind->ordered(radix, base, 0, first, false)) {
		look.down = true;
		if (!radix->kind->ordered(radix, base, 0, first, true))
			return false;
	}
	if (par.worker)
		weft_par_for_in(par, first, n, look_range, &look, LOOK_GRAIN);
	else if (first < n)
		look_range(&look, first, n);
	if (weft_load_relaxed(&look.disorder))
		return false;
	if (look.down && par.worker)
		weft_par_for_in(par, 0, n / 2, reverse_range, &look, LOOK_GRAIN);
	else if (look.down)
		reverse_range(&look, 0, n / 2);
	return true;
}

/* ---- the call -------------------------------------------------------------------------- */

struct call {
	struct weft__radix *radix;
	char *base;
	size_t n;
};

static void sort_in_pool(weft_par par, void *arg)
{
	struct call *call = arg;
	struct span span = { 0, 64 };

	if (!sort_by_a_look(par, call->radix, call->base, call->n))
		sort_any(par, call->radix, call->base, call->n, span, 0);
}

static const struct weft__radix_kind *kind_of(size_t size, const struct weft__order *order)
{
	if (size == order->width) {
		if (size == 8)
			return order->fold || order->flip ? &kind_bare8 : &kind_u64;
		if (size == 4)
			return &kind_bare4;
	}
	return size == 16 ? &kind_pair16 : size == 24 ? &kind_triple24 : &kind_any;
}

static void radix_init(struct weft__radix *radix, size_t n, size_t size,
		       const struct weft__order *order)
{
	struct weft__leaves leaves = weft__leaves_find();
	size_t bytes = n > CACHED_BYTES / size ? CACHED_BYTES : n * size;
	bool bare = size == order->width;

	*radix = (struct weft__radix){ .order = *order, .size = size, .leaf_most = 24 };
	radix->kind = kind_of(size, order);
	radix->leaf_log = 3;
	if (bare && size == 8 && leaves.leaf8) {
		radix->leaf = leaves.leaf8;
		radix->leaf_most = WEFT__LEAF8_MOST;
		radix->leaf_log = 4;
	} else if (bare && size == 4 && leaves.leaf4) {
		radix->leaf = leaves.leaf4;
		radix->leaf_most = WEFT__LEAF4_MOST;
		radix->leaf_log = 5;
	}
	radix->scratch_bytes = (bytes + 63) & ~(size_t)63;
	radix->counters = n < COUNTERS_MOST ? n + 16 : COUNTERS_MOST;
}

int weft__radix_sort(const weft_par_opts *opts, void *base, size_t n, size_t size,
		     const struct weft__order *order)
{
	struct weft__radix radix;
	struct call call = { &radix, base, n };
	weft_pool *pool = opts ? opts->pool : NULL;

	if (n < 2)
		return 0;
	radix_init(&radix, n, size, order);
	if (n <= ALONE_BYTES / size) {
		if (!sort_by_a_look((weft_par){ NULL, NULL }, &radix, base, n))
			sort_cached(&radix, base, n, (struct span){ 0, 64 });
	} else {
		pool = pool ? pool : weft__pool_here();
		radix.workers = (size_t)weft_pool_workers(pool);
		weft__pool_run_eager(pool, sort_in_pool, &call);
	}
	while (radix.spare) {
		struct weft__scratch *next = radix.spare->next;

		weft__release(radix.spare);
		radix.spare = next;
	}
	return weft_load_relaxed(&radix.cancelled) ? -ECANCELED : 0;
}
