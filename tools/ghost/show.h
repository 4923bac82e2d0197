/* SPDX-License-Identifier: GPL-2.0-only */
/* Decoding images for the reader's eyes */
#ifndef _GHOST_SHOW_H
#define _GHOST_SHOW_H

#include <stdbool.h>
#include "libghost.h"
#include "out.h"

#define SHOW_INDENT	12

/**
 * struct show - an image that is being shown
 * @out: where to
 * @page_shift: log2 of its page size
 * @pages: list all runs of pages
 * @objects: tree of struct show_object, by ref
 */
struct show {
	struct out *out;
	unsigned int page_shift;
	bool pages;
	void *objects;
};

/* All of @image. 0, or a negative errno if it is damaged; that is shown too. */
int show_image(struct out *out, struct ghost_image *image, const char *name, bool pages);

/* The contents of one record */
void show_record(struct show *show, const struct ghost_record *rec);

void show_forget_objects(struct show *show);

#endif /* _GHOST_SHOW_H */
