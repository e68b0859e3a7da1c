/* SPDX-License-Identifier: Apache-2.0 */
/* Slipping: only close behind the writer, only in a stream, and ever more rarely in vain. */
#include "lane/lane_rig.h"
#include "lane/slip.h"

#define SLOTS (4 * SLIP_FAR)

static struct lane_reader open_behind(struct rig *rig, uint64_t slots, uint64_t messages)
{
	rig_open(rig, slots, 56, 4096);
	struct lane_reader reader = rig_join(rig, 0, ENTRY_LOSSLESS, false);
	for (uint64_t i = 0; i < messages; i++)
		assert_int_equal(rig_publish(rig, 8), 0);
	return reader;
}

static void test_far_enough_behind_it_goes_on(void **state)
{
	(void)state;
	struct rig rig;
	struct slip slip = {.rest = 3, .vain = 4};
	struct lane_reader reader = open_behind(&rig, SLOTS, SLIP_CLOSE + 1);
	slip_at_turn(&slip, &reader);
	assert_int_equal(slip.rest, 3); /* not even counted */
	rig_close(&rig);
}

static void test_in_vain_it_comes_ever_more_rarely(void **state)
{
	(void)state;
	struct rig rig;
	struct slip slip = {0};
	struct lane_reader reader = open_behind(&rig, SLOTS, SLIP_CLOSE);
	for (uint32_t vain = 1; vain <= SLIP_REST; vain *= 2) {
		slip_at_turn(&slip, &reader);
		assert_int_equal(slip.vain, vain);
		for (uint32_t left = vain; left > 0; left--) {
			assert_int_equal(slip.rest, left);
			slip_at_turn(&slip, &reader);
		}
		assert_int_equal(slip.rest, 0);
	}
	slip_at_turn(&slip, &reader);
	assert_int_equal(slip.vain, SLIP_REST); /* and no more rarely than that */
	rig_close(&rig);
}

static void test_messages_that_come_one_at_a_time_are_not_held_up(void **state)
{
	(void)state;
	struct rig rig;
	struct slip slip = {0};
	struct lane_reader reader = open_behind(&rig, SLOTS, 1);
	for (int i = 0; i <= SLIP_WAITS; i++)
		slip_waited(&slip);
	slip_at_turn(&slip, &reader);
	assert_int_equal(slip.vain, 0);
	assert_int_equal(slip.waits, 0); /* a new turn */
	slip_at_turn(&slip, &reader);
	assert_int_equal(slip.vain, 1);
	rig_close(&rig);
}

static void test_in_a_small_lane_the_writer_is_not_kept_waiting(void **state)
{
	(void)state;
	struct rig rig;
	struct slip slip = {0};
	struct lane_reader reader = open_behind(&rig, SLOTS / 2, 1);
	slip_at_turn(&slip, &reader);
	assert_int_equal(slip.vain, 0);
	rig_close(&rig);
}

/* A writer that makes SLIP_STEP messages each time somebody looks at the clock. */
static struct {
	struct rig *rig;
	int64_t now_ns;
	int64_t message_ns;
} pace;

static int64_t paced_now_ns(void)
{
	for (int i = 0; i < SLIP_STEP; i++)
		assert_int_equal(rig_publish(pace.rig, 8), 0);
	return pace.now_ns += SLIP_STEP * pace.message_ns;
}

static uint32_t vain_at_pace(int64_t message_ns)
{
	struct rig rig;
	struct slip slip = {.vain = 7};
	struct lane_reader reader = open_behind(&rig, SLOTS, 1);
	pace.rig = &rig;
	pace.message_ns = message_ns;
	os_replace()->now_ns = paced_now_ns;
	slip_at_turn(&slip, &reader);
	os_restore(NULL);
	rig_close(&rig);
	return slip.vain;
}

static void test_a_writer_in_no_hurry_is_not_waited_for(void **state)
{
	(void)state;
	assert_int_equal(vain_at_pace(SLIP_NS / SLIP_FAR / 2), 0);
	assert_int_equal(vain_at_pace(SLIP_NS / SLIP_FAR * 2), 14);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_far_enough_behind_it_goes_on),
	    cmocka_unit_test(test_in_vain_it_comes_ever_more_rarely),
	    cmocka_unit_test(test_messages_that_come_one_at_a_time_are_not_held_up),
	    cmocka_unit_test(test_a_writer_in_no_hurry_is_not_waited_for),
	    cmocka_unit_test(test_in_a_small_lane_the_writer_is_not_kept_waiting),
	};
	return cmocka_run_group_tests_name("slip", tests, NULL, NULL);
}
