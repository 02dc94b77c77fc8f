/* SPDX-License-Identifier: MIT */
/*
 * The parser of weft kv: whole, byte by byte, in pieces of any size, from memory that
 * ends where the bytes end; what it refuses; numbers; replies in both protocols.
 */
#include "resp.h"

#include <check.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static uint64_t state = 1181783497276652981u;

static uint32_t dice(uint32_t sides)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 16) % sides;
}

/* A request, and its arguments with a '|' behind each. */
struct example {
	struct kv_bytes bytes;
	const char *args;
	size_t args_len;
};
#define EXAMPLE(bytes, args)                                          \
	{                                                             \
		{ bytes, sizeof(bytes) - 1 }, args, sizeof(args) - 1, \
	}

static const struct example examples[] = {
	EXAMPLE("*1\r\n$4\r\nPING\r\n", "PING|"),
	EXAMPLE("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\nv\r\n\0x\r\n", "SET|k|v\r\n\0x|"),
	EXAMPLE("*2\r\n$0\r\n\r\n$0\r\n\r\n", "||"),
	EXAMPLE("*2\r\n$12\r\n*1\r\n$4\r\nPING\r\n$2\r\n\r\n\r\n", "*1\r\n$4\r\nPING|\r\n|"),
	EXAMPLE("*0\r\n", ""),
	EXAMPLE("*-1\r\n", ""),
	EXAMPLE("PING\r\n", "PING|"),
	EXAMPLE("PING\n", "PING|"),
	EXAMPLE("\r\n", ""),
	EXAMPLE("   \n", ""),
	EXAMPLE("  SET\tkey   value \r\n", "SET|key|value|"),
	EXAMPLE("SET k \"a b\\n\\x41\\\"\\q\"\r\n", "SET|k|a b\nA\"q|"),
	EXAMPLE("SET k 'a b\\n\\'x'\r\n", "SET|k|a b\\n'x|"),
	EXAMPLE("SET k \"\" ''\r\n", "SET|k|||"),
	EXAMPLE("SET k \"\\r\\t\\b\\a\\\\\"\r\n", "SET|k|\r\t\b\a\\|"),
	EXAMPLE("SET k \"\\xzz\\x4\"\r\n", "SET|k|xzzx4|"),
	EXAMPLE("SET k a\"b c\"\r\n", "SET|k|ab c|"),
};
enum { EXAMPLES = sizeof(examples) / sizeof(examples[0]) };

static void parser_init(struct kv_parser *p)
{
	*p = (struct kv_parser){ .most = 1024 * 1024, .total = 1024 * 1024 };
}

static void check_args(const struct kv_parser *p, const struct example *e)
{
	char joined[256];
	size_t len = 0;

	for (int i = 0; i < p->argc; i++) {
		CHECK_LT(len + p->argv[i].len, sizeof(joined));
		memcpy(joined + len, p->argv[i].at, p->argv[i].len);
		len += p->argv[i].len;
		joined[len++] = '|';
	}
	CHECK_EQ(len, e->args_len);
	CHECK_MEM_EQ(joined, e->args, len);
}

/* Gives the parser what is there, in a block of exactly its size, which is another one
 * each time: as the memory of a connection may move between two reads. */
static int parse_copy(struct kv_parser *p, char **block, const char *bytes, size_t len,
		      size_t *used)
{
	char *copy = malloc(len ? len : 1);

	CHECK(copy != NULL);
	memcpy(copy, bytes, len);
	free(*block);
	*block = copy;
	return kv_parse(p, copy, len, used);
}

TEST(parser_reads_whole_requests)
{
	for (size_t i = 0; i < EXAMPLES; i++) {
		struct kv_parser p;
		char *block = NULL;
		size_t used = 0;

		parser_init(&p);
		CHECK_EQ(
			parse_copy(&p, &block, examples[i].bytes.at, examples[i].bytes.len, &used),
			1);
		CHECK_EQ(used, examples[i].bytes.len);
		check_args(&p, &examples[i]);
		free(block);
		kv_parser_fini(&p);
	}
}

TEST(parser_reads_byte_by_byte)
{
	struct kv_parser p;
	char *block = NULL;
	size_t used;

	parser_init(&p);
	for (size_t i = 0; i < EXAMPLES; i++) {
		size_t len = examples[i].bytes.len;

		for (size_t n = 0; n < len; n++)
			CHECK_EQ(parse_copy(&p, &block, examples[i].bytes.at, n, &used), 0);
		CHECK_EQ(parse_copy(&p, &block, examples[i].bytes.at, len, &used), 1);
		CHECK_EQ(used, len);
		check_args(&p, &examples[i]);
	}
	free(block);
	kv_parser_fini(&p);
}

/* A stream of requests in pieces of any size, as a session reads it. */
TEST(parser_reads_a_stream_in_any_pieces)
{
	for (int round = 0; round < 500; round++) {
		size_t order[50], len = 0, at = 0, have = 0, next = 0, used;
		char stream[50 * 64], *block = NULL;
		struct kv_parser p;

		parser_init(&p);
		for (size_t i = 0; i < 50; i++) {
			const struct kv_bytes *b = &examples[order[i] = dice(EXAMPLES)].bytes;

			memcpy(stream + len, b->at, b->len);
			len += b->len;
		}
		while (next < 50) {
			int found = parse_copy(&p, &block, stream + at, have - at, &used);

			if (found == 0) {
				CHECK_LT(have, len);
				have += 1 + dice((uint32_t)(round % 7 == 0 ? len - have : 9));
				have = have < len ? have : len;
				continue;
			}
			CHECK_EQ(found, 1);
			check_args(&p, &examples[order[next++]]);
			at += used;
		}
		CHECK_EQ(at, len);
		free(block);
		kv_parser_fini(&p);
	}
}

TEST(parser_reads_thousands_of_arguments)
{
	struct buf b = { 0 };
	struct kv_parser p;
	size_t used;

	parser_init(&p);
	buf_str(&b, "*5000\r\n");
	for (int i = 0; i < 5000; i++)
		buf_printf(&b, "$4\r\n%04d\r\n", i);
	for (size_t n = 0; n < b.len; n += 97)
		CHECK_EQ(kv_parse(&p, b.at, n, &used), 0);
	CHECK_EQ(kv_parse(&p, b.at, b.len, &used), 1);
	CHECK_EQ(p.argc, 5000);
	for (int i = 0; i < 5000; i++) {
		CHECK_EQ(p.argv[i].len, 4);
		CHECK_EQ(atoi(strndupa(p.argv[i].at, 4)), i);
	}
	buf_free(&b);
	kv_parser_fini(&p);
}

TEST(parser_refuses_what_is_no_request)
{
	static const struct {
		struct kv_bytes bytes;
		const char *error;
	} bad[] = {
		{ { "*x\r\n", 4 }, "invalid multibulk length" },
		{ { "*1x\r\n", 5 }, "invalid multibulk length" },
		{ { "*\r\n", 3 }, "invalid multibulk length" },
		{ { "*1048577\r\n", 10 }, "invalid multibulk length" },
		{ { "*99999999999999999999\r\n", 23 }, "invalid multibulk length" },
		{ { "*1\r\nPING\r\n", 10 }, "expected '$', got 'P'" },
		{ { "*1\r\n\r\n", 6 }, "expected '$', got '\r'" },
		{ { "*1\r\n$-1\r\n", 9 }, "invalid bulk length" },
		{ { "*1\r\n$x\r\n", 8 }, "invalid bulk length" },
		{ { "*1\r\n$\r\n", 7 }, "invalid bulk length" },
		{ { "*1\r\n$1048577\r\n", 14 }, "invalid bulk length" },
		{ { "*1\r\n$9223372036854775807\r\n", 26 }, "invalid bulk length" },
		{ { "SET k \"a\r\n", 10 }, "unbalanced quotes in request" },
		{ { "SET k 'a'b\r\n", 12 }, "unbalanced quotes in request" },
		{ { "SET k \"a\\\r\n", 11 }, "unbalanced quotes in request" },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		for (int bytewise = 0; bytewise < 2; bytewise++) {
			char *block = NULL;
			struct kv_parser p;
			size_t used;
			int found = 0;

			parser_init(&p);
			for (size_t n = bytewise ? 1 : bad[i].bytes.len;
			     found == 0 && n <= bad[i].bytes.len; n++)
				found = parse_copy(&p, &block, bad[i].bytes.at, n, &used);
			CHECK_EQ(found, -1);
			CHECK_MEM_EQ(p.error, "ERR Protocol error: ", 20);
			/* As a line of its own, whatever the peer sent. */
			CHECK(!strpbrk(p.error, "\r\n"));
			if (!strchr(bad[i].error, '\r'))
				CHECK_STR_EQ(p.error + 20, bad[i].error);
			free(block);
			kv_parser_fini(&p);
		}
	}
}

TEST(parser_bounds_lines_and_requests)
{
	static char line[200 * 1024];
	struct kv_parser p;
	size_t used;

	memset(line, 'a', sizeof(line));
	parser_init(&p);
	CHECK_EQ(kv_parse(&p, line, 60 * 1024, &used), 0);
	CHECK_EQ(kv_parse(&p, line, sizeof(line), &used), -1);
	CHECK_STR_EQ(p.error, "ERR Protocol error: too big inline request");
	kv_parser_fini(&p);

	memset(line, '1', sizeof(line));
	line[0] = '*';
	parser_init(&p);
	CHECK_EQ(kv_parse(&p, line, sizeof(line), &used), -1);
	kv_parser_fini(&p);

	/* Two arguments, either of which would be allowed alone. */
	p = (struct kv_parser){ .most = 1000, .total = 1000 };
	memset(line, 'x', sizeof(line));
	memcpy(line, "*2\r\n$900\r\n", 10);
	memcpy(line + 910, "\r\n$900\r\n", 8);
	CHECK_EQ(kv_parse(&p, line, 900, &used), 0);
	CHECK_EQ(kv_parse(&p, line, 2000, &used), -1);
	CHECK_STR_EQ(p.error, "ERR Protocol error: invalid bulk length");
	kv_parser_fini(&p);
}

/* Bytes that are almost requests: whatever comes, the parser stays in its block (a
 * sanitizer watches) and what it reports lies in it. */
TEST(parser_stays_in_bounds_whatever_comes)
{
	static const char alphabet[] = "*$\r\n0123456789-\"'\\x PING";

	for (int round = 0; round < 20000; round++) {
		char bytes[64], *block = NULL;
		size_t len = dice(sizeof(bytes)), used = 0;
		struct kv_parser p;

		p = (struct kv_parser){ .most = 1000, .total = 1000 };
		for (size_t i = 0; i < len; i++)
			bytes[i] = alphabet[dice(sizeof(alphabet) - 1)];
		if (dice(2) && len > 8)
			memcpy(bytes, "*2\r\n$1\r\n", 8);
		if (parse_copy(&p, &block, bytes, len, &used) == 1) {
			CHECK_GT(used, 0);
			CHECK_LE(used, len);
			for (int i = 0; i < p.argc; i++)
				CHECK(p.argv[i].at >= block &&
				      p.argv[i].at + p.argv[i].len <= block + used);
		}
		free(block);
		kv_parser_fini(&p);
	}
}

/* Goal: who looks ahead sees what the parser will find. Method: all examples, and each
 * beginning of one; then bytes that are almost requests. */
TEST(peek_sees_what_the_parser_will_find)
{
	static const char alphabet[] = "*$\r\n0123";
	size_t seen = 0;

	for (int round = 0; round < 20000; round++) {
		const struct example *e = &examples[dice(EXAMPLES)];
		size_t len = e->bytes.len, used, n;
		struct kv_bytes key;
		struct kv_parser p;
		char *block = malloc(len);
		int found;

		memcpy(block, e->bytes.at, len);
		if (dice(2))
			block[dice((uint32_t)len)] = alphabet[dice(sizeof(alphabet) - 1)];
		parser_init(&p);
		n = kv_peek(block, len, &key);
		found = kv_parse(&p, block, len, &used);
		if (n > 0 && found > 0) {
			CHECK_EQ(n, used);
			CHECK_GT(p.argc, 1);
			CHECK(key.at == p.argv[1].at && key.len == p.argv[1].len);
			seen++;
		}
		CHECK(found <= 0 || block[0] != '*' || p.argc < 2 || n > 0);
		kv_parser_fini(&p);
		block = realloc(block, len - 1);
		CHECK(n == 0 || n < len || kv_peek(block, len - 1, &key) == 0);
		free(block);
	}
	CHECK_GT(seen, 1000);
}

/* ---- numbers -------------------------------------------------------------------------- */

static bool int_of(const char *text, int64_t *n)
{
	return kv_int((struct kv_bytes){ text, strlen(text) }, n);
}

TEST(integers_are_decimal_and_nothing_else)
{
	static const char *const bad[] = { "",
					   "-",
					   "+1",
					   " 1",
					   "1 ",
					   "01",
					   "-0",
					   "-01",
					   "1.0",
					   "0x1",
					   "9223372036854775808",
					   "-9223372036854775809",
					   "99999999999999999999",
					   "18446744073709551617",
					   "1e3" };
	int64_t n;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK(!int_of(bad[i], &n));
	CHECK(int_of("0", &n) && n == 0);
	CHECK(int_of("-1", &n) && n == -1);
	CHECK(int_of("9223372036854775807", &n) && n == INT64_MAX);
	CHECK(int_of("-9223372036854775808", &n) && n == INT64_MIN);
	CHECK(!kv_int((struct kv_bytes){ "1\0", 2 }, &n));
}

TEST(doubles_are_numbers)
{
	static const char *const bad[] = { "", " 1", "1 ", "nan", "1x", "--1", "0x", "1e", "." };
	double d;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK(!kv_double((struct kv_bytes){ bad[i], strlen(bad[i]) }, &d));
	CHECK(kv_double((struct kv_bytes){ "-1.5e3", 6 }, &d) && d == -1500);
	CHECK(kv_double((struct kv_bytes){ "inf", 3 }, &d) && isinf(d) && d > 0);
	CHECK(kv_double((struct kv_bytes){ "-inf", 4 }, &d) && isinf(d) && d < 0);
	CHECK(!kv_double((struct kv_bytes){ "1\0", 2 }, &d));
}

/* ---- replies -------------------------------------------------------------------------- */

static void put_each(struct kv_out *o)
{
	kv_put_line(o, '+', "OK");
	kv_put_bulk(o, (struct kv_bytes){ "a\0b", 3 });
	kv_put_text(o, "");
	kv_put_int(o, 0);
	kv_put_int(o, -17);
	kv_put_int(o, INT64_MIN);
	kv_put_int(o, INT64_MAX);
	kv_put_null(o);
	kv_put_null_array(o);
	kv_put_array(o, 3);
	kv_put_map(o, 2);
	kv_put_set(o, 4);
	kv_put_push(o, 3);
	kv_put_bool(o, true);
	kv_put_double(o, 1.5);
	kv_put_double(o, 3);
	kv_put_double(o, 1e300 * -1e300);
	kv_put_verbatim(o, (struct kv_bytes){ "hi", 2 });
}

TEST(replies_follow_the_protocol_of_the_session)
{
	static const char two[] =
		"+OK\r\n$3\r\na\0b\r\n$0\r\n\r\n:0\r\n:-17\r\n:-9223372036854775808\r\n"
		":9223372036854775807\r\n$-1\r\n*-1\r\n*3\r\n*4\r\n*4\r\n*3\r\n:1\r\n"
		"$3\r\n1.5\r\n$1\r\n3\r\n$4\r\n-inf\r\n$2\r\nhi\r\n";
	static const char three[] =
		"+OK\r\n$3\r\na\0b\r\n$0\r\n\r\n:0\r\n:-17\r\n:-9223372036854775808\r\n"
		":9223372036854775807\r\n_\r\n_\r\n*3\r\n%2\r\n~4\r\n>3\r\n#t\r\n"
		",1.5\r\n,3\r\n,-inf\r\n=6\r\ntxt:hi\r\n";

	for (int protocol = 2; protocol <= 3; protocol++) {
		struct kv_out o = { .protocol = protocol };
		const char *wanted = protocol == 2 ? two : three;

		put_each(&o);
		CHECK(buf_ok(&o.buf));
		CHECK_EQ(o.buf.len, protocol == 2 ? sizeof(two) - 1 : sizeof(three) - 1);
		CHECK_MEM_EQ(o.buf.at, wanted, o.buf.len);
		buf_free(&o.buf);
	}
}

TEST(parser_gives_back_what_a_large_request_left)
{
	enum { ARGS = 20000 };
	struct kv_parser p;
	struct buf b = { 0 };
	size_t used;

	parser_init(&p);
	buf_printf(&b, "*%d\r\n", ARGS);
	for (int i = 0; i < ARGS; i++)
		buf_str(&b, "$1\r\na\r\n");
	CHECK_EQ(kv_parse(&p, b.at, b.len - 1, &used), 0);
	kv_parser_trim(&p, 0); /* it is needed yet */
	CHECK_EQ(kv_parse(&p, b.at, b.len, &used), 1);
	CHECK_EQ(p.argc, ARGS);
	kv_parser_trim(&p, 1 << 20);
	CHECK_GE(p.room, ARGS);
	kv_parser_trim(&p, 1 << 18);
	CHECK_EQ(p.room, 0);
	CHECK_EQ(kv_parse(&p, b.at, b.len, &used), 1);
	CHECK_EQ(used, b.len);
	kv_parser_fini(&p);
	buf_free(&b);
}
