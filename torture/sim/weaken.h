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
	enum weak_kind kind;
	uint32_t nth;  /* of the places of that kind in it, as they are met; EACH: all of them */
	uint64_t most; /* schedules in one scenario; as many random ones if those were not all */
};
extern const struct mistake mistakes[];
extern const size_t mistake_count;

/* Plants each mistake in turn and looks for it. Returns how many were not found. */
uint64_t weaken_all(const char *only, uint64_t seed);

#endif
