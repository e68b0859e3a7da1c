/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctest: TIMEOUT 300
 *
 * Hostile bytes. Whatever stands in a lane, a publisher that takes it over writes inside the lane
 * only, readers read inside the lane only, everything ends, and nothing crashes.
 */
#include "lane/lane_rig.h"

#include <shoal/error.h>

#define SLOTS 16u

static uint64_t interesting(uint64_t *random)
{
	switch (random_below(random, 8)) {
	case 0:
		return UINT64_MAX - random_below(random, 40);
	case 1:
		return ((uint64_t)1 << random_below(random, 64)) - random_below(random, 3);
	case 2:
	case 3:
		return random_below(random, 64);
	case 4:
		return random_below(random, 1024) * LANE_PAYLOAD_ALIGN;
	default:
		return random_next(random);
	}
}

static void spoil_control(struct rig *rig, uint64_t *random)
{
	struct lane_control *control = rig->map.control;
	random_fill(random, control, sizeof(*control));
	control->position = interesting(random);
	control->begun = interesting(random);
	control->oldest = interesting(random);
}

/* Words that do name messages, with places that are nonsense. */
static void spoil_slots(struct rig *rig, uint64_t *random)
{
	uint64_t first = rig->map.control->position - random_below(random, SLOTS + 1);
	for (uint64_t p = first; p - first < SLOTS; p++) {
		struct lane_slot *slot = lane_slot(&rig->map, p);
		bool outside = random_below(random, 4) != 0;
		slot->word = lane_word(p, outside ? LANE_OUTSIDE : random_below(random, 100));
		slot->data[0] = interesting(random);
		slot->data[1] = interesting(random);
	}
}

static void spoil(struct rig *rig, uint64_t *random)
{
	random_fill(random, rig->slots.data, rig->slots.bytes);
	random_fill(random, rig->payload.data, rig->payload.bytes);
	spoil_control(rig, random);
	if (random_below(random, 4) != 0)
		spoil_slots(rig, random);
	for (uint32_t i = 0; i < RIG_READERS; i++) {
		unsigned what = (unsigned)random_below(random, 6);
		rig->entries[i] = word_make(what, (struct tag){i, 1});
		rig->cursors[i] = rig->map.control->position - interesting(random);
	}
	rig->used = (uint32_t)interesting(random);
	rig->wake = (uint32_t)random_next(random);
}

static volatile uint8_t sink;

/* Touches the whole message: a place outside the lane would not survive that. */
static void touch(const struct lane_message *message)
{
	for (uint64_t i = 0; i < message->bytes; i++)
		sink = (uint8_t)(sink ^ message->data[i]);
}

static int grow(struct lane_buffer *buffer, uint64_t bytes)
{
	assert_true(bytes <= 65536); /* never more than the lane could hold */
	buffer->data = realloc(buffer->data, bytes);
	buffer->room = bytes;
	return buffer->data ? 0 : -ENOMEM;
}

static void read_garbage(struct rig *rig, uint64_t *random)
{
	_Atomic uint64_t cursor = 0;
	struct lane_buffer buffer = {.grow = grow};
	struct lane_message message;
	uint64_t bytes = 0;
	uint64_t at = rig->map.control->position - random_below(random, 2 * SLOTS);
	struct lane_reader reader = {.map = rig->map, .cursor = &cursor, .position = at};
	for (uint64_t i = 0; i < 2 * SLOTS; i++) {
		int r = lane_peek(&reader, &message);
		assert_true(r == 0 || r == 1 || r == -EBADMSG);
		if (r == 1)
			touch(&message);
		lane_pass(&reader);
	}
	reader.position = at;
	for (uint64_t i = 0; i < 2 * SLOTS; i++) {
		int r = lane_copy(&reader, &buffer, &bytes);
		assert_true(r == 0 || r == 1 || r == -EBADMSG);
		if (r == 1)
			assert_true(bytes <= buffer.room);
		lane_pass(&reader);
	}
	free(buffer.data);
}

static void test_readers_of_garbage_stay_inside(void **state)
{
	(void)state;
	uint64_t random = 1;
	for (int i = 0; i < 3000; i++) {
		struct rig rig;
		rig_make(&rig, SLOTS, i % 2 ? 56 : 16, 8192);
		spoil(&rig, &random);
		read_garbage(&rig, &random);
		int r = lane_audit(&rig.map, 0, i % 3);
		assert_true(r == 0 || r == -EBADMSG);
		rig_close(&rig);
	}
}

/* Claims, fills and commits as a publisher does that found this lane. */
static void publish_into_garbage(struct rig *rig, uint64_t *random)
{
	for (int i = 0; i < 60; i++) {
		uint64_t bytes = random_below(random, 3) ? random_below(random, 60)
							 : random_below(random, 8193);
		int r = rig_publish(rig, bytes);
		assert_true(r == 0 || r == -EAGAIN);
		if (r == -EAGAIN)
			for (uint32_t k = 0; k < RIG_READERS; k++)
				rig->cursors[k] = rig->writer.position;
	}
	(void)lane_blocker(&rig->writer);
}

static void test_a_publisher_in_a_spoilt_lane_writes_inside_it_only(void **state)
{
	(void)state;
	uint64_t random = 2;
	for (int i = 0; i < 3000; i++) {
		struct rig rig;
		rig_make(&rig, SLOTS, i % 2 ? 56 : 16, 8192);
		spoil(&rig, &random);
		rig_take_over(&rig);
		publish_into_garbage(&rig, &random);
		read_garbage(&rig, &random);
		rig_close(&rig); /* compares the guards */
	}
}

/* Others may write into the lane while we do: what we look at changes under us. */
static void test_a_lane_that_is_spoilt_at_work_does_no_harm(void **state)
{
	(void)state;
	uint64_t random = 3;
	for (int i = 0; i < 300; i++) {
		struct rig rig;
		rig_open(&rig, SLOTS, 56, 8192);
		for (int k = 0; k < 20; k++) {
			publish_into_garbage(&rig, &random);
			spoil(&rig, &random);
		}
		rig_close(&rig);
	}
}

/* Damage ends with its maker: what an honest successor writes, a newcomer can read. */
static void test_an_honest_publisher_heals_the_lane(void **state)
{
	(void)state;
	uint64_t random = 4;
	for (int i = 0; i < 2000; i++) {
		struct rig rig;
		rig_make(&rig, SLOTS, 56, 8192);
		spoil(&rig, &random);
		memset(rig.entries, 0, sizeof(rig.entries));
		rig.wake = 0;
		rig_take_over(&rig);
		uint64_t begin = rig.writer.position;
		assert_true(begin - rig.map.control->oldest <= SLOTS);
		struct lane_reader reader = rig_join(&rig, 0, ENTRY_LOSSLESS, false);
		for (uint64_t k = 0; k < 100; k++) {
			uint64_t bytes = k % 2 ? 8 : 1 + random_below(&random, 8192);
			assert_int_equal(rig_publish(&rig, bytes), 0);
			assert_int_equal(rig_read(&reader), 1);
		}
		assert_int_equal(reader.position, begin + 100);
		assert_int_equal(lane_audit(&rig.map, 0, true), 0);
		rig_close(&rig);
	}
}

/* ---- each finding of the audit ----------------------------------------------------------- */

static void found(const struct rig *rig, const char *what)
{
	assert_int_equal(lane_audit(&rig->map, 0, true), -EBADMSG);
	if (!strstr(shoal_error_detail(), what))
		fail_msg("'%s', not '%s'", shoal_error_detail(), what);
}

static void test_the_audit_says_what_is_wrong_with_the_words(void **state)
{
	(void)state;
	struct rig rig;
	rig_open(&rig, 16, 56, 4096);
	struct lane_control *control = rig.map.control;
	for (int i = 0; i < 40; i++)
		assert_int_equal(rig_publish(&rig, i % 2 ? 8 : 100), 0);
	assert_int_equal(lane_audit(&rig.map, 0, true), 0);
	const struct lane_control sound = *control;
	control->begun = control->position + 100;
	found(&rig, "more commits are under way");
	control->begun = control->position - 1;
	found(&rig, "more commits are under way");
	*control = sound;
	lane_slot(&rig.map, 40)->word = lane_word(40, 8);
	found(&rig, "more messages than were begun");
	lane_slot(&rig.map, 40)->word = lane_word(24, 0);
	assert_int_equal(lane_audit(&rig.map, 0, true), 0);
	control->oldest = 41;
	found(&rig, "never committed");
	control->oldest = 23;
	found(&rig, "has been overwritten");
	control->oldest = 38;
	assert_int_equal(lane_audit(&rig.map, 0, true), 0);
	rig_close(&rig);
}

static void test_the_audit_says_what_is_wrong_with_messages(void **state)
{
	(void)state;
	struct rig rig;
	rig_open(&rig, 16, 56, 4096);
	for (int i = 0; i < 20; i++)
		assert_int_equal(rig_publish(&rig, 1000), 0);
	assert_int_equal(lane_audit(&rig.map, 0, true), 0);
	struct lane_slot *slot = lane_slot(&rig.map, 18);
	const uint64_t word = slot->word, start = slot->data[0], bytes = slot->data[1];
	slot->word = lane_word(2, 8);
	found(&rig, "its slot holds another one");
	slot->word = lane_word(18, 57);
	found(&rig, "its length or place is nonsense");
	slot->word = word;
	slot->data[0] = start + 1;
	found(&rig, "its length or place is nonsense");
	slot->data[0] = start | (uint64_t)1 << 62; /* the same bytes, in a lap that can't be */
	found(&rig, "its length or place is nonsense");
	slot->data[0] = lane_slot(&rig.map, 17)->data[0];
	found(&rig, "it overlaps");
	slot->data[0] = start;
	slot->data[1] = 4096 - start % 4096 + 1; /* over the end of the area */
	found(&rig, "its length or place is nonsense");
	slot->data[1] = bytes;
	assert_int_equal(lane_audit(&rig.map, 0, true), 0);
	rig_close(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_readers_of_garbage_stay_inside),
	    cmocka_unit_test(test_a_publisher_in_a_spoilt_lane_writes_inside_it_only),
	    cmocka_unit_test(test_a_lane_that_is_spoilt_at_work_does_no_harm),
	    cmocka_unit_test(test_an_honest_publisher_heals_the_lane),
	    cmocka_unit_test(test_the_audit_says_what_is_wrong_with_the_words),
	    cmocka_unit_test(test_the_audit_says_what_is_wrong_with_messages),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
