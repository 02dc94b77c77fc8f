/* SPDX-License-Identifier: MIT */
/*
 * Parallel verbs over arrays of items of any size, called for each item.
 *
 * The bodies get pointers to items, at the price of a call each: for items that are
 * worth it, and for languages that call C. Where an item is an addition, a range body of
 * <weft/par.h> or an expression of <weft/par_tmpl.h> is faster; sums of numbers are here
 * as well. What <weft/par.h> says of all verbs holds here too. Items are moved as bytes.
 */
#ifndef WEFT_PAR_ARRAY_H
#define WEFT_PAR_ARRAY_H

#include <weft/par.h>

WEFT_BEGIN_DECLS

/* ---- in place, and from array to array --------------------------------------------- */

/* Calls body(context, item) for each of `count` items of `size` bytes. */
typedef void (*weft_item_fn)(void *context, void *item);
WEFT_API void weft_par_update(void *items, size_t count, size_t size, weft_item_fn body,
			      void *context, const weft_par_opts *opts);

/* Calls body(context, in item, out item) for each; out[i] is made of in[i], and the arrays
 * must not overlap unless they are the same, with items of the same size. */
typedef void (*weft_map_fn)(void *context, const void *in, void *out);
WEFT_API void weft_par_map(void *out, size_t out_size, const void *in, size_t in_size,
			   size_t count, weft_map_fn body, void *context,
			   const weft_par_opts *opts);

/* Calls body(context, i, items) for each i below `length`, where items[k] is the i-th item
 * of the k-th array. Some are read and some written: with one to read and two to write it
 * is an unzip. 1 .. WEFT_ZIP_MAX arrays, else the program stops with a sentence. */
typedef struct weft_array {
	void *items;
	size_t size; /* of an item, bytes */
} weft_array;

#define WEFT_ZIP_MAX 8

typedef void (*weft_zip_fn)(void *context, size_t index, void *const *items);
WEFT_API void weft_par_zip(const weft_array *arrays, size_t array_count, size_t length,
			   weft_zip_fn body, void *context, const weft_par_opts *opts);

/* ---- filter and collect -------------------------------------------------------------- */

/* Copies the items that are to be kept to `out`, in their order, and returns how many they
 * are. `out` has room for them and does not overlap. `keep` is asked once or twice for an
 * item, and says the same then. */
typedef bool (*weft_keep_fn)(void *context, const void *item);
WEFT_API size_t weft_par_filter(void *out, const void *in, size_t count, size_t size,
				weft_keep_fn keep, void *context, const weft_par_opts *opts);

/* The same with a second place, for what is not kept, in its order; it has room for that. */
WEFT_API size_t weft_par_partition_copy(void *kept, void *others, const void *in, size_t count,
					size_t size, weft_keep_fn keep, void *context,
					const weft_par_opts *opts);

/* Items that a range of weft_par_collect() makes; of that call of its body alone. */
typedef struct weft_items weft_items;

/* Appends a copy of an item. Cannot fail as far as the caller is concerned: without memory
 * weft_par_collect() returns -ENOMEM. */
WEFT_API void weft_items_push(weft_items *items, const void *item);

/* Appends `count` items to be filled in by the caller, one after the other at the address
 * returned, which is good until the next call for the same items. NULL without memory: the
 * body then returns, with any result. weft_items_drop() takes the last `count` of them
 * back, so that one may ask for as many as there could be. */
WEFT_API void *weft_items_add(weft_items *items, size_t count);
WEFT_API void weft_items_drop(weft_items *items, size_t count);

/* Collects what body(context, lo, hi, items) makes of ranges that together cover
 * [lo, hi), as one array in the order of the ranges: filter-map and flat-map, if one does
 * not know before how much it will be. Each range is visited once. *items is from
 * malloc(), the caller's, and NULL if *count is 0. 0, -ENOMEM, -ECANCELED, -EINVAL for a
 * size of 0, or what a body returned first in time. */
typedef int (*weft_collect_fn)(void *context, size_t lo, size_t hi, weft_items *items);
WEFT_API WEFT_NODISCARD int weft_par_collect(size_t lo, size_t hi, size_t size,
					     weft_collect_fn body, void *context, void **items,
					     size_t *count, const weft_par_opts *opts);

/* ---- comparing ------------------------------------------------------------------------- */

/* The first index at which the arrays differ, the length of the shorter if there is none.
 * `compare` may be NULL, here and for weft_par_equal(): then items are bytes. */
WEFT_API size_t weft_par_mismatch(const void *a, size_t a_count, const void *b, size_t b_count,
				  size_t size, weft_compare_fn compare, void *context,
				  const weft_par_opts *opts);
WEFT_API bool weft_par_equal(const void *a, size_t a_count, const void *b, size_t b_count,
			     size_t size, weft_compare_fn compare, void *context,
			     const weft_par_opts *opts);

/* Compares as dictionaries do: by the first items that differ, else by length. -1, 0, 1. */
WEFT_API int weft_par_compare(const void *a, size_t a_count, const void *b, size_t b_count,
			      size_t size, weft_compare_fn compare, void *context,
			      const weft_par_opts *opts);

/* The index of the first of the least or greatest items; count if there is none. By key:
 * `compare` looks at keys. */
WEFT_API size_t weft_par_min(const void *items, size_t count, size_t size, weft_compare_fn compare,
			     void *context, const weft_par_opts *opts);
WEFT_API size_t weft_par_max(const void *items, size_t count, size_t size, weft_compare_fn compare,
			     void *context, const weft_par_opts *opts);

/* ---- numbers ----------------------------------------------------------------------------- */

/* The sum of nothing is 0, its product 1. Integers wrap around. Floats are added in an order
 * that varies from run to run; weft_par_reduce_fixed() is for those who mind. */
WEFT_API int64_t weft_par_sum_i32(const int32_t *x, size_t count, const weft_par_opts *opts);
WEFT_API int64_t weft_par_sum_i64(const int64_t *x, size_t count, const weft_par_opts *opts);
WEFT_API uint64_t weft_par_sum_u32(const uint32_t *x, size_t count, const weft_par_opts *opts);
WEFT_API uint64_t weft_par_sum_u64(const uint64_t *x, size_t count, const weft_par_opts *opts);
WEFT_API double weft_par_sum_f32(const float *x, size_t count, const weft_par_opts *opts);
WEFT_API double weft_par_sum_f64(const double *x, size_t count, const weft_par_opts *opts);
WEFT_API int64_t weft_par_product_i64(const int64_t *x, size_t count, const weft_par_opts *opts);
WEFT_API uint64_t weft_par_product_u64(const uint64_t *x, size_t count, const weft_par_opts *opts);
WEFT_API double weft_par_product_f64(const double *x, size_t count, const weft_par_opts *opts);

/* The index of the first of the least or greatest numbers; count if there is none. NaN is
 * passed over. */
WEFT_API size_t weft_par_min_i64(const int64_t *x, size_t count, const weft_par_opts *opts);
WEFT_API size_t weft_par_max_i64(const int64_t *x, size_t count, const weft_par_opts *opts);
WEFT_API size_t weft_par_min_u64(const uint64_t *x, size_t count, const weft_par_opts *opts);
WEFT_API size_t weft_par_max_u64(const uint64_t *x, size_t count, const weft_par_opts *opts);
WEFT_API size_t weft_par_min_f64(const double *x, size_t count, const weft_par_opts *opts);
WEFT_API size_t weft_par_max_f64(const double *x, size_t count, const weft_par_opts *opts);

WEFT_END_DECLS

#endif
