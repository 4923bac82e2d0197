/* SPDX-License-Identifier: GPL-2.0-only */
/* A ghostd on another machine */
#ifndef _GHOST_REMOTE_H
#define _GHOST_REMOTE_H

#include <stdbool.h>
#include <stddef.h>
#include "request.h"
#include "tls.h"

struct command;

/**
 * struct remote - where it is, and how to show who we are
 * @host: its name or address, as its certificate has it
 * @port: port or name of a service
 * @files: for TLS; those not given are looked for in ~/.config/ghost and /etc/ghost
 * @insecure: without TLS; only to this machine
 * @paths: room for names of @files
 */
struct remote {
	const char *host;
	const char *port;
	struct tls_files files;
	bool insecure;
	char *paths[3];
};

/* What getopt_long() returns for options that all commands have which go to another machine */
enum { OPT_CERTIFICATE = 300, OPT_KEY, OPT_AUTHORITY, OPT_INSECURE };

#define REMOTE_HELP								\
"  --certificate FILE, --key FILE, --authority FILE\n"				\
"                     who you are and whom you trust, PEM. Looked for as certificate.pem,\n" \
"                     key.pem and authority.pem in ~/.config/ghost, or as host.pem,\n" \
"                     host.key and authority.pem in /etc/ghost\n"			\
"  --insecure         without TLS; only to a ghostd on this machine that allows it\n"

/* One of these options. false: it is another. */
bool remote_option(struct remote *r, int opt, const char *arg);

/* HOST[:PORT] of the command line; it is changed. 0 or an exit code. */
int remote_host(const struct command *cmd, struct remote *r, char *arg);

/*
 * Connect and make a request. Returns the socket, and what the answer says behind "ok" in
 * @answer; or a negative errno and a text that says why.
 */
int remote_ask(struct remote *r, const struct request *request, char *answer, size_t size);

void remote_close(struct remote *r);

#endif /* _GHOST_REMOTE_H */
