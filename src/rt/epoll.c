/* SPDX-License-Identifier: MIT */
/*
 * The poller that needs no more than readiness: one set of descriptors, each added
 * once by whatever thread first waits for it.
 */
#include <errno.h>

#include "rt/reactor.h"

enum { BATCH = 128 };

struct epoll_poller {
	struct weft__poller base;
	int set;
	struct weft__ready batch[BATCH];
};

static struct epoll_poller *of(struct weft__poller *poller)
{
	return weft_container_of(poller, struct epoll_poller, base);
}

static void shut(struct weft__poller *poller)
{
	struct epoll_poller *p = of(poller);

	if (p->set >= 0)
		(void)weft__fd_close(p->set);
	if (poller->alarm >= 0)
		(void)weft__fd_close(poller->alarm);
	weft__release(p);
}

static int make(struct weft__poller **out)
{
	struct epoll_poller *p = weft__alloc_zero(1, sizeof(*p));
	int err;

	if (!p)
		return -ENOMEM;
	p->base.reactor = &weft__reactor_epoll;
	p->base.alarm = weft__alarm_open();
	p->set = weft__readiness_open();
	err = p->base.alarm < 0 ? p->base.alarm : p->set < 0 ? p->set : 0;
	if (err == 0)
		err = weft__readiness_add(p->set, p->base.alarm, 0);
	if (err < 0) {
		shut(&p->base);
		return err;
	}
	*out = &p->base;
	return 0;
}

static int look(struct weft__poller *poller, int64_t deadline)
{
	struct epoll_poller *p = of(poller);
	int count = weft__readiness_wait(p->set, p->batch, BATCH, deadline);
	int dispatched = 0;

	for (int i = 0; i < count; i++) {
		if (p->batch[i].what == 0) {
			weft__poller_answered(poller);
			continue;
		}
		weft__pollee_edge((void *)(uintptr_t)p->batch[i].what, p->batch[i].how);
		dispatched++;
	}
	return dispatched;
}

static int arm(struct weft__poller *poller, struct weft__pollee *pollee)
{
	return weft__readiness_add(of(poller)->set, pollee->fd, (uintptr_t)pollee);
}

static enum weft__disarmed disarm(struct weft__poller *poller, struct weft__pollee *pollee)
{
	weft__readiness_remove(of(poller)->set, pollee->fd);
	return WEFT__DISARMED;
}

const struct weft__reactor weft__reactor_epoll = {
	.name = "epoll",
	.kind = WEFT__REACTOR_EPOLL,
	.open = make,
	.close = shut,
	.wait = look,
	.arm = arm,
	.disarm = disarm,
};
