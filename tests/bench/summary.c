/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers and ratios of one statistic: from starts that are made up, whose processors lie now near
 * and now far, to rows. */
#include "summary.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
/* cmocka.h wants those above before it. */
#include <cmocka.h>

#define STARTS  5
#define NEAR_NS 100.0
#define FAR_NS  500.0

static void close_to(double value, double wanted)
{
	if (!(fabs(value - wanted) <= 1e-9 * fabs(wanted))) {
		print_error("%.12g instead of %.12g\n", value, wanted);
		fail();
	}
}

/* A round trip that always takes `ratio` times the line's, and now and then 3 ms. */
static struct lab_start trip(double line_ns, double ratio)
{
	double ns = line_ns * ratio;

	return (struct lab_start){.line_ns = line_ns,
				  .limit = line_ns,
				  .messages_s = 1e9 / ns,
				  .ns = {ns, ns + 10, ns + 20, ns + 50, 3e6, 4e6},
				  .max_ns = 5e6};
}

static struct lab_start stream(double ring, double ratio)
{
	return (struct lab_start){.line_ns = NEAR_NS, .limit = ring, .messages_s = ring * ratio};
}

/* Here most starts of what is faster were far, and most of what is slower were near. */
static void rows_are_in_one_order_by_number_and_by_ratio(void **state)
{
	struct lab_start fast[STARTS], slow[STARTS];
	struct lab_summary a, b;

	(void)state;
	for (size_t i = 0; i < STARTS; i++) {
		fast[i] = trip(i < 4 ? FAR_NS : NEAR_NS, 1.5);
		slow[i] = trip(i < 1 ? FAR_NS : NEAR_NS, 2.0);
	}
	lab_summarize(fast, STARTS, LAB_ROUND_TRIP, LAB_SPINNING, NEAR_NS, &a);
	lab_summarize(slow, STARTS, LAB_ROUND_TRIP, LAB_SPINNING, NEAR_NS, &b);
	close_to(a.ratio, 1.5);
	close_to(b.ratio, 2.0);
	close_to(a.ns[LAB_P50], 1.5 * NEAR_NS);
	close_to(b.ns[LAB_P50], 2.0 * NEAR_NS);
	assert_true(a.messages_s > b.messages_s);
	for (size_t i = 0; i < STARTS; i++) {
		fast[i] = stream(i < 4 ? 1e6 : 1e8, 0.9);
		slow[i] = stream(i < 1 ? 1e6 : 1e8, 0.4);
	}
	lab_summarize(fast, STARTS, LAB_STREAM, LAB_SPINNING, 1e8, &a);
	lab_summarize(slow, STARTS, LAB_STREAM, LAB_SPINNING, 1e8, &b);
	close_to(a.messages_s, 0.9e8);
	close_to(b.messages_s, 0.4e8);
}

/* The distance of the processors delays every trip, and lengthens no interrupt. */
static void percentiles_rise_and_the_tail_is_as_long_as_it_was(void **state)
{
	struct lab_start starts[STARTS];
	struct lab_summary summary;

	(void)state;
	for (size_t i = 0; i < STARTS; i++)
		starts[i] = trip(i % 2 ? FAR_NS : NEAR_NS, 1.5);
	lab_summarize(starts, STARTS, LAB_ROUND_TRIP, LAB_SPINNING, FAR_NS, &summary);
	for (size_t i = 1; i < LAB_PERCENTS; i++)
		assert_true(summary.ns[i] >= summary.ns[i - 1]);
	close_to(summary.ns[LAB_P99], 1.5 * FAR_NS + 50);
	close_to(summary.ns[LAB_P999], 3e6 + 1.5 * (FAR_NS - NEAR_NS));
	close_to(summary.max_ns, 5e6);
}

/* A wake-up takes as long wherever the processors lie: by the limit of each start, what takes the
 * same time in both rows would be five times slower in one of them. */
static void what_sleeps_is_compared_with_the_limit_of_the_run(void **state)
{
	struct lab_start one[STARTS], other[STARTS];
	struct lab_summary a, b;

	(void)state;
	for (size_t i = 0; i < STARTS; i++) {
		one[i] = trip(FAR_NS, 20000 / FAR_NS);
		other[i] = trip(NEAR_NS, 20000 / NEAR_NS);
	}
	lab_summarize(one, STARTS, LAB_ROUND_TRIP, LAB_SLEEPING, FAR_NS, &a);
	lab_summarize(other, STARTS, LAB_ROUND_TRIP, LAB_SLEEPING, FAR_NS, &b);
	close_to(a.ns[LAB_P50], 20000);
	close_to(b.ns[LAB_P50], 20000);
	close_to(a.ratio, 20000 / FAR_NS);
	close_to(b.ratio, a.ratio);
}

static void the_spread_is_that_of_the_ratio(void **state)
{
	struct lab_start starts[STARTS];
	struct lab_summary summary;

	(void)state;
	for (size_t i = 0; i < STARTS; i++)
		starts[i] = trip(i % 2 ? FAR_NS : NEAR_NS, 1.0 + (double)i);
	lab_summarize(starts, STARTS, LAB_ROUND_TRIP, LAB_SPINNING, NEAR_NS, &summary);
	close_to(summary.ratio, 3.0);
	close_to(summary.low, 2.0);
	close_to(summary.high, 4.0);
}

static void a_fixed_rate_is_what_it_was(void **state)
{
	struct lab_start starts[STARTS];
	struct lab_summary summary;

	(void)state;
	for (size_t i = 0; i < STARTS; i++) {
		starts[i] = trip(FAR_NS, 2.0);
		starts[i].limit = FAR_NS / 2;
		starts[i].messages_s = 10000;
	}
	lab_summarize(starts, STARTS, LAB_OPEN_LOOP, LAB_SPINNING, NEAR_NS / 2, &summary);
	close_to(summary.messages_s, 10000);
	close_to(summary.ns[LAB_P50], summary.ratio * NEAR_NS / 2);
}

static void ten_messages_lie_beyond_a_percentile(void **state)
{
	(void)state;
	for (size_t i = 1; i < LAB_PERCENTS; i++) {
		const struct lab_percent *percent = &lab_percents[i];

		close_to((double)percent->messages_least * (100 - percent->percent), 1000);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(rows_are_in_one_order_by_number_and_by_ratio),
	    cmocka_unit_test(percentiles_rise_and_the_tail_is_as_long_as_it_was),
	    cmocka_unit_test(what_sleeps_is_compared_with_the_limit_of_the_run),
	    cmocka_unit_test(the_spread_is_that_of_the_ratio),
	    cmocka_unit_test(a_fixed_rate_is_what_it_was),
	    cmocka_unit_test(ten_messages_lie_beyond_a_percentile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
