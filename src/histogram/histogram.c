/* SPDX-License-Identifier: Apache-2.0 */
/* Making, finding and checking histograms. */
#include "histogram/histogram.h"

#include "base/checksum.h"
#include "base/error.h"

#include <errno.h>
#include <string.h>

/* 2^precision > 10^digits: no bucket is as wide as a unit of the last digit. */
static const unsigned precisions[HISTOGRAM_DIGITS_MAX + 1] = {0, 4, 7, 10, 14};

static bool geometry_is_valid(unsigned digits, uint64_t highest)
{
	return digits >= 1 && digits <= HISTOGRAM_DIGITS_MAX && highest >= 1;
}

/* Of a valid geometry; 835,584 at most. */
static uint64_t bucket_count(unsigned digits, uint64_t highest)
{
	return histogram_index(precisions[digits], highest) + 1;
}

static size_t bytes_for(uint64_t buckets)
{
	return sizeof(struct histogram_body) + (size_t)buckets * sizeof(uint64_t);
}

static void describe(struct shoal_histogram *histogram, void *memory,
		     const struct histogram_fixed *fixed)
{
	*histogram = (struct shoal_histogram){
	    .memory = memory,
	    .bytes = bytes_for(fixed->buckets),
	    .highest = fixed->highest,
	    .digits = fixed->digits,
	    .precision = precisions[fixed->digits],
	    .buckets = (uint32_t)fixed->buckets,
	};
}

static int fail_geometry(unsigned digits, uint64_t highest)
{
	if (highest == 0)
		return error_fail(EINVAL, "histogram: its highest value is 0: choose at least 1");
	return error_fail(EINVAL, "histogram: %u digits: choose 1 to %u", digits,
			  HISTOGRAM_DIGITS_MAX);
}

static int check_alignment(const void *memory)
{
	if (memory == NULL || (uintptr_t)memory % sizeof(uint64_t) != 0)
		return error_fail(EINVAL, "histogram: its memory at %p is not aligned to 8 bytes",
				  memory);
	return 0;
}

int64_t shoal_histogram_bytes(unsigned digits, uint64_t highest)
{
	if (!geometry_is_valid(digits, highest))
		return fail_geometry(digits, highest);
	return (int64_t)bytes_for(bucket_count(digits, highest));
}

/* ---- making --------------------------------------------------------------------------------- */

static void set(_Atomic uint64_t *word, uint64_t value)
{
	atomic_store_explicit(word, value, memory_order_relaxed);
}

/* Without the magic there is no histogram: it goes first, and comes back last. */
static void write_all(struct histogram_body *body, const struct histogram_fixed *fixed)
{
	uint64_t words[HISTOGRAM_FIXED_WORDS];
	memcpy(words, fixed, sizeof(words));
	set(&body->fixed[0], 0);
	atomic_thread_fence(memory_order_release);
	for (size_t i = 1; i < HISTOGRAM_FIXED_WORDS; i++)
		set(&body->fixed[i], words[i]);
	histogram_empty(body, fixed->buckets);
	set(&body->changes, 0);
	for (size_t i = 0; i < sizeof(body->reserved) / sizeof(body->reserved[0]); i++)
		body->reserved[i] = 0;
	/* Pairs with the acquire in copy_fixed. */
	atomic_store_explicit(&body->fixed[0], words[0], memory_order_release);
}

int shoal_histogram_init(struct shoal_histogram *ret_histogram, void *memory, size_t bytes,
			 unsigned digits, uint64_t highest)
{
	memset(ret_histogram, 0, sizeof(*ret_histogram));
	if (!geometry_is_valid(digits, highest))
		return fail_geometry(digits, highest);
	int r = check_alignment(memory);
	if (r < 0)
		return r;
	struct histogram_fixed fixed = {
	    .magic = HISTOGRAM_MAGIC,
	    .layout = HISTOGRAM_LAYOUT_VERSION,
	    .digits = digits,
	    .highest = highest,
	    .buckets = bucket_count(digits, highest),
	};
	fixed.checksum = checksum(&fixed, offsetof(struct histogram_fixed, checksum));
	size_t needed = bytes_for(fixed.buckets);
	if (bytes < needed)
		return error_fail(EINVAL,
				  "histogram of %u digits up to %llu: it needs %zu bytes and was "
				  "given %zu: ask shoal_histogram_bytes",
				  digits, (unsigned long long)highest, needed, bytes);
	write_all(memory, &fixed);
	describe(ret_histogram, memory, &fixed);
	return 0;
}

/* ---- finding -------------------------------------------------------------------------------- */

static struct histogram_fixed copy_fixed(const struct histogram_body *body)
{
	uint64_t words[HISTOGRAM_FIXED_WORDS];
	struct histogram_fixed fixed;
	words[0] = atomic_load_explicit(&body->fixed[0], memory_order_acquire);
	for (size_t i = 1; i < HISTOGRAM_FIXED_WORDS; i++)
		words[i] = histogram_load(&body->fixed[i]);
	memcpy(&fixed, words, sizeof(fixed));
	return fixed;
}

static int check_fixed(const struct histogram_fixed *fixed, size_t bytes)
{
	if (fixed->magic != HISTOGRAM_MAGIC)
		return error_fail(EBADMSG, "histogram: there is none in this memory, or it was "
					   "never finished: shoal_histogram_init makes one");
	if (fixed->layout != HISTOGRAM_LAYOUT_VERSION)
		return error_fail(ENOTSUP,
				  "histogram: its format is %u, and this library knows %u: use the "
				  "library that made it",
				  fixed->layout, HISTOGRAM_LAYOUT_VERSION);
	if (fixed->checksum != checksum(fixed, offsetof(struct histogram_fixed, checksum)))
		return error_fail(EBADMSG, "histogram: its first 64 bytes were overwritten (the "
					   "checksum is wrong): make it anew");
	if (!geometry_is_valid(fixed->digits, fixed->highest) ||
	    fixed->buckets != bucket_count(fixed->digits, fixed->highest))
		return error_fail(EBADMSG, "histogram: its geometry is none: make it anew");
	if (bytes < bytes_for(fixed->buckets))
		return error_fail(EBADMSG,
				  "histogram: it takes %zu bytes, and this memory has %zu: map or "
				  "read all of it",
				  bytes_for(fixed->buckets), bytes);
	return 0;
}

static int find(struct shoal_histogram *ret_histogram, void *memory, size_t bytes)
{
	int r = check_alignment(memory);
	if (r < 0)
		return r;
	if (bytes < sizeof(struct histogram_fixed))
		return error_fail(EINVAL, "histogram: %zu bytes hold none: the smallest has %zu",
				  bytes, bytes_for(bucket_count(1, 1)));
	struct histogram_fixed fixed = copy_fixed(memory);
	r = check_fixed(&fixed, bytes);
	if (r < 0)
		return r;
	describe(ret_histogram, memory, &fixed);
	return 0;
}

int shoal_histogram_attach(struct shoal_histogram *ret_histogram, void *memory, size_t bytes)
{
	memset(ret_histogram, 0, sizeof(*ret_histogram));
	return find(ret_histogram, memory, bytes);
}

/* ---- checking ------------------------------------------------------------------------------- */

/* In what a count, a minimum or a sum can't be, in numbers. */
static int fail_figures(const char *what, uint64_t found, uint64_t limit)
{
	return error_fail(EBADMSG,
			  "histogram: %s (%llu and %llu): it was overwritten; clear it or make it "
			  "anew",
			  what, (unsigned long long)found, (unsigned long long)limit);
}

static int check_figures(const struct histogram_figures *figures, uint64_t in_buckets)
{
	uint64_t all = histogram_plus(in_buckets, figures->above);
	if (figures->count > all)
		return fail_figures("more is counted than is in the buckets", figures->count, all);
	if (figures->count > 0 && figures->min > figures->max)
		return fail_figures("the minimum is above the maximum", figures->min, figures->max);
	uint64_t least = histogram_times(figures->count, figures->min);
	if (figures->count > 0 && figures->sum < least)
		return fail_figures("the sum is less than count times minimum", figures->sum,
				    least);
	uint64_t most = histogram_times(all, figures->max);
	if (figures->sum > most)
		return fail_figures("the sum is more than the values in the buckets times the "
				    "maximum",
				    figures->sum, most);
	return 0;
}

int shoal_histogram_audit(const void *memory, size_t bytes)
{
	struct shoal_histogram histogram;
	/* Nothing is written here; only the description has no word for that. */
	int r = find(&histogram, (void *)(uintptr_t)memory, bytes);
	if (r < 0)
		return r;
	const struct histogram_body *body = histogram_body(&histogram);
	if (histogram_load(&body->changes) % 2 != 0)
		return error_fail(EBADMSG, "histogram: its writer died while it cleared it or "
					   "added to it: clear it");
	struct histogram_figures figures = histogram_figures(&histogram);
	uint64_t in_buckets = 0;
	for (uint64_t i = 0; i < histogram.buckets; i++) {
		uint64_t count = histogram_load(&body->buckets[i]);
		if (count > 0 && (i < figures.first || i > figures.last))
			return fail_figures("a bucket is in use outside of minimum and maximum",
					    histogram_low(histogram.precision, i), count);
		in_buckets = histogram_plus(in_buckets, count);
	}
	return check_figures(&figures, in_buckets);
}
