/* SPDX-License-Identifier: MIT */
/* Shared state: eight threads count under a mutex, two at a time by a semaphore, after
 * one of them has set the table up; a ninth waits on a condition variable until the
 * count is complete, another on the wait group. */
#include <weft.h>

#include <stdio.h>

enum { THREADS = 8, EACH = 10000 };

/* All-zero is ready for use: nothing to initialise, nothing to destroy. */
static struct {
	weft_event start;
	weft_once set_up;
	weft_semaphore places;
	weft_waitgroup running;
	weft_mutex lock;
	weft_cond complete;
	long count; /* guarded by lock */
} table;

static int set_up(void *arg)
{
	(void)arg;
	weft_semaphore_release(&table.places, 2);
	return 0;
}

static int count(void *arg)
{
	int err = weft_event_wait(&table.start);

	(void)arg;
	if (err == 0)
		err = weft_once_call(&table.set_up, set_up, NULL);
	if (err == 0)
		err = weft_semaphore_acquire(&table.places, 1);
	if (err == 0) {
		for (int i = 0; i < EACH; i++) {
			weft_mutex_lock(&table.lock);
			if (++table.count == THREADS * EACH)
				weft_cond_notify_all(&table.complete);
			weft_mutex_unlock(&table.lock);
		}
		weft_semaphore_release(&table.places, 1);
	}
	weft_waitgroup_done(&table.running);
	return err;
}

static int await_complete(void *arg)
{
	const int64_t deadline = weft_after_s(60);
	int err = 0;

	(void)arg;
	weft_mutex_lock(&table.lock);
	while (table.count < THREADS * EACH && err == 0)
		err = weft_cond_wait_until(&table.complete, &table.lock, deadline);
	weft_mutex_unlock(&table.lock);
	return err;
}

int main(void)
{
	weft_scope scope;
	int err;

	weft_scope_open(&scope);
	err = weft_scope_spawn_thread(&scope, await_complete, NULL, NULL);
	for (int i = 0; i < THREADS && err == 0; i++) {
		weft_waitgroup_add(&table.running, 1);
		err = weft_scope_spawn_thread(&scope, count, NULL, NULL);
		if (err)
			weft_waitgroup_done(&table.running);
	}
	weft_event_set(&table.start);
	if (err == 0)
		err = weft_waitgroup_wait(&table.running);
	else
		weft_scope_cancel(&scope);
	if (err == 0)
		err = weft_scope_close(&scope);
	else
		(void)weft_scope_close(&scope);
	printf("%d threads counted to %ld\n", THREADS, table.count);
	return err == 0 && table.count == THREADS * EACH ? 0 : 1;
}
