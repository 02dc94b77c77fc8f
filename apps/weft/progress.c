/* SPDX-License-Identifier: MIT */
/*
 * The progress line; see progress.h.
 *
 * What is left is known once the producer has named all files: the rest of those
 * begun, and for the others the mean size of those. Until then there are counts
 * and a rate, and no guess.
 */
#include "progress.h"

#include <weft/base.h>

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define FIRST_MS 300 /* what takes less needs no line */
#define EVERY_MS 100
#define RATE_MS 1000 /* the rate is a mean over about this long */
#define BAR_MAX 30

void buf_size(struct buf *b, double bytes)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB" };
	size_t i = 0;

	while (bytes >= 999.5 && i + 1 < sizeof(units) / sizeof(units[0])) {
		bytes /= 1024;
		i++;
	}
	buf_printf(b, "%.*f %s", i == 0 || bytes >= 99.95 ? 0 : 1, bytes, units[i]);
}

static void put_span(struct buf *b, double seconds)
{
	uint64_t s = seconds > 359999 ? 359999 : (uint64_t)(seconds + 0.5);

	if (s >= 3600)
		buf_printf(b, "%u:%02u:%02u", (unsigned)(s / 3600), (unsigned)(s / 60 % 60),
			   (unsigned)(s % 60));
	else
		buf_printf(b, "%u:%02u", (unsigned)(s / 60), (unsigned)(s % 60));
}

/* Bytes in all, as far as one can tell. */
static double expected_bytes(const struct progress_state *s)
{
	double bytes = (double)(s->bytes_known > s->bytes ? s->bytes_known : s->bytes);

	if (s->files > 0 && s->total > s->files)
		bytes += bytes / (double)s->files * (double)(s->total - s->files);
	return bytes;
}

static void put_bar(struct buf *b, double part, int width)
{
	int full = (int)(part * width);

	buf_char(b, '[');
	for (int i = 0; i < width; i++)
		buf_char(b, i < full ? '#' : i == full ? '>' : '.');
	buf_printf(b, "] %3d%%", (int)(part * 100));
}

void progress_line(struct buf *b, const struct progress_state *s, int columns)
{
	struct buf text = { 0 };
	double all = s->total_known ? expected_bytes(s) : 0;

	buf_printf(&text, "%llu", (unsigned long long)s->files);
	if (s->total_known)
		buf_printf(&text, "/%llu", (unsigned long long)s->total);
	buf_str(&text, s->total_known ? " files, " : " files so far, ");
	buf_size(&text, (double)s->bytes);
	if (s->rate > 0) {
		buf_str(&text, ", ");
		buf_size(&text, s->rate);
		buf_str(&text, "/s");
	}
	if (s->total_known && s->rate > 0) {
		buf_str(&text, ", ");
		put_span(&text, (all - (double)s->bytes) / s->rate);
		buf_str(&text, " left");
	} else {
		buf_str(&text, ", ");
		put_span(&text, (double)s->elapsed / 1e9);
	}

	int room = columns - (int)text.len - 9;
	if (s->total_known && room >= 5) {
		double part = all > 0 ? (double)s->bytes / all : 0;

		put_bar(b, part > 1 ? 1 : part, room < BAR_MAX ? room : BAR_MAX);
		buf_str(b, "  ");
	}
	size_t len = text.len < (size_t)columns ? text.len : (size_t)columns;
	if (buf_ok(&text))
		buf_bytes(b, text.at, len);
	buf_free(&text);
}

void progress_begin(struct progress *p, int fd)
{
	int64_t now = weft_now();
	const char *term = getenv("TERM");
	bool dumb = term && strcmp(term, "dumb") == 0;

	*p = (struct progress){ .fd = isatty(fd) && !dumb ? fd : -1,
				.begun = now,
				.due = now + FIRST_MS * WEFT_MS,
				.rate_at = now };
}

static void put(struct progress *p)
{
	ssize_t n = write(p->fd, p->line.at, p->line.len);

	(void)n; /* a terminal that has gone needs no line */
}

void progress_hide(struct progress *p)
{
	if (!p->drawn)
		return;
	buf_clear(&p->line);
	buf_str(&p->line, "\r\033[K");
	if (buf_ok(&p->line))
		put(p);
	p->drawn = false;
}

void progress_end(struct progress *p)
{
	progress_hide(p);
	buf_free(&p->line);
	p->fd = -1;
}

bool progress_wants(const struct progress *p, int64_t now)
{
	return p->fd >= 0 && now >= p->due;
}

int64_t progress_due(const struct progress *p)
{
	return p->fd >= 0 ? p->due : WEFT_NEVER;
}

static int terminal_columns(int fd)
{
	struct winsize size;

	if (ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col < 20)
		return 80;
	return size.ws_col;
}

void progress_draw(struct progress *p, struct progress_state *state)
{
	int64_t now = weft_now(), span = now - p->rate_at;

	if (span >= RATE_MS * WEFT_MS || p->rate <= 0) {
		p->rate = span > 0 ? (double)(state->bytes - p->rate_bytes) * 1e9 / (double)span
				   : 0;
		p->rate_at = now;
		p->rate_bytes = state->bytes;
	}
	state->rate = p->rate;
	state->elapsed = now - p->begun;

	buf_clear(&p->line);
	buf_char(&p->line, '\r');
	/* One column stays free: a full line would wrap on some terminals. */
	progress_line(&p->line, state, terminal_columns(p->fd) - 1);
	buf_str(&p->line, "\033[K");
	if (buf_ok(&p->line))
		put(p);
	p->drawn = true;
	p->due = now + EVERY_MS * WEFT_MS;
}
