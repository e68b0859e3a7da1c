/* SPDX-License-Identifier: Apache-2.0 */
/* A picture of a file, to see later that nothing about it was changed. */
#ifndef TESTS_PROCESS_PICTURE_H
#define TESTS_PROCESS_PICTURE_H

#include <stdint.h>
#include <sys/stat.h>

struct picture {
	struct stat st;
	uint64_t hash; /* of its bytes, when it is a regular file */
};

struct picture look(const char *path);
/* Ends the process when bytes, mode, owner, size, memory or time of change are others. */
void check_unchanged(const char *path, const struct picture *before);

#endif
