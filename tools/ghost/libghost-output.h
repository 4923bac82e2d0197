/* SPDX-License-Identifier: LGPL-2.1 */
/* libghost: a file that appears under its name only when it is complete */
#ifndef _LIBGHOST_OUTPUT_H
#define _LIBGHOST_OUTPUT_H

#include <limits.h>
#include <signal.h>

/**
 * struct libghost_output - a file that has no name yet
 * @fd: to be written
 * @dirfd: folder in which it will be
 * @path: its name to be, with symbolic links followed
 * @name: last part of @path
 * @temp: name that it has meanwhile, "" if the file system can do without
 * @signals: signals blocked by the caller
 * @held: whether signals are held back
 */
struct libghost_output {
	int fd;
	int dirfd;
	char path[PATH_MAX];
	const char *name;
	char temp[64];
	sigset_t signals;
	int held;
};

int libghost_output_open(struct libghost_output *out, const char *path,
			 char *report, unsigned int report_size);

/* All signals that can be blocked wait until libghost_output_close(). */
void libghost_output_hold_signals(struct libghost_output *out);

/* Give it its name, in place of what may have it. The contents are synced already. */
int libghost_output_publish(struct libghost_output *out, int sync,
			    char *report, unsigned int report_size);

/* Without publishing before nothing is left of it. */
void libghost_output_close(struct libghost_output *out);

#endif /* _LIBGHOST_OUTPUT_H */
