// SPDX-License-Identifier: GPL-2.0
/*
 * Transfers that an export interrupts half way: neither original nor copy may see it
 *
 * A target makes one call that transfers more than there is room for, or waits for more
 * bytes than there are. While it sleeps with a part of them done it is exported. Then the rest
 * goes through, in the original and in a copy that has another peer.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <termios.h>

#include "../kselftest_harness.h"
#include "ghost_test.h"

#define TOTAL	(1 << 20)
#define FIRST	5000		/* of a receive: what comes before the export */

static unsigned char buf[TOTAL];

/* A few bytes in a row tell where they stand */
static unsigned char pattern(size_t i)
{
	return (i / 4 * 2654435761U) >> i % 4 * 8;
}

static void fill(void)
{
	size_t i;

	for (i = 0; i < TOTAL; i++)
		buf[i] = pattern(i);
}

static volatile sig_atomic_t handled;

static void handler(int sig)
{
	handled++;
}

/*
 * Targets: the call, on descriptor 3
 */

static int transfer(ssize_t (*call)(void))
{
	struct sigaction sa = { .sa_handler = handler };
	ssize_t n;

	sigaction(SIGUSR1, &sa, NULL);
	fill();
	say("ready");
	n = call();
	if (n < 0)
		say("%s", strerrorname_np(errno));
	else if (n < TOTAL && handled)
		say("a part");
	else
		say("%zd", n);
	return 0;
}

static ssize_t call_write(void)
{
	return write(3, buf, TOTAL);
}

static ssize_t call_writev(void)
{
	struct iovec iov[3] = {
		{ buf, 10 }, { buf + 10, 70000 }, { buf + 70010, TOTAL - 70010 },
	};

	return writev(3, iov, 3);
}

static ssize_t call_writev_one(void)
{
	struct iovec iov = { buf, TOTAL };

	return writev(3, &iov, 1);
}

static ssize_t call_send(void)
{
	return send(3, buf, TOTAL, 0);
}

/* MSG_SPLICE_PAGES is for callers inside the kernel; send() does not look at it */
static ssize_t call_send_splice(void)
{
	return send(3, buf, TOTAL, 0x8000000);
}

static ssize_t call_sendmsg(void)
{
	struct iovec iov[2] = { { buf, 1000 }, { buf + 1000, TOTAL - 1000 } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };

	return sendmsg(3, &msg, 0);
}

static ssize_t received(ssize_t n)
{
	ssize_t i;

	for (i = 0; i < n; i++) {
		if (buf[i] != pattern(i)) {
			say("byte %zd is wrong", i);
			break;
		}
	}
	return n;
}

static ssize_t call_recv(void)
{
	memset(buf, 0, sizeof(buf));
	return received(recv(3, buf, TOTAL, MSG_WAITALL));
}

static ssize_t call_recvmsg(void)
{
	struct iovec iov[2] = { { buf, 1000 }, { buf + 1000, TOTAL - 1000 } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };

	memset(buf, 0, sizeof(buf));
	return received(recvmsg(3, &msg, MSG_WAITALL));
}

TARGET(write) { return transfer(call_write); }
TARGET(writev) { return transfer(call_writev); }
TARGET(writev_one) { return transfer(call_writev_one); }
TARGET(send) { return transfer(call_send); }
TARGET(send_splice) { return transfer(call_send_splice); }
TARGET(sendmsg) { return transfer(call_sendmsg); }
TARGET(recv) { return transfer(call_recv); }
TARGET(recvmsg) { return transfer(call_recvmsg); }

/*
 * What it is done on: ends[0] is the target's, ends[1] the test's
 */

static bool make_pipe(int *ends)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC))
		return false;
	ends[0] = fds[1];
	ends[1] = fds[0];
	return true;
}

static bool make_unix(int *ends)
{
	return !socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends);
}

static bool make_tcp(int *ends)
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t len = sizeof(addr);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), size = 20000;
	bool ok;

	ends[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	ok = !bind(listener, (struct sockaddr *)&addr, len) && !listen(listener, 1) &&
	     !getsockname(listener, (struct sockaddr *)&addr, &len) &&
	     !connect(ends[0], (struct sockaddr *)&addr, len);
	ends[1] = ok ? accept4(listener, NULL, NULL, SOCK_CLOEXEC) : -1;
	close(listener);
	return ends[1] >= 0;
}

static bool make_terminal(int *ends)
{
	struct termios raw;

	if (openpty(&ends[1], &ends[0], NULL, NULL, NULL) || tcgetattr(ends[0], &raw))
		return false;
	cfmakeraw(&raw);
	return !tcsetattr(ends[0], TCSANOW, &raw);
}

FIXTURE(transfer)
{
	struct target t;
	struct target copy;
	struct image img;
	int ends[2];
	int copy_ends[2];
};

FIXTURE_VARIANT(transfer)
{
	const char *target;
	long nr;
	bool (*make)(int *ends);
	bool receives;
};

#define V(_name, _target, _nr, _make, _receives)				\
	FIXTURE_VARIANT_ADD(transfer, _name)					\
	{									\
		.target = #_target, .nr = _nr, .make = make_##_make,		\
		.receives = _receives,						\
	}

V(write_to_a_pipe, write, SYS_write, pipe, false);
V(writev_to_a_pipe, writev, SYS_writev, pipe, false);
V(writev_of_one_piece_to_a_pipe, writev_one, SYS_writev, pipe, false);
V(write_to_a_terminal, write, SYS_write, terminal, false);
V(write_to_a_unix_socket, write, SYS_write, unix, false);
V(sendmsg_to_a_unix_socket, sendmsg, SYS_sendmsg, unix, false);
V(write_to_tcp, write, SYS_write, tcp, false);
V(send_to_tcp, send, SYS_sendto, tcp, false);
V(send_to_tcp_with_a_flag_of_the_kernel, send_splice, SYS_sendto, tcp, false);
V(recv_from_tcp, recv, SYS_recvfrom, tcp, true);
V(recvmsg_from_tcp, recvmsg, SYS_recvmsg, tcp, true);

FIXTURE_SETUP(transfer)
{
	GHOST_NEEDED();
	memset(self->ends, -1, sizeof(self->ends));
	memset(self->copy_ends, -1, sizeof(self->copy_ends));
	ASSERT_EQ(NULL, image_open(&self->img, STORE_TMPFS));
	ASSERT_TRUE(variant->make(self->ends));
	ASSERT_TRUE(variant->make(self->copy_ends));
}

static void close_ends(int *ends)
{
	close(ends[0]);
	close(ends[1]);
	ends[0] = -1;
	ends[1] = -1;
}

FIXTURE_TEARDOWN(transfer)
{
	target_end(&self->t);
	target_end(&self->copy);
	image_close(&self->img);
	close_ends(self->ends);
	close_ends(self->copy_ends);
}

static bool send_part(int fd, size_t from, size_t to)
{
	size_t i;
	ssize_t n;

	fill();
	for (i = from; i < to; i += n) {
		n = send(fd, buf + i, to - i, 0);
		if (n <= 0)
			return false;
	}
	return true;
}

/* Has the owner of the other name of this socket taken all that came? */
static bool is_empty(int fd)
{
	int64_t end = now_ms() + PATIENCE_MS;
	int n = 1;

	while (!ioctl(fd, FIONREAD, &n) && n && now_ms() < end)
		sleep_ms(2);
	return !n;
}

/*
 * Where does a copy begin? Some of what is done by then may be neither here nor there, in the
 * buffers of a connection. Reads 8 bytes.
 */
static size_t find_start(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	unsigned char first[sizeof(uint64_t)];
	size_t n, at;

	for (n = 0; n < sizeof(first); n++)
		if (poll(&pfd, 1, PATIENCE_MS) <= 0 || read(fd, first + n, 1) != 1)
			return TOTAL;
	fill();
	for (at = 0; at < TOTAL - sizeof(first); at++)
		if (!memcmp(buf + at, first, sizeof(first)))
			return at;
	return TOTAL;
}

/* Read from @from on to the end. Returns how many bytes there were, -1: they are wrong. */
static ssize_t read_rest(int fd, size_t from)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	unsigned char part[4096];
	size_t at = from;
	ssize_t n, i;

	while (at < TOTAL) {
		if (poll(&pfd, 1, PATIENCE_MS) <= 0)
			break;
		n = read(fd, part, sizeof(part));
		if (n <= 0)
			break;
		for (i = 0; i < n; i++, at++) {
			if (part[i] != pattern(at)) {
				fprintf(stderr, "# byte %zu is wrong\n", at);
				return -1;
			}
		}
	}
	return at - from;
}

/* Pages of user space that the kernel has pinned */
static long pinned_pages(void)
{
	char text[16384], *got, *put;

	if (read_text("/proc/vmstat", text, sizeof(text)) <= 0)
		return -1;
	got = strstr(text, "nr_foll_pin_acquired ");
	put = strstr(text, "nr_foll_pin_released ");
	return got && put ? atol(strchr(got, ' ')) - atol(strchr(put, ' ')) : -1;
}

/* Others may have some pinned for a while */
static bool pinned_pages_return_to(long n)
{
	int64_t end = now_ms() + PATIENCE_MS;

	while (pinned_pages() > n && now_ms() < end)
		sleep_ms(20);
	return pinned_pages() <= n;
}

/* The target is asleep with a part done. Returns how much, 0: it is not. */
static size_t start_transfer(struct target *t, const FIXTURE_VARIANT(transfer) *variant,
			     int *ends)
{
	struct target_options o = { .fds = ends, .nfds = 1 };
	int n = 0, last, i;

	if (target_start(t, variant->target, &o) || !target_says(t, "ready"))
		return 0;
	if (variant->receives) {
		if (!send_part(ends[1], 0, FIRST) || !is_empty(ends[0]) ||
		    !target_sleeps_in(t, 0, variant->nr))
			return 0;
		return FIRST;
	}
	/* Until no more comes */
	for (i = 0; i < 10; ) {
		last = n;
		sleep_ms(5);
		if (ioctl(ends[1], FIONREAD, &n))
			return 0;
		i = n && n == last ? i + 1 : 0;
	}
	return target_sleeps_in(t, 0, variant->nr) ? n : 0;
}

static bool end_transfer(const FIXTURE_VARIANT(transfer) *variant, int *ends, size_t done)
{
	if (variant->receives)
		return send_part(ends[1], done, TOTAL);
	return read_rest(ends[1], done) == (ssize_t)(TOTAL - done);
}

TEST_F(transfer, is_complete_in_original_and_copy)
{
	long pinned = pinned_pages();
	size_t done, from;
	char text[32];
	int status, i;

	ASSERT_LE(0, pinned);
	snprintf(text, sizeof(text), "%d", TOTAL);
	done = start_transfer(&self->t, variant, self->ends);
	ASSERT_LT(0, done);
	for (i = 0; i < 3; i++) {
		ASSERT_EXPORTED(&self->t, &self->img, 0);
		ASSERT_TRUE(target_sleeps_in(&self->t, 0, variant->nr));
	}
	EXPECT_TRUE(target_is_silent(&self->t, 20));
	ASSERT_EQ(0, import_target(&self->copy, &self->t, &self->img, 0, self->copy_ends))
		TH_LOG("import: %s: %s", strerror(errno), self->img.report);
	if (variant->receives) {
		EXPECT_TRUE(send_part(self->copy_ends[1], done, TOTAL));
	} else {
		from = find_start(self->copy_ends[1]);
		EXPECT_LE(done, from);
		if (variant->make == make_pipe || variant->make == make_unix)
			EXPECT_EQ(done, from);
		EXPECT_EQ(TOTAL - from - sizeof(uint64_t),
			  read_rest(self->copy_ends[1], from + sizeof(uint64_t)));
		done = 0;
	}
	EXPECT_TRUE(target_says(&self->copy, text));
	EXPECT_EQ(0, target_wait(&self->copy, &status));
	EXPECT_TRUE(end_transfer(variant, self->ends, done));
	EXPECT_TRUE(target_says(&self->t, text));
	EXPECT_EQ(0, target_wait(&self->t, &status));
	EXPECT_TRUE(pinned_pages_return_to(pinned));
}

TEST_F(transfer, is_still_cut_short_by_a_signal)
{
	int status;

	ASSERT_LT(0, start_transfer(&self->t, variant, self->ends));
	ASSERT_EXPORTED(&self->t, &self->img, 0);
	ASSERT_TRUE(target_sleeps_in(&self->t, 0, variant->nr));
	ASSERT_EQ(0, kill(self->t.pid, SIGUSR1));
	EXPECT_TRUE(target_says(&self->t, "a part"));
	EXPECT_EQ(0, target_wait(&self->t, &status));
	ASSERT_EQ(0, import_target(&self->copy, &self->t, &self->img, 0, self->copy_ends))
		TH_LOG("import: %s: %s", strerror(errno), self->img.report);
	ASSERT_TRUE(target_sleeps_in(&self->copy, 0, variant->nr));
	ASSERT_EQ(0, kill(self->copy.pid, SIGUSR1));
	EXPECT_TRUE(target_says(&self->copy, "a part"));
	EXPECT_EQ(0, target_wait(&self->copy, &status));
}

TEST_F(transfer, goes_on_in_a_copy_that_was_made_stopped)
{
	size_t done;

	done = start_transfer(&self->t, variant, self->ends);
	ASSERT_LT(0, done);
	ASSERT_EXPORTED(&self->t, &self->img, 0);
	ASSERT_EQ(0, import_target(&self->copy, &self->t, &self->img, GHOST_IMPORT_STOPPED,
				   self->copy_ends))
		TH_LOG("import: %s: %s", strerror(errno), self->img.report);
	ASSERT_TRUE(proc_state_becomes(self->copy.pid, 0, 'T'));
	ASSERT_EQ(0, kill(self->copy.pid, SIGCONT));
	EXPECT_TRUE(target_sleeps_in(&self->copy, 0, variant->nr));
	EXPECT_TRUE(target_is_silent(&self->copy, 20));
}

TEST_F(transfer, ends_with_the_process)
{
	int status;

	ASSERT_LT(0, start_transfer(&self->t, variant, self->ends));
	ASSERT_EXPORTED(&self->t, &self->img, 0);
	ASSERT_TRUE(target_sleeps_in(&self->t, 0, variant->nr));
	ASSERT_EQ(0, kill(self->t.pid, SIGKILL));
	ASSERT_EQ(0, target_wait(&self->t, &status));
	EXPECT_EQ(SIGKILL, WTERMSIG(status));
}

TEST_HARNESS_MAIN
