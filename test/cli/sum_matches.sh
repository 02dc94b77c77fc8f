# SPDX-License-Identifier: MIT
#
# Goal: `weft sum` prints, byte for byte, what sha256sum prints for the same files
# in sorted order, for any number of workers.
# Method: the real sha256sum beside it, on awkward names, on random trees, on
# overlapping arguments, and on real files.
. "$(dirname "$0")/rig"
command -v sha256sum >/dev/null || skip "there is no sha256sum to compare with"

# compare WHAT PATH...
compare() {
	what=$1
	shift
	reference "$@" >wanted
	for j in 1 2 8; do
		is "$what, -j $j: exit code" "$(code "$WEFT" sum -j "$j" -- "$@")" 0
		same "$what, -j $j" out wanted
		silent "$what, -j $j" err
	done
}

odd_tree odd
compare "odd names" odd
compare "odd names, from inside" ./odd/
compare "a slash too many" odd//
compare "overlapping arguments" odd odd/a odd/a-b odd/a/x odd odd/plain
ln -s odd link
ln -s odd/plain link-file
compare "links that are named" link link-file
mkdir none
is "an empty directory: exit code" "$(code "$WEFT" sum none)" 0
silent "an empty directory" out

# A tree of a thousand files whose names stand around '/' in the order of bytes.
awk 'BEGIN {
	srand(7); split("a b a- a. a0 aa A", stem, " ")
	for (i = 0; i < 1000; i++) {
		path = "tree"
		for (depth = int(rand() * 4); depth > 0; depth--)
			path = path "/" stem[1 + int(rand() * 7)] ".d" int(rand() * 2)
		print path "/" stem[1 + int(rand() * 7)] int(rand() * 40)
	}
}' | while IFS= read -r path; do
	mkdir -p "${path%/*}" && printf '%s' "$path" >"$path"
done
compare "a random tree" tree

# Sizes around the buffer's, and one file large enough to hold others up.
mkdir sizes
for size in 0 1 63 64 65 4095 4096 4097 131071 131072 131073 262144 20000000; do
	head -c "$size" /dev/urandom >"sizes/$size"
done
compare "sizes" sizes

printf 'some text' >text
sha256sum <text >wanted
is "standard input: exit code" "$("$WEFT" sum <text >out 2>err; echo $?)" 0
same "standard input" out wanted
is "-: exit code" "$("$WEFT" sum - <text >out 2>err; echo $?)" 0
same "-" out wanted
cat text | sha256sum - - >wanted
is "- twice: exit code" "$(cat text | "$WEFT" sum -j 8 - - >out 2>err; echo $?)" 0
same "- twice" out wanted
sha256sum - text <text >wanted
is "- and a file: exit code" "$("$WEFT" sum text - <text >out 2>err; echo $?)" 0
same "- and a file" out wanted

if [ -z "${WEFT_SANITIZE-}" ]; then
	# Not the whole source tree: build/ in it changes while tests run.
	compare "real files" "${WEFT_SOURCE:-/usr}/include" /usr/include /usr/share/doc
else
	compare "real files" /usr/include/linux /usr/include/asm-generic
fi
done_all
