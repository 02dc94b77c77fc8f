/* SPDX-License-Identifier: MIT */
/*
 * Puts back into order what was numbered 0, 1, 2, ... and comes out of order.
 *
 * A ring of a fixed number of slots; the numbers under way at once must be fewer
 * than that, which whoever hands the numbers out ensures.
 */
#ifndef WEFT_APP_WINDOW_H
#define WEFT_APP_WINDOW_H

#include <stddef.h>
#include <stdint.h>

struct window {
	void **slots;
	uint64_t mask;
	uint64_t next; /* the number whose turn it is */
	uint64_t end;  /* beyond the greatest number that came */
};

/* Room for `count` numbers under way; 0 or -ENOMEM. */
int window_init(struct window *w, size_t count);
void window_fini(struct window *w);

/* Puts `item` (not NULL) at its number. Stops the program if the number is not
 * in the window, or taken. */
void window_put(struct window *w, uint64_t number, void *item);

/* The item whose turn it is, or NULL while it is not there. */
void *window_take(struct window *w);

/* The next item that is there, past gaps; NULL when there is none. For the end,
 * when what fills the gaps will not come. */
void *window_skip(struct window *w);

#endif
