/* SPDX-License-Identifier: MIT */
/*
 * Time-outs: a token with a deadline, ambient for as long as it lasts.
 */
#include <errno.h>

#include "base/assert.h"
#include "weft/timer.h"

void weft_timeout_begin(weft_timeout *timeout, int64_t deadline)
{
	timeout->outer = weft_ambient();
	/* For a token 0 is no deadline; here it has passed. */
	weft_token_init_until(&timeout->token, timeout->outer, deadline ? deadline : -1);
	weft_ambient_set(&timeout->token);
}

int weft_timeout_end(weft_timeout *timeout, int result)
{
	WEFT__ASSERT(weft_ambient() == &timeout->token,
		     "a time-out was ended before what is inside it, or twice, or elsewhere");
	weft_ambient_set(timeout->outer);
	if (result == -ECANCELED && weft_token_expired(&timeout->token))
		result = -ETIMEDOUT;
	weft_token_fini(&timeout->token);
	return result;
}
