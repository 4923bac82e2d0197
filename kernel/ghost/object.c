// SPDX-License-Identifier: GPL-2.0
/*
 * ghost: the object of one operation, from its beginning to its end
 */
#include <linux/cred.h>
#include <linux/file.h>
#include <linux/mm.h>
#include <linux/pid.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <kunit/visibility.h>

#include "ghost.h"

/**
 * ghost_alloc() - begin an operation; sleeps
 * @mode: what is going to be done
 * Return: the ghost with one reference, or NULL if there is no memory.
 */
struct ghost *ghost_alloc(enum ghost_mode mode)
{
	struct ghost *g = kzalloc(sizeof(*g), GFP_KERNEL_ACCOUNT);

	if (!g)
		return NULL;
	/* Zeros, so that there is a NUL behind the text also while it is written */
	g->report = kzalloc(GHOST_REPORT_SIZE, GFP_KERNEL_ACCOUNT);
	if (!g->report) {
		kfree(g);
		return NULL;
	}
	refcount_set(&g->refcount, 1);
	g->mode = mode;
	spin_lock_init(&g->report_lock);
	spin_lock_init(&g->lock);
	INIT_LIST_HEAD(&g->late_protect);
	INIT_LIST_HEAD(&g->late_lock);
	xa_init_flags(&g->refs, XA_FLAGS_ACCOUNT);
	xa_init_flags(&g->ref_numbers, XA_FLAGS_ACCOUNT);
	xa_init_flags(&g->shm, XA_FLAGS_ACCOUNT);
	xa_init_flags(&g->staged, XA_FLAGS_ACCOUNT);
	INIT_LIST_HEAD(&g->threads);
	INIT_LIST_HEAD(&g->chunks);
	init_waitqueue_head(&g->wait);
	return g;
}
EXPORT_SYMBOL_IF_KUNIT(ghost_alloc);

/**
 * ghost_get_ghost() - take a reference
 * @g: the ghost
 * Return: @g
 */
struct ghost *ghost_get_ghost(struct ghost *g)
{
	refcount_inc(&g->refcount);
	return g;
}
EXPORT_SYMBOL_IF_KUNIT(ghost_get_ghost);

static void ghost_free(struct ghost *g)
{
	struct file *file;
	unsigned long ref;
	u32 i;

	ghost_resource_close(&g->res);
	ghost_threads_free(g);
	ghost_free_files(g);
	ghost_ref_release(g);
	ghost_chunks_free(g);
	if (g->mm)
		mmput(g->mm);
	if (g->staged_mm)
		mmput(g->staged_mm);
	kvfree(g->stamps);
	ghost_free_staged(g);
	xa_for_each(&g->shm, ref, file)
		fput(file);
	xa_destroy(&g->shm);
	for (i = 0; i < g->fd_map_len; i++)
		if (g->fd_map[i].file)
			fput(g->fd_map[i].file);
	kvfree(g->fd_map);
	ghost_late_free(g);
	if (g->embryo)
		put_task_struct(g->embryo);
	kvfree(g->payload);
	kfree(g->mmrec);
	put_pid(g->pid);
	put_cred(g->cred);
	kfree(g->report);
	kfree(g);
}

/**
 * ghost_put_ghost() - give a reference back; the last one frees the ghost; sleeps
 * @g: the ghost, or NULL
 *
 * With the last reference its resource is closed, if it still is open. So the one who
 * opened a resource that keeps the ghost itself has to close it.
 */
void ghost_put_ghost(struct ghost *g)
{
	might_sleep();
	if (g && refcount_dec_and_test(&g->refcount))
		ghost_free(g);
}
EXPORT_SYMBOL_IF_KUNIT(ghost_put_ghost);
