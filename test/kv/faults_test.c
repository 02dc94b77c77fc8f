/* SPDX-License-Identifier: MIT */
/*
 * Each system call of the server's path fails once: at its first time, its fourth, its
 * sixteenth; or with WEFT_FAULTS=all at each, with each error that it may give. Whenever
 * that is, the server either does not start and says why, or it serves whoever comes next,
 * saves, and ends when it is told to; it uses no processor meanwhile, and what it has
 * acknowledged and saved is there when it starts again. (A leak is the sanitizer's to
 * find.)
 *
 * Method: a seccomp filter in the server hands its calls of one kind to a thread of the
 * test, which lets them go on but for one. It counts from the program's first act on.
 */
/* CTest: on each reactor. */
#define _GNU_SOURCE

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "rig.h"
#include "rt/sanitize.h"
#include "weft/atomic.h"
#include "weft/base.h"

/* ---- the thread that lets calls go on, or not ------------------------------------------ */

static struct fault {
	long call;
	int error;
	int at; /* which of them fails; 0: none */
	/* The thread's. */
	int listener;
	bool counts;
	int seen;
	pthread_t thread;
} fault;

/* Between the server's process, before it is one, and the test: the descriptor at which
 * the filter's calls arrive, plus 1, and that the test has it. */
static struct shared {
	weft_atomic_u32 listener, taken;
} * shared;

/* The descriptor, or -1. */
static int filter_set(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)fault.call, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_fcntl, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { .len = sizeof(code) / sizeof(code[0]), .filter = code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return -1;
	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER,
			    &program);
}

static void filter_in_child(void)
{
	const int fd = filter_set();

	weft_store_release(&shared->listener, (uint32_t)fd + 1);
	while (!weft_load_acquire(&shared->taken))
		sched_yield();
}

/* Of reads and writes, those of files: an eventfd's cannot fail, and whether the first line
 * is written is another test's. */
static bool can_fail(const struct seccomp_notif *call)
{
	char path[64], target[256] = "";

	if (call->data.nr != SYS_write && call->data.nr != SYS_read)
		return true;
	snprintf(path, sizeof(path), "/proc/%u/fd/%d", call->pid, (int)call->data.args[0]);
	return readlink(path, target, sizeof(target) - 1) > 0 && target[0] == '/';
}

static bool fails(const struct seccomp_notif *call)
{
	if (call->data.nr == SYS_fcntl && call->data.args[0] == 0 && call->data.args[1] == F_GETFD)
		fault.counts = true;
	return fault.counts && call->data.nr == fault.call && can_fail(call) &&
	       ++fault.seen == fault.at;
}

static void *decide(void *arg)
{
	struct pollfd p = { .fd = fault.listener, .events = POLLIN };

	while (poll(&p, 1, -1) == 1 && (p.revents & POLLIN)) {
		struct seccomp_notif call = { 0 };
		struct seccomp_notif_resp answer = { 0 };

		/* The call may be over already: a signal came. */
		if (ioctl(fault.listener, SECCOMP_IOCTL_NOTIF_RECV, &call) < 0)
			continue;
		answer.id = call.id;
		if (fails(&call))
			answer.error = -fault.error;
		else
			answer.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
		(void)ioctl(fault.listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
	}
	return arg;
}

static void watch_in_parent(pid_t pid)
{
	int process = (int)syscall(SYS_pidfd_open, pid, 0);
	uint32_t fd;

	CHECK_GE(process, 0);
	while ((fd = weft_load_acquire(&shared->listener)) == 0)
		sched_yield();
	fault.listener = (int)syscall(SYS_pidfd_getfd, process, fd - 1, 0);
	CHECK_GE(fault.listener, 0);
	close(process);
	CHECK_EQ(pthread_create(&fault.thread, NULL, decide, NULL), 0);
	weft_store_release(&shared->taken, 1);
}

static const struct server_hook hook = { filter_in_child, watch_in_parent };

/* ---- a server's life ------------------------------------------------------------------ */

static char file[256];
static struct server server;

/* The processor time of all its threads, in ns. */
static long long time_used(pid_t pid)
{
	char path[300];
	long long sum = 0, one;
	const struct dirent *entry;
	DIR *threads;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	threads = opendir(path);
	CHECK_NOT_NULL(threads);
	while ((entry = readdir(threads)) != NULL) {
		FILE *stat;

		snprintf(path, sizeof(path), "/proc/%d/task/%.16s/schedstat", (int)pid,
			 entry->d_name);
		stat = fopen(path, "re");
		if (stat && fscanf(stat, "%lld", &one) == 1)
			sum += one;
		if (stat)
			fclose(stat);
	}
	closedir(threads);
	return sum;
}

/* It comes to rest: in one span of many, next to nothing. */
static void check_rests(void)
{
	const struct timespec span = { .tv_nsec = 10 * 1000 * 1000 };

	for (int i = 0; i < 500; i++) {
		long long before = time_used(server.pid);

		nanosleep(&span, NULL);
		if (time_used(server.pid) - before < 1000 * 1000)
			return;
	}
	FAIL("call %ld failed with %d at number %d: the server does not come to rest", fault.call,
	     fault.error, fault.at);
}

/* Says it all and hears what comes; the fault may end the connection at any point. */
static bool session(const char *lines, const char *replies)
{
	struct client c;
	struct buf heard;
	bool same;

	client_open(&c, &server);
	(void)!send(c.fd, lines, strlen(lines), MSG_NOSIGNAL);
	heard = hear_all(&c);
	same = strcmp(buf_cstr(&heard), replies) == 0;
	buf_free(&heard);
	client_close(&c);
	return same;
}

static bool session_of(bool saves)
{
	if (saves)
		return session("SET k v\r\nSAVE\r\nQUIT\r\n", "+OK\r\n+OK\r\n+OK\r\n");
	return session("SET k v\r\nGET k\r\nQUIT\r\n", "+OK\r\n$1\r\nv\r\n+OK\r\n");
}

static void serve(bool saves)
{
	/* The first may meet the fault. */
	if (!session_of(saves) && !session_of(saves))
		FAIL("call %ld failed with %d at number %d, and more than that", fault.call,
		     fault.error, fault.at);
	check_rests();
	kill(server.pid, SIGTERM);
}

/* How often the call was made. */
static int live(long call, int error, int at, bool saves)
{
	const char *const args[] = { "kv", "--workers", "2", saves ? "--save" : NULL, file, NULL };
	struct buf said;
	bool served;
	int code;

	fault = (struct fault){ .call = call, .error = error, .at = at };
	weft_store_relaxed(&shared->listener, 0);
	weft_store_relaxed(&shared->taken, 0);
	served = server_try_start(&server, args, &hook);
	if (served)
		serve(saves);
	said = server_last_words(&server);
	code = server_wait(&server);
	if (code > 1 || (code == 1 && !strstr(buf_cstr(&said), "weft")) || (code == 0 && !served))
		FAIL("call %ld failed with %d at number %d: it ended with %d and said: %s", call,
		     error, at, code, buf_cstr(&said));
	buf_free(&said);
	CHECK_EQ(pthread_join(fault.thread, NULL), 0);
	close(fault.listener);
	return fault.seen;
}

/* The file of the last life, if there was one, is whole. */
static void check_saved(void)
{
	SERVER_START(&server, "--save", file);
	CHECK(session("GET k\r\nQUIT\r\n", "$1\r\nv\r\n+OK\r\n"));
	server_stop(&server);
}

/* ---- the calls ------------------------------------------------------------------------ */

static void fail_at_each(long call, bool saves, int error, int times)
{
	const char *wish = getenv("WEFT_FAULTS");
	const bool all = wish && strcmp(wish, "all") == 0;

	for (int at = 1; at <= times; at += all ? 1 : 3 * at) {
		live(call, error, at, saves);
		if (saves)
			check_saved();
	}
}

/* The call fails with each of the errors, which end with 0; with the first only if not
 * all is wanted. `saves`: there is a file, which is looked at afterwards. */
static void fail(long call, bool saves, const int *errors)
{
	int times;

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	CHECK(shared != MAP_FAILED);
	snprintf(file, sizeof(file), "%s/faults", scratch());
	times = live(call, EIO, 0, saves);
	fail_at_each(call, saves, *errors, times);
	while (getenv("WEFT_FAULTS") && *++errors)
		fail_at_each(call, saves, *errors, times);
	CHECK_EQ(munmap(shared, sizeof(*shared)), 0);
}

static bool listener_works(void)
{
	int status;
	pid_t child = check_fork();

	if (child == 0)
		_exit(filter_set() < 0);
	CHECK_EQ(waitpid(child, &status, 0), child);
	return status == 0;
}

#define FAIL_WITH(call, saves, ...)                                          \
	do {                                                                 \
		if (!listener_works())                                       \
			SKIP("this system lets no process decide on calls"); \
		fail((call), (saves), (const int[]){ __VA_ARGS__, 0 });      \
	} while (0)

/* What the sanitizers do too, and cannot go on without. */
#define FAIL_UNSANITIZED_WITH(call, saves, ...)                           \
	do {                                                              \
		if (WEFT__ASAN || WEFT__TSAN)                             \
			SKIP("the sanitizer would end where this fails"); \
		FAIL_WITH(call, saves, __VA_ARGS__);                      \
	} while (0)

/* ---- sockets */

TEST(faults_of_socket)
{
	FAIL_WITH(SYS_socket, false, EMFILE);
}

TEST(faults_of_bind)
{
	FAIL_WITH(SYS_bind, false, EADDRINUSE);
}

TEST(faults_of_listen)
{
	FAIL_WITH(SYS_listen, false, EADDRINUSE);
}

TEST(faults_of_setsockopt)
{
	FAIL_WITH(SYS_setsockopt, false, ENOPROTOOPT);
}

TEST(faults_of_getpeername)
{
	FAIL_WITH(SYS_getpeername, false, ENOTCONN);
}

TEST(faults_of_accept4)
{
	FAIL_WITH(SYS_accept4, false, EMFILE, ECONNABORTED, ENOMEM);
}

TEST(faults_of_recvfrom)
{
	FAIL_WITH(SYS_recvfrom, false, ECONNRESET, EINTR, ENOMEM);
}

TEST(faults_of_sendto)
{
	FAIL_WITH(SYS_sendto, false, EPIPE, EINTR, ENOBUFS);
}

/* ---- the poller */

TEST(faults_of_epoll_create1)
{
	FAIL_WITH(SYS_epoll_create1, false, EMFILE);
}

TEST(faults_of_epoll_ctl)
{
	FAIL_WITH(SYS_epoll_ctl, false, ENOMEM, ENOSPC);
}

#ifdef SYS_epoll_wait /* newer systems have only its successor */
TEST(faults_of_epoll_wait)
{
	FAIL_WITH(SYS_epoll_wait, false, EINTR);
}
#endif

TEST(faults_of_epoll_pwait)
{
	FAIL_WITH(SYS_epoll_pwait, false, EINTR);
}

TEST(faults_of_io_uring_setup)
{
	FAIL_WITH(SYS_io_uring_setup, false, ENOMEM, EPERM);
}

TEST(faults_of_io_uring_enter)
{
	FAIL_WITH(SYS_io_uring_enter, false, EINTR, EAGAIN, EBUSY);
}

TEST(faults_of_eventfd2)
{
	FAIL_WITH(SYS_eventfd2, false, EMFILE);
}

/* ---- files */

TEST(faults_of_openat)
{
	FAIL_UNSANITIZED_WITH(SYS_openat, true, EMFILE, EACCES);
}

TEST(faults_of_read)
{
	FAIL_UNSANITIZED_WITH(SYS_read, true, EIO);
}

TEST(faults_of_write)
{
	FAIL_UNSANITIZED_WITH(SYS_write, true, ENOSPC, EIO);
}

TEST(faults_of_fsync)
{
	FAIL_WITH(SYS_fsync, true, EIO);
}

#ifdef SYS_rename /* newer systems have only its successor */
TEST(faults_of_rename)
{
	FAIL_WITH(SYS_rename, true, EACCES);
}
#endif

/* ---- memory and threads. (Not munmap: for the C library its failure is the end.) */

TEST(faults_of_mmap)
{
	FAIL_UNSANITIZED_WITH(SYS_mmap, false, ENOMEM);
}

TEST(faults_of_mprotect)
{
	FAIL_UNSANITIZED_WITH(SYS_mprotect, false, ENOMEM);
}

TEST(faults_of_madvise)
{
	FAIL_UNSANITIZED_WITH(SYS_madvise, false, EINVAL, ENOMEM);
}

TEST(faults_of_clone3)
{
	FAIL_UNSANITIZED_WITH(SYS_clone3, false, EAGAIN);
}

TEST(faults_of_sigaltstack)
{
	FAIL_UNSANITIZED_WITH(SYS_sigaltstack, false, ENOMEM);
}

TEST(faults_of_getrandom)
{
	FAIL_WITH(SYS_getrandom, false, EAGAIN);
}

TEST(faults_of_sched_getaffinity)
{
	FAIL_UNSANITIZED_WITH(SYS_sched_getaffinity, false, EPERM);
}
