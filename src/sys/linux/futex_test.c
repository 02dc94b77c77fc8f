/* SPDX-License-Identifier: MIT */
/*
 * Goal: a sleep ends by a wake, by its deadline, or not at all; neither a signal
 * nor an extreme deadline nor a word that is gone changes that.
 * Method: the kernel is asked how many sleep on a word (a requeue onto the same
 * word counts them), so that no test guesses whether somebody sleeps by now.
 */
#define _GNU_SOURCE

#include "sys/sys.h"

#include "check.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

struct sleeper {
	weft_atomic_u32 *word;
	int64_t deadline;
	int result;
	int64_t ended;
	weft_atomic_u32 done;
	struct weft__thread thread;
};

static weft_atomic_u32 word;
static weft_atomic_u32 signals;

static long sleepers(weft_atomic_u32 *on)
{
	return syscall(SYS_futex, &on->v, FUTEX_CMP_REQUEUE_PRIVATE, 0, (long)INT_MAX, &on->v,
		       weft_load_relaxed(on));
}

static void await_sleepers(weft_atomic_u32 *on, long count)
{
	while (sleepers(on) != count)
		weft__thread_yield();
}

static void sleeper_run(void *arg)
{
	struct sleeper *s = arg;

	s->result = weft__futex_wait(s->word, 0, s->deadline);
	s->ended = weft_now();
	weft_store_release(&s->done, 1);
}

static void sleeper_start(struct sleeper *s, int64_t deadline)
{
	*s = (struct sleeper){ .word = &word, .deadline = deadline, .result = 1 };
	CHECK_EQ(weft__thread_start(&s->thread, sleeper_run, s, 0, "sleeper"), 0);
}

TEST(futex_other_word_is_not_slept_on)
{
	weft_atomic_init(&word, 7);
	CHECK_EQ(weft__futex_wait(&word, 8, WEFT_NEVER), -EAGAIN);
	CHECK_EQ(weft__futex_wait(&word, 8, weft_after_s(1000)), -EAGAIN);
}

TEST(futex_past_deadline_returns_at_once)
{
	static const int64_t past[] = { 0, -1, INT64_MIN, 1, WEFT_SECOND };

	weft_atomic_init(&word, 0);
	for (size_t i = 0; i < sizeof(past) / sizeof(past[0]); i++)
		CHECK_EQ(weft__futex_wait(&word, 0, past[i]), -ETIMEDOUT);
	CHECK_EQ(weft__futex_wait(&word, 0, weft_after(-1)), -ETIMEDOUT);
}

TEST(futex_never_ends_early)
{
	weft_atomic_init(&word, 0);
	for (int i = 0; i < 50; i++) {
		int64_t deadline = weft_after_us(i * 40);

		CHECK_EQ(weft__futex_wait(&word, 0, deadline), -ETIMEDOUT);
		CHECK_GE(weft_now(), deadline);
	}
}

TEST(futex_far_deadlines_sleep)
{
	static const int64_t far[] = { WEFT_NEVER, WEFT_NEVER - 1, WEFT_NEVER / 2 };
	static struct sleeper sleeper;

	weft_atomic_init(&word, 0);
	for (size_t i = 0; i < sizeof(far) / sizeof(far[0]); i++) {
		sleeper_start(&sleeper, far[i]);
		await_sleepers(&word, 1);
		weft__futex_wake(&word, 1);
		weft__thread_join(sleeper.thread);
		CHECK_EQ(sleeper.result, 0);
	}
}

TEST(futex_wakes_at_most_count)
{
	enum { SLEEPERS = 5 };
	static struct sleeper sleeper[SLEEPERS];

	weft_atomic_init(&word, 0);
	for (int i = 0; i < SLEEPERS; i++)
		sleeper_start(&sleeper[i], WEFT_NEVER);
	await_sleepers(&word, SLEEPERS);
	weft__futex_wake(&word, 0);
	CHECK_EQ(sleepers(&word), SLEEPERS);
	weft__futex_wake(&word, -1);
	CHECK_EQ(sleepers(&word), SLEEPERS);
	weft__futex_wake(&word, 1);
	CHECK_EQ(sleepers(&word), SLEEPERS - 1);
	weft__futex_wake(&word, 2);
	CHECK_EQ(sleepers(&word), SLEEPERS - 3);
	weft__futex_wake(&word, INT_MAX);
	CHECK_EQ(sleepers(&word), 0);
	for (int i = 0; i < SLEEPERS; i++) {
		weft__thread_join(sleeper[i].thread);
		CHECK_EQ(sleeper[i].result, 0);
	}
}

static void count_signal(int number)
{
	(void)number;
	weft_add_relaxed(&signals, 1);
}

/* A handler without SA_RESTART, so that each signal ends the system call. */
static void catch_signals(void)
{
	struct sigaction action = { .sa_handler = count_signal };

	CHECK_EQ(sigaction(SIGUSR1, &action, NULL), 0);
	weft_store_relaxed(&signals, 0);
}

TEST(futex_sleep_goes_on_after_signals)
{
	static struct sleeper sleeper;

	catch_signals();
	weft_atomic_init(&word, 0);
	sleeper_start(&sleeper, weft_after_ms(60));
	while (!weft_load_acquire(&sleeper.done)) {
		CHECK_EQ(pthread_kill((pthread_t)sleeper.thread.handle, SIGUSR1), 0);
		weft__thread_yield();
	}
	weft__thread_join(sleeper.thread);
	CHECK_EQ(sleeper.result, -ETIMEDOUT);
	CHECK_GE(sleeper.ended, sleeper.deadline);
	CHECK_GT(weft_load_relaxed(&signals), 0);
}

TEST(futex_wake_is_not_lost_after_signals)
{
	static struct sleeper sleeper;

	catch_signals();
	weft_atomic_init(&word, 0);
	sleeper_start(&sleeper, WEFT_NEVER);
	/* Whether the handler has run is not waited for: ThreadSanitizer puts it off
	 * until the thread leaves the sleep. The signal interrupts all the same. */
	for (int i = 0; i < 100; i++) {
		await_sleepers(&word, 1);
		CHECK_EQ(pthread_kill((pthread_t)sleeper.thread.handle, SIGUSR1), 0);
	}
	/* As always, the word tells and the wake only hurries: the last signal may have
	 * the sleeper on its way out and in again, where a wake finds nobody. */
	weft_store_relaxed(&word, 1);
	weft__futex_wake(&word, 1);
	weft__thread_join(sleeper.thread);
	CHECK(sleeper.result == 0 || sleeper.result == -EAGAIN);
}

TEST(futex_word_may_be_gone)
{
	weft_atomic_u32 *gone = weft__pages_map(sizeof(*gone));

	CHECK_NOT_NULL(gone);
	weft__pages_unmap(gone, sizeof(*gone));
	weft__futex_wake(gone, 1);
	weft__futex_wake(gone, INT_MAX);
}

static void sleep_nowhere(void *gone)
{
	(void)weft__futex_wait(gone, 0, WEFT_NEVER);
}

TEST(futex_sleep_on_no_word_dies)
{
	weft_atomic_u32 *gone = weft__pages_map(sizeof(*gone));

	CHECK_NOT_NULL(gone);
	weft__pages_unmap(gone, sizeof(*gone));
	CHECK_DIES(sleep_nowhere, gone, "weft: futex: cannot sleep on the word at");
}

TEST(futex_leaves_errno_alone)
{
	weft_atomic_init(&word, 0);
	errno = 77;
	CHECK_EQ(weft__futex_wait(&word, 1, WEFT_NEVER), -EAGAIN);
	CHECK_EQ(weft__futex_wait(&word, 0, 1), -ETIMEDOUT);
	weft__futex_wake(&word, 1);
	weft__futex_wake((weft_atomic_u32 *)(UINTPTR_MAX - 7), 1); /* EFAULT */
	CHECK_EQ(errno, 77);
}
