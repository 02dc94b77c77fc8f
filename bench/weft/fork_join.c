/* SPDX-License-Identifier: MIT */
/* Weft's fork and join: fib with one fork a call and no cut-off. */
#include "../subject.h"

#include <weft/pool.h>

struct fib {
	weft_job job;
	int n;
	uint64_t result;
};

static uint64_t fib(weft_par par, int n);

static void fib_job(weft_par par, weft_job *job)
{
	struct fib *f = weft_container_of(job, struct fib, job);

	f->result = fib(par, f->n);
}

static uint64_t fib(weft_par par, int n)
{
	if (n < 2)
		return (uint64_t)n;
	struct fib other = { .n = n - 2 };
	weft_par inner = weft_fork(par, &other.job, fib_job);
	uint64_t mine = fib(inner, n - 1);

	weft_join(par, &other.job, fib_job);
	return mine + other.result;
}

static weft_pool *pool;

static void fib_root(weft_par par, void *arg)
{
	struct fib *f = arg;

	f->result = fib(par, f->n);
}

static uint64_t fib_in_pool(int n)
{
	struct fib f = { .n = n };

	weft_pool_run(pool, fib_root, &f);
	return f.result;
}

int main(int argc, char **argv)
{
	if (argc != 4)
		return subject_bad("usage: weft-fork_join fork_join fibN WORKERS");
	int err = weft_pool_new(&pool, &(weft_pool_opts){ .workers = atoi(argv[3]) });

	if (err)
		return subject_bad("a pool of %s workers: %s", argv[3], strerror(-err));
	int rc = subject_fib_measure(argv[2], fib_in_pool);

	weft_pool_free(pool);
	return rc;
}
