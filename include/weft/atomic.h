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

/* clang-format off */

/* Before an object is shared: a plain store. WEFT_ATOMIC_INIT is for definitions. */
#define WEFT_ATOMIC_INIT(value) { (value) }
#define weft_atomic_init(p, value) ((void)((p)->v = (value)))

/* A value that the caller alone can change just now (it holds the lock, or the
 * object is not shared yet): a plain load. */
#define weft_load_plain(p) ((p)->v)

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

/* clang-format on */

#endif
