/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Histograms: how often each value came, to 1 to 4 decimal digits, in memory of a fixed size.
 * For latencies in nanoseconds, sizes in bytes: any 64-bit number without a sign.
 *
 * BUCKETS are log-linear: each power of two is divided into 16, 128, 1,024 or 16,384 of the same
 * width (for 1, 2, 3, 4 digits), and small values have one each. So no bucket is wider than 6.3%,
 * 0.79%, 0.098% or 0.0062% of the values in it. What is read from buckets is given as the HIGHEST
 * value of the bucket, and never as more than the maximum: "p99 is 5,003" with 3 digits means that
 * at least 99% of the values are at or below 5,003, and that 5,003 is too high by 0.098% at most.
 *
 * EXACT are count, sum, minimum and maximum. The sum stays at UINT64_MAX instead of passing it
 * (584 years of nanoseconds), and so does each count.
 *
 * ABOVE. A histogram has a highest value that it can tell, chosen by you. A larger one is counted
 * as the highest in percentiles and in the standard deviation, and is counted apart: look at
 * shoal_histogram_above before you believe a high percentile. It is in count, sum, minimum and
 * maximum as it came.
 *
 * MEMORY is yours, flat, without a pointer in it: an array, shared memory, a mapped file, a member
 * of a struct of yours. It has a fixed format (docs/format/histogram.md), so the same bytes mean
 * the same to every process, and memcpy copies a histogram that nobody writes to (one that is
 * being written is copied by adding it to an empty one). It must be aligned to 8 bytes; 64 are
 * better. A struct shoal_histogram is no part of it: that is this process's own description, made
 * by init or attach; it has nothing to give back, and it must not be where others can write.
 *
 * WRITERS. One at a time records, clears or adds; who it is, is settled by you. Recording is a few
 * loads and stores: no lock, no fence, no atomic read-modify-write.
 *
 * READERS. Any number, in any thread and process, at any time, read-only mappings included; they
 * hold up nobody. While values are being recorded a reader sees a moving picture, but never a count
 * whose values are not in the buckets, the sum, the minimum and the maximum. While the histogram is
 * being cleared or added to it sees any mixture.
 *
 * DEATH. A writer may be killed at any instruction. Of the value that it was recording (of all
 * that one shoal_histogram_record_many was told to record) then any beginning of this list is
 * done: minimum, maximum, bucket, sum, count. So the buckets may hold one value more than `count`
 * says, for each such death; the next writer just goes on. A death within clear or add leaves a
 * mark that shoal_histogram_audit tells (-EBADMSG): clear it then.
 *
 * STRANGERS. Whatever is in the memory, these functions touch nothing outside it, end, and don't
 * crash. If a stranger may write to it, their figures are no better than the stranger.
 *
 * COORDINATED OMISSION. There is no correction for it. A measurement that waits for each answer
 * before it asks again leaves out the very questions that would have waited longest; values made
 * up afterwards are a guess at them. Ask at a fixed rate instead, and count each latency from the
 * moment at which the question should have been asked.
 */
#ifndef SHOAL_HISTOGRAM_H
#define SHOAL_HISTOGRAM_H

#include <shoal/error.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A histogram as this process knows it: where it lies, and a checked copy of its geometry. A plain
 * value: copy it, throw it away. Set by shoal_histogram_init and shoal_histogram_attach only. */
struct shoal_histogram {
	void *memory;
	size_t bytes;     /* of memory that it takes: what to copy, or to write to a file */
	uint64_t highest; /* the highest value that it can tell */
	uint32_t digits;
	uint32_t precision; /* each power of two has 2^precision buckets */
	uint32_t buckets;
	uint32_t reserved;
};

/*
 * Bytes enough for a histogram of `digits` digits, 1 to 4, and values below 2 to the power of
 * `bits`, 1 to 64; as a constant, for arrays and structs. SHOAL_HISTOGRAM_BYTES(3, 40), up to 18
 * minutes in nanoseconds, are 248 KiB and 128 bytes.
 */
#define SHOAL_HISTOGRAM_BYTES(digits, bits)                                                        \
	((size_t)128 + ((size_t)8 << SHOAL_HISTOGRAM_PRECISION(digits)) *                          \
			   ((bits) > SHOAL_HISTOGRAM_PRECISION(digits)                             \
				? (size_t)((bits) + 1 - SHOAL_HISTOGRAM_PRECISION(digits))         \
				: 1))
#define SHOAL_HISTOGRAM_PRECISION(digits)                                                          \
	((digits) == 1 ? 4 : (digits) == 2 ? 7 : (digits) == 3 ? 10 : 14)

/*
 * The bytes that a histogram of `digits` digits (1 to 4) with this highest value (at least 1)
 * needs. -EINVAL when there is none such.
 */
SHOAL_API int64_t shoal_histogram_bytes(unsigned digits, uint64_t highest);

/*
 * Makes an empty histogram in `memory`, whatever was there before, and describes it in
 * *ret_histogram. It may be attached to from the moment this returns; a kill before that leaves
 * none. Returns 0, or -EINVAL: `digits`, `highest`, alignment, or fewer `bytes` than
 * shoal_histogram_bytes asks for. On failure *ret_histogram is zeroes.
 */
SHOAL_API int shoal_histogram_init(struct shoal_histogram *ret_histogram, void *memory,
				   size_t bytes, unsigned digits, uint64_t highest);

/*
 * Describes the histogram that lies in `memory`, to read or to write it. `memory` may be mapped
 * read-only if nothing is written. Looks at its first 64 bytes only, and takes no memory.
 * Returns 0, -EBADMSG (no histogram, a damaged one, or `bytes` are fewer than it needs), -ENOTSUP
 * (a newer format), -EINVAL (alignment, or not even 64 bytes). On failure *ret_histogram is zeroes.
 */
SHOAL_API int shoal_histogram_attach(struct shoal_histogram *ret_histogram, void *memory,
				     size_t bytes);

/*
 * Checks everything that holds in every histogram, after any death of its writers too. Returns 0,
 * -EBADMSG with the first thing that is wrong in shoal_error_detail(), or as attach. While somebody
 * writes it looks at a moving picture: call it when the writer has stopped or is gone.
 */
SHOAL_API int shoal_histogram_audit(const void *memory, size_t bytes);

/* ---- writing: one at a time ------------------------------------------------------------ */

/* Counts `value` once. Two or three nanoseconds and a call, when the bucket is in the cache. */
SHOAL_API void shoal_histogram_record(struct shoal_histogram *histogram, uint64_t value);
/* Counts `value` `count` times, at the same cost. */
SHOAL_API void shoal_histogram_record_many(struct shoal_histogram *histogram, uint64_t value,
					   uint64_t count);
/* Makes it empty, with the geometry that it has. Writes to all of its memory: some microseconds for
 * ten thousand buckets. */
SHOAL_API void shoal_histogram_clear(struct shoal_histogram *histogram);
/*
 * Adds all that `other` has counted; `other` stays as it is, and may be written meanwhile. Any two
 * geometries go together: between equal ones, and from more digits to fewer, nothing is lost;
 * otherwise each value counts as the highest of its bucket. A value above the highest of `other`
 * stays one that was above. Adding a histogram to itself doubles it.
 */
SHOAL_API void shoal_histogram_add(struct shoal_histogram *histogram,
				   const struct shoal_histogram *other);

/* ---- reading --------------------------------------------------------------------------- */

/* Exact, and read in no time. All are 0 while nothing was counted. */
SHOAL_API uint64_t shoal_histogram_count(const struct shoal_histogram *histogram);
SHOAL_API uint64_t shoal_histogram_sum(const struct shoal_histogram *histogram);
SHOAL_API uint64_t shoal_histogram_min(const struct shoal_histogram *histogram);
SHOAL_API uint64_t shoal_histogram_max(const struct shoal_histogram *histogram);
/* How many values were larger than the highest of the histogram that they were recorded in. */
SHOAL_API uint64_t shoal_histogram_above(const struct shoal_histogram *histogram);

/* Sum by count; where the sum has stopped at UINT64_MAX, from the middles of the buckets. */
SHOAL_API double shoal_histogram_mean(const struct shoal_histogram *histogram);
/* Of all the values (divided by count, not count - 1), each taken for the middle of its bucket: off
 * by at most half the width of the widest bucket in use. */
SHOAL_API double shoal_histogram_stddev(const struct shoal_histogram *histogram);

/*
 * The smallest value that at least `percentile` percent of all values are at or below, as the
 * highest of its bucket: 50 is the median. `percentile` counts to 7 decimals; below 0 (or no
 * number) it is 0, above 100 it is 100. Exact where that value is the smallest of all (so for 0) or
 * the largest (so for 100). 0 while nothing was counted.
 * Cost: this and the functions below look at all buckets from the minimum to the maximum; some
 * microseconds for ten thousand.
 */
SHOAL_API uint64_t shoal_histogram_percentile(const struct shoal_histogram *histogram,
					      double percentile);

/*
 * How many values are at or below `value`, with all that are in the same bucket. Those above the
 * histogram's highest are among them only when `value` is at least the maximum.
 */
SHOAL_API uint64_t shoal_histogram_count_at_or_below(const struct shoal_histogram *histogram,
						     uint64_t value);

/* A bucket in which there is something. */
struct shoal_histogram_bucket {
	uint64_t low; /* the values low to high, both included */
	uint64_t high;
	uint64_t count;
	uint64_t next; /* where to go on. 0 begins; otherwise the library's */
};

/*
 * The next bucket that is not empty, upwards: begin with a struct of zeroes. Returns 1, or 0 when
 * there is none any more. Values above the highest come last, as one bucket from the highest + 1
 * to the maximum (or of the maximum alone, when they came from another histogram whose highest was
 * lower).
 */
SHOAL_API int shoal_histogram_next(const struct shoal_histogram *histogram,
				   struct shoal_histogram_bucket *bucket);

#ifdef __cplusplus
}
#endif

#endif
