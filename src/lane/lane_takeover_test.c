/* SPDX-License-Identifier: Apache-2.0 */
/* What a new writer may and must not do with what it finds in the lane. */
#include "lane/lane_rig.h"

static void publish_large(struct rig *rig, int count)
{
	for (int i = 0; i < count; i++)
		assert_int_equal(rig_publish(rig, 1000), 0);
}

/* Messages whose payload was overwritten must not be promised again. */
static void test_a_new_writer_never_lowers_oldest(void **state)
{
	(void)state;
	struct rig rig;
	rig_open(&rig, 16, 56, 4096);
	publish_large(&rig, 20);
	uint64_t oldest = rig.map.control->oldest;
	assert_true(oldest >= 16); /* four fit the area */
	lane_writer_close(&rig.writer);
	rig_take_over(&rig);
	assert_true(rig.map.control->oldest >= oldest);
	assert_int_equal(rig_publish(&rig, 8), 0);
	assert_true(rig.map.control->oldest >= oldest);
	struct lane_reader reader = rig_join(&rig, 0, ENTRY_LOSSLESS, true);
	while (rig_read(&reader))
		; /* each is whole */
	assert_int_equal(reader.position, 21);
	rig_close(&rig);
}

/* The writer before died between raising and looking again: who relies on less is not robbed. */
static void test_a_raise_that_was_not_attained_robs_nobody(void **state)
{
	(void)state;
	struct rig rig;
	rig_open(&rig, 16, 56, 4096);
	struct lane_reader reader = rig_join(&rig, 0, ENTRY_LOSSLESS, false);
	for (int i = 0; i < 16; i++)
		assert_int_equal(rig_publish(&rig, 8), 0);
	rig.map.control->oldest = 2;
	lane_writer_close(&rig.writer);
	rig_take_over(&rig);
	assert_int_equal(rig_publish(&rig, 8), -EAGAIN);
	for (int i = 0; i < 16; i++)
		assert_int_equal(rig_read(&reader), 1);
	assert_int_equal(rig_publish(&rig, 8), 0);
	rig_close(&rig);
}

/* The slot's word was stored, and nothing after it. */
static void test_a_message_that_was_not_counted_is_kept(void **state)
{
	(void)state;
	struct rig rig;
	rig_open(&rig, 16, 56, 4096);
	struct lane_reader reader = rig_join(&rig, 0, ENTRY_LOSSLESS, false);
	for (int i = 0; i < 5; i++)
		assert_int_equal(rig_publish(&rig, i % 2 ? 8 : 500), 0);
	rig.map.control->position = 4;
	assert_int_equal(lane_audit(&rig.map, 0, true), 0);
	assert_int_equal(lane_audit(&rig.map, 0, false), -EBADMSG);
	lane_settle(&rig.map);
	assert_int_equal(rig.map.control->position, 5);
	assert_int_equal(rig.map.control->begun, 5);
	assert_int_equal(lane_audit(&rig.map, 0, false), 0);
	lane_settle(&rig.map); /* a repairer that was killed is followed by another */
	assert_int_equal(rig.map.control->position, 5);
	rig_take_over(&rig);
	assert_int_equal(rig_publish(&rig, 700), 0);
	for (int i = 0; i < 6; i++)
		assert_int_equal(rig_read(&reader), 1);
	assert_int_equal(rig_read(&reader), 0);
	rig_close(&rig);
}

/* It was begun, and nothing was stored. */
static void test_a_commit_that_was_only_begun_leaves_nothing(void **state)
{
	(void)state;
	struct rig rig;
	rig_open(&rig, 16, 56, 4096);
	for (int i = 0; i < 5; i++)
		assert_int_equal(rig_publish(&rig, 8), 0);
	rig.map.control->begun = 6;
	assert_int_equal(lane_audit(&rig.map, 0, true), 0);
	lane_settle(&rig.map);
	assert_int_equal(rig.map.control->begun, 5);
	assert_int_equal(lane_end(&rig.map), 5);
	rig_close(&rig);
}

/* Positions in the payload area have 62 bits. A predecessor that lied may have used them up. */
static void test_payload_positions_start_over_when_they_are_used_up(void **state)
{
	(void)state;
	struct rig rig;
	rig_open(&rig, 16, 56, 4096);
	assert_int_equal(rig_publish(&rig, 64), 0);
	lane_slot(&rig.map, 0)->data[0] = ((uint64_t)1 << 62) - 64;
	lane_writer_close(&rig.writer);
	rig_take_over(&rig);
	struct lane_reader reader = rig_join(&rig, 0, ENTRY_LOSSLESS, false);
	for (int i = 0; i < 40; i++) {
		assert_int_equal(rig_publish(&rig, 1000), 0);
		assert_int_equal(rig_read(&reader), 1);
	}
	rig_close(&rig);
}

static int no_memory(uint64_t bytes, void **ret)
{
	(void)bytes;
	(void)ret;
	return -ENOMEM;
}

static void test_no_memory_for_extents_is_an_error_and_no_crash(void **state)
{
	(void)state;
	struct rig rig;
	rig_open(&rig, 16, 56, 4096);
	os_replace()->map_private = no_memory;
	assert_int_equal(rig_publish(&rig, 500), -ENOMEM);
	assert_int_equal(rig_publish(&rig, 8), 0);
	os_restore(NULL);
	assert_int_equal(rig_publish(&rig, 500), 0);
	lane_writer_close(&rig.writer);
	os_replace()->map_private = no_memory;
	assert_int_equal(lane_writer_open(&rig.writer, &rig.map, &rig.gate, &rig.wake, false),
			 -ENOMEM);
	rig_close(&rig);
}

/* What a writer keeps of its messages outside the slots grows, from any place in its ring. */
static void fill_from(uint64_t lead, bool taken_over)
{
	struct rig rig;
	rig_open(&rig, 512, 56, 300 * 128);
	struct lane_reader reader = rig_join(&rig, 0, ENTRY_LOSSLESS, false);
	for (uint64_t i = 0; i < lead; i++) {
		assert_int_equal(rig_publish(&rig, 120), 0);
		assert_int_equal(rig_read(&reader), 1);
	}
	uint64_t filled = 0;
	while (rig_publish(&rig, 120) == 0)
		filled++;
	assert_int_equal(filled, 300);
	if (taken_over) {
		lane_writer_close(&rig.writer);
		rig_take_over(&rig);
	}
	assert_int_equal(lane_audit(&rig.map, 0, true), 0);
	assert_int_equal(rig_publish(&rig, 120), -EAGAIN);
	for (uint64_t i = 0; i < 2 * filled; i++) {
		assert_int_equal(rig_read(&reader), 1);
		assert_int_equal(rig_publish(&rig, 120), 0);
		assert_int_equal(rig_publish(&rig, 120), -EAGAIN);
	}
	while (rig_read(&reader) == 1)
		filled--;
	assert_int_equal(filled, 0);
	rig_close(&rig);
}

static void test_any_number_of_messages_in_the_payload_area_is_kept_account_of(void **state)
{
	(void)state;
	for (uint64_t lead = 0; lead < 140; lead++)
		fill_from(lead, lead % 2);
}

static void test_too_large_is_said_at_once(void **state)
{
	(void)state;
	struct rig rig;
	void *data = NULL;
	rig_open(&rig, 16, 56, 4096);
	assert_int_equal(lane_claim_outside(&rig.writer, 4097, &data), -EMSGSIZE);
	assert_int_equal(lane_claim_outside(&rig.writer, UINT64_MAX, &data), -EMSGSIZE);
	assert_int_equal(lane_claim_outside(&rig.writer, 4096, &data), 0);
	rig_close(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_new_writer_never_lowers_oldest),
	    cmocka_unit_test(test_a_raise_that_was_not_attained_robs_nobody),
	    cmocka_unit_test(test_a_message_that_was_not_counted_is_kept),
	    cmocka_unit_test(test_a_commit_that_was_only_begun_leaves_nothing),
	    cmocka_unit_test(test_payload_positions_start_over_when_they_are_used_up),
	    cmocka_unit_test_teardown(test_no_memory_for_extents_is_an_error_and_no_crash,
				      os_restore),
	    cmocka_unit_test(test_any_number_of_messages_in_the_payload_area_is_kept_account_of),
	    cmocka_unit_test(test_too_large_is_said_at_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
