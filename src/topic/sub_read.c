/* SPDX-License-Identifier: Apache-2.0 */
/* The subscriber's calls. In a turn a small message takes the quick path: nothing here is slow but
 * what leaves it. */
#include "base/error.h"
#include "topic/sub.h"

#include <errno.h>
#include <stddef.h>

/* The quick path: a small message of the current lane. */
static inline bool quick_look(const struct shoal_sub *sub, struct lane_message *message)
{
	return sub_in_turn(sub) && lane_peek_small(&sub->reader, message);
}

static inline void set_view(struct shoal_view *view, const void *data, uint64_t bytes,
			    uint64_t sequence, uint64_t lost, uint32_t lane)
{
	view->data = data;
	view->bytes = bytes;
	view->sequence = sequence;
	view->lost = lost;
	/* With `reserved`, by one store: little-endian, as all of Shoal is. */
	const uint64_t lane_and_reserved = lane;
	memcpy((uint8_t *)view + offsetof(struct shoal_view, lane), &lane_and_reserved,
	       sizeof(lane_and_reserved));
}

static inline void fill_view(const struct shoal_sub *sub, const void *data, uint64_t bytes,
			     uint64_t lost, struct shoal_view *view)
{
	set_view(view, data, bytes, sub->reader.position, lost, sub->reader.number);
}

/* ---- the calls --------------------------------------------------------------------------- */

static inline int lend(struct shoal_sub *sub, struct lane_message message, uint64_t lost,
		       struct shoal_view *ret_view)
{
	fill_view(sub, message.data, message.bytes, lost, ret_view);
	sub->lent = message.data;
	return 0;
}

SLOW_PATH static int borrow_slow(struct shoal_sub *sub, int64_t timeout_ns,
				 struct shoal_view *ret_view)
{
	struct lane_message message;
	if (sub_quick_wait(sub, timeout_ns, &message))
		return lend(sub, message, 0, ret_view);
	/* A large one of this turn; what is wrong with it the long way says. */
	if (sub_in_turn(sub) && lane_peek(&sub->reader, &message) == 1)
		return lend(sub, message, 0, ret_view);
	int r = sub_find_message(sub, timeout_ns);
	return r < 0 ? r : lend(sub, sub->message, sub->message_lost, ret_view);
}

int shoal_sub_borrow(shoal_sub *sub, int64_t timeout_ns, struct shoal_view *ret_view)
{
	struct lane_message message;
	if (unlikely(!quick_look(sub, &message)))
		return borrow_slow(sub, timeout_ns, ret_view);
	return lend(sub, message, 0, ret_view);
}

SLOW_PATH static int refuse_release(const struct shoal_sub *sub, const struct shoal_view *view)
{
	if (!sub || !view)
		return error_fail(EINVAL, "the subscriber or the view is NULL");
	if (!sub->handle.live)
		return sub->handle.stale ? 0 : handle_refuse(&sub->handle);
	return error_fail(EINVAL, "this subscriber has no such view out");
}

int shoal_sub_release(shoal_sub *sub, struct shoal_view *view)
{
	/* Nothing is lent in a forked child, or when the handle went stale. */
	if (unlikely(!sub || !view || !sub->lent || view->data != sub->lent))
		return refuse_release(sub, view);
	sub->lent = NULL;
	view->data = NULL;
	if (unlikely(sub->held))
		return sub_pass_held(sub);
	return sub_move_on(sub);
}

static int fail_buffer(const struct shoal_sub *sub, size_t buffer_bytes)
{
	return error_fail(EMSGSIZE, "the next message has %llu bytes, the buffer %zu",
			  (unsigned long long)sub->message.bytes, buffer_bytes);
}

static int receive_held(struct shoal_sub *sub, void *buffer, size_t buffer_bytes,
			int64_t timeout_ns, struct shoal_view *ret_view)
{
	int r = sub_find_message(sub, timeout_ns);
	if (r < 0)
		return r;
	uint64_t bytes = sub->message.bytes;
	if (ret_view)
		fill_view(sub, buffer, bytes, sub->message_lost, ret_view);
	if (bytes > buffer_bytes)
		return fail_buffer(sub, buffer_bytes);
	if (bytes)
		memcpy(buffer, sub->message.data, bytes);
	return sub_pass_held(sub);
}

static inline int receive_small(struct shoal_sub *sub, struct lane_message message, void *buffer,
				struct shoal_view *ret_view)
{
	if (ret_view)
		fill_view(sub, buffer, message.bytes, 0, ret_view);
	lane_copy_small(buffer, message.data, message.bytes);
	return sub_move_on(sub);
}

SLOW_PATH static int receive_slow(struct shoal_sub *sub, void *buffer, size_t buffer_bytes,
				  int64_t timeout_ns, struct shoal_view *ret_view)
{
	struct lane_message message;
	if (sub_quick_wait(sub, timeout_ns, &message) && message.bytes <= buffer_bytes)
		return receive_small(sub, message, buffer, ret_view);
	return receive_held(sub, buffer, buffer_bytes, timeout_ns, ret_view);
}

int shoal_sub_receive(shoal_sub *sub, void *buffer, size_t buffer_bytes, int64_t timeout_ns,
		      struct shoal_view *ret_view)
{
	struct lane_message message;
	if (unlikely(!quick_look(sub, &message) || message.bytes > buffer_bytes))
		return receive_slow(sub, buffer, buffer_bytes, timeout_ns, ret_view);
	return receive_small(sub, message, buffer, ret_view);
}

struct batch {
	struct shoal_view *view; /* the next one to fill */
	struct shoal_view *view_end;
	uint8_t *to;
	uint8_t *to_end;
};

static inline bool has_room(const struct batch *batch, uint64_t bytes)
{
	return bytes <= (uint64_t)(batch->to_end - batch->to);
}

/* Messages begin at 8-byte boundaries; behind the last there may be less room than that. */
static inline void take_room(struct batch *batch, uint64_t bytes)
{
	uint64_t left = (uint64_t)(batch->to_end - batch->to);
	batch->to += min_u64(align_up(bytes, 8), left);
	batch->view++;
}

/* How many messages at most, before the turn, the views or the slots' end. */
static inline uint64_t longest_run(const struct shoal_sub *sub, const struct batch *batch)
{
	uint64_t position = sub->reader.position;
	uint64_t slots = sub->reader.map.slot_count;
	uint64_t views = (uint64_t)(batch->view_end - batch->view);
	return min_u64(min_u64(views, sub->turn_end - position), slots - (position & (slots - 1)));
}

/*
 * Small messages of the current lane, as many as are there. The cursor moves once, behind the
 * last: to the publisher that is as if they had all been read at that moment. Returns as
 * sub_move_on; what may be zeroes is not appended.
 */
static int append_quick(struct shoal_sub *sub, struct batch *given)
{
	const struct lane_map *map = &sub->reader.map;
	const uint64_t stride =
	    map->stride; /* all in registers: the stores might change the rest */
	const uint64_t most = map->inline_bytes;
	const uint32_t number = sub->reader.number;
	struct batch batch = *given;
	uint64_t position = sub->reader.position;
	const uint64_t end = position + longest_run(sub, given);
	const uint8_t *at = (const uint8_t *)lane_slot(map, position);
	for (; position != end; position++, at += stride) {
		const struct lane_slot *slot = (const void *)at;
		uint64_t word = atomic_load_explicit(&slot->word, memory_order_acquire);
		uint64_t bytes = lane_word_length(word, position);
		if (unlikely(bytes > most || !has_room(&batch, bytes)))
			break;
		set_view(batch.view, batch.to, bytes, position, 0, number);
		lane_copy_small(batch.to, (const uint8_t *)slot->data, bytes);
		take_room(&batch, bytes);
	}
	if (position == sub->reader.position)
		return 0;
	sub->reader.position = position - 1;
	int r = sub_move_on(sub);
	if (likely(r == 0))
		*given = batch;
	return r;
}

/* The message that is held. 1; 0: it does not fit; -ESTALE, as append_quick. */
static int append_held(struct shoal_sub *sub, struct batch *batch)
{
	uint64_t bytes = sub->message.bytes;
	if (!has_room(batch, bytes))
		return 0;
	fill_view(sub, batch->to, bytes, sub->message_lost, batch->view);
	if (bytes)
		memcpy(batch->to, sub->message.data, bytes);
	int r = sub_pass_held(sub);
	if (r < 0)
		return r;
	take_room(batch, bytes);
	return 1;
}

/* The first message of a batch is waited for. 0, or why there is none. */
static int begin_batch(struct shoal_sub *sub, struct batch *batch, int64_t timeout_ns)
{
	struct lane_message message;
	const struct shoal_view *first = batch->view;
	int r = sub_in_turn(sub) ? append_quick(sub, batch) : 0;
	if (r == 0 && batch->view == first && sub_quick_wait(sub, timeout_ns, &message))
		r = append_quick(sub, batch);
	if (r < 0 || batch->view != first)
		return r;
	r = sub_find_message(sub, timeout_ns);
	if (r == 0)
		r = append_held(sub, batch);
	if (r != 0)
		return r < 0 ? r : 0;
	return fail_buffer(sub, (size_t)(batch->to_end - batch->to));
}

int64_t shoal_sub_receivev(shoal_sub *sub, struct shoal_view *views, size_t count, void *buffer,
			   size_t buffer_bytes, int64_t timeout_ns)
{
	uint8_t *to = buffer;
	struct batch batch = {views, views + count, to, to + buffer_bytes};
	if (count == 0)
		return 0;
	int r = begin_batch(sub, &batch, timeout_ns);
	if (r < 0)
		return r;
	while (batch.view != batch.view_end) {
		const struct shoal_view *before = batch.view;
		if (sub_in_turn(sub))
			r = append_quick(sub, &batch);
		if (unlikely(r < 0))
			break;
		if (batch.view != before)
			continue; /* the turn may go on behind the slots' end */
		if (atomic_load_explicit(&sub->handle.interrupted, memory_order_relaxed))
			break; /* for the next call */
		r = sub_look_in_lanes(sub);
		if (r > 0)
			r = append_held(sub, &batch);
		if (r <= 0)
			break;
	}
	if (unlikely(r < 0)) { /* behind messages: it is for the next call */
		sub->failed = r;
		sub_end_turn(sub);
	}
	return batch.view - views;
}
