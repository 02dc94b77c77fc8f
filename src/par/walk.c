/* SPDX-License-Identifier: MIT */
/*
 * Things that are cut in two, and trees: a fork for each cut, and for each half of a
 * node's children. What is small is run without forks, as soon as that is known.
 */
#include "weft/par_walk.h"

#include <errno.h>
#include <string.h>

#include "par/par.h"
#include "sys/sys.h"

/* ---- split ------------------------------------------------------------------------------ */

struct split {
	const weft_split *how;
	void *piece;
	weft_atomic_i32 error;
};

struct upper {
	weft_job job;
	struct split *split;
	void *piece;
};

static void split_run(weft_par par, struct split *s, void *piece);

static void upper_run(weft_par par, weft_job *job)
{
	struct upper *u = weft_container_of(job, struct upper, job);

	split_run(par, u->split, u->piece);
}

static void split_run(weft_par par, struct split *s, void *piece)
{
	WEFT_ALIGNED(64) unsigned char other[WEFT_REDUCE_MAX];
	struct upper upper = { .split = s, .piece = other };
	weft_par inner;

	if (weft__error_seen(&s->error))
		return;
	if (!s->how->cut(s->how->context, piece, other)) {
		weft__error_note(&s->error, s->how->body(s->how->context, piece));
		return;
	}
	inner = weft__fork(par, &upper.job, upper_run);
	split_run(inner, s, piece);
	weft__join(par, &upper.job, upper_run);
}

static void split_enter(weft_par par, void *arg)
{
	struct split *s = arg;

	split_run(par, s, s->piece);
}

/* By the bytes of the piece, too: the next one may be much larger. FNV-1a, by Fowler, Noll
 * and Vo. */
static uintptr_t split_key(const weft_split *split, const unsigned char *piece)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < split->size; i++)
		hash = (hash ^ piece[i]) * UINT64_C(0x100000001b3);
	return weft__loop_key((uintptr_t)split->body, split->context) ^ (uintptr_t)hash;
}

int weft_par_split(const void *piece, const weft_split *split, const weft_par_opts *opts)
{
	WEFT_ALIGNED(64) unsigned char whole[WEFT_REDUCE_MAX];
	struct split s = { .how = split, .piece = whole };

	if (!weft__reduce_size_ok(split->size))
		return -EINVAL;
	memcpy(whole, piece, split->size);
	weft__forks_start(split_key(split, whole), 1, &s.error, split_enter, &s, opts);
	return weft_load_relaxed(&s.error);
}

/* ---- walk --------------------------------------------------------------------------------- */

enum { CHILDREN = 16 };

struct weft_nodes {
	void **all;
	size_t count, room;
	bool failed;
	void *few[CHILDREN];
};

struct walk {
	const weft_walk *how;
	void *root;
	weft_atomic_i32 error;
};

void weft_nodes_push(weft_nodes *children, void *node)
{
	if (children->count == children->room) {
		void **more = weft__alloc(children->room * 2 * sizeof(*more));

		if (!more) {
			children->failed = true;
			return;
		}
		memcpy(more, children->all, children->count * sizeof(*more));
		if (children->all != children->few)
			weft__release(children->all);
		children->all = more;
		children->room *= 2;
	}
	children->all[children->count++] = node;
}

struct siblings {
	weft_job job;
	struct walk *walk;
	void *const *nodes;
	size_t count;
};

static void siblings_run(weft_par par, struct walk *w, void *const *nodes, size_t count);

static void siblings_job(weft_par par, weft_job *job)
{
	struct siblings *s = weft_container_of(job, struct siblings, job);

	siblings_run(par, s->walk, s->nodes, s->count);
}

static void node_run(weft_par par, struct walk *w, void *node)
{
	weft_nodes children = { .all = children.few, .room = CHILDREN };

	if (weft__error_seen(&w->error))
		return;
	weft__error_note(&w->error, w->how->enter(w->how->context, node, &children));
	if (children.failed)
		weft__error_note(&w->error, -ENOMEM);
	if (children.count > 0)
		siblings_run(par, w, children.all, children.count);
	if (children.all != children.few)
		weft__release(children.all);
	if (w->how->leave && weft_load_relaxed(&w->error) == 0)
		weft__error_note(&w->error, w->how->leave(w->how->context, node));
}

static void siblings_run(weft_par par, struct walk *w, void *const *nodes, size_t count)
{
	struct siblings upper = { .walk = w };
	weft_par inner;

	if (count == 1) {
		node_run(par, w, nodes[0]);
		return;
	}
	upper.count = count / 2;
	upper.nodes = nodes + (count - upper.count);
	inner = weft__fork(par, &upper.job, siblings_job);
	siblings_run(inner, w, nodes, count - upper.count);
	weft__join(par, &upper.job, siblings_job);
}

static void walk_enter(weft_par par, void *arg)
{
	struct walk *w = arg;

	node_run(par, w, w->root);
}

int weft_par_walk(void *root, const weft_walk *walk, const weft_par_opts *opts)
{
	struct walk w = { .how = walk, .root = root };
	uintptr_t key = weft__loop_key((uintptr_t)walk->enter ^ (uintptr_t)root, walk->context);

	weft__forks_start(key, 1, &w.error, walk_enter, &w, opts);
	return weft_load_relaxed(&w.error);
}
