/* SPDX-License-Identifier: MIT */
/*
 * Parties to channels of blocks, for the models of channels.
 *
 * Elements are blocks that the sender has filled and the receiver frees: a message that
 * is lost is a leak, one that is doubled is freed twice, one that came without its
 * release is a data race.
 */
#ifndef WEFT_TEST_MODEL_CHAN_RIG_H
#define WEFT_TEST_MODEL_CHAN_RIG_H

#include "rig.h"

#include <errno.h>

#include <weft.h>

#define CHAN "src/chan src/wait include/weft"

static const int64_t SOON = 5 * WEFT_SECOND;

struct block {
	int value;
};

struct party {
	weft_chan *chan, *other;
	weft_token token;
	int sent, received, sum;
	int first, count;
	struct block *slot;
};

static inline void drop_block(void *element, void *context)
{
	(void)context;
	weft_check_free(*(struct block **)element);
}

/* Added to the capacity: of one sender and one receiver. */
enum { SPSC = 1000 };

static inline weft_chan *chan_of(void *capacity)
{
	size_t n = (size_t)capacity;
	weft_chan_opts opts = { .drop = drop_block, .spsc = n > SPSC };
	weft_chan *chan;

	n = n > SPSC ? n - SPSC : n;
	WEFT_CHECK(weft_chan_new(&chan, sizeof(struct block *), n == 99 ? WEFT_UNBOUNDED : n,
				 &opts) == 0);
	return chan;
}

static inline struct party *party_new(weft_chan *chan, int first, int count)
{
	struct party *p = weft_check_alloc(sizeof(*p));

	p->chan = chan;
	p->first = first;
	p->count = count;
	return p;
}

static inline struct block *block_new(int value)
{
	struct block *b = weft_check_alloc(sizeof(*b));

	b->value = value;
	return b;
}

/* Sends `count` blocks; those that are refused it frees itself. */
static inline void send_blocks(struct party *p, int64_t deadline)
{
	for (int i = 0; i < p->count; i++) {
		struct block *b = p->slot = block_new(p->first + i);
		int err = weft_chan_send_until(p->chan, &p->slot, deadline);

		p->slot = NULL; /* it is the sender's again */
		WEFT_CHECK(err == 0 || err == -EPIPE || err == -ECANCELED ||
			   (err == -ETIMEDOUT && deadline != WEFT_NEVER));
		if (err == 0)
			p->sent++;
		else
			weft_check_free(b);
	}
}

static inline bool take_block(struct party *p, int err, struct block *b)
{
	if (err)
		return false;
	p->received++;
	p->sum += b->value;
	weft_check_free(b);
	return true;
}

static inline bool recv_block(struct party *p, int64_t deadline)
{
	struct block *b = NULL;
	int err = weft_chan_recv_until(p->chan, &b, deadline);

	WEFT_CHECK(err == 0 || err == -EPIPE || err == -ECANCELED ||
		   (err == -ETIMEDOUT && deadline != WEFT_NEVER));
	return take_block(p, err, b);
}

static inline void sender(void *arg)
{
	send_blocks(arg, WEFT_NEVER);
}

static inline void sender_until(void *arg)
{
	send_blocks(arg, SOON);
}

static inline void receiver(void *arg)
{
	struct party *p = arg;

	for (int i = 0; i < p->count; i++)
		recv_block(p, WEFT_NEVER);
}

static inline void receiver_until(void *arg)
{
	struct party *p = arg;

	for (int i = 0; i < p->count; i++)
		recv_block(p, SOON);
}

static inline void receiver_to_the_end(void *arg)
{
	struct party *p = arg;

	while (recv_block(p, WEFT_NEVER))
		continue;
}

/* Each program with each flavour. */
#define FLAVOURS(ident, ...)                                                                \
	MODEL_OF(rendezvous_##ident, ident, .arg = (void *)0, .covers = CHAN, __VA_ARGS__); \
	MODEL_OF(ring_##ident, ident, .arg = (void *)1, .covers = CHAN, __VA_ARGS__);       \
	MODEL_OF(unbounded_##ident, ident, .arg = (void *)99, .covers = CHAN, __VA_ARGS__)

#define ONE_TO_ONE(ident, ...) \
	MODEL_OF(spsc_##ident, ident, .arg = (void *)(SPSC + 1), .covers = CHAN, __VA_ARGS__)

#endif
