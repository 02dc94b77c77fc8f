/* SPDX-License-Identifier: MIT */
/*
 * Connections of the simulated network: a link between two ends, with a stream in each
 * direction.
 *
 * What is written becomes a segment with the moment at which it arrives, and it waits
 * behind the one in front of it. It is read from then on, unless one of the hosts is cut off
 * just then. The end of a stream is a segment without bytes. A reset takes effect for
 * both ends at once, and what was under way is lost.
 */
#include <errno.h>
#include <string.h>

#include "base/assert.h"
#include "base/time.h"
#include "io/sim.h"
#include "rt/rt.h"

struct segment {
	struct weft__list_node node;
	int64_t arrives;
	size_t size, begin; /* of size 0: the end */
	char bytes[];
};

struct stream {
	struct weft__sim_link *link;
	struct weft__list segments;
	size_t bytes;  /* under way */
	bool ended;    /* by its writer */
	bool unwanted; /* its reader has gone */
	weft_waitq readers, writers;
	struct weft__sim_spot readable, writable;
};

struct end {
	weft_conn base;
	struct weft__sim_link *link;
	int side;
	bool told; /* of the reset */
};

struct weft__sim_link {
	struct weft__list_node node;
	weft_sim *sim;
	char host[2][WEFT__SIM_NAME];
	weft_address address[2];
	struct stream stream[2]; /* by the side that writes */
	struct end end[2];
	int open;
	bool reset;
};

static struct end *of(const weft_conn *conn)
{
	return weft_container_of((weft_conn *)(uintptr_t)conn, struct end, base);
}

static struct segment *first(const struct stream *s)
{
	struct weft__list_node *node = weft__list_first(&s->segments);

	return node ? weft_container_of(node, struct segment, node) : NULL;
}

static void stream_empty(struct stream *s)
{
	struct weft__list_node *node;

	while ((node = weft__list_pop_front(&s->segments)))
		weft__release(weft_container_of(node, struct segment, node));
	s->bytes = 0;
}

static void stream_changed(struct stream *s)
{
	weft__sim_changed(&s->readers);
	weft__sim_changed(&s->writers);
}

static bool link_is_cut(const struct weft__sim_link *link)
{
	return weft__sim_is_cut(link->sim, link->host[0]) ||
	       weft__sim_is_cut(link->sim, link->host[1]);
}

static void link_reset(struct weft__sim_link *link)
{
	link->reset = true;
	for (int i = 0; i < 2; i++) {
		stream_empty(&link->stream[i]);
		stream_changed(&link->stream[i]);
	}
}

/* When the next segment may be read; WEFT_NEVER if that depends on others. */
static int64_t readable_due(const struct weft__sim_spot *spot)
{
	const struct stream *s = weft_container_of(spot, const struct stream, readable);
	const struct segment *segment = first(s);

	return segment && !link_is_cut(s->link) ? segment->arrives : WEFT_NEVER;
}

static bool is_readable(const struct weft__sim_spot *spot)
{
	const struct stream *s = weft_container_of(spot, const struct stream, readable);

	return s->link->reset || s->unwanted || readable_due(spot) <= weft_now();
}

static bool is_writable(const struct weft__sim_spot *spot)
{
	const struct stream *s = weft_container_of(spot, const struct stream, writable);

	return s->link->reset || s->ended || s->unwanted || s->bytes < s->link->sim->opts.buffer;
}

/* Adds a segment: of bytes from the pieces, or the end. */
static bool stream_send(struct stream *s, const weft_iovec *pieces, size_t size)
{
	struct segment *segment = weft__alloc(sizeof(*segment) + size);
	size_t at = 0;

	if (!segment)
		return false;
	for (; at < size; pieces++) {
		size_t n = pieces->size < size - at ? pieces->size : size - at;

		memcpy(segment->bytes + at, pieces->base, n);
		at += n;
	}
	segment->node = (struct weft__list_node){ .next = NULL };
	segment->begin = 0;
	segment->size = size;
	segment->arrives = weft__time_add(weft_now(), weft__sim_delay(s->link->sim));
	s->bytes += size;
	weft__list_push_back(&s->segments, &segment->node);
	weft__sim_changed(&s->readers);
	return true;
}

/* ---- the kind ------------------------------------------------------------------------------ */

/* 0, or what a call says when the link was reset: that once, then what there is. */
static int end_trouble(struct end *end, int later)
{
	if (!end->link->reset)
		return 1;
	if (end->told)
		return later;
	end->told = true;
	return -ECONNRESET;
}

static size_t segment_take(struct segment *segment, char *to, size_t size)
{
	const size_t left = segment->size - segment->begin;
	const size_t n = size < left ? size : left;

	memcpy(to, segment->bytes + segment->begin, n);
	segment->begin += n;
	return n;
}

static int64_t sim_read(weft_conn *conn, const weft_iovec *pieces, int count, size_t size)
{
	struct end *end = of(conn);
	struct stream *s = &end->link->stream[1 - end->side];
	struct segment *segment = first(s);
	const int trouble = end_trouble(end, 0);
	size_t most, moved = 0;

	(void)count;
	if (trouble <= 0)
		return trouble;
	if (s->unwanted)
		return 0;
	if (!is_readable(&s->readable))
		return -EAGAIN;
	if (segment->size == 0)
		return 0;
	most = size < segment->size - segment->begin ? size : segment->size - segment->begin;
	most = weft__sim_portion(end->link->sim, most);
	for (; moved < most; pieces++)
		moved += segment_take(segment, pieces->base,
				      pieces->size < most - moved ? pieces->size : most - moved);
	s->bytes -= moved;
	if (segment->begin == segment->size) {
		weft__list_remove(&segment->node);
		weft__release(segment);
	}
	weft__sim_changed(&s->writers);
	return (int64_t)moved;
}

static int64_t sim_write(weft_conn *conn, const weft_iovec *pieces, int count, size_t size)
{
	struct end *end = of(conn);
	struct stream *s = &end->link->stream[end->side];
	weft_sim *sim = end->link->sim;
	const int trouble = end_trouble(end, -EPIPE);
	size_t room;

	(void)count;
	if (trouble <= 0)
		return trouble;
	if (s->ended || s->unwanted)
		return -EPIPE;
	if (!is_writable(&s->writable))
		return -EAGAIN;
	if (sim->opts.reset_per_million &&
	    weft__rng_below(&sim->rng, 1000000) < sim->opts.reset_per_million) {
		link_reset(end->link);
		return end_trouble(end, -EPIPE);
	}
	room = sim->opts.buffer - s->bytes;
	size = weft__sim_portion(sim, size < room ? size : room);
	return stream_send(s, pieces, size) ? (int64_t)size : -ENOMEM;
}

static struct weft__sim_spot *spot_of(weft_conn *conn, enum weft_side side)
{
	struct end *end = of(conn);

	return side == WEFT_READABLE ? &end->link->stream[1 - end->side].readable
				     : &end->link->stream[end->side].writable;
}

static int sim_wait(weft_conn *conn, enum weft_side side, int64_t deadline)
{
	return weft__sim_wait(spot_of(conn, side), deadline);
}

static weft_case sim_ready(weft_conn *conn, enum weft_side side)
{
	return weft__sim_case(spot_of(conn, side));
}

static int sim_shutdown(weft_conn *conn, enum weft_shutdown how)
{
	struct end *end = of(conn);
	struct stream *out = &end->link->stream[end->side];
	struct stream *in = &end->link->stream[1 - end->side];

	if (end->link->reset)
		return -ENOTCONN;
	if (how != WEFT_SHUTDOWN_WRITE) {
		in->unwanted = true;
		stream_empty(in);
		stream_changed(in);
	}
	if (how != WEFT_SHUTDOWN_READ && !out->ended) {
		if (!stream_send(out, NULL, 0))
			return -ENOMEM;
		out->ended = true;
		stream_changed(out);
	}
	return 0;
}

/* As with TCP: who closes with bytes unread resets. */
static void sim_close(weft_conn *conn, bool abort)
{
	struct end *end = of(conn);
	struct weft__sim_link *link = end->link;
	const struct stream *in = &link->stream[1 - end->side];

	if (abort || in->bytes > 0 || sim_shutdown(conn, WEFT_SHUTDOWN_BOTH) == -ENOMEM)
		link_reset(link);
	if (--link->open > 0)
		return;
	stream_empty(&link->stream[0]);
	stream_empty(&link->stream[1]);
	weft__list_remove(&link->node);
	weft__release(link);
}

static int sim_set(weft_conn *conn, enum weft_conn_option option, int value)
{
	(void)conn;
	return option > WEFT_USER_TIMEOUT || value < 0 ? -EINVAL : 0;
}

static int sim_get(const weft_conn *conn, enum weft_conn_option option, int *value)
{
	*value = 0;
	if (option == WEFT_SEND_BUFFER || option == WEFT_RECV_BUFFER)
		*value = (int)of(conn)->link->sim->opts.buffer;
	return option > WEFT_USER_TIMEOUT ? -EINVAL : 0;
}

static void sim_address(const weft_conn *conn, bool peer, weft_address *out)
{
	const struct end *end = of(conn);

	*out = end->link->address[peer ? 1 - end->side : end->side];
}

static int sim_fd(const weft_conn *conn)
{
	(void)conn;
	return -1;
}

static const struct weft__conn_kind sim_kind = {
	.name = "simulated",
	.read = sim_read,
	.write = sim_write,
	.wait = sim_wait,
	.ready = sim_ready,
	.shutdown = sim_shutdown,
	.close = sim_close,
	.set = sim_set,
	.get = sim_get,
	.address = sim_address,
	.fd = sim_fd,
};

/* ---- links ----------------------------------------------------------------------------------- */

int weft__sim_link_make(weft_sim *sim, const weft_address addresses[2], weft_conn *ends[2])
{
	struct weft__sim_link *link = weft__alloc_zero(1, sizeof(*link));

	if (!link)
		return -ENOMEM;
	link->sim = sim;
	link->open = 2;
	for (int i = 0; i < 2; i++) {
		struct stream *s = &link->stream[i];
		const char *name = weft__sim_address_name(&addresses[i]);

		link->address[i] = addresses[i];
		memcpy(link->host[i], name, strcspn(name, ":"));
		s->link = link;
		weft__list_init(&s->segments);
		s->readable = (struct weft__sim_spot){ &s->readers, is_readable, readable_due };
		s->writable = (struct weft__sim_spot){ &s->writers, is_writable, NULL };
		link->end[i] = (struct end){ { &sim_kind }, link, i, false };
		ends[i] = &link->end[i].base;
	}
	weft__list_push_back(&sim->links, &link->node);
	return 0;
}

int weft__sim_links_changed(weft_sim *sim, const char *host, bool reset)
{
	struct weft__list_node *node = weft__list_first(&sim->links);
	int count = 0;

	for (; node; node = weft__list_next(&sim->links, node)) {
		struct weft__sim_link *link = weft_container_of(node, struct weft__sim_link, node);

		if (strcmp(link->host[0], host) != 0 && strcmp(link->host[1], host) != 0)
			continue;
		count++;
		if (reset)
			link_reset(link);
		for (int i = 0; i < 2; i++)
			stream_changed(&link->stream[i]);
	}
	return count;
}
