/* SPDX-License-Identifier: MIT */
/*
 * Channels: several producers, one consumer, and nobody who counts to know when it
 * is over.
 *
 * Each producer holds a counted end of the channel. The consumer receives until
 * the last of them is dropped; it may also stop earlier, and then what it did not
 * take is given to the drop function. The elements here are pointers: to send one
 * hands over what it points at, and a send that fails leaves it with the sender.
 */
#include <weft.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PRODUCERS = 3, EACH = 100 };

struct parcel {
	int from, number;
};

static struct parcel *pack(int from, int number)
{
	struct parcel *parcel = malloc(sizeof(*parcel));

	if (parcel)
		*parcel = (struct parcel){ .from = from, .number = number };
	return parcel;
}

/* Called for a parcel that is still in the channel when the channel is freed. */
static void unpack(void *element, void *context)
{
	struct parcel **parcel = element;
	int *left = context;

	free(*parcel);
	++*left;
}

struct producer {
	weft_chan *out;
	int from;
	int sent;
};

static int produce(void *arg)
{
	struct producer *me = arg;
	int err = 0;

	while (me->sent < EACH && err == 0) {
		struct parcel *parcel = pack(me->from, me->sent);

		err = parcel ? weft_chan_send(me->out, &parcel) : -ENOMEM;
		if (err)
			free(parcel);
		else
			me->sent++;
	}
	weft_chan_drop_sender(me->out);
	/* Closed means that the consumer has had enough, which is fine. */
	return err == -EPIPE ? 0 : err;
}

/* Takes up to `most` parcels, checks the order of each producer's, and counts. */
static int consume(weft_chan *in, int most)
{
	int next[PRODUCERS] = { 0 }, taken = 0;
	struct parcel *parcel;

	while (taken < most && weft_chan_recv(in, &parcel) == 0) {
		if (parcel->number != next[parcel->from]++)
			printf("a parcel of %d is out of order\n", parcel->from);
		free(parcel);
		taken++;
	}
	weft_chan_close(in);
	return taken;
}

/* Parcels that were taken, left in the channel, and sent in all; 0 or -errno. */
static int run(int most, int *taken, int *left, int *sent)
{
	struct producer producers[PRODUCERS];
	weft_chan_opts opts = { .drop = unpack, .context = left };
	weft_scope scope;
	weft_chan *chan;
	int err = weft_chan_new(&chan, sizeof(struct parcel *), 16, &opts), closed;

	if (err)
		return err;
	weft_scope_open(&scope);
	for (int i = 0; i < PRODUCERS && err == 0; i++) {
		producers[i] = (struct producer){ .out = weft_chan_add_sender(chan), .from = i };
		err = weft_scope_spawn_thread(&scope, produce, &producers[i], NULL);
		if (err)
			weft_chan_drop_sender(chan);
	}
	*taken = consume(chan, err ? 0 : most);
	closed = weft_scope_close(&scope);
	weft_chan_release(chan); /* the last reference: what is left is unpacked now */
	if (err)
		return err;
	for (int i = 0; i < PRODUCERS; i++)
		*sent += producers[i].sent;
	return closed;
}

int main(void)
{
	bool complete = true;

	for (int most = PRODUCERS * EACH; most > 0; most -= 260) {
		int taken = 0, left = 0, sent = 0;
		int err = run(most, &taken, &left, &sent);

		if (err) {
			fprintf(stderr, "channel: %s\n", strerror(-err));
			return 1;
		}
		printf("%d parcels taken; none was lost\n", taken);
		complete = complete && taken == most && sent == taken + left;
	}
	return complete ? 0 : 1;
}
