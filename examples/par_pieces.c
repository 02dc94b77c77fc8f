/* SPDX-License-Identifier: MIT */
/*
 * What a loop can be over: chunks, windows, lines, pieces between separators, several arrays
 * at once, what a producer makes, what can be cut in two.
 */
#include <stdio.h>
#include <string.h>

#include <weft/par_array.h>
#include <weft/par_walk.h>

enum { DAYS = 365, WEEK = 7 };

static double rain[DAYS], weekly[DAYS / WEEK + 1], smooth[DAYS];
static weft_atomic_size counted;

static void sum_week(void *context, size_t lo, size_t hi)
{
	(void)context;
	for (size_t day = lo; day < hi; day++)
		weekly[lo / WEEK] += rain[day];
}

/* Around the middle of the window. */
static void average(void *context, size_t lo, size_t hi)
{
	double sum = 0;

	(void)context;
	for (size_t day = lo; day < hi; day++)
		sum += rain[day];
	smooth[(lo + hi) / 2] = sum / (double)(hi - lo);
}

/* items: rain, smooth, and their difference, in the place of rain */
static void subtract(void *context, size_t day, void *const *items)
{
	(void)context, (void)day;
	*(double *)items[0] -= *(double *)items[1];
}

static void count_line(void *context, const char *line, size_t length)
{
	(void)context;
	weft_add_relaxed(&counted, length > 0 && line[0] != '#');
}

static size_t dry_day(void *context, size_t lo, size_t hi)
{
	for (const double *r = context; lo < hi && r[lo] > 0;)
		lo++;
	return lo;
}

static void count_wet_spell(void *context, size_t lo, size_t hi)
{
	(void)context;
	weft_add_relaxed(&counted, hi > lo);
}

/* A producer: the numbers of a list. */
static int next_number(void *context, void *item)
{
	const char **at = context;
	int length, got = sscanf(*at, "%d%n", (int *)item, &length);

	*at += got == 1 ? length : 0;
	return got == 1;
}

static int add_number(void *context, void *item)
{
	(void)context;
	weft_add_relaxed(&counted, (size_t) * (int *)item);
	return 0;
}

struct area {
	unsigned width, height;
};

static bool halve(void *context, void *piece, void *upper)
{
	struct area *a = piece, *b = upper;

	(void)context;
	if (a->width * a->height <= 64)
		return false;
	*b = *a;
	if (a->width > a->height)
		b->width -= a->width /= 2;
	else
		b->height -= a->height /= 2;
	return true;
}

static int count_area(void *context, void *piece)
{
	const struct area *a = piece;

	(void)context;
	weft_add_relaxed(&counted, a->width * a->height);
	return 0;
}

static size_t take_count(const char *what)
{
	size_t n = weft_swap_relaxed(&counted, 0);

	printf("%-28s %zu\n", what, n);
	return n;
}

int main(void)
{
	static const char text[] = "# a comment\none\ntwo\n\nthree";
	const weft_array arrays[] = { { rain, sizeof(*rain) }, { smooth, sizeof(*smooth) } };
	const weft_split areas = { sizeof(struct area), halve, count_area, NULL };
	const char *list = "1 2 3 4 5 6 7 8 9 10";
	bool good = true;
	size_t rest;

	for (int day = 0; day < DAYS; day++)
		rain[day] = day % 10 < 4 ? 0 : 1;
	rest = weft_par_chunks_exact(0, DAYS, WEEK, sum_week, NULL, NULL);
	good &= rest == DAYS - 1 && weekly[0] == 3 && weekly[1] == 3;
	weft_par_windows(0, DAYS, WEEK, average, NULL, NULL);
	good &= smooth[3] == 3.0 / 7;

	weft_par_lines(text, strlen(text), count_line, NULL, NULL);
	good &= take_count("lines that say something") == 3;
	weft_par_pieces(0, DAYS, dry_day, count_wet_spell, rain, NULL);
	good &= take_count("spells of rain") == 37;
	good &= weft_par_bridge(sizeof(int), next_number, add_number, &list, NULL) == 0;
	good &= take_count("the sum of a list") == 55;
	good &= weft_par_split(&(struct area){ 1000, 700 }, &areas, NULL) == 0;
	good &= take_count("an area, piece by piece") == 700000;

	weft_par_zip(arrays, 2, DAYS, subtract, NULL, NULL);
	good &= rain[3] == 0 - 3.0 / 7;
	return !good;
}
