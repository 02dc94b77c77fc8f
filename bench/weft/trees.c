/* SPDX-License-Identifier: MIT */
/* Weft's fork and join over the trees of work. */
#include <weft/pool.h>

#define TREE_CONTEXT weft_par

#include "../trees.h"

struct branch {
	weft_job job;
	struct tree_node *node;
};

static void branch_run(weft_par par, weft_job *job)
{
	tree_run(par, weft_container_of(job, struct branch, job)->node);
}

/* The first here, the others to whoever asks. */
static void tree_children(weft_par par, struct tree_node *nodes, int count)
{
	enum { MOST = 16 };
	struct branch branches[MOST];
	weft_par pars[MOST + 1];

	if (count == 0)
		return;
	pars[count - 1] = par;
	for (int i = count - 1; i > 0; i--) {
		branches[i].node = &nodes[i];
		pars[i - 1] = weft_fork(pars[i], &branches[i].job, branch_run);
	}
	tree_run(pars[0], &nodes[0]);
	for (int i = 1; i < count; i++)
		weft_join(pars[i], &branches[i].job, branch_run);
}

static weft_pool *pool;

static void root_run(weft_par par, void *arg)
{
	tree_run(par, arg);
}

static void start(struct tree_node *root)
{
	weft_pool_run(pool, root_run, root);
}

int main(int argc, char **argv)
{
	if (argc != 4)
		return subject_bad("usage: weft-trees trees CASE WORKERS");
	int err = weft_pool_new(&pool, &(weft_pool_opts){ .workers = atoi(argv[3]) });

	if (err)
		return subject_bad("a pool of %s workers: %s", argv[3], strerror(-err));
	int rc = tree_measure(argv[2], start);

	weft_pool_free(pool);
	return rc;
}
