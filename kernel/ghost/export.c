// SPDX-License-Identifier: GPL-2.0
/*
 * ghost: one export: check, park, capture, let go, write
 */
#include <linux/ktime.h>
#include <linux/ptrace.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <uapi/linux/ghost_wire.h>

#include "ghost.h"

/* A thread of the process that still has memory: the leader may have ended first */
static struct task_struct *get_live_thread(struct pid *pid)
{
	struct task_struct *p, *t, *live = NULL;

	rcu_read_lock();
	p = pid_task(pid, PIDTYPE_TGID);
	if (p) {
		for_each_thread(p, t) {
			if (t->exit_state || t->flags & PF_EXITING)
				continue;
			live = get_task_struct(t);
			break;
		}
	}
	rcu_read_unlock();
	return live;
}

static int check_permission(struct ghost *g, struct task_struct *p)
{
	struct task_struct *t;
	bool ok = true;

	if (same_thread_group(p, current))
		return 0;
	/* A thread may have credentials of its own */
	rcu_read_lock();
	for_each_thread(p, t)
		ok = ok && ptrace_may_access(t, PTRACE_MODE_ATTACH_REALCREDS);
	rcu_read_unlock();
	/* Not even a check may say more */
	if (!ok)
		ghost_refuse(g, -EPERM, "process: the caller may not trace it");
	return ok ? 0 : -EPERM;
}

static int refuse_gone(struct ghost *g)
{
	ghost_refuse(g, -ESRCH, "process: gone");
	return -ESRCH;
}

/* Returns 1 if it became another program meanwhile: then nothing of what was found counts */
static int check_once(struct ghost *g)
{
	struct task_struct *p = get_live_thread(g->pid);
	u64 exec_id;
	int ret;

	if (!p)
		return refuse_gone(g);
	exec_id = READ_ONCE(p->self_exec_id);
	ret = check_permission(g, p);
	if (!ret && ghost_is_held(g))
		ret = ghost_refuse(g, -EBUSY, "process: is held, for it may run elsewhere");
	if (!ret)
		ret = ghost_check_kinds(g, p);
	/*
	 * It may have become a privileged program meanwhile, if only for a while: then nothing
	 * must be said of it. An exec by another thread has ended this one, or is about to.
	 */
	if (check_permission(g, p)) {
		ghost_unreport(g);
		ret = check_permission(g, p) ?: -EPERM;
	} else if ((ret || g->refused) &&
		   (READ_ONCE(p->flags) & PF_EXITING || READ_ONCE(p->self_exec_id) != exec_id)) {
		ghost_unreport(g);
		ret = 1;
	}
	put_task_struct(p);
	return ret;
}

static int check(struct ghost *g)
{
	int tries = 10;
	int ret;

	do {
		ret = check_once(g);
		if (ret <= 0)
			return ret;
	} while (--tries && !schedule_timeout_killable(1));
	ghost_refuse(g, -EBUSY, "process: executes one program after the other");
	return -EBUSY;
}

/* The process is parked. What was found before may have changed since. */
static int capture(struct ghost *g)
{
	struct task_struct *p = get_live_thread(g->pid);
	int ret;

	if (!p)
		return refuse_gone(g);
	ret = check_permission(g, p);
	if (!ret)
		ret = ghost_check_kinds(g, p);
	if (!ret)
		ret = ghost_export_kinds(g, p);
	put_task_struct(p);
	if (!ret && !ghost_still_parked(g))
		ret = ghost_refuse(g, -ESRCH, "process: was killed or continued meanwhile");
	return ret;
}

static int write_out(struct ghost *g)
{
	const struct ghost_resource_ops *ops = g->res.ops;

	g->write_pages = ghost_write_pages;
	g->write_shm_pages = ghost_write_shm_pages;
	return ops->keep ? ops->keep(&g->res, g) : ghost_write_image(g);
}

/* Before the process is stopped: will it run where it goes to? */
static int offer(struct ghost *g)
{
	struct task_struct *p;
	int ret;

	if (!g->res.ops->handover)
		return 0;
	p = get_live_thread(g->pid);
	if (!p)
		return refuse_gone(g);
	ret = ghost_offer_machine(g, p);
	put_task_struct(p);
	return ret;
}

/*
 * The image is out. Let the copy run, if there is another end that has made one. 1: it was told
 * to, and it is not known whether it does.
 */
static int hand_over(struct ghost *g)
{
	const struct ghost_handover_ops *handover = g->res.ops->handover;
	struct ghost_wire_signal *late __free(kfree) = NULL;
	pid_t pid = 0;
	int nr = 0;
	int ret;

	if (!handover)
		return 0;
	ret = handover->wait_ready(&g->res, g);
	if (ret)
		return ret;
	/* If the process is to live on here, too, what comes now is for this one */
	if (g->flags & GHOST_EXPORT_KILL) {
		late = kmalloc_array(GHOST_WIRE_MAX_SIGNALS, sizeof(*late), GFP_KERNEL);
		if (!late)
			return -ENOMEM;
		nr = ghost_export_late_signals(g, late);
	}
	if (nr < 0)
		return nr;
	/* Killed meanwhile: nobody wants it to live on elsewhere */
	if (g->stop && !ghost_still_parked(g))
		return ghost_refuse(g, -ESRCH, "process: was killed or continued meanwhile");
	/* Who is to die could not wait for the answer */
	if (fatal_signal_pending(current))
		return -EINTR;
	ret = handover->go(&g->res, g, late, nr, &pid);
	g->stats.pid = pid;
	return ret;
}

static void send_to_process(struct ghost *g, int sig)
{
	struct task_struct *p = get_pid_task(g->pid, PIDTYPE_TGID);

	if (!p)
		return;
	do_send_sig_info(sig, SEND_SIG_PRIV, p, PIDTYPE_TGID);
	put_task_struct(p);
}

/*
 * The image may be bigger than the snapshot because the snapshot is used up as it is
 * written; so count before.
 */
static void count_pages(struct ghost *g)
{
	if (g->mm)
		g->stats.pages = percpu_counter_sum(&g->mm->rss_stat[MM_ANONPAGES]) +
				 percpu_counter_sum(&g->mm->rss_stat[MM_SWAPENTS]);
}

/* Stop the process for as long as a snapshot takes */
static struct mm_struct *take_snapshot(struct ghost *g)
{
	struct mm_struct *mm = ERR_PTR(-ESRCH);
	struct task_struct *p = NULL;
	int ret;

	/* It may have become another program since, which is not even to be stopped */
	ret = check(g);
	if (!ret)
		ret = ghost_park_all(g, NULL);
	if (!ret) {
		p = get_live_thread(g->pid);
		ret = p ? check_permission(g, p) : refuse_gone(g);
	}
	/* What cannot be carried must not be copied either: it might not bear it */
	if (!ret)
		ret = ghost_check_kinds(g, p);
	if (!ret)
		mm = ghost_snapshot(p);
	if (p)
		put_task_struct(p);
	ghost_unpark_all(g);
	ghost_threads_free(g);
	g->nr_threads = 0;
	return ret ? ERR_PTR(ret) : mm;
}

/* Does it make sense to go on with what takes @ns for @pages, when it was @before the last time? */
static bool converges(const struct ghost *g, u64 ns, u64 pages, u64 before)
{
	if (!pages || div_u64(ns, NSEC_PER_MSEC) <= g->max_downtime_ms)
		return false;
	/* What changes faster than it is sent will not become less */
	return g->stats.rounds == 1 || pages < before - before / 8;
}

/* Send the memory while the process runs on, then what has changed, until that is little */
static int send_ahead(struct ghost *g)
{
	u64 pages = 0, before, sent;
	struct mm_struct *mm;
	ktime_t start;
	int ret;

	if (!g->rounds)
		return 0;
	ret = ghost_write_header(g);
	while (!ret && g->stats.rounds < g->rounds) {
		if (task_sigpending(current))
			return -EINTR;
		mm = take_snapshot(g);
		/* What has been sent is good for the last stop, which may succeed */
		if (mm == ERR_PTR(-ETIMEDOUT) && g->stats.rounds) {
			ghost_unreport(g);
			break;
		}
		if (IS_ERR(mm))
			return PTR_ERR(mm);
		start = ktime_get();
		sent = g->nr_pages;
		ret = ghost_stage_pages(g, mm);
		before = pages;
		pages = g->nr_pages - sent;
		g->stats.rounds++;
		if (!converges(g, ktime_to_ns(ktime_sub(ktime_get(), start)), pages, before))
			break;
	}
	return ret;
}

/**
 * ghost_export() - export a process; sleeps
 * @g: the export, with a resource plugged in unless it is a check
 * @self: record of current if it exports its own process and is at its ghost point, or NULL
 *
 * If it fails the process runs on as if nothing had happened; but with -EINPROGRESS, if it was
 * to be ended, it is held.
 *
 * Return: 0, or a negative errno, mostly with the reason in the report.
 */
int ghost_export(struct ghost *g, struct ghost_thread *self)
{
	ktime_t start = ktime_get(), stopped, parked;
	int ret, sig = 0;

	ret = check(g);
	if (ret || g->mode == GHOST_MODE_CHECK)
		return ret ?: g->refused ? -EOPNOTSUPP : 0;
	ret = offer(g);
	if (!ret)
		ret = send_ahead(g);
	/* It may have become another program since, as in take_snapshot() */
	if (!ret && g->stats.rounds)
		ret = check(g);
	if (ret)
		return ret;

	if (g->flags & GHOST_EXPORT_KILL)
		sig = SIGKILL;
	if (g->flags & GHOST_EXPORT_STOP)
		sig = SIGSTOP;
	stopped = ktime_get();
	ret = ghost_park_all(g, self);
	parked = ktime_get();
	if (!ret)
		ret = capture(g);
	count_pages(g);
	/*
	 * Files stand in the records by name. Kept open they would hold the ends of pipes after
	 * the process has closed them, for as long as the image is written or the ghost kept,
	 * which might be behind a descriptor on its way through a socket among them.
	 * While it is parked no reference is the last one.
	 */
	ghost_ref_release(g);
	/* One that is not to run on is held until its image is complete: it may be needed yet */
	if (ret || !sig)
		ghost_unpark_all(g);
	g->stats.stop_ns = ktime_to_ns(ktime_sub(ktime_get(), stopped));
	g->stats.park_ns = ktime_to_ns(ktime_sub(parked, stopped));
	if (!ret)
		ret = write_out(g);
	if (!ret)
		ret = hand_over(g);
	if (!ret && sig)
		send_to_process(g, sig);
	if (ret > 0) {
		ret = -EINPROGRESS;
		if (sig == SIGKILL)
			ghost_hold_all(g);
		else if (sig)
			send_to_process(g, sig);
	}
	ghost_unpark_all(g);
	/* It goes on at the other end from here */
	if (sig && g->res.ops->handover)
		g->stats.stop_ns = ktime_to_ns(ktime_sub(ktime_get(), stopped));
	ghost_threads_free(g);
	g->stats.threads = g->nr_threads;
	g->stats.bytes = g->pos;
	g->stats.total_ns = ktime_to_ns(ktime_sub(ktime_get(), start));
	return ret;
}

/**
 * ghost_resume() - let a process run on that is held; sleeps
 * @g: an operation; its @pid says which process
 * Return: 0, -EPERM, -ESRCH if it is gone, -EINVAL if it is not held.
 */
int ghost_resume(struct ghost *g)
{
	struct task_struct *p = get_live_thread(g->pid);
	int ret;

	if (!p)
		return refuse_gone(g);
	ret = check_permission(g, p);
	put_task_struct(p);
	return ret ?: ghost_resume_held(g);
}
