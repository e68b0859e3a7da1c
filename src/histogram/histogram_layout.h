/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A histogram in memory.
 *
 *     0  the fixed part, 64 bytes: written by whoever makes the histogram, the magic last, never
 *        after. Everybody copies it out, checks the copy, and goes by that.
 *    64  the figures, one line, and
 *   128  the buckets, 8 bytes each: written by the writer alone
 *
 * For each value the writer stores, in this order:
 *   min, max   if the value is outside. Before the bucket, so that no bucket outside of them is
 *              ever in use: a stale one is that of fewer values.
 *   bucket     or `above` for a value beyond the highest. Stale: not counted yet.
 *   sum        stays at UINT64_MAX instead of passing it
 *   count      the last: whoever sees it, sees the rest of all values that it counts
 * and around a clear or an addition
 *   changes    one more, so that it is odd; and one more when all is done. Odd without a writer:
 *              the writer was killed in between, and the buckets are half of this, half of that.
 */
#ifndef SHOAL_HISTOGRAM_HISTOGRAM_LAYOUT_H
#define SHOAL_HISTOGRAM_HISTOGRAM_LAYOUT_H

#include "base/bits.h"

/* The bytes 89 53 48 4f 41 4c 48 0a, "\x89SHOALH\n". */
#define HISTOGRAM_MAGIC          0x0a484c414f485389u
#define HISTOGRAM_LAYOUT_VERSION 1u /* its own: a histogram may outlive a layout of objects */
#define HISTOGRAM_DIGITS_MAX     4u

struct histogram_fixed {
	uint64_t magic;
	uint32_t layout;
	uint32_t digits;
	uint64_t highest;
	uint64_t buckets; /* follows from digits and highest */
	uint64_t reserved[3];
	uint64_t checksum; /* of the 56 bytes before it */
};
static_assert(sizeof(struct histogram_fixed) == 64, "layout");
static_assert(offsetof(struct histogram_fixed, checksum) == 56, "layout");

#define HISTOGRAM_FIXED_WORDS (sizeof(struct histogram_fixed) / sizeof(uint64_t))

struct histogram_body {
	_Atomic uint64_t fixed[HISTOGRAM_FIXED_WORDS]; /* a struct histogram_fixed */
	_Atomic uint64_t count;
	_Atomic uint64_t above;
	_Atomic uint64_t min; /* UINT64_MAX before the first value */
	_Atomic uint64_t max; /* 0 before the first value */
	_Atomic uint64_t sum;
	_Atomic uint64_t changes;
	uint64_t reserved[2];
	_Atomic uint64_t buckets[];
};
static_assert(sizeof(struct histogram_body) == 128, "layout");
static_assert(offsetof(struct histogram_body, count) == 64, "layout");

#endif
