// SPDX-License-Identifier: GPL-2.0-only
/* Descriptors of a process whose other end lies outside */
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>

#include "cmd.h"
#include "libghost.h"
#include "outside.h"

static bool add(struct outside *outside, int fd)
{
	unsigned int i;
	int *fds;

	for (i = 0; i < outside->n; i++)
		if (outside->fds[i] == fd)
			return true;
	fds = reallocarray(outside->fds, outside->n + 1, sizeof(*fds));
	if (!fds)
		return false;
	outside->fds = fds;
	fds[outside->n++] = fd;
	return true;
}

int outside_option(const struct command *cmd, struct outside *outside, const char *arg)
{
	long fd;

	if (!parse_number(arg, 0, INT_MAX, &fd))
		return usage_error(cmd, "--outside '%s': no descriptor", arg);
	return add(outside, fd) ? 0 : EXIT_OSERR;
}

void outside_copy(struct outside *outside, const struct outside *from)
{
	unsigned int i;

	outside->n = 0;
	for (i = 0; i < from->n; i++)
		add(outside, from->fds[i]);
}

void outside_default(struct outside *outside, pid_t pid)
{
	int i, fds[3], n = ghost_outside_fds(pid, fds);

	for (i = 0; i < n; i++)
		add(outside, fds[i]);
}
