/* SPDX-License-Identifier: Apache-2.0 */
/* Batches: each message exists by itself, and a death in the middle leaves those before it. */
#include "lane/lane_rig.h"

#include <shoal/error.h>

#define COUNT 200

struct batch {
	struct iovec messages[COUNT];
	uint8_t bytes[COUNT][LANE_INLINE_MAX];
};

/* Messages as rig_check expects them from `first` on, with lengths that go up and down. */
static const struct iovec *fill(struct batch *batch, uint64_t first, uint64_t inline_bytes)
{
	for (uint64_t i = 0; i < COUNT; i++) {
		uint64_t bytes = i * 7 % (inline_bytes + 1);
		rig_fill(batch->bytes[i], first + i, bytes);
		batch->messages[i] = (struct iovec){batch->bytes[i], bytes};
	}
	return batch->messages;
}

static void test_a_batch_goes_as_far_as_there_is_room(void **state)
{
	(void)state;
	static struct batch batch;
	struct rig rig;
	rig_open(&rig, 16, 56, 4096);
	struct lane_reader reader = rig_join(&rig, 0, ENTRY_LOSSLESS, false);
	assert_int_equal(lane_put_batch(&rig.writer, fill(&batch, 0, 56), 0), 0);
	assert_int_equal(lane_put_batch(&rig.writer, fill(&batch, 0, 56), 5), 5);
	assert_int_equal(lane_put_batch(&rig.writer, fill(&batch, 5, 56), COUNT), 11);
	assert_int_equal(lane_put_batch(&rig.writer, fill(&batch, 16, 56), COUNT), 0);
	assert_int_equal(rig.map.control->position, 16);
	assert_int_equal(rig.map.control->begun, 16);
	for (uint64_t i = 0; i < 16; i++)
		assert_int_equal(rig_read(&reader), 1);
	assert_int_equal(rig_read(&reader), 0);
	assert_int_equal(lane_audit(&rig.map, 0, true), 0);
	rig_close(&rig);
}

static void test_a_batch_is_bounded(void **state)
{
	(void)state;
	static struct batch batch;
	struct rig rig;
	rig_open(&rig, 1024, 56, 4096);
	assert_int_equal(lane_put_batch(&rig.writer, fill(&batch, 0, 56), COUNT), LANE_BATCH);
	rig_close(&rig);
}

static void test_a_batch_ends_before_a_large_message(void **state)
{
	(void)state;
	static struct batch batch;
	struct rig rig;
	rig_open(&rig, 64, 16, 4096);
	fill(&batch, 0, 16);
	batch.messages[3].iov_len = 17;
	assert_int_equal(lane_put_batch(&rig.writer, batch.messages, COUNT), 3);
	/* Not for ever under way: subscribers would sleep in slices. */
	assert_int_equal(rig.map.control->begun, 3);
	assert_int_equal(lane_put_batch(&rig.writer, batch.messages + 3, 1), 0);
	rig_close(&rig);
}

static void test_batches_keep_going_round(void **state)
{
	(void)state;
	static struct batch batch;
	struct rig rig;
	uint64_t random = 1, published = 0;
	rig_open(&rig, 128, 56, 4096);
	struct lane_reader reader = rig_join(&rig, 0, ENTRY_LOSSLESS, false);
	while (published < 100000) {
		uint64_t wish = 1 + random_below(&random, COUNT);
		published += lane_put_batch(&rig.writer, fill(&batch, published, 56), wish);
		assert_int_equal(rig.map.control->position, published);
		for (uint64_t i = random_below(&random, 150); i > 0 && rig_read(&reader); i--)
			;
		assert_true(published - reader.position <= 128);
	}
	while (rig_read(&reader))
		;
	assert_int_equal(reader.position, published);
	rig_close(&rig);
}

/* The owner died after `stored` of its `begun` messages. */
static void die_within(uint64_t stored, uint64_t begun)
{
	static struct batch batch;
	struct rig rig;
	rig_open(&rig, 128, 56, 4096);
	struct lane_reader reader = rig_join(&rig, 0, ENTRY_LOSSLESS, false);
	assert_int_equal(lane_put_batch(&rig.writer, fill(&batch, 0, 56), 10 + stored),
			 10 + stored);
	rig.map.control->position = 10;
	rig.map.control->begun = 10 + begun;
	if (lane_audit(&rig.map, 0, true) != 0)
		fail_msg("%s", shoal_error_detail());
	lane_writer_close(&rig.writer);
	rig_take_over(&rig);
	assert_int_equal(rig.writer.position, 10 + stored);
	assert_int_equal(rig.map.control->begun, 10 + stored);
	assert_int_equal(rig_publish(&rig, 20), 0);
	while (rig_read(&reader))
		;
	assert_int_equal(reader.position, 11 + stored);
	assert_int_equal(lane_audit(&rig.map, 0, true), 0);
	rig_close(&rig);
}

static void test_a_death_within_a_batch_keeps_what_was_stored(void **state)
{
	(void)state;
	for (uint64_t stored = 0; stored <= 50; stored++)
		die_within(stored, 50);
}

static int wakes;

static int count_wakes(const void *word, void *add, unsigned shift)
{
	wakes++;
	return os_linux.futex_add_and_wake(word, add, shift);
}

static void test_a_batch_wakes_a_sleeper(void **state)
{
	(void)state;
	static struct batch batch;
	struct rig rig;
	for (int fences = 0; fences <= 1; fences++) {
		rig_make(&rig, 128, 56, 4096);
		assert_int_equal(
		    lane_writer_open(&rig.writer, &rig.map, &rig.gate, &rig.wake, fences), 0);
		struct lane_reader reader = rig_join(&rig, 0, ENTRY_LOSSLESS, false);
		os_replace()->futex_add_and_wake = count_wakes;
		wakes = 0;
		rig.wake = WAIT_SLEEPER;
		assert_int_equal(lane_put_batch(&rig.writer, fill(&batch, 0, 56), 20), 20);
		assert_true(wakes > 0 && rig.writer.woke);
		assert_int_equal(rig.wake & WAIT_SLEEPER, 0);
		int before = wakes;
		assert_int_equal(lane_put_batch(&rig.writer, fill(&batch, 20, 56), 20), 20);
		assert_int_equal(wakes, before); /* nobody sleeps: no system call */
		for (int i = 0; i < 40; i++)
			assert_int_equal(rig_read(&reader), 1);
		rig_close(&rig);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_batch_goes_as_far_as_there_is_room),
	    cmocka_unit_test(test_a_batch_is_bounded),
	    cmocka_unit_test(test_a_batch_ends_before_a_large_message),
	    cmocka_unit_test(test_batches_keep_going_round),
	    cmocka_unit_test(test_a_death_within_a_batch_keeps_what_was_stored),
	    cmocka_unit_test_teardown(test_a_batch_wakes_a_sleeper, os_restore),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
