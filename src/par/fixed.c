/* SPDX-License-Identifier: MIT */
/*
 * Reductions by a tree that is always the same.
 *
 * A node of n leaves has on its left the largest power of two below n, and on its right
 * the rest. Which of them are forked, and who runs them, changes nothing about that; so
 * the tree is forked as a whole, at the price of a fork a leaf, which is nothing beside
 * 4,096 indices.
 *
 * A small tree is run without forks. Whether it is small is known only from its last
 * time, since a part of it cannot be done in advance.
 */
#include <errno.h>
#include <string.h>

#include "par/par.h"

enum { LEAF = 4096 };

struct tree {
	const weft_reduce *reduce;
	size_t lo, hi, leaf;
	size_t leaves;
	void *result;
};

struct node {
	weft_job job;
	const struct tree *tree;
	size_t first, count; /* leaves */
	void *accumulator;
};

static void leaf_run(const struct tree *t, size_t index, void *accumulator)
{
	size_t lo = t->lo + index * t->leaf, left = t->hi - lo;

	t->reduce->body(t->reduce->context, lo, lo + (left < t->leaf ? left : t->leaf),
			accumulator);
}

/* The largest power of two below n, which is at least 2. */
static size_t left_leaves(size_t n)
{
	return (size_t)1 << (63 - __builtin_clzll((unsigned long long)(n - 1)));
}

static void node_run(weft_par par, const struct tree *t, size_t first, size_t count,
		     void *accumulator);

static void node_job(weft_par par, weft_job *job)
{
	struct node *n = weft_container_of(job, struct node, job);

	node_run(par, n->tree, n->first, n->count, n->accumulator);
}

static void node_run(weft_par par, const struct tree *t, size_t first, size_t count,
		     void *accumulator)
{
	WEFT_ALIGNED(64) unsigned char right[WEFT_REDUCE_MAX];
	struct node upper = { .tree = t, .accumulator = right };
	weft_par inner;
	size_t half;

	if (count == 1) {
		leaf_run(t, first, accumulator);
		return;
	}
	half = left_leaves(count);
	upper.first = first + half;
	upper.count = count - half;
	memcpy(right, t->reduce->identity, t->reduce->size);
	inner = weft__fork(par, &upper.job, node_job);
	node_run(inner, t, first, half, accumulator);
	weft__join(par, &upper.job, node_job);
	t->reduce->combine(t->reduce->context, accumulator, right);
}

static void enter(weft_par par, void *arg)
{
	const struct tree *t = arg;

	node_run(par, t, 0, t->leaves, t->result);
}

/* One leaf is one call of the body, whatever it is worth. */
static void tree_run(struct tree *t, const weft_par_opts *opts)
{
	uintptr_t key = weft__loop_key((uintptr_t)t->reduce->body, t->reduce->context);

	if (t->leaves == 1)
		enter((weft_par){ 0 }, t);
	else
		weft__forks_start(key, t->hi - t->lo, NULL, enter, t, opts);
}

int weft_par_reduce_fixed(size_t lo, size_t hi, size_t leaf, const weft_reduce *reduce,
			  void *result, const weft_par_opts *opts)
{
	struct tree t = {
		.reduce = reduce, .lo = lo, .hi = hi, .leaf = leaf ? leaf : LEAF, .result = result
	};

	if (!weft__reduce_size_ok(reduce->size))
		return -EINVAL;
	memcpy(result, reduce->identity, reduce->size);
	if (lo >= hi)
		return 0;
	t.leaves = (hi - lo) / t.leaf + ((hi - lo) % t.leaf != 0);
	tree_run(&t, opts);
	return 0;
}
