/* SPDX-License-Identifier: Apache-2.0 */
/* Blocks through the public functions: opening, sharing, sizes. */
#include "block/block_rig.h"

#include <sys/stat.h>

static void test_two_handles_share_the_bytes(void **state)
{
	(void)state;
	shoal_block *one = rig_make("two", 100, 0);
	shoal_block *two = rig_open("two", 0);
	uint8_t *a = shoal_block_data(one);
	const uint8_t *b = shoal_block_data(two);
	assert_ptr_not_equal(a, b);
	assert_int_equal(shoal_block_bytes(one), 100);
	assert_int_equal(shoal_block_bytes(two), 100);
	assert_int_equal((uintptr_t)a % 4096, 0);
	for (int i = 0; i < 100; i++)
		assert_int_equal(b[i], 0);
	a[99] = 7;
	assert_int_equal(b[99], 7);
	shoal_block_close(one);
	assert_int_equal(b[99], 7);
	shoal_block_close(two);
	assert_int_equal(shoal_block_open(&one, "two", 0, NULL),
			 -ENOENT); /* the last one is gone */
	assert_null(one);
}

static void test_a_created_one_stays(void **state)
{
	(void)state;
	struct shoal_block_options options = rig_options(5000, 0);
	options.mode = 0640;
	assert_int_equal(shoal_block_create("stays", 0, &options), 0);
	assert_int_equal(shoal_block_create("stays", 0, &options), 0);
	assert_int_equal(shoal_block_create("stays", SHOAL_EXCLUSIVE, &options), -EEXIST);
	shoal_block *block = rig_open("stays", 0);
	assert_int_equal(shoal_block_bytes(block), 5000);
	memcpy(shoal_block_data(block), "kept", 5);
	shoal_block_close(block);
	block = rig_open("stays", SHOAL_READ);
	assert_string_equal(shoal_block_data(block), "kept");
	shoal_block_close(block);
	struct shoal_block_stat *stat = NULL;
	assert_int_equal(shoal_block_stat("stays", 0, &stat), 0);
	assert_int_equal(stat->object.mode, 0640);
	assert_string_equal(stat->object.kind, "block");
	assert_int_equal(stat->object.health, SHOAL_IDLE);
	assert_int_equal(stat->bytes, 5000);
	assert_int_equal(stat->max_bytes, 5000);
	assert_int_equal(stat->seat_count, 0);
	assert_int_equal(stat->asked | stat->had, 0);
	shoal_block_stat_free(stat);
	assert_int_equal(shoal_block_audit("stays", 0), 0);
	assert_int_equal(shoal_remove("stays", 0), 0);
}

static void test_memory_is_taken_when_it_is_made(void **state)
{
	(void)state;
	shoal_block *block = rig_make("taken", 1 << 20, 64 << 20);
	struct shoal_block_stat *stat = NULL;
	assert_int_equal(shoal_block_stat("taken", 0, &stat), 0);
	assert_in_range(stat->object.bytes_used, 1 << 20, (1 << 20) + 65536);
	assert_in_range(stat->object.bytes, 1 << 20, (1 << 20) + 65536);
	assert_int_equal(stat->max_bytes, 64 << 20);
	assert_int_equal(stat->seat_count, 1);
	assert_int_equal(stat->seats[0].pid, getpid());
	assert_int_equal(stat->seats[0].resizes, 0);
	assert_int_equal(stat->readers, 0);
	shoal_block_stat_free(stat);
	shoal_block_close(block);
}

/* ---- growing ----------------------------------------------------------------------------- */

static void test_growing_leaves_pointers_valid(void **state)
{
	(void)state;
	shoal_block *one = rig_make("grows", 10, 1 << 20);
	shoal_block *two = rig_open("grows", 0);
	shoal_block *three = rig_open("grows", SHOAL_READ);
	uint8_t *data = shoal_block_data(one);
	const uint8_t *other = shoal_block_data(two);
	const uint8_t *third = shoal_block_data(three);
	data[9] = 1;
	data[10] = 77; /* nobody's: it must not show when it becomes somebody's */
	for (uint64_t bytes = 11; bytes <= 1 << 20; bytes = bytes * 2 + 1) {
		assert_int_equal(shoal_block_grow(one, bytes, 0), 0);
		assert_int_equal(shoal_block_bytes(one), bytes);
		assert_int_equal(shoal_block_bytes(two), bytes);
		assert_int_equal(shoal_block_bytes(three), bytes);
		assert_ptr_equal(shoal_block_data(one), data);
		assert_int_equal(other[9], 1);
		for (uint64_t i = max_u64(bytes / 2, 10); i < bytes; i++)
			assert_int_equal(other[i], 0);
		data[bytes - 1] = 5;
		assert_int_equal(third[bytes - 1], 5);
		data[bytes - 1] = 0;
	}
	assert_int_equal(shoal_block_grow(two, 5, 0), 0); /* it has more */
	assert_int_equal(shoal_block_grow(two, (1 << 20) + 1, 0), -EMSGSIZE);
	assert_int_equal(shoal_block_grow(two, UINT64_MAX, 0), -EMSGSIZE);
	assert_int_equal(shoal_block_grow(two, 1 << 20, 0), 0);
	shoal_block_close(one);
	shoal_block_close(two);
	shoal_block_close(three);
}

static int no_room(int fd, uint64_t offset, uint64_t bytes)
{
	os_linux.reserve(fd, offset, bytes / 2); /* it is full in the middle of it */
	return -ENOSPC;
}

static void test_a_growth_without_room_changes_nothing(void **state)
{
	(void)state;
	struct os_calls calls = os_linux;
	shoal_block *block = rig_make("full", 5000, 1 << 20);
	uint64_t before, after;
	assert_int_equal(segment_size(&block->object->segment, &before), 0);
	calls.reserve = no_room;
	os = &calls;
	assert_int_equal(shoal_block_grow(block, 100000, 0), -ENOSPC);
	assert_non_null(strstr(shoal_error_detail(), "full"));
	os = &os_linux;
	assert_int_equal(shoal_block_bytes(block), 5000);
	assert_int_equal(segment_size(&block->object->segment, &after), 0);
	assert_int_equal(before, after);
	assert_int_equal(shoal_block_grow(block, 100000, 0), 0);
	shoal_block_close(block);
}

/* ---- shrinking --------------------------------------------------------------------------- */

static void test_shrinking_is_refused_while_others_have_it(void **state)
{
	(void)state;
	static const unsigned ways[] = {0, SHOAL_READ, SHOAL_PRIVATE, SHOAL_READ | SHOAL_PRIVATE};
	shoal_block *one = rig_make("shrinks", 100000, 0);
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		shoal_block *two = rig_open("shrinks", ways[i]);
		assert_int_equal(shoal_block_shrink(one, 10, 0, 0), -EBUSY);
		assert_int_equal(shoal_block_bytes(one), 100000);
		shoal_block_close(two);
	}
	uint8_t *data = shoal_block_data(one);
	memset(data, 9, 100000);
	assert_int_equal(shoal_block_shrink(one, 10, 0, 0), 0);
	assert_int_equal(shoal_block_bytes(one), 10);
	assert_int_equal(shoal_block_shrink(one, 20, 0, 0), 0); /* it has less */
	assert_int_equal(shoal_block_bytes(one), 10);
	assert_int_equal(shoal_block_grow(one, 100000, 0), 0);
	assert_int_equal(data[9], 9);
	for (int i = 10; i < 100000; i++)
		assert_int_equal(data[i], 0);
	shoal_block_close(one);
}

static void test_shrinking_by_force(void **state)
{
	(void)state;
	uint64_t file;
	shoal_block *one = rig_make("forced", 100000, 0);
	shoal_block *two = rig_open("forced", 0);
	assert_int_equal(shoal_block_shrink(two, 4000, SHOAL_FORCE, 0), 0);
	assert_int_equal(shoal_block_bytes(one), 4000);
	assert_int_equal(segment_size(&one->object->segment, &file), 0);
	assert_int_equal(file, one->map.data_offset + 4000);
	shoal_block *three = rig_open("forced", 0);
	assert_int_equal(shoal_block_bytes(three), 4000);
	shoal_block_close(one);
	shoal_block_close(two);
	shoal_block_close(three);
}

/* ---- who is at it ------------------------------------------------------------------------ */

static void test_one_at_a_time(void **state)
{
	(void)state;
	uint64_t seen;
	shoal_block *one = rig_make("busy", 100, 8000);
	shoal_block *two = rig_open("busy", 0);
	assert_true(block_enter(&one->map, one->object->seat.tag, BLOCK_GROWING, &seen));
	assert_int_equal(shoal_block_grow(two, 200, 0), -EAGAIN);
	assert_int_equal(shoal_block_grow(two, 200, 3000000), -ETIMEDOUT);
	assert_int_equal(shoal_block_shrink(two, 20, SHOAL_FORCE, 3000000), -ETIMEDOUT);
	struct shoal_block_stat *stat = NULL;
	assert_int_equal(shoal_block_stat("busy", 0, &stat), 0);
	assert_int_equal(stat->seat_count, 2);
	assert_int_equal(stat->seats[0].resizes, 1);
	assert_int_equal(stat->seats[1].resizes, 0);
	shoal_block_stat_free(stat);
	block_leave(&one->map, atomic_load(&one->map.body->size.resizer));
	assert_int_equal(shoal_block_grow(two, 200, 0), 0);
	shoal_block_close(one);
	shoal_block_close(two);
}

static void *grow_many(void *name)
{
	shoal_block *block = rig_open(name, 0);
	for (uint64_t i = 1; i <= 200; i++) {
		uint64_t bytes = i * 5000;
		assert_int_equal(shoal_block_grow(block, bytes, SHOAL_FOREVER), 0);
		assert_true(shoal_block_bytes(block) >= bytes);
		((_Atomic uint8_t *)shoal_block_data(block))[bytes - 1]++;
	}
	shoal_block_close(block);
	return NULL;
}

static void test_many_grow_at_once(void **state)
{
	(void)state;
	enum { THREADS = 4 };
	pthread_t threads[THREADS];
	char name[] = "many";
	shoal_block *block = rig_make(name, 1, 1000000);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, grow_many, name), 0);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_int_equal(shoal_block_bytes(block), 1000000);
	const uint8_t *data = shoal_block_data(block);
	for (uint64_t i = 1; i <= 200; i++)
		assert_int_equal(data[i * 5000 - 1], THREADS);
	assert_int_equal(shoal_block_audit(name, 0), 0);
	shoal_block_close(block);
}

/* ---- damage ------------------------------------------------------------------------------ */

static void test_words_of_nobody(void **state)
{
	(void)state;
	shoal_block *block = rig_make("nobody", 100, 8000);
	_Atomic uint64_t *word = &block->map.body->size.resizer;
	/* Of a generation that is gone: rolled back. */
	atomic_store(word, word_make(BLOCK_GROWING, (struct tag){3, 99}));
	assert_int_equal(shoal_block_audit("nobody", 0), -EBADMSG);
	assert_int_equal(shoal_block_grow(block, 200, 0), 0);
	assert_int_equal(word_state(atomic_load(word)), BLOCK_IDLE);
	/* Of a seat that there is not, of a state that there is not: said. */
	atomic_store(word, word_make(BLOCK_GROWING, (struct tag){60000, 1}));
	assert_int_equal(shoal_block_grow(block, 300, 0), -EBADMSG);
	atomic_store(word, word_make(77, block->object->seat.tag));
	assert_int_equal(shoal_block_audit("nobody", 0), -EBADMSG);
	assert_int_equal(shoal_block_grow(block, 300, SHOAL_FOREVER), -EBADMSG);
	atomic_store(word, 0);
	atomic_store(&block->map.body->size.bytes, UINT64_MAX);
	assert_int_equal(shoal_block_bytes(block), 8000);
	assert_int_equal(shoal_block_audit("nobody", 0), -EBADMSG);
	shoal_block *other = NULL;
	assert_int_equal(shoal_block_open(&other, "nobody", 0, NULL), -EBADMSG);
	assert_int_equal(shoal_block_open(&other, "nobody", SHOAL_READ, NULL), -EBADMSG);
	atomic_store(&block->map.body->size.bytes, 200);
	shoal_block_close(block);
}

static void test_a_truncated_one_is_refused(void **state)
{
	(void)state;
	shoal_block *other = NULL;
	shoal_block *block = rig_make("short", 100000, 0);
	assert_int_equal(os->set_size(block->object->segment.fd, 50000), 0);
	assert_int_equal(shoal_block_open(&other, "short", 0, NULL), -ESTALE);
	assert_int_equal(shoal_block_open(&other, "short", SHOAL_READ, NULL), -ESTALE);
	assert_non_null(strstr(shoal_error_detail(), "truncated"));
	assert_int_equal(os->set_size(block->object->segment.fd, 300), 0);
	assert_int_equal(shoal_block_open(&other, "short", 0, NULL), -ESTALE);
	assert_int_equal(os->set_size(block->object->segment.fd, 1 << 20), 0);
	assert_int_equal(shoal_block_open(&other, "short", 0, NULL), -EBADMSG);
	assert_int_equal(os->set_size(block->object->segment.fd, 200000), -0);
	assert_int_equal(os->set_size(block->object->segment.fd, 110000), 0);
	shoal_block_close(block);
}

static void test_it_is_a_block_and_nothing_else(void **state)
{
	(void)state;
	shoal_pub *pub = NULL;
	shoal_block *block = NULL;
	struct shoal_topic_stat *topic = NULL;
	struct shoal_block_stat *stat = NULL;
	assert_int_equal(shoal_topic_create("topic", 0, NULL), 0);
	assert_int_equal(shoal_block_open(&block, "topic", 0, NULL), -EPROTOTYPE);
	assert_int_equal(shoal_block_open(&block, "topic", SHOAL_READ, NULL), -EPROTOTYPE);
	assert_int_equal(shoal_block_stat("topic", 0, &stat), -EPROTOTYPE);
	assert_int_equal(shoal_remove("topic", 0), 0);
	block = rig_make("block", 100, 0);
	assert_int_equal(shoal_pub_open(&pub, "block", 0, NULL), -EPROTOTYPE);
	assert_int_equal(shoal_topic_stat("block", 0, &topic), -EPROTOTYPE);
	assert_int_equal(shoal_remove("block", 0), -EBUSY);
	assert_int_equal(shoal_remove("block", SHOAL_FORCE), 0);
	assert_int_equal(shoal_block_check(block), -ESTALE);
	assert_int_equal(shoal_block_grow(block, 100, 0), -ESTALE);
	assert_int_equal(shoal_block_shrink(block, 50, 0, 0), -ESTALE);
	shoal_block_close(block);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_two_handles_share_the_bytes),
	    cmocka_unit_test(test_a_created_one_stays),
	    cmocka_unit_test(test_memory_is_taken_when_it_is_made),
	    cmocka_unit_test(test_growing_leaves_pointers_valid),
	    cmocka_unit_test(test_a_growth_without_room_changes_nothing),
	    cmocka_unit_test(test_shrinking_is_refused_while_others_have_it),
	    cmocka_unit_test(test_shrinking_by_force),
	    cmocka_unit_test(test_one_at_a_time),
	    cmocka_unit_test(test_many_grow_at_once),
	    cmocka_unit_test(test_words_of_nobody),
	    cmocka_unit_test(test_a_truncated_one_is_refused),
	    cmocka_unit_test(test_it_is_a_block_and_nothing_else),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
