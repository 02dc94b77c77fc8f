/* SPDX-License-Identifier: MIT */
/*
 * What chan_stress.c sends, and how it keeps the books: each message is numbered
 * by its sender for its channel and filled with what follows from that, so that
 * one that is torn, lost, doubled or out of order is told at once.
 */
#ifndef WEFT_TEST_STRESS_CHAN_MESSAGE_H
#define WEFT_TEST_STRESS_CHAN_MESSAGE_H

#include "weft/atomic.h"

#include "base/rng.h"

#include "check.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
	CHANNELS_MOST = 3,
	PARTIES_MOST = 48,
	MESSAGES_MOST = 2048, /* of one party */
	ELEMENT_MOST = 1000,
};

struct message {
	uint32_t sender, number;
	uint64_t sum;
	unsigned char rest[ELEMENT_MOST - 16];
};

static inline uint64_t message_sum(const struct message *m, int channel)
{
	return weft__rng_mix((uint64_t)m->sender << 40 ^ (uint64_t)m->number << 8 ^
			     (uint64_t)(unsigned)channel);
}

static inline void message_make(struct message *m, size_t size, int channel, uint32_t sender,
				uint32_t number)
{
	m->sender = sender;
	m->number = number;
	m->sum = message_sum(m, channel);
	for (size_t i = 0; i < size - 16; i += 8)
		memcpy(m->rest + i, &m->sum, 8);
}

static inline void message_check(const struct message *m, size_t size, int channel)
{
	uint64_t sum = message_sum(m, channel);

	if (m->sum != sum)
		FAIL("a message is torn: sender %u, number %u", m->sender, m->number);
	for (size_t i = 0; i < size - 16; i += 8)
		if (memcmp(m->rest + i, &sum, 8) != 0)
			FAIL("a message is torn at byte %zu: sender %u, number %u", i + 16,
			     m->sender, m->number);
}

/* A buffer to receive into, of which one sees whether it was touched. */
static inline void message_blank(struct message *m)
{
	m->sender = UINT32_MAX;
	m->sum = 0xb1a4c;
}

static inline void message_check_blank(const struct message *m)
{
	if (m->sender != UINT32_MAX || m->sum != 0xb1a4c)
		FAIL("a receive that failed has written into the buffer");
}

/* ---- the books ------------------------------------------------------------------ */

struct books {
	weft_atomic_u32 sent[CHANNELS_MOST][PARTIES_MOST];
	weft_atomic_u8 seen[CHANNELS_MOST][PARTIES_MOST][MESSAGES_MOST];
};

static inline void books_note(struct books *books, const struct message *m, int channel)
{
	CHECK_LT(m->sender, PARTIES_MOST);
	CHECK_LT(m->number, MESSAGES_MOST);
	if (weft_add_relaxed(&books->seen[channel][m->sender][m->number], 1) != 0)
		FAIL("message %u of sender %u came twice", m->number, m->sender);
}

/* Each message that was sent has been seen, and none besides; their number. */
static inline uint64_t books_close(struct books *books, int channels, int parties)
{
	uint64_t total = 0;

	for (int c = 0; c < channels; c++) {
		for (int s = 0; s < parties; s++) {
			uint32_t sent = weft_load_relaxed(&books->sent[c][s]);

			for (uint32_t n = 0; n < MESSAGES_MOST; n++) {
				uint8_t seen = weft_load_relaxed(&books->seen[c][s][n]);

				if (seen != (n < sent))
					FAIL("message %u of sender %d on channel %d, who sent %u, "
					     "was seen %u times",
					     n, s, c, sent, seen);
			}
			total += sent;
		}
	}
	return total;
}

/* ---- what happened ---------------------------------------------------------------- */

enum outcome { DONE, NOT_NOW, TIMED_OUT, CANCELLED, CLOSED, LEFT, OUTCOMES };

static const char *const outcome_names[] = { "done",      "not now", "timed out",
					     "cancelled", "closed",  "left" };

static weft_atomic_u64 tally[OUTCOMES];
static inline enum outcome outcome_of(int err)
{
	switch (err) {
	case 0: return DONE;
	case -EAGAIN: return NOT_NOW;
	case -ETIMEDOUT: return TIMED_OUT;
	case -ECANCELED: return CANCELLED;
	case -EPIPE: return CLOSED;
	default: FAIL("a channel said %d", err);
	}
}

static inline uint64_t operations(void)
{
	uint64_t sum = 0;

	for (int i = 0; i < OUTCOMES; i++)
		sum += weft_load_relaxed(&tally[i]);
	return sum;
}

static inline void print_tally(void)
{
	printf(" ");
	for (int i = 0; i < OUTCOMES; i++)
		printf(" %s %llu%s", outcome_names[i],
		       (unsigned long long)weft_load_relaxed(&tally[i]),
		       i < OUTCOMES - 1 ? "," : "\n");
}

#endif
