/* SPDX-License-Identifier: MIT */
/*
 * Opening files by paths of any length, and the sentences for what can go wrong
 * with a file.
 */
#ifndef WEFT_APP_PATH_H
#define WEFT_APP_PATH_H

/* What a file can be unfit for besides errno's numbers. */
enum trouble {
	TROUBLE_FIFO = 0x10000,
	TROUBLE_SOCKET,
	TROUBLE_DEVICE,
	TROUBLE_STDIN_TAKEN,
	TROUBLE_DIGEST,
};

/* The sentence for an errno value or a trouble. On the main thread only. */
const char *trouble_text(int trouble);

/* The trouble (or EISDIR) that a file of this st_mode means for reading it as a
 * file of bytes; 0 for a regular one. */
int trouble_of_mode(unsigned mode);

/* As open(2), without its limit on the length of a path: one that is longer
 * than PATH_MAX is walked in pieces. Returns a descriptor or -errno; interrupted
 * calls are repeated. */
int path_open(const char *path, int flags);

#endif
