/* SPDX-License-Identifier: MIT */
/*
 * For tests of what the port does when the kernel refuses: a child process, and a
 * seccomp filter in it that answers one system call with an error.
 */
#ifndef WEFT_SYS_LINUX_SANDBOX_TEST_H
#define WEFT_SYS_LINUX_SANDBOX_TEST_H

#include "check.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Runs fn() in a child, which must come to its end. */
static inline void sandbox_run(void (*fn)(void))
{
	int status;
	pid_t child = check_fork();

	if (child == 0) {
		fn();
		exit(0);
	}
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK(WIFEXITED(status));
	CHECK_EQ(WEXITSTATUS(status), 0);
}

/* From now on `call` fails with `error` when its argument number `argument` is in
 * low .. high. False where the system does not let a filter be set. */
static inline bool sandbox_refuse(long call, unsigned argument, uint32_t low, uint32_t high,
				  int error)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)call, 0, 4),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 (uint32_t)offsetof(struct seccomp_data, args) + 8 * argument),
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, low, 0, 2),
		BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, high, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { .len = sizeof(code) / sizeof(code[0]), .filter = code };

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

/* Whether a filter can be set here at all (an emulator may not have them). */
static inline bool sandbox_works(void)
{
	int status;
	pid_t child = check_fork();

	if (child == 0)
		_exit(sandbox_refuse(SYS_getppid, 0, 0, UINT32_MAX, EPERM) &&
				      syscall(SYS_getppid) < 0
			      ? 0
			      : 1);
	CHECK_EQ(waitpid(child, &status, 0), child);
	return status == 0;
}

/* Whether a limit to address space holds here (an emulator may know of none). */
static inline bool sandbox_limits_space(void)
{
	int status;
	pid_t child = check_fork();

	if (child == 0) {
		setrlimit(RLIMIT_AS, &(struct rlimit){ 1, RLIM_INFINITY });
		_exit(mmap(NULL, 1 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) !=
		      MAP_FAILED);
	}
	CHECK_EQ(waitpid(child, &status, 0), child);
	return status == 0;
}

#endif
