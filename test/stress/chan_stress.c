/* SPDX-License-Identifier: MIT */
/*
 * Goal: channels of every flavour lose no message, double none and keep the order
 * of each sender, whatever time-outs, cancellations, closes and departures come
 * between; and they give all memory back.
 * Method: rounds. Each draws a flavour, an element size, some parties (threads
 * that send, receive or do both; futures on executors) and some trouble (deadlines
 * and cancelled tokens at any moment, a closer, receivers that leave early). All
 * parties draw their next operation at random; the books are closed after each
 * round. A part of the rounds runs on one CPU, a part with eight threads a CPU.
 *
 * WEFT_STRESS_OPS   about how many operations to do (default: some seconds' worth)
 * WEFT_STRESS_SEED  the seed, printed at the start; threads still race
 */
#include "weft/cancel.h"
#include "weft/channel.h"
#include "weft/event.h"
#include "weft/mutex.h"
#include "weft/select.h"

#include "chan_message.h"
#include "poll_waiter_test.h"
#include "team_test.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

enum { TASKS_MOST = 4, OPS_DEFAULT = SANITIZED ? 200000 : 2000000, HANG_SECONDS = 120 };

/* ---- a round ---------------------------------------------------------------------- */

/* A party's token, which the canceller may cancel while it is in use; a fresh one
 * takes its place afterwards. */
struct slot {
	weft_mutex lock;
	weft_token token;
};

static uint64_t messages, rounds;

static struct round {
	weft_chan *chans[CHANNELS_MOST];
	int channels;
	size_t capacity, size;
	int senders, receivers, traders, executors, tasks; /* tasks: of an executor */
	uint32_t each;                                     /* attempts of a sender */
	bool cancels, closes, leaves, early;
	uint64_t seed;
	int parties;
	struct slot slots[PARTIES_MOST];
	struct books books;
	weft_event over;
} round_;

struct party {
	struct weft__rng rng;
	int id;
	bool sends, receives; /* what it still does */
	uint32_t attempts;
	uint32_t open; /* a bit for each channel not found closed */
	uint32_t next[CHANNELS_MOST];
	uint32_t last[CHANNELS_MOST][PARTIES_MOST];
	struct message out[CHANNELS_MOST], in[CHANNELS_MOST];
	weft_case cases[2 * CHANNELS_MOST];
	int place[2 * CHANNELS_MOST]; /* of each case: channel, or ~channel if it receives */
	uint64_t tally[OUTCOMES];
	bool begun;
};

static bool chance(struct party *p, uint32_t of)
{
	return weft__rng_below(&p->rng, of) == 0;
}

static struct party *party_new(int id, bool sends, bool receives)
{
	struct party *p = calloc(1, sizeof(*p));

	CHECK_NOT_NULL(p);
	weft__rng_seed(&p->rng, round_.seed * PARTIES_MOST + (uint64_t)id);
	p->id = id;
	p->sends = sends;
	p->receives = receives;
	p->open = (1u << round_.channels) - 1;
	return p;
}

static void party_free(struct party *p)
{
	for (int i = 0; i < OUTCOMES; i++)
		weft_add_relaxed(&tally[i], p->tally[i]);
	free(p);
}

static void leave_as_sender(struct party *p)
{
	p->sends = false;
	for (int c = 0; c < round_.channels; c++) {
		weft_store_relaxed(&round_.books.sent[c][p->id], p->next[c]);
		weft_chan_drop_sender(round_.chans[c]);
	}
}

static void leave_as_receiver(struct party *p)
{
	p->receives = false;
	for (int c = 0; c < round_.channels; c++)
		weft_chan_drop_receiver(round_.chans[c]);
}

/* Sees to it that a party leaves one role after the other; true when it has ended. */
static bool party_ended(struct party *p)
{
	if (p->sends && (!p->open || p->attempts >= round_.each))
		leave_as_sender(p);
	if (p->receives && (!p->open || (round_.leaves && chance(p, 300))))
		leave_as_receiver(p);
	return !p->sends && !p->receives;
}

/* ---- one operation ---------------------------------------------------------------- */

static void prepare_send(struct party *p, int c)
{
	message_make(&p->out[c], round_.size, c, (uint32_t)p->id, p->next[c]);
}

static void prepare_recv(struct party *p, int c)
{
	message_blank(&p->in[c]);
}

static void settle_send(struct party *p, int c, int err)
{
	p->attempts++;
	p->tally[outcome_of(err)]++;
	message_check(&p->out[c], round_.size, c);
	if (err == 0)
		p->next[c]++;
	else if (err == -EPIPE)
		p->open &= ~(1u << c);
}

static void settle_recv(struct party *p, int c, int err)
{
	const struct message *m = &p->in[c];

	p->tally[outcome_of(err)]++;
	if (err == 0) {
		message_check(m, round_.size, c);
		books_note(&round_.books, m, c);
		if (m->number + 1 <= p->last[c][m->sender])
			FAIL("message %u of sender %u came after %u", m->number, m->sender,
			     p->last[c][m->sender] - 1);
		p->last[c][m->sender] = m->number + 1;
		return;
	}
	message_check_blank(m);
	if (err == -EPIPE)
		p->open &= ~(1u << c);
}

/* `unbounded` only where somebody on the other side is sure to come by; a party
 * that has both roles may be the only one left in either. */
static int64_t draw_deadline(struct party *p, bool unbounded)
{
	unbounded = unbounded && !(p->sends && p->receives);
	switch (weft__rng_below(&p->rng, unbounded ? 8 : 4)) {
	case 0: return 0;
	case 1: return weft_after(weft__rng_below(&p->rng, 5000));
	case 2: return weft_after_us(weft__rng_below(&p->rng, 100));
	case 3: return weft_after_us(weft__rng_below(&p->rng, 1000));
	default: return WEFT_NEVER;
	}
}

static int draw_channel(struct party *p)
{
	int c = (int)weft__rng_below(&p->rng, (uint32_t)round_.channels);

	while (!(p->open & 1u << c))
		c = (c + 1) % round_.channels;
	return c;
}

static void send_alone(struct party *p)
{
	int c = draw_channel(p);
	weft_chan *chan = round_.chans[c];
	bool unbounded = round_.channels == 1;
	int err;

	prepare_send(p, c);
	if (chance(p, 4))
		err = weft_chan_try_send(chan, &p->out[c]);
	else if (unbounded && chance(p, 3))
		err = weft_chan_send(chan, &p->out[c]);
	else
		err = weft_chan_send_until(chan, &p->out[c], draw_deadline(p, unbounded));
	settle_send(p, c, err);
}

static void recv_alone(struct party *p)
{
	int c = draw_channel(p);
	weft_chan *chan = round_.chans[c];
	bool unbounded = round_.channels == 1;
	int err;

	prepare_recv(p, c);
	if (chance(p, 8))
		err = weft_chan_try_recv(chan, &p->in[c]);
	else if (unbounded && chance(p, 2))
		err = weft_chan_recv(chan, &p->in[c]);
	else
		err = weft_chan_recv_until(chan, &p->in[c], draw_deadline(p, unbounded));
	settle_recv(p, c, err);
}

/* All open channels, in all roles that the party has; the number of cases. */
static int prepare_cases(struct party *p)
{
	int count = 0;

	for (int c = 0; c < round_.channels; c++) {
		if (!(p->open & 1u << c))
			continue;
		if (p->sends) {
			prepare_send(p, c);
			p->place[count] = c;
			p->cases[count++] = weft_case_send(round_.chans[c], &p->out[c]);
		}
		if (p->receives) {
			prepare_recv(p, c);
			p->place[count] = ~c;
			p->cases[count++] = weft_case_recv(round_.chans[c], &p->in[c]);
		}
	}
	return count;
}

/* The outcome of a wait for all cases: the chosen one, or the error for none. */
static void settle_cases(struct party *p, int count, int chosen)
{
	for (int i = 0; i < count; i++) {
		int place = p->place[i];

		if (i == chosen && place >= 0)
			settle_send(p, place, p->cases[i].result);
		else if (i == chosen)
			settle_recv(p, ~place, p->cases[i].result);
		else if (place >= 0)
			message_check(&p->out[place], round_.size, place);
		else
			message_check_blank(&p->in[~place]);
	}
	if (chosen < 0) {
		p->attempts++;
		p->tally[outcome_of(chosen)]++;
	}
}

static void select_all(struct party *p)
{
	int count = prepare_cases(p), chosen;

	if (chance(p, 6))
		chosen = weft_select_try(p->cases, count);
	else if (chance(p, 3))
		chosen = weft_select_biased(p->cases, count, draw_deadline(p, true));
	else
		chosen = weft_select(p->cases, count, draw_deadline(p, true));
	settle_cases(p, count, chosen);
}

/* A token for the next operation, or none. */
static weft_token *draw_token(struct party *p)
{
	struct slot *slot = &round_.slots[p->id];

	if (!round_.cancels || chance(p, 2))
		return NULL;
	weft_mutex_lock(&slot->lock);
	if (weft_token_cancelled(&slot->token))
		weft_token_init(&slot->token, NULL);
	weft_mutex_unlock(&slot->lock);
	return &slot->token;
}

/* ---- parties ---------------------------------------------------------------------- */

static void thread_party(int id, bool sends, bool receives)
{
	struct party *p = party_new(id, sends, receives);

	while (!party_ended(p)) {
		weft_ambient_set(draw_token(p));
		if ((p->sends && p->receives) || chance(p, 3))
			select_all(p);
		else if (p->sends)
			send_alone(p);
		else
			recv_alone(p);
	}
	party_free(p);
}

static bool task_step(struct poll_task *task)
{
	struct party *p = task->arg;

	for (;;) {
		int chosen;

		if (!p->begun) {
			if (party_ended(p))
				return true;
			task->parker.ambient = draw_token(p);
			poll_task_begin(task, p->cases, prepare_cases(p));
			p->begun = true;
		} else if (chance(p, 4)) {
			chosen = weft__poll_drop(&task->poll);
			p->begun = false;
			if (chosen >= 0)
				settle_cases(p, task->poll.wait.count, chosen);
			p->tally[LEFT] += chosen < 0;
			continue;
		}
		chosen = weft__poll_next(&task->poll);
		if (chosen == -EAGAIN)
			return false;
		p->begun = false;
		settle_cases(p, task->poll.wait.count, chosen);
	}
}

/* Every other task sends, the rest receive. */
static void executor_party(int first_id)
{
	struct poll_executor executor = { { 0 } };
	struct poll_task tasks[TASKS_MOST];
	int count = round_.tasks;

	for (int i = 0; i < count; i++) {
		poll_task_init(&tasks[i], &executor, task_step,
			       party_new(first_id + i, i % 2 == 0, i % 2 != 0));
	}
	poll_executor_run(&executor, tasks, count);
	for (int i = 0; i < count; i++)
		party_free(tasks[i].arg);
}

static void run_party(void *arg, int index)
{
	int senders = round_.senders, receivers = round_.receivers;
	int threads = senders + receivers + round_.traders;

	(void)arg;
	if (index < threads)
		thread_party(index, index < senders || index >= senders + receivers,
			     index >= senders);
	else
		executor_party(threads + (index - threads) * round_.tasks);
}

/* Cancels a token, or closes a channel, every now and then until the round is over. */
static void run_troublemaker(void *arg, int index)
{
	struct weft__rng rng = { round_.seed ^ 0x7e57 };

	(void)arg;
	(void)index;
	while (weft_event_wait_until(&round_.over, weft_after_us(weft__rng_below(&rng, 100))) !=
	       0) {
		struct slot *slot = &round_.slots[weft__rng_below(&rng, (uint32_t)round_.parties)];

		if (round_.cancels) {
			weft_mutex_lock(&slot->lock);
			weft_token_cancel(&slot->token);
			weft_mutex_unlock(&slot->lock);
		}
		if (round_.closes && weft__rng_below(&rng, 8) == 0)
			weft_chan_close(
				round_.chans[weft__rng_below(&rng, (uint32_t)round_.channels)]);
	}
}

/* ---- rounds ----------------------------------------------------------------------- */

enum mode { FREE, PINNED, CROWD };

static const char *const mode_names[] = { "all CPUs", "one CPU", "eight threads a CPU" };

static uint32_t draw(struct weft__rng *rng, uint32_t from, uint32_t to)
{
	return from + weft__rng_below(rng, to - from + 1);
}

static void draw_parties(struct weft__rng *rng, enum mode mode)
{
	int crowd = 8 * weft_cpus();

	round_.senders = (int)draw(rng, 1, 3);
	round_.receivers = (int)draw(rng, 1, 3);
	round_.traders = (int)draw(rng, 0, 5) / 2;
	round_.executors = (int)draw(rng, 0, 2);
	round_.tasks = (int)draw(rng, 2, TASKS_MOST);
	if (mode == CROWD) {
		crowd = crowd < 36 ? crowd : 36;
		round_.traders = crowd / 8;
		round_.senders = (crowd - round_.traders) / 2;
		round_.receivers = crowd - round_.traders - round_.senders;
	}
	round_.parties = round_.senders + round_.receivers + round_.traders +
			 round_.executors * round_.tasks;
	CHECK_LE(round_.parties, PARTIES_MOST);
}

static void draw_round(struct weft__rng *rng, enum mode mode)
{
	static const size_t capacities[] = {
		0, 0, 1, 2, 3, 7, 64, WEFT_UNBOUNDED, WEFT_UNBOUNDED
	};
	static const size_t sizes[] = { 16, 16, 24, 24, 64, ELEMENT_MOST };

	memset(&round_, 0, sizeof(round_));
	round_.seed = weft__rng_next(rng);
	round_.capacity = capacities[weft__rng_below(rng, sizeof(capacities) / sizeof(size_t))];
	round_.size = sizes[weft__rng_below(rng, sizeof(sizes) / sizeof(size_t))];
	round_.channels = (int)draw(rng, 1, CHANNELS_MOST);
	draw_parties(rng, mode);
	round_.each = draw(rng, 50, mode == CROWD ? 500 : MESSAGES_MOST);
	round_.cancels = draw(rng, 0, 1);
	round_.closes = draw(rng, 0, 3) == 0;
	round_.leaves = draw(rng, 0, 3) == 0;
	round_.early = !round_.closes && draw(rng, 0, 1);
}

static void note_drop(void *element, void *context)
{
	int channel = (int)((weft_chan **)context - round_.chans);

	message_check(element, round_.size, channel);
	books_note(&round_.books, element, channel);
}

static void open_channels(void)
{
	int executor_senders = (round_.tasks + 1) / 2 * round_.executors;
	int executor_receivers = round_.tasks / 2 * round_.executors;

	for (int c = 0; c < round_.channels; c++) {
		weft_chan_opts opts = { .drop = note_drop, .context = &round_.chans[c] };

		CHECK_EQ(weft_chan_new(&round_.chans[c], round_.size, round_.capacity, &opts), 0);
		for (int i = 0; i < round_.senders + round_.traders + executor_senders; i++)
			weft_chan_add_sender(round_.chans[c]);
		for (int i = 0; i < round_.receivers + round_.traders + executor_receivers; i++)
			weft_chan_add_receiver(round_.chans[c]);
	}
}

static void release_channels(void)
{
	for (int c = 0; c < round_.channels; c++)
		weft_chan_release(round_.chans[c]);
}

static void run_round(void)
{
	struct team parties = { .count = 0 }, trouble = { .count = 0 };
	int threads = round_.senders + round_.receivers + round_.traders + round_.executors;

	alarm(HANG_SECONDS);
	open_channels();
	team_add(&parties, threads, run_party, NULL);
	if (round_.early)
		release_channels();
	team_add(&trouble, 1, run_troublemaker, NULL);
	team_join(&parties);
	weft_event_set(&round_.over);
	team_join(&trouble);
	if (!round_.early)
		release_channels();
	messages += books_close(&round_.books, round_.channels, round_.parties);
	rounds++;
	alarm(0);
}

static void run_mode(enum mode mode, uint64_t ops, struct weft__rng *rng)
{
	uint64_t begin = operations(), messages_before = messages, rounds_before = rounds;
	cpu_set_t all;

	if (mode == PINNED)
		all = pin_to_one_cpu();
	while (operations() - begin < ops) {
		draw_round(rng, mode);
		run_round();
	}
	if (mode == PINNED)
		unpin(all);
	printf("  %-20s %9llu operations, %9llu messages, %6llu rounds\n", mode_names[mode],
	       (unsigned long long)(operations() - begin),
	       (unsigned long long)(messages - messages_before),
	       (unsigned long long)(rounds - rounds_before));
	fflush(stdout);
}

/* ---- the program ------------------------------------------------------------------ */

static void on_hang(int sig)
{
	char text[256];
	int len = snprintf(
		text, sizeof(text),
		"a round hangs: seed %llu, capacity %zu, size %zu, channels %d, senders "
		"%d, receivers %d, traders %d, executors %d of %d%s%s%s%s\n",
		(unsigned long long)round_.seed, round_.capacity, round_.size, round_.channels,
		round_.senders, round_.receivers, round_.traders, round_.executors, round_.tasks,
		round_.cancels ? ", cancels" : "", round_.closes ? ", closes" : "",
		round_.leaves ? ", leaves" : "", round_.early ? ", early" : "");

	(void)sig;
	if (write(STDERR_FILENO, text, (size_t)len) < 0)
		_exit(1);
	abort();
}

static uint64_t number_from(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);
	char *end;
	unsigned long long value;

	if (!text || !*text)
		return otherwise;
	value = strtoull(text, &end, 10);
	if (*end) {
		fprintf(stderr, "%s is \"%s\", which is not a number\n", name, text);
		exit(2);
	}
	return value;
}

/* Bytes that malloc has given out; 0 where a sanitizer's allocator is at work, which
 * looks for leaks by itself. */
static size_t memory_in_use(void)
{
	struct mallinfo2 info = mallinfo2();

	return SANITIZED ? 0 : info.uordblks + info.hblkhd;
}

int main(void)
{
	uint64_t ops = number_from("WEFT_STRESS_OPS", OPS_DEFAULT);
	uint64_t seed = number_from("WEFT_STRESS_SEED", weft__entropy());
	struct weft__rng rng = { seed };
	size_t before, after;

	signal(SIGALRM, on_hang);
	printf("chan_stress: about %llu operations, WEFT_STRESS_SEED=%llu\n",
	       (unsigned long long)ops, (unsigned long long)seed);
	fflush(stdout);
	draw_round(&rng, CROWD); /* what is allocated once is allocated now */
	run_round();
	before = memory_in_use();
	run_mode(FREE, ops / 2, &rng);
	run_mode(PINNED, ops / 4, &rng);
	run_mode(CROWD, ops / 4, &rng);
	after = memory_in_use();
	print_tally();
	if (after > before + 65536)
		FAIL("%zu bytes were in use before, %zu after", before, after);
	printf("chan_stress: %llu operations, %llu messages, none lost, none doubled, in order\n",
	       (unsigned long long)operations(), (unsigned long long)messages);
	return 0;
}
