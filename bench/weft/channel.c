/* SPDX-License-Identifier: MIT */
/* Weft's channels between threads. The ends are counted: the last sender that
 * is done closes the channel, and that ends the receivers. */
#include "../subject.h"

#include <weft/channel.h>
#include <weft/thread.h>

#define ENDS_MAX 64

struct end {
	weft_chan *chan;
	uint64_t first, block; /* of a sender */
	uint64_t seen, sum;    /* of a receiver */
};

static int sender(void *arg)
{
	struct end *e = arg;
	int err = 0;

	for (uint64_t v = e->first; v < e->first + e->block && err == 0; v++)
		err = weft_chan_send(e->chan, &v);
	weft_chan_drop_sender(e->chan);
	return err;
}

static int receiver(void *arg)
{
	struct end *e = arg;
	uint64_t value;

	while (weft_chan_recv(e->chan, &value) == 0) {
		e->seen++;
		e->sum += value;
	}
	weft_chan_drop_receiver(e->chan);
	return 0;
}

/* Sends 1 .. n, each sender a block, and returns the time; a negative number
 * when not every message arrived. */
static double transfer(const struct subject_channel *c, uint64_t n)
{
	struct end ends[2 * ENDS_MAX] = { { 0 } };
	weft_thread *threads[2 * ENDS_MAX];
	weft_chan *chan;
	unsigned all = c->senders + c->receivers;
	uint64_t block = n / c->senders, seen = 0, sum = 0;

	if (weft_chan_new(&chan, sizeof(uint64_t), c->capacity, NULL) != 0)
		abort();
	for (unsigned i = 0; i < all; i++)
		ends[i].chan = i < c->senders ? weft_chan_add_sender(chan)
					      : weft_chan_add_receiver(chan);
	double start = subject_now_ns();

	for (unsigned i = 0; i < all; i++) {
		ends[i].first = i * block + 1;
		ends[i].block = block;
		if (weft_thread_spawn(&threads[i], i < c->senders ? sender : receiver, &ends[i],
				      NULL) != 0)
			abort();
	}
	for (unsigned i = 0; i < all; i++)
		weft_thread_join(threads[i], NULL);
	double took = subject_now_ns() - start;

	for (unsigned i = 0; i < all; i++) {
		seen += ends[i].seen;
		sum += ends[i].sum;
	}
	weft_chan_release(chan);
	return seen == n && sum == subject_channel_sum(n) ? took : -1.0;
}

int main(int argc, char **argv)
{
	struct subject_channel c;

	if (argc != 4 || !subject_channel_parse(argv[2], &c) || c.senders > ENDS_MAX ||
	    c.receivers > ENDS_MAX)
		return subject_bad("usage: weft-channel channel CASE WORKERS");
	uint64_t small = c.most / 50 / c.senders * c.senders;
	double took = transfer(&c, small);
	uint64_t n = subject_count(small, took, c.most, c.senders);

	if (took >= 0.0)
		took = transfer(&c, n);
	if (took < 0.0)
		return subject_bad("messages were lost, doubled or changed on the way");
	return subject_ok(took / (double)n, "ns/message");
}
