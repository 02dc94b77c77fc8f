/* SPDX-License-Identifier: MIT */
/*
 * Signals as values; see stop.h.
 *
 * The signals are blocked in every thread and read from a signalfd by one thread
 * of their own, so that what a signal sets off (cancelling a token takes locks
 * and wakes threads) runs as ordinary code and not in a handler.
 */
#include "stop.h"

#include <weft/thread.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

static struct {
	weft_token token;
	weft_thread *thread;
	weft_atomic_i32 signal;
	sigset_t mask_before;
	int signals; /* signalfd */
	int raised;  /* eventfd: a signal came */
	int ended;   /* eventfd: stop_end() was called */
} stop = { .signals = -1, .raised = -1, .ended = -1 };

static void post(int fd)
{
	uint64_t one = 1;
	ssize_t n = write(fd, &one, sizeof(one));

	(void)n; /* an eventfd at its maximum is readable all the same */
}

static int watch(void *arg)
{
	struct pollfd fds[2] = { { .fd = stop.signals, .events = POLLIN },
				 { .fd = stop.ended, .events = POLLIN } };
	struct signalfd_siginfo info;

	(void)arg;
	for (;;) {
		if (poll(fds, 2, -1) < 0)
			continue;
		if (fds[1].revents)
			return 0;
		if (read(stop.signals, &info, sizeof(info)) != (ssize_t)sizeof(info))
			continue;
		if (weft_load_relaxed(&stop.signal) != 0)
			_exit(128 + (int)info.ssi_signo);
		weft_store_relaxed(&stop.signal, (int32_t)info.ssi_signo);
		weft_token_cancel(&stop.token);
		post(stop.raised);
	}
}

/* The signals that were not ignored when the program started. */
static void wanted(sigset_t *set)
{
	static const int numbers[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction now;

	sigemptyset(set);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		if (sigaction(numbers[i], NULL, &now) == 0 && now.sa_handler != SIG_IGN)
			sigaddset(set, numbers[i]);
	}
}

static void close_all(void)
{
	int *fds[] = { &stop.signals, &stop.raised, &stop.ended };

	for (int i = 0; i < 3; i++) {
		if (*fds[i] >= 0)
			close(*fds[i]);
		*fds[i] = -1;
	}
}

int stop_begin(void)
{
	sigset_t set;

	weft_token_init(&stop.token, NULL);
	weft_store_relaxed(&stop.signal, 0);
	wanted(&set);
	stop.signals = signalfd(-1, &set, SFD_CLOEXEC);
	stop.raised = eventfd(0, EFD_CLOEXEC);
	stop.ended = eventfd(0, EFD_CLOEXEC);
	if (stop.signals < 0 || stop.raised < 0 || stop.ended < 0) {
		int err = -errno;

		close_all();
		return err;
	}
	pthread_sigmask(SIG_BLOCK, &set, &stop.mask_before);
	int err = weft_thread_spawn(&stop.thread, watch, NULL,
				    &(weft_thread_opts){ .name = "weft-signals" });
	if (err) {
		pthread_sigmask(SIG_SETMASK, &stop.mask_before, NULL);
		close_all();
	}
	return err;
}

void stop_end(void)
{
	post(stop.ended);
	weft_thread_join(stop.thread, NULL);
	close_all();
	pthread_sigmask(SIG_SETMASK, &stop.mask_before, NULL);
}

weft_token *stop_token(void)
{
	return &stop.token;
}

int stop_signal(void)
{
	return weft_load_relaxed(&stop.signal);
}

int stop_fd(void)
{
	return stop.raised;
}

int stop_poll(int fd, short events)
{
	struct pollfd fds[2] = { { .fd = fd, .events = events },
				 { .fd = stop.raised, .events = POLLIN } };

	for (;;) {
		if (poll(fds, 2, -1) < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		if (fds[1].revents)
			return -ECANCELED;
		if (fds[0].revents)
			return 0;
	}
}
