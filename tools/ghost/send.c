// SPDX-License-Identifier: GPL-2.0-only
/* Sending a process to a ghostd */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include "forward.h"
#include "link.h"
#include "process.h"
#include "send.h"
#include "stand-in.h"

/* A program on another machine, in whose place this process is */
struct stay {
	struct send *send;
	int link;
	int signals;
	int code, status;		/* how it has ended */
	bool raw;			/* the terminal, which was like this: */
	struct termios termios;
	sigset_t mask;			/* of signals, as it was */
};

static int set_stdio(const struct command *cmd, struct send *s, const char *arg)
{
	struct request *r = &s->request;

	r->forward = !strcmp(arg, "forward");
	r->file[0] = '\0';
	if (r->forward || !strcmp(arg, "null"))
		return 0;
	if (*arg != '/' || strlen(arg) >= sizeof(r->file))
		return usage_error(cmd, "--stdio '%s': forward, null or a path from / on is wanted",
				   arg);
	memcpy(r->file, arg, strlen(arg) + 1);
	return 0;
}

int send_option(const struct command *cmd, struct send *s, int opt, char **argv)
{
	long n;

	switch (opt) {
	case 'q':
		s->quiet = true;
		return 0;
	case 'v':
		s->verbose = true;
		return 0;
	case OPT_STDIO:
		return set_stdio(cmd, s, optarg);
	case OPT_OUTSIDE:
		return outside_option(cmd, &s->wanted, optarg);
	case OPT_TIMEOUT:
		if (!parse_number(optarg, 1, INT_MAX, &n))
			return usage_error(cmd, "--timeout '%s': no number of milliseconds",
					   optarg);
		s->opts.timeout_ms = n;
		return 0;
	case OPT_PATIENCE:
		if (!parse_number(optarg, 1, INT_MAX / 1000, &n))
			return usage_error(cmd, "--patience '%s': no number of seconds", optarg);
		s->opts.patience_ms = n * 1000;
		return 0;
	default:
		return remote_option(&s->remote, opt, optarg) ? 0 : wrong_option(cmd, argv);
	}
}

int send_failed(struct send *s, pid_t pid, int err)
{
	char object[64];
	struct failure failure = {
		.task = s->task, .object = object, .report = s->report, .pid = pid,
	};

	snprintf(object, sizeof(object), "process %d", pid);
	return fail(&failure, err);
}

void send_close(struct send *s)
{
	remote_close(&s->remote);
	free(s->outside.fds);
	free(s->wanted.fds);
}

static unsigned long long measure(void *arg)
{
	return link_bytes_sent((int)(long)arg);
}

static int export(struct send *s, pid_t pid, int fd)
{
	struct progress *progress = NULL;
	int ret;

	s->opts.size = sizeof(s->opts);
	s->opts.flags = s->task == TASK_MIGRATE ? GHOST_CHECKPOINT_KILL : 0;
	s->opts.outside = s->outside.fds;
	s->opts.nr_outside = s->outside.n;
	s->opts.report = s->report;
	s->opts.report_size = sizeof(s->report);
	s->opts.stats = &s->stats;
	s->opts.stats_size = sizeof(s->stats);
	if (!s->quiet)
		progress = progress_start(s->task == TASK_MIGRATE ? "migrate" : "dup",
					  process_size(pid), measure, (void *)(long)fd);
	/* A signal ends it before GO, and not after: then it is to be said what has become of it */
	stand_in_prepare();
	ret = ghost_checkpoint_socket(pid, fd, &s->opts);
	progress_end(progress);
	return ret;
}

static int on_message(const struct link_message *m, void *arg)
{
	struct stay *stay = arg;

	if (m->type != LINK_EXIT)
		return -EPROTO;
	stay->code = link_word(m, 0);
	stay->status = link_word(m, 1);
	return 1;
}

static void send_window(struct stay *stay)
{
	struct winsize size = { };

	ioctl(STDIN_FILENO, TIOCGWINSZ, &size);
	link_send_words(stay->link, LINK_WINDOW, size.ws_row, size.ws_col);
}

static int on_signal(void *arg)
{
	struct signalfd_siginfo info;
	struct stay *stay = arg;

	if (read(stay->signals, &info, sizeof(info)) != sizeof(info))
		return 0;
	if (info.ssi_signo == SIGWINCH) {
		send_window(stay);
		return 0;
	}
	return link_send_words(stay->link, LINK_SIGNAL, info.ssi_signo, 0);
}

/* Signals that the program is to get, and not this process */
static int catch_signals(sigset_t *old)
{
	static const int signals[] = {
		SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH,
	};
	sigset_t set;
	size_t i;

	sigemptyset(&set);
	for (i = 0; i < ARRAY_SIZE(signals); i++)
		sigaddset(&set, signals[i]);
	sigprocmask(SIG_BLOCK, &set, old);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* What is typed is for the terminal at the other end, which echoes it and makes signals of it. */
static void make_raw(struct stay *stay)
{
	struct termios raw;

	if (!request_has_terminal(&stay->send->request) ||
	    tcgetattr(STDIN_FILENO, &stay->termios))
		return;
	raw = stay->termios;
	cfmakeraw(&raw);
	stay->raw = !tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
}

static int stay_connected(struct send *s, int link)
{
	struct stay stay = { .send = s, .link = link };
	struct forward *f = forward_new(link, on_message, &stay);
	int ret;

	if (!f) {
		message("process %llu: runs on %s, but there is no memory to stay connected",
			(unsigned long long)s->stats.pid, s->remote.host);
		return EXIT_OSERR;
	}
	stay.signals = catch_signals(&stay.mask);
	/* The other end learns that somebody is here, and what came meanwhile */
	send_window(&stay);
	if (stand_in_early())
		link_send_words(link, LINK_SIGNAL, stand_in_early(), 0);
	forward_from(f, STDIN_FILENO, STDIN_FILENO, false);
	forward_to(f, STDOUT_FILENO, STDOUT_FILENO, false);
	forward_to(f, STDERR_FILENO, STDERR_FILENO, false);
	forward_watch(f, stay.signals, on_signal, &stay);
	make_raw(&stay);
	ret = forward_run(f);
	if (stay.raw)
		tcsetattr(STDIN_FILENO, TCSANOW, &stay.termios);
	stand_in_release();
	sigprocmask(SIG_SETMASK, &stay.mask, NULL);
	if (ret == 1)
		forward_write_rest(f);
	forward_free(f);
	if (ret == 1)
		end_as(stay.code, stay.status);
	message("process %llu on %s: the connection to its standard descriptors is lost: %s",
		(unsigned long long)s->stats.pid, s->remote.host,
		ret == -ENODATA ? "it was closed" : strerror(-ret));
	return EXIT_IOERR;
}

static void set_window(struct request *r)
{
	struct winsize size;

	if (ioctl(STDIN_FILENO, TIOCGWINSZ, &size))
		return;
	r->rows = size.ws_row;
	r->columns = size.ws_col;
}

int send_process(struct send *s, pid_t pid)
{
	struct request *r = &s->request;
	int fd = -1, ret, code;

	r->what = s->task == TASK_MIGRATE ? REQUEST_MIGRATE : REQUEST_DUPLICATE;
	r->nr_outside = 0;
	outside_copy(&s->outside, &s->wanted);
	outside_default(&s->outside, pid);
	set_window(r);
	ret = process_request(r, pid, &s->outside, s->report, sizeof(s->report));
	if (!ret) {
		fd = remote_ask(&s->remote, r, s->report, sizeof(s->report));
		ret = fd < 0 ? fd : export(s, pid, fd);
	}
	if (ret) {
		if (fd >= 0)
			close(fd);
		code = send_failed(s, pid, ret);
		if (code == EXIT_HELD)
			message("until 'ghost migrate --resolve %d %s' it neither runs nor ends",
				pid, s->remote.host);
		stand_in_abandon();
		return code;
	}
	if (s->verbose)
		print_stats(pid, &s->stats);
	if (r->forward)
		ret = stay_connected(s, fd);
	else if (!s->quiet)
		message("process %d: runs on %s as %llu", pid, s->remote.host,
			(unsigned long long)s->stats.pid);
	close(fd);
	stand_in_abandon();	/* it was too late to keep this one here */
	return ret;
}
