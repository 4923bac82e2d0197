/* SPDX-License-Identifier: GPL-2.0-only */
/* What the parts of ghostd share */
#ifndef _GHOSTD_H
#define _GHOSTD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "compiler.h"
#include "request.h"
#include "tls.h"

#define IDENTITY_MAX	128
#define WHY_MAX		1024
#define OWNER_MAX	(IDENTITY_MAX + REQUEST_USER_MAX + 1)

/* What rules call who comes without TLS, from this machine; no certificate has this name */
#define IDENTITY_NONE	"insecure"

/* A line to standard error, where systemd or whoever started the daemon keeps it */
__printf(1, 2)
void report(const char *fmt, ...);

/* ghostd-conf.c */

struct listen_address {
	const char *host;
	const char *port;
	struct listen_address *next;
};

/* Who may make processes of whom: patterns as of the shell, and users with commas between */
struct allow {
	const char *identity;
	const char *users;
	struct allow *next;
};

/**
 * struct conf - the configuration file; see ghostd.conf(5)
 * @listen: where to be connected to
 * @allow: all rules; one that fits is enough
 * @files: for TLS
 * @state: folder for what has become of imports
 * @insecure: without TLS, too, for who is on this machine
 * @max_sessions: at once
 * @max_per_host: of them from one address
 * @max_per_minute: new ones, from one address
 * @max_bytes: of an image; 0: as many as come
 * @patience_ms: how long a client may be silent in an import
 */
struct conf {
	struct listen_address *listen;
	struct allow *allow;
	struct tls_files files;
	const char *state;
	bool insecure;
	unsigned int max_sessions;
	unsigned int max_per_host;
	unsigned int max_per_minute;
	unsigned long long max_bytes;
	unsigned int patience_ms;
};

/* 0 or a negative errno; what is wrong has been reported. */
int conf_read(struct conf *conf, const char *path);

/* May @identity have processes of @user here? Only a rule that names root is good for root. */
bool conf_allows(const struct conf *conf, const char *identity, const char *user, bool root);

/* ghostd-session.c: serve a connection; the process ends with it. */
__noreturn
void session(const struct conf *conf, struct tls *tls, int fd, const char *address);

/* ghostd-record.c: what has become of imports, by the name of the process at its source */

enum outcome { OUTCOME_UNKNOWN, OUTCOME_NONE, OUTCOME_RUNS, OUTCOME_PENDING };

/*
 * From here to record_end() others see OUTCOME_PENDING, and if that is never called
 * OUTCOME_UNKNOWN. @owner: who sends it, and whose it is. A descriptor or a negative errno;
 * -EEXIST: it has come before, and perhaps runs.
 */
int record_begin(const struct conf *conf, const char *owner, const char *process);

/* @pid: of the copy, 0: there is none, and will be none */
void record_end(int record, pid_t pid);

enum outcome record_find(const struct conf *conf, const char *owner, const char *process,
			 pid_t *pid);

/* Forget what is old and of no use any more. */
void record_sweep(const struct conf *conf);

/* ghostd-import.c */

/* A user of this machine */
struct user {
	char name[REQUEST_USER_MAX];
	uid_t uid;
	gid_t gid;
};

/* Make the process, and be its parent. Tells on @result; ends with the process. */
__noreturn
void import_and_serve(const struct conf *conf, const struct request *request,
		      const struct user *user, int fd, int result);

/* What stands on @result: the id of the process, or an error and why */
struct import_result {
	pid_t pid;
	int err;
	char why[WHY_MAX];
};

#endif /* _GHOSTD_H */
