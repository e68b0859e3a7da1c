/* SPDX-License-Identifier: Apache-2.0 */
/* Histograms that are copied, cleared, added to one another, and recorded into many at a time. */
#include "histogram/histogram_rig.h"

#include <stdio.h>

/* The bytes of two histograms, without the count of clearings and additions. */
static void assert_same(const struct shoal_histogram *a, const struct shoal_histogram *b)
{
	size_t at = offsetof(struct histogram_body, changes);
	size_t behind = at + sizeof(uint64_t);
	assert_int_equal(a->bytes, b->bytes);
	assert_memory_equal(a->memory, b->memory, at);
	assert_memory_equal((char *)a->memory + behind, (char *)b->memory + behind,
			    a->bytes - behind);
	audit_is(a, 0);
	audit_is(b, 0);
}

static void test_many_at_once_is_the_same_as_one_by_one(void **state)
{
	(void)state;
	struct room rooms[2];
	struct shoal_histogram one = histogram_new(&rooms[0], 3, 1000000);
	struct shoal_histogram many = histogram_new(&rooms[1], 3, 1000000);
	uint64_t random = 1;
	for (int i = 0; i < 1000; i++) {
		uint64_t value = random_below(&random, 1100000);
		uint64_t count = random_below(&random, 5);
		shoal_histogram_record_many(&many, value, count);
		while (count-- > 0)
			shoal_histogram_record(&one, value);
	}
	assert_same(&one, &many);
	room_free(&rooms[0]);
	room_free(&rooms[1]);
}

static void test_cleared_is_as_new(void **state)
{
	(void)state;
	struct room rooms[2];
	struct shoal_histogram fresh = histogram_new(&rooms[0], 2, 123456);
	struct shoal_histogram used = histogram_new(&rooms[1], 2, 123456);
	uint64_t random = 1;
	for (int i = 0; i < 1000; i++)
		shoal_histogram_record(&used, random_value(&random));
	shoal_histogram_clear(&used);
	assert_same(&fresh, &used);
	assert_int_equal(shoal_histogram_count(&used), 0);
	room_free(&rooms[0]);
	room_free(&rooms[1]);
}

static void test_a_copy_of_the_bytes_is_the_same_histogram(void **state)
{
	(void)state;
	struct room rooms[2];
	struct shoal_histogram h = histogram_new(&rooms[0], 3, 1000000000);
	struct shoal_histogram copy;
	uint64_t random = 7;
	for (int i = 0; i < 1000; i++)
		shoal_histogram_record(&h, random_value(&random));
	rooms[1] = room_new(h.bytes);
	memcpy(rooms[1].memory, h.memory, h.bytes);
	assert_int_equal(shoal_histogram_attach(&copy, rooms[1].memory, h.bytes), 0);
	assert_int_equal(copy.highest, h.highest);
	assert_int_equal(copy.digits, h.digits);
	assert_same(&h, &copy);
	for (int p = 0; p <= 100; p++)
		assert_int_equal(shoal_histogram_percentile(&copy, p),
				 shoal_histogram_percentile(&h, p));
	/* And it can be recorded into by itself. */
	shoal_histogram_record(&copy, 5);
	assert_int_equal(shoal_histogram_count(&copy), 1001);
	assert_int_equal(shoal_histogram_count(&h), 1000);
	room_free(&rooms[0]);
	room_free(&rooms[1]);
}

/* ---- adding --------------------------------------------------------------------------------- */

/* Values into `a` and `b` in turn, and all of them into `both`. */
static void share_out(struct shoal_histogram *a, struct shoal_histogram *b,
		      struct shoal_histogram *both, uint64_t *random)
{
	for (int i = 0; i < 2000; i++) {
		uint64_t value = random_value(random);
		shoal_histogram_record(i % 3 ? a : b, value);
		shoal_histogram_record(both, value);
	}
}

static void test_added_is_as_recorded_in_one(void **state)
{
	(void)state;
	static const uint64_t highests[] = {1, 1000, 12345678, UINT64_MAX};
	uint64_t random = 3;
	for (unsigned digits = 1; digits <= 4; digits++)
		for (size_t i = 0; i < 4; i++) {
			struct room rooms[3];
			struct shoal_histogram a = histogram_new(&rooms[0], digits, highests[i]);
			struct shoal_histogram b = histogram_new(&rooms[1], digits, highests[i]);
			struct shoal_histogram both = histogram_new(&rooms[2], digits, highests[i]);
			share_out(&a, &b, &both, &random);
			shoal_histogram_add(&a, &b);
			assert_same(&a, &both);
			for (size_t k = 0; k < 3; k++)
				room_free(&rooms[k]);
		}
}

/* Each bucket of the finer lies in one of the coarser, so nothing is lost that could be told. */
static void test_from_more_digits_to_fewer_nothing_is_lost(void **state)
{
	(void)state;
	uint64_t random = 4;
	for (unsigned to = 1; to <= 4; to++)
		for (unsigned from = to; from <= 4; from++) {
			struct room rooms[3];
			struct shoal_histogram a = histogram_new(&rooms[0], to, UINT64_MAX);
			struct shoal_histogram b = histogram_new(&rooms[1], from, UINT64_MAX);
			struct shoal_histogram both = histogram_new(&rooms[2], to, UINT64_MAX);
			share_out(&a, &b, &both, &random);
			shoal_histogram_add(&a, &b);
			assert_same(&a, &both);
			for (size_t k = 0; k < 3; k++)
				room_free(&rooms[k]);
		}
}

static void test_from_fewer_digits_values_count_as_their_buckets_highest(void **state)
{
	(void)state;
	struct room rooms[2];
	struct shoal_histogram fine = histogram_new(&rooms[0], 4, 1000000);
	struct shoal_histogram rough = histogram_new(&rooms[1], 1, 1000000);
	shoal_histogram_record(&rough, 1025);  /* 1,024 to 1,087 have one bucket */
	shoal_histogram_record(&rough, 70000); /* 69,632 to 73,727 */
	shoal_histogram_record(&rough, 70001);
	shoal_histogram_add(&fine, &rough);
	audit_is(&fine, 0);
	assert_int_equal(shoal_histogram_count(&fine), 3);
	assert_int_equal(shoal_histogram_sum(&fine), 1025 + 70000 + 70001);
	assert_int_equal(shoal_histogram_min(&fine), 1025);
	assert_int_equal(shoal_histogram_max(&fine), 70001);
	assert_int_equal(shoal_histogram_count_at_or_below(&fine, 1086), 0);
	assert_int_equal(shoal_histogram_count_at_or_below(&fine, 1087), 1);
	assert_int_equal(shoal_histogram_percentile(&fine, 60), 70001); /* not above the max */
	room_free(&rooms[0]);
	room_free(&rooms[1]);
}

static void test_adding_keeps_what_was_above(void **state)
{
	(void)state;
	struct room rooms[2];
	struct shoal_histogram high = histogram_new(&rooms[0], 3, 1000000);
	struct shoal_histogram low = histogram_new(&rooms[1], 3, 1000);
	struct shoal_histogram_bucket bucket = {0};
	shoal_histogram_record(&low, 10);
	shoal_histogram_record_many(&low, 5000, 3);
	shoal_histogram_add(&high, &low);
	assert_int_equal(shoal_histogram_count(&high), 4);
	assert_int_equal(shoal_histogram_above(&high), 3);
	assert_int_equal(shoal_histogram_max(&high), 5000);
	assert_int_equal(shoal_histogram_percentile(&high, 75), 5000);
	while (shoal_histogram_next(&high, &bucket))
		;
	assert_int_equal(bucket.low, 5000);
	assert_int_equal(bucket.high, 5000);
	assert_int_equal(bucket.count, 3);
	audit_is(&high, 0);
	shoal_histogram_record_many(&high, 30000, 2);
	shoal_histogram_add(&low, &high); /* 10; 3 that were above; 2 that are now */
	assert_int_equal(shoal_histogram_count(&low), 4 + 6);
	assert_int_equal(shoal_histogram_above(&low), 3 + 5);
	assert_int_equal(shoal_histogram_max(&low), 30000);
	assert_int_equal(shoal_histogram_count_at_or_below(&low, 1000), 2);
	audit_is(&low, 0);
	room_free(&rooms[0]);
	room_free(&rooms[1]);
}

static void test_any_two_geometries_go_together(void **state)
{
	(void)state;
	uint64_t random = 5;
	for (int i = 0; i < 200; i++) {
		struct room rooms[2];
		struct shoal_histogram h[2];
		uint64_t sum = 0;
		for (int k = 0; k < 2; k++) {
			unsigned digits = 1 + (unsigned)random_below(&random, 4);
			h[k] = histogram_new(&rooms[k], digits, max_u64(random_value(&random), 1));
			for (int n = 0; n < 500; n++) {
				uint64_t value = random_value(&random);
				shoal_histogram_record(&h[k], value);
				sum = histogram_plus(sum, value);
			}
		}
		uint64_t max = max_u64(shoal_histogram_max(&h[0]), shoal_histogram_max(&h[1]));
		shoal_histogram_add(&h[0], &h[1]);
		audit_is(&h[0], 0);
		audit_is(&h[1], 0);
		assert_int_equal(shoal_histogram_count(&h[0]), 1000);
		assert_int_equal(shoal_histogram_count(&h[1]), 500);
		assert_int_equal(shoal_histogram_sum(&h[0]), sum);
		assert_int_equal(shoal_histogram_max(&h[0]), max);
		assert_int_equal(shoal_histogram_count_at_or_below(&h[0], UINT64_MAX), 1000);
		room_free(&rooms[0]);
		room_free(&rooms[1]);
	}
}

static void test_adding_nothing_changes_nothing_and_itself_doubles(void **state)
{
	(void)state;
	struct room rooms[3];
	struct shoal_histogram h = histogram_new(&rooms[0], 3, 100000);
	struct shoal_histogram empty = histogram_new(&rooms[1], 3, 100000);
	struct shoal_histogram twice = histogram_new(&rooms[2], 3, 100000);
	uint64_t random = 6;
	for (int i = 0; i < 1000; i++) {
		uint64_t value = random_below(&random, 110000);
		shoal_histogram_record(&h, value);
		shoal_histogram_record_many(&twice, value, 2);
	}
	uint64_t sum = shoal_histogram_sum(&h);
	shoal_histogram_add(&h, &empty);
	assert_int_equal(shoal_histogram_count(&h), 1000);
	assert_int_equal(shoal_histogram_sum(&h), sum);
	shoal_histogram_add(&h, &h);
	assert_same(&h, &twice);
	shoal_histogram_add(&empty, &h);
	assert_same(&empty, &twice);
	for (size_t k = 0; k < 3; k++)
		room_free(&rooms[k]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_many_at_once_is_the_same_as_one_by_one),
	    cmocka_unit_test(test_cleared_is_as_new),
	    cmocka_unit_test(test_a_copy_of_the_bytes_is_the_same_histogram),
	    cmocka_unit_test(test_added_is_as_recorded_in_one),
	    cmocka_unit_test(test_from_more_digits_to_fewer_nothing_is_lost),
	    cmocka_unit_test(test_from_fewer_digits_values_count_as_their_buckets_highest),
	    cmocka_unit_test(test_adding_keeps_what_was_above),
	    cmocka_unit_test(test_any_two_geometries_go_together),
	    cmocka_unit_test(test_adding_nothing_changes_nothing_and_itself_doubles),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
