// SPDX-License-Identifier: GPL-2.0-only
/* Decoding images: one record after the other */
#include <endian.h>
#include <linux/ghost_image.h>

#include "names.h"
#include "show.h"

static void show_header(struct show *show, const struct ghost_image_hdr *hdr)
{
	struct out *out = show->out;
	__u32 machine = le32toh(hdr->machine);
	const char *name = name_of(names_machine, machine);

	show->page_shift = le32toh(hdr->page_shift);
	out_text(out, "%10d  %-17s version %u, machine %u (%s), page size %u, features %#llx\n",
		 0, "header", le32toh(hdr->version), machine, name ? name : "unknown",
		 1U << show->page_shift, (__u64)le64toh(hdr->compat));
	if (!out->json)
		return;
	out_object(out, "header");
	out_dec(out, "version", le32toh(hdr->version));
	out_enum(out, "machine", names_machine, machine);
	out_dec(out, "page_size", 1U << show->page_shift);
	out_hex(out, "incompat", le64toh(hdr->incompat));
	out_hex(out, "compat", le64toh(hdr->compat));
	out_object_end(out);
}

static void show_one(struct show *show, const struct ghost_record *rec)
{
	struct out *out = show->out;

	out_text(out, "%10llu  %-17s ", (unsigned long long)rec->offset,
		 ghost_kind_name(rec->kind));
	out_object(out, NULL);
	if (out->json) {
		out_dec(out, "offset", rec->offset);
		out_string(out, "kind", ghost_kind_name(rec->kind));
		if (rec->ref)
			out_dec(out, "ref", rec->ref);
	}
	show_record(show, rec);
	out_object_end(out);
}

static void show_verdict(struct out *out, struct ghost_image *image, int ret)
{
	if (!out->json)
		return;
	out_bool(out, "undamaged", !ret);
	if (!ret)
		return;
	out_object(out, "error");
	out_dec(out, "offset", ghost_image_offset(image));
	out_string(out, "text", ghost_image_error(image));
	out_object_end(out);
}

int show_image(struct out *out, struct ghost_image *image, const char *name, bool pages)
{
	struct show show = { .out = out, .pages = pages };
	const struct ghost_image_hdr *hdr;
	struct ghost_record rec;
	int ret;

	out->indent = SHOW_INDENT;
	out_object(out, NULL);
	if (out->json)
		out_string(out, "image", name);
	ret = ghost_image_header(image, &hdr);
	if (!ret) {
		show_header(&show, hdr);
		out_list(out, "records");
		while ((ret = ghost_image_next(image, &rec)) > 0)
			show_one(&show, &rec);
		out_list_end(out);
	}
	show_verdict(out, image, ret);
	out_object_end(out);
	show_forget_objects(&show);
	return ret;
}
