/* SPDX-License-Identifier: MIT */
/*
 * For tests of connections: both ends, of each kind.
 */
#ifndef WEFT_IO_PAIRS_TEST_H
#define WEFT_IO_PAIRS_TEST_H

#include "check.h"
#include "weft/net.h"

static inline weft_listener *listen_on(const char *text, char *address)
{
	weft_listener *listener;
	weft_address at;

	CHECK_EQ(weft_listen(&listener, text, NULL), 0);
	weft_listener_address(listener, &at);
	weft_address_format(&at, address);
	return listener;
}

/* Both ends of a TCP connection. */
static inline void tcp_pair(weft_conn **a, weft_conn **b)
{
	char address[WEFT_ADDRESS_TEXT];
	weft_listener *listener = listen_on("127.0.0.1:0", address);

	CHECK_EQ(weft_connect(a, address), 0);
	CHECK_EQ(weft_accept(listener, b), 0);
	weft_listener_close(listener);
}

enum { KINDS = 3 };

static inline void make_pair(int kind, weft_conn **a, weft_conn **b)
{
	switch (kind) {
	case 0: tcp_pair(a, b); break;
	case 1: CHECK_EQ(weft_conn_pair(a, b), 0); break;
	case 2: CHECK_EQ(weft_pipe(a, b), 0); break;
	default: FAIL("no such kind: %d", kind);
	}
}

#endif
