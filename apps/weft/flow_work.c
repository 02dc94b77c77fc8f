/* SPDX-License-Identifier: MIT */
/*
 * The workers of the pipeline.
 *
 * Each is a loop that receives items until the channel closes. The loops are
 * fork-join jobs: the first runs on the thread that entered the pool, the others
 * are taken by the pool's idle workers. A fork is handed out when somebody idle
 * has asked for it, which the owner notices in weft_fork(); as these loops fork
 * nothing more, they look themselves, once per piece of a file.
 *
 * Finished items travel in lists. The consumer is woken once for a list and not
 * once for a small file, as a wake-up costs as much as hashing one. A list goes
 * out when it is long, or old, or when the worker is about to do something that
 * may take long: wait for work, or hash a large file.
 */
#include "flow_impl.h"

#include "path.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LIST_LONG 32
#define LIST_OLD (5 * WEFT_MS)
#define LARGE ((off_t)1 << 20)

static void tally_add(weft_atomic_u64 *counter, uint64_t n)
{
	weft_store_relaxed(counter, weft_load_relaxed(counter) + n);
}

/* Hands the finished items over. When cancelled they may stay; flow_run() looks
 * for them. */
static void hand_over(struct flow_worker *w)
{
	if (w->done && weft_chan_send(w->flow->results, &w->done) == 0) {
		w->done = NULL;
		w->done_end = &w->done;
		w->done_count = 0;
	}
}

static void finished(struct flow_worker *w, struct flow_item *item)
{
	int64_t now = weft_now();

	if (!w->done)
		w->done_since = now;
	item->next = NULL;
	*w->done_end = item;
	w->done_end = &item->next;
	if (++w->done_count >= LIST_LONG || now - w->done_since >= LIST_OLD)
		hand_over(w);
}

static int after_piece(void *arg, size_t bytes)
{
	struct flow_worker *w = arg;

	tally_add(&w->bytes, bytes);
	weft_par_poll(w->par); /* idle workers take loops that nobody runs yet */
	return weft_cancelled() ? -ECANCELED : 0;
}

/* A descriptor of the item's bytes, and whether it is a stream: or -errno, or
 * minus a trouble. */
static int item_open(struct flow_worker *w, const struct flow_item *item)
{
	int nofollow = item->kind == FLOW_FILE ? O_NOFOLLOW : 0;
	struct stat st;

	if (item->kind == FLOW_STDIN)
		return STDIN_FILENO;
	/* Without O_NONBLOCK a FIFO that took the file's place would hold us. */
	int fd = path_open(item->path, O_RDONLY | O_NONBLOCK | nofollow);
	if (fd < 0)
		return fd;
	int trouble = fstat(fd, &st) != 0 ? errno : trouble_of_mode(st.st_mode);
	if (trouble) {
		close(fd);
		return -trouble;
	}
	tally_add(&w->bytes_known, (uint64_t)st.st_size);
	if ((uint64_t)st.st_size > w->hasher.size)
		(void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	if (st.st_size > LARGE)
		hand_over(w);
	return fd;
}

/* Hashes the item: true when it has a result, false when cancelled. */
static bool item_hash(struct flow_worker *w, struct flow_item *item)
{
	struct hash_job job = { .step = after_piece, .context = w };

	if (item->kind == FLOW_NOTE || item->trouble)
		return true;
	tally_add(&w->files, 1);
	job.fd = item->kind == FLOW_EMPTY ? open("/dev/null", O_RDONLY | O_CLOEXEC)
					  : item_open(w, item);
	if (job.fd < 0) {
		item->trouble = item->kind == FLOW_EMPTY ? errno : -job.fd;
		return true;
	}
	if (item->kind == FLOW_STDIN) {
		job.may_block = true;
		hand_over(w);
	}
	int err = hasher_run(&w->hasher, &job);
	if (item->kind != FLOW_STDIN)
		close(job.fd);
	item->bytes = job.bytes;
	item->trouble = err == -ENOTSUP ? TROUBLE_DIGEST : -err;
	if (err == 0)
		memcpy(item->digest, job.digest, sizeof(item->digest));
	return err != -ECANCELED;
}

static int next_item(struct flow_worker *w, struct flow_item **item)
{
	struct flow *f = w->flow;
	int err = weft_chan_try_recv(f->work, item);

	if (err == -EAGAIN) {
		hand_over(w);
		err = weft_chan_recv(f->work, item);
	}
	if (err == 0 && (weft_add_relaxed(&f->taken, 1) + 1) % FLOW_AHEAD_STEP == 0)
		weft_semaphore_release(&f->ahead, FLOW_AHEAD_STEP);
	return err;
}

static void work(weft_par par, weft_job *job)
{
	struct flow_worker *w = weft_container_of(job, struct flow_worker, job);
	struct flow_item *item;

	w->par = par;
	while (!weft_cancelled() && next_item(w, &item) == 0) {
		weft_par_poll(w->par); /* idle workers take loops that nobody runs yet */
		if (item_hash(w, item))
			finished(w, item);
		else
			flow_item_free(item);
	}
	hand_over(w);
}

static void fork_all(weft_par par, void *arg)
{
	struct flow *f = arg;
	int jobs = f->opts->jobs;

	f->forks[0] = par;
	for (int i = 1; i < jobs; i++)
		f->forks[i] = weft_fork(f->forks[i - 1], &f->workers[i].job, work);
	work(f->forks[jobs - 1], &f->workers[0].job);
	for (int i = jobs - 1; i > 0; i--)
		weft_join(f->forks[i - 1], &f->workers[i].job, work);
}

void flow_work(struct flow *f)
{
	weft_pool_run(f->pool, fork_all, f);
}
