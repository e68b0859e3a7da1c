/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How often each value was seen, to within a hundredth: values below 128 each have a place of
 * their own, and so have 128 parts of each power of two above. It holds no pointer, so a copy of
 * its bytes is a copy.
 */
#ifndef LAB_HISTOGRAM_H
#define LAB_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_BITS   7
#define HISTOGRAM_PLACES ((64 - HISTOGRAM_BITS + 1) << HISTOGRAM_BITS)

struct histogram {
	uint64_t count;
	uint64_t max;
	uint64_t places[HISTOGRAM_PLACES];
};

static inline uint32_t histogram_place(uint64_t value)
{
	uint32_t shift;

	if (value < 1u << HISTOGRAM_BITS)
		return (uint32_t)value;
	shift = 63 - HISTOGRAM_BITS - (uint32_t)__builtin_clzll(value);
	return ((shift + 1) << HISTOGRAM_BITS) +
	       (uint32_t)((value >> shift) & ((1u << HISTOGRAM_BITS) - 1));
}

static inline void histogram_record(struct histogram *histogram, uint64_t value)
{
	histogram->count++;
	histogram->places[histogram_place(value)]++;
	if (value > histogram->max)
		histogram->max = value;
}

void histogram_add(struct histogram *to, const struct histogram *from);
/* The value that `percent` of all are not above; 100: the largest. 0 when there is none. */
uint64_t histogram_percentile(const struct histogram *histogram, double percent);

#endif
