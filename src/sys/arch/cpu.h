/* SPDX-License-Identifier: MIT */
/*
 * Two instructions that C has no word for, per CPU.
 */
#ifndef WEFT_SYS_ARCH_CPU_H
#define WEFT_SYS_ARCH_CPU_H

#include <stdint.h>

#if defined(__x86_64__)

/* Tells the core that this is a spinning loop: a few dozen cycles. */
static inline void weft__cpu_pause(void)
{
	__builtin_ia32_pause();
}

/* A cheap clock of unknown but constant rate, for comparing short spans. */
static inline uint64_t weft__cpu_ticks(void)
{
	return __builtin_ia32_rdtsc();
}

#elif defined(__aarch64__)

static inline void weft__cpu_pause(void)
{
	/* yield is a no-op on most cores; isb takes about as long as x86's pause. */
	__asm__ __volatile__("isb" ::: "memory");
}

static inline uint64_t weft__cpu_ticks(void)
{
	uint64_t ticks;

	__asm__ __volatile__("mrs %0, cntvct_el0" : "=r"(ticks));
	return ticks;
}

#else
#error "weft: this CPU needs weft__cpu_pause() and weft__cpu_ticks() here"
#endif

#endif
