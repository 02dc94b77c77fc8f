/* SPDX-License-Identifier: MIT */
/*
 * The halves of chapter async: an echo server, and `weft kv`.
 */
#ifndef WEFT_APP_TOUR_ASYNC_H
#define WEFT_APP_TOUR_ASYNC_H

#include "tour.h"

struct tour_echo {
	int connections;   /* that were open at a time, if need be fewer than wanted */
	uint64_t messages; /* of each run; all came back, or the half failed: -EBADMSG */
	int64_t ours_ns, plain_ns;
};
int tour_echo(int wanted, struct tour_echo *result);

struct tour_kv {
	int clients;
	uint64_t commands;         /* of each run */
	uint64_t added, should_be; /* to a counter that all clients share, in all runs */
	int64_t ours_ns, plain_ns;
};
int tour_kv(int wanted, struct tour_kv *result);

#endif
