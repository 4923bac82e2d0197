// SPDX-License-Identifier: GPL-2.0
/*
 * ghost: address space and mappings
 *
 * What is private is captured as a snapshot, copy-on-write; see pages.c for its contents and
 * shm.c for what is shared.
 */
#include <linux/binfmts.h>
#include <linux/file.h>
#include <linux/hugetlb.h>
#include <linux/iversion.h>
#include <linux/khugepaged.h>
#include <linux/ksm.h>
#include <linux/mm_inline.h>
#include <linux/mman.h>
#include <linux/mmu_notifier.h>
#include <linux/nsproxy.h>
#include <linux/personality.h>
#include <linux/prctl.h>
#include <linux/proc_ns.h>
#include <linux/rmap.h>
#include <linux/sched/coredump.h>
#include <linux/sched/mm.h>
#include <linux/sched/numa_balancing.h>
#include <linux/sched/signal.h>
#include <linux/security.h>
#include <linux/time_namespace.h>
#include <linux/shmem_fs.h>
#include <linux/slab.h>
#include <linux/unistd.h>
#include <linux/user_events.h>
#include <linux/user_namespace.h>

#include "ghost.h"

/* Properties of a mapping, here and in an image; @advice sets it at import */
static const struct vma_flag {
	vm_flags_t vm;
	u64 image;
	int advice;
} vma_flags[] = {
	{ VM_READ,		GHOST_VMA_READ },
	{ VM_WRITE,		GHOST_VMA_WRITE },
	{ VM_EXEC,		GHOST_VMA_EXEC },
	{ VM_MAYREAD,		GHOST_VMA_MAYREAD },
	{ VM_MAYWRITE,		GHOST_VMA_MAYWRITE },
	{ VM_MAYEXEC,		GHOST_VMA_MAYEXEC },
	{ VM_MAYSHARE,		GHOST_VMA_SHARED },
	{ VM_GROWSDOWN,		GHOST_VMA_GROWSDOWN },
	{ VM_LOCKED,		GHOST_VMA_LOCKED },
	{ VM_LOCKONFAULT,	GHOST_VMA_LOCKONFAULT },
	{ VM_SEQ_READ,		GHOST_VMA_SEQ_READ,	MADV_SEQUENTIAL },
	{ VM_RAND_READ,		GHOST_VMA_RAND_READ,	MADV_RANDOM },
	{ VM_DONTCOPY,		GHOST_VMA_DONTCOPY,	MADV_DONTFORK },
	{ VM_WIPEONFORK,	GHOST_VMA_WIPEONFORK,	MADV_WIPEONFORK },
	{ VM_DONTDUMP,		GHOST_VMA_DONTDUMP,	MADV_DONTDUMP },
	{ VM_HUGEPAGE,		GHOST_VMA_HUGEPAGE,	MADV_HUGEPAGE },
	{ VM_NOHUGEPAGE,	GHOST_VMA_NOHUGEPAGE,	MADV_NOHUGEPAGE },
	{ VM_MERGEABLE,		GHOST_VMA_MERGEABLE,	MADV_MERGEABLE },
	{ VM_NORESERVE,		GHOST_VMA_NORESERVE },
	{ VM_DROPPABLE,		GHOST_VMA_DROPPABLE },
	{ VM_ACCOUNT,		GHOST_VMA_ACCOUNT },
};

/* Others that need not be carried: derived from the above, or of an observer */
#define GHOST_VM_IGNORED	(VM_SHARED | VM_SOFTDIRTY)

/* And of the kernel's own mappings */
#define GHOST_VM_OWN		(VM_IO | VM_PFNMAP | VM_DONTEXPAND | VM_DONTDUMP)

#define GHOST_MMF_CARRIED	(MMF_DUMPABLE_MASK | MMF_DUMP_FILTER_MASK |		\
				 BIT(MMF_DISABLE_THP) | BIT(MMF_HAS_MDWE) |		\
				 BIT(MMF_HAS_MDWE_NO_INHERIT) | BIT(MMF_TOPDOWN))
/* Consequences of other state, hints, and what only matters to memory management */
#define GHOST_MMF_IGNORED	(BIT(MMF_VM_MERGEABLE) | BIT(MMF_VM_HUGEPAGE) |		\
				 BIT(MMF_HUGE_ZERO_PAGE) | BIT(MMF_MULTIPROCESS) |	\
				 BIT(MMF_HAS_PINNED) | BIT(MMF_RECALC_UPROBES))

static u64 vma_image_flags(struct vm_area_struct *vma)
{
	u64 flags = 0;
	unsigned int i;

	if (arch_ghost_vma_is_own(vma))
		return GHOST_VMA_VDSO;
	for (i = 0; i < ARRAY_SIZE(vma_flags); i++)
		if (vma->vm_flags & vma_flags[i].vm)
			flags |= vma_flags[i].image;
	return flags;
}

static vm_flags_t known_vm_flags(void)
{
	vm_flags_t known = GHOST_VM_IGNORED;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(vma_flags); i++)
		known |= vma_flags[i].vm;
	return known;
}

/**
 * ghost_vma_shm() - the shared memory object that a mapping shows
 * @vma: the mapping
 * Return: its file if it is anonymous memory made by mmap(MAP_SHARED), or NULL.
 */
struct file *ghost_vma_shm(struct vm_area_struct *vma)
{
	/* memfd and deleted files on tmpfs look the same but for IS_PRIVATE() */
	if (vma_is_anon_shmem(vma) && IS_PRIVATE(file_inode(vma->vm_file)))
		return vma->vm_file;
	return NULL;
}

/* The file that a mapping takes its contents from; not /dev/zero, nor shared memory */
static struct file *vma_mapped_file(struct vm_area_struct *vma)
{
	if (vma_is_anonymous(vma) || ghost_vma_shm(vma))
		return NULL;
	return vma->vm_file;
}

/**
 * ghost_vma_is_whole() - is what @vma shows of a file to be in the image?
 * @g: the export
 * @vma: a mapping of the process, or of the snapshot
 *
 * Its mapping is one of anonymous memory then, and the file is not needed at import.
 *
 * Return: whether it is.
 */
bool ghost_vma_is_whole(struct ghost *g, struct vm_area_struct *vma)
{
	struct file *file = vma_mapped_file(vma);

	if (!file || !S_ISREG(file_inode(file)->i_mode) || arch_ghost_vma_is_own(vma) ||
	    vma->vm_flags & (VM_SHARED | VM_MAYSHARE))
		return false;
	return g->flags & (file_user_inode(file) == g->exe_inode ? GHOST_EXPORT_WITH_BINARY :
			   GHOST_EXPORT_WITH_LIBRARIES);
}

/* The file that an import needs for it */
static struct file *vma_needed_file(struct ghost *g, struct vm_area_struct *vma)
{
	return ghost_vma_is_whole(g, vma) ? NULL : vma_mapped_file(vma);
}

static struct file *vma_shm(struct ghost *g, struct vm_area_struct *vma)
{
	return ghost_vma_shm(vma);
}

/*
 * Is the object that @vma shows mapped by nobody else? This is asked for each mapping of it,
 * of which there may be very many: all are looked at only once, for the first of them.
 */
static bool shm_is_ours_alone(struct vm_area_struct *vma)
{
	struct address_space *mapping = vma->vm_file->f_mapping;
	struct vm_area_struct *v;
	bool alone;

	mmap_assert_locked(vma->vm_mm);
	i_mmap_lock_read(mapping);
	v = vma_interval_tree_iter_first(&mapping->i_mmap, 0, ULONG_MAX);
	alone = v && v->vm_mm == vma->vm_mm;
	if (v == vma) {
		for (; v && alone; v = vma_interval_tree_iter_next(v, 0, ULONG_MAX))
			alone = v->vm_mm == vma->vm_mm && v->vm_file == vma->vm_file;
	}
	i_mmap_unlock_read(mapping);
	return alone;
}

/* What is wrong with a mapping as such; its file is looked at later. NULL: nothing. */
static const char *vma_obstacle(struct vm_area_struct *vma)
{
	vm_flags_t unknown = vma->vm_flags & ~known_vm_flags();

	if (arch_ghost_vma_is_own(vma))
		return unknown & ~GHOST_VM_OWN ? "kernel mapping" : NULL;
	if (is_vm_hugetlb_page(vma))
		return "huge page of hugetlbfs";
	if (userfaultfd_armed(vma))
		return "userfaultfd";
	if (vma->vm_ops && vma->vm_ops->name && vma->vm_ops->name(vma))
		return vma->vm_ops->name(vma);
	if (vma->vm_flags & (VM_IO | VM_PFNMAP | VM_MIXEDMAP))
		return "device memory";
#ifdef CONFIG_NUMA
	if (vma->vm_policy)
		return "memory policy";
#endif
#ifdef CONFIG_64BIT
	if (vma->vm_flags & VM_SEALED)
		return "sealed";
#endif
	if (unknown)
		return "unknown property";
	if (vma_is_anonymous(vma))
		return NULL;
	if (ghost_vma_shm(vma))
		return shm_is_ours_alone(vma) ? NULL : "shared with another process";
	if (!vma->vm_file)
		return "unknown kind";
	if (vma->vm_flags & VM_SHARED)
		return "writable shared mapping of a file";
	return NULL;
}

static int check_vmas(struct ghost *g, struct mm_struct *mm)
{
	struct vm_area_struct *vma;
	const char *obstacle;
	struct vma_iterator vmi;
	int ret = 0;

	vma_iter_init(&vmi, mm, 0);
	mmap_read_lock(mm);
	for_each_vma(vmi, vma) {
		obstacle = vma_obstacle(vma);
		if (obstacle)
			ret = ghost_refuse(g, -EOPNOTSUPP, "mapping %lx-%lx: %s: not supported",
					   vma->vm_start, vma->vm_end, obstacle);
		if (fatal_signal_pending(current))
			ret = -EINTR;
		if (ret)
			break;
		cond_resched();
	}
	mmap_read_unlock(mm);
	return ret;
}

/* The files that are mapped, each once in a row, with references */
struct mm_files {
	struct file **file;
	unsigned int nr;
	unsigned int room;
};

static void put_mm_files(struct mm_files *mf)
{
	while (mf->nr)
		ghost_put_foreign(mf->file[--mf->nr]);
	kvfree(mf->file);
}

static int get_mm_files(struct ghost *g, struct mm_struct *mm, struct mm_files *mf,
			struct file *(*which)(struct ghost *, struct vm_area_struct *))
{
	struct vm_area_struct *vma;
	struct file *file;
	struct vma_iterator vmi;
	unsigned int i;

	vma_iter_init(&vmi, mm, 0);
	mf->nr = 0;
	mf->file = NULL;
	mmap_read_lock(mm);
	mf->room = mm->map_count;
	mf->file = kvmalloc_array(mf->room, sizeof(*mf->file), GFP_KERNEL_ACCOUNT);
	for_each_vma(vmi, vma) {
		file = mf->file ? which(g, vma) : NULL;
		if (!file || mf->nr == mf->room || arch_ghost_vma_is_own(vma))
			continue;
		for (i = max_t(int, mf->nr - 8, 0); i < mf->nr; i++)
			if (mf->file[i] == file)
				break;
		if (i == mf->nr)
			mf->file[mf->nr++] = get_file(file);
	}
	mmap_read_unlock(mm);
	return mf->file ? 0 : -ENOMEM;
}

/* One that is read for the image: it need not be found again, but read, which may not hang */
static struct file *vma_whole_file(struct ghost *g, struct vm_area_struct *vma)
{
	return ghost_vma_is_whole(g, vma) ? vma->vm_file : NULL;
}

static int check_whole_file(struct ghost *g, struct file *file)
{
	char *buf __free(kfree) = kmalloc(PATH_MAX, GFP_KERNEL);

	if (!buf)
		return -ENOMEM;
	return ghost_check_fs_type(g, file_user_path(file), "mapping",
				   ghost_file_name(file, buf, PATH_MAX));
}

/*
 * What a file was like when the process was stopped: it is read when that may run again, and
 * somebody writes to the file, or empties it, which takes pages of the snapshot away, too.
 */
struct ghost_stamp {
	loff_t size;
	u64 version;
	struct timespec64 mtime, ctime;
};

static void take_stamp(struct ghost_stamp *stamp, struct inode *inode)
{
	memset(stamp, 0, sizeof(*stamp));
	stamp->size = i_size_read(inode);
	stamp->version = IS_I_VERSION(inode) ? inode_query_iversion(inode) : 0;
	stamp->mtime = inode_get_mtime(inode);
	stamp->ctime = inode_get_ctime(inode);
}

static bool stamps_differ(const struct ghost_stamp *a, const struct ghost_stamp *b)
{
	return a->size != b->size || a->version != b->version ||
	       !timespec64_equal(&a->mtime, &b->mtime) || !timespec64_equal(&a->ctime, &b->ctime);
}

/* One for each mapping of the snapshot that is to be in the image, in their order */
static int take_stamps(struct ghost *g)
{
	struct vm_area_struct *vma;
	struct vma_iterator vmi;
	unsigned int nr = 0;

	if (!(g->flags & GHOST_EXPORT_WITH_FILES))
		return 0;
	g->stamps = kvmalloc_array(g->mm->map_count, sizeof(*g->stamps), GFP_KERNEL_ACCOUNT);
	if (!g->stamps)
		return -ENOMEM;
	vma_iter_init(&vmi, g->mm, 0);
	mmap_read_lock(g->mm);
	for_each_vma(vmi, vma)
		if (ghost_vma_is_whole(g, vma))
			take_stamp(&g->stamps[nr++], file_inode(vma->vm_file));
	mmap_read_unlock(g->mm);
	return 0;
}

/**
 * ghost_check_whole_files() - has a file changed of which the image has what is mapped? Sleeps
 * @g: the export, of which all pages have been written
 * Return: 0, -EBUSY or -ENOMEM.
 */
int ghost_check_whole_files(struct ghost *g)
{
	char *buf __free(kfree) = NULL;
	struct vm_area_struct *vma;
	struct file *changed = NULL;
	struct vma_iterator vmi;
	struct ghost_stamp now;
	unsigned int nr = 0;
	int ret;

	if (!g->stamps)
		return 0;
	vma_iter_init(&vmi, g->mm, 0);
	mmap_read_lock(g->mm);
	for_each_vma(vmi, vma) {
		if (!ghost_vma_is_whole(g, vma))
			continue;
		take_stamp(&now, file_inode(vma->vm_file));
		if (stamps_differ(&now, &g->stamps[nr++])) {
			changed = get_file(vma->vm_file);
			break;
		}
	}
	mmap_read_unlock(g->mm);
	if (!changed)
		return 0;
	buf = kmalloc(PATH_MAX, GFP_KERNEL);
	ret = buf ? ghost_refuse(g, -EBUSY, "mapping: %s: has changed meanwhile",
				 ghost_file_name(changed, buf, PATH_MAX)) : -ENOMEM;
	ghost_put_foreign(changed);
	return ret;
}

/* The executable of the process, with a reference, if an import needs it */
static struct file *get_needed_exe(struct ghost *g, struct mm_struct *mm)
{
	struct file *exe = get_mm_exe_file(mm);

	/* Of a file on overlayfs a mapping has the one below */
	g->exe_inode = exe ? file_user_inode(exe) : NULL;
	if (!exe || !(g->flags & GHOST_EXPORT_WITH_BINARY))
		return exe;
	ghost_put_foreign(exe);
	return NULL;
}

static int check_mm_files(struct ghost *g, struct mm_struct *mm)
{
	struct file *exe = get_needed_exe(g, mm);
	struct mm_files mf;
	unsigned int i;
	int ret = 0;

	if (exe) {
		ret = ghost_check_file(g, exe, "executable");
		ghost_put_foreign(exe);
	}
	if (ret)
		return ret;
	ret = get_mm_files(g, mm, &mf, vma_needed_file);
	for (i = 0; !ret && i < mf.nr; i++)
		ret = ghost_check_file(g, mf.file[i], "mapping");
	put_mm_files(&mf);
	if (ret || !(g->flags & GHOST_EXPORT_WITH_FILES))
		return ret;
	ret = get_mm_files(g, mm, &mf, vma_whole_file);
	for (i = 0; !ret && i < mf.nr; i++)
		ret = check_whole_file(g, mf.file[i]);
	put_mm_files(&mf);
	return ret;
}

static int refuse_mm(struct ghost *g, const char *what)
{
	return ghost_refuse(g, -EOPNOTSUPP, "memory: %s: not supported", what);
}

static bool mm_is_shared(struct mm_struct *mm, struct task_struct *t)
{
	struct task_struct *p;
	bool shared = false;

	rcu_read_lock();
	for_each_process(p) {
		if (!same_thread_group(p, t) && !(p->flags & PF_KTHREAD) &&
		    process_shares_mm(p, mm))
			shared = true;
	}
	rcu_read_unlock();
	return shared;
}

static int check_mm_state(struct ghost *g, struct mm_struct *mm, struct task_struct *t)
{
	unsigned long unknown = mm->flags & ~(GHOST_MMF_CARRIED | GHOST_MMF_IGNORED);
	int ret = 0;

	if (mm_is_shared(mm, t))
		ret = refuse_mm(g, "shared with another process");
#ifdef CONFIG_AIO
	if (rcu_access_pointer(mm->ioctx_table))
		ret = ret ?: refuse_mm(g, "asynchronous I/O context (io_setup)");
#endif
	if (mm_has_notifiers(mm))
		ret = ret ?: refuse_mm(g, "watched by a driver");
	if (atomic64_read(&mm->pinned_vm))
		ret = ret ?: refuse_mm(g, "pinned by a driver");
#ifdef CONFIG_UPROBES
	if (test_bit(MMF_HAS_UPROBES, &mm->flags) || mm->uprobes_state.xol_area)
		ret = ret ?: refuse_mm(g, "uprobes");
	unknown &= ~BIT(MMF_HAS_UPROBES);
#endif
	if (mm->user_ns != current_user_ns())
		ret = ret ?: refuse_mm(g, "of another user namespace");
#ifdef CONFIG_MEMBARRIER
	if (atomic_read(&mm->membarrier_state))
		ret = ret ?: refuse_mm(g, "membarrier registration");
#endif
	if (mm->def_flags & ~(VM_LOCKED_MASK | VM_NOHUGEPAGE))
		ret = ret ?: refuse_mm(g, "default mapping flags");
	if (test_bit(MMF_VM_MERGE_ANY, &mm->flags))
		ret = ret ?: refuse_mm(g, "PR_SET_MEMORY_MERGE");
	unknown &= ~BIT(MMF_VM_MERGE_ANY);
	if (unknown)
		ret = ret ?: refuse_mm(g, "unknown flag");
	return ret ?: arch_ghost_check_mm(g, mm);
}

int ghost_check_mm(struct ghost *g, struct task_struct *t)
{
	struct mm_struct *mm = get_task_mm(t);
	int ret;

	if (!mm)
		return ghost_refuse(g, -ESRCH, "process: has no memory");
	ret = check_mm_state(g, mm, t);
	if (!ret)
		ret = check_vmas(g, mm);
	if (!ret)
		ret = check_mm_files(g, mm);
	mmput(mm);
	return ret;
}

int ghost_export_mm_files(struct ghost *g, struct task_struct *t)
{
	struct mm_struct *mm = get_task_mm(t);
	struct mm_files mf;
	struct file *exe;
	unsigned int i;
	int ret = 0;

	if (!mm)
		return -ESRCH;
	exe = get_needed_exe(g, mm);
	if (exe) {
		ret = ghost_export_file(g, exe, GHOST_FILE_USE_EXE);
		ghost_put_foreign(exe);
	}
	if (ret >= 0) {
		ret = get_mm_files(g, mm, &mf, vma_needed_file);
		for (i = 0; ret >= 0 && i < mf.nr; i++)
			ret = ghost_export_file(g, mf.file[i], GHOST_FILE_USE_MAP);
		put_mm_files(&mf);
	}
	mmput(mm);
	return min(ret, 0);
}

/**
 * ghost_visit_shm() - visit the shared memory objects of a process; sleeps
 * @g: the export
 * @t: a parked thread
 * @fn: called for each, with no lock held
 * Return: 0 or the first error.
 */
int ghost_visit_shm(struct ghost *g, struct task_struct *t,
		    int (*fn)(struct ghost *g, struct file *file))
{
	struct mm_struct *mm = get_task_mm(t);
	struct mm_files mf;
	unsigned int i;
	int ret;

	if (!mm)
		return -ESRCH;
	ret = get_mm_files(g, mm, &mf, vma_shm);
	mmput(mm);
	for (i = 0; !ret && i < mf.nr; i++)
		ret = fn(g, mf.file[i]);
	put_mm_files(&mf);
	return ret;
}

static void fill_mm(struct ghost_rec_mm *rec, struct mm_struct *mm)
{
	unsigned int i;

	spin_lock(&mm->arg_lock);
	rec->start_code = cpu_to_le64(mm->start_code);
	rec->end_code = cpu_to_le64(mm->end_code);
	rec->start_data = cpu_to_le64(mm->start_data);
	rec->end_data = cpu_to_le64(mm->end_data);
	rec->start_brk = cpu_to_le64(mm->start_brk);
	rec->brk = cpu_to_le64(mm->brk);
	rec->start_stack = cpu_to_le64(mm->start_stack);
	rec->arg_start = cpu_to_le64(mm->arg_start);
	rec->arg_end = cpu_to_le64(mm->arg_end);
	rec->env_start = cpu_to_le64(mm->env_start);
	rec->env_end = cpu_to_le64(mm->env_end);
	spin_unlock(&mm->arg_lock);
	rec->mmap_base = cpu_to_le64(mm->mmap_base);
	rec->vdso = cpu_to_le64(arch_ghost_vdso(mm));
	rec->dumpable = cpu_to_le32(get_dumpable(mm));
	rec->dump_filter = cpu_to_le32((mm->flags & MMF_DUMP_FILTER_MASK) >>
				       MMF_DUMP_FILTER_SHIFT);
	if (test_bit(MMF_HAS_MDWE, &mm->flags))
		rec->flags |= cpu_to_le32(GHOST_MM_HAS_MDWE);
	if (test_bit(MMF_HAS_MDWE_NO_INHERIT, &mm->flags))
		rec->flags |= cpu_to_le32(GHOST_MM_HAS_MDWE_NO_INHERIT);
	if (test_bit(MMF_DISABLE_THP, &mm->flags))
		rec->flags |= cpu_to_le32(GHOST_MM_DISABLE_THP);
	if (test_bit(MMF_TOPDOWN, &mm->flags))
		rec->flags |= cpu_to_le32(GHOST_MM_TOPDOWN);
	if (mm->def_flags & VM_LOCKED)
		rec->flags |= cpu_to_le32(GHOST_MM_LOCK_FUTURE);
	if (mm->def_flags & VM_LOCKONFAULT)
		rec->flags |= cpu_to_le32(GHOST_MM_LOCK_ONFAULT);
	BUILD_BUG_ON(AT_VECTOR_SIZE > GHOST_AUXV_WORDS);
	rec->nr_auxv = cpu_to_le32(AT_VECTOR_SIZE);
	for (i = 0; i < AT_VECTOR_SIZE; i++)
		rec->auxv[i] = cpu_to_le64(mm->saved_auxv[i]);
}

/**
 * ghost_check_snapshot() - refuse a snapshot that somebody has put breakpoints into
 * @g: the export
 * Return: 0, or -EBUSY with the reason in the report.
 */
int ghost_check_snapshot(struct ghost *g)
{
#ifdef CONFIG_UPROBES
	if (test_bit(MMF_HAS_UPROBES, &g->mm->flags))
		return ghost_refuse(g, -EBUSY, "memory: uprobes: not supported");
#endif
	return 0;
}

/**
 * ghost_snapshot() - make a copy-on-write copy of all private memory of a process; sleeps
 * @t: one of its threads, parked
 * Return: the copy, or ERR_PTR: -ESRCH, -EINTR if the caller is being killed, -ENOMEM.
 */
struct mm_struct *ghost_snapshot(struct task_struct *t)
{
	struct mm_struct *mm = get_task_mm(t), *snapshot;

	if (!mm)
		return ERR_PTR(-ESRCH);
	snapshot = dup_mm(NULL, mm, true);
	mmput(mm);
	if (snapshot)
		return snapshot;
	return ERR_PTR(fatal_signal_pending(current) ? -EINTR : -ENOMEM);
}

int ghost_export_mm(struct ghost *g, struct task_struct *t)
{
	struct ghost_rec_mm *rec __free(kfree) = kzalloc(sizeof(*rec), GFP_KERNEL);
	struct mm_struct *mm;
	struct file *exe;
	int ret = 0;
	u32 ref;

	if (!rec)
		return -ENOMEM;
	mm = ghost_snapshot(t);
	if (IS_ERR(mm))
		return PTR_ERR(mm);
	g->mm = mm;
	mm = get_task_mm(t);
	if (!mm)
		return -ESRCH;
	ret = ghost_check_snapshot(g);
	fill_mm(rec, mm);
	rec->personality = cpu_to_le32(t->personality);
	exe = ret ? NULL : get_needed_exe(g, mm);
	if (exe) {
		ret = ghost_ref_find(g, exe, &ref);
		ghost_put_foreign(exe);
		rec->exe = cpu_to_le32(ref);
	}
	mmput(mm);
	if (!ret)
		ret = take_stamps(g);
	return ret ?: ghost_put(g, GHOST_REC_MM, rec, sizeof(*rec));
}

static int export_vma(struct ghost *g, struct vm_area_struct *vma)
{
	struct ghost_rec_vma rec = {
		.start = cpu_to_le64(vma->vm_start),
		.end = cpu_to_le64(vma->vm_end),
		.flags = cpu_to_le64(vma_image_flags(vma)),
	};
	struct anon_vma_name *name = anon_vma_name(vma);
	struct file *file;
	int ret;
	u32 ref;

	file = vma_needed_file(g, vma) ?: ghost_vma_shm(vma);
	if (file && !arch_ghost_vma_is_own(vma)) {
		ret = ghost_ref_find(g, file, &ref);
		if (ret)
			return ret;
		rec.object = cpu_to_le32(ref);
		rec.offset = cpu_to_le64((u64)vma->vm_pgoff << PAGE_SHIFT);
	}
	if (!name)
		return ghost_put(g, GHOST_REC_VMA, &rec, sizeof(rec));
	rec.name_len = cpu_to_le32(strlen(name->name));
	return ghost_put_object(g, GHOST_REC_VMA, 0, &rec, sizeof(rec), name->name,
				strlen(name->name));
}

int ghost_export_vmas(struct ghost *g, struct task_struct *t)
{
	struct mm_struct *mm = get_task_mm(t);
	struct vm_area_struct *vma;
	struct vma_iterator vmi;
	int ret = 0;

	vma_iter_init(&vmi, mm, 0);
	if (!mm)
		return -ESRCH;
	mmap_read_lock(mm);
	for_each_vma(vmi, vma) {
		ret = export_vma(g, vma);
		if (ret)
			break;
	}
	mmap_read_unlock(mm);
	mmput(mm);
	return ret;
}

/* Give the embryo the address space @mm in place of the importer's */
static int switch_mm_to(struct mm_struct *mm)
{
	struct linux_binfmt *binfmt = current->mm->binfmt;
	/* W^X that the importer has put on itself holds for what it imports, too */
	unsigned long mdwe = mmf_init_flags(current->mm->flags) & MMF_HAS_MDWE_MASK;
	bool fresh = !mm->binfmt;
	int ret;

	/* PR_SET_MEMORY_MERGE of the importer; an export refuses it, so the process had none */
	if (fresh)
		clear_bit(MMF_VM_MERGE_ANY, &mm->flags);
	arch_ghost_leave_mm();

	sched_mm_cid_before_execve(current);
	ret = exec_mmap(mm);
	sched_mm_cid_after_execve(current);
	if (ret) {
		mmput(mm);
		return ret;
	}
	set_mask_bits(&mm->flags, 0, mdwe);
	up_write(&current->signal->exec_update_lock);
	user_events_execve(current);
	task_numa_free(current, false);
	if (fresh)
		set_binfmt(binfmt);
	ret = exec_task_namespaces();
#ifdef CONFIG_TIME_NS
	/* The page of clock offsets came with a kept ghost */
	if (!ret)
		ret = vdso_join_timens(current, current->nsproxy->time_ns);
#endif
	return ret;
}

static int check_map_addr(struct ghost *g, const struct ghost_rec_mm *rec)
{
	struct prctl_mm_map map = {
		.start_code = le64_to_cpu(rec->start_code),
		.end_code = le64_to_cpu(rec->end_code),
		.start_data = le64_to_cpu(rec->start_data),
		.end_data = le64_to_cpu(rec->end_data),
		.start_brk = le64_to_cpu(rec->start_brk),
		.brk = le64_to_cpu(rec->brk),
		.start_stack = le64_to_cpu(rec->start_stack),
		.arg_start = le64_to_cpu(rec->arg_start),
		.arg_end = le64_to_cpu(rec->arg_end),
		.env_start = le64_to_cpu(rec->env_start),
		.env_end = le64_to_cpu(rec->env_end),
	};
	u64 base = le64_to_cpu(rec->mmap_base);

	if (validate_prctl_map_addr(&map))
		return ghost_refuse(g, -EBADMSG, "image: memory: addresses of code, data or stack");
	if (!PAGE_ALIGNED(base) || base < mmap_min_addr || base > TASK_SIZE_MAX)
		return ghost_refuse(g, -EBADMSG, "image: memory: mmap_base");
	if (le32_to_cpu(rec->nr_auxv) > AT_VECTOR_SIZE)
		return ghost_refuse(g, -EOPNOTSUPP, "image: memory: auxiliary vector too long");
	if (le32_to_cpu(rec->dumpable) > SUID_DUMP_ROOT ||
	    le32_to_cpu(rec->dump_filter) & ~(MMF_DUMP_FILTER_MASK >> MMF_DUMP_FILTER_SHIFT) ||
	    le32_to_cpu(rec->flags) & ~(GHOST_MM_HAS_MDWE | GHOST_MM_HAS_MDWE_NO_INHERIT |
					GHOST_MM_DISABLE_THP | GHOST_MM_LOCK_FUTURE |
					GHOST_MM_LOCK_ONFAULT | GHOST_MM_TOPDOWN))
		return ghost_refuse(g, -EOPNOTSUPP, "image: memory: unknown flag");
	if (le32_to_cpu(rec->personality) & PER_MASK)
		return ghost_refuse(g, -EOPNOTSUPP, "image: personality %#x: not supported",
				    le32_to_cpu(rec->personality));
	return 0;
}

static void set_addresses(struct mm_struct *mm, const struct ghost_rec_mm *rec)
{
	unsigned int i;

	mmap_write_lock(mm);
	spin_lock(&mm->arg_lock);
	mm->start_code = le64_to_cpu(rec->start_code);
	mm->end_code = le64_to_cpu(rec->end_code);
	mm->start_data = le64_to_cpu(rec->start_data);
	mm->end_data = le64_to_cpu(rec->end_data);
	mm->start_brk = le64_to_cpu(rec->start_brk);
	mm->brk = le64_to_cpu(rec->brk);
	mm->start_stack = le64_to_cpu(rec->start_stack);
	mm->arg_start = le64_to_cpu(rec->arg_start);
	mm->arg_end = le64_to_cpu(rec->arg_end);
	mm->env_start = le64_to_cpu(rec->env_start);
	mm->env_end = le64_to_cpu(rec->env_end);
	spin_unlock(&mm->arg_lock);
	mm->task_size = TASK_SIZE;
	arch_pick_mmap_layout(mm, &current->signal->rlim[RLIMIT_STACK]);
	mm->mmap_base = le64_to_cpu(rec->mmap_base);
	if (le32_to_cpu(rec->flags) & GHOST_MM_TOPDOWN)
		set_bit(MMF_TOPDOWN, &mm->flags);
	else
		clear_bit(MMF_TOPDOWN, &mm->flags);
	for (i = 0; i < AT_VECTOR_SIZE; i++)
		mm->saved_auxv[i] = i < le32_to_cpu(rec->nr_auxv) ? le64_to_cpu(rec->auxv[i]) : 0;
	mm->saved_auxv[AT_VECTOR_SIZE - 2] = AT_NULL;
	mm->saved_auxv[AT_VECTOR_SIZE - 1] = AT_NULL;
	mmap_write_unlock(mm);
}

/* Does it give who executes it more than he has? */
static bool is_privileged(struct file *file)
{
	struct cpu_vfs_cap_data caps;

	return file_inode(file)->i_mode & (S_ISUID | S_ISGID) ||
	       !get_vfs_caps_from_disk(file_mnt_idmap(file), file->f_path.dentry, &caps);
}

/* The checks are those of prctl(PR_SET_MM_EXE_FILE) */
static int set_exe(struct ghost *g, u32 ref)
{
	struct file *file;
	int ret;

	if (!ref)
		return 0;
	file = ghost_ref_file(g, ref);
	if (!file)
		return ghost_refuse(g, -EBADMSG, "image: memory: no such executable");
	if (!S_ISREG(file_inode(file)->i_mode) || path_noexec(&file->f_path) ||
	    file_permission(file, MAY_EXEC))
		return ghost_refuse(g, -EACCES, "executable: the importer may not execute it");
	/* Who may trace a program can make it look like another, but not like a privileged one */
	if (is_privileged(file) && (g->flags & GHOST_IMPORT_DROP_CAPS ||
				    !checkpoint_restore_ns_capable(current_user_ns())))
		return ghost_refuse(g, -EPERM, "executable: the importer may not take its place");
	ret = replace_mm_exe_file(current->mm, file);
	return ret ? ghost_refuse(g, ret, "executable: cannot be set") : 0;
}

int ghost_import_mm(struct ghost *g)
{
	struct ghost_rec_mm *rec = kzalloc(sizeof(*rec), GFP_KERNEL);
	struct mm_struct *mm;
	int ret;

	if (!rec)
		return -ENOMEM;
	g->mmrec = rec;
	ret = ghost_get(g, GHOST_REC_MM, rec, sizeof(*rec));
	if (!ret)
		ret = check_map_addr(g, rec);
	if (ret)
		return ret;
	mm = g->source ? dup_mm(current, g->source->mm, true) : mm_alloc();
	if (!mm)
		return -ENOMEM;
	if (mm->user_ns != current_user_ns()) {
		/* A kept ghost may be of another one, whose root must not trace the copy */
		put_user_ns(mm->user_ns);
		mm->user_ns = get_user_ns(current_user_ns());
	}
	ret = switch_mm_to(mm);
	if (ret)
		return ret;
	g->has_mm = true;
	arch_ghost_new_mm();
	set_addresses(mm, rec);
	/* Nothing of a kept ghost goes through mmap() */
	if (!may_expand_vm(mm, VM_WRITE, 0))
		return ghost_refuse(g, -ENOMEM, "memory: more than the importer's limits allow");
	ret = set_exe(g, le32_to_cpu(rec->exe));
	if (!ret && rec->vdso && !g->has_vdso)
		ret = ghost_refuse(g, -EBADMSG, "image: vDSO of unknown contents");
	if (!ret && !g->source && rec->vdso &&
	    arch_ghost_map_vdso(le64_to_cpu(rec->vdso)))
		ret = ghost_refuse(g, -EEXIST, "vDSO: no room at %#llx", le64_to_cpu(rec->vdso));
	return ret;
}

static int refuse_vma(struct ghost *g, const struct ghost_rec_vma *rec, int err, const char *what)
{
	return ghost_refuse(g, err, "mapping %llx-%llx: %s", le64_to_cpu(rec->start),
			    le64_to_cpu(rec->end), what);
}

static int check_vma_rec(struct ghost *g, const struct ghost_rec_vma *rec)
{
	u64 start = le64_to_cpu(rec->start), end = le64_to_cpu(rec->end);
	u64 unknown = le64_to_cpu(rec->flags);
	unsigned int i;

	if (!PAGE_ALIGNED(start) || !PAGE_ALIGNED(end) || start >= end || end > TASK_SIZE_MAX ||
	    !PAGE_ALIGNED(le64_to_cpu(rec->offset)) || (s64)le64_to_cpu(rec->offset) < 0)
		return refuse_vma(g, rec, -EBADMSG, "not a mapping");
	for (i = 0; i < ARRAY_SIZE(vma_flags); i++)
		unknown &= ~vma_flags[i].image;
	if (unknown)
		return refuse_vma(g, rec, -EOPNOTSUPP, "unknown property");
	if (rec->flags & cpu_to_le64(GHOST_VMA_SHARED) && !rec->object)
		return refuse_vma(g, rec, -EBADMSG, "shared, but no object");
	return 0;
}

static unsigned long vma_prot(u64 flags)
{
	return (flags & GHOST_VMA_READ ? PROT_READ : 0) |
	       (flags & GHOST_VMA_WRITE ? PROT_WRITE : 0) |
	       (flags & GHOST_VMA_EXEC ? PROT_EXEC : 0);
}

/* Was it writable once, so that it counts as committed memory although it is not now? */
static bool was_writable(u64 flags)
{
	return flags & GHOST_VMA_ACCOUNT && !(flags & (GHOST_VMA_WRITE | GHOST_VMA_SHARED));
}

/* What is to be done to memory when its contents are there: mlock2() or mprotect() */
struct ghost_late {
	struct list_head list;
	unsigned long start;
	unsigned long len;
	unsigned long arg;
	unsigned int nr;
};

static int note_late(struct ghost *g, struct list_head *late, const struct ghost_rec_vma *rec,
		     unsigned int nr, unsigned long arg)
{
	unsigned long start = le64_to_cpu(rec->start), end = le64_to_cpu(rec->end);
	struct ghost_late *l;

	/* Neighbours together */
	l = list_empty(late) ? NULL : list_last_entry(late, struct ghost_late, list);
	if (l && l->arg == arg && l->start + l->len == start) {
		l->len = end - l->start;
		return 0;
	}
	/* Mappings may merge where these do not: at most one of each sort for each mapping */
	if (g->nr_late >= 2UL * READ_ONCE(sysctl_max_map_count))
		return refuse_vma(g, rec, -ENOMEM, "one mapping too many");
	l = kmalloc(sizeof(*l), GFP_KERNEL_ACCOUNT);
	if (!l)
		return -ENOMEM;
	l->start = start;
	l->len = end - start;
	l->arg = arg;
	l->nr = nr;
	list_add_tail(&l->list, late);
	g->nr_late++;
	return 0;
}

/* Memory that was written to stays committed memory only if it was so before mprotect() */
static int note_protected(struct ghost *g, const struct ghost_rec_vma *rec)
{
	return note_late(g, &g->late_protect, rec, __NR_mprotect,
			 vma_prot(le64_to_cpu(rec->flags)));
}

static int note_locked(struct ghost *g, const struct ghost_rec_vma *rec)
{
	u64 flags = le64_to_cpu(rec->flags);

	if (!(flags & GHOST_VMA_LOCKED))
		return 0;
	return note_late(g, &g->late_lock, rec, __NR_mlock2,
			 flags & GHOST_VMA_LOCKONFAULT ? MLOCK_ONFAULT : 0);
}

static int map_vma(struct ghost *g, const struct ghost_rec_vma *rec)
{
	u64 flags = le64_to_cpu(rec->flags);
	unsigned long start = le64_to_cpu(rec->start), mflags = MAP_FIXED_NOREPLACE;
	unsigned long prot = was_writable(flags) ? PROT_WRITE : vma_prot(flags);
	struct file *file = NULL;
	unsigned long ret;

	if (rec->object) {
		file = ghost_ref_file(g, le32_to_cpu(rec->object));
		if (!file)
			return refuse_vma(g, rec, -EBADMSG, "no such file");
	} else {
		mflags |= MAP_ANONYMOUS;
	}
	if (flags & GHOST_VMA_DROPPABLE)
		mflags |= MAP_DROPPABLE;
	else if (flags & GHOST_VMA_SHARED)
		mflags |= MAP_SHARED;
	else
		mflags |= MAP_PRIVATE;
	if (flags & GHOST_VMA_GROWSDOWN)
		mflags |= MAP_GROWSDOWN;
	if (flags & GHOST_VMA_NORESERVE)
		mflags |= MAP_NORESERVE;
	ret = vm_mmap(file, start, le64_to_cpu(rec->end) - start, prot, mflags,
		      le64_to_cpu(rec->offset));
	if (ret == start)
		return was_writable(flags) ? note_protected(g, rec) : 0;
	if (!IS_ERR_VALUE(ret))
		ret = -EEXIST;
	return refuse_vma(g, rec, ret, "cannot be mapped");
}

static int advise_vma(struct ghost *g, const struct ghost_rec_vma *rec)
{
	u64 flags = le64_to_cpu(rec->flags);
	unsigned long start = le64_to_cpu(rec->start);
	unsigned int i;
	int ret;

	if (flags & GHOST_VMA_DROPPABLE)	/* MAP_DROPPABLE says all of it */
		return 0;
	for (i = 0; i < ARRAY_SIZE(vma_flags); i++) {
		if (!vma_flags[i].advice || !(flags & vma_flags[i].image))
			continue;
		ret = do_madvise(current->mm, start, le64_to_cpu(rec->end) - start,
				 vma_flags[i].advice);
		if (ret)
			return refuse_vma(g, rec, ret, "madvise() refuses");
	}
	return 0;
}

#ifdef CONFIG_ANON_VMA_NAME
static int name_vma(struct ghost *g, const struct ghost_rec_vma *rec, const char *name)
{
	struct anon_vma_name *anon_name;
	const char *c;
	int ret;

	if (strlen(name) >= 80)
		return refuse_vma(g, rec, -EBADMSG, "name too long");
	for (c = name; *c; c++)
		if (!is_valid_name_char(*c))
			return refuse_vma(g, rec, -EBADMSG, "name with forbidden characters");
	anon_name = anon_vma_name_alloc(name);
	if (!anon_name)
		return -ENOMEM;
	mmap_write_lock(current->mm);
	ret = madvise_set_anon_name(current->mm, le64_to_cpu(rec->start),
				    le64_to_cpu(rec->end) - le64_to_cpu(rec->start), anon_name);
	mmap_write_unlock(current->mm);
	anon_vma_name_put(anon_name);
	return ret ? refuse_vma(g, rec, ret, "cannot be named") : 0;
}
#else
/* A name is only for people who read /proc/PID/maps */
static int name_vma(struct ghost *g, const struct ghost_rec_vma *rec, const char *name)
{
	return 0;
}
#endif

/* A mapping that came with a kept ghost: ask what mmap() would have asked */
static int check_kept_vma(struct ghost *g, const struct ghost_rec_vma *rec)
{
	u64 flags = le64_to_cpu(rec->flags);
	struct file *file = rec->object ? ghost_ref_file(g, le32_to_cpu(rec->object)) : NULL;
	unsigned long prot = vma_prot(flags);

	if (rec->object && !file)
		return refuse_vma(g, rec, -EBADMSG, "no such file");
	if (prot & PROT_EXEC && prot & PROT_WRITE &&
	    test_bit(MMF_HAS_MDWE, &current->mm->flags))
		return refuse_vma(g, rec, -EACCES, "writable and executable");
	if (prot & PROT_EXEC && file && path_noexec(&file->f_path))
		return refuse_vma(g, rec, -EPERM, "of a file system without execution");
	if (security_mmap_file(file, prot, flags & GHOST_VMA_SHARED ? MAP_SHARED : MAP_PRIVATE))
		return refuse_vma(g, rec, -EACCES, "the security module refuses");
	return 0;
}

int ghost_import_vma(struct ghost *g)
{
	struct ghost_rec_vma rec;
	const char *name = NULL;
	int ret = ghost_get_head(g, GHOST_REC_VMA, &rec, sizeof(rec));

	if (ret)
		return ret;
	if (rec.name_len)
		name = ghost_get_name(g, sizeof(rec), le32_to_cpu(rec.name_len));
	else
		name = ghost_get_tail(g, sizeof(rec), 0);
	if (IS_ERR(name))
		return PTR_ERR(name);
	if (!g->has_mm)
		return ghost_refuse(g, -EBADMSG, "image: mapping without an address space");
	if (rec.flags == cpu_to_le64(GHOST_VMA_VDSO))
		return 0;	/* came with the address space */
	ret = check_vma_rec(g, &rec);
	if (!ret)
		ret = note_locked(g, &rec);
	if (ret)
		return ret;
	/* Private memory of a kept ghost is there already */
	if (g->source && !ghost_is_shm(g, le32_to_cpu(rec.object)))
		return check_kept_vma(g, &rec);
	ret = map_vma(g, &rec);
	if (!ret)
		ret = advise_vma(g, &rec);
	if (!ret && rec.name_len)
		ret = name_vma(g, &rec, name);
	return ret;
}

static bool is_locked(unsigned long start, unsigned long len)
{
	struct vm_area_struct *vma;
	struct vma_iterator vmi;
	bool locked = true;

	vma_iter_init(&vmi, current->mm, start);
	mmap_read_lock(current->mm);
	for_each_vma_range(vmi, vma, start + len)
		if (!(vma->vm_flags & VM_LOCKED))
			locked = false;
	mmap_read_unlock(current->mm);
	return locked;
}

/*
 * mprotect() gives the commitment of memory back that was never touched. That its pages were all
 * zeros, so that the image has none, does not mean that.
 */
static int mark_touched(unsigned long start, unsigned long len)
{
	struct mm_struct *mm = current->mm;
	struct vm_area_struct *vma;
	struct vma_iterator vmi;
	int ret = 0;

	vma_iter_init(&vmi, mm, start);
	mmap_read_lock(mm);
	for_each_vma_range(vmi, vma, start + len) {
		if (vma_is_anonymous(vma))
			ret = ret ?: anon_vma_prepare(vma);
	}
	mmap_read_unlock(mm);
	return ret;
}

static int do_late(struct ghost *g, const struct ghost_late *l)
{
	int ret = fatal_signal_pending(current) ? -EINTR : 0;

	if (!ret && l->nr == __NR_mprotect)
		ret = mark_touched(l->start, l->len);
	if (ret)
		return ret;
	ret = arch_ghost_call(l->nr, l->start, l->len, l->arg, 0, 0, 0);

	/* What cannot be populated, as the guard of a stack, is locked all the same */
	if (ret == -ENOMEM && l->nr == __NR_mlock2 && is_locked(l->start, l->len))
		ret = 0;
	if (ret)
		ghost_refuse(g, ret, "mapping %lx-%lx: cannot be %s", l->start, l->start + l->len,
			     l->nr == __NR_mlock2 ? "locked" : "protected");
	return ret;
}

static int finish_memory(struct ghost *g, u32 flags)
{
	struct ghost_late *l;
	int ret;

	list_for_each_entry(l, &g->late_protect, list) {
		ret = do_late(g, l);
		if (ret)
			return ret;
	}
	/* Only now: to lock what is still writable makes a page for each of its addresses */
	list_for_each_entry(l, &g->late_lock, list) {
		ret = do_late(g, l);
		if (ret)
			return ret;
	}
	if (!(flags & GHOST_MM_LOCK_FUTURE))
		return 0;
	if (arch_ghost_call(__NR_mlockall, flags & GHOST_MM_LOCK_ONFAULT ?
			    MCL_FUTURE | MCL_ONFAULT : MCL_FUTURE, 0, 0, 0, 0, 0))
		return ghost_refuse(g, -EPERM, "memory: mlockall() refuses");
	return 0;
}

/* Tell ksmd and khugepaged of mappings that came with a kept ghost */
static int register_mm(struct mm_struct *mm)
{
	struct vm_area_struct *vma;
	struct vma_iterator vmi;
	int ret = 0;

	vma_iter_init(&vmi, mm, 0);
	mmap_write_lock(mm);
	for_each_vma(vmi, vma) {
#ifdef CONFIG_KSM
		if (vma->vm_flags & VM_MERGEABLE && !test_bit(MMF_VM_MERGEABLE, &mm->flags))
			ret = ret ?: __ksm_enter(mm);
#endif
		if (vma->vm_flags & VM_HUGEPAGE)
			khugepaged_enter_vma(vma, vma->vm_flags);
	}
	mmap_write_unlock(mm);
	return ret;
}

/**
 * ghost_finish_mm() - what can only be set when all memory is in place; sleeps
 * @g: the import
 * Return: 0, or a negative errno with the reason in the report.
 */
int ghost_finish_mm(struct ghost *g)
{
	struct mm_struct *mm = current->mm;
	u32 flags;
	int ret;

	if (!g->has_mm)
		return ghost_refuse(g, -EBADMSG, "image: no address space");
	flags = le32_to_cpu(g->mmrec->flags);
	ret = finish_memory(g, flags);
	if (ret)
		return ret;
	set_personality(le32_to_cpu(g->mmrec->personality));
	set_mask_bits(&mm->flags, MMF_DUMP_FILTER_MASK,
		      (unsigned long)le32_to_cpu(g->mmrec->dump_filter) << MMF_DUMP_FILTER_SHIFT);
	ret = g->source ? register_mm(mm) : 0;
	if (ret)
		return ret;
	if (flags & GHOST_MM_DISABLE_THP)
		set_bit(MMF_DISABLE_THP, &mm->flags);
	else
		clear_bit(MMF_DISABLE_THP, &mm->flags);
	if (flags & (GHOST_MM_HAS_MDWE | GHOST_MM_HAS_MDWE_NO_INHERIT))
		set_bit(MMF_HAS_MDWE, &mm->flags);
	if (flags & GHOST_MM_HAS_MDWE_NO_INHERIT)
		set_bit(MMF_HAS_MDWE_NO_INHERIT, &mm->flags);
	return 0;
}

/**
 * ghost_late_free() - forget what was to be done to memory
 * @g: the import
 */
void ghost_late_free(struct ghost *g)
{
	struct ghost_late *l, *tmp;

	list_splice_init(&g->late_lock, &g->late_protect);
	list_for_each_entry_safe(l, tmp, &g->late_protect, list) {
		list_del(&l->list);
		kfree(l);
	}
}
