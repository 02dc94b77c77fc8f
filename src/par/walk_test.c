/* SPDX-License-Identifier: MIT */
/*
 * Goal: all that can be reached by cutting, walking, fetching is done once, in the order
 * that is promised, and stops at a failure. Method: ranges that are cut at odd places;
 * trees that are a formula; producers that count; all with idle workers about.
 */
#include "weft/par_walk.h"

#include <errno.h>
#include <string.h>

#include "par/rig_test.h"
#include "weft/cancel.h"
#include "weft/event.h"

static weft_atomic_u32 seen[RIG_MOST + 1];
static size_t total, fail_at;

static void seen_check(size_t n, uint32_t times)
{
	for (size_t i = 0; i <= RIG_MOST; i++) {
		CHECK_EQ(weft_load_relaxed(&seen[i]), i < n ? times : 0);
		weft_store_relaxed(&seen[i], 0);
	}
}

static void seen_clear(void)
{
	memset(seen, 0, sizeof(seen));
}

/* ---- split ------------------------------------------------------------------------------ */

struct piece {
	size_t lo, hi;
};

static bool cut(void *context, void *piece, void *upper)
{
	struct piece *p = piece, *u = upper;
	size_t middle = p->lo + (p->hi - p->lo) / 3;

	CHECK_EQ((uintptr_t)piece % 64 + (uintptr_t)upper % 64, 0);
	if (p->hi - p->lo <= *(size_t *)context)
		return false;
	*u = (struct piece){ middle, p->hi };
	p->hi = middle;
	return true;
}

static int tick(void *context, void *piece)
{
	const struct piece *p = piece;

	CHECK_LE(p->hi - p->lo, *(size_t *)context);
	for (size_t i = p->lo; i < p->hi; i++) {
		rig_dawdle(i);
		weft_add_relaxed(&seen[i], 1);
		if (i == fail_at)
			return -EBADF;
	}
	return 0;
}

static void split_check(size_t n, const weft_par_opts *opts)
{
	size_t most = 5;
	weft_split split = { sizeof(struct piece), cut, tick, &most };
	struct piece all = { 0, n };

	fail_at = SIZE_MAX;
	CHECK_EQ(weft_par_split(&all, &split, opts), 0);
	seen_check(n, 1);
	fail_at = n / 2;
	CHECK_EQ(weft_par_split(&all, &split, opts), n ? -EBADF : 0);
	seen_clear();
	split.size = WEFT_REDUCE_MAX + 1;
	CHECK_EQ(weft_par_split(&all, &split, opts), -EINVAL);
}

TEST(par_split_does_all_pieces_once)
{
	rig_run(split_check);
}

/* ---- walk --------------------------------------------------------------------------------- */

/* Node i, which is named by the address of seen[i], has the children i * 40 + 1 .. 40. */
enum { DEGREE = 40 };

static int enter(void *context, void *node, weft_nodes *children)
{
	size_t i = (size_t)((weft_atomic_u32 *)node - seen), parent = (i - 1) / DEGREE;

	rig_dawdle(i);
	CHECK_PTR_EQ(context, &total);
	CHECK_EQ(weft_add_relaxed(&seen[i], 1), 0);
	CHECK(i == 0 || weft_load_relaxed(&seen[parent]) == 1);
	for (size_t k = i * DEGREE + 1; k <= (i + 1) * DEGREE && k < total; k++)
		weft_nodes_push(children, &seen[k]);
	return i == fail_at ? -EBADF : 0;
}

static int leave(void *context, void *node)
{
	size_t i = (size_t)((weft_atomic_u32 *)node - seen);

	(void)context;
	CHECK_EQ(weft_add_relaxed(&seen[i], 1), 1);
	for (size_t k = i * DEGREE + 1; k <= (i + 1) * DEGREE && k < total; k++)
		CHECK_EQ(weft_load_relaxed(&seen[k]), 2);
	return 0;
}

static void walk_check(size_t n, const weft_par_opts *opts)
{
	weft_walk walk = { enter, leave, &total };

	total = n;
	if (n == 0)
		return;
	fail_at = SIZE_MAX;
	CHECK_EQ(weft_par_walk(&seen[0], &walk, opts), 0);
	seen_check(n, 2);
	fail_at = 0;
	CHECK_EQ(weft_par_walk(&seen[0], &walk, opts), -EBADF);
	CHECK_EQ(weft_load_relaxed(&seen[0]), 1); /* and not left */
	seen_check(1, 1);
	fail_at = SIZE_MAX;
	walk.leave = NULL;
	CHECK_EQ(weft_par_walk(&seen[0], &walk, opts), 0);
	seen_check(n, 1);
	fail_at = n / 2;
	CHECK_EQ(weft_par_walk(&seen[0], &walk, opts), -EBADF);
	seen_clear();
}

TEST(par_walk_enters_from_above_and_leaves_from_below)
{
	rig_run(walk_check);
}

/* ---- bridge ------------------------------------------------------------------------------- */

struct produce {
	size_t made, most;
	size_t error_at;
	weft_atomic_u32 inside;
};

static int make(void *context, void *item)
{
	struct produce *p = context;

	CHECK_EQ(weft_add_relaxed(&p->inside, 1), 0);
	if (p->made == p->error_at)
		return -EPIPE;
	if (p->made == p->most)
		return 0; /* `inside` stays: a further call fails */
	*(size_t *)item = p->made++;
	weft_sub_relaxed(&p->inside, 1);
	return 1;
}

static int consume(void *context, void *item)
{
	size_t i = *(size_t *)item;

	(void)context;
	rig_dawdle(i);
	CHECK_EQ(weft_add_relaxed(&seen[i], 1), 0);
	return i == fail_at ? -EBADF : 0;
}

static void bridge_check(size_t n, const weft_par_opts *opts)
{
	struct produce p = { .most = n, .error_at = SIZE_MAX };

	fail_at = SIZE_MAX;
	CHECK_EQ(weft_par_bridge(sizeof(size_t), make, consume, &p, opts), 0);
	seen_check(n, 1);
	fail_at = n / 2;
	p = (struct produce){ .most = n, .error_at = SIZE_MAX };
	CHECK_EQ(weft_par_bridge(sizeof(size_t), make, consume, &p, opts), n ? -EBADF : 0);
	seen_clear();
	fail_at = SIZE_MAX;
	p = (struct produce){ .most = n, .error_at = n / 2 };
	CHECK_EQ(weft_par_bridge(sizeof(size_t), make, consume, &p, opts), -EPIPE);
	seen_clear();
}

TEST(par_bridge_takes_each_item_once)
{
	rig_run(bridge_check);
}

/* Two must be at work at the same time, or it never ends. */
static weft_event both;
static weft_atomic_u32 at_work;

static int wait_for_other(void *context, void *item)
{
	(void)context, (void)item;
	if (weft_add_relaxed(&at_work, 1) == 1)
		weft_event_set(&both);
	return weft_event_wait(&both);
}

TEST(par_bridge_is_shared)
{
	weft_par_opts opts = { .grain = 1 };

	CHECK_EQ(weft_pool_new(&opts.pool, &(weft_pool_opts){ .workers = 2 }), 0);
	for (int round = 0; round < 50; round++) {
		struct produce p = { .most = 3, .error_at = SIZE_MAX };

		weft_event_reset(&both);
		weft_store_relaxed(&at_work, 0);
		CHECK_EQ(weft_par_bridge(sizeof(size_t), make, wait_for_other, &p, &opts), 0);
		CHECK_EQ(weft_load_relaxed(&at_work), 3);
	}
	weft_pool_free(opts.pool);
}

struct large {
	size_t number;
	char rest[10000];
};

static int consume_large(void *context, void *item)
{
	struct large *l = item;

	memset(l->rest, 7, sizeof(l->rest));
	return consume(context, &l->number);
}

TEST(par_bridge_takes_items_of_any_size)
{
	struct produce p = { .most = 100, .error_at = SIZE_MAX };

	fail_at = SIZE_MAX;
	CHECK_EQ(weft_par_bridge(sizeof(struct large), make, consume_large, &p, NULL), 0);
	seen_check(100, 1);
	CHECK_EQ(weft_par_bridge(0, make, consume_large, &p, NULL), -EINVAL);
}

/* ---- cancelled ------------------------------------------------------------------------------ */

TEST(par_walks_do_not_begin_in_a_cancelled_scope)
{
	size_t most = 5;
	weft_split split = { sizeof(struct piece), cut, tick, &most };
	weft_walk walk = { enter, leave, &total };
	struct produce p = { .most = 10, .error_at = SIZE_MAX };
	struct piece all = { 0, 10 };
	weft_token token, *outer;

	total = 10;
	weft_token_init(&token, NULL);
	weft_token_cancel(&token);
	outer = weft_ambient_set(&token);
	CHECK_EQ(weft_par_split(&all, &split, NULL), -ECANCELED);
	CHECK_EQ(weft_par_walk(&seen[0], &walk, NULL), -ECANCELED);
	CHECK_EQ(weft_par_bridge(sizeof(size_t), make, consume, &p, NULL), -ECANCELED);
	weft_ambient_set(outer);
	weft_token_fini(&token);
	seen_check(0, 0);
}
