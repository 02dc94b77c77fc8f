/* SPDX-License-Identifier: MIT */
/*
 * Listing a directory: by a thread of the blocking pool, all of it at once. The names
 * stand one behind the other in one piece of memory; while it grows they are known by
 * their offsets.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "rt/blocking.h"
#include "sys/io.h"
#include "weft/cancel.h"
#include "weft/file.h"

struct listing {
	const char *path;
	weft_dir_entry *entries;
	size_t count, entries_room;
	char *names;
	size_t size, names_room;
};

static bool make_room(void **memory, size_t *room, size_t wanted, size_t each)
{
	size_t more = *room ? *room : 32;
	void *grown;

	while (more < wanted)
		more *= 2;
	if (more == *room)
		return true;
	grown = realloc(*memory, more * each);
	if (!grown)
		return false;
	*memory = grown;
	*room = more;
	return true;
}

static int add(void *arg, const char *name, int kind)
{
	struct listing *l = arg;
	const size_t length = strlen(name) + 1;
	void *entries = l->entries, *names = l->names;
	bool fits;

	fits = make_room(&entries, &l->entries_room, l->count + 1, sizeof(*l->entries));
	l->entries = entries;
	fits = fits && make_room(&names, &l->names_room, l->size + length, 1);
	l->names = names;
	if (!fits)
		return -ENOMEM;
	memcpy(l->names + l->size, name, length);
	l->entries[l->count].name = (const char *)(uintptr_t)l->size;
	l->entries[l->count].kind = (enum weft_file_kind)kind;
	l->count++;
	l->size += length;
	return 0;
}

static int run(void *arg)
{
	struct listing *l = arg;

	return weft__dir_read(l->path, add, l);
}

int weft_dir_list(const char *path, weft_dir *out)
{
	struct listing l = { .path = path };
	int err = weft_cancelled() ? -ECANCELED : weft__blocking_run(WEFT__LANE_GENERAL, run, &l);

	*out = (weft_dir){ .entries = NULL };
	if (err < 0) {
		free(l.entries);
		free(l.names);
		return err;
	}
	for (size_t i = 0; i < l.count; i++)
		l.entries[i].name = l.names + (uintptr_t)l.entries[i].name;
	out->entries = l.entries;
	out->count = l.count;
	return 0;
}

/* The first entry's name is where the names begin. */
void weft_dir_free(weft_dir *dir)
{
	if (dir->count)
		free((void *)(uintptr_t)dir->entries[0].name);
	free(dir->entries);
	*dir = (weft_dir){ .entries = NULL };
}
