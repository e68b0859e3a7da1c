/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How often the rule of compare.h is wrong: runs are made up whose starts scatter around a ratio
 * that is known, and their medians and quartiles compared. The table that it prints is the one in
 * docs/comparing.md. The numbers that look random are the same in every run.
 */
#include "documents.h"

#include "compare.h"

#include <stdlib.h>

#define TRIALS      20000
#define STARTS_MOST 12

static uint64_t state_of_random = 88172645463325252u;

/* xorshift64*: 0 < x < 1 */
static double uniform(void)
{
	state_of_random ^= state_of_random >> 12;
	state_of_random ^= state_of_random << 25;
	state_of_random ^= state_of_random >> 27;
	return ((double)((state_of_random * 2685821657736338717u) >> 11) + 0.5) /
	       9007199254740992.0;
}

static double normal(void)
{
	return sqrt(-2 * log(uniform())) * cos(2 * acos(-1.0) * uniform());
}

static int compare_doubles(const void *left, const void *right)
{
	double a = *(const double *)left;
	double b = *(const double *)right;

	return (a > b) - (a < b);
}

/* A run of so many starts around `ratio`; with outliers, a fifth of them scatters three times as
 * far, as they do on a machine that is not quite quiet. */
static struct run_result make_result(int starts, double ratio, double scatter, bool outliers)
{
	double ratios[STARTS_MOST];

	for (int i = 0; i < starts; i++) {
		double far = outliers && uniform() < 0.2 ? 3 : 1;

		ratios[i] = ratio * exp(normal() * scatter * far);
	}
	qsort(ratios, (size_t)starts, sizeof ratios[0], compare_doubles);
	return (struct run_result){.transport = "topic",
				   .job = RUN_ROUND_TRIP,
				   .limit = "line",
				   .starts = starts,
				   .near = starts,
				   .p50_ns = RUN_NONE,
				   .ratio = (ratios[(starts - 1) / 2] + ratios[starts / 2]) / 2,
				   .low = ratios[starts / 4],
				   .high = ratios[starts - 1 - starts / 4]};
}

/* In how many of a hundred pairs, of which the second is so much slower, the rule says so. */
static double percent_slower(int starts, double change, double scatter, bool outliers)
{
	int slower = 0;

	for (int i = 0; i < TRIALS; i++) {
		struct run_result old = make_result(starts, 1, scatter, outliers);
		struct run_result new = make_result(starts, 1 + change, scatter, outliers);

		slower += compare_results(&old, &new, true).verdict == COMPARE_SLOWER;
	}
	return 100.0 * slower / TRIALS;
}

static void check_row(int starts, double scatter, bool outliers)
{
	double none = percent_slower(starts, 0, scatter, outliers);
	double some = percent_slower(starts, 0.1, scatter, outliers);
	double more = percent_slower(starts, 0.2, scatter, outliers);
	double much = percent_slower(starts, 0.5, scatter, outliers);

	print_message("| %d | %.0f %% | %s | %.1f %% | %.0f %% | %.0f %% | %.0f %% |\n", starts,
		      scatter * 100, outliers ? "yes" : "no", none, some, more, much);
	assert_true(none < (starts < 6 ? 2.0 : 1.0));
	assert_true(scatter > 0.02 || more > 90);
	assert_true(none <= some && some <= more && more <= much);
}

static void the_rule_seldom_cries_wolf_and_sees_what_is_large(void **state)
{
	static const int starts[] = {5, 6, 8, STARTS_MOST};
	static const double scatters[] = {0.02, 0.05, 0.15};

	(void)state;
	for (size_t i = 0; i < sizeof starts / sizeof *starts; i++) {
		for (size_t k = 0; k < sizeof scatters / sizeof *scatters; k++) {
			check_row(starts[i], scatters[k], false);
			check_row(starts[i], scatters[k], true);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_rule_seldom_cries_wolf_and_sees_what_is_large),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
