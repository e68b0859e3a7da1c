/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Newcomers and the gate. Promised (lane/lane.h): from its first message on a newcomer misses
 * nothing, and nothing that it may read is overwritten; who starts now starts no later than the
 * first message committed after it was there; who dies while it joins holds up nobody.
 */
#include "rig.h"

enum { MESSAGES = 7, TRIES = 3 };

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

static void read_some(void)
{
	for (int i = 0, tries = 0; i < 3 && tries < TRIES; i++)
		while (!rig_read() && ++tries < TRIES)
			sim_yield();
}

static void join_now(void)
{
	rig_subscribe(false, false);
	read_some();
}

static void join_oldest(void)
{
	rig_subscribe(false, true);
	read_some();
}

/* Whatever was published was held for whoever comes first. */
static void join_first(void)
{
	join_oldest();
	SIM_CHECK(rig_me()->first == 0, "it was held for it, and it starts at %llu",
		  (unsigned long long)rig_me()->first);
}

static void join_lossy(void)
{
	rig_subscribe(true, true);
	rig_me()->reads = false; /* not in place */
	for (int i = 0, tries = 0; i < 3 && tries < TRIES; i++)
		while (!rig_copy() && ++tries < TRIES)
			sim_yield();
}

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

static void set_up(const struct rig_spec *spec, int before)
{
	rig_make(spec);
	rig_take_lane();
	for (int i = 0; i < before; i++)
		rig_publish();
}

static void set_up_small(void)
{
	set_up(&(struct rig_spec){.lanes = 1, .subscribers = 2, .slots = 4}, 3);
}

/* As small as it gets: a publisher goes round it while a newcomer chooses. */
static void set_up_tiny(void)
{
	set_up(&(struct rig_spec){.lanes = 1, .subscribers = 1, .slots = 2}, 1);
}

static void set_up_held(void)
{
	set_up(&(struct rig_spec){.lanes = 1, .subscribers = 2, .slots = 4, .hold = true}, 4);
}

static void set_up_outside(void)
{
	set_up(
	    &(struct rig_spec){
		.lanes = 1, .subscribers = 2, .slots = 4, .area = 256, .outside = 80},
	    2);
}

static void check(void)
{
	rig_settle();
	rig_read_to_end(1);
	rig_read_to_end(2);
	/* Somebody new goes on, past all who live. */
	if (!sim_is_dead(0)) {
		sim_as(0);
		for (uint32_t i = 0; i <= rig.spec.slots; i++) {
			SIM_CHECK(rig_publish(), "message %llu has no room",
				  (unsigned long long)rig_me()->writer.position);
			rig_read_to_end(1);
			rig_read_to_end(2);
		}
		sim_as(SURVIVOR);
	} else {
		rig_go_round();
	}
}

/* Where nobody ever came, the publisher waits still. */
static void check_held(void)
{
	rig.spec.hold = false;
	if (!sim_is_dead(1))
		check();
	else
		rig_settle();
}

static void check_takeover(void)
{
	rig_settle();
	rig_read_to_end(2);
	if (sim_is_dead(0) && sim_is_dead(1))
		rig_go_round();
}

#define SMALL                                                                                      \
	{                                                                                          \
		.preemptions = 2, .deaths = 1                                                      \
	}
#define LARGE                                                                                      \
	{                                                                                          \
		.preemptions = 5, .deaths = 1, .delays = 3                                         \
	}

static const struct scenario scenarios[] = {
    {.name = "join: now",
     .actors = 2,
     .set_up = set_up_small,
     .actor = {publish_some, join_now},
     .check = check,
     .small = {.preemptions = 1, .deaths = 1, .delays = 1},
     .large = LARGE},
    {.name = "join: from the oldest",
     .actors = 2,
     .set_up = set_up_small,
     .actor = {publish_some, join_oldest},
     .check = check,
     .small = {.preemptions = 1, .deaths = 1, .delays = 1},
     .large = LARGE},
    {.name = "join: from the oldest, two slots",
     .actors = 2,
     .set_up = set_up_tiny,
     .actor = {publish_some, join_oldest},
     .check = check,
     .small = SMALL,
     .large = LARGE},
    {.name = "join: now, two slots",
     .actors = 2,
     .set_up = set_up_tiny,
     .actor = {publish_some, join_now},
     .check = check,
     .small = SMALL,
     .large = LARGE},
    {.name = "join: from the oldest, batches",
     .actors = 2,
     .set_up = set_up_small,
     .actor = {publish_batches, join_oldest},
     .check = check,
     .small = SMALL,
     .large = LARGE},
    {.name = "join: from the oldest, outside the slot",
     .actors = 2,
     .set_up = set_up_outside,
     .actor = {publish_some, join_oldest},
     .check = check,
     .small = SMALL,
     .large = LARGE},
    {.name = "join: the first, held for",
     .actors = 2,
     .set_up = set_up_held,
     .actor = {publish_some, join_first},
     .check = check_held,
     .small = {.preemptions = 1, .deaths = 1, .delays = 1},
     .large = LARGE},
    {.name = "join: two newcomers",
     .actors = 3,
     .set_up = set_up_small,
     .actor = {publish_some, join_now, join_oldest},
     .check = check,
     .small = {.preemptions = 1, .deaths = 1},
     .large = LARGE},
    {.name = "join: a lossless and a lossy one",
     .actors = 3,
     .set_up = set_up_small,
     .actor = {publish_some, join_oldest, join_lossy},
     .check = check,
     .small = {.preemptions = 1, .deaths = 1},
     .large = LARGE},
    {.name = "join: from the oldest, at a takeover",
     .actors = 3,
     .set_up = set_up_small,
     .actor = {publish_some, take_over, join_oldest},
     .check = check_takeover,
     .small = {.preemptions = 1, .deaths = 1},
     .large = {.preemptions = 5, .deaths = 2, .delays = 3}},
};
const struct group join_group = {"join", scenarios, sizeof(scenarios) / sizeof(scenarios[0])};
