// SPDX-License-Identifier: GPL-2.0-only
/*
 * Behaving like a child
 *
 * The child is in the process group of this process. What the terminal sends it sends to
 * the group, so that the child has it already; what somebody sends to this process is
 * passed on. Who sends a signal to the whole group by kill(2) cannot be told from who
 * sends it to this process only: the child gets it twice then.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmd.h"
#include "stand-in.h"

/* Signals that mean something went wrong in this process itself */
static const int own_signals[] = { SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV, SIGSYS };

/* Signals that end a program if it does nothing about them */
static const int ending_signals[] = {
	SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM,
};

static int early;	/* signal that came before there was a child */

static void remember(int sig)
{
	__atomic_store_n(&early, sig, __ATOMIC_RELAXED);
}

static bool is_ignored(int sig)
{
	struct sigaction sa;

	return !sigaction(sig, NULL, &sa) && sa.sa_handler == SIG_IGN;
}

void stand_in_prepare(void)
{
	struct sigaction sa = { .sa_handler = remember };
	size_t i;

	signal(SIGCHLD, SIG_DFL);
	for (i = 0; i < ARRAY_SIZE(ending_signals); i++)
		if (!is_ignored(ending_signals[i]))
			sigaction(ending_signals[i], &sa, NULL);
}

/* End or stop as a program does that does nothing about the signal. */
static void suffer(int sig)
{
	sigset_t set, old;

	signal(sig, SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, sig);
	raise(sig);
	sigprocmask(SIG_UNBLOCK, &set, &old);
	sigprocmask(SIG_SETMASK, &old, NULL);
}

void stand_in_release(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(ending_signals); i++)
		if (!is_ignored(ending_signals[i]))
			signal(ending_signals[i], SIG_DFL);
}

int stand_in_early(void)
{
	return __atomic_load_n(&early, __ATOMIC_RELAXED);
}

void stand_in_abandon(void)
{
	int sig = stand_in_early();

	if (sig)
		suffer(sig);
}

/* All signals but those of this process itself and those that its parent had it ignore */
static void block_signals(sigset_t *set)
{
	size_t i;
	int sig;

	sigfillset(set);
	for (i = 0; i < ARRAY_SIZE(own_signals); i++)
		sigdelset(set, own_signals[i]);
	for (sig = 1; sig <= SIGRTMAX; sig++)
		if (is_ignored(sig))
			sigdelset(set, sig);
	sigprocmask(SIG_SETMASK, set, NULL);
}

/*
 * Pipes behind the standard descriptors are the child's: if it closes them, they are
 * to be closed.
 */
static void leave_standard_fds(void)
{
	int fd, null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0)
		return;
	for (fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		dup2(null, fd);
	close(null);
}

void end_as(int code, int status)
{
	if (code == CLD_EXITED)
		exit(status);
	prctl(PR_SET_DUMPABLE, 0);	/* the core is the child's */
	suffer(status);
	exit(128 + status);
}

/* The child has stopped, ended, or goes on. */
static void child_changed(pid_t child)
{
	siginfo_t info = { };

	while (!waitid(P_PID, child, &info, WEXITED | WSTOPPED | WCONTINUED | WNOHANG) &&
	       info.si_pid) {
		if (info.si_code == CLD_STOPPED)
			suffer(info.si_status);
		else if (info.si_code != CLD_CONTINUED)
			end_as(info.si_code, info.si_status);
		info.si_pid = 0;
	}
}

static bool is_stopped(pid_t pid)
{
	char path[64], line[512];
	const char *state;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "re");
	if (!f)
		return false;
	state = fgets(line, sizeof(line), f) ? strrchr(line, ')') : NULL;
	fclose(f);
	return state && !strncmp(state, ") T", 3);
}

static void pass_on(pid_t child, const siginfo_t *info)
{
	bool from_terminal = info->si_code == SI_KERNEL;

	if (from_terminal && getpgid(child) == getpgrp())
		return;
	if (info->si_signo == SIGCONT && !is_stopped(child))
		return;		/* it has been sent to the group */
	if (info->si_code == SI_QUEUE)
		sigqueue(child, info->si_signo, info->si_value);
	else
		kill(child, info->si_signo);
}

int stand_in_for(pid_t child)
{
	siginfo_t info;
	sigset_t set;
	int sig;

	block_signals(&set);
	leave_standard_fds();
	sig = __atomic_load_n(&early, __ATOMIC_RELAXED);
	if (sig)
		kill(child, sig);
	child_changed(child);
	for (;;) {
		if (sigwaitinfo(&set, &info) < 0)
			continue;
		if (info.si_signo == SIGCHLD)
			child_changed(child);
		else
			pass_on(child, &info);
	}
}
