// SPDX-License-Identifier: GPL-2.0-only
/* ghost migrate: a process goes to another machine */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/ghost.h>

#include "cmd.h"
#include "libghost.h"
#include "link.h"
#include "outside.h"
#include "process.h"
#include "remote.h"
#include "send.h"

#define ROUNDS		10	/* if only the downtime is said */
#define PENDING_MS	500	/* between two questions what has become of it */

struct migrate {
	struct send send;
	pid_t *pids;
	int nr_pids;
	bool rounds_said;
	bool resolve;
	bool here, there;		/* the answer is known already */
};

enum { OPT_ROUNDS = 256, OPT_MAX_DOWNTIME, OPT_RESOLVE, OPT_HELP };

static const struct option options[] = {
	{ "stdio", required_argument, NULL, OPT_STDIO },
	{ "outside", required_argument, NULL, OPT_OUTSIDE },
	{ "timeout", required_argument, NULL, OPT_TIMEOUT },
	{ "rounds", required_argument, NULL, OPT_ROUNDS },
	{ "max-downtime", required_argument, NULL, OPT_MAX_DOWNTIME },
	{ "patience", required_argument, NULL, OPT_PATIENCE },
	{ "resolve", optional_argument, NULL, OPT_RESOLVE },
	{ "quiet", no_argument, NULL, 'q' },
	{ "verbose", no_argument, NULL, 'v' },
	{ "help", no_argument, NULL, OPT_HELP },
	{ "certificate", required_argument, NULL, OPT_CERTIFICATE },
	{ "key", required_argument, NULL, OPT_KEY },
	{ "authority", required_argument, NULL, OPT_AUTHORITY },
	{ "insecure", no_argument, NULL, OPT_INSECURE },
	{ }
};

static int parse_option(const struct command *cmd, struct migrate *m, int opt, char **argv)
{
	struct ghost_checkpoint_opts *opts = &m->send.opts;
	long n;

	switch (opt) {
	case OPT_RESOLVE:
		m->resolve = true;
		m->here = optarg && !strcmp(optarg, "here");
		m->there = optarg && !strcmp(optarg, "there");
		if (optarg && !m->here && !m->there)
			return usage_error(cmd, "--resolve=%s: here or there is wanted", optarg);
		return 0;
	case OPT_ROUNDS:
		if (!parse_number(optarg, 0, 1000, &n))
			return usage_error(cmd, "--rounds '%s': a number up to 1000 is wanted",
					   optarg);
		opts->rounds = n;
		m->rounds_said = true;
		return 0;
	case OPT_MAX_DOWNTIME:
		if (!parse_number(optarg, 1, INT_MAX, &n))
			return usage_error(cmd, "--max-downtime '%s': no number of milliseconds",
					   optarg);
		opts->max_downtime_ms = n;
		return 0;
	default:
		return send_option(cmd, &m->send, opt, argv);
	}
}

static int parse(const struct command *cmd, struct migrate *m, int argc, char **argv)
{
	int opt, ret, i;
	long pid;

	while ((opt = getopt_long(argc, argv, "qv", options, NULL)) != -1) {
		if (opt == OPT_HELP) {
			print_help(cmd);
			return -1;
		}
		ret = parse_option(cmd, m, opt, argv);
		if (ret)
			return ret;
	}
	if (m->send.opts.max_downtime_ms && !m->rounds_said)
		m->send.opts.rounds = ROUNDS;
	m->nr_pids = argc - optind - 1;
	if (m->nr_pids < 1)
		return usage_error(cmd, "a process id and a host are wanted");
	if (m->send.request.forward && m->nr_pids > 1)
		return usage_error(cmd, "--stdio forward is for one process");
	m->pids = calloc(m->nr_pids, sizeof(*m->pids));
	if (!m->pids)
		return EXIT_OSERR;
	for (i = 0; i < m->nr_pids; i++) {
		if (!parse_number(argv[optind + i], 1, INT_MAX, &pid))
			return usage_error(cmd, "'%s': no process id", argv[optind + i]);
		m->pids[i] = pid;
	}
	return remote_host(cmd, &m->send.remote, argv[argc - 1]);
}

/* Is it held? 0 or a negative errno and a report */
static int check_held(struct send *s, pid_t pid)
{
	struct ghost_checkpoint_opts opts = {
		.size = sizeof(opts), .report = s->report, .report_size = sizeof(s->report),
	};
	int ret = ghost_check(pid, &opts);
	const char *line;

	for (line = s->report; ret == -EOPNOTSUPP && line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (!strncmp(line, "process: is held", 16))
			return 0;
	}
	if (ret && ret != -EOPNOTSUPP)
		return ret;
	snprintf(s->report, sizeof(s->report), "it is not held, there is nothing to resolve");
	return -EINVAL;
}

/* What the destination says has become of it; -EAGAIN: it does not know yet */
static int ask_outcome(struct send *s, pid_t *copy)
{
	char answer[REPORT_SIZE] = "", word[16] = "";
	int fd = remote_ask(&s->remote, &s->request, answer, sizeof(answer));

	if (fd < 0) {
		memcpy(s->report, answer, sizeof(s->report));
		return fd;
	}
	close(fd);
	if (sscanf(answer, "%15s %d", word, copy) != 2)
		return -EPROTO;
	if (!strcmp(word, "pending"))
		return -EAGAIN;
	if (!strcmp(word, "runs"))
		return 0;
	*copy = 0;
	if (!strcmp(word, "none"))
		return 0;
	snprintf(s->report, sizeof(s->report),
		 "%s does not know either: look there whether it runs, then say --resolve=here or --resolve=there",
		 s->remote.host);
	return -EINPROGRESS;
}

static int find_outcome(struct migrate *m, pid_t pid, pid_t *copy)
{
	struct send *s = &m->send;
	int ret;

	*copy = m->there ? -1 : 0;
	if (m->here || m->there)
		return 0;
	s->request.what = REQUEST_RESOLVE;
	s->request.nr_outside = 0;
	ret = process_request(&s->request, pid, NULL, s->report, sizeof(s->report));
	while (!ret) {
		ret = ask_outcome(s, copy);
		if (ret != -EAGAIN)
			break;
		usleep(PENDING_MS * 1000);
		ret = 0;
	}
	return ret;
}

/* It is the same process throughout: its id may be another's in the end */
static int settle(struct migrate *m, pid_t pid, pid_t *copy)
{
	struct send *s = &m->send;
	int pidfd = syscall(SYS_pidfd_open, pid, 0), ret;

	if (pidfd < 0)
		return -errno;
	ret = check_held(s, pid);
	if (!ret)
		ret = find_outcome(m, pid, copy);
	if (!ret)
		ret = check_held(s, pid);
	if (!ret && *copy)
		ret = syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0) ? -errno : 0;
	else if (!ret)
		ret = ghost_resume(pid);
	close(pidfd);
	return ret;
}

static int resolve(struct migrate *m, pid_t pid)
{
	struct send *s = &m->send;
	pid_t copy = 0;
	int ret = settle(m, pid, &copy);

	if (ret)
		return send_failed(s, pid, ret);
	if (copy > 0)
		message("process %d: runs on %s as %d; what was held here has been ended", pid,
			s->remote.host, copy);
	else if (copy)
		message("process %d: what was held here has been ended", pid);
	else
		message("process %d: does not run on %s; it runs on here", pid, s->remote.host);
	return EXIT_OK;
}

static int run(const struct command *cmd, int argc, char **argv)
{
	struct migrate *m = calloc(1, sizeof(*m));
	int ret, one, worst = 0, i;

	if (!m)
		return EXIT_OSERR;
	ret = parse(cmd, m, argc, argv);
	m->send.task = m->resolve ? TASK_RESOLVE : TASK_MIGRATE;
	for (i = 0; i < m->nr_pids && !ret; i++) {
		/* Who is asked to move several moves those that can */
		one = m->resolve ? resolve(m, m->pids[i]) : send_process(&m->send, m->pids[i]);
		if (!worst || one == EXIT_HELD)
			worst = one;
	}
	if (!ret)
		ret = worst;
	send_close(&m->send);
	free(m->pids);
	free(m);
	return ret < 0 ? EXIT_OK : ret;
}

const struct command cmd_migrate = {
	.name = "migrate",
	.synopsis = "migrate PID... HOST[:PORT] [--stdio WHERE] [--max-downtime MS] [--resolve]",
	.summary = "Move running processes to another machine.",
	.help =
"On HOST ghostd makes the process; here it ends when it runs there. Whatever fails before,\n"
"it runs on here. If it is not known whether it runs there, it is held here: it neither\n"
"runs nor ends until --resolve has asked HOST, or it is killed.\n"
"\n"
"  --stdio forward    its terminal or pipes become those of this command, which ends as it\n"
"                     ends. Else this command ends when the process runs on HOST\n"
"  --stdio FILE       what it writes to them is appended to this file of HOST\n"
"  --stdio null       they become /dev/null; this is so without being said\n"
"  --resolve          find out where a process that is held is to run, and see to it\n"
"  --resolve=here, --resolve=there\n"
"                     let it run here, or end it, if HOST does not know\n"
"  --max-downtime MS  send memory while it runs, and then what has changed, up to ten times or\n"
"                     until that takes no longer than this; then stop it and send the rest\n"
"  --rounds N         up to N times\n"
"  --timeout MS       give up if a thread cannot be stopped in MS milliseconds\n"
"  --patience S       give up if HOST is silent for S seconds (30)\n"
"  --outside FD       what is behind this descriptor of the process stays here\n"
"  -q, --quiet        no progress\n"
"  -v, --verbose      say what it cost\n"
REMOTE_HELP,
	.run = run,
};
