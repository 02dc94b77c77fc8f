/* SPDX-License-Identifier: MIT */
/*
 * Goal: seeds differ, from call to call and from process to process, whether the
 * kernel gives random bytes or refuses them.
 */
#define _GNU_SOURCE

#include "sys/sys.h"

#include "sandbox_test.h"

static void check_seeds_differ(void)
{
	enum { SEEDS = 200 };
	static uint64_t seed[SEEDS];
	uint64_t seen = 0;

	errno = 77;
	for (int i = 0; i < SEEDS; i++) {
		seed[i] = weft__entropy();
		seen |= seed[i] ^ seed[0];
		for (int k = 0; k < i; k++)
			CHECK_NE(seed[i], seed[k]);
	}
	CHECK_EQ(errno, 77);
	CHECK_EQ(seen, UINT64_MAX); /* each bit was both */
}

static void refused(void)
{
	CHECK(sandbox_refuse(SYS_getrandom, 0, 0, UINT32_MAX, ENOSYS));
	check_seeds_differ();
}

TEST(entropy_differs)
{
	check_seeds_differ();
}

TEST(entropy_differs_without_the_kernel)
{
	if (!sandbox_works())
		SKIP("this system sets no seccomp filter");
	sandbox_run(refused);
}
