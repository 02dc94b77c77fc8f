# SPDX-License-Identifier: MIT
#
# Goal: `weft sum -c` says what `sha256sum -c` says: the same lines on standard
# output and on standard error (but for the program's name and the quotes around
# names there), the same exit code.
# Method: both run on the same lists: made by hand for each rule, then random ones
# put together from pieces of lines.
. "$(dirname "$0")/rig"
command -v sha256sum >/dev/null || skip "there is no sha256sum to compare with"

printf 'a' >plain
printf 'b' >'sp ace'
printf 'c' >"$(printf 'nl\nx')"
printf 'd' >'bs\x'
mkdir dir
ln -s loop loop
H=$(sha256sum plain | cut -d' ' -f1)
N=$(sha256sum "$(printf 'nl\nx')" | cut -c2-65)
B=$(sha256sum 'bs\x' | cut -c2-65)
U=$(printf '%s' "$H" | tr a-f A-F)
W=$(printf '%064d' 0)

# Messages without what is each program's own: its name, and how it quotes.
plain_words() { sed -e 's/^weft sum: //; s/^sha256sum: //' -e "s/['\"\$]//g" "$1"; }

# both WHAT OPTIONS... : on the list in file L
both() {
	what=$1
	shift
	sha256sum -c "$@" L >wanted 2>wanted-err
	wanted_code=$?
	is "$what: exit code" "$(code timeout 20 "$WEFT" sum -c "$@" L)" "$wanted_code"
	same "$what" out wanted
	plain_words err >err-words
	plain_words wanted-err >wanted-words
	same "$what: messages" err-words wanted-words
}

# list WHAT TEXT: the list by each option
list() {
	printf '%b' "$2" >L
	for options in "" --quiet --status --strict -w --ignore-missing \
		"--ignore-missing --status" "--quiet -w --strict" "--status --strict"; do
		# shellcheck disable=SC2086 # several options
		both "$1 $options" $options
	done
}

list "all well" "$H  plain\n$N  dir/../plain\n\\\\$N  nl\\\\nx\n"
list "spellings" "$U  plain\n$H *plain\n\\\\$B  bs\\\\\\\\x\n"
list "tagged" "SHA256 (plain) = $H\nSHA256(plain)=$H\n"
list "one space" "$H plain\n$H  plain\n$H *plain\n"
list "two spaces, then one" "$H  plain\n$H plain\n"
list "mismatches" "$W  plain\n$W  sp ace\n$H  plain\n"
list "one mismatch" "$W  plain\n"
list "not there" "$H  nope\n$H  plain\n$H  nope either\n"
list "all not there" "$H  nope\n"
list "no files" "$H  dir\n$H  loop\n"
list "malformed" "x\n$H  plain\n$H\nSHA1 (plain) = $H\n"
list "one malformed" "$H  plain\n\n# comment\n # no comment\n"
list "nothing good" "x\ny\n"
list "an empty list" ""
list "comments alone" "# x\n\n"
list "ends of lines" "$H  plain\r\n\r\n$H  plain"
list "a NUL" "$H  plain\\0x\n"
list "a backslash that means nothing" "$H  pl\\\\ain\n\\\\$H  pl\\\\ain\n"
list "a name of a blank" "$H  \n$H  \n"
printf '%s  %03000d\n' "$H" 0 >L
both "a long name"

# Random lists.
n=0
while [ "$n" -lt 120 ]; do
	n=$((n + 1))
	awk -v seed="$n" -v H="$H" -v U="$U" -v W="$W" -v N="$N" 'BEGIN {
		srand(seed)
		split(H "|" U "|" W "|" N "|SHA256|SHA256 (|SHA256(|) = |)=|) =" \
			"| | |  |  |\t| *|*|plain|plain|plain|sp ace|nl\\nx|bs\\\\x|bs\\x" \
			"|nope|dir|-x|\\|\\|#|\r|0|g|(|)|=", piece, "|")
		lines = 1 + int(rand() * 8)
		for (i = 0; i < lines; i++) {
			if (rand() < 0.6) {
				# Nearly right.
				lead = rand() < 0.3 ? "\\" : rand() < 0.1 ? " " : ""
				printf "%s%s%s%s", lead, piece[1 + int(rand() * 4)], \
					piece[11 + int(rand() * 7)], piece[18 + int(rand() * 9)]
			} else {
				for (k = int(rand() * 7); k > 0; k--)
					printf "%s", piece[1 + int(rand() * 36)]
			}
			if (i + 1 < lines || rand() < 0.8)
				printf "\n"
		}
	}' >L
	case $((n % 4)) in
	0) both "random list $n" ;;
	1) both "random list $n" -w --strict ;;
	2) both "random list $n" -w --ignore-missing ;;
	3) both "random list $n" --quiet -w ;;
	esac
	[ "$failures" -lt 20 ] || break
done

# Several lists, a list that is not there, standard input.
printf '%s  plain\nx\n' "$H" >L1
printf '%s  plain\n' "$W" >L2
sha256sum -c L1 none L2 >wanted 2>wanted-err
is "several lists: exit code" "$(code "$WEFT" sum -c L1 none L2)" 1
same "several lists" out wanted
plain_words err >err-words
plain_words wanted-err >wanted-words
same "several lists: messages" err-words wanted-words
sha256sum -c <L1 >wanted
is "a list from standard input: exit code" "$("$WEFT" sum -c <L1 >out 2>err; echo $?)" 0
same "a list from standard input" out wanted
is "a list from -: exit code" "$(cat L1 | "$WEFT" sum -c - >out 2>err; echo $?)" 0
same "a list from -" out wanted
mkfifo list-pipe
cat L1 >list-pipe &
is "a list from a FIFO: exit code" "$(code "$WEFT" sum -c list-pipe)" 0
same "a list from a FIFO" out wanted

# Where the two part: what is no file of bytes is not read, so nothing hangs.
mkfifo pipe
printf '%s  pipe\n%s  /dev/null\n' "$H" "$H" >L
is "a FIFO and a device in a list: exit code" "$(code timeout 20 "$WEFT" sum -c L)" 1
is "a FIFO and a device in a list" "$(tr '\n' ' ' <out)" \
	"pipe: FAILED open or read /dev/null: FAILED open or read "

# What sum prints, sum verifies, and sees a changed byte.
odd_tree odd
"$WEFT" sum odd >sums
is "its own list: exit code" "$(code "$WEFT" sum -c --strict sums)" 0
is "its own list: lines" "$(($(wc -l <out)))" "$(($(wc -l <sums)))"
printf 'x' >>odd/a/x
is "a changed file: exit code" "$(code "$WEFT" sum -c --quiet sums)" 1
is "a changed file" "$(cat out)" "odd/a/x: FAILED"
done_all
