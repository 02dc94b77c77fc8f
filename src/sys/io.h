/* SPDX-License-Identifier: MIT */
/*
 * The second half of the porting contract: descriptors, and who says when one is
 * ready.
 *
 * Nothing here waits for a peer: each call on a descriptor either does something at
 * once or says -EAGAIN (but for the calls on files, which take as long as a disk
 * does). Calls that a signal interrupts go on. Results are counts, or -errno.
 */
#ifndef WEFT_SYS_IO_H
#define WEFT_SYS_IO_H

#include "sys/sys.h"

/* ---- any descriptor --------------------------------------------------------- */

/* Gives the descriptor back. Not to be repeated, whatever it returns. */
int weft__fd_close(int fd);

/* ---- readiness --------------------------------------------------------------- */

/* What a descriptor is ready for. The last two are of streams: nothing more will
 * come after what is there; nothing can be written ever again. */
enum {
	WEFT__READABLE = 1,
	WEFT__WRITABLE = 2,
	WEFT__URGENT = 4, /* out-of-band data lie in the stream */
	WEFT__READ_END = 8,
	WEFT__HUNG_UP = 16,
	WEFT__FAILED = 32, /* the next call on it says what happened */
};

struct weft__ready {
	uint64_t what; /* as it was given when the descriptor was added */
	unsigned how;
};

/* What it is ready for just now, of the first three and with the others. */
int weft__fd_ready(int fd, unsigned how);

/* A set of descriptors that reports *changes*: each is reported once when it is
 * added, if it is ready then, and again each time more becomes possible. Adding and
 * removing: any thread, at any time. A report may still be under way when remove
 * returns. */
int weft__readiness_open(void);
int weft__readiness_add(int set, int fd, uint64_t what);
void weft__readiness_remove(int set, int fd);

/* Waits until the deadline for reports, and takes at most `most` of them; their
 * number. A signal may end it early. The owner of the set only. */
int weft__readiness_wait(int set, struct weft__ready *out, int most, int64_t deadline);

/* ---- alarms: a descriptor that becomes readable when somebody wants it -------- */

int weft__alarm_open(void);

/* Any thread; async-signal-safe; leaves errno alone. Each call is a change. */
void weft__alarm_ring(int alarm);

#endif
