/* SPDX-License-Identifier: MIT */
/* The program of README.md, where a test compares the two: a producer on a thread
 * of a scope, a consumer that reads until the channel is closed. */
#include <weft.h>
#include <stdio.h>

static int produce(void *arg)
{
	weft_chan *numbers = arg;

	for (int i = 1; i <= 10; i++)
		if (weft_chan_send(numbers, &i) != 0)
			break;
	weft_chan_drop_sender(numbers); /* the last sender closes the channel */
	return 0;
}

int main(void)
{
	weft_chan *numbers;
	weft_scope scope;
	int n, sum = 0;

	if (weft_chan_new(&numbers, sizeof(int), 4, NULL) != 0)
		return 1;
	weft_scope_open(&scope);
	if (weft_scope_spawn_thread(&scope, produce, weft_chan_add_sender(numbers), NULL) != 0)
		weft_chan_drop_sender(numbers);
	while (weft_chan_recv(numbers, &n) == 0) /* until closed */
		sum += n;
	weft_chan_release(numbers);
	printf("%d\n", sum); /* 55 */
	return weft_scope_close(&scope);
}
