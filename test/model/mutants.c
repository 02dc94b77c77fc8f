/* SPDX-License-Identifier: MIT */
/*
 * Are the models good enough? Each memory order of the library is weakened by one
 * step, each read-modify-write is torn into a load and a store, each kind of wake
 * is left out, one at a time while the models run: one of them must fail.
 *
 * The places are those that the models come by. A mutant that survives is a
 * missing model, or changes nothing, and then mutants.txt says why (and if a model
 * fails nevertheless, what it says is wrong, and that counts as a failure too):
 *
 *     file | function | expression | mutation [@ part of the line] | the reason
 *
 * (Left-out checks and moved unlocks are patches of the source: see mutants.sh.)
 */
#include "rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "model/mutant.h"

enum { MUTANTS = 1024, REASONS = 256 };

struct mutant {
	enum mutation mutation;
	const char *site;
	int order;
	char file[64], function[64], expression[80], what[48], line[160];
};

struct reason {
	char file[64], function[64], expression[80], what[48], text[600];
	char only[48]; /* if not empty: stands in the line */
	bool used;
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

/* "MUTATION @ TEXT" is about the places whose line has TEXT in it. */
static void only_split(struct reason *r)
{
	char *mark = strstr(r->what, " @ ");

	if (!mark)
		return;
	snprintf(r->only, sizeof(r->only), "%s", mark + 3);
	*mark = 0;
}

static void reasons_read(void)
{
	FILE *f = fopen(WEFT_MUTANTS_TXT, "r");
	char line[1000];

	while (f && fgets(line, sizeof(line), f) && reasons_count < REASONS) {
		struct reason *r = &reasons[reasons_count];
		const char *at = line;

		if (line[0] == '#' || line[0] == '\n')
			continue;
		field(r->file, sizeof(r->file), &at);
		field(r->function, sizeof(r->function), &at);
		field(r->expression, sizeof(r->expression), &at);
		field(r->what, sizeof(r->what), &at);
		only_split(r);
		field(r->text, sizeof(r->text), &at);
		reasons_count++;
	}
	if (f)
		fclose(f);
}

static const char *reason_of(const struct mutant *m)
{
	for (int i = 0; i < reasons_count; i++) {
		struct reason *r = &reasons[i];

		if (strcmp(r->file, m->file) == 0 && strcmp(r->function, m->function) == 0 &&
		    strcmp(r->expression, m->expression) == 0 && strcmp(r->what, m->what) == 0 &&
		    strstr(m->line, r->only)) {
			r->used = true;
			return r->text;
		}
	}
	return NULL;
}

/* ---- which ------------------------------------------------------------------------- */

/* The function that the line stands in: the latest name before a bracket in a line
 * that begins in column 0. */
static void function_of(const char *file, int at, char *out, size_t size, struct mutant *m)
{
	char path[512], line[256];
	FILE *f;

	*out = 0;
	snprintf(path, sizeof(path), "%s/%s", WEFT_SOURCES, file);
	f = fopen(path, "r");
	while (f && at-- > 0 && fgets(line, sizeof(line), f)) {
		const char *attribute = strstr(line, "__attribute__((");
		char *name = attribute ? strstr(line, ")) ") : line;
		size_t end, begin;

		snprintf(m->line, sizeof(m->line), "%.*s", (int)sizeof(m->line) - 1, line);
		if (!name || *line == ' ' || *line == '\t' || *line == '/' || *line == '#')
			continue;
		end = begin = strcspn(name, "(");
		if (!name[end])
			continue;
		while (begin > 0 && name[begin - 1] != ' ' && name[begin - 1] != '*')
			begin--;
		snprintf(out, size, "%.*s", (int)(end - begin), name + begin);
	}
	if (f)
		fclose(f);
}

/* A compiler cache may have made it relative to the build. */
static const char *from_root(const char *site)
{
	while (strncmp(site, "../", 3) == 0)
		site += 3;
	return site;
}

static void mutant_add(enum mutation mutation, const struct weft__mutant_site *s, int order)
{
	struct mutant *m = &mutants[mutants_count];
	const char *site = from_root(s->site);
	const char *colon = strchr(site, ':'), *blank = strchr(site, ' ');

	if (mutants_count == MUTANTS)
		return;
	mutants_count++;
	m->mutation = mutation;
	m->site = s->site;
	m->order = order;
	if (mutation == MUTANT_DROP) {
		snprintf(m->file, sizeof(m->file), "src/wait/parker.c");
		snprintf(m->what, sizeof(m->what), "each left out");
		return;
	}
	snprintf(m->file, sizeof(m->file), "%.*s", (int)(colon - site), site);
	snprintf(m->expression, sizeof(m->expression), "%s", blank + 1);
	function_of(m->file, atoi(colon + 1), m->function, sizeof(m->function), m);
	if (mutation == MUTANT_SPLIT)
		snprintf(m->what, sizeof(m->what), "%s torn", s->kind);
	else
		snprintf(m->what, sizeof(m->what), "%s %s>%s", s->kind, order_names[s->order],
			 order_names[order]);
}

static void mutants_of(const struct weft__mutant_site *s)
{
	const bool loads = strcmp(s->kind, "load") == 0, stores = strcmp(s->kind, "store") == 0;

	/* Neither of a test nor of the checker's own kernel. */
	if ((strncmp(from_root(s->site), "src/", 4) != 0 &&
	     strncmp(from_root(s->site), "include/", 8) != 0) ||
	    strncmp(from_root(s->site), "src/sys/model/", 14) == 0)
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
			.rereads = s->rereads,
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
 * the place at all; then in order. Counted in runs and not in seconds, so that a busy
 * machine comes to the same answer. */
static const struct {
	int mode, depth;
	uint64_t executions;
} tries[] = {
	{ WEFT_CHECK_RANDOM, 0, 200 },       { WEFT_CHECK_EXHAUSTIVE, 0, 2000 },
	{ WEFT_CHECK_RANDOM, 0, 2000 },      { WEFT_CHECK_PCT, 3, 1000 },
	{ WEFT_CHECK_EXHAUSTIVE, 0, 20000 }, { WEFT_CHECK_PCT, 4, 4000 },
};
enum { TRIES = sizeof(tries) / sizeof(tries[0]), TRIES_PROVED = 2, MODELS = 256 };

static int model_verdict(const struct model_spec *s, int attempt)
{
	const weft_check_opts opts = {
		.mode = tries[attempt].mode,
		.depth = tries[attempt].depth,
		.executions = tries[attempt].executions,
		.preemptions = s->preemptions,
		.quiet = true,
		.no_shrink = true,
		.spurious = s->spurious,
		.failures = s->failures,
		.rereads = s->rereads,
		.steps = 5000,
		.leaks_allowed = s->leaks_allowed,
	};

	return weft_check(s->program, s->arg, &opts);
}

/* What a mutant's own process finds out, for the parent to read. */
struct outcome {
	const struct model_spec *model; /* that runs, or that failed */
	int verdict;
};

static struct outcome *outcomes; /* shared between the processes */

/* The model that caught the last mutant of a file is likely to catch the next. */
struct hint {
	char file[64];
	const struct model_spec *model;
};

static struct hint hints[64];

static struct hint *hint_of(const char *file)
{
	struct hint *h = hints;

	while (h < &hints[63] && h->file[0] && strcmp(h->file, file) != 0)
		h++;
	if (strcmp(h->file, file) != 0) {
		snprintf(h->file, sizeof(h->file), "%s", file);
		h->model = NULL;
	}
	return h;
}

/* True when the model has failed. Sets *met if it came by the place. */
static bool try_model(const struct model_spec *s, int attempt, struct outcome *out, bool *met)
{
	out->model = s;
	weft__mutant_met_reset();
	out->verdict = model_verdict(s, attempt);
	*met = weft__mutant_met() > 0;
	return out->verdict != WEFT_CHECK_PASSED;
}

/* Looks for a model that fails. */
static void kill_mutant(const char *file, int attempts, struct outcome *out)
{
	const struct model_spec *hint = hint_of(file)->model;
	static bool met[MODELS];

	memset(met, true, sizeof(met));
	if (hint && (try_model(hint, 0, out, met) || try_model(hint, 1, out, met)))
		return;
	for (int attempt = 0; attempt < attempts; attempt++) {
		int i = 0;

		for (const struct model_spec *s = model_first(); s; s = s->next, i++) {
			if (i == MODELS || s->expects || !covers(s->covers, file) || !met[i])
				continue;
			if (try_model(s, attempt, out, &met[i]))
				return;
		}
	}
	out->model = NULL;
}

/* ---- one process each ------------------------------------------------------------------ */

/* A planted bug may take the checker with it, and there are several processors. */
struct job {
	pid_t pid;
	int mutant;
};

enum { JOBS_MOST = 16 };

static void print_mutant(const struct mutant *m, const struct outcome *out, int signal)
{
	const char *why = reason_of(m);
	const bool caught = signal || out->model;

	printf("%-10s %s, %s: ",
	       caught ? why ? "DISPROVED" : "caught"
	       : why  ? "equivalent"
		      : "SURVIVED",
	       from_root(m->site), m->what);
	if (signal)
		printf("%s, %s\n", out->model ? out->model->name : "?", strsignal(signal));
	else if (caught)
		printf("%s, %s\n", out->model->name, weft_check_verdict_name(out->verdict));
	else
		printf("%s\n", why ? why : "no model fails");
	fflush(stdout);
}

static void progress(int done, int of, int failed)
{
	enum { WIDTH = 40 };
	const int full = of > 0 ? WIDTH * done / of : WIDTH;

	fprintf(stderr, "\r[%.*s%*s] %d of %d mutants, %d failed ", full,
		"########################################", WIDTH - full, "", done, of, failed);
	if (done == of)
		fputc('\n', stderr);
}

static pid_t mutant_start(int index)
{
	const struct mutant *m = &mutants[index];
	pid_t pid;

	outcomes[index] = (struct outcome){ 0 };
	fflush(NULL);
	pid = fork();
	if (pid != 0)
		return pid;
	weft__mutant_plant(m->mutation, m->site, m->order);
	kill_mutant(m->file, reason_of(m) ? TRIES_PROVED : TRIES, &outcomes[index]);
	_exit(0);
}

/* The mutant is as it should be. On a terminal a bar tells how far it is, and only
 * what is wrong gets a line. */
static bool mutant_end(int index, int status)
{
	const struct mutant *m = &mutants[index];
	const struct outcome *out = &outcomes[index];
	const int signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	const bool caught = signal || out->model;
	const bool good = caught == !reason_of(m);

	if (!good && isatty(2))
		fprintf(stderr, "\r%79s\r", "");
	if (!good || !isatty(1) || !isatty(2))
		print_mutant(m, out, signal);
	if (caught && !signal)
		hint_of(m->file)->model = out->model;
	return good;
}

static int jobs_most(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	return n < 1 ? 1 : n > JOBS_MOST ? JOBS_MOST : (int)n;
}

static void mutants_run(int *passed, int *failed)
{
	struct job jobs[JOBS_MOST] = { { 0 } };
	const int most = jobs_most();
	int running = 0, next = 0, status;

	while (next < mutants_count || running > 0) {
		struct job *job = jobs;
		pid_t pid;

		if (next < mutants_count && running < most) {
			while (job->pid)
				job++;
			*job = (struct job){ mutant_start(next), next };
			next++, running++;
			continue;
		}
		pid = wait(&status);
		while (job->pid != pid)
			job++;
		job->pid = 0;
		running--;
		++*(mutant_end(job->mutant, status) ? passed : failed);
		if (isatty(2))
			progress(*passed + *failed, mutants_count, *failed);
	}
}

/* A reason for something that is not there any more. */
static int reasons_stale(void)
{
	int count = 0;

	for (int i = 0; i < reasons_count; i++) {
		const struct reason *r = &reasons[i];

		if (r->used)
			continue;
		printf("STALE      %s, %s, %s, %s: no model comes by such a place\n", r->file,
		       r->function, r->expression, r->what);
		count++;
	}
	return count;
}

void mutants_all(const char *filter, int *passed, int *failed)
{
	int kept = 0;

	reasons_read();
	mutants_find();
	mutant_add(MUTANT_DROP, &(struct weft__mutant_site){ "wake", "futex wake", 0 }, 0);
	for (int i = 0; i < mutants_count; i++) {
		(void)reason_of(&mutants[i]);
		if (strstr(mutants[i].site, filter))
			mutants[kept++] = mutants[i];
	}
	mutants_count = kept;
	outcomes = mmap(NULL, sizeof(*outcomes) * MUTANTS, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	mutants_run(passed, failed);
	*failed += reasons_stale();
}
