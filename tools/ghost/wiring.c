// SPDX-License-Identifier: GPL-2.0-only
/* Which descriptors a restarted program gets for those that lie outside its image */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/ghost_image.h>

#include "cmd.h"
#include "reason.h"
#include "wiring.h"

#define NO_FD	(-1)

struct wish {
	int image_fd;
	int fd;			/* NO_FD: not open yet, or a path */
	const char *path;	/* NULL: @fd is one of the caller's */
};

/* An open file of the image */
struct image_file {
	__u32 ref;
	int access;		/* O_RDONLY, O_WRONLY, O_RDWR */
	bool outside;
	char *name;
};

/* A descriptor of the image */
struct image_fd {
	int fd;
	__u32 ref;
};

/* What the records say that matters here */
struct scan {
	struct image_file *files;
	size_t nr_files;
	struct image_fd *fds;
	size_t nr_fds;
};

int wiring_option(const struct command *cmd, struct wiring *w, const char *arg)
{
	const char *equals = strchr(arg, '=');
	struct wish *wishes, wish = { .fd = NO_FD };
	char left[16];
	long n, m;

	if (!equals || !equals[1] || equals - arg >= (int)sizeof(left))
		return usage_error(cmd, "--fd '%s': N=M or N=PATH is wanted", arg);
	memcpy(left, arg, equals - arg);
	left[equals - arg] = '\0';
	if (!parse_number(left, 0, INT_MAX, &n))
		return usage_error(cmd, "--fd '%s': '%s' is no descriptor", arg, left);
	wish.image_fd = n;
	if (parse_number(equals + 1, 0, INT_MAX, &m))
		wish.fd = m;
	else
		wish.path = equals + 1;
	if (!wish.path && fcntl(wish.fd, F_GETFD) < 0)
		return usage_error(cmd, "--fd '%s': descriptor %d is not open here", arg, wish.fd);
	wishes = reallocarray(w->wishes, w->nr_wishes + 1, sizeof(*wishes));
	if (!wishes)
		return EXIT_OSERR;
	w->wishes = wishes;
	wishes[w->nr_wishes++] = wish;
	return 0;
}

static int add_file(struct scan *scan, const struct ghost_record *r)
{
	const struct ghost_rec_file *rec = r->data;
	struct image_file *files, *file;

	files = reallocarray(scan->files, scan->nr_files + 1, sizeof(*files));
	if (!files)
		return -ENOMEM;
	scan->files = files;
	file = &files[scan->nr_files];
	file->ref = r->ref;
	file->access = le32toh(rec->flags) & O_ACCMODE;
	file->outside = le32toh(rec->type) == GHOST_FILE_OUTSIDE;
	file->name = strndup((const char *)(rec + 1), le32toh(rec->name_len));
	if (!file->name)
		return -ENOMEM;
	scan->nr_files++;
	return 0;
}

static int add_fd(struct scan *scan, const struct ghost_record *r)
{
	const struct ghost_rec_fd *rec = r->data;
	struct image_fd *fds;

	fds = reallocarray(scan->fds, scan->nr_fds + 1, sizeof(*fds));
	if (!fds)
		return -ENOMEM;
	scan->fds = fds;
	fds[scan->nr_fds].fd = le32toh(rec->fd);
	fds[scan->nr_fds].ref = le32toh(rec->file);
	scan->nr_fds++;
	return 0;
}

/* Descriptors come before memory: most of the image need not be read. */
static int scan_image(struct scan *scan, struct ghost_image *image)
{
	struct ghost_record rec;
	int ret;

	while ((ret = ghost_image_next(image, &rec)) > 0) {
		if (rec.kind == GHOST_REC_FILE)
			ret = add_file(scan, &rec);
		else if (rec.kind == GHOST_REC_FD)
			ret = add_fd(scan, &rec);
		else if (rec.kind == GHOST_REC_PAGES || rec.kind == GHOST_REC_SHM_PAGES)
			return 0;
		if (ret < 0)
			break;
	}
	return ret;
}

static void scan_free(struct scan *scan)
{
	size_t i;

	for (i = 0; i < scan->nr_files; i++)
		free(scan->files[i].name);
	free(scan->files);
	free(scan->fds);
}

static const struct image_file *find_file(const struct scan *scan, __u32 ref)
{
	size_t i;

	for (i = 0; i < scan->nr_files; i++)
		if (scan->files[i].ref == ref)
			return &scan->files[i];
	return NULL;		/* the reader has refused such an image already */
}

static const struct image_fd *find_fd(const struct scan *scan, int fd)
{
	size_t i;

	for (i = 0; i < scan->nr_fds; i++)
		if (scan->fds[i].fd == fd)
			return &scan->fds[i];
	return NULL;
}

static struct wish *find_wish(struct wiring *w, int image_fd)
{
	unsigned int i;

	for (i = 0; i < w->nr_wishes; i++)
		if (w->wishes[i].image_fd == image_fd)
			return &w->wishes[i];
	return NULL;
}

static int add_pair(struct wiring *w, int image_fd, int fd)
{
	struct ghost_fd_pair *pairs = reallocarray(w->pairs, w->n + 1, sizeof(*pairs));

	if (!pairs)
		return -ENOMEM;
	w->pairs = pairs;
	pairs[w->n].image_fd = image_fd;
	pairs[w->n].fd = fd;
	w->n++;
	return 0;
}

/* Open the file of a wish for what the descriptor in the image was open for. */
static int open_wish(struct wish *wish, int access, char *report, size_t size)
{
	int flags = access | O_CLOEXEC | O_NOCTTY;

	if (!wish->path || wish->fd != NO_FD)
		return 0;
	if (access != O_RDONLY)
		flags |= O_CREAT | O_APPEND;
	wish->fd = open(wish->path, flags, 0666);
	if (wish->fd < 0)
		return reason(report, size, -errno, "fd %d: %s: %s", wish->image_fd, wish->path,
			      strerror(errno));
	return 0;
}

static int wire_wishes(struct wiring *w, const struct scan *scan, char *report, size_t size)
{
	const struct image_file *file;
	const struct image_fd *fd;
	struct wish *wish;
	unsigned int i;
	int ret;

	for (i = 0; i < w->nr_wishes; i++) {
		wish = &w->wishes[i];
		fd = find_fd(scan, wish->image_fd);
		file = fd ? find_file(scan, fd->ref) : NULL;
		if (!file)
			return reason(report, size, -EBADF,
				      "fd %d: the image has no such descriptor", wish->image_fd);
		ret = open_wish(wish, file->access, report, size);
		if (!ret)
			ret = add_pair(w, wish->image_fd, wish->fd);
		if (ret)
			return ret;
	}
	return 0;
}

/* Standard descriptors become the caller's, or @null. */
static int wire_standard(struct wiring *w, const struct scan *scan, int null)
{
	const struct image_file *file;
	const struct image_fd *fd;
	int n, ret;

	for (n = STDIN_FILENO; n <= STDERR_FILENO; n++) {
		fd = find_fd(scan, n);
		file = fd ? find_file(scan, fd->ref) : NULL;
		if (!file || !file->outside || find_wish(w, n))
			continue;
		ret = add_pair(w, n, null == NO_FD ? n : null);
		if (ret)
			return ret;
	}
	return 0;
}

/* What stands for another descriptor of the same open file */
static int find_twin(const struct wiring *w, const struct scan *scan, __u32 ref)
{
	const struct image_fd *fd;
	unsigned int i;

	for (i = 0; i < w->n; i++) {
		fd = find_fd(scan, w->pairs[i].image_fd);
		if (fd && fd->ref == ref)
			return w->pairs[i].fd;
	}
	return NO_FD;
}

static int wire_others(struct wiring *w, const struct scan *scan, char *report, size_t size)
{
	const struct image_file *file;
	int fd, twin, ret;
	size_t i;

	for (i = 0; i < scan->nr_fds; i++) {
		fd = scan->fds[i].fd;
		file = find_file(scan, scan->fds[i].ref);
		if (!file || !file->outside || (fd >= 0 && fd <= STDERR_FILENO) ||
		    find_wish(w, fd))
			continue;
		twin = find_twin(w, scan, file->ref);
		if (twin == NO_FD)
			return reason(report, size, -EBADF,
				      "fd %d (%s): lies outside the image, and nothing stands for it",
				      fd, file->name);
		ret = add_pair(w, fd, twin);
		if (ret)
			return ret;
	}
	return 0;
}

/* The order matters: standard descriptors stand for others of their open file first. */
static int wire(struct wiring *w, const struct scan *scan, bool detach,
		char *report, size_t size)
{
	int null = NO_FD, ret;

	if (detach) {
		null = open("/dev/null", O_RDWR | O_CLOEXEC);
		if (null < 0)
			return reason(report, size, -errno, "/dev/null: %s", strerror(errno));
	}
	ret = wire_standard(w, scan, null);
	if (!ret)
		ret = wire_wishes(w, scan, report, size);
	if (!ret)
		ret = wire_others(w, scan, report, size);
	return ret;
}

int wiring_of_image(struct wiring *w, int fd, bool detach, char *report, size_t size)
{
	struct scan scan = { };
	struct ghost_image *image;
	int ret;

	ret = ghost_image_open(&image, fd);
	if (ret)
		return ret;
	ret = scan_image(&scan, image);
	if (ret)
		reason(report, size, ret, "%s", ghost_image_error(image));
	else
		ret = wire(w, &scan, detach, report, size);
	ghost_image_close(image);
	scan_free(&scan);
	if (!ret && lseek(fd, 0, SEEK_SET) < 0)
		ret = -errno;
	return ret;
}

void wiring_close(struct wiring *w)
{
	unsigned int i;

	for (i = 0; i < w->nr_wishes; i++)
		if (w->wishes[i].fd > STDERR_FILENO)
			close(w->wishes[i].fd);
	free(w->wishes);
	free(w->pairs);
	*w = (struct wiring) { };
}
