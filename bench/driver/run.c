/* SPDX-License-Identifier: MIT */
/* Children: started, timed, limited, killed.
 *
 * SIGINT, SIGTERM and SIGCHLD are blocked in the driver for good and taken one
 * by one with sigtimedwait(), so there is no handler and no race between "the
 * child has ended" and "the time is up".
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "driver.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static sigset_t watched, before;
static bool interrupted;

void run_init(void)
{
	signal(SIGCHLD, SIG_DFL);
	sigemptyset(&watched);
	sigaddset(&watched, SIGCHLD);
	sigaddset(&watched, SIGINT);
	sigaddset(&watched, SIGTERM);
	sigprocmask(SIG_BLOCK, &watched, &before);
}

int run_limit_s(int seconds)
{
	const char *text = getenv("WEFT_BENCH_LIMIT_S");
	int own = text ? atoi(text) : 0;

	return own > 0 ? own : seconds;
}

static double now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

static void redirect(const char *path, int fd)
{
	int file = open(path, fd == STDIN_FILENO ? O_RDONLY : O_WRONLY | O_CREAT | O_TRUNC, 0666);

	if (file < 0 || dup2(file, fd) < 0)
		_exit(126);
	close(file);
}

/* In the child; the parent learns of a failure to start by `report`, which
 * closes by itself on success. */
static void child(const struct run *run, int report)
{
	cpu_set_t set;

	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigprocmask(SIG_SETMASK, &before, NULL);
	redirect("/dev/null", STDIN_FILENO);
	redirect(run->out, STDOUT_FILENO);
	redirect(run->err, STDERR_FILENO);
	CPU_ZERO(&set);
	if (run->cpu >= 0) {
		CPU_SET(run->cpu, &set);
		sched_setaffinity(0, sizeof(set), &set);
	}
	if (run->set)
		putenv((char *)(uintptr_t)run->set);
	execvp(run->argv[0], run->argv);
	int err = errno;
	ssize_t ignored = write(report, &err, sizeof(err));

	(void)ignored;
	_exit(127);
}

/* Until the child has ended, the time is up or the user interrupts. */
static void await(struct run *run, pid_t pid, double start)
{
	struct rusage usage;

	for (;;) {
		double left = run->limit_s * 1e3 - (now_ms() - start);
		struct timespec ts = { (time_t)(left / 1e3), (long)fmod(left, 1e3) * 1000000L };

		if (left <= 0.0) {
			run->end = RUN_HUNG;
			break;
		}
		int sig = sigtimedwait(&watched, NULL, &ts);

		if (sig == SIGINT || sig == SIGTERM) {
			interrupted = true;
			run->end = RUN_INTERRUPTED;
			break;
		}
		if (sig == SIGCHLD && wait4(pid, &run->status, WNOHANG, &usage) == pid) {
			run->ms = now_ms() - start;
			run->rss_kib_max = usage.ru_maxrss;
			run->end = RUN_ENDED;
			return;
		}
	}
	kill(-pid, SIGKILL);
	waitpid(pid, &run->status, 0);
}

void run_child(struct run *run)
{
	int report[2], err = 0;

	run->end = RUN_NOT_STARTED;
	run->status = EMFILE;
	if (pipe2(report, O_CLOEXEC) != 0)
		return;
	double start = now_ms();
	pid_t pid = fork();

	if (pid == 0)
		child(run, report[1]);
	close(report[1]);
	run->status = errno;
	if (pid > 0) {
		setpgid(pid, pid);
		if (read(report[0], &err, sizeof(err)) == sizeof(err)) {
			waitpid(pid, NULL, 0);
			run->status = err;
		} else {
			await(run, pid, start);
		}
	}
	close(report[0]);
}

bool run_interrupted(void)
{
	struct timespec now = { 0, 0 };
	int sig;

	while ((sig = sigtimedwait(&watched, NULL, &now)) > 0)
		interrupted |= sig != SIGCHLD;
	return interrupted;
}

void series_stop(struct series *s, bool failed, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(s->why, sizeof(s->why), format, args);
	va_end(args);
	s->stopped = true;
	s->failed = failed;
}

/* The last line of a file, "" if there is none. */
static void last_line(const char *path, char *line, size_t size)
{
	FILE *f = fopen(path, "r");
	char next[TEXT_MAX];

	line[0] = 0;
	while (f && fgets(next, sizeof(next), f)) {
		next[strcspn(next, "\n")] = 0;
		if (next[0])
			snprintf(line, size, "%.*s", (int)size - 1, next);
	}
	if (f)
		fclose(f);
}

/* Why there is no answer of an ended run, from its status and its last word. */
static void stop_by_status(struct series *s, const struct run *run)
{
	char word[TEXT_MAX / 2];

	last_line(run->err, word, sizeof(word));
	if (WIFSIGNALED(run->status))
		series_stop(s, true, "killed by signal %d (%s)%s%s", WTERMSIG(run->status),
			    strsignal(WTERMSIG(run->status)), word[0] ? ": " : "", word);
	else
		series_stop(s, true, "ended with status %d%s%s", WEXITSTATUS(run->status),
			    word[0] ? ": " : "", word);
}

/* Reads "ok VALUE UNIT", "bad SENTENCE" or "skip SENTENCE", one line exactly. */
static void take_answer(struct series *s, const struct run *run)
{
	char text[TEXT_MAX] = "", unit[16] = "";
	double value = 0.0;
	int end = 0;
	FILE *f = fopen(run->out, "r");
	size_t n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;

	if (f)
		fclose(f);
	text[n] = 0;
	char *newline = strchr(text, '\n');
	bool one_line = newline && newline[1] == 0;

	if (newline)
		*newline = 0;
	if (one_line && strncmp(text, "bad ", 4) == 0)
		series_stop(s, true, "%s", text + 4);
	else if (one_line && strncmp(text, "skip ", 5) == 0)
		series_stop(s, false, "%s", text + 5);
	else if (run->status != 0)
		stop_by_status(s, run);
	else if (!one_line || sscanf(text, "ok %lf %15s%n", &value, unit, &end) != 2 || text[end])
		series_stop(s, true, "answered \"%.60s\", which is no answer", text);
	else if (strcmp(unit, s->unit) != 0 || !(value >= 0.0 && value < 1e15))
		series_stop(s, true, "answered %g %s where %s were asked for", value, unit,
			    s->unit);
	else
		s->values[s->runs++] = value;
}

/* The last usable CPU: the first ones often serve the interrupts. */
static int cpu_to_pin(void)
{
	cpu_set_t set;
	int cpu = CPU_SETSIZE - 1;

	if (sched_getaffinity(0, sizeof(set), &set) != 0)
		return 0;
	while (cpu > 0 && !CPU_ISSET(cpu, &set))
		cpu--;
	return cpu;
}

/* bench/peers/build.sh leaves PEER.why beside what it could not build. */
static void stop_missing(struct series *s, const struct places *at)
{
	char path[FILE_MAX], why[TEXT_MAX / 2];

	if (s->s->kind != SUBJECT_PEER) {
		series_stop(s, true, "%s/%s is not built", at->bin, s->s->program);
		return;
	}
	snprintf(path, sizeof(path), "%s/%s.why", at->peers, s->s->program);
	last_line(path, why, sizeof(why));
	series_stop(s, false, "%s", why[0] ? why : "not built; ./dev bench --peers builds it");
}

bool run_subject(struct series *s, const struct places *at)
{
	const char *dir = s->s->kind == SUBJECT_PEER ? at->peers : at->bin;
	char path[FILE_MAX], load[FILE_MAX], workers[16], out[FILE_MAX], err[FILE_MAX];
	char *argv[] = { load,
			 path,
			 (char *)s->c->bench,
			 (char *)(s->s->stand_in ? s->s->stand_in : s->c->name),
			 workers,
			 NULL };
	struct run run = {
		.argv = s->s->load ? argv : argv + 1,
		.set = s->s->set,
		.cpu = s->c->pinned ? cpu_to_pin() : -1,
		.limit_s = run_limit_s(60),
		.out = out,
		.err = err,
	};

	snprintf(path, sizeof(path), "%s/%s", dir, s->s->program);
	snprintf(load, sizeof(load), "%s/%s", at->bin, s->s->load ? s->s->load : "");
	snprintf(workers, sizeof(workers), "%d", s->workers);
	snprintf(out, sizeof(out), "%s/run.out", at->out);
	snprintf(err, sizeof(err), "%s/run.err", at->out);
	if (access(path, F_OK) != 0) {
		stop_missing(s, at);
		return true;
	}
	run_child(&run);
	if (run.end == RUN_ENDED)
		take_answer(s, &run);
	else if (run.end == RUN_HUNG)
		series_stop(s, true, "killed, no answer within %d s", run.limit_s);
	else if (run.end == RUN_NOT_STARTED)
		series_stop(s, true, "%s does not start: %s", path, strerror(run.status));
	return run.end != RUN_INTERRUPTED;
}
