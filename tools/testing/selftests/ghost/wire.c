// SPDX-License-Identifier: GPL-2.0
/*
 * What a connection between two machines takes, with and without a process in it
 *
 *	wire [-t] sink PORT		read all that comes and say so, until killed
 *	wire [-t] send HOST PORT BYTES	so many bytes of memory through a plain stream
 *	wire [-t] import PORT		make a process of each that comes, until killed
 *	wire [-t] export HOST PORT PID [N]	let the process go there, after up to N rounds
 *	wire fill MB PERCENT		have so much memory, and write so much of it each second
 *
 * send prints "us T", export "us T stop_us S bytes B rounds R". With -t they are TLS as the
 * kernel does it, with a key that everybody knows: it is for measuring.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>

#include <linux/tls.h>

#include "ghost_test.h"

#ifndef TCP_ULP
#define TCP_ULP		31
#endif
#ifndef SOL_TLS
#define SOL_TLS		282
#endif

#define PIECE		(1 << 20)

static bool tls;

static void __attribute__((noreturn)) fail(const char *what)
{
	fprintf(stderr, "wire: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000LL + ts.tv_nsec / 1000;
}

static void make_tls(int fd)
{
	struct tls12_crypto_info_aes_gcm_128 info = {
		.info.version = TLS_1_3_VERSION,
		.info.cipher_type = TLS_CIPHER_AES_GCM_128,
	};

	if (!tls)
		return;
	if (setsockopt(fd, IPPROTO_TCP, TCP_ULP, "tls", sizeof("tls")) ||
	    setsockopt(fd, SOL_TLS, TLS_TX, &info, sizeof(info)) ||
	    setsockopt(fd, SOL_TLS, TLS_RX, &info, sizeof(info)))
		fail("TLS");
}

static int connect_to(const char *host, const char *port)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_family = AF_INET }, *a;
	int fd;

	if (getaddrinfo(host, port, &hints, &a))
		fail(host);
	fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, a->ai_addr, a->ai_addrlen))
		fail(host);
	freeaddrinfo(a);
	make_tls(fd);
	return fd;
}

static int listen_at(const char *port)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_port = htons(atoi(port)) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (fd < 0 || bind(fd, (void *)&addr, sizeof(addr)) || listen(fd, 8))
		fail(port);
	return fd;
}

static int accept_one(int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		fail("accept");
	make_tls(fd);
	return fd;
}

/* The number of bytes comes first; the answer is one byte, when all are there. */
static void __attribute__((noreturn)) run_sink(const char *port)
{
	int listener = listen_at(port), fd;
	char *buf = malloc(PIECE);
	uint64_t left;
	ssize_t n;

	for (;;) {
		fd = accept_one(listener);
		if (recv(fd, &left, sizeof(left), MSG_WAITALL) != sizeof(left))
			left = 0;
		while (left && (n = read(fd, buf, left < PIECE ? left : PIECE)) > 0)
			left -= n;
		if (!left && write(fd, "", 1) != 1)
			perror("wire: answer");
		close(fd);
	}
}

static int run_send(const char *host, const char *port, const char *bytes)
{
	uint64_t left = strtoull(bytes, NULL, 10);
	int fd = connect_to(host, port);
	int64_t begin;
	char *buf, c;
	ssize_t n;

	/* Each byte is read where it lies, as an image's are */
	buf = mmap(NULL, left, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (buf == MAP_FAILED)
		fail("memory");
	memset(buf, 'x', left);
	begin = now_us();
	if (write(fd, &left, sizeof(left)) != sizeof(left))
		fail("write");
	for (; left; left -= n, buf += n) {
		n = write(fd, buf, left < PIECE ? left : PIECE);
		if (n <= 0)
			fail("write");
	}
	if (read(fd, &c, 1) != 1)
		fail("answer");
	printf("us %lld\n", (long long)(now_us() - begin));
	return 0;
}

static void __attribute__((noreturn)) run_import(const char *port)
{
	int listener = listen_at(port), null = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct ghost_tcp_params params = { };
	char report[4096];
	struct ghost_fd_map map[3] = { { 0, null }, { 1, null }, { 2, null } };
	struct ghost_import_args args = {
		.backend = GHOST_BACKEND_TCP,
		.params = (uintptr_t)&params,
		.params_size = sizeof(params),
		.report = (uintptr_t)report,
		.report_size = sizeof(report),
		.fd_map = (uintptr_t)map,
		.fd_map_len = 3,
	};

	signal(SIGCHLD, SIG_IGN);
	for (;;) {
		params.fd = accept_one(listener);
		if (ghost_import(&args, sizeof(args)) < 0)
			fprintf(stderr, "wire: %s: %s\n", strerror(errno), report);
		close(params.fd);
	}
}

static int run_export(const char *host, const char *port, const char *pid, int rounds)
{
	struct ghost_tcp_params params = { .fd = connect_to(host, port) };
	struct ghost_export_stats stats;
	char report[4096] = "";
	struct ghost_fd_map map[3] = { { 0, -1 }, { 1, -1 }, { 2, -1 } };
	struct ghost_export_args args = {
		.flags = GHOST_EXPORT_KILL,
		.pidfd = syscall(SYS_pidfd_open, atoi(pid), 0),
		.backend = GHOST_BACKEND_TCP,
		.params = (uintptr_t)&params,
		.params_size = sizeof(params),
		.report = (uintptr_t)report,
		.report_size = sizeof(report),
		.fd_map = (uintptr_t)map,
		.fd_map_len = 3,
		.stats = (uintptr_t)&stats,
		.stats_size = sizeof(stats),
		.rounds = rounds,
		.max_downtime_ms = 1,
	};
	int64_t begin = now_us();

	if (ghost_export(&args, sizeof(args)) < 0) {
		fprintf(stderr, "wire: %s: %s\n", strerror(errno), report);
		return 1;
	}
	printf("us %lld stop_us %lld bytes %llu rounds %llu\n", (long long)(now_us() - begin),
	       (long long)stats.stop_ns / 1000, (unsigned long long)stats.bytes,
	       (unsigned long long)stats.rounds);
	return 0;
}

/* Standard descriptors are pipes, so that they lie outside */
static void __attribute__((noreturn)) run_fill(const char *mb, const char *percent)
{
	size_t size = (size_t)atoi(mb) << 20, i, at = 0;
	size_t step = size / 100 * atoi(percent) / 100;
	char *buf = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (buf == MAP_FAILED)
		fail("memory");
	memset(buf, 'x', size);
	puts("ready");
	fflush(stdout);
	for (;;) {
		for (i = 0; i < step; i += 4096) {
			buf[at]++;
			at = (at + 4096) % size;
		}
		usleep(10000);
	}
}

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	if (argc > 1 && !strcmp(argv[1], "-t")) {
		tls = true;
		argv++;
		argc--;
	}
	if (argc == 3 && !strcmp(argv[1], "sink"))
		run_sink(argv[2]);
	if (argc == 5 && !strcmp(argv[1], "send"))
		return run_send(argv[2], argv[3], argv[4]);
	if (argc == 3 && !strcmp(argv[1], "import"))
		run_import(argv[2]);
	if ((argc == 5 || argc == 6) && !strcmp(argv[1], "export"))
		return run_export(argv[2], argv[3], argv[4], argc == 6 ? atoi(argv[5]) : 0);
	if (argc == 4 && !strcmp(argv[1], "fill"))
		run_fill(argv[2], argv[3]);
	fprintf(stderr, "usage: wire [-t] sink|send|import|export|fill ARGUMENT...\n");
	return 64;
}
