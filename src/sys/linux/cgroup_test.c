/* SPDX-License-Identifier: MIT */
/*
 * Goal: the quota is found where the kernel puts it - both versions, ancestors,
 * containers, odd paths - and nonsense sets no limit.
 * Method: a tree of folders and files made in a scratch folder, and the two files
 * of /proc that point into it.
 */
#define _GNU_SOURCE

#include "sys/linux/linux.h"

#include "check.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char scratch[64];

static int remove_entry(const char *path, const struct stat *info, int type, struct FTW *ftw)
{
	(void)info;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void begin(void)
{
	strcpy(scratch, "/tmp/weft-cgroup-XXXXXX");
	CHECK_NOT_NULL(mkdtemp(scratch));
}

static void end(void)
{
	CHECK_EQ(nftw(scratch, remove_entry, 16, FTW_DEPTH | FTW_PHYS), 0);
}

/* Writes a file of the scratch folder, whose folders are made. Each % of the text
 * stands for the scratch folder's path. */
static void put(const char *name, const char *text)
{
	char path[256];
	FILE *out;

	snprintf(path, sizeof(path), "%s/%s", scratch, name);
	for (char *p = path + strlen(scratch) + 1; (p = strchr(p, '/')); p++) {
		*p = '\0';
		mkdir(path, 0700);
		*p = '/';
	}
	out = fopen(path, "we");
	CHECK_NOT_NULL(out);
	for (; *text; text++) {
		if (*text == '%')
			fputs(scratch, out);
		else
			putc(*text, out);
	}
	CHECK_EQ(fclose(out), 0);
}

static void check_quota(double cpus, int version)
{
	char cgroup[96];
	char mountinfo[96];
	int found = -1;

	snprintf(cgroup, sizeof(cgroup), "%s/cgroup", scratch);
	snprintf(mountinfo, sizeof(mountinfo), "%s/mountinfo", scratch);
	CHECK_NEAR(weft__cgroup_quota(cgroup, mountinfo, &found), cpus, 1e-9);
	CHECK_EQ(found, version);
}

#define OTHER_MOUNTS                                                     \
	"22 1 254:0 / / rw,noatime shared:1 - ext4 /dev/root rw\n"       \
	"23 22 0:5 / /proc rw,nosuid shared:2 master:1 - proc proc rw\n" \
	"broken\n"                                                       \
	"24 22 0:6 / /x rw - \n"
#define MOUNT_V2 OTHER_MOUNTS "30 22 0:26 / %/fs rw,nosuid shared:9 - cgroup2 cgroup2 rw\n"

TEST(quota_v2_is_parsed)
{
	CHECK_NEAR(weft__quota_parse_v2("150000 100000\n"), 1.5, 1e-12);
	CHECK_NEAR(weft__quota_parse_v2("1000 1000000"), 0.001, 1e-12);
	CHECK_NEAR(weft__quota_parse_v2("6400000 100000\n"), 64, 1e-12);
	CHECK_NEAR(weft__quota_parse_v2("max 100000\n"), 0, 0);
}

TEST(quota_v2_garbage_sets_no_limit)
{
	static const char *const garbage[] = {
		"",
		"\n",
		"max",
		"150000",
		"150000 ",
		"150000 0\n",
		"-1 100000",
		"1.5 1000",
		"150000  100000",
		"150000 100000 x",
		"150000\n100000",
		" 150000 100000",
		"0x10 10",
		"150000 -100000",
		"99999999999999999999999 100000",
		"100000 99999999999999999999999",
		"\xff\xfe",
		"maximum 100000",
	};

	for (size_t i = 0; i < sizeof(garbage) / sizeof(garbage[0]); i++)
		CHECK_NEAR(weft__quota_parse_v2(garbage[i]), 0, 0);
}

TEST(quota_v1_is_parsed)
{
	CHECK_NEAR(weft__quota_parse_v1("250000\n", "100000\n"), 2.5, 1e-12);
	CHECK_NEAR(weft__quota_parse_v1("-1\n", "100000\n"), 0, 0);
	CHECK_NEAR(weft__quota_parse_v1("250000", "0"), 0, 0);
	CHECK_NEAR(weft__quota_parse_v1("", "100000"), 0, 0);
	CHECK_NEAR(weft__quota_parse_v1("250000", ""), 0, 0);
	CHECK_NEAR(weft__quota_parse_v1("250000 1", "100000"), 0, 0);
	CHECK_NEAR(weft__quota_parse_v1("250000", "1e5"), 0, 0);
	CHECK_NEAR(weft__quota_parse_v1("18446744073709551616", "100000"), 0, 0);
}

TEST(cgroup_v2_own_quota)
{
	begin();
	put("mountinfo", MOUNT_V2);
	put("cgroup", "0::/user/job\n");
	put("fs/user/job/cpu.max", "150000 100000\n");
	check_quota(1.5, 2);
	end();
}

TEST(cgroup_v2_least_of_ancestors)
{
	begin();
	put("mountinfo", MOUNT_V2);
	put("cgroup", "0::/a/b/c\n");
	put("fs/a/b/c/cpu.max", "400000 100000\n");
	put("fs/a/b/cpu.max", "max 100000\n");
	put("fs/a/cpu.max", "300000 100000\n");
	check_quota(3, 2);
	put("fs/cpu.max", "200000 100000\n"); /* in a container the root has one */
	check_quota(2, 2);
	put("cpu.max", "100000 100000\n"); /* above the mount: none of ours */
	check_quota(2, 2);
	put("fs/a/b/c/cpu.max", "50000 100000\n");
	check_quota(0.5, 2);
	put("fs/a/b/c/cpu.max", "nonsense\n");
	check_quota(2, 2);
	end();
}

TEST(cgroup_v2_root_group)
{
	begin();
	put("mountinfo", MOUNT_V2);
	put("cgroup", "0::/\n");
	put("fs/cpu.max", "250000 100000\n");
	check_quota(2.5, 2);
	end();
}

TEST(cgroup_path_that_is_gone_has_ancestors)
{
	begin();
	put("mountinfo", MOUNT_V2);
	put("cgroup", "0::/a/b (deleted)\n");
	put("fs/a/cpu.max", "250000 100000\n");
	check_quota(2.5, 2);
	end();
}

TEST(cgroup_outside_of_the_namespace)
{
	begin();
	put("mountinfo", MOUNT_V2);
	put("cgroup", "0::/../other\n");
	put("other/cpu.max", "100000 100000\n"); /* not ours to see */
	put("fs/cpu.max", "250000 100000\n");
	check_quota(2.5, 2);
	end();
}

TEST(cgroup_mount_of_a_part)
{
	begin();
	put("mountinfo", "30 22 0:26 /docker/ab %/no rw - cgroup2 cgroup2 rw\n"
			 "31 22 0:26 /docker/abc %/fs rw - cgroup2 cgroup2 rw\n");
	put("cgroup", "0::/docker/abc/job\n");
	put("no/cpu.max", "100000 100000\n");
	put("noc/cpu.max", "100000 100000\n"); /* ab does not contain abc */
	put("fs/job/cpu.max", "350000 100000\n");
	put("fs/cpu.max", "250000 100000\n");
	check_quota(2.5, 2);
	put("cgroup", "0::/docker/abc\n");
	check_quota(2.5, 2);
	end();
}

TEST(cgroup_v1_with_other_controllers)
{
	begin();
	put("mountinfo", OTHER_MOUNTS
	    "31 22 0:27 / %/set rw - cgroup cgroup rw,cpuset\n"
	    "32 22 0:28 / %/cpu,cpuacct rw,relatime shared:3 - cgroup cgroup rw,cpu,cpuacct\n");
	put("cgroup", "5:cpuset:/wrong\n4:cpu,cpuacct:/a/b\n3:name=systemd:/wrong\n0::/none\n");
	put("set/wrong/cpu.cfs_quota_us", "1000\n");
	put("set/wrong/cpu.cfs_period_us", "100000\n");
	check_quota(0, 0);
	put("cpu,cpuacct/a/b/cpu.cfs_quota_us", "-1\n");
	put("cpu,cpuacct/a/b/cpu.cfs_period_us", "100000\n");
	check_quota(0, 0);
	put("cpu,cpuacct/a/cpu.cfs_quota_us", "175000\n");
	check_quota(0, 0); /* half of it is missing */
	put("cpu,cpuacct/a/cpu.cfs_period_us", "50000\n");
	check_quota(3.5, 1);
	end();
}

TEST(cgroup_both_versions_least_wins)
{
	begin();
	put("mountinfo", "32 22 0:28 / %/v1 rw - cgroup cgroup rw,cpu\n"
			 "33 22 0:29 / %/v2 rw - cgroup2 cgroup2 rw\n");
	put("cgroup", "1:cpu:/a\n0::/a\n");
	put("v1/a/cpu.cfs_quota_us", "200000\n");
	put("v1/a/cpu.cfs_period_us", "100000\n");
	put("v2/a/cpu.max", "300000 100000\n");
	check_quota(2, 1);
	put("v2/a/cpu.max", "100000 100000\n");
	check_quota(1, 2);
	end();
}

TEST(cgroup_host_path_in_a_container)
{
	begin();
	put("mountinfo", "32 22 0:28 /other %/v1 rw - cgroup cgroup rw,cpu\n");
	put("cgroup", "1:cpu:/host/path\n");
	put("v1/cpu.cfs_quota_us", "200000\n");
	put("v1/cpu.cfs_period_us", "100000\n");
	check_quota(2, 1);
	end();
}

TEST(cgroup_names_are_unescaped)
{
	begin();
	put("mountinfo", "30 22 0:26 / %/f\\040s\\134 rw - cgroup2 cgroup2 rw\n");
	put("cgroup", "0::/a:b c\n"); /* a colon and a space of the group's own */
	put("f s\\/a:b c/cpu.max", "250000 100000\n");
	check_quota(2.5, 2);
	end();
}

TEST(cgroup_garbage_sets_no_limit)
{
	begin();
	check_quota(0, 0); /* no files at all */
	put("mountinfo", "");
	put("cgroup", "");
	check_quota(0, 0);
	put("mountinfo", MOUNT_V2);
	put("cgroup", "\n:\n::\n0:\n0::\n:cpu\n\xff\xff:cpu:\n1:cpux:/\n");
	check_quota(0, 0);
	put("cgroup", "0::/a\n");
	put("fs/a/cpu.max", "");
	check_quota(0, 0);
	put("fs/a/cpu.max", "111111111111111111111111111111111111111111111111111111111111 1\n");
	check_quota(0, 0);
	put("mountinfo", "30 22 0:26 / %/fs rw - cgroup2"); /* cut off, still enough */
	put("fs/a/cpu.max", "100000 100000");
	check_quota(1, 2);
	put("mountinfo", "30 22 0:26 / %/fs rw -");
	check_quota(0, 0);
	end();
}
