/* SPDX-License-Identifier: Apache-2.0 */
/* shoal_sub: see shoal/topic.h for the contract, lane/lane.h for how a message is read. */
#include "base/error.h"
#include "lane/slip.h"
#include "topic/handle.h"

#include <errno.h>

/* Messages from one lane before the next lane has its turn, when all have some. */
#define TURN 64

/* Looks at one slot before the clock, the other lanes and sleeping come in: about a round trip. */
#define QUICK_LOOKS 200

/*
 * A TURN is a stretch of the current lane that may take the quick path: small messages, to a
 * lossless subscriber. It is over (position == turn_end) whenever anything is out of the ordinary,
 * and in a forked child, where all of this reads as zeroes.
 */
struct shoal_sub {
	struct handle handle;
	struct lane_reader reader; /* of the current lane, a copy: see go_to_lane */
	uint64_t turn_end;         /* a position in it */
	uint64_t turn_used;        /* the same, unless something came between */
	const void *lent;          /* the view that is out, or NULL */
	bool fences_itself;
	bool lossy;
	bool follow;
	bool held; /* `message` was found and not passed yet */
	struct lane_message message;
	struct lane_reader *readers; /* one a lane; those of ready lanes first, in `active` */
	uint32_t active;
	uint32_t current; /* UINT32_MAX: none yet */
	uint32_t epoch;
	int failed; /* an error that came behind the messages of a batch: for the next call */
	uint64_t message_lost;
	struct slip slip;
	struct lane_buffer buffer; /* lossy: the private copy */
	struct topic_record *record;
	uint32_t entry;
	uint64_t lost;
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

/* Moves the readers of lanes that became ready to the front. */
static void find_ready_lanes(struct shoal_sub *sub)
{
	for (uint32_t i = sub->active; i < sub->handle.map.lane_count; i++) {
		if (!topic_lane_ready(&sub->handle.map, sub->readers[i].number))
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
	sub->fences_itself = handle->object->fences_itself;
	sub->buffer.grow = grow_buffer;
	sub->current = UINT32_MAX;
	int r = os->map_private(readers_bytes(sub), &readers);
	if (r < 0)
		return handle_fail(handle, sizeof(*sub), made, error_fail(ENOMEM, "no memory"));
	sub->readers = readers;
	/* Another than now: the first look finds lanes that got ready and a removal meanwhile. */
	sub->epoch = atomic_load(&handle->map.body->shared.epoch) - 1;
	r = take_entry(sub, flags);
	if (r < 0) {
		os->unmap(readers, readers_bytes(sub));
		return handle_fail(handle, sizeof(*sub), made, r);
	}
	open_readers(sub);
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

static void end_turn(struct shoal_sub *sub)
{
	sub->turn_end = sub->reader.position;
}

static int look_in_lane(struct shoal_sub *sub)
{
	if (!sub->lossy)
		return lane_peek(&sub->reader, &sub->message);
	uint64_t bytes = 0;
	int r = lane_copy(&sub->reader, &sub->buffer, &bytes);
	end_turn(sub); /* it may have jumped, and then found nothing */
	if (r == 1)
		sub->message = (struct lane_message){sub->buffer.data, bytes};
	return r;
}

/* The current lane's reader lies in the handle itself, one look nearer. */
static void go_to_lane(struct shoal_sub *sub, uint32_t lane)
{
	if (lane == sub->current)
		return;
	if (sub->current != UINT32_MAX)
		sub->readers[sub->current] = sub->reader;
	sub->current = lane;
	sub->reader = sub->readers[lane];
	end_turn(sub);
}

/* A zero-byte message of a lossy subscriber has no buffer yet, and data is never NULL. */
static const uint8_t nothing[8];

static void hold_message(struct shoal_sub *sub)
{
	struct lane_reader *reader = &sub->reader;
	sub->held = true;
	end_turn(sub);
	sub->message_lost = reader->lost;
	if (reader->lost) {
		sub->lost += reader->lost;
		reader->lost = 0;
		atomic_store_explicit(&sub->record->lost, sub->lost, memory_order_relaxed);
	}
	if (!sub->message.data)
		sub->message.data = nothing;
}

static inline void move_on(struct shoal_sub *sub)
{
	lane_pass(&sub->reader);
	lane_open_gate(&sub->reader, sub->fences_itself);
}

static void begin_turn(struct shoal_sub *sub)
{
	sub->turn_end = sub->turn_used = sub->reader.position + TURN;
}

/* The message was found the long way; the next ones may be quick. */
static void pass_held(struct shoal_sub *sub)
{
	sub->held = false;
	move_on(sub);
	if (sub->lossy)
		end_turn(sub);
	else
		begin_turn(sub);
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
	int r = handle_check(&sub->handle);
	if (r < 0)
		end_turn(sub);
	return r;
}

static int look_in_current(struct shoal_sub *sub)
{
	int r = look_in_lane(sub);
	if (r == 1)
		hold_message(sub);
	else if (unlikely(r == -EBADMSG))
		pass_held(sub); /* skipped: it would be as bad the next time */
	return r;
}

/* 1: there is a message, and it is held; 0: none; < 0. Each lane in turn, from the next on. */
static int look_in_lanes(struct shoal_sub *sub)
{
	int r = follow_epoch(sub);
	for (uint32_t i = 0; r == 0 && i < sub->active; i++) {
		go_to_lane(sub, sub->current + 1 < sub->active ? sub->current + 1 : 0);
		r = look_in_current(sub);
	}
	return r;
}

static int look_for_message(void *context)
{
	struct shoal_sub *sub = context;
	int r = handle_interrupted(&sub->handle);
	if (r == 0)
		r = look_in_lanes(sub);
	if (r != 0 || sub->follow || !topic_ended(&sub->handle.map))
		return r;
	find_ready_lanes(sub); /* whoever made one ready may have died before it said so */
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

/* All lanes, not only those that we know to be ready: one may have got ready just now. */
static bool publishers_unsettled(void *context)
{
	const struct topic_map *map = &((struct shoal_sub *)context)->handle.map;
	for (uint32_t i = 0; i < map->lane_count; i++)
		if (commit_under_way(&map->controls[i]))
			return true;
	return false;
}

static void repair_publishers(void *context)
{
	struct shoal_sub *sub = context;
	const struct topic_map *map = &sub->handle.map;
	for (uint32_t i = 0; i < map->lane_count; i++)
		if (commit_under_way(&map->controls[i]))
			object_repair_seat(sub->handle.object,
					   word_tag(atomic_load(&map->controls[i].owner)).seat);
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

static int take_failure(struct shoal_sub *sub)
{
	int r = sub->failed;
	sub->failed = 0;
	return r;
}

/* Makes sure that a message is held, where the quick path found none. */
SLOW_PATH static int find_message(struct shoal_sub *sub, int64_t timeout_ns)
{
	if (!sub || !sub->handle.live || sub->lent)
		return refuse(sub);
	if (sub->held) /* without a wait, for ever perhaps: batches end with one that does not fit
			*/
		return handle_interrupted(&sub->handle);
	if (sub->failed)
		return take_failure(sub);
	return wait_for_message(sub, timeout_ns);
}

static inline bool in_turn(const struct shoal_sub *sub)
{
	return likely(sub && !sub->lent && sub->reader.position != sub->turn_end);
}

/* The quick path: a small message of the current lane. */
static inline bool quick_look(const struct shoal_sub *sub, struct lane_message *message)
{
	return in_turn(sub) && lane_peek_small(&sub->reader, message);
}

static bool may_spin(const struct shoal_sub *sub, int64_t timeout_ns)
{
	return timeout_ns != 0 && sub->handle.spin_ns != 0;
}

/* A turn was used up, there is one lane, and nothing has happened that a longer look is for. */
static bool may_go_on(const struct shoal_sub *sub)
{
	const struct handle *handle = &sub->handle;
	return handle->live && sub->active == 1 && sub->reader.position == sub->turn_used &&
	       !sub->lossy && !sub->lent && !sub->held && sub->failed == 0 &&
	       atomic_load_explicit(&handle->interrupted, memory_order_relaxed) == 0 &&
	       atomic_load_explicit(&handle->map.body->shared.epoch, memory_order_acquire) ==
		   sub->epoch;
}

/* Has a lane that was not looked at in this turn something to read? */
static bool others_wait(const struct shoal_sub *sub)
{
	for (uint32_t i = 0; i < sub->active; i++)
		if (i != sub->current &&
		    lane_is_there(&sub->readers[i].map, sub->readers[i].position))
			return true;
	return false;
}

/*
 * Looks at its slot for about as long as a round trip takes, in this turn or the next one; not
 * while others wait, since a turn can last as long as 64 round trips.
 */
static bool quick_wait(struct shoal_sub *sub, int64_t timeout_ns, struct lane_message *message)
{
	if (sub && may_go_on(sub)) {
		if (may_spin(sub, timeout_ns))
			slip_at_turn(&sub->slip, &sub->reader);
		begin_turn(sub);
	}
	if (!in_turn(sub))
		return false;
	const uint64_t position = sub->reader.position;
	const uint64_t most = sub->reader.map.inline_bytes;
	const struct lane_slot *slot = lane_slot(&sub->reader.map, position);
	for (int i = may_spin(sub, timeout_ns) ? QUICK_LOOKS : 1; i > 0; i--) {
		uint64_t word = atomic_load_explicit(&slot->word, memory_order_acquire);
		uint64_t bytes = lane_word_length(word, position);
		if (likely(bytes <= most)) {
			*message = (struct lane_message){(const uint8_t *)slot->data, bytes};
			return true;
		}
		if (lane_word_is(word, position))
			return false; /* it is there, and not small */
		if (sub->active > 1 && others_wait(sub))
			return false;
		if (i == QUICK_LOOKS)
			slip_waited(&sub->slip);
		cpu_pause(); /* one: without it we take the line away while it is written */
	}
	return false;
}

static inline void set_view(struct shoal_view *view, const void *data, uint64_t bytes,
			    uint64_t sequence, uint64_t lost, uint32_t lane)
{
	view->data = data;
	view->bytes = bytes;
	view->sequence = sequence;
	view->lost = lost;
	view->lane = lane, view->reserved = 0;
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
	if (quick_wait(sub, timeout_ns, &message))
		return lend(sub, message, 0, ret_view);
	int r = find_message(sub, timeout_ns);
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
		pass_held(sub);
	else
		move_on(sub);
	return 0;
}

static int fail_buffer(const struct shoal_sub *sub, size_t buffer_bytes)
{
	return error_fail(EMSGSIZE, "the next message has %llu bytes, the buffer %zu",
			  (unsigned long long)sub->message.bytes, buffer_bytes);
}

static int receive_held(struct shoal_sub *sub, void *buffer, size_t buffer_bytes,
			int64_t timeout_ns, struct shoal_view *ret_view)
{
	int r = find_message(sub, timeout_ns);
	if (r < 0)
		return r;
	uint64_t bytes = sub->message.bytes;
	if (ret_view)
		fill_view(sub, buffer, bytes, sub->message_lost, ret_view);
	if (bytes > buffer_bytes)
		return fail_buffer(sub, buffer_bytes);
	if (bytes)
		memcpy(buffer, sub->message.data, bytes);
	pass_held(sub);
	return 0;
}

static inline int receive_small(struct shoal_sub *sub, struct lane_message message, void *buffer,
				struct shoal_view *ret_view)
{
	if (ret_view)
		fill_view(sub, buffer, message.bytes, 0, ret_view);
	lane_copy_small(buffer, message.data, message.bytes);
	move_on(sub);
	return 0;
}

SLOW_PATH static int receive_slow(struct shoal_sub *sub, void *buffer, size_t buffer_bytes,
				  int64_t timeout_ns, struct shoal_view *ret_view)
{
	struct lane_message message;
	if (quick_wait(sub, timeout_ns, &message) && message.bytes <= buffer_bytes)
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
 * last: to the publisher that is as if they had all been read at that moment.
 */
static void append_quick(struct shoal_sub *sub, struct batch *given)
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
		return;
	*given = batch;
	sub->reader.position = position - 1;
	move_on(sub);
}

/* The message that is held. False: it does not fit. */
static bool append_held(struct shoal_sub *sub, struct batch *batch)
{
	uint64_t bytes = sub->message.bytes;
	if (!has_room(batch, bytes))
		return false;
	fill_view(sub, batch->to, bytes, sub->message_lost, batch->view);
	if (bytes)
		memcpy(batch->to, sub->message.data, bytes);
	take_room(batch, bytes);
	pass_held(sub);
	return true;
}

/* The first message of a batch is waited for. 0, or why there is none. */
static int begin_batch(struct shoal_sub *sub, struct batch *batch, int64_t timeout_ns)
{
	struct lane_message message;
	const struct shoal_view *first = batch->view;
	if (in_turn(sub))
		append_quick(sub, batch);
	if (batch->view == first && quick_wait(sub, timeout_ns, &message))
		append_quick(sub, batch);
	if (batch->view != first)
		return 0;
	int r = find_message(sub, timeout_ns);
	if (r < 0)
		return r;
	if (append_held(sub, batch))
		return 0;
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
		if (in_turn(sub))
			append_quick(sub, &batch);
		if (batch.view != before)
			continue; /* the turn may go on behind the slots' end */
		if (atomic_load_explicit(&sub->handle.interrupted, memory_order_relaxed))
			break; /* for the next call */
		r = look_in_lanes(sub);
		if (r <= 0 || !append_held(sub, &batch))
			break;
	}
	if (unlikely(r < 0)) { /* behind messages: it is for the next call */
		sub->failed = r;
		end_turn(sub);
	}
	return batch.view - views;
}

void shoal_sub_interrupt(shoal_sub *sub)
{
	if (!sub || !sub->handle.live)
		return;
	atomic_store(&sub->handle.interrupted, 1);
	topic_wake_subscribers(&sub->handle.map);
}

uint64_t shoal_sub_lost(const shoal_sub *sub)
{
	return sub->lost;
}
