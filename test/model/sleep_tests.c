/* SPDX-License-Identifier: MIT */
/*
 * Does the reduced search know everything about sleeping? Random programs of stores,
 * loads, timed waits and wakes on two futex words, explored with reduction and
 * without, at several bounds: the outcomes must be the same. A sleeper may be woken
 * or time out, and a wake takes the time-out away; that is what is easily missed.
 */
#include "litmus.h"
#include "rig.h"

#include <stdio.h>
#include <string.h>

#include "base/rng.h"
#include "sys/sys.h"

enum { PARTIES = 3, STEPS = 3 };

struct sleepers {
	weft_atomic_u32 words[2];
	uint64_t seen[PARTIES];
};

struct party {
	struct sleepers *shared;
	int index;
};

static uint8_t program[PARTIES][STEPS];
static int parties;

static uint64_t step(struct sleepers *s, int kind)
{
	weft_atomic_u32 *word = &s->words[kind & 1];

	switch (kind >> 1) {
	case 0: weft_store_relaxed(word, 1); return 0;
	case 1: return weft_load_relaxed(word);
	case 2: weft__futex_wake(word, 1); return 0;
	default: return (uint64_t)-weft__futex_wait(word, 0, 5 * WEFT_SECOND) % 7;
	}
}

static void party_run(void *arg)
{
	struct party p = *(struct party *)arg;

	for (int i = 0; i < STEPS; i++)
		p.shared->seen[p.index] = p.shared->seen[p.index] * 8 +
					  step(p.shared, program[p.index][i]);
}

static void sleepers(void *arg)
{
	struct sleepers *s = weft_check_alloc(sizeof(*s));
	struct party *p = weft_check_alloc(sizeof(*p) * PARTIES);
	uint64_t outcome = 0;

	(void)arg;
	for (int i = 0; i < parties; i++) {
		p[i] = (struct party){ s, i };
		weft_check_spawn(party_run, &p[i], NULL);
	}
	for (int i = 0; i < parties; i++) {
		weft_check_join(i + 1);
		outcome = outcome << 12 | s->seen[i];
	}
	weft_check_outcome(outcome);
	weft_check_free(p);
	weft_check_free(s);
}

static void outcomes(int mode, int preemptions, struct litmus_set *out)
{
	const weft_check_opts opts = {
		.name = "sleepers", .mode = mode, .preemptions = preemptions, .rereads = 8
	};

	out->count = 0;
	if (weft_check(sleepers, NULL, &opts) == WEFT_CHECK_PASSED)
		out->count = weft_check_outcomes(out->of, LITMUS_OUTCOMES);
}

bool sleepers_agree(uint64_t seed)
{
	static const int bounds[] = { 0, 1, 2 };
	static struct litmus_set reduced, every;
	struct weft__rng rng;

	weft__rng_seed(&rng, seed);
	parties = 2 + weft__rng_below(&rng, 4) / 3;
	for (int i = 0; i < PARTIES; i++)
		for (int k = 0; k < STEPS; k++)
			program[i][k] = (uint8_t)weft__rng_below(&rng, 8);
	for (size_t i = parties == 3; i < sizeof(bounds) / sizeof(bounds[0]); i++) {
		outcomes(WEFT_CHECK_EXHAUSTIVE, bounds[i], &reduced);
		outcomes(WEFT_CHECK_EVERY, bounds[i], &every);
		if (reduced.count == every.count && every.count > 0 &&
		    memcmp(reduced.of, every.of, every.count * sizeof(every.of[0])) == 0)
			continue;
		printf("     seed %llu, bound %d: %zu outcomes of %zu\n", (unsigned long long)seed,
		       bounds[i], reduced.count, every.count);
		return false;
	}
	return true;
}
