/* SPDX-License-Identifier: MIT */
/*
 * The second half of chapter async: `weft kv` as a process of its own, and clients that
 * all add to one counter and each to their own, in pipelines; a fiber each, or a thread.
 */
#include "tour_async.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "descriptors.h"
#include "tour_line.h"

enum { BATCHES = 25, OWN = 15 }; /* commands of a batch: OWN, and one to the shared counter */

struct load {
	int port, count, runs;
	bool plain;
	struct client *clients;
};

struct client {
	struct load *load;
	int number;
};

/* ---- the server ------------------------------------------------------------------------- */

/* Starts it; its port is on the first line that it prints. The pipe's end is kept open:
 * its output goes there. */
static int server_start(pid_t *pid, int *out, int *port)
{
	char line[256] = "", *at;
	FILE *lines;
	int fds[2];

	if (pipe(fds) < 0)
		return -errno;
	*pid = fork();
	if (*pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		dup2(fds[1], 1);
		close(fds[0]);
		close(fds[1]);
		execl("/proc/self/exe", "weft", "kv", "--port", "0", (char *)NULL);
		_exit(127);
	}
	close(fds[1]);
	lines = *pid > 0 ? fdopen(fds[0], "r") : NULL;
	if (lines && fgets(line, sizeof(line), lines) && (at = strstr(line, "127.0.0.1:")) != NULL)
		*port = atoi(at + strlen("127.0.0.1:"));
	*out = dup(fds[0]);
	if (lines)
		fclose(lines);
	else
		close(fds[0]);
	return *port > 0 ? 0 : -ECHILD;
}

static int server_end(pid_t pid, int out)
{
	int status = 0;

	kill(pid, SIGTERM);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	close(out);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -ECHILD;
}

/* ---- the clients ------------------------------------------------------------------------- */

/* Reads so many lines, of which the first ones are compared with `wanted`. */
static int read_lines(struct line *line, int count, const char *wanted)
{
	char got[1024];
	size_t len = 0;
	int seen = 0;

	while (seen < count) {
		int64_t n = line_read(line, got + len, sizeof(got) - len);

		if (n <= 0)
			return n < 0 ? (int)n : -ENODATA;
		for (int64_t i = 0; i < n; i++)
			seen += got[len + (size_t)i] == '\n';
		len += (size_t)n;
	}
	return len > strlen(wanted) && memcmp(got, wanted, strlen(wanted)) == 0 ? 0 : -EBADMSG;
}

static int batch(struct client *c, struct line *line, int first)
{
	char asked[1024], wanted[512];
	size_t a = 0, w = 0;
	int err;

	for (int i = 0; i < OWN; i++) {
		a += (size_t)snprintf(asked + a, sizeof(asked) - a, "INCR client:%d:%d\r\n",
				      c->number, c->load->runs);
		w += (size_t)snprintf(wanted + w, sizeof(wanted) - w, ":%d\r\n", first + i + 1);
	}
	a += (size_t)snprintf(asked + a, sizeof(asked) - a, "INCRBY shared %d\r\n", OWN);
	err = line_send(line, asked, a);
	return err ? err : read_lines(line, OWN + 1, wanted);
}

static int add(void *arg)
{
	struct client *c = arg;
	struct line line;
	int err = line_open(&line, c->load->port, c->load->plain);

	if (err)
		return err;
	for (int i = 0; i < BATCHES && err == 0; i++)
		err = batch(c, &line, i * OWN);
	line_close(&line);
	return err;
}

static int add_all(struct load *l, bool plain)
{
	int err;

	l->plain = plain;
	l->runs++;
	for (int i = 0; i < l->count; i++)
		l->clients[i] = (struct client){ .load = l, .number = i };
	err = line_run_all(add, l->clients, sizeof(*l->clients), l->count, plain);
	if (err)
		l->runs--;
	return err;
}

static int by_fibers(void *arg)
{
	return add_all(arg, false);
}

static int by_threads(void *arg)
{
	return add_all(arg, true);
}

/* The shared counter, as another client sees it. */
static int read_shared(const struct load *l, uint64_t *value)
{
	char got[64] = "";
	struct line line;
	int64_t n;
	int err = line_open(&line, l->port, true);

	if (err)
		return err;
	err = line_send(&line, "INCRBY shared 0\r\n", 17);
	n = err ? err : line_read(&line, got, sizeof(got) - 1);
	line_close(&line);
	*value = n > 0 && got[0] == ':' ? strtoull(got + 1, NULL, 10) : 0;
	return n > 0 ? 0 : n < 0 ? (int)n : -ENODATA;
}

int tour_kv(int wanted, struct tour_kv *result)
{
	int most = descriptors_raise(wanted + 100) - 100, out = -1, err, ended;
	struct load l = { .count = most < wanted ? most : wanted };
	struct tour_race race = { .ours = by_fibers, .plain = by_threads, .arg = &l };
	pid_t pid = -1;

	if (l.count < 1)
		return -EMFILE;
	l.clients = calloc((size_t)l.count, sizeof(*l.clients));
	if (!l.clients)
		return -ENOMEM;
	err = server_start(&pid, &out, &l.port);
	if (err == 0)
		err = tour_race(&race, 3);
	*result = (struct tour_kv){
		.clients = l.count,
		.commands = (uint64_t)l.count * BATCHES * (OWN + 1),
		.should_be = (uint64_t)l.runs * (uint64_t)l.count * BATCHES * OWN,
		.ours_ns = race.ours_ns,
		.plain_ns = race.plain_ns,
	};
	if (err == 0)
		err = read_shared(&l, &result->added);
	ended = pid > 0 ? server_end(pid, out) : 0;
	free(l.clients);
	return err ? err : ended;
}
