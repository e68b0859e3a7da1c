/* SPDX-License-Identifier: Apache-2.0 */
/* What the one writer does. The order of its stores is in histogram_layout.h. */
#include "histogram/histogram.h"

/*
 * Only the writer changes a word, so what it loads is what it stored last. Release: whoever sees
 * this sees what was stored before it. It pairs with the acquires in histogram_figures, keeps the
 * compiler from another order, which a kill would show, and is a plain store on x86-64.
 */
static inline void raise_by(_Atomic uint64_t *word, uint64_t by)
{
	uint64_t value = histogram_plus(histogram_load(word), by);
	atomic_store_explicit(word, value, memory_order_release);
}

static inline void widen(struct histogram_body *body, uint64_t min, uint64_t max)
{
	if (unlikely(min < histogram_load(&body->min)))
		atomic_store_explicit(&body->min, min, memory_order_relaxed);
	if (unlikely(max > histogram_load(&body->max)))
		atomic_store_explicit(&body->max, max, memory_order_relaxed);
}

/* The index is below the number of buckets by what the caller's own description says. */
static inline void put(const struct shoal_histogram *histogram, uint64_t value, uint64_t count)
{
	struct histogram_body *body = histogram_body(histogram);
	if (likely(value <= histogram->highest))
		raise_by(&body->buckets[histogram_index(histogram->precision, value)], count);
	else
		raise_by(&body->above, count);
}

static inline void record(const struct shoal_histogram *histogram, uint64_t value, uint64_t count)
{
	struct histogram_body *body = histogram_body(histogram);
	widen(body, value, value);
	put(histogram, value, count);
	raise_by(&body->sum, histogram_times(value, count));
	raise_by(&body->count, count);
}

void shoal_histogram_record(struct shoal_histogram *histogram, uint64_t value)
{
	record(histogram, value, 1);
}

void shoal_histogram_record_many(struct shoal_histogram *histogram, uint64_t value, uint64_t count)
{
	if (count > 0)
		record(histogram, value, count);
}

/* ---- more than one value at once ------------------------------------------------------------ */

/* The mark goes before everything, and is taken away after it. */
static void begin_change(struct histogram_body *body)
{
	uint64_t changes = histogram_load(&body->changes) | 1;
	atomic_store_explicit(&body->changes, changes, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
}

static void end_change(struct histogram_body *body)
{
	uint64_t changes = histogram_load(&body->changes) + 1;
	atomic_store_explicit(&body->changes, changes, memory_order_release);
}

void histogram_empty(struct histogram_body *body, uint64_t buckets)
{
	atomic_store_explicit(&body->count, 0, memory_order_relaxed);
	atomic_store_explicit(&body->above, 0, memory_order_relaxed);
	atomic_store_explicit(&body->min, UINT64_MAX, memory_order_relaxed);
	atomic_store_explicit(&body->max, 0, memory_order_relaxed);
	atomic_store_explicit(&body->sum, 0, memory_order_relaxed);
	for (uint64_t i = 0; i < buckets; i++)
		atomic_store_explicit(&body->buckets[i], 0, memory_order_relaxed);
}

void shoal_histogram_clear(struct shoal_histogram *histogram)
{
	struct histogram_body *body = histogram_body(histogram);
	begin_change(body);
	histogram_empty(body, histogram->buckets);
	end_change(body);
}

/*
 * The figures of `other` are read before its buckets: so the buckets have at least what they say.
 * Not more than was found is counted, whatever a stranger wrote there.
 */
void shoal_histogram_add(struct shoal_histogram *histogram, const struct shoal_histogram *other)
{
	struct histogram_body *body = histogram_body(histogram);
	const struct histogram_body *from = histogram_body(other);
	struct histogram_figures figures = histogram_figures(other);
	uint64_t found = figures.above;
	if (figures.count == 0)
		return;
	begin_change(body);
	widen(body, figures.min, figures.max);
	for (uint64_t i = figures.first; i <= figures.last; i++) {
		uint64_t count = histogram_load(&from->buckets[i]);
		if (count == 0)
			continue;
		put(histogram, min_u64(histogram_top(other, i), figures.max), count);
		found = histogram_plus(found, count);
	}
	raise_by(&body->above, figures.above);
	raise_by(&body->sum, figures.sum);
	raise_by(&body->count, min_u64(figures.count, found));
	end_change(body);
}
