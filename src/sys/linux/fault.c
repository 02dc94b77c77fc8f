/* SPDX-License-Identifier: MIT */
/*
 * Being told of segmentation faults without keeping them.
 *
 * The handler is put in front of the one that was there. When that was the default,
 * the default is put back and the handler returns: the instruction is repeated, and
 * the process dies of it as if nobody had looked, with the same core file.
 */
#define _GNU_SOURCE

#include "sys/sys.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

static weft_atomic_bool watched;
static weft__fault_fn explainer;
static struct sigaction before;

static void on_fault(int number, siginfo_t *info, void *context)
{
	const bool sent = info->si_code <= 0; /* by kill(), not by an access */
	const int err = errno;

	if (!sent)
		explainer((uintptr_t)info->si_addr);
	errno = err;
	if (before.sa_flags & SA_SIGINFO) {
		before.sa_sigaction(number, info, context);
	} else if (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN) {
		before.sa_handler(number);
	} else if (!sent || before.sa_handler == SIG_DFL) {
		sigaction(number, &before, NULL);
		if (sent)
			raise(number);
	}
}

int weft__fault_watch(weft__fault_fn explain)
{
	struct sigaction action = { .sa_flags = SA_SIGINFO | SA_ONSTACK };

	if (weft_swap_acq_rel(&watched, true))
		return 0;
	explainer = explain;
	sigemptyset(&action.sa_mask);
	action.sa_sigaction = on_fault;
	/* What there was must be known when the first fault comes. */
	if (sigaction(SIGSEGV, NULL, &before) == 0 && sigaction(SIGSEGV, &action, NULL) == 0)
		return 0;
	weft_store_release(&watched, false);
	return -errno;
}

/* What the system wants for the frame of a signal, which holds all registers of this
 * processor, and room for the handlers. */
static size_t fault_stack_size(void)
{
	long least = 0;

#ifdef _SC_MINSIGSTKSZ
	least = sysconf(_SC_MINSIGSTKSZ);
#endif
	return (least > 0 ? (size_t)least : 8192) + 32768;
}

int weft__fault_stack_begin(struct weft__fault_stack *stack)
{
	stack_t own = { 0 }, old;

	*stack = (struct weft__fault_stack){ 0 };
	if (sigaltstack(NULL, &old) == 0 && !(old.ss_flags & SS_DISABLE))
		return 0;
	own.ss_size = fault_stack_size();
	own.ss_sp = weft__pages_map(own.ss_size);
	if (!own.ss_sp)
		return -ENOMEM;
	if (sigaltstack(&own, NULL) != 0) {
		weft__pages_unmap(own.ss_sp, own.ss_size);
		return -ENOMEM;
	}
	stack->memory = own.ss_sp;
	stack->size = own.ss_size;
	return 0;
}

void weft__fault_stack_end(struct weft__fault_stack *stack)
{
	stack_t none = { .ss_flags = SS_DISABLE }, old;

	if (!stack->memory)
		return;
	/* Another may have been installed since; it stays, and ours is not in use. */
	if (sigaltstack(NULL, &old) == 0 && old.ss_sp == stack->memory)
		sigaltstack(&none, NULL);
	weft__pages_unmap(stack->memory, stack->size);
	*stack = (struct weft__fault_stack){ 0 };
}

void weft__say(const char *text, size_t length)
{
	while (length > 0) {
		ssize_t written = write(STDERR_FILENO, text, length);

		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			return;
		text += written;
		length -= (size_t)written;
	}
}
