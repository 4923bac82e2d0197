// SPDX-License-Identifier: GPL-2.0-only
/* ghostd: make processes here that come from elsewhere */
#include <errno.h>
#include <getopt.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ghostd.h"
#include "libghost.h"
#include "link.h"
#include "standard-fds.h"

#define CONF_PATH	"/etc/ghost/ghostd.conf"
#define LISTEN_MAX	16
#define ADDRESS_MAX	64
#define HOUR_MS		3600000

/* How many connections have come in this minute, of all addresses with this hash */
#define RATES		1024

/* A connection that is being served */
struct client {
	pid_t pid;
	char origin[ADDRESS_MAX];	/* address, or network of IPv6 */
};

struct daemon {
	struct conf conf;
	struct tls *tls;
	struct pollfd sockets[LISTEN_MAX];
	unsigned int nr_sockets;
	struct client *clients;		/* conf.max_sessions of them */
	long long minute;		/* when it began */
	unsigned int rates[RATES];	/* connections since then */
	bool told;			/* in this minute, that there are too many */
	long long sweep;		/* when to look for old records */
};

static volatile sig_atomic_t stop;

void report(const char *fmt, ...)
{
	char text[WHY_MAX + 256];
	size_t i;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	/* One line, whatever it is that somebody has sent */
	for (i = 0; text[i]; i++)
		if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
			text[i] = ' ';
	dprintf(STDERR_FILENO, "ghostd: %s\n", text);
}

static void on_stop(int sig)
{
	stop = sig;
}

static void on_child(int sig)
{
	/* poll() is to return */
	(void)sig;
}

static int listen_on(struct daemon *d, const struct addrinfo *a)
{
	int on = 1, ret = 0, fd;

	if (d->nr_sockets == LISTEN_MAX)
		return -E2BIG;
	fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, a->ai_protocol);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (a->ai_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (bind(fd, a->ai_addr, a->ai_addrlen) || listen(fd, 64))
		ret = -errno;
	if (ret)
		close(fd);
	else
		d->sockets[d->nr_sockets++] = (struct pollfd) { .fd = fd, .events = POLLIN };
	return ret;
}

/* At all addresses that the name has */
static int listen_at(struct daemon *d, const struct listen_address *a)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE };
	struct addrinfo *all, *one;
	int ret = 0, err = getaddrinfo(a->host, a->port, &hints, &all);

	if (err) {
		report("listen %s: %s", a->host, gai_strerror(err));
		return -EINVAL;
	}
	for (one = all; one && !ret; one = one->ai_next)
		ret = listen_on(d, one);
	freeaddrinfo(all);
	if (ret)
		report("listen %s port %s: %s", a->host, a->port, strerror(-ret));
	return ret;
}

static int listen_at_all(struct daemon *d)
{
	struct listen_address here[2] = {
		{ .host = "::", .port = LINK_PORT }, { .host = "0.0.0.0", .port = LINK_PORT },
	};
	const struct listen_address *a = d->conf.listen;
	int ret = 0;

	if (!a) {
		/* A machine may have only one of them */
		listen_at(d, &here[0]);
		listen_at(d, &here[1]);
		return d->nr_sockets ? 0 : -EADDRNOTAVAIL;
	}
	for (; a && !ret; a = a->next)
		ret = listen_at(d, a);
	return ret;
}

static struct client *find_client(const struct daemon *d, pid_t pid)
{
	unsigned int i;

	for (i = 0; i < d->conf.max_sessions; i++)
		if (d->clients[i].pid == pid)
			return &d->clients[i];
	return NULL;
}

static void reap(struct daemon *d)
{
	struct client *client;
	pid_t pid;

	while ((pid = waitpid(-1, NULL, WNOHANG)) > 0) {
		client = find_client(d, pid);
		if (client)
			client->pid = 0;
	}
}

static unsigned int count_from(const struct daemon *d, const char *origin)
{
	unsigned int i, n = 0;

	for (i = 0; i < d->conf.max_sessions; i++)
		n += d->clients[i].pid && !strcmp(d->clients[i].origin, origin);
	return n;
}

static unsigned int *rate_of(struct daemon *d, const char *origin)
{
	unsigned int hash = 5381;

	while (*origin)
		hash = hash * 33 + (unsigned char)*origin++;
	return &d->rates[hash % RATES];
}

/* Why a connection is not served, NULL: it is */
static const char *is_too_much(struct daemon *d, const char *origin)
{
	long long now = now_ms();

	if (now - d->minute >= 60000) {
		d->minute = now;
		memset(d->rates, 0, sizeof(d->rates));
		d->told = false;
	}
	if (*rate_of(d, origin) >= d->conf.max_per_minute)
		return "max-per-minute";
	++*rate_of(d, origin);
	if (!find_client(d, 0))
		return "max-sessions";
	if (count_from(d, origin) >= d->conf.max_per_host)
		return "max-per-host";
	return NULL;
}

static void serve(struct daemon *d, int fd, const char *address, const char *origin)
{
	struct client *client = find_client(d, 0);
	pid_t pid = fork();
	unsigned int i;

	if (pid < 0)
		report("%s: not served: %s", address, strerror(errno));
	if (!pid) {
		for (i = 0; i < d->nr_sockets; i++)
			close(d->sockets[i].fd);
		signal(SIGTERM, SIG_DFL);
		signal(SIGINT, SIG_DFL);
		session(&d->conf, d->tls, fd, address);
	}
	if (pid > 0) {
		client->pid = pid;
		snprintf(client->origin, sizeof(client->origin), "%s", origin);
	}
}

static void print_address(const struct sockaddr_storage *addr, socklen_t len,
			  char text[ADDRESS_MAX])
{
	if (getnameinfo((const void *)addr, len, text, ADDRESS_MAX, NULL, 0, NI_NUMERICHOST))
		snprintf(text, ADDRESS_MAX, "?");
}

/* Who has an address of IPv6 has all of its network, too */
static void make_origin(struct sockaddr_storage *addr)
{
	struct sockaddr_in6 *in6 = (void *)addr;

	if (addr->ss_family == AF_INET6 && !IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr))
		memset(&in6->sin6_addr.s6_addr[8], 0, 8);
}

static void take_connection(struct daemon *d, int socket)
{
	struct sockaddr_storage addr;
	socklen_t len = sizeof(addr);
	char address[ADDRESS_MAX], origin[ADDRESS_MAX];
	const char *too_much;
	int fd = accept4(socket, (void *)&addr, &len, SOCK_CLOEXEC);

	if (fd < 0)
		return;
	print_address(&addr, len, address);
	make_origin(&addr);
	print_address(&addr, len, origin);
	too_much = is_too_much(d, origin);
	if (too_much) {
		if (!d->told)
			report("%s: not served: %s is reached", address, too_much);
		d->told = true;
	} else {
		link_keep_alive(fd);
		serve(d, fd, address, origin);
	}
	close(fd);
}

static void run(struct daemon *d)
{
	unsigned int i;

	while (!stop) {
		reap(d);
		if (now_ms() >= d->sweep) {
			record_sweep(&d->conf);
			d->sweep = now_ms() + HOUR_MS;
		}
		if (poll(d->sockets, d->nr_sockets, 1000) <= 0)
			continue;
		reap(d);
		for (i = 0; i < d->nr_sockets; i++)
			if (d->sockets[i].revents)
				take_connection(d, d->sockets[i].fd);
	}
}

static int start(struct daemon *d)
{
	struct sigaction sa = { .sa_handler = on_stop };
	char why[WHY_MAX];
	int ret;

	if (ghost_probe()) {
		report("this kernel has no ghost; boot one that is built with CONFIG_GHOST=y");
		return -EOPNOTSUPP;
	}
	tls_load();
	ret = tls_open(&d->tls, &d->conf.files, why, sizeof(why));
	if (ret && !d->conf.insecure) {
		report("%s", why);
		return ret;
	}
	if (ret) {
		report("%s; only who is on this machine is served", why);
		tls_close(d->tls);
		d->tls = NULL;
	}
	d->clients = calloc(d->conf.max_sessions, sizeof(*d->clients));
	if (!d->clients)
		return -ENOMEM;
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGINT, &sa, NULL);
	sa.sa_handler = on_child;
	sigaction(SIGCHLD, &sa, NULL);
	signal(SIGPIPE, SIG_IGN);
	return listen_at_all(d);
}

static const char help[] =
"Usage: ghostd [-c FILE] [-t]\n"
"Make processes here that 'ghost migrate' and 'ghost dup' send from elsewhere.\n"
"\n"
"  -c, --config FILE  its configuration (" CONF_PATH ")\n"
"  -t, --test         only read the configuration\n"
"  --help             this text\n"
"  --version          the version\n";

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "test", no_argument, NULL, 't' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ }
	};
	static struct daemon d;
	const char *path = CONF_PATH;
	bool test = false;
	int opt;

	fill_standard_fds();
	umask(022);
	while ((opt = getopt_long(argc, argv, "c:t", options, NULL)) != -1) {
		switch (opt) {
		case 'c':
			path = optarg;
			break;
		case 't':
			test = true;
			break;
		case 'h':
			fputs(help, stdout);
			return 0;
		case 'V':
			printf("ghostd %s\n", ghost_version());
			return 0;
		default:
			return 64;
		}
	}
	if (optind != argc) {
		report("'%s': no arguments are taken", argv[optind]);
		return 64;
	}
	if (conf_read(&d.conf, path))
		return 78;
	if (test)
		return 0;
	if (start(&d))
		return 71;
	run(&d);
	return 0;
}
