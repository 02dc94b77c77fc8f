/* SPDX-License-Identifier: MIT */
/*
 * Cancellation: stop work that is under way, at points where it can stop.
 *
 * The scope's token governs all its threads. A blocking call returns -ECANCELED
 * once it is cancelled, and a loop that computes asks weft_cancelled(). Cleaning
 * up needs no care: locking a mutex ignores cancellation, and what had taken
 * effect before it came was reported as done.
 */
#include <weft.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct shared {
	weft_mutex mutex;
	weft_event started; /* some work has been done */
	long steps;
	int cleaned_up;
};

static void clean_up(struct shared *shared)
{
	weft_mutex_lock(&shared->mutex);
	shared->cleaned_up++;
	weft_mutex_unlock(&shared->mutex);
}

/* Computes: asks now and then. */
static int search(void *arg)
{
	struct shared *shared = arg;

	while (!weft_cancelled()) {
		weft_mutex_lock(&shared->mutex);
		shared->steps++;
		weft_mutex_unlock(&shared->mutex);
		weft_event_set(&shared->started);
	}
	clean_up(shared);
	return 0;
}

/* Waits: each wait tells. */
static int tick(void *arg)
{
	int64_t next = weft_now();
	int err;

	do {
		next += 10 * WEFT_MS;
		err = weft_sleep_until(next);
	} while (err == 0);
	clean_up(arg);
	return err == -ECANCELED ? 0 : err;
}

int main(void)
{
	struct shared shared = { .mutex = WEFT_MUTEX_INIT };
	weft_scope scope;
	int err, closed;

	weft_scope_open(&scope);
	err = weft_scope_spawn_thread(&scope, search, &shared, NULL);
	if (err == 0)
		err = weft_scope_spawn_thread(&scope, tick, &shared, NULL);
	if (err == 0)
		err = weft_event_wait(&shared.started);
	weft_scope_cancel(&scope);
	closed = weft_scope_close(&scope);
	if (err) {
		fprintf(stderr, "cancel: %s\n", strerror(-err));
		return 1;
	}
	printf("stopped after %s steps; %d threads cleaned up\n", shared.steps > 0 ? "some" : "no",
	       shared.cleaned_up);
	return closed == -ECANCELED && shared.steps > 0 && shared.cleaned_up == 2 ? 0 : 1;
}
