// SPDX-License-Identifier: LGPL-2.1
/* libghost: from a process to a ghost */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "libghost-internal.h"
#include "libghost-output.h"

#define CHECKPOINT_FLAGS \
	(GHOST_CHECKPOINT_KILL | GHOST_CHECKPOINT_STOP | GHOST_CHECKPOINT_SYNC | \
	 GHOST_CHECKPOINT_WITH_BINARY | GHOST_CHECKPOINT_WITH_LIBRARIES)

/* A process that is being exported, and how */
struct source {
	struct ghost_checkpoint_opts opts;
	pid_t pid;
	int pidfd;
};

static int source_open(struct source *src, pid_t pid, const struct ghost_checkpoint_opts *opts)
{
	int ret = libghost_copy_opts(&src->opts, sizeof(src->opts), opts, opts ? opts->size : 0);

	src->pidfd = -1;
	src->pid = pid;
	if (src->opts.report && src->opts.report_size)
		src->opts.report[0] = '\0';
	if (!ret && (src->opts.flags & ~CHECKPOINT_FLAGS ||
		     (src->opts.flags & GHOST_CHECKPOINT_KILL &&
		      src->opts.flags & GHOST_CHECKPOINT_STOP)))
		ret = -EINVAL;
	if (ret)
		return libghost_report(src->opts.report, src->opts.report_size, ret,
				       "options of the checkpoint: %m");
	if (pid <= 0)
		return libghost_report(src->opts.report, src->opts.report_size, -EINVAL,
				       "process %d: no process id", pid);
	src->pidfd = libghost_pidfd_open(pid);
	if (src->pidfd == -EINVAL || src->pidfd == -ENOENT)
		return libghost_report(src->opts.report, src->opts.report_size, -ESRCH,
				       "process %d: is a thread of another process", pid);
	if (src->pidfd < 0)
		return libghost_report(src->opts.report, src->opts.report_size, src->pidfd,
				       "process %d: %m", pid);
	return 0;
}

static void source_close(struct source *src)
{
	if (src->pidfd >= 0)
		close(src->pidfd);
}

static int do_export(const struct source *src, __u64 flags, __u32 backend,
		     const void *params, size_t params_size)
{
	const struct ghost_checkpoint_opts *opts = &src->opts;
	struct ghost_export_args args = {
		.flags = flags,
		.pidfd = src->pidfd,
		.backend = backend,
		.params = (uintptr_t)params,
		.params_size = params_size,
		.timeout_ms = opts->timeout_ms,
		.report = (uintptr_t)opts->report,
		.report_size = opts->report ? opts->report_size : 0,
		.fd_map_len = opts->nr_outside,
		.stats = (uintptr_t)opts->stats,
		.stats_size = opts->stats_size,
		.rounds = opts->rounds,
		.max_downtime_ms = opts->max_downtime_ms,
	};
	struct ghost_fd_map *map;
	unsigned int i;
	int ret;

	if (opts->nr_outside > GHOST_FD_MAP_MAX)
		return libghost_report(opts->report, opts->report_size, -EINVAL,
				       "more than %u descriptors outside", GHOST_FD_MAP_MAX);
	map = calloc(opts->nr_outside + 1, sizeof(*map));
	if (!map)
		return -ENOMEM;
	for (i = 0; i < opts->nr_outside; i++) {
		map[i].image_fd = opts->outside[i];
		map[i].fd = -1;
	}
	args.fd_map = (uintptr_t)(opts->nr_outside ? map : NULL);
	ret = ghost_export(&args, sizeof(args));
	if (ret < 0) {
		ret = -errno;
		libghost_default_report(opts->report, opts->report_size, ret);
	}
	free(map);
	return ret < 0 ? ret : 0;
}

/* What is to be in it that is in files as well */
static __u64 contents_flags(const struct source *src)
{
	__u64 flags = 0;

	if (src->opts.flags & GHOST_CHECKPOINT_WITH_BINARY)
		flags |= GHOST_EXPORT_WITH_BINARY;
	if (src->opts.flags & GHOST_CHECKPOINT_WITH_LIBRARIES)
		flags |= GHOST_EXPORT_WITH_LIBRARIES;
	return flags;
}

static __u64 export_flags(const struct source *src)
{
	__u64 flags = contents_flags(src);

	if (src->opts.flags & GHOST_CHECKPOINT_KILL)
		flags |= GHOST_EXPORT_KILL;
	if (src->opts.flags & GHOST_CHECKPOINT_STOP)
		flags |= GHOST_EXPORT_STOP;
	if (src->opts.flags & GHOST_CHECKPOINT_SYNC)
		flags |= GHOST_EXPORT_SYNC;
	return flags;
}

static int export_to_fd(const struct source *src, __u64 flags, int fd)
{
	struct ghost_file_params params = { .fd = fd };

	if (src->opts.opened)
		src->opts.opened(fd, src->opts.arg);
	return do_export(src, flags, GHOST_BACKEND_FILE, &params, sizeof(params));
}

API int ghost_checkpoint_fd(pid_t pid, int fd, const struct ghost_checkpoint_opts *opts)
{
	struct source src;
	int ret = source_open(&src, pid, opts);

	if (!ret)
		ret = export_to_fd(&src, export_flags(&src), fd);
	source_close(&src);
	return ret;
}

API int ghost_checkpoint_memory(pid_t pid, const struct ghost_checkpoint_opts *opts)
{
	struct ghost_memory_params params = { .fd = -1 };
	struct source src;
	int ret = source_open(&src, pid, opts);

	if (!ret)
		ret = do_export(&src, export_flags(&src), GHOST_BACKEND_MEMORY,
				&params, sizeof(params));
	source_close(&src);
	return ret ? ret : params.fd;
}

API int ghost_checkpoint_socket(pid_t pid, int fd, const struct ghost_checkpoint_opts *opts)
{
	struct ghost_tcp_params params = { .fd = fd };
	struct source src;
	int ret = source_open(&src, pid, opts);

	params.timeout_ms = src.opts.patience_ms;
	if (!ret)
		ret = do_export(&src, export_flags(&src), GHOST_BACKEND_TCP,
				&params, sizeof(params));
	source_close(&src);
	return ret;
}

API int ghost_resume(pid_t pid)
{
	struct source src;
	int ret = source_open(&src, pid, NULL);

	if (!ret)
		ret = do_export(&src, GHOST_EXPORT_RESUME, 0, NULL, 0);
	source_close(&src);
	return ret;
}

API int ghost_event_fd(void)
{
	struct ghost_export_args args = { .flags = GHOST_EXPORT_EVENT, .pidfd = -1 };
	int fd = ghost_export(&args, sizeof(args));

	return fd < 0 ? -errno : fd;
}

API int ghost_check(pid_t pid, const struct ghost_checkpoint_opts *opts)
{
	struct source src;
	int ret = source_open(&src, pid, opts);

	if (!ret)
		ret = do_export(&src, GHOST_EXPORT_CHECK | contents_flags(&src), 0, NULL, 0);
	source_close(&src);
	return ret;
}

/* Was the process stopped already before the export stopped it? */
static int was_stopped(int fd)
{
	const struct ghost_rec_process *process;
	struct ghost_image *image;
	struct ghost_record rec;
	int stopped = 0;

	if (lseek(fd, 0, SEEK_SET) < 0 || ghost_image_open(&image, fd))
		return 0;
	while (ghost_image_next(image, &rec) > 0) {
		if (rec.kind != GHOST_REC_PROCESS)
			continue;
		process = rec.data;
		stopped = !!(le32toh(process->flags) & GHOST_PROCESS_STOPPED);
		break;
	}
	ghost_image_close(image);
	return stopped;
}

static void wait_for_end(int pidfd)
{
	struct pollfd pollfd = { .fd = pidfd, .events = POLLIN };

	poll(&pollfd, 1, -1);		/* a signal may cut this short */
}

/*
 * The process is killed only after its image lies, complete and on stable
 * storage, under its name. Until then it is stopped, so that it does nothing
 * that its image does not know of. Signals are held back meanwhile: the caller
 * must not end between stopping the process and letting it go on.
 */
static int export_and_end(const struct source *src, struct libghost_output *out)
{
	__u64 flags = GHOST_EXPORT_STOP | contents_flags(src);
	int ret;

	if (src->opts.flags & (GHOST_CHECKPOINT_SYNC | GHOST_CHECKPOINT_KILL))
		flags |= GHOST_EXPORT_SYNC;
	libghost_output_hold_signals(out);
	ret = export_to_fd(src, flags, out->fd);
	if (ret)
		return ret;
	ret = libghost_output_publish(out, flags & GHOST_EXPORT_SYNC,
				      src->opts.report, src->opts.report_size);
	if (ret) {
		if (!was_stopped(out->fd))
			libghost_pidfd_kill(src->pidfd, SIGCONT);
		return ret;
	}
	if (!(src->opts.flags & GHOST_CHECKPOINT_KILL))
		return 0;
	ret = libghost_pidfd_kill(src->pidfd, SIGKILL);
	if (ret && ret != -ESRCH)
		return libghost_report(src->opts.report, src->opts.report_size, ret,
				       "process %d: stopped, its image is complete, but it cannot be killed: %m",
				       src->pid);
	return 0;
}

static int export_and_run(const struct source *src, struct libghost_output *out)
{
	__u64 flags = contents_flags(src);
	int ret;

	if (src->opts.flags & GHOST_CHECKPOINT_SYNC)
		flags |= GHOST_EXPORT_SYNC;
	ret = export_to_fd(src, flags, out->fd);
	if (ret)
		return ret;
	return libghost_output_publish(out, flags & GHOST_EXPORT_SYNC,
				       src->opts.report, src->opts.report_size);
}

API int ghost_checkpoint_path(pid_t pid, const char *path,
			      const struct ghost_checkpoint_opts *opts)
{
	struct libghost_output out;
	struct source src;
	int ret;

	ret = source_open(&src, pid, opts);
	if (ret)
		goto close_source;
	ret = libghost_output_open(&out, path, src.opts.report, src.opts.report_size);
	if (ret)
		goto close_source;
	if (src.opts.flags & (GHOST_CHECKPOINT_KILL | GHOST_CHECKPOINT_STOP))
		ret = export_and_end(&src, &out);
	else
		ret = export_and_run(&src, &out);
	libghost_output_close(&out);
	if (!ret && src.opts.flags & GHOST_CHECKPOINT_KILL)
		wait_for_end(src.pidfd);
close_source:
	source_close(&src);
	return ret;
}

/* The devices that a kernel with ghost finds again by their name */
static int is_plain_device(const struct stat *st)
{
	if (!S_ISCHR(st->st_mode) || major(st->st_rdev) != 1)
		return 0;
	switch (minor(st->st_rdev)) {
	case 3:		/* null */
	case 5:		/* zero */
	case 7:		/* full */
	case 8:		/* random */
	case 9:		/* urandom */
		return 1;
	default:
		return 0;
	}
}

API int ghost_outside_fds(pid_t pid, int fds[3])
{
	char path[64];
	struct stat st;
	int fd, n = 0;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	if (stat(path, &st))
		return errno == ENOENT ? -ESRCH : -errno;
	for (fd = 0; fd < 3; fd++) {
		snprintf(path, sizeof(path), "/proc/%d/fd/%d", pid, fd);
		if (stat(path, &st)) {
			if (errno == ENOENT)	/* closed */
				continue;
			return -errno;
		}
		if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode) && !is_plain_device(&st))
			fds[n++] = fd;
	}
	return n;
}
