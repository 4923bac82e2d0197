// SPDX-License-Identifier: GPL-2.0
/*
 * ghost: records
 *
 * While a process is parked its state is put into records in kernel memory (the
 * capture). Later they are written to a resource, with checksums, and with the pages
 * in between. An import reads them back, from a resource or from a kept capture.
 */
#include <linux/bvec.h>
#include <linux/crc32c.h>
#include <linux/elf.h>
#include <linux/highmem.h>
#include <linux/limits.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uio.h>
#include <kunit/visibility.h>

#include "ghost.h"

/* What one chunk of captured records takes, as far as no record is longer */
#define GHOST_CHUNK_SIZE	SZ_64K

/* Longest record but those of pages */
#define GHOST_SMALL_REC_MAX	SZ_1M

/* Longest record of pages: the pages, the table of runs, the gap before the first page */
#define GHOST_PAGES_REC_MAX	\
	(GHOST_PAGES_BATCH * PAGE_SIZE + struct_size_t(struct ghost_rec_pages, run,	\
						       GHOST_PAGES_BATCH) + PAGE_SIZE)

struct ghost_chunk {
	struct list_head list;
	size_t used;
	size_t size;
	u8 data[] __aligned(8);
};

static_assert(sizeof(struct ghost_image_hdr) == 48);
static_assert(sizeof(struct ghost_rec_hdr) == 16);
static_assert(GHOST_PAGES_REC_MAX <= GHOST_REC_MAX_LEN);

static bool is_pages(u32 kind)
{
	return kind == GHOST_REC_PAGES || kind == GHOST_REC_SHM_PAGES ||
	       kind == GHOST_REC_STAGED;
}

/* Room for @len more bytes of captured records */
static void *ghost_chunk_extend(struct ghost *g, size_t len)
{
	struct ghost_chunk *chunk;
	size_t size;

	if (!list_empty(&g->chunks)) {
		chunk = list_last_entry(&g->chunks, struct ghost_chunk, list);
		if (chunk->size - chunk->used >= len)
			goto found;
	}
	size = max_t(size_t, GHOST_CHUNK_SIZE - sizeof(*chunk), len);
	chunk = kvmalloc(struct_size(chunk, data, size), GFP_KERNEL_ACCOUNT);
	if (!chunk)
		return NULL;
	chunk->size = size;
	chunk->used = 0;
	list_add_tail(&chunk->list, &g->chunks);
found:
	chunk->used += len;
	return chunk->data + chunk->used - len;
}

/**
 * ghost_chunks_free() - forget all captured records
 * @g: the ghost
 */
void ghost_chunks_free(struct ghost *g)
{
	struct ghost_chunk *chunk, *tmp;

	list_for_each_entry_safe(chunk, tmp, &g->chunks, list) {
		list_del(&chunk->list);
		kvfree(chunk);
	}
}

/**
 * ghost_put_object() - capture a record; sleeps
 * @g: the export
 * @kind: enum ghost_rec_kind
 * @ref: number of the shared object that it defines, 0: none
 * @rec: its structure
 * @len: bytes of it
 * @tail: what stands at its end (a name); NULL: nothing
 * @tail_len: bytes of it
 * Return: 0, -ENOMEM, or -E2BIG if it is too long for a record.
 */
int ghost_put_object(struct ghost *g, u32 kind, u32 ref, const void *rec, size_t len,
		     const void *tail, size_t tail_len)
{
	size_t total = ALIGN(len, 8) + ALIGN(tail_len, 8);
	struct ghost_rec_hdr *hdr;

	if (total > GHOST_SMALL_REC_MAX)
		return ghost_refuse(g, -E2BIG, "record of kind %u: %zu bytes", kind, total);
	hdr = ghost_chunk_extend(g, sizeof(*hdr) + total);
	if (!hdr)
		return -ENOMEM;
	*hdr = (struct ghost_rec_hdr) {
		.kind = cpu_to_le32(kind),
		.len = cpu_to_le32(total),
		.ref = cpu_to_le32(ref),
	};
	memset(hdr + 1, 0, total);
	memcpy(hdr + 1, rec, len);
	if (tail_len)
		memcpy((u8 *)(hdr + 1) + ALIGN(len, 8), tail, tail_len);
	return 0;
}
EXPORT_SYMBOL_IF_KUNIT(ghost_put_object);

/**
 * ghost_put() - capture a record without a tail that defines no object; sleeps
 * @g: the export
 * @kind: enum ghost_rec_kind
 * @rec: its structure
 * @len: bytes of it
 * Return: 0, -ENOMEM or -E2BIG.
 */
int ghost_put(struct ghost *g, u32 kind, const void *rec, size_t len)
{
	return ghost_put_object(g, kind, 0, rec, len, NULL, 0);
}
EXPORT_SYMBOL_IF_KUNIT(ghost_put);

/**
 * ghost_put_later() - mark the place of pages in the capture
 * @g: the export
 * @kind: GHOST_REC_PAGES: of the snapshot; GHOST_REC_SHM_PAGES: of shared memory
 * @ref: number of the shared memory object
 *
 * Pages are never copied into the capture: they are written from where they are when
 * the image is written, and taken from there when a kept ghost is imported.
 *
 * Return: 0 or -ENOMEM.
 */
int ghost_put_later(struct ghost *g, u32 kind, u32 ref)
{
	return ghost_put_object(g, kind, ref, NULL, 0, NULL, 0);
}
EXPORT_SYMBOL_IF_KUNIT(ghost_put_later);

static int write_iter(struct ghost *g, struct iov_iter *from)
{
	size_t len = iov_iter_count(from);
	int ret;

	if (!len)
		return 0;
	if (fatal_signal_pending(current))
		return -EINTR;
	ret = g->res.ops->write(&g->res, from);
	if (!ret)
		g->pos += len;
	cond_resched();
	return ret;
}

static int write_buf(struct ghost *g, const void *buf, size_t len)
{
	struct kvec kvec = { .iov_base = (void *)buf, .iov_len = len };
	struct iov_iter iter;

	iov_iter_kvec(&iter, ITER_SOURCE, &kvec, 1, len);
	return write_iter(g, &iter);
}

static u32 crc_bvec(u32 crc, const struct bio_vec *bvec, unsigned int nr)
{
	unsigned int i, off;
	void *addr;

	for (i = 0; i < nr; i++) {
		for (off = 0; off < bvec[i].bv_len; off += PAGE_SIZE) {
			addr = kmap_local_page(bvec[i].bv_page + off / PAGE_SIZE);
			crc = crc32c(crc, addr, PAGE_SIZE);
			kunmap_local(addr);
		}
		cond_resched();
	}
	return crc;
}

/**
 * ghost_write_pages_record() - write a batch of pages; sleeps
 * @g: the export
 * @kind: GHOST_REC_PAGES, GHOST_REC_SHM_PAGES or GHOST_REC_STAGED
 * @rec: runs and their number; the rest is filled in
 * @bvec: the pages, whole ones; they do not change until the call returns
 * @nr_bvec: entries of it
 * Return: 0, or a negative errno of the backend.
 */
int ghost_write_pages_record(struct ghost *g, u32 kind, struct ghost_rec_pages *rec,
			     const struct bio_vec *bvec, unsigned int nr_bvec)
{
	size_t head = struct_size(rec, run, le32_to_cpu(rec->nr_runs));
	u64 start = g->pos + sizeof(struct ghost_rec_hdr);
	size_t data = ALIGN(start + head, PAGE_SIZE) - start;
	size_t bytes = 0, pad = data - head;
	struct ghost_rec_hdr hdr;
	const void *zeros = page_address(ZERO_PAGE(0));
	struct iov_iter iter;
	unsigned int i;
	int ret;
	u32 crc;

	for (i = 0; i < nr_bvec; i++)
		bytes += bvec[i].bv_len;
	rec->nr_pages = cpu_to_le32(bytes / PAGE_SIZE);
	rec->data = cpu_to_le32(data);
	rec->pad = 0;
	hdr = (struct ghost_rec_hdr) {
		.kind = cpu_to_le32(kind),
		.len = cpu_to_le32(data + bytes),
	};
	crc = crc32c(~0, &hdr, sizeof(hdr));
	crc = crc32c(crc, rec, head);
	crc = crc32c(crc, zeros, pad);
	hdr.crc = cpu_to_le32(~crc_bvec(crc, bvec, nr_bvec));

	ret = write_buf(g, &hdr, sizeof(hdr));
	if (!ret)
		ret = write_buf(g, rec, head);
	if (!ret)
		ret = write_buf(g, zeros, pad);
	if (ret)
		return ret;
	iov_iter_bvec(&iter, ITER_SOURCE, bvec, nr_bvec, bytes);
	ret = write_iter(g, &iter);
	if (ret)
		return ret;
	g->nr_records++;
	g->nr_pages += bytes / PAGE_SIZE;
	return 0;
}
EXPORT_SYMBOL_IF_KUNIT(ghost_write_pages_record);

/**
 * ghost_write_record() - write a record that was not captured; sleeps
 * @g: the export
 * @kind: its kind; not one with pages
 * @rec: all of it
 * @len: its length, a multiple of 8
 * Return: 0, or a negative errno of the backend.
 */
int ghost_write_record(struct ghost *g, u32 kind, const void *rec, size_t len)
{
	struct ghost_rec_hdr hdr = {
		.kind = cpu_to_le32(kind),
		.len = cpu_to_le32(len),
	};
	int ret;

	hdr.crc = cpu_to_le32(~crc32c(crc32c(~0, &hdr, sizeof(hdr)), rec, len));
	ret = write_buf(g, &hdr, sizeof(hdr));
	if (!ret)
		ret = write_buf(g, rec, len);
	if (!ret)
		g->nr_records++;
	return ret;
}

/**
 * ghost_write_header() - begin an image; sleeps
 * @g: the export; a resource is plugged in
 * Return: 0, or a negative errno of the backend.
 */
int ghost_write_header(struct ghost *g)
{
	struct ghost_image_hdr hdr = {
		.hdr_len = cpu_to_le32(sizeof(hdr)),
		.version = cpu_to_le32(GHOST_IMAGE_VERSION),
		.machine = cpu_to_le32(GHOST_MACHINE),
		.page_shift = cpu_to_le32(PAGE_SHIFT),
	};

	memcpy(hdr.magic, GHOST_IMAGE_MAGIC, sizeof(hdr.magic));
	hdr.crc = cpu_to_le32(~crc32c(~0, &hdr, sizeof(hdr)));
	g->has_header = true;
	return write_buf(g, &hdr, sizeof(hdr));
}

static int write_end(struct ghost *g)
{
	struct {
		struct ghost_rec_hdr hdr;
		struct ghost_rec_end end;
	} rec = {
		.hdr.kind = cpu_to_le32(GHOST_REC_END),
		.hdr.len = cpu_to_le32(sizeof(rec.end)),
		.end.records = cpu_to_le64(g->nr_records),
		.end.pages = cpu_to_le64(g->nr_pages),
	};

	rec.hdr.crc = cpu_to_le32(~crc32c(~0, &rec, sizeof(rec)));
	return write_buf(g, &rec, sizeof(rec));
}

static int write_later(struct ghost *g, u32 kind, u32 ref)
{
	return kind == GHOST_REC_PAGES ? g->write_pages(g) : g->write_shm_pages(g, ref);
}

static int write_chunk(struct ghost *g, struct ghost_chunk *chunk)
{
	size_t pos, from = 0;
	struct ghost_rec_hdr *hdr;
	int ret;
	u32 len;

	for (pos = 0; pos < chunk->used; pos += sizeof(*hdr) + len) {
		hdr = (void *)(chunk->data + pos);
		len = le32_to_cpu(hdr->len);
		if (!is_pages(le32_to_cpu(hdr->kind))) {
			hdr->crc = 0;
			hdr->crc = cpu_to_le32(~crc32c(~0, hdr, sizeof(*hdr) + len));
			g->nr_records++;
			continue;
		}
		ret = write_buf(g, chunk->data + from, pos - from);
		if (!ret)
			ret = write_later(g, le32_to_cpu(hdr->kind), le32_to_cpu(hdr->ref));
		if (ret)
			return ret;
		from = pos + sizeof(*hdr);
	}
	return write_buf(g, chunk->data + from, pos - from);
}

/**
 * ghost_write_image() - write what was captured; sleeps
 * @g: the export; a resource is plugged in
 * Return: 0, -EINTR if the caller is being killed, or a negative errno of the backend.
 */
int ghost_write_image(struct ghost *g)
{
	struct ghost_chunk *chunk;
	int ret = g->has_header ? 0 : ghost_write_header(g);

	list_for_each_entry(chunk, &g->chunks, list) {
		if (ret)
			return ret;
		ret = write_chunk(g, chunk);
	}
	if (!ret)
		ret = write_end(g);
	if (!ret && g->flags & GHOST_EXPORT_SYNC && g->res.ops->sync)
		ret = g->res.ops->sync(&g->res);
	return ret;
}
EXPORT_SYMBOL_IF_KUNIT(ghost_write_image);

static int damaged(struct ghost *g, const char *what)
{
	return ghost_refuse(g, -EBADMSG, "image: byte %llu: %s", g->pos, what);
}

static int read_iter(struct ghost *g, struct iov_iter *to)
{
	size_t len = iov_iter_count(to);
	int ret;

	if (!len)
		return 0;
	if (fatal_signal_pending(current))
		return -EINTR;
	if (g->max_bytes && len > g->max_bytes - g->pos)
		return ghost_refuse(g, -EFBIG, "image: longer than %llu bytes", g->max_bytes);
	ret = g->res.ops->read(&g->res, to);
	if (ret == -ENODATA)
		return damaged(g, "truncated");
	if (!ret)
		g->pos += len;
	cond_resched();
	return ret;
}

static int read_buf(struct ghost *g, void *buf, size_t len)
{
	struct kvec kvec = { .iov_base = buf, .iov_len = len };
	struct iov_iter iter;

	iov_iter_kvec(&iter, ITER_DEST, &kvec, 1, len);
	return read_iter(g, &iter);
}

/* A part of the payload, into the checksum as well */
static int read_part(struct ghost *g, void *buf, size_t len)
{
	int ret;

	if (len > g->left)
		return damaged(g, "record too short");
	ret = read_buf(g, buf, len);
	if (ret)
		return ret;
	g->crc = crc32c(g->crc, buf, len);
	g->left -= len;
	return 0;
}

/**
 * ghost_read_header() - read and check the header of an image; sleeps
 * @g: the import; a resource is plugged in
 * Return: 0, -ENOEXEC if this is no image or one of another machine, -EBADMSG if it is
 * damaged, -EOPNOTSUPP if it needs a feature that is not known here.
 */
int ghost_read_header(struct ghost *g)
{
	struct ghost_image_hdr hdr;
	u8 more[64];
	u32 crc, len, n;
	int ret;

	if (g->source)
		return 0;
	ret = read_buf(g, &hdr, sizeof(hdr));
	if (ret)
		return ret;
	if (memcmp(hdr.magic, GHOST_IMAGE_MAGIC, sizeof(hdr.magic)))
		return ghost_refuse(g, -ENOEXEC, "image: not one of ghost");
	len = le32_to_cpu(hdr.hdr_len);
	if (len < sizeof(hdr) || len > PAGE_SIZE || len % 8)
		return damaged(g, "length of the header");
	crc = le32_to_cpu(hdr.crc);
	hdr.crc = 0;
	g->crc = crc32c(~0, &hdr, sizeof(hdr));
	for (g->left = len - sizeof(hdr); g->left; ) {
		n = min_t(u32, g->left, sizeof(more));
		ret = read_part(g, more, n);
		if (ret)
			return ret;
	}
	if (crc != ~g->crc)
		return damaged(g, "checksum of the header");
	if (le32_to_cpu(hdr.machine) != GHOST_MACHINE)
		return ghost_refuse(g, -ENOEXEC, "image: of machine %u, this is %u",
				    le32_to_cpu(hdr.machine), GHOST_MACHINE);
	if (le32_to_cpu(hdr.page_shift) != PAGE_SHIFT)
		return ghost_refuse(g, -ENOEXEC, "image: page shift %u, here %u",
				    le32_to_cpu(hdr.page_shift), PAGE_SHIFT);
	if (hdr.incompat)
		return ghost_refuse(g, -EOPNOTSUPP, "image: unknown features %#llx",
				    le64_to_cpu(hdr.incompat));
	return hdr.pad ? damaged(g, "header") : 0;
}
EXPORT_SYMBOL_IF_KUNIT(ghost_read_header);

/* The next record of a kept capture; behind the last one there is an end record */
static const struct ghost_rec_hdr *source_next(struct ghost *g)
{
	if (!g->chunk)
		g->chunk = list_first_entry_or_null(&g->source->chunks, struct ghost_chunk, list);
	while (g->chunk && g->chunk_pos == g->chunk->used) {
		if (list_is_last(&g->chunk->list, &g->source->chunks))
			return NULL;
		g->chunk_pos = 0;
		g->chunk = list_next_entry(g->chunk, list);
	}
	return g->chunk ? (void *)(g->chunk->data + g->chunk_pos) : NULL;
}

/**
 * ghost_next() - look at the header of the next record; sleeps
 * @g: the import; its @hdr is filled
 * Return: 0, -EBADMSG if the image is damaged, or a negative errno of the backend.
 */
int ghost_next(struct ghost *g)
{
	const struct ghost_rec_hdr *src;
	struct ghost_rec_hdr hdr = { .kind = cpu_to_le32(GHOST_REC_END) };
	u32 len;
	int ret;

	if (g->have_hdr)
		return 0;
	if (g->source) {
		src = source_next(g);
		if (src)
			hdr = *src;
		hdr.crc = 0;
	} else {
		ret = read_buf(g, &hdr, sizeof(hdr));
		if (ret)
			return ret;
	}
	g->hdr.kind = le32_to_cpu(hdr.kind);
	g->hdr.len = le32_to_cpu(hdr.len);
	g->hdr.ref = le32_to_cpu(hdr.ref);
	g->hdr.crc = le32_to_cpu(hdr.crc);
	hdr.crc = 0;
	g->crc = crc32c(~0, &hdr, sizeof(hdr));
	len = g->hdr.len;
	if (len % 8 || len > (is_pages(g->hdr.kind) ? GHOST_PAGES_REC_MAX : GHOST_SMALL_REC_MAX))
		return damaged(g, "length of a record");
	g->left = len;
	g->have_hdr = true;
	return 0;
}
EXPORT_SYMBOL_IF_KUNIT(ghost_next);

static int check_crc(struct ghost *g)
{
	if (g->hdr.crc != ~g->crc)
		return damaged(g, "checksum of a record");
	g->have_hdr = false;
	g->nr_records++;
	return 0;
}

static int load_payload(struct ghost *g)
{
	size_t len = g->hdr.len;
	u8 *buf;
	int ret;

	if (len >= g->payload_size) {
		/* One more: a name at the end gets its NUL there */
		buf = kvmalloc(len + 1, GFP_KERNEL_ACCOUNT);
		if (!buf)
			return -ENOMEM;
		kvfree(g->payload);
		g->payload = buf;
		g->payload_size = len + 1;
	}
	g->payload_len = len;
	g->payload[len] = 0;
	if (!g->source) {
		ret = read_part(g, g->payload, len);
		return ret ?: check_crc(g);
	}
	if (g->chunk) {
		memcpy(g->payload, g->chunk->data + g->chunk_pos + sizeof(struct ghost_rec_hdr),
		       len);
		g->chunk_pos += sizeof(struct ghost_rec_hdr) + len;
	}
	g->have_hdr = false;
	return 0;
}

/**
 * ghost_get_head() - read the next record; sleeps
 * @g: the import
 * @kind: kind that is expected
 * @rec: filled with @len bytes; a shorter record leaves zeros at the tail
 * @len: size of the newest layout that this kernel knows
 *
 * For records with a tail: ghost_get_tail() or ghost_get_name() must follow.
 *
 * Return: 0, -EBADMSG if the record is damaged or of another kind, -ENOMEM.
 */
int ghost_get_head(struct ghost *g, u32 kind, void *rec, size_t len)
{
	size_t n;
	int ret = ghost_next(g);

	if (ret)
		return ret;
	if (g->hdr.kind != kind)
		return damaged(g, "record of another kind than expected");
	ret = load_payload(g);
	if (ret)
		return ret;
	n = min(len, g->payload_len);
	memcpy(rec, g->payload, n);
	memset(rec + n, 0, len - n);
	g->head = rec;
	return 0;
}
EXPORT_SYMBOL_IF_KUNIT(ghost_get_head);

static int check_newer_tail(struct ghost *g, size_t known, size_t end)
{
	if (end > known && memchr_inv(g->payload + known, 0, end - known))
		return ghost_refuse(g, -E2BIG, "image: record of kind %u: of a newer kernel",
				    g->hdr.kind);
	return 0;
}

/**
 * ghost_get() - read the next record, which has no tail; sleeps
 * @g: the import
 * @kind: kind that is expected
 * @rec: filled with @len bytes; a shorter record leaves zeros at the tail
 * @len: size of the newest layout that this kernel knows
 * Return: 0, -EBADMSG if damaged or of another kind, -E2BIG if a newer tail is not zero.
 */
int ghost_get(struct ghost *g, u32 kind, void *rec, size_t len)
{
	int ret = ghost_get_head(g, kind, rec, len);

	return ret ?: check_newer_tail(g, len, g->payload_len);
}
EXPORT_SYMBOL_IF_KUNIT(ghost_get);

/**
 * ghost_get_tail() - what stands at the end of the record that ghost_get_head() read
 * @g: the import
 * @len: @len of ghost_get_head()
 * @tail_len: bytes of the tail, as the record says
 * Return: its address, valid until the next record is read; -EBADMSG if the record is too
 * short for it, -E2BIG if the record is of a newer layout that says something.
 */
const void *ghost_get_tail(struct ghost *g, size_t len, size_t tail_len)
{
	size_t base;
	int ret;

	if (tail_len > g->payload_len || ALIGN(tail_len, 8) > g->payload_len)
		return ERR_PTR(damaged(g, "record too short for its tail"));
	base = g->payload_len - ALIGN(tail_len, 8);
	if (base < len)		/* of an older layout: what follows its end is not of it */
		memset(g->head + base, 0, len - base);
	ret = check_newer_tail(g, len, base);
	return ret ? ERR_PTR(ret) : g->payload + base;
}
EXPORT_SYMBOL_IF_KUNIT(ghost_get_tail);

/**
 * ghost_get_name() - the name at the end of the record that ghost_get_head() read
 * @g: the import
 * @len: @len of ghost_get_head()
 * @name_len: bytes of the name, as the record says
 * Return: the name with a NUL, valid until the next record is read; -EBADMSG if there is no
 * proper name, -E2BIG if the record is of a newer layout that says something.
 */
char *ghost_get_name(struct ghost *g, size_t len, size_t name_len)
{
	char *name;

	if (!name_len || name_len >= PATH_MAX)
		return ERR_PTR(damaged(g, "length of a name"));
	name = (char *)ghost_get_tail(g, len, name_len);
	if (IS_ERR(name))
		return name;
	if (memchr(name, 0, name_len))
		return ERR_PTR(damaged(g, "name with a NUL in it"));
	name[name_len] = 0;
	return name;
}
EXPORT_SYMBOL_IF_KUNIT(ghost_get_name);

/**
 * ghost_read_pages_head() - read the first part of a batch of pages; sleeps
 * @g: the import, from a resource
 * @kind: GHOST_REC_PAGES, GHOST_REC_STAGED or GHOST_REC_SHM_PAGES
 * @rec: filled; room for GHOST_PAGES_BATCH runs
 *
 * The runs are not checked. ghost_read_pages_data() must follow.
 *
 * Return: 0, or -EBADMSG if the record is damaged.
 */
int ghost_read_pages_head(struct ghost *g, u32 kind, struct ghost_rec_pages *rec)
{
	u32 nr_runs, nr_pages, data, pos;
	u8 pad[64];
	int ret = ghost_next(g);

	if (!ret && g->hdr.kind != kind)
		ret = damaged(g, "record of another kind than expected");
	if (!ret)
		ret = read_part(g, rec, sizeof(*rec));
	if (ret)
		return ret;
	nr_runs = le32_to_cpu(rec->nr_runs);
	nr_pages = le32_to_cpu(rec->nr_pages);
	data = le32_to_cpu(rec->data);
	pos = struct_size(rec, run, nr_runs);
	if (rec->pad || !nr_runs || nr_runs > GHOST_PAGES_BATCH || nr_pages < nr_runs ||
	    nr_pages > GHOST_PAGES_BATCH || data < pos || data > g->hdr.len ||
	    g->hdr.len - data != nr_pages * PAGE_SIZE)
		return damaged(g, "batch of pages");
	ret = read_part(g, rec->run, pos - sizeof(*rec));
	while (!ret && pos < data) {
		u32 n = min_t(u32, data - pos, sizeof(pad));

		ret = read_part(g, pad, n);
		pos += n;
	}
	return ret;
}
EXPORT_SYMBOL_IF_KUNIT(ghost_read_pages_head);

/**
 * ghost_read_pages_data() - read the pages of a batch; sleeps
 * @g: the import
 * @bvec: where they go; all of them
 * @nr_bvec: entries of it
 * Return: 0, or -EBADMSG if the record is damaged.
 */
int ghost_read_pages_data(struct ghost *g, const struct bio_vec *bvec, unsigned int nr_bvec)
{
	u32 pages = g->left / PAGE_SIZE;
	struct iov_iter iter;
	int ret;

	iov_iter_bvec(&iter, ITER_DEST, bvec, nr_bvec, g->left);
	ret = read_iter(g, &iter);
	if (ret)
		return ret;
	g->left = 0;
	g->crc = crc_bvec(g->crc, bvec, nr_bvec);
	g->nr_pages += pages;
	return check_crc(g);
}
EXPORT_SYMBOL_IF_KUNIT(ghost_read_pages_data);

/**
 * ghost_get_end() - read the end record and check the totals; sleeps
 * @g: the import
 * Return: 0, or -EBADMSG if the image is damaged.
 */
int ghost_get_end(struct ghost *g)
{
	u64 records = g->nr_records, pages = g->nr_pages;
	struct ghost_rec_end end;
	int ret;

	if (g->source)
		return 0;
	ret = ghost_get(g, GHOST_REC_END, &end, sizeof(end));
	if (ret)
		return ret;
	if (le64_to_cpu(end.records) != records || le64_to_cpu(end.pages) != pages)
		return damaged(g, "totals do not agree");
	return 0;
}
EXPORT_SYMBOL_IF_KUNIT(ghost_get_end);

/**
 * ghost_skip_later() - pass the mark that ghost_put_later() left in a kept capture
 * @g: the import
 */
void ghost_skip_later(struct ghost *g)
{
	g->chunk_pos += sizeof(struct ghost_rec_hdr);
	g->have_hdr = false;
}
