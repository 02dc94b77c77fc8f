/* SPDX-License-Identifier: MIT */
/*
 * Are the models good enough? Each memory order of the library is weakened by one
 * step, each read-modify-write is torn into a load and a store, each kind of wake
 * is left out, one at a time while the models run: one of them must fail.
 *
 * The places are those that the models come by. A mutant that survives is a
 * missing model, or changes nothing, and then mutants.txt says why:
 *
 *     file | function | expression | mutation | the reason, a sentence
 *
 * (Left-out checks and moved unlocks are patches of the source: see mutants.sh.)
 */
#include "rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/mutant.h"

enum { MUTANTS = 1024, REASONS = 256 };

struct mutant {
	enum mutation mutation;
	const char *site;
	int order;
	char file[64], function[64], expression[80], what[48];
};

struct reason {
	char file[64], function[64], expression[80], what[48], text[400];
};

static struct mutant mutants[MUTANTS];
static int mutants_count;
static struct reason reasons[REASONS];
static int reasons_count;

static const char *const order_names[] = { "relaxed", "acquire", "release", "acq_rel", "seq_cst" };

static void field(char *out, size_t size, const char **at)
{
	size_t length = strcspn(*at, "|\n");

	while (**at == ' ' && length > 0)
		++*at, length--;
	snprintf(out, size, "%.*s", (int)length, *at);
	*at += length + ((*at)[length] == '|');
	for (size_t n = strlen(out); n > 0 && out[n - 1] == ' ';)
		out[--n] = 0;
}

static void reasons_read(void)
{
	FILE *f = fopen(WEFT_MUTANTS_TXT, "r");
	char line[800];

	while (f && fgets(line, sizeof(line), f) && reasons_count < REASONS) {
		struct reason *r = &reasons[reasons_count];
		const char *at = line;

		if (line[0] == '#' || line[0] == '\n')
			continue;
		field(r->file, sizeof(r->file), &at);
		field(r->function, sizeof(r->function), &at);
		field(r->expression, sizeof(r->expression), &at);
		field(r->what, sizeof(r->what), &at);
		field(r->text, sizeof(r->text), &at);
		reasons_count++;
	}
	if (f)
		fclose(f);
}

static const char *reason_of(const struct mutant *m)
{
	for (int i = 0; i < reasons_count; i++) {
		const struct reason *r = &reasons[i];

		if (strcmp(r->file, m->file) == 0 && strcmp(r->function, m->function) == 0 &&
		    strcmp(r->expression, m->expression) == 0 && strcmp(r->what, m->what) == 0)
			return r->text;
	}
	return NULL;
}

/* ---- which ------------------------------------------------------------------------- */

/* The function that the line stands in: the latest name before a bracket in a line
 * that begins in column 0. */
static void function_of(const char *file, int at, char *out, size_t size)
{
	char path[512], line[256];
	FILE *f;

	*out = 0;
	snprintf(path, sizeof(path), "%s/%s", WEFT_SOURCES, file);
	f = fopen(path, "r");
	while (f && at-- > 0 && fgets(line, sizeof(line), f)) {
		size_t end = strcspn(line, "("), begin = end;

		if (!line[end] || line[0] == ' ' || line[0] == '\t' || line[0] == '/' ||
		    line[0] == '#')
			continue;
		while (begin > 0 && line[begin - 1] != ' ' && line[begin - 1] != '*')
			begin--;
		snprintf(out, size, "%.*s", (int)(end - begin), line + begin);
	}
	if (f)
		fclose(f);
}

static void mutant_add(enum mutation mutation, const struct weft__mutant_site *s, int order)
{
	struct mutant *m = &mutants[mutants_count];
	const char *colon = strchr(s->site, ':'), *blank = strchr(s->site, ' ');

	if (mutants_count == MUTANTS || !colon || !blank)
		return;
	mutants_count++;
	m->mutation = mutation;
	m->site = s->site;
	m->order = order;
	snprintf(m->file, sizeof(m->file), "%.*s", (int)(colon - s->site), s->site);
	snprintf(m->expression, sizeof(m->expression), "%s", blank + 1);
	function_of(m->file, atoi(colon + 1), m->function, sizeof(m->function));
	if (mutation == MUTANT_SPLIT)
		snprintf(m->what, sizeof(m->what), "%s torn", s->kind);
	else
		snprintf(m->what, sizeof(m->what), "%s %s>%s", s->kind, order_names[s->order],
			 order_names[order]);
}

static void mutants_of(const struct weft__mutant_site *s)
{
	const bool loads = strcmp(s->kind, "load") == 0, stores = strcmp(s->kind, "store") == 0;

	if (strncmp(s->site, "src/", 4) != 0 && strncmp(s->site, "include/", 8) != 0)
		return;
	if (!loads && !stores)
		mutant_add(MUTANT_SPLIT, s, s->order);
	switch (s->order) {
	case WEFT__SEQ_CST:
		mutant_add(MUTANT_ORDER, s,
			   loads    ? WEFT__ACQUIRE
			   : stores ? WEFT__RELEASE
				    : WEFT__ACQ_REL);
		break;
	case WEFT__ACQ_REL:
		mutant_add(MUTANT_ORDER, s, WEFT__ACQUIRE);
		mutant_add(MUTANT_ORDER, s, WEFT__RELEASE);
		break;
	case WEFT__ACQUIRE:
	case WEFT__RELEASE: mutant_add(MUTANT_ORDER, s, WEFT__RELAXED); break;
	default: break;
	}
}

/* Runs the models shortly, to learn which operations there are. */
static void mutants_find(void)
{
	const struct weft__mutant_site *sites;
	size_t count;

	weft__mutant_record(true);
	for (const struct model_spec *s = model_first(); s; s = s->next) {
		const weft_check_opts opts = {
			.mode = WEFT_CHECK_RANDOM,
			.executions = 2000,
			.quiet = true,
			.spurious = s->spurious,
			.failures = s->failures,
			.no_shrink = true,
		};

		if (s->covers)
			weft_check(s->program, s->arg, &opts);
	}
	weft__mutant_record(false);
	count = weft__mutant_sites(&sites);
	for (size_t i = 0; i < count; i++)
		mutants_of(&sites[i]);
}

/* ---- killing them --------------------------------------------------------------------- */

static bool covers(const char *list, const char *file)
{
	while (list && *list) {
		size_t length = strcspn(list, " ");

		if (length > 0 && strncmp(list, file, length) == 0)
			return true;
		list += length + (list[length] == ' ');
	}
	return false;
}

/* At random first, which is quick where it fails, and shows whether a model comes by
 * the place at all; then in order. */
static const struct {
	int mode;
	uint64_t executions;
} tries[] = {
	{ WEFT_CHECK_RANDOM, 200 },
	{ WEFT_CHECK_RANDOM, 3000 },
	{ WEFT_CHECK_PCT, 1000 },
	{ WEFT_CHECK_EXHAUSTIVE, 0 },
};
enum { TRIES = sizeof(tries) / sizeof(tries[0]), MODELS = 256, SECONDS_MOST = 90 };

static int model_verdict(const struct model_spec *s, int attempt)
{
	const weft_check_opts opts = {
		.mode = tries[attempt].mode,
		.executions = tries[attempt].executions,
		.preemptions = s->preemptions,
		.quiet = true,
		.no_shrink = true,
		.spurious = s->spurious,
		.failures = s->failures,
		.steps = 5000,
		.leaks_allowed = s->leaks_allowed,
		.ns_most = 4 * WEFT_SECOND,
	};

	return weft_check(s->program, s->arg, &opts);
}

/* The model that fails, or NULL. */
static const char *killer(const char *file, int *verdict)
{
	static bool met[MODELS];
	int64_t begin = weft__model_real_ns();

	for (int attempt = 0; attempt < TRIES; attempt++) {
		int i = 0;

		for (const struct model_spec *s = model_first(); s; s = s->next, i++) {
			if (i == MODELS || s->expects || !covers(s->covers, file) ||
			    (attempt > 0 && !met[i]) ||
			    weft__model_real_ns() - begin > SECONDS_MOST * WEFT_SECOND)
				continue;
			weft__mutant_met_reset();
			*verdict = model_verdict(s, attempt);
			met[i] = weft__mutant_met() > 0;
			if (*verdict)
				return s->name;
		}
	}
	return NULL;
}

static bool mutant_run(const struct mutant *m)
{
	const char *why = reason_of(m), *name;
	int verdict;

	weft__mutant_plant(m->mutation, m->site, m->order);
	name = killer(m->file, &verdict);
	weft__mutant_plant(MUTANT_NONE, NULL, 0);
	printf("%-10s %s, %s: ",
	       name  ? "caught"
	       : why ? "equivalent"
		     : "SURVIVED",
	       m->site, m->what);
	if (name)
		printf("%s, %s%s\n", name, weft_check_verdict_name(verdict),
		       why ? " (though mutants.txt calls it equivalent)" : "");
	else
		printf("%s\n", why ? why : "no model fails");
	fflush(stdout);
	return name || why;
}

static bool no_wake(void)
{
	int verdict;
	const char *name;

	weft__mutant_plant(MUTANT_DROP, "futex wake", 0);
	name = killer("src/wait/parker.c", &verdict);
	weft__mutant_plant(MUTANT_NONE, NULL, 0);
	printf("%-10s every futex wake left out: %s\n", name ? "caught" : "SURVIVED",
	       name ? name : "no model fails");
	return name != NULL;
}

void mutants_all(const char *filter, int *passed, int *failed)
{
	reasons_read();
	mutants_find();
	for (int i = 0; i < mutants_count; i++) {
		if (!strstr(mutants[i].site, filter))
			continue;
		if (mutant_run(&mutants[i]))
			++*passed;
		else
			++*failed;
	}
	if (!*filter) {
		if (no_wake())
			++*passed;
		else
			++*failed;
	}
}
