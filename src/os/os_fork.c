/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptors that hold a lock must not live on in a forked child: it would keep the lock when the
 * parent is gone. For the moments in which such a descriptor is open, forks by other threads are
 * held up; the few that stay open (overlayfs, see seat/seat.h) are closed in the child. The fork
 * handlers are installed with the first of either.
 */
#include "os/os_linux.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <unistd.h>

#define KEPT_MAX 4096

/* Recursive: a signal handler may fork in the middle of ours. */
static pthread_mutex_t mutex = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static int kept[KEPT_MAX];
static int kept_count;
static bool installed;

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

int os_hold_forks(void)
{
	pthread_mutex_lock(&mutex);
	int r = install();
	if (r < 0)
		pthread_mutex_unlock(&mutex);
	return r;
}

void os_let_forks(void)
{
	pthread_mutex_unlock(&mutex);
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
