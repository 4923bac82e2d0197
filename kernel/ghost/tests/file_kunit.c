// SPDX-License-Identifier: GPL-2.0
/*
 * ghost: tests of the registry of types of files
 */
#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <kunit/test.h>

#include "../ghost.h"
#include "medium.h"

#define TEST_TYPE	0x74736574

/* A file that no other type matches, and what the callbacks have seen */
struct file_test {
	struct ghost *g;
	struct file *file;
	int matched, checked;		/* how often */
	int pins;			/* of the module, in the last callback */
};

/* For open(), which is not given a file */
static int pins_at_open;

static const struct file_operations test_fops = {
	.owner = THIS_MODULE,
};

static bool test_match(struct file *file)
{
	struct file_test *t = file->private_data;

	might_sleep();
	if (file->f_op != &test_fops)
		return false;
	t->matched++;
	t->pins = module_pins();
	return true;
}

static int test_check(struct ghost *g, struct file *file, const char *what, const char *name)
{
	struct file_test *t = file->private_data;

	might_sleep();
	t->checked++;
	t->pins = module_pins();
	return ghost_refuse(g, -EXDEV, "%s: %s: tested", what, name);
}

static struct file *test_open(struct ghost *g, const struct ghost_rec_file *rec, const char *path)
{
	might_sleep();
	pins_at_open = module_pins();
	return ERR_PTR(ghost_refuse(g, -EXDEV, "%s: tested", path));
}

static const struct ghost_file_ops test_ops = {
	.owner	= THIS_MODULE,
	.type	= TEST_TYPE,
	.match	= test_match,
	.check	= test_check,
	.open	= test_open,
};

static int type_init(struct kunit *test)
{
	struct file_test *t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);

	if (!t)
		return -ENOMEM;
	test->priv = t;
	t->g = ghost_alloc(GHOST_MODE_EXPORT);
	t->file = anon_inode_getfile("ghost_test", &test_fops, t, O_RDWR);
	if (!t->g || IS_ERR(t->file))
		return -ENOMEM;
	return ghost_file_register(&test_ops);
}

static void type_exit(struct kunit *test)
{
	struct file_test *t = test->priv;

	if (!t)
		return;
	ghost_file_unregister(&test_ops);
	ghost_put_ghost(t->g);
	if (IS_ERR_OR_NULL(t->file))
		return;
	/* It pins the module, and a kernel thread's fput() is not done at once */
	fput(t->file);
	flush_delayed_fput();
}

static int reopen(struct ghost *g)
{
	const struct ghost_rec_file rec = { .type = cpu_to_le32(TEST_TYPE) };
	struct file *file = ghost_reopen_file(g, &rec, "/test");

	return PTR_ERR_OR_ZERO(file);
}

static void type_is_found_by_a_file_and_by_its_number(struct kunit *test)
{
	struct file_test *t = test->priv;

	KUNIT_EXPECT_EQ(test, ghost_check_file(t->g, t->file, "fd 7"), -EXDEV);
	KUNIT_EXPECT_STREQ(test, t->g->report, "fd 7: anon_inode:ghost_test: tested");
	KUNIT_EXPECT_EQ(test, t->matched, 1);
	KUNIT_EXPECT_EQ(test, t->checked, 1);
	KUNIT_EXPECT_EQ(test, reopen(t->g), -EXDEV);
}

static void unregistered_type_is_unknown(struct kunit *test)
{
	struct file_test *t = test->priv;

	ghost_file_unregister(&test_ops);
	KUNIT_EXPECT_EQ(test, ghost_check_file(t->g, t->file, "fd 7"), -EOPNOTSUPP);
	KUNIT_EXPECT_STREQ(test, t->g->report, "fd 7: ghost_test: not supported");
	KUNIT_EXPECT_EQ(test, reopen(t->g), -EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, t->matched, 0);

	KUNIT_EXPECT_EQ(test, ghost_file_register(&test_ops), 0);
	KUNIT_EXPECT_EQ(test, ghost_check_file(t->g, t->file, "fd 7"), -EXDEV);
}

static void duplicate_type_is_refused(struct kunit *test)
{
	struct file_test *t = test->priv;
	struct ghost_file_ops other = test_ops;

	KUNIT_EXPECT_EQ(test, ghost_file_register(&other), -EEXIST);
	other.type = GHOST_FILE_REGULAR;
	KUNIT_EXPECT_EQ(test, ghost_file_register(&other), -EEXIST);
	/* Nor does the one that was refused take the other along when it goes */
	other.type = TEST_TYPE;
	ghost_file_unregister(&other);
	KUNIT_EXPECT_EQ(test, ghost_check_file(t->g, t->file, "fd 7"), -EXDEV);
}

static void type_without_sense_is_refused(struct kunit *test)
{
	struct ghost_file_ops ops;
	int i;

	for (i = 0; i < 5; i++) {
		ops = test_ops;
		ops.type = TEST_TYPE + 1;
		switch (i) {
		case 0:
			ops.type = 0;
			break;
		case 1:
			ops.type = GHOST_FILE_OUTSIDE;
			break;
		case 2:
			ops.match = NULL;
			break;
		case 3:
			ops.check = NULL;
			break;
		case 4:
			ops.open = NULL;
			break;
		}
		KUNIT_EXPECT_EQ_MSG(test, ghost_file_register(&ops), -EINVAL, "case %d", i);
	}
}

static void type_in_use_pins_its_module(struct kunit *test)
{
	struct file_test *t = test->priv;
	int before = module_pins();

	if (before < 0)
		kunit_skip(test, "the tests are not in a module that can be unloaded");
	KUNIT_EXPECT_EQ(test, ghost_check_file(t->g, t->file, "fd 7"), -EXDEV);
	KUNIT_EXPECT_EQ(test, t->pins, before + 1);
	KUNIT_EXPECT_EQ(test, module_pins(), before);
	KUNIT_EXPECT_EQ(test, reopen(t->g), -EXDEV);
	KUNIT_EXPECT_EQ(test, pins_at_open, before + 1);
	KUNIT_EXPECT_EQ(test, module_pins(), before);
	/* It has no name, so there is no record, but its type was asked for */
	t->pins = 0;
	KUNIT_EXPECT_EQ(test, ghost_export_file(t->g, t->file, GHOST_FILE_USE_FD), -EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, t->pins, before + 1);
	KUNIT_EXPECT_EQ(test, module_pins(), before);
}

static struct kunit_case type_cases[] = {
	KUNIT_CASE(type_is_found_by_a_file_and_by_its_number),
	KUNIT_CASE(unregistered_type_is_unknown),
	KUNIT_CASE(duplicate_type_is_refused),
	KUNIT_CASE(type_without_sense_is_refused),
	KUNIT_CASE(type_in_use_pins_its_module),
	{}
};

static struct kunit_suite type_suite = {
	.name = "ghost_file_type",
	.init = type_init,
	.exit = type_exit,
	.test_cases = type_cases,
};

kunit_test_suites(&type_suite);
