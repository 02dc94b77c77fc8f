/* SPDX-License-Identifier: MIT */
/*
 * Seeds. Never blocks, not even while a machine that has just booted gathers
 * entropy: a seed for a shuffle is not worth a wait, and no secret depends on it.
 */
#define _GNU_SOURCE

#include "base/rng.h"
#include "sys/sys.h"

#include <errno.h>
#include <sys/auxv.h>
#include <sys/random.h>
#include <string.h>
#include <unistd.h>

/* What can be had without the kernel's generator. The counter makes two calls in
 * one tick of the clock differ. */
static uint64_t improvise(void)
{
	static weft_atomic_u64 calls;
	uint64_t seed = weft__rng_mix((uint64_t)weft_now());
	const void *at_random = (const void *)(uintptr_t)getauxval(AT_RANDOM);
	uint64_t boot = 0;

	if (at_random)
		memcpy(&boot, at_random, sizeof(boot));
	seed = weft__rng_mix(seed ^ boot);
	seed = weft__rng_mix(seed ^ (uint64_t)(uintptr_t)&seed ^ ((uint64_t)getpid() << 48));
	return weft__rng_mix(seed + weft_add_relaxed(&calls, 1));
}

uint64_t weft__entropy(void)
{
	int saved = errno;
	uint64_t seed;

	if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) != (ssize_t)sizeof(seed))
		seed = improvise();
	errno = saved;
	return seed;
}
