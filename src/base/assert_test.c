/* SPDX-License-Identifier: MIT */
/*
 * Goal: a check that holds costs nothing to see and evaluates its condition once;
 * one that does not hold ends the program with its sentence and place.
 */
#include "base/assert.h"

#include "check.h"

static void break_invariant(void *unused)
{
	(void)unused;
	WEFT__ASSERT(1 + 1 == 3, "the sum is wrong");
}

TEST(assert_holds_quietly)
{
	int evaluated = 0;

	WEFT__ASSERT(++evaluated == 1, "never printed");
	CHECK_EQ(evaluated, 1);
}

TEST(assert_dies_with_sentence_and_place)
{
	CHECK_DIES(break_invariant, NULL,
		   "weft: the sum is wrong (break_invariant, assert_test.c:");
}

TEST(assert_debug_follows_the_build)
{
	int evaluated = 0;

	WEFT__DEBUG_ASSERT(++evaluated, "never printed");
#if defined(WEFT_DEBUG) && WEFT_DEBUG
	CHECK_EQ(evaluated, 1);
#else
	CHECK_EQ(evaluated, 0);
#endif
}
