/* SPDX-License-Identifier: MIT */
/*
 * without_uring PROGRAM [ARGS]: runs a program to which the kernel refuses io_uring, as
 * the seccomp filter of a container does: io_uring_setup() fails with EPERM. For running
 * the suite that way; see tools/ci.sh. Exits 77 where no filter can be set.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "sys/linux/sandbox_test.h"

int main(int argc, char **argv)
{
	if (argc < 2) {
		fprintf(stderr, "usage: %s PROGRAM [ARGS]\n", argv[0]);
		return 2;
	}
	if (!sandbox_refuse(SYS_io_uring_setup, 0, 0, UINT32_MAX, EPERM)) {
		fprintf(stderr, "%s: no filter can be set: %s\n", argv[0], strerror(errno));
		return 77;
	}
	execvp(argv[1], argv + 1);
	fprintf(stderr, "%s: %s: %s\n", argv[0], argv[1], strerror(errno));
	return 127;
}
