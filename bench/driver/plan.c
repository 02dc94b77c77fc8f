/* SPDX-License-Identifier: MIT */
/* What is measured. A new bench is a row here and a subject that knows it. */
#include "driver.h"

#include <string.h>

const struct bench plan_benches[] = {
	{ "fork_join", "ns/fork", "fib with one fork a call and no cut-off" },
	{ "trees", "ms", "work that divides itself, evenly and not" },
	{ "channel", "ns/message", "64-bit messages between threads" },
	{ "mutex", "ns/lock", "lock, count, unlock; contended with a little work outside" },
	{ "par_for", "ns/element", "an array of doubles scaled in place" },
	{ "par_reduce", "ns/element", "an array of doubles summed up" },
	{ "par_scan", "ns/element", "the running sums of an array of doubles, into another" },
	{ "par_filter", "ns/element", "about half of an array of doubles, into another" },
	{ "sort", "ns/element", "an array sorted, equal elements in any order" },
	{ "sort_compare", "ns/element", "the same by a comparison" },
	{ "sort_stable", "ns/element", "the same by a comparison, equal elements in their order" },
	{ "sum", "ms", "SHA-256 of all files of a tree, warm cache" },
	{ "switch", "ns/switch", "from one context to another, below all scheduling" },
	{ "fibers", "ns", "what a task costs: to spawn and join, to yield, to answer another" },
	{ "sleepers", "ms", "a million tasks that sleep for 1 to 1,000 ms" },
	{ "sleepers_memory", "MiB", "the same, and its peak of memory" },
	{ "timers", "ns/round", "messages to and fro on one worker, with time-outs and without" },
	{ "parked", "B/task", "resident memory of each of 100,000 tasks that wait" },
	{ "echo", "ns/request", "a server that sends 64 bytes back: time" },
	{ "echo_cpu", "ns/request", "the same, and the CPU time of the server" },
	{ "hog_p50", "us", "an answer each millisecond beside a task that computes: the median" },
	{ "hog_p99", "us", "the same, and the slowest in a hundred" },
	{ "idle_cpu", "us/s", "CPU time in a second of a server with connections at rest" },
	{ "idle_memory", "B/conn", "the same, and its memory for each" },
	{ "kv", "ns/request", "weft kv under redis-benchmark, 50 clients: time" },
	{ "kv_cpu", "ns/request", "the same, and the CPU time of the server" },
	{ "model", "runs/s", "runs of the model checker, some 100 steps each" },
	{ NULL, NULL, NULL },
};

const struct bench_case plan_cases[] = {
	{ "fork_join", "fib38", 0, false },
	{ "fork_join", "fib38", 1, false },
	{ "trees", "queens12", 0, false },
	{ "trees", "uts_geometric", 0, false },
	{ "trees", "uts_binomial", 0, false },
	{ "trees", "quicksort", 0, false },
	{ "trees", "matrix512", 0, false },
	{ "trees", "mandelbrot", 0, false },
	{ "trees", "unequal", 0, false },
	{ "channel", "cap0_1to1", 0, false },
	{ "channel", "cap0_4to1", 0, false },
	{ "channel", "cap0_4to4", 0, false },
	{ "channel", "cap0_1to1_pinned", 1, true },
	{ "channel", "cap1_1to1", 0, false },
	{ "channel", "cap1_4to1", 0, false },
	{ "channel", "cap1_4to4", 0, false },
	{ "channel", "cap1_1to1_pinned", 1, true },
	{ "channel", "cap128_1to1", 0, false },
	{ "channel", "cap128_4to1", 0, false },
	{ "channel", "cap128_4to4", 0, false },
	{ "channel", "cap128_1to1_pinned", 1, true },
	{ "channel", "unbounded_1to1", 0, false },
	{ "channel", "unbounded_4to1", 0, false },
	{ "channel", "unbounded_4to4", 0, false },
	{ "channel", "unbounded_1to1_pinned", 1, true },
	{ "mutex", "uncontended", 1, false },
	{ "mutex", "threads2", 0, false },
	{ "mutex", "threads8", 0, false },
	{ "par_for", "1e8", 0, false },
	{ "par_for", "1e5", 0, false },
	{ "par_for", "2000", 0, false },
	{ "par_for", "1e3", 0, false },
	{ "par_reduce", "1e8", 0, false },
	{ "par_reduce", "1e5", 0, false },
	{ "par_reduce", "2000", 0, false },
	{ "par_reduce", "1e3", 0, false },
	{ "par_scan", "1e8", 0, false },
	{ "par_scan", "1e5", 0, false },
	{ "par_scan", "1e3", 0, false },
	{ "par_filter", "1e8", 0, false },
	{ "par_filter", "1e5", 0, false },
	{ "par_filter", "1e3", 0, false },
	{ "sort", "u64_1e4", 0, false },
	{ "sort", "u64_1e6", 0, false },
	{ "sort", "u64_1e7", 0, false },
	{ "sort", "u32_1e7", 0, false },
	{ "sort", "f64_1e7", 0, false },
	{ "sort", "structs_1e6", 0, false },
	{ "sort", "strings_1e6", 0, false },
	{ "sort", "u64_1e7_sorted", 0, false },
	{ "sort", "u64_1e7_reversed", 0, false },
	{ "sort", "u64_1e7_few", 0, false },
	{ "sort", "u64_1e7_zipf", 0, false },
	{ "sort_compare", "u64_1e7", 0, false },
	{ "sort_compare", "structs_1e6", 0, false },
	{ "sort_stable", "u64_1e7", 0, false },
	{ "sort_stable", "structs_1e6", 0, false },
	{ "sum", "tree", 0, false },
	{ "sum", "large", 0, false },
	{ "switch", "pair", 1, true },
	{ "switch", "ring1000", 1, true },
	{ "fibers", "spawn", 0, false },
	{ "fibers", "spawn", 1, false },
	{ "fibers", "spawn_handles", 1, false },
	{ "fibers", "yield", 1, false },
	{ "fibers", "pingpong", 1, false },
	{ "fibers", "pingpong", 0, false },
	{ "sleepers", "1e6", 0, false },
	{ "sleepers_memory", "1e6", 0, false },
	{ "timers", "recv_timeout", 1, false },
	{ "timers", "recv_plain", 1, false },
	{ "parked", "1e5", 0, false },
	{ "echo", "c1", 1, false },
	{ "echo", "c100", 1, false },
	{ "echo", "c1000", 1, false },
	{ "echo", "c1", 0, false },
	{ "echo", "c100", 0, false },
	{ "echo", "c1000", 0, false },
	{ "echo_cpu", "c1", 1, false },
	{ "echo_cpu", "c100", 1, false },
	{ "echo_cpu", "c1000", 1, false },
	{ "echo_cpu", "c1", 0, false },
	{ "echo_cpu", "c100", 0, false },
	{ "echo_cpu", "c1000", 0, false },
	{ "hog_p50", "calls", 1, false },
	{ "hog_p50", "calls", 0, false },
	{ "hog_p50", "computes", 0, false },
	{ "hog_p99", "calls", 1, false },
	{ "hog_p99", "calls", 0, false },
	{ "hog_p99", "computes", 0, false },
	{ "idle_cpu", "c10000", 0, false },
	{ "idle_memory", "c10000", 0, false },
	{ "kv", "set_p1", 1, false },
	{ "kv", "get_p1", 1, false },
	{ "kv", "set_p16", 1, false },
	{ "kv", "get_p16", 1, false },
	{ "kv", "set_p1", 0, false },
	{ "kv", "get_p1", 0, false },
	{ "kv", "set_p16", 0, false },
	{ "kv", "get_p16", 0, false },
	{ "kv_cpu", "set_p1", 1, false },
	{ "kv_cpu", "get_p1", 1, false },
	{ "kv_cpu", "set_p16", 1, false },
	{ "kv_cpu", "get_p16", 1, false },
	{ "kv_cpu", "set_p1", 0, false },
	{ "kv_cpu", "get_p1", 0, false },
	{ "kv_cpu", "set_p16", 0, false },
	{ "kv_cpu", "get_p16", 0, false },
	{ "model", "steps100", 1, false },
	{ NULL, NULL, 0, false },
};

#define FILES "find $PATHS -type f -print0 | sort -z | "

#define SERVED(name) .program = (name), .load = "bench-load"
#define URING .set = "WEFT_REACTOR=uring"

const struct subject plan_subjects[] = {
	{ "fork_join", "weft", SUBJECT_WEFT, .program = "weft-fork_join" },
	{ "fork_join", "serial", SUBJECT_PLAIN, .program = "plain-serial" },
	{ "fork_join", "rayon", SUBJECT_PEER, .program = "rayon" },
	{ "fork_join", "tbb", SUBJECT_PEER, .program = "tbb", .stand_in = "fib32" },
	{ "fork_join", "openmp", SUBJECT_PEER, .program = "openmp", .stand_in = "fib32" },

	{ "trees", "weft", SUBJECT_WEFT, .program = "weft-trees" },
	{ "trees", "serial", SUBJECT_PLAIN, .program = "plain-trees" },
	{ "trees", "rayon", SUBJECT_PEER, .program = "rayon" },
	{ "trees", "tbb", SUBJECT_PEER, .program = "tbb-trees" },
	{ "trees", "openmp", SUBJECT_PEER, .program = "openmp-trees" },

	{ "channel", "weft", SUBJECT_WEFT, .program = "weft-channel" },
	{ "channel", "crossbeam", SUBJECT_PEER, .program = "crossbeam" },
	{ "channel", "flume", SUBJECT_PEER, .program = "flume" },
	{ "channel", "std", SUBJECT_PEER, .program = "std", .never = "4to4" },
	{ "channel", "go", SUBJECT_PEER, .program = "go", .never = "unbounded" },

	{ "mutex", "weft", SUBJECT_WEFT, .program = "weft-mutex" },
	{ "mutex", "atomic-add", SUBJECT_PLAIN, .program = "plain-atomic-add",
	  .only = "uncontended" },
	{ "mutex", "pthread", SUBJECT_PEER, .program = "pthread" },
	{ "mutex", "parking_lot", SUBJECT_PEER, .program = "parking_lot" },
	{ "mutex", "std", SUBJECT_PEER, .program = "std" },
	{ "mutex", "go", SUBJECT_PEER, .program = "go" },

	{ "par_for", "weft", SUBJECT_WEFT, .program = "weft-par" },
	{ "par_for", "serial", SUBJECT_PLAIN, .program = "plain-serial" },
	{ "par_for", "threads", SUBJECT_PLAIN, .program = "plain-threads", .only = "1e8" },
	{ "par_for", "rayon", SUBJECT_PEER, .program = "rayon" },
	{ "par_for", "tbb", SUBJECT_PEER, .program = "tbb" },
	{ "par_for", "openmp", SUBJECT_PEER, .program = "openmp" },

	{ "par_reduce", "weft", SUBJECT_WEFT, .program = "weft-par" },
	{ "par_reduce", "serial", SUBJECT_PLAIN, .program = "plain-serial" },
	{ "par_reduce", "threads", SUBJECT_PLAIN, .program = "plain-threads", .only = "1e8" },
	{ "par_reduce", "rayon", SUBJECT_PEER, .program = "rayon" },
	{ "par_reduce", "tbb", SUBJECT_PEER, .program = "tbb" },
	{ "par_reduce", "openmp", SUBJECT_PEER, .program = "openmp" },

	{ "par_scan", "weft", SUBJECT_WEFT, .program = "weft-par" },
	{ "par_scan", "serial", SUBJECT_PLAIN, .program = "plain-serial" },
	{ "par_scan", "threads", SUBJECT_PLAIN, .program = "plain-threads", .only = "1e8" },
	{ "par_scan", "rayon", SUBJECT_PEER, .program = "rayon" },
	{ "par_scan", "tbb", SUBJECT_PEER, .program = "tbb" },
	{ "par_scan", "openmp", SUBJECT_PEER, .program = "openmp" },

	{ "par_filter", "weft", SUBJECT_WEFT, .program = "weft-par" },
	{ "par_filter", "serial", SUBJECT_PLAIN, .program = "plain-serial" },
	{ "par_filter", "threads", SUBJECT_PLAIN, .program = "plain-threads", .only = "1e8" },
	{ "par_filter", "rayon", SUBJECT_PEER, .program = "rayon" },
	{ "par_filter", "tbb", SUBJECT_PEER, .program = "tbb" },
	{ "par_filter", "openmp", SUBJECT_PEER, .program = "openmp" },

	{ "sort", "weft", SUBJECT_WEFT, .program = "weft-sort" },
	{ "sort", "qsort", SUBJECT_PLAIN, .program = "plain-qsort" },
	{ "sort", "std::sort", SUBJECT_PEER, .program = "std.sort" },
	{ "sort", "rayon", SUBJECT_PEER, .program = "rayon_sort" },
	{ "sort", "tbb", SUBJECT_PEER, .program = "tbb.sort" },

	{ "sort_compare", "weft", SUBJECT_WEFT, .program = "weft-sort" },
	{ "sort_compare", "qsort", SUBJECT_PLAIN, .program = "plain-qsort" },
	{ "sort_compare", "std::sort", SUBJECT_PEER, .program = "std.sort" },
	{ "sort_compare", "rayon", SUBJECT_PEER, .program = "rayon_sort" },
	{ "sort_compare", "tbb", SUBJECT_PEER, .program = "tbb.sort" },

	{ "sort_stable", "weft", SUBJECT_WEFT, .program = "weft-sort" },
	{ "sort_stable", "qsort", SUBJECT_PLAIN, .program = "plain-qsort" },
	{ "sort_stable", "std::sort", SUBJECT_PEER, .program = "std.sort" },
	{ "sort_stable", "rayon", SUBJECT_PEER, .program = "rayon_sort" },
	{ "sort_stable", "tbb", SUBJECT_PEER, .program = "tbb.sort" },

	{ "sum", "weft", SUBJECT_WEFT, .command = "exec \"$WEFT\" sum $PATHS", .ordered = true },
	{ "sum", "sha256sum", SUBJECT_PLAIN, .command = FILES "xargs -0 sha256sum",
	  .ordered = true },
	{ "sum", "xargs-P", SUBJECT_PLAIN,
	  .command = FILES "xargs -0 -n $BATCH -P $WORKERS sha256sum" },

	{ "switch", "weft", SUBJECT_WEFT, .program = "weft-switch" },
	{ "switch", "boost.context", SUBJECT_PEER, .program = "boost.context", .only = "pair" },

	{ "fibers", "weft", SUBJECT_WEFT, .program = "weft-fibers" },
	{ "fibers", "tokio", SUBJECT_PEER, .program = "tokio" },
	{ "fibers", "go", SUBJECT_PEER, .program = "go", .never = "spawn_handles" },
	{ "fibers", "boost.fiber", SUBJECT_PEER, .program = "boost.fiber" },

	{ "sleepers", "weft", SUBJECT_WEFT, .program = "weft-sleepers" },
	{ "sleepers", "tokio", SUBJECT_PEER, .program = "tokio" },
	{ "sleepers", "go", SUBJECT_PEER, .program = "go" },

	{ "sleepers_memory", "weft", SUBJECT_WEFT, .program = "weft-sleepers" },
	{ "sleepers_memory", "tokio", SUBJECT_PEER, .program = "tokio" },
	{ "sleepers_memory", "go", SUBJECT_PEER, .program = "go" },

	{ "timers", "weft", SUBJECT_WEFT, .program = "weft-timers" },
	{ "timers", "tokio", SUBJECT_PEER, .program = "tokio" },
	{ "timers", "go", SUBJECT_PEER, .program = "go" },

	{ "parked", "weft", SUBJECT_WEFT, .program = "weft-parked" },
	{ "parked", "tokio", SUBJECT_PEER, .program = "tokio" },
	{ "parked", "go", SUBJECT_PEER, .program = "go" },

	{ "echo", "weft", SUBJECT_WEFT, SERVED("weft-echo") },
	{ "echo", "weft-uring", SUBJECT_PLAIN, SERVED("weft-echo"), URING },
	{ "echo", "tokio", SUBJECT_PEER, SERVED("tokio") },
	{ "echo", "go", SUBJECT_PEER, SERVED("go") },
	{ "echo", "libuv", SUBJECT_PEER, SERVED("libuv") },

	{ "echo_cpu", "weft", SUBJECT_WEFT, SERVED("weft-echo") },
	{ "echo_cpu", "weft-uring", SUBJECT_PLAIN, SERVED("weft-echo"), URING },
	{ "echo_cpu", "tokio", SUBJECT_PEER, SERVED("tokio") },
	{ "echo_cpu", "go", SUBJECT_PEER, SERVED("go") },
	{ "echo_cpu", "libuv", SUBJECT_PEER, SERVED("libuv") },

	{ "hog_p50", "weft", SUBJECT_WEFT, SERVED("weft-echo") },
	{ "hog_p50", "weft-uring", SUBJECT_PLAIN, SERVED("weft-echo"), URING },
	{ "hog_p50", "tokio", SUBJECT_PEER, SERVED("tokio") },
	{ "hog_p50", "go", SUBJECT_PEER, SERVED("go") },

	{ "hog_p99", "weft", SUBJECT_WEFT, SERVED("weft-echo") },
	{ "hog_p99", "weft-uring", SUBJECT_PLAIN, SERVED("weft-echo"), URING },
	{ "hog_p99", "tokio", SUBJECT_PEER, SERVED("tokio") },
	{ "hog_p99", "go", SUBJECT_PEER, SERVED("go") },

	{ "idle_cpu", "weft", SUBJECT_WEFT, SERVED("weft-echo") },
	{ "idle_cpu", "weft-uring", SUBJECT_PLAIN, SERVED("weft-echo"), URING },
	{ "idle_cpu", "tokio", SUBJECT_PEER, SERVED("tokio") },
	{ "idle_cpu", "go", SUBJECT_PEER, SERVED("go") },
	{ "idle_cpu", "libuv", SUBJECT_PEER, SERVED("libuv") },

	{ "idle_memory", "weft", SUBJECT_WEFT, SERVED("weft-echo") },
	{ "idle_memory", "weft-uring", SUBJECT_PLAIN, SERVED("weft-echo"), URING },
	{ "idle_memory", "tokio", SUBJECT_PEER, SERVED("tokio") },
	{ "idle_memory", "go", SUBJECT_PEER, SERVED("go") },
	{ "idle_memory", "libuv", SUBJECT_PEER, SERVED("libuv") },

	{ "kv", "weft", SUBJECT_WEFT, SERVED("../weft") },
	{ "kv", "weft-uring", SUBJECT_PLAIN, SERVED("../weft"), URING },
	{ "kv", "redis", SUBJECT_PEER, SERVED("redis-server") },
	{ "kv", "redis-io", SUBJECT_PEER, SERVED("redis-server"), .set = "REDIS_IO_THREADS=1" },

	{ "kv_cpu", "weft", SUBJECT_WEFT, SERVED("../weft") },
	{ "kv_cpu", "weft-uring", SUBJECT_PLAIN, SERVED("../weft"), URING },
	{ "kv_cpu", "redis", SUBJECT_PEER, SERVED("redis-server") },

	{ "model", "weft", SUBJECT_WEFT, .program = "weft-model" },
	{ NULL, NULL, SUBJECT_PLAIN, .program = NULL },
};

const struct bench *plan_bench(const char *name)
{
	const struct bench *b = plan_benches;

	while (b->name && strcmp(b->name, name) != 0)
		b++;
	return b;
}

bool plan_applies(const struct subject *s, const struct bench_case *c)
{
	if (strcmp(s->bench, c->bench) != 0)
		return false;
	return !(s->only && !strstr(c->name, s->only)) && !(s->never && strstr(c->name, s->never));
}

bool plan_matches(const struct bench_case *c, const char *filter)
{
	char full[TEXT_MAX];

	snprintf(full, sizeof(full), "%s/%s", c->bench, c->name);
	return !filter || strstr(full, filter);
}

/* 0 when the case is another's twin on a machine with one CPU. */
int plan_workers(const struct bench_case *c, int cpus)
{
	if (c->workers == 1 && cpus == 1 && strcmp(c->bench, "fork_join") == 0)
		return 0;
	return c->workers ? c->workers : cpus;
}
