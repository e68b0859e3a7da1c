/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory of a handle, whatever its kind. It reads as zeroes in a forked child, so there a
 * member that says `live` is 0 without anybody having to ask. Behind it lies what the
 * child inherits: the object, for its descriptor, and how it was opened, to rejoin it.
 */
#ifndef SHOAL_OBJECT_OBJECT_HANDLE_H
#define SHOAL_OBJECT_OBJECT_HANDLE_H

#include "object/object.h"

/* Flags of an open function: 0, or -EINVAL with a detail. */
int object_handle_flags(unsigned flags, unsigned allowed);

struct object_kept {
	struct object object;
	int64_t spin_ns;
	unsigned flags;
};

/* Zeroed memory for a handle of `bytes` bytes, and for what is kept. Sets the detail. */
int object_handle_new(void **ret_handle, size_t bytes, struct object_kept **ret_kept);
/* The handle's own pointer to it reads as NULL in a child; its place is the same. */
struct object_kept *object_handle_kept(const void *handle, size_t bytes);
void object_handle_free(void *handle, size_t bytes);
/* In a forked child: closes what it inherited. */
void object_handle_close_in_child(void *handle, size_t bytes);
/* -ECHILD, with its detail. */
int object_handle_fail_in_child(void);

/* A copy of a caller's options, `size_t size` first: what is not given is zero, and what this
 * library does not know must be. `name` is that of the structure. Sets the detail. */
int object_handle_options(const void *given, void *ret, size_t bytes, const char *name);

#endif
