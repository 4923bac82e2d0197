// SPDX-License-Identifier: LGPL-2.1
/*
 * libghost: a file that appears under its name only when it is complete
 *
 * Where the file system can, the file has no name at all until then, so that
 * nothing is left of it whatever happens to the caller. Elsewhere, and for the
 * moment of replacing a file, it has a temporary name in the same folder; signals
 * are held back as long as it has.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libghost-internal.h"
#include "libghost-output.h"

#define TEMP_TRIES	1000

void libghost_output_hold_signals(struct libghost_output *out)
{
	sigset_t all;

	if (out->held)
		return;
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &out->signals);
	out->held = 1;
}

static bool set_path(struct libghost_output *out, const char *path)
{
	size_t len = strlen(path);

	if (len >= sizeof(out->path))
		return false;
	memcpy(out->path, path, len + 1);
	return true;
}

/* Where @path leads, if something is there; it must be a regular file */
static int resolve(struct libghost_output *out, const char *path)
{
	struct stat st;
	char *real;

	if (!set_path(out, path))
		return -ENAMETOOLONG;
	if (lstat(path, &st))
		return errno == ENOENT ? 0 : -errno;
	if (S_ISLNK(st.st_mode)) {
		real = realpath(path, NULL);
		if (!real)
			return -errno;
		if (!set_path(out, real)) {
			free(real);
			return -ENAMETOOLONG;
		}
		free(real);
		if (stat(path, &st))
			return -errno;
	}
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	return S_ISREG(st.st_mode) ? 0 : -ENOTSUP;
}

/* Split into folder and name; opens the folder */
static int open_folder(struct libghost_output *out)
{
	char *slash = strrchr(out->path, '/');
	char folder[PATH_MAX] = ".";

	out->name = out->path;
	if (slash) {
		out->name = slash + 1;
		memcpy(folder, out->path, slash - out->path + 1);
		folder[slash - out->path + 1] = '\0';
	}
	if (!out->name[0])
		return slash ? -EISDIR : -ENOENT;
	out->dirfd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return out->dirfd < 0 ? -errno : 0;
}

static void next_temp(struct libghost_output *out, int try)
{
	snprintf(out->temp, sizeof(out->temp), ".ghost-%d-%d", getpid(), try);
}

static int open_temp(struct libghost_output *out)
{
	int try;

	libghost_output_hold_signals(out);
	for (try = 0; try < TEMP_TRIES; try++) {
		next_temp(out, try);
		out->fd = openat(out->dirfd, out->temp,
				 O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (out->fd >= 0)
			return 0;
		if (errno != EEXIST)
			break;
	}
	out->temp[0] = '\0';
	return -errno;
}

int libghost_output_open(struct libghost_output *out, const char *path,
			 char *report, unsigned int report_size)
{
	int ret;

	memset(out, 0, sizeof(*out));
	out->fd = -1;
	out->dirfd = -1;
	ret = resolve(out, path);
	if (ret == -ENOTSUP)
		return libghost_report(report, report_size, -EEXIST,
				       "%s: exists and is no regular file", path);
	if (!ret)
		ret = open_folder(out);
	if (ret)
		goto fail;
	out->fd = openat(out->dirfd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (out->fd < 0) {
		ret = -errno;
		if (ret == -EOPNOTSUPP || ret == -EISDIR || ret == -EINVAL)
			ret = open_temp(out);
	}
	if (!ret)
		return 0;
fail:
	libghost_output_close(out);
	return libghost_report(report, report_size, ret, "%s: cannot create: %m", path);
}

/* Give the nameless file a name that is not in use */
static int link_as(struct libghost_output *out, const char *name)
{
	char self[64];

	if (!linkat(out->fd, "", out->dirfd, name, AT_EMPTY_PATH))
		return 0;
	if (errno == EEXIST)
		return -errno;
	snprintf(self, sizeof(self), "/proc/self/fd/%d", out->fd);
	return linkat(AT_FDCWD, self, out->dirfd, name, AT_SYMLINK_FOLLOW) ? -errno : 0;
}

static int link_temp(struct libghost_output *out)
{
	int try, ret = -EEXIST;

	libghost_output_hold_signals(out);
	for (try = 0; ret == -EEXIST && try < TEMP_TRIES; try++) {
		next_temp(out, try);
		ret = link_as(out, out->temp);
	}
	if (ret)
		out->temp[0] = '\0';
	return ret;
}

int libghost_output_publish(struct libghost_output *out, int sync,
			    char *report, unsigned int report_size)
{
	int ret = 0;

	if (!out->temp[0]) {
		ret = link_as(out, out->name);
		if (!ret)
			goto named;
		if (ret == -EEXIST)
			ret = link_temp(out);
	}
	if (!ret && renameat(out->dirfd, out->temp, out->dirfd, out->name))
		ret = -errno;
	if (ret)
		return libghost_report(report, report_size, ret, "%s: cannot be named so: %m",
				       out->path);
	out->temp[0] = '\0';
named:
	if (sync && fsync(out->dirfd))
		return libghost_report(report, report_size, -errno,
				       "%s: cannot sync its folder: %m", out->path);
	return 0;
}

void libghost_output_close(struct libghost_output *out)
{
	if (out->temp[0])
		unlinkat(out->dirfd, out->temp, 0);
	if (out->fd >= 0)
		close(out->fd);
	if (out->dirfd >= 0)
		close(out->dirfd);
	if (out->held)
		pthread_sigmask(SIG_SETMASK, &out->signals, NULL);
	out->fd = -1;
	out->dirfd = -1;
	out->temp[0] = '\0';
	out->held = 0;
}
