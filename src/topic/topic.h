/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A topic: lanes, subscribers, and what joins them. The operations here are functions of a checked
 * map of the region and a tag: they need no handle, so tests can run them on copies.
 */
#ifndef SHOAL_TOPIC_TOPIC_H
#define SHOAL_TOPIC_TOPIC_H

#include "lane/lane.h"
#include "object/object.h"
#include "topic/topic_layout.h"

#include <shoal/topic.h>

extern const struct kind topic_kind;

/* Checked facts, and where things lie. */
struct topic_map {
	struct region region;
	struct topic_body *body;
	struct lane_control *controls;
	_Atomic uint64_t *entries;
	uint8_t *records;
	uint8_t *lanes;
	uint32_t lane_count;
	uint32_t subscribers;
	uint32_t slots;
	uint32_t inline_bytes;
	uint64_t payload_bytes;
	uint64_t record_bytes;
	uint64_t lane_bytes;
	uint64_t fixed_bytes; /* of the body, before the lanes */
	uint64_t body_bytes;
};

/* Fills `map` for a region that holds a topic. -EBADMSG or -ENOTSUP with a detail. */
int topic_map(struct topic_map *map, const struct region *region);
/* The sizes alone, for a geometry that was checked. */
void topic_sizes(struct topic_map *map, const struct topic_geometry *geometry);

struct lane_map topic_lane(const struct topic_map *map, uint32_t lane);
struct gate topic_gate(const struct topic_map *map, uint32_t lane);

static inline struct topic_record *topic_record(const struct topic_map *map, uint32_t entry)
{
	return (struct topic_record *)(void *)(map->records + entry * map->record_bytes);
}

static inline bool topic_lane_ready(const struct topic_map *map, uint32_t lane)
{
	/* Pairs with the release in topic_take_lane: ready means that the memory is there. */
	return atomic_load_explicit(&map->controls[lane].ready, memory_order_acquire) == 1;
}

/* Geometry from options: checks and defaults. Sets the detail. */
int topic_geometry(const struct shoal_topic_options *options, struct topic_geometry *ret);
/* A copy of the caller's options with the tail checked and the defaults of a handle filled in. */
int topic_options(const struct shoal_topic_options *options, struct shoal_topic_options *ret);
/* Opens the object and maps the topic; the request's flags were checked by the caller. */
int topic_open(struct object *object, struct topic_map *map, const char *name, unsigned flags,
	       uint32_t role, const struct shoal_topic_options *options);

/* ---- publishers -------------------------------------------------------------------------- */

/* Takes a free lane for `tag`: one that has memory already, if there is one. UINT32_MAX: none. */
uint32_t topic_take_lane(const struct topic_map *map, struct tag tag);
/* The same, with its owner word as it was, for giving it back as if nothing had been. */
uint32_t topic_take_lane_from(const struct topic_map *map, struct tag tag, uint64_t *ret_before);
void topic_give_back_lane(const struct topic_map *map, uint32_t lane, struct tag tag,
			  uint64_t before);
/* Says that its memory is there. */
void topic_lane_is_ready(const struct topic_map *map, uint32_t lane);

/* ---- subscribers ------------------------------------------------------------------------- */

/* Takes a free entry for `tag`. UINT32_MAX: none. */
uint32_t topic_take_entry(const struct topic_map *map, struct tag tag);
/* Steps 1 to 4 of lane.h for all lanes: from here on nothing is missed. */
void topic_activate(const struct topic_map *map, uint32_t entry, struct tag tag, bool lossy,
		    bool from_oldest);
/* Every publisher is gone, and the last one to go closed in order. */
bool topic_ended(const struct topic_map *map);
/* Subscribers that are in it, dead ones included. */
uint32_t topic_subscribers(const struct topic_map *map);

/* ---- both -------------------------------------------------------------------------------- */

/* Wakes subscribers, and leaves the sleepers' bit alone: in a removed object it is what tells
 * publishers so. All waking of subscribers but that by a message goes through here. */
void topic_wake_subscribers(const struct topic_map *map);
/* Puts the bit back if the object was removed. */
void topic_keep_alerted(const struct topic_map *map);
/* Wakes publishers that wait for subscribers to come or to go. */
void topic_wake_publishers(const struct topic_map *map);

#endif
