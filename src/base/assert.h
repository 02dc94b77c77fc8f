/* SPDX-License-Identifier: MIT */
/*
 * Checks that stay on, and the function that ends the program when one fails.
 *
 * WEFT__ASSERT guards invariants whose breach would corrupt something, and
 * misuse that no return value can tell. It is compiled into every build, so it
 * belongs where its test is cheap: a field that is loaded anyway.
 * WEFT__DEBUG_ASSERT may walk a whole structure; it exists only with WEFT_DEBUG.
 * Each takes the sentence that the user reads:
 *
 *     WEFT__ASSERT(old & LOCKED, "a mutex was unlocked that nobody holds");
 *
 * base knows no operating system, so weft__die() is declared here and defined
 * by the port, in src/sys.
 */
#ifndef WEFT_BASE_ASSERT_H
#define WEFT_BASE_ASSERT_H

#include "weft/base.h"

/* Prints "weft: <sentence>\n" on standard error in one write and aborts. What
 * does not fit into 1,000 bytes is cut. Any thread, signal handlers excepted. */
_Noreturn void weft__die(const char *format, ...) __attribute__((cold, format(printf, 1, 2)));

/* Dies with the sentence and the place. */
_Noreturn void weft__assert_failed(const char *sentence, const char *function, const char *file,
				   int line) __attribute__((cold));

#define WEFT__ASSERT(condition, sentence) \
	(WEFT_LIKELY(condition) ? (void)0 \
				: weft__assert_failed((sentence), __func__, __FILE__, __LINE__))

#if defined(WEFT_DEBUG) && WEFT_DEBUG
#define WEFT__DEBUG_ASSERT(condition, sentence) WEFT__ASSERT(condition, sentence)
#else
/* Compiled, so that it cannot rot and leaves no unused variable; never run. */
#define WEFT__DEBUG_ASSERT(condition, sentence) \
	((void)sizeof((condition) ? 1 : 0), (void)sizeof(sentence))
#endif

#endif
