/* SPDX-License-Identifier: GPL-2.0-only */
/* Descriptors of a process whose other end lies outside */
#ifndef _GHOST_OUTSIDE_H
#define _GHOST_OUTSIDE_H

#include <sys/types.h>

struct command;

struct outside {
	int *fds;
	unsigned int n;
};

/* The argument of --outside. 0 or an exit code. */
int outside_option(const struct command *cmd, struct outside *outside, const char *arg);

/* Begin anew with those of another one. */
void outside_copy(struct outside *outside, const struct outside *from);

/* Add the standard descriptors that are outside. If they cannot be seen, nothing. */
void outside_default(struct outside *outside, pid_t pid);

#endif /* _GHOST_OUTSIDE_H */
