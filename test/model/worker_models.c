/* SPDX-License-Identifier: MIT */
/*
 * Parts of the pool by themselves: offers, claims and joins between workers that the
 * model makes, with no threads that look for work beside them. What takes a whole
 * pool thousands of steps takes a few dozen here, so these end.
 */
#include "rig.h"

#include <weft.h>

#include "pool/pool.h"
#include "sync/sync.h"

#define POOL "src/pool include/weft"

enum { WORKERS = 3 };

/* A core with no threads of its own, and three workers that have been asked. */
struct bench {
	struct weft_pool pool;
	struct weft__core core;
	struct weft__worker workers[WORKERS + WEFT__POOL_GUESTS];
	weft_atomic_u64 asleep;
	uint64_t hired;
	weft_atomic_u32 over, met, joined;
	uint32_t expected; /* to meet */
	int runs;
};

static struct bench *bench_new(void)
{
	struct bench *b = weft__pages_map(sizeof(*b));

	b->core.pool = &b->pool;
	b->core.threads = WORKERS;
	b->core.workers = b->workers;
	b->core.asleep = &b->asleep;
	b->core.hired = &b->hired;
	b->hired = UINT64_MAX; /* nobody is hired */
	b->core.present = WORKERS + 1;
	b->core.rest_ns = WEFT_SECOND;
	weft_atomic_init(&b->core.width, WORKERS + 1);
	weft_atomic_init(&b->core.live, WORKERS);
	weft_atomic_init(&b->core.high, WORKERS);
	for (int i = 0; i < WORKERS; i++) {
		b->workers[i].core = &b->core;
		b->workers[i].index = i;
		b->workers[i].base = &b->workers[i].root;
		b->workers[i].stock = WEFT__POOL_STOCK;
		weft_atomic_init(&b->workers[i].face.want, 1);
	}
	return b;
}

static void bench_free(struct bench *b)
{
	weft__pages_unmap(b, sizeof(*b));
}

static weft_par par_of(struct bench *b, int worker)
{
	struct weft__worker *w = &b->workers[worker];

	return (weft_par){ &w->face, &w->root };
}

/* Takes one offer of `victim` and runs it below `tail`, unless `over` is set first. */
static bool thief_serve(struct bench *b, int thief, int victim, weft_job *tail)
{
	struct weft__offers *offers = &b->workers[victim].offers;
	struct weft__offer offer;

	while (!weft_load_relaxed(&b->over)) {
		uint64_t word = weft_load_acquire(&offers->word);

		if (weft__offers_count(word) > 0 && weft__offers_claim(offers, word, &offer)) {
			weft__job_run(&b->workers[thief], &b->workers[victim], tail, &offer);
			return true;
		}
		weft_pause();
	}
	return false;
}

/* ---- offers ---------------------------------------------------------------------------- */

/* Who gets a token gives it back: one that is got twice is a double free, one that is
 * lost a leak, and one that came without its release a data race. */
struct token {
	weft_job job;
	int number;
};

static void token_offer(struct bench *b, struct token **pushed, int number)
{
	struct token *t = *pushed = weft_check_alloc(sizeof(*t));

	t->number = number;
	weft__offers_push(&b->workers[0].offers, (struct weft__offer){ .job = &t->job });
}

static void token_get(struct bench *b, struct token *t, int number)
{
	(void)b;
	WEFT_CHECK(t->number == number || number < 0);
	weft_check_free(t);
}

static void token_thief(void *arg)
{
	struct bench *b = arg;
	struct weft__offers *offers = &b->workers[0].offers;
	int last = -1;

	for (int i = 0; i < 2; i++) {
		uint64_t word = weft_load_acquire(&offers->word);
		struct weft__offer offer;
		struct token *t;

		if (weft__offers_count(word) == 0 || !weft__offers_claim(offers, word, &offer))
			continue;
		t = weft_container_of(offer.job, struct token, job);
		WEFT_CHECK(t->number > last); /* the oldest first */
		last = t->number;
		token_get(b, t, -1);
	}
}

/* Takes back as long as there is something; what it gets is the youngest. */
static int tokens_take_back(struct bench *b, struct token **tokens, int count)
{
	while (count > 0 && weft__offers_take_back(&b->workers[0].offers)) {
		count--;
		token_get(b, tokens[count], count);
	}
	return count;
}

static void offers_program(void *arg)
{
	const int thieves = (int)(intptr_t)arg;
	struct bench *b = bench_new();
	struct token *tokens[3];

	for (int i = 1; i <= thieves; i++)
		SPAWN(token_thief, b);
	token_offer(b, &tokens[0], 0);
	token_offer(b, &tokens[1], 1);
	if (weft__offers_take_back(&b->workers[0].offers)) {
		token_get(b, tokens[1], 1);
		token_offer(b, &tokens[1], 1);
	} else {
		token_offer(b, &tokens[2], 2);
		if (weft__offers_take_back(&b->workers[0].offers))
			token_get(b, tokens[2], 2);
		tokens[1] = NULL;
	}
	for (int i = 1; i <= thieves; i++)
		weft_check_join(i);
	if (tokens[1])
		tokens_take_back(b, tokens, 2);
	bench_free(b);
}

MODEL_OF(pool_offers_and_a_thief, offers_program, .arg = (void *)1, .covers = POOL,
	 .preemptions = 3);
MODEL_OF(pool_offers_and_two_thieves, offers_program, .arg = (void *)2, .covers = POOL,
	 .preemptions = 2);

/* ---- joining what another runs ------------------------------------------------------------ */

struct child {
	weft_job job;
	struct bench *bench;
};

static void join_pair(struct bench *b, weft_job_fn run)
{
	struct child a = { .bench = b };
	weft_par par = par_of(b, 0);

	weft_fork(par, &a.job, run);
	weft_join(par, &a.job, run);
	weft_store_relaxed(&b->over, 1);
}

static void serve_all(void *arg)
{
	struct bench *b = arg;

	while (thief_serve(b, 1, 0, &b->workers[1].root))
		continue;
}

static void count_run(weft_par par, weft_job *job)
{
	(void)par;
	weft_container_of(job, struct child, job)->bench->runs++;
}

MODEL(pool_joins_what_was_claimed, .covers = POOL)
{
	struct bench *b = bench_new();

	SPAWN(serve_all, b);
	join_pair(b, count_run);
	WEFT_CHECK(b->runs == 1);
	weft_check_join(1);
	bench_free(b);
}

/* The job forks another and waits until that is run: by the joiner of the first, who
 * may be asleep. */
static void met_run(weft_par par, weft_job *job)
{
	(void)par;
	weft_store_relaxed(&weft_container_of(job, struct child, job)->bench->met, 1);
}

static void needs_help_run(weft_par par, weft_job *job)
{
	struct bench *b = weft_container_of(job, struct child, job)->bench;
	struct child below = { .bench = b };

	weft_fork(par, &below.job, met_run);
	while (!weft_load_relaxed(&b->met))
		weft_pause();
	weft_join(par, &below.job, met_run);
	b->runs++;
}

MODEL(pool_joiner_helps, .covers = POOL, .preemptions = 3)
{
	struct bench *b = bench_new();

	SPAWN(serve_all, b);
	join_pair(b, needs_help_run);
	WEFT_CHECK(b->runs == 1);
	weft_check_join(1);
	bench_free(b);
}

/* The joiner helps with what was forked below its job, and with nothing else: what the
 * thief offers when it is through might need a lock that the joiner holds. */
static void own_run(weft_par par, weft_job *job)
{
	(void)job;
	WEFT_CHECK(weft_par_worker(par) == 1);
}

static void serve_one_and_fork(void *arg)
{
	struct bench *b = arg;
	struct child own = { .bench = b };
	weft_par par = par_of(b, 1);

	thief_serve(b, 1, 0, par.tail);
	weft_fork(par, &own.job, own_run);
	weft_join(par, &own.job, own_run);
}

MODEL(pool_joiner_helps_with_nothing_else, .covers = POOL, .preemptions = 3)
{
	struct bench *b = bench_new();

	SPAWN(serve_one_and_fork, b);
	join_pair(b, count_run);
	WEFT_CHECK(b->runs == 1);
	weft_check_join(1);
	bench_free(b);
}

/* One thief is inside of the jobs of two joiners: it counts both, and then none. */
static void second_joiner(void *arg)
{
	struct bench *b = arg;
	struct child c = { .bench = b };
	weft_par par = par_of(b, 2);

	weft_fork(par, &c.job, count_run);
	weft_join(par, &c.job, count_run);
	weft_store_relaxed(&b->joined, 1);
}

static void serves_other_run(weft_par par, weft_job *job)
{
	struct bench *b = weft_container_of(job, struct child, job)->bench;
	struct weft__offers *offers = &b->workers[2].offers;
	struct weft__offer offer;

	while (weft_par_worker(par) == 1 && !weft_load_relaxed(&b->joined)) {
		uint64_t word = weft_load_acquire(&offers->word);

		if (weft__offers_count(word) > 0 && weft__offers_claim(offers, word, &offer)) {
			weft__job_run(&b->workers[1], &b->workers[2], par.tail, &offer);
			return;
		}
		weft_pause();
	}
}

MODEL(pool_thief_of_two_counts_its_helpers, .covers = POOL, .preemptions = 2)
{
	struct bench *b = bench_new();

	SPAWN(serve_all, b);
	SPAWN(second_joiner, b);
	join_pair(b, serves_other_run);
	weft_check_join(1);
	weft_check_join(2);
	WEFT_CHECK(b->runs == 1);
	WEFT_CHECK(weft_load_relaxed(&b->workers[1].helpers) == 0);
	bench_free(b);
}

/* ---- waking ------------------------------------------------------------------------------- */

/* Two threads of a pool, one of which sleeps from the beginning, and a guest. */
enum { GUEST = WORKERS, FIRST = 0, SLEEPER = 1 };

static void thread_main(void *arg)
{
	weft__worker_main(arg);
}

static void sleeper_main(void *arg)
{
	struct weft__worker *w = arg;

	weft__event_await(&w->event);
	weft__worker_main(w);
}

static void bench_threads(struct bench *b)
{
	b->workers[GUEST].core = &b->core;
	b->workers[GUEST].base = &b->workers[GUEST].root;
	b->workers[GUEST].stock = WEFT__POOL_STOCK;
	weft_atomic_init(&b->workers[GUEST].face.want, 1);
	weft_atomic_init(&b->core.guests, 1);
	weft_atomic_init(&b->core.census, 2 * WEFT__CENSUS_IDLE + WEFT__CENSUS_SEARCHING);
	weft_atomic_init(&b->asleep, UINT64_C(1) << SLEEPER);
	for (int i = 0; i < WORKERS; i++)
		weft__rng_seed(&b->workers[i].rng, (uint64_t)i);
	SPAWN(thread_main, &b->workers[FIRST]);
	SPAWN(sleeper_main, &b->workers[SLEEPER]);
}

static void bench_threads_end(struct bench *b)
{
	weft_swap_seq_cst(&b->core.stop, 1);
	weft_swap_seq_cst(&b->asleep, 0);
	weft_event_set(&b->workers[FIRST].event);
	weft_event_set(&b->workers[SLEEPER].event);
	weft_check_join(1);
	weft_check_join(2);
	/* Each has counted itself out as it left. (Whether as one who searches, the end,
	 * which clears the bits of all, does not care.) */
	WEFT_CHECK(weft__census_idle(weft_load_relaxed(&b->core.census)) == 0);
}

static void meet_all(struct bench *b)
{
	weft_add_relaxed(&b->met, 1);
	while (weft_load_relaxed(&b->met) < b->expected)
		weft_pause();
}

static void third_run(weft_par par, weft_job *job)
{
	(void)par;
	meet_all(weft_container_of(job, struct child, job)->bench);
}

static void second_run(weft_par par, weft_job *job)
{
	struct bench *b = weft_container_of(job, struct child, job)->bench;
	struct child below = { .bench = b };

	weft_fork(par, &below.job, third_run);
	meet_all(b);
	weft_join(par, &below.job, third_run);
}

/* The first thread is about to sleep and sees the offer by itself, while the guest has
 * cleared its bit and not counted it yet. What it then offers in its turn needs the
 * other one awake: the count must not look as if somebody were searching. */
MODEL(pool_wake_that_was_not_needed, .covers = POOL, .preemptions = 2)
{
	struct bench *b = bench_new();
	struct child c = { .bench = b };
	weft_par par = par_of(b, GUEST);

	b->expected = 3;
	bench_threads(b);
	while (weft__census_searching(weft_load_relaxed(&b->core.census)) > 0)
		weft_pause();
	weft_fork(par, &c.job, second_run);
	meet_all(b);
	weft_join(par, &c.job, second_run);
	bench_threads_end(b);
	bench_free(b);
}

/* Somebody is woken for nothing, just as the first thread falls asleep. However that
 * ends, the next offer finds a thread. */
MODEL(pool_wake_while_one_falls_asleep, .covers = POOL, .preemptions = 2)
{
	struct bench *b = bench_new();
	struct child c = { .bench = b };
	weft_par par = par_of(b, GUEST);

	b->expected = 2;
	bench_threads(b);
	weft__core_wake(&b->core);
	while (weft__census_searching(weft_load_relaxed(&b->core.census)) > 0)
		weft_pause();
	weft_fork(par, &c.job, third_run);
	meet_all(b);
	weft_join(par, &c.job, third_run);
	bench_threads_end(b);
	bench_free(b);
}
