// SPDX-License-Identifier: GPL-2.0
/*
 * Damaged and malicious images: a clean error, no process left, nothing leaked
 *
 * The image is one of a process with only a few pages. The bytes of its records are changed
 * one by one, it is cut before each of them, and its fields get random values with the
 * checksums made right again, so that what is behind the checksums is tried, too.
 *
 * A slow kernel cannot be given all of it in reasonable time. Of the bytes in pages and padding,
 * GHOST_DAMAGE_SAMPLES (200) are tried, by chance; 0: all, and all others that are left out.
 * Random values are tried for GHOST_DAMAGE_SECONDS (60); 0: as often as GHOST_DAMAGE_CHANGES
 * says. The output says how much was tried, and how to try the same again.
 */
#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "../kselftest_harness.h"
#include "ghost_test.h"

#ifndef PR_SET_VMA
#define PR_SET_VMA		0x53564d41
#define PR_SET_VMA_ANON_NAME	0
#endif

#define PAGE	4096UL
#define NOBODY	65534

FIXTURE(image)
{
	struct target t;
	struct image img;
	uint8_t *bytes;
	size_t size;
	size_t *records;		/* where they begin, with the header and the end */
	int nr_records;
	int fd;				/* what is imported */
	struct import_call i;
	long slab, fds;
};

/* kB that /proc/meminfo has for @name */
static long meminfo(const char *name)
{
	char text[8192], *p;

	read_text("/proc/meminfo", text, sizeof(text));
	p = strstr(text, name);
	return p ? atol(p + strlen(name) + 1) : 0;
}

/* Processes of this name */
static int count_processes(const char *name)
{
	char path[64], comm[32];
	DIR *dir = opendir("/proc");
	struct dirent *entry;
	int n = 0;

	while (dir && (entry = readdir(dir))) {
		if (entry->d_name[0] < '0' || entry->d_name[0] > '9')
			continue;
		snprintf(path, sizeof(path), "/proc/%.20s/comm", entry->d_name);
		if (read_text(path, comm, sizeof(comm)) > 0 && !strcmp(comm, name))
			n++;
	}
	if (dir)
		closedir(dir);
	return n;
}

static bool start_tiny(struct target *t, uid_t uid)
{
	static char path[4096];
	char *argv[] = { path, NULL };
	struct target_options o = { .argv = argv };
	int n = readlink("/proc/self/exe", path, sizeof(path) - 10);
	char *slash;

	path[n < 0 ? 0 : n] = 0;
	slash = strrchr(path, '/');
	strcpy(slash ? slash + 1 : path, "tiny");
	if (uid && (setresgid(uid, uid, uid) || setresuid(uid, uid, uid)))
		return false;
	return !target_start(t, NULL, &o) && target_says(t, "ready") &&
	       target_sleeps_in(t, 0, __NR_nanosleep);
}

static uint32_t get32(const void *p)
{
	uint32_t v;

	memcpy(&v, p, 4);
	return v;
}

static void put32(void *p, uint32_t v)
{
	memcpy(p, &v, 4);
}

/* Fill in the offsets of the records; 0: they make no sense */
static int find_records(const uint8_t *bytes, size_t size, size_t *records, int max)
{
	size_t pos = ((struct ghost_image_hdr *)bytes)->hdr_len;
	const struct ghost_rec_hdr *hdr;
	int n = 0;

	records[n++] = 0;
	while (pos + sizeof(*hdr) <= size && n < max - 1) {
		hdr = (void *)(bytes + pos);
		records[n++] = pos;
		pos += sizeof(*hdr) + hdr->len;
		if (hdr->kind == GHOST_REC_END)
			break;
	}
	records[n] = pos;
	return pos == size ? n : 0;
}

/* Make the checksum of one record right */
static void seal(uint8_t *record, size_t len, bool header)
{
	uint8_t *crc = record + (header ? offsetof(struct ghost_image_hdr, crc) :
					  offsetof(struct ghost_rec_hdr, crc));

	put32(crc, 0);
	put32(crc, ~crc32c(~0U, record, len));
}

#define MAX_RECORDS	1000

FIXTURE_SETUP(image)
{
	GHOST_NEEDED();
	ASSERT_EQ(NULL, image_open(&self->img, STORE_TMPFS));
	ASSERT_TRUE(start_tiny(&self->t, 0));
	self->t.nfds = -3;		/* it has closed them */
	ASSERT_EXPORTED(&self->t, &self->img, 0);
	self->bytes = image_bytes(&self->img, &self->size);
	ASSERT_NE(NULL, self->bytes);
	target_end(&self->t);
	self->records = calloc(MAX_RECORDS, sizeof(*self->records));
	self->nr_records = find_records(self->bytes, self->size, self->records, MAX_RECORDS);
	ASSERT_LT(10, self->nr_records);
	self->fd = memfd_create("damaged", MFD_CLOEXEC);
	ASSERT_EQ(self->size, write(self->fd, self->bytes, self->size));
	self->fds = count_fds();
}

FIXTURE_TEARDOWN(image)
{
	target_end(&self->t);
	kill_children();
	image_close(&self->img);
	free(self->bytes);
	free(self->records);
	close(self->fd);
}

static int import_fd(struct import_call *i, int fd)
{
	import_call_init(i);
	import_from_file(i, fd);
	/* It must not run: with other registers it could do anything */
	i->args.flags = GHOST_IMPORT_STOPPED;
	lseek(fd, 0, SEEK_SET);
	return import_call(i);
}

static bool has_children(void)
{
	return waitpid(-1, NULL, WNOHANG | __WALL) >= 0 || errno != ECHILD;
}

static bool kill_copy(pid_t pid)
{
	int status;

	kill(pid, SIGKILL);
	return waitpid(pid, &status, __WALL) == pid && WIFSIGNALED(status) &&
	       WTERMSIG(status) == SIGKILL;
}

static bool is_refusal(int err)
{
	return err == EBADMSG || err == ENOEXEC || err == EOPNOTSUPP || err == E2BIG;
}

/* Nothing is left of all the attempts */
static void expect_nothing_left(struct __test_metadata *_metadata, FIXTURE_DATA(image) *self,
				long slab)
{
	EXPECT_FALSE(has_children());
	EXPECT_EQ(self->fds, count_fds());
	EXPECT_EQ(0, count_processes("tiny\n"));
	/*
	 * One task_struct for each attempt would be some hundred MB. A debug kernel keeps
	 * freed memory in quarantine for a while.
	 */
	EXPECT_GT(slab + 24 * 1024, meminfo("SUnreclaim:"));
}

TEST_F(image, undamaged_image_is_imported)
{
	pid_t pid = import_fd(&self->i, self->fd);

	ASSERT_LT(0, pid) TH_LOG("%s", self->i.report);
	EXPECT_TRUE(kill_copy(pid));
	EXPECT_EQ(self->size, lseek(self->fd, 0, SEEK_CUR));
}

TEST_F(image, has_a_little_of_everything)
{
	static const struct {
		uint32_t kind;
		const char *name;
	} kinds[] = {
		{ GHOST_REC_MACHINE, "machine" }, { GHOST_REC_PROCESS, "process" },
		{ GHOST_REC_CRED, "cred" }, { GHOST_REC_RLIMIT, "rlimit" },
		{ GHOST_REC_SIGHAND, "sighand" }, { GHOST_REC_SIGPENDING, "sigpending" },
		{ GHOST_REC_FILE, "file" }, { GHOST_REC_FD, "fd" }, { GHOST_REC_FS, "fs" },
		{ GHOST_REC_SHM, "shm" }, { GHOST_REC_SHM_PAGES, "shm_pages" },
		{ GHOST_REC_MM, "mm" }, { GHOST_REC_VMA, "vma" }, { GHOST_REC_PAGES, "pages" },
		{ GHOST_REC_THREAD, "thread" }, { GHOST_REC_REGS_X86, "regs" },
		{ GHOST_REC_XSTATE_X86, "xstate" }, { GHOST_REC_RESTART, "restart" },
		{ GHOST_REC_THREAD_SIGPENDING, "thread_sigpending" }, { GHOST_REC_END, "end" },
	};
	unsigned int k;
	int r, found;

	for (k = 0; k < ARRAY_SIZE(kinds); k++) {
		found = 0;
		for (r = 1; r < self->nr_records; r++)
			found += get32(self->bytes + self->records[r]) == kinds[k].kind;
		EXPECT_LT(0, found) TH_LOG("no record of kind %s", kinds[k].name);
	}
}

static long budget_ms(void)
{
	return env_number("GHOST_DAMAGE_SECONDS", 60) * 1000;
}

/*
 * What an import makes of damage depends on where it is: on the record, and on the field. Each
 * byte of that is tried. Pages and padding are most of an image, and only a checksum looks at
 * them, and so it is with all but the ends of what is the same byte for long, as the unused
 * parts of the extended state are; of these some bytes are tried, by chance.
 */

enum part {
	PART_RECORDS,
	PART_SAME,
	PART_PAGES,
	NR_PARTS,
};

#define SAME_LEN	32		/* from there on it is long */
#define SAME_ENDS	8		/* bytes at either end of it that are tried */
#define SAME_STEP	64		/* beyond these: one out of so many */

struct places {
	size_t *at;			/* what is tried, ascending */
	size_t n;
	size_t tried[NR_PARTS];
	size_t of[NR_PARTS];
};

static void classify_record(const uint8_t *rec, size_t len, uint8_t *part)
{
	const struct ghost_rec_hdr *hdr = (void *)rec;
	const struct ghost_rec_pages *pages = (void *)(hdr + 1);
	size_t from, to;

	memset(part, PART_RECORDS, len);
	if (hdr->kind == GHOST_REC_PAGES || hdr->kind == GHOST_REC_SHM_PAGES) {
		from = sizeof(*hdr) + sizeof(*pages) + pages->nr_runs * sizeof(pages->run[0]);
		memset(part + from, PART_PAGES, len - from);
		return;
	}
	for (from = sizeof(*hdr); from < len; from = to) {
		for (to = from + 1; to < len && rec[to] == rec[from]; to++)
			;
		if (to - from >= SAME_LEN)
			memset(part + from + SAME_ENDS, PART_SAME, to - from - 2 * SAME_ENDS);
	}
}

static void find_places(struct places *p, FIXTURE_DATA(image) *self)
{
	uint8_t *part = calloc(self->size, 1);
	size_t left[NR_PARTS], want[NR_PARTS];
	struct random random;
	enum part k;
	size_t pos;
	int r;

	memset(p, 0, sizeof(*p));
	p->at = calloc(self->size, sizeof(*p->at));
	for (r = 1; r < self->nr_records; r++)
		classify_record(self->bytes + self->records[r],
				self->records[r + 1] - self->records[r],
				part + self->records[r]);
	for (pos = 0; pos < self->size; pos++)
		p->of[part[pos]]++;
	memcpy(left, p->of, sizeof(left));
	memcpy(want, p->of, sizeof(want));
	r = env_number("GHOST_DAMAGE_SAMPLES", 200);
	if (r) {
		want[PART_SAME] /= SAME_STEP;
		want[PART_PAGES] = left[PART_PAGES] < r ? left[PART_PAGES] : r;
	}
	random_init(&random);
	/* So many out of so many, each as likely as any other */
	for (pos = 0; pos < self->size; pos++) {
		k = part[pos];
		if (random_next(&random) % left[k]-- < want[k] - p->tried[k]) {
			p->tried[k]++;
			p->at[p->n++] = pos;
		}
	}
	free(part);
}

static void report_places(struct places *p, const char *what)
{
	static const char *const names[NR_PARTS] = {
		[PART_RECORDS] = "in records",
		[PART_SAME] = "within the same byte for long",
		[PART_PAGES] = "in pages and padding",
	};
	enum part k;

	for (k = 0; k < NR_PARTS; k++)
		ksft_print_msg("%zu of %zu %s %s\n", p->tried[k], p->of[k], what, names[k]);
	free(p->at);
}

TEST_F_TIMEOUT(image, that_is_cut_short_is_refused, 3600)
{
	long slab = meminfo("SUnreclaim:");
	struct places p;
	size_t i;

	find_places(&p, self);
	ASSERT_EQ(p.of[PART_RECORDS], p.tried[PART_RECORDS]);
	for (i = p.n; i > 0; i--) {
		ASSERT_EQ(0, ftruncate(self->fd, p.at[i - 1]));
		ASSERT_EQ(-1, import_fd(&self->i, self->fd)) TH_LOG("%zu bytes", p.at[i - 1]);
		ASSERT_EQ(EBADMSG, errno) TH_LOG("%zu bytes: %s: %s", p.at[i - 1],
						 strerror(errno), self->i.report);
		ASSERT_FALSE(has_children());
	}
	report_places(&p, "lengths that end");
	expect_nothing_left(_metadata, self, slab);
}

TEST_F_TIMEOUT(image, with_a_flipped_byte_is_refused, 3600)
{
	long slab = meminfo("SUnreclaim:");
	struct places p;
	size_t i, pos;
	uint8_t byte;

	find_places(&p, self);
	ASSERT_EQ(p.of[PART_RECORDS], p.tried[PART_RECORDS]);
	for (i = 0; i < p.n; i++) {
		pos = p.at[i];
		byte = self->bytes[pos] ^ 1 << pos % 8;
		ASSERT_EQ(1, pwrite(self->fd, &byte, 1, pos));
		ASSERT_EQ(-1, import_fd(&self->i, self->fd)) TH_LOG("byte %zu", pos);
		ASSERT_TRUE(is_refusal(errno))
			TH_LOG("byte %zu: %s: %s", pos, strerror(errno), self->i.report);
		ASSERT_FALSE(has_children());
		ASSERT_EQ(1, pwrite(self->fd, self->bytes + pos, 1, pos));
	}
	report_places(&p, "bytes");
	expect_nothing_left(_metadata, self, slab);
}

/*
 * With right checksums
 */

static uint64_t interesting(struct random *r)
{
	static const uint64_t values[] = {
		0, 1, ~0ULL, 0x7fffffff, 0x80000000, 0xffffffff, 0x7fffffffffffffffULL,
		0x8000000000000000ULL, 0x7fffffffe000ULL, 0x7ffffffff000ULL, 0x800000000000ULL,
		0xffff800000000000ULL, 0xffffffffff600000ULL, 4096, 4095, 4097, 8, 7, 64, 65, 255,
		256, 1000, 0x10000,
	};
	uint64_t n = random_next(r);

	if (n & 1)
		return values[(n >> 8) % ARRAY_SIZE(values)];
	return n >> (n >> 1 & 63);
}

struct copy_of_image {
	uint8_t *bytes;
	size_t size;
	size_t records[MAX_RECORDS];
	int n;
};

static void take_copy(struct copy_of_image *c, FIXTURE_DATA(image) *self)
{
	c->bytes = malloc(self->size * 2 + (64 << 10));
	memcpy(c->bytes, self->bytes, self->size);
	c->size = self->size;
	memcpy(c->records, self->records, (self->nr_records + 1) * sizeof(size_t));
	c->n = self->nr_records;
}

static size_t record_len(const struct copy_of_image *c, int r)
{
	return c->records[r + 1] - c->records[r];
}

/* Replace @old bytes at @pos by @len others; what follows moves */
static void splice_bytes(struct copy_of_image *c, size_t pos, size_t old, const void *new,
			 size_t len)
{
	memmove(c->bytes + pos + len, c->bytes + pos + old, c->size - pos - old);
	if (new)
		memcpy(c->bytes + pos, new, len);
	c->size += len - old;
}

/* Change something and say what */
static void mutate(struct copy_of_image *c, struct random *r, char *what, size_t size)
{
	uint64_t n = random_next(r), value = interesting(r);
	int rec = n % c->n, other = (n >> 20) % c->n;
	uint8_t *p = c->bytes + c->records[rec], *copy;
	size_t len = record_len(c, rec), at, width;
	struct ghost_rec_hdr *hdr = (void *)p;

	switch (rec ? (n >> 32) % 16 : 0) {
	default:
		/* A field, or a piece of one; mostly at the beginning, where they are */
		at = (n >> 40) % (len > 256 && (n >> 36 & 3) ? 256 : len);
		width = 1 << (n >> 60 & 3);
		at &= ~(width - 1);
		if (at + width > len)
			at = len - width;
		memcpy(p + at, &value, width);
		snprintf(what, size, "record %d: %zu bytes at %zu: %#lx", rec, width, at, value);
		seal(p, len, !rec);
		break;
	case 10:
		snprintf(what, size, "record %d left out", rec);
		splice_bytes(c, c->records[rec], len, NULL, 0);
		break;
	case 11:
		snprintf(what, size, "record %d twice", rec);
		copy = malloc(len);
		memcpy(copy, p, len);
		splice_bytes(c, c->records[rec], 0, copy, len);
		free(copy);
		break;
	case 12:
		snprintf(what, size, "record %d before %d", rec, other);
		if (!other)
			other = 1;
		copy = malloc(len);
		memcpy(copy, p, len);
		splice_bytes(c, c->records[other], 0, copy, len);
		free(copy);
		break;
	case 13:
		/* Longer, with or without zeros */
		hdr->len += 8 + (n >> 40) % 8 * 8;
		snprintf(what, size, "record %d longer by %zu", rec,
			 (size_t)hdr->len + sizeof(*hdr) - len);
		splice_bytes(c, c->records[rec] + len, 0, NULL, hdr->len + sizeof(*hdr) - len);
		memset(p + len, n & 1 << 10 ? 0 : 0x5a, hdr->len + sizeof(*hdr) - len);
		seal(p, hdr->len + sizeof(*hdr), false);
		break;
	case 14:
		/* Shorter */
		if (hdr->len >= 8) {
			at = 8 + (n >> 40) % (hdr->len / 8) * 8;
			snprintf(what, size, "record %d shorter by %zu", rec, at);
			splice_bytes(c, c->records[rec] + len - at, at, NULL, 0);
			hdr->len -= at;
			seal(p, hdr->len + sizeof(*hdr), false);
		}
		break;
	case 15:
		snprintf(what, size, "record %d: kind %u", rec, (uint32_t)value % 48);
		hdr->kind = value % 48;
		seal(p, len, false);
		break;
	}
}

TEST_F_TIMEOUT(image, random_changes_with_right_checksums_do_no_harm, 3600)
{
	int n, changes, taken = 0, refused = 0, total;
	int64_t begin = now_ms();
	struct copy_of_image c;
	char what[4][100];
	struct random r;
	long slab;
	pid_t pid;

	random_init(&r);
	total = env_number("GHOST_DAMAGE_CHANGES", 5000);
	slab = meminfo("SUnreclaim:");
	for (n = 0; n < total; n++) {
		if (budget_ms() && now_ms() - begin > budget_ms())
			break;
		take_copy(&c, self);
		/* One at a time: the records may lie elsewhere afterwards */
		memset(what, 0, sizeof(what));
		for (changes = 0; changes < 1 + (n % 4 == 3) * 2; changes++) {
			mutate(&c, &r, what[changes], sizeof(what[0]));
			c.n = find_records(c.bytes, c.size, c.records, MAX_RECORDS);
			if (!c.n)
				break;
		}
		ASSERT_EQ(0, ftruncate(self->fd, 0));
		ASSERT_EQ(c.size, pwrite(self->fd, c.bytes, c.size, 0));
		free(c.bytes);
		pid = import_fd(&self->i, self->fd);
		if (pid > 0) {
			taken++;
			ASSERT_TRUE(kill_copy(pid)) TH_LOG("%d: %s %s %s", n, what[0], what[1],
							   what[2]);
		} else {
			refused++;
			ASSERT_NE(EFAULT, errno) TH_LOG("%d: %s %s %s: %s", n, what[0], what[1],
							what[2], self->i.report);
		}
		ASSERT_FALSE(has_children()) TH_LOG("%d: %s %s %s", n, what[0], what[1], what[2]);
	}
	ksft_print_msg("%d changes in %ld s: %d refused, %d harmless\n", n,
		       (now_ms() - begin) / 1000, refused, taken);
	EXPECT_LT(taken, refused);
	expect_nothing_left(_metadata, self, slab);
}

/*
 * Registers with any value, in a process that does run: as nobody, and not for long
 */

static void change_registers(uint8_t *bytes, const size_t *records, int n, struct random *r)
{
	uint64_t value;
	uint32_t kind;
	size_t len;
	int i, k;

	for (i = 1; i < n; i++) {
		kind = get32(bytes + records[i]);
		len = records[i + 1] - records[i];
		if (kind != GHOST_REC_REGS_X86 && kind != GHOST_REC_XSTATE_X86 &&
		    kind != GHOST_REC_RESTART)
			continue;
		for (k = random_next(r) % 4; k > 0; k--) {
			size_t words = (len - sizeof(struct ghost_rec_hdr)) / 8;
			size_t at = random_next(r) % words;

			/* Of the extended state mostly what has a meaning */
			if (kind == GHOST_REC_XSTATE_X86 && k > 1)
				at = k == 2 ? 3 : 64 + at % 8;
			value = interesting(r);
			memcpy(bytes + records[i] + sizeof(struct ghost_rec_hdr) + at * 8,
			       &value, 8);
		}
		seal(bytes + records[i], len, false);
	}
}

static int run_changed(const uint8_t *bytes, size_t size, const size_t *records, int n)
{
	int fd = memfd_create("changed", MFD_CLOEXEC), i, total, runs = 0;
	static struct import_call call;
	int64_t begin = now_ms();
	struct random r;
	uint8_t *copy;
	pid_t pid;

	signal(SIGTERM, SIG_IGN);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	random_init(&r);
	total = env_number("GHOST_DAMAGE_CHANGES", 2000);
	for (i = 0; i < total; i++) {
		if (budget_ms() && now_ms() - begin > budget_ms())
			break;
		copy = malloc(size);
		memcpy(copy, bytes, size);
		change_registers(copy, records, n, &r);
		if (pwrite(fd, copy, size, 0) != (ssize_t)size)
			return 100;
		free(copy);
		import_call_init(&call);
		import_from_file(&call, fd);
		lseek(fd, 0, SEEK_SET);
		pid = import_call(&call);
		if (pid < 0) {
			if (errno == EFAULT || errno == EPERM) {
				fprintf(stderr, "# %d: %m: %s\n", i, call.report);
				return 101;
			}
			continue;
		}
		runs++;
		poll(NULL, 0, 1);
		kill(pid, SIGKILL);
		if (waitpid(pid, NULL, __WALL) != pid)
			return 102;
		/* With any registers it may have called fork() */
		kill_children();
	}
	printf("# %d of %d ran\n", runs, i);
	fflush(stdout);
	return runs ? 0 : 103;
}

FIXTURE(unprivileged)
{
	char sysctl[16];
};

#define SYSCTL	"/proc/sys/kernel/ghost_unprivileged"

FIXTURE_SETUP(unprivileged)
{
	GHOST_NEEDED();
	if (geteuid())
		SKIP(return, "needs root");
	ASSERT_LT(0, read_text(SYSCTL, self->sysctl, sizeof(self->sysctl)));
	ASSERT_EQ(0, write_text(SYSCTL, "1\n"));
}

FIXTURE_TEARDOWN(unprivileged)
{
	write_text(SYSCTL, self->sysctl);
}

/* What runs with registers of any value shall not do much; the image has these limits, too */
static bool limit_harm(void)
{
	struct rlimit files = { 64, 64 }, processes = { 16, 16 }, core = { 0, 0 };

	return !setrlimit(RLIMIT_NOFILE, &files) && !setrlimit(RLIMIT_NPROC, &processes) &&
	       !setrlimit(RLIMIT_CORE, &core);
}

TEST_F_TIMEOUT(unprivileged, registers_of_any_value_do_no_harm, 3600)
{
	size_t size, *records = calloc(MAX_RECORDS, sizeof(*records));
	struct target t;
	struct image img;
	int status, n;
	uint8_t *bytes;
	pid_t pid;

	pid = fork();
	if (!pid) {
		if (!limit_harm() || image_open(&img, STORE_TMPFS) || setgroups(0, NULL) ||
		    !start_tiny(&t, NOBODY))
			_exit(110);
		t.nfds = -3;
		if (export_target(&t, &img, 0)) {
			fprintf(stderr, "# export: %m: %s\n", img.report);
			_exit(111);
		}
		target_end(&t);
		bytes = image_bytes(&img, &size);
		n = find_records(bytes, size, records, MAX_RECORDS);
		_exit(n ? run_changed(bytes, size, records, n) : 112);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(0, count_processes("tiny\n"));
}

/*
 * Images that are right, but not for this machine
 */

static void *find_record(FIXTURE_DATA(image) *self, uint32_t kind, size_t *len)
{
	int r;

	for (r = 1; r < self->nr_records; r++) {
		if (get32(self->bytes + self->records[r]) == kind) {
			*len = self->records[r + 1] - self->records[r];
			return self->bytes + self->records[r];
		}
	}
	return NULL;
}

/* Import what is in self->bytes now */
static int import_bytes(FIXTURE_DATA(image) *self, size_t size)
{
	if (ftruncate(self->fd, 0) || pwrite(self->fd, self->bytes, size, 0) != (ssize_t)size)
		return 0;
	return import_fd(&self->i, self->fd);
}

#define EXPECT_REFUSED(_errno, _word) do {						\
	EXPECT_EQ(-1, import_bytes(self, self->size));					\
	EXPECT_EQ(_errno, errno) TH_LOG("%s", self->i.report);				\
	EXPECT_NE(NULL, strstr(self->i.report, _word)) TH_LOG("%s", self->i.report);	\
	EXPECT_FALSE(has_children());							\
} while (0)

TEST_F(image, of_another_architecture_is_refused_by_name)
{
	struct ghost_image_hdr *hdr = (void *)self->bytes;

	hdr->machine = EM_AARCH64;
	seal(self->bytes, hdr->hdr_len, true);
	EXPECT_REFUSED(ENOEXEC, "machine");
}

TEST_F(image, of_another_page_size_is_refused_by_name)
{
	struct ghost_image_hdr *hdr = (void *)self->bytes;

	hdr->page_shift = 16;
	seal(self->bytes, hdr->hdr_len, true);
	EXPECT_REFUSED(ENOEXEC, "page");
}

TEST_F(image, with_features_that_must_be_known_is_refused)
{
	struct ghost_image_hdr *hdr = (void *)self->bytes;
	int bit;

	for (bit = 0; bit < 64; bit++) {
		hdr->incompat = 1ULL << bit;
		seal(self->bytes, hdr->hdr_len, true);
		EXPECT_REFUSED(EOPNOTSUPP, "feature");
	}
}

TEST_F(image, with_features_that_need_not_be_known_is_imported)
{
	struct ghost_image_hdr *hdr = (void *)self->bytes;
	pid_t pid;

	hdr->compat = ~0ULL;
	hdr->version = 1000;
	seal(self->bytes, hdr->hdr_len, true);
	pid = import_bytes(self, self->size);
	ASSERT_LT(0, pid) TH_LOG("%s", self->i.report);
	EXPECT_TRUE(kill_copy(pid));
}

TEST_F(image, with_another_magic_is_refused)
{
	struct ghost_image_hdr *hdr = (void *)self->bytes;

	hdr->magic[6] = '\n';		/* as a transfer as text would do */
	seal(self->bytes, hdr->hdr_len, true);
	EXPECT_REFUSED(ENOEXEC, "image");
}

TEST_F(image, of_a_machine_with_more_cpu_features_is_refused_by_name)
{
	struct ghost_rec_machine_x86 *m;
	int word, bit, refused = 0;
	uint32_t old;
	uint8_t *rec;
	size_t len;
	pid_t pid;

	rec = find_record(self, GHOST_REC_MACHINE, &len);
	ASSERT_NE(NULL, rec);
	m = (void *)(rec + sizeof(struct ghost_rec_hdr));
	for (word = 0; word < GHOST_X86_CAP_WORDS; word += 3) {
		for (bit = 0; bit < 32; bit += 5) {
			old = m->caps[word];
			if (old & 1U << bit)
				continue;
			m->caps[word] |= 1U << bit;
			seal(rec, len, false);
			pid = import_bytes(self, self->size);
			m->caps[word] = old;
			if (pid > 0) {
				EXPECT_TRUE(kill_copy(pid));
				EXPECT_EQ(0, 1) TH_LOG("CPU feature %d:%d", word, bit);
				continue;
			}
			EXPECT_EQ(ENOEXEC, errno);
			EXPECT_NE(NULL, strstr(self->i.report, "CPU"))
				TH_LOG("%s", self->i.report);
			refused++;
		}
	}
	EXPECT_LT(5, refused);
	m->xfeatures |= 1ULL << 60;
	seal(rec, len, false);
	EXPECT_EQ(-1, import_bytes(self, self->size));
	EXPECT_EQ(ENOEXEC, errno) TH_LOG("%s", self->i.report);
}

TEST_F(image, with_another_vdso_is_refused_by_name)
{
	struct ghost_rec_machine_x86 *m;
	uint8_t *rec;
	size_t len;

	rec = find_record(self, GHOST_REC_MACHINE, &len);
	ASSERT_NE(NULL, rec);
	m = (void *)(rec + sizeof(struct ghost_rec_hdr));
	if (!m->vdso_size)
		SKIP(return, "no vDSO");
	m->vdso_crc ^= 1;
	seal(rec, len, false);
	EXPECT_REFUSED(ENOEXEC, "vDSO");
	m->vdso_crc ^= 1;
	m->vdso_size += 4096;
	seal(rec, len, false);
	EXPECT_REFUSED(ENOEXEC, "vDSO");
}

#define ANY_ACCESS	(GHOST_VMA_MAYREAD | GHOST_VMA_MAYWRITE | GHOST_VMA_MAYEXEC)

/* Put @nr mappings of a page each behind the address space, and import that */
static int with_mappings(FIXTURE_DATA(image) *self, int nr, const uint64_t flags[2],
			 const char *name)
{
	struct {
		struct ghost_rec_hdr hdr;
		struct ghost_rec_vma vma;
		char name[80];
	} rec = { .hdr.kind = GHOST_REC_VMA };
	size_t len = (strlen(name) + 7) & ~7UL, size = offsetof(typeof(rec), name) + len, at;
	struct copy_of_image c;
	struct ghost_rec_end *end;
	int i, r, ret = 0;

	take_copy(&c, self);
	c.bytes = realloc(c.bytes, self->size + nr * size);
	for (r = 1; r < c.n; r++)
		if (get32(c.bytes + c.records[r]) == GHOST_REC_VMA)
			break;
	rec.hdr.len = size - sizeof(rec.hdr);
	rec.vma.name_len = strlen(name);
	memcpy(rec.name, name, strlen(name));
	at = c.records[r];
	splice_bytes(&c, at, 0, NULL, nr * size);
	for (i = 0; i < nr; i++) {
		rec.vma.start = 0x100000000 + i * PAGE;
		rec.vma.end = rec.vma.start + PAGE;
		rec.vma.flags = ANY_ACCESS | flags[i % 2];
		seal((uint8_t *)&rec, size, false);
		memcpy(c.bytes + at + i * size, &rec, size);
	}
	/* The last record: totals */
	at = c.size - sizeof(*end);
	end = (void *)(c.bytes + at);
	end->records += nr;
	seal((uint8_t *)end - sizeof(rec.hdr), sizeof(*end) + sizeof(rec.hdr), false);
	if (!ftruncate(self->fd, 0) && pwrite(self->fd, c.bytes, c.size, 0) == (ssize_t)c.size)
		ret = import_fd(&self->i, self->fd);
	free(c.bytes);
	return ret;
}

TEST_F(image, names_that_prctl_refuses_are_refused)
{
	static const char *const bad[] = { "a\nb", "a]", "[a", "a\\", "$", "`", "\033[1m", "\377" };
	static const uint64_t flags[2] = { GHOST_VMA_READ, GHOST_VMA_READ };
	void *p = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned int i;
	pid_t pid;

	if (prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, p, PAGE, "good"))
		SKIP(return, "no names of anonymous memory");
	pid = with_mappings(self, 1, flags, "good name: 1");
	ASSERT_LT(0, pid) TH_LOG("%s", self->i.report);
	EXPECT_TRUE(kill_copy(pid));
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		EXPECT_EQ(-1, with_mappings(self, 1, flags, bad[i])) TH_LOG("name %u", i);
		EXPECT_EQ(EBADMSG, errno) TH_LOG("%s", self->i.report);
		EXPECT_NE(NULL, strstr(self->i.report, "name")) TH_LOG("%s", self->i.report);
		EXPECT_FALSE(has_children());
	}
}

#define MAP_COUNT	"/proc/sys/vm/max_map_count"

/*
 * All are one mapping, as long as nothing is locked or protected, and so there may be any
 * number of them. What is to be done to them later is not one.
 */
TEST_F(image, more_mappings_than_there_may_be_are_refused)
{
	static const uint64_t sorts[][2] = {
		{ GHOST_VMA_LOCKED, GHOST_VMA_LOCKED | GHOST_VMA_LOCKONFAULT },
		{ GHOST_VMA_ACCOUNT, GHOST_VMA_ACCOUNT | GHOST_VMA_READ },
	};
	char old[32];
	unsigned int i;

	ASSERT_LT(0, read_text(MAP_COUNT, old, sizeof(old)));
	ASSERT_EQ(0, write_text(MAP_COUNT, "1000"));
	for (i = 0; i < ARRAY_SIZE(sorts); i++) {
		EXPECT_EQ(-1, with_mappings(self, 3000, sorts[i], ""));
		EXPECT_EQ(ENOMEM, errno);
		EXPECT_NE(NULL, strstr(self->i.report, "one mapping too many"))
			TH_LOG("%s", self->i.report);
		EXPECT_FALSE(has_children());
	}
	EXPECT_EQ(0, write_text(MAP_COUNT, old));
}

TEST_F(image, padding_and_unknown_bits_are_refused)
{
	struct ghost_image_hdr *hdr = (void *)self->bytes;
	struct ghost_rec_pages *pages;
	struct ghost_rec_shm *shm;
	uint8_t *rec;
	size_t len;

	hdr->pad = 1;
	seal(self->bytes, hdr->hdr_len, true);
	EXPECT_REFUSED(EBADMSG, "header");
	hdr->pad = 0;
	seal(self->bytes, hdr->hdr_len, true);

	rec = find_record(self, GHOST_REC_PAGES, &len);
	ASSERT_NE(NULL, rec);
	pages = (void *)(rec + sizeof(struct ghost_rec_hdr));
	pages->pad = 1;
	seal(rec, len, false);
	EXPECT_REFUSED(EBADMSG, "pages");
	pages->pad = 0;
	pages->run[0] |= 1 << 10;
	seal(rec, len, false);
	EXPECT_REFUSED(EBADMSG, "page");
	pages->run[0] &= ~(1ULL << 10);
	seal(rec, len, false);

	rec = find_record(self, GHOST_REC_SHM_PAGES, &len);
	ASSERT_NE(NULL, rec);
	pages = (void *)(rec + sizeof(struct ghost_rec_hdr));
	pages->run[0] |= GHOST_PAGES_HUGE;
	seal(rec, len, false);
	EXPECT_REFUSED(EBADMSG, "page");
	pages->run[0] &= ~GHOST_PAGES_HUGE;
	seal(rec, len, false);

	rec = find_record(self, GHOST_REC_SHM, &len);
	ASSERT_NE(NULL, rec);
	shm = (void *)(rec + sizeof(struct ghost_rec_hdr));
	shm->flags = GHOST_SHM_NORESERVE << 1;
	seal(rec, len, false);
	EXPECT_REFUSED(EOPNOTSUPP, "flag");
}

/* What a newer kernel may write */
static int with_tail(FIXTURE_DATA(image) *self, uint32_t kind, uint64_t tail)
{
	struct copy_of_image c;
	struct ghost_rec_hdr *hdr;
	int r, ret = 0;

	take_copy(&c, self);
	for (r = 1; r < c.n; r++)
		if (get32(c.bytes + c.records[r]) == kind)
			break;
	hdr = (void *)(c.bytes + c.records[r]);
	splice_bytes(&c, c.records[r + 1], 0, &tail, sizeof(tail));
	hdr->len += sizeof(tail);
	seal((uint8_t *)hdr, hdr->len + sizeof(*hdr), false);
	if (!ftruncate(self->fd, 0) && pwrite(self->fd, c.bytes, c.size, 0) == (ssize_t)c.size)
		ret = import_fd(&self->i, self->fd);
	free(c.bytes);
	return ret;
}

TEST_F(image, record_that_is_longer_is_taken_if_the_tail_is_zero)
{
	static const uint32_t kinds[] = {
		GHOST_REC_PROCESS, GHOST_REC_RLIMIT, GHOST_REC_SIGHAND, GHOST_REC_FD, GHOST_REC_MM,
		GHOST_REC_SHM, GHOST_REC_THREAD, GHOST_REC_REGS_X86, GHOST_REC_RESTART,
		GHOST_REC_END, GHOST_REC_MACHINE,
	};
	unsigned int k;
	pid_t pid;

	for (k = 0; k < ARRAY_SIZE(kinds); k++) {
		pid = with_tail(self, kinds[k], 0);
		EXPECT_LT(0, pid) TH_LOG("kind %u: %s", kinds[k], self->i.report);
		if (pid > 0)
			EXPECT_TRUE(kill_copy(pid));
		pid = with_tail(self, kinds[k], 1);
		EXPECT_EQ(-1, pid) TH_LOG("kind %u", kinds[k]);
		if (pid > 0)
			kill_copy(pid);
		else
			EXPECT_TRUE(errno == E2BIG || errno == EOPNOTSUPP)
				TH_LOG("kind %u: %s: %s", kinds[k], strerror(errno),
				       self->i.report);
	}
}

TEST_F(image, unknown_kind_of_record_is_refused)
{
	struct ghost_rec_hdr hdr = { .kind = 200 };
	struct copy_of_image c;

	take_copy(&c, self);
	seal((uint8_t *)&hdr, sizeof(hdr), false);
	splice_bytes(&c, c.records[3], 0, &hdr, sizeof(hdr));
	ASSERT_EQ(c.size, pwrite(self->fd, c.bytes, c.size, 0));
	EXPECT_EQ(-1, import_fd(&self->i, self->fd));
	EXPECT_TRUE(errno == EOPNOTSUPP || errno == EBADMSG) TH_LOG("%s", self->i.report);
	EXPECT_FALSE(has_children());
	free(c.bytes);
}

/* It counts for nobody until the process is there: only another machine's kernel may do that */
TEST_F(image, pages_sent_ahead_are_refused_from_a_file)
{
	struct copy_of_image c;
	uint8_t *pages;
	size_t len;

	pages = find_record(self, GHOST_REC_PAGES, &len);
	ASSERT_NE(NULL, pages);
	take_copy(&c, self);
	splice_bytes(&c, c.records[1], 0, pages, len);
	put32(c.bytes + c.records[1], GHOST_REC_STAGED);
	seal(c.bytes + c.records[1], len, false);
	ASSERT_EQ(c.size, pwrite(self->fd, c.bytes, c.size, 0));
	EXPECT_EQ(-1, import_fd(&self->i, self->fd));
	EXPECT_EQ(EBADMSG, errno);
	EXPECT_NE(NULL, strstr(self->i.report, "sent ahead")) TH_LOG("%s", self->i.report);
	EXPECT_FALSE(has_children());
	free(c.bytes);
}

/* Its table is where its head should be, so that nothing is left of what the head says */
TEST_F(image, pages_kept_in_a_record_that_is_cut_are_refused)
{
	struct {
		struct ghost_rec_hdr hdr;
		uint64_t run;
	} kept = { .hdr = { .kind = GHOST_REC_KEPT, .len = sizeof(kept.run) }, .run = 1 };
	struct copy_of_image c;
	uint8_t *pages;
	size_t len;

	pages = find_record(self, GHOST_REC_PAGES, &len);
	ASSERT_NE(NULL, pages);
	take_copy(&c, self);
	seal((uint8_t *)&kept, sizeof(kept), false);
	splice_bytes(&c, pages - self->bytes, 0, &kept, sizeof(kept));
	ASSERT_EQ(c.size, pwrite(self->fd, c.bytes, c.size, 0));
	EXPECT_EQ(-1, import_fd(&self->i, self->fd));
	EXPECT_EQ(EBADMSG, errno) TH_LOG("%s", self->i.report);
	EXPECT_NE(NULL, strstr(self->i.report, "page 0:")) TH_LOG("%s", self->i.report);
	EXPECT_FALSE(has_children());
	free(c.bytes);
}

TEST_F(image, what_follows_the_end_is_not_read)
{
	char more[100] = "more";
	pid_t pid;

	ASSERT_EQ(sizeof(more), pwrite(self->fd, more, sizeof(more), self->size));
	pid = import_fd(&self->i, self->fd);
	ASSERT_LT(0, pid) TH_LOG("%s", self->i.report);
	EXPECT_TRUE(kill_copy(pid));
	EXPECT_EQ(self->size, lseek(self->fd, 0, SEEK_CUR));
}

/* Reading is interrupted: whoever writes the pipe has died, or does not come */
TEST_F(image, pipe_that_ends_early_is_refused)
{
	struct import_call i;
	int fds[2];

	ASSERT_EQ(0, pipe(fds));
	ASSERT_EQ(5000, write(fds[1], self->bytes, 5000));
	close(fds[1]);
	import_call_init(&i);
	import_from_file(&i, fds[0]);
	EXPECT_EQ(-1, import_call(&i));
	EXPECT_EQ(EBADMSG, errno);
	EXPECT_FALSE(has_children());
	close(fds[0]);
}

static void noop(int sig)
{
}

TEST_F(image, import_that_waits_for_a_pipe_can_be_interrupted)
{
	struct import_call i;
	int fds[2], status;
	pid_t pid;

	ASSERT_EQ(0, pipe(fds));
	ASSERT_EQ(5000, write(fds[1], self->bytes, 5000));
	signal(SIGUSR1, noop);
	pid = fork();
	if (!pid) {
		import_call_init(&i);
		import_from_file(&i, fds[0]);
		status = import_call(&i) < 0 ? errno : 0;
		_exit(has_children() ? 200 : status);
	}
	sleep_ms(200);
	kill(pid, SIGUSR1);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(EINTR, WEXITSTATUS(status));
	/* And killed */
	pid = fork();
	if (!pid) {
		import_call_init(&i);
		import_from_file(&i, fds[0]);
		_exit(import_call(&i) < 0 ? errno : 0);
	}
	sleep_ms(200);
	kill(pid, SIGKILL);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(SIGKILL, WTERMSIG(status));
	sleep_ms(100);
	EXPECT_EQ(0, count_processes("tiny\n"));
	close(fds[0]);
	close(fds[1]);
}

TEST_HARNESS_MAIN
