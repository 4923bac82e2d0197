// SPDX-License-Identifier: GPL-2.0-only
/*
 * Images for the tests, made without the library
 *
 * What is written here comes from the description of the format only, so that an
 * error of the library is not an error of its tests as well.
 */
#include <elf.h>
#include <endian.h>
#include <stdlib.h>
#include <string.h>
#include <linux/ghost_image.h>

#include "build-image.h"

#define PAGE_SHIFT	12
#define PAGE_SIZE	4096U

/* As RFC 3720 defines it, bit by bit */
__u32 slow_crc32c(__u32 crc, const void *data, size_t len)
{
	const unsigned char *p = data;
	int bit;

	while (len--) {
		crc ^= *p++;
		for (bit = 0; bit < 8; bit++)
			crc = crc & 1 ? crc >> 1 ^ 0x82f63b78 : crc >> 1;
	}
	return crc;
}

static unsigned char *extend(struct image *image, size_t len)
{
	unsigned char *p;

	if (image->len + len > image->size) {
		image->size = 2 * (image->len + len);
		image->buf = realloc(image->buf, image->size);
		if (!image->buf)
			abort();
	}
	p = image->buf + image->len;
	memset(p, 0, len);
	image->len += len;
	return p;
}

static void seal(unsigned char *p, size_t len, size_t at)
{
	__le32 crc = 0;

	memcpy(p + at, &crc, sizeof(crc));
	crc = htole32(~slow_crc32c(~0U, p, len));
	memcpy(p + at, &crc, sizeof(crc));
}

void image_begin(struct image *image)
{
	struct ghost_image_hdr hdr = {
		.hdr_len = htole32(sizeof(hdr)),
		.version = htole32(GHOST_IMAGE_VERSION),
		.machine = htole32(EM_X86_64),
		.page_shift = htole32(PAGE_SHIFT),
	};
	unsigned char *p;

	memset(image, 0, sizeof(*image));
	memcpy(hdr.magic, GHOST_IMAGE_MAGIC, sizeof(hdr.magic));
	p = extend(image, sizeof(hdr));
	memcpy(p, &hdr, sizeof(hdr));
	seal(p, sizeof(hdr), offsetof(struct ghost_image_hdr, crc));
}

void image_record(struct image *image, __u32 kind, __u32 ref, const void *data, size_t len)
{
	struct ghost_rec_hdr hdr = {
		.kind = htole32(kind), .len = htole32(len), .ref = htole32(ref),
	};
	unsigned char *p = extend(image, sizeof(hdr) + len);

	memcpy(p, &hdr, sizeof(hdr));
	if (len)
		memcpy(p + sizeof(hdr), data, len);
	seal(p, sizeof(hdr) + len, offsetof(struct ghost_rec_hdr, crc));
	image->records++;
}

void image_pages(struct image *image, __u32 kind, const __u64 *runs, unsigned int nr_runs)
{
	size_t start = image->len + sizeof(struct ghost_rec_hdr);
	size_t head = sizeof(struct ghost_rec_pages) + 8 * nr_runs;
	size_t data = ((start + head + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1UL)) - start;
	struct ghost_rec_pages *rec;
	size_t pages = 0;
	unsigned int i;

	for (i = 0; i < nr_runs; i++)
		pages += (runs[i] & GHOST_PAGES_NR_MASK) + 1;
	rec = calloc(1, data + pages * PAGE_SIZE);
	if (!rec)
		abort();
	rec->nr_runs = htole32(nr_runs);
	rec->nr_pages = htole32(pages);
	rec->data = htole32(data);
	for (i = 0; i < nr_runs; i++)
		rec->run[i] = htole64(runs[i]);
	memset((char *)rec + data, 0xa5, pages * PAGE_SIZE);
	image_record(image, kind, 0, rec, data + pages * PAGE_SIZE);
	image->pages += pages;
	free(rec);
}

void image_end(struct image *image)
{
	struct ghost_rec_end end = {
		.records = htole64(image->records), .pages = htole64(image->pages),
	};

	image_record(image, GHOST_REC_END, 0, &end, sizeof(end));
}

void image_free(struct image *image)
{
	free(image->buf);
	memset(image, 0, sizeof(*image));
}

void image_mend(struct image *image)
{
	struct ghost_rec_hdr hdr;
	size_t pos, len;

	if (image->len < sizeof(struct ghost_image_hdr))
		return;
	seal(image->buf, sizeof(struct ghost_image_hdr), offsetof(struct ghost_image_hdr, crc));
	pos = sizeof(struct ghost_image_hdr);
	while (image->len - pos >= sizeof(hdr)) {
		memcpy(&hdr, image->buf + pos, sizeof(hdr));
		len = sizeof(hdr) + le32toh(hdr.len);
		if (len > image->len - pos)
			return;
		seal(image->buf + pos, len, offsetof(struct ghost_rec_hdr, crc));
		pos += len;
	}
}

/* A structure with a name, or two, behind it; each padded to 8 */
static void named_record(struct image *image, __u32 kind, __u32 ref, const void *data, size_t len,
			 const char *name, const char *name2)
{
	size_t n = strlen(name), n2 = name2 ? strlen(name2) : 0;
	size_t pad = (n + 7) & ~7UL, pad2 = (n2 + 7) & ~7UL;
	char buf[1024] = "";

	memcpy(buf, data, len);
	memcpy(buf + len, name, n);
	if (name2)
		memcpy(buf + len + pad, name2, n2);
	image_record(image, kind, ref, buf, len + pad + pad2);
}

static void build_process(struct image *image)
{
	struct ghost_rec_machine_x86 machine = {
		.xfeatures = htole64(0x207), .xstate_size = htole32(832),
		.vdso_size = htole32(0x2000), .vdso_crc = htole32(0x12345678),
		.ncaps = htole32(2), .caps = { htole32(0x178bfbff), htole32(0x2fd3fbff) },
		.release = "6.12.0",
	};
	struct ghost_rec_process process = {
		.pid = htole32(4711), .nr_threads = htole32(1), .oom_score_adj = htole32(-500),
		.flags = htole32(GHOST_PROCESS_STOPPED), .stop_signal = htole32(19),
	};
	struct {
		struct ghost_rec_cred cred;
		__le32 group[4];
	} cred = {
		.cred = { .uid = htole32(1000), .euid = htole32(1000),
			  .cap_bset = htole64(0x1ffffffffff), .ngroups = htole32(3),
			  .flags = htole32(GHOST_CRED_NO_NEW_PRIVS) },
		.group = { htole32(1000), htole32(24), htole32(27) },
	};
	struct ghost_rec_rlimit rlimit;
	struct ghost_rec_sighand sighand = {
		.action[1] = { htole64(0x401000), htole64(0x14000000), htole64(0x402000),
			       htole64(0x4002) },
		.action[12] = { htole64(1) },
	};
	struct ghost_rec_siginfo queued = {
		.signo = htole32(34), .info = { 34, [8] = 0xff, 0xff, 0xff, 0xff,
		[16] = 0x67, 0x12, [20] = 0xe8, 0x03, [24] = 42 },
	};

	memset(&rlimit, 0xff, sizeof(rlimit));
	rlimit.limit[7].cur = htole64(1024);
	image_record(image, GHOST_REC_MACHINE, 0, &machine, sizeof(machine));
	image_record(image, GHOST_REC_PROCESS, 0, &process, sizeof(process));
	image_record(image, GHOST_REC_CRED, 0, &cred, sizeof(cred));
	image_record(image, GHOST_REC_RLIMIT, 0, &rlimit, sizeof(rlimit));
	image_record(image, GHOST_REC_SIGHAND, 0, &sighand, sizeof(sighand));
	image_record(image, GHOST_REC_SIGPENDING, 0, &queued, sizeof(queued));
}

static void build_file(struct image *image, __u32 ref, __u32 type, __u32 flags, const char *name)
{
	struct ghost_rec_file file = {
		.type = htole32(type), .flags = htole32(flags), .mode = htole32(0100644),
		.pos = htole64(77), .dev = htole64(0xfe01), .ino = htole64(131),
		.size = htole64(4096),
		.mtime_sec = htole64(1700000000), .use = htole32(GHOST_FILE_USE_FD),
		.name_len = htole32(strlen(name)),
	};

	if (type == GHOST_FILE_CHARDEV)
		file.rdev = htole64(0x103);
	named_record(image, GHOST_REC_FILE, ref, &file, sizeof(file), name, NULL);
}

static void build_fd(struct image *image, __u32 n, __u32 ref, __u32 flags)
{
	struct ghost_rec_fd fd = {
		.fd = htole32(n), .file = htole32(ref), .flags = htole32(flags),
	};

	image_record(image, GHOST_REC_FD, 0, &fd, sizeof(fd));
}

static void build_files(struct image *image)
{
	struct ghost_rec_fs fs = {
		.umask = htole32(022), .pwd_len = htole32(10), .root_len = htole32(1),
	};

	build_file(image, 1, GHOST_FILE_REGULAR, 0, "/usr/bin/python3.11");
	build_file(image, 2, GHOST_FILE_OUTSIDE, 2, "/dev/pts/0");
	build_file(image, 3, GHOST_FILE_CHARDEV, 02000001, "/dev/null");
	build_file(image, 4, GHOST_FILE_DIRECTORY, 0200000, "/tmp/\xff\x01\"\\ \xc3\xa4");
	build_fd(image, 0, 2, 0);
	build_fd(image, 1, 2, 0);
	build_fd(image, 5, 2, GHOST_FD_CLOEXEC);
	build_fd(image, 6, 3, 0);
	build_fd(image, 7, 4, 0);
	named_record(image, GHOST_REC_FS, 0, &fs, sizeof(fs), "/home/user", "/");
}

static void build_vma(struct image *image, __u64 start, __u64 end, __u64 flags, __u32 object,
		      const char *name)
{
	struct ghost_rec_vma vma = {
		.start = htole64(start), .end = htole64(end), .flags = htole64(flags),
		.object = htole32(object), .name_len = htole32(strlen(name)),
	};

	named_record(image, GHOST_REC_VMA, 0, &vma, sizeof(vma), name, NULL);
}

static void build_memory(struct image *image)
{
	static const __u64 shm_runs[] = { 0x1000 };
	static const __u64 runs[] = { 0x7f0000000000 | GHOST_PAGES_HUGE, 0x7f0000200000 | 1 };
	struct ghost_rec_shm shm = {
		.size = htole64(8192), .flags = htole64(GHOST_SHM_NORESERVE),
	};
	struct ghost_rec_mm mm = {
		.start_code = htole64(0x400000), .exe = htole32(1), .nr_auxv = htole32(4),
		.vdso = htole64(0x7ffff7fc1000), .personality = htole32(0x40000),
		.auxv = { htole64(6), htole64(4096), htole64(99), htole64(1) },
	};

	image_record(image, GHOST_REC_SHM, 9, &shm, sizeof(shm));
	image_pages(image, GHOST_REC_SHM_PAGES, shm_runs, 1);
	image_record(image, GHOST_REC_MM, 0, &mm, sizeof(mm));
	build_vma(image, 0x400000, 0x401000, GHOST_VMA_READ | GHOST_VMA_EXEC, 1, "");
	build_vma(image, 0x7f0000000000, 0x7f0000202000, GHOST_VMA_READ | GHOST_VMA_WRITE, 0,
		  "heap");
	build_vma(image, 0x7f1000000000, 0x7f1000002000, GHOST_VMA_READ | GHOST_VMA_SHARED, 9,
		  "");
	image_pages(image, GHOST_REC_PAGES, runs, 2);
}

static void build_thread(struct image *image)
{
	struct ghost_rec_thread thread = {
		.tid = htole32(4711), .flags = htole32(GHOST_THREAD_LEADER), .comm = "python3",
		.blocked = htole64(0x200000002), .nice = htole32(-5),
	};
	struct ghost_rec_regs_x86 regs = { .ip = htole64(0x401234), .orig_ax = htole64(230) };
	struct ghost_rec_restart restart = {
		.type = htole32(GHOST_RESTART_NANOSLEEP), .remaining = htole64(1500000000),
		.flags = htole32(GHOST_RESTART_TIMED), .clockid = htole32(1),
	};
	struct ghost_rec_siginfo pending = {
		.signo = htole32(10), .flags = htole32(GHOST_SIGINFO_NONE),
	};
	unsigned char xstate[832] = { 0x7f, 0x03, [24] = 0x80, 0x1f, [512] = 7 };

	image_record(image, GHOST_REC_THREAD, 0, &thread, sizeof(thread));
	image_record(image, GHOST_REC_REGS_X86, 0, &regs, sizeof(regs));
	image_record(image, GHOST_REC_XSTATE_X86, 0, xstate, sizeof(xstate));
	image_record(image, GHOST_REC_RESTART, 0, &restart, sizeof(restart));
	image_record(image, GHOST_REC_THREAD_SIGPENDING, 0, &pending, sizeof(pending));
}

void image_build_whole(struct image *image)
{
	image_begin(image);
	build_process(image);
	build_files(image);
	build_memory(image);
	build_thread(image);
	image_end(image);
}
