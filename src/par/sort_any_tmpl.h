/* SPDX-License-Identifier: MIT */
/*
 * What sort_any.c can do with elements of ELEMENT bytes, which is defined before this is
 * included: the template's functions behind one call.
 */
#define J2(a, b) a##b
#define J1(a, b) J2(a, b)
#define T J1(element, ELEMENT)
#define FN(name) J1(J1(size, ELEMENT), name)

typedef struct __attribute__((may_alias)) {
	unsigned char bytes[ELEMENT];
} T;

#define WEFT_SORT_NAME J1(size, ELEMENT)
#define WEFT_SORT_TYPE T
#define WEFT_SORT_LESS(a, b) any_less(context, a, b, ELEMENT)
#include "weft/sort_tmpl.h"

static void FN(_partition_root)(weft_par par, void *arg)
{
	struct FN(_call) *c = arg;
	const T any = *c->a; /* a predicate has no pivot */

	c->n = FN(_split_together)(par, c->a, c->n, &any, false, &c->state);
}

static int FN(_do)(struct any *any, void *base, size_t n, const weft_par_opts *opts)
{
	struct FN(_call) c;
	int err;

	switch (any->what) {
	case ANY_SORT: return FN(_sort)(base, n, any, opts);
	case ANY_SORT_STABLE: return FN(_sort_stable)(base, n, any, opts);
	case ANY_NTH: return FN(_nth)(base, n, any->k, any, opts);
	case ANY_PARTIAL:
		err = any->k < n ? FN(_nth)(base, n, any->k, any, opts) : 0;
		return err ? err : FN(_sort)(base, any->k < n ? any->k : n, any, opts);
	case ANY_MERGE: FN(_merge)(base, any->a, any->a_n, any->b, any->b_n, any, opts); return 0;
	default:
		c = FN(_call_make)(base, n, any, opts);
		if (n > 0)
			weft_pool_run(opts ? opts->pool : NULL, FN(_partition_root), &c);
		any->k = c.n;
		return 0;
	}
}

#undef FN
#undef T
#undef J1
#undef J2
#undef ELEMENT
