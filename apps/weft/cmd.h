/* SPDX-License-Identifier: MIT */
/*
 * The subcommands of `weft`, and what they share: exit codes and how to complain
 * about wrong usage.
 */
#ifndef WEFT_APP_CMD_H
#define WEFT_APP_CMD_H

#include <stddef.h>

enum { EXIT_DONE = 0, EXIT_IN_PART = 1, EXIT_USAGE = 2 };

struct command {
	const char *name;
	const char *arguments;             /* as the synopsis shows them */
	const char *summary;               /* one line */
	const char *help;                  /* the rest: options and notes */
	int (*run)(int argc, char **argv); /* argv[0] is the subcommand's name */
};

extern const struct command command_sum, command_kv, command_tour, command_doctor, command_help;

/* All of them, in the order of the help; NULL ends. */
extern const struct command *const commands[];

/* The command with this name, or NULL. */
const struct command *command_find(const char *name);

/* Prints the help of a command on standard output: the exit code. */
int command_show_help(const struct command *c);

/* The exit code for a command that printed through stdio, which keeps a failed
 * write to itself until it is asked: asks, and tells. */
int command_end(void);

/* For getopt_long() having found something that is no option of `c`, or an
 * argument missing, as `code` ('?' or ':') says: tells it, returns EXIT_USAGE.
 * `shorts` is the string of short options that getopt_long() had. */
int usage_option(const struct command *c, int code, char **argv, const char *shorts);

/* "weft NAME: sentence", and a pointer to the help, on standard error; returns
 * EXIT_USAGE. */
int usage_error(const char *name, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
