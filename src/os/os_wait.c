/* SPDX-License-Identifier: Apache-2.0 */
/* The table for Linux: everything that waits. */
#include "os/os_linux.h"

#include <errno.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <poll.h>
#include <sched.h>
#include <sys/inotify.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Shared futexes: the waker lives in another process, with another address. */
int os_futex_wait(const void *word, uint32_t value, int64_t timeout_ns)
{
	struct timespec ts = {.tv_sec = timeout_ns / 1000000000,
			      .tv_nsec = timeout_ns % 1000000000};
	const struct timespec *timeout = timeout_ns < 0 ? NULL : &ts;
	long r = syscall(SYS_futex, word, FUTEX_WAIT, value, timeout, NULL, 0);
	return r < 0 ? -errno : 0;
}

int os_futex_wake(const void *word, int count)
{
	long r = syscall(SYS_futex, word, FUTEX_WAKE, count, NULL, NULL, 0);
	return r < 0 ? -errno : (int)r;
}

/*
 * FUTEX_WAKE_OP: the kernel changes `add` and wakes the sleepers of `word` before a signal, even
 * SIGKILL, can take effect. Its second job, waking on `add` when a comparison holds (here: it was
 * 0), does no harm: those who wait on the word itself are woken anyway, and on a slot nobody waits.
 */
int os_futex_add_and_wake(const void *word, void *add, unsigned shift)
{
	const unsigned add_shifted = FUTEX_OP_ADD | FUTEX_OP_OPARG_SHIFT;
	const unsigned op = add_shifted << 28 | (unsigned)FUTEX_OP_CMP_EQ << 24 |
			    (shift & 31) << 12;
	long r = syscall(SYS_futex, word, FUTEX_WAKE_OP, INT32_MAX, 0L, add, op);
	return r < 0 ? -errno : 0;
}

int os_barrier_register(void)
{
	long r = syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0, 0);
	return r < 0 ? -errno : 0;
}

int os_barrier(void)
{
	long r = syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0, 0);
	return r < 0 ? -errno : 0;
}

void os_yield(void)
{
	sched_yield();
}

static int64_t left_ns(int64_t deadline_ns)
{
	if (deadline_ns < 0)
		return -1;
	int64_t left = deadline_ns - os->now_ns();
	return left < 0 ? 0 : left;
}

/* One sleep on the watch; without one (fd < 0), a nap of 50 ms. 1: try again, 0: no time left. */
static int watch_sleep(int fd, int64_t left)
{
	const int64_t nap_ns = 50000000;
	int64_t sleep_ns = fd < 0 && (left < 0 || left > nap_ns) ? nap_ns : left;
	struct timespec ts = {.tv_sec = sleep_ns / 1000000000, .tv_nsec = sleep_ns % 1000000000};
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
	int r = ppoll(&poll_fd, 1, sleep_ns < 0 ? NULL : &ts, NULL);
	if (r < 0)
		return -errno;
	char events[4096]; /* what happened does not matter, only that something did */
	if (r > 0 && read(fd, events, sizeof(events)) < 0 && errno != EAGAIN)
		return -errno;
	return 1;
}

/*
 * Waits until there(context) is not 0. The watch is set before the first look, so that nothing
 * that happens between look and sleep is missed.
 */
int os_wait_entry(const char *directory, int64_t timeout_ns, int (*there)(void *context),
		  void *context)
{
	int64_t now = os->now_ns();
	int64_t deadline = timeout_ns < 0 || timeout_ns > INT64_MAX - now ? -1 : now + timeout_ns;
	int fd = timeout_ns == 0 ? -1 : inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (fd >= 0 && inotify_add_watch(fd, directory, IN_CREATE | IN_MOVED_TO) < 0) {
		close(fd);
		fd = -1;
	}
	int r;
	for (;;) {
		r = there(context);
		if (r != 0)
			break;
		int64_t left = left_ns(deadline);
		if (left == 0) {
			r = timeout_ns == 0 ? -EAGAIN : -ETIMEDOUT;
			break;
		}
		r = watch_sleep(fd, left);
		if (r < 0)
			break;
	}
	if (fd >= 0)
		close(fd);
	return r < 0 ? r : 0;
}
