/* SPDX-License-Identifier: MIT */
/*
 * Runs that begin in the middle. Depth-first search changes the last decision of a run,
 * and so nine steps of ten are those of the run before. On the way there the state of
 * the whole run is kept: the stacks, blocks and variables of the program, the threads,
 * and the stores. The next runs go on from it, until the search changes a decision
 * that came before it. (What races.c and record.c know is kept by undo.c.)
 *
 * Snapshots are a stack along the path, and each run passes through those that it does
 * not go on from: so what was only ever added to since is cut back to its length then.
 * A run that goes on from a snapshot has its number.
 *
 * A program that does not tell of its plain accesses (it was not compiled with
 * -fsanitize=thread) may change variables that nobody knows of, and one that writes into
 * memory of its caller changes what is not kept: these are run from their start each time.
 */
#include "model/model.h"

#include <stddef.h>

enum {
	SNAPSHOTS = 32,
	SIZE_MOST = 128 << 10, /* a larger one costs more than it saves */
	APART = 16,            /* decisions that cost as much as a snapshot */
};

struct snapshot {
	uint32_t place;
	size_t size;
	unsigned char *bytes;
};

static struct snapshot snapshots[SNAPSHOTS];
static int count;

void weft__snapshot_never(void)
{
	M.strays = true;
	M.heard = false;
}

/* Far apart in long runs, so that there are enough of them. */
static uint32_t apart(void)
{
	return APART + M.length / 24;
}

bool weft__snapshot_begin(void)
{
	const bool kept = weft__undo_begin();

	M.snapshot_place = UINT32_MAX;
	M.snapshot_wanted = false;
	while (count > 0 && (!kept || !M.heard || snapshots[count - 1].place >= M.length))
		count--;
	if (kept && M.heard && count < SNAPSHOTS) {
		const uint32_t from = count > 0 ? snapshots[count - 1].place : 0;

		if (M.length - 1 - from > apart())
			M.snapshot_place = M.length - 1 - apart() / 2;
	}
	return count > 0;
}

static void pieces(struct snapshot_bytes *b)
{
	const size_t begin = offsetof(struct model, count), end = offsetof(struct model, verdict);

	weft__memory_snapshot(b);
	weft__views_snapshot(b);
	weft__snapshot_piece(b, (unsigned char *)&M + begin, end - begin);
	weft__threads_snapshot(b);
	weft__shadow_snapshot(b);
	weft__history_snapshot(b);
}

void weft__snapshot_take(void)
{
	struct snapshot *s = &snapshots[count];
	struct snapshot_bytes b;

	if (M.live)
		return;
	if (!s->bytes)
		s->bytes = weft__model_map(SIZE_MOST);
	b = (struct snapshot_bytes){ s->bytes, s->bytes + SIZE_MOST, false };
	pieces(&b);
	if (b.at > b.end)
		return;
	s->place = M.place;
	count++;
}

void weft__snapshot_restore(void)
{
	const struct snapshot *s = &snapshots[count - 1];
	struct snapshot_bytes b = { s->bytes, s->bytes + SIZE_MOST, true };

	pieces(&b);
}
