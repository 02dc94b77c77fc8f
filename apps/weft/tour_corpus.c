/* SPDX-License-Identifier: MIT */
/*
 * The text that the tour works on: the sources of Weft where they are at hand,
 * then what /usr has. Files with a NUL in them are not text and left out.
 */
#include "tour.h"

#include "path.h"
#include "walk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef WEFT_SOURCE_DIR
#define WEFT_SOURCE_DIR "."
#endif

#define FILE_MAX ((size_t)1 << 20)
#define WALK_BUDGET ((size_t)4 << 20)

static int file_room(struct corpus *c)
{
	/* Powers of two, so that the count tells when to grow. */
	if (c->count < 64 || (c->count & (c->count - 1)) != 0)
		return c->files ? 0 : -ENOMEM;
	struct corpus_file *files = realloc(c->files, 2 * c->count * sizeof(*files));

	if (!files)
		return -ENOMEM;
	c->files = files;
	return 0;
}

/* Appends the file if it is text and fits: 0 or -ENOMEM. */
static int add_file(struct corpus *c, const char *path, size_t most)
{
	char *at = c->text + c->len;
	size_t room = most - c->len < FILE_MAX ? most - c->len : FILE_MAX, len = 0;
	ssize_t n = 1;

	int fd = path_open(path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW);
	if (fd < 0)
		return 0;
	while (len < room && (n = read(fd, at + len, room - len)) > 0)
		len += (size_t)n;
	close(fd);
	if (n != 0 || len == 0 || len == room || memchr(at, '\0', len))
		return 0;
	if (at[len - 1] != '\n')
		at[len++] = '\n';
	int err = file_room(c);
	if (err == 0) {
		c->files[c->count++] = (struct corpus_file){ at, len };
		c->len += len;
	}
	return err;
}

static bool is_hidden(const char *path)
{
	return strstr(path, "/.") != NULL || strstr(path, "/build/") != NULL;
}

static int add_tree(struct corpus *c, const char *root, size_t most)
{
	size_t before = c->count;
	struct walk_entry entry;
	struct walk *w;

	if (access(root, R_OK) != 0 || c->len + FILE_MAX > most)
		return 0;
	int err = walk_new(&w, &root, 1, WALK_BUDGET);
	if (err)
		return err;
	while (c->len + FILE_MAX <= most && (err = walk_next(w, &entry)) > 0) {
		if (entry.kind != WALK_FILE || is_hidden(entry.path + strlen(root)))
			continue;
		err = add_file(c, entry.path, most);
		if (err)
			break;
	}
	walk_free(w);
	if (c->count > before)
		buf_printf(&c->where, "%s%s", c->where.len ? ", " : "", root);
	return err < 0 ? err : 0;
}

int corpus_load(struct corpus *c, size_t most)
{
	static const char *const roots[] = { WEFT_SOURCE_DIR, "/usr/include", "/usr/share/doc",
					     "/usr/lib/python3", "/usr/share" };
	int err = 0;

	*c = (struct corpus){ 0 };
	c->text = malloc(most);
	c->files = malloc(64 * sizeof(*c->files));
	if (!c->text || !c->files)
		err = -ENOMEM;
	for (size_t i = 0; err == 0 && i < sizeof(roots) / sizeof(roots[0]); i++)
		err = add_tree(c, roots[i], most);
	if (err == 0 && c->count == 0)
		err = -ENOENT;
	if (err)
		corpus_free(c);
	return err;
}

void corpus_free(struct corpus *c)
{
	free(c->text);
	free(c->files);
	buf_free(&c->where);
	*c = (struct corpus){ 0 };
}
