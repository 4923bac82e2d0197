// SPDX-License-Identifier: GPL-2.0
/*
 * What is not carried is refused by name, and then the process goes on as if nothing had
 * happened. The table is Documentation/admin-guide/ghost-state.rst.
 *
 * Each target takes hold of something, says "ready", and in the end looks whether it still
 * has it. What a descriptor stands for lies at descriptor 7.
 */
#include <asm/ldt.h>
#include <asm/prctl.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/io_uring.h>
#include <linux/keyctl.h>
#include <linux/membarrier.h>
#include <linux/mempolicy.h>
#include <linux/netlink.h>
#include <linux/perf_event.h>
#include <linux/sched/types.h>
#include <linux/seccomp.h>
#include <linux/userfaultfd.h>
#include <mqueue.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/fanotify.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/io.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>

#include "../kselftest_harness.h"
#include "ghost_test.h"

#ifndef __NR_mseal
#define __NR_mseal		462
#endif
#ifndef __NR_memfd_secret
#define __NR_memfd_secret	447
#endif
#ifndef __NR_landlock_create_ruleset
#define __NR_landlock_create_ruleset	444
#define __NR_landlock_restrict_self	446
#endif
#ifndef __NR_fsopen
#define __NR_fsopen		430
#endif
#ifndef PR_SET_IO_FLUSHER
#define PR_SET_IO_FLUSHER	57
#endif
#ifndef PR_SET_MEMORY_MERGE
#define PR_SET_MEMORY_MERGE	67
#define PR_GET_MEMORY_MERGE	68
#endif
#ifndef PR_SET_SYSCALL_USER_DISPATCH
#define PR_SET_SYSCALL_USER_DISPATCH	59
#define PR_SYS_DISPATCH_ON	1
#endif
#ifndef F_OFD_SETLK
#define F_OFD_SETLK		37
#endif

#define PAGE	4096UL

/* Not on this machine: nothing to be refused */
static int skip(const char *what)
{
	say("skip: %s: %m", what);
	return 0;
}

#define NEED(_cond)						\
	do {							\
		errno = 0;					\
		if (!(_cond))					\
			return skip(#_cond);			\
	} while (0)

static void seven(int fd)
{
	if (fd >= 0 && fd != 7) {
		check_errno(dup3(fd, 7, O_CLOEXEC) == 7);
		close(fd);
	}
}

/*
 * Descriptors
 */

TARGET(eventfd)
{
	uint64_t value = 0;

	seven(eventfd(5, 0));
	ready();
	check(read(7, &value, 8) == 8 && value == 5);
	return verdict();
}

TARGET(epoll)
{
	struct epoll_event event = { .events = EPOLLOUT };

	seven(epoll_create1(0));
	check_errno(!epoll_ctl(7, EPOLL_CTL_ADD, 1, &event));
	ready();
	check(epoll_wait(7, &event, 1, 0) == 1);
	return verdict();
}

TARGET(timerfd)
{
	struct itimerspec its = { .it_value = { 1000, 0 } };

	seven(timerfd_create(CLOCK_MONOTONIC, 0));
	check_errno(!timerfd_settime(7, 0, &its, NULL));
	ready();
	check_errno(!timerfd_gettime(7, &its));
	check(its.it_value.tv_sec > 800);
	return verdict();
}

TARGET(signalfd)
{
	struct signalfd_siginfo info;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	seven(signalfd(-1, &set, 0));
	ready();
	raise(SIGUSR1);
	check(read(7, &info, sizeof(info)) == sizeof(info) && info.ssi_signo == SIGUSR1);
	return verdict();
}

TARGET(inotify)
{
	seven(inotify_init1(0));
	check_errno(inotify_add_watch(7, "/tmp", IN_CREATE) >= 0);
	ready();
	check(inotify_add_watch(7, "/", IN_CREATE) >= 0);
	return verdict();
}

TARGET(fanotify)
{
	int fd = fanotify_init(FAN_CLASS_NOTIF, O_RDONLY);

	NEED(fd >= 0);
	seven(fd);
	ready();
	check(fcntl(7, F_GETFD) >= 0);
	return verdict();
}

TARGET(userfaultfd)
{
	int fd = syscall(SYS_userfaultfd, O_NONBLOCK);
	struct uffdio_api api = { .api = UFFD_API };

	NEED(fd >= 0);
	seven(fd);
	ready();
	check_errno(!ioctl(7, UFFDIO_API, &api));
	return verdict();
}

TARGET(pipe)
{
	int fds[2];
	char c;

	check_errno(!pipe(fds));
	check(write(fds[1], "x", 1) == 1);
	close(fds[1]);
	seven(fds[0]);
	ready();
	check(read(7, &c, 1) == 1 && c == 'x');
	return verdict();
}

TARGET(fifo)
{
	char path[64];

	snprintf(path, sizeof(path), "/tmp/ghost-fifo-%d", getpid());
	check_errno(!mkfifo(path, 0600));
	seven(open(path, O_RDWR));
	ready();
	check(write(7, "x", 1) == 1);
	unlink(path);
	return verdict();
}

static int hold_socket(int domain, int type, int protocol)
{
	int fd = socket(domain, type, protocol);

	NEED(fd >= 0);
	seven(fd);
	ready();
	check(fcntl(7, F_GETFD) >= 0);
	return verdict();
}

TARGET(unix_socket)
{
	int sv[2];
	char c;

	check_errno(!socketpair(AF_UNIX, SOCK_STREAM, 0, sv));
	check(write(sv[1], "x", 1) == 1);
	close(sv[1]);
	seven(sv[0]);
	ready();
	check(read(7, &c, 1) == 1 && c == 'x');
	return verdict();
}

TARGET(tcp_socket)
{
	return hold_socket(AF_INET, SOCK_STREAM, 0);
}

TARGET(udp6_socket)
{
	return hold_socket(AF_INET6, SOCK_DGRAM, 0);
}

TARGET(netlink_socket)
{
	return hold_socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
}

TARGET(packet_socket)
{
	return hold_socket(AF_PACKET, SOCK_RAW, 0);
}

TARGET(terminal)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY);
	char name[64], c;

	check_errno(master >= 0 && !grantpt(master) && !unlockpt(master));
	check_errno(!ptsname_r(master, name, sizeof(name)));
	seven(open(name, O_RDWR | O_NOCTTY));
	ready();
	check(write(7, "x", 1) == 1);
	check(read(master, &c, 1) == 1 && c == 'x');
	return verdict();
}

static int hold_file(const char *path, int flags)
{
	int fd = open(path, flags);

	NEED(fd >= 0);
	seven(fd);
	ready();
	check(fcntl(7, F_GETFD) >= 0);
	return verdict();
}

TARGET(proc_file)
{
	return hold_file("/proc/self/maps", O_RDONLY);
}

TARGET(sysfs_file)
{
	return hold_file("/sys/kernel/mm/transparent_hugepage/enabled", O_RDONLY);
}

TARGET(cgroup_directory)
{
	return hold_file("/sys/fs/cgroup", O_RDONLY | O_DIRECTORY);
}

TARGET(namespace_file)
{
	return hold_file("/proc/self/ns/net", O_RDONLY);
}

TARGET(kernel_log)
{
	return hold_file("/dev/kmsg", O_RDONLY);
}

TARGET(block_device)
{
	int fd = open("/dev/vda", O_RDONLY);

	if (fd < 0)
		fd = open("/dev/loop0", O_RDONLY);
	if (fd < 0)
		fd = open("/dev/sda", O_RDONLY);
	NEED(fd >= 0);
	seven(fd);
	ready();
	check(lseek(7, 0, SEEK_CUR) == 0);
	return verdict();
}

TARGET(path_only)
{
	return hold_file("/tmp", O_PATH);
}

static int temp_file(char *path)
{
	int fd;

	strcpy(path, "/tmp/ghost-refuse-XXXXXX");
	fd = mkstemp(path);
	check_errno(fd >= 0);
	check(write(fd, "0123456789", 10) == 10);
	return fd;
}

TARGET(deleted_file)
{
	char path[64];

	seven(temp_file(path));
	check_errno(!unlink(path));
	ready();
	check(write(7, "x", 1) == 1);
	return verdict();
}

TARGET(temporary_file)
{
	int fd = open("/var/tmp", O_TMPFILE | O_RDWR, 0600);

	NEED(fd >= 0);
	seven(fd);
	ready();
	check(write(7, "x", 1) == 1);
	return verdict();
}

TARGET(deleted_directory)
{
	char path[64] = "/tmp/ghost-refuse-XXXXXX";

	check_errno(mkdtemp(path) && !chdir(path) && !rmdir(path));
	ready();
	return verdict();
}

TARGET(memfd)
{
	seven(memfd_create("of the ghost", 0));
	ready();
	check(write(7, "x", 1) == 1);
	return verdict();
}

TARGET(secret_memory)
{
	int fd = syscall(__NR_memfd_secret, 0);
	char *p;

	NEED(fd >= 0);
	check_errno(!ftruncate(fd, PAGE));
	p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	NEED(p != MAP_FAILED);
	p[0] = 'x';
	close(fd);
	ready();
	check(p[0] == 'x');
	return verdict();
}

TARGET(pidfd)
{
	seven(pidfd_open_pid(getppid()));
	ready();
	check(fcntl(7, F_GETFD) >= 0);
	return verdict();
}

TARGET(message_queue)
{
	struct mq_attr attr = { .mq_maxmsg = 1, .mq_msgsize = 8 };
	char name[32], buf[8];
	int fd;

	snprintf(name, sizeof(name), "/ghost-%d", getpid());
	fd = mq_open(name, O_RDWR | O_CREAT, 0600, &attr);
	NEED(fd >= 0);
	mq_unlink(name);
	seven(fd);
	check(!mq_send(7, "x", 1, 0));
	ready();
	check(mq_receive(7, buf, 8, NULL) == 1);
	return verdict();
}

TARGET(perf_event)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE, .size = sizeof(attr),
		.config = PERF_COUNT_SW_CONTEXT_SWITCHES,
	};
	uint64_t count;
	int fd = syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);

	NEED(fd >= 0);
	seven(fd);
	ready();
	check(read(7, &count, 8) == 8);
	return verdict();
}

TARGET(bpf_map)
{
	union bpf_attr attr;
	int fd;

	memset(&attr, 0, sizeof(attr));
	attr.map_type = BPF_MAP_TYPE_ARRAY;
	attr.key_size = 4;
	attr.value_size = 4;
	attr.max_entries = 1;
	fd = syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof(attr));
	NEED(fd >= 0);
	seven(fd);
	ready();
	check(fcntl(7, F_GETFD) >= 0);
	return verdict();
}

TARGET(landlock_ruleset)
{
	struct { uint64_t access_fs; } attr = { 1 };
	int fd = syscall(__NR_landlock_create_ruleset, &attr, sizeof(attr), 0);

	NEED(fd >= 0);
	seven(fd);
	ready();
	return verdict();
}

TARGET(file_system_context)
{
	int fd = syscall(__NR_fsopen, "tmpfs", 0);

	NEED(fd >= 0);
	seven(fd);
	ready();
	return verdict();
}

TARGET(posix_lock)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	char path[64];

	seven(temp_file(path));
	check_errno(!fcntl(7, F_SETLK, &lock));
	ready();
	check_errno(!unlink(path));
	return verdict();
}

TARGET(open_file_description_lock)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	char path[64];

	seven(temp_file(path));
	check_errno(!fcntl(7, F_OFD_SETLK, &lock));
	ready();
	check_errno(!unlink(path));
	return verdict();
}

TARGET(flock)
{
	char path[64];

	seven(temp_file(path));
	check_errno(!flock(7, LOCK_EX));
	ready();
	check(flock(open(path, O_RDONLY), LOCK_EX | LOCK_NB) == -1 && errno == EWOULDBLOCK);
	check_errno(!unlink(path));
	return verdict();
}

TARGET(lease)
{
	char path[64];
	int fd;

	close(temp_file(path));
	fd = open(path, O_RDONLY);
	NEED(!fcntl(fd, F_SETLEASE, F_RDLCK));
	/* A lease belongs to this open file */
	check_errno(dup2(fd, 7) == 7);
	close(fd);
	ready();
	check(fcntl(7, F_GETLEASE) == F_RDLCK);
	check_errno(!unlink(path));
	return verdict();
}

TARGET(signal_owner)
{
	char path[64];

	seven(temp_file(path));
	check_errno(!fcntl(7, F_SETOWN, getpid()));
	ready();
	check(fcntl(7, F_GETOWN) == getpid());
	check_errno(!unlink(path));
	return verdict();
}

TARGET(directory_notification)
{
	seven(open("/tmp", O_RDONLY | O_DIRECTORY));
	NEED(!fcntl(7, F_NOTIFY, DN_CREATE | DN_MULTISHOT));
	signal(SIGIO, SIG_IGN);
	ready();
	return verdict();
}

/*
 * Memory
 */

TARGET(shared_file_mapping)
{
	char path[64];
	int fd = temp_file(path);
	char *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	check_errno(p != MAP_FAILED);
	close(fd);
	p[0] = 'x';
	ready();
	p[1] = 'y';
	fd = open(path, O_RDONLY);
	check(read(fd, path, 2) == 2 && path[0] == 'x' && path[1] == 'y');
	return verdict();
}

TARGET(deleted_file_mapping)
{
	char path[64];
	int fd = temp_file(path);
	char *p = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0);

	check_errno(p != MAP_FAILED);
	close(fd);
	unlink(path);
	ready();
	check(p[3] == '3');
	return verdict();
}

TARGET(memfd_mapping)
{
	int fd = memfd_create("of the ghost", 0);
	char *p;

	check_errno(!ftruncate(fd, PAGE));
	p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	check_errno(p != MAP_FAILED);
	close(fd);
	p[0] = 'x';
	ready();
	check(p[0] == 'x');
	return verdict();
}

TARGET(system_v_shared_memory)
{
	int id = shmget(IPC_PRIVATE, PAGE, 0600);
	char *p = shmat(id, NULL, 0);

	NEED(p != (void *)-1);
	shmctl(id, IPC_RMID, NULL);
	p[0] = 'x';
	ready();
	check(p[0] == 'x');
	return verdict();
}

TARGET(hugetlb)
{
	char *p = mmap(NULL, 2 << 20, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_NORESERVE, -1, 0);

	NEED(p != MAP_FAILED);
	ready();
	check_errno(!munmap(p, 2 << 20));
	return verdict();
}

TARGET(userfaultfd_memory)
{
	int fd = syscall(SYS_userfaultfd, O_NONBLOCK);
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	struct uffdio_zeropage zero = { 0 };
	char *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	NEED(fd >= 0);
	check_errno(!ioctl(fd, UFFDIO_API, &api));
	reg.range.start = (uintptr_t)p;
	reg.range.len = PAGE;
	check_errno(!ioctl(fd, UFFDIO_REGISTER, &reg));
	ready();
	zero.range = reg.range;
	check_errno(!ioctl(fd, UFFDIO_ZEROPAGE, &zero));
	check(p[0] == 0);
	return verdict();
}

TARGET(sealed_mapping)
{
	char *p = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	NEED(!syscall(__NR_mseal, p, PAGE, 0));
	ready();
	check(munmap(p, PAGE) == -1);
	return verdict();
}

TARGET(protection_key)
{
	char *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int key = pkey_alloc(0, 0);

	NEED(key > 0);
	check_errno(!pkey_mprotect(p, PAGE, PROT_READ | PROT_WRITE, key));
	ready();
	p[0] = 1;
	return verdict();
}

TARGET(device_memory)
{
	int fd = open("/dev/mem", O_RDONLY);
	volatile char *p;

	NEED(fd >= 0);
	p = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0xf0000);
	NEED(p != MAP_FAILED);
	close(fd);
	ready();
	(void)p[0];
	return verdict();
}

/* A process beside us, whose parent is the test; it shares what @flags say */
static pid_t sibling(unsigned long flags)
{
	pid_t pid = syscall(SYS_clone, flags | CLONE_PARENT | SIGCHLD, NULL, NULL, NULL, 0);

	while (!pid)
		pause();
	return pid;
}

static int pause_forever(void *unused)
{
	for (;;)
		syscall(SYS_pause);
	return 0;
}

/* The same with the memory, too: on a stack of its own */

static pid_t sibling_with_memory(unsigned long flags)
{
	static char stack[65536] __attribute__((aligned(16)));

	return clone(pause_forever, stack + sizeof(stack),
		     flags | CLONE_VM | CLONE_PARENT | SIGCHLD, NULL);
}

TARGET(memory_of_two_processes)
{
	check_errno(sibling_with_memory(0) > 0);
	ready();
	return verdict();
}

TARGET(shared_memory_of_two_processes)
{
	char *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	p[0] = 'x';
	check_errno(sibling(0) > 0);
	ready();
	check(p[0] == 'x');
	return verdict();
}

TARGET(descriptors_of_two_processes)
{
	check_errno(sibling(CLONE_FILES) > 0);
	ready();
	return verdict();
}

TARGET(directory_of_two_processes)
{
	check_errno(sibling(CLONE_FS) > 0);
	ready();
	return verdict();
}

TARGET(handlers_of_two_processes)
{
	check_errno(sibling_with_memory(CLONE_SIGHAND) > 0);
	ready();
	return verdict();
}

static void *unshare_thread(void *flags)
{
	if (unshare((long)flags))
		wrong("unshare: %m");
	say("ready");
	for (;;)
		pause();
	return NULL;
}

static int start_unshared(long flags)
{
	pthread_t thread;

	pthread_create(&thread, NULL, unshare_thread, (void *)flags);
	hear();
	return verdict();
}

TARGET(thread_with_its_own_descriptors)
{
	return start_unshared(CLONE_FILES);
}

TARGET(thread_with_its_own_directory)
{
	return start_unshared(CLONE_FS);
}

static void *setuid_thread(void *unused)
{
	/* The system call: the C library would change all threads */
	if (syscall(SYS_setresuid, 1, 1, 1))
		wrong("setresuid: %m");
	say("ready");
	for (;;)
		pause();
	return unused;
}

TARGET(thread_with_its_own_credentials)
{
	pthread_t thread;

	pthread_create(&thread, NULL, setuid_thread, NULL);
	hear();
	check(!getuid());
	return verdict();
}

TARGET(aio_context)
{
	aio_context_t ctx = 0;

	NEED(!syscall(SYS_io_setup, 4, &ctx));
	ready();
	check_errno(!syscall(SYS_io_destroy, ctx));
	return verdict();
}

TARGET(membarrier)
{
	NEED(!syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0));
	ready();
	check_errno(!syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0));
	return verdict();
}

TARGET(memory_merge)
{
	NEED(!prctl(PR_SET_MEMORY_MERGE, 1, 0, 0, 0));
	ready();
	check(prctl(PR_GET_MEMORY_MERGE, 0, 0, 0, 0) == 1);
	return verdict();
}

/*
 * Processes and threads
 */

TARGET(child)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		pause();
		_exit(0);
	}
	ready();
	kill(pid, SIGTERM);
	check(waitpid(pid, &status, 0) == pid && WTERMSIG(status) == SIGTERM);
	return verdict();
}

TARGET(child_that_is_dead)
{
	pid_t pid = fork();
	int status;

	if (!pid)
		_exit(3);
	check(proc_state_becomes(pid, 0, 'Z'));
	ready();
	check(waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 3);
	return verdict();
}

TARGET(tracer)
{
	pid_t pid = sibling(0);
	int status;

	check_errno(!ptrace(PTRACE_SEIZE, pid, 0, 0));
	ready();
	check_errno(!ptrace(PTRACE_INTERRUPT, pid, 0, 0));
	check_errno(waitpid(pid, &status, __WALL) == pid);
	return verdict();
}

TARGET(alarm)
{
	alarm(1000);
	ready();
	check(alarm(0) > 800);
	return verdict();
}

static int hold_itimer(int which)
{
	struct itimerval itv = { { 0, 0 }, { 1000, 0 } };

	check_errno(!setitimer(which, &itv, NULL));
	ready();
	check_errno(!getitimer(which, &itv));
	check(itv.it_value.tv_sec > 800);
	return verdict();
}

TARGET(virtual_timer)
{
	return hold_itimer(ITIMER_VIRTUAL);
}

TARGET(profiling_timer)
{
	return hold_itimer(ITIMER_PROF);
}

TARGET(posix_timer)
{
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
	struct itimerspec its = { .it_value = { 1000, 0 } };
	timer_t timer;

	check_errno(!timer_create(CLOCK_MONOTONIC, &event, &timer));
	check_errno(!timer_settime(timer, 0, &its, NULL));
	ready();
	check_errno(!timer_gettime(timer, &its));
	check(its.it_value.tv_sec > 800);
	return verdict();
}

TARGET(io_uring)
{
	struct io_uring_params p = { 0 };
	int fd = syscall(SYS_io_uring_setup, 4, &p);

	NEED(fd >= 0);
	seven(fd);
	ready();
	check(syscall(SYS_io_uring_enter, 7, 0, 0, 0, NULL, 0) == 0);
	return verdict();
}

TARGET(io_uring_that_was_closed)
{
	struct io_uring_params p = { 0 };
	int fd = syscall(SYS_io_uring_setup, 4, &p);

	NEED(fd >= 0);
	close(fd);
	ready();
	return verdict();
}

TARGET(semaphore_undo)
{
	int id = semget(IPC_PRIVATE, 1, 0600);
	struct sembuf op = { 0, 1, SEM_UNDO };

	NEED(id >= 0);
	check_errno(!semop(id, &op, 1));
	ready();
	check(semctl(id, 0, GETVAL) == 1);
	semctl(id, 0, IPC_RMID);
	return verdict();
}

TARGET(seccomp_filter)
{
	struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	struct sock_fprog prog = { 1, &allow };

	NEED(!prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog));
	ready();
	check(prctl(PR_GET_SECCOMP) == SECCOMP_MODE_FILTER);
	return verdict();
}

TARGET(seccomp_strict)
{
	NEED(!prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT));
	ready();
	syscall(SYS_exit, verdict());
	return 0;
}

TARGET(landlock_domain)
{
	struct { uint64_t access_fs; } attr = { 1 };
	int fd = syscall(__NR_landlock_create_ruleset, &attr, sizeof(attr), 0);

	NEED(fd >= 0);
	check_errno(!prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	check_errno(!syscall(__NR_landlock_restrict_self, fd, 0));
	close(fd);
	ready();
	return verdict();
}

static int hold_namespace(int flag)
{
	NEED(!unshare(flag));
	ready();
	return verdict();
}

TARGET(user_namespace)
{
	return hold_namespace(CLONE_NEWUSER);
}

TARGET(mount_namespace)
{
	return hold_namespace(CLONE_NEWNS);
}

TARGET(network_namespace)
{
	return hold_namespace(CLONE_NEWNET);
}

TARGET(ipc_namespace)
{
	return hold_namespace(CLONE_NEWIPC);
}

TARGET(uts_namespace)
{
	return hold_namespace(CLONE_NEWUTS);
}

TARGET(cgroup_namespace)
{
	return hold_namespace(CLONE_NEWCGROUP);
}

TARGET(pid_namespace_of_children)
{
	return hold_namespace(CLONE_NEWPID);
}

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME	0x80
#endif

TARGET(time_namespace_of_children)
{
	return hold_namespace(CLONE_NEWTIME);
}

TARGET(deadline_scheduling)
{
	struct sched_attr attr = {
		.size = sizeof(attr), .sched_policy = SCHED_DEADLINE,
		.sched_runtime = 10000000, .sched_deadline = 100000000,
		.sched_period = 100000000,
	};

	NEED(!syscall(SYS_sched_setattr, 0, &attr, 0));
	ready();
	check(sched_getscheduler(0) == SCHED_DEADLINE);
	return verdict();
}

TARGET(time_slice)
{
	struct sched_attr attr = { .size = sizeof(attr), .sched_runtime = 5000000 };

	NEED(!syscall(SYS_sched_setattr, 0, &attr, 0));
	ready();
	return verdict();
}

TARGET(cpu_affinity)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(0, &set);
	NEED(sysconf(_SC_NPROCESSORS_ONLN) > 1);
	NEED(!sched_setaffinity(0, sizeof(set), &set));
	ready();
	check_errno(!sched_getaffinity(0, sizeof(set), &set));
	check(CPU_COUNT(&set) == 1);
	return verdict();
}

TARGET(memory_policy)
{
	unsigned long nodes = 1;

	NEED(!syscall(SYS_set_mempolicy, MPOL_BIND, &nodes, 8));
	ready();
	return verdict();
}

TARGET(io_flusher)
{
	NEED(!prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0));
	ready();
	return verdict();
}

TARGET(machine_check_policy)
{
	NEED(!prctl(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_EARLY, 0, 0));
	ready();
	check(prctl(PR_MCE_KILL_GET, 0, 0, 0, 0) == PR_MCE_KILL_EARLY);
	return verdict();
}

/* Nobody may read the clock from here on: the vDSO uses the counter */
TARGET(tsc_disabled)
{
	NEED(!prctl(PR_SET_TSC, PR_TSC_SIGSEGV, 0, 0, 0));
	ready();
	return verdict();
}

TARGET(cpuid_disabled)
{
	NEED(!syscall(SYS_arch_prctl, ARCH_SET_CPUID, 0));
	ready();
	return verdict();
}

TARGET(speculation_control)
{
	NEED(!prctl(PR_SET_SPECULATION_CTRL, PR_SPEC_STORE_BYPASS, PR_SPEC_DISABLE, 0, 0));
	ready();
	return verdict();
}

TARGET(user_dispatch)
{
	static volatile char selector;

	NEED(!prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_ON, 0, 0, &selector));
	ready();
	return verdict();
}

TARGET(other_personality)
{
	NEED(personality(PER_BSD) != -1);
	ready();
	check(personality(0xffffffff) == PER_BSD);
	return verdict();
}

TARGET(local_descriptor_table)
{
	struct user_desc desc = { .entry_number = 0, .limit = 0xfffff, .seg_32bit = 1,
				  .limit_in_pages = 1 };

	NEED(!syscall(SYS_modify_ldt, 1, &desc, sizeof(desc)));
	ready();
	return verdict();
}

TARGET(global_descriptor_table)
{
	struct user_desc desc = { .entry_number = -1, .limit = 0xfffff, .seg_32bit = 1,
				  .limit_in_pages = 1 };

	NEED(!syscall(SYS_set_thread_area, &desc));
	ready();
	return verdict();
}

TARGET(port_permissions)
{
	NEED(!ioperm(0x80, 1, 1));
	ready();
	outb(0, 0x80);
	return verdict();
}

TARGET(io_privilege_level)
{
	NEED(!iopl(3));
	ready();
	outb(0, 0x80);
	return verdict();
}

TARGET(process_keyring)
{
	NEED(syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_PROCESS_KEYRING, 1) > 0);
	ready();
	return verdict();
}

static pthread_mutex_t pi_mutex;

static void *pi_waiter(void *unused)
{
	pthread_mutex_lock(&pi_mutex);
	pthread_mutex_unlock(&pi_mutex);
	return unused;
}

TARGET(pi_futex_that_is_waited_for)
{
	pthread_mutexattr_t attr;
	pthread_t thread;

	pthread_mutexattr_init(&attr);
	NEED(!pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_INHERIT));
	NEED(!pthread_mutex_init(&pi_mutex, &attr));
	pthread_mutex_lock(&pi_mutex);
	pthread_create(&thread, NULL, pi_waiter, NULL);
	/* Until it is in the kernel */
	while (proc_state(getpid(), getpid() + 1) == 'R')
		sleep_ms(1);
	sleep_ms(100);
	ready();
	pthread_mutex_unlock(&pi_mutex);
	pthread_join(thread, NULL);
	return verdict();
}

TARGET(memory_ghost)
{
	static struct export_call e;
	struct target t;

	check(!target_start(&t, "eventless", NULL));
	check(target_says(&t, "ready"));
	export_call_init(&e, &t);
	export_to_memory(&e);
	check_errno(export_call(&e) >= 0);
	target_end(&t);
	seven(e.memory.fd);
	ready();
	check(fcntl(7, F_GETFD) >= 0);
	return verdict();
}

TARGET(eventless)
{
	ready();
	return verdict();
}

/*
 * Each of them
 */

FIXTURE(held)
{
	struct target t;
	struct export_call e;
	struct image file;
};

FIXTURE_VARIANT(held)
{
	const char *target;
	const char *object;
	const char *what;
};

FIXTURE_SETUP(held)
{
	GHOST_NEEDED();
	ASSERT_EQ(NULL, image_open(&self->file, STORE_TMPFS));
}

FIXTURE_TEARDOWN(held)
{
	target_end(&self->t);
	image_close(&self->file);
	/* What the target has left beside it */
	kill_children();
}

#define H(_name, _object, _what)					\
	FIXTURE_VARIANT_ADD(held, _name)				\
	{								\
		.target = #_name, .object = _object, .what = _what,	\
	}

H(eventfd, "fd 7", "eventfd");
H(epoll, "fd 7", "eventpoll");
H(timerfd, "fd 7", "timerfd");
H(signalfd, "fd 7", "signalfd");
H(inotify, "fd 7", "inotify");
H(fanotify, "fd 7", "fanotify");
H(userfaultfd, "fd 7", "userfaultfd");
H(pipe, "fd 7", "pipe");
H(fifo, "fd 7", "FIFO");
H(unix_socket, "fd 7", "UNIX socket");
H(tcp_socket, "fd 7", "IPv4 socket");
H(udp6_socket, "fd 7", "IPv6 socket");
H(netlink_socket, "fd 7", "netlink socket");
H(packet_socket, "fd 7", "socket");
H(terminal, "fd ", "terminal /dev/pt");
H(proc_file, "fd 7", "file system proc");
H(sysfs_file, "fd 7", "file system sysfs");
H(cgroup_directory, "fd 7", "file system cgroup");
H(namespace_file, "fd 7", "net:");
H(kernel_log, "fd 7", "character device");
H(block_device, "fd 7", "block device");
H(path_only, "fd 7", "O_PATH");
H(deleted_file, "fd 7", "deleted file");
H(temporary_file, "fd 7", "deleted file");
H(deleted_directory, "working directory", "deleted file");
H(memfd, "fd 7", "memfd");
H(pidfd, "fd 7", "pidfd");
H(message_queue, "fd 7", "mqueue");
H(perf_event, "", "perf");
H(bpf_map, "fd 7", "bpf-map");
H(landlock_ruleset, "fd 7", "landlock-ruleset");
H(file_system_context, "fd 7", "fscontext");
H(memory_ghost, "fd 7", "ghost");
H(posix_lock, "fd 7", "POSIX lock");
H(open_file_description_lock, "fd 7", "open file description lock");
H(flock, "fd 7", "flock");
H(lease, "fd 7", "lease");
H(signal_owner, "fd 7", "signal-driven I/O");
H(directory_notification, "fd 7", "F_NOTIFY");
H(shared_file_mapping, "mapping", "writable shared mapping of a file");
H(deleted_file_mapping, "mapping", "deleted file");
H(memfd_mapping, "mapping", "deleted file");
H(secret_memory, "mapping", "mapping");
H(system_v_shared_memory, "mapping", "writable shared mapping of a file");
H(hugetlb, "mapping", "hugetlbfs");
H(userfaultfd_memory, "", "userfaultfd");
H(sealed_mapping, "mapping", "sealed");
H(protection_key, "", "protection key");
H(device_memory, "mapping", "device memory");
H(memory_of_two_processes, "memory", "shared");
H(shared_memory_of_two_processes, "mapping", "shared with another process");
H(descriptors_of_two_processes, "process", "descriptors are shared");
H(directory_of_two_processes, "process", "working directory is shared");
H(handlers_of_two_processes, "process", "shared");
H(thread_with_its_own_descriptors, "thread", "descriptors of its own");
H(thread_with_its_own_directory, "thread", "working directory of its own");
H(thread_with_its_own_credentials, "thread", "own credentials");
H(aio_context, "memory", "asynchronous I/O context");
H(membarrier, "memory", "membarrier");
H(memory_merge, "memory", "PR_SET_MEMORY_MERGE");
H(child, "process", "child process");
H(child_that_is_dead, "process", "child process");
H(tracer, "process", "traces another process");
H(alarm, "process", "interval timer");
H(virtual_timer, "process", "interval timer");
H(profiling_timer, "process", "interval timer");
H(posix_timer, "process", "POSIX timer");
H(io_uring, "io_uring", "io_uring");
H(io_uring_that_was_closed, "thread", "io_uring");
H(semaphore_undo, "thread", "semaphore undo");
H(seccomp_filter, "thread", "seccomp");
H(seccomp_strict, "thread", "seccomp");
H(landlock_domain, "thread", "Landlock");
H(user_namespace, "", "user namespace");
H(mount_namespace, "thread", "mount namespace");
H(network_namespace, "thread", "network namespace");
H(ipc_namespace, "thread", "IPC namespace");
H(uts_namespace, "thread", "UTS namespace");
H(cgroup_namespace, "thread", "cgroup namespace");
H(pid_namespace_of_children, "thread", "pid namespace");
H(time_namespace_of_children, "thread", "time namespace");
H(deadline_scheduling, "thread", "scheduling policy");
H(time_slice, "thread", "time slice");
H(cpu_affinity, "thread", "CPU affinity");
H(memory_policy, "thread", "memory policy");
H(io_flusher, "thread", "IO_FLUSHER");
H(machine_check_policy, "thread", "MCE_KILL");
H(tsc_disabled, "thread", "TSC");
H(cpuid_disabled, "thread", "CPUID");
H(speculation_control, "thread", "speculation control");
H(user_dispatch, "thread", "user dispatch");
H(other_personality, "thread", "personality");
H(local_descriptor_table, "", "LDT");
H(global_descriptor_table, "thread", "TLS");
H(port_permissions, "thread", "I/O");
H(io_privilege_level, "thread", "I/O");
H(process_keyring, "thread", "keyring");
H(pi_futex_that_is_waited_for, "thread", "PI futex");

/* Is there a line in the report that has both words? */
static bool reported(const char *report, const char *object, const char *what)
{
	const char *line, *end;
	char copy[512];

	for (line = report; *line; line = *end ? end + 1 : end) {
		end = strchrnul(line, '\n');
		snprintf(copy, sizeof(copy), "%.*s", (int)(end - line), line);
		if (strstr(copy, object) && strstr(copy, what))
			return true;
	}
	return false;
}

TEST_F(held, it_is_refused_by_name_and_the_process_goes_on)
{
	const char *line;
	int status;

	ASSERT_EQ(0, target_start(&self->t, variant->target, NULL));
	line = target_line(&self->t);
	ASSERT_NE(NULL, line);
	if (!strncmp(line, "skip: ", 6))
		SKIP(return, "%s", line + 6);
	ASSERT_STREQ("ready", line);
	ASSERT_TRUE(target_sleeps_in(&self->t, 0, __NR_read));

	export_call_init(&self->e, &self->t);
	self->e.args.flags = GHOST_EXPORT_CHECK;
	EXPECT_EQ(-1, export_call(&self->e));
	EXPECT_EQ(EOPNOTSUPP, errno);
	EXPECT_TRUE(reported(self->e.report, variant->object, variant->what))
		TH_LOG("check: %s", self->e.report);

	export_call_init(&self->e, &self->t);
	export_to_memory(&self->e);
	EXPECT_EQ(-1, export_call(&self->e));
	EXPECT_EQ(EOPNOTSUPP, errno);
	EXPECT_TRUE(reported(self->e.report, variant->object, variant->what))
		TH_LOG("export: %s", self->e.report);

	EXPECT_EQ(-1, export_target(&self->t, &self->file, 0));
	EXPECT_EQ(EOPNOTSUPP, errno);
	EXPECT_EQ(0, lseek(self->file.fd, 0, SEEK_END));

	ASSERT_TRUE(target_sleeps_in(&self->t, 0, __NR_read));
	ASSERT_EQ(0, target_wake(&self->t));
	EXPECT_TRUE(target_says(&self->t, "ok"));
	ASSERT_EQ(0, target_wait(&self->t, &status));
	EXPECT_EQ(0, status);
}

TARGET(many)
{
	timer_t timer;

	seven(eventfd(0, 0));
	check(dup2(timerfd_create(CLOCK_MONOTONIC, 0), 8) == 8);
	check(dup2(socket(AF_INET, SOCK_STREAM, 0), 9) == 9);
	check_errno(!timer_create(CLOCK_MONOTONIC, NULL, &timer));
	alarm(1000);
	check(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, memfd_create("ghost", 0), 0) !=
	      MAP_FAILED);
	check_errno(!unshare(CLONE_NEWUTS));
	ready();
	return verdict();
}

FIXTURE(check)
{
	struct target t;
	struct export_call e;
};

FIXTURE_SETUP(check)
{
	GHOST_NEEDED();
}

FIXTURE_TEARDOWN(check)
{
	target_end(&self->t);
}

TEST_F(check, lists_everything_at_once)
{
	static const char *const words[][2] = {
		{ "fd 7", "eventfd" }, { "fd 8", "timerfd" }, { "fd 9", "IPv4 socket" },
		{ "process", "POSIX timer" }, { "process", "interval timer" },
		{ "mapping", "memfd" }, { "thread", "UTS namespace" },
	};
	unsigned int i;

	ASSERT_EQ(0, target_start(&self->t, "many", NULL));
	ASSERT_TRUE(target_says(&self->t, "ready"));
	export_call_init(&self->e, &self->t);
	self->e.args.flags = GHOST_EXPORT_CHECK;
	EXPECT_EQ(-1, export_call(&self->e));
	EXPECT_EQ(EOPNOTSUPP, errno);
	for (i = 0; i < ARRAY_SIZE(words); i++)
		EXPECT_TRUE(reported(self->e.report, words[i][0], words[i][1]))
			TH_LOG("%s, %s: not in: %s", words[i][0], words[i][1], self->e.report);
	ASSERT_EQ(0, target_wake(&self->t));
	EXPECT_TRUE(target_says(&self->t, "ok"));
}

TEST_F(check, lists_descriptors_that_are_not_in_the_fd_map)
{
	ASSERT_EQ(0, target_start(&self->t, "eventless", NULL));
	ASSERT_TRUE(target_says(&self->t, "ready"));
	export_call_init(&self->e, &self->t);
	self->e.args.flags = GHOST_EXPORT_CHECK;
	EXPECT_EQ(0, export_call(&self->e));
	EXPECT_STREQ("", self->e.report);
	/* All but descriptor 1 */
	self->e.map[1] = self->e.map[2];
	self->e.args.fd_map_len = 2;
	EXPECT_EQ(-1, export_call(&self->e));
	EXPECT_EQ(EOPNOTSUPP, errno);
	EXPECT_TRUE(reported(self->e.report, "fd 1", "pipe")) TH_LOG("%s", self->e.report);
	EXPECT_FALSE(reported(self->e.report, "fd 0", "pipe")) TH_LOG("%s", self->e.report);
}

/* One mapping cut into so many */
TARGET(pieces_of_shared_memory)
{
	size_t i, n = atol(arg);
	char *p = mmap(NULL, n * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	check_errno(p != MAP_FAILED);
	for (i = 0; i < n; i += 2)
		check_errno(!mprotect(p + i * PAGE, PAGE, PROT_READ));
	ready();
	return verdict();
}

/* Milliseconds that a check takes */
static int64_t time_of_check(struct __test_metadata *_metadata, FIXTURE_DATA(check) *self,
			     const char *pieces)
{
	struct target_options o = { .arg = pieces };
	int64_t best = INT64_MAX, start, ms;
	int i;

	ASSERT_EQ(0, target_start(&self->t, "pieces_of_shared_memory", &o));
	ASSERT_TRUE(target_says(&self->t, "ready"));
	ASSERT_TRUE(target_sleeps_in(&self->t, 0, __NR_read));
	for (i = 0; i < 3; i++) {
		export_call_init(&self->e, &self->t);
		self->e.args.flags = GHOST_EXPORT_CHECK;
		start = now_ms();
		EXPECT_EQ(0, export_call(&self->e)) TH_LOG("%s", self->e.report);
		ms = now_ms() - start;
		best = ms < best ? ms : best;
	}
	target_end(&self->t);
	return best;
}

TEST_F(check, takes_time_for_each_piece_of_shared_memory_but_not_for_its_square)
{
	int64_t few = time_of_check(_metadata, self, "2000");
	int64_t many = time_of_check(_metadata, self, "8000");

	EXPECT_GT(8 * few + 200, many) TH_LOG("%lld ms, %lld ms", (long long)few, (long long)many);
}

TARGET(hundreds)
{
	int i;

	for (i = 0; i < 800; i++)
		check(eventfd(0, 0) >= 0);
	ready();
	return verdict();
}

TEST_F(check, says_that_there_is_more_than_fits)
{
	ASSERT_EQ(0, target_start(&self->t, "hundreds", NULL));
	ASSERT_TRUE(target_says(&self->t, "ready"));
	export_call_init(&self->e, &self->t);
	self->e.args.flags = GHOST_EXPORT_CHECK;
	EXPECT_EQ(-1, export_call(&self->e));
	EXPECT_EQ(EOPNOTSUPP, errno);
	EXPECT_TRUE(reported(self->e.report, "fd 3", "eventfd"));
	EXPECT_NE(NULL, strstr(self->e.report, " more")) TH_LOG("%s", self->e.report);
}

/*
 * Files that have changed between export and import
 */

FIXTURE(changed)
{
	struct target t;
	struct target copy;
	struct image img;
	char dir[64];
	char path[128];
};

FIXTURE_SETUP(changed)
{
	GHOST_NEEDED();
	ASSERT_EQ(NULL, image_open(&self->img, STORE_MEMORY));
	strcpy(self->dir, "/var/tmp/ghost-changed-XXXXXX");
	ASSERT_NE(NULL, mkdtemp(self->dir));
	snprintf(self->path, sizeof(self->path), "%s/file", self->dir);
}

FIXTURE_TEARDOWN(changed)
{
	char command[100];

	target_end(&self->t);
	target_end(&self->copy);
	image_close(&self->img);
	snprintf(command, sizeof(command), "rm -rf %s", self->dir);
	if (system(command))
		perror(command);
}

static bool copy_self(const char *path)
{
	char command[300], self[128];
	int n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	self[n < 0 ? 0 : n] = 0;
	snprintf(command, sizeof(command), "cp '%s' '%s'", self, path);
	return !system(command);
}

static bool change(const char *path, int offset, const char *text)
{
	int fd = open(path, O_WRONLY);
	bool ok = pwrite(fd, text, strlen(text), offset) == (ssize_t)strlen(text);

	close(fd);
	return ok;
}

#define EXPECT_STALE(_name) do {							\
	EXPECT_EQ(-1, import_target(&self->copy, &self->t, &self->img, 0, NULL));	\
	EXPECT_EQ(ESTALE, errno) TH_LOG("%s", self->img.report);			\
	EXPECT_NE(NULL, strstr(self->img.report, _name)) TH_LOG("%s", self->img.report);	\
} while (0)

#define EXPECT_GOOD() do {								\
	ASSERT_IMPORTED(&self->copy, &self->t, &self->img, 0);				\
	ASSERT_EQ(0, target_wake(&self->copy));						\
	EXPECT_TRUE(target_says(&self->copy, "ok"));					\
	target_end(&self->copy);							\
} while (0)

TEST_F(changed, executable_is_refused)
{
	struct target_options o = { .exe = self->path };

	ASSERT_TRUE(copy_self(self->path));
	ASSERT_EQ(0, target_start(&self->t, "eventless", &o));
	ASSERT_TRUE(target_says(&self->t, "ready"));
	ASSERT_EXPORTED(&self->t, &self->img, 0);
	target_end(&self->t);
	EXPECT_GOOD();
	/* Another one of the same contents is another one */
	unlink(self->path);
	EXPECT_STALE(self->path);
	ASSERT_TRUE(copy_self(self->path));
	EXPECT_STALE(self->path);
}

TARGET(maps_a_file)
{
	char *p = mmap(NULL, 2 * PAGE, PROT_READ, MAP_PRIVATE, open(arg, O_RDONLY), 0);

	check_errno(p != MAP_FAILED);
	close(3);
	ready();
	check(p[0] == '0');
	return verdict();
}

static bool make_file(const char *path)
{
	static char page[2 * PAGE];
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	bool ok;

	memset(page, '0', sizeof(page));
	ok = write(fd, page, sizeof(page)) == sizeof(page);
	close(fd);
	return ok;
}

TEST_F(changed, mapped_file_is_refused)
{
	struct target_options o = { .arg = self->path };

	ASSERT_TRUE(make_file(self->path));
	ASSERT_EQ(0, target_start(&self->t, "maps_a_file", &o));
	ASSERT_TRUE(target_says(&self->t, "ready"));
	ASSERT_EXPORTED(&self->t, &self->img, 0);
	EXPECT_GOOD();
	sleep_ms(20);		/* a tick of the file's clock */
	ASSERT_TRUE(change(self->path, 5000, "x"));
	EXPECT_STALE(self->path);
	ASSERT_EQ(0, truncate(self->path, 100));
	EXPECT_STALE(self->path);
	ASSERT_EQ(0, unlink(self->path));
	EXPECT_STALE(self->path);
}

#define IN_BYTES() do {								\
	image_close(&self->img);						\
	ASSERT_EQ(NULL, image_open(&self->img, STORE_TMPFS));			\
} while (0)

#define WITH_ALL	(GHOST_EXPORT_WITH_BINARY | GHOST_EXPORT_WITH_LIBRARIES)

TEST_F(changed, executable_is_not_needed_if_it_is_in_the_image)
{
	struct target_options o = { .exe = self->path };

	ASSERT_TRUE(copy_self(self->path));
	ASSERT_EQ(0, target_start(&self->t, "eventless", &o));
	ASSERT_TRUE(target_says(&self->t, "ready"));
	IN_BYTES();
	ASSERT_EXPORTED(&self->t, &self->img, WITH_ALL);
	target_end(&self->t);
	ASSERT_EQ(0, unlink(self->path));
	EXPECT_GOOD();
}

TEST_F(changed, mapped_file_is_not_needed_if_it_is_in_the_image)
{
	struct target_options o = { .arg = self->path };

	ASSERT_TRUE(make_file(self->path));
	ASSERT_EQ(0, target_start(&self->t, "maps_a_file", &o));
	ASSERT_TRUE(target_says(&self->t, "ready"));
	/* The executable is another */
	IN_BYTES();
	ASSERT_EXPORTED(&self->t, &self->img, GHOST_EXPORT_WITH_BINARY);
	sleep_ms(20);
	ASSERT_TRUE(change(self->path, 5000, "x"));
	EXPECT_STALE(self->path);
	IN_BYTES();
	ASSERT_EXPORTED(&self->t, &self->img, GHOST_EXPORT_WITH_LIBRARIES);
	ASSERT_EQ(0, unlink(self->path));
	EXPECT_GOOD();
}

TEST_F(changed, file_must_not_change_while_it_is_written_to_the_image)
{
	struct target_options o = { .arg = self->path };
	int pipefd[2], status;
	struct export_call c;
	char buf[65536];
	pid_t pid;

	ASSERT_TRUE(make_file(self->path));
	ASSERT_EQ(0, target_start(&self->t, "maps_a_file", &o));
	ASSERT_TRUE(target_says(&self->t, "ready"));
	ASSERT_EQ(0, pipe2(pipefd, O_CLOEXEC));
	export_call_init(&c, &self->t);
	c.args.flags = GHOST_EXPORT_WITH_LIBRARIES | GHOST_EXPORT_KILL;
	export_to_file(&c, pipefd[1]);
	pid = fork();
	if (!pid) {
		close(pipefd[0]);
		_exit(export_call(&c) ? errno : 0);
	}
	close(pipefd[1]);
	/* With the first byte all is captured, and the pipe is too small for the rest */
	ASSERT_EQ(1, read(pipefd[0], buf, 1));
	ASSERT_TRUE(change(self->path, 5000, "x"));
	while (read(pipefd[0], buf, sizeof(buf)) > 0)
		;
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFEXITED(status));
	EXPECT_EQ(EBUSY, WEXITSTATUS(status));
	EXPECT_TRUE(target_sleeps_in(&self->t, 0, __NR_read));
	close(pipefd[0]);
}

TEST_F(changed, check_knows_what_is_to_be_in_the_image)
{
	struct target_options o = { .arg = self->path };
	struct export_call c;

	ASSERT_TRUE(make_file(self->path));
	ASSERT_EQ(0, target_start(&self->t, "maps_a_file", &o));
	ASSERT_TRUE(target_says(&self->t, "ready"));
	ASSERT_EQ(0, unlink(self->path));
	export_call_init(&c, &self->t);
	c.args.flags = GHOST_EXPORT_CHECK;
	EXPECT_EQ(-1, export_call(&c));
	EXPECT_EQ(EOPNOTSUPP, errno);
	EXPECT_NE(NULL, strstr(c.report, "deleted file")) TH_LOG("%s", c.report);
	c.args.flags = GHOST_EXPORT_CHECK | GHOST_EXPORT_WITH_LIBRARIES;
	EXPECT_EQ(0, export_call(&c)) TH_LOG("%s", c.report);
	c.args.flags |= GHOST_EXPORT_KILL;
	EXPECT_EQ(-1, export_call(&c));
	EXPECT_EQ(EINVAL, errno);
}

TARGET(reads_a_file)
{
	char c = 0;

	seven(open(arg, O_RDONLY));
	check(lseek(7, 5000, SEEK_SET) == 5000);
	ready();
	check(read(7, &c, 1) == 1);
	return verdict();
}

TEST_F(changed, file_that_is_read_must_be_the_same_and_not_shorter)
{
	struct target_options o = { .arg = self->path };

	ASSERT_TRUE(make_file(self->path));
	ASSERT_EQ(0, target_start(&self->t, "reads_a_file", &o));
	ASSERT_TRUE(target_says(&self->t, "ready"));
	ASSERT_EXPORTED(&self->t, &self->img, 0);
	/* A log file grows */
	ASSERT_TRUE(change(self->path, 2 * PAGE, "more"));
	EXPECT_GOOD();
	ASSERT_EQ(0, truncate(self->path, 100));
	EXPECT_STALE(self->path);
	ASSERT_EQ(0, unlink(self->path));
	EXPECT_STALE(self->path);
	ASSERT_TRUE(make_file(self->path));
	EXPECT_STALE(self->path);
}

/* On another machine it is another file */
static bool replace_by_copy(const char *path)
{
	char command[600];

	snprintf(command, sizeof(command), "cp -p '%s' '%s.copy' && mv '%s.copy' '%s'", path, path,
		 path, path);
	return !system(command);
}

TEST_F(changed, copies_that_keep_the_times_are_as_good)
{
	struct target_options o = { .exe = self->path, .arg = self->path };

	ASSERT_TRUE(copy_self(self->path));
	ASSERT_EQ(0, target_start(&self->t, "reads_a_file", &o));
	ASSERT_TRUE(target_says(&self->t, "ready"));
	ASSERT_EXPORTED(&self->t, &self->img, 0);
	ASSERT_TRUE(replace_by_copy(self->path));
	EXPECT_GOOD();
}

TARGET(writes_a_file)
{
	seven(open(arg, O_RDWR));
	check(lseek(7, 5000, SEEK_SET) == 5000);
	ready();
	check(write(7, "x", 1) == 1);
	return verdict();
}

/* What it has written since may be undone by hand: size and time say nothing */
TEST_F(changed, file_that_is_written_may_have_changed_but_not_be_gone)
{
	struct target_options o = { .arg = self->path };

	ASSERT_TRUE(make_file(self->path));
	ASSERT_EQ(0, target_start(&self->t, "writes_a_file", &o));
	ASSERT_TRUE(target_says(&self->t, "ready"));
	ASSERT_EXPORTED(&self->t, &self->img, 0);
	sleep_ms(20);
	ASSERT_TRUE(change(self->path, 0, "other"));
	EXPECT_GOOD();
	ASSERT_EQ(0, unlink(self->path));
	EXPECT_STALE(self->path);
}

TARGET(in_directory)
{
	check_errno(!chdir(arg));
	ready();
	return verdict();
}

TEST_F(changed, working_directory_must_be_there)
{
	struct target_options o = { .arg = self->path };

	ASSERT_EQ(0, mkdir(self->path, 0755));
	ASSERT_EQ(0, target_start(&self->t, "in_directory", &o));
	ASSERT_TRUE(target_says(&self->t, "ready"));
	ASSERT_EXPORTED(&self->t, &self->img, 0);
	EXPECT_GOOD();
	target_end(&self->t);
	ASSERT_EQ(0, rmdir(self->path));
	EXPECT_STALE(self->path);
}

TEST_HARNESS_MAIN
