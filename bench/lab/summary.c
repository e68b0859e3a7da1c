/* SPDX-License-Identifier: Apache-2.0 */
#include "summary.h"

const struct lab_percent lab_percents[LAB_PERCENTS] = {{50, 0},    {75, 40},      {90, 100},
						       {99, 1000}, {99.9, 10000}, {99.99, 100000}};

/* How many times faster than the run's its own limit let this start be. */
static double advantage(const struct lab_start *start, enum lab_job job, enum lab_mode mode,
			double limit)
{
	if (mode == LAB_SLEEPING)
		return 1.0;
	return lab_is_stream(job) ? start->limit / limit : limit / start->limit;
}

/* What decides the ratio: the median, or of a stream the messages a second. */
static double figure_of(const struct lab_start *start, enum lab_job job)
{
	return lab_is_stream(job) ? start->messages_s : start->ns[LAB_P50];
}

static double median_of(const double *values, size_t count)
{
	double sorted[LAB_STARTS_MAX];

	for (size_t i = 0; i < count; i++)
		sorted[i] = values[i];
	return bench_median(sorted, count);
}

static double messages_s(const struct lab_start *starts, size_t count, enum lab_job job,
			 enum lab_mode mode, double limit)
{
	double values[LAB_STARTS_MAX];

	for (size_t i = 0; i < count; i++) {
		values[i] = starts[i].messages_s;
		/* What goes at a fixed rate goes at it wherever the processors lie. */
		if (job != LAB_OPEN_LOOP)
			values[i] /= advantage(&starts[i], job, mode, limit);
	}
	return median_of(values, count);
}

static double percentile(const struct lab_start *starts, size_t count, size_t which,
			 enum lab_job job, enum lab_mode mode, double limit)
{
	double values[LAB_STARTS_MAX];

	for (size_t i = 0; i < count; i++) {
		double median = starts[i].ns[LAB_P50];
		double moved = median * (advantage(&starts[i], job, mode, limit) - 1.0);

		values[i] = starts[i].ns[which] + moved;
	}
	return median_of(values, count);
}

void lab_summarize(const struct lab_start *starts, size_t count, enum lab_job job,
		   enum lab_mode mode, double limit, struct lab_summary *ret_summary)
{
	struct lab_summary summary = {.messages_s = messages_s(starts, count, job, mode, limit)};
	double ratios[LAB_STARTS_MAX];

	for (size_t i = 0; i < count; i++) {
		double own = mode == LAB_SLEEPING ? limit : starts[i].limit;

		ratios[i] = figure_of(&starts[i], job) / own;
		if (starts[i].max_ns > summary.max_ns)
			summary.max_ns = starts[i].max_ns;
	}
	for (size_t which = 0; which < LAB_PERCENTS && !lab_is_stream(job); which++)
		summary.ns[which] = percentile(starts, count, which, job, mode, limit);
	summary.ratio = bench_median(ratios, count); /* sorts them, for the quartiles */
	summary.low = bench_quantile(ratios, count, 0.25);
	summary.high = bench_quantile(ratios, count, 0.75);
	*ret_summary = summary;
}
