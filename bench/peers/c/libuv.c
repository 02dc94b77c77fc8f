/* SPDX-License-Identifier: MIT */
/* Peer: libuv - a server that sends back what it gets, for bench-load. Its loop has one
 * thread. It writes at once what the socket takes, which is the fastest that libuv offers,
 * and queues the rest. */
#include "../../subject.h"

#include <uv.h>

struct client {
	uv_tcp_t stream;
	uv_write_t write;
	char buffer[4096];
};

static void closed(uv_handle_t *handle)
{
	free(handle);
}

static void lend(uv_handle_t *handle, size_t size, uv_buf_t *out)
{
	struct client *client = (struct client *)handle;

	(void)size;
	*out = uv_buf_init(client->buffer, sizeof(client->buffer));
}

static void heard(uv_stream_t *stream, ssize_t n, const uv_buf_t *buffer);

static void written(uv_write_t *write, int status)
{
	if (status < 0)
		uv_close((uv_handle_t *)write->handle, closed);
	else
		uv_read_start(write->handle, lend, heard);
}

static void heard(uv_stream_t *stream, ssize_t n, const uv_buf_t *buffer)
{
	struct client *client = (struct client *)stream;
	uv_buf_t out;
	int sent;

	if (n < 0) {
		uv_close((uv_handle_t *)stream, closed);
		return;
	}
	out = uv_buf_init(buffer->base, (unsigned)n);
	sent = n > 0 ? uv_try_write(stream, &out, 1) : 0;
	if (sent >= (int)n)
		return;
	/* The buffer is busy until the rest is through. */
	uv_read_stop(stream);
	out = uv_buf_init(buffer->base + (sent > 0 ? sent : 0),
			  (unsigned)(n - (sent > 0 ? sent : 0)));
	uv_write(&client->write, stream, &out, 1, written);
}

static void knocked(uv_stream_t *listener, int status)
{
	struct client *client = calloc(1, sizeof(*client));

	if (status < 0 || !client || uv_tcp_init(listener->loop, &client->stream) != 0) {
		free(client);
		return;
	}
	if (uv_accept(listener, (uv_stream_t *)&client->stream) != 0) {
		uv_close((uv_handle_t *)&client->stream, closed);
		return;
	}
	uv_tcp_nodelay(&client->stream, 1);
	uv_read_start((uv_stream_t *)&client->stream, lend, heard);
}

int main(int argc, char **argv)
{
	struct sockaddr_in at;
	uv_tcp_t listener;
	int size = sizeof(at);

	if (argc != 4)
		return subject_bad("usage: SUBJECT BENCH CASE WORKERS");
	if (atoi(argv[3]) != 1)
		return subject_skip("its loop has one thread");
	uv_ip4_addr("127.0.0.1", 0, &at);
	if (uv_tcp_init(uv_default_loop(), &listener) != 0 ||
	    uv_tcp_bind(&listener, (const struct sockaddr *)&at, 0) != 0 ||
	    uv_listen((uv_stream_t *)&listener, 4096, knocked) != 0 ||
	    uv_tcp_getsockname(&listener, (struct sockaddr *)&at, &size) != 0)
		return subject_bad("it cannot listen");
	printf("port %d\n", ntohs(at.sin_port));
	fflush(stdout);
	return uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}
