/* SPDX-License-Identifier: Apache-2.0 */
/* Publishing, claiming, committing. */
#include "crash.h"

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

static void fresh_pub(struct stage *stage)
{
	stage->pub = open_pub(stage, 0);
	share_pub(stage);
}

static void pub_of_three(struct stage *stage)
{
	fresh_pub(stage);
	publish_some(stage, stage->pub, 3);
}

static void pub_of_twenty(struct stage *stage)
{
	fresh_pub(stage);
	publish_some(stage, stage->pub, 20);
}

static void pub_of_full_lane(struct stage *stage)
{
	fresh_pub(stage);
	publish_some(stage, stage->pub, SLOTS);
}

/* Joins when the lane has gone round a few times, and makes room. */
static void late_subscriber(struct stage *stage)
{
	stage->other_sub = open_sub(stage, SHOAL_FROM_OLDEST);
	receive_some(stage->other_sub, 3);
}

static void read_five(struct stage *stage)
{
	receive_some(stage->other_sub, 5);
}

/* ---- operations -------------------------------------------------------------------------- */

static int64_t publish(struct stage *stage)
{
	uint64_t buffer[128];
	size_t n = message_fill(buffer, stage->op->shape, shoal_pub_lane(stage->pub),
				shoal_pub_sequence(stage->pub));
	return shoal_pub_publish(stage->pub, buffer, n, 0);
}

static int64_t claim_and_commit(struct stage *stage)
{
	uint64_t at = shoal_pub_sequence(stage->pub);
	int r = shoal_pub_claim(stage->pub, 900, 0, &stage->loan);
	if (r < 0)
		return r;
	/* Claims more than is sent. */
	stage->loan.bytes =
	    message_fill(stage->loan.data, stage->op->shape, shoal_pub_lane(stage->pub), at);
	return shoal_pub_commit(stage->pub, &stage->loan);
}

static int64_t claim_and_commit_small(struct stage *stage)
{
	uint64_t at = shoal_pub_sequence(stage->pub);
	int r = shoal_pub_claim(stage->pub, INLINE, 0, &stage->loan);
	if (r < 0)
		return r;
	stage->loan.bytes =
	    message_fill(stage->loan.data, stage->op->shape, shoal_pub_lane(stage->pub), at);
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
     .shape = SMALL,
     .flags = OP_REAL,
     .world = two_subscribers,
     .prepare = fresh_pub,
     .run = publish,
     .messages = 1},
    {.name = "publish a small message",
     .shape = SMALL,
     .flags = OP_REAL,
     .world = two_subscribers,
     .prepare = pub_of_three,
     .run = publish,
     .messages = 1},
    {.name = "publish with nobody to read",
     .shape = SMALL,
     .world = nobody,
     .prepare = pub_of_twenty,
     .run = publish,
     .messages = 1},
    {.name = "publish into a full lane after reads",
     .shape = SMALL,
     .flags = OP_REAL,
     .world = two_subscribers,
     .prepare = pub_of_full_lane,
     .ready = read_five,
     .run = publish,
     .messages = 1},
    {.name = "publish into a full lane, refused",
     .shape = SMALL,
     .world = two_subscribers,
     .prepare = pub_of_full_lane,
     .run = publish,
     .expect = -EAGAIN},
    {.name = "publish around the ring",
     .shape = SMALL,
     .world = nobody,
     .prepare = pub_of_twenty,
     .ready = late_subscriber,
     .run = publish,
     .messages = 1},
    {.name = "publish outside the slot",
     .shape = LARGE,
     .flags = OP_REAL,
     .world = two_subscribers,
     .prepare = pub_of_three,
     .run = publish,
     .messages = 1},
    {.name = "publish around the payload area",
     .shape = LARGE,
     .flags = OP_REAL,
     .world = nobody,
     .prepare = pub_of_twenty,
     .ready = late_subscriber,
     .run = publish,
     .messages = 1},
    {.name = "publish over unread payload, nobody minds",
     .shape = LARGE,
     .world = nobody,
     .prepare = pub_of_twenty,
     .run = publish,
     .messages = 1},
    {.name = "publish to a sleeper",
     .shape = SMALL,
     .flags = OP_SLEEPER,
     .world = two_subscribers,
     .prepare = pub_of_three,
     .run = publish,
     .messages = 1},
    {.name = "publish outside the slot to a sleeper",
     .shape = LARGE,
     .flags = OP_SLEEPER,
     .world = two_subscribers,
     .prepare = pub_of_three,
     .run = publish,
     .messages = 1},
    {.name = "claim and commit in the slot",
     .shape = SMALL,
     .flags = OP_REAL,
     .world = two_subscribers,
     .prepare = pub_of_three,
     .run = claim_and_commit_small,
     .messages = 1},
    {.name = "claim and commit outside",
     .shape = LARGE,
     .flags = OP_REAL,
     .world = two_subscribers,
     .prepare = pub_of_three,
     .run = claim_and_commit,
     .messages = 1},
    {.name = "claim and commit around the payload area",
     .shape = LARGE,
     .world = nobody,
     .prepare = pub_of_twenty,
     .ready = late_subscriber,
     .run = claim_and_commit,
     .messages = 1},
    {.name = "claim and abort in the slot",
     .shape = SMALL,
     .world = two_subscribers,
     .prepare = pub_of_three,
     .run = claim_and_abort},
    {.name = "claim and abort outside",
     .shape = LARGE,
     .world = nobody,
     .prepare = pub_of_twenty,
     .ready = late_subscriber,
     .run = claim_and_abort},
    {.name = "claim and abort over unread payload",
     .shape = MIXED,
     .world = nobody,
     .prepare = pub_of_twenty,
     .run = claim_and_abort},
};
const struct group publish_group = {"publish", publish_ops,
				    sizeof(publish_ops) / sizeof(publish_ops[0])};
