# SPDX-License-Identifier: MIT
#
# Goal: Ctrl-C ends `weft sum` within 100 ms, wherever it is: in a large file, at
# a reader that does not read, at an input that does not come, with a full window
# behind a slow file. What was finished is printed, and memory stays in its bounds.
# Method: each of these states is reached for certain (a line that came shows it)
# and then interrupted. A busy machine can delay any one process, so the state is
# set up a few times and the quickest end counts; none may take long.
. "$(dirname "$0")/rig"
env --default-signal=INT true 2>/dev/null || skip "env cannot restore signals here"
limit=100
[ -z "${WEFT_SANITIZE-}" ] || limit=1000

signal=default-signal

# begin ARGS...: starts the program in background, with SIGINT as an interactive
# shell would leave it; its output is the FIFO `lines`, open as 3.
signal=default-signal
begin() {
	rm -f lines
	mkfifo lines
	# In background the shell would take standard input from /dev/null.
	exec 5<&0
	env --$signal=INT "$WEFT" "$@" <&5 >lines 2>err 4>&- 5>&- &
	pid=$!
	exec 3<lines
}

# interrupt SIGNAL: sends it and waits for the end; sets rc and ms.
interrupt() {
	from=$(now_ms)
	kill -s "$1" "$pid"
	wait "$pid"
	rc=$?
	ms=$(($(now_ms) - from))
	exec 3<&-
}

# quickest WHAT STATE SIGNAL CODE: STATE is a function that begins and gets there.
quickest() {
	best=
	for try in 1 2 3 4 5; do
		"$2"
		interrupt "$3"
		is "$1, try $try: exit code" "$rc" "$4"
		says "$1, try $try" err '^weft sum: interrupted after'
		is "$1, try $try: lines on stderr" "$(($(wc -l <err)))" 1
		[ "$ms" -le 5000 ] || fail "$1, try $try: took $ms ms"
		[ -n "$best" ] && [ "$best" -le "$ms" ] || best=$ms
		[ "$best" -gt "$limit" ] || break
	done
	if [ "$best" -le "$limit" ]; then
		pass
	else
		fail "$1: $best ms at best; the most is $limit"
	fi
	echo "$1: $best ms"
}

mkdir large
echo 1 >large/a
truncate -s 4T large/b
in_a_large_file() {
	begin sum -j 2 large
	read -r line <&3
}
quickest "in a large file" in_a_large_file INT 130
quickest "by SIGTERM" in_a_large_file TERM 143
is "in a large file: what was done" "${line##* }" large/a
says "in a large file" err 'interrupted after 1 file (2 B)'

echo 1 >'!first'
in_standard_input() {
	rm -f in
	mkfifo in
	exec 4<>in
	begin sum -- - '!first' <in
	read -r line <&3
}
quickest "at an input that does not come" in_standard_input INT 130
exec 4>&-

# Names so long that some thousand fill the window behind the large file.
deep=$(printf 'd%.0s' $(seq 200))
deep=window/$deep/$deep/$deep/$deep/$deep/$deep/$deep/$deep/$deep/$deep/$deep/$deep/$deep/$deep
mkdir -p "$deep"
(cd "$deep" && seq -f "%05g" 9000 | sed "s/\$/$(printf 'n%.0s' $(seq 200))/" | xargs touch)
echo 1 >window/0a
truncate -s 4T window/0b
printf 'x' >window/0c
# The window is full when the program is at rest but for the worker in the large
# file, that is, when nobody in it went to sleep between one look and the next, three
# times running. The thread that ThreadSanitizer adds sleeps each 100 ms.
alone=0
[ "${WEFT_SANITIZE-}" != thread ] || alone=2
switches() {
	cat /proc/"$pid"/task/*/status 2>/dev/null |
		awk '/^voluntary_ctxt_switches/ { n += $2 } END { print n }'
}
env --default-signal=INT "$WEFT" sum -j 2 window >rest 2>err &
pid=$!
before=0 rests=0
until [ "$rests" -eq 3 ]; do
	sleep 0.1
	now=$(switches)
	if [ -s rest ] && [ "$((now - before))" -le "$alone" ]; then
		rests=$((rests + 1))
	else
		rests=0
	fi
	before=$now
done
peak=$(awk '/^VmHWM/ { print $2 }' /proc/"$pid"/status)
kill -s INT "$pid"
wait "$pid"
rc=$?
is "with a full window: exit code" "$rc" 130
kept=$(($(wc -l <rest)))
[ "$kept" -gt 3000 ] && pass || fail "with a full window: only $kept results were kept and printed"
[ "$kept" -lt 9000 ] && pass || fail "the window was not full: all $kept results were there"
sort -c -k 2 rest 2>sorted && pass || fail "with a full window: out of order: $(cat sorted)"
if [ -z "${WEFT_SANITIZE-}" ]; then
	[ "$peak" -lt 65536 ] && pass || fail "with a full window: $peak KiB in memory"
	echo "with a full window: $kept results waited, $peak KiB in memory"
fi

# A pipe that nobody empties: the program sits in it, or waits to.
at_a_stuck_reader() {
	begin sum -j 2 window/d*
	read -r line <&3
}
quickest "at a reader that does not read" at_a_stuck_reader INT 130

# Ignored from the start, as under nohup: stays ignored.
signal=ignore-signal
in_standard_input
kill -s INT "$pid"
printf 'abc' >&4
exec 4>&-
cat <&3 >rest
wait "$pid"
is "an ignored SIGINT: exit code" $? 0
says "an ignored SIGINT" rest '^ba7816bf8f01cfea'
done_all
