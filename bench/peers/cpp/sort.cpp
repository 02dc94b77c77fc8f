/* SPDX-License-Identifier: MIT */
/* Peers: std::sort and std::stable_sort on one thread; with SORT_TBB oneTBB's
 * parallel_sort, and std::stable_sort by the parallel policy, which runs on TBB. */
#include "../../subject_sort.h"

#include <algorithm>
#include <functional>
#ifdef SORT_TBB
#include <execution>
#include <tbb/global_control.h>
#include <tbb/parallel_sort.h>
#endif

template <class T, class Less>
static bool sort_by(const struct subject_sort *s, void *at, Less less)
{
	T *begin = static_cast<T *>(at), *end = begin + s->n;

#ifdef SORT_TBB
	if (s->stable)
		std::stable_sort(std::execution::par, begin, end, less);
	else
		tbb::parallel_sort(begin, end, less);
#else
	if (s->stable)
		std::stable_sort(begin, end, less);
	else
		std::sort(begin, end, less);
#endif
	return true;
}

static bool sort(const struct subject_sort *s, void *at)
{
	switch (s->type) {
	case SUBJECT_U32: return sort_by<uint32_t>(s, at, std::less<uint32_t>());
	case SUBJECT_U64: return sort_by<uint64_t>(s, at, std::less<uint64_t>());
	case SUBJECT_F64: return sort_by<double>(s, at, std::less<double>());
	case SUBJECT_STRUCTS:
		return sort_by<subject_item>(s, at,
					     [](const subject_item &a, const subject_item &b) {
						     return a.key < b.key;
					     });
	default:
		return sort_by<char *>(
			s, at, [](const char *a, const char *b) { return strcmp(a, b) < 0; });
	}
}

int main(int argc, char **argv)
{
	if (argc != 4)
		return subject_bad("usage: sort sort|sort_stable|sort_compare CASE WORKERS");
#ifdef SORT_TBB
	tbb::global_control limit(tbb::global_control::max_allowed_parallelism,
				  strtoul(argv[3], nullptr, 10));
#endif
	return subject_sort_measure(argv[1], argv[2], sort);
}
