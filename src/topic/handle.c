/* SPDX-License-Identifier: Apache-2.0 */
#include "topic/handle.h"

#include "base/error.h"

#include <errno.h>

static int check_flags(unsigned flags, unsigned allowed)
{
	if (flags & ~allowed)
		return error_fail(EINVAL, "flags 0x%x have no meaning here", flags & ~allowed);
	if ((flags & (SHOAL_EXCLUSIVE | SHOAL_KEEP)) && !(flags & SHOAL_CREATE))
		return error_fail(EINVAL, "SHOAL_EXCLUSIVE and SHOAL_KEEP need SHOAL_CREATE");
	return 0;
}

/* The first pages are wiped in a forked child; the object lies behind them. */
static uint64_t wiped_bytes(size_t bytes)
{
	return align_up(bytes, 65536); /* a whole number of pages, whatever their size */
}

static uint64_t all_bytes(size_t bytes)
{
	return wiped_bytes(bytes) + sizeof(struct object);
}

/* `handle->object` reads as NULL in a child; its place is the same. */
static struct object *object_of(struct handle *handle, size_t bytes)
{
	return (struct object *)(void *)((uint8_t *)handle + wiped_bytes(bytes));
}

int handle_open(struct handle **ret, size_t bytes, const char *name, unsigned flags,
		unsigned allowed, uint32_t role, const struct shoal_topic_options *given)
{
	struct shoal_topic_options options;
	void *memory = NULL;
	int r = check_flags(flags, allowed);
	if (r < 0)
		return r;
	r = topic_options(given, &options);
	if (r < 0)
		return r;
	r = os->map_handle(wiped_bytes(bytes), all_bytes(bytes), &memory);
	if (r < 0)
		return error_fail(ENOMEM, "no memory for a handle");
	struct handle *handle = memory;
	handle->object = object_of(handle, bytes);
	int made = topic_open(handle->object, &handle->map, name, flags, role, &options);
	if (made < 0) {
		os->unmap(handle, all_bytes(bytes));
		return made;
	}
	handle->spin_ns = options.spin_ns == SHOAL_SPIN_NEVER ? 0 : options.spin_ns;
	handle->live = 1;
	*ret = handle;
	return made;
}

void handle_close(struct handle *handle, size_t bytes)
{
	if (handle->live || handle->stale)
		object_close(handle->object);
	else
		segment_close_in_child(&object_of(handle, bytes)->segment);
	os->unmap(handle, all_bytes(bytes));
}

int handle_fail(struct handle *handle, size_t bytes, int made, int error)
{
	if (made)
		handle->object->segment.fixed.flags &= ~(uint64_t)SEGMENT_KEEP;
	handle_close(handle, bytes);
	return error;
}

int handle_sysv_id(const struct handle *handle)
{
	if (!handle)
		return error_fail(EINVAL, "the handle is NULL");
	if (!handle->live && !handle->stale)
		return handle_refuse(handle);
	const struct segment *segment = &handle->object->segment;
	if (segment->sysv.id < 0)
		return error_fail(EINVAL, "'%s' is no System V object, so it has no id",
				  segment->name.text);
	return segment->sysv.id;
}

int handle_refuse(const struct handle *handle)
{
	if (handle->stale)
		return object_fail_removed(handle->object);
	return error_fail(ECHILD, "this handle was opened before a fork; close it here and open "
				  "another in the child");
}

int handle_check(struct handle *handle)
{
	int r = object_check(handle->object);
	if (r < 0) {
		handle->stale = 1;
		handle->live = 0;
		topic_keep_alerted(&handle->map);
	}
	return r;
}

int handle_interrupted(struct handle *handle)
{
	if (likely(atomic_load_explicit(&handle->interrupted, memory_order_relaxed) == 0))
		return 0;
	return atomic_exchange(&handle->interrupted, 0) ? -EINTR : 0;
}
