/* SPDX-License-Identifier: GPL-2.0-only */
/* Behaving like a child */
#ifndef _GHOST_STAND_IN_H
#define _GHOST_STAND_IN_H

#include <sys/types.h>
#include "compiler.h"

/* Before the child is made: from now on signals are remembered for it. */
void stand_in_prepare(void);

/* The signal that has come since, 0: none */
int stand_in_early(void);

/* There is no child. If a signal is why, this process ends by it. */
void stand_in_abandon(void);

/*
 * Pass signals on to the child, stop and go on with it, wait for its end. Returns its
 * exit code, or does not return because this process ended by the same signal.
 */
int stand_in_for(pid_t child);

/* From now on signals are for this process again. */
void stand_in_release(void);

/* End as a program has ended: with its exit status, or by the same signal. */
__noreturn
void end_as(int code, int status);

#endif /* _GHOST_STAND_IN_H */
