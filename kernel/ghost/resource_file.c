// SPDX-License-Identifier: GPL-2.0
/*
 * ghost: backend that reads and writes a file descriptor
 *
 * The descriptor is used as read(2) and write(2) would use it: from the file position
 * on, which moves along; with O_APPEND at the end; with the caller's RLIMIT_FSIZE and
 * SIGXFSZ, and SIGPIPE when nobody reads a pipe or a socket any more. O_NONBLOCK does not
 * matter, the call waits. A signal that interrupts the wait for a pipe or a socket ends
 * the call with -EINTR, for half of an image cannot be taken up again. With O_DIRECT it
 * is the file system that decides: only the pages of an image are aligned, its
 * records are not, and most say -EINVAL.
 */
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/init.h>
#include <linux/net.h>
#include <linux/poll.h>
#include <linux/sched/signal.h>
#include <linux/uio.h>

#include "ghost.h"

static int ghost_file_open(struct ghost_resource *res, const void *params, size_t size)
{
	struct ghost_file_params p;
	struct socket *sock;
	int ret = ghost_resource_params(&p, sizeof(p), GHOST_FILE_PARAMS_SIZE_VER0,
					params, size);

	if (ret)
		return ret;
	if (p.flags)
		return -EINVAL;
	struct file *file __free(fput) = fget(p.fd);
	if (!file || !(file->f_mode & (res->write ? FMODE_WRITE : FMODE_READ)))
		return -EBADF;
	if (res->write ? !file->f_op->write_iter : !file->f_op->read_iter)
		return -EINVAL;
	/* Messages have bounds which an image does not respect */
	sock = IS_ENABLED(CONFIG_NET) ? sock_from_file(file) : NULL;
	if (sock && sock->type != SOCK_STREAM)
		return -EPROTOTYPE;
	res->priv = no_free_ptr(file);
	return 0;
}

/* Does current have to give up a wait? That somebody wants to park it can wait. */
static bool ghost_file_give_up(bool killable, bool *notified)
{
	if (killable)
		return fatal_signal_pending(current);
	if (signal_pending(current)) {
		if (task_sigpending(current) || !test_thread_flag(TIF_NOTIFY_SIGNAL))
			return true;
		clear_notify_signal();
		*notified = true;
	}
	return false;
}

/**
 * ghost_file_wait() - wait until a file is ready; sleeps
 * @file: the file
 * @events: EPOLL* that are waited for; EPOLLERR and EPOLLHUP are always
 * @timeout: jiffies that it may take, or MAX_SCHEDULE_TIMEOUT
 * @killable: only a fatal signal ends it
 * Return: the events, -EINTR, -ETIMEDOUT or -ENOMEM.
 */
int ghost_file_wait(struct file *file, __poll_t events, long timeout, bool killable)
{
	struct poll_wqueues table;
	bool notified = false;
	int ret = 0;
	__poll_t mask;

	poll_initwait(&table);
	table.pt._key = events | EPOLLERR | EPOLLHUP;
	while (!ret) {
		if (ghost_file_give_up(killable, &notified)) {
			ret = -EINTR;
			break;
		}
		mask = vfs_poll(file, &table.pt) & (events | EPOLLERR | EPOLLHUP);
		/* An error that no call reports must not make the caller spin */
		if (mask && !(mask & events) && !fatal_signal_pending(current))
			schedule_timeout_killable(1);
		if (mask)
			ret = (__force int)mask;
		else if (table.error)
			ret = table.error;
		else if (timeout <= 0)
			ret = -ETIMEDOUT;
		if (ret)
			break;
		table.pt._qproc = NULL;		/* it is in the queues now */
		if (killable && signal_pending(current)) {
			/* Files wake interruptible sleepers only, and one would not sleep */
			schedule_timeout_killable(1);
			timeout--;
			continue;
		}
		set_current_state(TASK_INTERRUPTIBLE);
		if (!table.triggered && !signal_pending(current))
			timeout = schedule_timeout(timeout);
		__set_current_state(TASK_RUNNING);
		/* Pairs with pollwake() as in poll_schedule_timeout() */
		smp_store_mb(table.triggered, 0);
	}
	poll_freewait(&table);
	if (notified)
		set_thread_flag(TIF_NOTIFY_SIGNAL);
	return ret;
}

/* One read(2) or write(2) */
static ssize_t ghost_file_once(struct file *file, struct iov_iter *iter, bool write)
{
	/* The file may cut the iterator, at a limit of the file's size for instance */
	struct iov_iter part = *iter;
	bool lock = file->f_mode & FMODE_ATOMIC_POS;
	loff_t pos, *ppos = NULL;
	ssize_t ret;

	iov_iter_truncate(&part, MAX_RW_COUNT);
	if (lock)
		mutex_lock(&file->f_pos_lock);
	if (!(file->f_mode & FMODE_STREAM)) {
		pos = file->f_pos;
		ppos = &pos;
	}
	ret = write ? vfs_iter_write(file, &part, ppos, 0) : vfs_iter_read(file, &part, ppos, 0);
	if (ret > 0 && ppos)
		file->f_pos = pos;
	if (lock)
		mutex_unlock(&file->f_pos_lock);
	if (ret > 0)
		iov_iter_advance(iter, ret);
	return ret;
}

static bool interrupted(ssize_t ret)
{
	return ret == -EINTR || ret == -ERESTARTSYS || ret == -ERESTARTNOINTR ||
	       ret == -ERESTARTNOHAND || ret == -ERESTART_RESTARTBLOCK;
}

static int ghost_file_transfer(struct ghost_resource *res, struct iov_iter *iter)
{
	struct file *file = res->priv;
	bool notified = false;
	ssize_t ret = 0;

	while (iov_iter_count(iter)) {
		ret = ghost_file_once(file, iter, res->write);
		if (ret == -EAGAIN && file->f_flags & O_NONBLOCK)
			ret = ghost_file_wait(file, res->write ? EPOLLOUT : EPOLLIN,
					      MAX_SCHEDULE_TIMEOUT, false);
		if (interrupted(ret) && !task_sigpending(current) &&
		    test_thread_flag(TIF_NOTIFY_SIGNAL)) {
			/*
			 * No signal, but task work: on behalf of io_uring, or to park
			 * the caller, who is being exported. It can wait.
			 */
			clear_notify_signal();
			notified = true;
			ret = 1;
		}
		if (!ret)
			ret = res->write ? -EIO : -ENODATA;
		if (ret < 0)
			break;
		cond_resched();
	}
	if (notified)
		set_thread_flag(TIF_NOTIFY_SIGNAL);
	if (ret < 0)
		return interrupted(ret) ? -EINTR : ret;
	return 0;
}

static int ghost_file_sync(struct ghost_resource *res)
{
	return vfs_fsync(res->priv, 0);
}

static void ghost_file_close(struct ghost_resource *res)
{
	fput(res->priv);
}

static const struct ghost_resource_ops ghost_file_ops = {
	.name	= "file",
	.id	= GHOST_BACKEND_FILE,
	.open	= ghost_file_open,
	.write	= ghost_file_transfer,
	.read	= ghost_file_transfer,
	.sync	= ghost_file_sync,
	.close	= ghost_file_close,
};

static int __init ghost_file_init(void)
{
	return ghost_resource_register(&ghost_file_ops);
}
core_initcall(ghost_file_init);
