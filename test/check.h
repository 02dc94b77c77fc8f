/* SPDX-License-Identifier: MIT */
/* The test rig: cases that register themselves, and checks that stop the
 * process.
 *
 *	TEST(event_wakes_all_waiters)
 *	{
 *		CHECK_EQ(weft_event_wait(&e), 0);
 *	}
 *
 * A failed check prints file, line and both values, then aborts: it works the
 * same from every thread, and a debugger or a core file shows the moment.
 * Each TEST() must start in column 0: the build reads the names from the
 * source and makes each a CTest entry of its own.
 *
 * The program: no argument runs all cases in order, NAME runs one, --list
 * prints the names. Exit 0 when all passed, 77 when the one that was named was
 * skipped, 2 for a name that is not there. A program with a main of its own
 * (a stress test) can use the checks too; its main replaces this one. */
#ifndef WEFT_TEST_CHECK_H
#define WEFT_TEST_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct check_test {
	const char *name;
	void (*run)(void);
	struct check_test *next;
};

struct check_at {
	const char *file;
	int line;
	const char *a, *b; /* the two sides as they are spelled */
};

enum check_op { CHECK__EQ, CHECK__NE, CHECK__LT, CHECK__LE, CHECK__GT, CHECK__GE };

/* An integer of any type: the sign apart, so that UINT64_MAX is not -1. */
struct check_int {
	bool neg;
	uint64_t bits;
};

void check__register(struct check_test *t);
void check__skip(const char *file, int line, const char *why);
_Noreturn void check__fail(const char *file, int line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void check__int(const struct check_at *at, struct check_int a, enum check_op op,
		struct check_int b);
void check__ptr(const struct check_at *at, const void *a, enum check_op op, const void *b);
void check__str(const struct check_at *at, const char *a, const char *b);
void check__mem(const struct check_at *at, const void *a, const void *b, size_t n);
void check__near(const struct check_at *at, double a, double b, double eps);
void check__dies(const char *file, int line, void (*fn)(void *), void *arg, const char *sentence);

#define TEST(name)                                                         \
	static void test_##name(void);                                     \
	__attribute__((constructor)) static void check__add_##name(void)   \
	{                                                                  \
		static struct check_test t = { #name, test_##name, NULL }; \
		check__register(&t);                                       \
	}                                                                  \
	static void test_##name(void)

/* Leaves the case that it stands in (not a helper of it); `why` is a sentence. */
#define SKIP(why)                                       \
	do {                                            \
		check__skip(__FILE__, __LINE__, (why)); \
		return;                                 \
	} while (0)

/* Fails with a printf-like sentence. */
#define FAIL(...) check__fail(__FILE__, __LINE__, __VA_ARGS__)

#define CHECK(cond)                                                                   \
	do {                                                                          \
		if (!(cond))                                                          \
			check__fail(__FILE__, __LINE__, "CHECK(%s) is false", #cond); \
	} while (0)

/* Integers of any width and sign, each side evaluated once. `v < 1 && v != 0`
 * and not `v < 0`: compilers warn of the latter for unsigned types. */
#define CHECK__INT(x, op, y, xs, ys)                                          \
	do {                                                                  \
		__typeof__((x) + 0) check__x = (x);                           \
		__typeof__((y) + 0) check__y = (y);                           \
		struct check_at check__at = { __FILE__, __LINE__, xs, ys };   \
		struct check_int check__xi = { check__x < 1 && check__x != 0, \
					       (uint64_t)check__x };          \
		struct check_int check__yi = { check__y < 1 && check__y != 0, \
					       (uint64_t)check__y };          \
		check__int(&check__at, check__xi, op, check__yi);             \
	} while (0)

#define CHECK_EQ(x, y) CHECK__INT(x, CHECK__EQ, y, #x, #y)
#define CHECK_NE(x, y) CHECK__INT(x, CHECK__NE, y, #x, #y)
#define CHECK_LT(x, y) CHECK__INT(x, CHECK__LT, y, #x, #y)
#define CHECK_LE(x, y) CHECK__INT(x, CHECK__LE, y, #x, #y)
#define CHECK_GT(x, y) CHECK__INT(x, CHECK__GT, y, #x, #y)
#define CHECK_GE(x, y) CHECK__INT(x, CHECK__GE, y, #x, #y)

#define CHECK__AT(xs, ys) \
	(&(struct check_at){ .file = __FILE__, .line = __LINE__, .a = xs, .b = ys })

#define CHECK_PTR_EQ(x, y) check__ptr(CHECK__AT(#x, #y), (x), CHECK__EQ, (y))
#define CHECK_PTR_NE(x, y) check__ptr(CHECK__AT(#x, #y), (x), CHECK__NE, (y))
#define CHECK_NULL(x) check__ptr(CHECK__AT(#x, "NULL"), (x), CHECK__EQ, NULL)
#define CHECK_NOT_NULL(x) check__ptr(CHECK__AT(#x, "NULL"), (x), CHECK__NE, NULL)
#define CHECK_STR_EQ(x, y) check__str(CHECK__AT(#x, #y), (x), (y))
#define CHECK_MEM_EQ(x, y, n) check__mem(CHECK__AT(#x, #y), (x), (y), (n))
#define CHECK_NEAR(x, y, eps) check__near(CHECK__AT(#x, #y), (x), (y), (eps))

/* fork(), which must succeed, at a moment when every other thread of the process is
 * asleep. A thread that has just been started, or allocates, may hold a lock of the C
 * library or of a sanitizer, and in the child nobody would ever release it: gcc 12's
 * AddressSanitizer, for one, does not look after its own over a fork(). So the threads
 * must be ones that come to rest. */
pid_t check_fork(void);

/* fn(arg), run in a child, must abort() and print `sentence` somewhere on stderr. */
#define CHECK_DIES(fn, arg, sentence) check__dies(__FILE__, __LINE__, (fn), (arg), (sentence))

#endif
