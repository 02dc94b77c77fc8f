/* SPDX-License-Identifier: MIT */
/*
 * The table of subcommands, `weft help`, and complaints about wrong usage.
 */
#include "cmd.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const struct command *const commands[] = { &command_sum,    &command_kv,   &command_tour,
					   &command_doctor, &command_help, NULL };

const struct command *command_find(const char *name)
{
	for (size_t i = 0; commands[i]; i++) {
		if (strcmp(commands[i]->name, name) == 0)
			return commands[i];
	}
	return NULL;
}

int usage_error(const char *name, const char *format, ...)
{
	va_list args;

	fprintf(stderr, "weft%s%s: ", name ? " " : "", name ? name : "");
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "; `weft help%s%s` shows what there is\n", name ? " " : "",
		name ? name : "");
	return EXIT_USAGE;
}

int usage_option(const struct command *c, int code, char **argv, const char *shorts)
{
	const char *word = argv[optind - 1];

	if (code == ':')
		return usage_error(c->name, "the option %s needs an argument", word);
	if (optopt == 0)
		return usage_error(c->name, "there is no option %s, or it is ambiguous", word);
	/* An option that exists is complained about when it was given as --LONG=X.
	 * Otherwise `word` may be the one before a cluster like -xy. */
	if (optopt < 256 && !strchr(shorts, optopt))
		return usage_error(c->name, "there is no option -%c", optopt);
	return usage_error(c->name, "the option %.*s takes no argument", (int)strcspn(word, "="),
			   word);
}

int command_end(void)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return EXIT_DONE;
	if (errno == EPIPE)
		return 128 + SIGPIPE;
	fprintf(stderr, "weft: cannot write to standard output: %s\n", strerror(errno));
	return EXIT_IN_PART;
}

int command_show_help(const struct command *c)
{
	printf("usage: weft %s%s%s\n\n%s.\n%s%s", c->name, *c->arguments ? " " : "", c->arguments,
	       c->summary, *c->help ? "\n" : "", c->help);
	return command_end();
}

static int show_overview(void)
{
	printf("usage: weft COMMAND [ARGUMENTS]\n\nThe tools of Weft, concurrency for C.\n\n");
	for (size_t i = 0; commands[i]; i++)
		printf("  %-8s %s\n", commands[i]->name, commands[i]->summary);
	printf("\n"
	       "weft COMMAND --help says more about each; weft --version prints the version.\n"
	       "Exit codes: 0 all done, 1 failed in part (told on standard error), 2 wrong usage,\n"
	       "130 interrupted by Ctrl-C.\n");
	return command_end();
}

static int run_help(int argc, char **argv)
{
	if (argc > 2)
		return usage_error("help", "it takes one command, not %d", argc - 1);
	if (argc < 2)
		return show_overview();
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
		return command_show_help(&command_help);

	const struct command *c = command_find(argv[1]);
	return c ? command_show_help(c) : usage_error(NULL, "there is no command \"%s\"", argv[1]);
}

const struct command command_help = {
	.name = "help",
	.arguments = "[COMMAND]",
	.summary = "Shows what there is, or all about one command",
	.help = "",
	.run = run_help,
};
