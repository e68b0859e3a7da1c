/* SPDX-License-Identifier: Apache-2.0 */
/* How the programs for Shoal open what they need, and end when a call fails. */
#ifndef BENCH_TOPIC_USE_H
#define BENCH_TOPIC_USE_H

#include "duo.h"

#include <shoal/shoal.h>

/* Ends the process with the reason unless `result` is a success. */
static inline void must(int64_t result, const char *what)
{
	if (__builtin_expect(result < 0, 0))
		bench_die("%s: %s. %s", what, shoal_strerror((int)result), shoal_error_detail());
}

/* Each makes the topic if the other side has not yet. */
shoal_pub *use_pub(const char *name, const struct bench_setup *setup);
shoal_sub *use_sub(const char *name, const struct bench_setup *setup);

/* The state of most programs: side 0 has the publisher, side 1 the subscriber. */
struct use_end {
	shoal_pub *pub;
	shoal_pub *second; /* NULL but where two take turns */
	shoal_sub *sub;
	uint64_t sequence; /* of the next message, from 0 */
};

/* A publisher on me->topic in side 0, a subscriber on it in side 1. */
void use_open_oneway(struct bench_side *me);
/* In both sides a publisher to the other one and a subscriber to what it says. */
void use_open_bothways(struct bench_side *me);
void use_close(struct bench_side *me);

#endif
