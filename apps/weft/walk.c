/* SPDX-License-Identifier: MIT */
/*
 * Walking trees in the order of paths; see walk.h.
 *
 * One tree. A stack of levels, each a directory's sorted names (names.h gives
 * the order and the proof) and how far it is used up. A directory is read whole
 * and closed before its entries are looked at, so that depth costs no
 * descriptors. Each level may use half of the budget that is left, which makes a
 * series that never exceeds it.
 *
 * Several trees. Everything in the tree at PATH is PATH itself or begins with
 * it, hence sorts at or behind PATH. The named paths are sorted, and a tree is
 * opened only when its PATH is due; then the smallest head of the open trees is
 * the next entry. More than one is open only where trees lie inside each other.
 */
#include "walk.h"

#include "buf.h"
#include "names.h"
#include "path.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct level {
	struct names names;
	size_t next;     /* first entry not used yet */
	size_t path_len; /* of the directory, with its '/' */
};

struct tree {
	struct walk *walk;
	const char *root;
	struct level *levels;
	size_t depth, room;
	struct buf path; /* of the entry; its first path_len bytes are a level's */
	struct buf bare; /* of a directory, without the '/' at its end */
	struct walk_entry head;
};

struct walk {
	const char **roots; /* sorted */
	size_t root_count, root_next;
	struct tree **open;
	size_t open_count;
	struct tree *given; /* whose head went out last */
	size_t budget;      /* bytes left for names */
};

/* Sets t->bare to the path of the directory that the level is about. A root
 * stays as it was named: it may be a link, which a '/' at the end follows. */
static const char *level_path(struct tree *t, const struct level *level)
{
	size_t len = level->path_len;

	buf_clear(&t->bare);
	if (level == t->levels)
		buf_str(&t->bare, t->root);
	else
		buf_bytes(&t->bare, t->path.at, len - 1);
	return buf_cstr(&t->bare);
}

/* Fills the level, whose path is at the front of t->path, with the entries of
 * its directory that lie beyond `after`. */
static int level_read(struct tree *t, struct level *level, const char *after)
{
	int nofollow = level == t->levels ? 0 : O_NOFOLLOW;
	const char *path = level_path(t, level);
	struct walk *w = t->walk;

	if (!buf_ok(&t->bare))
		return -ENOMEM;
	int fd = path_open(path, O_RDONLY | O_DIRECTORY | O_NONBLOCK | nofollow);
	if (fd < 0)
		return fd;

	w->budget += names_memory(&level->names);
	int err = names_read(&level->names, fd, after, w->budget / 2);
	size_t used = names_memory(&level->names);
	w->budget -= used < w->budget ? used : w->budget;
	level->next = 0;
	return err;
}

/* Reads on where the last part of a directory too big for its budget ended. */
static int level_refill(struct tree *t, struct level *level)
{
	char *after = strdup(names_entry(&level->names, level->names.count - 1));

	if (!after)
		return -ENOMEM;
	int err = level_read(t, level, after);
	free(after);
	if (err && err != -ENOMEM)
		level->names.more = false; /* what was read is all that can be had */
	return err;
}

static void level_drop(struct tree *t)
{
	struct level *level = &t->levels[--t->depth];

	t->walk->budget += names_memory(&level->names);
	names_free(&level->names);
}

/* Enters the directory in t->path, which ends in '/'. */
static int level_push(struct tree *t)
{
	if (t->depth == t->room) {
		size_t room = t->room ? 2 * t->room : 16;
		struct level *levels = realloc(t->levels, room * sizeof(*levels));

		if (!levels)
			return -ENOMEM;
		t->levels = levels;
		t->room = room;
	}
	struct level *level = &t->levels[t->depth++];
	*level = (struct level){ .path_len = t->path.len };
	return level_read(t, level, NULL);
}

static int head_set(struct tree *t, enum walk_kind kind, int trouble, struct buf *path)
{
	t->head = (struct walk_entry){ kind, trouble, buf_cstr(path) };
	return buf_ok(path) ? 1 : -ENOMEM;
}

/* The newest level could not be read, or not to its end: that is an entry. */
static int level_failed(struct tree *t, int err)
{
	return err == -ENOMEM ? err : head_set(t, WALK_ERROR, -err, &t->bare);
}

/* Moves to the next entry: 1, 0 at the end of the tree, -ENOMEM. */
static int tree_next(struct tree *t)
{
	while (t->depth > 0) {
		struct level *level = &t->levels[t->depth - 1];
		int err;

		t->path.len = level->path_len;
		if (level->next == level->names.count) {
			if (!level->names.more) {
				level_drop(t);
				continue;
			}
			err = level_refill(t, level);
			if (err)
				return level_failed(t, err);
			continue;
		}
		const char *entry = names_entry(&level->names, level->next++);
		buf_str(&t->path, entry + 1);
		if (entry[0] == 'f')
			return head_set(t, WALK_FILE, 0, &t->path);
		buf_char(&t->path, '/');
		err = buf_ok(&t->path) ? level_push(t) : -ENOMEM;
		if (err)
			return level_failed(t, err);
	}
	return 0;
}

/* The first entry of the tree: as tree_next(). */
static int tree_begin(struct tree *t)
{
	struct stat st;

	buf_str(&t->path, t->root);
	if (strcmp(t->root, "-") == 0)
		return head_set(t, WALK_STDIN, 0, &t->path);
	if (stat(t->root, &st) != 0)
		return head_set(t, WALK_ERROR, errno, &t->path);
	if (S_ISREG(st.st_mode))
		return head_set(t, WALK_NAMED, 0, &t->path);
	if (!S_ISDIR(st.st_mode))
		return head_set(t, WALK_ERROR, trouble_of_mode(st.st_mode), &t->path);

	if (t->path.at[t->path.len - 1] != '/')
		buf_char(&t->path, '/');
	if (!buf_ok(&t->path))
		return -ENOMEM;
	int err = level_push(t);
	return err ? level_failed(t, err) : tree_next(t);
}

static void tree_free(struct tree *t)
{
	while (t->depth > 0)
		level_drop(t);
	free(t->levels);
	buf_free(&t->path);
	buf_free(&t->bare);
	free(t);
}

static int by_bytes(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

int walk_new(struct walk **out, const char *const *paths, size_t count, size_t budget)
{
	struct walk *w = calloc(1, sizeof(*w));

	*out = NULL;
	if (!w)
		return -ENOMEM;
	w->roots = calloc(count + 1, sizeof(*w->roots));
	w->open = calloc(count + 1, sizeof(struct tree *));
	if (!w->roots || !w->open) {
		walk_free(w);
		return -ENOMEM;
	}
	for (size_t i = 0; i < count; i++)
		w->roots[i] = paths[i];
	qsort(w->roots, count, sizeof(*w->roots), by_bytes);
	w->root_count = count;
	w->budget = budget;
	*out = w;
	return 0;
}

void walk_free(struct walk *w)
{
	while (w->open_count > 0)
		tree_free(w->open[--w->open_count]);
	free(w->open);
	free(w->roots);
	free(w);
}

/* Opens the tree of the next root; one without entries is not kept. */
static int open_next(struct walk *w)
{
	struct tree *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->walk = w;
	t->root = w->roots[w->root_next++];
	int got = tree_begin(t);
	if (got > 0)
		w->open[w->open_count++] = t;
	else
		tree_free(t);
	return got < 0 ? got : 0;
}

/* Moves the tree on whose head was given away. */
static int advance(struct walk *w)
{
	struct tree *t = w->given;

	w->given = NULL;
	if (!t)
		return 0;
	int got = tree_next(t);
	if (got > 0)
		return 0;
	for (size_t i = 0; i < w->open_count; i++) {
		if (w->open[i] == t)
			w->open[i] = w->open[--w->open_count];
	}
	tree_free(t);
	return got;
}

static struct tree *smallest(const struct walk *w)
{
	struct tree *min = NULL;

	for (size_t i = 0; i < w->open_count; i++) {
		if (!min || strcmp(w->open[i]->head.path, min->head.path) < 0)
			min = w->open[i];
	}
	return min;
}

int walk_next(struct walk *w, struct walk_entry *entry)
{
	int err = advance(w);
	struct tree *min = smallest(w);

	while (err == 0 && w->root_next < w->root_count &&
	       (!min || strcmp(w->roots[w->root_next], min->head.path) <= 0)) {
		err = open_next(w);
		min = smallest(w);
	}
	if (err)
		return err;
	if (!min)
		return 0;
	w->given = min;
	*entry = min->head;
	return 1;
}
