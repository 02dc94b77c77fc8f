/* SPDX-License-Identifier: MIT */
/* Peer: glibc's pthread_mutex_t of the default kind. */
#include "../../subject.h"

#include <pthread.h>

static struct {
	pthread_mutex_t lock;
	struct subject_guarded g;
} shared = { PTHREAD_MUTEX_INITIALIZER, { 0, 0 } };

struct worker {
	unsigned index;
	uint64_t each;
};

static void *contend(void *arg)
{
	struct worker *w = arg;
	uint64_t x = subject_mutex_seed(w->index);

	for (uint64_t i = 0; i < w->each; i++) {
		pthread_mutex_lock(&shared.lock);
		shared.g.count++;
		shared.g.mix ^= x;
		pthread_mutex_unlock(&shared.lock);
		x = subject_mutex_work(x);
	}
	return NULL;
}

static double alone(uint64_t n)
{
	double start = subject_now_ns();

	for (uint64_t i = 0; i < n; i++) {
		pthread_mutex_lock(&shared.lock);
		shared.g.count++;
		pthread_mutex_unlock(&shared.lock);
	}
	return subject_now_ns() - start;
}

static double together(unsigned threads, uint64_t each)
{
	pthread_t ids[64];
	struct worker workers[64];
	double start = subject_now_ns();

	shared.g = (struct subject_guarded){ 0, 0 };
	for (unsigned t = 0; t < threads; t++) {
		workers[t] = (struct worker){ t, each };
		if (pthread_create(&ids[t], NULL, contend, &workers[t]) != 0)
			abort();
	}
	for (unsigned t = 0; t < threads; t++)
		pthread_join(ids[t], NULL);
	return subject_now_ns() - start;
}

static void *idle(void *arg)
{
	return arg;
}

/* glibc leaves out its atomic operations while the process never had a second
 * thread, which no user of a mutex will see: start one. */
static int measure_alone(void)
{
	pthread_t id;

	if (pthread_create(&id, NULL, idle, NULL) != 0)
		abort();
	pthread_join(id, NULL);
	uint64_t small = SUBJECT_MUTEX_MOST_ALONE / 50;
	uint64_t n = subject_count(small, alone(small), SUBJECT_MUTEX_MOST_ALONE, 1);
	double took = alone(n);

	if (shared.g.count != small + n)
		return subject_bad("the counter is at %" PRIu64 " and not %" PRIu64,
				   shared.g.count, small + n);
	return subject_ok(took / (double)n, "ns/lock");
}

int main(int argc, char **argv)
{
	unsigned threads = argc == 4 ? subject_mutex_threads(argv[2]) : 0;

	if (threads == 0)
		return subject_bad("usage: pthread mutex uncontended|threadsN WORKERS");
	if (threads == 1)
		return measure_alone();
	uint64_t small = SUBJECT_MUTEX_MOST / 50 / threads * threads;
	double took = together(threads, small / threads);
	uint64_t n = subject_count(small, took, SUBJECT_MUTEX_MOST, threads);

	took = together(threads, n / threads);
	if (!subject_mutex_check(&shared.g, threads, n / threads))
		return subject_bad("%" PRIu64 " counted under the lock, %" PRIu64 " expected",
				   shared.g.count, n);
	return subject_ok(took / (double)n, "ns/lock");
}
