// SPDX-License-Identifier: GPL-2.0-only
/* ghost restart: make a process of an image */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmd.h"
#include "libghost.h"
#include "stand-in.h"
#include "wiring.h"

struct restart {
	const char *image;
	int fd;				/* of the image */
	bool detach;
	bool quiet;
	struct wiring wiring;
	struct ghost_restart_opts opts;
	char report[REPORT_SIZE];
};

enum { OPT_PID = 256, OPT_STOPPED, OPT_FD, OPT_HELP };

static const struct option options[] = {
	{ "detach", no_argument, NULL, 'd' },
	{ "pid", no_argument, NULL, OPT_PID },
	{ "stopped", no_argument, NULL, OPT_STOPPED },
	{ "fd", required_argument, NULL, OPT_FD },
	{ "quiet", no_argument, NULL, 'q' },
	{ "help", no_argument, NULL, OPT_HELP },
	{ }
};

static int parse(const struct command *cmd, struct restart *r, int argc, char **argv)
{
	int opt, ret;

	while ((opt = getopt_long(argc, argv, "dq", options, NULL)) != -1) {
		switch (opt) {
		case 'd':
			r->detach = true;
			break;
		case 'q':
			r->quiet = true;
			break;
		case OPT_PID:
			r->opts.flags |= GHOST_RESTART_KEEP_PID;
			break;
		case OPT_STOPPED:
			r->opts.flags |= GHOST_RESTART_PAUSED;
			break;
		case OPT_FD:
			ret = wiring_option(cmd, &r->wiring, optarg);
			if (ret)
				return ret;
			break;
		case OPT_HELP:
			print_help(cmd);
			return -1;
		default:
			return wrong_option(cmd, argv);
		}
	}
	if (optind + 1 != argc)
		return usage_error(cmd, "one image file is wanted");
	r->image = argv[optind];
	return 0;
}

static int restart_failed(const struct restart *r, int err, const char *report)
{
	struct failure failure = {
		.task = TASK_RESTART, .object = r->image, .report = report,
		.keep_pid = r->opts.flags & GHOST_RESTART_KEEP_PID,
	};

	return fail(&failure, err);
}

static int open_image(struct restart *r)
{
	r->fd = open(r->image, O_RDONLY | O_CLOEXEC);
	if (r->fd < 0)
		return restart_failed(r, errno, "");
	if (lseek(r->fd, 0, SEEK_CUR) < 0)
		return restart_failed(r, ESPIPE,
				      "it is read twice, so it must be a file: copy it to one");
	return 0;
}

static unsigned long long measure(void *arg)
{
	off_t pos = lseek((int)(long)arg, 0, SEEK_CUR);

	return pos < 0 ? 0 : pos;
}

static pid_t import(struct restart *r)
{
	struct progress *progress = NULL;
	struct stat st;
	pid_t pid;

	r->opts.size = sizeof(r->opts);
	r->opts.fds = r->wiring.pairs;
	r->opts.nr_fds = r->wiring.n;
	r->opts.report = r->report;
	r->opts.report_size = sizeof(r->report);
	if (!r->quiet && !fstat(r->fd, &st))
		progress = progress_start("restart", st.st_size, measure, (void *)(long)r->fd);
	pid = ghost_restart_fd(r->fd, &r->opts);
	progress_end(progress);
	return pid;
}

/* The program takes this process's place as far as one process can for another. */
static int in_foreground(struct restart *r)
{
	pid_t pid;

	stand_in_prepare();
	pid = import(r);
	if (pid < 0) {
		stand_in_abandon();
		return restart_failed(r, pid, r->report);
	}
	wiring_close(&r->wiring);
	return stand_in_for(pid);
}

/*
 * In a session of its own, whose leader ends at once: the program then is a child of
 * init and can have no terminal.
 */
static int in_session(struct restart *r, int result)
{
	pid_t pid;

	setsid();
	pid = import(r);
	if (pid < 0)
		return restart_failed(r, pid, r->report);
	return write(result, &pid, sizeof(pid)) == sizeof(pid) ? EXIT_OK : EXIT_OSERR;
}

static int detached(struct restart *r)
{
	int result[2], status;
	pid_t pid, leader;

	signal(SIGCHLD, SIG_DFL);
	if (pipe2(result, O_CLOEXEC))
		return restart_failed(r, errno, "");
	leader = fork();
	if (leader < 0)
		return restart_failed(r, errno, "");
	if (!leader)
		_exit(in_session(r, result[1]));
	close(result[1]);
	while (waitpid(leader, &status, 0) < 0 && errno == EINTR)
		;
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_SOFTWARE;
	if (read(result[0], &pid, sizeof(pid)) != sizeof(pid))
		return EXIT_SOFTWARE;
	printf("%d\n", pid);
	return EXIT_OK;
}

static int run(const struct command *cmd, int argc, char **argv)
{
	struct restart *r = calloc(1, sizeof(*r));
	int ret;

	if (!r)
		return EXIT_OSERR;
	r->fd = -1;
	ret = parse(cmd, r, argc, argv);
	if (!ret)
		ret = open_image(r);
	if (!ret) {
		ret = wiring_of_image(&r->wiring, r->fd, r->detach, r->report, sizeof(r->report));
		if (ret)
			ret = restart_failed(r, ret, r->report);
	}
	if (!ret)
		ret = r->detach ? detached(r) : in_foreground(r);
	if (r->fd >= 0)
		close(r->fd);
	wiring_close(&r->wiring);
	free(r);
	return ret < 0 ? EXIT_OK : ret;
}

const struct command cmd_restart = {
	.name = "restart",
	.synopsis = "restart FILE [-d] [--pid] [--stopped] [--fd N=M|N=PATH]... [-q]",
	.summary = "Make a running process of an image.",
	.help =
"In the foreground ghost behaves like the program: it passes signals on, stops\n"
"and goes on with it, and ends with its exit status or by the same signal.\n"
"\n"
"  -d, --detach   in the background in a session of its own; its process id is printed.\n"
"                 Standard descriptors that lie outside the image become /dev/null\n"
"  --pid          with the process id that it had\n"
"  --stopped      stopped as by SIGSTOP; SIGCONT lets it run\n"
"  --fd N=M       its descriptor N becomes this command's descriptor M\n"
"  --fd N=PATH    its descriptor N becomes this file\n"
"  -q, --quiet    no progress\n",
	.run = run,
};
