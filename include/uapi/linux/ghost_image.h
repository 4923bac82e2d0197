/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * The image of a ghost: what ghost_export(2) writes and ghost_import(2) reads
 *
 * A header, then records up to and with the end record. All is little endian;
 * numbers are never reused; a record may grow at its tail. A reader that meets
 * a shorter record takes zeros for what is missing, one that meets a longer
 * record refuses it if the tail is not zero.
 *
 * Change log:
 *   1: first version
 */
#ifndef _UAPI_LINUX_GHOST_IMAGE_H
#define _UAPI_LINUX_GHOST_IMAGE_H

#include <linux/types.h>

#define GHOST_IMAGE_MAGIC	"\211GHOST\r\n"
#define GHOST_IMAGE_VERSION	1

/**
 * struct ghost_image_hdr - first bytes of an image
 * @magic: GHOST_IMAGE_MAGIC without its NUL
 * @hdr_len: bytes of this header; records start there
 * @version: GHOST_IMAGE_VERSION of the writer
 * @machine: ELF machine (EM_*) of the process
 * @page_shift: log2 of the page size
 * @incompat: features a reader must know
 * @compat: features a reader may ignore
 * @pad: 0
 * @crc: CRC-32C of the header with @crc = 0
 */
struct ghost_image_hdr {
	__u8   magic[8];
	__le32 hdr_len;
	__le32 version;
	__le32 machine;
	__le32 page_shift;
	__le64 incompat;
	__le64 compat;
	__le32 pad;
	__le32 crc;
};

/**
 * struct ghost_rec_hdr - in front of each record
 * @kind: enum ghost_rec_kind
 * @len: bytes that follow; a multiple of 8
 * @ref: number of the shared object that the record defines; 0: none
 * @crc: CRC-32C of header (with @crc = 0) and payload
 */
struct ghost_rec_hdr {
	__le32 kind;
	__le32 len;
	__le32 ref;
	__le32 crc;
};

#define GHOST_REC_MAX_LEN	(8U << 20)

/*
 * Kinds. They stand in an image in this order: STAGED, MACHINE, PROCESS, FILE, FD, FS, SHM
 * with its SHM_PAGES, MM, VMA, PAGES and KEPT, SIGHAND, SIGPENDING, RLIMIT, CRED, then for
 * each thread THREAD, REGS, XSTATE, RESTART, THREAD_SIGPENDING, at last END: an
 * object follows all it refers to.
 */
enum ghost_rec_kind {
	GHOST_REC_MACHINE	= 1,	/* struct ghost_rec_machine_x86 */
	GHOST_REC_PROCESS	= 2,	/* struct ghost_rec_process */
	GHOST_REC_CRED		= 3,	/* struct ghost_rec_cred, groups */
	GHOST_REC_RLIMIT	= 4,	/* struct ghost_rec_rlimit */
	GHOST_REC_SIGHAND	= 5,	/* struct ghost_rec_sighand */
	GHOST_REC_SIGPENDING	= 6,	/* struct ghost_rec_siginfo: pending for the process */
	GHOST_REC_FILE		= 7,	/* struct ghost_rec_file, name; defines a ref */
	GHOST_REC_FD		= 8,	/* struct ghost_rec_fd */
	GHOST_REC_FS		= 9,	/* struct ghost_rec_fs, two names */
	GHOST_REC_SHM		= 10,	/* struct ghost_rec_shm; defines a ref */
	GHOST_REC_SHM_PAGES	= 11,	/* struct ghost_rec_pages of the last GHOST_REC_SHM */
	GHOST_REC_MM		= 12,	/* struct ghost_rec_mm */
	GHOST_REC_VMA		= 13,	/* struct ghost_rec_vma, name */
	GHOST_REC_PAGES		= 14,	/* struct ghost_rec_pages */
	GHOST_REC_STAGED	= 15,	/* struct ghost_rec_pages, of memory that may change yet */
	GHOST_REC_KEPT		= 16,	/* struct ghost_rec_kept */
	GHOST_REC_THREAD	= 32,	/* struct ghost_rec_thread */
	GHOST_REC_REGS_X86	= 33,	/* struct ghost_rec_regs_x86 */
	GHOST_REC_XSTATE_X86	= 34,	/* the XSAVE area in its standard format */
	GHOST_REC_RESTART	= 35,	/* struct ghost_rec_restart */
	GHOST_REC_THREAD_SIGPENDING = 36, /* struct ghost_rec_siginfo: pending for the thread */
	GHOST_REC_END		= 255,	/* struct ghost_rec_end */
};

#define GHOST_X86_CAP_WORDS	24

/**
 * struct ghost_rec_machine_x86 - what the process may have come to rely on
 * @xfeatures: XSAVE features that the process may use
 * @xstate_size: bytes of its XSAVE area in standard format
 * @vdso_size: bytes of the vDSO that is mapped, 0: none
 * @vdso_crc: CRC-32C of its contents
 * @ncaps: words of @caps that are used
 * @caps: CPU feature words as user space can see them by CPUID
 * @release: kernel release of the writer, for the reader's eyes only
 */
struct ghost_rec_machine_x86 {
	__le64 xfeatures;
	__le32 xstate_size;
	__le32 vdso_size;
	__le32 vdso_crc;
	__le32 ncaps;
	__le32 caps[GHOST_X86_CAP_WORDS];
	__u8   release[64];
};

#define GHOST_PROCESS_STOPPED		(1U << 0)	/* stopped by a signal */
#define GHOST_PROCESS_SUBREAPER		(1U << 1)
#define GHOST_PROCESS_LEADER_DEAD	(1U << 2)	/* only other threads live on */

/**
 * struct ghost_rec_process - the process as a whole
 * @pid: its id, in its pid namespace
 * @nr_threads: threads that follow
 * @flags: GHOST_PROCESS_*
 * @stop_signal: signal that stopped it, if it is stopped
 * @oom_score_adj: as in /proc/PID/oom_score_adj
 * @pad: 0
 */
struct ghost_rec_process {
	__le32 pid;
	__le32 nr_threads;
	__le32 flags;
	__le32 stop_signal;
	__le32 oom_score_adj;
	__le32 pad;
};

#define GHOST_CRED_NO_NEW_PRIVS		(1U << 0)

/**
 * struct ghost_rec_cred - credentials, ids as seen in the process's user namespace
 * @uid: real user id
 * @euid: effective
 * @suid: saved
 * @fsuid: for file access
 * @gid: real group id
 * @egid: effective
 * @sgid: saved
 * @fsgid: for file access
 * @cap_inheritable: capability sets
 * @cap_permitted: capability sets
 * @cap_effective: capability sets
 * @cap_bset: capability sets
 * @cap_ambient: capability sets
 * @securebits: SECBIT_*
 * @flags: GHOST_CRED_*
 * @ngroups: supplementary groups, a __le32 each at the end of the record
 * @pad: 0
 */
struct ghost_rec_cred {
	__le32 uid, euid, suid, fsuid;
	__le32 gid, egid, sgid, fsgid;
	__le64 cap_inheritable;
	__le64 cap_permitted;
	__le64 cap_effective;
	__le64 cap_bset;
	__le64 cap_ambient;
	__le32 securebits;
	__le32 flags;
	__le32 ngroups;
	__le32 pad;
};

#define GHOST_RLIMITS		16

/* RLIM_INFINITY is all ones; indexed by RLIMIT_* of asm-generic/resource.h */
struct ghost_rec_rlimit {
	struct {
		__le64 cur;
		__le64 max;
	} limit[GHOST_RLIMITS];
};

#define GHOST_NSIG		64

struct ghost_rec_sighand {
	struct {
		__le64 handler;
		__le64 flags;
		__le64 restorer;
		__le64 mask;
	} action[GHOST_NSIG];
};

#define GHOST_SIGINFO_SIZE	128

#define GHOST_SIGINFO_NONE	(1U << 0)	/* the signal is pending without a siginfo */

struct ghost_rec_siginfo {
	__le32 signo;
	__le32 flags;				/* GHOST_SIGINFO_* */
	__u8   info[GHOST_SIGINFO_SIZE];	/* siginfo_t of the machine */
};

/* What a GHOST_REC_FILE is */
enum ghost_rec_file_type {
	GHOST_FILE_OUTSIDE	= 1,	/* the importer's, through the fd map */
	GHOST_FILE_REGULAR	= 2,
	GHOST_FILE_DIRECTORY	= 3,
	GHOST_FILE_CHARDEV	= 4,	/* found again by name; one of /dev/null and its like */
	GHOST_FILE_EVENT	= 5,	/* of GHOST_EXPORT_EVENT; has a name, but no path */
};

/**
 * struct ghost_rec_file - an open file description
 * @type: enum ghost_rec_file_type
 * @name_len: bytes of the path (without NUL) at the end of the record
 * @flags: O_* of x86-64 without those that only matter to open()
 * @mode: type and permission bits of the inode
 * @pos: file offset
 * @dev: device as st_dev
 * @ino: inode number
 * @size: its size
 * @mtime_sec: time of its last change
 * @mtime_nsec: nanoseconds of it
 * @use: GHOST_FILE_USE_*
 * @rdev: for a device: its number
 */
struct ghost_rec_file {
	__le32 type;
	__le32 name_len;
	__le32 flags;
	__le32 mode;
	__le64 pos;
	__le64 dev;
	__le64 ino;
	__le64 size;
	__le64 mtime_sec;
	__le32 mtime_nsec;
	__le32 use;
	__le64 rdev;
};

#define GHOST_FILE_USE_FD	(1U << 0)	/* behind a descriptor */
#define GHOST_FILE_USE_MAP	(1U << 1)	/* mapped: its content must not have changed */
#define GHOST_FILE_USE_EXE	(1U << 2)	/* /proc/PID/exe */

#define GHOST_FD_CLOEXEC	(1U << 0)

struct ghost_rec_fd {
	__le32 fd;
	__le32 file;		/* ref of a GHOST_REC_FILE */
	__le32 flags;		/* GHOST_FD_* */
	__le32 pad;
};

/* At its end: path of the working directory, path of the root; each padded to 8 */
struct ghost_rec_fs {
	__le32 umask;
	__le32 pwd_len;
	__le32 root_len;
	__le32 pad;
};

#define GHOST_SHM_NORESERVE	(1ULL << 0)	/* committed as it is used, not as a whole */

struct ghost_rec_shm {
	__le64 size;
	__le64 flags;		/* GHOST_SHM_* */
};

#define GHOST_AUXV_WORDS	64

#define GHOST_MM_HAS_MDWE		(1U << 0)
#define GHOST_MM_HAS_MDWE_NO_INHERIT	(1U << 1)
#define GHOST_MM_DISABLE_THP		(1U << 2)
#define GHOST_MM_LOCK_FUTURE		(1U << 3)	/* mlockall(MCL_FUTURE) */
#define GHOST_MM_LOCK_ONFAULT		(1U << 4)	/* ... | MCL_ONFAULT */
#define GHOST_MM_TOPDOWN		(1U << 5)	/* new mappings: down from @mmap_base */

/**
 * struct ghost_rec_mm - address space; addresses as in struct prctl_mm_map
 * @start_code: code
 * @end_code: code
 * @start_data: data
 * @end_data: data
 * @start_brk: heap
 * @brk: heap
 * @start_stack: stack
 * @arg_start: arguments
 * @arg_end: arguments
 * @env_start: environment
 * @env_end: environment
 * @mmap_base: where the kernel starts to look for room for new mappings
 * @vdso: address of the vDSO text, 0: not mapped
 * @exe: ref of the executable, 0: none
 * @flags: GHOST_MM_*
 * @dumpable: as prctl(PR_GET_DUMPABLE)
 * @dump_filter: as /proc/PID/coredump_filter
 * @nr_auxv: words of @auxv in use
 * @personality: as personality(2)
 * @auxv: auxiliary vector
 */
struct ghost_rec_mm {
	__le64 start_code, end_code;
	__le64 start_data, end_data;
	__le64 start_brk, brk;
	__le64 start_stack;
	__le64 arg_start, arg_end;
	__le64 env_start, env_end;
	__le64 mmap_base;
	__le64 vdso;
	__le32 exe;
	__le32 flags;
	__le32 dumpable;
	__le32 dump_filter;
	__le32 nr_auxv;
	__le32 personality;
	__le64 auxv[GHOST_AUXV_WORDS];
};

/* Protection and properties of a mapping, numbers of this format */
#define GHOST_VMA_READ		(1ULL << 0)
#define GHOST_VMA_WRITE		(1ULL << 1)
#define GHOST_VMA_EXEC		(1ULL << 2)
#define GHOST_VMA_SHARED	(1ULL << 3)
#define GHOST_VMA_GROWSDOWN	(1ULL << 4)
#define GHOST_VMA_LOCKED	(1ULL << 5)
#define GHOST_VMA_LOCKONFAULT	(1ULL << 6)
#define GHOST_VMA_SEQ_READ	(1ULL << 7)
#define GHOST_VMA_RAND_READ	(1ULL << 8)
#define GHOST_VMA_DONTCOPY	(1ULL << 9)
#define GHOST_VMA_WIPEONFORK	(1ULL << 10)
#define GHOST_VMA_DONTDUMP	(1ULL << 11)
#define GHOST_VMA_HUGEPAGE	(1ULL << 12)
#define GHOST_VMA_NOHUGEPAGE	(1ULL << 13)
#define GHOST_VMA_MERGEABLE	(1ULL << 14)
#define GHOST_VMA_NORESERVE	(1ULL << 15)
#define GHOST_VMA_MAYREAD	(1ULL << 17)
#define GHOST_VMA_MAYWRITE	(1ULL << 18)
#define GHOST_VMA_MAYEXEC	(1ULL << 19)
#define GHOST_VMA_VDSO		(1ULL << 20)	/* the kernel's own: vDSO and its data */
#define GHOST_VMA_DROPPABLE	(1ULL << 21)	/* its pages are never in an image */
#define GHOST_VMA_ACCOUNT	(1ULL << 22)	/* counts as committed memory */

/**
 * struct ghost_rec_vma - one mapping
 * @start: first address
 * @end: address behind the last
 * @flags: GHOST_VMA_*
 * @offset: offset into @object in bytes
 * @object: ref of a file or of a shared memory object; 0: anonymous
 * @name_len: bytes of the name given by prctl(PR_SET_VMA), at the end of the record
 */
struct ghost_rec_vma {
	__le64 start;
	__le64 end;
	__le64 flags;
	__le64 offset;
	__le32 object;
	__le32 name_len;
};

/*
 * A batch of pages: this header, @nr_runs runs, zeros up to a multiple of the
 * page size in the image, then the pages of all runs one behind the other.
 * A run: bits 12-63 the address (in a GHOST_REC_SHM_PAGES: the offset), bit 11
 * GHOST_PAGES_HUGE, bits 0-9 the number of pages less one.
 */
struct ghost_rec_pages {
	__le32 nr_runs;
	__le32 nr_pages;
	__le32 data;			/* where the pages start in the payload */
	__le32 pad;
	__le64 run[];
};

#define GHOST_PAGES_ADDR_MASK	(~0xfffULL)
#define GHOST_PAGES_HUGE	(1ULL << 11)	/* was, and becomes again, one huge page */
#define GHOST_PAGES_NR_MASK	0x3ffULL
#define GHOST_PAGES_BATCH	1024U		/* pages in one record, at most */

/**
 * struct ghost_rec_kept - pages that have not changed since they were staged
 * @nr_runs: of @run
 * @nr_pages: in all of them
 * @run: as in struct ghost_rec_pages; of each page the last GHOST_REC_STAGED counts
 */
struct ghost_rec_kept {
	__le32 nr_runs;
	__le32 nr_pages;
	__le64 run[];
};

#define GHOST_THREAD_SAVED_MASK	(1U << 1)	/* @saved_mask is put back at the next signal */
#define GHOST_THREAD_LEADER	(1U << 2)

/**
 * struct ghost_rec_thread - one thread
 * @tid: its id
 * @flags: GHOST_THREAD_*
 * @blocked: blocked signals
 * @saved_mask: mask that an interrupted sigsuspend and its like will put back
 * @altstack_sp: alternate signal stack
 * @altstack_size: its size
 * @altstack_flags: SS_*
 * @rseq_len: length of the registered rseq area
 * @rseq: its address, 0: none
 * @rseq_sig: its signature
 * @pdeath_signal: as prctl(PR_SET_PDEATHSIG)
 * @robust_list: head of the robust futex list
 * @clear_child_tid: as set_tid_address(2)
 * @timer_slack: nanoseconds
 * @default_timer_slack: nanoseconds
 * @policy: scheduling policy; SCHED_RESET_ON_FORK as bit 30
 * @nice: nice value
 * @rt_priority: real-time priority
 * @ioprio: as ioprio_get(2)
 * @comm: name
 */
struct ghost_rec_thread {
	__le32 tid;
	__le32 flags;
	__le64 blocked;
	__le64 saved_mask;
	__le64 altstack_sp;
	__le64 altstack_size;
	__le32 altstack_flags;
	__le32 rseq_len;
	__le64 rseq;
	__le32 rseq_sig;
	__le32 pdeath_signal;
	__le64 robust_list;
	__le64 clear_child_tid;
	__le64 timer_slack;
	__le64 default_timer_slack;
	__le32 policy;
	__le32 nice;
	__le32 rt_priority;
	__le32 ioprio;
	__u8   comm[16];
};

/* General registers at the exit to user mode, before any restart fixup */
struct ghost_rec_regs_x86 {
	__le64 r15, r14, r13, r12, bp, bx, r11, r10, r9, r8;
	__le64 ax, cx, dx, si, di, orig_ax, ip, cs, flags, sp, ss;
	__le64 fs_base, gs_base;
	__le64 ds, es, fs, gs;
};

enum ghost_restart_type {
	GHOST_RESTART_NONE	= 0,	/* restart_syscall() returns EINTR */
	GHOST_RESTART_NANOSLEEP	= 1,
	GHOST_RESTART_FUTEX	= 2,
	GHOST_RESTART_POLL	= 3,
	GHOST_RESTART_CALL	= 4,	/* call @nr again, with what is left of its timeout */
};

#define GHOST_RESTART_TIMED	(1U << 0)	/* @remaining counts */
#define GHOST_RESTART_JIFFIES	(1U << 1)	/* ... and is kept in units of the tick */
#define GHOST_RESTART_RMTP	(1U << 2)	/* @uaddr takes the remaining time */
#define GHOST_RESTART_SHARED	(1U << 3)	/* futex: shared between processes */
#define GHOST_RESTART_REALTIME	(1U << 4)	/* futex: of CLOCK_REALTIME */

/**
 * struct ghost_rec_restart - an interrupted system call that goes on
 * @type: enum ghost_restart_type
 * @flags: GHOST_RESTART_*
 * @remaining: nanoseconds left at the time of the export; may be negative
 * @uaddr: nanosleep: rmtp; futex: uaddr; poll: ufds
 * @uaddr2: futex: uaddr2
 * @val: futex: val; poll: nfds
 * @pad2: 0
 * @bitset: futex: bitset
 * @clockid: nanosleep: clock
 * @nr: system call to call again
 * @pad: 0
 */
struct ghost_rec_restart {
	__le32 type;
	__le32 flags;
	__le64 remaining;
	__le64 uaddr;
	__le64 uaddr2;
	__le32 val;
	__le32 pad2;
	__le32 bitset;
	__le32 clockid;
	__le32 nr;
	__le32 pad;
};

/* Totals; without this record an image is truncated */
struct ghost_rec_end {
	__le64 records;		/* without this one */
	__le64 pages;
};

#endif /* _UAPI_LINUX_GHOST_IMAGE_H */
