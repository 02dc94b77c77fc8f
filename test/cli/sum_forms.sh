# SPDX-License-Identifier: MIT
#
# Goal: --duplicates finds exactly the files that have equals, and --json is JSON
# with the same content as the lines.
# Method: groups worked out by sort and awk from sha256sum's lines; JSON read back
# by a parser where the machine has one, and by its shape in any case.
. "$(dirname "$0")/rig"
command -v sha256sum >/dev/null || skip "there is no sha256sum to compare with"

# The groups of sha256sum's lines in `wanted`, in the order of their first file.
groups_of() {
	awk '{ hash = substr($0, 1 + (substr($0, 1, 1) == "\\"), 64)
		if (!(hash in count)) order[++n] = hash
		line[hash, ++count[hash]] = $0 }
	END { for (i = 1; i <= n; i++) {
		if (count[order[i]] < 2) continue
		if (some++) print ""
		for (k = 1; k <= count[order[i]]; k++) print line[order[i], k] } }' "$1"
}

odd_tree odd
mkdir odd/copies
head -c 300000 /dev/urandom >odd/copies/big1
cp odd/copies/big1 odd/copies/big2
cp odd/copies/big1 odd/copies/other
printf x | dd of=odd/copies/other bs=1 seek=299999 conv=notrunc 2>/dev/null
ln odd/plain odd/copies/hard
: >odd/copies/empty
reference odd >wanted-all
groups_of wanted-all >wanted
is "the groups are some" "$(grep -c "^\$" wanted)" 10
for j in 1 2 8; do
	is "duplicates -j $j: exit code" "$(code "$WEFT" sum --duplicates -j "$j" odd)" 0
	same "duplicates -j $j" out wanted
	silent "duplicates -j $j" err
done
is "duplicates, named twice: exit code" "$(code "$WEFT" sum --duplicates odd odd)" 0
same "duplicates, named twice" out wanted
sed '/^$/d' wanted | "$WEFT" sum -c --quiet --strict >out 2>err
is "the groups are a list to verify" $? 0
mkdir single && echo 1 >single/one && echo 2 >single/two && echo 12 >single/three
is "no duplicates: exit code" "$(code "$WEFT" sum --duplicates single)" 0
silent "no duplicates" out
is "duplicates and a missing file: exit code" "$(code "$WEFT" sum --duplicates odd none)" 1
same "duplicates and a missing file" out wanted
says "duplicates and a missing file" err '^weft sum: none: No such file'

# objects FILE: every line one object, by whichever parser there is.
objects() {
	if command -v jq >/dev/null; then
		jq -e -c 'type == "object"' "$1" >parsed 2>&1
	elif command -v python3 >/dev/null; then
		python3 -c 'import json, sys
for line in open(sys.argv[1], encoding="utf-8"):
	print("true" if isinstance(json.loads(line), dict) else "false")' "$1" >parsed 2>&1
	else
		sed 's/^{"[a-z0-9]*":.*[]"}0-9a-z]}$/true/' "$1" >parsed
	fi
	is "$2: each line is an object" "$(sort -u parsed)" true
	is "$2: objects" "$(($(wc -l <parsed)))" "$3"
}

is "json: exit code" "$(code "$WEFT" sum --json odd none)" 1
objects out "json" $(($(wc -l <wanted-all) + 1))
sed -n 's/.*"sha256":"\([0-9a-f]*\)"}$/\1/p' out >hashes
sed 's/^\\//; s/ .*//' wanted-all | cut -c1-64 | grep . >wanted-hashes
grep -a -o '^\\\{0,1\}[0-9a-f]\{64\}' wanted-all | tr -d '\\' >wanted-hashes
same "json: the hashes" hashes wanted-hashes
says "json: a name that is UTF-8" out '"path":"odd/ä","size":10,'
says "json: a name that is not" out '"path":"odd/\\ufffd\\ufffd","path_hex":"6f64642ffffe",'
says "json: a name with a newline" out '"path":"odd/new\\u000aline",'
says "json: an error" out '^{"path":"none","error":"No such file or directory"}$'

"$WEFT" sum odd/plain single none 2>/dev/null >list
printf '%064d  single/one\n' 0 >>list
printf '%064d  none\n' 0 >>list
is "json of -c: exit code" "$(code "$WEFT" sum -c --json list)" 1
objects out "json of -c" 6
says "json of -c: well" out '^{"path":"odd/plain","ok":true}$'
says "json of -c: wrong" out '^{"path":"single/one","ok":false}$'
says "json of -c: missing" out '^{"path":"none","error":"No such file or directory"}$'

is "json of duplicates: exit code" "$(code "$WEFT" sum --duplicates --json odd)" 0
objects out "json of duplicates" 11
says "json of duplicates" out \
	'"size":300000,"files":\[{"path":"odd/copies/big1"},{"path":"odd/copies/big2"}\]}$'
done_all
