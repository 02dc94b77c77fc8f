/* SPDX-License-Identifier: MIT */
/*
 * `weft doctor`: what this machine offers to a concurrent program, and what Weft
 * makes of it. Everything is tried or read now; nothing is guessed from versions.
 */
#include "doctor.h"

#include "buf.h"
#include "cmd.h"
#include "escape.h"
#include "out.h"
#include "report.h"
#include "style.h"

#include <weft/base.h>

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct fact *fact_add(struct facts *f, const char *key, const char *label, enum fact_state state)
{
	/* The facts are written down in this program: too many is a slip in it, and
	 * the last then gives way. */
	struct fact *fact = &f->at[f->count < FACTS_MAX ? f->count++ : FACTS_MAX - 1];

	*fact = (struct fact){ .key = key, .label = label, .state = state };
	return fact;
}

void fact_value(struct fact *fact, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(fact->value, sizeof(fact->value), format, args);
	va_end(args);
}

void fact_use(struct fact *fact, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(fact->use, sizeof(fact->use), format, args);
	va_end(args);
}

void fact_number(struct fact *fact, uint64_t number)
{
	fact->has_number = true;
	fact->number = number;
}

bool read_line(const char *path, char *line, size_t size)
{
	FILE *f = fopen(path, "re");

	if (!f)
		return false;
	bool got = fgets(line, (int)size, f) != NULL;
	fclose(f);
	if (got)
		line[strcspn(line, "\n")] = '\0';
	return got;
}

bool read_field(const char *path, const char *key, char *value, size_t size)
{
	FILE *f = fopen(path, "re");
	char line[4096];
	bool got = false;

	if (!f)
		return false;
	while (!got && fgets(line, sizeof(line), f)) {
		char *colon = strchr(line, ':');

		if (!colon || strncmp(line, key, strlen(key)) != 0)
			continue;
		colon++;
		colon += strspn(colon, " \t");
		snprintf(value, size, "%.*s", (int)strcspn(colon, "\n"), colon);
		got = true;
	}
	fclose(f);
	return got;
}

static void put_text(struct buf *b, const struct facts *f)
{
	struct style s = style_for(STDOUT_FILENO);

	for (size_t i = 0; i < f->count; i++) {
		const struct fact *fact = &f->at[i];
		const char *colour = fact->state == FACT_GOOD      ? s.good
				     : fact->state == FACT_BAD     ? s.bad
				     : fact->state == FACT_MISSING ? s.bold
								   : "";

		buf_printf(b, "%s%-13s%s %s%s%s\n", s.bold, fact->label, s.off, colour,
			   fact->value, *colour ? s.off : "");
		if (*fact->use)
			buf_printf(b, "%-13s %s%s%s\n", "", s.dim, fact->use, s.off);
	}
}

static void put_json(struct buf *b, const struct facts *f)
{
	static const char *const states[] = { "plain", "good", "missing", "bad" };

	buf_char(b, '{');
	for (size_t i = 0; i < f->count; i++) {
		const struct fact *fact = &f->at[i];

		buf_str(b, i ? ",\n " : "\n ");
		json_string(b, fact->key);
		buf_str(b, ": {\"value\": ");
		if (fact->has_number)
			buf_printf(b, "%llu", (unsigned long long)fact->number);
		else
			json_string(b, fact->value);
		buf_printf(b, ", \"state\": \"%s\"", states[fact->state]);
		if (*fact->use) {
			buf_str(b, ", \"use\": ");
			json_string(b, fact->use);
		}
		buf_char(b, '}');
	}
	buf_str(b, "\n}\n");
}

static int examine(bool json)
{
	struct facts facts = { .count = 0 };
	struct buf text = { 0 };
	struct out out;
	struct progress none = { .fd = -1 };
	struct report report = { .who = "weft doctor", .out = &out, .progress = &none };

	doctor_machine(&facts);
	doctor_kernel(&facts);
	doctor_limits(&facts);

	out_init(&out, STDOUT_FILENO);
	if (json)
		put_json(&text, &facts);
	else
		put_text(&text, &facts);
	int err = out_line(&out, &text);
	if (err == 0)
		err = out_flush(&out);
	int code = err ? report_output_failure(&report, err) : EXIT_DONE;
	for (size_t i = 0; i < facts.count; i++) {
		if (facts.at[i].state == FACT_BAD && code == EXIT_DONE)
			code = EXIT_IN_PART;
	}
	buf_free(&text);
	out_fini(&out);
	return code;
}

enum { OPT_JSON = 256 };

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "help", no_argument, NULL, 'h' },
		{ "json", no_argument, NULL, OPT_JSON },
		{ NULL, 0, NULL, 0 },
	};
	static const char shorts[] = ":h";
	bool json = false;
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, shorts, options, NULL)) != -1) {
		switch (c) {
		case 'h': return command_show_help(&command_doctor);
		case OPT_JSON: json = true; break;
		default: return usage_option(&command_doctor, c, argv, shorts);
		}
	}
	if (optind < argc)
		return usage_error("doctor", "it takes no argument, and got \"%s\"", argv[optind]);
	return examine(json);
}

const struct command command_doctor = {
	.name = "doctor",
	.arguments = "[--json]",
	.summary = "Shows what this machine offers, and what Weft therefore uses",
	.help = "      --json  one JSON object; for each fact value, state (plain, good, missing\n"
		"              or bad) and use\n"
		"  -h, --help  this text\n"
		"\n"
		"Exit code 1 when something is missing without which Weft cannot work.\n",
	.run = run,
};
