/* SPDX-License-Identifier: MIT */
/*
 * Goal: a walk gives exactly what find and a sort of all paths would give.
 * Method: random trees with names around '/' in the byte order, walked with
 * small and large budgets and through several overlapping roots, against a
 * recursion that collects all paths and sorts them.
 */
#include "walk.h"
#include "path.h"
#include "check.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char scratch[64];
static char *wanted[20000];
static size_t wanted_count;

static void scratch_enter(void)
{
	strcpy(scratch, "/tmp/weft-walk-XXXXXX");
	CHECK_NOT_NULL(mkdtemp(scratch));
	CHECK_EQ(chdir(scratch), 0);
}

static void scratch_leave(void)
{
	char command[128];

	CHECK_EQ(chdir("/"), 0);
	snprintf(command, sizeof(command), "rm -rf %s", scratch);
	CHECK_EQ(system(command), 0);
	while (wanted_count > 0)
		free(wanted[--wanted_count]);
}

static void touch(const char *path)
{
	int fd = open(path, O_CREAT | O_WRONLY, 0600);

	CHECK_GE(fd, 0);
	close(fd);
}

/* Fills the directory `path` with random entries, and some of them in turn. */
static void grow(const char *path, int depth, unsigned *seed)
{
	static const char *const stems[] = { "a", "a-", "a.b", "a0", "ab", "b", "A", "\xc3\xa9" };
	static const char *const tails[] = { "", "-", ".", "0", " x", "\n", "\xff" };
	char child[4096];

	for (int i = rand_r(seed) % 12; i >= 0; i--) {
		snprintf(child, sizeof(child), "%s/%s%s", path, stems[rand_r(seed) % 8],
			 tails[rand_r(seed) % 7]);
		if (access(child, F_OK) == 0)
			continue;
		if (depth > 0 && rand_r(seed) % 3 == 0) {
			CHECK_EQ(mkdir(child, 0700), 0);
			grow(child, depth - 1, seed);
		} else {
			touch(child);
		}
	}
}

/* find: what is below `path`, and path itself if it is a file. */
static void collect(const char *path)
{
	char child[4096];
	struct stat st;
	DIR *dir = NULL;

	CHECK_EQ(stat(path, &st), 0);
	if (S_ISREG(st.st_mode)) {
		CHECK_LT(wanted_count, sizeof(wanted) / sizeof(wanted[0]));
		wanted[wanted_count++] = strdup(path);
		return;
	}
	dir = opendir(path);
	CHECK_NOT_NULL(dir);
	for (struct dirent *d; (d = readdir(dir)) != NULL;) {
		if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
			continue;
		snprintf(child, sizeof(child), "%s%s%s", path,
			 path[strlen(path) - 1] == '/' ? "" : "/", d->d_name);
		collect(child);
	}
	closedir(dir);
}

static int by_bytes(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void compare(const char *const *roots, size_t count, size_t budget)
{
	struct walk_entry entry;
	struct walk *w;
	size_t got = 0;

	wanted_count = 0;
	for (size_t i = 0; i < count; i++)
		collect(roots[i]);
	qsort(wanted, wanted_count, sizeof(wanted[0]), by_bytes);

	CHECK_EQ(walk_new(&w, roots, count, budget), 0);
	while (walk_next(w, &entry) == 1) {
		CHECK_LT(got, wanted_count);
		CHECK_STR_EQ(entry.path, wanted[got]);
		CHECK(entry.kind == WALK_FILE || entry.kind == WALK_NAMED);
		got++;
	}
	CHECK_EQ(got, wanted_count);
	walk_free(w);
	for (size_t i = 0; i < wanted_count; i++)
		free(wanted[i]);
	wanted_count = 0;
}

TEST(walk_is_find_sorted)
{
	static const char *const one[] = { "." };

	for (unsigned seed = 1; seed <= 20; seed++) {
		unsigned state = seed;

		scratch_enter();
		grow(".", 4, &state);
		compare(one, 1, 16 << 20);
		compare(one, 1, 0);
		scratch_leave();
	}
}

TEST(walk_reads_large_directories_in_parts)
{
	static const char *const one[] = { "." };
	char name[64];

	scratch_enter();
	CHECK_EQ(mkdir("d", 0700), 0);
	CHECK_EQ(mkdir("d/500.d", 0700), 0);
	for (int i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "d%s/%d", i % 3 ? "" : "/500.d", i);
		touch(name);
	}
	compare(one, 1, 0);
	scratch_leave();
}

TEST(walk_merges_overlapping_roots)
{
	static const char *const roots[] = { "r",     "r/", "r//d", "r-",   "r/d",
					     "r/d/f", "r0", "r",    "r/d.f" };
	unsigned state = 7;

	scratch_enter();
	CHECK_EQ(mkdir("r", 0700), 0);
	CHECK_EQ(mkdir("r/d", 0700), 0);
	CHECK_EQ(mkdir("r-", 0700), 0);
	touch("r0");
	touch("r/d.f");
	touch("r/d/f");
	grow("r", 3, &state);
	grow("r/d", 3, &state);
	grow("r-", 3, &state);
	compare(roots, sizeof(roots) / sizeof(roots[0]), 1 << 20);
	compare(roots, sizeof(roots) / sizeof(roots[0]), 0);
	scratch_leave();
}

static struct walk_entry expect(struct walk *w, enum walk_kind kind, const char *path)
{
	struct walk_entry entry = { 0 };

	CHECK_EQ(walk_next(w, &entry), 1);
	CHECK_EQ(entry.kind, kind);
	CHECK_STR_EQ(entry.path, path);
	return entry;
}

TEST(walk_follows_only_links_that_are_named)
{
	static const char *const roots[] = {
		"d", "link-d", "link-f", "loop", "none", "pipe", "-"
	};
	struct walk_entry entry;
	struct walk *w;

	scratch_enter();
	CHECK_EQ(mkdir("d", 0700), 0);
	touch("d/f");
	CHECK_EQ(symlink("f", "d/inner"), 0);
	CHECK_EQ(symlink("d", "link-d"), 0);
	CHECK_EQ(symlink("d/f", "link-f"), 0);
	CHECK_EQ(symlink("loop", "loop"), 0);
	CHECK_EQ(mkfifo("pipe", 0600), 0);

	CHECK_EQ(walk_new(&w, roots, sizeof(roots) / sizeof(roots[0]), 1 << 20), 0);
	expect(w, WALK_STDIN, "-");
	expect(w, WALK_FILE, "d/f");
	expect(w, WALK_FILE, "link-d/f");
	expect(w, WALK_NAMED, "link-f");
	CHECK_EQ(expect(w, WALK_ERROR, "loop").trouble, ELOOP);
	CHECK_EQ(expect(w, WALK_ERROR, "none").trouble, ENOENT);
	CHECK_EQ(expect(w, WALK_ERROR, "pipe").trouble, TROUBLE_FIFO);
	CHECK_EQ(walk_next(w, &entry), 0);
	CHECK_EQ(walk_next(w, &entry), 0);
	walk_free(w);
	scratch_leave();
}

TEST(walk_reaches_below_the_longest_path)
{
	static const char *const roots[] = { "." };
	char name[201];
	struct walk_entry entry = { 0 };
	struct walk *w;

	memset(name, 'n', 200);
	name[200] = '\0';
	scratch_enter();
	for (int i = 0; i < 50; i++) {
		CHECK_EQ(mkdir(name, 0700), 0);
		CHECK_EQ(chdir(name), 0);
	}
	touch("deep");
	CHECK_EQ(chdir(scratch), 0);

	CHECK_EQ(walk_new(&w, roots, 1, 1 << 20), 0);
	CHECK_EQ(walk_next(w, &entry), 1);
	CHECK_EQ(entry.kind, WALK_FILE);
	CHECK_EQ(strlen(entry.path), 1 + 50 * 201 + 5);
	int fd = path_open(entry.path, O_RDONLY);
	CHECK_GE(fd, 0);
	close(fd);
	CHECK_EQ(walk_next(w, &entry), 0);
	walk_free(w);
	scratch_leave();
}

TEST(walk_tells_of_a_directory_that_vanishes_or_turns_into_a_link)
{
	static const char *const roots[] = { "." };
	struct walk_entry entry;
	struct walk *w;

	scratch_enter();
	touch("a");
	CHECK_EQ(mkdir("b", 0700), 0);
	CHECK_EQ(mkdir("bb", 0700), 0);
	touch("b/x");
	touch("c");
	CHECK_EQ(walk_new(&w, roots, 1, 1 << 20), 0);
	expect(w, WALK_FILE, "./a");
	CHECK_EQ(unlink("b/x"), 0);
	CHECK_EQ(rmdir("b"), 0);
	CHECK_EQ(rmdir("bb"), 0);
	CHECK_EQ(symlink("/", "bb"), 0);
	CHECK_EQ(expect(w, WALK_ERROR, "./b").trouble, ENOENT);
	CHECK_EQ(expect(w, WALK_ERROR, "./bb").trouble, ENOTDIR);
	expect(w, WALK_FILE, "./c");
	CHECK_EQ(walk_next(w, &entry), 0);
	walk_free(w);
	scratch_leave();
}
