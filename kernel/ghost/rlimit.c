// SPDX-License-Identifier: GPL-2.0
/*
 * ghost: resource limits
 *
 * A soft limit is what a program sees and lives with, so it is carried or refused. A
 * hard limit says what it may ask for: this is up to the importer, so that without
 * CAP_SYS_RESOURCE the lesser of both counts.
 */
#include <linux/capability.h>
#include <linux/resource.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>

#include "ghost.h"

static_assert(GHOST_RLIMITS == RLIM_NLIMITS);
static_assert(RLIM_INFINITY == ~0UL);

static const char * const ghost_rlimit_names[] = {
	[RLIMIT_CPU]		= "CPU",
	[RLIMIT_FSIZE]		= "FSIZE",
	[RLIMIT_DATA]		= "DATA",
	[RLIMIT_STACK]		= "STACK",
	[RLIMIT_CORE]		= "CORE",
	[RLIMIT_RSS]		= "RSS",
	[RLIMIT_NPROC]		= "NPROC",
	[RLIMIT_NOFILE]		= "NOFILE",
	[RLIMIT_MEMLOCK]	= "MEMLOCK",
	[RLIMIT_AS]		= "AS",
	[RLIMIT_LOCKS]		= "LOCKS",
	[RLIMIT_SIGPENDING]	= "SIGPENDING",
	[RLIMIT_MSGQUEUE]	= "MSGQUEUE",
	[RLIMIT_NICE]		= "NICE",
	[RLIMIT_RTPRIO]		= "RTPRIO",
	[RLIMIT_RTTIME]		= "RTTIME",
};

int ghost_export_rlimit(struct ghost *g, struct task_struct *t)
{
	struct ghost_rec_rlimit rec;
	struct rlimit limits[RLIM_NLIMITS];
	int i;

	/* The reference on @t keeps t->signal; its leader, whose lock guards it, may be gone */
	rcu_read_lock();
	if (!pid_alive(t)) {
		rcu_read_unlock();
		return -ESRCH;
	}
	task_lock(t->group_leader);
	memcpy(limits, t->signal->rlim, sizeof(limits));
	task_unlock(t->group_leader);
	rcu_read_unlock();

	for (i = 0; i < RLIM_NLIMITS; i++) {
		rec.limit[i].cur = cpu_to_le64(limits[i].rlim_cur);
		rec.limit[i].max = cpu_to_le64(limits[i].rlim_max);
	}
	return ghost_put(g, GHOST_REC_RLIMIT, &rec, sizeof(rec));
}

static int ghost_set_rlimit(struct ghost *g, unsigned int i, u64 cur, u64 max)
{
	struct rlimit limit = { .rlim_cur = cur, .rlim_max = max };
	int ret;

	if (cur > max)
		return ghost_refuse(g, -EBADMSG, "image: RLIMIT_%s", ghost_rlimit_names[i]);
	if (max > rlimit_max(i) && !capable(CAP_SYS_RESOURCE))
		limit.rlim_max = rlimit_max(i);
	if (cur > limit.rlim_max)
		return ghost_refuse(g, -EPERM, "RLIMIT_%s: %llu is above the importer's hard limit",
				    ghost_rlimit_names[i], cur);
	if (limit.rlim_cur == rlimit(i) && limit.rlim_max == rlimit_max(i))
		return 0;
	ret = do_prlimit(current, i, &limit, NULL);
	if (ret)
		return ghost_refuse(g, ret, "RLIMIT_%s: cannot be set (%pe)", ghost_rlimit_names[i],
				    ERR_PTR(ret));
	return 0;
}

/* After files and memory: a process may have more of them than its limit allows now */
int ghost_import_rlimit(struct ghost *g)
{
	struct ghost_rec_rlimit rec;
	int ret;
	int i;

	ret = ghost_get(g, GHOST_REC_RLIMIT, &rec, sizeof(rec));
	for (i = 0; i < RLIM_NLIMITS && !ret; i++)
		ret = ghost_set_rlimit(g, i, le64_to_cpu(rec.limit[i].cur),
				       le64_to_cpu(rec.limit[i].max));
	return ret;
}
