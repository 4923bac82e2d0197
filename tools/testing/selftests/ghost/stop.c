// SPDX-License-Identifier: GPL-2.0
/*
 * A process is stopped, exported and let go, wherever it sleeps, and neither the
 * original nor the copy can tell: no EINTR, no stretched timeout.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/futex.h>
#include <linux/userfaultfd.h>
#include <mqueue.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/sem.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>

#include "../kselftest_harness.h"
#include "ghost_test.h"

#ifndef __NR_epoll_pwait2
#define __NR_epoll_pwait2	441
#endif
#ifndef PR_SET_MEMORY_MERGE
#define PR_SET_MEMORY_MERGE	67
#endif
#ifndef __NR_futex_waitv
#define __NR_futex_waitv	449
#endif

/*
 * Calls to sleep in. Each says "ready", sleeps, and says what it got. An argument that
 * begins with "threads:" asks for company: the call is made by a thread among others.
 */

static volatile sig_atomic_t handled;
static __thread const char *call_arg;

static void count_signal(int sig)
{
	handled++;
}

static void handle(int sig)
{
	struct sigaction sa = { .sa_handler = count_signal };

	sigaction(sig, &sa, NULL);
}

static void mask(int how, int sig)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, sig);
	pthread_sigmask(how, &set, NULL);
}

static bool is_blocked(int sig)
{
	sigset_t set;

	pthread_sigmask(SIG_BLOCK, NULL, &set);
	return sigismember(&set, sig);
}

static void say_result(const char *name, long ret, int err, int64_t ms)
{
	char result[80], time[40] = "", signals[40] = "";

	if (ret < 0)
		snprintf(result, sizeof(result), "%ld %s", ret, strerrorname_np(err));
	else
		snprintf(result, sizeof(result), "%ld", ret);
	if (handled)
		snprintf(signals, sizeof(signals), ", %d signals", (int)handled);
	if (ms >= 0)
		snprintf(time, sizeof(time), " after %ld ms", ms);
	say("%s%s%s%s", name, result, signals, time);
}

struct call {
	const char *name;
	long (*run)(void);
	const char *arg;
	bool timed;
};

static int run_call(const struct call *call)
{
	int64_t begin, end;
	long ret;
	int err;

	call_arg = call->arg;
	handled = 0;
	say("ready");
	begin = now_ms();
	errno = 0;
	ret = call->run();
	err = errno;
	end = now_ms();
	say_result("", ret, err, call->timed ? end - begin : -1);
	return 0;
}

static void *busy_thread(void *unused)
{
	static volatile unsigned long turns;

	for (;;)
		turns++;
	return unused;
}

static void *idle_thread(void *unused)
{
	for (;;)
		pause();
	return unused;
}

static void *call_thread(void *call)
{
	sigset_t none;

	sigemptyset(&none);
	pthread_sigmask(SIG_SETMASK, &none, NULL);
	run_call(call);
	return NULL;
}

static int run_among_threads(struct call *call)
{
	pthread_t busy, idle, one;
	sigset_t all;

	/* Signals are for the one that makes the call */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, NULL);
	if (pthread_create(&busy, NULL, busy_thread, NULL) ||
	    pthread_create(&idle, NULL, idle_thread, NULL) ||
	    pthread_create(&one, NULL, call_thread, call)) {
		say("no threads");
		return 1;
	}
	pthread_join(one, NULL);
	return 0;
}

static int start_call(struct call *call, const char *arg)
{
	static const char among[] = "threads:";

	if (strncmp(arg, among, strlen(among))) {
		call->arg = arg;
		return run_call(call);
	}
	call->arg = arg + strlen(among);
	return run_among_threads(call);
}

#define CALL_TARGET(_name, _timed)					\
	static long call_##_name(void);					\
	TARGET(_name)							\
	{								\
		struct call call = { #_name, call_##_name, NULL, _timed };	\
									\
		return start_call(&call, arg);				\
	}								\
	static long call_##_name(void)

#define CALL(_name)		CALL_TARGET(_name, false)
#define TIMED_CALL(_name)	CALL_TARGET(_name, true)

static const struct timespec three_seconds = { 3, 0 };

static struct timespec in_three_seconds(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	ts.tv_sec += 3;
	return ts;
}

/* User mode, signals */

CALL(user_mode_loop)
{
	volatile unsigned long turns = 0;

	handle(SIGUSR1);
	while (!handled)
		turns++;
	return 0;
}

CALL(pause)
{
	handle(SIGUSR1);
	return syscall(SYS_pause);
}

CALL(sigsuspend)
{
	sigset_t set;
	long ret;
	int err;

	handle(SIGUSR1);
	mask(SIG_BLOCK, SIGUSR1);
	mask(SIG_UNBLOCK, SIGUSR2);
	sigfillset(&set);
	sigdelset(&set, SIGUSR1);
	ret = sigsuspend(&set);
	err = errno;
	if (!is_blocked(SIGUSR1) || is_blocked(SIGUSR2))
		say("wrong mask");
	errno = err;
	return ret;
}

CALL(sigwaitinfo)
{
	siginfo_t info;
	sigset_t set;

	mask(SIG_BLOCK, SIGUSR1);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	return sigwaitinfo(&set, &info);
}

TIMED_CALL(sigtimedwait_3s)
{
	siginfo_t info;
	sigset_t set;

	mask(SIG_BLOCK, SIGUSR2);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	return syscall(SYS_rt_sigtimedwait, &set, &info, &three_seconds, 8);
}

/* Sleep */

TIMED_CALL(nanosleep_3s)
{
	struct timespec left;

	return syscall(SYS_nanosleep, &three_seconds, &left);
}

TIMED_CALL(clock_nanosleep_monotonic_3s)
{
	return syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &three_seconds, NULL);
}

TIMED_CALL(clock_nanosleep_realtime_3s)
{
	return syscall(SYS_clock_nanosleep, CLOCK_REALTIME, 0, &three_seconds, NULL);
}

TIMED_CALL(clock_nanosleep_boottime_3s)
{
	return syscall(SYS_clock_nanosleep, CLOCK_BOOTTIME, 0, &three_seconds, NULL);
}

TIMED_CALL(clock_nanosleep_absolute_3s)
{
	struct timespec end = in_three_seconds(CLOCK_MONOTONIC);

	return syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, TIMER_ABSTIME, &end, NULL);
}

TIMED_CALL(clock_nanosleep_absolute_realtime_3s)
{
	struct timespec end = in_three_seconds(CLOCK_REALTIME);

	return syscall(SYS_clock_nanosleep, CLOCK_REALTIME, TIMER_ABSTIME, &end, NULL);
}

CALL(clock_nanosleep_cputime)
{
	struct timespec long_time = { 1000, 0 };

	handle(SIGUSR1);
	return syscall(SYS_clock_nanosleep, CLOCK_PROCESS_CPUTIME_ID, 0, &long_time, NULL);
}

/* Futexes */

static unsigned int word;

static void *waker_thread(void *where)
{
	unsigned int *futex = where;

	hear();
	__atomic_store_n(futex, 1, __ATOMIC_SEQ_CST);
	syscall(SYS_futex, futex, FUTEX_WAKE, 10, NULL, NULL, 0);
	return NULL;
}

static void start_waker(unsigned int *futex)
{
	pthread_t thread;

	pthread_create(&thread, NULL, waker_thread, futex);
	pthread_detach(thread);
}

CALL(futex_wait)
{
	start_waker(&word);
	return syscall(SYS_futex, &word, FUTEX_WAIT, 0, NULL, NULL, 0);
}

CALL(futex_wait_in_shared_memory)
{
	unsigned int *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
				    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	start_waker(shared);
	return syscall(SYS_futex, shared, FUTEX_WAIT, 0, NULL, NULL, 0);
}

CALL(mutex)
{
	static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
	static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;

	start_waker(&word);
	pthread_mutex_lock(&mutex);
	while (!__atomic_load_n(&word, __ATOMIC_SEQ_CST)) {
		struct timespec soon;

		clock_gettime(CLOCK_REALTIME, &soon);
		soon.tv_nsec += 20000000;
		if (soon.tv_nsec >= 1000000000) {
			soon.tv_nsec -= 1000000000;
			soon.tv_sec++;
		}
		pthread_cond_timedwait(&cond, &mutex, &soon);
	}
	pthread_mutex_unlock(&mutex);
	return 0;
}

struct waitv {
	uint64_t val;
	uint64_t uaddr;
	uint32_t flags;
	uint32_t reserved;
};

CALL(futex_waitv)
{
	static unsigned int other;
	struct waitv v[2] = {
		{ 0, (uintptr_t)&other, 2 /* FUTEX_32 */ },
		{ 0, (uintptr_t)&word, 2 },
	};

	start_waker(&word);
	return syscall(__NR_futex_waitv, v, 2, 0, NULL, 0);
}

TIMED_CALL(futex_wait_3s)
{
	static unsigned int nobody;

	return syscall(SYS_futex, &nobody, FUTEX_WAIT_PRIVATE, 0, &three_seconds, NULL, 0);
}

TIMED_CALL(futex_wait_bitset_3s)
{
	struct timespec end = in_three_seconds(CLOCK_REALTIME);
	static unsigned int nobody;

	return syscall(SYS_futex, &nobody,
		       FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME,
		       0, &end, NULL, 0x5a);
}

TIMED_CALL(futex_waitv_3s)
{
	struct timespec end = in_three_seconds(CLOCK_MONOTONIC);
	static unsigned int nobody;
	struct waitv v = { 0, (uintptr_t)&nobody, 2 };

	return syscall(__NR_futex_waitv, &v, 1, 0, &end, CLOCK_MONOTONIC);
}

/* Poll and its kin; descriptor 0 is a pipe that the test writes to */

CALL(poll)
{
	struct pollfd pfd = { 0, POLLIN, 0 };

	return syscall(SYS_poll, &pfd, 1, -1);
}

TIMED_CALL(poll_3s)
{
	struct pollfd pfd = { 0, POLLIN, 0 };

	return syscall(SYS_poll, &pfd, 1, 3000);
}

/* A signal that only the call lets through */
static sigset_t *only_in_call(int sig)
{
	static sigset_t set;

	handle(sig);
	mask(SIG_BLOCK, sig);
	sigfillset(&set);
	sigdelset(&set, sig);
	return &set;
}

static long blocked_again(int sig, long ret)
{
	int err = errno;

	if (!is_blocked(sig))
		say("signal %d is not blocked any more", sig);
	errno = err;
	return ret;
}

CALL(ppoll)
{
	struct pollfd pfd = { 0, POLLIN, 0 };

	return blocked_again(SIGUSR1, syscall(SYS_ppoll, &pfd, 1, NULL,
					      only_in_call(SIGUSR1), 8));
}

TIMED_CALL(ppoll_3s)
{
	struct timespec ts = three_seconds;
	struct pollfd pfd = { 0, POLLIN, 0 };

	return blocked_again(SIGUSR2, syscall(SYS_ppoll, &pfd, 1, &ts,
					      only_in_call(SIGUSR2), 8));
}

CALL(select)
{
	fd_set set;

	FD_ZERO(&set);
	FD_SET(0, &set);
	return syscall(SYS_select, 1, &set, NULL, NULL, NULL);
}

TIMED_CALL(select_3s)
{
	struct timeval tv = { 3, 0 };
	fd_set set;

	FD_ZERO(&set);
	FD_SET(0, &set);
	return syscall(SYS_select, 1, &set, NULL, NULL, &tv);
}

CALL(pselect)
{
	struct { const sigset_t *set; size_t size; } data = { only_in_call(SIGUSR1), 8 };
	fd_set set;

	FD_ZERO(&set);
	FD_SET(0, &set);
	return blocked_again(SIGUSR1, syscall(SYS_pselect6, 1, &set, NULL, NULL, NULL, &data));
}

TIMED_CALL(pselect_3s)
{
	struct { const sigset_t *set; size_t size; } data = { only_in_call(SIGUSR2), 8 };
	struct timespec ts = three_seconds;

	return blocked_again(SIGUSR2, syscall(SYS_pselect6, 0, NULL, NULL, NULL, &ts, &data));
}

/* Descriptor 3: epoll on a pipe of the test's */

CALL(epoll_wait)
{
	struct epoll_event event;

	return syscall(SYS_epoll_wait, 3, &event, 1, -1);
}

CALL(epoll_pwait)
{
	struct epoll_event event;

	return blocked_again(SIGUSR1, syscall(SYS_epoll_pwait, 3, &event, 1, -1,
					      only_in_call(SIGUSR1), 8));
}

CALL(epoll_pwait2)
{
	struct epoll_event event;

	return syscall(__NR_epoll_pwait2, 3, &event, 1, NULL, NULL, 8);
}

TIMED_CALL(epoll_wait_3s)
{
	struct epoll_event event;

	return syscall(SYS_epoll_wait, 3, &event, 1, 3000);
}

TIMED_CALL(epoll_pwait_3s)
{
	struct epoll_event event;

	return blocked_again(SIGUSR2, syscall(SYS_epoll_pwait, 3, &event, 1, 3000,
					      only_in_call(SIGUSR2), 8));
}

TIMED_CALL(epoll_pwait2_3s)
{
	struct epoll_event event;

	return syscall(__NR_epoll_pwait2, 3, &event, 1, &three_seconds, NULL, 8);
}

/* Read and write */

CALL(read_pipe)
{
	char c;

	return read(0, &c, 1);
}

CALL(read_3)
{
	char buf[4096];

	return read(3, buf, sizeof(buf));
}

CALL(read_some_3)
{
	char buf[4096];

	return read(3, buf, sizeof(buf)) > 0 ? 1 : -1;
}

CALL(write_3)
{
	static const char buf[4096];

	return write(3, buf, sizeof(buf));
}

/* The counter is full */
CALL(write_eventfd_3)
{
	static const uint64_t one = 1;

	return write(3, &one, sizeof(one));
}

CALL(write_y_3)
{
	return write(3, "y", 1);
}

CALL(send_3)
{
	static const char buf[4096];

	return send(3, buf, sizeof(buf), MSG_NOSIGNAL);
}

CALL(recv_3)
{
	char buf[64];

	return recv(3, buf, sizeof(buf), 0);
}

CALL(recvmsg_3)
{
	char buf[64];
	struct iovec iov = { buf, sizeof(buf) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	return recvmsg(3, &msg, 0);
}

CALL(accept_3)
{
	return accept(3, NULL, NULL) >= 0 ? 0 : -1;
}

CALL(accept4_3)
{
	return accept4(3, NULL, NULL, SOCK_CLOEXEC) >= 0 ? 0 : -1;
}

/* An address without a file; the argument is the name */
static socklen_t unix_address(struct sockaddr_un *addr, const char *name)
{
	int n;

	*addr = (struct sockaddr_un) { .sun_family = AF_UNIX };
	n = snprintf(addr->sun_path + 1, sizeof(addr->sun_path) - 1, "%s", name);
	return offsetof(struct sockaddr_un, sun_path) + 1 + n;
}

CALL(connect_3)
{
	struct sockaddr_un addr;
	socklen_t len = unix_address(&addr, call_arg);

	return connect(3, (void *)&addr, len);
}

/* The sockets have a timeout of three seconds, in the copy as well */

TIMED_CALL(recv_3s)
{
	char buf[64];

	return recv(3, buf, sizeof(buf), 0);
}

TIMED_CALL(read_socket_3s)
{
	char buf[64];

	return read(3, buf, sizeof(buf));
}

TIMED_CALL(recvmsg_3s)
{
	char buf[64];
	struct iovec iov = { buf, sizeof(buf) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	return recvmsg(3, &msg, 0);
}

TIMED_CALL(accept_3s)
{
	return accept(3, NULL, NULL);
}

TIMED_CALL(accept4_3s)
{
	return accept4(3, NULL, NULL, SOCK_CLOEXEC);
}

TIMED_CALL(connect_3s)
{
	return call_connect_3();
}

TIMED_CALL(send_3s)
{
	static const char buf[4096];

	return send(3, buf, sizeof(buf), MSG_NOSIGNAL);
}

CALL(mq_receive)
{
	char buf[64];

	return syscall(SYS_mq_timedreceive, 3, buf, sizeof(buf), NULL, NULL);
}

TIMED_CALL(mq_timedreceive_3s)
{
	struct timespec end = in_three_seconds(CLOCK_REALTIME);
	char buf[64];

	return syscall(SYS_mq_timedreceive, 3, buf, sizeof(buf), NULL, &end);
}

CALL(open_fifo)
{
	return open(call_arg, O_RDONLY | O_CLOEXEC) >= 0 ? 0 : -1;
}

/* System V; the argument is the id */

CALL(semop)
{
	struct sembuf op = { 0, -1, 0 };

	return syscall(SYS_semop, atoi(call_arg), &op, 1);
}

TIMED_CALL(semtimedop_3s)
{
	struct sembuf op = { 0, -1, 0 };

	return syscall(SYS_semtimedop, atoi(call_arg), &op, 1, &three_seconds);
}

struct message {
	long type;
	char text[8];
};

CALL(msgrcv)
{
	struct message m;

	return msgrcv(atoi(call_arg), &m, sizeof(m.text), 0, 0);
}

/* Locks; the argument is the path of a file that the test has locked */

CALL(flock)
{
	return flock(open(call_arg, O_RDWR | O_CLOEXEC), LOCK_SH);
}

CALL(fcntl_lock)
{
	struct flock lock = { .l_type = F_RDLCK, .l_whence = SEEK_SET };

	return fcntl(open(call_arg, O_RDWR | O_CLOEXEC), F_SETLKW, &lock);
}

/* What is refused: only the original goes on */

CALL(wait4)
{
	pid_t pid = fork();

	if (!pid) {
		hear();
		_exit(0);
	}
	return wait4(pid, NULL, 0, NULL) == pid ? 0 : -1;
}

CALL(waitid)
{
	siginfo_t info;
	pid_t pid = fork();

	if (!pid) {
		hear();
		_exit(0);
	}
	return waitid(P_PID, pid, &info, WEXITED);
}

static aio_context_t aio_start(void)
{
	struct iocb cb = { .aio_lio_opcode = IOCB_CMD_POLL, .aio_fildes = 0, .aio_buf = POLLIN };
	struct iocb *list = &cb;
	aio_context_t ctx = 0;

	if (syscall(SYS_io_setup, 4, &ctx) || syscall(SYS_io_submit, ctx, 1, &list) != 1)
		say("no aio: %m");
	return ctx;
}

CALL(io_getevents)
{
	struct io_event event;

	return syscall(SYS_io_getevents, aio_start(), 1, 1, &event, NULL);
}

TIMED_CALL(io_getevents_3s)
{
	struct timespec ts = three_seconds;
	struct io_event event;

	return syscall(SYS_io_getevents, aio_start(), 1, 1, &event, &ts);
}

/*
 * What the calls need from outside: made by the test, once for the original and once for
 * the copy
 */

struct env {
	int fd;			/* the process's descriptor 3, or -1 */
	int peer;		/* the test's end of it, or -1 */
	char arg[256];
};

static bool env_none(struct env *e)
{
	return true;
}

static bool env_epoll(struct env *e)
{
	struct epoll_event event = { .events = EPOLLIN };
	int fds[2];

	e->fd = epoll_create1(EPOLL_CLOEXEC);
	if (e->fd < 0 || pipe2(fds, O_CLOEXEC))
		return false;
	e->peer = fds[1];
	/* The reading end stays open in the test */
	return !epoll_ctl(e->fd, EPOLL_CTL_ADD, fds[0], &event);
}

/* Until no more fits in */
static bool fill_up(int fd)
{
	static const char page[4096];
	bool full;

	fcntl(fd, F_SETFL, O_NONBLOCK);
	while (write(fd, page, sizeof(page)) > 0)
		;
	full = errno == EAGAIN;
	fcntl(fd, F_SETFL, 0);
	return full;
}

static bool env_full_pipe(struct env *e)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC))
		return false;
	e->fd = fds[1];
	e->peer = fds[0];
	return fill_up(e->fd);
}

static bool env_socketpair(struct env *e, int type)
{
	int sv[2];

	if (socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, sv))
		return false;
	e->fd = sv[0];
	e->peer = sv[1];
	return true;
}

static bool env_stream(struct env *e)
{
	return env_socketpair(e, SOCK_STREAM);
}

static bool env_dgram(struct env *e)
{
	return env_socketpair(e, SOCK_DGRAM);
}

static bool env_full_stream(struct env *e)
{
	static const char page[4096];

	if (!env_stream(e))
		return false;
	while (send(e->fd, page, sizeof(page), MSG_DONTWAIT) > 0)
		;
	return errno == EAGAIN;
}

/* A TCP listener on the loopback interface, and a socket to connect to it */
static bool tcp_listener(struct env *e, struct sockaddr_in *addr)
{
	socklen_t len = sizeof(*addr);

	*addr = (struct sockaddr_in) {
		.sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) },
	};
	e->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	e->peer = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return e->fd >= 0 && e->peer >= 0 && !bind(e->fd, (void *)addr, sizeof(*addr)) &&
	       !listen(e->fd, 1) && !getsockname(e->fd, (void *)addr, &len);
}

static bool env_tcp(struct env *e)
{
	struct sockaddr_in addr;
	int listener;

	if (!tcp_listener(e, &addr) || connect(e->peer, (void *)&addr, sizeof(addr)))
		return false;
	listener = e->fd;
	e->fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	close(listener);
	return e->fd >= 0;
}

static bool env_tcp_listener(struct env *e)
{
	struct sockaddr_in addr;

	if (!tcp_listener(e, &addr))
		return false;
	snprintf(e->arg, sizeof(e->arg), "%u", ntohs(addr.sin_port));
	return true;
}

/*
 * A socket to connect to a listener that takes no more: it is the same one for all, by its name,
 * and the test has it as the peer.
 */
static bool env_full_listener(struct env *e)
{
	static int listener = -1;
	struct sockaddr_un addr;
	socklen_t len;
	int first;

	snprintf(e->arg, sizeof(e->arg), "ghost-listener-%d", getpid());
	len = unix_address(&addr, e->arg);
	e->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listener < 0) {
		listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		first = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (bind(listener, (void *)&addr, len) || listen(listener, 0) ||
		    connect(first, (void *)&addr, len))
			return false;
		close(first);
	}
	e->peer = fcntl(listener, F_DUPFD_CLOEXEC, 0);
	return e->fd >= 0 && e->peer >= 0;
}

static bool env_udp(struct env *e)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof(addr);

	e->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	e->peer = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	return e->fd >= 0 && e->peer >= 0 && !bind(e->fd, (void *)&addr, sizeof(addr)) &&
	       !getsockname(e->fd, (void *)&addr, &len) &&
	       !connect(e->peer, (void *)&addr, sizeof(addr));
}

static bool env_eventfd(struct env *e)
{
	e->fd = eventfd(0, EFD_CLOEXEC);
	e->peer = fcntl(e->fd, F_DUPFD_CLOEXEC, 0);
	return e->fd >= 0;
}

static bool env_full_eventfd(struct env *e)
{
	return env_eventfd(e) && !eventfd_write(e->fd, UINT64_MAX - 1);
}

static bool env_pty(struct env *e)
{
	struct termios tio;
	char name[64];

	e->peer = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (e->peer < 0 || grantpt(e->peer) || unlockpt(e->peer) ||
	    ptsname_r(e->peer, name, sizeof(name)))
		return false;
	e->fd = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (e->fd < 0 || tcgetattr(e->fd, &tio))
		return false;
	tio.c_lflag &= ~ECHO;
	return !tcsetattr(e->fd, TCSANOW, &tio);
}

/* What is written is on its way to the reader's buffer for a while, and then there is room again */
static bool env_full_pty(struct env *e)
{
	int i;

	if (!env_pty(e))
		return false;
	for (i = 0; i < 5; i++) {
		if (!fill_up(e->fd))
			return false;
		sleep_ms(20);
	}
	return true;
}

static bool env_inotify(struct env *e)
{
	e->fd = inotify_init1(IN_CLOEXEC);
	strcpy(e->arg, "/tmp/ghost-inotify-XXXXXX");
	return e->fd >= 0 && mkdtemp(e->arg) &&
	       inotify_add_watch(e->fd, e->arg, IN_DELETE_SELF) >= 0;
}

static bool env_timerfd(struct env *e)
{
	e->fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	e->peer = fcntl(e->fd, F_DUPFD_CLOEXEC, 0);
	return e->fd >= 0;
}

static bool env_mq(struct env *e)
{
	struct mq_attr attr = { .mq_maxmsg = 1, .mq_msgsize = 64 };
	char name[64];

	snprintf(name, sizeof(name), "/ghost-%d-%p", getpid(), (void *)e);
	e->fd = mq_open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600, &attr);
	mq_unlink(name);
	e->peer = fcntl(e->fd, F_DUPFD_CLOEXEC, 0);
	return e->fd >= 0;
}

static bool env_sem(struct env *e)
{
	int id = semget(IPC_PRIVATE, 1, 0600);

	snprintf(e->arg, sizeof(e->arg), "%d", id);
	return id >= 0;
}

static bool env_msg(struct env *e)
{
	int id = msgget(IPC_PRIVATE, 0600);

	snprintf(e->arg, sizeof(e->arg), "%d", id);
	return id >= 0;
}

static bool env_flock(struct env *e)
{
	strcpy(e->arg, "/tmp/ghost-lock-XXXXXX");
	e->peer = mkostemp(e->arg, O_CLOEXEC);
	return e->peer >= 0 && !flock(e->peer, LOCK_EX);
}

static bool env_fcntl_lock(struct env *e)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	strcpy(e->arg, "/tmp/ghost-lock-XXXXXX");
	e->peer = mkostemp(e->arg, O_CLOEXEC);
	return e->peer >= 0 && !fcntl(e->peer, F_SETLK, &lock);
}

static bool env_fifo(struct env *e)
{
	strcpy(e->arg, "/tmp/ghost-fifo-XXXXXX");
	close(mkostemp(e->arg, O_CLOEXEC));
	unlink(e->arg);
	return !mkfifo(e->arg, 0600);
}

/* How to wake the sleeper; what wakes original and copy at once may come twice */

static void wake_signal(struct env *e, struct target *t)
{
	kill(t->pid, SIGUSR1);
}

static void wake_pipe(struct env *e, struct target *t)
{
	target_wake(t);
}

static void wake_write(struct env *e, struct target *t)
{
	if (write(e->peer, "x\n", 2) != 2)
		perror("# wake");
}

static void wake_drain(struct env *e, struct target *t)
{
	char buf[65536];

	if (read(e->peer, buf, sizeof(buf)) <= 0)
		perror("# wake");
}

static void wake_drain_socket(struct env *e, struct target *t)
{
	char buf[65536];

	while (recv(e->peer, buf, sizeof(buf), MSG_DONTWAIT) > 0)
		;
}

/* Until what the sleeper writes has come */
static void wake_drain_terminal(struct env *e, struct target *t)
{
	struct pollfd pfd = { e->peer, POLLIN, 0 };
	char buf[4096];
	ssize_t n;

	do {
		if (poll(&pfd, 1, PATIENCE_MS) <= 0)
			break;
		n = read(e->peer, buf, sizeof(buf));
	} while (n > 0 && !memchr(buf, 'y', n));
}

static void wake_eventfd(struct env *e, struct target *t)
{
	eventfd_write(e->peer, 1);
}

static void wake_connect(struct env *e, struct target *t)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };

	addr.sin_port = htons(atoi(e->arg));
	if (connect(e->peer, (void *)&addr, sizeof(addr)))
		perror("# connect");
}

/* Room for one more */
static void wake_accept(struct env *e, struct target *t)
{
	if (accept(e->peer, NULL, NULL) < 0)
		perror("# accept");
}

static void wake_rmdir(struct env *e, struct target *t)
{
	rmdir(e->arg);
}

static void wake_timerfd(struct env *e, struct target *t)
{
	struct itimerspec its = { .it_value = { 0, 1 } };

	timerfd_settime(e->peer, 0, &its, NULL);
}

static void wake_mq(struct env *e, struct target *t)
{
	mq_send(e->peer, "x\n", 2, 0);
}

static void wake_sem(struct env *e, struct target *t)
{
	struct sembuf op = { 0, 1, 0 };

	semop(atoi(e->arg), &op, 1);
}

static void wake_msg(struct env *e, struct target *t)
{
	struct message m = { 1, "x" };

	msgsnd(atoi(e->arg), &m, sizeof(m.text), 0);
}

static void wake_flock(struct env *e, struct target *t)
{
	flock(e->peer, LOCK_UN);
}

static void wake_fcntl_lock(struct env *e, struct target *t)
{
	struct flock lock = { .l_type = F_UNLCK, .l_whence = SEEK_SET };

	fcntl(e->peer, F_SETLK, &lock);
}

static void wake_fifo(struct env *e, struct target *t)
{
	/* Must stay open until both have seen it */
	e->peer = open(e->arg, O_RDWR | O_NONBLOCK | O_CLOEXEC);
}

static void env_end(struct env *e)
{
	if (e->fd > 0)
		close(e->fd);
	if (e->peer > 0)
		close(e->peer);
	if (e->arg[0] == '/') {
		unlink(e->arg);
		rmdir(e->arg);
	}
}

/*
 * Each call, until it is woken
 */

FIXTURE(sleeping_in)
{
	struct target t;
	struct target copy;
	struct image img;
	struct env env;
	struct env copy_env;
	int sysv;
};

FIXTURE_VARIANT(sleeping_in)
{
	const char *target;
	long nr;				/* -1: user mode */
	bool (*env)(struct env *e);
	void (*wake)(struct env *e, struct target *t);
	const char *result;
	const char *refused;			/* words of the report */
	enum store store;
};

#define V(_name, _target, _nr, _env, _wake, _result)			\
	FIXTURE_VARIANT_ADD(sleeping_in, _name)				\
	{								\
		.target = #_target, .nr = _nr, .env = env_##_env,		\
		.wake = wake_##_wake, .result = _result,			\
	}

/* The same with an image of bytes, as what is in memory need not be written and read */
#define V_BYTES(_name, _target, _nr, _env, _wake, _result)		\
	FIXTURE_VARIANT_ADD(sleeping_in, _name##_through_bytes)		\
	{								\
		.target = #_target, .nr = _nr, .env = env_##_env,		\
		.wake = wake_##_wake, .result = _result,			\
		.store = STORE_TMPFS,					\
	}

#define V_REFUSED(_name, _target, _nr, _wake, _result, _refused)	\
	FIXTURE_VARIANT_ADD(sleeping_in, _name)				\
	{								\
		.target = #_target, .nr = _nr, .env = env_none,		\
		.wake = wake_##_wake, .result = _result, .refused = _refused,	\
	}

#define INTERRUPTED	"-1 EINTR, 1 signals"

V(user_mode, user_mode_loop, -1, none, signal, "0, 1 signals");
V(pause, pause, SYS_pause, none, signal, INTERRUPTED);
V(sigsuspend, sigsuspend, SYS_rt_sigsuspend, none, signal, INTERRUPTED);
V(sigwaitinfo, sigwaitinfo, SYS_rt_sigtimedwait, none, signal, "10");
V(futex, futex_wait, SYS_futex, none, pipe, "0");
V(futex_in_shared_memory, futex_wait_in_shared_memory, SYS_futex, none, pipe, "0");
V(mutex_and_condition, mutex, SYS_futex, none, pipe, "0");
V(futex_waitv, futex_waitv, __NR_futex_waitv, none, pipe, "1");
V(poll, poll, SYS_poll, none, pipe, "1");
V(ppoll, ppoll, SYS_ppoll, none, pipe, "1");
V(ppoll_ended_by_signal, ppoll, SYS_ppoll, none, signal, INTERRUPTED);
V(select, select, SYS_select, none, pipe, "1");
V(pselect, pselect, SYS_pselect6, none, pipe, "1");
V(pselect_ended_by_signal, pselect, SYS_pselect6, none, signal, INTERRUPTED);
V(epoll_wait, epoll_wait, SYS_epoll_wait, epoll, write, "1");
V(epoll_pwait, epoll_pwait, SYS_epoll_pwait, epoll, write, "1");
V(epoll_pwait_ended_by_signal, epoll_pwait, SYS_epoll_pwait, epoll, signal, INTERRUPTED);
V(epoll_pwait2, epoll_pwait2, __NR_epoll_pwait2, epoll, write, "1");
V(read_pipe, read_pipe, SYS_read, none, pipe, "1");
V(write_pipe, write_3, SYS_write, full_pipe, drain, "4096");
V(read_socket, read_3, SYS_read, stream, write, "2");
V(recv_unix, recv_3, SYS_recvfrom, stream, write, "2");
V(recvmsg_unix_datagram, recvmsg_3, SYS_recvmsg, dgram, write, "2");
V(recv_tcp, recv_3, SYS_recvfrom, tcp, write, "2");
V(recvmsg_udp, recvmsg_3, SYS_recvmsg, udp, write, "2");
V(recvmsg_tcp, recvmsg_3, SYS_recvmsg, tcp, write, "2");
V(write_socket, write_3, SYS_write, full_stream, drain_socket, "4096");
V(send_unix, send_3, SYS_sendto, full_stream, drain_socket, "4096");
V(accept, accept_3, SYS_accept, tcp_listener, connect, "0");
V(accept4, accept4_3, SYS_accept4, tcp_listener, connect, "0");
V(connect_unix, connect_3, SYS_connect, full_listener, accept, "0");
V(read_eventfd, read_3, SYS_read, eventfd, eventfd, "8");
V(write_eventfd, write_eventfd_3, SYS_write, full_eventfd, drain, "8");
V(read_terminal, read_3, SYS_read, pty, write, "2");
V(write_terminal, write_y_3, SYS_write, full_pty, drain_terminal, "1");
V(read_inotify, read_some_3, SYS_read, inotify, rmdir, "1");
V(read_timerfd, read_3, SYS_read, timerfd, timerfd, "8");
V(mq_receive, mq_receive, SYS_mq_timedreceive, mq, mq, "2");
V(open_fifo, open_fifo, SYS_openat, fifo, fifo, "0");
V(semop, semop, SYS_semop, sem, sem, "0");
V(msgrcv, msgrcv, SYS_msgrcv, msg, msg, "8");
V(flock, flock, SYS_flock, flock, flock, "0");
V(fcntl_lock, fcntl_lock, SYS_fcntl, fcntl_lock, fcntl_lock, "0");
V_BYTES(sigsuspend, sigsuspend, SYS_rt_sigsuspend, none, signal, INTERRUPTED);
V_BYTES(futex_in_shared_memory, futex_wait_in_shared_memory, SYS_futex, none, pipe, "0");
V_BYTES(ppoll_ended_by_signal, ppoll, SYS_ppoll, none, signal, INTERRUPTED);
V_BYTES(epoll_pwait, epoll_pwait, SYS_epoll_pwait, epoll, write, "1");
V_BYTES(send_unix, send_3, SYS_sendto, full_stream, drain_socket, "4096");
V_BYTES(semop, semop, SYS_semop, sem, sem, "0");
V_REFUSED(wait4, wait4, SYS_wait4, pipe, "0", "child process");
V_REFUSED(waitid, waitid, SYS_waitid, pipe, "0", "child process");
V_REFUSED(io_getevents, io_getevents, SYS_io_getevents, pipe, "1", "asynchronous I/O");
V_REFUSED(cpu_time_sleep, clock_nanosleep_cputime, SYS_clock_nanosleep, signal, INTERRUPTED,
	  "interrupted system call");

FIXTURE_SETUP(sleeping_in)
{
	GHOST_NEEDED();
	self->env.fd = -1;
	self->env.peer = -1;
	self->copy_env = self->env;
	ASSERT_EQ(NULL, image_open(&self->img, variant->store));
	ASSERT_TRUE(variant->env(&self->env));
	ASSERT_TRUE(variant->env(&self->copy_env));
	self->sysv = -1;
	if (variant->env == env_sem || variant->env == env_msg ||
	    variant->env == env_flock || variant->env == env_fcntl_lock ||
	    variant->env == env_fifo) {
		/* The same for both: they find it by its name or number */
		self->sysv = atoi(self->copy_env.arg);
		self->copy_env = self->env;
	}
}

FIXTURE_TEARDOWN(sleeping_in)
{
	target_end(&self->t);
	target_end(&self->copy);
	image_close(&self->img);
	env_end(&self->env);
	if (strcmp(self->env.arg, self->copy_env.arg))
		env_end(&self->copy_env);
	if (variant->env == env_sem) {
		semctl(atoi(self->env.arg), 0, IPC_RMID);
		semctl(self->sysv, 0, IPC_RMID);
	}
	if (variant->env == env_msg) {
		msgctl(atoi(self->env.arg), IPC_RMID, NULL);
		msgctl(self->sysv, IPC_RMID, NULL);
	}
}

static bool sleeps(struct target *t, long nr)
{
	if (nr >= 0)
		return target_sleeps_in(t, ANY_THREAD, nr);
	return (proc_state(t->pid, 0) ?: 'Z') != 'Z';
}

static void stop_copy_and_wake(struct __test_metadata *_metadata,
			       FIXTURE_DATA(sleeping_in) *self,
			       const FIXTURE_VARIANT(sleeping_in) *variant, const char *company)
{
	struct target_options o = { .fds = &self->env.fd, .nfds = self->env.fd >= 0 };
	char arg[sizeof(self->env.arg) + 16];
	int status, i;

	snprintf(arg, sizeof(arg), "%s%s", company, self->env.arg);
	o.arg = arg;
	ASSERT_EQ(0, target_start(&self->t, variant->target, &o));
	ASSERT_TRUE(target_says(&self->t, "ready"));
	ASSERT_TRUE(sleeps(&self->t, variant->nr));
	for (i = 0; i < 3; i++) {
		if (variant->refused) {
			EXPECT_EQ(-1, export_target(&self->t, &self->img, 0));
			EXPECT_EQ(EOPNOTSUPP, errno);
			EXPECT_NE(NULL, strstr(self->img.report, variant->refused))
				TH_LOG("report: %s", self->img.report);
		} else {
			ASSERT_EXPORTED(&self->t, &self->img, 0);
		}
		ASSERT_TRUE(sleeps(&self->t, variant->nr));
	}
	EXPECT_TRUE(target_is_silent(&self->t, 20));
	if (!variant->refused) {
		ASSERT_EQ(0, import_target(&self->copy, &self->t, &self->img, 0,
					   &self->copy_env.fd))
			TH_LOG("import: %s: %s", strerror(errno), self->img.report);
		ASSERT_TRUE(sleeps(&self->copy, variant->nr));
		/* A copy can be copied, too */
		ASSERT_EXPORTED(&self->copy, &self->img, 0);
		EXPECT_TRUE(target_is_silent(&self->copy, 20));
		variant->wake(&self->copy_env, &self->copy);
	}
	variant->wake(&self->env, &self->t);
	EXPECT_TRUE(target_says(&self->t, variant->result));
	ASSERT_EQ(0, target_wait(&self->t, &status));
	EXPECT_EQ(0, status);
	if (!variant->refused) {
		EXPECT_TRUE(target_says(&self->copy, variant->result));
		ASSERT_EQ(0, target_wait(&self->copy, &status));
		EXPECT_EQ(0, status);
	}
}

TEST_F(sleeping_in, original_and_copy_go_on)
{
	stop_copy_and_wake(_metadata, self, variant, "");
}

TEST_F(sleeping_in, original_and_copy_go_on_among_threads)
{
	stop_copy_and_wake(_metadata, self, variant, "threads:");
}

/*
 * Each call with a timeout
 */

FIXTURE(timeout_of)
{
	struct target t;
	struct target copy;
	struct image img;
	struct image copy_img;
	struct env env;
	struct env copy_env;
};

FIXTURE_VARIANT(timeout_of)
{
	const char *target;
	bool (*env)(struct env *e);
	const char *result;
	const char *refused;
};

#define T(_name, _target, _env, _result)				\
	FIXTURE_VARIANT_ADD(timeout_of, _name)				\
	{								\
		.target = #_target, .env = env_##_env, .result = _result,	\
	}

T(nanosleep, nanosleep_3s, none, "0");
T(clock_nanosleep_monotonic, clock_nanosleep_monotonic_3s, none, "0");
T(clock_nanosleep_realtime, clock_nanosleep_realtime_3s, none, "0");
T(clock_nanosleep_boottime, clock_nanosleep_boottime_3s, none, "0");
T(clock_nanosleep_absolute, clock_nanosleep_absolute_3s, none, "0");
T(clock_nanosleep_absolute_realtime, clock_nanosleep_absolute_realtime_3s, none, "0");
T(futex, futex_wait_3s, none, "-1 ETIMEDOUT");
T(futex_bitset, futex_wait_bitset_3s, none, "-1 ETIMEDOUT");
T(futex_waitv, futex_waitv_3s, none, "-1 ETIMEDOUT");
T(poll, poll_3s, none, "0");
T(ppoll, ppoll_3s, none, "0");
T(select, select_3s, none, "0");
T(pselect, pselect_3s, none, "0");
T(epoll_wait, epoll_wait_3s, epoll, "0");
T(epoll_pwait, epoll_pwait_3s, epoll, "0");
T(epoll_pwait2, epoll_pwait2_3s, epoll, "0");
T(sigtimedwait, sigtimedwait_3s, none, "-1 EAGAIN");
T(semtimedop, semtimedop_3s, sem, "-1 EAGAIN");
T(recv_unix, recv_3s, stream, "-1 EAGAIN");
T(recv_tcp, recv_3s, tcp, "-1 EAGAIN");
T(recvmsg_unix_datagram, recvmsg_3s, dgram, "-1 EAGAIN");
T(recvmsg_udp, recvmsg_3s, udp, "-1 EAGAIN");
T(read_socket, read_socket_3s, stream, "-1 EAGAIN");
T(accept, accept_3s, tcp_listener, "-1 EAGAIN");
T(send_unix, send_3s, full_stream, "-1 EAGAIN");
T(mq_timedreceive, mq_timedreceive_3s, mq, "-1 ETIMEDOUT");

FIXTURE_VARIANT_ADD(timeout_of, io_getevents)
{
	.target = "io_getevents_3s", .env = env_none, .result = "0", .refused = "asynchronous I/O",
};

FIXTURE_SETUP(timeout_of)
{
	GHOST_NEEDED();
	self->env.fd = -1;
	self->env.peer = -1;
	self->copy_env = self->env;
	ASSERT_EQ(NULL, image_open(&self->img, STORE_MEMORY));
	ASSERT_EQ(NULL, image_open(&self->copy_img, STORE_MEMORY));
	ASSERT_TRUE(variant->env(&self->env));
	if (variant->env == env_sem)
		self->copy_env = self->env;
	else
		ASSERT_TRUE(variant->env(&self->copy_env));
}

FIXTURE_TEARDOWN(timeout_of)
{
	target_end(&self->t);
	target_end(&self->copy);
	image_close(&self->img);
	image_close(&self->copy_img);
	env_end(&self->env);
	if (variant->env == env_sem)
		semctl(atoi(self->env.arg), 0, IPC_RMID);
	else
		env_end(&self->copy_env);
}

static void set_timeout(int fd)
{
	struct timeval tv = { 3, 0 };

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
}

static bool still_there(struct target *t)
{
	char state = proc_state(t->pid, 0);

	return state && state != 'Z';
}

/* "RESULT after MS ms" */
static long time_said(struct target *t, const char *result)
{
	const char *line = target_line(t);
	size_t n = strlen(result);
	long ms;

	if (line && !strncmp(line, result, n) && sscanf(line + n, " after %ld ms", &ms) == 1)
		return ms;
	fprintf(stderr, "# \"%s\" instead of \"%s after ... ms\"\n", line ?: "nothing", result);
	return -1;
}

/* What a slow guest may add to 3 s of sleep */
#define SLACK_MS	1500

/* Some calls count in ticks, and begin inside of one; so does what is left of them after a stop */
#define TICKS_MS	20

TEST_F(timeout_of, three_seconds_are_three_seconds)
{
	struct target_options o = {
		.arg = self->env.arg, .fds = &self->env.fd, .nfds = self->env.fd >= 0,
	};
	int64_t begin, next, late = 0;
	int round, status;
	long ms;

	set_timeout(self->env.fd);
	set_timeout(self->copy_env.fd);
	ASSERT_EQ(0, target_start(&self->t, variant->target, &o));
	ASSERT_TRUE(target_says(&self->t, "ready"));
	begin = now_ms();
	for (round = 1; still_there(&self->t) && round <= 8; round++) {
		next = begin + round * 500;
		if (next > now_ms())
			sleep_ms(next - now_ms());
		if (variant->refused) {
			EXPECT_EQ(-1, export_target(&self->t, &self->img, 0));
			EXPECT_TRUE(errno == EOPNOTSUPP || errno == ESRCH);
			continue;
		}
		if (export_target(&self->t, &self->img, 0)) {
			/* It may have come to its end */
			EXPECT_EQ(ESRCH, errno) TH_LOG("report: %s", self->img.report);
			break;
		}
		if (self->copy.pid) {
			if (export_target(&self->copy, &self->copy_img, 0))
				EXPECT_EQ(ESRCH, errno) TH_LOG("%s", self->copy_img.report);
		} else if (round == 2) {
			late = now_ms();
			ASSERT_EQ(0, import_target(&self->copy, &self->t, &self->img, 0,
						   &self->copy_env.fd))
				TH_LOG("import: %s: %s", strerror(errno), self->img.report);
			late = now_ms() - late + self->img.stats.total_ns / 1000000;
		}
	}
	ms = time_said(&self->t, variant->result);
	EXPECT_LE(3000 - TICKS_MS, ms);
	EXPECT_GT(3000 + SLACK_MS, ms);
	ASSERT_EQ(0, target_wait(&self->t, &status));
	EXPECT_EQ(0, status);
	if (variant->refused)
		return;
	ms = time_said(&self->copy, variant->result);
	EXPECT_LE(3000 - TICKS_MS, ms);
	/* The time that it did not exist does not count */
	EXPECT_GT(3000 + SLACK_MS + late, ms);
	ASSERT_EQ(0, target_wait(&self->copy, &status));
	EXPECT_EQ(0, status);
}

/* One CPU for the caller and for what it starts */
static bool stay_on_one_cpu(void)
{
	cpu_set_t set;
	int cpu;

	if (sched_getaffinity(0, sizeof(set), &set))
		return false;
	for (cpu = 0; !CPU_ISSET(cpu, &set); cpu++)
		;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return !sched_setaffinity(0, sizeof(set), &set);
}

/*
 * The second export comes before the process has run: on its way to sleep again it is parked
 * once more
 */
TEST_F(timeout_of, exports_in_a_row_are_like_one)
{
	struct target_options o = {
		.arg = self->env.arg, .fds = &self->env.fd, .nfds = self->env.fd >= 0,
	};
	int64_t late, start;
	int i, status;
	long ms;

	if (variant->refused)
		return;
	set_timeout(self->env.fd);
	set_timeout(self->copy_env.fd);
	start = now_ms();
	ASSERT_TRUE(stay_on_one_cpu());
	ASSERT_EQ(0, target_start(&self->t, variant->target, &o));
	ASSERT_TRUE(target_says(&self->t, "ready"));
	sleep_ms(300);
	ASSERT_TRUE(proc_state_becomes(self->t.pid, 0, 'S'));
	/* Not so often on a slow machine that it is no more than a sleep that is over */
	for (i = 0; i < 3 && (!i || now_ms() - start < 1200); i++) {
		ASSERT_EXPORTED(&self->t, &self->copy_img, 0);
		late = now_ms();
		ASSERT_EXPORTED(&self->t, &self->img, 0);
	}
	ASSERT_EQ(0, import_target(&self->copy, &self->t, &self->img, 0, &self->copy_env.fd))
		TH_LOG("import: %s: %s", strerror(errno), self->img.report);
	late = now_ms() - late;
	ms = time_said(&self->t, variant->result);
	EXPECT_LE(3000 - TICKS_MS, ms);
	EXPECT_GT(3000 + SLACK_MS, ms);
	ASSERT_EQ(0, target_wait(&self->t, &status));
	EXPECT_EQ(0, status);
	ms = time_said(&self->copy, variant->result);
	EXPECT_LE(3000 - TICKS_MS, ms);
	EXPECT_GT(3000 + SLACK_MS + late, ms);
	ASSERT_EQ(0, target_wait(&self->copy, &status));
	EXPECT_EQ(0, status);
}

/*
 * What is left of a timeout, through an image of bytes. Each call has an original and a copy;
 * they all sleep at the same time, and are exported late enough that a timeout which starts
 * afresh is found.
 */

static const struct timed_call {
	const char *target;
	bool (*env)(struct env *e);
	const char *result;
} timed_calls[] = {
	{ "nanosleep_3s", env_none, "0" },
	{ "futex_wait_3s", env_none, "-1 ETIMEDOUT" },
	{ "poll_3s", env_none, "0" },
	{ "epoll_pwait_3s", env_epoll, "0" },
	{ "semtimedop_3s", env_sem, "-1 EAGAIN" },
	{ "recv_3s", env_stream, "-1 EAGAIN" },
	{ "accept4_3s", env_tcp_listener, "-1 EAGAIN" },
	{ "connect_3s", env_full_listener, "-1 EAGAIN" },
};

#define LATE_MS		2000		/* when it is exported */
#define TOO_LATE_MS	2700		/* it may have ended when it is looked at */
#define AGAIN		10		/* begin anew so often if it is */
#define STAGGER_MS	1000		/* what one may take to start, and to be copied */

FIXTURE(timeouts)
{
	struct {
		struct target t;
		struct target copy;
		struct image img;
		struct env env;
		struct env copy_env;
		int64_t begin;
		int64_t late;
	} of[ARRAY_SIZE(timed_calls)];
};

FIXTURE_SETUP(timeouts)
{
	int i;

	GHOST_NEEDED();
	for (i = 0; i < ARRAY_SIZE(timed_calls); i++) {
		self->of[i].env.fd = -1;
		self->of[i].env.peer = -1;
		self->of[i].copy_env = self->of[i].env;
		ASSERT_EQ(NULL, image_open(&self->of[i].img, STORE_TMPFS));
		ASSERT_TRUE(timed_calls[i].env(&self->of[i].env));
		if (timed_calls[i].env == env_sem)
			self->of[i].copy_env = self->of[i].env;
		else
			ASSERT_TRUE(timed_calls[i].env(&self->of[i].copy_env));
		set_timeout(self->of[i].env.fd);
		set_timeout(self->of[i].copy_env.fd);
	}
}

FIXTURE_TEARDOWN(timeouts)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(timed_calls); i++) {
		target_end(&self->of[i].t);
		target_end(&self->of[i].copy);
		image_close(&self->of[i].img);
		env_end(&self->of[i].env);
		if (timed_calls[i].env == env_sem)
			semctl(atoi(self->of[i].env.arg), 0, IPC_RMID);
		else
			env_end(&self->of[i].copy_env);
	}
}

static void start_timed(struct __test_metadata *_metadata, FIXTURE_DATA(timeouts) *self, int i)
{
	struct env *env = &self->of[i].env;
	struct target_options o = { .arg = env->arg, .fds = &env->fd, .nfds = env->fd >= 0 };

	ASSERT_EQ(0, target_start(&self->of[i].t, timed_calls[i].target, &o));
	ASSERT_TRUE(target_says(&self->of[i].t, "ready"));
	self->of[i].begin = now_ms();
}

static void copy_timed(struct __test_metadata *_metadata, FIXTURE_DATA(timeouts) *self, int i)
{
	struct image *img = &self->of[i].img;

	self->of[i].late = now_ms();
	ASSERT_EXPORTED(&self->of[i].t, img, 0);
	ASSERT_EQ(0, import_target(&self->of[i].copy, &self->of[i].t, img, 0,
				   &self->of[i].copy_env.fd))
		TH_LOG("%s: import: %s: %s", timed_calls[i].target, strerror(errno),
		       img->report);
	self->of[i].late = now_ms() - self->of[i].late;
}

TEST_F(timeouts, go_on_through_the_bytes_of_an_image)
{
	int started = 0, copied = 0, again = 0, i, status;
	int64_t next = 0;
	long ms;

	while (copied < ARRAY_SIZE(timed_calls)) {
		if (copied < started && again < AGAIN &&
		    now_ms() >= self->of[copied].begin + TOO_LATE_MS) {
			/* A machine that has other things to do */
			target_end(&self->of[copied].t);
			start_timed(_metadata, self, copied);
			again++;
		} else if (copied < started && now_ms() >= self->of[copied].begin + LATE_MS) {
			copy_timed(_metadata, self, copied++);
		} else if (started < ARRAY_SIZE(timed_calls) && now_ms() >= next) {
			start_timed(_metadata, self, started++);
			next = now_ms() + STAGGER_MS;
		} else {
			sleep_ms(10);
		}
	}
	for (i = 0; i < ARRAY_SIZE(timed_calls); i++) {
		ms = time_said(&self->of[i].t, timed_calls[i].result);
		EXPECT_LE(3000 - TICKS_MS, ms) TH_LOG("%s", timed_calls[i].target);
		EXPECT_GT(3000 + SLACK_MS, ms) TH_LOG("%s", timed_calls[i].target);
		ASSERT_EQ(0, target_wait(&self->of[i].t, &status));
		EXPECT_EQ(0, status);
		ms = time_said(&self->of[i].copy, timed_calls[i].result);
		EXPECT_LE(3000 - TICKS_MS, ms) TH_LOG("copy: %s", timed_calls[i].target);
		EXPECT_GT(3000 + SLACK_MS + self->of[i].late, ms)
			TH_LOG("copy: %s", timed_calls[i].target);
		ASSERT_EQ(0, target_wait(&self->of[i].copy, &status));
		EXPECT_EQ(0, status);
	}
}

/*
 * Many at once
 */

static struct call at_once[] = {
	{ "nanosleep ", call_nanosleep_3s },
	{ "clock_nanosleep_monotonic ", call_clock_nanosleep_monotonic_3s },
	{ "clock_nanosleep_realtime ", call_clock_nanosleep_realtime_3s },
	{ "clock_nanosleep_absolute ", call_clock_nanosleep_absolute_3s },
	{ "futex ", call_futex_wait_3s },
	{ "futex_bitset ", call_futex_wait_bitset_3s },
	{ "futex_waitv ", call_futex_waitv_3s },
	{ "poll ", call_poll_3s },
	{ "select ", call_select_3s },
	{ "sigtimedwait ", call_sigtimedwait_3s },
	{ "epoll_wait ", call_epoll_wait_3s },
	{ "epoll_pwait2 ", call_epoll_pwait2_3s },
};

static void *at_once_thread(void *arg)
{
	struct call *call = arg;
	int64_t begin = now_ms();
	long ret = call->run();
	int err = errno;

	if (ret < 0 && err != ETIMEDOUT && err != EAGAIN)
		wrong("%s: %s", call->name, strerror(err));
	begin = now_ms() - begin;
	if (begin < 3000 || begin >= 3000 + SLACK_MS + atoi(call->arg))
		wrong("%s: %ld ms", call->name, begin);
	return NULL;
}

TARGET(all_at_once)
{
	pthread_t threads[ARRAY_SIZE(at_once)];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(at_once); i++) {
		at_once[i].arg = arg;
		pthread_create(&threads[i], NULL, at_once_thread, &at_once[i]);
	}
	say("ready");
	for (i = 0; i < ARRAY_SIZE(at_once); i++)
		pthread_join(threads[i], NULL);
	return verdict();
}

#define CORE_PATTERN	"/proc/sys/kernel/core_pattern"

FIXTURE(process)
{
	struct target t;
	struct target copy;
	struct image img;
	struct export_call e;
	struct env env;
	char cgroup[128];
	char core_pattern[256];
};

FIXTURE_SETUP(process)
{
	GHOST_NEEDED();
	self->env.fd = -1;
	self->env.peer = -1;
	ASSERT_EQ(NULL, image_open(&self->img, STORE_MEMORY));
}

FIXTURE_TEARDOWN(process)
{
	char path[sizeof(self->cgroup) + 20];

	if (self->cgroup[0]) {
		snprintf(path, sizeof(path), "%s/cgroup.freeze", self->cgroup);
		write_text(path, "0\n");
	}
	if (self->core_pattern[0])
		write_text(CORE_PATTERN, self->core_pattern);
	target_end(&self->t);
	target_end(&self->copy);
	image_close(&self->img);
	env_end(&self->env);
	if (self->cgroup[0])
		rmdir(self->cgroup);
}

TEST_F(process, threads_in_many_calls_see_nothing)
{
	/* They start one after the other and twelve of them compete for the CPU */
	struct target_options o = { .arg = "3000", .fds = &self->env.fd, .nfds = 1 };
	struct env env = { -1, -1 };
	int status, round;

	ASSERT_TRUE(env_epoll(&self->env));
	ASSERT_TRUE(env_epoll(&env));
	ASSERT_EQ(0, target_start(&self->t, "all_at_once", &o));
	ASSERT_TRUE(target_says(&self->t, "ready"));
	for (round = 0; round < 5; round++) {
		sleep_ms(400);
		/* On a slow machine some are done in the later rounds, or all of them */
		if (round && export_target(&self->t, &self->img, 0)) {
			EXPECT_EQ(ESRCH, errno) TH_LOG("%s", self->img.report);
			break;
		}
		if (round)
			continue;
		ASSERT_EXPORTED(&self->t, &self->img, 0);
		EXPECT_EQ(ARRAY_SIZE(at_once) + 1, self->img.stats.threads);
		ASSERT_EQ(0, import_target(&self->copy, &self->t, &self->img, 0, &env.fd))
			TH_LOG("import: %s: %s", strerror(errno), self->img.report);
	}
	EXPECT_TRUE(target_says(&self->t, "ok"));
	ASSERT_EQ(0, target_wait(&self->t, &status));
	EXPECT_EQ(0, status);
	EXPECT_TRUE(target_says(&self->copy, "ok"));
	ASSERT_EQ(0, target_wait(&self->copy, &status));
	EXPECT_EQ(0, status);
	env_end(&env);
}

/* What nanosleep() says is left when a signal comes is what is left */
TARGET(nanosleep_left)
{
	struct timespec long_time = { 10, 0 }, left = { 0, 0 };

	handle(SIGUSR1);
	say("ready");
	check(syscall(SYS_nanosleep, &long_time, &left) == -1 && errno == EINTR);
	say("left %ld", left.tv_sec * 1000 + left.tv_nsec / 1000000);
	return verdict();
}

static long number_said(struct target *t, const char *name)
{
	const char *line = target_line(t);
	size_t n = strlen(name);

	if (line && !strncmp(line, name, n))
		return atol(line + n);
	fprintf(stderr, "# \"%s\" instead of \"%s...\"\n", line ?: "nothing", name);
	return -1;
}

TEST_F(process, nanosleep_knows_what_is_left)
{
	int64_t begin = now_ms(), asleep, exported, imported;
	long left;

	ASSERT_EQ(0, target_start(&self->t, "nanosleep_left", NULL));
	ASSERT_TRUE(target_says(&self->t, "ready"));
	ASSERT_TRUE(target_sleeps_in(&self->t, 0, SYS_nanosleep));
	asleep = now_ms();
	sleep_ms(1000);
	exported = now_ms();
	ASSERT_EXPORTED(&self->t, &self->img, 0);
	sleep_ms(500);
	ASSERT_IMPORTED(&self->copy, &self->t, &self->img, 0);
	imported = now_ms();
	ASSERT_TRUE(target_sleeps_in(&self->copy, 0, SYS_nanosleep));
	sleep_ms(500);
	EXPECT_TRUE(target_is_silent(&self->t, 0));
	kill(self->t.pid, SIGUSR1);
	left = number_said(&self->t, "left ");
	EXPECT_GE(10000 - (imported + 500 - asleep), left);
	EXPECT_LE(10000 - (now_ms() - begin), left);
	/* The copy did not exist between export and import */
	kill(self->copy.pid, SIGUSR1);
	left = number_said(&self->copy, "left ");
	EXPECT_GE(10000 - 1500, left);
	EXPECT_LE(10000 - (now_ms() - begin) + 500, left);
	EXPECT_LT(exported, imported);
	EXPECT_TRUE(target_says(&self->t, "ok"));
	EXPECT_TRUE(target_says(&self->copy, "ok"));
}

/*
 * Processes that are not as others
 */

TARGET(sleeper)
{
	ready();
	return verdict();
}

static void start(struct __test_metadata *_metadata, FIXTURE_DATA(process) *self,
		  const char *name, const char *arg)
{
	struct target_options o = { .arg = arg };

	ASSERT_EQ(0, target_start(&self->t, name, &o));
	ASSERT_TRUE(target_says(&self->t, "ready"));
	export_call_init(&self->e, &self->t);
	export_to_memory(&self->e);
	self->e.args.timeout_ms = 0;		/* the default */
}

static bool ends_well(struct target *t)
{
	int status;

	if (target_wake(t) || !target_says(t, "ok"))
		return false;
	return !target_wait(t, &status) && !status;
}

/* The call fails with this error, and soon */
#define EXPECT_REFUSED(_errno) do {						\
	int64_t _begin = now_ms();						\
	EXPECT_EQ(-1, export_call(&self->e));					\
	EXPECT_EQ(_errno, errno) TH_LOG("report: %s", self->e.report);		\
	EXPECT_GT(10000, now_ms() - _begin);					\
	EXPECT_NE(0, self->e.report[0]);					\
} while (0)

/* A child that has stopped or continued and not been waited for */
static bool news_of(pid_t pid)
{
	siginfo_t info = { 0 };

	return !waitid(P_PID, pid, &info, WSTOPPED | WCONTINUED | WNOHANG) && info.si_pid;
}

TEST_F(process, stopped_process_stays_stopped_and_so_does_its_copy)
{
	siginfo_t info;

	start(_metadata, self, "sleeper", NULL);
	ASSERT_TRUE(target_sleeps_in(&self->t, 0, SYS_read));
	ASSERT_EQ(0, kill(self->t.pid, SIGSTOP));
	ASSERT_EQ(0, waitid(P_PID, self->t.pid, &info, WSTOPPED));
	EXPECT_EQ(CLD_STOPPED, info.si_code);
	ASSERT_EXPORTED(&self->t, &self->img, 0);
	ASSERT_EXPORTED(&self->t, &self->img, 0);
	EXPECT_EQ('T', proc_state(self->t.pid, 0));
	EXPECT_FALSE(news_of(self->t.pid));
	ASSERT_IMPORTED(&self->copy, &self->t, &self->img, 0);
	ASSERT_TRUE(proc_state_becomes(self->copy.pid, 0, 'T'));
	ASSERT_EQ(0, kill(self->t.pid, SIGCONT));
	ASSERT_EQ(0, waitid(P_PID, self->t.pid, &info, WCONTINUED));
	EXPECT_EQ(CLD_CONTINUED, info.si_code);
	ASSERT_TRUE(target_sleeps_in(&self->t, 0, SYS_read));
	EXPECT_EQ('T', proc_state(self->copy.pid, 0));
	ASSERT_EQ(0, kill(self->copy.pid, SIGCONT));
	ASSERT_TRUE(target_sleeps_in(&self->copy, 0, SYS_read));
	EXPECT_TRUE(ends_well(&self->t));
	EXPECT_TRUE(ends_well(&self->copy));
}

TARGET(stopped_threads)
{
	pthread_t busy, idle;

	pthread_create(&busy, NULL, busy_thread, NULL);
	pthread_create(&idle, NULL, idle_thread, NULL);
	ready();
	return verdict();
}

TEST_F(process, stopped_threads_stay_stopped)
{
	siginfo_t info;
	int i;

	start(_metadata, self, "stopped_threads", NULL);
	for (i = 0; i < 5; i++) {
		ASSERT_EQ(0, kill(self->t.pid, SIGSTOP));
		ASSERT_EQ(0, waitid(P_PID, self->t.pid, &info, WSTOPPED));
		ASSERT_EXPORTED(&self->t, &self->img, 0);
		EXPECT_EQ(3, self->img.stats.threads);
		EXPECT_EQ('T', proc_state(self->t.pid, 0));
		EXPECT_FALSE(news_of(self->t.pid));
		ASSERT_IMPORTED(&self->copy, &self->t, &self->img, 0);
		ASSERT_TRUE(proc_state_becomes(self->copy.pid, 0, 'T'));
		kill(self->copy.pid, SIGCONT);
		ASSERT_TRUE(target_sleeps_in(&self->copy, 0, SYS_read));
		EXPECT_TRUE(ends_well(&self->copy));
		ASSERT_EQ(0, kill(self->t.pid, SIGCONT));
		ASSERT_EQ(0, waitid(P_PID, self->t.pid, &info, WCONTINUED));
	}
	EXPECT_TRUE(ends_well(&self->t));
}

/* epoll_wait() is a call that SIGCONT ends with EINTR, export or not */
TEST_F(process, call_that_a_stop_has_interrupted_is_not_repeated)
{
	struct target_options o = { .arg = "", .fds = &self->env.fd, .nfds = 1 };
	struct env env = { -1, -1 };
	siginfo_t info;

	ASSERT_TRUE(env_epoll(&self->env));
	ASSERT_TRUE(env_epoll(&env));
	ASSERT_EQ(0, target_start(&self->t, "epoll_wait", &o));
	ASSERT_TRUE(target_says(&self->t, "ready"));
	ASSERT_TRUE(target_sleeps_in(&self->t, 0, SYS_epoll_wait));
	ASSERT_EQ(0, kill(self->t.pid, SIGSTOP));
	ASSERT_EQ(0, waitid(P_PID, self->t.pid, &info, WSTOPPED));
	ASSERT_EXPORTED(&self->t, &self->img, 0);
	ASSERT_EQ(0, import_target(&self->copy, &self->t, &self->img, 0, &env.fd))
		TH_LOG("import: %s: %s", strerror(errno), self->img.report);
	ASSERT_TRUE(proc_state_becomes(self->copy.pid, 0, 'T'));
	ASSERT_EQ(0, kill(self->t.pid, SIGCONT));
	EXPECT_TRUE(target_says(&self->t, "-1 EINTR"));
	ASSERT_EQ(0, kill(self->copy.pid, SIGCONT));
	EXPECT_TRUE(target_says(&self->copy, "-1 EINTR"));
	env_end(&env);
}

TEST_F(process, running_process_is_not_reported_as_stopped)
{
	start(_metadata, self, "sleeper", NULL);
	ASSERT_EXPORTED(&self->t, &self->img, 0);
	EXPECT_FALSE(news_of(self->t.pid));
	EXPECT_TRUE(ends_well(&self->t));
}

TEST_F(process, traced_process_is_busy)
{
	int status;

	start(_metadata, self, "sleeper", NULL);
	ASSERT_EQ(0, ptrace(PTRACE_SEIZE, self->t.pid, 0, 0));
	EXPECT_REFUSED(EBUSY);
	ASSERT_EQ(0, ptrace(PTRACE_INTERRUPT, self->t.pid, 0, 0));
	ASSERT_EQ(self->t.pid, waitpid(self->t.pid, &status, 0));
	EXPECT_REFUSED(EBUSY);
	EXPECT_EQ('t', proc_state(self->t.pid, 0));
	ASSERT_EQ(0, ptrace(PTRACE_DETACH, self->t.pid, 0, 0));
	ASSERT_EXPORTED(&self->t, &self->img, 0);
	EXPECT_TRUE(ends_well(&self->t));
}

/* The child has the parent's memory: system calls only */
TARGET(vforking)
{
	pid_t pid;
	char c;

	say("ready");
	pid = vfork();
	if (!pid) {
		if (read(0, &c, 1) != 1)
			_exit(1);
		_exit(0);
	}
	hear();
	check(waitpid(pid, NULL, 0) == pid);
	return verdict();
}

static pid_t only_child(pid_t pid)
{
	int64_t end = now_ms() + PATIENCE_MS;
	char path[64], child[32];

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pid, pid);
	while (now_ms() < end) {
		if (read_text(path, child, sizeof(child)) > 0)
			return atoi(child);
		sleep_ms(2);
	}
	return -1;
}

TEST_F(process, vforking_parent_is_busy)
{
	struct target child = {};
	int i;

	start(_metadata, self, "vforking", NULL);
	child.pid = only_child(self->t.pid);
	ASSERT_LT(0, child.pid);
	ASSERT_TRUE(target_sleeps_in(&child, 0, SYS_read));
	for (i = 0; i < 2; i++) {
		EXPECT_REFUSED(EBUSY);
		EXPECT_NE(NULL, strstr(self->e.report, "vfork")) TH_LOG("%s", self->e.report);
	}
	/* Nor can the child be exported, with memory that is not its own */
	self->e.args.pidfd = pidfd_open_pid(child.pid);
	EXPECT_REFUSED(EOPNOTSUPP);
	EXPECT_NE(NULL, strstr(self->e.report, "memory: shared with another process"))
		TH_LOG("%s", self->e.report);
	close(self->e.args.pidfd);
	ASSERT_EQ(0, target_wake(&self->t));
	ASSERT_TRUE(target_sleeps_in(&self->t, 0, SYS_read));
	EXPECT_TRUE(ends_well(&self->t));
}

TARGET(dumper)
{
	ready();
	abort();
}

static bool dumps_core(struct target *t)
{
	int64_t end = now_ms() + PATIENCE_MS;
	char text[16];

	while (now_ms() < end) {
		if (!proc_field(t->pid, "status", "CoreDumping", text, sizeof(text)) &&
		    atoi(text))
			return true;
		sleep_ms(2);
	}
	return false;
}

/* Into a pipe to a program that does not read before we do so from its FIFO */
TEST_F(process, process_that_dumps_core_is_busy_and_its_core_is_complete)
{
	char pattern[sizeof(self->env.arg) + 16], buf[65536];
	size_t total = 0;
	int fd, status;
	ssize_t n;

	if (access("/bin/dd", X_OK) || access(CORE_PATTERN, W_OK))
		SKIP(return, "no /bin/dd, or not root");
	ASSERT_TRUE(env_fifo(&self->env));
	ASSERT_LT(0, read_text(CORE_PATTERN, self->core_pattern, sizeof(self->core_pattern)));
	snprintf(pattern, sizeof(pattern), "|/bin/dd of=%s", self->env.arg);
	ASSERT_EQ(0, write_text(CORE_PATTERN, pattern));
	start(_metadata, self, "dumper", NULL);
	ASSERT_EQ(0, target_wake(&self->t));
	ASSERT_TRUE(dumps_core(&self->t));
	EXPECT_REFUSED(EBUSY);
	EXPECT_NE(NULL, strstr(self->e.report, "dumps core")) TH_LOG("%s", self->e.report);
	EXPECT_TRUE(dumps_core(&self->t));
	fd = open(self->env.arg, O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, fd);
	while ((n = read(fd, buf, sizeof(buf))) > 0) {
		if (!total)
			EXPECT_EQ(0, memcmp(buf, "\177ELF", 4));
		total += n;
	}
	EXPECT_LT(65536, total);
	ASSERT_EQ(0, target_wait(&self->t, &status));
	EXPECT_TRUE(WIFSIGNALED(status) && WCOREDUMP(status)) TH_LOG("status %#x", status);
	close(fd);
}

static bool in_cgroup(FIXTURE_DATA(process) *self)
{
	char path[sizeof(self->cgroup) + 20], pid[16];

	snprintf(self->cgroup, sizeof(self->cgroup), "/sys/fs/cgroup/ghost-test-%d", getpid());
	if (mkdir(self->cgroup, 0700)) {
		self->cgroup[0] = 0;
		return false;
	}
	snprintf(path, sizeof(path), "%s/cgroup.procs", self->cgroup);
	snprintf(pid, sizeof(pid), "%d\n", self->t.pid);
	return !write_text(path, pid);
}

static bool freeze_cgroup(FIXTURE_DATA(process) *self, bool freeze)
{
	char path[sizeof(self->cgroup) + 20], text[256];
	const char *wanted = freeze ? "frozen 1" : "frozen 0";
	int64_t end = now_ms() + PATIENCE_MS;

	snprintf(path, sizeof(path), "%s/cgroup.freeze", self->cgroup);
	if (write_text(path, freeze ? "1\n" : "0\n"))
		return false;
	snprintf(path, sizeof(path), "%s/cgroup.events", self->cgroup);
	while (read_text(path, text, sizeof(text)) > 0 && now_ms() < end) {
		if (strstr(text, wanted))
			return true;
		sleep_ms(2);
	}
	return false;
}

TEST_F(process, frozen_process_is_busy)
{
	start(_metadata, self, "sleeper", NULL);
	ASSERT_TRUE(target_sleeps_in(&self->t, 0, SYS_read));
	if (!in_cgroup(self))
		SKIP(return, "no cgroup2 in /sys/fs/cgroup");
	ASSERT_TRUE(freeze_cgroup(self, true));
	EXPECT_REFUSED(EBUSY);
	EXPECT_REFUSED(EBUSY);
	ASSERT_TRUE(freeze_cgroup(self, false));
	ASSERT_EXPORTED(&self->t, &self->img, 0);
	EXPECT_TRUE(ends_well(&self->t));
}

/*
 * A process that cannot be interrupted: it reads memory of ours that is not there until
 * we say so
 */

struct hole {
	int uffd;
	void *page;
};

static bool dig_hole(struct hole *hole)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg;

	hole->uffd = syscall(SYS_userfaultfd, O_CLOEXEC);
	if (hole->uffd < 0 || ioctl(hole->uffd, UFFDIO_API, &api))
		return false;
	hole->page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	reg.range.start = (uintptr_t)hole->page;
	reg.range.len = 4096;
	reg.mode = UFFDIO_REGISTER_MODE_MISSING;
	return !ioctl(hole->uffd, UFFDIO_REGISTER, &reg);
}

static bool fill_hole(struct hole *hole)
{
	struct uffdio_zeropage zero = { .range = { (uintptr_t)hole->page, 4096 } };

	return !ioctl(hole->uffd, UFFDIO_ZEROPAGE, &zero);
}

static void read_hole(const char *where)
{
	struct iovec local, remote;
	char c = 1;
	void *page;
	int pid;

	check(sscanf(where, "%d %p", &pid, &page) == 2);
	local.iov_base = &c;
	local.iov_len = 1;
	remote.iov_base = page;
	remote.iov_len = 1;
	check_errno(process_vm_readv(pid, &local, 1, &remote, 1, 0) == 1);
	check(c == 0);
}

TARGET(uninterruptible)
{
	say("ready");
	read_hole(arg);
	hear();
	return verdict();
}

static void *hole_thread(void *arg)
{
	read_hole(arg);
	return NULL;
}

/* One thread cannot be parked, another one sleeps in pause() until SIGUSR1 comes */
TARGET(half_uninterruptible)
{
	pthread_t thread;
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, NULL);
	pthread_create(&thread, NULL, hole_thread, (void *)arg);
	handle(SIGUSR1);
	say("ready");
	sigdelset(&all, SIGUSR1);
	check(sigsuspend(&all) == -1 && errno == EINTR);
	check(handled == 1);
	say("signal");
	pthread_join(thread, NULL);
	hear();
	return verdict();
}

#define START_AT_HOLE(_name) do {							\
	char _where[64];								\
	if (!dig_hole(&hole))								\
		SKIP(return, "no userfaultfd for faults of the kernel: %s", strerror(errno));	\
	snprintf(_where, sizeof(_where), "%d %p", getpid(), hole.page);			\
	start(_metadata, self, _name, _where);						\
} while (0)

/* The thread that is not the leader; there are two */
static pid_t other_thread(struct target *t)
{
	char path[64];
	pid_t tid;

	for (tid = t->pid + 1; tid < t->pid + 1000; tid++) {
		snprintf(path, sizeof(path), "/proc/%d/task/%d", t->pid, tid);
		if (!access(path, F_OK))
			return tid;
	}
	return 0;
}

TEST_F(process, uninterruptible_process_is_left_alone_after_the_timeout)
{
	struct hole hole;
	int64_t begin;

	START_AT_HOLE("uninterruptible");
	ASSERT_TRUE(proc_state_becomes(self->t.pid, 0, 'D'));
	EXPECT_REFUSED(ETIMEDOUT);
	self->e.args.timeout_ms = 200;
	begin = now_ms();
	EXPECT_REFUSED(ETIMEDOUT);
	EXPECT_LE(200, now_ms() - begin);
	EXPECT_GT(2000, now_ms() - begin);
	EXPECT_EQ('D', proc_state(self->t.pid, 0));
	ASSERT_TRUE(fill_hole(&hole));
	ASSERT_TRUE(target_sleeps_in(&self->t, 0, SYS_read));
	ASSERT_EXPORTED(&self->t, &self->img, 0);
	EXPECT_TRUE(ends_well(&self->t));
}

/* An export that waits for the hole, in a process of its own */
static pid_t export_aside(struct export_call *e, int timeout_ms)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	e->args.timeout_ms = timeout_ms;
	_exit(export_call(e) < 0 ? errno : 0);
}

/* Until the leader is parked: it sleeps killably and not in its call's own way */
static bool leader_is_parked(struct target *t)
{
	int64_t end = now_ms() + PATIENCE_MS;
	char wchan[128], path[64];

	snprintf(path, sizeof(path), "/proc/%d/wchan", t->pid);
	while (now_ms() < end) {
		if (read_text(path, wchan, sizeof(wchan)) > 0 && strstr(wchan, "ghost"))
			return true;
		sleep_ms(2);
	}
	fprintf(stderr, "# wchan is %s\n", wchan);
	return false;
}

static int exit_status(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

TEST_F(process, signal_to_a_parked_thread_is_treated_afterwards)
{
	struct hole hole;
	pid_t exporter;

	START_AT_HOLE("half_uninterruptible");
	ASSERT_TRUE(target_sleeps_in(&self->t, 0, SYS_rt_sigsuspend));
	ASSERT_TRUE(proc_state_becomes(self->t.pid, other_thread(&self->t), 'D'));
	exporter = export_aside(&self->e, 2000);
	ASSERT_TRUE(leader_is_parked(&self->t));
	ASSERT_EQ(0, kill(self->t.pid, SIGUSR1));
	EXPECT_TRUE(target_is_silent(&self->t, 100));
	EXPECT_EQ(ETIMEDOUT, exit_status(exporter));
	EXPECT_TRUE(target_says(&self->t, "signal"));
	ASSERT_TRUE(fill_hole(&hole));
	EXPECT_TRUE(ends_well(&self->t));
}

/*
 * The stop begins while one thread is parked and another one is not: as the signal is for the
 * latter, nobody else can take it
 */
TEST_F(process, stop_that_begins_while_threads_are_parked_is_in_the_image)
{
	struct image img = { .fd = -1 };
	struct hole hole;
	siginfo_t info;
	pid_t exporter;

	START_AT_HOLE("half_uninterruptible");
	ASSERT_TRUE(target_sleeps_in(&self->t, 0, SYS_rt_sigsuspend));
	ASSERT_TRUE(proc_state_becomes(self->t.pid, other_thread(&self->t), 'D'));
	img.store = STORE_TMPFS;
	img.fd = memfd_create("ghost-image", MFD_CLOEXEC);
	ASSERT_LE(0, img.fd);
	export_to_file(&self->e, img.fd);
	exporter = export_aside(&self->e, 20000);
	ASSERT_TRUE(leader_is_parked(&self->t));
	ASSERT_EQ(0, syscall(SYS_tgkill, self->t.pid, other_thread(&self->t), SIGSTOP));
	ASSERT_TRUE(fill_hole(&hole));
	EXPECT_EQ(0, exit_status(exporter));
	ASSERT_EQ(0, waitid(P_PID, self->t.pid, &info, WSTOPPED));
	ASSERT_IMPORTED(&self->copy, &self->t, &img, 0);
	EXPECT_TRUE(proc_state_becomes(self->copy.pid, 0, 'T'));
	EXPECT_TRUE(proc_state_becomes(self->copy.pid, other_thread(&self->copy), 'T'));
	ASSERT_EQ(0, kill(self->t.pid, SIGCONT));
	ASSERT_EQ(0, kill(self->copy.pid, SIGCONT));
	ASSERT_EQ(0, kill(self->t.pid, SIGUSR1));
	ASSERT_EQ(0, kill(self->copy.pid, SIGUSR1));
	EXPECT_TRUE(target_says(&self->t, "signal"));
	EXPECT_TRUE(target_says(&self->copy, "signal"));
	EXPECT_TRUE(ends_well(&self->t));
	EXPECT_TRUE(ends_well(&self->copy));
	close(img.fd);
}

TEST_F(process, second_exporter_is_refused_while_the_first_is_at_work)
{
	struct hole hole;
	pid_t exporter;

	START_AT_HOLE("half_uninterruptible");
	ASSERT_TRUE(proc_state_becomes(self->t.pid, other_thread(&self->t), 'D'));
	exporter = export_aside(&self->e, 20000);
	ASSERT_TRUE(leader_is_parked(&self->t));
	EXPECT_REFUSED(EBUSY);
	ASSERT_TRUE(fill_hole(&hole));
	EXPECT_EQ(0, exit_status(exporter));
	kill(self->t.pid, SIGUSR1);
	EXPECT_TRUE(target_says(&self->t, "signal"));
	EXPECT_TRUE(ends_well(&self->t));
}

TEST_F(process, killed_exporter_lets_the_process_go)
{
	struct hole hole;
	pid_t exporter;

	START_AT_HOLE("half_uninterruptible");
	ASSERT_TRUE(target_sleeps_in(&self->t, 0, SYS_rt_sigsuspend));
	ASSERT_TRUE(proc_state_becomes(self->t.pid, other_thread(&self->t), 'D'));
	exporter = export_aside(&self->e, 600000);
	ASSERT_TRUE(leader_is_parked(&self->t));
	kill(exporter, SIGKILL);
	EXPECT_EQ(-SIGKILL, exit_status(exporter));
	ASSERT_TRUE(target_sleeps_in(&self->t, 0, SYS_rt_sigsuspend));
	kill(self->t.pid, SIGUSR1);
	EXPECT_TRUE(target_says(&self->t, "signal"));
	ASSERT_TRUE(fill_hole(&hole));
	EXPECT_TRUE(ends_well(&self->t));
}

TEST_F(process, parked_process_can_be_killed)
{
	struct hole hole;
	pid_t exporter;
	int status;

	START_AT_HOLE("half_uninterruptible");
	ASSERT_TRUE(target_sleeps_in(&self->t, 0, SYS_rt_sigsuspend));
	ASSERT_TRUE(proc_state_becomes(self->t.pid, other_thread(&self->t), 'D'));
	exporter = export_aside(&self->e, 600000);
	ASSERT_TRUE(leader_is_parked(&self->t));
	kill(self->t.pid, SIGKILL);
	ASSERT_EQ(0, target_wait(&self->t, &status));
	EXPECT_EQ(SIGKILL, WTERMSIG(status));
	EXPECT_EQ(ESRCH, exit_status(exporter));
}

/* The stop does not last while an image is written: nobody reads this pipe */
TEST_F(process, runs_on_while_its_image_is_written)
{
	pid_t exporter;
	char buf[65536];
	int fds[2];
	ssize_t n;

	start(_metadata, self, "sleeper", NULL);
	ASSERT_TRUE(target_sleeps_in(&self->t, 0, SYS_read));
	ASSERT_EQ(0, pipe2(fds, O_CLOEXEC));
	export_to_file(&self->e, fds[1]);
	exporter = export_aside(&self->e, 0);
	close(fds[1]);
	ASSERT_TRUE(proc_state_becomes(exporter, 0, 'S'));
	ASSERT_EQ(1, poll(&(struct pollfd) { fds[0], POLLIN, 0 }, 1, PATIENCE_MS));
	EXPECT_TRUE(ends_well(&self->t));
	while ((n = read(fds[0], buf, sizeof(buf))) > 0)
		;
	EXPECT_EQ(0, n);
	EXPECT_EQ(0, exit_status(exporter));
	close(fds[0]);
}

TEST_F(process, exporter_can_be_killed_while_it_writes)
{
	pid_t exporter;
	int fds[2];

	start(_metadata, self, "sleeper", NULL);
	ASSERT_EQ(0, pipe2(fds, O_CLOEXEC));
	export_to_file(&self->e, fds[1]);
	exporter = export_aside(&self->e, 0);
	ASSERT_EQ(1, poll(&(struct pollfd) { fds[0], POLLIN, 0 }, 1, PATIENCE_MS));
	ASSERT_TRUE(proc_state_becomes(exporter, 0, 'S'));
	kill(exporter, SIGKILL);
	EXPECT_EQ(-SIGKILL, exit_status(exporter));
	EXPECT_TRUE(ends_well(&self->t));
	close(fds[0]);
	close(fds[1]);
}

static void noop(int sig)
{
}

TEST_F(process, exporter_that_writes_ends_at_a_signal)
{
	pid_t exporter;
	int fds[2];

	start(_metadata, self, "sleeper", NULL);
	ASSERT_EQ(0, pipe2(fds, O_CLOEXEC));
	signal(SIGUSR1, noop);
	export_to_file(&self->e, fds[1]);
	exporter = export_aside(&self->e, 0);
	ASSERT_EQ(1, poll(&(struct pollfd) { fds[0], POLLIN, 0 }, 1, PATIENCE_MS));
	ASSERT_TRUE(proc_state_becomes(exporter, 0, 'S'));
	kill(exporter, SIGUSR1);
	EXPECT_EQ(EINTR, exit_status(exporter));
	EXPECT_TRUE(ends_well(&self->t));
	close(fds[0]);
	close(fds[1]);
}

/* The process is killed when its image is out, and not before */
TEST_F(process, kill_waits_until_the_image_is_out)
{
	int fds[2], status;
	char buf[65536];
	pid_t exporter;

	start(_metadata, self, "sleeper", NULL);
	ASSERT_EQ(0, pipe2(fds, O_CLOEXEC));
	self->e.args.flags = GHOST_EXPORT_KILL;
	export_to_file(&self->e, fds[1]);
	exporter = export_aside(&self->e, 0);
	close(fds[1]);
	ASSERT_EQ(1, poll(&(struct pollfd) { fds[0], POLLIN, 0 }, 1, PATIENCE_MS));
	sleep_ms(100);
	EXPECT_NE(0, proc_state(self->t.pid, 0));
	EXPECT_NE('Z', proc_state(self->t.pid, 0));
	while (read(fds[0], buf, sizeof(buf)) > 0)
		;
	EXPECT_EQ(0, exit_status(exporter));
	ASSERT_EQ(0, target_wait(&self->t, &status));
	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_EQ(SIGKILL, WTERMSIG(status));
	close(fds[0]);
}

TEST_F(process, failed_export_does_not_kill)
{
	int fds[2];

	start(_metadata, self, "sleeper", NULL);
	ASSERT_EQ(0, pipe2(fds, O_CLOEXEC));
	close(fds[0]);
	signal(SIGPIPE, SIG_IGN);
	self->e.args.flags = GHOST_EXPORT_KILL;
	export_to_file(&self->e, fds[1]);
	EXPECT_EQ(-1, export_call(&self->e));
	EXPECT_EQ(EPIPE, errno);
	self->e.args.flags = GHOST_EXPORT_STOP;
	EXPECT_EQ(-1, export_call(&self->e));
	EXPECT_EQ(EPIPE, errno);
	ASSERT_TRUE(target_sleeps_in(&self->t, 0, SYS_read));
	EXPECT_TRUE(ends_well(&self->t));
	close(fds[1]);
}

/* Somebody who waits to die with the image still on its way out */
TEST_F(process, process_that_waits_to_be_killed_can_be_killed_otherwise)
{
	int fds[2], status;
	char buf[65536];
	pid_t exporter;

	start(_metadata, self, "sleeper", NULL);
	ASSERT_EQ(0, pipe2(fds, O_CLOEXEC));
	self->e.args.flags = GHOST_EXPORT_KILL;
	export_to_file(&self->e, fds[1]);
	exporter = export_aside(&self->e, 0);
	close(fds[1]);
	ASSERT_EQ(1, poll(&(struct pollfd) { fds[0], POLLIN, 0 }, 1, PATIENCE_MS));
	kill(self->t.pid, SIGKILL);
	ASSERT_EQ(0, target_wait(&self->t, &status));
	EXPECT_EQ(SIGKILL, WTERMSIG(status));
	while (read(fds[0], buf, sizeof(buf)) > 0)
		;
	status = exit_status(exporter);
	EXPECT_TRUE(status == 0 || status == ESRCH) TH_LOG("errno %d", status);
	close(fds[0]);
}

/*
 * Imports
 */

static int other_descriptors(pid_t pid)
{
	char path[64], name[16];
	int fd, n = 0;

	for (fd = 3; fd < 1024; fd++) {
		snprintf(path, sizeof(path), "/proc/%d/fd/%d", pid, fd);
		n += readlink(path, name, sizeof(name)) >= 0;
	}
	return n;
}

TEST_F(process, import_has_nothing_to_do_with_the_importers_descriptors)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int fds[2], file, before, i;
	pid_t child;

	start(_metadata, self, "sleeper", NULL);
	ASSERT_EXPORTED(&self->t, &self->img, 0);
	file = memfd_create("lock", MFD_CLOEXEC);
	ASSERT_LE(0, file);
	ASSERT_EQ(0, fcntl(file, F_SETLK, &lock));
	ASSERT_EQ(0, pipe2(fds, O_CLOEXEC));
	for (i = 0; i < 200; i++)
		ASSERT_LE(0, fcntl(fds[1], F_DUPFD_CLOEXEC, 300));
	before = other_descriptors(getpid());
	ASSERT_IMPORTED(&self->copy, &self->t, &self->img, 0);
	/* The two pipes to the copy and its pidfd */
	EXPECT_EQ(before + 3, other_descriptors(getpid()));
	EXPECT_EQ(0, other_descriptors(self->copy.pid));
	child = fork();
	if (!child) {
		if (fcntl(file, F_GETLK, &lock))
			_exit(1);
		_exit(lock.l_type != F_WRLCK);
	}
	EXPECT_EQ(0, exit_status(child));
	/* The copy does not keep the pipe open */
	close_range(300, ~0U, 0);
	close(fds[1]);
	EXPECT_EQ(0, read(fds[0], &i, 1));
	EXPECT_TRUE(ends_well(&self->copy));
	EXPECT_TRUE(ends_well(&self->t));
	close(fds[0]);
	close(file);
}

/* PR_SET_MEMORY_MERGE would be in the way of an export of the copy */
TEST_F(process, import_does_not_take_over_the_importers_memory_merging)
{
	start(_metadata, self, "sleeper", NULL);
	ASSERT_EQ(NULL, image_open(&self->img, STORE_PIPE));
	ASSERT_EXPORTED(&self->t, &self->img, 0);
	if (prctl(PR_SET_MEMORY_MERGE, 1, 0, 0, 0))
		SKIP(return, "no PR_SET_MEMORY_MERGE: %s", strerror(errno));
	ASSERT_IMPORTED(&self->copy, &self->t, &self->img, 0);
	ASSERT_TRUE(target_sleeps_in(&self->copy, 0, SYS_read));
	ASSERT_EXPORTED(&self->copy, &self->img, 0);
	EXPECT_TRUE(ends_well(&self->copy));
	EXPECT_TRUE(ends_well(&self->t));
}

/* A process that is made of an image of which nothing more will come */
static pid_t import_aside(int fd)
{
	struct import_call c;
	pid_t pid = fork();
	int i;

	if (pid)
		return pid;
	import_call_init(&c);
	import_from_file(&c, fd);
	for (i = 0; i < 3; i++) {
		c.map[i].image_fd = i;
		c.map[i].fd = i;
	}
	c.args.fd_map = (uintptr_t)c.map;
	c.args.fd_map_len = i;
	_exit(import_call(&c) < 0 ? errno : 0);
}

/* What is being made is killed with it, but is not gone while its tracer does not look */
TEST_F(process, killed_importer_does_not_wait_for_a_tracer)
{
	pid_t importer, embryo;
	struct image img;
	size_t size;
	void *bytes;
	int fds[2];

	start(_metadata, self, "sleeper", NULL);
	ASSERT_EQ(NULL, image_open(&img, STORE_PIPE));
	ASSERT_EXPORTED(&self->t, &img, 0);
	bytes = image_bytes(&img, &size);
	ASSERT_NE(NULL, bytes);
	/* Less than the pipe takes, more than comes before the memory */
	size = size / 2 < 32768 ? size / 2 : 32768;
	ASSERT_EQ(0, pipe2(fds, O_CLOEXEC));
	importer = import_aside(fds[0]);
	ASSERT_EQ(size, write(fds[1], bytes, size));
	embryo = only_child(importer);
	ASSERT_LT(0, embryo);
	ASSERT_TRUE(proc_state_becomes(embryo, 0, 'S'));
	ASSERT_EQ(0, ptrace(PTRACE_SEIZE, embryo, 0, 0)) TH_LOG("%s", strerror(errno));
	kill(importer, SIGKILL);
	EXPECT_TRUE(proc_state_becomes(importer, 0, 'Z'));
	EXPECT_EQ(-SIGKILL, exit_status(embryo));
	EXPECT_EQ(-SIGKILL, exit_status(importer));
	EXPECT_TRUE(ends_well(&self->t));
	close(fds[0]);
	close(fds[1]);
	image_close(&img);
	free(bytes);
}

TEST_HARNESS_MAIN
