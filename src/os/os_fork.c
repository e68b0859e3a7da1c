/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptors that hold a lock must not live on in a forked child: it would keep the lock when the
 * parent is gone. For the moments in which such a descriptor is open, forks by other threads are
 * held up, and signals to this one, whose handlers may fork; the few that stay open (overlayfs, see
 * seat/seat.h) are closed in the child. The fork handlers are installed with the first of either.
 */
#include "os/os_linux.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <unistd.h>

#define KEPT_MAX 4096

/* Recursive: a signal handler may fork in the middle of ours. */
static pthread_mutex_t mutex = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static int kept[KEPT_MAX];
static int kept_count;
static bool installed;
static unsigned holds; /* of the thread that has the mutex; the mask is that before the first */
static sigset_t mask_before;

static void before_fork(void)
{
	pthread_mutex_lock(&mutex);
}

static void after_fork_in_parent(void)
{
	pthread_mutex_unlock(&mutex);
}

static void after_fork_in_child(void)
{
	for (int i = 0; i < kept_count; i++)
		close(kept[i]);
	kept_count = 0;
	holds = 0;
	/* Its owner, the parent's thread, has another number here: unlocking would fail. */
	mutex = (pthread_mutex_t)PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
}

static int install(void)
{
	int r = installed ? 0
			  : -pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
	installed = r == 0;
	return r;
}

/* All but those that come from what the thread itself does: blocked, these would kill. */
static void block_signals(sigset_t *ret_before)
{
	static const int own[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT};
	sigset_t set;
	sigfillset(&set);
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		sigdelset(&set, own[i]);
	pthread_sigmask(SIG_BLOCK, &set, ret_before);
}

int os_hold_forks(void)
{
	sigset_t before;
	block_signals(&before);
	pthread_mutex_lock(&mutex);
	if (holds++ == 0)
		mask_before = before;
	int r = install();
	if (r < 0)
		os_let_forks();
	return r;
}

void os_let_forks(void)
{
	bool last = --holds == 0;
	sigset_t before = mask_before;
	pthread_mutex_unlock(&mutex);
	if (last)
		pthread_sigmask(SIG_SETMASK, &before, NULL);
}

int os_keep_across_fork(int fd)
{
	pthread_mutex_lock(&mutex);
	int r = install();
	if (r == 0 && kept_count == KEPT_MAX)
		r = -EMFILE;
	if (r == 0)
		kept[kept_count++] = fd;
	pthread_mutex_unlock(&mutex);
	return r;
}

void os_forget_across_fork(int fd)
{
	pthread_mutex_lock(&mutex);
	for (int i = 0; i < kept_count; i++)
		if (kept[i] == fd) {
			kept[i] = kept[--kept_count];
			break;
		}
	pthread_mutex_unlock(&mutex);
}
