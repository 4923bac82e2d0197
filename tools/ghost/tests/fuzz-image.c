// SPDX-License-Identifier: GPL-2.0-only
/*
 * The decoder against libFuzzer. Checksums are mended first: without that hardly any
 * input would get beyond them.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "build-image.h"
#include "show.h"

/* The name is libFuzzer's. */
int fuzz_one_input(const uint8_t *data, size_t size) __asm__("LLVMFuzzerTestOneInput");

static void show(const struct image *raw, bool json, FILE *file)
{
	struct out out = { .file = file, .json = json };
	struct ghost_image *image;

	if (ghost_image_open_memory(&image, raw->buf, raw->len))
		abort();
	show_image(&out, image, "fuzz", true);
	ghost_image_close(image);
}

int fuzz_one_input(const uint8_t *data, size_t size)
{
	static FILE *file;
	struct image raw = { .buf = malloc(size + 1), .len = size };

	if (!file)
		file = fopen("/dev/null", "w");
	if (!file || !raw.buf)
		abort();
	memcpy(raw.buf, data, size);
	image_mend(&raw);
	show(&raw, false, file);
	show(&raw, true, file);
	free(raw.buf);
	return 0;
}
