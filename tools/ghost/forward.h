/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Standard descriptors of a program on another machine, carried over a connection
 *
 * Each is a lane, numbered like the descriptor. One end reads the lane from a descriptor and
 * sends it, the other writes what comes. No more than a window of a lane is on its way, so that
 * one that is not read holds up neither the others nor signals.
 */
#ifndef _GHOST_FORWARD_H
#define _GHOST_FORWARD_H

#include <stdbool.h>
#include "link.h"

#define FORWARD_LANES	3

struct forward;

/* Returns 0 to go on; something else ends forward_run(), which returns it. */
typedef int (*forward_message_fn)(const struct link_message *m, void *arg);
typedef int (*forward_event_fn)(void *arg);

struct forward *forward_new(int link, forward_message_fn message, void *arg);
void forward_free(struct forward *f);

/*
 * What is read from @fd goes out on this lane; what comes in on it is written to @fd. With
 * @close_at_end the descriptor is closed when the other end wants no more, or has no more.
 */
void forward_from(struct forward *f, unsigned int lane, int fd, bool close_at_end);
void forward_to(struct forward *f, unsigned int lane, int fd, bool close_at_end);

/* Call @event whenever @fd can be read. */
void forward_watch(struct forward *f, int fd, forward_event_fn event, void *arg);

/* A negative errno is that of the connection. */
int forward_run(struct forward *f);

/* The program has ended: send what it has still said, and not what others go on to say. */
int forward_send_rest(struct forward *f);

/* The connection is gone: read what the program says until @event returns something. */
void forward_discard(struct forward *f);

/* The other end has sent all: write what is still here. */
void forward_write_rest(struct forward *f);

#endif /* _GHOST_FORWARD_H */
