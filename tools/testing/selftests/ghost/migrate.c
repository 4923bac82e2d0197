// SPDX-License-Identifier: GPL-2.0
/*
 * Migration over a connection: one live copy, whatever the other end does
 *
 * Both ends are here: the import is made by a thread of the test. Other tests play one of
 * the ends themselves, and not always as it should be played.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>

#include <linux/elf-em.h>
#include <linux/ghost_wire.h>

#include "../kselftest_harness.h"
#include "ghost_test.h"

#define MEMORY	(8 << 20)

static unsigned int word(size_t i)
{
	return i * 2654435761U ^ 0x5bd1e995;
}

/* Counts in memory that is private, with a second thread; tells whether all of it is there */
static void *count_on(void *arg)
{
	volatile unsigned long *counter = arg;

	for (;;) {
		(*counter)++;
		usleep(1000);
	}
	return NULL;
}

TARGET(memory)
{
	size_t size = arg ? atoi(arg) << 20 : MEMORY;
	unsigned int *mem = mmap(NULL, size, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	static volatile unsigned long counter;
	unsigned long before;
	pthread_t thread;
	size_t i;

	for (i = 0; i < size / sizeof(*mem); i++)
		mem[i] = word(i);
	pthread_create(&thread, NULL, count_on, (void *)&counter);
	do {
		ready();
		for (i = 0; i < size / sizeof(*mem); i++)
			if (mem[i] != word(i))
				break;
		check(i == size / sizeof(*mem));
		before = counter;
		usleep(100000);
		check(counter > before);
	} while (!verdict());
	return 1;
}

/*
 * Each write goes to two places, a page and its counter, which must agree in the end. Mappings
 * come and go, and some memory is never touched again.
 */
static unsigned int *page_words, *page_counts;
static pthread_mutex_t writer_lock = PTHREAD_MUTEX_INITIALIZER;

#define WORDS	1024		/* of a page */
#define PAGES	(MEMORY / 4096)

static void *write_on(void *arg)
{
	unsigned int n = 1, *mem = NULL;
	size_t i, page;

	for (;;) {
		pthread_mutex_lock(&writer_lock);
		for (i = 0; i < 100; i++) {
			n = n * 1664525 + 1013904223;
			page = (n >> 8) % (PAGES / 2);
			page_words[page * WORDS + n % WORDS]++;
			page_counts[page]++;
		}
		if (mem)
			munmap(mem, 64 << 12);
		mem = mmap(NULL, 64 << 12, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			   -1, 0);
		for (i = 0; i < 64; i++)
			mem[i * WORDS] = n;
		pthread_mutex_unlock(&writer_lock);
		usleep(100);
	}
	return NULL;
}

static bool counts_agree(void)
{
	size_t page, i;
	unsigned int sum;

	for (page = 0; page < PAGES; page++) {
		for (i = 0, sum = 0; i < WORDS; i++)
			sum += page_words[page * WORDS + i];
		if (sum != page_counts[page])
			return false;
	}
	return true;
}

TARGET(written)
{
	pthread_t thread;
	size_t i;

	page_counts = calloc(PAGES, sizeof(*page_counts));
	page_words = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);
	for (i = 0; i < PAGES; i++) {
		page_counts[i] = i;
		page_words[i * WORDS] = i;
	}
	pthread_create(&thread, NULL, write_on, NULL);
	do {
		ready();
		pthread_mutex_lock(&writer_lock);
		check(counts_agree());
		pthread_mutex_unlock(&writer_lock);
	} while (!verdict());
	return 1;
}

TARGET(small)
{
	do {
		ready();
	} while (!verdict());
	return 1;
}

static void handle(int sig)
{
	say("handled");
}

TARGET(handles)
{
	struct sigaction sa = { .sa_handler = handle, .sa_flags = SA_RESTART };

	sigaction(SIGUSR1, &sa, NULL);
	ready();
	return verdict();
}

/* Keeps a real-time signal; each of the @arg that are sent has its number */
TARGET(queues)
{
	const struct timespec none = { };
	siginfo_t info;
	sigset_t set;
	int n = 0;

	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	sigprocmask(SIG_BLOCK, &set, NULL);
	ready();
	while (sigtimedwait(&set, &info, &none) == SIGRTMIN) {
		check(info.si_value.sival_int == n);
		n++;
	}
	check(n == atoi(arg));
	return verdict();
}

/* Has a second thread, which is to get SIGUSR2 for itself */
static pthread_mutex_t second_lock = PTHREAD_MUTEX_INITIALIZER;

static bool takes_usr2(void)
{
	const struct timespec none = { };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	return sigtimedwait(&set, NULL, &none) == SIGUSR2;
}

static void *take_usr2(void *arg)
{
	pthread_mutex_lock(&second_lock);
	check(takes_usr2());
	return NULL;
}

TARGET(second)
{
	pthread_t thread;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	pthread_mutex_lock(&second_lock);
	pthread_create(&thread, NULL, take_usr2, NULL);
	ready();
	check(!takes_usr2());
	pthread_mutex_unlock(&second_lock);
	pthread_join(thread, NULL);
	return verdict();
}

/* Two connected sockets */
static int connect_tcp(int sv[2])
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t len = sizeof(addr);
	int l = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (l < 0 || bind(l, (void *)&addr, len) || listen(l, 1) ||
	    getsockname(l, (void *)&addr, &len))
		return -1;
	sv[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connect(sv[0], (void *)&addr, len))
		return -1;
	sv[1] = accept4(l, NULL, NULL, SOCK_CLOEXEC);
	close(l);
	return sv[1] < 0 ? -1 : 0;
}

static int connect_pair(int sv[2], bool unix_socket)
{
	if (unix_socket)
		return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv);
	return connect_tcp(sv);
}

static struct ghost_tcp_params tcp_params(int fd)
{
	return (struct ghost_tcp_params) { .fd = fd, .timeout_ms = PATIENCE_MS };
}

struct import_thread {
	pthread_t thread;
	struct import_call call;
	struct ghost_tcp_params params;
	int ret;
	int err;
};

static void *run_import(void *arg)
{
	struct import_thread *it = arg;

	it->ret = import_call(&it->call);
	it->err = errno;
	return NULL;
}

static void setup_import(struct import_thread *in)
{
	import_call_init(&in->call);
	in->call.args.backend = GHOST_BACKEND_TCP;
	in->call.args.params = (uintptr_t)&in->params;
	in->call.args.params_size = sizeof(in->params);
}

FIXTURE(migrate)
{
	struct target t, copy;
	struct export_call out;
	struct ghost_tcp_params params;
	struct import_thread in;
	int sv[2];
	int ends[2];
};

FIXTURE_VARIANT(migrate)
{
	bool unix_socket;
	bool by_address;
	int family;
};

FIXTURE_VARIANT_ADD(migrate, tcp) { .family = AF_INET };
FIXTURE_VARIANT_ADD(migrate, unix_socket) { .unix_socket = true };
FIXTURE_VARIANT_ADD(migrate, address) { .by_address = true, .family = AF_INET };
FIXTURE_VARIANT_ADD(migrate, address6) { .by_address = true, .family = AF_INET6 };

static void set_address(struct ghost_tcp_params *p, int family, int port)
{
	struct sockaddr_in *in = (void *)p->addr;
	struct sockaddr_in6 *in6 = (void *)p->addr;

	if (family == AF_INET) {
		in->sin_family = AF_INET;
		in->sin_port = htons(port);
		in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		p->addr_len = sizeof(*in);
	} else {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(port);
		in6->sin6_addr = in6addr_loopback;
		p->addr_len = sizeof(*in6);
	}
}

FIXTURE_SETUP(migrate)
{
	GHOST_NEEDED();
	self->sv[0] = -1;
	self->sv[1] = -1;
	if (!variant->by_address)
		ASSERT_EQ(0, connect_pair(self->sv, variant->unix_socket));
	self->params = tcp_params(self->sv[0]);
	self->in.params = tcp_params(self->sv[1]);
	if (variant->by_address) {
		int port = 20000 + getpid() % 20000;

		set_address(&self->params, variant->family, port);
		set_address(&self->in.params, variant->family, port);
		self->in.params.flags = GHOST_TCP_LISTEN;
	}
	ASSERT_EQ(0, target_start(&self->t, "memory", NULL));
	ASSERT_TRUE(target_says(&self->t, "ready"));
	ASSERT_TRUE(target_sleeps_in(&self->t, 0, __NR_read));
	export_call_init(&self->out, &self->t);
	self->out.args.backend = GHOST_BACKEND_TCP;
	self->out.args.params = (uintptr_t)&self->params;
	self->out.args.params_size = sizeof(self->params);
	setup_import(&self->in);
}

FIXTURE_TEARDOWN(migrate)
{
	target_end(&self->t);
	target_end(&self->copy);
	kill_children();
}

/* The import begins; it listens when this returns, or soon */
static int begin_import(struct import_thread *in, struct target *copy)
{
	int down[2], up[2], i;

	memset(copy, 0, sizeof(*copy));
	copy->pidfd = -1;
	if (pipe2(down, O_CLOEXEC) || pipe2(up, O_CLOEXEC))
		return -1;
	copy->in = down[1];
	copy->out = up[0];
	for (i = 0; i < 3; i++) {
		in->call.map[i].image_fd = i;
		in->call.map[i].fd = i == 0 ? down[0] : i == 1 ? up[1] : 2;
	}
	in->call.args.fd_map = (uintptr_t)in->call.map;
	in->call.args.fd_map_len = 3;
	return pthread_create(&in->thread, NULL, run_import, in);
}

static int end_import(struct import_thread *in, struct target *copy)
{
	pthread_join(in->thread, NULL);
	close(in->call.map[0].fd);
	close(in->call.map[1].fd);
	if (in->ret > 0) {
		copy->pid = in->ret;
		copy->pidfd = pidfd_open_pid(in->ret);
	}
	errno = in->err;
	return in->ret;
}

/* With an address there is nobody to connect to until the import listens */
static int call_export(struct export_call *out)
{
	int64_t end = now_ms() + PATIENCE_MS;
	int ret;

	do {
		ret = export_call(out);
	} while (ret < 0 && errno == ECONNREFUSED && now_ms() < end && !usleep(10000));
	return ret;
}

static bool runs(struct target *t)
{
	return !target_wake(t) && target_says(t, "ok") && target_says(t, "ready");
}

static bool has_ended(struct target *t)
{
	int status;

	return !target_wait(t, &status) && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

TEST_F(migrate, a_process_goes_on_at_the_other_end_and_nowhere_else)
{
	self->out.args.flags = GHOST_EXPORT_KILL;
	ASSERT_EQ(0, begin_import(&self->in, &self->copy));
	ASSERT_EQ(0, call_export(&self->out))
		TH_LOG("%s: %s", strerror(errno), self->out.report);
	ASSERT_LT(0, end_import(&self->in, &self->copy))
		TH_LOG("%s: %s", strerror(errno), self->in.call.report);
	EXPECT_EQ(self->in.ret, self->out.stats.pid);
	EXPECT_TRUE(runs(&self->copy));
	EXPECT_TRUE(has_ended(&self->t));
}

TEST_F(migrate, a_process_is_duplicated_to_the_other_end)
{
	ASSERT_EQ(0, begin_import(&self->in, &self->copy));
	ASSERT_EQ(0, call_export(&self->out))
		TH_LOG("%s: %s", strerror(errno), self->out.report);
	ASSERT_LT(0, end_import(&self->in, &self->copy))
		TH_LOG("%s: %s", strerror(errno), self->in.call.report);
	EXPECT_TRUE(runs(&self->copy));
	EXPECT_TRUE(runs(&self->t));
}

TEST_F(migrate, what_the_destination_cannot_make_stays_at_the_source)
{
	self->out.args.flags = GHOST_EXPORT_KILL;
	/* The process id is taken, by the original */
	self->in.call.args.flags = GHOST_IMPORT_KEEP_PID;
	ASSERT_EQ(0, begin_import(&self->in, &self->copy));
	EXPECT_EQ(-1, call_export(&self->out));
	EXPECT_EQ(EEXIST, errno);
	EXPECT_EQ(0, strncmp(self->out.report, "destination: process: cannot be made", 36))
		TH_LOG("%s", self->out.report);
	EXPECT_EQ(-1, end_import(&self->in, &self->copy));
	EXPECT_EQ(EEXIST, errno);
	EXPECT_TRUE(runs(&self->t));
}

TEST_F(migrate, a_signal_that_waits_for_a_stopped_process_comes_at_the_other_end)
{
	target_end(&self->t);
	ASSERT_EQ(0, target_start(&self->t, "handles", NULL));
	ASSERT_TRUE(target_says(&self->t, "ready"));
	ASSERT_TRUE(target_sleeps_in(&self->t, 0, __NR_read));
	ASSERT_EQ(0, kill(self->t.pid, SIGSTOP));
	ASSERT_TRUE(proc_state_becomes(self->t.pid, 0, 'T'));
	ASSERT_EQ(0, kill(self->t.pid, SIGUSR1));
	self->out.args.pidfd = self->t.pidfd;
	self->out.args.flags = GHOST_EXPORT_KILL;
	ASSERT_EQ(0, begin_import(&self->in, &self->copy));
	ASSERT_EQ(0, call_export(&self->out))
		TH_LOG("%s: %s", strerror(errno), self->out.report);
	ASSERT_LT(0, end_import(&self->in, &self->copy))
		TH_LOG("%s: %s", strerror(errno), self->in.call.report);
	ASSERT_TRUE(proc_state_becomes(self->copy.pid, 0, 'T'));
	EXPECT_EQ(0, kill(self->copy.pid, SIGCONT));
	EXPECT_TRUE(target_says(&self->copy, "handled"));
	EXPECT_EQ(0, target_wake(&self->copy));
	EXPECT_TRUE(target_says(&self->copy, "ok"));
	EXPECT_TRUE(has_ended(&self->t));
}

TEST_F(migrate, memory_goes_ahead_of_a_process_that_writes_to_it)
{
	unsigned int rounds;

	for (rounds = 1; rounds <= 3; rounds++) {
		struct target again;
		int sv[2];

		target_end(&self->t);
		ASSERT_EQ(0, target_start(&self->t, "written", NULL));
		ASSERT_TRUE(target_says(&self->t, "ready"));
		if (!variant->by_address) {
			ASSERT_EQ(0, connect_pair(sv, variant->unix_socket));
			self->params.fd = sv[0];
			self->in.params.fd = sv[1];
		}
		self->out.args.pidfd = self->t.pidfd;
		self->out.args.flags = GHOST_EXPORT_KILL;
		self->out.args.rounds = rounds;
		self->out.args.max_downtime_ms = 1;
		ASSERT_EQ(0, begin_import(&self->in, &again));
		ASSERT_EQ(0, call_export(&self->out))
			TH_LOG("%s: %s", strerror(errno), self->out.report);
		ASSERT_LT(0, end_import(&self->in, &again))
			TH_LOG("%s: %s", strerror(errno), self->in.call.report);
		EXPECT_LE(1, self->out.stats.rounds);
		EXPECT_GE(rounds, self->out.stats.rounds);
		EXPECT_TRUE(runs(&again));
		EXPECT_TRUE(runs(&again));
		EXPECT_TRUE(has_ended(&self->t));
		target_end(&again);
	}
}

TEST_F(migrate, rounds_are_only_for_who_moves)
{
	struct export_call memory;

	self->out.args.rounds = 1;
	EXPECT_EQ(-1, export_call(&self->out));
	EXPECT_EQ(EINVAL, errno);
	export_call_init(&memory, &self->t);
	export_to_memory(&memory);
	memory.args.flags = GHOST_EXPORT_KILL;
	memory.args.rounds = 1;
	EXPECT_EQ(-1, export_call(&memory));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_TRUE(runs(&self->t));
}

TEST_F(migrate, a_process_comes_back)
{
	struct ghost_tcp_params back;
	struct import_thread *in;
	struct target again;
	int sv[2], ret;

	self->out.args.flags = GHOST_EXPORT_KILL;
	ASSERT_EQ(0, begin_import(&self->in, &self->copy));
	ASSERT_EQ(0, call_export(&self->out));
	ASSERT_LT(0, end_import(&self->in, &self->copy));
	/* pthread_create() blocks SIGCHLD for a moment, which could interrupt the import then */
	EXPECT_TRUE(has_ended(&self->t));
	ASSERT_EQ(0, connect_tcp(sv));
	in = calloc(1, sizeof(*in));
	setup_import(in);
	in->params = tcp_params(sv[1]);
	back = tcp_params(sv[0]);
	self->out.args.params = (uintptr_t)&back;
	self->out.args.pidfd = self->copy.pidfd;
	ASSERT_EQ(0, begin_import(in, &again));
	ret = export_call(&self->out);
	ASSERT_LT(0, end_import(in, &again))
		TH_LOG("%s: %s", strerror(errno), in->call.report);
	ASSERT_EQ(0, ret)
		TH_LOG("%s", self->out.report);
	EXPECT_TRUE(runs(&again));
	EXPECT_TRUE(has_ended(&self->copy));
	target_end(&again);
}

static bool read_all(int fd, void *buf, size_t len)
{
	size_t done = 0;
	ssize_t n;

	while (done < len) {
		n = read(fd, buf + done, len - done);
		if (n <= 0)
			return false;
		done += n;
	}
	return true;
}

static bool hear_message(int fd, struct ghost_wire_hdr *hdr, void *buf)
{
	return read_all(fd, hdr, sizeof(*hdr)) && hdr->len <= GHOST_WIRE_MAX_LEN &&
	       read_all(fd, buf, hdr->len);
}

static bool say_all(int fd, const void *buf, size_t len)
{
	size_t done = 0;
	ssize_t n;

	while (done < len) {
		n = send(fd, buf + done, len - done, MSG_NOSIGNAL);
		if (n <= 0)
			return false;
		done += n;
	}
	return true;
}

static void setup_source(struct target *t, struct export_call *out,
			 struct ghost_tcp_params *params)
{
	export_call_init(out, t);
	out->args.flags = GHOST_EXPORT_KILL;
	out->args.backend = GHOST_BACKEND_TCP;
	out->args.params = (uintptr_t)params;
	out->args.params_size = sizeof(*params);
}

/*
 * Both ends are there, but what they say goes through the test, which does something when the
 * copy is ready: the process is held then, and what it gets is not in its image
 */

struct proxy {
	pthread_t there, back;
	int from, to;			/* the source's connection, the destination's */
	void (*when_ready)(struct target *t, void *arg);
	struct target *t;
	void *arg;
};

static void *bring_there(void *arg)
{
	struct proxy *p = arg;
	char buf[65536];
	ssize_t n;

	while ((n = read(p->from, buf, sizeof(buf))) > 0)
		if (!say_all(p->to, buf, n))
			break;
	shutdown(p->to, SHUT_WR);
	return NULL;
}

static void *bring_back(void *arg)
{
	struct proxy *p = arg;
	struct {
		struct ghost_wire_hdr hdr;
		char payload[GHOST_WIRE_MAX_LEN];
	} m;

	while (hear_message(p->to, &m.hdr, m.payload)) {
		if (m.hdr.type == GHOST_WIRE_READY)
			p->when_ready(p->t, p->arg);
		if (!say_all(p->from, &m, sizeof(m.hdr) + m.hdr.len))
			break;
	}
	shutdown(p->from, SHUT_WR);
	return NULL;
}

FIXTURE(late)
{
	struct target t, copy;
	struct export_call out;
	struct ghost_tcp_params params;
	struct import_thread in;
	struct proxy proxy;
	int source[2], destination[2];
};

FIXTURE_SETUP(late)
{
	GHOST_NEEDED();
	ASSERT_EQ(0, connect_tcp(self->source));
	ASSERT_EQ(0, connect_tcp(self->destination));
	self->params = tcp_params(self->source[0]);
	self->in.params = tcp_params(self->destination[1]);
	setup_import(&self->in);
	self->proxy.from = self->source[1];
	self->proxy.to = self->destination[0];
	self->proxy.t = &self->t;
}

FIXTURE_TEARDOWN(late)
{
	target_end(&self->t);
	target_end(&self->copy);
	kill_children();
}

static bool start_late(FIXTURE_DATA(late) *self, const char *name, const char *arg)
{
	const struct target_options o = { .arg = arg };

	return !target_start(&self->t, name, &o) && target_says(&self->t, "ready") &&
	       target_sleeps_in(&self->t, 0, __NR_read);
}

/* Returns what the export did; the import is over as well */
static int move_late(FIXTURE_DATA(late) *self, void (*when_ready)(struct target *t, void *arg),
		     void *arg)
{
	int ret;

	self->proxy.when_ready = when_ready;
	self->proxy.arg = arg;
	setup_source(&self->t, &self->out, &self->params);
	pthread_create(&self->proxy.there, NULL, bring_there, &self->proxy);
	pthread_create(&self->proxy.back, NULL, bring_back, &self->proxy);
	if (begin_import(&self->in, &self->copy))
		return -EINVAL;
	ret = export_call(&self->out) ? -errno : 0;
	end_import(&self->in, &self->copy);
	shutdown(self->source[0], SHUT_RDWR);
	shutdown(self->destination[1], SHUT_RDWR);
	pthread_join(self->proxy.there, NULL);
	pthread_join(self->proxy.back, NULL);
	return ret;
}

static void send_signal(struct target *t, void *arg)
{
	kill(t->pid, *(int *)arg);
}

static void send_to_second(struct target *t, void *arg)
{
	char path[64];
	struct dirent *d;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", t->pid);
	dir = opendir(path);
	while (dir && (d = readdir(dir)))
		if (atoi(d->d_name) > 0 && atoi(d->d_name) != t->pid)
			syscall(SYS_tgkill, t->pid, atoi(d->d_name), SIGUSR2);
	if (dir)
		closedir(dir);
}

static void send_usr1_and_term(struct target *t, void *arg)
{
	kill(t->pid, SIGUSR1);
	kill(t->pid, SIGTERM);
}

/* The tracer is a thread that soon ends */
static void trace(struct target *t, void *arg)
{
	*(long *)arg = ptrace(PTRACE_SEIZE, t->pid, NULL, NULL);
}

static void queue_numbers(struct target *t, int from, int to)
{
	while (from < to)
		sigqueue(t->pid, SIGRTMIN, (union sigval) { .sival_int = from++ });
}

static void queue_from_2(struct target *t, void *arg)
{
	queue_numbers(t, 2, *(int *)arg);
}

TEST_F(late, signal_comes_at_the_other_end)
{
	int sig = SIGUSR1;

	ASSERT_TRUE(start_late(self, "handles", NULL));
	ASSERT_EQ(0, move_late(self, send_signal, &sig)) TH_LOG("%s", self->out.report);
	ASSERT_LT(0, self->in.ret) TH_LOG("%s", self->in.call.report);
	EXPECT_TRUE(target_says(&self->copy, "handled"));
	EXPECT_EQ(0, target_wake(&self->copy));
	EXPECT_TRUE(target_says(&self->copy, "ok"));
	EXPECT_TRUE(has_ended(&self->t));
}

TEST_F(late, signal_for_a_thread_comes_to_its_copy)
{
	ASSERT_TRUE(start_late(self, "second", NULL));
	ASSERT_EQ(0, move_late(self, send_to_second, NULL)) TH_LOG("%s", self->out.report);
	ASSERT_LT(0, self->in.ret) TH_LOG("%s", self->in.call.report);
	EXPECT_EQ(0, target_wake(&self->copy));
	EXPECT_TRUE(target_says(&self->copy, "ok"));
	EXPECT_TRUE(has_ended(&self->t));
}

TEST_F(late, signals_stand_behind_those_of_the_image)
{
	int n = 5;

	ASSERT_TRUE(start_late(self, "queues", "5"));
	queue_numbers(&self->t, 0, 2);
	ASSERT_EQ(0, move_late(self, queue_from_2, &n)) TH_LOG("%s", self->out.report);
	ASSERT_LT(0, self->in.ret) TH_LOG("%s", self->in.call.report);
	EXPECT_EQ(0, target_wake(&self->copy));
	EXPECT_TRUE(target_says(&self->copy, "ok"));
	EXPECT_TRUE(has_ended(&self->t));
}

TEST_F(late, signals_that_are_too_many_leave_the_process_here_with_all_of_them)
{
	int n = 2 + GHOST_WIRE_MAX_SIGNALS + 1;
	char all[16];

	snprintf(all, sizeof(all), "%d", n);
	ASSERT_TRUE(start_late(self, "queues", all));
	queue_numbers(&self->t, 0, 2);
	EXPECT_EQ(-EAGAIN, move_late(self, queue_from_2, &n));
	EXPECT_NE(NULL, strstr(self->out.report, "29 signals have come"))
		TH_LOG("%s", self->out.report);
	EXPECT_GT(0, self->in.ret);
	EXPECT_EQ(0, target_wake(&self->t));
	EXPECT_TRUE(target_says(&self->t, "ok"));
}

TEST_F(late, signal_stops_the_copy)
{
	int sig = SIGSTOP;

	ASSERT_TRUE(start_late(self, "small", NULL));
	ASSERT_EQ(0, move_late(self, send_signal, &sig)) TH_LOG("%s", self->out.report);
	ASSERT_LT(0, self->in.ret) TH_LOG("%s", self->in.call.report);
	ASSERT_TRUE(proc_state_becomes(self->copy.pid, 0, 'T'));
	EXPECT_EQ(0, kill(self->copy.pid, SIGCONT));
	EXPECT_TRUE(runs(&self->copy));
	EXPECT_TRUE(has_ended(&self->t));
}

TEST_F(late, signal_for_a_stopped_process_waits_with_it)
{
	int sig = SIGUSR1;

	ASSERT_TRUE(start_late(self, "handles", NULL));
	ASSERT_EQ(0, kill(self->t.pid, SIGSTOP));
	ASSERT_TRUE(proc_state_becomes(self->t.pid, 0, 'T'));
	ASSERT_EQ(0, move_late(self, send_signal, &sig)) TH_LOG("%s", self->out.report);
	ASSERT_LT(0, self->in.ret) TH_LOG("%s", self->in.call.report);
	ASSERT_TRUE(proc_state_becomes(self->copy.pid, 0, 'T'));
	EXPECT_TRUE(target_is_silent(&self->copy, 100));
	EXPECT_EQ(0, kill(self->copy.pid, SIGCONT));
	EXPECT_TRUE(target_says(&self->copy, "handled"));
	EXPECT_TRUE(has_ended(&self->t));
}

TEST_F(late, signal_that_ends_a_stopped_process_ends_the_copy_when_it_is_continued)
{
	int sig = SIGTERM, status;

	ASSERT_TRUE(start_late(self, "small", NULL));
	ASSERT_EQ(0, kill(self->t.pid, SIGSTOP));
	ASSERT_TRUE(proc_state_becomes(self->t.pid, 0, 'T'));
	ASSERT_EQ(0, move_late(self, send_signal, &sig)) TH_LOG("%s", self->out.report);
	ASSERT_LT(0, self->in.ret) TH_LOG("%s", self->in.call.report);
	ASSERT_TRUE(proc_state_becomes(self->copy.pid, 0, 'T'));
	EXPECT_EQ(0, kill(self->copy.pid, SIGCONT));
	ASSERT_EQ(0, target_wait(&self->copy, &status));
	EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
	EXPECT_TRUE(has_ended(&self->t));
}

TEST_F(late, signals_end_the_copy_if_they_did_not_end_the_process_at_once)
{
	int status, ret;

	ASSERT_TRUE(start_late(self, "handles", NULL));
	ret = move_late(self, send_usr1_and_term, NULL);
	/* On another machine the second one may find a thread that it can end */
	if (ret == -ESRCH) {
		EXPECT_GT(0, self->in.ret);
	} else {
		ASSERT_EQ(0, ret) TH_LOG("%s", self->out.report);
		ASSERT_LT(0, self->in.ret) TH_LOG("%s", self->in.call.report);
		ASSERT_EQ(0, target_wait(&self->copy, &status));
		EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
	}
	ASSERT_EQ(0, target_wait(&self->t, &status));
}

TEST_F(late, signal_with_a_core_dump_ends_the_copy)
{
	int sig = SIGQUIT, status;

	ASSERT_TRUE(start_late(self, "small", NULL));
	ASSERT_EQ(0, move_late(self, send_signal, &sig)) TH_LOG("%s", self->out.report);
	ASSERT_LT(0, self->in.ret) TH_LOG("%s", self->in.call.report);
	ASSERT_EQ(0, target_wait(&self->copy, &status));
	EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGQUIT);
	EXPECT_TRUE(has_ended(&self->t));
}

TEST_F(late, death_of_a_stopped_process_is_no_continuation)
{
	int sig = SIGKILL;

	ASSERT_TRUE(start_late(self, "small", NULL));
	ASSERT_EQ(0, kill(self->t.pid, SIGSTOP));
	ASSERT_TRUE(proc_state_becomes(self->t.pid, 0, 'T'));
	EXPECT_EQ(-ESRCH, move_late(self, send_signal, &sig));
	EXPECT_GT(0, self->in.ret);
	EXPECT_TRUE(has_ended(&self->t));
}

TEST_F(late, continuation_of_a_stopped_process_leaves_it_here)
{
	int sig = SIGCONT;

	ASSERT_TRUE(start_late(self, "small", NULL));
	ASSERT_EQ(0, kill(self->t.pid, SIGSTOP));
	ASSERT_TRUE(proc_state_becomes(self->t.pid, 0, 'T'));
	EXPECT_EQ(-EAGAIN, move_late(self, send_signal, &sig));
	EXPECT_NE(NULL, strstr(self->out.report, "continued meanwhile"))
		TH_LOG("%s", self->out.report);
	EXPECT_GT(0, self->in.ret);
	EXPECT_TRUE(runs(&self->t));
}

TEST_F(late, tracer_leaves_the_process_here)
{
	long seized = -1;

	ASSERT_TRUE(start_late(self, "small", NULL));
	EXPECT_EQ(-EBUSY, move_late(self, trace, &seized));
	EXPECT_EQ(0, seized);
	EXPECT_NE(NULL, strstr(self->out.report, "is being traced"))
		TH_LOG("%s", self->out.report);
	EXPECT_GT(0, self->in.ret);
	EXPECT_TRUE(runs(&self->t));
}

TEST_F(late, signal_that_ends_the_process_ends_it_here_and_there_is_no_copy)
{
	int sig = SIGTERM, status;

	ASSERT_TRUE(start_late(self, "small", NULL));
	EXPECT_EQ(-ESRCH, move_late(self, send_signal, &sig));
	EXPECT_GT(0, self->in.ret);
	ASSERT_EQ(0, target_wait(&self->t, &status));
	EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
}

/*
 * The other end is played by the test
 */

/* What it does when, and what the export has to say then */
struct play {
	pthread_t thread;
	int fd;
	bool cut;			/* close the connection after the last one */
	const void *say[4];		/* after HELLO, END, GO */
	size_t len[4];
	size_t image;			/* of that many bytes of the image close it */
	bool silent;			/* after HELLO */
	int heard;			/* messages of the source */
};

/* Read an image, as far as END which stands behind it */
static bool hear_image(int fd, size_t max)
{
	struct ghost_image_hdr hdr;
	struct ghost_rec_hdr rec;
	static char buf[8 << 20];
	size_t sum = sizeof(hdr);

	if (!read_all(fd, &hdr, sizeof(hdr)))
		return false;
	do {
		if (max && sum >= max)
			return false;
		if (!read_all(fd, &rec, sizeof(rec)) || rec.len > sizeof(buf) ||
		    !read_all(fd, buf, rec.len))
			return false;
		sum += sizeof(rec) + rec.len;
	} while (rec.kind != GHOST_REC_END);
	return true;
}

static void *play_destination(void *arg)
{
	struct play *play = arg;
	struct ghost_wire_hdr hdr;
	char buf[GHOST_WIRE_MAX_LEN];
	int i;

	for (i = 0; i < 3; i++) {
		if (i == 1 && !hear_image(play->fd, play->image))
			break;
		if (!hear_message(play->fd, &hdr, buf))
			break;
		play->heard++;
		if (!play->len[i])
			break;
		if (write(play->fd, play->say[i], play->len[i]) != (ssize_t)play->len[i])
			break;
	}
	if (!play->silent) {
		close(play->fd);
		play->fd = -1;
	}
	return NULL;
}

#define MESSAGE(_name, _type, ...)						\
	static const struct {							\
		struct ghost_wire_hdr hdr;					\
		__u32 payload[sizeof((__u32[]) { __VA_ARGS__ }) / 4];		\
	} _name = {								\
		.hdr.type = _type,						\
		.hdr.len = sizeof((__u32[]) { __VA_ARGS__ }),			\
		.payload = { __VA_ARGS__ },					\
	}

MESSAGE(accept_msg, GHOST_WIRE_ACCEPT, GHOST_WIRE_VERSION, 0);
MESSAGE(accept_other, GHOST_WIRE_ACCEPT, GHOST_WIRE_VERSION + 1, 0);
MESSAGE(failed_msg, GHOST_WIRE_FAILED, ENOMEM, 0, 0x0a796857 /* "Why\n" */);
MESSAGE(failed_doubt, GHOST_WIRE_FAILED, EINPROGRESS, 0);
MESSAGE(failed_short, GHOST_WIRE_FAILED, 1);
MESSAGE(done_msg, GHOST_WIRE_DONE, 4711, 0);
MESSAGE(done_short, GHOST_WIRE_DONE, 4711);
MESSAGE(ready_longer, GHOST_WIRE_READY, 1, 2, 3);
static const struct ghost_wire_hdr ready_msg = { .type = GHOST_WIRE_READY };
static const struct ghost_wire_hdr too_long = { .type = GHOST_WIRE_ACCEPT, .len = 4097 };
static const struct ghost_wire_hdr huge = { .type = GHOST_WIRE_ACCEPT, .len = 0xffffffff };
static const struct ghost_wire_hdr unknown = { .type = 99 };

#define SAYS(_n, _msg)	.say[_n] = &(_msg), .len[_n] = sizeof(_msg)

FIXTURE(source)
{
	struct target t;
	struct export_call out;
	struct ghost_tcp_params params;
	struct play play;
	int sv[2];
};

FIXTURE_SETUP(source)
{
	const struct target_options two_mb = { .arg = "2" };
	int buffer = 65536;

	GHOST_NEEDED();
	ASSERT_EQ(0, connect_tcp(self->sv));
	/* What nobody reads is not sent: the image must not fit */
	ASSERT_EQ(0, setsockopt(self->sv[0], SOL_SOCKET, SO_SNDBUF, &buffer, sizeof(buffer)));
	ASSERT_EQ(0, setsockopt(self->sv[1], SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer)));
	self->params = tcp_params(self->sv[0]);
	ASSERT_EQ(0, target_start(&self->t, "memory", &two_mb));
	ASSERT_TRUE(target_says(&self->t, "ready"));
	setup_source(&self->t, &self->out, &self->params);
}

FIXTURE_TEARDOWN(source)
{
	target_end(&self->t);
	kill_children();
}

static int export_to(struct export_call *out, struct play *play)
{
	int ret, err;

	pthread_create(&play->thread, NULL, play_destination, play);
	ret = export_call(out);
	err = errno;
	pthread_join(play->thread, NULL);
	errno = err;
	return ret;
}

#define EXPECT_FAILS(_err, _text, ...) do {					\
	struct play _play = { .fd = self->sv[1], __VA_ARGS__ };			\
										\
	EXPECT_EQ(-1, export_to(&self->out, &_play));				\
	EXPECT_EQ(_err, errno) TH_LOG("%s", self->out.report);			\
	EXPECT_NE(NULL, strstr(self->out.report, _text))			\
		TH_LOG("%s", self->out.report);					\
} while (0)

/* Names are sentences: before GO, whatever the destination does */
#define RUNS_ON(_name, _err, _text, ...)					\
	TEST_F(source, _name)							\
	{									\
		EXPECT_FAILS(_err, _text, __VA_ARGS__);				\
		EXPECT_TRUE(runs(&self->t));					\
	}

RUNS_ON(runs_on_if_the_destination_hangs_up_at_once, ECONNRESET,
	"destination: connection closed", .cut = true)
RUNS_ON(runs_on_if_the_destination_hangs_up_before_the_image, ECONNRESET,
	"destination: connection closed", SAYS(0, accept_msg), .image = 1)
RUNS_ON(runs_on_if_the_destination_hangs_up_in_the_image, ECONNRESET,
	"destination: connection closed", SAYS(0, accept_msg), .image = 1 << 20)
RUNS_ON(runs_on_if_the_destination_hangs_up_before_it_is_ready, ECONNRESET,
	"destination: connection closed", SAYS(0, accept_msg))
RUNS_ON(runs_on_if_the_destination_is_not_willing, ENOMEM, "destination: Why?",
	SAYS(0, failed_msg))
RUNS_ON(runs_on_if_the_destination_cannot_build_it, ENOMEM, "destination: Why?",
	SAYS(0, accept_msg), SAYS(1, failed_msg))
RUNS_ON(runs_on_if_the_destination_fails_after_go_and_says_so, ENOMEM, "destination: Why?",
	SAYS(0, accept_msg), SAYS(1, ready_msg), SAYS(2, failed_msg))
RUNS_ON(runs_on_if_the_destination_says_that_it_does_not_know, EREMOTEIO, "destination: ",
	SAYS(0, accept_msg), SAYS(1, ready_msg), SAYS(2, failed_doubt))
RUNS_ON(runs_on_if_the_destination_speaks_another_version, EPROTO, "version 2, not 1",
	SAYS(0, accept_other))
RUNS_ON(runs_on_if_the_destination_is_ready_too_soon, EPROTO, "message 5",
	SAYS(0, ready_msg))
RUNS_ON(runs_on_if_the_destination_is_done_too_soon, EPROTO, "message 7",
	SAYS(0, accept_msg), SAYS(1, done_msg))
RUNS_ON(runs_on_if_the_destination_says_something_unknown, EPROTO, "message 99",
	SAYS(0, unknown))
RUNS_ON(runs_on_if_the_destination_says_too_much, EPROTO, "message of 4097 bytes",
	SAYS(0, too_long))
RUNS_ON(runs_on_if_the_destination_says_far_too_much, EPROTO, "message of 4294967295 bytes",
	SAYS(0, huge))
RUNS_ON(runs_on_if_the_destination_fails_with_too_few_words, EPROTO, "message 3 of 4 bytes",
	SAYS(0, failed_short))

TEST_F(source, runs_on_if_the_destination_falls_silent)
{
	self->params.timeout_ms = 300;
	EXPECT_FAILS(ETIMEDOUT, "destination: does not answer", .silent = true);
	EXPECT_TRUE(runs(&self->t));
}

TEST_F(source, runs_on_if_nobody_reads_the_image)
{
	self->params.timeout_ms = 300;
	EXPECT_FAILS(ETIMEDOUT, "destination: does not answer", SAYS(0, accept_msg),
		     .silent = true, .image = 1);
	EXPECT_TRUE(runs(&self->t));
}

TEST_F(source, has_ended_when_the_destination_is_done)
{
	struct play play = {
		.fd = self->sv[1], SAYS(0, accept_msg), SAYS(1, ready_longer), SAYS(2, done_msg),
	};

	EXPECT_EQ(0, export_to(&self->out, &play))
		TH_LOG("%s: %s", strerror(errno), self->out.report);
	EXPECT_EQ(4711, self->out.stats.pid);
	EXPECT_TRUE(has_ended(&self->t));
}

static int resume(struct target *t)
{
	struct ghost_export_args args = { .flags = GHOST_EXPORT_RESUME, .pidfd = t->pidfd };

	return ghost_export(&args, sizeof(args));
}

/* Whether the copy runs is not known: the original does neither run nor end */
#define EXPECT_HELD(...) do {							\
	EXPECT_FAILS(EINPROGRESS, "destination: ", SAYS(0, accept_msg),		\
		     SAYS(1, ready_msg), __VA_ARGS__);				\
	target_wake(&self->t);							\
	EXPECT_TRUE(target_is_silent(&self->t, 300));				\
} while (0)

TEST_F(source, is_held_if_it_is_not_known_whether_the_copy_runs_and_can_be_resumed)
{
	EXPECT_HELD(.cut = true);
	EXPECT_EQ(0, resume(&self->t));
	EXPECT_TRUE(target_says(&self->t, "ok"));
	EXPECT_TRUE(target_says(&self->t, "ready"));
	EXPECT_TRUE(runs(&self->t));
	EXPECT_EQ(-1, resume(&self->t));
	EXPECT_EQ(EINVAL, errno);
}

TEST_F(source, is_held_if_the_destination_is_done_with_too_few_words)
{
	EXPECT_HELD(SAYS(2, done_short));
	EXPECT_EQ(0, resume(&self->t));
	EXPECT_TRUE(target_says(&self->t, "ok"));
}

TEST_F(source, is_held_if_the_destination_falls_silent_after_go)
{
	self->params.timeout_ms = 300;
	EXPECT_HELD(.silent = true);
	EXPECT_EQ(0, resume(&self->t));
	EXPECT_TRUE(target_says(&self->t, "ok"));
}

TEST_F(source, can_be_killed_while_it_is_held)
{
	EXPECT_HELD(.cut = true);
	EXPECT_EQ(0, kill(self->t.pid, SIGKILL));
	EXPECT_TRUE(has_ended(&self->t));
}

TEST_F(source, is_not_exported_while_it_is_held)
{
	struct export_call check;

	EXPECT_HELD(.cut = true);
	export_call_init(&check, &self->t);
	check.args.flags = GHOST_EXPORT_CHECK;
	EXPECT_EQ(-1, export_call(&check));
	EXPECT_NE(NULL, strstr(check.report, "process: is held")) TH_LOG("%s", check.report);
	export_call_init(&check, &self->t);
	export_to_memory(&check);
	EXPECT_EQ(-1, export_call(&check));
	EXPECT_EQ(EBUSY, errno);
	EXPECT_EQ(0, resume(&self->t));
	EXPECT_EQ(0, export_call(&check)) TH_LOG("%s", check.report);
	EXPECT_TRUE(target_says(&self->t, "ok"));
}

TEST_F(source, that_was_stopped_is_held_and_stays_stopped)
{
	EXPECT_EQ(0, kill(self->t.pid, SIGSTOP));
	EXPECT_TRUE(proc_state_becomes(self->t.pid, 0, 'T'));
	EXPECT_HELD(.cut = true);
	EXPECT_EQ(0, kill(self->t.pid, SIGCONT));
	EXPECT_TRUE(target_is_silent(&self->t, 300));
	EXPECT_EQ(0, resume(&self->t));
	EXPECT_TRUE(target_says(&self->t, "ok"));
	EXPECT_TRUE(target_says(&self->t, "ready"));
	EXPECT_TRUE(runs(&self->t));
}

TEST_F(source, that_was_duplicated_runs_on_even_if_nobody_knows_of_the_copy)
{
	self->out.args.flags = 0;
	EXPECT_FAILS(EINPROGRESS, "destination: ", SAYS(0, accept_msg), SAYS(1, ready_msg));
	EXPECT_TRUE(runs(&self->t));
	EXPECT_EQ(-1, resume(&self->t));
}

static void nothing(int sig)
{
}

TEST_F(source, runs_on_if_the_caller_gets_a_signal_before_go)
{
	struct sigaction sa = { .sa_handler = nothing };
	struct itimerval in = { .it_value.tv_usec = 300000 };

	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &in, NULL);
	EXPECT_FAILS(EINTR, "", .silent = true);
	EXPECT_TRUE(runs(&self->t));
}

TEST_F(source, that_is_killed_meanwhile_does_not_live_on_elsewhere)
{
	struct play play = {
		.fd = self->sv[1], SAYS(0, accept_msg), .silent = true,
	};
	struct ghost_wire_hdr hdr;
	char buf[GHOST_WIRE_MAX_LEN];
	pid_t pid = fork();

	ASSERT_LE(0, pid);
	if (!pid) {
		close(self->sv[1]);
		_exit(!export_call(&self->out) || errno != ESRCH);
	}
	close(self->sv[0]);
	play_destination(&play);
	ASSERT_EQ(2, play.heard);
	EXPECT_EQ(0, kill(self->t.pid, SIGKILL));
	EXPECT_TRUE(has_ended(&self->t));
	EXPECT_EQ(sizeof(ready_msg), write(self->sv[1], &ready_msg, sizeof(ready_msg)));
	EXPECT_FALSE(hear_message(self->sv[1], &hdr, buf));
	EXPECT_EQ(pid, waitpid(pid, &play.heard, 0));
	EXPECT_EQ(0, play.heard);
}

/*
 * The source is played by the test
 */

FIXTURE(destination)
{
	struct target t, copy;
	struct image img;
	struct import_thread in;
	void *bytes;
	size_t size;
	int sv[2];
	struct {
		struct ghost_wire_hdr hdr;
		struct ghost_wire_hello hello;
		char machine[GHOST_WIRE_MAX_LEN];
	} hello;
};

/* What a kernel says to begin with; it is not for us to make it up */
static void *learn_hello(void *arg)
{
	struct play *play = arg;
	void *hello = (void *)play->say[0];

	if (!hear_message(play->fd, hello, hello + sizeof(struct ghost_wire_hdr)))
		memset(hello, 0, sizeof(struct ghost_wire_hdr));
	close(play->fd);
	return NULL;
}

FIXTURE_SETUP(destination)
{
	const struct target_options two_mb = { .arg = "2" };
	struct play play = { .say[0] = &self->hello };
	struct ghost_tcp_params params;
	struct export_call out;

	GHOST_NEEDED();
	ASSERT_EQ(0, target_start(&self->t, "memory", &two_mb));
	ASSERT_TRUE(target_says(&self->t, "ready"));
	ASSERT_EQ(NULL, image_open(&self->img, STORE_PIPE));
	ASSERT_EXPORTED(&self->t, &self->img, 0);
	self->bytes = image_bytes(&self->img, &self->size);
	ASSERT_NE(NULL, self->bytes);

	ASSERT_EQ(0, connect_tcp(self->sv));
	params = tcp_params(self->sv[0]);
	setup_source(&self->t, &out, &params);
	play.fd = self->sv[1];
	pthread_create(&play.thread, NULL, learn_hello, &play);
	ASSERT_EQ(-1, export_call(&out));
	pthread_join(play.thread, NULL);
	close(self->sv[0]);
	ASSERT_LT(sizeof(struct ghost_wire_hello), self->hello.hdr.len);

	ASSERT_EQ(0, connect_tcp(self->sv));
	self->in.params = tcp_params(self->sv[1]);
	setup_import(&self->in);
}

FIXTURE_TEARDOWN(destination)
{
	target_end(&self->t);
	target_end(&self->copy);
	free(self->bytes);
	image_close(&self->img);
	kill_children();
}

static bool say_type(int fd, __u32 type)
{
	struct ghost_wire_hdr hdr = { .type = type };

	return say_all(fd, &hdr, sizeof(hdr));
}

static __u32 hear_type(int fd)
{
	struct ghost_wire_hdr hdr;
	char buf[GHOST_WIRE_MAX_LEN];

	return hear_message(fd, &hdr, buf) ? hdr.type : 0;
}

/* Nothing of the import is left: it has no child but the target */
static bool no_child(struct target *t)
{
	char path[64], text[4096];
	int n;

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", gettid());
	n = read_text(path, text, sizeof(text));
	return n > 0 && atoi(text) == t->pid && !strchr(strchrnul(text, ' ') + 1, ' ');
}

#define SAY_HELLO()	ASSERT_TRUE(say_all(self->sv[0], &self->hello,		\
					    sizeof(self->hello.hdr) + self->hello.hdr.len))
#define EXPECT_IMPORT_FAILS(_err, _text) do {					\
	EXPECT_EQ(-1, end_import(&self->in, &self->copy));			\
	EXPECT_EQ(_err, errno) TH_LOG("%s", self->in.call.report);		\
	EXPECT_NE(NULL, strstr(self->in.call.report, _text))			\
		TH_LOG("%s", self->in.call.report);				\
	EXPECT_TRUE(no_child(&self->t));					\
} while (0)

TEST_F(destination, makes_a_process_when_all_is_said)
{
	ASSERT_EQ(0, begin_import(&self->in, &self->copy));
	SAY_HELLO();
	ASSERT_EQ(GHOST_WIRE_ACCEPT, hear_type(self->sv[0]));
	ASSERT_TRUE(say_all(self->sv[0], self->bytes, self->size));
	ASSERT_TRUE(say_type(self->sv[0], GHOST_WIRE_END));
	ASSERT_EQ(GHOST_WIRE_READY, hear_type(self->sv[0]));
	EXPECT_TRUE(target_is_silent(&self->copy, 300));
	ASSERT_TRUE(say_type(self->sv[0], GHOST_WIRE_GO));
	ASSERT_EQ(GHOST_WIRE_DONE, hear_type(self->sv[0]));
	ASSERT_LT(0, end_import(&self->in, &self->copy));
	EXPECT_TRUE(runs(&self->copy));
}

/* All is said as it should be, but what comes with GO */
#define SAY_GO_WITH(_signal, _len) do {						\
	struct ghost_wire_hdr _go = { .type = GHOST_WIRE_GO, .len = _len };	\
										\
	ASSERT_EQ(0, begin_import(&self->in, &self->copy));			\
	SAY_HELLO();								\
	ASSERT_EQ(GHOST_WIRE_ACCEPT, hear_type(self->sv[0]));			\
	ASSERT_TRUE(say_all(self->sv[0], self->bytes, self->size));		\
	ASSERT_TRUE(say_type(self->sv[0], GHOST_WIRE_END));			\
	ASSERT_EQ(GHOST_WIRE_READY, hear_type(self->sv[0]));			\
	ASSERT_TRUE(say_all(self->sv[0], &_go, sizeof(_go)) &&			\
		    say_all(self->sv[0], _signal, _len));			\
} while (0)

/* Names are sentences, as below */
#define LATE_SIGNAL_IS_REFUSED(_name, _err, _text, _len, ...)			\
	TEST_F(destination, _name)						\
	{									\
		const struct ghost_wire_signal _signal[2] = { { __VA_ARGS__ } };	\
										\
		SAY_GO_WITH(_signal, _len);					\
		EXPECT_EQ(GHOST_WIRE_FAILED, hear_type(self->sv[0]));		\
		close(self->sv[0]);						\
		EXPECT_IMPORT_FAILS(_err, _text);				\
	}

#define ONE_SIGNAL	sizeof(struct ghost_wire_signal)

LATE_SIGNAL_IS_REFUSED(takes_no_part_of_a_late_signal, EPROTO, "signals of 100 bytes", 100,
		       .signal = { .signo = SIGUSR1, .flags = GHOST_SIGINFO_NONE })
LATE_SIGNAL_IS_REFUSED(is_not_killed_by_a_late_signal, EBADMSG, "pending signal", ONE_SIGNAL,
		       .signal = { .signo = SIGKILL, .flags = GHOST_SIGINFO_NONE })
LATE_SIGNAL_IS_REFUSED(knows_no_late_signal_0, EBADMSG, "pending signal", 2 * ONE_SIGNAL,
		       .signal = { .signo = SIGURG, .flags = GHOST_SIGINFO_NONE })
LATE_SIGNAL_IS_REFUSED(knows_no_late_signal_65, EBADMSG, "pending signal", ONE_SIGNAL,
		       .signal = { .signo = 65, .flags = GHOST_SIGINFO_NONE })
LATE_SIGNAL_IS_REFUSED(knows_no_such_thread, EBADMSG, "thread 4194303: no such thread", ONE_SIGNAL,
		       .tid = 4194303,
		       .signal = { .signo = SIGURG, .flags = GHOST_SIGINFO_NONE })
LATE_SIGNAL_IS_REFUSED(wants_a_late_signal_to_say_the_same_twice, EBADMSG, "pending signal 23",
		       ONE_SIGNAL, .signal = { .signo = SIGURG })

TEST_F(destination, makes_a_process_that_a_late_signal_ends)
{
	const struct ghost_wire_signal sig = {
		.tid = self->t.pid,
		.signal = { .signo = SIGTERM, .flags = GHOST_SIGINFO_NONE },
	};
	int status;

	SAY_GO_WITH(&sig, ONE_SIGNAL);
	ASSERT_EQ(GHOST_WIRE_DONE, hear_type(self->sv[0]));
	ASSERT_LT(0, end_import(&self->in, &self->copy));
	ASSERT_EQ(0, target_wait(&self->copy, &status));
	EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
}

TEST_F(destination, has_nothing_left_if_the_source_hangs_up_at_once)
{
	ASSERT_EQ(0, begin_import(&self->in, &self->copy));
	close(self->sv[0]);
	EXPECT_IMPORT_FAILS(ECONNRESET, "source: connection closed");
}

TEST_F(destination, has_nothing_left_if_the_source_hangs_up_in_the_image)
{
	ASSERT_EQ(0, begin_import(&self->in, &self->copy));
	SAY_HELLO();
	ASSERT_EQ(GHOST_WIRE_ACCEPT, hear_type(self->sv[0]));
	ASSERT_TRUE(say_all(self->sv[0], self->bytes, self->size / 2));
	close(self->sv[0]);
	EXPECT_IMPORT_FAILS(ECONNRESET, "source: connection closed");
}

TEST_F(destination, has_nothing_left_if_the_source_hangs_up_before_go)
{
	ASSERT_EQ(0, begin_import(&self->in, &self->copy));
	SAY_HELLO();
	ASSERT_EQ(GHOST_WIRE_ACCEPT, hear_type(self->sv[0]));
	ASSERT_TRUE(say_all(self->sv[0], self->bytes, self->size));
	ASSERT_TRUE(say_type(self->sv[0], GHOST_WIRE_END));
	ASSERT_EQ(GHOST_WIRE_READY, hear_type(self->sv[0]));
	close(self->sv[0]);
	EXPECT_IMPORT_FAILS(ECONNRESET, "source: connection closed");
}

TEST_F(destination, has_nothing_left_if_the_source_falls_silent_before_go)
{
	self->in.params.timeout_ms = 300;
	ASSERT_EQ(0, begin_import(&self->in, &self->copy));
	SAY_HELLO();
	ASSERT_EQ(GHOST_WIRE_ACCEPT, hear_type(self->sv[0]));
	ASSERT_TRUE(say_all(self->sv[0], self->bytes, self->size));
	ASSERT_TRUE(say_type(self->sv[0], GHOST_WIRE_END));
	ASSERT_EQ(GHOST_WIRE_READY, hear_type(self->sv[0]));
	EXPECT_EQ(GHOST_WIRE_FAILED, hear_type(self->sv[0]));
	close(self->sv[0]);
	EXPECT_IMPORT_FAILS(ETIMEDOUT, "source: does not answer");
}

TEST_F(destination, tells_the_source_why_an_image_is_damaged)
{
	struct ghost_wire_hdr hdr;
	char buf[GHOST_WIRE_MAX_LEN + 1] = "";

	((char *)self->bytes)[200] ^= 1;
	ASSERT_EQ(0, begin_import(&self->in, &self->copy));
	SAY_HELLO();
	ASSERT_EQ(GHOST_WIRE_ACCEPT, hear_type(self->sv[0]));
	/* It may not want to hear all of it */
	say_all(self->sv[0], self->bytes, self->size);
	ASSERT_TRUE(hear_message(self->sv[0], &hdr, buf));
	EXPECT_EQ(GHOST_WIRE_FAILED, hdr.type);
	buf[hdr.len] = 0;
	EXPECT_NE(NULL, strstr(buf + sizeof(struct ghost_wire_failed), "checksum"))
		TH_LOG("%s", buf + sizeof(struct ghost_wire_failed));
	close(self->sv[0]);
	EXPECT_IMPORT_FAILS(EBADMSG, "checksum");
}

#define HELLO_IS_REFUSED(_name, _err, _text, _change)				\
	TEST_F(destination, _name)						\
	{									\
		struct ghost_wire_hdr *hdr = &self->hello.hdr;			\
		struct ghost_wire_hello *hello = &self->hello.hello;		\
										\
		ASSERT_EQ(0, begin_import(&self->in, &self->copy));		\
		_change;							\
		(void)hdr;							\
		(void)hello;							\
		say_all(self->sv[0], &self->hello,				\
			sizeof(*hdr) + (hdr->len > 8000 ? 24 : hdr->len));	\
		EXPECT_EQ(GHOST_WIRE_FAILED, hear_type(self->sv[0]));		\
		close(self->sv[0]);						\
		EXPECT_IMPORT_FAILS(_err, _text);				\
	}

HELLO_IS_REFUSED(does_not_speak_another_version, EOPNOTSUPP, "version 77, this one 1",
		 hello->version = 77)
HELLO_IS_REFUSED(does_not_know_flags, EOPNOTSUPP, "source: ", hello->flags = 1)
HELLO_IS_REFUSED(does_not_speak_to_strangers, EPROTO, "not one of ghost", hello->magic[0] = 0)
HELLO_IS_REFUSED(is_not_another_machine, ENOEXEC, "machine 183", hello->machine = EM_AARCH64)
HELLO_IS_REFUSED(has_pages_of_its_own_size, ENOEXEC, "page shift 16", hello->page_shift = 16)
HELLO_IS_REFUSED(lacks_cpu_features, ENOEXEC, "CPU: ",
		 memset(self->hello.machine, 0xff, 8))
HELLO_IS_REFUSED(does_not_listen_to_long_messages, EPROTO, "message of 4294967295",
		 hdr->len = 0xffffffff)
HELLO_IS_REFUSED(wants_to_hear_hello_first, EPROTO, "message 6", hdr->type = GHOST_WIRE_GO)
HELLO_IS_REFUSED(wants_a_whole_hello, EPROTO, "of 8 bytes", hdr->len = 8)

/*
 * The connection is cut after so many bytes, counted at both ends: in each message, between
 * them, and between pages. Needs a kernel with fault injection.
 */

#define FAULTS	"/sys/kernel/debug/fail_ghost_tcp/"
#define ENOUGH	1000000000L

/*
 * Written by a child, which has the file alone, so that its position is not locked: inside a
 * write to debugfs ghost_api_test exports to a file, whose position is locked then.
 */
static void set_fault(const char *path, const char *text)
{
	pid_t pid = vfork();
	int status;

	if (!pid) {
		int fd = open(path, O_WRONLY | O_CLOEXEC);

		_exit(fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text));
	}
	if (waitpid(pid, &status, 0) != pid || status)
		fprintf(stderr, "# %s: cannot be written\n", path);
}

/* Cut when @space bytes are through; 0: never. Returns what is left of it. */
static long set_cut(long space)
{
	char text[32];
	long left = 0;

	if (read_text(FAULTS "space", text, sizeof(text)) > 0)
		left = atol(text);
	set_fault(FAULTS "probability", "0");
	if (!space)
		return left;
	snprintf(text, sizeof(text), "%ld", space);
	set_fault(FAULTS "space", text);
	set_fault(FAULTS "times", "1");
	set_fault(FAULTS "probability", "100");
	return left;
}

FIXTURE(cut)
{
	struct target t, copy;
	struct export_call out;
	struct ghost_tcp_params params;
	struct import_thread in;
	long total;			/* bytes of a migration of t */
	int sv[2];
};

FIXTURE_SETUP(cut)
{
	GHOST_NEEDED();
	if (access(FAULTS "space", W_OK))
		SKIP(return, "no fault injection in this kernel");
	set_fault(FAULTS "verbose", "0");
	set_fault(FAULTS "interval", "1");
}

FIXTURE_TEARDOWN(cut)
{
	set_cut(0);
	target_end(&self->t);
	target_end(&self->copy);
	kill_children();
}

static int send_small(FIXTURE_DATA(cut) *self, int flags)
{
	int ret, err;

	if (connect_tcp(self->sv))
		return -EINVAL;
	self->params = tcp_params(self->sv[0]);
	setup_source(&self->t, &self->out, &self->params);
	self->out.args.flags = flags;
	memset(&self->in, 0, sizeof(self->in));
	self->in.params = tcp_params(self->sv[1]);
	setup_import(&self->in);
	if (begin_import(&self->in, &self->copy))
		return -EINVAL;
	ret = export_call(&self->out);
	err = errno;
	end_import(&self->in, &self->copy);
	close(self->sv[0]);
	close(self->sv[1]);
	return ret < 0 ? -err : 0;
}

/* No two processes are of quite the same size */
static bool start_small(FIXTURE_DATA(cut) *self)
{
	int ret;

	if (target_start(&self->t, "small", NULL) || !target_says(&self->t, "ready"))
		return false;
	set_cut(ENOUGH);
	ret = send_small(self, 0);
	self->total = ENOUGH - set_cut(0);
	target_end(&self->copy);
	return !ret;
}

/* Exactly one runs, or it is said that this is not known; then it is for us to decide */
static bool one_runs(FIXTURE_DATA(cut) *self, int ret)
{
	if (!ret)
		return self->in.ret > 0 && has_ended(&self->t) && runs(&self->copy);
	if (ret != -EINPROGRESS)
		return self->in.ret < 0 && runs(&self->t);
	target_wake(&self->t);
	if (!target_is_silent(&self->t, 50))
		return false;
	if (self->in.ret > 0)
		return runs(&self->copy);
	return !resume(&self->t) && target_says(&self->t, "ok") &&
	       target_says(&self->t, "ready");
}

/* Where to cut: after so many bytes, or so many before the end, or so many hundredths of all */
enum place { FROM_START, FROM_END, HUNDREDTHS };

static bool survives_cut(FIXTURE_DATA(cut) *self, enum place place, long where, int count[3])
{
	bool good, stayed;
	long space;
	int ret;

	if (!self->t.pid && !start_small(self))
		return false;
	space = place == FROM_START ? where : place == FROM_END ? self->total - where :
		self->total * where / 100;
	set_cut(space);
	ret = send_small(self, GHOST_EXPORT_KILL);
	set_cut(0);
	good = one_runs(self, ret);
	if (!good)
		fprintf(stderr, "# cut after %ld of %ld bytes: export %d (%s), import %d (%s)\n",
			space, self->total, ret, self->out.report, self->in.ret,
			self->in.call.report);
	count[!ret ? 0 : ret == -EINPROGRESS ? 1 : 2]++;
	stayed = ret && self->in.ret < 0;
	if (!stayed)
		target_end(&self->t);
	target_end(&self->copy);
	return good;
}

#define CUTS	34

TEST_F_TIMEOUT(cut, leaves_exactly_one_that_runs_or_says_that_it_is_held, 1200)
{
	int count[3] = { 0, 0, 0 }, i;

	for (i = 0; i < CUTS; i++) {
		ASSERT_TRUE(survives_cut(self, FROM_START, 1 + i * 25, count));
		ASSERT_TRUE(survives_cut(self, HUNDREDTHS, 1 + 98 * i / CUTS, count));
		ASSERT_TRUE(survives_cut(self, FROM_END, 2 * i, count));
	}
	TH_LOG("%d cuts: %d moved, %d held, %d stayed", 3 * CUTS, count[0], count[1], count[2]);
	EXPECT_LT(0, count[1]);
	EXPECT_LT(0, count[2]);
}

TEST(wrong_parameters_are_refused)
{
	struct ghost_tcp_params p = { .fd = -1 };
	struct import_call c;
	int fd;

	GHOST_NEEDED();
	import_call_init(&c);
	c.args.backend = GHOST_BACKEND_TCP;
	c.args.params = (uintptr_t)&p;
	c.args.params_size = sizeof(p);
#define EXPECT_WRONG(_err) do {							\
	EXPECT_EQ(-1, import_call(&c));						\
	EXPECT_EQ(_err, errno);							\
} while (0)
	EXPECT_WRONG(EINVAL);			/* no address */
	p.addr_len = 129;
	EXPECT_WRONG(EINVAL);
	p.addr_len = 16;
	EXPECT_WRONG(EAFNOSUPPORT);
	p.flags = 2;
	EXPECT_WRONG(EINVAL);
	p = (struct ghost_tcp_params) { .fd = 0, .flags = GHOST_TCP_LISTEN };
	EXPECT_WRONG(EINVAL);
	p = (struct ghost_tcp_params) { .fd = -2 };
	EXPECT_WRONG(EINVAL);
	p.fd = 9999;
	EXPECT_WRONG(EBADF);
	fd = memfd_create("no socket", MFD_CLOEXEC);
	p.fd = fd;
	EXPECT_WRONG(ENOTSOCK);
	p.fd = socket(AF_INET, SOCK_STREAM, 0);
	EXPECT_WRONG(ENOTCONN);
	p.fd = socket(AF_INET, SOCK_DGRAM, 0);
	EXPECT_WRONG(EPROTOTYPE);
	c.args.params_size = sizeof(p) - 1;
	EXPECT_WRONG(EINVAL);
}

TEST_HARNESS_MAIN
