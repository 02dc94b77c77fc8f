/* SPDX-License-Identifier: MIT */
/*
 * Goal: a text falls into the same lines and pieces as in a serial loop, wherever it is
 * cut for the workers. Method: texts of lines of all lengths, empty ones and one that is
 * longer than many blocks among them; each is marked at its beginning.
 */
#include "weft/par_walk.h"

#include <string.h>

#include "par/rig_test.h"

static char text[RIG_MOST + 1];
static weft_atomic_size length_at[RIG_MOST + 1]; /* length + 1 of what begins there */

static void fill(size_t n, unsigned kind)
{
	uint32_t luck = kind + 1;

	for (size_t i = 0; i < n; i++) {
		luck = luck * 1664525u + 1013904223u;
		text[i] = luck >> 16 & 7 ? 'x' : '\n';
		if (kind == 1 && i > n / 10 && i < n / 2)
			text[i] = 'y';
		if (kind == 2 || (kind == 3 && i == n - 1))
			text[i] = '\n';
		else if (kind == 3)
			text[i] = 'z';
	}
	for (size_t i = 0; i <= RIG_MOST; i++)
		weft_store_relaxed(&length_at[i], 0);
}

static void mark(size_t begin, size_t length)
{
	CHECK_EQ(weft_load_relaxed(&length_at[begin]), 0);
	weft_store_relaxed(&length_at[begin], length + 1);
	rig_dawdle(begin);
}

static void line(void *context, const char *begin, size_t length)
{
	CHECK_PTR_EQ(context, text);
	mark((size_t)(begin - text), length);
}

static size_t newline(void *context, size_t lo, size_t hi)
{
	const char *at;

	(void)context;
	CHECK_LT(lo, hi);
	at = memchr(text + lo, '\n', hi - lo);
	return at ? (size_t)(at - text) : hi;
}

static void piece(void *context, size_t lo, size_t hi)
{
	(void)context;
	mark(lo, hi - lo);
}

/* Goes through the lines; `last` is whether one that is empty comes behind the last
 * newline. */
static void lines_check(size_t n, bool last)
{
	size_t begin = 0, end;

	for (; begin < n || (last && n && begin == n); begin = end + 1) {
		for (end = begin; end < n && text[end] != '\n'; end++)
			;
		CHECK_EQ(weft_load_relaxed(&length_at[begin]), end - begin + 1);
		weft_store_relaxed(&length_at[begin], 0);
	}
	for (size_t i = 0; i <= RIG_MOST; i++)
		CHECK_EQ(weft_load_relaxed(&length_at[i]), 0);
}

static void text_check(size_t n, const weft_par_opts *opts)
{
	for (unsigned kind = 0; kind < 4; kind++) {
		fill(n, kind);
		weft_par_lines(text, n, line, text, opts);
		lines_check(n, false);
		weft_par_pieces(0, n, newline, piece, text, opts);
		lines_check(n, true);
	}
}

TEST(par_lines_and_pieces_are_those_of_a_serial_loop)
{
	rig_run(text_check);
}

TEST(line_start_is_the_next_one)
{
	static const char few[] = "ab\n\ncd\n";
	static const size_t want[] = { 0, 3, 3, 3, 4, 7, 7, 7, 7 };

	for (size_t at = 0; at < 9; at++)
		CHECK_EQ(weft_line_start(few, 7, at), want[at]);
	CHECK_EQ(weft_line_start(few, 6, 5), 6);
	CHECK_EQ(weft_line_start(few, 0, 0), 0);
}

/* Blocks within one long line are over at once: else this takes minutes. */
static void count_line(void *context, const char *begin, size_t length)
{
	(void)begin;
	weft_add_relaxed((weft_atomic_size *)context, length);
}

TEST(par_lines_of_one_endless_line_take_one_look)
{
	static char endless[8 << 20];
	weft_par_opts opts = { .grain = 1 };
	weft_atomic_size bytes = WEFT_ATOMIC_INIT(0);

	memset(endless, 'z', sizeof(endless));
	weft_par_lines(endless, sizeof(endless), count_line, &bytes, &opts);
	CHECK_EQ(weft_load_relaxed(&bytes), sizeof(endless));
}
