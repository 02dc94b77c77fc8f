/* SPDX-License-Identifier: MIT */
/*
 * Weft: concurrency for C. This header is all of it; each part stands alone.
 */
#ifndef WEFT_H
#define WEFT_H

#include <weft/atomic.h>
#include <weft/backoff.h>
#include <weft/base.h>
#include <weft/blocking.h>
#include <weft/cancel.h>
#include <weft/channel.h>
#include <weft/check.h>
#include <weft/cond.h>
#include <weft/event.h>
#include <weft/fiber.h>
#include <weft/file.h>
#include <weft/io.h>
#include <weft/local.h>
#include <weft/mutex.h>
#include <weft/net.h>
#include <weft/once.h>
#include <weft/par.h>
#include <weft/par_array.h>
#include <weft/par_walk.h>
#include <weft/parker.h>
#include <weft/pool.h>
#include <weft/runtime.h>
#include <weft/scope.h>
#include <weft/select.h>
#include <weft/semaphore.h>
#include <weft/shardlock.h>
#include <weft/signal.h>
#include <weft/sim.h>
#include <weft/sort.h>
#include <weft/task.h>
#include <weft/thread.h>
#include <weft/timer.h>
#include <weft/wait.h>
#include <weft/waitgroup.h>

#endif
