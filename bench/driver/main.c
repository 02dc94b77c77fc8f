/* SPDX-License-Identifier: MIT */
/* bench-driver: measures Weft and its peers side by side.
 *
 * The runs of a case alternate over its subjects (A B C A B C ...), so that a
 * slow minute of the machine hits all of them. What counts is the ratio of two
 * medians of one such case. Exit status: 0, 1 a check failed or a subject hung,
 * 2 wrong usage, 130 interrupted; what was measured by then is shown.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "driver.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct options {
	bool peers, list;
	int runs;
	const char *filter;
};

static const char usage[] =
	"usage: bench-driver [--peers] [--runs N] [--list] [FILTER]\n"
	"\n"
	"  --peers    measure the peers of other libraries too (bench/peers/build.sh\n"
	"             builds them; those that are missing are named)\n"
	"  --runs N   runs of each subject, 1 to 99; 5 by default\n"
	"  --list     show benches, cases and subjects, measure nothing\n"
	"  FILTER     only what has this in \"bench/case\": channel, /cap0, mutex/threads\n"
	"\n"
	"A run is killed after a minute, a command after five; WEFT_BENCH_LIMIT_S=N sets\n"
	"another limit. WEFT_BENCH_TREE=\"DIR...\" gives sum/tree other folders than\n"
	"/usr/include and /usr/share/doc. Figures go to build/bench/results.jsonl, with a\n"
	"chart of each bench beside it.\n";

/* 0 to go on, otherwise 1 + the exit status. */
static int options_parse(struct options *o, int argc, char **argv)
{
	*o = (struct options){ .runs = 5 };
	for (int i = 1; i < argc; i++) {
		const char *a = argv[i];
		char *end;

		if (strcmp(a, "--peers") == 0) {
			o->peers = true;
		} else if (strcmp(a, "--list") == 0) {
			o->list = true;
		} else if (strcmp(a, "--runs") == 0 && i + 1 < argc) {
			o->runs = (int)strtol(argv[++i], &end, 10);
			if (*end || o->runs < 1 || o->runs > RUNS_MAX) {
				fprintf(stderr, "bench: --runs takes 1 to %d, not %s\n", RUNS_MAX,
					argv[i]);
				return 3;
			}
		} else if (strcmp(a, "--help") == 0) {
			fputs(usage, stdout);
			return 1;
		} else if (a[0] == '-' || a[0] == 0 || o->filter) {
			fprintf(stderr, "bench: what to do with \"%s\"?\n%s", a, usage);
			return 3;
		} else {
			o->filter = a;
		}
	}
	return 0;
}

/* A quota of the cgroup, in CPUs rounded up; 0 without one. */
static int cpus_by_quota(void)
{
	FILE *v2 = fopen("/sys/fs/cgroup/cpu.max", "r");
	FILE *quota = fopen("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "r");
	FILE *period = fopen("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "r");
	long q = 0, p = 0;

	if (v2 && fscanf(v2, "%ld %ld", &q, &p) != 2)
		q = 0;
	if (!v2 && quota && period &&
	    (fscanf(quota, "%ld", &q) != 1 || fscanf(period, "%ld", &p) != 1))
		q = 0;
	if (v2)
		fclose(v2);
	if (quota)
		fclose(quota);
	if (period)
		fclose(period);
	return q > 0 && p > 0 ? (int)((q + p - 1) / p) : 0;
}

static int cpus_usable(void)
{
	cpu_set_t set;
	int cpus = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;
	int quota = cpus_by_quota();

	return quota && quota < cpus ? quota : cpus;
}

/* BUILD/x/bench/bench-driver is where it stands; the rest follows. */
static bool places_find(struct places *at)
{
	char build[PATH_MAX - 64];
	ssize_t n = readlink("/proc/self/exe", build, sizeof(build) - 1);

	if (n <= 0)
		return false;
	build[n] = 0;
	for (int up = 0; up < 3; up++) {
		char *slash = strrchr(build, '/');

		if (!slash)
			return false;
		*slash = 0;
		if (up == 0)
			snprintf(at->bin, sizeof(at->bin), "%s", build);
		if (up == 1)
			snprintf(at->weft, sizeof(at->weft), "%s/weft", build);
	}
	snprintf(at->out, sizeof(at->out), "%s/bench", build);
	snprintf(at->peers, sizeof(at->peers), "%s/bench/peers", build);
	return mkdir(at->out, 0777) == 0 || errno == EEXIST;
}

/* The series of a case; the peak memory of weft among commands is one more. */
static int series_make(struct series *all, const struct bench_case *c, int workers, bool peers)
{
	const struct bench *b = plan_bench(c->bench);
	int n = 0;

	for (const struct subject *s = plan_subjects; s->name && n < SERIES_MAX - 1; s++) {
		if (!plan_applies(s, c) || (s->kind == SUBJECT_PEER && !peers))
			continue;
		all[n] = (struct series){ .c = c, .s = s, .workers = workers };
		snprintf(all[n].name, sizeof(all[n].name), "%s", c->name);
		snprintf(all[n].unit, sizeof(all[n].unit), "%s", b->unit);
		n++;
	}
	return n;
}

static void memory_make(struct series *memory, const struct series *weft)
{
	*memory = (struct series){ .c = weft->c, .s = weft->s, .workers = weft->workers };
	snprintf(memory->name, sizeof(memory->name), "%.50s_memory", weft->name);
	snprintf(memory->unit, sizeof(memory->unit), "MiB");
}

struct progress {
	int done, total;
};

/* All runs of one case, alternating. False when the user interrupted. */
static bool case_run(struct series *all, int n, struct series *memory, int runs,
		     const struct places *at, struct progress *p)
{
	bool goes_on = true;

	for (int run = 0; run < runs; run++) {
		for (int i = 0; i < n && goes_on; i++) {
			struct series *s = &all[i];
			bool peak = memory && s->s->kind == SUBJECT_WEFT;

			p->done++;
			if (s->stopped)
				continue;
			report_progress(p->done, p->total, s, run + 1, runs);
			goes_on = s->s->command ? sum_run(s, peak ? memory : NULL, at)
						: run_subject(s, at);
			goes_on &= !run_interrupted();
		}
	}
	return goes_on;
}

/* Prepares, runs and reports one case. False when the user interrupted. */
static bool case_measure(const struct bench_case *c, int workers, const struct options *o,
			 const struct places *at, struct report *report, struct progress *p)
{
	struct series all[SERIES_MAX];
	int n = series_make(all, c, workers, o->peers);
	struct series *memory = n && all[0].s->command ? &all[n] : NULL;
	bool goes_on = true;
	char why[TEXT_MAX];

	if (memory) {
		memory_make(memory, &all[0]);
		report_progress(p->done + 1, p->total, &all[0], 0, o->runs);
		if (!sum_prepare(c, at, why, sizeof(why)))
			for (int i = 0; i < n; i++)
				series_stop(&all[i], false, "%s", why);
	}
	if (run_interrupted())
		return false;
	goes_on = case_run(all, n, memory, o->runs, at, p);
	n += memory ? 1 : 0;
	report_progress(0, 0, NULL, 0, 0);
	report_case(report, all, n);
	chart_add(all, n);
	return goes_on;
}

static void list(const struct options *o, int cpus)
{
	for (const struct bench_case *c = plan_cases; c->name; c++) {
		int workers = plan_workers(c, cpus);

		if (!workers || !plan_matches(c, o->filter))
			continue;
		printf("%s/%s, %d worker%s:", c->bench, c->name, workers, workers == 1 ? "" : "s");
		for (const struct subject *s = plan_subjects; s->name; s++)
			if (plan_applies(s, c))
				printf(" %s%s", s->name, s->kind == SUBJECT_PEER ? "*" : "");
		putchar('\n');
	}
	puts("(* a peer, measured with --peers)");
}

static int total_runs(const struct options *o, int cpus)
{
	struct series all[SERIES_MAX];
	int total = 0;

	for (const struct bench_case *c = plan_cases; c->name; c++)
		if (plan_workers(c, cpus) && plan_matches(c, o->filter))
			total += series_make(all, c, 1, o->peers) * o->runs;
	return total;
}

static int measure(const struct options *o, const struct places *at, int cpus)
{
	static struct report report;
	struct progress progress = { 0, total_runs(o, cpus) };
	char path[FILE_MAX];
	bool goes_on = true;
	double load = 0.0;

	snprintf(path, sizeof(path), "%s/results.jsonl", at->out);
	report.json = fopen(path, "w");
	if (!report.json) {
		fprintf(stderr, "bench: %s: %s\n", path, strerror(errno));
		return 1;
	}
	printf("%d CPU%s, medians of %d alternating runs%s\n", cpus, cpus == 1 ? "" : "s", o->runs,
	       o->peers ? "" : "; --peers adds the other libraries");
	if (getloadavg(&load, 1) == 1 && load > cpus / 2.0)
		printf("The machine is busy (load %.1f): where threads wait for each other, not "
		       "even ratios hold.\n",
		       load);
	run_init();
	for (const struct bench_case *c = plan_cases; c->name && goes_on; c++) {
		int workers = plan_workers(c, cpus);

		if (workers && plan_matches(c, o->filter))
			goes_on = case_measure(c, workers, o, at, &report, &progress);
	}
	report_progress(0, 0, NULL, 0, 0);
	bool written = fclose(report.json) == 0 && chart_write(at);

	report_end(&report, at);
	if (!written)
		fprintf(stderr, "bench: %s cannot be written in full\n", at->out);
	if (!goes_on) {
		fputs("bench: interrupted; this is what was measured until then\n", stderr);
		return 130;
	}
	if (report.failures_n)
		fprintf(stderr, "bench: %d check%s failed, first %s\n", report.failures_n,
			report.failures_n == 1 ? "" : "s", report.failures[0]);
	return report.failures_n || !written ? 1 : 0;
}

int main(int argc, char **argv)
{
	struct options o;
	struct places at;
	int cpus = cpus_usable(), early = options_parse(&o, argc, argv);

	if (early)
		return early - 1;
	if (total_runs(&o, cpus) == 0 && o.filter) {
		fprintf(stderr, "bench: no case has \"%s\" in its name; --list shows them\n",
			o.filter);
		return 2;
	}
	if (o.list) {
		list(&o, cpus);
		return 0;
	}
	if (!places_find(&at)) {
		fprintf(stderr, "bench: cannot find or make the result folder: %s\n",
			strerror(errno));
		return 1;
	}
	return measure(&o, &at, cpus);
}
