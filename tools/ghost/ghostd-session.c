// SPDX-License-Identifier: GPL-2.0-only
/*
 * ghostd: one connection, in a process of its own
 *
 * Who is there is found out by a child with no rights at all: it is the one that reads what a
 * stranger sends before he has shown who he is.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ghostd.h"
#include "link.h"

#define REQUEST_S	15	/* from the connection to all of the request */
#define REQUEST_MS	10000	/* of it, for what is only one message */
#define TLS_HANDSHAKE	0x16	/* first byte of a TLS connection; no link_type is that */
#define NOBODY		65534

struct session {
	const struct conf *conf;
	struct tls *tls;
	int fd;
	const char *address;
	struct request request;
	struct user user;
	char owner[OWNER_MAX];		/* who sends it, and whose it is */
	char identity[IDENTITY_MAX];
	char why[WHY_MAX];
};

/* What the child with no rights says */
struct greeting {
	int err;
	char identity[IDENTITY_MAX];
	char why[WHY_MAX];
};

__noreturn __printf(2, 3)
static void refuse(const struct session *s, const char *fmt, ...)
{
	char text[WHY_MAX + 16] = "refused ";
	size_t len = strlen(text);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text + len, sizeof(text) - len, fmt, ap);
	va_end(ap);
	report("%s (%s): %s", *s->identity ? s->identity : "somebody", s->address, text);
	if (!link_send_text(s->fd, LINK_ANSWER, text))
		link_linger(s->fd);
	exit(1);
}

static bool limit(int resource, rlim_t value)
{
	struct rlimit rlimit = { value, value };

	return !setrlimit(resource, &rlimit);
}

/* Nothing of the files is left, nor any way to get rights again. */
static bool give_up_rights(const struct conf *conf)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/.empty", conf->state);
	if ((mkdir(path, 0555) && errno != EEXIST) || chroot(path) || chdir("/"))
		return false;
	return !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) && limit(RLIMIT_CPU, 10) &&
	       limit(RLIMIT_FSIZE, 0) && limit(RLIMIT_CORE, 0) &&
	       limit(RLIMIT_AS, 256UL << 20) && limit(RLIMIT_NPROC, 0) && !setgroups(0, NULL) &&
	       !setresgid(NOBODY, NOBODY, NOBODY) && !setresuid(NOBODY, NOBODY, NOBODY) &&
	       /* Which setresuid() has reset: it ends with the session */
	       !prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static void greet(const struct session *s, int result)
{
	struct greeting g = { };

	if (!give_up_rights(s->conf)) {
		g.err = errno;
		snprintf(g.why, sizeof(g.why), "no rights could be given up: %m");
	} else {
		g.err = -tls_start(s->tls, s->fd, NULL, g.identity, sizeof(g.identity), g.why,
				   sizeof(g.why));
	}
	if (write(result, &g, sizeof(g)) != sizeof(g))
		_exit(1);
	_exit(0);
}

/* All of @len bytes from a child that may end before it has written them */
static bool read_result(int fd, void *buf, size_t len)
{
	ssize_t n;

	do {
		n = read(fd, buf, len);
	} while (n < 0 && errno == EINTR);
	return n == (ssize_t)len;
}

/* Who is there? 0, or -EACCES if he can be told that he is nobody, or another error. */
static int ask_for_identity(struct session *s)
{
	struct greeting g = { };
	int result[2];
	bool heard;
	pid_t pid;

	if (pipe2(result, O_CLOEXEC))
		return -errno;
	pid = fork();
	if (!pid)
		greet(s, result[1]);
	close(result[1]);
	heard = pid > 0 && read_result(result[0], &g, sizeof(g));
	close(result[0]);
	if (pid > 0)
		waitpid(pid, NULL, 0);
	if (!heard) {
		snprintf(s->why, sizeof(s->why), "TLS: the handshake was broken off");
		return -EPROTO;
	}
	/* Who has taken it over may be anybody, but he does not get at our memory */
	snprintf(s->why, sizeof(s->why), "%.*s", (int)sizeof(g.why) - 1, g.why);
	snprintf(s->identity, sizeof(s->identity), "%.*s", (int)sizeof(g.identity) - 1,
		 g.identity);
	/* It becomes a name of a folder */
	if (!g.err && (!is_name(s->identity, "@._+-") || !strcmp(s->identity, IDENTITY_NONE))) {
		snprintf(s->why, sizeof(s->why), "certificate: its name means nobody");
		return -EACCES;
	}
	return -g.err;
}

static bool speaks_tls(const struct session *s)
{
	struct pollfd p = { .fd = s->fd, .events = POLLIN };
	unsigned char first = 0;

	if (poll(&p, 1, REQUEST_MS) != 1 || recv(s->fd, &first, 1, MSG_PEEK) != 1)
		exit(1);	/* nobody is there any more */
	return first == TLS_HANDSHAKE;
}

static void identify(struct session *s)
{
	int ret;

	if (speaks_tls(s)) {
		if (!s->tls)
			exit(1);
		ret = ask_for_identity(s);
		if (ret == -EACCES)
			refuse(s, "%s", s->why);
		if (ret) {
			report("somebody (%s): %s", s->address, s->why);
			exit(1);
		}
		return;
	}
	if (!s->conf->insecure || !link_is_local(s->fd))
		refuse(s, "without TLS nobody is served%s",
		       s->conf->insecure ? " but who is on the same machine" : "");
	snprintf(s->identity, sizeof(s->identity), "%s", IDENTITY_NONE);
}

static void read_request(struct session *s)
{
	struct link_message m;
	int ret = link_receive(s->fd, &m, REQUEST_MS);

	if (ret) {
		report("%s (%s): no request: %s", s->identity, s->address, strerror(-ret));
		exit(1);
	}
	if (m.type != LINK_REQUEST || strlen((char *)m.data) != m.len)
		refuse(s, "this is no request");
	if (request_parse(&s->request, (char *)m.data, s->why, sizeof(s->why)))
		refuse(s, "%s", s->why);
}

static void check_rights(struct session *s)
{
	const struct passwd *pw = getpwnam(s->request.user);
	const char *name = pw ? pw->pw_name : s->request.user;

	/* Nobody learns here which users there are */
	if (!conf_allows(s->conf, s->identity, name, pw && !pw->pw_uid))
		refuse(s, "%s may have no processes of user %s here", s->identity, name);
	if (!pw || strlen(name) >= sizeof(s->user.name) || strchr(name, '/'))
		refuse(s, "user %s: unknown here", name);
	snprintf(s->user.name, sizeof(s->user.name), "%s", name);
	s->user.uid = pw->pw_uid;
	s->user.gid = pw->pw_gid;
	/* No identity has a ':' in it */
	snprintf(s->owner, sizeof(s->owner), "%s:%s", s->identity, s->user.name);
}

static void resolve(const struct session *s)
{
	static const char * const texts[] = {
		[OUTCOME_NONE] = "ok none",
		[OUTCOME_UNKNOWN] = "ok unknown",
		[OUTCOME_RUNS] = "ok runs",
		[OUTCOME_PENDING] = "ok pending",
	};
	char text[64];
	pid_t pid;
	enum outcome outcome = record_find(s->conf, s->owner, s->request.process, &pid);

	snprintf(text, sizeof(text), "%s %d", texts[outcome], pid);
	link_send_text(s->fd, LINK_ANSWER, text);
	exit(0);
}

static void wait_for_import(int result, struct import_result *r)
{
	if (!read_result(result, r, sizeof(*r))) {
		r->pid = -1;
		snprintf(r->why, sizeof(r->why), "the import was ended by force");
	}
	r->why[sizeof(r->why) - 1] = '\0';
}

/* Of duplicates nobody asks what has become. */
static int begin_record(const struct session *s)
{
	int record;

	if (s->request.what == REQUEST_DUPLICATE)
		return -1;
	record = record_begin(s->conf, s->owner, s->request.process);
	if (record == -EBUSY)
		refuse(s, "process %s: is being imported", s->request.process);
	if (record == -EEXIST)
		refuse(s, "process %s: has come before, and perhaps runs here",
		       s->request.process);
	if (record < 0)
		refuse(s, "%s: %s", s->conf->state, strerror(-record));
	return record;
}

static void end_record(int record, pid_t pid)
{
	if (record >= 0)
		record_end(record, pid);
}

static pid_t start_import(const struct session *s, int record, int *result)
{
	int ends[2];
	pid_t child;

	if (pipe2(ends, O_CLOEXEC))
		return -1;
	child = fork();
	if (!child) {
		if (record >= 0)
			close(record);
		close(ends[0]);
		import_and_serve(s->conf, &s->request, &s->user, s->fd, ends[1]);
	}
	close(ends[1]);
	*result = ends[0];
	return child;
}

__noreturn
static void make_process(const struct session *s)
{
	int record = begin_record(s), result;
	struct import_result r = { };
	pid_t child = start_import(s, record, &result);

	if (child < 0) {
		end_record(record, 0);
		refuse(s, "no process can be made: %s", strerror(errno));
	}
	wait_for_import(result, &r);
	if (r.pid < 0) {
		/* It is not known: the record says so when it is no longer locked. */
		report("%s (%s): process of user %s: %s", s->identity, s->address, s->user.name,
		       r.why);
		exit(1);
	}
	end_record(record, r.pid);
	if (r.pid)
		report("%s (%s): process of user %s runs as %d", s->identity, s->address,
		       s->user.name, r.pid);
	else
		report("%s (%s): process of user %s: cannot be made: %s", s->identity,
		       s->address, s->user.name, r.why);
	exit(!r.pid);
}

void session(const struct conf *conf, struct tls *tls, int fd, const char *address)
{
	struct session s = { .conf = conf, .tls = tls, .fd = fd, .address = address };

	signal(SIGCHLD, SIG_DFL);
	signal(SIGALRM, SIG_DFL);
	alarm(REQUEST_S);
	identify(&s);
	/* From here on nobody needs the key */
	tls_close(tls);
	read_request(&s);
	alarm(0);
	check_rights(&s);
	if (s.request.what == REQUEST_RESOLVE)
		resolve(&s);
	/* Who stops the daemon does not stop what it has begun */
	setsid();
	signal(SIGTERM, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	make_process(&s);
}
