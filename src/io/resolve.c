/* SPDX-License-Identifier: MIT */
/*
 * Addresses as text, and names.
 *
 * Names are looked up by the C library, on threads of a lane of their own, for as long
 * as name servers take. Who asks does not have to wait for that: the request is shared
 * between the party and a fiber that sees it through, and the one who leaves last
 * frees it.
 */
#include <errno.h>
#include <string.h>

#include "io/sim.h"
#include "rt/blocking.h"
#include "weft/event.h"
#include "weft/fiber.h"

int weft_address_parse(weft_address *out, const char *text)
{
	bool wild;

	return weft__sim_is_text(text) ? weft__sim_address_read(out, text)
				       : weft__address_read(out, text, &wild);
}

const char *weft_address_format(const weft_address *address, char *text)
{
	if (weft__sim_is_address(address))
		weft__sim_address_write(address, text, WEFT_ADDRESS_TEXT);
	else
		weft__address_write(address, text, WEFT_ADDRESS_TEXT);
	return text;
}

int weft_address_port(const weft_address *address)
{
	return weft__sim_is_address(address) ? weft__sim_address_port(address)
					     : weft__address_port(address);
}

/* ---- names --------------------------------------------------------------------------- */

enum { HOST_MOST = 256, SERVICE_MOST = 32 };

struct request {
	weft_atomic_u32 users; /* resolve.1: leaving releases, the last one acquires */
	weft_event done;
	int result;
	char host[HOST_MOST], service[SERVICE_MOST];
	weft_address found[WEFT_ADDRESSES_MAX];
};

static void request_leave(struct request *request)
{
	if (weft_sub_acq_rel(&request->users, 1) == 1) /* resolve.1 */
		weft__release(request);
}

static int look_up(void *arg)
{
	struct request *request = arg;

	return weft__address_resolve(request->found, WEFT_ADDRESSES_MAX, request->host,
				     request->service);
}

static int see_through(void *arg)
{
	struct request *request = arg;

	request->result = weft__blocking_run(WEFT__LANE_RESOLVE, look_up, request);
	weft_event_set(&request->done);
	request_leave(request);
	return 0;
}

/* "host:service", "[v6]:service" */
static int request_read(struct request *request, const char *name)
{
	const char *colon = strrchr(name, ':');
	size_t length = colon ? (size_t)(colon - name) : 0;

	if (length > 2 && name[0] == '[' && name[length - 1] == ']') {
		name++;
		length -= 2;
	}
	if (length == 0 || length >= HOST_MOST || strlen(colon + 1) >= SERVICE_MOST || !colon[1])
		return -EINVAL;
	memcpy(request->host, name, length);
	request->host[length] = '\0';
	strcpy(request->service, colon + 1);
	return 0;
}

static int request_run(struct request *request, weft_address *out, int most, int64_t deadline)
{
	const weft_fiber_opts opts = { .name = "resolve", .outlives_scope = true };
	weft_fiber *fiber;
	int err;

	weft_store_relaxed(&request->users, 2);
	err = weft_fiber_spawn(&fiber, see_through, request, &opts);
	if (err < 0) {
		weft__release(request);
		return err;
	}
	weft_fiber_detach(fiber);
	err = weft_event_wait_until(&request->done, deadline);
	if (err == 0) {
		err = request->result < most ? request->result : most;
		for (int i = 0; i < err; i++)
			out[i] = request->found[i];
	}
	request_leave(request);
	return err;
}

int weft_resolve_until(weft_address *out, int most, const char *name, int64_t deadline)
{
	struct request *request;
	bool wild;
	int err;

	if (most < 1)
		return -EINVAL;
	/* What is no name never waits. */
	if (weft__sim_is_text(name)) {
		err = weft__sim_address_read(out, name);
		return err < 0 ? err : 1;
	}
	if (weft__address_read(out, name, &wild) == 0)
		return wild ? -EINVAL : 1;
	request = weft__alloc_zero(1, sizeof(*request));
	if (!request)
		return -ENOMEM;
	err = request_read(request, name);
	if (err < 0) {
		weft__release(request);
		return err;
	}
	return request_run(request, out, most, deadline);
}
