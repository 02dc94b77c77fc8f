/* SPDX-License-Identifier: MIT */
/*
 * Scopes: run several things at once, all or nothing.
 *
 * Closing a scope waits for all that was spawned into it, so the threads may use
 * the locals of whoever opened it. When one of them fails, the blocking calls of
 * the others return -ECANCELED, and close returns what the first one returned.
 */
#include <weft.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct part {
	const char *name;
	int answer; /* what it is to find, or -errno */
	int found;
	bool cancelled;
};

/* Stands for a request to somebody who may be slow, or down. */
static int ask(void *arg)
{
	struct part *part = arg;
	bool is_slow = part->answer == 0;
	int err = weft_sleep_until(is_slow ? weft_after_s(3600) : weft_after_ms(1));

	if (err) {
		part->cancelled = err == -ECANCELED;
		return err;
	}
	if (part->answer < 0)
		return part->answer;
	part->found = part->answer;
	return 0;
}

/* Asks all parts at the same time: 0 when each has answered, or the first error. */
static int ask_all(struct part *parts, int count)
{
	weft_scope scope;
	int err = 0, first;

	weft_scope_open(&scope);
	for (int i = 0; i < count && err == 0; i++)
		err = weft_scope_spawn_thread(&scope, ask, &parts[i], NULL);
	if (err)
		weft_scope_cancel(&scope);
	first = weft_scope_close(&scope);
	return err ? err : first;
}

int main(void)
{
	struct part good[] = { { .name = "north", .answer = 20 },
			       { .name = "south", .answer = 22 } };
	struct part bad[] = { { .name = "slow" }, { .name = "broken", .answer = -EIO } };
	int err = ask_all(good, 2);

	if (err) {
		fprintf(stderr, "scope: %s\n", strerror(-err));
		return 1;
	}
	printf("%s and %s together: %d\n", good[0].name, good[1].name,
	       good[0].found + good[1].found);

	err = ask_all(bad, 2);
	printf("%s failed with \"%s\", so %s was %s\n", bad[1].name, strerror(-err), bad[0].name,
	       bad[0].cancelled ? "cancelled" : "left alone");
	return good[0].found + good[1].found == 42 && err == -EIO && bad[0].cancelled ? 0 : 1;
}
