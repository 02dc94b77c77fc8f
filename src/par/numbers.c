/* SPDX-License-Identifier: MIT */
/*
 * Sums, products and extremes of arrays of numbers: instances of the template. Signed
 * integers are added and multiplied without their sign, so that they wrap around.
 */
#include "weft/par_array.h"

/* ---- sums --------------------------------------------------------------------------- */

#define WEFT_REDUCE sum_i32
#define WEFT_CONTEXT const int32_t
#define WEFT_T uint64_t
#define WEFT_IDENTITY 0
#define WEFT_ITEM(x, i) ((uint64_t)(x)[i])
#define WEFT_COMBINE(a, b) ((a) + (b))
#define WEFT_COMMUTES
#include "weft/par_tmpl.h"

int64_t weft_par_sum_i32(const int32_t *x, size_t count, const weft_par_opts *opts)
{
	return (int64_t)sum_i32(0, count, x, opts);
}

#define WEFT_REDUCE sum_i64
#define WEFT_CONTEXT const int64_t
#define WEFT_T uint64_t
#define WEFT_IDENTITY 0
#define WEFT_ITEM(x, i) ((uint64_t)(x)[i])
#define WEFT_COMBINE(a, b) ((a) + (b))
#define WEFT_COMMUTES
#include "weft/par_tmpl.h"

int64_t weft_par_sum_i64(const int64_t *x, size_t count, const weft_par_opts *opts)
{
	return (int64_t)sum_i64(0, count, x, opts);
}

#define WEFT_REDUCE sum_u32
#define WEFT_CONTEXT const uint32_t
#define WEFT_T uint64_t
#define WEFT_IDENTITY 0
#define WEFT_ITEM(x, i) ((uint64_t)(x)[i])
#define WEFT_COMBINE(a, b) ((a) + (b))
#define WEFT_COMMUTES
#include "weft/par_tmpl.h"

uint64_t weft_par_sum_u32(const uint32_t *x, size_t count, const weft_par_opts *opts)
{
	return sum_u32(0, count, x, opts);
}

#define WEFT_REDUCE sum_u64
#define WEFT_CONTEXT const uint64_t
#define WEFT_T uint64_t
#define WEFT_IDENTITY 0
#define WEFT_ITEM(x, i) ((uint64_t)(x)[i])
#define WEFT_COMBINE(a, b) ((a) + (b))
#define WEFT_COMMUTES
#include "weft/par_tmpl.h"

uint64_t weft_par_sum_u64(const uint64_t *x, size_t count, const weft_par_opts *opts)
{
	return sum_u64(0, count, x, opts);
}

#define WEFT_REDUCE sum_f32
#define WEFT_CONTEXT const float
#define WEFT_T double
#define WEFT_IDENTITY 0
#define WEFT_ITEM(x, i) ((double)(x)[i])
#define WEFT_COMBINE(a, b) ((a) + (b))
#define WEFT_COMMUTES
#include "weft/par_tmpl.h"

double weft_par_sum_f32(const float *x, size_t count, const weft_par_opts *opts)
{
	return sum_f32(0, count, x, opts);
}

#define WEFT_REDUCE sum_f64
#define WEFT_CONTEXT const double
#define WEFT_T double
#define WEFT_IDENTITY 0
#define WEFT_ITEM(x, i) ((double)(x)[i])
#define WEFT_COMBINE(a, b) ((a) + (b))
#define WEFT_COMMUTES
#include "weft/par_tmpl.h"

double weft_par_sum_f64(const double *x, size_t count, const weft_par_opts *opts)
{
	return sum_f64(0, count, x, opts);
}

/* ---- products ----------------------------------------------------------------------- */

#define WEFT_REDUCE product_i64
#define WEFT_CONTEXT const int64_t
#define WEFT_T uint64_t
#define WEFT_IDENTITY 1
#define WEFT_ITEM(x, i) ((uint64_t)(x)[i])
#define WEFT_COMBINE(a, b) ((a) * (b))
#define WEFT_COMMUTES
#include "weft/par_tmpl.h"

int64_t weft_par_product_i64(const int64_t *x, size_t count, const weft_par_opts *opts)
{
	return (int64_t)product_i64(0, count, x, opts);
}

#define WEFT_REDUCE product_u64
#define WEFT_CONTEXT const uint64_t
#define WEFT_T uint64_t
#define WEFT_IDENTITY 1
#define WEFT_ITEM(x, i) ((uint64_t)(x)[i])
#define WEFT_COMBINE(a, b) ((a) * (b))
#define WEFT_COMMUTES
#include "weft/par_tmpl.h"

uint64_t weft_par_product_u64(const uint64_t *x, size_t count, const weft_par_opts *opts)
{
	return product_u64(0, count, x, opts);
}

#define WEFT_REDUCE product_f64
#define WEFT_CONTEXT const double
#define WEFT_T double
#define WEFT_IDENTITY 1
#define WEFT_ITEM(x, i) ((double)(x)[i])
#define WEFT_COMBINE(a, b) ((a) * (b))
#define WEFT_COMMUTES
#include "weft/par_tmpl.h"

double weft_par_product_f64(const double *x, size_t count, const weft_par_opts *opts)
{
	return product_f64(0, count, x, opts);
}

/* ---- extremes ----------------------------------------------------------------------- */

#define WEFT_BEST min_i64
#define WEFT_CONTEXT const int64_t
#define WEFT_T int64_t
#define WEFT_KEY(x, i) ((x)[i])
#define WEFT_BETTER(a, b) ((a) < (b))
#include "weft/par_tmpl.h"

size_t weft_par_min_i64(const int64_t *x, size_t count, const weft_par_opts *opts)
{
	return min_i64(0, count, x, opts);
}

#define WEFT_BEST max_i64
#define WEFT_CONTEXT const int64_t
#define WEFT_T int64_t
#define WEFT_KEY(x, i) ((x)[i])
#define WEFT_BETTER(a, b) ((a) > (b))
#include "weft/par_tmpl.h"

size_t weft_par_max_i64(const int64_t *x, size_t count, const weft_par_opts *opts)
{
	return max_i64(0, count, x, opts);
}

#define WEFT_BEST min_u64
#define WEFT_CONTEXT const uint64_t
#define WEFT_T uint64_t
#define WEFT_KEY(x, i) ((x)[i])
#define WEFT_BETTER(a, b) ((a) < (b))
#include "weft/par_tmpl.h"

size_t weft_par_min_u64(const uint64_t *x, size_t count, const weft_par_opts *opts)
{
	return min_u64(0, count, x, opts);
}

#define WEFT_BEST max_u64
#define WEFT_CONTEXT const uint64_t
#define WEFT_T uint64_t
#define WEFT_KEY(x, i) ((x)[i])
#define WEFT_BETTER(a, b) ((a) > (b))
#include "weft/par_tmpl.h"

size_t weft_par_max_u64(const uint64_t *x, size_t count, const weft_par_opts *opts)
{
	return max_u64(0, count, x, opts);
}

#define WEFT_BEST min_f64
#define WEFT_CONTEXT const double
#define WEFT_T double
#define WEFT_KEY(x, i) ((x)[i])
#define WEFT_BETTER(a, b) ((a) < (b))
#define WEFT_USABLE(k) ((k) == (k))
#include "weft/par_tmpl.h"

size_t weft_par_min_f64(const double *x, size_t count, const weft_par_opts *opts)
{
	return min_f64(0, count, x, opts);
}

#define WEFT_BEST max_f64
#define WEFT_CONTEXT const double
#define WEFT_T double
#define WEFT_KEY(x, i) ((x)[i])
#define WEFT_BETTER(a, b) ((a) > (b))
#define WEFT_USABLE(k) ((k) == (k))
#include "weft/par_tmpl.h"

size_t weft_par_max_f64(const double *x, size_t count, const weft_par_opts *opts)
{
	return max_f64(0, count, x, opts);
}
