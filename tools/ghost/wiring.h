/* SPDX-License-Identifier: GPL-2.0-only */
/* Which descriptors a restarted program gets for those that lie outside its image */
#ifndef _GHOST_WIRING_H
#define _GHOST_WIRING_H

#include <stdbool.h>
#include <stddef.h>
#include "libghost.h"

struct command;
struct wish;

/**
 * struct wiring - what is to become of descriptors of the image
 * @pairs: for the import
 * @n: number of them
 * @wishes: arguments of --fd
 * @nr_wishes: number of them
 */
struct wiring {
	struct ghost_fd_pair *pairs;
	unsigned int n;
	struct wish *wishes;
	unsigned int nr_wishes;
};

/* The argument of --fd. 0 or an exit code. */
int wiring_option(const struct command *cmd, struct wiring *w, const char *arg);

/*
 * Find a descriptor for each that lies outside the image, which is open as @fd
 * and is rewound: what was wished for, else the caller's for 0, 1 and 2, or
 * /dev/null with @detach. 0 or a negative errno.
 */
int wiring_of_image(struct wiring *w, int fd, bool detach, char *report, size_t size);

/* Forget it all and close the files that were opened for it. */
void wiring_close(struct wiring *w);

#endif /* _GHOST_WIRING_H */
