/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may change what: lane/lane_layout.h (lanes), lane/gate.h (entries, cursors), topic_layout.h.
 *
 * TAKING A LANE: owner FREE, CLOSED or DIED -> TAKEN(tag) by CAS; then, if it has no memory yet,
 * reserve it and set `ready`. A death in between: repair frees the lane, the next owner reserves
 * again, which the kernel makes cheap.
 * LEAVING A LANE (in order, or by repair after a death): make position true, count a departure,
 * stamp the lane with it, then owner TAKEN(tag) -> CLOSED or DIED by CAS. The highest stamp tells
 * who went last. A death in between: the count has a gap, nothing else. Closing in order can end
 * the topic, so it wakes sleepers in the same step. REPAIR ends with waking everybody, whether or
 * not it found something to roll: the repairer before may have died just before it woke them.
 */
#include "topic/topic.h"

#include "base/checksum.h"
#include "base/error.h"

#include <errno.h>

/* ---- map --------------------------------------------------------------------------------- */

static uint64_t lane_bytes(const struct topic_geometry *geometry)
{
	uint64_t slots = (uint64_t)geometry->slots * (8 + geometry->inline_bytes);
	return align_up(slots, PAGE_BYTES) + geometry->payload_bytes;
}

static uint64_t entries_offset(const struct topic_map *map)
{
	return sizeof(struct topic_body) + map->lane_count * sizeof(struct lane_control);
}

static uint64_t records_offset(const struct topic_map *map)
{
	return align_up(entries_offset(map) + map->subscribers * 8, CACHE_LINE);
}

void topic_sizes(struct topic_map *map, const struct topic_geometry *geometry)
{
	map->lane_count = geometry->lanes;
	map->subscribers = geometry->subscribers;
	map->slots = geometry->slots;
	map->inline_bytes = geometry->inline_bytes;
	map->payload_bytes = geometry->payload_bytes;
	map->record_bytes = align_up(64 + (uint64_t)geometry->lanes * 8, CACHE_LINE);
	map->lane_bytes = lane_bytes(geometry);
	map->fixed_bytes =
	    align_up(records_offset(map) + map->subscribers * map->record_bytes, PAGE_BYTES);
	map->body_bytes = map->fixed_bytes + map->lane_count * map->lane_bytes;
}

static bool geometry_is_sane(const struct topic_geometry *geometry)
{
	return geometry->lanes >= 1 && geometry->lanes <= 1024 && geometry->subscribers >= 1 &&
	       geometry->subscribers <= 4096 && geometry->slots >= 2 &&
	       geometry->slots <= 1u << 24 && is_power_of_two(geometry->slots) &&
	       geometry->inline_bytes >= LANE_INLINE_MIN &&
	       geometry->inline_bytes <= LANE_INLINE_MAX && geometry->inline_bytes % 8 == 0 &&
	       geometry->payload_bytes >= PAGE_BYTES &&
	       geometry->payload_bytes <= (uint64_t)1 << 40 &&
	       geometry->payload_bytes % PAGE_BYTES == 0;
}

static void place_parts(struct topic_map *map)
{
	uint8_t *body = map->region.base + map->region.body_offset;
	map->body = (struct topic_body *)(void *)body;
	map->controls = (struct lane_control *)(void *)(body + sizeof(struct topic_body));
	map->entries = (_Atomic uint64_t *)(void *)(body + entries_offset(map));
	map->records = body + records_offset(map);
	map->lanes = body + map->fixed_bytes;
}

int topic_map(struct topic_map *map, const struct region *region)
{
	struct topic_geometry geometry;
	if (region->bytes < region->body_offset + sizeof(struct topic_body))
		return error_fail(EBADMSG, "the object is too small for a topic");
	memcpy(&geometry, region->base + region->body_offset, sizeof(geometry));
	if (geometry.checksum != checksum(&geometry, offsetof(struct topic_geometry, checksum)) ||
	    !geometry_is_sane(&geometry))
		return error_fail(EBADMSG, "the topic's geometry is damaged");
	topic_sizes(map, &geometry);
	map->region = *region;
	if (region->bytes - region->body_offset != map->body_bytes)
		return error_fail(EBADMSG, "the topic's geometry does not fit the object's size");
	place_parts(map);
	return 0;
}

struct lane_map topic_lane(const struct topic_map *map, uint32_t lane)
{
	uint8_t *slots = map->lanes + lane * map->lane_bytes;
	return (struct lane_map){
	    .control = &map->controls[lane],
	    .slots = slots,
	    .payload = slots + map->lane_bytes - map->payload_bytes,
	    .slot_count = map->slots,
	    .stride = 8 + (uint64_t)map->inline_bytes,
	    .inline_bytes = map->inline_bytes,
	    .area = map->payload_bytes,
	};
}

struct gate topic_gate(const struct topic_map *map, uint32_t lane)
{
	return (struct gate){
	    .entries = map->entries,
	    .used = &map->body->shared.used,
	    .joined = &map->body->shared.joined,
	    .cursors = map->records + sizeof(struct topic_record) + lane * sizeof(uint64_t),
	    .stride = map->record_bytes,
	    .count = map->subscribers,
	};
}

/* ---- lanes ------------------------------------------------------------------------------- */

static bool try_take(struct lane_control *control, struct tag tag, uint64_t *ret_before)
{
	*ret_before = atomic_load(&control->owner);
	uint64_t expected = *ret_before;
	return word_state(expected) != LANE_TAKEN &&
	       atomic_compare_exchange_strong(&control->owner, &expected,
					      word_make(LANE_TAKEN, tag));
}

uint32_t topic_take_lane_from(const struct topic_map *map, struct tag tag, uint64_t *ret_before)
{
	for (int ready = 1; ready >= 0; ready--)
		for (uint32_t i = 0; i < map->lane_count; i++)
			if (topic_lane_ready(map, i) == ready &&
			    try_take(&map->controls[i], tag, ret_before))
				return i;
	return UINT32_MAX;
}

uint32_t topic_take_lane(const struct topic_map *map, struct tag tag)
{
	uint64_t before;
	return topic_take_lane_from(map, tag, &before);
}

void topic_give_back_lane(const struct topic_map *map, uint32_t lane, struct tag tag,
			  uint64_t before)
{
	uint64_t owner = word_make(LANE_TAKEN, tag);
	atomic_compare_exchange_strong(&map->controls[lane].owner, &owner, before);
}

void topic_keep_alerted(const struct topic_map *map)
{
	if (object_is_removed(&map->region))
		atomic_fetch_or(&map->body->wake, WAIT_SLEEPER);
}

/* The bit stays: in a removed object it is what tells publishers so, and whoever wakes here may
 * die before it could set it again. One who published took it away, perhaps, and died. */
void topic_wake_subscribers(const struct topic_map *map)
{
	wait_stir(&map->body->wake);
	topic_keep_alerted(map);
}

static void tell_subscribers(const struct topic_map *map)
{
	atomic_fetch_add(&map->body->shared.epoch, 1);
	topic_wake_subscribers(map);
}

void topic_lane_is_ready(const struct topic_map *map, uint32_t lane)
{
	atomic_store_explicit(&map->controls[lane].ready, 1, memory_order_release);
	tell_subscribers(map);
}

/*
 * TAKEN -> CLOSED, and the sleepers woken, in one system call, as a message is published with
 * sleepers there (wait/wait.h): who slept would not learn of the end if we were killed between.
 * `begun` stays one ahead; the next owner settles it. False: the kernel would not.
 */
static bool close_waking(const struct topic_map *map, struct lane_control *control)
{
	static_assert(LANE_CLOSED == LANE_TAKEN + 1, "the kernel adds one to the state");
	uint32_t *upper_half = (uint32_t *)(void *)&control->owner + 1;
	atomic_store(&control->begun, atomic_load(&control->position) + 1);
	atomic_fetch_add(&map->body->wake, WAIT_COUNT); /* who is about to sleep goes round again */
	return os->futex_add_and_wake((const void *)&map->body->wake, upper_half, 24) == 0;
}

static void leave_lane(const struct topic_map *map, uint32_t lane, struct tag tag, bool orderly)
{
	struct lane_control *control = &map->controls[lane];
	uint64_t owner = word_make(LANE_TAKEN, tag);
	if (atomic_load(&control->owner) != owner)
		return;
	if (topic_lane_ready(map, lane)) {
		struct lane_map lane_facts = topic_lane(map, lane);
		lane_settle(&lane_facts);
	}
	uint64_t stamp = atomic_fetch_add(&map->body->shared.departures, 1) + 1;
	atomic_store(&control->departed, stamp);
	if (orderly && close_waking(map, control))
		return;
	atomic_compare_exchange_strong(&control->owner, &owner,
				       word_make(orderly ? LANE_CLOSED : LANE_DIED, tag));
}

/* 1: ended; 0: not. `ret_sum` tells two different pictures apart: tags never come again. */
static bool look_at_end(const struct topic_map *map, uint64_t *ret_sum)
{
	uint64_t last = 0;
	bool closed = false, taken = false;
	*ret_sum = 0;
	for (uint32_t i = 0; i < map->lane_count; i++) {
		uint64_t owner = atomic_load(&map->controls[i].owner);
		uint64_t stamp = atomic_load(&map->controls[i].departed);
		taken |= word_state(owner) == LANE_TAKEN;
		*ret_sum = (*ret_sum ^ owner ^ stamp << 32) * 0x9e3779b97f4a7c15u;
		if (stamp > last) {
			last = stamp;
			closed = word_state(owner) == LANE_CLOSED;
		}
	}
	return closed && !taken;
}

/* The lanes are looked at one after another, and publishers may come in one behind our back while
 * they go in another: only the same picture twice was true at one moment. */
bool topic_ended(const struct topic_map *map)
{
	if (atomic_load_explicit(&map->body->shared.departures, memory_order_acquire) == 0)
		return false;
	uint64_t first, second;
	return look_at_end(map, &first) && look_at_end(map, &second) && first == second;
}

/* ---- entries ----------------------------------------------------------------------------- */

static void raise_used(const struct topic_map *map, uint32_t used)
{
	_Atomic uint32_t *word = &map->body->shared.used;
	uint32_t seen = atomic_load(word);
	while (seen < used)
		if (atomic_compare_exchange_weak(word, &seen, used))
			break;
}

uint32_t topic_take_entry(const struct topic_map *map, struct tag tag)
{
	for (uint32_t i = 0; i < map->subscribers; i++) {
		uint64_t word = atomic_load(&map->entries[i]);
		if (word_state(word) != ENTRY_FREE)
			continue;
		raise_used(map, i + 1);
		if (atomic_compare_exchange_strong(&map->entries[i], &word,
						   word_make(ENTRY_JOINING, tag)))
			return i;
	}
	return UINT32_MAX;
}

static uint64_t first_position(const struct lane_control *control, bool from_oldest)
{
	return from_oldest ? atomic_load(&control->oldest) : atomic_load(&control->position);
}

void topic_activate(const struct topic_map *map, uint32_t entry, struct tag tag, bool lossy,
		    bool from_oldest)
{
	struct topic_record *record = topic_record(map, entry);
	atomic_store(&record->lost, 0);
	for (uint32_t i = 0; i < map->lane_count; i++)
		atomic_store(&record->cursors[i], first_position(&map->controls[i], from_oldest));
	atomic_store(&map->entries[entry], word_make(lossy ? ENTRY_LOSSY : ENTRY_ARRIVING, tag));
	atomic_thread_fence(memory_order_seq_cst); /* pairs with the one in raise_oldest */
	for (uint32_t i = 0; i < map->lane_count; i++) {
		uint64_t first = first_position(&map->controls[i], from_oldest);
		uint64_t cursor = atomic_load(&record->cursors[i]);
		if (position_distance(first, cursor) > 0)
			atomic_store(&record->cursors[i], first);
	}
	if (!lossy)
		atomic_store(&map->entries[entry], word_make(ENTRY_LOSSLESS, tag));
	atomic_fetch_add(&map->body->shared.joined, 1);
	topic_wake_publishers(map);
}

uint32_t topic_subscribers(const struct topic_map *map)
{
	uint32_t count = 0;
	for (uint32_t i = 0; i < map->subscribers; i++) {
		unsigned state = word_state(atomic_load(&map->entries[i]));
		count += state == ENTRY_LOSSLESS || state == ENTRY_LOSSY;
	}
	return count;
}

void topic_wake_publishers(const struct topic_map *map)
{
	for (uint32_t i = 0; i < map->lane_count; i++)
		if (atomic_load(&map->controls[i].gate) & WAIT_SLEEPER)
			wait_wake(&map->controls[i].gate);
}

/* ---- the kind ---------------------------------------------------------------------------- */

static int topic_validate(const struct region *region)
{
	struct topic_map map;
	return topic_map(&map, region);
}

static void topic_repair(const struct region *region, struct tag tag, bool orderly)
{
	struct topic_map map;
	if (topic_map(&map, region) < 0)
		return;
	for (uint32_t i = 0; i < map.lane_count; i++)
		leave_lane(&map, i, tag, orderly);
	for (uint32_t i = 0; i < map.subscribers; i++) {
		uint64_t word = atomic_load(&map.entries[i]);
		if (word_state(word) != ENTRY_FREE && tag_equal(word_tag(word), tag))
			atomic_compare_exchange_strong(&map.entries[i], &word,
						       word_make(ENTRY_FREE, tag));
	}
	tell_subscribers(&map);
	topic_wake_publishers(&map);
}

static void topic_alert(const struct region *region)
{
	struct topic_map map;
	if (topic_map(&map, region) < 0)
		return;
	atomic_fetch_add(&map.body->shared.epoch, 1);
	wait_alert(&map.body->wake);
	for (uint32_t i = 0; i < map.lane_count; i++)
		wait_alert(&map.controls[i].gate);
}

/*
 * For lost memory. The sleepers' bits make every commit, and every cursor that is moved, take its
 * slow path and look at the lifetime; the epoch, another than anybody has seen, every look for
 * messages; `oldest` makes worthless what a lossy reader has just copied.
 */
#define BEYOND_ALL ((uint64_t)1 << 62) /* no lane comes to that position */
static void topic_mark_lost(const struct region *region, struct guard *guard)
{
	struct topic_map map;
	uint32_t epoch = 0;
	if (topic_map(&map, region) < 0)
		return;
	if (os->random(&epoch, sizeof(epoch)) < 0)
		epoch = atomic_load(&map.body->shared.epoch) + (1u << 31);
	const uint64_t body = region->body_offset;
	const uint64_t controls = body + sizeof(struct topic_body);
	const struct guard_mark marks[] = {
	    {body + offsetof(struct topic_body, wake), 0, 1, WAIT_SLEEPER},
	    {body + offsetof(struct topic_body, shared.epoch), 0, 1, epoch},
	    {controls + offsetof(struct lane_control, gate), sizeof(struct lane_control),
	     map.lane_count, WAIT_SLEEPER},
	    {controls + offsetof(struct lane_control, oldest), sizeof(struct lane_control),
	     map.lane_count, BEYOND_ALL},
	};
	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
		guard_mark(guard, marks[i]);
}

static int audit_lane(const struct topic_map *map, uint32_t lane)
{
	const struct lane_control *control = &map->controls[lane];
	uint64_t owner = atomic_load(&control->owner);
	uint32_t ready = atomic_load(&control->ready);
	bool owned = word_state(owner) == LANE_TAKEN;
	bool begun = owned || word_state(owner) == LANE_CLOSED; /* the end is begun, too */
	if (word_state(owner) > LANE_DIED || ready > 1)
		return error_fail(EBADMSG, "lane %u: its state is nonsense", lane);
	if (owned && !object_tag_current(&map->region, word_tag(owner)))
		return error_fail(EBADMSG, "lane %u: its owner is nobody", lane);
	if (!ready && atomic_load(&control->position) != 0)
		return error_fail(EBADMSG, "lane %u: it has messages and no memory", lane);
	if (!ready)
		return 0;
	struct lane_map facts = topic_lane(map, lane);
	return lane_audit(&facts, lane, begun);
}

static int audit_cursors(const struct topic_map *map, uint32_t entry)
{
	for (uint32_t i = 0; i < map->lane_count; i++) {
		if (!topic_lane_ready(map, i))
			continue;
		struct lane_map facts = topic_lane(map, i);
		uint64_t end = lane_end(&facts);
		uint64_t cursor = atomic_load(&topic_record(map, entry)->cursors[i]);
		if (end - cursor > map->slots)
			return error_fail(EBADMSG,
					  "subscriber %u, lane %u: its cursor %llu is outside "
					  "the lane, which ends at %llu",
					  entry, i, (unsigned long long)cursor,
					  (unsigned long long)end);
	}
	return 0;
}

static int audit_entry(const struct topic_map *map, uint32_t entry, uint32_t used)
{
	uint64_t word = atomic_load(&map->entries[entry]);
	if (word_state(word) > ENTRY_ARRIVING)
		return error_fail(EBADMSG, "subscriber %u: its state is nonsense", entry);
	if (word_state(word) == ENTRY_FREE)
		return 0;
	if (entry >= used)
		return error_fail(EBADMSG, "subscriber %u: it is not counted as used", entry);
	if (!object_tag_current(&map->region, word_tag(word)))
		return error_fail(EBADMSG, "subscriber %u: its owner is nobody", entry);
	return word_state(word) == ENTRY_LOSSLESS ? audit_cursors(map, entry) : 0;
}

static int topic_audit(const struct region *region)
{
	struct topic_map map;
	int r = topic_map(&map, region);
	for (uint32_t i = 0; r == 0 && i < map.lane_count; i++)
		r = audit_lane(&map, i);
	uint32_t used = r == 0 ? atomic_load(&map.body->shared.used) : 0;
	for (uint32_t i = 0; r == 0 && i < map.subscribers; i++)
		r = audit_entry(&map, i, used);
	return r;
}

const struct kind topic_kind = {
    .id = TOPIC_KIND,
    .name = "topic",
    .validate = topic_validate,
    .repair = topic_repair,
    .alert = topic_alert,
    .mark_lost = topic_mark_lost,
    .audit = topic_audit,
};
