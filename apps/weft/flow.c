/* SPDX-License-Identifier: MIT */
/*
 * The two ends of the pipeline: the producer, and the consumer that puts the
 * results in order. The workers are in flow_work.c.
 *
 * The end. The producer closes the work channel when it is through; the workers
 * return when that is empty; then the results channel is closed, and when the
 * consumer finds it closed and empty, everything has been consumed.
 *
 * Cancellation. Everything that runs is in one scope, a child of the caller's
 * ambient token. When that is cancelled, workers drop the file they are at within
 * a piece, and the consumer's side collects what had been finished, for a moment
 * only, since a worker may be held by a disk that does not answer.
 */
#include "flow_impl.h"

#include <weft/event.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LISTS 256 /* of results that may wait for the consumer */
#define PIECE_MAX ((size_t)128 << 10)
#define PIECE_MIN ((size_t)16 << 10)
#define PIECES_ALL ((size_t)16 << 20) /* of all workers together */
#define LEFTOVERS_MS 60

void flow_item_free(struct flow_item *item)
{
	free(item);
}

static void drop_list(void *element, void *context)
{
	struct flow_item *item = *(struct flow_item **)element;

	(void)context;
	while (item) {
		struct flow_item *next = item->next;

		flow_item_free(item);
		item = next;
	}
}

/* --- the producer ----------------------------------------------------------- */

static uint32_t item_cost(size_t bytes)
{
	if (bytes < FLOW_COST_MIN)
		return FLOW_COST_MIN;
	return bytes > FLOW_COST_MAX ? FLOW_COST_MAX : (uint32_t)bytes;
}

/* Waits for a place in the channel, and for memory. */
static int take_permits(struct flow *f, uint32_t cost)
{
	if (f->places == 0) {
		int err = weft_semaphore_acquire(&f->ahead, FLOW_AHEAD_STEP);

		if (err)
			return err;
		f->places = FLOW_AHEAD_STEP;
	}
	while (f->credit < cost) {
		int err = weft_semaphore_acquire(&f->room, FLOW_STEP);

		if (err)
			return err;
		f->credit += FLOW_STEP;
	}
	f->credit -= cost;
	f->places--;
	return 0;
}

int flow_emit(struct flow *f, enum flow_kind kind, int trouble, const char *path,
	      const void *extra, size_t extra_len)
{
	size_t path_size = strlen(path) + 1;
	size_t bytes = sizeof(struct flow_item) + extra_len + path_size;
	struct flow_item *item = NULL;

	if (weft_cancelled())
		return -ECANCELED;
	int err = take_permits(f, item_cost(bytes));
	if (err)
		return err;
	item = malloc(bytes);
	if (!item)
		return -ENOMEM;
	*item = (struct flow_item){ .number = f->numbered,
				    .trouble = trouble,
				    .cost = item_cost(bytes),
				    .extra_len = (uint32_t)extra_len,
				    .kind = (uint8_t)kind };
	char *tail = (char *)item->extra;
	if (extra_len)
		memcpy(tail, extra, extra_len);
	item->path = memcpy(tail + extra_len, path, path_size);

	err = weft_chan_send(f->work, &item);
	if (err) {
		flow_item_free(item);
		return err;
	}
	f->numbered++;
	f->to_hash += kind != FLOW_NOTE && trouble == 0;
	return 0;
}

static int producer(void *arg)
{
	struct flow *f = arg;
	int err = f->opts->produce(f, f->opts->context);

	weft_store_relaxed(&f->total, f->to_hash + 1);
	weft_chan_close(f->work);
	return err;
}

static int hashing(void *arg)
{
	struct flow *f = arg;

	flow_work(f);
	weft_chan_close(f->results);
	return 0;
}

/* --- the consumer ------------------------------------------------------------ */

static int consume(struct flow *f, struct flow_item *item)
{
	int err = f->opts->consume(item, f->opts->context);

	f->returned += item->cost;
	flow_item_free(item);
	if (f->returned >= FLOW_STEP) {
		uint32_t whole = f->returned - f->returned % FLOW_STEP;

		f->returned -= whole;
		weft_semaphore_release(&f->room, whole);
	}
	return err;
}

static void take_list(struct flow *f, struct flow_item *item)
{
	while (item) {
		struct flow_item *next = item->next;

		window_put(&f->window, item->number, item);
		item = next;
	}
}

static int consume_ready(struct flow *f)
{
	struct flow_item *item;
	int err = 0;

	while (err == 0 && (item = window_take(&f->window)) != NULL)
		err = consume(f, item);
	return err;
}

/* Until the results channel is closed and empty: 0; or why not. */
static int consume_all(struct flow *f)
{
	const struct flow_opts *o = f->opts;
	int64_t due = 0;
	int err = 0;

	while (err == 0) {
		struct flow_item *list;
		int got = weft_chan_try_recv(f->results, &list);

		if (got == -EAGAIN || weft_now() >= due)
			due = o->pace(f, o->context);
		if (got == -EAGAIN)
			got = weft_chan_recv_until(f->results, &list, due);
		if (got == -EPIPE)
			return 0;
		if (got == 0) {
			take_list(f, list);
			err = consume_ready(f);
		} else if (got != -ETIMEDOUT) {
			err = got;
		}
	}
	return err;
}

/* After a cancellation: what has been finished, gaps left out. */
static int consume_leftovers(struct flow *f)
{
	weft_token *outer = weft_ambient_set(NULL);
	int64_t until = weft_after_ms(LEFTOVERS_MS);
	struct flow_item *list, *item;
	int got, err = 0;

	while ((got = weft_chan_recv_until(f->results, &list, until)) == 0)
		take_list(f, list);
	weft_ambient_set(outer);
	/* Lists that a worker could not hand over, once it has ended. */
	for (int i = 0; got == -EPIPE && i < f->opts->jobs; i++) {
		take_list(f, f->workers[i].done);
		f->workers[i].done = NULL;
	}
	while (err == 0 && (item = window_skip(&f->window)) != NULL)
		err = consume(f, item);
	if (got != -EPIPE)
		f->opts->give_up(f->opts->context);
	return err;
}

void flow_tally_read(struct flow *f, struct flow_tally *tally)
{
	uint64_t total = weft_load_relaxed(&f->total);

	*tally = (struct flow_tally){ .total = total - (total != 0), .total_known = total != 0 };
	for (int i = 0; i < f->opts->jobs; i++) {
		tally->files += weft_load_relaxed(&f->workers[i].files);
		tally->bytes += weft_load_relaxed(&f->workers[i].bytes);
		tally->bytes_known += weft_load_relaxed(&f->workers[i].bytes_known);
	}
}

/* --- beginning and end -------------------------------------------------------- */

static int workers_init(struct flow *f)
{
	size_t jobs = (size_t)f->opts->jobs, piece = PIECES_ALL / jobs;

	piece = piece > PIECE_MAX   ? PIECE_MAX
		: piece < PIECE_MIN ? PIECE_MIN
				    : piece & ~(size_t)4095;
	f->workers = aligned_alloc(WEFT_CACHE_LINE, jobs * sizeof(*f->workers));
	f->forks = calloc(jobs, sizeof(*f->forks));
	if (!f->workers || !f->forks)
		return -ENOMEM;
	memset(f->workers, 0, jobs * sizeof(*f->workers));
	for (size_t i = 0; i < jobs; i++) {
		struct flow_worker *w = &f->workers[i];
		int err = hasher_init(&w->hasher, piece);

		if (err)
			return err;
		w->flow = f;
		w->done_end = &w->done;
	}
	return 0;
}

static int flow_init(struct flow *f)
{
	static const weft_chan_opts owns = { .drop = drop_list };
	int err = hash_setup();

	weft_semaphore_init(&f->room, FLOW_BUDGET);
	weft_semaphore_init(&f->ahead, FLOW_AHEAD);
	if (err == 0)
		err = workers_init(f);
	if (err == 0)
		err = window_init(&f->window, FLOW_BUDGET / FLOW_COST_MIN);
	if (err == 0)
		err = weft_chan_new(&f->work, sizeof(struct flow_item *), FLOW_AHEAD, &owns);
	if (err == 0)
		err = weft_chan_new(&f->results, sizeof(struct flow_item *), LISTS, &owns);
	if (err == 0)
		err = weft_pool_new(&f->pool, &(weft_pool_opts){ .workers = f->opts->jobs,
								 .name = "weft-hash" });
	return err;
}

static void flow_fini(struct flow *f)
{
	struct flow_item *item;

	weft_pool_free(f->pool);
	weft_chan_release(f->work);
	weft_chan_release(f->results);
	while (f->window.slots && (item = window_skip(&f->window)) != NULL)
		flow_item_free(item);
	window_fini(&f->window);
	for (int i = 0; f->workers && i < f->opts->jobs; i++) {
		drop_list(&f->workers[i].done, NULL);
		hasher_fini(&f->workers[i].hasher);
	}
	free(f->workers);
	free(f->forks);
}

static int flow_start(struct flow *f)
{
	int err = weft_scope_spawn_thread(&f->scope, hashing, f,
					  &(weft_thread_opts){ .name = "weft-hash" });

	if (err) {
		weft_chan_close(f->results);
		return err;
	}
	err = weft_scope_spawn_thread(&f->scope, producer, f,
				      &(weft_thread_opts){ .name = "weft-walk" });
	if (err)
		weft_chan_close(f->work);
	return err;
}

int flow_run(const struct flow_opts *opts)
{
	struct flow f = { .opts = opts };
	int err = flow_init(&f);

	if (err == 0) {
		weft_scope_open(&f.scope);
		err = flow_start(&f);
		if (err == 0)
			err = consume_all(&f);
		if (err == -ECANCELED)
			consume_leftovers(&f);
		if (err)
			weft_scope_cancel(&f.scope);
		/* A producer's failure cancelled the rest and is what close returns. */
		int closed = weft_scope_close(&f.scope);
		if (closed && (err == 0 || err == -ECANCELED))
			err = closed;
	}
	flow_fini(&f);
	return err;
}
