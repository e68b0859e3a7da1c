/* SPDX-License-Identifier: Apache-2.0 */
/* The subscriber's next message: which lane, whose turn, and waiting. lane/lane.h says how a
 * message is read. */
#include "base/error.h"
#include "topic/sub.h"

#include <errno.h>

/* Messages from one lane before the next lane has its turn, when all have some. */
#define TURN 64

/* Looks at one slot before the clock, the other lanes and sleeping come in: about a round trip. */
#define QUICK_LOOKS 200

/* ---- finding the next message ------------------------------------------------------------ */

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

static int look_in_lane(struct shoal_sub *sub)
{
	if (!sub->lossy)
		return lane_peek(&sub->reader, &sub->message);
	uint64_t bytes = 0;
	int r = lane_copy(&sub->reader, &sub->buffer, &bytes);
	sub_end_turn(sub); /* it may have jumped, and then found nothing */
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
	sub_end_turn(sub);
}

/* A zero-byte message of a lossy subscriber has no buffer yet, and data is never NULL. */
static const uint8_t nothing[8];

static void hold_message(struct shoal_sub *sub)
{
	struct lane_reader *reader = &sub->reader;
	sub->held = true;
	sub_end_turn(sub);
	sub->message_lost = reader->lost;
	if (reader->lost) {
		sub->lost += reader->lost;
		reader->lost = 0;
		atomic_store_explicit(&sub->record->lost, sub->lost, memory_order_relaxed);
	}
	if (!sub->message.data)
		sub->message.data = nothing;
}

static void begin_turn(struct shoal_sub *sub)
{
	sub->turn_end = sub->turn_used = sub->reader.position + TURN;
}

int sub_push_gate(struct shoal_sub *sub)
{
	lane_push_gate(&sub->reader);
	int r = handle_check_lost(&sub->handle);
	if (r < 0)
		sub_end_turn(sub);
	return r;
}

int sub_pass_held(struct shoal_sub *sub)
{
	sub->held = false;
	int r = sub_move_on(sub);
	if (sub->lossy || r < 0)
		sub_end_turn(sub);
	else
		begin_turn(sub);
	return r;
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
		sub_end_turn(sub);
	return r;
}

static int look_in_current(struct shoal_sub *sub)
{
	int r = look_in_lane(sub);
	if (r == 1)
		hold_message(sub);
	if (likely(r != -EBADMSG))
		return r;
	int passed = sub_pass_held(sub); /* skipped: it would be as bad the next time */
	return passed < 0 ? passed : r;
}

int sub_look_in_lanes(struct shoal_sub *sub)
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
		r = sub_look_in_lanes(sub);
	if (r != 0 || sub->follow || !topic_ended(&sub->handle.map))
		return r;
	find_ready_lanes(sub); /* whoever made one ready may have died before it said so */
	/* Ended; but what came between our look and the last one's closing is to be read. */
	r = sub_look_in_lanes(sub);
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
	return handle_wait(&sub->handle, &wait);
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

int sub_find_message(struct shoal_sub *sub, int64_t timeout_ns)
{
	if (!sub || !sub->handle.live || sub->lent)
		return refuse(sub);
	/* Each batch may end with one that does not fit, and each call begin here. */
	if (sub->held)
		return handle_interrupted(&sub->handle);
	if (sub->failed)
		return take_failure(sub);
	return wait_for_message(sub, timeout_ns);
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

bool sub_quick_wait(struct shoal_sub *sub, int64_t timeout_ns, struct lane_message *message)
{
	if (sub && may_go_on(sub)) {
		if (may_spin(sub, timeout_ns))
			slip_at_turn(&sub->slip, &sub->reader);
		begin_turn(sub);
	}
	if (!sub_in_turn(sub))
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
