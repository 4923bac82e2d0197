// SPDX-License-Identifier: GPL-2.0
/*
 * ghost: the machine that a process has come to rely on
 */
#include <linux/sched/mm.h>

#include "ghost.h"

static int read_machine(struct task_struct *t, struct ghost_arch_machine *rec)
{
	struct mm_struct *mm = get_task_mm(t);

	if (!mm)
		return -ESRCH;
	arch_ghost_read_machine(mm, rec);
	mmput(mm);
	return 0;
}

int ghost_export_machine(struct ghost *g, struct task_struct *t)
{
	struct ghost_arch_machine rec;
	int ret = read_machine(t, &rec);

	return ret ?: ghost_put(g, GHOST_REC_MACHINE, &rec, sizeof(rec));
}

int ghost_import_machine(struct ghost *g)
{
	struct ghost_arch_machine rec;
	int ret = ghost_get(g, GHOST_REC_MACHINE, &rec, sizeof(rec));

	if (ret)
		return ret;
	rec.release[sizeof(rec.release) - 1] = 0;
	g->has_vdso = rec.vdso_size;
	return arch_ghost_check_machine(g, &rec);
}

/**
 * ghost_offer_machine() - tell the other end what the process relies on; sleeps
 * @g: the export
 * @t: a thread of the process that has memory; may be running
 *
 * So that it is refused before anything is stopped.
 *
 * Return: 0, or a negative errno, mostly with the reason in the report.
 */
int ghost_offer_machine(struct ghost *g, struct task_struct *t)
{
	struct ghost_arch_machine rec;
	int ret = read_machine(t, &rec);

	return ret ?: g->res.ops->handover->offer(&g->res, g, &rec, sizeof(rec));
}

/**
 * ghost_hear_machine() - hear what the process relies on that will come, and accept it; sleeps
 * @g: the import
 * Return: 0, -ENOEXEC if it cannot run here, or another errno; with the reason in the report.
 */
int ghost_hear_machine(struct ghost *g)
{
	const struct ghost_handover_ops *handover = g->res.ops->handover;
	struct ghost_arch_machine rec;
	int ret;

	ret = handover->hear(&g->res, g, &rec, sizeof(rec));
	if (ret)
		return ret;
	rec.release[sizeof(rec.release) - 1] = 0;
	ret = arch_ghost_check_machine(g, &rec);
	return ret ?: handover->accept(&g->res, g);
}
