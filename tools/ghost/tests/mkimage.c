// SPDX-License-Identifier: GPL-2.0-only
/* Write an image with every kind of record to standard output. */
#include <stdio.h>

#include "build-image.h"

int main(void)
{
	struct image image;
	int ret;

	image_build_whole(&image);
	ret = fwrite(image.buf, 1, image.len, stdout) != image.len || fflush(stdout);
	image_free(&image);
	return ret;
}
