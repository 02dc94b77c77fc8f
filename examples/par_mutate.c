/* SPDX-License-Identifier: MIT */
/*
 * Parallel iterate and mutate: a picture, brightened in place row by row, then each pixel
 * by an expression that the compiler vectorises. The second needs no function for its
 * body: the header makes one.
 */
#include <stdio.h>
#include <stdlib.h>

#include <weft/par.h>

enum { WIDTH = 1920, HEIGHT = 1080 };

static void brighten_row(void *context, size_t row)
{
	unsigned char *pixels = (unsigned char *)context + row * WIDTH;

	for (size_t x = 0; x < WIDTH; x++)
		pixels[x] = (unsigned char)(pixels[x] < 235 ? pixels[x] + 20 : 255);
}

#define WEFT_FOR invert
#define WEFT_CONTEXT unsigned char
#define WEFT_EACH(pixels, i) (pixels)[i] = (unsigned char)(255 - (pixels)[i])
#include <weft/par_tmpl.h>

int main(void)
{
	unsigned char *pixels = calloc(WIDTH, HEIGHT);
	int wrong = 0;

	if (!pixels)
		return 1;
	weft_par_each(0, HEIGHT, brighten_row, pixels, NULL);
	invert(0, (size_t)WIDTH * HEIGHT, pixels, NULL);
	for (size_t i = 0; i < (size_t)WIDTH * HEIGHT; i++)
		wrong += pixels[i] != 235;
	printf("%d x %d pixels, %d of them wrong\n", WIDTH, HEIGHT, wrong);
	free(pixels);
	return wrong != 0;
}
