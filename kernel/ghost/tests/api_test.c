// SPDX-License-Identifier: GPL-2.0
/*
 * ghost: the calls from inside the kernel, made one by one for the selftests
 *
 * An open file of /sys/kernel/debug/ghost_api is a struct ghost. What is written to it is a
 * call, which is made in the context of the writer and whose error write(2) returns:
 *
 *	write ID FD	ghost_plug(), to export to descriptor FD by the backend ID
 *	read ID FD	ghost_plug(), to import from it
 *	export PID	ghost_export_process()
 *	import		ghost_import_process()
 *
 * What is not one of these is -ENOTTY. To read it gives the id of the process that was
 * imported, else the report, which is empty if nothing was refused. To close it is
 * ghost_release().
 */
#include <linux/bitops.h>
#include <linux/capability.h>
#include <linux/debugfs.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/ghost.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/pid.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <uapi/linux/ghost.h>

#define CALL_MAX	64

struct api_test {
	struct ghost *g;
	unsigned long busy;	/* bit 0: a call is being made; it must not hold a lock */
	pid_t pid;		/* of what was imported */
};

static int plug(struct api_test *t, bool write, u32 id, int fd)
{
	/* The parameters of all backends so far begin like this */
	struct ghost_file_params params = { .fd = fd };

	return ghost_plug(t->g, write, id, &params, sizeof(params));
}

static int export_process(struct api_test *t, pid_t nr)
{
	struct pid *pid = find_get_pid(nr);
	int ret = pid ? ghost_export_process(t->g, pid) : -ESRCH;

	put_pid(pid);
	return ret;
}

static int import_process(struct api_test *t)
{
	pid_t pid = ghost_import_process(t->g);

	if (pid < 0)
		return pid;
	WRITE_ONCE(t->pid, pid);
	return 0;
}

static int call(struct api_test *t, const char *text)
{
	char name[8];
	int a, b, n = sscanf(text, "%7s %d %d", name, &a, &b);

	if (n == 3 && !strcmp(name, "write"))
		return plug(t, true, a, b);
	if (n == 3 && !strcmp(name, "read"))
		return plug(t, false, a, b);
	if (n == 2 && !strcmp(name, "export"))
		return export_process(t, a);
	if (n == 1 && !strcmp(name, "import"))
		return import_process(t);
	return -ENOTTY;
}

static ssize_t api_write(struct file *file, const char __user *buf, size_t count, loff_t *ppos)
{
	struct api_test *t = file->private_data;
	char text[CALL_MAX];
	int ret;

	if (count >= sizeof(text))
		return -ENOTTY;
	if (copy_from_user(text, buf, count))
		return -EFAULT;
	text[count] = 0;
	if (test_and_set_bit_lock(0, &t->busy))
		return -EALREADY;
	ret = call(t, text);
	clear_bit_unlock(0, &t->busy);
	return ret ?: count;
}

static ssize_t api_read(struct file *file, char __user *buf, size_t count, loff_t *ppos)
{
	struct api_test *t = file->private_data;
	const char *result = ghost_report(t->g);
	pid_t pid = READ_ONCE(t->pid);
	char text[16];

	if (pid) {
		snprintf(text, sizeof(text), "%d\n", pid);
		result = text;
	}
	return simple_read_from_buffer(buf, count, ppos, result, strlen(result));
}

static int api_open(struct inode *inode, struct file *file)
{
	/* As ghost_import(2) does; ghost_import_process() leaves this to its caller */
	if (!checkpoint_restore_ns_capable(&init_user_ns))
		return -EPERM;
	struct api_test *t __free(kfree) = kzalloc(sizeof(*t), GFP_KERNEL);
	if (!t)
		return -ENOMEM;
	t->g = ghost_create();
	if (IS_ERR(t->g))
		return PTR_ERR(t->g);
	file->private_data = no_free_ptr(t);
	return 0;
}

static int api_release(struct inode *inode, struct file *file)
{
	struct api_test *t = file->private_data;

	ghost_release(t->g);
	kfree(t);
	return 0;
}

static const struct file_operations api_fops = {
	.owner		= THIS_MODULE,
	.open		= api_open,
	.read		= api_read,
	.write		= api_write,
	.llseek		= default_llseek,
	.release	= api_release,
};

static struct dentry *api_file;

static int __init api_test_init(void)
{
	api_file = debugfs_create_file("ghost_api", 0600, NULL, NULL, &api_fops);
	return PTR_ERR_OR_ZERO(api_file);
}
module_init(api_test_init);

static void __exit api_test_exit(void)
{
	/* An open file pins us, so that no call is being made */
	debugfs_remove(api_file);
}
module_exit(api_test_exit);

MODULE_DESCRIPTION("Test of the calls of ghost from inside the kernel");
MODULE_LICENSE("GPL");
