# SPDX-License-Identifier: MIT
#
# Goal: wrong usage is a sentence that names what is wrong, and exit code 2; help
# and version are there.
# Method: each kind of mistake once, for each command.
. "$(dirname "$0")/rig"

# wrong PATTERN ARGS...
wrong() {
	pattern=$1
	shift
	is "weft $*: exit code" "$(code timeout 20 "$WEFT" "$@")" 2
	says "weft $*" err "^weft.*$pattern"
	is "weft $*: lines on stderr" "$(($(wc -l <err)))" 1
	silent "weft $*" out
}

wrong 'which command'
wrong 'there is no command "frobnicate"' frobnicate
wrong 'there is no command "frobnicate"' help frobnicate
wrong 'it takes one command' help sum tour
wrong 'there is no option --frob' sum --frob
wrong 'there is no option -x' sum -x
wrong 'there is no option -x' sum --json -cx
wrong 'there is no option --s' sum -c --st x
wrong '--check takes no argument' sum --check=yes
wrong '--json takes no argument' sum --json=yes
wrong '-j needs an argument' sum -j
wrong '--jobs needs an argument' sum --jobs
for jobs in 0 -1 1025 x 2x '' 99999999999999999999; do
	wrong "-j takes a number from 1 to 1024, not \"$jobs\"" sum -j "$jobs" .
done
for option in --quiet --status --ignore-missing --strict --warn; do
	wrong "$option needs -c" sum $option .
done
wrong '-c and --duplicates' sum -c --duplicates .
wrong '--duplicates needs a PATH' sum --duplicates
wrong '--duplicates compares files' sum --duplicates -
wrong 'there is no option --frob' doctor --frob
wrong 'it takes no argument' doctor x
wrong '--json takes no argument' doctor --json=1
wrong 'there is no option -q' tour -q
wrong 'there is no chapter "x"' tour x
wrong 'it takes one chapter' tour threads sum

for command in sum tour doctor help; do
	is "help $command: exit code" "$(code "$WEFT" help "$command")" 0
	says "help $command" out "^usage: weft $command"
	silent "help $command" err
	cp out wanted
	is "$command --help: exit code" "$(code "$WEFT" "$command" --help)" 0
	same "$command --help" out wanted
	is "$command -h: exit code" "$(code "$WEFT" "$command" -h)" 0
	same "$command -h" out wanted
done
is "help: exit code" "$(code "$WEFT" help)" 0
for command in sum tour doctor help; do
	says "help" out "^  $command  *[A-Z]"
done
cp out wanted
is "--help: exit code" "$(code "$WEFT" --help)" 0
same "--help" out wanted
is "--version: exit code" "$(code "$WEFT" --version)" 0
says "--version" out '^weft [0-9]*\.[0-9]*\.[0-9]*$'
is "columns of the help" "$("$WEFT" help sum | awk 'length > 80' | wc -l)" 0

printf 'x' >./-x
is "-- ends the options: exit code" "$(code "$WEFT" sum -- -x)" 0
says "-- ends the options" out '  -x$'
is "options behind arguments: exit code" "$(code "$WEFT" sum ./-x --json)" 0
says "options behind arguments" out '^{"path":"./-x"'
done_all
