/* SPDX-License-Identifier: MIT */
/*
 * `weft tour`: runs the chapters and prints a block for each.
 */
#include "tour.h"

#include "cmd.h"
#include "style.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CORPUS_BYTES ((size_t)48 << 20)
#define PATIENCE (2 * WEFT_SECOND) /* no further run of a race after this */

static const struct chapter {
	const char *name, *title;
	tour_fn run;
	bool needs_corpus;
} chapters[] = {
	{ "threads", "Threads: a scope starts them and waits for all", tour_threads, true },
	{ "messages", "Message passing: a bounded channel, one sender, many receivers",
	  tour_messages, true },
	{ "shared", "Shared state: a table under a few mutexes", tour_shared, true },
	{ "parallel", "Parallelism: fork-join and parallel reduction", tour_parallel, true },
	{ "sum", "weft sum: walker, channel, pool, channel, printer", tour_sum, false },
	{ "async", "Async I/O: fibers for thousands of connections, and for weft kv", tour_async,
	  false },
};
enum { CHAPTERS = sizeof(chapters) / sizeof(chapters[0]) };

static int by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

static int timed(int (*run)(void *), void *arg, int64_t *ns)
{
	int64_t begun = weft_now();
	int err = run(arg);

	*ns = weft_now() - begun;
	return err;
}

int tour_race(struct tour_race *race, int runs)
{
	int64_t ours[TOUR_RUNS_MAX], plain[TOUR_RUNS_MAX];
	int64_t enough = weft_after(PATIENCE);
	size_t n = 0;

	do {
		int err = timed(race->ours, race->arg, &ours[n]);

		if (err == 0)
			err = timed(race->plain, race->arg, &plain[n]);
		if (err)
			return err;
		n++;
	} while (n < (size_t)runs && weft_now() < enough);
	qsort(ours, n, sizeof(ours[0]), by_value);
	qsort(plain, n, sizeof(plain[0]), by_value);
	race->ours_ns = ours[n / 2];
	race->plain_ns = plain[n / 2];
	return 0;
}

void buf_span(struct buf *b, double ns)
{
	static const char *const units[] = { "ns", "us", "ms", "s" };
	size_t i = 0;

	while (ns >= 999.5 && i < 3) {
		ns /= 1000;
		i++;
	}
	buf_printf(b, "%.*f %s",
		   ns >= 99.95 || (i == 0 && ns >= 9.95) ? 0
		   : ns >= 9.995                         ? 1
							 : 2,
		   ns, units[i]);
}

void buf_count(struct buf *b, uint64_t n)
{
	if (n >= 1000) {
		buf_count(b, n / 1000);
		buf_printf(b, ",%03u", (unsigned)(n % 1000));
	} else {
		buf_printf(b, "%u", (unsigned)n);
	}
}

void buf_ratio(struct buf *b, double ours_ns, double plain_ns)
{
	buf_printf(b, "%.2f times as fast", ours_ns > 0 ? plain_ns / ours_ns : 0);
}

size_t line_length(const char *at, const char *end)
{
	const char *newline = memchr(at, '\n', (size_t)(end - at));

	return (size_t)((newline ? newline : end) - at);
}

uint64_t hash_bytes(const char *at, size_t len)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325); /* FNV-1a */

	for (size_t i = 0; i < len; i++)
		h = (h ^ (unsigned char)at[i]) * UINT64_C(0x100000001b3);
	return h;
}

/* Prints the block: true when all is well. */
static bool print_block(struct style s, const struct chapter *c, struct tour_block *b, int err)
{
	printf("\n%s%s%s\n", s.bold, c->title, s.off);
	if (err) {
		printf("  %sfailed%s    %s\n", s.bad, s.off, strerror(-err));
		return false;
	}
	printf("  did       %s\n", buf_cstr(&b->did));
	printf("  %s%s%s  %s\n", b->wrong ? s.bad : s.good, b->wrong ? "WRONG   " : "verified",
	       s.off, buf_cstr(&b->verified));
	printf("  speed     %s\n", buf_cstr(&b->speed));
	return !b->wrong;
}

static bool run_chapter(struct tour *t, const struct chapter *c, struct style s)
{
	struct tour_block b = { .wrong = false };
	int err = c->run(t, &b);
	bool well = print_block(s, c, &b, err);

	fflush(stdout);
	buf_free(&b.did);
	buf_free(&b.verified);
	buf_free(&b.speed);
	return well;
}

static void print_head(const struct tour *t, struct style s)
{
	struct buf text = { 0 };

	if (t->corpus.count > 0) {
		buf_str(&text, "; input: ");
		buf_count(&text, t->corpus.count);
		buf_printf(&text, " text files, %.1f MiB, of ", (double)t->corpus.len / (1 << 20));
		buf_bytes(&text, t->corpus.where.at, t->corpus.where.len);
	}
	printf("%sweft %s%s on %d CPU%s%s\n", s.bold, weft_version(), s.off, t->cpus,
	       t->cpus == 1 ? "" : "s", buf_cstr(&text));
	fflush(stdout);
	buf_free(&text);
}

/* Chapters `first` to `last` - 1: the exit code. */
static int tour(size_t first, size_t last)
{
	struct tour t = { .cpus = weft_cpus() };
	struct style s = style_for(STDOUT_FILENO);
	int64_t begun = weft_now();
	size_t well = 0;

	t.threads = t.cpus < 2 ? 2 : t.cpus;
	if (chapters[first].needs_corpus) {
		int err = corpus_load(&t.corpus, CORPUS_BYTES);

		if (err) {
			fprintf(stderr, "weft tour: no text to work on in /usr: %s\n",
				strerror(-err));
			return EXIT_IN_PART;
		}
	}
	print_head(&t, s);
	for (size_t i = first; i < last; i++)
		well += run_chapter(&t, &chapters[i], s);

	struct buf span = { 0 };
	buf_span(&span, (double)(weft_now() - begun));
	printf("\n%s%zu of %zu chapters verified%s, in %s\n",
	       well == last - first ? s.good : s.bad, well, last - first, s.off, buf_cstr(&span));
	buf_free(&span);
	corpus_free(&t.corpus);

	int code = command_end();
	return code == EXIT_DONE && well < last - first ? EXIT_IN_PART : code;
}

static int run(int argc, char **argv)
{
	static const struct option options[] = { { "help", no_argument, NULL, 'h' },
						 { NULL, 0, NULL, 0 } };
	static const char shorts[] = ":h";
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, shorts, options, NULL)) != -1) {
		if (c == 'h')
			return command_show_help(&command_tour);
		return usage_option(&command_tour, c, argv, shorts);
	}
	if (argc - optind > 1)
		return usage_error("tour", "it takes one chapter, not %d", argc - optind);
	if (optind == argc)
		return tour(0, CHAPTERS);
	for (size_t i = 0; i < CHAPTERS; i++) {
		if (strcmp(chapters[i].name, argv[optind]) == 0)
			return tour(i, i + 1);
	}
	return usage_error("tour", "there is no chapter \"%s\"", argv[optind]);
}

const struct command command_tour = {
	.name = "tour",
	.arguments = "[threads | messages | shared | parallel | sum | async]",
	.summary = "Shows Weft at work on files of this machine, verified and timed",
	.help = "Each chapter does a piece of work with Weft and in the plain way, compares the\n"
		"results, and prints medians of alternating runs. Exit code 1 when a result is\n"
		"wrong.\n",
	.run = run,
};
