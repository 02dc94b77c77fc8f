/* SPDX-License-Identifier: MIT */
#include "rt/rt.h"
void weft__rt_worker_errands(struct weft__rt_worker *w)
{
	weft_store_relaxed(&w->errands, 0);
}
