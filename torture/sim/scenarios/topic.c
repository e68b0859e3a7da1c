/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole lives, through the public functions: topics are made, joined, left, removed and made again
 * while messages travel. Promised (shoal/topic.h): in order, without gaps, each once; from the
 * first message on; whoever dies, wherever.
 */
#include "pubsub.h"

#include <errno.h>

enum { FEW = 3 };

static void begin(void)
{
	pubsub_begin(2, 3, 4);
}

static void begin_one_lane(void)
{
	pubsub_begin(1, 3, 2);
}

static void begin_large(void)
{
	begin();
	pubsub.large = true;
}

/* Both are there, and the subscriber is in the middle of a turn: on its quick paths. */
static void begin_in_turn(void)
{
	pubsub_begin(1, 2, 4);
	sim_as(1);
	SIM_CHECK(pubsub_open_sub(SHOAL_CREATE) == 1, "opening a subscriber");
	sim_as(0);
	SIM_CHECK(pubsub_open_pub(0) == 0, "opening a publisher");
	SIM_CHECK(pubsub_publish(0) == 0, "publishing");
	sim_as(1);
	SIM_CHECK(pubsub_receive(0) == 0, "receiving");
	sim_as(0);
}

/* ---- actors ------------------------------------------------------------------------------ */

static bool is_busy_elsewhere(int r)
{
	return r == -EAGAIN || r == -ETIMEDOUT;
}

static void publish_life(void)
{
	int r = pubsub_open_pub(SHOAL_CREATE);
	SIM_CHECK(r >= 0, "opening a publisher: %d", r);
	for (int i = 0; i < FEW; i++) {
		r = pubsub_publish(0);
		SIM_CHECK(r == 0 || is_busy_elsewhere(r), "publishing: %d", r);
		if (r < 0)
			sim_yield();
	}
	pubsub_close();
}

static void publish_two(void)
{
	SIM_CHECK(pubsub_publish(0) == 0, "publishing");
	SIM_CHECK(pubsub_publish_batch(1, 0) == 1, "publishing");
	pubsub_close();
}

static void read_some(int (*read)(int64_t timeout_ns))
{
	for (int tries = 0; tries < FEW; tries++)
		if (read(0) != 0)
			sim_yield();
	pubsub_close();
}

static void read_by_borrowing(void)
{
	read_some(pubsub_borrow);
}

static void read_in_batches(void)
{
	read_some(pubsub_receive_batch);
}

/* In the one lane there is, behind another one who lives or died. */
static void publish_next(void)
{
	int r = pubsub_open_pub(SHOAL_CREATE);
	if (r == -EUSERS) /* the other one has it, and lives */
		return;
	SIM_CHECK(r >= 0, "opening a publisher: %d", r);
	for (int i = 0; i < FEW; i++) {
		r = pubsub_publish(0);
		SIM_CHECK(r == 0 || is_busy_elsewhere(r), "publishing: %d", r);
		if (r < 0)
			sim_yield();
	}
	pubsub_close();
}

static void subscribe_life(unsigned flags)
{
	int r = pubsub_open_sub(SHOAL_CREATE | flags);
	SIM_CHECK(r >= 0, "opening a subscriber: %d", r);
	for (int i = 0, tries = 0; i < FEW && tries < FEW; i++) {
		r = flags & SHOAL_LOSSY ? pubsub_receive(0) : pubsub_borrow(0);
		SIM_CHECK(r == 0 || r == -EAGAIN || r == -EPIPE, "receiving: %d", r);
		if (r == -EPIPE)
			break;
		if (r < 0) {
			tries++;
			sim_yield();
		}
	}
	pubsub_close();
}

static void subscribe_oldest(void)
{
	subscribe_life(SHOAL_FROM_OLDEST);
}

static void subscribe_now(void)
{
	subscribe_life(0);
}

static void subscribe_lossy(void)
{
	subscribe_life(SHOAL_LOSSY | SHOAL_FROM_OLDEST);
}

/* Waits for the end, and stays. */
static void subscribe_to_the_end(void)
{
	int r = pubsub_open_sub(SHOAL_CREATE | SHOAL_FROM_OLDEST);
	SIM_CHECK(r >= 0, "opening a subscriber: %d", r);
	do
		r = pubsub_receive(SHOAL_FOREVER);
	while (r == 0);
	SIM_CHECK(r == -EPIPE, "receiving: %d", r);
}

static void remove_it(void)
{
	int r = shoal_remove(PUBSUB_NAME, 0);
	SIM_CHECK(r == 0 || r == -EBUSY || r == -ENOENT, "removing: %d", r);
}

static void look_at_it(void)
{
	struct shoal_topic_stat *stat;
	struct shoal_object *objects;
	size_t count;
	int r = shoal_topic_stat(PUBSUB_NAME, 0, &stat);
	SIM_CHECK(r == 0 || r == -ENOENT, "stat: %d", r);
	shoal_topic_stat_free(stat);
	sim_yield();
	r = shoal_list(NULL, &objects, &count);
	SIM_CHECK(r == 0 && count <= 1, "list: %d", r);
	shoal_list_free(objects);
}

static bool may_sleep(uint32_t actor)
{
	return pubsub.subs[actor] && pubsub_has_all(actor);
}

#define BOUNDS                                                                                     \
	.check = pubsub_check, .may_sleep = may_sleep, .steps_max = 7000,                          \
	.small = {.preemptions = 1, .deaths = 1},                                                  \
	.large = {.preemptions = 6, .deaths = 1, .timeouts = 2, .delays = 3}

#define EARLY_BOUNDS                                                                               \
	.check = pubsub_check, .may_sleep = may_sleep, .steps_max = 7000,                          \
	.small = {.preemptions = 1, .earlies = 1},                                                 \
	.large = {.preemptions = 6, .deaths = 1, .timeouts = 2, .delays = 3}

static const struct scenario scenarios[] = {
    {.name = "topic: publisher and subscriber",
     .actors = 2,
     .set_up = begin,
     .actor = {publish_life, subscribe_oldest},
     BOUNDS},
    {.name = "topic: two publishers and a subscriber",
     .actors = 3,
     .set_up = begin,
     .actor = {publish_life, publish_life, subscribe_now},
     BOUNDS},
    {.name = "topic: publisher, a lossless and a lossy one",
     .actors = 3,
     .set_up = begin_one_lane,
     .actor = {publish_life, subscribe_oldest, subscribe_lossy},
     BOUNDS},
    {.name = "topic: outside the slot",
     .actors = 3,
     .set_up = begin_large,
     .actor = {publish_life, subscribe_oldest, subscribe_now},
     BOUNDS},
    {.name = "topic: one lane, two publishers",
     .actors = 3,
     .set_up = begin_one_lane,
     .actor = {publish_next, publish_next, subscribe_oldest},
     BOUNDS},
    {.name = "topic: to the end",
     .actors = 2,
     .set_up = begin,
     .actor = {publish_life, subscribe_to_the_end},
     BOUNDS},
    {.name = "topic: removed meanwhile",
     .actors = 3,
     .set_up = begin,
     .actor = {publish_life, subscribe_oldest, remove_it},
     BOUNDS},
    {.name = "topic: in the middle of a turn",
     .actors = 2,
     .set_up = begin_in_turn,
     .actor = {publish_two, read_by_borrowing},
     EARLY_BOUNDS},
    {.name = "topic: in the middle of a turn, batches",
     .actors = 2,
     .set_up = begin_in_turn,
     .actor = {publish_two, read_in_batches},
     EARLY_BOUNDS},
    {.name = "topic: looked at meanwhile",
     .actors = 3,
     .set_up = begin,
     .actor = {publish_life, subscribe_now, look_at_it},
     BOUNDS},
};
const struct group topic_group = {"topic", scenarios, sizeof(scenarios) / sizeof(scenarios[0])};
