// SPDX-License-Identifier: GPL-2.0
/*
 * ghost: what a thread may hold that is not carried
 *
 * The table of what is carried and what is refused is in
 * Documentation/admin-guide/ghost-state.rst. Whatever a thread shares with the caller because
 * both inherited it (namespaces, seccomp filters) is the environment: a copy gets that of
 * its importer.
 */
#include <linux/cred.h>
#include <linux/fdtable.h>
#include <linux/fs_struct.h>
#include <linux/nsproxy.h>
#include <linux/perf_event.h>
#include <linux/personality.h>
#include <linux/pid_namespace.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/seccomp.h>
#include <linux/security.h>
#include <linux/slab.h>
#include <linux/syscall_user_dispatch.h>
#include <linux/user_namespace.h>

#include "ghost.h"

#ifdef CONFIG_SECURITY_LANDLOCK
#include "../../security/landlock/cred.h"
#endif

static int ghost_refuse_thread(struct ghost *g, struct task_struct *t, const char *what)
{
	return ghost_refuse(g, -EOPNOTSUPP, "thread %d: %s", task_pid_vnr(t), what);
}

/*
 * What a thread holds. Each of these looks at a task that may be running or exiting, and so
 * follows no pointer but under RCU.
 */

static bool holds_io_flusher(struct task_struct *t)
{
	const unsigned int flags = PF_MEMALLOC_NOIO | PF_LOCAL_THROTTLE;

	return (t->flags & flags) == flags;
}

static bool holds_mce_policy(struct task_struct *t)
{
	return t->flags & (PF_MCE_PROCESS | PF_MCE_EARLY);
}

static bool holds_policy(struct task_struct *t)
{
	switch (t->policy) {
	case SCHED_NORMAL:
	case SCHED_BATCH:
	case SCHED_IDLE:
	case SCHED_FIFO:
	case SCHED_RR:
		return false;
	}
	return true;
}

static bool holds_slice(struct task_struct *t)
{
	return t->se.custom_slice;
}

static bool holds_uclamp(struct task_struct *t)
{
#ifdef CONFIG_UCLAMP_TASK
	return t->uclamp_req[UCLAMP_MIN].user_defined || t->uclamp_req[UCLAMP_MAX].user_defined;
#else
	return false;
#endif
}

static bool holds_core_cookie(struct task_struct *t)
{
#ifdef CONFIG_SCHED_CORE
	return t->core_cookie != current->core_cookie;
#else
	return false;
#endif
}

static bool holds_mempolicy(struct task_struct *t)
{
#ifdef CONFIG_NUMA
	return t->mempolicy;
#else
	return false;
#endif
}

static bool holds_affinity(struct task_struct *t)
{
	return READ_ONCE(t->user_cpus_ptr) && !cpumask_equal(&t->cpus_mask, &current->cpus_mask);
}

static bool holds_personality(struct task_struct *t)
{
	bool differs;

	rcu_read_lock();
	differs = pid_alive(t) && t->personality != t->group_leader->personality;
	rcu_read_unlock();
	return differs || personality(t->personality) != PER_LINUX;
}

static bool holds_pdeath_signal(struct task_struct *t)
{
	return t->pdeath_signal;
}

static bool holds_speculation_control(struct task_struct *t)
{
	const unsigned long known = BIT(PFA_NO_NEW_PRIVS) | BIT(PFA_SPREAD_PAGE) |
				    BIT(PFA_SPREAD_SLAB);

	return READ_ONCE(t->atomic_flags) & ~known;
}

static bool holds_seccomp(struct task_struct *t)
{
#ifdef CONFIG_SECCOMP
	return t->seccomp.mode && (t->seccomp.mode != current->seccomp.mode ||
				   READ_ONCE(t->seccomp.filter) != current->seccomp.filter);
#else
	return false;
#endif
}

static bool holds_keyring(struct task_struct *t)
{
#ifdef CONFIG_KEYS
	const struct cred *cred = __task_cred(t);

	return cred->thread_keyring || cred->process_keyring || cred->request_key_auth ||
	       cred->jit_keyring;
#else
	return false;
#endif
}

/* There is no other way to see it */
static bool holds_landlock(struct task_struct *t)
{
#ifdef CONFIG_SECURITY_LANDLOCK
	return landlock_initialized &&
	       landlock_cred(__task_cred(t))->domain != landlock_cred(current_cred())->domain;
#else
	return false;
#endif
}

static bool holds_io_uring(struct task_struct *t)
{
#ifdef CONFIG_IO_URING
	return READ_ONCE(t->io_uring);
#else
	return false;
#endif
}

static bool holds_user_dispatch(struct task_struct *t)
{
#ifdef CONFIG_GENERIC_ENTRY
	return test_task_syscall_work(t, SYSCALL_USER_DISPATCH);
#else
	return false;
#endif
}

static bool holds_sem_undo(struct task_struct *t)
{
#ifdef CONFIG_SYSVIPC
	return sem_has_undo(t);
#else
	return false;
#endif
}

static bool holds_pi_futex(struct task_struct *t)
{
#ifdef CONFIG_FUTEX_PI
	return !list_empty(&t->pi_state_list);
#else
	return false;
#endif
}

static bool holds_compat_robust_list(struct task_struct *t)
{
#if defined(CONFIG_FUTEX) && defined(CONFIG_COMPAT)
	return t->compat_robust_list;
#else
	return false;
#endif
}

static bool holds_perf_event(struct task_struct *t)
{
#ifdef CONFIG_PERF_EVENTS
	struct perf_event_context *ctx = READ_ONCE(t->perf_event_ctxp);

	return !list_empty(&t->perf_event_list) || (ctx && READ_ONCE(ctx->nr_events));
#else
	return false;
#endif
}

static bool holds_user_events(struct task_struct *t)
{
#ifdef CONFIG_USER_EVENTS
	return READ_ONCE(t->user_event_mm);
#else
	return false;
#endif
}

static bool holds_kcov(struct task_struct *t)
{
#ifdef CONFIG_KCOV
	return READ_ONCE(t->kcov);
#else
	return false;
#endif
}

static const struct {
	bool (*holds)(struct task_struct *t);
	const char *what;
} ghost_holdings[] = {
	{ holds_io_flusher,		"I/O flusher (PR_SET_IO_FLUSHER)" },
	{ holds_mce_policy,		"machine check policy (PR_MCE_KILL)" },
	{ holds_policy,			"scheduling policy" },
	{ holds_slice,			"time slice of its own" },
	{ holds_uclamp,			"utilization clamp" },
	{ holds_core_cookie,		"core scheduling cookie" },
	{ holds_mempolicy,		"memory policy" },
	{ holds_affinity,		"CPU affinity" },
	{ holds_personality,		"personality" },
	{ holds_pdeath_signal,		"parent death signal" },
	{ holds_speculation_control,	"speculation control" },
	{ holds_seccomp,		"seccomp" },
	{ holds_keyring,		"keyring" },
	{ holds_landlock,		"Landlock domain" },
	{ holds_io_uring,		"io_uring" },
	{ holds_user_dispatch,		"system call user dispatch" },
	{ holds_sem_undo,		"System V semaphore undo list" },
	{ holds_pi_futex,		"PI futex that is waited for" },
	{ holds_compat_robust_list,	"32-bit robust list" },
	{ holds_perf_event,		"perf event" },
	{ holds_user_events,		"user events" },
	{ holds_kcov,			"kcov" },
};

static int ghost_check_namespaces(struct ghost *g, struct task_struct *t)
{
	const struct nsproxy *own = current->nsproxy;
	struct nsproxy *ns;
	int ret = 0;

	task_lock(t);
	ns = t->nsproxy;
	if (ns)
		get_nsproxy(ns);
	task_unlock(t);
	if (!ns || ns == own)
		goto out;
	if (ns->mnt_ns != own->mnt_ns)
		ret = ghost_refuse_thread(g, t, "mount namespace: not that of the caller");
	if (!ret && ns->net_ns != own->net_ns)
		ret = ghost_refuse_thread(g, t, "network namespace: not that of the caller");
	if (!ret && ns->ipc_ns != own->ipc_ns)
		ret = ghost_refuse_thread(g, t, "IPC namespace: not that of the caller");
	if (!ret && ns->uts_ns != own->uts_ns)
		ret = ghost_refuse_thread(g, t, "UTS namespace: not that of the caller");
	if (!ret && (ns->time_ns != own->time_ns ||
		     ns->time_ns_for_children != own->time_ns_for_children))
		ret = ghost_refuse_thread(g, t, "time namespace: not that of the caller");
	if (!ret && ns->cgroup_ns != own->cgroup_ns)
		ret = ghost_refuse_thread(g, t, "cgroup namespace: not that of the caller");
	if (!ret && ns->pid_ns_for_children != own->pid_ns_for_children)
		ret = ghost_refuse_thread(g, t, "pid namespace for children: not the caller's");
out:
	if (ns)
		put_nsproxy(ns);
	return ret;
}

/* Is there an attribute that the caller may not see? -EINVAL: no module has such a thing. */
static bool is_unreadable(int ret)
{
	return ret < 0 && ret != -EINVAL && ret != -EOPNOTSUPP;
}

/* What is set for the next object or program, see /proc/PID/attr */
static int ghost_check_attributes(struct ghost *g, struct task_struct *t)
{
	static const struct {
		int lsm;
		const char *name;
	} attrs[] = {
		{ LSM_ID_UNDEF, "exec" },
		{ LSM_ID_UNDEF, "fscreate" },
		{ LSM_ID_UNDEF, "keycreate" },
		{ LSM_ID_UNDEF, "sockcreate" },
		{ LSM_ID_APPARMOR, "prev" },
	};
	unsigned int i;
	int ret = 0;
	char *value;
	int n;

	for (i = 0; !ret && i < ARRAY_SIZE(attrs); i++) {
		value = NULL;
		n = security_getprocattr(t, attrs[i].lsm, attrs[i].name, &value);
		if (n > 0 || is_unreadable(n))
			ret = ghost_refuse(g, -EOPNOTSUPP,
					   "thread %d: security attribute %s: %s",
					   task_pid_vnr(t), attrs[i].name,
					   n > 0 ? "not supported" : "cannot be read");
		kfree(value);
	}
	return ret;
}

/* The label of a security module cannot be given to a copy: it has that of its importer */
static int ghost_check_label(struct ghost *g, struct task_struct *t)
{
	char *label = NULL, *own = NULL;
	int ret = 0;
	int n, m;

	n = security_getprocattr(t, LSM_ID_UNDEF, "current", &label);
	m = security_getprocattr(current, LSM_ID_UNDEF, "current", &own);
	if (is_unreadable(n))
		ret = ghost_refuse_thread(g, t, "security label: cannot be read");
	else if (n > 0 && (n != m || memcmp(label, own, n)))
		ret = ghost_refuse(g, -EOPNOTSUPP,
				   "thread %d: security label %.*s: not that of the caller",
				   task_pid_vnr(t), n, label);
	kfree(label);
	kfree(own);
	return ret;
}

/**
 * ghost_check_task() - refuse what is not carried of a thread; sleeps
 * @g: the export or check
 * @t: the thread; may be running in a check
 * Return: 0, or a negative errno with the reason in the report.
 */
int ghost_check_task(struct ghost *g, struct task_struct *t)
{
	unsigned int i;
	int ret = 0;

	if (t->flags & (PF_KTHREAD | PF_USER_WORKER))
		return ghost_refuse(g, -EPERM, "thread %d: kernel thread", task_pid_vnr(t));
	rcu_read_lock();
	for (i = 0; !ret && i < ARRAY_SIZE(ghost_holdings); i++)
		if (ghost_holdings[i].holds(t))
			ret = ghost_refuse(g, -EOPNOTSUPP, "thread %d: %s: not supported",
					   task_pid_vnr(t), ghost_holdings[i].what);
	/* A thread that has ended is in none */
	if (!ret && pid_alive(t) && task_active_pid_ns(t) != task_active_pid_ns(current))
		ret = ghost_refuse_thread(g, t, "pid namespace: not that of the caller");
	rcu_read_unlock();
	if (!ret)
		ret = ghost_check_namespaces(g, t);
	if (!ret)
		ret = ghost_check_label(g, t);
	return ret ?: ghost_check_attributes(g, t);
}

/* What threads have in common, and how many share it. The addresses are only compared. */
struct ghost_shares {
	struct files_struct *files;
	struct fs_struct *fs;
	int users_files;	/* references */
	int users_fs;
	int users_sighand;
	int nr_files;		/* of these: of threads of the process */
	int nr_fs;
	int nr_sighand;
	pid_t own_files;	/* a thread with others */
	pid_t own_fs;
};

static void ghost_count_shares(struct task_struct *t, struct ghost_shares *s)
{
	struct task_struct *other;

	lockdep_assert_task_sighand_held(t);
	for_each_thread(t, other) {
		if (!READ_ONCE(other->files))
			continue;	/* exiting */
		if (READ_ONCE(other->files) == s->files)
			s->nr_files++;
		else
			s->own_files = task_pid_vnr(other);
		if (READ_ONCE(other->fs) == s->fs)
			s->nr_fs++;
		else
			s->own_fs = task_pid_vnr(other);
	}
	s->nr_sighand = t->signal->nr_threads;
}

/* Returns false if the process is exiting */
static bool ghost_read_shares(struct task_struct *t, struct ghost_shares *s)
{
	struct sighand_struct *sighand;
	unsigned long flags;

	memset(s, 0, sizeof(*s));
	task_lock(t);
	s->files = t->files;
	s->fs = t->fs;
	if (s->files)
		s->users_files = atomic_read(&s->files->count);
	if (s->fs)
		s->users_fs = READ_ONCE(s->fs->users);
	task_unlock(t);
	if (!s->files || !s->fs)
		return false;
	sighand = lock_task_sighand(t, &flags);
	if (!sighand)
		return false;
	ghost_count_shares(t, s);
	s->users_sighand = refcount_read(&sighand->count);
	spin_unlock_irqrestore(&sighand->siglock, flags);
	return true;
}

static bool ghost_shared_outside(const struct ghost_shares *s)
{
	return s->users_files > s->nr_files || s->users_fs > s->nr_fs ||
	       s->users_sighand > s->nr_sighand;
}

/**
 * ghost_check_sharing() - refuse tables that are shared beyond the process, or not within it
 * @g: the export or check; it sleeps
 * @t: a thread of the process
 * Return: 0, or a negative errno with the reason in the report.
 */
int ghost_check_sharing(struct ghost *g, struct task_struct *t)
{
	struct ghost_shares s;
	int tries = 5;
	int ret = 0;

	do {
		if (!ghost_read_shares(t, &s))
			return ghost_refuse(g, -ESRCH, "process: is exiting");
		/* A thread that is being made or ends is counted in one place only */
		if (g->stop || !ghost_shared_outside(&s))
			break;
	} while (--tries && !schedule_timeout_killable(1));

	if (s.own_files)
		ret = ghost_refuse(g, -EOPNOTSUPP,
				   "thread %d: descriptors of its own: not supported", s.own_files);
	if (!ret && s.own_fs)
		ret = ghost_refuse(g, -EOPNOTSUPP,
				   "thread %d: working directory of its own: not supported",
				   s.own_fs);
	if (!ret && s.users_files > s.nr_files)
		ret = ghost_refuse(g, -EOPNOTSUPP,
				   "process: descriptors are shared with another process");
	if (!ret && s.users_fs > s.nr_fs)
		ret = ghost_refuse(g, -EOPNOTSUPP,
				   "process: working directory is shared with another process");
	if (!ret && s.users_sighand > s.nr_sighand)
		ret = ghost_refuse(g, -EOPNOTSUPP,
				   "process: signal handlers are shared with another process");
	return ret;
}
