/* SPDX-License-Identifier: MIT */
/*
 * An intrusive, singly linked queue: two words for the queue and one a node.
 *
 * For nodes that leave from the front only; list.h is for the rest. All zeros is
 * an empty queue, and an empty or full queue may be moved. No operation
 * synchronises.
 */
#ifndef WEFT_BASE_FIFO_H
#define WEFT_BASE_FIFO_H

#include "weft/base.h"

struct weft__fifo_node {
	struct weft__fifo_node *next;
};

/* `tail` is meaningful only while `head` is not NULL. */
struct weft__fifo {
	struct weft__fifo_node *head;
	struct weft__fifo_node *tail;
};

static inline bool weft__fifo_empty(const struct weft__fifo *fifo)
{
	return !fifo->head;
}

static inline void weft__fifo_push(struct weft__fifo *fifo, struct weft__fifo_node *node)
{
	node->next = NULL;
	if (fifo->head)
		fifo->tail->next = node;
	else
		fifo->head = node;
	fifo->tail = node;
}

/* In front of everybody, for a node that must be put back. */
static inline void weft__fifo_push_front(struct weft__fifo *fifo, struct weft__fifo_node *node)
{
	node->next = fifo->head;
	if (!fifo->head)
		fifo->tail = node;
	fifo->head = node;
}

/* Removes and returns the oldest node; NULL when there is none. */
static inline struct weft__fifo_node *weft__fifo_pop(struct weft__fifo *fifo)
{
	struct weft__fifo_node *node = fifo->head;

	if (node) {
		fifo->head = node->next;
		node->next = NULL;
	}
	return node;
}

/* Moves all of `from` behind the last of `to`; `from` is empty then. */
static inline void weft__fifo_append(struct weft__fifo *to, struct weft__fifo *from)
{
	if (!from->head)
		return;
	if (to->head)
		to->tail->next = from->head;
	else
		to->head = from->head;
	to->tail = from->tail;
	from->head = NULL;
}

#endif
