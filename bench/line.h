/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The least that a message between two cores can cost: one line, written by one side and spun on
 * by the other. The message's first word is its number, and tells that it is there. No pause while
 * spinning: it was a little slower wherever it was tried.
 */
#ifndef BENCH_LINE_H
#define BENCH_LINE_H

#include "payload.h"

#include <stdatomic.h>

#define LINE_BYTES_MAX 64

struct line {
	_Alignas(BENCH_APART) _Atomic uint64_t number;
	uint64_t rest[LINE_BYTES_MAX / 8 - 1];
};

_Static_assert(offsetof(struct line, rest) + sizeof((struct line *)NULL)->rest == 64, "one line");

BENCH_INLINE void line_send(struct line *line, size_t bytes, uint64_t sequence)
{
	payload_fill(line->rest, bytes - 8, sequence + 1);
	/* Pairs with the acquire in line_take: who sees the number sees the rest. */
	atomic_store_explicit(&line->number, sequence, memory_order_release);
}

/* The sum of the message with that number; waits for it. The first one is number 1. */
BENCH_INLINE uint64_t line_take(struct line *line, size_t bytes, uint64_t sequence)
{
	while (atomic_load_explicit(&line->number, memory_order_acquire) != sequence)
		;
	return sequence + payload_sum(line->rest, bytes - 8);
}

#endif
