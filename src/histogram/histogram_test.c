/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctest: TIMEOUT 300 LIBRARIES m
 *
 * What a histogram says, held against the sorted values themselves.
 */
#include "histogram/histogram_rig.h"

#include <errno.h>
#include <math.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const uint64_t powers_of_ten[] = {1, 10, 100, 1000, 10000};

/* ---- buckets -------------------------------------------------------------------------------- */

static void test_buckets_follow_one_another_and_are_narrow(void **state)
{
	(void)state;
	for (unsigned digits = 1; digits <= 4; digits++) {
		struct room room;
		struct shoal_histogram h = histogram_new(&room, digits, UINT64_MAX);
		unsigned p = h.precision;
		uint64_t next = 0;
		for (uint64_t i = 0; i < h.buckets; i++) {
			uint64_t low = histogram_low(p, i);
			uint64_t high = histogram_high(p, i);
			assert_int_equal(low, next);
			assert_true(high >= low);
			assert_int_equal(histogram_index(p, low), i);
			assert_int_equal(histogram_index(p, high), i);
			assert_true(high - low <= low / powers_of_ten[digits]);
			next = high + 1;
		}
		assert_int_equal(next, 0); /* the last one ends with UINT64_MAX */
		room_free(&room);
	}
}

static void test_bytes_are_told_beforehand(void **state)
{
	(void)state;
	for (int digits = 1; digits <= 4; digits++)
		for (int bits = 1; bits <= 64; bits++) {
			uint64_t highest = UINT64_MAX >> (64 - bits);
			int64_t bytes = shoal_histogram_bytes((unsigned)digits, highest);
			int64_t constant = (int64_t)SHOAL_HISTOGRAM_BYTES(digits, bits);
			if (bits >= SHOAL_HISTOGRAM_PRECISION(digits))
				assert_int_equal(constant, bytes);
			else
				assert_true(constant > bytes);
		}
	assert_int_equal(SHOAL_HISTOGRAM_BYTES(3, 40), 248 * 1024 + 128);
	assert_int_equal(shoal_histogram_bytes(1, 1), 128 + 2 * 8);
	assert_int_equal(shoal_histogram_bytes(0, 1000), -EINVAL);
	assert_non_null(strstr(shoal_error_detail(), "0 digits"));
	assert_int_equal(shoal_histogram_bytes(5, 1000), -EINVAL);
	assert_int_equal(shoal_histogram_bytes(UINT32_MAX, 1000), -EINVAL);
	assert_int_equal(shoal_histogram_bytes(3, 0), -EINVAL);
	assert_non_null(strstr(shoal_error_detail(), "at least 1"));
}

static void test_what_cannot_be_made_is_said(void **state)
{
	(void)state;
	struct shoal_histogram h;
	struct shoal_histogram none = {0};
	static uint64_t memory[SHOAL_HISTOGRAM_BYTES(1, 10) / 8];
	size_t bytes = (size_t)shoal_histogram_bytes(1, 1000);
	assert_true(bytes <= sizeof(memory));
	assert_int_equal(shoal_histogram_init(&h, memory, bytes - 1, 1, 1000), -EINVAL);
	assert_non_null(strstr(shoal_error_detail(), "ask shoal_histogram_bytes"));
	assert_memory_equal(&h, &none, sizeof(h));
	assert_int_equal(shoal_histogram_init(&h, memory, bytes, 0, 1000), -EINVAL);
	assert_int_equal(shoal_histogram_init(&h, memory, bytes, 1, 0), -EINVAL);
	assert_int_equal(shoal_histogram_init(&h, NULL, bytes, 1, 1000), -EINVAL);
	for (int i = 1; i < 8; i++) {
		char *odd = (char *)memory + i;
		assert_int_equal(shoal_histogram_init(&h, odd, bytes, 1, 1000), -EINVAL);
		assert_int_equal(shoal_histogram_attach(&h, odd, bytes), -EINVAL);
		assert_int_equal(shoal_histogram_audit(odd, bytes), -EINVAL);
	}
	for (size_t i = 0; i < COUNT(memory); i++)
		assert_int_equal(memory[i], 0);
	assert_int_equal(shoal_histogram_attach(&h, memory, bytes), -EBADMSG);
	assert_int_equal(shoal_histogram_init(&h, memory, bytes, 1, 1000), 0);
	assert_int_equal(h.bytes, bytes);
	assert_int_equal(h.digits, 1);
	assert_int_equal(h.highest, 1000);
	assert_int_equal(shoal_histogram_attach(&h, memory, bytes - 1), -EBADMSG);
	assert_memory_equal(&h, &none, sizeof(h));
	assert_int_equal(shoal_histogram_attach(&h, memory, sizeof(memory)), 0);
	assert_int_equal(h.bytes, bytes);
}

/* ---- against the sorted values -------------------------------------------------------------- */

#define VALUES_MAX 3000u

struct truth {
	uint64_t values[VALUES_MAX]; /* sorted */
	uint64_t count;
	uint64_t highest;
	unsigned digits;
};

static uint64_t draw(uint64_t *random, unsigned kind, uint64_t scale, uint64_t i)
{
	switch (kind) {
	case 0:
		return random_value(random);
	case 1:
		return random_below(random, scale) + 1;
	case 2:
		return scale;
	case 3: /* two humps */
		return random_below(random, 10) ? 100 + random_below(random, 50)
						: scale / 2 + random_below(random, scale / 2 + 1);
	case 4: /* a long tail */
		return scale / (random_below(random, 10000) + 1);
	case 5:
		return random_below(random, 6);
	case 6:
		return i * (scale / VALUES_MAX + 1);
	default:
		return random_next(random);
	}
}

static int by_size(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a;
	uint64_t right = *(const uint64_t *)b;
	return left < right ? -1 : left > right;
}

static uint64_t draw_highest(uint64_t *random)
{
	static const uint64_t some[] = {
	    1, 2, 15, 16, 17, 1000, 1000000, 1000000000, 3600000000000, UINT64_MAX};
	uint64_t which = random_below(random, 2 * COUNT(some));
	return which < COUNT(some) ? some[which] : max_u64(random_value(random), 1);
}

static struct shoal_histogram fill(struct truth *truth, struct room *room, uint64_t *random)
{
	unsigned kind = (unsigned)random_below(random, 8);
	uint64_t scale = max_u64(random_value(random), 2);
	truth->digits = 1 + (unsigned)random_below(random, 4);
	truth->highest = draw_highest(random);
	truth->count = 1 + random_below(random, random_below(random, 4) ? VALUES_MAX : 5);
	struct shoal_histogram h = histogram_new(room, truth->digits, truth->highest);
	for (uint64_t i = 0; i < truth->count; i++) {
		truth->values[i] = draw(random, kind, scale, i);
		shoal_histogram_record(&h, truth->values[i]);
	}
	qsort(truth->values, truth->count, sizeof(uint64_t), by_size);
	return h;
}

static uint64_t how_many_up_to(const struct truth *truth, uint64_t value)
{
	uint64_t count = 0;
	while (count < truth->count && truth->values[count] <= value)
		count++;
	return count;
}

/* Percentiles, and as fractions: what they are in decimal. */
static const struct {
	double percentile;
	uint64_t parts;
	uint64_t of;
} asked[] = {
    {0, 0, 1},         {0.1, 1, 1000},       {1, 1, 100},          {10, 1, 10},
    {25, 1, 4},        {33.3, 333, 1000},    {50, 1, 2},           {70, 7, 10},
    {75, 3, 4},        {90, 9, 10},          {95, 95, 100},        {99, 99, 100},
    {99.9, 999, 1000}, {99.99, 9999, 10000}, {99.95, 9995, 10000}, {100, 1, 1},
};

static void compare_percentiles(const struct truth *truth, const struct shoal_histogram *h)
{
	for (size_t i = 0; i < COUNT(asked); i++) {
		uint64_t rank = (truth->count * asked[i].parts + asked[i].of - 1) / asked[i].of;
		uint64_t real = truth->values[max_u64(rank, 1) - 1];
		uint64_t told = shoal_histogram_percentile(h, asked[i].percentile);
		if (rank <= 1 || rank == truth->count) {
			assert_int_equal(told, real);
			continue;
		}
		real = min_u64(real, truth->highest); /* beyond counts as the highest */
		if (told < real || told - real > real / powers_of_ten[truth->digits])
			fail_msg("%u digits up to %llu: p%g of %llu values is %llu and not %llu",
				 truth->digits, (unsigned long long)truth->highest,
				 asked[i].percentile, (unsigned long long)truth->count,
				 (unsigned long long)told, (unsigned long long)real);
		assert_true(told <= truth->highest);
		assert_true(told <= truth->values[truth->count - 1]);
	}
}

static void compare_exact(const struct truth *truth, const struct shoal_histogram *h)
{
	uint64_t sum = 0;
	uint64_t above = truth->count - how_many_up_to(truth, truth->highest);
	for (uint64_t i = 0; i < truth->count; i++)
		sum = sum + truth->values[i] < sum ? UINT64_MAX : sum + truth->values[i];
	assert_int_equal(shoal_histogram_count(h), truth->count);
	assert_int_equal(shoal_histogram_sum(h), sum);
	assert_int_equal(shoal_histogram_min(h), truth->values[0]);
	assert_int_equal(shoal_histogram_max(h), truth->values[truth->count - 1]);
	assert_int_equal(shoal_histogram_above(h), above);
	if (sum != UINT64_MAX)
		assert_true(shoal_histogram_mean(h) == (double)sum / (double)truth->count);
}

static void compare_deviation(const struct truth *truth, const struct shoal_histogram *h)
{
	long double mean = 0;
	long double squares = 0;
	for (uint64_t i = 0; i < truth->count; i++)
		mean += (long double)min_u64(truth->values[i], truth->highest);
	mean /= (long double)truth->count;
	for (uint64_t i = 0; i < truth->count; i++) {
		long double d = (long double)min_u64(truth->values[i], truth->highest) - mean;
		squares += d * d;
	}
	double real = sqrt((double)(squares / (long double)truth->count));
	double told = shoal_histogram_stddev(h);
	uint64_t largest = min_u64(truth->values[truth->count - 1], truth->highest);
	unsigned shift = histogram_shift(h->precision, histogram_index(h->precision, largest));
	double half_a_bucket = ldexp(1, (int)shift) / 2;
	double slack = shift == 0 ? 0 : half_a_bucket;
	if (fabs(told - real) > slack + (double)largest * 1e-12)
		fail_msg("deviation %.17g and not %.17g, half a bucket is %g", told, real, slack);
}

/* Where the sum has stopped, the mean of the middles. */
static void compare_rough_mean(const struct truth *truth, const struct shoal_histogram *h)
{
	if (shoal_histogram_sum(h) != UINT64_MAX)
		return;
	double mean = 0;
	for (uint64_t i = 0; i < truth->count; i++)
		mean += (double)min_u64(truth->values[i], truth->highest) / (double)truth->count;
	double off = fabs(shoal_histogram_mean(h) - mean);
	assert_true(off <= mean / (double)powers_of_ten[truth->digits]);
}

static void compare_counts(const struct truth *truth, const struct shoal_histogram *h,
			   uint64_t *random)
{
	uint64_t largest = truth->values[truth->count - 1];
	for (int i = 0; i < 40; i++) {
		uint64_t value = i % 2 ? random_value(random)
				       : truth->values[random_below(random, truth->count)];
		uint64_t bucket = histogram_index(h->precision, min_u64(value, h->highest));
		uint64_t real = how_many_up_to(truth, histogram_top(h, bucket));
		if (value >= largest)
			real = truth->count;
		assert_int_equal(shoal_histogram_count_at_or_below(h, value), real);
	}
	assert_int_equal(shoal_histogram_count_at_or_below(h, UINT64_MAX), truth->count);
}

static void compare_buckets(const struct truth *truth, const struct shoal_histogram *h)
{
	struct shoal_histogram_bucket bucket = {0};
	uint64_t seen = 0;
	while (shoal_histogram_next(h, &bucket)) {
		assert_true(bucket.low <= bucket.high);
		assert_true(bucket.count > 0);
		assert_true(seen < truth->count);
		/* The values of the bucket are the next of the sorted ones. */
		assert_true(truth->values[seen] >= bucket.low);
		seen += bucket.count;
		assert_true(seen <= truth->count);
		assert_true(truth->values[seen - 1] <= bucket.high);
		assert_int_equal(how_many_up_to(truth, bucket.high), seen);
	}
	assert_int_equal(seen, truth->count);
	assert_int_equal(shoal_histogram_next(h, &bucket), 0);
}

static void test_all_figures_against_the_sorted_values(void **state)
{
	(void)state;
	static struct truth truth;
	uint64_t random = 1;
	for (int i = 0; i < 400; i++) {
		struct room room;
		struct shoal_histogram h = fill(&truth, &room, &random);
		audit_is(&h, 0);
		/* Reading needs no permission to write. */
		mprotect(room.map + RIG_PAGE, room.pages_bytes, PROT_READ);
		assert_int_equal(shoal_histogram_attach(&h, room.memory, room.bytes), 0);
		audit_is(&h, 0);
		compare_exact(&truth, &h);
		compare_percentiles(&truth, &h);
		compare_deviation(&truth, &h);
		compare_rough_mean(&truth, &h);
		compare_counts(&truth, &h, &random);
		compare_buckets(&truth, &h);
		room_free(&room);
	}
}

/* ---- edges ---------------------------------------------------------------------------------- */

static void test_an_empty_one_is_zero_everywhere(void **state)
{
	(void)state;
	struct room room;
	struct shoal_histogram h = histogram_new(&room, 3, 1000000);
	struct shoal_histogram_bucket bucket = {0};
	shoal_histogram_record_many(&h, 5, 0);
	assert_int_equal(shoal_histogram_count(&h), 0);
	assert_int_equal(shoal_histogram_sum(&h), 0);
	assert_int_equal(shoal_histogram_min(&h), 0);
	assert_int_equal(shoal_histogram_max(&h), 0);
	assert_int_equal(shoal_histogram_above(&h), 0);
	assert_int_equal(shoal_histogram_percentile(&h, 50), 0);
	assert_int_equal(shoal_histogram_percentile(&h, 100), 0);
	assert_int_equal(shoal_histogram_count_at_or_below(&h, UINT64_MAX), 0);
	assert_true(shoal_histogram_mean(&h) == 0);
	assert_true(shoal_histogram_stddev(&h) == 0);
	assert_int_equal(shoal_histogram_next(&h, &bucket), 0);
	audit_is(&h, 0);
	room_free(&room);
}

static void test_the_smallest_and_the_largest_values(void **state)
{
	(void)state;
	struct room room;
	struct shoal_histogram h = histogram_new(&room, 2, UINT64_MAX);
	static const uint64_t values[] = {0, 1, UINT64_MAX - 1, UINT64_MAX};
	for (size_t i = 0; i < COUNT(values); i++) {
		shoal_histogram_clear(&h);
		shoal_histogram_record(&h, values[i]);
		assert_int_equal(shoal_histogram_count(&h), 1);
		assert_int_equal(shoal_histogram_sum(&h), values[i]);
		assert_int_equal(shoal_histogram_min(&h), values[i]);
		assert_int_equal(shoal_histogram_max(&h), values[i]);
		assert_int_equal(shoal_histogram_above(&h), 0);
		for (int p = 0; p <= 100; p++)
			assert_int_equal(shoal_histogram_percentile(&h, p), values[i]);
		assert_int_equal(shoal_histogram_count_at_or_below(&h, values[i]), 1);
		assert_true(shoal_histogram_stddev(&h) == 0);
		audit_is(&h, 0);
	}
	shoal_histogram_record(&h, 1);
	assert_int_equal(shoal_histogram_sum(&h), UINT64_MAX); /* it stops there */
	assert_true(shoal_histogram_mean(&h) > 9.1e18);
	assert_true(shoal_histogram_mean(&h) < 9.3e18);
	audit_is(&h, 0);
	room_free(&room);
}

static void test_values_above_the_highest_are_never_lost(void **state)
{
	(void)state;
	struct room room;
	struct shoal_histogram h = histogram_new(&room, 3, 5000);
	struct shoal_histogram_bucket bucket = {0};
	shoal_histogram_record_many(&h, 4999, 2);
	shoal_histogram_record(&h, 5000); /* the last value of all, in a bucket of 4 */
	shoal_histogram_record(&h, 5001);
	shoal_histogram_record_many(&h, 90000, 6);
	assert_int_equal(shoal_histogram_count(&h), 10);
	assert_int_equal(shoal_histogram_above(&h), 7);
	assert_int_equal(shoal_histogram_max(&h), 90000);
	assert_int_equal(shoal_histogram_sum(&h), 2 * 4999 + 5000 + 5001 + 6 * 90000);
	assert_int_equal(shoal_histogram_percentile(&h, 30), 5000);
	assert_int_equal(shoal_histogram_percentile(&h, 90), 5000);
	assert_int_equal(shoal_histogram_percentile(&h, 100), 90000);
	assert_int_equal(shoal_histogram_percentile(&h, 150), 90000);
	assert_int_equal(shoal_histogram_count_at_or_below(&h, 5000), 3);
	assert_int_equal(shoal_histogram_count_at_or_below(&h, 89999), 3);
	assert_int_equal(shoal_histogram_count_at_or_below(&h, 90000), 10);
	uint64_t last_count = 0;
	while (shoal_histogram_next(&h, &bucket))
		last_count = bucket.count;
	assert_int_equal(last_count, 7);
	assert_int_equal(bucket.low, 5001);
	assert_int_equal(bucket.high, 90000);
	audit_is(&h, 0);
	room_free(&room);
}

static void test_no_number_is_a_wrong_percentile(void **state)
{
	(void)state;
	struct room room;
	struct shoal_histogram h = histogram_new(&room, 3, 100000);
	for (uint64_t i = 1; i <= 1000; i++)
		shoal_histogram_record(&h, i);
	assert_int_equal(shoal_histogram_percentile(&h, -1), 1);
	assert_int_equal(shoal_histogram_percentile(&h, -HUGE_VAL), 1);
	assert_int_equal(shoal_histogram_percentile(&h, NAN), 1);
	assert_int_equal(shoal_histogram_percentile(&h, 1e300), 1000);
	assert_int_equal(shoal_histogram_percentile(&h, HUGE_VAL), 1000);
	assert_int_equal(shoal_histogram_percentile(&h, 1e-300), 1);
	/* In binary 99.9 is a little more than 999 of 1,000. */
	assert_int_equal(shoal_histogram_percentile(&h, 99.9), 999);
	assert_int_equal(shoal_histogram_percentile(&h, 99.91), 1000);
	assert_int_equal(shoal_histogram_percentile(&h, 50), 500);
	assert_int_equal(shoal_histogram_percentile(&h, 50.0000001), 501);
	/* 0.41 is a little less than 4,100,000 of 1,000,000,000. */
	shoal_histogram_clear(&h);
	shoal_histogram_record_many(&h, 5, 4099999);
	shoal_histogram_record_many(&h, 6, 1000000000 - 4099999);
	assert_int_equal(shoal_histogram_percentile(&h, 0.41), 6);
	assert_int_equal(shoal_histogram_percentile(&h, 0.4099999), 5);
	/* However few they are asked for, the smallest is not given as its bucket's highest. */
	shoal_histogram_clear(&h);
	shoal_histogram_record(&h, 50001);
	shoal_histogram_record_many(&h, 90000, 10);
	assert_int_equal(shoal_histogram_percentile(&h, 1e-300), 50001);
	room_free(&room);
}

static void test_counts_stop_at_the_top(void **state)
{
	(void)state;
	struct room room;
	struct shoal_histogram h = histogram_new(&room, 1, 100);
	shoal_histogram_record_many(&h, 10, (uint64_t)1 << 63);
	shoal_histogram_record_many(&h, 20, ((uint64_t)1 << 63) - 2);
	assert_int_equal(shoal_histogram_count(&h), UINT64_MAX - 1);
	assert_int_equal(shoal_histogram_percentile(&h, 50), 10);
	assert_int_equal(shoal_histogram_percentile(&h, 50.0000001), 20);
	shoal_histogram_record(&h, 20);
	shoal_histogram_record(&h, 20);
	shoal_histogram_record_many(&h, 101, UINT64_MAX);
	shoal_histogram_record(&h, 102);
	assert_int_equal(shoal_histogram_count(&h), UINT64_MAX);
	assert_int_equal(shoal_histogram_above(&h), UINT64_MAX);
	assert_int_equal(shoal_histogram_sum(&h), UINT64_MAX);
	assert_int_equal(shoal_histogram_count_at_or_below(&h, 200), UINT64_MAX);
	audit_is(&h, 0);
	room_free(&room);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_buckets_follow_one_another_and_are_narrow),
	    cmocka_unit_test(test_bytes_are_told_beforehand),
	    cmocka_unit_test(test_what_cannot_be_made_is_said),
	    cmocka_unit_test(test_all_figures_against_the_sorted_values),
	    cmocka_unit_test(test_an_empty_one_is_zero_everywhere),
	    cmocka_unit_test(test_the_smallest_and_the_largest_values),
	    cmocka_unit_test(test_values_above_the_highest_are_never_lost),
	    cmocka_unit_test(test_no_number_is_a_wrong_percentile),
	    cmocka_unit_test(test_counts_stop_at_the_top),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
