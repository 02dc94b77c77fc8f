/* SPDX-License-Identifier: MIT */
/*
 * Chapter sum: this program's own `sum` over parts of /usr, beside find, sort,
 * xargs and sha256sum, as separate processes, the way one would type it. Where
 * there is no sha256sum, `weft sum -j 1` stands in, and the chapter says so.
 */
#include "tour.h"

#include "progress.h"
#include "walk.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define BYTES_MOST ((uint64_t)128 << 20)
#define FILES_MOST ((uint64_t)20000)
#define WALK_BUDGET ((size_t)4 << 20)
#define DIRECTORIES 8
#define SAMPLE_MS 2

extern char **environ;

struct summing {
	const char *directories[DIRECTORIES];
	size_t count;
	uint64_t files, bytes;
	int jobs;
	char jobs_text[16];
	bool peers;        /* find, sort, xargs and sha256sum are here */
	int expected, got; /* descriptors of files in memory: the outputs */
	uint64_t peak;     /* most memory that weft sum was seen with, bytes */
	int64_t single_ns; /* sha256sum, one at a time */
};

/* --- what to sum --------------------------------------------------------------------- */

/* Files and bytes below a directory; stops counting beyond `most` bytes. */
static int measure(const char *root, uint64_t most, uint64_t *files, uint64_t *bytes)
{
	struct walk_entry entry;
	struct stat st;
	struct walk *w;

	*files = *bytes = 0;
	int err = walk_new(&w, &root, 1, WALK_BUDGET);
	if (err)
		return err;
	while (*bytes <= most && (err = walk_next(w, &entry)) > 0) {
		if (entry.kind == WALK_ERROR || access(entry.path, R_OK) != 0)
			*bytes = most + 1; /* not all of it may be read: leave it out */
		else if (lstat(entry.path, &st) == 0)
			*bytes += (uint64_t)st.st_size;
		++*files;
	}
	walk_free(w);
	return err < 0 ? err : 0;
}

static int choose(struct summing *s)
{
	static const char *const candidates[DIRECTORIES] = {
		"/usr/include",     "/usr/share/doc",    "/usr/share/man", "/usr/bin",
		"/usr/lib/python3", "/usr/share/locale", "/usr/lib/gcc",   "/usr/share/perl",
	};
	uint64_t files, bytes;
	struct stat st;

	for (size_t i = 0; i < DIRECTORIES; i++) {
		if (lstat(candidates[i], &st) != 0 || !S_ISDIR(st.st_mode))
			continue;
		int err = measure(candidates[i], BYTES_MOST - s->bytes, &files, &bytes);
		if (err)
			return err;
		if (files == 0 || files > FILES_MOST - s->files || bytes > BYTES_MOST - s->bytes)
			continue;
		s->directories[s->count++] = candidates[i];
		s->files += files;
		s->bytes += bytes;
	}
	return s->count ? 0 : -ENOENT;
}

/* --- running programs ------------------------------------------------------------------ */

/* Starts argv[0] with standard output to `out`. 0 or -errno. */
static int start(pid_t *pid, char *const argv[], int out)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t fresh;

	/* Programs expect SIGPIPE as it was before we began to ignore it. */
	sigemptyset(&fresh);
	sigaddset(&fresh, SIGPIPE);
	int err = posix_spawnattr_init(&attr);
	if (err)
		return -err;
	err = posix_spawn_file_actions_init(&actions);
	if (err == 0) {
		posix_spawnattr_setsigdefault(&attr, &fresh);
		posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF);
		err = posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
		if (err == 0)
			err = posix_spawnp(pid, argv[0], &actions, &attr, argv, environ);
		posix_spawn_file_actions_destroy(&actions);
	}
	posix_spawnattr_destroy(&attr);
	return -err;
}

/* The exit code, or 128 and more for a signal. */
static int reap(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return 255;
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static uint64_t memory_peak(pid_t pid)
{
	char path[64], line[256];
	unsigned long long kib = 0;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	FILE *f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "VmHWM: %llu", &kib) == 1)
			break;
	}
	if (f)
		fclose(f);
	return (uint64_t)kib * 1024;
}

/* Looks at the process until it ends, since what the system tells of an ended one
 * is no less than what its parent had when it started it. */
static void watch_memory(struct summing *s, pid_t pid)
{
	siginfo_t info = { .si_pid = 0 };

	while (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
	       info.si_pid == 0) {
		uint64_t peak = memory_peak(pid);

		if (peak > s->peak)
			s->peak = peak;
		usleep(SAMPLE_MS * 1000);
	}
}

static int run_weft(struct summing *s, const char *jobs, int out, bool watch)
{
	static char self[] = "/proc/self/exe", sum[] = "sum", j[] = "-j", end[] = "--";
	char *argv[DIRECTORIES + 6] = { self, sum, j, (char *)jobs, end };
	pid_t pid;

	for (size_t i = 0; i < s->count; i++)
		argv[5 + i] = (char *)s->directories[i];
	if (ftruncate(out, 0) != 0 || lseek(out, 0, SEEK_SET) != 0)
		return -errno;
	int err = start(&pid, argv, out);
	if (err)
		return err;
	if (watch)
		watch_memory(s, pid);
	return reap(pid) <= 1 ? 0 : -EIO;
}

/* `script` with the directories as its arguments. 0, -ENOENT when it could not
 * run, -errno. */
static int run_shell(struct summing *s, const char *script, int out)
{
	static char sh[] = "sh", c[] = "-c";
	char *argv[DIRECTORIES + 6] = { sh, c, (char *)script, sh, s->jobs_text };
	pid_t pid;

	for (size_t i = 0; i < s->count; i++)
		argv[5 + i] = (char *)s->directories[i];
	if (ftruncate(out, 0) != 0 || lseek(out, 0, SEEK_SET) != 0)
		return -errno;
	int err = start(&pid, argv, out);
	if (err)
		return err;
	return reap(pid) == 0 ? 0 : -ENOENT;
}

#define LIST "shift; find \"$@\" -type f -print0 | LC_ALL=C sort -z | "

static int sha256sum_alone(struct summing *s, int out)
{
	return run_shell(s, LIST "xargs -0 sha256sum --", out);
}

static int ours(void *arg)
{
	struct summing *s = arg;

	return run_weft(s, s->jobs_text, s->got, false);
}

/* Its output comes in any order: it is for the time alone. */
static int plain(void *arg)
{
	struct summing *s = arg;

	if (!s->peers)
		return run_weft(s, "1", s->expected, false);
	return run_shell(s, "n=$1; " LIST "xargs -0 -P \"$n\" sha256sum -- > /dev/null",
			 s->expected);
}

/* --- the result -------------------------------------------------------------------------- */

static bool same_content(int a, int b)
{
	static char x[65536], y[65536];
	off_t at = 0;

	for (;;) {
		ssize_t n = pread(a, x, sizeof(x), at), m = pread(b, y, sizeof(y), at);

		if (n != m || n < 0 || memcmp(x, y, (size_t)n) != 0)
			return false;
		if (n == 0)
			return at > 0;
		at += n;
	}
}

static void tell(struct tour_block *b, const struct summing *s, const struct tour_race *race)
{
	buf_str(&b->did, "summed ");
	buf_count(&b->did, s->files);
	buf_str(&b->did, " files, ");
	buf_size(&b->did, (double)s->bytes);
	buf_str(&b->did, ", of");
	for (size_t i = 0; i < s->count; i++)
		buf_printf(&b->did, " %s", s->directories[i]);

	const char *whose = s->peers ? "sha256sum's" : "weft sum -j 1's";
	if (b->wrong)
		buf_printf(&b->verified, "the output differs from %s", whose);
	else
		buf_printf(&b->verified, "the output is %s, byte for byte; peak memory ", whose);
	if (!b->wrong)
		buf_size(&b->verified, (double)s->peak);

	buf_span(&b->speed, (double)race->ours_ns);
	if (s->peers) {
		buf_printf(&b->speed, ", find | sort | xargs -P%d sha256sum ", s->jobs);
		buf_span(&b->speed, (double)race->plain_ns);
		buf_str(&b->speed, ": ");
		buf_ratio(&b->speed, (double)race->ours_ns, (double)race->plain_ns);
		buf_str(&b->speed, "; one at a time ");
		buf_span(&b->speed, (double)s->single_ns);
	} else {
		buf_str(&b->speed, ", with -j 1 ");
		buf_span(&b->speed, (double)race->plain_ns);
		buf_str(&b->speed, ": ");
		buf_ratio(&b->speed, (double)race->ours_ns, (double)race->plain_ns);
		buf_str(&b->speed, " (there is no sha256sum here to compare with)");
	}
}

/* The expected output, twice: the first run warms the page cache up. */
static int expect(struct summing *s)
{
	int err = sha256sum_alone(s, s->expected);

	s->peers = err == 0;
	if (err == -ENOENT)
		return run_weft(s, "1", s->expected, false);
	int64_t begun = weft_now();
	if (err == 0)
		err = sha256sum_alone(s, s->expected);
	s->single_ns = weft_now() - begun;
	return err;
}

static int compare(struct summing *s, struct tour_block *b)
{
	struct tour_race race = { .ours = ours, .plain = plain, .arg = s };
	int err = choose(s);

	if (err == 0)
		err = expect(s);
	if (err == 0)
		err = run_weft(s, s->jobs_text, s->got, true);
	if (err)
		return err;
	b->wrong = !same_content(s->expected, s->got);
	err = tour_race(&race, 3);
	if (err == 0)
		tell(b, s, &race);
	return err;
}

int tour_sum(struct tour *t, struct tour_block *b)
{
	struct summing s = { .jobs = t->cpus };
	int err = 0;

	snprintf(s.jobs_text, sizeof(s.jobs_text), "%d", t->cpus);
	s.expected = memfd_create("weft-expected", MFD_CLOEXEC);
	s.got = memfd_create("weft-got", MFD_CLOEXEC);
	if (s.expected < 0 || s.got < 0)
		err = -errno;
	if (err == 0)
		err = compare(&s, b);
	if (s.expected >= 0)
		close(s.expected);
	if (s.got >= 0)
		close(s.got);
	return err;
}
