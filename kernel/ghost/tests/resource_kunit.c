// SPDX-License-Identifier: GPL-2.0
/*
 * ghost: tests of the registry of backends and of the backends themselves
 */
#include <linux/cred.h>
#include <linux/delay.h>
#include <linux/fdtable.h>
#include <linux/file.h>
#include <linux/module.h>
#include <linux/shmem_fs.h>
#include <linux/uio.h>
#include <linux/user_namespace.h>
#include <kunit/test.h>

#include "../ghost.h"
#include "medium.h"

static int resource_init(struct kunit *test)
{
	test->priv = medium_alloc(test, SZ_4K);
	return ghost_resource_register(&medium_ops);
}

static void resource_exit(struct kunit *test)
{
	ghost_resource_unregister(&medium_ops);
}

static int open_medium(struct kunit *test, struct ghost_resource *res, bool write)
{
	return ghost_resource_open(res, write, GHOST_BACKEND_TEST, &test->priv,
				   sizeof(test->priv));
}

static void backend_is_found_by_its_id(struct kunit *test)
{
	struct medium *medium = test->priv;
	struct ghost_resource res = {};

	KUNIT_EXPECT_EQ(test, open_medium(test, &res, true), 0);
	KUNIT_EXPECT_PTR_EQ(test, res.ops, &medium_ops);
	KUNIT_EXPECT_TRUE(test, res.write);
	KUNIT_EXPECT_EQ(test, medium->opened, 1);
	ghost_resource_close(&res);
	KUNIT_EXPECT_EQ(test, medium->closed, 1);
	KUNIT_EXPECT_NULL(test, res.ops);
}

static void closing_twice_closes_once(struct kunit *test)
{
	struct medium *medium = test->priv;
	struct ghost_resource res = {};

	KUNIT_EXPECT_EQ(test, open_medium(test, &res, false), 0);
	ghost_resource_close(&res);
	ghost_resource_close(&res);
	KUNIT_EXPECT_EQ(test, medium->closed, 1);
}

static void open_resource_is_not_opened_again(struct kunit *test)
{
	struct medium *medium = test->priv;
	struct ghost_resource res = {};

	KUNIT_EXPECT_EQ(test, open_medium(test, &res, true), 0);
	KUNIT_EXPECT_EQ(test, open_medium(test, &res, true), -EBUSY);
	KUNIT_EXPECT_EQ(test, medium->opened, 1);
	ghost_resource_close(&res);
}

static void failed_open_leaves_nothing(struct kunit *test)
{
	struct medium *medium = test->priv;
	struct ghost_resource res = {};

	KUNIT_EXPECT_EQ(test, ghost_resource_open(&res, true, GHOST_BACKEND_TEST, &medium, 1),
			-EINVAL);
	KUNIT_EXPECT_NULL(test, res.ops);
	ghost_resource_close(&res);
	KUNIT_EXPECT_EQ(test, medium->closed, 0);
}

static void unknown_id_is_refused(struct kunit *test)
{
	struct ghost_resource res = {};

	KUNIT_EXPECT_EQ(test, ghost_resource_open(&res, true, 0, NULL, 0), -ENODEV);
	KUNIT_EXPECT_EQ(test, ghost_resource_open(&res, true, U32_MAX, NULL, 0), -ENODEV);
	KUNIT_EXPECT_NULL(test, res.ops);
}

static void unregistered_id_is_unknown(struct kunit *test)
{
	struct ghost_resource res = {};

	ghost_resource_unregister(&medium_ops);
	KUNIT_EXPECT_EQ(test, open_medium(test, &res, true), -ENODEV);
}

static void duplicate_id_is_refused(struct kunit *test)
{
	struct ghost_resource_ops other = medium_ops;
	struct ghost_resource res = {};

	other.name = "other";
	KUNIT_EXPECT_EQ(test, ghost_resource_register(&other), -EEXIST);
	/* Nor does the one that was refused take the other along when it goes */
	ghost_resource_unregister(&other);
	KUNIT_EXPECT_EQ(test, open_medium(test, &res, true), 0);
	KUNIT_EXPECT_PTR_EQ(test, res.ops, &medium_ops);
	ghost_resource_close(&res);
}

static int keep_nothing(struct ghost_resource *res, struct ghost *g)
{
	return -EINVAL;
}

static struct ghost *kept_nothing(struct ghost_resource *res)
{
	return NULL;
}

static void operations_without_sense_are_refused(struct kunit *test)
{
	static const struct ghost_handover_ops silent;
	struct ghost_resource_ops ops;
	int i;

	for (i = 0; i < 8; i++) {
		ops = medium_ops;
		ops.id = GHOST_BACKEND_TEST + 1;
		switch (i) {
		case 0:
			ops.id = 0;
			break;
		case 1:
			ops.name = NULL;
			break;
		case 2:
			ops.open = NULL;
			break;
		case 3:
			ops.close = NULL;
			break;
		case 4:
			ops.read = NULL;
			ops.write = NULL;
			break;
		case 5:
			ops.keep = keep_nothing;
			break;
		case 6:
			ops.kept = kept_nothing;
			break;
		case 7:
			ops.handover = &silent;
			break;
		}
		KUNIT_EXPECT_EQ_MSG(test, ghost_resource_register(&ops), -EINVAL, "case %d", i);
	}
}

static void module_cannot_take_an_id_of_the_kernel(struct kunit *test)
{
	struct ghost_resource_ops ops = medium_ops;

	if (!IS_MODULE(CONFIG_GHOST_KUNIT_TEST))
		kunit_skip(test, "the tests are not in a module");
	ops.id = GHOST_BACKEND_MODULE_FIRST - 1;
	KUNIT_EXPECT_EQ(test, ghost_resource_register(&ops), -EINVAL);
	ops.id = GHOST_BACKEND_TEST + 1;
	KUNIT_EXPECT_EQ(test, ghost_resource_register(&ops), 0);
	ghost_resource_unregister(&ops);
}

static void open_resource_pins_its_module(struct kunit *test)
{
	struct ghost_resource res = {};
	int before = module_pins();

	if (before < 0)
		kunit_skip(test, "the tests are not in a module that can be unloaded");
	KUNIT_EXPECT_EQ(test, open_medium(test, &res, true), 0);
	KUNIT_EXPECT_EQ(test, module_pins(), before + 1);
	ghost_resource_close(&res);
	KUNIT_EXPECT_EQ(test, module_pins(), before);
	KUNIT_EXPECT_EQ(test, ghost_resource_open(&res, true, GHOST_BACKEND_TEST, &test->priv, 1),
			-EINVAL);
	KUNIT_EXPECT_EQ(test, module_pins(), before);
}

static void direction_that_is_missing_is_refused(struct kunit *test)
{
	struct medium *medium = test->priv;
	struct ghost_resource_ops ops = medium_ops;
	struct ghost_resource res = {};

	ops.id = GHOST_BACKEND_TEST + 1;
	ops.read = NULL;
	KUNIT_ASSERT_EQ(test, ghost_resource_register(&ops), 0);
	KUNIT_EXPECT_EQ(test, ghost_resource_open(&res, false, ops.id, &medium, sizeof(medium)),
			-EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, ghost_resource_open(&res, true, ops.id, &medium, sizeof(medium)), 0);
	ghost_resource_close(&res);
	KUNIT_EXPECT_EQ(test, medium->opened, 1);
	ghost_resource_unregister(&ops);
}

static void parameters_grow_at_their_tail(struct kunit *test)
{
	u32 out[3], in[4] = { 1, 2, 3 };

	KUNIT_EXPECT_EQ(test, ghost_resource_params(out, 12, 8, in, 7), -EINVAL);
	KUNIT_EXPECT_EQ(test, ghost_resource_params(out, 12, 8, NULL, 0), -EINVAL);

	memset(out, 0xff, sizeof(out));
	KUNIT_EXPECT_EQ(test, ghost_resource_params(out, 12, 8, in, 8), 0);
	KUNIT_EXPECT_EQ(test, out[1], 2);
	KUNIT_EXPECT_EQ(test, out[2], 0);

	KUNIT_EXPECT_EQ(test, ghost_resource_params(out, 12, 8, in, 16), 0);
	KUNIT_EXPECT_EQ(test, out[2], 3);
	in[3] = 4;
	KUNIT_EXPECT_EQ(test, ghost_resource_params(out, 12, 8, in, 12), 0);
	KUNIT_EXPECT_EQ(test, ghost_resource_params(out, 12, 8, in, 16), -E2BIG);
}

static struct kunit_case resource_cases[] = {
	KUNIT_CASE(backend_is_found_by_its_id),
	KUNIT_CASE(closing_twice_closes_once),
	KUNIT_CASE(open_resource_is_not_opened_again),
	KUNIT_CASE(failed_open_leaves_nothing),
	KUNIT_CASE(unknown_id_is_refused),
	KUNIT_CASE(unregistered_id_is_unknown),
	KUNIT_CASE(duplicate_id_is_refused),
	KUNIT_CASE(operations_without_sense_are_refused),
	KUNIT_CASE(module_cannot_take_an_id_of_the_kernel),
	KUNIT_CASE(open_resource_pins_its_module),
	KUNIT_CASE(direction_that_is_missing_is_refused),
	KUNIT_CASE(parameters_grow_at_their_tail),
	{}
};

static struct kunit_suite resource_suite = {
	.name = "ghost_resource",
	.init = resource_init,
	.exit = resource_exit,
	.test_cases = resource_cases,
};

/* The backend for file descriptors; test->priv: a file of tmpfs behind @fd */
struct fd_test {
	struct file *file;
	int fd;
};

static int file_init(struct kunit *test)
{
	struct fd_test *t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);

	if (!t)
		return -ENOMEM;
	test->priv = t;
	t->fd = -1;
	t->file = shmem_file_setup("ghost_test", 0, 0);
	if (IS_ERR(t->file))
		return PTR_ERR(t->file);
	t->fd = get_unused_fd_flags(O_CLOEXEC);
	if (t->fd < 0) {
		fput(t->file);
		return t->fd;
	}
	fd_install(t->fd, t->file);
	return 0;
}

static void file_exit(struct kunit *test)
{
	struct fd_test *t = test->priv;

	if (t && t->fd >= 0)
		close_fd(t->fd);
}

static int open_file(struct ghost_resource *res, bool write, int fd, u32 flags)
{
	struct ghost_file_params params = { .fd = fd, .flags = flags };

	return ghost_resource_open(res, write, GHOST_BACKEND_FILE, &params, sizeof(params));
}

static int transfer(struct ghost_resource *res, void *buf, size_t len)
{
	struct kvec kvec = { .iov_base = buf, .iov_len = len };
	struct iov_iter iter;

	iov_iter_kvec(&iter, res->write ? ITER_SOURCE : ITER_DEST, &kvec, 1, len);
	return res->write ? res->ops->write(res, &iter) : res->ops->read(res, &iter);
}

static void file_is_used_from_its_position_on(struct kunit *test)
{
	struct fd_test *t = test->priv;
	struct ghost_resource res = {};
	char buf[6] = {};

	t->file->f_pos = 2;
	KUNIT_ASSERT_EQ(test, open_file(&res, true, t->fd, 0), 0);
	KUNIT_EXPECT_EQ(test, transfer(&res, "abc", 3), 0);
	KUNIT_EXPECT_EQ(test, transfer(&res, "def", 3), 0);
	ghost_resource_close(&res);
	KUNIT_EXPECT_EQ(test, t->file->f_pos, 8);
	KUNIT_EXPECT_EQ(test, i_size_read(file_inode(t->file)), 8);

	t->file->f_pos = 3;
	KUNIT_ASSERT_EQ(test, open_file(&res, false, t->fd, 0), 0);
	KUNIT_EXPECT_EQ(test, transfer(&res, buf, 4), 0);
	KUNIT_EXPECT_STREQ(test, buf, "bcde");
	KUNIT_EXPECT_EQ(test, t->file->f_pos, 7);
	ghost_resource_close(&res);
}

static void file_that_ends_early_is_noticed(struct kunit *test)
{
	struct fd_test *t = test->priv;
	struct ghost_resource res = {};
	char buf[8];

	KUNIT_ASSERT_EQ(test, open_file(&res, true, t->fd, 0), 0);
	KUNIT_EXPECT_EQ(test, transfer(&res, "abc", 3), 0);
	ghost_resource_close(&res);

	t->file->f_pos = 0;
	KUNIT_ASSERT_EQ(test, open_file(&res, false, t->fd, 0), 0);
	KUNIT_EXPECT_EQ(test, transfer(&res, buf, 4), -ENODATA);
	ghost_resource_close(&res);
}

static void file_of_the_wrong_mode_is_refused(struct kunit *test)
{
	struct fd_test *t = test->priv;
	struct ghost_resource res = {};

	t->file->f_mode &= ~FMODE_WRITE;
	KUNIT_EXPECT_EQ(test, open_file(&res, true, t->fd, 0), -EBADF);
	t->file->f_mode |= FMODE_WRITE;
	t->file->f_mode &= ~FMODE_READ;
	KUNIT_EXPECT_EQ(test, open_file(&res, false, t->fd, 0), -EBADF);
	t->file->f_mode |= FMODE_READ;
	KUNIT_EXPECT_EQ(test, open_file(&res, true, -1, 0), -EBADF);
	KUNIT_EXPECT_EQ(test, open_file(&res, true, t->fd, 1), -EINVAL);
}

static struct kunit_case file_cases[] = {
	KUNIT_CASE(file_is_used_from_its_position_on),
	KUNIT_CASE(file_that_ends_early_is_noticed),
	KUNIT_CASE(file_of_the_wrong_mode_is_refused),
	{}
};

static struct kunit_suite file_suite = {
	.name = "ghost_resource_file",
	.init = file_init,
	.exit = file_exit,
	.test_cases = file_cases,
};

/* The backend that keeps ghosts; test->priv: one to be kept */
static int memory_init(struct kunit *test)
{
	test->priv = ghost_alloc(GHOST_MODE_EXPORT);
	return test->priv ? 0 : -ENOMEM;
}

static void memory_exit(struct kunit *test)
{
	ghost_put_ghost(test->priv);
}

static int open_memory(struct ghost_resource *res, bool write, int fd, u32 flags)
{
	struct ghost_memory_params params = { .fd = fd, .flags = flags };

	return ghost_resource_open(res, write, GHOST_BACKEND_MEMORY, &params, sizeof(params));
}

static long processes(void)
{
	return get_rlimit_value(current_ucounts(), UCOUNT_RLIMIT_NPROC);
}

/* The same, when it has not changed for a while: other processes of root come and go */
static long settled_processes(void)
{
	unsigned int i, same = 0;
	long n = processes();

	for (i = 0; i < 100 && same < 5; i++) {
		msleep(20);
		same = processes() == n ? same + 1 : 0;
		n = processes();
	}
	return n;
}

/* A kernel thread's fput() is not done at once */
static void close_file(int fd)
{
	close_fd(fd);
	flush_delayed_fput();
}

static void kept_ghost_is_found_by_its_descriptor(struct kunit *test)
{
	struct ghost *g = test->priv;
	struct ghost_resource res = {};
	int fd;

	KUNIT_ASSERT_EQ(test, open_memory(&res, true, -1, 0), 0);
	KUNIT_EXPECT_EQ(test, res.ops->keep(&res, g), 0);
	KUNIT_EXPECT_EQ(test, refcount_read(&g->refcount), 2);
	fd = ghost_memory_fd(&res);
	KUNIT_EXPECT_GE(test, fd, 0);
	ghost_memory_install(&res);
	ghost_resource_close(&res);

	KUNIT_EXPECT_EQ(test, open_memory(&res, false, fd, 0), 0);
	KUNIT_EXPECT_PTR_EQ(test, res.ops->kept(&res), g);
	close_file(fd);
	/* Until it is closed the resource holds the file, and that the ghost */
	KUNIT_EXPECT_EQ(test, refcount_read(&g->refcount), 2);
	ghost_resource_close(&res);
	flush_delayed_fput();
	KUNIT_EXPECT_EQ(test, refcount_read(&g->refcount), 1);
}

static void kept_ghost_counts_as_a_process(struct kunit *test)
{
	struct ghost_resource res = {};
	long before = settled_processes();
	int fd;

	KUNIT_ASSERT_EQ(test, open_memory(&res, true, -1, 0), 0);
	KUNIT_EXPECT_EQ(test, processes(), before + 1);
	KUNIT_EXPECT_EQ(test, res.ops->keep(&res, test->priv), 0);
	fd = ghost_memory_fd(&res);
	ghost_memory_install(&res);
	ghost_resource_close(&res);
	KUNIT_EXPECT_EQ(test, processes(), before + 1);
	close_file(fd);
	KUNIT_EXPECT_EQ(test, processes(), before);
}

static void ghost_that_was_not_installed_is_given_back(struct kunit *test)
{
	struct ghost *g = test->priv;
	struct ghost_resource res = {};
	long before = settled_processes();
	int fd;

	KUNIT_ASSERT_EQ(test, open_memory(&res, true, -1, 0), 0);
	fd = ghost_memory_fd(&res);
	ghost_resource_close(&res);
	KUNIT_EXPECT_EQ(test, processes(), before);

	KUNIT_ASSERT_EQ(test, open_memory(&res, true, -1, 0), 0);
	KUNIT_EXPECT_EQ(test, ghost_memory_fd(&res), fd);	/* it is free again */
	KUNIT_EXPECT_EQ(test, res.ops->keep(&res, g), 0);
	KUNIT_EXPECT_EQ(test, res.ops->keep(&res, g), -EBUSY);
	ghost_resource_close(&res);
	flush_delayed_fput();
	KUNIT_EXPECT_EQ(test, processes(), before);
	KUNIT_EXPECT_EQ(test, refcount_read(&g->refcount), 1);
	KUNIT_EXPECT_EQ(test, open_memory(&res, false, fd, 0), -EBADF);
}

static void descriptor_of_another_kind_is_refused(struct kunit *test)
{
	struct ghost_resource res = {};
	struct fd_test *t;

	KUNIT_EXPECT_EQ(test, open_memory(&res, false, -1, 0), -EBADF);
	KUNIT_EXPECT_EQ(test, open_memory(&res, true, -1, 1), -EINVAL);

	ghost_put_ghost(test->priv);
	test->priv = NULL;
	KUNIT_ASSERT_EQ(test, file_init(test), 0);
	t = test->priv;
	test->priv = NULL;
	KUNIT_EXPECT_EQ(test, open_memory(&res, false, t->fd, 0), -EBADF);
	KUNIT_EXPECT_EQ(test, ghost_memory_fd(&res), -EBADF);
	KUNIT_EXPECT_EQ(test, open_file(&res, true, t->fd, 0), 0);
	KUNIT_EXPECT_EQ(test, ghost_memory_fd(&res), -EBADF);
	ghost_resource_close(&res);
	close_fd(t->fd);
}

static struct kunit_case memory_cases[] = {
	KUNIT_CASE(kept_ghost_is_found_by_its_descriptor),
	KUNIT_CASE(kept_ghost_counts_as_a_process),
	KUNIT_CASE(ghost_that_was_not_installed_is_given_back),
	KUNIT_CASE(descriptor_of_another_kind_is_refused),
	{}
};

static struct kunit_suite memory_suite = {
	.name = "ghost_resource_memory",
	.init = memory_init,
	.exit = memory_exit,
	.test_cases = memory_cases,
};

kunit_test_suites(&resource_suite, &file_suite, &memory_suite);
