/* SPDX-License-Identifier: MIT */
/*
 * `weft sum PATH...`: the walk goes in at one end of the pipeline, lines as
 * sha256sum prints them come out at the other.
 */
#include "sum.h"

#include "escape.h"
#include "path.h"
#include "walk.h"

#include <errno.h>

#define WALK_BUDGET ((size_t)8 << 20)

static int emit(struct flow *flow, const struct walk_entry *entry, bool *stdin_named)
{
	enum flow_kind kind = FLOW_FILE;

	switch (entry->kind) {
	case WALK_FILE: break;
	case WALK_NAMED: kind = FLOW_NAMED; break;
	case WALK_STDIN:
		/* The first to read it reads it to its end. */
		kind = *stdin_named ? FLOW_EMPTY : FLOW_STDIN;
		*stdin_named = true;
		break;
	case WALK_ERROR: kind = FLOW_NOTE; break;
	}
	return flow_emit(flow, kind, entry->trouble, entry->path, NULL, 0);
}

static int produce(struct flow *flow, void *context)
{
	struct sum *s = *(struct sum **)context;
	bool stdin_named = false;
	struct walk_entry entry;
	struct walk *walk;

	int err = walk_new(&walk, s->paths, s->path_count, WALK_BUDGET);
	if (err)
		return err;
	while ((err = walk_next(walk, &entry)) > 0) {
		err = emit(flow, &entry, &stdin_named);
		if (err)
			break;
	}
	walk_free(walk);
	return err;
}

static void put_line(struct sum *s, const struct flow_item *item)
{
	bool escape = list_needs_escape(item->path);

	if (escape)
		buf_char(&s->line, '\\');
	buf_hex(&s->line, item->digest, HASH_SIZE);
	buf_str(&s->line, "  ");
	if (escape)
		list_escape(&s->line, item->path);
	else
		buf_str(&s->line, item->path);
	buf_char(&s->line, '\n');
}

static void put_json(struct sum *s, const struct flow_item *item)
{
	buf_char(&s->line, '{');
	sum_json_path(s, item->path);
	if (item->trouble) {
		buf_str(&s->line, ",\"error\":");
		json_string(&s->line, trouble_text(item->trouble));
	} else {
		buf_printf(&s->line, ",\"size\":%llu,\"sha256\":\"",
			   (unsigned long long)item->bytes);
		buf_hex(&s->line, item->digest, HASH_SIZE);
		buf_char(&s->line, '"');
	}
	buf_str(&s->line, "}\n");
}

static int consume(const struct flow_item *item, void *context)
{
	struct sum *s = *(struct sum **)context;

	if (item->trouble) {
		report_file(&s->report, item->path, trouble_text(item->trouble));
		s->failed = true;
	} else {
		s->files++;
		s->bytes += item->bytes;
	}
	buf_clear(&s->line);
	if (s->json)
		put_json(s, item);
	else if (!item->trouble)
		put_line(s, item);
	return out_line(&s->out, &s->line);
}

int sum_list(struct sum *s)
{
	static const char *const standard_input[] = { "-" };

	if (s->path_count == 0) {
		s->paths = standard_input;
		s->path_count = 1;
	}
	return sum_end(s, sum_flow(s, produce, consume, &s));
}
