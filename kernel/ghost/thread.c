// SPDX-License-Identifier: GPL-2.0
/*
 * ghost: what belongs to one thread
 *
 * A thread fills its records itself at the ghost point before it parks, because only
 * there and then they are complete. At import it likewise puts them on itself.
 */
#include <linux/ioprio.h>
#include <linux/rseq.h>
#include <linux/sched/prio.h>
#include <linux/sched/rt.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/sched/task_stack.h>
#include <linux/slab.h>
#include <linux/syscalls.h>
#include <linux/unistd.h>
#include <uapi/linux/futex.h>
#include <uapi/linux/sched/types.h>

#include "ghost.h"

/**
 * ghost_thread_alloc() - make room for the records of a thread; sleeps
 * @t: the thread, NULL: not known yet
 * Return: the room with one reference, or NULL.
 */
struct ghost_thread *ghost_thread_alloc(struct task_struct *t)
{
	/* Charged to the process that is to be parked: rather no export than the OOM killer */
	const gfp_t gfp = GFP_KERNEL_ACCOUNT | __GFP_RETRY_MAYFAIL | __GFP_NOWARN;
	struct ghost_thread *gt = kzalloc(sizeof(*gt), gfp);

	if (!gt)
		return NULL;
	gt->xstate_size = arch_ghost_xstate_size();
	gt->xstate = kvzalloc(gt->xstate_size, gfp);
	if (!gt->xstate) {
		kfree(gt);
		return NULL;
	}
	INIT_LIST_HEAD(&gt->list);
	INIT_LIST_HEAD(&gt->siginfo);
	refcount_set(&gt->ref, 1);
	if (t)
		gt->task = get_task_struct(t);
	return gt;
}

void ghost_thread_get(struct ghost_thread *gt)
{
	refcount_inc(&gt->ref);
}

void ghost_thread_put(struct ghost_thread *gt)
{
	if (!refcount_dec_and_test(&gt->ref))
		return;
	ghost_free_thread_sigpending(gt);
	if (gt->task)
		put_task_struct(gt->task);
	kvfree(gt->xstate);
	kfree(gt);
}

/**
 * ghost_threads_free() - forget the threads of an operation
 * @g: the operation; none of them is parked any more
 */
void ghost_threads_free(struct ghost *g)
{
	struct ghost_thread *gt, *tmp;

	list_for_each_entry_safe(gt, tmp, &g->threads, list) {
		list_del_init(&gt->list);
		ghost_thread_put(gt);
	}
}

/**
 * ghost_thread_forget() - current leaves its ghost point
 * @gt: its record; the reference is given back
 */
void ghost_thread_forget(struct ghost_thread *gt)
{
	/* Somebody may be looking at it in order to park current */
	spin_lock_irq(&current->sighand->siglock);
	current->ghost = NULL;
	spin_unlock_irq(&current->sighand->siglock);
	ghost_thread_put(gt);
}

/**
 * ghost_thread_fill() - fill the records of a thread
 * @gt: room for them; the thread is current at its ghost point, or sleeps in a group
 *	stop and is switched out, with siglock held
 *
 * Does not sleep.
 */
void ghost_thread_fill(struct ghost_thread *gt)
{
	struct task_struct *t = gt->task;
	struct ghost_rec_thread *rec = &gt->rec;

	*rec = (struct ghost_rec_thread) {
		.tid = cpu_to_le32(task_pid_nr_ns(t, task_active_pid_ns(t))),
		.blocked = cpu_to_le64(t->blocked.sig[0]),
		.altstack_sp = cpu_to_le64(t->sas_ss_sp),
		.altstack_size = cpu_to_le64(t->sas_ss_size),
		.altstack_flags = cpu_to_le32(t->sas_ss_flags),
		.robust_list = cpu_to_le64((unsigned long)t->robust_list),
		.clear_child_tid = cpu_to_le64((unsigned long)t->clear_child_tid),
		.pdeath_signal = cpu_to_le32(t->pdeath_signal),
		.timer_slack = cpu_to_le64(t->timer_slack_ns),
		.default_timer_slack = cpu_to_le64(t->default_timer_slack_ns),
		.policy = cpu_to_le32(t->policy |
				      (t->sched_reset_on_fork ? SCHED_RESET_ON_FORK : 0)),
		.nice = cpu_to_le32(task_nice(t)),
		.rt_priority = cpu_to_le32(t->rt_priority),
	};
	if (thread_group_leader(t))
		rec->flags |= cpu_to_le32(GHOST_THREAD_LEADER);
	if (test_tsk_restore_sigmask(t)) {
		rec->flags |= cpu_to_le32(GHOST_THREAD_SAVED_MASK);
		rec->saved_mask = cpu_to_le64(t->saved_sigmask.sig[0]);
	}
#ifdef CONFIG_RSEQ
	rec->rseq = cpu_to_le64((unsigned long)t->rseq);
	rec->rseq_len = cpu_to_le32(t->rseq_len);
	rec->rseq_sig = cpu_to_le32(t->rseq_sig);
#endif
	memcpy(rec->comm, t->comm, sizeof(rec->comm));
	arch_ghost_read_regs(t, &gt->regs);
	arch_ghost_read_xstate(t, gt->xstate, gt->xstate_size);
	ghost_restart_fill(gt);
}

/**
 * ghost_check_thread() - refuse what is not carried of a thread; sleeps
 * @g: the export or check
 * @t: the thread; may be running in a check
 * Return: 0, or a negative errno with the reason in the report.
 */
int ghost_check_thread(struct ghost *g, struct task_struct *t)
{
	int ret = ghost_check_task(g, t);

	/* One that has no stack any more has ended */
	if (ret || !try_get_task_stack(t))
		return ret;
	ret = arch_ghost_check_thread(g, t);
	put_task_stack(t);
	return ret;
}

static u32 read_ioprio(struct task_struct *t)
{
	u32 ioprio = IOPRIO_DEFAULT;

	task_lock(t);
	if (t->io_context)
		ioprio = t->io_context->ioprio;
	task_unlock(t);
	return ioprio;
}

int ghost_export_thread(struct ghost *g, struct ghost_thread *gt)
{
	gt->rec.ioprio = cpu_to_le32(read_ioprio(gt->task));
	return ghost_put(g, GHOST_REC_THREAD, &gt->rec, sizeof(gt->rec));
}

int ghost_export_regs(struct ghost *g, struct ghost_thread *gt)
{
	/* What would not be taken back is not given away */
	int ret = arch_ghost_check_regs(g, &gt->regs);

	return ret ?: ghost_put(g, GHOST_REC_ARCH_REGS, &gt->regs, sizeof(gt->regs));
}

int ghost_export_xstate(struct ghost *g, struct ghost_thread *gt)
{
	return ghost_put(g, GHOST_REC_ARCH_XSTATE, gt->xstate, gt->xstate_size);
}

int ghost_import_thread(struct ghost *g, struct ghost_thread *gt)
{
	struct ghost_rec_thread *rec = &gt->rec;
	int ret = ghost_get(g, GHOST_REC_THREAD, rec, sizeof(*rec));

	if (ret)
		return ret;
	if (le32_to_cpu(rec->flags) & ~(GHOST_THREAD_SAVED_MASK | GHOST_THREAD_LEADER))
		return ghost_refuse(g, -EOPNOTSUPP, "image: thread: flags %#x",
				    le32_to_cpu(rec->flags));
	if (rec->pdeath_signal)
		return ghost_refuse(g, -EOPNOTSUPP, "image: thread: parent death signal");
	if (memchr_inv(rec->comm, 0, sizeof(rec->comm)) && rec->comm[sizeof(rec->comm) - 1])
		return ghost_refuse(g, -EBADMSG, "image: thread: name without an end");
	return 0;
}

int ghost_import_regs(struct ghost *g, struct ghost_thread *gt)
{
	int ret = ghost_get(g, GHOST_REC_ARCH_REGS, &gt->regs, sizeof(gt->regs));

	if (ret)
		return ret;
	gt->has_regs = true;
	return arch_ghost_check_regs(g, &gt->regs);
}

int ghost_import_xstate(struct ghost *g, struct ghost_thread *gt)
{
	/* A shorter one is that of a smaller CPU: what is missing is in its initial state */
	return ghost_get(g, GHOST_REC_ARCH_XSTATE, gt->xstate, gt->xstate_size);
}

static int refuse_thread(struct ghost_thread *gt, int err, const char *what)
{
	return ghost_refuse(gt->g, err, "thread %u: %s", le32_to_cpu(gt->rec.tid), what);
}

static int apply_sched(struct ghost_thread *gt)
{
	u32 policy = le32_to_cpu(gt->rec.policy);
	struct sched_attr attr = {
		.size = sizeof(attr),
		.sched_policy = policy & ~SCHED_RESET_ON_FORK,
		.sched_nice = (s32)le32_to_cpu(gt->rec.nice),
		.sched_priority = le32_to_cpu(gt->rec.rt_priority),
	};

	if (attr.sched_nice < MIN_NICE || attr.sched_nice > MAX_NICE ||
	    attr.sched_policy > INT_MAX || attr.sched_priority >= MAX_RT_PRIO)
		return refuse_thread(gt, -EBADMSG, "scheduling policy or nice value");
	if (attr.sched_policy == SCHED_DEADLINE)
		return refuse_thread(gt, -EOPNOTSUPP, "deadline scheduling: not supported");
	if (policy & SCHED_RESET_ON_FORK)
		attr.sched_flags = SCHED_FLAG_RESET_ON_FORK;
	/* Setting what is already there must not ask for a privilege */
	if (current->policy == attr.sched_policy && task_nice(current) == attr.sched_nice &&
	    current->rt_priority == attr.sched_priority &&
	    current->sched_reset_on_fork == !!attr.sched_flags)
		return 0;
	if (sched_setattr(current, &attr))
		return refuse_thread(gt, -EPERM, "scheduling policy or nice value");
	return 0;
}

static int apply_ioprio(struct ghost_thread *gt)
{
	u32 ioprio = le32_to_cpu(gt->rec.ioprio);

	if (!ioprio_valid(ioprio))
		return 0;
	if (arch_ghost_call(__NR_ioprio_set, IOPRIO_WHO_PROCESS, 0, ioprio, 0, 0, 0))
		return refuse_thread(gt, -EPERM, "I/O priority");
	return 0;
}

#ifdef CONFIG_RSEQ
/*
 * To register is to clear the critical section that the thread may be in; but then it
 * would go on in it on another CPU. Put it back and let the exit to user mode see to it.
 */
static int apply_rseq(struct ghost_thread *gt)
{
	unsigned long addr = le64_to_cpu(gt->rec.rseq);
	struct rseq __user *rseq = (void __user *)addr;
	u64 cs;

	if (!addr)
		return 0;
	if (get_user(cs, &rseq->rseq_cs) ||
	    arch_ghost_call(__NR_rseq, addr, le32_to_cpu(gt->rec.rseq_len), 0,
			    le32_to_cpu(gt->rec.rseq_sig), 0, 0) ||
	    put_user(cs, &rseq->rseq_cs))
		return refuse_thread(gt, -EBADMSG, "rseq area");
	preempt_disable();
	rseq_preempt(current);
	preempt_enable();
	return 0;
}
#else
static int apply_rseq(struct ghost_thread *gt)
{
	return gt->rec.rseq ? refuse_thread(gt, -EOPNOTSUPP, "rseq: no such thing here") : 0;
}
#endif

static int apply_altstack(struct ghost_thread *gt)
{
	u32 flags = le32_to_cpu(gt->rec.altstack_flags);
	u64 size = le64_to_cpu(gt->rec.altstack_size);

	if (flags & ~(SS_ONSTACK | SS_DISABLE | SS_AUTODISARM))
		return refuse_thread(gt, -EBADMSG, "alternate signal stack");
	spin_lock_irq(&current->sighand->siglock);
	if (size && (size < MINSIGSTKSZ || !sigaltstack_size_valid(size))) {
		spin_unlock_irq(&current->sighand->siglock);
		return refuse_thread(gt, -EBADMSG, "alternate signal stack too small");
	}
	current->sas_ss_sp = le64_to_cpu(gt->rec.altstack_sp);
	current->sas_ss_size = size;
	current->sas_ss_flags = flags;
	spin_unlock_irq(&current->sighand->siglock);
	return 0;
}

static int apply_user_pointers(struct ghost_thread *gt)
{
	arch_ghost_call(__NR_set_tid_address, le64_to_cpu(gt->rec.clear_child_tid), 0, 0, 0, 0, 0);
#ifdef CONFIG_FUTEX
	if (gt->rec.robust_list &&
	    arch_ghost_call(__NR_set_robust_list, le64_to_cpu(gt->rec.robust_list),
			    sizeof(struct robust_list_head), 0, 0, 0, 0))
		return refuse_thread(gt, -EBADMSG, "robust futex list");
#endif
	return 0;
}

static void apply_timer_slack(struct ghost_thread *gt)
{
	/* 0 is what real-time tasks have, and no value that can be set */
	if (rt_or_dl_task_policy(current) || !gt->rec.timer_slack ||
	    !gt->rec.default_timer_slack)
		return;
	current->default_timer_slack_ns = le64_to_cpu(gt->rec.default_timer_slack);
	current->timer_slack_ns = le64_to_cpu(gt->rec.timer_slack);
}

static void apply_sigmask(struct ghost_thread *gt)
{
	sigset_t blocked;

	siginitset(&current->saved_sigmask, 0);
	current->saved_sigmask.sig[0] = le64_to_cpu(gt->rec.saved_mask) &
					~(sigmask(SIGKILL) | sigmask(SIGSTOP));
	if (le32_to_cpu(gt->rec.flags) & GHOST_THREAD_SAVED_MASK)
		set_restore_sigmask();
	blocked.sig[0] = le64_to_cpu(gt->rec.blocked);
	set_current_blocked(&blocked);
}

/**
 * ghost_apply_thread() - make current the thread that its records describe; sleeps
 * @gt: its records
 * @regs: its user registers
 *
 * Its address space, files and handlers are in place already. Credentials come last but for
 * the signals: what is above them may need privileges of the importer.
 *
 * Return: 0, or a negative errno with the reason in the report.
 */
int ghost_apply_thread(struct ghost_thread *gt, struct pt_regs *regs)
{
	int ret;

	ret = apply_sched(gt);
	if (!ret)
		ret = apply_ioprio(gt);
	if (!ret)
		ret = apply_rseq(gt);
	if (!ret)
		ret = apply_altstack(gt);
	if (!ret)
		ret = apply_user_pointers(gt);
	if (ret)
		return ret;
	apply_timer_slack(gt);
	set_task_comm(current, gt->rec.comm);
	if (arch_ghost_write_xstate(gt->xstate, gt->xstate_size))
		return refuse_thread(gt, -EBADMSG, "FPU state is not valid on this CPU");
	ret = arch_ghost_write_regs(regs, &gt->regs);
	if (ret)
		return refuse_thread(gt, ret, "registers");
	ghost_restart_apply(gt);
	ret = ghost_apply_cred(gt->g);
	if (!ret)
		ret = ghost_apply_thread_sigpending(gt);
	if (!ret)
		apply_sigmask(gt);
	return ret;
}
