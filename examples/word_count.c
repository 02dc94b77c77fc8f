/* SPDX-License-Identifier: MIT */
/*
 * Map-reduce: the words of all files of a directory tree, counted.
 *
 *     word_count [DIRECTORY]
 *
 * The tree is walked in parallel, and each file is counted where it is met, into a table of
 * its own; a lock then guards nothing but the adding up. Without an argument it makes a
 * tree, whose counts are known, and checks itself.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <weft/mutex.h>
#include <weft/par_walk.h>

enum { SLOTS = 1 << 14, LONGEST = 24 };

/* Words longer than that are cut, and a table that is full counts no new ones. */
struct word {
	char text[LONGEST];
	size_t count;
};

struct table {
	struct word words[SLOTS];
	size_t total;
};

struct counting {
	weft_mutex lock;
	struct table all;
};

static void add(struct table *t, const char *text, size_t length, size_t count)
{
	size_t slot = 5381;

	length = length < LONGEST ? length : LONGEST;
	for (size_t i = 0; i < length; i++)
		slot = slot * 33 + (unsigned char)text[i];
	t->total += count;
	for (size_t tries = 0; tries < SLOTS; tries++) {
		struct word *w = &t->words[(slot + tries) % SLOTS];

		if (w->count == 0)
			memcpy(w->text, text, length);
		else if (strncmp(w->text, text, length) != 0 ||
			 (length < LONGEST && w->text[length] != 0))
			continue;
		w->count += count;
		return;
	}
}

static size_t count_of(const struct table *t, const char *text)
{
	for (size_t i = 0; i < SLOTS; i++)
		if (strncmp(t->words[i].text, text, LONGEST) == 0)
			return t->words[i].count;
	return 0;
}

/* Map: a file to its table; reduce: the table into that of all. */
static int count_file(struct counting *c, const char *path)
{
	struct table *own = calloc(1, sizeof(*own));
	FILE *f = fopen(path, "r");
	char line[4096];
	int err = own && f ? 0 : -errno;

	while (!err && fgets(line, sizeof(line), f))
		for (char *at, *w = strtok_r(line, " \t\n.,;:!?\"()", &at); w;
		     w = strtok_r(NULL, " \t\n.,;:!?\"()", &at))
			add(own, w, strlen(w), 1);
	if (f)
		fclose(f);
	if (!err) {
		weft_mutex_lock(&c->lock);
		for (size_t i = 0; i < SLOTS; i++)
			if (own->words[i].count)
				add(&c->all, own->words[i].text,
				    strnlen(own->words[i].text, LONGEST), own->words[i].count);
		weft_mutex_unlock(&c->lock);
	}
	free(own);
	return err;
}

static char *joined(const char *directory, const char *name)
{
	char *path = malloc(strlen(directory) + strlen(name) + 2);

	if (path)
		sprintf(path, "%s/%s", directory, name);
	return path;
}

/* The nodes are paths, which are freed once their node is left. */
static int enter(void *context, void *node, weft_nodes *children)
{
	DIR *directory = opendir(node);

	if (!directory)
		return errno == ENOTDIR ? count_file(context, node) : -errno;
	for (struct dirent *e; (e = readdir(directory));) {
		char *path = e->d_name[0] == '.' ? NULL : joined(node, e->d_name);

		if (path)
			weft_nodes_push(children, path);
	}
	closedir(directory);
	return 0;
}

static int leave(void *context, void *node)
{
	(void)context;
	free(node);
	return 0;
}

/* Three directories of eight files each; "fox" and "dog" 100 times in each file. */
static void make_tree(const char *root)
{
	for (int i = 0; i < 24; i++) {
		char path[256];
		FILE *f;

		snprintf(path, sizeof(path), "%s/%d", root, i / 8);
		mkdir(path, 0700);
		snprintf(path, sizeof(path), "%s/%d/%d.txt", root, i / 8, i);
		f = fopen(path, "w");
		for (int line = 0; f && line < 100; line++)
			fprintf(f, "The quick fox, the lazy dog: %d\n", line);
		if (f)
			fclose(f);
	}
}

static void remove_tree(const char *root)
{
	char path[256];

	for (int i = 0; i < 24; i++) {
		snprintf(path, sizeof(path), "%s/%d/%d.txt", root, i / 8, i);
		unlink(path);
		snprintf(path, sizeof(path), "%s/%d", root, i / 8);
		rmdir(path);
	}
	rmdir(root);
}

int main(int argc, char **argv)
{
	static struct counting c;
	weft_walk walk = { enter, leave, &c };
	char made[] = "/tmp/word_count.XXXXXX";
	char *root = strdup(argc > 1 ? argv[1] : mkdtemp(made) ? made : "");
	int err;

	if (!root)
		return 1;
	if (argc < 2)
		make_tree(made);
	err = weft_par_walk(root, &walk, NULL);
	printf("%zu words; \"fox\" %zu times, \"the\" %zu times\n", c.all.total,
	       count_of(&c.all, "fox"), count_of(&c.all, "the"));
	if (err)
		fprintf(stderr, "word_count: %s\n", strerror(-err));
	if (argc > 1)
		return err != 0;
	remove_tree(made);
	return err || c.all.total != 24 * 700 || count_of(&c.all, "fox") != 2400 ||
	       count_of(&c.all, "dog") != 2400 || count_of(&c.all, "17") != 24;
}
