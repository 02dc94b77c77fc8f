/* SPDX-License-Identifier: MIT */
/*
 * Goal: no sum, difference or product of times overflows, wherever it lies.
 * Method: all pairs of edge values, against 128-bit arithmetic with the limits
 * applied afterwards. UBSan would also see an overflow.
 */
#include "base/time.h"

#include "check.h"

__extension__ typedef __int128 wide;

static const int64_t edges[] = {
	INT64_MIN, INT64_MIN + 1, -WEFT_SECOND,  -2,        -1, 0, 1, 2,
	WEFT_US,   WEFT_SECOND,   INT64_MAX - 1, INT64_MAX,
};

enum { EDGES = sizeof(edges) / sizeof(edges[0]) };

static int64_t clamp(wide value, int64_t least)
{
	if (value < least)
		return least;
	return value > INT64_MAX ? INT64_MAX : (int64_t)value;
}

TEST(time_add_saturates)
{
	for (int i = 0; i < EDGES; i++) {
		for (int k = 0; k < EDGES; k++) {
			int64_t point = edges[i] < 0 ? 0 : edges[i];
			int64_t expected = clamp((wide)point + edges[k], 0);

			if (point == WEFT_NEVER)
				expected = WEFT_NEVER;
			CHECK_EQ(weft__time_add(point, edges[k]), expected);
		}
	}
	CHECK_EQ(weft__time_add(INT64_MIN, INT64_MIN), 0);
}

TEST(time_left_saturates)
{
	for (int i = 0; i < EDGES; i++) {
		for (int k = 0; k < EDGES; k++) {
			int64_t expected = clamp((wide)edges[i] - edges[k], 0);

			if (edges[i] == WEFT_NEVER)
				expected = WEFT_NEVER;
			CHECK_EQ(weft__time_left(edges[i], edges[k]), expected);
		}
	}
}

TEST(time_scale_saturates)
{
	static const int64_t units[] = { 1, WEFT_US, WEFT_MS, WEFT_SECOND };

	for (int i = 0; i < EDGES; i++) {
		for (int k = 0; k < 4; k++)
			CHECK_EQ(weft__time_scale(edges[i], units[k]),
				 clamp((wide)edges[i] * units[k], INT64_MIN));
	}
}

TEST(time_units_round_up)
{
	CHECK_EQ(weft__time_units(0, WEFT_MS), 0);
	CHECK_EQ(weft__time_units(1, WEFT_MS), 1);
	CHECK_EQ(weft__time_units(WEFT_MS - 1, WEFT_MS), 1);
	CHECK_EQ(weft__time_units(WEFT_MS, WEFT_MS), 1);
	CHECK_EQ(weft__time_units(WEFT_MS + 1, WEFT_MS), 2);
	CHECK_EQ(weft__time_units(-1, WEFT_MS), 0);
	CHECK_EQ(weft__time_units(INT64_MIN, WEFT_MS), 0);
	CHECK_EQ(weft__time_units(INT64_MAX, 1), INT64_MAX);
	CHECK_EQ(weft__time_units(INT64_MAX, WEFT_MS), INT64_MAX / WEFT_MS + 1);
}

TEST(time_min_is_the_earlier)
{
	CHECK_EQ(weft__time_min(1, 2), 1);
	CHECK_EQ(weft__time_min(WEFT_NEVER, 2), 2);
}
