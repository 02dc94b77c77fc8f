/* SPDX-License-Identifier: MIT */
/* The trees of work on one thread, by plain calls. */
#define TREE_CONTEXT int

#include "../trees.h"

/* A barrier, as in serial.c: so that calls stay calls. */
static __attribute__((noinline)) void call(struct tree_node *node)
{
	tree_run(0, node);
	__asm__ volatile("" : : "r"(node) : "memory");
}

static void tree_children(int context, struct tree_node *nodes, int count)
{
	(void)context;
	for (int i = 0; i < count; i++)
		call(&nodes[i]);
}

int main(int argc, char **argv)
{
	if (argc != 4)
		return subject_bad("usage: plain-trees trees CASE WORKERS");
	return tree_measure(argv[2], call);
}
