/* SPDX-License-Identifier: MIT */
/*
 * Models that register themselves: small programs for the checker.
 *
 *     MODEL(event_wakes_all, .covers = "src/sync/event.c src/wait")
 *     {
 *         ...
 *     }
 *
 * The body is run as the first thread of the model. Each model is explored
 * depth-first within its bound, then at random and by PCT beyond it.
 */
#ifndef WEFT_TEST_MODEL_RIG_H
#define WEFT_TEST_MODEL_RIG_H

#include <weft/check.h>

struct model_spec {
	const char *name;
	void (*program)(void *arg);
	void *arg;
	const char *covers;   /* parts of paths; whose mutants it is to catch */
	int preemptions;      /* bound; 0: none. For everyday */
	int preemptions_long; /* bound with --long; default: as above */
	uint32_t spurious, weak, failures;
	uint32_t rereads; /* for threads that look at one word many times */
	int cpus;         /* default 1: nobody spins */
	int expects;      /* the verdict of a planted bug */
	int seconds;      /* for a quick search, as for a mutant; default 2 */
	uint64_t random;  /* runs at random, and as many of PCT; default 1,000 */
	bool long_only;
	bool leaks_allowed;
	struct model_spec *next;
};

void model_register(struct model_spec *spec);

#define MODEL(ident, ...)                                                   \
	static void model_##ident(void *arg);                               \
	__attribute__((constructor)) static void model_add_##ident(void)    \
	{                                                                   \
		static struct model_spec spec = { .name = #ident,           \
						  .program = model_##ident, \
						  __VA_ARGS__ };            \
		model_register(&spec);                                      \
	}                                                                   \
	static void model_##ident(__attribute__((unused)) void *arg)

/* Another model of the same program, with an argument. */
#define MODEL_OF(ident, function, ...)                                   \
	__attribute__((constructor)) static void model_add_##ident(void) \
	{                                                                \
		static struct model_spec spec = { .name = #ident,        \
						  .program = function,   \
						  __VA_ARGS__ };         \
		model_register(&spec);                                   \
	}                                                                \
	struct model_spec

/* Starts a thread whose argument is the given object. */
#define SPAWN(fn, object) weft_check_spawn(fn, object, #fn)

/* Groups that are no single model: litmus tests, the checker's own tests. They
 * print a line a test, and return the number that passed and failed. */
void litmus_all(const char *filter, bool is_long, int *passed, int *failed);
void choices_all(const char *filter, int *passed, int *failed);

/* The mutants: test/model/mutants.c. */
void mutants_all(const char *filter, int *passed, int *failed);

const struct model_spec *model_first(void);

enum model_effort { EFFORT_QUICK, EFFORT_EVERYDAY, EFFORT_LONG };

/* Explores the model and prints a line. True if it came out as expected. */
bool model_explore(const struct model_spec *spec, enum model_effort effort);

#endif
