/* SPDX-License-Identifier: MIT */
/*
 * Goal: no permit, wake-up or message is lost or doubled, and nothing is touched
 * that was freed, while everything that blocks is ended by everything that can end
 * it: success, deadline, cancellation from outside and from above, another case of
 * a select.
 * Method: worker threads, and tasks that are polled by one thread, draw operations
 * at random over a few shared objects, so that they collide. Responder threads
 * answer requests whose objects the requester frees as soon as it has its answer.
 * Each critical section and each permit is counted, each notification is set
 * against a wait; at the end every object must be as at the beginning. First on all
 * CPUs, then on one.
 *
 * WEFT_STRESS_OPS is the number of operations of both runs together.
 */
#include "wait_world_test.h"

#include <stdio.h>
#include <string.h>

static struct world world;

/* ---- workers ----------------------------------------------------------------------------- */

static void op_lock(struct party *p)
{
	int m = (int)draw(p, MUTEXES);
	weft_case c = weft_case_lock(&world.lock[m].mutex);
	bool held = true;

	switch (draw(p, 4)) {
	case 0: weft_mutex_lock(&world.lock[m].mutex); break;
	case 1: held = weft_mutex_try_lock(&world.lock[m].mutex); break;
	case 2:
		held = succeeded(p, weft_mutex_lock_until(&world.lock[m].mutex, deadline(p)));
		break;
	default: held = succeeded(p, weft_select(&c, 1, deadline(p))); break;
	}
	if (held)
		leave_lock(&world, p, m);
}

static void op_acquire(struct party *p)
{
	int s = (int)draw(p, SEMAPHORES);
	uint32_t count = draw(p, permits_of(s) + 1);
	bool held;

	if (draw(p, 4) == 0)
		held = weft_semaphore_try_acquire(&world.pool[s].semaphore, count);
	else
		held = succeeded(p, weft_semaphore_acquire_until(&world.pool[s].semaphore, count,
								 deadline(p)));
	if (held)
		leave_pool(&world, p, s, count);
}

/* A notification tells whether it woke somebody; who was woken, counts. */
static void op_cond(struct party *p)
{
	int m = (int)draw(p, MUTEXES);
	struct lock *lock = &world.lock[m];
	int result;

	switch (draw(p, 3)) {
	case 0: p->stats.woken += (uint64_t)weft_cond_notify_one(&lock->cond); return;
	case 1: p->stats.woken += (uint64_t)weft_cond_notify_all(&lock->cond); return;
	default: break;
	}
	weft_mutex_lock(&lock->mutex);
	result = weft_cond_wait_until(&lock->cond, &lock->mutex, bounded(p));
	p->stats.notified += succeeded(p, result);
	leave_lock(&world, p, m);
}

static void op_event(struct party *p)
{
	weft_event *event = &world.event[draw(p, EVENTS)];

	switch (draw(p, 4)) {
	case 0: weft_event_set(event); break;
	case 1: weft_event_reset(event); break;
	default: (void)succeeded(p, weft_event_wait_until(event, bounded(p))); break;
	}
}

/* The first case always comes some day. */
static void op_select(struct party *p)
{
	weft_case cases[MOST_CASES];
	int which[MOST_CASES];
	int count = draw_cases(&world, p, cases, which);
	int chosen;

	if (draw(p, 8) == 0)
		chosen = weft_select_try(cases, count);
	else if (draw(p, 2))
		chosen = weft_select(cases, count, deadline(p));
	else
		chosen = weft_select_biased(cases, count, deadline(p));
	if (succeeded(p, chosen < 0 ? chosen : cases[chosen].result))
		leave_case(&world, p, &cases[chosen], which[chosen]);
}

static void op_cancel(struct party *p)
{
	struct slot *slot = &world.slot[draw(p, SLOTS)];

	weft_mutex_lock(&slot->guard);
	weft_token_cancel(&slot->token);
	weft_mutex_unlock(&slot->guard);
}

/* Scopes in scopes below a token that others cancel. */
static void op_scopes(struct party *p)
{
	enum { DEEP = 4 };
	weft_token token[DEEP];
	int deep = 1 + (int)draw(p, DEEP), waits = (int)draw(p, (uint32_t)deep);
	weft_token *outer = weft_ambient();

	for (int i = 0; i < deep; i++)
		weft_token_init(&token[i], i == 0 || draw(p, 3) == 0 ? outer : &token[i - 1]);
	weft_ambient_set(&token[deep - 1]);
	if (draw(p, 2))
		weft_token_cancel(&token[draw(p, (uint32_t)deep)]);
	if (draw(p, 2))
		(void)succeeded(p, weft_token_wait_until(&token[waits], bounded(p)));
	else
		op_lock(p);
	weft_ambient_set(outer);
	while (deep-- > 0)
		weft_token_fini(&token[deep]);
}

static int run_once(void *arg)
{
	struct once *once = arg;

	if (++once->runs <= ONCE_FAILURES)
		return -EIO;
	once->data++;
	return 0;
}

static void op_once(struct party *p)
{
	uint32_t at = weft_add_relaxed(&world.once_at, 1) / ONCE_CALLERS;
	struct once *once = &world.once[at % ONCES];
	int result;

	do {
		result = weft_once_call(&once->once, run_once, once);
		if (result == -ECANCELED)
			renew(&world, p);
	} while (result != 0);
	CHECK_EQ(once->data, 1);
}

static void work(struct party *p)
{
	while (p->stats.ops++ < p->budget) {
		switch (draw(p, 16)) {
		case 0:
		case 1:
		case 2: op_lock(p); break;
		case 3:
		case 4:
		case 5: op_acquire(p); break;
		case 6: op_cond(p); break;
		case 7: op_event(p); break;
		case 8:
		case 9:
		case 10: op_select(p); break;
		case 11: op_cancel(p); break;
		case 12: op_scopes(p); break;
		case 13: op_once(p); break;
		default: request(&world, p); break;
		}
		renew(&world, p);
	}
}

/* ---- tasks ------------------------------------------------------------------------------- */

struct task {
	struct poll_task poll;
	struct party *party;
	weft_case cases[MOST_CASES];
	int which[MOST_CASES];
	int count;
};

static struct poll_task polls[TASKS];
static struct task tasks[TASKS];

/* What a poll or a drop said; false: it goes on waiting. */
static bool task_settled(struct task *t, int chosen)
{
	if (chosen == -EAGAIN)
		return false;
	if (succeeded(t->party, chosen < 0 ? chosen : t->cases[chosen].result))
		leave_case(&world, t->party, &t->cases[chosen], t->which[chosen]);
	renew(&world, t->party);
	return true;
}

static void task_begin(struct poll_task *poll, struct task *t)
{
	struct party *p = t->party;

	t->count = draw_cases(&world, p, t->cases, t->which);
	if (draw(p, 2))
		t->count = 1;
	poll_task_begin(poll, t->cases, t->count);
}

/* Goes on until it must wait; now and then it gives up instead. */
static bool task_step(struct poll_task *poll)
{
	struct task *t = poll->arg;
	struct party *p = t->party;

	for (;;) {
		bool settled = task_settled(t, weft__poll_next(&poll->poll));

		if (!settled) {
			if (draw(p, 6) != 0)
				return false;
			(void)task_settled(t, weft__poll_drop(&poll->poll));
			p->stats.dropped++;
		}
		if (++p->stats.ops >= p->budget)
			return true;
		task_begin(poll, t);
	}
}

static void run_tasks(struct party *parties)
{
	for (int i = 0; i < TASKS; i++) {
		tasks[i] = (struct task){ .party = &parties[i] };
		poll_task_init(&polls[i], &world.executor, task_step, &tasks[i]);
		polls[i].parker.ambient = &parties[i].slot->token;
		task_begin(&polls[i], &tasks[i]);
	}
	poll_executor_run(&world.executor, polls, TASKS);
}

/* ---- the whole --------------------------------------------------------------------------- */

static void run_party(void *arg, int index)
{
	struct party *p = &world.party[index];

	(void)arg;
	if (index == WORKERS) {
		run_tasks(p);
		return;
	}
	weft_ambient_set(&p->slot->token);
	work(p);
	weft_ambient_set(NULL);
}

static void run_responder(void *arg, int index)
{
	(void)arg;
	respond(&world, &world.party[WORKERS + TASKS + index]);
}

static void run_all(const char *title, uint64_t ops)
{
	struct team workers = { .count = 0 }, responders = { .count = 0 };
	int64_t start = weft_now(), took;

	world_init(&world, ops);
	team_add(&responders, RESPONDERS, run_responder, NULL);
	team_add(&workers, WORKERS + 1, run_party, NULL);
	team_join(&workers);
	world_stop_responders(&world);
	team_join(&responders);
	took = weft_now() - start;
	world_check(&world);
	printf("%s: %llu operations, %.0f a second: ", title, (unsigned long long)world.total.ops,
	       (double)world.total.ops * 1e9 / (double)took);
	printf("%llu succeeded, %llu timed out, %llu cancelled, %llu dropped\n",
	       (unsigned long long)world.total.succeeded,
	       (unsigned long long)world.total.timed_out,
	       (unsigned long long)world.total.cancelled, (unsigned long long)world.total.dropped);
}

int main(void)
{
	const char *text = getenv("WEFT_STRESS_OPS");
	uint64_t ops = text ? strtoull(text, NULL, 10) : DEFAULT_OPS;

	if (ops == 0) {
		fprintf(stderr, "WEFT_STRESS_OPS is a number of operations, not \"%s\"\n", text);
		return 2;
	}
	run_all("on all CPUs", ops / 2);
	pin_to_one_cpu();
	run_all("on one CPU", ops - ops / 2);
	printf("%llu operations: every section, permit and notification accounted for\n",
	       (unsigned long long)ops);
	return 0;
}
