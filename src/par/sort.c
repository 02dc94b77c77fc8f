/* SPDX-License-Identifier: MIT */
/*
 * Sorts by numbers, as users call them: which key, in place or by way of a copy.
 *
 * The stable form sorts pairs of a key and an index, then each run of equal keys by
 * index, and last gathers the elements. A cached key and a random order are the same
 * with other keys: what the caller computes, and a hash of seed and index.
 */
#include "par/sort.h"

#include <errno.h>
#include <string.h>

#include "base/rng.h"

bool weft__order_make(struct weft__order *order, const weft_sort_key *key, size_t size)
{
	static const unsigned char widths[] = { 1, 1, 2, 2, 4, 4, 8, 8, 4, 8 };
	unsigned type = (unsigned)key->type, width;

	if (type >= sizeof(widths))
		return false;
	width = widths[type];
	if (key->offset > size || width > size - key->offset)
		return false;
	*order = (struct weft__order){ .offset = key->offset, .width = width };
	if (type == WEFT_KEY_F32 || type == WEFT_KEY_F64 || type % 2)
		order->flip = UINT64_C(1) << (8 * width - 1);
	if (type == WEFT_KEY_F32 || type == WEFT_KEY_F64)
		order->fold = order->flip - 1;
	return true;
}

/* ---- pairs ----------------------------------------------------------------------------- */

void weft__pairs_cut(const struct weft__pair *pairs, size_t n, size_t bounds[WEFT__PIECES + 1])
{
	size_t at = 0;

	for (size_t i = 0; i < WEFT__PIECES; i++) {
		size_t want = n / WEFT__PIECES * i;

		at = at < want ? want : at;
		while (at > 0 && at < n && pairs[at].key == pairs[at - 1].key)
			at++;
		bounds[i] = at;
	}
	bounds[WEFT__PIECES] = n;
}

struct pairs {
	struct weft__pair *at;
	char *base, *copy;
	size_t n, size;
	const weft_par_opts *opts;
	weft_key_fn key; /* or, if NULL, */
	void *context;
	const struct weft__order *order; /* or, if NULL, */
	uint64_t seed;
	size_t bounds[WEFT__PIECES + 1];
	weft_atomic_u32 cancelled;
};

static void pairs_fill(void *context, size_t lo, size_t hi)
{
	struct pairs *p = context;

	for (size_t i = lo; i < hi; i++) {
		const char *element = p->base + i * p->size;
		uint64_t key;

		if (p->key)
			key = p->key(p->context, element);
		else if (p->order)
			key = weft__order_read(p->order, element + p->order->offset,
					       p->order->width);
		else
			key = weft__rng_mix(p->seed + i * UINT64_C(0x9e3779b97f4a7c15));
		p->at[i] = (struct weft__pair){ key, i };
	}
}

/* Sorts each run of equal keys by index. Pieces end where runs do; what is behind is
 * another's, who may be sorting it. */
static void pairs_settle(void *context, size_t lo, size_t hi)
{
	static const struct weft__order by_index = { .offset = offsetof(struct weft__pair, value),
						     .width = 8 };
	struct pairs *p = context;

	for (size_t begin = p->bounds[lo], end; begin < p->bounds[hi]; begin = end) {
		end = begin + 1;
		while (end < p->bounds[hi] && p->at[end].key == p->at[begin].key)
			end++;
		if (end - begin > 1 && weft__radix_sort(p->opts, p->at + begin, end - begin,
							sizeof(*p->at), &by_index) != 0)
			weft_store_relaxed(&p->cancelled, 1);
	}
}

static void pairs_gather(void *context, size_t lo, size_t hi)
{
	struct pairs *p = context;

	for (size_t i = lo; i < hi; i++)
		memcpy(p->copy + i * p->size, p->base + p->at[i].value * p->size, p->size);
}

static void pairs_return(void *context, size_t lo, size_t hi)
{
	struct pairs *p = context;

	memcpy(p->base + lo * p->size, p->copy + lo * p->size, (hi - lo) * p->size);
}

static int pairs_sort(struct pairs *p, const weft_par_opts *opts)
{
	static const struct weft__order by_key = { .offset = 0, .width = 8 };
	weft_par_opts inner = { .pool = opts ? opts->pool : NULL };
	weft_par_opts pieces = { .pool = inner.pool, .grain = 1 };
	int err;

	if (p->size == 0)
		return -EINVAL;
	if (p->n < 2)
		return 0;
	if (p->n > SIZE_MAX / sizeof(struct weft__pair))
		return -ENOMEM;
	p->opts = &inner;
	p->at = weft__alloc(p->n * sizeof(struct weft__pair));
	p->copy = weft__alloc(p->n * p->size);
	err = p->at && p->copy ? 0 : -ENOMEM;
	if (err == 0) {
		weft_par_for(0, p->n, pairs_fill, p, &inner);
		err = weft__radix_sort(&inner, p->at, p->n, sizeof(struct weft__pair), &by_key);
	}
	if (err == 0) {
		weft__pairs_cut(p->at, p->n, p->bounds);
		weft_par_for(0, WEFT__PIECES, pairs_settle, p, &pieces);
		err = weft_load_relaxed(&p->cancelled) ? -ECANCELED : 0;
	}
	if (err == 0) {
		weft_par_for(0, p->n, pairs_gather, p, &inner);
		weft_par_for(0, p->n, pairs_return, p, &inner);
	}
	weft__release(p->at);
	weft__release(p->copy);
	return err;
}

int weft_sort_by_cached_key(void *base, size_t n, size_t size, weft_key_fn key, void *context,
			    const weft_par_opts *opts)
{
	struct pairs p = { .base = base, .n = n, .size = size, .key = key, .context = context };

	return pairs_sort(&p, opts);
}

int weft_shuffle(void *base, size_t n, size_t size, uint64_t seed, const weft_par_opts *opts)
{
	struct pairs p = { .base = base, .n = n, .size = size, .seed = weft__rng_mix(seed + n) };

	return pairs_sort(&p, opts);
}

int weft_sort_by_key_stable(void *base, size_t n, size_t size, const weft_sort_key *key,
			    const weft_par_opts *opts)
{
	struct weft__order order;
	struct pairs p = { .base = base, .n = n, .size = size, .order = &order };

	return weft__order_make(&order, key, size) ? pairs_sort(&p, opts) : -EINVAL;
}

int weft_sort_by_key(void *base, size_t n, size_t size, const weft_sort_key *key,
		     const weft_par_opts *opts)
{
	struct weft__order order;

	if (!weft__order_make(&order, key, size))
		return -EINVAL;
	if (size > WEFT__RADIX_WIDEST)
		return weft_sort_by_key_stable(base, n, size, key, opts);
	return weft__radix_sort(opts, base, n, size, &order);
}

/* ---- bare numbers ---------------------------------------------------------------------- */

static int sort_bare(void *numbers, size_t n, weft_key_type type, const weft_par_opts *opts)
{
	static const unsigned char widths[] = { 1, 1, 2, 2, 4, 4, 8, 8, 4, 8 };
	weft_sort_key key = { type, 0 };

	return weft_sort_by_key(numbers, n, widths[type], &key, opts);
}

int weft_sort_u8(uint8_t *numbers, size_t n, const weft_par_opts *opts)
{
	return sort_bare(numbers, n, WEFT_KEY_U8, opts);
}

int weft_sort_i8(int8_t *numbers, size_t n, const weft_par_opts *opts)
{
	return sort_bare(numbers, n, WEFT_KEY_I8, opts);
}

int weft_sort_u16(uint16_t *numbers, size_t n, const weft_par_opts *opts)
{
	return sort_bare(numbers, n, WEFT_KEY_U16, opts);
}

int weft_sort_i16(int16_t *numbers, size_t n, const weft_par_opts *opts)
{
	return sort_bare(numbers, n, WEFT_KEY_I16, opts);
}

int weft_sort_u32(uint32_t *numbers, size_t n, const weft_par_opts *opts)
{
	return sort_bare(numbers, n, WEFT_KEY_U32, opts);
}

int weft_sort_i32(int32_t *numbers, size_t n, const weft_par_opts *opts)
{
	return sort_bare(numbers, n, WEFT_KEY_I32, opts);
}

int weft_sort_u64(uint64_t *numbers, size_t n, const weft_par_opts *opts)
{
	return sort_bare(numbers, n, WEFT_KEY_U64, opts);
}

int weft_sort_i64(int64_t *numbers, size_t n, const weft_par_opts *opts)
{
	return sort_bare(numbers, n, WEFT_KEY_I64, opts);
}

int weft_sort_f32(float *numbers, size_t n, const weft_par_opts *opts)
{
	return sort_bare(numbers, n, WEFT_KEY_F32, opts);
}

int weft_sort_f64(double *numbers, size_t n, const weft_par_opts *opts)
{
	return sort_bare(numbers, n, WEFT_KEY_F64, opts);
}
