// SPDX-License-Identifier: GPL-2.0
/*
 * Take a process out while it runs and put it back several times, and say what it cost
 *
 *	snap PID COPIES PREFIX [FILE]
 *	snap 0 COPIES PREFIX FILE
 *
 * The ghost is in memory, or in FILE; with 0 nothing is taken out, FILE is an image. The
 * standard descriptors of the process lie outside if they are pipes, sockets or terminals. Copy
 * N writes to PREFIX.N. Waits for all of them and prints one line:
 *
 *	bytes B pages P stop_us S export_us E import_us I
 *
 * where I is the mean of the imports.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "ghost_test.h"

static int64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000LL + ts.tv_nsec / 1000;
}

static int fail(const char *what, const char *report)
{
	fprintf(stderr, "snap: %s: %s%s%s\n", what, strerror(errno), *report ? ": " : "", report);
	return 1;
}

/* Which of the standard descriptors lie outside? All but files, directories, /dev/null ... */
static int map_outside(struct ghost_fd_map *map, pid_t pid)
{
	char path[64], name[256];
	struct stat st;
	int i, len, n = 0;

	for (i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "/proc/%d/fd/%d", pid, i);
		if (stat(path, &st) || S_ISREG(st.st_mode) || S_ISDIR(st.st_mode))
			continue;
		len = readlink(path, name, sizeof(name) - 1);
		name[len < 0 ? 0 : len] = 0;
		if (S_ISCHR(st.st_mode) && strncmp(name, "/dev/pts", 8) &&
		    strncmp(name, "/dev/tty", 8))
			continue;
		map[n].image_fd = i;
		map[n].fd = -1;
		n++;
	}
	return n;
}

static pid_t import_copy(struct import_call *i, struct ghost_fd_map *outside, int n,
			 const char *prefix, int number)
{
	char path[4096];
	pid_t pid;
	int k, fd;

	snprintf(path, sizeof(path), "%s.%d", prefix, number);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0)
		return -1;
	for (k = 0; k < n; k++) {
		i->map[k].image_fd = outside[k].image_fd;
		i->map[k].fd = outside[k].image_fd == 1 ? fd : outside[k].image_fd;
	}
	i->args.fd_map = (uintptr_t)i->map;
	i->args.fd_map_len = n;
	pid = import_call(i);
	close(fd);
	return pid;
}

int main(int argc, char **argv)
{
	static struct export_call e;
	static struct import_call i;
	int64_t begin, import_us = 0;
	struct ghost_fd_map outside[3];
	int copies, n, k, file = -1, status, failed = 0;
	pid_t pid, *pids;

	if (argc < 4 || (argc < 5 && !atoi(argv[1]))) {
		fprintf(stderr, "usage: %s PID COPIES PREFIX [FILE]\n", argv[0]);
		return 2;
	}
	pid = atoi(argv[1]);
	copies = atoi(argv[2]);
	pids = calloc(copies + 1, sizeof(*pids));
	export_call_init(&e, NULL);
	if (pid) {
		e.args.pidfd = pidfd_open_pid(pid);
		if (e.args.pidfd < 0)
			return fail(argv[1], "");
	}
	/* What an image has outside is taken to be what we have of that kind */
	n = map_outside(outside, pid ? pid : getpid());
	memcpy(e.map, outside, sizeof(outside));
	e.args.fd_map = (uintptr_t)e.map;
	e.args.fd_map_len = n;
	if (argc > 4) {
		file = open(argv[4], O_RDWR | O_CLOEXEC | (pid ? O_CREAT | O_TRUNC : 0), 0600);
		if (file < 0)
			return fail(argv[4], "");
		export_to_file(&e, file);
	} else {
		export_to_memory(&e);
	}
	if (pid && export_call(&e) < 0)
		return fail("export", e.report);
	for (k = 0; k < copies; k++) {
		import_call_init(&i);
		if (file >= 0) {
			lseek(file, 0, SEEK_SET);
			import_from_file(&i, file);
		} else {
			import_from_memory(&i, e.memory.fd);
		}
		begin = now_us();
		pids[k] = import_copy(&i, outside, n, argv[3], k + 1);
		import_us += now_us() - begin;
		if (pids[k] < 0)
			return fail("import", i.report);
	}
	for (k = 0; k < copies; k++) {
		if (waitpid(pids[k], &status, 0) != pids[k] || status) {
			fprintf(stderr, "snap: copy %d ends with status %#x\n", k + 1, status);
			failed = 1;
		}
	}
	printf("bytes %llu pages %llu stop_us %llu export_us %llu import_us %lld\n", e.stats.bytes,
	       e.stats.pages, e.stats.stop_ns / 1000, e.stats.total_ns / 1000,
	       (long long)(copies ? import_us / copies : 0));
	return failed;
}
