/* SPDX-License-Identifier: MIT */
#include "rt/rt.h"
void weft__rt_worker_errands(struct weft__rt_worker *w)
{
	uint32_t errands = weft_swap_acquire(&w->errands, 0);

	if (errands & WEFT__ERRAND_CANCEL)
		weft__rt_worker_cancel(w);
}
