// SPDX-License-Identifier: LGPL-2.1
/* libghost: the calls of an early Linux system */
#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "checkpoint.h"
#include "libghost-internal.h"

static int result(int ret)
{
	if (ret >= 0)
		return ret;
	errno = -ret;
	return -1;
}

API int checkpoint(int fd, pid_t pid, int flags)
{
	int outside[3], n = ghost_outside_fds(pid, outside);
	struct ghost_checkpoint_opts opts = {
		.size = sizeof(opts), .outside = outside, .nr_outside = n < 0 ? 0 : n,
	};

	if (flags & ~(CHECKPOINT_KILL | CHECKPOINT_NO_BINARY | CHECKPOINT_NO_LIBRARIES))
		return result(-EINVAL);
	if (flags & CHECKPOINT_KILL)
		opts.flags |= GHOST_CHECKPOINT_KILL;
	if (!(flags & CHECKPOINT_NO_BINARY))
		opts.flags |= GHOST_CHECKPOINT_WITH_BINARY;
	if (!(flags & CHECKPOINT_NO_LIBRARIES))
		opts.flags |= GHOST_CHECKPOINT_WITH_LIBRARIES;
	return result(ghost_checkpoint_fd(pid, fd, &opts));
}

API pid_t restart(int fd, pid_t notify, int sig, int flags)
{
	static const struct ghost_fd_pair standard[] = { { 0, 0 }, { 1, 1 }, { 2, 2 } };
	struct ghost_restart_opts opts = {
		.size = sizeof(opts), .flags = GHOST_RESTART_OUTSIDE_ONLY,
		.fds = standard, .nr_fds = ARRAY_SIZE(standard),
	};
	pid_t pid;

	if (flags & ~(RESTART_NOTIFY | RESTART_STOP) || notify < 0 ||
	    (flags & RESTART_NOTIFY && (sig < 1 || sig >= NSIG)))
		return result(-EINVAL);
	if (flags & RESTART_STOP)
		opts.flags |= GHOST_RESTART_PAUSED;
	pid = ghost_restart_fd(fd, &opts);
	/* It is there, whether somebody can be told or not */
	if (pid > 0 && flags & RESTART_NOTIFY)
		kill(notify ? notify : getppid(), sig);
	return result(pid);
}
