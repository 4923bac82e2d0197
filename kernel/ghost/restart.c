// SPDX-License-Identifier: GPL-2.0
/*
 * ghost: interrupted system calls
 *
 * A thread that sleeps in a system call is interrupted to be parked. Most calls then
 * start again by themselves. Two sorts need help: those with a restart block, whose
 * absolute times mean nothing elsewhere, and those which return -EINTR although
 * nothing happened and no signal came.
 */
#include <linux/compat.h>
#include <linux/file.h>
#include <linux/net.h>
#include <linux/restart_block.h>
#include <linux/seccomp.h>
#include <linux/syscalls.h>
#include <linux/termios.h>
#include <linux/timekeeping.h>
#include <linux/unistd.h>

#include <asm/syscall.h>

#include "../futex/futex.h"
#include "ghost.h"

/* How a call that returns -EINTR says whether it has a timeout */
enum timeout_arg {
	TIMEOUT_NONE,		/* it never has */
	TIMEOUT_INT,		/* argument: < 0: none */
	TIMEOUT_POINTER,	/* argument: NULL: none */
	TIMEOUT_SOCKET,		/* a socket with SO_RCVTIMEO or SO_SNDTIMEO, else not -EINTR */
	TIMEOUT_DRAIN,		/* never, and only tcdrain() and others that wait for output */
};

static const struct eintr_call {
	u16 nr;
	u8 arg;
	u8 timeout;
} eintr_calls[] = {
	{ __NR_epoll_wait,	3, TIMEOUT_INT },
	{ __NR_epoll_pwait,	3, TIMEOUT_INT },
	{ __NR_epoll_pwait2,	3, TIMEOUT_POINTER },
	{ __NR_semop,		0, TIMEOUT_NONE },
	{ __NR_semtimedop,	3, TIMEOUT_POINTER },
	{ __NR_rt_sigtimedwait,	2, TIMEOUT_POINTER },
	/* Only if what is left of the timeout is not, or cannot be, written back */
	{ __NR_select,		4, TIMEOUT_POINTER },
	{ __NR_pselect6,	4, TIMEOUT_POINTER },
	{ __NR_ppoll,		2, TIMEOUT_POINTER },
	{ __NR_ioctl,		0, TIMEOUT_DRAIN },
	{ __NR_io_getevents,	0, TIMEOUT_NONE },
	{ __NR_io_pgetevents,	0, TIMEOUT_NONE },
	{ __NR_read,		0, TIMEOUT_SOCKET },
	{ __NR_readv,		0, TIMEOUT_SOCKET },
	{ __NR_write,		0, TIMEOUT_SOCKET },
	{ __NR_writev,		0, TIMEOUT_SOCKET },
	{ __NR_preadv2,		0, TIMEOUT_SOCKET },
	{ __NR_pwritev2,	0, TIMEOUT_SOCKET },
	{ __NR_sendfile,	0, TIMEOUT_SOCKET },
	{ __NR_splice,		0, TIMEOUT_SOCKET },
	{ __NR_recvfrom,	0, TIMEOUT_SOCKET },
	{ __NR_recvmsg,		0, TIMEOUT_SOCKET },
	{ __NR_recvmmsg,	0, TIMEOUT_SOCKET },
	{ __NR_sendto,		0, TIMEOUT_SOCKET },
	{ __NR_sendmsg,		0, TIMEOUT_SOCKET },
	{ __NR_sendmmsg,	0, TIMEOUT_SOCKET },
	{ __NR_accept,		0, TIMEOUT_SOCKET },
	{ __NR_accept4,		0, TIMEOUT_SOCKET },
	{ __NR_connect,		0, TIMEOUT_SOCKET },
};

/* Which calls may be called again; also those that an image may ask for */
static const struct eintr_call *find_call(int nr)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(eintr_calls); i++)
		if (eintr_calls[i].nr == nr)
			return &eintr_calls[i];
	return NULL;
}

static bool is_socket(unsigned int fd)
{
	CLASS(fd, f)(fd);

	return !fd_empty(f) && sock_from_file(fd_file(f));
}

/* Calls that may be repeated with the end of their sleep as a bound */
static bool has_timeout(int nr)
{
	const struct eintr_call *call = find_call(nr);

	return call && call->timeout != TIMEOUT_NONE && call->timeout != TIMEOUT_DRAIN;
}

/* Is what current is to repeat still a call that would end at its timeout? */
static bool may_repeat(int nr)
{
	unsigned long args[6];

	if (!has_timeout(nr))
		return false;
	syscall_get_arguments(current, current_pt_regs(), args);
	return find_call(nr)->timeout != TIMEOUT_SOCKET || is_socket(args[0]);
}

/* Entry has shown restart_syscall() to seccomp; what comes is another call */
static long ask_seccomp(int nr)
{
	struct pt_regs *regs = current_pt_regs();
	struct seccomp_data sd = {
		.nr = nr,
		.arch = syscall_get_arch(current),
		.instruction_pointer = instruction_pointer(regs),
	};
	unsigned long args[6];
	unsigned int i;

	if (!test_syscall_work(SECCOMP))
		return 0;
	syscall_get_arguments(current, regs, args);
	for (i = 0; i < ARRAY_SIZE(args); i++)
		sd.args[i] = args[i];
	if (!__secure_computing(&sd))
		return 0;
	/* The filter may have put an errno there */
	return syscall_get_error(current, regs) ?: -EPERM;
}

/*
 * A call that was called again has been interrupted again; what the restart block says of it
 * still holds. Whoever else uses the block, and sigreturn(), puts something else here.
 */
static long ghost_interrupted(struct restart_block *restart)
{
	return do_no_restart_syscall(restart);
}

/*
 * The restart block of a call that is called again, in the member of struct
 * restart_block that has the room: val is the call, flags are GHOST_RESTART_*, time is the
 * end of its sleep.
 */
static long ghost_restart_call(struct restart_block *restart)
{
	struct ghost_sleep *sleep = &current->ghost_sleep;
	int nr = restart->futex.val;
	long ret;

	/* Once: a program must not make more of it by restart_syscall() */
	restart->fn = do_no_restart_syscall;
	ret = ask_seccomp(nr);
	if (ret)
		return ret;
	/* Another thread may have put something else in its place */
	if (!may_repeat(nr))
		return -EINTR;
	sleep->hr_expires = KTIME_MAX;
	sleep->expires = jiffies + MAX_JIFFY_OFFSET;
	if (restart->futex.flags & GHOST_RESTART_JIFFIES)
		sleep->expires = restart->futex.time;
	else
		sleep->hr_expires = restart->futex.time;
	sleep->again = true;
	ret = arch_ghost_call_again(nr);
	sleep->again = false;
	if (ret == -EINTR && restart->fn == do_no_restart_syscall)
		restart->fn = ghost_interrupted;
	return ret;
}

/* Out of line: only in a call that is repeated */
void __ghost_bound_hrtimer(struct hrtimer *timer)
{
	ktime_t bound = current->ghost_sleep.hr_expires;
	ktime_t soft = hrtimer_get_softexpires(timer);
	enum hrtimer_mode mode = HRTIMER_MODE_ABS;

	if (bound >= soft || timer->base->clockid != CLOCK_MONOTONIC)
		return;
	if (timer->is_soft)
		mode |= HRTIMER_MODE_SOFT;
	if (timer->is_hard)
		mode |= HRTIMER_MODE_HARD;
	hrtimer_start_range_ns(timer, bound, ktime_to_ns(hrtimer_get_expires(timer) - soft),
			       mode);
}

/**
 * ghost_restart_prepare() - make an interrupted call of current one that goes on
 * @regs: its user registers
 *
 * Called at the ghost point with no signal pending. A call that returns -EINTR there did
 * so because of ghost: the program must not see it, nor may its timeout start afresh.
 */
void ghost_restart_prepare(struct pt_regs *regs)
{
	struct restart_block *restart = &current->restart_block;
	const struct ghost_sleep sleep = current->ghost_sleep;
	const struct eintr_call *call;
	unsigned long args[6];
	int nr = syscall_get_nr(current, regs);
	bool timed = false, tick = false;

	/* Whatever becomes of this call, it is not for the next one */
	ghost_clear_sleep();
	/* Calls of 32-bit code have other numbers; it is refused */
	if (nr == -1 || syscall_get_error(current, regs) != -EINTR || in_compat_syscall())
		return;
	if (nr == __NR_restart_syscall) {
		if (restart->fn == ghost_interrupted)
			syscall_set_return_value(current, regs,
						 set_restart_fn(restart, ghost_restart_call), 0);
		return;
	}
	call = find_call(nr);
	if (!call)
		return;
	syscall_get_arguments(current, regs, args);
	switch (call->timeout) {
	case TIMEOUT_NONE:
		break;
	case TIMEOUT_INT:
		timed = (int)args[call->arg] >= 0;
		break;
	case TIMEOUT_POINTER:
		timed = args[call->arg];
		break;
	case TIMEOUT_SOCKET:
		if (!is_socket(args[0]))
			return;
		timed = true;
		tick = true;
		break;
	case TIMEOUT_DRAIN:
		if (args[1] != TIOCSETD && args[1] != TIOCSBRK && (args[1] != TCSBRK || !args[2]))
			return;
		break;
	}
	if (!(tick ? sleep.noted : sleep.hr_noted))
		timed = false;		/* interrupted before it slept: nothing of it has gone by */
	if (!timed) {
		syscall_set_return_value(current, regs, -ERESTARTNOHAND, 0);
		return;
	}
	restart->futex.val = nr;
	restart->futex.flags = GHOST_RESTART_TIMED | (tick ? GHOST_RESTART_JIFFIES : 0);
	restart->futex.time = tick ? sleep.expires : sleep.hr_expires;
	syscall_set_return_value(current, regs, set_restart_fn(restart, ghost_restart_call), 0);
}

/* Has current a call that its exit to user mode starts again? */
static bool ghost_restart_pending(struct pt_regs *regs)
{
	if (syscall_get_nr(current, regs) == -1)
		return false;
	switch (syscall_get_error(current, regs)) {
	case -ERESTARTNOHAND:
	case -ERESTARTSYS:
	case -ERESTARTNOINTR:
	case -ERESTART_RESTARTBLOCK:
		return true;
	}
	return false;
}

/**
 * ghost_restart_mark() - let the signal code see to an interrupted call of current
 * @regs: its user registers
 *
 * To the call itself and to the signal mask that it had put on.
 *
 * Nothing else may make it look there.
 */
void ghost_restart_mark(struct pt_regs *regs)
{
	if (ghost_restart_pending(regs) || test_restore_sigmask())
		set_thread_flag(TIF_NOTIFY_SIGNAL);
}

static int clock_now(clockid_t clock, ktime_t *now)
{
	switch (clock) {
	case CLOCK_MONOTONIC:
		*now = ktime_get();
		return 0;
	case CLOCK_REALTIME:
		*now = ktime_get_real();
		return 0;
	case CLOCK_BOOTTIME:
		*now = ktime_get_boottime();
		return 0;
	case CLOCK_TAI:
		*now = ktime_get_clocktai();
		return 0;
	}
	return -EOPNOTSUPP;
}

static void fill_remaining(struct ghost_rec_restart *rec, s64 remaining)
{
	rec->flags |= cpu_to_le32(GHOST_RESTART_TIMED);
	rec->remaining = cpu_to_le64(remaining);
}

static int fill_nanosleep(struct ghost_rec_restart *rec, const struct restart_block *restart)
{
	ktime_t now;

	rec->type = cpu_to_le32(GHOST_RESTART_NANOSLEEP);
	rec->clockid = cpu_to_le32(restart->nanosleep.clockid);
	if (restart->nanosleep.type == TT_NATIVE) {
		rec->flags |= cpu_to_le32(GHOST_RESTART_RMTP);
		rec->uaddr = cpu_to_le64((unsigned long)restart->nanosleep.rmtp);
	} else if (restart->nanosleep.type != TT_NONE) {
		return -EOPNOTSUPP;
	}
	if (clock_now(restart->nanosleep.clockid, &now))
		return -EOPNOTSUPP;
	fill_remaining(rec, restart->nanosleep.expires - now);
	return 0;
}

static int fill_futex(struct ghost_rec_restart *rec, const struct restart_block *restart)
{
	u32 flags = restart->futex.flags;
	ktime_t now;

	if (flags & ~(FLAGS_SIZE_MASK | FLAGS_SHARED | FLAGS_CLOCKRT | FLAGS_HAS_TIMEOUT) ||
	    (flags & FLAGS_SIZE_MASK) != FLAGS_SIZE_32)
		return -EOPNOTSUPP;
	rec->type = cpu_to_le32(GHOST_RESTART_FUTEX);
	rec->uaddr = cpu_to_le64((unsigned long)restart->futex.uaddr);
	rec->val = cpu_to_le32(restart->futex.val);
	rec->bitset = cpu_to_le32(restart->futex.bitset);
	if (flags & FLAGS_SHARED)
		rec->flags |= cpu_to_le32(GHOST_RESTART_SHARED);
	if (flags & FLAGS_CLOCKRT)
		rec->flags |= cpu_to_le32(GHOST_RESTART_REALTIME);
	if (flags & FLAGS_HAS_TIMEOUT) {
		clock_now(flags & FLAGS_CLOCKRT ? CLOCK_REALTIME : CLOCK_MONOTONIC, &now);
		fill_remaining(rec, restart->futex.time - now);
	}
	return 0;
}

static void fill_poll(struct ghost_rec_restart *rec, const struct restart_block *restart)
{
	rec->type = cpu_to_le32(GHOST_RESTART_POLL);
	rec->uaddr = cpu_to_le64((unsigned long)restart->poll.ufds);
	rec->val = cpu_to_le32(restart->poll.nfds);
	if (restart->poll.has_timeout)
		fill_remaining(rec, ktime_set(restart->poll.tv_sec, restart->poll.tv_nsec) -
				    ktime_get());
}

static void fill_call(struct ghost_rec_restart *rec, const struct restart_block *restart)
{
	s64 left;

	rec->type = cpu_to_le32(GHOST_RESTART_CALL);
	rec->nr = cpu_to_le32(restart->futex.val);
	rec->flags = cpu_to_le32(restart->futex.flags);
	if (restart->futex.flags & GHOST_RESTART_JIFFIES)
		left = (s64)(long)(restart->futex.time - jiffies) * TICK_NSEC;
	else
		left = restart->futex.time - ktime_get();
	fill_remaining(rec, left);
}

/*
 * Does a thread have a restart block that counts? Either its call has just been interrupted,
 * or the signal code has made restart_syscall() of that, which is yet to be made. A block too
 * many does no harm: nobody but that call looks at it.
 */
static bool has_restart_block(struct task_struct *t, struct pt_regs *regs)
{
	if (syscall_get_nr(t, regs) != -1 &&
	    syscall_get_error(t, regs) == -ERESTART_RESTARTBLOCK)
		return true;
	return arch_ghost_about_to_restart(regs) &&
	       t->restart_block.fn != do_no_restart_syscall &&
	       t->restart_block.fn != ghost_interrupted;
}

/**
 * ghost_restart_fill() - describe the interrupted call of a thread
 * @gt: its record; the thread is current, or sleeps in a group stop
 *
 * Does not sleep. A call that cannot be described is refused when the record is put.
 */
void ghost_restart_fill(struct ghost_thread *gt)
{
	const struct restart_block *restart = &gt->task->restart_block;
	struct pt_regs *regs = task_pt_regs(gt->task);
	struct ghost_rec_restart *rec = &gt->restart;

	memset(rec, 0, sizeof(*rec));
	gt->restart_error = 0;
	gt->has_restart = has_restart_block(gt->task, regs);
	if (!gt->has_restart)
		return;
	if (restart->fn == hrtimer_nanosleep_restart)
		gt->restart_error = fill_nanosleep(rec, restart);
	else if (restart->fn == futex_wait_restart)
		gt->restart_error = fill_futex(rec, restart);
	else if (restart->fn == do_restart_poll)
		fill_poll(rec, restart);
	else if (restart->fn == ghost_restart_call)
		fill_call(rec, restart);
	else if (restart->fn != do_no_restart_syscall)
		gt->restart_error = -EOPNOTSUPP;
}

int ghost_export_restart(struct ghost *g, struct ghost_thread *gt)
{
	if (!gt->has_restart)
		return 0;
	if (gt->restart_error)
		return ghost_refuse(g, gt->restart_error,
				    "thread %u: interrupted system call %lld: not supported",
				    le32_to_cpu(gt->rec.tid), le64_to_cpu(gt->regs.orig_ax));
	return ghost_put(g, GHOST_REC_RESTART, &gt->restart, sizeof(gt->restart));
}

int ghost_import_restart(struct ghost *g, struct ghost_thread *gt)
{
	struct ghost_rec_restart *rec = &gt->restart;
	u32 type, flags;
	ktime_t now;
	int ret;

	ret = ghost_get(g, GHOST_REC_RESTART, rec, sizeof(*rec));
	if (ret)
		return ret;
	type = le32_to_cpu(rec->type);
	flags = le32_to_cpu(rec->flags);
	gt->has_restart = true;
	if (flags & ~(GHOST_RESTART_TIMED | GHOST_RESTART_JIFFIES | GHOST_RESTART_RMTP |
		      GHOST_RESTART_SHARED | GHOST_RESTART_REALTIME))
		return ghost_refuse(g, -EOPNOTSUPP, "image: interrupted call: flags %#x", flags);
	switch (type) {
	case GHOST_RESTART_NONE:
	case GHOST_RESTART_FUTEX:
	case GHOST_RESTART_POLL:
		return 0;
	case GHOST_RESTART_NANOSLEEP:
		if (!clock_now(le32_to_cpu(rec->clockid), &now) && flags & GHOST_RESTART_TIMED)
			return 0;
		break;
	case GHOST_RESTART_CALL:
		if (has_timeout(le32_to_cpu(rec->nr)) && flags & GHOST_RESTART_TIMED)
			return 0;
		break;
	}
	return ghost_refuse(g, -EOPNOTSUPP, "image: interrupted call of type %u", type);
}

/* When a sleep that has @left nanoseconds to go ends; what is long past ends now */
static u64 expires_in(clockid_t clock, s64 left)
{
	ktime_t now;

	if (clock_now(clock, &now))
		return 0;
	return ktime_add_safe(now, max_t(s64, left, 0));
}

static void apply_poll(struct restart_block *restart, const struct ghost_rec_restart *rec,
		       bool timed, s64 left)
{
	struct timespec64 end = ktime_to_timespec64(expires_in(CLOCK_MONOTONIC, left));

	restart->poll.ufds = u64_to_user_ptr(le64_to_cpu(rec->uaddr));
	restart->poll.nfds = le32_to_cpu(rec->val);
	restart->poll.has_timeout = timed;
	restart->poll.tv_sec = end.tv_sec;
	restart->poll.tv_nsec = end.tv_nsec;
	set_restart_fn(restart, do_restart_poll);
}

static void apply_futex(struct restart_block *restart, const struct ghost_rec_restart *rec,
			u32 flags, s64 left)
{
	clockid_t clock = flags & GHOST_RESTART_REALTIME ? CLOCK_REALTIME : CLOCK_MONOTONIC;

	restart->futex.uaddr = u64_to_user_ptr(le64_to_cpu(rec->uaddr));
	restart->futex.val = le32_to_cpu(rec->val);
	restart->futex.bitset = le32_to_cpu(rec->bitset);
	restart->futex.flags = FLAGS_SIZE_32;
	if (flags & GHOST_RESTART_SHARED)
		restart->futex.flags |= FLAGS_SHARED;
	if (flags & GHOST_RESTART_REALTIME)
		restart->futex.flags |= FLAGS_CLOCKRT;
	if (flags & GHOST_RESTART_TIMED) {
		restart->futex.flags |= FLAGS_HAS_TIMEOUT;
		restart->futex.time = expires_in(clock, left);
	}
	set_restart_fn(restart, futex_wait_restart);
}

/**
 * ghost_restart_apply() - give current its interrupted call
 * @gt: its record, checked by ghost_import_restart()
 */
void ghost_restart_apply(struct ghost_thread *gt)
{
	struct restart_block *restart = &current->restart_block;
	const struct ghost_rec_restart *rec = &gt->restart;
	u32 flags = le32_to_cpu(rec->flags);
	s64 left = le64_to_cpu(rec->remaining);

	restart->fn = do_no_restart_syscall;
	if (!gt->has_restart)
		return;
	switch (le32_to_cpu(rec->type)) {
	case GHOST_RESTART_NANOSLEEP:
		restart->nanosleep.clockid = le32_to_cpu(rec->clockid);
		restart->nanosleep.type = flags & GHOST_RESTART_RMTP ? TT_NATIVE : TT_NONE;
		restart->nanosleep.rmtp = u64_to_user_ptr(le64_to_cpu(rec->uaddr));
		restart->nanosleep.expires = expires_in(restart->nanosleep.clockid, left);
		set_restart_fn(restart, hrtimer_nanosleep_restart);
		break;
	case GHOST_RESTART_FUTEX:
		apply_futex(restart, rec, flags, left);
		break;
	case GHOST_RESTART_POLL:
		apply_poll(restart, rec, flags & GHOST_RESTART_TIMED, left);
		break;
	case GHOST_RESTART_CALL:
		restart->futex.val = le32_to_cpu(rec->nr);
		restart->futex.flags = flags & (GHOST_RESTART_TIMED | GHOST_RESTART_JIFFIES);
		if (flags & GHOST_RESTART_JIFFIES)
			restart->futex.time = jiffies + nsecs_to_jiffies(max_t(s64, left, 0));
		else
			restart->futex.time = expires_in(CLOCK_MONOTONIC, left);
		set_restart_fn(restart, ghost_restart_call);
		break;
	}
}
