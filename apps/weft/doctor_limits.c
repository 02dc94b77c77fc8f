/* SPDX-License-Identifier: MIT */
/*
 * The doctor's look at the limits of this process.
 */
#include "doctor.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

static uint64_t number_in(const char *path)
{
	char line[64];
	char *end;

	if (!read_line(path, line, sizeof(line)))
		return UINT64_MAX;
	unsigned long long n = strtoull(line, &end, 10);
	return end == line ? UINT64_MAX : n;
}

/* pids.max of the cgroup that the process is in, or of the root of its view. */
static uint64_t cgroup_pids(void)
{
	char path[PATH_MAX], group[PATH_MAX / 2];
	uint64_t n;

	/* cgroup v2: "0::/path". */
	if (!read_field("/proc/self/cgroup", "0:", group, sizeof(group)))
		return UINT64_MAX;
	snprintf(path, sizeof(path), "/sys/fs/cgroup%s/pids.max", group + (group[0] == ':'));
	n = number_in(path);
	return n != UINT64_MAX ? n : number_in("/sys/fs/cgroup/pids.max");
}

static void threads_fact(struct facts *f)
{
	struct fact *fact = fact_add(f, "threads_max", "threads", FACT_PLAIN);
	struct rlimit limit;
	const struct {
		uint64_t n;
		const char *why;
	} bounds[] = {
		{ getrlimit(RLIMIT_NPROC, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY
			  ? (uint64_t)limit.rlim_cur
			  : UINT64_MAX,
		  "ulimit -u" },
		{ number_in("/proc/sys/kernel/threads-max"), "kernel.threads-max" },
		{ number_in("/proc/sys/kernel/pid_max"), "kernel.pid_max" },
		{ cgroup_pids(), "pids.max of the cgroup" },
	};
	size_t least = 0;

	for (size_t i = 1; i < sizeof(bounds) / sizeof(bounds[0]); i++) {
		if (bounds[i].n < bounds[least].n)
			least = i;
	}
	if (bounds[least].n == UINT64_MAX) {
		fact_value(fact, "no limit found");
		return;
	}
	fact_value(fact, "at most %llu, by %s", (unsigned long long)bounds[least].n,
		   bounds[least].why);
	fact_number(fact, bounds[least].n);
	fact_use(fact, "one more is the error -EAGAIN of weft_thread_spawn()");
	if (bounds[least].n < 64)
		fact->state = FACT_MISSING;
}

static void files_fact(struct facts *f)
{
	struct fact *fact = fact_add(f, "open_files", "open files", FACT_PLAIN);
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
		fact_value(fact, "unknown");
		return;
	}
	fact_value(fact, "at most %llu, can be raised to %llu", (unsigned long long)limit.rlim_cur,
		   (unsigned long long)limit.rlim_max);
	fact_number(fact, limit.rlim_cur);
	fact_use(fact, "weft sum opens one per worker and few more, however deep the tree");
}

static void stack_fact(struct facts *f)
{
	struct fact *fact = fact_add(f, "stack", "stack", FACT_PLAIN);
	struct rlimit limit;

	if (getrlimit(RLIMIT_STACK, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) {
		fact_value(fact, "no limit");
		return;
	}
	fact_value(fact, "%llu KiB", (unsigned long long)limit.rlim_cur / 1024);
	fact_number(fact, limit.rlim_cur);
	fact_use(fact, "a thread's address space, unless its options say otherwise");
}

static void maps_fact(struct facts *f)
{
	uint64_t n = number_in("/proc/sys/vm/max_map_count");
	struct fact *fact = fact_add(f, "max_map_count", "mappings", FACT_PLAIN);

	if (n == UINT64_MAX) {
		fact_value(fact, "unknown");
		return;
	}
	fact_value(fact, "at most %llu", (unsigned long long)n);
	fact_number(fact, n);
	fact_use(fact, "a thread takes two: its stack and the guard page");
}

void doctor_limits(struct facts *f)
{
	threads_fact(f);
	files_fact(f);
	stack_fact(f);
	maps_fact(f);
}
