// SPDX-License-Identifier: GPL-2.0
/*
 * ghost: one import: an embryo is made and becomes a process, or is killed
 *
 * The embryo is a new task that has not been in user mode yet. It rebuilds everything on
 * itself, at its ghost point. What it got is given back by its death if the import fails.
 */
#include <linux/fdtable.h>
#include <linux/file.h>
#include <linux/freezer.h>
#include <linux/init_task.h>
#include <linux/pid_namespace.h>
#include <linux/sched/jobctl.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/wait.h>
#include <uapi/linux/wait.h>

#include "ghost.h"

/* First thing that a new task does: all else happens at its ghost point */
static void go_to_ghost_point(struct ghost_thread *gt)
{
	/*
	 * Only SIGKILL may come through, as with a user worker. Others stay pending, if they are
	 * for the process, until the thread has its own mask.
	 */
	spin_lock_irq(&current->sighand->siglock);
	siginitsetinv(&current->blocked, sigmask(SIGKILL));
	recalc_sigpending();
	gt->task = get_task_struct(current);
	current->ghost = gt;
	spin_unlock_irq(&current->sighand->siglock);
	set_thread_flag(TIF_GHOST);
}

static int start_thread_of_embryo(void *arg)
{
	go_to_ghost_point(arg);
	return 0;
}

static int start_embryo(void *arg)
{
	struct ghost_thread *gt = arg;
	struct ghost *g = gt->g;

	go_to_ghost_point(gt);
	WRITE_ONCE(g->embryo, get_task_struct(current));
	wake_up_all(&g->wait);
	return 0;
}

/* Let current go to user mode with what it has got, which may be an interrupted call */
static void leave_ghost_point(struct ghost_thread *gt, struct pt_regs *regs)
{
	ghost_restart_mark(regs);
	ghost_thread_forget(gt);
}

/*
 * The file of a transfer that current is to go on with. Asked before any thread of the new process
 * runs, which could put another in its place. Filters of the importer have not seen the call.
 */
static struct file *cut_transfer(struct pt_regs *regs)
{
	return test_syscall_work(SECCOMP) ? NULL : ghost_transfer_file(regs);
}

/* The leader of the process may have ended before its other threads */
static bool leader_lives(const struct ghost *g)
{
	return !(le32_to_cpu(g->process.flags) & GHOST_PROCESS_LEADER_DEAD);
}

/* What a thread of the embryo does at its ghost point */
static struct file *run_thread(struct ghost_thread *gt, struct pt_regs *regs)
{
	struct ghost *g = gt->g;
	int ret = ghost_apply_thread(gt, regs);
	struct file *file = ret ? NULL : cut_transfer(regs);
	bool last;

	spin_lock(&g->lock);
	if (ret && !g->error)
		g->error = ret;
	last = ++g->nr_ready == g->nr_threads - leader_lives(g);
	spin_unlock(&g->lock);
	/* Those that are ready wait there, too: not after each one */
	if (last || ret)
		wake_up_all(&g->wait);
	/* Not committed: we are killed with the rest */
	wait_event_state(g->wait, READ_ONCE(g->committed), (TASK_KILLABLE | TASK_FREEZABLE));
	leave_ghost_point(gt, regs);
	ghost_put_ghost(g);
	return file;
}

static int clone_task(struct ghost *g, struct ghost_thread *gt, u64 flags, int (*fn)(void *),
		      u32 old_pid)
{
	pid_t set_tid = old_pid;
	struct kernel_clone_args args = {
		.flags = flags | CLONE_VM | CLONE_UNTRACED,
		.fn = fn,
		.fn_arg = gt,
		/* Those of the embryo will be the image's; its threads share them */
		.no_files = !(flags & CLONE_FILES),
	};
	pid_t pid;

	if (g->flags & GHOST_IMPORT_KEEP_PID) {
		args.set_tid = &set_tid;
		args.set_tid_size = 1;
	}
	ghost_thread_get(gt);
	ghost_get_ghost(g);
	pid = kernel_clone(&args);
	if (pid < 0) {
		ghost_thread_put(gt);
		ghost_put_ghost(g);
	}
	/* A signal came in between; for a thread of the embryo that is its end */
	return pid == -ERESTARTNOINTR ? -EINTR : pid;
}

static struct ghost_thread *first_thread(struct ghost *g)
{
	return list_first_entry(&g->threads, struct ghost_thread, list);
}

static int start_threads(struct ghost *g)
{
	struct ghost_thread *gt;
	u32 n = 0;
	int ret;

	list_for_each_entry(gt, &g->threads, list) {
		if (leader_lives(g) && gt == first_thread(g))
			continue;	/* that is current */
		n++;
		gt->run = run_thread;
		ret = clone_task(g, gt, CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
				 CLONE_SYSVSEM, start_thread_of_embryo, le32_to_cpu(gt->rec.tid));
		if (ret < 0)
			return ghost_refuse(g, ret, "thread %u: cannot be made (%pe)",
					    le32_to_cpu(gt->rec.tid), ERR_PTR(ret));
	}
	ret = wait_event_killable(g->wait, READ_ONCE(g->nr_ready) == n || READ_ONCE(g->error));
	return ret ? -EINTR : READ_ONCE(g->error);
}

/* An empty table of descriptors. To copy the importer's and close it would flush its files. */
static int make_files(void)
{
	struct files_struct *files = dup_fd(&init_files, NULL);

	if (IS_ERR(files))
		return PTR_ERR(files);
	task_lock(current);
	current->files = files;
	task_unlock(current);
	return 0;
}

/* As after SIGSTOP, but nobody is told: who imports knows */
static void stop_process(int sig)
{
	struct signal_struct *signal = current->signal;
	struct task_struct *t;

	if (!sig_kernel_stop(sig))
		sig = SIGSTOP;
	spin_lock_irq(&current->sighand->siglock);
	if (!(signal->flags & SIGNAL_GROUP_EXIT)) {
		signal_set_stop_flags(signal, SIGNAL_STOP_STOPPED);
		signal->group_exit_code = sig;
		for_each_thread(current, t) {
			if (task_set_jobctl_pending(t, JOBCTL_STOP_PENDING | sig))
				set_tsk_thread_flag(t, TIF_SIGPENDING);
		}
	}
	spin_unlock_irq(&current->sighand->siglock);
}

static int build(struct ghost *g, struct pt_regs *regs)
{
	int ret;

	ret = make_files();
	if (!ret)
		ret = ghost_import_kinds(g, 0);
	if (!ret)
		ret = ghost_import_threads(g);
	if (!ret)
		ret = start_threads(g);
	if (ret)
		return ret;
	if (leader_lives(g))
		ret = ghost_apply_thread(first_thread(g), regs);
	else
		ret = ghost_apply_cred(g);
	return ret ?: ghost_apply_process(g);
}

/* From here on it is a process like any other */
static void commit(struct ghost *g)
{
	write_lock_irq(&tasklist_lock);
	current->exit_signal = g->exit_signal;
	write_unlock_irq(&tasklist_lock);
	if (le32_to_cpu(g->process.flags) & GHOST_PROCESS_STOPPED)
		stop_process(le32_to_cpu(g->process.stop_signal));
	else if (g->flags & GHOST_IMPORT_STOPPED)
		stop_process(SIGSTOP);
}

/* The embryo commits, or the importer gives up: who comes first decides */
static bool decide(struct ghost *g, int decision)
{
	bool first;

	spin_lock(&g->lock);
	first = g->decision == GHOST_UNDECIDED;
	if (first)
		g->decision = decision;
	spin_unlock(&g->lock);
	return first;
}

/* Who exports it may have to let go of it first. It gets what others have sent to it until then. */
static int take_over(struct ghost *g)
{
	const struct ghost_wire_signal *late = NULL;
	int nr = g->res.ops->handover->ready(&g->res, g, &late);

	return nr < 0 ? nr : ghost_import_late_signals(g, late, nr);
}

/* What the embryo does at its ghost point */
static struct file *run_embryo(struct ghost_thread *gt, struct pt_regs *regs)
{
	struct ghost *g = gt->g;
	int ret = build(g, regs);
	bool leads = leader_lives(g);
	struct file *file;

	if (!ret && g->res.ops->handover)
		ret = take_over(g);
	file = ret || !leads ? NULL : cut_transfer(regs);
	if (!ret && (fatal_signal_pending(current) || !decide(g, GHOST_COMMIT)))
		ret = -EINTR;
	if (!ret) {
		commit(g);
		WRITE_ONCE(g->committed, true);
		leave_ghost_point(gt, regs);
	} else {
		ghost_thread_forget(gt);
		spin_lock(&g->lock);
		g->error = ret;
		spin_unlock(&g->lock);
	}
	/* Whoever sees it sees @error and @committed, too: pairs with is_done() */
	smp_store_release(&g->done, true);
	wake_up_all(&g->wait);
	ghost_put_ghost(g);
	if (ret) {
		if (file)
			fput(file);
		do_group_exit(SIGKILL);
	}
	if (!leads)
		do_exit(0);
	return file;
}

/*
 * Wait for the death of a failed embryo, so that nothing is left of it. What would interrupt
 * the wait is put aside meanwhile, but for SIGKILL: if current dies, somebody else reaps the
 * embryo.
 */
static void reap_embryo(struct task_struct *embryo, pid_t pid)
{
	bool notified = false;

	for (;;) {
		notified |= test_and_clear_thread_flag(TIF_NOTIFY_SIGNAL);
		clear_thread_flag(TIF_SIGPENDING);
		/* If SIGKILL is not there yet, it will set the flag again */
		smp_mb__after_atomic();
		if (__fatal_signal_pending(current)) {
			/* Who inherits it may be the process of current, which executes */
			write_lock_irq(&tasklist_lock);
			embryo->exit_signal = SIGCHLD;
			write_unlock_irq(&tasklist_lock);
			break;
		}
		if (kernel_wait4(pid, NULL, __WALL, NULL) != -ERESTARTSYS)
			break;
	}
	calculate_sigpending();
	if (notified)
		set_thread_flag(TIF_NOTIFY_SIGNAL);
}

static bool is_done(struct ghost *g)
{
	/* Before @error and @committed are read: pairs with the release in run_embryo() */
	return smp_load_acquire(&g->done);
}

/* Sleep until the embryo is done. False: a signal came. */
static bool sleep_until_done(struct ghost *g)
{
	bool notified = false;

	/* That somebody wants to export the importer is no reason to give up */
	while (wait_event_interruptible(g->wait, is_done(g)) &&
	       !task_sigpending(current))
		notified |= test_and_clear_thread_flag(TIF_NOTIFY_SIGNAL);
	if (notified)
		set_thread_flag(TIF_NOTIFY_SIGNAL);
	return is_done(g);
}

static int wait_for_embryo(struct ghost *g)
{
	wait_event(g->wait, READ_ONCE(g->embryo));
	if (sleep_until_done(g))
		return g->error;
	if (decide(g, GHOST_ABORT))
		do_send_sig_info(SIGKILL, SEND_SIG_PRIV, g->embryo, PIDTYPE_TGID);
	wait_event(g->wait, is_done(g));
	return g->committed ? 0 : g->error;
}

static pid_t import(struct ghost *g)
{
	struct ghost_thread *gt;
	pid_t pid;
	int ret;

	if (g->res.ops->kept)
		g->source = g->res.ops->kept(&g->res);
	ret = g->res.ops->handover ? ghost_hear_machine(g) : 0;
	if (!ret)
		ret = ghost_read_header(g);
	if (!ret)
		ret = ghost_import_kinds(g, GHOST_REC_PROCESS);
	if (ret)
		return ret;
	/* Asked again for each thread, but their records are read before any is made */
	if (le32_to_cpu(g->process.nr_threads) > rlimit(RLIMIT_NPROC) &&
	    !capable(CAP_SYS_RESOURCE) && !capable(CAP_SYS_ADMIN))
		return ghost_refuse(g, -EAGAIN, "process: %u threads",
				    le32_to_cpu(g->process.nr_threads));
	gt = ghost_thread_alloc(NULL);
	if (!gt)
		return -ENOMEM;
	gt->g = g;
	gt->run = run_embryo;
	pid = clone_task(g, gt, 0, start_embryo, le32_to_cpu(g->process.pid));
	ghost_thread_put(gt);
	if (pid < 0)
		return ghost_refuse(g, pid, "process: cannot be made (%pe)", ERR_PTR(pid));
	ret = wait_for_embryo(g);
	if (ret)
		reap_embryo(g->embryo, pid);
	return ret ?: pid;
}

/**
 * ghost_import() - make a process of a ghost; sleeps
 * @g: the import, with a resource plugged in
 *
 * The new process is a child of current. If it fails nothing is left behind.
 *
 * Return: its process id, or a negative errno, mostly with the reason in the report.
 */
pid_t ghost_import(struct ghost *g)
{
	pid_t pid = import(g);

	if (g->res.ops->handover)
		g->res.ops->handover->done(&g->res, g, pid);
	return pid;
}
