/* SPDX-License-Identifier: MIT */
/*
 * The doctor's look at the machine.
 */
#include "doctor.h"

#include "progress.h"

#include <weft/base.h>

#include "sys/sys.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

static void system_facts(struct facts *f)
{
	struct utsname name;
	struct fact *fact = fact_add(f, "weft", "weft", FACT_PLAIN);

	fact_value(fact, "%s", weft_version());
	fact = fact_add(f, "kernel", "kernel", FACT_PLAIN);
	if (uname(&name) == 0)
		fact_value(fact, "%s %s %s", name.sysname, name.release, name.machine);
	else
		fact_value(fact, "unknown");
}

static bool has_flag(const char *flags, const char *flag)
{
	size_t len = strlen(flag);

	for (const char *at = flags; (at = strstr(at, flag)) != NULL; at += len) {
		bool begins = at == flags || at[-1] == ' ';

		if (begins && (at[len] == ' ' || at[len] == '\0'))
			return true;
	}
	return false;
}

static void cpu_facts(struct facts *f)
{
	static char flags[4096];
	char model[128];
	struct fact *fact = fact_add(f, "cpu", "CPU", FACT_PLAIN);

	if (!read_field("/proc/cpuinfo", "model name", model, sizeof(model)) &&
	    !read_field("/proc/cpuinfo", "CPU part", model, sizeof(model)))
		strcpy(model, "unknown model");
	if (!read_field("/proc/cpuinfo", "flags", flags, sizeof(flags)) &&
	    !read_field("/proc/cpuinfo", "Features", flags, sizeof(flags)))
		flags[0] = '\0';
	fact_value(fact, "%s%s", model, has_flag(flags, "hypervisor") ? ", virtual" : "");
	if (has_flag(flags, "hypervisor"))
		fact_use(
			fact,
			"waking a sleeping CPU is dear in a virtual machine; Weft wakes sparingly");

	bool sha = has_flag(flags, "sha_ni") || has_flag(flags, "sha2");
	fact = fact_add(f, "sha256", "SHA-256", sha ? FACT_GOOD : FACT_MISSING);
	fact_value(fact, "%s", sha ? "instructions of the CPU" : "no instructions of the CPU");
	fact_use(fact, "weft sum hashes by %s", OpenSSL_version(OPENSSL_VERSION));
}

static void put_budget(struct fact *fact, const struct weft__cpu_budget *b)
{
	if (b->cgroup)
		fact_value(fact,
			   "%d online, %d in the affinity mask, %.2f by the quota of cgroup v%d",
			   b->online, b->affinity, b->quota, b->cgroup);
	else
		fact_value(fact, "%d online, %d in the affinity mask, no cgroup quota", b->online,
			   b->affinity);
	fact_use(fact, "the global pool has %d worker%s", b->usable, b->usable == 1 ? "" : "s");
}

static void budget_facts(struct facts *f)
{
	struct weft__cpu_budget budget;
	struct fact *fact = fact_add(f, "cpus", "CPUs", FACT_PLAIN);
	const char *wish = getenv("WEFT_WORKERS");

	weft__cpu_budget_read(&budget);
	put_budget(fact, &budget);
	fact_number(fact, (uint64_t)budget.usable);
	if (wish && *wish)
		fact_use(fact, "WEFT_WORKERS=%s says how many workers the global pool has", wish);
	if (budget.usable == 1 && !wish) {
		fact->state = FACT_MISSING;
		fact_use(fact, "one CPU: everything works, nothing gets faster");
	}
}

static void memory_facts(struct facts *f)
{
	struct fact *fact = fact_add(f, "page_size", "page", FACT_PLAIN);
	char text[64];

	fact_value(fact, "%zu bytes", weft__page_size());
	fact_number(fact, weft__page_size());
	fact = fact_add(f, "cache_line", "cache line", FACT_PLAIN);
	fact_value(fact, "%zu bytes", weft__cache_line_size());
	fact_number(fact, weft__cache_line_size());
	fact_use(fact, "what two CPUs write is kept %d bytes apart", WEFT_CACHE_LINE);

	if (read_field("/proc/meminfo", "MemAvailable", text, sizeof(text))) {
		struct buf size = { 0 };
		uint64_t bytes = strtoull(text, NULL, 10) * 1024;

		buf_size(&size, (double)bytes);
		fact = fact_add(f, "memory_available", "memory", FACT_PLAIN);
		fact_value(fact, "%s available", buf_cstr(&size));
		fact_number(fact, bytes);
		buf_free(&size);
	}
}

/* What a reading costs: the least of the means of a hundred, since an interruption
 * only ever adds. */
static double clock_cost_ns(void)
{
	int64_t least = INT64_MAX;

	for (int round = 0; round < 20; round++) {
		int64_t begun = weft_now(), now = begun;

		for (int i = 0; i < 100; i++)
			now = weft_now();
		if (now - begun < least)
			least = now - begun;
	}
	return (double)least / 100;
}

static void clock_facts(struct facts *f)
{
	struct fact *fact = fact_add(f, "clock", "clock", FACT_PLAIN);
	char source[64];
	double cost = clock_cost_ns();

	if (!read_line("/sys/devices/system/clocksource/clocksource0/current_clocksource", source,
		       sizeof(source)))
		strcpy(source, "unknown source");
	fact_value(fact, "%s, %.0f ns a reading", source, cost);
	if (cost > 500) {
		fact->state = FACT_MISSING;
		fact_use(fact,
			 "slow: each reading asks the kernel, which calls with a deadline feel");
	}
}

void doctor_machine(struct facts *f)
{
	system_facts(f);
	cpu_facts(f);
	budget_facts(f);
	memory_facts(f);
	clock_facts(f);
}
