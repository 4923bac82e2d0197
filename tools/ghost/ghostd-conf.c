// SPDX-License-Identifier: GPL-2.0-only
/* ghostd: the configuration file */
#include <errno.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ghostd.h"
#include "link.h"

/* A line that is being read */
struct line {
	const char *path;
	unsigned int number;
	char *words[4];
	int n;
};

__printf(2, 3)
static int wrong(const struct line *line, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	report("%s, line %u: %s", line->path, line->number, text);
	return -EINVAL;
}

static int set_listen(struct conf *conf, const struct line *line)
{
	struct listen_address *a = calloc(1, sizeof(*a));

	if (!a)
		return -ENOMEM;
	if (!link_split(line->words[1], &a->host, &a->port)) {
		free(a);
		return wrong(line, "'%s' is no address", line->words[1]);
	}
	a->next = conf->listen;
	conf->listen = a;
	return 0;
}

static int set_allow(struct conf *conf, const struct line *line)
{
	struct allow *rule = calloc(1, sizeof(*rule));

	if (!rule)
		return -ENOMEM;
	rule->identity = line->words[1];
	rule->users = line->words[2];
	rule->next = conf->allow;
	conf->allow = rule;
	return 0;
}

static int set_number(unsigned int *value, const struct line *line)
{
	char *end;
	long n = strtol(line->words[1], &end, 10);

	if (*end || n < 1 || n > INT_MAX / 1000)
		return wrong(line, "'%s': a number from 1 to %d is wanted", line->words[1],
			     INT_MAX / 1000);
	*value = n;
	return 0;
}

static int set_bytes(unsigned long long *value, const struct line *line)
{
	static const char units[] = "KMGT";
	const char *unit;
	char *end;

	errno = 0;
	*value = strtoull(line->words[1], &end, 10);
	unit = *end ? strchr(units, *end) : NULL;
	if (errno || !is_name(line->words[1], "") || line->words[1] == end ||
	    (*end && (!unit || end[1])) || *value >> 40)
		return wrong(line, "'%s': a size is wanted, perhaps with K, M, G or T",
			     line->words[1]);
	if (unit)
		*value <<= 10 * (unit - units + 1);
	return 0;
}

static int set_yes(bool *value, const struct line *line)
{
	*value = !strcmp(line->words[1], "yes");
	if (!*value && strcmp(line->words[1], "no"))
		return wrong(line, "'%s': yes or no is wanted", line->words[1]);
	return 0;
}

static int set_patience(struct conf *conf, const struct line *line)
{
	unsigned int seconds = 0;
	int ret = set_number(&seconds, line);

	conf->patience_ms = seconds * 1000;
	return ret;
}

static int set_string(const char **value, const struct line *line)
{
	*value = line->words[1];
	return 0;
}

static int set(struct conf *conf, const struct line *line)
{
	const char *key = line->words[0];

	if (line->n != (strcmp(key, "allow") ? 2 : 3))
		return wrong(line, "'%s': too many words, or too few", key);
	if (!strcmp(key, "listen"))
		return set_listen(conf, line);
	if (!strcmp(key, "allow"))
		return set_allow(conf, line);
	if (!strcmp(key, "certificate"))
		return set_string(&conf->files.certificate, line);
	if (!strcmp(key, "key"))
		return set_string(&conf->files.key, line);
	if (!strcmp(key, "authority"))
		return set_string(&conf->files.authority, line);
	if (!strcmp(key, "state"))
		return set_string(&conf->state, line);
	if (!strcmp(key, "insecure"))
		return set_yes(&conf->insecure, line);
	if (!strcmp(key, "max-sessions"))
		return set_number(&conf->max_sessions, line);
	if (!strcmp(key, "max-per-host"))
		return set_number(&conf->max_per_host, line);
	if (!strcmp(key, "max-per-minute"))
		return set_number(&conf->max_per_minute, line);
	if (!strcmp(key, "max-size"))
		return set_bytes(&conf->max_bytes, line);
	if (!strcmp(key, "patience"))
		return set_patience(conf, line);
	return wrong(line, "'%s' is not known", key);
}

/* The words stay where they are: @text is not freed. */
static int read_line(struct conf *conf, struct line *line, char *text)
{
	char *word;

	text[strcspn(text, "#\n")] = '\0';
	line->n = 0;
	while ((word = strsep(&text, " \t"))) {
		if (!*word)
			continue;
		if (line->n == (int)ARRAY_SIZE(line->words))
			return wrong(line, "too many words");
		line->words[line->n++] = word;
	}
	return line->n ? set(conf, line) : 0;
}

int conf_read(struct conf *conf, const char *path)
{
	struct line line = { .path = path };
	char *text = NULL;
	size_t size = 0;
	int ret = 0;
	FILE *f;

	*conf = (struct conf) {
		.files = {
			.certificate = "/etc/ghost/host.pem",
			.key = "/etc/ghost/host.key",
			.authority = "/etc/ghost/authority.pem",
		},
		.state = "/var/lib/ghostd",
		.max_sessions = 64,
		.max_per_host = 16,
		.max_per_minute = 600,
		.patience_ms = 30000,
	};
	f = fopen(path, "re");
	if (!f) {
		ret = -errno;
		report("%s: %s", path, strerror(-ret));
		return ret;
	}
	while (!ret && getline(&text, &size, f) >= 0) {
		line.number++;
		ret = read_line(conf, &line, text);
		text = NULL;
		size = 0;
	}
	free(text);
	fclose(f);
	if (!ret && !conf->allow)
		report("%s: nobody is allowed anything", path);
	return ret;
}

static bool lists(const char *users, const char *user, bool root)
{
	char pattern[REQUEST_USER_MAX];
	size_t len;

	for (; *users; users += len + (users[len] == ',')) {
		len = strcspn(users, ",");
		if (len >= sizeof(pattern))
			continue;
		memcpy(pattern, users, len);
		pattern[len] = '\0';
		if (root ? !strcmp(pattern, user) : !fnmatch(pattern, user, 0))
			return true;
	}
	return false;
}

static bool is_meant(const struct allow *rule, const char *identity)
{
	/* Who has shown no certificate is not anybody whom a pattern means */
	if (!strcmp(identity, IDENTITY_NONE))
		return !strcmp(rule->identity, IDENTITY_NONE);
	/* A pattern for hosts is not meant for their users */
	if (!strchr(rule->identity, '@') && strchr(identity, '@'))
		return false;
	return !fnmatch(rule->identity, identity, FNM_NOESCAPE);
}

bool conf_allows(const struct conf *conf, const char *identity, const char *user, bool root)
{
	const struct allow *rule;

	for (rule = conf->allow; rule; rule = rule->next)
		if (is_meant(rule, identity) && lists(rule->users, user, root))
			return true;
	return false;
}
