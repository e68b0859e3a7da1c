/* SPDX-License-Identifier: Apache-2.0 */
/* The driver: runs every case in several starts of two fresh processes, in turns. */
#ifndef LAB_RUN_H
#define LAB_RUN_H

#include "control.h"
#include "machine.h"
#include "summary.h"

/* In one start, whatever the time that there is: longer tells nothing new. */
#define LAB_MEASURE_MOST_NS INT64_C(2000000000)

/* A case, and what its starts gave. */
struct lab_figure {
	struct lab_case what;
	char missing[LAB_REASON + BENCH_DIE_BYTES]; /* why there is nothing; "": there is */
	bool failed;      /* what is missing is a failure, and no property of this machine */
	uint64_t piece;   /* it went in pieces of so many bytes; 0: whole */
	uint32_t buffers; /* of large messages, where memory was short; 0: as many as usual */
	uint32_t starts;  /* how many there were */
	uint32_t near;    /* how many of them with near cores (BENCH_FAR_NS) */
	struct lab_start start[LAB_STARTS_MAX];
	/* Of all starts, and of both sides. */
	uint64_t messages; /* those that warm up included, as in what follows */
	double cpu_s;
	uint64_t switches;
	uint64_t preempted; /* so many of the switches because somebody else took the processor */
};

/* How irregularly a core gets on that does nothing but look at the clock: ns between two looks. */
struct lab_jitter {
	double p50, p99, max;
};

struct lab_plan {
	struct lab_figure *figures;
	size_t count;
	uint32_t starts;
	int64_t duration_ns;
	int cores[2];
	bool progress; /* a line of it on stderr */
};

struct lab_result {
	struct bench_machine machine;
	struct lab_jitter jitter;
	double tick_ns;
	bool complete; /* false: a signal stopped it */
};

/* Measures; removes all that was made for it. 0, or -errno when it could not begin. */
int lab_run_plan(const struct lab_plan *plan, struct lab_result *ret_result);
/* "line" or "ring": what that job is compared with. */
const struct lab_transport *lab_limit_of(enum lab_job job);

#endif
