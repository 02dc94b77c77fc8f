# SPDX-License-Identifier: MIT
#
# Goal: what cannot be summed is told on standard error, everything else is done,
# and the exit code is 1.
# Method: one trouble of each kind among good files.
. "$(dirname "$0")/rig"

mkdir tree tree/b
echo 1 >tree/a
echo 2 >tree/b/c
echo 3 >tree/d
reference tree >wanted

# trouble WHAT SENTENCE PATH...: the good files come, and the sentence
trouble() {
	what=$1
	sentence=$2
	shift 2
	is "$what: exit code" "$(code timeout 20 "$WEFT" sum "$@" tree)" 1
	same "$what: the rest" out wanted
	is "$what: lines on stderr" "$(($(wc -l <err)))" 1
	says "$what" err "$sentence"
}

mkfifo pipe
ln -s nowhere dangling
ln -s loop1 loop2
ln -s loop2 loop1
trouble "a missing file" '^weft sum: missing: No such file' missing
trouble "a dangling link" '^weft sum: dangling: No such file' dangling
trouble "a loop of links" '^weft sum: loop1: Too many levels' loop1
trouble "a FIFO" '^weft sum: pipe: is a FIFO' pipe
trouble "a device" '^weft sum: /dev/null: is a device' /dev/null
trouble "an empty name" "^weft sum: '': No such file" ''
trouble "a name to be quoted" "^weft sum: 'a b'\\\$'.n''c': No such file" "$(printf 'a b\nc')"

# What is no regular file is left out silently below a PATH, as find -type f does.
mkfifo tree/pipe
ln -s a tree/link
ln -s . tree/self
is "other kinds in a tree: exit code" "$(code timeout 20 "$WEFT" sum tree)" 0
same "other kinds in a tree" out wanted
silent "other kinds in a tree" err
rm tree/pipe tree/link tree/self

# Unreadable files and directories, as a user whom permissions bind.
as_user() { "$@"; }
if [ "$(id -u)" -eq 0 ]; then
	as_user() { setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; }
	chmod 755 . && cp "$WEFT" ./weft-copy && chmod 755 weft-copy
	as_user ./weft-copy --version >/dev/null 2>&1 || as_user() { false; }
else
	cp "$WEFT" ./weft-copy
fi
if as_user ./weft-copy --version >/dev/null 2>&1; then
	chmod 000 tree/a tree/b
	grep 'tree/d' wanted >rest
	as_user timeout 20 ./weft-copy sum tree >out 2>err
	is "unreadable: exit code" $? 1
	same "unreadable: the rest" out rest
	says "unreadable file" err '^weft sum: tree/a: Permission denied'
	says "unreadable directory" err '^weft sum: tree/b: Permission denied'
	chmod 755 tree/a tree/b

	# One process and so many threads, all of a user who has no others.
	if [ "$(id -u)" -eq 0 ] && [ -z "${WEFT_SANITIZE-}" ]; then
		for n in 1 2 3 4 5 6; do
			as_user prlimit --nproc=$n ./weft-copy sum -j 4 tree >out 2>err
			is "$n threads: exit code" $? 1
			says "$n threads" err '^weft sum: .*the system gives no more threads'
		done
	fi
fi

# A file that goes between its directory being read and its turn. The line of f0
# shows that the directory has been read; the one worker then is busy with a file
# that takes for ever, until it is cut short under its hands.
mkdir many
echo 1 >many/f0
truncate -s 1T many/f1
echo 3 >many/f3
echo 4 >many/f4
mkfifo lines
"$WEFT" sum -j 1 many >lines 2>err &
pid=$!
exec 3<lines
read -r first <&3
rm many/f3
truncate -s 0 many/f1
cat <&3 >out
exec 3<&-
wait "$pid"
is "a vanished file: exit code" $? 1
is "a vanished file: the first line" "${first##* }" many/f0
is "a vanished file: the rest" "$(sed 's/.* //' out | tr '\n' ' ')" "many/f1 many/f4 "
says "a vanished file" err '^weft sum: many/f3: No such file'

# Too few descriptors is an error with a sentence, not a hang.
for n in 4 5 6; do
	is "$n descriptors: exit code" \
		"$(code sh -c 'ulimit -n '$n'; exec "$@"' sh timeout 20 "$WEFT" sum tree)" 1
	says "$n descriptors" err '^weft sum: .*Too many open files'
done
done_all
