/* SPDX-License-Identifier: MIT */
/*
 * The simulated network: hosts, listeners, and the way to a connection.
 *
 * To connect takes a delay to the listener, which must be there when it ends, and after
 * that one back. A connection lies in the listener's backlog from the moment at which
 * it arrives there.
 */
#include "io/sim.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/time.h"
#include "rt/rt.h"
#include "weft/thread.h"

#define LOCAL static __thread __attribute__((tls_model("initial-exec")))
LOCAL weft_sim *network; /* of the worker that this thread is */

struct cut {
	struct weft__list_node node;
	char host[WEFT__SIM_NAME];
};

/* ---- addresses ---------------------------------------------------------------------- */

/* No family of the system's has this number. */
static const unsigned char mark[2] = { 0xff, 0xff };

bool weft__sim_is_text(const char *text)
{
	return strncmp(text, "sim:", 4) == 0;
}

bool weft__sim_is_address(const weft_address *address)
{
	return address->size > sizeof(mark) && memcmp(address->bytes, mark, sizeof(mark)) == 0;
}

const char *weft__sim_address_name(const weft_address *address)
{
	return (const char *)address->bytes + sizeof(mark);
}

int weft__sim_address_read(weft_address *out, const char *text)
{
	const char *name = text + 4, *colon = strchr(name, ':');
	const size_t length = strlen(name);
	char *end;
	long port;

	memset(out, 0, sizeof(*out));
	if (!colon || colon == name || colon - name >= WEFT__SIM_NAME || colon[1] < '0' ||
	    colon[1] > '9')
		return -EINVAL;
	port = strtol(colon + 1, &end, 10);
	if (*end || port > 65535 || end - colon > 6)
		return -EINVAL;
	memcpy(out->bytes, mark, sizeof(mark));
	memcpy(out->bytes + sizeof(mark), name, length + 1);
	out->size = (uint32_t)(sizeof(mark) + length + 1);
	return 0;
}

void weft__sim_address_write(const weft_address *address, char *text, size_t size)
{
	snprintf(text, size, "sim:%s", weft__sim_address_name(address));
}

int weft__sim_address_port(const weft_address *address)
{
	return atoi(strchr(weft__sim_address_name(address), ':') + 1);
}

static void address_host(const weft_address *address, char host[WEFT__SIM_NAME])
{
	const char *name = weft__sim_address_name(address);
	size_t length = strcspn(name, ":");

	memcpy(host, name, length);
	host[length] = '\0';
}

/* ---- the network -------------------------------------------------------------------- */

int weft_sim_open(weft_sim **out, const weft_sim_opts *opts)
{
	const struct weft__rt_worker *w = weft__rt_worker_self();
	weft_sim *sim;

	*out = NULL;
	if (!w || !w->deterministic)
		return -EINVAL;
	if (network)
		return -EEXIST;
	sim = weft__alloc_zero(1, sizeof(*sim));
	if (!sim)
		return -ENOMEM;
	if (opts)
		sim->opts = *opts;
	if (sim->opts.delay_most < sim->opts.delay_least)
		sim->opts.delay_most = sim->opts.delay_least;
	if (sim->opts.buffer == 0)
		sim->opts.buffer = 64 * 1024;
	weft__rng_seed(&sim->rng, sim->opts.seed);
	weft__list_init(&sim->listeners);
	weft__list_init(&sim->links);
	weft__list_init(&sim->cuts);
	(void)weft_sim_from(sim, "client");
	network = sim;
	*out = sim;
	return 0;
}

void weft_sim_close(weft_sim *sim)
{
	struct weft__list_node *node;

	if (!sim)
		return;
	WEFT__ASSERT(sim == network, "a simulated network was closed on a foreign thread");
	WEFT__ASSERT(weft__list_empty(&sim->listeners) && weft__list_empty(&sim->links) &&
			     sim->travellers == 0,
		     "a simulated network was closed while it is in use");
	while ((node = weft__list_pop_front(&sim->cuts)))
		weft__release(weft_container_of(node, struct cut, node));
	network = NULL;
	weft__release(sim);
}

int weft_sim_from(weft_sim *sim, const char *host)
{
	if (strlen(host) >= sizeof(sim->from) || strchr(host, ':'))
		return -EINVAL;
	strcpy(sim->from, host);
	return 0;
}

static struct cut *cut_find(const weft_sim *sim, const char *host)
{
	struct weft__list_node *node = weft__list_first(&sim->cuts);

	for (; node; node = weft__list_next(&sim->cuts, node)) {
		struct cut *cut = weft_container_of(node, struct cut, node);

		if (strcmp(cut->host, host) == 0)
			return cut;
	}
	return NULL;
}

bool weft__sim_is_cut(const weft_sim *sim, const char *host)
{
	return cut_find(sim, host) != NULL;
}

void weft_sim_cut(weft_sim *sim, const char *host)
{
	struct cut *cut;

	if (strlen(host) >= WEFT__SIM_NAME || cut_find(sim, host))
		return;
	cut = weft__alloc_zero(1, sizeof(*cut));
	WEFT__ASSERT(cut, "no memory to cut a simulated network");
	strcpy(cut->host, host);
	weft__list_push_back(&sim->cuts, &cut->node);
}

void weft_sim_heal(weft_sim *sim, const char *host)
{
	struct cut *cut = cut_find(sim, host);

	if (!cut)
		return;
	weft__list_remove(&cut->node);
	weft__release(cut);
	weft__sim_changed(&sim->healed);
	(void)weft__sim_links_changed(sim, host, false);
}

int weft_sim_reset(weft_sim *sim, const char *host)
{
	return weft__sim_links_changed(sim, host, true);
}

int64_t weft__sim_delay(weft_sim *sim)
{
	const uint64_t span = (uint64_t)(sim->opts.delay_most - sim->opts.delay_least);
	uint64_t extra = span ? weft__rng_next(&sim->rng) % (span + 1) : 0;

	return sim->opts.delay_least + (int64_t)extra;
}

size_t weft__sim_portion(weft_sim *sim, size_t size)
{
	if (!sim->opts.short_reads || size <= 1)
		return size;
	return 1 + (size_t)(weft__rng_next(&sim->rng) % size);
}

/* ---- waiting ------------------------------------------------------------------------ */

static bool spot_attempt(weft_case *c)
{
	const struct weft__sim_spot *spot = c->object;

	c->result = 0;
	return spot->true_now(spot);
}

static bool spot_enqueue(weft_case *c)
{
	struct weft__sim_spot *spot = c->object;
	weft_case *head = weft__waitq_lock(spot->queue);

	weft__waitq_unlock(spot->queue, weft__cases_push(head, c), 0, 0);
	return true;
}

static void spot_dequeue(weft_case *c)
{
	struct weft__sim_spot *spot = c->object;

	weft__waitq_cancel(spot->queue, c);
}

static int64_t spot_due(const weft_case *c)
{
	const struct weft__sim_spot *spot = c->object;

	return spot->due ? spot->due(spot) : WEFT_NEVER;
}

static const struct weft_source spot_source = {
	.name = "simulated network",
	.attempt = spot_attempt,
	.enqueue = spot_enqueue,
	.dequeue = spot_dequeue,
	.due = spot_due,
};

weft_case weft__sim_case(struct weft__sim_spot *spot)
{
	return weft__case_make(&spot_source, spot, NULL);
}

int weft__sim_wait(struct weft__sim_spot *spot, int64_t deadline)
{
	weft_case c = weft__sim_case(spot);

	return weft__block_one(&c, deadline, 0);
}

/* All are notified, so nobody has a chance to pass on. */
void weft__sim_changed(weft_waitq *queue)
{
	weft_case *head = weft__waitq_lock(queue);
	struct weft__wakes wakes;

	weft__wakes_init(&wakes);
	(void)weft__win_all(head, &wakes, WEFT__NOTIFIED, 0);
	weft__waitq_unlock(queue, NULL, 0, 0);
	weft__wakes_fire(&wakes);
}

/* ---- listeners ---------------------------------------------------------------------- */

struct arrival {
	struct weft__list_node node;
	weft_conn *conn;
};

struct sim_listener {
	weft_listener base;
	struct weft__list_node node;
	weft_waitq queue;
	struct weft__sim_spot spot; /* somebody is in the backlog */
	struct weft__list backlog;
};

static struct sim_listener *of(weft_listener *listener)
{
	return weft_container_of(listener, struct sim_listener, base);
}

static bool has_arrived(const struct weft__sim_spot *spot)
{
	return !weft__list_empty(&weft_container_of(spot, struct sim_listener, spot)->backlog);
}

static int sim_accept(weft_listener *listener, weft_conn **out, int64_t deadline)
{
	struct sim_listener *l = of(listener);
	struct arrival *arrival;
	int err = 0;

	*out = NULL;
	while (weft__list_empty(&l->backlog)) {
		err = weft__sim_wait(&l->spot, deadline);
		if (err < 0)
			return err;
	}
	arrival = weft_container_of(weft__list_pop_front(&l->backlog), struct arrival, node);
	*out = arrival->conn;
	weft__release(arrival);
	return 0;
}

static weft_case sim_ready(weft_listener *listener)
{
	return weft__sim_case(&of(listener)->spot);
}

static void sim_close(weft_listener *listener)
{
	struct sim_listener *l = of(listener);
	struct weft__list_node *node;

	while ((node = weft__list_pop_front(&l->backlog))) {
		struct arrival *arrival = weft_container_of(node, struct arrival, node);

		weft_conn_abort(arrival->conn);
		weft__release(arrival);
	}
	weft__list_remove(&l->node);
	weft__release(l);
}

static const struct weft__listener_kind sim_kind = {
	.accept = sim_accept,
	.ready = sim_ready,
	.close = sim_close,
};

static struct sim_listener *listener_find(const weft_address *address)
{
	struct weft__list_node *node = weft__list_first(&network->listeners);

	for (; node; node = weft__list_next(&network->listeners, node)) {
		struct sim_listener *l = weft_container_of(node, struct sim_listener, node);

		if (strcmp(weft__sim_address_name(&l->base.address),
			   weft__sim_address_name(address)) == 0)
			return l;
	}
	return NULL;
}

int weft__sim_listen(weft_listener **out, const weft_address *address)
{
	struct sim_listener *l;

	*out = NULL;
	if (!network)
		return -ENETDOWN;
	if (listener_find(address))
		return -EADDRINUSE;
	l = weft__alloc_zero(1, sizeof(*l));
	if (!l)
		return -ENOMEM;
	l->base.kind = &sim_kind;
	l->base.address = *address;
	l->spot.true_now = has_arrived;
	l->spot.queue = &l->queue;
	weft__list_init(&l->backlog);
	weft__list_push_back(&network->listeners, &l->node);
	*out = &l->base;
	return 0;
}

/* ---- connecting --------------------------------------------------------------------- */

struct trip {
	struct weft__sim_spot spot;
	const char *host;
};

static bool trip_is_free(const struct weft__sim_spot *spot)
{
	const struct trip *trip = weft_container_of(spot, struct trip, spot);

	return !weft__sim_is_cut(network, trip->host) && !weft__sim_is_cut(network, network->from);
}

/* One way between the hosts: waits while one of them is cut off, then for the delay. */
static int travel(const char *host, int64_t deadline)
{
	struct trip trip = {
		.spot = { .true_now = trip_is_free, .queue = &network->healed },
		.host = host,
	};
	int64_t arrives = 0;
	int err;

	network->travellers++;
	err = weft__sim_wait(&trip.spot, deadline);
	if (err == 0) {
		arrives = weft__time_add(weft_now(), weft__sim_delay(network));
		err = weft_sleep_until(weft__time_min(arrives, deadline));
	}
	network->travellers--;
	return err == 0 && arrives > deadline ? -ETIMEDOUT : err;
}

/* Puts the one end into the backlog and returns the other. */
static int arrive(struct sim_listener *l, const weft_address *client, weft_conn **out)
{
	const weft_address addresses[2] = { *client, l->base.address };
	struct arrival *arrival = weft__alloc_zero(1, sizeof(*arrival));
	weft_conn *ends[2];
	int err = arrival ? weft__sim_link_make(network, addresses, ends) : -ENOMEM;

	if (err < 0) {
		weft__release(arrival);
		return err;
	}
	arrival->conn = ends[1];
	weft__list_push_back(&l->backlog, &arrival->node);
	weft__sim_changed(&l->queue);
	*out = ends[0];
	return 0;
}

int weft__sim_connect(weft_conn **out, const weft_address *address, int64_t deadline)
{
	char host[WEFT__SIM_NAME], text[WEFT__SIM_NAME + 16];
	struct sim_listener *l;
	weft_address client;
	int err;

	*out = NULL;
	if (!network)
		return -ENETDOWN;
	address_host(address, host);
	snprintf(text, sizeof(text), "sim:%s:%u", network->from,
		 1024 + network->clients++ % 64000);
	err = weft__sim_address_read(&client, text);
	if (err == 0)
		err = travel(host, deadline);
	if (err < 0)
		return err;
	l = listener_find(address);
	if (l)
		err = arrive(l, &client, out);
	if (err == 0)
		err = travel(host, deadline);
	if (err == 0 && !l)
		err = -ECONNREFUSED;
	if (err < 0 && *out) {
		weft_conn_abort(*out);
		*out = NULL;
	}
	return err;
}
