/* SPDX-License-Identifier: MIT */
/*
 * Listeners have kinds as connections have: descriptors, and those of the simulated
 * network.
 */
#ifndef WEFT_IO_LISTENER_H
#define WEFT_IO_LISTENER_H

#include "weft/net.h"

struct weft__listener_kind {
	int (*accept)(weft_listener *listener, weft_conn **out, int64_t deadline);
	weft_case (*ready)(weft_listener *listener);
	void (*close)(weft_listener *listener);
};

struct weft_listener {
	const struct weft__listener_kind *kind;
	weft_address address;
	weft_atomic_u64 shortages;
};

#endif
