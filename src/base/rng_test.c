/* SPDX-License-Identifier: MIT */
/*
 * Goal: the generator is the published one, and bounded numbers stay in bounds
 * and favour nobody.
 * Method: the reference's first values; bounds at the edges; a bound of 3 * 2^30,
 * for which the product's high half alone would give each third number twice the
 * chance.
 */
#include "base/rng.h"

#include "check.h"

TEST(rng_is_splitmix64)
{
	static const uint64_t reference[] = {
		UINT64_C(6457827717110365317),  UINT64_C(3203168211198807973),
		UINT64_C(9817491932198370423),  UINT64_C(4593380528125082431),
		UINT64_C(16408922859458223821),
	};
	struct weft__rng rng;

	weft__rng_seed(&rng, 1234567);
	for (size_t i = 0; i < sizeof(reference) / sizeof(reference[0]); i++)
		CHECK_EQ(weft__rng_next(&rng), reference[i]);
}

TEST(rng_below_stays_below)
{
	static const uint32_t bounds[] = { 1, 2, 3, 10, 1u << 31, (1u << 31) + 1, UINT32_MAX };
	struct weft__rng rng = { 0 };

	for (size_t i = 0; i < sizeof(bounds) / sizeof(bounds[0]); i++) {
		for (int k = 0; k < 10000; k++)
			CHECK_LT(weft__rng_below(&rng, bounds[i]), bounds[i]);
	}
}

TEST(rng_below_reaches_each_number_alike)
{
	enum { BOUND = 10, DRAWS = 1000000 };
	struct weft__rng rng = { 7 };
	int seen[BOUND] = { 0 };

	for (int i = 0; i < DRAWS; i++)
		seen[weft__rng_below(&rng, BOUND)]++;
	/* One draw in ten: the standard deviation is 300. */
	for (int i = 0; i < BOUND; i++)
		CHECK_NEAR(seen[i], DRAWS / BOUND, 1800);
}

TEST(rng_below_is_not_biased)
{
	enum { DRAWS = 300000 };
	struct weft__rng rng = { 11 };
	int thirds[3] = { 0 };

	for (int i = 0; i < DRAWS; i++)
		thirds[weft__rng_below(&rng, 3u << 30) % 3]++;
	/* The standard deviation is 258. */
	for (int i = 0; i < 3; i++)
		CHECK_NEAR(thirds[i], DRAWS / 3, 1600);
}

TEST(rng_mix_has_no_collision_nearby)
{
	for (uint64_t i = 1; i < 2000; i++) {
		uint64_t a = weft__rng_mix(i);

		/* A quarter of the bits at least must move. */
		CHECK_GE(__builtin_popcountll(a ^ weft__rng_mix(i + 1)), 16 - 6);
		CHECK_NE(a, weft__rng_mix(i - 1));
	}
}
