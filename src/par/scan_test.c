/* SPDX-License-Identifier: MIT */
/*
 * Goal: each range of a scan is written once, and knows all that came before it, also
 * where the order matters. Method: compositions of affine maps, which do not commute, in
 * both forms, against a serial loop; workers who are sure to take part.
 */
#include <errno.h>
#include <string.h>

#include "par/rig_test.h"
#include "weft/event.h"

/* x -> a x + b modulo 2^64. */
struct affine {
	uint64_t a, b;
};

static const struct affine identity = { 1, 0 };
static struct affine out[RIG_MOST];
static weft_atomic_size measured, written;
static size_t least; /* indices of a range */

static struct affine then(struct affine l, struct affine r)
{
	return (struct affine){ l.a * r.a, l.b * r.a + r.b };
}

static struct affine item(size_t i)
{
	return (struct affine){ 2 * i + 1, i };
}

static void measure(void *context, size_t lo, size_t hi, void *accumulator)
{
	struct affine f = *(struct affine *)accumulator;

	(void)context;
	CHECK_LT(lo, hi);
	weft_add_relaxed(&measured, hi - lo);
	for (size_t i = lo; i < hi; i++) {
		rig_dawdle(i);
		f = then(f, item(i));
	}
	*(struct affine *)accumulator = f;
}

static void write_range(void *context, size_t lo, size_t hi, void *accumulator, const void *after)
{
	struct affine f = *(struct affine *)accumulator;
	bool exclusive = *(bool *)context;

	CHECK_LT(lo, hi);
	CHECK_GE(hi - lo, least);
	weft_add_relaxed(&written, hi - lo);
	for (size_t i = lo; i < hi; i++) {
		struct affine before = f;

		rig_dawdle(i);
		f = then(f, item(i));
		out[i] = exclusive ? before : f;
	}
	CHECK(!after || memcmp(&f, after, sizeof(f)) == 0);
	*(struct affine *)accumulator = f;
}

static void combine(void *context, void *left, const void *right)
{
	(void)context;
	*(struct affine *)left = then(*(struct affine *)left, *(const struct affine *)right);
}

static weft_scan scan_of(bool *exclusive)
{
	return (weft_scan){ .size = sizeof(struct affine),
			    .identity = &identity,
			    .measure = measure,
			    .write = write_range,
			    .combine = combine,
			    .context = exclusive };
}

static void scan_check(size_t n, const weft_par_opts *opts)
{
	for (int kind = 0; kind < 2; kind++) {
		bool exclusive = kind;
		weft_scan scan = scan_of(&exclusive);
		struct affine f = identity, total = { 0, 0 };

		least = opts && opts->grain < n ? opts->grain : 0;
		weft_store_relaxed(&written, 0);
		CHECK_EQ(weft_par_scan(0, n, &scan, kind ? NULL : &total, opts), 0);
		CHECK_EQ(weft_load_relaxed(&written), n);
		for (size_t i = 0; i < n; i++) {
			struct affine before = f;

			f = then(f, item(i));
			CHECK_EQ(out[i].a, exclusive ? before.a : f.a);
			CHECK_EQ(out[i].b, exclusive ? before.b : f.b);
		}
		CHECK(kind || (total.a == f.a && total.b == f.b));
	}
}

TEST(par_scan_is_serial_in_what_it_gives)
{
	rig_run(scan_check);
}

/* ---- taking part ------------------------------------------------------------------------ */

static weft_event second_here;

/* The first range, which its worker writes at once, ends when another was measured. */
static void wait_for_second(void *context, size_t lo, size_t hi, void *accumulator,
			    const void *after)
{
	if (lo == 0)
		CHECK_EQ(weft_event_wait(&second_here), 0);
	write_range(context, lo, hi, accumulator, after);
}

static void tell_second(void *context, size_t lo, size_t hi, void *accumulator)
{
	measure(context, lo, hi, accumulator);
	if (lo > 0)
		weft_event_set(&second_here);
}

TEST(par_scan_is_shared_while_a_range_is_written)
{
	weft_par_opts opts = { .grain = 10 };
	bool exclusive = false;
	weft_scan scan = scan_of(&exclusive);
	struct affine total, want = identity;

	CHECK_EQ(weft_pool_new(&opts.pool, &(weft_pool_opts){ .workers = 2 }), 0);
	scan.write = wait_for_second;
	scan.measure = tell_second;
	for (int round = 0; round < 100; round++) {
		weft_event_reset(&second_here);
		CHECK_EQ(weft_par_scan(0, 1000, &scan, &total, &opts), 0);
	}
	for (size_t i = 0; i < 1000; i++)
		want = then(want, item(i));
	CHECK_EQ(total.b, want.b);
	weft_pool_free(opts.pool);
}

TEST(par_scan_refuses_sizes_out_of_bounds)
{
	bool exclusive = false;
	weft_scan scan = scan_of(&exclusive);
	struct affine total = { 7, 7 };

	scan.size = 0;
	CHECK_EQ(weft_par_scan(0, 10, &scan, &total, NULL), -EINVAL);
	scan.size = WEFT_REDUCE_MAX + 1;
	CHECK_EQ(weft_par_scan(0, 10, &scan, &total, NULL), -EINVAL);
	CHECK_EQ(total.a, 7);
	scan.size = sizeof(total);
	CHECK_EQ(weft_par_scan(5, 4, &scan, &total, NULL), 0);
	CHECK_EQ(total.a, 1);
}
