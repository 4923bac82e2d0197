// SPDX-License-Identifier: GPL-2.0
/*
 * ghost: a backend for tests, which keeps the bytes in a buffer
 */
#include <linux/module.h>
#include <linux/uio.h>
#include <kunit/test.h>

#include "../ghost.h"
#include "medium.h"

static int medium_open(struct ghost_resource *res, const void *params, size_t size)
{
	struct medium *medium = *(struct medium **)params;

	if (size != sizeof(medium))
		return -EINVAL;
	medium->opened++;
	if (res->write)
		medium->len = 0;
	medium->pos = 0;
	medium->longest = 0;
	res->priv = medium;
	return 0;
}

static int medium_write(struct ghost_resource *res, struct iov_iter *from)
{
	struct medium *medium = res->priv;
	size_t len = iov_iter_count(from);

	if (len > medium->size - medium->len)
		return -ENOSPC;
	if (!copy_from_iter_full(medium->data + medium->len, len, from))
		return -EFAULT;
	medium->len += len;
	return 0;
}

static int medium_read(struct ghost_resource *res, struct iov_iter *to)
{
	struct medium *medium = res->priv;
	size_t len = iov_iter_count(to);

	medium->longest = max(medium->longest, len);
	if (len > medium->len - medium->pos)
		return -ENODATA;
	if (copy_to_iter(medium->data + medium->pos, len, to) != len)
		return -EFAULT;
	medium->pos += len;
	return 0;
}

static void medium_close(struct ghost_resource *res)
{
	struct medium *medium = res->priv;

	medium->closed++;
}

const struct ghost_resource_ops medium_ops = {
	.owner	= THIS_MODULE,
	.name	= "test",
	.id	= GHOST_BACKEND_TEST,
	.open	= medium_open,
	.write	= medium_write,
	.read	= medium_read,
	.close	= medium_close,
};

struct medium *medium_alloc(struct kunit *test, size_t size)
{
	struct medium *medium = kunit_kzalloc(test, sizeof(*medium), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, medium);
	medium->data = kunit_kzalloc(test, size, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, medium->data);
	medium->size = size;
	return medium;
}

static struct ghost *medium_ghost(struct kunit *test, struct medium *medium, bool write)
{
	struct ghost *g = ghost_alloc(write ? GHOST_MODE_EXPORT : GHOST_MODE_IMPORT);

	KUNIT_ASSERT_NOT_NULL(test, g);
	if (ghost_resource_open(&g->res, write, GHOST_BACKEND_TEST, &medium, sizeof(medium))) {
		ghost_put_ghost(g);
		KUNIT_FAIL_AND_ABORT(test, "the test's own backend cannot be opened");
	}
	return g;
}

/* An export to the medium; ghost_put_ghost() ends it */
struct ghost *medium_export(struct kunit *test, struct medium *medium)
{
	return medium_ghost(test, medium, true);
}

/* An import from the medium; ghost_put_ghost() ends it */
struct ghost *medium_import(struct kunit *test, struct medium *medium)
{
	return medium_ghost(test, medium, false);
}

MODULE_DESCRIPTION("KUnit tests of ghost");
MODULE_LICENSE("GPL");
MODULE_IMPORT_NS(EXPORTED_FOR_KUNIT_TESTING);
