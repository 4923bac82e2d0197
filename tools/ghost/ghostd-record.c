// SPDX-License-Identifier: GPL-2.0-only
/*
 * ghostd: what has become of imports
 *
 * A source that has not heard what became of a process asks for it. For each process there is a
 * file that is named after it. The file is locked while the import goes on.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "ghostd.h"

#define WEEK_S		(7 * 24 * 3600)

static const char begun[] = "begun\n";

static int open_folder(const struct conf *conf)
{
	int fd;

	if (mkdir(conf->state, 0700) && errno != EEXIST)
		return -errno;
	fd = open(conf->state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int open_record(const struct conf *conf, const char *process, int flags)
{
	int folder = open_folder(conf), fd;

	if (folder < 0)
		return folder;
	/* The request was read so that a name has no '/', and does not begin with '.' */
	fd = openat(folder, process, flags | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		fd = -errno;
	close(folder);
	return fd;
}

static int overwrite(int fd, const char *text)
{
	ssize_t len = strlen(text);

	/* What is there is longer only if there is no more than "begun" to say */
	if (ftruncate(fd, 0) || pwrite(fd, text, len, 0) != len)
		return errno ? -errno : -EIO;
	return 0;
}

int record_begin(const struct conf *conf, const char *process)
{
	int fd = open_record(conf, process, O_RDWR | O_CREAT), ret = 0;

	if (fd < 0)
		return fd;
	if (flock(fd, LOCK_EX | LOCK_NB))
		ret = errno == EWOULDBLOCK ? -EBUSY : -errno;
	if (!ret)
		ret = overwrite(fd, begun);
	if (!ret)
		return fd;
	close(fd);
	return ret;
}

void record_end(int record, pid_t pid)
{
	char text[32];

	snprintf(text, sizeof(text), "%d\n", pid);
	if (overwrite(record, text))
		report("record: %s", strerror(errno));
	close(record);
}

enum outcome record_find(const struct conf *conf, const char *process, pid_t *pid)
{
	int fd = open_record(conf, process, O_RDONLY);
	enum outcome outcome = OUTCOME_BEGUN;
	char text[32];
	ssize_t n;

	*pid = 0;
	if (fd == -ENOENT)
		return OUTCOME_NONE;
	if (fd < 0)
		return OUTCOME_BEGUN;
	if (flock(fd, LOCK_SH | LOCK_NB)) {
		outcome = OUTCOME_PENDING;
	} else {
		n = pread(fd, text, sizeof(text) - 1, 0);
		text[n < 0 ? 0 : n] = '\0';
		/* Nothing complete is there if the machine has no room: then it is not known */
		if (n > 0 && text[n - 1] == '\n' && strcmp(text, begun)) {
			*pid = atoi(text);
			outcome = *pid > 0 ? OUTCOME_RUNS : OUTCOME_NONE;
		}
	}
	close(fd);
	return outcome;
}

void record_sweep(const struct conf *conf)
{
	time_t old = time(NULL) - WEEK_S;
	int folder = open_folder(conf);
	struct dirent *entry;
	struct stat st;
	DIR *dir;

	if (folder < 0)
		return;
	dir = fdopendir(folder);
	if (!dir) {
		close(folder);
		return;
	}
	while ((entry = readdir(dir)))
		if (!fstatat(folder, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) &&
		    S_ISREG(st.st_mode) && st.st_mtime < old)
			unlinkat(folder, entry->d_name, 0);
	closedir(dir);
}
