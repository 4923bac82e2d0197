// SPDX-License-Identifier: GPL-2.0
/*
 * ghost: transfers that were cut short
 *
 * A blocking call that writes to a pipe, a terminal or a stream socket and is interrupted
 * returns how much it got rid of; one that reads with MSG_WAITALL, how much it got. As long
 * as no signal comes a program need not expect that. So the rest is transferred at the ghost
 * point, when the thread is let go.
 *
 * Nothing has to be remembered for this, not even in an image: the registers say what was
 * asked for and what was done. A call that something else has cut short comes to the same
 * end once more.
 */
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/net.h>
#include <linux/pipe_fs_i.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/socket.h>
#include <linux/syscalls.h>
#include <linux/task_work.h>
#include <linux/tcp.h>
#include <linux/tty.h>
#include <linux/uio.h>
#include <linux/unistd.h>
#include <net/sock.h>
#include <net/tcp_states.h>

#include <asm/syscall.h>

#include "../../drivers/tty/tty.h"
#include "ghost.h"

/* Of these no call is continued: they do not block, or do more than to transfer */
#define GHOST_MSG_OTHER		(MSG_DONTWAIT | MSG_OOB | MSG_PEEK | MSG_TRUNC | MSG_ERRQUEUE |	\
				 MSG_FASTOPEN | MSG_ZEROCOPY)

/* Where a call has what is to be transferred */
enum transfer_form {
	TRANSFER_BUFFER,	/* arguments 1 and 2: address, bytes */
	TRANSFER_VECTOR,	/* arguments 1 and 2: struct iovec, number of them */
	TRANSFER_MESSAGE,	/* argument 1: struct user_msghdr */
};

static const struct transfer_call {
	u16 nr;
	u8 form;
	u8 dir;
	u8 flags;		/* argument with MSG_*; 0: there is none */
} transfer_calls[] = {
	{ __NR_write,		TRANSFER_BUFFER,	ITER_SOURCE,	0 },
	{ __NR_writev,		TRANSFER_VECTOR,	ITER_SOURCE,	0 },
	{ __NR_sendto,		TRANSFER_BUFFER,	ITER_SOURCE,	3 },
	{ __NR_sendmsg,		TRANSFER_MESSAGE,	ITER_SOURCE,	2 },
	{ __NR_recvfrom,	TRANSFER_BUFFER,	ITER_DEST,	3 },
	{ __NR_recvmsg,		TRANSFER_MESSAGE,	ITER_DEST,	2 },
};

static const struct transfer_call *find_transfer(int nr)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(transfer_calls); i++)
		if (transfer_calls[i].nr == nr)
			return &transfer_calls[i];
	return NULL;
}

static struct socket *transfer_socket(struct file *file)
{
	return IS_ENABLED(CONFIG_NET) ? sock_from_file(file) : NULL;
}

static bool is_terminal(struct file *file)
{
	/* Of all sorts of them; not one that was hung up */
	return IS_ENABLED(CONFIG_TTY) && file->f_op->unlocked_ioctl == tty_ioctl;
}

/*
 * A socket with a timeout of its own may have been cut short by that. Where the connection is
 * broken it is for the next call to say so.
 */
static bool socket_goes_on(struct sock *sk, int dir, int flags)
{
	if (sk->sk_type != SOCK_STREAM || flags & GHOST_MSG_OTHER || READ_ONCE(sk->sk_err))
		return false;
	if (dir == ITER_DEST)
		/* Urgent data end a receive */
		return flags & MSG_WAITALL && sk_is_tcp(sk) && !READ_ONCE(tcp_sk(sk)->urg_data) &&
		       READ_ONCE(sk->sk_rcvtimeo) == MAX_SCHEDULE_TIMEOUT;
	return (sk_is_tcp(sk) || sk_is_stream_unix(sk)) &&
	       !(READ_ONCE(sk->sk_shutdown) & SEND_SHUTDOWN) &&
	       READ_ONCE(sk->sk_sndtimeo) == MAX_SCHEDULE_TIMEOUT;
}

/* Would a call on this file have blocked until all is done? */
static bool file_goes_on(struct file *file, const struct transfer_call *call, int flags)
{
	struct socket *sock = transfer_socket(file);

	if (file->f_flags & O_NONBLOCK)
		return false;
	if (sock)
		return socket_goes_on(sock->sk, call->dir, flags);
	return !call->flags && (get_pipe_info(file, false) || is_terminal(file));
}

/*
 * All of what the call is to transfer. *@iov is room for UIO_FASTIOV entries; if it is changed
 * it is to be freed. 0 or a negative errno.
 */
static int import_transfer(const struct transfer_call *call, const unsigned long *args,
			   struct iovec **iov, struct iov_iter *iter)
{
	void __user *addr = (void __user *)args[1];
	struct user_msghdr msg;
	ssize_t ret;

	switch (call->form) {
	case TRANSFER_BUFFER:
		return import_ubuf(call->dir, addr, args[2], iter);
	case TRANSFER_VECTOR:
		ret = import_iovec(call->dir, addr, args[2], UIO_FASTIOV, iov, iter);
		return min(ret, 0);
	case TRANSFER_MESSAGE:
		if (copy_from_user(&msg, addr, sizeof(msg)))
			return -EFAULT;
		/* What says whose the bytes are, and what, has gone with the first of them */
		if (call->dir == ITER_SOURCE && msg.msg_controllen)
			return -EOPNOTSUPP;
		ret = import_iovec(call->dir, msg.msg_iov, msg.msg_iovlen, UIO_FASTIOV, iov, iter);
		return min(ret, 0);
	}
	return -EINVAL;
}

static ssize_t socket_rest(struct socket *sock, const struct transfer_call *call, int flags,
			   struct iov_iter *iter)
{
	struct msghdr msg = { .msg_iter = *iter };
	ssize_t ret;

	if (call->dir == ITER_DEST) {
		ret = sock_recvmsg(sock, &msg, flags);
	} else {
		/* As in send(2): some are not for user space. SIGPIPE is for the next call, too. */
		msg.msg_flags = (flags & ~MSG_INTERNAL_SENDMSG_FLAGS) | MSG_NOSIGNAL;
		ret = sock_sendmsg(sock, &msg);
	}
	/* It broke just now, and saying so has taken the error away */
	if (ret < 0 && ret > -ERESTARTSYS && ret != -EPIPE && sock->sk->sk_state == TCP_CLOSE &&
	    sk_is_tcp(sock->sk))
		WRITE_ONCE(sock->sk->sk_err, -ret);
	return ret;
}

/* Transfer what is left behind the first @done bytes. Returns how much, or a negative errno. */
static ssize_t transfer_rest(const struct transfer_call *call, struct file *file, int flags,
			     const unsigned long *args, size_t done)
{
	struct socket *sock = transfer_socket(file);
	struct iovec fast[UIO_FASTIOV], *iov = fast;
	struct iov_iter iter;
	ssize_t ret;

	ret = import_transfer(call, args, &iov, &iter);
	if (!ret && iov_iter_count(&iter) > done) {
		iov_iter_advance(&iter, done);
		if (sock)
			ret = socket_rest(sock, call, flags, &iter);
		else
			ret = vfs_iter_write(file, &iter, NULL, 0);
	}
	if (iov != fast)
		kfree(iov);
	return ret;
}

/*
 * Current is to sleep again, so what has woken it must be out of the way. False: a signal is to
 * be treated, or it is wanted at the ghost point again.
 */
static bool may_sleep_again(void)
{
	clear_notify_signal();
	if (task_work_pending(current))
		task_work_run();
	if (!task_sigpending(current))
		return !test_thread_flag(TIF_GHOST);
	/* Of a process that is imported as a stopped one: come back when it is continued */
	if (READ_ONCE(current->jobctl) & JOBCTL_STOP_PENDING)
		set_thread_flag(TIF_GHOST);
	return false;
}

/* The call of current, if it has transferred something; it may be all */
static const struct transfer_call *transfer_of(struct pt_regs *regs, unsigned long *args,
					       int *flags)
{
	int nr = syscall_get_nr(current, regs);
	const struct transfer_call *call;

	/* Calls of 32-bit code have other numbers; it is refused */
	if (nr == -1 || in_compat_syscall())
		return NULL;
	call = find_transfer(nr);
	if (!call || (long)syscall_get_return_value(current, regs) <= 0)
		return NULL;
	syscall_get_arguments(current, regs, args);
	*flags = call->flags ? args[call->flags] : 0;
	return call;
}

/**
 * ghost_transfer_file() - the file of a transfer of current that was perhaps cut short
 * @regs: its user registers
 * Return: the file with a reference, for ghost_transfer_rest(), or NULL.
 */
struct file *ghost_transfer_file(struct pt_regs *regs)
{
	const struct transfer_call *call;
	unsigned long args[6];
	struct file *file;
	int flags;

	call = transfer_of(regs, args, &flags);
	file = call ? fget(args[0]) : NULL;
	if (!file || file_goes_on(file, call, flags))
		return file;
	fput(file);
	return NULL;
}

/**
 * ghost_transfer_rest() - let a transfer of current that was cut short go on; sleeps
 * @regs: its user registers
 * @file: from ghost_transfer_file(); the reference is given back
 *
 * Called at the ghost point, with no lock held, when current is let go. The sleep ends at a
 * signal, and when current is to be parked again; what was done by then is in @regs.
 */
void ghost_transfer_rest(struct pt_regs *regs, struct file *file)
{
	const struct transfer_call *call;
	unsigned long args[6];
	ssize_t done, n;
	int flags;

	call = transfer_of(regs, args, &flags);
	if (call && may_sleep_again()) {
		done = syscall_get_return_value(current, regs);
		n = transfer_rest(call, file, flags, args, done);
		if (n > 0)
			syscall_set_return_value(current, regs, 0, done + n);
	}
	fput(file);
}
