/* SPDX-License-Identifier: GPL-2.0-only */
/* Images for the tests, made without the library */
#ifndef _BUILD_IMAGE_H
#define _BUILD_IMAGE_H

#include <stddef.h>
#include <linux/types.h>

/**
 * struct image - an image that is being made
 * @buf: its bytes
 * @len: number of them
 * @size: room in @buf
 * @records: for the end record
 * @pages: for the end record
 */
struct image {
	unsigned char *buf;
	size_t len;
	size_t size;
	__u64 records;
	__u64 pages;
};

__u32 slow_crc32c(__u32 crc, const void *data, size_t len);

void image_begin(struct image *image);
void image_record(struct image *image, __u32 kind, __u32 ref, const void *data, size_t len);
void image_pages(struct image *image, __u32 kind, const __u64 *runs, unsigned int nr_runs);
void image_end(struct image *image);
void image_free(struct image *image);

/* Make the checksums of header and records right, as far as their lengths can be followed. */
void image_mend(struct image *image);

/* One with every kind of record */
void image_build_whole(struct image *image);

#endif /* _BUILD_IMAGE_H */
