/* SPDX-License-Identifier: MIT */
/*
 * Goal: what goes in comes out once and in order, across append and put-back.
 * Method: every shape of the two queues (empty, one node, several) by itself.
 */
#include "base/fifo.h"

#include "check.h"

static struct weft__fifo_node node[8];

static void push_range(struct weft__fifo *fifo, int from, int to)
{
	for (int i = from; i < to; i++)
		weft__fifo_push(fifo, &node[i]);
}

/* Takes all out, which must be the nodes from .. to - 1. */
static void check_drains(struct weft__fifo *fifo, int from, int to)
{
	for (int i = from; i < to; i++) {
		CHECK(!weft__fifo_empty(fifo));
		CHECK_PTR_EQ(weft__fifo_pop(fifo), &node[i]);
		CHECK_NULL(node[i].next);
	}
	CHECK(weft__fifo_empty(fifo));
	CHECK_NULL(weft__fifo_pop(fifo));
}

TEST(fifo_keeps_order)
{
	struct weft__fifo fifo = { 0 };

	check_drains(&fifo, 0, 0);
	push_range(&fifo, 0, 8);
	check_drains(&fifo, 0, 8);
	push_range(&fifo, 2, 3); /* again, after it ran dry */
	check_drains(&fifo, 2, 3);
}

TEST(fifo_push_front_is_next)
{
	struct weft__fifo fifo = { 0 };

	weft__fifo_push_front(&fifo, &node[1]);
	weft__fifo_push_front(&fifo, &node[0]);
	push_range(&fifo, 2, 5); /* the tail that push_front set is good */
	check_drains(&fifo, 0, 5);
}

TEST(fifo_append_keeps_order)
{
	for (int first = 0; first <= 3; first++) {
		for (int second = first; second <= first + 3; second++) {
			struct weft__fifo a = { 0 };
			struct weft__fifo b = { 0 };

			push_range(&a, 0, first);
			push_range(&b, first, second);
			weft__fifo_append(&a, &b);
			CHECK(weft__fifo_empty(&b));
			push_range(&a, second, 8);
			check_drains(&a, 0, 8);
		}
	}
}
