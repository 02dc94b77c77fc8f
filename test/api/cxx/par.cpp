// SPDX-License-Identifier: MIT
/* The parallel verbs from C++: templates of expressions, and bodies that are lambdas. */
#include <weft.h>

#include <cstdio>

struct arrays {
	const long *x;
	long *y;
};

#define WEFT_REDUCE sum
#define WEFT_CONTEXT const struct arrays
#define WEFT_T long
#define WEFT_IDENTITY 0
#define WEFT_ITEM(a, i) ((a)->x[i])
#define WEFT_COMBINE(a, b) ((a) + (b))
#define WEFT_COMMUTES
#include <weft/par_tmpl.h>

#define WEFT_SCAN running
#define WEFT_CONTEXT struct arrays
#define WEFT_T long
#define WEFT_IDENTITY 0
#define WEFT_ITEM(a, i) ((a)->x[i])
#define WEFT_COMBINE(a, b) ((a) + (b))
#define WEFT_STORE(a, i, value) (a)->y[i] = (value)
#include <weft/par_tmpl.h>

#define WEFT_FILTER odd
#define WEFT_CONTEXT struct arrays
#define WEFT_TEST(a, i) ((a)->x[i] % 2 != 0)
#define WEFT_KEEP(a, k, i) (a)->y[k] = (a)->x[i]
#include <weft/par_tmpl.h>

#define WEFT_FIND last_of
#define WEFT_CONTEXT const struct arrays
#define WEFT_TEST(a, i) ((a)->x[i] == 1000)
#include <weft/par_tmpl.h>

#define WEFT_BEST largest
#define WEFT_CONTEXT const struct arrays
#define WEFT_T long
#define WEFT_KEY(a, i) ((a)->x[i])
#define WEFT_BETTER(a, b) ((a) > (b))
#include <weft/par_tmpl.h>

#define WEFT_FOR fill
#define WEFT_CONTEXT long
#define WEFT_EACH(x, i) (x)[i] = static_cast<long>(i) + 1
#include <weft/par_tmpl.h>

int main()
{
	static long x[1000], y[1000];
	arrays a = { x, y };
	long by_lambda = 0;
	weft_par_opts alone = weft_par_opts();

	fill(0, 1000, x, nullptr);
	std::printf("%ld\n", sum(0, 1000, &a, nullptr));
	std::printf("%ld\n", running(0, 1000, &a, nullptr));
	alone.grain = 1000;
	weft_par_each(
		0, 1000, [](void *total, size_t i) { *static_cast<long *>(total) += x[i]; },
		&by_lambda, &alone);
	std::printf("%ld\n", by_lambda);
	return !(odd(0, 1000, &a, nullptr) == 500 && last_of_last(0, 1000, &a, nullptr) == 999 &&
		 last_of_count(0, 1000, &a, nullptr) == 1 && largest(0, 1000, &a, nullptr) == 999);
}
