// SPDX-License-Identifier: GPL-2.0
/*
 * ghost: backend that speaks with an import by another kernel
 *
 * What is said is in <linux/ghost_wire.h>. Pages go from where they are into the connection, and
 * from there into the pages that the new process gets. If it fails before the source has said GO,
 * the process goes on at the source; if the source does not hear what has become of its GO, it
 * does not know where the process is, and says so.
 *
 * All calls on the socket are made with MSG_DONTWAIT, so that the place to wait for the other end
 * is ghost_file_wait(), which knows signals from work that can wait, and a time after which that is
 * given up. Locks of the socket are waited for as long as somebody else holds them.
 */
#include <linux/bvec.h>
#include <linux/capability.h>
#include <linux/errno.h>
#include <linux/fault-inject.h>
#include <linux/file.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/init.h>
#include <linux/net.h>
#include <linux/poll.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/socket.h>
#include <linux/thread_info.h>
#include <linux/tcp.h>
#include <linux/uio.h>
#include <net/sock.h>
#include <uapi/linux/ghost_wire.h>

#include "ghost.h"

#define GHOST_TCP_TIMEOUT_MS	30000

/* How long to wait for the other end to hear why we have failed */
#define GHOST_TCP_LINGER_MS	2000

/* Of connections made here: when to ask whether the other end is still there, in seconds */
#define GHOST_TCP_KEEPIDLE	5
#define GHOST_TCP_KEEPINTVL	5
#define GHOST_TCP_KEEPCNT	3

static_assert(sizeof(struct ghost_wire_hdr) == 8);
static_assert(sizeof(struct ghost_wire_hello) == 24);
static_assert(sizeof(struct ghost_wire_signal) == 144);
static_assert(sizeof(struct ghost_tcp_params) == GHOST_TCP_PARAMS_SIZE_VER0);
static_assert(sizeof_field(struct ghost_tcp_params, addr) == sizeof(struct sockaddr_storage));

/**
 * struct ghost_tcp - resource: one end of a connection
 * @file: the socket
 * @sock: the same
 * @g: whose operation it is; known from the first message on
 * @peer: what the other end is called in a report
 * @timeout: jiffies after which it is given up if it does not go on
 * @decided: only a fatal signal ends a wait
 * @finished: what is to be said has been said, the caller may go on to use the socket
 * @hdr: header of the message last received
 * @buf: its payload, and a NUL
 */
struct ghost_tcp {
	struct file *file;
	struct socket *sock;
	struct ghost *g;
	const char *peer;
	long timeout;
	bool decided;
	bool finished;
	struct {
		u32 type, len;
	} hdr;
	u8 buf[GHOST_WIRE_MAX_LEN + 1];
};

/* For tests: cut the connection after so many bytes, in a task that is made to fail */
static DECLARE_FAULT_ATTR(ghost_fail_tcp);

static void ghost_tcp_shut(struct ghost_tcp *tcp)
{
	kernel_sock_shutdown(tcp->sock, SHUT_RDWR);
}

static bool ghost_tcp_would_wait(int ret)
{
	/* With MSG_DONTWAIT the others mean that a lock was not got: wait as for bytes */
	return ret == -EAGAIN || ret == -EINTR || ret == -ERESTARTSYS || ret == -ERESTARTNOINTR;
}

/* One call; moves the iterator on */
static int ghost_tcp_once(struct ghost_tcp *tcp, struct iov_iter *iter, bool write,
			  unsigned int flags)
{
	struct msghdr msg = {
		.msg_iter = *iter,
		.msg_flags = MSG_DONTWAIT | MSG_NOSIGNAL | flags,
	};
	int ret;

	iov_iter_truncate(&msg.msg_iter, MAX_RW_COUNT);
	if (write)
		ret = sock_sendmsg(tcp->sock, &msg);
	else
		ret = sock_recvmsg(tcp->sock, &msg, MSG_DONTWAIT);
	if (ret > 0) {
		iov_iter_advance(iter, ret);
		if (should_fail(&ghost_fail_tcp, ret))
			ghost_tcp_shut(tcp);
	}
	return ret;
}

static int ghost_tcp_hear_failure(struct ghost_tcp *tcp);

/*
 * All bytes or an error. A message has to be through in time as a whole; an image (@image) need
 * only go on. While it is written the other end has nothing to say but that it has failed.
 */
static int ghost_tcp_transfer(struct ghost_tcp *tcp, struct iov_iter *iter, bool write,
			      unsigned int flags, bool image)
{
	__poll_t events = write ? EPOLLOUT : EPOLLIN;
	unsigned long end = jiffies + tcp->timeout;
	bool ready = false;
	int ret;

	if (image)
		events |= EPOLLIN;
	while (iov_iter_count(iter)) {
		if (task_sigpending(current) && !tcp->decided)
			return -EINTR;
		if (image && write && vfs_poll(tcp->file, NULL) & EPOLLIN)
			return ghost_tcp_hear_failure(tcp);
		ret = ghost_tcp_once(tcp, iter, write, flags);
		if (!ret)
			return write ? -EPIPE : -ENODATA;
		if (ret > 0) {
			ready = false;
			if (image)
				end = jiffies + tcp->timeout;
			continue;
		}
		if (!ghost_tcp_would_wait(ret))
			return ret;
		if (time_after_eq(jiffies, end))
			return -ETIMEDOUT;
		/* It was said to be ready and is not: no memory, or somebody else uses it */
		if (ready)
			schedule_timeout_killable(1);
		ret = ghost_file_wait(tcp->file, events, max_t(long, end - jiffies, 0),
				      tcp->decided);
		if (ret < 0)
			return ret;
		ready = true;
		cond_resched();
	}
	return 0;
}

/* Why a transfer has failed, unless the other end has said it */
static int ghost_tcp_refuse(struct ghost_tcp *tcp, int err)
{
	switch (err) {
	case -ENODATA:
	case -EPIPE:
	case -ECONNRESET:
		return ghost_refuse(tcp->g, -ECONNRESET, "%s: connection closed", tcp->peer);
	case -ETIMEDOUT:
		return ghost_refuse(tcp->g, err, "%s: does not answer", tcp->peer);
	case -EINTR:
		return err;
	}
	return ghost_refuse(tcp->g, err, "%s: connection: %pe", tcp->peer, ERR_PTR(err));
}

/* Say something; @text stands behind the payload */
static int ghost_tcp_say(struct ghost_tcp *tcp, u32 type, const void *payload, size_t len,
			 const void *text, size_t text_len)
{
	struct ghost_wire_hdr hdr = {
		.type = cpu_to_le32(type),
		.len = cpu_to_le32(len + text_len),
	};
	struct kvec kvec[] = {
		{ .iov_base = &hdr, .iov_len = sizeof(hdr) },
		{ .iov_base = (void *)payload, .iov_len = len },
		{ .iov_base = (void *)text, .iov_len = text_len },
	};
	struct iov_iter iter;
	int ret;

	iov_iter_kvec(&iter, ITER_SOURCE, kvec, ARRAY_SIZE(kvec), sizeof(hdr) + len + text_len);
	ret = ghost_tcp_transfer(tcp, &iter, true, 0, false);
	return ret ? ghost_tcp_refuse(tcp, ret) : 0;
}

static int ghost_tcp_get(struct ghost_tcp *tcp, void *buf, size_t len)
{
	struct kvec kvec = { .iov_base = buf, .iov_len = len };
	struct iov_iter iter;
	int ret;

	iov_iter_kvec(&iter, ITER_DEST, &kvec, 1, len);
	ret = ghost_tcp_transfer(tcp, &iter, false, 0, false);
	return ret ? ghost_tcp_refuse(tcp, ret) : 0;
}

/* An error of the other end's; one that says something else here must not come from there */
static int ghost_tcp_error(u32 error)
{
	switch (error) {
	case EPERM:
	case ENOMEM:
	case EBUSY:
	case EEXIST:
	case EINVAL:
	case ENOEXEC:
	case EOPNOTSUPP:
	case ESTALE:
	case E2BIG:
	case EFBIG:
		return -error;
	}
	return -EREMOTEIO;
}

/*
 * Hear something of @type, of which @len bytes at least are needed. Returns 0, 1 if the other end
 * has said instead that it has failed, or a negative errno; both have been reported.
 */
static int ghost_tcp_hear(struct ghost_tcp *tcp, u32 type, size_t len)
{
	struct ghost_wire_hdr hdr;
	int ret = ghost_tcp_get(tcp, &hdr, sizeof(hdr));

	if (ret)
		return ret;
	tcp->hdr.type = le32_to_cpu(hdr.type);
	tcp->hdr.len = le32_to_cpu(hdr.len);
	if (tcp->hdr.len > GHOST_WIRE_MAX_LEN)
		return ghost_refuse(tcp->g, -EPROTO, "%s: message of %u bytes", tcp->peer,
				    tcp->hdr.len);
	ret = ghost_tcp_get(tcp, tcp->buf, tcp->hdr.len);
	if (ret)
		return ret;
	tcp->buf[tcp->hdr.len] = 0;
	if (tcp->hdr.type == GHOST_WIRE_FAILED &&
	    tcp->hdr.len >= sizeof(struct ghost_wire_failed)) {
		ghost_refuse(tcp->g, -EREMOTEIO, "%s: %s", tcp->peer,
			     tcp->buf + sizeof(struct ghost_wire_failed));
		return 1;
	}
	if (tcp->hdr.type != type || tcp->hdr.len < len)
		return ghost_refuse(tcp->g, -EPROTO, "%s: message %u of %u bytes, not %u",
				    tcp->peer, tcp->hdr.type, tcp->hdr.len, type);
	return 0;
}

/* The errno of what ghost_tcp_hear() returned */
static int ghost_tcp_failed(struct ghost_tcp *tcp, int ret)
{
	const struct ghost_wire_failed *failed = (void *)tcp->buf;

	return ret > 0 ? ghost_tcp_error(le32_to_cpu(failed->error)) : ret;
}

/* The other end speaks when it has nothing to say but that it has failed */
static int ghost_tcp_hear_failure(struct ghost_tcp *tcp)
{
	return ghost_tcp_failed(tcp, ghost_tcp_hear(tcp, GHOST_WIRE_FAILED, 0)) ?: -EPROTO;
}

static int ghost_tcp_write(struct ghost_resource *res, struct iov_iter *from)
{
	/* What is not pages is in memory that cannot be lent */
	unsigned int flags = MSG_MORE | (iov_iter_is_bvec(from) ? MSG_SPLICE_PAGES : 0);
	struct ghost_tcp *tcp = res->priv;
	int ret = ghost_tcp_transfer(tcp, from, true, flags, true);

	return ret ? ghost_tcp_refuse(tcp, ret) : 0;
}

static int ghost_tcp_read(struct ghost_resource *res, struct iov_iter *to)
{
	struct ghost_tcp *tcp = res->priv;
	int ret = ghost_tcp_transfer(tcp, to, false, 0, true);

	return ret ? ghost_tcp_refuse(tcp, ret) : 0;
}

static int ghost_tcp_offer(struct ghost_resource *res, struct ghost *g, const void *what,
			   size_t len)
{
	struct ghost_wire_hello hello = {
		.version = cpu_to_le32(GHOST_WIRE_VERSION),
		.machine = cpu_to_le32(GHOST_MACHINE),
		.page_shift = cpu_to_le32(PAGE_SHIFT),
	};
	const struct ghost_wire_accept *accept;
	struct ghost_tcp *tcp = res->priv;
	int ret;

	tcp->g = g;
	memcpy(hello.magic, GHOST_WIRE_MAGIC, sizeof(hello.magic));
	ret = ghost_tcp_say(tcp, GHOST_WIRE_HELLO, &hello, sizeof(hello), what, len);
	if (!ret)
		ret = ghost_tcp_hear(tcp, GHOST_WIRE_ACCEPT, sizeof(*accept));
	if (ret)
		return ghost_tcp_failed(tcp, ret);
	accept = (void *)tcp->buf;
	if (le32_to_cpu(accept->version) != GHOST_WIRE_VERSION || accept->flags)
		return ghost_refuse(g, -EPROTO, "%s: speaks version %u, not %u", tcp->peer,
				    le32_to_cpu(accept->version), GHOST_WIRE_VERSION);
	return 0;
}

static int ghost_tcp_wait_ready(struct ghost_resource *res, struct ghost *g)
{
	struct ghost_tcp *tcp = res->priv;
	int ret = ghost_tcp_say(tcp, GHOST_WIRE_END, NULL, 0, NULL, 0);

	return ret ?: ghost_tcp_failed(tcp, ghost_tcp_hear(tcp, GHOST_WIRE_READY, 0));
}

static int ghost_tcp_go(struct ghost_resource *res, struct ghost *g,
			const struct ghost_wire_signal *late, size_t nr, pid_t *pid)
{
	const struct ghost_wire_done *done;
	struct ghost_tcp *tcp = res->priv;
	int ret;

	/* The caller cannot take it back any more, only die */
	tcp->decided = true;
	/* Of an error it is not known whether some of it has got through */
	ret = ghost_tcp_say(tcp, GHOST_WIRE_GO, late, nr * sizeof(*late), NULL, 0);
	if (!ret)
		ret = ghost_tcp_hear(tcp, GHOST_WIRE_DONE, sizeof(*done));
	if (ret < 0) {
		ghost_refuse(g, ret, "%s: was told to go on, and its answer was not heard",
			     tcp->peer);
		return 1;
	}
	if (ret)
		return ghost_tcp_failed(tcp, ret);
	done = (void *)tcp->buf;
	*pid = le32_to_cpu(done->pid);
	tcp->finished = true;
	return 0;
}

static int ghost_tcp_hear_offer(struct ghost_resource *res, struct ghost *g, void *what,
				size_t len)
{
	const struct ghost_wire_hello *hello;
	struct ghost_tcp *tcp = res->priv;
	size_t n;
	int ret;

	tcp->g = g;
	ret = ghost_tcp_hear(tcp, GHOST_WIRE_HELLO, sizeof(*hello));
	if (ret)
		return ghost_tcp_failed(tcp, ret);
	hello = (void *)tcp->buf;
	if (memcmp(hello->magic, GHOST_WIRE_MAGIC, sizeof(hello->magic)))
		return ghost_refuse(g, -EPROTO, "%s: not one of ghost", tcp->peer);
	if (le32_to_cpu(hello->version) != GHOST_WIRE_VERSION || hello->flags)
		return ghost_refuse(g, -EOPNOTSUPP, "%s: speaks version %u, this one %u", tcp->peer,
				    le32_to_cpu(hello->version), GHOST_WIRE_VERSION);
	if (le32_to_cpu(hello->machine) != GHOST_MACHINE ||
	    le32_to_cpu(hello->page_shift) != PAGE_SHIFT)
		return ghost_refuse(g, -ENOEXEC,
				    "%s: machine %u with page shift %u, here %u with %u", tcp->peer,
				    le32_to_cpu(hello->machine),
				    le32_to_cpu(hello->page_shift), GHOST_MACHINE, PAGE_SHIFT);
	n = tcp->hdr.len - sizeof(*hello);
	if (n > len && memchr_inv((u8 *)(hello + 1) + len, 0, n - len))
		return ghost_refuse(g, -E2BIG, "%s: of a newer kernel", tcp->peer);
	memcpy(what, hello + 1, min(n, len));
	memset(what + min(n, len), 0, len - min(n, len));
	return 0;
}

static int ghost_tcp_accept(struct ghost_resource *res, struct ghost *g)
{
	struct ghost_wire_accept accept = { .version = cpu_to_le32(GHOST_WIRE_VERSION) };

	return ghost_tcp_say(res->priv, GHOST_WIRE_ACCEPT, &accept, sizeof(accept), NULL, 0);
}

static int ghost_tcp_ready(struct ghost_resource *res, struct ghost *g,
			   const struct ghost_wire_signal **late)
{
	struct ghost_tcp *tcp = res->priv;
	int ret;

	/* The process has its signals, pending and blocked: they are for later */
	tcp->decided = true;
	ret = ghost_tcp_failed(tcp, ghost_tcp_hear(tcp, GHOST_WIRE_END, 0));
	if (!ret)
		ret = ghost_tcp_say(tcp, GHOST_WIRE_READY, NULL, 0, NULL, 0);
	if (!ret)
		ret = ghost_tcp_failed(tcp, ghost_tcp_hear(tcp, GHOST_WIRE_GO, 0));
	if (ret)
		return ret;
	*late = (void *)tcp->buf;
	if (tcp->hdr.len % sizeof(**late))
		return ghost_refuse(g, -EPROTO, "%s: signals of %u bytes", tcp->peer,
				    tcp->hdr.len);
	return tcp->hdr.len / sizeof(**late);
}

/*
 * If a socket is closed with bytes in it that were not read, what was said last may never be
 * heard at the other end. So read them until it has closed its end, but not for long.
 */
static void ghost_tcp_drain(struct ghost_tcp *tcp)
{
	unsigned long end = jiffies + msecs_to_jiffies(GHOST_TCP_LINGER_MS);
	int ret;

	kernel_sock_shutdown(tcp->sock, SHUT_WR);
	while (time_before(jiffies, end)) {
		struct kvec kvec = { .iov_base = tcp->buf, .iov_len = GHOST_WIRE_MAX_LEN };
		struct iov_iter iter;

		iov_iter_kvec(&iter, ITER_DEST, &kvec, 1, kvec.iov_len);
		ret = ghost_tcp_once(tcp, &iter, false, 0);
		if (ret > 0) {
			cond_resched();
			continue;
		}
		if (!ret || !ghost_tcp_would_wait(ret) ||
		    ghost_file_wait(tcp->file, EPOLLIN, max_t(long, end - jiffies, 0), true) < 0)
			break;
	}
}

static void ghost_tcp_done(struct ghost_resource *res, struct ghost *g, pid_t pid)
{
	struct ghost_wire_failed failed = { .error = cpu_to_le32(-pid) };
	struct ghost_wire_done done = { .pid = cpu_to_le32(pid) };
	struct ghost_tcp *tcp = res->priv;
	const char *why = ghost_report(g);

	tcp->g = g;
	/* A signal does not change what is to be said */
	tcp->decided = true;
	if (pid > 0) {
		/* Who does not hear it is to see the end of the connection at least */
		tcp->finished = !ghost_tcp_say(tcp, GHOST_WIRE_DONE, &done, sizeof(done), NULL, 0);
	} else if (!ghost_tcp_say(tcp, GHOST_WIRE_FAILED, &failed, sizeof(failed), why,
				  min_t(size_t, strlen(why),
					GHOST_WIRE_MAX_LEN - sizeof(failed)))) {
		ghost_tcp_drain(tcp);
	}
}

static const struct ghost_handover_ops ghost_tcp_handover = {
	.offer		= ghost_tcp_offer,
	.wait_ready	= ghost_tcp_wait_ready,
	.go		= ghost_tcp_go,
	.hear		= ghost_tcp_hear_offer,
	.accept		= ghost_tcp_accept,
	.ready		= ghost_tcp_ready,
	.done		= ghost_tcp_done,
};

static struct file *ghost_tcp_file(struct socket *sock)
{
	/* Gives the socket back if it fails */
	return sock_alloc_file(sock, O_NONBLOCK | O_CLOEXEC, NULL);
}

static struct file *ghost_tcp_connect(struct file *file, struct sockaddr_storage *addr, int len,
				      long timeout)
{
	int ret = __sys_connect_file(file, addr, len, 0);

	if (ret == -EINPROGRESS) {
		ret = ghost_file_wait(file, EPOLLOUT, timeout, false);
		if (ret >= 0)
			ret = sock_error(sock_from_file(file)->sk);
	}
	return ret ? ERR_PTR(ret) : get_file(file);
}

static struct file *ghost_tcp_be_connected(struct file *file, struct sockaddr_storage *addr,
					   int len, long timeout)
{
	struct socket *sock = sock_from_file(file);
	struct proto_accept_arg arg = { };
	int ret;

	sock_set_reuseaddr(sock->sk);
	ret = __sys_bind_socket(sock, addr, len);
	if (!ret)
		ret = __sys_listen_socket(sock, 1);
	if (!ret)
		ret = ghost_file_wait(file, EPOLLIN, timeout, false);
	return ret < 0 ? ERR_PTR(ret) : do_accept(file, &arg, NULL, NULL, O_CLOEXEC);
}

/* A connection of our own */
static struct file *ghost_tcp_make(const struct ghost_tcp_params *p, long timeout)
{
	struct sockaddr_storage addr = { };
	struct socket *sock;
	int ret;

	/* A filter may have forbidden to make connections */
	if (test_syscall_work(SECCOMP) && !checkpoint_restore_ns_capable(&init_user_ns))
		return ERR_PTR(-EPERM);
	if (p->addr_len > sizeof(addr) || p->addr_len < sizeof(addr.ss_family))
		return ERR_PTR(-EINVAL);
	memcpy(&addr, p->addr, p->addr_len);
	if (addr.ss_family != AF_INET && addr.ss_family != AF_INET6)
		return ERR_PTR(-EAFNOSUPPORT);
	ret = sock_create(addr.ss_family, SOCK_STREAM, IPPROTO_TCP, &sock);
	if (ret)
		return ERR_PTR(ret);
	struct file *file __free(fput) = ghost_tcp_file(sock);
	if (IS_ERR(file))
		return file;
	if (p->flags & GHOST_TCP_LISTEN)
		return ghost_tcp_be_connected(file, &addr, p->addr_len, timeout);
	return ghost_tcp_connect(file, &addr, p->addr_len, timeout);
}

/* Notice that the other end is gone though it has nothing to say for a long time */
static void ghost_tcp_keepalive(struct sock *sk, u32 timeout_ms)
{
	if (!sk_is_tcp(sk))
		return;
	sock_set_keepalive(sk);
	tcp_sock_set_keepidle(sk, GHOST_TCP_KEEPIDLE);
	tcp_sock_set_keepintvl(sk, GHOST_TCP_KEEPINTVL);
	tcp_sock_set_keepcnt(sk, GHOST_TCP_KEEPCNT);
	tcp_sock_set_user_timeout(sk, timeout_ms);
}

/* The caller's own connection */
static struct file *ghost_tcp_given(int fd)
{
	struct file *file __free(fput) = fget(fd);
	struct sockaddr_storage addr;
	struct socket *sock;

	if (!file)
		return ERR_PTR(-EBADF);
	sock = sock_from_file(file);
	if (!sock)
		return ERR_PTR(-ENOTSOCK);
	if (sock->type != SOCK_STREAM)
		return ERR_PTR(-EPROTOTYPE);
	if (READ_ONCE(sock->ops)->getname(sock, (struct sockaddr *)&addr, 1) < 0)
		return ERR_PTR(-ENOTCONN);
	return no_free_ptr(file);
}

static int ghost_tcp_open(struct ghost_resource *res, const void *params, size_t size)
{
	struct ghost_tcp_params p;
	u32 timeout_ms;
	int ret = ghost_resource_params(&p, sizeof(p), GHOST_TCP_PARAMS_SIZE_VER0, params, size);

	if (ret)
		return ret;
	if (p.flags & ~GHOST_TCP_LISTEN || (p.fd >= 0 && (p.flags || p.addr_len)) || p.fd < -1)
		return -EINVAL;
	timeout_ms = min_t(u32, p.timeout_ms ?: GHOST_TCP_TIMEOUT_MS, INT_MAX);
	struct ghost_tcp *tcp __free(kfree) = kzalloc(sizeof(*tcp), GFP_KERNEL_ACCOUNT);
	if (!tcp)
		return -ENOMEM;
	tcp->timeout = msecs_to_jiffies(timeout_ms);
	tcp->peer = res->write ? "destination" : "source";
	tcp->file = p.fd >= 0 ? ghost_tcp_given(p.fd) : ghost_tcp_make(&p, tcp->timeout);
	if (IS_ERR(tcp->file))
		return PTR_ERR(tcp->file);
	tcp->sock = sock_from_file(tcp->file);
	if (p.fd < 0)
		ghost_tcp_keepalive(tcp->sock->sk, timeout_ms);
	res->priv = no_free_ptr(tcp);
	return 0;
}

static void ghost_tcp_close(struct ghost_resource *res)
{
	struct ghost_tcp *tcp = res->priv;

	/* The caller's descriptor keeps it open, and the other end would wait */
	if (!tcp->finished)
		ghost_tcp_shut(tcp);
	fput(tcp->file);
	kfree(tcp);
}

static const struct ghost_resource_ops ghost_tcp_ops = {
	.name		= "tcp",
	.id		= GHOST_BACKEND_TCP,
	.open		= ghost_tcp_open,
	.write		= ghost_tcp_write,
	.read		= ghost_tcp_read,
	.close		= ghost_tcp_close,
	.handover	= &ghost_tcp_handover,
};

static int __init ghost_tcp_init(void)
{
	return ghost_resource_register(&ghost_tcp_ops);
}
core_initcall(ghost_tcp_init);

static int __init ghost_tcp_debugfs(void)
{
	fault_create_debugfs_attr("fail_ghost_tcp", NULL, &ghost_fail_tcp);
	return 0;
}
late_initcall(ghost_tcp_debugfs);
