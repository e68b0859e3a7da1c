/* SPDX-License-Identifier: Apache-2.0 */
/* A topic seen from outside: in a copy, without a seat. */
#include "base/error.h"
#include "kinds/kinds.h"
#include "registry/registry.h"
#include "topic/topic.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* More than any topic's fixed part: the lanes themselves are not needed here. */
#define FIXED_BYTES_MAX ((uint64_t)64 << 20)

static int open_snapshot(struct snapshot *snapshot, struct topic_map *map, const char *name,
			 unsigned flags, uint64_t body_bytes)
{
	struct segment_name parsed;
	if (flags & ~SHOAL_FOREIGN)
		return error_fail(EINVAL, "flags 0x%x have no meaning here",
				  flags & ~SHOAL_FOREIGN);
	int r = segment_name_parse(name, &parsed);
	if (r < 0)
		return r;
	r = registry_snapshot(snapshot, &parsed, flags & SHOAL_FOREIGN, &topic_kind, body_bytes);
	if (r < 0)
		return r;
	r = topic_map(map, &snapshot->segment.region);
	if (r < 0)
		registry_drop(snapshot);
	return r;
}

static void fill_lane(const struct topic_map *map, uint32_t i, struct shoal_topic_lane *lane)
{
	const struct lane_control *control = &map->controls[i];
	uint64_t owner = atomic_load(&control->owner);
	*lane = (struct shoal_topic_lane){
	    .lane = i,
	    .seat = word_state(owner) == LANE_TAKEN ? word_tag(owner).seat : UINT32_MAX,
	    .position = atomic_load(&control->position),
	    .oldest = atomic_load(&control->oldest),
	    .allocated = atomic_load(&control->ready) == 1,
	    .closed = word_state(owner) == LANE_CLOSED,
	};
}

static void fill_publisher(const struct topic_map *map, struct tag tag,
			   struct shoal_topic_seat *seat)
{
	for (uint32_t i = 0; i < map->lane_count; i++) {
		uint64_t owner = atomic_load(&map->controls[i].owner);
		if (word_state(owner) == LANE_TAKEN && tag_equal(word_tag(owner), tag)) {
			seat->lane = i;
			seat->position = atomic_load(&map->controls[i].position);
		}
	}
}

/* Nobody may be further behind in a lane without stopping its publisher within this many. */
static bool is_full(const struct topic_map *map, uint64_t lag)
{
	return lag + map->slots / 8 >= map->slots;
}

/* Sleeping at the gate, whatever for: slots or payload. */
static bool is_gated(const struct lane_control *control)
{
	return word_state(atomic_load(&control->owner)) == LANE_TAKEN &&
	       (atomic_load(&control->gate) & WAIT_SLEEPER);
}

static uint64_t cursor_lag(const struct topic_map *map, uint32_t entry, uint32_t lane)
{
	uint64_t cursor = atomic_load(&topic_record(map, entry)->cursors[lane]);
	int64_t lag = position_distance(atomic_load(&map->controls[lane].position), cursor);
	return lag > 0 ? (uint64_t)lag : 0; /* read after the position was, in a moving picture */
}

/* Of each lane, once: for each subscriber anew it would be subscribers squared times lanes. */
static void find_greatest_lags(const struct topic_map *map, uint64_t *ret_greatest)
{
	for (uint32_t i = 0; i < map->subscribers; i++)
		if (word_state(atomic_load(&map->entries[i])) == ENTRY_LOSSLESS)
			for (uint32_t lane = 0; lane < map->lane_count; lane++)
				ret_greatest[lane] =
				    max_u64(ret_greatest[lane], cursor_lag(map, i, lane));
}

static void fill_subscriber(const struct topic_map *map, const uint64_t *greatest, uint32_t entry,
			    unsigned state, struct shoal_topic_seat *seat)
{
	const struct topic_record *record = topic_record(map, entry);
	seat->lost = atomic_load(&record->lost);
	for (uint32_t i = 0; i < map->lane_count; i++) {
		uint64_t lag = cursor_lag(map, entry, i);
		seat->position += atomic_load(&record->cursors[i]);
		seat->lag += lag;
		bool slowest = lag > 0 && lag == greatest[i];
		bool gated = is_gated(&map->controls[i]);
		if ((state == ENTRY_LOSSLESS && slowest && (is_full(map, lag) || gated)) ||
		    (state == ENTRY_ARRIVING && gated))
			seat->holds_up = 1;
	}
}

static void fill_role(const struct topic_map *map, const uint64_t *greatest, struct tag tag,
		      uint32_t role, struct shoal_topic_seat *seat)
{
	const char *text = role == TOPIC_PUBLISHER    ? "publisher"
			   : role == TOPIC_SUBSCRIBER ? "subscriber"
			   : role == TOPIC_LOSSY      ? "lossy"
						      : "joining";
	snprintf(seat->role, sizeof(seat->role), "%s", text);
	seat->lane = UINT32_MAX;
	fill_publisher(map, tag, seat);
	for (uint32_t i = 0; i < map->subscribers; i++) {
		uint64_t word = atomic_load(&map->entries[i]);
		unsigned state = word_state(word);
		if (state != ENTRY_FREE && state != ENTRY_JOINING && tag_equal(word_tag(word), tag))
			fill_subscriber(map, greatest, i, state, seat);
	}
}

/* False: it was given back meanwhile. */
static bool fill_seat(struct snapshot *snapshot, const struct topic_map *map,
		      const uint64_t *greatest, uint32_t number, struct shoal_topic_seat *seat)
{
	const struct seat_entry *entry = seat_entry(&map->region, number);
	uint64_t word = atomic_load(&entry->word);
	*seat = (struct shoal_topic_seat){
	    .seat = number,
	    .pid = (int32_t)entry->pid,
	    .same_pid_namespace = entry->pid_namespace == os->pid_namespace(),
	    .health = registry_seat_health(snapshot, number),
	    .joined_ns = entry->joined_ns,
	};
	memcpy(seat->name, entry->name, sizeof(seat->name));
	seat->name[sizeof(seat->name) - 1] = '\0';
	struct tag tag = {number, word_tag(word).generation};
	fill_role(map, greatest, tag, word_state(word) == SEAT_JOINING ? 0 : entry->role, seat);
	return seat->health != REGISTRY_LEFT;
}

/* `greatest` is room for a number a lane, all 0. */
static void fill_stat(struct snapshot *snapshot, const struct topic_map *map, uint64_t *greatest,
		      struct shoal_topic_stat *stat)
{
	find_greatest_lags(map, greatest);
	stat->payload_bytes = map->payload_bytes;
	stat->slots = map->slots;
	stat->inline_bytes = map->inline_bytes;
	stat->lane_count = map->lane_count;
	stat->subscribers_max = map->subscribers;
	stat->subscribers = topic_subscribers(map);
	stat->subscribed_ever = atomic_load(&map->body->shared.joined);
	stat->ended = topic_ended(map);
	for (uint32_t i = 0; i < map->lane_count; i++) {
		fill_lane(map, i, &stat->lanes[i]);
		stat->publishers += stat->lanes[i].seat != UINT32_MAX;
	}
	for (uint32_t i = 0; i < map->region.seat_count; i++)
		if (word_state(atomic_load(&seat_entry(&map->region, i)->word)) != SEAT_FREE &&
		    fill_seat(snapshot, map, greatest, i, &stat->seats[stat->seat_count]))
			stat->seat_count++;
}

int shoal_topic_stat(const char *name, unsigned flags, struct shoal_topic_stat **ret_stat)
{
	struct snapshot snapshot;
	struct topic_map map;
	*ret_stat = NULL;
	int r = open_snapshot(&snapshot, &map, name, flags, FIXED_BYTES_MAX);
	if (r < 0)
		return r;
	struct shoal_topic_stat *stat = calloc(1, sizeof(*stat));
	uint64_t *greatest = calloc(map.lane_count, sizeof(*greatest));
	if (stat) {
		stat->lanes = calloc(map.lane_count, sizeof(*stat->lanes));
		stat->seats = calloc(map.region.seat_count, sizeof(*stat->seats));
	}
	if (!stat || !stat->lanes || !stat->seats || !greatest) {
		free(greatest);
		shoal_topic_stat_free(stat);
		registry_drop(&snapshot);
		return error_fail(ENOMEM, "no memory for a picture of '%s'", name);
	}
	registry_describe(&snapshot, name, kinds, &stat->object);
	fill_stat(&snapshot, &map, greatest, stat);
	free(greatest);
	registry_drop(&snapshot);
	*ret_stat = stat;
	return 0;
}

void shoal_topic_stat_free(struct shoal_topic_stat *stat)
{
	if (!stat)
		return;
	free(stat->lanes);
	free(stat->seats);
	free(stat);
}

int shoal_topic_audit(const char *name, unsigned flags)
{
	struct snapshot snapshot;
	struct topic_map map;
	int r = open_snapshot(&snapshot, &map, name, flags, (uint64_t)1 << 60);
	if (r < 0)
		return r;
	r = topic_kind.audit(&snapshot.segment.region);
	registry_drop(&snapshot);
	return r;
}
