# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#
# ./dev ci, sourced by ./dev: all phases, whatever fails, then a line for each
# with its time, and `N passed, N failed` as the very last line.
#
# The counts are tests over all phases; tidy and each stress program count as
# one, and so does a phase that failed without a failed test, as a build does.

ci_passed=0
ci_failed=0
ci_table=

# What ctest said, without the tests that passed.
ci_show() {
	grep -v ' Passed  ' "$1"
}

# ci_phase NAME COMMAND...: the command sets passed, failed and skipped.
ci_phase() {
	phase=$1
	shift
	log=build/ci-$phase.log
	phase_start=$(now)
	passed=0 failed=0 skipped=0
	printf '%-8s running ...\n' "$phase"
	mkdir -p build
	"$@" >"$log" 2>&1
	code=$?
	took=$(($(now) - phase_start))
	verdict=ok
	if [ $code -ne 0 ]; then
		verdict=FAILED
		[ "$failed" -gt 0 ] || failed=1
		ci_show "$log"
	fi
	ci_passed=$((ci_passed + passed))
	ci_failed=$((ci_failed + failed))
	row=$(printf '%-8s %-6s %5d passed %3d failed %3d skipped %5d s' "$phase" "$verdict" \
		"$passed" "$failed" "$skipped" "$took")
	say "$row"
	ci_table="$ci_table$row
"
}

ci_tidy() {
	cmd_tidy || return 1
	passed=1
}

ci_clang() {
	gcc=$cc
	cc=clang
	suite release -LE stress
	code=$?
	cc=$gcc
	return $code
}

# What has a runtime, or I/O, by io_uring: but for what `test` has run by each reactor.
ci_uring() {
	WEFT_REACTOR=uring suite release -L '^(rt|example|api)$|^kv$' -LE '^(epoll|uring)$'
}

# The same and more where io_uring is wanted, but refused by the kernel.
ci_refused() {
	build release || return 1
	without="$PWD/$dir/test/without_uring"
	if ! "$without" true; then
		skipped=1
		return 0
	fi
	runner=$without
	WEFT_REACTOR=uring suite release -L '^(rt|io|kv|fault|example)$' -LE '^epoll$'
	code=$?
	runner=
	return $code
}

# The layers that know CPUs and the system, on the other CPU under an emulator; the
# rest of the library is compiled for it.
ci_aarch64() {
	if [ "$(uname -m)" = aarch64 ]; then
		say "this machine is one; the other phases are about it"
		return 0
	fi
	dir=build/aarch64
	cmake --preset aarch64 || return 1
	set -- weft_objects
	for source in src/base/*_test.c src/sys/*_test.c src/sys/linux/*_test.c \
		src/rt/stack_test.c src/rt/switch_test.c; do
		layer=${source#src/}
		set -- "$@" "test_${layer%%/*}_$(basename -- "$source" _test.c)"
	done
	cmake --build "$dir" --target "$@" || return 1
	rm -f "$dir/junit.xml"
	run_ctest -R '^(base|sys)/|^rt/(stack|switch)[.]'
	code=$?
	count_tests
	return $code
}

# Everyday's part of the models; the rest is ./dev model --long and --mutants.
ci_model() {
	build release || return 1
	"$dir/test/model/weft-model"
	code=$?
	count=$(tail -n 1 "build/ci-model.log")
	passed=${count%% passed*}
	failed=${count##* passed, }
	failed=${failed%% failed*}
	return $code
}

ci_all() {
	ci_start=$(now)
	ci_phase test suite release
	ci_phase uring ci_uring
	ci_phase refused ci_refused
	ci_phase tidy ci_tidy
	ci_phase clang ci_clang
	ci_phase asan suite asan
	ci_phase ubsan suite ubsan
	ci_phase tsan suite tsan
	ci_phase aarch64 ci_aarch64
	ci_phase model ci_model
	ci_phase stress stress_run "${WEFT_STRESS_OPS:-20000000}"
	say
	say "summary, $(($(now) - ci_start)) s in all:"
	printf '%s' "$ci_table"
	say "$ci_passed passed, $ci_failed failed"
	[ "$ci_failed" -eq 0 ]
}
