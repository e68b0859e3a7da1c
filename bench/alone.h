/* SPDX-License-Identifier: Apache-2.0 */
/* Figures that have no reference: what happens to those who sleep, and after a kill. */
#ifndef BENCH_ALONE_H
#define BENCH_ALONE_H

#include "duo.h"

/* What a worker with that role does; `side` says which of its processes it is. */
void bench_quiet_worker(struct bench_control *control, int side);
void bench_takeover_worker(struct bench_control *control, int side);
void bench_lag_worker(struct bench_control *control, int side);

/* A publisher that says nothing and a subscriber that sleeps. */
struct bench_quiet {
	pid_t pids[2];
	int64_t since_ns;
	uint64_t switches; /* of the subscriber when it had fallen asleep */
	uint64_t cpu_ns;
};

/* Starts both; false (with control->error) on failure. They sleep beside the other figures. */
bool bench_quiet_begin(int control_fd, struct bench_control *control, struct bench_quiet *quiet);
/*
 * Sleeps until they have been silent for `least_ns`, then ends them. Returns how often the
 * subscriber woke up, or -1 when it can't be told; *ret_cpu_ns is the time it ran.
 */
int64_t bench_quiet_end(struct bench_quiet *quiet, int64_t least_ns, uint64_t *ret_cpu_ns);

/*
 * One SIGKILL, and how long it took until others went on; < 0 (with control->error) on failure.
 * takeover: of a publisher, till a subscriber has read the next one's first message; the topic
 * has one lane, so the next one has to take it over. lag: of the slow subscriber that held up a
 * publisher, till that publisher's call returns.
 */
int64_t bench_takeover(int control_fd, struct bench_control *control);
int64_t bench_lag(int control_fd, struct bench_control *control);

#endif
