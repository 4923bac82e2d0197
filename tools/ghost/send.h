/* SPDX-License-Identifier: GPL-2.0-only */
/* Sending a process to a ghostd: what migrate and dup --to have in common */
#ifndef _GHOST_SEND_H
#define _GHOST_SEND_H

#include <stdbool.h>
#include <linux/ghost.h>
#include "cmd.h"
#include "libghost.h"
#include "outside.h"
#include "remote.h"
#include "request.h"

/**
 * struct send - how and where to send processes
 * @task: TASK_MIGRATE: the process moves; TASK_DUP: there are two then; TASK_RESOLVE: neither
 * @remote: where to
 * @wanted: descriptors of --outside, of each process
 * @outside: those of the one process that stay here
 * @opts: for libghost
 * @request: for ghostd
 * @quiet: no progress
 * @verbose: say what it cost
 * @stats: what it cost
 * @report: why it failed
 */
struct send {
	enum task task;
	struct remote remote;
	struct outside wanted;
	struct outside outside;
	struct ghost_checkpoint_opts opts;
	struct request request;
	bool quiet;
	bool verbose;
	struct ghost_export_stats stats;
	char report[REPORT_SIZE];
};

/* What getopt_long() returns for options that all commands have which send something */
enum { OPT_STDIO = 400, OPT_OUTSIDE, OPT_TIMEOUT, OPT_PATIENCE };

/* One of these, or of remote_option(). 0 or an exit code; it is wrong if it is none of them. */
int send_option(const struct command *cmd, struct send *s, int opt, char **argv);

/* All returns are exit codes; what is wrong has been said. */
int send_process(struct send *s, pid_t pid);
int send_failed(struct send *s, pid_t pid, int err);
void send_close(struct send *s);

#endif /* _GHOST_SEND_H */
