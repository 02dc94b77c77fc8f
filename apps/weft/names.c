/* SPDX-License-Identifier: MIT */
/*
 * Reading a directory in sorted order with bounded memory; see names.h.
 *
 * Names go into one arena as they come. When it outgrows the budget, the entries
 * are sorted, the upper half is dropped, and the greatest one kept becomes the
 * ceiling: whatever lies above it is skipped from then on. Each trimming costs a
 * sort and frees half of the budget, so that a directory of N names of which K
 * fit is read in about 2N/K passes of O(N log K).
 */
#include "names.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ENTRY_MAX (1 + 256)

int names_order(const char *a, const char *b)
{
	const unsigned char *x = (const unsigned char *)a + 1;
	const unsigned char *y = (const unsigned char *)b + 1;

	while (*x && *x == *y) {
		x++;
		y++;
	}
	int cx = *x ? *x : *a == 'd' ? '/' : 0;
	int cy = *y ? *y : *b == 'd' ? '/' : 0;
	return cx - cy;
}

static int order_in_arena(const void *a, const void *b, void *arena)
{
	return names_order((char *)arena + *(const uint32_t *)a,
			   (char *)arena + *(const uint32_t *)b);
}

static void names_sort(struct names *n)
{
	if (n->count > 1)
		qsort_r(n->at, n->count, sizeof(n->at[0]), order_in_arena, n->arena);
}

static int names_add(struct names *n, char kind, const char *name)
{
	size_t len = strlen(name) + 1;

	if (n->room - n->len < len + 1) {
		size_t room = n->room ? 2 * n->room : 4096;
		char *arena = realloc(n->arena, room);

		if (!arena)
			return -ENOMEM;
		n->arena = arena;
		n->room = room;
	}
	if (n->count == n->count_room) {
		size_t room = n->count_room ? 2 * n->count_room : 128;
		uint32_t *at = realloc(n->at, room * sizeof(*at));

		if (!at)
			return -ENOMEM;
		n->at = at;
		n->count_room = room;
	}
	n->at[n->count++] = (uint32_t)n->len;
	n->arena[n->len] = kind;
	memcpy(n->arena + n->len + 1, name, len);
	n->len += len + 1;
	return 0;
}

/* Keeps the smaller half of the entries, at least one, and copies the greatest
 * of them to `ceiling`. */
static int names_trim(struct names *n, char *ceiling)
{
	names_sort(n);
	n->count = n->count > 1 ? n->count / 2 : 1;

	char *arena = malloc(n->room);
	if (!arena)
		return -ENOMEM;
	size_t len = 0;
	for (size_t i = 0; i < n->count; i++) {
		size_t size = strlen(names_entry(n, i)) + 1;

		memcpy(arena + len, names_entry(n, i), size);
		n->at[i] = (uint32_t)len;
		len += size;
	}
	free(n->arena);
	n->arena = arena;
	n->len = len;
	strcpy(ceiling, names_entry(n, n->count - 1));
	n->more = true;
	return 0;
}

/* 'd', 'f', or 0 for what is neither or is gone. */
static char entry_kind(int fd, const struct dirent *d)
{
	struct stat st;

	switch (d->d_type) {
	case DT_DIR: return 'd';
	case DT_REG: return 'f';
	case DT_UNKNOWN: break;
	default: return 0;
	}
	if (fstatat(fd, d->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return 0;
	return S_ISDIR(st.st_mode) ? 'd' : S_ISREG(st.st_mode) ? 'f' : 0;
}

static int names_fill(struct names *n, DIR *dir, const char *after, size_t budget)
{
	char ceiling[ENTRY_MAX] = "", entry[ENTRY_MAX];
	struct dirent *d;
	int err;

	while (errno = 0, (d = readdir(dir)) != NULL) {
		const char *name = d->d_name;

		if (name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0')))
			continue;
		entry[0] = entry_kind(dirfd(dir), d);
		if (entry[0] == 0 || strlen(name) + 2 > sizeof(entry))
			continue;
		strcpy(entry + 1, name);
		if (after && names_order(entry, after) <= 0)
			continue;
		if (ceiling[0] && names_order(entry, ceiling) > 0)
			continue;
		err = names_add(n, entry[0], name);
		if (err == 0 && n->len + n->count * sizeof(n->at[0]) > budget)
			err = names_trim(n, ceiling);
		if (err)
			return err;
	}
	return -errno;
}

int names_read(struct names *n, int fd, const char *after, size_t budget)
{
	DIR *dir = fdopendir(fd);

	n->len = 0;
	n->count = 0;
	n->more = false;
	if (!dir) {
		int err = -errno;

		close(fd);
		return err;
	}
	int err = names_fill(n, dir, after, budget < NAMES_BUDGET_MIN ? NAMES_BUDGET_MIN : budget);
	closedir(dir);
	names_sort(n);
	return err;
}

void names_free(struct names *n)
{
	free(n->arena);
	free(n->at);
	*n = (struct names){ 0 };
}

size_t names_memory(const struct names *n)
{
	return n->room + n->count_room * sizeof(n->at[0]);
}
