/* SPDX-License-Identifier: Apache-2.0 */
/* Publishing, claiming, committing. */
#include "step.h"

#include <errno.h>
#include <string.h>

/* ---- worlds and beginnings --------------------------------------------------------------- */

/* A lossless and a lossy subscriber, from the first message on. */
static void two_subscribers(struct stage *stage)
{
	stage->other_sub = open_sub(stage, 0);
	stage->other_lossy = open_sub(stage, SHOAL_LOSSY);
}

static void nobody(struct stage *stage)
{
	stage->other_lossy = open_sub(stage, SHOAL_LOSSY);
}

static void pub_of(struct stage *stage, unsigned count)
{
	stage->pub = open_pub(stage, 0);
	share_pub(stage);
	publish_some(stage, stage->pub, count);
	prepare_next(stage, BATCH);
}

static void subscribe_and_die(struct stage *stage)
{
	open_sub(stage, 0);
}

static void dead_subscriber(struct stage *stage)
{
	stage->other_lossy = open_sub(stage, SHOAL_LOSSY);
	let_die(stage, subscribe_and_die);
}

static void fresh_pub(struct stage *stage)
{
	pub_of(stage, 0);
}

static void pub_of_three(struct stage *stage)
{
	pub_of(stage, 3);
}

static void pub_of_twenty(struct stage *stage)
{
	pub_of(stage, 20);
}

static void pub_of_full_lane(struct stage *stage)
{
	pub_of(stage, SLOTS);
}

static void pub_of_six(struct stage *stage)
{
	pub_of(stage, 6);
}

/* Joins when the lane has gone round a few times, and makes room. */
static void late_subscriber(struct stage *stage)
{
	stage->other_sub = open_sub(stage, SHOAL_FROM_OLDEST);
	receive_some(stage->other_sub, 3);
}

/* Holds what it has until somebody has subscribed. */
static void holding_pub(struct stage *stage)
{
	stage->pub = open_pub(stage, SHOAL_HOLD);
	share_pub(stage);
	publish_some(stage, stage->pub, SLOTS);
	prepare_next(stage, BATCH);
}

static void first_subscriber(struct stage *stage)
{
	stage->other_sub = open_sub(stage, SHOAL_FROM_OLDEST);
	receive_some(stage->other_sub, 3);
}

static void read_three(struct stage *stage)
{
	receive_some(stage->other_sub, 3);
}

static void read_five(struct stage *stage)
{
	receive_some(stage->other_sub, 5);
}

static void batch_sub(struct stage *stage)
{
	stage->other_sub = open_sub(stage, SHOAL_FROM_OLDEST);
	receive_some(stage->other_sub, 2);
}

/* ---- operations -------------------------------------------------------------------------- */

static int64_t publish(struct stage *stage)
{
	return shoal_pub_publish(stage->pub, stage->parts[0].iov_base, stage->parts[0].iov_len, 0);
}

static int64_t publish_waiting(struct stage *stage)
{
	return shoal_pub_publish(stage->pub, stage->parts[0].iov_base, stage->parts[0].iov_len,
				 5000000);
}

static int64_t drain(struct stage *stage)
{
	return shoal_pub_drain(stage->pub, 0);
}

static int64_t await_subscribers(struct stage *stage)
{
	return shoal_pub_wait_subscribers(stage->pub, 2, 0);
}

static int64_t interrupt(struct stage *stage)
{
	shoal_pub_interrupt(stage->pub);
	return shoal_pub_drain(stage->pub, 0);
}

static int64_t publish_batch(struct stage *stage)
{
	return shoal_pub_publishv(stage->pub, stage->parts, BATCH, 0);
}

static int64_t claim_and_commit(struct stage *stage)
{
	/* Claims more than is sent. */
	size_t claimed = stage->op->shape == SMALL ? INLINE : 900;
	int r = shoal_pub_claim(stage->pub, claimed, 0, &stage->loan);
	if (r < 0)
		return r;
	memcpy(stage->loan.data, stage->parts[0].iov_base, stage->parts[0].iov_len);
	stage->loan.bytes = stage->parts[0].iov_len;
	return shoal_pub_commit(stage->pub, &stage->loan);
}

static int64_t claim_and_abort(struct stage *stage)
{
	size_t bytes = stage->op->shape == SMALL ? INLINE : 900;
	int r = shoal_pub_claim(stage->pub, bytes, 0, &stage->loan);
	if (r < 0)
		return r;
	memset(stage->loan.data, 0xee, bytes);
	return shoal_pub_abort(stage->pub, &stage->loan);
}

static const struct op publish_ops[] = {
    {.name = "publish the first message",
     .covers = "shoal_pub_publish",
     .shape = SMALL,
     .world = two_subscribers,
     .prepare = fresh_pub,
     .run = publish,
     .messages = 1},
    {.name = "publish a small message",
     .covers = "shoal_pub_publish",
     .shape = SMALL,
     .world = two_subscribers,
     .prepare = pub_of_three,
     .run = publish,
     .messages = 1},
    {.name = "publish with nobody to read",
     .covers = "shoal_pub_publish",
     .shape = SMALL,
     .world = nobody,
     .prepare = pub_of_twenty,
     .run = publish,
     .messages = 1},
    {.name = "publish into a full lane after reads",
     .covers = "shoal_pub_publish",
     .shape = SMALL,
     .world = two_subscribers,
     .prepare = pub_of_full_lane,
     .ready = read_five,
     .run = publish,
     .messages = 1},
    {.name = "publish into a full lane, refused",
     .covers = "shoal_pub_publish",
     .shape = SMALL,
     .world = two_subscribers,
     .prepare = pub_of_full_lane,
     .run = publish,
     .expect = -EAGAIN},
    {.name = "publish around the ring",
     .covers = "shoal_pub_publish",
     .shape = SMALL,
     .world = nobody,
     .prepare = pub_of_twenty,
     .ready = late_subscriber,
     .run = publish,
     .messages = 1},
    {.name = "publish outside the slot",
     .covers = "shoal_pub_publish",
     .shape = LARGE,
     .world = two_subscribers,
     .prepare = pub_of_three,
     .run = publish,
     .messages = 1},
    {.name = "publish around the payload area",
     .covers = "shoal_pub_publish",
     .shape = LARGE,
     .world = nobody,
     .prepare = pub_of_twenty,
     .ready = late_subscriber,
     .run = publish,
     .messages = 1},
    {.name = "publish over unread payload, nobody minds",
     .covers = "shoal_pub_publish",
     .shape = LARGE,
     .world = nobody,
     .prepare = pub_of_twenty,
     .run = publish,
     .messages = 1},
    {.name = "publish to a sleeper",
     .covers = "shoal_pub_publish",
     .shape = SMALL,
     .flags = OP_SLEEPER,
     .world = two_subscribers,
     .prepare = pub_of_three,
     .run = publish,
     .messages = 1},
    {.name = "publish outside the slot to a sleeper",
     .covers = "shoal_pub_publish",
     .shape = LARGE,
     .flags = OP_SLEEPER,
     .world = two_subscribers,
     .prepare = pub_of_three,
     .run = publish,
     .messages = 1},
    {.name = "claim and commit in the slot",
     .covers = "shoal_pub_claim shoal_pub_commit",
     .shape = SMALL,
     .world = two_subscribers,
     .prepare = pub_of_three,
     .run = claim_and_commit,
     .messages = 1},
    {.name = "claim and commit outside",
     .covers = "shoal_pub_claim shoal_pub_commit",
     .shape = LARGE,
     .world = two_subscribers,
     .prepare = pub_of_three,
     .run = claim_and_commit,
     .messages = 1},
    {.name = "claim and commit around the payload area",
     .covers = "shoal_pub_claim shoal_pub_commit",
     .shape = LARGE,
     .world = nobody,
     .prepare = pub_of_twenty,
     .ready = late_subscriber,
     .run = claim_and_commit,
     .messages = 1},
    {.name = "claim and abort in the slot",
     .covers = "shoal_pub_claim shoal_pub_abort",
     .shape = SMALL,
     .world = two_subscribers,
     .prepare = pub_of_three,
     .run = claim_and_abort},
    {.name = "claim and abort outside",
     .covers = "shoal_pub_claim shoal_pub_abort",
     .shape = LARGE,
     .world = nobody,
     .prepare = pub_of_twenty,
     .ready = late_subscriber,
     .run = claim_and_abort},
    {.name = "claim and abort over unread payload",
     .covers = "shoal_pub_claim shoal_pub_abort",
     .shape = MIXED,
     .world = nobody,
     .prepare = pub_of_twenty,
     .run = claim_and_abort},
    {.name = "claim and abort, small ones follow",
     .covers = "shoal_pub_claim shoal_pub_abort",
     .shape = TURNING,
     .world = nobody,
     .prepare = pub_of_twenty,
     .run = claim_and_abort},
    {.name = "publish a small one after large ones",
     .covers = "shoal_pub_publish",
     .shape = TURNING,
     .world = nobody,
     .prepare = pub_of_twenty,
     .run = publish,
     .messages = 1},
    {.name = "publish a batch",
     .covers = "shoal_pub_publishv",
     .shape = MIXED,
     .world = two_subscribers,
     .prepare = pub_of_three,
     .run = publish_batch,
     .expect = BATCH,
     .messages = BATCH},
    {.name = "publish a batch to a sleeper",
     .covers = "shoal_pub_publishv",
     .shape = SMALL,
     .flags = OP_SLEEPER,
     .world = two_subscribers,
     .prepare = pub_of_three,
     .run = publish_batch,
     .expect = BATCH,
     .messages = BATCH},
    {.name = "publish a batch, room for two",
     .covers = "shoal_pub_publishv",
     .shape = SMALL,
     .world = nobody,
     .prepare = pub_of_twenty,
     .ready = batch_sub,
     .run = publish_batch,
     .expect = 2,
     .messages = 2},
    {.name = "publish a batch, nobody minds",
     .covers = "shoal_pub_publishv",
     .shape = MIXED,
     .world = nobody,
     .prepare = pub_of_twenty,
     .run = publish_batch,
     .expect = BATCH,
     .messages = BATCH},
    {.name = "publish, a dead subscriber in the way",
     .covers = "shoal_pub_publish",
     .shape = SMALL,
     .flags = OP_DIE_LATE,
     .world = dead_subscriber,
     .prepare = pub_of_full_lane,
     .run = publish,
     .messages = 1},
    {.name = "publish outside, a dead subscriber in the way",
     .covers = "shoal_pub_publish",
     .shape = LARGE,
     .flags = OP_DIE_LATE,
     .world = dead_subscriber,
     .prepare = pub_of_six,
     .run = publish,
     .messages = 1},
    {.name = "publish, sleeping at the gate in vain",
     .covers = "shoal_pub_publish",
     .shape = SMALL,
     .world = two_subscribers,
     .prepare = pub_of_full_lane,
     .run = publish_waiting,
     .expect = -ETIMEDOUT},
    {.name = "drain",
     .covers = "shoal_pub_drain",
     .shape = SMALL,
     .world = two_subscribers,
     .prepare = pub_of_three,
     .run = drain,
     .expect = -EAGAIN},
    {.name = "wait for subscribers, one is dead",
     .covers = "shoal_pub_wait_subscribers",
     .shape = SMALL,
     .flags = OP_DIE_LATE,
     .world = dead_subscriber,
     .prepare = pub_of_three,
     .run = await_subscribers,
     .expect = -EAGAIN},
    {.name = "drain, all was read",
     .covers = "shoal_pub_drain",
     .shape = SMALL,
     .world = two_subscribers,
     .prepare = pub_of_three,
     .ready = read_three,
     .run = drain},
    {.name = "wait for subscribers, both are there",
     .covers = "shoal_pub_wait_subscribers",
     .shape = SMALL,
     .world = two_subscribers,
     .prepare = pub_of_three,
     .run = await_subscribers},
    {.name = "publish, held while nobody has subscribed",
     .covers = "shoal_pub_publish",
     .shape = SMALL,
     .prepare = holding_pub,
     .run = publish,
     .expect = -EAGAIN},
    {.name = "publish, held until somebody has subscribed",
     .covers = "shoal_pub_publish",
     .shape = SMALL,
     .prepare = holding_pub,
     .ready = first_subscriber,
     .run = publish,
     .messages = 1},
    {.name = "publish a batch, held while nobody has subscribed",
     .covers = "shoal_pub_publishv",
     .shape = SMALL,
     .prepare = holding_pub,
     .run = publish_batch,
     .expect = -EAGAIN},
    {.name = "interrupt a publisher",
     .covers = "shoal_pub_interrupt shoal_pub_drain",
     .shape = SMALL,
     .world = two_subscribers,
     .prepare = pub_of_three,
     .run = interrupt,
     .expect = -EINTR},
};
const struct group publish_group = {"publish", publish_ops,
				    sizeof(publish_ops) / sizeof(publish_ops[0])};
