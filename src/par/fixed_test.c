/* SPDX-License-Identifier: MIT */
/*
 * Goal: weft_par_reduce_fixed() gives the same bits whatever the number of workers, and
 * those of the tree that its header describes.
 * Method: sums of floats, in which each order of additions shows, against a tree that is
 * built here by carrying, as one counts in binary.
 */
#include <errno.h>
#include <string.h>

#include "par/rig_test.h"

static float number(size_t i)
{
	return (float)(i * 2654435761u % 1000003) / 977.0f;
}

static void sum_body(void *context, size_t lo, size_t hi, void *accumulator)
{
	float sum = *(float *)accumulator;

	(void)context;
	for (size_t i = lo; i < hi; i++) {
		rig_dawdle(i);
		sum += number(i);
	}
	*(float *)accumulator = sum;
}

static void sum_combine(void *context, void *left, const void *right)
{
	(void)context;
	CHECK_EQ((uintptr_t)right % 64, 0);
	*(float *)left += *(const float *)right;
}

static const float zero;
static const weft_reduce sum = {
	.size = sizeof(float), .identity = &zero, .body = sum_body, .combine = sum_combine
};

/* Leaves are pushed; two trees of the same size become one. What is left in the end is
 * combined from the right. */
static float tree(size_t lo, size_t hi, size_t leaf)
{
	float stack[64];
	size_t count = 0, depth = 0;

	for (size_t i = lo; i < hi; i += leaf < hi - i ? leaf : hi - i) {
		float f = 0;

		sum_body(NULL, i, leaf < hi - i ? i + leaf : hi, &f);
		for (size_t c = count++; c & 1; c >>= 1)
			f = stack[--depth] + f;
		stack[depth++] = f;
	}
	if (depth == 0)
		return 0;
	for (; depth > 1; depth--)
		stack[depth - 2] += stack[depth - 1];
	return stack[0];
}

static void fixed_check(size_t n, const weft_par_opts *opts)
{
	for (size_t leaf = 0; leaf < 5000; leaf = leaf * 17 + 1) {
		float want = tree(11, 11 + n, leaf ? leaf : 4096), got = -1;

		CHECK_EQ(weft_par_reduce_fixed(11, 11 + n, leaf, &sum, &got, opts), 0);
		CHECK_MEM_EQ(&got, &want, sizeof(got));
	}
}

TEST(par_reduce_fixed_is_the_same_bit_by_bit)
{
	rig_run(fixed_check);
}

TEST(par_reduce_fixed_differs_from_another_order)
{
	float fixed;

	CHECK_EQ(weft_par_reduce_fixed(0, RIG_MOST, 1, &sum, &fixed, NULL), 0);
	CHECK(fixed != tree(0, RIG_MOST, RIG_MOST));
}

TEST(par_reduce_fixed_refuses_sizes_out_of_bounds)
{
	weft_reduce bad = sum;
	float got = 3;

	bad.size = 0;
	CHECK_EQ(weft_par_reduce_fixed(0, 10, 0, &bad, &got, NULL), -EINVAL);
	bad.size = WEFT_REDUCE_MAX + 1;
	CHECK_EQ(weft_par_reduce_fixed(0, 10, 0, &bad, &got, NULL), -EINVAL);
	CHECK(got == 3);
	CHECK_EQ(weft_par_reduce_fixed(7, 6, 0, &sum, &got, NULL), 0);
	CHECK(got == 0);
}
