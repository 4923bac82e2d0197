// SPDX-License-Identifier: GPL-2.0
/*
 * ghost: system calls, the same for modules, and the sysctl
 */
#include <linux/capability.h>
#include <linux/file.h>
#include <linux/log2.h>
#include <linux/pid.h>
#include <linux/pidfd.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/sysctl.h>
#include <linux/syscalls.h>
#include <linux/uaccess.h>

#include <asm/syscall.h>

#include "ghost.h"

#define GHOST_PARAMS_MAX	PAGE_SIZE
#define GHOST_TIMEOUT_MS	1000
#define GHOST_MAX_DOWNTIME_MS	100

/* Flags that stand alone: no export is made */
#define GHOST_EXPORT_ALONE	(GHOST_EXPORT_CHECK | GHOST_EXPORT_RESUME)

/* kernel.ghost_unprivileged: everybody may import, not only CAP_CHECKPOINT_RESTORE */
static int ghost_unprivileged;

#ifdef CONFIG_SYSCTL
static struct ctl_table ghost_sysctls[] = {
	{
		.procname	= "ghost_unprivileged",
		.data		= &ghost_unprivileged,
		.maxlen		= sizeof(ghost_unprivileged),
		.mode		= 0644,
		.proc_handler	= proc_dointvec_minmax,
		.extra1		= SYSCTL_ZERO,
		.extra2		= SYSCTL_ONE,
	},
};

static int __init ghost_sysctl_init(void)
{
	register_sysctl_init("kernel", ghost_sysctls);
	return 0;
}
late_initcall(ghost_sysctl_init);
#endif

static int open_resource(struct ghost *g, bool write, u32 id, u64 params, u32 size)
{
	void *buf __free(kfree) = NULL;

	if (size > GHOST_PARAMS_MAX)
		return -EINVAL;
	if (size) {
		void *copy = memdup_user(u64_to_user_ptr(params), size);

		if (IS_ERR(copy))
			return PTR_ERR(copy);
		buf = copy;
	}
	return ghost_resource_open(&g->res, write, id, buf, size);
}

static int load_fd_map(struct ghost *g, u64 addr, u32 len)
{
	struct ghost_fd_map __user *umap = u64_to_user_ptr(addr);
	struct ghost_fd_map entry;
	u32 i, j;

	if (!len)
		return 0;
	if (len > GHOST_FD_MAP_MAX)
		return -EINVAL;
	g->fd_map = kvcalloc(len, sizeof(*g->fd_map), GFP_KERNEL_ACCOUNT);
	if (!g->fd_map)
		return -ENOMEM;
	g->fd_map_len = len;
	for (i = 0; i < len; i++) {
		if (copy_from_user(&entry, umap + i, sizeof(entry)))
			return -EFAULT;
		g->fd_map[i].image_fd = entry.image_fd;
		if (entry.image_fd < 0 || (g->mode != GHOST_MODE_IMPORT && entry.fd != -1))
			return -EINVAL;
		for (j = 0; j < i; j++)
			if (g->fd_map[j].image_fd == entry.image_fd)
				return -EINVAL;
		if (g->mode != GHOST_MODE_IMPORT)
			continue;
		g->fd_map[i].file = fget(entry.fd);
		if (!g->fd_map[i].file)
			return ghost_refuse(g, -EBADF, "fd %d: not open here", entry.fd);
	}
	return 0;
}

/* The text that says why, as far as there is room for it */
static int copy_report(struct ghost *g, u64 addr, u32 size)
{
	char __user *buf = u64_to_user_ptr(addr);
	size_t len;

	if (!addr || !size)
		return 0;
	len = min_t(size_t, strlen(g->report), size - 1);
	if (copy_to_user(buf, g->report, len) || put_user(0, buf + len))
		return -EFAULT;
	return 0;
}

/* A kept ghost is told where it is only when nothing can fail any more */
static int give_memory_fd(struct ghost *g, u64 params)
{
	struct ghost_memory_params __user *up = u64_to_user_ptr(params);
	int fd = ghost_memory_fd(&g->res);

	if (fd < 0)
		return 0;
	if (put_user(fd, &up->fd))
		return -EFAULT;
	ghost_memory_install(&g->res);
	return 0;
}

/* A caller may have been built for fewer numbers than there are, or for more */
static int give_stats(struct ghost *g, const struct ghost_export_args *args)
{
	u32 size = args->stats_size ?: GHOST_EXPORT_STATS_SIZE_VER0;
	u32 known = min_t(u32, size, sizeof(g->stats));
	u8 __user *stats = u64_to_user_ptr(args->stats);

	if (!args->stats)
		return 0;
	if (copy_to_user(stats, &g->stats, known) || clear_user(stats + known, size - known))
		return -EFAULT;
	return 0;
}

/* Find out in time whether results can be given: a process that was killed is not undone */
static int check_results(struct ghost *g, const struct ghost_export_args *args)
{
	struct ghost_memory_params __user *up = u64_to_user_ptr(args->params);

	if (copy_report(g, args->report, args->report_size))
		return -EFAULT;
	if (ghost_memory_fd(&g->res) >= 0 && put_user(-1, &up->fd))
		return -EFAULT;
	return give_stats(g, args);
}

static int finish_export(struct ghost *g, const struct ghost_export_args *args, int ret)
{
	if (!ret)
		ret = give_stats(g, args);
	if (!ret)
		ret = give_memory_fd(g, args->params);
	/* It is done: that the report could not be given any more does not undo it */
	copy_report(g, args->report, args->report_size);
	ghost_resource_close(&g->res);
	return ret;
}

/* Export of the caller's own process: done at the ghost point, where its state is complete */
static struct file *run_self_export(struct ghost_thread *gt, struct pt_regs *regs)
{
	struct ghost *g = gt->g;
	struct ghost_export_args *args = gt->args;
	int ret;

	/* As with fork(): 0 is what the copy sees, the original gets its own below */
	syscall_set_return_value(current, regs, 0, 0);
	ghost_thread_fill(gt);
	gt->parked = true;
	ret = ghost_export(g, gt);
	gt->parked = false;
	ret = finish_export(g, args, ret);
	syscall_set_return_value(current, regs, ret, 1);
	kfree(args);
	ghost_thread_forget(gt);
	ghost_put_ghost(g);
	return NULL;
}

static int export_self(struct ghost *g, const struct ghost_export_args *args)
{
	struct ghost_thread *gt = ghost_thread_alloc(current);

	if (!gt)
		return -ENOMEM;
	gt->args = kmemdup(args, sizeof(*args), GFP_KERNEL_ACCOUNT);
	if (!gt->args) {
		ghost_thread_put(gt);
		return -ENOMEM;
	}
	gt->g = ghost_get_ghost(g);
	gt->run = run_self_export;
	/* Another exporter may be looking */
	spin_lock_irq(&current->sighand->siglock);
	current->ghost = gt;
	spin_unlock_irq(&current->sighand->siglock);
	set_thread_flag(TIF_GHOST);
	return 0;
}

static int get_target(struct ghost *g, int pidfd)
{
	unsigned int flags;
	struct pid *pid;

	if (pidfd == -1) {
		g->pid = get_pid(task_tgid(current));
		return 0;
	}
	pid = pidfd_get_pid(pidfd, &flags);
	if (IS_ERR(pid))
		return PTR_ERR(pid);
	g->pid = pid;
	return pid_has_task(pid, PIDTYPE_TGID) ? 0 : -ESRCH;
}

static int do_export(struct ghost *g, const struct ghost_export_args *args)
{
	bool alone = args->flags & GHOST_EXPORT_ALONE;
	int ret;

	g->flags = args->flags;
	g->timeout_ms = args->timeout_ms ?: GHOST_TIMEOUT_MS;
	g->rounds = args->rounds;
	g->max_downtime_ms = args->max_downtime_ms ?: GHOST_MAX_DOWNTIME_MS;
	ret = get_target(g, args->pidfd);
	if (!ret)
		ret = load_fd_map(g, args->fd_map, args->fd_map_len);
	if (!ret && !alone)
		ret = open_resource(g, true, args->backend, args->params, args->params_size);
	/* What is kept is the snapshot, with its files */
	if (!ret && g->res.ops && g->res.ops->keep &&
	    args->flags & GHOST_EXPORT_WITH_FILES)
		ret = -EINVAL;
	/* Where nobody takes the memory in meanwhile it would only be there twice */
	if (!ret && g->rounds && (!g->res.ops->handover || g->pid == task_tgid(current)))
		ret = -EINVAL;
	if (!ret)
		ret = check_results(g, args);
	if (ret)
		return finish_export(g, args, ret);
	if (args->flags & GHOST_EXPORT_RESUME)
		return finish_export(g, args, ghost_resume(g));
	if (!alone && g->pid == task_tgid(current))
		return export_self(g, args);
	return finish_export(g, args, ghost_export(g, NULL));
}

static bool export_args_valid(const struct ghost_export_args *args)
{
	static const struct ghost_export_args event = {
		.flags = GHOST_EXPORT_EVENT, .pidfd = -1,
	};
	u64 beside = 0;

	if (args->flags & GHOST_EXPORT_EVENT)
		return !memcmp(args, &event, sizeof(event));
	if (args->flags & ~GHOST_EXPORT_FLAGS)
		return false;
	/* Which of both is to happen to the process? */
	if ((args->flags & (GHOST_EXPORT_KILL | GHOST_EXPORT_STOP)) ==
	    (GHOST_EXPORT_KILL | GHOST_EXPORT_STOP))
		return false;
	if (args->pad || args->stats_size > PAGE_SIZE)
		return false;
	if (args->rounds && (!(args->flags & GHOST_EXPORT_KILL) || args->pidfd == -1))
		return false;
	if (!(args->flags & GHOST_EXPORT_ALONE))
		return true;
	/* With these flags other things are in the way */
	if (args->flags & GHOST_EXPORT_CHECK)
		beside = GHOST_EXPORT_WITH_FILES;
	return is_power_of_2(args->flags & ~beside) && !args->backend;
}

SYSCALL_DEFINE2(ghost_export, struct ghost_export_args __user *, uargs, size_t, usize)
{
	struct ghost_export_args args;
	struct ghost *g;
	int ret;

	BUILD_BUG_ON(sizeof(args) != GHOST_EXPORT_ARGS_SIZE_VER0);
	if (usize < GHOST_EXPORT_ARGS_SIZE_VER0)
		return -EINVAL;
	if (usize > PAGE_SIZE)
		return -E2BIG;
	ret = copy_struct_from_user(&args, sizeof(args), uargs, usize);
	if (ret)
		return ret;
	if (!export_args_valid(&args))
		return -EINVAL;
	if (args.flags & GHOST_EXPORT_EVENT)
		return ghost_event_fd();
	g = ghost_alloc(args.flags & GHOST_EXPORT_CHECK ? GHOST_MODE_CHECK : GHOST_MODE_EXPORT);
	if (!g)
		return -ENOMEM;
	ret = do_export(g, &args);
	ghost_put_ghost(g);
	return ret;
}

static pid_t do_import(struct ghost *g, const struct ghost_import_args *args)
{
	pid_t ret;

	g->flags = args->flags;
	g->exit_signal = args->exit_signal;
	g->max_bytes = args->max_bytes;
	ret = load_fd_map(g, args->fd_map, args->fd_map_len);
	if (!ret)
		ret = open_resource(g, false, args->backend, args->params, args->params_size);
	if (!ret)
		ret = ghost_import(g);
	ghost_resource_close(&g->res);
	return ret;
}

/*
 * An import does what many system calls do, out of sight of a filter: so who has one needs the
 * capability in any case.
 */
static bool may_import(void)
{
	if (checkpoint_restore_ns_capable(&init_user_ns))
		return true;
	return READ_ONCE(ghost_unprivileged) && !test_syscall_work(SECCOMP);
}

SYSCALL_DEFINE2(ghost_import, struct ghost_import_args __user *, uargs, size_t, usize)
{
	struct ghost_import_args args;
	struct ghost *g;
	pid_t ret;
	int err;

	BUILD_BUG_ON(sizeof(args) != GHOST_IMPORT_ARGS_SIZE_VER0);
	if (usize < GHOST_IMPORT_ARGS_SIZE_VER0)
		return -EINVAL;
	if (usize > PAGE_SIZE)
		return -E2BIG;
	err = copy_struct_from_user(&args, sizeof(args), uargs, usize);
	if (err)
		return err;
	if (args.flags & ~GHOST_IMPORT_FLAGS || args.pad || !valid_signal(args.exit_signal))
		return -EINVAL;
	if (!may_import())
		return -EPERM;
	g = ghost_alloc(GHOST_MODE_IMPORT);
	if (!g)
		return -ENOMEM;
	ret = do_import(g, &args);
	err = copy_report(g, args.report, args.report_size);
	ghost_put_ghost(g);
	/* The process is there: that the report could not be given does not undo it */
	return ret ?: err;
}

/**
 * ghost_create() - begin an export or an import from inside the kernel; sleeps
 * Return: the ghost, or ERR_PTR(-ENOMEM).
 */
struct ghost *ghost_create(void)
{
	struct ghost *g = ghost_alloc(GHOST_MODE_EXPORT);

	if (!g)
		return ERR_PTR(-ENOMEM);
	g->timeout_ms = GHOST_TIMEOUT_MS;
	return g;
}
EXPORT_SYMBOL_GPL(ghost_create);

/**
 * ghost_plug() - plug a resource into a ghost; sleeps
 * @g: the ghost
 * @write: it will be exported to, else imported from
 * @id: backend id
 * @params: parameters of the backend, in kernel memory
 * @size: their size
 * Return: 0, -EBUSY if there is one plugged in already, -ENODEV if there is no such backend,
 * -EOPNOTSUPP for GHOST_BACKEND_MEMORY to be written to, or a negative errno of the backend.
 */
int ghost_plug(struct ghost *g, bool write, u32 id, const void *params, size_t size)
{
	if (g->res.ops)
		return -EBUSY;
	/* A kept ghost is reached by a descriptor of the caller of ghost_export(2) */
	if (write && id == GHOST_BACKEND_MEMORY)
		return -EOPNOTSUPP;
	g->mode = write ? GHOST_MODE_EXPORT : GHOST_MODE_IMPORT;
	return ghost_resource_open(&g->res, write, id, params, size);
}
EXPORT_SYMBOL_GPL(ghost_plug);

/**
 * ghost_export_process() - export a process to the resource that is plugged in; sleeps
 * @g: the ghost
 * @pid: the process; not that of current
 * Return: 0, -EINVAL if no resource for writing is plugged in or the process is the caller's
 * own, or what ghost_export(2) returns.
 */
int ghost_export_process(struct ghost *g, struct pid *pid)
{
	if (!g->res.ops || !g->res.write || g->pid || pid == task_tgid(current))
		return -EINVAL;
	g->pid = get_pid(pid);
	return ghost_export(g, NULL);
}
EXPORT_SYMBOL_GPL(ghost_export_process);

/**
 * ghost_import_process() - make a process of what is plugged in; sleeps
 * @g: the ghost
 *
 * In the context of a user process, whose child the new one becomes. Whether it may import
 * is for the caller to ask: what ghost_import(2) wants for that is not looked at here.
 *
 * Return: its process id, -EINVAL if no resource for reading is plugged in or current is
 * a kernel thread, or what ghost_import(2) returns.
 */
pid_t ghost_import_process(struct ghost *g)
{
	if (!g->res.ops || g->res.write || g->embryo || current->flags & PF_KTHREAD)
		return -EINVAL;
	g->exit_signal = SIGCHLD;
	return ghost_import(g);
}
EXPORT_SYMBOL_GPL(ghost_import_process);

/**
 * ghost_release() - end an operation; sleeps
 * @g: the ghost; what a memory backend keeps of it lives on
 */
void ghost_release(struct ghost *g)
{
	ghost_resource_close(&g->res);
	ghost_put_ghost(g);
}
EXPORT_SYMBOL_GPL(ghost_release);
