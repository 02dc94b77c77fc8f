/* SPDX-License-Identifier: MIT */
/*
 * Chapter threads: lines and words of all files, counted by the threads of a
 * scope, which take one file after the other from a shared counter.
 */
#include "tour.h"

#include <weft/scope.h>

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#define SPAWNS 300

struct WEFT_ALIGNED(WEFT_CACHE_LINE) counts {
	uint64_t lines, words;
	struct counting *all;
};

struct counting {
	const struct corpus *corpus;
	int threads;
	weft_atomic_size next; /* file that nobody has taken yet */
	struct counts *each;   /* one for each thread */
	struct counts total;   /* of the threads */
	struct counts alone;   /* of one thread */
};

static void count_file(const struct corpus_file *file, struct counts *to)
{
	bool inside = false;

	for (size_t i = 0; i < file->len; i++) {
		char c = file->at[i];
		bool space = c == ' ' || (c >= '\t' && c <= '\r');

		to->lines += c == '\n';
		to->words += inside && space;
		inside = !space;
	}
}

static int count_some(void *arg)
{
	struct counts *mine = arg;
	struct counting *all = mine->all;
	size_t i;

	while ((i = weft_add_relaxed(&all->next, 1)) < all->corpus->count)
		count_file(&all->corpus->files[i], mine);
	return 0;
}

static int with_scope(void *arg)
{
	struct counting *all = arg;
	weft_scope scope;
	int err = 0;

	weft_store_relaxed(&all->next, 0);
	weft_scope_open(&scope);
	for (int i = 0; i < all->threads && err == 0; i++) {
		all->each[i] = (struct counts){ .all = all };
		err = weft_scope_spawn_thread(&scope, count_some, &all->each[i], NULL);
	}
	int closed = weft_scope_close(&scope);
	if (err || closed)
		return err ? err : closed;

	all->total = (struct counts){ 0 };
	for (int i = 0; i < all->threads; i++) {
		all->total.lines += all->each[i].lines;
		all->total.words += all->each[i].words;
	}
	return 0;
}

static int alone(void *arg)
{
	struct counting *all = arg;

	all->alone = (struct counts){ 0 };
	for (size_t i = 0; i < all->corpus->count; i++)
		count_file(&all->corpus->files[i], &all->alone);
	return 0;
}

static int nothing(void *arg)
{
	(void)arg;
	return 0;
}

static void *nothing_plain(void *arg)
{
	return arg;
}

static int spawn_join(void *arg)
{
	int err = 0;

	(void)arg;
	for (int i = 0; i < SPAWNS && err == 0; i++) {
		weft_thread *thread;

		err = weft_thread_spawn(&thread, nothing, NULL, NULL);
		if (err == 0)
			err = weft_thread_join(thread, NULL);
	}
	return err;
}

static int spawn_join_plain(void *arg)
{
	int err = 0;

	(void)arg;
	for (int i = 0; i < SPAWNS && err == 0; i++) {
		pthread_t thread;

		err = pthread_create(&thread, NULL, nothing_plain, NULL);
		if (err == 0)
			err = pthread_join(thread, NULL);
	}
	return -err;
}

static void tell(struct tour_block *b, const struct counting *all, const struct tour_race *count,
		 const struct tour_race *spawn)
{
	b->wrong = all->total.lines != all->alone.lines || all->total.words != all->alone.words;
	buf_printf(&b->did, "counted the lines and words of all files on %d threads",
		   all->threads);
	buf_count(&b->verified, all->total.lines);
	buf_str(&b->verified, " lines, ");
	buf_count(&b->verified, all->total.words);
	buf_str(&b->verified, b->wrong ? " words; one thread counts otherwise"
				       : " words, as one thread counts them");
	buf_span(&b->speed, (double)count->ours_ns);
	buf_str(&b->speed, ", one thread ");
	buf_span(&b->speed, (double)count->plain_ns);
	buf_str(&b->speed, ": ");
	buf_ratio(&b->speed, (double)count->ours_ns, (double)count->plain_ns);
	buf_str(&b->speed, "; spawn and join ");
	buf_span(&b->speed, (double)spawn->ours_ns / SPAWNS);
	buf_str(&b->speed, ", pthread ");
	buf_span(&b->speed, (double)spawn->plain_ns / SPAWNS);
}

int tour_threads(struct tour *t, struct tour_block *b)
{
	struct counting all = { .corpus = &t->corpus, .threads = t->threads };
	struct tour_race count = { .ours = with_scope, .plain = alone, .arg = &all };
	struct tour_race spawn = { .ours = spawn_join, .plain = spawn_join_plain };

	all.each = aligned_alloc(WEFT_CACHE_LINE, (size_t)t->threads * sizeof(*all.each));
	if (!all.each)
		return -ENOMEM;
	int err = tour_race(&count, 5);
	if (err == 0)
		err = tour_race(&spawn, 5);
	if (err == 0)
		tell(b, &all, &count, &spawn);
	free(all.each);
	return err;
}
