/* SPDX-License-Identifier: MIT */
/*
 * Goal: an edge is never lost, wakes nobody in vain for long, and never reaches
 * freed memory; a wake ends a wait whenever it comes; a poller can go while parties
 * wait. Method: pipes and pairs of sockets, with the poller's owner stepped by the
 * test, or a thread that waits in it.
 */
/* CTest: on each reactor. */
#include "rt/poller.h"

#include "at_work_test.h"
#include "check.h"
#include "poll_waiter_test.h"
#include "team_test.h"
#include "weft/cancel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- a poller that the test steps ---------------------------------------------------- */

static struct weft__poller *poller_mine(void)
{
	struct weft__poller *poller;

	CHECK_EQ(weft__poller_open(&poller, WEFT__REACTOR_AUTO), 0);
	weft__poller_own(poller);
	return poller;
}

static void poller_end(struct weft__poller *poller)
{
	weft__poller_own(NULL);
	weft__poller_close(poller);
}

static void pair(int fd[2])
{
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd), 0);
}

/* Waits in the poller until the puppet was woken. */
static void step_until_woken(struct weft__poller *poller, struct puppet *p, int wakes)
{
	while (p->wakes < wakes)
		CHECK_GE(weft__poller_wait(poller, WEFT_NEVER), 0);
}

/* All that is there just now. */
static void step_all(struct weft__poller *poller)
{
	while (weft__poller_wait(poller, 0) > 0)
		continue;
}

TEST(poller_is_of_the_kind_that_was_asked_for)
{
	const char *wish = getenv("WEFT_REACTOR");
	const bool uring = wish && strcmp(wish, "uring") == 0;
	struct weft__poller *poller = poller_mine();
	int kind = weft__poller_kind(poller);

	poller_end(poller);
	if (uring && weft__uring_refusal())
		SKIP(weft__uring_refusal());
	CHECK_EQ(kind, uring ? WEFT__REACTOR_URING : WEFT__REACTOR_EPOLL);
	CHECK_EQ(setenv("WEFT_REACTOR", "select", 1), 0);
	CHECK_EQ(weft__poller_open(&poller, WEFT__REACTOR_AUTO), -EINVAL);
	CHECK_NULL(poller);
	CHECK_EQ(wish ? setenv("WEFT_REACTOR", uring ? "uring" : "epoll", 1)
		      : unsetenv("WEFT_REACTOR"),
		 0);
}

TEST(poller_wait_returns_at_the_deadline_and_not_before)
{
	struct weft__poller *poller = poller_mine();
	int64_t deadline;

	CHECK_EQ(weft__poller_wait(poller, 0), 0);
	for (int i = 0; i < 20; i++) {
		deadline = weft_after_us(i * 100);
		while (weft_now() < deadline)
			CHECK_EQ(weft__poller_wait(poller, deadline), 0);
	}
	poller_end(poller);
}

TEST(poller_wake_before_the_wait_ends_it)
{
	struct weft__poller *poller = poller_mine();

	for (int i = 0; i < 100; i++) {
		weft__poller_wake(poller);
		weft__poller_wake(poller);
		CHECK_EQ(weft__poller_wait(poller, WEFT_NEVER), 0);
	}
	poller_end(poller);
}

enum { WAKES = 20000 };

struct waking {
	struct weft__poller *poller;
	weft_atomic_u32 said, heard;
};

/* Says the next number only when the last was heard: one lost wake, and it hangs. */
static void wake_often(void *arg, int index)
{
	struct waking *w = arg;

	(void)index;
	for (uint32_t i = 1; i <= WAKES; i++) {
		weft_store_relaxed(&w->said, i);
		weft__poller_wake(w->poller);
		while (weft_load_relaxed(&w->heard) != i)
			weft__thread_yield();
	}
}

TEST(poller_wake_is_never_lost)
{
	static struct waking w;
	struct team team = { .count = 0 };
	uint32_t said = 0;

	w.poller = poller_mine();
	team_add(&team, 1, wake_often, &w);
	while (said < WAKES) {
		CHECK_EQ(weft__poller_wait(w.poller, WEFT_NEVER), 0);
		said = weft_load_relaxed(&w.said);
		weft_store_relaxed(&w.heard, said);
	}
	team_join(&team);
	poller_end(w.poller);
}

/* ---- edges ------------------------------------------------------------------------------ */

TEST(poller_edge_before_registration_is_seen)
{
	struct weft__poller *poller = poller_mine();
	struct weft__pollee *pollee;
	struct puppet p;
	int fd[2];

	pair(fd);
	pollee = weft__pollee_new(fd[0]);
	CHECK_EQ(write(fd[1], "x", 1), 1);
	CHECK_EQ(weft__pollee_register(pollee), 0);
	puppet_init(&p, true);
	if (puppet_wait(&p, weft__pollee_case(pollee, WEFT__TO_READ)) == -EAGAIN) {
		step_until_woken(poller, &p, 1);
		CHECK_EQ(puppet_next(&p), 0);
	}
	weft__pollee_close(pollee, true);
	close(fd[1]);
	poller_end(poller);
}

/* An edge that found nobody is there for who comes next, until a look finds nothing. */
TEST(poller_edge_waits_for_who_comes)
{
	struct weft__poller *poller = poller_mine();
	struct weft__pollee *pollee;
	struct puppet p;
	char byte;
	int fd[2];

	pair(fd);
	pollee = weft__pollee_new(fd[0]);
	CHECK_EQ(weft__pollee_wait(pollee, WEFT__TO_READ, 0, 0), -ETIMEDOUT);
	CHECK_EQ(write(fd[1], "x", 1), 1);
	while (!(weft_load_relaxed(&pollee->queue[WEFT__TO_READ].word) & WEFT__A))
		CHECK_GE(weft__poller_wait(poller, WEFT_NEVER), 0);
	puppet_init(&p, true);
	for (int i = 0; i < 3; i++)
		CHECK_EQ(puppet_wait(&p, weft__pollee_case(pollee, WEFT__TO_READ)), 0);
	CHECK_EQ(read(fd[0], &byte, 1), 1);
	CHECK_EQ(puppet_wait(&p, weft__pollee_case(pollee, WEFT__TO_READ)), -EAGAIN);
	CHECK_EQ(write(fd[1], "y", 1), 1);
	step_until_woken(poller, &p, 1);
	CHECK_EQ(puppet_next(&p), 0);
	weft__pollee_close(pollee, true);
	close(fd[1]);
	poller_end(poller);
}

/* Two wait; one is notified and leaves without a try: the other gets the chance. */
TEST(poller_chance_of_one_that_leaves_goes_on)
{
	struct weft__poller *poller = poller_mine();
	struct weft__pollee *pollee;
	struct puppet p[2];
	int fd[2];

	pair(fd);
	pollee = weft__pollee_new(fd[0]);
	for (int i = 0; i < 2; i++) {
		puppet_init(&p[i], true);
		CHECK_EQ(puppet_wait(&p[i], weft__pollee_case(pollee, WEFT__TO_READ)), -EAGAIN);
	}
	CHECK_EQ(write(fd[1], "x", 1), 1);
	step_until_woken(poller, &p[0], 1);
	CHECK_EQ(p[1].wakes, 0);
	CHECK_EQ(puppet_drop(&p[0]), -EAGAIN);
	CHECK_EQ(p[1].wakes, 1);
	CHECK_EQ(puppet_next(&p[1]), 0);
	weft__pollee_close(pollee, true);
	close(fd[1]);
	poller_end(poller);
}

/* A future that is notified promises nothing: the edge is there for others, too. */
TEST(poller_edge_outlives_a_future)
{
	struct weft__poller *poller = poller_mine();
	struct weft__pollee *pollee;
	struct puppet p;
	int fd[2];

	pair(fd);
	pollee = weft__pollee_new(fd[0]);
	puppet_init(&p, false);
	CHECK_EQ(puppet_wait(&p, weft__pollee_case(pollee, WEFT__TO_READ)), -EAGAIN);
	CHECK_EQ(write(fd[1], "x", 1), 1);
	step_until_woken(poller, &p, 1);
	CHECK_EQ(weft__pollee_wait(pollee, WEFT__TO_READ, 0, 0), 0);
	CHECK_EQ(puppet_next(&p), 0);
	weft__pollee_close(pollee, true);
	close(fd[1]);
	poller_end(poller);
}

/* The end of a stream is worth a try for everybody, for ever. */
TEST(poller_end_wakes_all_and_stays)
{
	struct weft__poller *poller = poller_mine();
	struct weft__pollee *pollee;
	struct puppet p[3];
	int fd[2];

	pair(fd);
	pollee = weft__pollee_new(fd[0]);
	for (int i = 0; i < 3; i++) {
		puppet_init(&p[i], true);
		CHECK_EQ(puppet_wait(&p[i], weft__pollee_case(pollee, WEFT__TO_READ)), -EAGAIN);
	}
	close(fd[1]);
	for (int i = 0; i < 3; i++) {
		step_until_woken(poller, &p[i], 1);
		CHECK_EQ(puppet_next(&p[i]), 0);
	}
	for (int i = 0; i < 3; i++)
		CHECK_EQ(weft__pollee_wait(pollee, WEFT__TO_READ, 0, 0), 0);
	weft__pollee_close(pollee, true);
	poller_end(poller);
}

/* A descriptor that is closed while its event waits, and whose number and memory are
 * another's at once: at worst a try in vain. */
TEST(poller_stale_event_does_no_harm)
{
	struct weft__poller *poller = poller_mine();

	for (int i = 0; i < 1000; i++) {
		struct weft__pollee *pollee;
		struct puppet p;
		int fd[2], other[2];

		pair(fd);
		pollee = weft__pollee_new(fd[0]);
		CHECK_EQ(weft__pollee_wait(pollee, WEFT__TO_READ, 0, 0), -ETIMEDOUT);
		CHECK_EQ(write(fd[1], "x", 1), 1);
		weft__pollee_close(pollee, i & 1);
		close(fd[1]);
		pair(other);
		pollee = weft__pollee_new(other[0]);
		puppet_init(&p, true);
		CHECK_EQ(puppet_wait(&p, weft__pollee_case(pollee, WEFT__TO_READ)), -EAGAIN);
		step_all(poller);
		if (p.wakes)
			CHECK_EQ(puppet_next(&p), -EAGAIN);
		CHECK_EQ(puppet_drop(&p), -EAGAIN);
		weft__pollee_close(pollee, i & 2);
		close(other[1]);
	}
	poller_end(poller);
}

/* ---- a poller with a thread of its own ---------------------------------------------------- */

enum { READERS = 3, MESSAGES = 3000 };

struct shared_socket {
	struct weft__pollee *pollee;
	weft_atomic_u32 bytes;
};

/* One byte at a time, several readers: every byte comes to somebody. */
static void read_bytes(void *arg, int index)
{
	struct shared_socket *s = arg;
	char byte;

	(void)index;
	for (;;) {
		const bool edge = weft__pollee_take(s->pollee, WEFT__TO_READ);
		ssize_t n = read(s->pollee->fd, &byte, 1);

		if (n == 0)
			return;
		if (n == 1) {
			weft_add_relaxed(&s->bytes, 1);
			if (edge)
				weft__pollee_give(s->pollee, WEFT__TO_READ);
			continue;
		}
		CHECK_EQ(errno, EAGAIN);
		CHECK_EQ(weft__pollee_wait(s->pollee, WEFT__TO_READ, WEFT_NEVER, 0), 0);
	}
}

TEST(poller_no_edge_is_lost_between_readers)
{
	static struct at_work w;
	static struct shared_socket s;
	struct team team = { .count = 0 };
	int fd[2];

	work_start(&w);
	pair(fd);
	s.pollee = weft__pollee_new(fd[0]);
	team_add(&team, READERS, read_bytes, &s);
	for (uint32_t sent = 0; sent < MESSAGES;) {
		ssize_t n = write(fd[1], "abcd", 1 + sent % 4);

		CHECK_GT(n, 0);
		sent += (uint32_t)n;
		await_u32(&s.bytes, sent);
	}
	close(fd[1]);
	team_join(&team);
	weft__pollee_close(s.pollee, true);
	work_stop(&w);
}

static void wait_to_read(void *arg, int index)
{
	struct shared_socket *s = arg;

	(void)index;
	read_bytes(s, 0);
}

/* The poller goes while somebody waits: the wait goes on with another poller. */
TEST(poller_can_go_while_parties_wait)
{
	static struct at_work first, second;
	static struct shared_socket s;
	struct team team = { .count = 0 };
	int fd[2];

	pair(fd);
	s.pollee = weft__pollee_new(fd[0]);
	work_start(&first);
	team_add(&team, READERS, wait_to_read, &s);
	await_asleep(&s.pollee->queue[WEFT__TO_READ], READERS);
	work_start(&second);
	work_end(&first);
	await_asleep(&s.pollee->queue[WEFT__TO_READ], READERS);
	CHECK_EQ(write(fd[1], "abc", 3), 3);
	await_u32(&s.bytes, 3);
	close(fd[1]);
	team_join(&team);
	weft__pollee_close(s.pollee, true);
	work_stop(&second);
}

static void wait_cancelled(void *arg, int index)
{
	struct shared_socket *s = arg;
	static weft_token token;

	if (index == 1) {
		weft_token_cancel(&token);
		return;
	}
	weft_ambient_set(&token);
	CHECK_EQ(weft__pollee_wait(s->pollee, WEFT__TO_READ, WEFT_NEVER, 0), -ECANCELED);
	weft_ambient_set(NULL);
	CHECK_EQ(weft__pollee_wait(s->pollee, WEFT__TO_READ, weft_after_ms(2), 0), -ETIMEDOUT);
}

TEST(poller_wait_is_cancelled_and_timed_out)
{
	static struct at_work w;
	static struct shared_socket s;
	int fd[2];

	work_start(&w);
	pair(fd);
	s.pollee = weft__pollee_new(fd[0]);
	team_run(2, wait_cancelled, &s);
	weft__pollee_close(s.pollee, true);
	close(fd[1]);
	work_stop(&w);
}

/* Descriptors are opened, registered, made ready and closed by several threads while
 * the owner dispatches: with the sanitizers a test of the pollees' memory. An edge of
 * one that was closed may reach the next in its place, which costs that a try. */
static void churn(void *arg, int index)
{
	(void)arg;
	for (int i = 0; i < 1000; i++) {
		struct weft__pollee *pollee;
		int fd[2], err;

		pair(fd);
		pollee = weft__pollee_new(fd[0]);
		err = weft__pollee_wait(pollee, WEFT__TO_READ, 0, 0);
		CHECK(err == -ETIMEDOUT || err == 0);
		CHECK_EQ(write(fd[1], "x", 1), 1);
		if ((i + index) & 1)
			CHECK_EQ(weft__pollee_wait(pollee, WEFT__TO_READ, WEFT_NEVER, 0), 0);
		weft__pollee_close(pollee, i % 3 == 0);
		close(fd[1]);
	}
}

TEST(poller_survives_churn)
{
	static struct at_work w;

	work_start(&w);
	team_run(3, churn, &w);
	work_stop(&w);
}
