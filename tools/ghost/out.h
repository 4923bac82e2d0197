/* SPDX-License-Identifier: GPL-2.0-only */
/* Values with names, as text for people or as JSON for programs */
#ifndef _GHOST_OUT_H
#define _GHOST_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <linux/types.h>
#include "compiler.h"

/**
 * struct out - where to and how
 * @file: stream
 * @json: JSON instead of text
 * @indent: columns before a line of text
 * @depth: how many objects and lists are open
 * @items: whether the innermost of them has got something already
 */
struct out {
	FILE *file;
	bool json;
	int indent;
	unsigned int depth;
	bool items;
};

/* A number and what it is called; a table ends with a name of NULL */
struct name {
	__u64 value;
	const char *name;
};

const char *name_of(const struct name *names, __u64 value);

/* Text is only printed as text, the structure only as JSON. */
__printf(2, 3)
void out_text(struct out *out, const char *fmt, ...);
void out_object(struct out *out, const char *name);
void out_list(struct out *out, const char *name);
void out_object_end(struct out *out);
void out_list_end(struct out *out);

/* One value; in a list @name is NULL. */
void out_bool(struct out *out, const char *name, bool value);
void out_dec(struct out *out, const char *name, __u64 value);
void out_signed(struct out *out, const char *name, __s64 value);
void out_hex(struct out *out, const char *name, __u64 value);
void out_octal(struct out *out, const char *name, __u64 value);
void out_string(struct out *out, const char *name, const char *s);
void out_bytes(struct out *out, const char *name, const void *bytes, size_t len);

/* A number that has a name; an unknown one is shown as a number. */
void out_enum(struct out *out, const char *name, const struct name *names, __u64 value);

/* The names of the bits that are set; unknown ones are shown as a number. */
void out_flags(struct out *out, const char *name, const struct name *names, __u64 value);

/* A set of which the members are numbered from @first on */
void out_set(struct out *out, const char *name, const struct name *names, __u64 bits,
	     unsigned int first);

/* Bytes of a name that is not to be trusted, without control characters */
void out_name_text(struct out *out, const char *s, size_t len);

#endif /* _GHOST_OUT_H */
