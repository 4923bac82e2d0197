// SPDX-License-Identifier: GPL-2.0-only
/* The library and the decoder on good, damaged and hostile images */
#include <ctype.h>
#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/ghost_image.h>

#include "build-image.h"
#include "libghost-internal.h"
#include "libghost-output.h"
#include "show.h"

static unsigned int tests, failures;
static char why[1024];

#define TEXT_SIZE	256

/* The first thing that is not as expected is kept. */
__printf(4, 5)
static void expect(bool good, int line, const char *condition, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (good || why[0])
		return;
	n = snprintf(why, sizeof(why), "line %d: %s: ", line, condition);
	if (n < 0 || n >= (int)sizeof(why))
		return;
	va_start(ap, fmt);
	vsnprintf(why + n, sizeof(why) - n, fmt, ap);
	va_end(ap);
}

#define EXPECT(condition, ...)	expect(condition, __LINE__, #condition, __VA_ARGS__)

/* Read all of it. Returns the last result; @records counts. */
static int read_image(struct ghost_image *image, unsigned int *records)
{
	struct ghost_record rec;
	int ret;

	*records = 0;
	while ((ret = ghost_image_next(image, &rec)) > 0)
		++*records;
	return ret;
}

static int read_memory(const void *buf, size_t len, unsigned int *records, char *text)
{
	struct ghost_image *image;
	int ret;

	if (ghost_image_open_memory(&image, buf, len))
		abort();
	ret = read_image(image, records);
	snprintf(text, TEXT_SIZE, "%s", ghost_image_error(image));
	ghost_image_close(image);
	return ret;
}

static int verdict(const struct image *raw, char *text)
{
	unsigned int records;

	return read_memory(raw->buf, raw->len, &records, text);
}

/* A value of JSON at @p; returns what is behind it, NULL if there is none. */
static const char *json_value(const char *p);

static const char *skip_space(const char *p)
{
	while (*p == ' ' || *p == '\n')
		p++;
	return p;
}

static const char *json_string(const char *p)
{
	if (*p++ != '"')
		return NULL;
	for (; *p != '"'; p++) {
		if ((unsigned char)*p < 0x20)
			return NULL;
		if (*p != '\\')
			continue;
		p++;
		if (!strchr("\"\\u", *p))
			return NULL;
		if (*p == 'u' && strspn(p + 1, "0123456789abcdef") < 4)
			return NULL;
	}
	return p + 1;
}

static const char *json_members(const char *p, bool object)
{
	char end = object ? '}' : ']';

	p = skip_space(p + 1);
	if (*p == end)
		return p + 1;
	for (;;) {
		if (object) {
			p = json_string(skip_space(p));
			if (!p || *p++ != ':')
				return NULL;
		}
		p = json_value(skip_space(p));
		if (!p)
			return NULL;
		p = skip_space(p);
		if (*p == end)
			return p + 1;
		if (*p++ != ',')
			return NULL;
	}
}

static const char *json_value(const char *p)
{
	if (*p == '{' || *p == '[')
		return json_members(p, *p == '{');
	if (*p == '"')
		return json_string(p);
	if (!strncmp(p, "true", 4))
		return p + 4;
	if (!strncmp(p, "false", 5))
		return p + 5;
	if (*p == '-')
		p++;
	if (!isdigit(*p))
		return NULL;
	while (isdigit(*p))
		p++;
	return p;
}

static int show(const struct image *raw, bool json, bool *well_formed)
{
	struct ghost_image *image;
	struct out out = { .json = json };
	const char *end;
	size_t size;
	char *text;
	int ret;

	out.file = open_memstream(&text, &size);
	if (!out.file || ghost_image_open_memory(&image, raw->buf, raw->len))
		abort();
	ret = show_image(&out, image, "test", true);
	fclose(out.file);
	end = json ? json_value(text) : NULL;
	*well_formed = end && !strcmp(end, "\n") && strlen(text) == size;
	ghost_image_close(image);
	free(text);
	return ret;
}

static void whole_image_is_read(void)
{
	struct image raw;
	unsigned int records;
	char text[TEXT_SIZE];
	bool json;

	image_build_whole(&raw);
	EXPECT(read_memory(raw.buf, raw.len, &records, text) == 0, "%s", text);
	EXPECT(records == raw.records, "%u records", records);
	EXPECT(show(&raw, false, &json) == 0, "text");
	EXPECT(show(&raw, true, &json) == 0 && json, "JSON");
	image_free(&raw);
}

static void pipe_is_read(void)
{
	struct ghost_image *image;
	unsigned int records;
	struct image raw;
	int fds[2];
	ssize_t n;
	size_t i;

	image_build_whole(&raw);
	if (pipe(fds) || ghost_image_open(&image, fds[0]))
		abort();
	if (!fork()) {
		close(fds[0]);
		for (i = 0; i < raw.len; i += n) {	/* in small pieces */
			n = raw.len - i < 777 ? raw.len - i : 777;
			n = write(fds[1], raw.buf + i, n);
			if (n <= 0)
				_exit(1);
		}
		_exit(0);
	}
	close(fds[1]);
	EXPECT(read_image(image, &records) == 0, "%s", ghost_image_error(image));
	EXPECT(records == raw.records, "%u records", records);
	close(fds[0]);
	ghost_image_close(image);
	image_free(&raw);
}

static void truncations_are_reported(void)
{
	unsigned char *copy;
	unsigned int records;
	struct image raw;
	char text[TEXT_SIZE];
	size_t len;
	int ret;

	image_build_whole(&raw);
	for (len = 0; len < raw.len; len++) {
		copy = malloc(len + 1);		/* so that reading beyond it is seen */
		memcpy(copy, raw.buf, len);
		ret = read_memory(copy, len, &records, text);
		EXPECT(ret == (len < 8 ? -ENOEXEC : -EBADMSG), "%zu bytes: %d %s", len, ret, text);
		EXPECT(text[0], "%zu bytes: no text", len);
		free(copy);
	}
	image_free(&raw);
}

static void flipped_bytes_are_reported(void)
{
	static const unsigned char masks[] = { 0x01, 0x80, 0xff };
	struct image raw;
	char text[TEXT_SIZE];
	size_t i, m;
	int ret;

	image_build_whole(&raw);
	for (i = 0; i < raw.len; i++) {
		for (m = 0; m < sizeof(masks); m++) {
			raw.buf[i] ^= masks[m];
			ret = verdict(&raw, text);
			EXPECT(ret < 0 && text[0], "byte %zu, mask %x: %d", i, masks[m], ret);
			raw.buf[i] ^= masks[m];
		}
	}
	image_free(&raw);
}

/* What a hostile image is: damaged, but with right checksums. Pages are left alone. */
static void mended_damage_is_survived(void)
{
	static const unsigned char values[] = { 0, 1, 7, 0x7f, 0x80, 0xff };
	struct image raw, bad;
	bool json;
	size_t i, v;

	image_build_whole(&raw);
	for (i = 0; i < raw.len; i++) {
		if (raw.buf[i] == 0xa5)
			continue;
		for (v = 0; v < sizeof(values); v++) {
			bad = raw;
			bad.buf = malloc(raw.len);
			memcpy(bad.buf, raw.buf, raw.len);
			bad.buf[i] = values[v];
			image_mend(&bad);
			show(&bad, true, &json);
			EXPECT(json, "byte %zu = %#x: JSON is not well-formed", i, values[v]);
			image_free(&bad);
		}
	}
	image_free(&raw);
}

static void checksums_agree(void)
{
	unsigned char buf[300];
	struct libghost_crc crc;
	uint32_t slow;
	size_t i, len;

	libghost_crc_init(&crc);
	for (i = 0; i < sizeof(buf); i++)
		buf[i] = i * 37 + 11;
	EXPECT(~libghost_crc32c(&crc, ~0U, "123456789", 9) == 0xe3069283, "check value");
	for (len = 0; len < sizeof(buf) - 8; len++) {
		slow = slow_crc32c(~0U, buf + len % 8, len);
		EXPECT(libghost_crc32c(&crc, ~0U, buf + len % 8, len) == slow,
		       "%zu bytes, hardware %d", len, crc.hardware);
	}
	crc.hardware = 0;
	for (len = 0; len < sizeof(buf) - 8; len++) {
		slow = slow_crc32c(~0U, buf + len % 8, len);
		EXPECT(libghost_crc32c(&crc, ~0U, buf + len % 8, len) == slow,
		       "%zu bytes by table", len);
	}
}

/* An image with one record; what it is said of it */
static int verdict_of(__u32 kind, __u32 ref, const void *data, size_t len, char *text)
{
	struct image raw;
	int ret;

	image_begin(&raw);
	image_record(&raw, kind, ref, data, len);
	image_end(&raw);
	ret = verdict(&raw, text);
	image_free(&raw);
	return ret;
}

static void unknown_kind_is_refused(void)
{
	char text[TEXT_SIZE];

	EXPECT(verdict_of(200, 0, "1234567", 8, text) == -EOPNOTSUPP, "%s", text);
	EXPECT(strstr(text, "kind 200"), "%s", text);
}

static void newer_tail_is_refused_unless_zero(void)
{
	char buf[sizeof(struct ghost_rec_process) + 16] = "", text[TEXT_SIZE];

	EXPECT(verdict_of(GHOST_REC_PROCESS, 0, buf, sizeof(buf), text) == 0, "%s", text);
	buf[sizeof(buf) - 1] = 1;
	EXPECT(verdict_of(GHOST_REC_PROCESS, 0, buf, sizeof(buf), text) == -E2BIG, "%s", text);
}

static void shorter_record_reads_as_zeros(void)
{
	struct ghost_rec_process process = { .pid = htole32(7), .oom_score_adj = htole32(9) };
	const struct ghost_rec_process *got;
	struct ghost_image *image;
	struct ghost_record rec = { };
	struct image raw;

	image_begin(&raw);
	image_record(&raw, GHOST_REC_PROCESS, 0, &process, 8);
	image_end(&raw);
	if (ghost_image_open_memory(&image, raw.buf, raw.len))
		abort();
	EXPECT(ghost_image_next(image, &rec) == 1, "%s", ghost_image_error(image));
	EXPECT(rec.len == sizeof(process), "%zu bytes", rec.len);
	got = rec.data;
	EXPECT(got && le32toh(got->pid) == 7 && !got->oom_score_adj, "its fields");
	ghost_image_close(image);
	image_free(&raw);
}

/* The structure of a record with a name may grow, too: between structure and name. */
static void newer_named_record_keeps_its_name(void)
{
	struct {
		struct ghost_rec_file file;
		__le64 newer;
		char name[8];
	} rec = { .file.name_len = htole32(6), .name = "/a/b/c" };
	struct ghost_image *image;
	struct ghost_record got = { };
	struct image raw;
	char text[TEXT_SIZE];

	image_begin(&raw);
	image_record(&raw, GHOST_REC_FILE, 3, &rec, sizeof(rec));
	if (ghost_image_open_memory(&image, raw.buf, raw.len))
		abort();
	EXPECT(ghost_image_next(image, &got) == 1, "%s", ghost_image_error(image));
	EXPECT(got.len == sizeof(rec) - 8, "%zu bytes", got.len);
	EXPECT(got.data && !strcmp((const char *)got.data + sizeof(rec.file), "/a/b/c"), "name");
	ghost_image_close(image);
	image_free(&raw);
	rec.newer = htole64(1);
	EXPECT(verdict_of(GHOST_REC_FILE, 3, &rec, sizeof(rec), text) == -E2BIG, "%s", text);
}

static void lengths_beyond_the_record_are_refused(void)
{
	struct ghost_rec_file file = { .name_len = htole32(0x1000) };
	struct ghost_rec_cred cred = { .ngroups = htole32(0x40000001) };
	struct ghost_rec_fs fs = { .pwd_len = htole32(~0U), .root_len = htole32(~0U) };
	struct ghost_rec_vma vma = { .name_len = htole32(0xfffffff8) };
	char text[TEXT_SIZE];

	EXPECT(verdict_of(GHOST_REC_FILE, 1, &file, sizeof(file), text) == -EBADMSG, "%s", text);
	EXPECT(verdict_of(GHOST_REC_CRED, 0, &cred, sizeof(cred), text) == -EBADMSG, "%s", text);
	EXPECT(verdict_of(GHOST_REC_FS, 0, &fs, sizeof(fs), text) == -EBADMSG, "%s", text);
	EXPECT(verdict_of(GHOST_REC_VMA, 0, &vma, sizeof(vma), text) == -EBADMSG, "%s", text);
}

static void references_must_be_defined_once(void)
{
	struct ghost_rec_shm shm = { };
	struct ghost_rec_fd fd = { .file = htole32(5) };
	struct ghost_rec_mm mm = { .exe = htole32(5) };
	struct ghost_rec_vma vma = { .object = htole32(5) };
	struct image raw;
	char text[TEXT_SIZE];

	EXPECT(verdict_of(GHOST_REC_FD, 0, &fd, sizeof(fd), text) == -EBADMSG, "%s", text);
	EXPECT(verdict_of(GHOST_REC_MM, 0, &mm, sizeof(mm), text) == -EBADMSG, "%s", text);
	EXPECT(verdict_of(GHOST_REC_VMA, 0, &vma, sizeof(vma), text) == -EBADMSG, "%s", text);
	EXPECT(verdict_of(GHOST_REC_SHM, 0, &shm, sizeof(shm), text) == -EBADMSG, "%s", text);
	image_begin(&raw);
	image_record(&raw, GHOST_REC_SHM, 2, &shm, sizeof(shm));
	image_record(&raw, GHOST_REC_SHM, 1, &shm, sizeof(shm));
	image_record(&raw, GHOST_REC_SHM, 2, &shm, sizeof(shm));
	image_end(&raw);
	EXPECT(verdict(&raw, text) == -EBADMSG && strstr(text, "again"), "%s", text);
	image_free(&raw);
}

static void records_of_a_thread_need_one(void)
{
	struct ghost_rec_regs_x86 regs = { };
	static const __u64 run = 0x1000;
	struct image raw;
	char text[TEXT_SIZE];

	EXPECT(verdict_of(GHOST_REC_REGS_X86, 0, &regs, sizeof(regs), text) == -EBADMSG, "%s",
	       text);
	image_begin(&raw);
	image_pages(&raw, GHOST_REC_SHM_PAGES, &run, 1);
	image_end(&raw);
	EXPECT(verdict(&raw, text) == -EBADMSG, "%s", text);
	image_free(&raw);
}

static void odd_lengths_are_refused(void)
{
	struct ghost_rec_hdr *hdr;
	struct image raw;
	char text[TEXT_SIZE];

	image_begin(&raw);
	image_record(&raw, GHOST_REC_SHM, 1, "1234567", 7);
	EXPECT(verdict(&raw, text) == -EBADMSG && strstr(text, "length 7"), "%s", text);
	hdr = (void *)(raw.buf + sizeof(struct ghost_image_hdr));
	hdr->len = htole32(GHOST_REC_MAX_LEN + 8);
	EXPECT(verdict(&raw, text) == -EBADMSG && strstr(text, "length"), "%s", text);
	image_free(&raw);
}

static void wrong_totals_are_refused(void)
{
	struct image raw;
	char text[TEXT_SIZE];

	image_begin(&raw);
	raw.records = 1;
	image_end(&raw);
	EXPECT(verdict(&raw, text) == -EBADMSG && strstr(text, "1 records"), "%s", text);
	image_free(&raw);
}

static void misplaced_pages_are_refused(void)
{
	struct ghost_rec_pages *rec;
	static const __u64 run = 0x1000;
	struct image raw;
	char text[TEXT_SIZE];

	image_begin(&raw);
	image_pages(&raw, GHOST_REC_PAGES, &run, 1);
	rec = (void *)(raw.buf + sizeof(struct ghost_image_hdr) + sizeof(struct ghost_rec_hdr));
	rec->nr_pages = htole32(2);
	image_mend(&raw);
	EXPECT(verdict(&raw, text) == -EBADMSG, "nr_pages: %s", text);
	rec->nr_pages = htole32(1);
	rec->data = htole32(le32toh(rec->data) - 8);
	image_mend(&raw);
	EXPECT(verdict(&raw, text) == -EBADMSG, "data: %s", text);
	rec->data = htole32(0xfffffff8);
	image_mend(&raw);
	EXPECT(verdict(&raw, text) == -EBADMSG, "data: %s", text);
	rec->nr_runs = htole32(~0U);
	image_mend(&raw);
	EXPECT(verdict(&raw, text) == -EBADMSG, "nr_runs: %s", text);
	image_free(&raw);
}

static void needed_feature_is_refused(void)
{
	struct ghost_image_hdr *hdr;
	struct image raw;
	char text[TEXT_SIZE];

	image_begin(&raw);
	image_end(&raw);
	hdr = (void *)raw.buf;
	hdr->compat = htole64(1);
	image_mend(&raw);
	EXPECT(verdict(&raw, text) == 0, "compat: %s", text);
	hdr->incompat = htole64(4);
	image_mend(&raw);
	EXPECT(verdict(&raw, text) == -EOPNOTSUPP && strstr(text, "0x4"), "%s", text);
	image_free(&raw);
}

static void bytes_behind_the_end_are_not_read(void)
{
	struct image raw;
	unsigned int records;
	char text[TEXT_SIZE];

	image_build_whole(&raw);
	image_record(&raw, 200, 0, NULL, 0);
	EXPECT(read_memory(raw.buf, raw.len, &records, text) == 0, "%s", text);
	EXPECT(records == raw.records - 1, "%u records", records);
	image_free(&raw);
}

static void wrong_options_are_refused(void)
{
	struct {
		struct ghost_checkpoint_opts opts;
		long newer;
	} o = { .opts.size = sizeof(o) };
	struct ghost_restart_opts r = { .size = sizeof(r), .flags = 1U << 31 };
	char report[128];

	o.opts.report = report;
	o.opts.report_size = sizeof(report);
	o.newer = 1;
	EXPECT(ghost_check(getpid(), &o.opts) == -EINVAL, "newer options");
	o.newer = 0;
	o.opts.flags = 1U << 31;
	EXPECT(ghost_check(getpid(), &o.opts) == -EINVAL, "flags");
	o.opts.flags = GHOST_CHECKPOINT_KILL | GHOST_CHECKPOINT_STOP;
	EXPECT(ghost_check(getpid(), &o.opts) == -EINVAL, "both flags");
	o.opts.flags = 0;
	EXPECT(ghost_check(0, &o.opts) == -EINVAL && report[0], "no process");
	EXPECT(ghost_check(0x7fffffff, &o.opts) == -ESRCH && report[0], "%s", report);
	EXPECT(ghost_restart_fd(0, &r) == -EINVAL, "flags of a restart");
}

static void every_failure_has_a_report(void)
{
	char report[128] = "old";
	struct ghost_checkpoint_opts opts = {
		.size = sizeof(opts), .report = report, .report_size = sizeof(report),
	};
	struct ghost_restart_opts restart = {
		.size = sizeof(restart), .report = report, .report_size = sizeof(report),
	};

	EXPECT(ghost_checkpoint_path(getpid(), "/dev/null", &opts) == -EEXIST, "%s", report);
	EXPECT(strstr(report, "/dev/null: "), "%s", report);
	EXPECT(ghost_checkpoint_path(getpid(), "/nowhere/x", &opts) == -ENOENT, "%s", report);
	EXPECT(strstr(report, "/nowhere/x: "), "%s", report);
	EXPECT(ghost_restart_path("/nowhere/x", &restart) == -ENOENT, "%s", report);
	EXPECT(strstr(report, "/nowhere/x: "), "%s", report);
	EXPECT(ghost_restart_path("/nowhere/x", NULL) == -ENOENT, "without options");
}

/* A file system without nameless files: this stands before the C library's. */
static bool no_tmpfile;

int openat(int dirfd, const char *path, int flags, ...)
{
	va_list ap;
	int mode;

	if (no_tmpfile && (flags & O_TMPFILE) == O_TMPFILE) {
		errno = EOPNOTSUPP;
		return -1;
	}
	va_start(ap, flags);
	mode = va_arg(ap, int);
	va_end(ap);
	return syscall(SYS_openat, dirfd, path, flags, mode);
}

static int entries(const char *dir)
{
	struct dirent *entry;
	DIR *d = opendir(dir);
	int n = -2;			/* . and .. */

	if (!d)
		return -1;
	while ((entry = readdir(d)))
		n++;
	closedir(d);
	return n;
}

static bool holds(const char *path, const char *text)
{
	char buf[64] = "";
	FILE *f = fopen(path, "r");

	if (!f)
		return false;
	if (!fgets(buf, sizeof(buf), f))
		buf[0] = '\0';
	fclose(f);
	return !strcmp(buf, text);
}

static bool blocked(int sig)
{
	sigset_t now;

	return !pthread_sigmask(SIG_BLOCK, NULL, &now) && sigismember(&now, sig);
}

/* Write @text to @path; with @publish that is where it is then. */
static void put_file(const char *path, const char *text, bool publish)
{
	struct libghost_output out;
	char report[128] = "";
	int ret;

	ret = libghost_output_open(&out, path, report, sizeof(report));
	EXPECT(!ret, "%s", report);
	if (ret)
		return;
	EXPECT(blocked(SIGTERM) == no_tmpfile, "signals");
	EXPECT(write(out.fd, text, strlen(text)) == (ssize_t)strlen(text), "write");
	EXPECT(!holds(path, text), "%s is there too early", path);
	if (publish) {
		ret = libghost_output_publish(&out, 1, report, sizeof(report));
		EXPECT(!ret, "%s", report);
	}
	libghost_output_close(&out);
	EXPECT(!blocked(SIGTERM), "signals at the end");
}

static void put_files(void)
{
	char dir[] = "/tmp/ghost-XXXXXX", path[64], other[64];

	if (!mkdtemp(dir))
		abort();
	snprintf(path, sizeof(path), "%s/image", dir);
	snprintf(other, sizeof(other), "%s/other", dir);
	put_file(path, "one", false);
	EXPECT(entries(dir) == 0, "something is left");
	put_file(path, "two", true);
	EXPECT(entries(dir) == 1 && holds(path, "two"), "it is not there");
	put_file(path, "three", false);
	EXPECT(entries(dir) == 1 && holds(path, "two"), "it is not as before");
	put_file(path, "four", true);
	EXPECT(entries(dir) == 1 && holds(path, "four"), "it is not replaced");
	EXPECT(!symlink("image", other), "%s", strerror(errno));
	put_file(other, "five", true);
	EXPECT(entries(dir) == 2 && holds(path, "five"), "the link is not followed");
	unlink(other);
	unlink(path);
	EXPECT(!rmdir(dir), "%s", strerror(errno));
}

static void file_appears_when_complete(void)
{
	put_files();
}

static void file_appears_without_tmpfile(void)
{
	no_tmpfile = true;
	put_files();
	no_tmpfile = false;
}

static const struct {
	const char *name;
	void (*run)(void);
} all[] = {
	{ "A whole image is read to its end", whole_image_is_read },
	{ "An image is read from a pipe in small pieces", pipe_is_read },
	{ "Every truncation is reported", truncations_are_reported },
	{ "Every flipped byte is reported", flipped_bytes_are_reported },
	{ "Damage with right checksums is survived", mended_damage_is_survived },
	{ "Checksums by instruction, by table and by definition agree", checksums_agree },
	{ "An unknown kind of record is refused", unknown_kind_is_refused },
	{ "A newer tail is refused unless it is zero", newer_tail_is_refused_unless_zero },
	{ "A shorter record reads as zeros", shorter_record_reads_as_zeros },
	{ "A newer record keeps the name at its end", newer_named_record_keeps_its_name },
	{ "Lengths beyond the record are refused", lengths_beyond_the_record_are_refused },
	{ "References must be defined, and once", references_must_be_defined_once },
	{ "Records of a thread or of shared memory need one", records_of_a_thread_need_one },
	{ "Odd and excessive lengths are refused", odd_lengths_are_refused },
	{ "Wrong totals are refused", wrong_totals_are_refused },
	{ "Misplaced pages are refused", misplaced_pages_are_refused },
	{ "A needed feature is refused, another is not", needed_feature_is_refused },
	{ "Bytes behind the end are not read", bytes_behind_the_end_are_not_read },
	{ "Wrong options are refused", wrong_options_are_refused },
	{ "Every failure has a report", every_failure_has_a_report },
	{ "A file appears when it is complete, or not at all", file_appears_when_complete },
	{ "So it does where there are no nameless files", file_appears_without_tmpfile },
};

int main(void)
{
	size_t i;

	printf("TAP version 13\n1..%zu\n", ARRAY_SIZE(all));
	for (i = 0; i < ARRAY_SIZE(all); i++) {
		why[0] = '\0';
		all[i].run();
		if (why[0])
			printf("# %s\n", why);
		printf("%sok %u %s\n", why[0] ? "not " : "", ++tests, all[i].name);
		failures += !!why[0];
	}
	return failures ? 1 : 0;
}
