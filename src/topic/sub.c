/* SPDX-License-Identifier: Apache-2.0 */
/* shoal_sub: opening and closing. See shoal/topic.h for the contract, sub.h for the rest. */
#include "topic/sub.h"
#include "base/error.h"

#include <errno.h>
#include <shoal/sysv.h>

#define SUB_FLAGS                                                                                  \
	(SHOAL_CREATE | SHOAL_EXCLUSIVE | SHOAL_KEEP | SHOAL_FOREIGN | SHOAL_LOSSY |               \
	 SHOAL_FROM_OLDEST | SHOAL_FOLLOW | SHOAL_GUARD_SIGBUS)

/* ---- open and close ---------------------------------------------------------------------- */

static uint64_t readers_bytes(const struct shoal_sub *sub)
{
	return sub->handle.map.lane_count * sizeof(struct lane_reader);
}

static int grow_buffer(struct lane_buffer *buffer, uint64_t bytes)
{
	void *data = NULL;
	bytes = align_up(bytes, PAGE_BYTES);
	int r = os->map_private(bytes, &data);
	if (r < 0)
		return error_fail(ENOMEM, "no memory for a message of %llu bytes",
				  (unsigned long long)bytes);
	if (buffer->data)
		os->unmap(buffer->data, buffer->room);
	buffer->data = data;
	buffer->room = bytes;
	return 0;
}

static int take_entry(struct shoal_sub *sub, unsigned flags)
{
	struct handle *handle = &sub->handle;
	struct tag tag = handle->object->seat.tag;
	sub->entry = topic_take_entry(&handle->map, tag);
	for (int i = 0; sub->entry == UINT32_MAX && object_look_again(handle->object, i); i++)
		sub->entry = topic_take_entry(&handle->map, tag);
	if (sub->entry == UINT32_MAX)
		return error_fail(EUSERS,
				  "all %u subscriber entries of '%s' are held by live "
				  "processes; make it with more",
				  handle->map.subscribers, handle->object->segment.name.text);
	sub->record = topic_record(&handle->map, sub->entry);
	topic_activate(&handle->map, sub->entry, tag, sub->lossy, flags & SHOAL_FROM_OLDEST);
	return 0;
}

static void open_readers(struct shoal_sub *sub)
{
	for (uint32_t i = 0; i < sub->handle.map.lane_count; i++)
		sub->readers[i] = (struct lane_reader){
		    .map = topic_lane(&sub->handle.map, i),
		    .cursor = &sub->record->cursors[i],
		    .position = atomic_load(&sub->record->cursors[i]),
		    .number = i,
		};
}

/* What a subscriber needs beside its seat. */
static int begin(struct shoal_sub *sub, unsigned flags)
{
	struct handle *handle = &sub->handle;
	void *readers = NULL;
	sub->lossy = flags & SHOAL_LOSSY;
	sub->follow = flags & SHOAL_FOLLOW;
	sub->fences_itself = handle->object->fences_itself;
	sub->buffer.grow = grow_buffer;
	sub->current = UINT32_MAX;
	int r = os->map_private(readers_bytes(sub), &readers);
	if (r < 0)
		return error_fail(ENOMEM, "no memory");
	sub->readers = readers;
	/* Another than now: the first look finds lanes that got ready and a removal meanwhile. */
	sub->epoch = atomic_load(&handle->map.body->shared.epoch) - 1;
	r = take_entry(sub, flags);
	if (r < 0)
		os->unmap(readers, readers_bytes(sub));
	else
		open_readers(sub);
	return r;
}

static uint32_t role_of(unsigned flags)
{
	return flags & SHOAL_LOSSY ? TOPIC_LOSSY : TOPIC_SUBSCRIBER;
}

int shoal_sub_open(shoal_sub **ret_sub, const char *name, unsigned flags,
		   const struct shoal_topic_options *options)
{
	struct handle *handle = NULL;
	*ret_sub = NULL;
	int made = handle_open(&handle, sizeof(struct shoal_sub), name, flags, SUB_FLAGS,
			       role_of(flags), options);
	if (made < 0)
		return made;
	struct shoal_sub *sub = (struct shoal_sub *)handle;
	int r = begin(sub, flags);
	if (r < 0)
		return handle_fail(handle, sizeof(*sub), made, r);
	*ret_sub = sub;
	return made;
}

int shoal_sub_rejoin(shoal_sub *sub)
{
	struct object fresh;
	if (!sub)
		return error_fail(EINVAL, "the subscriber is NULL");
	unsigned flags = handle_flags(&sub->handle, sizeof(*sub));
	int r = handle_rejoin(&sub->handle, sizeof(*sub), role_of(flags), &fresh);
	if (r < 0)
		return r;
	r = begin(sub, flags);
	if (r < 0)
		return handle_unjoin(&sub->handle, sizeof(*sub), r);
	handle_rejoined(&sub->handle, sizeof(*sub));
	return 0;
}

int shoal_sub_fd(shoal_sub *sub)
{
	if (!sub)
		return error_fail(EINVAL, "the subscriber is NULL");
	return sub->handle.live ? handle_descriptor(&sub->handle) : handle_refuse(&sub->handle);
}

void shoal_sub_close(shoal_sub *sub)
{
	if (!sub)
		return;
	if (sub->handle.live || sub->handle.stale) {
		os->unmap(sub->readers, readers_bytes(sub));
		if (sub->buffer.data)
			os->unmap(sub->buffer.data, sub->buffer.room);
	}
	handle_close(&sub->handle, sizeof(*sub));
}

void shoal_sub_interrupt(shoal_sub *sub)
{
	if (!sub || !sub->handle.live)
		return;
	atomic_store(&sub->handle.interrupted, 1);
	topic_wake_subscribers(&sub->handle.map);
}

int shoal_sub_sysv_id(const shoal_sub *sub)
{
	return handle_sysv_id(sub ? &sub->handle : NULL);
}

uint64_t shoal_sub_lost(const shoal_sub *sub)
{
	return sub->lost;
}
