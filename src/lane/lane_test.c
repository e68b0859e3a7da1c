/* SPDX-License-Identifier: Apache-2.0 */
/* One writer, readers that stand somewhere: what may be written, what may be read. */
#include "lane/lane_rig.h"

static void test_messages_arrive_in_order_with_all_lengths(void **state)
{
	(void)state;
	struct rig rig;
	rig_open(&rig, 256, 56, 4096);
	struct lane_reader reader = rig_join(&rig, 0, ENTRY_LOSSLESS, false);
	struct lane_message message;
	assert_int_equal(lane_peek(&reader, &message), 0);
	for (uint64_t bytes = 0; bytes <= 80; bytes++)
		assert_int_equal(rig_publish(&rig, bytes), 0);
	for (uint64_t bytes = 0; bytes <= 80; bytes++) {
		assert_int_equal(lane_peek(&reader, &message), 1);
		assert_int_equal(message.bytes, bytes);
		assert_int_equal(rig_read(&reader), 1);
	}
	assert_int_equal(lane_peek(&reader, &message), 0);
	assert_int_equal(lane_audit(&rig.map, 0, true), 0);
	rig_close(&rig);
}

static void test_a_reader_that_keeps_up_sees_every_lap(void **state)
{
	(void)state;
	for (uint64_t slots = 2; slots <= 64; slots *= 2) {
		struct rig rig;
		rig_open(&rig, slots, 16, 4096);
		struct lane_reader reader = rig_join(&rig, 0, ENTRY_LOSSLESS, false);
		for (uint64_t i = 0; i < slots * 5; i++) {
			assert_int_equal(rig_publish(&rig, i % 17), 0);
			assert_int_equal(rig_read(&reader), 1);
		}
		assert_int_equal(rig_read(&reader), 0);
		assert_int_equal(lane_audit(&rig.map, 0, true), 0);
		rig_close(&rig);
	}
}

static void test_a_standing_reader_gates_after_a_full_lane(void **state)
{
	(void)state;
	struct rig rig;
	rig_open(&rig, 16, 56, 4096);
	struct lane_reader slow = rig_join(&rig, 0, ENTRY_LOSSLESS, false);
	struct lane_reader fast = rig_join(&rig, 1, ENTRY_LOSSLESS, false);
	assert_int_equal(lane_blocker(&rig.writer), UINT32_MAX);
	for (uint64_t i = 0; i < 16; i++) {
		assert_int_equal(rig_publish(&rig, 8), 0);
		assert_int_equal(rig_read(&fast), 1);
	}
	assert_int_equal(rig_publish(&rig, 8), -EAGAIN);
	assert_int_equal(rig_publish(&rig, 8), -EAGAIN);
	assert_int_equal(lane_blocker(&rig.writer), 0);
	assert_int_equal(rig_read(&slow), 1);
	assert_int_equal(rig_publish(&rig, 8), 0);
	assert_int_equal(rig_publish(&rig, 8), -EAGAIN);
	/* Its entry is freed by a repair: it gates no more, and nothing else has to happen. */
	rig_leave(&rig, 0);
	assert_int_equal(rig_publish(&rig, 8), 0);
	assert_int_equal(lane_blocker(&rig.writer), 1);
	assert_int_equal(rig_read(&fast), 1);
	assert_int_equal(rig_read(&fast), 1);
	assert_int_equal(rig_read(&fast), 0);
	rig_close(&rig);
}

static void test_lossy_and_joining_readers_gate_nobody(void **state)
{
	(void)state;
	struct rig rig;
	rig_open(&rig, 8, 56, 4096);
	rig_join(&rig, 0, ENTRY_LOSSY, false);
	rig_join(&rig, 1, ENTRY_JOINING, false);
	for (uint64_t i = 0; i < 100; i++)
		assert_int_equal(rig_publish(&rig, 8), 0);
	assert_int_equal(lane_blocker(&rig.writer), UINT32_MAX);
	rig_close(&rig);
}

static void test_oldest_is_raised_by_an_eighth(void **state)
{
	(void)state;
	struct rig rig;
	rig_open(&rig, 64, 56, 4096);
	for (uint64_t i = 0; i < 64; i++)
		assert_int_equal(rig_publish(&rig, 8), 0);
	assert_int_equal(rig.map.control->oldest, 0);
	assert_int_equal(rig_publish(&rig, 8), 0);
	assert_int_equal(rig.map.control->oldest, 8);
	for (uint64_t i = 0; i < 7; i++)
		assert_int_equal(rig_publish(&rig, 8), 0);
	assert_int_equal(rig.map.control->oldest, 8);
	/* A newcomer finds seven eighths, and all of them stay for it. */
	struct lane_reader reader = rig_join(&rig, 0, ENTRY_LOSSLESS, true);
	assert_int_equal(reader.position, 8);
	assert_int_equal(rig_publish(&rig, 8), -EAGAIN);
	for (uint64_t i = 8; i < 72; i++)
		assert_int_equal(rig_read(&reader), 1);
	assert_int_equal(rig_read(&reader), 0);
	rig_close(&rig);
}

static void test_a_holding_writer_waits_for_the_first_subscriber(void **state)
{
	(void)state;
	struct rig rig;
	rig_make(&rig, 8, 56, 4096);
	rig.gate.hold = true;
	rig_take_over(&rig);
	for (uint64_t i = 0; i < 8; i++)
		assert_int_equal(rig_publish(&rig, 8), 0);
	assert_int_equal(rig_publish(&rig, 8), -EAGAIN);
	struct lane_reader reader = rig_join(&rig, 0, ENTRY_LOSSLESS, true);
	for (uint64_t i = 0; i < 8; i++)
		assert_int_equal(rig_read(&reader), 1);
	rig_leave(&rig, 0);
	/* It held until somebody came; who has gone since is not waited for. */
	for (uint64_t i = 0; i < 20; i++)
		assert_int_equal(rig_publish(&rig, 8), 0);
	rig_close(&rig);
}

static void test_dishonest_cursors_gate_nothing(void **state)
{
	(void)state;
	static const uint64_t lies[] = {101, 1000, 83, 0, UINT64_MAX, (uint64_t)1 << 63};
	struct rig rig;
	rig_open(&rig, 16, 56, 4096);
	rig_join(&rig, 0, ENTRY_LOSSLESS, false);
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		rig.cursors[0] = lies[i];
		assert_int_equal(gate_minimum(&rig.gate, 100, 16, 0), 100);
	}
	rig.cursors[0] = 84;
	assert_int_equal(gate_minimum(&rig.gate, 100, 16, 0), 84);
	rig.cursors[0] = 100;
	assert_int_equal(gate_minimum(&rig.gate, 100, 16, 0), 100);
	/* A count of used entries that is a lie stays within the table. */
	rig.used = UINT32_MAX;
	assert_int_equal(gate_minimum(&rig.gate, 100, 16, 0), 100);
	rig_close(&rig);
}

/* Who is arriving may have a cursor from long ago, until it has looked again. */
static void test_an_outdated_cursor_of_an_arriving_reader_gates_everything(void **state)
{
	(void)state;
	struct rig rig;
	rig_open(&rig, 16, 56, 4096);
	rig_join(&rig, 0, ENTRY_ARRIVING, false);
	rig.cursors[0] = 84;
	assert_int_equal(gate_minimum(&rig.gate, 100, 16, 80), 84);
	rig.cursors[0] = 3;
	assert_true(gate_minimum(&rig.gate, 100, 16, 84) <= 84);
	for (uint64_t i = 0; i < 16; i++)
		assert_int_equal(rig_publish(&rig, 8), 0);
	rig.cursors[0] = 0 - (uint64_t)5;
	assert_int_equal(rig_publish(&rig, 8), -EAGAIN);
	rig.cursors[0] = 16;
	rig.entries[0] = word_make(ENTRY_LOSSLESS, (struct tag){0, 1});
	assert_int_equal(rig_publish(&rig, 8), 0);
	rig_close(&rig);
}

/* All slots as they would be if the lane had come so far, with messages of no bytes. */
static void pretend_position(struct rig *rig, uint64_t position)
{
	struct lane_control *control = rig->map.control;
	for (uint64_t p = position - rig->map.slot_count; p != position; p++)
		lane_slot(&rig->map, p)->word = lane_word(p, 0);
	control->position = control->begun = position;
	control->oldest = position - rig->map.slot_count;
}

static void cross(uint64_t position)
{
	struct rig rig;
	rig_make(&rig, 16, 56, 4096);
	pretend_position(&rig, position);
	assert_int_equal(lane_audit(&rig.map, 0, false), 0);
	rig_take_over(&rig);
	assert_int_equal(rig.writer.position, position);
	struct lane_reader reader = rig_join(&rig, 0, ENTRY_LOSSLESS, false);
	struct lane_reader lossy = rig_join(&rig, 1, ENTRY_LOSSY, false);
	for (uint64_t i = 0; i < 40; i++) {
		assert_int_equal(rig_publish(&rig, i % 2 ? 40 : 600), 0);
		assert_int_equal(reader.position, position + i);
		assert_int_equal(rig_read(&reader), 1);
	}
	assert_int_equal(rig_read(&reader), 0);
	for (uint64_t i = 0; i < 16; i++)
		assert_int_equal(rig_publish(&rig, 8), 0);
	assert_int_equal(rig_publish(&rig, 8), -EAGAIN);
	assert_int_equal(lane_end(&rig.map), position + 56);
	assert_true(lane_skip_lost(&lossy));
	assert_int_equal(lossy.lost, rig.map.control->oldest - position);
	rig_close(&rig);
}

static void test_sequences_go_on_past_their_48_bits(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < 24; i++)
		cross(((uint64_t)1 << 48) - i);
	cross(((uint64_t)5 << 48) - 9);
}

static void test_positions_go_on_past_their_63_bits(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < 24; i++)
		cross(((uint64_t)1 << 63) - i);
}

static void test_positions_go_on_past_their_64_bits(void **state)
{
	(void)state;
	for (uint64_t i = 20; i < 44; i++)
		cross(0 - i);
}

/* ---- waking ------------------------------------------------------------------------------ */

static struct rig *seen_rig;
static int waking_calls;
static int waking_result;

/* Between the two steps of a waking commit: no reader may take the word for a message. */
static int look_between(const void *word, void *add, unsigned shift)
{
	if (add == (const void *)word)
		return os_linux.futex_add_and_wake(word, add, shift);
	struct rig *rig = seen_rig;
	struct lane_control *control = rig->map.control;
	struct lane_message message;
	uint64_t position = rig->writer.position;
	struct lane_reader reader = {.map = rig->map, .position = position};
	waking_calls++;
	assert_ptr_equal(word, &rig->wake);
	/* Who set the bit and has not slept yet must not: nobody may be alive to wake it. */
	assert_int_not_equal(rig->wake, WAIT_SLEEPER);
	assert_int_equal(lane_peek(&reader, &message), 0);
	assert_int_equal(control->begun, position + 1);
	assert_int_equal(control->position, position);
	assert_int_equal(lane_end(&rig->map), position);
	if (waking_result == 0)
		return os_linux.futex_add_and_wake(word, add, shift);
	return waking_result;
}

static void commit_with_a_sleeper(uint64_t position, int result)
{
	struct rig rig;
	rig_make(&rig, 16, 56, 4096);
	pretend_position(&rig, position);
	rig_take_over(&rig);
	struct lane_reader reader = rig_join(&rig, 0, ENTRY_LOSSLESS, false);
	os_replace()->futex_add_and_wake = look_between;
	seen_rig = &rig;
	waking_calls = 0;
	waking_result = result;
	for (int i = 0; i < 3; i++) {
		rig.wake = WAIT_SLEEPER;
		rig.writer.woke = false;
		assert_int_equal(rig_publish(&rig, 11), 0);
		assert_int_equal(waking_calls, i + 1);
		assert_true(rig.writer.woke);
		assert_int_equal(rig.wake & WAIT_SLEEPER, 0);
		assert_int_not_equal(rig.wake, 0); /* who was about to sleep goes round again */
		assert_int_equal(rig.map.control->begun, rig.writer.position);
		assert_int_equal(rig.map.control->position, rig.writer.position);
		assert_int_equal(rig_read(&reader), 1);
	}
	os_restore(NULL);
	assert_int_equal(lane_audit(&rig.map, 0, true), 0);
	rig_close(&rig);
}

static void test_a_waking_commit_shows_nothing_too_early(void **state)
{
	(void)state;
	/* The borrow of the sequence's low half at every interesting place. */
	static const uint64_t positions[] = {
	    16, 65533, 65534, 65535, 131070, 0xfffffffd, 0xffffffff, ((uint64_t)1 << 48) - 2};
	for (size_t i = 0; i < sizeof(positions) / sizeof(positions[0]); i++)
		commit_with_a_sleeper(positions[i], 0);
}

static void test_a_waking_commit_works_where_the_call_is_forbidden(void **state)
{
	(void)state;
	commit_with_a_sleeper(65534, -ENOSYS);
	commit_with_a_sleeper(100, -EPERM);
}

static int count_wakes(const void *word, void *add, unsigned shift)
{
	(void)word;
	(void)shift;
	*(uint32_t *)add += 1;
	waking_calls++;
	return 0;
}

static void test_subscribers_wake_a_gated_writer_at_its_hint(void **state)
{
	(void)state;
	struct rig rig;
	rig_open(&rig, 16, 56, 4096);
	struct lane_reader reader = rig_join(&rig, 0, ENTRY_LOSSLESS, false);
	for (uint64_t i = 0; i < 16; i++)
		assert_int_equal(rig_publish(&rig, 8), 0);
	os_replace()->futex_add_and_wake = count_wakes;
	waking_calls = 0;
	rig.map.control->gate = WAIT_SLEEPER;
	rig.map.control->gate_at = 4;
	for (int i = 1; i <= 6; i++) {
		assert_int_equal(rig_read(&reader), 1);
		lane_open_gate(&reader, i % 2);
		assert_int_equal(waking_calls, i >= 4);
	}
	rig_close(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_messages_arrive_in_order_with_all_lengths),
	    cmocka_unit_test(test_a_reader_that_keeps_up_sees_every_lap),
	    cmocka_unit_test(test_a_standing_reader_gates_after_a_full_lane),
	    cmocka_unit_test(test_lossy_and_joining_readers_gate_nobody),
	    cmocka_unit_test(test_oldest_is_raised_by_an_eighth),
	    cmocka_unit_test(test_a_holding_writer_waits_for_the_first_subscriber),
	    cmocka_unit_test(test_dishonest_cursors_gate_nothing),
	    cmocka_unit_test(test_an_outdated_cursor_of_an_arriving_reader_gates_everything),
	    cmocka_unit_test(test_sequences_go_on_past_their_48_bits),
	    cmocka_unit_test(test_positions_go_on_past_their_63_bits),
	    cmocka_unit_test(test_positions_go_on_past_their_64_bits),
	    cmocka_unit_test_teardown(test_a_waking_commit_shows_nothing_too_early, os_restore),
	    cmocka_unit_test_teardown(test_a_waking_commit_works_where_the_call_is_forbidden,
				      os_restore),
	    cmocka_unit_test_teardown(test_subscribers_wake_a_gated_writer_at_its_hint, os_restore),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
