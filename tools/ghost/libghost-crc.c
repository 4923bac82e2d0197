// SPDX-License-Identifier: LGPL-2.1
/* CRC-32C (Castagnoli): by the processor's instruction, or 8 bytes at a time by table. */
#include <string.h>

#include "libghost-internal.h"

#define CRC32C_POLY	0x82f63b78U	/* reflected */

#if defined(__x86_64__) && defined(__GNUC__)

static int have_hardware(void)
{
	return __builtin_cpu_supports("sse4.2");
}

__attribute__((target("sse4.2")))
static uint32_t crc_hardware(uint32_t value, const unsigned char *p, size_t len)
{
	uint64_t v = value, word;

	for (; len >= 8; p += 8, len -= 8) {
		memcpy(&word, p, 8);
		v = __builtin_ia32_crc32di(v, word);
	}
	while (len--)
		v = __builtin_ia32_crc32qi(v, *p++);
	return v;
}

#else

static int have_hardware(void)
{
	return 0;
}

static uint32_t crc_hardware(uint32_t value, const unsigned char *p, size_t len)
{
	(void)p;
	(void)len;
	return value;
}

#endif

void libghost_crc_init(struct libghost_crc *crc)
{
	uint32_t i, bit, v;
	int slice;

	for (i = 0; i < 256; i++) {
		v = i;
		for (bit = 0; bit < 8; bit++)
			v = v & 1 ? v >> 1 ^ CRC32C_POLY : v >> 1;
		crc->table[0][i] = v;
	}
	for (slice = 1; slice < 8; slice++)
		for (i = 0; i < 256; i++) {
			v = crc->table[slice - 1][i];
			crc->table[slice][i] = v >> 8 ^ crc->table[0][v & 0xff];
		}
	crc->hardware = have_hardware();
}

static uint32_t crc_table(const struct libghost_crc *crc, uint32_t value,
			  const unsigned char *p, size_t len)
{
	uint32_t low, high;

	for (; len >= 8; p += 8, len -= 8) {
		memcpy(&low, p, 4);
		memcpy(&high, p + 4, 4);
		low = le32toh(low) ^ value;
		high = le32toh(high);
		value = crc->table[7][low & 0xff] ^ crc->table[6][low >> 8 & 0xff] ^
			crc->table[5][low >> 16 & 0xff] ^ crc->table[4][low >> 24] ^
			crc->table[3][high & 0xff] ^ crc->table[2][high >> 8 & 0xff] ^
			crc->table[1][high >> 16 & 0xff] ^ crc->table[0][high >> 24];
	}
	while (len--)
		value = value >> 8 ^ crc->table[0][(value ^ *p++) & 0xff];
	return value;
}

uint32_t libghost_crc32c(const struct libghost_crc *crc, uint32_t value,
			 const void *data, size_t len)
{
	if (crc->hardware)
		return crc_hardware(value, data, len);
	return crc_table(crc, value, data, len);
}
