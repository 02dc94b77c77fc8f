/* SPDX-License-Identifier: MIT */
/*
 * Chapter async: thousands of connections, a fiber at either end of each; then `weft kv`
 * under many clients. The plain way is a thread a connection.
 */
#include "tour_async.h"

enum { CONNECTIONS = 2000, CLIENTS = 200 };

int tour_async(struct tour *t, struct tour_block *b)
{
	struct tour_echo echo;
	struct tour_kv kv;
	int err = tour_echo(CONNECTIONS, &echo);

	(void)t;
	if (err == 0)
		err = tour_kv(CLIENTS, &kv);
	if (err)
		return err;
	buf_str(&b->did, "echoed messages over ");
	buf_count(&b->did, (uint64_t)echo.connections);
	buf_str(&b->did, " connections at a time, a fiber at either end; drove weft kv by ");
	buf_count(&b->did, (uint64_t)kv.clients);
	buf_str(&b->did, " fibers");

	b->wrong = kv.added != kv.should_be;
	buf_count(&b->verified, echo.messages);
	buf_str(&b->verified, " messages came back as they were sent; all clients of weft kv "
			      "together added ");
	buf_count(&b->verified, kv.added);
	if (b->wrong) {
		buf_str(&b->verified, ", and should have added ");
		buf_count(&b->verified, kv.should_be);
	}

	buf_str(&b->speed, "echo ");
	buf_span(&b->speed, (double)echo.ours_ns);
	buf_str(&b->speed, ", threads ");
	buf_span(&b->speed, (double)echo.plain_ns);
	buf_str(&b->speed, ": ");
	buf_ratio(&b->speed, (double)echo.ours_ns, (double)echo.plain_ns);
	buf_str(&b->speed, "; kv ");
	buf_count(&b->speed, (uint64_t)((double)kv.commands * 1e9 / (double)kv.ours_ns));
	buf_str(&b->speed, " commands a second, by threads ");
	buf_count(&b->speed, (uint64_t)((double)kv.commands * 1e9 / (double)kv.plain_ns));
	return 0;
}
