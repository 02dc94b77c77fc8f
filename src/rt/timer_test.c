/* SPDX-License-Identifier: MIT */
/*
 * The timer wheel beside a reference that cannot be wrong: an array that is
 * searched from end to end. Random adding, removing and advancing over all
 * magnitudes of time; then the edges one by one.
 */
#include "rt/timer.h"

#include <stdlib.h>

#include "base/rng.h"
#include "check.h"

/* ---- the reference ---------------------------------------------------------------- */

enum { TIMERS = 200 };

struct subject {
	struct weft__timer timer;
	uint64_t order; /* of adding, over all timers */
	bool expected;  /* the reference holds it to be armed */
	bool fired;
};

struct world {
	struct weft__wheel wheel;
	int64_t now, tick;
	struct subject subjects[TIMERS];
	uint64_t adds;
	struct weft__rng rng;
	/* What fired last in this advance. */
	int64_t last_deadline;
	uint64_t last_order;
	int64_t reached; /* by the advance before: what is due by then has no order */
};

static struct world world;

/* Rounded up to a tick, without overflow. */
static uint64_t round_up(int64_t deadline)
{
	uint64_t tick = (uint64_t)world.tick;

	return deadline <= 0 ? 0 : ((uint64_t)deadline + tick - 1) / tick;
}

static void note(struct weft__timer *timer)
{
	struct subject *s = weft_container_of(timer, struct subject, timer);
	int64_t at = timer->deadline;

	CHECK(!weft__timer_armed(timer));
	CHECK(s->expected);
	CHECK_LE(at, world.now);
	if (at > world.reached) {
		uint64_t before = round_up(world.last_deadline), here = round_up(at);

		CHECK_LE(before, here);
		if (before == here && world.last_deadline > world.reached)
			CHECK_LT(world.last_order, s->order);
		world.last_deadline = at;
		world.last_order = s->order;
	}
	s->expected = false;
	s->fired = true;
}

static void world_begin(bool exact, int64_t now, uint64_t seed)
{
	world = (struct world){ .now = now, .tick = exact ? 1 : 65536, .reached = now };
	weft__rng_seed(&world.rng, seed);
	if (exact)
		weft__wheel_init_exact(&world.wheel, now);
	else
		weft__wheel_init(&world.wheel, now);
	for (int i = 0; i < TIMERS; i++)
		world.subjects[i].timer.fire = note;
}

/* A span of any magnitude from 0 to 2^62 ns. */
static int64_t random_span(void)
{
	unsigned bits = weft__rng_below(&world.rng, 63);

	return (int64_t)(weft__rng_next(&world.rng) & ((UINT64_C(1) << bits) - 1));
}

static int64_t saturate(int64_t point, int64_t span)
{
	return span > WEFT_NEVER - 1 - point ? WEFT_NEVER - 1 : point + span;
}

static void toggle(struct subject *s)
{
	if (s->expected) {
		weft__wheel_remove(&world.wheel, &s->timer);
		s->expected = false;
		CHECK(!weft__timer_armed(&s->timer));
		return;
	}
	switch (weft__rng_below(&world.rng, 8)) {
	case 0: s->timer.deadline = world.now - random_span() % (world.now + 1); break;
	case 1:
		s->timer.deadline = WEFT_NEVER - 1 - (int64_t)weft__rng_below(&world.rng, 70000);
		break;
	default: s->timer.deadline = saturate(world.now, random_span());
	}
	s->order = ++world.adds;
	s->expected = true;
	weft__wheel_add(&world.wheel, &s->timer);
}

static int64_t first_deadline(void)
{
	int64_t first = WEFT_NEVER;

	for (int i = 0; i < TIMERS; i++)
		if (world.subjects[i].expected && world.subjects[i].timer.deadline < first)
			first = world.subjects[i].timer.deadline;
	return first;
}

/* After an advance nothing may be left that was due a whole tick ago. */
static void advance(int64_t now)
{
	int fired = 0;
	int result;

	for (int i = 0; i < TIMERS; i++)
		world.subjects[i].fired = false;
	world.now = now;
	world.last_deadline = 0;
	result = weft__wheel_advance(&world.wheel, now);
	for (int i = 0; i < TIMERS; i++)
		fired += world.subjects[i].fired;
	CHECK_EQ(result, fired);
	world.reached = now;
	if (now == WEFT_NEVER - 1)
		CHECK_EQ(first_deadline(), WEFT_NEVER);
	else
		CHECK_GT(first_deadline(), now - world.tick);
}

static void check_next(void)
{
	int64_t next = weft__wheel_next(&world.wheel), first = first_deadline();

	CHECK_GE(next, world.wheel.soonest);
	if (first == WEFT_NEVER)
		CHECK_EQ(next, WEFT_NEVER);
	else if (first > world.now)
		CHECK_LE(next, saturate(first, world.tick - 1));
}

static void random_life(bool exact, uint64_t seed)
{
	int64_t now;

	world_begin(exact, 1000000000, seed);
	now = world.now;
	for (int step = 0; step < 300 && now < WEFT_NEVER - 1; step++) {
		int64_t next;

		for (int i = (int)weft__rng_below(&world.rng, 20); i > 0; i--)
			toggle(&world.subjects[weft__rng_below(&world.rng, TIMERS)]);
		check_next();
		next = weft__wheel_next(&world.wheel);
		/* Sleep as a worker does, or for long, or hardly. */
		if (weft__rng_below(&world.rng, 3) && next > now && next < WEFT_NEVER)
			now = next;
		else
			now = saturate(now, random_span() >> weft__rng_below(&world.rng, 40));
		advance(now);
	}
	advance(WEFT_NEVER - 1);
	CHECK_EQ(weft__wheel_next(&world.wheel), WEFT_NEVER);
}

TEST(wheel_does_as_a_sorted_reference)
{
	for (uint64_t seed = 0; seed < 400; seed++)
		random_life(seed & 1, seed);
}

/* ---- the edges ------------------------------------------------------------------- */

static struct subject *add(int i, int64_t deadline)
{
	struct subject *s = &world.subjects[i];

	s->timer.deadline = deadline;
	s->order = ++world.adds;
	s->expected = true;
	weft__wheel_add(&world.wheel, &s->timer);
	return s;
}

TEST(wheel_never_fires_early)
{
	const int64_t start = 5000000000;

	for (int64_t span = 1; span < WEFT_NEVER / 4; span = span * 3 + 1) {
		struct subject *s;
		int64_t due;

		world_begin(false, start, 1);
		s = add(0, start + span);
		advance(start + span - 1);
		CHECK(!s->fired);
		due = (int64_t)(round_up(start + span) * 65536);
		CHECK_EQ(weft__wheel_next(&world.wheel), due);
		advance(due - 1);
		CHECK(!s->fired);
		advance(due);
		CHECK(s->fired);
	}
}

TEST(wheel_reaches_a_far_timer_in_one_step_per_level)
{
	int steps = 0;

	world_begin(false, 1000, 1);
	for (int i = 0; i < 100; i++)
		add(i, 3600 * WEFT_SECOND + i * WEFT_US);
	for (int64_t now = 0; now < 3600 * WEFT_SECOND; steps++) {
		now = weft__wheel_next(&world.wheel);
		advance(now);
	}
	CHECK_LE(steps, 10);
}

TEST(wheel_loses_nothing_in_a_long_sleep)
{
	world_begin(false, 0, 1);
	for (int i = 0; i < TIMERS; i++)
		add(i, INT64_C(1) << (i % 60));
	advance(INT64_C(1) << 61);
	CHECK_EQ(first_deadline(), WEFT_NEVER);
	CHECK_EQ(weft__wheel_next(&world.wheel), WEFT_NEVER);
}

TEST(wheel_fires_at_the_end_of_time)
{
	for (int exact = 0; exact < 2; exact++) {
		world_begin(exact, 12345, 1);
		add(0, WEFT_NEVER - 1);
		CHECK_EQ(weft__wheel_next(&world.wheel), WEFT_NEVER - 1);
		advance(WEFT_NEVER - 2);
		CHECK(!world.subjects[0].fired);
		advance(WEFT_NEVER - 1);
		CHECK(world.subjects[0].fired);
	}
}

TEST(wheel_takes_a_deadline_that_has_passed)
{
	world_begin(true, 1000, 1);
	CHECK(!weft__wheel_due(&world.wheel, 1000));
	add(0, 1000);
	add(1, 0);
	add(2, -5);
	CHECK(weft__wheel_due(&world.wheel, 1000));
	CHECK_EQ(weft__wheel_next(&world.wheel), 1000);
	advance(1000);
	CHECK(world.subjects[0].fired && world.subjects[1].fired && world.subjects[2].fired);
}

TEST(wheel_forgets_what_is_removed)
{
	world_begin(false, 1000, 1);
	for (int i = 0; i < TIMERS; i++)
		add(i, WEFT_MS << (i % 30));
	for (int i = 0; i < TIMERS; i++) {
		weft__wheel_remove(&world.wheel, &world.subjects[i].timer);
		world.subjects[i].expected = false;
	}
	CHECK_EQ(weft__wheel_next(&world.wheel), WEFT_NEVER);
	advance(WEFT_NEVER - 1);
}

TEST(wheel_does_not_follow_a_clock_that_goes_back)
{
	world_begin(true, 1000, 1);
	advance(5000);
	CHECK_EQ(weft__wheel_advance(&world.wheel, 4500), 0);
	add(0, 4800);
	CHECK_EQ(weft__wheel_next(&world.wheel), 5000);
	CHECK_EQ(weft__wheel_advance(&world.wheel, 4500), 1);
}

/* ---- what fires may do ------------------------------------------------------------ */

static struct {
	struct weft__wheel wheel;
	struct weft__timer timers[3];
	int64_t now;
	int fired;
} meddler;

static void again(struct weft__timer *timer)
{
	meddler.fired++;
	weft__wheel_add(&meddler.wheel, timer);
}

TEST(wheel_leaves_what_is_due_again_for_the_next_call)
{
	meddler.fired = 0;
	weft__wheel_init_exact(&meddler.wheel, 1);
	meddler.timers[0] = (struct weft__timer){ .deadline = 10, .fire = again };
	weft__wheel_add(&meddler.wheel, &meddler.timers[0]);
	for (int i = 1; i < 5; i++) {
		CHECK_EQ(weft__wheel_advance(&meddler.wheel, 20), 1);
		CHECK_EQ(meddler.fired, i);
		CHECK(weft__wheel_due(&meddler.wheel, 20));
		CHECK_LE(weft__wheel_next(&meddler.wheel), 20);
	}
	weft__wheel_remove(&meddler.wheel, &meddler.timers[0]);
	CHECK_EQ(weft__wheel_next(&meddler.wheel), WEFT_NEVER);
}

static void remove_the_others(struct weft__timer *timer)
{
	meddler.fired++;
	for (int i = 0; i < 3; i++)
		if (&meddler.timers[i] != timer)
			weft__wheel_remove(&meddler.wheel, &meddler.timers[i]);
}

/* One of them is due in the same advance, one is in a slot. */
TEST(wheel_lets_a_timer_disarm_others)
{
	const int64_t deadlines[] = { 10, 11, 100000 };

	meddler.fired = 0;
	weft__wheel_init_exact(&meddler.wheel, 1);
	for (int i = 0; i < 3; i++) {
		meddler.timers[i] = (struct weft__timer){ .deadline = deadlines[i],
							  .fire = remove_the_others };
		weft__wheel_add(&meddler.wheel, &meddler.timers[i]);
	}
	CHECK_EQ(weft__wheel_advance(&meddler.wheel, 50), 1);
	CHECK_EQ(meddler.fired, 1);
	CHECK_EQ(weft__wheel_next(&meddler.wheel), WEFT_NEVER);
}

static void release(struct weft__timer *timer)
{
	meddler.fired++;
	free(timer);
}

TEST(wheel_lets_a_timer_be_freed_as_it_fires)
{
	meddler.fired = 0;
	weft__wheel_init_exact(&meddler.wheel, 1);
	for (int i = 0; i < 100; i++) {
		struct weft__timer *t = calloc(1, sizeof(*t));

		CHECK_NOT_NULL(t);
		t->deadline = 10 + i % 7;
		t->fire = release;
		weft__wheel_add(&meddler.wheel, t);
	}
	CHECK_EQ(weft__wheel_advance(&meddler.wheel, 50), 100);
}
