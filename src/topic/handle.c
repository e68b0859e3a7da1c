/* SPDX-License-Identifier: Apache-2.0 */
#include "topic/handle.h"

#include "base/error.h"
#include "object/object_handle.h"

#include <errno.h>

int handle_open(struct handle **ret, size_t bytes, const char *name, unsigned flags,
		unsigned allowed, uint32_t role, const struct shoal_topic_options *given)
{
	struct shoal_topic_options options;
	void *memory = NULL;
	struct object *object = NULL;
	int r = object_handle_flags(flags, allowed);
	if (r < 0)
		return r;
	r = topic_options(given, &options);
	if (r < 0)
		return r;
	r = object_handle_new(&memory, bytes, &object);
	if (r < 0)
		return r;
	struct handle *handle = memory;
	handle->object = object;
	int made = topic_open(handle->object, &handle->map, name, flags, role, &options);
	if (made < 0) {
		object_handle_free(handle, bytes);
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
		object_handle_close_in_child(handle, bytes);
	object_handle_free(handle, bytes);
}

int handle_fail(struct handle *handle, size_t bytes, int made, int error)
{
	if (made)
		handle->object->segment.fixed.flags &= ~(uint64_t)SEGMENT_KEEP;
	handle_close(handle, bytes);
	return error;
}

int handle_refuse(const struct handle *handle)
{
	if (handle->stale)
		return object_fail_removed(handle->object);
	return object_handle_fail_in_child();
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
