/* SPDX-License-Identifier: Apache-2.0 */
/* What only looks: it must change nothing, wherever it is killed. */
#include "step.h"

#include <errno.h>
#include <string.h>

/* ---- worlds and beginnings --------------------------------------------------------------- */

static void publish_and_die(struct stage *stage)
{
	publish_some(stage, open_pub(stage, 0), 3);
}

/* Somebody of each kind, one of them dead, in the middle of a commit. */
static void all_kinds(struct stage *stage)
{
	stage->other_sub = open_sub(stage, 0);
	stage->other_lossy = open_sub(stage, SHOAL_LOSSY);
	stage->other_pub = open_pub(stage, 0);
	publish_some(stage, stage->other_pub, 3);
	let_die(stage, publish_and_die);
	die_in_commit(stage, 1, DIED_WAKING);
}

static void leftover(struct stage *stage)
{
	let_die(stage, publish_and_die);
}

static void publisher(struct stage *stage)
{
	stage->other_pub = open_pub(stage, 0);
	publish_some(stage, stage->other_pub, 3);
}

static void both_handles(struct stage *stage)
{
	stage->sub = open_sub(stage, SHOAL_FROM_OLDEST);
	stage->pub = open_pub(stage, 0);
	share_pub(stage);
}

/* ---- operations -------------------------------------------------------------------------- */

static int64_t stat_topic(struct stage *stage)
{
	struct shoal_topic_stat *stat;
	int r = shoal_topic_stat(stage->name, 0, &stat);
	shoal_topic_stat_free(stat);
	return r;
}

static int64_t audit_topic(struct stage *stage)
{
	return shoal_topic_audit(stage->name, 0);
}

static int64_t list_objects(struct stage *stage)
{
	struct shoal_object *objects;
	size_t count;
	int r = shoal_list(stage->name, &objects, &count);
	shoal_list_free(objects);
	return r < 0 ? r : (int64_t)count;
}

static int64_t wait_for_it(struct stage *stage)
{
	return shoal_wait_exists(stage->name, 0);
}

static int64_t ask_handles(struct stage *stage)
{
	return shoal_pub_lane(stage->pub) == stage->share->lane &&
	       shoal_pub_sequence(stage->pub) == 0 && shoal_sub_lost(stage->sub) == 0;
}

static int64_t ask_descriptors(struct stage *stage)
{
	int r = shoal_pub_fd(stage->pub);
	if (r >= 0)
		r = shoal_sub_fd(stage->sub);
	return r < 0 ? r : 0;
}

static int64_t ask_for_ids(struct stage *stage)
{
	struct shoal_sysv_stat stat = {.size = sizeof(stat)};
	return shoal_pub_sysv_id(stage->pub) == -EINVAL &&
	       shoal_sub_sysv_id(stage->sub) == -EINVAL &&
	       shoal_sysv_stat(stage->name, &stat) == -EINVAL;
}

static const struct op look_ops[] = {
    {.name = "stat, a dead one among all kinds",
     .covers = "shoal_topic_stat shoal_topic_stat_free",
     .flags = OP_LOOKS,
     .world = all_kinds,
     .run = stat_topic},
    {.name = "stat, a leftover",
     .covers = "shoal_topic_stat shoal_topic_stat_free",
     .flags = OP_LOOKS,
     .world = leftover,
     .run = stat_topic},
    {.name = "audit, a dead one among all kinds",
     .covers = "shoal_topic_audit",
     .flags = OP_LOOKS,
     .world = all_kinds,
     .run = audit_topic},
    {.name = "list, a dead one among all kinds",
     .covers = "shoal_list shoal_list_free",
     .flags = OP_LOOKS | OP_LISTED,
     .world = all_kinds,
     .run = list_objects,
     .expect = 1},
    {.name = "list, a leftover",
     .covers = "shoal_list shoal_list_free",
     .flags = OP_LOOKS | OP_LISTED,
     .world = leftover,
     .run = list_objects,
     .expect = 1},
    {.name = "wait for what is there",
     .covers = "shoal_wait_exists",
     .flags = OP_LOOKS | OP_BY_NAME,
     .world = publisher,
     .run = wait_for_it},
    {.name = "ask handles where they are",
     .covers = "shoal_pub_lane shoal_pub_sequence shoal_sub_lost",
     .flags = OP_LOOKS,
     .world = publisher,
     .prepare = both_handles,
     .run = ask_handles,
     .expect = 1},
    {.name = "ask handles for their descriptors",
     .covers = "shoal_pub_fd shoal_sub_fd",
     .flags = OP_LOOKS,
     .world = publisher,
     .prepare = both_handles,
     .run = ask_descriptors},
    {.name = "ask handles that have no System V id",
     .covers = "shoal_pub_sysv_id shoal_sub_sysv_id shoal_sysv_stat",
     .flags = OP_LOOKS,
     .world = publisher,
     .prepare = both_handles,
     .run = ask_for_ids,
     .expect = 1},
};
const struct group look_group = {"look", look_ops, sizeof(look_ops) / sizeof(look_ops[0])};
