/* SPDX-License-Identifier: MIT */
/*
 * How many files and sockets the process may have open: what serves or makes thousands of
 * connections asks before it begins.
 */
#ifndef WEFT_APP_DESCRIPTORS_H
#define WEFT_APP_DESCRIPTORS_H

/* Makes sure that so many descriptors may be open if the system allows it at all: how
 * many of them may be. */
int descriptors_raise(int wanted);

#endif
