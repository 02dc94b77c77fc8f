/* SPDX-License-Identifier: MIT */
/*
 * MULTI and EXEC, and WATCH, by the versions of values.
 */
#include <stdlib.h>
#include <string.h>

#include "server.h"

static void drop_watched(struct kv_heap *heap, void *watched)
{
	kv_free(heap, watched);
}

void kv_unwatch(struct kv_session *s)
{
	if (s->watched.count == 0)
		return;
	kv_dict_fini(&s->watched, drop_watched);
	kv_dict_init(&s->watched, &s->heap);
	s->watch_bytes = 0;
}

void kv_transaction_end(struct kv_session *s)
{
	for (size_t i = 0; i < s->queued; i++)
		free(s->queue[i].argv);
	s->queued = s->queue_bytes = 0;
	kv_unwatch(s);
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

/* False when that would be more than a request may have. A key that is watched already
 * keeps the version that it had. */
static bool watch_key(struct kv_call *c, int i)
{
	struct kv_session *s = c->session;
	uint64_t hash = kv_hash_of(c, i);
	size_t size = c->argv[i].len + sizeof(struct kv_entry) + sizeof(struct kv_watched);
	struct kv_watched *w;
	struct kv_entry *e;
	bool added;

	if (kv_dict_find(&s->watched, c->argv[i], (uint32_t)hash))
		return true;
	if (s->watch_bytes + size > s->server->config.request_most)
		return false;
	e = kv_dict_add(&s->watched, c->argv[i], (uint32_t)hash, &added);
	w = e->value = kv_alloc(&s->heap, sizeof(*w));
	*w = (struct kv_watched){ hash, version_of(c, c->argv[i], hash) };
	s->watch_bytes += size;
	return true;
}

static void watch(struct kv_call *c)
{
	bool fine = true;

	if (c->session->in_multi) {
		kv_error(c, "ERR WATCH inside MULTI is not allowed");
		return;
	}
	for (int i = 1; i < c->argc && fine; i++)
		fine = watch_key(c, i);
	if (fine)
		kv_ok(c);
	else
		kv_error(c, "ERR the keys watched are larger than a request may be");
}

static void unwatch(struct kv_call *c)
{
	kv_unwatch(c->session);
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
	struct kv_walk walk = { 0 };
	const struct kv_entry *e;
	unsigned shards = 0;

	for (size_t i = 0; i < s->queued; i++) {
		struct kv_call c = queued_call(exec, i);

		if (!(c.command->flags & KV_UNLOCKED))
			shards |= kv_call_shards(&c);
	}
	while ((e = kv_dict_next(&s->watched, &walk)) != NULL)
		shards |= 1u << kv_shard_of(((const struct kv_watched *)e->value)->hash);
	return shards;
}

static bool watched_changed(struct kv_call *c)
{
	struct kv_walk walk = { 0 };
	const struct kv_entry *e;

	while ((e = kv_dict_next(&c->session->watched, &walk)) != NULL) {
		const struct kv_watched *w = e->value;

		if (version_of(c, kv_key(e), w->hash) != w->version)
			return true;
	}
	return false;
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
	bool changed;
	unsigned shards;

	if (!may_begin(c))
		return;
	shards = all_shards(c);
	kv_store_lock(c->store, shards);
	changed = watched_changed(c);
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
