/* SPDX-License-Identifier: MIT */
/*
 * Scans: a pass in which each range has to know what came before it.
 *
 * The workers take ranges, in order, each with a ticket. What is known of all before a
 * ticket's range is carried in one place, `carry`, by a baton that goes from ticket to
 * ticket: an event each, in a ring. Who has a range measures it, waits for the baton,
 * keeps a copy of `carry`, adds what it measured, passes the baton on, and only then
 * writes. So a range is read twice, but the second time from the cache; and as all
 * measure before they wait, and the baton is on its way for a few loads only, they
 * seldom wait.
 *
 * Who is alone and has the baton need not measure: it writes at once, with the baton in
 * its hand. A second worker that comes meanwhile waits for it once.
 *
 * Nobody waits for a range that nobody has begun: tickets are given to those who run. A
 * participant holds at most one ticket whose baton is not passed on, so that a ring of
 * as many events as participants is enough.
 */
#include <errno.h>
#include <string.h>

#include "par/par.h"
#include "pool/pool.h"
#include "sync/sync.h"
#include "sys/sys.h"
#include "weft/mutex.h"

enum { MOST = 32 }; /* participants */

struct baton {
	WEFT_ALIGNED(64) weft_event here;
};

struct pass {
	const weft_scan *scan;
	size_t grain, block; /* of the first range that a participant takes */
	uint64_t ticks_per_block;
	WEFT_ALIGNED(64) weft_mutex lock; /* of the following */
	size_t at, hi;
	uint64_t tickets;
	WEFT_ALIGNED(64) weft_atomic_u32 inside; /* participants */
	void *carry;                             /* of who has the baton */
	struct baton batons[MOST];
};

struct range {
	size_t lo, hi;
	uint64_t ticket;
};

static bool range_take(struct pass *p, size_t n, struct range *out)
{
	size_t left;

	weft_mutex_lock(&p->lock);
	left = p->hi - p->at;
	n = n < left ? n : left;
	if (left - n < p->grain)
		n = left;
	*out = (struct range){ p->at, p->at + n, p->tickets };
	p->at += n;
	p->tickets += n > 0;
	weft_mutex_unlock(&p->lock);
	return n > 0;
}

static weft_event *baton_of(struct pass *p, uint64_t ticket)
{
	return &p->batons[ticket % MOST].here;
}

static void baton_pass(struct pass *p, uint64_t ticket)
{
	weft_event_reset(baton_of(p, ticket));
	weft_event_set(baton_of(p, ticket + 1));
}

static void write_directly(struct pass *p, const struct range *r)
{
	p->scan->write(p->scan->context, r->lo, r->hi, p->carry, NULL);
	baton_pass(p, r->ticket);
}

/* Returns the ticks that it waited. */
static uint64_t measure_and_write(struct pass *p, const struct range *r)
{
	WEFT_ALIGNED(64) unsigned char own[WEFT_REDUCE_MAX];
	WEFT_ALIGNED(64) unsigned char before[WEFT_REDUCE_MAX], after[WEFT_REDUCE_MAX];
	const weft_scan *scan = p->scan;
	uint64_t ticks = 0;

	memcpy(own, scan->identity, scan->size);
	scan->measure(scan->context, r->lo, r->hi, own);
	if (!weft_event_is_set(baton_of(p, r->ticket))) {
		ticks = weft__cpu_ticks();
		weft__event_await(baton_of(p, r->ticket));
		ticks = weft__cpu_ticks() - ticks;
	}
	memcpy(before, p->carry, scan->size);
	scan->combine(scan->context, p->carry, own);
	memcpy(after, p->carry, scan->size);
	baton_pass(p, r->ticket);
	scan->write(scan->context, r->lo, r->hi, before, after);
	return ticks;
}

static void participate(weft_par par, void *arg)
{
	struct pass *p = arg;
	size_t block = p->block;
	struct range r;

	weft_add_relaxed(&p->inside, 1);
	while (range_take(p, block, &r)) {
		uint64_t begin = weft__cpu_ticks(), waited = 0;

		weft_par_poll(par);
		if (weft_load_relaxed(&p->inside) == 1 && weft_event_is_set(baton_of(p, r.ticket)))
			write_directly(p, &r);
		else
			waited = measure_and_write(p, &r);
		block = weft__block_next(r.hi - r.lo, weft__cpu_ticks() - begin - waited,
					 p->ticks_per_block);
		if (block < p->grain)
			block = p->grain;
	}
	weft_sub_relaxed(&p->inside, 1);
}

static void enter(weft_par par, void *arg)
{
	weft__crew_run(par, weft__crew_size(MOST), participate, arg);
}

static void share(const weft_scan *scan, const struct weft__rest *rest, const weft_par_opts *opts)
{
	struct pass p = {
		.scan = scan,
		.grain = rest->loop->grain,
		.block = rest->block,
		.ticks_per_block = rest->loop->ticks_per_block,
		.at = rest->lo,
		.hi = rest->hi,
		.carry = rest->accumulator,
	};

	weft_event_set(baton_of(&p, 0));
	weft__par_enter(opts, enter, &p);
}

/* As the body of a reduction by one worker. */
static void write_alone(void *context, size_t lo, size_t hi, void *accumulator)
{
	const weft_scan *scan = context;

	scan->write(scan->context, lo, hi, accumulator, NULL);
}

void weft__par_scan(size_t lo, size_t hi, const weft_scan *scan, void *total, uintptr_t key,
		    const weft_par_opts *opts)
{
	WEFT_ALIGNED(64) unsigned char carry[WEFT_REDUCE_MAX];
	weft_reduce alone = { .body = write_alone };
	struct weft__loop loop = { .reduce = &alone,
				   .context = (void *)(uintptr_t)scan,
				   .key = key };
	struct weft__rest rest = { .loop = &loop, .lo = lo, .hi = hi, .accumulator = carry };

	memcpy(carry, scan->identity, scan->size);
	if (lo < hi && weft__loop_begin(&loop, &rest, opts))
		share(scan, &rest, opts);
	if (total)
		memcpy(total, carry, scan->size);
}

int weft_par_scan(size_t lo, size_t hi, const weft_scan *scan, void *total,
		  const weft_par_opts *opts)
{
	if (!weft__reduce_size_ok(scan->size))
		return -EINVAL;
	weft__par_scan(lo, hi, scan, total, weft__loop_key((uintptr_t)scan->write, scan->context),
		       opts);
	return 0;
}
