// SPDX-License-Identifier: GPL-2.0-only
/* ghost checkpoint: write the image of a process */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <linux/ghost.h>

#include "cmd.h"
#include "libghost.h"
#include "outside.h"
#include "process.h"

struct checkpoint {
	pid_t pid;
	const char *output;
	struct outside outside;
	int after;			/* OPT_KILL, OPT_STOP, OPT_RUN */
	bool quiet;
	bool verbose;
	struct progress *progress;
	struct ghost_export_stats stats;
	struct ghost_checkpoint_opts opts;
	char report[REPORT_SIZE];
};

enum {
	OPT_KILL = 256, OPT_STOP, OPT_RUN, OPT_SYNC, OPT_TIMEOUT, OPT_OUTSIDE, OPT_WHOLE, OPT_HELP,
};

static const struct option options[] = {
	{ "output", required_argument, NULL, 'o' },
	{ "kill", no_argument, NULL, OPT_KILL },
	{ "stop", no_argument, NULL, OPT_STOP },
	{ "run", no_argument, NULL, OPT_RUN },
	{ "sync", no_argument, NULL, OPT_SYNC },
	{ "timeout", required_argument, NULL, OPT_TIMEOUT },
	{ "outside", required_argument, NULL, OPT_OUTSIDE },
	{ "whole", no_argument, NULL, OPT_WHOLE },
	{ "quiet", no_argument, NULL, 'q' },
	{ "verbose", no_argument, NULL, 'v' },
	{ "help", no_argument, NULL, OPT_HELP },
	{ }
};

static int set_after(const struct command *cmd, struct checkpoint *c, int opt)
{
	if (c->after && c->after != opt)
		return usage_error(cmd, "only one of --kill, --stop and --run can be had");
	c->after = opt;
	if (opt == OPT_KILL)
		c->opts.flags |= GHOST_CHECKPOINT_KILL;
	else if (opt == OPT_STOP)
		c->opts.flags |= GHOST_CHECKPOINT_STOP;
	return 0;
}

static int parse_option(const struct command *cmd, struct checkpoint *c, int opt, char **argv)
{
	long n;

	switch (opt) {
	case 'o':
		c->output = optarg;
		return 0;
	case 'q':
		c->quiet = true;
		return 0;
	case 'v':
		c->verbose = true;
		return 0;
	case OPT_KILL:
	case OPT_STOP:
	case OPT_RUN:
		return set_after(cmd, c, opt);
	case OPT_SYNC:
		c->opts.flags |= GHOST_CHECKPOINT_SYNC;
		return 0;
	case OPT_WHOLE:
		c->opts.flags |= GHOST_CHECKPOINT_WITH_BINARY | GHOST_CHECKPOINT_WITH_LIBRARIES;
		return 0;
	case OPT_TIMEOUT:
		if (!parse_number(optarg, 1, INT_MAX, &n))
			return usage_error(cmd, "--timeout '%s': no number of milliseconds",
					   optarg);
		c->opts.timeout_ms = n;
		return 0;
	case OPT_OUTSIDE:
		return outside_option(cmd, &c->outside, optarg);
	default:
		return wrong_option(cmd, argv);
	}
}

static int parse(const struct command *cmd, struct checkpoint *c, int argc, char **argv)
{
	int opt, ret;
	long pid;

	while ((opt = getopt_long(argc, argv, "o:qv", options, NULL)) != -1) {
		if (opt == OPT_HELP) {
			print_help(cmd);
			return -1;
		}
		ret = parse_option(cmd, c, opt, argv);
		if (ret)
			return ret;
	}
	if (optind + 1 != argc)
		return usage_error(cmd, "one process id is wanted");
	if (!parse_number(argv[optind], 1, INT_MAX, &pid))
		return usage_error(cmd, "'%s': no process id", argv[optind]);
	c->pid = pid;
	if (!c->output)
		return usage_error(cmd, "no image file given, with -o FILE");
	return 0;
}

static unsigned long long measure(void *arg)
{
	struct stat st;

	return fstat((int)(long)arg, &st) ? 0 : st.st_size;
}

static void opened(int fd, void *arg)
{
	struct checkpoint *c = arg;
	struct stat st;

	if (!c->quiet && !fstat(fd, &st) && S_ISREG(st.st_mode))
		c->progress = progress_start("checkpoint", process_size(c->pid), measure,
					     (void *)(long)fd);
}

static int checkpoint(struct checkpoint *c)
{
	char object[64];
	struct failure failure = {
		.task = TASK_CHECKPOINT, .object = object, .report = c->report, .pid = c->pid,
	};
	int ret;

	snprintf(object, sizeof(object), "process %d", c->pid);
	if (!strcmp(c->output, "-"))
		ret = ghost_checkpoint_fd(c->pid, STDOUT_FILENO, &c->opts);
	else
		ret = ghost_checkpoint_path(c->pid, c->output, &c->opts);
	progress_end(c->progress);
	if (ret)
		return fail(&failure, ret);
	if (c->verbose)
		print_stats(c->pid, &c->stats);
	return EXIT_OK;
}

static int run(const struct command *cmd, int argc, char **argv)
{
	struct checkpoint *c = calloc(1, sizeof(*c));
	int ret;

	if (!c)
		return EXIT_OSERR;
	ret = parse(cmd, c, argc, argv);
	if (ret)
		goto out;
	if (!strcmp(c->output, "-") && isatty(STDOUT_FILENO)) {
		ret = usage_error(cmd, "the image is not for a terminal");
		goto out;
	}
	outside_default(&c->outside, c->pid);
	c->opts.size = sizeof(c->opts);
	c->opts.outside = c->outside.fds;
	c->opts.nr_outside = c->outside.n;
	c->opts.report = c->report;
	c->opts.report_size = sizeof(c->report);
	c->opts.stats = &c->stats;
	c->opts.opened = opened;
	c->opts.arg = c;
	ret = checkpoint(c);
out:
	free(c->outside.fds);
	free(c);
	return ret < 0 ? EXIT_OK : ret;
}

const struct command cmd_checkpoint = {
	.name = "checkpoint",
	.synopsis = "checkpoint PID -o FILE [--kill|--stop] [--sync] [--whole] [--outside FD]",
	.summary = "Write the image of a running process to a file.",
	.help =
"  -o, --output FILE  the image; it appears under this name only when it is complete.\n"
"                     '-' is standard output\n"
"  --run              let the process run on (this is so without being said)\n"
"  --stop             leave it stopped, as by SIGSTOP\n"
"  --kill             end it after its image lies under its name on stable storage\n"
"  --sync             return only when the image is on stable storage\n"
"  --whole            what is mapped privately of program and libraries is in the image, and\n"
"                     need not be there any more\n"
"  --timeout MS       give up if a thread cannot be stopped in MS milliseconds\n"
"  --outside FD       what is behind this descriptor of the process is not in the image;\n"
"                     restart gives it another. Standard descriptors that are no files\n"
"                     are always taken so\n"
"  -q, --quiet        no progress\n"
"  -v, --verbose      say what it cost\n",
	.run = run,
};
