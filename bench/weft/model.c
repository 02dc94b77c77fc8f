/* SPDX-License-Identifier: MIT */
/* The model checker: how many runs a second it makes. Three threads hand a counter round
 * under a mutex, depth first with two preemptions at most, some 100 steps a run. */
#include "../subject.h"

#include <weft/check.h>
#include <weft/mutex.h>

enum { THREADS = 3, ROUNDS = 5, MOST = 400000 };

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

/* The time of so many runs, or a negative number. */
static double explore(uint64_t runs)
{
	const weft_check_opts opts = { .preemptions = 2, .executions = runs };
	double start = subject_now_ns();

	if (weft_check(program, NULL, &opts) != WEFT_CHECK_PASSED ||
	    weft_check_last()->executions != runs)
		return -1.0;
	return subject_now_ns() - start;
}

int main(int argc, char **argv)
{
	double took, steps;
	uint64_t runs;

	if (argc != 4 || strcmp(argv[2], "steps100") != 0)
		return subject_bad("usage: weft-model model steps100 WORKERS");
	took = explore(MOST / 40);
	runs = subject_count(MOST / 40, took, MOST, 1);
	took = took < 0.0 ? took : explore(runs);
	if (took < 0.0)
		return subject_bad("the model did not have so many runs, or failed");
	steps = (double)weft_check_last()->steps_total / (double)runs;
	if (steps < 90.0 || steps > 110.0)
		return subject_bad("the runs have %.0f steps and not some 100", steps);
	return subject_ok((double)runs / took * 1e9, "runs/s");
}
