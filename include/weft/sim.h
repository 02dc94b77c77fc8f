/* SPDX-License-Identifier: MIT */
/*
 * A network in memory, for tests: with delays, short reads, resets and partitions, all
 * of them decided by a seed.
 *
 * It lives in a runtime that was started with `deterministic`, where time is virtual and
 * the schedule follows from the seed. While it is open, addresses of the form
 * "sim:host:port" are its own in the calls of <weft/net.h>, so that the code under test
 * is the code that will run; it only has to be told other addresses.
 *
 *     weft_sim *sim;
 *     int err = weft_sim_open(&sim, &(weft_sim_opts){ .seed = seed, .delay_most = 50 * WEFT_MS,
 *                                                     .short_reads = true });
 *     ...
 *     err = weft_listen(&listener, "sim:server:80", NULL);
 *     ...
 *     weft_sim_cut(sim, "server");      // a cable is pulled
 *     weft_sleep_until(weft_after_s(90));
 *     weft_sim_heal(sim, "server");
 */
#ifndef WEFT_SIM_H
#define WEFT_SIM_H

#include <weft/net.h>

WEFT_BEGIN_DECLS

typedef struct weft_sim weft_sim;

/* Zero means: no delay, nothing goes wrong. */
typedef struct weft_sim_opts {
	uint64_t seed;
	int64_t delay_least;        /* ns that bytes take, at random between these; bytes of */
	int64_t delay_most;         /* a connection keep their order */
	bool short_reads;           /* reads and writes may move less than they could */
	uint32_t reset_per_million; /* of writes: the connection is reset instead */
	size_t buffer;              /* bytes under way in one direction; 0: 64 KiB */
} weft_sim_opts;

/* Opens the network; `opts` may be NULL. By a fiber of a deterministic runtime: its
 * fibers, and nobody else, use the network. 0, -ENOMEM, -EINVAL elsewhere, -EEXIST if
 * there is one already; *out is NULL on failure. */
WEFT_API WEFT_NODISCARD int weft_sim_open(weft_sim **out, const weft_sim_opts *opts);

/* Closes it, when all its listeners and connections are closed and nobody is connecting;
 * else the program stops with a sentence. By a fiber of the same runtime. */
WEFT_API void weft_sim_close(weft_sim *sim);

/* From now on nothing reaches the host or comes from it: bytes stay under way, and who
 * connects hangs. Names are at most 63 bytes long, else nothing happens. */
WEFT_API void weft_sim_cut(weft_sim *sim, const char *host);

/* The opposite. */
WEFT_API void weft_sim_heal(weft_sim *sim, const char *host);

/* Resets all connections with the host; their number. */
WEFT_API int weft_sim_reset(weft_sim *sim, const char *host);

/* Connections that are made from now on, by whatever fiber, come from this host; at first
 * "client". At most 63 bytes, else -EINVAL. */
WEFT_API int weft_sim_from(weft_sim *sim, const char *host);

WEFT_END_DECLS

#endif
