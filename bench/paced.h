/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Round trips at a fixed rate: each is due when it is due, whether or not the last one came back
 * in time, and counts from there. What one late answer does to those behind it is in the figure.
 */
#ifndef BENCH_PACED_H
#define BENCH_PACED_H

#include "payload.h"

#include <shoal/histogram.h>

#define PACED_RATE    100000
#define PACED_DIGITS  3
#define PACED_HIGHEST (((uint64_t)1 << 34) - 1) /* 17 s */

struct pace {
	struct shoal_histogram latency; /* ns */
	int64_t due_ns;
	uint64_t warm; /* round trips that are not counted */
	unsigned char memory[SHOAL_HISTOGRAM_BYTES(PACED_DIGITS, 34)] __attribute__((aligned(64)));
};

void pace_begin(struct pace *pace, uint64_t warm);
/* Until the next one is due. */
void pace_wait(struct pace *pace);
void pace_answered(struct pace *pace);
/* ns of which 99 in 100 took no more. */
double pace_p99(const struct pace *pace);

#endif
