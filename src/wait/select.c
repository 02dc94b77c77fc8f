/* SPDX-License-Identifier: MIT */
/*
 * Select: the public face of the blocking loop.
 */
#include "weft/select.h"

#include <errno.h>

#include "wait/wait.h"

static int select_until(weft_case *cases, int count, int64_t deadline, unsigned flags)
{
	if (count < 0 || count > WEFT_SELECT_MAX || (count > 0 && !cases))
		return -EINVAL;
	return weft__block(cases, count, deadline, flags);
}

int weft_select(weft_case *cases, int count, int64_t deadline)
{
	return select_until(cases, count, deadline, 0);
}

int weft_select_biased(weft_case *cases, int count, int64_t deadline)
{
	return select_until(cases, count, deadline, WEFT__BIASED);
}

int weft_select_try(weft_case *cases, int count)
{
	int chosen = select_until(cases, count, 0, WEFT__UNCANCELLABLE);

	return chosen == -ETIMEDOUT ? -EAGAIN : chosen;
}
