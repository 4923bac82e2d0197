// SPDX-License-Identifier: GPL-2.0
/*
 * ghost: a descriptor by which a program learns that it is a copy
 *
 * It is open while a process is exported, and is made again by the import: with something to
 * read then, which is all that ever happens to it. So nobody who waits has to be woken. Whoever
 * sleeps in a call repeats it in the copy, on the file that is new.
 */
#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/init.h>
#include <linux/poll.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/uio.h>

#include "ghost.h"

#define GHOST_EVENT_NAME	"[ghost-event]"

/* What can be set of its flags once it is open */
#define GHOST_EVENT_FLAGS	(O_NONBLOCK | O_APPEND | O_NOATIME)

/* file::private_data of one that an import has made and nobody has read */
#define GHOST_EVENT_UNREAD	((void *)1)

static ssize_t ghost_event_read(struct kiocb *iocb, struct iov_iter *to)
{
	struct file *file = iocb->ki_filp;
	u64 copy = 1;

	if (iov_iter_count(to) < sizeof(copy))
		return -EINVAL;
	if (READ_ONCE(file->private_data)) {
		if (copy_to_iter(&copy, sizeof(copy), to) != sizeof(copy))
			return -EFAULT;
		/* Only one of several readers has it */
		if (cmpxchg(&file->private_data, GHOST_EVENT_UNREAD, NULL))
			return sizeof(copy);
	}
	if (file->f_flags & O_NONBLOCK || iocb->ki_flags & IOCB_NOWAIT)
		return -EAGAIN;
	while (!signal_pending(current))
		schedule_timeout_interruptible(MAX_SCHEDULE_TIMEOUT);
	return -ERESTARTSYS;
}

static __poll_t ghost_event_poll(struct file *file, poll_table *wait)
{
	return READ_ONCE(file->private_data) ? EPOLLIN | EPOLLRDNORM : 0;
}

static const struct file_operations ghost_event_fops = {
	.read_iter	= ghost_event_read,
	.poll		= ghost_event_poll,
	.llseek		= noop_llseek,
};

/**
 * ghost_event_fd() - make a descriptor for current by which copies of it learn what they are
 * Return: its number, or a negative errno.
 */
int ghost_event_fd(void)
{
	return anon_inode_getfd(GHOST_EVENT_NAME, &ghost_event_fops, NULL, O_RDONLY | O_CLOEXEC);
}

static bool ghost_is_event(struct file *file)
{
	return file->f_op == &ghost_event_fops;
}

/* There is nothing that could be lost: what is unread here is unread in the copy anyway */
static int ghost_check_event(struct ghost *g, struct file *file, const char *what,
			     const char *name)
{
	return 0;
}

static struct file *ghost_open_event(struct ghost *g, const struct ghost_rec_file *rec,
				     const char *path)
{
	u32 flags = le32_to_cpu(rec->flags);
	struct file *file;

	if (flags & ~GHOST_EVENT_FLAGS)
		return ERR_PTR(ghost_refuse(g, -EBADMSG, "image: %s: flags", path));
	file = anon_inode_getfile(GHOST_EVENT_NAME, &ghost_event_fops, GHOST_EVENT_UNREAD,
				  O_RDONLY);
	if (IS_ERR(file))
		ghost_refuse(g, PTR_ERR(file), "%s: cannot be made (%pe)", path, file);
	else
		file->f_flags |= flags;
	return file;
}

static const struct ghost_file_ops ghost_event_ops = {
	.type	= GHOST_FILE_EVENT,
	.match	= ghost_is_event,
	.check	= ghost_check_event,
	.open	= ghost_open_event,
};

static int __init ghost_file_event_init(void)
{
	return ghost_file_register(&ghost_event_ops);
}
core_initcall(ghost_file_event_init);
