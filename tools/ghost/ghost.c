// SPDX-License-Identifier: GPL-2.0-only
/* ghost: checkpoint and restart of running processes */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "libghost.h"
#include "standard-fds.h"

static const struct command * const commands[] = {
	&cmd_checkpoint, &cmd_restart, &cmd_migrate, &cmd_dup, &cmd_check, &cmd_show, NULL
};

void message(const char *fmt, ...)
{
	va_list ap;

	fputs("ghost: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	putc('\n', stderr);
}

int usage_error(const struct command *cmd, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "ghost%s%s: ", cmd ? " " : "", cmd ? cmd->name : "");
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "; try 'ghost help%s%s'\n", cmd ? " " : "", cmd ? cmd->name : "");
	return EXIT_USAGE;
}

int wrong_option(const struct command *cmd, char **argv)
{
	if (optopt && optopt < 256)
		return usage_error(cmd, "option '-%c': unknown, or its argument is missing",
				   optopt);
	return usage_error(cmd, "option '%s': unknown, or its argument is missing or too much",
			   argv[optind - 1]);
}

void print_help(const struct command *cmd)
{
	printf("Usage: ghost %s\n%s\n\n%s", cmd->synopsis, cmd->summary, cmd->help);
}

bool parse_number(const char *s, long min, long max, long *value)
{
	char *end;

	if (*s < '0' || *s > '9')
		return false;
	errno = 0;
	*value = strtol(s, &end, 10);
	return !errno && !*end && *value >= min && *value <= max;
}

static const struct command *find_command(const char *name)
{
	const struct command * const *cmd;

	for (cmd = commands; *cmd; cmd++)
		if (!strcmp((*cmd)->name, name))
			return *cmd;
	return NULL;
}

static int print_all_help(const char *name)
{
	const struct command * const *cmd;

	if (name) {
		const struct command *found = find_command(name);

		if (!found)
			return usage_error(NULL, "no command '%s'", name);
		print_help(found);
		return EXIT_OK;
	}
	printf("Usage: ghost COMMAND [ARGUMENT]...\n"
	       "Take running processes out of the kernel and put them back.\n\n");
	for (cmd = commands; *cmd; cmd++)
		printf("  %s\n\t%s\n", (*cmd)->synopsis, (*cmd)->summary);
	printf("  help [COMMAND]\n\tSay more about a command.\n"
	       "  --version\n\tPrint the version.\n");
	return EXIT_OK;
}

static int run(int argc, char **argv)
{
	const struct command *cmd;

	if (argc < 2)
		return usage_error(NULL, "no command given");
	if (!strcmp(argv[1], "help") || !strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))
		return print_all_help(argc > 2 ? argv[2] : NULL);
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V")) {
		printf("ghost %s\n", ghost_version());
		return EXIT_OK;
	}
	cmd = find_command(argv[1]);
	if (!cmd)
		return usage_error(NULL, "no command '%s'", argv[1]);
	return cmd->run(cmd, argc - 1, argv + 1);
}

int main(int argc, char **argv)
{
	int ret;

	fill_standard_fds();
	opterr = 0;
	ret = run(argc, argv);
	if (fflush(stdout) || ferror(stdout)) {
		message("standard output: cannot write: %s", strerror(errno));
		return ret ? ret : EXIT_IOERR;
	}
	return ret;
}
