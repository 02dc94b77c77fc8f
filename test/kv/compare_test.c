/* SPDX-License-Identifier: MIT */
/*
 * weft kv beside redis-server: each line of commands.txt goes to both, in RESP2 and in
 * RESP3, and the replies must be equal, byte for byte; what differs is printed. See
 * commands.txt for how a line says that an order is not defined, or that a difference
 * is known: a known one that is no longer there is an error too.
 */
/* CTest: on each reactor. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "../../apps/weft/kv/resp.h"
#include "rig.h"

enum how { EXACT, ANY_ORDER, ANY_ORDER_OF_PAIRS, NEAR, SAME_KIND, DIFFERS };

struct line {
	enum how how;
	int protocol; /* it is for; 0: both */
	char *command;
	int number;
};

static const struct {
	const char *mark;
	enum how how;
} marks[] = {
	{ "order", ANY_ORDER }, { "pairs", ANY_ORDER_OF_PAIRS }, { "near", NEAR },
	{ "kind", SAME_KIND },  { "differs", DIFFERS },
};

/* ---- replies ---------------------------------------------------------------------------- */

static int by_bytes(const void *a, const void *b)
{
	const struct buf *x = a, *y = b;
	int c = memcmp(x->at, y->at, x->len < y->len ? x->len : y->len);

	return c ? c : (x->len > y->len) - (x->len < y->len);
}

/* The reply at *at with the items of its arrays, or pairs of them, sorted. */
static struct buf sorted(const char *bytes, size_t *at, size_t len, size_t group)
{
	const char *end_of_line = memchr(bytes + *at, '\n', len - *at);
	size_t end = reply_end(bytes, *at, len), header = (size_t)(end_of_line - bytes) + 1, n = 0;
	struct buf out = { 0 }, *groups;

	if (!strchr("*~>%", bytes[*at]) || header == end) {
		buf_bytes(&out, bytes + *at, end - *at);
		*at = end;
		return out;
	}
	group = bytes[*at] == '%' ? 2 : bytes[*at] == '~' ? 1 : group;
	buf_bytes(&out, bytes + *at, header - *at);
	groups = calloc(end - header, sizeof(*groups));
	CHECK(groups != NULL);
	for (*at = header; *at < end; n++) {
		for (size_t i = 0; i < group && *at < end; i++) {
			struct buf item = sorted(bytes, at, len, group);

			buf_bytes(&groups[n], item.at, item.len);
			buf_free(&item);
		}
	}
	qsort(groups, n, sizeof(*groups), by_bytes);
	for (size_t i = 0; i < n; i++) {
		buf_bytes(&out, groups[i].at, groups[i].len);
		buf_free(&groups[i]);
	}
	free(groups);
	return out;
}

static bool equal(enum how how, const char *a, size_t a_len, const char *b, size_t b_len)
{
	size_t group = how == ANY_ORDER_OF_PAIRS ? 2 : 1, at = 0;
	bool same;

	if (how == SAME_KIND)
		return a[0] == b[0] && (a[0] != '-' || strcmp(a, b) == 0);
	if (how == NEAR) {
		long long x = atoll(a + 1), y = atoll(b + 1), most = llabs(x) + llabs(y);

		return a[0] == ':' && b[0] == ':' && (x > 0) == (y > 0) &&
		       llabs(x - y) <= 5 + most / 20;
	}
	if (how == ANY_ORDER || how == ANY_ORDER_OF_PAIRS) {
		struct buf x = sorted(a, &at, a_len, group), y;

		at = 0;
		y = sorted(b, &at, b_len, group);
		same = x.len == y.len && memcmp(x.at, y.at, x.len) == 0;
		buf_free(&x);
		buf_free(&y);
		return same;
	}
	return a_len == b_len && memcmp(a, b, a_len) == 0;
}

static void print_escaped(const char *who, const char *bytes, size_t len)
{
	printf("  %s", who);
	for (size_t i = 0; i < len && i < 600; i++) {
		unsigned char c = (unsigned char)bytes[i];

		if (c == '\r')
			continue;
		if (c == '\n')
			printf(" | ");
		else if (c < ' ' || c > '~')
			printf("\\x%02x", c);
		else
			putchar(c);
	}
	printf("%s\n", len > 600 ? "..." : "");
}

/* ---- the script -------------------------------------------------------------------------- */

/* Splits a line of the script; false if there is no command in it. */
static bool read_line(char *text, struct line *line)
{
	size_t len = strcspn(text, "\n");

	text[len] = '\0';
	*line = (struct line){ .command = text, .number = line->number + 1 };
	if (text[0] == '#' || len == 0)
		return false;
	while (line->command[0] == '@') {
		char *word = line->command + 1;
		size_t n = strcspn(word, " ");

		line->command = word + n + (word[n] != '\0');
		word[n] = '\0';
		if (strncmp(word, "resp", 4) == 0)
			line->protocol = word[4] - '0';
		for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
			if (strcmp(marks[i].mark, word) == 0)
				line->how = marks[i].how;
		}
	}
	CHECK(line->command[0] != '\0');
	return true;
}

/* The command in the form that every client sends. */
static struct buf request(const char *command)
{
	struct kv_parser p = { .most = 1 << 20, .total = 1 << 20 };
	struct buf line = { 0 }, out = { 0 };
	size_t used;

	buf_str(&line, command);
	buf_char(&line, '\n');
	if (kv_parse(&p, line.at, line.len, &used) != 1)
		FAIL("the script has a line that is no command: %s", command);
	buf_printf(&out, "*%d\r\n", p.argc);
	for (int i = 0; i < p.argc; i++) {
		buf_printf(&out, "$%zu\r\n", p.argv[i].len);
		buf_bytes(&out, p.argv[i].at, p.argv[i].len);
		buf_str(&out, "\r\n");
	}
	kv_parser_fini(&p);
	buf_free(&line);
	return out;
}

static int compare_line(const struct line *line, struct client *ours, struct client *theirs)
{
	struct buf bytes = request(line->command), mine = { 0 };
	size_t len;
	const char *reply;
	bool same;

	client_send(ours, bytes.at, bytes.len);
	client_send(theirs, bytes.at, bytes.len);
	reply = hear(ours, &len);
	buf_bytes(&mine, reply, len);
	buf_char(&mine, '\0');
	reply = hear(theirs, &len);
	same = equal(line->how == DIFFERS ? EXACT : line->how, mine.at, mine.len - 1, reply, len);
	if (same != (line->how != DIFFERS)) {
		printf("line %d: %s\n", line->number, line->command);
		print_escaped("weft kv: ", mine.at, mine.len - 1);
		print_escaped("redis:   ", reply, len);
		if (same)
			printf("  that difference is no more; remove its mark\n");
	}
	buf_free(&bytes);
	buf_free(&mine);
	return same != (line->how != DIFFERS);
}

static bool servers_start(struct server *ours, struct server *theirs)
{
	if (!redis_start(theirs))
		return false;
	SERVER_START(ours, "--workers", "2");
	return true;
}

static void compare(int protocol, struct server *ours, struct server *theirs)
{
	FILE *script = fopen(WEFT_SOURCE_DIR "/test/kv/commands.txt", "r");
	int compared = 0, known = 0, different = 0;
	struct client us, them;
	struct line line = { 0 };
	char *text = NULL;
	size_t room = 0;

	CHECK_NOT_NULL(script);
	client_open(&us, ours);
	client_open(&them, theirs);
	if (protocol == 3) {
		say(&us, "HELLO 3");
		say(&them, "HELLO 3");
		CHECK_EQ(hear(&us, NULL)[0], '%');
		CHECK_EQ(hear(&them, NULL)[0], '%');
	}
	while (getline(&text, &room, script) > 0) {
		if (!read_line(text, &line) || (line.protocol && line.protocol != protocol))
			continue;
		compared++;
		known += line.how == DIFFERS;
		different += compare_line(&line, &us, &them);
	}
	printf("RESP%d: %d commands compared, %d known differences, %d new ones\n", protocol,
	       compared, known, different);
	free(text);
	fclose(script);
	client_close(&us);
	client_close(&them);
	server_stop(ours);
	server_stop(theirs);
	CHECK_EQ(different, 0);
	CHECK_GE(compared - known, 300);
}

TEST(replies_equal_those_of_redis_in_resp2)
{
	struct server ours, theirs;

	if (!servers_start(&ours, &theirs))
		SKIP("redis-server is not installed");
	compare(2, &ours, &theirs);
}

TEST(replies_equal_those_of_redis_in_resp3)
{
	struct server ours, theirs;

	if (!servers_start(&ours, &theirs))
		SKIP("redis-server is not installed");
	compare(3, &ours, &theirs);
}

/* ---- bytes -------------------------------------------------------------------------------- */

#define BYTES(text)                     \
	{                               \
		text, sizeof(text) - 1, \
	}

/* What is sent raw, and then the writing side is closed: all that comes back must be equal. */
static const struct kv_bytes raw[] = {
	BYTES("PING\r\n"),
	BYTES("PING\n"),
	BYTES("\r\n\r\nPING\r\n"),
	BYTES("  PING  \r\n"),
	BYTES("ECHO \"a\\x41\\n\"\r\n"),
	BYTES("ECHO 'a\\'b\\n'\r\n"),
	BYTES("ECHO \"unbalanced\r\nPING\r\n"),
	BYTES("ECHO 'a'b\r\nPING\r\n"),
	BYTES("*1\r\n$4\r\nPING\r\n*1\r\n$4\r\nPING\r\n"),
	BYTES("*0\r\n*1\r\n$4\r\nPING\r\n"),
	BYTES("*-1\r\n*1\r\n$4\r\nPING\r\n"),
	BYTES("*x\r\n*1\r\n$4\r\nPING\r\n"),
	BYTES("*2147483648\r\nPING\r\n"),
	BYTES("*1\r\nPING\r\n"),
	BYTES("*1\r\n$x\r\nPING\r\n"),
	BYTES("*1\r\n$-1\r\nPING\r\n"),
	BYTES("*1\r\n$536870913\r\nPING\r\n"),
	BYTES("*2\r\n$4\r\nECHO\r\n$3\r\na\0b\r\n"),
	BYTES("*2\r\n$4\r\nECHO\r\n$0\r\n\r\n"),
	BYTES("PING\r\n*1\r\n$4\r\nPING\r\nPING\r\n"),
	BYTES("*1\r\n$0\r\n\r\nPING\r\n"),
	BYTES("*2\r\n$3\r\na\rb\r\n$3\r\nc\nd\r\nPING\r\n"),
	BYTES("*1\r\n$4\r\nPI"),
	BYTES("PING\r\nQUIT\r\nPING\r\n"),
	BYTES("QUIT now\r\n"),
	BYTES("SUBSCRIBE a b a\r\nPSUBSCRIBE a*\r\nGET x\r\nPING\r\nPING x\r\nUNSUBSCRIBE b\r\n"
	      "UNSUBSCRIBE c\r\nUNSUBSCRIBE\r\nPUNSUBSCRIBE\r\nUNSUBSCRIBE\r\nPING\r\n"),
	BYTES("SUBSCRIBE a\r\nRESET\r\nPING\r\n"),
	BYTES("SUBSCRIBE a\r\nQUIT\r\n"),
	BYTES("HELLO 3\r\nSUBSCRIBE a\r\nPUBLISH a x\r\nPING\r\nUNSUBSCRIBE\r\nPING\r\n"),
	BYTES("MULTI\r\nSUBSCRIBE a\r\nEXEC\r\n"),
	BYTES("RESET\r\nMULTI\r\nSET a b\r\nRESET\r\nEXEC\r\n"),
};

static struct buf answer(const struct server *s, struct kv_bytes bytes)
{
	struct client c;
	struct buf all;

	client_open(&c, s);
	client_send(&c, bytes.at, bytes.len);
	shutdown(c.fd, SHUT_WR);
	all = hear_all(&c);
	client_close(&c);
	return all;
}

/* The identity of the client in HELLO's reply is its own. */
static void blank_id(struct buf *b)
{
	char *id = b->at ? memmem(b->at, b->len, "$2\r\nid\r\n:", 9) : NULL;

	if (id) {
		char *from = memchr(id + 9, '\r', b->len - (size_t)(id + 9 - b->at));

		memmove(id + 9, from, (size_t)(b->at + b->len - from));
		b->len -= (size_t)(from - id - 9);
	}
}

TEST(bytes_are_answered_as_by_redis)
{
	struct server ours, theirs;
	int different = 0;

	if (!servers_start(&ours, &theirs))
		SKIP("redis-server is not installed");
	for (size_t i = 0; i < sizeof(raw) / sizeof(raw[0]); i++) {
		struct buf mine = answer(&ours, raw[i]), redis = answer(&theirs, raw[i]);

		blank_id(&mine);
		blank_id(&redis);
		if (mine.len != redis.len || (mine.len && memcmp(mine.at, redis.at, mine.len))) {
			print_escaped("sent:    ", raw[i].at, raw[i].len);
			print_escaped("weft kv: ", mine.at, mine.len);
			print_escaped("redis:   ", redis.at, redis.len);
			different++;
		}
		buf_free(&mine);
		buf_free(&redis);
	}
	server_stop(&ours);
	server_stop(&theirs);
	CHECK_EQ(different, 0);
}
