/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The seam for kinds of shared memory. A backend turns a name into a place; those whose place is
 * a path (posix, file) share everything else. Others (System V, memfd) will bring functions for
 * open, create and unlink of their own: add them here when they come.
 */
#ifndef SHOAL_SEGMENT_BACKEND_H
#define SHOAL_SEGMENT_BACKEND_H

#include <stdbool.h>
#include <stddef.h>

#define SEGMENT_PATH_BYTES 1024
#define SEGMENT_NAME_PART  63 /* longest part of a POSIX object's name */

struct backend {
	const char *scheme; /* what stands before ':' in a URI */
	bool keep;          /* its objects stay by default */
	/* Writes the path for `rest`, the name without its scheme. Sets the detail on failure. */
	int (*path)(const char *rest, char path[SEGMENT_PATH_BYTES]);
};

extern const struct backend backend_posix;
extern const struct backend backend_file;

/* Where POSIX objects live (SHOAL_DIR or /dev/shm), and what their file names begin with. */
const char *backend_posix_directory(void);
#define BACKEND_POSIX_PREFIX "shoal:"
/* The object's name for a file name, "shoal:g:n" -> "g/n". False when it is not one of ours. */
bool backend_posix_name(const char *entry, char *name, size_t room);

#endif
