/* SPDX-License-Identifier: MIT */
/*
 * Threads: split a sum over four threads, and join them for their parts.
 *
 * Each thread gets its own slice, writes nothing that another one reads, and is
 * joined before the slices go away. A thread that cannot be made is an error like
 * any other: those that run are joined all the same.
 */
#include <weft.h>

#include <stdio.h>
#include <string.h>

enum { THREADS = 4, NUMBERS = 1000000 };

struct slice {
	const int *numbers;
	size_t count;
	long long sum;
};

static int add_up(void *arg)
{
	struct slice *slice = arg;

	for (size_t i = 0; i < slice->count; i++)
		slice->sum += slice->numbers[i];
	return 0;
}

/* 0 and the sum, or -errno. */
static int sum_in_parallel(const int *numbers, size_t count, long long *sum)
{
	struct slice slices[THREADS];
	weft_thread *threads[THREADS];
	int started, err = 0;

	for (started = 0; started < THREADS; started++) {
		size_t begin = count * (size_t)started / THREADS;
		size_t end = count * ((size_t)started + 1) / THREADS;
		weft_thread_opts opts = { .name = "adder" };

		slices[started] = (struct slice){ numbers + begin, end - begin, 0 };
		err = weft_thread_spawn(&threads[started], add_up, &slices[started], &opts);
		if (err)
			break;
	}
	*sum = 0;
	for (int i = 0; i < started; i++) {
		int result;

		weft_thread_join(threads[i], &result);
		if (err == 0)
			err = result;
		*sum += slices[i].sum;
	}
	return err;
}

int main(void)
{
	static int numbers[NUMBERS];
	long long sum;
	int err;

	for (int i = 0; i < NUMBERS; i++)
		numbers[i] = i;
	err = sum_in_parallel(numbers, NUMBERS, &sum);
	if (err) {
		fprintf(stderr, "threads: %s\n", strerror(-err));
		return 1;
	}
	printf("%d threads added %d numbers: %lld\n", THREADS, NUMBERS, sum);
	return sum == (long long)NUMBERS * (NUMBERS - 1) / 2 ? 0 : 1;
}
