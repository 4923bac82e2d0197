// SPDX-License-Identifier: GPL-2.0
/*
 * ghost: the kinds of records: what a process consists of
 */
#include <linux/sched/signal.h>
#include <linux/sched/task.h>

#include "ghost.h"

#define ONCE	1	/* exactly one in an image */

/**
 * struct ghost_kind - one kind of record that belongs to the process
 * @rec: its number
 * @flags: ONCE
 * @name: for messages
 * @check: refuse what cannot be carried; the process may be running; may be NULL
 * @export: put the records; the process is parked; NULL: they are there already
 * @import: read one record and make it so, on current
 * @finish: called when all its records have been read, also if there are none; may be NULL
 */
struct ghost_kind {
	u32 rec;
	u32 flags;
	const char *name;
	int (*check)(struct ghost *g, struct task_struct *t);
	int (*export)(struct ghost *g, struct task_struct *t);
	int (*import)(struct ghost *g);
	int (*finish)(struct ghost *g);
};

/*
 * An object follows all it refers to. Files are opened with the credentials of the importer,
 * and what may take a privilege comes before the credentials of the process.
 */
static const struct ghost_kind ghost_kinds[] = {
	{ GHOST_REC_STAGED, 0, "pages sent before",
	  NULL, NULL, ghost_import_staged },
	{ GHOST_REC_MACHINE, ONCE, "machine",
	  NULL, ghost_export_machine, ghost_import_machine },
	{ GHOST_REC_PROCESS, ONCE, "process",
	  ghost_check_process, ghost_export_process_rec, ghost_import_process_rec,
	  ghost_finish_process },
	{ GHOST_REC_FILE, 0, "file",
	  ghost_check_files, ghost_export_files, ghost_import_file },
	{ GHOST_REC_FD, 0, "descriptor",
	  NULL, ghost_export_fds, ghost_import_fd, ghost_finish_files },
	{ GHOST_REC_FS, ONCE, "directories",
	  ghost_check_fs, ghost_export_fs, ghost_import_fs },
	{ GHOST_REC_SHM, 0, "shared memory",
	  NULL, ghost_export_shm, ghost_import_shm },
	{ GHOST_REC_MM, ONCE, "address space",
	  ghost_check_mm, ghost_export_mm, ghost_import_mm },
	{ GHOST_REC_VMA, 0, "mapping",
	  NULL, ghost_export_vmas, ghost_import_vma },
	{ GHOST_REC_PAGES, 0, "pages",
	  NULL, ghost_export_pages, ghost_import_pages, ghost_finish_pages },
	{ GHOST_REC_SIGHAND, ONCE, "signal handlers",
	  NULL, ghost_export_sighand, ghost_import_sighand },
	{ GHOST_REC_SIGPENDING, 0, "pending signals",
	  ghost_check_sigpending, ghost_export_sigpending, ghost_import_sigpending },
	{ GHOST_REC_RLIMIT, ONCE, "limits",
	  NULL, ghost_export_rlimit, ghost_import_rlimit },
	{ GHOST_REC_CRED, ONCE, "credentials",
	  ghost_check_cred, ghost_export_cred, ghost_import_cred },
};

/**
 * struct ghost_thread_kind - one kind of record that belongs to a thread
 * @rec: its number
 * @export: put the records
 * @import: read one record into @gt, for the thread to make it so
 */
struct ghost_thread_kind {
	u32 rec;
	int (*export)(struct ghost *g, struct ghost_thread *gt);
	int (*import)(struct ghost *g, struct ghost_thread *gt);
};

static const struct ghost_thread_kind ghost_thread_kinds[] = {
	{ GHOST_REC_THREAD, ghost_export_thread, ghost_import_thread },
	{ GHOST_REC_ARCH_REGS, ghost_export_regs, ghost_import_regs },
	{ GHOST_REC_ARCH_XSTATE, ghost_export_xstate, ghost_import_xstate },
	{ GHOST_REC_RESTART, ghost_export_restart, ghost_import_restart },
	{ GHOST_REC_THREAD_SIGPENDING, ghost_export_thread_sigpending,
	  ghost_import_thread_sigpending },
};

/* Worker threads are refused as such */
static bool is_checked(struct task_struct *t)
{
	return !(t->flags & (PF_EXITING | PF_USER_WORKER));
}

/*
 * The thread behind @t, which is given back, or if @t is NULL or has ended, the @n-th; with
 * a reference. NULL: there is none.
 */
static struct task_struct *next_to_check(struct task_struct *p, struct task_struct *t,
					 unsigned int n)
{
	struct task_struct *next, *found = NULL;
	unsigned int i = 0;

	rcu_read_lock();
	if (t && pid_alive(t)) {
		found = __next_thread(t);
		while (found && !is_checked(found))
			found = __next_thread(found);
	} else {
		for_each_thread(p, next) {
			if (!is_checked(next) || i++ < n)
				continue;
			found = next;
			break;
		}
	}
	if (found)
		get_task_struct(found);
	rcu_read_unlock();
	if (t)
		put_task_struct(t);
	return found;
}

/*
 * A check may sleep, so the list of threads cannot be held. One that comes or goes meanwhile may
 * be missed here; once all are parked none can.
 */
static int check_threads(struct ghost *g, struct task_struct *p)
{
	struct task_struct *t = NULL;
	unsigned int n;
	int ret;

	for (n = 0; (t = next_to_check(p, t, n)); n++) {
		ret = fatal_signal_pending(current) ? -EINTR : ghost_check_thread(g, t);
		if (ret) {
			put_task_struct(t);
			return ret;
		}
		cond_resched();
	}
	return 0;
}

/**
 * ghost_check_kinds() - refuse what cannot be carried; sleeps
 * @g: the export or check
 * @p: a thread of the process that has memory; may be running
 * Return: 0, or a negative errno with the reason in the report.
 */
int ghost_check_kinds(struct ghost *g, struct task_struct *p)
{
	unsigned int i;
	int ret = check_threads(g, p);

	for (i = 0; !ret && i < ARRAY_SIZE(ghost_kinds); i++)
		if (ghost_kinds[i].check)
			ret = ghost_kinds[i].check(g, p);
	return ret;
}

/**
 * ghost_export_kinds() - put the records of a parked process; sleeps
 * @g: the export
 * @p: one of its parked threads
 * Return: 0, or a negative errno, mostly with the reason in the report.
 */
int ghost_export_kinds(struct ghost *g, struct task_struct *p)
{
	struct ghost_thread *gt;
	unsigned int i;
	int ret = 0;

	for (i = 0; !ret && i < ARRAY_SIZE(ghost_kinds); i++)
		if (ghost_kinds[i].export)
			ret = ghost_kinds[i].export(g, p);
	list_for_each_entry(gt, &g->threads, list)
		for (i = 0; !ret && i < ARRAY_SIZE(ghost_thread_kinds); i++)
			ret = ghost_thread_kinds[i].export(g, gt);
	return ret;
}

static int find_kind(u32 rec)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ghost_kinds); i++)
		if (ghost_kinds[i].rec == rec)
			return i;
	return -1;
}

static const struct ghost_thread_kind *find_thread_kind(u32 rec)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ghost_thread_kinds); i++)
		if (ghost_thread_kinds[i].rec == rec)
			return &ghost_thread_kinds[i];
	return NULL;
}

/* What alternates is one kind for the order */
static u32 order_of(u32 rec)
{
	if (rec == GHOST_REC_SHM_PAGES)
		return GHOST_REC_SHM;
	return rec == GHOST_REC_KEPT ? GHOST_REC_PAGES : rec;
}

static int import_one(struct ghost *g, int kind)
{
	int ret;

	if (g->hdr.kind == GHOST_REC_SHM_PAGES)
		ret = ghost_import_shm_pages(g);
	else if (g->hdr.kind == GHOST_REC_KEPT)
		ret = ghost_import_kept(g);
	else
		ret = ghost_kinds[kind].import(g);
	if (ret)
		return ghost_refuse(g, ret, "image: %s: error %d", ghost_kinds[kind].name, -ret);
	return fatal_signal_pending(current) ? -EINTR : 0;
}

/* Records of kinds before @kind are over */
static int pass_kinds(struct ghost *g, int kind)
{
	const struct ghost_kind *k;
	int ret;

	for (; g->kind < kind; g->kind++) {
		k = &ghost_kinds[g->kind];
		if (k->flags & ONCE && !g->kind_seen)
			return ghost_refuse(g, -EBADMSG, "image: no record of %s", k->name);
		g->kind_seen = false;
		ret = k->finish ? k->finish(g) : 0;
		if (ret)
			return ghost_refuse(g, ret, "image: %s: error %d", k->name, -ret);
	}
	return 0;
}

/**
 * ghost_import_kinds() - read records of the process in the order of the table; sleeps
 * @g: the import
 * @until: last kind to be read here; 0: all
 * Return: 0, -EBADMSG if the image is damaged, -EOPNOTSUPP if it has a record that is not known
 * here, or another errno; with the reason in the report.
 */
int ghost_import_kinds(struct ghost *g, u32 until)
{
	int kind, ret;

	for (;;) {
		ret = ghost_next(g);
		if (ret)
			return ret;
		kind = find_kind(order_of(g->hdr.kind));
		if (kind < 0) {
			kind = ARRAY_SIZE(ghost_kinds);
			if (g->hdr.kind < GHOST_REC_THREAD)
				return ghost_refuse(g, -EOPNOTSUPP,
						    "image: record of unknown kind %u",
						    g->hdr.kind);
		}
		if (kind < g->kind)
			return ghost_refuse(g, -EBADMSG, "image: record of kind %u out of order",
					    g->hdr.kind);
		ret = pass_kinds(g, kind);
		if (ret || kind == ARRAY_SIZE(ghost_kinds))
			return ret;
		if (ghost_kinds[kind].flags & ONCE && g->kind_seen)
			return ghost_refuse(g, -EBADMSG, "image: two records of %s",
					    ghost_kinds[kind].name);
		g->kind_seen = true;
		ret = import_one(g, kind);
		if (ret || ghost_kinds[kind].rec == until)
			return ret;
	}
}

/**
 * ghost_import_threads() - read the records of all threads; sleeps
 * @g: the import; its @threads are filled, the leader first
 * Return: 0, or a negative errno, mostly with the reason in the report.
 */
int ghost_import_threads(struct ghost *g)
{
	const struct ghost_thread_kind *kind;
	struct ghost_thread *gt = NULL;
	int ret;

	for (;;) {
		ret = ghost_next(g);
		if (ret)
			return ret;
		if (g->hdr.kind == GHOST_REC_END)
			break;
		kind = find_thread_kind(g->hdr.kind);
		if (!kind)
			return ghost_refuse(g, -EOPNOTSUPP, "image: record of unknown kind %u",
					    g->hdr.kind);
		if (kind->rec == GHOST_REC_THREAD) {
			if (g->nr_threads == le32_to_cpu(g->process.nr_threads))
				return ghost_refuse(g, -EBADMSG, "image: too many threads");
			gt = ghost_thread_alloc(NULL);
			if (!gt)
				return -ENOMEM;
			gt->g = g;
			list_add_tail(&gt->list, &g->threads);
			g->nr_threads++;
		} else if (!gt) {
			return ghost_refuse(g, -EBADMSG, "image: record of no thread");
		}
		ret = kind->import(g, gt);
		if (ret)
			return ghost_refuse(g, ret, "image: thread: error %d", -ret);
		if (fatal_signal_pending(current))
			return -EINTR;
	}
	if (!g->nr_threads || g->nr_threads != le32_to_cpu(g->process.nr_threads))
		return ghost_refuse(g, -EBADMSG, "image: number of threads");
	gt = list_first_entry(&g->threads, struct ghost_thread, list);
	if (!(le32_to_cpu(gt->rec.flags) & GHOST_THREAD_LEADER) !=
	    !!(le32_to_cpu(g->process.flags) & GHOST_PROCESS_LEADER_DEAD))
		return ghost_refuse(g, -EBADMSG, "image: which thread is the leader");
	list_for_each_entry(gt, &g->threads, list)
		if (!gt->has_regs)
			return ghost_refuse(g, -EBADMSG, "image: thread without registers");
	return ghost_get_end(g);
}
