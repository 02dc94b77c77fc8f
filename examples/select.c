/* SPDX-License-Identifier: MIT */
/*
 * Select: wait for the first of several things, whatever they are.
 *
 * Two threads send numbers, each on a channel of its own; one loop receives from
 * both, with a deadline. A channel that is closed and empty takes effect at once
 * and for ever, so the loop leaves it out from then on.
 */
#include <weft.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { NUMBERS = 1000 };

WEFT_CHAN_DEFINE(numbers, int);

static int send_all(void *arg)
{
	numbers *out = arg;
	int err = 0;

	for (int i = 1; i <= NUMBERS && err == 0; i++)
		err = numbers_send(*out, i);
	numbers_close(*out);
	return err;
}

/* Adds up what both channels give until both are closed. 0 or -errno. */
static int collect(numbers a, numbers b, long *sum)
{
	numbers open[2] = { a, b };
	int count = 2, err = 0;

	while (count > 0) {
		int value[2], chosen;
		weft_case cases[2];

		for (int i = 0; i < count; i++)
			cases[i] = numbers_case_recv(open[i], &value[i]);
		chosen = weft_select(cases, count, weft_after_s(10));
		if (chosen < 0)
			return chosen;
		err = cases[chosen].result;
		if (err == 0)
			*sum += value[chosen];
		else if (err == -EPIPE)
			open[chosen] = open[--count];
		else
			return err;
	}
	return 0;
}

int main(void)
{
	numbers a = { NULL }, b = { NULL };
	weft_scope scope;
	long sum = 0;
	int err, closed;

	err = numbers_new(&a, 0);
	if (err == 0)
		err = numbers_new(&b, 16);
	weft_scope_open(&scope);
	if (err == 0)
		err = weft_scope_spawn_thread(&scope, send_all, &a, NULL);
	if (err == 0)
		err = weft_scope_spawn_thread(&scope, send_all, &b, NULL);
	if (err == 0)
		err = collect(a, b, &sum);
	if (err)
		weft_scope_cancel(&scope);
	closed = weft_scope_close(&scope);
	numbers_release(a);
	numbers_release(b);
	if (err || closed) {
		fprintf(stderr, "select: %s\n", strerror(err ? -err : -closed));
		return 1;
	}
	printf("received the sum %ld from two channels\n", sum);
	return sum == (long)NUMBERS * (NUMBERS + 1) ? 0 : 1;
}
