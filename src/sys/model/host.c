/* SPDX-License-Identifier: MIT */
/*
 * What the checker's engine itself wants of the system that it really runs on.
 */
#include "sys/model/port.h"

#include <elf.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

extern char __data_start[], _end[], __executable_start[], etext[];

void *weft__model_map(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED) {
		fprintf(stderr, "weft: the model checker could not map %zu bytes\n", size);
		abort();
	}
	return p;
}

/* The first object that is visited is the program itself. */
static int locals_of_program(struct dl_phdr_info *info, size_t size, void *context)
{
	struct weft__model_locals *out = context;

	(void)size;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		if (info->dlpi_phdr[i].p_type != PT_TLS)
			continue;
		out->base = info->dlpi_tls_data;
		out->size = info->dlpi_phdr[i].p_memsz;
		out->image = (const unsigned char *)(info->dlpi_addr + info->dlpi_phdr[i].p_vaddr);
		out->image_size = info->dlpi_phdr[i].p_filesz;
	}
	return 1;
}

void weft__model_locals_find(struct weft__model_locals *out)
{
	*out = (struct weft__model_locals){ 0 };
	dl_iterate_phdr(locals_of_program, out);
	if (!out->base)
		out->size = 0;
}

void weft__model_data_find(uintptr_t *begin, uintptr_t *end, uintptr_t *program)
{
	*begin = (uintptr_t)__data_start & ~(uintptr_t)7;
	*end = ((uintptr_t)_end + 7) & ~(uintptr_t)7;
	*program = (uintptr_t)__executable_start;
}

bool weft__model_is_code(const void *address)
{
	return (const char *)address >= __executable_start && (const char *)address < etext;
}

/* A return address: the call is before it. */
void weft__model_source_of(const void *address, char *out, size_t size)
{
	size_t offset = (size_t)((const char *)address - __executable_start) - 1;
	char command[160];
	FILE *pipe;

	snprintf(out, size, "code+%#zx", offset);
	snprintf(command, sizeof(command), "addr2line -e /proc/%d/exe %#zx 2>/dev/null",
		 (int)getpid(), offset);
	pipe = popen(command, "r");
	if (!pipe)
		return;
	if (fgets(command, sizeof(command), pipe) && command[0] != '?')
		snprintf(out, size, "%.*s", (int)strcspn(command, " \n"), command);
	pclose(pipe);
}

static int64_t clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (int64_t)t.tv_sec * WEFT_SECOND + t.tv_nsec;
}

int64_t weft__model_real_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

int64_t weft__model_used_ns(void)
{
	return clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}
