/* SPDX-License-Identifier: MIT */
/*
 * Histories of the library's objects, compared with sequential ones: whatever the
 * order of steps, the results are those of calls made one by one.
 */
#include "rig.h"

#include <errno.h>

#include <weft.h>

#define CHAN "src/chan src/wait include/weft"
#define SYNC "include/weft src/sync src/wait"

static const int64_t SOON = 5 * WEFT_SECOND;

struct shared {
	weft_chan *chan;
	weft_semaphore semaphore;
	weft_event event;
	weft_mutex mutex;
	int value;
};

/* Added to the capacity: of one sender and one receiver. */
enum { SPSC = 1000 };

static struct shared *shared_new(size_t capacity)
{
	struct shared *s = weft_check_alloc(sizeof(*s));

	weft_chan_opts opts = { .spsc = capacity > SPSC };

	capacity = capacity > SPSC ? capacity - SPSC : capacity;
	WEFT_CHECK(weft_chan_new(&s->chan, sizeof(int), capacity == 99 ? WEFT_UNBOUNDED : capacity,
				 &opts) == 0);
	return s;
}

static void shared_free(struct shared *s)
{
	weft_chan_release(s->chan);
	weft_check_free(s);
}

/* ---- channels ----------------------------------------------------------------- */

static void send_one(struct shared *s, int value, int64_t deadline)
{
	int call = weft_check_call_begin(WEFT_CHECK_SEND, 0, value);

	weft_check_call_end(call, weft_chan_send_until(s->chan, &value, deadline));
}

static void recv_one(struct shared *s, int64_t deadline)
{
	int call = weft_check_call_begin(WEFT_CHECK_RECV, 0, 0), value = 0;
	int err = weft_chan_recv_until(s->chan, &value, deadline);

	weft_check_call_end(call, err ? err : value);
}

static void close_it(void *arg)
{
	struct shared *s = arg;
	int call = weft_check_call_begin(WEFT_CHECK_CLOSE, 0, 0);

	weft_check_call_end(call, weft_chan_close(s->chan));
}

static void send_two(void *arg)
{
	send_one(arg, 1, SOON);
	send_one(arg, 2, SOON);
}

static void send_three(void *arg)
{
	send_one(arg, 3, SOON);
}

static void recv_two(void *arg)
{
	recv_one(arg, SOON);
	recv_one(arg, SOON);
}

static void history_of_two(void *arg)
{
	struct shared *s = shared_new((size_t)arg);

	SPAWN(send_two, s);
	recv_two(s);
	weft_check_join(1);
	weft_check_linearizable(&weft_check_channel);
	shared_free(s);
}

static void history_with_close(void *arg)
{
	struct shared *s = shared_new((size_t)arg);

	SPAWN(send_three, s);
	SPAWN(close_it, s);
	recv_two(s);
	weft_check_join(1);
	weft_check_join(2);
	weft_check_linearizable(&weft_check_channel);
	shared_free(s);
}

static void history_of_two_senders(void *arg)
{
	struct shared *s = shared_new((size_t)arg);

	SPAWN(send_two, s);
	SPAWN(send_three, s);
	recv_two(s);
	weft_check_join(1);
	weft_check_join(2);
	recv_one(s, 0);
	weft_check_linearizable(&weft_check_channel);
	shared_free(s);
}

#define FLAVOURS(ident, ...)                                                                 \
	MODEL_OF(rendezvous_##ident, ident, .arg = (void *)0, .covers = CHAN, __VA_ARGS__);  \
	MODEL_OF(ring_##ident, ident, .arg = (void *)1, .covers = CHAN, __VA_ARGS__);        \
	MODEL_OF(ring_of_two_##ident, ident, .arg = (void *)2, .covers = CHAN, __VA_ARGS__); \
	MODEL_OF(unbounded_##ident, ident, .arg = (void *)99, .covers = CHAN, __VA_ARGS__)

FLAVOURS(history_of_two, .preemptions = 2, .preemptions_long = 3);
FLAVOURS(history_with_close, .preemptions = 1, .preemptions_long = 2);
MODEL_OF(spsc_history_of_two, history_of_two, .arg = (void *)(SPSC + 1), .covers = CHAN,
	 .preemptions = 2, .preemptions_long = 3);
MODEL_OF(spsc_history_with_close, history_with_close, .arg = (void *)(SPSC + 1), .covers = CHAN,
	 .preemptions = 1, .preemptions_long = 2);
FLAVOURS(history_of_two_senders, .preemptions = 1, .preemptions_long = 2);

/* ---- semaphore ------------------------------------------------------------------ */

static void acquire(struct shared *s, uint32_t count)
{
	int call = weft_check_call_begin(WEFT_CHECK_ACQUIRE, 0, count);

	weft_check_call_end(call, weft_semaphore_acquire_until(&s->semaphore, count, SOON));
}

static void release(struct shared *s, uint32_t count)
{
	int call = weft_check_call_begin(WEFT_CHECK_RELEASE, 0, count);

	weft_semaphore_release(&s->semaphore, count);
	weft_check_call_end(call, 0);
}

static void acquire_two(void *arg)
{
	acquire(arg, 2);
}

static void acquire_one(void *arg)
{
	acquire(arg, 1);
}

MODEL(semaphore_history, .covers = SYNC, .preemptions = 1, .preemptions_long = 2)
{
	struct shared *s = shared_new(0);

	SPAWN(acquire_two, s);
	SPAWN(acquire_one, s);
	release(s, 1);
	release(s, 1);
	weft_check_join(1);
	weft_check_join(2);
	weft_check_linearizable(&weft_check_semaphore);
	shared_free(s);
}

/* ---- event, mutex ----------------------------------------------------------------- */

static void event_look(struct shared *s)
{
	int call = weft_check_call_begin(WEFT_CHECK_IS_SET, 0, 0);

	weft_check_call_end(call, weft_event_is_set(&s->event));
}

static void event_setter(void *arg)
{
	struct shared *s = arg;
	int call = weft_check_call_begin(WEFT_CHECK_SET, 0, 0);

	weft_event_set(&s->event);
	weft_check_call_end(call, 0);
	event_look(s);
}

static void event_resetter(void *arg)
{
	struct shared *s = arg;
	int call = weft_check_call_begin(WEFT_CHECK_RESET, 0, 0);

	weft_event_reset(&s->event);
	weft_check_call_end(call, 0);
	event_look(s);
}

MODEL(event_history, .covers = SYNC, .preemptions = 2, .preemptions_long = 3)
{
	struct shared *s = shared_new(0);
	int call;

	SPAWN(event_setter, s);
	SPAWN(event_resetter, s);
	call = weft_check_call_begin(WEFT_CHECK_WAIT, 0, 0);
	weft_check_call_end(call, weft_event_wait_until(&s->event, SOON));
	weft_check_join(1);
	weft_check_join(2);
	event_look(s);
	weft_check_linearizable(&weft_check_event);
	shared_free(s);
}

static void lock_and_unlock(void *arg)
{
	struct shared *s = arg;
	int call = weft_check_call_begin(WEFT_CHECK_LOCK, 0, 0);
	int err = weft_mutex_lock_until(&s->mutex, SOON);

	weft_check_call_end(call, err);
	if (err)
		return;
	s->value++;
	call = weft_check_call_begin(WEFT_CHECK_UNLOCK, 0, 0);
	weft_mutex_unlock(&s->mutex);
	weft_check_call_end(call, 0);
}

MODEL(mutex_history, .covers = SYNC, .preemptions = 1, .preemptions_long = 2)
{
	struct shared *s = shared_new(0);

	SPAWN(lock_and_unlock, s);
	SPAWN(lock_and_unlock, s);
	lock_and_unlock(s);
	weft_check_join(1);
	weft_check_join(2);
	weft_check_linearizable(&weft_check_mutex);
	shared_free(s);
}

/* ---- a map of two keys, as a user would check one ------------------------------------ */

struct map {
	weft_atomic_u32 values[2];
};

static void map_put(struct map *m, int key, uint32_t value)
{
	int call = weft_check_call_begin(WEFT_CHECK_PUT, key, value);

	weft_check_call_end(call, weft_swap_acq_rel(&m->values[key], value));
}

static void map_get(struct map *m, int key)
{
	int call = weft_check_call_begin(WEFT_CHECK_GET, key, 0);

	weft_check_call_end(call, weft_load_acquire(&m->values[key]));
}

static void map_user(void *arg)
{
	map_put(arg, 0, 5);
	map_get(arg, 1);
	map_put(arg, 1, 6);
}

MODEL(map_history)
{
	struct map *m = weft_check_alloc(sizeof(*m));

	SPAWN(map_user, m);
	map_put(m, 1, 7);
	map_get(m, 0);
	map_put(m, 0, 8);
	weft_check_join(1);
	map_get(m, 0);
	map_get(m, 1);
	weft_check_linearizable(&weft_check_map);
	weft_check_free(m);
}
