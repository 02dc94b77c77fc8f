/* SPDX-License-Identifier: MIT */
/*
 * The version of the library itself, which may be older or newer than the
 * header that a program was compiled with.
 */
#include "weft/base.h"

const char *weft_version(void)
{
	return WEFT_VERSION_STRING;
}
