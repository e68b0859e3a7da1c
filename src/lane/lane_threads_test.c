/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctest: LABELS tsan TIMEOUT 300
 *
 * One writer and lossless readers in threads, over one mapping, so that ThreadSanitizer sees both
 * sides: every byte that is read was written before, and is overwritten only after. Lossy readers
 * and newcomers are left out: they rely on fences, which it does not model.
 */
#include "lane/lane_rig.h"

#include <pthread.h>
#include <sched.h>

#define MESSAGES 100000u

static uint64_t size_of(const struct rig *rig, uint64_t sequence)
{
	if (sequence % 5 == 0)
		return 1 + sequence % rig->map.area / 3;
	return sequence % (rig->map.inline_bytes + 1);
}

static void *write_all(void *context)
{
	struct rig *rig = context;
	for (uint64_t i = 0; i < MESSAGES; i++)
		while (rig_publish(rig, size_of(rig, i)) == -EAGAIN)
			sched_yield();
	return NULL;
}

struct reading {
	struct rig *rig;
	struct lane_reader reader;
};

static void *read_all(void *context)
{
	struct reading *reading = context;
	struct lane_reader *reader = &reading->reader;
	struct lane_message message;
	while (reader->position < MESSAGES) {
		int r = lane_peek(reader, &message);
		assert_true(r >= 0);
		if (r == 0) {
			sched_yield();
			continue;
		}
		assert_int_equal(message.bytes, size_of(reading->rig, reader->position));
		rig_check(message.data, reader->position, message.bytes);
		lane_pass(reader);
	}
	return NULL;
}

static void run(uint64_t slots, bool fences_itself)
{
	struct rig rig;
	struct reading readings[3];
	pthread_t threads[3], writer;
	rig_make(&rig, slots, 56, 8192);
	assert_int_equal(
	    lane_writer_open(&rig.writer, &rig.map, &rig.gate, &rig.wake, fences_itself), 0);
	for (uint32_t i = 0; i < 3; i++) {
		readings[i].rig = &rig;
		readings[i].reader = rig_join(&rig, i, ENTRY_LOSSLESS, false);
	}
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, read_all, &readings[i]), 0);
	assert_int_equal(pthread_create(&writer, NULL, write_all, &rig), 0);
	assert_int_equal(pthread_join(writer, NULL), 0);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_int_equal(lane_audit(&rig.map, 0, true), 0);
	rig_close(&rig);
}

static void test_readers_see_what_was_written_before(void **state)
{
	(void)state;
	run(4, false);
	run(64, false);
	run(64, true); /* the way of a commit that looks for sleepers */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_readers_see_what_was_written_before),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
