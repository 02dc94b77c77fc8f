/* SPDX-License-Identifier: MIT */
/* The test rig's runner and the slow half of its checks; see check.h.
 *
 * The list of cases is built by constructors, before main and thus by one
 * thread, and only read afterwards. Failures go to stderr in one write per
 * line and end in abort(). */
#define _GNU_SOURCE

#include "check.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { EXIT_USAGE = 2, EXIT_SKIPPED = 77 };

static struct check_test *first;
static struct check_test **last = &first;
static bool skipped;

void check__register(struct check_test *t)
{
	*last = t;
	last = &t->next;
}

void check__skip(const char *file, int line, const char *why)
{
	skipped = true;
	printf("%s:%d: skipped: %s\n", file, line, why);
}

_Noreturn void check__fail(const char *file, int line, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	fflush(stdout);
	fprintf(stderr, "%s:%d: %s\n", file, line, text);
	abort();
}

static int cmp_int(struct check_int a, struct check_int b)
{
	if (a.neg != b.neg)
		return a.neg ? -1 : 1;
	/* Two's complement: of two negatives the larger bit pattern is the
	 * larger number. */
	return a.bits < b.bits ? -1 : a.bits > b.bits;
}

static bool holds(int cmp, enum check_op op)
{
	switch (op) {
	case CHECK__EQ: return cmp == 0;
	case CHECK__NE: return cmp != 0;
	case CHECK__LT: return cmp < 0;
	case CHECK__LE: return cmp <= 0;
	case CHECK__GT: return cmp > 0;
	case CHECK__GE: return cmp >= 0;
	}
	return false;
}

static const char *op_text(enum check_op op)
{
	static const char *const text[] = { "==", "!=", "<", "<=", ">", ">=" };

	return text[op];
}

/* Small negatives are errors nearly always: say which. */
static void format_int(char *buf, size_t size, struct check_int v)
{
	int64_t s = (int64_t)v.bits;

	if (v.neg && s > -4096)
		snprintf(buf, size, "%" PRId64 " (%s)", s, strerror((int)-s));
	else if (v.neg)
		snprintf(buf, size, "%" PRId64, s);
	else if (v.bits > 0xffff)
		snprintf(buf, size, "%" PRIu64 " (0x%" PRIx64 ")", v.bits, v.bits);
	else
		snprintf(buf, size, "%" PRIu64, v.bits);
}

void check__int(const struct check_at *at, struct check_int a, enum check_op op,
		struct check_int b)
{
	char av[128], bv[128];

	if (holds(cmp_int(a, b), op))
		return;
	format_int(av, sizeof(av), a);
	format_int(bv, sizeof(bv), b);
	check__fail(at->file, at->line, "%s %s %s is false\n\tleft:  %s\n\tright: %s", at->a,
		    op_text(op), at->b, av, bv);
}

void check__ptr(const struct check_at *at, const void *a, enum check_op op, const void *b)
{
	if ((a == b) != (op == CHECK__EQ))
		check__fail(at->file, at->line, "%s %s %s is false\n\tleft:  %p\n\tright: %p",
			    at->a, op_text(op), at->b, a, b);
}

void check__str(const struct check_at *at, const char *a, const char *b)
{
	if (a == b || (a && b && strcmp(a, b) == 0))
		return;
	check__fail(at->file, at->line,
		    "%s and %s are different strings\n\tleft:  \"%s\"\n\tright: \"%s\"", at->a,
		    at->b, a ? a : "(NULL)", b ? b : "(NULL)");
}

void check__mem(const struct check_at *at, const void *a, const void *b, size_t n)
{
	const unsigned char *x = a, *y = b;

	for (size_t i = 0; i < n; i++)
		if (x[i] != y[i])
			check__fail(at->file, at->line,
				    "%s and %s differ at byte %zu of %zu\n"
				    "\tleft:  0x%02x\n\tright: 0x%02x",
				    at->a, at->b, i, n, x[i], y[i]);
}

void check__near(const struct check_at *at, double a, double b, double eps)
{
	/* Written so that a NaN on either side fails. */
	if (fabs(a - b) <= eps)
		return;
	check__fail(at->file, at->line,
		    "%s and %s are further apart than %g\n\tleft:  %.17g\n\tright: %.17g", at->a,
		    at->b, eps, a, b);
}

/* ---- children ----------------------------------------------------------------------- */

/* Whether the thread sleeps (or has ended), and how often it has been given up for
 * others, added to *switches. */
static bool thread_sleeps(const char *thread, uint64_t *switches)
{
	char path[64], line[256];
	bool sleeps = false;
	uint64_t count;
	FILE *status;

	snprintf(path, sizeof(path), "/proc/self/task/%.16s/status", thread);
	status = fopen(path, "re");
	while (status && fgets(line, sizeof(line), status)) {
		char *value = strchr(line, '\t');

		if (value && strncmp(line, "State:", 6) == 0)
			sleeps = strchr("SZX", value[1]) != NULL;
		else if (value && strstr(line, "ctxt_switches:") &&
			 sscanf(value, "%" SCNu64, &count) == 1)
			*switches += count;
	}
	if (status)
		fclose(status);
	return sleeps;
}

static bool others_sleep(uint64_t *switches)
{
	DIR *threads = opendir("/proc/self/task");
	const struct dirent *entry;
	bool sleep = true;

	if (!threads)
		FAIL("no list of the threads: %s", strerror(errno));
	*switches = 0;
	while (sleep && (entry = readdir(threads)) != NULL)
		if (entry->d_name[0] != '.' && atol(entry->d_name) != syscall(SYS_gettid))
			sleep = thread_sleeps(entry->d_name, switches);
	closedir(threads);
	return sleep;
}

/* All of them asleep at each of two looks, and none awake between: so at one moment. */
static void await_rest(void)
{
	uint64_t before, after;

	while (!others_sleep(&before) || !others_sleep(&after) || before != after)
		sched_yield();
}

pid_t check_fork(void)
{
	pid_t child;

	fflush(NULL);
	await_rest();
	child = fork();
	if (child < 0)
		FAIL("no child: %s", strerror(errno));
	return child;
}

static _Noreturn void die_in_child(int fd, void (*fn)(void *), void *arg)
{
	struct rlimit no_core = { 0, 0 };

	setrlimit(RLIMIT_CORE, &no_core);
	if (dup2(fd, STDERR_FILENO) < 0)
		_exit(EXIT_USAGE);
	fn(arg);
	_exit(0);
}

static size_t read_all(int fd, char *buf, size_t size)
{
	size_t len = 0;
	char rest[256];

	for (;;) {
		bool full = len == size - 1;
		ssize_t n = full ? read(fd, rest, sizeof(rest))
				 : read(fd, buf + len, size - 1 - len);

		if (n == 0 || (n < 0 && errno != EINTR))
			break;
		if (n > 0 && !full)
			len += (size_t)n;
	}
	buf[len] = '\0';
	return len;
}

void check__dies(const char *file, int line, void (*fn)(void *), void *arg, const char *sentence)
{
	char said[4096];
	int fd[2], status;
	pid_t pid;

	if (pipe(fd) < 0)
		check__fail(file, line, "no pipe: %s", strerror(errno));
	pid = check_fork();
	if (pid == 0)
		die_in_child(fd[1], fn, arg);
	close(fd[1]);
	read_all(fd[0], said, sizeof(said));
	close(fd[0]);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			check__fail(file, line, "waitpid: %s", strerror(errno));
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT)
		check__fail(file, line,
			    "should have aborted, but ended with status 0x%x; said:\n%s", status,
			    said);
	if (!strstr(said, sentence))
		check__fail(file, line, "aborted without saying \"%s\"; said:\n%s", sentence,
			    said);
}

static double now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

/* Returns whether the case ran to its end, i.e. was not skipped. */
static bool run(const struct check_test *t)
{
	double start = now_ms();

	skipped = false;
	printf("run  %s\n", t->name);
	fflush(stdout);
	t->run();
	printf("%s %s (%.1f ms)\n", skipped ? "skip" : "ok  ", t->name, now_ms() - start);
	fflush(stdout);
	return !skipped;
}

static int run_all(void)
{
	unsigned passed = 0, left_out = 0;

	for (struct check_test *t = first; t; t = t->next) {
		if (run(t))
			passed++;
		else
			left_out++;
	}
	printf("%u passed, %u skipped\n", passed, left_out);
	return 0;
}

static int run_one(const char *name)
{
	for (struct check_test *t = first; t; t = t->next)
		if (strcmp(t->name, name) == 0)
			return run(t) ? 0 : EXIT_SKIPPED;
	fprintf(stderr, "there is no test \"%s\" here; --list shows the names\n", name);
	return EXIT_USAGE;
}

/* Weak: a program that has its own main may use the checks alone. */
__attribute__((weak)) int main(int argc, char **argv)
{
	if (argc == 1)
		return run_all();
	if (argc == 2 && strcmp(argv[1], "--list") == 0) {
		for (struct check_test *t = first; t; t = t->next)
			puts(t->name);
		return 0;
	}
	if (argc == 2 && argv[1][0] != '-')
		return run_one(argv[1]);
	fprintf(stderr, "usage: %s [NAME | --list]\n", argv[0]);
	return EXIT_USAGE;
}
