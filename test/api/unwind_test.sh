#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Goal: a debugger sees whole call stacks around a switch between contexts: at every
# instruction of it, on both sides, and of a context that is suspended.
# Method: gdb steps tests of src/sys/context_test.c through switches. First from the
# test's own stack to the context's and back, showing the stack at each instruction:
# the frames must be those of one of the two, and reach to where it began. Then through
# three switches whose callers' registers hold numbers that belong together: the
# registers that gdb finds for the caller must be all of one of them.
set -u

skip() {
	echo "skipped: $*"
	exit 77
}

command -v gdb >/dev/null 2>&1 || skip "gdb is not here"
gdb -nx -batch -ex run /bin/true 2>&1 | grep -q 'exited normally' ||
	skip "gdb may not debug a process here"

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 2' INT TERM

case $(uname -m) in
x86_64) registers='rbx rbp r12 r13 r14 r15' ;;
aarch64) registers='x19 x20 x21 x22 x23 x24 x25 x26 x27 x28 x29' ;;
*) skip "whose registers a call preserves is not known here" ;;
esac

# From the second round on the context has frames of its own.
cat >"$work/script" <<'EOF'
set pagination off
set confirm off
set width 0
set print demangle off
set language c
break unwind_root
run context_is_unwound_while_it_is_suspended
set $sp_was = $sp
set $pc_was = $pc
printf "fresh\n"
set $sp = unwind.fiber.context.sp
set $pc = (char *)weft__context_resume
backtrace
set $sp = $sp_was
set $pc = $pc_was
continue
set $i = 0
while $i < 130
	printf "step %d\n", $i
	backtrace
	stepi
	set $i = $i + 1
end
printf "suspended\n"
set $sp = unwind.fiber.context.sp
set $pc = (char *)weft__context_resume
backtrace
kill
EOF
gdb -nx -batch -x "$work/script" "$WEFT_BUILD/test/sys/context_test" >"$work/said" 2>&1

awk '
function fail(text) { print "FAIL: " text ":" stack; bad = 1; exit 1 }
# What the stack that was just read shows; other functions than the switch are not
# what is looked at.
function judge() {
	if (stack !~ /^\n#0 [^\n]* weft__context_(switch|resume) \(/)
		return
	if (stack ~ /\?\?|Backtrace stopped|corrupt/)
		fail(at " has a frame that is none")
	if (at == "fresh") {
		fresh = last ~ /^#1 .* (context_begin|weft__context_entry) \(/
		return
	}
	root = stack ~ / unwind_root \(/ && last ~ / main \(/
	fiber = stack ~ / unwind_inner \(/ && stack ~ / unwind_outer \(/ &&
		last ~ / (context_begin|weft__context_entry) \(/
	if (root == fiber)
		fail(at " is not on one of the two stacks")
	if (at == "suspended")
		suspended = fiber
	else
		root ? roots++ : fibers++
}
/^(step [0-9]+|fresh|suspended)$/ { judge(); at = $0; stack = last = ""; next }
/^#[0-9]+ / { stack = stack "\n" $0; last = $0 }
/^Backtrace stopped/ { stack = stack "\n" $0 }
END {
	if (bad)
		exit 1
	judge()
	if (bad)
		exit 1
	print roots + 0 " instructions of the switch on one stack, " fibers + 0 " on the other"
	if (roots < 15 || fibers < 15)
		fail("these are not two switches")
	if (!fresh)
		fail("a context that was never run was not seen as such")
	if (!suspended)
		fail("the suspended context was not seen")
}' "$work/said" || {
	echo "gdb said:"
	tail -n 60 "$work/said"
	exit 1
}

# together: an expression that is true if the registers' differences are right.
together='(char *)$pc > (char *)registers_switch && (char *)$pc < (char *)begin_by_hand'
step=0x9e3779b97f4a7c15
before=
for r in $registers; do
	[ -z "$before" ] ||
		together="$together && (long)\$$r - (long)\$$before - (long)$step == 0"
	before=$r
done
cat >"$work/script" <<EOF
set pagination off
set confirm off
break registers_switch
ignore 1 9
run context_finds_its_registers_as_they_were
delete
break *weft__context_switch
set \$round = 0
while \$round < 3
	continue
	set \$i = 0
	while \$i < 32
		printf "at %d\n", (char *)\$pc - (char *)weft__context_switch
		up-silently
		printf "good %d\n", $together
		down-silently
		stepi
		set \$i = \$i + 1
	end
	set \$round = \$round + 1
end
kill
EOF
gdb -nx -batch -x "$work/script" "$WEFT_BUILD/test/sys/context_test" >"$work/said" 2>&1
awk '
/^at / { at = $2 }
/^good / && at >= 0 && at < 100 {
	count++
	seen[at] = 1
	if (!$2) {
		print "FAIL: the registers of the caller are not found at weft__context_switch+" at
		bad = 1
	}
}
END {
	for (at in seen)
		places++
	print count + 0 " times, at " places + 0 " instructions, the caller was looked up"
	if (count < 60 || places < 20)
		print "FAIL: these are not three switches"
	exit bad || count < 60 || places < 20
}' "$work/said" && exit 0
echo "gdb said:"
tail -n 20 "$work/said"
exit 1
