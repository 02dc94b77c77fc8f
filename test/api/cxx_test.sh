#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Goal: the headers with inline code are usable from C++, and do there what they do
# in C.
# Method: cxx/*.cpp, each of which prints 500500 some times, compiled as C++11 and as
# the compiler's own default by each C++ compiler that is here, and linked with the
# static library of the build.
#
# From CTest: WEFT_SOURCE, WEFT_BUILD, WEFT_SANITIZE, CC.
set -eu

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM

# A sanitizer's runtime is that of the compiler that built the library.
case ${WEFT_SANITIZE-}:$("$CC" --version | head -n 1) in
:*) compilers="g++ clang++" flags= ;;
*clang*) compilers=clang++ flags=-fsanitize=$WEFT_SANITIZE ;;
*) compilers=g++ flags=-fsanitize=$WEFT_SANITIZE ;;
esac

tried=0
for cxx in $compilers; do
	command -v "$cxx" >/dev/null || continue
	for job in channel:-std=c++11 channel: par:-std=c++11 par:; do
		program=${job%%:*} std=${job#*:}
		# shellcheck disable=SC2086
		"$cxx" $std $flags -pedantic -Wall -Wextra -Werror -I"$WEFT_SOURCE/include" \
			"$WEFT_SOURCE/test/api/cxx/$program.cpp" "$WEFT_BUILD/libweft.a" \
			-lpthread -o "$work/$program"
		said=$("$work/$program" | sort -u)
		if [ "$said" != 500500 ]; then
			echo "$program, $cxx $std: should have printed 500500, but said: $said"
			exit 1
		fi
		echo "ok $program $cxx ${std:-(its default)}"
		tried=$((tried + 1))
	done
done
if [ $tried -eq 0 ]; then
	echo "skipped: there is no C++ compiler here"
	exit 77
fi
