// SPDX-License-Identifier: GPL-2.0
/*
 * Sample of a ghost backend in a module: images compressed with zstd, block by block.
 * Nothing stays in a buffer when a write returns, so that the caller learns of each
 * failure.
 */
#include <linux/device/driver.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/ghost.h>
#include <linux/module.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/uio.h>
#include <linux/zstd.h>

#include "ghost_zstd.h"

#define RAW_MAX		SZ_128K
#define PACKED_MAX	(RAW_MAX + SZ_4K)	/* of what cannot be compressed */
#define BLOCK_HEAD	offsetof(struct block, data)

struct block {
	__le32 len, raw_len;	/* bytes of @data, and how many they become */
	u8 data[PACKED_MAX];
};

struct ghost_zstd {
	struct file *file;
	void *ctx;		/* a zstd_cctx or zstd_dctx in @workspace */
	size_t raw_len, raw_pos; /* reading: bytes in @raw, and how many are given out */
	struct block block;
	u8 raw[RAW_MAX];
	u8 workspace[] __aligned(8);
};

static int transfer(struct ghost_zstd *z, void *buf, size_t len, bool write)
{
	loff_t *pos = z->file->f_mode & FMODE_STREAM ? NULL : &z->file->f_pos;
	ssize_t n;

	for (; len; buf += n, len -= n) {
		n = write ? kernel_write(z->file, buf, len, pos) :
			    kernel_read(z->file, buf, len, pos);
		if (n <= 0)
			return n == -ERESTARTSYS ? -EINTR : n ?: -ENODATA;
	}
	return 0;
}

static int ghost_zstd_write(struct ghost_resource *res, struct iov_iter *from)
{
	zstd_parameters params = zstd_get_params(zstd_default_clevel(), RAW_MAX);
	struct ghost_zstd *z = res->priv;
	int ret = 0;

	while (!ret && iov_iter_count(from)) {
		size_t n = min(iov_iter_count(from), RAW_MAX), len;

		if (!copy_from_iter_full(z->raw, n, from))
			return -EFAULT;
		len = zstd_compress_cctx(z->ctx, z->block.data, PACKED_MAX, z->raw, n, &params);
		if (zstd_is_error(len))
			return -EIO;
		z->block.len = cpu_to_le32(len);
		z->block.raw_len = cpu_to_le32(n);
		ret = transfer(z, &z->block, BLOCK_HEAD + len, true);
	}
	return ret;
}

static int ghost_zstd_read(struct ghost_resource *res, struct iov_iter *to)
{
	struct ghost_zstd *z = res->priv;

	while (iov_iter_count(to)) {
		if (z->raw_pos == z->raw_len) {
			int ret = transfer(z, &z->block, BLOCK_HEAD, false);
			size_t len = le32_to_cpu(z->block.len), n;

			if (!ret && len > PACKED_MAX)
				ret = -EBADMSG;
			if (!ret)
				ret = transfer(z, z->block.data, len, false);
			if (ret)
				return ret;
			n = zstd_decompress_dctx(z->ctx, z->raw, RAW_MAX, z->block.data, len);
			if (!n || n != le32_to_cpu(z->block.raw_len))
				return -EBADMSG;
			z->raw_len = n;
			z->raw_pos = 0;
		}
		z->raw_pos += copy_to_iter(z->raw + z->raw_pos, z->raw_len - z->raw_pos, to);
	}
	return 0;
}

static int ghost_zstd_sync(struct ghost_resource *res)
{
	return vfs_fsync(((struct ghost_zstd *)res->priv)->file, 0);
}

static void ghost_zstd_close(struct ghost_resource *res)
{
	fput(((struct ghost_zstd *)res->priv)->file);
	kvfree(res->priv);
}

static int ghost_zstd_open(struct ghost_resource *res, const void *params, size_t size)
{
	zstd_compression_parameters cp = zstd_get_cparams(zstd_default_clevel(), RAW_MAX, 0);
	size_t room = res->write ? zstd_cctx_workspace_bound(&cp) :
				   zstd_dctx_workspace_bound();
	struct ghost_zstd_params p;
	int ret = ghost_resource_params(&p, sizeof(p), sizeof(p), params, size);

	if (ret || p.flags)
		return ret ?: -EINVAL;
	struct file *file __free(fput) = fget(p.fd);
	if (!file || !(file->f_mode & (res->write ? FMODE_WRITE : FMODE_READ)))
		return -EBADF;
	if (res->write ? !file->f_op->write_iter : !file->f_op->read_iter)
		return -EINVAL;
	struct ghost_zstd *z __free(kvfree) = kvzalloc(struct_size(z, workspace, room),
						       GFP_KERNEL_ACCOUNT);
	if (!z)
		return -ENOMEM;
	z->ctx = res->write ? (void *)zstd_init_cctx(z->workspace, room) :
			      (void *)zstd_init_dctx(z->workspace, room);
	if (!z->ctx)
		return -EINVAL;
	z->file = no_free_ptr(file);
	res->priv = no_free_ptr(z);
	return 0;
}

static const struct ghost_resource_ops ghost_zstd_ops = {
	.owner	= THIS_MODULE,
	.name	= "zstd",
	.id	= GHOST_BACKEND_ZSTD,
	.open	= ghost_zstd_open,
	.write	= ghost_zstd_write,
	.read	= ghost_zstd_read,
	.sync	= ghost_zstd_sync,
	.close	= ghost_zstd_close,
};
module_driver(ghost_zstd_ops, ghost_resource_register, ghost_resource_unregister);

MODULE_DESCRIPTION("Sample ghost backend: compressed images");
MODULE_LICENSE("GPL");
