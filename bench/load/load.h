/* SPDX-License-Identifier: MIT */
/* The load on measured servers: what its files share.
 *
 * A measured server is a subject that does not measure itself. The driver starts
 *
 *	bench-load SERVER BENCH CASE WORKERS
 *
 * which starts SERVER BENCH CASE WORKERS, reads the line "port N" from it, sends it
 * requests, checks what comes back, ends it, and prints the answer in its place. So all
 * servers of a bench meet the same client, which is written with nothing but the
 * kernel's calls.
 *
 * main.c   starts and ends the server, and leaves it its CPUs
 * peers.c  connections that are open all at once, each with one request under way
 * echo.c   throughput, latency beside a hog, and the cost of connections at rest
 * kv.c     `weft kv` and its like, by redis-benchmark
 */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include "../subject.h"

#include <sys/types.h>

enum { MESSAGE = 64 }; /* bytes of a request */

struct load {
	const char *program, *bench, *name;
	int workers;
	pid_t server;
	int port;
	char why[256]; /* the answer, where it is none of measurement: "bad ...", "skip ..." */
};

/* Starts the server: with `argv`; *out is the end of a pipe with what it
 * prints. False with `why`. */
bool load_start(struct load *load, char *const *argv, int *out);

/* Starts it as the contract above says. */
bool load_serve(struct load *load);

/* Leaves the word and the sentence in `why`. False. */
bool load_fail(struct load *load, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The calling process leaves as many CPUs to the server as that has workers. */
void load_step_aside(const struct load *load);

/* How long the measured part of a run shall take: WEFT_BENCH_RUN_MS, for a profile of the
 * server, or `ms`. */
double load_run_ms(double ms);

/* The server's CPU time so far in ns, and its resident memory in bytes. */
double load_cpu_ns(const struct load *load);
double load_memory(const struct load *load);

/* One connection, and the request that it has under way. */
struct peer {
	int fd;
	unsigned index;
	uint64_t round;
	size_t heard;
	char said[MESSAGE], hears[MESSAGE];
};

struct peers {
	struct peer *peer;
	unsigned count;
	int set;       /* epoll */
	uint64_t done; /* requests that were answered */
};

/* Connects, and has each exchange one request. False with load->why. */
bool peers_open(struct peers *peers, struct load *load, unsigned count);
void peers_close(struct peers *peers);

/* Sends a new request on each connection. */
bool peers_begin(struct peers *peers, struct load *load);

/* Until the moment: takes answers, checks them, asks again. */
bool peers_drive(struct peers *peers, struct load *load, double until_ns);

/* One request of one connection, and its answer. */
bool peer_ask(struct peer *peer, struct load *load);

/* Each prints an answer and returns what main returns. */
int load_echo(struct load *load);
int load_hog(struct load *load);
int load_idle(struct load *load);
int load_kv(struct load *load);

#endif
