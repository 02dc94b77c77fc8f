# SPDX-License-Identifier: MIT
#
# Goal: the tour works, verifies all it does, and takes less than a minute.
# Method: the whole, timed; under a sanitizer, where everything is slow, the
# chapters whose work has a fixed size are left out.
. "$(dirname "$0")/rig"

if [ -n "${WEFT_SANITIZE-}" ]; then
	chapters="threads shared"
else
	chapters=
fi
if [ -n "$chapters" ]; then
	for chapter in $chapters; do
		is "tour $chapter: exit code" "$(code timeout 100 "$WEFT" tour "$chapter")" 0
		says "tour $chapter" out '^1 of 1 chapters verified'
	done
	done_all
fi

from=$(now_ms)
is "tour: exit code" "$(code "$WEFT" tour)" 0
ms=$(($(now_ms) - from))
cat out
silent "tour" err
is "blocks" "$(grep -c '^  did ' out)" 6
is "verified" "$(grep -c '^  verified ' out)" 6
is "speeds" "$(grep -c '^  speed .*times as fast' out)" 6
says "async" out 'over [0-9,]* connections at a time'
says "the last line" out '^6 of 6 chapters verified'
if grep -q "$(printf '\033')" out; then fail "colours without a terminal"; else pass; fi
[ "$ms" -lt 60000 ] && pass || fail "the tour took $ms ms"
is "tour to a full disk: exit code" "$("$WEFT" tour threads >/dev/full 2>err; echo $?)" 1
says "tour to a full disk" err 'cannot write to standard output'
done_all
