/* SPDX-License-Identifier: MIT */
/* One atomic addition: the yardstick beside an uncontended lock and unlock. */
#include "../subject.h"

static uint64_t counter;

static double add(uint64_t n)
{
	double start = subject_now_ns();

	for (uint64_t i = 0; i < n; i++)
		__atomic_fetch_add(&counter, 1, __ATOMIC_SEQ_CST);
	return subject_now_ns() - start;
}

int main(int argc, char **argv)
{
	if (argc != 4 || strcmp(argv[1], "mutex") != 0)
		return subject_bad("usage: atomic-add mutex uncontended WORKERS");
	uint64_t small = SUBJECT_MUTEX_MOST_ALONE / 50;
	uint64_t n = subject_count(small, add(small), SUBJECT_MUTEX_MOST_ALONE, 1);
	double took = add(n);

	if (counter != small + n)
		return subject_bad("the counter is at %" PRIu64 " and not %" PRIu64, counter,
				   small + n);
	return subject_ok(took / (double)n, "ns/lock");
}
