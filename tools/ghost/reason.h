/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _GHOST_REASON_H
#define _GHOST_REASON_H

#include <stddef.h>
#include "compiler.h"

/* Write down why something cannot be done. Returns @err. */
__printf(4, 5)
int reason(char *why, size_t size, int err, const char *fmt, ...);

#endif /* _GHOST_REASON_H */
