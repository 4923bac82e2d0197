// SPDX-License-Identifier: GPL-2.0
/*
 * ghost: signal handlers, pending and queued signals
 *
 * While an import goes on, all signals are blocked: what is queued stays queued until
 * the masks of the threads are put on at the end.
 */
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/signal.h>
#include <linux/slab.h>
#include <uapi/linux/ghost_wire.h>

#include "ghost.h"

static_assert(GHOST_NSIG == _NSIG);
static_assert(_NSIG_WORDS == 1);
static_assert(sizeof(struct siginfo) == GHOST_SIGINFO_SIZE);

/* A signal of a thread that is imported, until the thread queues it itself */
struct ghost_siginfo {
	struct list_head list;
	kernel_siginfo_t info;
};

int ghost_export_sighand(struct ghost *g, struct task_struct *t)
{
	struct ghost_rec_sighand *rec __free(kfree) = kzalloc(sizeof(*rec), GFP_KERNEL);
	struct sighand_struct *sighand;
	struct sigaction *sa;
	unsigned long flags;
	int unknown = 0;
	int i;

	if (!rec)
		return -ENOMEM;
	sighand = lock_task_sighand(t, &flags);
	if (!sighand)
		return ghost_refuse(g, -ESRCH, "process: gone");
	for (i = 0; i < _NSIG; i++) {
		sa = &sighand->action[i].sa;
		rec->action[i].handler = cpu_to_le64((unsigned long)sa->sa_handler);
		rec->action[i].flags = cpu_to_le64(sa->sa_flags);
		rec->action[i].restorer = cpu_to_le64((unsigned long)sa->sa_restorer);
		rec->action[i].mask = cpu_to_le64(sa->sa_mask.sig[0]);
		if (sa->sa_flags & ~UAPI_SA_FLAGS)
			unknown = i + 1;
	}
	spin_unlock_irqrestore(&sighand->siglock, flags);
	if (unknown)
		return ghost_refuse(g, -EOPNOTSUPP, "signal %d: flags of its action: not supported",
				    unknown);
	return ghost_put(g, GHOST_REC_SIGHAND, rec, sizeof(*rec));
}

static int ghost_set_action(struct ghost *g, const struct ghost_rec_sighand *rec, int sig)
{
	struct k_sigaction ka = {};
	int ret;

	ka.sa.sa_handler = (__sighandler_t)(unsigned long)le64_to_cpu(rec->action[sig - 1].handler);
	ka.sa.sa_flags = le64_to_cpu(rec->action[sig - 1].flags);
	ka.sa.sa_restorer = (__sigrestore_t)(unsigned long)
				le64_to_cpu(rec->action[sig - 1].restorer);
	ka.sa.sa_mask.sig[0] = le64_to_cpu(rec->action[sig - 1].mask);
	if (ka.sa.sa_flags & ~UAPI_SA_FLAGS)
		return ghost_refuse(g, -EOPNOTSUPP, "signal %d: flags of its action: not supported",
				    sig);
	if (sig_kernel_only(sig))
		return ka.sa.sa_handler == SIG_DFL ? 0 :
			ghost_refuse(g, -EBADMSG, "image: signal %d: action", sig);
	ret = do_sigaction(sig, &ka, NULL);
	if (ret)
		return ghost_refuse(g, ret, "signal %d: action cannot be set (%pe)", sig,
				    ERR_PTR(ret));
	return 0;
}

int ghost_import_sighand(struct ghost *g)
{
	struct ghost_rec_sighand *rec __free(kfree) = kmalloc(sizeof(*rec), GFP_KERNEL);
	int ret;
	int sig;

	if (!rec)
		return -ENOMEM;
	ret = ghost_get(g, GHOST_REC_SIGHAND, rec, sizeof(*rec));
	for (sig = 1; sig <= _NSIG && !ret; sig++)
		ret = ghost_set_action(g, rec, sig);
	return ret;
}

/* Pending signals: export */

static void ghost_fill_siginfo(struct ghost_rec_siginfo *rec, const kernel_siginfo_t *info)
{
	kernel_siginfo_t copy = *info;

	if (siginfo_layout(info->si_signo, info->si_code) == SIL_TIMER)
		copy.si_sys_private = 0;
	rec->signo = cpu_to_le32(info->si_signo);
	rec->flags = 0;
	copy_siginfo_to_external((siginfo_t *)rec->info, &copy);
}

static bool ghost_is_rt(int sig)
{
	return sig >= SIGRTMIN;
}

/*
 * First what is queued, then what is pending for want of memory without a siginfo; but for what
 * has been seen. Returns how many there are, of which @max are copied.
 */
static size_t ghost_copy_pending(const struct sigpending *pending, const struct ghost_seen *seen,
				 struct ghost_rec_siginfo *rec, size_t max)
{
	u64 left = pending->signal.sig[0] & ~seen->signals;
	unsigned int nr_rt = 0;
	struct sigqueue *q;
	size_t n = 0;
	int sig;

	list_for_each_entry(q, &pending->list, list) {
		sig = q->info.si_signo;
		if (ghost_is_rt(sig) ? nr_rt++ < seen->nr_rt : seen->signals & sigmask(sig))
			continue;
		left &= ~sigmask(sig);
		if (n++ < max)
			ghost_fill_siginfo(&rec[n - 1], &q->info);
	}
	for (; left; left &= left - 1) {
		if (n++ >= max)
			continue;
		memset(&rec[n - 1], 0, sizeof(*rec));
		rec[n - 1].signo = cpu_to_le32(__ffs64(left) + 1);
		rec[n - 1].flags = cpu_to_le32(GHOST_SIGINFO_NONE);
	}
	return n;
}

static void ghost_note_seen(const struct sigpending *pending, struct ghost_seen *seen)
{
	struct sigqueue *q;

	seen->signals = pending->signal.sig[0];
	seen->nr_rt = 0;
	list_for_each_entry(q, &pending->list, list)
		seen->nr_rt += ghost_is_rt(q->info.si_signo);
}

/* Returns how many there are, more than were copied if there is no room, -ESRCH */
static ssize_t ghost_read_pending(struct task_struct *t, bool shared, struct ghost_seen *seen,
				  struct ghost_rec_siginfo *rec, size_t max)
{
	const struct ghost_seen nothing = {};
	struct sighand_struct *sighand;
	struct sigpending *pending;
	unsigned long flags;
	ssize_t n;

	sighand = lock_task_sighand(t, &flags);
	if (!sighand)
		return -ESRCH;
	pending = shared ? &t->signal->shared_pending : &t->pending;
	n = ghost_copy_pending(pending, &nothing, rec, max);
	ghost_note_seen(pending, seen);
	if (sigismember(&pending->signal, SIGKILL))
		n = -ESRCH;
	spin_unlock_irqrestore(&sighand->siglock, flags);
	return n;
}

static int ghost_export_pending(struct ghost *g, struct task_struct *t, bool shared,
				struct ghost_seen *seen, u32 kind)
{
	struct ghost_rec_siginfo *rec = NULL;
	size_t max = 0;
	ssize_t i, n;
	int ret = 0;

	/* Others may send signals at any time, also to a process that is parked */
	while ((n = ghost_read_pending(t, shared, seen, rec, max)) > (ssize_t)max) {
		kvfree(rec);
		max = n + 16;
		rec = kvcalloc(max, sizeof(*rec), GFP_KERNEL_ACCOUNT);
		if (!rec)
			return -ENOMEM;
	}
	if (n < 0)
		ret = ghost_refuse(g, n, "process: gone");
	for (i = 0; i < n && !ret; i++)
		ret = ghost_put(g, kind, &rec[i], sizeof(rec[i]));
	kvfree(rec);
	return ret;
}

int ghost_check_sigpending(struct ghost *g, struct task_struct *t)
{
	return 0;
}

int ghost_export_sigpending(struct ghost *g, struct task_struct *t)
{
	return ghost_export_pending(g, t, true, &g->seen, GHOST_REC_SIGPENDING);
}

int ghost_export_thread_sigpending(struct ghost *g, struct ghost_thread *gt)
{
	return ghost_export_pending(g, gt->task, false, &gt->seen, GHOST_REC_THREAD_SIGPENDING);
}

/* The signals that have come since the records were made */
struct ghost_late_signals {
	struct ghost_wire_signal *signal;
	size_t nr;
	u64 undone;		/* in the records, and not pending any more */
	struct ghost_rec_siginfo rec[GHOST_WIRE_MAX_SIGNALS];
};

static void ghost_add_late(struct ghost_late_signals *late, __le32 tid,
			   const struct sigpending *pending, const struct ghost_seen *seen)
{
	size_t room = GHOST_WIRE_MAX_SIGNALS - min(late->nr, GHOST_WIRE_MAX_SIGNALS);
	size_t i, n = ghost_copy_pending(pending, seen, late->rec, room);

	for (i = 0; i < min(n, room); i++) {
		late->signal[late->nr + i].tid = tid;
		late->signal[late->nr + i].pad = 0;
		late->signal[late->nr + i].signal = late->rec[i];
	}
	late->nr += n;
	late->undone |= seen->signals & ~pending->signal.sig[0];
}

/* Is a stop that is in the records over? SIGCONT need not be pending itself. */
static bool ghost_was_continued(const struct ghost *g, const struct signal_struct *sig)
{
	return g->was_stopped && !(sig->flags & SIGNAL_STOP_STOPPED) && !sig->group_stop_count;
}

/* All threads are parked, and siglock is held */
static int ghost_read_late(struct ghost *g, struct ghost_late_signals *late,
			   const struct signal_struct *sig)
{
	struct ghost_thread *gt;

	if (sig->flags & SIGNAL_GROUP_EXIT)
		return -ESRCH;
	ghost_add_late(late, 0, &sig->shared_pending, &g->seen);
	list_for_each_entry(gt, &g->threads, list) {
		/* Its SIGSTOP is the tracer's business, who does not come along */
		if (gt->task->ptrace)
			return -EBUSY;
		ghost_add_late(late, gt->rec.tid, &gt->task->pending, &gt->seen);
	}
	/* Signals that stop and SIGCONT undo each other */
	return late->undone || ghost_was_continued(g, sig) ? -EAGAIN : 0;
}

/**
 * ghost_export_late_signals() - the signals that have come since the capture; sleeps
 * @g: the export; all threads are parked
 * @signal: room for GHOST_WIRE_MAX_SIGNALS
 * Return: their number, or a negative errno with the reason in the report.
 */
int ghost_export_late_signals(struct ghost *g, struct ghost_wire_signal *signal)
{
	struct ghost_late_signals *late __free(kfree) = kzalloc(sizeof(*late), GFP_KERNEL);
	struct task_struct *t = list_first_entry(&g->threads, struct ghost_thread, list)->task;
	struct sighand_struct *sighand;
	unsigned long flags;
	int ret;

	if (!late)
		return -ENOMEM;
	late->signal = signal;
	sighand = lock_task_sighand(t, &flags);
	if (!sighand)
		return ghost_refuse(g, -ESRCH, "process: gone");
	ret = ghost_read_late(g, late, t->signal);
	spin_unlock_irqrestore(&sighand->siglock, flags);
	if (ret == -ESRCH)
		return ghost_refuse(g, ret, "process: was killed meanwhile");
	if (ret == -EBUSY)
		return ghost_refuse(g, ret, "process: is being traced");
	if (ret)
		return ghost_refuse(g, ret, "process: was stopped or continued meanwhile");
	if (late->nr > GHOST_WIRE_MAX_SIGNALS)
		return ghost_refuse(g, -EAGAIN,
				    "process: %zu signals have come meanwhile, more than %zu",
				    late->nr, GHOST_WIRE_MAX_SIGNALS);
	return late->nr;
}

/* Pending signals: import */

/*
 * A process may send any siginfo to itself, see rt_sigqueueinfo(2); all that the kernel
 * makes of it is to hand it to the handler.
 */
static int ghost_decode_siginfo(struct ghost *g, const struct ghost_rec_siginfo *rec,
				kernel_siginfo_t *info)
{
	u32 sig = le32_to_cpu(rec->signo);

	if (!sig || sig > _NSIG || sig == SIGKILL ||
	    le32_to_cpu(rec->flags) & ~GHOST_SIGINFO_NONE)
		return ghost_refuse(g, -EBADMSG, "image: pending signal");
	if (le32_to_cpu(rec->flags) & GHOST_SIGINFO_NONE) {
		/* What a handler is told of such a signal */
		clear_siginfo(info);
		info->si_signo = sig;
		info->si_code = SI_USER;
		return 0;
	}
	memcpy(info, rec->info, sizeof(*info));
	if (info->si_signo != sig ||
	    memchr_inv(rec->info + sizeof(*info), 0, sizeof(rec->info) - sizeof(*info)))
		return ghost_refuse(g, -EBADMSG, "image: pending signal %u", sig);
	if (siginfo_layout(sig, info->si_code) == SIL_TIMER)
		info->si_sys_private = 0;
	return 0;
}

static int ghost_get_siginfo(struct ghost *g, u32 kind, kernel_siginfo_t *info)
{
	struct ghost_rec_siginfo rec;
	int ret = ghost_get(g, kind, &rec, sizeof(rec));

	return ret ?: ghost_decode_siginfo(g, &rec, info);
}

static int ghost_queue_signal(struct ghost *g, kernel_siginfo_t *info, struct task_struct *t,
			      enum pid_type type)
{
	int ret = do_send_sig_info(info->si_signo, info, t, type);

	if (ret)
		return ghost_refuse(g, ret, "signal %d: cannot be queued (%pe)", info->si_signo,
				    ERR_PTR(ret));
	return 0;
}

int ghost_import_sigpending(struct ghost *g)
{
	kernel_siginfo_t info;
	int ret;

	ret = ghost_get_siginfo(g, GHOST_REC_SIGPENDING, &info);
	if (ret)
		return ret;
	/* It cannot be blocked; what it would do is what a stopped process is told */
	if (info.si_signo == SIGSTOP) {
		g->process.flags |= cpu_to_le32(GHOST_PROCESS_STOPPED);
		g->process.stop_signal = cpu_to_le32(SIGSTOP);
		return 0;
	}
	return ghost_queue_signal(g, &info, current, PIDTYPE_TGID);
}

int ghost_import_thread_sigpending(struct ghost *g, struct ghost_thread *gt)
{
	struct ghost_siginfo *si;
	int ret;

	si = kzalloc(sizeof(*si), GFP_KERNEL_ACCOUNT);
	if (!si)
		return -ENOMEM;
	ret = ghost_get_siginfo(g, GHOST_REC_THREAD_SIGPENDING, &si->info);
	if (!ret && g->nr_siginfo >= max_t(unsigned long, rlimit(RLIMIT_SIGPENDING), _NSIG))
		ret = ghost_refuse(g, -EAGAIN, "signal %d: too many are pending",
				   si->info.si_signo);
	if (ret) {
		kfree(si);
		return ret;
	}
	list_add_tail(&si->list, &gt->siginfo);
	g->nr_siginfo++;
	return 0;
}

/**
 * ghost_apply_thread_sigpending() - queue the signals that are pending for a thread
 * @gt: the thread, which is current; its signals are still blocked
 * Return: 0 or a negative errno.
 */
int ghost_apply_thread_sigpending(struct ghost_thread *gt)
{
	struct ghost_siginfo *si;
	int ret = 0;

	list_for_each_entry(si, &gt->siginfo, list) {
		ret = ghost_queue_signal(gt->g, &si->info, current, PIDTYPE_PID);
		if (ret)
			break;
	}
	return ret;
}

void ghost_free_thread_sigpending(struct ghost_thread *gt)
{
	struct ghost_siginfo *si, *next;

	list_for_each_entry_safe(si, next, &gt->siginfo, list) {
		list_del(&si->list);
		kfree(si);
	}
}

/* The thread of the embryo that the image calls @tid, or NULL */
static struct task_struct *ghost_find_task(struct ghost *g, __le32 tid)
{
	struct ghost_thread *gt;

	list_for_each_entry(gt, &g->threads, list)
		if (gt->rec.tid == tid)
			return gt->task ?: current;	/* the leader, which has built it all */
	return NULL;
}

static int ghost_queue_late(struct ghost *g, const struct ghost_wire_signal *late)
{
	struct task_struct *t = late->tid ? ghost_find_task(g, late->tid) : current;
	kernel_siginfo_t info;
	int ret;

	if (!t || late->pad)
		return ghost_refuse(g, -EBADMSG, "source: signal for thread %u: no such thread",
				    le32_to_cpu(late->tid));
	ret = ghost_decode_siginfo(g, &late->signal, &info);
	return ret ?: ghost_queue_signal(g, &info, t, late->tid ? PIDTYPE_PID : PIDTYPE_TGID);
}

/*
 * While they wait for GO threads have their masks. But no signal is to end them yet, as it would
 * if one of them were in user mode: what is not SIGKILL, and was pending at the other end though
 * it ends the process, as it was stopped, is so here, too.
 */
static void ghost_defer_signals(bool defer)
{
	struct task_struct *t;

	spin_lock_irq(&current->sighand->siglock);
	for_each_thread(current, t) {
		if (defer)
			siginitsetinv(&t->real_blocked, sigmask(SIGKILL));
		else
			sigemptyset(&t->real_blocked);
	}
	spin_unlock_irq(&current->sighand->siglock);
}

/**
 * ghost_import_late_signals() - send what was sent to the original after its capture
 * @g: the import; current is the leader, and all threads have their masks and handlers
 * @late: the signals, as the other end says
 * @nr: number of them
 *
 * They take effect when the threads go to user mode.
 *
 * Return: 0, or a negative errno with the reason in the report.
 */
int ghost_import_late_signals(struct ghost *g, const struct ghost_wire_signal *late, size_t nr)
{
	int ret = 0;

	ghost_defer_signals(true);
	while (nr-- && !ret)
		ret = ghost_queue_late(g, late++);
	ghost_defer_signals(false);
	return ret;
}
