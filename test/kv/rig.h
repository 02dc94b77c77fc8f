/* SPDX-License-Identifier: MIT */
/*
 * What the tests of `weft kv` share: servers as child processes, and clients that say
 * something and read one reply, raw. Whatever goes wrong ends the test with a sentence;
 * a server that does not answer within WAIT_S seconds is such a thing.
 */
#ifndef WEFT_TEST_KV_RIG_H
#define WEFT_TEST_KV_RIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "../../apps/weft/buf.h"

enum { WAIT_S = 60 };

/* ---- servers ------------------------------------------------------------------------- */

struct server {
	pid_t pid;
	int out;  /* what it writes to its standard output */
	int err;  /* and to standard error */
	int port; /* 0: it listens on `path` */
	char path[100];
};

/* Starts weft with these arguments, of which "kv" is the first and NULL the end, and
 * `--port 0`, and waits until it listens. It dies with the test. */
void server_start(struct server *s, const char *const *args);
#define SERVER_START(s, ...) server_start((s), (const char *const[]){ "kv", ##__VA_ARGS__, NULL })

/* For what is to be done with a server beside: in the child, before it becomes the
 * program; and then in the test, before it is waited for. */
struct server_hook {
	void (*in_child)(void);
	void (*in_parent)(pid_t pid);
};

/* The same, but false if it ends without listening: its outputs are to be read, and its
 * end to be waited for. */
bool server_try_start(struct server *s, const char *const *args, const struct server_hook *hook);

/* Starts redis-server on a socket in the scratch folder: false if there is none. */
bool redis_start(struct server *s);

/* The path of the program under test. */
extern const char *const weft_program;

/* Runs a program to its end: its exit code, or 128 + its signal; what it wrote (unless
 * NULL) to both outputs. */
int run(struct buf *said, const char *const *argv);

/* Waits for the end: its exit code, or 128 + the signal that ended it. */
int server_wait(struct server *s);
/* The same for any child. */
int child_wait(pid_t pid);
/* Sends SIGTERM and waits: 0 is checked. */
void server_stop(struct server *s);
/* Reads standard error to its end. */
struct buf server_last_words(struct server *s);
/* Waits for a line on standard error that contains `text`. */
void server_says(struct server *s, const char *text);

/* A folder for the test's files, which goes away at its end. */
const char *scratch(void);

/* ---- clients ------------------------------------------------------------------------- */

struct client {
	int fd;
	char *in; /* [at, len) was read and not yet asked for */
	size_t at, len, room;
	char *reply; /* that was heard last */
};

void client_open(struct client *c, const struct server *s);
bool client_try_open(struct client *c, const struct server *s); /* false: nobody listens */
void client_close(struct client *c);
/* Closes with a reset. */
void client_reset(struct client *c);

void client_send(struct client *c, const void *bytes, size_t len);
/* printf-like, an inline command; the line's end is added. */
void say(struct client *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The next reply, or pushed message, with a '\0' behind it; valid until the next call. */
const char *hear(struct client *c, size_t *len);
/* Says the line, then checks the reply. */
void ask(struct client *c, const char *line, const char *reply);
/* The number that the reply to the line is. */
int64_t ask_int(struct client *c, const char *line);
/* Checks that the server has closed, with nothing more to read. */
void expect_end(struct client *c);
/* Reads all that comes until the end, even if that is a reset. */
struct buf hear_all(struct client *c);

/* Where the reply at bytes[at] ends; 0 if it is not complete. */
size_t reply_end(const char *bytes, size_t at, size_t len);

#endif
