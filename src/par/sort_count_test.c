/* SPDX-License-Identifier: MIT */
/*
 * Goal: selection, partition, random order, histogram and grouping give what a plain loop
 * gives, and do not depend on the number of workers where they say so.
 * Method: as in sort_test.c.
 */
#include "par/sort_rig_test.h"

/* ---- selection, order, counting -------------------------------------------------------- */

TEST(top_k_copies_the_least)
{
	static const size_t sizes[] = { 0, 1, 5, 100, 5000, 100000 },
			    ks[] = { 0, 1, 10, 700, 200000 };
	weft_par_opts opts = { .pool = pool_of(3) };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
		for (size_t j = 0; j < sizeof(ks) / sizeof(*ks); j++) {
			struct array a = array_new(RANDOM, sizes[i], 3);
			size_t k = ks[j] < a.n ? ks[j] : a.n;
			uint64_t *out = malloc(k * 8 + 8);

			out[k] = GUARD;
			CHECK_EQ(weft_top_k(a.at, a.n, 8, ks[j], out, compare, NULL, &opts), 0);
			CHECK_EQ(out[k], GUARD);
			qsort(a.at, a.n, 8, compare_u64);
			CHECK_MEM_EQ(out, a.at, k * 8);
			free(out);
			array_free(&a);
		}
	weft_pool_free(opts.pool);
}

static bool is_odd(void *context, const void *element)
{
	(void)context;
	return *(const unsigned char *)element % 2;
}

TEST(partition_brings_what_passes_to_the_front)
{
	static const size_t sizes[] = { 0, 1, 2, 100, 5000, 140000, 300000 };
	weft_par_opts opts = { .pool = pool_of(3) };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
		for (enum shape s = 0; s < SHAPES; s++) {
			struct array a = array_new(s, sizes[i], 3);
			size_t odd = 0, count = 77;
			uint64_t want = hash_all(a.at, a.n);

			for (size_t k = 0; k < a.n; k++)
				odd += is_odd(NULL, &a.at[k]);
			CHECK_EQ(weft_partition(a.at, a.n, 8, is_odd, NULL, &count, &opts), 0);
			CHECK_EQ(count, odd);
			for (size_t k = 0; k < a.n; k++)
				CHECK_EQ(is_odd(NULL, &a.at[k]), k < odd);
			CHECK_EQ(hash_all(a.at, a.n), want);
			array_free(&a);
		}
	weft_pool_free(opts.pool);
}

TEST(shuffle_depends_on_the_seed_and_not_on_the_workers)
{
	enum { N = 30000 };
	static uint64_t first[N], at[N];
	uint64_t want = 0;

	for (int workers = 1; workers <= 8; workers++) {
		weft_par_opts opts = { .pool = pool_of(workers) };

		for (size_t i = 0; i < N; i++)
			at[i] = i;
		CHECK_EQ(weft_shuffle(at, N, 8, 7, &opts), 0);
		if (workers == 1)
			memcpy(first, at, sizeof(at));
		CHECK_MEM_EQ(at, first, sizeof(at));
		weft_pool_free(opts.pool);
	}
	for (size_t i = 0; i < N; i++)
		want += weft__rng_mix(i);
	CHECK_EQ(hash_all(at, N), want);
	CHECK_EQ(weft_shuffle(at, N, 8, 8, NULL), 0);
	CHECK(memcmp(at, first, sizeof(at)) != 0);
}

/* Each of the 24 orders of four, within five standard deviations. */
TEST(shuffle_gives_each_order_about_as_often)
{
	enum { ROUNDS = 24000 };
	static int seen[256];
	int orders = 0;

	for (uint64_t seed = 0; seed < ROUNDS; seed++) {
		uint8_t at[4] = { 0, 1, 2, 3 };

		CHECK_EQ(weft_shuffle(at, 4, 1, seed, NULL), 0);
		seen[at[0] << 6 | at[1] << 4 | at[2] << 2 | at[3]]++;
	}
	for (int i = 0; i < 256; i++)
		if (seen[i]) {
			orders++;
			CHECK_LT(abs(seen[i] - ROUNDS / 24), 160);
		}
	CHECK_EQ(orders, 24);
}

static void count_bytes(void *context, size_t lo, size_t hi, uint64_t *counts)
{
	const unsigned char *bytes = context;

	for (size_t i = lo; i < hi; i++)
		counts[bytes[i]]++;
}

static size_t group_of(void *context, size_t i)
{
	return ((const unsigned char *)context)[i];
}

TEST(histogram_and_groups_agree_with_a_count)
{
	static const size_t sizes[] = { 0, 1, 1000, 100000 };

	for (int workers = 1; workers <= 8; workers += 7)
		for (size_t s = 0; s < sizeof(sizes) / sizeof(*sizes); s++) {
			weft_par_opts opts = { .pool = pool_of(workers) };
			size_t n = sizes[s], starts[257], *members = malloc(n * 8 + 8), at = 0;
			unsigned char *bytes = malloc(n + 1);
			uint64_t counts[256], want[256] = { 0 };

			fill_bytes(bytes, n, s);
			count_bytes(bytes, 0, n, want);
			CHECK_EQ(weft_histogram(n, 256, count_bytes, bytes, counts, &opts), 0);
			CHECK_MEM_EQ(counts, want, sizeof(want));
			CHECK_EQ(weft_group(n, 256, group_of, bytes, starts, members, &opts), 0);
			for (size_t g = 0; g < 256; g++) {
				CHECK_EQ(starts[g + 1] - starts[g], want[g]);
				for (; at < starts[g + 1]; at++) {
					CHECK_EQ(bytes[members[at]], g);
					CHECK(at == starts[g] || members[at - 1] < members[at]);
				}
			}
			CHECK_EQ(weft_group(n, 255, group_of, bytes, starts, members, &opts),
				 memchr(bytes, 255, n) ? -EINVAL : 0);
			free(bytes);
			free(members);
			weft_pool_free(opts.pool);
		}
}
