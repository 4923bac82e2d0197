// SPDX-License-Identifier: GPL-2.0-only
/* A ghostd on another machine */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "link.h"
#include "reason.h"
#include "remote.h"

#define ANSWER_MS	30000
#define IDENTITY_MAX	256

bool remote_option(struct remote *r, int opt, const char *arg)
{
	switch (opt) {
	case OPT_CERTIFICATE:
		r->files.certificate = arg;
		return true;
	case OPT_KEY:
		r->files.key = arg;
		return true;
	case OPT_AUTHORITY:
		r->files.authority = arg;
		return true;
	case OPT_INSECURE:
		r->insecure = true;
		return true;
	}
	return false;
}

int remote_host(const struct command *cmd, struct remote *r, char *arg)
{
	if (!link_split(arg, &r->host, &r->port))
		return usage_error(cmd, "'%s': HOST or HOST:PORT is wanted", arg);
	return 0;
}

/* The user's own file, else the machine's */
static const char *find_file(char **path, const char *own, const char *machine)
{
	const char *home = getenv("HOME"), *config = getenv("XDG_CONFIG_HOME");
	int n;

	if (config && *config)
		n = asprintf(path, "%s/ghost/%s", config, own);
	else
		n = asprintf(path, "%s/.config/ghost/%s", home ? home : "", own);
	if (n < 0) {
		*path = NULL;
		return machine;
	}
	return access(*path, F_OK) ? machine : *path;
}

static void find_files(struct remote *r)
{
	if (!r->files.certificate)
		r->files.certificate = find_file(&r->paths[0], "certificate.pem",
						 "/etc/ghost/host.pem");
	if (!r->files.key)
		r->files.key = find_file(&r->paths[1], "key.pem", "/etc/ghost/host.key");
	if (!r->files.authority)
		r->files.authority = find_file(&r->paths[2], "authority.pem",
					       "/etc/ghost/authority.pem");
}

void remote_close(struct remote *r)
{
	int i;

	for (i = 0; i < (int)ARRAY_SIZE(r->paths); i++)
		free(r->paths[i]);
}

static int secure(struct remote *r, int fd, char *why, size_t size)
{
	char identity[IDENTITY_MAX];
	struct tls *tls = NULL;
	int ret;

	if (r->insecure) {
		if (link_is_local(fd))
			return 0;
		return reason(why, size, -EINVAL, "%s: --insecure is only for this machine",
			      r->host);
	}
	find_files(r);
	ret = tls_open(&tls, &r->files, why, size);
	if (!ret)
		ret = tls_start(tls, fd, r->host, identity, sizeof(identity), why, size);
	tls_close(tls);
	return ret;
}

/* What is to be shown on a terminal must not be for the terminal */
static void clean(unsigned char *text)
{
	for (; *text; text++)
		if (*text < ' ' || *text == 0x7f)
			*text = ' ';
}

static int hear_answer(int fd, const char *host, char *answer, size_t size)
{
	struct link_message m;
	int ret = link_receive(fd, &m, ANSWER_MS);

	if (ret == -ETIMEDOUT)
		return reason(answer, size, ret, "%s: does not answer", host);
	if (ret)
		return reason(answer, size, ret == -ENODATA ? -ECONNRESET : ret,
			      "%s: closed the connection; its log may say why", host);
	clean(m.data);
	if (m.type == LINK_ANSWER && !strncmp((char *)m.data, "refused ", 8))
		return reason(answer, size, -EACCES, "%s: %s", host, m.data + 8);
	if (m.type != LINK_ANSWER || strncmp((char *)m.data, "ok", 2))
		return reason(answer, size, -EPROTO, "%s: answers with what is none", host);
	snprintf(answer, size, "%s", m.data[2] ? (char *)m.data + 3 : "");
	return 0;
}

int remote_ask(struct remote *r, const struct request *request, char *answer, size_t size)
{
	char text[LINK_MAX];
	int fd, ret;

	signal(SIGPIPE, SIG_IGN);	/* GnuTLS writes with no flags */
	ret = request_print(request, text, sizeof(text));
	if (ret)
		return reason(answer, size, ret, "too much to say of the process");
	fd = link_connect(r->host, r->port, answer, size);
	if (fd < 0)
		return fd;
	ret = secure(r, fd, answer, size);
	if (!ret) {
		ret = link_send_text(fd, LINK_REQUEST, text);
		if (ret)
			reason(answer, size, ret, "%s: %s", r->host, strerror(-ret));
	}
	if (!ret)
		ret = hear_answer(fd, r->host, answer, size);
	if (!ret)
		return fd;
	close(fd);
	return ret;
}
