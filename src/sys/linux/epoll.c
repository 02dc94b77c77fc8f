/* SPDX-License-Identifier: MIT */
/*
 * Readiness by epoll, edge-triggered, and alarms by eventfd.
 *
 * An alarm is never read. Its counter has room for 2^64 - 2 rings, and a ring is
 * reported because it happened, not because of what it left behind.
 *
 * epoll_pwait2() sleeps to the nanosecond; where the kernel lacks it (before 5.11)
 * the time is rounded up to the millisecond, late rather than early.
 */
#define _GNU_SOURCE

#include "sys/io.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifndef SYS_epoll_pwait2
#define SYS_epoll_pwait2 441
#endif

enum { EVENTS_MOST = 256 };

int weft__readiness_open(void)
{
	int set = epoll_create1(EPOLL_CLOEXEC);

	return set < 0 ? -errno : set;
}

int weft__readiness_add(int set, int fd, uint64_t what)
{
	struct epoll_event event = {
		.events = EPOLLIN | EPOLLOUT | EPOLLPRI | EPOLLRDHUP | EPOLLET,
		.data.u64 = what,
	};

	return epoll_ctl(set, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

void weft__readiness_remove(int set, int fd)
{
	struct epoll_event none = { 0 };

	(void)epoll_ctl(set, EPOLL_CTL_DEL, fd, &none);
}

static bool no_pwait2(int error)
{
	/* Some sandboxes answer EPERM to what they have never heard of. */
	return error == ENOSYS || error == EPERM;
}

/* Milliseconds until the deadline, rounded up: -1 never. */
static int in_ms(int64_t deadline)
{
	int64_t left;

	if (deadline == WEFT_NEVER)
		return -1;
	left = deadline <= 0 ? 0 : deadline - weft_now();
	if (left <= 0)
		return 0;
	return left / WEFT_MS >= INT_MAX ? INT_MAX : (int)((left + WEFT_MS - 1) / WEFT_MS);
}

static int wait_precise(int set, struct epoll_event *events, int most, int64_t deadline)
{
	struct timespec span;
	int64_t left = deadline - weft_now();

	if (left <= 0)
		return epoll_wait(set, events, most, 0);
	span.tv_sec = left / WEFT_SECOND;
	span.tv_nsec = left % WEFT_SECOND;
	return (int)syscall(SYS_epoll_pwait2, set, events, most, &span, NULL, 0);
}

static int wait_events(int set, struct epoll_event *events, int most, int64_t deadline)
{
	static weft_atomic_u32 coarse;
	int count;

	if (deadline <= 0 || deadline == WEFT_NEVER || weft_load_relaxed(&coarse))
		return epoll_wait(set, events, most, in_ms(deadline));
	count = wait_precise(set, events, most, deadline);
	if (count < 0 && no_pwait2(errno)) {
		weft_store_relaxed(&coarse, 1);
		count = epoll_wait(set, events, most, in_ms(deadline));
	}
	return count;
}

unsigned weft__ready_from(int reported)
{
	uint32_t events = (uint32_t)reported;
	unsigned how = 0;

	if (events & EPOLLIN)
		how |= WEFT__READABLE;
	if (events & EPOLLOUT)
		how |= WEFT__WRITABLE;
	if (events & EPOLLPRI)
		how |= WEFT__URGENT;
	if (events & (EPOLLRDHUP | EPOLLHUP))
		how |= WEFT__READ_END;
	if (events & EPOLLHUP)
		how |= WEFT__HUNG_UP;
	if (events & EPOLLERR)
		how |= WEFT__FAILED;
	return how;
}

int weft__readiness_wait(int set, struct weft__ready *out, int most, int64_t deadline)
{
	struct epoll_event events[EVENTS_MOST];
	int saved = errno;
	int count;

	count = wait_events(set, events, most < EVENTS_MOST ? most : EVENTS_MOST, deadline);
	if (count < 0) {
		count = -errno;
		errno = saved;
		return count == -EINTR ? 0 : count;
	}
	for (int i = 0; i < count; i++)
		out[i] = (struct weft__ready){ .what = events[i].data.u64,
					       .how = weft__ready_from((int)events[i].events) };
	return count;
}

int weft__fd_ready(int fd, unsigned how)
{
	struct pollfd pfd = { .fd = fd };
	int saved = errno;
	int count;

	if (how & WEFT__READABLE)
		pfd.events |= POLLIN | POLLRDHUP;
	if (how & WEFT__WRITABLE)
		pfd.events |= POLLOUT;
	if (how & WEFT__URGENT)
		pfd.events |= POLLPRI;
	do
		count = poll(&pfd, 1, 0);
	while (count < 0 && errno == EINTR);
	if (count < 0) {
		count = -errno;
		errno = saved;
		return count;
	}
	if (pfd.revents & POLLNVAL)
		return -EBADF;
	/* The bits of poll and of epoll are the same, by the kernel's promise. */
	return (int)weft__ready_from((uint16_t)pfd.revents);
}

int weft__alarm_open(void)
{
	int alarm = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	return alarm < 0 ? -errno : alarm;
}

void weft__alarm_ring(int alarm)
{
	static const uint64_t one = 1;
	int saved = errno;

	while (write(alarm, &one, sizeof(one)) < 0 && errno == EINTR)
		continue;
	errno = saved;
}
