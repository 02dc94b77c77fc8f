/* SPDX-License-Identifier: MIT */
/*
 * Goal: the child of a fork() can use the pools of its parent, and where it cannot
 * go on, because a thread of the parent has what it needs, it says so.
 * Method: children forked outside of the pool, inside of it by the caller, and by a
 * thread of the pool; what they say on stderr is read.
 */
#include "check.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pool/pool.h"
#include "weft/event.h"
#include "weft/pool.h"

#if defined(__SANITIZE_THREAD__)
#define NO_THREADS_AFTER_FORK 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define NO_THREADS_AFTER_FORK 1
#endif
#endif
#ifndef NO_THREADS_AFTER_FORK
#define NO_THREADS_AFTER_FORK 0
#endif

#define WHY_SKIP "ThreadSanitizer does not start threads in the child of a process with threads"

static weft_pool *pool_of(int workers)
{
	weft_pool *pool;

	CHECK_EQ(weft_pool_new(&pool, &(weft_pool_opts){ .workers = workers }), 0);
	return pool;
}

static weft_event begun, may_end;

static void begin_job(weft_par par, weft_job *job)
{
	(void)par;
	(void)job;
	weft_event_set(&begun);
}

/* Needs a second worker, or it never ends. */
static void shared_root(weft_par par, void *arg)
{
	weft_job job;

	(void)arg;
	weft_event_reset(&begun);
	weft_fork(par, &job, begin_job);
	CHECK_EQ(weft_event_wait(&begun), 0);
	weft_join(par, &job, begin_job);
}

static int wait_for(pid_t child)
{
	int status;

	CHECK_EQ(waitpid(child, &status, 0), child);
	return status;
}

TEST(child_works_in_parallel_in_the_pools_of_its_parent)
{
	weft_pool *pool;
	pid_t child;

	if (NO_THREADS_AFTER_FORK)
		SKIP(WHY_SKIP);
	pool = pool_of(3);
	weft__pool_run_eager(pool, shared_root, NULL);
	child = check_fork();
	if (child == 0) {
		weft__pool_run_eager(pool, shared_root, NULL);
		CHECK_EQ(weft_pool_workers(pool), 3);
		/* A grandchild, too, and it frees what it inherited twice over. */
		child = check_fork();
		if (child == 0) {
			weft__pool_run_eager(pool, shared_root, NULL);
			weft_pool_free(pool);
			_exit(0);
		}
		CHECK_EQ(wait_for(child), 0);
		weft_pool_free(pool);
		_exit(0);
	}
	CHECK_EQ(wait_for(child), 0);
	weft__pool_run_eager(pool, shared_root, NULL);
	weft_pool_free(pool);
}

TEST(child_frees_a_pool_that_it_never_entered)
{
	weft_pool *pool = pool_of(3);
	pid_t child;

	weft__pool_run_eager(pool, shared_root, NULL);
	child = check_fork();
	if (child == 0) {
		weft_pool_free(pool);
		_exit(0);
	}
	CHECK_EQ(wait_for(child), 0);
	weft_pool_free(pool);
}

/* ---- forked inside ------------------------------------------------------------------- */

static weft_pool *pool_inside;

/* The caller of weft_pool_run() forks while it is inside. The child forks and joins
 * jobs of its own, enters the pool from there, and leaves it. */
static void fork_inside_root(weft_par par, void *arg)
{
	weft_job job;

	*(pid_t *)arg = check_fork();
	weft_event_reset(&begun);
	weft_fork(par, &job, begin_job);
	weft_join(par, &job, begin_job);
	CHECK(weft_event_is_set(&begun));
	if (*(pid_t *)arg == 0)
		weft__pool_run_eager(pool_inside, shared_root, NULL);
}

TEST(child_forked_by_a_caller_goes_on_and_leaves)
{
	pid_t child;

	if (NO_THREADS_AFTER_FORK)
		SKIP(WHY_SKIP);
	pool_inside = pool_of(2);
	weft__pool_run_eager(pool_inside, fork_inside_root, &child);
	if (child == 0) {
		weft__pool_run_eager(pool_inside, shared_root, NULL);
		_exit(0);
	}
	CHECK_EQ(wait_for(child), 0);
	weft_pool_free(pool_inside);
}

/* In the child: stderr goes to the pipe, and an abort leaves no core file. */
static void speak_into(int fd)
{
	struct rlimit none = { 0, 0 };

	CHECK_EQ(setrlimit(RLIMIT_CORE, &none), 0);
	CHECK_EQ(dup2(fd, STDERR_FILENO), STDERR_FILENO);
}

static void check_last_words(pid_t child, int fd, const char *sentence)
{
	char words[1000];
	ssize_t n = read(fd, words, sizeof(words) - 1);
	int status = wait_for(child);

	CHECK_GT(n, 0);
	words[n] = 0;
	if (!strstr(words, sentence))
		FAIL("the child said \"%s\" and nothing of \"%s\"", words, sentence);
	CHECK(WIFSIGNALED(status));
	CHECK_EQ(WTERMSIG(status), SIGABRT);
}

static void blocking_job(weft_par par, weft_job *job)
{
	(void)par;
	(void)job;
	weft_event_set(&begun);
	CHECK_EQ(weft_event_wait(&may_end), 0);
}

static int words_pipe[2];

static void join_in_child_root(weft_par par, void *arg)
{
	weft_job job;

	weft_event_reset(&begun);
	weft_fork(par, &job, blocking_job);
	CHECK_EQ(weft_event_wait(&begun), 0);
	*(pid_t *)arg = check_fork();
	if (*(pid_t *)arg == 0)
		speak_into(words_pipe[1]);
	else
		weft_event_set(&may_end);
	weft_join(par, &job, blocking_job);
}

TEST(child_that_joins_what_its_parent_runs_dies)
{
	weft_pool *pool = pool_of(2);
	pid_t child;

	CHECK_EQ(pipe(words_pipe), 0);
	weft__pool_run_eager(pool, join_in_child_root, &child);
	check_last_words(child, words_pipe[0], "the child joins what another worker");
	weft_pool_free(pool);
}

static pid_t forked_by_job;

static void forking_job(weft_par par, weft_job *job)
{
	(void)par;
	(void)job;
	forked_by_job = check_fork();
	if (forked_by_job == 0)
		speak_into(words_pipe[1]);
	weft_event_set(&begun);
}

static void forking_job_root(weft_par par, void *arg)
{
	weft_job job;

	(void)arg;
	weft_event_reset(&begun);
	weft_fork(par, &job, forking_job);
	CHECK_EQ(weft_event_wait(&begun), 0);
	weft_join(par, &job, forking_job);
}

TEST(child_in_which_a_job_returns_to_the_pool_dies)
{
	weft_pool *pool = pool_of(2);

	CHECK_EQ(pipe(words_pipe), 0);
	weft__pool_run_eager(pool, forking_job_root, NULL);
	check_last_words(forked_by_job, words_pipe[0], "a job returned to its pool in the child");
	weft_pool_free(pool);
}
