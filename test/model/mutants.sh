#!/bin/sh
# SPDX-License-Identifier: MIT
#
# mutants.sh BUILD [FILTER]: plants bugs one by one, a line each, and says whether the
# models caught them. First those that need no compiler (weft-model --mutants), then
# the patches of patches.txt, one a processor: a copy of the source is changed and
# compiled as CMake compiled the original, and the models are linked with it.
#
# An entry of patches.txt:
#
#     @ name, which is what is wrong
#     file src/wait/queue.c
#     with src/wait/block.c       of a header: the sources that are compiled with it
#     models event_ mutex_        parts of names; the first that fails catches it
#     equivalent REASON           instead of models: why nothing can fail
#     - lines that are taken out, one after the other as they stand in the file
#     + lines that come in their place
#
# WEFT_MUTANTS=patches leaves out the first kind. The last line is `N passed, N failed`;
# exit 1 if one survived.
set -u
build=${1:?BUILD}
filter=${2-}
here=$(dirname -- "$0")
work=$build/test/model/mutant
mkdir -p "$work"
passed=0 failed=0

# The checker's mutants print their own progress; it goes past the file to stderr.
if [ "${WEFT_MUTANTS-}" != patches ]; then
	hidden=' passed, '
	[ -t 1 ] && [ -t 2 ] && hidden="$hidden\|^caught\|^equivalent"
	"$build/test/model/weft-model" --mutants "$filter" | tee "$work/log" | grep -v "$hidden"
	passed=$(sed -n '$s/^\([0-9]*\) passed, .*/\1/p' "$work/log")
	failed=$(sed -n '$s/.* passed, \([0-9]*\) failed$/\1/p' "$work/log")
	: "${passed:=0}" "${failed:=1}"
fi

# change FILE PATCH >COPY: exit 1 when the lines are not there exactly once.
change() {
	awk -v patch="$2" '
	function trim(s) { sub(/^[ \t]+/, "", s); return s }
	BEGIN {
		while ((getline line < patch) > 0) {
			if (line ~ /^-/)
				old[++olds] = trim(substr(line, 2))
			else if (line ~ /^\+/)
				new[++news] = substr(line, 3)
		}
	}
	{ text[NR] = $0 }
	END {
		for (i = 1; i <= NR; i++) {
			for (k = 1; k <= olds && trim(text[i + k - 1]) == old[k]; k++)
				;
			if (k > olds) {
				for (k = 1; k <= news; k++)
					print new[k]
				i += olds - 1
				hits++
			} else
				print text[i]
		}
		exit hits == 1 ? 0 : 1
	}' "$1"
}

# compile FILE COPY OBJECT [FLAG]: as CMake compiled FILE for the model.
compile() {
	command=$(awk -v file="$PWD/$1" '
		/"command":/ && /weft_model_(objects|tests)/ { line = $0 }
		/"file":/ && index($0, "\"" file "\"") && line != "" { print line; exit }
		/^}/ { line = "" }' "$build/compile_commands.json" |
		sed 's/^ *"command": "//; s/",$//; s/\\"/"/g; s/ -o .*//')
	[ -n "$command" ] || return 1
	eval "${command%% *} ${4-} ${command#* } -I$PWD/$(dirname -- "$1") -w -o $3 -c $2"
}

# caught MODELS DIR: whether one of them fails; prints which.
caught() {
	for model in $1; do
		line=$(timeout 300 "$2/weft-model" "$model" --first 2>&1 </dev/null |
			grep '^FAIL' | head -n 1)
		if [ -n "$line" ]; then
			echo "$line" | awk '{ print $2 }'
			return 0
		fi
	done
	return 1
}

# compile_with DIR: the sources that want the changed header there, which takes the place
# of the original by coming first. Prints the objects, theirs before the untouched ones.
compile_with() {
	inside=$1/include/$(dirname -- "${file#src/}")
	mkdir -p "$inside" && cp "$copy" "$inside" || return 1
	for source in $with; do
		compile "$source" "$source" "$1/$(basename -- "$source").o" "-I$1/include" ||
			return 1
	done
	for original in "$build"/CMakeFiles/weft_model_tests.dir/test/model/*.o; do
		[ -e "$1/$(basename -- "$original")" ] || echo "$original"
	done
	echo "$1"/*.o
}

# objects DIR: what is linked before the library.
objects() {
	case $file in
	*.h) compile_with "$1" ;;
	*)
		compile "$file" "$copy" "$copy.o" || return 1
		echo "$build"/CMakeFiles/weft_model_tests.dir/test/model/*.o "$copy.o"
		;;
	esac
}

# try DIR: the entry there; what came of it goes to DIR/result. The changed object stands
# before the library, whose own is then not asked for.
try() {
	file=$(cat "$1/file") name=$(cat "$1/name") models=$(cat "$1/models")
	with=$(cat "$1/with")
	copy=$1/$(basename -- "$file")
	if ! change "$file" "$1/patch" >"$copy"; then
		echo "BROKEN     $file, $name: the lines to change are not there, or not once"
	elif [ -s "$1/reason" ]; then
		echo "equivalent $file, $name: $(cat "$1/reason")"
	elif ! objects=$(objects "$1") ||
		! ${CC:-cc} $objects "$build/libweft_check.a" -lpthread -o "$1/weft-model"; then
		echo "BROKEN     $file, $name: does not compile"
	elif by=$(caught "$models" "$1"); then
		echo "caught     $file, $name: $by"
	else
		echo "SURVIVED   $file, $name: no model of \"$models\" fails"
	fi >"$1/result" 2>"$1/errors"
	rm -f "$1/weft-model"
}

# split: an entry a folder, those that the filter wants.
split() {
	awk -v work="$work" -v filter="$filter" '
	function flush() {
		if (name == "" || (!index(name, filter) && !index(file, filter)))
			return
		dir = work "/" ++count
		system("mkdir -p " dir)
		printf "%s", name >(dir "/name")
		printf "%s", file >(dir "/file")
		printf "%s", with >(dir "/with")
		printf "%s", models >(dir "/models")
		printf "%s", reason >(dir "/reason")
		printf "%s", patch >(dir "/patch")
		close(dir "/name"); close(dir "/file"); close(dir "/with"); close(dir "/models")
		close(dir "/reason"); close(dir "/patch")
	}
	/^@ / { flush(); name = substr($0, 3); file = with = models = reason = patch = "" }
	/^file / { file = substr($0, 6) }
	/^with / { with = substr($0, 6) }
	/^models / { models = substr($0, 8) }
	/^equivalent / { reason = substr($0, 12) }
	/^[-+]/ { patch = patch $0 "\n" }
	END { flush(); print count + 0 }' "$here/patches.txt"
}

# worker: takes entries until none is left. To make a folder is to claim its entry.
worker() {
	n=1
	while [ "$n" -le "$count" ]; do
		if mkdir "$work/$n/claimed" 2>/dev/null; then
			try "$work/$n"
			show "$work/$n"
		fi
		n=$((n + 1))
	done
}

# show DIR: a line; on a terminal a bar, and lines only of what is wrong.
show() {
	line=$(cat "$1/result")
	done=$(cat "$work"/*/result | grep -c .)
	if [ -t 2 ]; then
		bar=$(printf '%*s' $((40 * done / count)) '' | tr ' ' '#')
		case $line in
		caught* | equivalent*) ;;
		*) printf '\r%79s\r%s\n' '' "$line" >&2 ;;
		esac
		printf '\r[%-40s] %d of %d patches ' "$bar" "$done" "$count" >&2
		[ -t 1 ] && return
	fi
	printf '%s\n' "$line"
}

rm -rf "${work:?}"/[0-9]*
count=$(split)
jobs=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
while [ "$jobs" -gt 0 ]; do
	worker &
	jobs=$((jobs - 1))
done
wait
[ -t 2 ] && [ "$count" -gt 0 ] && echo >&2
if [ "$count" -gt 0 ]; then
	good=$(cat "$work"/*/result | grep -c '^caught\|^equivalent')
	passed=$((passed + good)) failed=$((failed + count - good))
fi
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
