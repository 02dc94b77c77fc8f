/* SPDX-License-Identifier: MIT */
/*
 * The dump of a runtime on a signal: a thread that waits for it as anybody does, see
 * signal.c, and writes. So nothing is done in the handler, and the dump comes also when
 * all workers are stuck, which is when it is wanted.
 */
#include "rt/rt.h"
#include "weft/select.h"
#include "weft/signal.h"

static void dump_when_told(void *arg)
{
	weft_runtime *runtime = arg;
	struct weft__dumper *d = &runtime->dumper;

	for (;;) {
		weft_case cases[] = { weft_case_event(&d->stop), weft_case_signals(d->signals) };

		if (weft_select(cases, 2, WEFT_NEVER) == 0)
			return;
		(void)weft_runtime_dump(runtime, 2);
	}
}

int weft__dumper_start(weft_runtime *runtime)
{
	const int number = runtime->opts.dump_signal;
	struct weft__dumper *d = &runtime->dumper;
	int err;

	if (number == 0)
		return 0;
	err = weft_signals_open(&d->signals, &number, 1);
	if (err)
		return err;
	err = weft__thread_start(&d->thread, dump_when_told, runtime, 0, "weft-dump");
	if (err) {
		weft_signals_close(d->signals);
		d->signals = NULL;
	}
	return err;
}

void weft__dumper_stop(weft_runtime *runtime)
{
	struct weft__dumper *d = &runtime->dumper;

	if (!d->signals)
		return;
	weft_event_set(&d->stop);
	weft__thread_join(d->thread);
	weft_signals_close(d->signals);
	d->signals = NULL;
}
