// SPDX-License-Identifier: GPL-2.0
/*
 * ghost: descriptors
 *
 * A FILE record describes a struct file, an FD record a descriptor that refers to one. At
 * import all of them are read before the first file is opened, because a descriptor of the
 * caller may take the place of what the image says.
 */
#include <linux/capability.h>
#include <linux/fdtable.h>
#include <linux/file.h>
#include <linux/mm.h>
#include <linux/filelock.h>
#include <linux/fs.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include "ghost.h"

/* Kernel memory that all FILE records of an image may take */
#define GHOST_FILES_BYTES_MAX	SZ_64M

/* A FILE record of an image that is imported */
struct ghost_file {
	struct ghost_rec_file rec;
	struct file *file;
	struct file *instead;		/* borrowed from ghost::fd_map */
	char name[];
};

/* An FD record of an image that is imported */
struct ghost_fd_entry {
	unsigned int fd;
	u32 ref;
	bool cloexec;
	struct file *instead;		/* borrowed from ghost::fd_map */
};

struct ghost_files {
	struct xarray files;		/* ref -> struct ghost_file */
	struct xarray fds;		/* descriptor -> struct ghost_fd_entry */
	unsigned int next_fd;		/* they ascend */
	unsigned long nr_files;
	size_t bytes;			/* of all records */
};

/* There may be very many files; the caller may be killed meanwhile */
static int ghost_yield(void)
{
	cond_resched();
	return fatal_signal_pending(current) ? -EINTR : 0;
}

/* Export */

/* POSIX locks belong to the descriptor table */
static bool ghost_posix_locked(struct file *file, struct files_struct *files)
{
	struct file_lock_context *ctx = locks_inode_context(file_inode(file));
	struct file_lock_core *lock;
	bool held = false;

	if (!ctx || !files)
		return false;
	spin_lock(&ctx->flc_lock);
	list_for_each_entry(lock, &ctx->flc_posix, flc_list)
		if (lock->flc_owner == files)
			held = true;
	spin_unlock(&ctx->flc_lock);
	return held;
}

static int ghost_export_outside(struct ghost *g, struct file *file)
{
	char *buf __free(kfree) = NULL;
	u32 ref;

	if (!ghost_ref_find(g, file, &ref))
		return ref;
	buf = kmalloc(PATH_MAX, GFP_KERNEL);
	if (!buf)
		return -ENOMEM;
	return ghost_put_file(g, file, GHOST_FILE_USE_FD, GHOST_FILE_OUTSIDE,
			      ghost_file_name(file, buf, PATH_MAX));
}

/* The next open file of @t from descriptor *@fd on; NULL: there is none */
static struct file *ghost_next_file(struct task_struct *t, unsigned int *fd)
{
	guard(rcu)();
	return task_lookup_next_fdget_rcu(t, fd);
}

static bool ghost_fd_cloexec(struct task_struct *t, unsigned int fd)
{
	bool cloexec = false;

	task_lock(t);
	rcu_read_lock();
	if (t->files && fd < files_fdtable(t->files)->max_fds)
		cloexec = close_on_exec(fd, t->files);
	rcu_read_unlock();
	task_unlock(t);
	return cloexec;
}

static void ghost_put_outside(struct ghost *g)
{
	u32 i;

	for (i = 0; i < g->fd_map_len; i++) {
		if (g->fd_map[i].file)
			ghost_put_foreign(g->fd_map[i].file);
		g->fd_map[i].file = NULL;
	}
}

static int ghost_get_outside(struct ghost *g, struct task_struct *t)
{
	int ret = 0;
	u32 i;

	ghost_put_outside(g);
	for (i = 0; i < g->fd_map_len && !ret; i++) {
		g->fd_map[i].file = fget_task(t, g->fd_map[i].image_fd);
		if (g->fd_map[i].file)
			continue;
		if (READ_ONCE(t->files))
			ret = ghost_refuse(g, -EBADF, "fd %d: not open", g->fd_map[i].image_fd);
		else
			ret = ghost_refuse(g, -ESRCH, "process: is exiting");
	}
	return ret;
}

static bool ghost_is_outside(struct ghost *g, struct file *file)
{
	u32 i;

	for (i = 0; i < g->fd_map_len; i++)
		if (g->fd_map[i].file == file)
			return true;
	return false;
}

static int ghost_check_fd(struct ghost *g, struct task_struct *t, struct file *file,
			  unsigned int fd)
{
	char what[16];
	int ret;

	snprintf(what, sizeof(what), "fd %u", fd);
	if (ghost_is_outside(g, file)) {
		if (file->f_mode & (FMODE_READ | FMODE_WRITE))
			return 0;
		return ghost_refuse(g, -EOPNOTSUPP, "%s: neither readable nor writable", what);
	}
	ret = ghost_check_file(g, file, what);
	/* Only an address to compare with: nothing of the table is looked at */
	if (!ret && ghost_posix_locked(file, READ_ONCE(t->files)))
		ret = ghost_refuse(g, -EOPNOTSUPP, "%s: POSIX lock: not supported", what);
	return ret;
}

int ghost_check_files(struct ghost *g, struct task_struct *t)
{
	struct file *file;
	unsigned int fd;
	int ret;

	ret = ghost_get_outside(g, t);
	for (fd = 0; !ret; fd++) {
		file = ghost_next_file(t, &fd);
		if (!file)
			break;
		ret = ghost_check_fd(g, t, file, fd);
		ghost_put_foreign(file);
		ret = ret ?: ghost_yield();
	}
	ghost_put_outside(g);
	return ret;
}

int ghost_export_files(struct ghost *g, struct task_struct *t)
{
	struct file *file;
	unsigned int fd;
	int ret;

	ret = ghost_export_mm_files(g, t);
	if (!ret)
		ret = ghost_get_outside(g, t);
	for (fd = 0; !ret; fd++) {
		file = ghost_next_file(t, &fd);
		if (!file)
			break;
		ret = ghost_is_outside(g, file) ? ghost_export_outside(g, file) :
						  ghost_export_file(g, file, GHOST_FILE_USE_FD);
		ghost_put_foreign(file);
		ret = min(ret, 0) ?: ghost_yield();
	}
	ghost_put_outside(g);
	return ret;
}

int ghost_export_fds(struct ghost *g, struct task_struct *t)
{
	struct ghost_rec_fd rec = {};
	struct file *file;
	unsigned int fd;
	int ret = 0;
	u32 ref;

	for (fd = 0; !ret; fd++) {
		file = ghost_next_file(t, &fd);
		if (!file)
			break;
		ret = ghost_ref_find(g, file, &ref);
		ghost_put_foreign(file);
		if (ret)
			break;
		rec.fd = cpu_to_le32(fd);
		rec.file = cpu_to_le32(ref);
		rec.flags = cpu_to_le32(ghost_fd_cloexec(t, fd) ? GHOST_FD_CLOEXEC : 0);
		ret = ghost_put(g, GHOST_REC_FD, &rec, sizeof(rec)) ?: ghost_yield();
	}
	return ret;
}

/* Import */

/* What the importer could have or get by setrlimit(2) */
static unsigned long ghost_max_fds(void)
{
	return ns_capable_noaudit(&init_user_ns, CAP_SYS_RESOURCE) ? sysctl_nr_open :
		rlimit_max(RLIMIT_NOFILE);
}

static struct ghost_files *ghost_files(struct ghost *g)
{
	if (!g->files) {
		g->files = kzalloc(sizeof(*g->files), GFP_KERNEL);
		if (!g->files)
			return NULL;
		xa_init_flags(&g->files->files, XA_FLAGS_ACCOUNT);
		xa_init_flags(&g->files->fds, XA_FLAGS_ACCOUNT);
	}
	return g->files;
}

/**
 * ghost_free_files() - forget the records of open files that were read
 * @g: the import
 */
void ghost_free_files(struct ghost *g)
{
	struct ghost_fd_entry *entry;
	struct ghost_file *gf;
	unsigned long ref, fd;

	if (!g->files)
		return;
	xa_for_each(&g->files->fds, fd, entry)
		kfree(entry);
	xa_destroy(&g->files->fds);
	xa_for_each(&g->files->files, ref, gf) {
		if (gf->file)
			fput(gf->file);
		kfree(gf);
	}
	xa_destroy(&g->files->files);
	kfree(g->files);
	g->files = NULL;
}

int ghost_import_file(struct ghost *g)
{
	struct ghost_files *files = ghost_files(g);
	struct ghost_rec_file rec;
	struct ghost_file *gf;
	size_t len;
	char *name;
	int ret;

	if (!files)
		return -ENOMEM;
	ret = ghost_get_head(g, GHOST_REC_FILE, &rec, sizeof(rec));
	if (ret)
		return ret;
	len = le32_to_cpu(rec.name_len);
	name = ghost_get_name(g, sizeof(rec), len);
	if (IS_ERR(name))
		return PTR_ERR(name);
	if (!g->hdr.ref || !ghost_file_rec_valid(&rec) ||
	    (ghost_file_has_path(le32_to_cpu(rec.type)) && name[0] != '/'))
		return ghost_refuse(g, -EBADMSG, "image: file %s", name);

	/* More than a process could have in descriptors and mappings */
	if (files->nr_files++ >= ghost_max_fds() + READ_ONCE(sysctl_max_map_count))
		return ghost_refuse(g, -EMFILE, "image: file %s: one too many", name);
	files->bytes += struct_size(gf, name, len + 1);
	if (files->bytes > GHOST_FILES_BYTES_MAX)
		return ghost_refuse(g, -ENOMEM, "image: file %s: names are too long", name);
	gf = kzalloc(struct_size(gf, name, len + 1), GFP_KERNEL_ACCOUNT);
	if (!gf)
		return -ENOMEM;
	gf->rec = rec;
	memcpy(gf->name, name, len);
	ret = xa_insert(&files->files, g->hdr.ref, gf, GFP_KERNEL);
	if (ret)
		kfree(gf);
	return ret == -EBUSY ? -EBADMSG : ret;
}

int ghost_import_fd(struct ghost *g)
{
	struct ghost_files *files = ghost_files(g);
	struct ghost_fd_entry *entry;
	struct ghost_rec_fd rec;
	u32 ref;
	int ret;

	if (!files)
		return -ENOMEM;
	ret = ghost_get(g, GHOST_REC_FD, &rec, sizeof(rec));
	if (ret)
		return ret;
	ref = le32_to_cpu(rec.file);
	if (le32_to_cpu(rec.fd) > INT_MAX || le32_to_cpu(rec.flags) & ~GHOST_FD_CLOEXEC ||
	    rec.pad || !xa_load(&files->files, ref))
		return ghost_refuse(g, -EBADMSG, "image: fd %u", le32_to_cpu(rec.fd));
	if (le32_to_cpu(rec.fd) >= ghost_max_fds())
		return ghost_refuse(g, -EMFILE,
				    "fd %u: above the importer's limit of open files",
				    le32_to_cpu(rec.fd));
	if (le32_to_cpu(rec.fd) < files->next_fd)
		return ghost_refuse(g, -EBADMSG, "image: descriptors in disorder");

	entry = kzalloc(sizeof(*entry), GFP_KERNEL_ACCOUNT);
	if (!entry)
		return -ENOMEM;
	entry->fd = le32_to_cpu(rec.fd);
	entry->ref = ref;
	entry->cloexec = le32_to_cpu(rec.flags) & GHOST_FD_CLOEXEC;
	files->next_fd = entry->fd + 1;
	ret = xa_insert(&files->fds, entry->fd, entry, GFP_KERNEL);
	if (ret)
		kfree(entry);
	return ret;
}

/* May @file stand where the image had one that was opened with @rec's access mode? */
static bool ghost_access_covers(const struct ghost_rec_file *rec, struct file *file)
{
	fmode_t want = OPEN_FMODE(le32_to_cpu(rec->flags));

	return !(file->f_mode & FMODE_PATH) && !(want & ~file->f_mode & (FMODE_READ | FMODE_WRITE));
}

static int ghost_map_fd(struct ghost *g, const struct ghost_fd *map)
{
	struct ghost_fd_entry *entry = xa_load(&g->files->fds, map->image_fd);
	bool only_outside = g->flags & GHOST_IMPORT_OUTSIDE_ONLY;
	struct ghost_file *gf;

	if (!entry)
		return only_outside ? 0 : ghost_refuse(g, -EBADF, "fd %d: not open in the image",
						       map->image_fd);
	gf = xa_load(&g->files->files, entry->ref);
	if (only_outside && le32_to_cpu(gf->rec.type) != GHOST_FILE_OUTSIDE)
		return 0;
	if (!ghost_access_covers(&gf->rec, map->file))
		return ghost_refuse(g, -EBADF,
				    "fd %u: %s: the descriptor given for it has not its access mode",
				    entry->fd, gf->name);
	entry->instead = map->file;
	if (!gf->instead)
		gf->instead = map->file;
	return 0;
}

static int ghost_reopen(struct ghost *g, struct ghost_file *gf, u32 ref)
{
	u32 use = le32_to_cpu(gf->rec.use);
	struct file *file;

	/* What is mapped has to be the same, whatever stands behind the descriptors */
	if (gf->instead && !(use & (GHOST_FILE_USE_MAP | GHOST_FILE_USE_EXE)))
		return 0;
	if (le32_to_cpu(gf->rec.type) == GHOST_FILE_OUTSIDE)
		return 0;
	file = ghost_reopen_file(g, &gf->rec, gf->name);
	if (IS_ERR(file))
		return PTR_ERR(file);
	gf->file = file;
	return ghost_ref_set(g, ref, file);
}

/* As setrlimit(2); the limit of the image, which may be lower, is set later */
static int ghost_allow_fd(struct ghost *g, unsigned int fd)
{
	struct rlimit limit = { .rlim_cur = (unsigned long)fd + 1 };

	if (fd < rlimit(RLIMIT_NOFILE))
		return 0;
	limit.rlim_max = max(limit.rlim_cur, rlimit_max(RLIMIT_NOFILE));
	if (!do_prlimit(current, RLIMIT_NOFILE, &limit, NULL))
		return 0;
	return ghost_refuse(g, -EMFILE, "fd %u: above the importer's limit of open files", fd);
}

static int ghost_install_fd(struct ghost *g, struct ghost_fd_entry *entry)
{
	struct ghost_file *gf = xa_load(&g->files->files, entry->ref);
	struct file *file = entry->instead ?: gf->instead ?: gf->file;
	int ret;

	if (!file)
		return ghost_refuse(g, -EBADF,
				    "fd %u: %s: outside the image: give a descriptor for it",
				    entry->fd, gf->name);
	if (!ghost_access_covers(&gf->rec, file))
		return ghost_refuse(g, -EBADF, "fd %u: %s: no file with its access mode",
				    entry->fd, gf->name);
	ret = ghost_allow_fd(g, entry->fd);
	if (!ret)
		ret = replace_fd(entry->fd, file, entry->cloexec ? O_CLOEXEC : 0);
	if (ret)
		return ghost_refuse(g, ret, "fd %u: %s: no descriptor (%pe)", entry->fd, gf->name,
				    ERR_PTR(ret));
	return 0;
}

/**
 * ghost_finish_files() - open the files of an image and install its descriptors
 * @g: the import; all FILE and FD records have been read, current is the embryo
 * Return: 0 or a negative errno.
 */
int ghost_finish_files(struct ghost *g)
{
	struct ghost_files *files = ghost_files(g);
	struct ghost_fd_entry *entry;
	struct ghost_file *gf;
	unsigned long ref, fd;
	int ret = 0;
	u32 i;

	if (!files)
		return -ENOMEM;
	for (i = 0; i < g->fd_map_len && !ret; i++)
		ret = ghost_map_fd(g, &g->fd_map[i]);
	if (ret)
		return ret;
	xa_for_each(&files->files, ref, gf) {
		ret = ghost_reopen(g, gf, ref) ?: ghost_yield();
		if (ret)
			return ret;
	}
	xa_for_each(&files->fds, fd, entry) {
		ret = ghost_install_fd(g, entry) ?: ghost_yield();
		if (ret)
			return ret;
	}
	ghost_free_files(g);
	return 0;
}
