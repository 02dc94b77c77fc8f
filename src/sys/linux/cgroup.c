/* SPDX-License-Identifier: MIT */
/*
 * The CPU quota of the control group that the process runs in.
 *
 * Two files tell where to look. /proc/self/cgroup names the group in each
 * hierarchy ("0::/a/b" for version 2, "4:cpu,cpuacct:/a/b" for version 1), as
 * seen from the root of the cgroup namespace. /proc/self/mountinfo tells where a
 * hierarchy is mounted and which group is the root of that mount, which in a
 * container need not be the hierarchy's. So the group's folder is
 *
 *     <mount point>/<the group's path with the mount's root taken off>
 *
 * and the quota is the least of those set there and in each folder up to the
 * mount point: every group is limited by all that contain it.
 *
 * What cannot be read or understood sets no limit.
 */
#define _GNU_SOURCE

#include "sys/linux/linux.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct search {
	char *path[2];    /* the process's group by version - 1; NULL for none */
	char *strange[2]; /* the first mount that does not contain that group */
	bool found[2];    /* whether another mount does */
	double least;     /* CPUs; 0 while no limit is known */
	int version;      /* where that was found */
};

/* A decimal number at *text, which moves behind it. False when there is none or
 * it does not fit. */
static bool parse_number(const char **text, uint64_t *number)
{
	const char *p = *text;
	uint64_t sum = 0;

	if (*p < '0' || *p > '9')
		return false;
	for (; *p >= '0' && *p <= '9'; p++) {
		if (__builtin_mul_overflow(sum, 10, &sum) ||
		    __builtin_add_overflow(sum, (uint64_t)(*p - '0'), &sum))
			return false;
	}
	*text = p;
	*number = sum;
	return true;
}

static bool at_end(const char *text)
{
	return text[strspn(text, " \n")] == '\0';
}

double weft__quota_parse_v2(const char *text)
{
	uint64_t quota;
	uint64_t period;

	if (!parse_number(&text, &quota) || *text++ != ' ' || !parse_number(&text, &period) ||
	    !at_end(text) || period == 0)
		return 0;
	return (double)quota / (double)period;
}

double weft__quota_parse_v1(const char *quota_us, const char *period_us)
{
	uint64_t quota;
	uint64_t period;

	if (!parse_number(&quota_us, &quota) || !at_end(quota_us) ||
	    !parse_number(&period_us, &period) || !at_end(period_us) || period == 0)
		return 0;
	return (double)quota / (double)period;
}

/* The text of <folder>/<name>, zero-terminated; false when it cannot be read. */
static bool read_small(const char *folder, const char *name, char *text, size_t size)
{
	char *path;
	ssize_t length = -1;
	int fd;

	if (asprintf(&path, "%s/%s", folder, name) < 0)
		return false;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	free(path);
	if (fd >= 0) {
		length = read(fd, text, size - 1);
		close(fd);
	}
	if (length < 0)
		return false;
	text[length] = '\0';
	return true;
}

static double read_quota(const char *folder, int version)
{
	char quota[64];
	char period[64];

	if (version == 2)
		return read_small(folder, "cpu.max", quota, sizeof(quota))
			       ? weft__quota_parse_v2(quota)
			       : 0;
	if (!read_small(folder, "cpu.cfs_quota_us", quota, sizeof(quota)) ||
	    !read_small(folder, "cpu.cfs_period_us", period, sizeof(period)))
		return 0;
	return weft__quota_parse_v1(quota, period);
}

/* Applies the quotas of <point><below> and of each folder up to <point>. */
static void apply_quotas(struct search *search, int version, const char *point, const char *below)
{
	size_t top = strlen(point);
	char *folder;
	char *slash;

	if (asprintf(&folder, "%s%s", point, below) < 0)
		return;
	do {
		double cpus = read_quota(folder, version);

		if (cpus > 0 && (search->least == 0 || cpus < search->least)) {
			search->least = cpus;
			search->version = version;
		}
		slash = strrchr(folder + top, '/');
		if (slash)
			*slash = '\0';
	} while (slash);
	free(folder);
}

/* Whether `word` is one of a list that commas separate. */
static bool has_word(const char *list, const char *word)
{
	size_t length = strlen(word);

	for (;;) {
		size_t span = strcspn(list, ",\n");

		if (span == length && memcmp(list, word, length) == 0)
			return true;
		if (list[span] != ',')
			return false;
		list += span + 1;
	}
}

/* "<hierarchy>:<controllers>:<path>\n", which is taken apart. */
static void parse_group(struct search *search, char *line)
{
	char *controllers = strchr(line, ':');
	char *path = controllers ? strchr(controllers + 1, ':') : NULL;
	int version = 0;

	if (!path)
		return;
	controllers++;
	*path++ = '\0';
	path[strcspn(path, "\n")] = '\0';
	if (controllers[0] == '\0')
		version = 2;
	else if (has_word(controllers, "cpu"))
		version = 1;
	if (version && !search->path[version - 1])
		search->path[version - 1] = strdup(path);
}

/* mountinfo writes space, tab, newline and backslash as \ooo. */
static void unescape(char *text)
{
	char *to = text;

	while (*text) {
		if (text[0] == '\\' && text[1] >= '0' && text[1] <= '3' && text[2] >= '0' &&
		    text[2] <= '7' && text[3] >= '0' && text[3] <= '7') {
			*to++ = (char)((text[1] - '0') << 6 | (text[2] - '0') << 3 |
				       (text[3] - '0'));
			text += 4;
		} else {
			*to++ = *text++;
		}
	}
	*to = '\0';
}

/* "<id> <parent> <dev> <root> <point> <options> <tag>... - <type> <source> <super>".
 * The version of the cgroup hierarchy that this mounts, or 0. */
static int parse_mount(char *line, char **root, char **point)
{
	enum { ROOT = 3, POINT = 4, FIXED = 6 };
	char *field[FIXED];
	char *rest = NULL;
	char *type;
	int version = 0;

	for (int i = 0; i < FIXED; i++) {
		field[i] = strtok_r(i ? NULL : line, " \n", &rest);
		if (!field[i])
			return 0;
	}
	do {
		type = strtok_r(NULL, " \n", &rest);
		if (!type)
			return 0;
	} while (strcmp(type, "-") != 0);
	type = strtok_r(NULL, " \n", &rest);
	if (type && strcmp(type, "cgroup2") == 0) {
		version = 2;
	} else if (type && strcmp(type, "cgroup") == 0) {
		char *options;

		(void)strtok_r(NULL, " \n", &rest);
		options = strtok_r(NULL, " \n", &rest);
		if (options && has_word(options, "cpu"))
			version = 1;
	}
	if (version) {
		*root = field[ROOT];
		*point = field[POINT];
		unescape(*root);
		unescape(*point);
	}
	return version;
}

/* What is left of `path` below `root`: "" or "/..."; NULL when it is not below. A
 * path that begins with "/.." lies outside of the namespace, out of sight. */
static const char *below_root(const char *path, const char *root)
{
	size_t length = strlen(root);

	if (length == 1) /* "/" */
		length = 0;
	if (strncmp(path, root, length) != 0 || strncmp(path, "/..", 3) == 0)
		return NULL;
	path += length;
	if (strcmp(path, "/") == 0)
		return "";
	return *path == '/' || *path == '\0' ? path : NULL;
}

static void apply_mount(struct search *search, char *line)
{
	char *root;
	char *point;
	const char *below;
	int version = parse_mount(line, &root, &point);
	int i = version - 1;

	if (!version || !search->path[i])
		return;
	below = below_root(search->path[i], root);
	if (below) {
		search->found[i] = true;
		apply_quotas(search, version, point, below);
	} else if (!search->strange[i]) {
		search->strange[i] = strdup(point);
	}
}

static void each_line(const char *file, struct search *search,
		      void (*use)(struct search *search, char *line))
{
	FILE *in = fopen(file, "re");
	char *line = NULL;
	size_t size = 0;

	if (!in)
		return;
	while (getline(&line, &size, in) > 0)
		use(search, line);
	free(line);
	fclose(in);
}

double weft__cgroup_quota(const char *cgroup_file, const char *mountinfo_file, int *version)
{
	struct search search = { 0 };

	each_line(cgroup_file, &search, parse_group);
	each_line(mountinfo_file, &search, apply_mount);
	for (int i = 0; i < 2; i++) {
		/* A container that sees a mount of its own group, but names the group as
		 * its host does: the mount's root is the best that is known. */
		if (!search.found[i] && search.strange[i])
			apply_quotas(&search, i + 1, search.strange[i], "");
		free(search.strange[i]);
		free(search.path[i]);
	}
	*version = search.version;
	return search.least;
}
