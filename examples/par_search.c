/* SPDX-License-Identifier: MIT */
/*
 * Parallel search: the first and the last number, among 30 million, whose hash begins with
 * 20 zero bits. Nobody looks beyond what has been found, so the search is over early.
 */
#include <inttypes.h>
#include <stdio.h>

#include <weft/par.h>

/* MurmurHash3's finaliser, by Austin Appleby. */
static uint64_t hash(uint64_t x)
{
	x = (x ^ x >> 33) * UINT64_C(0xff51afd7ed558ccd);
	x = (x ^ x >> 33) * UINT64_C(0xc4ceb9fe1a85ec53);
	return x ^ x >> 33;
}

#define WEFT_FIND work
#define WEFT_TEST(none, i) (hash(i) >> 44 == 0)
#include <weft/par_tmpl.h>

int main(void)
{
	const size_t lo = 1, hi = 30000000;
	size_t first = work_first(lo, hi, NULL, NULL), last = work_last(lo, hi, NULL, NULL);
	size_t count = work_count(lo, hi, NULL, NULL);

	printf("%zu of %zu numbers; the first is %zu with %016" PRIx64 ", the last %zu\n", count,
	       hi - lo, first, hash(first), last);
	if (count == 0 || first >= hi || last >= hi || hash(first) >> 44 || hash(last) >> 44)
		return 1;
	/* Nothing before the first, and nothing after the last. */
	return work_count(lo, first, NULL, NULL) != 0 || work_count(last + 1, hi, NULL, NULL) != 0;
}
