/* SPDX-License-Identifier: Apache-2.0 */
/* The memory that the driver shares with the two sides and with the janitor. */
#ifndef LAB_CONTROL_H
#define LAB_CONTROL_H

#include "lab.h"

/* Beside what is measured, in the same processes a moment before: the limit, and how far apart
 * the cores are. */
enum lab_part { LAB_LINE, LAB_LIMIT, LAB_SUBJECT, LAB_PARTS };

#define LAB_EXIT_MISSING 77

struct lab_control {
	/* By the driver, before the sides start. */
	int cores[2];
	double tick_ns;
	int64_t measure_ns;
	struct lab_case what[LAB_PARTS];
	struct lab_link link[LAB_PARTS];
	char scratch[256]; /* the folder of all objects */
	int queue;         /* a System V queue's identifier + 1: the janitor removes it */

	/* By a side that can't go on. */
	char error[BENCH_DIE_BYTES];
	char missing[LAB_REASON];

	/* Between the sides. */
	struct bench_steps steps;
	int64_t took_ns;
	int64_t start_ns; /* of an open loop: when the first message is due */
	/* How many messages it has: side 0 makes them fewer when time is up. */
	BENCH_ATOMIC(uint64_t) end;

	/* By the sides, of each part: what was measured. */
	struct lab_measured {
		uint64_t count;    /* those that the clock saw */
		uint64_t messages; /* all */
		int64_t took_ns;
		double p50; /* in the histogram's unit */
		double cpu_s[2];
		uint64_t switches[2];
		uint64_t preempted[2]; /* so many of them involuntary */
	} measured[LAB_PARTS];
	alignas(64) unsigned char latency[LAB_LATENCY_BYTES]; /* of the subject: a histogram */
};

/* Before the last message is sent; who has that one knows. */
void lab_say_end(struct lab_control *control, uint64_t end);
uint64_t lab_end(const struct lab_control *control);

#endif
