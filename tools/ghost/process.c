// SPDX-License-Identifier: GPL-2.0-only
/* What is to be known of a process that is exported */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>
#include <linux/ghost.h>

#include "cmd.h"
#include "outside.h"
#include "process.h"
#include "reason.h"

unsigned long long process_size(pid_t pid)
{
	unsigned long long kb, sum = 0;
	char path[64], line[256];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	f = fopen(path, "re");
	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "RssAnon: %llu", &kb) == 1 ||
		    sscanf(line, "RssShmem: %llu", &kb) == 1 ||
		    sscanf(line, "VmSwap: %llu", &kb) == 1)
			sum += kb;
	fclose(f);
	return sum << 10;
}

void print_stats(pid_t pid, const struct ghost_export_stats *s)
{
	if (s->rounds)
		message("process %d: memory was sent %llu times before it was stopped", pid,
			(unsigned long long)s->rounds);
	message("process %d: %llu threads, %llu pages, %llu bytes, stopped for %.3f ms of %.3f ms",
		pid, (unsigned long long)s->threads, (unsigned long long)s->pages,
		(unsigned long long)s->bytes, s->stop_ns / 1e6, s->total_ns / 1e6);
}

/* The first line of a file that begins with @start, behind that */
static bool read_line(const char *path, const char *start, char *line, int size)
{
	size_t len = strlen(start);
	bool found = false;
	FILE *f = fopen(path, "re");

	if (!f)
		return false;
	while (!found && fgets(line, size, f))
		found = !strncmp(line, start, len);
	fclose(f);
	if (found) {
		memmove(line, line + len, strlen(line + len) + 1);
		line[strcspn(line, "\n")] = '\0';
	}
	return found;
}

static int find_user(struct request *r, pid_t pid, char *why, size_t size)
{
	const struct passwd *pw;
	char path[64], line[128];
	uid_t uid;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	if (!read_line(path, "Uid:", line, sizeof(line)))
		return reason(why, size, -ESRCH, "process %d: there is none", pid);
	uid = strtoul(line, NULL, 10);
	pw = getpwuid(uid);
	if (!pw || strlen(pw->pw_name) >= sizeof(r->user))
		return reason(why, size, -ENOENT, "process %d: user %u has no name", pid, uid);
	memcpy(r->user, pw->pw_name, strlen(pw->pw_name) + 1);
	return 0;
}

/* The 22nd word of its stat; the second may have blanks in it, but ends with the last ')' */
static bool start_time(pid_t pid, unsigned long long *start)
{
	char path[64], line[1024];
	const char *rest;
	int word;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	if (!read_line(path, "", line, sizeof(line)))
		return false;
	rest = strrchr(line, ')');
	for (word = 2; rest && word < 22; word++)
		rest = strchr(rest + 1, ' ');
	if (!rest)
		return false;
	*start = strtoull(rest, NULL, 10);
	return true;
}

static int find_name(struct request *r, pid_t pid, char *why, size_t size)
{
	unsigned long long start;
	unsigned int number;
	char boot[64];
	int n;

	if (!start_time(pid, &start) ||
	    !read_line("/proc/sys/kernel/random/boot_id", "", boot, sizeof(boot)))
		return reason(why, size, -ESRCH, "process %d: cannot be named", pid);
	n = snprintf(r->process, sizeof(r->process), "%s:%d:%llu", boot, pid, start);
	/* Of a process there may be many duplicates, but only one that it has become */
	if (r->what == REQUEST_DUPLICATE &&
	    getrandom(&number, sizeof(number), 0) == sizeof(number) &&
	    n < (int)sizeof(r->process))
		n += snprintf(r->process + n, sizeof(r->process) - n, ":%x", number);
	return n < (int)sizeof(r->process) ? 0 : reason(why, size, -EINVAL, "%s: too long", boot);
}

static bool is_terminal(pid_t pid, int fd)
{
	char path[64], target[16] = "";

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", pid, fd);
	if (readlink(path, target, sizeof(target) - 1) < 0)
		return false;
	return !strncmp(target, "/dev/pts/", 9) || !strncmp(target, "/dev/tty", 8);
}

static bool are_same(pid_t pid, int a, int b)
{
	struct stat sa, sb;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", pid, a);
	if (stat(path, &sa))
		return false;
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", pid, b);
	return !stat(path, &sb) && sa.st_dev == sb.st_dev && sa.st_ino == sb.st_ino;
}

static int add_outside(struct request *r, pid_t pid, const struct outside *outside, int fd)
{
	struct outside_fd *o = &r->outside[r->nr_outside];
	unsigned int flags = 0, i;
	char path[64], line[64];

	if (r->nr_outside == REQUEST_OUTSIDE_MAX)
		return -EOPNOTSUPP;
	snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", pid, fd);
	if (!read_line(path, "flags:", line, sizeof(line)) || !*line)
		return -EBADF;
	flags = strtoul(line, NULL, 8);
	*o = (struct outside_fd) {
		.fd = fd, .same = fd, .access = flags & O_ACCMODE,
		.terminal = is_terminal(pid, fd),
	};
	if (o->access == O_ACCMODE)
		o->access = O_RDWR;
	for (i = 0; i < outside->n; i++)
		if (outside->fds[i] < o->same && are_same(pid, fd, outside->fds[i]))
			o->same = outside->fds[i];
	r->nr_outside++;
	return 0;
}

int process_request(struct request *r, pid_t pid, const struct outside *outside,
		    char *why, size_t size)
{
	int ret = find_user(r, pid, why, size);
	unsigned int i;

	if (!ret)
		ret = find_name(r, pid, why, size);
	for (i = 0; outside && i < outside->n && !ret; i++) {
		ret = add_outside(r, pid, outside, outside->fds[i]);
		if (ret)
			reason(why, size, ret, "fd %d: %s", outside->fds[i],
			       ret == -EOPNOTSUPP ? "too many lie outside" : strerror(-ret));
	}
	return ret;
}
