// SPDX-License-Identifier: GPL-2.0-only
/* ghost migrate: a process goes to another machine */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/ghost.h>

#include "cmd.h"
#include "libghost.h"
#include "link.h"
#include "outside.h"
#include "process.h"
#include "remote.h"
#include "send.h"

#define PENDING_MS	500	/* between two questions what has become of it */

struct migrate {
	struct send send;
	pid_t *pids;
	int nr_pids;
	bool resolve;
	const char *stdio;
};

enum { OPT_RESOLVE = 256, OPT_STDIO, OPT_TIMEOUT, OPT_PATIENCE, OPT_OUTSIDE, OPT_HELP };

static const struct option options[] = {
	{ "stdio", required_argument, NULL, OPT_STDIO },
	{ "outside", required_argument, NULL, OPT_OUTSIDE },
	{ "timeout", required_argument, NULL, OPT_TIMEOUT },
	{ "patience", required_argument, NULL, OPT_PATIENCE },
	{ "resolve", no_argument, NULL, OPT_RESOLVE },
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
	struct send *s = &m->send;
	long n;

	switch (opt) {
	case 'q':
		s->quiet = true;
		return 0;
	case 'v':
		s->verbose = true;
		return 0;
	case OPT_RESOLVE:
		m->resolve = true;
		return 0;
	case OPT_STDIO:
		return send_stdio(cmd, s, optarg);
	case OPT_OUTSIDE:
		return outside_option(cmd, &s->outside, optarg);
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

/* Is it held? 0, or an exit code and it has been said that it is not. */
static int is_held(struct send *s, pid_t pid)
{
	struct ghost_checkpoint_opts opts = {
		.size = sizeof(opts), .report = s->report, .report_size = sizeof(s->report),
	};
	int ret = ghost_check(pid, &opts);

	if (ret == -EOPNOTSUPP && strstr(s->report, "is held"))
		return 0;
	if (ret && ret != -EOPNOTSUPP)
		return send_failed(s, pid, ret);
	snprintf(s->report, sizeof(s->report),
		 "process %d: is not held, there is nothing to resolve", pid);
	return send_failed(s, pid, -EINVAL);
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
	return strcmp(word, "none") ? -EINPROGRESS : 0;
}

static int resolve(struct send *s, pid_t pid)
{
	pid_t copy;
	int ret = is_held(s, pid);

	if (ret)
		return ret;
	s->request.what = REQUEST_RESOLVE;
	s->request.nr_outside = 0;
	ret = process_request(&s->request, pid, NULL, s->report, sizeof(s->report));
	while (!ret) {
		ret = ask_outcome(s, &copy);
		if (ret != -EAGAIN)
			break;
		usleep(PENDING_MS * 1000);
		ret = 0;
	}
	if (ret == -EINPROGRESS)
		snprintf(s->report, sizeof(s->report),
			 "process %d: %s does not know either: look there whether it runs, then end this one by SIGKILL, or let it run by ghost_resume(3)",
			 pid, s->remote.host);
	if (ret)
		return send_failed(s, pid, ret);
	if (copy)
		ret = kill(pid, SIGKILL) ? -errno : 0;
	else
		ret = ghost_resume(pid);
	if (ret)
		return send_failed(s, pid, ret);
	if (copy)
		message("process %d: runs on %s as %d; what was held here has been ended", pid,
			s->remote.host, copy);
	else
		message("process %d: does not run on %s; it runs on here", pid, s->remote.host);
	return EXIT_OK;
}

static int run(const struct command *cmd, int argc, char **argv)
{
	struct migrate *m = calloc(1, sizeof(*m));
	int ret, one, i;

	if (!m)
		return EXIT_OSERR;
	m->send.task = TASK_MIGRATE;
	ret = parse(cmd, m, argc, argv);
	for (i = 0; i < m->nr_pids && !ret; i++) {
		/* Who is asked to move several moves those that can */
		one = m->resolve ? resolve(&m->send, m->pids[i]) :
			send_process(&m->send, m->pids[i]);
		if (one && i + 1 == m->nr_pids)
			ret = one;
	}
	send_close(&m->send);
	free(m->pids);
	free(m);
	return ret < 0 ? EXIT_OK : ret;
}

const struct command cmd_migrate = {
	.name = "migrate",
	.synopsis = "migrate PID... HOST[:PORT] [--stdio forward|null|FILE] [--resolve]",
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
"  --timeout MS       give up if a thread cannot be stopped in MS milliseconds\n"
"  --patience S       give up if HOST is silent for S seconds (30)\n"
"  --outside FD       what is behind this descriptor of the process stays here\n"
"  -q, --quiet        no progress\n"
"  -v, --verbose      say what it cost\n"
REMOTE_HELP,
	.run = run,
};
