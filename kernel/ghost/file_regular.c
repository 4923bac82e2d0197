// SPDX-License-Identifier: GPL-2.0
/*
 * ghost: regular files and directories
 *
 * They are carried by name. Contents are not part of an image, as with any checkpoint:
 * what is mapped or only read has to be the same file at import, what is written may
 * have changed.
 */
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/init.h>
#include <linux/slab.h>
#include <linux/stat.h>

#include "ghost.h"

/* An open file on these is its path, its flags and its position, and nothing else */
static const char * const ghost_fs_types[] = {
	"ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "bcachefs",
	"tmpfs", "devtmpfs", "ramfs", "rootfs", "overlay",
	"squashfs", "erofs", "romfs", "cramfs", "iso9660", "udf",
	"vfat", "msdos", "exfat", "ntfs3", "ntfs",
	"nilfs2", "jfs", "reiserfs", "zonefs", "ubifs", "jffs2",
	"nfs", "nfs4", "9p", "virtiofs",
};

/**
 * ghost_check_fs_type() - refuse file systems that are not known
 * @g: the operation
 * @path: a path in use
 * @what: whose it is, for messages
 * @name: its name, for messages
 *
 * The files of proc, sysfs and the like keep state of their own for each open(), though
 * they are regular ones.
 *
 * Return: 0 or what ghost_refuse() returns.
 */
int ghost_check_fs_type(struct ghost *g, const struct path *path, const char *what,
			const char *name)
{
	const char *type = path->dentry->d_sb->s_type->name;

	if (match_string(ghost_fs_types, ARRAY_SIZE(ghost_fs_types), type) >= 0)
		return 0;
	return ghost_refuse(g, -EOPNOTSUPP, "%s: %s: file system %s: not supported", what, name,
			    type);
}

static int ghost_check_regular(struct ghost *g, struct file *file, const char *what,
			       const char *name)
{
	const struct path *path = file_user_path(file);
	int ret;

	ret = ghost_check_fs_type(g, path, what, name);
	if (!ret)
		ret = ghost_check_path(g, path, what, name);
	if (!ret && !(file->f_mode & FMODE_LSEEK))
		ret = ghost_refuse(g, -EOPNOTSUPP, "%s: %s: has no position: not supported",
				   what, name);
	return ret;
}

static bool ghost_same_file(const struct ghost_rec_file *rec, const struct kstat *stat)
{
	return le64_to_cpu(rec->dev) == new_encode_dev(stat->dev) &&
	       le64_to_cpu(rec->ino) == stat->ino;
}

/* As far as can be told without reading it: so are a copy that keeps the times, and the original */
static bool ghost_same_content(const struct ghost_rec_file *rec, const struct kstat *stat)
{
	return le64_to_cpu(rec->size) == stat->size &&
	       (s64)le64_to_cpu(rec->mtime_sec) == stat->mtime.tv_sec &&
	       le32_to_cpu(rec->mtime_nsec) == stat->mtime.tv_nsec;
}

/* Something it was in the middle of must be there still */
static bool ghost_shortened(const struct ghost_rec_file *rec, const struct kstat *stat)
{
	u64 pos = le64_to_cpu(rec->pos);

	return pos <= le64_to_cpu(rec->size) && pos > stat->size;
}

static int ghost_seek(struct ghost *g, struct file *file, const struct ghost_rec_file *rec,
		      const char *path)
{
	loff_t pos = le64_to_cpu(rec->pos);

	if (pos && vfs_llseek(file, pos, SEEK_SET) != pos)
		return ghost_refuse(g, -ESTALE, "%s: position %lld cannot be set", path, pos);
	return 0;
}

static struct file *ghost_open_regular(struct ghost *g, const struct ghost_rec_file *rec,
				       const char *path)
{
	u32 use = le32_to_cpu(rec->use);
	struct kstat stat;
	struct file *file;
	int ret = 0;

	if (!S_ISREG(le32_to_cpu(rec->mode)))
		return ERR_PTR(ghost_refuse(g, -EBADMSG, "image: %s: type", path));
	file = ghost_open_path(g, rec, path, &stat);
	if (IS_ERR(file))
		return file;

	if (use & (GHOST_FILE_USE_MAP | GHOST_FILE_USE_EXE)) {
		if (!ghost_same_content(rec, &stat))
			ret = ghost_refuse(g, -ESTALE, "%s: changed since the export", path);
	} else if (!(file->f_mode & FMODE_WRITE)) {
		/* The same may have changed, as a log does that is followed */
		if (!ghost_same_file(rec, &stat) && !ghost_same_content(rec, &stat))
			ret = ghost_refuse(g, -ESTALE, "%s: is another file than at the export",
					   path);
		else if (ghost_shortened(rec, &stat))
			ret = ghost_refuse(g, -ESTALE, "%s: is shorter than at the export", path);
	}
	if (!ret)
		ret = ghost_seek(g, file, rec, path);
	if (ret) {
		fput(file);
		return ERR_PTR(ret);
	}
	return file;
}

static struct file *ghost_open_directory(struct ghost *g, const struct ghost_rec_file *rec,
					 const char *path)
{
	struct kstat stat;
	struct file *file;
	int ret = 0;

	if (!S_ISDIR(le32_to_cpu(rec->mode)))
		return ERR_PTR(ghost_refuse(g, -EBADMSG, "image: %s: type", path));
	file = ghost_open_path(g, rec, path, &stat);
	if (IS_ERR(file))
		return file;

	/* A position means something in that very directory only */
	if (rec->pos && !ghost_same_file(rec, &stat))
		ret = ghost_refuse(g, -ESTALE, "%s: is another directory than at the export", path);
	if (!ret)
		ret = ghost_seek(g, file, rec, path);
	if (ret) {
		fput(file);
		return ERR_PTR(ret);
	}
	return file;
}

static bool ghost_is_regular(struct file *file)
{
	return S_ISREG(file_user_inode(file)->i_mode);
}

static bool ghost_is_directory(struct file *file)
{
	return S_ISDIR(file_user_inode(file)->i_mode);
}

static const struct ghost_file_ops ghost_regular_ops = {
	.type	= GHOST_FILE_REGULAR,
	.match	= ghost_is_regular,
	.check	= ghost_check_regular,
	.open	= ghost_open_regular,
};

static const struct ghost_file_ops ghost_directory_ops = {
	.type	= GHOST_FILE_DIRECTORY,
	.match	= ghost_is_directory,
	.check	= ghost_check_regular,
	.open	= ghost_open_directory,
};

static int __init ghost_file_regular_init(void)
{
	return ghost_file_register(&ghost_regular_ops) ?:
	       ghost_file_register(&ghost_directory_ops);
}
core_initcall(ghost_file_regular_init);
