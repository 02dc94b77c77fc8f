/* SPDX-License-Identifier: MIT */
/*
 * Faults under the model: the checker finds accesses to what is not there before
 * they are made, so no fault comes, and nobody is to be told.
 */
#include "sys/sys.h"

#include <stdio.h>

int weft__fault_watch(weft__fault_fn explain)
{
	(void)explain;
	return 0;
}

int weft__fault_stack_begin(struct weft__fault_stack *stack)
{
	*stack = (struct weft__fault_stack){ 0 };
	return 0;
}

void weft__fault_stack_end(struct weft__fault_stack *stack)
{
	(void)stack;
}

void weft__say(const char *text, size_t length)
{
	fwrite(text, 1, length, stderr);
}
