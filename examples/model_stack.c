/* SPDX-License-Identifier: MIT */
/*
 * Checking a lock-free stack with the model checker, and finding its ABA bug.
 *
 * The stack keeps its nodes in an array and uses them again, so that a thread that
 * has read the top and its successor may find the same top again, long after it
 * was popped and pushed back - with another successor. The right version carries a
 * tag beside the index, which grows with each push.
 *
 * Compiled with -DWEFT_MODEL -fsanitize=thread and linked with libweft_check.a; see
 * docs/model-checking.md.
 */
#include <stdio.h>

#include <weft/atomic.h>
#include <weft/check.h>

enum { NODES = 3, NONE = NODES };

struct stack {
	weft_atomic_u32 top; /* tag << 8 | index */
	weft_atomic_u32 next[NODES];
	weft_atomic_u32 owned[NODES]; /* popped, and not pushed back yet */
	bool tagged;
};

static void push(struct stack *s, uint32_t node)
{
	uint32_t top = weft_load_relaxed(&s->top), after;

	weft_store_relaxed(&s->owned[node], 0);
	do {
		weft_store_relaxed(&s->next[node], top & 0xff);
		after = s->tagged ? ((top >> 8) + 1) << 8 | node : node;
	} while (!weft_cas_weak_release(&s->top, &top, after)); /* stack.1 */
}

static uint32_t pop(struct stack *s)
{
	uint32_t top = weft_load_acquire(&s->top), node, after; /* stack.1 */

	do {
		node = top & 0xff;
		if (node == NONE)
			return NONE;
		after = (top & ~UINT32_C(0xff)) | weft_load_relaxed(&s->next[node]);
	} while (!weft_cas_weak_acquire(&s->top, &top, after)); /* stack.1 */
	/* Whoever pops a node is the only one that has it. */
	WEFT_CHECK(weft_swap_relaxed(&s->owned[node], 1) == 0);
	return node;
}

/* Takes two and puts the first one back: between another thread's look at the top
 * and its swap, that is what it takes. */
static void take_two(void *arg)
{
	struct stack *s = arg;
	uint32_t first = pop(s);

	pop(s);
	if (first != NONE)
		push(s, first);
}

static void program(void *arg)
{
	struct stack *s = weft_check_alloc(sizeof(*s));
	int other;

	weft_check_name(&s->top, sizeof(s->top), "top");
	weft_check_name(s->next, sizeof(s->next), "next");
	weft_check_name(s->owned, sizeof(s->owned), "owned");
	s->tagged = arg != NULL;
	weft_atomic_init(&s->top, NONE);
	for (uint32_t i = 0; i < NODES; i++)
		push(s, i);
	other = weft_check_spawn(take_two, s, "two");
	pop(s);
	pop(s);
	weft_check_join(other);
	weft_check_free(s);
}

int main(void)
{
	static weft_check_result found;
	int verdict = weft_check(program, NULL, &(weft_check_opts){ .name = "untagged stack" });

	if (verdict != WEFT_CHECK_ASSERTION) {
		printf("the ABA bug was not found: %s\n", weft_check_verdict_name(verdict));
		return 1;
	}
	found = *weft_check_last();
	printf("found after %llu runs; the same run again, by its token:\n",
	       (unsigned long long)found.executions);
	verdict = weft_check(program, NULL,
			     &(weft_check_opts){ .name = "replayed", .replay = found.token });
	if (verdict != WEFT_CHECK_ASSERTION) {
		printf("the token did not lead to the bug\n");
		return 1;
	}
	verdict = weft_check(program, &verdict, &(weft_check_opts){ .name = "tagged stack" });
	printf("with tags: %s, %llu runs, %s\n", weft_check_verdict_name(verdict),
	       (unsigned long long)weft_check_last()->executions,
	       weft_check_last()->exhausted ? "all there are" : "not all");
	return verdict != WEFT_CHECK_PASSED;
}
