// SPDX-License-Identifier: GPL-2.0
/*
 * ghost: working directory, root directory, umask
 */
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/dcache.h>
#include <linux/fs.h>
#include <linux/fs_struct.h>
#include <linux/namei.h>
#include <linux/sched/task.h>
#include <linux/security.h>
#include <linux/slab.h>

#include "ghost.h"

struct ghost_fs {
	struct path pwd;
	struct path root;
	u32 umask;
};

/* A process that is being killed has none any more */
static bool ghost_get_fs(struct task_struct *t, struct ghost_fs *gfs)
{
	bool ok = false;

	task_lock(t);
	if (t->fs) {
		spin_lock(&t->fs->lock);
		gfs->pwd = t->fs->pwd;
		path_get(&gfs->pwd);
		gfs->root = t->fs->root;
		path_get(&gfs->root);
		gfs->umask = t->fs->umask;
		spin_unlock(&t->fs->lock);
		ok = true;
	}
	task_unlock(t);
	return ok;
}

static void ghost_put_fs(struct ghost_fs *gfs)
{
	path_put(&gfs->pwd);
	path_put(&gfs->root);
}

static int ghost_check_dir(struct ghost *g, const struct path *path, const char *what)
{
	char *buf __free(kfree) = kmalloc(PATH_MAX, GFP_KERNEL);
	char *name;
	int ret;

	if (!buf)
		return -ENOMEM;
	name = d_path(path, buf, PATH_MAX);
	if (IS_ERR(name))
		return ghost_refuse(g, PTR_ERR(name), "%s: path too long", what);
	ret = ghost_check_fs_type(g, path, what, name);
	return ret ?: ghost_check_path(g, path, what, name);
}

int ghost_check_fs(struct ghost *g, struct task_struct *t)
{
	struct ghost_fs gfs;
	int ret;

	if (!ghost_get_fs(t, &gfs))
		return ghost_refuse(g, -ESRCH, "process: gone");
	ret = ghost_check_dir(g, &gfs.pwd, "working directory");
	if (!ret)
		ret = ghost_check_dir(g, &gfs.root, "root directory");
	ghost_put_fs(&gfs);
	return ret;
}

/* Append a path as the caller sees it, padded to 8. Returns its length. */
static int ghost_add_path(const struct path *path, char *buf, size_t *used)
{
	char *name __free(kfree) = kmalloc(PATH_MAX, GFP_KERNEL);
	struct path root;
	size_t len;
	char *p;

	if (!name)
		return -ENOMEM;
	get_fs_root(current->fs, &root);
	p = __d_path(path, &root, name, PATH_MAX);
	path_put(&root);
	if (IS_ERR_OR_NULL(p))
		return p ? PTR_ERR(p) : -EOPNOTSUPP;
	len = strlen(p);
	memcpy(buf + *used, p, len);
	*used += ALIGN(len, 8);
	return len;
}

static int ghost_put_fs_rec(struct ghost *g, const struct ghost_fs *gfs)
{
	char *names __free(kfree) = kzalloc(2 * PATH_MAX, GFP_KERNEL);
	struct ghost_rec_fs rec = { .umask = cpu_to_le32(gfs->umask) };
	size_t used = 0;
	int len;

	if (!names)
		return -ENOMEM;
	len = ghost_add_path(&gfs->pwd, names, &used);
	if (len < 0)
		return ghost_refuse(g, len, "working directory: out of the caller's reach");
	rec.pwd_len = cpu_to_le32(len);
	len = ghost_add_path(&gfs->root, names, &used);
	if (len < 0)
		return ghost_refuse(g, len, "root directory: out of the caller's reach");
	rec.root_len = cpu_to_le32(len);
	return ghost_put_object(g, GHOST_REC_FS, 0, &rec, sizeof(rec), names, used);
}

int ghost_export_fs(struct ghost *g, struct task_struct *t)
{
	struct ghost_fs gfs;
	int ret;

	if (!ghost_get_fs(t, &gfs))
		return ghost_refuse(g, -ESRCH, "process: gone");
	ret = ghost_put_fs_rec(g, &gfs);
	ghost_put_fs(&gfs);
	return ret;
}

static char *ghost_take_path(const char *tail, size_t len)
{
	if (!len || len >= PATH_MAX || tail[0] != '/' || memchr(tail, 0, len))
		return ERR_PTR(-EBADMSG);
	return kmemdup_nul(tail, len, GFP_KERNEL) ?: ERR_PTR(-ENOMEM);
}

static int ghost_find_dir(struct ghost *g, const char *name, const char *what,
			  struct path *path)
{
	int ret = kern_path(name, LOOKUP_DIRECTORY, path);

	if (ret)
		return ghost_refuse(g, ret == -ENOENT || ret == -ENOTDIR ? -ESTALE : ret,
				    "%s: %s: cannot be found (%pe)", what, name, ERR_PTR(ret));
	ret = path_permission(path, MAY_EXEC | MAY_CHDIR);
	if (ret) {
		path_put(path);
		return ghost_refuse(g, ret, "%s: %s: the importer may not enter it", what, name);
	}
	return 0;
}

/* As chdir(2) */
static int ghost_set_pwd(struct ghost *g, const char *name)
{
	struct path path;
	int ret = ghost_find_dir(g, name, "working directory", &path);

	if (ret)
		return ret;
	set_fs_pwd(current->fs, &path);
	path_put(&path);
	return 0;
}

/* As chroot(2), unless it is the importer's root anyway */
static int ghost_set_root(struct ghost *g, const char *name)
{
	struct path path, root;
	int ret;

	ret = ghost_find_dir(g, name, "root directory", &path);
	if (ret)
		return ret;
	get_fs_root(current->fs, &root);
	if (!path_equal(&path, &root)) {
		ret = ns_capable(current_user_ns(), CAP_SYS_CHROOT) ?
			security_path_chroot(&path) : -EPERM;
		if (!ret)
			set_fs_root(current->fs, &path);
		else
			ret = ghost_refuse(g, ret, "root directory: %s: not for the importer",
					   name);
	}
	path_put(&root);
	path_put(&path);
	return ret;
}

static int ghost_apply_fs(struct ghost *g, const struct ghost_rec_fs *rec, const char *tail)
{
	char *pwd __free(kfree) = ghost_take_path(tail, le32_to_cpu(rec->pwd_len));
	char *root __free(kfree) = ghost_take_path(tail + ALIGN(le32_to_cpu(rec->pwd_len), 8),
						   le32_to_cpu(rec->root_len));
	int ret;

	if (IS_ERR(pwd) || IS_ERR(root))
		return IS_ERR(pwd) ? PTR_ERR(pwd) : PTR_ERR(root);
	ret = ghost_set_pwd(g, pwd);
	if (!ret)
		ret = ghost_set_root(g, root);
	if (!ret)
		xchg(&current->fs->umask, le32_to_cpu(rec->umask));
	return ret;
}

/* After all that is found by name: a name means something else below another root */
int ghost_import_fs(struct ghost *g)
{
	struct ghost_rec_fs rec;
	size_t pwd_len, root_len;
	const char *tail;
	int ret;

	ret = ghost_get_head(g, GHOST_REC_FS, &rec, sizeof(rec));
	if (ret)
		return ret;
	pwd_len = le32_to_cpu(rec.pwd_len);
	root_len = le32_to_cpu(rec.root_len);
	if (pwd_len >= PATH_MAX || root_len >= PATH_MAX || le32_to_cpu(rec.umask) & ~0777)
		return ghost_refuse(g, -EBADMSG, "image: directories");
	tail = ghost_get_tail(g, sizeof(rec), ALIGN(pwd_len, 8) + ALIGN(root_len, 8));
	if (IS_ERR(tail))
		return PTR_ERR(tail);
	if (rec.pad)
		return ghost_refuse(g, -EBADMSG, "image: directories");
	return ghost_apply_fs(g, &rec, tail);
}
