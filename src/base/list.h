/* SPDX-License-Identifier: MIT */
/*
 * An intrusive, circular, doubly linked list.
 *
 * The node lives in the object, so linking allocates nothing and cannot fail;
 * weft_container_of() leads back to the object. Two properties are kept so that
 * lists can sit in caller-owned, all-zero objects:
 *
 *   - a list of all zeros is an empty list (its root is tied on the first push);
 *   - a node is linked exactly when its `next` is not NULL: removing a node
 *     clears it, and a node must be all zeros before it is first used.
 *
 * A list that is not empty must not be moved: its nodes point at its root. No
 * operation synchronises; a lock of the owner guards the list.
 *
 *     for (n = weft__list_first(l); n; n = weft__list_next(l, n)) ...
 *
 * To remove while walking, take the next node first.
 */
#ifndef WEFT_BASE_LIST_H
#define WEFT_BASE_LIST_H

#include "base/assert.h"

struct weft__list_node {
	struct weft__list_node *next;
	struct weft__list_node *prev;
};

struct weft__list {
	struct weft__list_node root;
};

static inline void weft__list_init(struct weft__list *list)
{
	list->root.next = &list->root;
	list->root.prev = &list->root;
}

static inline bool weft__list_empty(const struct weft__list *list)
{
	return !list->root.next || list->root.next == &list->root;
}

static inline bool weft__list_linked(const struct weft__list_node *node)
{
	return node->next != NULL;
}

/* The neighbours of a node and the ends of the list; NULL where there is none. */

static inline struct weft__list_node *weft__list_next(const struct weft__list *list,
						      const struct weft__list_node *node)
{
	return node->next == &list->root ? NULL : node->next;
}

static inline struct weft__list_node *weft__list_prev(const struct weft__list *list,
						      const struct weft__list_node *node)
{
	return node->prev == &list->root ? NULL : node->prev;
}

static inline struct weft__list_node *weft__list_first(const struct weft__list *list)
{
	return weft__list_next(list, &list->root);
}

static inline struct weft__list_node *weft__list_last(const struct weft__list *list)
{
	return weft__list_prev(list, &list->root);
}

/* Links `node` before or after `place`, a node that is linked. */

static inline void weft__list_insert_before(struct weft__list_node *place,
					    struct weft__list_node *node)
{
	WEFT__DEBUG_ASSERT(!node->next && !node->prev, "a list node was linked twice");
	node->next = place;
	node->prev = place->prev;
	place->prev->next = node;
	place->prev = node;
}

static inline void weft__list_insert_after(struct weft__list_node *place,
					   struct weft__list_node *node)
{
	weft__list_insert_before(place->next, node);
}

static inline void weft__list_push_back(struct weft__list *list, struct weft__list_node *node)
{
	if (!list->root.next)
		weft__list_init(list);
	weft__list_insert_before(&list->root, node);
}

static inline void weft__list_push_front(struct weft__list *list, struct weft__list_node *node)
{
	if (!list->root.next)
		weft__list_init(list);
	weft__list_insert_after(&list->root, node);
}

/* Unlinks a node that is linked, from whichever list it is in. */
static inline void weft__list_remove(struct weft__list_node *node)
{
	WEFT__DEBUG_ASSERT(node->next && node->next->prev == node && node->prev->next == node,
			   "a list is torn, or a node was removed twice");
	node->next->prev = node->prev;
	node->prev->next = node->next;
	node->next = NULL;
	node->prev = NULL;
}

/* Removes and returns the first or the last node; NULL when the list is empty. */

static inline struct weft__list_node *weft__list_pop_front(struct weft__list *list)
{
	struct weft__list_node *node = weft__list_first(list);

	if (node)
		weft__list_remove(node);
	return node;
}

static inline struct weft__list_node *weft__list_pop_back(struct weft__list *list)
{
	struct weft__list_node *node = weft__list_last(list);

	if (node)
		weft__list_remove(node);
	return node;
}

/* Moves all of `from` to the end of `to`, in order; `from` is empty then. The two
 * are different lists. */
static inline void weft__list_splice_back(struct weft__list *to, struct weft__list *from)
{
	if (weft__list_empty(from))
		return;
	if (!to->root.next)
		weft__list_init(to);
	from->root.next->prev = to->root.prev;
	to->root.prev->next = from->root.next;
	from->root.prev->next = &to->root;
	to->root.prev = from->root.prev;
	weft__list_init(from);
}

#endif
