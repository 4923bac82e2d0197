// SPDX-License-Identifier: GPL-2.0-only
/* What ghost and ghostd say to each other: requests, messages, and what is wrong with them */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "link.h"
#include "request.h"

static int number, failed;

static void ok(bool good, const char *name)
{
	printf("%sok %d %s\n", good ? "" : "not ", ++number, name);
	failed |= !good;
}

static int parse(const char *text, struct request *r)
{
	char copy[LINK_MAX + 1], why[256] = "";
	int ret;

	snprintf(copy, sizeof(copy), "%s", text);
	ret = request_parse(r, copy, why, sizeof(why));
	/* Whatever is refused is explained */
	return ret && !*why ? 1 : ret;
}

static const char good[] = "version 1\ndo migrate\nuser alice\nprocess a-b:12:34\n";

static bool is_refused(const char *line)
{
	char text[LINK_MAX];
	struct request r;

	snprintf(text, sizeof(text), "%s%s\n", good, line);
	if (parse(text, &r) == -EPROTO)
		return true;
	printf("# taken: %s\n", line);
	return false;
}

static void test_round_trip(void)
{
	struct request a = {
		.what = REQUEST_DUPLICATE, .user = "b$", .process = "0-f:1:2:a", .forward = true,
		.rows = 24, .columns = 80, .nr_outside = 2,
		.outside = {
			{ .fd = 0, .access = O_RDWR, .same = 0, .terminal = true },
			{ .fd = 7, .access = O_WRONLY, .same = 2 },
		},
	}, b;
	char text[LINK_MAX];

	strcpy(a.file, "/tmp/with a blank");
	ok(!request_print(&a, text, sizeof(text)) && !parse(text, &b) && !memcmp(&a, &b, sizeof(a)),
	   "A request is read as it was written");
	ok(request_print(&a, text, 40) == -EOPNOTSUPP, "A request that has no room is not cut");
}

static void test_refusals(void)
{
	static const char * const lines[] = {
		"nonsense", "version 2", "do", "do nothing", "user", "user -x", "user ../x",
		"user a/b", "process .", "process ../../etc/passwd", "process a/b", "outside",
		"outside 1", "outside 1 x 1", "outside 1 r 2", "outside -1 r 0",
		"outside 99999999999 r 0", "outside 1 r 1 window", "forward", "forward 1",
		"forward 1 65536", "file relative", "file", "user \xff",
	};
	char text[LINK_MAX];
	struct request r;
	bool all = true;
	size_t i, len;

	ok(!parse(good, &r), "A small request is taken");
	for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		all &= is_refused(lines[i]);
	ok(all, "Wrong lines are refused and explained");

	/* Each prefix that lacks something that is needed */
	for (all = true, len = 0; len < strlen(good) - strlen("a-b:12:34\n"); len++) {
		memcpy(text, good, len);
		text[len] = '\0';
		all &= parse(text, &r) == -EPROTO;
	}
	ok(all, "What is missing is noticed");

	len = snprintf(text, sizeof(text), "%s", good);
	for (i = 0; i <= REQUEST_OUTSIDE_MAX; i++)
		len += snprintf(text + len, sizeof(text) - len, "outside %zu r 0\n", i);
	ok(parse(text, &r) == -EPROTO, "Too many descriptors are refused");

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	ok(parse(text, &r) == -EPROTO, "A long line is refused");
	memcpy(text, "user ", 5);
	ok(parse(text, &r) == -EPROTO, "A long name is refused");
}

/* Noise in place of any byte: nothing but an answer comes of it */
static void test_noise(void)
{
	char text[sizeof(good)];
	struct request r;
	size_t i;
	int c;

	for (i = 0; i < sizeof(good) - 1; i++) {
		for (c = 1; c < 256; c++) {
			memcpy(text, good, sizeof(good));
			text[i] = c;
			if (parse(text, &r) > 0)
				ok(false, "What is refused is explained");
		}
	}
	ok(true, "No byte does harm");
}

static void test_names(void)
{
	static const struct {
		const char *text, *host, *port;
	} cases[] = {
		{ "host", "host", LINK_PORT }, { "host:12", "host", "12" },
		{ "[::1]:12", "::1", "12" }, { "[::1]", "::1", LINK_PORT },
		{ "fe80::1", "fe80::1", LINK_PORT },
	};
	static const char * const bad[] = { "", ":12", "[::1", "[]:1", "host:", "[::1]x" };
	const char *host, *port;
	char text[64];
	bool all = true;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(text, sizeof(text), "%s", cases[i].text);
		all &= link_split(text, &host, &port) && !strcmp(host, cases[i].host) &&
		       !strcmp(port, cases[i].port);
	}
	ok(all, "Hosts and ports are told apart");
	for (all = true, i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(text, sizeof(text), "%s", bad[i]);
		all &= !link_split(text, &host, &port);
	}
	ok(all, "What is no host is refused");
}

static void test_messages(void)
{
	static const uint32_t huge[2] = { LINK_DATA, 0x7fffffff };
	static struct link_message m;
	int sv[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, sv))
		exit(1);
	ok(!link_send_words(sv[0], LINK_EXIT, 1, 37) && !link_receive(sv[1], &m, 1000) &&
	   m.type == LINK_EXIT && link_word(&m, 0) == 1 && link_word(&m, 1) == 37 &&
	   link_word(&m, 2) == 0, "A message arrives");
	ok(link_receive(sv[1], &m, 50) == -ETIMEDOUT, "Silence ends");
	if (write(sv[0], huge, 6) != 6)
		exit(1);
	ok(link_receive(sv[1], &m, 50) == -ETIMEDOUT, "Half a header does not hold up for ever");
	if (write(sv[0], huge, sizeof(huge)) != sizeof(huge) || write(sv[0], huge, 2) != 2)
		exit(1);
	ok(link_receive(sv[1], &m, 50) == -EPROTO, "A message that is too long is refused");
	close(sv[0]);
	ok(link_receive(sv[1], &m, 50) == -ENODATA, "The end is seen");
	ok(link_send_words(sv[1], LINK_EXIT, 0, 0) == -EPIPE, "Nobody dies of a closed connection");
}

int main(void)
{
	printf("1..17\n");
	test_round_trip();
	test_refusals();
	test_noise();
	test_names();
	test_messages();
	return failed || number != 17;
}
