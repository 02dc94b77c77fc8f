/* SPDX-License-Identifier: MIT */
/*
 * What is said when a fiber needs more stack than it has: see overflow.c.
 */
#ifndef WEFT_RT_OVERFLOW_H
#define WEFT_RT_OVERFLOW_H

/* At the begin and the end of each thread that fibers run on. Where the system
 * refuses, an overflow ends the process without a word, as it does without all this. */
void weft__overflow_thread_begin(void);
void weft__overflow_thread_end(void);

#endif
