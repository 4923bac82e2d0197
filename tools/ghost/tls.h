/* SPDX-License-Identifier: GPL-2.0-only */
/* TLS 1.3 with a certificate on either side, whose keys the kernel gets */
#ifndef _GHOST_TLS_H
#define _GHOST_TLS_H

#include <stdbool.h>
#include <stddef.h>

/**
 * struct tls_files - what one end shows of itself, and whom it trusts; PEM files
 * @certificate: its certificate, perhaps with those that lead to the authority
 * @key: private key of that
 * @authority: certificates of those who sign
 */
struct tls_files {
	const char *certificate;
	const char *key;
	const char *authority;
};

struct tls;

/* Have the kernel load its part, which those without rights cannot. */
void tls_load(void);

/* Read the files. 0 or a negative errno, and a text that says why. */
int tls_open(struct tls **tls, const struct tls_files *files, char *why, size_t size);
void tls_close(struct tls *tls);

/*
 * Shake hands on a connected socket, and leave the rest to the kernel: what is written to the
 * socket from then on is encrypted there. The one who connects gives the other's @host name,
 * which must be in his certificate; for the other it is NULL.
 *
 * Returns 0, and then, without @host, the other's name is in @identity: of his certificate
 * the e-mail address,
 * else the name of a host, else the common name. -EACCES: the keys are the kernel's, but
 * his certificate is not good enough; he may be told so. Or a negative errno. @why says why.
 */
int tls_start(struct tls *tls, int fd, const char *host, char *identity, size_t identity_size,
	      char *why, size_t size);

#endif /* _GHOST_TLS_H */
