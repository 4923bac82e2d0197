// SPDX-License-Identifier: GPL-2.0-only
/* ghost dup: more processes like one that runs */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "process.h"
#include "send.h"

#define COPIES_MAX	10000

struct dup {
	struct send send;
	pid_t pid;
	long copies;
	bool to;		/* another machine */
};

enum { OPT_TO = 256, OPT_HELP };

static const struct option options[] = {
	{ "number", required_argument, NULL, 'n' },
	{ "to", required_argument, NULL, OPT_TO },
	{ "stdio", required_argument, NULL, OPT_STDIO },
	{ "outside", required_argument, NULL, OPT_OUTSIDE },
	{ "timeout", required_argument, NULL, OPT_TIMEOUT },
	{ "patience", required_argument, NULL, OPT_PATIENCE },
	{ "quiet", no_argument, NULL, 'q' },
	{ "verbose", no_argument, NULL, 'v' },
	{ "help", no_argument, NULL, OPT_HELP },
	{ "certificate", required_argument, NULL, OPT_CERTIFICATE },
	{ "key", required_argument, NULL, OPT_KEY },
	{ "authority", required_argument, NULL, OPT_AUTHORITY },
	{ "insecure", no_argument, NULL, OPT_INSECURE },
	{ }
};

static int parse_option(const struct command *cmd, struct dup *d, int opt, char **argv)
{
	switch (opt) {
	case 'n':
		if (!parse_number(optarg, 1, COPIES_MAX, &d->copies))
			return usage_error(cmd, "-n '%s': a number up to %d is wanted", optarg,
					   COPIES_MAX);
		return 0;
	case OPT_TO:
		d->to = true;
		return remote_host(cmd, &d->send.remote, optarg);
	default:
		return send_option(cmd, &d->send, opt, argv);
	}
}

static int parse(const struct command *cmd, struct dup *d, int argc, char **argv)
{
	int opt, ret;
	long pid;

	while ((opt = getopt_long(argc, argv, "n:qv", options, NULL)) != -1) {
		if (opt == OPT_HELP) {
			print_help(cmd);
			return -1;
		}
		ret = parse_option(cmd, d, opt, argv);
		if (ret)
			return ret;
	}
	if (optind + 1 != argc)
		return usage_error(cmd, "one process id is wanted");
	if (!parse_number(argv[optind], 1, INT_MAX, &pid))
		return usage_error(cmd, "'%s': no process id", argv[optind]);
	d->pid = pid;
	if (d->send.request.forward && (!d->to || d->copies > 1))
		return usage_error(cmd, "--stdio forward is for one copy elsewhere, with --to");
	return 0;
}

/* What a copy here gets for the descriptors that lie outside: to read nothing, and the file */
static int wire(const struct send *s, struct ghost_fd_pair *pairs)
{
	const char *path = *s->request.file ? s->request.file : "/dev/null";
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int file = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0666);
	const struct outside_fd *o;
	unsigned int i;

	if (null < 0 || file < 0)
		return -errno;
	for (i = 0; i < s->request.nr_outside; i++) {
		o = &s->request.outside[i];
		pairs[i].image_fd = o->fd;
		pairs[i].fd = outside_is_read(o) ? null : file;
	}
	return 0;
}

static int import_all(struct dup *d, int memory)
{
	struct send *s = &d->send;
	struct ghost_fd_pair pairs[REQUEST_OUTSIDE_MAX];
	struct ghost_restart_opts opts = {
		.size = sizeof(opts), .nr_fds = s->request.nr_outside, .fds = pairs,
		.report = s->report, .report_size = sizeof(s->report),
	};
	int ret = wire(s, pairs);
	pid_t pid;
	long n;

	for (n = 0; n < d->copies && !ret; n++) {
		pid = ghost_restart_memory(memory, &opts);
		if (pid < 0)
			ret = pid;
		else
			printf("%d\n", pid);
	}
	fflush(stdout);
	return ret;
}

/* As a restart in the background: in a session of its own, whose leader ends at once */
static int detached(struct dup *d, int memory)
{
	int status = 0, ret;
	pid_t leader;

	signal(SIGCHLD, SIG_DFL);
	fflush(stdout);
	leader = fork();
	if (leader < 0)
		return send_failed(&d->send, d->pid, -errno);
	if (!leader) {
		setsid();
		d->send.task = TASK_COPY;
		ret = import_all(d, memory);
		_exit(ret ? send_failed(&d->send, d->pid, ret) : EXIT_OK);
	}
	while (waitpid(leader, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_SOFTWARE;
}

static int dup_here(struct dup *d)
{
	struct send *s = &d->send;
	int memory, ret;

	outside_copy(&s->outside, &s->wanted);
	outside_default(&s->outside, d->pid);
	s->request.what = REQUEST_DUPLICATE;
	ret = process_request(&s->request, d->pid, &s->outside, s->report, sizeof(s->report));
	if (ret)
		return send_failed(s, d->pid, ret);
	s->opts.size = sizeof(s->opts);
	s->opts.outside = s->outside.fds;
	s->opts.nr_outside = s->outside.n;
	s->opts.report = s->report;
	s->opts.report_size = sizeof(s->report);
	s->opts.stats = &s->stats;
	memory = ghost_checkpoint_memory(d->pid, &s->opts);
	if (memory < 0)
		return send_failed(s, d->pid, memory);
	if (s->verbose)
		print_stats(d->pid, &s->stats);
	ret = detached(d, memory);
	close(memory);
	return ret;
}

static int run(const struct command *cmd, int argc, char **argv)
{
	struct dup *d = calloc(1, sizeof(*d));
	long n;
	int ret;

	if (!d)
		return EXIT_OSERR;
	d->copies = 1;
	d->send.task = TASK_DUP;
	ret = parse(cmd, d, argc, argv);
	if (!ret && !d->to)
		ret = dup_here(d);
	else
		for (n = 0; n < d->copies && !ret; n++)
			ret = send_process(&d->send, d->pid);
	send_close(&d->send);
	free(d);
	return ret < 0 ? EXIT_OK : ret;
}

const struct command cmd_dup = {
	.name = "dup",
	.synopsis = "dup PID [-n N] [--to HOST[:PORT]] [--stdio null|FILE|forward]",
	.summary = "Make more processes like one that runs on.",
	.help =
"Each copy goes on from where the process is, in the background in a session of its own.\n"
"Here they share memory with it until one of them writes, and their process ids are printed.\n"
"\n"
"  -n, --number N     so many copies\n"
"  --to HOST[:PORT]   on another machine, where ghostd makes them\n"
"  --stdio FILE       what they write to standard descriptors that lie outside is appended\n"
"                     to this file (of HOST); without it they are /dev/null\n"
"  --stdio forward    with --to: the copy's become those of this command\n"
"  --timeout MS       give up if a thread cannot be stopped in MS milliseconds\n"
"  --patience S       with --to: give up if HOST is silent for S seconds (30)\n"
"  --outside FD       a copy gets another descriptor for this one\n"
"  -q, --quiet        no progress\n"
"  -v, --verbose      say what it cost\n"
REMOTE_HELP,
	.run = run,
};
