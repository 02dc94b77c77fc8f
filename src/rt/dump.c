/* SPDX-License-Identifier: MIT */
/*
 * The dump of a runtime: what each worker and each fiber that has begun is doing.
 *
 * Only its home knows what a fiber is doing. So each worker writes its own part when it
 * next looks around, one after the other, and who asked waits for that. A worker whose
 * fiber does not let go of it is reported as busy instead.
 *
 * The backtrace of a fiber is made on its own stack, as if the place where it waits had
 * called for it, if there is room.
 *
 * dump.1  raising the errand releases, the worker's swap acquires: where to write to.
 *         Withdrawing it decides who of the two goes on.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "rt/rt.h"
#include "sync/sync.h"
#include "sys/io.h"

enum { LINE = 256, FRAMES = 24, STACK_ROOM = 8192 };

#define PATIENCE_NS (100 * WEFT_MS)

__attribute__((format(printf, 2, 3))) static void say(int fd, const char *format, ...)
{
	char line[LINE];
	weft_iovec piece = { .base = line };
	va_list args;
	int size;

	va_start(args, format);
	size = vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	piece.size = size < LINE ? (size_t)size : LINE - 1;
	/* Whoever reads it may be gone: nothing to be done. */
	(void)weft__fd_write(fd, &piece, 1);
}

static void write_frames(void *fd)
{
	weft__backtrace_write(*(int *)fd, FRAMES);
}

static void write_stack(int fd, struct weft_fiber *fiber)
{
	uintptr_t sp = (uintptr_t)fiber->strand.context.sp, low = (uintptr_t)fiber->stack->low;

	if (!WEFT__STACK_SANITIZED && sp > low + STACK_ROOM)
		weft__context_visit(&fiber->strand.context, write_frames, &fd);
}

static void write_wait(int fd, const struct weft_fiber *fiber)
{
	const struct weft__wait *wait = fiber->parker.wait;
	char until[48] = "";

	if (weft__timer_armed(&fiber->timer))
		snprintf(until, sizeof(until), " for %lld us at most",
			 (long long)((fiber->timer.deadline - weft_now()) / WEFT_US));
	if (wait->count == 0)
		say(fd, "sleeps%s\n", until);
	else if (wait->count == 1)
		say(fd, "waits: %s %p%s\n", wait->cases->source->name, wait->cases->object, until);
	else
		say(fd, "waits: the first of %d, %s %p among them%s\n", wait->count,
		    wait->cases->source->name, wait->cases->object, until);
}

static void write_fiber(int fd, struct weft_fiber *fiber)
{
	say(fd, "  fiber %llu \"%s\": ", (unsigned long long)fiber->id, weft_fiber_name(fiber));
	if (weft_load_relaxed(&fiber->parker.token) == WEFT__PARKED)
		write_wait(fd, fiber);
	else
		say(fd, "could run\n");
	write_stack(fd, fiber);
}

static void write_worker(struct weft__rt_worker *w)
{
	int fd = w->runtime->dump_fd;
	struct weft__list_node *node = weft__list_first(&w->fibers);

	say(fd, "worker %u: %llu switches, %u fibers not begun\n", w->index,
	    (unsigned long long)weft_load_relaxed(&w->counters.switches),
	    weft__deals_count(&w->ring));
	for (; node; node = weft__list_next(&w->fibers, node))
		write_fiber(fd, weft_container_of(node, struct weft_fiber, among));
	weft_event_set(&w->runtime->dump_done);
}

void weft__rt_worker_errands(struct weft__rt_worker *w)
{
	uint32_t errands = weft_swap_acquire(&w->errands, 0); /* dump.1 */

	if (errands & WEFT__ERRAND_CANCEL)
		weft__rt_worker_cancel(w);
	if (errands & WEFT__ERRAND_DUMP)
		write_worker(w);
}

static void ask_worker(weft_runtime *runtime, struct weft__rt_worker *w)
{
	int64_t deadline = weft_after(PATIENCE_NS);

	weft_event_reset(&runtime->dump_done);
	weft_or_seq_cst(&w->errands, WEFT__ERRAND_DUMP); /* dump.1, idle.1 */
	weft__rt_worker_rouse(w);
	if (weft_event_wait_until(&runtime->dump_done, deadline) == 0)
		return;
	if (weft_and_acq_rel(&w->errands, ~(uint32_t)WEFT__ERRAND_DUMP) & WEFT__ERRAND_DUMP)
		say(runtime->dump_fd, "worker %u: busy with one fiber for 100 ms at least\n",
		    w->index);
	else
		weft__event_await(&runtime->dump_done);
}

int weft_runtime_dump(weft_runtime *runtime, int fd)
{
	weft_runtime_stats stats;
	weft_token *ambient;

	if (weft__runtime_stale(runtime))
		return -ECHILD;
	weft_mutex_lock(&runtime->dump_gate);
	ambient = weft_ambient_set(NULL);
	runtime->dump_fd = fd;
	weft_runtime_stats_read(runtime, &stats);
	say(fd, "runtime \"%s\": %d workers, %llu fibers\n", runtime->name, stats.workers,
	    (unsigned long long)stats.fibers);
	for (unsigned i = 0; i < runtime->workers; i++)
		ask_worker(runtime, &runtime->worker[i]);
	weft_ambient_set(ambient);
	weft_mutex_unlock(&runtime->dump_gate);
	return 0;
}
