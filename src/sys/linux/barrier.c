/* SPDX-License-Identifier: MIT */
/*
 * A full barrier in every thread of the process, at the cost of the caller.
 *
 * The ways, best first; the first that the kernel accepts is remembered:
 *
 * PRIVATE  membarrier(PRIVATE_EXPEDITED), Linux 4.14: interrupts exactly the CPUs
 *          that run a thread of this process. Some microseconds.
 * GLOBAL   membarrier(GLOBAL), Linux 4.3: waits until every CPU has passed the
 *          scheduler. Some milliseconds.
 * WALK     where a sandbox forbids membarrier: the caller moves itself onto each
 *          CPU in turn. It runs there only after the scheduler has switched
 *          whoever ran there out, and a switch is a full barrier. A thread that
 *          leaves for a CPU already visited was switched to get there.
 *
 * The walk supposes that the caller may go wherever threads of its process run.
 * Only threads of one process in cpusets of their own (cgroup v1, or a threaded
 * subtree) break that.
 *
 * The well-known trick of changing the protection of a page is not among them: it
 * relies on an interrupt to each CPU that may hold the old translation, and
 * AArch64, and x86 with INVLPGB, tell the other CPUs without an interrupt.
 *
 * A kernel that forbids even the walk leaves no way to keep the promise, and a
 * promise broken in silence corrupts memory: the program stops.
 */
#define _GNU_SOURCE

#include "sys/linux/linux.h"
#include "sys/sys.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { PRIVATE, GLOBAL, WALK };

/* The best way not yet refused. Relaxed: each way is right by itself, and to be
 * refused twice does no harm. */
static weft_atomic_u32 best;

static bool membarrier(int command)
{
	return syscall(SYS_membarrier, command, 0, 0) == 0;
}

static bool move(const struct weft__cpu_mask *mask)
{
	return syscall(SYS_sched_setaffinity, 0, mask->bytes, mask->words) == 0;
}

static void walk_failed(const char *what, int error)
{
	weft__die("no way to order memory between threads: membarrier is refused, and %s: %s",
		  what, strerror(error));
}

void weft__barrier_walk(void)
{
	const size_t bits = 8 * sizeof(unsigned long);
	struct weft__cpu_mask home;
	struct weft__cpu_mask one;
	int error = weft__cpu_mask_read(&home, 0);

	/* Read twice for a second set of the same size. */
	if (!error)
		error = weft__cpu_mask_read(&one, 0);
	if (error)
		walk_failed("sched_getaffinity", -error);
	memset(one.words, 0, one.bytes);
	for (size_t cpu = 0; cpu < 8 * one.bytes; cpu++) {
		one.words[cpu / bits] = 1UL << cpu % bits;
		/* EINVAL: no such CPU, or one that this process may not use, where no
		 * thread of it can be. */
		if (!move(&one) && errno != EINVAL)
			walk_failed("sched_setaffinity", errno);
		one.words[cpu / bits] = 0;
	}
	/* Fails only when every CPU of that mask has been taken away meanwhile. The
	 * kernel then keeps the thread on some CPU that is left. */
	(void)move(&home);
	weft__cpu_mask_free(&one);
	weft__cpu_mask_free(&home);
}

static bool pass(uint32_t way)
{
	switch (way) {
	case PRIVATE:
		/* A process must register first; the child of a fork() may have to
		 * do so again. */
		return membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED) ||
		       (membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) &&
			membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED));
	case GLOBAL: return membarrier(MEMBARRIER_CMD_GLOBAL);
	default: weft__barrier_walk(); return true;
	}
}

void weft__barrier_all(void)
{
	int saved = errno;
	uint32_t way = weft_load_relaxed(&best);

	while (!pass(way)) {
		way++;
		/* Out of memory is a matter of the moment, and not a refusal. */
		if (errno != ENOMEM)
			weft_store_relaxed(&best, way);
	}
	errno = saved;
}
