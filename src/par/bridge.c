/* SPDX-License-Identifier: MIT */
/*
 * From one who produces items to many who work on them: each worker fetches for itself,
 * under a lock, as many as will take it some 20 us to fetch and to do.
 *
 * The caller begins alone, and enters the pool if it is not over soon, as a loop does.
 */
#include <errno.h>

#include "par/par.h"
#include "pool/pool.h"
#include "sys/sys.h"
#include "weft/mutex.h"
#include "weft/par_walk.h"

enum {
	ROOM = 4096, /* bytes of items that a worker fetches at once, unless one is larger */
	ALONE_US = 10,
	BATCH_US = 20,
	MOST = 1024, /* workers */
};

struct bridge {
	weft_next_fn next;
	weft_try_item_fn body;
	void *context;
	size_t size;
	weft_atomic_i32 error;
	WEFT_ALIGNED(64) weft_mutex lock; /* of `next` and */
	bool ended;
};

/* Fetches at most n items; how many they were. */
static size_t fetch(struct bridge *b, char *items, size_t n)
{
	size_t count = 0;

	while (count < n && !b->ended) {
		int got = b->next(b->context, items + count * b->size);

		if (got == 1) {
			count++;
			continue;
		}
		weft__error_note(&b->error, got);
		b->ended = true;
	}
	return count;
}

/* Works until there is nothing more, or for some time (0: any): whether it has seen the
 * end. */
static bool work(struct bridge *b, char *items, size_t room, const weft_par *par, uint64_t budget)
{
	uint64_t begin = weft__cpu_ticks(), target = BATCH_US * weft__ticks_per_us();
	size_t n = 1, count;

	do {
		uint64_t ticks;

		if (weft__error_seen(&b->error))
			return true;
		weft_mutex_lock(&b->lock);
		ticks = weft__cpu_ticks();
		count = fetch(b, items, n < room ? n : room);
		weft_mutex_unlock(&b->lock);
		if (par)
			weft_par_poll(*par);
		for (size_t i = 0; i < count && weft_load_relaxed(&b->error) == 0; i++)
			weft__error_note(&b->error, b->body(b->context, items + i * b->size));
		ticks = weft__cpu_ticks() - ticks;
		n = weft__block_next(n < room ? n : room, ticks, target);
		if (count == 0)
			return true;
	} while (budget == 0 || weft__cpu_ticks() - begin < budget);
	return false;
}

/* With a buffer for one item at least. */
static bool work_somewhere(struct bridge *b, const weft_par *par, uint64_t budget)
{
	WEFT_ALIGNED(64) char few[ROOM];
	char *items = few;
	bool ended;

	if (b->size > ROOM && !(items = weft__alloc_aligned(64, (b->size + 63) / 64 * 64))) {
		weft__error_note(&b->error, -ENOMEM);
		return true;
	}
	ended = work(b, items, b->size > ROOM ? 1 : ROOM / b->size, par, budget);
	if (items != few)
		weft__release(items);
	return ended;
}

static void participate(weft_par par, void *arg)
{
	(void)work_somewhere(arg, &par, 0);
}

static void enter(weft_par par, void *arg)
{
	weft__crew_run(par, weft__crew_size(MOST), participate, arg);
}

int weft_par_bridge(size_t size, weft_next_fn next, weft_try_item_fn body, void *context,
		    const weft_par_opts *opts)
{
	struct bridge b = { .next = next, .body = body, .context = context, .size = size };
	bool shared = opts && opts->grain;

	if (size == 0 || size > SIZE_MAX / 2)
		return -EINVAL;
	if (shared || !work_somewhere(&b, NULL, ALONE_US * weft__ticks_per_us()))
		weft__par_enter(opts, enter, &b);
	return weft_load_relaxed(&b.error);
}
