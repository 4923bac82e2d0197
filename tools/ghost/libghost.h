/* SPDX-License-Identifier: LGPL-2.1 */
/*
 * libghost: take a running process out of the kernel and put it back
 *
 * Functions return a negative errno on failure. They print nothing, keep no
 * state of their own and may be called from several threads at once. See
 * libghost(3).
 */
#ifndef _LIBGHOST_H
#define _LIBGHOST_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LIBGHOST_VERSION	"0.1.0"

/* Defined in <linux/ghost.h> and <linux/ghost_image.h> */
struct ghost_export_args;
struct ghost_export_stats;
struct ghost_image_hdr;
struct ghost_import_args;

/* LIBGHOST_VERSION of the library that is linked in. */
const char *ghost_version(void);

/* The system calls: -1 and errno on failure. */
int ghost_export(const struct ghost_export_args *args, size_t size);
pid_t ghost_import(const struct ghost_import_args *args, size_t size);

/* 0 if the running kernel has both system calls, -ENOSYS if not. */
int ghost_probe(void);

/*
 * Options of a checkpoint
 *
 * All fields but @size may be 0, and so may the pointer to the options.
 */
struct ghost_checkpoint_opts {
	size_t size;			/* sizeof(struct ghost_checkpoint_opts) */
	unsigned int flags;		/* GHOST_CHECKPOINT_* */
	unsigned int timeout_ms;	/* how long the stop may take, 0: the kernel's default */
	const int *outside;		/* descriptors of the process whose other end is outside */
	unsigned int nr_outside;
	unsigned int report_size;	/* of the next */
	char *report;			/* why it failed, a text that ends with NUL */
	struct ghost_export_stats *stats;	/* what it cost */
	void (*opened)(int fd, void *arg);	/* called before anything is written to @fd */
	void *arg;
	unsigned int patience_ms;	/* how long the other end of a socket may be silent */
	unsigned int rounds;		/* ghost_checkpoint_socket(): of memory, before the stop */
	unsigned int max_downtime_ms;	/* no more rounds if the rest is through in this time */
	unsigned int stats_size;	/* sizeof(struct ghost_export_stats); 0: first version */
};

#define GHOST_CHECKPOINT_KILL	0x1U	/* end the process when its image is safe */
#define GHOST_CHECKPOINT_STOP	0x2U	/* leave it stopped as by SIGSTOP */
#define GHOST_CHECKPOINT_SYNC	0x4U	/* on stable storage before return */
#define GHOST_CHECKPOINT_WITH_BINARY	0x8U	/* the executable is not needed any more */
#define GHOST_CHECKPOINT_WITH_LIBRARIES	0x10U	/* nor are other files mapped privately */

/* To a file that appears under its name only when it is complete. */
int ghost_checkpoint_path(pid_t pid, const char *path, const struct ghost_checkpoint_opts *opts);

/* To a descriptor: file, pipe or socket. */
int ghost_checkpoint_fd(pid_t pid, int fd, const struct ghost_checkpoint_opts *opts);

/* To memory. Returns the descriptor of the memory ghost. */
int ghost_checkpoint_memory(pid_t pid, const struct ghost_checkpoint_opts *opts);

/*
 * Over a connected stream socket to ghost_restart_socket() at its other end, which makes
 * the process there before this returns. With GHOST_CHECKPOINT_KILL it moves: -EINPROGRESS
 * means that it is not known whether it runs there. It is held then, so that it does not
 * run twice, until it is killed or ghost_resume() lets it go.
 */
int ghost_checkpoint_socket(pid_t pid, int fd, const struct ghost_checkpoint_opts *opts);

/* Let a process that is held run on: it does not run at the other end, and never will. */
int ghost_resume(pid_t pid);

/*
 * A descriptor by which the caller learns that it is a copy: there it becomes readable, once
 * after each restart. 8 bytes can be read then.
 */
int ghost_event_fd(void);

/*
 * Could the process be checkpointed? Nothing is stopped. 0: yes;
 * -EOPNOTSUPP: no, and the report has a line for each thing that is in the way.
 */
int ghost_check(pid_t pid, const struct ghost_checkpoint_opts *opts);

/*
 * Those of the descriptors 0, 1 and 2 of a process that are no files, folders
 * or devices like /dev/null. Returns how many of @fds were filled in.
 */
int ghost_outside_fds(pid_t pid, int fds[3]);

/* Descriptor @image_fd of the image is to be the caller's open file @fd. */
struct ghost_fd_pair {
	int image_fd;
	int fd;
};

/*
 * Options of a restart
 *
 * All fields but @size may be 0, and so may the pointer to the options.
 */
struct ghost_restart_opts {
	size_t size;			/* sizeof(struct ghost_restart_opts) */
	unsigned int flags;		/* GHOST_RESTART_* */
	unsigned int nr_fds;
	const struct ghost_fd_pair *fds;
	char *report;			/* why it failed, a text that ends with NUL */
	unsigned int report_size;
	unsigned int patience_ms;	/* how long the other end of a socket may be silent */
	unsigned long long max_bytes;	/* what is longer is refused; 0: nothing is */
};

#define GHOST_RESTART_KEEP_PID	0x1U	/* with the ids it had */
#define GHOST_RESTART_PAUSED	0x2U	/* leave it stopped as by SIGSTOP */
#define GHOST_RESTART_OUTSIDE_ONLY 0x8U	/* @fds is for what lies outside, and else ignored */
#define GHOST_RESTART_DROP_CAPS	0x4U	/* the process gets no capability of the caller */

/* Return the id of the new process, which is a child of the caller. */
pid_t ghost_restart_path(const char *path, const struct ghost_restart_opts *opts);
pid_t ghost_restart_fd(int fd, const struct ghost_restart_opts *opts);
pid_t ghost_restart_memory(int fd, const struct ghost_restart_opts *opts);
pid_t ghost_restart_socket(int fd, const struct ghost_restart_opts *opts);

/*
 * Reading images. This needs no kernel with ghost.
 */
struct ghost_image;

/**
 * struct ghost_record - a record that has been read and found undamaged
 * @offset: where its header lies in the image
 * @kind: enum ghost_rec_kind
 * @ref: number of the shared object it defines, 0: none
 * @len: bytes of @data
 * @data: struct ghost_rec_*, little endian, valid until the next record is read
 *
 * Lengths and counts inside @data have been checked against @len.
 */
struct ghost_record {
	uint64_t offset;
	uint32_t kind;
	uint32_t ref;
	size_t len;
	const void *data;
};

int ghost_image_open(struct ghost_image **image, int fd);
int ghost_image_open_memory(struct ghost_image **image, const void *data, size_t size);
void ghost_image_close(struct ghost_image *image);

/* The header, in the byte order of the image. */
int ghost_image_header(struct ghost_image *image, const struct ghost_image_hdr **hdr);

/* 1: a record; 0: the end record has been returned before; or a negative errno. */
int ghost_image_next(struct ghost_image *image, struct ghost_record *rec);

/* Where the header or record lies that was read last, or is damaged. */
uint64_t ghost_image_offset(const struct ghost_image *image);

/* What is wrong with it; "" if nothing is. */
const char *ghost_image_error(const struct ghost_image *image);

/* Name of a kind of record, NULL if it is not known. */
const char *ghost_kind_name(uint32_t kind);

#ifdef __cplusplus
}
#endif

#endif /* _LIBGHOST_H */
