/* SPDX-License-Identifier: MIT */
/*
 * Chapter parallel: sorts the lines of the text by a merge sort that forks one
 * half and does the other itself, and counts letters by a parallel reduction.
 * The plain way is the same code on one thread.
 */
#include "tour.h"

#include <weft/par.h>
#include <weft/pool.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LINES_SORTED ((size_t)300000)
#define SMALL 16    /* lines sorted by insertion */
#define FORK_MIN 64 /* lines worth a fork; a fork costs a few nanoseconds */

struct line {
	const char *at;
	size_t len;
};

struct sorting {
	struct line *lines; /* as they came */
	size_t count;
	struct line *parallel; /* sorted by the pool */
	struct line *serial;   /* sorted by one thread */
	struct line *scratch;
};

static int compare(const struct line *a, const struct line *b)
{
	int order = memcmp(a->at, b->at, a->len < b->len ? a->len : b->len);

	return order ? order : a->len < b->len ? -1 : a->len > b->len;
}

static void sort_small(struct line *v, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		struct line line = v[i];
		size_t k = i;

		for (; k > 0 && compare(&line, &v[k - 1]) < 0; k--)
			v[k] = v[k - 1];
		v[k] = line;
	}
}

/* Merges the sorted halves v[0, half) and v[half, n). */
static void merge(struct line *v, size_t half, size_t n, struct line *scratch)
{
	size_t left = 0, right = half, to = 0;

	memcpy(scratch, v, half * sizeof(*v));
	while (left < half && right < n)
		v[to++] = compare(&v[right], &scratch[left]) < 0 ? v[right++] : scratch[left++];
	memcpy(v + to, scratch + left, (half - left) * sizeof(*v));
}

static void sort_serial(struct line *v, size_t n, struct line *scratch)
{
	if (n <= SMALL) {
		sort_small(v, n);
		return;
	}
	sort_serial(v, n / 2, scratch);
	sort_serial(v + n / 2, n - n / 2, scratch + n / 2);
	merge(v, n / 2, n, scratch);
}

struct half {
	weft_job job;
	struct line *v, *scratch;
	size_t n;
};

static void sort_parallel(weft_par par, struct line *v, size_t n, struct line *scratch);

static void sort_half(weft_par par, weft_job *job)
{
	struct half *h = weft_container_of(job, struct half, job);

	sort_parallel(par, h->v, h->n, h->scratch);
}

static void sort_parallel(weft_par par, struct line *v, size_t n, struct line *scratch)
{
	if (n < FORK_MIN) {
		sort_serial(v, n, scratch);
		return;
	}
	struct half other = { .v = v + n / 2, .n = n - n / 2, .scratch = scratch + n / 2 };
	weft_par inner = weft_fork(par, &other.job, sort_half);
	sort_parallel(inner, v, n / 2, scratch);
	weft_join(par, &other.job, sort_half);
	merge(v, n / 2, n, scratch);
}

static void sort_in_pool(weft_par par, void *arg)
{
	struct sorting *s = arg;

	sort_parallel(par, s->parallel, s->count, s->scratch);
}

static int with_pool(void *arg)
{
	struct sorting *s = arg;

	memcpy(s->parallel, s->lines, s->count * sizeof(*s->lines));
	weft_pool_run(NULL, sort_in_pool, s);
	return 0;
}

static int one_thread(void *arg)
{
	struct sorting *s = arg;

	memcpy(s->serial, s->lines, s->count * sizeof(*s->lines));
	sort_serial(s->serial, s->count, s->scratch);
	return 0;
}

static int sorting_init(struct sorting *s, const struct corpus *c)
{
	const char *at = c->text, *end = at + c->len;
	struct line *memory = malloc(4 * LINES_SORTED * sizeof(*memory));

	if (!memory)
		return -ENOMEM;
	*s = (struct sorting){ .lines = memory,
			       .parallel = memory + LINES_SORTED,
			       .serial = memory + 2 * LINES_SORTED,
			       .scratch = memory + 3 * LINES_SORTED };
	while (at < end && s->count < LINES_SORTED) {
		size_t len = line_length(at, end);

		s->lines[s->count++] = (struct line){ at, len };
		at += len + 1;
	}
	return 0;
}

/* In order, and the same lines as came in: their hashes have the same sum. */
static bool is_sorted(const struct sorting *s)
{
	uint64_t before = 0, after = 0;

	for (size_t i = 0; i < s->count; i++) {
		if (i > 0 && compare(&s->parallel[i - 1], &s->parallel[i]) > 0)
			return false;
		before += hash_bytes(s->lines[i].at, s->lines[i].len);
		after += hash_bytes(s->parallel[i].at, s->parallel[i].len);
	}
	return before == after;
}

/* --- letters ----------------------------------------------------------------------- */

enum { LETTERS = 'z' - 'a' + 1 };

struct letters {
	const struct corpus *corpus;
	uint64_t parallel[LETTERS], serial[LETTERS];
};

static void count_letters(void *context, size_t lo, size_t hi, void *accumulator)
{
	const struct letters *l = context;
	uint64_t *counts = accumulator, all[256] = { 0 };

	for (size_t i = lo; i < hi; i++)
		all[(unsigned char)l->corpus->text[i]]++;
	for (int c = 0; c < LETTERS; c++)
		counts[c] += all['a' + c] + all['A' + c];
}

static void add_letters(void *context, void *left, const void *right)
{
	(void)context;
	for (int c = 0; c < LETTERS; c++)
		((uint64_t *)left)[c] += ((const uint64_t *)right)[c];
}

static int reduce_letters(void *arg)
{
	static const uint64_t none[LETTERS];
	struct letters *l = arg;
	const weft_reduce reduce = { .size = sizeof(none),
				     .identity = none,
				     .body = count_letters,
				     .combine = add_letters,
				     .context = l };

	return weft_par_reduce(0, l->corpus->len, &reduce, l->parallel, NULL);
}

static int loop_letters(void *arg)
{
	struct letters *l = arg;

	memset(l->serial, 0, sizeof(l->serial));
	count_letters(l, 0, l->corpus->len, l->serial);
	return 0;
}

static void tell(struct tour_block *b, const struct sorting *s, const struct letters *l,
		 const struct tour_race *sort, const struct tour_race *count)
{
	bool letters_right = memcmp(l->parallel, l->serial, sizeof(l->serial)) == 0;
	uint64_t e = l->parallel['e' - 'a'];

	buf_str(&b->did, "sorted ");
	buf_count(&b->did, s->count);
	buf_printf(&b->did, " lines by fork and join; counted letters in %.1f MiB by a reduction",
		   (double)l->corpus->len / (1 << 20));
	b->wrong = !is_sorted(s) || !letters_right;
	if (!letters_right) {
		buf_str(&b->verified, "the letters are not those that one thread counts");
	} else if (b->wrong) {
		buf_str(&b->verified, "the lines are not sorted, or not those that came in");
	} else {
		buf_str(&b->verified, "in order, and the same lines; ");
		buf_count(&b->verified, e);
		buf_str(&b->verified, " times e, all letters as one thread counts them");
	}
	buf_str(&b->speed, "sort ");
	buf_span(&b->speed, (double)sort->ours_ns);
	buf_str(&b->speed, ", one thread ");
	buf_span(&b->speed, (double)sort->plain_ns);
	buf_str(&b->speed, ": ");
	buf_ratio(&b->speed, (double)sort->ours_ns, (double)sort->plain_ns);
	buf_str(&b->speed, "; letters ");
	buf_span(&b->speed, (double)count->ours_ns);
	buf_str(&b->speed, ", one thread ");
	buf_span(&b->speed, (double)count->plain_ns);
}

int tour_parallel(struct tour *t, struct tour_block *b)
{
	struct letters l = { .corpus = &t->corpus };
	struct sorting s;
	struct tour_race sort = { .ours = with_pool, .plain = one_thread, .arg = &s };
	struct tour_race count = { .ours = reduce_letters, .plain = loop_letters, .arg = &l };

	int err = sorting_init(&s, &t->corpus);
	if (err)
		return err;
	err = tour_race(&sort, 3);
	if (err == 0)
		err = tour_race(&count, 5);
	if (err == 0)
		tell(b, &s, &l, &sort, &count);
	free(s.lines);
	return err;
}
