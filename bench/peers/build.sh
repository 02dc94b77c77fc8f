#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Builds the peers of the benchmarks, each that can be built.
#
# usage: build.sh [OUT]	(default: build/bench/peers)
#
# OUT/PEER is the program. Where it cannot be built, OUT/PEER.why says the reason
# in a sentence, which the driver shows, and OUT/PEER.log has the rest. Nothing is
# written beside the sources and nothing comes from the network: the crates are
# those that Debian's librust-*-dev packages install. Exit status 0 even if peers
# are missing, since they are a comparison and not a need; 1 if OUT cannot be used.
set -u
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd) || exit 1
out=${1:-$here/../../build/bench/peers}
mkdir -p "$out" && out=$(CDPATH='' cd -- "$out" && pwd) || exit 1
crates=/usr/share/cargo/registry
built='' missing=''

has() { command -v "$1" >/dev/null 2>&1; }

# lack PEER SENTENCE: PEER is not built, for this reason.
lack() {
	rm -f "$out/$1"
	printf '%s\n' "$2" >"$out/$1.why"
	missing="$missing $1"
	printf 'peers   %s: %s\n' "$1" "$2"
}

# made PEER STATUS: after the compiler of PEER ended with STATUS.
made() {
	if [ "$2" -eq 0 ]; then
		rm -f "$out/$1.why"
		built="$built $1"
	else
		lack "$1" "its build failed, see $out/$1.log"
	fi
}

# newer PEER FILE...: PEER is there and newer than all these files.
newer() {
	peer=$1
	shift
	[ -x "$out/$peer" ] && [ -z "$(find "$@" "$here/build.sh" -newer "$out/$peer")" ]
}

# compile PEER SOURCE COMPILER ARGS...
compile() {
	peer=$1 source=$2
	shift 2
	if newer "$peer" "$source" "$here/../subject.h"; then
		made "$peer" 0
	elif ! has "$1"; then
		lack "$peer" "the compiler $1 is not installed"
	else
		"$@" >"$out/$peer.log" 2>&1
		made "$peer" $?
	fi
}

compile_c() {
	source=$here/c/$1.c
	compile "$1" "$source" gcc -std=gnu11 -O3 -Wall -Wextra "$2" "$source" -o "$out/$1"
}

compile_tbb() {
	source=$here/cpp/tbb.cpp
	if [ -e /usr/include/tbb/task_group.h ]; then
		compile tbb "$source" "${CXX:-g++}" -std=c++17 -O3 -Wall -Wextra "$source" \
			-o "$out/tbb" -ltbb
	else
		lack tbb "libtbb-dev is not installed"
	fi
}

# Of another bench: a program of its own, as its header is.
compile_trees() {
	newest=$here/../subject.h
	[ "$here/../trees.h" -nt "$newest" ] && newest=$here/../trees.h
	[ "$newest" -nt "$out/openmp-trees" ] && rm -f "$out/openmp-trees" "$out/tbb-trees"
	source=$here/c/openmp_trees.c
	compile openmp-trees "$source" gcc -std=gnu11 -O3 -Wall -Wextra -fopenmp "$source" \
		-o "$out/openmp-trees" -lm
	source=$here/cpp/tbb_trees.cpp
	if [ -e /usr/include/tbb/task_group.h ]; then
		compile tbb-trees "$source" "${CXX:-g++}" -std=c++17 -O3 -Wall -Wextra \
			"$source" -o "$out/tbb-trees" -ltbb
	else
		lack tbb-trees "libtbb-dev is not installed"
	fi
}

compile_sorts() {
	source=$here/cpp/sort.cpp
	compile std.sort "$source" "${CXX:-g++}" -std=c++17 -O3 -Wall -Wextra "$source" \
		-o "$out/std.sort"
	if [ -e /usr/include/tbb/parallel_sort.h ]; then
		compile tbb.sort "$source" "${CXX:-g++}" -std=c++17 -O3 -Wall -Wextra -DSORT_TBB \
			"$source" -o "$out/tbb.sort" -ltbb
	else
		lack tbb.sort "libtbb-dev is not installed"
	fi
}

compile_boost() {
	source=$here/cpp/boost_fiber.cpp
	if [ -e /usr/include/boost/fiber/all.hpp ]; then
		compile boost.fiber "$source" "${CXX:-g++}" -std=c++17 -O3 -Wall -Wextra "$source" \
			-o "$out/boost.fiber" -lboost_fiber -lboost_context -lpthread
	else
		lack boost.fiber "libboost-fiber-dev is not installed"
	fi
}

compile_boost_context() {
	source=$here/cpp/boost_context.cpp
	if [ -e /usr/include/boost/context/fiber.hpp ]; then
		compile boost.context "$source" "${CXX:-g++}" -std=c++17 -O3 -Wall -Wextra \
			"$source" -o "$out/boost.context" -lboost_context
	else
		lack boost.context "libboost-context-dev is not installed"
	fi
}

compile_libuv() {
	source=$here/c/libuv.c
	if [ -e /usr/include/uv.h ]; then
		compile libuv "$source" gcc -std=gnu11 -O3 -Wall -Wextra "$source" \
			-o "$out/libuv" -luv
	else
		lack libuv "libuv1-dev is not installed"
	fi
}

# A program of the system's, under the name that the driver looks for.
find_redis() {
	if has redis-server; then
		ln -sf "$(command -v redis-server)" "$out/redis-server"
		made redis-server 0
	else
		lack redis-server "redis-server is not installed"
	fi
}

# crate PEER CRATE PACKAGE: one Rust program, built on a copy of its sources, as
# cargo writes its lock file beside them - a lock file that an older cargo cannot
# read, hence made anew each time.
crate() {
	if ! has cargo; then
		lack "$1" "cargo is not installed"
		return
	fi
	set -- "$1" "$2" "$3" "$(find "$crates" -maxdepth 1 -name "$2-[0-9]*" 2>/dev/null)"
	if [ -n "$2" ] && [ -z "$4" ]; then
		lack "$1" "$3 is not installed"
		return
	fi
	mkdir -p "$out/src/$1/src" "$out/src/.cargo"
	cp -p "$here/rust/subject.rs" "$out/src/subject.rs"
	cp -p "$here/rust/.cargo/config.toml" "$out/src/.cargo/config.toml"
	cp -p "$here/rust/$1/Cargo.toml" "$out/src/$1/Cargo.toml"
	cp -p "$here/rust/$1/src/"*.rs "$out/src/$1/src/"
	rm -f "$out/src/$1/Cargo.lock"
	(
		cd "$out/src/$1" || exit 1
		CARGO_TARGET_DIR=$out/target cargo build --release --offline &&
			cp "$out/target/release/peer-$1" "$out/$1.new" && mv "$out/$1.new" "$out/$1"
	) >"$out/$1.log" 2>&1
	made "$1" $?
}

compile_go() {
	if ! has go; then
		lack go "Go is not installed"
		return
	fi
	(
		cd "$here/go" || exit 1
		GO111MODULE=on GOFLAGS=-mod=mod GOPROXY=off GOTOOLCHAIN=local GOWORK=off \
			CGO_ENABLED=0 GOCACHE=$out/go-cache go build -o "$out/go" .
	) >"$out/go.log" 2>&1
	made go $?
}

echo "peers   building into $out"
compile_c pthread -pthread
compile_c openmp -fopenmp
compile_tbb
compile_trees
compile_boost
compile_boost_context
compile_libuv
compile_go
find_redis
crate rayon rayon librust-rayon-dev
crate rayon_sort rayon librust-rayon-dev
crate crossbeam crossbeam-channel librust-crossbeam-channel-dev
crate flume flume librust-flume-dev
crate parking_lot parking_lot librust-parking-lot-dev
crate tokio tokio librust-tokio-dev
crate std '' ''
printf 'peers   built:%s\n' "${built:- none}"
[ -z "$missing" ] || printf 'peers   not built:%s\n' "$missing"
