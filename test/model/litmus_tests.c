/* SPDX-License-Identifier: MIT */
/*
 * The checker's memory model, judged from outside.
 *
 * Each litmus test has the set of its outcomes written down. It is compared with
 * what the axioms allow, and with what the checker finds: with reduction, and
 * without. Then random programs, of which nobody knows the outcomes: what the
 * checker finds must be what the axioms allow, and the reduced search must find
 * what the full one finds, at every bound.
 */
#include "litmus.h"
#include "rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"

struct known {
	const char *name, *text, *finals;
	const char *outcomes;
};

static const struct known tests[] = {
#include "litmus_table.h"
};

static bool same(const struct litmus_set *a, const struct litmus_set *b)
{
	return a->count == b->count && memcmp(a->of, b->of, a->count * sizeof(a->of[0])) == 0;
}

static void parse_outcomes(const char *text, struct litmus_set *out)
{
	out->count = 0;
	while (*text) {
		char *end;

		litmus_add(out, strtoull(text, &end, 10));
		text = end + strspn(end, " ");
	}
}

static void print_set(const char *what, const struct litmus *t, const struct litmus_set *set)
{
	printf("     %-8s", what);
	for (size_t i = 0; i < set->count; i++)
		printf(" %0*llu", t->registers + t->finals_count, (unsigned long long)set->of[i]);
	printf("\n");
}

static bool known_run(const struct known *k)
{
	static struct litmus_set expected, axioms, reduced, every;
	static struct litmus t;
	unsigned long long runs;
	bool good;

	if (!litmus_parse(&t, k->text, k->finals)) {
		printf("FAIL litmus %s cannot be read\n", k->name);
		return false;
	}
	parse_outcomes(k->outcomes, &expected);
	litmus_axioms(&t, strstr(k->name, "as executed") != NULL, &axioms);
	litmus_run(&t, WEFT_CHECK_EXHAUSTIVE, 0, &reduced);
	runs = weft_check_last()->executions;
	/* Three threads and more have too many interleavings to try all. */
	if (t.threads == 2)
		litmus_run(&t, WEFT_CHECK_EVERY, 0, &every);
	else
		every = reduced;
	good = same(&expected, &axioms) && same(&axioms, &reduced) && same(&reduced, &every);
	printf("%-4s litmus %-27s %d threads  no bound  %8llu runs  %zu outcomes\n",
	       good ? "ok" : "FAIL", k->name, t.threads, runs, expected.count);
	if (!good) {
		print_set("expected", &t, &expected);
		print_set("axioms", &t, &axioms);
		print_set("reduced", &t, &reduced);
		print_set("every", &t, &every);
	}
	return good;
}

/* ---- random programs ------------------------------------------------------------------- */

static char pick(struct weft__rng *rng, const char *letters)
{
	return letters[weft__rng_below(rng, (uint32_t)strlen(letters))];
}

static void random_step(struct weft__rng *rng, char *out, size_t size, const char *locations,
			int *reg)
{
	char l = pick(rng, locations);
	int value = 1 + (int)weft__rng_below(rng, 3);

	switch (weft__rng_below(rng, 10)) {
	case 0:
	case 1:
	case 2: snprintf(out, size, "%c=%d%c ", l, value, pick(rng, "..rs")); break;
	case 3:
	case 4:
	case 5:
	case 6: snprintf(out, size, "r%d=%c%c ", (*reg)++, l, pick(rng, "..as")); break;
	case 7:
		snprintf(out, size, "r%d=%c%c%d%c ", (*reg)++, l, pick(rng, "+:"), value,
			 pick(rng, ".arqs"));
		break;
	case 8:
		snprintf(out, size, "r%d=%c?%c>%d%c ", (*reg)++, l, pick(rng, "01"), value,
			 pick(rng, ".arqs"));
		break;
	default: snprintf(out, size, "F%c ", pick(rng, "arqs")); break;
	}
}

static void random_program(uint64_t seed, char *out, size_t size)
{
	struct weft__rng rng;
	uint32_t threads, most;
	const char *locations;
	int reg = 0;

	weft__rng_seed(&rng, seed);
	threads = 2 + weft__rng_below(&rng, 2);
	most = threads == 2 ? 4 : 2;
	locations = weft__rng_below(&rng, 4) ? "xy" : "xyz";
	*out = 0;
	for (uint32_t i = 0; i < threads; i++) {
		if (i > 0)
			strncat(out, "| ", size - strlen(out) - 1);
		for (uint32_t k = 1 + weft__rng_below(&rng, most); k > 0; k--) {
			char step[24];

			random_step(&rng, step, sizeof(step), locations, &reg);
			strncat(out, step, size - strlen(out) - 1);
		}
	}
}

static bool random_axioms(uint64_t seed)
{
	static struct litmus_set axioms, found;
	static struct litmus t;
	char text[256];

	random_program(seed, text, sizeof(text));
	if (!litmus_parse(&t, text, "xyz"))
		return true;
	litmus_axioms(&t, true, &axioms);
	litmus_run(&t, WEFT_CHECK_EXHAUSTIVE, 0, &found);
	if (same(&axioms, &found))
		return true;
	printf("     seed %llu: %s\n", (unsigned long long)seed, text);
	print_set("axioms", &t, &axioms);
	print_set("found", &t, &found);
	return false;
}

static bool random_reduction(uint64_t seed)
{
	static const int bounds[] = { 0, WEFT_CHECK_NO_PREEMPTION, 1, 2, 3 };
	static struct litmus_set reduced, every;
	static struct litmus t;
	char text[256];

	random_program(seed, text, sizeof(text));
	if (!litmus_parse(&t, text, "xyz") || t.count > 6)
		return true;
	for (size_t i = 0; i < sizeof(bounds) / sizeof(bounds[0]); i++) {
		litmus_run(&t, WEFT_CHECK_EXHAUSTIVE, bounds[i], &reduced);
		litmus_run(&t, WEFT_CHECK_EVERY, bounds[i], &every);
		if (same(&reduced, &every))
			continue;
		printf("     seed %llu, bound %d: %s\n", (unsigned long long)seed, bounds[i],
		       text);
		print_set("reduced", &t, &reduced);
		print_set("every", &t, &every);
		return false;
	}
	return true;
}

static void random_all(const char *name, const char *filter, bool (*run)(uint64_t seed),
		       uint64_t count, int *passed, int *failed)
{
	int bad = 0;

	if (!strstr(name, filter))
		return;
	for (uint64_t seed = 1; seed <= count && bad < 5; seed++)
		bad += !run(seed);
	printf("%-4s %-34s %llu random programs\n", bad ? "FAIL" : "ok", name,
	       (unsigned long long)count);
	*passed += !bad;
	*failed += bad > 0;
}

void litmus_all(const char *filter, bool is_long, int *passed, int *failed)
{
	const uint64_t times = is_long ? 10 : 1;

	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
		char name[64];

		snprintf(name, sizeof(name), "litmus %s", tests[i].name);
		if (!strstr(name, filter))
			continue;
		if (known_run(&tests[i]))
			++*passed;
		else
			++*failed;
	}
	random_all("litmus random, axioms", filter, random_axioms, 2000 * times, passed, failed);
	random_all("litmus random, reduction", filter, random_reduction, 300 * times, passed,
		   failed);
	random_all("litmus random, sleepers", filter, sleepers_agree, 100 * times, passed, failed);
}
