/* SPDX-License-Identifier: MIT */
/*
 * Descriptors, readiness and signals of the model: a small kernel, made of the checker's
 * atomics, so that each of its steps may come at any moment.
 *
 * It promises less than a real one: to add a descriptor comes before what is reported of
 * it, and to catch a signal before its handler runs. What a ring or a report has told
 * nothing else is ordered by; the library has to do that, as its own orders say.
 *
 * There is no io_uring, and nothing that switches stacks: no fiber runs in a model.
 */
#include "sys/model/io.h"

#include <errno.h>

#include "sys/arch/context.h"
#include "sys/io.h"
#include "sys/model/port.h"
#include "sys/sys.h"

enum { FDS = 16 };

/* One that is a set has `changes`, a futex; the others say which set has them. */
struct descriptor {
	weft_atomic_u32 level, changed, changes, set;
	weft_atomic_u64 what;
};

static struct descriptor fds[FDS];
static weft_atomic_u32 fds_used;
static weft_atomic_ptr catchers[WEFT__SIGNALS];

/* ---- descriptors ------------------------------------------------------------------------ */

int weft__model_fd(void)
{
	uint32_t fd = weft_add_relaxed(&fds_used, 1) + 1;

	return fd < FDS ? (int)fd : -EMFILE;
}

int weft__alarm_open(void)
{
	return weft__model_fd();
}

int weft__readiness_open(void)
{
	return weft__model_fd();
}

static void report(struct descriptor *d, unsigned how)
{
	uint32_t set;

	weft_or_seq_cst(&d->changed, how);
	set = weft_load_seq_cst(&d->set);
	if (set == 0)
		return;
	weft_add_relaxed(&fds[set].changes, 1);
	weft__futex_wake(&fds[set].changes, 1);
}

void weft__model_fd_raise(int fd, unsigned how)
{
	weft_or_relaxed(&fds[fd].level, how);
	report(&fds[fd], how);
}

void weft__model_fd_lower(int fd, unsigned how)
{
	weft_and_relaxed(&fds[fd].level, ~how);
}

void weft__alarm_ring(int alarm)
{
	report(&fds[alarm], WEFT__READABLE);
}

int weft__fd_ready(int fd, unsigned how)
{
	return (int)(weft_or_relaxed(&fds[fd].level, 0) & how);
}

int weft__fd_close(int fd)
{
	(void)weft_swap_relaxed(&fds[fd].set, 0);
	return 0;
}

int64_t weft__fd_write(int fd, const weft_iovec *pieces, int count)
{
	int64_t size = 0;

	(void)fd;
	for (int i = 0; i < count; i++)
		size += (int64_t)pieces[i].size;
	return size;
}

/* ---- sets ------------------------------------------------------------------------------- */

/* What was ready, or changed, before it was added is reported once it is. */
int weft__readiness_add(int set, int fd, uint64_t what)
{
	struct descriptor *d = &fds[fd];

	weft_store_release(&d->what, what);
	(void)weft_swap_seq_cst(&d->set, (uint32_t)set);
	if (weft_load_seq_cst(&d->changed))
		report(d, 0);
	return 0;
}

void weft__readiness_remove(int set, int fd)
{
	(void)set;
	(void)weft_swap_relaxed(&fds[fd].set, 0);
}

/* A kernel sees the newest. So it only uses read-modify-writes, which relaxed order nothing:
 * a load may be old, and a store go before another. */
static int collect(int set, struct weft__ready *out, int most)
{
	const uint32_t used = weft_load_relaxed(&fds_used);
	int count = 0;

	for (uint32_t fd = 1; fd <= used && fd < FDS && count < most; fd++) {
		struct descriptor *d = &fds[fd];
		uint32_t how;

		if (weft_or_acquire(&d->set, 0) != (uint32_t)set)
			continue;
		how = weft_swap_relaxed(&d->changed, 0);
		if (how)
			out[count++] = (struct weft__ready){ weft_load_acquire(&d->what), how };
	}
	return count;
}

int weft__readiness_wait(int set, struct weft__ready *out, int most, int64_t deadline)
{
	weft_atomic_u32 *changes = &fds[set].changes;

	for (;;) {
		const uint32_t seen = weft_load_relaxed(changes);
		int count = collect(set, out, most);

		if (count > 0 || deadline <= 0)
			return count;
		if (weft__futex_wait(changes, seen, deadline) == -ETIMEDOUT)
			return 0;
	}
}

unsigned weft__ready_from(int events)
{
	return (unsigned)events;
}

/* ---- io_uring: refused ------------------------------------------------------------------ */

static _Noreturn void no_ring(void)
{
	weft__die("a model has no io_uring");
}

int weft__uring_open(struct weft__uring **out)
{
	*out = NULL;
	return -ENOSYS;
}

void weft__uring_close(struct weft__uring *ring)
{
	(void)ring;
}

const char *weft__uring_why(int error)
{
	(void)error;
	return "a model has none";
}

void weft__uring_watch(struct weft__uring *ring, int fd, uint64_t what)
{
	(void)ring;
	(void)fd;
	(void)what;
	no_ring();
}

void weft__uring_cancel(struct weft__uring *ring, uint64_t what)
{
	(void)ring;
	(void)what;
	no_ring();
}

void weft__uring_start(struct weft__uring *ring, const struct weft__uring_op *op, uint64_t what)
{
	(void)ring;
	(void)op;
	(void)what;
	no_ring();
}

void weft__uring_flush(struct weft__uring *ring)
{
	(void)ring;
	no_ring();
}

int weft__uring_wait(struct weft__uring *ring, struct weft__done *out, int most, int64_t deadline)
{
	(void)ring;
	(void)out;
	(void)most;
	(void)deadline;
	no_ring();
}

/* ---- signals ---------------------------------------------------------------------------- */

bool weft__signal_can_be_caught(int number)
{
	return number > 0 && number < WEFT__SIGNALS;
}

void weft__signal_catch(int number, weft__signal_fn fn)
{
	weft_store_release(&catchers[number], (void *)(uintptr_t)fn);
}

void weft__signal_restore(int number)
{
	weft_store_release(&catchers[number], NULL);
}

void weft__model_signal(int number)
{
	weft__signal_fn fn = (weft__signal_fn)(uintptr_t)weft_load_acquire(&catchers[number]);

	if (fn)
		fn(number);
}

/* ---- watching: each watched thread computes, and cannot be asked ----------------------- */

void weft__watch_begin(struct weft__watch *watch)
{
	*watch = (struct weft__watch){ 0 };
}

int64_t weft__watch_cpu(const struct weft__watch *watch)
{
	(void)watch;
	return 0;
}

bool weft__watch_asleep(const struct weft__watch *watch)
{
	(void)watch;
	return true;
}

void weft__watch_poke_with(void (*look)(void))
{
	(void)look;
}

bool weft__watch_poke(const struct weft__watch *watch)
{
	(void)watch;
	return false;
}

int weft__watch_backtrace(void **frames, int most)
{
	(void)frames;
	(void)most;
	return 0;
}

void weft__watch_write_frames(int fd, void *const *frames, int count)
{
	(void)fd;
	(void)frames;
	(void)count;
}

void weft__backtrace_write(int fd, int most)
{
	(void)fd;
	(void)most;
}

void weft__clock_install(const int64_t *now)
{
	(void)now;
}

/* ---- stacks: no fiber runs -------------------------------------------------------------- */

static _Noreturn void no_fiber(void)
{
	weft__die("no fiber runs in a model");
}

void weft__context_make(struct weft__context *context, void *low, size_t size, void (*fn)(void *),
			void *arg)
{
	(void)context;
	(void)low;
	(void)size;
	(void)fn;
	(void)arg;
	no_fiber();
}

void weft__context_switch(struct weft__context *from, const struct weft__context *to)
{
	(void)from;
	(void)to;
	no_fiber();
}

void weft__context_visit(const struct weft__context *context, void (*fn)(void *), void *arg)
{
	(void)context;
	(void)fn;
	(void)arg;
	no_fiber();
}
