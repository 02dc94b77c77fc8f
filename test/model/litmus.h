/* SPDX-License-Identifier: MIT */
/*
 * Litmus tests as text: threads are separated by '|', steps by blanks.
 *
 *     x=1r      store 1 to x            r0=xa     load x into r0
 *     r0=x+1q   add 1, old value to r0  r0=x:5q   swap in 5, old value to r0
 *     r0=x?1>2q compare-and-swap 1 to 2, r0 becomes whether it did
 *     Fs        fence
 *
 * The last letter is the order: '.' relaxed, 'a' acquire, 'r' release, 'q' both,
 * 's' seq_cst. The outcome is r0 r1 ... in digits, then the last values of the
 * locations named in `finals`.
 */
#ifndef WEFT_TEST_MODEL_LITMUS_H
#define WEFT_TEST_MODEL_LITMUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LITMUS_STEPS = 20, LITMUS_THREADS = 4, LITMUS_LOCATIONS = 4, LITMUS_OUTCOMES = 4096 };

enum litmus_kind { L_LOAD, L_STORE, L_ADD, L_SWAP, L_CAS, L_FENCE };

struct litmus_step {
	enum litmus_kind kind;
	int thread, location, order, reg;
	int value, expected;
};

struct litmus {
	struct litmus_step steps[LITMUS_STEPS];
	int count, threads, locations, registers;
	int finals[LITMUS_LOCATIONS];
	int finals_count;
};

/* A set of outcomes, each the digits as a decimal number, sorted. */
struct litmus_set {
	uint64_t of[LITMUS_OUTCOMES];
	size_t count;
};

bool litmus_parse(struct litmus *out, const char *text, const char *finals);

/* What the axioms of C11 (RC11: Lahav et al., PLDI 2017) allow, by trying every
 * way to read and every modification order; `executed`: with seq_cst steps in an
 * order in which the program can be executed, as the checker has them. */
void litmus_axioms(const struct litmus *test, bool executed, struct litmus_set *out);

/* What the checker finds. */
void litmus_run(const struct litmus *test, int mode, int preemptions, struct litmus_set *out);

/* Adds an outcome, if it is new, and keeps the set sorted. */
void litmus_add(struct litmus_set *set, uint64_t outcome);

/* sleep_tests.c: whether the reduced search agrees with the full one on a random
 * program that sleeps and wakes. */
bool sleepers_agree(uint64_t seed);

#endif
