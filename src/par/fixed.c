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
#include "pool/pool.h"
#include "sys/sys.h"

enum { LEAF = 4096, SMALL_US = 10 };

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

/* par.worker is NULL if all is to be done here. */
static void node_run(weft_par par, const struct tree *t, size_t first, size_t count,
		     void *accumulator)
{
	WEFT_ALIGNED(64) unsigned char right[WEFT_REDUCE_MAX];
	struct node upper = { .tree = t, .accumulator = right };
	weft_par inner = par;
	size_t half;

	if (count == 1) {
		leaf_run(t, first, accumulator);
		return;
	}
	half = left_leaves(count);
	upper.first = first + half;
	upper.count = count - half;
	memcpy(right, t->reduce->identity, t->reduce->size);
	if (par.worker)
		inner = weft_fork(par, &upper.job, node_job);
	node_run(inner, t, first, half, accumulator);
	if (par.worker)
		weft_join(par, &upper.job, node_job);
	else
		node_job(par, &upper.job);
	t->reduce->combine(t->reduce->context, accumulator, right);
}

static void enter(weft_par par, void *arg)
{
	const struct tree *t = arg;

	node_run(par, t, 0, t->leaves, t->result);
}

static void tree_run(struct tree *t, const weft_par_opts *opts)
{
	uintptr_t key = weft__loop_key((uintptr_t)t->reduce->body, t->reduce->context);
	enum weft__guess guess = weft__guess_size(key, t->hi - t->lo);
	uint64_t begin;

	if (t->leaves == 1 || guess == WEFT__SMALL_FOR_SURE) {
		enter((weft_par){ 0 }, t);
		return;
	}
	begin = weft__cpu_ticks();
	if (guess == WEFT__SMALL)
		enter((weft_par){ 0 }, t);
	else
		weft__par_enter(opts, enter, t);
	weft__guess_learn(key, t->hi - t->lo,
			  weft__cpu_ticks() - begin < SMALL_US * weft__ticks_per_us());
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
