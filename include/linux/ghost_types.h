/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _LINUX_GHOST_TYPES_H
#define _LINUX_GHOST_TYPES_H

#include <linux/types.h>

/**
 * struct ghost_sleep - when the last sleep with a timeout is to end
 * @hr_expires: of schedule_hrtimeout() and its like, CLOCK_MONOTONIC
 * @expires: of schedule_timeout(), in jiffies
 * @hr_noted: @hr_expires is that of a sleep which was interrupted
 * @noted: @expires is that of a sleep which was interrupted
 * @again: a system call is being repeated on behalf of ghost: the above is an
 *	upper bound of its sleeps
 *
 * When a system call that waits with a timeout is interrupted so that the thread can
 * be exported, and the call has no restart block of its own, ghost lets it go on. It
 * must end at the moment at which it would have ended undisturbed.
 */
struct ghost_sleep {
	ktime_t hr_expires;
	unsigned long expires;
	bool hr_noted;
	bool noted;
	bool again;
};

#endif /* _LINUX_GHOST_TYPES_H */
