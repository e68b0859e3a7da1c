/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The work that every contender does on a small message: the writer fills all of it with values
 * that change, the reader adds all of it up. At the end the sum proves that what arrived is what
 * was sent, each message once.
 *
 * Inlined with a constant size, so that references and Shoal run the same few instructions.
 */
#ifndef BENCH_PAYLOAD_H
#define BENCH_PAYLOAD_H

#include "pin.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>

#define BENCH_INLINE static inline __attribute__((always_inline))

BENCH_INLINE void payload_fill(uint64_t *to, size_t bytes, uint64_t sequence)
{
	for (size_t i = 0; i < bytes / 8; i++)
		to[i] = sequence + i;
}

BENCH_INLINE uint64_t payload_sum(const uint64_t *from, size_t bytes)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < bytes / 8; i++)
		sum += from[i];
	return sum;
}

/* What the messages first ... first + count - 1 add up to (modulo 2^64). */
static inline uint64_t payload_expected(size_t bytes, uint64_t first, uint64_t count)
{
	uint64_t words = bytes / 8;
	uint64_t last = first + count - 1;
	uint64_t pairs = (first + last) % 2 == 0 ? (first + last) / 2 * count
						 : (first + last) * (count / 2);

	return words * pairs + count * (words * (words - 1) / 2);
}

/*
 * So that the other side is surely asleep when it is woken, its core too: a waiter looks once more
 * before it sleeps, and an idle core of a virtual machine polls for up to 200 us before it halts;
 * an answer within that time would find it half awake. Both the futex reference and the topic
 * think before each message, and what they think is taken off the round trip.
 */
#define THINK_NS 300000

static inline int64_t payload_think(void)
{
	int64_t start_ns = bench_now_ns();
	int64_t now_ns = start_ns;

	while (now_ns - start_ns < THINK_NS)
		now_ns = bench_now_ns();
	return now_ns - start_ns;
}

/* How often this process slept so far. */
static inline uint64_t payload_sleeps(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (uint64_t)usage.ru_nvcsw;
}

/*
 * A large message: filled at memset's speed, then one word of each line read. Not inlined: both
 * sides of a ratio must run the very same instructions at the same place. Where the reading loop
 * lay over the end of a line of code in one of them, 64 KiB took 14% longer there.
 */
void large_fill(void *to, size_t bytes, uint64_t sequence);
bool large_is(const void *from, size_t bytes, uint64_t sequence);

#endif
