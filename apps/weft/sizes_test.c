/* SPDX-License-Identifier: MIT */
/*
 * Goal: the set knows exactly which sizes came twice.
 * Method: sizes with regular gaps, as file systems have them, a third of them
 * added again, through several growths.
 */
#include "sizes.h"
#include "check.h"

TEST(sizes_know_what_came_twice)
{
	struct sizes s = { 0 };

	CHECK(!sizes_twice(&s, 0));
	for (uint64_t i = 0; i < 30000; i++)
		CHECK_EQ(sizes_add(&s, i * 4096), 0);
	for (uint64_t i = 0; i < 30000; i += 3) {
		CHECK_EQ(sizes_add(&s, i * 4096), 0);
		if (i % 2)
			CHECK_EQ(sizes_add(&s, i * 4096), 0);
	}
	CHECK_EQ(s.count, 30000);
	for (uint64_t i = 0; i < 30000; i++) {
		CHECK_EQ(sizes_twice(&s, i * 4096), i % 3 == 0);
		CHECK(!sizes_twice(&s, i * 4096 + 1));
	}
	sizes_free(&s);
}
