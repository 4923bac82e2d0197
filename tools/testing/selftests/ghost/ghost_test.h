/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of ghost share: system calls, processes to be exported, images
 *
 * A process to be exported is a "target": the test program itself, executed
 * again with --target NAME. Its descriptors 0 and 1 are pipes to the test, 2 is
 * the test's own; they lie outside the image and go through the fd map. A
 * target says "ready", goes to sleep or to work, and when it is told to go on
 * says "ok" or what is wrong. The copy that an import makes does the same.
 */
#ifndef GHOST_TEST_H
#define GHOST_TEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#include <linux/ghost.h>
#include <linux/ghost_image.h>

#ifndef __NR_ghost_export
#define __NR_ghost_export	510
#define __NR_ghost_import	511
#endif

static inline int ghost_export(struct ghost_export_args *args, size_t size)
{
	return syscall(__NR_ghost_export, args, size);
}

static inline int ghost_import(struct ghost_import_args *args, size_t size)
{
	return syscall(__NR_ghost_import, args, size);
}

/* Why there is nothing to test here; NULL if ghost is there */
const char *ghost_missing(void);

/* Images, one way to keep them for each backend */
enum store {
	STORE_MEMORY,
	STORE_TMPFS,
	STORE_EXT4,
	STORE_PIPE,
	STORE_MODULE,
};

struct image {
	enum store store;
	int fd;				/* memory ghost, or file with the image */
	char report[4096];		/* of the last export or import */
	struct ghost_export_stats stats;
};

/* Returns NULL, or why this store cannot be used here */
const char *image_open(struct image *img, enum store store);
void image_close(struct image *img);
/* The image as bytes; NULL for a memory ghost */
void *image_bytes(struct image *img, size_t *size);

#define MAX_OUTSIDE	8

struct target {
	pid_t pid;
	int pidfd;
	int in;				/* the target's descriptor 0 */
	int out;			/* the target's descriptor 1 */
	int nfds;			/* descriptors from 3 on that lie outside */
	bool full;			/* what it said does not fit */
	size_t len;
	char buf[4096];
};

struct target_options {
	const char *arg;		/* for the target */
	const char *exe;		/* another copy of this program */
	char *const *argv;		/* another program altogether */
	const int *fds;			/* the target gets these as 3, 4, ... */
	int nfds;
	bool own_pgrp;
};

int target_start(struct target *t, const char *name, const struct target_options *o);
/* One line of what it says, without the newline; NULL if none came in time */
char *target_line(struct target *t);
/* Does it say this next? Prints what it said instead. */
bool target_says(struct target *t, const char *text);
/* Has it nothing to say for a while? */
bool target_is_silent(struct target *t, int ms);
int target_wake(struct target *t);
/* Wait until its thread @tid (0: the leader, ANY_THREAD: one of them) sleeps in call @nr */
#define ANY_THREAD	(-1)
bool target_sleeps_in(struct target *t, pid_t tid, long nr);
/* Wait until it ends by itself; -1 and ETIMEDOUT if it does not */
int target_wait(struct target *t, int *status);
/* Whatever it does, it is no more */
void target_end(struct target *t);

int export_target(struct target *t, struct image *img, __u64 flags);
int import_target(struct target *copy, const struct target *orig, struct image *img,
		  __u64 flags, const int *fds);

/* For tests that fill in the arguments themselves */
struct export_call {
	struct ghost_export_args args;
	struct ghost_file_params file;
	struct ghost_memory_params memory;
	struct ghost_fd_map map[3 + MAX_OUTSIDE];
	struct ghost_export_stats stats;
	char report[4096];
};

struct import_call {
	struct ghost_import_args args;
	struct ghost_file_params file;
	struct ghost_memory_params memory;
	struct ghost_fd_map map[3 + MAX_OUTSIDE];
	char report[4096];
};

void export_call_init(struct export_call *c, const struct target *t);
void export_to_memory(struct export_call *c);
void export_to_file(struct export_call *c, int fd);
int export_call(struct export_call *c);
void import_call_init(struct import_call *c);
void import_from_memory(struct import_call *c, int fd);
void import_from_file(struct import_call *c, int fd);
int import_call(struct import_call *c);

/* In the target */
void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void hear(void);		/* sleep in read() until the test wakes us */
void ready(void);		/* say so, then hear() */
void wrong(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
int verdict(void);		/* "ok", unless something was wrong */

#define check(cond) do { if (!(cond)) wrong("%s:%d: %s", __FILE__, __LINE__, #cond); } while (0)
#define check_errno(cond) do {							\
	if (!(cond))								\
		wrong("%s:%d: %s: %m", __FILE__, __LINE__, #cond);		\
} while (0)

/* A target is one before the harness's constructors have run */
#define TARGET_PRIO	101

struct target_entry {
	const char *name;
	int (*run)(const char *arg);
	struct target_entry *next;
};

void target_register(struct target_entry *entry);

#define TARGET(_name)								\
	static int target_##_name(const char *arg);				\
	static struct target_entry target_entry_##_name = {			\
		.name = #_name, .run = target_##_name,				\
	};									\
	static void __attribute__((constructor(TARGET_PRIO)))			\
	target_register_##_name(void)						\
	{									\
		target_register(&target_entry_##_name);				\
	}									\
	static int target_##_name(const char *arg __attribute__((unused)))

/* Processes and time */
char proc_state(pid_t pid, pid_t tid);		/* as in /proc/PID/stat, 0: gone */
long proc_call(pid_t pid, pid_t tid);		/* system call it sleeps in, -1: runs */
bool proc_state_becomes(pid_t pid, pid_t tid, char state);
/* What follows "name:" or "name " at the beginning of a line of /proc/PID/file */
int proc_field(pid_t pid, const char *file, const char *name, char *buf, size_t size);
int count_fds(void);
/* Kill all children of the caller, and wait for them */
void kill_children(void);
int read_text(const char *path, char *buf, size_t size);
int write_text(const char *path, const char *text);

int64_t now_ms(void);
void sleep_ms(int ms);
int pidfd_open_pid(pid_t pid);

/* Longest wait for something that is bound to happen: a guest may be slow */
#define PATIENCE_MS	60000

/* A number from the environment, to make a test longer */
long env_number(const char *name, long def);

struct random {
	uint64_t state;
};

/* Seeded by GHOST_SEED, else by time; printed, so that a run can be repeated */
void random_init(struct random *r);
uint64_t random_next(struct random *r);

uint32_t crc32c(uint32_t crc, const void *data, size_t len);

#ifdef __KSELFTEST_HARNESS_H
/*
 * Guests are slow, above all with a debug kernel: a test that hangs is found
 * by the time of the whole program anyway.
 */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT	240

#define GHOST_NEEDED() do {							\
	const char *_missing = ghost_missing();					\
	if (_missing)								\
		SKIP(return, "%s", _missing);					\
} while (0)

#define ASSERT_EXPORTED(_t, _img, _flags)					\
	ASSERT_EQ(0, export_target(_t, _img, _flags))				\
		TH_LOG("export: %s: %s", strerror(errno), (_img)->report)

#define ASSERT_IMPORTED(_copy, _t, _img, _flags)				\
	ASSERT_EQ(0, import_target(_copy, _t, _img, _flags, NULL))		\
		TH_LOG("import: %s: %s", strerror(errno), (_img)->report)
#endif

#endif /* GHOST_TEST_H */
