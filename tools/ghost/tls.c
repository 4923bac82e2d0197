// SPDX-License-Identifier: GPL-2.0-only
/* TLS: GnuTLS shakes hands, the kernel encrypts */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <linux/tls.h>

#include "link.h"
#include "reason.h"
#include "tls.h"

#ifndef TCP_ULP
#define TCP_ULP		31
#endif
#ifndef SOL_TLS
#define SOL_TLS		282
#endif

#define HANDSHAKE_MS	10000

/* What the kernel can do of TLS 1.3, and no more */
#define PRIORITY	"SECURE128:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+AES-256-GCM:+AES-128-GCM"

#define CLOSED		"TLS: the other end has closed the connection; its log may say why"

struct tls {
	gnutls_certificate_credentials_t credentials;
};

void tls_load(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	/* It is found before it is said that there is no connection */
	if (fd >= 0) {
		setsockopt(fd, IPPROTO_TCP, TCP_ULP, "tls", sizeof("tls"));
		close(fd);
	}
}

int tls_open(struct tls **tls, const struct tls_files *files, char *why, size_t size)
{
	struct tls *t = calloc(1, sizeof(*t));
	int ret;

	if (!t || gnutls_certificate_allocate_credentials(&t->credentials)) {
		free(t);
		return reason(why, size, -ENOMEM, "no memory");
	}
	*tls = t;
	ret = gnutls_certificate_set_x509_trust_file(t->credentials, files->authority,
						     GNUTLS_X509_FMT_PEM);
	if (ret == 0)
		return reason(why, size, -EINVAL, "%s: no certificate in it", files->authority);
	if (ret < 0)
		return reason(why, size, -EINVAL, "%s: %s", files->authority, gnutls_strerror(ret));
	ret = gnutls_certificate_set_x509_key_file(t->credentials, files->certificate, files->key,
						   GNUTLS_X509_FMT_PEM);
	if (ret < 0)
		return reason(why, size, -EINVAL, "%s, %s: %s", files->certificate, files->key,
			      gnutls_strerror(ret));
	return 0;
}

void tls_close(struct tls *tls)
{
	if (!tls)
		return;
	gnutls_certificate_free_credentials(tls->credentials);
	free(tls);
}

/* Of one direction, as GnuTLS has it */
struct secrets {
	gnutls_datum_t mac, iv, key;
	unsigned char seq[8];
};

/* The nonce's first part, which the kernel calls salt, is the first of GnuTLS's, too. */
static socklen_t fill_aes_128(struct tls12_crypto_info_aes_gcm_128 *info, const struct secrets *s)
{
	info->info.version = TLS_1_3_VERSION;
	info->info.cipher_type = TLS_CIPHER_AES_GCM_128;
	memcpy(info->salt, s->iv.data, sizeof(info->salt));
	memcpy(info->iv, s->iv.data + sizeof(info->salt), sizeof(info->iv));
	memcpy(info->key, s->key.data, sizeof(info->key));
	memcpy(info->rec_seq, s->seq, sizeof(info->rec_seq));
	return sizeof(*info);
}

static socklen_t fill_aes_256(struct tls12_crypto_info_aes_gcm_256 *info, const struct secrets *s)
{
	info->info.version = TLS_1_3_VERSION;
	info->info.cipher_type = TLS_CIPHER_AES_GCM_256;
	memcpy(info->salt, s->iv.data, sizeof(info->salt));
	memcpy(info->iv, s->iv.data + sizeof(info->salt), sizeof(info->iv));
	memcpy(info->key, s->key.data, sizeof(info->key));
	memcpy(info->rec_seq, s->seq, sizeof(info->rec_seq));
	return sizeof(*info);
}

static int give_key(gnutls_session_t session, int fd, bool receive)
{
	union {
		struct tls12_crypto_info_aes_gcm_128 aes128;
		struct tls12_crypto_info_aes_gcm_256 aes256;
	} u = { };
	struct secrets s;
	socklen_t len;
	int ret = 0;

	if (gnutls_record_get_state(session, receive, &s.mac, &s.iv, &s.key, s.seq))
		return -EPROTO;
	switch (gnutls_cipher_get(session)) {
	case GNUTLS_CIPHER_AES_128_GCM:
		len = fill_aes_128(&u.aes128, &s);
		break;
	case GNUTLS_CIPHER_AES_256_GCM:
		len = fill_aes_256(&u.aes256, &s);
		break;
	default:
		return -EPROTO;
	}
	if (setsockopt(fd, SOL_TLS, receive ? TLS_RX : TLS_TX, &u, len))
		ret = -errno;
	explicit_bzero(&u, sizeof(u));
	return ret;
}

static int give_to_kernel(gnutls_session_t session, int fd, char *why, size_t size)
{
	int ret = 0;

	/* Something that was read from the socket would be lost */
	if (gnutls_record_check_pending(session))
		return reason(why, size, -EPROTO, "TLS: the other end speaks too soon");
	if (setsockopt(fd, IPPROTO_TCP, TCP_ULP, "tls", sizeof("tls")))
		ret = -errno;
	if (!ret)
		ret = give_key(session, fd, false);
	if (!ret)
		ret = give_key(session, fd, true);
	if (ret == -ENOTCONN)
		return reason(why, size, -ECONNRESET, CLOSED);
	if (ret)
		return reason(why, size, ret, "TLS in the kernel: %s%s", strerror(-ret),
			      ret == -ENOENT ? "; it takes CONFIG_TLS, module tls" : "");
	return 0;
}

static bool alt_name(gnutls_x509_crt_t crt, unsigned int wanted, char *name, size_t size)
{
	unsigned int i, type;
	size_t len;
	int ret;

	for (i = 0; ; i++) {
		len = size;
		ret = gnutls_x509_crt_get_subject_alt_name2(crt, i, name, &len, &type, NULL);
		if (ret == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
			return false;
		if (ret >= 0 && type == wanted && len < size && strlen(name) == len)
			return true;
	}
}

static bool name_of(gnutls_x509_crt_t crt, char *name, size_t size)
{
	size_t len = size;

	if (alt_name(crt, GNUTLS_SAN_RFC822NAME, name, size) ||
	    alt_name(crt, GNUTLS_SAN_DNSNAME, name, size))
		return true;
	/* Nobody may have looked whether it is his; so it is none that looks like one of those */
	return !gnutls_x509_crt_get_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, 0, name, &len) &&
	       len < size && strlen(name) == len && is_name(name, "_-");
}

static int find_identity(gnutls_session_t session, char *identity, size_t size)
{
	const gnutls_datum_t *list;
	gnutls_x509_crt_t crt;
	unsigned int n;
	bool found;

	list = gnutls_certificate_get_peers(session, &n);
	if (!list || !n || gnutls_x509_crt_init(&crt))
		return -EACCES;
	found = !gnutls_x509_crt_import(crt, &list[0], GNUTLS_X509_FMT_DER) &&
		name_of(crt, identity, size) && is_name(identity, "@._+-");
	gnutls_x509_crt_deinit(crt);
	if (!found)
		identity[0] = '\0';
	return found ? 0 : -EACCES;
}

static int verify(gnutls_session_t session, const char *host, char *why, size_t size)
{
	gnutls_typed_vdata_st wanted[2] = {
		{ GNUTLS_DT_KEY_PURPOSE_OID,
		  (void *)(host ? GNUTLS_KP_TLS_WWW_SERVER : GNUTLS_KP_TLS_WWW_CLIENT), 0 },
		{ GNUTLS_DT_DNS_HOSTNAME, (void *)host, 0 },
	};
	unsigned int status = 0;
	gnutls_datum_t text;
	int ret;

	ret = gnutls_certificate_verify_peers(session, wanted, host ? 2 : 1, &status);
	if (ret < 0)
		return reason(why, size, -EACCES, "certificate: %s", gnutls_strerror(ret));
	if (!status)
		return 0;
	if (gnutls_certificate_verification_status_print(status, GNUTLS_CRT_X509, &text, 0))
		return reason(why, size, -EACCES, "certificate: not trusted");
	reason(why, size, 0, "certificate%s%s: %s", host ? " of " : "", host ? host : "",
	       (char *)text.data);
	gnutls_free(text.data);
	return -EACCES;
}

static int shake_hands(gnutls_session_t session, char *why, size_t size)
{
	int ret;

	do {
		ret = gnutls_handshake(session);
	} while (ret < 0 && !gnutls_error_is_fatal(ret));
	if (ret == GNUTLS_E_TIMEDOUT)
		return reason(why, size, -ETIMEDOUT, "TLS: the other end does not answer");
	if (ret == GNUTLS_E_PREMATURE_TERMINATION || ret == GNUTLS_E_PULL_ERROR ||
	    ret == GNUTLS_E_PUSH_ERROR)
		return reason(why, size, -ECONNRESET, CLOSED);
	if (ret == GNUTLS_E_FATAL_ALERT_RECEIVED)
		return reason(why, size, -EPROTO, "TLS: the other end says: %s",
			      gnutls_alert_get_name(gnutls_alert_get(session)));
	if (ret)
		return reason(why, size, -EPROTO, "TLS: %s", gnutls_strerror(ret));
	return 0;
}

static int set_up(gnutls_session_t session, struct tls *tls, int fd, const char *host)
{
	int ret = gnutls_priority_set_direct(session, PRIORITY, NULL);

	if (!ret)
		ret = gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, tls->credentials);
	if (!ret && host)
		ret = gnutls_server_name_set(session, GNUTLS_NAME_DNS, host, strlen(host));
	if (!host)
		gnutls_certificate_server_set_request(session, GNUTLS_CERT_REQUIRE);
	gnutls_handshake_set_timeout(session, HANDSHAKE_MS);
	gnutls_transport_set_int(session, fd);
	return ret;
}

int tls_start(struct tls *tls, int fd, const char *host, char *identity, size_t identity_size,
	      char *why, size_t size)
{
	/* A ticket or new keys would come when the kernel has no use for them */
	unsigned int flags = GNUTLS_NO_TICKETS | GNUTLS_NO_AUTO_REKEY | GNUTLS_FORCE_CLIENT_CERT;
	gnutls_session_t session;
	int ret, trust;

	identity[0] = '\0';
	ret = gnutls_init(&session, flags | (host ? GNUTLS_CLIENT : GNUTLS_SERVER));
	if (ret)
		return reason(why, size, -ENOMEM, "TLS: %s", gnutls_strerror(ret));
	ret = set_up(session, tls, fd, host);
	if (ret) {
		ret = reason(why, size, -EINVAL, "TLS: %s", gnutls_strerror(ret));
		goto out;
	}
	ret = shake_hands(session, why, size);
	if (ret)
		goto out;
	trust = verify(session, host, why, size);
	/* The one who connects knows whom he has asked for */
	if (!trust && !host && find_identity(session, identity, identity_size))
		trust = reason(why, size, -EACCES, "certificate: no name in it");
	/* The one who connects need not explain himself */
	ret = trust && host ? trust : give_to_kernel(session, fd, why, size);
	if (!ret)
		ret = trust;
out:
	gnutls_deinit(session);
	return ret;
}
