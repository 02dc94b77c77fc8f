/* SPDX-License-Identifier: MIT */
/* A million fibers that sleep for 1 to 1,000 ms each: how long until the last one has
 * woken, or how much memory that took at its peak. None may wake early. */
#include "../subject.h"

#include <sys/resource.h>

#include <weft/atomic.h>
#include <weft/runtime.h>
#include <weft/scope.h>
#include <weft/thread.h>

enum { SLEEPERS = 1000000 };

static weft_atomic_u64 woken, early;

static int sleeper(void *arg)
{
	int64_t until = weft_after_ms((int64_t)((uintptr_t)arg % 1000 + 1));
	int err = weft_sleep_until(until);

	if (weft_now() < until)
		weft_add_relaxed(&early, 1);
	weft_add_relaxed(&woken, 1);
	return err;
}

static int spawn_all(void *arg)
{
	const weft_fiber_opts opts = { .stack_size = 16384 };
	weft_scope scope;
	int err = 0;

	(void)arg;
	weft_scope_open(&scope);
	for (uintptr_t i = 0; i < SLEEPERS && err == 0; i++)
		err = weft_scope_spawn(&scope, sleeper, (void *)i, &opts);
	if (err)
		weft_scope_cancel(&scope);
	return weft_scope_close(&scope);
}

static double sleep_all(int workers, int *err)
{
	const weft_runtime_opts opts = { .workers = workers, .hog_ns = -1 };
	weft_runtime *runtime;
	double start;
	int result = 0;

	*err = weft_runtime_start(&runtime, &opts);
	if (*err)
		return 0;
	start = subject_now_ns();
	*err = weft_block_on(runtime, spawn_all, NULL, &result);
	start = subject_now_ns() - start;
	(void)weft_runtime_stop(runtime, WEFT_NEVER);
	if (*err == 0)
		*err = result;
	return start;
}

int main(int argc, char **argv)
{
	struct rusage usage;
	double took;
	int err;

	if (argc != 4 || strncmp(argv[1], "sleepers", 8) != 0)
		return subject_bad("usage: SUBJECT sleepers[_memory] CASE WORKERS");
	if (strcmp(argv[2], "1e6") != 0)
		return subject_bad("there is no case %s", argv[2]);
	took = sleep_all(atoi(argv[3]), &err);
	if (err)
		return subject_bad("spawning or sleeping failed: %s", strerror(-err));
	if (weft_load_relaxed(&woken) != SLEEPERS || weft_load_relaxed(&early) != 0)
		return subject_bad("%" PRIu64 " of %d woke, %" PRIu64 " of them early",
				   weft_load_relaxed(&woken), SLEEPERS, weft_load_relaxed(&early));
	if (strcmp(argv[1], "sleepers") == 0)
		return subject_ok(took / 1e6, "ms");
	if (getrusage(RUSAGE_SELF, &usage) != 0)
		return subject_bad("the system does not tell the memory");
	return subject_ok((double)usage.ru_maxrss / 1024, "MiB");
}
