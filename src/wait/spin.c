/* SPDX-License-Identifier: MIT */
/*
 * Spinning: how long a party looks before it sleeps.
 *
 * A sleep and its wake cost some 5 to 40 us of a virtual machine's time, a cache
 * line's trip 0.1 us. So it pays to look for a while before sleeping, if there is a
 * second CPU and the other side is running. How long follows the waits of the past:
 *
 *   - a look that worked, or a sleep that was over soon, doubles the next look;
 *     a sleep that lasted halves it, down to a floor that costs next to nothing.
 *     If short sleeps did not count, two parties that answer each other would,
 *     once both have slept, sleep for ever after: the answer to a sleeper takes
 *     longer than any short look;
 *   - but a long look that is in vain several times running is given up for a
 *     while: values that come every 60 us are not worth a CPU;
 *   - and of those who look for long, half as many as there are CPUs may do so at a
 *     time: the others' CPUs are needed by those whom they wait for. Short looks are
 *     not counted, as the count is a line that all would fight for.
 *
 * With one CPU in the thread's affinity mask there is never any spinning: whoever is
 * waited for cannot run meanwhile. There each look is one yield: the others get ahead,
 * and find nobody in the kernel whom they would have to wake. But a yield to a thread
 * that only computes lasts for a time slice, while one who sleeps is put in front of
 * such a thread when it is woken. So a yield that lasted, 100 us or more, has to be paid
 * for: for each 2 us of it one look goes without. A mere sleep has nothing to look for,
 * and never yields.
 */
#include "wait/wait.h"

enum {
	SPINS_LEAST = WEFT__BOUND(32, 1),
	SPINS_UNCOUNTED = WEFT__BOUND(64, 1),
	SPINS_LONG = WEFT__BOUND(512, 2),
	SPINS_MOST = WEFT__BOUND(2048, 2), /* some 50 us: a little more than a sleep and a wake */
	MISSES_MOST = 4,                   /* long looks in vain, running */
	WAITS_TO_REST = 64,                /* until the next long look then */
	CPU_CHECK_EVERY = 64,
	YIELDS = WEFT__BOUND(1, 0), /* under the checker any thread may run anyway */
};

/* A sleep that ended within this time was hardly longer than its own cost. */
#define SHORT_SLEEP (100 * WEFT_US)

/* The part of a yield that one look without pays for. */
#define YIELD_PRICE (2 * WEFT_US)

/* Who looks for long just now. */
static struct {
	WEFT_ALIGNED(WEFT_CACHE_LINE) weft_atomic_u32 count;
} lookers;

uint32_t weft__spin_budget(struct weft__parker *parker)
{
	if (parker->cpu_check == 0) {
		int cpus = weft__thread_cpus();

		parker->cpus = cpus < UINT16_MAX ? (uint16_t)cpus : UINT16_MAX;
		parker->cpu_check = CPU_CHECK_EVERY;
	}
	parker->cpu_check--;
	if (parker->cpus == 1)
		return 0;
	return parker->spins < SPINS_MOST ? parker->spins : SPINS_MOST;
}

static void train(struct weft__parker *parker, bool longer)
{
	uint32_t spins = longer ? parker->spins * 2 : parker->spins / 2;

	if (spins < SPINS_LEAST)
		spins = SPINS_LEAST;
	parker->spins = spins < SPINS_MOST ? spins : SPINS_MOST;
}

void weft__spin_report(struct weft__parker *parker, bool worked)
{
	if (worked)
		parker->misses = 0;
	train(parker, worked);
}

void weft__spin_slept(struct weft__parker *parker, int64_t ns)
{
	bool shortly = ns < SHORT_SLEEP;

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

void weft__spin_begin(struct weft__spin *spin, struct weft__parker *parker, uint32_t gap,
		      uint32_t gap_most)
{
	*spin = (struct weft__spin){ .parker = parker, .gap = gap, .gap_most = gap_most };
	spin->budget = weft__spin_budget(parker);
}

/* Whether it may look for long: there is room for one more. */
static bool enter(struct weft__spin *spin)
{
	uint32_t most = (spin->parker->cpus + 1u) / 2;

	if (weft_load_relaxed(&lookers.count) >= most)
		return false;
	spin->counted = true;
	/* Two at once may be one too many; that is no harm. */
	weft_add_relaxed(&lookers.count, 1);
	return true;
}

/* Whether there is a last look to be had, after the others have run. */
static bool yield(struct weft__spin *spin)
{
	struct weft__parker *parker = spin->parker;
	int64_t took;

	/* Who is no thread has another way to let others run. */
	if (!YIELDS || spin->yielded || parker->cpus != 1 || parker->spins == 0 ||
	    parker->kind->wake != weft__thread_wake_token)
		return false;
	if (parker->debt > 0) {
		parker->debt--;
		return false;
	}
	spin->yielded = true;
	took = weft_now();
	weft__thread_yield();
	took = weft_now() - took;
	if (took >= SHORT_SLEEP)
		parker->debt = took / YIELD_PRICE < UINT16_MAX ? (uint16_t)(took / YIELD_PRICE)
							       : UINT16_MAX;
	return true;
}

bool weft__spin_once(struct weft__spin *spin)
{
	if (spin->spent >= spin->budget)
		return yield(spin);
	if (spin->spent >= SPINS_UNCOUNTED && !spin->counted && !enter(spin))
		return false;
	for (uint32_t i = 0; i < spin->gap; i++)
		weft__cpu_pause();
	spin->spent += spin->gap;
	if (spin->gap < spin->gap_most)
		spin->gap *= 2;
	return true;
}

void weft__spin_end(struct weft__spin *spin, bool worked)
{
	if (spin->counted)
		weft_sub_relaxed(&lookers.count, 1);
	if (worked && spin->spent > 0)
		weft__spin_report(spin->parker, true);
}
