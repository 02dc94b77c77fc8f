/* SPDX-License-Identifier: MIT */
/*
 * The overflow of a fiber's stack: a bare "segmentation fault" becomes
 *
 *     weft: fiber 7 ("parser") overflowed its stack: it touched what lies 16 bytes
 *     below the lower end. Its size is 66432 bytes, its high-water mark 66432. ...
 *
 * and then the process ends as it would have. A mark far below the size tells of a
 * single large frame that reached over what was left, any other of a deep recursion.
 *
 * This runs as a signal handler on a stack of its own, in a process that has minutes
 * to live or none: it looks at this worker's own data alone, takes no lock, and
 * formats by hand. The fiber that runs is nearly always the one; but a worker on its
 * way from one fiber to another still is on the stack of the former.
 */
#include "rt/overflow.h"

#include "rt/rt.h"
#include "sys/sys.h"

enum { NAME_MOST = 100 };

static _Thread_local struct weft__fault_stack fault_stack;

/* ---- text ---------------------------------------------------------------------- */

struct text {
	char at[512];
	size_t length;
};

static void add_most(struct text *text, const char *words, size_t most)
{
	while (*words && most-- > 0 && text->length < sizeof(text->at))
		text->at[text->length++] = *words++;
}

static void add(struct text *text, const char *words)
{
	add_most(text, words, SIZE_MAX);
}

static void add_number(struct text *text, uint64_t number)
{
	char digits[21];
	char *at = digits + sizeof(digits) - 1;

	*at = '\0';
	do
		*--at = (char)('0' + number % 10);
	while (number /= 10);
	add(text, at);
}

/* ---- the report ----------------------------------------------------------------- */

static bool hit(const struct weft_fiber *fiber, uintptr_t address)
{
	const struct weft__stack *stack = fiber ? fiber->stack : NULL;

	return stack && address < (uintptr_t)stack->low &&
	       address >= (uintptr_t)stack->low - WEFT__STACK_GUARD;
}

static const struct weft_fiber *whose(const struct weft__rt_worker *worker, uintptr_t address)
{
	if (hit(worker->current, address))
		return worker->current;
	for (const struct weft__list_node *node = weft__list_first(&worker->fibers); node;
	     node = weft__list_next(&worker->fibers, node)) {
		const struct weft_fiber *fiber = weft_container_of(node, const struct weft_fiber,
								   among);

		if (hit(fiber, address))
			return fiber;
	}
	return NULL;
}

static void report(const struct weft_fiber *fiber, uintptr_t address)
{
	const struct weft__stack *stack = fiber->stack;
	struct text text = { .length = 0 };

	add(&text, "weft: fiber ");
	add_number(&text, fiber->id);
	if (fiber->name) {
		add(&text, " (\"");
		add_most(&text, fiber->name, NAME_MOST);
		add(&text, "\")");
	}
	add(&text, " overflowed its stack: it touched what lies ");
	add_number(&text, (uintptr_t)stack->low - address);
	add(&text, " bytes below the lower end. Its size is ");
	add_number(&text, stack->size);
	add(&text, " bytes, its high-water mark ");
	add_number(&text, weft__stack_high_water(stack));
	add(&text,
	    stack->class == WEFT__STACK_CLASSES - 1
		    ? ". There is no larger one: put large arrays elsewhere.\n"
		    : ". Spawn it with a larger stack_size, or put large arrays elsewhere.\n");
	weft__say(text.at, text.length);
}

static void explain(uintptr_t address)
{
	const struct weft__rt_worker *worker = weft__rt_worker_self();
	const struct weft_fiber *fiber = worker ? whose(worker, address) : NULL;

	if (fiber)
		report(fiber, address);
}

/* ---- on and off ----------------------------------------------------------------- */

void weft__overflow_thread_begin(void)
{
	weft__fault_watch(explain);
	weft__fault_stack_begin(&fault_stack);
}

void weft__overflow_thread_end(void)
{
	weft__fault_stack_end(&fault_stack);
}
