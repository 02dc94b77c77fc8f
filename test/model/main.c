/* SPDX-License-Identifier: MIT */
/*
 * The program behind ./dev model: explores the models whose names contain FILTER.
 *
 *     weft-model [FILTER] [--long] [--mutants] [--first] [--replay TOKEN] [--list]
 *
 * --first: no litmus tests, and ends with the first model that fails.
 *
 * The last line is `N passed, N failed`; the exit code is 0 when none failed.
 */
#include "rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct model_spec *first, **last = &first;

void model_register(struct model_spec *spec)
{
	*last = spec;
	last = &spec->next;
}

const struct model_spec *model_first(void)
{
	return first;
}

static weft_check_opts options(const struct model_spec *spec, bool is_long)
{
	/* What is to be found is found, however busy the machine is. */
	int seconds = spec->seconds ? spec->seconds : spec->expects ? 60 : 2;
	weft_check_opts opts = {
		.name = spec->name,
		.preemptions = spec->preemptions,
		.spurious = spec->spurious,
		.failures = spec->failures,
		.rereads = spec->rereads,
		.leaks_allowed = spec->leaks_allowed,
		.ns_most = (is_long ? 300 : 1) * seconds * WEFT_SECOND,
		.quiet = spec->expects != WEFT_CHECK_PASSED,
	};

	if (is_long && spec->preemptions_long)
		opts.preemptions = spec->preemptions_long;
	return opts;
}

static const char *bound_text(int preemptions)
{
	static char text[32];

	if (preemptions == 0)
		return "no bound";
	snprintf(text, sizeof(text), "bound %d", preemptions < 0 ? 0 : preemptions);
	return text;
}

static void print_line(const struct model_spec *spec, const weft_check_opts *opts,
		       const weft_check_result *r, bool good)
{
	printf("%-4s %-34s %d threads  %-8s  %8llu+%llu runs  %-13s %5.1f s", good ? "ok" : "FAIL",
	       spec->name, r->threads, bound_text(opts->preemptions),
	       (unsigned long long)r->executions, (unsigned long long)r->pruned,
	       r->verdict     ? weft_check_verdict_name(r->verdict)
	       : r->exhausted ? "exhausted"
			      : "not exhausted",
	       (double)r->ns / 1e9);
	fflush(stdout);
}

static uint64_t random_runs(const struct model_spec *spec, bool is_long)
{
	return (spec->random ? spec->random : 1000) * (is_long ? 100 : 1);
}

/* Beyond the bound: at random, then by PCT with depths 2 to 5. */
static int explore_random(const struct model_spec *spec, weft_check_opts opts, uint64_t runs)
{
	int verdict = WEFT_CHECK_PASSED;

	for (int depth = 1; depth <= 5 && !verdict; depth++) {
		opts.mode = depth == 1 ? WEFT_CHECK_RANDOM : WEFT_CHECK_PCT;
		opts.depth = depth;
		opts.preemptions = 0;
		opts.executions = depth == 1 ? runs : runs / 4;
		verdict = weft_check(spec->program, spec->arg, &opts);
	}
	return verdict;
}

bool model_explore(const struct model_spec *spec, bool is_long)
{
	weft_check_opts opts = options(spec, is_long);
	uint64_t runs = random_runs(spec, is_long);
	static weft_check_result in_order;
	int verdict = weft_check(spec->program, spec->arg, &opts);
	bool good = verdict == spec->expects;

	in_order = *weft_check_last();
	if (good && !spec->expects) {
		verdict = explore_random(spec, opts, runs);
		good = verdict == WEFT_CHECK_PASSED;
	}
	print_line(spec, &opts, &in_order, good);
	if (spec->expects || in_order.verdict)
		printf("\n");
	else
		printf("  + %llu random, %llu PCT%s%s\n", (unsigned long long)runs,
		       (unsigned long long)runs, verdict ? ": " : "",
		       verdict ? weft_check_verdict_name(verdict) : "");
	return good;
}

static int replay(const char *filter, const char *token)
{
	for (const struct model_spec *s = first; s; s = s->next) {
		weft_check_opts opts;

		if (strcmp(s->name, filter) != 0)
			continue;
		opts = options(s, false);
		opts.quiet = false;
		opts.replay = token;
		return weft_check(s->program, s->arg, &opts) != WEFT_CHECK_PASSED;
	}
	fprintf(stderr, "weft-model: there is no model \"%s\"; --list names them\n", filter);
	return 2;
}

static void models_all(const char *filter, bool is_long, bool to_first, int *passed, int *failed)
{
	for (const struct model_spec *s = first; s; s = s->next) {
		if (!strstr(s->name, filter) || (s->long_only && !is_long))
			continue;
		if (model_explore(s, is_long))
			++*passed;
		else
			++*failed;
		if (to_first && *failed)
			return;
	}
}

static int list(void)
{
	for (const struct model_spec *s = first; s; s = s->next)
		printf("%s\n", s->name);
	return 0;
}

static int usage(void)
{
	fprintf(stderr,
		"usage: weft-model [FILTER] [--long] [--mutants] [--first] [--replay TOKEN] "
		"[--list]\n");
	return 2;
}

int main(int argc, char **argv)
{
	const char *filter = "", *token = NULL;
	bool is_long = false, mutants = false, to_first = false;
	int passed = 0, failed = 0;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--long") == 0)
			is_long = true;
		else if (strcmp(argv[i], "--first") == 0)
			to_first = true;
		else if (strcmp(argv[i], "--mutants") == 0)
			mutants = true;
		else if (strcmp(argv[i], "--list") == 0)
			return list();
		else if (strcmp(argv[i], "--replay") == 0 && i + 1 < argc)
			token = argv[++i];
		else if (argv[i][0] == '-')
			return usage();
		else
			filter = argv[i];
	}
	if (token)
		return replay(filter, token);
	if (mutants) {
		mutants_all(filter, &passed, &failed);
	} else {
		if (!to_first) {
			choices_all(filter, &passed, &failed);
			litmus_all(filter, is_long, &passed, &failed);
		}
		models_all(filter, is_long, to_first, &passed, &failed);
	}
	if (passed + failed == 0)
		fprintf(stderr, "weft-model: nothing has \"%s\" in its name\n", filter);
	printf("%d passed, %d failed\n", passed, failed);
	return failed > 0 || passed == 0;
}
