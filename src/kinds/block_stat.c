/* SPDX-License-Identifier: Apache-2.0 */
/* A block seen from outside: in a copy, without a seat. */
#include "base/error.h"
#include "block/block.h"
#include "kinds/kinds.h"
#include "registry/registry.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int open_snapshot(struct snapshot *snapshot, struct block_map *map, const char *name,
			 unsigned flags)
{
	struct segment_name parsed;
	if (flags & ~SHOAL_FOREIGN)
		return error_fail(EINVAL, "flags 0x%x have no meaning here",
				  flags & ~SHOAL_FOREIGN);
	int r = segment_name_parse(name, &parsed);
	if (r < 0)
		return r;
	r = registry_snapshot(snapshot, &parsed, flags & SHOAL_FOREIGN, &block_kind,
			      BLOCK_DATA_OFFSET);
	if (r < 0)
		return r;
	r = block_kind.validate(&snapshot->segment.region);
	if (r == 0)
		r = block_map(map, &snapshot->segment.region);
	if (r < 0)
		registry_drop(snapshot);
	return r;
}

/* False: it was given back meanwhile. */
static bool fill_seat(struct snapshot *snapshot, const struct block_map *map, uint32_t number,
		      struct shoal_block_seat *seat)
{
	const struct seat_entry *entry = seat_entry(&map->region, number);
	struct tag tag = {number, word_tag(atomic_load(&entry->word)).generation};
	uint64_t resizer = atomic_load(&map->body->size.resizer);
	*seat = (struct shoal_block_seat){
	    .seat = number,
	    .pid = (int32_t)entry->pid,
	    .same_pid_namespace = entry->pid_namespace == os->pid_namespace(),
	    .health = registry_seat_health(snapshot, number),
	    .joined_ns = entry->joined_ns,
	    .resizes = word_state(resizer) != BLOCK_IDLE && tag_equal(word_tag(resizer), tag),
	};
	memcpy(seat->name, entry->name, sizeof(seat->name));
	seat->name[sizeof(seat->name) - 1] = '\0';
	return seat->health != REGISTRY_LEFT;
}

/* All but what lies in front of the first huge page of the file, and behind the last. */
static uint64_t huge_room(const struct block_map *map, uint64_t bytes)
{
	uint64_t first = align_up(map->data_offset, HUGE_BYTES);
	uint64_t end = (map->data_offset + bytes) & ~(HUGE_BYTES - 1);
	return end > first ? end - first : 0;
}

static void fill_stat(struct snapshot *snapshot, const struct block_map *map,
		      struct shoal_block_stat *stat)
{
	struct segment *segment = &snapshot->segment;
	stat->bytes = block_bytes(map);
	stat->max_bytes = map->max_bytes;
	stat->huge_bytes = atomic_load(&map->body->size.huge_bytes);
	uint64_t room = huge_room(map, stat->bytes);
	stat->asked = map->asked & BLOCK_ASKED_HUGE ? SHOAL_HUGE : 0;
	stat->had = room > 0 && stat->huge_bytes >= room ? SHOAL_HUGE : 0;
	stat->readers = os->lock_any(segment->fd, SEGMENT_READER_LOCK) == 1;
	for (uint32_t i = 0; i < map->region.seat_count; i++)
		if (word_state(atomic_load(&seat_entry(&map->region, i)->word)) != SEAT_FREE &&
		    fill_seat(snapshot, map, i, &stat->seats[stat->seat_count]))
			stat->seat_count++;
}

int shoal_block_stat(const char *name, unsigned flags, struct shoal_block_stat **ret_stat)
{
	struct snapshot snapshot;
	struct block_map map = {0};
	if (!ret_stat)
		return error_fail(EINVAL, "ret_stat is NULL");
	*ret_stat = NULL;
	int r = open_snapshot(&snapshot, &map, name, flags);
	if (r < 0)
		return r;
	struct shoal_block_stat *stat = calloc(1, sizeof(*stat));
	uint32_t seats = map.region.seat_count; /* of a checked header: not 0 */
	if (stat && seats)
		stat->seats = calloc(seats, sizeof(*stat->seats));
	if (!stat || !stat->seats) {
		shoal_block_stat_free(stat);
		registry_drop(&snapshot);
		return error_fail(ENOMEM, "no memory for a picture of '%s'", name);
	}
	registry_describe(&snapshot, name, kinds, &stat->object);
	fill_stat(&snapshot, &map, stat);
	registry_drop(&snapshot);
	*ret_stat = stat;
	return 0;
}

void shoal_block_stat_free(struct shoal_block_stat *stat)
{
	if (!stat)
		return;
	free(stat->seats);
	free(stat);
}

int shoal_block_audit(const char *name, unsigned flags)
{
	struct snapshot snapshot;
	struct block_map map = {0};
	int r = open_snapshot(&snapshot, &map, name, flags);
	if (r < 0)
		return r;
	r = block_kind.audit(&snapshot.segment.region);
	registry_drop(&snapshot);
	return r;
}
