# SPDX-License-Identifier: MIT
#
# Goal: a reader that goes ends the program quietly; a disk that is full, or no
# output at all, is told, and the exit code is 1.
# Method: a pipe into a reader of one line, /dev/full, a closed descriptor.
. "$(dirname "$0")/rig"

mkdir tree
(cd tree && seq -f '%05g' 2500 | xargs touch)

for how in sum "sum --json" "sum --duplicates"; do
	# shellcheck disable=SC2086 # a command and its options
	{ timeout 60 "$WEFT" $how tree 2>err; echo $? >rc; } | head -n 1 >first
	is "$how, reader gone: exit code" "$(cat rc)" 141
	silent "$how, reader gone" err
	is "$how, reader gone: it got its line" "$(($(wc -l <first)))" 1
done

if [ -w /dev/full ]; then
	"$WEFT" sum tree/00001 >list
	for how in "sum tree" "sum tree/00001" "sum -c list" doctor help "help sum" --version; do
		# shellcheck disable=SC2086 # a command and its options
		"$WEFT" $how >/dev/full 2>err
		is "$how, disk full: exit code" $? 1
		says "$how, disk full" err 'cannot write to standard output: No space left'
		is "$how, disk full: lines" "$(($(wc -l <err)))" 1
	done
fi

"$WEFT" sum tree >&- 2>err
is "no standard output: exit code" $? 1
says "no standard output" err 'cannot write to standard output'
"$WEFT" sum tree/00001 <&- >out 2>err
is "no standard input, not needed: exit code" $? 0
"$WEFT" sum - <&- >out 2>err
is "no standard input, needed: exit code" $? 1
says "no standard input, needed" err '^weft sum: -: Bad file descriptor'
"$WEFT" sum tree none >out 2>&-
is "no standard error: exit code" $? 1
is "no standard error: the rest" "$(($(wc -l <out)))" 2500

# A reader sees a line while the program still waits for more to do.
printf 'x' >file
sha256sum file | sed 's/file$/!file/' >wanted
mv file '!file'
mkfifo lines in
"$WEFT" sum '!file' zero - <in >lines 2>err &
pid=$!
exec 4>in 3<lines
read -r line <&3
is "a line comes before the end" "$line" "$(cat wanted)"
exec 4>&- 3<&-
wait "$pid"
done_all
