/* SPDX-License-Identifier: MIT */
/*
 * The ring of window.h. A power of two of slots, so that a number's slot is its
 * low bits.
 */
#include "window.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

int window_init(struct window *w, size_t count)
{
	size_t slots = 16;

	while (slots < count)
		slots *= 2;
	*w = (struct window){ .mask = slots - 1 };
	w->slots = calloc(slots, sizeof(*w->slots));
	return w->slots ? 0 : -ENOMEM;
}

void window_fini(struct window *w)
{
	free(w->slots);
	*w = (struct window){ 0 };
}

void window_put(struct window *w, uint64_t number, void *item)
{
	if (number < w->next || number - w->next > w->mask || w->slots[number & w->mask]) {
		fprintf(stderr,
			"weft: window_put: number %llu has no slot in the window at %llu\n",
			(unsigned long long)number, (unsigned long long)w->next);
		abort();
	}
	w->slots[number & w->mask] = item;
	if (number >= w->end)
		w->end = number + 1;
}

void *window_take(struct window *w)
{
	void **slot = &w->slots[w->next & w->mask];
	void *item = *slot;

	if (item) {
		*slot = NULL;
		w->next++;
	}
	return item;
}

void *window_skip(struct window *w)
{
	while (w->next < w->end) {
		void *item = window_take(w);

		if (item)
			return item;
		w->next++;
	}
	return NULL;
}
