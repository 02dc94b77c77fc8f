/* SPDX-License-Identifier: MIT */
/*
 * What other layers of the library want of sync beyond its public face.
 */
#ifndef WEFT_SYNC_SYNC_H
#define WEFT_SYNC_SYNC_H

#include "weft/event.h"
#include "weft/waitgroup.h"

/* Waits whatever the ambient token says: where the caller's frame is still in
 * use by others. */
void weft__event_await(weft_event *event);
void weft__waitgroup_await(weft_waitgroup *group);

#endif
