/* SPDX-License-Identifier: MIT */
/* `weft kv`, or a redis-server, under redis-benchmark with 50 clients.
 *
 *	set_p1, get_p1, set_p16, get_p16	the command, and how many a client sends before
 *						it waits for answers
 *
 * SERVER is a program with a redis-server's options if that is its name, and else one with
 * a subcommand kv. The server's own count of commands tells that the work was done, and a
 * value that was set is read back. */
#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

enum { KEYS = 100000, REHEARSAL = 40000, START_MS = 5000 };

static int port_free(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	socklen_t size = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM, 0), port = -1;

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd >= 0 && bind(fd, (struct sockaddr *)&at, size) == 0 &&
	    getsockname(fd, (struct sockaddr *)&at, &size) == 0)
		port = ntohs(at.sin_port);
	if (fd >= 0)
		close(fd);
	return port;
}

/* A connection, as soon as the server has come up; or -1. */
static int knock(const struct load *load)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((uint16_t)load->port) };
	struct timeval patience = { .tv_sec = 5 };

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	for (int ms = 0; ms < START_MS; ms += 5) {
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
		if (connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0)
			return fd;
		close(fd);
		usleep(5000);
	}
	return -1;
}

static bool kv_serve(struct load *load)
{
	const char *name = strrchr(load->program, '/');
	bool redis = strstr(name ? name : load->program, "redis") != NULL;
	char port[16], threads[16];
	char *as_redis[] = { (char *)load->program,
			     (char *)"--port",
			     port,
			     (char *)"--bind",
			     (char *)"127.0.0.1",
			     (char *)"--save",
			     (char *)"",
			     (char *)"--io-threads",
			     getenv("REDIS_IO_THREADS") ? threads : (char *)"1",
			     NULL };
	char *as_kv[] = { (char *)load->program,
			  (char *)"kv",
			  (char *)"--port",
			  port,
			  (char *)"--workers",
			  threads,
			  NULL };
	int out;

	load->port = port_free();
	snprintf(port, sizeof(port), "%d", load->port);
	snprintf(threads, sizeof(threads), "%d", load->workers);
	/* Nobody reads what it prints, which is little. */
	return load_start(load, redis ? as_redis : as_kv, &out);
}

/* The answer to a command, as it comes, whole or its first part. */
static bool ask(struct load *load, int fd, const char *command, char *text, size_t size)
{
	ssize_t n = -1;

	if (send(fd, command, strlen(command), MSG_NOSIGNAL) == (ssize_t)strlen(command))
		n = recv(fd, text, size - 1, 0);
	if (n <= 0)
		return load_fail(load, "bad the server does not answer %.40s", command);
	text[n] = 0;
	return true;
}

static double commands_done(struct load *load, int fd)
{
	static const char field[] = "total_commands_processed:";
	char text[16384];
	const char *at;

	if (!ask(load, fd, "INFO stats\r\n", text, sizeof(text)))
		return -1;
	at = strstr(text, field);
	return at ? atof(at + sizeof(field) - 1) : -1;
}

/* Runs redis-benchmark for `n` requests: requests in a second by its own count, or -1. */
static double benchmark(struct load *load, const char *test, int pipeline, uint64_t n)
{
	char command[256], line[256], *comma;
	double rate = -1;
	FILE *out;

	snprintf(command, sizeof(command),
		 "redis-benchmark -h 127.0.0.1 -p %d -c 50 -t %s -P %d -n %" PRIu64
		 " -r %d -d 3 --csv 2>&1",
		 load->port, test, pipeline, n, KEYS);
	out = popen(command, "r");
	while (out && fgets(line, sizeof(line), out)) {
		comma = strchr(line, ',');
		if (comma && comma[1] == '"' && comma[2] >= '0' && comma[2] <= '9')
			rate = atof(comma + 2);
		else if (strstr(line, "rror") || strstr(line, "not found"))
			load_fail(load, "bad redis-benchmark: %.100s", line);
	}
	if (!out || pclose(out) != 0 || load->why[0])
		rate = -1;
	if (rate <= 0 && !load->why[0])
		load_fail(load, "bad redis-benchmark failed");
	return rate;
}

struct kv_run {
	const char *test;
	int pipeline, fd;
	uint64_t n;
	double rate, cpu_ns;
};

static bool kv_measure(struct load *load, struct kv_run *run)
{
	char text[256];
	double before, rate = benchmark(load, "set", 16, REHEARSAL);

	if (rate > 0)
		rate = benchmark(load, run->test, run->pipeline, REHEARSAL);
	if (rate <= 0)
		return false;
	run->n = (uint64_t)(rate * load_run_ms(600) / 1e3) + 1000;
	before = commands_done(load, run->fd);
	run->cpu_ns = -load_cpu_ns(load);
	run->rate = benchmark(load, run->test, run->pipeline, run->n);
	run->cpu_ns += load_cpu_ns(load);
	if (run->rate <= 0 || before < 0)
		return false;
	if (commands_done(load, run->fd) - before < (double)run->n)
		return load_fail(load, "bad the server did less than it was asked for");
	if (!ask(load, run->fd, "SET key:1 abc\r\n", text, sizeof(text)) ||
	    !ask(load, run->fd, "GET key:1\r\n", text, sizeof(text)))
		return false;
	return strcmp(text, "$3\r\nabc\r\n") == 0 ||
	       load_fail(load, "bad a value that was set is not there");
}

int load_kv(struct load *load)
{
	struct kv_run run = { .pipeline = 0 };
	bool good;

	run.test = strncmp(load->name, "set", 3) == 0 ? "set" : "get";
	if (sscanf(load->name + 3, "_p%d", &run.pipeline) != 1)
		return subject_bad("there is no case %s", load->name);
	if (system("command -v redis-benchmark >/dev/null") != 0)
		return subject_skip("redis-benchmark is not installed");
	if (getenv("REDIS_IO_THREADS") && load->workers == 1)
		return subject_skip("with one thread it is redis");
	good = kv_serve(load);
	load_step_aside(load);
	run.fd = good ? knock(load) : -1;
	if (good && run.fd < 0)
		good = load_fail(load, "bad the server does not come up: %s", strerror(errno));
	good = good && kv_measure(load, &run);
	if (run.fd >= 0)
		close(run.fd);
	if (!good) {
		puts(load->why);
		return 0;
	}
	return subject_ok(strcmp(load->bench, "kv") == 0 ? 1e9 / run.rate
							 : run.cpu_ns / (double)run.n,
			  "ns/request");
}
