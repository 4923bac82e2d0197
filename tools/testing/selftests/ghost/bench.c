// SPDX-License-Identifier: GPL-2.0
/*
 * What ghost costs, beside what fork(), memcpy() and write() of the same bytes cost
 *
 *	bench DIR [ratios|memory]
 *
 * One line for each figure: bench NAME VALUE UNIT BOUND ok|short; BOUND is "-" where
 * there is none. Images go to DIR. Ratios are those of one run, with what is compared taken in
 * turns; _min is the ratio of the smallest values, _median that of the medians.
 *
 * GHOST_BENCH_MB (512): size of the process; GHOST_BENCH_BIG_MB (2048): of the one whose
 * export must not take much memory; GHOST_BENCH_ROUNDS (9).
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "ghost_test.h"

#define PAGE		4096UL
#define MB		(1UL << 20)
#define MAX_ROUNDS	100

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

static void __attribute__((noreturn)) die(const char *what, const char *report)
{
	printf("# bench: %s: %s: %s\n", what, strerror(errno), report);
	exit(1);
}

static int shorts;

static void figure(const char *name, double value, const char *unit, double bound)
{
	bool ok = bound <= 0 || value <= bound;

	if (bound > 0)
		printf("bench %s %.3f %s %.3f %s\n", name, value, unit, bound, ok ? "ok" : "short");
	else
		printf("bench %s %.3f %s - ok\n", name, value, unit);
	fflush(stdout);
	shorts += !ok;
}

/*
 * The process that is measured. It does what it is told: fork, touch each page, copy,
 * write; and says how many nanoseconds it took.
 */

static char *memory;
static size_t memory_size;

/* One byte in each page, as a program that works would do */
static int64_t touch(void)
{
	int64_t begin = now_ns();
	size_t i;

	for (i = 0; i < memory_size; i += PAGE)
		memory[i]++;
	return now_ns() - begin;
}

/* fork() as the parent sees it, with a child that ends at once */
static int64_t fork_once(void)
{
	int64_t begin = now_ns();
	pid_t pid = fork();

	if (!pid)
		_exit(0);
	begin = now_ns() - begin;
	waitpid(pid, NULL, 0);
	return begin;
}

/* What the parent pays when it touches its pages while the child has them, too */
static int64_t touch_after_fork(void)
{
	pid_t pid = fork();
	int64_t ns;

	while (!pid)
		pause();
	ns = touch();
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return ns;
}

/* All bytes, in pieces that are not so big that they need as much memory again */
static int64_t copy_all(char *piece, size_t size)
{
	int64_t begin = now_ns();
	size_t i;

	for (i = 0; i < memory_size; i += size)
		memcpy(piece, memory + i, size);
	return now_ns() - begin;
}

static int64_t write_all(void)
{
	int64_t begin;
	size_t i;
	ssize_t n;

	if (ftruncate(3, 0) || lseek(3, 0, SEEK_SET))
		return -1;
	begin = now_ns();
	for (i = 0; i < memory_size; i += n) {
		n = write(3, memory + i, memory_size - i);
		if (n <= 0)
			return -1;
	}
	return now_ns() - begin;
}

TARGET(process)
{
	size_t piece_size = 16 * MB, i;
	char *piece, c;
	int64_t ns;

	memory_size = strtoul(arg, NULL, 0) * MB;
	memory = mmap(NULL, memory_size, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	piece = mmap(NULL, piece_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED || piece == MAP_FAILED)
		return 1;
	madvise(memory, memory_size, MADV_NOHUGEPAGE);
	madvise(piece, piece_size, MADV_NOHUGEPAGE);
	/* No page is zero, and no two are the same */
	for (i = 0; i < memory_size; i += 8)
		*(uint64_t *)(memory + i) = i * 0x9e3779b97f4a7c15UL + 1;
	say("ready");
	while (read(0, &c, 1) == 1) {
		switch (c) {
		case 'f':
			ns = fork_once();
			break;
		case 't':
			ns = touch();
			break;
		case 'c':
			ns = touch_after_fork();
			break;
		case 'm':
			memset(piece, 1, piece_size);
			ns = copy_all(piece, piece_size);
			munmap(piece, piece_size);
			piece = mmap(NULL, piece_size, PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
			break;
		case 'w':
			ns = write_all();
			break;
		default:
			ns = 0;
		}
		say("%ld", ns);
	}
	return 0;
}

static struct target target;
static const char *dir;
static int work_file;

static int64_t tell(char what)
{
	char *line;

	if (write(target.in, &what, 1) != 1)
		die("process", "gone");
	line = target_line(&target);
	if (!line || atoll(line) < 0)
		die("process", line ?: "no answer");
	return atoll(line);
}

static void start_process(long mb)
{
	static char size[16];
	struct target_options o = { .arg = size, .fds = &work_file, .nfds = 1 };

	snprintf(size, sizeof(size), "%ld", mb);
	if (target_start(&target, "process", &o) || !target_says(&target, "ready"))
		die("process", "does not start");
	target_sleeps_in(&target, 0, __NR_read);
}

static int open_in_dir(const char *name)
{
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		die(path, "");
	unlink(path);
	return fd;
}

/*
 * Figures
 */

struct series {
	int n;
	int64_t v[MAX_ROUNDS];
};

static void add(struct series *s, int64_t v)
{
	if (s->n < MAX_ROUNDS)
		s->v[s->n++] = v;
}

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

static double min_of(struct series *s)
{
	qsort(s->v, s->n, sizeof(s->v[0]), compare);
	return s->v[0];
}

static double median_of(struct series *s)
{
	qsort(s->v, s->n, sizeof(s->v[0]), compare);
	return s->n & 1 ? s->v[s->n / 2] : (s->v[s->n / 2 - 1] + s->v[s->n / 2]) / 2.0;
}

static void ratio(const char *name, struct series *a, struct series *b, double bound)
{
	char full[80];

	snprintf(full, sizeof(full), "%s_min", name);
	figure(full, min_of(a) / min_of(b), "ratio", bound);
	snprintf(full, sizeof(full), "%s_median", name);
	figure(full, median_of(a) / median_of(b), "ratio", bound);
}

static void times(const char *name, struct series *s)
{
	char full[80];

	snprintf(full, sizeof(full), "%s_min", name);
	figure(full, min_of(s) / 1e6, "ms", 0);
	snprintf(full, sizeof(full), "%s_median", name);
	figure(full, median_of(s) / 1e6, "ms", 0);
}

/* Resident private memory that is anonymous, in bytes */
static double anonymous(pid_t pid)
{
	char text[64];

	if (proc_field(pid, "smaps_rollup", "Anonymous", text, sizeof(text)))
		die("smaps_rollup", "");
	return atof(text) * 1024;
}

static void export_to(struct image *img)
{
	if (export_target(&target, img, 0))
		die("export", img->report);
}

static void open_store(struct image *img, enum store store)
{
	const char *why = image_open(img, store);

	if (why)
		die("image", why);
}

/* An import from @img; the copy ends at once */
static int64_t import_once(struct image *img)
{
	struct target copy;
	int64_t begin;

	begin = now_ns();
	if (import_target(&copy, &target, img, 0, &work_file))
		die("import", img->report);
	begin = now_ns() - begin;
	target_end(&copy);
	return begin;
}

/*
 * Before each measurement. Both fork() and a stop take the right to write from each page, and
 * are quicker where the one before has done so: let each find the same. And what was done before
 * must not run beside what is measured: writing back, a child's start.
 */
static void prepare(void)
{
	tell('t');
	sync();
	poll(NULL, 0, 100);
}

static void ratios(long mb, int rounds)
{
	struct series forks = { 0 }, stops = { 0 }, parks = { 0 }, imports = { 0 };
	struct series stops_file = { 0 }, stops_pipe = { 0 }, exports_file = { 0 };
	struct series imports_file = { 0 }, touches = { 0 }, touches_fork = { 0 };
	struct series touches_stop = { 0 }, copies = { 0 }, writes = { 0 }, dups = { 0 };
	struct image memory_img, file_img, pipe_img;
	double bytes = 0, resident, import_ns;
	int i;

	printf("# process of %ld MB, %d rounds\n", mb, rounds);
	work_file = open_in_dir("written");
	start_process(mb);
	open_store(&memory_img, STORE_MEMORY);
	open_store(&file_img, STORE_TMPFS);
	close(file_img.fd);
	file_img.fd = open_in_dir("image");
	open_store(&pipe_img, STORE_PIPE);
	close(pipe_img.fd);
	pipe_img.fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	resident = anonymous(target.pid);

	/* Once for what is only done the first time */
	tell('f');
	export_to(&memory_img);
	import_once(&memory_img);
	tell('t');
	for (i = 0; i < rounds; i++) {
		image_close(&memory_img);
		prepare();
		add(&forks, tell('f'));
		prepare();
		export_to(&memory_img);
		add(&stops, memory_img.stats.stop_ns);
		add(&parks, memory_img.stats.park_ns);
		import_ns = import_once(&memory_img);
		add(&imports, import_ns);
		add(&dups, memory_img.stats.total_ns + import_ns);
		add(&touches_stop, tell('t'));
		image_close(&memory_img);
		add(&touches, tell('t'));
		add(&touches_fork, tell('c'));
		add(&copies, tell('m'));
	}
	for (i = 0; i < (rounds + 2) / 3; i++) {
		prepare();
		export_to(&file_img);
		add(&stops_file, file_img.stats.stop_ns);
		add(&exports_file, file_img.stats.total_ns);
		bytes = file_img.stats.bytes;
		add(&imports_file, import_once(&file_img));
		if (ftruncate(pipe_img.fd, 0) && errno != EINVAL)
			die("pipe", "");
		add(&writes, tell('w'));
	}
	/* The pipe: its reader throws everything away */
	for (i = 0; i < (rounds + 2) / 3; i++) {
		struct export_call *c = calloc(1, sizeof(*c));
		int fds[2];
		pid_t reader;

		if (pipe2(fds, O_CLOEXEC))
			die("pipe", "");
		reader = fork();
		if (!reader) {
			static char buf[65536];

			close(fds[1]);
			while (read(fds[0], buf, sizeof(buf)) > 0)
				;
			_exit(0);
		}
		close(fds[0]);
		prepare();
		export_call_init(c, &target);
		export_to_file(c, fds[1]);
		if (export_call(c) < 0)
			die("export to a pipe", c->report);
		add(&stops_pipe, c->stats.stop_ns);
		close(fds[1]);
		waitpid(reader, NULL, 0);
		free(c);
	}
	times("fork", &forks);
	times("stop", &stops);
	times("park", &parks);
	ratio("stop/fork", &stops, &forks, 1.3);
	ratio("stop_file/stop_memory", &stops_file, &stops, 1.15);
	ratio("stop_pipe/stop_memory", &stops_pipe, &stops, 1.15);
	times("import_memory", &imports);
	ratio("import_memory/fork", &imports, &forks, 1.5);
	times("dup", &dups);
	ratio("dup/fork", &dups, &forks, 2.5);
	figure("image_overhead", (bytes - resident) / 1024, "KB", resident * 0.01 / 1024 + 64);
	times("touch", &touches);
	times("touch_after_fork", &touches_fork);
	times("touch_after_stop", &touches_stop);
	ratio("touch_after_stop/touch_after_fork", &touches_stop, &touches_fork, 0);
	times("memcpy", &copies);
	times("write", &writes);
	times("export_file", &exports_file);
	ratio("export_file/write", &exports_file, &writes, 0);
	ratio("stop/memcpy", &stops, &copies, 0);
	times("import_file", &imports_file);
	image_close(&memory_img);
	image_close(&file_img);
	close(work_file);
	target_end(&target);
}

/*
 * Kernel memory: all that is neither free, nor a page of a process, nor cache of files. The
 * page cache of the image itself is left out, for it is no memory that export needs: it can
 * be written back and dropped at any time.
 */
static long kernel_kb(void)
{
	static const char *const others[] = {
		"MemFree:", "Buffers:", "Cached:", "SReclaimable:", "AnonPages:",
	};
	char text[8192], *p;
	unsigned int i;
	long kb;

	if (read_text("/proc/meminfo", text, sizeof(text)) <= 0)
		die("meminfo", "");
	kb = atol(strchr(text, ':') + 1);		/* MemTotal */
	for (i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		p = strstr(text, others[i]);
		if (p)
			kb -= atol(p + strlen(others[i]));
	}
	return kb;
}

static volatile bool sampling;
static long peak_kb;
static unsigned long samples;

static void *sample(void *unused)
{
	long kb;

	while (sampling) {
		kb = kernel_kb();
		if (kb > peak_kb)
			peak_kb = kb;
		samples++;
		usleep(2000);
	}
	return unused;
}

static void big_export(long mb)
{
	struct image img;
	pthread_t thread;
	long before;

	printf("# process of %ld MB\n", mb);
	work_file = open("/dev/null", O_RDWR | O_CLOEXEC);
	start_process(mb);
	open_store(&img, STORE_TMPFS);
	close(img.fd);
	img.fd = open_in_dir("image");
	/* What the sampler itself needs, and what is only allocated once */
	sampling = true;
	pthread_create(&thread, NULL, sample, NULL);
	sleep_ms(200);
	before = peak_kb;
	export_to(&img);
	sampling = false;
	pthread_join(thread, NULL);
	printf("# %lu samples, %ld KB of kernel memory before\n", samples, before);
	figure("export_big", img.stats.total_ns / 1e9, "s", 0);
	figure("export_big_bytes", img.stats.bytes / 1048576.0, "MB", 0);
	figure("export_big_kernel_memory", (peak_kb - before) / 1024.0, "MB", 64);
	image_close(&img);
	close(work_file);
	target_end(&target);
}

int main(int argc, char **argv)
{
	const char *which = argc > 2 ? argv[2] : "";
	int rounds = env_number("GHOST_BENCH_ROUNDS", 9);

	if (argc < 2) {
		fprintf(stderr, "usage: %s DIR [ratios|memory]\n", argv[0]);
		return 2;
	}
	dir = argv[1];
	if (ghost_missing()) {
		printf("# bench: %s\n", ghost_missing());
		return 4;
	}
	if (rounds < 1 || rounds > MAX_ROUNDS)
		rounds = 9;
	if (!*which || !strcmp(which, "ratios"))
		ratios(env_number("GHOST_BENCH_MB", 512), rounds);
	if (!*which || !strcmp(which, "memory"))
		big_export(env_number("GHOST_BENCH_BIG_MB", 2048));
	return shorts ? 1 : 0;
}
