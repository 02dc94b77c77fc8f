/* SPDX-License-Identifier: MIT */
/*
 * The doctor's look at the kernel: each thing is tried once, harmlessly.
 */
#include "doctor.h"

#include <weft/io.h>

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

/* Asked of the library, which makes a ring as a runtime would. */
static void uring_fact(struct facts *f)
{
	struct fact *fact = fact_add(f, "io_uring", "io_uring", FACT_PLAIN);
	const char *refusal = weft_uring_refusal();

	if (refusal) {
		fact->state = FACT_MISSING;
		fact_value(fact, "not used: %s", refusal);
		fact_use(fact, "runtimes learn of I/O by epoll; files are read by threads");
		return;
	}
	fact->state = FACT_GOOD;
	fact_value(fact, "works");
	fact_use(fact, "a runtime's I/O and files, with WEFT_REACTOR=uring or by option");
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
