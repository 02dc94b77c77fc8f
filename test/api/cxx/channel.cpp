/* SPDX-License-Identifier: MIT */
/*
 * A C++ user of channels: the facade for a class that may be copied as bytes, a
 * thread that is a lambda, and select. Prints the sum that it received.
 */
#include <weft.h>

#include <cerrno>
#include <cstdio>

namespace
{
class Item
{
      public:
	Item() = default;
	explicit Item(int n) : value(n) {}
	int value = 0;
};

WEFT_CHAN_DEFINE(item_chan, Item);

int produce(void *arg)
{
	item_chan items = *static_cast<item_chan *>(arg);
	int err = 0;

	for (int i = 1; i <= 1000 && err == 0; i++)
		err = item_chan_send(items, Item(i));
	item_chan_close(items);
	return err;
}

/* Until closed: -EPIPE then, or another error. */
int consume(item_chan items, weft_event *never, long *sum)
{
	for (;;) {
		Item item;
		weft_case cases[] = { weft_case_event(never), item_chan_case_recv(items, &item) };
		int chosen = weft_select(cases, 2, weft_after_s(20));

		if (chosen != 1)
			return chosen < 0 ? chosen : -EINVAL;
		if (cases[1].result)
			return cases[1].result;
		*sum += item.value;
	}
}
} // namespace

int main()
{
	static const size_t capacities[] = { 0, 1, 7, WEFT_UNBOUNDED };

	for (size_t capacity : capacities) {
		weft_event never = WEFT_EVENT_INIT;
		item_chan items;
		weft_scope scope;
		long sum = 0;

		if (item_chan_new(&items, capacity) != 0)
			return 1;
		weft_scope_open(&scope);
		if (weft_scope_spawn_thread(&scope, produce, &items, nullptr) != 0)
			return 1;
		if (consume(items, &never, &sum) != -EPIPE)
			return 1;
		if (weft_scope_close(&scope) != 0)
			return 1;
		item_chan_release(items);
		std::printf("%ld\n", sum);
	}
	return 0;
}
