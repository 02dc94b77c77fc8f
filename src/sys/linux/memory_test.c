/* SPDX-License-Identifier: MIT */
/*
 * Goal: memory of any size is there, aligned and zero where promised; a size that
 * cannot be is NULL and not a small block.
 */
#include "sys/sys.h"

#include "check.h"
#include "sys/linux/sandbox_test.h"

#include <string.h>

static bool power_of_two(size_t n)
{
	return n && (n & (n - 1)) == 0;
}

static void check_zero(const unsigned char *memory, size_t size)
{
	for (size_t i = 0; i < size; i++)
		CHECK_EQ(memory[i], 0);
}

TEST(memory_sizes_are_powers_of_two)
{
	CHECK(power_of_two(weft__page_size()));
	CHECK(power_of_two(weft__cache_line_size()));
	CHECK_GE(weft__page_size(), 4096);
	CHECK_GE(weft__cache_line_size(), 16);
}

TEST(memory_pages_are_zero_and_whole)
{
	size_t page = weft__page_size();
	size_t sizes[] = { 0, 1, page - 1, page, page + 1, 40 * page };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		size_t whole = sizes[i] ? (sizes[i] + page - 1) / page * page : page;
		unsigned char *pages = weft__pages_map(sizes[i]);

		CHECK_NOT_NULL(pages);
		CHECK_EQ((uintptr_t)pages % page, 0);
		check_zero(pages, whole);
		memset(pages, 0xa5, whole);
		weft__pages_unmap(pages, sizes[i]);
	}
	weft__pages_unmap(NULL, page);
}

TEST(memory_pages_too_many_are_null)
{
	CHECK_NULL(weft__pages_map(SIZE_MAX));
	CHECK_NULL(weft__pages_map(SIZE_MAX - weft__page_size() + 1));
	CHECK_NULL(weft__pages_map(SIZE_MAX / 2));
}

static void unmap_nothing(void *unused)
{
	(void)unused;
	weft__pages_unmap((void *)(uintptr_t)1, 1);
}

TEST(memory_unmap_of_no_mapping_dies)
{
	CHECK_DIES(unmap_nothing, NULL, "is not a mapping of 1 bytes");
}

/* As when the process has as many mappings as it may have. */
static void unmap_without_room(void)
{
	const size_t size = 4 * weft__page_size();
	unsigned char *pages = weft__pages_map(size);

	CHECK_NOT_NULL(pages);
	memset(pages, 0xa5, size);
	CHECK(sandbox_refuse(SYS_munmap, 1, (uint32_t)size, (uint32_t)size, ENOMEM));
	weft__pages_unmap(pages, size);
	check_zero(pages, size);
}

TEST(memory_that_cannot_be_unmapped_is_dropped)
{
	if (!sandbox_works())
		SKIP("this system does not let a filter be set");
	sandbox_run(unmap_without_room);
}

TEST(memory_of_no_size_is_a_block)
{
	void *a = weft__alloc(0);
	void *b = weft__alloc_zero(0, 8);
	void *c = weft__alloc_zero(8, 0);
	void *d = weft__alloc_aligned(64, 0);

	CHECK(a && b && c && d);
	weft__release(a);
	weft__release(b);
	weft__release(c);
	weft__release(d);
	weft__release(NULL);
}

TEST(memory_alloc_zero_is_zero)
{
	for (size_t size = 1; size < 5000; size = size * 3 + 1) {
		unsigned char *dirty = weft__alloc(size * 3);
		unsigned char *memory;

		CHECK_NOT_NULL(dirty);
		memset(dirty, 0xa5, size * 3);
		weft__release(dirty);
		memory = weft__alloc_zero(3, size);
		CHECK_NOT_NULL(memory);
		check_zero(memory, size * 3);
		weft__release(memory);
	}
}

TEST(memory_alloc_aligned_is_aligned)
{
	for (size_t alignment = 1; alignment <= 65536; alignment *= 2) {
		void *memory[4];

		for (size_t i = 0; i < 4; i++) {
			memory[i] = weft__alloc_aligned(alignment, 3 * i + 1);
			CHECK_NOT_NULL(memory[i]);
			CHECK_EQ((uintptr_t)memory[i] % alignment, 0);
		}
		for (size_t i = 0; i < 4; i++)
			weft__release(memory[i]);
	}
}

static void align_oddly(void *unused)
{
	(void)unused;
	weft__release(weft__alloc_aligned(24, 1));
}

TEST(memory_odd_alignment_dies)
{
	CHECK_DIES(align_oddly, NULL, "an alignment is a power of two");
}
