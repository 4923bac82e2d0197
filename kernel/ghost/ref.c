// SPDX-License-Identifier: GPL-2.0
/*
 * ghost: shared objects and their numbers
 *
 * An open file (or a shared memory object, which is one too) stands once in an image,
 * under a number; what uses it names the number. An export finds the number of a file,
 * an import the file of a number. Both pin the file until ghost_ref_release().
 */
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/sizes.h>
#include <kunit/visibility.h>

#include "ghost.h"

/* More than one process can have, see sysctl_nr_open and sysctl_max_map_count */
#define GHOST_REF_MAX	SZ_4M

/* Where the number of a file is kept. No two files lie so near to each other. */
static unsigned long ref_index(const struct file *file)
{
	return (unsigned long)file >> ilog2(sizeof(*file));
}

/**
 * ghost_ref_find() - the number of a file
 * @g: the export
 * @file: the file
 * @ref: filled
 * Return: 0, or -ENOENT if it has none.
 */
int ghost_ref_find(struct ghost *g, const struct file *file, u32 *ref)
{
	void *entry = xa_load(&g->ref_numbers, ref_index(file));

	if (!entry)
		return -ENOENT;
	*ref = xa_to_value(entry);
	return 0;
}
EXPORT_SYMBOL_IF_KUNIT(ghost_ref_find);

/**
 * ghost_ref_add() - give a file a number; sleeps
 * @g: the export
 * @file: the file; a reference is taken
 * @ref: filled with its number
 * Return: 0, 1 if it had that number already, -ENOMEM, or -EMFILE if there are too many.
 */
int ghost_ref_add(struct ghost *g, struct file *file, u32 *ref)
{
	u32 next = g->last_ref + 1;
	int ret;

	if (!ghost_ref_find(g, file, ref))
		return 1;
	if (next > GHOST_REF_MAX)
		return -EMFILE;
	ret = xa_err(xa_store(&g->refs, next, file, GFP_KERNEL));
	if (ret)
		return ret;
	ret = xa_err(xa_store(&g->ref_numbers, ref_index(file), xa_mk_value(next), GFP_KERNEL));
	if (ret) {
		xa_erase(&g->refs, next);
		return ret;
	}
	get_file(file);
	g->last_ref = next;
	*ref = next;
	return 0;
}
EXPORT_SYMBOL_IF_KUNIT(ghost_ref_add);

/**
 * ghost_ref_set() - define what a number of an image stands for; sleeps
 * @g: the import; current is the embryo or its creator
 * @ref: the number
 * @file: the file; a reference is taken
 *
 * An image must not hold more files than the process could hold without it, in its
 * descriptors and mappings.
 *
 * Return: 0, -EBADMSG if the number is no good or used already, -EMFILE if there are more
 * files than current may have, -ENOMEM.
 */
int ghost_ref_set(struct ghost *g, u32 ref, struct file *file)
{
	unsigned long max = min_t(unsigned long, rlimit_max(RLIMIT_NOFILE), GHOST_REF_MAX) +
			    READ_ONCE(sysctl_max_map_count);
	int ret;

	if (!ref || ref > GHOST_REF_MAX)
		return -EBADMSG;
	if (g->last_ref >= max)
		return -EMFILE;
	ret = xa_insert(&g->refs, ref, file, GFP_KERNEL);
	if (ret)
		return ret == -EBUSY ? -EBADMSG : ret;
	get_file(file);
	g->last_ref++;
	return 0;
}
EXPORT_SYMBOL_IF_KUNIT(ghost_ref_set);

/**
 * ghost_ref_file() - the file of a number
 * @g: the operation
 * @ref: the number
 * Return: the file, borrowed until ghost_ref_release(); NULL: there is none.
 */
struct file *ghost_ref_file(struct ghost *g, u32 ref)
{
	return xa_load(&g->refs, ref);
}
EXPORT_SYMBOL_IF_KUNIT(ghost_ref_file);

/**
 * ghost_is_shm() - does a number of an image stand for shared memory?
 * @g: the import
 * @ref: the number
 * Return: true if it does.
 */
bool ghost_is_shm(struct ghost *g, u32 ref)
{
	return ref && xa_load(&g->shm, ref);
}

/**
 * ghost_ref_release() - let go of all files; sleeps
 * @g: the operation; numbers of an export go on from where they were
 */
void ghost_ref_release(struct ghost *g)
{
	struct file *file;
	unsigned long ref;

	xa_for_each(&g->refs, ref, file)
		fput(file);
	xa_destroy(&g->refs);
	xa_destroy(&g->ref_numbers);
}
EXPORT_SYMBOL_IF_KUNIT(ghost_ref_release);
