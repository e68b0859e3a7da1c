/* SPDX-License-Identifier: Apache-2.0 */
/* Closing and removing. */
#include "step.h"

#include <errno.h>

/* ---- worlds and beginnings --------------------------------------------------------------- */

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

static void full_lane(struct stage *stage)
{
	stage->other_pub = open_pub(stage, 0);
	publish_some(stage, stage->other_pub, SLOTS);
}

static void publish_and_die(struct stage *stage)
{
	publish_some(stage, open_pub(stage, 0), 3);
}

static void dead_publisher(struct stage *stage)
{
	stage->other_sub = open_sub(stage, 0);
	let_die(stage, publish_and_die);
	die_in_commit(stage, 0, DIED_WITH_WORD);
}

static void leftover(struct stage *stage)
{
	let_die(stage, publish_and_die);
}

static void earlier_boot(struct stage *stage)
{
	leftover(stage);
	age_by_a_boot(stage);
}

static void pub_of_three(struct stage *stage)
{
	stage->pub = open_pub(stage, 0);
	share_pub(stage);
	publish_some(stage, stage->pub, 3);
}

static void pub_with_loan(struct stage *stage)
{
	pub_of_three(stage);
	if (shoal_pub_claim(stage->pub, 900, 0, &stage->loan) < 0)
		give_up("claim");
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
}

/* ---- operations -------------------------------------------------------------------------- */

static int64_t pub_close(struct stage *stage)
{
	shoal_pub_close(stage->pub);
	return 0;
}

static int64_t sub_close(struct stage *stage)
{
	shoal_sub_close(stage->sub);
	return 0;
}

static int64_t remove_it(struct stage *stage)
{
	return shoal_remove(stage->name, 0);
}

static int64_t remove_by_force(struct stage *stage)
{
	return shoal_remove(stage->name, SHOAL_FORCE);
}

/* When the victim is about to begin. */
static void remove_now(struct stage *stage)
{
	if (shoal_remove(stage->name, SHOAL_FORCE) < 0)
		give_up("remove");
}

static void pub_of_three_more(struct stage *stage)
{
	pub_of_three(stage);
	prepare_next(stage, BATCH);
}

static int64_t publish(struct stage *stage)
{
	return shoal_pub_publish(stage->pub, stage->parts[0].iov_base, stage->parts[0].iov_len, 0);
}

static int64_t receive(struct stage *stage)
{
	return shoal_sub_receive(stage->sub, stage->share->buffer, sizeof(stage->share->buffer), 0,
				 stage->share->views);
}

/* ---- more that must hold ----------------------------------------------------------------- */

static void check_gone(struct stage *stage, const struct topic_map *map, bool last)
{
	(void)map;
	if (last && stage->named)
		violate(stage, "the object still has its name");
}

static void check_ended(struct stage *stage, const struct topic_map *map, bool last)
{
	if (last && (!topic_ended(map) || !stage->woken))
		violate(stage, "the last publisher closed, and subscribers were not told");
}

static void check_not_ended(struct stage *stage, const struct topic_map *map, bool last)
{
	struct tag tag = object_of(stage->other_pub)->seat.tag;
	(void)last;
	if (topic_ended(map) && stage->living[tag.seat])
		violate(stage, "it has ended, and there is a publisher");
}

static void check_gate_woken(struct stage *stage, const struct topic_map *map, bool last)
{
	(void)map;
	if (last && !stage->gate_woken[0])
		violate(stage, "a publisher waits for one that went, and sleeps on");
}

static const struct op leave_ops[] = {
    {.name = "pub_close, subscribers stay",
     .covers = "shoal_pub_close",
     .flags = OP_LEAVES | OP_SLEEPER,
     .world = subscriber,
     .prepare = pub_of_three,
     .run = pub_close,
     .check = check_ended},
    {.name = "pub_close, another one stays",
     .covers = "shoal_pub_close",
     .flags = OP_LEAVES,
     .world = publisher_and_subscriber,
     .prepare = pub_of_three,
     .run = pub_close,
     .check = check_not_ended},
    {.name = "pub_close with a loan out",
     .covers = "shoal_pub_close",
     .shape = LARGE,
     .flags = OP_LEAVES | OP_SLEEPER,
     .world = subscriber,
     .prepare = pub_with_loan,
     .run = pub_close,
     .check = check_ended},
    {.name = "pub_close after one that was killed",
     .covers = "shoal_pub_close",
     .flags = OP_LEAVES | OP_SLEEPER | OP_DIE_LATE,
     .world = dead_publisher,
     .prepare = pub_of_three,
     .run = pub_close,
     .check = check_ended},
    {.name = "pub_close, the last one",
     .covers = "shoal_pub_close",
     .flags = OP_LEAVES | OP_GOES,
     .prepare = pub_of_three,
     .run = pub_close,
     .check = check_gone},
    {.name = "pub_close, the last one, kept",
     .covers = "shoal_pub_close",
     .flags = OP_LEAVES | OP_KEEP,
     .prepare = pub_of_three,
     .run = pub_close},
    {.name = "sub_close, others stay",
     .covers = "shoal_sub_close",
     .flags = OP_LEAVES,
     .world = publisher_and_subscriber,
     .prepare = lossless_sub,
     .run = sub_close},
    {.name = "sub_close, lossy",
     .covers = "shoal_sub_close",
     .flags = OP_LEAVES,
     .world = publisher_and_subscriber,
     .prepare = lossy_sub,
     .run = sub_close},
    {.name = "sub_close with a view out, opening the gate",
     .covers = "shoal_sub_close",
     .flags = OP_LEAVES | OP_GATED,
     .world = full_lane,
     .prepare = sub_with_view,
     .run = sub_close,
     .check = check_gate_woken},
    {.name = "sub_close, the last one",
     .covers = "shoal_sub_close",
     .flags = OP_LEAVES | OP_GOES,
     .prepare = lossless_sub,
     .run = sub_close,
     .check = check_gone},
    {.name = "remove, a leftover",
     .covers = "shoal_remove",
     .world = leftover,
     .run = remove_it,
     .check = check_gone},
    {.name = "remove, left by an earlier boot",
     .covers = "shoal_remove",
     .flags = OP_KEEP,
     .world = earlier_boot,
     .run = remove_it,
     .check = check_gone},
    {.name = "remove, kept with nobody in it",
     .covers = "shoal_remove",
     .flags = OP_KEEP,
     .world = leftover,
     .run = remove_it,
     .check = check_gone},
    {.name = "remove, in use",
     .covers = "shoal_remove",
     .flags = OP_LEAVES,
     .world = publisher_and_subscriber,
     .run = remove_it,
     .expect = -EBUSY},
    {.name = "remove by force, in use",
     .covers = "shoal_remove",
     .world = publisher_and_subscriber,
     .run = remove_by_force,
     .check = check_gone},
};
const struct group leave_group = {"leave", leave_ops, sizeof(leave_ops) / sizeof(leave_ops[0])};

/* The same, and nobody is left without knowing when the one who should tell is killed. */
static const struct op told_ops[] = {
    {.name = "pub_close tells a sleeper of the end",
     .covers = "shoal_pub_close",
     .flags = OP_LEAVES | OP_SLEEPER | OP_TOLD,
     .world = subscriber,
     .prepare = pub_of_three,
     .run = pub_close,
     .check = check_ended},
    {.name = "publish where it was removed by force",
     .covers = "shoal_pub_publish",
     .flags = OP_TOLD | OP_TAKES_BIT,
     .world = publisher_and_subscriber,
     .prepare = pub_of_three_more,
     .ready = remove_now,
     .run = publish,
     .messages = 1,
     .expect = -ESTALE},
    {.name = "receive where it was removed by force",
     .covers = "shoal_sub_receive",
     .flags = OP_TOLD,
     .world = publisher_and_subscriber,
     .prepare = lossless_sub,
     .ready = remove_now,
     .run = receive,
     .expect = -ESTALE},
    {.name = "pub_close where it was removed by force",
     .covers = "shoal_pub_close",
     .flags = OP_TOLD | OP_LEAVES,
     .world = publisher_and_subscriber,
     .prepare = pub_of_three,
     .ready = remove_now,
     .run = pub_close},
    {.name = "remove by force tells those who are in it",
     .covers = "shoal_remove",
     .flags = OP_TOLD,
     .world = publisher_and_subscriber,
     .run = remove_by_force,
     .check = check_gone},
};
const struct group told_group = {"told", told_ops, sizeof(told_ops) / sizeof(told_ops[0])};
