/* SPDX-License-Identifier: MIT */
/*
 * Parallel verbs over what is no range of indices: things that can be cut in two, trees,
 * serial producers, text. What <weft/par.h> says of all verbs holds here too.
 */
#ifndef WEFT_PAR_WALK_H
#define WEFT_PAR_WALK_H

#include <weft/par.h>

WEFT_BEGIN_DECLS

/* ---- pieces that can be cut ----------------------------------------------------------- */

/* A way to cut something, and what to do with what is not to be cut any further. A piece
 * is a few bytes, moved as such, that say what belongs to it. */
typedef struct weft_split {
	size_t size; /* of a piece, bytes; 1 .. WEFT_REDUCE_MAX */

	/* False if the piece is not to be cut; else makes *piece its lower part, and *upper
	 * the other. Pieces are aligned to 64 bytes. */
	bool (*cut)(void *context, void *piece, void *upper);

	/* 0, or an error, which ends it all: pieces that are left then are dropped. */
	int (*body)(void *context, void *piece);
	void *context;
} weft_split;

/* Cuts *piece, of which a copy is made, as long as it can be cut, and calls the body for
 * all parts. 0, -EINVAL when `size` is out of bounds, -ECANCELED, or the first failure in
 * time. Needs some 400 bytes of the stack for each cut within a cut. The options' grain
 * has no meaning here. */
WEFT_API WEFT_NODISCARD int weft_par_split(const void *piece, const weft_split *split,
					   const weft_par_opts *opts);

/* Calls body(context, begin, end) for each of the pieces of [lo, hi) that lie between
 * indices which `separator` finds; it gets the same context, and finds the first of a
 * range, as for weft_par_find_first(). n separators make n + 1 pieces, of which some may
 * be empty; an empty range has none. */
WEFT_API void weft_par_pieces(size_t lo, size_t hi, weft_find_fn separator, weft_range_fn body,
			      void *context, const weft_par_opts *opts);

/* ---- trees ------------------------------------------------------------------------------ */

/* The children that a node has named; of that call of `enter` alone. */
typedef struct weft_nodes weft_nodes;

/* Adds a child, which is not NULL. Cannot fail as far as the caller is concerned: without
 * memory weft_par_walk() returns -ENOMEM. Up to 16 children need none. */
WEFT_API void weft_nodes_push(weft_nodes *children, void *node);

typedef struct weft_walk {
	/* Visits a node, and names its children. They may be made at that time, as the
	 * entries of a directory. */
	int (*enter)(void *context, void *node, weft_nodes *children);

	/* Visits it when all below it is done. NULL: nothing to do then. */
	int (*leave)(void *context, void *node);
	void *context;
} weft_walk;

/* Visits a tree: `enter` for the root and, after their parents', for all nodes that it and
 * they name. Siblings are visited in any order, and at the same time. 0, -ENOMEM,
 * -ECANCELED, or what a visit returned first in time; then the nodes that are left are
 * not visited. Needs some 400 bytes of the stack for each level. The options' grain has
 * no meaning here. */
WEFT_API WEFT_NODISCARD int weft_par_walk(void *root, const weft_walk *walk,
					  const weft_par_opts *opts);

/* ---- serial producers ------------------------------------------------------------------- */

/* Stores the next item: 1, or 0 at the end, or an error. */
typedef int (*weft_next_fn)(void *context, void *item);
typedef int (*weft_try_item_fn)(void *context, void *item);

/* Calls body(context, item) for each item that next(context, item) makes, of `size` bytes.
 * `next` is called by whoever needs work, on any thread but never twice at once, and
 * may block; so items are begun in their order. Several are fetched at once if they are
 * done in microseconds. At the end or after a failure it is not called again. 0, -EINVAL
 * for a size of 0, -ENOMEM for items of more than 4 KiB, -ECANCELED, or what next or body
 * returned first in time; items that were fetched are dropped then. */
WEFT_API WEFT_NODISCARD int weft_par_bridge(size_t size, weft_next_fn next, weft_try_item_fn body,
					    void *context, const weft_par_opts *opts);

/* ---- text -------------------------------------------------------------------------------- */

/* Calls body(context, line, length) for each line of a text, without its newline. Text that
 * ends in a newline has no line after it. The grain counts bytes. */
typedef void (*weft_line_fn)(void *context, const char *line, size_t length);
WEFT_API void weft_par_lines(const char *text, size_t length, weft_line_fn body, void *context,
			     const weft_par_opts *opts);

/* Where the first line begins that begins at `at` or later, `length` if there is none. A
 * body that gets a range of bytes, of any verb, does the lines that begin in it if it
 * takes both ends through this. */
WEFT_API size_t weft_line_start(const char *text, size_t length, size_t at);

WEFT_END_DECLS

#endif
