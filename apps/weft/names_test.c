/* SPDX-License-Identifier: MIT */
/*
 * Goal: a directory's entries come in the order of whole paths, all of them and
 * each once, however small the budget.
 * Method: a directory of names around '/' in the byte order, read in one pass
 * and in many, against a plain sort of name + '/'.
 */
#include "names.h"
#include "check.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char scratch[64];

static void scratch_make(void)
{
	strcpy(scratch, "/tmp/weft-names-XXXXXX");
	CHECK_NOT_NULL(mkdtemp(scratch));
}

static void scratch_add(const char *name, bool dir)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", scratch, name);
	if (dir) {
		CHECK_EQ(mkdir(path, 0700), 0);
		return;
	}
	int fd = open(path, O_CREAT | O_WRONLY | O_EXCL, 0600);
	CHECK_GE(fd, 0);
	close(fd);
}

static void scratch_remove(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", scratch);
	CHECK_EQ(system(command), 0);
}

TEST(names_order_is_that_of_paths)
{
	/* Behind the letter: the key that a whole path would show. */
	static const char *const entries[] = { "fa",  "da", "fa-", "fa.", "fa0",   "da-",
					       "da0", "fA", "dab", "fb",  "f\xff", "f~" };
	const size_t count = sizeof(entries) / sizeof(entries[0]);
	char x[16], y[16];

	for (size_t i = 0; i < count; i++) {
		for (size_t j = 0; j < count; j++) {
			snprintf(x, sizeof(x), "%s%s", entries[i] + 1,
				 entries[i][0] == 'd' ? "/" : "");
			snprintf(y, sizeof(y), "%s%s", entries[j] + 1,
				 entries[j][0] == 'd' ? "/" : "");
			int plain = strcmp(x, y), ours = names_order(entries[i], entries[j]);
			if ((plain < 0) != (ours < 0) || (plain > 0) != (ours > 0))
				FAIL("%s against %s: %d, should be %d", entries[i], entries[j],
				     ours, plain);
		}
	}
}

/* Reads all parts with the budget and checks that they ascend; the number of
 * entries, and of passes through *passes. */
static size_t read_all(size_t budget, int *passes)
{
	struct names n = { 0 };
	char last[300] = "";
	size_t total = 0;

	*passes = 0;
	do {
		int fd = open(scratch, O_RDONLY | O_DIRECTORY);
		CHECK_GE(fd, 0);
		CHECK_EQ(names_read(&n, fd, last[0] ? last : NULL, budget), 0);
		CHECK_GT(n.count, 0);
		CHECK_LE(names_memory(&n), 4 * budget);
		for (size_t i = 0; i < n.count; i++) {
			if (last[0])
				CHECK_GT(names_order(names_entry(&n, i), last), 0);
			strcpy(last, names_entry(&n, i));
		}
		total += n.count;
		++*passes;
	} while (n.more);
	names_free(&n);
	return total;
}

TEST(names_come_whole_from_any_budget)
{
	char name[256];
	int passes;

	scratch_make();
	for (int i = 0; i < 900; i++) {
		/* "7", "7-", "7.", "7/", "70": neighbours of the '/'. */
		snprintf(name, sizeof(name), "%d%s", i / 3,
			 i % 3 == 0   ? ""
			 : i % 3 == 1 ? "-"
				      : ".x");
		scratch_add(name, i % 3 == 0 && i % 2 == 0);
	}
	memset(name, 'n', 255);
	name[255] = '\0';
	scratch_add(name, false);
	CHECK_EQ(read_all((size_t)1 << 20, &passes), 901);
	CHECK_EQ(passes, 1);
	CHECK_EQ(read_all(NAMES_BUDGET_MIN, &passes), 901);
	CHECK_GT(passes, 2);
	CHECK_EQ(read_all(3000, &passes), 901);
	scratch_remove();
}

TEST(names_leave_out_what_is_no_file)
{
	struct names n = { 0 };
	char path[128];

	scratch_make();
	scratch_add("file", false);
	scratch_add("dir", true);
	snprintf(path, sizeof(path), "%s/fifo", scratch);
	CHECK_EQ(mkfifo(path, 0600), 0);
	snprintf(path, sizeof(path), "%s/link", scratch);
	CHECK_EQ(symlink("file", path), 0);

	CHECK_EQ(names_read(&n, open(scratch, O_RDONLY | O_DIRECTORY), NULL, 4096), 0);
	CHECK_EQ(n.count, 2);
	CHECK_STR_EQ(names_entry(&n, 0), "ddir");
	CHECK_STR_EQ(names_entry(&n, 1), "ffile");
	names_free(&n);
	scratch_remove();
}

TEST(names_of_an_empty_directory)
{
	struct names n = { 0 };

	scratch_make();
	CHECK_EQ(names_read(&n, open(scratch, O_RDONLY | O_DIRECTORY), NULL, 4096), 0);
	CHECK_EQ(n.count, 0);
	CHECK(!n.more);
	names_free(&n);
	scratch_remove();
}
