/* SPDX-License-Identifier: MIT */
/*
 * Goal: searches give what a serial one gives, and stop when the answer is known.
 * Method: hits at chosen places, against a serial loop; the looks that were taken are
 * counted.
 */
#include "par/rig_test.h"

enum { OFF = 3 };

static bool sought[OFF + RIG_MOST];
static weft_atomic_size looks;

static size_t first_of(void *context, size_t lo, size_t hi)
{
	(void)context;
	for (; lo < hi; lo++) {
		rig_dawdle(lo);
		if (sought[lo])
			return lo;
	}
	return hi;
}

static size_t last_of(void *context, size_t lo, size_t hi)
{
	(void)context;
	for (size_t i = hi; i > lo; i--) {
		rig_dawdle(i);
		if (sought[i - 1])
			return i - 1;
	}
	return hi;
}

static bool test(void *context, size_t i)
{
	(void)context;
	rig_dawdle(i);
	return sought[i];
}

static void answers_check(size_t n, const weft_par_opts *opts)
{
	size_t lo = OFF, hi = OFF + n, first = hi, last = hi, count = 0, any;

	for (size_t i = lo; i < hi; i++)
		if (sought[i]) {
			first = count++ ? first : i;
			last = i;
		}
	CHECK_EQ(weft_par_find_first(lo, hi, first_of, NULL, opts), first);
	CHECK_EQ(weft_par_find_last(lo, hi, last_of, NULL, opts), last);
	CHECK_EQ(weft_par_position(lo, hi, test, NULL, opts), first);
	CHECK_EQ(weft_par_count(lo, hi, test, NULL, opts), count);
	CHECK_EQ(weft_par_any(lo, hi, test, NULL, opts), count > 0);
	CHECK_EQ(weft_par_all(lo, hi, test, NULL, opts), count == n);
	any = weft_par_find_any(lo, hi, first_of, NULL, opts);
	CHECK(any == hi ? count == 0 : any >= lo && any < hi && sought[any]);
}

static void none_check(size_t n, const weft_par_opts *opts)
{
	answers_check(n, opts);
}

TEST(par_find_finds_nothing_where_there_is_nothing)
{
	rig_run(none_check);
	CHECK_EQ(weft_par_find_last(9, 8, last_of, NULL, NULL), 8);
	CHECK_EQ(weft_par_find_first(9, 8, first_of, NULL, NULL), 8);
}

static void one_check(size_t n, const weft_par_opts *opts)
{
	const size_t places[] = { 0, n / 3, n / 2, n - 1 };

	for (size_t p = 0; n && p < 4; p++) {
		sought[OFF + places[p]] = true;
		answers_check(n, opts);
		sought[OFF + places[p]] = false;
	}
}

TEST(par_find_finds_the_only_one)
{
	rig_run(one_check);
}

static void many_check(size_t n, const weft_par_opts *opts)
{
	for (size_t every = 1; every < 2000; every = every * 5 + 2) {
		for (size_t i = 0; i < n; i++)
			sought[OFF + i] = i % every == every / 2;
		answers_check(n, opts);
	}
	for (size_t i = 0; i < n; i++)
		sought[OFF + i] = false;
}

TEST(par_find_finds_the_first_and_the_last_of_many)
{
	rig_run(many_check);
}

static size_t at_once(void *context, size_t lo, size_t hi)
{
	(void)context;
	weft_add_relaxed(&looks, hi - lo);
	return lo < hi ? lo : hi;
}

TEST(par_find_stops_when_the_answer_is_known)
{
	for (int i = 0; i < 3; i++) {
		weft_store_relaxed(&looks, 0);
		CHECK_EQ(weft_par_find_any(0, SIZE_MAX, at_once, NULL, NULL), 0);
		CHECK_EQ(weft_load_relaxed(&looks), 1);
		CHECK_EQ(weft_par_find_first(0, SIZE_MAX, at_once, NULL, NULL), 0);
		CHECK_EQ(weft_load_relaxed(&looks), 2);
		CHECK_EQ(weft_par_find_last(0, SIZE_MAX, at_once, NULL, NULL), SIZE_MAX - 1);
		CHECK_EQ(weft_load_relaxed(&looks), 3);
	}
}
