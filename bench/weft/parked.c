/* SPDX-License-Identifier: MIT */
/* Memory of fibers that wait: 100,000 of them for one event, in stacks of 16 KiB. */
#include "../subject.h"

#include <unistd.h>

#include <weft/atomic.h>
#include <weft/event.h>
#include <weft/runtime.h>
#include <weft/scope.h>

enum { FIBERS = 100000 };

static weft_atomic_u32 waiting;
static weft_event all_wait, go;

static double resident(void)
{
	unsigned long pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	if (f && fscanf(f, "%*u %lu", &pages) != 1)
		pages = 0;
	if (f)
		fclose(f);
	return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

static int wait_for_it(void *arg)
{
	(void)arg;
	if (weft_add_relaxed(&waiting, 1) + 1 == FIBERS)
		weft_event_set(&all_wait);
	return weft_event_wait(&go);
}

static int park_all(void *arg)
{
	const weft_fiber_opts opts = { .stack_size = 16384 };
	double before = resident(), *each = arg;
	weft_scope scope;
	int err = 0;

	weft_scope_open(&scope);
	for (int i = 0; i < FIBERS && err == 0; i++)
		err = weft_scope_spawn(&scope, wait_for_it, NULL, &opts);
	if (err == 0)
		err = weft_event_wait(&all_wait);
	*each = (resident() - before) / FIBERS;
	weft_event_set(&go);
	if (err)
		weft_scope_cancel(&scope);
	return weft_scope_close(&scope);
}

int main(int argc, char **argv)
{
	weft_runtime *runtime;
	double each = 0;
	int result = 0, err;

	if (argc != 4 || strcmp(argv[1], "parked") != 0 || strcmp(argv[2], "1e5") != 0)
		return subject_bad("usage: SUBJECT parked 1e5 WORKERS");
	err = weft_runtime_start(&runtime,
				 &(weft_runtime_opts){ .workers = atoi(argv[3]), .hog_ns = -1 });
	if (err == 0) {
		err = weft_block_on(runtime, park_all, &each, &result);
		(void)weft_runtime_stop(runtime, WEFT_NEVER);
	}
	if (err || result)
		return subject_bad("something failed: %s", strerror(-(err ? err : result)));
	return subject_ok(each, "B/task");
}
