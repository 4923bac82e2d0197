// SPDX-License-Identifier: GPL-2.0
/*
 * ghost: tests of records, intact and damaged
 */
#include <linux/bvec.h>
#include <linux/crc32c.h>
#include <linux/mm.h>
#include <linux/string.h>
#include <kunit/test.h>

#include "../ghost.h"
#include "medium.h"

#define NAME	"/usr/bin/python3"
#define REF	5

/* To the stream these are bytes */
struct rec {
	u64 a, b, c;
};

static const struct rec full = {
	.a = 0x1122334455667788,
	.b = 1,
	.c = ~0ULL,
};

static int stream_init(struct kunit *test)
{
	test->priv = medium_alloc(test, SZ_64K);
	return ghost_resource_register(&medium_ops);
}

static void stream_exit(struct kunit *test)
{
	ghost_resource_unregister(&medium_ops);
}

static int capture_sample(struct ghost *g)
{
	int ret = ghost_put(g, GHOST_REC_PROCESS, &full, sizeof(full));

	if (!ret)
		ret = ghost_put_object(g, GHOST_REC_FILE, REF, &full, sizeof(full), NAME,
				       strlen(NAME));
	return ret ?: ghost_put(g, GHOST_REC_FD, &full, 8);
}

/* An image of three records, in test->priv */
static void write_sample(struct kunit *test)
{
	struct ghost *g = medium_export(test, test->priv);

	KUNIT_EXPECT_EQ(test, capture_sample(g), 0);
	KUNIT_EXPECT_EQ(test, ghost_write_image(g), 0);
	ghost_put_ghost(g);
}

/* Reads that image, up to the first error */
static int read_sample(struct ghost *g)
{
	struct rec rec;
	char *name;
	int ret = ghost_read_header(g);

	if (!ret)
		ret = ghost_get(g, GHOST_REC_PROCESS, &rec, sizeof(rec));
	if (ret)
		return ret;
	if (memcmp(&rec, &full, sizeof(rec)))
		return -EILSEQ;
	ret = ghost_get_head(g, GHOST_REC_FILE, &rec, sizeof(rec));
	if (ret)
		return ret;
	name = ghost_get_name(g, sizeof(rec), strlen(NAME));
	if (IS_ERR(name))
		return PTR_ERR(name);
	if (g->hdr.ref != REF || strcmp(name, NAME) || memcmp(&rec, &full, sizeof(rec)))
		return -EILSEQ;
	ret = ghost_get(g, GHOST_REC_FD, &rec, 8);
	if (!ret && rec.a != full.a)
		return -EILSEQ;
	return ret ?: ghost_get_end(g);
}

static int read_medium(struct kunit *test)
{
	struct ghost *g = medium_import(test, test->priv);
	int ret = read_sample(g);

	/* No refusal without a reason */
	if (ret && ret != -EILSEQ)
		KUNIT_EXPECT_NE(test, g->report[0], 0);
	ghost_put_ghost(g);
	return ret;
}

static void records_come_back_as_they_were(struct kunit *test)
{
	struct medium *medium = test->priv;

	write_sample(test);
	KUNIT_EXPECT_EQ(test, read_medium(test), 0);
	KUNIT_EXPECT_EQ(test, medium->pos, medium->len);
}

static void kept_capture_reads_like_an_image(struct kunit *test)
{
	struct ghost *kept = ghost_alloc(GHOST_MODE_EXPORT);
	struct ghost *g = ghost_alloc(GHOST_MODE_IMPORT);

	KUNIT_EXPECT_NOT_NULL(test, kept);
	KUNIT_EXPECT_NOT_NULL(test, g);
	if (kept && g) {
		KUNIT_EXPECT_EQ(test, capture_sample(kept), 0);
		g->source = kept;
		KUNIT_EXPECT_EQ(test, read_sample(g), 0);
	}
	ghost_put_ghost(g);
	g = ghost_alloc(GHOST_MODE_IMPORT);
	KUNIT_EXPECT_NOT_NULL(test, g);
	if (kept && g) {	/* any number of times */
		g->source = kept;
		KUNIT_EXPECT_EQ(test, read_sample(g), 0);
	}
	ghost_put_ghost(g);
	ghost_put_ghost(kept);
}

static void every_flipped_bit_is_refused(struct kunit *test)
{
	struct medium *medium = test->priv;
	size_t bit;
	int ret;

	write_sample(test);
	for (bit = 0; bit < medium->len * 8; bit++) {
		medium->data[bit / 8] ^= BIT(bit % 8);
		ret = read_medium(test);
		medium->data[bit / 8] ^= BIT(bit % 8);
		if (bit < sizeof_field(struct ghost_image_hdr, magic) * 8)
			KUNIT_EXPECT_EQ_MSG(test, ret, -ENOEXEC, "bit %zu", bit);
		else
			KUNIT_EXPECT_EQ_MSG(test, ret, -EBADMSG, "bit %zu", bit);
	}
	KUNIT_EXPECT_EQ(test, read_medium(test), 0);
}

static void image_cut_at_any_byte_is_refused(struct kunit *test)
{
	struct medium *medium = test->priv;
	size_t len;

	write_sample(test);
	for (len = medium->len; medium->len; ) {
		medium->len--;
		KUNIT_EXPECT_EQ_MSG(test, read_medium(test), -EBADMSG, "%zu of %zu bytes",
				    medium->len, len);
	}
}

static void image_without_its_end_is_refused(struct kunit *test)
{
	struct medium *medium = test->priv;

	write_sample(test);
	medium->len -= sizeof(struct ghost_rec_hdr) + sizeof(struct ghost_rec_end);
	KUNIT_EXPECT_EQ(test, read_medium(test), -EBADMSG);
}

/* The end of the image is forged, with a good checksum */
static void wrong_totals_are_refused(struct kunit *test)
{
	struct medium *medium = test->priv;
	struct {
		struct ghost_rec_hdr hdr;
		struct ghost_rec_end end;
	} *rec;
	int i;

	for (i = 0; i < 3; i++) {
		write_sample(test);
		rec = (void *)(medium->data + medium->len - sizeof(*rec));
		if (i == 1)
			le64_add_cpu(&rec->end.records, 1);
		if (i == 2)
			le64_add_cpu(&rec->end.pages, 1);
		rec->hdr.crc = 0;
		rec->hdr.crc = cpu_to_le32(~crc32c(~0, rec, sizeof(*rec)));
		KUNIT_EXPECT_EQ(test, read_medium(test), i ? -EBADMSG : 0);
	}
}

/* A header of the image, changed by the test, with a good checksum */
static int read_header_with(struct kunit *test, size_t offset, u8 value)
{
	struct medium *medium = test->priv;
	struct ghost_image_hdr *hdr = (void *)medium->data;

	write_sample(test);
	medium->data[offset] = value;
	hdr->crc = 0;
	hdr->crc = cpu_to_le32(~crc32c(~0, hdr, sizeof(*hdr)));
	return read_medium(test);
}

static void image_of_another_machine_is_refused(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, read_header_with(test, offsetof(struct ghost_image_hdr, machine),
					       0xb7), -ENOEXEC);
	KUNIT_EXPECT_EQ(test, read_header_with(test, offsetof(struct ghost_image_hdr, page_shift),
					       16), -ENOEXEC);
	KUNIT_EXPECT_EQ(test, read_header_with(test, offsetof(struct ghost_image_hdr, incompat),
					       1), -EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, read_header_with(test, offsetof(struct ghost_image_hdr, compat),
					       1), 0);
}

/* One record of @put bytes is written and read with a layout of @get bytes */
static int resize(struct kunit *test, const void *rec, size_t put, void *out, size_t get)
{
	struct ghost *g = medium_export(test, test->priv);
	int ret;

	KUNIT_EXPECT_EQ(test, ghost_put(g, GHOST_REC_CRED, rec, put), 0);
	KUNIT_EXPECT_EQ(test, ghost_write_image(g), 0);
	ghost_put_ghost(g);

	g = medium_import(test, test->priv);
	ret = ghost_read_header(g) ?: ghost_get(g, GHOST_REC_CRED, out, get);
	if (!ret)
		KUNIT_EXPECT_EQ(test, ghost_get_end(g), 0);
	ghost_put_ghost(g);
	return ret;
}

static void shorter_record_leaves_zeros_at_the_tail(struct kunit *test)
{
	struct rec rec;

	memset(&rec, 0xff, sizeof(rec));
	KUNIT_EXPECT_EQ(test, resize(test, &full, 8, &rec, sizeof(rec)), 0);
	KUNIT_EXPECT_EQ(test, rec.a, full.a);
	KUNIT_EXPECT_EQ(test, rec.b, 0);
	KUNIT_EXPECT_EQ(test, rec.c, 0);
	memset(&rec, 0xff, sizeof(rec));
	KUNIT_EXPECT_EQ(test, resize(test, &full, 0, &rec, sizeof(rec)), 0);
	KUNIT_EXPECT_EQ(test, rec.a, 0);
}

static void newer_tail_of_zeros_is_accepted(struct kunit *test)
{
	struct rec rec = { .a = full.a }, out = { .b = full.b };

	KUNIT_EXPECT_EQ(test, resize(test, &rec, sizeof(rec), &out, 8), 0);
	KUNIT_EXPECT_EQ(test, out.a, full.a);
	KUNIT_EXPECT_EQ(test, out.b, full.b);	/* not written to */
}

static void newer_tail_that_says_something_is_refused(struct kunit *test)
{
	struct rec rec = { .a = full.a }, out;
	size_t i;

	for (i = 8; i < sizeof(rec); i++) {
		((u8 *)&rec)[i] = 1;
		KUNIT_EXPECT_EQ_MSG(test, resize(test, &rec, sizeof(rec), &out, 8), -E2BIG,
				    "byte %zu", i);
		((u8 *)&rec)[i] = 0;
	}
}

static void records_are_padded_with_zeros(struct kunit *test)
{
	struct medium *medium = test->priv;
	struct ghost_rec_hdr *hdr;
	u64 out = ~0ULL;
	size_t len;

	for (len = 0; len <= 8; len++) {
		memset(medium->data, 0xff, medium->size);
		KUNIT_EXPECT_EQ(test, resize(test, &full, len, &out, sizeof(out)), 0);
		hdr = (void *)(medium->data + sizeof(struct ghost_image_hdr));
		KUNIT_EXPECT_EQ(test, le32_to_cpu(hdr->len), ALIGN(len, 8));
		KUNIT_EXPECT_EQ(test, memcmp(hdr + 1, &full, len), 0);
		KUNIT_EXPECT_NULL(test, memchr_inv((u8 *)(hdr + 1) + len, 0, ALIGN(len, 8) - len));
		KUNIT_EXPECT_EQ(test, medium->len % 8, 0);
	}
}

static void record_of_another_kind_is_refused(struct kunit *test)
{
	struct ghost *g;
	struct rec rec;

	write_sample(test);
	g = medium_import(test, test->priv);
	KUNIT_EXPECT_EQ(test, ghost_read_header(g), 0);
	KUNIT_EXPECT_EQ(test, ghost_next(g), 0);
	KUNIT_EXPECT_EQ(test, g->hdr.kind, GHOST_REC_PROCESS);
	KUNIT_EXPECT_EQ(test, ghost_next(g), 0);	/* looking does not consume */
	KUNIT_EXPECT_EQ(test, ghost_get(g, GHOST_REC_CRED, &rec, sizeof(rec)), -EBADMSG);
	ghost_put_ghost(g);
}

/* The length that a record claims is not believed before it has been looked at */
static void claimed_length_is_bounded(struct kunit *test)
{
	static const struct {
		u32 kind, len;
		size_t most;
	} claims[] = {
		{ GHOST_REC_PROCESS, U32_MAX - 7, 64 },
		{ GHOST_REC_PROCESS, U32_MAX, 64 },
		{ GHOST_REC_PROCESS, GHOST_REC_MAX_LEN + 8, 64 },
		{ GHOST_REC_PROCESS, GHOST_REC_MAX_LEN, 64 },
		{ GHOST_REC_PROCESS, SZ_1M + 8, 64 },
		{ GHOST_REC_PROCESS, 28, 64 },
		{ GHOST_REC_PROCESS, SZ_1M, SZ_1M },
		{ GHOST_REC_PAGES, GHOST_REC_MAX_LEN + 8, 64 },
		{ GHOST_REC_PAGES, U32_MAX - 7, 64 },
	};
	struct medium *medium = test->priv;
	struct ghost_rec_hdr *hdr;
	int i;

	for (i = 0; i < ARRAY_SIZE(claims); i++) {
		write_sample(test);
		hdr = (void *)(medium->data + sizeof(struct ghost_image_hdr));
		hdr->kind = cpu_to_le32(claims[i].kind);
		hdr->len = cpu_to_le32(claims[i].len);
		KUNIT_EXPECT_EQ_MSG(test, read_medium(test), -EBADMSG, "claim %d", i);
		KUNIT_EXPECT_LE_MSG(test, medium->longest, claims[i].most, "claim %d", i);
	}
}

static void longest_record_can_be_put(struct kunit *test)
{
	struct ghost *g = medium_export(test, test->priv);
	char *buf = kunit_kzalloc(test, SZ_1M + 1, GFP_KERNEL);

	KUNIT_EXPECT_NOT_NULL(test, buf);
	if (buf) {
		KUNIT_EXPECT_EQ(test, ghost_put(g, GHOST_REC_CRED, buf, SZ_1M + 1), -E2BIG);
		KUNIT_EXPECT_EQ(test, ghost_put(g, GHOST_REC_CRED, buf, SZ_1M), 0);
		KUNIT_EXPECT_EQ(test, ghost_write_image(g), -ENOSPC);
	}
	ghost_put_ghost(g);
}

static int read_name(struct kunit *test, const void *tail, size_t tail_len, size_t name_len)
{
	struct ghost *g = medium_export(test, test->priv);
	struct rec rec;
	char *name;
	int ret;

	KUNIT_EXPECT_EQ(test, ghost_put_object(g, GHOST_REC_FILE, 1, &full, sizeof(full), tail,
					       tail_len), 0);
	KUNIT_EXPECT_EQ(test, ghost_write_image(g), 0);
	ghost_put_ghost(g);

	g = medium_import(test, test->priv);
	ret = ghost_read_header(g) ?: ghost_get_head(g, GHOST_REC_FILE, &rec, sizeof(rec));
	if (!ret) {
		name = ghost_get_name(g, sizeof(rec), name_len);
		ret = IS_ERR(name) ? PTR_ERR(name) : strlen(name);
	}
	ghost_put_ghost(g);
	return ret;
}

static void name_that_is_none_is_refused(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, read_name(test, "/abcdefg", 8, 8), 8);
	KUNIT_EXPECT_EQ(test, read_name(test, "/abcdefg", 7, 7), 7);
	KUNIT_EXPECT_EQ(test, read_name(test, "/abcdefg", 8, 0), -EBADMSG);
	KUNIT_EXPECT_EQ(test, read_name(test, "/abc\0efg", 8, 8), -EBADMSG);
	KUNIT_EXPECT_EQ(test, read_name(test, "/abcdefg", 8, 4096), -EBADMSG);
	KUNIT_EXPECT_EQ(test, read_name(test, "/abcdefg", 8, SIZE_MAX), -EBADMSG);
	KUNIT_EXPECT_EQ(test, read_name(test, "/abcdefg", 8, SIZE_MAX - 7), -EBADMSG);
	/* Into the structure in front of it, and out of the record */
	KUNIT_EXPECT_LT(test, read_name(test, "/abcdefg", 8, sizeof(struct rec) + 9), 0);
}

#define PAGES	3

static int write_test_pages(struct ghost *g)
{
	struct ghost_rec_pages *rec = kzalloc(struct_size(rec, run, 2), GFP_KERNEL);
	struct bio_vec bvec[PAGES];
	struct page *page[PAGES] = {};
	int i, ret = -ENOMEM;

	if (!rec)
		return -ENOMEM;
	for (i = 0; i < PAGES; i++) {
		page[i] = alloc_page(GFP_KERNEL);
		if (!page[i])
			goto out;
		memset(page_address(page[i]), 'a' + i, PAGE_SIZE);
		bvec_set_page(&bvec[i], page[i], PAGE_SIZE, 0);
	}
	rec->nr_runs = cpu_to_le32(2);
	rec->run[0] = cpu_to_le64(0x10000 | (2 - 1));
	rec->run[1] = cpu_to_le64(0x80000 | (1 - 1));
	ret = ghost_write_pages_record(g, GHOST_REC_PAGES, rec, bvec, PAGES);
out:
	for (i = 0; i < PAGES; i++)
		if (page[i])
			__free_page(page[i]);
	kfree(rec);
	return ret;
}

static void write_page_image(struct kunit *test)
{
	struct ghost *g = medium_export(test, test->priv);

	g->write_pages = write_test_pages;
	KUNIT_EXPECT_EQ(test, ghost_put(g, GHOST_REC_MM, &full, sizeof(full)), 0);
	KUNIT_EXPECT_EQ(test, ghost_put_later(g, GHOST_REC_PAGES, 0), 0);
	KUNIT_EXPECT_EQ(test, ghost_put(g, GHOST_REC_THREAD, &full, 8), 0);
	KUNIT_EXPECT_EQ(test, ghost_write_image(g), 0);
	ghost_put_ghost(g);
}

/* The pages land in @data */
static int read_page_image(struct kunit *test, u8 *data)
{
	struct ghost *g = medium_import(test, test->priv);
	struct ghost_rec_pages *pages = NULL;
	struct bio_vec bvec;
	struct rec rec;
	int ret;

	pages = kzalloc(struct_size(pages, run, GHOST_PAGES_BATCH), GFP_KERNEL);
	ret = pages ? ghost_read_header(g) : -ENOMEM;
	if (!ret)
		ret = ghost_get(g, GHOST_REC_MM, &rec, sizeof(rec));
	if (!ret)
		ret = ghost_read_pages_head(g, GHOST_REC_PAGES, pages);
	if (!ret && g->left != PAGES * PAGE_SIZE)
		ret = -EILSEQ;
	if (!ret) {
		bvec_set_virt(&bvec, data, PAGES * PAGE_SIZE);
		ret = ghost_read_pages_data(g, &bvec, 1);
	}
	if (!ret && (le32_to_cpu(pages->nr_runs) != 2 || le64_to_cpu(pages->run[1]) != 0x80000))
		ret = -EILSEQ;
	if (!ret)
		ret = ghost_get(g, GHOST_REC_THREAD, &rec, 8);
	if (!ret)
		ret = ghost_get_end(g);
	kfree(pages);
	ghost_put_ghost(g);
	return ret;
}

static void pages_lie_aligned_in_the_image(struct kunit *test)
{
	struct medium *medium = test->priv;
	u8 *data = kunit_kzalloc(test, PAGES * PAGE_SIZE, GFP_KERNEL);
	int i;

	KUNIT_ASSERT_NOT_NULL(test, data);
	write_page_image(test);
	KUNIT_EXPECT_EQ(test, read_page_image(test, data), 0);
	for (i = 0; i < PAGES; i++) {
		KUNIT_EXPECT_NULL(test, memchr_inv(data + i * PAGE_SIZE, 'a' + i, PAGE_SIZE));
		KUNIT_EXPECT_NULL(test, memchr_inv(medium->data + (i + 1) * PAGE_SIZE, 'a' + i,
						   PAGE_SIZE));
	}
	/* The image is no longer than it must be: what is before the pages takes one page */
	KUNIT_EXPECT_LT(test, medium->len, (PAGES + 2) * PAGE_SIZE);
}

static void damaged_page_is_refused(struct kunit *test)
{
	struct medium *medium = test->priv;
	u8 *data = kunit_kzalloc(test, PAGES * PAGE_SIZE, GFP_KERNEL);
	size_t pos;

	KUNIT_ASSERT_NOT_NULL(test, data);
	write_page_image(test);
	for (pos = 0; pos < medium->len; pos += pos < SZ_2K ? 1 : 61) {
		medium->data[pos] ^= 0x10;
		KUNIT_EXPECT_LT_MSG(test, read_page_image(test, data), 0, "byte %zu", pos);
		medium->data[pos] ^= 0x10;
	}
	KUNIT_EXPECT_EQ(test, read_page_image(test, data), 0);
}

/* Numbers in front of the pages that do not fit together; no checksum can tell */
static void impossible_batches_are_refused(struct kunit *test)
{
	static const struct {
		u32 nr_runs, nr_pages, data;
	} bad[] = {
		{ 0, 3, 0 }, { 4, 3, 0 }, { 1025, 3, 0 }, { U32_MAX, 3, 0 },
		{ 2, 2, 0 }, { 2, 4, 0 }, { 2, 1027, 0 }, { 2, U32_MAX, 0 }, { 2, 0x100003, 0 },
		{ 2, 3, 8 }, { 2, 3, 24 }, { 2, 3, U32_MAX }, { 2, 3, 4096 },
	};
	struct medium *medium = test->priv;
	u8 *data = kunit_kzalloc(test, PAGES * PAGE_SIZE, GFP_KERNEL);
	struct ghost_rec_pages *rec;
	int i;

	KUNIT_ASSERT_NOT_NULL(test, data);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		write_page_image(test);
		rec = (void *)(medium->data + sizeof(struct ghost_image_hdr) +
			       2 * sizeof(struct ghost_rec_hdr) + sizeof(struct rec));
		KUNIT_EXPECT_EQ(test, le32_to_cpu(rec->nr_pages), PAGES);
		rec->nr_runs = cpu_to_le32(bad[i].nr_runs);
		rec->nr_pages = cpu_to_le32(bad[i].nr_pages);
		if (bad[i].data)
			rec->data = cpu_to_le32(bad[i].data);
		KUNIT_EXPECT_EQ_MSG(test, read_page_image(test, data), -EBADMSG, "case %d", i);
		KUNIT_EXPECT_LE_MSG(test, medium->longest, 64, "case %d", i);
	}
}

static struct kunit_case stream_cases[] = {
	KUNIT_CASE(records_come_back_as_they_were),
	KUNIT_CASE(kept_capture_reads_like_an_image),
	KUNIT_CASE(every_flipped_bit_is_refused),
	KUNIT_CASE(image_cut_at_any_byte_is_refused),
	KUNIT_CASE(image_without_its_end_is_refused),
	KUNIT_CASE(wrong_totals_are_refused),
	KUNIT_CASE(image_of_another_machine_is_refused),
	KUNIT_CASE(shorter_record_leaves_zeros_at_the_tail),
	KUNIT_CASE(newer_tail_of_zeros_is_accepted),
	KUNIT_CASE(newer_tail_that_says_something_is_refused),
	KUNIT_CASE(records_are_padded_with_zeros),
	KUNIT_CASE(record_of_another_kind_is_refused),
	KUNIT_CASE(claimed_length_is_bounded),
	KUNIT_CASE(longest_record_can_be_put),
	KUNIT_CASE(name_that_is_none_is_refused),
	KUNIT_CASE(pages_lie_aligned_in_the_image),
	KUNIT_CASE(damaged_page_is_refused),
	KUNIT_CASE(impossible_batches_are_refused),
	{}
};

static struct kunit_suite stream_suite = {
	.name = "ghost_stream",
	.init = stream_init,
	.exit = stream_exit,
	.test_cases = stream_cases,
};

kunit_test_suites(&stream_suite);
