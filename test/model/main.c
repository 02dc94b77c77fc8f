/* SPDX-License-Identifier: MIT */
/*
 * The program behind ./dev model: explores the models whose names contain FILTER.
 *
 *     weft-model [FILTER] [--long] [--jobs N] [--mutants] [--first] [--replay TOKEN]
 *                [--list]
 *
 * --jobs: processes, each with models of its own; one a CPU by default.
 * --first: no tests of the checker, and ends with the first model that fails.
 *
 * A line says what was searched: "exhausted" is all runs within the bound on
 * preemptions, "exhausted, 2 old" all those in which at most two loads see an old
 * value. The seconds are the processor's.
 *
 * The last line is `N passed, N failed`; the exit code is 0 when none failed.
 */
#include "rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

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

/* Seconds of the processor for the search of one model. What is to be found is found,
 * however long it takes. */
enum { SECONDS_QUICK = 2, SECONDS = 12, SECONDS_LONG = 240, SECONDS_TO_FIND = 60 };

static weft_check_opts options(const struct model_spec *spec, enum model_effort effort)
{
	weft_check_opts opts = {
		.name = spec->name,
		.preemptions = spec->preemptions,
		.spurious = spec->spurious,
		.weak = spec->weak,
		.failures = spec->failures,
		.rereads = spec->rereads,
		.cpus = spec->cpus,
		.leaks_allowed = spec->leaks_allowed,
		.quiet = spec->expects != WEFT_CHECK_PASSED,
	};

	if (effort == EFFORT_LONG && spec->preemptions_long)
		opts.preemptions = spec->preemptions_long;
	return opts;
}

static int64_t seconds_of(const struct model_spec *spec, enum model_effort effort)
{
	if (spec->expects)
		return SECONDS_TO_FIND;
	if (effort == EFFORT_LONG)
		return SECONDS_LONG;
	return effort == EFFORT_QUICK ? spec->seconds ? spec->seconds : SECONDS_QUICK : SECONDS;
}

/* ---- in order ---------------------------------------------------------------------- */

struct outcome {
	weft_check_result in_order; /* of the widest search that ended, or of the last */
	int stale;                  /* its bound */
	uint64_t executions;
	int64_t ns;
	int verdict;
};

/* With any number of old values for half of the time; if that did not end, with two or
 * one at most. */
static void explore_in_order(const struct model_spec *spec, weft_check_opts opts, int64_t ns,
			     struct outcome *out)
{
	static const int stale[] = { 0, 2, 1 };

	for (int i = 0; i < 3 && !out->verdict && !out->in_order.exhausted; i++) {
		opts.stale = stale[i];
		opts.ns_most = spec->expects ? ns : i == 0 ? ns / 2 : ns / 4;
		out->verdict = weft_check(spec->program, spec->arg, &opts);
		out->in_order = *weft_check_last();
		out->stale = stale[i];
		out->executions += out->in_order.executions;
		out->ns += out->in_order.ns;
		if (spec->expects)
			break;
	}
}

/* ---- at random --------------------------------------------------------------------- */

static uint64_t random_runs(const struct model_spec *spec, enum model_effort effort)
{
	return (spec->random ? spec->random : 1000) * (effort == EFFORT_LONG ? 100 : 1);
}

/* Beyond the bound: at random, then by PCT with depths 2 to 5; and with what comes
 * without cause. */
static int explore_random(const struct model_spec *spec, weft_check_opts opts, uint64_t runs)
{
	int verdict = WEFT_CHECK_PASSED;

	opts.spurious = opts.spurious ? opts.spurious : 1;
	opts.weak = opts.weak ? opts.weak : 1;
	opts.preemptions = 0;
	for (int depth = 1; depth <= 5 && !verdict; depth++) {
		opts.mode = depth == 1 ? WEFT_CHECK_RANDOM : WEFT_CHECK_PCT;
		opts.depth = depth;
		opts.executions = depth == 1 ? runs : runs / 4;
		verdict = weft_check(spec->program, spec->arg, &opts);
	}
	return verdict;
}

/* ---- one model --------------------------------------------------------------------- */

static const char *bound_text(int preemptions)
{
	static char text[32];

	if (preemptions == 0)
		return "no bound";
	snprintf(text, sizeof(text), "bound %d", preemptions < 0 ? 0 : preemptions);
	return text;
}

static const char *outcome_text(const struct outcome *out)
{
	static char text[48];

	if (out->in_order.verdict)
		return weft_check_verdict_name(out->in_order.verdict);
	if (!out->in_order.exhausted)
		return "not exhausted";
	if (!out->stale)
		return "exhausted";
	snprintf(text, sizeof(text), "exhausted, %d old", out->stale);
	return text;
}

/* In one piece, as several print at a time. */
static void print_line(const struct model_spec *spec, const weft_check_opts *opts,
		       const struct outcome *out, bool good, uint64_t random)
{
	char more[96] = "";

	if (!spec->expects && !out->in_order.verdict)
		snprintf(more, sizeof(more), "  + %llu random, %llu PCT%s%s",
			 (unsigned long long)random, (unsigned long long)random,
			 out->verdict ? ": " : "",
			 out->verdict ? weft_check_verdict_name(out->verdict) : "");
	printf("%-4s %-36s %d threads  %-8s  %9llu runs  %-16s %6.1f s%s\n", good ? "ok" : "FAIL",
	       spec->name, out->in_order.threads, bound_text(opts->preemptions),
	       (unsigned long long)out->executions, outcome_text(out), (double)out->ns / 1e9,
	       more);
	fflush(stdout);
}

bool model_explore(const struct model_spec *spec, enum model_effort effort)
{
	const weft_check_opts opts = options(spec, effort);
	const uint64_t runs = random_runs(spec, effort);
	static struct outcome out;
	bool good;

	out = (struct outcome){ .verdict = WEFT_CHECK_PASSED };
	explore_in_order(spec, opts, seconds_of(spec, effort) * WEFT_SECOND, &out);
	good = out.verdict == spec->expects;
	if (good && !spec->expects) {
		out.verdict = explore_random(spec, opts, runs);
		good = out.verdict == WEFT_CHECK_PASSED;
	}
	print_line(spec, &opts, &out, good, runs);
	return good;
}

static int replay(const char *filter, const char *token)
{
	for (const struct model_spec *s = first; s; s = s->next) {
		weft_check_opts opts;

		if (strcmp(s->name, filter) != 0)
			continue;
		opts = options(s, EFFORT_EVERYDAY);
		opts.quiet = false;
		opts.replay = token;
		return weft_check(s->program, s->arg, &opts) != WEFT_CHECK_PASSED;
	}
	fprintf(stderr, "weft-model: there is no model \"%s\"; --list names them\n", filter);
	return 2;
}

/* ---- all of them ------------------------------------------------------------------- */

/* Several processes take one after the other from a pipe, where the numbers of all
 * stand, and write into another how it went. */
struct crew {
	const char *filter;
	enum model_effort effort;
	int numbers[2], results[2];
};

struct count {
	int passed, failed;
};

/* Number 0 is the tests of the checker itself. */
static struct count crew_do(const struct crew *c, uint16_t number)
{
	struct count n = { 0, 0 };
	const struct model_spec *s = first;

	if (number == 0) {
		choices_all(c->filter, &n.passed, &n.failed);
		litmus_all(c->filter, c->effort == EFFORT_LONG, &n.passed, &n.failed);
		return n;
	}
	while (--number > 0)
		s = s->next;
	++*(model_explore(s, c->effort) ? &n.passed : &n.failed);
	return n;
}

static _Noreturn void crew_member(const struct crew *c)
{
	uint16_t number;

	close(c->numbers[1]);
	while (read(c->numbers[0], &number, sizeof(number)) == sizeof(number)) {
		const struct count n = crew_do(c, number);

		fflush(stdout);
		if (write(c->results[1], &n, sizeof(n)) != sizeof(n))
			_exit(1);
	}
	_exit(0);
}

static bool is_chosen(const struct model_spec *s, const char *filter, enum model_effort effort)
{
	return strstr(s->name, filter) && (!s->long_only || effort == EFFORT_LONG);
}

static void crew_start(const struct crew *c, int members)
{
	fflush(stdout);
	for (int i = 0; i < members; i++) {
		pid_t pid = fork();

		if (pid == 0)
			crew_member(c);
		if (pid < 0) {
			perror("weft-model: fork");
			exit(1);
		}
	}
	close(c->numbers[0]);
	close(c->results[1]);
}

/* A member that dies takes its count along: then less has come back than was asked. */
static void crew_all(const char *filter, enum model_effort effort, int members, int *passed,
		     int *failed)
{
	struct crew c = { .filter = filter, .effort = effort };
	struct count n;
	uint16_t number = 0;
	int asked = 1, came = 0;

	if (pipe(c.numbers) != 0 || pipe(c.results) != 0) {
		perror("weft-model: pipe");
		exit(1);
	}
	crew_start(&c, members);
	if (write(c.numbers[1], &number, sizeof(number)) != sizeof(number))
		asked = 0;
	for (const struct model_spec *s = first; s; s = s->next) {
		number++;
		if (is_chosen(s, filter, effort) &&
		    write(c.numbers[1], &number, sizeof(number)) == sizeof(number))
			asked++;
	}
	close(c.numbers[1]);
	for (; read(c.results[0], &n, sizeof(n)) == sizeof(n); came++) {
		*passed += n.passed;
		*failed += n.failed;
	}
	while (wait(NULL) > 0)
		continue;
	if (came < asked)
		fprintf(stderr, "weft-model: %d of %d were not finished\n", asked - came, asked);
	*failed += asked - came;
}

static void models_to_first(const char *filter, int *passed, int *failed)
{
	for (const struct model_spec *s = first; s && !*failed; s = s->next)
		if (is_chosen(s, filter, EFFORT_QUICK))
			++*(model_explore(s, EFFORT_QUICK) ? passed : failed);
}

static int list(void)
{
	for (const struct model_spec *s = first; s; s = s->next)
		printf("%s\n", s->name);
	return 0;
}

static int usage(void)
{
	fprintf(stderr, "usage: weft-model [FILTER] [--long] [--jobs N] [--mutants] [--first] "
			"[--replay TOKEN] [--list]\n");
	return 2;
}

static int jobs_default(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	return n < 1 ? 1 : n > 64 ? 64 : (int)n;
}

struct wishes {
	const char *filter, *token;
	bool is_long, mutants, to_first, list;
	int jobs;
};

static bool parse(struct wishes *w, int argc, char **argv)
{
	*w = (struct wishes){ .filter = "", .jobs = jobs_default() };
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--long") == 0)
			w->is_long = true;
		else if (strcmp(argv[i], "--first") == 0)
			w->to_first = true;
		else if (strcmp(argv[i], "--mutants") == 0)
			w->mutants = true;
		else if (strcmp(argv[i], "--list") == 0)
			w->list = true;
		else if (strcmp(argv[i], "--replay") == 0 && i + 1 < argc)
			w->token = argv[++i];
		else if (strcmp(argv[i], "--jobs") == 0 && i + 1 < argc)
			w->jobs = atoi(argv[++i]);
		else if (argv[i][0] == '-')
			return false;
		else
			w->filter = argv[i];
	}
	return w->jobs > 0;
}

int main(int argc, char **argv)
{
	struct wishes w;
	int passed = 0, failed = 0;

	if (!parse(&w, argc, argv))
		return usage();
	setvbuf(stdout, NULL, _IOLBF, 0); /* several processes write: whole lines */
	if (w.list)
		return list();
	if (w.token)
		return replay(w.filter, w.token);
	if (w.mutants)
		mutants_all(w.filter, &passed, &failed);
	else if (w.to_first)
		models_to_first(w.filter, &passed, &failed);
	else
		crew_all(w.filter, w.is_long ? EFFORT_LONG : EFFORT_EVERYDAY, w.jobs, &passed,
			 &failed);
	if (passed + failed == 0)
		fprintf(stderr, "weft-model: nothing has \"%s\" in its name\n", w.filter);
	printf("%d passed, %d failed\n", passed, failed);
	return failed > 0 || passed == 0;
}
