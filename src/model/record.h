/* SPDX-License-Identifier: MIT */
/*
 * Who has accessed some eight bytes, of which there is a granule in shadow.c.
 */
#ifndef WEFT_MODEL_RECORD_H
#define WEFT_MODEL_RECORD_H

#include "model/model.h"

enum { RECORDS_MOST = 10, RECORDS_INLINE = 2 };

struct record {
	const void *site;
	uint32_t clock;
	uint8_t thread, bytes, access;
};

struct records_head {
	uint32_t epoch;
	uint8_t used;
	bool plain : 1;  /* some record is of a plain access */
	bool shared : 1; /* not all records are of one thread */
	uint16_t more;   /* where the other records are; 0: nowhere */
};

/* Most have one record or two, which lie here: a small table stays in the cache. They
 * are kept for the next run, as undo.c says. */
struct records {
	struct records_head head;
	struct record first[RECORDS_INLINE];
};

void weft__records_begin(void);

/* The running thread makes one more access; the run fails if it races. */
void weft__records_access(struct records *r, uintptr_t address, struct record n);

/* The first access that did not happen before what the running thread does now. */
const struct record *weft__records_unordered(struct records *r);

#endif
