# SPDX-License-Identifier: MIT
#
# Goal: no bytes crash the parser of `weft kv`, and how they arrive does not matter.
# Method: libFuzzer with the address and undefined-behaviour sanitizers, for ten seconds,
# from a few requests on; WEFT_FUZZ_SECONDS is for longer runs. What it finds is kept in
# the build folder.
. "$(dirname "$0")/../cli/rig"
clang=
for c in clang clang-14; do
	command -v $c >/dev/null && clang=$c && break
done
[ -n "$clang" ] || skip "clang, which has the fuzzer, is not installed"
[ -z "${WEFT_SANITIZE-}" ] || skip "it brings sanitizers of its own; the plain build runs it"
echo 'int LLVMFuzzerTestOneInput(const char *d, long n); 
int LLVMFuzzerTestOneInput(const char *d, long n) { return d && n < 0; }' >probe.c
$clang -fsanitize=fuzzer probe.c -o probe 2>err ||
	skip "this clang has no libFuzzer: $(head -n 1 err)"

: "${WEFT_SOURCE:?the folder of the sources}"
app=$WEFT_SOURCE/apps/weft
$clang -std=gnu11 -D_GNU_SOURCE -O1 -g -fsanitize=fuzzer,address,undefined \
	-fno-sanitize-recover=all -I"$WEFT_SOURCE/include" \
	"$WEFT_SOURCE/test/fuzz/kv_resp.c" "$app/kv/resp.c" "$app/buf.c" -lm -o fuzz || exit 1

mkdir seeds
seed() { printf "$2" >"seeds/$1"; }
seed ping '\1\2\3\4*1\r\n$4\r\nPING\r\n'
seed set '\0\0\0\0*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\nv\r\nx\n\r\n*1\r\n$0\r\n\r\n'
seed inline '\0\7\0\7SET k "a\\x41\\n" '"'b\\\\''"'\r\nGET k\n\n'
seed many '\7\0\0\0*9\r\n$1\r\n1\r\n$2\r\n-1\r\n$3\r\n1.5\r\n$3\r\ninf\r\n$1\r\nx\r\n'
cat >words <<'END'
"*1\x0d\x0a$"
"\x0d\x0a"
"$-1\x0d\x0a"
"*-1\x0d\x0a"
"9223372036854775807"
"\\x4"
"\""
"'"
END
found=${WEFT_BUILD:-.}/fuzz
mkdir -p "$found"
./fuzz -max_total_time="${WEFT_FUZZ_SECONDS:-10}" -max_len=6000 -dict=words -verbosity=1 \
	-print_final_stats=1 -artifact_prefix="$found/" seeds >log 2>&1
is "the fuzzer: exit code" $? 0
[ "$failures" -eq 0 ] || tail -n 40 log
grep -e 'cov:' log | tail -n 1
grep -e 'number_of_executed_units' log
done_all
