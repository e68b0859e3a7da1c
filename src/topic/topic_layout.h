/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The body of a topic. Offsets from the object's body_offset:
 *
 *     0  geometry, 64 bytes; written by the creator, never after
 *    64  the wake line: futex word (wait/wait.h) on which subscribers sleep
 *   128  the shared line: see struct topic_shared
 *   256  lane controls, 256 bytes each (lane/lane_layout.h)
 *    ..  entry words, 8 bytes each, one a subscriber (lane/gate.h); rounded up to 64
 *    ..  subscriber records: 64 bytes, then one cursor of 8 bytes a lane, rounded up to 64
 *    ..  rounded up to 4,096: the lanes: slots, rounded up to 4,096, and payload area, rounded up
 * to 4,096. A lane's memory is reserved when a publisher first takes it.
 *
 * A seat may own one lane or one entry, through words that carry its tag.
 */
#ifndef SHOAL_TOPIC_TOPIC_LAYOUT_H
#define SHOAL_TOPIC_TOPIC_LAYOUT_H

#include "base/bits.h"

#define TOPIC_KIND 1u

/* Seats beside one for each lane and subscriber: for joiners that repair before they find that
 * all lanes are taken, and the remover's. */
#define TOPIC_SPARE_SEATS 8u

struct topic_geometry {
	uint32_t lanes;
	uint32_t subscribers;
	uint32_t slots;         /* of a lane; a power of two */
	uint32_t inline_bytes;  /* of a slot; a multiple of 8 */
	uint64_t payload_bytes; /* of a lane; a multiple of 4,096 */
	uint64_t reserved[4];
	uint64_t checksum; /* of the 56 bytes before it */
};
static_assert(sizeof(struct topic_geometry) == 64, "layout");

struct topic_shared {
	/* Counts changes that subscribers must see: a lane became ready, a publisher left, the
	 * object was removed. Read-modify-write by anybody. */
	_Atomic uint32_t epoch;
	/* No entry from this one on was ever taken. Grows only, by CAS, before the entry's. */
	_Atomic uint32_t used;
	_Atomic uint64_t joined;     /* subscribers that ever became active; counted after that */
	_Atomic uint64_t departures; /* publishers that ever left or died; counted before that */
	uint64_t reserved[5];
};
static_assert(sizeof(struct topic_shared) == 64, "layout");

struct topic_body {
	struct topic_geometry geometry;
	_Atomic uint32_t wake;
	uint32_t reserved_wake[15];
	struct topic_shared shared;
	uint64_t reserved[8];
};
static_assert(sizeof(struct topic_body) == 256, "layout");
static_assert(offsetof(struct topic_body, wake) == 64, "layout");
static_assert(offsetof(struct topic_body, shared) == 128, "layout");

struct topic_record {
	_Atomic uint64_t lost; /* by this lossy subscriber; written by it alone, for stat */
	uint64_t reserved[7];
	_Atomic uint64_t cursors[]; /* one a lane; written by this subscriber alone */
};
static_assert(sizeof(struct topic_record) == 64, "layout");

enum topic_role { TOPIC_PUBLISHER = 1, TOPIC_SUBSCRIBER = 2, TOPIC_LOSSY = 3 };

#endif
