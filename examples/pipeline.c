/* SPDX-License-Identifier: MIT */
/*
 * A pipeline: stages that run at the same time, with a channel between each two.
 *
 *     numbers --> (bounded) --> several testers --> (unbounded) --> the count
 *
 * A bounded channel slows the first stage down to the pace of the second, so that
 * memory stays bounded whatever the source. Each stage ends when the channel it
 * reads from is closed and empty, and closes the one that it writes to: the last
 * of the testers does, since their ends are counted. Where a stage fails, its
 * scope is cancelled, and all stages end.
 */
#include <weft.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { LIMIT = 20000, TESTERS = 3 };

struct verdict {
	int number;
	bool is_prime;
};

WEFT_CHAN_DEFINE(numbers, int);
WEFT_CHAN_DEFINE(verdicts, struct verdict);

struct pipeline {
	numbers candidates;
	verdicts results;
};

static int generate(void *arg)
{
	struct pipeline *p = arg;
	int err = 0;

	for (int n = 2; n < LIMIT && err == 0; n++)
		err = numbers_send(p->candidates, n);
	numbers_close(p->candidates);
	return err;
}

static bool is_prime(int n)
{
	for (int d = 2; d * d <= n; d++)
		if (n % d == 0)
			return false;
	return true;
}

static int test(void *arg)
{
	struct pipeline *p = arg;
	int n, err = 0;

	while (err == 0 && (err = numbers_recv(p->candidates, &n)) == 0)
		err = verdicts_send(p->results, (struct verdict){ n, is_prime(n) });
	weft_chan_drop_sender(p->results.chan);
	return err == -EPIPE ? 0 : err;
}

/* Starts the stages; those that started end by themselves, or with the scope. */
static int start(struct pipeline *p, weft_scope *scope)
{
	int err = weft_scope_spawn_thread(scope, generate, p, NULL);

	for (int i = 0; i < TESTERS && err == 0; i++) {
		weft_chan_add_sender(p->results.chan);
		err = weft_scope_spawn_thread(scope, test, p, NULL);
		if (err)
			weft_chan_drop_sender(p->results.chan);
	}
	return err;
}

static int count_primes(struct pipeline *p, int *primes)
{
	struct verdict v;
	weft_scope scope;
	int err, closed;

	weft_scope_open(&scope);
	err = start(p, &scope);
	while (err == 0 && (err = verdicts_recv(p->results, &v)) == 0)
		*primes += v.is_prime;
	if (err != -EPIPE)
		weft_scope_cancel(&scope);
	closed = weft_scope_close(&scope);
	return err == -EPIPE ? closed : err;
}

int main(void)
{
	struct pipeline p = { { NULL }, { NULL } };
	int primes = 0;
	int err = numbers_new(&p.candidates, 64);

	if (err == 0)
		err = verdicts_new(&p.results, WEFT_UNBOUNDED);
	if (err == 0)
		err = count_primes(&p, &primes);
	numbers_release(p.candidates);
	verdicts_release(p.results);
	if (err) {
		fprintf(stderr, "pipeline: %s\n", strerror(-err));
		return 1;
	}
	printf("%d primes below %d\n", primes, LIMIT);
	return primes == 2262 ? 0 : 1;
}
