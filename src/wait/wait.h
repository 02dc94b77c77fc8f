/* SPDX-License-Identifier: MIT */
/*
 * The wait core: everything in Weft that blocks, blocks here.
 *
 * A blocking call puts a `sel` and one weft_case per thing it waits for into its
 * own frame, links each case into its object's queue, and sleeps on its parker.
 * Whoever makes the object ready picks a case from the queue and tries to win the
 * sel with one compare-and-swap: exactly one party decides how a wait ends, be it
 * another thread, the clock, or a cancellation.
 *
 * Invariant A. The links of a case, and the fields a waker writes, are touched
 *    only under the lock of the queue that the case is linked into - or by the
 *    waker that has won the sel, until it wakes the party.
 * Invariant B. A value or a permit is handed over (COMMITTED) only to a party
 *    that is certain to run: a thread, a started fiber. A parked future is only
 *    NOTIFIED, and takes what it finds when it is polled; the notification of
 *    such a party never counts as done, the next one is notified too.
 * Invariant C. A party whose sel was won stays until it is woken. Therefore the
 *    winner may use its frame, and a wake is never late: the swap of the token
 *    is the waker's last touch.
 *
 * A sel is won in one of these ways (`won`):
 *
 *    0                 open
 *    index + 1         case `index` took effect: the operation is complete
 *    ... | NOTIFIED    case `index` may now be possible: the party tries it first,
 *                      and if it leaves without it, passes the chance on
 *    TIMED_OUT         by the party itself
 */
#ifndef WEFT_WAIT_WAIT_H
#define WEFT_WAIT_WAIT_H

#include "sys/sys.h"
#include "weft/cancel.h"
#include "weft/wait.h"

/* ---- parkers: what a party sleeps on ------------------------------------- */

struct weft__parker;

struct weft__parker_kind {
	const char *name;
	/* Once woken, it runs without anybody's further doing (invariant B). The
	 * wake of a party that is not certain is called under the lock of the
	 * object: it must be short and must not touch the object. */
	bool certain;
	/* Whoever cancels a token that is `unlinked` finds its parties otherwise: they are
	 * not linked into its queue. */
	bool tracked;
	/* Sleeps until woken, 0, or until the deadline, -ETIMEDOUT. NULL for
	 * futures, which return to their executor instead. */
	int (*park)(struct weft__parker *parker, int64_t deadline);
	void (*wake)(struct weft__parker *parker);
};

/* Who wants to know that a thread sleeps in the midst of its work: pools, which have
 * others work in its place. Told once for a sleep that has lasted for a while, and once
 * more when that is over; on the thread, which may not wait by a parker meanwhile. */
struct weft__onlooker {
	void (*sleeps)(struct weft__onlooker *onlooker);
	void (*wakes)(struct weft__onlooker *onlooker);
};

/* EMPTY   nobody has woken it              -> PARKED, WOKEN
 * PARKED  it sleeps in the kernel          -> EMPTY (timed out), WOKEN
 * WOKEN   final until the next wait begins -> EMPTY
 *
 * token.1  the waker's swap releases, the party's load or failed cas acquires. */
enum { WEFT__EMPTY, WEFT__PARKED, WEFT__WOKEN };

struct weft__parker {
	weft_atomic_u32 token;
	uint32_t spins; /* what spinning seems worth just now, in pauses */
	uint8_t misses; /* long looks in vain, running */
	uint8_t rest;   /* waits left until the next long look */
	uint16_t debt;  /* looks left until it yields again */
	const struct weft__parker_kind *kind;
	struct weft_token *ambient;
	struct weft__wait *wait;     /* the one that it sleeps in, while it does */
	struct weft__locals *locals; /* thread/local.c */
	struct weft__onlooker *onlooker;
	uint32_t random;
	uint32_t cpu_check; /* waits left until the affinity mask is read again */
	uint16_t cpus;      /* in the affinity mask; never spin with 1 */
};

/* The caller's parker: its fiber's if one runs, else the thread's. Never NULL. */
struct weft__parker *weft__parker_self(void);

/* Installs another parker for the code that runs next on this thread (rt, when
 * it switches to a fiber; pools). NULL is the thread's own. Returns the old. */
struct weft__parker *weft__parker_install(struct weft__parker *parker);

/* What may wait is paid for, also where it need not wait: or who finds each time what he
 * wants would keep the fibers behind him from their turn for ever. The caller's slice
 * begins anew when a parker is installed; who has spent it calls `spent`, which lets
 * others run, and goes on. Never inside a lock of the library's own. */
enum { WEFT__SLICE = 1024 };
void weft__slice_install(void (*spent)(void));
void weft__slice_over(void);
extern __thread int weft__slice_left
	__attribute__((visibility("hidden"), tls_model("initial-exec")));

static inline void weft__slice_pay(void)
{
#ifndef WEFT_MODEL /* its threads share this one */
	if (WEFT_UNLIKELY(--weft__slice_left < 0))
		weft__slice_over();
#endif
}

void weft__parker_init(struct weft__parker *parker, const struct weft__parker_kind *kind);
int weft__parker_park(struct weft__parker *parker, int64_t deadline);
void weft__parker_wake(struct weft__parker *parker);

/* Installs who is told of the caller's sleeps, NULL for nobody; returns the one before. */
struct weft__onlooker *weft__onlooker_install(struct weft__onlooker *onlooker);

/* Around a call that may block the thread other than by its parker, and for how long
 * nobody knows: the onlooker is told at once. What begin returned is given to end. */
struct weft__onlooker *weft__onlooker_begin(void);
void weft__onlooker_end(struct weft__onlooker *onlooker);

/* A look before a sleep; see spin.c. Between begin and end, once() pauses and says
 * whether to look again; the gaps between looks double, from `gap` pauses to gap_most. */
struct weft__spin {
	struct weft__parker *parker;
	uint32_t budget, spent, gap, gap_most; /* in pauses */
	bool counted, yielded;
};

enum { WEFT__SPINS_FIRST = 128 };

void weft__spin_begin(struct weft__spin *spin, struct weft__parker *parker, uint32_t gap,
		      uint32_t gap_most);
bool weft__spin_once(struct weft__spin *spin);
void weft__spin_end(struct weft__spin *spin, bool worked);

/* How many pauses a look may last, and what trains it: whether a look worked, and
 * how long a sleep lasted after one that did not. */
uint32_t weft__spin_budget(struct weft__parker *parker);
void weft__spin_report(struct weft__parker *parker, bool worked);
void weft__spin_slept(struct weft__parker *parker, int64_t ns);

extern const struct weft_source weft__token_source;

/* The token's deadline has passed: cancels it, as expired. */
void weft__token_expire(weft_token *token);

/* A random number for the parker's own use. */
uint32_t weft__parker_random(struct weft__parker *parker);

/* The park of threads, for kinds that extend it. */
int weft__thread_park_token(struct weft__parker *parker, int64_t deadline);
void weft__thread_wake_token(struct weft__parker *parker);

/* ---- sel: how a wait is decided -------------------------------------------- */

#define WEFT__NOTIFIED 0x80000000u
#define WEFT__TIMED_OUT 0x7fffffffu

typedef struct weft_sel {
	weft_atomic_u32 won;
	/* Copies, so that a waker need not fetch the line that the party spins on
	 * before it wakes it. */
	bool certain;
	bool thread; /* woken by weft__thread_wake_token() */
	bool prompt; /* certain, and runs as soon as the system lets it: no fiber */
	struct weft__parker *parker;
} weft_sel;

void weft__sel_init(weft_sel *sel, struct weft__parker *parker);
void weft__sel_wake(weft_sel *sel);

/* ---- sources: what can be waited for --------------------------------------- */

struct weft_source {
	const char *name;
	/* Completes the case now if that is possible without waiting: true, and
	 * `result` is set. If the case was `notified`, success settles that. */
	bool (*attempt)(weft_case *c);
	/* A cheap look whether attempt would be worth it; NULL: do not spin. */
	bool (*ready)(const weft_case *c);
	/* Links the case: true; or false, unlinked, when attempt is worth trying
	 * again. Linking settles `notified`. */
	bool (*enqueue)(weft_case *c);
	/* Takes the lock, unlinks the case if it still is linked, unlocks. */
	void (*dequeue)(weft_case *c);
	/* The case was notified, and its party leaves without having taken what
	 * there was: let another have the chance. NULL: nothing to do. */
	void (*pass_on)(weft_case *c);
	/* When attempt will succeed though nobody does anything: the party sleeps no
	 * longer than that. NULL: never. */
	int64_t (*due)(const weft_case *c);
};

static inline weft_case weft__case_make(const struct weft_source *source, const void *object,
					const void *slot)
{
	weft_case c = { 0 };

	c.source = source;
	c.object = (void *)(uintptr_t)object;
	c.slot = (void *)(uintptr_t)slot;
	return c;
}

/* ---- queues ------------------------------------------------------------------ */

/* The word of a weft_waitq: the first case's address and four bits.
 *
 * LOCK    somebody changes the list
 * SLEEP   somebody sleeps in the kernel until LOCK is given back
 * A, B    the object's own state
 *
 * The list is circular; only the holder of LOCK changes the address and the
 * links. A and B may be changed by anybody at any time, by compare-and-swap. */
enum { WEFT__LOCK = 1, WEFT__SLEEP = 2, WEFT__A = 4, WEFT__B = 8, WEFT__BITS = 15 };

static inline weft_case *weft__waitq_head(uintptr_t word)
{
	return (weft_case *)(word & ~(uintptr_t)WEFT__BITS);
}

/* Locks the queue and returns its first case or NULL. Sleeps if need be; held
 * only for a few instructions, never across a wait. */
weft_case *weft__waitq_lock(weft_waitq *q);

/* Unlocks it with `head` as the first case, after setting and clearing bits of
 * the object's state in the same step. The last touch of the queue. */
void weft__waitq_unlock(weft_waitq *q, weft_case *head, unsigned set, unsigned clear);

/* Links the case behind all others, and sets bits of the object's state in that step: for
 * who does not look at the object under the lock, but after this. */
void weft__waitq_push(weft_waitq *q, weft_case *c, unsigned set);

/* After a step of one's own that gave LOCK and SLEEP back: wakes who slept, given
 * the word before. */
static inline void weft__waitq_unlocked(weft_waitq *q, uintptr_t before)
{
	if (WEFT_UNLIKELY(before & WEFT__SLEEP))
		weft__futex_wake_word(&q->word, INT32_MAX);
}

/* A queue that never holds cases, used as a lock for short sections. */
static inline void weft__gate_enter(weft_waitq *gate)
{
	uintptr_t open = 0;

	if (WEFT_UNLIKELY(!weft_cas_acquire(&gate->word, &open, WEFT__LOCK))) /* queue.1 */
		weft__waitq_lock(gate);
}

static inline void weft__gate_leave(weft_waitq *gate)
{
	weft__waitq_unlocked(gate, weft_swap_release(&gate->word, 0)); /* queue.1 */
}

/* List steps, with the queue locked; each returns the new head. */
weft_case *weft__cases_push(weft_case *head, weft_case *c);
weft_case *weft__cases_push_front(weft_case *head, weft_case *c);
weft_case *weft__cases_remove(weft_case *head, weft_case *c);

/* The common dequeue: lock, remove if linked, unlock. */
void weft__waitq_cancel(weft_waitq *q, weft_case *c);

/* ---- winning and waking ------------------------------------------------------- */

/* Parties won under a lock, to be woken after it. */
struct weft__wakes {
	weft_case *first;
	weft_case **last;
};

static inline void weft__wakes_init(struct weft__wakes *wakes)
{
	wakes->first = NULL;
	wakes->last = &wakes->first;
}

static inline bool weft__case_certain(const weft_case *c)
{
	return c->sel->certain;
}

/* The first case in the queue whose party is certain to run, or NULL. */
weft_case *weft__cases_first_certain(weft_case *head);

/* Tries to win the party of a case that the caller has just unlinked. `how` is 0
 * (the operation is complete once the party is woken: fill its slot and result
 * before that) or WEFT__NOTIFIED. */
bool weft__case_win(weft_case *c, uint32_t how);

/* Has the won party woken: after the unlock, or at once if it is a future. */
void weft__wakes_add(struct weft__wakes *wakes, weft_case *c);

/* Whether the party that was added last runs as soon as the system lets it. A fiber is
 * certain to run too, but not before the one that runs on its worker lets it; nobody
 * should have to wait for that. */
static inline bool weft__wakes_prompt(const struct weft__wakes *wakes)
{
	return wakes->first && weft_container_of(wakes->last, weft_case, next)->sel->prompt;
}

/* Wakes them all; the queue must be unlocked. Touches each frame only before
 * its wake. */
void weft__wakes_fire(struct weft__wakes *wakes);

/* Notifies the first party that can still be won - and all futures before it, as
 * they do not count (invariant B). Returns the new head; *woken tells whether a
 * party that is certain to run was among them. */
weft_case *weft__notify_one(weft_case *head, struct weft__wakes *wakes, bool *woken);

/* Wins all parties in the queue, either way, and leaves it empty; returns their
 * number. */
int weft__win_all(weft_case *head, struct weft__wakes *wakes, uint32_t how, int result);

/* ---- blocking ------------------------------------------------------------------- */

enum {
	WEFT__UNCANCELLABLE = 1, /* ignore the ambient token */
	WEFT__BIASED = 2,        /* first case first, instead of at random */
	WEFT__TRIED = 4,         /* the caller has just tried, in vain */
};

/* Waits for one of the cases: its index, -ETIMEDOUT, -ECANCELED. The caller has
 * tried, or the loop begins with a try. */
int weft__block(weft_case *cases, int count, int64_t deadline, unsigned flags);

/* The same for a single case: its result, or -ETIMEDOUT, -ECANCELED. */
int weft__block_on(const struct weft_source *source, void *object, void *slot, uint32_t need,
		   int64_t deadline, unsigned flags);

/* By its parts, which thus need not pass through memory. */
static inline int weft__block_one(const weft_case *c, int64_t deadline, unsigned flags)
{
	return weft__block_on(c->source, c->object, c->slot, c->need, deadline, flags);
}

/* One round of it in steps, for objects that must do something between being
 * queued and sleeping (condition variables) and for the poll form. */
struct WEFT_ALIGNED(64) weft__wait {
	weft_sel sel;
	weft_case one; /* of weft__block_one: on the same cache line as the sel */
	weft_case *cases;
	int count;  /* cases of the caller */
	int armed;  /* of these, linked at some time in this round */
	bool found; /* a case turned out to be ready while arming */
	bool cancellable;
	bool linked;   /* and `cancel` is linked into the token's queue */
	bool biased;   /* not even a notified case comes before its turn */
	int64_t limit; /* the ambient token's deadline */
	weft_case cancel;
};

void weft__wait_init(struct weft__wait *w, struct weft__parker *parker, weft_case *cases,
		     int count, unsigned flags);
/* Links the cases in the order of their `order` fields. */
void weft__wait_arm(struct weft__wait *w);
/* Sleeps until the sel is won; returns how. When the ambient token's deadline comes
 * first, it cancels that token and returns that the cancellation won. */
uint32_t weft__wait_sleep(struct weft__wait *w, int64_t deadline);
/* For who has found that a party sleeps in this wait, while it cannot wake: ends it as
 * cancelled if the ambient token is, and it is not linked there. True: the caller must
 * wake the party. */
bool weft__wait_cancel(struct weft__wait *w);
/* Unlinks what is left after the sel was won. */
void weft__wait_disarm(struct weft__wait *w, uint32_t won);

/* ---- polling: the same wait by a party that does not sleep -------------------- */

/* A future's wait. The parker is the caller's and is not `certain`; its wake is
 * called when it is worth polling again. */
struct weft__poll {
	struct weft__wait wait;
	bool armed;
};

void weft__poll_init(struct weft__poll *poll, struct weft__parker *parker, weft_case *cases,
		     int count, unsigned flags);
/* The index of the case that took effect, -ECANCELED, or -EAGAIN: not yet, and
 * the parker will be woken. */
int weft__poll_next(struct weft__poll *poll);
/* After -EAGAIN: when to poll again though the parker was not woken; WEFT_NEVER. */
int64_t weft__poll_due(const struct weft__poll *poll);
/* Gives the wait up: -EAGAIN, or the index of a case that had taken effect. */
int weft__poll_drop(struct weft__poll *poll);

#endif
