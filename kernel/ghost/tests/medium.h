/* SPDX-License-Identifier: GPL-2.0 */
/*
 * ghost: a backend for tests, which keeps the bytes in a buffer, and what else they share
 */
#ifndef _KERNEL_GHOST_TESTS_MEDIUM_H
#define _KERNEL_GHOST_TESTS_MEDIUM_H

#include <linux/ghost.h>
#include <linux/module.h>
#include <linux/types.h>

struct kunit;

#define GHOST_BACKEND_TEST	0x74736574

/**
 * struct medium - what the backend works on; its parameters are the address of it
 * @data: the buffer
 * @size: room in it
 * @len: bytes written to it; reading ends there
 * @pos: where reading goes on
 * @longest: most bytes that were asked for in one go
 * @opened: how often it was opened
 * @closed: how often it was closed
 */
struct medium {
	u8 *data;
	size_t size;
	size_t len;
	size_t pos;
	size_t longest;
	int opened;
	int closed;
};

extern const struct ghost_resource_ops medium_ops;

struct medium *medium_alloc(struct kunit *test, size_t size);
struct ghost *medium_export(struct kunit *test, struct medium *medium);
struct ghost *medium_import(struct kunit *test, struct medium *medium);

/* How often the module of the tests is pinned; -1: it is none, or cannot be unloaded */
static inline int module_pins(void)
{
#if IS_MODULE(CONFIG_GHOST_KUNIT_TEST) && IS_ENABLED(CONFIG_MODULE_UNLOAD)
	return module_refcount(THIS_MODULE);
#else
	return -1;
#endif
}

#endif /* _KERNEL_GHOST_TESTS_MEDIUM_H */
