# SPDX-License-Identifier: MIT
#
# Goal: the clients that people have work with `weft kv`: all that redis-benchmark runs
# by default, alone and in pipelines, on one worker and on two; redis-cli in both
# protocols, interactively (with the hints it asks COMMAND DOCS for), as a pipe, and for
# its scans of a whole store.
. "$(dirname "$0")/rig"
command -v redis-cli >/dev/null && command -v redis-benchmark >/dev/null ||
	skip "redis-cli and redis-benchmark are not installed (Debian: redis-tools)"

requests=2000
[ -z "${WEFT_SANITIZE-}" ] || requests=300

# begin ARGS...: starts a server; sets pid and port.
begin() {
	rm -f lines
	mkfifo lines
	env --default-signal=INT --default-signal=TERM "$WEFT" kv --port 0 "$@" >lines 2>err &
	pid=$!
	exec 3<lines
	read -r line <&3
	port=${line##*:}
	port=${port%%,*}
}

end() {
	kill -s TERM "$pid"
	wait "$pid"
	is "$1: exit code of the server" $? 0
	exec 3<&-
	silent "$1: what the server complained of" err
}

for workers in 1 2; do
	begin --workers $workers --save "snapshot$workers"
	for pipeline in 1 16; do
		what="redis-benchmark, $workers workers, pipelines of $pipeline"
		is "$what: exit code" "$(code timeout 100 redis-benchmark -p "$port" -q -c 20 \
			-n $requests -P $pipeline)" 0
		tr '\r' '\n' <out >said
		if grep -a -i -e error -e warning -e "server closed" said err >complaints; then
			fail "$what: $(head -n 3 complaints)"
		else
			pass
		fi
		is "$what: tests" "$(grep -a -c 'requests per second' said)" 20
	done
	is "two threads of it: exit code" "$(code timeout 60 redis-benchmark -p "$port" -q \
		-n $requests -c 20 --threads 2 -t set,get,incr)" 0
	is "random keys: exit code" "$(code timeout 60 redis-benchmark -p "$port" -q \
		-n $requests -c 20 -r 1000 -d 100 -t set,get,lpush,sadd,hset,zadd)" 0
	end "$workers workers"
done

# enter LINE PATTERN: types it, and waits for an answer that matches, and the next prompt:
# what is typed before redis-cli has printed that is thrown away.
enter() {
	before=$(($(wc -c <screen)))
	[ -z "$1" ] || printf '%s\r' "$1" >&6
	tries=0
	until tail -c +$((before + 1)) screen | grep -a -q -e "$2" &&
		[ "$(tail -c 2 screen)" = '> ' ]; do
		tries=$((tries + 1))
		if [ $tries -gt 1000 ]; then
			fail "interactive with $protocol: \"$1\" was not answered by \"$2\""
			return
		fi
		sleep 0.02
	done
	pass
}

# At a terminal redis-cli asks for the documentation of all commands as it starts.
interactive() {
	rm -f typed
	mkfifo typed
	: >screen
	timeout 60 script -q -e -f -c "stty cols 200; redis-cli -p $port $1" /dev/null \
		<typed >screen 2>&1 &
	terminal=$!
	exec 6>typed
	enter '' '127.0.0.1'
	enter 'set a 1' OK
	enter 'get a' '"1"'
	enter multi OK
	enter 'incr a' QUEUED
	enter exec '(integer) 2'
	enter 'hello 3' '"proto" => (integer) 3'
	enter "hgetall h$1" '1# "[fg]" => "[vw]"'
	enter 'zadd z 1.5 m' '(integer)'
	enter 'zscore z m' '(double) 1.5'
	enter 'get nothing' '(nil)'
	enter subscribe 'wrong number of arguments for'
	enter 'help set' 'redis.io/commands/set'
	printf 'quit\r' >&6
	wait $terminal
	is "interactive with $1: exit code" $? 0
	exec 6>&-
}

begin
cli() { timeout 30 redis-cli -p "$port" "$@"; }
for protocol in -2 -3; do
	is "PING with $protocol" "$(cli $protocol PING)" PONG
	is "SET with $protocol" "$(cli $protocol SET k$protocol "a b")" OK
	is "GET with $protocol" "$(cli $protocol GET k$protocol)" "a b"
	cli $protocol HSET h$protocol f v g w >out
	cli $protocol HGETALL h$protocol | tr ' ' '\n' | sort >out
	is "HGETALL with $protocol" "$(tr '\n' ' ' <out)" "f g v w "
	interactive $protocol
done
seq 1000 | sed 's/.*/SET key:& value&/' | cli --pipe >out 2>&1
is "--pipe: exit code" $? 0
says "--pipe" out 'errors: 0, replies: 1000'
is "DBSIZE" "$(cli DBSIZE)" 1006
is "--scan" "$(cli --scan --pattern 'key:*' | sort -u | wc -l)" 1000
is "--bigkeys: exit code" "$(code cli --bigkeys)" 0
says "--bigkeys" out 'Biggest string found'
is "--latency and its like need INFO" "$(cli INFO server | grep -c '^redis_version:7')" 1
is "--csv" "$(cli --csv GET key:1)" '"value1"'
is "-r" "$(cli -r 3 INCR counter | tr '\n' ' ')" "1 2 3 "
is "an error" "$(cli INCR key:1)" "ERR value is not an integer or out of range"
is "-e makes it an exit code" "$(code cli -e INCR key:1)" 1
cli SHUTDOWN NOSAVE >out 2>&1
wait "$pid"
is "SHUTDOWN: exit code of the server" $? 0
done_all
