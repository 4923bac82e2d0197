// SPDX-License-Identifier: GPL-2.0-only
/* ghost check: is the kernel ready, can a process be carried? */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <linux/capability.h>

#include "cmd.h"
#include "libghost.h"
#include "names.h"
#include "outside.h"

#define SYSCTL	"/proc/sys/kernel/ghost_unprivileged"

/* Inode number of the initial user namespace on all kernels */
#define INIT_USER_NS	0xeffffffdU

enum { OPT_JSON = 256, OPT_OUTSIDE, OPT_WHOLE, OPT_HELP };

static const struct option options[] = {
	{ "json", no_argument, NULL, OPT_JSON },
	{ "outside", required_argument, NULL, OPT_OUTSIDE },
	{ "whole", no_argument, NULL, OPT_WHOLE },
	{ "help", no_argument, NULL, OPT_HELP },
	{ }
};

/* First line of @path that starts with @key, without @key; NULL if there is none */
static char *find_line(const char *path, const char *key, char *line, size_t size)
{
	FILE *f = fopen(path, "re");
	bool found = false;

	if (!f)
		return NULL;
	while (!found && fgets(line, size, f))
		found = !strncmp(line, key, strlen(key));
	fclose(f);
	if (!found)
		return NULL;
	line[strcspn(line, "\n")] = '\0';
	return line + strlen(key);
}

/* What the configuration of the running kernel says, if it can be read */
static const char *kernel_config(const struct utsname *uts)
{
	char path[PATH_MAX], line[256];
	const char *value;

	snprintf(path, sizeof(path), "/boot/config-%s", uts->release);
	value = find_line(path, "CONFIG_GHOST=", line, sizeof(line));
	if (value)
		return *value == 'y' ? "y" : "n";
	return find_line(path, "CONFIG_", line, sizeof(line)) ? "n" : "unknown";
}

/* A kernel without user namespaces has no such file, and only the initial one */
static bool in_initial_user_ns(void)
{
	struct stat st;

	return stat("/proc/self/ns/user", &st) || st.st_ino == INIT_USER_NS;
}

/* As the kernel sees it: CAP_SYS_ADMIN stands for it, and where it was got counts */
static bool have_checkpoint_restore(void)
{
	char line[256];
	const char *set = find_line("/proc/self/status", "CapEff:\t", line, sizeof(line));
	unsigned long long wanted = 1ULL << CAP_CHECKPOINT_RESTORE | 1ULL << CAP_SYS_ADMIN;

	return set && strtoull(set, NULL, 16) & wanted && in_initial_user_ns();
}

/* Whoever has a filter, or is in strict mode, needs the capability whatever the sysctl says */
static bool have_seccomp(void)
{
	char line[256];
	const char *mode = find_line("/proc/self/status", "Seccomp:\t", line, sizeof(line));

	return mode && *mode != '0';
}

static void show_cpu(struct out *out)
{
#if defined(__x86_64__)
	unsigned int low = 0, high = 0;

	/* Leaf 1, ECX bit 27: the system uses XSAVE and XGETBV can be used */
	unsigned int eax = 1, ebx, ecx, edx;

	asm volatile ("cpuid" : "+a" (eax), "=b" (ebx), "=c" (ecx), "=d" (edx));
	if (ecx & 1U << 27)
		asm volatile ("xgetbv" : "=a" (low), "=d" (high) : "c" (0));
	out_flags(out, "cpu_xfeatures", names_xfeatures, (__u64)high << 32 | low);
#endif
}

static int check_kernel(struct out *out)
{
	struct failure failure = { .task = TASK_CHECK, .object = "this kernel" };
	int ret = ghost_probe();
	char line[64];
	const char *sysctl = find_line(SYSCTL, "", line, sizeof(line));
	bool capable = have_checkpoint_restore(), seccomp = have_seccomp();
	bool everybody = sysctl && *sysctl == '1';
	struct utsname uts;

	uname(&uts);
	out_object(out, NULL);
	out_string(out, "kernel", uts.release);
	out_bool(out, "system_calls", !ret);
	out_string(out, "config_ghost", kernel_config(&uts));
	out_string(out, "unprivileged_sysctl", sysctl ? sysctl : "absent");
	out_bool(out, "cap_checkpoint_restore", capable);
	out_bool(out, "seccomp", seccomp);
	out_bool(out, "may_restart", !ret && (capable || (everybody && !seccomp)));
	show_cpu(out);
	out_bool(out, "ready", !ret);
	out_object_end(out);
	if (!ret)
		return EXIT_OK;
	if (ret == -EPERM)
		failure.report = "the system calls are forbidden here, by seccomp for instance";
	return fail(&failure, ret);
}

/* The report has a line for each obstacle: "object: reason". */
static void show_obstacles(struct out *out, char *report)
{
	char *line, *save, *reason;

	out_list(out, "obstacles");
	for (line = strtok_r(report, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (!out->json) {
			out_name_text(out, line, strlen(line));
			out_text(out, "\n");
			continue;
		}
		reason = strstr(line, ": ");
		out_object(out, NULL);
		out_bytes(out, "object", line, reason ? (size_t)(reason - line) : strlen(line));
		if (reason)
			out_string(out, "reason", reason + 2);
		out_object_end(out);
	}
	out_list_end(out);
}

static void process_name(pid_t pid, char *name, size_t size)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	if (!find_line(path, "", name, size))
		snprintf(name, size, "?");
}

static int check_process(struct out *out, pid_t pid, const struct outside *outside, bool whole,
			 char *report)
{
	struct ghost_checkpoint_opts opts = {
		.size = sizeof(opts), .report = report, .report_size = REPORT_SIZE,
		.flags = whole ? GHOST_CHECKPOINT_WITH_BINARY | GHOST_CHECKPOINT_WITH_LIBRARIES : 0,
		.outside = outside->fds, .nr_outside = outside->n,
	};
	char object[64], comm[64];
	struct failure failure = {
		.task = TASK_CHECK, .object = object, .report = report, .pid = pid,
	};
	int ret;

	process_name(pid, comm, sizeof(comm));
	ret = ghost_check(pid, &opts);
	if (ret && ret != -EOPNOTSUPP) {
		snprintf(object, sizeof(object), "process %d", pid);
		return fail(&failure, ret);
	}
	out_object(out, NULL);
	if (out->json) {
		out_dec(out, "pid", pid);
		out_string(out, "comm", comm);
		out_bool(out, "carried", !ret);
	}
	if (!ret) {
		out_text(out, "process %d (", pid);
		out_name_text(out, comm, strlen(comm));
		out_text(out, "): nothing is in the way\n");
	}
	show_obstacles(out, report);
	out_object_end(out);
	return ret ? EXIT_UNAVAILABLE : EXIT_OK;
}

static int run(const struct command *cmd, int argc, char **argv)
{
	struct out out = { .file = stdout };
	struct outside outside = { };
	bool whole = false;
	char *report;
	int opt, ret;
	long pid;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (opt) {
		case OPT_JSON:
			out.json = true;
			break;
		case OPT_OUTSIDE:
			ret = outside_option(cmd, &outside, optarg);
			if (ret)
				return ret;
			break;
		case OPT_WHOLE:
			whole = true;
			break;
		case OPT_HELP:
			print_help(cmd);
			return EXIT_OK;
		default:
			return wrong_option(cmd, argv);
		}
	}
	if (optind == argc)
		return check_kernel(&out);
	if (optind + 1 != argc || !parse_number(argv[optind], 1, INT_MAX, &pid))
		return usage_error(cmd, "one process id is wanted");
	report = calloc(1, REPORT_SIZE);
	if (!report)
		return EXIT_OSERR;
	outside_default(&outside, pid);
	ret = check_process(&out, pid, &outside, whole, report);
	free(outside.fds);
	free(report);
	return ret;
}

const struct command cmd_check = {
	.name = "check",
	.synopsis = "check [PID] [--json] [--whole] [--outside FD]...",
	.summary = "Say if the kernel is ready, or if a process can be carried.",
	.help =
"With PID: list all that the process holds and that keeps it from being\n"
"checkpointed. Nothing is stopped.\n"
"\n"
"  --json        for programs\n"
"  --whole\n"
"  --outside FD  as for 'ghost checkpoint'\n",
	.run = run,
};
