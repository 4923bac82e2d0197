/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
#ifndef _SAMPLES_GHOST_ZSTD_H
#define _SAMPLES_GHOST_ZSTD_H

#include <linux/types.h>

#define GHOST_BACKEND_ZSTD	256

/**
 * struct ghost_zstd_params - parameters of the backend
 * @fd: descriptor of the compressed image, used from its file position on, which
 *	stays where it is
 * @flags: 0
 */
struct ghost_zstd_params {
	__s32 fd;
	__u32 flags;
};

#endif /* _SAMPLES_GHOST_ZSTD_H */
