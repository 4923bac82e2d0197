// SPDX-License-Identifier: GPL-2.0
/*
 * ghost: /dev/null and its like, which keep nothing for those who have them open
 */
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/init.h>
#include <linux/kdev_t.h>
#include <linux/major.h>
#include <linux/stat.h>

#include "ghost.h"

static bool ghost_is_mem_device(umode_t mode, dev_t dev)
{
	if (!S_ISCHR(mode) || MAJOR(dev) != MEM_MAJOR)
		return false;
	switch (MINOR(dev)) {
	case 3:		/* null */
	case 5:		/* zero */
	case 7:		/* full */
	case 8:		/* random */
	case 9:		/* urandom */
		return true;
	}
	return false;
}

static bool ghost_match_mem_device(struct file *file)
{
	const struct inode *inode = file_user_inode(file);

	return ghost_is_mem_device(inode->i_mode, inode->i_rdev);
}

static int ghost_check_mem_device(struct ghost *g, struct file *file, const char *what,
				  const char *name)
{
	return ghost_check_path(g, file_user_path(file), what, name);
}

static struct file *ghost_open_mem_device(struct ghost *g, const struct ghost_rec_file *rec,
					  const char *path)
{
	dev_t dev = new_decode_dev(le64_to_cpu(rec->rdev));
	struct kstat stat;
	struct file *file;

	if (!ghost_is_mem_device(le32_to_cpu(rec->mode), dev))
		return ERR_PTR(ghost_refuse(g, -EBADMSG, "image: %s: type", path));
	file = ghost_open_path(g, rec, path, &stat);
	if (IS_ERR(file) || stat.rdev == dev)
		return file;
	fput(file);
	ghost_refuse(g, -ESTALE, "%s: is another device than at the export", path);
	return ERR_PTR(-ESTALE);
}

static const struct ghost_file_ops ghost_mem_device_ops = {
	.type	= GHOST_FILE_CHARDEV,
	.match	= ghost_match_mem_device,
	.check	= ghost_check_mem_device,
	.open	= ghost_open_mem_device,
};

static int __init ghost_file_char_init(void)
{
	return ghost_file_register(&ghost_mem_device_ops);
}
core_initcall(ghost_file_char_init);
