/* SPDX-License-Identifier: MIT */
/*
 * RESP2 and RESP3, the protocol of Redis: requests are parsed where they lie, replies
 * are put into a buffer. https://redis.io/docs/reference/protocol-spec
 */
#ifndef WEFT_APP_KV_RESP_H
#define WEFT_APP_KV_RESP_H

#include "../buf.h"
#include "dict.h"

struct kv_parser {
	struct kv_bytes *argv; /* of a complete request; into the bytes that were parsed */
	int argc;
	char error[96]; /* after kv_parse() returned -1 */

	/* Of one that is on its way. */
	size_t *starts;
	int room;
	long wanted;  /* arguments; 0: its first line was not seen yet */
	long bulk;    /* bytes of the argument that comes next; -1: not known yet */
	size_t at;    /* where to go on */
	size_t most;  /* bytes of an argument, at most */
	size_t total; /* bytes of a whole request, at most */
};

void kv_parser_fini(struct kv_parser *p);
/* Between two requests: frees what a large one has left, if it is more than `keep` bytes. */
void kv_parser_trim(struct kv_parser *p, size_t keep);
/* Parses the request that begins at bytes[0]: 1, and *used is its length; 0: more
 * bytes are needed, and the same ones again; -1: that was no request. An empty line
 * is a request of no arguments. Quoted inline arguments are unescaped in place. */
int kv_parse(struct kv_parser *p, char *bytes, size_t len, size_t *used);

/* What kv_parse() would find next, for who looks ahead: the length of the request that
 * begins at bytes[0], and *key, its first argument after the command; 0 if it is not all
 * there, or has none, or is not of the usual form. */
size_t kv_peek(const char *bytes, size_t len, struct kv_bytes *key);

/* A decimal number and nothing else. */
bool kv_int(struct kv_bytes text, int64_t *out);
/* The same with a fraction, an exponent, or "inf"; never NaN. */
bool kv_double(struct kv_bytes text, double *out);
bool kv_long_double(struct kv_bytes text, long double *out);
bool kv_is(struct kv_bytes text, const char *word); /* whatever the case */

/* Beyond `most` bytes the buffer fails: what goes on writing should look at kv_put_ok()
 * now and then. */
struct kv_out {
	struct buf buf;
	int protocol; /* 2 or 3 */
	size_t most;  /* 0: no limit */
};

static inline bool kv_put_ok(const struct kv_out *o)
{
	return buf_ok(&o->buf);
}

void kv_put_line(struct kv_out *o, char kind, const char *text);
void kv_put_count(struct kv_out *o, char kind, int64_t n);
void kv_put_bulk(struct kv_out *o, struct kv_bytes bytes);
void kv_put_text(struct kv_out *o, const char *text); /* as a bulk string */
void kv_put_int(struct kv_out *o, int64_t n);
void kv_put_null(struct kv_out *o);
void kv_put_null_array(struct kv_out *o);
void kv_put_array(struct kv_out *o, size_t items);
void kv_put_map(struct kv_out *o, size_t pairs);
void kv_put_set(struct kv_out *o, size_t items);
void kv_put_push(struct kv_out *o, size_t items);
void kv_put_bool(struct kv_out *o, bool b); /* an integer before RESP3 */
void kv_put_double(struct kv_out *o, double d);
void kv_put_verbatim(struct kv_out *o, struct kv_bytes text);

#endif
