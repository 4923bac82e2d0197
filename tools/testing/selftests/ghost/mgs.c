// SPDX-License-Identifier: GPL-2.0
/*
 * Modified Gram-Schmidt: make an orthonormal basis of the columns of a matrix
 *
 * The program with which the papers measured process virtualization; an ordinary one, it
 * knows nothing of ghost. Same size, same result, to the last bit.
 *
 *	mgs [-p] SIZE
 *
 * Prints a checksum of the basis. -p: also progress, on standard error.
 */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t checksum(const double *v, size_t n, uint64_t sum)
{
	uint64_t bits;
	size_t i;

	/* FNV-1a, by words */
	for (i = 0; i < n; i++) {
		memcpy(&bits, &v[i], sizeof(bits));
		sum = (sum ^ bits) * 0x100000001b3ULL;
	}
	return sum;
}

static double dot(const double *a, const double *b, size_t n)
{
	double sum = 0;
	size_t i;

	for (i = 0; i < n; i++)
		sum += a[i] * b[i];
	return sum;
}

/* Farthest from what an orthonormal basis has: zeros, and ones on the diagonal */
static double error_of(const double *q, size_t n)
{
	double worst = 0, d;
	size_t i, j;

	for (i = 0; i < n; i += n / 16 + 1) {
		for (j = 0; j < n; j++) {
			d = fabs(dot(q + i * n, q + j * n, n) - (i == j));
			if (d > worst)
				worst = d;
		}
	}
	return worst;
}

int main(int argc, char **argv)
{
	int progress = argc > 1 && !strcmp(argv[1], "-p");
	size_t n = argc > 1 + progress ? strtoul(argv[1 + progress], NULL, 0) : 0;
	uint64_t random = 42, sum = 0xcbf29ce484222325ULL;
	size_t i, j, k;
	double *q, r;

	if (!n || n > 32768) {
		fprintf(stderr, "usage: %s [-p] SIZE\n", argv[0]);
		return 2;
	}
	/* Column after column */
	q = malloc(n * n * sizeof(*q));
	if (!q) {
		perror("mgs");
		return 1;
	}
	for (i = 0; i < n * n; i++) {
		random = random * 6364136223846793005ULL + 1442695040888963407ULL;
		q[i] = (double)(random >> 11) / (1ULL << 53) - 0.5;
	}
	for (k = 0; k < n; k++) {
		r = 1 / sqrt(dot(q + k * n, q + k * n, n));
		for (i = 0; i < n; i++)
			q[k * n + i] *= r;
		for (j = k + 1; j < n; j++) {
			r = dot(q + k * n, q + j * n, n);
			for (i = 0; i < n; i++)
				q[j * n + i] -= r * q[k * n + i];
		}
		if (progress && (k * 20 / n != (k + 1) * 20 / n))
			fprintf(stderr, "mgs %zu: %zu%%\n", n, (k + 1) * 100 / n);
	}
	sum = checksum(q, n * n, sum);
	printf("mgs %zu: checksum %016lx, error %.1e\n", n, sum, error_of(q, n));
	free(q);
	return 0;
}
