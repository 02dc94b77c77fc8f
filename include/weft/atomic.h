/* SPDX-License-Identifier: MIT */
/*
 * Atomics by named order.
 *
 * This is the one place of Weft that spells an atomic operation or a memory
 * order. The order is part of the operation's name, so that grep audits it:
 *
 *     weft_store_release(&node->state, FULL);
 *     if (weft_load_acquire(&node->state) == FULL) ...
 *
 * An atomic is a struct of one field. `node->state == FULL` therefore does not
 * compile, and an access that forgets its order cannot be written by accident.
 * The operations are macros over the compiler's builtins: they work on each of
 * the types below, in C11 and in C++11, and cost nothing in a debug build.
 *
 * There are no stand-alone fences: put the order on the access, or use a
 * read-modify-write. ThreadSanitizer does not understand fences, and neither do
 * most readers.
 *
 * Compare-and-swap: weft_cas_ORDER(p, &expected, desired) returns true when it
 * stored `desired`; otherwise `expected` receives the value that was found. The
 * strong form never fails spuriously; weft_cas_weak_ORDER may, and belongs in
 * loops. On failure the load is relaxed for relaxed and release, acquire for
 * acquire and acq_rel, seq_cst for seq_cst.
 *
 * With WEFT_MODEL defined, the same names are the steps of the model checker: see
 * <weft/check.h>.
 */
#ifndef WEFT_ATOMIC_H
#define WEFT_ATOMIC_H

#include <weft/base.h>

typedef struct weft_atomic_bool {
	bool v;
} weft_atomic_bool;

typedef struct weft_atomic_u8 {
	uint8_t v;
} weft_atomic_u8;

typedef struct weft_atomic_u32 {
	uint32_t v;
} weft_atomic_u32;

typedef struct weft_atomic_i32 {
	int32_t v;
} weft_atomic_i32;

typedef struct weft_atomic_u64 {
	uint64_t v;
} weft_atomic_u64;

typedef struct weft_atomic_i64 {
	int64_t v;
} weft_atomic_i64;

typedef struct weft_atomic_size {
	size_t v;
} weft_atomic_size;

typedef struct weft_atomic_uptr {
	uintptr_t v;
} weft_atomic_uptr;

typedef struct weft_atomic_ptr {
	void *v;
} weft_atomic_ptr;

#ifdef WEFT_MODEL

/* The steps of the model checker. `order` is one of the orders, and for a
 * compare-and-swap WEFT__WEAK beside it. */
enum {
	WEFT__RELAXED,
	WEFT__ACQUIRE,
	WEFT__RELEASE,
	WEFT__ACQ_REL,
	WEFT__SEQ_CST,
	WEFT__WEAK = 8,
};
enum { WEFT__SWAP, WEFT__ADD, WEFT__SUB, WEFT__OR, WEFT__AND, WEFT__XOR };

WEFT_BEGIN_DECLS

uint64_t weft__model_load(const void *p, unsigned size, int order, const char *site);
void weft__model_store(void *p, unsigned size, uint64_t value, int order, const char *site);
uint64_t weft__model_rmw(void *p, unsigned size, int op, uint64_t value, int order,
			 const char *site);
bool weft__model_cas(void *p, unsigned size, void *expected, uint64_t desired, int order,
		     const char *site);

WEFT_END_DECLS

/* A bound of the library's own that a checker would not live to see reached. */
#define WEFT__BOUND(normal, model) (model)

#else

#define WEFT__BOUND(normal, model) (normal)

#endif

/* clang-format off */

/* Before an object is shared: a plain store. WEFT_ATOMIC_INIT is for definitions. */
#define WEFT_ATOMIC_INIT(value) { (value) }
#define weft_atomic_init(p, value) ((void)((p)->v = (value)))

/* A value that the caller alone can change just now (it holds the lock, or the
 * object is not shared yet): a plain load. */
#define weft_load_plain(p) ((p)->v)

#ifndef WEFT_MODEL

#define weft_load_relaxed(p) __atomic_load_n(&(p)->v, __ATOMIC_RELAXED)
#define weft_load_acquire(p) __atomic_load_n(&(p)->v, __ATOMIC_ACQUIRE)
#define weft_load_seq_cst(p) __atomic_load_n(&(p)->v, __ATOMIC_SEQ_CST)

#define weft_store_relaxed(p, x) __atomic_store_n(&(p)->v, (x), __ATOMIC_RELAXED)
#define weft_store_release(p, x) __atomic_store_n(&(p)->v, (x), __ATOMIC_RELEASE)
#define weft_store_seq_cst(p, x) __atomic_store_n(&(p)->v, (x), __ATOMIC_SEQ_CST)

/* Each returns the value before the operation. */
#define weft_swap_relaxed(p, x) __atomic_exchange_n(&(p)->v, (x), __ATOMIC_RELAXED)
#define weft_swap_acquire(p, x) __atomic_exchange_n(&(p)->v, (x), __ATOMIC_ACQUIRE)
#define weft_swap_release(p, x) __atomic_exchange_n(&(p)->v, (x), __ATOMIC_RELEASE)
#define weft_swap_acq_rel(p, x) __atomic_exchange_n(&(p)->v, (x), __ATOMIC_ACQ_REL)
#define weft_swap_seq_cst(p, x) __atomic_exchange_n(&(p)->v, (x), __ATOMIC_SEQ_CST)

#define weft_add_relaxed(p, x) __atomic_fetch_add(&(p)->v, (x), __ATOMIC_RELAXED)
#define weft_add_acquire(p, x) __atomic_fetch_add(&(p)->v, (x), __ATOMIC_ACQUIRE)
#define weft_add_release(p, x) __atomic_fetch_add(&(p)->v, (x), __ATOMIC_RELEASE)
#define weft_add_acq_rel(p, x) __atomic_fetch_add(&(p)->v, (x), __ATOMIC_ACQ_REL)
#define weft_add_seq_cst(p, x) __atomic_fetch_add(&(p)->v, (x), __ATOMIC_SEQ_CST)

#define weft_sub_relaxed(p, x) __atomic_fetch_sub(&(p)->v, (x), __ATOMIC_RELAXED)
#define weft_sub_acquire(p, x) __atomic_fetch_sub(&(p)->v, (x), __ATOMIC_ACQUIRE)
#define weft_sub_release(p, x) __atomic_fetch_sub(&(p)->v, (x), __ATOMIC_RELEASE)
#define weft_sub_acq_rel(p, x) __atomic_fetch_sub(&(p)->v, (x), __ATOMIC_ACQ_REL)
#define weft_sub_seq_cst(p, x) __atomic_fetch_sub(&(p)->v, (x), __ATOMIC_SEQ_CST)

#define weft_or_relaxed(p, x) __atomic_fetch_or(&(p)->v, (x), __ATOMIC_RELAXED)
#define weft_or_acquire(p, x) __atomic_fetch_or(&(p)->v, (x), __ATOMIC_ACQUIRE)
#define weft_or_release(p, x) __atomic_fetch_or(&(p)->v, (x), __ATOMIC_RELEASE)
#define weft_or_acq_rel(p, x) __atomic_fetch_or(&(p)->v, (x), __ATOMIC_ACQ_REL)
#define weft_or_seq_cst(p, x) __atomic_fetch_or(&(p)->v, (x), __ATOMIC_SEQ_CST)

#define weft_and_relaxed(p, x) __atomic_fetch_and(&(p)->v, (x), __ATOMIC_RELAXED)
#define weft_and_acquire(p, x) __atomic_fetch_and(&(p)->v, (x), __ATOMIC_ACQUIRE)
#define weft_and_release(p, x) __atomic_fetch_and(&(p)->v, (x), __ATOMIC_RELEASE)
#define weft_and_acq_rel(p, x) __atomic_fetch_and(&(p)->v, (x), __ATOMIC_ACQ_REL)
#define weft_and_seq_cst(p, x) __atomic_fetch_and(&(p)->v, (x), __ATOMIC_SEQ_CST)

#define weft_xor_relaxed(p, x) __atomic_fetch_xor(&(p)->v, (x), __ATOMIC_RELAXED)
#define weft_xor_acq_rel(p, x) __atomic_fetch_xor(&(p)->v, (x), __ATOMIC_ACQ_REL)
#define weft_xor_seq_cst(p, x) __atomic_fetch_xor(&(p)->v, (x), __ATOMIC_SEQ_CST)

#define weft_cas_relaxed(p, e, d) \
	__atomic_compare_exchange_n(&(p)->v, (e), (d), false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)
#define weft_cas_acquire(p, e, d) \
	__atomic_compare_exchange_n(&(p)->v, (e), (d), false, __ATOMIC_ACQUIRE, __ATOMIC_ACQUIRE)
#define weft_cas_release(p, e, d) \
	__atomic_compare_exchange_n(&(p)->v, (e), (d), false, __ATOMIC_RELEASE, __ATOMIC_RELAXED)
#define weft_cas_acq_rel(p, e, d) \
	__atomic_compare_exchange_n(&(p)->v, (e), (d), false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)
#define weft_cas_seq_cst(p, e, d) \
	__atomic_compare_exchange_n(&(p)->v, (e), (d), false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)

#define weft_cas_weak_relaxed(p, e, d) \
	__atomic_compare_exchange_n(&(p)->v, (e), (d), true, __ATOMIC_RELAXED, __ATOMIC_RELAXED)
#define weft_cas_weak_acquire(p, e, d) \
	__atomic_compare_exchange_n(&(p)->v, (e), (d), true, __ATOMIC_ACQUIRE, __ATOMIC_ACQUIRE)
#define weft_cas_weak_release(p, e, d) \
	__atomic_compare_exchange_n(&(p)->v, (e), (d), true, __ATOMIC_RELEASE, __ATOMIC_RELAXED)
#define weft_cas_weak_acq_rel(p, e, d) \
	__atomic_compare_exchange_n(&(p)->v, (e), (d), true, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)
#define weft_cas_weak_seq_cst(p, e, d) \
	__atomic_compare_exchange_n(&(p)->v, (e), (d), true, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)

#else

/* Where a step stands in the source: "file:line expression". */
#define WEFT__SITE_TEXT(line) #line
#define WEFT__SITE_LINE(line) WEFT__SITE_TEXT(line)
#define WEFT__SITE(p) __FILE__ ":" WEFT__SITE_LINE(__LINE__) " " #p

#define WEFT__BITS64(p, x) ((uint64_t)(uintptr_t)(__typeof__((p)->v))(x))
#define WEFT__FROM64(p, x) ((__typeof__((p)->v))(uintptr_t)(x))

#define WEFT__LOAD(p, order) \
	WEFT__FROM64(p, weft__model_load(&(p)->v, sizeof((p)->v), order, WEFT__SITE(p)))
#define WEFT__STORE(p, x, order) \
	weft__model_store(&(p)->v, sizeof((p)->v), WEFT__BITS64(p, x), order, WEFT__SITE(p))
#define WEFT__RMW(p, op, x, order) \
	__extension__({ /* a cast alone would be a value that is not used */ \
		__typeof__((p)->v) weft__old = WEFT__FROM64(p, weft__model_rmw( \
			&(p)->v, sizeof((p)->v), op, WEFT__BITS64(p, x), order, WEFT__SITE(p))); \
		weft__old; \
	})
#define WEFT__CAS(p, e, d, order) \
	weft__model_cas(&(p)->v, sizeof((p)->v), (e), WEFT__BITS64(p, d), order, WEFT__SITE(p))

#define weft_load_relaxed(p) WEFT__LOAD(p, WEFT__RELAXED)
#define weft_load_acquire(p) WEFT__LOAD(p, WEFT__ACQUIRE)
#define weft_load_seq_cst(p) WEFT__LOAD(p, WEFT__SEQ_CST)

#define weft_store_relaxed(p, x) WEFT__STORE(p, x, WEFT__RELAXED)
#define weft_store_release(p, x) WEFT__STORE(p, x, WEFT__RELEASE)
#define weft_store_seq_cst(p, x) WEFT__STORE(p, x, WEFT__SEQ_CST)

#define weft_swap_relaxed(p, x) WEFT__RMW(p, WEFT__SWAP, x, WEFT__RELAXED)
#define weft_swap_acquire(p, x) WEFT__RMW(p, WEFT__SWAP, x, WEFT__ACQUIRE)
#define weft_swap_release(p, x) WEFT__RMW(p, WEFT__SWAP, x, WEFT__RELEASE)
#define weft_swap_acq_rel(p, x) WEFT__RMW(p, WEFT__SWAP, x, WEFT__ACQ_REL)
#define weft_swap_seq_cst(p, x) WEFT__RMW(p, WEFT__SWAP, x, WEFT__SEQ_CST)

#define weft_add_relaxed(p, x) WEFT__RMW(p, WEFT__ADD, x, WEFT__RELAXED)
#define weft_add_acquire(p, x) WEFT__RMW(p, WEFT__ADD, x, WEFT__ACQUIRE)
#define weft_add_release(p, x) WEFT__RMW(p, WEFT__ADD, x, WEFT__RELEASE)
#define weft_add_acq_rel(p, x) WEFT__RMW(p, WEFT__ADD, x, WEFT__ACQ_REL)
#define weft_add_seq_cst(p, x) WEFT__RMW(p, WEFT__ADD, x, WEFT__SEQ_CST)

#define weft_sub_relaxed(p, x) WEFT__RMW(p, WEFT__SUB, x, WEFT__RELAXED)
#define weft_sub_acquire(p, x) WEFT__RMW(p, WEFT__SUB, x, WEFT__ACQUIRE)
#define weft_sub_release(p, x) WEFT__RMW(p, WEFT__SUB, x, WEFT__RELEASE)
#define weft_sub_acq_rel(p, x) WEFT__RMW(p, WEFT__SUB, x, WEFT__ACQ_REL)
#define weft_sub_seq_cst(p, x) WEFT__RMW(p, WEFT__SUB, x, WEFT__SEQ_CST)

#define weft_or_relaxed(p, x) WEFT__RMW(p, WEFT__OR, x, WEFT__RELAXED)
#define weft_or_acquire(p, x) WEFT__RMW(p, WEFT__OR, x, WEFT__ACQUIRE)
#define weft_or_release(p, x) WEFT__RMW(p, WEFT__OR, x, WEFT__RELEASE)
#define weft_or_acq_rel(p, x) WEFT__RMW(p, WEFT__OR, x, WEFT__ACQ_REL)
#define weft_or_seq_cst(p, x) WEFT__RMW(p, WEFT__OR, x, WEFT__SEQ_CST)

#define weft_and_relaxed(p, x) WEFT__RMW(p, WEFT__AND, x, WEFT__RELAXED)
#define weft_and_acquire(p, x) WEFT__RMW(p, WEFT__AND, x, WEFT__ACQUIRE)
#define weft_and_release(p, x) WEFT__RMW(p, WEFT__AND, x, WEFT__RELEASE)
#define weft_and_acq_rel(p, x) WEFT__RMW(p, WEFT__AND, x, WEFT__ACQ_REL)
#define weft_and_seq_cst(p, x) WEFT__RMW(p, WEFT__AND, x, WEFT__SEQ_CST)

#define weft_xor_relaxed(p, x) WEFT__RMW(p, WEFT__XOR, x, WEFT__RELAXED)
#define weft_xor_acq_rel(p, x) WEFT__RMW(p, WEFT__XOR, x, WEFT__ACQ_REL)
#define weft_xor_seq_cst(p, x) WEFT__RMW(p, WEFT__XOR, x, WEFT__SEQ_CST)

#define weft_cas_relaxed(p, e, d) WEFT__CAS(p, e, d, WEFT__RELAXED)
#define weft_cas_acquire(p, e, d) WEFT__CAS(p, e, d, WEFT__ACQUIRE)
#define weft_cas_release(p, e, d) WEFT__CAS(p, e, d, WEFT__RELEASE)
#define weft_cas_acq_rel(p, e, d) WEFT__CAS(p, e, d, WEFT__ACQ_REL)
#define weft_cas_seq_cst(p, e, d) WEFT__CAS(p, e, d, WEFT__SEQ_CST)
#define weft_cas_weak_relaxed(p, e, d) WEFT__CAS(p, e, d, WEFT__RELAXED | WEFT__WEAK)
#define weft_cas_weak_acquire(p, e, d) WEFT__CAS(p, e, d, WEFT__ACQUIRE | WEFT__WEAK)
#define weft_cas_weak_release(p, e, d) WEFT__CAS(p, e, d, WEFT__RELEASE | WEFT__WEAK)
#define weft_cas_weak_acq_rel(p, e, d) WEFT__CAS(p, e, d, WEFT__ACQ_REL | WEFT__WEAK)
#define weft_cas_weak_seq_cst(p, e, d) WEFT__CAS(p, e, d, WEFT__SEQ_CST | WEFT__WEAK)

#endif

/* clang-format on */

#endif
