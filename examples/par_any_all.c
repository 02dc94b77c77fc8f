/* SPDX-License-Identifier: MIT */
/*
 * Any and all: questions about a million numbers, each over as soon as it is answered.
 */
#include <stdio.h>

#include <weft/par.h>

static bool is_even(void *context, size_t i)
{
	return ((const int *)context)[i] % 2 == 0;
}

static bool is_large(void *context, size_t i)
{
	return ((const int *)context)[i] > 1000000;
}

int main(void)
{
	enum { COUNT = 1000000 };
	static int numbers[COUNT];
	bool any_large, all_even;
	size_t odd;

	for (int i = 0; i < COUNT; i++)
		numbers[i] = 2 * (i % 500000);
	any_large = weft_par_any(0, COUNT, is_large, numbers, NULL);
	all_even = weft_par_all(0, COUNT, is_even, numbers, NULL);
	printf("any above a million: %s; all even: %s\n", any_large ? "yes" : "no",
	       all_even ? "yes" : "no");
	if (any_large || !all_even)
		return 1;

	numbers[777777]++;
	all_even = weft_par_all(0, COUNT, is_even, numbers, NULL);
	odd = COUNT - weft_par_count(0, COUNT, is_even, numbers, NULL);
	printf("and now: %s, with %zu odd\n", all_even ? "yes" : "no", odd);
	return all_even || odd != 1;
}
