/* SPDX-License-Identifier: MIT */
/*
 * Parkers: how the thread sleeps, and which parker is the caller's. How long it
 * looks before it sleeps is in spin.c.
 *
 * A thread's parker lives in its thread-local storage: to block never allocates
 * and cannot fail. That is safe because a party whose sel was won stays until it
 * is woken (invariant C), and the waker's swap of the token is its last touch;
 * the futex call after it uses the address only.
 */
#include "wait/wait.h"

#include <errno.h>

#include "base/time.h"

/* To have another thread work in place of one that sleeps costs some 40 us, and the CPU
 * has one more to run when it is back: for a sleep that is over by then it is a loss. */
#define ONLOOKER_AFTER (100 * WEFT_US)

static int sleep_in_kernel(struct weft__parker *parker, int64_t deadline)
{
	struct weft__onlooker *onlooker = parker->onlooker;
	int64_t began = weft_now(), until = deadline;
	bool told = false;
	int result;

	if (WEFT_UNLIKELY(onlooker != NULL))
		until = weft__time_min(deadline, began + ONLOOKER_AFTER);
	for (;;) {
		int err = weft__futex_wait(&parker->token, WEFT__PARKED, until);
		uint32_t state = WEFT__PARKED;

		result = 0;
		if (weft_load_acquire(&parker->token) == WEFT__WOKEN) /* token.1 */
			break;
		if (err != -ETIMEDOUT)
			continue;
		if (until < deadline) {
			onlooker->sleeps(onlooker);
			told = true;
			until = deadline;
			continue;
		}
		if (weft_cas_acquire(&parker->token, &state, WEFT__EMPTY)) /* token.1 */
			result = -ETIMEDOUT;
		break;
	}
	if (told)
		onlooker->wakes(onlooker);
	weft__spin_slept(parker, weft_now() - began);
	return result;
}

int weft__thread_park_token(struct weft__parker *parker, int64_t deadline)
{
	uint32_t state = WEFT__EMPTY;
	struct weft__spin spin;

	/* Its own line, which nobody else wants until the wake: no need for gaps. */
	weft__spin_begin(&spin, parker, 1, 1);
	do {
		if (weft_load_acquire(&parker->token) == WEFT__WOKEN) { /* token.1 */
			weft__spin_end(&spin, true);
			return 0;
		}
	} while (weft__spin_once(&spin));
	weft__spin_end(&spin, false);
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
LOCAL struct weft__parker thread_parker = { .kind = &thread_kind, .spins = WEFT__SPINS_FIRST };
LOCAL struct weft__parker *installed;

__thread int weft__slice_left __attribute__((tls_model("initial-exec"))) = WEFT__SLICE;
static weft_atomic_ptr slice_spent; /* a function; NULL while there is no runtime */

void weft__slice_install(void (*spent)(void))
{
	weft_store_relaxed(&slice_spent, (void *)(uintptr_t)spent);
}

/* Not inlined: the thread may be another one afterwards. */
__attribute__((noinline)) void weft__slice_over(void)
{
	void (*spent)(void) = (void (*)(void))(uintptr_t)weft_load_relaxed(&slice_spent);

	weft__slice_left = WEFT__SLICE;
	if (spent)
		spent();
}

struct weft__parker *weft__parker_self(void)
{
	return installed ? installed : &thread_parker;
}

struct weft__parker *weft__parker_install(struct weft__parker *parker)
{
	struct weft__parker *old = installed;

	installed = parker;
	weft__slice_left = WEFT__SLICE;
	return old;
}

struct weft__onlooker *weft__onlooker_install(struct weft__onlooker *onlooker)
{
	struct weft__parker *parker = weft__parker_self();
	struct weft__onlooker *old = parker->onlooker;

	parker->onlooker = onlooker;
	return old;
}

struct weft__onlooker *weft__onlooker_begin(void)
{
	struct weft__onlooker *onlooker = weft__parker_self()->onlooker;

	if (onlooker)
		onlooker->sleeps(onlooker);
	return onlooker;
}

void weft__onlooker_end(struct weft__onlooker *onlooker)
{
	if (onlooker)
		onlooker->wakes(onlooker);
}

void weft__parker_init(struct weft__parker *parker, const struct weft__parker_kind *kind)
{
	*parker = (struct weft__parker){ .kind = kind, .spins = WEFT__SPINS_FIRST };
}

void weft__sel_init(weft_sel *sel, struct weft__parker *parker)
{
	*sel = (weft_sel){ .parker = parker };
	sel->certain = parker->kind->certain;
	sel->thread = parker->kind->wake == weft__thread_wake_token;
	sel->prompt = parker->kind->certain && !parker->kind->tracked;
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
