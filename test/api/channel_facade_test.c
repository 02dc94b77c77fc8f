/* SPDX-License-Identifier: MIT */
/*
 * Goal: the typed facade of <weft/channel.h> does what the channel does, for
 * scalars, structs and pointers. The same in C++: cxx_test.sh.
 */
#include <weft.h>

#include "check.h"

#include <errno.h>

struct point {
	double x, y;
	char name[13];
};

WEFT_CHAN_DEFINE(int_chan, int);
WEFT_CHAN_DEFINE(point_chan, struct point);
WEFT_CHAN_DEFINE(text_chan, const char *);

TEST(facade_tells_the_size_of_its_type)
{
	int_chan ints;
	point_chan points;

	CHECK_EQ(int_chan_new(&ints, 4), 0);
	CHECK_EQ(point_chan_new(&points, WEFT_UNBOUNDED), 0);
	CHECK_EQ(weft_chan_element_size(ints.chan), sizeof(int));
	CHECK_EQ(weft_chan_element_size(points.chan), sizeof(struct point));
	CHECK_EQ(weft_chan_capacity(points.chan), WEFT_UNBOUNDED);
	int_chan_release(ints);
	point_chan_release(points);
	CHECK_EQ(int_chan_new(&ints, SIZE_MAX - 1), -EINVAL);
	CHECK_NULL(ints.chan);
}

TEST(facade_sends_and_receives_values)
{
	const struct point here = { .x = 1, .y = 2, .name = "here" };
	struct point there;
	point_chan points;

	CHECK_EQ(point_chan_new(&points, 1), 0);
	CHECK_EQ(point_chan_send(points, here), 0);
	CHECK_EQ(point_chan_try_send(points, here), -EAGAIN);
	CHECK_EQ(point_chan_send_until(points, here, 0), -ETIMEDOUT);
	CHECK_EQ(point_chan_recv(points, &there), 0);
	CHECK(there.x == 1 && there.y == 2);
	CHECK_STR_EQ(there.name, "here");
	CHECK_EQ(point_chan_try_recv(points, &there), -EAGAIN);
	CHECK_EQ(point_chan_recv_until(points, &there, 0), -ETIMEDOUT);
	CHECK_EQ(point_chan_try_send(points, here), 0);
	CHECK(point_chan_close(points));
	CHECK(!point_chan_close(points));
	CHECK_EQ(point_chan_send(points, here), -EPIPE);
	CHECK_EQ(point_chan_recv_until(points, &there, 0), 0);
	CHECK_EQ(point_chan_recv(points, &there), -EPIPE);
	point_chan_release(points);
}

TEST(facade_makes_select_cases)
{
	const char *out = "a word", *in = NULL;
	weft_case cases[2];
	text_chan a, b;

	CHECK_EQ(text_chan_new(&a, 1), 0);
	CHECK_EQ(text_chan_new(&b, 1), 0);
	cases[0] = text_chan_case_recv(a, &in);
	cases[1] = text_chan_case_send(b, &out);
	CHECK_EQ(weft_select(cases, 2, WEFT_NEVER), 1);
	CHECK_EQ(weft_select_try(cases, 2), -EAGAIN);
	CHECK_EQ(text_chan_send(a, out), 0);
	CHECK_EQ(weft_select(cases, 2, WEFT_NEVER), 0);
	CHECK_EQ(cases[0].result, 0);
	CHECK_PTR_EQ(in, out);
	text_chan_release(a);
	text_chan_release(b);
}
