/* SPDX-License-Identifier: MIT */
/*
 * Goal: last words are one line in one write, cut when they are too long, and the
 * process aborts.
 * Method: a child dies with a packet socket as its standard error, which keeps
 * apart what was written apart.
 */
#define _GNU_SOURCE

#include "sys/sys.h"

#include "check.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* Dies with `sentence` in a child; *text is what came first. (An emulator may have
 * words of its own to add.) */
static void last_words(const char *sentence, char *text, size_t size)
{
	const struct rlimit no_core = { 0, 0 };
	int status;
	int fds[2];
	pid_t child;
	ssize_t got;
	char more[256];

	CHECK_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds), 0);
	child = check_fork();
	if (child == 0) {
		setrlimit(RLIMIT_CORE, &no_core);
		signal(SIGABRT, SIG_DFL);
		dup2(fds[1], STDERR_FILENO);
		close(fds[0]);
		close(fds[1]);
		weft__die("%s", sentence);
	}
	close(fds[1]);
	got = recv(fds[0], text, size - 1, 0);
	CHECK_GT(got, 0);
	text[got] = '\0';
	while (recv(fds[0], more, sizeof(more), 0) > 0) {}
	close(fds[0]);
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK(WIFSIGNALED(status));
	CHECK_EQ(WTERMSIG(status), SIGABRT);
}

TEST(die_says_its_sentence_in_one_write)
{
	char text[2000];

	last_words("the loom is on fire", text, sizeof(text));
	CHECK_STR_EQ(text, "weft: the loom is on fire\n");
}

TEST(die_cuts_what_is_too_long)
{
	char text[6000];
	char sentence[5000];

	for (size_t length = 980; length < 1010; length++) {
		memset(sentence, 'x', length);
		sentence[length] = '\0';
		last_words(sentence, text, sizeof(text));
		CHECK_LE(strlen(text), 1000);
		CHECK_GE(strlen(text), 980);
		CHECK_EQ(text[strlen(text) - 1], '\n');
	}
	memset(sentence, 'x', sizeof(sentence));
	sentence[sizeof(sentence) - 1] = '\0';
	last_words(sentence, text, sizeof(text));
	CHECK_LE(strlen(text), 1000);
}
