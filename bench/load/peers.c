/* SPDX-License-Identifier: MIT */
/* Connections that are open all at once.
 *
 * The bytes of a request depend on its connection and on its number there, so an answer
 * that was another's, or an older one, is seen. The next request goes out when the answer
 * is whole. */
#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PATIENCE_MS = 5000, EVENTS = 256 };

static int connect_to(int port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0)
		return -1;
	if (connect(fd, (struct sockaddr *)&at, sizeof(at)) != 0 ||
	    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) != 0) {
		int err = errno;

		close(fd);
		errno = err;
		return -1;
	}
	return fd;
}

static bool peer_say(struct peer *peer, struct load *load)
{
	uint64_t mark = ++peer->round << 20 ^ peer->index;

	for (size_t i = 0; i < MESSAGE; i += sizeof(mark), mark *= UINT64_C(0x9e3779b97f4a7c15))
		memcpy(peer->said + i, &mark, sizeof(mark));
	peer->heard = 0;
	/* It fits, since there is nothing else under way. */
	if (send(peer->fd, peer->said, MESSAGE, MSG_NOSIGNAL) != MESSAGE)
		return load_fail(load, "bad a request was not taken: %s", strerror(errno));
	return true;
}

/* Takes what is there of the answer: 1 if it is whole, 0 if not, -1. */
static int peer_hear(struct peer *peer, struct load *load)
{
	ssize_t n = recv(peer->fd, peer->hears + peer->heard, MESSAGE - peer->heard, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0) {
		load_fail(load, "bad the server closed a connection%s%s", n < 0 ? ": " : "",
			  n < 0 ? strerror(errno) : "");
		return -1;
	}
	peer->heard += (size_t)n;
	if (peer->heard < MESSAGE)
		return 0;
	if (memcmp(peer->hears, peer->said, MESSAGE) != 0) {
		load_fail(load, "bad an answer was not what was said");
		return -1;
	}
	return 1;
}

bool peer_ask(struct peer *peer, struct load *load)
{
	int heard = 0;

	if (!peer_say(peer, load))
		return false;
	while (heard == 0) {
		struct pollfd ready = { .fd = peer->fd, .events = POLLIN };

		if (poll(&ready, 1, PATIENCE_MS) == 0)
			return load_fail(load, "bad no answer within %d ms", PATIENCE_MS);
		heard = peer_hear(peer, load);
	}
	return heard > 0;
}

bool peers_open(struct peers *peers, struct load *load, unsigned count)
{
	peers->peer = calloc(count, sizeof(*peers->peer));
	peers->set = epoll_create1(EPOLL_CLOEXEC);
	if (!peers->peer || peers->set < 0)
		return load_fail(load, "bad no memory or descriptor for the client");
	for (; peers->count < count; peers->count++) {
		struct peer *peer = &peers->peer[peers->count];
		struct epoll_event event = { .events = EPOLLIN, .data.ptr = peer };

		peer->index = peers->count;
		peer->fd = connect_to(load->port);
		if (peer->fd < 0)
			return load_fail(load, "bad connection %u of %u: %s", peers->count + 1,
					 count, strerror(errno));
		if (!peer_ask(peer, load))
			return false;
		if (epoll_ctl(peers->set, EPOLL_CTL_ADD, peer->fd, &event) != 0)
			return load_fail(load, "bad epoll: %s", strerror(errno));
	}
	return true;
}

void peers_close(struct peers *peers)
{
	for (unsigned i = 0; i < peers->count; i++)
		close(peers->peer[i].fd);
	close(peers->set);
	free(peers->peer);
}

bool peers_begin(struct peers *peers, struct load *load)
{
	for (unsigned i = 0; i < peers->count; i++)
		if (!peer_say(&peers->peer[i], load))
			return false;
	return true;
}

bool peers_drive(struct peers *peers, struct load *load, double until_ns)
{
	struct epoll_event events[EVENTS];

	while (subject_now_ns() < until_ns) {
		int count = epoll_wait(peers->set, events, EVENTS, PATIENCE_MS);

		if (count == 0)
			return load_fail(load, "bad no answer within %d ms", PATIENCE_MS);
		for (int i = 0; i < count; i++) {
			struct peer *peer = events[i].data.ptr;
			int heard = peer_hear(peer, load);

			if (heard < 0)
				return false;
			if (heard == 0)
				continue;
			peers->done++;
			if (!peer_say(peer, load))
				return false;
		}
	}
	return true;
}
