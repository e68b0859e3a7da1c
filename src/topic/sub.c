/* SPDX-License-Identifier: Apache-2.0 */
/* shoal_sub: see shoal/topic.h for the contract, lane/lane.h for how a message is read. */
#include "base/error.h"
#include "topic/handle.h"

#include <errno.h>

/* Messages from one lane before the next lane has its turn, when all have some. */
#define TURN 64

struct shoal_sub {
	struct handle handle;
	struct lane_reader *readers; /* one a lane; those of ready lanes first, in `active` */
	uint32_t active;
	uint32_t current;
	uint32_t turn;
	uint32_t epoch;
	bool lossy;
	bool follow;
	bool held; /* `message` was found and not passed yet */
	bool lent; /* and a view of it is out */
	struct lane_message message;
	uint64_t message_lost;
	uint64_t message_sequence;
	struct lane_buffer buffer; /* lossy: the private copy */
	struct topic_record *record;
	uint32_t entry;
	uint64_t lost;
	int failed; /* an error that came behind the messages of a batch: for the next call */
};

#define SUB_FLAGS                                                                                  \
	(SHOAL_CREATE | SHOAL_EXCLUSIVE | SHOAL_KEEP | SHOAL_FOREIGN | SHOAL_LOSSY |               \
	 SHOAL_FROM_OLDEST | SHOAL_FOLLOW)

/* ---- open and close ---------------------------------------------------------------------- */

static uint64_t readers_bytes(const struct shoal_sub *sub)
{
	return sub->handle.map.lane_count * sizeof(struct lane_reader);
}

static int grow_buffer(struct lane_buffer *buffer, uint64_t bytes)
{
	void *data = NULL;
	bytes = align_up(bytes, PAGE_BYTES);
	int r = os->map_private(bytes, false, &data);
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
	struct tag tag = handle->object.seat.tag;
	sub->entry = topic_take_entry(&handle->map, tag);
	if (sub->entry == UINT32_MAX && object_repair_all(&handle->object) > 0)
		sub->entry = topic_take_entry(&handle->map, tag);
	if (sub->entry == UINT32_MAX)
		return error_fail(EUSERS,
				  "all %u subscriber entries of '%s' are held by live "
				  "processes; make it with more",
				  handle->map.subscribers, handle->object.segment.name.text);
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
		};
}

static uint32_t lane_number(const struct shoal_sub *sub, const struct lane_reader *reader)
{
	return (uint32_t)(reader->map.control - sub->handle.map.controls);
}

/* Moves the readers of lanes that became ready to the front. */
static void find_ready_lanes(struct shoal_sub *sub)
{
	for (uint32_t i = sub->active; i < sub->handle.map.lane_count; i++) {
		if (!topic_lane_ready(&sub->handle.map, lane_number(sub, &sub->readers[i])))
			continue;
		struct lane_reader ready = sub->readers[i];
		sub->readers[i] = sub->readers[sub->active];
		sub->readers[sub->active++] = ready;
	}
}

int shoal_sub_open(shoal_sub **ret_sub, const char *name, unsigned flags,
		   const struct shoal_topic_options *options)
{
	struct handle *handle = NULL;
	*ret_sub = NULL;
	uint32_t role = flags & SHOAL_LOSSY ? TOPIC_LOSSY : TOPIC_SUBSCRIBER;
	int made =
	    handle_open(&handle, sizeof(struct shoal_sub), name, flags, SUB_FLAGS, role, options);
	if (made < 0)
		return made;
	struct shoal_sub *sub = (struct shoal_sub *)handle;
	void *readers = NULL;
	sub->lossy = flags & SHOAL_LOSSY;
	sub->follow = flags & SHOAL_FOLLOW;
	sub->buffer.grow = grow_buffer;
	int r = os->map_private(readers_bytes(sub), false, &readers);
	if (r < 0)
		return handle_fail(handle, sizeof(*sub), made, error_fail(ENOMEM, "no memory"));
	sub->readers = readers;
	/* Before the entry: a lane that gets ready later changes the epoch again. */
	sub->epoch = atomic_load(&handle->map.body->shared.epoch);
	r = take_entry(sub, flags);
	if (r < 0) {
		os->unmap(readers, readers_bytes(sub));
		return handle_fail(handle, sizeof(*sub), made, r);
	}
	open_readers(sub);
	find_ready_lanes(sub);
	*ret_sub = sub;
	return made;
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

/* ---- finding the next message ------------------------------------------------------------ */

static int look_in_lane(struct shoal_sub *sub, struct lane_reader *reader)
{
	if (likely(!sub->lossy))
		return lane_peek(reader, &sub->message);
	uint64_t bytes = 0;
	int r = lane_copy(reader, &sub->buffer, &bytes);
	if (r == 1)
		sub->message = (struct lane_message){sub->buffer.data, bytes};
	return r;
}

/* A zero-byte message of a lossy subscriber has no buffer yet, and data is never NULL. */
static const uint8_t nothing[8];

static void hold_message(struct shoal_sub *sub, struct lane_reader *reader)
{
	sub->held = true;
	sub->message_sequence = reader->position;
	sub->message_lost = reader->lost;
	if (unlikely(reader->lost)) {
		sub->lost += reader->lost;
		reader->lost = 0;
		atomic_store_explicit(&sub->record->lost, sub->lost, memory_order_relaxed);
	}
	if (unlikely(!sub->message.data))
		sub->message.data = nothing;
}

static void pass_message(struct shoal_sub *sub)
{
	struct lane_reader *reader = &sub->readers[sub->current];
	sub->held = false;
	sub->lent = false;
	lane_pass(reader);
	lane_open_gate(reader, sub->handle.object.fences_itself);
}

/* The epoch changed: lanes became ready, or the object was removed. */
static int follow_epoch(struct shoal_sub *sub)
{
	uint32_t epoch =
	    atomic_load_explicit(&sub->handle.map.body->shared.epoch, memory_order_acquire);
	if (likely(epoch == sub->epoch))
		return 0;
	sub->epoch = epoch;
	find_ready_lanes(sub);
	return handle_check(&sub->handle);
}

static int look_in_current(struct shoal_sub *sub)
{
	struct lane_reader *reader = &sub->readers[sub->current];
	int r = look_in_lane(sub, reader);
	if (r == 1)
		hold_message(sub, reader);
	else if (unlikely(r == -EBADMSG))
		pass_message(sub); /* skipped: it would be as bad the next time */
	return r;
}

/* 1: there is a message, and it is held; 0: none; < 0. */
static int look_in_lanes(struct shoal_sub *sub)
{
	if (likely(sub->active > 0 && sub->turn < TURN)) {
		int r = look_in_current(sub);
		sub->turn += r > 0;
		if (likely(r != 0))
			return r;
	}
	int r = follow_epoch(sub);
	if (r < 0)
		return r;
	sub->turn = 0;
	for (uint32_t i = 0; i < sub->active; i++) {
		sub->current = sub->current + 1 < sub->active ? sub->current + 1 : 0;
		r = look_in_current(sub);
		if (r != 0)
			return r;
	}
	return 0;
}

static int look_for_message(void *context)
{
	struct shoal_sub *sub = context;
	int r = handle_interrupted(&sub->handle);
	if (r == 0)
		r = look_in_lanes(sub);
	if (r != 0 || sub->follow || !topic_ended(&sub->handle.map))
		return r;
	/* Ended; but what came between our look and the last one's closing is to be read. */
	r = look_in_lanes(sub);
	return r != 0 ? r : -EPIPE;
}

/* ---- waiting for one --------------------------------------------------------------------- */

/* Is some publisher in the middle of a commit? See wait/wait.h. */
static bool commit_under_way(const struct lane_control *control)
{
	uint64_t begun = atomic_load(&control->begun);
	return word_state(atomic_load(&control->owner)) == LANE_TAKEN &&
	       begun != atomic_load(&control->position);
}

static bool publishers_unsettled(void *context)
{
	struct shoal_sub *sub = context;
	for (uint32_t i = 0; i < sub->active; i++)
		if (commit_under_way(sub->readers[i].map.control))
			return true;
	return false;
}

static void repair_publishers(void *context)
{
	struct shoal_sub *sub = context;
	for (uint32_t i = 0; i < sub->active; i++) {
		struct lane_control *control = sub->readers[i].map.control;
		if (commit_under_way(control))
			object_repair_seat(&sub->handle.object,
					   word_tag(atomic_load(&control->owner)).seat);
	}
}

static int wait_for_message(struct shoal_sub *sub, int64_t timeout_ns)
{
	struct wait wait = {
	    .word = &sub->handle.map.body->wake,
	    .look = look_for_message,
	    .unsettled = publishers_unsettled,
	    .ask_kernel = repair_publishers,
	    .context = sub,
	    .timeout_ns = timeout_ns,
	    .spin_ns = sub->handle.spin_ns,
	};
	return wait_until(&wait);
}

static int refuse(const struct shoal_sub *sub)
{
	if (!sub)
		return error_fail(EINVAL, "the subscriber is NULL");
	if (!sub->handle.live)
		return handle_refuse(&sub->handle);
	return error_fail(EBUSY, "a view is out: release it first");
}

static inline bool is_ready(const struct shoal_sub *sub)
{
	return likely(sub && sub->handle.live && !sub->lent);
}

static int take_failure(struct shoal_sub *sub)
{
	int r = sub->failed;
	sub->failed = 0;
	return r;
}

/* Makes sure that a message is held. */
static inline int find_message(struct shoal_sub *sub, int64_t timeout_ns)
{
	if (sub->held)
		return 0;
	if (unlikely(sub->failed))
		return take_failure(sub);
	if (likely(sub->active > 0 && sub->turn < TURN)) {
		int r = look_in_current(sub);
		sub->turn += r > 0;
		if (likely(r != 0))
			return r < 0 ? r : 0;
	}
	return wait_for_message(sub, timeout_ns);
}

static inline void fill_view(const struct shoal_sub *sub, struct shoal_view *view)
{
	*view = (struct shoal_view){
	    .data = sub->message.data,
	    .bytes = sub->message.bytes,
	    .sequence = sub->message_sequence,
	    .lost = sub->message_lost,
	    .lane = lane_number(sub, &sub->readers[sub->current]),
	};
}

/* ---- the calls --------------------------------------------------------------------------- */

int shoal_sub_borrow(shoal_sub *sub, int64_t timeout_ns, struct shoal_view *ret_view)
{
	if (unlikely(!is_ready(sub)))
		return refuse(sub);
	int r = find_message(sub, timeout_ns);
	if (unlikely(r < 0))
		return r;
	fill_view(sub, ret_view);
	sub->lent = true;
	return 0;
}

int shoal_sub_release(shoal_sub *sub, struct shoal_view *view)
{
	if (unlikely(!sub || !view))
		return error_fail(EINVAL, "the subscriber or the view is NULL");
	if (unlikely(!sub->handle.live))
		return sub->handle.stale ? 0 : handle_refuse(&sub->handle);
	if (unlikely(!sub->lent || view->data != sub->message.data))
		return error_fail(EINVAL, "this subscriber has no such view out");
	pass_message(sub);
	view->data = NULL;
	return 0;
}

int shoal_sub_receive(shoal_sub *sub, void *buffer, size_t buffer_bytes, int64_t timeout_ns,
		      struct shoal_view *ret_view)
{
	if (unlikely(!is_ready(sub)))
		return refuse(sub);
	int r = find_message(sub, timeout_ns);
	if (unlikely(r < 0))
		return r;
	uint64_t bytes = sub->message.bytes;
	if (ret_view) {
		fill_view(sub, ret_view);
		ret_view->data = buffer;
	}
	if (unlikely(bytes > buffer_bytes))
		return error_fail(EMSGSIZE, "the next message has %llu bytes, the buffer %zu",
				  (unsigned long long)bytes, buffer_bytes);
	if (bytes)
		memcpy(buffer, sub->message.data, bytes);
	pass_message(sub);
	return 0;
}

/* Whole words where both sides have room for them, which is the usual case. */
static inline void copy_message(uint8_t *to, uint64_t room, const struct lane_message *message,
				bool in_slot)
{
	uint64_t words = align_up(message->bytes, 8);
	if (!in_slot || words > room) {
		if (message->bytes)
			memcpy(to, message->data, message->bytes);
		return;
	}
	struct unaligned_word *to_words = (void *)to;
	const struct unaligned_word *from = (const void *)message->data;
	for (uint64_t i = 0; i < words / 8; i++)
		to_words[i] = from[i];
}

int64_t shoal_sub_receivev(shoal_sub *sub, struct shoal_view *views, size_t count, void *buffer,
			   size_t buffer_bytes, int64_t timeout_ns)
{
	if (unlikely(!is_ready(sub)))
		return refuse(sub);
	uint8_t *to = buffer;
	uint64_t left = buffer_bytes;
	size_t n = 0;
	while (n < count) {
		int r = sub->held ? 1 : n > 0 ? look_in_lanes(sub) : 0;
		if (r == 0 && n == 0) {
			r = find_message(sub, timeout_ns);
			if (r < 0)
				return r;
		} else if (r <= 0) {
			sub->failed = r;
			break;
		}
		uint64_t bytes = sub->message.bytes;
		if (unlikely(bytes > left))
			break;
		fill_view(sub, &views[n]);
		views[n].data = to;
		copy_message(to, left, &sub->message, bytes <= sub->handle.map.inline_bytes);
		uint64_t step = min_u64(align_up(bytes, 8), left);
		to += step;
		left -= step;
		n++;
		pass_message(sub);
	}
	if (n == 0 && count > 0)
		return error_fail(EMSGSIZE, "the next message has %llu bytes, the buffer %zu",
				  (unsigned long long)sub->message.bytes, buffer_bytes);
	return (int64_t)n;
}

void shoal_sub_interrupt(shoal_sub *sub)
{
	if (!sub || !sub->handle.live)
		return;
	atomic_store(&sub->handle.interrupted, 1);
	wait_wake(&sub->handle.map.body->wake);
}

uint64_t shoal_sub_lost(const shoal_sub *sub)
{
	return sub->lost;
}
