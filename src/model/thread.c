/* SPDX-License-Identifier: MIT */
/*
 * The threads of the model: fibers on one OS thread.
 *
 * A thread announces each step before it makes it, so that at every decision the
 * next step of each thread is known. If the decision falls on the thread itself,
 * no switch is needed. Between two announcements a thread runs alone.
 *
 * Sleeping and waking. A futex call compares the newest value, as the kernel does
 * under its own lock, and is a step that writes the futex's queue: every order of
 * it and of a wake is tried. After the call the thread does not see that word older
 * than the kernel did, or the waker; that is all that a wake promises. A sleeper with
 * a deadline may be chosen to run: its timer fires then, and the clock moves to the
 * deadline.
 *
 * A thread that hints that it spins is not run again until another has stored something
 * since its last hint; or, when it has read an old store meanwhile, it goes on and sees
 * the newest.
 */
#include "model/model.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

struct model weft__model;

/* Distinct from the addresses of atomics. */
#define FUTEX_OBJECT(address) ((uintptr_t)(address) | (uintptr_t)1 << 63)
#define CLOCK_OBJECT ((uintptr_t)1 << 62)

static const struct op resume;

/* ---- switching ------------------------------------------------------------ */

static void locals_out(struct model_thread *t)
{
	memcpy(t->locals, M.locals.base, M.locals.size);
}

static void locals_in(const struct model_thread *t)
{
	memcpy(M.locals.base, t->locals, M.locals.size);
}

static void switch_to(struct model_thread *from, struct model_thread *to)
{
	if (from == to)
		return;
	locals_out(from);
	M.self = to;
	locals_in(to);
	weft__model_switch(&from->sp, to->sp);
}

_Noreturn void weft__model_leave(void)
{
	void *nowhere;

	M.running = false;
	weft__model_switch(&nowhere, M.engine_sp);
	__builtin_unreachable();
}

_Noreturn void weft__model_stop(int verdict, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(M.message, sizeof(M.message), format, args);
	va_end(args);
	M.verdict = verdict;
	weft__model_leave();
}

/* What a thread that is not READY waits for. */
static void describe_wait(const struct model_thread *t, char *out, size_t size)
{
	char where[64];

	if (t->state == ASLEEP) {
		weft__shadow_describe(t->futex, where, sizeof(where));
		snprintf(out, size, "%s sleeps on %s", t->name, where);
	} else if (t->state == JOINING) {
		snprintf(out, size, "%s joins %s", t->name, M.threads[t->joining].name);
	} else {
		snprintf(out, size, "%s spins", t->name);
	}
}

/* Nobody can make a step. */
static _Noreturn void stuck(void)
{
	char text[256] = "";
	int verdict = WEFT_CHECK_DEADLOCK;

	if (M.given_up)
		weft__model_leave();
	for (int i = 0; i < M.count; i++) {
		char one[128];
		size_t used = strlen(text);

		if (M.threads[i].state == ENDED)
			continue;
		if (M.threads[i].state == SPINNING)
			verdict = WEFT_CHECK_LIVELOCK;
		describe_wait(&M.threads[i], one, sizeof(one));
		snprintf(text + used, sizeof(text) - used, "%s%.100s", used ? ", " : "", one);
	}
	weft__model_stop(verdict, "%s", text);
}

static void step_begin(struct model_thread *t)
{
	if (++M.steps > M.opts.steps)
		weft__model_stop(WEFT_CHECK_LIVELOCK, "a run with more than %u steps",
				 M.opts.steps);
	t->step_before = t->step;
	t->step = M.steps;
	t->anytime = false;
	if (t->state == ASLEEP && !t->woken) { /* its timer fires */
		t->state = READY;
		if (M.clock < t->deadline)
			M.clock = t->deadline;
	}
}

/* Comes back once the engine has taken the snapshot, and each time that a run goes on
 * from it. */
__attribute__((cold, noinline)) static void snapshot(struct model_thread *self)
{
	M.snapshot_place = UINT32_MAX;
	M.snapshot_wanted = true;
	locals_out(self);
	weft__model_switch(&self->sp, M.engine_sp);
}

/* Lets whoever is decided on run; returns when that is the caller. */
static void reschedule(struct model_thread *self)
{
	struct model_thread *next;

	if (WEFT_UNLIKELY(M.place >= M.snapshot_place))
		snapshot(self);
	next = weft__path_thread();

	if (!next)
		stuck();
	step_begin(next);
	switch_to(self, next);
}

void weft__model_point(const struct op *op, const char *site)
{
	struct model_thread *self = M.self;

	self->pending = *op;
	self->site = site;
	reschedule(self);
}

void weft__model_pointed(void)
{
	M.self->now.clock[M.self->index]++;
}

/* ---- the life of a thread ------------------------------------------------- */

static _Noreturn void end(struct model_thread *t)
{
	for (int i = 0; i < t->ends_count; i++)
		t->ends[i].fn(t->ends[i].value);
	for (int i = 1; t->index == 0 && i < M.count; i++)
		weft__model_join(i);
	weft__trace("ends", 0, NULL, "%s", "");
	if (t->index == 0)
		weft__model_leave(); /* all have ended */
	t->state = ENDED;
	for (int i = 0; i < M.count; i++) {
		struct model_thread *other = &M.threads[i];

		if (other->state == JOINING && other->joining == t->index)
			other->state = READY;
	}
	/* Joiners come after everything that it did. */
	reschedule(t);
	__builtin_unreachable();
}

static void entry(void)
{
	struct model_thread *t = M.self;

	weft__parker_init(&t->parker, weft__parker_self()->kind);
	weft__parker_install(&t->parker);
	M.asks = t->index == 0 && !M.strays;
	t->fn(t->arg);
	end(t);
}

void *weft__model_stacks(void)
{
	static void *stacks;

	if (!stacks)
		stacks = weft__model_map((size_t)STACK_SIZE * THREADS);
	return stacks;
}

static void thread_setup(struct model_thread *t, int index)
{
	t->index = index;
	t->stack = (unsigned char *)weft__model_stacks() + (size_t)index * STACK_SIZE;
	t->top = t->stack + STACK_SIZE;
	t->locals = weft__model_map(M.locals.size + 1);
}

static struct model_thread *thread_new(void (*fn)(void *), void *arg, const char *name)
{
	static const char *const names[] = { "T0", "T1", "T2", "T3", "T4", "T5", "T6", "T7" };
	struct model_thread *t = &M.threads[M.count];

	if (!t->stack)
		thread_setup(t, M.count);
	M.count++;
	t->state = READY;
	t->name = name && *name ? name : names[t->index];
	t->site = "start";
	t->pending = resume;
	t->sp = weft__model_stack(t->top, entry);
	t->user_sp = t->top;
	memset(t->locals, 0, M.locals.size);
	memcpy(t->locals, M.locals.image, M.locals.image_size);
	t->fn = fn;
	t->arg = arg;
	t->timed = t->woken = t->yields = t->read_stale = t->fresh = t->pending_any = false;
	t->stores_seen = M.stores;
	t->stores_own = 0;
	t->released = NULL;
	t->step = t->step_before = t->hinted_at = t->hints = 0;
	t->now.count = t->pending_acquire.count = 0;
	memset(t->now.clock, 0, sizeof(t->now.clock));
	memset(t->pending_acquire.clock, 0, sizeof(t->pending_acquire.clock));
	memset(t->order, 0, sizeof(t->order));
	t->anytime = false;
	t->spurious_left = M.opts.spurious;
	t->weak_left = M.opts.weak;
	t->failures_left = M.opts.failures;
	t->ends_count = 0;
	t->clock_reads = 0;
	t->depth = 0;
	t->arena_used = 0;
	t->priority = (uint32_t)(weft__rng_next(&M.rng) >> 33) + 16;
	return t;
}

static void view_snapshot(struct snapshot_bytes *b, struct full_view *v)
{
	weft__snapshot_piece(b, v, offsetof(struct full_view, at));
	weft__snapshot_piece(b, v->at, v->count * sizeof(v->at[0]));
}

void weft__threads_begin(void (*fn)(void *), void *arg)
{
	if (!M.threads[0].stack)
		weft__model_locals_find(&M.locals);
	M.count = 0;
	M.self = NULL;
	thread_new(fn, arg, "main")->now.clock[0] = 1;
}

static void run_from(struct model_thread *t)
{
	static unsigned char outside[4096];

	WEFT__ASSERT(M.locals.size <= sizeof(outside), "too many thread-local variables");
	memcpy(outside, M.locals.base, M.locals.size);
	M.self = t;
	do {
		if (M.snapshot_wanted)
			weft__snapshot_take();
		M.snapshot_wanted = false;
		M.running = true;
		locals_in(M.self);
		weft__model_switch(&M.engine_sp, M.self->sp);
		M.running = false;
	} while (M.snapshot_wanted);
	memcpy(M.locals.base, outside, M.locals.size);
}

void weft__threads_run(void)
{
	struct model_thread *first = weft__path_thread();

	step_begin(first);
	run_from(first);
}

void weft__threads_resume(void)
{
	weft__snapshot_restore();
	run_from(M.self);
}

/* Of a thread that has ended nobody needs the stack, unless it is the one that runs. */
void weft__threads_snapshot(struct snapshot_bytes *b)
{
	const size_t head = offsetof(struct model_thread, now);
	const size_t rest = offsetof(struct model_thread, pending_any);

	for (int i = 0; i < M.count; i++) {
		struct model_thread *t = &M.threads[i];

		weft__snapshot_piece(b, t, head);
		weft__snapshot_piece(b, (unsigned char *)t + rest, sizeof(*t) - rest);
		view_snapshot(b, &t->now);
		if (t->pending_any)
			view_snapshot(b, &t->pending_acquire);
		if (t->state == ENDED && t != M.self)
			continue;
		weft__snapshot_piece(b, t->sp, (size_t)(t->top - (unsigned char *)t->sp));
		weft__snapshot_piece(b, t->locals, M.locals.size);
	}
}

int weft__model_spawn(void (*fn)(void *), void *arg, const char *name, bool anytime)
{
	struct model_thread *self = M.self, *t;

	ENTER();
	if (M.count == THREADS)
		weft__model_stop(WEFT_CHECK_UNSUITED, "more than %d threads", THREADS);
	t = thread_new(fn, arg, name);
	t->anytime = anytime;
	weft__view_joined(&t->now, &self->now);
	t->now.clock[t->index] = 1;
	memcpy(t->order, self->order, sizeof(t->order));
	self->now.clock[self->index]++;
	weft__trace("starts", 0, NULL, "%s", t->name);
	weft__model_point(&resume, "start");
	return t->index;
}

void weft__model_join(int thread)
{
	struct model_thread *self = M.self, *t = &M.threads[thread];

	ENTER();
	if (thread < 0 || thread >= M.count || t == self)
		weft__model_stop(WEFT_CHECK_UNSUITED, "a thread was joined that there is not");
	if (t->state != ENDED) {
		self->state = JOINING;
		self->joining = thread;
		weft__model_point(&resume, "join");
	}
	for (int i = 0; i < THREADS; i++)
		if (self->order[i] < t->order[i])
			self->order[i] = t->order[i];
	weft__view_joined(&self->now, &t->now);
}

/* ---- futex ---------------------------------------------------------------- */

static int slept(struct model_thread *self)
{
	if (self->woken) {
		weft__trace("is woken", self->futex, NULL, "%s", "");
		return 0;
	}
	weft__trace("times out", self->futex, NULL, "%s", "");
	return -ETIMEDOUT;
}

int weft__model_futex_wait(const void *word, uint32_t expected, int64_t deadline)
{
	struct op op = { { (uintptr_t)word, FUTEX_OBJECT(word) }, { false, true }, false };
	struct model_thread *self = M.self;
	uint32_t found;

	ENTER();
	weft__model_point(&op, "futex wait");
	weft__shadow_access((uintptr_t)word, 4, ATOMIC_READ, __builtin_return_address(0));
	found = (uint32_t)weft__location_newest((uintptr_t)word, 4);
	if (found != expected) {
		weft__trace("does not sleep on", (uintptr_t)word, NULL, "%#x, found %#x", expected,
			    found);
		return -EAGAIN;
	}
	if (deadline <= M.clock)
		return -ETIMEDOUT;
	if (self->spurious_left > 0 && weft__path_value(2, 3)) {
		self->spurious_left--;
		weft__trace("wakes without cause", (uintptr_t)word, NULL, "%s", "");
		return 0;
	}
	weft__trace("sleeps on", (uintptr_t)word, NULL, "%#x", expected);
	self->state = ASLEEP;
	self->futex = (uintptr_t)word;
	self->woken = false;
	self->timed = deadline != WEFT_NEVER;
	self->deadline = deadline;
	self->sleep_order = ++M.sleep_orders;
	op = (struct op){ { FUTEX_OBJECT(word), CLOCK_OBJECT }, { true, true }, false };
	weft__model_point(self->timed ? &op : &resume, "futex wait");
	self->state = READY;
	return slept(self);
}

static struct model_thread *first_asleep(uintptr_t word)
{
	struct model_thread *first = NULL;

	for (int i = 0; i < M.count; i++) {
		struct model_thread *t = &M.threads[i];

		if (t->state == ASLEEP && !t->woken && t->futex == word &&
		    (!first || t->sleep_order < first->sleep_order))
			first = t;
	}
	return first;
}

void weft__model_futex_wake(const void *word, int count)
{
	const struct op op = { { FUTEX_OBJECT(word), 0 }, { true, false }, false };
	struct model_thread *t;
	int woken = 0;

	ENTER();
	weft__model_point(&op, "futex wake");
	if (weft__mutant_is(MUTANT_DROP, "futex wake"))
		return;
	for (; woken < count && (t = first_asleep((uintptr_t)word)) != NULL; woken++) {
		if (t->timed)
			weft__races_woken(t);
		t->woken = true;
		t->timed = false;
		t->state = READY;
		t->pending = resume;
		weft__location_seen((uintptr_t)word, t);
		for (int i = 0; i < THREADS; i++)
			if (t->order[i] < M.self->order[i])
				t->order[i] = M.self->order[i];
	}
	weft__trace("wakes", (uintptr_t)word, NULL, "%d", woken);
}

/* ---- spinning, the clock -------------------------------------------------- */

void weft__threads_stored(void)
{
	M.stores++;
	M.idle_rounds = 0;
	M.self->stores_own++;
	for (int i = 0; i < M.count; i++)
		if (M.threads[i].state == SPINNING)
			M.threads[i].state = READY;
}

/* Several hints without a look between them are one, unless there is no end of them. */
static bool hinted_already(struct model_thread *t)
{
	enum { HINTS_MOST = 256 };

	if (t->hinted_at != t->step || t->hints == HINTS_MOST) {
		t->hints = 0;
		return false;
	}
	t->hints++;
	return true;
}

void weft__model_spin(const char *site)
{
	struct model_thread *self = M.self;
	uint32_t others;

	if (!M.running || hinted_already(self))
		return;
	ENTER();
	others = M.stores - self->stores_own;
	self->fresh = self->read_stale;
	if (!self->read_stale && others == self->stores_seen)
		self->state = SPINNING;
	self->read_stale = false;
	self->yields = true;
	weft__trace("spins", 0, NULL, "%s", site);
	weft__model_point(&resume, site);
	self->yields = false;
	self->hinted_at = self->step;
	self->stores_seen = M.stores - self->stores_own;
}

/* Reading the clock is no decision, and takes a microsecond of the reader's time, so
 * that loops which wait for time to pass end. The clock itself moves when timers
 * fire. Whether a reader has seen that a timer fired elsewhere is not explored. */
int64_t weft__model_now(void)
{
	if (!M.running)
		return 1;
	M.self->hinted_at = 0; /* a loop may look at the clock alone */
	return M.clock + ++M.self->clock_reads * WEFT_US;
}

int weft__model_cpus(void)
{
	return M.running ? M.opts.cpus : 1;
}

/* ---- the rest ------------------------------------------------------------- */

bool weft__model_running(void)
{
	return M.running;
}

int weft__model_self(void)
{
	return M.running ? M.self->index : 0;
}

int weft__model_next(void)
{
	return M.running ? M.count : 0;
}

const char *weft__model_thread_name(int thread)
{
	return M.running ? M.threads[thread].name : "outside";
}

void weft__model_thread_rename(const char *name)
{
	(void)name;
}

int weft__model_at_end(void (*fn)(void *value), void *value)
{
	struct model_thread *self = M.self;

	for (int i = 0; i < self->ends_count; i++)
		if (self->ends[i].fn == fn) {
			self->ends[i].value = value;
			return 0;
		}
	if (self->ends_count == 4)
		return -ENOMEM;
	self->ends[self->ends_count++] = (struct at_end){ fn, value };
	return 0;
}

_Noreturn void weft__model_died(const char *sentence)
{
	weft__model_stop(WEFT_CHECK_ASSERTION, "%s", sentence);
}
