/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which value is in which bucket, and how the shared words are read.
 *
 * With precision p, values below 2^p have a bucket each. From there on each power of two has 2^p of
 * them: bucket (s << p) + (value >> s), where the shift s leaves p + 1 bits of the value.
 * Boundaries of a lower precision are boundaries of a higher one too, so a bucket of the finer lies
 * whole in one of the coarser.
 */
#ifndef SHOAL_HISTOGRAM_HISTOGRAM_H
#define SHOAL_HISTOGRAM_HISTOGRAM_H

#include "histogram/histogram_layout.h"

#include <shoal/histogram.h>

static inline uint64_t histogram_index(unsigned precision, uint64_t value)
{
	uint64_t at_least = value | (uint64_t)1 << precision; /* so that small values don't shift */
	unsigned shift = (63u ^ (unsigned)__builtin_clzll(at_least)) - precision;
	return ((uint64_t)shift << precision) + (value >> shift);
}

/* How far the values of a bucket are shifted: it holds 2^shift of them. */
static inline unsigned histogram_shift(unsigned precision, uint64_t index)
{
	uint64_t power = index >> precision;
	return power == 0 ? 0 : (unsigned)(power - 1);
}

static inline uint64_t histogram_low(unsigned precision, uint64_t index)
{
	unsigned shift = histogram_shift(precision, index);
	return (index - ((uint64_t)shift << precision)) << shift;
}

/* Without regard to the histogram's highest value, which may lie within its last bucket. */
static inline uint64_t histogram_high(unsigned precision, uint64_t index)
{
	uint64_t width = (uint64_t)1 << histogram_shift(precision, index);
	return histogram_low(precision, index) + (width - 1);
}

/* Counts and the sum stop at the top. */
static inline uint64_t histogram_plus(uint64_t a, uint64_t b)
{
	return a + b < a ? UINT64_MAX : a + b;
}

static inline uint64_t histogram_times(uint64_t a, uint64_t b)
{
	uint64_t product;
	return __builtin_mul_overflow(a, b, &product) ? UINT64_MAX : product;
}

static inline uint64_t histogram_load(const _Atomic uint64_t *word)
{
	return atomic_load_explicit(word, memory_order_relaxed);
}

/*
 * The figures, and the buckets that can be in use: first to last, none if first > last. `count`,
 * then `sum`, are read with acquire, which pairs with the release of each store of record: so the
 * sum, the minimum, the maximum and the buckets have all that `count` counts, and the minimum, the
 * maximum and the buckets have all that is in `sum`.
 */
struct histogram_figures {
	uint64_t count;
	uint64_t sum;
	uint64_t above;
	uint64_t min;
	uint64_t max;
	uint64_t first;
	uint64_t last;
};

static inline struct histogram_body *histogram_body(const struct shoal_histogram *histogram)
{
	return histogram->memory;
}

static inline struct histogram_figures histogram_figures(const struct shoal_histogram *histogram)
{
	const struct histogram_body *body = histogram_body(histogram);
	struct histogram_figures figures;
	figures.count = atomic_load_explicit(&body->count, memory_order_acquire);
	figures.sum = atomic_load_explicit(&body->sum, memory_order_acquire);
	figures.above = histogram_load(&body->above);
	figures.min = histogram_load(&body->min);
	figures.max = histogram_load(&body->max);
	/* No shared value is an index: these are below `buckets`, whatever was read. */
	figures.first =
	    histogram_index(histogram->precision, min_u64(figures.min, histogram->highest));
	figures.last =
	    histogram_index(histogram->precision, min_u64(figures.max, histogram->highest));
	return figures;
}

/* The highest value of a bucket, as far as there can be one in this histogram. */
static inline uint64_t histogram_top(const struct shoal_histogram *histogram, uint64_t index)
{
	return min_u64(histogram_high(histogram->precision, index), histogram->highest);
}

/* No values: everything but the fixed part and `changes`. */
void histogram_empty(struct histogram_body *body, uint64_t buckets);

#endif
