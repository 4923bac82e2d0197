/* SPDX-License-Identifier: GPL-2.0-only */
/* What the subcommands of ghost share */
#ifndef _GHOST_CMD_H
#define _GHOST_CMD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include "compiler.h"

#define REPORT_SIZE	65536

/* Exit codes, as in <sysexits.h>; they are documented in ghost(1) and stay as they are. */
enum {
	EXIT_OK		= 0,
	EXIT_USAGE	= 64,	/* the command line */
	EXIT_DATA	= 65,	/* the image is damaged, or none */
	EXIT_NOINPUT	= 66,	/* no such process, no such file */
	EXIT_UNAVAILABLE = 69,	/* it holds something that is not carried */
	EXIT_SOFTWARE	= 70,
	EXIT_OSERR	= 71,	/* no memory and the like */
	EXIT_CANTCREAT	= 73,	/* the image cannot be created */
	EXIT_IOERR	= 74,
	EXIT_TEMPFAIL	= 75,	/* may succeed later: busy, timeout */
	EXIT_HELD	= 76,	/* it is not known where the process runs: it is held */
	EXIT_NOPERM	= 77,
	EXIT_CONFIG	= 78,	/* this kernel has no ghost */
};

struct command {
	const char *name;
	const char *synopsis;
	const char *summary;
	const char *help;
	int (*run)(const struct command *cmd, int argc, char **argv);
};

extern const struct command cmd_checkpoint;
extern const struct command cmd_restart;
extern const struct command cmd_check;
extern const struct command cmd_dup;
extern const struct command cmd_migrate;
extern const struct command cmd_show;

void print_help(const struct command *cmd);

/* A complaint about the command line. Returns EXIT_USAGE. */
__printf(2, 3)
int usage_error(const struct command *cmd, const char *fmt, ...);

/* ... about the option that getopt_long() did not take */
int wrong_option(const struct command *cmd, char **argv);

/* A message on standard error, behind "ghost: ". */
__printf(1, 2)
void message(const char *fmt, ...);

/* Numbers in options; false: this is none, or not in the range. */
bool parse_number(const char *s, long min, long max, long *value);

/* fail.c */

/* What was done to what when an error occurred */
enum task {
	TASK_CHECKPOINT,
	TASK_RESTART,
	TASK_CHECK,
	TASK_SHOW,
	TASK_MIGRATE,
	TASK_DUP,
	TASK_COPY,	/* a part of dup: the copy is made here */
	TASK_RESOLVE,
};

/**
 * struct failure - an error
 * @task: what was being done
 * @object: to what
 * @report: why it failed
 * @pid: process that it is about, 0: none
 * @keep_pid: the old process id was asked for
 */
struct failure {
	enum task task;
	const char *object;
	const char *report;
	pid_t pid;
	bool keep_pid;
};

/* Say what failed, why, and what can be done. Returns the exit code for it. */
int fail(const struct failure *failure, int err);

/* progress.c */
struct progress;

/*
 * Show on a terminal how long work gets on: @done bytes of @total, as @measure
 * finds. NULL if standard error is no terminal; that is fine for the end, too.
 */
struct progress *progress_start(const char *what, unsigned long long total,
				unsigned long long (*measure)(void *arg), void *arg);
void progress_end(struct progress *progress);

#endif /* _GHOST_CMD_H */
