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
	struct object_kept *kept = NULL;
	int r = object_handle_flags(flags, allowed);
	if (r < 0)
		return r;
	r = topic_options(given, &options);
	if (r < 0)
		return r;
	r = object_handle_new(&memory, bytes, &kept);
	if (r < 0)
		return r;
	struct handle *handle = memory;
	handle->object = &kept->object;
	int made = topic_open(handle->object, &handle->map, name, flags, role, &options);
	if (made < 0) {
		object_handle_free(handle, bytes);
		return made;
	}
	kept->flags = flags;
	kept->spin_ns = options.spin_ns == SHOAL_SPIN_NEVER ? 0 : options.spin_ns;
	handle->spin_ns = kept->spin_ns;
	handle->guarded = flags & SHOAL_GUARD_SIGBUS;
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

/* ---- forked children --------------------------------------------------------------------- */

unsigned handle_flags(const struct handle *handle, size_t bytes)
{
	return object_handle_kept(handle, bytes)->flags;
}

int handle_rejoin(struct handle *handle, size_t bytes, uint32_t role, struct object *fresh)
{
	const struct object_kept *kept = object_handle_kept(handle, bytes);
	if (handle->stale)
		return object_fail_removed(handle->object);
	if (handle->live)
		return error_fail(EINVAL,
				  "this handle of '%s' has its seat: only one that was inherited "
				  "through a fork rejoins, in the child",
				  kept->object.segment.name.text);
	int r = object_rejoin(fresh, &kept->object, role);
	if (r < 0)
		return r;
	handle->object = fresh;
	r = topic_map(&handle->map, &fresh->segment.region);
	return r < 0 ? handle_unjoin(handle, bytes, r) : 0;
}

void handle_rejoined(struct handle *handle, size_t bytes)
{
	struct object_kept *kept = object_handle_kept(handle, bytes);
	segment_take_descriptor(&handle->object->segment, &kept->object.segment);
	kept->object = *handle->object;
	handle->object = &kept->object;
	handle->spin_ns = kept->spin_ns;
	handle->guarded = kept->flags & SHOAL_GUARD_SIGBUS;
	handle->live = 1;
}

/* It reads as zeroes again, as the fork left it. */
int handle_unjoin(struct handle *handle, size_t bytes, int error)
{
	object_close(handle->object);
	memset(handle, 0, bytes);
	return error;
}

int handle_descriptor(struct handle *handle)
{
	return segment_fd(&handle->object->segment);
}

/* ---- what a handle may be used for ------------------------------------------------------- */

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

int handle_check_lost(struct handle *handle)
{
	return segment_is_lost(&handle->object->segment) ? handle_check(handle) : 0;
}

static int64_t time_left(int64_t left_ns, int64_t since_ns)
{
	int64_t passed_ns = os->now_ns() - since_ns;
	return passed_ns < left_ns ? left_ns - passed_ns : 0;
}

static int wait_guarded(struct handle *handle, struct wait *wait)
{
	int64_t left = wait->timeout_ns;
	for (;;) {
		bool last = left >= 0 && left <= HANDLE_LOOK_NS;
		int64_t begun = os->now_ns();
		wait->timeout_ns = last ? left : HANDLE_LOOK_NS;
		int r = wait_until(wait);
		if (r != -ETIMEDOUT || last)
			return r;
		if (left > 0)
			left = time_left(left, begun);
		segment_look_for_loss(&handle->object->segment);
	}
}

int handle_wait(struct handle *handle, struct wait *wait)
{
	return handle->guarded ? wait_guarded(handle, wait) : wait_until(wait);
}

int handle_interrupted(struct handle *handle)
{
	if (likely(atomic_load_explicit(&handle->interrupted, memory_order_relaxed) == 0))
		return 0;
	return atomic_exchange(&handle->interrupted, 0) ? -EINTR : 0;
}
