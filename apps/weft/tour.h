/* SPDX-License-Identifier: MIT */
/*
 * The tour: chapters, each a piece of real work done with Weft, checked, and
 * timed beside the plain way of doing it.
 */
#ifndef WEFT_APP_TOUR_H
#define WEFT_APP_TOUR_H

#include "buf.h"

#include <weft/base.h>

/* Text to work on: files of this machine, one behind the other in memory, each
 * ending with a newline. */
struct corpus_file {
	const char *at;
	size_t len;
};

struct corpus {
	char *text;
	size_t len;
	struct corpus_file *files;
	size_t count;
	struct buf where; /* for people: the directories */
};

/* Loads text files of Weft's sources and of /usr, up to `most` bytes. 0, -ENOMEM,
 * -ENOENT when there is nothing to read. */
int corpus_load(struct corpus *c, size_t most);
void corpus_free(struct corpus *c);

struct tour {
	int cpus;
	int threads; /* at least two, to have somebody to share with */
	struct corpus corpus;
};

/* What a chapter says, a line each. */
struct tour_block {
	struct buf did, verified, speed;
	bool wrong; /* `verified` says what did not come out as it should */
};

/* Fills the block in. 0, or -errno when it could not do its work. */
typedef int (*tour_fn)(struct tour *t, struct tour_block *b);

int tour_threads(struct tour *t, struct tour_block *b);
int tour_messages(struct tour *t, struct tour_block *b);
int tour_shared(struct tour *t, struct tour_block *b);
int tour_parallel(struct tour *t, struct tour_block *b);
int tour_sum(struct tour *t, struct tour_block *b);
int tour_async(struct tour *t, struct tour_block *b);

/* Runs both ways alternately, `runs` times each, or fewer on a machine where that
 * takes long: medians in nanoseconds. Ends with the first error and returns it. */
struct tour_race {
	int (*ours)(void *arg);
	int (*plain)(void *arg);
	void *arg;
	int64_t ours_ns, plain_ns;
};
#define TOUR_RUNS_MAX 9
int tour_race(struct tour_race *race, int runs);

/* "12 ms", and "1,234,567". */
void buf_span(struct buf *b, double ns);
void buf_count(struct buf *b, uint64_t n);

/* "1.97 times as fast", "0.95 times as fast". */
void buf_ratio(struct buf *b, double ours_ns, double plain_ns);

/* The line that begins at `at`: its length without the newline that ends it. */
size_t line_length(const char *at, const char *end);

/* A hash of bytes that is good enough to compare multisets by its sum. */
uint64_t hash_bytes(const char *at, size_t len);

#endif
