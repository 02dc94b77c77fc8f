/* SPDX-License-Identifier: MIT */
/*
 * Goal: the four ways to name the version agree.
 */
#include "weft/base.h"

#include "check.h"

#include <stdio.h>

TEST(version_is_the_headers)
{
	char text[32];

	snprintf(text, sizeof(text), "%d.%d.%d", WEFT_VERSION_MAJOR, WEFT_VERSION_MINOR,
		 WEFT_VERSION_PATCH);
	CHECK_STR_EQ(text, WEFT_VERSION_STRING);
	CHECK_STR_EQ(weft_version(), WEFT_VERSION_STRING);
}
