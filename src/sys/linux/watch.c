/* SPDX-License-Identifier: MIT */
/*
 * Watching a thread from another one: how much it has computed, whether it sleeps, and
 * having it look at itself.
 *
 * To look at itself is to run a function in the handler of a signal. That is SIGURG,
 * which does nothing by default, so that one which comes late or astray does no harm;
 * it carries a value by which ours are told from others, and those go to the handler
 * that was there before.
 */
#define _GNU_SOURCE

#include "sys/sys.h"

#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

void weft__watch_begin(struct weft__watch *watch)
{
	clockid_t clock;

	watch->thread = weft__thread_self();
	watch->number = gettid();
	watch->clock = pthread_getcpuclockid(pthread_self(), &clock) == 0 ? (int)clock
									  : (int)CLOCK_MONOTONIC;
}

int64_t weft__watch_cpu(const struct weft__watch *watch)
{
	struct timespec spent;

	if (clock_gettime((clockid_t)watch->clock, &spent) != 0)
		return 0;
	return (int64_t)spent.tv_sec * WEFT_SECOND + spent.tv_nsec;
}

/* The letter after the name in parentheses, which may hold anything. */
bool weft__watch_asleep(const struct weft__watch *watch)
{
	char path[64], text[256], *end;
	ssize_t size;
	int fd;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", watch->number);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	size = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (size <= 0)
		return false;
	text[size] = 0;
	end = strrchr(text, ')');
	return end && (end[1] == ' ') && (end[2] == 'S' || end[2] == 'D');
}

static weft_atomic_ptr looker;
static struct sigaction before;

/* Where the handler under way returns to: what called it was interrupted. */
#define LOCAL static __thread __attribute__((tls_model("initial-exec")))
LOCAL void *handler_returns;

static void handle(int number, siginfo_t *info, void *context)
{
	if (info->si_code == SI_QUEUE && info->si_value.sival_ptr == &looker) {
		void (*look)(void) = (void (*)(void))(uintptr_t)weft_load_acquire(&looker);
		int saved = errno;

		handler_returns = __builtin_return_address(0);
		look();
		errno = saved;
	} else if (before.sa_flags & SA_SIGINFO) {
		before.sa_sigaction(number, info, context);
	} else if (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN) {
		before.sa_handler(number);
	}
}

void weft__watch_poke_with(void (*look)(void))
{
	struct sigaction action = { .sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK };
	void *none = NULL, *frame;

	/* The first backtrace of a process loads the unwinder. */
	(void)backtrace(&frame, 1);
	if (!weft_cas_acq_rel(&looker, &none, (void *)(uintptr_t)look))
		return;
	action.sa_sigaction = handle;
	(void)sigaction(SIGURG, NULL, &before);
	(void)sigaction(SIGURG, &action, NULL);
}

bool weft__watch_poke(const struct weft__watch *watch)
{
	union sigval value = { .sival_ptr = &looker };

	return pthread_sigqueue((pthread_t)watch->thread.handle, SIGURG, value) == 0;
}

int weft__watch_backtrace(void **frames, int most)
{
	int count = backtrace(frames, most), own = 0;

	while (own < count && frames[own] != handler_returns)
		own++;
	if (own == count)
		return 0;
	count -= own + 1;
	memmove(frames, frames + own + 1, (size_t)count * sizeof(*frames));
	return count;
}

void weft__watch_write_frames(int fd, void *const *frames, int count)
{
	backtrace_symbols_fd(frames, count, fd);
}
