/* SPDX-License-Identifier: MIT */
/*
 * The beginning of a run is that of the run before, up to the one decision that is
 * made otherwise. The program has to be run again up to there, but the checker's own
 * books about that part (who accessed what, who depends on whom) are as they were:
 * what changes in them is written down, and undone back to that decision. Until it
 * comes, nothing is entered: the run is not `live`.
 *
 * (Nor has the program to be run from its very start: see snapshot.c.)
 *
 * Books that are kept so are stamped with the epoch and not with the run.
 */
#include "model/model.h"

#include <string.h>

static void undo(uint32_t mark)
{
	while (M.undo_used > mark) {
		struct undo_entry *entry;

		M.undo_used -= (uint32_t)sizeof(*entry);
		entry = (struct undo_entry *)(void *)(M.undo + M.undo_used);
		M.undo_used -= entry->before;
		memcpy(entry->at, M.undo + M.undo_used, entry->size);
	}
}

bool weft__undo_begin(void)
{
	const bool systematic = M.opts.mode == WEFT_CHECK_EXHAUSTIVE ||
				M.opts.mode == WEFT_CHECK_EVERY;

	if (M.undoes && M.length > 0 && !M.replaying) {
		undo(M.path[M.length - 1].mark);
		M.live = false;
		return true;
	}
	if (!M.undo)
		M.undo = weft__model_map(UNDO_SIZE);
	M.epoch++;
	M.undo_used = 0;
	M.undoes = systematic && !M.replaying;
	M.live = true;
	return false;
}

/* The next run computes everything anew. */
void weft__undo_full(void)
{
	M.undoes = false;
}
