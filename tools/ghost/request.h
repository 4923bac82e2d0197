/* SPDX-License-Identifier: GPL-2.0-only */
/* What ghost wants of ghostd */
#ifndef _GHOST_REQUEST_H
#define _GHOST_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

#define REQUEST_OUTSIDE_MAX	64
#define REQUEST_USER_MAX	64
#define REQUEST_PROCESS_MAX	96
#define REQUEST_FILE_MAX	1024

enum request_what { REQUEST_MIGRATE = 1, REQUEST_DUPLICATE, REQUEST_RESOLVE };

/**
 * struct outside_fd - a descriptor of the process whose other end does not come along
 * @fd: its number
 * @access: O_RDONLY, O_WRONLY or O_RDWR
 * @same: the lowest descriptor of the same open file
 * @terminal: it is one
 */
struct outside_fd {
	int fd;
	int access;
	int same;
	bool terminal;
};

/**
 * struct request - one thing that is wanted
 * @what: enum request_what
 * @user: who is to own the process
 * @process: names the process for as long as its machine runs: BOOT:PID:START
 * @forward: the standard descriptors are carried over the connection
 * @file: else what is written to them goes to this file of the destination; "": /dev/null
 * @rows: of the terminal, if it has one
 * @columns: likewise
 * @outside: descriptors for which the destination has to find something
 * @nr_outside: number of them
 */
struct request {
	enum request_what what;
	char user[REQUEST_USER_MAX];
	char process[REQUEST_PROCESS_MAX];
	bool forward;
	char file[REQUEST_FILE_MAX];
	unsigned int rows;
	unsigned int columns;
	struct outside_fd outside[REQUEST_OUTSIDE_MAX];
	unsigned int nr_outside;
};

/* As the text of a LINK_REQUEST. 0 or -EOPNOTSUPP. */
int request_print(const struct request *r, char *text, size_t size);

/* And back; @text is changed. 0 or -EPROTO and what is wrong with it. */
int request_parse(struct request *r, char *text, char *why, size_t size);

/* Is it for reading? Of a terminal all are for both, but one reads from the first. */
bool outside_is_read(const struct outside_fd *o);

/* Is there a terminal among the standard descriptors? */
bool request_has_terminal(const struct request *r);

#endif /* _GHOST_REQUEST_H */
