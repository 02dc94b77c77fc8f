/* SPDX-License-Identifier: MIT */
/*
 * Connecting, to the first of several addresses that answers (RFC 8305).
 *
 * Each attempt is a socket of its own. A new one begins when all before have failed,
 * or 250 ms after the last began. All that are under way are waited for in one select;
 * the first that is connected wins, and the others are closed, whatever they have
 * come to: an attempt that is connected after the deadline is closed like the rest.
 */
#include <errno.h>
#include <string.h>

#include "io/conn.h"
#include "io/sim.h"
#include "rt/poller.h"
#include "weft/select.h"
#include "weft/thread.h"

enum { STAGGER_MS = 250, FULL_FIRST_MS = 1, FULL_MOST_MS = 64 };

struct attempt {
	int fd;
	struct weft__pollee *pollee;
};

struct race {
	const weft_address *addresses;
	int order[WEFT_ADDRESSES_MAX]; /* which address is tried as the n-th */
	int count;
	int begun;
	int under_way;
	int err;      /* of the last that failed */
	int64_t next; /* when another may begin */
	int full_ms;  /* how long to rest when a backlog is full */
	struct attempt attempts[WEFT_ADDRESSES_MAX];
	weft_case cases[WEFT_ADDRESSES_MAX];
};

/* By turns of the two families, each in its own order, beginning with the first's. */
static void race_order(struct race *race)
{
	const bool v6_first = weft__address_is_v6(&race->addresses[0]);
	int at[2] = { 0, 0 };
	int n = 0;

	for (int turn = 0; n < race->count; turn ^= 1) {
		const bool v6 = v6_first ^ (turn != 0);
		int *i = &at[turn];

		while (*i < race->count && weft__address_is_v6(&race->addresses[*i]) != v6)
			(*i)++;
		if (*i < race->count)
			race->order[n++] = (*i)++;
	}
}

static void attempt_close(struct attempt *attempt)
{
	if (attempt->pollee)
		weft__pollee_close(attempt->pollee, false);
	else if (attempt->fd >= 0)
		(void)weft__fd_close(attempt->fd);
}

static void race_drop(struct race *race, int i)
{
	attempt_close(&race->attempts[i]);
	race->attempts[i] = race->attempts[--race->under_way];
}

/* The winner's descriptor becomes a connection. */
static int race_won(struct race *race, int i, weft_conn **out)
{
	struct attempt *attempt = &race->attempts[i];
	enum weft__fd_kind kind = weft__fd_kind(attempt->fd);

	if (kind == WEFT__FD_TCP)
		(void)weft__socket_set(attempt->fd, WEFT_NODELAY, 1);
	if (attempt->pollee)
		return weft__conn_adopt(out, attempt->pollee, attempt->fd, kind);
	return weft__conn_make(out, attempt->fd, kind);
}

/* Begins the next attempt: 1 if it is connected already, 0 if it is under way, or why it
 * failed. A Unix socket whose backlog is full says -EAGAIN and cannot be waited for. */
static int race_begin(struct race *race)
{
	const weft_address *address = &race->addresses[race->order[race->begun]];
	struct attempt *attempt = &race->attempts[race->under_way];
	int err;

	attempt->pollee = NULL;
	attempt->fd = weft__socket_open(address);
	if (attempt->fd < 0) {
		race->begun++;
		return attempt->fd;
	}
	err = weft__socket_connect(attempt->fd, address);
	if (err == -EINPROGRESS) {
		attempt->pollee = weft__pollee_new(attempt->fd);
		err = attempt->pollee ? 0 : -ENOMEM;
	} else if (err == 0) {
		err = 1;
	}
	if (err < 0)
		attempt_close(attempt);
	else
		race->under_way++;
	if (err != -EAGAIN)
		race->begun++;
	race->next = weft_after_ms(STAGGER_MS);
	return err;
}

/* Waits for one that is under way, not beyond the moment when another may begin: its
 * index, -ETIMEDOUT, -ECANCELED. */
static int race_wait(struct race *race, int64_t deadline)
{
	const bool others = race->begun < race->count;

	for (int i = 0; i < race->under_way; i++)
		race->cases[i] = weft__pollee_case(race->attempts[i].pollee, WEFT__TO_WRITE);
	if (others && race->next < deadline)
		deadline = race->next;
	return weft_select(race->cases, race->under_way, deadline);
}

/* A backlog is full: rests, then it is tried again. */
static int race_rest(struct race *race, int64_t deadline)
{
	int64_t until = weft_after_ms(race->full_ms);
	int err = weft_sleep_until(until < deadline ? until : deadline);

	if (race->full_ms < FULL_MOST_MS)
		race->full_ms *= 2;
	return err == 0 && until >= deadline ? -ETIMEDOUT : err;
}

/* Begins attempts as long as they fail at once: 1 if one is connected, 0 if there is one
 * to wait for, or why there is none. */
static int race_feed(struct race *race, int64_t deadline)
{
	int err;

	while (race->begun < race->count) {
		if (race->under_way > 0 && weft_now() < race->next)
			return 0;
		err = race_begin(race);
		if (err == -EAGAIN) {
			err = race_rest(race, deadline);
			if (err < 0)
				return err;
		} else if (err >= 0) {
			return err;
		} else {
			race->err = err;
		}
	}
	return race->under_way > 0 ? 0 : race->err;
}

/* Until one is connected: its index, or -errno. */
static int race_run(struct race *race, int64_t deadline)
{
	for (;;) {
		int i, err = race_feed(race, deadline);

		if (err != 0)
			return err > 0 ? race->under_way - 1 : err;
		i = race_wait(race, deadline);
		if (i == -ETIMEDOUT && (deadline == WEFT_NEVER || weft_now() < deadline))
			continue;
		if (i < 0)
			return i;
		err = race->cases[i].result;
		if (err == 0)
			err = weft__socket_error(race->attempts[i].fd);
		if (err == 0)
			return i;
		race->err = err;
		race_drop(race, i);
		race->next = 0;
	}
}

/* One after the other. */
static int connect_simulated(weft_conn **out, const weft_address *addresses, int count,
			     int64_t deadline)
{
	int err = -EINVAL;

	for (int i = 0; i < count; i++) {
		err = weft__sim_is_address(&addresses[i])
			      ? weft__sim_connect(out, &addresses[i], deadline)
			      : -EINVAL;
		if (err == 0 || err == -ETIMEDOUT || err == -ECANCELED)
			break;
	}
	return err;
}

int weft_connect_to_until(weft_conn **out, const weft_address *addresses, int count,
			  int64_t deadline)
{
	struct race *race;
	int winner, err;

	*out = NULL;
	if (count < 1 || count > WEFT_ADDRESSES_MAX)
		return -EINVAL;
	if (weft__sim_is_address(&addresses[0]))
		return connect_simulated(out, addresses, count, deadline);
	race = weft__alloc_zero(1, sizeof(*race));
	if (!race)
		return -ENOMEM;
	race->addresses = addresses;
	race->count = count;
	race->full_ms = FULL_FIRST_MS;
	race_order(race);
	winner = err = race_run(race, deadline);
	if (winner >= 0) {
		err = race_won(race, winner, out);
		if (err == 0)
			race->attempts[winner] = race->attempts[--race->under_way];
	}
	while (race->under_way > 0)
		race_drop(race, 0);
	weft__release(race);
	return err;
}

int weft_connect(weft_conn **out, const char *address)
{
	return weft_connect_until(out, address, WEFT_NEVER);
}

int weft_connect_until(weft_conn **out, const char *text, int64_t deadline)
{
	weft_address one, *found = &one;
	bool wild;
	int count = 1, err;

	*out = NULL;
	if (weft__sim_is_text(text)) {
		err = weft__sim_address_read(&one, text);
		return err < 0 ? err : weft__sim_connect(out, &one, deadline);
	}
	err = weft__address_read(&one, text, &wild);
	if (err == 0)
		return wild ? -EINVAL : weft_connect_to_until(out, &one, 1, deadline);
	if (strncmp(text, "unix:", 5) == 0)
		return err;
	found = weft__alloc_zero(WEFT_ADDRESSES_MAX, sizeof(*found));
	if (!found)
		return -ENOMEM;
	count = weft_resolve_until(found, WEFT_ADDRESSES_MAX, text, deadline);
	err = count < 0 ? count : weft_connect_to_until(out, found, count, deadline);
	weft__release(found);
	return err;
}
