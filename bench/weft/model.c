/* SPDX-License-Identifier: MIT */
/* The model checker: how many runs a second it makes. Three threads hand a counter round
 * under a mutex, depth first with two preemptions at most, some 100 steps a run. Runs get
 * longer as the search goes on, so it is the first so many that are made, again and again:
 * the same work however fast it is. */
#include "../subject.h"

#include <weft/check.h>
#include <weft/mutex.h>

enum { THREADS = 3, ROUNDS = 4, RUNS = 20000, TIMES_MOST = 40 };

struct shared {
	weft_mutex lock;
	int count;
};

static void add(void *arg)
{
	struct shared *s = (struct shared *)arg;

	for (int i = 0; i < ROUNDS; i++) {
		weft_mutex_lock(&s->lock);
		s->count++;
		weft_mutex_unlock(&s->lock);
	}
}

static void program(void *arg)
{
	struct shared *s = (struct shared *)weft_check_alloc(sizeof(*s));

	(void)arg;
	for (int i = 1; i < THREADS; i++)
		weft_check_spawn(add, s, NULL);
	add(s);
	for (int i = 1; i < THREADS; i++)
		weft_check_join(i);
	WEFT_CHECK(s->count == THREADS * ROUNDS);
	weft_check_free(s);
}

/* The time of so many searches, or a negative number. */
static double explore(uint64_t times)
{
	const weft_check_opts opts = { .preemptions = 2, .executions = RUNS };
	double start = subject_now_ns();

	for (; times > 0; times--)
		if (weft_check(program, NULL, &opts) != WEFT_CHECK_PASSED ||
		    weft_check_last()->executions != RUNS)
			return -1.0;
	return subject_now_ns() - start;
}

int main(int argc, char **argv)
{
	double took, steps;
	uint64_t times;

	if (argc != 4 || strcmp(argv[2], "steps100") != 0)
		return subject_bad("usage: weft-model model steps100 WORKERS");
	took = explore(1);
	times = subject_count(1, took, TIMES_MOST, 1);
	took = took < 0.0 ? took : explore(times);
	if (took < 0.0)
		return subject_bad("the model did not have so many runs, or failed");
	steps = (double)weft_check_last()->steps_total / RUNS;
	if (steps < 90.0 || steps > 110.0)
		return subject_bad("the runs have %.0f steps and not some 100", steps);
	return subject_ok((double)(times * RUNS) / took * 1e9, "runs/s");
}
