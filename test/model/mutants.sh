#!/bin/sh
# SPDX-License-Identifier: MIT
#
# mutants.sh BUILD [FILTER]: plants bugs one by one, a line each, and says whether the
# models caught them. First those that need no compiler (weft-model --mutants), then
# the patches of patches.txt: a copy of the source is changed and compiled as CMake
# compiled the original, and the models are linked with it.
#
# An entry of patches.txt:
#
#     @ name, which is what is wrong
#     file src/wait/queue.c
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

if [ "${WEFT_MUTANTS-}" != patches ]; then
	"$build/test/model/weft-model" --mutants "$filter" 2>&1 | tee "$work/log" |
		grep -v ' passed, '
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

# compile FILE COPY OBJECT: as CMake compiled FILE for the model.
compile() {
	command=$(awk -v file="$PWD/$1" '
		/"command":/ && /weft_model_objects/ { line = $0 }
		/"file":/ && index($0, "\"" file "\"") && line != "" { print line; exit }
		/^}/ { line = "" }' "$build/compile_commands.json" |
		sed 's/^ *"command": "//; s/",$//; s/\\"/"/g; s/ -o .*//')
	[ -n "$command" ] || return 1
	eval "$command -I$PWD/$(dirname -- "$1") -w -o $3 -c $2"
}

# caught MODELS: whether one of them fails; prints which, and how.
caught() {
	for model in $1; do
		line=$(timeout 120 "$work/weft-model" "$model" --first 2>&1 | grep '^FAIL' |
			head -n 1)
		if [ -n "$line" ]; then
			echo "$line" | awk '{ print $2 }'
			return 0
		fi
	done
	return 1
}

# try NAME FILE MODELS REASON PATCH: one entry.
try() {
	case $1 in *"$filter"*) ;; *) case $2 in *"$filter"*) ;; *) return ;; esac ;; esac
	copy=$work/$(basename -- "$2")
	if ! change "$2" "$5" >"$copy"; then
		say "BROKEN     $2, $1: the lines to change are not there, or not once"
		failed=$((failed + 1))
		return
	fi
	if [ -n "$4" ]; then
		say "equivalent $2, $1: $4"
		passed=$((passed + 1))
		return
	fi
	cp "$build/libweft_check.a" "$work/libweft_check.a"
	object=$work/$(basename -- "$2").o
	if ! compile "$2" "$copy" "$object" || ! ar r "$work/libweft_check.a" "$object" ||
		! ${CC:-cc} "$build"/CMakeFiles/weft_model_tests.dir/test/model/*.o \
			"$work/libweft_check.a" -lpthread -o "$work/weft-model"; then
		say "BROKEN     $2, $1: does not compile"
		failed=$((failed + 1))
		return
	fi
	if by=$(caught "$3"); then
		say "caught     $2, $1: $by"
		passed=$((passed + 1))
	else
		say "SURVIVED   $2, $1: no model of \"$3\" fails"
		failed=$((failed + 1))
	fi
}

say() { printf '%s\n' "$*"; }

name='' file='' models='' reason=''
: >"$work/patch"
while IFS= read -r line || [ -n "$line" ]; do
	case $line in
	'@ '*)
		[ -z "$name" ] || try "$name" "$file" "$models" "$reason" "$work/patch"
		name=${line#@ } file='' models='' reason=''
		: >"$work/patch"
		;;
	'file '*) file=${line#file } ;;
	'models '*) models=${line#models } ;;
	'equivalent '*) reason=${line#equivalent } ;;
	-* | +*) printf '%s\n' "$line" >>"$work/patch" ;;
	esac
done <"$here/patches.txt"
[ -z "$name" ] || try "$name" "$file" "$models" "$reason" "$work/patch"

say "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
