/* SPDX-License-Identifier: MIT */
/*
 * Goal: a fiber whose stack is too small takes the process along, as it must, but not
 * without a sentence that says which fiber it was and how deep it had been; any other
 * fault is left alone, and so is a handler of the program's own.
 */
#include "rt/overflow.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rt/rt_test.h"
#include "rt/stack.h"

/* What a child printed on standard error until it ended. */
static struct {
	char said[16384];
	int status;
} child;

static void run_child(void (*fn)(void))
{
	char block[4096];
	size_t length = 0;
	ssize_t got;
	int ends[2];
	pid_t pid;

	CHECK_EQ(pipe(ends), 0);
	pid = check_fork();
	if (pid == 0) {
		dup2(ends[1], STDERR_FILENO);
		close(ends[0]);
		close(ends[1]);
		fn();
		_exit(0);
	}
	close(ends[1]);
	/* A sanitizer says more than is looked at. */
	while ((got = read(ends[0], block, sizeof(block))) > 0) {
		size_t room = sizeof(child.said) - 1 - length;

		room = (size_t)got < room ? (size_t)got : room;
		memcpy(child.said + length, block, room);
		length += room;
	}
	child.said[length] = '\0';
	close(ends[0]);
	CHECK_EQ(waitpid(pid, &child.status, 0), pid);
}

/* A sanitizer has a handler itself, which comes after ours and may exit. */
static void check_died(void)
{
	if (WEFT__STACK_SANITIZED)
		CHECK_NE(child.status, 0);
	else
		CHECK(WIFSIGNALED(child.status) && WTERMSIG(child.status) == SIGSEGV);
}

static bool said(const char *words)
{
	return strstr(child.said, words) != NULL;
}

/* The number after the words. */
static long number_after(const char *words)
{
	const char *at = strstr(child.said, words);

	if (!at)
		FAIL("\"%s\" is not in: %s", words, child.said);
	return atol(at + strlen(words));
}

static void run_fiber(weft_fiber_fn fn, const char *name, size_t stack_size)
{
	const weft_fiber_opts opts = { .name = name, .stack_size = stack_size };
	weft_fiber *fiber;

	CHECK_EQ(weft_fiber_spawn(&fiber, fn, NULL, &opts), 0);
	CHECK_EQ(weft_fiber_join(fiber, NULL), 0);
}

/* ---- overflows ------------------------------------------------------------------- */

static __attribute__((noinline)) int descend(int depth, bool yields)
{
	volatile char frame[256];

	frame[0] = (char)depth;
	if (yields)
		weft_yield();
	if (depth == INT32_MAX)
		return 0;
	return descend(depth + 1, yields) + frame[0];
}

static int recurse(void *arg)
{
	(void)arg;
	return descend(0, false);
}

/* The worker itself is on the stack of a fiber for a moment as it leaves it. */
static int recurse_and_yield(void *arg)
{
	(void)arg;
	return descend(0, true);
}

static __attribute__((noinline)) int touch(volatile char *at)
{
	*at = 1;
	return *at;
}

/* Touches a place in its frame that is in the guard, and nothing between. */
static int leap(void *arg)
{
	const size_t depth = 65536 * WEFT__STACK_SCALE + 8192;
	volatile char large[65536 * WEFT__STACK_SCALE + 8192 + 256];

	(void)arg;
	return touch(large + sizeof(large) - depth);
}

static void overflow_by_recursion(void)
{
	run_fiber(recurse, "deep thought", 0);
}

TEST(overflow_tells_the_fiber_and_the_mark)
{
	long size, mark;

	run_child(overflow_by_recursion);
	check_died();
	CHECK(said("weft: fiber "));
	CHECK(said(" (\"deep thought\") overflowed its stack"));
	size = number_after("Its size is ");
	mark = number_after("its high-water mark ");
	CHECK_GE(size, 65536);
	CHECK_LE(size, 65536 * WEFT__STACK_SCALE + 8192);
	CHECK_LE(mark, size);
	CHECK_GE(mark, size - 1024 * WEFT__STACK_SCALE);
	CHECK_GE(number_after("what lies "), 1);
	CHECK_LE(number_after("what lies "), WEFT__STACK_GUARD);
}

static void overflow_with_yields(void)
{
	run_fiber(recurse_and_yield, "polite", 16384);
}

TEST(overflow_tells_the_fiber_that_yields)
{
	run_child(overflow_with_yields);
	check_died();
	CHECK(said(" (\"polite\") overflowed its stack"));
}

static void overflow_of_the_largest(void)
{
	run_fiber(recurse, NULL, 256 << 10);
}

TEST(overflow_tells_where_there_is_no_larger_stack)
{
	run_child(overflow_of_the_largest);
	check_died();
	CHECK(said("There is no larger one"));
	CHECK(!said("(\""));
}

/* A single frame that reaches over what was left. */
static void overflow_by_leap(void)
{
	run_fiber(leap, "leap", 65536);
}

TEST(overflow_by_one_frame_has_a_low_mark)
{
	if (WEFT__ASAN)
		SKIP("AddressSanitizer writes all around a large array");
	run_child(overflow_by_leap);
	check_died();
	CHECK(said(" (\"leap\") overflowed its stack"));
	CHECK_LE(number_after("its high-water mark "), 8192 * WEFT__STACK_SCALE);
}

static void overflow_on_many_workers(void)
{
	weft_runtime *runtime = rt_start(4);
	const weft_fiber_opts opts = { .name = "one of many", .runtime = runtime };
	weft_fiber *fibers[100];

	for (int i = 0; i < 100; i++)
		CHECK_EQ(weft_fiber_spawn(&fibers[i], i == 50 ? recurse : recurse_and_yield, NULL,
					  &opts),
			 0);
	for (int i = 0; i < 100; i++)
		weft_fiber_join(fibers[i], NULL);
}

TEST(overflow_is_told_on_each_worker)
{
	run_child(overflow_on_many_workers);
	check_died();
	CHECK(said(" (\"one of many\") overflowed its stack"));
}

/* ---- other faults ----------------------------------------------------------------------- */

static int write_to_nowhere(void *arg)
{
	(void)arg;
	return touch((volatile char *)(uintptr_t)16);
}

static void fault_in_fiber(void)
{
	run_fiber(write_to_nowhere, "lost", 0);
}

static int nothing(void *arg)
{
	(void)arg;
	return 0;
}

static void fault_in_thread(void)
{
	run_fiber(nothing, NULL, 0);
	write_to_nowhere(NULL);
}

TEST(fault_that_is_no_overflow_is_left_alone)
{
	run_child(fault_in_fiber);
	check_died();
	CHECK(!said("overflowed"));
	run_child(fault_in_thread);
	check_died();
	CHECK(!said("overflowed"));
}

static void say_and_exit(int number)
{
	(void)number;
	if (write(STDERR_FILENO, "mine\n", 5) == 5)
		_exit(3);
}

static void say_where_and_exit(int number, siginfo_t *info, void *context)
{
	(void)context;
	if (info->si_addr == (void *)(uintptr_t)16)
		say_and_exit(number);
}

static void fault_with_handler(void)
{
	signal(SIGSEGV, say_and_exit);
	fault_in_fiber();
}

static void fault_with_action(void)
{
	struct sigaction action = { .sa_flags = SA_SIGINFO | SA_ONSTACK };

	action.sa_sigaction = say_where_and_exit;
	sigaction(SIGSEGV, &action, NULL);
	fault_in_thread();
}

static void check_handled(void (*fn)(void))
{
	run_child(fn);
	CHECK(WIFEXITED(child.status));
	CHECK_EQ(WEXITSTATUS(child.status), 3);
	/* Where the exit takes long, the monitor may have something to say too. */
	CHECK(said("mine\n"));
	CHECK(!said("overflowed"));
}

TEST(fault_reaches_the_programs_own_handler)
{
	check_handled(fault_with_handler);
	check_handled(fault_with_action);
}

static void signal_is_sent(void)
{
	run_fiber(nothing, NULL, 0);
	raise(SIGSEGV);
}

static void ignored_signal_is_sent(void)
{
	signal(SIGSEGV, SIG_IGN);
	run_fiber(nothing, NULL, 0);
	raise(SIGSEGV);
	raise(SIGSEGV);
	_exit(4);
}

TEST(fault_that_is_only_sent_does_what_it_did)
{
	run_child(signal_is_sent);
	check_died();
	run_child(ignored_signal_is_sent);
	CHECK(WIFEXITED(child.status) && WEXITSTATUS(child.status) == 4);
}
