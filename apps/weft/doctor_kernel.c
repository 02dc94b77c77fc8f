/* SPDX-License-Identifier: MIT */
/*
 * The doctor's look at the kernel: each thing is tried once, harmlessly.
 */
#include "doctor.h"

#include <errno.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102 /* Linux 6.13 */
#endif

static void futex_fact(struct facts *f)
{
	uint32_t word = 1;
	struct fact *fact = fact_add(f, "futex", "futex", FACT_GOOD);

	/* The word differs from 0, so a futex that works says so at once. */
	long n = syscall(SYS_futex, &word, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 0, NULL, NULL, 0);
	if (n < 0 && errno == EAGAIN) {
		fact_value(fact, "works");
		fact_use(fact, "threads that wait sleep on it");
		return;
	}
	fact->state = FACT_BAD;
	fact_value(fact, "refused: %s",
		   n < 0 ? strerror(errno) : "it waited for a word that differs");
	fact_use(fact, "Weft cannot put a thread to sleep here");
}

static void membarrier_fact(struct facts *f)
{
	struct fact *fact = fact_add(f, "membarrier", "membarrier", FACT_GOOD);
	long mask = syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0);

	if (mask >= 0 && (mask & MEMBARRIER_CMD_PRIVATE_EXPEDITED)) {
		fact_value(fact, "expedited");
		fact_use(fact,
			 "rare barriers across all threads keep the frequent paths free of them");
		return;
	}
	fact->state = FACT_MISSING;
	if (mask < 0)
		fact_value(fact, "refused: %s", strerror(errno));
	else
		fact_value(fact, "not expedited");
	fact_use(fact, "Weft goes a slower way with the same effect");
}

/* struct io_uring_params, of which only the size and one word matter here; the
 * header of the kernel may be older than the kernel. */
struct uring_params {
	uint32_t entries[2], flags, thread[2], features, wq, reserved[3];
	uint64_t offsets[10];
};

static const char *uring_refusal(int error)
{
	char setting[16];

	if (error == ENOSYS)
		return "this kernel has none";
	if (error == EPERM &&
	    read_line("/proc/sys/kernel/io_uring_disabled", setting, sizeof(setting)) &&
	    setting[0] != '0')
		return "sysctl kernel.io_uring_disabled forbids it";
	if (error == EPERM)
		return "a sandbox forbids it";
	return strerror(error);
}

static void uring_fact(struct facts *f)
{
	struct uring_params params = { .flags = 0 };
	struct fact *fact = fact_add(f, "io_uring", "io_uring", FACT_PLAIN);
	long fd = syscall(SYS_io_uring_setup, 1, &params);

	if (fd >= 0) {
		fact_value(fact, "available, features %#x", params.features);
		close((int)fd);
	} else {
		fact_value(fact, "refused: %s", uring_refusal(errno));
	}
	fact_use(fact, "nothing in this version of Weft uses it");
}

static void guard_fact(struct facts *f)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	struct fact *fact = fact_add(f, "madv_guard_install", "guard pages", FACT_PLAIN);
	void *at = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			0);

	if (at == MAP_FAILED) {
		fact_value(fact, "unknown: %s", strerror(errno));
		return;
	}
	if (madvise(at, page, MADV_GUARD_INSTALL) == 0)
		fact_value(fact, "by MADV_GUARD_INSTALL, which splits no mapping");
	else
		fact_value(fact, "by mprotect; MADV_GUARD_INSTALL is refused: %s",
			   strerror(errno));
	fact_use(fact, "stacks of threads come from the system with guard pages of its own");
	munmap(at, 2 * page);
}

void doctor_kernel(struct facts *f)
{
	futex_fact(f);
	membarrier_fact(f);
	uring_fact(f);
	guard_fact(f);
}
