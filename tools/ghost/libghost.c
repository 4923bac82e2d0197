// SPDX-License-Identifier: LGPL-2.1
/* libghost: the system calls, and what all parts of the library need. */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "libghost-internal.h"

#ifndef __NR_ghost_export
#define __NR_ghost_export	510
#define __NR_ghost_import	511
#endif

API const char *ghost_version(void)
{
	return LIBGHOST_VERSION;
}

API int ghost_export(const struct ghost_export_args *args, size_t size)
{
	return syscall(__NR_ghost_export, args, size);
}

API pid_t ghost_import(const struct ghost_import_args *args, size_t size)
{
	return syscall(__NR_ghost_import, args, size);
}

API int ghost_probe(void)
{
	/* A kernel that knows the call refuses a size of 0. */
	if (ghost_export(NULL, 0) == -1 && errno != EINVAL)
		return -errno;
	if (ghost_import(NULL, 0) == -1 && errno != EINVAL)
		return -errno;
	return 0;
}

int libghost_report(char *report, unsigned int size, int err, const char *fmt, ...)
{
	va_list ap;

	if (report && size) {
		errno = -err;		/* for %m */
		va_start(ap, fmt);
		vsnprintf(report, size, fmt, ap);
		va_end(ap);
	}
	return err;
}

void libghost_default_report(char *report, unsigned int size, int err)
{
	if (report && size && !report[0])
		libghost_report(report, size, err, "%m");
}

int libghost_copy_opts(void *opts, size_t size, const void *uopts, size_t usize)
{
	const unsigned char *tail = uopts;
	size_t i;

	memset(opts, 0, size);
	if (!uopts)
		return 0;
	if (usize < sizeof(usize))
		return -EINVAL;
	memcpy(opts, uopts, usize < size ? usize : size);
	for (i = size; i < usize; i++)
		if (tail[i])
			return -EINVAL;
	return 0;
}

int libghost_pidfd_open(pid_t pid)
{
	int fd = syscall(SYS_pidfd_open, pid, 0);

	return fd < 0 ? -errno : fd;
}

int libghost_pidfd_kill(int pidfd, int sig)
{
	return syscall(SYS_pidfd_send_signal, pidfd, sig, NULL, 0) ? -errno : 0;
}
