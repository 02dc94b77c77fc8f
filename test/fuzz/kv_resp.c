/* SPDX-License-Identifier: MIT */
/*
 * For libFuzzer: the parser of `weft kv`, over whatever bytes.
 *
 * The first bytes say in which pieces the rest arrives. It is parsed once whole and once
 * in these pieces, from memory that ends exactly behind what has arrived and is another
 * block each time: both must see the same requests, and come to the same end.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../apps/weft/kv/resp.h"

enum { MOST = 4096 };

/* Requests, their arguments, and how it ended. */
struct story {
	struct buf text;
	int end; /* the parser's last answer */
};

static void require(bool fine, const char *what)
{
	if (fine)
		return;
	fprintf(stderr, "%s\n", what);
	abort();
}

static void tell(struct story *s, const struct kv_parser *p, const char *block, size_t used)
{
	int64_t n;
	double d;

	buf_printf(&s->text, "[%d]", p->argc);
	for (int i = 0; i < p->argc; i++) {
		const struct kv_bytes *a = &p->argv[i];

		require(a->at >= block && a->at + a->len <= block + used, "an argument outside");
		buf_printf(&s->text, "(%zu)", a->len);
		buf_bytes(&s->text, a->at, a->len);
		if (kv_int(*a, &n)) {
			char again[24];

			snprintf(again, sizeof(again), "%lld", (long long)n);
			require(strlen(again) == a->len && !memcmp(again, a->at, a->len),
				"an integer that is written differently");
		}
		(void)kv_double(*a, &d);
	}
}

/* Whoever unescapes in place has changed the bytes, so each story has its own. */
static struct story parse_all(const uint8_t *bytes, size_t len, const uint8_t *pieces,
			      size_t count)
{
	struct kv_parser p = { .most = MOST, .total = MOST };
	size_t at = 0, have = count ? 0 : len, turn = 0;
	struct story s = { .end = 0 };

	for (;;) {
		char *block = malloc(have - at ? have - at : 1);
		size_t used = 0;

		memcpy(block, bytes + at, have - at);
		s.end = kv_parse(&p, block, have - at, &used);
		if (s.end == 1) {
			require(used > 0 && used <= have - at, "a request of no bytes");
			tell(&s, &p, block, used);
			at += used;
		}
		free(block);
		if (s.end < 0 || (s.end == 0 && have == len))
			break;
		if (s.end == 0) {
			size_t more = 1 + pieces[turn++ % count];

			have = more < len - have ? have + more : len;
		}
	}
	buf_printf(&s.text, "end %d %s", s.end, s.end < 0 ? p.error : "");
	kv_parser_fini(&p);
	return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct story whole, pieces;

	if (size < 4)
		return 0;
	whole = parse_all(data + 4, size - 4, NULL, 0);
	pieces = parse_all(data + 4, size - 4, data, 4);
	require(whole.text.len == pieces.text.len &&
			!memcmp(whole.text.at, pieces.text.at, whole.text.len),
		"whole and in pieces are not the same");
	buf_free(&whole.text);
	buf_free(&pieces.text);
	return 0;
}
