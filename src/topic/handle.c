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

/* What a forked child inherits. */
struct kept {
	struct object object;
	int64_t spin_ns;
	unsigned flags;
};

/* The first pages are wiped in a forked child; that lies behind them. */
static uint64_t wiped_bytes(size_t bytes)
{
	return align_up(bytes, 65536); /* a whole number of pages, whatever their size */
}

static uint64_t all_bytes(size_t bytes)
{
	return wiped_bytes(bytes) + sizeof(struct kept);
}

/* `handle->object` reads as NULL in a child; its place is the same. */
static struct kept *kept_of(const struct handle *handle, size_t bytes)
{
	return (struct kept *)(void *)((uint8_t *)(uintptr_t)handle + wiped_bytes(bytes));
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
	struct kept *kept = kept_of(handle, bytes);
	handle->object = &kept->object;
	int made = topic_open(handle->object, &handle->map, name, flags, role, &options);
	if (made < 0) {
		os->unmap(handle, all_bytes(bytes));
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
		segment_close_in_child(&kept_of(handle, bytes)->object.segment);
	os->unmap(handle, all_bytes(bytes));
}

/* ---- forked children --------------------------------------------------------------------- */

unsigned handle_flags(const struct handle *handle, size_t bytes)
{
	return kept_of(handle, bytes)->flags;
}

int handle_rejoin(struct handle *handle, size_t bytes, uint32_t role, struct object *fresh)
{
	const struct kept *kept = kept_of(handle, bytes);
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
	struct kept *kept = kept_of(handle, bytes);
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

int handle_refuse(const struct handle *handle)
{
	if (handle->stale)
		return object_fail_removed(handle->object);
	return error_fail(ECHILD, "this handle was opened before a fork; let it rejoin here "
				  "(shoal_pub_rejoin, shoal_sub_rejoin), or close it and open "
				  "another");
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
