/* SPDX-License-Identifier: MIT */
/*
 * Goal: a dump names every fiber that has begun, says what it waits for, and comes to
 * its end though a fiber hogs its worker.
 */
#include "rt_test.h"
#include "sys/linux/sandbox_test.h"
#include "weft/backoff.h"
#include "weft/channel.h"
#include "weft/event.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

struct dumped {
	weft_runtime *runtime;
	weft_event event;
	weft_chan *chan;
	int fd;
};

static int wait_event(void *arg)
{
	struct dumped *d = arg;

	return weft_event_wait(&d->event);
}

static int sleep_an_hour(void *arg)
{
	struct dumped *d = arg;

	return weft_event_wait_until(&d->event, weft_after_s(3600));
}

static int receive(void *arg)
{
	struct dumped *d = arg;
	int value;

	return weft_chan_recv(d->chan, &value) == -EPIPE ? 0 : 1;
}

/* What has been written to the pipe, as text. */
static void read_all(int fd, char *text, size_t size)
{
	size_t got = 0;
	ssize_t n;

	while (got < size - 1 && (n = read(fd, text + got, size - 1 - got)) > 0)
		got += (size_t)n;
	text[got] = 0;
}

static void spawn_named(struct dumped *d, const char *name, weft_fiber_fn fn)
{
	weft_fiber *fiber;

	CHECK_EQ(weft_fiber_spawn(&fiber, fn, d,
				  &(weft_fiber_opts){ .name = name, .runtime = d->runtime }),
		 0);
	weft_fiber_detach(fiber);
}

static void expect(const char *text, const char *part)
{
	if (!strstr(text, part))
		FAIL("the dump does not contain \"%s\":\n%s", part, text);
}

static void await_parks(weft_runtime *runtime, uint64_t parks)
{
	weft_runtime_stats stats;

	do {
		weft_yield();
		weft_runtime_stats_read(runtime, &stats);
	} while (stats.parks < parks);
}

static int dump_to(void *arg)
{
	struct dumped *d = arg;

	return weft_runtime_dump(d->runtime, d->fd);
}

static void dump_and_check(bool from_a_fiber)
{
	struct dumped d = { .runtime = rt_start(2) };
	static char text[65536];
	int fds[2];

	CHECK_EQ(pipe(fds), 0);
	d.fd = fds[1];
	CHECK_EQ(weft_chan_new(&d.chan, sizeof(int), 0, NULL), 0);
	spawn_named(&d, "waiter", wait_event);
	spawn_named(&d, "sleeper", sleep_an_hour);
	spawn_named(&d, "receiver", receive);
	await_parks(d.runtime, 3);
	if (from_a_fiber)
		CHECK_EQ(rt_join(rt_spawn_on(d.runtime, dump_to, &d)), 0);
	else
		CHECK_EQ(dump_to(&d), 0);
	close(fds[1]);
	read_all(fds[0], text, sizeof(text));
	close(fds[0]);
	expect(text, "runtime \"weft-rt\": 2 workers");
	expect(text, "worker 0:");
	expect(text, "worker 1:");
	expect(text, "\"waiter\": waits: event");
	expect(text, "\"sleeper\": waits: event");
	expect(text, "us at most");
	expect(text, "\"receiver\": waits: receive");
	weft_event_set(&d.event);
	weft_chan_close(d.chan);
	rt_stop(d.runtime);
	weft_chan_release(d.chan);
}

TEST(dump_names_fibers_and_what_they_wait_for)
{
	dump_and_check(false);
}

TEST(dump_by_a_fiber_of_the_runtime)
{
	dump_and_check(true);
}

static weft_atomic_bool hogging, released;

static int hog(void *arg)
{
	(void)arg;
	weft_store_release(&hogging, true);
	while (!weft_load_acquire(&released))
		weft_pause();
	return 0;
}

TEST(dump_reports_a_worker_that_is_busy)
{
	struct dumped d = { .runtime = rt_start(1) };
	char text[1024];
	int fds[2];

	CHECK_EQ(pipe(fds), 0);
	weft_store_relaxed(&released, false);
	spawn_named(&d, "hog", hog);
	while (!weft_load_acquire(&hogging))
		weft_thread_yield();
	CHECK_EQ(weft_runtime_dump(d.runtime, fds[1]), 0);
	close(fds[1]);
	read_all(fds[0], text, sizeof(text));
	close(fds[0]);
	expect(text, "worker 0: busy");
	weft_store_release(&released, true);
	rt_stop(d.runtime);
}

/* ---- by a signal ---------------------------------------------------------------------- */

/* Reads until the text is there. */
static void await_text(int fd, const char *part)
{
	static char text[65536];
	size_t got = 0;

	for (text[0] = 0; !strstr(text, part); text[got] = 0) {
		ssize_t n = read(fd, text + got, sizeof(text) - 1 - got);

		CHECK_GT(n, 0);
		got += (size_t)n;
	}
}

static void dump_by_signal(void)
{
	const weft_runtime_opts opts = { .workers = 1, .hog_ns = -1, .dump_signal = SIGUSR2 };
	struct dumped d = { .fd = -1 };
	struct sigaction now;
	int fds[2];

	CHECK_EQ(weft_runtime_start(&d.runtime, &opts), 0);
	CHECK_EQ(pipe(fds), 0);
	CHECK_EQ(dup2(fds[1], STDERR_FILENO), STDERR_FILENO);
	spawn_named(&d, "waiter", wait_event);
	await_parks(d.runtime, 1);
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(raise(SIGUSR2), 0);
		await_text(fds[0], "\"waiter\": waits: event");
	}
	/* Also when no worker has time for it. */
	weft_store_relaxed(&hogging, false);
	weft_store_relaxed(&released, false);
	spawn_named(&d, "hog", hog);
	while (!weft_load_acquire(&hogging))
		weft_thread_yield();
	CHECK_EQ(raise(SIGUSR2), 0);
	await_text(fds[0], "worker 0: busy");
	weft_store_release(&released, true);
	weft_event_set(&d.event);
	rt_stop(d.runtime);
	CHECK_EQ(sigaction(SIGUSR2, NULL, &now), 0);
	CHECK(now.sa_handler == SIG_DFL);
}

TEST(dump_is_written_on_a_signal)
{
	sandbox_run(dump_by_signal);
}

TEST(dump_signal_must_be_one_that_can_be_caught)
{
	weft_runtime *runtime;

	CHECK_EQ(weft_runtime_start(&runtime, &(weft_runtime_opts){ .dump_signal = SIGKILL }),
		 -EINVAL);
	CHECK_NULL(runtime);
	CHECK_EQ(weft_runtime_start(&runtime, &(weft_runtime_opts){ .dump_signal = -1 }), -EINVAL);
	CHECK_NULL(runtime);
}
