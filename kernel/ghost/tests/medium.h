/* SPDX-License-Identifier: GPL-2.0 */
/*
 * ghost: a backend for tests, which keeps the bytes in a buffer
 */
#ifndef _KERNEL_GHOST_TESTS_MEDIUM_H
#define _KERNEL_GHOST_TESTS_MEDIUM_H

#include <linux/ghost.h>
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

#endif /* _KERNEL_GHOST_TESTS_MEDIUM_H */
