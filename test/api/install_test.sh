#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Goal: what `cmake --install` leaves behind is enough to build on.
# Method: install into a scratch prefix, move that elsewhere, since packages are
# moved too, and build a foreign project against it in each way that there is:
# the CMake package and weft.pc, shared and static, C11 and C++11. Each program
# must print 5050.
#
# From CTest: WEFT_SOURCE, WEFT_BUILD, WEFT_SANITIZE, CC.
set -eu

if [ -n "${WEFT_SANITIZE-}" ]; then
	echo "skipped: a foreign program does not link a library with a sanitizer in it"
	exit 77
fi

foreign=$WEFT_SOURCE/test/api/install
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
cd "$work"

quietly() {
	"$@" >log 2>&1 || {
		echo "failed: $*"
		cat log
		exit 1
	}
}

# runs NAME PROGRAM...
runs() {
	name=$1
	shift
	said=$("$@") || {
		echo "$name: exit code $?"
		exit 1
	}
	if [ "$said" != 5050 ]; then
		echo "$name: should have printed 5050, but said: $said"
		exit 1
	fi
	echo "ok $name"
}

quietly cmake --install "$WEFT_BUILD" --prefix "$work/staged"
mv staged prefix
lib=$(dirname "$(find "$work/prefix" -name libweft.a)")

quietly cmake -G Ninja -S "$foreign" -B cmake -DCMAKE_C_COMPILER="$CC" \
	-DCMAKE_PREFIX_PATH="$work/prefix"
quietly cmake --build cmake
runs "find_package, shared" cmake/with_shared
runs "find_package, static" cmake/with_static

export PKG_CONFIG_PATH="$lib/pkgconfig"
strict="-Wall -Wextra -Werror -pedantic"
# shellcheck disable=SC2046,SC2086
{
	quietly "$CC" -std=c11 $strict "$foreign/main.c" -o shared \
		$(pkg-config --cflags --libs weft)
	quietly "$CC" -std=c11 $strict "$foreign/main.c" -o static -static \
		$(pkg-config --static --cflags --libs weft)
}
runs "pkg-config, shared" env LD_LIBRARY_PATH="$lib" ./shared
runs "pkg-config, static" ./static

for cxx in g++ clang++ none; do
	! command -v $cxx >/dev/null || break
done
if [ "$cxx" = none ]; then
	echo "left out: there is no C++ compiler here"
else
	# shellcheck disable=SC2046,SC2086
	quietly $cxx -std=c++11 $strict -x c++ "$foreign/main.c" -o cxx \
		$(pkg-config --cflags --libs weft)
	runs "pkg-config, $cxx" env LD_LIBRARY_PATH="$lib" ./cxx
fi

want=$(sed -n 's/.*WEFT_VERSION_STRING "\(.*\)"/\1/p' "$WEFT_SOURCE/include/weft/base.h")
have=$(pkg-config --modversion weft)
if [ "$have" != "$want" ]; then
	echo "weft.pc says version $have, the header says $want"
	exit 1
fi

if [ -e "$WEFT" ]; then
	quietly prefix/bin/weft help
	echo "ok the installed program"
fi
