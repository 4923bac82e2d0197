// SPDX-License-Identifier: GPL-2.0
/*
 * The two calls themselves: arguments, permissions, report, statistics
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

#include "../kselftest_harness.h"
#include "ghost_test.h"

#define NOBODY		65534
#define SYSCTL		"/proc/sys/kernel/ghost_unprivileged"
#define INSIDE		"/sys/kernel/debug/ghost_api"

TARGET(sleeper)
{
	ready();
	return verdict();
}

TARGET(with_eventfd)
{
	int fd = eventfd(0, 0);

	check_errno(dup2(fd, 7) == 7);
	close(fd);
	ready();
	return verdict();
}

TARGET(nobody)
{
	check(!setgroups(0, NULL));
	check(!setresgid(NOBODY, NOBODY, NOBODY));
	check(!setresuid(NOBODY, NOBODY, NOBODY));
	check(!prctl(PR_SET_DUMPABLE, 1));
	ready();
	return verdict();
}

TARGET(nobody_secret)
{
	check(!setgroups(0, NULL));
	check(!setresgid(NOBODY, NOBODY, NOBODY));
	check(!setresuid(NOBODY, NOBODY, NOBODY));
	check(!prctl(PR_SET_DUMPABLE, 0));
	ready();
	return verdict();
}

/* Nothing of it lies outside: it is asked by a signal, and its exit status is the answer */
TARGET(alone)
{
	volatile int known = 40;
	siginfo_t info;
	sigset_t set;
	int null, fd;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	check_errno(!sigprocmask(SIG_BLOCK, &set, NULL));
	null = open("/dev/null", O_RDWR);
	check_errno(null > 2);
	say("ready");
	for (fd = 0; fd < 3; fd++)
		dup2(null, fd);
	close(null);
	if (sigwaitinfo(&set, &info) != SIGUSR1)
		return 100;
	return known + info.si_value.sival_int;
}

static int event_fd(void)
{
	struct ghost_export_args args = { .flags = GHOST_EXPORT_EVENT, .pidfd = -1 };

	return ghost_export(&args, sizeof(args));
}

/* Is it told that it is a copy? Once only */
static bool is_told(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	__u64 n = 0;

	if (!poll(&p, 1, 0)) {
		check(read(fd, &n, sizeof(n)) == -1 && errno == EAGAIN);
		return false;
	}
	check(p.revents == POLLIN);
	check(read(fd, &n, sizeof(n) - 1) == -1 && errno == EINVAL);
	check(read(fd, (void *)8, sizeof(n)) == -1 && errno == EFAULT);
	check(read(fd, &n, sizeof(n)) == sizeof(n) && n == 1);
	check(read(fd, &n, sizeof(n)) == -1 && errno == EAGAIN);
	check(!poll(&p, 1, 0));
	return true;
}

TARGET(asks_what_it_is)
{
	int fd = event_fd();

	check_errno(fd >= 0);
	check(fcntl(fd, F_GETFD) == FD_CLOEXEC);
	check_errno(!fcntl(fd, F_SETFL, O_NONBLOCK));
	check(!is_told(fd));
	ready();
	check(fcntl(fd, F_GETFD) == FD_CLOEXEC);
	check(fcntl(fd, F_GETFL) == (O_RDONLY | O_NONBLOCK));
	say(is_told(fd) ? "copy" : "original");
	ready();
	return verdict();
}

TARGET(waits_for_what_it_is)
{
	struct pollfd p = { .fd = event_fd(), .events = POLLIN };
	__u64 n = 0;

	check_errno(p.fd >= 0);
	say("ready");
	if (!strcmp(arg, "poll"))
		check_errno(poll(&p, 1, -1) == 1);
	check_errno(read(p.fd, &n, sizeof(n)) == sizeof(n));
	say("copy");
	return verdict();
}

FIXTURE(basic)
{
	struct target t;
	struct target copy;
	struct export_call e;
	struct import_call i;
	struct image img;
};

FIXTURE_SETUP(basic)
{
	GHOST_NEEDED();
	ASSERT_EQ(0, target_start(&self->t, "sleeper", NULL));
	ASSERT_TRUE(target_says(&self->t, "ready"));
	ASSERT_TRUE(target_sleeps_in(&self->t, 0, __NR_read));
	export_call_init(&self->e, &self->t);
	export_to_memory(&self->e);
	import_call_init(&self->i);
	ASSERT_EQ(NULL, image_open(&self->img, STORE_MEMORY));
}

FIXTURE_TEARDOWN(basic)
{
	target_end(&self->t);
	target_end(&self->copy);
	image_close(&self->img);
}

/* Nothing has happened to the target */
static bool undisturbed(struct target *t)
{
	int status;

	if (!target_sleeps_in(t, 0, __NR_read) || target_wake(t) || !target_says(t, "ok"))
		return false;
	return !target_wait(t, &status) && !status;
}

#define EXPECT_UNDISTURBED() EXPECT_TRUE(undisturbed(&self->t))

#define EXPECT_EXPORT_FAILS(_errno) do {				\
	EXPECT_EQ(-1, export_call(&self->e));				\
	EXPECT_EQ(_errno, errno) TH_LOG("report: %s", self->e.report);	\
} while (0)

#define EXPECT_IMPORT_FAILS(_errno) do {				\
	EXPECT_EQ(-1, import_call(&self->i));				\
	EXPECT_EQ(_errno, errno) TH_LOG("report: %s", self->i.report);	\
} while (0)

TEST_F(basic, process_goes_into_memory_and_comes_out_again)
{
	int status;

	ASSERT_EXPORTED(&self->t, &self->img, 0);
	ASSERT_IMPORTED(&self->copy, &self->t, &self->img, 0);
	ASSERT_TRUE(target_sleeps_in(&self->copy, 0, __NR_read));
	ASSERT_NE(self->t.pid, self->copy.pid);
	ASSERT_EQ(0, target_wake(&self->copy));
	EXPECT_TRUE(target_says(&self->copy, "ok"));
	ASSERT_EQ(0, target_wait(&self->copy, &status));
	EXPECT_EQ(0, status);
	EXPECT_UNDISTURBED();
}

/*
 * Arguments of an export
 */

TEST_F(basic, unknown_export_flag_is_refused)
{
	int bit;

	for (bit = 0; bit < 64; bit++) {
		if (GHOST_EXPORT_FLAGS & 1ULL << bit)
			continue;
		self->e.args.flags = 1ULL << bit;
		EXPECT_EXPORT_FAILS(EINVAL);
	}
	EXPECT_UNDISTURBED();
}

TEST_F(basic, kill_and_stop_together_are_refused)
{
	self->e.args.flags = GHOST_EXPORT_KILL | GHOST_EXPORT_STOP;
	EXPECT_EXPORT_FAILS(EINVAL);
	EXPECT_UNDISTURBED();
}

TEST_F(basic, memory_ghosts_have_their_files_in_any_case)
{
	self->e.args.flags = GHOST_EXPORT_WITH_LIBRARIES;
	EXPECT_EXPORT_FAILS(EINVAL);
	EXPECT_UNDISTURBED();
}

TEST_F(basic, export_arguments_that_are_too_short_are_refused)
{
	size_t size;

	for (size = 0; size < GHOST_EXPORT_ARGS_SIZE_VER0; size += 8) {
		EXPECT_EQ(-1, ghost_export(&self->e.args, size));
		EXPECT_EQ(EINVAL, errno);
	}
	EXPECT_UNDISTURBED();
}

TEST_F(basic, longer_export_arguments_are_taken_if_their_tail_is_zero)
{
	struct {
		struct ghost_export_args args;
		char tail[64];
	} longer = { 0 };

	self->e.args.flags = GHOST_EXPORT_CHECK;
	self->e.args.backend = 0;
	longer.args = self->e.args;
	EXPECT_EQ(0, ghost_export(&longer.args, sizeof(longer)));
	longer.tail[63] = 1;
	EXPECT_EQ(-1, ghost_export(&longer.args, sizeof(longer)));
	EXPECT_EQ(E2BIG, errno);
	EXPECT_EQ(-1, ghost_export(&longer.args, 1 << 20));
	EXPECT_EQ(E2BIG, errno);
	EXPECT_UNDISTURBED();
}

TEST_F(basic, export_arguments_at_a_wrong_address_are_refused)
{
	EXPECT_EQ(-1, ghost_export((void *)8, sizeof(self->e.args)));
	EXPECT_EQ(EFAULT, errno);
	self->e.args.params = 8;
	EXPECT_EXPORT_FAILS(EFAULT);
	EXPECT_UNDISTURBED();
}

TEST_F(basic, fd_map_at_a_wrong_address_is_refused)
{
	self->e.args.fd_map = 8;
	EXPECT_EXPORT_FAILS(EFAULT);
	self->e.args.fd_map = 0;
	EXPECT_EXPORT_FAILS(EFAULT);
	EXPECT_UNDISTURBED();
}

TEST_F(basic, unknown_backend_is_refused)
{
	static const __u32 unknown[] = { 0, 99, 255, 65535, ~0U };
	unsigned int n;

	for (n = 0; n < ARRAY_SIZE(unknown); n++) {
		self->e.args.backend = unknown[n];
		EXPECT_EXPORT_FAILS(ENODEV);
		import_from_memory(&self->i, 0);
		self->i.args.backend = unknown[n];
		EXPECT_IMPORT_FAILS(ENODEV);
	}
	EXPECT_UNDISTURBED();
}

TEST_F(basic, backend_parameters_of_a_wrong_size_are_refused)
{
	self->e.args.params_size = 0;
	EXPECT_EXPORT_FAILS(EINVAL);
	self->e.args.params_size = sizeof(self->e.memory) - 1;
	EXPECT_EXPORT_FAILS(EINVAL);
	self->e.args.params_size = 1 << 30;
	EXPECT_EQ(-1, export_call(&self->e));
	EXPECT_TRUE(errno == EINVAL || errno == E2BIG);
	EXPECT_UNDISTURBED();
}

TEST_F(basic, unknown_flags_of_a_backend_are_refused)
{
	self->e.memory.flags = 1;
	EXPECT_EXPORT_FAILS(EINVAL);
	export_to_file(&self->e, 1);
	self->e.file.flags = 1 << 31;
	EXPECT_EXPORT_FAILS(EINVAL);
	EXPECT_UNDISTURBED();
}

TEST_F(basic, descriptor_that_cannot_be_written_is_refused)
{
	int fds[] = {
		-1,
		9999,
		open("/dev/null", O_RDONLY | O_CLOEXEC),
		open("/proc/self/exe", O_RDONLY | O_CLOEXEC),
		open("/tmp", O_PATH | O_CLOEXEC),
		open("/tmp", O_DIRECTORY | O_CLOEXEC),
	};
	unsigned int n;

	for (n = 0; n < ARRAY_SIZE(fds); n++) {
		export_to_file(&self->e, fds[n]);
		EXPECT_EXPORT_FAILS(EBADF);
	}
	EXPECT_UNDISTURBED();
}

TEST_F(basic, descriptor_without_a_stream_of_bytes_is_refused)
{
	int fd = eventfd(0, EFD_CLOEXEC), sv[2];

	export_to_file(&self->e, fd);
	EXPECT_EXPORT_FAILS(EINVAL);
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, sv));
	export_to_file(&self->e, sv[0]);
	EXPECT_EXPORT_FAILS(EPROTOTYPE);
	EXPECT_UNDISTURBED();
}

TEST_F(basic, file_that_may_not_grow_does_not_hurt_the_process)
{
	struct rlimit limit = { 8192, RLIM_INFINITY };

	image_close(&self->img);
	ASSERT_EQ(NULL, image_open(&self->img, STORE_TMPFS));
	signal(SIGXFSZ, SIG_IGN);
	ASSERT_EQ(0, setrlimit(RLIMIT_FSIZE, &limit));
	export_to_file(&self->e, self->img.fd);
	EXPECT_EXPORT_FAILS(EFBIG);
	EXPECT_UNDISTURBED();
}

TEST_F(basic, pipe_that_nobody_reads_does_not_hurt_the_process)
{
	int fds[2];

	ASSERT_EQ(0, pipe2(fds, O_CLOEXEC));
	close(fds[0]);
	signal(SIGPIPE, SIG_IGN);
	export_to_file(&self->e, fds[1]);
	EXPECT_EXPORT_FAILS(EPIPE);
	EXPECT_UNDISTURBED();
}

TEST_F(basic, what_is_not_a_pidfd_is_refused)
{
	int fds[] = {
		-2,
		9999,
		0,
		open("/dev/null", O_RDWR | O_CLOEXEC),
		open("/tmp", O_DIRECTORY | O_CLOEXEC),
	};
	unsigned int n;

	for (n = 0; n < ARRAY_SIZE(fds); n++) {
		self->e.args.pidfd = fds[n];
		EXPECT_EXPORT_FAILS(EBADF);
	}
	EXPECT_UNDISTURBED();
}

TEST_F(basic, process_that_is_gone_is_refused)
{
	pid_t pid = fork();
	int pidfd;

	if (!pid) {
		pause();
		_exit(0);
	}
	pidfd = pidfd_open_pid(pid);
	ASSERT_LE(0, pidfd);
	kill(pid, SIGKILL);
	ASSERT_TRUE(proc_state_becomes(pid, 0, 'Z'));
	self->e.args.pidfd = pidfd;
	EXPECT_EXPORT_FAILS(ESRCH);		/* a zombie */
	ASSERT_EQ(pid, waitpid(pid, NULL, 0));
	EXPECT_EXPORT_FAILS(ESRCH);
	self->e.args.flags = GHOST_EXPORT_CHECK;
	self->e.args.backend = 0;
	EXPECT_EXPORT_FAILS(ESRCH);
	close(pidfd);
}

static bool is_kernel_thread(pid_t pid)
{
	char path[64], buf[64];

	snprintf(path, sizeof(path), "/proc/%d/cmdline", pid);
	return read_text(path, buf, sizeof(buf)) == 0;
}

TEST_F(basic, kernel_thread_is_refused)
{
	int pidfd = pidfd_open_pid(2);

	if (pidfd < 0 || !is_kernel_thread(2))
		SKIP(return, "process 2 is no kernel thread here");
	self->e.args.pidfd = pidfd;
	self->e.args.fd_map_len = 0;
	EXPECT_EXPORT_FAILS(EPERM);
	EXPECT_NE(NULL, strstr(self->e.report, "kernel thread")) TH_LOG("%s", self->e.report);
	self->e.args.flags = GHOST_EXPORT_CHECK;
	self->e.args.backend = 0;
	EXPECT_EXPORT_FAILS(EPERM);
	close(pidfd);
}

TEST_F(basic, init_is_refused)
{
	int pidfd = pidfd_open_pid(1);

	ASSERT_LE(0, pidfd);
	self->e.args.pidfd = pidfd;
	self->e.args.fd_map_len = 0;
	EXPECT_EXPORT_FAILS(EPERM);
	EXPECT_NE(NULL, strstr(self->e.report, "init")) TH_LOG("%s", self->e.report);
	close(pidfd);
}

TEST_F(basic, fd_map_is_checked)
{
	int n = self->e.args.fd_map_len;

	self->e.args.fd_map_len = GHOST_FD_MAP_MAX + 1;
	EXPECT_EXPORT_FAILS(EINVAL);
	self->e.args.fd_map_len = n;
	self->e.map[0].fd = 0;			/* must be -1 */
	EXPECT_EXPORT_FAILS(EINVAL);
	self->e.map[0].fd = -1;
	self->e.map[0].image_fd = -5;
	EXPECT_EXPORT_FAILS(EINVAL);
	self->e.map[0].image_fd = 0;
	self->e.map[n] = (struct ghost_fd_map) { 777, -1 };
	self->e.args.fd_map_len = n + 1;	/* the process has no such descriptor */
	EXPECT_EXPORT_FAILS(EBADF);
	EXPECT_UNDISTURBED();
}

/*
 * Report and statistics
 */

TEST_F(basic, refusal_names_the_object)
{
	target_end(&self->t);
	ASSERT_EQ(0, target_start(&self->t, "with_eventfd", NULL));
	ASSERT_TRUE(target_says(&self->t, "ready"));
	self->e.args.pidfd = self->t.pidfd;
	EXPECT_EXPORT_FAILS(EOPNOTSUPP);
	EXPECT_NE(NULL, strstr(self->e.report, "fd 7")) TH_LOG("%s", self->e.report);
	EXPECT_NE(NULL, strstr(self->e.report, "eventfd")) TH_LOG("%s", self->e.report);
	EXPECT_UNDISTURBED();
}

TEST_F(basic, report_is_cut_and_ends_with_nul)
{
	char whole[sizeof(self->e.report)];
	size_t size;

	target_end(&self->t);
	ASSERT_EQ(0, target_start(&self->t, "with_eventfd", NULL));
	ASSERT_TRUE(target_says(&self->t, "ready"));
	self->e.args.pidfd = self->t.pidfd;
	EXPECT_EXPORT_FAILS(EOPNOTSUPP);
	strcpy(whole, self->e.report);
	ASSERT_LT(8, strlen(whole));
	for (size = 0; size <= strlen(whole) + 8; size++) {
		memset(self->e.report, 'x', sizeof(self->e.report));
		self->e.args.report_size = size;
		EXPECT_EXPORT_FAILS(EOPNOTSUPP);
		EXPECT_EQ('x', self->e.report[size]);
		if (!size)
			continue;
		ASSERT_NE(NULL, memchr(self->e.report, 0, size));
		EXPECT_EQ(size - 1 < strlen(whole) ? size - 1 : strlen(whole),
			  strlen(self->e.report));
		EXPECT_EQ(0, strncmp(whole, self->e.report, size - 1));
	}
	EXPECT_UNDISTURBED();
}

TEST_F(basic, call_without_a_report_buffer_works)
{
	self->e.args.report = 0;
	self->e.args.report_size = 0;
	self->e.args.stats = 0;
	EXPECT_LE(0, export_call(&self->e));
	close(self->e.memory.fd);
	target_end(&self->t);
	ASSERT_EQ(0, target_start(&self->t, "with_eventfd", NULL));
	ASSERT_TRUE(target_says(&self->t, "ready"));
	self->e.args.pidfd = self->t.pidfd;
	EXPECT_EXPORT_FAILS(EOPNOTSUPP);
	EXPECT_UNDISTURBED();
}

TEST_F(basic, success_leaves_an_empty_report)
{
	memset(self->e.report, 'x', sizeof(self->e.report));
	ASSERT_LE(0, export_call(&self->e));
	EXPECT_EQ(0, self->e.report[0]);
	close(self->e.memory.fd);
	EXPECT_UNDISTURBED();
}

TEST_F(basic, statistics_are_plausible)
{
	struct ghost_export_stats *s = &self->e.stats;
	int64_t begin = now_ms(), end;

	ASSERT_LE(0, export_call(&self->e)) TH_LOG("report: %s", self->e.report);
	end = now_ms();
	close(self->e.memory.fd);
	EXPECT_LT(0, s->park_ns);
	EXPECT_LT(s->park_ns, s->stop_ns);
	EXPECT_LE(s->stop_ns, s->total_ns);
	EXPECT_LE(s->total_ns, (end - begin + 2) * 1000000);
	EXPECT_EQ(0, s->bytes);
	EXPECT_EQ(1, s->threads);
	EXPECT_LT(4, s->pages);
	EXPECT_UNDISTURBED();
}

TEST_F(basic, statistics_count_the_bytes_of_the_image)
{
	struct stat st;

	image_close(&self->img);
	ASSERT_EQ(NULL, image_open(&self->img, STORE_TMPFS));
	ASSERT_EXPORTED(&self->t, &self->img, 0);
	ASSERT_EQ(0, fstat(self->img.fd, &st));
	EXPECT_EQ(st.st_size, self->img.stats.bytes);
	EXPECT_EQ(st.st_size, lseek(self->img.fd, 0, SEEK_CUR));
	EXPECT_LE(self->img.stats.pages * 4096, self->img.stats.bytes);
	EXPECT_UNDISTURBED();
}

/* The copy is to read from nowhere */
static void import_without_input(struct import_call *i, int fd)
{
	import_from_file(i, fd);
	i->args.exit_signal = SIGCHLD;
	i->args.fd_map = (uintptr_t)i->map;
	i->args.fd_map_len = 3;
	i->map[0] = (struct ghost_fd_map) { 0, open("/dev/null", O_RDWR) };
	i->map[1] = (struct ghost_fd_map) { 1, open("/dev/null", O_RDWR) };
	i->map[2] = (struct ghost_fd_map) { 2, 2 };
}

/* It reads the end of the file, nobody is there to wake it: then this is 125. */
static int end_of_copy(struct import_call *i)
{
	pid_t pid = import_call(i);
	int status;

	return pid > 0 && waitpid(pid, &status, 0) == pid ? WEXITSTATUS(status) : -1;
}

TEST_F(basic, image_is_written_and_read_at_the_file_position)
{
	char pad[100];

	memset(pad, 'x', sizeof(pad));
	image_close(&self->img);
	ASSERT_EQ(NULL, image_open(&self->img, STORE_TMPFS));
	ASSERT_EQ(sizeof(pad), write(self->img.fd, pad, sizeof(pad)));
	export_to_file(&self->e, self->img.fd);
	ASSERT_LE(0, export_call(&self->e)) TH_LOG("report: %s", self->e.report);
	ASSERT_EQ(sizeof(pad), lseek(self->img.fd, sizeof(pad), SEEK_SET));
	import_without_input(&self->i, self->img.fd);
	EXPECT_EQ(125, end_of_copy(&self->i)) TH_LOG("report: %s", self->i.report);
	EXPECT_EQ(sizeof(pad) + self->e.stats.bytes, lseek(self->img.fd, 0, SEEK_CUR));
	EXPECT_UNDISTURBED();
}

TEST_F(basic, image_that_is_longer_than_wanted_is_refused)
{
	__u64 bytes;

	image_close(&self->img);
	ASSERT_EQ(NULL, image_open(&self->img, STORE_TMPFS));
	ASSERT_EXPORTED(&self->t, &self->img, 0);
	bytes = self->img.stats.bytes;
	import_without_input(&self->i, self->img.fd);
	for (self->i.args.max_bytes = 1; self->i.args.max_bytes < bytes;
	     self->i.args.max_bytes += bytes / 7) {
		ASSERT_EQ(0, lseek(self->img.fd, 0, SEEK_SET));
		EXPECT_IMPORT_FAILS(EFBIG);
		EXPECT_GE(self->i.args.max_bytes, lseek(self->img.fd, 0, SEEK_CUR));
	}
	ASSERT_EQ(0, lseek(self->img.fd, 0, SEEK_SET));
	self->i.args.max_bytes = bytes - 1;
	EXPECT_IMPORT_FAILS(EFBIG);
	ASSERT_EQ(0, lseek(self->img.fd, 0, SEEK_SET));
	self->i.args.max_bytes = bytes;
	EXPECT_EQ(125, end_of_copy(&self->i)) TH_LOG("report: %s", self->i.report);
	EXPECT_UNDISTURBED();
}

TEST_F(basic, two_images_of_one_process_have_the_same_length)
{
	__u64 bytes;

	image_close(&self->img);
	ASSERT_EQ(NULL, image_open(&self->img, STORE_TMPFS));
	ASSERT_EXPORTED(&self->t, &self->img, 0);
	bytes = self->img.stats.bytes;
	ASSERT_EXPORTED(&self->t, &self->img, 0);
	EXPECT_EQ(bytes, self->img.stats.bytes);
	EXPECT_UNDISTURBED();
}

TEST_F(basic, module_moves_the_file_position_along)
{
	const char *why;
	off_t end;

	image_close(&self->img);
	why = image_open(&self->img, STORE_MODULE);
	if (why)
		SKIP(return, "%s", why);
	ASSERT_EXPORTED(&self->t, &self->img, 0);
	end = lseek(self->img.fd, 0, SEEK_CUR);
	EXPECT_LT(0, end);
	EXPECT_EQ(end, lseek(self->img.fd, 0, SEEK_END));
	ASSERT_IMPORTED(&self->copy, &self->t, &self->img, 0);
	EXPECT_EQ(end, lseek(self->img.fd, 0, SEEK_CUR));
	EXPECT_UNDISTURBED();
}

TEST_F(basic, image_can_be_synced)
{
	const char *why;

	image_close(&self->img);
	why = image_open(&self->img, STORE_EXT4);
	if (why)
		SKIP(return, "%s", why);
	ASSERT_EXPORTED(&self->t, &self->img, GHOST_EXPORT_SYNC);
	EXPECT_UNDISTURBED();
}

TEST_F(basic, check_stops_nothing_and_writes_nothing)
{
	char before[64], after[64];

	ASSERT_EQ(0, proc_field(self->t.pid, "status", "voluntary_ctxt_switches", before,
				sizeof(before)));
	self->e.args.flags = GHOST_EXPORT_CHECK;
	self->e.args.backend = 0;
	self->e.args.params = 0;
	self->e.args.params_size = 0;
	EXPECT_EQ(0, export_call(&self->e)) TH_LOG("report: %s", self->e.report);
	EXPECT_STREQ("", self->e.report);
	ASSERT_EQ(0, proc_field(self->t.pid, "status", "voluntary_ctxt_switches", after,
				sizeof(after)));
	EXPECT_STREQ(before, after);
	EXPECT_UNDISTURBED();
}

/*
 * Memory ghosts
 */

TEST_F(basic, memory_ghost_is_closed_on_exec)
{
	ASSERT_EXPORTED(&self->t, &self->img, 0);
	EXPECT_EQ(FD_CLOEXEC, fcntl(self->img.fd, F_GETFD));
	EXPECT_UNDISTURBED();
}

TEST_F(basic, memory_ghost_is_no_file)
{
	char c;

	ASSERT_EXPORTED(&self->t, &self->img, 0);
	EXPECT_EQ(-1, read(self->img.fd, &c, 1));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, write(self->img.fd, &c, 1));
	EXPECT_UNDISTURBED();
}

TEST_F(basic, failed_export_leaves_no_descriptor)
{
	int before = count_fds();

	target_end(&self->t);
	ASSERT_EQ(0, target_start(&self->t, "with_eventfd", NULL));
	ASSERT_TRUE(target_says(&self->t, "ready"));
	self->e.args.pidfd = self->t.pidfd;
	EXPECT_EXPORT_FAILS(EOPNOTSUPP);
	EXPECT_EQ(before, count_fds());
	EXPECT_UNDISTURBED();
}

TEST_F(basic, memory_ghost_outlives_its_process)
{
	ASSERT_EXPORTED(&self->t, &self->img, 0);
	target_end(&self->t);
	ASSERT_IMPORTED(&self->copy, &self->t, &self->img, 0);
	ASSERT_EQ(0, target_wake(&self->copy));
	EXPECT_TRUE(target_says(&self->copy, "ok"));
}

TEST_F(basic, memory_ghost_lives_until_its_last_descriptor_is_closed)
{
	int fd;

	ASSERT_EXPORTED(&self->t, &self->img, 0);
	fd = fcntl(self->img.fd, F_DUPFD_CLOEXEC, 50);
	close(self->img.fd);
	self->img.fd = fd;
	ASSERT_IMPORTED(&self->copy, &self->t, &self->img, 0);
	ASSERT_EQ(0, target_wake(&self->copy));
	EXPECT_TRUE(target_says(&self->copy, "ok"));
	EXPECT_UNDISTURBED();
}

TEST_F(basic, memory_ghosts_count_as_processes)
{
	struct rlimit limit = { 4, 4 };
	int fds[8], n, status, err = 0;
	pid_t pid;

	target_end(&self->t);
	ASSERT_EQ(0, target_start(&self->t, "nobody", NULL));
	ASSERT_TRUE(target_says(&self->t, "ready"));
	self->e.args.pidfd = self->t.pidfd;
	pid = fork();
	if (!pid) {
		if (setgroups(0, NULL) || setresgid(NOBODY, NOBODY, NOBODY) ||
		    setresuid(NOBODY, NOBODY, NOBODY) || setrlimit(RLIMIT_NPROC, &limit))
			_exit(100);
		for (n = 0; n < 8; n++) {
			if (export_call(&self->e) < 0) {
				err = errno;
				break;
			}
			fds[n] = self->e.memory.fd;
		}
		if (err != EAGAIN || !n || n > 4)
			_exit(101);
		/* When one is given back there is room for one */
		close(fds[0]);
		_exit(export_call(&self->e) < 0 ? errno : 0);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_UNDISTURBED();
}

/*
 * Arguments of an import
 */

TEST_F(basic, unknown_import_flag_is_refused)
{
	int bit;

	ASSERT_EXPORTED(&self->t, &self->img, 0);
	import_from_memory(&self->i, self->img.fd);
	for (bit = 0; bit < 64; bit++) {
		if (GHOST_IMPORT_FLAGS & 1ULL << bit)
			continue;
		self->i.args.flags = 1ULL << bit;
		EXPECT_IMPORT_FAILS(EINVAL);
	}
	EXPECT_UNDISTURBED();
}

TEST_F(basic, import_arguments_of_a_wrong_size_are_refused)
{
	struct {
		struct ghost_import_args args;
		char tail[64];
	} longer = { 0 };
	size_t size;

	import_from_memory(&self->i, 0);
	for (size = 0; size < GHOST_IMPORT_ARGS_SIZE_VER0; size += 8) {
		EXPECT_EQ(-1, ghost_import(&self->i.args, size));
		EXPECT_EQ(EINVAL, errno);
	}
	longer.args = self->i.args;
	EXPECT_EQ(-1, ghost_import(&longer.args, sizeof(longer)));
	EXPECT_EQ(EBADF, errno);
	longer.tail[0] = 1;
	EXPECT_EQ(-1, ghost_import(&longer.args, sizeof(longer)));
	EXPECT_EQ(E2BIG, errno);
	EXPECT_EQ(-1, ghost_import((void *)8, sizeof(longer.args)));
	EXPECT_EQ(EFAULT, errno);
}

TEST_F(basic, padding_and_exit_signal_are_checked)
{
	static const __u32 wrong_signals[] = { 65, 4096, ~0U };
	unsigned int n;

	ASSERT_EXPORTED(&self->t, &self->img, 0);
	import_from_memory(&self->i, self->img.fd);
	self->i.args.pad = 1;
	EXPECT_IMPORT_FAILS(EINVAL);
	self->i.args.pad = 0;
	for (n = 0; n < ARRAY_SIZE(wrong_signals); n++) {
		self->i.args.exit_signal = wrong_signals[n];
		EXPECT_IMPORT_FAILS(EINVAL);
	}
	EXPECT_UNDISTURBED();
}

TEST_F(basic, what_is_no_memory_ghost_is_refused)
{
	int fds[] = { -1, 9999, 0, open("/dev/zero", O_RDONLY), self->t.pidfd };
	unsigned int n;

	for (n = 0; n < ARRAY_SIZE(fds); n++) {
		import_from_memory(&self->i, fds[n]);
		EXPECT_IMPORT_FAILS(EBADF);
	}
}

TEST_F(basic, descriptor_that_cannot_be_read_is_refused)
{
	int fds[] = { -1, 9999, open("/dev/null", O_WRONLY), open("/tmp", O_PATH) };
	unsigned int n;

	for (n = 0; n < ARRAY_SIZE(fds); n++) {
		import_from_file(&self->i, fds[n]);
		EXPECT_IMPORT_FAILS(EBADF);
	}
}

TEST_F(basic, what_is_no_image_is_refused)
{
	import_from_file(&self->i, open("/dev/null", O_RDONLY));
	EXPECT_IMPORT_FAILS(EBADMSG);			/* truncated */
	import_from_file(&self->i, open("/dev/zero", O_RDONLY));
	EXPECT_IMPORT_FAILS(ENOEXEC);
	import_from_file(&self->i, open("/proc/self/exe", O_RDONLY));
	EXPECT_IMPORT_FAILS(ENOEXEC);
	EXPECT_NE(0, self->i.report[0]);
}

TEST_F(basic, outside_descriptor_must_be_given_at_import)
{
	ASSERT_EXPORTED(&self->t, &self->img, 0);
	import_from_memory(&self->i, self->img.fd);
	EXPECT_IMPORT_FAILS(EBADF);
	EXPECT_NE(NULL, strstr(self->i.report, "fd 0")) TH_LOG("%s", self->i.report);
	EXPECT_EQ(-1, waitpid(-1, NULL, WNOHANG | __WALL) == 0 ? -1 : 0);
	EXPECT_UNDISTURBED();
}

/* As ps(1) does, all the time: this reads memory of whatever is there */
static void look_at_processes(void)
{
	char path[64], buf[4096];
	struct dirent *entry;
	DIR *proc;

	/* An assertion may end the test that would end this */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		proc = opendir("/proc");
		while (proc && (entry = readdir(proc))) {
			snprintf(path, sizeof(path), "/proc/%.20s/cmdline", entry->d_name);
			read_text(path, buf, sizeof(buf));
		}
		if (proc)
			closedir(proc);
	}
}

TEST_F(basic, import_does_not_mind_being_looked_at)
{
	int status, round;
	pid_t looker;

	image_close(&self->img);
	ASSERT_EQ(NULL, image_open(&self->img, STORE_TMPFS));
	ASSERT_EXPORTED(&self->t, &self->img, 0);
	looker = fork();
	ASSERT_LE(0, looker);
	if (!looker)
		look_at_processes();
	for (round = 0; round < 100; round++) {
		ASSERT_IMPORTED(&self->copy, &self->t, &self->img, 0);
		EXPECT_EQ(0, target_wake(&self->copy));
		EXPECT_TRUE(target_says(&self->copy, "ok"));
		EXPECT_EQ(0, target_wait(&self->copy, &status));
		target_end(&self->copy);
	}
	kill(looker, SIGKILL);
	waitpid(looker, NULL, 0);
	EXPECT_UNDISTURBED();
}

TEST_F(basic, fd_map_of_an_import_is_checked)
{
	ASSERT_EXPORTED(&self->t, &self->img, 0);
	import_from_memory(&self->i, self->img.fd);
	self->i.args.fd_map = (uintptr_t)self->i.map;
	self->i.args.fd_map_len = 3;
	self->i.map[0] = (struct ghost_fd_map) { 0, 9999 };
	self->i.map[1] = (struct ghost_fd_map) { 1, 1 };
	self->i.map[2] = (struct ghost_fd_map) { 2, 2 };
	EXPECT_IMPORT_FAILS(EBADF);
	self->i.map[0] = (struct ghost_fd_map) { -7, 0 };
	EXPECT_IMPORT_FAILS(EINVAL);
	self->i.map[0] = (struct ghost_fd_map) { 2, 2 };	/* which of both? */
	EXPECT_IMPORT_FAILS(EINVAL);
	self->i.args.fd_map_len = GHOST_FD_MAP_MAX + 1;
	EXPECT_IMPORT_FAILS(EINVAL);
	self->i.args.fd_map_len = 3;
	self->i.args.fd_map = 8;
	EXPECT_IMPORT_FAILS(EFAULT);
	EXPECT_UNDISTURBED();
}

TEST_F(basic, failed_import_leaves_no_child)
{
	target_end(&self->t);
	ASSERT_EQ(0, target_start(&self->t, "sleeper", NULL));
	ASSERT_TRUE(target_says(&self->t, "ready"));
	ASSERT_EXPORTED(&self->t, &self->img, 0);
	target_end(&self->t);
	import_from_memory(&self->i, self->img.fd);
	EXPECT_IMPORT_FAILS(EBADF);
	EXPECT_EQ(-1, waitpid(-1, NULL, WNOHANG | __WALL));
	EXPECT_EQ(ECHILD, errno);
}

/*
 * The caller itself
 */

static void map_own(struct ghost_fd_map *map, bool import)
{
	int i;

	for (i = 0; i < 3; i++) {
		map[i].image_fd = i;
		map[i].fd = import ? i : -1;
	}
}

TARGET(self_export)
{
	static struct export_call e;
	static struct import_call i;
	struct image img = { .store = STORE_TMPFS, .fd = -1 };
	volatile int imported = 0;
	int ret, status, kept = -1;
	pid_t pid;

	export_call_init(&e, NULL);
	map_own(e.map, false);
	e.args.fd_map = (uintptr_t)e.map;
	e.args.fd_map_len = 3;
	if (!strcmp(arg, "memory")) {
		export_to_memory(&e);
	} else {
		if (image_open(&img, STORE_TMPFS)) {
			wrong("no place for the image");
			return verdict();
		}
		/* The image itself must not be among the descriptors that are exported */
		e.map[3].image_fd = img.fd;
		e.map[3].fd = -1;
		e.args.fd_map_len = 4;
		export_to_file(&e, img.fd);
	}
	say("ready");
	ret = export_call(&e);
	if (!ret)
		_exit(imported ? 1 : 7);	/* the copy */
	if (ret < 0) {
		wrong("export: %m: %s", e.report);
		return verdict();
	}
	imported = 1;
	import_call_init(&i);
	map_own(i.map, true);
	i.args.fd_map = (uintptr_t)i.map;
	i.args.fd_map_len = 3;
	if (!strcmp(arg, "memory")) {
		import_from_memory(&i, e.memory.fd);
	} else {
		i.map[3].image_fd = img.fd;
		i.map[3].fd = img.fd;
		i.args.fd_map_len = 4;
		lseek(img.fd, 0, SEEK_SET);
		import_from_file(&i, img.fd);
	}
	for (kept = 0; kept < 2; kept++) {
		lseek(img.fd, 0, SEEK_SET);
		pid = import_call(&i);
		if (pid <= 0) {
			wrong("import: %m: %s", i.report);
			break;
		}
		check_errno(waitpid(pid, &status, 0) == pid);
		if (!WIFEXITED(status) || WEXITSTATUS(status) != 7)
			wrong("status %#x of the copy", status);
	}
	return verdict();
}

TEST_F(basic, copy_is_told_once_that_it_is_one)
{
	struct target second = { 0 };
	struct image img = { 0 };

	target_end(&self->t);
	ASSERT_EQ(0, target_start(&self->t, "asks_what_it_is", NULL));
	ASSERT_TRUE(target_says(&self->t, "ready"));
	ASSERT_TRUE(target_sleeps_in(&self->t, 0, __NR_read));
	ASSERT_EXPORTED(&self->t, &self->img, 0);
	ASSERT_IMPORTED(&self->copy, &self->t, &self->img, 0);
	EXPECT_EQ(0, target_wake(&self->t));
	EXPECT_TRUE(target_says(&self->t, "original"));
	EXPECT_EQ(0, target_wake(&self->copy));
	EXPECT_TRUE(target_says(&self->copy, "copy"));
	EXPECT_TRUE(target_says(&self->copy, "ready"));

	/* A copy of a copy that has not asked yet, in a file */
	ASSERT_EQ(NULL, image_open(&img, STORE_TMPFS));
	target_end(&self->copy);
	ASSERT_IMPORTED(&self->copy, &self->t, &self->img, 0);
	ASSERT_TRUE(target_sleeps_in(&self->copy, 0, __NR_read));
	ASSERT_EXPORTED(&self->copy, &img, 0);
	ASSERT_IMPORTED(&second, &self->copy, &img, 0);
	EXPECT_EQ(0, target_wake(&second));
	EXPECT_TRUE(target_says(&second, "copy"));
	EXPECT_EQ(0, target_wake(&self->copy));
	EXPECT_TRUE(target_says(&self->copy, "copy"));
	target_end(&second);
	image_close(&img);
}

TEST_F(basic, copy_wakes_up_that_waits_to_be_told)
{
	static const struct {
		const char *arg;
		long nr;
	} how[] = { { "poll", __NR_poll }, { "read", __NR_read } };
	unsigned int n;

	for (n = 0; n < ARRAY_SIZE(how); n++) {
		struct target_options o = { .arg = how[n].arg };

		target_end(&self->t);
		target_end(&self->copy);
		ASSERT_EQ(0, target_start(&self->t, "waits_for_what_it_is", &o));
		ASSERT_TRUE(target_says(&self->t, "ready"));
		ASSERT_TRUE(target_sleeps_in(&self->t, 0, how[n].nr));
		ASSERT_EXPORTED(&self->t, &self->img, 0);
		ASSERT_IMPORTED(&self->copy, &self->t, &self->img, 0);
		EXPECT_TRUE(target_says(&self->copy, "copy"));
		EXPECT_TRUE(target_says(&self->copy, "ok"));
		EXPECT_TRUE(target_is_silent(&self->t, 100));
		EXPECT_TRUE(target_sleeps_in(&self->t, 0, how[n].nr));
	}
}

TEST_F(basic, event_of_another_process_cannot_be_asked_for)
{
	struct ghost_export_args args = { .flags = GHOST_EXPORT_EVENT };

	args.pidfd = self->t.pidfd;
	EXPECT_EQ(-1, ghost_export(&args, sizeof(args)));
	EXPECT_EQ(EINVAL, errno);
	args.pidfd = -1;
	args.timeout_ms = 1;
	EXPECT_EQ(-1, ghost_export(&args, sizeof(args)));
	EXPECT_EQ(EINVAL, errno);
	args.timeout_ms = 0;
	args.flags |= GHOST_EXPORT_KILL;
	EXPECT_EQ(-1, ghost_export(&args, sizeof(args)));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_UNDISTURBED();
}

TEST_F(basic, process_exports_itself_and_returns_twice_like_fork)
{
	struct target_options o = { .arg = "memory" };
	int status;

	ASSERT_EQ(0, target_start(&self->copy, "self_export", &o));
	EXPECT_TRUE(target_says(&self->copy, "ready"));
	EXPECT_TRUE(target_says(&self->copy, "ok"));
	ASSERT_EQ(0, target_wait(&self->copy, &status));
	EXPECT_EQ(0, status);
}

TEST_F(basic, process_exports_itself_to_a_file)
{
	struct target_options o = { .arg = "file" };
	int status;

	ASSERT_EQ(0, target_start(&self->copy, "self_export", &o));
	EXPECT_TRUE(target_says(&self->copy, "ready"));
	EXPECT_TRUE(target_says(&self->copy, "ok"));
	ASSERT_EQ(0, target_wait(&self->copy, &status));
	EXPECT_EQ(0, status);
}

/*
 * The calls from inside the kernel, which the module ghost_api_test makes for us
 */

FIXTURE(inside)
{
	struct target t;
	struct target copy;
	struct image img;
	int ghost;			/* an open file is a ghost, a write to it a call */
};

static int inside_open(void)
{
	int fd = open(INSIDE, O_RDWR | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT && !system("modprobe -q ghost_api_test 2> /dev/null"))
		fd = open(INSIDE, O_RDWR | O_CLOEXEC);
	return fd;
}

static int __attribute__((format(printf, 2, 3))) inside(int ghost, const char *fmt, ...)
{
	char text[64];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return write(ghost, text, strlen(text)) < 0 ? -1 : 0;
}

/* Why a call has failed, or which process an import has made */
static const char *inside_result(int ghost)
{
	static char text[4096];
	ssize_t n = pread(ghost, text, sizeof(text) - 1, 0);

	text[n < 0 ? 0 : n] = 0;
	return text;
}

FIXTURE_SETUP(inside)
{
	GHOST_NEEDED();
	self->ghost = inside_open();
	if (self->ghost < 0)
		SKIP(return, INSIDE ": %s; needs root, debugfs and CONFIG_GHOST_API_TEST",
		     strerror(errno));
	ASSERT_EQ(NULL, image_open(&self->img, STORE_TMPFS));
	ASSERT_EQ(0, target_start(&self->t, "alone", NULL));
	ASSERT_TRUE(target_says(&self->t, "ready"));
	ASSERT_TRUE(target_sleeps_in(&self->t, 0, __NR_rt_sigtimedwait));
}

FIXTURE_TEARDOWN(inside)
{
	target_end(&self->t);
	target_end(&self->copy);
	image_close(&self->img);
	close(self->ghost);
}

#define ASSERT_INSIDE(...)						\
	ASSERT_EQ(0, inside(self->ghost, __VA_ARGS__))			\
		TH_LOG("%s: %s", strerror(errno), inside_result(self->ghost))

#define EXPECT_INSIDE_FAILS(_errno, ...) do {				\
	EXPECT_EQ(-1, inside(self->ghost, __VA_ARGS__));		\
	EXPECT_EQ(_errno, errno);					\
} while (0)

/* Each serves one operation */
static void inside_anew(struct __test_metadata *_metadata, FIXTURE_DATA(inside) *self)
{
	close(self->ghost);
	self->ghost = inside_open();
	ASSERT_LE(0, self->ghost);
}

static void inside_import(struct __test_metadata *_metadata, FIXTURE_DATA(inside) *self)
{
	self->copy.in = -1;
	self->copy.out = -1;
	self->copy.pidfd = -1;
	ASSERT_INSIDE("import");
	self->copy.pid = atoi(inside_result(self->ghost));
	ASSERT_LT(0, self->copy.pid) TH_LOG("%s", inside_result(self->ghost));
	self->copy.pidfd = pidfd_open_pid(self->copy.pid);
	ASSERT_LE(0, self->copy.pidfd);
}

/* It sleeps where it slept, and knows what it knew */
static bool answers(struct target *t)
{
	union sigval value = { .sival_int = 2 };
	int status;

	if (!target_sleeps_in(t, 0, __NR_rt_sigtimedwait) || sigqueue(t->pid, SIGUSR1, value) ||
	    target_wait(t, &status))
		return false;
	return WIFEXITED(status) && WEXITSTATUS(status) == 42;
}

TEST_F(inside, module_exports_and_imports_a_process)
{
	ASSERT_INSIDE("write %d %d", GHOST_BACKEND_FILE, self->img.fd);
	ASSERT_INSIDE("export %d", self->t.pid);
	EXPECT_STREQ("", inside_result(self->ghost));
	EXPECT_LT(0, lseek(self->img.fd, 0, SEEK_CUR));

	inside_anew(_metadata, self);
	ASSERT_EQ(0, lseek(self->img.fd, 0, SEEK_SET));
	ASSERT_INSIDE("read %d %d", GHOST_BACKEND_FILE, self->img.fd);
	inside_import(_metadata, self);
	EXPECT_NE(self->t.pid, self->copy.pid);
	EXPECT_TRUE(answers(&self->copy));
	EXPECT_TRUE(answers(&self->t));
}

TEST_F(inside, module_imports_a_memory_ghost)
{
	struct export_call e;

	export_call_init(&e, NULL);
	e.args.pidfd = self->t.pidfd;
	export_to_memory(&e);
	ASSERT_LE(0, export_call(&e)) TH_LOG("report: %s", e.report);
	target_end(&self->t);
	ASSERT_INSIDE("read %d %d", GHOST_BACKEND_MEMORY, e.memory.fd);
	close(e.memory.fd);
	inside_import(_metadata, self);
	EXPECT_TRUE(answers(&self->copy));
}

TEST_F(inside, module_is_told_why_a_process_is_refused)
{
	target_end(&self->t);
	ASSERT_EQ(0, target_start(&self->t, "sleeper", NULL));
	ASSERT_TRUE(target_says(&self->t, "ready"));
	ASSERT_INSIDE("write %d %d", GHOST_BACKEND_FILE, self->img.fd);
	EXPECT_INSIDE_FAILS(EOPNOTSUPP, "export %d", self->t.pid);
	EXPECT_NE(NULL, strstr(inside_result(self->ghost), "fd 0"))
		TH_LOG("%s", inside_result(self->ghost));
	EXPECT_EQ(0, lseek(self->img.fd, 0, SEEK_END));
	EXPECT_TRUE(undisturbed(&self->t));
}

TEST_F(inside, module_that_exports_in_the_wrong_order_is_refused)
{
	/* Without a resource */
	EXPECT_INSIDE_FAILS(EINVAL, "export %d", self->t.pid);
	EXPECT_INSIDE_FAILS(EINVAL, "import");
	/* With one that cannot be had it is as before */
	EXPECT_INSIDE_FAILS(EOPNOTSUPP, "write %d -1", GHOST_BACKEND_MEMORY);
	EXPECT_INSIDE_FAILS(ENODEV, "write 255 %d", self->img.fd);
	EXPECT_INSIDE_FAILS(EBADF, "write %d -1", GHOST_BACKEND_FILE);
	EXPECT_INSIDE_FAILS(EINVAL, "export %d", self->t.pid);
	/* With more than one */
	ASSERT_INSIDE("write %d %d", GHOST_BACKEND_FILE, self->img.fd);
	EXPECT_INSIDE_FAILS(EBUSY, "write %d %d", GHOST_BACKEND_FILE, self->img.fd);
	EXPECT_INSIDE_FAILS(EBUSY, "read %d %d", GHOST_BACKEND_FILE, self->img.fd);
	/* With one for the other way */
	EXPECT_INSIDE_FAILS(EINVAL, "import");
	/* Oneself */
	EXPECT_INSIDE_FAILS(EINVAL, "export %d", getpid());
	EXPECT_EQ(0, lseek(self->img.fd, 0, SEEK_END));
	/* Nothing of this was an operation, but this is, and there is only one */
	ASSERT_INSIDE("export %d", self->t.pid);
	EXPECT_INSIDE_FAILS(EINVAL, "export %d", self->t.pid);
	EXPECT_TRUE(answers(&self->t));
}

TEST_F(inside, module_that_imports_in_the_wrong_order_is_refused)
{
	EXPECT_INSIDE_FAILS(EBADF, "read %d -1", GHOST_BACKEND_MEMORY);
	EXPECT_INSIDE_FAILS(EBADF, "read %d %d", GHOST_BACKEND_MEMORY, self->img.fd);
	ASSERT_INSIDE("write %d %d", GHOST_BACKEND_FILE, self->img.fd);
	ASSERT_INSIDE("export %d", self->t.pid);
	EXPECT_INSIDE_FAILS(EINVAL, "import");

	inside_anew(_metadata, self);
	ASSERT_EQ(0, lseek(self->img.fd, 0, SEEK_SET));
	ASSERT_INSIDE("read %d %d", GHOST_BACKEND_FILE, self->img.fd);
	EXPECT_INSIDE_FAILS(EINVAL, "export %d", self->t.pid);
	EXPECT_INSIDE_FAILS(EBUSY, "read %d %d", GHOST_BACKEND_FILE, self->img.fd);
	inside_import(_metadata, self);
	EXPECT_INSIDE_FAILS(EINVAL, "import");
	EXPECT_TRUE(answers(&self->copy));
	EXPECT_TRUE(answers(&self->t));
}

/*
 * Permissions
 */

FIXTURE(permission)
{
	struct target t;
	struct target copy;
	struct export_call e;
	struct image img;
	char sysctl[16];
};

FIXTURE_SETUP(permission)
{
	GHOST_NEEDED();
	if (geteuid())
		SKIP(return, "needs root");
	ASSERT_LT(0, read_text(SYSCTL, self->sysctl, sizeof(self->sysctl)));
	ASSERT_EQ(NULL, image_open(&self->img, STORE_MEMORY));
}

FIXTURE_TEARDOWN(permission)
{
	write_text(SYSCTL, self->sysctl);
	target_end(&self->t);
	target_end(&self->copy);
	image_close(&self->img);
}

static void start(struct __test_metadata *_metadata, FIXTURE_DATA(permission) *self,
		  const char *name)
{
	ASSERT_EQ(0, target_start(&self->t, name, NULL));
	ASSERT_TRUE(target_says(&self->t, "ready"));
	ASSERT_TRUE(target_sleeps_in(&self->t, 0, __NR_read));
	export_call_init(&self->e, &self->t);
	export_to_memory(&self->e);
}

/* Run the rest as nobody; the parent waits and returns what came of it */
static int as_nobody(void)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		if (setgroups(0, NULL) || setresgid(NOBODY, NOBODY, NOBODY) ||
		    setresuid(NOBODY, NOBODY, NOBODY))
			_exit(254);
		return -1;
	}
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return 255;
	return WEXITSTATUS(status);
}

static int export_as_nobody(struct export_call *e)
{
	int ret = as_nobody();

	if (ret < 0)
		_exit(export_call(e) < 0 ? errno : 0);
	return ret;
}

/* errno of an import by nobody, who then waits for the copy */
static int import_as_nobody(struct target *t, struct image *img, __u64 flags)
{
	struct target copy;
	int ret = as_nobody(), status;

	if (ret >= 0)
		return ret;
	if (import_target(&copy, t, img, flags, NULL)) {
		ret = errno;
		fprintf(stderr, "# import: %m: %s\n", img->report);
		_exit(ret);
	}
	target_wake(&copy);
	if (!target_says(&copy, "ok") || target_wait(&copy, &status) || status)
		_exit(253);
	_exit(0);
}

/* errno of an import by nobody with a seccomp filter that allows everything */
static int import_with_filter(struct target *t, struct image *img)
{
	struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	struct sock_fprog prog = { .len = 1, .filter = &allow };
	struct target copy;
	int ret = as_nobody();

	if (ret >= 0)
		return ret;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog))
		_exit(254);
	if (import_target(&copy, t, img, 0, NULL))
		_exit(errno);
	target_end(&copy);
	_exit(0);
}

TEST_F(permission, process_of_another_user_cannot_be_exported)
{
	start(_metadata, self, "sleeper");
	EXPECT_EQ(EPERM, export_as_nobody(&self->e));
	self->e.args.flags = GHOST_EXPORT_CHECK;
	self->e.args.backend = 0;
	EXPECT_EQ(EPERM, export_as_nobody(&self->e));
	EXPECT_TRUE(undisturbed(&self->t));
}

TEST_F(permission, own_process_can_be_exported_without_privilege)
{
	start(_metadata, self, "nobody");
	EXPECT_EQ(0, export_as_nobody(&self->e));
	EXPECT_TRUE(undisturbed(&self->t));
}

TEST_F(permission, process_that_must_not_be_dumped_cannot_be_exported)
{
	start(_metadata, self, "nobody_secret");
	EXPECT_EQ(EPERM, export_as_nobody(&self->e));
	EXPECT_TRUE(undisturbed(&self->t));
}

TEST_F(permission, import_needs_a_capability)
{
	ASSERT_EQ(0, write_text(SYSCTL, "0\n"));
	start(_metadata, self, "nobody");
	ASSERT_EXPORTED(&self->t, &self->img, 0);
	EXPECT_EQ(EPERM, import_as_nobody(&self->t, &self->img, 0));
}

TEST_F(permission, sysctl_allows_unprivileged_imports)
{
	ASSERT_EQ(0, write_text(SYSCTL, "1\n"));
	start(_metadata, self, "nobody");
	ASSERT_EXPORTED(&self->t, &self->img, 0);
	EXPECT_EQ(0, import_as_nobody(&self->t, &self->img, 0));
}

TEST_F(permission, sysctl_does_not_count_for_who_has_a_seccomp_filter)
{
	ASSERT_EQ(0, write_text(SYSCTL, "1\n"));
	start(_metadata, self, "nobody");
	ASSERT_EXPORTED(&self->t, &self->img, 0);
	EXPECT_EQ(EPERM, import_with_filter(&self->t, &self->img));
}

TEST_F(permission, unprivileged_import_does_not_become_root)
{
	ASSERT_EQ(0, write_text(SYSCTL, "1\n"));
	start(_metadata, self, "sleeper");
	ASSERT_EXPORTED(&self->t, &self->img, 0);
	EXPECT_EQ(EPERM, import_as_nobody(&self->t, &self->img, 0));
}

TEST_F(permission, unprivileged_import_does_not_choose_its_pid)
{
	ASSERT_EQ(0, write_text(SYSCTL, "1\n"));
	start(_metadata, self, "nobody");
	ASSERT_EXPORTED(&self->t, &self->img, 0);
	target_end(&self->t);
	EXPECT_EQ(EPERM, import_as_nobody(&self->t, &self->img, GHOST_IMPORT_KEEP_PID));
}

TEST_F(permission, sysctl_takes_only_0_and_1)
{
	EXPECT_EQ(-1, write_text(SYSCTL, "2\n"));
	EXPECT_EQ(-1, write_text(SYSCTL, "-1\n"));
	EXPECT_EQ(0, write_text(SYSCTL, "1\n"));
	EXPECT_EQ(0, write_text(SYSCTL, "0\n"));
}

TEST_HARNESS_MAIN
