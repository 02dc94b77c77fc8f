/* SPDX-License-Identifier: MIT */
/*
 * The public calls that follow from the porting contract and are therefore the
 * same on every system: deadlines counted from now, and the number of CPUs.
 */
#include "base/time.h"
#include "sys/sys.h"

int64_t weft_after(int64_t ns)
{
	return weft__time_add(weft_now(), ns);
}

int64_t weft_after_us(int64_t us)
{
	return weft_after(weft__time_scale(us, WEFT_US));
}

int64_t weft_after_ms(int64_t ms)
{
	return weft_after(weft__time_scale(ms, WEFT_MS));
}

int64_t weft_after_s(int64_t s)
{
	return weft_after(weft__time_scale(s, WEFT_SECOND));
}

int weft_cpus(void)
{
	struct weft__cpu_budget budget;

	weft__cpu_budget_read(&budget);
	return budget.usable;
}
