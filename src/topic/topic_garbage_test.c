/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctest: TIMEOUT 300
 *
 * A topic whose bytes are nonsense. What the object layer calls of a kind must be total: it ends,
 * stays inside the region, and says 0 or -EBADMSG. The region has exactly the size of the file,
 * between guards, so that one byte too far is seen.
 */
#include "topic/topic.h"

#include "base/checksum.h"
#include "lane/lane_rig.h"

#include <sys/mman.h>

#define ROUNDS 1500

struct arena {
	struct guarded memory;
	struct region region;
	struct topic_map map;
};

static void seal(struct topic_geometry *geometry)
{
	geometry->checksum = checksum(geometry, offsetof(struct topic_geometry, checksum));
}

static void arena_make(struct arena *arena, uint32_t lanes, uint32_t subscribers, uint32_t slots)
{
	struct topic_geometry geometry = {
	    .lanes = lanes,
	    .subscribers = subscribers,
	    .slots = slots,
	    .inline_bytes = 56,
	    .payload_bytes = 4096,
	};
	seal(&geometry);
	uint32_t seats = lanes + subscribers + TOPIC_SPARE_SEATS;
	topic_sizes(&arena->map, &geometry);
	uint64_t body = segment_body_offset(seats);
	arena->memory = guarded_new(body + arena->map.body_bytes);
	arena->region = (struct region){
	    .base = arena->memory.data,
	    .bytes = arena->memory.bytes,
	    .body_offset = body,
	    .seat_count = seats,
	};
	memcpy(arena->region.base + body, &geometry, sizeof(geometry));
	assert_int_equal(topic_map(&arena->map, &arena->region), 0);
}

static void arena_free(struct arena *arena)
{
	guarded_free(&arena->memory);
}

static void use_kind(const struct arena *arena, uint64_t *random)
{
	const struct region *region = &arena->region;
	struct tag tag = {(uint32_t)random_below(random, 8), 1};
	int r = topic_kind.validate(region);
	assert_true(r == 0 || r == -EBADMSG);
	r = topic_kind.audit(region);
	assert_true(r == 0 || r == -EBADMSG);
	topic_kind.repair(region, tag, random_below(random, 2));
	topic_kind.alert(region);
	object_roll_seat(region, &topic_kind, tag.seat, random_next(random), false);
	r = topic_kind.audit(region);
	assert_true(r == 0 || r == -EBADMSG);
}

/* All but the geometry; then the words that lead deeper, more often right than chance has it. */
static void spoil(struct arena *arena, uint64_t *random)
{
	struct topic_geometry geometry = arena->map.body->geometry;
	random_fill(random, arena->memory.data, arena->memory.bytes);
	arena->map.body->geometry = geometry;
	for (uint32_t i = 0; i < arena->map.lane_count; i++) {
		struct lane_control *control = &arena->map.controls[i];
		struct tag tag = {(uint32_t)random_below(random, 8), 1};
		control->owner = word_make((unsigned)random_below(random, 5), tag);
		control->ready = (uint32_t)random_below(random, 3);
		if (random_below(random, 2))
			control->begun = control->oldest = control->position;
	}
	for (uint32_t i = 0; i < arena->map.subscribers; i++)
		arena->map.entries[i] =
		    word_make((unsigned)random_below(random, 5),
			      (struct tag){(uint32_t)random_below(random, 8), 1});
	for (uint32_t i = 0; i < arena->region.seat_count; i++)
		seat_entry(&arena->region, i)->word =
		    word_make((unsigned)random_below(random, 5), (struct tag){i, 1});
	arena->map.body->shared.used = (uint32_t)random_below(random, 20);
}

static void test_nonsense_behind_a_sound_geometry(void **state)
{
	(void)state;
	uint64_t random = 1;
	for (int i = 0; i < ROUNDS; i++) {
		struct arena arena;
		arena_make(&arena, 1 + (uint32_t)random_below(&random, 4),
			   1 + (uint32_t)random_below(&random, 12), 2u << random_below(&random, 6));
		spoil(&arena, &random);
		use_kind(&arena, &random);
		assert_true(topic_subscribers(&arena.map) <= arena.map.subscribers);
		(void)topic_ended(&arena.map);
		arena_free(&arena);
	}
}

/* A joiner in such a topic: takes what it can, and touches nothing else. */
static void test_joining_nonsense(void **state)
{
	(void)state;
	uint64_t random = 2;
	for (int i = 0; i < ROUNDS; i++) {
		struct arena arena;
		struct tag tag = {3, 7};
		arena_make(&arena, 3, 5, 8);
		spoil(&arena, &random);
		uint32_t lane = topic_take_lane(&arena.map, tag);
		assert_true(lane < 3 || lane == UINT32_MAX);
		if (lane != UINT32_MAX)
			topic_lane_is_ready(&arena.map, lane);
		uint32_t entry = topic_take_entry(&arena.map, tag);
		assert_true(entry < 5 || entry == UINT32_MAX);
		if (entry != UINT32_MAX)
			topic_activate(&arena.map, entry, tag, i % 2, i % 3);
		topic_wake_publishers(&arena.map);
		topic_kind.repair(&arena.region, tag, false);
		for (uint32_t k = 0; k < 5; k++)
			assert_false(word_state(arena.map.entries[k]) != ENTRY_FREE &&
				     tag_equal(word_tag(arena.map.entries[k]), tag));
		for (uint32_t k = 0; k < 3; k++)
			assert_false(arena.map.controls[k].owner == word_make(LANE_TAKEN, tag));
		arena_free(&arena);
	}
}

static uint64_t wild(uint64_t *random)
{
	switch (random_below(random, 4)) {
	case 0:
		return random_below(random, 10);
	case 1:
		return (uint64_t)1 << random_below(random, 64);
	case 2:
		return (random_below(random, 64) + 1) * 4096;
	default:
		return random_next(random);
	}
}

/* Numbers that were never checked, with a checksum that is right. */
static void test_wild_geometries_never_reach_outside(void **state)
{
	(void)state;
	uint64_t random = 3;
	struct arena arena;
	arena_make(&arena, 2, 4, 8);
	int accepted = 0;
	for (int i = 0; i < 300000; i++) {
		struct topic_geometry *geometry = &arena.map.body->geometry;
		struct topic_geometry sound = *geometry;
		uint64_t which = random_below(&random, 32);
		geometry->lanes = which & 1 ? (uint32_t)wild(&random) : geometry->lanes;
		geometry->subscribers = which & 2 ? (uint32_t)wild(&random) : geometry->subscribers;
		geometry->slots = which & 4 ? (uint32_t)wild(&random) : geometry->slots;
		geometry->inline_bytes = which & 8 ? (uint32_t)wild(&random)
						   : geometry->inline_bytes;
		geometry->payload_bytes = which & 16 ? wild(&random) : geometry->payload_bytes;
		seal(geometry);
		struct topic_map map;
		int r = topic_map(&map, &arena.region);
		assert_true(r == 0 || r == -EBADMSG);
		if (r == 0) {
			accepted++;
			assert_ptr_equal(map.lanes + map.lane_count * map.lane_bytes,
					 arena.region.base + arena.region.bytes);
			use_kind(&arena, &random);
		}
		*geometry = sound;
	}
	assert_true(accepted > 0);
	arena_free(&arena);
}

static void test_a_region_too_small_for_a_topic(void **state)
{
	(void)state;
	uint64_t random = 4;
	for (uint64_t bytes = 0; bytes < 256; bytes += 8) {
		struct arena arena = {.memory = guarded_new(4096 + bytes)};
		random_fill(&random, arena.memory.data, arena.memory.bytes);
		arena.region = (struct region){
		    .base = arena.memory.data,
		    .bytes = arena.memory.bytes,
		    .body_offset = 4096,
		    .seat_count = 16,
		};
		assert_int_equal(topic_kind.validate(&arena.region), -EBADMSG);
		assert_int_equal(topic_kind.audit(&arena.region), -EBADMSG);
		topic_kind.repair(&arena.region, (struct tag){1, 1}, true);
		topic_kind.alert(&arena.region);
		arena_free(&arena);
	}
}

/* At the very end of what is mapped: one byte more would be a signal. */
static void test_a_region_that_ends_within_its_body_is_not_read_beyond(void **state)
{
	(void)state;
	uint8_t *pages =
	    mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(pages, MAP_FAILED);
	assert_int_equal(mprotect(pages + 4096, 4096, PROT_NONE), 0);
	for (uint64_t bytes = 0; bytes < sizeof(struct topic_body); bytes += 8) {
		struct topic_map map;
		struct region region = {
		    .base = pages,
		    .bytes = 4096,
		    .body_offset = 4096 - bytes,
		    .seat_count = 16,
		};
		assert_int_equal(topic_map(&map, &region), -EBADMSG);
	}
	munmap(pages, 8192);
}

static void test_a_geometry_without_its_seal_is_damaged(void **state)
{
	(void)state;
	struct arena arena;
	struct topic_map map;
	arena_make(&arena, 2, 3, 4);
	arena.map.body->geometry.checksum ^= 1;
	assert_int_equal(topic_map(&map, &arena.region), -EBADMSG);
	arena_free(&arena);
}

/* Sealed, and the object as large as it says: only the number itself is wrong. */
static int map_with(struct topic_geometry geometry)
{
	struct arena arena;
	struct topic_map sized, map;
	arena_make(&arena, 2, 3, 4);
	seal(&geometry);
	topic_sizes(&sized, &geometry);
	struct region region = arena.region;
	region.bytes = region.body_offset + sized.body_bytes;
	memcpy(region.base + region.body_offset, &geometry, sizeof(geometry));
	int r = topic_map(&map, &region);
	arena_free(&arena);
	return r;
}

static void test_each_number_of_a_geometry_has_its_limits(void **state)
{
	(void)state;
	const struct topic_geometry sound = {2, 3, 4, .inline_bytes = 56, .payload_bytes = 4096};
#define IS(result, field, value)                                                                   \
	do {                                                                                       \
		struct topic_geometry geometry = sound;                                            \
		geometry.field = (value);                                                          \
		assert_int_equal(map_with(geometry), (result));                                    \
	} while (0)
	IS(0, lanes, 1);
	IS(-EBADMSG, lanes, 0);
	IS(0, lanes, 1024);
	IS(-EBADMSG, lanes, 1025);
	IS(0, subscribers, 1);
	IS(-EBADMSG, subscribers, 0);
	IS(0, subscribers, 4096);
	IS(-EBADMSG, subscribers, 4097);
	IS(0, slots, 2);
	IS(-EBADMSG, slots, 1);
	IS(-EBADMSG, slots, 6);
	IS(0, slots, 1u << 24);
	IS(-EBADMSG, slots, 1u << 25);
	IS(0, inline_bytes, LANE_INLINE_MIN);
	IS(-EBADMSG, inline_bytes, LANE_INLINE_MIN - 8);
	IS(-EBADMSG, inline_bytes, LANE_INLINE_MIN + 4);
	IS(0, inline_bytes, LANE_INLINE_MAX);
	IS(-EBADMSG, inline_bytes, LANE_INLINE_MAX + 8);
	IS(-EBADMSG, payload_bytes, 0);
	IS(-EBADMSG, payload_bytes, 4096 + 64);
	IS(0, payload_bytes, (uint64_t)1 << 40);
	IS(-EBADMSG, payload_bytes, ((uint64_t)1 << 40) + 4096);
#undef IS
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_region_that_ends_within_its_body_is_not_read_beyond),
	    cmocka_unit_test(test_a_geometry_without_its_seal_is_damaged),
	    cmocka_unit_test(test_each_number_of_a_geometry_has_its_limits),
	    cmocka_unit_test(test_nonsense_behind_a_sound_geometry),
	    cmocka_unit_test(test_joining_nonsense),
	    cmocka_unit_test(test_wild_geometries_never_reach_outside),
	    cmocka_unit_test(test_a_region_too_small_for_a_topic),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
