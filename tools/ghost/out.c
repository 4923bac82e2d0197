// SPDX-License-Identifier: GPL-2.0-only
/* Values with names, as text for people or as JSON for programs */
#include <stdarg.h>
#include <string.h>

#include "out.h"

#define TEXT_NAME	20

const char *name_of(const struct name *names, __u64 value)
{
	for (; names->name; names++)
		if (names->value == value)
			return names->name;
	return NULL;
}

void out_text(struct out *out, const char *fmt, ...)
{
	va_list ap;

	if (out->json)
		return;
	va_start(ap, fmt);
	vfprintf(out->file, fmt, ap);
	va_end(ap);
}

/*
 * Length of the UTF-8 character at the start of @s, 0 if there is none. Control
 * characters do not count as characters.
 */
static size_t utf8_len(const unsigned char *s, size_t len)
{
	unsigned int code, i, n;

	if (s[0] < 0x80)
		return s[0] >= 0x20 && s[0] != 0x7f;
	n = s[0] >= 0xf0 && s[0] < 0xf5 ? 4 : s[0] >= 0xe0 && s[0] < 0xf0 ? 3 :
	    s[0] >= 0xc2 && s[0] < 0xe0 ? 2 : 0;
	if (!n || n > len)
		return 0;
	code = s[0] & (0x7f >> n);
	for (i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (s[i] & 0x3f);
	}
	if ((n == 3 && code < 0x800) || (n == 4 && (code < 0x10000 || code > 0x10ffff)))
		return 0;
	return code < 0xa0 || (code >= 0xd800 && code < 0xe000) ? 0 : n;
}

static void put_escape(struct out *out, unsigned char c)
{
	if (!out->json)
		fprintf(out->file, "\\x%02x", c);
	else if (c < 0x80)
		fprintf(out->file, "\\u%04x", c);
	else
		/* No text at all: as Python's surrogateescape, so that it can be undone */
		fprintf(out->file, "\\udc%02x", c);
}

static void put_escaped(struct out *out, const void *bytes, size_t len)
{
	const unsigned char *s = bytes;
	size_t n;

	for (; len; s += n, len -= n) {
		n = utf8_len(s, len);
		if (!n) {
			put_escape(out, *s);
			n = 1;
			continue;
		}
		if (*s == '\\' || (out->json && *s == '"'))
			putc('\\', out->file);
		fwrite(s, 1, n, out->file);
	}
}

void out_name_text(struct out *out, const char *s, size_t len)
{
	if (!out->json)
		put_escaped(out, s, len);
}

static void put_quoted(struct out *out, const void *bytes, size_t len)
{
	putc('"', out->file);
	put_escaped(out, bytes, len);
	putc('"', out->file);
}

/* What stands before each value */
static void before(struct out *out, const char *name)
{
	if (out->json) {
		fprintf(out->file, "%s\n%*s", out->items ? "," : "", (int)out->depth, "");
		if (name) {
			put_quoted(out, name, strlen(name));
			fputs(": ", out->file);
		}
		out->items = true;
	} else if (name) {
		fprintf(out->file, "%*s%-*s ", out->indent, "", TEXT_NAME, name);
	}
}

static void after(struct out *out)
{
	if (!out->json)
		putc('\n', out->file);
}

static void open_level(struct out *out, const char *name, char bracket)
{
	if (!out->json)
		return;
	if (out->depth)
		before(out, name);
	putc(bracket, out->file);
	out->depth++;
	out->items = false;
}

static void close_level(struct out *out, char bracket)
{
	if (!out->json)
		return;
	out->depth--;
	if (out->items)
		fprintf(out->file, "\n%*s", (int)out->depth, "");
	putc(bracket, out->file);
	if (!out->depth)
		putc('\n', out->file);
	out->items = true;
}

void out_object(struct out *out, const char *name)
{
	open_level(out, name, '{');
}

void out_list(struct out *out, const char *name)
{
	open_level(out, name, '[');
}

void out_object_end(struct out *out)
{
	close_level(out, '}');
}

void out_list_end(struct out *out)
{
	close_level(out, ']');
}

void out_bool(struct out *out, const char *name, bool value)
{
	before(out, name);
	fputs(value ? "true" : "false", out->file);
	after(out);
}

void out_dec(struct out *out, const char *name, __u64 value)
{
	before(out, name);
	fprintf(out->file, "%llu", value);
	after(out);
}

void out_signed(struct out *out, const char *name, __s64 value)
{
	before(out, name);
	fprintf(out->file, "%lld", value);
	after(out);
}

/* JSON knows no hexadecimal numbers, and its readers none of 64 bits: these are strings. */
void out_hex(struct out *out, const char *name, __u64 value)
{
	before(out, name);
	fprintf(out->file, out->json ? "\"%#llx\"" : "%#llx", value);
	after(out);
}

void out_octal(struct out *out, const char *name, __u64 value)
{
	before(out, name);
	fprintf(out->file, out->json ? "\"%#llo\"" : "%#llo", value);
	after(out);
}

void out_bytes(struct out *out, const char *name, const void *bytes, size_t len)
{
	before(out, name);
	if (out->json)
		put_quoted(out, bytes, len);
	else
		put_escaped(out, bytes, len);
	after(out);
}

void out_string(struct out *out, const char *name, const char *s)
{
	out_bytes(out, name, s, strlen(s));
}

void out_enum(struct out *out, const char *name, const struct name *names, __u64 value)
{
	const char *known = name_of(names, value);

	if (known)
		out_string(out, name, known);
	else
		out_dec(out, name, value);
}

/* One member of a set */
static void put_member(struct out *out, const char *known, __u64 number, bool hex)
{
	char text[32];

	snprintf(text, sizeof(text), hex ? "%#llx" : "%llu", number);
	if (!known)
		known = text;
	if (out->json) {
		out_string(out, NULL, known);
		return;
	}
	if (out->items)
		putc(' ', out->file);
	fputs(known, out->file);
	out->items = true;
}

static void begin_members(struct out *out, const char *name)
{
	if (out->json) {
		out_list(out, name);
		return;
	}
	before(out, name);
	out->items = false;
}

static void end_members(struct out *out)
{
	if (out->json) {
		out_list_end(out);
		return;
	}
	if (!out->items)
		putc('-', out->file);
	after(out);
}

void out_flags(struct out *out, const char *name, const struct name *names, __u64 value)
{
	begin_members(out, name);
	for (; names->name; names++) {
		if (!names->value || (value & names->value) != names->value)
			continue;
		put_member(out, names->name, 0, true);
		value &= ~names->value;
	}
	if (value)
		put_member(out, NULL, value, true);
	end_members(out);
}

void out_set(struct out *out, const char *name, const struct name *names, __u64 bits,
	     unsigned int first)
{
	unsigned int i;

	begin_members(out, name);
	for (i = 0; i < 64; i++)
		if (bits & 1ULL << i)
			put_member(out, name_of(names, first + i), first + i, false);
	end_members(out);
}
