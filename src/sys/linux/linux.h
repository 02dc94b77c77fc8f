/* SPDX-License-Identifier: MIT */
/*
 * What the files of the Linux port share among themselves and with their tests.
 * Nothing outside this folder includes it.
 */
#ifndef WEFT_SYS_LINUX_LINUX_H
#define WEFT_SYS_LINUX_LINUX_H

#include "sys/sys.h"

#include <sys/types.h>

/* ---- CPU masks -------------------------------------------------------------- */

/* A set of CPUs as the kernel takes it. `words` is `few`, with room for the 8,192
 * CPUs that kernels are built for today, or memory from the heap. Not movable. */
struct weft__cpu_mask {
	unsigned long *words;
	size_t bytes;
	unsigned long few[128];
};

/* The mask of a thread (0 is the caller) in a size that holds each CPU number of
 * this machine. 0 or -errno; to be freed after 0. */
int weft__cpu_mask_read(struct weft__cpu_mask *mask, pid_t thread);
void weft__cpu_mask_free(struct weft__cpu_mask *mask);
int weft__cpu_mask_count(const struct weft__cpu_mask *mask);

/* ---- cgroups ---------------------------------------------------------------- */

/* The least CPU quota of the caller's cgroup and of all that contain it; 0 for
 * none. The files are /proc/self/cgroup and /proc/self/mountinfo, or a test's.
 * *version is 1 or 2 by where the quota was found, 0 for none. */
double weft__cgroup_quota(const char *cgroup_file, const char *mountinfo_file, int *version);

/* ---- barrier ---------------------------------------------------------------- */

/* The last of the ways of weft__barrier_all(), by itself for its test. */
void weft__barrier_walk(void);

#endif
