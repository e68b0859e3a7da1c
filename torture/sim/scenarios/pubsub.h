/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For scenarios that go through the public functions: handles, what was sent and received, and who
 * may be asleep. Messages are numbered within their lane, from 0, and say their number.
 */
#ifndef SIM_PUBSUB_H
#define SIM_PUBSUB_H

#include "../sim.h"

#include <shoal/shoal.h>

#define PUBSUB_NAME "sim"

enum { PUBSUB_LANES = 2 };

extern struct pubsub {
	struct shoal_topic_options options;
	shoal_pub *pubs[ACTORS];
	shoal_sub *subs[ACTORS];
	uint32_t lanes[ACTORS]; /* of the publishers */
	uint64_t inode;         /* of the object that is in use */
	uint64_t gone;          /* bits: those that were, by inode */
	/* by lane, of that object */
	uint64_t begun[PUBSUB_LANES];
	uint64_t committed[PUBSUB_LANES];
	/* by subscriber and lane */
	uint64_t next[ACTORS][PUBSUB_LANES];
	bool started[ACTORS][PUBSUB_LANES];
	uint64_t received[ACTORS];
	int last[ACTORS]; /* what its last call returned */
	bool closing[ACTORS];
	bool large; /* messages go outside their slots */
} pubsub;

/* For set_up: a topic of that many lanes, subscribers and slots. */
void pubsub_begin(uint32_t lanes, uint32_t subscribers, uint32_t slots);
/* As the actor that calls. Their results. */
int pubsub_open_pub(unsigned flags);
int pubsub_open_sub(unsigned flags);
/* 0, or what publish returned. */
int pubsub_publish(int64_t timeout_ns);
/* `count` in one batch; how many, or what publishv returned. */
int64_t pubsub_publish_batch(uint32_t count, int64_t timeout_ns);
/* 0, or what receive returned; checks number and content. */
int pubsub_receive(int64_t timeout_ns);
int pubsub_borrow(int64_t timeout_ns);
/* Up to two in one call; 0, or what receivev returned. */
int pubsub_receive_batch(int64_t timeout_ns);
void pubsub_close(void);

/* As the survivor: how far lane `lane` has come. Checked. */
uint64_t pubsub_end(uint32_t lane);
/* Has that subscriber all there is, and may there be more? Then it may sleep. */
bool pubsub_has_all(uint32_t actor);
/* All that was committed is there, and who lives reads it to the end. */
void pubsub_check_readers(void);
/* That, and whoever comes next finds it in order, or finds none. */
void pubsub_check(void);

#endif
