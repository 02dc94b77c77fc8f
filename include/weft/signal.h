/* SPDX-License-Identifier: MIT */
/*
 * The system's signals as events: to be waited for, in a select beside anything else,
 * and answered in ordinary code instead of a handler.
 *
 *     weft_signals *signals;
 *     int err = weft_signals_open(&signals, (int[]){ SIGINT, SIGTERM }, 2);
 *     weft_case cases[] = { weft_case_signals(signals), weft_case_recv(jobs, &job) };
 *     if (weft_select(cases, 2, WEFT_NEVER) == 0)
 *         stop(cases[0].result);       // the number of the signal
 *
 * Any number of listeners may want the same signal; each gets all of them.
 */
#ifndef WEFT_SIGNAL_H
#define WEFT_SIGNAL_H

#include <weft/wait.h>

WEFT_BEGIN_DECLS

typedef struct weft_signals weft_signals;

/* Begins to listen for `count` signals; what they did before, a handler of the
 * program's or the end of the process, they do no more until the last listener for
 * them is closed. A signal that the process ignores stays ignored, as nohup and
 * shells' background jobs want it. 0; -EINVAL for a number that is none, or a signal
 * that cannot be waited for (SIGKILL, SIGSTOP, and those of a program's own faults);
 * -ENOMEM; -EAGAIN when the system allows no more threads, as there is one for all
 * listeners. *out is NULL then. Any thread or fiber. */
WEFT_API WEFT_NODISCARD int weft_signals_open(weft_signals **out, const int *numbers, int count);

/* Ends it. Nobody may be waiting in it. In the child of a fork(), too. */
WEFT_API void weft_signals_close(weft_signals *signals);

/* Waits for the next signal, and takes it: its number. -ETIMEDOUT, -ECANCELED; -ECHILD
 * in the child of a fork(), where signals do what they did before. The system makes
 * one of several that come faster than it delivers them; from then on none is lost.
 * Of different ones that came the least number is first. Any thread or fiber;
 * blocks. */
WEFT_API int weft_signals_next(weft_signals *signals);
WEFT_API WEFT_NODISCARD int weft_signals_next_until(weft_signals *signals, int64_t deadline);

/* A select case that takes effect with the next signal; its result is as above. */
WEFT_API weft_case weft_case_signals(weft_signals *signals);

WEFT_END_DECLS

#endif
