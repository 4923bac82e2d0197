// SPDX-License-Identifier: GPL-2.0-only
/* Messages between ghost and ghostd */
#include <arpa/inet.h>
#include <ctype.h>
#include <endian.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>
#include <linux/tcp.h>

#include "compiler.h"
#include "link.h"

bool is_name(const char *text, const char *more)
{
	const char *c;

	for (c = text; *c; c++)
		if (!(isascii(*c) && isalnum(*c)) && !strchr(more, *c))
			return false;
	return c != text;
}

#define LINGER_MS	5000

struct header {
	uint32_t type;
	uint32_t len;
};

long long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

/* Wait for @events until @end. */
static int wait_for(int fd, short events, long long end)
{
	struct pollfd pollfd = { .fd = fd, .events = events };
	long long left;
	int ret;

	do {
		left = end - now_ms();
		if (left <= 0)
			return -ETIMEDOUT;
		ret = poll(&pollfd, 1, left);
	} while (!ret || (ret < 0 && errno == EINTR));
	return ret < 0 ? -errno : 0;
}

static int send_all(int fd, const struct header *hdr, const void *data, size_t len)
{
	struct iovec iov[2] = {
		{ .iov_base = (void *)hdr, .iov_len = sizeof(*hdr) },
		{ .iov_base = (void *)data, .iov_len = len },
	};
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
	long long end = now_ms() + LINK_TIMEOUT_MS;
	ssize_t n;
	int ret;

	while (msg.msg_iovlen) {
		n = sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		if (n < 0) {
			ret = wait_for(fd, POLLOUT, end);
			if (ret)
				return ret;
			continue;
		}
		while (msg.msg_iovlen && (size_t)n >= msg.msg_iov->iov_len) {
			n -= msg.msg_iov->iov_len;
			msg.msg_iov++;
			msg.msg_iovlen--;
		}
		if (msg.msg_iovlen) {
			msg.msg_iov->iov_base = (char *)msg.msg_iov->iov_base + n;
			msg.msg_iov->iov_len -= n;
		}
	}
	return 0;
}

int link_send(int fd, uint32_t type, const void *data, size_t len)
{
	struct header hdr = { .type = htole32(type), .len = htole32(len) };

	return len > LINK_MAX ? -EMSGSIZE : send_all(fd, &hdr, data, len);
}

int link_send_words(int fd, uint32_t type, uint32_t a, uint32_t b)
{
	uint32_t words[2] = { htole32(a), htole32(b) };

	return link_send(fd, type, words, sizeof(words));
}

int link_send_text(int fd, uint32_t type, const char *text)
{
	return link_send(fd, type, text, strnlen(text, LINK_MAX));
}

static int receive_all(int fd, void *buf, size_t len, long long end)
{
	size_t done = 0;
	ssize_t n;
	int ret;

	while (done < len) {
		n = recv(fd, (char *)buf + done, len - done, MSG_DONTWAIT);
		if (!n)
			return -ENODATA;
		if (n > 0) {
			done += n;
			continue;
		}
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		ret = wait_for(fd, POLLIN, end);
		if (ret)
			return ret;
	}
	return 0;
}

int link_receive(int fd, struct link_message *m, int timeout_ms)
{
	long long end = now_ms() + timeout_ms;
	struct header hdr;
	int ret = receive_all(fd, &hdr, sizeof(hdr), end);

	if (ret)
		return ret;
	m->type = le32toh(hdr.type);
	m->len = le32toh(hdr.len);
	if (m->len > LINK_MAX)
		return -EPROTO;
	ret = receive_all(fd, m->data, m->len, end);
	m->data[ret ? 0 : m->len] = '\0';
	return ret;
}

void link_linger(int fd)
{
	long long end = now_ms() + LINGER_MS;
	char buf[4096];
	ssize_t n;

	shutdown(fd, SHUT_WR);
	do {
		n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return;
	} while (n && now_ms() < end && (n > 0 || !wait_for(fd, POLLIN, end)));
}

uint32_t link_word(const struct link_message *m, unsigned int n)
{
	uint32_t word;

	if (m->len < (n + 1) * sizeof(word))
		return 0;
	memcpy(&word, m->data + n * sizeof(word), sizeof(word));
	return le32toh(word);
}

bool link_split(char *text, const char **host, const char **port)
{
	char *end = text;

	*port = LINK_PORT;
	*host = text;
	if (*text == '[') {
		*host = text + 1;
		end = strchr(text, ']');
		if (!end)
			return false;
		*end++ = '\0';
	} else {
		end = strchr(text, ':');
		if (!end || strchr(end + 1, ':'))	/* none, or an address of IPv6 */
			end = text + strlen(text);
	}
	if (*end == ':') {
		*end = '\0';
		*port = end + 1;
	} else if (*end) {
		return false;
	}
	return **host && **port;
}

int link_connect(const char *host, const char *port, char *why, size_t size)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *all, *one;
	int fd = -1, ret = -EHOSTUNREACH, err = getaddrinfo(host, port, &hints, &all);

	if (err) {
		snprintf(why, size, "%s: %s", host,
			 err == EAI_SYSTEM ? strerror(errno) : gai_strerror(err));
		return ret;
	}
	for (one = all; one; one = one->ai_next) {
		fd = socket(one->ai_family, one->ai_socktype | SOCK_CLOEXEC, one->ai_protocol);
		if (fd >= 0 && !connect(fd, one->ai_addr, one->ai_addrlen))
			break;
		ret = -errno;
		if (fd >= 0)
			close(fd);
		fd = -1;
	}
	freeaddrinfo(all);
	if (fd >= 0)
		link_keep_alive(fd);
	else
		snprintf(why, size, "%s port %s: %s", host, port, strerror(-ret));
	return fd < 0 ? ret : fd;
}

void link_keep_alive(int fd)
{
	static const struct {
		int level, name, value;
	} options[] = {
		{ SOL_SOCKET, SO_KEEPALIVE, 1 },
		{ IPPROTO_TCP, TCP_KEEPIDLE, 5 },
		{ IPPROTO_TCP, TCP_KEEPINTVL, 5 },
		{ IPPROTO_TCP, TCP_KEEPCNT, 3 },
		{ IPPROTO_TCP, TCP_USER_TIMEOUT, LINK_TIMEOUT_MS },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(options); i++)
		setsockopt(fd, options[i].level, options[i].name, &options[i].value,
			   sizeof(options[i].value));
}

static bool is_loopback(const struct sockaddr_storage *addr)
{
	const struct sockaddr_in6 *in6 = (const void *)addr;
	const struct sockaddr_in *in = (const void *)addr;

	if (addr->ss_family == AF_INET)
		return ntohl(in->sin_addr.s_addr) >> 24 == 127;
	if (addr->ss_family != AF_INET6)
		return false;
	if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr))
		return in6->sin6_addr.s6_addr[12] == 127;
	return IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr);
}

bool link_is_local(int fd)
{
	struct sockaddr_storage addr;
	socklen_t len = sizeof(addr);

	if (getpeername(fd, (void *)&addr, &len) || !is_loopback(&addr))
		return false;
	len = sizeof(addr);
	return !getsockname(fd, (void *)&addr, &len) && is_loopback(&addr);
}

unsigned long long link_bytes_sent(int fd)
{
	struct tcp_info info = { };
	socklen_t len = sizeof(info);

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len))
		return 0;
	return info.tcpi_bytes_acked;
}
