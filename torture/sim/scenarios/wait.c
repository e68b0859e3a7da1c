/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sleeping and waking. Promised (wait/wait.h): when nobody can go on, nobody sleeps who has
 * something to see. Deaths included: of who sleeps, of who was about to wake.
 */
#include "pubsub.h"
#include "rig.h"

#include "topic/handle.h"

#include <errno.h>

enum { FEW = 3 };

/* ---- a word to sleep on, and a flag ------------------------------------------------------- */

static _Atomic uint64_t *flag(void)
{
	return &rig_me()->map.controls[0].gate_at; /* nobody's, as long as the lane has no owner */
}

static int flag_is_up(void *context)
{
	const uint64_t *wanted = context;
	return atomic_load_explicit(flag(), memory_order_acquire) >= *wanted;
}

static void sleep_for_flag(void)
{
	for (uint64_t wanted = 1; wanted <= 2; wanted++) {
		struct wait wait = {.word = &rig_me()->map.body->wake,
				    .look = flag_is_up,
				    .context = &wanted,
				    .timeout_ns = SHOAL_FOREVER};
		int r = wait_until(&wait);
		SIM_CHECK(r == 0, "wait_until: %d", r);
	}
}

/* Woken in vain once, it is at its second sleep: the one without a limit. */
static void sleep_for_second_flag(void)
{
	uint64_t wanted = 2;
	struct wait wait = {.word = &rig_me()->map.body->wake,
			    .look = flag_is_up,
			    .context = &wanted,
			    .timeout_ns = SHOAL_FOREVER};
	int r = wait_until(&wait);
	SIM_CHECK(r == 0, "wait_until: %d", r);
}

static void raise_flag(void)
{
	for (uint64_t i = 1; i <= 2; i++) {
		atomic_store_explicit(flag(), i, memory_order_release);
		wait_notify(&rig_me()->map.body->wake, rig_me()->object.fences_itself);
	}
}

/* A waker that is killed between publishing and waking is what `unsettled` is for: not here. */
static bool nobody_left_to_wake(uint32_t actor)
{
	(void)actor;
	return sim_is_dead(0);
}

static void nothing_more(void)
{
}

static void set_up_flag(void)
{
	rig_make(&(struct rig_spec){.lanes = 1, .subscribers = 1, .slots = 2});
}

static void set_up_flag_alone(void)
{
	sim_fences_itself(0);
	set_up_flag();
}

/* ---- handles ------------------------------------------------------------------------------ */

static void open_handles(uint32_t pubs, uint32_t subs)
{
	for (uint32_t i = 0; i < pubs + subs; i++) {
		sim_as(i);
		int r = i < pubs ? pubsub_open_pub(SHOAL_CREATE) : pubsub_open_sub(0);
		SIM_CHECK(r >= 0, "opening: %d", r);
	}
	sim_as(0);
}

static void set_up_handles(uint32_t slots, uint32_t pubs, uint32_t subs)
{
	pubsub_begin(pubs, 3, slots);
	open_handles(pubs, subs);
}

static void one_and_one(void)
{
	set_up_handles(4, 1, 1);
}

static void one_that_fences(void)
{
	sim_fences_itself(0);
	one_and_one();
}

static void sleeper_without_membarrier(void)
{
	sim_fences_itself(1);
	one_and_one();
}

static void one_and_one_more_lane(void)
{
	pubsub_begin(2, 3, 4);
	open_handles(1, 1);
}

static void one_and_one_and_another(void)
{
	one_and_one_more_lane();
	sim_as(2);
	int r = pubsub_open_pub(0);
	SIM_CHECK(r >= 0, "opening: %d", r);
	sim_as(0);
}

static void one_that_fences_and_another(void)
{
	sim_fences_itself(0);
	one_and_one_and_another();
}

static void two_and_one(void)
{
	set_up_handles(4, 2, 1);
}

static void full_lane(void)
{
	set_up_handles(2, 1, 1);
}

static void full_lane_alone(void)
{
	sim_fences_itself(1);
	full_lane();
}

static void full_lane_two(void)
{
	set_up_handles(2, 1, 2);
}

static void full_area(void)
{
	set_up_handles(2, 1, 1);
	pubsub.large = true;
}

static void publish(int64_t count, int64_t timeout_ns)
{
	for (int64_t i = 0; i < count; i++) {
		int r = pubsub_publish(timeout_ns);
		SIM_CHECK(r == 0, "publishing: %d", r);
	}
}

static void publish_few(void)
{
	publish(FEW, 0);
}

static void publish_batch(void)
{
	int64_t r = pubsub_publish_batch(FEW, 0);
	SIM_CHECK(r == FEW, "publishing: %lld", (long long)r);
}

static void publish_and_close(void)
{
	publish(2, 0);
	pubsub_close();
}

static void publish_many(void)
{
	publish(5, SHOAL_FOREVER);
}

static void publish_and_drain(void)
{
	publish(2, 0);
	int r = shoal_pub_drain(pubsub.pubs[0], SHOAL_FOREVER);
	SIM_CHECK(r == 0, "draining: %d", r);
}

static void publish_until_removed(void)
{
	int r = 0;
	for (int i = 0; r == 0 && i < 40; i++) {
		r = pubsub_publish(0);
		sim_yield();
	}
	SIM_CHECK(r == 0 || r == -ESTALE || r == -EAGAIN, "publishing: %d", r);
}

static void receive(int64_t count)
{
	for (int64_t i = 0; i < count; i++) {
		int r = pubsub_receive(SHOAL_FOREVER);
		SIM_CHECK(r == 0, "receiving: %d", r);
	}
}

static void receive_few(void)
{
	receive(FEW);
}

/* Sleeps in slices, which has an end only when there is a limit. */
static void receive_few_in_time(void)
{
	for (int i = 0; i < FEW; i++) {
		int r = pubsub_receive(20 * WAIT_SLICE_NS);
		if (r == -ETIMEDOUT && sim_is_dead(0))
			return;
		SIM_CHECK(r == 0, "receiving: %d", r);
	}
}

static void receive_from_two(void)
{
	receive(2 * (int64_t)FEW);
}

static void borrow_many(void)
{
	for (int i = 0; i < 5; i++) {
		int r = pubsub_borrow(SHOAL_FOREVER);
		SIM_CHECK(r == 0, "borrowing: %d", r);
	}
}

/* Without membarrier a sleep is a slice, and for ever is one after the other. */
static void borrow_many_in_time(void)
{
	for (int i = 0; i < 5; i++) {
		int r = pubsub_borrow(20 * WAIT_SLICE_NS);
		if (r == -ETIMEDOUT && sim_is_dead(0))
			return;
		SIM_CHECK(r == 0, "borrowing: %d", r);
	}
}

static void receive_to_the_end(void)
{
	int r = 0;
	while (r == 0)
		r = pubsub_receive(SHOAL_FOREVER);
	SIM_CHECK(r == -EPIPE || r == -ESTALE, "receiving: %d", r);
	if (r == -EPIPE)
		SIM_CHECK(pubsub.received[sim_actor()] == 2, "the end comes after %llu messages",
			  (unsigned long long)pubsub.received[sim_actor()]);
	pubsub_close();
}

static void close_at_once(void)
{
	pubsub_close();
}

/* Nothing was sent: the end is all there is to wait for. */
static void await_the_end(void)
{
	int r = pubsub_receive(SHOAL_FOREVER);
	SIM_CHECK(r == -EPIPE || r == -ESTALE, "receiving: %d", r);
}

/* Wakes subscribers, and has no message for them. */
static void come_and_go(void)
{
	int r = pubsub_open_pub(0);
	SIM_CHECK(r == 0 || r == -ENOENT, "opening a publisher: %d", r);
	if (r == 0)
		pubsub_close();
}

/* The others' leaving is the end, when the publisher did not live to leave. */
static void receive_one(void)
{
	int r = pubsub_receive(SHOAL_FOREVER);
	SIM_CHECK(r == 0 || (r == -EPIPE && sim_is_dead(0)), "receiving: %d", r);
}

static void publish_one(void)
{
	publish(1, 0);
}

/* As whoever repaired a seat does, whether or not there was anything to see. */
static void wake_in_vain(void)
{
	topic_wake_subscribers(&((struct handle *)pubsub.pubs[2])->map);
}

static void receive_until_removed(void)
{
	int r = 0;
	while (r == 0)
		r = pubsub_receive(SHOAL_FOREVER);
	SIM_CHECK(r == -ESTALE, "receiving: %d", r);
}

static void remove_by_force(void)
{
	int r = shoal_remove(PUBSUB_NAME, SHOAL_FORCE);
	SIM_CHECK(r == 0, "removing: %d", r);
}

static void await_subscriber(void)
{
	int r = shoal_pub_wait_subscribers(pubsub.pubs[0], 1, SHOAL_FOREVER);
	SIM_CHECK(r == 0, "waiting: %d", r);
}

static void subscribe(void)
{
	int r = pubsub_open_sub(0);
	SIM_CHECK(r == 0 || (r == -ENOENT && sim_is_dead(0)), "subscribing: %d", r);
}

static void publisher_alone(void)
{
	set_up_handles(4, 1, 0);
}

/* ---- who may sleep ------------------------------------------------------------------------ */

/* A subscriber that has all, when nobody is there to send more. A publisher: never. */
static bool may_sleep(uint32_t actor)
{
	return pubsub.subs[actor] && pubsub_has_all(actor);
}

static bool while_it_is_there(uint32_t actor)
{
	(void)actor;
	return sim_is_dead(2); /* who was to remove it */
}

static bool without_subscriber(uint32_t actor)
{
	return actor == 0 && sim_is_dead(1);
}

#define BOUNDS                                                                                     \
	.small = {.preemptions = 1, .deaths = 1, .timeouts = 1, .delays = 1},                      \
	.large = {.preemptions = 4, .deaths = 1, .timeouts = 2, .delays = 3}

static const struct scenario scenarios[] = {
    {.name = "wait: a flag",
     .actors = 2,
     .set_up = set_up_flag,
     .actor = {raise_flag, sleep_for_flag},
     .may_sleep = nobody_left_to_wake,
     .check = nothing_more,
     .small = {.preemptions = 2, .deaths = 1, .timeouts = 1, .delays = 1},
     .large = {.preemptions = 4, .deaths = 1, .timeouts = 2, .delays = 3}},
    {.name = "wait: a flag, the waker fences for itself",
     .actors = 2,
     .set_up = set_up_flag_alone,
     .actor = {raise_flag, sleep_for_second_flag},
     .may_sleep = nobody_left_to_wake,
     .check = nothing_more,
     .small = {.preemptions = 2, .deaths = 1, .timeouts = 1, .delays = 1},
     .large = {.preemptions = 4, .deaths = 1, .timeouts = 2, .delays = 3}},
    {.name = "wait: a flag, woken in vain",
     .actors = 2,
     .set_up = set_up_flag,
     .actor = {raise_flag, sleep_for_second_flag},
     .may_sleep = nobody_left_to_wake,
     .check = nothing_more,
     .small = {.preemptions = 2, .deaths = 1, .timeouts = 1, .delays = 1},
     .large = {.preemptions = 4, .deaths = 1, .timeouts = 2, .delays = 3}},
    {.name = "wait: a flag, two sleepers",
     .actors = 3,
     .set_up = set_up_flag,
     .actor = {raise_flag, sleep_for_flag, sleep_for_flag},
     .may_sleep = nobody_left_to_wake,
     .check = nothing_more,
     BOUNDS},
    {.name = "wait: for messages",
     .actors = 2,
     .set_up = one_and_one,
     .actor = {publish_few, receive_few},
     .may_sleep = may_sleep,
     .check = pubsub_check_readers,
     BOUNDS},
    {.name = "wait: for messages, the publisher fences for itself",
     .actors = 2,
     .set_up = one_that_fences,
     .actor = {publish_few, receive_few},
     .may_sleep = may_sleep,
     .check = pubsub_check_readers,
     BOUNDS},
    {.name = "wait: for messages, without membarrier",
     .actors = 2,
     .set_up = sleeper_without_membarrier,
     .actor = {publish_few, receive_few_in_time},
     .may_sleep = may_sleep,
     .check = pubsub_check_readers,
     BOUNDS},
    {.name = "wait: for a batch",
     .actors = 2,
     .set_up = one_and_one,
     .actor = {publish_batch, receive_few},
     .may_sleep = may_sleep,
     .check = pubsub_check_readers,
     BOUNDS},
    {.name = "wait: for two publishers",
     .actors = 3,
     .set_up = two_and_one,
     .actor = {publish_few, publish_few, receive_from_two},
     .may_sleep = may_sleep,
     .check = pubsub_check_readers,
     BOUNDS},
    {.name = "wait: for the end",
     .actors = 2,
     .set_up = one_and_one,
     .actor = {publish_and_close, receive_to_the_end},
     .may_sleep = may_sleep,
     .check = pubsub_check_readers,
     BOUNDS},
    {.name = "wait: for the end, and nothing else",
     .actors = 2,
     .set_up = one_and_one,
     .actor = {close_at_once, await_the_end},
     .may_sleep = may_sleep,
     .check = pubsub_check_readers,
     .small = {.preemptions = 2, .deaths = 1, .timeouts = 1},
     .large = {.preemptions = 4, .deaths = 1, .timeouts = 2, .delays = 3}},
    {.name = "wait: for a message, others come and go",
     .actors = 3,
     .set_up = one_and_one_more_lane,
     .actor = {publish_one, receive_one, come_and_go},
     .may_sleep = may_sleep,
     .check = pubsub_check_readers,
     BOUNDS},
    {.name = "wait: for a message, woken in vain",
     .actors = 3,
     .set_up = one_and_one_and_another,
     .actor = {publish_one, receive_one, wake_in_vain},
     .may_sleep = may_sleep,
     .check = pubsub_check_readers,
     .small = {.preemptions = 1, .deaths = 1, .timeouts = 1, .delays = 1},
     .large = {.preemptions = 4, .deaths = 1, .timeouts = 2, .delays = 3}},
    {.name = "wait: for a batch, woken in vain",
     .actors = 3,
     .set_up = one_and_one_and_another,
     .actor = {publish_batch, receive_one, wake_in_vain},
     .may_sleep = may_sleep,
     .check = pubsub_check_readers,
     .small = {.preemptions = 1, .deaths = 1, .timeouts = 1, .delays = 1},
     .large = {.preemptions = 4, .deaths = 1, .timeouts = 2, .delays = 3}},
    {.name = "wait: for one that fences, woken in vain",
     .actors = 3,
     .set_up = one_that_fences_and_another,
     .actor = {publish_one, receive_one, wake_in_vain},
     .may_sleep = may_sleep,
     .check = pubsub_check_readers,
     .small = {.preemptions = 1, .deaths = 1, .timeouts = 1, .delays = 1},
     .large = {.preemptions = 4, .deaths = 1, .timeouts = 2, .delays = 3}},
    {.name = "wait: for room",
     .actors = 2,
     .set_up = full_lane,
     .actor = {publish_many, borrow_many},
     .may_sleep = may_sleep,
     .check = pubsub_check_readers,
     BOUNDS},
    {.name = "wait: for room, the subscriber fences for itself",
     .actors = 2,
     .set_up = full_lane_alone,
     .actor = {publish_many, borrow_many_in_time},
     .may_sleep = may_sleep,
     .check = pubsub_check_readers,
     BOUNDS},
    {.name = "wait: for room, two subscribers",
     .actors = 3,
     .set_up = full_lane_two,
     .actor = {publish_many, borrow_many, borrow_many},
     .may_sleep = may_sleep,
     .check = pubsub_check_readers,
     BOUNDS},
    {.name = "wait: for room outside the slot",
     .actors = 2,
     .set_up = full_area,
     .actor = {publish_many, borrow_many},
     .may_sleep = may_sleep,
     .check = pubsub_check_readers,
     BOUNDS},
    {.name = "wait: for all to be read",
     .actors = 2,
     .set_up = one_and_one,
     .actor = {publish_and_drain, receive_few},
     .may_sleep = may_sleep,
     .check = pubsub_check_readers,
     BOUNDS},
    {.name = "wait: for a subscriber",
     .actors = 2,
     .set_up = publisher_alone,
     .actor = {await_subscriber, subscribe},
     .may_sleep = without_subscriber,
     .check = pubsub_check_readers,
     BOUNDS},
    {.name = "wait: removed by force",
     .actors = 3,
     .set_up = one_and_one,
     .actor = {publish_until_removed, receive_until_removed, remove_by_force},
     .may_sleep = while_it_is_there,
     .check = nothing_more,
     BOUNDS},
};
const struct group wait_group = {"wait", scenarios, sizeof(scenarios) / sizeof(scenarios[0])};
