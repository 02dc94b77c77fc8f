/* SPDX-License-Identifier: MIT */
/* Peer: oneTBB over the trees of work, a task of a task_group for each child but the first. */
#define TREE_CONTEXT int

#include "../../trees.h"

#include <tbb/global_control.h>
#include <tbb/task_group.h>

static void tree_children(int, struct tree_node *nodes, int count)
{
	if (count == 0)
		return;
	tbb::task_group group;

	for (int i = 1; i < count; i++)
		group.run([=] { tree_run(0, &nodes[i]); });
	tree_run(0, &nodes[0]);
	group.wait();
}

static void start(struct tree_node *root)
{
	tree_run(0, root);
}

int main(int argc, char **argv)
{
	if (argc != 4)
		return subject_bad("usage: tbb-trees trees CASE WORKERS");
	tbb::global_control limit(tbb::global_control::max_allowed_parallelism,
				  strtoul(argv[3], nullptr, 10));

	return tree_measure(argv[2], start);
}
