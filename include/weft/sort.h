/* SPDX-License-Identifier: MIT */
/*
 * Parallel sorts, and what belongs to them: merge, selection, random order, counting.
 *
 *     weft_sort_u64(numbers, n, NULL);
 *
 *     static int by_price(void *context, const void *a, const void *b) { ... }
 *     int err = weft_sort(items, n, sizeof(*items), by_price, NULL, NULL);
 *
 * Which one? Numbers, and structs by a number in them: weft_sort_u64() and its like, and
 * weft_sort_by_key(). They look at digits, not at pairs, and are by far the fastest. A
 * key that takes long to compute: weft_sort_by_cached_key(). Everything else: by a
 * comparison, weft_sort(), or the template in <weft/sort_tmpl.h>, into which the compiler
 * inlines it; "stable" where equal elements must keep their order.
 *
 * All of them: any thread, and jobs, in which case the job's pool shares the work. They
 * block only while others do their part. `opts` may be NULL; of it only `pool` matters.
 * Callbacks run on several threads at once and must not change the array. Arrays that are
 * sorted, or in reverse order, take about the time to read or to reverse them. How equal
 * elements are ordered by a sort that is not stable may depend on the number of workers.
 *
 * They look for cancellation of the caller's scope before each larger piece of work: then
 * they return -ECANCELED, and the array holds all its elements in some order. What is
 * small is not interrupted, and is done in a cancelled scope too.
 *
 * A comparison that contradicts itself gives some order of all the elements.
 */
#ifndef WEFT_SORT_H
#define WEFT_SORT_H

#include <weft/par.h>

WEFT_BEGIN_DECLS

/* ---- by numbers ------------------------------------------------------------------------ */

/* In place and in ascending order, by digits; -ECANCELED is the only failure. The memory
 * that they take is about 1 MiB a worker and 1% of the array; without it they are slow.
 * Floats are in the total order of IEEE 754: -NaN, -inf, ..., -0, +0, ..., +inf, NaN. */
WEFT_API WEFT_NODISCARD int weft_sort_u8(uint8_t *numbers, size_t n, const weft_par_opts *opts);
WEFT_API WEFT_NODISCARD int weft_sort_i8(int8_t *numbers, size_t n, const weft_par_opts *opts);
WEFT_API WEFT_NODISCARD int weft_sort_u16(uint16_t *numbers, size_t n, const weft_par_opts *opts);
WEFT_API WEFT_NODISCARD int weft_sort_i16(int16_t *numbers, size_t n, const weft_par_opts *opts);
WEFT_API WEFT_NODISCARD int weft_sort_u32(uint32_t *numbers, size_t n, const weft_par_opts *opts);
WEFT_API WEFT_NODISCARD int weft_sort_i32(int32_t *numbers, size_t n, const weft_par_opts *opts);
WEFT_API WEFT_NODISCARD int weft_sort_u64(uint64_t *numbers, size_t n, const weft_par_opts *opts);
WEFT_API WEFT_NODISCARD int weft_sort_i64(int64_t *numbers, size_t n, const weft_par_opts *opts);
WEFT_API WEFT_NODISCARD int weft_sort_f32(float *numbers, size_t n, const weft_par_opts *opts);
WEFT_API WEFT_NODISCARD int weft_sort_f64(double *numbers, size_t n, const weft_par_opts *opts);

typedef enum weft_key_type {
	WEFT_KEY_U8,
	WEFT_KEY_I8,
	WEFT_KEY_U16,
	WEFT_KEY_I16,
	WEFT_KEY_U32,
	WEFT_KEY_I32,
	WEFT_KEY_U64,
	WEFT_KEY_I64,
	WEFT_KEY_F32,
	WEFT_KEY_F64
} weft_key_type;

/* A number in each element: `offset` is where it begins, as offsetof() says. */
typedef struct weft_sort_key {
	weft_key_type type;
	size_t offset;
} weft_sort_key;

/* Sorts n elements of `size` bytes by the number in them, in place up to 256 bytes. The
 * stable form, and larger elements, take 16 bytes and a copy for each element. 0,
 * -ECANCELED, -EINVAL (no such type, or the number is not inside of the element), and in
 * the latter two cases -ENOMEM; then nothing has changed. */
WEFT_API WEFT_NODISCARD int weft_sort_by_key(void *base, size_t n, size_t size,
					     const weft_sort_key *key, const weft_par_opts *opts);
WEFT_API WEFT_NODISCARD int weft_sort_by_key_stable(void *base, size_t n, size_t size,
						    const weft_sort_key *key,
						    const weft_par_opts *opts);

/* Sorts by a number that key(context, element) computes, once for each element; stable.
 * 0, -ECANCELED, -ENOMEM, -EINVAL (a size of 0). */
typedef uint64_t (*weft_key_fn)(void *context, const void *element);
WEFT_API WEFT_NODISCARD int weft_sort_by_cached_key(void *base, size_t n, size_t size,
						    weft_key_fn key, void *context,
						    const weft_par_opts *opts);

/* Sorts pointers to strings, as strcmp() orders them: 8 characters at a time, by digits.
 * Equal strings are in the order of their addresses. 0, -ECANCELED, -ENOMEM. */
WEFT_API WEFT_NODISCARD int weft_sort_strings(const char **strings, size_t n,
					      const weft_par_opts *opts);

/* ---- by a comparison ------------------------------------------------------------------- */

/* Sorts n elements of `size` bytes. Not stable: in place for sizes of 4, 8, 12, 16, 24 and
 * 32; other sizes take a pointer and a copy for each element, and the stable form takes
 * a copy of the array. 0, -ECANCELED, -ENOMEM (nothing has changed), -EINVAL (a size
 * of 0). At most some n log n comparisons. */
WEFT_API WEFT_NODISCARD int weft_sort(void *base, size_t n, size_t size, weft_compare_fn compare,
				      void *context, const weft_par_opts *opts);
WEFT_API WEFT_NODISCARD int weft_sort_stable(void *base, size_t n, size_t size,
					     weft_compare_fn compare, void *context,
					     const weft_par_opts *opts);

/* Merges two sorted arrays into `out`, which has room for a_n + b_n elements and overlaps
 * neither. Equal elements of a go first. 0, -EINVAL, and -ENOMEM for sizes other than
 * those above. */
WEFT_API WEFT_NODISCARD int weft_merge(void *out, const void *a, size_t a_n, const void *b,
				       size_t b_n, size_t size, weft_compare_fn compare,
				       void *context, const weft_par_opts *opts);

/* Reorders so that element k is the one that sorting would put there; none before it is
 * greater, none behind it less. Errors as of weft_sort(); -EINVAL too if k >= n. */
WEFT_API WEFT_NODISCARD int weft_nth(void *base, size_t n, size_t size, size_t k,
				     weft_compare_fn compare, void *context,
				     const weft_par_opts *opts);

/* Reorders so that the first k elements are the least, and sorted. k may exceed n. */
WEFT_API WEFT_NODISCARD int weft_partial_sort(void *base, size_t n, size_t size, size_t k,
					      weft_compare_fn compare, void *context,
					      const weft_par_opts *opts);

/* Copies the k least elements to `out`, sorted, and leaves the array alone: min(k, n)
 * elements. For the greatest, turn the comparison. Takes memory for 2 k elements a
 * worker. 0, -ECANCELED, -ENOMEM, -EINVAL. */
WEFT_API WEFT_NODISCARD int weft_top_k(const void *base, size_t n, size_t size, size_t k,
				       void *out, weft_compare_fn compare, void *context,
				       const weft_par_opts *opts);

/* Brings the elements that `test` is true of to the front; *count is how many. Not
 * stable. Errors as of weft_sort(). */
typedef bool (*weft_element_test_fn)(void *context, const void *element);
WEFT_API WEFT_NODISCARD int weft_partition(void *base, size_t n, size_t size,
					   weft_element_test_fn test, void *context, size_t *count,
					   const weft_par_opts *opts);

/* ---- order and count ------------------------------------------------------------------- */

/* Puts the elements into a random order that depends on `seed` and n alone, whatever the
 * number of workers. Each order is about equally likely; not for secrets. 0, -ECANCELED,
 * -ENOMEM, -EINVAL (a size of 0). */
WEFT_API WEFT_NODISCARD int weft_shuffle(void *base, size_t n, size_t size, uint64_t seed,
					 const weft_par_opts *opts);

/* Counts: count(context, lo, hi, counts) adds to counts[0 .. bins - 1] what it finds in
 * [lo, hi). Each worker counts in an array of its own; counts, which is set, is their sum.
 * 0 or -ENOMEM. */
typedef void (*weft_count_fn)(void *context, size_t lo, size_t hi, uint64_t *counts);
WEFT_API WEFT_NODISCARD int weft_histogram(size_t n, size_t bins, weft_count_fn count,
					   void *context, uint64_t *counts,
					   const weft_par_opts *opts);

/* Groups the indices 0 .. n - 1: group(context, i) says which of 0 .. groups - 1 index i
 * belongs to, the same each time it is asked. The members of group g, ascending, are
 * members[starts[g]] .. members[starts[g + 1] - 1]; `members` has room for n, `starts` for
 * groups + 1. 0 or -ENOMEM, -EINVAL if a group was out of bounds. */
typedef size_t (*weft_group_fn)(void *context, size_t i);
WEFT_API WEFT_NODISCARD int weft_group(size_t n, size_t groups, weft_group_fn group, void *context,
				       size_t *starts, size_t *members, const weft_par_opts *opts);

WEFT_END_DECLS

#endif
