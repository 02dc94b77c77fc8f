/* SPDX-License-Identifier: MIT */
/*
 * Goal: weft__barrier_all() orders the memory of other threads, by each of its
 * ways.
 * Method: store buffering. One thread stores x and loads y with nothing between;
 * the other stores y, calls the barrier, and loads x. Without a barrier in both
 * threads both may read the old value, and on two CPUs they do so within some
 * thousand rounds (put a seq_cst swap in the place of the barrier to see it). The
 * walk takes longer than a store stays in its buffer; for it the kernel is asked.
 * Better ways are taken from a child by a seccomp filter.
 */
#define _GNU_SOURCE

#include "sys/linux/linux.h"

#include "sandbox_test.h"

#include <linux/membarrier.h>
#include <sched.h>

#define END UINT32_MAX /* in the place of a round: no more of them */

/* On lines of their own, so that the stores stay in their buffers for long. */
struct cell {
	weft_atomic_u32 v;
} WEFT_ALIGNED(WEFT_CACHE_LINE);

static struct cell x, y, go, done;
static uint32_t light_saw; /* what the thread without a barrier read of y */

/* Waits until the cell holds `round`; false when it holds END. Spins first, but
 * gives way where the other thread has no CPU of its own. */
static bool await(struct cell *cell, uint32_t round)
{
	for (int spins = 0;; spins++) {
		uint32_t value = weft_load_acquire(&cell->v);

		if (value == round || value == END)
			return value == round;
		if (spins < 1000)
			weft__cpu_pause();
		else
			weft__thread_yield();
	}
}

static void light(void *arg)
{
	(void)arg;
	for (uint32_t round = 1; await(&go, round); round++) {
		weft_store_relaxed(&x.v, round);
		light_saw = weft_load_relaxed(&y.v);
		weft_store_release(&done.v, round);
	}
}

static void store_buffering(uint32_t count, void (*barrier)(void))
{
	struct weft__thread thread;
	uint32_t both_old = 0;
	/* On a busy machine a round takes long, and the rest adds little. */
	int64_t deadline = weft_after_ms(1000);

	weft_store_relaxed(&go.v, 0);
	weft_store_relaxed(&done.v, 0);
	weft_store_relaxed(&x.v, 0);
	weft_store_relaxed(&y.v, 0);
	CHECK_EQ(weft__thread_start(&thread, light, NULL, 0, "light"), 0);
	for (uint32_t round = 1; round <= count && weft_now() < deadline; round++) {
		uint32_t heavy_saw;

		weft_store_release(&go.v, round);
		/* Of varying length, so that the two stores meet. */
		for (uint32_t i = 0; i < round % 64; i++)
			(void)weft_load_relaxed(&done.v);
		weft_store_relaxed(&y.v, round);
		barrier();
		heavy_saw = weft_load_relaxed(&x.v);
		(void)await(&done, round);
		both_old += light_saw != round && heavy_saw != round;
	}
	weft_store_release(&go.v, END);
	weft__thread_join(thread);
	CHECK_EQ(both_old, 0);
}

TEST(barrier_walk_comes_home)
{
	struct weft__cpu_mask before;
	struct weft__cpu_mask after;

	CHECK_EQ(weft__cpu_mask_read(&before, 0), 0);
	weft__barrier_walk();
	CHECK_EQ(weft__cpu_mask_read(&after, 0), 0);
	CHECK_EQ(before.bytes, after.bytes);
	CHECK_MEM_EQ(before.words, after.words, before.bytes);
	weft__cpu_mask_free(&before);
	weft__cpu_mask_free(&after);
}

TEST(barrier_orders_other_threads)
{
	errno = 77;
	weft__barrier_all();
	CHECK_EQ(errno, 77);
	store_buffering(100000, weft__barrier_all);
}

TEST(barrier_walk_orders_other_threads)
{
	store_buffering(300, weft__barrier_walk);
}

static weft_atomic_u32 spinning;
static weft_atomic_u32 stop;
static pid_t spinner_id;

static void spin(void *arg)
{
	cpu_set_t there;

	CPU_ZERO(&there);
	CPU_SET(*(size_t *)arg, &there);
	CHECK_EQ(sched_setaffinity(0, sizeof(there), &there), 0);
	spinner_id = (pid_t)syscall(SYS_gettid);
	weft_store_release(&spinning, 1);
	while (!weft_load_relaxed(&stop))
		weft__cpu_pause();
}

/* How often the scheduler has taken the CPU from the spinner. */
static long spinner_switches(void)
{
	static const char key[] = "nonvoluntary_ctxt_switches:";
	char line[256];
	long switches = -1;
	FILE *in;

	snprintf(line, sizeof(line), "/proc/self/task/%d/status", (int)spinner_id);
	in = fopen(line, "re");
	CHECK_NOT_NULL(in);
	while (fgets(line, sizeof(line), in)) {
		if (strncmp(line, key, sizeof(key) - 1) == 0)
			switches = strtol(line + sizeof(key) - 1, NULL, 10);
	}
	fclose(in);
	CHECK_GE(switches, 0);
	return switches;
}

static void walk_over_spinner(void)
{
	struct weft__cpu_mask mask;
	struct weft__thread thread;
	size_t there = 0;
	long before;
	long switches = 0;

	CHECK_EQ(weft__cpu_mask_read(&mask, 0), 0);
	while (there == weft__cpu_current() || !(mask.words[there / 64] >> there % 64 & 1))
		there++;
	weft__cpu_mask_free(&mask);
	CHECK_EQ(weft__thread_start(&thread, spin, &there, 0, "spinner"), 0);
	while (!weft_load_acquire(&spinning))
		weft__thread_yield();
	before = spinner_switches();
	/* One each while it is alone on its CPU; other programs may keep it waiting,
	 * and then there is nobody to be switched out. */
	for (int i = 0; i < 2000 && switches < 5; i++) {
		weft__barrier_walk();
		switches = spinner_switches() - before;
	}
	CHECK_GE(switches, 5);
	weft_store_relaxed(&stop, 1);
	weft__thread_join(thread);
}

/* The effect of a walk is too slow to be seen in a store buffer. What is seen is
 * the switch that it is made of. */
TEST(barrier_walk_switches_who_runs)
{
	if (weft__thread_cpus() < 2)
		SKIP("there is one CPU, so nobody runs elsewhere");
	walk_over_spinner();
}

static void without_private(void)
{
	CHECK(sandbox_refuse(SYS_membarrier, 0, MEMBARRIER_CMD_PRIVATE_EXPEDITED,
			     MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, EINVAL));
	store_buffering(30, weft__barrier_all);
}

static void without_membarrier(void)
{
	CHECK(sandbox_refuse(SYS_membarrier, 0, 0, UINT32_MAX, EPERM));
	errno = 77;
	weft__barrier_all();
	CHECK_EQ(errno, 77);
	store_buffering(300, weft__barrier_all);
}

TEST(barrier_works_without_the_fast_way)
{
	if (!sandbox_works())
		SKIP("this system sets no seccomp filter");
	sandbox_run(without_private);
}

TEST(barrier_works_without_membarrier)
{
	if (!sandbox_works())
		SKIP("this system sets no seccomp filter");
	sandbox_run(without_membarrier);
}

static void without_any_way(void *unused)
{
	(void)unused;
	CHECK(sandbox_refuse(SYS_membarrier, 0, 0, UINT32_MAX, EPERM));
	CHECK(sandbox_refuse(SYS_sched_setaffinity, 0, 0, UINT32_MAX, EPERM));
	weft__barrier_all();
}

TEST(barrier_without_any_way_dies)
{
	if (!sandbox_works())
		SKIP("this system sets no seccomp filter");
	CHECK_DIES(without_any_way, NULL, "weft: no way to order memory between threads");
}

static void barrier_once(void)
{
	weft__barrier_all();
}

TEST(barrier_works_after_fork)
{
	weft__barrier_all();
	sandbox_run(barrier_once);
}
