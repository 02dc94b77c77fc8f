/* SPDX-License-Identifier: MIT */
/*
 * Planting bugs while the program runs: at one place in the source, named as the
 * checker shows it, an operation is made weaker, or is torn in two, or left out.
 */
#ifndef WEFT_MODEL_MUTANT_H
#define WEFT_MODEL_MUTANT_H

#include "model/model.h"

/* One at a time; MUTANT_NONE ends it. `order` is for MUTANT_ORDER. */
void weft__mutant_plant(enum mutation mutation, const char *site, int order);

/* How often the planted bug had its chance. */
uint64_t weft__mutant_met(void);
void weft__mutant_met_reset(void);

/* Operations that were met since recording was switched on. */
struct weft__mutant_site {
	const char *kind; /* load, store, rmw, cas */
	const char *site;
	int order;
};
void weft__mutant_record(bool on);
size_t weft__mutant_sites(const struct weft__mutant_site **out);

#endif
