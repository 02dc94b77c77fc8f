/* SPDX-License-Identifier: MIT */
/*
 * The limit of descriptors.h is RLIMIT_NOFILE: the soft one is moved, up to the hard one.
 */
#include "descriptors.h"

#include <sys/resource.h>

int descriptors_raise(int wanted)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return 256;
	if (limit.rlim_cur < (rlim_t)wanted) {
		limit.rlim_cur = limit.rlim_max < (rlim_t)wanted ? limit.rlim_max : (rlim_t)wanted;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
		getrlimit(RLIMIT_NOFILE, &limit);
	}
	return limit.rlim_cur < (rlim_t)wanted ? (int)limit.rlim_cur : wanted;
}
