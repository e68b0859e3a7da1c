/* SPDX-License-Identifier: Apache-2.0 */
/* Ending in order on a signal, and system calls that know about it. */
#include "cli.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t stop_signal;
static _Atomic(shoal_pub *) watched_pub;
static _Atomic(shoal_sub *) watched_sub;

static void on_signal(int signal)
{
	int saved = errno;
	shoal_pub *pub = atomic_load(&watched_pub);
	shoal_sub *sub = atomic_load(&watched_sub);

	if (signal != SIGALRM)
		stop_signal = signal;
	if (pub)
		shoal_pub_interrupt(pub);
	if (sub)
		shoal_sub_interrupt(sub);
	alarm(1);
	errno = saved;
}

void stop_on_signals(void)
{
	static const int ends[] = {SIGINT, SIGTERM, SIGHUP};
	struct sigaction action = {.sa_handler = on_signal}; /* no SA_RESTART: EINTR is wanted */
	struct sigaction before;

	sigemptyset(&action.sa_mask);
	for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
		/* What was ignored for us (nohup, a shell's background job) stays ignored. */
		if (sigaction(ends[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
			sigaction(ends[i], &action, NULL);
	}
	sigaction(SIGALRM, &action, NULL);
}

bool stopped(void)
{
	return stop_signal != 0;
}

void stop_interrupts_pub(shoal_pub *pub)
{
	atomic_store(&watched_pub, pub);
	if (pub && stopped())
		shoal_pub_interrupt(pub);
}

void stop_interrupts_sub(shoal_sub *sub)
{
	atomic_store(&watched_sub, sub);
	if (sub && stopped())
		shoal_sub_interrupt(sub);
}

static int64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return now.tv_sec * NS_PER_SECOND + now.tv_nsec;
}

int64_t now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

int64_t realtime_ns(void)
{
	return clock_ns(CLOCK_REALTIME);
}

/* After a failed read or write: 0 to try again, or the error. */
static int may_try_again(int fd, short events)
{
	struct pollfd wait = {.fd = fd, .events = events};

	if (errno == EINTR)
		return stopped() ? -EINTR : 0;
	if (errno != EAGAIN)
		return -errno;
	/* Somebody else made the terminal or pipe non-blocking. */
	if (poll(&wait, 1, -1) < 0 && errno == EINTR && stopped())
		return -EINTR;
	return 0;
}

/* The kernel says EFAULT of a topic's memory that was truncated. We look there ourselves, so that
 * the library's guard sees it (SHOAL_GUARD_SIGBUS): its next call says what has happened. */
static void look_for_loss(const void *data, size_t bytes)
{
	const volatile char *at = data;

	for (size_t i = 0; i < bytes; i += 4096)
		(void)at[i];
	if (bytes)
		(void)at[bytes - 1];
}

int64_t read_some(int fd, void *buffer, size_t bytes)
{
	bool looked = false;

	for (;;) {
		if (stopped())
			return -EINTR;
		ssize_t got = read(fd, buffer, bytes);
		if (got >= 0)
			return got;
		if (errno == EFAULT && !looked) {
			look_for_loss(buffer, bytes);
			looked = true;
			continue;
		}
		int r = may_try_again(fd, POLLIN);
		if (r < 0)
			return r;
	}
}

static void skip_written(struct iovec **parts, size_t *count, size_t written)
{
	while (*count && written >= (*parts)->iov_len) {
		written -= (*parts)->iov_len;
		++*parts;
		--*count;
	}
	if (*count) {
		(*parts)->iov_base = (char *)(*parts)->iov_base + written;
		(*parts)->iov_len -= written;
	}
}

int write_all(int fd, struct iovec *parts, size_t count)
{
	skip_written(&parts, &count, 0);
	while (count) {
		ssize_t written = writev(fd, parts, (int)count);
		if (written >= 0) {
			skip_written(&parts, &count, (size_t)written);
			continue;
		}
		if (errno == EFAULT) { /* not again: it would be zeroes */
			for (size_t i = 0; i < count; i++)
				look_for_loss(parts[i].iov_base, parts[i].iov_len);
			return -EFAULT;
		}
		int r = may_try_again(fd, POLLOUT);
		if (r < 0)
			return r;
	}
	return 0;
}

int sleep_until(int64_t monotonic_ns)
{
	struct timespec when = {.tv_sec = monotonic_ns / NS_PER_SECOND,
				.tv_nsec = monotonic_ns % NS_PER_SECOND};

	while (!stopped()) {
		if (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &when, NULL) != EINTR)
			return 0;
	}
	return -EINTR;
}
