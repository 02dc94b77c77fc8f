/* SPDX-License-Identifier: MIT */
/* sort and sort_stable, for the programs in C and C++: "u64_1e7", "u64_1e6_few",
 * "structs_1e6". The same numbers, from SplitMix64, in every language; each sort is
 * checked for order and for a sum over all elements that does not depend on it. */
#ifndef BENCH_SUBJECT_SORT_H
#define BENCH_SUBJECT_SORT_H

#include "subject.h"

#ifdef __cplusplus
extern "C" {
#endif

struct subject_item {
	uint64_t key, value;
};

static inline uint64_t subject_mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

/* Number i of n, of what the case's name ends with. */
static inline uint64_t subject_sort_value(const char *shape, size_t i, size_t n)
{
	uint64_t x = subject_mix((i + 1) * UINT64_C(0x9e3779b97f4a7c15));

	if (strcmp(shape, "sorted") == 0)
		return i;
	if (strcmp(shape, "reversed") == 0)
		return n - i;
	if (strcmp(shape, "few") == 0)
		return subject_mix(x % 16);
	if (strcmp(shape, "zipf") == 0)
		return n / (x % n + 1);
	return x;
}

enum subject_sort_type { SUBJECT_U32, SUBJECT_U64, SUBJECT_F64, SUBJECT_STRUCTS, SUBJECT_STRINGS };

struct subject_sort {
	enum subject_sort_type type;
	size_t n;
	bool stable;
	char shape[16];
};

static inline bool subject_sort_parse(const char *bench, const char *name, struct subject_sort *s)
{
	static const char *const types[] = { "u32", "u64", "f64", "structs", "strings" };
	char type[16], count[16];
	int words;

	s->shape[0] = 0;
	words = sscanf(name, "%15[^_]_%15[^_]_%15s", type, count, s->shape);
	s->n = words >= 2 ? (size_t)strtod(count, NULL) : 0;
	s->stable = strcmp(bench, "sort_stable") == 0;
	for (int i = 0; i < 5; i++)
		if (words >= 2 && strcmp(type, types[i]) == 0) {
			s->type = (enum subject_sort_type)i;
			return s->n >= 2;
		}
	return false;
}

static inline size_t subject_sort_size(const struct subject_sort *s)
{
	return s->type == SUBJECT_U32 ? 4 : s->type == SUBJECT_STRUCTS ? 16 : 8;
}

#define SUBJECT_STRING 24

static inline void subject_sort_fill(const struct subject_sort *s, void *at, char *text)
{
	for (size_t i = 0; i < s->n; i++) {
		uint64_t x = subject_sort_value(s->shape, i, s->n);

		if (s->type == SUBJECT_U32) {
			((uint32_t *)at)[i] = s->shape[0] ? (uint32_t)x : (uint32_t)(x >> 32);
		} else if (s->type == SUBJECT_U64) {
			((uint64_t *)at)[i] = x;
		} else if (s->type == SUBJECT_F64) {
			((double *)at)[i] = (double)(int64_t)x / 3.0;
		} else if (s->type == SUBJECT_STRUCTS) {
			((struct subject_item *)at)[i].key = x;
			((struct subject_item *)at)[i].value = i;
		} else {
			snprintf(text + i * SUBJECT_STRING, SUBJECT_STRING, "%" PRIu64, x);
			((char **)at)[i] = text + i * SUBJECT_STRING;
		}
	}
}

/* Whether it is in order; *sum is over all elements. */
static inline bool subject_sort_check(const struct subject_sort *s, const void *at, uint64_t *sum)
{
	const struct subject_item *items = (const struct subject_item *)at;
	bool good = true;

	*sum = 0;
	for (size_t i = 0; i < s->n; i++) {
		size_t before = i ? i - 1 : 0;
		uint64_t bits = 0;

		if (s->type == SUBJECT_U32) {
			good &= ((const uint32_t *)at)[before] <= ((const uint32_t *)at)[i];
			bits = ((const uint32_t *)at)[i];
		} else if (s->type == SUBJECT_U64) {
			good &= ((const uint64_t *)at)[before] <= ((const uint64_t *)at)[i];
			bits = ((const uint64_t *)at)[i];
		} else if (s->type == SUBJECT_F64) {
			good &= ((const double *)at)[before] <= ((const double *)at)[i];
			memcpy(&bits, (const double *)at + i, 8);
		} else if (s->type == SUBJECT_STRUCTS) {
			good &= items[before].key <= items[i].key;
			good &= !s->stable || i == 0 || items[before].key < items[i].key ||
				items[before].value < items[i].value;
			bits = items[i].key + items[i].value;
		} else {
			char *const *strings = (char *const *)at;

			good &= strcmp(strings[before], strings[i]) <= 0;
			bits = strtoull(strings[i], NULL, 10);
		}
		*sum += subject_mix(bits);
	}
	return good;
}

/* Sorts; false if it could not. */
typedef bool (*subject_sort_fn)(const struct subject_sort *s, void *at);

static inline int subject_sort_measure(const char *bench, const char *name, subject_sort_fn sort)
{
	struct subject_sort s;
	size_t huge = (size_t)2 << 20;
	double took = 0.0;
	uint64_t want, got;
	int rounds = 0;

	if (!subject_sort_parse(bench, name, &s))
		return subject_bad("there is no case %s", name);
	size_t bytes = (s.n * subject_sort_size(&s) + huge - 1) / huge * huge;
	void *at = aligned_alloc(huge, bytes);
	char *text = s.type == SUBJECT_STRINGS ? (char *)malloc(s.n * SUBJECT_STRING) : NULL;

	if (!at || (s.type == SUBJECT_STRINGS && !text))
		return subject_bad("no memory for %s", name);
	madvise(at, bytes, MADV_HUGEPAGE);
	/* The first is the rehearsal. */
	for (int i = 0; took < SUBJECT_RUN_NS && i < 1000; i++) {
		subject_sort_fill(&s, at, text);
		if (i == 0)
			subject_sort_check(&s, at, &want);
		double start = subject_now_ns();

		if (!sort(&s, at))
			return subject_bad("%s failed", name);
		if (i > 0) {
			took += subject_now_ns() - start;
			rounds++;
		}
		if (i < 2 && (!subject_sort_check(&s, at, &got) || got != want))
			return subject_bad("%s of %s gave a wrong result", bench, name);
	}
	free(at);
	free(text);
	return subject_ok(took / ((double)s.n * rounds), "ns/element");
}

#ifdef __cplusplus
}
#endif

#endif
