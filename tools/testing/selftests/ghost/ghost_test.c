// SPDX-License-Identifier: GPL-2.0
/*
 * What the tests of ghost share; see ghost_test.h
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <time.h>

#include <linux/magic.h>

#include "ghost_test.h"

#ifndef __NR_pidfd_open
#define __NR_pidfd_open	434
#endif

/* The sample module: samples/ghost */
#define MODULE_NAME	"ghost_zstd"
#define MODULE_ID	GHOST_BACKEND_MODULE_FIRST

const char *ghost_missing(void)
{
	if (ghost_export(NULL, 0) == -1 && errno == ENOSYS)
		return "the kernel has no ghost_export(2); needs CONFIG_GHOST";
	return NULL;
}

int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

void sleep_ms(int ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000L };

	while (nanosleep(&ts, &ts) && errno == EINTR)
		;
}

int pidfd_open_pid(pid_t pid)
{
	return syscall(__NR_pidfd_open, pid, 0);
}

long env_number(const char *name, long def)
{
	const char *text = getenv(name);

	return text && *text ? strtol(text, NULL, 0) : def;
}

void random_init(struct random *r)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	r->state = env_number("GHOST_SEED", ts.tv_sec ^ ts.tv_nsec);
	printf("# seed %lu (repeat with GHOST_SEED=%lu)\n", r->state, r->state);
	fflush(stdout);
}

/* splitmix64 */
uint64_t random_next(struct random *r)
{
	uint64_t z = (r->state += 0x9e3779b97f4a7c15ULL);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

/* Castagnoli, reflected; begins with ~0, the caller inverts the end */
uint32_t crc32c(uint32_t crc, const void *data, size_t len)
{
	static uint32_t table[256];
	const uint8_t *p = data;
	uint32_t i, j, c;

	if (!table[1]) {
		for (i = 0; i < 256; i++) {
			for (c = i, j = 0; j < 8; j++)
				c = c & 1 ? c >> 1 ^ 0x82f63b78 : c >> 1;
			table[i] = c;
		}
	}
	while (len--)
		crc = table[(crc ^ *p++) & 0xff] ^ crc >> 8;
	return crc;
}

/*
 * Files and /proc
 */

int read_text(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n, len = 0;

	if (fd < 0)
		return -1;
	while (len < (ssize_t)size - 1) {
		n = read(fd, buf + len, size - 1 - len);
		if (n <= 0)
			break;
		len += n;
	}
	close(fd);
	buf[len] = 0;
	return len;
}

int write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -1;
	n = write(fd, text, strlen(text));
	close(fd);
	return n == (ssize_t)strlen(text) ? 0 : -1;
}

static int proc_read(pid_t pid, pid_t tid, const char *file, char *buf, size_t size)
{
	char path[80];

	snprintf(path, sizeof(path), "/proc/%d/task/%d/%s", pid, tid ?: pid, file);
	return read_text(path, buf, size);
}

char proc_state(pid_t pid, pid_t tid)
{
	char buf[512], *p;

	if (proc_read(pid, tid, "stat", buf, sizeof(buf)) <= 0)
		return 0;
	p = strrchr(buf, ')');
	return p ? p[2] : 0;
}

bool proc_state_becomes(pid_t pid, pid_t tid, char state)
{
	int64_t end = now_ms() + PATIENCE_MS;

	while (proc_state(pid, tid) != state) {
		if (now_ms() > end)
			return false;
		sleep_ms(2);
	}
	return true;
}

long proc_call(pid_t pid, pid_t tid)
{
	char buf[256];

	if (proc_read(pid, tid, "syscall", buf, sizeof(buf)) <= 0 || !isdigit(buf[0]))
		return -1;
	return strtol(buf, NULL, 10);
}

int proc_field(pid_t pid, const char *file, const char *name, char *buf, size_t size)
{
	char path[80], text[8192], *line, *end;
	size_t n = strlen(name);

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	if (read_text(path, text, sizeof(text)) <= 0)
		return -1;
	for (line = text; line; line = end) {
		end = strchr(line, '\n');
		if (end)
			*end++ = 0;
		if (strncmp(line, name, n) || (line[n] != ':' && line[n] != ' '))
			continue;
		line += n + 1;
		line += strspn(line, " \t");
		snprintf(buf, size, "%s", line);
		return 0;
	}
	errno = ENOENT;
	return -1;
}

int count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	if (!dir)
		return -1;
	while (readdir(dir))
		n++;
	closedir(dir);
	return n - 3;		/* ".", ".." and the directory itself */
}

void kill_children(void)
{
	char path[64], text[4096], *p = text, *end;
	pid_t pid;

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", gettid());
	if (read_text(path, text, sizeof(text)) <= 0)
		return;
	while ((pid = strtol(p, &end, 10)) > 0) {
		p = end;
		kill(pid, SIGKILL);
		while (waitpid(pid, NULL, __WALL) < 0 && errno == EINTR)
			;
	}
}

/*
 * Images
 */

static const char *open_ext4(struct image *img)
{
	const char *dirs[] = { getenv("GHOST_TEST_DIR"), ".", "/var/tmp", "/tmp" };
	char path[4096];
	struct statfs fs;
	unsigned int i;

	for (i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		if (!dirs[i] || statfs(dirs[i], &fs) || fs.f_type != EXT4_SUPER_MAGIC)
			continue;
		snprintf(path, sizeof(path), "%s/ghost-image-XXXXXX", dirs[i]);
		img->fd = mkostemp(path, O_CLOEXEC);
		if (img->fd < 0)
			continue;
		unlink(path);
		return NULL;
	}
	return "no directory on ext4; set GHOST_TEST_DIR to one";
}

static const char *open_tmpfs(struct image *img)
{
	char path[] = "/dev/shm/ghost-image-XXXXXX";
	struct statfs fs;

	if (statfs("/dev/shm", &fs) || fs.f_type != TMPFS_MAGIC)
		return "/dev/shm is no tmpfs";
	img->fd = mkostemp(path, O_CLOEXEC);
	if (img->fd < 0)
		return "no file in /dev/shm";
	unlink(path);
	return NULL;
}

const char *image_open(struct image *img, enum store store)
{
	memset(img, 0, sizeof(*img));
	img->store = store;
	img->fd = -1;
	switch (store) {
	case STORE_MEMORY:
		return NULL;
	case STORE_TMPFS:
		return open_tmpfs(img);
	case STORE_EXT4:
		return open_ext4(img);
	case STORE_MODULE:
		if (access("/sys/module/" MODULE_NAME, F_OK) &&
		    system("modprobe -q " MODULE_NAME " 2> /dev/null"))
			return "module " MODULE_NAME " cannot be loaded; needs CONFIG_SAMPLE_GHOST";
		/* fall through */
	case STORE_PIPE:
		img->fd = memfd_create("ghost-image", MFD_CLOEXEC);
		return img->fd < 0 ? "no memfd" : NULL;
	}
	return "no such store";
}

void image_close(struct image *img)
{
	if (img->fd >= 0)
		close(img->fd);
	img->fd = -1;
}

void *image_bytes(struct image *img, size_t *size)
{
	struct stat st;
	void *bytes;

	if (img->store == STORE_MEMORY || fstat(img->fd, &st))
		return NULL;
	bytes = malloc(st.st_size + 1);
	if (!bytes || pread(img->fd, bytes, st.st_size, 0) != st.st_size) {
		free(bytes);
		return NULL;
	}
	*size = st.st_size;
	return bytes;
}

/* A process that moves an image between a pipe and its file */
static pid_t start_pump(int from, int to)
{
	char buf[65536];
	ssize_t n, done, m;
	pid_t pid = fork();

	if (pid)
		return pid;
	signal(SIGPIPE, SIG_IGN);
	/* The other end of the pipe must not stay open because of us */
	if (from > 2)
		dup2(from, 0);
	if (to > 2)
		dup2(to, 1);
	close_range(3, ~0U, 0);
	while ((n = read(0, buf, sizeof(buf))) > 0) {
		for (done = 0; done < n; done += m) {
			m = write(1, buf + done, n - done);
			if (m <= 0)
				_exit(1);
		}
	}
	_exit(n < 0);
}

static void reap(pid_t pid)
{
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

/*
 * Calls
 */

void export_call_init(struct export_call *c, const struct target *t)
{
	int i;

	memset(c, 0, sizeof(*c));
	c->file.fd = -1;
	c->memory.fd = -1;
	c->args.pidfd = t ? t->pidfd : -1;
	c->args.report = (uintptr_t)c->report;
	c->args.report_size = sizeof(c->report);
	c->args.stats = (uintptr_t)&c->stats;
	c->args.stats_size = sizeof(c->stats);
	/* Tests look at what happens, not at how fast it is: guests may be slow */
	c->args.timeout_ms = 10000;
	if (!t)
		return;
	for (i = 0; i < 3 + t->nfds; i++) {
		c->map[i].image_fd = i;
		c->map[i].fd = -1;
	}
	c->args.fd_map = (uintptr_t)c->map;
	c->args.fd_map_len = i;
}

void export_to_memory(struct export_call *c)
{
	c->args.backend = GHOST_BACKEND_MEMORY;
	c->args.params = (uintptr_t)&c->memory;
	c->args.params_size = sizeof(c->memory);
}

void export_to_file(struct export_call *c, int fd)
{
	c->file.fd = fd;
	c->args.backend = GHOST_BACKEND_FILE;
	c->args.params = (uintptr_t)&c->file;
	c->args.params_size = sizeof(c->file);
}

int export_call(struct export_call *c)
{
	return ghost_export(&c->args, sizeof(c->args));
}

void import_call_init(struct import_call *c)
{
	memset(c, 0, sizeof(*c));
	c->file.fd = -1;
	c->memory.fd = -1;
	c->args.report = (uintptr_t)c->report;
	c->args.report_size = sizeof(c->report);
	c->args.exit_signal = SIGCHLD;
}

void import_from_memory(struct import_call *c, int fd)
{
	c->memory.fd = fd;
	c->args.backend = GHOST_BACKEND_MEMORY;
	c->args.params = (uintptr_t)&c->memory;
	c->args.params_size = sizeof(c->memory);
}

void import_from_file(struct import_call *c, int fd)
{
	c->file.fd = fd;
	c->args.backend = GHOST_BACKEND_FILE;
	c->args.params = (uintptr_t)&c->file;
	c->args.params_size = sizeof(c->file);
}

int import_call(struct import_call *c)
{
	return ghost_import(&c->args, sizeof(c->args));
}

int export_target(struct target *t, struct image *img, __u64 flags)
{
	struct export_call *c = malloc(sizeof(*c));
	int ret = -1, err, pipefd[2];
	pid_t pump;

	export_call_init(c, t);
	c->args.flags = flags;
	switch (img->store) {
	case STORE_MEMORY:
		export_to_memory(c);
		ret = export_call(c);
		break;
	case STORE_TMPFS:
	case STORE_EXT4:
	case STORE_MODULE:
		export_to_file(c, img->fd);
		if (img->store == STORE_MODULE)
			c->args.backend = MODULE_ID;
		if (ftruncate(img->fd, 0) || lseek(img->fd, 0, SEEK_SET))
			break;
		ret = export_call(c);
		break;
	case STORE_PIPE:
		if (ftruncate(img->fd, 0) || lseek(img->fd, 0, SEEK_SET) ||
		    pipe2(pipefd, O_CLOEXEC))
			break;
		pump = start_pump(pipefd[0], img->fd);
		close(pipefd[0]);
		export_to_file(c, pipefd[1]);
		ret = export_call(c);
		err = errno;
		close(pipefd[1]);
		reap(pump);
		errno = err;
		break;
	}
	err = errno;
	memcpy(img->report, c->report, sizeof(img->report));
	img->stats = c->stats;
	if (ret >= 0 && img->store == STORE_MEMORY) {
		image_close(img);
		img->fd = c->memory.fd;
	}
	free(c);
	errno = err;
	return ret < 0 ? -1 : 0;
}

static void target_close(struct target *t)
{
	if (t->pidfd >= 0)
		close(t->pidfd);
	if (t->in >= 0)
		close(t->in);
	if (t->out >= 0)
		close(t->out);
	t->pidfd = -1;
	t->in = -1;
	t->out = -1;
}

/* The two pipes; the target's ends are in @ends */
static int target_pipes(struct target *t, int ends[2])
{
	int down[2], up[2];

	memset(t, 0, sizeof(*t));
	t->pidfd = -1;
	if (pipe2(down, O_CLOEXEC))
		return -1;
	if (pipe2(up, O_CLOEXEC)) {
		close(down[0]);
		close(down[1]);
		return -1;
	}
	t->in = down[1];
	t->out = up[0];
	ends[0] = down[0];
	ends[1] = up[1];
	return 0;
}

int import_target(struct target *copy, const struct target *orig, struct image *img,
		  __u64 flags, const int *fds)
{
	struct import_call *c = malloc(sizeof(*c));
	int ret = -1, err, ends[2], pipefd[2], i;
	pid_t pump;

	if (target_pipes(copy, ends)) {
		free(c);
		return -1;
	}
	copy->nfds = orig->nfds;
	import_call_init(c);
	c->args.flags = flags;
	for (i = 0; i < 3 + orig->nfds; i++) {
		c->map[i].image_fd = i;
		c->map[i].fd = i < 2 ? ends[i] : i == 2 ? 2 : fds[i - 3];
	}
	c->args.fd_map = (uintptr_t)c->map;
	c->args.fd_map_len = i;
	switch (img->store) {
	case STORE_MEMORY:
		import_from_memory(c, img->fd);
		ret = import_call(c);
		break;
	case STORE_TMPFS:
	case STORE_EXT4:
	case STORE_MODULE:
		import_from_file(c, img->fd);
		if (img->store == STORE_MODULE)
			c->args.backend = MODULE_ID;
		if (lseek(img->fd, 0, SEEK_SET))
			break;
		ret = import_call(c);
		break;
	case STORE_PIPE:
		if (lseek(img->fd, 0, SEEK_SET) || pipe2(pipefd, O_CLOEXEC))
			break;
		pump = start_pump(img->fd, pipefd[1]);
		close(pipefd[1]);
		import_from_file(c, pipefd[0]);
		ret = import_call(c);
		err = errno;
		close(pipefd[0]);
		reap(pump);
		errno = err;
		break;
	}
	err = errno;
	memcpy(img->report, c->report, sizeof(img->report));
	free(c);
	close(ends[0]);
	close(ends[1]);
	if (ret > 0) {
		copy->pid = ret;
		copy->pidfd = pidfd_open_pid(ret);
	} else {
		target_close(copy);
	}
	errno = err;
	return ret > 0 ? 0 : -1;
}

/*
 * Targets, seen from the test
 */

int target_start(struct target *t, const char *name, const struct target_options *o)
{
	static const struct target_options none;
	char self[4096];
	int ends[2], i, n, fds[MAX_OUTSIDE], err;
	pid_t pid;

	if (!o)
		o = &none;
	n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (n < 0 || target_pipes(t, ends))
		return -1;
	self[n] = 0;
	t->nfds = o->nfds;
	/* Not fork(): there may be much memory, a mapping for each test at least */
	pid = vfork();
	if (!pid) {
		char *argv[] = {
			(char *)(o->exe ?: self), "--target", (char *)name, (char *)o->arg, NULL
		};

		if (o->own_pgrp)
			setpgid(0, 0);
		/* First out of the way of the numbers that they will have */
		for (i = 0; i < o->nfds; i++)
			fds[i] = fcntl(o->fds[i], F_DUPFD, 100);
		dup2(ends[0], 0);
		dup2(ends[1], 1);
		for (i = 0; i < o->nfds; i++)
			dup2(fds[i], 3 + i);
		close_range(3 + o->nfds, ~0U, 0);
		signal(SIGALRM, SIG_DFL);
		execv(o->argv ? o->argv[0] : argv[0], o->argv ?: argv);
		say("exec: %m");
		_exit(127);
	}
	t->pid = pid;
	err = errno;
	close(ends[0]);
	close(ends[1]);
	errno = err;
	if (pid < 0) {
		target_close(t);
		return -1;
	}
	t->pidfd = pidfd_open_pid(t->pid);
	return t->pidfd < 0 ? -1 : 0;
}

char *target_line(struct target *t)
{
	static char line[sizeof(t->buf)];
	int64_t end = now_ms() + PATIENCE_MS;
	struct pollfd pfd = { .fd = t->out, .events = POLLIN };
	char *nl;
	ssize_t n;

	while (!(nl = memchr(t->buf, '\n', t->len))) {
		if (t->len == sizeof(t->buf))
			return NULL;
		n = end - now_ms();
		if (n < 0 || poll(&pfd, 1, n) <= 0)
			return NULL;
		n = read(t->out, t->buf + t->len, sizeof(t->buf) - t->len);
		if (n <= 0)
			return NULL;
		t->len += n;
	}
	n = nl - t->buf;
	memcpy(line, t->buf, n);
	line[n] = 0;
	t->len -= n + 1;
	memmove(t->buf, nl + 1, t->len);
	return line;
}

bool target_says(struct target *t, const char *text)
{
	const char *line = target_line(t);
	int status;

	if (line && !strcmp(line, text))
		return true;
	if (line) {
		fprintf(stderr, "# process %d says \"%s\" instead of \"%s\"\n", t->pid, line, text);
	} else if (waitpid(t->pid, &status, WNOHANG | WNOWAIT) == t->pid) {
		fprintf(stderr, "# process %d has ended (status %#x) without \"%s\"\n",
			t->pid, status, text);
	} else {
		fprintf(stderr, "# process %d does not say \"%s\"; state %c, system call %ld\n",
			t->pid, text, proc_state(t->pid, 0) ?: '-', proc_call(t->pid, 0));
	}
	return false;
}

int target_wake(struct target *t)
{
	return write(t->in, "\n", 1) == 1 ? 0 : -1;
}

bool target_is_silent(struct target *t, int ms)
{
	struct pollfd pfd = { .fd = t->out, .events = POLLIN };

	if (!t->len && !poll(&pfd, 1, ms))
		return true;
	fprintf(stderr, "# process %d is not silent: \"%s\"\n", t->pid, target_line(t) ?: "");
	return false;
}

static bool thread_sleeps_in(pid_t pid, pid_t tid, long nr)
{
	long now = proc_call(pid, tid);

	return (now == nr || now == __NR_restart_syscall) && proc_state(pid, tid) == 'S';
}

static bool any_thread_sleeps_in(pid_t pid, long nr)
{
	struct dirent *entry;
	bool found = false;
	char path[64];
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	if (!dir)
		return false;
	while (!found && (entry = readdir(dir)))
		found = isdigit(entry->d_name[0]) &&
			thread_sleeps_in(pid, atoi(entry->d_name), nr);
	closedir(dir);
	return found;
}

bool target_sleeps_in(struct target *t, pid_t tid, long nr)
{
	int64_t end = now_ms() + PATIENCE_MS;

	for (;;) {
		if (tid == ANY_THREAD ? any_thread_sleeps_in(t->pid, nr) :
					thread_sleeps_in(t->pid, tid, nr))
			return true;
		if (now_ms() > end)
			break;
		sleep_ms(2);
	}
	if (tid == ANY_THREAD)
		tid = 0;
	fprintf(stderr, "# thread %d sleeps in system call %ld (state %c) instead of %ld\n",
		tid ?: t->pid, proc_call(t->pid, tid), proc_state(t->pid, tid) ?: '-', nr);
	return false;
}

int target_wait(struct target *t, int *status)
{
	struct pollfd pfd = { .fd = t->pidfd, .events = POLLIN };

	if (poll(&pfd, 1, PATIENCE_MS) <= 0) {
		errno = ETIMEDOUT;
		return -1;
	}
	if (waitpid(t->pid, status, __WALL) != t->pid)
		return -1;
	t->pid = 0;
	target_close(t);
	return 0;
}

void target_end(struct target *t)
{
	if (t->pid > 0) {
		kill(t->pid, SIGKILL);
		while (waitpid(t->pid, NULL, __WALL) < 0 && errno == EINTR)
			;
		t->pid = 0;
		target_close(t);
	}
}

/*
 * Targets, seen by themselves
 */

static struct target_entry *targets;
static int wrongs;

void target_register(struct target_entry *entry)
{
	entry->next = targets;
	targets = entry;
}

/*
 * glibc gives the arguments to constructors, too. Those of the harness map shared memory
 * for each test: a target is to have only its own, and to begin soon.
 */
static void __attribute__((constructor(TARGET_PRIO + 1))) target_main(int argc, char **argv)
{
	struct target_entry *e;

	if (argc < 3 || strcmp(argv[1], "--target"))
		return;
	for (e = targets; e; e = e->next)
		if (!strcmp(e->name, argv[2]))
			exit(e->run(argc > 3 ? argv[3] : NULL));
	say("there is no target %s", argv[2]);
	exit(127);
}

/* No stdio, no malloc: a target is to be as it is, not as its C library makes it */
static void vsay(const char *prefix, const char *fmt, va_list ap)
{
	char buf[1024];
	int n, m;

	n = snprintf(buf, sizeof(buf), "%s", prefix);
	m = vsnprintf(buf + n, sizeof(buf) - n - 1, fmt, ap);
	n = n + m < (int)sizeof(buf) - 1 ? n + m : (int)sizeof(buf) - 2;
	buf[n++] = '\n';
	if (write(1, buf, n) != n)
		_exit(126);
}

void say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsay("", fmt, ap);
	va_end(ap);
}

void wrong(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsay("WRONG ", fmt, ap);
	va_end(ap);
	wrongs++;
}

int verdict(void)
{
	if (!wrongs)
		say("ok");
	return !!wrongs;
}

void hear(void)
{
	ssize_t n;
	char c;

	n = read(0, &c, 1);
	if (n == 1)
		return;
	/* The test is over: no need to talk. But nobody may interrupt us. */
	if (n < 0)
		say("WRONG read: %m");
	_exit(125);
}

void ready(void)
{
	say("ready");
	hear();
}
