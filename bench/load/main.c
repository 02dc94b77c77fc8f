/* SPDX-License-Identifier: MIT */
/* Starts and ends the server. */
#include "load.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

bool load_fail(struct load *load, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(load->why, sizeof(load->why), format, args);
	va_end(args);
	return false;
}

/* The client keeps off the first usable CPUs, as many as the server has workers, if that
 * leaves it any. The server may use all, as it would without us: some behave differently
 * on a single CPU, since there is no use in spinning there. */
void load_step_aside(const struct load *load)
{
	cpu_set_t all, set;
	int seen = 0;

	CPU_ZERO(&set);
	if (sched_getaffinity(0, sizeof(all), &all) != 0 || CPU_COUNT(&all) <= load->workers)
		return;
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &all) && seen++ >= load->workers)
			CPU_SET(cpu, &set);
	(void)sched_setaffinity(0, sizeof(set), &set);
}

/* In the child. */
static void become(char *const *argv, int out)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(out, STDOUT_FILENO);
	execvp(argv[0], argv);
	printf("bad %s does not start: %s\n", argv[0], strerror(errno));
	fflush(stdout);
	_exit(127);
}

bool load_start(struct load *load, char *const *argv, int *out)
{
	int ends[2];

	if (pipe(ends) != 0)
		return load_fail(load, "bad no pipe to the server: %s", strerror(errno));
	fflush(stdout);
	load->server = fork();
	if (load->server == 0) {
		close(ends[0]);
		become(argv, ends[1]);
	}
	close(ends[1]);
	*out = ends[0];
	if (load->server < 0)
		return load_fail(load, "bad no process for the server: %s", strerror(errno));
	return true;
}

bool load_serve(struct load *load)
{
	char workers[16], line[200] = "";
	char *argv[] = { (char *)load->program, (char *)load->bench, (char *)load->name, workers,
			 NULL };
	FILE *said;
	int out;

	snprintf(workers, sizeof(workers), "%d", load->workers);
	if (!load_start(load, argv, &out))
		return false;
	said = fdopen(out, "r");
	if (!said || !fgets(line, sizeof(line), said))
		return load_fail(load, "bad the server ended before it served");
	line[strcspn(line, "\n")] = 0;
	if (sscanf(line, "port %d", &load->port) != 1)
		return load_fail(load, "%s", line);
	return true;
}

double load_run_ms(double ms)
{
	const char *own = getenv("WEFT_BENCH_RUN_MS");

	return own && atof(own) > 0 ? atof(own) : ms;
}

double load_cpu_ns(const struct load *load)
{
	struct timespec ts = { 0, 0 };
	clockid_t clock;

	if (clock_getcpuclockid(load->server, &clock) == 0)
		clock_gettime(clock, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

double load_memory(const struct load *load)
{
	char path[64];
	unsigned long pages = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/statm", (int)load->server);
	f = fopen(path, "r");
	if (f && fscanf(f, "%*u %lu", &pages) != 1)
		pages = 0;
	if (f)
		fclose(f);
	return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

static int dispatch(struct load *load)
{
	static const struct {
		const char *prefix;
		int (*run)(struct load *load);
	} kinds[] = {
		{ "echo", load_echo },
		{ "hog", load_hog },
		{ "idle", load_idle },
		{ "kv", load_kv },
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strncmp(load->bench, kinds[i].prefix, strlen(kinds[i].prefix)) == 0)
			return kinds[i].run(load);
	return subject_bad("there is no load for %s", load->bench);
}

int main(int argc, char **argv)
{
	struct load load = { .server = 0 };
	struct rlimit limit;
	int rc;

	if (argc != 5 || atoi(argv[4]) < 1)
		return subject_bad("usage: bench-load SERVER BENCH CASE WORKERS");
	load.program = argv[1];
	load.bench = argv[2];
	load.name = argv[3];
	load.workers = atoi(argv[4]);
	signal(SIGPIPE, SIG_IGN);
	/* The server inherits it, and so has it whatever its language does about it. */
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
	rc = dispatch(&load);
	if (load.server > 0) {
		kill(load.server, SIGKILL);
		waitpid(load.server, NULL, 0);
	}
	return rc;
}
