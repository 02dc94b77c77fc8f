/* SPDX-License-Identifier: MIT */
/*
 * A set of file sizes that knows which came more than once. Eight bytes for each
 * different size, at a load between 3/8 and 3/4.
 */
#ifndef WEFT_APP_SIZES_H
#define WEFT_APP_SIZES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All-zero is empty. */
struct sizes {
	uint64_t *slots; /* 0: free; else (size + 1) * 2, plus 1 if it came again */
	size_t mask, count;
};

void sizes_free(struct sizes *s);

/* 0 or -ENOMEM. Sizes are below 2^62. */
int sizes_add(struct sizes *s, uint64_t size);

/* Whether the size was added twice or more. */
bool sizes_twice(const struct sizes *s, uint64_t size);

#endif
