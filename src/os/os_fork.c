/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptors that hold a lock and must not live on in a forked child. Needed on overlayfs only
 * (see seat/seat.h); the fork handler is installed with the first such descriptor.
 */
#include "os/os_linux.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <unistd.h>

#define KEPT_MAX 4096

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
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
	pthread_mutex_unlock(&mutex);
}

int os_keep_across_fork(int fd)
{
	int r = 0;
	pthread_mutex_lock(&mutex);
	if (!installed) {
		r = -pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
		installed = r == 0;
	}
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
