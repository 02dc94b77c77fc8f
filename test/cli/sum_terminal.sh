# SPDX-License-Identifier: MIT
#
# Goal: on a terminal a line shows how far it is, keeps out of the way of results
# and messages, and is gone at the end; elsewhere there is no such line.
# Method: script(1) as the terminal, and a FIFO as an input that ends when we say.
. "$(dirname "$0")/rig"
command -v script >/dev/null || skip "there is no script(1) to make a terminal"
escape=$(printf '\033')

await() {
	tries=0
	until grep -a -q -e "$1" "$2" 2>/dev/null; do
		tries=$((tries + 1))
		[ "$tries" -lt 600 ] || return 1
		sleep 0.05
	done
}

mkdir tree
echo 1 >tree/a
mkfifo in
# Standard output goes to a file, standard error to the terminal.
TERM=xterm script -q -e -f -c "'$WEFT' sum - tree missing <in >out" seen \
	</dev/null >/dev/null 2>&1 &
pid=$!
exec 4>in
head -c 300000 /dev/zero >&4
if await 'files' seen; then pass; else fail "no progress line came"; fi
exec 4>&-
wait "$pid"
is "on a terminal: exit code" $? 1
is "on a terminal: results" "$(sed 's/.* //' out | tr '\n' ' ')" "- tree/a "
says "the line has numbers" seen '/2 files, .*KiB'
says "the line has a bar" seen '\[[#>.]*\] *[0-9]*%'
# The last of the line is its removal; messages stand on lines of their own.
tr '\r' '\n' <seen | grep -a -v '^Script' >pieces
says "the message" pieces "^$escape\\[Kweft sum: missing: No such file"
is "nothing is left of the line" "$(grep -a -c 'files.*[^K]$' pieces)" 0

# Results on the same terminal, more than the buffer holds: the line makes way.
mkdir many
(cd many && seq -f '%05g' 3000 | xargs touch)
TERM=xterm script -q -e -f -c "'$WEFT' sum - many <in" seen </dev/null >/dev/null 2>&1 &
pid=$!
exec 4>in
if await 'files' seen; then pass; else fail "no progress line came"; fi
exec 4>&-
wait "$pid"
is "results on the terminal: exit code" $? 0
tr '\r' '\n' <seen >pieces
hash='[0-9a-f]\{64\}'
is "results on the terminal" "$(grep -a -c "^\($escape\[K\)\{0,1\}$hash  " pieces)" 3001
is "nothing stands before a result" "$(grep -a -c "files.*$hash" pieces)" 0

TERM=xterm script -q -e -c "'$WEFT' sum tree" seen </dev/null >/dev/null 2>&1
is "what takes no time shows no line" "$(grep -a -c 'files' seen)" 0

# A second without input would show the line, three times over.
TERM=dumb script -q -e -c "(sleep 1) | '$WEFT' sum -" seen </dev/null >/dev/null 2>&1
is "a terminal that cannot: exit code" $? 0
is "a terminal that cannot shows no line" "$(grep -a -c 'files' seen)" 0
(sleep 1) | "$WEFT" sum - >out 2>err
silent "no terminal" err
done_all
