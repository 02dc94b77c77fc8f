/* SPDX-License-Identifier: MIT */
/*
 * What `weft doctor` finds out: facts, each with what Weft does about it.
 */
#ifndef WEFT_APP_DOCTOR_H
#define WEFT_APP_DOCTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum fact_state {
	FACT_PLAIN,   /* neither good nor bad */
	FACT_GOOD,    /* there, and used */
	FACT_MISSING, /* not there; there is another way */
	FACT_BAD,     /* Weft cannot work well like this */
};

struct fact {
	const char *key; /* in JSON */
	const char *label;
	char value[160];
	char use[160];   /* what Weft does with it; may be empty */
	bool has_number; /* JSON gives `number` and not the text */
	uint64_t number;
	enum fact_state state;
};

#define FACTS_MAX 32

struct facts {
	struct fact at[FACTS_MAX];
	size_t count;
};

/* doctor_machine.c: the system, the CPUs, memory, the clock. */
void doctor_machine(struct facts *f);

/* doctor_kernel.c: what the kernel offers, found by trying it. */
void doctor_kernel(struct facts *f);

/* doctor_limits.c: how much of it this process may have. */
void doctor_limits(struct facts *f);

/* A new fact, whose value and use the caller fills in. */
struct fact *fact_add(struct facts *f, const char *key, const char *label, enum fact_state state);
void fact_value(struct fact *fact, const char *format, ...) __attribute__((format(printf, 2, 3)));
void fact_use(struct fact *fact, const char *format, ...) __attribute__((format(printf, 2, 3)));
void fact_number(struct fact *fact, uint64_t number);

/* The first line of a file without its newline: false when there is none. */
bool read_line(const char *path, char *line, size_t size);

/* What follows "KEY ... : " in the first line of the file that begins with KEY. */
bool read_field(const char *path, const char *key, char *value, size_t size);

#endif
