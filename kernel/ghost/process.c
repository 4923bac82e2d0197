// SPDX-License-Identifier: GPL-2.0
/*
 * ghost: the process as a whole
 */
#include <linux/binfmts.h>
#include <linux/capability.h>
#include <linux/oom.h>
#include <linux/pid_namespace.h>
#include <linux/sched/coredump.h>
#include <linux/sched/jobctl.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/signal.h>
#include <linux/threads.h>

#include "ghost.h"

#define GHOST_PROCESS_FLAGS	(GHOST_PROCESS_STOPPED | GHOST_PROCESS_SUBREAPER |	\
				 GHOST_PROCESS_LEADER_DEAD)

static int ghost_refuse_process(struct ghost *g, struct task_struct *t, int err,
				const char *what)
{
	return ghost_refuse(g, err, "process %d: %s", task_tgid_vnr(t), what);
}

/* Its relations to other tasks */
static int ghost_check_family(struct ghost *g, struct task_struct *t)
{
	pid_t traced = 0, tracee = 0, child = 0;
	struct task_struct *other, *p;
	bool zombie = false, vfork = false;
	int ret = 0;

	read_lock(&tasklist_lock);
	for_each_thread(t, other) {
		if (other->ptrace)
			traced = task_pid_vnr(other);
		list_for_each_entry(p, &other->children, sibling) {
			child = task_pid_vnr(p);
			zombie = p->exit_state;
			vfork |= !!READ_ONCE(p->vfork_done);
		}
		list_for_each_entry(p, &other->ptraced, ptrace_entry)
			tracee = task_pid_vnr(p);
	}
	read_unlock(&tasklist_lock);

	if (traced)
		ret = ghost_refuse(g, -EBUSY, "thread %d: is being traced", traced);
	if (!ret && vfork)
		ret = ghost_refuse_process(g, t, -EBUSY, "waits for a child made by vfork()");
	if (!ret && tracee)
		ret = ghost_refuse(g, -EOPNOTSUPP,
				   "process %d: traces another process (%d): not supported",
				   task_tgid_vnr(t), tracee);
	if (!ret && child)
		ret = ghost_refuse(g, -EOPNOTSUPP, "process %d: child process %d%s: not supported",
				   task_tgid_vnr(t), child, zombie ? " (not waited for)" : "");
	return ret;
}

struct ghost_signal_state {
	bool exiting;
	bool dumping;
	bool init;
	bool posix_timers;
	bool real_timer;
	bool cpu_timers;
};

static bool ghost_read_signal_state(struct task_struct *t, struct ghost_signal_state *s)
{
	struct sighand_struct *sighand;
	struct signal_struct *sig = t->signal;
	unsigned long flags;

	sighand = lock_task_sighand(t, &flags);
	if (!sighand)
		return false;
	s->exiting = sig->flags & SIGNAL_GROUP_EXIT;
	s->dumping = sig->core_state;
	s->init = sig->flags & SIGNAL_UNKILLABLE || is_child_reaper(task_tgid(t));
#ifdef CONFIG_POSIX_TIMERS
	s->posix_timers = !hlist_empty(&sig->posix_timers);
	/* One that repeats is idle from its signal on until that is delivered */
	s->real_timer = hrtimer_active(&sig->real_timer) || sig->it_real_incr;
	s->cpu_timers = sig->it[CPUCLOCK_PROF].expires || sig->it[CPUCLOCK_PROF].incr ||
			sig->it[CPUCLOCK_VIRT].expires || sig->it[CPUCLOCK_VIRT].incr;
#endif
	spin_unlock_irqrestore(&sighand->siglock, flags);
	return true;
}

static int ghost_check_signal_state(struct ghost *g, struct task_struct *t)
{
	struct ghost_signal_state s = {};
	int ret = 0;

	if (!ghost_read_signal_state(t, &s))
		return ghost_refuse_process(g, t, -ESRCH, "gone");
	if (s.init)
		ret = ghost_refuse_process(g, t, -EPERM, "init process");
	if (!ret && s.dumping)
		ret = ghost_refuse_process(g, t, -EBUSY, "dumps core");
	if (!ret && s.exiting)
		ret = ghost_refuse_process(g, t, -ESRCH, "is exiting");
	if (!ret && s.posix_timers)
		ret = ghost_refuse_process(g, t, -EOPNOTSUPP,
					   "POSIX timer (timer_create): not supported");
	if (!ret && s.real_timer)
		ret = ghost_refuse_process(g, t, -EOPNOTSUPP,
					   "interval timer (alarm, ITIMER_REAL): not supported");
	if (!ret && s.cpu_timers)
		ret = ghost_refuse_process(g, t, -EOPNOTSUPP,
					   "interval timer (ITIMER_VIRTUAL, ITIMER_PROF): not supported");
	return ret;
}

/* A worker thread is never seen in user mode; what it works for is not carried */
static int ghost_check_workers(struct ghost *g, struct task_struct *t)
{
	struct task_struct *other;
	pid_t worker = 0;

	rcu_read_lock();
	for_each_thread(t, other)
		if (other->flags & PF_USER_WORKER && !(other->flags & PF_EXITING))
			worker = task_pid_vnr(other);
	rcu_read_unlock();
	if (!worker)
		return 0;
	return ghost_refuse(g, -EOPNOTSUPP,
			    "thread %d: kernel thread of io_uring or vhost: not supported", worker);
}

int ghost_check_process(struct ghost *g, struct task_struct *t)
{
	int ret;

	if (t->flags & PF_KTHREAD)
		return ghost_refuse_process(g, t, -EPERM, "kernel thread") ?: -EPERM;
	ret = ghost_check_signal_state(g, t);
	if (!ret)
		ret = ghost_check_family(g, t);
	if (!ret)
		ret = ghost_check_workers(g, t);
	/* An export that is about to stop it will look at this then */
	if (!ret && (g->stop || g->mode == GHOST_MODE_CHECK))
		ret = ghost_check_sharing(g, t);
	return ret;
}

int ghost_export_process_rec(struct ghost *g, struct task_struct *t)
{
	struct ghost_rec_process rec = {};
	struct sighand_struct *sighand;
	struct signal_struct *sig;
	unsigned long flags;
	u32 bits = 0;

	sighand = lock_task_sighand(t, &flags);
	if (!sighand)
		return ghost_refuse_process(g, t, -ESRCH, "gone");
	sig = t->signal;
	/* A stop that has begun is one: threads that are parked join it when they are let go */
	if (sig->flags & SIGNAL_STOP_STOPPED || sig->group_stop_count) {
		/* Not the exit code: the parent may have taken it by wait() */
		u32 signr = t->jobctl & JOBCTL_STOP_SIGMASK;

		bits |= GHOST_PROCESS_STOPPED;
		rec.stop_signal = cpu_to_le32(signr ?: SIGSTOP);
	}
	g->was_stopped = bits & GHOST_PROCESS_STOPPED;
	if (sig->is_child_subreaper)
		bits |= GHOST_PROCESS_SUBREAPER;
	if (t->group_leader->exit_state)
		bits |= GHOST_PROCESS_LEADER_DEAD;
	rec.oom_score_adj = cpu_to_le32(sig->oom_score_adj);
	spin_unlock_irqrestore(&sighand->siglock, flags);

	rec.flags = cpu_to_le32(bits);
	rec.pid = cpu_to_le32(task_tgid_vnr(t));
	rec.nr_threads = cpu_to_le32(g->nr_threads);
	return ghost_put(g, GHOST_REC_PROCESS, &rec, sizeof(rec));
}

static bool ghost_process_valid(const struct ghost_rec_process *rec)
{
	u32 flags = le32_to_cpu(rec->flags);
	u32 sig = le32_to_cpu(rec->stop_signal);
	s32 adj = le32_to_cpu(rec->oom_score_adj);

	if (!rec->pid || le32_to_cpu(rec->pid) > PID_MAX_LIMIT)
		return false;
	if (!rec->nr_threads || le32_to_cpu(rec->nr_threads) > PID_MAX_LIMIT)
		return false;
	if (flags & GHOST_PROCESS_STOPPED ? sig > _NSIG || !sig_kernel_stop(sig) : sig)
		return false;
	return adj >= OOM_SCORE_ADJ_MIN && adj <= OOM_SCORE_ADJ_MAX && !rec->pad;
}

/* Read before there is an embryo: only looked at here */
int ghost_import_process_rec(struct ghost *g)
{
	struct ghost_rec_process *rec = &g->process;
	int ret;

	ret = ghost_get(g, GHOST_REC_PROCESS, rec, sizeof(*rec));
	if (ret)
		return ret;
	if (le32_to_cpu(rec->flags) & ~GHOST_PROCESS_FLAGS)
		return ghost_refuse(g, -EOPNOTSUPP, "image: process: flags %#x",
				    le32_to_cpu(rec->flags));
	if (!ghost_process_valid(rec))
		return ghost_refuse(g, -EBADMSG, "image: process");
	return 0;
}

/* As a write to /proc/PID/oom_score_adj */
static int ghost_set_oom_score_adj(struct ghost *g)
{
	s32 adj = le32_to_cpu(g->process.oom_score_adj);
	struct signal_struct *sig = current->signal;
	int ret = 0;

	mutex_lock(&oom_adj_mutex);
	if (adj < sig->oom_score_adj_min && !ns_capable_noaudit(&init_user_ns, CAP_SYS_RESOURCE))
		ret = -EACCES;
	else
		sig->oom_score_adj = adj;
	mutex_unlock(&oom_adj_mutex);
	if (ret)
		return ghost_refuse(g, ret, "oom_score_adj %d: the importer may not set it", adj);
	return 0;
}

/**
 * ghost_finish_process() - set what may need a privilege of the importer
 * @g: the import; current is the embryo
 * Return: 0 or a negative errno.
 */
int ghost_finish_process(struct ghost *g)
{
	current->signal->is_child_subreaper =
		!!(le32_to_cpu(g->process.flags) & GHOST_PROCESS_SUBREAPER);
	return ghost_set_oom_score_adj(g);
}

/* As PR_SET_DUMPABLE, which cannot ask for dumps that only root may read */
static void ghost_set_dumpable(u32 dumpable)
{
	if (dumpable == SUID_DUMP_ROOT && suid_dumpable != SUID_DUMP_ROOT)
		dumpable = SUID_DUMP_DISABLE;
	set_dumpable(current->mm, dumpable);
}

/**
 * ghost_apply_process() - set what a change of credentials resets
 * @g: the import; current is the leader and has its credentials
 * Return: 0 or a negative errno.
 */
int ghost_apply_process(struct ghost *g)
{
	/* Changed credentials have made it what suid_dumpable says */
	if (g->mmrec)
		ghost_set_dumpable(le32_to_cpu(g->mmrec->dumpable));
	return 0;
}
