/* SPDX-License-Identifier: Apache-2.0 */
/* What readers get to see. Nothing here writes to the histogram's memory. */
#include "histogram/histogram.h"

#include <string.h>

uint64_t shoal_histogram_count(const struct shoal_histogram *histogram)
{
	return histogram_figures(histogram).count;
}

uint64_t shoal_histogram_sum(const struct shoal_histogram *histogram)
{
	struct histogram_figures figures = histogram_figures(histogram);
	return figures.count > 0 ? figures.sum : 0;
}

uint64_t shoal_histogram_min(const struct shoal_histogram *histogram)
{
	struct histogram_figures figures = histogram_figures(histogram);
	return figures.count > 0 ? figures.min : 0;
}

uint64_t shoal_histogram_max(const struct shoal_histogram *histogram)
{
	struct histogram_figures figures = histogram_figures(histogram);
	return figures.count > 0 ? figures.max : 0;
}

uint64_t shoal_histogram_above(const struct shoal_histogram *histogram)
{
	struct histogram_figures figures = histogram_figures(histogram);
	return figures.count > 0 ? figures.above : 0;
}

/* ---- mean and deviation --------------------------------------------------------------------- */

static double middle(const struct shoal_histogram *histogram, uint64_t index)
{
	double low = (double)histogram_low(histogram->precision, index);
	return low + ((double)histogram_top(histogram, index) - low) / 2;
}

/* Over the buckets: the mean distance from `centre`, or with `square` that of the squares. */
static double mean_distance(const struct shoal_histogram *histogram, double centre, bool square)
{
	const struct histogram_body *body = histogram_body(histogram);
	struct histogram_figures figures = histogram_figures(histogram);
	double count = (double)figures.above;
	double distance = (double)histogram->highest - centre;
	double total = count * (square ? distance * distance : distance);
	for (uint64_t i = figures.first; i <= figures.last; i++) {
		double here = (double)histogram_load(&body->buckets[i]);
		distance = middle(histogram, i) - centre;
		total += here * (square ? distance * distance : distance);
		count += here;
	}
	return count > 0 ? total / count : 0;
}

/* Newton's method, so that the library needs no other for one function. Halving the exponent
 * is off by 6% at most, and each step by half the square of the one before: 2e-3, 2e-6, 2e-12. */
static double square_root(double square)
{
	uint64_t bits;
	double root;
	if (!(square > 0))
		return 0;
	memcpy(&bits, &square, sizeof(bits));
	bits = (bits >> 1) + ((uint64_t)1023 << 51);
	memcpy(&root, &bits, sizeof(root));
	for (int i = 0; i < 5; i++)
		root = (root + square / root) / 2;
	return root;
}

double shoal_histogram_mean(const struct shoal_histogram *histogram)
{
	struct histogram_figures figures = histogram_figures(histogram);
	if (figures.count == 0)
		return 0;
	if (figures.sum == UINT64_MAX)
		return mean_distance(histogram, 0, false);
	return (double)figures.sum / (double)figures.count;
}

double shoal_histogram_stddev(const struct shoal_histogram *histogram)
{
	/* About the mean of the same middles: that of the true values is another number, and would
	 * count its distance from this one as deviation. */
	double mean = mean_distance(histogram, 0, false);
	return square_root(mean_distance(histogram, mean, true));
}

/* ---- ranks ---------------------------------------------------------------------------------- */

#define PERCENT ((uint64_t)10000000) /* what one is divided into: 7 decimals */
#define ALL     (100 * PERCENT)

/* How many of `count` values are `percentile` percent, rounded up; at least 1. In integers: 99.9%
 * of 1,000 are 999, and not 1,000 because 99.9 is a little more in binary. */
static uint64_t rank_of(double percentile, uint64_t count)
{
	uint64_t parts;
	if (!(percentile > 0))
		return 1;
	if (percentile >= 100)
		return count;
	parts = (uint64_t)(percentile * (double)PERCENT + 0.5);
	uint64_t rank = count / ALL * parts + (count % ALL * parts + ALL - 1) / ALL;
	return max_u64(rank, 1);
}

uint64_t shoal_histogram_percentile(const struct shoal_histogram *histogram, double percentile)
{
	const struct histogram_body *body = histogram_body(histogram);
	struct histogram_figures figures = histogram_figures(histogram);
	if (figures.count == 0)
		return 0;
	uint64_t rank = rank_of(percentile, figures.count);
	if (rank == figures.count)
		return figures.max;
	if (rank == 1)
		return figures.min;
	for (uint64_t i = figures.first; i <= figures.last; i++) {
		uint64_t here = histogram_load(&body->buckets[i]);
		if (rank <= here)
			return min_u64(histogram_top(histogram, i), figures.max);
		rank -= here;
	}
	return min_u64(histogram->highest, figures.max);
}

uint64_t shoal_histogram_count_at_or_below(const struct shoal_histogram *histogram, uint64_t value)
{
	const struct histogram_body *body = histogram_body(histogram);
	struct histogram_figures figures = histogram_figures(histogram);
	if (figures.count == 0)
		return 0;
	uint64_t known = min_u64(value, histogram->highest);
	uint64_t last = min_u64(histogram_index(histogram->precision, known), figures.last);
	uint64_t count = value >= figures.max ? figures.above : 0;
	for (uint64_t i = figures.first; i <= last; i++)
		count = histogram_plus(count, histogram_load(&body->buckets[i]));
	return count;
}

int shoal_histogram_next(const struct shoal_histogram *histogram,
			 struct shoal_histogram_bucket *bucket)
{
	const struct histogram_body *body = histogram_body(histogram);
	struct histogram_figures figures = histogram_figures(histogram);
	if (figures.count == 0)
		return 0;
	for (uint64_t i = max_u64(bucket->next, figures.first); i <= figures.last; i++) {
		uint64_t count = histogram_load(&body->buckets[i]);
		if (count == 0)
			continue;
		*bucket = (struct shoal_histogram_bucket){
		    .low = histogram_low(histogram->precision, i),
		    .high = histogram_top(histogram, i),
		    .count = count,
		    .next = i + 1,
		};
		return 1;
	}
	if (bucket->next > histogram->buckets || figures.above == 0)
		return 0;
	/* Added from a histogram with a lower highest, they may all be within this one's. */
	bool beyond = figures.max > histogram->highest;
	*bucket = (struct shoal_histogram_bucket){
	    .low = beyond ? histogram->highest + 1 : figures.max,
	    .high = figures.max,
	    .count = figures.above,
	    .next = (uint64_t)histogram->buckets + 1,
	};
	return 1;
}
