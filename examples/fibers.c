/* SPDX-License-Identifier: MIT */
/*
 * Fibers: a thousand tasks that wait, as plain C.
 *
 * Each stage of a relay is a fiber that receives a number, adds one, and sends it on; a
 * thousand of them are a chain, and ten runners go through it at the same time. A plain
 * thread stands at either end: the channels are the same for both. At last, everybody is
 * told to stop by cancelling the scope, and a fiber cleans up behind a shield.
 */
#include <weft.h>

#include <errno.h>
#include <stdio.h>

enum { STAGES = 1000, RUNNERS = 10 };

struct stage {
	weft_chan *from, *to;
};

static int relay(void *arg)
{
	struct stage *stage = arg;
	int number, err;

	while ((err = weft_chan_recv(stage->from, &number)) == 0) {
		number++;
		err = weft_chan_send(stage->to, &number);
		if (err)
			break;
	}
	return err == -EPIPE ? 0 : err;
}

/* Waits for something that never comes, and says good-bye nevertheless. */
static int janitor(void *arg)
{
	weft_event never = WEFT_EVENT_INIT;
	weft_scope shield;
	int err = weft_event_wait(&never);

	weft_scope_open_with(&shield, &(weft_scope_opts){ .shield = true });
	if (weft_sleep_until(weft_after_ms(1)) == 0)
		*(bool *)arg = true;
	weft_scope_close(&shield);
	return err;
}

static int run_relay(weft_chan **chans, struct stage *stages)
{
	bool cleaned = false;
	weft_scope scope;
	int sum = 0, err = 0;

	weft_scope_open(&scope);
	for (int i = 0; i < STAGES && !err; i++) {
		stages[i] = (struct stage){ chans[i], chans[i + 1] };
		err = weft_scope_spawn(&scope, relay, &stages[i], NULL);
	}
	if (!err)
		err = weft_scope_spawn(&scope, janitor, &cleaned, NULL);
	for (int i = 0; i < RUNNERS && !err; i++)
		err = weft_chan_send(chans[0], &i);
	for (int i = 0; i < RUNNERS && !err; i++) {
		int number;

		err = weft_chan_recv(chans[STAGES], &number);
		sum += number;
	}
	weft_scope_cancel(&scope);
	if (weft_scope_close(&scope) != -ECANCELED || err)
		return err ? err : -EINVAL;
	printf("%d runners, %d stages: %d; cleaned up: %s\n", RUNNERS, STAGES, sum,
	       cleaned ? "yes" : "no");
	return cleaned && sum == RUNNERS * STAGES + RUNNERS * (RUNNERS - 1) / 2 ? 0 : -EINVAL;
}

int main(void)
{
	static weft_chan *chans[STAGES + 1];
	static struct stage stages[STAGES];
	int err = 0;

	for (int i = 0; i <= STAGES && !err; i++)
		err = weft_chan_new(&chans[i], sizeof(int), 1, NULL);
	if (!err)
		err = run_relay(chans, stages);
	for (int i = 0; i <= STAGES; i++)
		weft_chan_release(chans[i]);
	if (err)
		fprintf(stderr, "fibers: error %d\n", err);
	return err ? 1 : 0;
}
