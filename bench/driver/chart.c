/* SPDX-License-Identifier: MIT */
/* One bar chart per bench, as SVG.
 *
 * Each case is a group whose bars share one scale, since a lock and a channel
 * of capacity 0 have no scale in common. A bar that is more than ten times the
 * shortest of its group would leave nothing of the others: it is cut, marked by
 * a gap, and its figure tells. The thin line over a bar is the spread of its runs.
 */
#include "driver.h"

#include <math.h>
#include <string.h>

enum {
	BARS_MAX = 400,
	LEFT = 170,  /* of the bars: room for names */
	WIDE = 480,  /* of the longest bar */
	RIGHT = 170, /* for figures */
	BAR = 15,
	STEP = 20,
	HEAD = 34,
	TOP = 52,
};

#define CUT 10.0

struct bar {
	const char *bench;
	char group[TEXT_MAX], name[64], unit[16];
	enum subject_kind kind;
	struct summary sum;
};

static struct bar bars[BARS_MAX];
static int bars_n;

void chart_add(const struct series *all, int n)
{
	for (int i = 0; i < n && bars_n < BARS_MAX; i++) {
		const struct series *s = &all[i];
		struct bar *b = &bars[bars_n];

		if (!s->runs)
			continue;
		b->bench = s->c->bench;
		b->kind = s->s->kind;
		b->sum = series_summary(s);
		snprintf(b->group, sizeof(b->group), "%s, %d worker%s", s->name, s->workers,
			 s->workers == 1 ? "" : "s");
		snprintf(b->unit, sizeof(b->unit), "%s", s->unit);
		report_name(s, b->name, sizeof(b->name));
		bars_n++;
	}
}

static bool same_group(const struct bar *a, const struct bar *b)
{
	return strcmp(a->bench, b->bench) == 0 && strcmp(a->group, b->group) == 0;
}

/* What the full width stands for in the group of `of`. */
static double group_scale(const struct bar *of)
{
	double least = INFINITY, most = 0.0;

	for (int i = 0; i < bars_n; i++)
		if (same_group(&bars[i], of)) {
			least = fmin(least, bars[i].sum.median);
			most = fmax(most, bars[i].sum.max);
		}
	return fmin(most, least * CUT);
}

/* The same for the weft bar of the group, NAN if there is none. */
static double group_weft(const struct bar *of)
{
	for (int i = 0; i < bars_n; i++)
		if (same_group(&bars[i], of) && bars[i].kind == SUBJECT_WEFT)
			return bars[i].sum.median;
	return NAN;
}

static void draw_bar(FILE *f, const struct bar *b, double y)
{
	static const char *const colours[] = { "#0b7a75", "#9aa5b1", "#5b7fc7" };
	double scale = group_scale(b), weft = group_weft(b);
	double length = fmin(b->sum.median / scale, 1.0) * WIDE, mid = y + BAR / 2.0;
	double from = fmin(b->sum.min / scale, 1.0) * WIDE;
	double to = fmin(b->sum.max / scale, 1.0) * WIDE;
	double v = b->sum.median;

	fprintf(f, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n", LEFT - 8, mid + 4,
		b->name);
	fprintf(f, "<rect x=\"%d\" y=\"%.1f\" width=\"%.1f\" height=\"%d\" fill=\"%s\"/>\n", LEFT,
		y, fmax(length, 1.0), BAR, colours[b->kind]);
	if (v > scale * 1.0001)
		fprintf(f,
			"<path d=\"M%.1f %.1fl6 -%dl5 0l-6 %dz\" fill=\"#fff\" "
			"stroke=\"#fff\"/>\n",
			LEFT + WIDE * 0.94, y + BAR + 1, BAR + 2, BAR + 2);
	else
		fprintf(f, "<path d=\"M%.1f %.1fH%.1f\" stroke=\"#222\" stroke-width=\"1.5\"/>\n",
			LEFT + from, mid, LEFT + to);
	fprintf(f, "<text x=\"%.1f\" y=\"%.1f\">%.*f", LEFT + fmax(length, to) + 8, mid + 4,
		v < 1.0    ? 3
		: v < 10.0 ? 2
		: v < 100. ? 1
			   : 0,
		v);
	if (b->kind != SUBJECT_WEFT && !isnan(weft))
		fprintf(f, " <tspan fill=\"#666\">(%.*f x weft)</tspan>", v / weft < 10 ? 2 : 0,
			v / weft);
	fputs("</text>\n", f);
}

static double draw_group(FILE *f, const struct bar *first, double y)
{
	fprintf(f, "<text x=\"%d\" y=\"%.1f\" font-weight=\"bold\">%s, %s</text>\n", LEFT, y + 22,
		first->group, first->unit);
	y += HEAD;
	for (int i = 0; i < bars_n; i++)
		if (same_group(&bars[i], first)) {
			draw_bar(f, &bars[i], y);
			y += STEP;
		}
	return y;
}

/* Whether bars[i] opens its group. */
static bool opens_group(int i)
{
	for (int k = 0; k < i; k++)
		if (same_group(&bars[k], &bars[i]))
			return false;
	return true;
}

static void draw(FILE *f, const struct bench *bench)
{
	int height = TOP + 16, width = LEFT + WIDE + RIGHT;
	double y = TOP;

	for (int i = 0; i < bars_n; i++)
		if (strcmp(bars[i].bench, bench->name) == 0)
			height += STEP + (opens_group(i) ? HEAD : 0);
	fprintf(f,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
		"viewBox=\"0 0 %d %d\" font-family=\"sans-serif\" font-size=\"12\" "
		"fill=\"#222\">\n<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n",
		width, height, width, height);
	fprintf(f,
		"<text x=\"16\" y=\"26\" font-size=\"16\" font-weight=\"bold\">%s</text>\n"
		"<text x=\"16\" y=\"44\" fill=\"#666\">%s; %s is better; medians, the line "
		"is the spread</text>\n",
		bench->name, bench->title, strstr(bench->unit, "/s") ? "longer" : "shorter");
	for (int i = 0; i < bars_n; i++)
		if (strcmp(bars[i].bench, bench->name) == 0 && opens_group(i))
			y = draw_group(f, &bars[i], y);
	fputs("</svg>\n", f);
}

bool chart_write(const struct places *at)
{
	bool good = true;

	for (const struct bench *b = plan_benches; b->name; b++) {
		char path[FILE_MAX];
		bool any = false;

		for (int i = 0; i < bars_n; i++)
			any |= strcmp(bars[i].bench, b->name) == 0;
		if (!any)
			continue;
		snprintf(path, sizeof(path), "%s/%s.svg", at->out, b->name);
		FILE *f = fopen(path, "w");

		if (f)
			draw(f, b);
		good &= f && fclose(f) == 0;
	}
	return good;
}
