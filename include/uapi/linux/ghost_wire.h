/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * ghost: what is said over a connection when a process is migrated
 *
 * Two kernels speak: the source, which exports, and the destination, which imports.
 *
 *   source                      destination
 *   HELLO        ->                            what the process relies on
 *                <-             ACCEPT
 *   image        ->                            as in <linux/ghost_image.h>, with no frame;
 *                                              the process is held for it, but for what
 *                                              is sent ahead
 *   END          ->
 *                <-             READY          all of it is rebuilt and waits
 *   GO           ->                            the source will never run again; with the
 *                                              signals that have come since the image
 *                <-             DONE           the copy runs
 *
 * At each place the destination may say FAILED instead: it has no copy and will have none.
 * The source gives up by closing the connection; until it has said GO, the destination
 * drops what it has then. The states are in Documentation/userspace-api/ghost.rst.
 *
 * All numbers are little endian. A message is a header and its payload; a payload may grow
 * at its tail, but that of GO, which has as many signals as fit.
 */
#ifndef _UAPI_LINUX_GHOST_WIRE_H
#define _UAPI_LINUX_GHOST_WIRE_H

#include <linux/ghost_image.h>
#include <linux/types.h>

#define GHOST_WIRE_MAGIC		"GHOSTMIG"
#define GHOST_WIRE_VERSION		1

/* Numbers are never reused */
enum ghost_wire_type {
	GHOST_WIRE_HELLO	= 1,	/* struct ghost_wire_hello */
	GHOST_WIRE_ACCEPT	= 2,	/* struct ghost_wire_accept */
	GHOST_WIRE_FAILED	= 3,	/* struct ghost_wire_failed */
	GHOST_WIRE_END		= 4,	/* no payload */
	GHOST_WIRE_READY	= 5,	/* no payload */
	GHOST_WIRE_GO		= 6,	/* struct ghost_wire_signal, any number of them */
	GHOST_WIRE_DONE		= 7,	/* struct ghost_wire_done */
};

struct ghost_wire_hdr {
	__le32 type;			/* enum ghost_wire_type */
	__le32 len;			/* bytes that follow, at most GHOST_WIRE_MAX_LEN */
};

#define GHOST_WIRE_MAX_LEN		4096

/* The machine stands behind it, as struct ghost_arch_machine of an image */
struct ghost_wire_hello {
	__u8 magic[8];			/* GHOST_WIRE_MAGIC */
	__le32 version;			/* GHOST_WIRE_VERSION */
	__le32 machine;			/* e_machine of ELF */
	__le32 page_shift;
	__le32 flags;			/* 0 */
};

struct ghost_wire_accept {
	__le32 version;			/* that both speak from here on */
	__le32 flags;			/* 0 */
};

/* A text that says why stands behind it, without NUL */
struct ghost_wire_failed {
	__le32 error;			/* errno, positive */
	__le32 pad;			/* 0 */
};

struct ghost_wire_signal {
	__le32 tid;			/* thread it is for, as in its record; 0: the process */
	__le32 pad;			/* 0 */
	struct ghost_rec_siginfo signal;
};

#define GHOST_WIRE_MAX_SIGNALS		(GHOST_WIRE_MAX_LEN / sizeof(struct ghost_wire_signal))

struct ghost_wire_done {
	__le32 pid;			/* of the copy, as the importer knows it */
	__le32 pad;			/* 0 */
};

#endif /* _UAPI_LINUX_GHOST_WIRE_H */
