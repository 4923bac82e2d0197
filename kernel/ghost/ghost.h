/* SPDX-License-Identifier: GPL-2.0 */
/*
 * ghost: what the parts of it share
 *
 * Layers, bottom first; calls go down only (scripts/check-layers):
 *
 *   resource, resource_file		bytes
 *   report, ref, stream			records, shared objects
 *   file, one file per kind			records <-> state of a process
 *   object				the life of a ghost
 *   resource_memory			a ghost that is kept instead of written
 *   resource_tcp			a ghost on its way to another kernel
 *   kind					the table of kinds
 *   park					threads held at the ghost point
 *   export, import				one operation
 *   syscalls
 *
 * Locks, outermost first. None is held while a backend is called.
 *
 *   signal->exec_update_lock
 *     mmap_lock
 *       i_mmap_rwsem
 *     task->alloc_lock (task_lock())
 *     tasklist_lock
 *       sighand->siglock	guards signal->ghost, ghost_stop and ghost_thread
 */
#ifndef _KERNEL_GHOST_H
#define _KERNEL_GHOST_H

#include <linux/completion.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/ghost.h>
#include <linux/list.h>
#include <linux/refcount.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/xarray.h>
#include <uapi/linux/ghost.h>
#include <uapi/linux/ghost_image.h>
#include <asm/ghost.h>

#define GHOST_REPORT_SIZE	4096
#define GHOST_EXPORT_WITH_FILES	(GHOST_EXPORT_WITH_BINARY | GHOST_EXPORT_WITH_LIBRARIES)

struct bio_vec;
struct cred;
struct ghost_files;
struct ghost_image_hdr;
struct ghost_stamp;
struct ghost_wire_signal;
struct kstat;
struct mm_struct;

/**
 * struct ghost_seen - which of the signals that are pending are in the records
 * @signals: a bit for each; of one that is not a real-time signal there is no second, but for
 *	those of POSIX timers, which are refused
 * @nr_rt: how many real-time signals are queued; later ones stand behind them
 */
struct ghost_seen {
	u64 signals;
	unsigned int nr_rt;
};

/**
 * struct ghost_thread - one thread of an export or an import
 * @list: in ghost::threads, or of the request that parks it
 * @ref: one for the list, one for the thread while it is at the ghost point
 * @task: the thread; a reference is held
 * @stop: the request that parked it; export only
 * @g: the ghost that is imported, or that the thread's own process is exported to
 * @run: work to be done at the ghost point instead of parking; gives back the file of a
 *	transfer that is to go on, or NULL
 * @args: of a process that exports itself
 * @parked: it is held and its records are filled; under siglock
 * @stopped: it sleeps in a group stop and was read from outside; under siglock
 * @had_work: it was to come to the ghost point anyway
 * @nvcsw: how often it had slept when it was read so
 * @rec: its records, in the form of the image
 * @regs: its registers
 * @restart: its interrupted system call
 * @has_restart: there is one
 * @restart_error: it cannot be described
 * @has_regs: import: its registers have been read
 * @xstate_size: bytes of @xstate
 * @xstate: its FPU state in the standard XSAVE format
 * @seen: export: what of its pending signals is in the records
 * @siginfo: import: struct ghost_siginfo to be queued
 */
struct ghost_thread {
	struct list_head list;
	refcount_t ref;
	struct task_struct *task;
	struct ghost_stop *stop;
	struct ghost *g;
	struct file *(*run)(struct ghost_thread *gt, struct pt_regs *regs);
	struct ghost_export_args *args;
	bool parked;
	bool stopped;
	bool had_work;
	unsigned long nvcsw;
	struct ghost_rec_thread rec;
	struct ghost_arch_regs regs;
	struct ghost_rec_restart restart;
	bool has_restart;
	int restart_error;
	bool has_regs;
	u32 xstate_size;
	void *xstate;
	struct ghost_seen seen;
	struct list_head siginfo;
};

enum ghost_mode {
	GHOST_MODE_EXPORT,
	GHOST_MODE_CHECK,	/* an export that stops nothing and collects all refusals */
	GHOST_MODE_IMPORT,
};

/**
 * struct ghost - one operation, and what it has captured
 * @refcount: kept ghosts outlive the operation
 * @mode: what is being done
 * @flags: GHOST_EXPORT_* or GHOST_IMPORT_*
 * @timeout_ms: bound of the stop
 * @res: the resource that is plugged in
 * @report: why it failed
 * @report_len: bytes of it
 * @refused: refusals so far
 * @unreported: those of them for which the report had no room
 * @report_lock: protects the four above
 * @refs: shared objects: number -> struct file, pinned
 * @ref_numbers: export: address of a struct file -> its number
 * @last_ref: export: last number given; import: how many are defined
 * @fd_map: descriptors outside the image; import: with the files that replace them
 * @fd_map_len: entries of it
 * @threads: struct ghost_thread
 * @nr_threads: number of them
 * @nr_siginfo: import: signals that wait to be queued for them
 * @seen: export: what of the signals pending for the process is in the records
 * @was_stopped: export: the records say that it is in a group stop
 * @pid: process that is exported
 * @stop: request that holds its threads; NULL: they are let go
 * @mm: snapshot of its memory; lives as long as the captured ghost
 * @exe_inode: export: its executable; only an address to compare with
 * @stamps: export: what files were like of which the image has what is mapped
 * @staged_mm: export: the snapshot before, whose pages have been sent
 * @rounds: export: how often memory may be sent before the stop
 * @max_downtime_ms: export: no more of them if the rest is through in this time
 * @has_header: export: it has been written
 * @shm: ref -> copy of a shared memory object (struct file)
 * @write_pages: writes what is in @mm
 * @write_shm_pages: writes what is in one of @shm
 * @chunks: captured records
 * @pos: bytes of the image so far
 * @nr_records: records of it so far
 * @nr_pages: pages of it so far
 * @staged: import: page number -> page, sent before the process was stopped
 * @nr_staged: number of them
 * @source: import: the kept ghost that is read instead of a resource
 * @chunk: import from @source: where reading is
 * @chunk_pos: and at which byte of it
 * @hdr: import: header of the record that is being read
 * @have_hdr: it is filled, and the payload not yet consumed
 * @crc: checksum of what has been read of the record
 * @left: bytes of its payload not yet read
 * @payload: of the record last read
 * @payload_size: room there
 * @payload_len: bytes of it
 * @head: where ghost_get_head() copied its beginning to
 * @kind: import: position in the table of kinds
 * @kind_seen: a record of that kind has been read
 * @process: import: the process as a whole
 * @mmrec: its address space
 * @has_vdso: import: the vDSO of the image is the one here
 * @has_mm: the embryo has an address space of its own
 * @late_protect: mprotect() to be done to memory when it is complete
 * @late_lock: mlock2() to be done after that
 * @nr_late: number of them
 * @shm_file: the object that shm pages belong to
 * @files: open files, until all descriptors are known
 * @cred: credentials of the new process
 * @no_new_privs: it may not gain privileges by exec
 * @embryo: the task that becomes the new process
 * @exit_signal: signal that its parent gets when it ends
 * @max_bytes: import: more than these are not read; 0: no limit
 * @nr_ready: its threads that have put their state on
 * @lock: protects @error, @nr_ready and @decision
 * @wait: where importer, embryo and its threads wait for each other
 * @decision: will it become a process?
 * @committed: threads may go to user mode
 * @done: the embryo has become a process, or not
 * @error: why not
 * @stats: what it cost
 */
struct ghost {
	refcount_t refcount;
	enum ghost_mode mode;
	u64 flags;
	u32 timeout_ms;
	struct ghost_resource res;

	char *report;
	size_t report_len;
	unsigned int refused;
	unsigned int unreported;
	spinlock_t report_lock;		/* see above */

	struct xarray refs;
	struct xarray ref_numbers;
	u32 last_ref;

	struct ghost_fd *fd_map;
	u32 fd_map_len;

	struct list_head threads;
	u32 nr_threads;
	u32 nr_siginfo;
	struct ghost_seen seen;
	bool was_stopped;
	struct pid *pid;
	struct ghost_stop *stop;

	struct mm_struct *mm;
	const struct inode *exe_inode;
	struct ghost_stamp *stamps;
	struct mm_struct *staged_mm;
	u32 rounds;
	u32 max_downtime_ms;
	bool has_header;
	struct xarray shm;
	int (*write_pages)(struct ghost *g);
	int (*write_shm_pages)(struct ghost *g, u32 ref);
	struct list_head chunks;
	u64 pos;
	u64 nr_records;
	u64 nr_pages;

	struct xarray staged;
	unsigned long nr_staged;
	struct ghost *source;
	struct ghost_chunk *chunk;
	size_t chunk_pos;
	struct {
		u32 kind, len, ref, crc;
	} hdr;
	bool have_hdr;
	u32 crc;
	u32 left;
	u8 *payload;
	size_t payload_size;
	size_t payload_len;
	void *head;

	int kind;
	bool kind_seen;

	struct ghost_rec_process process;
	struct ghost_rec_mm *mmrec;
	bool has_mm;
	bool has_vdso;
	struct list_head late_protect;
	struct list_head late_lock;
	unsigned int nr_late;
	struct file *shm_file;
	struct ghost_files *files;
	const struct cred *cred;
	bool no_new_privs;
	struct task_struct *embryo;
	u32 exit_signal;
	u64 max_bytes;
	u32 nr_ready;
	spinlock_t lock;		/* see above */
	wait_queue_head_t wait;
	enum {
		GHOST_UNDECIDED,
		GHOST_COMMIT,
		GHOST_ABORT,
	} decision;
	bool committed;
	bool done;
	int error;

	struct ghost_export_stats stats;
};

struct ghost_fd {
	int image_fd;
	struct file *file;
};

/* report.c */

void ghost_unreport(struct ghost *g);

struct ghost *ghost_alloc(enum ghost_mode mode);
struct ghost *ghost_get_ghost(struct ghost *g);
void ghost_put_ghost(struct ghost *g);

/* resource.c */
int ghost_resource_open(struct ghost_resource *res, bool write, u32 id,
			const void *params, size_t size);
void ghost_resource_close(struct ghost_resource *res);

/* resource_file.c */
int ghost_file_wait(struct file *file, __poll_t events, long timeout, bool killable);

/* resource_memory.c */
int ghost_memory_fd(const struct ghost_resource *res);
void ghost_memory_install(struct ghost_resource *res);

/* ref.c */
int ghost_ref_add(struct ghost *g, struct file *file, u32 *ref);
int ghost_ref_find(struct ghost *g, const struct file *file, u32 *ref);
int ghost_ref_set(struct ghost *g, u32 ref, struct file *file);
struct file *ghost_ref_file(struct ghost *g, u32 ref);
void ghost_ref_release(struct ghost *g);

/* stream.c: capture and writing */
int ghost_put(struct ghost *g, u32 kind, const void *rec, size_t len);
int ghost_put_object(struct ghost *g, u32 kind, u32 ref, const void *rec, size_t len,
		     const void *tail, size_t tail_len);
int ghost_put_later(struct ghost *g, u32 kind, u32 ref);
int ghost_write_record(struct ghost *g, u32 kind, const void *rec, size_t len);
int ghost_write_header(struct ghost *g);
int ghost_write_image(struct ghost *g);
int ghost_write_pages_record(struct ghost *g, u32 kind, struct ghost_rec_pages *rec,
			     const struct bio_vec *bvec, unsigned int nr_bvec);
void ghost_chunks_free(struct ghost *g);

/* stream.c: reading */
int ghost_read_header(struct ghost *g);
int ghost_next(struct ghost *g);
int ghost_get(struct ghost *g, u32 kind, void *rec, size_t len);
int ghost_get_head(struct ghost *g, u32 kind, void *rec, size_t len);
const void *ghost_get_tail(struct ghost *g, size_t len, size_t tail_len);
char *ghost_get_name(struct ghost *g, size_t len, size_t name_len);
int ghost_read_pages_head(struct ghost *g, u32 kind, struct ghost_rec_pages *rec);
int ghost_read_pages_data(struct ghost *g, const struct bio_vec *bvec, unsigned int nr_bvec);
int ghost_get_end(struct ghost *g);
void ghost_skip_later(struct ghost *g);

/* file.c: open files */

/*
 * Give back a file of the process that is exported. It may have closed it meanwhile, and must not
 * wait for the end of the caller's system call until it is released, as with fput().
 */
static inline void ghost_put_foreign(struct file *file)
{
	__fput_sync(file);
}

int ghost_check_path(struct ghost *g, const struct path *path, const char *what,
		     const char *name);
int ghost_check_fs_type(struct ghost *g, const struct path *path, const char *what,
			const char *name);
struct file *ghost_open_path(struct ghost *g, const struct ghost_rec_file *rec,
			     const char *path, struct kstat *stat);

/* Has it a path by which it can be found? */
static inline bool ghost_file_has_path(u32 type)
{
	return type != GHOST_FILE_OUTSIDE && type != GHOST_FILE_EVENT;
}

int ghost_event_fd(void);
bool ghost_file_rec_valid(const struct ghost_rec_file *rec);
struct file *ghost_reopen_file(struct ghost *g, const struct ghost_rec_file *rec,
			       const char *path);

int ghost_check_file(struct ghost *g, struct file *file, const char *what);
int ghost_put_file(struct ghost *g, struct file *file, u32 use, u32 type, const char *name);
int ghost_export_file(struct ghost *g, struct file *file, u32 use);
char *ghost_file_name(struct file *file, char *buf, size_t size);

/*
 * Kinds. check: may be called on a running process. export: the process is parked.
 * import: the next record is of this kind, current is the embryo.
 */
int ghost_check_files(struct ghost *g, struct task_struct *t);
int ghost_export_files(struct ghost *g, struct task_struct *t);
int ghost_import_file(struct ghost *g);
int ghost_export_fds(struct ghost *g, struct task_struct *t);
int ghost_import_fd(struct ghost *g);
int ghost_finish_files(struct ghost *g);
void ghost_free_files(struct ghost *g);

int ghost_check_fs(struct ghost *g, struct task_struct *t);
int ghost_export_fs(struct ghost *g, struct task_struct *t);
int ghost_import_fs(struct ghost *g);

int ghost_check_cred(struct ghost *g, struct task_struct *t);
int ghost_export_cred(struct ghost *g, struct task_struct *t);
int ghost_import_cred(struct ghost *g);
int ghost_apply_cred(struct ghost *g);

int ghost_export_rlimit(struct ghost *g, struct task_struct *t);
int ghost_import_rlimit(struct ghost *g);

int ghost_export_sighand(struct ghost *g, struct task_struct *t);
int ghost_import_sighand(struct ghost *g);
int ghost_check_sigpending(struct ghost *g, struct task_struct *t);
int ghost_export_sigpending(struct ghost *g, struct task_struct *t);
int ghost_import_sigpending(struct ghost *g);
int ghost_export_thread_sigpending(struct ghost *g, struct ghost_thread *gt);
int ghost_import_thread_sigpending(struct ghost *g, struct ghost_thread *gt);
int ghost_apply_thread_sigpending(struct ghost_thread *gt);
void ghost_free_thread_sigpending(struct ghost_thread *gt);
int ghost_export_late_signals(struct ghost *g, struct ghost_wire_signal *late);
int ghost_import_late_signals(struct ghost *g, const struct ghost_wire_signal *late, size_t nr);

/* check.c */
int ghost_check_task(struct ghost *g, struct task_struct *t);
int ghost_check_sharing(struct ghost *g, struct task_struct *t);

int ghost_check_process(struct ghost *g, struct task_struct *t);
int ghost_export_process_rec(struct ghost *g, struct task_struct *t);
int ghost_import_process_rec(struct ghost *g);
int ghost_finish_process(struct ghost *g);
int ghost_apply_process(struct ghost *g);

int ghost_export_machine(struct ghost *g, struct task_struct *t);
int ghost_import_machine(struct ghost *g);
int ghost_offer_machine(struct ghost *g, struct task_struct *t);
int ghost_hear_machine(struct ghost *g);

int ghost_check_mm(struct ghost *g, struct task_struct *t);
int ghost_export_mm(struct ghost *g, struct task_struct *t);
struct mm_struct *ghost_snapshot(struct task_struct *t);
int ghost_check_snapshot(struct ghost *g);
int ghost_check_whole_files(struct ghost *g);
bool ghost_vma_is_whole(struct ghost *g, struct vm_area_struct *vma);
int ghost_import_mm(struct ghost *g);
int ghost_finish_mm(struct ghost *g);
int ghost_export_mm_files(struct ghost *g, struct task_struct *t);
int ghost_export_vmas(struct ghost *g, struct task_struct *t);
int ghost_import_vma(struct ghost *g);
void ghost_late_free(struct ghost *g);
struct file *ghost_vma_shm(struct vm_area_struct *vma);
int ghost_visit_shm(struct ghost *g, struct task_struct *t,
		    int (*fn)(struct ghost *g, struct file *file));

int ghost_export_pages(struct ghost *g, struct task_struct *t);
int ghost_write_pages(struct ghost *g);
int ghost_stage_pages(struct ghost *g, struct mm_struct *mm);
int ghost_import_pages(struct ghost *g);
int ghost_import_staged(struct ghost *g);
int ghost_import_kept(struct ghost *g);
int ghost_finish_pages(struct ghost *g);
void ghost_free_staged(struct ghost *g);

int ghost_export_shm(struct ghost *g, struct task_struct *t);
int ghost_import_shm(struct ghost *g);
bool ghost_is_shm(struct ghost *g, u32 ref);
int ghost_write_shm_pages(struct ghost *g, u32 ref);
int ghost_import_shm_pages(struct ghost *g);

/* thread.c */
struct ghost_thread *ghost_thread_alloc(struct task_struct *t);
void ghost_thread_get(struct ghost_thread *gt);
void ghost_thread_put(struct ghost_thread *gt);
void ghost_thread_fill(struct ghost_thread *gt);
void ghost_thread_forget(struct ghost_thread *gt);
void ghost_threads_free(struct ghost *g);
int ghost_check_thread(struct ghost *g, struct task_struct *t);
int ghost_export_thread(struct ghost *g, struct ghost_thread *gt);
int ghost_import_thread(struct ghost *g, struct ghost_thread *gt);
int ghost_export_regs(struct ghost *g, struct ghost_thread *gt);
int ghost_import_regs(struct ghost *g, struct ghost_thread *gt);
int ghost_export_xstate(struct ghost *g, struct ghost_thread *gt);
int ghost_import_xstate(struct ghost *g, struct ghost_thread *gt);
int ghost_apply_thread(struct ghost_thread *gt, struct pt_regs *regs);

/* restart.c */
void ghost_restart_prepare(struct pt_regs *regs);
void ghost_restart_mark(struct pt_regs *regs);
void ghost_restart_fill(struct ghost_thread *gt);
int ghost_export_restart(struct ghost *g, struct ghost_thread *gt);
int ghost_import_restart(struct ghost *g, struct ghost_thread *gt);
void ghost_restart_apply(struct ghost_thread *gt);

/* transfer.c */
struct file *ghost_transfer_file(struct pt_regs *regs);
void ghost_transfer_rest(struct pt_regs *regs, struct file *file);

/* kind.c */
int ghost_check_kinds(struct ghost *g, struct task_struct *p);
int ghost_export_kinds(struct ghost *g, struct task_struct *p);
int ghost_import_kinds(struct ghost *g, u32 until);
int ghost_import_threads(struct ghost *g);

/* park.c */
struct ghost_stop;

int ghost_park_all(struct ghost *g, struct ghost_thread *self);
bool ghost_still_parked(struct ghost *g);
void ghost_unpark_all(struct ghost *g);
void ghost_hold_all(struct ghost *g);
bool ghost_is_held(struct ghost *g);
int ghost_resume_held(struct ghost *g);

/* export.c, import.c */
int ghost_export(struct ghost *g, struct ghost_thread *self);
int ghost_resume(struct ghost *g);
pid_t ghost_import(struct ghost *g);

#endif /* _KERNEL_GHOST_H */
