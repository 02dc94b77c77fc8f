/* SPDX-License-Identifier: MIT */
/*
 * MULTI and EXEC, and WATCH, by the versions of values.
 */
#include <stdlib.h>
#include <string.h>

#include "server.h"

void kv_transaction_end(struct kv_session *s)
{
	for (size_t i = 0; i < s->queued; i++)
		free(s->queue[i].argv);
	for (size_t i = 0; i < s->watch_count; i++)
		free((char *)(uintptr_t)s->watched[i].key.at);
	s->queued = s->queue_bytes = s->watch_count = 0;
	s->in_multi = s->multi_failed = false;
}

static void multi(struct kv_call *c)
{
	if (c->session->in_multi) {
		kv_error(c, "ERR MULTI calls can not be nested");
		return;
	}
	c->session->in_multi = true;
	kv_ok(c);
}

static void discard(struct kv_call *c)
{
	if (!c->session->in_multi) {
		kv_error(c, "ERR DISCARD without MULTI");
		return;
	}
	kv_transaction_end(c->session);
	kv_ok(c);
}

/* With its shard locked: the version of what is there, 0 if nothing is. */
static uint64_t version_of(struct kv_call *c, struct kv_bytes key, uint64_t hash)
{
	const struct kv_value *value = kv_shard_get(&c->store->shards[kv_shard_of(hash)], key,
						    hash, c->now);

	return value ? value->version : 0;
}

static void watch(struct kv_call *c)
{
	struct kv_session *s = c->session;
	size_t count = s->watch_count + (size_t)c->argc - 1;
	struct kv_watched *watched;

	if (s->in_multi) {
		kv_error(c, "ERR WATCH inside MULTI is not allowed");
		return;
	}
	watched = realloc(s->watched, count * sizeof(*watched));
	if (watched)
		s->watched = watched;
	for (int i = 1; watched && i < c->argc; i++) {
		char *copy = malloc(c->argv[i].len + 1);
		uint64_t hash = kv_hash_of(c, i);

		if (!copy) {
			watched = NULL;
			break;
		}
		memcpy(copy, c->argv[i].at, c->argv[i].len);
		s->watched[s->watch_count++] = (struct kv_watched){
			.key = { copy, c->argv[i].len },
			.hash = hash,
			.version = version_of(c, c->argv[i], hash),
		};
	}
	if (watched)
		kv_ok(c);
	else
		kv_error(c, "ERR no memory to watch so many keys");
}

static void unwatch(struct kv_call *c)
{
	struct kv_session *s = c->session;

	while (s->watch_count > 0)
		free((char *)(uintptr_t)s->watched[--s->watch_count].key.at);
	kv_ok(c);
}

/* The call number i of the queue. */
static struct kv_call queued_call(const struct kv_call *exec, size_t i)
{
	const struct kv_queued *q = &exec->session->queue[i];
	struct kv_call c = *exec;

	c.command = q->command;
	c.argv = q->argv;
	c.argc = q->argc;
	c.hash = c.command->first > 0 ? kv_hash(c.argv[c.command->first]) : 0;
	return c;
}

static unsigned all_shards(const struct kv_call *exec)
{
	const struct kv_session *s = exec->session;
	unsigned shards = 0;

	for (size_t i = 0; i < s->queued; i++) {
		struct kv_call c = queued_call(exec, i);

		if (!(c.command->flags & KV_UNLOCKED))
			shards |= kv_call_shards(&c);
	}
	for (size_t i = 0; i < s->watch_count; i++)
		shards |= 1u << kv_shard_of(s->watched[i].hash);
	return shards;
}

/* Whether the transaction may begin; else it is over, and an error was replied. */
static bool may_begin(struct kv_call *c)
{
	struct kv_session *s = c->session;
	bool grows = false;

	if (!s->in_multi) {
		kv_error(c, "ERR EXEC without MULTI");
		return false;
	}
	for (size_t i = 0; i < s->queued; i++)
		grows |= (s->queue[i].command->flags & KV_GROW) != 0;
	if (s->multi_failed)
		kv_error(c, "EXECABORT Transaction discarded because of previous errors.");
	else if (grows && !kv_make_room(c->server))
		kv_error(c, "EXECABORT Transaction discarded because of: " KV_OOM);
	else
		return true;
	kv_transaction_end(s);
	return false;
}

/* With all shards of the transaction locked: so nothing can make room now. */
static void run_queued(struct kv_call *c)
{
	if ((c->command->flags & KV_GROW) && !kv_has_room(c->server))
		kv_put_line(c->out, '-', KV_OOM);
	else
		c->command->run(c);
}

static void exec(struct kv_call *c)
{
	struct kv_session *s = c->session;
	bool changed = false;
	unsigned shards;

	if (!may_begin(c))
		return;
	shards = all_shards(c);
	kv_store_lock(c->store, shards);
	for (size_t i = 0; i < s->watch_count; i++)
		changed |= version_of(c, s->watched[i].key, s->watched[i].hash) !=
			   s->watched[i].version;
	s->in_multi = false; /* what runs now is carried out */
	if (changed)
		kv_put_null_array(c->out);
	else
		kv_put_array(c->out, s->queued);
	for (size_t i = 0; i < s->queued && !changed; i++) {
		struct kv_call q = queued_call(c, i);

		run_queued(&q);
	}
	kv_store_unlock(c->store, shards);
	kv_transaction_end(s);
}

const struct kv_command kv_transaction_commands[] = {
	{ "MULTI", multi, 1, KV_CONTROL | KV_UNLOCKED, 0, 0, 0 },
	{ "EXEC", exec, 1, KV_CONTROL | KV_UNLOCKED, 0, 0, 0 },
	{ "DISCARD", discard, 1, KV_CONTROL | KV_UNLOCKED, 0, 0, 0 },
	{ "WATCH", watch, -2, KV_CONTROL, 1, -1, 1 },
	{ "UNWATCH", unwatch, 1, KV_UNLOCKED, 0, 0, 0 },
	{ 0 },
};
