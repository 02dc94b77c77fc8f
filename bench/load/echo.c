/* SPDX-License-Identifier: MIT */
/* Servers that send back what they get.
 *
 *	echo, echo_cpu		c1, c100, c1000: so many connections, each with one request
 *				under way; time, and CPU time of the server, a request
 *	hog_p50, hog_p99	one connection asks each millisecond, beside a task of the
 *				server that computes: the median answer, and the 99th of 100
 *	idle_cpu, idle_memory	c10000: so many connections on which nothing happens; CPU
 *				time in a second, and memory for each */
#include "load.h"

#include <sys/resource.h>
#include <unistd.h>

enum { WARM_MS = 100, HOG_ASKS = 600, HOG_MS = 2000, OWN_DESCRIPTORS = 64 };

static int answer(const struct load *load)
{
	puts(load->why);
	return 0;
}

static unsigned connections(const struct load *load)
{
	int n = load->name[0] == 'c' ? atoi(load->name + 1) : 0;

	return n >= 1 && n <= 1000000 ? (unsigned)n : 0;
}

/* Whether the client, and just so the server, may have so many descriptors. */
static bool has_room(struct load *load, unsigned count)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur >= count + OWN_DESCRIPTORS)
		return true;
	return load_fail(load,
			 "skip %u connections need more descriptors than the hard limit allows",
			 count);
}

/* What was measured between two moments. */
struct span {
	double ns, cpu_ns, requests;
};

static bool echo_run(struct load *load, struct peers *peers, struct span *span)
{
	double start;

	if (!peers_begin(peers, load) ||
	    !peers_drive(peers, load, subject_now_ns() + WARM_MS * 1e6))
		return false;
	*span = (struct span){ .cpu_ns = -load_cpu_ns(load), .requests = -(double)peers->done };
	start = subject_now_ns();
	if (!peers_drive(peers, load, start + load_run_ms(400) * 1e6))
		return false;
	span->ns = subject_now_ns() - start;
	span->cpu_ns += load_cpu_ns(load);
	span->requests += (double)peers->done;
	return span->requests > 0 || load_fail(load, "bad nothing was answered");
}

int load_echo(struct load *load)
{
	struct peers peers = { .set = -1 };
	unsigned count = connections(load);
	struct span span;
	bool good;

	if (count == 0)
		return subject_bad("there is no case %s", load->name);
	if (!has_room(load, count) || !load_serve(load))
		return answer(load);
	load_step_aside(load);
	good = peers_open(&peers, load, count) && echo_run(load, &peers, &span);
	peers_close(&peers);
	if (!good)
		return answer(load);
	return subject_ok((strcmp(load->bench, "echo") == 0 ? span.ns : span.cpu_ns) /
				  span.requests,
			  "ns/request");
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

int load_hog(struct load *load)
{
	static double took[HOG_ASKS];
	struct peers peers = { .set = -1 };
	double until;
	int asked = 0;
	bool good;

	if (!load_serve(load))
		return answer(load);
	load_step_aside(load);
	good = peers_open(&peers, load, 1);
	until = subject_now_ns() + HOG_MS * 1e6;
	while (good && asked < HOG_ASKS && (asked == 0 || subject_now_ns() < until)) {
		double start;

		usleep(1000);
		start = subject_now_ns();
		good = peer_ask(&peers.peer[0], load);
		took[asked++] = subject_now_ns() - start;
	}
	peers_close(&peers);
	if (!good)
		return answer(load);
	qsort(took, (size_t)asked, sizeof(took[0]), by_size);
	return subject_ok(
		took[strcmp(load->bench, "hog_p50") == 0 ? asked / 2 : asked * 99 / 100] / 1e3,
		"us");
}

int load_idle(struct load *load)
{
	struct peers peers = { .set = -1 };
	unsigned count = connections(load);
	double memory, cpu = 0, start;
	bool good;

	if (count == 0)
		return subject_bad("there is no case %s", load->name);
	if (!has_room(load, count) || !load_serve(load))
		return answer(load);
	/* The first one has the server do what it does once. */
	good = peers_open(&peers, load, 1);
	peers_close(&peers);
	memory = load_memory(load);
	peers = (struct peers){ .set = -1 };
	good = good && peers_open(&peers, load, count);
	memory = load_memory(load) - memory;
	if (good) {
		usleep(200000);
		start = subject_now_ns();
		cpu = load_cpu_ns(load);
		usleep(1000000);
		cpu = (load_cpu_ns(load) - cpu) / (subject_now_ns() - start);
		/* And they are alive. */
		for (unsigned i = 0; i < count && good; i++)
			good = peer_ask(&peers.peer[i], load);
	}
	peers_close(&peers);
	if (!good)
		return answer(load);
	if (strcmp(load->bench, "idle_cpu") == 0)
		return subject_ok(cpu * 1e6, "us/s");
	return subject_ok(memory / count, "B/conn");
}
