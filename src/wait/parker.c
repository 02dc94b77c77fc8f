/* SPDX-License-Identifier: MIT */
/*
 * Parkers: how the thread sleeps, how long it spins before, and which parker is
 * the caller's.
 *
 * A thread's parker lives in its thread-local storage: to block never allocates
 * and cannot fail. That is safe because a party whose sel was won stays until it
 * is woken (invariant C), and the waker's swap of the token is its last touch;
 * the futex call after it uses the address only.
 *
 * Spinning. A sleep and its wake cost some 5 to 40 us of a virtual machine's
 * time, a cache line's trip 0.1 us. So it pays to look for a while before
 * sleeping, if there is a second CPU and the other side is running. How long
 * follows the waits of the past:
 *
 *   - a look that worked, or a sleep that was over soon, doubles the next look;
 *     a sleep that lasted halves it, down to a floor that costs next to nothing.
 *     If short sleeps did not count, two parties that answer each other would,
 *     once both have slept, sleep for ever after: the answer to a sleeper takes
 *     longer than any short look;
 *   - but a long look that is in vain several times running is given up for a
 *     while: values that come every 60 us are not worth a CPU.
 *
 * With one CPU in the thread's affinity mask there is never any spinning.
 */
#include "wait/wait.h"

#include <errno.h>

enum {
	SPINS_LEAST = 32,
	SPINS_FIRST = 128,
	SPINS_LONG = 512,
	SPINS_MOST = 2048,  /* some 50 us: a little more than a sleep and a wake */
	MISSES_MOST = 4,    /* long looks in vain, running */
	WAITS_TO_REST = 64, /* until the next long look then */
	CPU_CHECK_EVERY = 64,
};

/* A sleep that ended within this time was hardly longer than its own cost. */
#define SHORT_SLEEP (100 * WEFT_US)

static void train(struct weft__parker *parker, bool longer)
{
	uint32_t spins = longer ? parker->spins * 2 : parker->spins / 2;

	if (spins < SPINS_LEAST)
		spins = SPINS_LEAST;
	parker->spins = spins < SPINS_MOST ? spins : SPINS_MOST;
}

/* A look was in vain, and the sleep after it was short, or not. */
static void slept(struct weft__parker *parker, bool shortly)
{
	if (parker->rest > 0) {
		parker->rest--;
		shortly = false;
	} else if (parker->spins >= SPINS_LONG && ++parker->misses == MISSES_MOST) {
		parker->misses = 0;
		parker->rest = WAITS_TO_REST;
		parker->spins = SPINS_LEAST;
	}
	train(parker, shortly);
}

static int sleep_in_kernel(struct weft__parker *parker, int64_t deadline)
{
	int64_t began = weft_now();
	int result;

	for (;;) {
		int err = weft__futex_wait(&parker->token, WEFT__PARKED, deadline);
		uint32_t state = WEFT__PARKED;

		result = 0;
		if (weft_load_acquire(&parker->token) == WEFT__WOKEN) /* token.1 */
			break;
		if (err != -ETIMEDOUT)
			continue;
		if (weft_cas_acquire(&parker->token, &state, WEFT__EMPTY)) /* token.1 */
			result = -ETIMEDOUT;
		break;
	}
	slept(parker, weft_now() - began < SHORT_SLEEP);
	return result;
}

int weft__thread_park_token(struct weft__parker *parker, int64_t deadline)
{
	uint32_t budget = weft__spin_budget(parker);
	uint32_t state = WEFT__EMPTY;

	for (uint32_t i = 0; i < budget; i++) {
		if (weft_load_acquire(&parker->token) == WEFT__WOKEN) { /* token.1 */
			weft__spin_report(parker, true);
			return 0;
		}
		weft__cpu_pause();
	}
	if (!weft_cas_acquire(&parker->token, &state, WEFT__PARKED)) /* token.1 */
		return 0;
	return sleep_in_kernel(parker, deadline);
}

void weft__thread_wake_token(struct weft__parker *parker)
{
	/* The party may be gone after the swap; its address still is good enough
	 * for the kernel. */
	if (weft_swap_release(&parker->token, WEFT__WOKEN) == WEFT__PARKED) /* token.1 */
		weft__futex_wake(&parker->token, 1);
}

static const struct weft__parker_kind thread_kind = {
	.name = "thread",
	.certain = true,
	.park = weft__thread_park_token,
	.wake = weft__thread_wake_token,
};

/* Initial-exec: one instruction to reach, and no allocation at first use. */
#define LOCAL static __thread __attribute__((tls_model("initial-exec")))
LOCAL struct weft__parker thread_parker = { .kind = &thread_kind, .spins = SPINS_FIRST };
LOCAL struct weft__parker *installed;

struct weft__parker *weft__parker_self(void)
{
	return installed ? installed : &thread_parker;
}

struct weft__parker *weft__parker_install(struct weft__parker *parker)
{
	struct weft__parker *old = installed;

	installed = parker;
	return old;
}

void weft__parker_init(struct weft__parker *parker, const struct weft__parker_kind *kind)
{
	*parker = (struct weft__parker){ .kind = kind, .spins = SPINS_FIRST };
}

void weft__sel_init(weft_sel *sel, struct weft__parker *parker)
{
	*sel = (weft_sel){ .parker = parker };
	sel->certain = parker->kind->certain;
	sel->thread = parker->kind->wake == weft__thread_wake_token;
}

void weft__sel_wake(weft_sel *sel)
{
	if (WEFT_LIKELY(sel->thread))
		weft__thread_wake_token(sel->parker);
	else
		weft__parker_wake(sel->parker);
}

int weft__parker_park(struct weft__parker *parker, int64_t deadline)
{
	return parker->kind->park(parker, deadline);
}

void weft__parker_wake(struct weft__parker *parker)
{
	parker->kind->wake(parker);
}

uint32_t weft__spin_budget(struct weft__parker *parker)
{
	if (parker->cpu_check == 0) {
		parker->alone = weft__thread_cpus() == 1;
		parker->cpu_check = CPU_CHECK_EVERY;
	}
	parker->cpu_check--;
	return parker->alone ? 0 : parker->spins;
}

void weft__spin_report(struct weft__parker *parker, bool worked)
{
	if (worked)
		parker->misses = 0;
	train(parker, worked);
}

/* xorshift32 (Marsaglia 2003), seeded by the parker's address: which case of a
 * select comes first needs no better. */
uint32_t weft__parker_random(struct weft__parker *parker)
{
	uint32_t x = parker->random;

	if (x == 0)
		x = (uint32_t)((uintptr_t)parker >> 4) * 2654435761u | 1;
	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	parker->random = x;
	return x;
}
