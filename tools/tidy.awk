# SPDX-License-Identifier: MIT
#
# The rules that can be checked by reading: licence lines, sizes, which folder
# may include which, who may name an atomic operation, an OS or a CPU.
# Prints file:line: sentence. Comments and literals are cut away first, so that
# prose may name what code may not.

function report(text) { print FILENAME ":" FNR ": " text }

# allow("sync", "base sys wait"): sync may include these, and itself.
function allow(layer, list, parts, n, i)
{
	known[layer] = 1
	edge[layer, layer] = 1
	n = split(list, parts, " ")
	for (i = 1; i <= n; i++)
		edge[layer, parts[i]] = 1
}

function iso_headers(list, parts, n, i)
{
	n = split(list, parts, " ")
	for (i = 1; i <= n; i++)
		iso[parts[i] ".h"] = 1
}

BEGIN {
	lines_max = 600
	columns_max = 100
	function_max = 70

	core = "base sys wait sync thread mem queue"
	allow("base", "")
	allow("sys", "base")
	allow("wait", "base sys")
	allow("sync", "base sys wait")
	allow("thread", "base sys wait sync")
	allow("mem", "base sys wait sync thread")
	allow("queue", "base sys wait sync thread mem")
	allow("map", core)
	allow("chan", core)
	allow("future", core)
	allow("pool", core)
	allow("par", core " pool")
	allow("rt", core " chan")
	allow("io", core " chan rt")
	allow("stream", core " map chan future pool par rt")
	allow("obs", core " map chan future pool par rt io stream")
	# The model checker's engine; nobody includes it but its tests.
	allow("model", "base sys wait")

	iso_headers("assert ctype errno float inttypes limits math setjmp stdarg stdbool")
	iso_headers("stddef stdint stdio stdlib string")

	atomics = "__atomic_|__sync_|_Atomic|stdatomic|memory_order|__ATOMIC_"
	os_calls = "(^|[^A-Za-z0-9_.>])(pthread_[a-z_]+|sem_(init|wait|post|timedwait)|syscall" \
		"|clock_(gettime|getres|nanosleep)|nanosleep|usleep|gettimeofday" \
		"|sched_(yield|getcpu|getaffinity|setaffinity|setscheduler)" \
		"|mmap|munmap|mprotect|madvise|mremap|sysconf|getpid|gettid" \
		"|sigaction|sigprocmask|epoll_[a-z_]+|eventfd|membarrier|getrandom)[ \t]*\\("
	cpu_names = "(^|[^A-Za-z0-9_])(__asm__|asm|__builtin_ia32_[a-z0-9_]+|__x86_64__" \
		"|__i386__|__aarch64__|__arm__|__linux__|__APPLE__|_WIN32)([^A-Za-z0-9_]|$)"
	not_public = "(^|[^A-Za-z0-9_])(_Thread_local|__thread|__asm__|asm|_Generic)" \
		"([^A-Za-z0-9_]|$)"
	bit_field = "^[ \t]*(unsigned|signed|int|bool|char|u?int[0-9]+_t)[a-z ]*" \
		"[ \t][A-Za-z_0-9]+[ \t]*:[ \t]*[0-9]+[ \t]*;"
}

# The line without comments, and with literals emptied.
function strip(s, out, token)
{
	out = ""
	while (s != "") {
		if (in_comment) {
			if (!index(s, "*/"))
				return out
			s = substr(s, index(s, "*/") + 2)
			in_comment = 0
		}
		if (!match(s, /\/\*|\/\/|"|'/))
			return out s
		out = out substr(s, 1, RSTART - 1)
		token = substr(s, RSTART, RLENGTH)
		s = substr(s, RSTART + RLENGTH)
		if (token == "//")
			return out
		if (token == "/*") {
			in_comment = 1
			out = out " "
			continue
		}
		if (token == "\"")
			match(s, /^([^"\\]|\\.)*"/)
		else
			match(s, /^([^'\\]|\\.)*'/)
		if (RSTART == 0)
			return out token
		s = substr(s, RLENGTH + 1)
		out = out token token
	}
	return out
}

# Columns, a tab going to the next multiple of eight and UTF-8 counted by
# character.
function columns(s, width, at)
{
	gsub(/[\200-\277]/, "", s)
	width = 0
	while ((at = index(s, "\t")) > 0) {
		width += at - 1
		width += 8 - width % 8
		s = substr(s, at + 1)
	}
	return width + length(s)
}

# Where the file stands, and with it which rules apply.
function place(parts, n)
{
	n = split(FILENAME, parts, "/")
	top = parts[1]
	is_c = FILENAME ~ /\.[ch]$/
	is_peer = FILENAME ~ /^bench\/(peers|plain)\//
	is_test = FILENAME ~ /_test\.[ch]$/
	layer = top == "src" && n > 2 ? parts[2] : ""
	is_library = top == "src" && !is_test
	if (top == "src" && (layer == "" || !(layer in known)))
		report("no layer has this name; CMakeLists.txt and tools/tidy.awk list them")
	else if (top == "src" && n > 3 && layer != "sys")
		report("the build does not look into this folder; a layer is flat")
}

function check_include(raw, name, dir)
{
	if (!match(raw, /["<][^">]*[">]/))
		return
	name = substr(raw, RSTART + 1, RLENGTH - 2)
	quoted = substr(raw, RSTART, 1) == "\""
	dir = index(name, "/") ? substr(name, 1, index(name, "/") - 1) : ""

	if (top == "include" && !(name in iso) && dir != "weft")
		report("a public header includes only <weft/...> and ISO C headers, not " name)
	else if (top == "examples" && quoted)
		report("an example shows what a user can write, and includes no private " name)
	else if (top == "src" && quoted)
		check_edge(name, dir)
	else if (is_library && layer != "sys" && is_foreign(name, dir))
		report("<" name "> belongs to the system, and only src/sys talks to it")
}

function is_foreign(name, dir)
{
	return dir != "weft" && name != "weft.h" && !(name in iso)
}

function check_edge(name, dir)
{
	if (dir == "weft" || name == "weft.h" || (is_test && name ~ /^check\.h$|^[a-z_]+_test\.h$/))
		return
	if (!(dir in known))
		report("includes are written from src/, as \"<layer>/<file>\", not \"" name "\"")
	else if ((layer in known) && !((layer, dir) in edge))
		report("src/" layer " must not include " name ": dependencies point left")
}

function check_code(code)
{
	if (code ~ atomics && FILENAME != "include/weft/atomic.h" && !is_peer)
		report("atomic operations and orders are named in include/weft/atomic.h alone")
	if (is_library && layer != "sys" && code ~ os_calls)
		report("only src/sys calls the system")
	if (is_library && layer != "sys" && code ~ cpu_names)
		report("only src/sys names an OS, a CPU or an instruction")
	if (top == "include" && code ~ not_public)
		report("a public header has no thread-local, assembly or _Generic")
	if (top == "include" && code ~ bit_field)
		report("a public header has no bit-field")
	if (code ~ /^[ \t]+TEST\(/)
		report("TEST() starts in column 0, or the build does not see it")
}

# Linux style: a brace alone in column 0 opens a function, and nothing else.
function check_function_size(code)
{
	if (code ~ /^\{/ && code !~ /\}/)
		function_start = FNR
	if (code ~ /^\}/ && function_start) {
		if (FNR - function_start + 1 > function_max)
			report("this function has " (FNR - function_start + 1) \
				" lines; the most is " function_max)
		function_start = 0
	}
}

FNR == 1 {
	in_comment = 0
	function_start = 0
	place()
	licensed = 0
}

FNR == 1 && /SPDX-License-Identifier: MIT/ { licensed = 1 }
FNR == 2 && /SPDX-License-Identifier: MIT/ && shebang { licensed = 1 }
{ shebang = FNR == 1 && /^#!/ }
((FNR == 1 && !shebang) || FNR == 2) && !licensed {
	report("the first line names the licence: SPDX-License-Identifier: MIT")
	licensed = 1
}

FNR == lines_max + 1 { report("the file has more than " lines_max " lines") }
columns($0) > columns_max { report("the line has more than " columns_max " columns") }

is_c {
	code = strip($0)
	if (code ~ /^[ \t]*#[ \t]*include/)
		check_include($0)
	check_code(code)
	check_function_size(code)
}
