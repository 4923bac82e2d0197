// SPDX-License-Identifier: LGPL-2.1
/*
 * libghost: reading images
 *
 * An image is hostile input: no length, count or reference of it is used before
 * it has been checked, and memory is only taken for bytes that may really come.
 */
#include <errno.h>
#include <search.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libghost-internal.h"

#define HDR_MAX_LEN	4096U
#define READ_STEP	(256U << 10)	/* a length is believed so far before bytes have come */

struct ghost_image {
	int fd;				/* -1: in memory */
	const unsigned char *mem;
	size_t mem_size;

	uint64_t pos;			/* bytes read so far */
	uint64_t offset;		/* of the header or record read last */
	int error;			/* negative errno, for good */
	char text[256];

	struct ghost_image_hdr hdr;
	int have_hdr;
	int ended;

	struct ghost_rec_hdr rec;
	const struct libghost_shape *shape;
	unsigned char *buf;		/* payload of the last record */
	size_t buf_size;

	uint64_t records;
	uint64_t pages;
	int in_shm;
	int in_thread;

	void *refs;			/* tree of those that have been defined */

	struct libghost_crc crc;
};

__printf(3, 4)
static int fail(struct ghost_image *image, int err, const char *fmt, ...)
{
	va_list ap;

	errno = -err;			/* for %m */
	va_start(ap, fmt);
	vsnprintf(image->text, sizeof(image->text), fmt, ap);
	va_end(ap);
	image->error = err;
	return err;
}

/* A complaint about the record at hand */
__printf(3, 4)
static int bad(struct ghost_image *image, int err, const char *fmt, ...)
{
	char what[160];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	return fail(image, err, "record %llu (%s) at offset %llu: %s",
		    (unsigned long long)image->records + 1,
		    image->shape ? image->shape->name : "unknown kind",
		    (unsigned long long)image->offset, what);
}

static ssize_t read_some(struct ghost_image *image, void *buf, size_t len)
{
	ssize_t n;

	if (image->fd < 0) {
		n = image->mem_size - image->pos;
		if (len < (size_t)n)
			n = len;
		memcpy(buf, image->mem + image->pos, n);
		return n;
	}
	do {
		n = read(image->fd, buf, len);
	} while (n < 0 && errno == EINTR);
	return n;
}

/* Returns the bytes read, which are fewer than @len only at the end of the image */
static ssize_t read_bytes(struct ghost_image *image, void *buf, size_t len)
{
	size_t done = 0;
	ssize_t n;

	while (done < len) {
		n = read_some(image, (char *)buf + done, len - done);
		if (n < 0)
			return fail(image, -errno, "offset %llu: cannot read: %m",
				    (unsigned long long)image->pos);
		if (!n)
			break;
		done += n;
		image->pos += n;
	}
	return done;
}

static int want_bytes(struct ghost_image *image, void *buf, size_t len)
{
	ssize_t n = read_bytes(image, buf, len);

	if (n < 0)
		return n;
	if ((size_t)n < len)
		return bad(image, -EBADMSG, "truncated, the image ends at offset %llu",
			   (unsigned long long)image->pos);
	return 0;
}

static int new_image(struct ghost_image **imagep, int fd, const void *mem, size_t size)
{
	struct ghost_image *image = calloc(1, sizeof(*image));

	if (!image)
		return -ENOMEM;
	image->fd = fd;
	image->mem = mem;
	image->mem_size = size;
	libghost_crc_init(&image->crc);
	*imagep = image;
	return 0;
}

API int ghost_image_open(struct ghost_image **imagep, int fd)
{
	return fd < 0 ? -EBADF : new_image(imagep, fd, NULL, 0);
}

API int ghost_image_open_memory(struct ghost_image **imagep, const void *data, size_t size)
{
	return new_image(imagep, -1, data, size);
}

/* References are kept as the keys of a tree, without anything they point to. */
static void *ref_key(uint32_t ref)
{
	return (void *)(uintptr_t)ref;
}

static int compare_refs(const void *a, const void *b)
{
	return (uintptr_t)a < (uintptr_t)b ? -1 : (uintptr_t)a > (uintptr_t)b;
}

static int have_ref(const struct ghost_image *image, uint32_t ref)
{
	return !!tfind(ref_key(ref), &image->refs, compare_refs);
}

static int define_ref(struct ghost_image *image, uint32_t ref)
{
	if (!ref)
		return bad(image, -EBADMSG, "defines no reference");
	if (have_ref(image, ref))
		return bad(image, -EBADMSG, "defines reference %u again", ref);
	if (!tsearch(ref_key(ref), &image->refs, compare_refs))
		return bad(image, -ENOMEM, "no memory for its reference");
	return 0;
}

static void forget_refs(struct ghost_image *image)
{
	while (image->refs)
		tdelete(*(void **)image->refs, &image->refs, compare_refs);
}

API void ghost_image_close(struct ghost_image *image)
{
	if (!image)
		return;
	forget_refs(image);
	free(image->buf);
	free(image);
}

API uint64_t ghost_image_offset(const struct ghost_image *image)
{
	return image->offset;
}

API const char *ghost_image_error(const struct ghost_image *image)
{
	return image->text;
}

static int read_header(struct ghost_image *image)
{
	struct ghost_image_hdr zeroed;
	unsigned char more[HDR_MAX_LEN];
	uint32_t crc, len;
	ssize_t n;

	n = read_bytes(image, &image->hdr, sizeof(image->hdr));
	if (n < 0)
		return n;
	if ((size_t)n < sizeof(image->hdr.magic) ||
	    memcmp(image->hdr.magic, GHOST_IMAGE_MAGIC, sizeof(image->hdr.magic)))
		return fail(image, -ENOEXEC, "header: this is no image of a ghost");
	len = le32toh(image->hdr.hdr_len);
	if ((size_t)n < sizeof(image->hdr))
		return fail(image, -EBADMSG, "header: truncated, the image ends at offset %zd", n);
	if (len < sizeof(image->hdr) || len > HDR_MAX_LEN || len % 8)
		return fail(image, -EBADMSG, "header: length %u", len);
	len -= sizeof(image->hdr);
	n = read_bytes(image, more, len);
	if (n < 0)
		return n;
	if (n < len)
		return fail(image, -EBADMSG, "header: truncated, the image ends at offset %llu",
			    (unsigned long long)image->pos);
	zeroed = image->hdr;
	zeroed.crc = 0;
	crc = libghost_crc32c(&image->crc, ~0U, &zeroed, sizeof(zeroed));
	crc = ~libghost_crc32c(&image->crc, crc, more, len);
	if (crc != le32toh(image->hdr.crc))
		return fail(image, -EBADMSG, "header: checksum %08x, should be %08x",
			    le32toh(image->hdr.crc), crc);
	if (image->hdr.incompat)
		return fail(image, -EOPNOTSUPP, "header: needs features %#llx of a newer version",
			    (unsigned long long)le64toh(image->hdr.incompat));
	if (image->hdr.pad)
		return fail(image, -EBADMSG, "header: padding");
	len = le32toh(image->hdr.page_shift);
	if (len < 12 || len > 16)
		return fail(image, -EBADMSG, "header: page shift %u", len);
	return 0;
}

API int ghost_image_header(struct ghost_image *image, const struct ghost_image_hdr **hdr)
{
	if (!image->have_hdr) {
		image->have_hdr = 1;
		read_header(image);
	}
	if (image->error)
		return image->error;
	if (hdr)
		*hdr = &image->hdr;
	return 0;
}

static int room(struct ghost_image *image, size_t size)
{
	unsigned char *buf;

	if (size <= image->buf_size)
		return 0;
	buf = realloc(image->buf, size);
	if (!buf)
		return bad(image, -ENOMEM, "no memory for %zu bytes", size);
	image->buf = buf;
	image->buf_size = size;
	return 0;
}

static int read_payload(struct ghost_image *image, uint32_t len)
{
	struct ghost_rec_hdr zeroed = image->rec;
	uint32_t done, step, crc;
	int ret;

	for (done = 0; done < len; done += step) {
		step = len - done < READ_STEP ? len - done : READ_STEP;
		ret = room(image, done + step);
		if (!ret)
			ret = want_bytes(image, image->buf + done, step);
		if (ret)
			return ret;
	}
	zeroed.crc = 0;
	crc = libghost_crc32c(&image->crc, ~0U, &zeroed, sizeof(zeroed));
	crc = ~libghost_crc32c(&image->crc, crc, image->buf, len);
	if (crc != le32toh(image->rec.crc))
		return bad(image, -EBADMSG, "checksum %08x, should be %08x",
			   le32toh(image->rec.crc), crc);
	return 0;
}

/*
 * The fixed part of a record may be of an older or of a newer layout; what is
 * variable stands behind it. Bring the record to the layout known here. Returns
 * its length.
 */
static int normalise(struct ghost_image *image, uint32_t len)
{
	const struct libghost_shape *shape = image->shape;
	uint32_t size = shape->size, base, i;
	uint64_t tail = 0;
	int ret;

	ret = room(image, len + size);
	if (ret)
		return ret;
	if (len < size)
		memset(image->buf + len, 0, size - len);
	if (shape->tail)
		tail = shape->tail(image->buf);
	if (tail > len)
		return bad(image, -EBADMSG, "too short for the %llu bytes at its end",
			   (unsigned long long)tail);
	base = len - tail;
	for (i = size; i < base; i++)
		if (image->buf[i])
			return bad(image, -E2BIG, "of a newer version, byte %u is not known", i);
	memmove(image->buf + size, image->buf + base, tail);
	if (base < size) {
		memset(image->buf + base, 0, size - base);
		if (tail && shape->tail(image->buf) != tail)
			return bad(image, -EBADMSG, "too short");
	}
	return size + tail;
}

/* The runs of a record, which are to have @nr_pages in all */
static int check_runs(struct ghost_image *image, const __le64 *runs, uint64_t nr_runs,
		      uint64_t nr_pages)
{
	uint64_t known = GHOST_PAGES_ADDR_MASK | GHOST_PAGES_NR_MASK, sum = 0, run;
	uint32_t i;

	if (image->shape->kind != GHOST_REC_SHM_PAGES)
		known |= GHOST_PAGES_HUGE;
	if (!nr_runs || nr_runs > nr_pages || nr_pages > GHOST_PAGES_BATCH)
		return bad(image, -EBADMSG, "%llu pages in %llu runs",
			   (unsigned long long)nr_pages, (unsigned long long)nr_runs);
	for (i = 0; i < nr_runs; i++) {
		run = le64toh(runs[i]);
		if (run & ~known)
			return bad(image, -EBADMSG, "run %u: unknown bits", i);
		sum += (run & GHOST_PAGES_NR_MASK) + 1;
	}
	if (sum != nr_pages)
		return bad(image, -EBADMSG, "%llu pages, but %llu in its runs",
			   (unsigned long long)nr_pages, (unsigned long long)sum);
	return 0;
}

static int check_pages(struct ghost_image *image, uint32_t len)
{
	const struct ghost_rec_pages *rec = (const void *)image->buf;
	uint32_t shift = le32toh(image->hdr.page_shift);
	uint64_t nr_runs, nr_pages, data;
	int ret;

	if (len < sizeof(*rec))
		return bad(image, -EBADMSG, "too short");
	nr_runs = le32toh(rec->nr_runs);
	nr_pages = le32toh(rec->nr_pages);
	data = le32toh(rec->data);
	if (rec->pad)
		return bad(image, -EBADMSG, "padding");
	if (data < sizeof(*rec) + 8 * nr_runs || data + (nr_pages << shift) != len ||
	    (image->offset + sizeof(image->rec) + data) & ((1ULL << shift) - 1))
		return bad(image, -EBADMSG, "pages out of place");
	ret = check_runs(image, rec->run, nr_runs, nr_pages);
	if (ret)
		return ret;
	image->pages += nr_pages;
	return len;
}

/* What lies in the record is as long as it says: see kept_tail() */
static int check_kept(struct ghost_image *image)
{
	const struct ghost_rec_kept *rec = (const void *)image->buf;

	return check_runs(image, rec->run, le32toh(rec->nr_runs), le32toh(rec->nr_pages));
}

static int use_ref(struct ghost_image *image, uint32_t ref, int optional)
{
	if ((!ref && optional) || have_ref(image, ref))
		return 0;
	return bad(image, -EBADMSG, "refers to %u, which nothing has defined", ref);
}

static int check_refs(struct ghost_image *image)
{
	const void *data = image->buf;
	uint32_t ref = le32toh(image->rec.ref);

	if (image->shape->flags & SHAPE_DEFINES)
		return define_ref(image, ref);
	switch (image->shape->kind) {
	case GHOST_REC_FD:
		return use_ref(image, le32toh(((const struct ghost_rec_fd *)data)->file), 0);
	case GHOST_REC_MM:
		return use_ref(image, le32toh(((const struct ghost_rec_mm *)data)->exe), 1);
	case GHOST_REC_VMA:
		return use_ref(image, le32toh(((const struct ghost_rec_vma *)data)->object), 1);
	default:
		return 0;
	}
}

static int check_place(struct ghost_image *image)
{
	switch (image->shape->kind) {
	case GHOST_REC_SHM:
		image->in_shm = 1;
		break;
	case GHOST_REC_SHM_PAGES:
		if (!image->in_shm)
			return bad(image, -EBADMSG, "no shared memory that it belongs to");
		break;
	case GHOST_REC_THREAD:
		image->in_thread = 1;
		break;
	default:
		if (image->shape->flags & SHAPE_THREAD && !image->in_thread)
			return bad(image, -EBADMSG, "no thread that it belongs to");
		break;
	}
	return 0;
}

static int check_end(struct ghost_image *image)
{
	const struct ghost_rec_end *end = (const void *)image->buf;

	if (le64toh(end->records) != image->records || le64toh(end->pages) != image->pages)
		return bad(image, -EBADMSG,
			   "says %llu records and %llu pages, but %llu and %llu came",
			   (unsigned long long)le64toh(end->records),
			   (unsigned long long)le64toh(end->pages),
			   (unsigned long long)image->records,
			   (unsigned long long)image->pages);
	image->ended = 1;
	return 0;
}

static int read_record(struct ghost_image *image)
{
	uint32_t len;
	int ret;

	image->shape = NULL;
	image->offset = image->pos;
	ret = want_bytes(image, &image->rec, sizeof(image->rec));
	if (ret)
		return ret;
	image->shape = libghost_shape(le32toh(image->rec.kind));
	len = le32toh(image->rec.len);
	if (len % 8 || len > GHOST_REC_MAX_LEN)
		return bad(image, -EBADMSG, "length %u", len);
	ret = read_payload(image, len);
	if (ret)
		return ret;
	if (!image->shape)
		return bad(image, -EOPNOTSUPP, "kind %u is not known", le32toh(image->rec.kind));
	if (image->shape->flags & SHAPE_PAGES)
		ret = check_pages(image, len);
	else if (image->shape->flags & SHAPE_ANY_TAIL)
		ret = len;
	else
		ret = normalise(image, len);
	return ret;
}

API int ghost_image_next(struct ghost_image *image, struct ghost_record *rec)
{
	int ret, len;

	ret = ghost_image_header(image, NULL);
	if (ret)
		return ret;
	if (image->ended)
		return 0;
	len = read_record(image);
	if (len < 0)
		return len;
	ret = check_refs(image);
	if (!ret && image->shape->kind == GHOST_REC_KEPT)
		ret = check_kept(image);
	if (!ret)
		ret = check_place(image);
	if (!ret && image->shape->kind == GHOST_REC_END)
		ret = check_end(image);
	if (ret)
		return ret;
	image->records++;
	*rec = (struct ghost_record) {
		.offset = image->offset,
		.kind = image->shape->kind,
		.ref = le32toh(image->rec.ref),
		.len = len,
		.data = image->buf,
	};
	return 1;
}
