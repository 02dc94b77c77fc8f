/* SPDX-License-Identifier: MIT */
/*
 * The CPU of the model: a pause is a hint to the checker that the thread waits for
 * somebody else's store, and ticks are read from the virtual clock.
 */
#ifndef WEFT_SYS_MODEL_CPU_H
#define WEFT_SYS_MODEL_CPU_H

#include <stdint.h>

void weft__cpu_pause(void);
uint64_t weft__cpu_ticks(void);

#endif
