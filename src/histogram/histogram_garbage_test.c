/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctest: TIMEOUT 300
 *
 * A stranger's bytes. Whatever lies in the memory, everything ends, and nothing outside of it is
 * touched: it begins behind bytes that are compared, and ends at a page that can't be touched.
 */
#include "base/checksum.h"
#include "histogram/histogram_rig.h"

#include <errno.h>

/* All that reads. The figures are nonsense, but within what the histogram can tell. */
static void read_all(const struct shoal_histogram *h, uint64_t *random)
{
	struct shoal_histogram_bucket bucket = {0};
	uint64_t steps = 0;
	uint64_t max = shoal_histogram_max(h);
	(void)shoal_histogram_sum(h);
	(void)shoal_histogram_min(h);
	(void)shoal_histogram_above(h);
	assert_true(shoal_histogram_mean(h) >= 0);
	assert_true(shoal_histogram_stddev(h) >= 0);
	(void)shoal_histogram_percentile(h, 0);
	assert_int_equal(shoal_histogram_percentile(h, 100), max);
	(void)shoal_histogram_percentile(h, (double)random_below(random, 1000) / 10);
	(void)shoal_histogram_count_at_or_below(h, random_value(random));
	while (shoal_histogram_next(h, &bucket)) {
		assert_true(bucket.low <= bucket.high);
		assert_true(++steps <= (uint64_t)h->buckets + 1);
	}
	bucket.next = random_value(random);
	(void)shoal_histogram_next(h, &bucket);
}

static void use_all(struct shoal_histogram *h, uint64_t *random)
{
	struct room room;
	struct shoal_histogram other = histogram_new(&room, 1 + (unsigned)random_below(random, 2),
						     1 + random_next(random) / 2);
	int r = shoal_histogram_audit(h->memory, h->bytes);
	assert_true(r == 0 || r == -EBADMSG || r == -ENOTSUP);
	read_all(h, random);
	shoal_histogram_add(&other, h);
	read_all(&other, random);
	shoal_histogram_record(h, random_value(random));
	shoal_histogram_record_many(h, random_value(random), random_value(random));
	shoal_histogram_add(h, &other);
	shoal_histogram_add(h, h);
	read_all(h, random);
	room_free(&room);
}

static uint64_t small_highest(uint64_t *random)
{
	return 1 + (random_next(random) >> (24 + random_below(random, 40)));
}

static uint64_t *words(const struct shoal_histogram *h)
{
	return h->memory;
}

/* After it was attached to, somebody writes over all of it: geometry, figures, buckets. */
static void test_garbage_after_attaching(void **state)
{
	(void)state;
	uint64_t random = 1;
	for (int i = 0; i < 2000; i++) {
		struct room room;
		unsigned digits = 1 + (unsigned)random_below(&random, 2);
		struct shoal_histogram h = histogram_new(&room, digits, small_highest(&random));
		size_t first = random_below(&random, 2) ? 0 : HISTOGRAM_FIXED_WORDS;
		for (size_t k = first; k < h.bytes / 8; k++)
			if (random_below(&random, 3))
				words(&h)[k] = random_value(&random);
		use_all(&h, &random);
		/* Cleared, it is one again, unless its first bytes are gone. */
		shoal_histogram_clear(&h);
		assert_int_equal(shoal_histogram_count(&h), 0);
		if (first > 0)
			audit_is(&h, 0);
		room_free(&room);
	}
}

static void test_garbage_is_no_histogram(void **state)
{
	(void)state;
	struct shoal_histogram h;
	struct shoal_histogram none = {0};
	uint64_t random = 2;
	for (size_t i = 0; i < 3000; i++) {
		struct room room = room_new(8 * (i % 200));
		uint64_t *to = room.memory;
		for (size_t k = 0; k < room.bytes / 8; k++)
			to[k] = random_next(&random);
		if (room.bytes >= 8 && i % 2)
			to[0] = HISTOGRAM_MAGIC;
		if (room.bytes >= 16 && i % 4 == 3)
			to[1] = HISTOGRAM_LAYOUT_VERSION | (uint64_t)3 << 32;
		int r = shoal_histogram_attach(&h, room.memory, room.bytes);
		assert_int_equal(shoal_histogram_audit(room.memory, room.bytes), r);
		assert_true(r == (room.bytes < 64 ? -EINVAL : -EBADMSG) || r == -ENOTSUP);
		assert_memory_equal(&h, &none, sizeof(h));
		room_free(&room);
	}
}

/* Right checksums over wrong geometries, as a stranger would make them. */
static void test_a_geometry_that_lies_is_refused(void **state)
{
	(void)state;
	struct shoal_histogram h;
	uint64_t random = 3;
	for (int i = 0; i < 3000; i++) {
		struct room room = room_new(128 + 8 * random_below(&random, 100));
		struct histogram_fixed fixed = {
		    .magic = HISTOGRAM_MAGIC,
		    .layout = HISTOGRAM_LAYOUT_VERSION,
		    .digits = (uint32_t)random_below(&random, 6),
		    .highest = random_value(&random),
		    .buckets = random_value(&random),
		};
		if (fixed.digits >= 1 && fixed.digits <= 4 && i % 2)
			fixed.buckets = (uint64_t)(shoal_histogram_bytes(
						       fixed.digits, max_u64(fixed.highest, 1)) -
						   128) /
					8;
		fixed.checksum = checksum(&fixed, offsetof(struct histogram_fixed, checksum));
		memcpy(room.memory, &fixed, sizeof(fixed));
		int r = shoal_histogram_attach(&h, room.memory, room.bytes);
		assert_true(r == 0 || r == -EBADMSG);
		if (r == 0) {
			assert_true(h.bytes <= room.bytes);
			use_all(&h, &random);
		}
		room_free(&room);
	}
}

/* What a newer library, or nobody, would write, with all the rest right. */
static void test_other_formats_and_impossible_geometries(void **state)
{
	(void)state;
	static uint64_t memory[64];
	static const struct {
		struct histogram_fixed fixed;
		int result;
		const char *said;
	} cases[] = {
	    {{.layout = 1, .digits = 1, .highest = 15, .buckets = 16}, 0, ""},
	    {{.layout = 2, .digits = 1, .highest = 15, .buckets = 16}, -ENOTSUP, "format is 2"},
	    {{.layout = 0, .digits = 1, .highest = 15, .buckets = 16}, -ENOTSUP, "format is 0"},
	    {{.layout = 1, .digits = 0, .highest = 1, .buckets = 2}, -EBADMSG, "geometry"},
	    {{.layout = 1, .digits = 5, .highest = 1, .buckets = 2}, -EBADMSG, "geometry"},
	    {{.layout = 1, .digits = 1, .highest = 0, .buckets = 1}, -EBADMSG, "geometry"},
	    {{.layout = 1, .digits = 1, .highest = 15, .buckets = 15}, -EBADMSG, "geometry"},
	    {{.layout = 1, .digits = 1, .highest = 15, .buckets = 17}, -EBADMSG, "geometry"},
	    {{.layout = 1, .digits = 3, .highest = 99, .buckets = 100}, -EBADMSG, "928 bytes"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct histogram_fixed fixed = cases[i].fixed;
		struct shoal_histogram h;
		fixed.magic = HISTOGRAM_MAGIC;
		fixed.checksum = checksum(&fixed, offsetof(struct histogram_fixed, checksum));
		memcpy(memory, &fixed, sizeof(fixed));
		assert_int_equal(shoal_histogram_attach(&h, memory, sizeof(memory)),
				 cases[i].result);
		if (cases[i].result < 0)
			assert_non_null(strstr(shoal_error_detail(), cases[i].said));
	}
}

static void test_each_flipped_bit_of_the_first_64_bytes_is_seen(void **state)
{
	(void)state;
	struct room room;
	struct shoal_histogram h = histogram_new(&room, 3, 1000000);
	struct shoal_histogram again;
	shoal_histogram_record(&h, 1000);
	for (size_t bit = 0; bit < 512; bit++) {
		words(&h)[bit / 64] ^= (uint64_t)1 << bit % 64;
		int r = shoal_histogram_attach(&again, room.memory, room.bytes);
		assert_true(r == -EBADMSG || r == -ENOTSUP);
		assert_true(strlen(shoal_error_detail()) > 20);
		words(&h)[bit / 64] ^= (uint64_t)1 << bit % 64;
	}
	audit_is(&h, 0);
	room_free(&room);
}

static void test_each_flipped_bit_of_the_rest_is_survived(void **state)
{
	(void)state;
	struct room room;
	struct shoal_histogram h = histogram_new(&room, 1, 1000);
	uint64_t random = 5;
	for (uint64_t i = 0; i < 500; i++)
		shoal_histogram_record(&h, random_below(&random, 1200));
	uint64_t *copy = malloc(h.bytes);
	assert_non_null(copy);
	memcpy(copy, h.memory, h.bytes);
	for (size_t bit = 512; bit < h.bytes * 8; bit++) {
		words(&h)[bit / 64] ^= (uint64_t)1 << bit % 64;
		use_all(&h, &random);
		memcpy(h.memory, copy, h.bytes);
	}
	audit_is(&h, 0);
	free(copy);
	room_free(&room);
}

static void test_adding_counts_no_more_than_it_finds(void **state)
{
	(void)state;
	struct room rooms[2];
	struct shoal_histogram liar = histogram_new(&rooms[0], 2, 100000);
	struct shoal_histogram h = histogram_new(&rooms[1], 2, 100000);
	struct histogram_body *body = rooms[0].memory;
	shoal_histogram_record_many(&liar, 500, 3);
	shoal_histogram_record(&liar, 100001);
	body->count = 1000000;
	shoal_histogram_add(&h, &liar);
	assert_int_equal(shoal_histogram_count(&h), 4);
	audit_is(&h, 0);
	room_free(&rooms[0]);
	room_free(&rooms[1]);
}

/* Each thing that the audit looks at, wrong by itself. */
static void test_the_audit_names_what_is_wrong(void **state)
{
	(void)state;
	struct room room;
	struct shoal_histogram h = histogram_new(&room, 2, 100000);
	struct histogram_body *body = room.memory;
	size_t in_use = histogram_index(h.precision, 500);
	const struct {
		_Atomic uint64_t *word;
		uint64_t value;
		const char *said;
	} wrongs[] = {
	    {&body->count, 1001, "more is counted"},
	    {&body->count, UINT64_MAX, "more is counted"},
	    {&body->buckets[in_use], 0, "more is counted"},
	    {&body->max, 500, "outside of minimum and maximum"},
	    {&body->min, 600, "outside of minimum and maximum"},
	    {&body->min, UINT64_MAX, "outside of minimum and maximum"},
	    {&body->buckets[10], 1, "outside of minimum and maximum"},
	    {&body->buckets[h.buckets - 1], 1, "outside of minimum and maximum"},
	    {&body->sum, 499999, "less than count times minimum"},
	    {&body->sum, 60000001, "more than the values"},
	    {&body->changes, 1, "clear it"},
	};
	for (int i = 0; i < 500; i++) {
		shoal_histogram_record(&h, 500);
		shoal_histogram_record(&h, 60000);
	}
	for (size_t i = 0; i < sizeof(wrongs) / sizeof(wrongs[0]); i++) {
		_Atomic uint64_t *word = wrongs[i].word;
		uint64_t before = *word;
		*word = wrongs[i].value;
		audit_is(&h, -EBADMSG);
		if (!strstr(shoal_error_detail(), wrongs[i].said))
			fail_msg("case %zu: %s", i, shoal_error_detail());
		*word = before;
		audit_is(&h, 0);
	}
	room_free(&room);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_garbage_after_attaching),
	    cmocka_unit_test(test_garbage_is_no_histogram),
	    cmocka_unit_test(test_a_geometry_that_lies_is_refused),
	    cmocka_unit_test(test_other_formats_and_impossible_geometries),
	    cmocka_unit_test(test_each_flipped_bit_of_the_first_64_bytes_is_seen),
	    cmocka_unit_test(test_each_flipped_bit_of_the_rest_is_survived),
	    cmocka_unit_test(test_adding_counts_no_more_than_it_finds),
	    cmocka_unit_test(test_the_audit_names_what_is_wrong),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
