/* SPDX-License-Identifier: MIT */
/*
 * `weft sum`: the command line, and how its three jobs begin and end.
 */
#include "sum.h"

#include "cmd.h"
#include "escape.h"
#include "stop.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define JOBS_MAX 1024

/* --- beginning and end of a flow ---------------------------------------------- */

static struct sum *sum_of(void *context)
{
	return *(struct sum **)context;
}

static int64_t pace(struct flow *flow, void *context)
{
	struct sum *s = sum_of(context);
	int64_t now = weft_now();

	if (now >= out_due(&s->out))
		out_flush(&s->out);
	if (progress_wants(&s->progress, now)) {
		struct flow_tally t;

		flow_tally_read(flow, &t);
		struct progress_state state = { .files = t.files,
						.bytes = t.bytes,
						.bytes_known = t.bytes_known,
						.total = t.total,
						.total_known = t.total_known };
		progress_draw(&s->progress, &state);
	}
	int64_t out = out_due(&s->out), draw = progress_due(&s->progress);
	return out < draw ? out : draw;
}

/* Workers are stuck in the system and cannot be waited for: end without them. */
static void give_up(void *context)
{
	_exit(sum_end(sum_of(context), -ECANCELED));
}

int sum_flow(struct sum *s, int (*produce)(struct flow *, void *),
	     int (*consume)(const struct flow_item *, void *), void *context)
{
	struct flow_opts opts = { .jobs = s->jobs,
				  .produce = produce,
				  .consume = consume,
				  .pace = pace,
				  .give_up = give_up,
				  .context = context };

	return flow_run(&opts);
}

int sum_end(struct sum *s, int err)
{
	progress_end(&s->progress);
	out_flush(&s->out);
	if (stop_signal()) {
		struct buf size = { 0 };

		buf_size(&size, (double)s->bytes);
		report_line(&s->report, "interrupted after %llu file%s (%s); the rest was not %s",
			    (unsigned long long)s->files, s->files == 1 ? "" : "s",
			    buf_cstr(&size), s->out.error ? "done, or nobody read it" : "done");
		buf_free(&size);
		return 128 + stop_signal();
	}
	if (s->out.error)
		return report_output_failure(&s->report, s->out.error);
	if (err == -EAGAIN)
		report_line(&s->report,
			    "the system gives no more threads; a smaller -j needs fewer");
	else if (err)
		report_line(&s->report, "ended early: %s", strerror(-err));
	return s->failed || err ? EXIT_IN_PART : EXIT_DONE;
}

void sum_json_path(struct sum *s, const char *path)
{
	buf_str(&s->line, "\"path\":");
	json_string(&s->line, path);
	if (!utf8_valid(path, strlen(path))) {
		buf_str(&s->line, ",\"path_hex\":\"");
		buf_hex(&s->line, (const uint8_t *)path, strlen(path));
		buf_char(&s->line, '"');
	}
}

/* --- the command line ------------------------------------------------------------ */

struct line {
	struct sum sum;
	bool check, duplicates, help;
};

enum { OPT_QUIET = 256, OPT_STATUS, OPT_IGNORE_MISSING, OPT_STRICT, OPT_DUPLICATES, OPT_JSON };

static int parse_jobs(const char *text, int *jobs)
{
	char *end;

	errno = 0;
	long n = strtol(text, &end, 10);
	if (errno || *end || end == text || n < 1 || n > JOBS_MAX)
		return usage_error("sum", "-j takes a number from 1 to %d, not \"%s\"", JOBS_MAX,
				   text);
	*jobs = (int)n;
	return 0;
}

/* Of --warn, --quiet and --status the last one holds, as in sha256sum. */
static void choose_words(struct sum *s, bool *option)
{
	s->warn = s->quiet = s->status = false;
	*option = true;
}

static int parse(int argc, char **argv, struct line *l)
{
	static const struct option options[] = {
		{ "check", no_argument, NULL, 'c' },
		{ "duplicates", no_argument, NULL, OPT_DUPLICATES },
		{ "help", no_argument, NULL, 'h' },
		{ "ignore-missing", no_argument, NULL, OPT_IGNORE_MISSING },
		{ "jobs", required_argument, NULL, 'j' },
		{ "json", no_argument, NULL, OPT_JSON },
		{ "quiet", no_argument, NULL, OPT_QUIET },
		{ "status", no_argument, NULL, OPT_STATUS },
		{ "strict", no_argument, NULL, OPT_STRICT },
		{ "warn", no_argument, NULL, 'w' },
		{ NULL, 0, NULL, 0 },
	};
	static const char shorts[] = ":chj:w";
	struct sum *s = &l->sum;
	int c, wrong;

	opterr = 0;
	while ((c = getopt_long(argc, argv, shorts, options, NULL)) != -1) {
		switch (c) {
		case 'c': l->check = true; break;
		case 'h': l->help = true; break;
		case 'j':
			wrong = parse_jobs(optarg, &s->jobs);
			if (wrong)
				return wrong;
			break;
		case 'w': choose_words(s, &s->warn); break;
		case OPT_DUPLICATES: l->duplicates = true; break;
		case OPT_IGNORE_MISSING: s->ignore_missing = true; break;
		case OPT_JSON: s->json = true; break;
		case OPT_QUIET: choose_words(s, &s->quiet); break;
		case OPT_STATUS: choose_words(s, &s->status); break;
		case OPT_STRICT: s->strict = true; break;
		default: return usage_option(&command_sum, c, argv, shorts);
		}
	}
	s->paths = (const char *const *)argv + optind;
	s->path_count = (size_t)(argc - optind);
	return 0;
}

/* What does not go together. */
static int refuse(const struct line *l)
{
	const struct sum *s = &l->sum;
	const char *of_check = s->quiet            ? "--quiet"
			       : s->status         ? "--status"
			       : s->ignore_missing ? "--ignore-missing"
			       : s->strict         ? "--strict"
			       : s->warn           ? "--warn"
						   : NULL;

	if (of_check && !l->check)
		return usage_error("sum", "%s needs -c: it is about verifying", of_check);
	if (l->check && l->duplicates)
		return usage_error("sum", "-c and --duplicates are two jobs; ask for one of them");
	if (!l->duplicates)
		return 0;
	if (s->path_count == 0)
		return usage_error("sum", "--duplicates needs a PATH to look at");
	for (size_t i = 0; i < s->path_count; i++) {
		if (strcmp(s->paths[i], "-") == 0)
			return usage_error("sum", "--duplicates compares files, and - is none");
	}
	return 0;
}

static int run(int argc, char **argv)
{
	struct line l = { .sum.report = { .who = "weft sum" } };
	struct sum *s = &l.sum;

	int wrong = parse(argc, argv, &l);
	if (wrong)
		return wrong;
	if (l.help)
		return command_show_help(&command_sum);
	wrong = refuse(&l);
	if (wrong)
		return wrong;

	if (s->jobs == 0)
		s->jobs = weft_cpus();
	out_init(&s->out, STDOUT_FILENO);
	progress_begin(&s->progress, STDERR_FILENO);
	if (isatty(STDOUT_FILENO))
		s->out.progress = &s->progress;
	s->report.out = &s->out;
	s->report.progress = &s->progress;
	int err = stop_begin();
	if (err) {
		report_line(&s->report, "cannot start: %s",
			    err == -EAGAIN ? "the system gives no more threads" : strerror(-err));
		return EXIT_IN_PART;
	}
	weft_token *outer = weft_ambient_set(stop_token());
	int code = l.check ? sum_check(s) : l.duplicates ? sum_duplicates(s) : sum_list(s);
	weft_ambient_set(outer);
	stop_end();
	out_fini(&s->out);
	buf_free(&s->line);
	return code;
}

const struct command command_sum = {
	.name = "sum",
	.arguments = "[-j N] [--json] [-c | --duplicates] [PATH...]",
	.summary = "Prints SHA-256 sums of files and trees, verifies them, finds equal files",
	.help = "Prints what sha256sum prints for all regular files at and below the PATHs,\n"
		"sorted by the bytes of the whole path, whatever the number of workers. Without\n"
		"PATH, and for -, it reads standard input. A PATH that is a link is followed;\n"
		"links below it are not. What is no regular file is left out below a PATH, and\n"
		"refused as a PATH.\n"
		"\n"
		"  -c, --check       the PATHs are lists of sums: verify as sha256sum -c does\n"
		"      --duplicates  print the files that are equal to another, in groups\n"
		"      --json        one JSON object a line, of path, size, sha256 or error; for\n"
		"                    -c of path, ok or error; for --duplicates of sha256, size,\n"
		"                    files. A path that is not UTF-8 comes as path_hex too\n"
		"  -j, --jobs N      hash N files at a time (default: the usable CPUs)\n"
		"  -h, --help        this text\n"
		"\n"
		"With -c:\n"
		"      --ignore-missing  neither fail for nor mention files that are not there\n"
		"      --quiet           do not print OK\n"
		"      --status          print no verdict: the exit code is it\n"
		"      --strict          malformed lines make the exit code 1\n"
		"  -w, --warn            say which lines are malformed\n"
		"\n"
		"A file that cannot be read is told on standard error, the rest is done, and\n"
		"the exit code is 1. Ctrl-C prints what is done and exits with 130. While\n"
		"standard error is a terminal, a line there shows how far it is.\n",
	.run = run,
};
