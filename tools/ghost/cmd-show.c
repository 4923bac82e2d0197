// SPDX-License-Identifier: GPL-2.0-only
/* ghost show: decode an image */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "libghost.h"
#include "show.h"

enum { OPT_JSON = 256, OPT_PAGES, OPT_HELP };

static const struct option options[] = {
	{ "json", no_argument, NULL, OPT_JSON },
	{ "pages", no_argument, NULL, OPT_PAGES },
	{ "help", no_argument, NULL, OPT_HELP },
	{ }
};

/* Is there something behind the end record? The reader ignores it. */
static void warn_of_more(int fd, const char *name)
{
	char byte;

	if (read(fd, &byte, 1) > 0)
		message("%s: more bytes follow behind the image", name);
}

static int show_fd(int fd, const char *name, bool json, bool pages)
{
	struct failure failure = { .task = TASK_SHOW, .object = name };
	struct out out = { .file = stdout, .json = json };
	struct ghost_image *image;
	int ret;

	ret = ghost_image_open(&image, fd);
	if (ret)
		return fail(&failure, ret);
	ret = show_image(&out, image, name, pages);
	if (ret) {
		fflush(stdout);
		failure.report = ghost_image_error(image);
		ret = fail(&failure, ret);
	} else {
		warn_of_more(fd, name);
	}
	ghost_image_close(image);
	return ret;
}

static int run(const struct command *cmd, int argc, char **argv)
{
	bool json = false, pages = false;
	const char *name;
	int opt, fd, ret;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (opt) {
		case OPT_JSON:
			json = true;
			break;
		case OPT_PAGES:
			pages = true;
			break;
		case OPT_HELP:
			print_help(cmd);
			return EXIT_OK;
		default:
			return wrong_option(cmd, argv);
		}
	}
	if (optind + 1 != argc)
		return usage_error(cmd, "one image file is wanted");
	name = argv[optind];
	if (!strcmp(name, "-"))
		return show_fd(STDIN_FILENO, "standard input", json, pages);
	fd = open(name, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		struct failure failure = { .task = TASK_SHOW, .object = name };

		return fail(&failure, errno);
	}
	ret = show_fd(fd, name, json, pages);
	close(fd);
	return ret;
}

const struct command cmd_show = {
	.name = "show",
	.synopsis = "show FILE [--json] [--pages]",
	.summary = "Decode an image and check that it is undamaged.",
	.help =
"FILE is an image, '-' is standard input. This needs no kernel with ghost.\n"
"\n"
"  --json   for programs: one object, numbers that may be large as strings\n"
"  --pages  list all runs of pages, not only their number\n",
	.run = run,
};
