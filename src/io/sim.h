/* SPDX-License-Identifier: MIT */
/*
 * The simulated network, between its files and for the calls that it is behind.
 *
 * One thread, a deterministic runtime's worker, runs everything here, and it switches
 * fibers only where they wait. So there are no locks, and what was found true is true
 * until the next wait. The queues' own locks serve for their lists alone.
 */
#ifndef WEFT_IO_SIM_H
#define WEFT_IO_SIM_H

#include "base/list.h"
#include "base/rng.h"
#include "io/conn.h"
#include "io/listener.h"
#include "wait/wait.h"
#include "weft/sim.h"

enum { WEFT__SIM_NAME = 64 };

struct weft_sim {
	weft_sim_opts opts;
	struct weft__rng rng;
	struct weft__list listeners, links, cuts;
	weft_waitq healed;   /* who connects to a host that is cut */
	unsigned clients;    /* for their ports */
	unsigned travellers; /* who are connecting */
	char from[WEFT__SIM_NAME];
};

/* Whether the text, or the address, is one of the simulated network. */
bool weft__sim_is_text(const char *text);
bool weft__sim_is_address(const weft_address *address);
int weft__sim_address_read(weft_address *out, const char *text);
void weft__sim_address_write(const weft_address *address, char *text, size_t size);
int weft__sim_address_port(const weft_address *address);
/* "host:port" */
const char *weft__sim_address_name(const weft_address *address);

/* -ENETDOWN where no network is open. */
int weft__sim_listen(weft_listener **out, const weft_address *address);
int weft__sim_connect(weft_conn **out, const weft_address *address, int64_t deadline);

/* ---- between sim.c and sim_conn.c ------------------------------------------------- */

/* Something that is waited for: `true_now` looks, `due` says when it will be true by the
 * clock alone. In the frame of whoever waits, or in the object. */
struct weft__sim_spot {
	weft_waitq *queue; /* that changes are told to */
	bool (*true_now)(const struct weft__sim_spot *spot);
	int64_t (*due)(const struct weft__sim_spot *spot);
};

weft_case weft__sim_case(struct weft__sim_spot *spot);
int weft__sim_wait(struct weft__sim_spot *spot, int64_t deadline);
/* Has everybody look again. */
void weft__sim_changed(weft_waitq *queue);

bool weft__sim_is_cut(const weft_sim *sim, const char *host);
int64_t weft__sim_delay(weft_sim *sim);
/* With short_reads a number in 1 .. size, else size. */
size_t weft__sim_portion(weft_sim *sim, size_t size);

struct weft__sim_link;

/* Two ends: ends[0] is who connected. Or -ENOMEM, and none. */
int weft__sim_link_make(weft_sim *sim, const weft_address addresses[2], weft_conn *ends[2]);
/* Those that have to do with the host look again, or are reset; how many there are. */
int weft__sim_links_changed(weft_sim *sim, const char *host, bool reset);

#endif
