/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stream through a plain ring: see ring.h. Small messages: 16,384 slots of 64 bytes, both
 * indices published once in 64 messages. Large ones: `buffers` slots of `bytes` each, published
 * one by one.
 */
#include "programs.h"
#include "ring.h"

#include <stdlib.h>

static size_t small_memory_bytes(const struct bench_setup *setup)
{
	(void)setup;
	return ring_memory_bytes(RING_SMALL_SLOTS, RING_SMALL_BYTES);
}

static size_t large_memory_bytes(const struct bench_setup *setup)
{
	return ring_memory_bytes(setup->buffers, setup->bytes);
}

static void ring_open(struct bench_side *me, uint64_t slots, size_t bytes)
{
	me->state = calloc(1, sizeof(struct ring_end));
	if (me->state == NULL)
		bench_die("out of memory");
	ring_begin(me->state, me->memory, slots, bytes, me->side == 0);
}

static void small_open(struct bench_side *me)
{
	ring_open(me, RING_SMALL_SLOTS, RING_SMALL_BYTES);
}

static void large_open(struct bench_side *me)
{
	ring_open(me, me->setup->buffers, me->setup->bytes);
}

static void ring_close(struct bench_side *me)
{
	free(me->state);
}

static uint64_t small_consume_any(struct ring_end *end, size_t bytes, uint64_t count)
{
	return bytes == 48 ? ring_consume_small(end, 48, count)
			   : ring_consume_small(end, 64, count);
}

static double small_run(struct bench_side *me, uint64_t count)
{
	struct ring_end *end = me->state;
	size_t bytes = me->setup->bytes;
	uint64_t first = end->position;
	uint64_t all = count + count / 8;
	uint64_t sum;
	int64_t start_ns;

	if (me->side == 0) {
		if (bytes == 48)
			ring_produce_small(end, 48, all, 0);
		else
			ring_produce_small(end, 64, all, 0);
		return 0.0;
	}
	sum = small_consume_any(end, bytes, all - count);
	start_ns = bench_now_ns();
	sum += small_consume_any(end, bytes, count);
	start_ns = bench_now_ns() - start_ns;
	if (sum != payload_expected(bytes, first, all))
		bench_die("ring: the sum is wrong");
	return (double)count * 1e9 / (double)start_ns;
}

static void large_produce(struct ring_end *end, uint64_t count)
{
	for (uint64_t i = 0; i < count; i++) {
		large_fill(ring_produce(end), end->bytes, end->position);
		ring_produced(end, 1);
	}
}

static void large_consume(struct ring_end *end, uint64_t count)
{
	for (uint64_t i = 0; i < count; i++) {
		if (!large_is(ring_consume(end), end->bytes, end->position))
			bench_die("ring: a wrong message");
		ring_consumed(end, 1);
	}
}

static double large_run(struct bench_side *me, uint64_t count)
{
	struct ring_end *end = me->state;
	int64_t start_ns;

	if (me->side == 0) {
		large_produce(end, count + count / 8);
		return 0.0;
	}
	large_consume(end, count / 8);
	start_ns = bench_now_ns();
	large_consume(end, count);
	return (double)count * 1e9 / (double)(bench_now_ns() - start_ns);
}

const struct bench_program ref_ring = {"ring", small_memory_bytes, small_open, small_run,
				       ring_close};
const struct bench_program ref_ring_large = {"ring", large_memory_bytes, large_open, large_run,
					     ring_close};
