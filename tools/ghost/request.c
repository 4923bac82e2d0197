// SPDX-License-Identifier: GPL-2.0-only
/* What ghost wants of ghostd, as text */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler.h"
#include "link.h"
#include "request.h"

static const char * const whats[] = {
	[REQUEST_MIGRATE] = "migrate",
	[REQUEST_DUPLICATE] = "duplicate",
	[REQUEST_RESOLVE] = "resolve",
};

static const char * const accesses[] = {
	[O_RDONLY] = "r", [O_WRONLY] = "w", [O_RDWR] = "rw",
};

int request_print(const struct request *r, char *text, size_t size)
{
	FILE *f = fmemopen(text, size, "w");
	unsigned int i;
	int bad;

	if (!f)
		return -ENOMEM;
	fprintf(f, "version %d\ndo %s\nuser %s\nprocess %s\n", LINK_VERSION, whats[r->what],
		r->user, r->process);
	if (r->forward)
		fprintf(f, "forward %u %u\n", r->rows, r->columns);
	if (*r->file)
		fprintf(f, "file %s\n", r->file);
	for (i = 0; i < r->nr_outside; i++)
		fprintf(f, "outside %d %s %d%s\n", r->outside[i].fd,
			accesses[r->outside[i].access], r->outside[i].same,
			r->outside[i].terminal ? " terminal" : "");
	bad = fflush(f) | ferror(f);
	return fclose(f) || bad ? -EOPNOTSUPP : 0;
}

bool outside_is_read(const struct outside_fd *o)
{
	return !o->fd || o->access == O_RDONLY;
}

bool request_has_terminal(const struct request *r)
{
	unsigned int i;

	for (i = 0; i < r->nr_outside; i++)
		if (r->outside[i].fd <= 2 && r->outside[i].terminal)
			return true;
	return false;
}

/* The next word of a line, NULL: there is none */
static char *word(char **line)
{
	char *w;

	do {
		w = strsep(line, " ");
	} while (w && !*w);
	return w;
}

static bool number(const char *text, long max, long *value)
{
	char *end;

	if (!text || *text < '0' || *text > '9')
		return false;
	errno = 0;
	*value = strtol(text, &end, 10);
	return !errno && !*end && *value <= max;
}

static int find_word(const char *text, const char * const *words, int n)
{
	int i;

	for (i = 0; i < n; i++)
		if (text && words[i] && !strcmp(text, words[i]))
			return i;
	return -1;
}

/* No names that could be a path, an option or several words */
static bool copy_name(char *to, size_t size, const char *from, const char *more)
{
	if (!from || *from == '-' || *from == '.' || strlen(from) >= size ||
	    !is_name(from, more))
		return false;
	memcpy(to, from, strlen(from) + 1);
	return true;
}

static bool parse_outside(struct request *r, char **rest)
{
	struct outside_fd *o = &r->outside[r->nr_outside];
	const char *kind;
	long fd, same;

	if (r->nr_outside == REQUEST_OUTSIDE_MAX || !number(word(rest), INT_MAX, &fd))
		return false;
	o->access = find_word(word(rest), accesses, ARRAY_SIZE(accesses));
	if (o->access < 0 || !number(word(rest), fd, &same))
		return false;
	kind = word(rest);
	o->terminal = kind && !strcmp(kind, "terminal");
	o->fd = fd;
	o->same = same;
	r->nr_outside++;
	return !kind || o->terminal;
}

static bool parse_forward(struct request *r, char **rest)
{
	long rows, columns;

	if (!number(word(rest), USHRT_MAX, &rows) || !number(word(rest), USHRT_MAX, &columns))
		return false;
	r->forward = true;
	r->rows = rows;
	r->columns = columns;
	return true;
}

/* All of the line: a path may have blanks */
static bool parse_file(struct request *r, const char *path)
{
	if (!path || *path != '/' || strlen(path) >= sizeof(r->file))
		return false;
	memcpy(r->file, path, strlen(path) + 1);
	return true;
}

static bool parse_line(struct request *r, char *line, long *version)
{
	const char *key = word(&line);

	if (!key)
		return true;
	if (!strcmp(key, "version"))
		return number(word(&line), INT_MAX, version);
	if (!strcmp(key, "do")) {
		r->what = find_word(word(&line), whats, ARRAY_SIZE(whats));
		return (int)r->what > 0;
	}
	if (!strcmp(key, "user"))
		return copy_name(r->user, sizeof(r->user), word(&line), "._-@$");
	if (!strcmp(key, "process"))
		return copy_name(r->process, sizeof(r->process), word(&line), ":-");
	if (!strcmp(key, "forward"))
		return parse_forward(r, &line);
	if (!strcmp(key, "file"))
		return parse_file(r, line);
	if (!strcmp(key, "outside"))
		return parse_outside(r, &line);
	return false;
}

int request_parse(struct request *r, char *text, char *why, size_t size)
{
	long version = 0;
	char *line;

	memset(r, 0, sizeof(*r));
	while ((line = strsep(&text, "\n"))) {
		char copy[80];

		snprintf(copy, sizeof(copy), "%s", line);
		if (!parse_line(r, line, &version)) {
			snprintf(why, size, "request: '%s' is not understood", copy);
			return -EPROTO;
		}
		if (version && version != LINK_VERSION) {
			snprintf(why, size, "request: version %ld, this is version %d", version,
				 LINK_VERSION);
			return -EPROTO;
		}
	}
	if (!version || !r->what || !*r->user || !*r->process) {
		snprintf(why, size, "request: version, what to do, user or process is missing");
		return -EPROTO;
	}
	return 0;
}
