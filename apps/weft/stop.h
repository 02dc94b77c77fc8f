/* SPDX-License-Identifier: MIT */
/*
 * Ctrl-C and its like, as a token and a descriptor that others can wait for.
 *
 * Between stop_begin() and stop_end() the first SIGINT, SIGTERM or SIGHUP
 * cancels the token; a second one ends the program on the spot. A signal that
 * the program was started with ignoring (nohup, background jobs of scripts)
 * stays ignored.
 */
#ifndef WEFT_APP_STOP_H
#define WEFT_APP_STOP_H

#include <weft/cancel.h>

#include <stddef.h>
#include <sys/types.h>

/* 0, or -errno: no descriptors or threads were to be had, nothing has changed. */
int stop_begin(void);
void stop_end(void);

/* Parent of all work that a signal should stop; make it ambient. */
weft_token *stop_token(void);

/* The signal that came, or 0. Exit with 128 + this. */
int stop_signal(void);

/* A descriptor that becomes readable, for good, when a signal came; -1 outside
 * begin and end. */
int stop_fd(void);

/* Waits until fd is ready for `events` (POLLIN or POLLOUT): 0, or -ECANCELED
 * when a signal comes first, or -errno. */
int stop_poll(int fd, short events);

#endif
