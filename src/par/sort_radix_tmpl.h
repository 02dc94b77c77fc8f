/* SPDX-License-Identifier: MIT */
/*
 * The loops of the radix sort that touch each element, for one kind of element; included
 * by sort_radix.c with
 *
 *   KIND   a name for the functions
 *   SIZE   bytes of an element; 0: as radix->size says
 *   WIDTH  bytes of its key; 0: as radix->order.width says
 *   BARE   whether the key is the element; PLAIN: and needs no turning
 */
#define N2(a, b) a##_##b
#define N1(a, b) N2(a, b)
#define N(name) N1(name, KIND)
#define BYTES (SIZE ? (size_t)SIZE : radix->size)

static inline uint64_t N(key)(const struct weft__radix *radix, const char *at)
{
	const struct weft__order *order = &radix->order;
	unsigned width = WIDTH ? WIDTH : order->width;

	if (PLAIN) {
		uint64_t x;

		memcpy(&x, at, 8);
		return x;
	}
	at += BARE ? 0 : order->offset;
	return weft__order_read(order, at, width);
}

/* Step 1 of a partition: reads one stripe and writes it as whole blocks of one bucket
 * each, from its own beginning. What is written never overtakes what was read. */
static void N(classify)(struct partition *p, size_t stripe)
{
	const struct weft__radix *radix = p->radix;
	const size_t block = p->block, bytes = block * BYTES;
	const uint64_t lo = p->lo, most = p->buckets - 1;
	const unsigned shift = p->shift;
	char *buffers = p->buffers + stripe * p->buckets * bytes;
	uint32_t *fill = p->fill + stripe * p->buckets;
	size_t first = stripe * p->stripe_slots, slot = first;
	const char *at = p->base + first * bytes;
	const char *end = p->base + p->n * BYTES;

	if (first * block > p->n)
		at = end;
	else if (first * block + p->stripe_slots * block < p->n)
		end = at + p->stripe_slots * bytes;
	for (; at < end; at += BYTES) {
		uint64_t key = N(key)(radix, at), digit = (key < lo ? 0 : key - lo) >> shift;

		digit = digit < most ? digit : most;
		memcpy(buffers + digit * bytes + fill[digit] * BYTES, at, BYTES);
		if (WEFT_UNLIKELY(++fill[digit] == block)) {
			memcpy(p->base + slot * bytes, buffers + digit * bytes, bytes);
			p->owner[slot++] = (uint8_t)digit;
			fill[digit] = 0;
		}
	}
	p->stripe_full[stripe] = (uint32_t)(slot - first);
}

/* The least span that holds all keys. */
static void N(range)(const struct weft__radix *radix, const char *at, size_t n, struct span *span)
{
	uint64_t lo = UINT64_MAX, hi = 0;

	for (const char *end = at + n * BYTES; at < end; at += BYTES) {
		uint64_t key = N(key)(radix, at);

		lo = key < lo ? key : lo;
		hi = key > hi ? key : hi;
	}
	*span = (struct span){ lo, bits_of(hi - lo) };
}

/* Whether [lo, hi) is in order, with what is before it. */
static bool N(ordered)(const struct weft__radix *radix, const char *base, size_t lo, size_t hi,
		       bool down)
{
	const char *at = base + (lo ? lo - 1 : 0) * BYTES, *end = base + hi * BYTES;
	uint64_t before = N(key)(radix, at);

	for (at += BYTES; at < end; at += BYTES) {
		uint64_t key = N(key)(radix, at);

		if (down ? key > before : key < before)
			return false;
		before = key;
	}
	return true;
}

/* Swaps [lo, hi) with its mirror image in the upper half. */
static void N(reverse)(const struct weft__radix *radix, char *base, size_t n, size_t lo, size_t hi)
{
	char held[SIZE ? SIZE : WEFT__RADIX_WIDEST];

	for (size_t i = lo; i < hi; i++) {
		char *a = base + i * BYTES, *b = base + (n - 1 - i) * BYTES;

		memcpy(held, a, BYTES);
		memcpy(a, b, BYTES);
		memcpy(b, held, BYTES);
	}
}

static void N(insertion)(const struct weft__radix *radix, char *base, size_t n)
{
	char held[SIZE ? SIZE : WEFT__RADIX_WIDEST];

	for (size_t i = 1; i < n; i++) {
		uint64_t key = N(key)(radix, base + i * BYTES);
		size_t j = i;

		if (N(key)(radix, base + (i - 1) * BYTES) <= key)
			continue;
		memcpy(held, base + i * BYTES, BYTES);
		for (; j > 0 && N(key)(radix, base + (j - 1) * BYTES) > key; j--)
			memcpy(base + j * BYTES, base + (j - 1) * BYTES, BYTES);
		memcpy(base + j * BYTES, held, BYTES);
	}
}

static void N(leaf)(const struct weft__radix *radix, char *to, const char *from, size_t n)
{
	if (BARE && radix->leaf) {
		radix->leaf(to, from, n, radix->order.fold, radix->order.flip);
		return;
	}
	if (to != from)
		memcpy(to, from, n * BYTES);
	N(insertion)(radix, to, n);
}

/* Sorts what lies in a core's own cache: spreads it by one digit into `other`, such that
 * most pieces are leaves, and sorts these on their way back. All keys are known to be in
 * [lo, lo + 2^bits). */
static void N(cached)(const struct weft__radix *radix, char *base, char *other, size_t n,
		      struct span span, struct counters counters)
{
	uint32_t *ends = counters.at;
	size_t count, begin = 0;
	unsigned shift;

	if (n <= radix->leaf_most) {
		N(leaf)(radix, base, base, n);
		return;
	}
	do {
		if (span.bits == 0)
			return;
		shift = digit_shift(radix, n, span.bits);
		count = (size_t)1 << (span.bits - shift);
		if (count > counters.left) {
			weft__radix_heap(radix, base, n);
			return;
		}
		memset(ends, 0, count * sizeof(*ends));
		for (const char *at = base, *end = base + n * BYTES; at < end; at += BYTES)
			ends[(N(key)(radix, at) - span.lo) >> shift]++;
	} while (ends[(N(key)(radix, base) - span.lo) >> shift] == n &&
		 (N(range)(radix, base, n, &span), true));

	for (size_t d = 0; d < count; d++) {
		uint32_t size = ends[d];

		ends[d] = (uint32_t)begin;
		begin += size;
	}
	for (const char *at = base, *end = base + n * BYTES; at < end; at += BYTES) {
		uint32_t to = ends[(N(key)(radix, at) - span.lo) >> shift]++;

		memcpy(other + to * BYTES, at, BYTES);
	}
	counters.at += count;
	counters.left -= count;
	begin = 0;
	for (size_t d = 0; d < count; d++) {
		size_t size = ends[d] - begin;
		char *to = base + begin * BYTES, *from = other + begin * BYTES;

		begin = ends[d];
		if (size <= radix->leaf_most) {
			if (size)
				N(leaf)(radix, to, from, size);
			continue;
		}
		memcpy(to, from, size * BYTES);
		N(cached)
		(radix, to, from, size, (struct span){ span.lo + ((uint64_t)d << shift), shift },
		 counters);
	}
}

static const struct weft__radix_kind N(kind) = {
	N(key), N(classify), N(range), N(ordered), N(reverse), N(cached),
};

#undef BYTES
#undef N
#undef N1
#undef N2
#undef KIND
#undef SIZE
#undef WIDTH
#undef BARE
#undef PLAIN
