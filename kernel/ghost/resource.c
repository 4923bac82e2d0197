// SPDX-License-Identifier: GPL-2.0
/*
 * ghost: registry of backends
 *
 * Backends are found by their id under RCU and pinned by their module while a
 * resource of theirs is open.
 */
#include <linux/export.h>
#include <linux/module.h>
#include <linux/rcupdate.h>
#include <linux/string.h>
#include <linux/xarray.h>
#include <kunit/visibility.h>

#include "ghost.h"

static DEFINE_XARRAY(ghost_backends);

/* Each end needs all that it has to say */
static bool handover_makes_sense(const struct ghost_resource_ops *ops)
{
	const struct ghost_handover_ops *h = ops->handover;

	if (!h)
		return true;
	if (ops->keep || ops->kept)
		return false;
	if (ops->write && !(h->offer && h->wait_ready && h->go))
		return false;
	return !ops->read || (h->hear && h->accept && h->ready && h->done);
}

static bool ops_make_sense(const struct ghost_resource_ops *ops)
{
	if (!ops->name || !ops->open || !ops->close)
		return false;
	if (!ops->id || (ops->owner && ops->id < GHOST_BACKEND_MODULE_FIRST))
		return false;
	/* Either bytes or the ghost itself go each way, and at least one way is there */
	if ((ops->write && ops->keep) || (ops->read && ops->kept) || !handover_makes_sense(ops))
		return false;
	return ops->write || ops->keep || ops->read || ops->kept;
}

/**
 * ghost_resource_register() - make a backend known; sleeps
 * @ops: the backend; must stay until ghost_resource_unregister()
 *
 * From here on the backend may be used at any moment: in a module this is the last
 * step of its init function, and none that may fail follows.
 *
 * Return: 0, -EINVAL if @ops makes no sense or a module wants an id of the kernel's,
 * -EEXIST if the id is taken, -ENOMEM.
 */
int ghost_resource_register(const struct ghost_resource_ops *ops)
{
	int ret;

	if (!ops_make_sense(ops))
		return -EINVAL;
	ret = xa_insert(&ghost_backends, ops->id, (void *)ops, GFP_KERNEL);
	return ret == -EBUSY ? -EEXIST : ret;
}
EXPORT_SYMBOL_GPL(ghost_resource_register);

/**
 * ghost_resource_unregister() - forget a backend; sleeps
 * @ops: the backend; not registered: nothing is done
 *
 * When it returns, no lookup uses @ops any more. Resources that are open pin the
 * module, so that none is left when a module's exit function calls this.
 */
void ghost_resource_unregister(const struct ghost_resource_ops *ops)
{
	xa_cmpxchg(&ghost_backends, ops->id, (void *)ops, NULL, 0);
	synchronize_rcu();
}
EXPORT_SYMBOL_GPL(ghost_resource_unregister);

static const struct ghost_resource_ops *ghost_resource_find(u32 id)
{
	const struct ghost_resource_ops *ops;

	guard(rcu)();
	ops = xa_load(&ghost_backends, id);
	return ops && try_module_get(ops->owner) ? ops : NULL;
}

/**
 * ghost_resource_open() - find a backend and make a resource of it ready; sleeps
 * @res: filled; all zero before
 * @write: it will be written (export), else read (import)
 * @id: GHOST_BACKEND_*
 * @params: the backend's parameters
 * @size: bytes of them
 * Return: 0, -EBUSY if @res is open already, -ENODEV if there is no such backend,
 * -EOPNOTSUPP if it goes only the other way, or what the backend says.
 */
int ghost_resource_open(struct ghost_resource *res, bool write, u32 id,
			const void *params, size_t size)
{
	const struct ghost_resource_ops *ops;
	int ret = -EOPNOTSUPP;

	if (res->ops)
		return -EBUSY;
	ops = ghost_resource_find(id);
	if (!ops)
		return -ENODEV;
	if (write ? ops->write || ops->keep : ops->read || ops->kept) {
		*res = (struct ghost_resource) { .ops = ops, .write = write };
		ret = ops->open(res, params, size);
	}
	if (ret) {
		*res = (struct ghost_resource) { };
		module_put(ops->owner);
	}
	return ret;
}
EXPORT_SYMBOL_IF_KUNIT(ghost_resource_open);

/**
 * ghost_resource_close() - give a resource back; sleeps
 * @res: the resource; not open: nothing is done
 */
void ghost_resource_close(struct ghost_resource *res)
{
	const struct ghost_resource_ops *ops = res->ops;

	if (!ops)
		return;
	ops->close(res);
	*res = (struct ghost_resource) { };
	module_put(ops->owner);
}
EXPORT_SYMBOL_IF_KUNIT(ghost_resource_close);

/**
 * ghost_resource_params() - take a backend's parameters as the caller gave them
 * @dst: filled; the newest layout that the backend knows
 * @ksize: size of it
 * @min: size of the first layout
 * @src: what the caller gave
 * @usize: size of it
 * Return: 0, -EINVAL if it is shorter than the first layout, -E2BIG if it is longer than
 * the newest one and the tail is not zero.
 */
int ghost_resource_params(void *dst, size_t ksize, size_t min, const void *src, size_t usize)
{
	size_t n = min(ksize, usize);

	if (usize < min)
		return -EINVAL;
	if (usize > ksize && memchr_inv(src + ksize, 0, usize - ksize))
		return -E2BIG;
	memcpy(dst, src, n);
	memset(dst + n, 0, ksize - n);
	return 0;
}
EXPORT_SYMBOL_GPL(ghost_resource_params);
