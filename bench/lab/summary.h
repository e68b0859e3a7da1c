/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the starts of one figure to its row: numbers and ratio of one and the same statistic, so
 * that two rows are never in one order by their numbers and in the other by their ratios.
 *
 * A start measures the limit and the subject in the same processes. Where the processors lie may
 * change from start to start, and a line or a ring is then several times slower: so is, by as much,
 * all that spins. So what spins is compared with the limit of its own start, and the figure is that
 * ratio, times the limit of the whole run (its median over all starts of all figures): as if the
 * processors had lain for every row as they did for the run's limit. Of a round trip the whole
 * distribution moves by as much as its median does, for the distance of the processors delays
 * every trip, and lengthens no interrupt.
 *
 * What sleeps pays for system calls and wakes, which that distance does not scale: its figure is
 * the median over the starts as it is, and its ratio that figure to the limit of the run. By the
 * limit of its own start, a sleeper's ratio would say little but how that start's processors lay.
 */
#ifndef LAB_SUMMARY_H
#define LAB_SUMMARY_H

#include "lab.h"

#define LAB_STARTS_MAX 64

/* A percentile is worth nothing unless some ten messages lie beyond it. */
#define LAB_PERCENTS 6
struct lab_percent {
	double percent;
	uint64_t messages_least; /* with so many, ten lie beyond it. The median is always given */
};
extern const struct lab_percent lab_percents[LAB_PERCENTS];
enum { LAB_P50 = 0, LAB_P99 = 3, LAB_P999 = 4 };

/* What one start measured. */
struct lab_start {
	double line_ns;          /* a line's round trip */
	double limit;            /* what the job is compared with: ns, or messages/s of a stream */
	double messages_s;       /* of the subject */
	double ns[LAB_PERCENTS]; /* of the subject; of a stream nothing */
	double max_ns;
};

struct lab_summary {
	double messages_s;
	double ns[LAB_PERCENTS];
	double max_ns; /* as it was measured */
	double ratio;
	double low, high; /* the ratio's quartiles over the starts */
};

/* `limit` is that of the run, in the starts' unit. At least one start. */
void lab_summarize(const struct lab_start *starts, size_t count, enum lab_job job,
		   enum lab_mode mode, double limit, struct lab_summary *ret_summary);

#endif
