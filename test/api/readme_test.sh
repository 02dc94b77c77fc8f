#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Goal: the program in README.md is the one that is compiled and run.
# Method: the first C block of README.md against examples/readme.c without its head.
root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd) || exit 1
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
block='/^```c$/ { inside = 1; next } /^```$/ { if (inside) exit } inside'
awk "$block" "$root/README.md" >"$dir/readme"
sed -n '/^#include/,$p' "$root/examples/readme.c" >"$dir/example"
[ -s "$dir/readme" ] || { echo "README.md has no C block"; exit 1; }
diff "$dir/readme" "$dir/example" && echo "README.md and examples/readme.c agree"
