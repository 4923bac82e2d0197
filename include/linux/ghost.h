/* SPDX-License-Identifier: GPL-2.0 */
/*
 * ghost: process virtualization
 *
 * What other parts of the kernel see of it: the interface for backends, the one
 * for file types, the calls that export and import a process, and the hook at
 * the exit to user mode. See Documentation/core-api/ghost.rst.
 */
#ifndef _LINUX_GHOST_H
#define _LINUX_GHOST_H

#include <linux/hrtimer.h>
#include <linux/jiffies.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/types.h>

struct file;
struct ghost;
struct ghost_rec_file;
struct ghost_wire_signal;
struct iov_iter;
struct module;
struct pid;
struct pt_regs;

/**
 * struct ghost_resource - a medium that is plugged into a ghost
 * @ops: its backend
 * @priv: the backend's own
 * @write: opened to be written (export), else to be read (import)
 */
struct ghost_resource {
	const struct ghost_resource_ops *ops;
	void *priv;
	bool write;
};

/**
 * struct ghost_handover_ops - what the two ends of a backend say to each other
 * @offer: export, before the process is stopped: describe what it relies on, @len bytes at
 *	@what. Return when the other end has accepted it
 * @wait_ready: export, when the image is written: return when the other end has rebuilt the
 *	process. Until now either end may give up
 * @go: export: let the process run at the other end, and return when it does; @late are @nr
 *	signals, at most GHOST_WIRE_MAX_SIGNALS, that have come since it was captured; @pid is
 *	set to what it is called there. From a negative errno follows that it does not run
 *	there and never will. 1: that is not known
 * @hear: import, before anything else: get what is offered, @len bytes, with zeros behind a
 *	shorter description; -E2BIG if a longer one says something
 * @accept: import: say that it will do
 * @ready: import, when the image is read and the process rebuilt: say so. Return when the
 *	other end wants it to run, with the number of the signals that @go was given; @late
 *	is set to them, valid until the next call
 * @done: import: the last call. @pid: it runs; a negative errno: nothing is left of it
 *
 * Why it failed is said by ghost_refuse(). Otherwise as for struct ghost_resource_ops.
 */
struct ghost_handover_ops {
	int (*offer)(struct ghost_resource *res, struct ghost *g, const void *what, size_t len);
	int (*wait_ready)(struct ghost_resource *res, struct ghost *g);
	int (*go)(struct ghost_resource *res, struct ghost *g,
		  const struct ghost_wire_signal *late, size_t nr, pid_t *pid);
	int (*hear)(struct ghost_resource *res, struct ghost *g, void *what, size_t len);
	int (*accept)(struct ghost_resource *res, struct ghost *g);
	int (*ready)(struct ghost_resource *res, struct ghost *g,
		     const struct ghost_wire_signal **late);
	void (*done)(struct ghost_resource *res, struct ghost *g, pid_t pid);
};

/**
 * struct ghost_resource_ops - a backend: where the bytes of a ghost go to or come from
 * @owner: module that is pinned while the backend is in use
 * @name: for messages
 * @id: GHOST_BACKEND_*, or for a module any free one from GHOST_BACKEND_MODULE_FIRST on
 * @open: make @res ready for reading or writing; @params is a kernel copy of what
 *	the caller gave, @size its length
 * @write: take all bytes of the iterator, or fail; pages it points to stay
 *	unchanged until the call returns, or for as long as a reference to them is held
 * @read: fill the whole iterator, or fail; -ENODATA if the medium ends before
 * @sync: optional; return when everything written is on stable storage
 * @keep: instead of @write: keep the captured ghost itself; takes a reference
 * @kept: instead of @read: the ghost that was kept, borrowed until @close
 * @close: give everything back; called once for each successful @open
 * @handover: optional; the other end is an import that goes on at the same time
 *
 * All callbacks run in process context and may sleep; no lock is held. They return
 * 0 or a negative errno. One resource is never used by two tasks at once.
 */
struct ghost_resource_ops {
	struct module *owner;
	const char *name;
	u32 id;
	int (*open)(struct ghost_resource *res, const void *params, size_t size);
	int (*write)(struct ghost_resource *res, struct iov_iter *from);
	int (*read)(struct ghost_resource *res, struct iov_iter *to);
	int (*sync)(struct ghost_resource *res);
	int (*keep)(struct ghost_resource *res, struct ghost *g);
	struct ghost *(*kept)(struct ghost_resource *res);
	void (*close)(struct ghost_resource *res);
	const struct ghost_handover_ops *handover;
};

int ghost_resource_register(const struct ghost_resource_ops *ops);
void ghost_resource_unregister(const struct ghost_resource_ops *ops);
int ghost_resource_params(void *dst, size_t ksize, size_t min, const void *src, size_t usize);

/**
 * struct ghost_file_ops - how files of one sort are carried
 * @owner: module that is pinned while one of the callbacks runs
 * @type: GHOST_FILE_* in the image
 * @match: is this file of the sort? No file is of two
 * @check: refuse what cannot be carried of it; @what says whose file it is ("fd 7"),
 *	@name is its name. The file may be in use
 * @open: make the open file again from its record and its path; ERR_PTR on failure,
 *	which has been reported then
 *
 * All callbacks run in process context and may sleep; no lock is held. Several tasks may
 * be in them at once.
 */
struct ghost_file_ops {
	struct module *owner;
	u32 type;
	bool (*match)(struct file *file);
	int (*check)(struct ghost *g, struct file *file, const char *what, const char *name);
	struct file *(*open)(struct ghost *g, const struct ghost_rec_file *rec, const char *path);
};

int ghost_file_register(const struct ghost_file_ops *ops);
void ghost_file_unregister(const struct ghost_file_ops *ops);

/* The calls of the papers: create, plug a resource, export or import, release */
struct ghost *ghost_create(void);
int ghost_plug(struct ghost *g, bool write, u32 id, const void *params, size_t size);
int ghost_export_process(struct ghost *g, struct pid *pid);
pid_t ghost_import_process(struct ghost *g);
const char *ghost_report(const struct ghost *g);
void ghost_release(struct ghost *g);

/**
 * ghost_refuse() - say why an operation cannot be done
 * @g: the operation
 * @err: negative errno
 * @fmt: what object and why, as "fd 7: io_uring: not supported"; no newline
 *
 * Of an export or an import the first reason is kept; a check collects them all, a line
 * each, and goes on.
 *
 * Return: @err, or 0 if @g is only a check.
 */
__printf(3, 4) int ghost_refuse(struct ghost *g, int err, const char *fmt, ...);

/* ipc/sem.c */
bool sem_has_undo(struct task_struct *t);

#ifdef CONFIG_GHOST

/**
 * ghost_clear_sleep() - no sleep of current is to be remembered
 */
static inline void ghost_clear_sleep(void)
{
	current->ghost_sleep.hr_noted = false;
	current->ghost_sleep.noted = false;
}

void ghost_forget_process(struct signal_struct *sig);
void __ghost_exit_to_user_mode(struct pt_regs *regs, unsigned long ti_work);

/**
 * ghost_exit_to_user_mode() - the ghost point
 * @regs: user registers of current
 * @ti_work: its TIF_* work
 *
 * Called with interrupts on, before signals are treated. Does nothing while a signal
 * is pending: it is treated first, then the thread comes here again.
 *
 * A sleep that something else has interrupted is that of no call which ghost repeats: its
 * end must not be taken for that of the next one.
 */
static inline void ghost_exit_to_user_mode(struct pt_regs *regs, unsigned long ti_work)
{
	if (ti_work & (_TIF_GHOST | _TIF_SIGPENDING | _TIF_NOTIFY_SIGNAL))
		__ghost_exit_to_user_mode(regs, ti_work);
}

void __ghost_bound_hrtimer(struct hrtimer *timer);

/*
 * The end of a call that is repeated is that of a sleep which a signal would end, not of one
 * that gives a device its time.
 */
static inline bool ghost_may_bound(void)
{
	return READ_ONCE(current->__state) & TASK_INTERRUPTIBLE;
}

/**
 * ghost_note_hrtimer() - remember when a sleep ends, or bound it
 * @timer: its timer, just started
 */
static inline void ghost_note_hrtimer(struct hrtimer *timer)
{
	struct ghost_sleep *sleep = &current->ghost_sleep;

	if (unlikely(sleep->again)) {
		if (ghost_may_bound())
			__ghost_bound_hrtimer(timer);
		return;
	}
	sleep->hr_expires = hrtimer_get_softexpires(timer);
	sleep->hr_noted = timer->base->clockid == CLOCK_MONOTONIC;
}

/**
 * ghost_note_timeout() - remember when a sleep ends, or bound it
 * @expires: its end in jiffies
 * Return: the end that counts.
 */
static inline unsigned long ghost_note_timeout(unsigned long expires)
{
	struct ghost_sleep *sleep = &current->ghost_sleep;

	if (unlikely(sleep->again))
		return ghost_may_bound() && time_before(sleep->expires, expires) ?
			sleep->expires : expires;
	sleep->expires = expires;
	sleep->noted = true;
	return expires;
}

/**
 * ghost_forget_sleep() - a sleep has ended
 *
 * If it was not interrupted, its end is that of no call which is to go on.
 */
static inline void ghost_forget_sleep(void)
{
	if (!current->ghost_sleep.again && !signal_pending(current))
		ghost_clear_sleep();
}

/**
 * ghost_init_task() - a new task is nowhere near its ghost point
 * @t: the task, a copy of current
 */
static inline void ghost_init_task(struct task_struct *t)
{
	t->ghost = NULL;
	t->ghost_sleep = (struct ghost_sleep) { };
}

#else

static inline void ghost_exit_to_user_mode(struct pt_regs *regs, unsigned long ti_work) { }
static inline void ghost_note_hrtimer(struct hrtimer *timer) { }
static inline unsigned long ghost_note_timeout(unsigned long expires) { return expires; }
static inline void ghost_forget_sleep(void) { }
static inline void ghost_init_task(struct task_struct *t) { }
static inline void ghost_forget_process(struct signal_struct *sig) { }

#endif /* CONFIG_GHOST */

#endif /* _LINUX_GHOST_H */
