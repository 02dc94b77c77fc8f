/* SPDX-License-Identifier: MIT */
/*
 * How many CPUs there are to use: affinity masks, and what a cgroup leaves of
 * them.
 *
 * The kernel refuses (EINVAL) to store a mask into less room than its highest
 * CPU number needs, and says nowhere how much that is, so the room grows until
 * it does not. The bare system call is used because it returns how many bytes it
 * has stored, which the C library's wrapper hides.
 */
#define _GNU_SOURCE

#include "sys/linux/linux.h"

#include <errno.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MASK_BYTES_MAX ((size_t)1 << 20)

int weft__cpu_mask_read(struct weft__cpu_mask *mask, pid_t thread)
{
	int saved = errno;
	size_t room = sizeof(mask->few);
	long stored;

	mask->words = mask->few;
	for (;;) {
		stored = syscall(SYS_sched_getaffinity, thread, room, mask->words);
		if (stored >= 0) {
			mask->bytes = (size_t)stored;
			return 0;
		}
		stored = -errno;
		errno = saved;
		weft__cpu_mask_free(mask);
		if (stored != -EINVAL || room >= MASK_BYTES_MAX)
			return (int)stored;
		room *= 2;
		mask->words = weft__alloc(room);
		if (!mask->words)
			return -ENOMEM;
	}
}

void weft__cpu_mask_free(struct weft__cpu_mask *mask)
{
	if (mask->words != mask->few)
		weft__release(mask->words);
}

int weft__cpu_mask_count(const struct weft__cpu_mask *mask)
{
	int count = 0;

	for (size_t i = 0; i < mask->bytes / sizeof(*mask->words); i++)
		count += __builtin_popcountl(mask->words[i]);
	return count;
}

/* At least 1: whoever asks is running on a CPU. */
static int count_cpus(pid_t thread)
{
	struct weft__cpu_mask mask;
	int count;

	if (weft__cpu_mask_read(&mask, thread) != 0)
		return 1;
	count = weft__cpu_mask_count(&mask);
	weft__cpu_mask_free(&mask);
	return count > 0 ? count : 1;
}

int weft__thread_cpus(void)
{
	return count_cpus(0);
}

bool weft__cpu_is_allowed(int cpu)
{
	const size_t bits = 8 * sizeof(unsigned long);
	struct weft__cpu_mask mask;
	bool allowed;

	if (cpu < 0 || weft__cpu_mask_read(&mask, getpid()) != 0)
		return false;
	allowed = (size_t)cpu < mask.bytes * 8 &&
		  (mask.words[(size_t)cpu / bits] >> ((size_t)cpu % bits) & 1);
	weft__cpu_mask_free(&mask);
	return allowed;
}

int weft__thread_pin(int cpu)
{
	unsigned long words[128] = { 0 };
	const size_t bits = 8 * sizeof(words[0]);
	int saved = errno, err = 0;

	if (cpu < 0 || (size_t)cpu >= 8 * sizeof(words))
		return -EINVAL;
	words[(size_t)cpu / bits] = 1ul << ((size_t)cpu % bits);
	if (syscall(SYS_sched_setaffinity, 0, sizeof(words), words) != 0)
		err = -EINVAL;
	errno = saved;
	return err;
}

unsigned weft__cpu_current(void)
{
	int cpu = sched_getcpu();

	return cpu < 0 ? 0 : (unsigned)cpu;
}

void weft__cpu_budget_read(struct weft__cpu_budget *out)
{
	long online = sysconf(_SC_NPROCESSORS_ONLN);

	out->online = online > 0 ? (int)online : 1;
	/* The main thread's mask stands for the process: the caller may be a worker
	 * that was pinned to one CPU. */
	out->affinity = count_cpus(getpid());
	out->quota = weft__cgroup_quota("/proc/self/cgroup", "/proc/self/mountinfo", &out->cgroup);
	out->usable = out->affinity;
	if (out->quota > 0 && out->quota < out->affinity) {
		out->usable = (int)out->quota;
		if (out->usable < out->quota)
			out->usable++;
	}
}
