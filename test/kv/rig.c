/* SPDX-License-Identifier: MIT */
/*
 * The servers and clients of rig.h. Plain blocking sockets: what is tested is the other
 * side.
 */
#include "rig.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* ---- files ---------------------------------------------------------------------------- */

static char folder[64];
static pid_t owner;

static void folder_remove(void)
{
	char line[128];

	snprintf(line, sizeof(line), "rm -rf %s", folder);
	if (getpid() == owner)
		(void)!system(line);
}

const char *scratch(void)
{
	if (!folder[0]) {
		snprintf(folder, sizeof(folder), "/tmp/weft-kv-XXXXXX");
		CHECK_NOT_NULL(mkdtemp(folder));
		owner = getpid();
		atexit(folder_remove);
	}
	return folder;
}

/* ---- processes ------------------------------------------------------------------------ */

const char *const weft_program = WEFT_PROGRAM;

/* A child with both outputs in pipes. Signals are as an interactive shell leaves them. */
static pid_t child(const char *const *argv, int *out, int *err, const struct server_hook *hook)
{
	int outs[2], errs[2];
	pid_t pid;

	CHECK_EQ(pipe2(outs, O_CLOEXEC), 0);
	CHECK_EQ(pipe2(errs, O_CLOEXEC), 0);
	pid = fork();
	CHECK_GE(pid, 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		signal(SIGINT, SIG_DFL);
		signal(SIGTERM, SIG_DFL);
		signal(SIGPIPE, SIG_DFL);
		dup2(outs[1], 1);
		dup2(errs[1], 2);
		if (hook)
			hook->in_child();
		execvp(argv[0], (char *const *)(uintptr_t)argv);
		_exit(127);
	}
	close(outs[1]);
	close(errs[1]);
	*out = outs[0];
	*err = errs[0];
	if (hook)
		hook->in_parent(pid);
	return pid;
}

/* Reads lines until one contains `text`; what was read is in `line`. False at the end. */
static bool read_until(int fd, const char *text, char line[512])
{
	size_t len = 0;
	char c;

	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };

		if (poll(&p, 1, WAIT_S * 1000) != 1)
			FAIL("nothing with \"%s\" came within %d s", text, WAIT_S);
		if (read(fd, &c, 1) != 1)
			return false;
		if (len < 511)
			line[len++] = c;
		line[len] = '\0';
		if (c != '\n')
			continue;
		if (strstr(line, text))
			return true;
		len = 0;
	}
}

static bool start(struct server *s, const char *const *args, const struct server_hook *hook,
		  char line[512])
{
	const char *argv[32] = { weft_program }, *at;
	int n = 1;

	signal(SIGPIPE, SIG_IGN);
	*s = (struct server){ 0 };
	while (*args && n < 29)
		argv[n++] = *args++;
	argv[n++] = "--port";
	argv[n++] = "0";
	s->pid = child(argv, &s->out, &s->err, hook);
	if (!read_until(s->out, "listening on", line))
		return false;
	at = strstr(line, "unix:");
	if (at) {
		CHECK_EQ(sscanf(at, "unix:%99[^,]", s->path), 1);
		return true;
	}
	at = strstr(line, "127.0.0.1:");
	if (!at)
		at = strstr(line, "[::1]:");
	CHECK_NOT_NULL(at);
	s->port = atoi(strchr(at, '.') ? at + 10 : at + 6);
	CHECK_GT(s->port, 0);
	return true;
}

bool server_try_start(struct server *s, const char *const *args, const struct server_hook *hook)
{
	char line[512] = "";

	return start(s, args, hook, line);
}

void server_start(struct server *s, const char *const *args)
{
	char line[512] = "", said[512] = "";

	if (start(s, args, NULL, line))
		return;
	read_until(s->err, "weft", said);
	FAIL("weft kv did not start: %s%s", line, said);
}

bool redis_start(struct server *s)
{
	char line[512] = "";
	const char *argv[] = { "redis-server",
			       "--port",
			       "0",
			       "--unixsocket",
			       s->path,
			       "--save",
			       "",
			       "--appendonly",
			       "no",
			       "--daemonize",
			       "no",
			       "--dir",
			       scratch(),
			       "--proto-max-bulk-len",
			       "536870912",
			       NULL };

	signal(SIGPIPE, SIG_IGN);
	*s = (struct server){ 0 };
	snprintf(s->path, sizeof(s->path), "%s/redis.sock", scratch());
	s->pid = child(argv, &s->out, &s->err, NULL);
	if (read_until(s->out, "eady to accept connections", line))
		return true;
	CHECK_EQ(server_wait(s), 127);
	return false;
}

int child_wait(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		CHECK_EQ(errno, EINTR);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void drain(int fd, struct buf *to)
{
	char piece[4096];
	ssize_t n;

	while ((n = read(fd, piece, sizeof(piece))) > 0) {
		if (to)
			buf_bytes(to, piece, (size_t)n);
	}
	close(fd);
}

struct buf server_last_words(struct server *s)
{
	struct buf said = { 0 };

	drain(s->err, &said);
	s->err = -1;
	return said;
}

int run(struct buf *said, const char *const *argv)
{
	int out, err;
	pid_t pid = child(argv, &out, &err, NULL);

	drain(out, said);
	drain(err, said);
	return child_wait(pid);
}

int server_wait(struct server *s)
{
	struct pollfd p = { .fd = s->out, .events = POLLIN };
	char piece[512];
	int code;

	/* The pipe ends when the process does. */
	do {
		if (poll(&p, 1, WAIT_S * 1000) != 1) {
			kill(s->pid, SIGKILL);
			FAIL("the server had not ended after %d s", WAIT_S);
		}
	} while (read(s->out, piece, sizeof(piece)) > 0);
	code = child_wait(s->pid);
	close(s->out);
	if (s->err >= 0)
		close(s->err);
	return code;
}

void server_stop(struct server *s)
{
	char line[512] = "";

	kill(s->pid, SIGTERM);
	if (s->port == 0) {
		server_wait(s);
		return;
	}
	if (!read_until(s->out, "ended", line))
		read_until(s->err, "no such text", line);
	CHECK_NOT_NULL(strstr(line, "ended"));
	CHECK_EQ(server_wait(s), 0);
}

void server_says(struct server *s, const char *text)
{
	char line[512] = "";

	if (!read_until(s->err, text, line))
		FAIL("the server ended without saying \"%s\"; last it said: %s", text, line);
}

/* ---- clients -------------------------------------------------------------------------- */

bool client_try_open(struct client *c, const struct server *s)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons((uint16_t)s->port) };
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct timeval wait = { .tv_sec = WAIT_S };
	int err;

	*c = (struct client){ 0 };
	c->fd = socket(s->port ? AF_INET : AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK_GE(c->fd, 0);
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	snprintf(un.sun_path, sizeof(un.sun_path), "%s", s->path);
	setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	setsockopt(c->fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
	err = s->port ? connect(c->fd, (struct sockaddr *)&in, sizeof(in))
		      : connect(c->fd, (struct sockaddr *)&un, sizeof(un));
	if (err) {
		err = errno;
		close(c->fd);
		errno = err;
	}
	return err == 0;
}

void client_open(struct client *c, const struct server *s)
{
	if (!client_try_open(c, s))
		FAIL("cannot connect: %s", strerror(errno));
}

void client_close(struct client *c)
{
	close(c->fd);
	free(c->in);
	free(c->reply);
	*c = (struct client){ .fd = -1 };
}

void client_reset(struct client *c)
{
	struct linger now = { .l_onoff = 1, .l_linger = 0 };

	setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	client_close(c);
}

void client_send(struct client *c, const void *bytes, size_t len)
{
	const char *at = bytes;

	while (len > 0) {
		ssize_t n = send(c->fd, at, len, MSG_NOSIGNAL);

		if (n < 0)
			FAIL("cannot send: %s", strerror(errno));
		at += n;
		len -= (size_t)n;
	}
}

void say(struct client *c, const char *format, ...)
{
	char line[4096];
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(line, sizeof(line) - 2, format, args);
	va_end(args);
	CHECK_LT(len, (int)sizeof(line) - 2);
	memcpy(line + len, "\r\n", 2);
	client_send(c, line, (size_t)len + 2);
}

/* Items behind the header at bytes[at], -1 for a reply that is a line alone. */
static long items_of(const char *bytes, size_t at)
{
	long n = atol(bytes + at + 1);

	switch (bytes[at]) {
	case '*':
	case '~':
	case '>': return n > 0 ? n : 0;
	case '%': return 2 * n;
	case '|': return 2 * n + 1;
	default: return -1;
	}
}

size_t reply_end(const char *bytes, size_t at, size_t len)
{
	const char *line = at < len ? memchr(bytes + at, '\n', len - at) : NULL;
	size_t end = line ? (size_t)(line - bytes) + 1 : 0;
	long items;

	if (!line)
		return 0;
	if (strchr("$=!", bytes[at])) {
		long size = atol(bytes + at + 1);

		end += size < 0 ? 0 : (size_t)size + 2;
		return end <= len ? end : 0;
	}
	if (!strchr("+-:_,#(*~>%|", bytes[at]))
		FAIL("a reply that begins with '%c'", bytes[at]);
	for (items = items_of(bytes, at); items > 0 && end; items--)
		end = reply_end(bytes, end, len);
	return end;
}

/* Reads more behind what is there: bytes, 0 at the end, -errno. */
static ssize_t read_more(struct client *c)
{
	ssize_t n;

	if (c->at > 0) {
		memmove(c->in, c->in + c->at, c->len - c->at);
		c->len -= c->at;
		c->at = 0;
	}
	if (c->room - c->len < 16 * 1024) {
		c->room = 2 * c->room + 64 * 1024;
		c->in = realloc(c->in, c->room);
		CHECK_NOT_NULL(c->in);
	}
	n = recv(c->fd, c->in + c->len, c->room - c->len - 1, 0);
	if (n > 0)
		c->len += (size_t)n;
	return n < 0 ? -errno : n;
}

const char *hear(struct client *c, size_t *len)
{
	size_t end;

	while ((end = reply_end(c->in ? c->in : "", c->at, c->len)) == 0) {
		ssize_t n = read_more(c);

		if (n <= 0)
			FAIL("no reply came: %s", n ? strerror((int)-n) : "the server closed");
	}
	free(c->reply);
	c->reply = malloc(end - c->at + 1);
	CHECK(c->reply != NULL);
	memcpy(c->reply, c->in + c->at, end - c->at);
	c->reply[end - c->at] = '\0';
	if (len)
		*len = end - c->at;
	c->at = end;
	return c->reply;
}

void ask(struct client *c, const char *line, const char *reply)
{
	say(c, "%s", line);
	CHECK_STR_EQ(hear(c, NULL), reply);
}

int64_t ask_int(struct client *c, const char *line)
{
	const char *reply;

	say(c, "%s", line);
	reply = hear(c, NULL);
	if (reply[0] != ':')
		FAIL("the reply to %s is no number: %s", line, reply);
	return atoll(reply + 1);
}

void expect_end(struct client *c)
{
	ssize_t n;

	CHECK_EQ(c->len - c->at, 0);
	n = read_more(c);
	if (n > 0)
		FAIL("there was more: %.*s", (int)n, c->in);
	CHECK(n == 0 || n == -ECONNRESET);
}

struct buf hear_all(struct client *c)
{
	struct buf b = { 0 };
	ssize_t n;

	while ((n = read_more(c)) > 0)
		;
	CHECK(n == 0 || n == -ECONNRESET || n == -EPIPE);
	buf_bytes(&b, c->in + c->at, c->len - c->at);
	c->at = c->len;
	return b;
}
