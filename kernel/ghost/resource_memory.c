// SPDX-License-Identifier: GPL-2.0
/*
 * ghost: backend that keeps a ghost in memory
 *
 * Nothing is written: what was captured, with the snapshot of the memory, stays as it is
 * behind a file descriptor. It counts as a process of the one who made it.
 */
#include <linux/anon_inodes.h>
#include <linux/cred.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/init.h>
#include <linux/mm.h>
#include <linux/pid.h>
#include <linux/proc_fs.h>
#include <linux/sched/signal.h>
#include <linux/sched/user.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/user_namespace.h>
#include <kunit/visibility.h>

#include "ghost.h"

/**
 * struct ghost_memory - a ghost that is kept, or will be
 * @ghost: the ghost
 * @ucounts: who made it
 */
struct ghost_memory {
	struct ghost *ghost;
	struct ucounts *ucounts;
};

/**
 * struct ghost_memory_fd - resource: a descriptor that is open, or will be
 * @file: the file behind it; export: NULL until the ghost is kept
 * @memory: export: what will be behind the file; NULL when it is
 * @fd: export: number that is reserved for it; -1: none is any more
 */
struct ghost_memory_fd {
	struct file *file;
	struct ghost_memory *memory;
	int fd;
};

static void ghost_memory_free(struct ghost_memory *memory)
{
	ghost_put_ghost(memory->ghost);
	dec_rlimit_ucounts(memory->ucounts, UCOUNT_RLIMIT_NPROC, 1);
	put_ucounts(memory->ucounts);
	kfree(memory);
}

static int ghost_memory_release(struct inode *inode, struct file *file)
{
	ghost_memory_free(file->private_data);
	return 0;
}

static unsigned long ghost_memory_pages(struct mm_struct *mm)
{
	return percpu_counter_sum(&mm->rss_stat[MM_ANONPAGES]) +
	       percpu_counter_sum(&mm->rss_stat[MM_SWAPENTS]);
}

static void ghost_memory_show_fdinfo(struct seq_file *m, struct file *file)
{
	struct ghost_memory *memory = file->private_data;
	struct ghost *g = memory->ghost;

	seq_printf(m, "ghost-pid:\t%d\n",
		   pid_nr_ns(g->pid, proc_pid_ns(file_inode(m->file)->i_sb)));
	seq_printf(m, "ghost-threads:\t%u\n", g->nr_threads);
	seq_printf(m, "ghost-pages:\t%lu\n", g->mm ? ghost_memory_pages(g->mm) : 0);
}

static const struct file_operations ghost_memory_fops = {
	.release	= ghost_memory_release,
	.show_fdinfo	= ghost_memory_show_fdinfo,
	.llseek		= noop_llseek,
};

/* The rule of copy_process() */
static bool ghost_memory_over_limit(void)
{
	return is_rlimit_overlimit(current_ucounts(), UCOUNT_RLIMIT_NPROC,
				   rlimit(RLIMIT_NPROC)) &&
	       current_user() != INIT_USER &&
	       !capable(CAP_SYS_RESOURCE) && !capable(CAP_SYS_ADMIN);
}

static struct ghost_memory *ghost_memory_alloc(void)
{
	struct ghost_memory *memory = kzalloc(sizeof(*memory), GFP_KERNEL_ACCOUNT);

	if (!memory)
		return NULL;
	memory->ucounts = get_ucounts(current_ucounts());
	if (!memory->ucounts) {
		kfree(memory);
		return NULL;
	}
	inc_rlimit_ucounts(memory->ucounts, UCOUNT_RLIMIT_NPROC, 1);
	return memory;
}

static int ghost_memory_open_new(struct ghost_memory_fd *mfd)
{
	struct ghost_memory *memory = ghost_memory_alloc();
	int fd;

	if (!memory)
		return -ENOMEM;
	fd = ghost_memory_over_limit() ? -EAGAIN : get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0) {
		ghost_memory_free(memory);
		return fd;
	}
	mfd->memory = memory;
	mfd->fd = fd;
	return 0;
}

static int ghost_memory_open_kept(struct ghost_memory_fd *mfd, int fd)
{
	struct file *file __free(fput) = fget(fd);

	if (!file || file->f_op != &ghost_memory_fops)
		return -EBADF;
	mfd->fd = -1;
	mfd->file = no_free_ptr(file);
	return 0;
}

static int ghost_memory_open(struct ghost_resource *res, const void *params, size_t size)
{
	struct ghost_memory_params p;
	int ret = ghost_resource_params(&p, sizeof(p), GHOST_MEMORY_PARAMS_SIZE_VER0,
					params, size);

	if (ret)
		return ret;
	if (p.flags)
		return -EINVAL;
	struct ghost_memory_fd *mfd __free(kfree) = kzalloc(sizeof(*mfd), GFP_KERNEL_ACCOUNT);
	if (!mfd)
		return -ENOMEM;
	ret = res->write ? ghost_memory_open_new(mfd) : ghost_memory_open_kept(mfd, p.fd);
	if (!ret)
		res->priv = no_free_ptr(mfd);
	return ret;
}

static int ghost_memory_keep(struct ghost_resource *res, struct ghost *g)
{
	struct ghost_memory_fd *mfd = res->priv;
	struct file *file;

	if (!mfd->memory)
		return -EBUSY;
	file = anon_inode_getfile("[ghost]", &ghost_memory_fops, mfd->memory, O_RDONLY);
	if (IS_ERR(file))
		return PTR_ERR(file);
	mfd->memory->ghost = ghost_get_ghost(g);
	mfd->memory = NULL;
	mfd->file = file;
	return 0;
}

static struct ghost *ghost_memory_kept(struct ghost_resource *res)
{
	struct ghost_memory_fd *mfd = res->priv;
	struct ghost_memory *memory = mfd->file->private_data;

	return memory->ghost;
}

static void ghost_memory_close(struct ghost_resource *res)
{
	struct ghost_memory_fd *mfd = res->priv;

	if (mfd->fd >= 0)
		put_unused_fd(mfd->fd);
	if (mfd->file)
		fput(mfd->file);
	if (mfd->memory)
		ghost_memory_free(mfd->memory);
	kfree(mfd);
}

static const struct ghost_resource_ops ghost_memory_ops = {
	.name	= "memory",
	.id	= GHOST_BACKEND_MEMORY,
	.open	= ghost_memory_open,
	.keep	= ghost_memory_keep,
	.kept	= ghost_memory_kept,
	.close	= ghost_memory_close,
};

/**
 * ghost_memory_fd() - the number that a kept ghost's descriptor will have
 * @res: a resource that is open
 *
 * The number is reserved in the table of the task that opened the resource. Nobody can use
 * it before ghost_memory_install().
 *
 * Return: the number; -EBADF if @res is not a memory resource that was opened to be written.
 */
int ghost_memory_fd(const struct ghost_resource *res)
{
	const struct ghost_memory_fd *mfd = res->priv;

	return res->ops == &ghost_memory_ops && mfd->fd >= 0 ? mfd->fd : -EBADF;
}
EXPORT_SYMBOL_IF_KUNIT(ghost_memory_fd);

/**
 * ghost_memory_install() - make the descriptor of a kept ghost usable
 * @res: a resource for which ghost_memory_fd() gave a number, and that keeps a ghost
 *
 * To be called by the task that opened it, when nothing can fail any more.
 */
void ghost_memory_install(struct ghost_resource *res)
{
	struct ghost_memory_fd *mfd = res->priv;

	fd_install(mfd->fd, mfd->file);
	mfd->fd = -1;
	mfd->file = NULL;
}
EXPORT_SYMBOL_IF_KUNIT(ghost_memory_install);

static int __init ghost_memory_init(void)
{
	return ghost_resource_register(&ghost_memory_ops);
}
core_initcall(ghost_memory_init);
