/* SPDX-License-Identifier: Apache-2.0 */
/* Receiving, borrowing and releasing, lossless and lossy. */
#include "step.h"

#include <errno.h>
#include <string.h>

/* ---- worlds and beginnings --------------------------------------------------------------- */

static void publisher_and_subscriber(struct stage *stage)
{
	stage->other_sub = open_sub(stage, 0);
	stage->other_pub = open_pub(stage, 0);
	publish_some(stage, stage->other_pub, BATCH + 1);
}

static void silent_publisher(struct stage *stage)
{
	stage->other_sub = open_sub(stage, 0);
	stage->other_pub = open_pub(stage, 0);
}

static void lone_publisher(struct stage *stage)
{
	stage->other_pub = open_pub(stage, 0);
	publish_some(stage, stage->other_pub, 1);
}

/* Nobody reads in time: the lane is full of what the victim has not read. */
static void full_lane(struct stage *stage)
{
	stage->other_pub = open_pub(stage, 0);
	publish_some(stage, stage->other_pub, SLOTS);
}

static void lossless_sub(struct stage *stage)
{
	stage->sub = open_sub(stage, SHOAL_FROM_OLDEST);
	share_sub(stage);
}

static void lossy_sub(struct stage *stage)
{
	stage->sub = open_sub(stage, SHOAL_FROM_OLDEST | SHOAL_LOSSY);
	share_sub(stage);
}

static void sub_with_view(struct stage *stage)
{
	lossless_sub(stage);
	if (shoal_sub_borrow(stage->sub, 0, &stage->view) < 0)
		give_up("borrow");
	memcpy(stage->share->buffer, stage->view.data, stage->view.bytes);
	stage->share->views[0] = stage->view;
}

static void overtake(struct stage *stage)
{
	publish_some(stage, stage->other_pub, 20);
}

/* What shoal_pub_publish does before it sleeps: room for one message is enough to be woken. */
static void sleep_at_gate(struct stage *stage)
{
	struct handle *handle = handle_of(stage->other_pub);
	atomic_store(&handle->map.controls[0].gate_at, 1);
}

/* ---- operations -------------------------------------------------------------------------- */

static int64_t receive(struct stage *stage)
{
	return shoal_sub_receive(stage->sub, stage->share->buffer, sizeof(stage->share->buffer), 0,
				 stage->share->views);
}

static int64_t receive_waiting(struct stage *stage)
{
	return shoal_sub_receive(stage->sub, stage->share->buffer, sizeof(stage->share->buffer),
				 5000000, NULL);
}

static int64_t interrupt(struct stage *stage)
{
	shoal_sub_interrupt(stage->sub);
	return receive_waiting(stage);
}

static int64_t borrow_and_release(struct stage *stage)
{
	struct shoal_view view;
	int r = shoal_sub_borrow(stage->sub, 0, &view);
	if (r < 0)
		return r;
	memcpy(stage->share->buffer, view.data, view.bytes);
	stage->share->views[0] = view;
	return shoal_sub_release(stage->sub, &view);
}

static int64_t release(struct stage *stage)
{
	return shoal_sub_release(stage->sub, &stage->view);
}

static int64_t receive_batch(struct stage *stage)
{
	return shoal_sub_receivev(stage->sub, stage->share->views, BATCH, stage->share->buffer,
				  sizeof(stage->share->buffer), 0);
}

/* ---- more that must hold ----------------------------------------------------------------- */

static uint64_t victims_cursor(const struct stage *stage, const struct topic_map *map)
{
	return atomic_load(&topic_record(map, stage->share->entry)->cursors[0]);
}

/* Where in the buffer message `position` lies, when the first one in it is `first`. */
static const uint8_t *in_buffer(const struct stage *stage, uint64_t first, uint64_t position)
{
	size_t offset = 0;
	for (uint64_t p = first; p != position; p++)
		offset += align_up(message_bytes(stage->op->shape, p), 8);
	return stage->share->buffer + offset;
}

/* The cursor passes a message only when the caller has it: its bytes may go from there on. */
static void check_received(struct stage *stage, const struct topic_map *map, uint64_t first,
			   uint64_t count, bool last)
{
	uint64_t cursor = victims_cursor(stage, map);
	for (uint64_t p = first; p < cursor && p < first + count; p++) {
		const uint8_t *data = in_buffer(stage, first, p);
		if (!message_is(data, message_bytes(stage->op->shape, p), stage->op->shape, 0, p))
			violate(stage, "message %llu was given back before it was read",
				(unsigned long long)p);
	}
	if (cursor > first + count || (last && cursor != first + count))
		violate(stage, "the cursor is at %llu", (unsigned long long)cursor);
	for (size_t i = 0; last && i < count; i++)
		if (stage->share->views[i].sequence != first + i ||
		    stage->share->views[i].bytes != message_bytes(stage->op->shape, first + i))
			violate(stage, "the view of message %llu tells otherwise",
				(unsigned long long)first + i);
}

static void check_one(struct stage *stage, const struct topic_map *map, bool last)
{
	check_received(stage, map, 0, 1, last);
}

static void check_batch(struct stage *stage, const struct topic_map *map, bool last)
{
	check_received(stage, map, 0, BATCH, last);
}

static void check_none(struct stage *stage, const struct topic_map *map, bool last)
{
	check_received(stage, map, 0, 0, last);
}

/* It was overtaken before it began: it gets the oldest one that is promised. */
static void check_overtaken(struct stage *stage, const struct topic_map *map, bool last)
{
	uint64_t oldest = atomic_load(&map->controls[0].oldest);
	uint64_t cursor = victims_cursor(stage, map);
	const struct shoal_view *view = stage->share->views;
	if (cursor != 0 && cursor != oldest && cursor != oldest + 1)
		violate(stage, "the cursor is at %llu", (unsigned long long)cursor);
	if (!last)
		return;
	if (view->lost != oldest || view->sequence != oldest ||
	    !message_is(stage->share->buffer, view->bytes, stage->op->shape, 0, view->sequence))
		violate(stage, "it got message %llu and %llu lost, not %llu",
			(unsigned long long)view->sequence, (unsigned long long)view->lost,
			(unsigned long long)oldest);
	if (atomic_load(&topic_record(map, stage->share->entry)->lost) != oldest)
		violate(stage, "the losses are not counted");
}

static void check_gate(struct stage *stage, const struct topic_map *map, bool last)
{
	check_one(stage, map, last);
	if (last && !stage->gate_woken[0])
		violate(stage, "a publisher waits for room, there is some, and it sleeps on");
}

static const struct op receive_ops[] = {
    {.name = "receive from the slot",
     .covers = "shoal_sub_receive",
     .shape = SMALL,
     .world = publisher_and_subscriber,
     .prepare = lossless_sub,
     .run = receive,
     .check = check_one},
    {.name = "receive from the payload area",
     .covers = "shoal_sub_receive",
     .shape = LARGE,
     .world = publisher_and_subscriber,
     .prepare = lossless_sub,
     .run = receive,
     .check = check_one},
    {.name = "receive nothing",
     .covers = "shoal_sub_receive",
     .shape = SMALL,
     .world = silent_publisher,
     .prepare = lossless_sub,
     .run = receive,
     .expect = -EAGAIN,
     .check = check_none},
    {.name = "receive with nobody else reading",
     .covers = "shoal_sub_receive",
     .shape = SMALL,
     .world = lone_publisher,
     .prepare = lossless_sub,
     .run = receive,
     .check = check_one},
    {.name = "borrow and release",
     .covers = "shoal_sub_borrow shoal_sub_release",
     .shape = MIXED,
     .world = publisher_and_subscriber,
     .prepare = lossless_sub,
     .run = borrow_and_release,
     .check = check_one},
    {.name = "receive a batch",
     .covers = "shoal_sub_receivev",
     .shape = MIXED,
     .world = publisher_and_subscriber,
     .prepare = lossless_sub,
     .run = receive_batch,
     .expect = BATCH,
     .check = check_batch},
    {.name = "receive a batch, lossy",
     .covers = "shoal_sub_receivev",
     .shape = MIXED,
     .world = publisher_and_subscriber,
     .prepare = lossy_sub,
     .run = receive_batch,
     .expect = BATCH,
     .check = check_batch},
    {.name = "receive, lossy",
     .covers = "shoal_sub_receive",
     .shape = SMALL,
     .world = publisher_and_subscriber,
     .prepare = lossy_sub,
     .run = receive,
     .check = check_one},
    {.name = "receive, lossy, from the payload area",
     .covers = "shoal_sub_receive",
     .shape = LARGE,
     .world = publisher_and_subscriber,
     .prepare = lossy_sub,
     .run = receive,
     .check = check_one},
    {.name = "receive, lossy, overtaken",
     .covers = "shoal_sub_receive",
     .shape = SMALL,
     .world = lone_publisher,
     .prepare = lossy_sub,
     .ready = overtake,
     .run = receive,
     .check = check_overtaken},
    {.name = "receive, lossy, overtaken in the payload area",
     .covers = "shoal_sub_receive",
     .shape = LARGE,
     .world = lone_publisher,
     .prepare = lossy_sub,
     .ready = overtake,
     .run = receive,
     .check = check_overtaken},
    {.name = "receive, opening the gate",
     .covers = "shoal_sub_receive",
     .shape = SMALL,
     .flags = OP_GATED,
     .world = full_lane,
     .prepare = lossless_sub,
     .ready = sleep_at_gate,
     .run = receive,
     .check = check_gate},
    {.name = "release, opening the gate",
     .covers = "shoal_sub_release",
     .shape = SMALL,
     .flags = OP_GATED,
     .world = full_lane,
     .prepare = sub_with_view,
     .ready = sleep_at_gate,
     .run = release,
     .check = check_gate},
    {.name = "receive, sleeping in vain",
     .covers = "shoal_sub_receive",
     .shape = SMALL,
     .world = silent_publisher,
     .prepare = lossless_sub,
     .run = receive_waiting,
     .expect = -ETIMEDOUT,
     .check = check_none},
    {.name = "interrupt a subscriber",
     .covers = "shoal_sub_interrupt shoal_sub_receive",
     .shape = SMALL,
     .world = silent_publisher,
     .prepare = lossless_sub,
     .run = interrupt,
     .expect = -EINTR,
     .check = check_none},
};
const struct group receive_group = {"receive", receive_ops,
				    sizeof(receive_ops) / sizeof(receive_ops[0])};
