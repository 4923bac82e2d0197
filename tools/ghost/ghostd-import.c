// SPDX-License-Identifier: GPL-2.0-only
/*
 * ghostd: become the user, import the process, and be its parent
 *
 * All of this is done in a process of its own, which has no rights of the user's but one: to
 * import. With standard descriptors that are forwarded it lives as long as the program.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pty.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <linux/capability.h>
#include <linux/keyctl.h>

#include "forward.h"
#include "ghostd.h"
#include "libghost.h"

#ifndef CAP_CHECKPOINT_RESTORE
#define CAP_CHECKPOINT_RESTORE	40
#endif

struct import {
	const struct request *request;
	struct forward *forward;	/* what is forwarded, else NULL */
	int link;
	int ours[FORWARD_LANES];	/* this process's end of a lane */
	int theirs[FORWARD_LANES];	/* the program's */
	int master, slave;		/* of its terminal, if it has one */
	bool heard;			/* from who waits for the program's end */
	int null;
	int file;			/* of the request, where it was opened */
	int child_events;
	pid_t pid;
	siginfo_t end;			/* of the program, when it has ended */
	struct ghost_fd_pair pairs[REQUEST_OUTSIDE_MAX];
	struct import_result result;
};

static int fail_with(struct import *im, int err, const char *what)
{
	im->result.err = err;
	snprintf(im->result.why, sizeof(im->result.why), "%s: %s", what, strerror(err));
	return -err;
}

/* Capabilities: none, or the one that it takes to import */
static int keep_capability(bool keep)
{
	struct __user_cap_header_struct hdr = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { };

	if (keep) {
		data[CAP_TO_INDEX(CAP_CHECKPOINT_RESTORE)].permitted =
			CAP_TO_MASK(CAP_CHECKPOINT_RESTORE);
		data[CAP_TO_INDEX(CAP_CHECKPOINT_RESTORE)].effective =
			CAP_TO_MASK(CAP_CHECKPOINT_RESTORE);
	}
	return syscall(SYS_capset, &hdr, data);
}

static int become_user(struct import *im, const struct user *user)
{
	/* Keys of the daemon's session, or of another user's process, are not for this one */
	if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0 && errno != ENOSYS)
		return fail_with(im, errno, "session keyring");
	if (!user->uid)			/* a rule names root, and means it */
		return 0;
	if (initgroups(user->name, user->gid) || setresgid(user->gid, user->gid, user->gid) ||
	    prctl(PR_SET_KEEPCAPS, 1) || setresuid(user->uid, user->uid, user->uid) ||
	    keep_capability(true) || prctl(PR_SET_DUMPABLE, 0))
		return fail_with(im, errno, user->name);
	return 0;
}

static int make_terminal(struct import *im)
{
	struct winsize size = {
		.ws_row = im->request->rows, .ws_col = im->request->columns,
	};
	int master, slave;

	if (openpty(&master, &slave, NULL, NULL, &size))
		return fail_with(im, errno, "terminal");
	fcntl(master, F_SETFD, FD_CLOEXEC);
	fcntl(slave, F_SETFD, FD_CLOEXEC);
	/* The program may wait to write while this process waits to write to it */
	fcntl(master, F_SETFL, O_RDWR | O_NONBLOCK);
	ioctl(slave, TIOCSCTTY, 0);
	im->master = master;
	im->slave = slave;
	return 0;
}

/* A pipe for one of the standard descriptors */
static int make_lane(struct import *im, int lane)
{
	int fds[2];

	if (im->ours[lane] >= 0)
		return 0;
	if (pipe2(fds, O_CLOEXEC))
		return fail_with(im, errno, "pipe");
	im->ours[lane] = fds[lane == STDIN_FILENO];
	fcntl(im->ours[lane], F_SETFL, O_NONBLOCK);
	im->theirs[lane] = fds[lane != STDIN_FILENO];
	return 0;
}

/* The way that a lane goes is fixed; a descriptor that was open for something else gets null. */
static bool can_forward(const struct outside_fd *o)
{
	if (o->same >= FORWARD_LANES)
		return false;
	return o->terminal || (o->same == STDIN_FILENO ? o->access == O_RDONLY :
			       o->access == O_WRONLY);
}

static int find_replacement(struct import *im, const struct outside_fd *o)
{
	int ret;

	if (im->file >= 0 && !outside_is_read(o))
		return im->file;
	if (!im->request->forward || !can_forward(o))
		return im->null;
	if (o->terminal)
		return im->slave >= 0 ? im->slave : im->null;
	ret = make_lane(im, o->same);
	return ret ? ret : im->theirs[o->same];
}

static int on_message(const struct link_message *m, void *arg)
{
	struct import *im = arg;
	struct winsize size = { };

	im->heard = true;
	switch (m->type) {
	case LINK_SIGNAL:
		/* Once it has ended its id may be another one's */
		if (im->pid && link_word(m, 0) > 0 && link_word(m, 0) < NSIG)
			kill(im->pid, link_word(m, 0));
		return 0;
	case LINK_WINDOW:
		size.ws_row = link_word(m, 0);
		size.ws_col = link_word(m, 1);
		if (im->master >= 0 && size.ws_row && size.ws_col)
			ioctl(im->master, TIOCSWINSZ, &size);
		return 0;
	}
	return -EPROTO;
}

static int wire(struct import *im)
{
	unsigned int i;
	int fd, ret;

	im->null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (im->null < 0)
		return fail_with(im, errno, "/dev/null");
	/* When the program runs it is too late to find that there is no memory */
	if (im->request->forward) {
		im->forward = forward_new(im->link, on_message, im);
		if (!im->forward)
			return fail_with(im, ENOMEM, "standard descriptors");
	}
	if (*im->request->file) {
		im->file = open(im->request->file,
				O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0666);
		if (im->file < 0)
			return fail_with(im, errno, im->request->file);
	}
	if (im->request->forward && request_has_terminal(im->request)) {
		ret = make_terminal(im);
		if (ret)
			return ret;
	}
	for (i = 0; i < im->request->nr_outside; i++) {
		fd = find_replacement(im, &im->request->outside[i]);
		if (fd < 0)
			return fd;
		im->pairs[i].image_fd = im->request->outside[i].fd;
		im->pairs[i].fd = fd;
	}
	return 0;
}

static void unwire(struct import *im)
{
	int i;

	for (i = 0; i < FORWARD_LANES; i++)
		if (im->theirs[i] >= 0)
			close(im->theirs[i]);
	if (im->slave >= 0)
		close(im->slave);
}

static int import(struct import *im, const struct conf *conf, const struct user *user)
{
	struct ghost_restart_opts opts = {
		.size = sizeof(opts),
		.flags = user->uid ? GHOST_RESTART_DROP_CAPS : 0,
		.nr_fds = im->request->nr_outside,
		.fds = im->pairs,
		.report = im->result.why,
		.report_size = sizeof(im->result.why),
		.patience_ms = conf->patience_ms,
		.max_bytes = conf->max_bytes,
	};
	pid_t pid = ghost_restart_socket(im->link, &opts);

	if (pid < 0) {
		im->result.err = -pid;
		return pid;
	}
	im->pid = pid;
	im->result.pid = pid;
	return 0;
}

/* 1 if the program has ended */
static int on_child(void *arg)
{
	struct signalfd_siginfo info;
	struct import *im = arg;

	if (read(im->child_events, &info, sizeof(info)) < 0 && errno != EAGAIN)
		return -errno;
	im->end.si_pid = 0;
	if (waitid(P_PID, im->pid, &im->end, WEXITED | WNOHANG))
		return -errno;
	if (!im->end.si_pid)
		return 0;
	im->pid = 0;
	return 1;
}

static int watch_children(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* Until the program ends, or the one who waits for it is gone: then its descriptors close. */
static void serve(struct import *im)
{
	struct forward *f = im->forward;
	int ret;

	if (im->ours[0] >= 0)
		forward_to(f, 0, im->ours[0], true);
	else
		forward_to(f, 0, im->master, false);
	if (im->ours[1] >= 0)
		forward_from(f, 1, im->ours[1], true);
	if (im->ours[2] >= 0)
		forward_from(f, 2, im->ours[2], true);
	/* A lane that is free: what is said to a terminal comes from all of them at one place */
	if (im->master >= 0)
		forward_from(f, im->ours[1] >= 0 ? 2 : 1, im->master, false);
	forward_watch(f, im->child_events, on_child, im);
	ret = on_child(im);
	if (!ret)
		ret = forward_run(f);
	if (ret > 0 && !forward_send_rest(f) &&
	    !link_send_words(im->link, LINK_EXIT, im->end.si_code, im->end.si_status))
		link_linger(im->link);
	/*
	 * If nobody has ever spoken the one at the other end does not know that the program
	 * runs: it must not end because he is gone.
	 */
	if (ret < 0 && !im->heard)
		forward_discard(f);
}

/* Signals of a terminal or of a group are the program's, in whose session this process is. */
static void ignore_signals(void)
{
	static const int signals[] = {
		SIGHUP, SIGINT, SIGQUIT, SIGTSTP, SIGTTIN, SIGTTOU, SIGPIPE, SIGWINCH,
		SIGTERM, SIGUSR1, SIGUSR2, SIGALRM,
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(signals); i++)
		signal(signals[i], SIG_IGN);
}

/* After "ok" the kernels speak: what fails then, this one says to the other. */
static void answer(const struct import *im)
{
	char text[WHY_MAX + 16];

	snprintf(text, sizeof(text), im->result.err ? "refused %s" : "ok", im->result.why);
	link_send_text(im->link, LINK_ANSWER, text);
}

void import_and_serve(const struct conf *conf, const struct request *request,
		      const struct user *user, int fd, int result)
{
	struct import im = {
		.request = request, .link = fd, .null = -1, .file = -1,
		.master = -1, .slave = -1,
		.ours = { -1, -1, -1 }, .theirs = { -1, -1, -1 },
	};
	int ret;

	setsid();
	ignore_signals();
	im.child_events = watch_children();
	ret = im.child_events < 0 ? fail_with(&im, errno, "signalfd") : 0;
	/* The terminal is to be the user's */
	if (!ret)
		ret = become_user(&im, user);
	if (!ret)
		ret = wire(&im);
	answer(&im);
	if (!ret)
		ret = import(&im, conf, user);
	keep_capability(false);
	unwire(&im);
	if (write(result, &im.result, sizeof(im.result)) != sizeof(im.result))
		report("process %d: the daemon is gone", im.pid);
	close(result);
	if (!ret && im.forward)
		serve(&im);
	_exit(0);
}
