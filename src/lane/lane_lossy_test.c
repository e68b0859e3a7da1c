/* SPDX-License-Identifier: Apache-2.0 */
/* Readers that gate nobody: what they get is whole, and what they lost is counted exactly. */
#include "lane/lane_rig.h"

#include <pthread.h>

static struct rig *racing; /* publishes while somebody copies */
static int to_publish;
static int grown;

static int grow(struct lane_buffer *buffer, uint64_t bytes)
{
	grown++;
	for (; to_publish > 0; to_publish--)
		assert_int_equal(rig_publish(racing, 600), 0);
	buffer->data = realloc(buffer->data, bytes);
	assert_non_null(buffer->data);
	buffer->room = bytes;
	return 0;
}

static struct rig *make(struct rig *rig, struct lane_buffer *buffer)
{
	rig_open(rig, 16, 56, 16384);
	*buffer = (struct lane_buffer){.grow = grow};
	racing = rig;
	to_publish = grown = 0;
	return rig;
}

static void test_a_copy_that_was_overtaken_is_lost(void **state)
{
	(void)state;
	struct rig rig;
	struct lane_buffer buffer;
	uint64_t bytes = 0;
	make(&rig, &buffer);
	struct lane_reader reader = rig_join(&rig, 0, ENTRY_LOSSY, false);
	assert_int_equal(rig_publish(&rig, 600), 0);
	to_publish = 40; /* the whole lane goes round while the reader makes its buffer larger */
	assert_int_equal(lane_copy(&reader, &buffer, &bytes), 1);
	uint64_t oldest = rig.map.control->oldest;
	assert_int_equal(reader.position, oldest);
	assert_int_equal(reader.lost, oldest);
	rig_check(buffer.data, oldest, bytes);
	assert_int_equal(rig.cursors[0], oldest); /* stat sees where it is */
	free(buffer.data);
	rig_close(&rig);
}

static void test_losses_add_up_until_the_next_message(void **state)
{
	(void)state;
	struct rig rig;
	struct lane_buffer buffer;
	uint64_t bytes = 0, received = 0, lost = 0;
	make(&rig, &buffer);
	struct lane_reader reader = rig_join(&rig, 0, ENTRY_LOSSY, false);
	for (int round = 0; round < 50; round++) {
		for (int i = 0; i < round; i++)
			assert_int_equal(rig_publish(&rig, (uint64_t)i * 20), 0);
		for (int i = 0; i < 3 && lane_copy(&reader, &buffer, &bytes) == 1; i++) {
			rig_check(buffer.data, reader.position, bytes);
			lost += reader.lost;
			reader.lost = 0;
			received++;
			lane_pass(&reader);
			assert_int_equal(received + lost, reader.position);
		}
	}
	assert_true(lost > 0 && received > 50);
	free(buffer.data);
	rig_close(&rig);
}

static void test_nothing_there_is_no_loss(void **state)
{
	(void)state;
	struct rig rig;
	struct lane_buffer buffer;
	uint64_t bytes = 0;
	make(&rig, &buffer);
	struct lane_reader reader = rig_join(&rig, 0, ENTRY_LOSSY, false);
	assert_int_equal(lane_copy(&reader, &buffer, &bytes), 0);
	assert_int_equal(rig_publish(&rig, 0), 0);
	assert_int_equal(lane_copy(&reader, &buffer, &bytes), 1);
	assert_int_equal(bytes, 0);
	lane_pass(&reader);
	assert_int_equal(lane_copy(&reader, &buffer, &bytes), 0);
	assert_int_equal(reader.lost, 0);
	assert_int_equal(grown, 0);
	free(buffer.data);
	rig_close(&rig);
}

static void test_no_memory_is_asked_for_nonsense(void **state)
{
	(void)state;
	struct rig rig;
	struct lane_buffer buffer;
	uint64_t bytes = 0;
	make(&rig, &buffer);
	struct lane_reader reader = rig_join(&rig, 0, ENTRY_LOSSY, false);
	assert_int_equal(rig_publish(&rig, 600), 0);
	lane_slot(&rig.map, 0)->data[1] = UINT64_MAX;
	assert_int_equal(lane_copy(&reader, &buffer, &bytes), -EBADMSG);
	lane_slot(&rig.map, 0)->data[1] = 16385;
	assert_int_equal(lane_copy(&reader, &buffer, &bytes), -EBADMSG);
	lane_slot(&rig.map, 0)->word = lane_word(0, 57);
	assert_int_equal(lane_copy(&reader, &buffer, &bytes), -EBADMSG);
	assert_int_equal(grown, 0);
	rig_close(&rig);
}

/* ---- at the same time -------------------------------------------------------------------- */

#define RACE_MESSAGES 300000u

static void *publish_all(void *context)
{
	struct rig *rig = context;
	for (uint64_t i = 0; i < RACE_MESSAGES; i++)
		assert_int_equal(rig_publish(rig, i % 7 == 0 ? 200 + i % 300 : i % 50), 0);
	return NULL;
}

static void test_a_race_gives_whole_messages_and_an_exact_count(void **state)
{
	(void)state;
	struct rig rig;
	struct lane_buffer buffer;
	pthread_t publisher;
	uint64_t bytes = 0, received = 0, lost = 0;
	make(&rig, &buffer);
	struct lane_reader reader = rig_join(&rig, 0, ENTRY_LOSSY, false);
	assert_int_equal(pthread_create(&publisher, NULL, publish_all, &rig), 0);
	while (reader.position < RACE_MESSAGES) {
		int r = lane_copy(&reader, &buffer, &bytes);
		assert_true(r == 0 || r == 1);
		if (r == 0)
			continue;
		rig_check(buffer.data, reader.position, bytes);
		received++;
		lost += reader.lost;
		reader.lost = 0;
		lane_pass(&reader);
	}
	assert_int_equal(pthread_join(publisher, NULL), 0);
	assert_int_equal(received + lost, RACE_MESSAGES);
	assert_true(received > 0);
	free(buffer.data);
	rig_close(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_copy_that_was_overtaken_is_lost),
	    cmocka_unit_test(test_losses_add_up_until_the_next_message),
	    cmocka_unit_test(test_nothing_there_is_no_loss),
	    cmocka_unit_test(test_no_memory_is_asked_for_nonsense),
	    cmocka_unit_test(test_a_race_gives_whole_messages_and_an_exact_count),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
