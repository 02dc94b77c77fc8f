/* SPDX-License-Identifier: MIT */
/*
 * Sorting networks in AVX2, for the smallest pieces of a radix sort.
 *
 * Up to 16 rows of vectors are sorted by column, then neighbouring columns are merged
 * bitonically until one is left, which is the whole in row order. A merge never moves a
 * row: it compares each with its mirror image, lanes reversed within the columns at
 * hand, smaller values to the upper row; the same again in either half of the rows; and
 * at last within each row. (Batcher 1968; the form in rows and lanes is that of Bramas,
 * "A novel hybrid quicksort algorithm vectorized using AVX-512", 2017, and Blacher,
 * Giesen, Sanders, Wassenberg, "Vectorized and performance-portable quicksort", 2022.
 * The networks of the columns are Batcher's for 4 and 8 and Green's for 16.)
 *
 * AVX2 compares 64-bit numbers with a sign only, so keys get the order of numbers with
 * a sign while they are loaded, and their own form again as they are stored. Rows that
 * are not full are filled with the largest value, which ends behind all others.
 *
 * Functions carry the attribute instead of the file a flag, so that nothing here runs
 * on a CPU without AVX2 unless weft__leaves_find() has said so.
 */
#include "sys/sys.h"

#include <immintrin.h>
#include <string.h>

#define AVX2 __attribute__((target("avx2"), always_inline)) static inline
#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

typedef long long signed64;

/* ---- the networks, for either width ----------------------------------------------------- */

static const int network4[][2] = { { 0, 1 }, { 2, 3 }, { 0, 2 }, { 1, 3 }, { 1, 2 } };

static const int network8[][2] = {
	{ 0, 1 }, { 2, 3 }, { 4, 5 }, { 6, 7 }, { 0, 2 }, { 1, 3 }, { 4, 6 },
	{ 5, 7 }, { 1, 2 }, { 5, 6 }, { 0, 4 }, { 1, 5 }, { 2, 6 }, { 3, 7 },
	{ 2, 4 }, { 3, 5 }, { 1, 2 }, { 3, 4 }, { 5, 6 },
};

static const int network16[][2] = {
	{ 0, 1 },   { 2, 3 },   { 4, 5 },   { 6, 7 },  { 8, 9 },   { 10, 11 }, { 12, 13 },
	{ 14, 15 }, { 0, 2 },   { 4, 6 },   { 8, 10 }, { 12, 14 }, { 1, 3 },   { 5, 7 },
	{ 9, 11 },  { 13, 15 }, { 0, 4 },   { 8, 12 }, { 1, 5 },   { 9, 13 },  { 2, 6 },
	{ 10, 14 }, { 3, 7 },   { 11, 15 }, { 0, 8 },  { 1, 9 },   { 2, 10 },  { 3, 11 },
	{ 4, 12 },  { 5, 13 },  { 6, 14 },  { 7, 15 }, { 5, 10 },  { 6, 9 },   { 3, 12 },
	{ 13, 14 }, { 4, 8 },   { 7, 11 },  { 1, 2 },  { 1, 4 },   { 7, 13 },  { 2, 8 },
	{ 11, 14 }, { 2, 4 },   { 5, 6 },   { 9, 10 }, { 11, 13 }, { 3, 8 },   { 7, 12 },
	{ 6, 8 },   { 10, 12 }, { 3, 5 },   { 7, 9 },  { 3, 4 },   { 5, 6 },   { 7, 8 },
	{ 9, 10 },  { 11, 12 }, { 6, 7 },   { 8, 9 },
};

/* ---- steps, for keys of either width (always a constant) ---------------------------------- */

AVX2 void order(const int width, __m256i *a, __m256i *b)
{
	__m256i low;

	if (width == 4) {
		low = _mm256_min_epi32(*a, *b);
		*b = _mm256_max_epi32(*a, *b);
	} else {
		__m256i greater = _mm256_cmpgt_epi64(*a, *b);

		low = _mm256_blendv_epi8(*a, *b, greater);
		*b = _mm256_blendv_epi8(*b, *a, greater);
	}
	*a = low;
}

/* Lanes reversed within each group of so many columns. */
AVX2 __m256i mirror(const int width, __m256i v, const int columns)
{
	if (width == 8)
		return columns == 2 ? _mm256_shuffle_epi32(v, 0x4e)
				    : _mm256_permute4x64_epi64(v, 0x1b);
	if (columns == 2)
		return _mm256_shuffle_epi32(v, 0xb1);
	if (columns == 4)
		return _mm256_shuffle_epi32(v, 0x1b);
	return _mm256_permutevar8x32_epi32(v, _mm256_setr_epi32(7, 6, 5, 4, 3, 2, 1, 0));
}

/* The last steps of a merge, inside a row. The first of them compares mirror images, as
 * between rows; what is left of it lies in order and is compared at a distance. */
AVX2 __m256i within8(__m256i v, const int columns)
{
	__m256i high;

	if (columns == 4) {
		high = mirror(8, v, 4);
		order(8, &v, &high);
		v = _mm256_blend_epi32(v, high, 0xf0);
	}
	high = mirror(8, v, 2);
	order(8, &v, &high);
	return _mm256_blend_epi32(v, high, 0xcc);
}

AVX2 __m256i within4(__m256i v, const int columns)
{
	__m256i high;

	if (columns == 8) {
		high = mirror(4, v, 8);
		order(4, &v, &high);
		v = _mm256_blend_epi32(v, high, 0xf0);
	}
	if (columns >= 4) {
		high = columns == 8 ? _mm256_shuffle_epi32(v, 0x4e) : mirror(4, v, 4);
		order(4, &v, &high);
		v = _mm256_blend_epi32(v, high, 0xcc);
	}
	high = mirror(4, v, 2);
	order(4, &v, &high);
	return _mm256_blend_epi32(v, high, 0xaa);
}

/* One step between rows, in each piece of 2 * half of them. */
AVX2 void between(const int width, __m256i *v, const int rows, const int columns, const int half)
{
	UNROLL for (int r = 0; r < rows / 2; r++)
	{
		const int low = r / half * 2 * half + r % half;
		const int high = r / half * 2 * half + 2 * half - 1 - r % half;
		__m256i other = mirror(width, v[high], columns);

		order(width, &v[low], &other);
		v[high] = other;
	}
}

/* From columns that are sorted in groups of columns / 2 to groups of `columns`. */
AVX2 void merge(const int width, __m256i *v, const int rows, const int columns)
{
	if (rows >= 16)
		between(width, v, rows, columns, 8);
	if (rows >= 8)
		between(width, v, rows, columns, 4);
	between(width, v, rows, columns, 2);
	between(width, v, rows, columns, 1);
	UNROLL for (int r = 0; r < rows; r++) v[r] = width == 8 ? within8(v[r], columns)
								: within4(v[r], columns);
}

AVX2 void sort_columns(const int width, __m256i *v, const int rows)
{
	if (rows == 4)
		UNROLL for (int i = 0; i < 5; i++)
			order(width, &v[network4[i][0]], &v[network4[i][1]]);
	else if (rows == 8)
		UNROLL for (int i = 0; i < 19; i++)
			order(width, &v[network8[i][0]], &v[network8[i][1]]);
	else
		UNROLL for (int i = 0; i < 60; i++)
			order(width, &v[network16[i][0]], &v[network16[i][1]]);
}

/* ---- there and back ------------------------------------------------------------------------ */

struct turn {
	__m256i fold, flip;
};

AVX2 struct turn turn_make(const int width, uint64_t fold, uint64_t flip)
{
	if (width == 8)
		return (struct turn){ _mm256_set1_epi64x((int64_t)fold),
				      _mm256_set1_epi64x((int64_t)(flip ^ UINT64_C(1) << 63)) };
	return (struct turn){ _mm256_set1_epi32((int32_t)fold),
			      _mm256_set1_epi32((int32_t)((uint32_t)flip ^ UINT32_C(1) << 31)) };
}

/* To the order of numbers with a sign, and back: it is its own inverse, since nothing
 * that is folded is flipped. */
AVX2 __m256i turn(const int width, __m256i v, struct turn t)
{
	__m256i zero = _mm256_setzero_si256();
	__m256i negative = width == 8 ? _mm256_cmpgt_epi64(zero, v) : _mm256_srai_epi32(v, 31);

	return _mm256_xor_si256(_mm256_xor_si256(v, t.flip), _mm256_and_si256(negative, t.fold));
}

AVX2 __m256i largest(const int width)
{
	return width == 8 ? _mm256_set1_epi64x(INT64_MAX) : _mm256_set1_epi32(INT32_MAX);
}

/* Ones in the lanes below `n`, which may be any number. */
AVX2 __m256i lanes_below(const int width, int n)
{
	return width == 8
		       ? _mm256_cmpgt_epi64(_mm256_set1_epi64x(n), _mm256_setr_epi64x(0, 1, 2, 3))
		       : _mm256_cmpgt_epi32(_mm256_set1_epi32(n),
					    _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

AVX2 __m256i load(const int width, const char *from, int n, struct turn t)
{
	__m256i mask = lanes_below(width, n);
	__m256i v = width == 8 ? _mm256_maskload_epi64((const signed64 *)(const void *)from, mask)
			       : _mm256_maskload_epi32((const int *)(const void *)from, mask);

	return _mm256_blendv_epi8(largest(width), turn(width, v, t), mask);
}

AVX2 void store(const int width, char *to, int n, __m256i v)
{
	const int lanes = 32 / width;

	if (n >= lanes) {
		_mm256_storeu_si256((__m256i *)(void *)to, v);
	} else if (n > 0) {
		char bytes[32];

		_mm256_storeu_si256((__m256i *)(void *)bytes, v);
		memcpy(to, bytes, (size_t)(n * width));
	}
}

AVX2 void leaf(const int width, const int rows, char *to, const char *from, int n, struct turn t)
{
	const int lanes = 32 / width;
	__m256i v[16];

	UNROLL for (int r = 0; r < rows; r++) v[r] = load(width, from + 32 * r, n - lanes * r, t);
	sort_columns(width, v, rows);
	merge(width, v, rows, 2);
	merge(width, v, rows, 4);
	if (width == 4)
		merge(width, v, rows, 8);
	UNROLL for (int r = 0; r < rows; r++)
		store(width, to + 32 * r, n - lanes * r, turn(width, v[r], t));
}

AVX2 void leaf_any(const int width, void *to, const void *from, size_t n, uint64_t fold,
		   uint64_t flip)
{
	struct turn t = turn_make(width, fold, flip);
	const size_t lanes = 32 / width;

	WEFT__DEBUG_ASSERT(n <= 16 * lanes, "a leaf of a sort is too large");
	if (n <= 4 * lanes)
		leaf(width, 4, to, from, (int)n, t);
	else if (n <= 8 * lanes)
		leaf(width, 8, to, from, (int)n, t);
	else
		leaf(width, 16, to, from, (int)n, t);
}

__attribute__((target("avx2"))) static void leaf8(void *to, const void *from, size_t n,
						  uint64_t fold, uint64_t flip)
{
	leaf_any(8, to, from, n, fold, flip);
}

__attribute__((target("avx2"))) static void leaf4(void *to, const void *from, size_t n,
						  uint64_t fold, uint64_t flip)
{
	leaf_any(4, to, from, n, fold, flip);
}

struct weft__leaves weft__leaves_find(void)
{
	if (__builtin_cpu_supports("avx2"))
		return (struct weft__leaves){ leaf4, leaf8 };
	return (struct weft__leaves){ NULL, NULL };
}
