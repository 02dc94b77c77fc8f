/* SPDX-License-Identifier: MIT */
/*
 * See mutant.h.
 */
#include "model/mutant.h"

#include <string.h>

enum { SITES = 1024 };

static struct {
	enum mutation mutation;
	const char *site;
	int order;
	uint64_t met;
	bool recording;
} planted;

static struct weft__mutant_site sites[SITES];
static size_t sites_count;

void weft__mutant_plant(enum mutation mutation, const char *site, int order)
{
	planted.mutation = mutation;
	planted.site = site;
	planted.order = order;
	planted.met = 0;
}

uint64_t weft__mutant_met(void)
{
	return planted.met;
}

void weft__mutant_met_reset(void)
{
	planted.met = 0;
}

void weft__mutant_record(bool on)
{
	planted.recording = on;
}

size_t weft__mutant_sites(const struct weft__mutant_site **out)
{
	*out = sites;
	return sites_count;
}

static void record(const char *kind, const char *site, int order)
{
	for (size_t i = 0; i < sites_count; i++)
		if (sites[i].site == site && sites[i].order == order)
			return;
	for (size_t i = 0; i < sites_count; i++)
		if (strcmp(sites[i].site, site) == 0 && sites[i].order == order)
			return;
	if (sites_count < SITES)
		sites[sites_count++] = (struct weft__mutant_site){ kind, site, order };
}

static bool is_planted(enum mutation mutation, const char *site)
{
	return planted.mutation == mutation &&
	       (planted.site == site || strcmp(planted.site, site) == 0);
}

int weft__mutant_order(const char *kind, const char *site, int order)
{
	if (WEFT_UNLIKELY(planted.recording))
		record(kind, site, order);
	if (WEFT_LIKELY(planted.mutation != MUTANT_ORDER) || !is_planted(MUTANT_ORDER, site))
		return order;
	planted.met++;
	return planted.order;
}

bool weft__mutant_is(enum mutation mutation, const char *site)
{
	if (WEFT_LIKELY(planted.mutation != mutation) || !is_planted(mutation, site))
		return false;
	planted.met++;
	return true;
}
