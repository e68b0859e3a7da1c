/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One lane: a publisher and those who read it. Promised (lane/lane.h): a lossless reader gets each
 * message once, whole, in order, and what it looks at stays until it passes it; a lossy one gets
 * whole ones or is told exactly how many it lost; what was committed survives its publisher.
 */
#include "rig.h"

enum { MESSAGES = 6, TRIES = 3 };

static void publish_some(void)
{
	for (int i = 0; i < MESSAGES; i++) {
		int tries = 0;
		while (!rig_publish()) {
			if (++tries > TRIES)
				return;
			sim_yield();
		}
	}
}

static void publish_batches(void)
{
	for (int i = 0; i < 3; i++) {
		int tries = 0;
		while (rig_publish_batch(3) == 0) {
			if (++tries > TRIES)
				return;
			sim_yield();
		}
	}
}

/* Goes on where a dead publisher was. */
static void take_over(void)
{
	while (!sim_is_dead(0) && sim_is_busy(0))
		sim_yield();
	if (!sim_is_dead(0))
		return;
	object_repair_all(&rig_me()->object);
	rig_take_lane();
	publish_some();
}

static void read_some(void)
{
	for (int i = 0, tries = 0; i < MESSAGES && tries < TRIES; i++)
		while (!rig_read() && ++tries < TRIES)
			sim_yield();
}

static void copy_some(void)
{
	for (int i = 0, tries = 0; i < MESSAGES && tries < TRIES; i++)
		while (!rig_copy() && ++tries < TRIES)
			sim_yield();
}

static void set_up(const struct rig_spec *spec, bool lossy)
{
	rig_make(spec);
	rig_take_lane();
	sim_as(1);
	rig_subscribe(lossy, false);
	sim_as(0);
}

static void set_up_small(void)
{
	set_up(&(struct rig_spec){.lanes = 1, .subscribers = 2, .slots = 4}, false);
}

/* Two of them fill the payload area. */
static void set_up_outside(void)
{
	set_up(
	    &(struct rig_spec){
		.lanes = 1, .subscribers = 2, .slots = 4, .area = 256, .outside = 80},
	    false);
}

static void set_up_lossy_outside(void)
{
	set_up(
	    &(struct rig_spec){
		.lanes = 1, .subscribers = 2, .slots = 8, .area = 256, .outside = 80},
	    true);
}

static void set_up_three(void)
{
	set_up_small();
	sim_as(2);
	rig_subscribe(false, true);
	sim_as(0);
}

static void set_up_lossy(void)
{
	set_up(&(struct rig_spec){.lanes = 1, .subscribers = 2, .slots = 2}, true);
}

/* Everybody gets to the end; then somebody new goes on in the lane, if it is free. */
static void check_lossless(void)
{
	rig_settle();
	rig_read_to_end(1);
	rig_read_to_end(2);
	if (sim_is_dead(0))
		rig_go_round();
}

static void check_lossy(void)
{
	rig_settle();
	if (!sim_is_dead(1)) {
		sim_as(1);
		uint64_t end = rig_end(0);
		while (rig_copy())
			;
		SIM_CHECK(rig_me()->next == end, "it came to %llu, and the lane ends at %llu",
			  (unsigned long long)rig_me()->next, (unsigned long long)end);
		sim_as(SURVIVOR);
	}
	if (sim_is_dead(0))
		rig_go_round();
}

static void check_takeover(void)
{
	rig_settle();
	rig_read_to_end(2);
	if (sim_is_dead(0) && sim_is_dead(1))
		rig_go_round();
}

static void set_up_takeover(void)
{
	rig_make(&(struct rig_spec){.lanes = 1, .subscribers = 2, .slots = 4});
	rig_take_lane();
	sim_as(2);
	rig_subscribe(false, false);
	sim_as(0);
}

static void set_up_takeover_outside(void)
{
	rig_make(&(struct rig_spec){
	    .lanes = 1, .subscribers = 2, .slots = 4, .area = 256, .outside = 80});
	rig_take_lane();
	sim_as(2);
	rig_subscribe(false, false);
	sim_as(0);
}

static const struct scenario scenarios[] = {
    {.name = "lane: small messages",
     .actors = 2,
     .set_up = set_up_small,
     .actor = {publish_some, read_some},
     .check = check_lossless,
     .small = {.preemptions = 1, .deaths = 1, .delays = 1},
     .large = {.preemptions = 4, .deaths = 1, .delays = 3}},
    {.name = "lane: batches",
     .actors = 2,
     .set_up = set_up_small,
     .actor = {publish_batches, read_some},
     .check = check_lossless,
     .small = {.preemptions = 1, .deaths = 1, .delays = 1},
     .large = {.preemptions = 4, .deaths = 1, .delays = 3}},
    {.name = "lane: outside the slot",
     .actors = 2,
     .set_up = set_up_outside,
     .actor = {publish_some, read_some},
     .check = check_lossless,
     .small = {.preemptions = 1, .deaths = 1},
     .large = {.preemptions = 4, .deaths = 1, .delays = 3}},
    {.name = "lane: two readers",
     .actors = 3,
     .set_up = set_up_three,
     .actor = {publish_some, read_some, read_some},
     .check = check_lossless,
     .small = {.preemptions = 1, .deaths = 1},
     .large = {.preemptions = 6, .deaths = 1, .delays = 3}},
    {.name = "lane: lossy reader, batches",
     .actors = 2,
     .set_up = set_up_lossy,
     .actor = {publish_batches, copy_some},
     .check = check_lossy,
     .small = {.preemptions = 2, .deaths = 0},
     .large = {.preemptions = 4, .deaths = 1, .delays = 3}},
    {.name = "lane: lossy reader, outside the slot",
     .actors = 2,
     .set_up = set_up_lossy_outside,
     .actor = {publish_some, copy_some},
     .check = check_lossy,
     .small = {.preemptions = 1, .deaths = 1},
     .large = {.preemptions = 4, .deaths = 1, .delays = 3}},
    {.name = "lane: lossy reader",
     .actors = 2,
     .set_up = set_up_lossy,
     .actor = {publish_some, copy_some},
     .check = check_lossy,
     .small = {.preemptions = 2, .deaths = 0, .delays = 1},
     .large = {.preemptions = 4, .deaths = 1, .delays = 3}},
    {.name = "takeover: small messages",
     .actors = 3,
     .set_up = set_up_takeover,
     .actor = {publish_some, take_over, read_some},
     .check = check_takeover,
     .small = {.preemptions = 1, .deaths = 1},
     .large = {.preemptions = 5, .deaths = 2, .delays = 3}},
    {.name = "takeover: batches",
     .actors = 3,
     .set_up = set_up_takeover,
     .actor = {publish_batches, take_over, read_some},
     .check = check_takeover,
     .small = {.preemptions = 1, .deaths = 1},
     .large = {.preemptions = 5, .deaths = 2, .delays = 3}},
    {.name = "takeover: outside the slot",
     .actors = 3,
     .set_up = set_up_takeover_outside,
     .actor = {publish_some, take_over, read_some},
     .check = check_takeover,
     .small = {.preemptions = 1, .deaths = 1},
     .large = {.preemptions = 5, .deaths = 2, .delays = 3}},
};
const struct group lane_group = {"lane", scenarios, sizeof(scenarios) / sizeof(scenarios[0])};
