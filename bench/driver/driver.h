/* SPDX-License-Identifier: MIT */
/* The bench driver: what its files share.
 *
 * plan.c says what is measured: benches, their cases, and the subjects of each.
 * run.c  starts one child, limits its time, and reads a subject's answer.
 * sum.c  prepares and checks the runs that are whole shell commands.
 * report.c and chart.c show the figures; main.c leads.
 *
 * The subjects' side of the protocol is described in bench/subject.h.
 */
#ifndef BENCH_DRIVER_H
#define BENCH_DRIVER_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum {
	RUNS_MAX = 99,
	SERIES_MAX = 16, /* of one case */
	TEXT_MAX = 512,
	FILE_MAX = PATH_MAX + 64, /* a folder and a file of ours in it */
};

enum subject_kind {
	SUBJECT_WEFT,
	SUBJECT_PLAIN, /* built with Weft, or on every system */
	SUBJECT_PEER,  /* built by bench/peers/build.sh; measured with --peers */
};

struct bench {
	const char *name, *unit, *title;
};

struct bench_case {
	const char *bench, *name;
	int workers; /* 0: as many as there are usable CPUs */
	bool pinned; /* to one CPU, before the program starts */
};

struct subject {
	const char *bench, *name;
	enum subject_kind kind;
	const char *program;  /* file name */
	const char *load;     /* the program beside Weft's subjects that measures it */
	const char *set;      /* "NAME=VALUE" for its environment */
	const char *command;  /* or a shell command, with what sum.c exports */
	const char *only;     /* runs the cases with this in their name, */
	const char *never;    /* but not those with this */
	const char *stand_in; /* a smaller case with the same unit, for the slow */
	bool ordered;         /* the lines of a command come in a fixed order */
};

/* All tables end with a NULL name. */
extern const struct bench plan_benches[];
extern const struct bench_case plan_cases[];
extern const struct subject plan_subjects[];

const struct bench *plan_bench(const char *name);
bool plan_applies(const struct subject *s, const struct bench_case *c);
bool plan_matches(const struct bench_case *c, const char *filter);
int plan_workers(const struct bench_case *c, int cpus);

/* Where things are, all seen from the driver's own place, BUILD/x/bench. */
struct places {
	char bin[PATH_MAX];   /* BUILD/x/bench: subjects */
	char out[PATH_MAX];   /* BUILD/bench: results, scratch files */
	char peers[PATH_MAX]; /* BUILD/bench/peers */
	char weft[PATH_MAX];  /* BUILD/x/weft: the program */
};

/* What came of the runs of one subject on one case. */
struct series {
	const struct bench_case *c;
	const struct subject *s;
	char name[64]; /* of the case in the results: peak memory is one apart */
	char unit[16];
	int workers;
	double values[RUNS_MAX];
	int runs;
	bool stopped;       /* no more runs: `why` says the reason */
	bool failed;        /* and that is an error, not just a skipped peer */
	char why[TEXT_MAX]; /* a sentence without its full stop */
};

struct summary {
	double median, min, max;
};

struct summary series_summary(const struct series *s);

/* One child process. It runs in a process group of its own, which is killed as
 * a whole when the time is up or the user interrupts. */
enum run_end { RUN_ENDED, RUN_HUNG, RUN_INTERRUPTED, RUN_NOT_STARTED };

struct run {
	char *const *argv;
	const char *set; /* "NAME=VALUE" for its environment, or NULL */
	int cpu;         /* to pin to, or -1 */
	int limit_s;     /* then it is killed */
	const char *out; /* files that take its output */
	const char *err;
	enum run_end end; /* from here on: results */
	int status;       /* as of wait(), or an errno value if not started */
	double ms;
	long rss_kib_max;
};

void run_init(void);
void run_child(struct run *run);
bool run_interrupted(void);

/* Runs the series' program or command once and adds a value, or stops the
 * series with a reason. False when the user interrupted. */
bool run_subject(struct series *s, const struct places *at);
void series_stop(struct series *s, bool failed, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Time limit of one run: WEFT_BENCH_LIMIT_S or `seconds`. */
int run_limit_s(int seconds);

/* The peak of one subject's memory, in MiB, goes into `memory` (NULL: nowhere). */
bool sum_prepare(const struct bench_case *c, const struct places *at, char *why, size_t size);
bool sum_run(struct series *s, struct series *memory, const struct places *at);

struct report {
	FILE *json;
	const struct bench *last;       /* the one whose title stands above */
	char skipped[64][TEXT_MAX / 2]; /* each reason once */
	int skipped_n;
	char failures[64][TEXT_MAX];
	int failures_n;
};

void report_progress(int done, int total, const struct series *s, int run, int runs);
void report_case(struct report *r, const struct series *all, int n);
void report_end(const struct report *r, const struct places *at);
const char *report_name(const struct series *s, char *buffer, size_t size);

/* Adds a finished case to its bench's chart; writes all charts. */
void chart_add(const struct series *all, int n);
bool chart_write(const struct places *at);

#endif
