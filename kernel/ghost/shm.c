// SPDX-License-Identifier: GPL-2.0
/*
 * ghost: anonymous shared memory
 *
 * It cannot be captured copy-on-write, so it is copied while the process is parked, into an
 * object of our own. An import makes a new object and maps it where the old one was.
 */
#include <linux/bvec.h>
#include <linux/fs.h>
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/pagemap.h>
#include <linux/sched/signal.h>
#include <linux/shmem_fs.h>
#include <linux/slab.h>

#include "ghost.h"

/* One page of an object, for reading or writing; not by write(), which knows limits */
static struct page *shm_page(struct file *file, loff_t pos)
{
	return shmem_read_mapping_page(file->f_mapping, pos >> PAGE_SHIFT);
}

static int store_page(struct file *file, loff_t pos, struct page *from)
{
	struct page *page = shm_page(file, pos);

	if (IS_ERR(page))
		return PTR_ERR(page);
	copy_highpage(page, from);
	set_page_dirty_lock(page);
	put_page(page);
	return 0;
}

/* The next range of @file from @pos on that is no hole. False: there is none. */
static bool next_data(struct file *file, loff_t *pos, loff_t *end)
{
	loff_t size = i_size_read(file_inode(file));

	*pos = vfs_llseek(file, *pos, SEEK_DATA);
	if (*pos < 0 || *pos >= size)
		return false;
	*end = vfs_llseek(file, *pos, SEEK_HOLE);
	if (*end < 0)
		*end = size;
	*pos = round_down(*pos, PAGE_SIZE);
	*end = round_up(*end, PAGE_SIZE);
	return true;
}

/* Copy what there is in @from; holes stay holes */
static int copy_shm(struct file *from, struct file *to)
{
	loff_t pos = 0, end;
	struct page *page;
	int ret = 0;

	while (!ret && next_data(from, &pos, &end)) {
		for (; !ret && pos < end; pos += PAGE_SIZE) {
			page = shm_page(from, pos);
			if (IS_ERR(page))
				return PTR_ERR(page);
			ret = store_page(to, pos, page);
			put_page(page);
			if (fatal_signal_pending(current))
				ret = -EINTR;
			cond_resched();
		}
	}
	return ret;
}

static int keep_shm(struct ghost *g, u32 ref, struct file *file)
{
	int ret = xa_err(xa_store(&g->shm, ref, file, GFP_KERNEL));

	if (ret)
		fput(file);
	return ret;
}

static int export_shm(struct ghost *g, struct file *file)
{
	loff_t size = i_size_read(file_inode(file));
	struct ghost_rec_shm rec = { .size = cpu_to_le64(size) };
	struct file *copy;
	int ret;
	u32 ref;

	if (SHMEM_I(file_inode(file))->flags & VM_NORESERVE)
		rec.flags = cpu_to_le64(GHOST_SHM_NORESERVE);
	ret = ghost_ref_add(g, file, &ref);
	if (ret)
		return min(ret, 0);	/* captured already: mapped more than once */
	copy = shmem_kernel_file_setup("ghost", size, VM_NORESERVE);
	if (IS_ERR(copy))
		return PTR_ERR(copy);
	ret = keep_shm(g, ref, copy);
	if (!ret)
		ret = copy_shm(file, copy);
	if (!ret)
		ret = ghost_put_object(g, GHOST_REC_SHM, ref, &rec, sizeof(rec), NULL, 0);
	return ret ?: ghost_put_later(g, GHOST_REC_SHM_PAGES, ref);
}

int ghost_export_shm(struct ghost *g, struct task_struct *t)
{
	return ghost_visit_shm(g, t, export_shm);
}

/* As mmap(MAP_SHARED | MAP_ANONYMOUS), with MAP_NORESERVE if @flags say so */
static struct file *new_shm(u64 size, u64 flags)
{
	bool noreserve = flags & GHOST_SHM_NORESERVE &&
			 sysctl_overcommit_memory != OVERCOMMIT_NEVER;

	return shmem_kernel_file_setup("dev/zero", size, noreserve ? VM_NORESERVE : 0);
}

int ghost_import_shm(struct ghost *g)
{
	struct ghost_rec_shm rec;
	struct file *file, *kept;
	u32 ref;
	u64 size;
	int ret;

	ret = ghost_get(g, GHOST_REC_SHM, &rec, sizeof(rec));
	if (ret)
		return ret;
	ref = g->hdr.ref;
	size = le64_to_cpu(rec.size);
	if (!ref || !size || size > MAX_LFS_FILESIZE || !PAGE_ALIGNED(size))
		return ghost_refuse(g, -EBADMSG, "image: shared memory %u: size %llu", ref, size);
	if (le64_to_cpu(rec.flags) & ~GHOST_SHM_NORESERVE)
		return ghost_refuse(g, -EOPNOTSUPP, "image: shared memory %u: unknown flag", ref);
	file = new_shm(size, le64_to_cpu(rec.flags));
	if (IS_ERR(file))
		return ghost_refuse(g, PTR_ERR(file), "shared memory %u: %llu bytes", ref, size);
	ret = ghost_ref_set(g, ref, file);
	if (ret) {
		fput(file);
		return ret;
	}
	ret = keep_shm(g, ref, file);
	if (ret)
		return ret;
	g->shm_file = file;
	if (!g->source)
		return 0;
	kept = xa_load(&g->source->shm, ref);
	return kept ? copy_shm(kept, file) : -EBADMSG;
}

struct shm_batch {
	struct bio_vec bvec[GHOST_PAGES_BATCH];
	unsigned int nr;
	unsigned int nr_runs;
	struct ghost_rec_pages rec;	/* has a flexible end: must stand last */
	__le64 run[GHOST_PAGES_BATCH];
};

static struct shm_batch *batch_alloc(void)
{
	return kvzalloc(sizeof(struct shm_batch), GFP_KERNEL);
}

static void put_pages(struct shm_batch *b)
{
	while (b->nr)
		put_page(b->bvec[--b->nr].bv_page);
	b->nr_runs = 0;
}

static int write_batch(struct ghost *g, struct shm_batch *b)
{
	int ret;

	if (!b->nr)
		return 0;
	b->rec.nr_runs = cpu_to_le32(b->nr_runs);
	ret = ghost_write_pages_record(g, GHOST_REC_SHM_PAGES, &b->rec, b->bvec, b->nr);
	put_pages(b);
	return ret;
}

static int write_range(struct ghost *g, struct shm_batch *b, struct file *file, loff_t pos,
		       loff_t end)
{
	struct page *page;
	int ret = 0;

	for (; !ret && pos < end; pos += PAGE_SIZE) {
		page = shm_page(file, pos);
		if (IS_ERR(page))
			return PTR_ERR(page);
		/* One page, one run: the table is small beside the pages all the same */
		b->rec.run[b->nr_runs++] = cpu_to_le64(pos);
		bvec_set_page(&b->bvec[b->nr++], page, PAGE_SIZE, 0);
		if (b->nr == GHOST_PAGES_BATCH)
			ret = write_batch(g, b);
	}
	return ret;
}

/**
 * ghost_write_shm_pages() - write the contents of a shared memory object; sleeps
 * @g: the export
 * @ref: number of the object
 * Return: 0, or a negative errno.
 */
int ghost_write_shm_pages(struct ghost *g, u32 ref)
{
	struct file *file = xa_load(&g->shm, ref);
	loff_t pos = 0, end;
	struct shm_batch *b = batch_alloc();
	int ret = 0;

	if (!b)
		return -ENOMEM;
	while (!ret && next_data(file, &pos, &end)) {
		ret = write_range(g, b, file, pos, end);
		pos = end;
	}
	if (!ret)
		ret = write_batch(g, b);
	put_pages(b);
	kvfree(b);
	return ret;
}

static int check_runs(struct ghost *g, const struct ghost_rec_pages *rec, loff_t size)
{
	unsigned int i, pages = 0;
	u64 run, pos, nr;

	for (i = 0; i < le32_to_cpu(rec->nr_runs); i++) {
		run = le64_to_cpu(rec->run[i]);
		pos = run & GHOST_PAGES_ADDR_MASK;
		nr = (run & GHOST_PAGES_NR_MASK) + 1;
		if (run & ~(GHOST_PAGES_ADDR_MASK | GHOST_PAGES_NR_MASK) || pos >= size ||
		    nr > (size - pos) >> PAGE_SHIFT)
			return ghost_refuse(g, -EBADMSG, "image: shared memory: page at %#llx",
					    pos);
		pages += nr;
	}
	if (pages != le32_to_cpu(rec->nr_pages))
		return ghost_refuse(g, -EBADMSG, "image: shared memory: number of pages");
	return 0;
}

static int alloc_pages_for(struct shm_batch *b, unsigned int nr)
{
	struct page *page;

	while (b->nr < nr) {
		page = alloc_page(GFP_KERNEL_ACCOUNT);
		if (!page)
			return -ENOMEM;
		bvec_set_page(&b->bvec[b->nr++], page, PAGE_SIZE, 0);
	}
	return 0;
}

static int store_runs(struct ghost *g, struct shm_batch *b)
{
	unsigned int i, n = 0, j;
	int ret = 0;

	for (i = 0; i < le32_to_cpu(b->rec.nr_runs); i++) {
		u64 run = le64_to_cpu(b->rec.run[i]);
		loff_t pos = run & GHOST_PAGES_ADDR_MASK;

		for (j = 0; !ret && j <= (run & GHOST_PAGES_NR_MASK); j++, n++)
			ret = store_page(g->shm_file, pos + j * PAGE_SIZE, b->bvec[n].bv_page);
	}
	return ret;
}

int ghost_import_shm_pages(struct ghost *g)
{
	struct shm_batch *b;
	int ret;

	if (!g->shm_file)
		return ghost_refuse(g, -EBADMSG, "image: pages of no shared memory");
	if (g->source) {
		ghost_skip_later(g);
		return 0;
	}
	b = batch_alloc();
	if (!b)
		return -ENOMEM;
	ret = ghost_read_pages_head(g, GHOST_REC_SHM_PAGES, &b->rec);
	if (!ret)
		ret = check_runs(g, &b->rec, i_size_read(file_inode(g->shm_file)));
	if (!ret)
		ret = alloc_pages_for(b, le32_to_cpu(b->rec.nr_pages));
	if (!ret)
		ret = ghost_read_pages_data(g, b->bvec, b->nr);
	if (!ret)
		ret = store_runs(g, b);
	put_pages(b);
	kvfree(b);
	return ret;
}
