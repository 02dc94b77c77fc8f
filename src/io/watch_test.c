/* SPDX-License-Identifier: MIT */
/*
 * Goal: any descriptor can be waited for, alone and in a select, until it is ready
 * and not longer. Method: pipes and files, with a poller at work.
 */
/* CTest: on each reactor. */
#include "weft/io.h"

#include "check.h"
#include "at_work_test.h"
#include "weft/event.h"
#include "weft/select.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

TEST(watch_waits_until_readable)
{
	struct at_work w;
	weft_watch *watch;
	int fd[2];

	work_start(&w);
	CHECK_EQ(pipe(fd), 0);
	CHECK_EQ(weft_watch_open(&watch, fd[0]), 0);
	CHECK_EQ(weft_watch_wait_until(watch, WEFT_READABLE, 0), -ETIMEDOUT);
	CHECK_EQ(weft_watch_wait_until(watch, WEFT_READABLE, weft_after_ms(1)), -ETIMEDOUT);
	CHECK_EQ(write(fd[1], "xy", 2), 2);
	/* As often as one asks, and until all of it is read. */
	for (int i = 0; i < 4; i++)
		CHECK_EQ(weft_watch_wait_until(watch, WEFT_READABLE, WEFT_NEVER), 0);
	for (int i = 0; i < 2; i++) {
		char byte;

		CHECK_EQ(weft_watch_wait_until(watch, WEFT_READABLE, WEFT_NEVER), 0);
		CHECK_EQ(read(fd[0], &byte, 1), 1);
	}
	CHECK_EQ(weft_watch_wait_until(watch, WEFT_READABLE, 0), -ETIMEDOUT);
	close(fd[1]);
	CHECK_EQ(weft_watch_wait_until(watch, WEFT_READABLE, WEFT_NEVER), 0);
	weft_watch_close(watch);
	close(fd[0]);
	work_stop(&w);
}

TEST(watch_of_a_regular_file_is_ready)
{
	struct at_work w;
	weft_watch *watch;
	FILE *file = tmpfile();

	work_start(&w);
	CHECK_NOT_NULL(file);
	CHECK_EQ(weft_watch_open(&watch, fileno(file)), 0);
	CHECK_EQ(weft_watch_wait_until(watch, WEFT_READABLE, 0), 0);
	CHECK_EQ(weft_watch_wait_until(watch, WEFT_WRITABLE, 0), 0);
	weft_watch_close(watch);
	fclose(file);
	CHECK_EQ(weft_watch_open(&watch, -1), -EBADF);
	CHECK_NULL(watch);
	work_stop(&w);
}

struct both {
	weft_watch *watch;
	weft_event event;
	weft_atomic_u32 chosen[2];
	int fd[2];
};

enum { TURNS = 500 };

static void choose(void *arg, int index)
{
	struct both *b = arg;

	(void)index;
	for (int i = 0; i < 2 * TURNS; i++) {
		weft_case cases[] = {
			weft_case_watch(b->watch, WEFT_READABLE),
			weft_case_event(&b->event),
		};
		int chosen = weft_select(cases, 2, WEFT_NEVER);
		char byte;

		CHECK_GE(chosen, 0);
		CHECK_EQ(cases[chosen].result, 0);
		if (chosen == 0)
			CHECK_EQ(read(b->fd[0], &byte, 1), 1);
		else
			weft_event_reset(&b->event);
		weft_add_release(&b->chosen[chosen], 1);
	}
}

TEST(watch_stands_in_a_select)
{
	static struct both b;
	struct team team = { .count = 0 };
	struct at_work w;

	work_start(&w);
	CHECK_EQ(pipe(b.fd), 0);
	CHECK_EQ(weft_watch_open(&b.watch, b.fd[0]), 0);
	team_add(&team, 1, choose, &b);
	for (uint32_t i = 1; i <= TURNS; i++) {
		CHECK_EQ(write(b.fd[1], "x", 1), 1);
		await_u32(&b.chosen[0], i);
		weft_event_set(&b.event);
		await_u32(&b.chosen[1], i);
	}
	team_join(&team);
	weft_watch_close(b.watch);
	close(b.fd[0]);
	close(b.fd[1]);
	work_stop(&w);
}
