/* SPDX-License-Identifier: LGPL-2.1 */
/*
 * checkpoint() and restart() as an early Linux system had them, on top of libghost
 *
 * For programs that were written for it. Both return -1 and set errno on failure.
 */
#ifndef _GHOST_CHECKPOINT_H
#define _GHOST_CHECKPOINT_H

#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CHECKPOINT_KILL		0x1	/* end the process when it is written */
#define CHECKPOINT_NO_BINARY	0x2	/* leave out unchanged code and data of the executable */
#define CHECKPOINT_NO_LIBRARIES	0x4	/* and of libraries, other privately mapped files */

/*
 * Write process @pid to @fd: a file, a pipe or a socket. What is left out is taken from the same
 * file at the restart, which must not have changed. Standard descriptors that are no files
 * become those of the one who restarts it.
 */
int checkpoint(int fd, pid_t pid, int flags);

#define RESTART_NOTIFY		0x1	/* send @sig to @notify when the process is there */
#define RESTART_STOP		0x2	/* leave it stopped, as by SIGSTOP */

/*
 * Make a process of what is read from @fd: a file, a pipe or a socket. It is a child of the
 * caller. With @notify 0 the parent of the caller is told. Returns its id.
 */
pid_t restart(int fd, pid_t notify, int sig, int flags);

#ifdef __cplusplus
}
#endif

#endif /* _GHOST_CHECKPOINT_H */
