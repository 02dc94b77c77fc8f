/* SPDX-License-Identifier: MIT */
/*
 * The monitor: a thread that looks at the workers, and tells of a fiber that has run
 * for long without a switch, because it computes, or because it has called something
 * that blocks the thread. The other fibers of the worker wait for it meanwhile.
 *
 * It looks once in each span that is too long, and remembers each worker's count of
 * switches. A worker that is not asleep and whose count is the same as at the last
 * look is suspect. That alone can be the system's doing, which has given the CPU to
 * somebody else; so a thread that could run counts only with the CPU time that it got.
 *
 * Then the worker is asked: a signal has its thread look who runs and where. That makes
 * no guess about another thread's stack, and finds out whether it has switched in the
 * meantime after all. An answer that does not come in time is done without.
 *
 *   NONE       -> ASKED, by the monitor
 *   ASKED      -> ANSWERING, by the worker; NONE, when the monitor has lost patience
 *   ANSWERING  -> ANSWERED, MOVED; the monitor waits for that
 *
 * When all workers have been asleep for some looks the monitor rests, too, and costs
 * nothing until one of them gets up.
 *
 * rest.1    the monitor says that it rests, then reads the census; a worker changes the
 *           census, then looks whether the monitor rests. All seq_cst: one sees the
 *           other.
 * answer.1  each step of the question releases what the side has written before it,
 *           and acquires.
 */
#include "rt/monitor.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/time.h"
#include "rt/rt.h"
#include "rt/sanitize.h"
#include "sys/io.h"

enum { NONE, ASKED, ANSWERING, ANSWERED, MOVED };

enum { LOOKS_TO_REST = 5 };

/* Instrumented code takes that much longer. */
#define HOG_NS ((WEFT__ASAN || WEFT__TSAN ? 10 : 1) * 10 * WEFT_MS)
#define PATIENCE_NS (100 * WEFT_MS)
#define REPORT_EVERY_NS WEFT_SECOND

struct weft__sample {
	uint64_t switches;
	int64_t since; /* 0: it was asleep */
	int64_t cpu;
	bool reported;
};

/* ---- the worker's answer ------------------------------------------------------------ */

static void describe(struct weft__monitor *m, const struct weft_fiber *fiber)
{
	m->id = fiber->id;
	m->name[0] = 0;
	strncat(m->name, weft_fiber_name(fiber), sizeof(m->name) - 1);
	m->frames = weft__watch_backtrace(m->frame, WEFT__HOG_FRAMES);
}

/* On the worker's thread, in a signal handler. */
static void look(void)
{
	struct weft__rt_worker *w = weft__rt_worker_self();
	uint32_t asked = ASKED, answer = MOVED;
	struct weft__monitor *m;

	if (!w)
		return;
	m = &w->runtime->monitor;
	if (weft_load_acquire(&m->question) != ASKED || weft_load_relaxed(&m->asked) != w)
		return;
	if (!weft_cas_acq_rel(&m->question, &asked, ANSWERING)) /* answer.1 */
		return;
	if (weft_load_relaxed(&m->asked) == w && w->current &&
	    weft_load_relaxed(&w->counters.switches) == m->switches) {
		describe(m, w->current);
		answer = ANSWERED;
	}
	weft_store_release(&m->question, answer); /* answer.1 */
	weft__futex_wake(&m->question, 1);
}

/* Waits while the question is in that state; false when the deadline came first. */
static bool await_not(struct weft__monitor *m, uint32_t state, int64_t deadline)
{
	while (weft_load_acquire(&m->question) == state) /* answer.1 */
		if (weft__futex_wait(&m->question, state, deadline) == -ETIMEDOUT)
			return weft_load_acquire(&m->question) != state; /* answer.1 */
	return true;
}

/* Whether the worker still is where it was; with what it runs, if it answers. */
static bool ask(struct weft__monitor *m, struct weft__rt_worker *w, uint64_t switches)
{
	uint32_t asked = ASKED;
	bool moved;

	m->frames = 0;
	m->id = 0;
	m->name[0] = 0;
	m->switches = switches;
	weft_store_relaxed(&m->asked, w);
	weft_store_release(&m->question, ASKED); /* answer.1 */
	if (!weft__watch_poke(&w->watch) || !await_not(m, ASKED, weft_after(PATIENCE_NS)))
		(void)weft_cas_acquire(&m->question, &asked, NONE); /* answer.1 */
	await_not(m, ANSWERING, WEFT_NEVER);
	moved = weft_swap_acquire(&m->question, NONE) == MOVED; /* answer.1 */
	return !moved && weft_load_relaxed(&w->counters.switches) == switches;
}

/* ---- reports ------------------------------------------------------------------------- */

/* A line on standard error, and the functions that the fiber is in. */
static void report_by_default(struct weft__monitor *m, const weft_hog *hog, int64_t now)
{
	char line[256], more[48] = "";
	weft_iovec piece = { .base = line };
	int size;

	if (m->last_report && now - m->last_report < REPORT_EVERY_NS) {
		m->unreported++;
		return;
	}
	if (m->unreported > 0)
		snprintf(more, sizeof(more), " (and %u not reported)", m->unreported);
	m->last_report = now;
	m->unreported = 0;
	size = snprintf(line, sizeof(line),
			"weft: fiber %llu \"%s\" has %s for %lld ms and holds up worker %d; "
			"weft_blocking() is for that%s\n",
			(unsigned long long)hog->id, hog->fiber,
			hog->blocked ? "slept in a system call" : "computed",
			(long long)(hog->ns / WEFT_MS), hog->worker, more);
	piece.size = size < (int)sizeof(line) ? (size_t)size : sizeof(line) - 1;
	(void)weft__fd_write(2, &piece, 1);
	weft__watch_write_frames(2, hog->frames, hog->frame_count);
}

static void report(weft_runtime *runtime, struct weft__rt_worker *w, int64_t ns, bool blocked)
{
	struct weft__monitor *m = &runtime->monitor;
	const weft_runtime_opts *opts = &runtime->opts;
	const weft_hog hog = {
		.fiber = m->name,
		.id = m->id,
		.worker = (int)w->index,
		.ns = ns,
		.blocked = blocked,
		.frames = m->frame,
		.frame_count = m->frames,
	};

	if (opts->on_hog)
		opts->on_hog(&hog, opts->on_hog_arg);
	else
		report_by_default(m, &hog, weft_now());
}

/* ---- looking ----------------------------------------------------------------------------- */

static int64_t hog_ns(const weft_runtime *runtime)
{
	return runtime->opts.hog_ns ? runtime->opts.hog_ns : HOG_NS;
}

static bool lies_down(const weft_runtime *runtime, unsigned index)
{
	return weft_load_seq_cst(&runtime->idle.asleep[index / 64]) >> (index % 64) &
	       1; /* rest.1 */
}

static void suspect(weft_runtime *runtime, struct weft__rt_worker *w, struct weft__sample *s,
		    int64_t now)
{
	bool blocked = weft__watch_asleep(&w->watch);
	int64_t computed = weft__watch_cpu(&w->watch) - s->cpu;

	if (!blocked && computed < hog_ns(runtime) / 2)
		return;
	if (!ask(&runtime->monitor, w, s->switches))
		return;
	s->reported = true;
	report(runtime, w, now - s->since, blocked);
}

/* Looks at a worker; whether it is up. */
static bool inspect(weft_runtime *runtime, unsigned index)
{
	struct weft__sample *s = &runtime->monitor.samples[index];
	struct weft__rt_worker *w = &runtime->worker[index];
	uint64_t switches = weft_load_relaxed(&w->counters.switches);
	int64_t now = weft_now();

	if (!weft_load_acquire(&w->watched)) /* watched.1 */
		return false;
	if (lies_down(runtime, index)) {
		s->since = 0;
		return false;
	}
	if (s->since == 0 || switches != s->switches)
		*s = (struct weft__sample){ switches, now, weft__watch_cpu(&w->watch), false };
	else if (!s->reported && now - s->since >= hog_ns(runtime))
		suspect(runtime, w, s, now);
	return true;
}

static bool all_lie_down(const weft_runtime *runtime)
{
	for (unsigned i = 0; i < runtime->workers; i++)
		if (!lies_down(runtime, i))
			return false;
	return true;
}

static void rest(weft_runtime *runtime)
{
	weft_atomic_u32 *state = &runtime->monitor.state;
	uint32_t awake = WEFT__MONITOR_AWAKE, resting = WEFT__MONITOR_RESTING;

	if (!weft_cas_seq_cst(state, &awake, WEFT__MONITOR_RESTING)) /* rest.1 */
		return;
	if (all_lie_down(runtime))
		while (weft_load_relaxed(state) == WEFT__MONITOR_RESTING)
			(void)weft__futex_wait(state, WEFT__MONITOR_RESTING, WEFT_NEVER);
	(void)weft_cas_seq_cst(state, &resting, WEFT__MONITOR_AWAKE);
}

void weft__monitor_rouse(struct weft__monitor *monitor)
{
	uint32_t resting = WEFT__MONITOR_RESTING;

	if (weft_cas_seq_cst(&monitor->state, &resting, WEFT__MONITOR_AWAKE))
		weft__futex_wake(&monitor->state, 1);
}

static void watch(void *arg)
{
	weft_runtime *runtime = arg;
	weft_atomic_u32 *state = &runtime->monitor.state;
	int quiet = 0;

	while (weft_load_relaxed(state) != WEFT__MONITOR_STOPPING) {
		bool up = false;

		for (unsigned i = 0; i < runtime->workers; i++)
			up |= inspect(runtime, i);
		quiet = up ? 0 : quiet + 1;
		if (quiet >= LOOKS_TO_REST)
			rest(runtime);
		(void)weft__futex_wait(state, WEFT__MONITOR_AWAKE, weft_after(hog_ns(runtime)));
	}
}

/* ---- its life ------------------------------------------------------------------------------ */

int weft__monitor_start(weft_runtime *runtime)
{
	struct weft__monitor *m = &runtime->monitor;
	int err;

	if (runtime->opts.hog_ns < 0 || runtime->opts.deterministic)
		return 0;
	m->samples = weft__alloc_zero(runtime->workers, sizeof(*m->samples));
	if (!m->samples)
		return -ENOMEM;
	weft__watch_poke_with(look);
	err = weft__thread_start(&m->thread, watch, runtime, 0, "weft-monitor");
	if (err) {
		weft__release(m->samples);
		m->samples = NULL;
	}
	return err;
}

void weft__monitor_stop(weft_runtime *runtime)
{
	struct weft__monitor *m = &runtime->monitor;

	if (!m->samples)
		return;
	weft_swap_seq_cst(&m->state, WEFT__MONITOR_STOPPING);
	weft__futex_wake(&m->state, 1);
	weft__thread_join(m->thread);
	weft__release(m->samples);
	m->samples = NULL;
}
