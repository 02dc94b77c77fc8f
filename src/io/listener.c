/* SPDX-License-Identifier: MIT */
/*
 * Listeners.
 *
 * When there is no descriptor for a connection, accept says so and the connection stays
 * in the backlog; readiness will not be reported again. A loop that tries at once would
 * burn a CPU for as long as the shortage lasts, and one that waits for readiness would
 * sleep on with peers in the backlog. So accept looks again after a while: 1 ms at
 * first, since many shortages are short, and up to 128 ms.
 */
#include <errno.h>

#include "io/conn.h"
#include "io/listener.h"
#include "io/sim.h"
#include "rt/poller.h"
#include "rt/rt.h"
#include "weft/cancel.h"
#include "weft/thread.h"

struct fd_listener {
	weft_listener base;
	struct weft__pollee *pollee;
	int fd;
	enum weft__fd_kind kind;
	bool owns_path;
	uint32_t epoch;
};

enum { REST_FIRST = 1, REST_MOST = 128 }; /* ms */

static const struct weft__listener_kind fd_kind;

static struct fd_listener *of(weft_listener *listener)
{
	return weft_container_of(listener, struct fd_listener, base);
}

static int listener_make(weft_listener **out, int fd)
{
	struct fd_listener *l = weft__alloc_zero(1, sizeof(*l));

	*out = NULL;
	if (l)
		l->pollee = weft__pollee_new(fd);
	if (!l || !l->pollee) {
		weft__release(l);
		return -ENOMEM;
	}
	l->base.kind = &fd_kind;
	l->fd = fd;
	l->kind = weft__fd_kind(fd);
	l->epoch = weft_load_relaxed(&weft__poller_epoch);
	weft__socket_local(fd, &l->base.address);
	*out = &l->base;
	return 0;
}

/* A path whose listener is gone refuses connections; one that listens does not. */
static bool path_is_stale(const weft_address *address)
{
	int fd, err;

	if (!weft__address_path(address))
		return false;
	fd = weft__socket_open(address);
	if (fd < 0)
		return false;
	err = weft__socket_connect(fd, address);
	(void)weft__fd_close(fd);
	return err == -ECONNREFUSED;
}

static int bind_anew(int fd, const weft_address *address)
{
	int err = weft__socket_bind(fd, address);

	if (err == -EADDRINUSE && path_is_stale(address)) {
		weft__address_remove(address);
		err = weft__socket_bind(fd, address);
	}
	return err;
}

/* Accepted sockets inherit TCP_NODELAY, which saves a call for each. */
static int prepare(int fd, const weft_address *address, const weft_listen_opts *opts)
{
	int err = 0;

	if (!weft__address_is_tcp(address))
		return opts->reuse_port || opts->v6_only ? -EINVAL : 0;
	err = weft__socket_prepare(fd, WEFT__REUSE_ADDRESS, 1);
	if (err == 0 && opts->reuse_port)
		err = weft__socket_prepare(fd, WEFT__REUSE_PORT, 1);
	if (err == 0 && weft__address_is_v6(address))
		err = weft__socket_prepare(fd, WEFT__V6_ONLY, opts->v6_only);
	if (err == 0 && !opts->delay)
		err = weft__socket_set(fd, WEFT_NODELAY, 1);
	return err;
}

static int listen_at(weft_listener **out, const weft_address *address,
		     const weft_listen_opts *opts)
{
	int fd = weft__socket_open(address);
	int err;

	if (fd < 0)
		return fd;
	err = prepare(fd, address, opts);
	if (err == 0)
		err = bind_anew(fd, address);
	if (err == 0) {
		/* The kernel cuts it down to its own limit. */
		err = weft__socket_listen(fd, opts->backlog > 0 ? opts->backlog : INT32_MAX);
		if (err == 0)
			err = listener_make(out, fd);
		if (err < 0)
			weft__address_remove(address);
	}
	if (err < 0)
		(void)weft__fd_close(fd);
	else
		of(*out)->owns_path = true;
	return err;
}

int weft_listen(weft_listener **out, const char *text, const weft_listen_opts *opts)
{
	static const weft_listen_opts none;
	weft_address address;
	bool wild;
	int err;

	*out = NULL;
	if (!opts)
		opts = &none;
	if (opts->backlog < 0)
		return -EINVAL;
	if (weft__sim_is_text(text)) {
		err = weft__sim_address_read(&address, text);
		return err < 0 ? err : weft__sim_listen(out, &address);
	}
	err = weft__address_read(&address, text, &wild);
	return err < 0 ? err : listen_at(out, &address, opts);
}

int weft_listener_from_fd(weft_listener **out, int fd)
{
	int err = weft__socket_listens(fd);

	*out = NULL;
	if (err == 0 && weft__fd_kind(fd) == WEFT__FD_MESSAGES)
		err = -EINVAL;
	if (err == 0)
		err = weft__fd_unblock(fd);
	return err < 0 ? err : listener_make(out, fd);
}

void weft_listener_address(const weft_listener *listener, weft_address *out)
{
	*out = listener->address;
}

uint64_t weft_listener_shortages(const weft_listener *listener)
{
	return weft_load_relaxed(&listener->shortages);
}

static void fd_close(weft_listener *listener)
{
	struct fd_listener *l = of(listener);

	/* The child of a fork() leaves the path to its parent. */
	if (l->owns_path && l->epoch == weft_load_relaxed(&weft__poller_epoch))
		weft__address_remove(&listener->address);
	weft__pollee_close(l->pollee, true);
	weft__release(l);
}

static weft_case fd_ready(weft_listener *listener)
{
	return weft__pollee_case(of(listener)->pollee, WEFT__TO_READ);
}

void weft_listener_close(weft_listener *listener)
{
	if (listener)
		listener->kind->close(listener);
}

weft_case weft_case_listener(weft_listener *listener)
{
	return listener->kind->ready(listener);
}

/* ---- accepting ------------------------------------------------------------------------ */

/* Also what a sandbox might answer for ever: nothing to be repeated at once. */
static bool is_shortage(int err)
{
	return err == -EMFILE || err == -ENFILE || err == -ENOBUFS || err == -ENOMEM ||
	       err == -EPERM;
}

/* Of a connection that was on its way, not of the listener; see accept(2). */
static bool is_its_own(int err)
{
	switch (err) {
	case -ECONNABORTED:
	case -EPROTO:
	case -ENOPROTOOPT:
	case -ENETDOWN:
	case -ENETUNREACH:
	case -EHOSTDOWN:
	case -EHOSTUNREACH:
	case -ENONET: return true;
	default: return false;
	}
}

/* Waits out a part of a shortage: 0, or why accept ends. */
static int rest(weft_listener *listener, int *ms, int64_t deadline)
{
	int64_t until = weft_after_ms(*ms);
	int err;

	weft_add_relaxed(&listener->shortages, 1);
	err = weft_sleep_until(until < deadline ? until : deadline);
	if (*ms < REST_MOST)
		*ms *= 2;
	if (err == 0 && until >= deadline)
		err = -ETIMEDOUT;
	return err;
}

/* One try. Where it did not find the backlog empty, there may be another connection,
 * for another who waits. */
static int fd_try_accept(struct fd_listener *l)
{
	const bool edge = weft__pollee_take(l->pollee, WEFT__TO_READ);
	int fd = weft__socket_accept(l->fd);

	if (fd == -EAGAIN)
		weft__pollee_in_vain(l->pollee, WEFT__TO_READ);
	else if (edge)
		weft__pollee_give(l->pollee, WEFT__TO_READ);
	return fd;
}

/* Until there is one: a descriptor, or why accept ends. */
static int fd_await(struct fd_listener *l, int64_t deadline)
{
	int ms = REST_FIRST;

	for (;;) {
		int fd = fd_try_accept(l), err = 0;

		if (fd >= 0)
			return fd;
		if (fd == -EAGAIN)
			err = weft__pollee_wait(l->pollee, WEFT__TO_READ, deadline, 0);
		else if (is_shortage(fd))
			err = rest(&l->base, &ms, deadline);
		else if (!is_its_own(fd))
			err = fd;
		if (err < 0)
			return err;
	}
}

static int fd_accept(weft_listener *listener, weft_conn **out, int64_t deadline)
{
	struct fd_listener *l = of(listener);
	int fd = fd_await(l, deadline), err;

	*out = NULL;
	if (fd < 0)
		return fd;
	err = weft__conn_make(out, fd, l->kind);
	if (err < 0)
		(void)weft__fd_close(fd);
	return err;
}

static const struct weft__listener_kind fd_kind = {
	.accept = fd_accept,
	.ready = fd_ready,
	.close = fd_close,
};

int weft_accept(weft_listener *listener, weft_conn **out)
{
	return weft_accept_until(listener, out, WEFT_NEVER);
}

int weft_accept_until(weft_listener *listener, weft_conn **out, int64_t deadline)
{
	*out = NULL;
	if (weft__budget_spend() && weft_cancelled())
		return -ECANCELED;
	return listener->kind->accept(listener, out, deadline);
}
