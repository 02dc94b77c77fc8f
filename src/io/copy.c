/* SPDX-License-Identifier: MIT */
/*
 * Copying between connections, one way and both, by one party: each direction is a flow
 * with a buffer, that goes on as far as it can without waiting; then all flows are waited
 * for in one select.
 */
#include <errno.h>

#include "io/conn.h"
#include "rt/rt.h"
#include "weft/cancel.h"
#include "weft/select.h"

enum { BUFFER = 64 * 1024 };

struct flow {
	weft_conn *from, *to;
	char *buffer;
	size_t begin, end; /* of what was read and not written yet */
	int64_t moved;
	bool over;
	enum weft_side side; /* what it waits for */
};

/* One try: a count, 0 at the end, -EAGAIN, or why the flow cannot go on. */
static int64_t flow_fill(struct flow *flow)
{
	const weft_iovec piece = { flow->buffer, BUFFER };
	int64_t n = flow->from->kind->read(flow->from, &piece, 1, BUFFER);

	flow->side = WEFT_READABLE;
	if (n > 0) {
		flow->begin = 0;
		flow->end = (size_t)n;
	} else if (n == 0) {
		int err = weft_conn_shutdown(flow->to, WEFT_SHUTDOWN_WRITE);

		/* A pipe has no way to say so, and a peer that has gone needs no telling. */
		flow->over = true;
		n = err == -EOPNOTSUPP || err == -ENOTCONN ? 0 : err;
	}
	return n;
}

static int64_t flow_drain(struct flow *flow)
{
	const weft_iovec piece = { flow->buffer + flow->begin, flow->end - flow->begin };
	int64_t n = flow->to->kind->write(flow->to, &piece, 1, piece.size);

	flow->side = WEFT_WRITABLE;
	if (n > 0) {
		flow->begin += (size_t)n;
		flow->moved += n;
	}
	return n;
}

/* As far as it gets, but no longer than a few buffers, so that the other flow has its
 * turn: 1 if there may be more at once, 0 if it must wait or is over, or -errno. */
static int flow_run(struct flow *flow)
{
	for (int turns = 0; turns < 8 && !flow->over; turns++) {
		int64_t n = flow->begin == flow->end ? flow_fill(flow) : flow_drain(flow);

		if (n == -EAGAIN)
			return 0;
		if (n < 0)
			return (int)n;
	}
	return !flow->over;
}

static weft_case flow_case(const struct flow *flow)
{
	return weft_case_conn(flow->side == WEFT_READABLE ? flow->from : flow->to, flow->side);
}

static int flows_wait(struct flow *flows, int count, int64_t deadline)
{
	weft_case cases[2];
	int n = 0, chosen;

	for (int i = 0; i < count; i++)
		if (!flows[i].over)
			cases[n++] = flow_case(&flows[i]);
	chosen = weft_select(cases, n, deadline);
	return chosen < 0 ? chosen : cases[chosen].result;
}

/* Between turns that did not have to wait. */
static int flows_look_up(int64_t deadline)
{
	if (weft_cancelled())
		return -ECANCELED;
	return deadline != WEFT_NEVER && weft_now() >= deadline ? -ETIMEDOUT : 0;
}

static int flows_run(struct flow *flows, int count, int64_t deadline)
{
	for (;;) {
		bool over = true, busy = false;
		int err;

		for (int i = 0; i < count; i++) {
			err = flow_run(&flows[i]);
			if (err < 0)
				return err;
			busy |= err > 0;
			over &= flows[i].over;
		}
		if (over)
			return 0;
		(void)weft__budget_spend();
		if (busy)
			err = flows_look_up(deadline);
		else
			err = flows_wait(flows, count, deadline);
		if (err < 0)
			return err;
	}
}

static int copy(struct flow *flows, int count, int64_t deadline)
{
	char *buffers = weft__alloc((size_t)count * BUFFER);
	int err;

	if (!buffers)
		return -ENOMEM;
	for (int i = 0; i < count; i++)
		flows[i].buffer = buffers + (size_t)i * BUFFER;
	err = flows_run(flows, count, deadline);
	weft__release(buffers);
	return err;
}

int weft_conn_copy_until(weft_conn *from, weft_conn *to, int64_t *copied, int64_t deadline)
{
	struct flow flow = { .from = from, .to = to };
	int err = copy(&flow, 1, deadline);

	if (copied)
		*copied = flow.moved;
	return err;
}

int weft_conn_copy_both_until(weft_conn *a, weft_conn *b, int64_t *a_to_b, int64_t *b_to_a,
			      int64_t deadline)
{
	struct flow flows[] = { { .from = a, .to = b }, { .from = b, .to = a } };
	int err = copy(flows, 2, deadline);

	if (a_to_b)
		*a_to_b = flows[0].moved;
	if (b_to_a)
		*b_to_a = flows[1].moved;
	return err;
}
