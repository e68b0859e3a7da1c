/* SPDX-License-Identifier: Apache-2.0 */
/* Mistakes that are planted to be found: weaken.c, mistakes.c. */
#ifndef SIM_WEAKEN_H
#define SIM_WEAKEN_H

#include "explore.h"
#include "machine.h"

struct mistake {
	const char *what;
	const char *where; /* scenarios whose names begin so */
	const char *function;
	unsigned kinds; /* enum weak_kind */
	uint32_t nth;   /* of the places of these kinds in it, as they are met; EACH: all of them */
	struct bounds bounds; /* in which it is sought; nothing: the scenario's small ones */
	uint64_t most;        /* schedules in one scenario, and as many random ones; 0: 20,000 */
};
extern const struct mistake mistakes[];
extern const size_t mistake_count;

/* Plants each mistake in turn and looks for it. Returns how many were not found. */
uint64_t weaken_all(const char *only, uint64_t seed);

#endif
