// SPDX-License-Identifier: GPL-2.0-only
/*
 * Decoding images: the kinds of records
 *
 * Lengths and counts in a record have been checked by the library. All names
 * come from the image and may hold anything.
 */
#include <endian.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <linux/ghost_image.h>

#include "names.h"
#include "show.h"

enum format {
	DEC, SIGNED, HEX, OCTAL, ENUM, FLAGS, SIGSET, CAPS,
};

/* A number in a record; tables of them end with one that has no name */
struct field {
	const char *name;
	size_t offset;
	size_t size;
	enum format format;
	const struct name *names;
};

#define FIELD32(type, member, format, names) \
	{ #member, offsetof(struct type, member), sizeof(__le32), format, names }
#define FIELD64(type, member, format, names) \
	{ #member, offsetof(struct type, member), sizeof(__le64), format, names }

static __u64 get_field(const void *data, const struct field *f)
{
	const void *p = (const char *)data + f->offset;
	__le64 le64;
	__le32 le32;

	if (f->size == sizeof(le64)) {
		memcpy(&le64, p, sizeof(le64));
		return le64toh(le64);
	}
	memcpy(&le32, p, sizeof(le32));
	if (f->format == SIGNED)
		return (__s32)le32toh(le32);
	return le32toh(le32);
}

static void show_field(struct out *out, const char *name, enum format format,
		       const struct name *names, __u64 value)
{
	switch (format) {
	case DEC:
		out_dec(out, name, value);
		break;
	case SIGNED:
		out_signed(out, name, value);
		break;
	case HEX:
		out_hex(out, name, value);
		break;
	case OCTAL:
		out_octal(out, name, value);
		break;
	case ENUM:
		out_enum(out, name, names, value);
		break;
	case FLAGS:
		out_flags(out, name, names, value);
		break;
	case SIGSET:
		out_set(out, name, names_signal, value, 1);
		break;
	case CAPS:
		out_set(out, name, names_caps, value, 0);
		break;
	}
}

static void show_fields(struct out *out, const void *data, const struct field *f)
{
	for (; f->name; f++)
		show_field(out, f->name, f->format, f->names, get_field(data, f));
}

/* A text in a field of fixed size, which it may fill without NUL */
static void show_text(struct out *out, const char *name, const void *text, size_t size)
{
	out_bytes(out, name, text, strnlen(text, size));
}

/* Objects that mappings and descriptors refer to */
struct show_object {
	__u32 ref;
	__u32 type;			/* GHOST_FILE_*, 0: shared memory */
	__u64 dev;
	__u64 ino;
	__u64 size;
	__u32 name_len;
	char name[];
};

static int compare_objects(const void *a, const void *b)
{
	const struct show_object *x = a, *y = b;

	return x->ref < y->ref ? -1 : x->ref > y->ref;
}

static void remember(struct show *show, const struct show_object *o, const void *name)
{
	struct show_object *copy = malloc(sizeof(*copy) + o->name_len);

	if (!copy)		/* then it is shown by number */
		return;
	*copy = *o;
	memcpy(copy->name, name, o->name_len);
	if (!tsearch(copy, &show->objects, compare_objects))
		free(copy);
}

static const struct show_object *find_object(struct show *show, __u32 ref)
{
	struct show_object key = { .ref = ref };
	void *node = tfind(&key, &show->objects, compare_objects);

	return node ? *(struct show_object **)node : NULL;
}

void show_forget_objects(struct show *show)
{
	struct show_object *o;

	while (show->objects) {
		o = *(struct show_object **)show->objects;
		tdelete(o, &show->objects, compare_objects);
		free(o);
	}
}

static void text_object(struct show *show, __u32 ref)
{
	const struct show_object *o = find_object(show, ref);

	if (!ref)
		return;
	out_text(show->out, "%u ", ref);
	if (!o)
		return;
	if (!o->type)
		out_text(show->out, "shared memory of %llu bytes", o->size);
	else if (o->type == GHOST_FILE_OUTSIDE)
		out_text(show->out, "outside ");
	out_name_text(show->out, o->name, o->name_len);
}

static void json_object_name(struct show *show, __u32 ref)
{
	const struct show_object *o = find_object(show, ref);

	if (o && o->type)
		out_bytes(show->out, "name", o->name, o->name_len);
}

static void end_line(struct show *show)
{
	out_text(show->out, "\n");
}

static const struct field machine_fields[] = {
	FIELD64(ghost_rec_machine_x86, xfeatures, FLAGS, names_xfeatures),
	FIELD32(ghost_rec_machine_x86, xstate_size, DEC, NULL),
	FIELD32(ghost_rec_machine_x86, vdso_size, DEC, NULL),
	FIELD32(ghost_rec_machine_x86, vdso_crc, HEX, NULL),
	FIELD32(ghost_rec_machine_x86, ncaps, DEC, NULL),
	{ }
};

static void show_machine(struct show *show, const struct ghost_record *r)
{
	const struct ghost_rec_machine_x86 *rec = r->data;
	__u32 i, n = le32toh(rec->ncaps);

	end_line(show);
	show_text(show->out, "release", rec->release, sizeof(rec->release));
	show_fields(show->out, rec, machine_fields);
	if (n > GHOST_X86_CAP_WORDS)
		n = GHOST_X86_CAP_WORDS;
	out_text(show->out, "%*s%-20s", SHOW_INDENT, "", "caps");
	out_list(show->out, "caps");
	for (i = 0; i < n; i++) {
		out_text(show->out, " %08x", le32toh(rec->caps[i]));
		if (show->out->json)
			out_hex(show->out, NULL, le32toh(rec->caps[i]));
	}
	out_list_end(show->out);
	end_line(show);
}

static const struct field process_fields[] = {
	FIELD32(ghost_rec_process, pid, DEC, NULL),
	FIELD32(ghost_rec_process, nr_threads, DEC, NULL),
	FIELD32(ghost_rec_process, flags, FLAGS, names_process_flags),
	FIELD32(ghost_rec_process, stop_signal, ENUM, names_signal),
	FIELD32(ghost_rec_process, oom_score_adj, SIGNED, NULL),
	{ }
};

static void show_process(struct show *show, const struct ghost_record *r)
{
	end_line(show);
	show_fields(show->out, r->data, process_fields);
}

static const struct field cred_fields[] = {
	FIELD32(ghost_rec_cred, uid, DEC, NULL),
	FIELD32(ghost_rec_cred, euid, DEC, NULL),
	FIELD32(ghost_rec_cred, suid, DEC, NULL),
	FIELD32(ghost_rec_cred, fsuid, DEC, NULL),
	FIELD32(ghost_rec_cred, gid, DEC, NULL),
	FIELD32(ghost_rec_cred, egid, DEC, NULL),
	FIELD32(ghost_rec_cred, sgid, DEC, NULL),
	FIELD32(ghost_rec_cred, fsgid, DEC, NULL),
	FIELD64(ghost_rec_cred, cap_inheritable, CAPS, NULL),
	FIELD64(ghost_rec_cred, cap_permitted, CAPS, NULL),
	FIELD64(ghost_rec_cred, cap_effective, CAPS, NULL),
	FIELD64(ghost_rec_cred, cap_bset, CAPS, NULL),
	FIELD64(ghost_rec_cred, cap_ambient, CAPS, NULL),
	FIELD32(ghost_rec_cred, securebits, FLAGS, names_securebits),
	FIELD32(ghost_rec_cred, flags, FLAGS, names_cred_flags),
	{ }
};

static void show_cred(struct show *show, const struct ghost_record *r)
{
	const struct ghost_rec_cred *rec = r->data;
	const __le32 *group = (const void *)(rec + 1);
	__u32 i;

	end_line(show);
	show_fields(show->out, rec, cred_fields);
	out_text(show->out, "%*s%-20s", SHOW_INDENT, "", "groups");
	out_list(show->out, "groups");
	for (i = 0; i < le32toh(rec->ngroups); i++) {
		out_text(show->out, " %u", le32toh(group[i]));
		if (show->out->json)
			out_dec(show->out, NULL, le32toh(group[i]));
	}
	out_list_end(show->out);
	end_line(show);
}

static void show_limit(struct out *out, const char *name, __u64 value)
{
	if (value == ~0ULL)
		out_text(out, " %s", "unlimited");
	else
		out_text(out, " %llu", value);
	if (!out->json)
		return;
	if (value == ~0ULL)
		out_string(out, name, "unlimited");
	else
		out_dec(out, name, value);
}

static void show_rlimit(struct show *show, const struct ghost_record *r)
{
	const struct ghost_rec_rlimit *rec = r->data;
	int i;

	end_line(show);
	for (i = 0; i < GHOST_RLIMITS; i++) {
		out_text(show->out, "%*s%-20s", SHOW_INDENT, "", name_of(names_rlimit, i));
		out_object(show->out, name_of(names_rlimit, i));
		show_limit(show->out, "cur", le64toh(rec->limit[i].cur));
		show_limit(show->out, "max", le64toh(rec->limit[i].max));
		out_object_end(show->out);
		end_line(show);
	}
}

static void show_handler(struct out *out, __u64 handler)
{
	if (handler == 0)
		out_string(out, "handler", "default");
	else if (handler == 1)
		out_string(out, "handler", "ignore");
	else
		out_hex(out, "handler", handler);
}

/* Actions that are not the default ones */
static void show_sighand(struct show *show, const struct ghost_record *r)
{
	const struct ghost_rec_sighand *rec = r->data;
	__u64 handler, flags, mask;
	int i;

	end_line(show);
	out_list(show->out, "actions");
	for (i = 0; i < GHOST_NSIG; i++) {
		handler = le64toh(rec->action[i].handler);
		flags = le64toh(rec->action[i].flags);
		mask = le64toh(rec->action[i].mask);
		if (!handler && !flags && !mask && !rec->action[i].restorer)
			continue;
		out_object(show->out, NULL);
		out_enum(show->out, "signal", names_signal, i + 1);
		show_handler(show->out, handler);
		out_flags(show->out, "flags", names_sa_flags, flags);
		out_hex(show->out, "restorer", le64toh(rec->action[i].restorer));
		out_set(show->out, "mask", names_signal, mask, 1);
		out_object_end(show->out);
	}
	out_list_end(show->out);
}

static __u32 info32(const struct ghost_rec_siginfo *rec, size_t offset)
{
	__le32 v;

	memcpy(&v, rec->info + offset, sizeof(v));
	return le32toh(v);
}

static void show_siginfo(struct show *show, const struct ghost_record *r)
{
	const struct ghost_rec_siginfo *rec = r->data;
	__u32 code = info32(rec, 8);
	__le64 value;

	end_line(show);
	out_enum(show->out, "signo", names_signal, le32toh(rec->signo));
	out_flags(show->out, "flags", names_siginfo_flags, le32toh(rec->flags));
	if (le32toh(rec->flags) & GHOST_SIGINFO_NONE)
		return;
	out_enum(show->out, "si_signo", names_signal, info32(rec, 0));
	out_signed(show->out, "si_errno", (__s32)info32(rec, 4));
	if (name_of(names_si_code, code))
		out_enum(show->out, "si_code", names_si_code, code);
	else
		out_signed(show->out, "si_code", (__s32)code);
	/* Who sent it stands at the same place for all that a process sends. */
	if (code != 0 && (__s32)code > 0)
		return;
	out_dec(show->out, "si_pid", info32(rec, 16));
	out_dec(show->out, "si_uid", info32(rec, 20));
	memcpy(&value, rec->info + 24, sizeof(value));
	if (code)
		out_hex(show->out, "si_value", le64toh(value));
}

static const char *access_mode(__u32 flags)
{
	static const char * const modes[] = { "rdonly", "wronly", "rdwr", "ioctl-only" };

	return modes[flags & 3];
}

static const struct field file_fields[] = {
	FIELD32(ghost_rec_file, mode, OCTAL, NULL),
	FIELD64(ghost_rec_file, pos, SIGNED, NULL),
	FIELD64(ghost_rec_file, ino, DEC, NULL),
	FIELD64(ghost_rec_file, size, DEC, NULL),
	FIELD64(ghost_rec_file, mtime_sec, SIGNED, NULL),
	FIELD32(ghost_rec_file, mtime_nsec, DEC, NULL),
	FIELD32(ghost_rec_file, use, FLAGS, names_file_use),
	{ }
};

static void show_device(struct out *out, const char *name, __le64 dev)
{
	char text[32];

	snprintf(text, sizeof(text), "%u:%u", major(le64toh(dev)), minor(le64toh(dev)));
	out_string(out, name, text);
}

static void show_file(struct show *show, const struct ghost_record *r)
{
	const struct ghost_rec_file *rec = r->data;
	const char *name = (const char *)(rec + 1);
	struct show_object o = {
		.ref = r->ref,
		.type = le32toh(rec->type),
		.dev = le64toh(rec->dev),
		.ino = le64toh(rec->ino),
		.name_len = le32toh(rec->name_len),
	};

	remember(show, &o, name);
	out_text(show->out, "%u ", r->ref);
	out_name_text(show->out, name, o.name_len);
	end_line(show);
	out_enum(show->out, "type", names_file_type, o.type);
	if (show->out->json)
		out_bytes(show->out, "name", name, o.name_len);
	out_string(show->out, "access", access_mode(le32toh(rec->flags)));
	out_flags(show->out, "flags", names_open, le32toh(rec->flags) & ~3U);
	show_device(show->out, "dev", rec->dev);
	show_fields(show->out, rec, file_fields);
	if (rec->rdev)
		show_device(show->out, "rdev", rec->rdev);
}

static void show_fd(struct show *show, const struct ghost_record *r)
{
	const struct ghost_rec_fd *rec = r->data;
	__u32 flags = le32toh(rec->flags), ref = le32toh(rec->file);

	out_text(show->out, "%d -> ", (__s32)le32toh(rec->fd));
	text_object(show, ref);
	out_text(show->out, "%s\n", flags & GHOST_FD_CLOEXEC ? " cloexec" : "");
	if (!show->out->json)
		return;
	out_signed(show->out, "fd", (__s32)le32toh(rec->fd));
	out_dec(show->out, "file", ref);
	json_object_name(show, ref);
	out_flags(show->out, "flags", names_fd_flags, flags);
}

static void show_fs(struct show *show, const struct ghost_record *r)
{
	const struct ghost_rec_fs *rec = r->data;
	const char *pwd = (const char *)(rec + 1);
	__u32 pwd_len = le32toh(rec->pwd_len);
	const char *root = pwd + ((pwd_len + 7) & ~7U);

	end_line(show);
	out_octal(show->out, "umask", le32toh(rec->umask));
	out_bytes(show->out, "pwd", pwd, pwd_len);
	out_bytes(show->out, "root", root, le32toh(rec->root_len));
}

static void show_shm(struct show *show, const struct ghost_record *r)
{
	const struct ghost_rec_shm *rec = r->data;
	struct show_object o = { .ref = r->ref, .size = le64toh(rec->size) };
	__u64 flags = le64toh(rec->flags);

	remember(show, &o, "");
	out_text(show->out, "%u of %llu bytes%s\n", r->ref, o.size,
		 flags & GHOST_SHM_NORESERVE ? " noreserve" : "");
	if (show->out->json) {
		out_dec(show->out, "size", o.size);
		out_flags(show->out, "flags", names_shm_flags, flags);
	}
}

static const struct field mm_fields[] = {
	FIELD64(ghost_rec_mm, start_code, HEX, NULL),
	FIELD64(ghost_rec_mm, end_code, HEX, NULL),
	FIELD64(ghost_rec_mm, start_data, HEX, NULL),
	FIELD64(ghost_rec_mm, end_data, HEX, NULL),
	FIELD64(ghost_rec_mm, start_brk, HEX, NULL),
	FIELD64(ghost_rec_mm, brk, HEX, NULL),
	FIELD64(ghost_rec_mm, start_stack, HEX, NULL),
	FIELD64(ghost_rec_mm, mmap_base, HEX, NULL),
	FIELD64(ghost_rec_mm, arg_start, HEX, NULL),
	FIELD64(ghost_rec_mm, arg_end, HEX, NULL),
	FIELD64(ghost_rec_mm, env_start, HEX, NULL),
	FIELD64(ghost_rec_mm, env_end, HEX, NULL),
	FIELD64(ghost_rec_mm, vdso, HEX, NULL),
	FIELD32(ghost_rec_mm, exe, DEC, NULL),
	FIELD32(ghost_rec_mm, flags, FLAGS, names_mm_flags),
	FIELD32(ghost_rec_mm, dumpable, DEC, NULL),
	FIELD32(ghost_rec_mm, dump_filter, HEX, NULL),
	FIELD32(ghost_rec_mm, personality, FLAGS, names_personality),
	{ }
};

static void show_mm(struct show *show, const struct ghost_record *r)
{
	const struct ghost_rec_mm *rec = r->data;
	__u32 i, n = le32toh(rec->nr_auxv);

	end_line(show);
	show_fields(show->out, rec, mm_fields);
	if (n > GHOST_AUXV_WORDS)
		n = GHOST_AUXV_WORDS;
	out_list(show->out, "auxv");
	for (i = 0; i + 1 < n; i += 2) {
		out_object(show->out, NULL);
		out_enum(show->out, "auxv", names_auxv, le64toh(rec->auxv[i]));
		out_hex(show->out, "value", le64toh(rec->auxv[i + 1]));
		out_object_end(show->out);
	}
	out_list_end(show->out);
}

/* The flags that are not told by the four letters of /proc/PID/maps */
#define VMA_LETTERS	(GHOST_VMA_READ | GHOST_VMA_WRITE | GHOST_VMA_EXEC | GHOST_VMA_SHARED)
#define VMA_MAY		(GHOST_VMA_MAYREAD | GHOST_VMA_MAYWRITE | GHOST_VMA_MAYEXEC)

static void text_vma(struct show *show, const struct ghost_rec_vma *rec)
{
	const struct show_object *o = find_object(show, le32toh(rec->object));
	__u64 flags = le64toh(rec->flags), dev = o ? o->dev : 0;
	const struct name *n;

	out_text(show->out, "%08llx-%08llx %c%c%c%c %08llx %02x:%02x %llu ",
		 (__u64)le64toh(rec->start), (__u64)le64toh(rec->end),
		 flags & GHOST_VMA_READ ? 'r' : '-', flags & GHOST_VMA_WRITE ? 'w' : '-',
		 flags & GHOST_VMA_EXEC ? 'x' : '-', flags & GHOST_VMA_SHARED ? 's' : 'p',
		 (__u64)le64toh(rec->offset), major(dev), minor(dev), o ? o->ino : 0);
	if (o && !o->type)
		out_text(show->out, "[shm:%u]", o->ref);
	else if (o)
		out_name_text(show->out, o->name, o->name_len);
	else if (rec->name_len)
		out_text(show->out, "[anon:");
	out_name_text(show->out, (const char *)(rec + 1), le32toh(rec->name_len));
	if (!o && rec->name_len)
		out_text(show->out, "]");
	flags &= ~(VMA_LETTERS | VMA_MAY);
	for (n = names_vma; n->name; n++) {
		if (flags & n->value)
			out_text(show->out, " %s", n->name);
		flags &= ~n->value;
	}
	if (flags)
		out_text(show->out, " %#llx", flags);
	end_line(show);
}

static const struct field vma_fields[] = {
	FIELD64(ghost_rec_vma, start, HEX, NULL),
	FIELD64(ghost_rec_vma, end, HEX, NULL),
	FIELD64(ghost_rec_vma, flags, FLAGS, names_vma),
	FIELD64(ghost_rec_vma, offset, HEX, NULL),
	FIELD32(ghost_rec_vma, object, DEC, NULL),
	{ }
};

static void show_vma(struct show *show, const struct ghost_record *r)
{
	const struct ghost_rec_vma *rec = r->data;

	if (!show->out->json) {
		text_vma(show, rec);
		return;
	}
	show_fields(show->out, rec, vma_fields);
	json_object_name(show, le32toh(rec->object));
	if (rec->name_len)
		out_bytes(show->out, "anon_name", rec + 1, le32toh(rec->name_len));
}

static void show_run(struct show *show, __u64 run)
{
	__u64 start = run & GHOST_PAGES_ADDR_MASK;
	__u64 n = (run & GHOST_PAGES_NR_MASK) + 1;
	__u64 end = start + (n << show->page_shift);
	bool huge = run & GHOST_PAGES_HUGE;

	out_text(show->out, "%*s%012llx-%012llx %4llu%s\n", SHOW_INDENT, "", start, end, n,
		 huge ? " huge" : "");
	if (!show->out->json)
		return;
	out_object(show->out, NULL);
	out_hex(show->out, "start", start);
	out_dec(show->out, "pages", n);
	out_bool(show->out, "huge", huge);
	out_object_end(show->out);
}

static void show_runs(struct show *show, const __le64 *runs, __u32 nr_runs, __u32 nr_pages)
{
	__u64 run, low = ~0ULL, high = 0, end;
	__u32 i;

	for (i = 0; i < nr_runs; i++) {
		run = le64toh(runs[i]);
		end = (run & GHOST_PAGES_ADDR_MASK) +
		      (((run & GHOST_PAGES_NR_MASK) + 1) << show->page_shift);
		if ((run & GHOST_PAGES_ADDR_MASK) < low)
			low = run & GHOST_PAGES_ADDR_MASK;
		if (end > high)
			high = end;
	}
	out_text(show->out, "%u pages in %u runs, %llx-%llx\n",
		 nr_pages, nr_runs, low, high);
	if (show->out->json) {
		out_dec(show->out, "nr_pages", nr_pages);
		out_dec(show->out, "nr_runs", nr_runs);
		out_hex(show->out, "start", low);
		out_hex(show->out, "end", high);
	}
	if (!show->pages)
		return;
	out_list(show->out, "runs");
	for (i = 0; i < nr_runs; i++)
		show_run(show, le64toh(runs[i]));
	out_list_end(show->out);
}

static void show_pages(struct show *show, const struct ghost_record *r)
{
	const struct ghost_rec_pages *rec = r->data;

	if (show->out->json)
		out_dec(show->out, "data", le32toh(rec->data));
	show_runs(show, rec->run, le32toh(rec->nr_runs), le32toh(rec->nr_pages));
}

static void show_kept(struct show *show, const struct ghost_record *r)
{
	const struct ghost_rec_kept *rec = r->data;

	show_runs(show, rec->run, le32toh(rec->nr_runs), le32toh(rec->nr_pages));
}

static const struct field thread_fields[] = {
	FIELD32(ghost_rec_thread, tid, DEC, NULL),
	FIELD32(ghost_rec_thread, flags, FLAGS, names_thread_flags),
	FIELD64(ghost_rec_thread, blocked, SIGSET, NULL),
	FIELD64(ghost_rec_thread, saved_mask, SIGSET, NULL),
	FIELD64(ghost_rec_thread, altstack_sp, HEX, NULL),
	FIELD64(ghost_rec_thread, altstack_size, DEC, NULL),
	FIELD32(ghost_rec_thread, altstack_flags, FLAGS, names_ss_flags),
	FIELD64(ghost_rec_thread, rseq, HEX, NULL),
	FIELD32(ghost_rec_thread, rseq_len, DEC, NULL),
	FIELD32(ghost_rec_thread, rseq_sig, HEX, NULL),
	FIELD32(ghost_rec_thread, pdeath_signal, ENUM, names_signal),
	FIELD64(ghost_rec_thread, robust_list, HEX, NULL),
	FIELD64(ghost_rec_thread, clear_child_tid, HEX, NULL),
	FIELD64(ghost_rec_thread, timer_slack, DEC, NULL),
	FIELD64(ghost_rec_thread, default_timer_slack, DEC, NULL),
	FIELD32(ghost_rec_thread, nice, SIGNED, NULL),
	FIELD32(ghost_rec_thread, rt_priority, DEC, NULL),
	FIELD32(ghost_rec_thread, ioprio, HEX, NULL),
	{ }
};

#define POLICY_RESET_ON_FORK	0x40000000U

static void show_thread(struct show *show, const struct ghost_record *r)
{
	const struct ghost_rec_thread *rec = r->data;
	__u32 policy = le32toh(rec->policy);

	end_line(show);
	show_text(show->out, "comm", rec->comm, sizeof(rec->comm));
	show_fields(show->out, rec, thread_fields);
	out_enum(show->out, "policy", names_policy, policy & ~POLICY_RESET_ON_FORK);
	out_bool(show->out, "reset_on_fork", policy & POLICY_RESET_ON_FORK);
}

static const struct field regs_fields[] = {
	FIELD64(ghost_rec_regs_x86, r15, HEX, NULL),
	FIELD64(ghost_rec_regs_x86, r14, HEX, NULL),
	FIELD64(ghost_rec_regs_x86, r13, HEX, NULL),
	FIELD64(ghost_rec_regs_x86, r12, HEX, NULL),
	FIELD64(ghost_rec_regs_x86, bp, HEX, NULL),
	FIELD64(ghost_rec_regs_x86, bx, HEX, NULL),
	FIELD64(ghost_rec_regs_x86, r11, HEX, NULL),
	FIELD64(ghost_rec_regs_x86, r10, HEX, NULL),
	FIELD64(ghost_rec_regs_x86, r9, HEX, NULL),
	FIELD64(ghost_rec_regs_x86, r8, HEX, NULL),
	FIELD64(ghost_rec_regs_x86, ax, HEX, NULL),
	FIELD64(ghost_rec_regs_x86, cx, HEX, NULL),
	FIELD64(ghost_rec_regs_x86, dx, HEX, NULL),
	FIELD64(ghost_rec_regs_x86, si, HEX, NULL),
	FIELD64(ghost_rec_regs_x86, di, HEX, NULL),
	FIELD64(ghost_rec_regs_x86, orig_ax, SIGNED, NULL),
	FIELD64(ghost_rec_regs_x86, ip, HEX, NULL),
	FIELD64(ghost_rec_regs_x86, cs, HEX, NULL),
	FIELD64(ghost_rec_regs_x86, flags, HEX, NULL),
	FIELD64(ghost_rec_regs_x86, sp, HEX, NULL),
	FIELD64(ghost_rec_regs_x86, ss, HEX, NULL),
	FIELD64(ghost_rec_regs_x86, fs_base, HEX, NULL),
	FIELD64(ghost_rec_regs_x86, gs_base, HEX, NULL),
	FIELD64(ghost_rec_regs_x86, ds, HEX, NULL),
	FIELD64(ghost_rec_regs_x86, es, HEX, NULL),
	FIELD64(ghost_rec_regs_x86, fs, HEX, NULL),
	FIELD64(ghost_rec_regs_x86, gs, HEX, NULL),
	{ }
};

static void show_regs(struct show *show, const struct ghost_record *r)
{
	end_line(show);
	show_fields(show->out, r->data, regs_fields);
}

/* An XSAVE area: 512 bytes as FXSAVE writes them, then 64 bytes of header */
#define XSAVE_MXCSR	24
#define XSAVE_HEADER	512
#define XSAVE_EXTENDED	576

static void show_xstate(struct show *show, const struct ghost_record *r)
{
	const unsigned char *area = r->data;
	__le64 xfeatures;
	__le32 mxcsr;

	end_line(show);
	out_dec(show->out, "size", r->len);
	if (r->len < XSAVE_EXTENDED)
		return;
	memcpy(&xfeatures, area + XSAVE_HEADER, sizeof(xfeatures));
	memcpy(&mxcsr, area + XSAVE_MXCSR, sizeof(mxcsr));
	out_flags(show->out, "in_use", names_xfeatures, le64toh(xfeatures));
	out_hex(show->out, "fcw", area[0] | area[1] << 8);
	out_hex(show->out, "fsw", area[2] | area[3] << 8);
	out_hex(show->out, "mxcsr", le32toh(mxcsr));
}

static const struct field restart_fields[] = {
	FIELD32(ghost_rec_restart, type, ENUM, names_restart),
	FIELD32(ghost_rec_restart, flags, FLAGS, names_restart_flags),
	FIELD64(ghost_rec_restart, remaining, SIGNED, NULL),
	FIELD64(ghost_rec_restart, uaddr, HEX, NULL),
	FIELD64(ghost_rec_restart, uaddr2, HEX, NULL),
	FIELD32(ghost_rec_restart, val, DEC, NULL),
	FIELD32(ghost_rec_restart, bitset, HEX, NULL),
	FIELD32(ghost_rec_restart, clockid, ENUM, names_clock),
	FIELD32(ghost_rec_restart, nr, DEC, NULL),
	{ }
};

static void show_restart(struct show *show, const struct ghost_record *r)
{
	end_line(show);
	show_fields(show->out, r->data, restart_fields);
}

static const struct field end_fields[] = {
	FIELD64(ghost_rec_end, records, DEC, NULL),
	FIELD64(ghost_rec_end, pages, DEC, NULL),
	{ }
};

static void show_end(struct show *show, const struct ghost_record *r)
{
	end_line(show);
	show_fields(show->out, r->data, end_fields);
}

static const struct {
	__u32 kind;
	void (*show)(struct show *show, const struct ghost_record *r);
} kinds[] = {
	{ GHOST_REC_MACHINE, show_machine },
	{ GHOST_REC_PROCESS, show_process },
	{ GHOST_REC_CRED, show_cred },
	{ GHOST_REC_RLIMIT, show_rlimit },
	{ GHOST_REC_SIGHAND, show_sighand },
	{ GHOST_REC_SIGPENDING, show_siginfo },
	{ GHOST_REC_FILE, show_file },
	{ GHOST_REC_FD, show_fd },
	{ GHOST_REC_FS, show_fs },
	{ GHOST_REC_SHM, show_shm },
	{ GHOST_REC_SHM_PAGES, show_pages },
	{ GHOST_REC_MM, show_mm },
	{ GHOST_REC_VMA, show_vma },
	{ GHOST_REC_PAGES, show_pages },
	{ GHOST_REC_STAGED, show_pages },
	{ GHOST_REC_KEPT, show_kept },
	{ GHOST_REC_THREAD, show_thread },
	{ GHOST_REC_REGS_X86, show_regs },
	{ GHOST_REC_XSTATE_X86, show_xstate },
	{ GHOST_REC_RESTART, show_restart },
	{ GHOST_REC_THREAD_SIGPENDING, show_siginfo },
	{ GHOST_REC_END, show_end },
};

void show_record(struct show *show, const struct ghost_record *rec)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (kinds[i].kind == rec->kind) {
			kinds[i].show(show, rec);
			return;
		}
	}
	end_line(show);
}
