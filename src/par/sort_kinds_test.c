/* SPDX-License-Identifier: MIT */
/*
 * Goal: the sorts of every type of key and size of element, comparisons that answer
 * nonsense or answer to do harm, cancellation, and what else sort.h declares.
 * Method: as in sort_test.c.
 */
#include "par/sort_rig_test.h"

/* ---- other numbers --------------------------------------------------------------------- */

#define NUMBERS_CHECK(name, type)                                                   \
	do {                                                                        \
		static const size_t sizes[] = { 1, 2, 17, 100, 129, 5000, 300001 }; \
		for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {       \
			size_t n = sizes[i];                                        \
			type *at = malloc(n * sizeof(type));                        \
			uint64_t before = 0, after = 0;                             \
			fill_bytes(at, n * sizeof(type), i);                        \
			for (size_t k = 0; k < n; k++)                              \
				before += weft__rng_mix((uint64_t)at[k]);           \
			CHECK_EQ(weft_sort_##name(at, n, &opts), 0);                \
			for (size_t k = 0; k < n; k++) {                            \
				after += weft__rng_mix((uint64_t)at[k]);            \
				CHECK(k == 0 || at[k - 1] <= at[k]);                \
			}                                                           \
			CHECK_EQ(before, after);                                    \
			free(at);                                                   \
		}                                                                   \
	} while (0)

TEST(sort_of_integers_of_each_width_and_sign)
{
	weft_par_opts opts = { .pool = pool_of(2) };

	NUMBERS_CHECK(u8, uint8_t);
	NUMBERS_CHECK(i8, int8_t);
	NUMBERS_CHECK(u16, uint16_t);
	NUMBERS_CHECK(i16, int16_t);
	NUMBERS_CHECK(u32, uint32_t);
	NUMBERS_CHECK(i32, int32_t);
	NUMBERS_CHECK(u64, uint64_t);
	NUMBERS_CHECK(i64, int64_t);
	weft_pool_free(opts.pool);
}

static const double special[] = {
	-__builtin_nan(""), -__builtin_inf(), -1e300, -1.5, -1e-310, -0.0, 0.0, 1e-310, 1.0, 1e300,
	__builtin_inf(),    __builtin_nan("")
};
enum { SPECIAL = sizeof(special) / sizeof(*special) };

static void floats_check(size_t n, const weft_par_opts *opts)
{
	struct weft__rng rng = { n };
	double *d = malloc(n * sizeof(*d));
	float *f = malloc(n * sizeof(*f));
	size_t counts[SPECIAL] = { 0 }, i = 0, j = 0;

	for (size_t k = 0; k < n; k++) {
		size_t s = weft__rng_below(&rng, SPECIAL);

		d[k] = special[s];
		f[k] = (float)special[s];
		counts[s]++;
	}
	CHECK_EQ(weft_sort_f64(d, n, opts), 0);
	CHECK_EQ(weft_sort_f32(f, n, opts), 0);
	for (size_t s = 0; s < SPECIAL; s++)
		for (size_t k = 0; k < counts[s]; k++, i++)
			CHECK_MEM_EQ(&d[i], &special[s], sizeof(double));
	for (size_t s = 0; s < SPECIAL; s++)
		for (size_t k = 0; k < counts[s]; k++, j++) {
			float x = (float)special[s];

			/* 1e-310 is 0 as a float, with its sign. */
			CHECK(f[j] == x || (f[j] != f[j] && x != x));
			CHECK_EQ(!__builtin_signbit(f[j]), !__builtin_signbit(x));
		}
	free(d);
	free(f);
}

TEST(sort_of_floats_is_in_total_order)
{
	weft_par_opts opts = { .pool = pool_of(2) };

	for (size_t n = 1; n < 200; n += 7)
		floats_check(n, &opts);
	floats_check(200000, &opts);
	weft_pool_free(opts.pool);
}

/* ---- the leaves ------------------------------------------------------------------------ */

TEST(leaves_of_this_cpu_equal_plain_c)
{
	struct weft__leaves leaves = weft__leaves_find();
	struct weft__rng rng = { 1 };
	uint64_t from[WEFT__LEAF8_MOST + 1] = { 0 }, to[WEFT__LEAF8_MOST + 1] = { 0 };
	uint32_t from4[WEFT__LEAF4_MOST + 1] = { 0 }, to4[WEFT__LEAF4_MOST + 1] = { 0 };
	uint64_t sum = 0;

	if (!leaves.leaf8)
		SKIP("this CPU has no vector instructions that the sorts use");
	for (size_t n = 0; n <= WEFT__LEAF8_MOST; n++)
		for (int round = 0; round < 200; round++) {
			for (size_t i = 0; i < n; i++)
				from[i] = weft__rng_next(&rng) >> round % 63;
			to[n] = GUARD;
			leaves.leaf8(to, from, n, 0, 0);
			CHECK_EQ(to[n], GUARD);
			qsort(from, n, 8, compare_u64);
			CHECK_MEM_EQ(to, from, n * 8);
		}
	for (size_t n = 0; n <= WEFT__LEAF4_MOST; n++)
		for (int round = 0; round < 100; round++) {
			for (size_t i = 0; i < n; i++)
				from4[i] = (uint32_t)weft__rng_next(&rng) >> round % 31;
			to4[n] = 77;
			leaves.leaf4(to4, from4, n, 0, 0);
			CHECK_EQ(to4[n], 77);
			for (size_t i = 1; i < n; i++)
				CHECK_LE(to4[i - 1], to4[i]);
			for (size_t i = 0; i < n; i++)
				sum += weft__rng_mix(from4[i]) - weft__rng_mix(to4[i]);
			CHECK_EQ(sum, 0);
		}
}

/* ---- structs --------------------------------------------------------------------------- */

static void items_fill(char *at, size_t n, size_t size, size_t offset, uint32_t distinct)
{
	struct weft__rng rng = { n };

	memset(at, 0, n * size);
	for (size_t i = 0; i < n; i++) {
		int32_t key = (int32_t)weft__rng_below(&rng, distinct) - (int32_t)(distinct / 2);
		uint32_t serial = (uint32_t)i;

		memcpy(at + i * size + offset, &key, 4);
		memcpy(at + i * size + offset + 4, &serial, 4);
	}
}

static void items_check(const char *at, size_t n, size_t size, size_t offset, bool stable)
{
	uint64_t serials = 0;
	int32_t last = INT32_MIN;
	uint32_t last_serial = 0;

	for (size_t i = 0; i < n; i++) {
		uint32_t serial;
		int32_t key;

		memcpy(&key, at + i * size + offset, 4);
		memcpy(&serial, at + i * size + offset + 4, 4);
		CHECK_LE(last, key);
		CHECK(!stable || i == 0 || key > last || serial > last_serial);
		last = key;
		last_serial = serial;
		serials += weft__rng_mix(serial);
	}
	for (size_t i = 0; i < n; i++)
		serials -= weft__rng_mix(i);
	CHECK_EQ(serials, 0);
}

static int compare_items(void *context, const void *a, const void *b)
{
	size_t offset = *(size_t *)context;
	int32_t x, y;

	memcpy(&x, (const char *)a + offset, 4);
	memcpy(&y, (const char *)b + offset, 4);
	return x < y ? -1 : x > y;
}

static void structs_check(size_t size, size_t n, const weft_par_opts *opts)
{
	size_t offset = (size - 8) / 2;
	weft_sort_key key = { WEFT_KEY_I32, offset };
	char *at = malloc(n * size + 1);

	for (int way = 0; way < 4; way++) {
		items_fill(at, n, size, offset, n % 2 ? 100 : 1000000);
		CHECK_EQ(way == 0   ? weft_sort_by_key(at, n, size, &key, opts)
			 : way == 1 ? weft_sort_by_key_stable(at, n, size, &key, opts)
			 : way == 2 ? weft_sort(at, n, size, compare_items, &offset, opts)
				    : weft_sort_stable(at, n, size, compare_items, &offset, opts),
			 0);
		items_check(at, n, size, offset, way % 2);
	}
	free(at);
}

TEST(structs_of_any_size_are_sorted_and_the_stable_keep_their_order)
{
	static const size_t sizes[] = { 8, 9, 12, 16, 17, 24, 32, 48, 100, 256, 300 };
	weft_par_opts opts = { .pool = pool_of(3) };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		for (size_t n = 0; n < 60; n += 7)
			structs_check(sizes[i], n, &opts);
		structs_check(sizes[i], 1001, &opts);
		structs_check(sizes[i], 30000 + i % 2, &opts);
	}
	weft_pool_free(opts.pool);
}

TEST(sort_by_key_refuses_a_key_outside_of_the_element)
{
	uint64_t x[2] = { 2, 1 };

	CHECK_EQ(weft_sort_by_key(x, 2, 8, &(weft_sort_key){ WEFT_KEY_U32, 5 }, NULL), -EINVAL);
	CHECK_EQ(weft_sort_by_key(x, 2, 8, &(weft_sort_key){ WEFT_KEY_U8, 8 }, NULL), -EINVAL);
	CHECK_EQ(weft_sort_by_key(x, 2, 8, &(weft_sort_key){ (weft_key_type)77, 0 }, NULL),
		 -EINVAL);
	CHECK_EQ(weft_sort(x, 2, 0, compare, NULL, NULL), -EINVAL);
	CHECK_EQ(weft_nth(x, 2, 8, 2, compare, NULL, NULL), -EINVAL);
	CHECK_EQ(weft_shuffle(x, 2, 0, 1, NULL), -EINVAL);
	CHECK_EQ(x[0], 2);
}

/* ---- strings --------------------------------------------------------------------------- */

static int compare_strings(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void strings_check(size_t n, size_t length, unsigned letters, const weft_par_opts *opts)
{
	struct weft__rng rng = { n };
	char *text = malloc(n * (length + 1) + 1);
	const char **at = malloc((n + 1) * sizeof(*at)), **want = malloc((n + 1) * sizeof(*at));

	for (size_t i = 0; i < n; i++) {
		char *c = text + i * (length + 1);
		size_t end = length - weft__rng_below(&rng, (uint32_t)(length / 4 + 1));

		at[i] = want[i] = c;
		for (size_t k = 0; k < end; k++)
			*c++ = (char)(k < length / 2 ? 'a'
						     : 0xf0 + weft__rng_below(&rng, letters));
		*c = 0;
	}
	CHECK_EQ(weft_sort_strings(at, n, opts), 0);
	qsort(want, n, sizeof(*want), compare_strings);
	for (size_t i = 0; i < n; i++) {
		CHECK_STR_EQ(at[i], want[i]);
		CHECK(i == 0 || strcmp(at[i - 1], at[i]) != 0 || at[i - 1] < at[i]);
	}
	free(text);
	free(at);
	free(want);
}

TEST(sort_strings_agrees_with_strcmp)
{
	weft_par_opts opts = { .pool = pool_of(2) };

	for (size_t n = 0; n < 100; n += 9)
		strings_check(n, 3, 2, &opts);
	strings_check(1000, 0, 1, &opts);
	strings_check(1000, 8, 1, &opts);
	strings_check(1000, 50, 2, &opts);
	strings_check(30000, 12, 3, &opts);
	/* Equal for long: must not recurse by the length. */
	strings_check(50, 200000, 1, &opts);
	weft_pool_free(opts.pool);
}

/* ---- comparisons that answer nonsense -------------------------------------------------- */

static weft_atomic_u64 nonsense;

static int compare_nonsense(void *context, const void *a, const void *b)
{
	int way = *(int *)context;

	(void)a;
	(void)b;
	if (way == 0)
		return (int)(weft__rng_mix(weft_add_relaxed(&nonsense, 1)) % 3) - 1;
	if (way == 1)
		return -1;
	if (way == 2)
		return 1;
	/* Rock, paper, scissors. */
	uint64_t x, y;

	memcpy(&x, a, 8);
	memcpy(&y, b, 8);
	return (int)((x % 3 + 3 - y % 3) % 3 == 2) - (int)((x % 3 + 3 - y % 3) % 3 == 1);
}

TEST(sorts_with_an_inconsistent_comparison_keep_all_elements)
{
	static const size_t sizes[] = { 2, 3, 19, 50, 1000, 9000, 20001, 150000 };
	weft_par_opts opts = { .pool = pool_of(2) };

	for (int way = 0; way < 4; way++)
		for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
			for (int stable = 0; stable < 3; stable++) {
				struct array a = array_new(RANDOM, sizes[i], 5);
				uint64_t want = hash_all(a.at, a.n);
				int err = stable == 0 ? weft_sort(a.at, a.n, 8, compare_nonsense,
								  &way, &opts)
					  : stable == 1
						  ? weft_sort_stable(a.at, a.n, 8,
								     compare_nonsense, &way, &opts)
						  : weft_nth(a.at, a.n, 8, a.n / 2,
							     compare_nonsense, &way, &opts);

				CHECK_EQ(err, 0);
				CHECK_EQ(hash_all(a.at, a.n), want);
				array_free(&a);
			}
	weft_pool_free(opts.pool);
}

/* An adversary that decides what the values are as it is asked (McIlroy, "A killer
 * adversary for quicksort", 1999). */
static struct {
	uint64_t *values, solid, candidate, asked;
	uint64_t gas;
} foe;

static int compare_foe(void *context, const void *a, const void *b)
{
	uint64_t x, y;

	(void)context;
	memcpy(&x, a, 8);
	memcpy(&y, b, 8);
	foe.asked++;
	if (foe.values[x] == foe.gas && foe.values[y] == foe.gas)
		foe.values[x == foe.candidate ? x : y] = foe.solid++;
	if (foe.values[x] == foe.gas)
		foe.candidate = x;
	else if (foe.values[y] == foe.gas)
		foe.candidate = y;
	return foe.values[x] < foe.values[y] ? -1 : foe.values[x] > foe.values[y];
}

TEST(sort_asks_n_log_n_questions_of_an_adversary)
{
	enum { N = 8000 };
	static uint64_t at[N], values[N];
	weft_par_opts opts = { .pool = pool_of(1) };

	foe.values = values;
	foe.gas = N;
	for (size_t i = 0; i < N; i++) {
		at[i] = i;
		values[i] = N;
	}
	/* Not so that it seems sorted. */
	at[0] = 1;
	at[1] = 0;
	CHECK_EQ(weft_sort(at, N, 8, compare_foe, NULL, &opts), 0);
	CHECK_LT(foe.asked, (uint64_t)N * 13 * 6);
	weft_pool_free(opts.pool);
}

/* ---- cancellation ---------------------------------------------------------------------- */

static void cancelled_check(sort_fn sort, const weft_par_opts *opts)
{
	struct array a = array_new(RANDOM, 200000, 5);
	uint64_t want = hash_all(a.at, a.n);
	weft_token token, *before;

	weft_token_init(&token, NULL);
	before = weft_ambient_set(&token);
	weft_token_cancel(&token);
	CHECK_EQ(sort(a.at, a.n, opts), -ECANCELED);
	CHECK_EQ(hash_all(a.at, a.n), want);
	weft_ambient_set(before);
	CHECK_EQ(sort(a.at, a.n, opts), 0);
	CHECK_EQ(hash_all(a.at, a.n), want);
	weft_token_fini(&token);
	array_free(&a);
}

TEST(sorts_in_a_cancelled_scope_leave_all_elements)
{
	weft_par_opts opts = { .pool = pool_of(2) };

	cancelled_check(weft_sort_u64, &opts);
	cancelled_check(by_compare, &opts);
	cancelled_check(by_compare_stable, &opts);
	cancelled_check(by_cached_key, &opts);
	weft_pool_free(opts.pool);
}

/* Cancelled by the comparison itself, in the midst of the work. */
struct canceller {
	weft_token *token;
	weft_atomic_u64 left;
};

static int compare_then_cancel(void *context, const void *a, const void *b)
{
	struct canceller *c = context;

	if (weft_add_relaxed(&c->left, 1) == 300000)
		weft_token_cancel(c->token);
	return compare_u64(a, b);
}

TEST(sort_cancelled_midway_leaves_all_elements)
{
	weft_par_opts opts = { .pool = pool_of(2) };

	for (int stable = 0; stable < 2; stable++) {
		struct array a = array_new(RANDOM, 200000, 5);
		uint64_t want = hash_all(a.at, a.n);
		weft_token token, *before;
		struct canceller c = { &token, { 0 } };

		weft_token_init(&token, NULL);
		before = weft_ambient_set(&token);
		CHECK_EQ((stable ? weft_sort_stable : weft_sort)(a.at, a.n, 8, compare_then_cancel,
								 &c, &opts),
			 -ECANCELED);
		weft_ambient_set(before);
		weft_token_fini(&token);
		CHECK_EQ(hash_all(a.at, a.n), want);
		array_free(&a);
	}
	weft_pool_free(opts.pool);
}

/* ---- from a job ------------------------------------------------------------------------ */

static void sort_in_job(weft_par par, void *arg)
{
	(void)par;
	sort_check(weft_sort_u64, NULL, RANDOM, 300000);
	sort_check(by_compare_stable, arg, RANDOM, 100000);
}

TEST(sorts_run_inside_of_a_job)
{
	weft_par_opts opts = { .pool = pool_of(2) };

	weft_pool_run(opts.pool, sort_in_job, &opts);
	weft_pool_free(opts.pool);
}
