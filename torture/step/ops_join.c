/* SPDX-License-Identifier: Apache-2.0 */
/* Opening: coming to a topic that is there, taking over from the dead, making one. */
#include "step.h"

#include <errno.h>
#include <string.h>

/* ---- worlds ------------------------------------------------------------------------------ */

static void subscriber(struct stage *stage)
{
	stage->other_sub = open_sub(stage, 0);
}

static void publisher_and_subscriber(struct stage *stage)
{
	stage->other_sub = open_sub(stage, 0);
	stage->other_pub = open_pub(stage, 0);
	publish_some(stage, stage->other_pub, 3);
}

static void busy_publisher(struct stage *stage)
{
	stage->other_lossy = open_sub(stage, SHOAL_LOSSY);
	stage->other_pub = open_pub(stage, 0);
	publish_some(stage, stage->other_pub, 20);
}

static void publish_and_die(struct stage *stage)
{
	publish_some(stage, open_pub(stage, 0), 3);
}

static void publish_twenty_and_die(struct stage *stage)
{
	publish_some(stage, open_pub(stage, 0), 20);
}

static void dead_publisher(struct stage *stage)
{
	stage->other_sub = open_sub(stage, 0);
	let_die(stage, publish_and_die);
}

static void dead_busy_publisher(struct stage *stage)
{
	stage->other_lossy = open_sub(stage, SHOAL_LOSSY);
	let_die(stage, publish_twenty_and_die);
}

/* Both lanes were held by publishers that are dead now; they were in the middle of it. */
static void dead_publishers(struct stage *stage)
{
	dead_publisher(stage);
	let_die(stage, publish_and_die);
	die_in_commit(stage, 0, DIED_WITH_WORD);
	die_in_commit(stage, 1, DIED_BEGUN);
}

static void closed_publisher(struct stage *stage)
{
	stage->other_sub = open_sub(stage, 0);
	shoal_pub *pub = open_pub(stage, 0);
	publish_some(stage, pub, 3);
	shoal_pub_close(pub);
}

static void full_of_publishers(struct stage *stage)
{
	publisher_and_subscriber(stage);
	stage->second_pub = open_pub(stage, 0);
	publish_some(stage, stage->second_pub, 2);
}

static void subscribe_and_die(struct stage *stage)
{
	for (int i = 0; i < SUBSCRIBERS - 1; i++)
		open_sub(stage, SHOAL_FROM_OLDEST);
}

static void dead_subscribers(struct stage *stage)
{
	stage->other_pub = open_pub(stage, 0);
	publish_some(stage, stage->other_pub, 3);
	let_die(stage, subscribe_and_die);
	stage->other_sub = open_sub(stage, 0);
}

static void leftover(struct stage *stage)
{
	let_die(stage, publish_and_die);
}

/* The file of an earlier boot: its place is another boot's, and all who were in it are dead. */
static void earlier_boot(struct stage *stage)
{
	let_die(stage, publish_and_die);
	age_by_a_boot(stage);
}

/* ---- operations -------------------------------------------------------------------------- */

static int64_t pub_open(struct stage *stage)
{
	return shoal_pub_open(&stage->pub, stage->name, 0, &small_topic);
}

static int64_t pub_open_create(struct stage *stage)
{
	return shoal_pub_open(&stage->pub, stage->name, SHOAL_CREATE, &small_topic);
}

static int64_t sub_open(struct stage *stage)
{
	return shoal_sub_open(&stage->sub, stage->name, 0, &small_topic);
}

static int64_t sub_open_oldest(struct stage *stage)
{
	return shoal_sub_open(&stage->sub, stage->name, SHOAL_FROM_OLDEST, &small_topic);
}

static int64_t sub_open_lossy(struct stage *stage)
{
	return shoal_sub_open(&stage->sub, stage->name, SHOAL_LOSSY, &small_topic);
}

static int64_t sub_open_create(struct stage *stage)
{
	return shoal_sub_open(&stage->sub, stage->name, SHOAL_CREATE, &small_topic);
}

static int64_t pub_open_holding(struct stage *stage)
{
	return shoal_pub_open(&stage->pub, stage->name, SHOAL_HOLD, &small_topic);
}

static int64_t topic_create(struct stage *stage)
{
	return shoal_topic_create(stage->name, 0, &small_topic);
}

static int64_t topic_create_exclusive(struct stage *stage)
{
	return shoal_topic_create(stage->name, SHOAL_EXCLUSIVE, &small_topic);
}

/* The victim is a fork of the harness, so it has the bystanders' handles: to them it is the child.
 * From here on they are its own, to be closed. */
static void inherit(struct stage *stage)
{
	stage->pub = stage->other_pub;
	stage->sub = stage->other_lossy ? stage->other_lossy : stage->other_sub;
}

static int64_t pub_rejoin(struct stage *stage)
{
	return shoal_pub_rejoin(stage->pub);
}

static int64_t sub_rejoin(struct stage *stage)
{
	return shoal_sub_rejoin(stage->sub);
}

static void check_removed(struct stage *stage, const struct topic_map *map, bool last)
{
	(void)map;
	if (last && stage->named)
		violate(stage, "the leftover still has its name");
}

static const struct op join_ops[] = {
    {.name = "pub_open, a lane without memory",
     .covers = "shoal_pub_open",
     .world = subscriber,
     .run = pub_open},
    {.name = "pub_open, the second lane",
     .covers = "shoal_pub_open",
     .world = publisher_and_subscriber,
     .run = pub_open},
    {.name = "pub_open, a dead one's lane",
     .covers = "shoal_pub_open",
     .world = dead_publisher,
     .run = pub_open},
    {.name = "pub_open, a dead one's lane with payload",
     .covers = "shoal_pub_open",
     .shape = MIXED,
     .world = dead_busy_publisher,
     .run = pub_open},
    {.name = "pub_open, a dead one's lane, less payload than slots",
     .covers = "shoal_pub_open",
     .shape = TURNING,
     .world = dead_busy_publisher,
     .run = pub_open},
    {.name = "pub_open, both lanes dead in a commit",
     .covers = "shoal_pub_open",
     .world = dead_publishers,
     .run = pub_open},
    {.name = "pub_open, a closed lane",
     .covers = "shoal_pub_open",
     .world = closed_publisher,
     .run = pub_open},
    {.name = "pub_open, no lane",
     .covers = "shoal_pub_open",
     .flags = OP_LEAVES,
     .world = full_of_publishers,
     .run = pub_open,
     .expect = -EUSERS},
    {.name = "sub_open, from now",
     .covers = "shoal_sub_open",
     .world = publisher_and_subscriber,
     .run = sub_open},
    {.name = "sub_open, from the oldest",
     .covers = "shoal_sub_open",
     .shape = MIXED,
     .world = busy_publisher,
     .run = sub_open_oldest},
    {.name = "sub_open, lossy",
     .covers = "shoal_sub_open",
     .world = busy_publisher,
     .run = sub_open_lossy},
    {.name = "sub_open, entries of the dead",
     .covers = "shoal_sub_open",
     .world = dead_subscribers,
     .run = sub_open},
    {.name = "pub_rejoin, the second lane",
     .covers = "shoal_pub_rejoin",
     .flags = OP_INHERITS,
     .world = publisher_and_subscriber,
     .prepare = inherit,
     .run = pub_rejoin},
    {.name = "pub_rejoin, no lane",
     .covers = "shoal_pub_rejoin",
     .flags = OP_LEAVES | OP_INHERITS,
     .world = full_of_publishers,
     .prepare = inherit,
     .run = pub_rejoin,
     .expect = -EUSERS},
    {.name = "sub_rejoin, from now",
     .covers = "shoal_sub_rejoin",
     .flags = OP_INHERITS,
     .world = publisher_and_subscriber,
     .prepare = inherit,
     .run = sub_rejoin},
    {.name = "sub_rejoin, lossy",
     .covers = "shoal_sub_rejoin",
     .shape = MIXED,
     .flags = OP_INHERITS,
     .world = busy_publisher,
     .prepare = inherit,
     .run = sub_rejoin},
    {.name = "sub_open, making the topic",
     .covers = "shoal_sub_open",
     .flags = OP_BY_NAME,
     .run = sub_open_create,
     .expect = 1},
    {.name = "pub_open, making the topic",
     .covers = "shoal_pub_open",
     .flags = OP_BY_NAME,
     .run = pub_open_create,
     .expect = 1},
    {.name = "topic_create",
     .covers = "shoal_topic_create",
     .flags = OP_KEEP | OP_LEAVES | OP_BY_NAME,
     .run = topic_create},
    {.name = "pub_open, making the topic without O_TMPFILE",
     .covers = "shoal_pub_open",
     .flags = OP_HIDDEN | OP_BY_NAME,
     .run = pub_open_create,
     .expect = 1},
    {.name = "topic_create without O_TMPFILE",
     .covers = "shoal_topic_create",
     .flags = OP_HIDDEN | OP_KEEP | OP_LEAVES | OP_BY_NAME,
     .run = topic_create},
    {.name = "sub_open, a leftover, making another without O_TMPFILE",
     .covers = "shoal_sub_open",
     .flags = OP_HIDDEN | OP_GOES,
     .world = leftover,
     .run = sub_open_create,
     .expect = 1,
     .check = check_removed},
    {.name = "sub_open, a leftover of an earlier boot",
     .covers = "shoal_sub_open",
     .flags = OP_GOES,
     .world = earlier_boot,
     .run = sub_open,
     .expect = -ENOENT,
     .check = check_removed},
    {.name = "topic_create, it is there already",
     .covers = "shoal_topic_create",
     .flags = OP_KEEP,
     .world = leftover,
     .run = topic_create},
    {.name = "topic_create, refused",
     .covers = "shoal_topic_create",
     .flags = OP_KEEP,
     .world = leftover,
     .run = topic_create_exclusive,
     .expect = -EEXIST},
    {.name = "pub_open, holding",
     .covers = "shoal_pub_open",
     .world = publisher_and_subscriber,
     .run = pub_open_holding},
    {.name = "sub_open, a leftover",
     .covers = "shoal_sub_open",
     .flags = OP_GOES,
     .world = leftover,
     .run = sub_open,
     .expect = -ENOENT,
     .check = check_removed},
    {.name = "sub_open, a leftover, making another",
     .covers = "shoal_sub_open",
     .flags = OP_GOES,
     .world = leftover,
     .run = sub_open_create,
     .expect = 1,
     .check = check_removed},
    {.name = "sub_open, kept with nobody in it",
     .covers = "shoal_sub_open",
     .flags = OP_KEEP,
     .world = leftover,
     .run = sub_open},
    {.name = "sub_open, left by an earlier boot",
     .covers = "shoal_sub_open",
     .flags = OP_KEEP,
     .world = earlier_boot,
     .run = sub_open},
};
const struct group join_group = {"join", join_ops, sizeof(join_ops) / sizeof(join_ops[0])};
