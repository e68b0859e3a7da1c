/* SPDX-License-Identifier: Apache-2.0 */
/* Options and geometry; taking, leaving and repairing lanes and entries; what an audit notices. */
#include "topic/topic.h"

#include "base/checksum.h"
#include "lane/lane_rig.h"

#include <shoal/error.h>

/* ---- options and geometry ---------------------------------------------------------------- */

static int geometry_of(struct shoal_topic_options options, struct topic_geometry *geometry)
{
	struct shoal_topic_options checked;
	options.size = sizeof(options);
	int r = topic_options(&options, &checked);
	return r < 0 ? r : topic_geometry(&checked, geometry);
}

static void test_no_options_mean_defaults(void **state)
{
	(void)state;
	struct shoal_topic_options options;
	struct topic_geometry geometry = {0};
	struct topic_map map = {0};
	assert_int_equal(topic_options(NULL, &options), 0);
	assert_int_equal(options.mode, 0600);
	assert_int_equal(options.spin_ns, 20000);
	assert_int_equal(topic_geometry(&options, &geometry), 0);
	assert_int_equal(geometry.lanes, 8);
	assert_int_equal(geometry.subscribers, 256);
	assert_int_equal(geometry.slots, 16384);
	assert_int_equal(geometry.inline_bytes, 56);
	assert_int_equal(geometry.payload_bytes, 2 << 20);
	topic_sizes(&map, &geometry);
	/* For containers with 64 MiB: all of it is not too much, and at first little is taken. */
	assert_true(map.body_bytes < 32u << 20);
	assert_true(map.fixed_bytes + map.lane_bytes < 4u << 20);
}

static void test_messages_size_the_slots_and_the_payload(void **state)
{
	(void)state;
	static const struct {
		uint64_t message, inline_bytes, payload;
	} expected[] = {
	    {1, 56, 2 << 20},         {56, 56, 2 << 20},
	    {57, 64, 2 << 20},        {1024, 1024, 2 << 20},
	    {1025, 56, 2 << 20},      {1 << 20, 56, 8 << 20},
	    {16 << 20, 56, 64 << 20}, {(uint64_t)1 << 30, 56, (uint64_t)1 << 30},
	};
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
		struct topic_geometry geometry = {0};
		struct shoal_topic_options options = {.message_bytes = expected[i].message};
		assert_int_equal(geometry_of(options, &geometry), 0);
		assert_int_equal(geometry.inline_bytes, expected[i].inline_bytes);
		assert_int_equal(geometry.payload_bytes, expected[i].payload);
	}
}

static void test_options_out_of_range_are_refused(void **state)
{
	(void)state;
	struct topic_geometry geometry = {0};
#define REFUSED(...)                                                                               \
	assert_int_equal(geometry_of((struct shoal_topic_options){__VA_ARGS__}, &geometry), -EINVAL)
	REFUSED(.slots = 1);
	REFUSED(.slots = 3);
	REFUSED(.slots = 1u << 25);
	REFUSED(.lanes = 1025);
	REFUSED(.subscribers = 4097);
	REFUSED(.payload_bytes = ((uint64_t)1 << 40) + 1);
	REFUSED(.message_bytes = UINT64_MAX);
	REFUSED(.payload_bytes = 4096, .message_bytes = 5000);
	REFUSED(.mode = 0777);
	REFUSED(.mode = 04600);
#undef REFUSED
	assert_int_equal(geometry_of((struct shoal_topic_options){.slots = 2,
								  .lanes = 1024,
								  .subscribers = 4096,
								  .payload_bytes = 1,
								  .mode = 0666},
				     &geometry),
			 0);
	assert_int_equal(geometry.payload_bytes, 4096);
}

static void test_options_of_other_versions(void **state)
{
	(void)state;
	struct {
		struct shoal_topic_options options;
		uint64_t tail[2];
	} newer = {.options = {.size = sizeof(newer), .slots = 4}};
	struct shoal_topic_options checked;
	assert_int_equal(topic_options(&newer.options, &checked), 0);
	assert_int_equal(checked.slots, 4);
	newer.tail[1] = 1;
	assert_int_equal(topic_options(&newer.options, &checked), -E2BIG);
	/* An older one ends before fields that we know: they are defaults. */
	struct shoal_topic_options older = {
	    .message_bytes = 100, .payload_bytes = 77, .mode = 0644};
	older.size = offsetof(struct shoal_topic_options, payload_bytes);
	assert_int_equal(topic_options(&older, &checked), 0);
	assert_int_equal(checked.message_bytes, 100);
	assert_int_equal(checked.payload_bytes, 0);
	assert_int_equal(checked.mode, 0600);
	older.size = 0;
	assert_int_equal(topic_options(&older, &checked), -EINVAL);
}

/* ---- a topic in private memory ----------------------------------------------------------- */

struct arena {
	struct guarded memory;
	struct topic_map map;
};

static int set_up(void **state)
{
	static struct arena arena;
	struct topic_geometry geometry = {0};
	struct shoal_topic_options options = {
	    .lanes = 3, .subscribers = 4, .slots = 8, .payload_bytes = 4096};
	assert_int_equal(geometry_of(options, &geometry), 0);
	uint32_t seats = 3 + 4 + TOPIC_SPARE_SEATS;
	topic_sizes(&arena.map, &geometry);
	uint64_t body = segment_body_offset(seats);
	arena.memory = guarded_new(body + arena.map.body_bytes);
	memcpy(arena.memory.data + body, &geometry, sizeof(geometry));
	struct region region = {arena.memory.data, arena.memory.bytes, body, seats};
	assert_int_equal(topic_map(&arena.map, &region), 0);
	for (uint32_t i = 0; i < 8; i++)
		seat_entry(&region, i)->word = word_make(SEAT_TAKEN, (struct tag){i, 1});
	*state = &arena;
	return 0;
}

static int tear_down(void **state)
{
	struct arena *arena = *state;
	guarded_free(&arena->memory);
	return 0;
}

static struct tag seat_tag(uint32_t seat)
{
	return (struct tag){seat, 1};
}

static int audit(const struct arena *arena)
{
	return topic_kind.audit(&arena->map.region);
}

static uint32_t publisher(struct arena *arena, uint32_t seat, struct lane_writer *writer)
{
	const struct topic_map *map = &arena->map;
	uint32_t lane = topic_take_lane(map, seat_tag(seat));
	if (lane == UINT32_MAX)
		return lane;
	if (!topic_lane_ready(map, lane))
		topic_lane_is_ready(map, lane);
	struct lane_map facts = topic_lane(map, lane);
	struct gate gate = topic_gate(map, lane);
	assert_int_equal(lane_writer_open(writer, &facts, &gate, &map->body->wake, false), 0);
	return lane;
}

static void test_lanes_with_memory_are_taken_first(void **state)
{
	struct arena *arena = *state;
	struct lane_writer writer = {0};
	assert_int_equal(publisher(arena, 0, &writer), 0);
	assert_int_equal(publisher(arena, 1, &writer), 1);
	topic_kind.repair(&arena->map.region, seat_tag(1), true);
	assert_int_equal(publisher(arena, 2, &writer), 1);
	assert_int_equal(publisher(arena, 3, &writer), 2);
	assert_int_equal(publisher(arena, 4, &writer), UINT32_MAX);
	assert_int_equal(audit(arena), 0);
}

static void test_the_last_to_go_decides_how_it_ended(void **state)
{
	struct arena *arena = *state;
	struct lane_writer writer = {0};
	assert_false(topic_ended(&arena->map)); /* nobody ever was */
	publisher(arena, 0, &writer);
	publisher(arena, 1, &writer);
	topic_kind.repair(&arena->map.region, seat_tag(0), false);
	assert_false(topic_ended(&arena->map));
	topic_kind.repair(&arena->map.region, seat_tag(1), true);
	assert_true(topic_ended(&arena->map));
	publisher(arena, 2, &writer);
	assert_false(topic_ended(&arena->map));
	topic_kind.repair(&arena->map.region, seat_tag(2), false); /* killed: it has not closed */
	assert_false(topic_ended(&arena->map));
	assert_int_equal(audit(arena), 0);
}

/* What the last subscriber in that place lost is none of the next one's. */
static void test_a_newcomer_has_lost_nothing(void **state)
{
	struct arena *arena = *state;
	const struct topic_map *map = &arena->map;
	uint32_t entry = topic_take_entry(map, seat_tag(1));
	topic_record(map, entry)->lost = 17;
	topic_activate(map, entry, seat_tag(1), true, false);
	assert_int_equal(topic_record(map, entry)->lost, 0);
}

static void test_repair_rolls_only_what_carries_the_tag(void **state)
{
	struct arena *arena = *state;
	const struct topic_map *map = &arena->map;
	struct lane_writer writer = {0};
	publisher(arena, 0, &writer);
	publisher(arena, 1, &writer);
	for (uint32_t i = 2; i < 4; i++)
		topic_activate(map, topic_take_entry(map, seat_tag(i)), seat_tag(i), false, false);
	/* Another generation of the same seat is somebody else. */
	topic_kind.repair(&map->region, (struct tag){1, 2}, false);
	topic_kind.repair(&map->region, (struct tag){2, 0}, false);
	assert_int_equal(map->controls[1].owner, word_make(LANE_TAKEN, seat_tag(1)));
	assert_int_equal(map->entries[0], word_make(ENTRY_LOSSLESS, seat_tag(2)));
	for (int again = 0; again < 2; again++) {
		topic_kind.repair(&map->region, seat_tag(1), false);
		topic_kind.repair(&map->region, seat_tag(2), false);
		assert_int_equal(map->controls[1].owner, word_make(LANE_DIED, seat_tag(1)));
		assert_int_equal(map->controls[1].departed, 1);
		assert_int_equal(word_state(map->entries[0]), ENTRY_FREE);
	}
	assert_int_equal(map->controls[0].owner, word_make(LANE_TAKEN, seat_tag(0)));
	assert_int_equal(map->entries[1], word_make(ENTRY_LOSSLESS, seat_tag(3)));
	assert_int_equal(topic_subscribers(map), 1);
	assert_int_equal(audit(arena), 0);
}

static void test_repair_wakes_everybody_even_with_nothing_to_roll(void **state)
{
	struct arena *arena = *state;
	const struct topic_map *map = &arena->map;
	map->body->wake = WAIT_SLEEPER;
	map->controls[1].gate = WAIT_SLEEPER;
	uint32_t epoch = map->body->shared.epoch;
	topic_kind.repair(&map->region, seat_tag(5), false);
	/* It counts, so nobody falls asleep on the old value, and the bit is never away: in an
	 * object that was removed it is what tells publishers so. */
	assert_int_equal(map->body->wake, WAIT_SLEEPER + WAIT_COUNT);
	assert_int_equal(map->controls[1].gate & WAIT_SLEEPER, 0);
	assert_int_not_equal(map->body->shared.epoch, epoch);
}

static const struct topic_map *watched;
static uint32_t epoch_before;
static int tellings;

static int look_at_epoch(const void *word, void *add, unsigned shift)
{
	if (word == (const void *)&watched->body->wake) {
		assert_int_not_equal(watched->body->shared.epoch, epoch_before);
		tellings++;
	}
	return os_linux.futex_add_and_wake(word, add, shift);
}

/* Who is woken looks at the epoch once, and may sleep on for ever if it finds the old one. */
static void test_the_epoch_has_changed_when_sleepers_wake(void **state)
{
	struct arena *arena = *state;
	struct os_calls calls = os_linux;
	watched = &arena->map;
	epoch_before = watched->body->shared.epoch;
	calls.futex_add_and_wake = look_at_epoch;
	os = &calls;
	tellings = 0;
	topic_kind.repair(&watched->region, seat_tag(5), false);
	assert_true(tellings > 0);
	epoch_before = watched->body->shared.epoch;
	tellings = 0;
	topic_lane_is_ready(watched, 1);
	assert_true(tellings > 0);
	os = &os_linux;
}

static int closings;

static int look_at_closing(const void *word, void *add, unsigned shift)
{
	struct lane_control *control = &watched->controls[0];
	if (add == (uint32_t *)(void *)&control->owner + 1) {
		assert_int_equal(control->begun, control->position + 1);
		/* Who set the bit and has not slept yet must not: we may be killed behind this. */
		assert_int_not_equal(watched->body->wake, WAIT_SLEEPER);
		closings++;
	}
	return os_linux.futex_add_and_wake(word, add, shift);
}

/* The end is told as a message is: begun first, and nobody falls asleep on the old word. */
static void test_who_is_about_to_sleep_learns_of_the_end(void **state)
{
	struct arena *arena = *state;
	struct os_calls calls = os_linux;
	struct lane_writer writer = {0};
	watched = &arena->map;
	publisher(arena, 0, &writer);
	watched->body->wake = WAIT_SLEEPER;
	calls.futex_add_and_wake = look_at_closing;
	os = &calls;
	closings = 0;
	topic_kind.repair(&watched->region, seat_tag(0), true);
	os = &os_linux;
	assert_int_equal(closings, 1);
	assert_int_equal(word_state(watched->controls[0].owner), LANE_CLOSED);
}

static int look_at_joined(const void *word, void *add, unsigned shift)
{
	if (word == (const void *)&watched->controls[1].gate) {
		assert_int_equal(watched->body->shared.joined, 1);
		tellings++;
	}
	return os_linux.futex_add_and_wake(word, add, shift);
}

/* One that waits for the first subscriber looks at that count when it is woken, and not again. */
static void test_a_newcomer_is_counted_before_publishers_wake(void **state)
{
	struct arena *arena = *state;
	struct os_calls calls = os_linux;
	watched = &arena->map;
	watched->controls[1].gate = WAIT_SLEEPER;
	calls.futex_add_and_wake = look_at_joined;
	os = &calls;
	tellings = 0;
	topic_activate(watched, topic_take_entry(watched, seat_tag(1)), seat_tag(1), false, false);
	os = &os_linux;
	assert_true(tellings > 0);
}

static void test_entries_are_taken_one_by_one(void **state)
{
	struct arena *arena = *state;
	const struct topic_map *map = &arena->map;
	for (uint32_t i = 0; i < 4; i++) {
		assert_int_equal(topic_take_entry(map, seat_tag(i)), i);
		assert_int_equal(map->body->shared.used, i + 1);
		assert_int_equal(map->entries[i], word_make(ENTRY_JOINING, seat_tag(i)));
	}
	assert_int_equal(topic_take_entry(map, seat_tag(4)), UINT32_MAX);
	assert_int_equal(topic_subscribers(map), 0); /* nobody is active yet */
	topic_kind.repair(&map->region, seat_tag(2), false);
	assert_int_equal(topic_take_entry(map, seat_tag(4)), 2);
	assert_int_equal(map->body->shared.used, 4);
	assert_int_equal(audit(arena), 0);
}

static void test_newcomers_begin_where_they_asked(void **state)
{
	struct arena *arena = *state;
	const struct topic_map *map = &arena->map;
	struct lane_writer writer = {0};
	publisher(arena, 0, &writer);
	for (uint64_t i = 0; i < 9; i++) {
		assert_true(lane_has_room(&writer));
		lane_put(&writer, &i, 8);
	}
	topic_activate(map, topic_take_entry(map, seat_tag(1)), seat_tag(1), false, false);
	topic_activate(map, topic_take_entry(map, seat_tag(2)), seat_tag(2), false, true);
	topic_activate(map, topic_take_entry(map, seat_tag(3)), seat_tag(3), true, true);
	assert_int_equal(topic_record(map, 0)->cursors[0], 9);
	assert_int_equal(topic_record(map, 1)->cursors[0], 1);
	assert_int_equal(topic_record(map, 2)->cursors[0], 1);
	assert_int_equal(map->body->shared.joined, 3);
	assert_int_equal(word_state(map->entries[2]), ENTRY_LOSSY);
	assert_false(lane_has_room(&writer)); /* the one that began at oldest is in the way */
	assert_int_equal(audit(arena), 0);
}

/* ---- what an audit notices --------------------------------------------------------------- */

/* Changes a 64-bit word, and expects the audit to speak of `what`; then puts it back. */
static void notices(const struct arena *arena, _Atomic uint64_t *word, uint64_t value,
		    const char *what)
{
	uint64_t good = *word;
	assert_int_equal(audit(arena), 0);
	*word = value;
	assert_int_equal(audit(arena), -EBADMSG);
	if (!strstr(shoal_error_detail(), what))
		fail_msg("\"%s\" does not say \"%s\"", shoal_error_detail(), what);
	*word = good;
}

static void test_an_audit_notices(void **state)
{
	struct arena *arena = *state;
	const struct topic_map *map = &arena->map;
	struct lane_writer writer = {0};
	publisher(arena, 0, &writer);
	for (uint64_t i = 0; i < 10; i++) {
		void *data = NULL;
		if (i % 2) {
			assert_int_equal(lane_claim_outside(&writer, 1000, &data), 0);
			lane_commit_outside(&writer, 1000);
		} else {
			assert_true(lane_has_room(&writer));
			lane_put(&writer, &i, 8);
		}
	}
	topic_activate(map, topic_take_entry(map, seat_tag(1)), seat_tag(1), false, true);
	struct lane_control *control = &map->controls[0];
	struct lane_map lane = topic_lane(map, 0);
	notices(arena, &control->owner, word_make(9, seat_tag(0)), "state");
	notices(arena, &control->owner, word_make(LANE_TAKEN, (struct tag){0, 2}), "nobody");
	notices(arena, &control->owner, word_make(LANE_TAKEN, (struct tag){9, 1}), "nobody");
	notices(arena, &map->controls[1].position, 5, "no memory");
	control->ready = 2;
	assert_int_equal(audit(arena), -EBADMSG);
	assert_non_null(strstr(shoal_error_detail(), "state"));
	control->ready = 0;
	assert_int_equal(audit(arena), -EBADMSG);
	assert_non_null(strstr(shoal_error_detail(), "no memory"));
	control->ready = 1;
	notices(arena, &control->begun, 9, "under way");
	notices(arena, &control->begun, 10 + LANE_BATCH + 1, "under way");
	notices(arena, &lane_slot(&lane, 10)->word, lane_word(10, 8), "begun");
	notices(arena, &control->oldest, 11, "promised");
	notices(arena, &control->oldest, 0, "overwritten");
	notices(arena, &lane_slot(&lane, 8)->word, lane_word(16, 8), "another");
	notices(arena, &lane_slot(&lane, 8)->word, lane_word(8, 60), "nonsense");
	notices(arena, &lane_slot(&lane, 7)->data[1], 1 << 20, "nonsense");
	notices(arena, &lane_slot(&lane, 7)->data[0], 64, "overlaps");
	notices(arena, &map->entries[0], word_make(7, seat_tag(1)), "state");
	notices(arena, &map->entries[0], word_make(ENTRY_LOSSLESS, (struct tag){1, 3}), "nobody");
	notices(arena, &map->entries[3], word_make(ENTRY_LOSSY, seat_tag(1)), "used");
	notices(arena, &topic_record(map, 0)->cursors[0], 11, "outside");
	notices(arena, &topic_record(map, 0)->cursors[0], 1, "outside");
	lane_writer_close(&writer);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_no_options_mean_defaults),
	    cmocka_unit_test(test_messages_size_the_slots_and_the_payload),
	    cmocka_unit_test(test_options_out_of_range_are_refused),
	    cmocka_unit_test(test_options_of_other_versions),
	    TEST(test_lanes_with_memory_are_taken_first),
	    TEST(test_the_last_to_go_decides_how_it_ended),
	    TEST(test_a_newcomer_has_lost_nothing),
	    TEST(test_repair_rolls_only_what_carries_the_tag),
	    TEST(test_repair_wakes_everybody_even_with_nothing_to_roll),
	    TEST(test_the_epoch_has_changed_when_sleepers_wake),
	    TEST(test_who_is_about_to_sleep_learns_of_the_end),
	    TEST(test_a_newcomer_is_counted_before_publishers_wake),
	    TEST(test_entries_are_taken_one_by_one),
	    TEST(test_newcomers_begin_where_they_asked),
	    TEST(test_an_audit_notices),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
