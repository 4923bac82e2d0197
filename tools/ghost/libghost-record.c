// SPDX-License-Identifier: LGPL-2.1
/* libghost: the kinds of records. A new kind needs a line here and one in show-kinds.c. */
#include "libghost-internal.h"

static uint64_t pad8(uint64_t len)
{
	return (len + 7) & ~7ULL;
}

static uint64_t cred_tail(const void *data)
{
	const struct ghost_rec_cred *rec = data;

	return pad8(4ULL * le32toh(rec->ngroups));
}

static uint64_t file_tail(const void *data)
{
	const struct ghost_rec_file *rec = data;

	return pad8(le32toh(rec->name_len));
}

static uint64_t fs_tail(const void *data)
{
	const struct ghost_rec_fs *rec = data;

	return pad8(le32toh(rec->pwd_len)) + pad8(le32toh(rec->root_len));
}

static uint64_t vma_tail(const void *data)
{
	const struct ghost_rec_vma *rec = data;

	return pad8(le32toh(rec->name_len));
}

static uint64_t kept_tail(const void *data)
{
	const struct ghost_rec_kept *rec = data;

	return 8ULL * le32toh(rec->nr_runs);
}

static const struct libghost_shape shapes[] = {
	{ GHOST_REC_MACHINE, "machine", sizeof(struct ghost_rec_machine_x86), 0, NULL },
	{ GHOST_REC_PROCESS, "process", sizeof(struct ghost_rec_process), 0, NULL },
	{ GHOST_REC_CRED, "cred", sizeof(struct ghost_rec_cred), 0, cred_tail },
	{ GHOST_REC_RLIMIT, "rlimit", sizeof(struct ghost_rec_rlimit), 0, NULL },
	{ GHOST_REC_SIGHAND, "sighand", sizeof(struct ghost_rec_sighand), 0, NULL },
	{ GHOST_REC_SIGPENDING, "sigpending", sizeof(struct ghost_rec_siginfo), 0, NULL },
	{ GHOST_REC_FILE, "file", sizeof(struct ghost_rec_file), SHAPE_DEFINES, file_tail },
	{ GHOST_REC_FD, "fd", sizeof(struct ghost_rec_fd), 0, NULL },
	{ GHOST_REC_FS, "fs", sizeof(struct ghost_rec_fs), 0, fs_tail },
	{ GHOST_REC_SHM, "shm", sizeof(struct ghost_rec_shm), SHAPE_DEFINES, NULL },
	{ GHOST_REC_SHM_PAGES, "shm_pages", sizeof(struct ghost_rec_pages), SHAPE_PAGES, NULL },
	{ GHOST_REC_MM, "mm", sizeof(struct ghost_rec_mm), 0, NULL },
	{ GHOST_REC_VMA, "vma", sizeof(struct ghost_rec_vma), 0, vma_tail },
	{ GHOST_REC_PAGES, "pages", sizeof(struct ghost_rec_pages), SHAPE_PAGES, NULL },
	{ GHOST_REC_STAGED, "staged", sizeof(struct ghost_rec_pages), SHAPE_PAGES, NULL },
	{ GHOST_REC_KEPT, "kept", sizeof(struct ghost_rec_kept), 0, kept_tail },
	{ GHOST_REC_THREAD, "thread", sizeof(struct ghost_rec_thread), 0, NULL },
	{ GHOST_REC_REGS_X86, "regs_x86", sizeof(struct ghost_rec_regs_x86), SHAPE_THREAD, NULL },
	{ GHOST_REC_XSTATE_X86, "xstate_x86", 0, SHAPE_THREAD | SHAPE_ANY_TAIL, NULL },
	{ GHOST_REC_RESTART, "restart", sizeof(struct ghost_rec_restart), SHAPE_THREAD, NULL },
	{ GHOST_REC_THREAD_SIGPENDING, "thread_sigpending", sizeof(struct ghost_rec_siginfo),
	  SHAPE_THREAD, NULL },
	{ GHOST_REC_END, "end", sizeof(struct ghost_rec_end), 0, NULL },
};

const struct libghost_shape *libghost_shape(uint32_t kind)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(shapes); i++)
		if (shapes[i].kind == kind)
			return &shapes[i];
	return NULL;
}

API const char *ghost_kind_name(uint32_t kind)
{
	const struct libghost_shape *shape = libghost_shape(kind);

	return shape ? shape->name : NULL;
}
