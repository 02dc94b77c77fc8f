/* SPDX-License-Identifier: MIT */
/*
 * Goal: the count of CPUs follows affinity and quota, whatever the size of the
 * kernel's masks.
 * Method: masks of one CPU; a seccomp filter that refuses small masks, as a kernel
 * with more CPUs does. Quotas are tested in cgroup_test.c.
 */
#define _GNU_SOURCE

#include "sys/linux/linux.h"

#include "sandbox_test.h"

#include <sched.h>

static void pin_to_one(void)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(weft__cpu_current(), &one);
	CHECK_EQ(sched_setaffinity(0, sizeof(one), &one), 0);
}

static void check_pinned_thread(void *arg)
{
	(void)arg;
	pin_to_one();
	CHECK_EQ(weft__thread_cpus(), 1);
}

TEST(cpu_thread_count_follows_its_mask)
{
	struct weft__thread thread;
	int before = weft__thread_cpus();
	int usable = weft_cpus();

	CHECK_GE(before, 1);
	CHECK_EQ(weft__thread_start(&thread, check_pinned_thread, NULL, 0, "pinned"), 0);
	weft__thread_join(thread);
	CHECK_EQ(weft__thread_cpus(), before);
	CHECK_EQ(weft_cpus(), usable);
}

static void check_other_pinned(void *arg)
{
	pin_to_one();
	*(int *)arg = weft_cpus();
}

TEST(cpu_process_count_is_the_main_threads)
{
	static int counted;
	struct weft__thread thread;

	CHECK_EQ(weft__thread_start(&thread, check_other_pinned, &counted, 0, "pinned"), 0);
	weft__thread_join(thread);
	CHECK_EQ(counted, weft_cpus());
}

static void check_pinned_process(void)
{
	struct weft__cpu_budget budget;

	pin_to_one();
	weft__cpu_budget_read(&budget);
	CHECK_EQ(budget.affinity, 1);
	CHECK_EQ(budget.usable, 1);
	CHECK_EQ(weft_cpus(), 1);
}

TEST(cpu_process_count_follows_its_mask)
{
	sandbox_run(check_pinned_process);
}

TEST(cpu_budget_adds_up)
{
	struct weft__cpu_budget budget;

	weft__cpu_budget_read(&budget);
	CHECK_GE(budget.affinity, 1);
	CHECK_GE(budget.online, budget.affinity);
	CHECK_GE(budget.usable, 1);
	CHECK_LE(budget.usable, budget.affinity);
	CHECK(budget.quota >= 0);
	CHECK_EQ(budget.cgroup != 0, budget.quota > 0);
	CHECK_EQ(budget.usable, weft_cpus());
}

static int expected_count;

static void check_large_masks(void)
{
	struct weft__cpu_mask mask;

	CHECK(sandbox_refuse(SYS_sched_getaffinity, 1, 0, 5000, EINVAL));
	errno = 77;
	CHECK_EQ(weft__thread_cpus(), expected_count);
	CHECK_EQ(errno, 77);
	CHECK_EQ(weft__cpu_mask_read(&mask, 0), 0);
	CHECK_PTR_NE(mask.words, mask.few);
	CHECK_EQ(weft__cpu_mask_count(&mask), expected_count);
	weft__cpu_mask_free(&mask);
}

static void check_no_masks(void)
{
	struct weft__cpu_mask mask;

	CHECK(sandbox_refuse(SYS_sched_getaffinity, 0, 0, UINT32_MAX, EPERM));
	CHECK_EQ(weft__cpu_mask_read(&mask, 0), -EPERM);
	CHECK_EQ(weft__thread_cpus(), 1);
	CHECK_EQ(weft_cpus(), 1);
}

static void check_endless_masks(void)
{
	struct weft__cpu_mask mask;

	CHECK(sandbox_refuse(SYS_sched_getaffinity, 0, 0, UINT32_MAX, EINVAL));
	CHECK_EQ(weft__cpu_mask_read(&mask, 0), -EINVAL);
}

TEST(cpu_masks_grow)
{
	if (!sandbox_works())
		SKIP("this system sets no seccomp filter");
	expected_count = weft__thread_cpus();
	sandbox_run(check_large_masks);
	sandbox_run(check_no_masks);
	sandbox_run(check_endless_masks);
}

TEST(cpu_current_is_one_of_the_mask)
{
	struct weft__cpu_mask mask;
	unsigned cpu = weft__cpu_current();

	CHECK_EQ(weft__cpu_mask_read(&mask, 0), 0);
	CHECK_LT(cpu, 8 * mask.bytes);
	CHECK(mask.words[cpu / 64] >> cpu % 64 & 1);
	weft__cpu_mask_free(&mask);
}

TEST(cpu_ticks_advance)
{
	uint64_t start = weft__cpu_ticks();

	for (int i = 0; i < 1000; i++)
		weft__cpu_pause();
	CHECK_GT(weft__cpu_ticks(), start);
}
