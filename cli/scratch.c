/* SPDX-License-Identifier: Apache-2.0 */
#include "scratch.h"

#include "cli.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEPTH_MAX 4

int scratch_make(const char *verb, char *ret_path, size_t size)
{
	const char *directory = getenv("SHOAL_DIR");
	int r = 0;

	if (!directory || !directory[0])
		directory = "/dev/shm";
	if (snprintf(ret_path, size, "%s/shoal-%s.XXXXXX", directory, verb) >= (int)size)
		r = -ENAMETOOLONG;
	else if (!mkdtemp(ret_path))
		r = -errno;
	if (r < 0)
		ret_path[0] = '\0';
	return r;
}

static void remove_below(int parent, const char *name, int depth)
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *directory = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *entry;

	while (directory && (entry = readdir(directory))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (unlinkat(fd, entry->d_name, 0) < 0 && depth < DEPTH_MAX)
			remove_below(fd, entry->d_name, depth + 1);
	}
	if (directory)
		closedir(directory);
	unlinkat(parent, name, AT_REMOVEDIR);
}

bool scratch_remove(const char *path)
{
	if (!path[0])
		return true;
	remove_below(AT_FDCWD, path, 0);
	return access(path, F_OK) != 0;
}
