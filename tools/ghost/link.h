/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What ghost and ghostd say to each other, before and after their kernels speak
 *
 * A message is a header of two little-endian numbers, type and length, and so many bytes.
 * Requests and answers are text, a line for each thing: "KEY VALUE...". The kernels take
 * the connection over after LINK_ANSWER "ok" to a request to migrate or duplicate. They give
 * it back behind DONE; if standard descriptors are forwarded it is used as written below.
 */
#ifndef _GHOST_LINK_H
#define _GHOST_LINK_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define LINK_PORT	"4467"
#define LINK_VERSION	1
#define LINK_MAX	16384		/* bytes of a message */
#define LINK_TIMEOUT_MS	30000		/* for a message, from its begin to its end */

enum link_type {
	LINK_REQUEST	= 1,	/* text */
	LINK_ANSWER	= 2,	/* text: "ok ..." or "refused WHY" */
	LINK_DATA	= 3,	/* lane, bytes; none: that was all */
	LINK_TAKEN	= 4,	/* lane, number of bytes that are out at the other end */
	LINK_SIGNAL	= 5,	/* number; to the program */
	LINK_WINDOW	= 6,	/* rows, columns; of the terminal */
	LINK_EXIT	= 7,	/* si_code, si_status; of the program */
};

struct link_message {
	uint32_t type;
	uint32_t len;
	unsigned char data[LINK_MAX + 1];	/* a NUL is behind it */
};

/* All return 0 or a negative errno. */
int link_send(int fd, uint32_t type, const void *data, size_t len);
int link_send_words(int fd, uint32_t type, uint32_t a, uint32_t b);
int link_send_text(int fd, uint32_t type, const char *text);

/* -ENODATA: the connection was closed; -ETIMEDOUT; -EPROTO: not of this protocol */
int link_receive(int fd, struct link_message *m, int timeout_ms);

/*
 * What was said last is heard: wait for the other end to close its own, but not for long. If a
 * socket is closed with bytes in it that were not read, the other end may lose what it has.
 */
void link_linger(int fd);

/* Word @n of a message, in this machine's byte order; 0 if it is shorter. */
uint32_t link_word(const struct link_message *m, unsigned int n);

/* "HOST", "HOST:PORT", "[ADDRESS]:PORT": cut in two, in place. false: it is none. */
bool link_split(char *text, const char **host, const char **port);

/* Connect. Returns the socket, or a negative errno and a text that says why. */
int link_connect(const char *host, const char *port, char *why, size_t size);

/* Notice that the other end is gone, though neither has anything to say. */
void link_keep_alive(int fd);

/* Are both ends of a connection on this machine? */
bool link_is_local(int fd);

/* Bytes that have got out and were seen by the other end */
unsigned long long link_bytes_sent(int fd);

/* Only letters and digits, and those in @more, and at least one of them? */
bool is_name(const char *text, const char *more);

/* The milliseconds of a clock that only goes forward */
long long now_ms(void);

#endif /* _GHOST_LINK_H */
