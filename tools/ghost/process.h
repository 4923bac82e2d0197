/* SPDX-License-Identifier: GPL-2.0-only */
/* What is to be known of a process that is exported */
#ifndef _GHOST_PROCESS_H
#define _GHOST_PROCESS_H

#include <stddef.h>
#include <sys/types.h>
#include "request.h"

struct ghost_export_stats;
struct outside;

/* Memory that its image will hold at most, about */
unsigned long long process_size(pid_t pid);

/* Say what an export has cost. */
void print_stats(pid_t pid, const struct ghost_export_stats *stats);

/*
 * Fill in who owns it, how it is named, and what its descriptors @outside are. 0 or a negative
 * errno and why.
 */
int process_request(struct request *r, pid_t pid, const struct outside *outside,
		    char *why, size_t size);

#endif /* _GHOST_PROCESS_H */
