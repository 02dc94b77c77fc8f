/* SPDX-License-Identifier: MIT */
/*
 * The `weft` program: finds the subcommand and runs it.
 */
#include "cmd.h"

#include <weft/base.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* A file opened later must not become standard output because that was closed.
 * What takes its place fails like it: it can only be read, or only be written. */
static void hold_standard_descriptors(void)
{
	for (int fd = 0; fd <= 2; fd++) {
		if (fcntl(fd, F_GETFD) < 0) {
			int got = open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY);

			(void)got; /* the lowest number that is free: fd */
		}
	}
}

int main(int argc, char **argv)
{
	hold_standard_descriptors();
	/* A reader that has gone is an error of write(), so that we end in order. */
	signal(SIGPIPE, SIG_IGN);

	if (argc < 2) {
		usage_error(NULL, "which command?");
		return EXIT_USAGE;
	}
	const char *name = argv[1];
	if (strcmp(name, "--version") == 0) {
		printf("weft %s\n", weft_version());
		return command_end();
	}
	if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
		name = "help";
	const struct command *c = command_find(name);
	if (!c)
		return usage_error(NULL, "there is no command \"%s\"", name);
	return c->run(argc - 1, argv + 1);
}
