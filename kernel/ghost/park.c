// SPDX-License-Identifier: GPL-2.0
/*
 * ghost: hold all threads of a process at the exit to user mode
 *
 * Registers are complete only on the way out to user mode, with no signal pending. Each
 * thread is asked to come there (TIF_GHOST), fills its records itself and parks. Who sleeps
 * in a group stop is as good there and is read where it is: waking it would let it treat
 * signals that a stopped process keeps.
 */
#include <linux/cgroup.h>
#include <linux/freezer.h>
#include <linux/sched/debug.h>
#include <linux/sched/jobctl.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/sched/task_stack.h>
#include <linux/slab.h>
#include <linux/unistd.h>

#include <asm/syscall.h>

#include "ghost.h"

/*
 * How often to ask again at last: somebody else may have eaten the notification, and threads come
 * and go. At first more often.
 */
#define GHOST_RESCAN_MS		20U

/**
 * struct ghost_stop - request to park all threads of a process
 * @ref: one for the requester, one for the process, one for each thread that looks at it
 * @stopper: where the requester waits for threads
 * @parked: where threads wait to be let go
 * @threads: struct ghost_thread of those that are parked
 * @spare: room for threads that must be read from outside
 * @asked: threads that were asked to park and have not
 * @seq: counts what the requester has to look at
 * @lost: threads that were parked and are no more, because they were killed or continued
 * @complete: all threads are parked
 * @released: threads may go
 * @held: the requester is gone, the process keeps the request
 * @error: why a thread could not park
 *
 * All but the wait queues are under siglock of the process.
 */
struct ghost_stop {
	refcount_t ref;
	wait_queue_head_t stopper;
	wait_queue_head_t parked;
	struct list_head threads;
	struct list_head spare;
	unsigned int asked;
	unsigned int seq;
	unsigned int lost;
	bool complete;
	bool released;
	bool held;
	int error;
};

static void put_threads(struct list_head *threads)
{
	struct ghost_thread *gt, *tmp;

	list_for_each_entry_safe(gt, tmp, threads, list) {
		list_del_init(&gt->list);
		ghost_thread_put(gt);
	}
}

static void ghost_stop_put(struct ghost_stop *stop)
{
	if (!refcount_dec_and_test(&stop->ref))
		return;
	put_threads(&stop->threads);
	put_threads(&stop->spare);
	kfree(stop);
}

/* The request that current is asked for, with a reference; NULL: none any more */
static struct ghost_stop *ghost_stop_get_current(void)
{
	struct ghost_stop *stop;

	spin_lock_irq(&current->sighand->siglock);
	stop = current->signal->ghost;
	if (stop && !stop->released)
		refcount_inc(&stop->ref);
	else
		stop = NULL;
	if (!stop)
		clear_thread_flag(TIF_GHOST);
	spin_unlock_irq(&current->sighand->siglock);
	return stop;
}

static void tell_stopper(struct ghost_stop *stop)
{
	lockdep_assert_held(&current->sighand->siglock);
	stop->seq++;
	wake_up(&stop->stopper);
}

static void report_error(struct ghost_stop *stop, int error)
{
	spin_lock_irq(&current->sighand->siglock);
	stop->error = error;
	tell_stopper(stop);
	spin_unlock_irq(&current->sighand->siglock);
}

/*
 * Publish the records of current. False: there is a signal to be treated first, or nobody
 * wants them any more.
 */
static bool park_begin(struct ghost_stop *stop, struct ghost_thread *gt)
{
	bool ok = false;

	spin_lock_irq(&current->sighand->siglock);
	if (stop->released) {
		clear_thread_flag(TIF_GHOST);
	} else if (!task_sigpending(current)) {
		clear_thread_flag(TIF_GHOST);
		current->ghost = gt;
		if (gt)
			gt->stop = stop;
		if (stop->complete) {
			/*
			 * It was read while it was stopped, and has been continued since; or it
			 * exports itself and is to be held
			 */
			stop->lost++;
		} else {
			gt->parked = true;
			ghost_thread_get(gt);
			list_add_tail(&gt->list, &stop->threads);
			/* The requester looks at all threads: not after each that parks */
			if (stop->asked && !--stop->asked)
				tell_stopper(stop);
		}
		ok = true;
	}
	spin_unlock_irq(&current->sighand->siglock);
	return ok;
}

static void park_end(struct ghost_stop *stop, struct ghost_thread *gt)
{
	bool drop = false;

	spin_lock_irq(&current->sighand->siglock);
	current->ghost = NULL;
	if (!stop->released && gt && gt->parked) {
		/* Killed, perhaps by an exec of a thread that is yet to be parked */
		if (stop->complete) {
			stop->lost++;
		} else {
			list_del_init(&gt->list);
			drop = true;
		}
		tell_stopper(stop);
	}
	if (gt)
		gt->parked = false;
	spin_unlock_irq(&current->sighand->siglock);
	if (drop)
		ghost_thread_put(gt);
}

/*
 * If current was read in a group stop it has been woken since, and what was read is void.
 * Returns whether that is so.
 */
static bool forget_stopped(struct ghost_stop *stop)
{
	struct ghost_thread *gt;
	bool stopped = false;

	spin_lock_irq(&current->sighand->siglock);
	gt = current->ghost;
	if (gt && gt->stopped) {
		stopped = true;
		current->ghost = NULL;
		gt->stopped = false;
		if (stop->complete) {
			stop->lost++;
			gt = NULL;
		} else {
			list_del_init(&gt->list);
		}
		tell_stopper(stop);
	} else {
		gt = NULL;
	}
	spin_unlock_irq(&current->sighand->siglock);
	if (gt)
		ghost_thread_put(gt);
	return stopped;
}

static void ghost_park(struct pt_regs *regs)
{
	struct ghost_thread *gt;
	struct ghost_stop *stop;

	if (task_sigpending(current))
		return;
	stop = ghost_stop_get_current();
	/*
	 * It was interrupted on our behalf, even if nobody waits for it any more; or by the signal
	 * that stopped it, which the program may see.
	 */
	if (!stop || (!forget_stopped(stop) && !READ_ONCE(stop->complete)))
		ghost_restart_prepare(regs);
	if (!stop) {
		ghost_restart_mark(regs);
		return;
	}
	gt = ghost_thread_alloc(current);
	/* If nobody wants its records any more, it is to be held all the same */
	if (!gt && !READ_ONCE(stop->complete)) {
		clear_thread_flag(TIF_GHOST);
		report_error(stop, -ENOMEM);
		ghost_stop_put(stop);
		ghost_restart_mark(regs);
		return;
	}

	if (gt)
		ghost_thread_fill(gt);
	if (park_begin(stop, gt)) {
		cgroup_enter_frozen();
		wait_event_state(stop->parked, READ_ONCE(stop->released),
				 (TASK_KILLABLE | TASK_FREEZABLE | TASK_NOLOAD));
		cgroup_leave_frozen(false);
		park_end(stop, gt);
	}
	ghost_restart_mark(regs);
	if (gt)
		ghost_thread_put(gt);
	ghost_stop_put(stop);
}

/* The ghost point; see ghost_exit_to_user_mode() */
void __ghost_exit_to_user_mode(struct pt_regs *regs, unsigned long ti_work)
{
	struct ghost_thread *gt;
	struct file *file;

	if (!(ti_work & _TIF_GHOST)) {
		ghost_clear_sleep();
		return;
	}
	/*
	 * A record with work to do is current's own and stays. One that somebody else has filled
	 * while current was stopped may be gone as soon as the lock is let go.
	 */
	spin_lock_irq(&current->sighand->siglock);
	gt = current->ghost;
	if (gt && !gt->run)
		gt = NULL;
	spin_unlock_irq(&current->sighand->siglock);
	if (gt) {
		clear_thread_flag(TIF_GHOST);
		file = gt->run(gt, regs);
	} else {
		/* When the threads are let go, another may be the first to change descriptors */
		file = ghost_transfer_file(regs);
		ghost_park(regs);
	}
	if (file)
		ghost_transfer_rest(regs, file);
}

static struct task_struct *__lock_process(struct pid *pid, unsigned long *flags)
{
	struct task_struct *p;

	for (;;) {
		p = get_pid_task(pid, PIDTYPE_TGID);
		if (!p || __lock_task_sighand(p, flags))
			return p;
		/* exec by another thread: the process id has moved on to it */
		put_task_struct(p);
		cpu_relax();
	}
}

/* Lock the process, with a reference to it; NULL: it is gone */
#define lock_process(pid, flags)						\
({	struct task_struct *__p;						\
	__cond_lock(&__p->sighand->siglock, __p = __lock_process(pid, flags));	\
	__p;									\
})

static void unlock_process(struct task_struct *p, unsigned long *flags)
	__releases(&p->sighand->siglock)
{
	unlock_task_sighand(p, flags);
	put_task_struct(p);
}

static int install_stop(struct ghost *g, struct ghost_stop *stop)
{
	struct task_struct *p;
	unsigned long flags;
	int ret = 0;

	p = lock_process(g->pid, &flags);
	if (!p)
		return ghost_refuse(g, -ESRCH, "process: gone");
	if (p->signal->ghost)
		ret = -EBUSY;
	else if (p->signal->flags & SIGNAL_GROUP_EXIT)
		ret = -ESRCH;
	else
		p->signal->ghost = stop;
	if (!ret)
		refcount_inc(&stop->ref);
	unlock_process(p, &flags);
	if (ret == -EBUSY)
		return ghost_refuse(g, ret, "process: is being exported already");
	return ret ? ghost_refuse(g, ret, "process: is exiting") : 0;
}

/* Is a thread that is not current switched out, so that its registers are in memory? */
static bool is_switched_out(struct task_struct *t)
{
#ifdef CONFIG_SMP
	/* Pairs with finish_task() */
	return !smp_load_acquire(&t->on_cpu);
#else
	return true;
#endif
}

/* Has a thread slept in the same group stop ever since it was read there? */
static bool is_as_read(const struct ghost_thread *gt)
{
	return task_is_stopped(gt->task) && is_switched_out(gt->task) &&
	       gt->task->nvcsw == gt->nvcsw;
}

/* Read a thread that sleeps in a group stop. False: it is still on its way to sleep. */
static bool read_stopped(struct ghost_stop *stop, struct task_struct *t)
{
	struct ghost_thread *gt;

	if (!is_switched_out(t) || list_empty(&stop->spare))
		return false;
	gt = list_first_entry(&stop->spare, struct ghost_thread, list);
	gt->task = get_task_struct(t);
	gt->stop = stop;
	gt->stopped = true;
	gt->nvcsw = t->nvcsw;
	t->ghost = gt;
	/* When it is continued it must come to the ghost point before anything else */
	gt->had_work = test_and_set_tsk_thread_flag(t, TIF_GHOST);
	ghost_thread_fill(gt);
	list_move_tail(&gt->list, &stop->threads);
	return true;
}

/*
 * close() waits until what was written is out, and cannot be called again. This is a hint only:
 * the thread may run.
 */
static bool is_closing(struct task_struct *t)
{
	int nr;

	if (!try_get_task_stack(t))
		return false;
	nr = syscall_get_nr(t, task_pt_regs(t));
	put_task_stack(t);
	return nr == __NR_close || nr == __NR_close_range || nr == __NR_dup2 || nr == __NR_dup3;
}

static void ask_to_park(struct task_struct *t)
{
	set_tsk_thread_flag(t, TIF_GHOST);
	/*
	 * Who runs comes by itself. It must not be notified: calls that would never sleep, as
	 * getrandom(), end early then. If it goes to sleep instead the next scan finds it.
	 */
	if (!(READ_ONCE(t->__state) & TASK_INTERRUPTIBLE) || is_closing(t)) {
		kick_process(t);
		return;
	}
	/*
	 * As set_notify_signal(), but wake it in any case: somebody may have eaten the flag since
	 * the last time. It must not be cleared here: the end of a sleep asks for it.
	 */
	set_tsk_thread_flag(t, TIF_NOTIFY_SIGNAL);
	if (!wake_up_state(t, TASK_INTERRUPTIBLE))
		kick_process(t);
}

/* What was read of threads that have been continued since, or killed by an exec, is void */
static void drop_void(struct ghost_stop *stop, struct list_head *threads)
{
	struct ghost_thread *gt, *tmp;

	list_for_each_entry_safe(gt, tmp, &stop->threads, list) {
		if (!gt->stopped || is_as_read(gt))
			continue;
		gt->stopped = false;
		gt->task->ghost = NULL;
		list_move_tail(&gt->list, threads);
	}
}

struct scan {
	unsigned int waiting;	/* threads that are not parked */
	unsigned int asked;	/* of these: can be expected to park */
	unsigned int stopped;	/* of these: in a group stop, to be read from outside */
	pid_t tid;		/* one that is waited for */
	char state;
	char comm[TASK_COMM_LEN];
};

/* A thread of a process that has just been imported, on its way out */
static bool is_let_go(struct ghost_thread *gt)
{
	return gt->g->mode == GHOST_MODE_IMPORT && READ_ONCE(gt->g->committed);
}

/* Returns what is wrong with a thread that will not come, or NULL */
static const char *scan_thread(struct ghost_stop *stop, struct task_struct *t,
			       struct scan *scan)
{
	struct ghost_thread *gt = t->ghost;

	/* A user worker never goes to user mode; what it works for is refused elsewhere */
	if (t == current || t->exit_state || t->flags & PF_USER_WORKER)
		return NULL;
	if (gt && gt->stop == stop && (gt->parked || gt->stopped))
		return NULL;
	scan->waiting++;
	scan->tid = task_pid_vnr(t);
	scan->state = task_state_to_char(t);
	memcpy(scan->comm, t->comm, sizeof(scan->comm));
	if (t->flags & PF_EXITING)
		return NULL;
	if (t->ptrace)
		return "is being traced";
	if (t->jobctl & JOBCTL_TRAP_FREEZE || frozen(t))
		return "is in a frozen cgroup";
	if (gt && gt->run && !is_let_go(gt))
		return "is being exported or imported";
	if (!task_is_stopped(t)) {
		ask_to_park(t);
		scan->asked++;
	} else if (read_stopped(stop, t)) {
		scan->waiting--;
	} else {
		scan->stopped++;
	}
	return NULL;
}

/* Ask all threads that are not parked. Returns how many there are, or a negative errno. */
static int scan_process(struct ghost *g, struct ghost_stop *stop, struct scan *scan)
{
	const char *wrong = NULL;
	struct task_struct *p, *t;
	unsigned long flags;
	LIST_HEAD(dropped);
	int ret;

	memset(scan, 0, sizeof(*scan));
	p = lock_process(g->pid, &flags);
	if (!p)
		return ghost_refuse(g, -ESRCH, "process: gone");
	drop_void(stop, &dropped);
	ret = stop->error;
	for_each_thread(p, t) {
		wrong = ret ? NULL : scan_thread(stop, t, scan);
		if (wrong)
			break;
	}
	stop->asked = scan->asked;
	if (!ret && !wrong && !scan->waiting) {
		stop->complete = true;
		if (list_empty(&stop->threads))
			ret = -ESRCH;
	}
	unlock_process(p, &flags);
	put_threads(&dropped);
	if (wrong)
		return ghost_refuse(g, -EBUSY, "thread %d: %s", scan->tid, wrong);
	return ret ?: scan->waiting;
}

static int add_spare(struct ghost_stop *stop, unsigned int n)
{
	struct ghost_thread *gt;
	unsigned int have;

	/* Only the requester touches the spare ones, but in read_stopped() */
	for (have = list_count_nodes(&stop->spare); have < n; have++) {
		gt = ghost_thread_alloc(NULL);
		if (!gt)
			return -ENOMEM;
		list_add(&gt->list, &stop->spare);
	}
	return 0;
}

static int wait_for_threads(struct ghost *g, struct ghost_stop *stop)
{
	unsigned long end = jiffies + msecs_to_jiffies(g->timeout_ms);
	unsigned int seq, ms = 1;
	struct scan scan;
	int ret;

	for (;;) {
		seq = READ_ONCE(stop->seq);
		ret = scan_process(g, stop, &scan);
		if (ret <= 0)
			return ret;
		if (scan.stopped) {
			ret = add_spare(stop, scan.stopped);
			if (ret)
				return ret;
		}
		if (time_after(jiffies, end))
			return ghost_refuse(g, -ETIMEDOUT,
					    "thread %d (%s): not at the exit to user mode after %u ms, state %c",
					    scan.tid, scan.comm, g->timeout_ms, scan.state);
		ret = wait_event_killable_timeout(stop->stopper, READ_ONCE(stop->seq) != seq,
						  msecs_to_jiffies(scan.stopped ? 1 : ms));
		if (ret < 0)
			return -EINTR;
		ms = min(ms * 2, GHOST_RESCAN_MS);
	}
}

/* The leader stands first, so that an import knows it at once */
static void take_threads(struct ghost *g, struct ghost_stop *stop)
{
	struct ghost_thread *gt;

	list_splice_tail_init(&stop->threads, &g->threads);
	list_for_each_entry(gt, &g->threads, list)
		g->nr_threads++;
	list_for_each_entry(gt, &g->threads, list) {
		if (thread_group_leader(gt->task)) {
			list_move(&gt->list, &g->threads);
			break;
		}
	}
}

/**
 * ghost_park_all() - park all threads of a process; sleeps
 * @g: the export; its @pid says which process, its @threads are filled
 * @self: record of current if it belongs to the process and is at its ghost point, or NULL
 *
 * Whatever it returns, ghost_unpark_all() must be called in the end.
 *
 * Return: 0, -ESRCH if the process is gone, -EBUSY if it cannot be stopped now, -ETIMEDOUT
 * if a thread did not come in time, -EINTR if the caller is being killed, -ENOMEM.
 */
int ghost_park_all(struct ghost *g, struct ghost_thread *self)
{
	struct ghost_stop *stop = kzalloc(sizeof(*stop), GFP_KERNEL_ACCOUNT);
	int ret;

	if (!stop)
		return -ENOMEM;
	refcount_set(&stop->ref, 1);
	init_waitqueue_head(&stop->stopper);
	init_waitqueue_head(&stop->parked);
	INIT_LIST_HEAD(&stop->threads);
	INIT_LIST_HEAD(&stop->spare);
	/* Before threads can see the stop: from then on the list is under siglock */
	if (self) {
		ghost_thread_get(self);
		list_add_tail(&self->list, &stop->threads);
	}
	ret = install_stop(g, stop);
	if (ret) {
		ghost_stop_put(stop);
		return ret;
	}
	g->stop = stop;
	ret = wait_for_threads(g, stop);
	if (!ret)
		take_threads(g, stop);
	return ret;
}

/**
 * ghost_still_parked() - has no thread gone since ghost_park_all()?
 * @g: the export
 * Return: false if one was killed, or continued out of a group stop.
 */
bool ghost_still_parked(struct ghost *g)
{
	struct ghost_thread *gt;
	struct task_struct *p;
	unsigned long flags;
	bool ok;

	p = lock_process(g->pid, &flags);
	if (!p)
		return false;
	/* A thread that was killed may not have noticed yet */
	ok = !g->stop->lost && !(p->signal->flags & SIGNAL_GROUP_EXIT);
	list_for_each_entry(gt, &g->threads, list)
		if (gt->stopped && !is_as_read(gt))
			ok = false;
	unlock_process(p, &flags);
	return ok;
}

static void forget_records(struct list_head *threads)
{
	struct ghost_thread *gt;

	list_for_each_entry(gt, threads, list) {
		if (!gt->stopped || gt->task->ghost != gt)
			continue;
		gt->task->ghost = NULL;
		/* It was not interrupted for us, so there is nothing of ours to be mended */
		if (!gt->had_work)
			clear_tsk_thread_flag(gt->task, TIF_GHOST);
	}
}

/**
 * ghost_unpark_all() - let all threads go on as if nothing had happened
 * @g: the export; may not have parked anything
 */
void ghost_unpark_all(struct ghost *g)
{
	struct ghost_stop *stop = g->stop;
	struct task_struct *p;
	unsigned long flags;

	if (!stop)
		return;
	g->stop = NULL;
	p = lock_process(g->pid, &flags);
	if (p) {
		WRITE_ONCE(stop->released, true);
		forget_records(&g->threads);
		forget_records(&stop->threads);
		p->signal->ghost = NULL;
		unlock_process(p, &flags);
	}
	/* What is left of a process keeps the request, which must not keep it in turn */
	if (p)
		ghost_stop_put(stop);
	else
		put_threads(&stop->threads);
	wake_up_all(&stop->parked);
	ghost_stop_put(stop);
}

/**
 * ghost_hold_all() - go away and leave all threads parked
 * @g: the export
 *
 * Until ghost_resume_held(), or the death of the process. What was captured is not needed
 * any more; a thread that was read in a group stop comes to the ghost point and parks there when
 * it is continued.
 */
void ghost_hold_all(struct ghost *g)
{
	struct ghost_stop *stop = g->stop;
	struct ghost_thread *gt;
	struct task_struct *p;
	unsigned long flags;

	p = stop ? lock_process(g->pid, &flags) : NULL;
	if (!p)
		return;
	list_for_each_entry(gt, &g->threads, list) {
		/* One that exports itself is not parked yet */
		if (gt->task == current)
			set_thread_flag(TIF_GHOST);
		if (gt->stopped && gt->task->ghost == gt)
			gt->task->ghost = NULL;
	}
	stop->held = true;
	unlock_process(p, &flags);
	g->stop = NULL;
	ghost_stop_put(stop);
}

/**
 * ghost_is_held() - has ghost_hold_all() left the threads of a process parked?
 * @g: an operation; its @pid says which process
 * Return: true if so.
 */
bool ghost_is_held(struct ghost *g)
{
	struct task_struct *p;
	unsigned long flags;
	bool held;

	p = lock_process(g->pid, &flags);
	if (!p)
		return false;
	held = p->signal->ghost && p->signal->ghost->held;
	unlock_process(p, &flags);
	return held;
}

/**
 * ghost_resume_held() - let the threads of a process go on that ghost_hold_all() has left
 * @g: an operation; its @pid says which process
 * Return: 0, -ESRCH if it is gone, -EINVAL if it is not held.
 */
int ghost_resume_held(struct ghost *g)
{
	struct ghost_stop *stop = NULL;
	struct task_struct *p;
	unsigned long flags;

	p = lock_process(g->pid, &flags);
	if (!p)
		return ghost_refuse(g, -ESRCH, "process: gone");
	if (p->signal->ghost && p->signal->ghost->held) {
		stop = p->signal->ghost;
		WRITE_ONCE(stop->released, true);
		p->signal->ghost = NULL;
	}
	unlock_process(p, &flags);
	if (!stop)
		return ghost_refuse(g, -EINVAL, "process: is not held");
	wake_up_all(&stop->parked);
	ghost_stop_put(stop);
	return 0;
}

/**
 * ghost_forget_process() - a process that may be held is no more
 * @sig: what is left of it
 */
void ghost_forget_process(struct signal_struct *sig)
{
	/* No thread is in its lists: nothing sleeps */
	if (sig->ghost)
		ghost_stop_put(sig->ghost);
}
