/* SPDX-License-Identifier: MIT */
/*
 * Chapter shared: threads count how often each word occurs, in one table whose
 * slots lie under a few mutexes. An event starts them together. The plain way is
 * the same table under pthread mutexes.
 */
#include "tour.h"

#include <weft/event.h>
#include <weft/mutex.h>
#include <weft/scope.h>

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define STRIPES 16
#define SLOTS 256 /* of each stripe */
#define TEXT_MAX ((size_t)12 << 20)

struct slot {
	uint64_t words, letters;
};

/* A part of the table and what guards it; both kinds of lock have one, so that
 * the memory looks the same to both. */
struct WEFT_ALIGNED(WEFT_CACHE_LINE) stripe {
	weft_mutex mutex;
	pthread_mutex_t plain;
	struct slot slots[SLOTS];
};

struct sharing;

struct share {
	struct sharing *all;
	const char *at, *end;
};

struct sharing {
	const struct corpus *corpus;
	int threads;
	struct share *shares;
	struct stripe *table, *expected;
	bool plain;
	weft_event start;
	uint64_t words;
};

static void put(struct stripe *s, size_t slot, size_t letters)
{
	s->slots[slot].words++;
	s->slots[slot].letters += letters;
}

static void put_word(struct sharing *all, const char *at, size_t len)
{
	uint64_t h = hash_bytes(at, len);
	struct stripe *s = &all->table[h % STRIPES];
	size_t slot = h / STRIPES % SLOTS;

	if (all->plain) {
		pthread_mutex_lock(&s->plain);
		put(s, slot, len);
		pthread_mutex_unlock(&s->plain);
	} else {
		weft_mutex_lock(&s->mutex);
		put(s, slot, len);
		weft_mutex_unlock(&s->mutex);
	}
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
	       (c >= '0' && c <= '9');
}

static void each_word(struct sharing *all, const char *at, const char *end,
		      void (*with)(struct sharing *, const char *, size_t))
{
	while (at < end) {
		const char *begin = at;

		while (at < end && is_letter(*at))
			at++;
		if (at > begin)
			with(all, begin, (size_t)(at - begin));
		else
			at++;
	}
}

static int count_share(void *arg)
{
	struct share *mine = arg;
	int err = weft_event_wait(&mine->all->start);

	if (err == 0)
		each_word(mine->all, mine->at, mine->end, put_word);
	return err;
}

static int count_all(struct sharing *all)
{
	weft_scope scope;
	int err = 0;

	for (int i = 0; i < STRIPES; i++)
		memset(all->table[i].slots, 0, sizeof(all->table[i].slots));
	weft_event_reset(&all->start);
	weft_scope_open(&scope);
	for (int i = 0; i < all->threads && err == 0; i++)
		err = weft_scope_spawn_thread(&scope, count_share, &all->shares[i], NULL);
	weft_event_set(&all->start);
	int closed = weft_scope_close(&scope);
	return err ? err : closed;
}

static int with_mutex(void *arg)
{
	struct sharing *all = arg;

	all->plain = false;
	return count_all(all);
}

static int with_pthread(void *arg)
{
	struct sharing *all = arg;

	all->plain = true;
	return count_all(all);
}

static void expect_word(struct sharing *all, const char *at, size_t len)
{
	uint64_t h = hash_bytes(at, len);

	put(&all->expected[h % STRIPES], h / STRIPES % SLOTS, len);
	all->words++;
}

/* Cuts the text into a share for each thread, at newlines. */
static void cut(struct sharing *all)
{
	size_t len = all->corpus->len < TEXT_MAX ? all->corpus->len : TEXT_MAX;
	const char *text = all->corpus->text, *at = text, *end = text + len;

	for (int i = 0; i < all->threads; i++) {
		const char *to = text + len / (size_t)all->threads * (size_t)(i + 1);

		to = to < at ? at : to;
		to = i + 1 == all->threads ? end : to + line_length(to, end);
		all->shares[i] = (struct share){ .all = all, .at = at, .end = to };
		at = to;
	}
}

static bool as_expected(const struct sharing *all)
{
	for (int i = 0; i < STRIPES; i++) {
		if (memcmp(all->table[i].slots, all->expected[i].slots,
			   sizeof(all->table[i].slots)) != 0)
			return false;
	}
	return true;
}

static int prepare(struct sharing *all)
{
	all->shares = calloc((size_t)all->threads, sizeof(*all->shares));
	all->table = aligned_alloc(WEFT_CACHE_LINE, STRIPES * sizeof(*all->table));
	all->expected = aligned_alloc(WEFT_CACHE_LINE, STRIPES * sizeof(*all->expected));
	if (!all->shares || !all->table || !all->expected)
		return -ENOMEM;
	for (int i = 0; i < STRIPES; i++) {
		all->table[i].mutex = (weft_mutex)WEFT_MUTEX_INIT;
		pthread_mutex_init(&all->table[i].plain, NULL);
		memset(all->expected[i].slots, 0, sizeof(all->expected[i].slots));
	}
	cut(all);
	for (int i = 0; i < all->threads; i++)
		each_word(all, all->shares[i].at, all->shares[i].end, expect_word);
	return 0;
}

static void tell(struct tour_block *b, const struct sharing *all, const struct tour_race *race)
{
	buf_str(&b->did, "counted ");
	buf_count(&b->did, all->words);
	buf_printf(&b->did, " words into one table of %d mutexes, from %d threads", STRIPES,
		   all->threads);
	if (b->wrong)
		buf_str(&b->verified, "a count differs from that of one thread without locks");
	else
		buf_printf(&b->verified, "all %d counts are those of one thread without locks",
			   STRIPES * SLOTS);
	buf_span(&b->speed, (double)race->ours_ns / (double)all->words);
	buf_str(&b->speed, " a word, pthread_mutex ");
	buf_span(&b->speed, (double)race->plain_ns / (double)all->words);
	buf_str(&b->speed, ": ");
	buf_ratio(&b->speed, (double)race->ours_ns, (double)race->plain_ns);
}

/* weft_mutex's counts are looked at apart: the race leaves those of pthread. */
static int verify(struct sharing *all, struct tour_block *b)
{
	int err = with_mutex(all);

	b->wrong = err == 0 && !as_expected(all);
	return err;
}

int tour_shared(struct tour *t, struct tour_block *b)
{
	struct sharing all = { .corpus = &t->corpus, .threads = t->threads };
	struct tour_race race = { .ours = with_mutex, .plain = with_pthread, .arg = &all };

	int err = prepare(&all);
	if (err == 0)
		err = verify(&all, b);
	if (err == 0)
		err = tour_race(&race, 3);
	if (err == 0)
		tell(b, &all, &race);
	free(all.shares);
	free(all.table);
	free(all.expected);
	return err;
}
