/* SPDX-License-Identifier: MIT */
/*
 * Signals: a handler in the place of another, and back.
 */
#define _GNU_SOURCE

#include "sys/sys.h"

#include <errno.h>
#include <signal.h>

/* The real-time signals that the C library keeps for itself are below SIGRTMIN. */
bool weft__signal_can_be_caught(int number)
{
	switch (number) {
	case SIGKILL:
	case SIGSTOP:
	case SIGSEGV:
	case SIGBUS:
	case SIGFPE:
	case SIGILL:
	case SIGTRAP:
	case SIGSYS:
	case SIGABRT: return false;
	default:
		return number > 0 && number < WEFT__SIGNALS && (number < 32 || number >= SIGRTMIN);
	}
}

static struct sigaction before[WEFT__SIGNALS];
static weft__signal_fn catcher[WEFT__SIGNALS];

static void handle(int number)
{
	int saved = errno;

	catcher[number](number);
	errno = saved;
}

void weft__signal_catch(int number, weft__signal_fn fn)
{
	struct sigaction action = { .sa_handler = handle, .sa_flags = SA_RESTART | SA_ONSTACK };

	/* Neither fails for a number that can be caught. */
	(void)sigaction(number, NULL, &before[number]);
	if (before[number].sa_handler == SIG_IGN)
		return;
	catcher[number] = fn;
	(void)sigaction(number, &action, NULL);
}

void weft__signal_restore(int number)
{
	if (before[number].sa_handler != SIG_IGN)
		(void)sigaction(number, &before[number], NULL);
}
