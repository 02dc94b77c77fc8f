# SPDX-License-Identifier: MIT
#
# Goal: the doctor reports the machine that it runs on, as text and as JSON.
# Method: what the shell can find out by other means must agree.
. "$(dirname "$0")/rig"

is "doctor: exit code" "$(code timeout 20 "$WEFT" doctor)" 0
silent "doctor" err
says "kernel" out "^kernel  *Linux $(uname -r | sed 's/[.]/\\&/g') $(uname -m)"
says "page" out "^page  *$(getconf PAGESIZE) bytes"
says "descriptors" out "^open files  *at most $(ulimit -n)"
says "futex" out '^futex  *works'
if grep -q "$(printf '\033')" out; then fail "colours without a terminal"; else pass; fi

is "doctor --json: exit code" "$(code timeout 20 "$WEFT" doctor --json)" 0
says "page in JSON" out "\"page_size\": {\"value\": $(getconf PAGESIZE),"
if command -v jq >/dev/null; then
	jq -e 'type == "object" and (map(has("value") and has("state")) | all)' out >parsed 2>&1
	is "it is JSON" $? 0
elif command -v python3 >/dev/null; then
	python3 -c 'import json, sys
assert all("value" in f and "state" in f for f in json.load(open(sys.argv[1])).values())' out
	is "it is JSON" $? 0
fi

if command -v taskset >/dev/null && [ "$(nproc)" -gt 1 ]; then
	first=$(taskset -pc $$ | sed 's/.*: *//; s/[-,].*//')
	taskset -c "$first" "$WEFT" doctor --json >out
	says "one CPU of the mask" out '"cpus": {"value": 1,'
fi
(ulimit -n 50 && "$WEFT" doctor) >out
says "a lower limit" out '^open files  *at most 50'
done_all
