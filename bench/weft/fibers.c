/* SPDX-License-Identifier: MIT */
/* What a fiber costs.
 *
 *	spawn		a fiber spawns a million that only count, and waits for all
 *	spawn_handles	the same, but each has a handle and is joined
 *	yield		two fibers of one worker let each other run
 *	pingpong	two fibers answer each other over channels of one message */
#include "../subject.h"

#include <errno.h>

#include <weft/atomic.h>
#include <weft/channel.h>
#include <weft/runtime.h>
#include <weft/scope.h>

enum { FIBERS = 1000000 };

#define YIELDS_MOST UINT64_C(200000000)
#define ROUNDS_MOST UINT64_C(20000000)

struct work {
	uint64_t count; /* of operations, for each who does them */
	weft_atomic_u64 done;
	weft_chan *there, *back;
	weft_fiber **fibers;
};

static int count_one(void *arg)
{
	struct work *work = arg;

	weft_add_relaxed(&work->done, 1);
	return 0;
}

static int spawn_all(void *arg)
{
	struct work *work = arg;
	weft_scope scope;
	int err = 0;

	weft_scope_open(&scope);
	for (uint64_t i = 0; i < work->count && err == 0; i++)
		err = weft_scope_spawn(&scope, count_one, work, NULL);
	if (err)
		weft_scope_cancel(&scope);
	return weft_scope_close(&scope);
}

static int spawn_and_join(void *arg)
{
	struct work *work = arg;
	uint64_t spawned = 0;
	int err = 0;

	while (spawned < work->count && err == 0) {
		err = weft_fiber_spawn(&work->fibers[spawned], count_one, work, NULL);
		spawned += err == 0;
	}
	for (uint64_t i = 0; i < spawned; i++)
		(void)weft_fiber_join(work->fibers[i], NULL);
	return err;
}

static int yielder(void *arg)
{
	struct work *work = arg;

	for (uint64_t i = 0; i < work->count; i++)
		weft_yield();
	weft_add_relaxed(&work->done, work->count);
	return 0;
}

static int yield_both(void *arg)
{
	weft_scope scope;
	int err;

	weft_scope_open(&scope);
	err = weft_scope_spawn(&scope, yielder, arg, NULL);
	if (err == 0)
		err = weft_scope_spawn(&scope, yielder, arg, NULL);
	if (err)
		weft_scope_cancel(&scope);
	return weft_scope_close(&scope);
}

static int answer(void *arg)
{
	struct work *work = arg;
	uint64_t value;
	int err = 0;

	for (uint64_t i = 0; i < work->count && err == 0; i++) {
		err = weft_chan_recv(work->there, &value);
		value++;
		if (err == 0)
			err = weft_chan_send(work->back, &value);
	}
	return err;
}

static int ask(void *arg)
{
	struct work *work = arg;
	uint64_t value = 0;
	weft_fiber *other;
	int err = weft_fiber_spawn(&other, answer, work, NULL);

	if (err)
		return err;
	for (uint64_t i = 0; i < work->count && err == 0; i++) {
		err = weft_chan_send(work->there, &value);
		if (err == 0)
			err = weft_chan_recv(work->back, &value);
	}
	weft_add_relaxed(&work->done, value);
	if (err)
		weft_chan_close(work->there);
	(void)weft_fiber_join(other, NULL);
	return err;
}

struct kind {
	const char *name;
	weft_fiber_fn fn;
	uint64_t most; /* 0: a million, always */
	unsigned each; /* how many do `count` operations */
	const char *unit;
};

static const struct kind kinds[] = {
	{ "spawn", spawn_all, 0, 1, "ns" },
	{ "spawn_handles", spawn_and_join, 0, 1, "ns" },
	{ "yield", yield_both, YIELDS_MOST, 2, "ns" },
	{ "pingpong", ask, ROUNDS_MOST, 1, "ns" },
	{ NULL, NULL, 0, 0, NULL },
};

/* Does it `count` times: how long it took, or < 0. */
static double run(weft_runtime *runtime, const struct kind *kind, struct work *work,
		  uint64_t count)
{
	double start = subject_now_ns();
	int result = 0, err;

	work->count = count / kind->each;
	weft_store_relaxed(&work->done, 0);
	err = weft_block_on(runtime, kind->fn, work, &result);
	if (err || result || weft_load_relaxed(&work->done) != work->count * kind->each)
		return -1;
	return subject_now_ns() - start;
}

static int measure(weft_runtime *runtime, const struct kind *kind, struct work *work)
{
	uint64_t count = kind->most ? kind->most / 50 : FIBERS;
	double took = run(runtime, kind, work, count);

	if (took >= 0 && kind->most)
		count = subject_count(count, took, kind->most, kind->each);
	if (took >= 0)
		took = run(runtime, kind, work, count);
	if (took < 0)
		return subject_bad("something failed, or was not done");
	return subject_ok(took / (double)count, kind->unit);
}

int main(int argc, char **argv)
{
	const struct kind *kind = kinds;
	struct work work = { .count = 0 };
	weft_runtime *runtime;
	int rc;

	if (argc != 4 || strcmp(argv[1], "fibers") != 0)
		return subject_bad("usage: SUBJECT fibers CASE WORKERS");
	while (kind->name && strcmp(kind->name, argv[2]) != 0)
		kind++;
	if (!kind->name)
		return subject_bad("there is no case %s", argv[2]);
	work.fibers = malloc(FIBERS * sizeof(*work.fibers));
	if (!work.fibers || weft_chan_new(&work.there, sizeof(uint64_t), 1, NULL) ||
	    weft_chan_new(&work.back, sizeof(uint64_t), 1, NULL) ||
	    weft_runtime_start(&runtime,
			       &(weft_runtime_opts){ .workers = atoi(argv[3]), .hog_ns = -1 }))
		return subject_bad("there is no memory, or no runtime");
	rc = measure(runtime, kind, &work);
	(void)weft_runtime_stop(runtime, WEFT_NEVER);
	weft_chan_release(work.there);
	weft_chan_release(work.back);
	free(work.fibers);
	return rc;
}
