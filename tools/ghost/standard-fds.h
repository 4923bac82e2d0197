/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _GHOST_STANDARD_FDS_H
#define _GHOST_STANDARD_FDS_H

/*
 * A standard descriptor that is closed would be taken by the next file that is opened, and
 * what is meant for it, a message for instance, would be written there.
 */
void fill_standard_fds(void);

#endif /* _GHOST_STANDARD_FDS_H */
