/* SPDX-License-Identifier: MIT */
/*
 * Threads, their records and scopes, and the counted ends of channels: things that
 * several let go of at once, and that one of them has to clear away.
 */
#include "rig.h"

#include <errno.h>

#include <weft.h>

#include "sys/sys.h"

#define THREAD "src/thread include/weft"
#define CHAN "src/chan include/weft"

/* ---- threads ---------------------------------------------------------------------- */

struct noted {
	uint64_t id;
	int value;
};

static void note_own_id(void *arg)
{
	struct noted *n = arg;
	weft_thread *self = weft_thread_current();

	WEFT_CHECK(self != NULL);
	n->id = weft_thread_id(self);
}

/* Both make the key under which a record is found at the end of a thread, and each
 * gets a number of its own. */
MODEL(thread_ids_differ, .covers = THREAD)
{
	struct noted *n = weft_check_alloc(2 * sizeof(*n));

	SPAWN(note_own_id, &n[1]);
	note_own_id(&n[0]);
	weft_check_join(1);
	WEFT_CHECK(n[0].id != n[1].id && n[0].id > 0 && n[1].id > 0);
	weft_check_free(n);
}

/* Whoever lets go of the record last gives it back, the thread or its owner. */
static int note_value(void *arg)
{
	((struct noted *)arg)->value = 3;
	return 7;
}

MODEL(thread_is_detached_as_it_ends, .covers = THREAD)
{
	struct noted *n = weft_check_alloc(sizeof(*n));
	weft_thread *t;

	WEFT_CHECK(weft_thread_spawn(&t, note_value, n, NULL) == 0);
	if (weft_thread_is_finished(t))
		WEFT_CHECK(n->value == 3);
	weft_thread_detach(t);
	weft_check_join(1);
	weft_check_free(n);
}

/* What was done before the unpark is seen after the park. */
static int park_and_look(void *arg)
{
	struct noted *n = arg;
	int err = weft_thread_park();

	if (err == 0)
		WEFT_CHECK(n->value == 5);
	return err;
}

MODEL(park_sees_what_came_before, .covers = THREAD, .preemptions = 3)
{
	struct noted *n = weft_check_alloc(sizeof(*n));
	weft_thread *t;
	int result;

	WEFT_CHECK(weft_thread_spawn(&t, park_and_look, n, NULL) == 0);
	n->value = 5;
	weft_thread_unpark(t);
	WEFT_CHECK(weft_thread_join(t, &result) == 0 && result == 0);
	weft_check_free(n);
}

/* The permit of an unpark is taken together with what was done before it: a thread that
 * looks, and parks if there is nothing, misses nobody. */
struct awaited {
	weft_atomic_u32 flag;
	weft_thread *thread;
};

static int park_for_flag(void *arg)
{
	struct awaited *a = arg;

	while (!weft_load_relaxed(&a->flag))
		WEFT_CHECK(weft_thread_park() == 0);
	return 0;
}

static void unpark_for_nothing(void *arg)
{
	weft_thread_unpark(((struct awaited *)arg)->thread);
}

MODEL(park_misses_no_unpark, .covers = THREAD, .preemptions = 2)
{
	struct awaited *a = weft_check_alloc(sizeof(*a));
	int result;

	WEFT_CHECK(weft_thread_spawn(&a->thread, park_for_flag, a, NULL) == 0);
	SPAWN(unpark_for_nothing, a);
	weft_store_relaxed(&a->flag, 1);
	weft_thread_unpark(a->thread);
	weft_check_join(2);
	WEFT_CHECK(weft_thread_join(a->thread, &result) == 0 && result == 0);
	weft_check_free(a);
}

/* After close no thread of the scope is left, the end of its thread-locals included. */
static void touch_at_end(void *arg)
{
	((struct noted *)arg)->value++;
}

static struct weft__thread_key end_key;

static int leaves_late(void *arg)
{
	return weft__thread_key_set(end_key, arg);
}

MODEL(scope_close_leaves_no_thread, .covers = THREAD, .preemptions = 2)
{
	struct noted *a = weft_check_alloc(sizeof(*a)), *b = weft_check_alloc(sizeof(*b));
	weft_scope scope;

	WEFT_CHECK(weft__thread_key_init(&end_key, touch_at_end) == 0);
	weft_scope_open(&scope);
	WEFT_CHECK(weft_scope_spawn_thread(&scope, leaves_late, a, NULL) == 0);
	WEFT_CHECK(weft_scope_spawn_thread(&scope, leaves_late, b, NULL) == 0);
	WEFT_CHECK(weft_scope_close(&scope) == 0);
	WEFT_CHECK(a->value == 1 && b->value == 1);
	weft_check_free(a);
	weft_check_free(b);
}

/* ---- the ends of channels ------------------------------------------------------------ */

struct ends {
	weft_chan *chan;
	int written[2];
};

static void sender_comes_and_goes(void *arg)
{
	struct ends *e = arg;

	weft_chan_add_sender(e->chan);
	weft_chan_drop_sender(e->chan);
}

static void receiver_comes_and_goes(void *arg)
{
	struct ends *e = arg;

	weft_chan_add_receiver(e->chan);
	weft_chan_drop_receiver(e->chan);
}

/* As long as there is one end the channel is open, however many come and go. */
static void ends_come_and_go(void *arg)
{
	void (*const visitor)(void *) = (int)(intptr_t)arg ? receiver_comes_and_goes
							   : sender_comes_and_goes;
	struct ends *e = weft_check_alloc(sizeof(*e));

	WEFT_CHECK(weft_chan_new(&e->chan, sizeof(int), 1, NULL) == 0);
	weft_chan_add_sender(e->chan);
	weft_chan_add_receiver(e->chan);
	SPAWN(visitor, e);
	visitor(e);
	weft_check_join(1);
	WEFT_CHECK(!weft_chan_is_closed(e->chan));
	if ((int)(intptr_t)arg)
		weft_chan_drop_receiver(e->chan);
	else
		weft_chan_drop_sender(e->chan);
	WEFT_CHECK(weft_chan_is_closed(e->chan));
	if ((int)(intptr_t)arg)
		weft_chan_drop_sender(e->chan);
	else
		weft_chan_drop_receiver(e->chan);
	weft_chan_release(e->chan);
	weft_check_free(e);
}

MODEL_OF(chan_senders_come_and_go, ends_come_and_go, .arg = (void *)0, .covers = CHAN,
	 .preemptions = 3);
MODEL_OF(chan_receivers_come_and_go, ends_come_and_go, .arg = (void *)1, .covers = CHAN,
	 .preemptions = 3);

/* Who finds the channel closed by its senders sees what each did before it went. */
static void writer_goes(struct ends *e, int index)
{
	e->written[index] = 1;
	weft_chan_drop_sender(e->chan);
}

static void other_writer(void *arg)
{
	writer_goes(arg, 1);
}

static void first_writer(void *arg)
{
	writer_goes(arg, 0);
}

MODEL(chan_close_by_the_last_publishes_all, .covers = CHAN, .preemptions = 3)
{
	struct ends *e = weft_check_alloc(sizeof(*e));
	int value;

	WEFT_CHECK(weft_chan_new(&e->chan, sizeof(int), 1, NULL) == 0);
	weft_chan_add_sender(e->chan);
	weft_chan_add_sender(e->chan);
	SPAWN(first_writer, e);
	SPAWN(other_writer, e);
	if (weft_chan_try_recv(e->chan, &value) == -EPIPE)
		WEFT_CHECK(e->written[0] == 1 && e->written[1] == 1);
	weft_check_join(1);
	weft_check_join(2);
	weft_chan_release(e->chan);
	weft_check_free(e);
}

static void keep_for_a_while(void *arg)
{
	weft_chan *chan = weft_chan_retain(arg);

	weft_chan_release(chan);
}

MODEL(chan_is_retained_by_two, .covers = CHAN, .preemptions = 3)
{
	weft_chan *chan;

	WEFT_CHECK(weft_chan_new(&chan, sizeof(int), 1, NULL) == 0);
	SPAWN(keep_for_a_while, chan);
	keep_for_a_while(chan);
	weft_check_join(1);
	weft_chan_release(chan);
}

/* ---- the corners of the unbounded channel --------------------------------------------- */

/* Under the checker a segment has two cells. Sends or receives so many, without company. */
static void pass(weft_chan *chan, int sends, int receives)
{
	int value = 1;

	while (sends-- > 0)
		WEFT_CHECK(weft_chan_try_send(chan, &value) == 0);
	while (receives-- > 0)
		WEFT_CHECK(weft_chan_try_recv(chan, &value) == 0);
}

static weft_chan *unbounded_new(void)
{
	weft_chan *chan;

	WEFT_CHECK(weft_chan_new(&chan, sizeof(int), WEFT_UNBOUNDED, NULL) == 0);
	return chan;
}

static void recv_two(void *arg)
{
	pass(arg, 0, 2);
}

/* A sender takes the spare segment while a receiver puts another one there. */
MODEL(unbounded_spare_is_given_and_taken, .covers = CHAN, .preemptions = 3)
{
	weft_chan *chan = unbounded_new();

	pass(chan, 2, 2);
	pass(chan, 4, 2);
	pass(chan, 1, 0);
	SPAWN(recv_two, chan);
	pass(chan, 2, 0);
	weft_check_join(1);
	pass(chan, 0, 3);
	WEFT_CHECK(weft_chan_len(chan) == 0);
	weft_chan_release(chan);
}

/* One claims the last cell while another comes for the first of the next segment. */
static void send_once(void *arg)
{
	pass(arg, 1, 0);
}

MODEL(unbounded_next_segment_is_found, .covers = CHAN, .preemptions = 3)
{
	weft_chan *chan = unbounded_new();

	pass(chan, 1, 0);
	SPAWN(send_once, chan);
	pass(chan, 1, 0);
	weft_check_join(1);
	pass(chan, 0, 3);
	weft_chan_release(chan);
}

/* One takes a value, and before it is out another ends that segment and the next. */
static void recv_three(void *arg)
{
	pass(arg, 0, 3);
}

MODEL(unbounded_segment_stays_for_a_slow_receiver, .covers = CHAN, .preemptions = 3)
{
	weft_chan *chan = unbounded_new();

	pass(chan, 2, 2);
	pass(chan, 4, 0);
	SPAWN(recv_three, chan);
	pass(chan, 0, 1);
	weft_check_join(1);
	weft_chan_release(chan);
}

/* Two receivers are through with a segment each, and the later one is faster. */
MODEL(unbounded_segments_end_out_of_order, .covers = CHAN, .preemptions = 3)
{
	weft_chan *chan = unbounded_new();

	pass(chan, 5, 1);
	SPAWN(recv_two, chan);
	pass(chan, 0, 1);
	weft_check_join(1);
	pass(chan, 0, 1);
	weft_chan_release(chan);
}

static void close_it(void *arg)
{
	weft_chan_close(arg);
}

/* A close comes while a sender claims the last cell of a segment: it stays closed. */
MODEL(unbounded_close_at_a_last_cell, .covers = CHAN)
{
	weft_chan *chan = unbounded_new();
	int value = 1, err;

	pass(chan, 1, 0);
	SPAWN(close_it, chan);
	err = weft_chan_try_send(chan, &value);
	weft_check_join(1);
	WEFT_CHECK(err == 0 || err == -EPIPE);
	WEFT_CHECK(weft_chan_is_closed(chan));
	pass(chan, 0, err == 0 ? 2 : 1);
	WEFT_CHECK(weft_chan_try_recv(chan, &value) == -EPIPE);
	weft_chan_release(chan);
}

/* ---- what an outsider sees ---------------------------------------------------------------- */

static void send_one(void *arg)
{
	pass(arg, 1, 0);
}

static void try_recv_one(void *arg)
{
	int value;

	(void)!weft_chan_try_recv(arg, &value);
}

static void length_is_possible(void *arg)
{
	size_t capacity = (size_t)arg;
	weft_chan *chan;

	WEFT_CHECK(weft_chan_new(&chan, sizeof(int), capacity == 99 ? WEFT_UNBOUNDED : capacity,
				 NULL) == 0);
	SPAWN(send_one, chan);
	SPAWN(try_recv_one, chan);
	WEFT_CHECK(weft_chan_len(chan) <= 1);
	weft_check_join(1);
	weft_check_join(2);
	weft_chan_release(chan);
}

MODEL_OF(ring_length_is_possible, length_is_possible, .arg = (void *)3, .covers = CHAN,
	 .preemptions = 3);
MODEL_OF(unbounded_length_is_possible, length_is_possible, .arg = (void *)99, .covers = CHAN,
	 .preemptions = 3);

static void recv_then_send(void *arg)
{
	pass(arg, 0, 1);
	pass(arg, 1, 0);
}

MODEL(ring_length_is_possible_around_the_end, .covers = CHAN, .preemptions = 3)
{
	weft_chan *chan;
	size_t length;

	WEFT_CHECK(weft_chan_new(&chan, sizeof(int), 3, NULL) == 0);
	pass(chan, 3, 0);
	SPAWN(recv_then_send, chan);
	length = weft_chan_len(chan);
	WEFT_CHECK(length == 2 || length == 3);
	weft_check_join(1);
	weft_chan_release(chan);
}

/* One sends, writes and closes; whoever is refused sees what was written. */
static void send_write_close(void *arg)
{
	struct ends *e = arg;

	pass(e->chan, 1, 0);
	e->written[0] = 1;
	weft_chan_close(e->chan);
}

MODEL(ring_refusal_after_a_detour_publishes, .covers = CHAN)
{
	struct ends *e = weft_check_alloc(sizeof(*e));
	int value = 2;

	WEFT_CHECK(weft_chan_new(&e->chan, sizeof(int), 2, NULL) == 0);
	SPAWN(send_write_close, e);
	if (weft_chan_try_send(e->chan, &value) == -EPIPE)
		WEFT_CHECK(e->written[0] == 1);
	weft_check_join(1);
	weft_chan_release(e->chan);
	weft_check_free(e);
}
