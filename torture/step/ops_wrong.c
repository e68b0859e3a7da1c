/* SPDX-License-Identifier: Apache-2.0 */
/* Operations with the mistakes that the harness is there to find. It must find each. */
#include "step.h"

#include <string.h>

static void two_subscribers(struct stage *stage)
{
	stage->other_sub = open_sub(stage, 0);
	stage->other_lossy = open_sub(stage, SHOAL_LOSSY);
}

static void nobody(struct stage *stage)
{
	stage->other_lossy = open_sub(stage, SHOAL_LOSSY);
}

static void publisher(struct stage *stage)
{
	stage->other_sub = open_sub(stage, 0);
	stage->other_pub = open_pub(stage, 0);
	publish_some(stage, stage->other_pub, 4);
}

static void pub_of(struct stage *stage, unsigned count)
{
	stage->pub = open_pub(stage, 0);
	share_pub(stage);
	publish_some(stage, stage->pub, count);
	prepare_next(stage, 1);
}

static void pub_of_three(struct stage *stage)
{
	pub_of(stage, 3);
}

static void pub_of_twenty(struct stage *stage)
{
	pub_of(stage, 20);
}

static void lossless_sub(struct stage *stage)
{
	stage->sub = open_sub(stage, SHOAL_FROM_OLDEST);
	share_sub(stage);
}

static struct lane_map lane_of(struct stage *stage)
{
	return topic_lane(&handle_of(stage->pub)->map, shoal_pub_lane(stage->pub));
}

static uint64_t word_of(struct stage *stage)
{
	return lane_word(shoal_pub_sequence(stage->pub), stage->parts[0].iov_len);
}

static void copy_in(struct stage *stage, const struct lane_map *lane)
{
	lane_copy_in(lane_slot(lane, shoal_pub_sequence(stage->pub))->data,
		     stage->parts[0].iov_base, stage->parts[0].iov_len);
}

static void begin_commit(struct stage *stage, const struct lane_map *lane)
{
	atomic_store(&lane->control->begun, shoal_pub_sequence(stage->pub) + 1);
}

static void end_commit(struct stage *stage, const struct lane_map *lane)
{
	atomic_store(&lane->control->position, shoal_pub_sequence(stage->pub) + 1);
}

static int64_t word_before_payload(struct stage *stage)
{
	struct lane_map lane = lane_of(stage);
	begin_commit(stage, &lane);
	atomic_store(&lane_slot(&lane, shoal_pub_sequence(stage->pub))->word, word_of(stage));
	copy_in(stage, &lane);
	end_commit(stage, &lane);
	return 0;
}

static int64_t position_before_word(struct stage *stage)
{
	struct lane_map lane = lane_of(stage);
	copy_in(stage, &lane);
	begin_commit(stage, &lane);
	end_commit(stage, &lane);
	atomic_store(&lane_slot(&lane, shoal_pub_sequence(stage->pub))->word, word_of(stage));
	return 0;
}

/* The sleeper is woken, but only after the message is there: a death comes between. */
static int64_t publish_then_wake(struct stage *stage)
{
	struct lane_map lane = lane_of(stage);
	copy_in(stage, &lane);
	begin_commit(stage, &lane);
	atomic_store(&lane_slot(&lane, shoal_pub_sequence(stage->pub))->word, word_of(stage));
	end_commit(stage, &lane);
	wait_wake(&handle_of(stage->pub)->map.body->wake);
	return 0;
}

/* The oldest message goes while it is still promised. */
static int64_t overwrite_before_raising(struct stage *stage)
{
	struct lane_map lane = lane_of(stage);
	copy_in(stage, &lane);
	begin_commit(stage, &lane);
	atomic_store(&lane_slot(&lane, shoal_pub_sequence(stage->pub))->word, word_of(stage));
	end_commit(stage, &lane);
	atomic_fetch_add(&lane.control->oldest, 1);
	return 0;
}

/* Its seat says that it went, and its entry gates for ever. */
static int64_t leave_seat_before_entry(struct stage *stage)
{
	struct handle *handle = handle_of(stage->sub);
	struct tag tag = handle->object->seat.tag;
	atomic_store(&seat_entry(&handle->map.region, tag.seat)->word, word_make(SEAT_FREE, tag));
	atomic_store(&handle->map.entries[stage->share->entry], word_make(ENTRY_FREE, tag));
	return 0;
}

/* The owner word names a seat of an earlier generation: nobody will ever repair it. */
static int64_t forget_the_lane(struct stage *stage)
{
	struct handle *handle = handle_of(stage->pub);
	struct tag tag = handle->object->seat.tag;
	atomic_store(&seat_entry(&handle->map.region, tag.seat)->word, word_make(SEAT_FREE, tag));
	return 0;
}

static int64_t unlink_without_a_word(struct stage *stage)
{
	return os->unlink(stage->path);
}

/* ---- mistakes in a repair: the first death does not show them ---------------------------- */

static int64_t do_nothing(struct stage *stage)
{
	(void)stage;
	return 0;
}

static bool free_seat(const struct region *region, uint32_t seat, uint64_t word)
{
	return atomic_compare_exchange_strong(&seat_entry(region, seat)->word, &word,
					      word_make(SEAT_FREE, word_tag(word)));
}

/* The dead one, as object_repair_all finds it. */
static bool find_dead(struct object *object, uint32_t *ret, uint64_t *ret_word)
{
	const struct region *region = &object->segment.region;
	for (uint32_t i = 0; i < region->seat_count; i++) {
		*ret = i;
		*ret_word = atomic_load(&seat_entry(region, i)->word);
		if (word_state(*ret_word) != SEAT_FREE && !seat_alive(&object->segment, i))
			return true;
	}
	return false;
}

/* Whoever dies after the first step leaves an entry that nobody will ever free. */
static void repair_seat_before_entry(struct object *object)
{
	const struct region *region = &object->segment.region;
	uint32_t seat;
	uint64_t word;
	if (!find_dead(object, &seat, &word))
		return;
	free_seat(region, seat, word);
	topic_kind.repair(region, (struct tag){seat, word_tag(word).generation}, false);
}

/*
 * The entry first, as it should be, but LEAVING is taken to mean that somebody else did that. It
 * shows when who marked the seat so dies before he freed the entry, and the next one after the
 * seat.
 */
static void repair_trusting_a_mark(struct object *object)
{
	const struct region *region = &object->segment.region;
	uint32_t seat;
	uint64_t word;
	while (find_dead(object, &seat, &word)) {
		struct tag tag = {seat, word_tag(word).generation};
		uint64_t marked = word_make(SEAT_LEAVING, tag);
		bool trusted = word == marked;
		atomic_compare_exchange_strong(&seat_entry(region, seat)->word, &word, marked);
		if (!trusted)
			topic_kind.repair(region, tag, false);
		free_seat(region, seat, marked);
		if (trusted)
			topic_kind.repair(region, tag, false);
	}
}

static const struct op wrong_ops[] = {
    {.name = "a repair trusts the mark of another that died",
     .flags = OP_WRONG | OP_DEEP | OP_DEEPER,
     .world = two_subscribers,
     .prepare = lossless_sub,
     .run = do_nothing,
     .recover = repair_trusting_a_mark},
    {.name = "a repair frees the seat before the entry",
     .flags = OP_WRONG | OP_DEEP,
     .world = publisher,
     .prepare = lossless_sub,
     .run = do_nothing,
     .recover = repair_seat_before_entry},
    {.name = "the word before the payload",
     .flags = OP_WRONG | OP_REAL,
     .world = two_subscribers,
     .prepare = pub_of_three,
     .run = word_before_payload,
     .messages = 1},
    {.name = "the position before the word",
     .flags = OP_WRONG,
     .world = two_subscribers,
     .prepare = pub_of_three,
     .run = position_before_word,
     .messages = 1},
    {.name = "the message before the wake-up",
     .flags = OP_WRONG | OP_SLEEPER,
     .world = two_subscribers,
     .prepare = pub_of_three,
     .run = publish_then_wake,
     .messages = 1},
    {.name = "overwriting before raising",
     .flags = OP_WRONG,
     .world = nobody,
     .prepare = pub_of_twenty,
     .run = overwrite_before_raising,
     .messages = 1},
    {.name = "the seat before the entry",
     .flags = OP_WRONG,
     .world = publisher,
     .prepare = lossless_sub,
     .run = leave_seat_before_entry},
    {.name = "a lane that nobody gives back",
     .flags = OP_WRONG,
     .world = two_subscribers,
     .prepare = pub_of_three,
     .run = forget_the_lane},
    {.name = "a name taken from the living",
     .flags = OP_WRONG,
     .world = two_subscribers,
     .prepare = pub_of_three,
     .run = unlink_without_a_word},
};
const struct group wrong_group = {"wrong", wrong_ops, sizeof(wrong_ops) / sizeof(wrong_ops[0])};
