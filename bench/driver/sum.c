/* SPDX-License-Identifier: MIT */
/* The runs that are whole commands: `weft sum` beside sha256sum.
 *
 * A case is a set of paths. One run of sha256sum before the measured ones warms
 * the page cache and gives the lines that every measured command must print:
 * in the same order, or in any order where the command has none.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "driver.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#define LARGE_FILES 4
#define LARGE_BYTES ((off_t)256 << 20)

static bool file_write(const char *path, uint64_t seed)
{
	static uint64_t block[1 << 14];
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
	bool good = fd >= 0;

	for (off_t at = 0; good && at < LARGE_BYTES; at += (off_t)sizeof(block)) {
		for (size_t i = 0; i < sizeof(block) / sizeof(*block); i++) {
			seed ^= seed << 13;
			seed ^= seed >> 7;
			seed ^= seed << 17;
			block[i] = seed;
		}
		good = write(fd, block, sizeof(block)) == (ssize_t)sizeof(block);
	}
	/* Writing back during the measured runs would disturb them. */
	if (fd >= 0)
		good &= fsync(fd) == 0 && close(fd) == 0;
	return good;
}

/* Four files of 256 MiB, kept for the next time. */
static bool large_make(const char *dir, char *why, size_t size)
{
	struct statvfs space;

	mkdir(dir, 0777);
	for (int i = 0; i < LARGE_FILES; i++) {
		char path[FILE_MAX + 16];
		struct stat st;

		snprintf(path, sizeof(path), "%s/%d", dir, i);
		if (stat(path, &st) == 0 && st.st_size == LARGE_BYTES)
			continue;
		if (statvfs(dir, &space) != 0 ||
		    space.f_bavail * space.f_frsize < (uint64_t)LARGE_BYTES * (LARGE_FILES + 4)) {
			snprintf(why, size, "no 2 GiB free for the files of %.200s", dir);
			return false;
		}
		if (!file_write(path, (uint64_t)i + 1)) {
			snprintf(why, size, "%.200s: %s", path, strerror(errno));
			unlink(path);
			return false;
		}
	}
	return true;
}

static void command_files(const struct places *at, char *out, char *err, char *want)
{
	snprintf(out, FILE_MAX, "%s/run.out", at->out);
	snprintf(err, FILE_MAX, "%s/run.err", at->out);
	snprintf(want, FILE_MAX, "%s/sum.want", at->out);
}

static void command_run(struct run *run, const char *command)
{
	char *argv[] = { (char *)"sh", (char *)"-c", (char *)command, NULL };

	run->argv = argv;
	run->cpu = -1;
	run->limit_s = run_limit_s(300);
	run_child(run);
}

bool sum_prepare(const struct bench_case *c, const struct places *at, char *why, size_t size)
{
	char out[FILE_MAX], err[FILE_MAX], want[FILE_MAX], large[FILE_MAX];
	struct run run = { .out = want, .err = err };

	command_files(at, out, err, want);
	setenv("LC_ALL", "C", 1);
	setenv("WEFT", at->weft, 1);
	if (strcmp(c->name, "large") == 0) {
		snprintf(large, sizeof(large), "%s/large", at->out);
		if (strpbrk(large, " \t*?[")) {
			snprintf(why, size, "the build folder's name is no single word");
			return false;
		}
		if (!large_make(large, why, size))
			return false;
		setenv("PATHS", large, 1);
		setenv("BATCH", "1", 1);
	} else {
		const char *own = getenv("WEFT_BENCH_TREE");
		bool doc = access("/usr/share/doc", R_OK) == 0;

		setenv("PATHS",
		       own   ? own
		       : doc ? "/usr/include /usr/share/doc"
			     : "/usr/include",
		       1);
		setenv("BATCH", "256", 1);
	}
	command_run(&run, "find $PATHS -type f -print0 | sort -z | xargs -0 sha256sum");
	if (run.end == RUN_ENDED && run.status == 0)
		return true;
	snprintf(why, size, "sha256sum itself failed on these paths");
	return false;
}

/* A whole file as a string of `*n` bytes; NULL on failure. */
static char *file_read(const char *path, size_t *n)
{
	FILE *f = fopen(path, "r");
	struct stat st;
	char *text = NULL;

	if (f && fstat(fileno(f), &st) == 0 && (text = malloc((size_t)st.st_size + 1))) {
		*n = fread(text, 1, (size_t)st.st_size, f);
		text[*n] = 0;
	}
	if (f)
		fclose(f);
	return text;
}

static int line_compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Cuts `text` into its lines and sorts them; NULL without memory. */
static char **lines_sorted(char *text, size_t *n)
{
	size_t max = 1;

	for (char *p = text; *p; p++)
		max += *p == '\n';
	char **lines = malloc(max * sizeof(*lines));

	*n = 0;
	for (char *line = strtok(text, "\n"); lines && line; line = strtok(NULL, "\n"))
		lines[(*n)++] = line;
	if (lines)
		qsort(lines, *n, sizeof(*lines), line_compare);
	return lines;
}

static bool same_lines(char *a, char *b)
{
	size_t an = 0, bn = 0;
	char **al = lines_sorted(a, &an), **bl = lines_sorted(b, &bn);
	bool same = al && bl && an == bn;

	for (size_t i = 0; same && i < an; i++)
		same = strcmp(al[i], bl[i]) == 0;
	free(al);
	free(bl);
	return same;
}

static bool output_matches(const char *got_path, const char *want_path, bool ordered)
{
	size_t got_n = 0, want_n = 0;
	char *got = file_read(got_path, &got_n), *want = file_read(want_path, &want_n);
	bool same = got && want && got_n == want_n;

	if (same)
		same = ordered ? memcmp(got, want, got_n) == 0 : same_lines(got, want);
	free(got);
	free(want);
	return same;
}

bool sum_run(struct series *s, struct series *memory, const struct places *at)
{
	char out[FILE_MAX], err[FILE_MAX], want[FILE_MAX], workers[16];
	struct run run = { .out = out, .err = err };

	command_files(at, out, err, want);
	snprintf(workers, sizeof(workers), "%d", s->workers);
	setenv("WORKERS", workers, 1);
	command_run(&run, s->s->command);
	if (run.end == RUN_INTERRUPTED)
		return false;
	if (run.end == RUN_HUNG)
		series_stop(s, true, "killed, not done within %d s", run.limit_s);
	else if (run.end == RUN_NOT_STARTED || run.status != 0)
		series_stop(s, true, "the command failed with status %d, see %s",
			    WIFEXITED(run.status) ? WEXITSTATUS(run.status) : run.status, err);
	else if (!output_matches(out, want, s->s->ordered))
		series_stop(s, true, "its output differs from sha256sum's (or the files changed)");
	if (s->stopped)
		return true;
	s->values[s->runs++] = run.ms;
	if (memory)
		memory->values[memory->runs++] = (double)run.rss_kib_max / 1024.0;
	return true;
}
