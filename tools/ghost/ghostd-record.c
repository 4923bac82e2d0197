// SPDX-License-Identifier: GPL-2.0-only
/*
 * ghostd: what has become of imports
 *
 * A source that has not heard what became of a process asks for it. For each process there is a
 * file that is named after it, in a folder of those who have sent it: nobody writes or reads what
 * another one's are. The file is locked while the import goes on. It says when this machine was
 * booted: no copy has outlived that.
 *
 * That there is no file does not mean that there is no copy: the source may ask in the wrong place.
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
#define BOOT_MAX	40
#define RECORD_SIZE	64	/* always, so that to overwrite it takes no room on the disk */

/* What a record says behind the boot id: -1 as long as it is not known, 0: there is no copy */
struct record {
	char boot[BOOT_MAX];
	int pid;
};

static void read_boot(char boot[BOOT_MAX])
{
	FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");

	boot[0] = '\0';
	if (!f)
		return;
	if (fscanf(f, "%39s", boot) != 1)
		boot[0] = '\0';
	fclose(f);
}

/* A folder that only root can write to */
static int open_folder(int at, const char *name, bool make)
{
	struct stat st;
	int fd;

	if (make && mkdirat(at, name, 0700) && errno != EEXIST)
		return -errno;
	fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -errno;
	if (!fstat(fd, &st) && st.st_uid == geteuid() && !(st.st_mode & 022))
		return fd;
	close(fd);
	return -EPERM;
}

static int open_record(const struct conf *conf, const char *owner, const char *process, bool make)
{
	int state = open_folder(AT_FDCWD, conf->state, make), folder, fd;

	if (state < 0)
		return state;
	/* Neither has a '/', and none is "." or "..": see check_rights() and request.c */
	folder = open_folder(state, owner, make);
	close(state);
	if (folder < 0)
		return folder;
	fd = openat(folder, process, (make ? O_RDWR | O_CREAT : O_RDONLY) | O_CLOEXEC | O_NOFOLLOW,
		    0600);
	if (fd < 0)
		fd = -errno;
	close(folder);
	return fd;
}

/* false: nothing complete is there */
static bool read_record(int fd, struct record *record)
{
	char text[RECORD_SIZE + 1] = "";

	if (pread(fd, text, RECORD_SIZE, 0) != RECORD_SIZE)
		return false;
	return sscanf(text, "%39s %d", record->boot, &record->pid) == 2;
}

static int write_record(int fd, int pid)
{
	char text[RECORD_SIZE], boot[BOOT_MAX];
	ssize_t n;

	read_boot(boot);
	if (!*boot)
		return -EIO;
	n = snprintf(text, sizeof(text), "%s %d", boot, pid);
	memset(text + n, ' ', sizeof(text) - n - 1);
	text[RECORD_SIZE - 1] = '\n';
	n = pwrite(fd, text, RECORD_SIZE, 0);
	return n == RECORD_SIZE ? 0 : n < 0 ? -errno : -ENOSPC;
}

/* Is it sure that there is no copy? If this boot has no name here, nothing is. */
static bool has_no_copy(const struct record *record)
{
	char boot[BOOT_MAX];

	read_boot(boot);
	return !record->pid || (*boot && strcmp(record->boot, boot));
}

/* Only then may the process come again. */
static bool is_free(int fd)
{
	struct record record;
	struct stat st;

	if (!fstat(fd, &st) && !st.st_size)
		return true;
	return read_record(fd, &record) && has_no_copy(&record);
}

static int lock_record(int fd)
{
	struct stat st;

	if (flock(fd, LOCK_EX | LOCK_NB))
		return errno == EWOULDBLOCK ? -EBUSY : -errno;
	/* It may have been swept away since it was opened */
	return !fstat(fd, &st) && st.st_nlink ? 0 : -EAGAIN;
}

int record_begin(const struct conf *conf, const char *owner, const char *process)
{
	int fd, ret;

	do {
		fd = open_record(conf, owner, process, true);
		if (fd < 0)
			return fd;
		ret = lock_record(fd);
		if (!ret)
			ret = is_free(fd) ? write_record(fd, -1) : -EEXIST;
		if (!ret)
			return fd;
		close(fd);
	} while (ret == -EAGAIN);
	return ret;
}

void record_end(int record, pid_t pid)
{
	int ret = write_record(record, pid);

	if (ret)
		report("record: %s", strerror(-ret));
	close(record);
}

enum outcome record_find(const struct conf *conf, const char *owner, const char *process,
			 pid_t *pid)
{
	int fd = open_record(conf, owner, process, false);
	enum outcome outcome = OUTCOME_UNKNOWN;
	struct record record;

	*pid = 0;
	if (fd < 0)
		return outcome;
	if (flock(fd, LOCK_SH | LOCK_NB)) {
		outcome = OUTCOME_PENDING;
	} else if (read_record(fd, &record)) {
		if (has_no_copy(&record))
			outcome = OUTCOME_NONE;
		else if (record.pid > 0)
			outcome = OUTCOME_RUNS;
		*pid = outcome == OUTCOME_RUNS ? record.pid : 0;
	}
	close(fd);
	return outcome;
}

static void sweep_record(int folder, const char *name)
{
	int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;

	if (fd < 0)
		return;
	if (!fstat(fd, &st) && S_ISREG(st.st_mode) && st.st_mtime < time(NULL) - WEEK_S &&
	    !lock_record(fd) && is_free(fd))
		unlinkat(folder, name, 0);
	close(fd);
}

typedef void (*name_fn)(int folder, const char *name);

/* Do something with each name in a folder, which is closed. */
static void visit_names(int folder, name_fn what)
{
	struct dirent *entry;
	DIR *dir = fdopendir(folder);

	if (!dir) {
		close(folder);
		return;
	}
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			what(folder, entry->d_name);
	closedir(dir);
}

static void sweep_folder(int state, const char *name)
{
	int folder = open_folder(state, name, false);

	if (folder >= 0)
		visit_names(folder, sweep_record);
	unlinkat(state, name, AT_REMOVEDIR);	/* if it is empty */
}

void record_sweep(const struct conf *conf)
{
	int state = open_folder(AT_FDCWD, conf->state, true);

	if (state < 0)
		report("%s: %s", conf->state, strerror(-state));
	else
		visit_names(state, sweep_folder);
}
