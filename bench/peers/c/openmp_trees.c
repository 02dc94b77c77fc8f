/* SPDX-License-Identifier: MIT */
/* Peer: GCC's OpenMP over the trees of work, a task for each child but the first. */
#define TREE_CONTEXT int

#include "../../trees.h"

#include <omp.h>

static void tree_children(int context, struct tree_node *nodes, int count)
{
	(void)context;
	for (int i = 1; i < count; i++) {
#pragma omp task untied firstprivate(i)
		tree_run(0, &nodes[i]);
	}
	if (count > 0)
		tree_run(0, &nodes[0]);
#pragma omp taskwait
}

static void start(struct tree_node *root)
{
#pragma omp parallel
#pragma omp single
	tree_run(0, root);
}

int main(int argc, char **argv)
{
	if (argc != 4)
		return subject_bad("usage: openmp-trees trees CASE WORKERS");
	omp_set_dynamic(0);
	omp_set_num_threads(atoi(argv[3]));
	return tree_measure(argv[2], start);
}
