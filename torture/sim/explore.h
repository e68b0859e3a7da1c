/* SPDX-License-Identifier: Apache-2.0 */
/* Which schedules are tried, and what is said of those that went wrong. */
#ifndef SIM_EXPLORE_H
#define SIM_EXPLORE_H

#include "sim.h"

struct totals {
	uint64_t schedules;
	uint64_t deaths; /* schedules in which somebody died */
	uint64_t steps;
	uint64_t violations;
};

/* All schedules within `scenario->small`, but no more than `most`. True: that was all. */
bool explore_all(const struct scenario *scenario, uint64_t most, struct totals *totals);
/* Random ones within `scenario->large`, until so many had a death, or something is wrong. */
void explore_random(const struct scenario *scenario, uint64_t deaths, uint64_t seed,
		    struct totals *totals);
/* The schedule that is running, as --replay takes it. Async-signal-safe. */
const char *explore_current(void);
/* "p12.1,k30.0": one schedule, with a trace. 0, 1 or 2, as programs end. */
int explore_replay(const struct scenario *scenario, const char *text);
/* Print what is found? Not for mistakes that are planted. */
extern bool explore_quiet;

uint64_t random_of(uint64_t *state);

#endif
