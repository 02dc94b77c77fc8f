#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Goal: the driver alternates, takes medians, checks, limits, and tells the truth
# about what failed. Method: it finds everything from its own place, so a copy of
# it in a scratch tree runs made-up subjects whose answers are known.
#
# usage: driver_test.sh BENCH-DRIVER
set -u
driver=$1
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
mkdir -p "$tmp/b/x/bench" "$tmp/b/bench/peers" "$tmp/tree/sub"
cp "$driver" "$tmp/b/x/bench/bench-driver" || exit 1
bin=$tmp/b/x/bench peers=$tmp/b/bench/peers json=$tmp/b/bench/results.jsonl
unset WEFT_BENCH_LIMIT_S WEFT_BENCH_TREE

fail() {
	printf 'FAIL: %s\n--- stdout\n' "$*"
	cat "$tmp/out"
	echo '--- stderr'
	cat "$tmp/err"
	exit 1
}

# drive STATUS ARGS...: runs the driver, which must end with STATUS.
drive() {
	want=$1
	shift
	"$bin/bench-driver" "$@" >"$tmp/out" 2>"$tmp/err"
	got=$?
	[ "$got" -eq "$want" ] || fail "bench-driver $*: status $got, expected $want"
}

# has_row SUBJECT WORKERS UNIT REST: results.jsonl has this row of the last run.
has_row() { says "$json" "\"subject\":\"$1\",\"workers\":$2,\"unit\":\"$3\",$4"; }

# says FILE TEXT: FILE contains TEXT.
says() { grep -qF -- "$2" "$1" || fail "$(basename "$1") lacks: $2"; }

# subject PATH BODY: a made-up subject.
subject() {
	printf '#!/bin/sh\n%s\n' "$2" >"$1"
	chmod +x "$1"
}

# --- wrong usage, and what needs no measurement
drive 0 --help
says "$tmp/out" "usage: bench-driver"
drive 0 --list
says "$tmp/out" "channel/cap128_1to1_pinned, 1 worker: weft crossbeam* flume* std* go*"
for args in --bogus "--runs 0" "--runs 100" "--runs 3x" "--runs" "mutex channel" no-such-case; do
	# shellcheck disable=SC2086
	drive 2 $args
	[ -s "$tmp/err" ] || fail "$args: no sentence on standard error"
done

# --- alternation, medians of the runs, skipped peers with their reason
# Each run of these writes its name down, and weft's answers are 3, 1 and 2.
subject "$bin/weft-mutex" "echo weft >>$tmp/log
	echo ok \$((4 - \$(grep -c weft $tmp/log) % 3 - 1)).5 ns/lock"
subject "$bin/plain-atomic-add" "echo atomic >>$tmp/log; echo ok 5 ns/lock"
subject "$peers/parking_lot" "echo parking >>$tmp/log; echo ok 1.25 ns/lock"
subject "$peers/go" 'echo skip this one cannot'
echo "the crate is not installed" >"$peers/std.why"
drive 0 --peers --runs 3 mutex/uncontended
[ "$(tr '\n' ' ' <"$tmp/log")" = "weft atomic parking weft atomic parking weft atomic parking " ] ||
	fail "the runs did not alternate: $(tr '\n' ' ' <"$tmp/log")"
[ "$(head -n 1 "$json")" = "$(printf '%s' '{"bench":"mutex","case":"uncontended",' \
	'"subject":"weft","workers":1,"unit":"ns/lock",' \
	'"median":2.5,"min":1.5,"max":3.5,"runs":3,"checked":true}')" ] ||
	fail "the first line of results.jsonl is $(head -n 1 "$json")"
has_row parking_lot 1 ns/lock '"median":1.25,"min":1.25,'
[ "$(grep -c . "$json")" -eq 3 ] || fail "results.jsonl has not three lines: $(cat "$json")"
says "$tmp/out" "2.0x slower"
says "$tmp/out" "2.0x faster"
says "$tmp/out" "skipped std: the crate is not installed"
says "$tmp/out" "skipped go: this one cannot"
says "$tmp/out" "skipped pthread: not built"
says "$tmp/b/bench/mutex.svg" "</svg>"

# --- answers that are none, one after the other
for body in 'echo bad the count is wrong' 'echo ok 5 ns/element' 'echo ok' 'echo ok 5 ns/lock x' \
	'echo ok 5 ns/lock; echo more' 'echo ok -5 ns/lock' 'echo ok nan ns/lock' 'true' \
	'echo ok 5 ns/lock; echo oops >&2; exit 3' 'kill -ABRT $$'; do
	subject "$bin/weft-mutex" "$body"
	drive 1 --runs 1 mutex/uncontended
	says "$tmp/err" "1 check failed"
	says "$tmp/out" "failed mutex/uncontended, 1 worker: weft:"
done
says "$tmp/out" "killed by signal 6"
rm "$bin/weft-mutex"
drive 1 --runs 1 mutex/uncontended
says "$tmp/out" "weft-mutex is not built"

# --- a failure in the second run keeps the first figure, but not as checked
rm -f "$tmp/log"
subject "$bin/weft-mutex" "echo weft >>$tmp/log
	[ \$(grep -c weft $tmp/log) -lt 2 ] && echo ok 5 ns/lock || echo bad lost one"
drive 1 --runs 3 mutex/uncontended
has_row weft 1 ns/lock '"median":5,"min":5,"max":5,"runs":1,"checked":false}'
[ "$(grep -c weft "$tmp/log")" -eq 2 ] || fail "a failed subject was run again"

# --- a subject that hangs is killed, with what it started, and the rest goes on
subject "$bin/weft-mutex" "sleep 1000 & echo \$! >$tmp/pid; wait"
WEFT_BENCH_LIMIT_S=1 drive 1 --runs 2 mutex/uncontended
says "$tmp/out" "killed, no answer within 1 s"
says "$json" '"subject":"atomic-add"'
state=$(sed 's/.*) //; s/ .*//' "/proc/$(cat "$tmp/pid")/stat" 2>/dev/null)
case $state in '' | Z | X) ;; *) fail "the hung subject's child is still alive ($state)" ;; esac

# --- a served subject is given to its load, with the environment that it is to have
subject "$bin/weft-echo" 'echo bad the load was left out'
subject "$bin/bench-load" "echo ok \$((\$4 + \$(expr \"\$WEFT_REACTOR\" : uring) * 100)) ns/request
	[ \"\$1 \$2\" = '$bin/weft-echo echo' ] || echo bad arguments"
drive 0 --runs 1 echo/c1
has_row weft 1 ns/request '"median":1,'
has_row weft-uring 1 ns/request '"median":501,'

# --- nothing is a figure too, to which there is no ratio
subject "$bin/bench-load" 'echo ok 0 us/s'
drive 0 --runs 1 idle_cpu
has_row weft "$(nproc)" us/s '"median":0,'
if grep -q inf "$tmp/out" || grep -q nan "$tmp/out"; then fail "a ratio to nothing"; fi

# --- an interrupt in the second run shows the first one
rm -f "$tmp/log"
subject "$bin/weft-mutex" "echo weft >>$tmp/log
	[ \$(grep -c weft $tmp/log) -lt 2 ] && echo ok 7 ns/lock && exit
	kill -INT \$PPID
	sleep 1000"
drive 130 --runs 5 mutex
says "$tmp/err" "interrupted"
has_row weft 1 ns/lock '"median":7,'
says "$tmp/out" "7.00"

# --- pinned cases run on one CPU
subject "$bin/weft-channel" 'echo ok $(nproc) ns/message'
drive 0 --runs 1 cap0_1to1_pinned
says "$json" '"case":"cap0_1to1_pinned"'
has_row weft 1 ns/message '"median":1,'

# --- commands: the output is compared, and the peak memory recorded
echo one >"$tmp/tree/a"
echo two >"$tmp/tree/b b"
echo three >"$tmp/tree/sub/c"
WEFT_BENCH_TREE=$tmp/tree
export WEFT_BENCH_TREE
hash="shift; find \"\$@\" -type f -print0 | sort -z | xargs -0 sha256sum"
subject "$tmp/b/x/weft" "$hash"
drive 0 --runs 2 sum/tree
says "$json" '"case":"tree","subject":"xargs-P"'
grep -q '"case":"tree_memory","subject":"weft",.*"unit":"MiB","median":[1-9]' "$json" ||
	fail "no peak memory: $(cat "$json")"
for wrong in '| sed 1d' '| head -n 2' '| sort -r' '| tr a b' '; exit 1'; do
	subject "$tmp/b/x/weft" "$hash $wrong"
	drive 1 --runs 1 sum/tree
	says "$tmp/out" "failed sum/tree"
done
rm "$tmp/b/x/weft"
drive 1 --runs 1 sum/tree
says "$tmp/out" "failed with status 127"
echo "PASS: driver"
