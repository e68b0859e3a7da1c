/* SPDX-License-Identifier: Apache-2.0 */
#include "histogram.h"

void histogram_add(struct histogram *to, const struct histogram *from)
{
	to->count += from->count;
	if (from->max > to->max)
		to->max = from->max;
	for (uint32_t i = 0; i < HISTOGRAM_PLACES; i++)
		to->places[i] += from->places[i];
}

/* The middle of what a place stands for. */
static uint64_t value_at(uint32_t place)
{
	uint32_t shift = place >> HISTOGRAM_BITS;
	uint64_t low = place & ((1u << HISTOGRAM_BITS) - 1);

	if (shift == 0)
		return low;
	shift--;
	return ((low + (1u << HISTOGRAM_BITS)) << shift) + ((uint64_t)1 << shift) / 2;
}

uint64_t histogram_percentile(const struct histogram *histogram, double percent)
{
	double wanted = (double)histogram->count * percent / 100.0;
	uint64_t seen = 0;

	if (percent >= 100.0)
		return histogram->max;
	for (uint32_t i = 0; i < HISTOGRAM_PLACES; i++) {
		seen += histogram->places[i];
		if (seen > 0 && (double)seen >= wanted)
			return value_at(i) < histogram->max ? value_at(i) : histogram->max;
	}
	return histogram->max;
}
