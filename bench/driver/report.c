/* SPDX-License-Identifier: MIT */
/* The figures as a table on standard output and as JSON lines in a file. */
#include "driver.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

struct summary series_summary(const struct series *s)
{
	double v[RUNS_MAX];
	int n = s->runs;

	if (n == 0)
		return (struct summary){ NAN, NAN, NAN };
	memcpy(v, s->values, (size_t)n * sizeof(*v));
	qsort(v, (size_t)n, sizeof(*v), compare);
	return (struct summary){ n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2, v[0],
				 v[n - 1] };
}

/* One line that is overwritten by the next and wiped before a table. */
void report_progress(int done, int total, const struct series *s, int run, int runs)
{
	if (!isatty(STDERR_FILENO))
		return;
	if (s)
		fprintf(stderr, "\r\033[K[%d/%d] %s/%s, %d worker%s: %s, run %d of %d", done,
			total, s->c->bench, s->name, s->workers, s->workers == 1 ? "" : "s",
			s->s->name, run, runs);
	else
		fputs("\r\033[K", stderr);
	fflush(stderr);
}

const char *report_name(const struct series *s, char *buffer, size_t size)
{
	if (s->s->stand_in)
		snprintf(buffer, size, "%s (%s)", s->s->name, s->s->stand_in);
	else
		snprintf(buffer, size, "%s", s->s->name);
	return buffer;
}

/* Four significant figures at most, never an exponent. */
static const char *figure(double v, char *buffer, size_t size)
{
	int digits = v < 1.0 ? 3 : v < 10.0 ? 2 : v < 100.0 ? 1 : 0;

	snprintf(buffer, size, "%.*f", digits, v);
	return buffer;
}

static const char *against(double ratio, char *buffer, size_t size)
{
	double times = ratio < 1.0 ? 1.0 / ratio : ratio;
	const char *word = ratio < 1.0 ? "faster" : "slower";

	if (!isfinite(ratio) || ratio <= 0.0)
		return "";
	snprintf(buffer, size,
		 times >= 100.0 ? "%.0fx %s"
		 : times >= 2.0 ? "%.1fx %s"
				: "%.2fx %s",
		 times, word);
	return buffer;
}

/* The median of the same case's weft series, NAN without one. */
static double weft_median(const struct series *all, int n, const struct series *of)
{
	for (int i = 0; i < n; i++)
		if (all[i].s->kind == SUBJECT_WEFT && strcmp(all[i].name, of->name) == 0)
			return series_summary(&all[i]).median;
	return NAN;
}

static void row(const struct series *s, double weft)
{
	char name[TEXT_MAX], median[32], min[32], max[32], ratio[32];
	struct summary sum = series_summary(s);
	const char *versus = s->s->kind == SUBJECT_WEFT
				     ? "1.00"
				     : against(sum.median / weft, ratio, sizeof(ratio));

	report_name(s, name, sizeof(name));
	if (s->runs == 0) {
		printf("    %-16s  %s: %s\n", name, s->failed ? "FAILED" : "skipped", s->why);
		return;
	}
	printf("    %-32s %9s %9s %9s%s%s", name, figure(sum.median, median, sizeof(median)),
	       figure(sum.min, min, sizeof(min)), figure(sum.max, max, sizeof(max)),
	       versus[0] ? "   " : "", versus);
	if (s->stopped)
		printf("   FAILED after %d runs: %s", s->runs, s->why);
	putchar('\n');
}

/* "cap0_1to1, 2 workers", and the unit where it is not the bench's. */
static void heading(const struct series *s, const struct bench *b)
{
	char head[TEXT_MAX];

	snprintf(head, sizeof(head), "%s, %d worker%s%s%s", s->name, s->workers,
		 s->workers == 1 ? "" : "s", strcmp(s->unit, b->unit) == 0 ? "" : ", ",
		 strcmp(s->unit, b->unit) == 0 ? "" : s->unit);
	printf("\n  %-34s %9s %9s %9s   against weft\n", head, "median", "min", "max");
}

static void note_skip(struct report *r, const struct series *s)
{
	char line[TEXT_MAX / 2];

	snprintf(line, sizeof(line), "%s: %.200s", s->s->name, s->why);
	for (int i = 0; i < r->skipped_n; i++)
		if (strcmp(r->skipped[i], line) == 0)
			return;
	if (r->skipped_n < 64)
		strcpy(r->skipped[r->skipped_n++], line);
}

static void note_failure(struct report *r, const struct series *s)
{
	if (r->failures_n < 64)
		snprintf(r->failures[r->failures_n], TEXT_MAX, "%s/%s, %d worker%s: %s: %.300s",
			 s->c->bench, s->name, s->workers, s->workers == 1 ? "" : "s", s->s->name,
			 s->why);
	r->failures_n += r->failures_n < 64;
}

static void json(FILE *f, const struct series *s)
{
	struct summary sum = series_summary(s);

	fprintf(f,
		"{\"bench\":\"%s\",\"case\":\"%s\",\"subject\":\"%s\",\"workers\":%d,"
		"\"unit\":\"%s\",\"median\":%.6g,\"min\":%.6g,\"max\":%.6g,\"runs\":%d,"
		"\"checked\":%s}\n",
		s->c->bench, s->name, s->s->name, s->workers, s->unit, sum.median, sum.min,
		sum.max, s->runs, s->failed ? "false" : "true");
	fflush(f);
}

void report_case(struct report *r, const struct series *all, int n)
{
	const struct bench *b = n ? plan_bench(all[0].c->bench) : NULL;
	const char *name = NULL;

	if (b && b != r->last)
		printf("\n%s: %s, in %s\n", b->name, b->title, b->unit);
	for (int i = 0; i < n; i++) {
		const struct series *s = &all[i];

		if (!s->runs && !s->stopped)
			continue;
		if (!name || strcmp(name, s->name) != 0) {
			name = s->name;
			heading(s, b);
		}
		row(s, weft_median(all, n, s));
		if (s->stopped && s->failed)
			note_failure(r, s);
		else if (s->stopped)
			note_skip(r, s);
		if (s->runs)
			json(r->json, s);
	}
	r->last = b;
	fflush(stdout);
}

void report_end(const struct report *r, const struct places *at)
{
	puts("");
	for (int i = 0; i < r->skipped_n; i++)
		printf("skipped %s\n", r->skipped[i]);
	for (int i = 0; i < r->failures_n; i++)
		printf("failed %s\n", r->failures[i]);
	printf("figures in %s/results.jsonl, charts beside it\n", at->out);
}
