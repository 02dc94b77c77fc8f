/* SPDX-License-Identifier: MIT */
/*
 * weft_check(): runs the program until a run fails or there is nothing left to try;
 * then looks for a failure with fewer preemptions, makes that run once more, and
 * shows it.
 */
#include "model/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OUTCOMES = 1 << 14, STEPS_MOST = 20000, RANDOM_RUNS = 100000, SHRINK_RUNS = 20000 };

static uint64_t outcomes[OUTCOMES];
static size_t outcomes_count;

static const char *const verdicts[] = {
	"passed",           "assertion",        "data race",   "deadlock",
	"livelock",         "use after free",   "double free", "leak",
	"not linearizable", "unsuited program", "bad token",
};

const char *weft_check_verdict_name(int verdict)
{
	if (verdict < 0 || (size_t)verdict >= sizeof(verdicts) / sizeof(verdicts[0]))
		return "unknown";
	return verdicts[verdict];
}

const weft_check_result *weft_check_last(void)
{
	return &M.result;
}

/* ---- one run -------------------------------------------------------------- */

static bool at_random(void)
{
	return M.opts.mode == WEFT_CHECK_RANDOM || M.opts.mode == WEFT_CHECK_PCT;
}

/* PCT: the steps of this run at which the running thread falls behind all others. */
static void choose_changes(void)
{
	memset(M.change, 0, sizeof(M.change));
	if (M.opts.mode != WEFT_CHECK_PCT)
		return;
	for (int i = 0; i < M.opts.depth - 1; i++)
		M.change[i] = 1 + weft__rng_below(&M.rng, M.steps_typical ? M.steps_typical : 50);
}

static void check_leak(void)
{
	const void *caller;
	size_t size;

	if (M.opts.leaks_allowed || !weft__shadow_leak(&size, &caller))
		return;
	M.verdict = WEFT_CHECK_LEAK;
	snprintf(M.message, sizeof(M.message), "%zu bytes are left that were allocated at %s",
		 size, weft__trace_place(caller));
}

/* From the start of the program. */
static void run_begin(void)
{
	M.run++;
	M.place = 0;
	M.preemptions = 0;
	M.steps = M.stores = M.sleep_orders = 0;
	M.stale = 0;
	M.idle_rounds = 0;
	M.clock = WEFT_SECOND;
	M.last_op = (struct op){ 0 };
	choose_changes();
	weft__memory_begin();
	weft__views_begin();
	weft__shadow_begin();
	weft__races_begin();
	weft__history_begin();
	weft__trace_begin();
}

static void run_once(void (*fn)(void *), void *arg)
{
	M.verdict = WEFT_CHECK_PASSED;
	M.message[0] = 0;
	M.given_up = false;
	if (weft__snapshot_begin()) {
		weft__threads_resume();
	} else {
		run_begin();
		weft__threads_begin(fn, arg);
		weft__threads_run();
	}
	if (!M.verdict && !M.given_up)
		check_leak();
}

static void note_run(weft_check_result *r)
{
	if (M.given_up) {
		r->pruned++;
	} else {
		r->executions++;
		r->steps_total += M.steps;
	}
	if (M.count > r->threads)
		r->threads = M.count;
	if (M.steps > r->steps)
		r->steps = M.steps;
	M.steps_typical = r->steps;
}

/* ---- all runs ------------------------------------------------------------- */

static bool enough(const weft_check_result *r, int64_t begin)
{
	uint64_t runs = r->executions + r->pruned;

	if (M.opts.executions && runs >= M.opts.executions)
		return true;
	return M.opts.ns_most && runs % 256 == 0 &&
	       weft__model_used_ns() - begin >= M.opts.ns_most;
}

static void explore(void (*fn)(void *), void *arg, weft_check_result *r)
{
	int64_t begin = weft__model_used_ns();

	M.length = 0;
	M.reduce = M.opts.mode == WEFT_CHECK_EXHAUSTIVE;
	M.bound = at_random() || M.opts.preemptions == 0 ? -1
		  : M.opts.preemptions < 0               ? 0
							 : M.opts.preemptions;
	weft__rng_seed(&M.rng, M.opts.seed);
	for (;;) {
		run_once(fn, arg);
		note_run(r);
		if (M.verdict)
			break;
		if (!weft__path_next()) {
			r->exhausted = true;
			break;
		}
		if (enough(r, begin))
			break;
	}
	weft__shadow_restore();
	r->verdict = M.verdict;
	r->ns = weft__model_used_ns() - begin;
	if (M.verdict) {
		r->preemptions = (int)M.preemptions;
		memcpy(r->message, M.message, sizeof(r->message));
		weft__path_token(r->token, sizeof(r->token));
	}
}

/* The same failure with fewer preemptions, if a short search finds one. */
static void shrink(void (*fn)(void *), void *arg, weft_check_result *r)
{
	const weft_check_opts opts = M.opts;
	static weft_check_result less;

	for (int bound = 0; bound < r->preemptions && bound < 4; bound++) {
		M.opts.mode = WEFT_CHECK_EXHAUSTIVE;
		M.opts.preemptions = bound ? bound : WEFT_CHECK_NO_PREEMPTION;
		M.opts.executions = SHRINK_RUNS;
		M.opts.ns_most = 2 * WEFT_SECOND;
		memset(&less, 0, sizeof(less));
		explore(fn, arg, &less);
		if (less.verdict != r->verdict)
			continue;
		r->preemptions = less.preemptions;
		memcpy(r->message, less.message, sizeof(r->message));
		memcpy(r->token, less.token, sizeof(r->token));
		break;
	}
	M.opts = opts;
}

/* ---- showing the failure -------------------------------------------------- */

static void replay(void (*fn)(void *), void *arg)
{
	M.replaying = M.tracing = true;
	M.reduce = false;
	M.bound = 0; /* so that every alternative is counted */
	run_once(fn, arg);
	weft__shadow_restore();
	M.replaying = M.tracing = false;
}

static void show(const weft_check_result *r)
{
	fprintf(stderr, "%s: %s: %s\n", M.opts.name ? M.opts.name : "weft_check",
		weft_check_verdict_name(r->verdict), r->message);
	weft__trace_show();
	fprintf(stderr, "  after %llu runs, %d preemptions; replay with %s\n",
		(unsigned long long)r->executions, r->preemptions,
		*r->token ? r->token : "(no token: the run is too long)");
}

static void defaults(const weft_check_opts *opts)
{
	static const weft_check_opts none;

	M.opts = opts ? *opts : none;
	if (!M.opts.seed)
		M.opts.seed = SEED_DEFAULT;
	if (!M.opts.steps)
		M.opts.steps = STEPS_MOST;
	if (!M.opts.rereads)
		M.opts.rereads = 2;
	if (M.opts.cpus < 1)
		M.opts.cpus = 1;
	if (M.opts.depth < 2 || M.opts.depth > 8)
		M.opts.depth = 3;
	if (at_random() && !M.opts.executions && !M.opts.ns_most)
		M.opts.executions = RANDOM_RUNS;
}

static int replay_token(void (*fn)(void *), void *arg, weft_check_result *r)
{
	if (!weft__path_parse(M.opts.replay)) {
		r->verdict = WEFT_CHECK_BAD_TOKEN;
		snprintf(r->message, sizeof(r->message), "the token cannot be read");
	} else {
		replay(fn, arg);
		note_run(r);
		r->verdict = M.verdict;
		r->preemptions = (int)M.preemptions;
		memcpy(r->message, M.message, sizeof(r->message));
	}
	snprintf(r->token, sizeof(r->token), "%s", M.opts.replay);
	if (!M.opts.quiet)
		show(r);
	return r->verdict;
}

int weft_check(void (*fn)(void *arg), void *arg, const weft_check_opts *opts)
{
	weft_check_result *r = &M.result;

	if (!M.path)
		M.path = weft__model_map(PATH_MOST * sizeof(*M.path));
	weft__shadow_setup();
	defaults(opts);
	M.heard = M.strays = false;
	memset(r, 0, sizeof(*r));
	outcomes_count = 0;
	r->seed = M.opts.seed;
	if (M.opts.replay)
		return replay_token(fn, arg, r);
	explore(fn, arg, r);
	if (!r->verdict)
		return r->verdict;
	if (!M.opts.no_shrink && r->preemptions > 0)
		shrink(fn, arg, r);
	if (!M.opts.quiet) {
		if (*r->token && weft__path_parse(r->token))
			replay(fn, arg);
		show(r);
	}
	return r->verdict;
}

/* ---- for programs --------------------------------------------------------- */

int weft_check_spawn(void (*fn)(void *arg), void *arg, const char *name)
{
	return weft__model_spawn(fn, arg, name, false);
}

int weft_check_spawn_anytime(void (*fn)(void *arg), void *arg, const char *name)
{
	return weft__model_spawn(fn, arg, name, true);
}

void weft_check_join(int thread)
{
	weft__model_join(thread);
}

void *weft__model_alloc(size_t alignment, size_t size, bool zero, const void *caller)
{
	if (!M.running) {
		void *p = NULL;

		if (posix_memalign(&p, alignment < 16 ? 16 : alignment, size ? size : 1))
			return NULL;
		return zero ? memset(p, 0, size) : p;
	}
	if (M.self->failures_left > 0 && weft__path_value(2, 3)) {
		M.self->failures_left--;
		weft__trace("finds no memory", 0, NULL, "%s", "");
		return NULL;
	}
	return weft__shadow_alloc(alignment, size, zero, caller);
}

void weft__model_free(void *memory, const void *caller)
{
	if (M.running)
		weft__shadow_free(memory, caller);
	else
		free(memory);
}

void *weft_check_alloc(size_t size)
{
	return weft__model_alloc(16, size, true, __builtin_return_address(0));
}

void weft_check_free(void *memory)
{
	weft__model_free(memory, __builtin_return_address(0));
}

int weft_check_choose(int count)
{
	if (!M.running || count < 2)
		return 0;
	return weft__path_value(count, (uint32_t)((UINT64_C(1) << count) - 1));
}

void weft_check_fail(const char *file, int line, const char *sentence)
{
	char place[128];

	if (!M.running)
		weft__die("%s (%s:%d)", sentence, file, line);
	snprintf(place, sizeof(place), "%s:%d", file, line);
	weft__model_stop(WEFT_CHECK_ASSERTION, "%.120s, at %s", sentence,
			 weft__trace_place(place));
}

/* ---- outcomes ------------------------------------------------------------- */

void weft_check_outcome(uint64_t value)
{
	for (size_t i = 0; i < outcomes_count; i++)
		if (outcomes[i] == value)
			return;
	if (outcomes_count < OUTCOMES)
		outcomes[outcomes_count++] = value;
}

static int compare(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

size_t weft_check_outcomes(uint64_t *out, size_t most)
{
	qsort(outcomes, outcomes_count, sizeof(outcomes[0]), compare);
	for (size_t i = 0; i < outcomes_count && i < most; i++)
		out[i] = outcomes[i];
	return outcomes_count;
}
