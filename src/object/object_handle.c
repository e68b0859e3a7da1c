/* SPDX-License-Identifier: Apache-2.0 */
#include "object/object_handle.h"

#include "base/error.h"

#include <errno.h>
#include <string.h>

int object_handle_flags(unsigned flags, unsigned allowed)
{
	if (flags & ~allowed)
		return error_fail(EINVAL, "flags 0x%x have no meaning here", flags & ~allowed);
	if ((flags & (SHOAL_EXCLUSIVE | SHOAL_KEEP)) && !(flags & SHOAL_CREATE))
		return error_fail(EINVAL, "SHOAL_EXCLUSIVE and SHOAL_KEEP need SHOAL_CREATE");
	return 0;
}

/* The first pages are wiped in a forked child; what it inherits lies behind them. */
static uint64_t wiped_bytes(size_t bytes)
{
	return align_up(bytes, 65536); /* a whole number of pages, whatever their size */
}

static uint64_t all_bytes(size_t bytes)
{
	return wiped_bytes(bytes) + sizeof(struct object_kept);
}

struct object_kept *object_handle_kept(const void *handle, size_t bytes)
{
	return (struct object_kept *)((uintptr_t)handle + wiped_bytes(bytes));
}

int object_handle_new(void **ret_handle, size_t bytes, struct object_kept **ret_kept)
{
	int r = os->map_handle(wiped_bytes(bytes), all_bytes(bytes), ret_handle);
	if (r < 0)
		return error_fail(ENOMEM, "no memory for a handle");
	*ret_kept = object_handle_kept(*ret_handle, bytes);
	return 0;
}

void object_handle_free(void *handle, size_t bytes)
{
	os->unmap(handle, all_bytes(bytes));
}

void object_handle_close_in_child(void *handle, size_t bytes)
{
	segment_close_in_child(&object_handle_kept(handle, bytes)->object.segment);
}

int object_handle_fail_in_child(void)
{
	return error_fail(ECHILD, "this handle was opened before a fork; let it rejoin here "
				  "(shoal_pub_rejoin, shoal_sub_rejoin), or close it and open "
				  "another");
}

int object_handle_options(const void *given, void *ret, size_t bytes, const char *name)
{
	memset(ret, 0, bytes);
	if (!given)
		return 0;
	size_t size;
	memcpy(&size, given, sizeof(size));
	if (size < sizeof(size_t))
		return error_fail(EINVAL, "options.size is %zu: set it to sizeof(struct %s)", size,
				  name);
	const unsigned char *from = given;
	for (size_t i = bytes; i < size && i < 65536; i++)
		if (from[i] != 0)
			return error_fail(E2BIG,
					  "the options have fields that this library (%s) does not "
					  "know",
					  SHOAL_VERSION_STRING);
	memcpy(ret, given, size < bytes ? size : bytes);
	return 0;
}
