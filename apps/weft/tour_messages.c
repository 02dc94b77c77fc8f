/* SPDX-License-Identifier: MIT */
/*
 * Chapter messages: every line of the text goes as a message through a bounded
 * channel to receivers that hash it; what they made of it comes back through
 * another channel. The plain way is a ring under a pthread mutex with two
 * condition variables.
 */
#include "tour.h"

#include <weft/channel.h>
#include <weft/scope.h>

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define CAPACITY 128
#define MESSAGES_MAX ((uint64_t)500000)

struct message {
	const char *at;
	size_t len;
};

struct yield {
	uint64_t messages, hashes;
};

WEFT_CHAN_DEFINE(message_chan, struct message);
WEFT_CHAN_DEFINE(yield_chan, struct yield);

struct passing {
	const struct corpus *corpus;
	int receivers;
	message_chan messages;
	yield_chan yields;
	struct yield ours, plain, direct;

	/* The plain way. */
	pthread_mutex_t mutex;
	pthread_cond_t not_full, not_empty;
	struct message ring[CAPACITY];
	size_t head, tail;
	bool closed;
};

static void digest(const struct message *m, struct yield *y)
{
	y->messages++;
	y->hashes += hash_bytes(m->at, m->len);
}

/* Calls send() for the lines of the text, or as many as are enough. */
static int each_line(struct passing *p, int (*send)(struct passing *, const struct message *))
{
	const char *at = p->corpus->text, *end = at + p->corpus->len;
	int err = 0;

	for (uint64_t n = 0; at < end && n < MESSAGES_MAX && err == 0; n++) {
		struct message m = { at, line_length(at, end) };

		err = send(p, &m);
		at += m.len + 1;
	}
	return err;
}

/* --- with channels ------------------------------------------------------------- */

static int receive(void *arg)
{
	struct passing *p = arg;
	struct yield mine = { 0 };
	struct message m;

	while (message_chan_recv(p->messages, &m) == 0)
		digest(&m, &mine);
	return yield_chan_send(p->yields, mine);
}

static int send(struct passing *p, const struct message *m)
{
	return message_chan_send(p->messages, *m);
}

static int pass(struct passing *p)
{
	weft_scope scope;
	int err = 0;

	weft_scope_open(&scope);
	for (int i = 0; i < p->receivers && err == 0; i++)
		err = weft_scope_spawn_thread(&scope, receive, p, NULL);
	if (err == 0)
		err = each_line(p, send);
	message_chan_close(p->messages);
	for (int i = 0; i < p->receivers && err == 0; i++) {
		struct yield y;

		err = yield_chan_recv(p->yields, &y);
		if (err == 0) {
			p->ours.messages += y.messages;
			p->ours.hashes += y.hashes;
		}
	}
	if (err)
		weft_scope_cancel(&scope);
	int closed = weft_scope_close(&scope);
	return err ? err : closed;
}

static int with_channels(void *arg)
{
	struct passing *p = arg;

	p->ours = (struct yield){ 0 };
	int err = message_chan_new(&p->messages, CAPACITY);
	if (err)
		return err;
	err = yield_chan_new(&p->yields, 0);
	if (err == 0) {
		err = pass(p);
		yield_chan_release(p->yields);
	}
	message_chan_release(p->messages);
	return err;
}

/* --- the plain way --------------------------------------------------------------- */

static int push(struct passing *p, const struct message *m)
{
	pthread_mutex_lock(&p->mutex);
	while (p->tail - p->head == CAPACITY)
		pthread_cond_wait(&p->not_full, &p->mutex);
	p->ring[p->tail++ % CAPACITY] = *m;
	pthread_cond_signal(&p->not_empty);
	pthread_mutex_unlock(&p->mutex);
	return 0;
}

static bool pop(struct passing *p, struct message *m)
{
	pthread_mutex_lock(&p->mutex);
	while (p->tail == p->head && !p->closed)
		pthread_cond_wait(&p->not_empty, &p->mutex);
	bool got = p->tail != p->head;
	if (got) {
		*m = p->ring[p->head++ % CAPACITY];
		pthread_cond_signal(&p->not_full);
	}
	pthread_mutex_unlock(&p->mutex);
	return got;
}

static void *receive_plain(void *arg)
{
	struct passing *p = arg;
	struct yield mine = { 0 };
	struct message m;

	while (pop(p, &m))
		digest(&m, &mine);
	pthread_mutex_lock(&p->mutex);
	p->plain.messages += mine.messages;
	p->plain.hashes += mine.hashes;
	pthread_mutex_unlock(&p->mutex);
	return NULL;
}

static int plain_way(void *arg)
{
	struct passing *p = arg;
	pthread_t *threads = calloc((size_t)p->receivers, sizeof(*threads));
	int started = 0, err = threads ? 0 : ENOMEM;

	p->plain = (struct yield){ 0 };
	p->head = p->tail = 0;
	p->closed = false;
	while (err == 0 && started < p->receivers) {
		err = pthread_create(&threads[started], NULL, receive_plain, p);
		started += err == 0;
	}
	if (err == 0)
		each_line(p, push);
	pthread_mutex_lock(&p->mutex);
	p->closed = true;
	pthread_cond_broadcast(&p->not_empty);
	pthread_mutex_unlock(&p->mutex);
	while (started > 0)
		pthread_join(threads[--started], NULL);
	free(threads);
	return -err;
}

static int digest_directly(struct passing *p, const struct message *m)
{
	digest(m, &p->direct);
	return 0;
}

int tour_messages(struct tour *t, struct tour_block *b)
{
	static struct passing p = { .mutex = PTHREAD_MUTEX_INITIALIZER,
				    .not_full = PTHREAD_COND_INITIALIZER,
				    .not_empty = PTHREAD_COND_INITIALIZER };
	struct tour_race race = { .ours = with_channels, .plain = plain_way, .arg = &p };

	p.corpus = &t->corpus;
	p.receivers = t->threads;
	int err = tour_race(&race, 3);
	if (err)
		return err;
	each_line(&p, digest_directly);

	b->wrong = p.ours.messages != p.direct.messages || p.ours.hashes != p.direct.hashes;
	buf_str(&b->did, "sent ");
	buf_count(&b->did, p.ours.messages);
	buf_printf(&b->did, " lines through a channel of %d to %d threads that hash them",
		   CAPACITY, p.receivers);
	if (b->wrong)
		buf_str(&b->verified, "messages were lost, doubled or changed");
	else
		buf_printf(&b->verified,
			   "each line once, and unchanged: the hashes add up to %016llx",
			   (unsigned long long)p.ours.hashes);
	buf_span(&b->speed, (double)race.ours_ns / (double)p.ours.messages);
	buf_str(&b->speed, " a line, pthread mutex and conditions ");
	buf_span(&b->speed, (double)race.plain_ns / (double)p.ours.messages);
	buf_str(&b->speed, ": ");
	buf_ratio(&b->speed, (double)race.ours_ns, (double)race.plain_ns);
	return 0;
}
