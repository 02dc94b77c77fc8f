/* SPDX-License-Identifier: MIT */
/*
 * Channels: values handed from any thread to any thread, in order.
 *
 *     weft_chan *ch;
 *     int err = weft_chan_new(&ch, sizeof(struct job), 128, NULL);
 *     ...
 *     weft_chan_send(ch, &job);                   // producer
 *     while (weft_chan_recv(ch, &job) == 0) ...   // consumer, until closed
 *
 * Capacity 0 is a rendezvous: a send completes when a receiver takes the value.
 * WEFT_UNBOUNDED never makes a sender wait, and gives memory back as it drains.
 *
 * Order: values of one sender arrive in the order sent.
 *
 * Ownership: elements are copied by value, `element_size` bytes each, of any
 * size, zero included. On success the value is the receiver's; on any failure of
 * a send the sender still has it, and nothing was sent. A value that no receiver
 * took is passed to the `drop` function of the options when the channel is freed.
 *
 * Closing: after weft_chan_close() sends fail with -EPIPE and receives give what
 * is left, then -EPIPE. Ends may be counted: when the last counted sender or the
 * last counted receiver is dropped, the channel closes by itself.
 *
 * Lifetime: weft_chan_new() gives one reference. weft_chan_release() of the last
 * one frees the channel; nobody may be inside a call on it then. A counted end is
 * a reference too.
 */
#ifndef WEFT_CHANNEL_H
#define WEFT_CHANNEL_H

#include <weft/wait.h>

WEFT_BEGIN_DECLS

typedef struct weft_chan weft_chan;

#define WEFT_UNBOUNDED SIZE_MAX

/* Zero means default. */
typedef struct weft_chan_opts {
	/* Called for each value that is left when the channel is freed, in order;
	 * `element` is aligned for any type of its size. */
	void (*drop)(void *element, void *context);
	void *context;
	/* One thread or fiber at a time sends, and one at a time receives, each of them
	 * handing over to the next in an order that both know: then a message takes no
	 * locked instruction. Of a bounded channel only; any thread may close it. */
	bool spsc;
} weft_chan_opts;

/* Makes a channel; `opts` may be NULL. 0, -ENOMEM, -EINVAL when the sizes cannot
 * be, or `spsc` stands with a capacity of 0 or WEFT_UNBOUNDED; *out is NULL on failure. */
WEFT_API WEFT_NODISCARD int weft_chan_new(weft_chan **out, size_t element_size, size_t capacity,
					  const weft_chan_opts *opts);

/* One reference more; one less (NULL is ignored). */
WEFT_API weft_chan *weft_chan_retain(weft_chan *chan);
WEFT_API void weft_chan_release(weft_chan *chan);

/* Counted ends: each add is undone by one drop. Dropping the last sender closes
 * the channel, and so does dropping the last receiver. An end that is never
 * added is never counted. Dropping what was not added stops the program. */
WEFT_API weft_chan *weft_chan_add_sender(weft_chan *chan);
WEFT_API weft_chan *weft_chan_add_receiver(weft_chan *chan);
WEFT_API void weft_chan_drop_sender(weft_chan *chan);
WEFT_API void weft_chan_drop_receiver(weft_chan *chan);

/* A mere reference is a weak end: it keeps the memory, and does not keep the channel open.
 * These make a counted end of it, true, as long as there is another one of its kind; false:
 * the last one is gone, and nothing was added. */
WEFT_API WEFT_NODISCARD bool weft_chan_upgrade_sender(weft_chan *chan);
WEFT_API WEFT_NODISCARD bool weft_chan_upgrade_receiver(weft_chan *chan);

/* How many counted ends there are just now. */
WEFT_API size_t weft_chan_senders(const weft_chan *chan);
WEFT_API size_t weft_chan_receivers(const weft_chan *chan);

/* Sends a copy of *element. 0, -EPIPE closed, -ECANCELED; `try_` does not wait
 * (-EAGAIN: full, or no receiver waits; -ENOMEM), `_until` waits until the
 * deadline (-ETIMEDOUT). -ENOMEM only from an unbounded channel. Any thread. */
WEFT_API WEFT_NODISCARD int weft_chan_send(weft_chan *chan, const void *element);
WEFT_API WEFT_NODISCARD int weft_chan_try_send(weft_chan *chan, const void *element);
WEFT_API WEFT_NODISCARD int weft_chan_send_until(weft_chan *chan, const void *element,
						 int64_t deadline);

/* Sends `count` elements that lie one after the other, in this order; those of other
 * senders may come between. 0 when all are sent, else the error of the first that is not;
 * *sent is in any case the number of those that are, which are the channel's. Waits for
 * room as often as it must; `try_` sends what there is room for at once. One claim serves
 * as many as there is room for. Any thread. */
WEFT_API WEFT_NODISCARD int weft_chan_send_many(weft_chan *chan, const void *elements,
						size_t count, size_t *sent);
WEFT_API WEFT_NODISCARD int weft_chan_try_send_many(weft_chan *chan, const void *elements,
						    size_t count, size_t *sent);
WEFT_API WEFT_NODISCARD int weft_chan_send_many_until(weft_chan *chan, const void *elements,
						      size_t count, size_t *sent,
						      int64_t deadline);

/* Sends without waiting, and if the channel is full takes the oldest value out instead, into
 * *displaced, which then is the caller's. 0 sent, 1 sent and *displaced taken; -EPIPE closed;
 * -ENOMEM; -EAGAIN when there is no room to be made: a rendezvous without a receiver, or a
 * party that was preempted half way. If others take the room that was made, one more value
 * is displaced, and the one before it goes to `drop`; so does a displaced value when the send
 * fails after all. -EINVAL from a channel with `spsc`, where only the receiver may take.
 * Any thread. */
WEFT_API WEFT_NODISCARD int weft_chan_force_send(weft_chan *chan, const void *element,
						 void *displaced);

/* Reserves a place for a value that is still to come: no other sender gets it, and nobody
 * is held up by it; the value takes its turn when it is committed. 0, and then one commit
 * or abandon is due, from any thread; -EPIPE closed, -ECANCELED, -EINVAL from a rendezvous,
 * which has no places; `try_` does not wait (-EAGAIN), `_until` waits until the deadline
 * (-ETIMEDOUT). An unbounded channel always has a place, and holds no memory for it. */
WEFT_API WEFT_NODISCARD int weft_chan_reserve(weft_chan *chan);
WEFT_API WEFT_NODISCARD int weft_chan_try_reserve(weft_chan *chan);
WEFT_API WEFT_NODISCARD int weft_chan_reserve_until(weft_chan *chan, int64_t deadline);

/* Sends a copy of *element to a place that was reserved, without waiting: 0, -EPIPE closed,
 * -ENOMEM from an unbounded channel. Or gives the place back. Either way it is no longer
 * reserved. Without a reservation the channel's count of places is ruined. */
WEFT_API WEFT_NODISCARD int weft_chan_commit(weft_chan *chan, const void *element);
WEFT_API void weft_chan_abandon(weft_chan *chan);

/* Receives into *element. 0, -EPIPE closed and empty, -ECANCELED; `try_` does not
 * wait (-EAGAIN), not even for a sender that was preempted half way; `_until`
 * waits until the deadline (-ETIMEDOUT). On failure *element is untouched. */
WEFT_API WEFT_NODISCARD int weft_chan_recv(weft_chan *chan, void *element);
WEFT_API WEFT_NODISCARD int weft_chan_try_recv(weft_chan *chan, void *element);
WEFT_API WEFT_NODISCARD int weft_chan_recv_until(weft_chan *chan, void *element, int64_t deadline);

/* Receives up to `most` elements, one after the other: how many, 1 at least, in the order in
 * which they were sent; or what a plain receive returns when there is none. Waits for the
 * first only. 0 when `most` is 0. Any thread. */
WEFT_API WEFT_NODISCARD int weft_chan_recv_many(weft_chan *chan, void *elements, size_t most);
WEFT_API WEFT_NODISCARD int weft_chan_try_recv_many(weft_chan *chan, void *elements, size_t most);
WEFT_API WEFT_NODISCARD int weft_chan_recv_many_until(weft_chan *chan, void *elements, size_t most,
						      int64_t deadline);

/* Takes the values that are inside at the call, and hands each to `drop`: how many, or
 * -ENOMEM, if elements of more than 256 bytes want memory. Does not wait. Any thread that may
 * receive. */
WEFT_API WEFT_NODISCARD int weft_chan_drain(weft_chan *chan);

/* Closes it: true for the call that did. Wakes all who wait; what the caller did
 * before is visible to whoever finds it closed. Any thread. */
WEFT_API bool weft_chan_close(weft_chan *chan);
WEFT_API bool weft_chan_is_closed(const weft_chan *chan);

/* Values inside just now (a hint under concurrency; 0 for a rendezvous), and how
 * many there may be: 0, n or WEFT_UNBOUNDED. */
WEFT_API size_t weft_chan_len(const weft_chan *chan);
WEFT_API bool weft_chan_is_empty(const weft_chan *chan);
WEFT_API bool weft_chan_is_full(const weft_chan *chan);
WEFT_API size_t weft_chan_capacity(const weft_chan *chan);
WEFT_API size_t weft_chan_element_size(const weft_chan *chan);

/* Waits until it is closed, whatever is left in it: 0, -ETIMEDOUT, -ECANCELED. Any thread. */
WEFT_API WEFT_NODISCARD int weft_chan_wait_closed(weft_chan *chan, int64_t deadline);

/* Select cases. `element` must stay until the select returns. */
WEFT_API weft_case weft_case_send(weft_chan *chan, const void *element);
WEFT_API weft_case weft_case_recv(weft_chan *chan, void *element);
WEFT_API weft_case weft_case_reserve(weft_chan *chan);
WEFT_API weft_case weft_case_closed(weft_chan *chan); /* result 0 */

WEFT_END_DECLS

/* For functions of which a program need not use all. */
#define WEFT_CHAN_INLINE static inline __attribute__((unused))

/* A channel type for one element type: WEFT_CHAN_DEFINE(int_chan, int) defines
 * `int_chan`, a struct that holds the channel, and inline functions that only
 * check types and cast: int_chan_new(&c, capacity), int_chan_send(c, 7),
 * int_chan_recv(c, &x), try_ and _until forms, int_chan_close(c) and
 * int_chan_release(c). c.chan is the channel itself. */
#define WEFT_CHAN_DEFINE(name, type)                                                          \
	typedef struct name {                                                                 \
		weft_chan *chan;                                                              \
	} name;                                                                               \
	WEFT_CHAN_INLINE WEFT_NODISCARD int name##_new(name *out, size_t capacity)            \
	{                                                                                     \
		return weft_chan_new(&out->chan, sizeof(type), capacity, NULL);               \
	}                                                                                     \
	WEFT_CHAN_INLINE WEFT_NODISCARD int name##_send(name c, type value)                   \
	{                                                                                     \
		return weft_chan_send(c.chan, &value);                                        \
	}                                                                                     \
	WEFT_CHAN_INLINE WEFT_NODISCARD int name##_try_send(name c, type value)               \
	{                                                                                     \
		return weft_chan_try_send(c.chan, &value);                                    \
	}                                                                                     \
	WEFT_CHAN_INLINE WEFT_NODISCARD int name##_send_until(name c, type value, int64_t d)  \
	{                                                                                     \
		return weft_chan_send_until(c.chan, &value, d);                               \
	}                                                                                     \
	WEFT_CHAN_INLINE WEFT_NODISCARD int name##_recv(name c, type *value)                  \
	{                                                                                     \
		return weft_chan_recv(c.chan, value);                                         \
	}                                                                                     \
	WEFT_CHAN_INLINE WEFT_NODISCARD int name##_try_recv(name c, type *value)              \
	{                                                                                     \
		return weft_chan_try_recv(c.chan, value);                                     \
	}                                                                                     \
	WEFT_CHAN_INLINE WEFT_NODISCARD int name##_recv_until(name c, type *value, int64_t d) \
	{                                                                                     \
		return weft_chan_recv_until(c.chan, value, d);                                \
	}                                                                                     \
	WEFT_CHAN_INLINE weft_case name##_case_recv(name c, type *value)                      \
	{                                                                                     \
		return weft_case_recv(c.chan, value);                                         \
	}                                                                                     \
	WEFT_CHAN_INLINE weft_case name##_case_send(name c, type const *value)                \
	{                                                                                     \
		return weft_case_send(c.chan, value);                                         \
	}                                                                                     \
	WEFT_CHAN_INLINE bool name##_close(name c)                                            \
	{                                                                                     \
		return weft_chan_close(c.chan);                                               \
	}                                                                                     \
	WEFT_CHAN_INLINE void name##_release(name c)                                          \
	{                                                                                     \
		weft_chan_release(c.chan);                                                    \
	}                                                                                     \
	struct name

#endif
