// SPDX-License-Identifier: GPL-2.0
/*
 * ghost: the machine that a process has come to rely on
 */
#include <linux/sched/mm.h>

#include "ghost.h"

int ghost_export_machine(struct ghost *g, struct task_struct *t)
{
	struct mm_struct *mm = get_task_mm(t);
	struct ghost_arch_machine rec;

	if (!mm)
		return -ESRCH;
	arch_ghost_read_machine(mm, &rec);
	mmput(mm);
	return ghost_put(g, GHOST_REC_MACHINE, &rec, sizeof(rec));
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
