/* SPDX-License-Identifier: MIT */
/*
 * What the checker chooses beside the order of steps: each has a program that is right
 * but for that choice. It must pass when the choice is not offered, every run made, and
 * fail when it is. So must it be with a second CPU, with old stores, and with those who
 * begin at any time.
 */
#include "litmus.h"
#include "rig.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <weft.h>

#include "sys/sys.h"

struct thing {
	weft_atomic_u32 word, flag, last;
	weft_token token;
	int data;
};

static struct thing *thing_new(void)
{
	struct thing *t = weft_check_alloc(sizeof(*t));

	if (!t)
		weft_check_fail(__FILE__, __LINE__, "no memory");
	return t;
}

/* A sleeper that takes a return for a wake. */
static void wake_word(void *arg)
{
	struct thing *t = arg;

	t->data = 1;
	weft_store_release(&t->word, 1);
	weft__futex_wake(&t->word, 1);
}

static void trusts_the_futex(void *arg)
{
	struct thing *t = thing_new();

	(void)arg;
	SPAWN(wake_word, t);
	weft__futex_wait(&t->word, 0, WEFT_NEVER);
	WEFT_CHECK(weft_load_acquire(&t->word) == 1);
	weft_check_join(1);
	weft_check_free(t);
}

/* A claim that is given up when the compare-and-swap fails for nothing. */
static void trusts_a_weak_cas(void *arg)
{
	struct thing *t = thing_new();
	uint32_t zero = 0;

	(void)arg;
	WEFT_CHECK(weft_cas_weak_acquire(&t->word, &zero, 1));
	weft_check_free(t);
}

/* Memory that is not looked at. */
static void trusts_the_heap(void *arg)
{
	(void)arg;
	weft_check_free(thing_new());
}

/* A deadline that is thought to be far away. */
static void trusts_the_time(void *arg)
{
	const bool timed = *(const bool *)arg;
	struct thing *t = thing_new();

	SPAWN(wake_word, t);
	while (weft_load_acquire(&t->word) == 0)
		WEFT_CHECK(weft__futex_wait(&t->word, 0, timed ? 5 * WEFT_SECOND : WEFT_NEVER) !=
			   -ETIMEDOUT);
	weft_check_join(1);
	weft_check_free(t);
}

/* A cancellation between two looks, where no thread sleeps: with no preemption allowed it
 * comes there only from outside. */
static void cancel(void *arg)
{
	weft_token_cancel(arg);
}

static void looks_twice(void *arg)
{
	const bool anytime = *(const bool *)arg;
	struct thing *t = thing_new();
	bool before;

	if (anytime)
		weft_check_spawn_anytime(cancel, &t->token, "cancel");
	else
		weft_check_spawn(cancel, &t->token, "cancel");
	before = weft_token_cancelled(&t->token);
	WEFT_CHECK(weft_token_cancelled(&t->token) == before);
	weft_check_join(1);
	weft_check_free(t);
}

/* An old value: with SC alone one of the two sees the other. */
static void store_then_load(void *arg)
{
	struct thing *t = arg;

	weft_store_relaxed(&t->word, 1);
	t->data = (int)weft_load_relaxed(&t->flag);
}

static void wants_no_old_values(void *arg)
{
	struct thing *t = thing_new();
	uint32_t other;

	(void)arg;
	SPAWN(store_then_load, t);
	weft_store_relaxed(&t->flag, 1);
	other = weft_load_relaxed(&t->word);
	weft_check_join(1);
	WEFT_CHECK(t->data == 1 || other == 1);
	weft_check_free(t);
}

/* Two stores that are seen late, though a third one, made after them, was seen. */
static void three_stores(void *arg)
{
	struct thing *t = arg;

	weft_store_relaxed(&t->word, 1);
	weft_store_relaxed(&t->flag, 1);
	weft_store_relaxed(&t->last, 1);
}

static void wants_two_old_values(void *arg)
{
	struct thing *t = thing_new();

	(void)arg;
	SPAWN(three_stores, t);
	if (weft_load_relaxed(&t->last) == 1) {
		uint32_t word = weft_load_relaxed(&t->word);

		WEFT_CHECK(word == 1 || weft_load_relaxed(&t->flag) == 1);
	}
	weft_check_join(1);
	weft_check_free(t);
}

/* What decides whether the library spins. */
static void asks_for_cpus(void *arg)
{
	(void)arg;
	WEFT_CHECK(weft_cpus() == 1 && weft__thread_cpus() == 1);
}

/* ---- the table -------------------------------------------------------------------- */

static const bool no = false, yes = true;

static const struct choice {
	const char *name;
	void (*program)(void *arg);
	const bool *arg_without, *arg_with;
	weft_check_opts without, with;
	int verdict;
} choices[] = {
	{ "futex returns for nothing",
	  trusts_the_futex,
	  NULL,
	  NULL,
	  { 0 },
	  { .spurious = 1 },
	  WEFT_CHECK_ASSERTION },
	{ "weak cas fails for nothing",
	  trusts_a_weak_cas,
	  NULL,
	  NULL,
	  { .spurious = 1 },
	  { .weak = 1 },
	  WEFT_CHECK_ASSERTION },
	{ "no memory",
	  trusts_the_heap,
	  NULL,
	  NULL,
	  { 0 },
	  { .failures = 1 },
	  WEFT_CHECK_ASSERTION },
	{ "a timer fires now", trusts_the_time, &no, &yes, { 0 }, { 0 }, WEFT_CHECK_ASSERTION },
	{ "a cancellation now",
	  looks_twice,
	  &no,
	  &yes,
	  { .preemptions = WEFT_CHECK_NO_PREEMPTION },
	  { .preemptions = WEFT_CHECK_NO_PREEMPTION },
	  WEFT_CHECK_ASSERTION },
	{ "an old value",
	  wants_no_old_values,
	  NULL,
	  NULL,
	  { .stale = WEFT_CHECK_NO_STALE },
	  { .stale = 1 },
	  WEFT_CHECK_ASSERTION },
	{ "two old values",
	  wants_two_old_values,
	  NULL,
	  NULL,
	  { .stale = 1 },
	  { .stale = 2 },
	  WEFT_CHECK_ASSERTION },
	{ "two CPUs", asks_for_cpus, NULL, NULL, { 0 }, { .cpus = 2 }, WEFT_CHECK_ASSERTION },
};

static int run_quietly(const struct choice *c, bool with)
{
	weft_check_opts opts = with ? c->with : c->without;

	opts.quiet = true;
	return weft_check(c->program, (void *)(uintptr_t)(with ? c->arg_with : c->arg_without),
			  &opts);
}

static bool choice_run(const struct choice *c)
{
	int without = run_quietly(c, false);
	bool exhausted = weft_check_last()->exhausted;
	int with = run_quietly(c, true);
	bool good = without == WEFT_CHECK_PASSED && exhausted && with == c->verdict;

	printf("%-4s choice %s: without it %s%s, with it %s\n", good ? "ok" : "FAIL", c->name,
	       weft_check_verdict_name(without), exhausted ? "" : " (not exhausted)",
	       weft_check_verdict_name(with));
	return good;
}

void choices_all(const char *filter, int *passed, int *failed)
{
	for (size_t i = 0; i < sizeof(choices) / sizeof(choices[0]); i++) {
		char name[64];

		snprintf(name, sizeof(name), "choice %s", choices[i].name);
		if (strstr(name, filter))
			++*(choice_run(&choices[i]) ? passed : failed);
	}
}
