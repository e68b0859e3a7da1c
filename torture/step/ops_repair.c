/* SPDX-License-Identifier: Apache-2.0 */
/* A survivor repairs the dead, and is killed in the middle of it; the next one repairs both. */
#include "step.h"

#include <errno.h>

/* ---- worlds ------------------------------------------------------------------------------ */

static void publish_and_die(struct stage *stage)
{
	publish_some(stage, open_pub(stage, 0), 5);
}

static void subscribe_and_die(struct stage *stage)
{
	open_sub(stage, SHOAL_FROM_OLDEST);
}

static void subscribe_lossy_and_die(struct stage *stage)
{
	open_sub(stage, SHOAL_LOSSY);
}

static void dead_publisher(struct stage *stage)
{
	stage->other_sub = open_sub(stage, 0);
	let_die(stage, publish_and_die);
}

static void died_begun(struct stage *stage)
{
	dead_publisher(stage);
	die_in_commit(stage, 0, DIED_BEGUN);
}

static void died_waking(struct stage *stage)
{
	dead_publisher(stage);
	die_in_commit(stage, 0, DIED_WAKING);
}

static void died_with_word(struct stage *stage)
{
	dead_publisher(stage);
	die_in_commit(stage, 0, DIED_WITH_WORD);
}

/* It held up a publisher, which sleeps. */
static void dead_subscriber(struct stage *stage)
{
	stage->other_pub = open_pub(stage, 0);
	publish_some(stage, stage->other_pub, SLOTS);
	let_die(stage, subscribe_and_die);
}

static void dead_lossy(struct stage *stage)
{
	dead_subscriber(stage);
	let_die(stage, subscribe_lossy_and_die);
}

static void several_dead(struct stage *stage)
{
	died_with_word(stage);
	let_die(stage, subscribe_and_die);
	let_die(stage, publish_and_die);
	let_die(stage, subscribe_lossy_and_die);
}

/* ---- operations -------------------------------------------------------------------------- */

/* The victim has a seat of its own, as a subscriber that waits would. */
static void survivor(struct stage *stage)
{
	stage->sub = open_sub(stage, 0);
	share_sub(stage);
}

static bool is_dead(const struct stage *stage, uint32_t seat)
{
	struct object *object = object_of(stage->sub);
	uint64_t word = atomic_load(&seat_entry(&object->segment.region, seat)->word);
	return word_state(word) != SEAT_FREE && seat != object->seat.tag.seat &&
	       !seat_alive(&object->segment, seat);
}

static int64_t repair_first_dead(struct stage *stage)
{
	struct object *object = object_of(stage->sub);
	uint32_t seat = 0;
	while (seat < object->segment.region.seat_count && !is_dead(stage, seat))
		seat++;
	return object_repair_seat(object, seat);
}

static int64_t repair_all(struct stage *stage)
{
	return object_repair_all(object_of(stage->sub));
}

static void check_gate_woken(struct stage *stage, const struct topic_map *map, bool last)
{
	(void)map;
	if (last && !stage->gate_woken[0])
		violate(stage, "a publisher waits for a dead one, and sleeps on");
}

static void check_told(struct stage *stage, const struct topic_map *map, bool last)
{
	if (last && (!stage->woken || topic_ended(map)))
		violate(stage, "a publisher died, and subscribers were not told so");
}

static const struct op repair_ops[] = {
    {.name = "repair a publisher",
     .flags = OP_SLEEPER | OP_DIE_LATE,
     .world = dead_publisher,
     .prepare = survivor,
     .run = repair_first_dead,
     .expect = 1,
     .check = check_told},
    {.name = "repair a publisher that had begun",
     .flags = OP_SLEEPER | OP_DIE_LATE,
     .world = died_begun,
     .prepare = survivor,
     .run = repair_first_dead,
     .expect = 1,
     .check = check_told},
    {.name = "repair a publisher that was waking",
     .flags = OP_SLEEPER | OP_DIE_LATE,
     .world = died_waking,
     .prepare = survivor,
     .run = repair_first_dead,
     .expect = 1,
     .check = check_told},
    {.name = "repair a publisher that had stored the word",
     .flags = OP_SLEEPER | OP_DIE_LATE,
     .world = died_with_word,
     .prepare = survivor,
     .run = repair_first_dead,
     .expect = 1,
     .check = check_told},
    {.name = "repair a subscriber",
     .flags = OP_GATED | OP_DIE_LATE,
     .world = dead_subscriber,
     .prepare = survivor,
     .run = repair_first_dead,
     .expect = 1,
     .check = check_gate_woken},
    {.name = "repair two subscribers",
     .flags = OP_GATED | OP_DIE_LATE,
     .world = dead_lossy,
     .prepare = survivor,
     .run = repair_all,
     .expect = 2,
     .check = check_gate_woken},
    {.name = "repair all kinds",
     .flags = OP_SLEEPER | OP_DIE_LATE,
     .world = several_dead,
     .prepare = survivor,
     .run = repair_all,
     .expect = 4},
};
const struct group repair_group = {"repair", repair_ops,
				   sizeof(repair_ops) / sizeof(repair_ops[0])};
