/* SPDX-License-Identifier: MIT */
/* Trees of work, for subjects in C and C++: the bench "trees". The rules of the comparison
 * are these nodes: which children a node has, and what a leaf does. Who includes this has
 * defined, before,
 *
 *	struct tree_node;                             declared by tree_place, below
 *	TREE_CONTEXT                                  what is passed down: a type
 *	static void tree_children(TREE_CONTEXT context, struct tree_node *nodes, int count);
 *
 * which has tree_run(context, &nodes[i]) called for each, possibly at the same time, and
 * returns when all have ended. bench/peers/rust/rayon has the same in Rust.
 *
 * The two unbalanced trees are those of UTS (Olivier et al., 2006), geometric as its T1
 * and binomial as its T3, but with another hash than SHA-1: a node costs some nanoseconds
 * here, so that the pool is measured and not the hash. */
#ifndef BENCH_TREES_H
#define BENCH_TREES_H

#include "subject.h"

#include <math.h>

enum tree_kind {
	TREE_QUEENS,
	TREE_GEOMETRIC,
	TREE_BINOMIAL,
	TREE_SORT,
	TREE_MATRIX,
	TREE_JULIA,
	TREE_UNEQUAL
};

struct tree_node {
	enum tree_kind kind;
	int depth, row;              /* below the root; of the board, of the picture */
	uint32_t taken, left, right; /* columns and diagonals of queens */
	uint64_t state;              /* of a node of an unbalanced tree */
	uint64_t *low, *high;        /* to be sorted */
	const double *a, *b;         /* blocks of matrices */
	double *c;
	int size;
	uint64_t result;
};

enum { TREE_QUEENS_N = 12, TREE_MATRIX_N = 512, TREE_JULIA_N = 512, TREE_UNEQUAL_N = 300 };

static void tree_run(TREE_CONTEXT context, struct tree_node *n);
static void tree_children(TREE_CONTEXT context, struct tree_node *nodes, int count);

static inline uint64_t tree_mix(uint64_t x)
{
	x += UINT64_C(0x9e3779b97f4a7c15);
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

static inline double tree_unit(uint64_t x)
{
	return (double)(tree_mix(x) >> 11) / 9007199254740992.0;
}

/* Solutions of the queens' problem; every node forks. */
static void tree_queens(TREE_CONTEXT context, struct tree_node *n)
{
	uint32_t all = (1u << TREE_QUEENS_N) - 1, free = all & ~(n->taken | n->left | n->right);
	struct tree_node next[TREE_QUEENS_N];
	int count = 0;

	n->result = n->depth == TREE_QUEENS_N;
	for (; free && n->depth < TREE_QUEENS_N; free &= free - 1) {
		uint32_t bit = free & (0 - free);
		struct tree_node *c = &next[count++];

		c->kind = n->kind;
		c->depth = n->depth + 1;
		c->taken = n->taken | bit;
		c->left = (n->left | bit) << 1;
		c->right = (n->right | bit) >> 1;
	}
	tree_children(context, next, count);
	for (int i = 0; i < count; i++)
		n->result += next[i].result;
}

/* Nodes of an unbalanced tree: a geometric number of children, four on average, down to
 * depth 10; or 2,000 below the root and then 8 with a probability of 0.12. */
static int tree_width(const struct tree_node *n)
{
	double unit = tree_unit(n->state);

	if (n->kind == TREE_BINOMIAL)
		return n->depth == 0 ? 2000 : unit < 0.1245 ? 8 : 0;
	if (n->depth >= 10)
		return 0;
	return (int)(log(1.0 - unit) / log(1.0 - 1.0 / 5.0));
}

static void tree_unbalanced(TREE_CONTEXT context, struct tree_node *n)
{
	enum { AT_ONCE = 16 };
	int width = tree_width(n);

	n->result = 1;
	for (int first = 0; first < width; first += AT_ONCE) {
		int count = width - first < AT_ONCE ? width - first : AT_ONCE;
		struct tree_node next[AT_ONCE];

		for (int i = 0; i < count; i++) {
			next[i].kind = n->kind;
			next[i].depth = n->depth + 1;
			next[i].state = tree_mix(n->state * 2000 + (uint64_t)(first + i));
		}
		tree_children(context, next, count);
		for (int i = 0; i < count; i++)
			n->result += next[i].result;
	}
}

/* Quicksort that forks down to 512 elements. */
static void tree_insert(uint64_t *low, uint64_t *high)
{
	for (uint64_t *p = low + 1; p < high; p++) {
		uint64_t x = *p, *q = p;

		for (; q > low && q[-1] > x; q--)
			*q = q[-1];
		*q = x;
	}
}

static void tree_sort(TREE_CONTEXT context, struct tree_node *n)
{
	uint64_t *i = n->low, *j = n->high - 1, pivot = n->low[(n->high - n->low) / 2];
	struct tree_node next[2];

	n->result = 0;
	if (n->high - n->low <= 32) {
		tree_insert(n->low, n->high);
		return;
	}
	while (i <= j) {
		while (*i < pivot)
			i++;
		while (*j > pivot)
			j--;
		if (i <= j) {
			uint64_t x = *i;

			*i++ = *j;
			*j-- = x;
		}
	}
	next[0].kind = next[1].kind = TREE_SORT;
	next[0].low = n->low;
	next[0].high = j + 1;
	next[1].low = i;
	next[1].high = n->high;
	if (n->high - n->low > 512) {
		tree_children(context, next, 2);
	} else {
		tree_sort(context, &next[0]);
		tree_sort(context, &next[1]);
	}
}

/* c += a * b by quarters, down to 32 x 32. */
static void tree_block(const struct tree_node *n)
{
	for (int i = 0; i < n->size; i++)
		for (int k = 0; k < n->size; k++)
			for (int j = 0; j < n->size; j++)
				n->c[i * TREE_MATRIX_N + j] += n->a[i * TREE_MATRIX_N + k] *
							       n->b[k * TREE_MATRIX_N + j];
}

static void tree_matrix(TREE_CONTEXT context, struct tree_node *n)
{
	int half = n->size / 2;
	struct tree_node next[4];

	n->result = 0;
	if (n->size <= 32) {
		tree_block(n);
		return;
	}
	for (int k = 0; k < 2; k++) {
		for (int q = 0; q < 4; q++) {
			int i = q / 2 * half, j = q % 2 * half;

			next[q].kind = TREE_MATRIX;
			next[q].size = half;
			next[q].a = n->a + i * TREE_MATRIX_N + k * half;
			next[q].b = n->b + k * half * TREE_MATRIX_N + j;
			next[q].c = n->c + i * TREE_MATRIX_N + j;
		}
		tree_children(context, next, 4);
	}
}

/* Rows lo .. hi (depth and row) of Mandelbrot's set, by halves: steps until the points
 * leave; or of work that is a hundred times longer at each fiftieth place. */
static uint64_t tree_julia_row(int row)
{
	uint64_t steps = 0;

	for (int column = 0; column < TREE_JULIA_N; column++) {
		double cx = -2.0 + 2.5 * column / TREE_JULIA_N;
		double cy = -1.25 + 2.5 * row / TREE_JULIA_N, x = 0, y = 0;
		int i = 0;

		for (; i < 500 && x * x + y * y <= 4.0; i++) {
			double next = x * x - y * y + cx;

			y = 2 * x * y + cy;
			x = next;
		}
		steps += (uint64_t)i;
	}
	return steps;
}

static uint64_t tree_unequal_leaf(int place)
{
	uint64_t x = (uint64_t)place;

	for (int i = 0; i < (place % 50 ? 5000 : 500000); i++)
		x = tree_mix(x);
	return x;
}

static void tree_rows(TREE_CONTEXT context, struct tree_node *n)
{
	int low = n->depth, high = n->row;
	struct tree_node next[2];

	if (high - low == 1) {
		n->result = n->kind == TREE_JULIA ? tree_julia_row(low) : tree_unequal_leaf(low);
		return;
	}
	next[0].kind = next[1].kind = n->kind;
	next[0].depth = low;
	next[0].row = next[1].depth = low + (high - low) / 2;
	next[1].row = high;
	tree_children(context, next, 2);
	n->result = next[0].result + next[1].result;
}

static void tree_run(TREE_CONTEXT context, struct tree_node *n)
{
	switch (n->kind) {
	case TREE_QUEENS: tree_queens(context, n); break;
	case TREE_GEOMETRIC:
	case TREE_BINOMIAL: tree_unbalanced(context, n); break;
	case TREE_SORT: tree_sort(context, n); break;
	case TREE_MATRIX: tree_matrix(context, n); break;
	case TREE_JULIA:
	case TREE_UNEQUAL: tree_rows(context, n); break;
	}
}

/* ---- roots and results --------------------------------------------------------------------- */

/* A case, its root, and what must come out: sums that every subject agrees on. */
struct tree_case {
	const char *name;
	enum tree_kind kind;
	uint64_t want;
};

static const struct tree_case tree_cases[] = {
	{ "queens12", TREE_QUEENS, UINT64_C(14200) },
	{ "uts_geometric", TREE_GEOMETRIC, UINT64_C(1994694) },
	{ "uts_binomial", TREE_BINOMIAL, UINT64_C(713545) },
	{ "quicksort", TREE_SORT, 0 },
	{ "matrix512", TREE_MATRIX, UINT64_C(615605819371) },
	{ "mandelbrot", TREE_JULIA, UINT64_C(33250246) },
	{ "unequal", TREE_UNEQUAL, UINT64_C(3618372551942541386) },
	{ NULL, TREE_QUEENS, 0 },
};

enum { TREE_SORT_N = 2000000 };

/* Memory for a root, filled anew; released by the next call. False without memory. */
static bool tree_root(struct tree_node *n, enum tree_kind kind)
{
	static void *memory;
	const int m = TREE_MATRIX_N * TREE_MATRIX_N;
	uint64_t *numbers;
	double *matrices;

	free(memory);
	memory = NULL;
	memset(n, 0, sizeof(*n));
	n->kind = kind;
	n->state = kind == TREE_GEOMETRIC ? 19 : 42;
	if (kind == TREE_JULIA || kind == TREE_UNEQUAL)
		n->row = kind == TREE_JULIA ? TREE_JULIA_N : TREE_UNEQUAL_N;
	if (kind == TREE_SORT) {
		numbers = (uint64_t *)(memory = malloc(sizeof(*numbers) * TREE_SORT_N));
		for (int i = 0; numbers && i < TREE_SORT_N; i++)
			numbers[i] = tree_mix((uint64_t)i);
		n->low = numbers;
		n->high = numbers + TREE_SORT_N;
		return numbers != NULL;
	}
	if (kind == TREE_MATRIX) {
		matrices = (double *)(memory = malloc(sizeof(*matrices) * 3 * (size_t)m));
		for (int i = 0; matrices && i < 3 * m; i++)
			matrices[i] = i < 2 * m ? i % 7 : 0;
		n->a = matrices;
		n->b = matrices + m;
		n->c = matrices + 2 * m;
		n->size = TREE_MATRIX_N;
		return matrices != NULL;
	}
	return true;
}

/* What came out: of a sorted array 0, of a matrix a sum of its elements with their place. */
static uint64_t tree_result(const struct tree_node *n)
{
	uint64_t sum = 0;

	if (n->kind == TREE_SORT)
		for (const uint64_t *p = n->low + 1; p < n->high; p++)
			sum += p[-1] > p[0];
	if (n->kind == TREE_MATRIX)
		for (int i = 0; i < TREE_MATRIX_N * TREE_MATRIX_N; i++)
			sum += (uint64_t)n->c[i] * (uint64_t)(i % 1021);
	return n->kind == TREE_SORT || n->kind == TREE_MATRIX ? sum : n->result;
}

typedef void (*tree_start_fn)(struct tree_node *root);

/* Rehearse, measure, check, answer. */
static int tree_measure(const char *name, tree_start_fn start)
{
	const struct tree_case *c = tree_cases;
	struct tree_node root;
	double began, took = 0;

	while (c->name && strcmp(c->name, name) != 0)
		c++;
	if (!c->name)
		return subject_bad("there is no case %s", name);
	for (int i = 0; i < 2; i++) {
		if (!tree_root(&root, c->kind))
			return subject_bad("no memory for %s", name);
		began = subject_now_ns();
		start(&root);
		took = subject_now_ns() - began;
		if (tree_result(&root) != c->want)
			return subject_bad("%s came out as %" PRIu64 " and not %" PRIu64, name,
					   tree_result(&root), c->want);
	}
	return subject_ok(took / 1e6, "ms");
}

#endif
