/* SPDX-License-Identifier: Apache-2.0 */
#include "segment/hidden.h"

#include "os/os.h"

#include <errno.h>
#include <stdio.h>

enum { TRIES = 16 };

static bool fits(int length)
{
	return length > 0 && length < SEGMENT_PATH_BYTES;
}

/* Its maker is dead when nobody holds the lock. What is not ours to remove stays. */
static int sweep_one(void *context, const char *name)
{
	const char *directory = context;
	char path[SEGMENT_PATH_BYTES];
	if (!fits(snprintf(path, sizeof(path), "%s/%s", directory, name)))
		return 0;
	int fd = os->open(path, true);
	if (fd < 0)
		return 0;
	if (os->lock(fd, SEGMENT_NAME_LOCK) == 0) {
		os->unlink(path);
		os->unlock(fd, SEGMENT_NAME_LOCK); /* a child forked meanwhile has it, too */
	}
	os->close(fd);
	return 0;
}

static bool has_name(int fd)
{
	struct os_file file;
	return os->stat_fd(fd, &file) == 0 && file.links > 0;
}

/* -EAGAIN: a sweeper was faster than our lock. */
static int create_one(const char *directory, char path[SEGMENT_PATH_BYTES])
{
	uint64_t number;
	int r = os->random(&number, sizeof(number));
	if (r < 0)
		return r;
	if (!fits(snprintf(path, SEGMENT_PATH_BYTES, "%s/" HIDDEN_PREFIX "%016llx", directory,
			   (unsigned long long)number)))
		return -ENAMETOOLONG;
	int fd = os->create_named(path);
	if (fd < 0)
		return fd;
	r = os->lock(fd, SEGMENT_NAME_LOCK);
	if (r == 0 && has_name(fd))
		return fd;
	if (r != -EAGAIN)
		os->unlink(path);
	os->close(fd);
	return r < 0 ? r : -EAGAIN;
}

int hidden_create(const char *directory, char ret_path[SEGMENT_PATH_BYTES])
{
	char swept[SEGMENT_PATH_BYTES];
	snprintf(swept, sizeof(swept), "%s", directory);
	os->each_entry(directory, HIDDEN_PREFIX, sweep_one, swept);
	int r = -EAGAIN;
	for (int i = 0; i < TRIES && (r == -EAGAIN || r == -EEXIST); i++)
		r = create_one(directory, ret_path);
	if (r < 0)
		ret_path[0] = '\0';
	return r == -EAGAIN ? -EBUSY : r; /* somebody sweeps and sweeps */
}

void hidden_drop(char path[SEGMENT_PATH_BYTES], int fd)
{
	if (!path[0])
		return;
	os->unlink(path);
	os->unlock(fd, SEGMENT_NAME_LOCK);
	path[0] = '\0';
}
