/* SPDX-License-Identifier: MIT */
/*
 * `weft sum --duplicates PATH...`: which files are equal.
 *
 * Files of different sizes differ, so the trees are walked twice: once to see
 * which sizes come more than once, then to hash the files of those sizes. What is
 * kept is a record and the path of each file that was hashed; in that this job
 * differs from the others, whose memory has a bound.
 */
#include "sum.h"

#include "escape.h"
#include "path.h"
#include "sizes.h"
#include "walk.h"

#include <weft/cancel.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define WALK_BUDGET ((size_t)8 << 20)

struct record {
	uint8_t digest[HASH_SIZE];
	uint64_t size;
	size_t path; /* where it begins in `paths` */
	size_t order;
};

struct duplicates {
	struct sum *sum;
	struct sizes sizes;
	struct buf paths; /* each terminated */
	struct record *records;
	size_t count, room;
	struct record **groups; /* the first of each group */
	size_t group_count;
};

/* --- the producer --------------------------------------------------------------- */

/* The size of a file of the walk, or false when it cannot be had. */
static bool size_of(const struct walk_entry *entry, uint64_t *size)
{
	struct stat st;

	if (entry->kind == WALK_ERROR || stat(entry->path, &st) != 0)
		return false;
	*size = (uint64_t)st.st_size;
	return true;
}

/* Calls visit() for each entry of the walk. */
static int each(struct duplicates *d, struct flow *flow,
		int (*visit)(struct duplicates *, struct flow *, const struct walk_entry *))
{
	struct walk_entry entry;
	struct walk *walk;

	int err = walk_new(&walk, d->sum->paths, d->sum->path_count, WALK_BUDGET);
	if (err)
		return err;
	while ((err = walk_next(walk, &entry)) > 0) {
		err = weft_cancelled() ? -ECANCELED : visit(d, flow, &entry);
		if (err)
			break;
	}
	walk_free(walk);
	return err;
}

static int note_size(struct duplicates *d, struct flow *flow, const struct walk_entry *entry)
{
	uint64_t size;

	(void)flow;
	return size_of(entry, &size) ? sizes_add(&d->sizes, size) : 0;
}

static int emit(struct duplicates *d, struct flow *flow, const struct walk_entry *entry)
{
	uint64_t size;

	if (entry->kind == WALK_ERROR)
		return flow_emit(flow, FLOW_NOTE, entry->trouble, entry->path, NULL, 0);
	/* What vanished between the walks goes on, and is told by whom opens it. */
	if (size_of(entry, &size) && !sizes_twice(&d->sizes, size))
		return 0;
	return flow_emit(flow, entry->kind == WALK_FILE ? FLOW_FILE : FLOW_NAMED, 0, entry->path,
			 NULL, 0);
}

static int produce(struct flow *flow, void *context)
{
	struct duplicates *d = context;
	int err = each(d, flow, note_size);

	return err ? err : each(d, flow, emit);
}

/* --- the consumer ---------------------------------------------------------------- */

static int keep(struct duplicates *d, const struct flow_item *item)
{
	if (d->count == d->room) {
		size_t room = d->room ? 2 * d->room : 1024;
		struct record *records = realloc(d->records, room * sizeof(*records));

		if (!records)
			return -ENOMEM;
		d->records = records;
		d->room = room;
	}
	struct record *r = &d->records[d->count];
	memcpy(r->digest, item->digest, HASH_SIZE);
	r->size = item->bytes;
	r->path = d->paths.len;
	r->order = d->count++;
	buf_bytes(&d->paths, item->path, strlen(item->path) + 1);
	return buf_ok(&d->paths) ? 0 : -ENOMEM;
}

static int consume(const struct flow_item *item, void *context)
{
	struct duplicates *d = context;
	struct sum *s = d->sum;

	if (item->trouble) {
		report_file(&s->report, item->path, trouble_text(item->trouble));
		s->failed = true;
		return 0;
	}
	s->files++;
	s->bytes += item->bytes;
	/* A path that was named twice is one file all the same. */
	if (d->count > 0 && strcmp(d->paths.at + d->records[d->count - 1].path, item->path) == 0)
		return 0;
	return keep(d, item);
}

/* --- the groups -------------------------------------------------------------------- */

static int by_digest(const void *a, const void *b)
{
	const struct record *x = a, *y = b;
	int order = memcmp(x->digest, y->digest, HASH_SIZE);

	return order ? order : x->order < y->order ? -1 : x->order > y->order;
}

static int by_first(const void *a, const void *b)
{
	const struct record *x = *(struct record *const *)a, *y = *(struct record *const *)b;

	return x->order < y->order ? -1 : x->order > y->order;
}

/* How many records from the i-th on are equal. */
static size_t group_size(const struct duplicates *d, size_t i)
{
	size_t n = 1;

	while (i + n < d->count &&
	       memcmp(d->records[i].digest, d->records[i + n].digest, HASH_SIZE) == 0)
		n++;
	return n;
}

/* Sorts equal files together, and the groups by their first file. */
static int find_groups(struct duplicates *d)
{
	size_t n;

	if (d->count == 0)
		return 0;
	qsort(d->records, d->count, sizeof(*d->records), by_digest);
	d->groups = malloc((d->count / 2 + 1) * sizeof(struct record *));
	if (!d->groups)
		return -ENOMEM;
	for (size_t i = 0; i < d->count; i += n) {
		n = group_size(d, i);
		if (n > 1)
			d->groups[d->group_count++] = &d->records[i];
	}
	qsort(d->groups, d->group_count, sizeof(*d->groups), by_first);
	return 0;
}

static void put_group(struct duplicates *d, const struct record *first, size_t n)
{
	struct buf *line = &d->sum->line;

	for (size_t i = 0; i < n; i++) {
		const char *path = d->paths.at + first[i].path;
		bool escape = list_needs_escape(path);

		if (escape)
			buf_char(line, '\\');
		buf_hex(line, first[i].digest, HASH_SIZE);
		buf_str(line, "  ");
		list_escape(line, path);
		buf_char(line, '\n');
	}
}

static void put_json_group(struct duplicates *d, const struct record *first, size_t n)
{
	struct buf *line = &d->sum->line;

	buf_str(line, "{\"sha256\":\"");
	buf_hex(line, first->digest, HASH_SIZE);
	buf_printf(line, "\",\"size\":%llu,\"files\":[", (unsigned long long)first->size);
	for (size_t i = 0; i < n; i++) {
		buf_str(line, i ? ",{" : "{");
		sum_json_path(d->sum, d->paths.at + first[i].path);
		buf_char(line, '}');
	}
	buf_str(line, "]}\n");
}

static int print_groups(struct duplicates *d)
{
	struct sum *s = d->sum;
	int err = find_groups(d);

	for (size_t i = 0; err == 0 && i < d->group_count; i++) {
		const struct record *first = d->groups[i];
		size_t n = group_size(d, (size_t)(first - d->records));

		buf_clear(&s->line);
		if (s->json) {
			put_json_group(d, first, n);
		} else {
			if (i > 0)
				buf_char(&s->line, '\n');
			put_group(d, first, n);
		}
		err = out_line(&s->out, &s->line);
	}
	return err;
}

int sum_duplicates(struct sum *s)
{
	struct duplicates d = { .sum = s };
	int err = sum_flow(s, produce, consume, &d);

	/* When interrupted: the groups among what was hashed. */
	if (err == 0 || err == -ECANCELED) {
		int print_err = print_groups(&d);

		err = err ? err : print_err;
	}
	int code = sum_end(s, err);
	sizes_free(&d.sizes);
	buf_free(&d.paths);
	free(d.records);
	free(d.groups);
	return code;
}
