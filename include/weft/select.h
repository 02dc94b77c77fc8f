/* SPDX-License-Identifier: MIT */
/*
 * Waiting for the first of several things.
 *
 *     weft_case cases[] = {
 *         weft_case_recv(jobs, &job),
 *         weft_case_send(results, &result),
 *         weft_case_event(&stop),
 *     };
 *     switch (weft_select(cases, 3, weft_after_ms(50))) {
 *     case 0: ...            // cases[0].result: 0 received, -EPIPE closed
 *     case -ETIMEDOUT: ...
 *     }
 *
 * Exactly one case takes effect, or none. Channels, mutexes, semaphores, events
 * and tokens mix freely: each header offers weft_case_<verb>().
 */
#ifndef WEFT_SELECT_H
#define WEFT_SELECT_H

#include <weft/wait.h>

WEFT_BEGIN_DECLS

/* Most cases of one select. */
#define WEFT_SELECT_MAX 4096

/* Waits until one of the cases can take effect, lets it, and returns its index;
 * cases[index].result then is 0, or what the operation alone would have
 * returned (-EPIPE for a closed channel). If several can, one is chosen at
 * random. Otherwise returns -ETIMEDOUT when the deadline passes, -ECANCELED when
 * the enclosing scope is cancelled, -EINVAL for count < 0 or > WEFT_SELECT_MAX;
 * then no case took effect. With count 0 it only waits.
 *
 * Any thread; blocks; allocates nothing. The cases may be used again. */
WEFT_API WEFT_NODISCARD int weft_select(weft_case *cases, int count, int64_t deadline);

/* The same, but the first of the cases that can take effect is chosen. */
WEFT_API WEFT_NODISCARD int weft_select_biased(weft_case *cases, int count, int64_t deadline);

/* The same without waiting: -EAGAIN when no case can take effect now. */
WEFT_API WEFT_NODISCARD int weft_select_try(weft_case *cases, int count);

WEFT_END_DECLS

#endif
