// SPDX-License-Identifier: GPL-2.0-only
/* ghost: say what failed, why, and what can be done */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "libghost.h"

static const char * const verbs[] = {
	[TASK_CHECKPOINT] = "cannot checkpoint",
	[TASK_RESTART] = "cannot restart",
	[TASK_CHECK] = "cannot check",
	[TASK_SHOW] = "cannot show",
	[TASK_MIGRATE] = "cannot migrate",
	[TASK_DUP] = "cannot duplicate",
	[TASK_COPY] = "cannot duplicate",
	[TASK_RESOLVE] = "cannot resolve",
};

#define ANY	(-1)

/* The first line that fits is taken. */
static const struct {
	int err;
	int task;
	int code;
	const char *hint;	/* may have one %d for the process */
} causes[] = {
	{ EPERM, TASK_RESTART, EXIT_NOPERM,
	  "it takes CAP_CHECKPOINT_RESTORE, or kernel.ghost_unprivileged=1 and no seccomp filter" },
	{ EPERM, TASK_COPY, EXIT_NOPERM,
	  "it takes CAP_CHECKPOINT_RESTORE, or kernel.ghost_unprivileged=1 and no seccomp filter" },
	{ EPERM, ANY, EXIT_NOPERM,
	  "it takes the right to trace the process: the same user, or CAP_SYS_PTRACE" },
	{ EACCES, TASK_RESTART, EXIT_NOPERM,
	  "the files that the program has open and mapped must be accessible to you" },
	{ EACCES, TASK_COPY, EXIT_NOPERM,
	  "the files that the program has open and mapped must be accessible to you" },
	{ EACCES, ANY, EXIT_NOPERM, NULL },
	{ EINPROGRESS, TASK_DUP, EXIT_UNAVAILABLE, "it runs on here; there may be a copy there" },
	{ EINPROGRESS, ANY, EXIT_HELD, NULL },
	{ ECONNRESET, TASK_RESOLVE, EXIT_TEMPFAIL, "it is still held" },
	{ ETIMEDOUT, TASK_RESOLVE, EXIT_TEMPFAIL, "it is still held" },
	{ EREMOTEIO, TASK_RESOLVE, EXIT_UNAVAILABLE, "it is still held" },
	{ EREMOTEIO, ANY, EXIT_UNAVAILABLE,
	  "it runs on here; the other machine's log may say more" },
	{ ECONNRESET, ANY, EXIT_TEMPFAIL, "it runs on here" },
	{ ECONNREFUSED, ANY, EXIT_TEMPFAIL, "is ghostd running there?" },
	{ EHOSTUNREACH, ANY, EXIT_TEMPFAIL, NULL },
	{ EPROTO, ANY, EXIT_UNAVAILABLE, NULL },
	{ EROFS, TASK_CHECKPOINT, EXIT_CANTCREAT, NULL },
	{ EISDIR, TASK_CHECKPOINT, EXIT_CANTCREAT, "name a file, not a folder, with -o" },
	{ EEXIST, TASK_CHECKPOINT, EXIT_CANTCREAT,
	  "only regular files are replaced; to write into a pipe use -o -" },
	{ EEXIST, TASK_RESTART, EXIT_TEMPFAIL,
	  "end the process that has the id, or restart without --pid" },
	{ ESRCH, ANY, EXIT_NOINPUT, NULL },
	{ ENOENT, TASK_CHECKPOINT, EXIT_CANTCREAT, NULL },
	{ ENOENT, TASK_RESTART, EXIT_NOINPUT,
	  "the image and all files it refers to must be there; 'ghost show' lists them" },
	{ ENOENT, ANY, EXIT_NOINPUT, NULL },
	{ EOPNOTSUPP, TASK_CHECKPOINT, EXIT_UNAVAILABLE,
	  "'ghost check %d' lists all that is in the way" },
	{ EOPNOTSUPP, ANY, EXIT_UNAVAILABLE, NULL },
	{ EBUSY, ANY, EXIT_TEMPFAIL,
	  "end the debugger or thaw the cgroup, or try again later" },
	{ ETIMEDOUT, TASK_MIGRATE, EXIT_TEMPFAIL,
	  "it runs on here; try again, or with a longer --patience or --timeout" },
	{ ETIMEDOUT, ANY, EXIT_TEMPFAIL,
	  "nothing was changed; try again, or with a longer --timeout" },
	{ EBADMSG, TASK_SHOW, EXIT_DATA, NULL },
	{ EBADMSG, ANY, EXIT_DATA, "'ghost show' says where the image is damaged" },
	{ E2BIG, ANY, EXIT_UNAVAILABLE, "the image is of a newer version of ghost" },
	{ ENOEXEC, TASK_SHOW, EXIT_DATA, NULL },
	{ ENOEXEC, ANY, EXIT_DATA,
	  "an image goes on only on such a machine as it was made on" },
	{ ESTALE, ANY, EXIT_UNAVAILABLE,
	  "put the file back as it was when the image was made" },
	{ EBADF, TASK_RESTART, EXIT_USAGE,
	  "give the program a descriptor with --fd; 'ghost show' lists which it has" },
	{ EBADF, ANY, EXIT_USAGE, NULL },
	{ EINVAL, ANY, EXIT_USAGE, NULL },
	{ EINTR, ANY, EXIT_TEMPFAIL, NULL },
	{ ENOSPC, ANY, EXIT_IOERR, "make room, or write the image elsewhere" },
	{ EDQUOT, ANY, EXIT_IOERR, "make room, or write the image elsewhere" },
	{ EFBIG, TASK_MIGRATE, EXIT_UNAVAILABLE,
	  "it runs on here; 'max-size' in ghostd.conf there says how large it may be" },
	{ EFBIG, TASK_DUP, EXIT_UNAVAILABLE,
	  "'max-size' in ghostd.conf there says how large it may be" },
	{ EFBIG, ANY, EXIT_IOERR, "raise the limit of the size of files (ulimit -f)" },
	{ EIO, ANY, EXIT_IOERR, NULL },
	{ EPIPE, ANY, EXIT_IOERR, NULL },
	{ EAGAIN, TASK_MIGRATE, EXIT_TEMPFAIL, "it runs on here; try again" },
	{ EAGAIN, ANY, EXIT_TEMPFAIL, NULL },
	{ ENOMEM, ANY, EXIT_OSERR, NULL },
	{ ANY, ANY, EXIT_OSERR, NULL },
};

static bool fits(size_t i, int err, enum task task)
{
	return causes[i].err == ANY ||
	       (causes[i].err == err && (causes[i].task == ANY || causes[i].task == (int)task));
}

/* Does the kernel lack the calls? An old one may lack others than those of ghost as well. */
static bool has_no_ghost(int err)
{
	return err != EPERM && ghost_probe() == -err;
}

/* The hint is only of use with a process to name. */
static void print_hint(const char *hint, pid_t pid)
{
	if (!strstr(hint, "%d")) {
		message("%s", hint);
		return;
	}
	if (pid)
		message("%.*s%d%s", (int)(strstr(hint, "%d") - hint), hint, pid,
			strstr(hint, "%d") + 2);
}

/* Most hints are about this machine: is it the other one that has failed? */
static bool is_elsewhere(const struct failure *failure, int err)
{
	if (err == EINPROGRESS || err == EREMOTEIO || err == ECONNRESET || err == ETIMEDOUT ||
	    err == EFBIG)
		return false;
	return failure->report && !strncmp(failure->report, "destination: ", 13);
}

int fail(const struct failure *failure, int err)
{
	size_t i = 0;

	if (err < 0)
		err = -err;
	while (!fits(i, err, failure->task))
		i++;
	message("%s %s: %s", verbs[failure->task], failure->object,
		failure->report && failure->report[0] ? failure->report : strerror(err));
	if (has_no_ghost(err)) {
		message("this kernel has no ghost; boot one that is built with CONFIG_GHOST=y");
		return EXIT_CONFIG;
	}
	if (is_elsewhere(failure, err)) {
		if (failure->task == TASK_MIGRATE)
			message("it runs on here");
		return causes[i].code;
	}
	if (err == EPERM && failure->keep_pid)
		message("to get back an old process id takes CAP_CHECKPOINT_RESTORE");
	else if (causes[i].hint)
		print_hint(causes[i].hint, failure->pid);
	return causes[i].code;
}
