/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * ghost: take a running process out of the kernel and put it back
 *
 * ghost_export(2) makes a ghost (an image of all its state) of a process,
 * ghost_import(2) makes a process of a ghost. Where the bytes go to or come
 * from is the business of a backend. The format is in <linux/ghost_image.h>.
 */
#ifndef _UAPI_LINUX_GHOST_H
#define _UAPI_LINUX_GHOST_H

#include <linux/types.h>

/*
 * Backend ids. 1-255 belong to the kernel, above them a module may register
 * any id that is free.
 */
#define GHOST_BACKEND_MEMORY		1
#define GHOST_BACKEND_FILE		2
#define GHOST_BACKEND_TCP		3
#define GHOST_BACKEND_MODULE_FIRST	256

/*
 * Parameters of GHOST_BACKEND_FILE: any descriptor that can be written
 * (export) or read (import): regular file, pipe, socket. It is used from its
 * file position on.
 */
struct ghost_file_params {
	__s32 fd;
	__u32 flags;			/* 0 */
};

#define GHOST_FILE_PARAMS_SIZE_VER0	8

/*
 * Parameters of GHOST_BACKEND_MEMORY. Export stores the descriptor of a new
 * memory ghost in @fd (close-on-exec); import reads it from there. The ghost
 * lives until its last descriptor is closed and can be imported any number of
 * times.
 */
struct ghost_memory_params {
	__s32 fd;
	__u32 flags;			/* 0 */
};

#define GHOST_MEMORY_PARAMS_SIZE_VER0	8

/*
 * Parameters of GHOST_BACKEND_TCP. The other end is another kernel, which imports what this one
 * exports, at the same time: see <linux/ghost_wire.h>.
 *
 * @fd is a connected stream socket of the caller, with TLS set up on it if it wants that. With -1
 * the kernel makes a TCP connection itself, to @addr, or with GHOST_TCP_LISTEN from whoever
 * comes first there; nobody is asked who he is then, and everybody on the way can read it.
 *
 * @timeout_ms: how long to wait for the other end to go on; 0: 30 s.
 */
struct ghost_tcp_params {
	__s32 fd;
	__u32 flags;			/* GHOST_TCP_* */
	__u32 timeout_ms;
	__u32 addr_len;			/* of @addr; 0 if @fd is given */
	__u8 addr[128];			/* struct sockaddr_in or sockaddr_in6 */
};

#define GHOST_TCP_PARAMS_SIZE_VER0	144

#define GHOST_TCP_LISTEN		(1U << 0) /* do not connect, be connected to */

/*
 * A descriptor whose other end lies outside the image (a terminal, the pipe
 * of a pipeline). Export: @image_fd is such a descriptor of the process,
 * @fd is ignored and must be -1. Import: @image_fd of the image becomes
 * a reference to the caller's open file @fd; this also overrides a descriptor
 * that the image carries.
 */
struct ghost_fd_map {
	__s32 image_fd;
	__s32 fd;
};

#define GHOST_FD_MAP_MAX		1024

/* Flags of ghost_export(2) */
#define GHOST_EXPORT_KILL		(1ULL << 0) /* end the process after it is out */
#define GHOST_EXPORT_STOP		(1ULL << 1) /* leave it stopped as by SIGSTOP */
#define GHOST_EXPORT_SYNC		(1ULL << 2) /* on stable storage before return */
#define GHOST_EXPORT_CHECK		(1ULL << 3) /* stop nothing, report obstacles */
#define GHOST_EXPORT_RESUME		(1ULL << 4) /* let a process that is held run on */
#define GHOST_EXPORT_WITH_BINARY	(1ULL << 5) /* do not need the executable any more */
#define GHOST_EXPORT_WITH_LIBRARIES	(1ULL << 6) /* nor other files that are mapped privately */
#define GHOST_EXPORT_EVENT		(1ULL << 7) /* export nothing, see below */

#define GHOST_EXPORT_FLAGS		(GHOST_EXPORT_KILL | GHOST_EXPORT_STOP | \
					 GHOST_EXPORT_SYNC | GHOST_EXPORT_CHECK | \
					 GHOST_EXPORT_RESUME | GHOST_EXPORT_WITH_BINARY | \
					 GHOST_EXPORT_WITH_LIBRARIES | GHOST_EXPORT_EVENT)

/*
 * GHOST_EXPORT_EVENT returns a descriptor by which a program learns that it has been imported
 * (close-on-exec). In the process that asks for it there is never anything to read; after each
 * import it can be read once, and poll(2) says so. What is read is a 64-bit 1. Beside the flag
 * all is 0, but @pidfd, which is -1.
 */

/**
 * struct ghost_export_args - arguments of ghost_export(2)
 * @flags: GHOST_EXPORT_*; an unknown bit is refused with EINVAL
 * @pidfd: process to export; -1: the caller, who then gets two returns, as from fork():
 *	1 in the original, 0 in the copy
 * @backend: backend id; 0 with GHOST_EXPORT_CHECK or GHOST_EXPORT_RESUME
 * @params: address of the backend's parameters
 * @params_size: their size
 * @timeout_ms: how long the stop may take; 0: 1000 ms
 * @report: address of a buffer for a text that says why the call failed
 * @report_size: size of that buffer; the text is cut there and always ends with NUL
 * @fd_map_len: number of entries of @fd_map, at most GHOST_FD_MAP_MAX
 * @fd_map: address of struct ghost_fd_map[]
 * @stats: address of a struct ghost_export_stats that is filled on success, or 0
 * @stats_size: its size, at most a page; 0: GHOST_EXPORT_STATS_SIZE_VER0
 * @rounds: GHOST_BACKEND_TCP with GHOST_EXPORT_KILL: send private memory up to so many times
 *	while the process runs on, each time what has changed; 0: only when it has been stopped
 * @max_downtime_ms: no more rounds if what has changed is sent in this time; 0: 100 ms
 * @pad: 0
 */
struct ghost_export_args {
	__aligned_u64 flags;
	__s32 pidfd;
	__u32 backend;
	__aligned_u64 params;
	__u32 params_size;
	__u32 timeout_ms;
	__aligned_u64 report;
	__u32 report_size;
	__u32 fd_map_len;
	__aligned_u64 fd_map;
	__aligned_u64 stats;
	__u32 stats_size;
	__u32 rounds;
	__u32 max_downtime_ms;
	__u32 pad;
};

#define GHOST_EXPORT_ARGS_SIZE_VER0	80

/**
 * struct ghost_export_stats - what an export cost
 * @stop_ns: from the first thread asked to stop to the last thread let go; those of
 *	@rounds are not in it
 * @park_ns: part of it: until every thread was parked
 * @total_ns: the whole call
 * @bytes: bytes given to the backend (0 for a memory ghost)
 * @pages: pages of private memory in the ghost
 * @threads: threads in the ghost
 * @pid: GHOST_BACKEND_TCP: process id of the copy, as its importer knows it; else 0
 * @rounds: how often memory was sent before the stop
 */
struct ghost_export_stats {
	__aligned_u64 stop_ns;
	__aligned_u64 park_ns;
	__aligned_u64 total_ns;
	__aligned_u64 bytes;
	__aligned_u64 pages;
	__aligned_u64 threads;
	__aligned_u64 pid;
	__aligned_u64 rounds;
};

#define GHOST_EXPORT_STATS_SIZE_VER0	64

/* Flags of ghost_import(2) */
#define GHOST_IMPORT_KEEP_PID		(1ULL << 0) /* the ids of before */
#define GHOST_IMPORT_STOPPED		(1ULL << 1) /* leave it stopped as by SIGSTOP */
#define GHOST_IMPORT_DROP_CAPS		(1ULL << 2) /* the process gets none of the caller's */

#define GHOST_IMPORT_OUTSIDE_ONLY	(1ULL << 3) /* the fd map is for what lies outside */

#define GHOST_IMPORT_FLAGS		(GHOST_IMPORT_KEEP_PID | GHOST_IMPORT_STOPPED | \
					 GHOST_IMPORT_DROP_CAPS | GHOST_IMPORT_OUTSIDE_ONLY)

/**
 * struct ghost_import_args - arguments of ghost_import(2)
 * @flags: GHOST_IMPORT_*; an unknown bit is refused with EINVAL
 * @backend: backend id
 * @params_size: size of the backend's parameters
 * @params: their address
 * @report: address of a buffer for a text that says why the call failed
 * @report_size: size of that buffer; the text is cut there and always ends with NUL
 * @fd_map_len: number of entries of @fd_map, at most GHOST_FD_MAP_MAX
 * @fd_map: address of struct ghost_fd_map[]
 * @exit_signal: signal the caller gets when the new process ends, 0 for none;
 *	with SIGCHLD it is waited for as a child made by fork()
 * @pad: 0
 * @max_bytes: an image that is longer is refused with EFBIG; 0: it may have any length. What
 *	is sent ahead counts each time. Memory ghosts have no length
 *
 * The new process is a child of the caller. The call returns its process id.
 */
struct ghost_import_args {
	__aligned_u64 flags;
	__u32 backend;
	__u32 params_size;
	__aligned_u64 params;
	__aligned_u64 report;
	__u32 report_size;
	__u32 fd_map_len;
	__aligned_u64 fd_map;
	__u32 exit_signal;
	__u32 pad;
	__aligned_u64 max_bytes;
};

#define GHOST_IMPORT_ARGS_SIZE_VER0	64

/*
 * Errors of both calls beside those of memory and of the backend. The report
 * buffer names the object.
 *
 *   EINVAL      unknown flag, wrong size, wrong parameter
 *   E2BIG       the structure is longer than this kernel knows and its tail is not 0
 *   EFBIG       the image is longer than @max_bytes
 *   EPERM       the caller may not do this
 *   ENODEV      no such backend
 *   ESRCH       the process is gone
 *   EBUSY       the process is traced, vforking, frozen, or being exported already
 *   ETIMEDOUT   a thread did not reach the exit to user mode in time
 *   EOPNOTSUPP  the process holds something, or the image something, that ghost
 *               does not carry
 *   EBADMSG     the image is damaged or truncated
 *   ENOEXEC     this is no image, or one of another machine, page size or CPU
 *   ESTALE      a file that the image refers to is not the same any more
 *   EBADF       a descriptor is not open or of the wrong kind
 *   EEXIST      the wanted process id is in use
 *   EREMOTEIO   the other end failed for a reason of its own
 *   EPROTO      the other end does not speak as it should
 *   EINPROGRESS with GHOST_EXPORT_KILL and GHOST_BACKEND_TCP: the copy was told to run, and it is
 *               not known whether it does. The process is held: it neither runs nor ends,
 *               until it is killed, or let go by GHOST_EXPORT_RESUME
 *   EINTR       the caller got a signal before the import was complete
 */

#endif /* _UAPI_LINUX_GHOST_H */
