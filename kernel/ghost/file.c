// SPDX-License-Identifier: GPL-2.0
/*
 * ghost: open files
 *
 * Each sort of files that is carried has registered how; all others are refused by name.
 * A sort is found by its number or by a file under RCU and pinned by its module while it
 * is used.
 */
#include <linux/cred.h>
#include <linux/export.h>
#include <linux/fdtable.h>
#include <linux/file.h>
#include <linux/filelock.h>
#include <linux/fs_struct.h>
#include <linux/magic.h>
#include <linux/major.h>
#include <linux/module.h>
#include <linux/mount.h>
#include <linux/namei.h>
#include <linux/net.h>
#include <linux/pagemap.h>
#include <linux/rcupdate.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/stat.h>
#include <linux/xarray.h>
#include <net/sock.h>
#include <kunit/visibility.h>

#include "ghost.h"

/* What an open file keeps of the flags of its open() */
#define GHOST_FILE_FLAGS	(O_ACCMODE | O_APPEND | O_NONBLOCK | O_SYNC | O_DIRECT |	\
				 O_LARGEFILE | O_DIRECTORY | O_NOFOLLOW | O_NOATIME)

/* ... and those that only F_GETFL shows, but would change what open() does */
#define GHOST_FILE_FLAGS_LATER	(O_NONBLOCK | O_DIRECTORY | O_NOFOLLOW)

#define GHOST_FILE_USES		(GHOST_FILE_USE_FD | GHOST_FILE_USE_MAP | GHOST_FILE_USE_EXE)

static DEFINE_XARRAY(ghost_file_types);

static bool ops_make_sense(const struct ghost_file_ops *ops)
{
	/* Files outside an image are told by the fd map, not by what they are */
	if (!ops->type || ops->type == GHOST_FILE_OUTSIDE)
		return false;
	return ops->match && ops->check && ops->open;
}

/**
 * ghost_file_register() - make a sort of files known; sleeps
 * @ops: how to carry them; must stay until ghost_file_unregister()
 *
 * From here on @ops may be used at any moment: in a module this is the last step of its
 * init function, and none that may fail follows.
 *
 * Return: 0, -EINVAL if @ops makes no sense, -EEXIST if the type is taken, -ENOMEM.
 */
int ghost_file_register(const struct ghost_file_ops *ops)
{
	int ret;

	if (!ops_make_sense(ops))
		return -EINVAL;
	ret = xa_insert(&ghost_file_types, ops->type, (void *)ops, GFP_KERNEL);
	return ret == -EBUSY ? -EEXIST : ret;
}
EXPORT_SYMBOL_GPL(ghost_file_register);

/**
 * ghost_file_unregister() - forget a sort of files; sleeps
 * @ops: as given to ghost_file_register(); not registered: nothing is done
 *
 * When it returns, no lookup uses @ops any more. Callbacks that run pin the module, so
 * that none is left when a module's exit function calls this. Files of the sort that are
 * open stay what they are, but are refused from now on, as are images with such files.
 */
void ghost_file_unregister(const struct ghost_file_ops *ops)
{
	xa_cmpxchg(&ghost_file_types, ops->type, (void *)ops, NULL, 0);
	synchronize_rcu();
}
EXPORT_SYMBOL_GPL(ghost_file_unregister);

/* The next type after *@type, which becomes its number; its module is pinned */
static const struct ghost_file_ops *ghost_file_next(unsigned long *type)
{
	const struct ghost_file_ops *ops;

	guard(rcu)();
	do {
		ops = xa_find_after(&ghost_file_types, type, U32_MAX, XA_PRESENT);
	} while (ops && !try_module_get(ops->owner));
	return ops;
}

/* How to carry @file, NULL: not at all; its module is pinned, which the caller gives back */
static const struct ghost_file_ops *ghost_file_match(struct file *file)
{
	const struct ghost_file_ops *ops;
	unsigned long type = 0;

	while ((ops = ghost_file_next(&type))) {
		if (ops->match(file))
			return ops;
		module_put(ops->owner);
	}
	return NULL;
}

/* GHOST_FILE_* of @file, 0: none */
static u32 ghost_file_type(struct file *file)
{
	const struct ghost_file_ops *ops = ghost_file_match(file);
	u32 type;

	if (!ops)
		return 0;
	type = ops->type;
	module_put(ops->owner);
	return type;
}

/* How to carry files of @type, NULL: not at all; its module is pinned as above */
static const struct ghost_file_ops *ghost_file_find(u32 type)
{
	const struct ghost_file_ops *ops;

	guard(rcu)();
	ops = xa_load(&ghost_file_types, type);
	return ops && try_module_get(ops->owner) ? ops : NULL;
}

/* Names */

/**
 * ghost_file_name() - what a file is called in messages
 * @file: any open file
 * @buf: used for the name
 * @size: bytes of @buf, at least 16
 * Return: the name, somewhere in @buf.
 */
char *ghost_file_name(struct file *file, char *buf, size_t size)
{
	char *name = d_path(file_user_path(file), buf, size);

	if (IS_ERR(name)) {
		strscpy(buf, "?", size);
		name = buf;
	}
	return name;
}

/* Path of a file as the caller of the export would name it; NULL: it cannot be named */
static char *ghost_path_name(const struct path *path, char *buf, size_t size)
{
	struct path root;
	char *name;

	get_fs_root(current->fs, &root);
	name = __d_path(path, &root, buf, size);
	path_put(&root);
	return name;
}

static const char *ghost_file_sort(struct file *file)
{
	struct inode *inode = file_inode(file);
	struct socket *sock = sock_from_file(file);

	if (sock) {
		switch (sock->sk ? sock->sk->sk_family : AF_UNSPEC) {
		case AF_UNIX:
			return "UNIX ";
		case AF_INET:
			return "IPv4 ";
		case AF_INET6:
			return "IPv6 ";
		case AF_NETLINK:
			return "netlink ";
		}
		return "";
	}
	if (S_ISBLK(inode->i_mode))
		return "block device ";
	if (S_ISFIFO(inode->i_mode) && inode->i_sb->s_magic != PIPEFS_MAGIC)
		return "FIFO ";
	if (!S_ISCHR(inode->i_mode))
		return "";
	switch (imajor(inode)) {
	case TTY_MAJOR:
	case TTYAUX_MAJOR:
	case UNIX98_PTY_MASTER_MAJOR ... UNIX98_PTY_SLAVE_MAJOR + UNIX98_PTY_MAJOR_COUNT - 1:
		return "terminal ";
	}
	return "character device ";
}

static int ghost_refuse_unknown(struct ghost *g, struct file *file, const char *what,
				char *name)
{
	static const char anon[] = "anon_inode:";

	if (str_has_prefix(name, anon)) {
		name += strlen(anon);
		if (*name == '[' && name[strlen(name) - 1] == ']') {
			name[strlen(name) - 1] = '\0';
			name++;
		}
	}
	return ghost_refuse(g, -EOPNOTSUPP, "%s: %s%s: not supported", what,
			    ghost_file_sort(file), name);
}

/* Export */

static const char *ghost_file_locks(struct file *file)
{
	struct file_lock_context *ctx = locks_inode_context(file_inode(file));
	struct file_lock_core *lock;
	const char *held = NULL;

	if (!ctx)
		return NULL;
	spin_lock(&ctx->flc_lock);
	list_for_each_entry(lock, &ctx->flc_posix, flc_list)
		if (lock->flc_owner == file)
			held = "open file description lock";
	list_for_each_entry(lock, &ctx->flc_flock, flc_list)
		if (lock->flc_file == file)
			held = "flock";
	list_for_each_entry(lock, &ctx->flc_lease, flc_list)
		if (lock->flc_file == file)
			held = "lease";
	spin_unlock(&ctx->flc_lock);
	return held;
}

/* F_SETOWN, F_SETSIG, O_ASYNC, F_NOTIFY and leases all leave an owner behind */
static bool ghost_file_owned(struct file *file)
{
	struct fown_struct *owner = file_f_owner(file);

	return file->f_flags & FASYNC || (owner && (READ_ONCE(owner->pid) || owner->signum));
}

/**
 * ghost_check_path() - refuse what cannot be found again by its name
 * @g: the operation
 * @path: a path in use
 * @what: whose it is, for messages
 * @name: its name, for messages
 * Return: 0 or what ghost_refuse() returns.
 */
int ghost_check_path(struct ghost *g, const struct path *path, const char *what,
		     const char *name)
{
	char *buf __free(kfree) = NULL;
	struct dentry *dentry = path->dentry;
	struct path found;
	char *abs;
	bool same;
	int ret;

	if (d_unlinked(dentry) || !d_inode(dentry)->i_nlink ||
	    dentry->d_flags & DCACHE_NFSFS_RENAMED)
		return ghost_refuse(g, -EOPNOTSUPP, "%s: %s: deleted file: not supported",
				    what, name);

	buf = kmalloc(PATH_MAX, GFP_KERNEL);
	if (!buf)
		return -ENOMEM;
	abs = ghost_path_name(path, buf, PATH_MAX);
	if (IS_ERR_OR_NULL(abs))
		return ghost_refuse(g, -EOPNOTSUPP, "%s: %s: out of the caller's reach",
				    what, name);

	ret = kern_path(abs, 0, &found);
	if (ret)
		/* Whoever imports may be allowed more */
		return ret == -EACCES ? 0 : ghost_refuse(g, -EOPNOTSUPP,
			"%s: %s: not found by its name (%pe)", what, name, ERR_PTR(ret));
	same = found.mnt == path->mnt && d_inode(found.dentry) == d_inode(dentry);
	path_put(&found);
	if (!same)
		return ghost_refuse(g, -EOPNOTSUPP, "%s: %s: hidden by another of this name",
				    what, name);
	return 0;
}

static int ghost_check_open_file(struct ghost *g, struct file *file, const char *what,
				 const char *name)
{
	const fmode_t access = FMODE_READ | FMODE_WRITE;
	const char *held = ghost_file_locks(file);
	int ret = 0;

	if (held)
		ret = ghost_refuse(g, -EOPNOTSUPP, "%s: %s: %s: not supported", what, name,
				   held);
	if (!ret && ghost_file_owned(file))
		ret = ghost_refuse(g, -EOPNOTSUPP,
				   "%s: %s: signal-driven I/O (F_SETOWN, F_SETSIG, O_ASYNC, F_NOTIFY): not supported",
				   what, name);
	if (!ret && (file->f_mode ^ OPEN_FMODE(file->f_flags)) & access)
		ret = ghost_refuse(g, -EOPNOTSUPP, "%s: %s: access mode: not supported", what,
				   name);
	if (!ret && filemap_check_wb_err(file->f_mapping, file->f_wb_err))
		ret = ghost_refuse(g, -EOPNOTSUPP, "%s: %s: write-back error not reported yet",
				   what, name);
	return ret;
}

/**
 * ghost_check_file() - refuse an open file that cannot be carried
 * @g: the operation
 * @file: the file; it may be in use
 * @what: whose it is ("fd 7"), for messages
 * Return: 0 or what ghost_refuse() returns, -ENOMEM.
 */
int ghost_check_file(struct ghost *g, struct file *file, const char *what)
{
	char *buf __free(kfree) = kmalloc(PATH_MAX, GFP_KERNEL);
	const struct ghost_file_ops *ops;
	char *name;
	int ret;

	if (!buf)
		return -ENOMEM;
	name = ghost_file_name(file, buf, PATH_MAX);
	if (file->f_mode & FMODE_PATH)
		return ghost_refuse(g, -EOPNOTSUPP, "%s: %s: O_PATH: not supported", what,
				    name);
	ops = ghost_file_match(file);
	if (!ops)
		return ghost_refuse_unknown(g, file, what, name);
	ret = ghost_check_open_file(g, file, what, name);
	if (!ret)
		ret = ops->check(g, file, what, name);
	module_put(ops->owner);
	return ret;
}
EXPORT_SYMBOL_IF_KUNIT(ghost_check_file);

/**
 * ghost_put_file() - put the record of an open file that the image does not have
 * @g: the export
 * @file: the file
 * @use: GHOST_FILE_USE_*
 * @type: GHOST_FILE_*
 * @name: its path, or what it is called in messages if it is outside the image
 * Return: its ref (> 0), or a negative errno.
 */
int ghost_put_file(struct ghost *g, struct file *file, u32 use, u32 type, const char *name)
{
	struct ghost_rec_file rec = {
		.type = cpu_to_le32(type),
		.name_len = cpu_to_le32(strlen(name)),
		.flags = cpu_to_le32(file->f_flags & GHOST_FILE_FLAGS),
		.mode = cpu_to_le32(file_user_inode(file)->i_mode),
		.use = cpu_to_le32(use),
	};
	struct kstat stat;
	u32 ref;
	int ret;

	if (type != GHOST_FILE_OUTSIDE) {
		/* The process is parked: it must not wait for NFS to write back what is dirty */
		ret = vfs_getattr(file_user_path(file), &stat, STATX_BASIC_STATS,
				  AT_STATX_DONT_SYNC);
		if (ret)
			return ghost_refuse(g, ret, "%s: cannot be examined (%pe)", name,
					    ERR_PTR(ret));
		rec.pos = cpu_to_le64(READ_ONCE(file->f_pos));
		rec.dev = cpu_to_le64(new_encode_dev(stat.dev));
		rec.ino = cpu_to_le64(stat.ino);
		rec.size = cpu_to_le64(stat.size);
		rec.mtime_sec = cpu_to_le64(stat.mtime.tv_sec);
		rec.mtime_nsec = cpu_to_le32(stat.mtime.tv_nsec);
		rec.rdev = cpu_to_le64(new_encode_dev(stat.rdev));
	}

	ret = ghost_ref_add(g, file, &ref);
	if (!ret)
		ret = ghost_put_object(g, GHOST_REC_FILE, ref, &rec, sizeof(rec), name,
				       strlen(name));
	return ret ?: ref;
}

/**
 * ghost_export_file() - put the record of an open file, unless the image has it
 * @g: the export
 * @file: the file
 * @use: GHOST_FILE_USE_*; what it is used for first is recorded: mapped files go
 *	before descriptors, as more is asked of them
 * Return: its ref (> 0), or a negative errno.
 */
int ghost_export_file(struct ghost *g, struct file *file, u32 use)
{
	char *buf __free(kfree) = NULL;
	u32 ref, type;
	char *name;

	if (!ghost_ref_find(g, file, &ref))
		return ref;

	buf = kmalloc(PATH_MAX, GFP_KERNEL);
	if (!buf)
		return -ENOMEM;
	type = ghost_file_type(file);
	name = ghost_file_has_path(type) ? ghost_path_name(file_user_path(file), buf, PATH_MAX) :
					   ghost_file_name(file, buf, PATH_MAX);
	if (!type || IS_ERR_OR_NULL(name))
		return ghost_refuse(g, -EOPNOTSUPP, "%s: not supported",
				    ghost_file_name(file, buf, PATH_MAX)) ?: -EOPNOTSUPP;
	return ghost_put_file(g, file, use, type, name);
}
EXPORT_SYMBOL_IF_KUNIT(ghost_export_file);

/* Import */

/**
 * ghost_file_rec_valid() - does the record of an open file make sense?
 * @rec: the record
 * Return: true or false.
 */
bool ghost_file_rec_valid(const struct ghost_rec_file *rec)
{
	u32 flags = le32_to_cpu(rec->flags);

	return !(flags & ~GHOST_FILE_FLAGS) && (flags & O_ACCMODE) != O_ACCMODE &&
	       le64_to_cpu(rec->pos) <= LLONG_MAX && le64_to_cpu(rec->size) <= LLONG_MAX &&
	       !(le32_to_cpu(rec->use) & ~GHOST_FILE_USES);
}

/**
 * ghost_open_path() - open a file of an image by its name
 * @g: the import
 * @rec: its record
 * @path: its path
 * @stat: filled with what it is now
 *
 * With the credentials of the importer. The type is looked at first: to open a device
 * or a FIFO that somebody put there would have effects.
 *
 * Return: the file, or an ERR_PTR after ghost_refuse().
 */
struct file *ghost_open_path(struct ghost *g, const struct ghost_rec_file *rec,
			     const char *path, struct kstat *stat)
{
	int flags = (le32_to_cpu(rec->flags) & ~GHOST_FILE_FLAGS_LATER) | O_NONBLOCK |
		    O_NOFOLLOW | O_NOCTTY | O_LARGEFILE;
	u32 type = le32_to_cpu(rec->mode) & S_IFMT;
	struct path found;
	struct file *file;
	int ret;

	ret = kern_path(path, 0, &found);
	if (ret == -ENOENT || ret == -ENOTDIR || ret == -ELOOP) {
		ghost_refuse(g, -ESTALE, "%s: is gone", path);
		return ERR_PTR(-ESTALE);
	}
	if (!ret) {
		if ((d_inode(found.dentry)->i_mode & S_IFMT) != type)
			ret = -ESTALE;
		path_put(&found);
	}
	if (ret == -ESTALE)
		goto changed;
	if (ret)
		goto failed;

	file = filp_open(path, flags, 0);
	if (IS_ERR(file)) {
		ret = PTR_ERR(file);
		goto failed;
	}
	ret = vfs_getattr(&file->f_path, stat, STATX_BASIC_STATS, AT_STATX_SYNC_AS_STAT);
	if (!ret && (stat->mode & S_IFMT) != type)
		ret = -ESTALE;
	if (ret) {
		fput(file);
		goto changed;
	}

	spin_lock(&file->f_lock);
	file->f_flags &= ~GHOST_FILE_FLAGS_LATER;
	file->f_flags |= le32_to_cpu(rec->flags) & GHOST_FILE_FLAGS_LATER;
	spin_unlock(&file->f_lock);
	return file;

changed:
	ghost_refuse(g, ret, "%s: is not what it was at the export", path);
	return ERR_PTR(ret);
failed:
	ghost_refuse(g, ret, "%s: cannot be opened (%pe)", path, ERR_PTR(ret));
	return ERR_PTR(ret);
}

/**
 * ghost_reopen_file() - open a file of an image again
 * @g: the import
 * @rec: its record
 * @path: its path
 * Return: the file, or an ERR_PTR after ghost_refuse().
 */
struct file *ghost_reopen_file(struct ghost *g, const struct ghost_rec_file *rec,
			       const char *path)
{
	const struct ghost_file_ops *ops = ghost_file_find(le32_to_cpu(rec->type));
	struct file *file;

	if (!ops)
		return ERR_PTR(ghost_refuse(g, -EOPNOTSUPP, "%s: unknown type of file", path));
	file = ops->open(g, rec, path);
	module_put(ops->owner);
	return file;
}
EXPORT_SYMBOL_IF_KUNIT(ghost_reopen_file);
