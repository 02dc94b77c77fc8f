/* SPDX-License-Identifier: MIT */
/*
 * A project that is not Weft: it knows the installed headers and library alone,
 * and is compiled as C11 and as C++11. One thread sends the numbers 1 to 100,
 * the other adds them up under a mutex.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <weft.h>

static weft_mutex lock = WEFT_MUTEX_INIT;
static int sum;

static int produce(void *arg)
{
	weft_chan *numbers = (weft_chan *)arg;
	int err = 0;

	for (int i = 1; i <= 100 && err == 0; i++)
		err = weft_chan_send(numbers, &i);
	weft_chan_close(numbers);
	return err;
}

static int consume(weft_chan *numbers)
{
	int n, err;

	while ((err = weft_chan_recv(numbers, &n)) == 0) {
		weft_mutex_lock(&lock);
		sum += n;
		weft_mutex_unlock(&lock);
	}
	return err == -EPIPE ? 0 : err;
}

static int fail(const char *what, int err)
{
	fprintf(stderr, "%s: %s\n", what, strerror(-err));
	return 1;
}

int main(void)
{
	weft_chan *numbers;
	weft_thread *producer;
	int err, result;

	err = weft_chan_new(&numbers, sizeof(int), 8, NULL);
	if (err)
		return fail("channel", err);
	err = weft_thread_spawn(&producer, produce, numbers, NULL);
	if (err)
		return fail("thread", err);
	err = consume(numbers);
	if (err)
		return fail("receive", err);
	weft_thread_join(producer, &result);
	weft_chan_release(numbers);
	printf("%d\n", result == 0 ? sum : result);
	return 0;
}
