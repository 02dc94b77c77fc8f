/* SPDX-License-Identifier: MIT */
/*
 * `weft sum -c LIST...`: verifies as `sha256sum -c` does, with its words and its
 * exit codes, but many files at a time.
 *
 * The producer reads the lists. Besides files it sends notes through the
 * pipeline: a malformed line, and the end of a list with its counts. As all come
 * out in the order in which they went in, the consumer prints each message where
 * a program that does one thing after the other would.
 */
#include "sum.h"

#include "check_line.h"
#include "escape.h"
#include "lines.h"
#include "path.h"
#include "stop.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum note { NOTE_FILE, NOTE_MALFORMED, NOTE_END };

/* What goes with each item. */
struct tag {
	enum note note;
	const char *list;
	uint64_t line;            /* MALFORMED: its number */
	uint64_t good, malformed; /* END: lines in the list */
	uint8_t expected[HASH_SIZE];
};

/* What the consumer counts for a list. */
struct counts {
	uint64_t unreadable, mismatched;
	bool matched;
};

struct check {
	struct sum *sum;
	struct counts counts; /* the consumer's */
	enum check_form form; /* the producer's, from here on */
	bool stdin_named;
};

struct source {
	const char *name; /* as messages have it */
	int fd;
	bool is_stdin;
};

/* --- the producer ------------------------------------------------------------- */

static int emit_file(struct check *c, struct flow *flow, const struct source *from,
		     const struct check_line *line)
{
	struct tag tag = { .note = NOTE_FILE, .list = from->name };
	enum flow_kind kind = FLOW_NAMED;
	int trouble = 0;

	memcpy(tag.expected, line->digest, HASH_SIZE);
	if (strcmp(line->name, "-") == 0) {
		kind = c->stdin_named ? FLOW_EMPTY : FLOW_STDIN;
		c->stdin_named = true;
		if (from->is_stdin)
			trouble = TROUBLE_STDIN_TAKEN;
	}
	return flow_emit(flow, kind, trouble, line->name, &tag, sizeof(tag));
}

static int emit_note(struct flow *flow, const struct tag *tag, int trouble)
{
	return flow_emit(flow, FLOW_NOTE, trouble, tag->list, tag, sizeof(*tag));
}

static int emit_lines(struct check *c, struct flow *flow, const struct source *from,
		      struct lines *lines)
{
	struct tag end = { .note = NOTE_END, .list = from->name };
	struct tag bad = { .note = NOTE_MALFORMED, .list = from->name };
	struct check_line parsed;
	char *line;
	size_t len;
	bool cut;
	int got, err = 0;

	while ((got = lines_next(lines, &line, &len, &cut)) > 0) {
		enum check_verdict verdict = cut ? CHECK_LINE_BAD
						 : check_line_parse(line, len, &c->form, &parsed);

		bad.line++;
		if (verdict == CHECK_LINE_GOOD) {
			end.good++;
			err = emit_file(c, flow, from, &parsed);
		} else if (verdict == CHECK_LINE_BAD) {
			end.malformed++;
			err = c->sum->warn ? emit_note(flow, &bad, 0) : 0;
		}
		if (err)
			return err;
	}
	if (got == -ENOMEM || got == -ECANCELED)
		return got;
	return emit_note(flow, &end, -got);
}

static int produce_list(struct check *c, struct flow *flow, const char *path)
{
	struct source from = { .name = path, .is_stdin = strcmp(path, "-") == 0 };
	struct lines lines;
	struct stat st;

	if (from.is_stdin) {
		from.name = "standard input";
		from.fd = STDIN_FILENO;
	} else {
		from.fd = path_open(path, O_RDONLY);
	}
	if (from.fd < 0) {
		struct tag end = { .note = NOTE_END, .list = from.name };

		return emit_note(flow, &end, -from.fd);
	}
	bool may_block = fstat(from.fd, &st) != 0 || !S_ISREG(st.st_mode);
	lines_init(&lines, from.fd, may_block);
	int err = emit_lines(c, flow, &from, &lines);
	lines_fini(&lines);
	if (!from.is_stdin)
		close(from.fd);
	return err;
}

static int produce(struct flow *flow, void *context)
{
	struct check *c = context;
	int err = 0;

	if (c->sum->path_count == 0)
		return produce_list(c, flow, "-");
	for (size_t i = 0; err == 0 && i < c->sum->path_count; i++)
		err = produce_list(c, flow, c->sum->paths[i]);
	return err;
}

/* --- the consumer -------------------------------------------------------------- */

static void put_verdict(struct sum *s, const char *name, const char *verdict)
{
	buf_clear(&s->line);
	if (strchr(name, '\n')) {
		buf_char(&s->line, '\\');
		list_escape(&s->line, name);
	} else {
		buf_str(&s->line, name);
	}
	buf_printf(&s->line, ": %s\n", verdict);
}

static void put_json(struct sum *s, const struct flow_item *item, bool match)
{
	buf_clear(&s->line);
	buf_char(&s->line, '{');
	sum_json_path(s, item->path);
	if (item->trouble) {
		buf_str(&s->line, ",\"error\":");
		json_string(&s->line, trouble_text(item->trouble));
	} else {
		buf_printf(&s->line, ",\"ok\":%s", match ? "true" : "false");
	}
	buf_str(&s->line, "}\n");
}

static int consume_file(struct check *c, const struct flow_item *item, const struct tag *tag)
{
	struct sum *s = c->sum;
	bool match = !item->trouble && memcmp(item->digest, tag->expected, HASH_SIZE) == 0;

	if (item->trouble == ENOENT && s->ignore_missing)
		return 0;
	if (item->trouble) {
		c->counts.unreadable++;
		s->failed = true;
		report_file(&s->report, item->path, trouble_text(item->trouble));
	} else {
		s->files++;
		s->bytes += item->bytes;
		c->counts.matched |= match;
		c->counts.mismatched += !match;
		s->failed |= !match;
	}
	if (s->status || (match && s->quiet))
		return 0;
	if (s->json)
		put_json(s, item, match);
	else
		put_verdict(s, item->path,
			    item->trouble ? "FAILED open or read"
			    : match       ? "OK"
					  : "FAILED");
	return out_line(&s->out, &s->line);
}

static void warn_count(struct report *r, uint64_t n, const char *one, const char *many)
{
	if (n > 0)
		report_line(r, "WARNING: %llu %s", (unsigned long long)n, n == 1 ? one : many);
}

static void consume_end(struct check *c, const struct tag *tag, int trouble)
{
	struct report *r = &c->sum->report;
	struct counts *n = &c->counts;

	if (trouble) {
		report_file(r, tag->list, trouble_text(trouble));
		c->sum->failed = true;
	} else if (tag->good == 0) {
		report_file(r, tag->list, "no properly formatted checksum lines found");
		c->sum->failed = true;
	} else {
		if (!c->sum->status) {
			warn_count(r, tag->malformed, "line is improperly formatted",
				   "lines are improperly formatted");
			warn_count(r, n->unreadable, "listed file could not be read",
				   "listed files could not be read");
			warn_count(r, n->mismatched, "computed checksum did NOT match",
				   "computed checksums did NOT match");
		}
		if (c->sum->ignore_missing && !n->matched) {
			if (!c->sum->status)
				report_file(r, tag->list, "no file was verified");
			c->sum->failed = true;
		}
		c->sum->failed |= c->sum->strict && tag->malformed > 0;
	}
	*n = (struct counts){ 0 };
}

static int consume(const struct flow_item *item, void *context)
{
	const struct tag *tag = (const struct tag *)item->extra;
	struct check *c = context;

	switch (tag->note) {
	case NOTE_FILE: return consume_file(c, item, tag);
	case NOTE_END: consume_end(c, tag, item->trouble); break;
	case NOTE_MALFORMED: {
		char text[64];

		snprintf(text, sizeof(text), "%llu: improperly formatted SHA256 checksum line",
			 (unsigned long long)tag->line);
		report_file(&c->sum->report, tag->list, text);
	}
	}
	return 0;
}

int sum_check(struct sum *s)
{
	struct check c = { .sum = s };

	return sum_end(s, sum_flow(s, produce, consume, &c));
}
