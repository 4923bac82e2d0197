// SPDX-License-Identifier: LGPL-2.1
/* libghost: from a ghost to a process */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "libghost-internal.h"

#define RESTART_FLAGS \
	(GHOST_RESTART_KEEP_PID | GHOST_RESTART_PAUSED | GHOST_RESTART_DROP_CAPS | \
	 GHOST_RESTART_OUTSIDE_ONLY)

static int get_opts(struct ghost_restart_opts *o, const struct ghost_restart_opts *opts)
{
	int ret = libghost_copy_opts(o, sizeof(*o), opts, opts ? opts->size : 0);

	if (o->report && o->report_size)
		o->report[0] = '\0';
	if (!ret && o->flags & ~RESTART_FLAGS)
		ret = -EINVAL;
	if (ret)
		return libghost_report(o->report, o->report_size, ret,
				       "options of the restart: %m");
	if (o->nr_fds > GHOST_FD_MAP_MAX)
		return libghost_report(o->report, o->report_size, -EINVAL,
				       "more than %u descriptors replaced", GHOST_FD_MAP_MAX);
	return 0;
}

static pid_t do_import(const struct ghost_restart_opts *o, __u32 backend,
		       const void *params, size_t params_size)
{
	struct ghost_import_args args = {
		.backend = backend,
		.params = (uintptr_t)params,
		.params_size = params_size,
		.report = (uintptr_t)o->report,
		.report_size = o->report ? o->report_size : 0,
		.fd_map_len = o->nr_fds,
		.exit_signal = SIGCHLD,
		.max_bytes = o->max_bytes,
	};
	struct ghost_fd_map *map;
	unsigned int i;
	pid_t pid;

	if (o->flags & GHOST_RESTART_KEEP_PID)
		args.flags |= GHOST_IMPORT_KEEP_PID;
	if (o->flags & GHOST_RESTART_PAUSED)
		args.flags |= GHOST_IMPORT_STOPPED;
	if (o->flags & GHOST_RESTART_DROP_CAPS)
		args.flags |= GHOST_IMPORT_DROP_CAPS;
	if (o->flags & GHOST_RESTART_OUTSIDE_ONLY)
		args.flags |= GHOST_IMPORT_OUTSIDE_ONLY;
	map = calloc(o->nr_fds + 1, sizeof(*map));
	if (!map)
		return -ENOMEM;
	for (i = 0; i < o->nr_fds; i++) {
		map[i].image_fd = o->fds[i].image_fd;
		map[i].fd = o->fds[i].fd;
	}
	args.fd_map = (uintptr_t)(o->nr_fds ? map : NULL);
	pid = ghost_import(&args, sizeof(args));
	if (pid < 0) {
		pid = -errno;
		libghost_default_report(o->report, o->report_size, pid);
	}
	free(map);
	return pid;
}

API pid_t ghost_restart_fd(int fd, const struct ghost_restart_opts *opts)
{
	struct ghost_file_params params = { .fd = fd };
	struct ghost_restart_opts o;
	int ret = get_opts(&o, opts);

	return ret ? ret : do_import(&o, GHOST_BACKEND_FILE, &params, sizeof(params));
}

API pid_t ghost_restart_memory(int fd, const struct ghost_restart_opts *opts)
{
	struct ghost_memory_params params = { .fd = fd };
	struct ghost_restart_opts o;
	int ret = get_opts(&o, opts);

	return ret ? ret : do_import(&o, GHOST_BACKEND_MEMORY, &params, sizeof(params));
}

API pid_t ghost_restart_socket(int fd, const struct ghost_restart_opts *opts)
{
	struct ghost_tcp_params params = { .fd = fd };
	struct ghost_restart_opts o;
	int ret = get_opts(&o, opts);

	params.timeout_ms = o.patience_ms;
	return ret ? ret : do_import(&o, GHOST_BACKEND_TCP, &params, sizeof(params));
}

API pid_t ghost_restart_path(const char *path, const struct ghost_restart_opts *opts)
{
	struct ghost_restart_opts o;
	int fd, ret = get_opts(&o, opts);

	if (ret)
		return ret;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return libghost_report(o.report, o.report_size, -errno, "%s: cannot open: %m",
				       path);
	ret = ghost_restart_fd(fd, opts);
	close(fd);
	return ret;
}
