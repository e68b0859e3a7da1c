/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For scenarios on topics: a small topic that all actors have joined, each with its seat and its
 * own view, before the first schedule; what they do then with lanes and entries is the scenario's
 * business. And what the world knows: how much was begun and committed, whoever died meanwhile.
 *
 * These files are compiled as the library is: what they touch of a view are steps.
 */
#ifndef SIM_RIG_H
#define SIM_RIG_H

#include "../sim.h"

#include "lane/slip.h"
#include "topic/topic.h"

enum { RIG_LANES = 2, RIG_WORDS = 24 };

struct member {
	struct object object;
	struct topic_map map;
	struct lane_writer writer;
	struct lane_reader reader;
	uint32_t lane;
	uint32_t entry;
	/* of what it reads */
	uint64_t first;
	uint64_t next;
	uint64_t lost;
	bool reads;
	uint64_t copy[RIG_WORDS]; /* lossy */
};

struct rig_spec {
	uint32_t lanes, subscribers, slots;
	uint64_t area;    /* of payload that is used; 0: all there is */
	uint32_t outside; /* bytes of the messages that go outside the slot; 0: none do */
	bool hold;        /* publishers overwrite nothing until somebody has subscribed */
};

extern struct rig {
	struct member members[ACTORS];
	struct rig_spec spec;
	uint64_t begun[RIG_LANES];     /* messages that somebody began to publish */
	uint64_t committed[RIG_LANES]; /* those whose call came back */
	bool done[ACTORS];
} rig;

/* The topic, and everybody in it. */
void rig_make(const struct rig_spec *spec);
struct member *rig_me(void);
/* For the actor that calls: a lane; a place among subscribers. */
void rig_take_lane(void);
void rig_subscribe(bool lossy, bool from_oldest);
/* The reader's side of an entry that is ours already. */
void rig_read_from_cursor(uint32_t lane);

/* The next message. False: there was no room. */
bool rig_publish(void);
/* The next `count` ones in one batch, or as many as there is room for; how many those were. */
uint32_t rig_publish_batch(uint32_t count);
/* The next one in place, looked at twice. False: there was none. */
bool rig_read(void);
/* One copied, by a lossy reader. */
bool rig_copy(void);
/* How long message p is, and whether this is what it says. */
uint32_t rig_bytes(uint64_t position);
void rig_check_message(const struct lane_message *message, uint32_t lane, uint64_t position);

/* When all is over: repairs the dead, audits, and reads to the end on behalf of those who live. */
void rig_settle(void);
/* How many messages lane `lane` has; checked against what was begun and committed. */
uint64_t rig_end(uint32_t lane);
/* All that is wrong with that reader, on whose behalf: it must get to the end. */
void rig_read_to_end(uint32_t actor);
/* A new publisher takes the lane and goes round it once, past everybody who lives. */
void rig_go_round(void);

#endif
