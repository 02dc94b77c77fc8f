/* SPDX-License-Identifier: MIT */
/* qsort(), which in glibc is a merge sort while there is memory, on one thread. */
#include "../subject_sort.h"

#define COMPARE(name, type)                                      \
	static int name(const void *a, const void *b)            \
	{                                                        \
		type x = *(const type *)a, y = *(const type *)b; \
		return x < y ? -1 : x > y;                       \
	}

COMPARE(compare_u32, uint32_t)
COMPARE(compare_u64, uint64_t)
COMPARE(compare_f64, double)

static int compare_strings(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool sort(const struct subject_sort *s, void *at)
{
	/* An item begins with its key. */
	int (*compare)(const void *, const void *) = s->type == SUBJECT_U32       ? compare_u32
						     : s->type == SUBJECT_F64     ? compare_f64
						     : s->type == SUBJECT_STRINGS ? compare_strings
										  : compare_u64;

	qsort(at, s->n, subject_sort_size(s), compare);
	return true;
}

int main(int argc, char **argv)
{
	if (argc != 4)
		return subject_bad("usage: qsort sort|sort_stable|sort_compare CASE WORKERS");
	return subject_sort_measure(argv[1], argv[2], sort);
}
