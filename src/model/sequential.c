/* SPDX-License-Identifier: MIT */
/*
 * Sequential objects to compare histories with. A call that gave up (-EAGAIN,
 * -ETIMEDOUT, -ECANCELED) had no effect and may have done so at any time, except
 * where the object says otherwise.
 */
#include "model/model.h"

#include <errno.h>

static bool gave_up(const weft_check_call *c)
{
	return c->ended &&
	       (c->result == -EAGAIN || c->result == -ETIMEDOUT || c->result == -ECANCELED);
}

/* ---- mutex ------------------------------------------------------------------------ */

static bool mutex_step(void *state, const weft_check_call *c)
{
	uint8_t *locked = state;

	if (gave_up(c))
		return true;
	if (c->kind == WEFT_CHECK_UNLOCK) {
		if (!*locked)
			return false;
		*locked = 0;
		return true;
	}
	if (*locked)
		return false;
	*locked = 1;
	return true;
}

const weft_check_sequential weft_check_mutex = { "mutex", 1, NULL, mutex_step };

/* ---- semaphore ---------------------------------------------------------------------- */

static bool semaphore_step(void *state, const weft_check_call *c)
{
	int64_t *permits = state;

	if (gave_up(c))
		return true;
	if (c->kind == WEFT_CHECK_RELEASE) {
		*permits += c->argument;
		return true;
	}
	if (*permits < c->argument)
		return false;
	*permits -= c->argument;
	return true;
}

const weft_check_sequential weft_check_semaphore = { "semaphore", sizeof(int64_t), NULL,
						     semaphore_step };

/* ---- event ---------------------------------------------------------------------------- */

static bool event_step(void *state, const weft_check_call *c)
{
	uint8_t *set = state;

	switch (c->kind) {
	case WEFT_CHECK_SET: *set = 1; return true;
	case WEFT_CHECK_RESET: *set = 0; return true;
	case WEFT_CHECK_IS_SET: return !c->ended || c->result == *set;
	default: return gave_up(c) || *set;
	}
}

const weft_check_sequential weft_check_event = { "event", 1, NULL, event_step };

/* ---- queue and channel ------------------------------------------------------------------ */

enum { QUEUE_MOST = 14 };

struct queue {
	int64_t values[QUEUE_MOST];
	int32_t count;
	uint32_t closed;
};

static bool queue_push(struct queue *q, int64_t value)
{
	if (q->count == QUEUE_MOST)
		return false;
	q->values[q->count++] = value;
	return true;
}

static bool queue_pop(struct queue *q, const weft_check_call *c)
{
	if (q->count == 0 || (c->ended && c->result != q->values[0]))
		return false;
	q->count--;
	for (int i = 0; i < q->count; i++)
		q->values[i] = q->values[i + 1];
	q->values[q->count] = 0;
	return true;
}

/* An empty queue says so: no value, and no other time. */
static bool queue_step(void *state, const weft_check_call *c)
{
	struct queue *q = state;

	if (c->kind == WEFT_CHECK_PUSH)
		return queue_push(q, c->argument);
	if (c->ended && c->result == -EAGAIN)
		return q->count == 0;
	return queue_pop(q, c);
}

const weft_check_sequential weft_check_queue = { "queue", sizeof(struct queue), NULL, queue_step };

static bool channel_step(void *state, const weft_check_call *c)
{
	struct queue *q = state;

	if (gave_up(c))
		return true;
	if (c->kind == WEFT_CHECK_CLOSE) {
		q->closed = 1;
		return true;
	}
	if (c->kind == WEFT_CHECK_SEND) {
		if (c->ended && c->result == -EPIPE)
			return q->closed;
		return !q->closed && queue_push(q, c->argument);
	}
	if (c->ended && c->result == -EPIPE)
		return q->closed && q->count == 0;
	return queue_pop(q, c);
}

const weft_check_sequential weft_check_channel = { "channel", sizeof(struct queue), NULL,
						   channel_step };

/* ---- map: a key at a time ------------------------------------------------------------------ */

static bool map_step(void *state, const weft_check_call *c)
{
	int64_t *value = state; /* 0: not there */

	switch (c->kind) {
	case WEFT_CHECK_PUT:
		if (c->ended && c->result != *value)
			return false;
		*value = c->argument;
		return true;
	case WEFT_CHECK_REMOVE:
		if (c->ended && c->result != *value)
			return false;
		*value = 0;
		return true;
	default: return !c->ended || c->result == *value;
	}
}

const weft_check_sequential weft_check_map = { "map", sizeof(int64_t), NULL, map_step };
