/* SPDX-License-Identifier: MIT */
/*
 * Goal: what lies behind a guard is safe, whichever way the kernel makes guards, also
 * where it only pretends to; memory that is dropped comes back as zeros and costs
 * nothing; what was never touched is known.
 */
#include "sys/linux/linux.h"
#include "sys/linux/sandbox_test.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>

enum { PAGES = 16 };

static size_t page;
static char *pages;

static void map_pages(void)
{
	page = weft__page_size();
	pages = weft__stacks_map(PAGES * page);
	CHECK_NOT_NULL(pages);
}

static void unmap_pages(void)
{
	CHECK(weft__stacks_unmap(pages, PAGES * page));
}

/* Whether the program may write there; reading and writing end alike at a guard. */
static bool writable(volatile char *at)
{
	int status;
	pid_t child = check_fork();

	if (child == 0) {
		signal(SIGSEGV, SIG_DFL);
		*at = 1;
		_exit(0);
	}
	CHECK_EQ(waitpid(child, &status, 0), child);
	return WIFEXITED(status);
}

static size_t mappings(void)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	size_t lines = 0;
	int c;

	CHECK_NOT_NULL(maps);
	while ((c = fgetc(maps)) != EOF)
		lines += c == '\n';
	fclose(maps);
	return lines;
}

static void check_guard(void)
{
	map_pages();
	memset(pages, 0x5a, PAGES * page);
	CHECK_EQ(weft__guard_install(pages + 4 * page, 2 * page), 0);
	CHECK(writable(pages + 4 * page - 1));
	CHECK(!writable(pages + 4 * page));
	CHECK(!writable(pages + 6 * page - 1));
	CHECK(writable(pages + 6 * page));
	CHECK_EQ(pages[4 * page - 1], 0x5a);
	CHECK_EQ(pages[6 * page], 0x5a);
}

/* ---- where the kernel does not know of marks ------------------------------------- */

/* These two come first: in a program that has not made a guard yet. */

static void guard_by_protection(void)
{
	size_t before;

	check_guard();
	before = mappings();
	CHECK_EQ(weft__guard_install(pages + 8 * page, page), 0);
	CHECK(!writable(pages + 8 * page));
	CHECK_EQ(mappings(), before + 2);
	unmap_pages();
}

static void refuse_marks(void)
{
	CHECK(sandbox_refuse(SYS_madvise, 2, 102, 102, EINVAL));
	guard_by_protection();
}

/* An error of 0: the call seems to succeed, and does nothing. */
static void pretend_marks(void)
{
	CHECK(sandbox_refuse(SYS_madvise, 2, 102, 102, 0));
	guard_by_protection();
}

TEST(guard_is_made_by_protection_where_marks_are_refused)
{
	if (!sandbox_works())
		SKIP("this system lets no seccomp filter be set");
	sandbox_run(refuse_marks);
}

TEST(guard_is_made_by_protection_where_marks_are_pretended)
{
	if (!sandbox_works())
		SKIP("this system lets no seccomp filter be set");
	sandbox_run(pretend_marks);
}

static void refuse_all(void)
{
	CHECK(sandbox_refuse(SYS_madvise, 2, 102, 102, EINVAL));
	CHECK(sandbox_refuse(SYS_mprotect, 2, PROT_NONE, PROT_NONE, ENOMEM));
	map_pages();
	CHECK_EQ(weft__guard_install(pages, page), -ENOMEM);
	CHECK(writable(pages));
	_exit(0); /* what tools do at an exit needs the calls that are refused */
}

TEST(guard_that_cannot_be_made_is_an_error)
{
	if (!sandbox_works())
		SKIP("this system lets no seccomp filter be set");
	sandbox_run(refuse_all);
}

/* ---- where it may know ------------------------------------------------------------ */

TEST(guard_cannot_be_touched)
{
	check_guard();
	unmap_pages();
}

TEST(guard_outlives_the_pages_around_it)
{
	check_guard();
	weft__pages_drop(pages, PAGES * page);
	CHECK(!writable(pages + 4 * page));
	CHECK(!writable(pages + 6 * page - 1));
	CHECK_EQ(pages[0], 0);
	CHECK_EQ(pages[PAGES * page - 1], 0);
	unmap_pages();
}

static bool has_marks(void)
{
	map_pages();
	for (int i = 0; i < PAGES; i += 2)
		if (madvise(pages + i * page, page, 102) != 0)
			return false;
	return !writable(pages) && writable(pages + page);
}

TEST(guard_costs_no_mapping_where_the_kernel_has_marks)
{
	size_t before;

	if (!has_marks())
		SKIP("this kernel has no MADV_GUARD_INSTALL");
	unmap_pages();
	map_pages();
	before = mappings();
	for (int i = 0; i < PAGES; i += 2)
		CHECK_EQ(weft__guard_install(pages + i * page, page), 0);
	CHECK_LE(mappings(), before + 1);
	unmap_pages();
}

/* ---- memory ------------------------------------------------------------------------ */

TEST(stacks_without_address_space_are_null)
{
	CHECK_NULL(weft__stacks_map(SIZE_MAX / 2 & ~(size_t)65535));
}

static void refuse_unmap(void)
{
	map_pages();
	CHECK(sandbox_refuse(SYS_munmap, 1, (uint32_t)(PAGES * page), (uint32_t)(PAGES * page),
			     ENOMEM));
	CHECK(!weft__stacks_unmap(pages, PAGES * page));
	pages[0] = 1;
	_exit(0);
}

TEST(stacks_that_cannot_be_unmapped_stay)
{
	if (!sandbox_works())
		SKIP("this system lets no seccomp filter be set");
	sandbox_run(refuse_unmap);
}

TEST(pages_that_were_touched_are_known)
{
	map_pages();
	CHECK_EQ(weft__pages_untouched(pages, PAGES * page), PAGES * page);
	pages[PAGES * page - 1] = 1;
	CHECK_EQ(weft__pages_untouched(pages, PAGES * page), (PAGES - 1) * page);
	pages[3 * page + 5] = 1;
	CHECK_EQ(weft__pages_untouched(pages, PAGES * page), 3 * page);
	CHECK_EQ(weft__pages_untouched(pages + 4 * page, 2 * page), 2 * page);
	weft__pages_drop(pages, PAGES * page);
	CHECK_EQ(weft__pages_untouched(pages, PAGES * page), PAGES * page);
	CHECK_EQ(pages[3 * page + 5], 0);
	unmap_pages();
}

/* More pages than one question to the kernel is about. */
TEST(pages_that_were_touched_are_known_of_many)
{
	const size_t many = 500;
	char *low;

	page = weft__page_size();
	low = weft__stacks_map(many * page);
	for (size_t i = many; i-- > 0;) {
		low[i * page] = 1;
		CHECK_EQ(weft__pages_untouched(low, many * page), i * page);
	}
	CHECK(weft__stacks_unmap(low, many * page));
}
