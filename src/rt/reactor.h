/* SPDX-License-Identifier: MIT */
/*
 * Between a poller and its kind. Private to poller.c, epoll.c and uring.c.
 */
#ifndef WEFT_RT_REACTOR_H
#define WEFT_RT_REACTOR_H

#include "rt/poller.h"
#include "sync/sync.h"

enum weft__disarmed {
	WEFT__DISARMED,       /* the poller has no more to do with it */
	WEFT__DISARMED_SOON,  /* the descriptor may be closed; the pollee will be finished */
	WEFT__DISARMED_LATER, /* both are left to weft__pollee_finish() */
};

struct weft__reactor {
	const char *name;
	int kind;
	int (*open)(struct weft__poller **out);
	void (*close)(struct weft__poller *poller);
	int (*wait)(struct weft__poller *poller, int64_t deadline);
	/* Both with the pollee's gate closed. Arming: 0, or -errno if the system can
	 * tell at once. */
	int (*arm)(struct weft__poller *poller, struct weft__pollee *pollee);
	enum weft__disarmed (*disarm)(struct weft__poller *poller, struct weft__pollee *pollee);
	/* Operations, by the owner; NULL where the kernel has none. */
	void (*start)(struct weft__poller *poller, struct weft__op *op);
	void (*stop)(struct weft__poller *poller, struct weft__op *op);
};

struct weft__poller {
	const struct weft__reactor *reactor;
	int alarm;
	weft_atomic_u32 rung; /* the alarm is on its way, or was not noticed yet */
};

extern const struct weft__reactor weft__reactor_epoll;
extern const struct weft__reactor weft__reactor_uring;

/* The alarm was heard. */
void weft__poller_answered(struct weft__poller *poller);

/* Whether the caller owns the poller. */
bool weft__poller_owned(const struct weft__poller *poller);

/* The descriptor is ready; `how` of WEFT__READABLE and so on. */
void weft__pollee_edge(struct weft__pollee *pollee, unsigned how);

/* The kernel is done with the operation. */
void weft__op_done(struct weft__op *op, const struct weft__done *done);

/* A removed pollee: closes its descriptor, tells who waits for that, frees it. */
void weft__pollee_finish(struct weft__pollee *pollee);

#endif
