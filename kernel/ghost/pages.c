// SPDX-License-Identifier: GPL-2.0
/*
 * ghost: the contents of private memory
 *
 * An export walks the page tables of the snapshot and takes references to anonymous pages, a
 * batch at a time; they are written with no lock held. They cannot change: whoever writes to
 * the memory gets a copy. What is not anonymous is still in its file, what is all zeros needs
 * no page. An import puts pages straight into the page tables.
 */
#include <linux/bvec.h>
#include <linux/capability.h>
#include <linux/huge_mm.h>
#include <linux/hugetlb.h>
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/mm_inline.h>
#include <linux/pagewalk.h>
#include <linux/pgalloc.h>
#include <linux/rmap.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/swapops.h>
#include <linux/task_work.h>
#include <linux/userfaultfd_k.h>

#include "ghost.h"

/* Pages of a huge page, also where there are none: those of an image become small ones */
#define GHOST_HUGE_NR	(PMD_SIZE / PAGE_SIZE)

/* One page, or one huge page, that was found in the snapshot */
struct found {
	unsigned long addr;		/* and FOUND_*, below a page's size */
	struct page *page;
};

#define FOUND_HUGE	1UL
#define FOUND_ANON	2UL		/* in anonymous memory */
#define FOUND_STAGED	4UL		/* the other end has it */

/**
 * struct page_batch - pages on their way out
 * @found: what the walk found, with references
 * @nr_found: entries of it
 * @nr_pages: pages in them
 * @compared: entries that have been looked for in the snapshot before
 * @next: where the walk goes on
 * @why: what stopped it
 * @mm: the snapshot
 * @whole: what the mapping that is being walked shows of its file is wanted, too
 * @staging: the process runs on
 * @kept: what was written before and has not changed; its runs are the end of it
 * @bvec: what is written
 * @rec: in front of them
 * @run: the end of @rec
 */
struct page_batch {
	struct found found[GHOST_PAGES_BATCH];
	unsigned int nr_found;
	unsigned int nr_pages;
	unsigned int compared;
	unsigned long next;
	enum {
		WALK_GOES_ON,
		WALK_FULL,		/* no room in the batch */
		WALK_SWAPPED,		/* the page at @next is to be fetched */
		WALK_MIGRATING,		/* the page at @next is being moved */
		WALK_POISONED,		/* the page at @next is lost */
		WALK_DEVICE,		/* the page at @next is in the memory of a device */
		WALK_FILE,		/* the page at @next is to be read from its file */
		WALK_KILLED,		/* the caller is to die */
	} why;
	struct mm_struct *mm;
	bool whole;
	bool staging;
	struct bio_vec bvec[GHOST_PAGES_BATCH];
	struct {
		struct ghost_rec_kept rec;	/* has a flexible end: must stand last */
		__le64 run[GHOST_PAGES_BATCH];
	} kept;
	struct ghost_rec_pages rec;	/* has a flexible end: must stand last */
	__le64 run[GHOST_PAGES_BATCH];
};

static int stop_walk(struct page_batch *b, unsigned long addr, int why)
{
	b->next = addr;
	b->why = why;
	return 1;
}

static int add_found(struct page_batch *b, struct vm_area_struct *vma, unsigned long addr,
		     struct page *page, unsigned int nr)
{
	unsigned long flags = (nr > 1 ? FOUND_HUGE : 0) | (vma_is_anonymous(vma) ? FOUND_ANON : 0);

	if (b->nr_pages + nr > GHOST_PAGES_BATCH)
		return stop_walk(b, addr, WALK_FULL);
	folio_get(page_folio(page));
	b->found[b->nr_found].addr = addr | flags;
	b->found[b->nr_found].page = page;
	b->nr_found++;
	b->nr_pages += nr;
	return 0;
}

static int walk_not_present(struct page_batch *b, unsigned long addr, pte_t pte)
{
	swp_entry_t entry = pte_to_swp_entry(pte);

	if (!non_swap_entry(entry))
		return stop_walk(b, addr, WALK_SWAPPED);
	if (is_migration_entry(entry))
		return stop_walk(b, addr, WALK_MIGRATING);
	if (is_device_private_entry(entry))
		return stop_walk(b, addr, WALK_DEVICE);
	/* Markers of userfaultfd: nothing is there, and nobody waits any more */
	if (is_pte_marker_entry(entry) && !(pte_marker_get(entry) & PTE_MARKER_POISONED))
		return 0;
	return stop_walk(b, addr, WALK_POISONED);
}

static int walk_pte(struct page_batch *b, struct vm_area_struct *vma, unsigned long addr,
		    pte_t pte)
{
	struct page *page;

	if (pte_none(pte))
		return b->whole ? stop_walk(b, addr, WALK_FILE) : 0;
	if (!pte_present(pte))
		return walk_not_present(b, addr, pte);
	page = vm_normal_page(vma, addr, pte);
	/* In the private mapping of a file zeros hide what is in the file */
	if (!page && !vma_is_anonymous(vma) && is_zero_pfn(pte_pfn(pte)))
		return add_found(b, vma, addr, ZERO_PAGE(addr), 1);
	if (!page || !folio_test_anon(page_folio(page)))
		return b->whole ? stop_walk(b, addr, WALK_FILE) : 0;
	return add_found(b, vma, addr, page, 1);
}

static int walk_huge(struct page_batch *b, struct vm_area_struct *vma, unsigned long addr,
		     pmd_t pmd)
{
	struct page *page;

	if (!pmd_present(pmd))
		return stop_walk(b, addr, WALK_MIGRATING);
	page = vm_normal_page_pmd(vma, addr & PMD_MASK, pmd);
	if (!page || is_huge_zero_pmd(pmd) || !folio_test_anon(page_folio(page)))
		return b->whole ? stop_walk(b, addr, WALK_FILE) : 0;
	return add_found(b, vma, addr & PMD_MASK, page, GHOST_HUGE_NR);
}

static int walk_pmd(pmd_t *pmd, unsigned long addr, unsigned long end, struct mm_walk *walk)
{
	struct vm_area_struct *vma = walk->vma;
	struct page_batch *b = walk->private;
	pte_t *start, *pte;
	spinlock_t *ptl;	/* of *pmd, or of the table that it points to */
	int ret = 0;

	/* There may be very many without anything to be found */
	cond_resched();
	if (fatal_signal_pending(current))
		return stop_walk(b, addr, WALK_KILLED);
	ptl = pmd_trans_huge_lock(pmd, vma);
	if (ptl) {
		ret = walk_huge(b, vma, addr, *pmd);
		spin_unlock(ptl);
		return ret;
	}
	start = pte_offset_map_lock(vma->vm_mm, pmd, addr, &ptl);
	if (!start) {
		walk->action = ACTION_AGAIN;
		return 0;
	}
	for (pte = start; !ret && addr < end; pte++, addr += PAGE_SIZE)
		ret = walk_pte(b, vma, addr, ptep_get(pte));
	pte_unmap_unlock(start, ptl);
	return ret;
}

static int walk_hole(unsigned long addr, unsigned long end, int depth, struct mm_walk *walk)
{
	struct page_batch *b = walk->private;

	return b->whole ? stop_walk(b, addr, WALK_FILE) : 0;
}

static const struct mm_walk_ops walk_ops = {
	.pmd_entry = walk_pmd,
	.pte_hole = walk_hole,
	.walk_lock = PGWALK_RDLOCK,
};

/* Mappings whose contents belong into an image; what fork() wipes is to be in no copy */
static bool has_contents(struct vm_area_struct *vma)
{
	return vma->anon_vma &&
	       !(vma->vm_flags & (VM_SHARED | VM_IO | VM_PFNMAP | VM_WIPEONFORK));
}

/* Fill the batch from @b->next on. Returns false behind the last page. */
static bool walk_snapshot(struct ghost *g, struct mm_struct *mm, struct page_batch *b)
{
	struct vm_area_struct *vma;
	struct vma_iterator vmi;

	vma_iter_init(&vmi, mm, b->next);
	b->why = WALK_GOES_ON;
	for_each_vma(vmi, vma) {
		b->whole = !b->staging && ghost_vma_is_whole(g, vma);
		if (!b->whole && !has_contents(vma))
			continue;
		if (walk_page_range_vma(vma, max(vma->vm_start, b->next), vma->vm_end,
					&walk_ops, b))
			return true;
	}
	return false;
}

/* Get the page at @b->next from swap; mmap_lock is held for reading and may be dropped */
static int fetch_swapped(struct mm_struct *mm, struct page_batch *b)
{
	struct vm_area_struct *vma;
	struct page *page;
	int locked = 1;
	long n;
	int ret;

	n = get_user_pages_remote(mm, b->next, 1, FOLL_FORCE, &page, &locked);
	if (!locked)
		mmap_read_lock(mm);
	if (n != 1)
		return n < 0 ? n : -EFAULT;
	vma = vma_lookup(mm, b->next);
	ret = vma ? add_found(b, vma, b->next, page, 1) : -EFAULT;
	put_page(page);
	if (!ret)		/* there is room: the caller has seen to that */
		b->next += PAGE_SIZE;
	return min(ret, 0);
}

/* Behind the end of a file there is nothing; what cannot be read is not taken for that. */
static int skip_end_of_file(struct ghost *g, struct mm_struct *mm, struct page_batch *b)
{
	struct vm_area_struct *vma = vma_lookup(mm, b->next);
	loff_t size;

	if (!vma || !vma->vm_file)
		return -EFAULT;
	size = i_size_read(file_inode(vma->vm_file));
	if (linear_page_index(vma, b->next) < DIV_ROUND_UP_ULL(size, PAGE_SIZE))
		return ghost_refuse(g, -EIO, "page %lx: cannot be read from its file", b->next);
	b->next = vma->vm_end;
	return 0;
}

/*
 * Copy the page at @b->next from the file that is mapped there: others may change it. The
 * mapping is one of anonymous memory from now on, where nothing is as good as zeros.
 */
static int fetch_from_file(struct ghost *g, struct mm_struct *mm, struct page_batch *b)
{
	struct page *page = alloc_page(GFP_HIGHUSER | __GFP_ACCOUNT), *from;
	int locked = 1;
	long n;

	if (!page)
		return -ENOMEM;
	n = get_user_pages_remote(mm, b->next, 1, FOLL_FORCE, &from, &locked);
	if (!locked)
		mmap_read_lock(mm);
	if (n == 1) {
		copy_highpage(page, from);
		put_page(from);
		b->found[b->nr_found].addr = b->next | FOUND_ANON;
		b->found[b->nr_found].page = page;
		b->nr_found++;
		b->nr_pages++;
	} else {
		put_page(page);
		if (n != -EFAULT)
			return n < 0 ? n : -EIO;
		return skip_end_of_file(g, mm, b);
	}
	b->next += PAGE_SIZE;
	return 0;
}

/* What is sent ahead can be given up by any signal, also if there is nothing to write */
static bool interrupted(const struct page_batch *b)
{
	return b->staging ? task_sigpending(current) : fatal_signal_pending(current);
}

/* Collect a batch. Returns 1 if there may be more, 0 at the end, or a negative errno. */
static int collect(struct ghost *g, struct page_batch *b)
{
	struct mm_struct *mm = b->mm;
	int ret = 0;

	mmap_read_lock(mm);
	while (walk_snapshot(g, mm, b)) {
		if (b->why == WALK_FULL) {
			ret = 1;
			break;
		}
		if (b->why == WALK_POISONED) {
			ret = ghost_refuse(g, -EIO, "page %lx: lost by the hardware", b->next);
			break;
		}
		if (b->why == WALK_DEVICE) {
			ret = ghost_refuse(g, -EOPNOTSUPP, "page %lx: device memory", b->next);
			break;
		}
		if (b->nr_pages == GHOST_PAGES_BATCH) {
			ret = 1;
			break;
		}
		if (interrupted(b)) {
			ret = -EINTR;
			break;
		}
		if (b->why == WALK_SWAPPED) {
			ret = fetch_swapped(mm, b);
			if (ret)
				break;
			continue;
		}
		if (b->why == WALK_FILE) {
			ret = fetch_from_file(g, mm, b);
			if (ret)
				break;
			continue;
		}
		/* Being moved: that ends soon, but not while we hold the lock */
		mmap_read_unlock(mm);
		schedule_timeout_uninterruptible(1);
		mmap_read_lock(mm);
	}
	mmap_read_unlock(mm);
	return ret;
}

static bool page_is_zero(struct page *page)
{
	void *addr = kmap_local_page(page);
	bool zero = !memchr_inv(addr, 0, PAGE_SIZE);

	kunmap_local(addr);
	return zero;
}

/* In anonymous memory a page of zeros is as good as none */
static bool needs_no_page(const struct found *f)
{
	unsigned int i, nr = f->addr & FOUND_HUGE ? GHOST_HUGE_NR : 1;

	if (!(f->addr & FOUND_ANON))
		return false;
	for (i = 0; i < nr; i++)
		if (!page_is_zero(f->page + i))
			return false;
	return true;
}

/* One more page, or huge page, in a table of runs */
static void add_run(__le64 *run, unsigned int *nr_runs, const struct found *f)
{
	u64 last = *nr_runs ? le64_to_cpu(run[*nr_runs - 1]) : GHOST_PAGES_HUGE;
	u64 nr = (last & GHOST_PAGES_NR_MASK) + 1;
	unsigned long addr = f->addr & PAGE_MASK;

	if (f->addr & FOUND_HUGE)
		run[(*nr_runs)++] = cpu_to_le64(addr | GHOST_PAGES_HUGE | (GHOST_HUGE_NR - 1));
	else if (!(last & GHOST_PAGES_HUGE) && nr <= GHOST_PAGES_NR_MASK &&
		 (last & GHOST_PAGES_ADDR_MASK) + nr * PAGE_SIZE == addr)
		run[*nr_runs - 1] = cpu_to_le64(last + 1);
	else
		run[(*nr_runs)++] = cpu_to_le64(addr);
}

static unsigned int nr_pages_of(const struct found *f)
{
	return f->addr & FOUND_HUGE ? GHOST_HUGE_NR : 1;
}

static unsigned long end_of(const struct found *f)
{
	return (f->addr & PAGE_MASK) + nr_pages_of(f) * PAGE_SIZE;
}

/* What the snapshot before has at @addr: in a huge page, or in @table, the entry of @base */
static struct page *staged_page(struct vm_area_struct *vma, unsigned long base,
				unsigned long addr, struct page *huge, pte_t *table)
{
	pte_t pte;

	if (huge)
		return huge + ((addr & ~PMD_MASK) >> PAGE_SHIFT);
	if (!table)
		return NULL;
	pte = ptep_get(table + ((addr - base) >> PAGE_SHIFT));
	return pte_present(pte) ? vm_normal_page(vma, addr, pte) : NULL;
}

static int mark_staged(struct page_batch *b, struct vm_area_struct *vma, unsigned long base,
		       unsigned long end, struct page *huge, pte_t *table)
{
	unsigned long addr;
	struct found *f;

	for (; b->compared < b->nr_found; b->compared++) {
		f = &b->found[b->compared];
		addr = f->addr & PAGE_MASK;
		if (addr >= end)
			return 0;
		/* A huge page of which the first piece is the same may have others that are not */
		if (addr < base || (table && f->addr & FOUND_HUGE))
			continue;
		/* What needs no page in one of both sorts of mappings needs one in the other */
		if (vma_is_anonymous(vma) == !!(f->addr & FOUND_ANON) &&
		    staged_page(vma, base, addr, huge, table) == f->page)
			f->addr |= FOUND_STAGED;
	}
	return 1;
}

static int compare_pmd(pmd_t *pmd, unsigned long addr, unsigned long end, struct mm_walk *walk)
{
	struct vm_area_struct *vma = walk->vma;
	struct page *huge = NULL;
	spinlock_t *ptl;	/* of *pmd, or of the table that it points to */
	pte_t *table;
	int ret;

	/* There may be much where the batch has nothing */
	cond_resched();
	ptl = pmd_trans_huge_lock(pmd, vma);
	if (ptl) {
		if (pmd_present(*pmd))
			huge = vm_normal_page_pmd(vma, addr & PMD_MASK, *pmd);
		ret = mark_staged(walk->private, vma, addr, end, huge, NULL);
		spin_unlock(ptl);
		return ret;
	}
	table = pte_offset_map_lock(vma->vm_mm, pmd, addr, &ptl);
	if (!table) {
		walk->action = ACTION_AGAIN;
		return 0;
	}
	ret = mark_staged(walk->private, vma, addr, end, NULL, table);
	pte_unmap_unlock(table, ptl);
	return ret;
}

static const struct mm_walk_ops compare_ops = {
	.pmd_entry = compare_pmd,
	.walk_lock = PGWALK_RDLOCK,
};

/*
 * Mark the pages that the snapshot before has at the same places. Each holds its pages, so that
 * whoever writes to one gets another, and one that is the same has not been written to in between.
 */
static void find_staged(struct mm_struct *staged, struct page_batch *b)
{
	unsigned long from, to;
	struct vm_area_struct *vma;
	struct vma_iterator vmi;

	if (!b->nr_found)
		return;
	from = b->found[0].addr & PAGE_MASK;
	to = end_of(&b->found[b->nr_found - 1]);
	b->compared = 0;
	vma_iter_init(&vmi, staged, from);
	mmap_read_lock(staged);
	for_each_vma_range(vmi, vma, to) {
		if (walk_page_range_vma(vma, max(vma->vm_start, from), min(vma->vm_end, to),
					&compare_ops, b))
			break;
	}
	mmap_read_unlock(staged);
}

/* Put those aside that the other end has: they are named if the process is to be made of them */
static void drop_staged(struct ghost *g, struct page_batch *b)
{
	unsigned int i, n = 0, nr_runs = 0, nr_pages = 0;

	if (!g->staged_mm)
		return;
	find_staged(g->staged_mm, b);
	for (i = 0; i < b->nr_found; i++) {
		struct found *f = &b->found[i];

		if (!(f->addr & FOUND_STAGED)) {
			b->found[n++] = *f;
			continue;
		}
		if (!b->staging) {
			add_run(b->kept.run, &nr_runs, f);
			nr_pages += nr_pages_of(f);
		}
		put_page(f->page);
	}
	b->nr_found = n;
	b->kept.rec.nr_runs = cpu_to_le32(nr_runs);
	b->kept.rec.nr_pages = cpu_to_le32(nr_pages);
}

static int write_kept(struct ghost *g, struct page_batch *b)
{
	unsigned int nr = le32_to_cpu(b->kept.rec.nr_runs);

	if (b->staging || !nr)
		return 0;
	return ghost_write_record(g, GHOST_REC_KEPT, &b->kept.rec,
				  struct_size(&b->kept.rec, run, nr));
}

/*
 * Let go of pages of a snapshot that is not needed for them any more. That bounds the memory that
 * the process pays for copies while it runs on.
 */
static void zap(struct mm_struct *mm, unsigned long from, unsigned long to)
{
	struct vm_area_struct *vma;
	struct vma_iterator vmi;

	vma_iter_init(&vmi, mm, from);
	mmap_read_lock(mm);
	for_each_vma_range(vmi, vma, to) {
		unsigned long start = max(vma->vm_start, from);

		if (has_contents(vma))
			zap_page_range_single(vma, start, min(vma->vm_end, to) - start, NULL);
	}
	mmap_read_unlock(mm);
}

static void put_found(struct page_batch *b)
{
	while (b->nr_found)
		put_page(b->found[--b->nr_found].page);
	b->nr_pages = 0;
}

/* What was not sent ahead must not be taken later for what the other end has */
static void forget_zero(struct page_batch *b, unsigned long from, unsigned long to)
{
	if (b->staging && from < to)
		zap(b->mm, from, to);
}

static int write_batch(struct ghost *g, struct page_batch *b)
{
	u32 kind = b->staging ? GHOST_REC_STAGED : GHOST_REC_PAGES;
	unsigned long zero = 0, zero_end = 0;
	unsigned int i, nr_bvec = 0, nr_runs = 0;
	int ret;

	drop_staged(g, b);
	ret = write_kept(g, b);
	for (i = 0; i < b->nr_found; i++) {
		struct found *f = &b->found[i];

		if (needs_no_page(f)) {
			if (zero_end != (f->addr & PAGE_MASK)) {
				forget_zero(b, zero, zero_end);
				zero = f->addr & PAGE_MASK;
			}
			zero_end = end_of(f);
			continue;
		}
		add_run(b->rec.run, &nr_runs, f);
		bvec_set_page(&b->bvec[nr_bvec++], f->page, nr_pages_of(f) * PAGE_SIZE, 0);
	}
	forget_zero(b, zero, zero_end);
	b->rec.nr_runs = cpu_to_le32(nr_runs);
	if (!ret && nr_bvec)
		ret = ghost_write_pages_record(g, kind, &b->rec, b->bvec, nr_bvec);
	put_found(b);
	return ret;
}

/* Whoever was killed must not live on in memory that is sent for him */
static bool is_gone(struct ghost *g)
{
	struct task_struct *p;
	bool gone;

	rcu_read_lock();
	p = pid_task(g->pid, PIDTYPE_TGID);
	gone = !p || READ_ONCE(p->signal->flags) & SIGNAL_GROUP_EXIT;
	rcu_read_unlock();
	return gone;
}

static int write_all(struct ghost *g, struct mm_struct *mm, bool staging)
{
	struct page_batch *b = kvzalloc(sizeof(*b), GFP_KERNEL);
	unsigned long from;
	int more, ret;

	if (!b)
		return -ENOMEM;
	b->mm = mm;
	b->staging = staging;
	do {
		from = b->next;
		more = collect(g, b);
		/* Pages of zeros are never written, which would look for signals */
		ret = interrupted(b) ? -EINTR : min(more, 0);
		if (!ret)
			ret = write_batch(g, b);
		/* Who is held makes no copies, but waits */
		if (!ret && more && !staging && !g->stop)
			zap(mm, from, b->next);
		/* What has been compared is not needed in the one before */
		if (!ret && more && g->staged_mm && !g->stop)
			zap(g->staged_mm, from, b->next);
		if (!ret && staging && is_gone(g))
			ret = ghost_refuse(g, -ESRCH, "process: was killed meanwhile");
	} while (!ret && more);
	put_found(b);
	kvfree(b);
	return ret;
}

/**
 * ghost_write_pages() - write the contents of the snapshot; sleeps
 * @g: the export; its snapshot may be empty afterwards
 * Return: 0, or a negative errno.
 */
int ghost_write_pages(struct ghost *g)
{
	int ret = write_all(g, g->mm, false);

	/* Breakpoints that were put there meanwhile are in the image now */
	return ret ?: ghost_check_snapshot(g) ?: ghost_check_whole_files(g);
}

/**
 * ghost_stage_pages() - write what has changed since this was called last; sleeps
 * @g: the export; its process runs on
 * @mm: a snapshot of its memory; kept, to see later what has changed since
 * Return: 0, or a negative errno.
 */
int ghost_stage_pages(struct ghost *g, struct mm_struct *mm)
{
	int ret = write_all(g, mm, true);

	if (g->staged_mm)
		mmput(g->staged_mm);
	g->staged_mm = mm;
	/* Files that the process has closed are not to stay open for our sake */
	if (task_work_pending(current))
		task_work_run();
	return ret;
}

int ghost_export_pages(struct ghost *g, struct task_struct *t)
{
	return ghost_put_later(g, GHOST_REC_PAGES, 0);
}

/*
 * Pages on their way in. Those of a huge page are faulted in and read in place; others are
 * read first, then put into the page table.
 */
struct in_batch {
	struct bio_vec bvec[GHOST_PAGES_BATCH];
	unsigned int nr;
	struct page *huge[GHOST_HUGE_NR];
	struct ghost_rec_pages rec;	/* has a flexible end: must stand last */
	__le64 run[GHOST_PAGES_BATCH];
};

static void free_in_batch(struct in_batch *b)
{
	while (b->nr)
		if (b->bvec[--b->nr].bv_page)
			put_page(b->bvec[b->nr].bv_page);
	kvfree(b);
}

static int refuse_page(struct ghost *g, unsigned long addr, int err, const char *what)
{
	return ghost_refuse(g, err, "image: page %lx: %s", addr, what);
}

static struct vm_area_struct *lookup_private(struct mm_struct *mm, unsigned long addr)
{
	struct vm_area_struct *vma;

	mmap_assert_locked(mm);
	vma = vma_lookup(mm, addr);
	if (!vma || is_vm_hugetlb_page(vma) ||
	    vma->vm_flags & (VM_SHARED | VM_MAYSHARE | VM_IO | VM_PFNMAP | VM_MIXEDMAP |
			     VM_DROPPABLE))
		return NULL;
	/* Of the importer: that of the image comes later */
	if (vma->vm_flags & VM_EXEC && test_bit(MMF_HAS_MDWE, &mm->flags))
		return NULL;
	return vma;
}

static int prepare_huge(struct ghost *g, struct in_batch *b, unsigned long addr)
{
	struct mm_struct *mm = current->mm;
	struct vm_area_struct *vma;
	long n = -EFAULT, i;

	mmap_read_lock(mm);
	vma = lookup_private(mm, addr);
	if (vma && vma_is_anonymous(vma) && vma->vm_end - addr >= PMD_SIZE)
		n = get_user_pages(addr, GHOST_HUGE_NR, FOLL_WRITE | FOLL_FORCE, b->huge);
	mmap_read_unlock(mm);
	for (i = 0; i < n; i++)
		bvec_set_page(&b->bvec[b->nr++], b->huge[i], PAGE_SIZE, 0);
	if (n == GHOST_HUGE_NR)
		return 0;
	if (n < 0)
		return refuse_page(g, addr, n == -EFAULT ? -EBADMSG : n, "no room for a huge page");
	return -ENOMEM;
}

static int add_folios(struct in_batch *b, unsigned int nr, gfp_t gfp)
{
	struct folio *folio;

	while (nr--) {
		folio = folio_alloc(gfp, 0);
		if (!folio)
			return -ENOMEM;
		bvec_set_folio(&b->bvec[b->nr++], folio, PAGE_SIZE, 0);
	}
	return 0;
}

static int prepare_small(struct ghost *g, struct in_batch *b, unsigned long addr, unsigned int nr)
{
	return add_folios(b, nr, GFP_HIGHUSER_MOVABLE);
}

/* What becomes of a run of pages, or of a huge one */
struct run_ops {
	int (*small)(struct ghost *g, struct in_batch *b, unsigned long addr, unsigned int nr);
	int (*huge)(struct ghost *g, struct in_batch *b, unsigned long addr);
};

static const struct run_ops prepare_ops = { prepare_small, prepare_huge };

static int do_runs(struct ghost *g, struct in_batch *b, const struct run_ops *ops)
{
	unsigned int i, total = le32_to_cpu(b->rec.nr_pages);
	int ret = 0;

	for (i = 0; !ret && i < le32_to_cpu(b->rec.nr_runs); i++) {
		u64 run = le64_to_cpu(b->rec.run[i]);
		unsigned long addr = run & GHOST_PAGES_ADDR_MASK;
		unsigned int nr = (run & GHOST_PAGES_NR_MASK) + 1;

		if (run & ~(GHOST_PAGES_ADDR_MASK | GHOST_PAGES_HUGE | GHOST_PAGES_NR_MASK))
			return refuse_page(g, addr, -EBADMSG, "unknown bit");
		if (addr >= TASK_SIZE_MAX || nr > total - b->nr)
			return refuse_page(g, addr, -EBADMSG, "not in the memory of the process");
		if (!(run & GHOST_PAGES_HUGE))
			ret = ops->small(g, b, addr, nr);
		else if (nr == GHOST_HUGE_NR && IS_ALIGNED(addr, PMD_SIZE))
			ret = ops->huge(g, b, addr);
		else
			ret = refuse_page(g, addr, -EBADMSG, "not a huge page");
	}
	if (!ret && b->nr != total)
		ret = ghost_refuse(g, -EBADMSG, "image: number of pages");
	return ret;
}

static pmd_t *alloc_pmd(struct mm_struct *mm, unsigned long addr)
{
	p4d_t *p4d = p4d_alloc(mm, pgd_offset(mm, addr), addr);
	pud_t *pud = p4d ? pud_alloc(mm, p4d, addr) : NULL;
	pmd_t *pmd = pud ? pmd_alloc(mm, pud, addr) : NULL;

	return pmd && !pte_alloc(mm, pmd) ? pmd : NULL;
}

static int install_page(struct vm_area_struct *vma, unsigned long addr, struct bio_vec *bv)
{
	struct folio *folio = page_folio(bv->bv_page);
	pmd_t *pmd;
	int ret;

	/* One that was staged is charged already */
	if (!folio_memcg(folio) && mem_cgroup_charge(folio, vma->vm_mm, GFP_KERNEL))
		return -ENOMEM;
	__folio_mark_uptodate(folio);
	pmd = alloc_pmd(vma->vm_mm, addr);
	if (!pmd)
		return -ENOMEM;
	ret = mfill_atomic_install_pte(pmd, vma, addr, bv->bv_page, true, 0);
	if (!ret)
		bv->bv_page = NULL;	/* the page table has our reference */
	return ret;
}

/*
 * Something is there: a huge page, as khugepaged has been quick; or a page of zeros, because
 * somebody has looked at the memory of the new process, as ps(1) does at its arguments.
 */
static int copy_page_in(unsigned long addr, struct page *from)
{
	struct page *page;
	long n = get_user_pages(addr, 1, FOLL_WRITE | FOLL_FORCE, &page);

	if (n != 1)
		return n < 0 ? n : -EFAULT;
	copy_highpage(page, from);
	set_page_dirty_lock(page);
	put_page(page);
	return 0;
}

static int install_run(struct ghost *g, struct in_batch *b, unsigned int first,
		       unsigned long addr, unsigned int nr)
{
	struct mm_struct *mm = current->mm;
	struct vm_area_struct *vma = NULL;
	unsigned int i;
	int ret = 0;

	mmap_read_lock(mm);
	for (i = 0; i < nr; i++, addr += PAGE_SIZE) {
		/* A run may go over the border of two mappings */
		if (!vma || addr >= vma->vm_end) {
			vma = lookup_private(mm, addr);
			ret = vma ? anon_vma_prepare(vma) : -EFAULT;
		}
		if (!ret)
			ret = install_page(vma, addr, &b->bvec[first + i]);
		if (ret == -EAGAIN || ret == -EEXIST)
			ret = copy_page_in(addr, b->bvec[first + i].bv_page);
		if (ret)
			break;
	}
	mmap_read_unlock(mm);
	if (ret == -EFAULT)
		return refuse_page(g, addr, -EBADMSG,
				   "not private memory, or code under PR_SET_MDWE");
	return ret;
}

static int install_runs(struct ghost *g, struct in_batch *b)
{
	unsigned int i, first = 0;
	int ret = 0;

	for (i = 0; !ret && i < le32_to_cpu(b->rec.nr_runs); i++) {
		u64 run = le64_to_cpu(b->rec.run[i]);
		unsigned int nr = (run & GHOST_PAGES_NR_MASK) + 1;

		if (!(run & GHOST_PAGES_HUGE))
			ret = install_run(g, b, first, run & GHOST_PAGES_ADDR_MASK, nr);
		first += nr;
	}
	return ret;
}

int ghost_import_pages(struct ghost *g)
{
	struct in_batch *b;
	int ret;

	if (!g->has_mm)
		return ghost_refuse(g, -EBADMSG, "image: pages without an address space");
	if (g->source) {	/* they came with the snapshot */
		ghost_skip_later(g);
		return 0;
	}
	b = kvzalloc(sizeof(*b), GFP_KERNEL);
	if (!b)
		return -ENOMEM;
	ret = ghost_read_pages_head(g, GHOST_REC_PAGES, &b->rec);
	if (!ret)
		ret = do_runs(g, b, &prepare_ops);
	if (!ret)
		ret = ghost_read_pages_data(g, b->bvec, b->nr);
	if (!ret)
		ret = install_runs(g, b);
	free_in_batch(b);
	return ret;
}

/*
 * Pages that come before the process is stopped. They wait under their addresses until it is
 * known what becomes of them: one that comes again takes the place of the other.
 *
 * No process has them that could be found when memory is short. So they are never more than half
 * of all memory, and nobody is killed to have them: the import fails.
 */
#define GFP_STAGED	(GFP_HIGHUSER | __GFP_RETRY_MAYFAIL | __GFP_NOWARN)

static atomic_long_t all_staged;

static int stage_page(struct ghost *g, unsigned long addr, struct bio_vec *bv)
{
	struct folio *folio = page_folio(bv->bv_page);
	struct page *old;

	if (mem_cgroup_charge(folio, current->mm, GFP_STAGED & ~__GFP_HIGHMEM))
		return -ENOMEM;
	old = xa_store(&g->staged, addr >> PAGE_SHIFT, bv->bv_page,
		       GFP_STAGED & ~__GFP_HIGHMEM);
	if (xa_is_err(old))
		return xa_err(old);
	bv->bv_page = NULL;
	if (old) {
		put_page(old);
		return 0;
	}
	g->nr_staged++;
	if (atomic_long_inc_return(&all_staged) > totalram_pages() / 2)
		return ghost_refuse(g, -ENOMEM, "image: more than half of all memory sent ahead");
	return 0;
}

static int stage_small(struct ghost *g, struct in_batch *b, unsigned long addr, unsigned int nr)
{
	return add_folios(b, nr, GFP_STAGED);
}

static int stage_huge(struct ghost *g, struct in_batch *b, unsigned long addr)
{
	return add_folios(b, GHOST_HUGE_NR, GFP_STAGED);
}

static const struct run_ops stage_ops = { stage_small, stage_huge };

static int stage_runs(struct ghost *g, struct in_batch *b)
{
	unsigned int i, k, n = 0;
	int ret = 0;

	for (i = 0; !ret && i < le32_to_cpu(b->rec.nr_runs); i++) {
		u64 run = le64_to_cpu(b->rec.run[i]);
		unsigned long addr = run & GHOST_PAGES_ADDR_MASK;

		for (k = 0; !ret && k <= (run & GHOST_PAGES_NR_MASK); k++)
			ret = stage_page(g, addr + k * PAGE_SIZE, &b->bvec[n++]);
	}
	return ret;
}

int ghost_import_staged(struct ghost *g)
{
	struct in_batch *b = kvzalloc(sizeof(*b), GFP_KERNEL);
	int ret;

	if (!b)
		return -ENOMEM;
	/*
	 * They count for nobody but a memory cgroup, cannot be swapped out, and there may be as
	 * many of them as all importers together may have. Who writes a file has no use for them.
	 */
	if (!g->res.ops->handover)
		ret = ghost_refuse(g, -EBADMSG, "image: has pages that were sent ahead");
	else if (!checkpoint_restore_ns_capable(&init_user_ns))
		ret = ghost_refuse(g, -EPERM, "image: memory sent ahead: not for the importer");
	else
		ret = ghost_read_pages_head(g, GHOST_REC_STAGED, &b->rec);
	if (!ret)
		ret = do_runs(g, b, &stage_ops);
	if (!ret)
		ret = ghost_read_pages_data(g, b->bvec, b->nr);
	if (!ret)
		ret = stage_runs(g, b);
	free_in_batch(b);
	return ret;
}

static struct page *take_staged(struct ghost *g, unsigned long addr)
{
	struct page *page = xa_erase(&g->staged, addr >> PAGE_SHIFT);

	if (page) {
		g->nr_staged--;
		atomic_long_dec(&all_staged);
	}
	return page;
}

static int take_small(struct ghost *g, struct in_batch *b, unsigned long addr, unsigned int nr)
{
	struct page *page;

	for (; nr--; addr += PAGE_SIZE) {
		page = take_staged(g, addr);
		if (!page)
			return refuse_page(g, addr, -EBADMSG, "was not sent before");
		bvec_set_page(&b->bvec[b->nr++], page, PAGE_SIZE, 0);
	}
	return 0;
}

/* It came in small ones; the process gets a huge one again */
static int take_huge(struct ghost *g, struct in_batch *b, unsigned long addr)
{
	unsigned int i, first = b->nr;
	struct page *page;
	int ret = prepare_huge(g, b, addr);

	for (i = 0; !ret && i < GHOST_HUGE_NR; i++) {
		page = take_staged(g, addr + i * PAGE_SIZE);
		if (!page)
			return refuse_page(g, addr + i * PAGE_SIZE, -EBADMSG,
					   "was not sent before");
		copy_highpage(b->bvec[first + i].bv_page, page);
		put_page(page);
		cond_resched();
	}
	return ret;
}

static const struct run_ops take_ops = { take_small, take_huge };

int ghost_import_kept(struct ghost *g)
{
	struct ghost_rec_kept rec;
	struct in_batch *b;
	const void *run;
	u32 nr_runs;
	int ret;

	ret = ghost_get_head(g, GHOST_REC_KEPT, &rec, sizeof(rec));
	if (ret)
		return ret;
	nr_runs = le32_to_cpu(rec.nr_runs);
	if (!g->has_mm || !nr_runs || nr_runs > GHOST_PAGES_BATCH ||
	    le32_to_cpu(rec.nr_pages) > GHOST_PAGES_BATCH)
		return ghost_refuse(g, -EBADMSG, "image: batch of pages sent before");
	run = ghost_get_tail(g, sizeof(rec), nr_runs * sizeof(rec.run[0]));
	if (IS_ERR(run))
		return PTR_ERR(run);
	b = kvzalloc(sizeof(*b), GFP_KERNEL);
	if (!b)
		return -ENOMEM;
	/* Of a record that is too short nothing is left in @rec */
	b->rec.nr_runs = cpu_to_le32(nr_runs);
	b->rec.nr_pages = rec.nr_pages;
	memcpy(b->rec.run, run, nr_runs * sizeof(rec.run[0]));
	ret = do_runs(g, b, &take_ops);
	if (!ret)
		ret = install_runs(g, b);
	free_in_batch(b);
	return ret;
}

/**
 * ghost_free_staged() - give back pages that came before and were not needed
 * @g: the import
 */
void ghost_free_staged(struct ghost *g)
{
	unsigned long index;
	struct page *page;

	xa_for_each(&g->staged, index, page) {
		/* To destroy what is not empty takes long with interrupts off */
		xa_erase(&g->staged, index);
		put_page(page);
		cond_resched();
	}
	xa_destroy(&g->staged);
	atomic_long_sub(g->nr_staged, &all_staged);
	g->nr_staged = 0;
}

int ghost_finish_pages(struct ghost *g)
{
	ghost_free_staged(g);
	return ghost_finish_mm(g);
}
