#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Goal: a plugin that uses Weft can be unloaded while threads that have used it live
# on; their ends call into the library.
# Method: a program that knows libweft.so only by dlopen() closes it on a thread
# that has a handle of its own, and joins that thread.
#
# From CTest: WEFT_BUILD, WEFT_SANITIZE, CC.
set -eu

if [ -n "${WEFT_SANITIZE-}" ]; then
	echo "skipped: a foreign program does not load a library with a sanitizer in it"
	exit 77
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM

cat >"$work/host.c" <<'END'
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>

static void *library;

static void *use_and_close(void *arg)
{
	void *(*current)(void) = (void *(*)(void))dlsym(library, "weft_thread_current");

	(void)arg;
	return current && current() && dlclose(library) == 0 ? &library : NULL;
}

int main(int argc, char **argv)
{
	pthread_t thread;
	void *done = NULL;

	library = argc == 2 ? dlopen(argv[1], RTLD_NOW) : NULL;
	if (!library || pthread_create(&thread, NULL, use_and_close, NULL))
		return 2;
	pthread_join(thread, &done);
	puts(done ? "unloaded" : "failed");
	return 0;
}
END
"${CC:-cc}" -o "$work/host" "$work/host.c" -ldl -pthread
said=$("$work/host" "$WEFT_BUILD/libweft.so") || {
	echo "the host ended with code $?"
	exit 1
}
[ "$said" = unloaded ] || {
	echo "the host said \"$said\""
	exit 1
}
