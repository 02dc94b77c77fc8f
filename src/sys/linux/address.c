/* SPDX-License-Identifier: MIT */
/*
 * Addresses of sockets, between text and what the kernel takes.
 */
#define _GNU_SOURCE

#include "sys/io.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

_Static_assert(sizeof(struct sockaddr_storage) <= sizeof(((weft_address *)0)->bytes),
	       "any address must have room");

static sa_family_t family(const weft_address *address)
{
	return address->size < sizeof(sa_family_t)
		       ? AF_UNSPEC
		       : ((const struct sockaddr *)(const void *)address->bytes)->sa_family;
}

static void keep(weft_address *out, const void *raw, size_t size)
{
	memset(out, 0, sizeof(*out));
	memcpy(out->bytes, raw, size);
	out->size = (uint32_t)size;
}

/* "0" to "65535", all of it digits. */
static int read_port(const char *text)
{
	char *end;
	long port;

	if (*text < '0' || *text > '9' || strlen(text) > 5)
		return -EINVAL;
	port = strtol(text, &end, 10);
	return *end || port > 65535 ? -EINVAL : (int)port;
}

/* "path" or "@name": an abstract name is not ended by a zero, but by the size. */
static int read_unix(weft_address *out, const char *path)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	size_t length = strlen(path);

	if (length == 0 || length >= sizeof(un.sun_path))
		return -EINVAL;
	memcpy(un.sun_path, path, length);
	if (*path == '@')
		un.sun_path[0] = '\0';
	else
		length++;
	keep(out, &un, offsetof(struct sockaddr_un, sun_path) + length);
	return 0;
}

static int read_v6(weft_address *out, const char *host, int port)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port) };
	char text[INET6_ADDRSTRLEN];
	size_t length = strcspn(host, "%");

	if (length >= sizeof(text))
		return -EINVAL;
	memcpy(text, host, length);
	text[length] = '\0';
	if (inet_pton(AF_INET6, text, &in6.sin6_addr) != 1)
		return -EINVAL;
	if (host[length] == '%') {
		in6.sin6_scope_id = if_nametoindex(host + length + 1);
		if (in6.sin6_scope_id == 0)
			return -EINVAL;
	}
	keep(out, &in6, sizeof(in6));
	return 0;
}

int weft__address_read(weft_address *out, const char *text, bool *wild)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	const char *colon = strrchr(text, ':');
	char host[INET6_ADDRSTRLEN + IF_NAMESIZE + 4];
	size_t length;
	int port;

	memset(out, 0, sizeof(*out));
	*wild = false;
	if (strncmp(text, "unix:", 5) == 0)
		return read_unix(out, text + 5);
	if (!colon || (size_t)(colon - text) >= sizeof(host))
		return -EINVAL;
	port = read_port(colon + 1);
	length = (size_t)(colon - text);
	memcpy(host, text, length);
	host[length] = '\0';
	if (port < 0)
		return port;
	if (length > 2 && host[0] == '[' && host[length - 1] == ']') {
		host[length - 1] = '\0';
		return read_v6(out, host + 1, port);
	}
	*wild = strcmp(host, "*") == 0;
	in.sin_port = htons((uint16_t)port);
	if (!*wild && inet_pton(AF_INET, host, &in.sin_addr) != 1)
		return -EINVAL;
	keep(out, &in, sizeof(in));
	return 0;
}

static void write_unix(const weft_address *address, char *text, size_t size)
{
	const struct sockaddr_un *un = (const void *)address->bytes;
	const size_t head = offsetof(struct sockaddr_un, sun_path);
	int length = address->size > head ? (int)(address->size - head) : 0;

	if (length > 0 && un->sun_path[0] == '\0')
		snprintf(text, size, "unix:@%.*s", length - 1, un->sun_path + 1);
	else
		snprintf(text, size, "unix:%.*s", length, un->sun_path);
}

void weft__address_write(const weft_address *address, char *text, size_t size)
{
	const struct sockaddr_in *in = (const void *)address->bytes;
	const struct sockaddr_in6 *in6 = (const void *)address->bytes;
	char host[INET6_ADDRSTRLEN] = "", scope[IF_NAMESIZE] = "";

	*text = '\0';
	switch (family(address)) {
	case AF_INET:
		inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host));
		snprintf(text, size, "%s:%u", host, ntohs(in->sin_port));
		break;
	case AF_INET6:
		inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host));
		if (in6->sin6_scope_id && !if_indextoname(in6->sin6_scope_id, scope))
			scope[0] = '\0';
		snprintf(text, size, "[%s%s%s]:%u", host, *scope ? "%" : "", scope,
			 ntohs(in6->sin6_port));
		break;
	case AF_UNIX: write_unix(address, text, size); break;
	default: break;
	}
}

int weft__address_port(const weft_address *address)
{
	switch (family(address)) {
	case AF_INET: return ntohs(((const struct sockaddr_in *)(const void *)address)->sin_port);
	case AF_INET6:
		return ntohs(((const struct sockaddr_in6 *)(const void *)address)->sin6_port);
	default: return 0;
	}
}

bool weft__address_is_tcp(const weft_address *address)
{
	return family(address) == AF_INET || family(address) == AF_INET6;
}

bool weft__address_is_v6(const weft_address *address)
{
	return family(address) == AF_INET6;
}

const char *weft__address_path(const weft_address *address)
{
	const struct sockaddr_un *un = (const void *)address->bytes;
	const size_t head = offsetof(struct sockaddr_un, sun_path);

	return family(address) == AF_UNIX && address->size > head && un->sun_path[0] ? un->sun_path
										     : NULL;
}

void weft__address_remove(const weft_address *address)
{
	const char *path = weft__address_path(address);
	int saved = errno;
	struct stat st;

	if (path && lstat(path, &st) == 0 && S_ISSOCK(st.st_mode))
		(void)unlink(path);
	errno = saved;
}

static int resolve_error(int error)
{
	switch (error) {
	case EAI_AGAIN: return -EAGAIN;
	case EAI_MEMORY: return -ENOMEM;
	case EAI_SYSTEM: return errno ? -errno : -EIO;
	case EAI_BADFLAGS:
	case EAI_SOCKTYPE: return -EINVAL;
	default: return -ENOENT; /* no such host, or it has no address, or no such service */
	}
}

int weft__address_resolve(weft_address *out, int most, const char *host, const char *service)
{
	const struct addrinfo hints = {
		.ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_ADDRCONFIG,
	};
	int saved = errno;
	struct addrinfo *found;
	int error, count = 0;

	errno = 0;
	error = getaddrinfo(host, service, &hints, &found);
	if (error) {
		error = resolve_error(error);
		errno = saved;
		return error;
	}
	for (struct addrinfo *at = found; at && count < most; at = at->ai_next)
		if (at->ai_addrlen <= sizeof(out->bytes))
			keep(&out[count++], at->ai_addr, at->ai_addrlen);
	freeaddrinfo(found);
	errno = saved;
	return count ? count : -ENOENT;
}
