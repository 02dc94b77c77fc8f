/* SPDX-License-Identifier: MIT */
/* Weft's sorts: by digits where that is what a user would call, and for sort_stable by a
 * comparison, as the peers do. */
#include "../subject_sort.h"

#include <weft/sort.h>

#define WEFT_SORT_NAME numbers
#define WEFT_SORT_TYPE uint64_t
#define WEFT_SORT_LESS(a, b) (*(a) < *(b))
#include <weft/sort_tmpl.h>

#define WEFT_SORT_NAME items
#define WEFT_SORT_TYPE struct subject_item
#define WEFT_SORT_LESS(a, b) ((a)->key < (b)->key)
#include <weft/sort_tmpl.h>

static weft_par_opts opts;

static bool sort(const struct subject_sort *s, void *at)
{
	static const weft_sort_key key = { WEFT_KEY_U64, offsetof(struct subject_item, key) };

	switch (s->type) {
	case SUBJECT_U32: return weft_sort_u32(at, s->n, &opts) == 0;
	case SUBJECT_U64:
		return (s->stable ? numbers_sort_stable(at, s->n, NULL, &opts)
				  : weft_sort_u64(at, s->n, &opts)) == 0;
	case SUBJECT_F64: return weft_sort_f64(at, s->n, &opts) == 0;
	case SUBJECT_STRUCTS:
		return (s->stable ? items_sort_stable(at, s->n, NULL, &opts)
				  : weft_sort_by_key(at, s->n, 16, &key, &opts)) == 0;
	default: return weft_sort_strings(at, s->n, &opts) == 0;
	}
}

static bool compare(const struct subject_sort *s, void *at)
{
	if (s->type == SUBJECT_U64)
		return numbers_sort(at, s->n, NULL, &opts) == 0;
	return s->type == SUBJECT_STRUCTS && items_sort(at, s->n, NULL, &opts) == 0;
}

int main(int argc, char **argv)
{
	if (argc != 4)
		return subject_bad("usage: weft-sort sort|sort_stable|sort_compare CASE WORKERS");
	int err = weft_pool_new(&opts.pool, &(weft_pool_opts){ .workers = atoi(argv[3]) });

	if (err)
		return subject_bad("a pool of %s workers: %s", argv[3], strerror(-err));
	int rc = subject_sort_measure(argv[1], argv[2],
				      strcmp(argv[1], "sort_compare") == 0 ? compare : sort);

	weft_pool_free(opts.pool);
	return rc;
}
