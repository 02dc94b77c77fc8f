/* SPDX-License-Identifier: MIT */
/*
 * Random numbers for shuffling, victim selection and back-off: not for secrets.
 *
 * SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number
 * generators", OOPSLA 2014): one word of state, every seed is good, 0 included,
 * each 64-bit value appears once in a period of 2^64. A generator belongs to one
 * thread; who shares one must lock it.
 */
#ifndef WEFT_BASE_RNG_H
#define WEFT_BASE_RNG_H

#include "base/assert.h"

struct weft__rng {
	uint64_t state;
};

/* A bijection of the 64-bit numbers in which each input bit moves about half of
 * the output bits: also good as a hash of addresses and counters. */
static inline uint64_t weft__rng_mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

static inline void weft__rng_seed(struct weft__rng *rng, uint64_t seed)
{
	rng->state = seed;
}

static inline uint64_t weft__rng_next(struct weft__rng *rng)
{
	rng->state += UINT64_C(0x9e3779b97f4a7c15);
	return weft__rng_mix(rng->state);
}

/* A number in 0 .. bound - 1, each as likely as the others; bound is at least 1.
 * Lemire, "Fast random integer generation in an interval" (2019): the high half
 * of a product, with the few draws rejected that would favour some results. The
 * division is reached only by a fraction bound/2^32 of the calls. */
static inline uint32_t weft__rng_below(struct weft__rng *rng, uint32_t bound)
{
	uint64_t product;

	WEFT__DEBUG_ASSERT(bound > 0, "a random number below 0 was asked for");
	product = (weft__rng_next(rng) >> 32) * bound;
	if ((uint32_t)product < bound) {
		uint32_t reject = -bound % bound;

		while ((uint32_t)product < reject)
			product = (weft__rng_next(rng) >> 32) * bound;
	}
	return (uint32_t)(product >> 32);
}

#endif
