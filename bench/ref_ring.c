/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A plain ring with one producer and one consumer that trust each other: head and tail on lines of
 * their own, each side with a cached copy of the other's, slots filled and read in place.
 * Small messages: 16,384 slots of 64 bytes, both indices published once in 64 messages.
 * Large ones: `buffers` slots of `bytes` each, published one by one.
 */
#include "payload.h"
#include "programs.h"

#include <stdlib.h>

#define SMALL_SLOTS 16384
#define SMALL_BYTES 64
#define SMALL_EVERY 64

struct ring {
	_Alignas(BENCH_APART) _Atomic uint64_t head; /* by the producer */
	_Alignas(BENCH_APART) _Atomic uint64_t tail; /* by the consumer */
	_Alignas(4096) unsigned char slots[];
};

/* One side's private view of the ring. */
struct end {
	struct ring *ring;
	uint64_t position;
	uint64_t limit; /* how far it may go before it must look at the other's index again */
	uint64_t slots; /* a power of two */
	size_t bytes;   /* of a slot */
	uint64_t every;
};

static size_t small_memory_bytes(const struct bench_setup *setup)
{
	(void)setup;
	return sizeof(struct ring) + (size_t)SMALL_SLOTS * SMALL_BYTES;
}

static size_t large_memory_bytes(const struct bench_setup *setup)
{
	return sizeof(struct ring) + setup->buffers * setup->bytes;
}

static void ring_open(struct bench_side *me, uint64_t slots, size_t bytes, uint64_t every)
{
	struct end *end = calloc(1, sizeof *end);

	if (end == NULL)
		bench_die("out of memory");
	end->ring = me->memory;
	end->slots = slots;
	end->bytes = bytes;
	end->every = every;
	end->limit = me->side == 0 ? slots : 0;
	me->state = end;
}

static void small_open(struct bench_side *me)
{
	ring_open(me, SMALL_SLOTS, SMALL_BYTES, SMALL_EVERY);
}

static void large_open(struct bench_side *me)
{
	ring_open(me, me->setup->buffers, me->setup->bytes, 1);
}

static void ring_close(struct bench_side *me)
{
	free(me->state);
}

BENCH_INLINE void *produce_begin(struct end *end)
{
	while (end->position == end->limit) {
		end->limit = end->slots +
			     atomic_load_explicit(&end->ring->tail, memory_order_acquire);
		if (end->position == end->limit)
			bench_relax();
	}
	return end->ring->slots + (end->position & (end->slots - 1)) * end->bytes;
}

BENCH_INLINE void produce_end(struct end *end, uint64_t every)
{
	end->position++;
	if (end->position % every == 0)
		atomic_store_explicit(&end->ring->head, end->position, memory_order_release);
}

BENCH_INLINE const void *consume_begin(struct end *end)
{
	while (end->position == end->limit) {
		end->limit = atomic_load_explicit(&end->ring->head, memory_order_acquire);
		if (end->position == end->limit)
			bench_relax();
	}
	return end->ring->slots + (end->position & (end->slots - 1)) * end->bytes;
}

BENCH_INLINE void consume_end(struct end *end, uint64_t every)
{
	end->position++;
	if (end->position % every == 0)
		atomic_store_explicit(&end->ring->tail, end->position, memory_order_release);
}

BENCH_INLINE void small_produce(struct end *end, size_t bytes, uint64_t count)
{
	struct end local = *end; /* in registers, not read again after each store to a slot */

	local.slots = SMALL_SLOTS;
	local.bytes = SMALL_BYTES;
	for (uint64_t i = 0; i < count; i++) {
		payload_fill(produce_begin(&local), bytes, local.position);
		produce_end(&local, SMALL_EVERY);
	}
	atomic_store_explicit(&local.ring->head, local.position, memory_order_release);
	*end = local;
}

BENCH_INLINE uint64_t small_consume(struct end *end, size_t bytes, uint64_t count)
{
	struct end local = *end;
	uint64_t sum = 0;

	local.slots = SMALL_SLOTS;
	local.bytes = SMALL_BYTES;
	for (uint64_t i = 0; i < count; i++) {
		sum += payload_sum(consume_begin(&local), bytes);
		consume_end(&local, SMALL_EVERY);
	}
	atomic_store_explicit(&local.ring->tail, local.position, memory_order_release);
	*end = local;
	return sum;
}

static uint64_t small_consume_any(struct end *end, size_t bytes, uint64_t count)
{
	return bytes == 48 ? small_consume(end, 48, count) : small_consume(end, 64, count);
}

static double small_run(struct bench_side *me, uint64_t count)
{
	struct end *end = me->state;
	size_t bytes = me->setup->bytes;
	uint64_t first = end->position;
	uint64_t all = count + count / 8;
	uint64_t sum;
	int64_t start_ns;

	if (me->side == 0) {
		if (bytes == 48)
			small_produce(end, 48, all);
		else
			small_produce(end, 64, all);
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

static void large_produce(struct end *end, uint64_t count)
{
	for (uint64_t i = 0; i < count; i++) {
		large_fill(produce_begin(end), end->bytes, end->position);
		produce_end(end, 1);
	}
}

static void large_consume(struct end *end, uint64_t count)
{
	for (uint64_t i = 0; i < count; i++) {
		if (!large_is(consume_begin(end), end->bytes, end->position))
			bench_die("ring: a wrong message");
		consume_end(end, 1);
	}
}

static double large_run(struct bench_side *me, uint64_t count)
{
	struct end *end = me->state;
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
