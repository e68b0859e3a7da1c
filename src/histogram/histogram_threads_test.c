/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctest: LABELS tsan TIMEOUT 300
 *
 * One writer and readers in threads over the same memory, so that ThreadSanitizer sees both sides.
 */
#include "histogram/histogram_rig.h"

#include <pthread.h>

#define READERS 2
#define VALUES  300000u

struct scene {
	struct room room;
	struct shoal_histogram h;
	atomic_bool done;
};

static uint64_t value_of(uint64_t i)
{
	return i * 37 % 5000 + i / 1000;
}

static uint64_t in_buckets(const struct shoal_histogram *h)
{
	struct shoal_histogram_bucket bucket = {0};
	uint64_t count = 0;
	while (shoal_histogram_next(h, &bucket))
		count += bucket.count;
	return count;
}

static void *record_all(void *context)
{
	struct scene *scene = context;
	for (uint64_t i = 0; i < VALUES; i++)
		shoal_histogram_record(&scene->h, value_of(i));
	atomic_store(&scene->done, true);
	return NULL;
}

/* What is counted is there: in the buckets, in the sum, and between minimum and maximum. */
static void *read_while_recording(void *context)
{
	struct scene *scene = context;
	struct shoal_histogram h;
	struct room room;
	struct shoal_histogram copy = histogram_new(&room, 2, 3000);
	uint64_t count = 0;
	assert_int_equal(shoal_histogram_attach(&h, scene->room.memory, scene->room.bytes), 0);
	while (!atomic_load(&scene->done)) {
		uint64_t now = shoal_histogram_count(&h);
		assert_true(now >= count);
		count = now;
		assert_true(in_buckets(&h) >= count);
		assert_true(shoal_histogram_count_at_or_below(&h, UINT64_MAX) >= count);
		uint64_t median = shoal_histogram_percentile(&h, 50);
		assert_true(median <= shoal_histogram_percentile(&h, 100));
		shoal_histogram_clear(&copy);
		shoal_histogram_add(&copy, &h);
		audit_is(&copy, 0);
		assert_true(shoal_histogram_count(&copy) >= count);
	}
	room_free(&room);
	return NULL;
}

static void run(struct scene *scene, void *(*write)(void *), void *(*read)(void *))
{
	pthread_t writer;
	pthread_t readers[READERS];
	scene->h = histogram_new(&scene->room, 3, 4000);
	atomic_store(&scene->done, false);
	for (int i = 0; i < READERS; i++)
		assert_int_equal(pthread_create(&readers[i], NULL, read, scene), 0);
	assert_int_equal(pthread_create(&writer, NULL, write, scene), 0);
	assert_int_equal(pthread_join(writer, NULL), 0);
	for (int i = 0; i < READERS; i++)
		assert_int_equal(pthread_join(readers[i], NULL), 0);
	audit_is(&scene->h, 0);
}

static void test_readers_find_all_that_is_counted(void **state)
{
	(void)state;
	struct scene scene;
	uint64_t sum = 0;
	uint64_t above = 0;
	run(&scene, record_all, read_while_recording);
	for (uint64_t i = 0; i < VALUES; i++) {
		sum += value_of(i);
		above += value_of(i) > 4000;
	}
	assert_int_equal(shoal_histogram_count(&scene.h), VALUES);
	assert_int_equal(in_buckets(&scene.h), VALUES);
	assert_int_equal(shoal_histogram_sum(&scene.h), sum);
	assert_int_equal(shoal_histogram_above(&scene.h), above);
	room_free(&scene.room);
}

static void *change_all(void *context)
{
	struct scene *scene = context;
	struct room room;
	struct shoal_histogram other = histogram_new(&room, 3, 10000);
	for (uint64_t i = 0; i < 300; i++) {
		shoal_histogram_record_many(&other, value_of(i * 1000), i);
		shoal_histogram_add(&scene->h, &other);
		if (i % 3 == 0)
			shoal_histogram_clear(&scene->h);
	}
	atomic_store(&scene->done, true);
	room_free(&room);
	return NULL;
}

/* Any mixture, but no more than that: everything ends and stays within what can be told. */
static void *read_while_changing(void *context)
{
	struct scene *scene = context;
	const struct shoal_histogram *h = &scene->h;
	while (!atomic_load(&scene->done)) {
		(void)in_buckets(h);
		assert_true(shoal_histogram_percentile(h, 99) <= 5300);
		assert_true(shoal_histogram_max(h) <= 5300);
		assert_true(shoal_histogram_stddev(h) <= 5300);
	}
	return NULL;
}

static void test_readers_survive_clearing_and_adding(void **state)
{
	(void)state;
	struct scene scene;
	run(&scene, change_all, read_while_changing);
	room_free(&scene.room);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_readers_find_all_that_is_counted),
	    cmocka_unit_test(test_readers_survive_clearing_and_adding),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
