/* SPDX-License-Identifier: LGPL-2.1 */
/* What the files of libghost share. */
#ifndef _LIBGHOST_INTERNAL_H
#define _LIBGHOST_INTERNAL_H

#include <endian.h>
#include <linux/ghost.h>
#include <linux/ghost_image.h>
#include "compiler.h"
#include "libghost.h"

#define API __attribute__((visibility("default")))

/* Store a message in the caller's buffer, if there is one. Returns @err. */
__printf(4, 5)
int libghost_report(char *report, unsigned int size, int err, const char *fmt, ...);

/* Copy @usize bytes of options over zeros; -EINVAL if more than @size are used. */
int libghost_copy_opts(void *opts, size_t size, const void *uopts, size_t usize);

int libghost_pidfd_open(pid_t pid);
int libghost_pidfd_kill(int pidfd, int sig);

/* A caller whose report buffer is absent or empty still learns the reason. */
void libghost_default_report(char *report, unsigned int size, int err);

struct libghost_crc {
	uint32_t table[8][256];
	int hardware;
};

void libghost_crc_init(struct libghost_crc *crc);

/* CRC-32C as in iSCSI without its first and last inversion. */
uint32_t libghost_crc32c(const struct libghost_crc *crc, uint32_t value,
			 const void *data, size_t len);

/* libghost-record.c */

/**
 * struct libghost_shape - what a record of some kind looks like
 * @kind: enum ghost_rec_kind
 * @name: its name
 * @size: bytes of its fixed part
 * @flags: SHAPE_*
 * @tail: bytes of the variable part behind the fixed one, NULL: there is none
 */
struct libghost_shape {
	uint32_t kind;
	const char *name;
	uint32_t size;
	unsigned int flags;
	uint64_t (*tail)(const void *data);
};

#define SHAPE_DEFINES	0x1	/* it defines a shared object */
#define SHAPE_THREAD	0x2	/* it belongs to a thread */
#define SHAPE_PAGES	0x4	/* contents of memory */
#define SHAPE_ANY_TAIL	0x8	/* all of it is payload */

const struct libghost_shape *libghost_shape(uint32_t kind);

#endif /* _LIBGHOST_INTERNAL_H */
