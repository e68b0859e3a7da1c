/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A plain ring with one producer and one consumer that trust each other: head and tail on lines of
 * their own, each side with a cached copy of the other's, slots filled and read in place.
 */
#ifndef BENCH_RING_H
#define BENCH_RING_H

#include "payload.h"

#include <stdatomic.h>

#define RING_SMALL_SLOTS 16384
#define RING_SMALL_BYTES 64
#define RING_SMALL_EVERY 64 /* small messages are published once in so many */

struct ring {
	_Alignas(BENCH_APART) _Atomic uint64_t head; /* by the producer */
	_Alignas(BENCH_APART) _Atomic uint64_t tail; /* by the consumer */
	_Alignas(4096) unsigned char slots[];
};

/* One side's private view of the ring. */
struct ring_end {
	struct ring *ring;
	uint64_t position;
	uint64_t limit; /* how far it may go before it must look at the other's index again */
	uint64_t slots; /* a power of two */
	size_t bytes;   /* of a slot */
};

static inline size_t ring_memory_bytes(uint64_t slots, size_t bytes)
{
	return sizeof(struct ring) + slots * bytes;
}

static inline void ring_begin(struct ring_end *end, void *memory, uint64_t slots, size_t bytes,
			      bool produces)
{
	*end = (struct ring_end){
	    .ring = memory, .limit = produces ? slots : 0, .slots = slots, .bytes = bytes};
}

BENCH_INLINE void *ring_produce(struct ring_end *end)
{
	while (end->position == end->limit) {
		/* Pairs with the release in ring_consumed: the slot is read to its end. */
		end->limit = end->slots +
			     atomic_load_explicit(&end->ring->tail, memory_order_acquire);
		if (end->position == end->limit)
			bench_relax();
	}
	return end->ring->slots + (end->position & (end->slots - 1)) * end->bytes;
}

BENCH_INLINE void ring_produced(struct ring_end *end, uint64_t every)
{
	end->position++;
	if (end->position % every == 0)
		atomic_store_explicit(&end->ring->head, end->position, memory_order_release);
}

BENCH_INLINE const void *ring_consume(struct ring_end *end)
{
	while (end->position == end->limit) {
		/* Pairs with the release in ring_produced: the slot is filled. */
		end->limit = atomic_load_explicit(&end->ring->head, memory_order_acquire);
		if (end->position == end->limit)
			bench_relax();
	}
	return end->ring->slots + (end->position & (end->slots - 1)) * end->bytes;
}

BENCH_INLINE void ring_consumed(struct ring_end *end, uint64_t every)
{
	end->position++;
	if (end->position % every == 0)
		atomic_store_explicit(&end->ring->tail, end->position, memory_order_release);
}

/* `count` small messages, the first of which is filled as number `first` + its position. */
BENCH_INLINE void ring_produce_small(struct ring_end *end, size_t bytes, uint64_t count,
				     uint64_t first)
{
	struct ring_end local = *end; /* in registers, not read again after each store to a slot */

	local.slots = RING_SMALL_SLOTS;
	local.bytes = RING_SMALL_BYTES;
	for (uint64_t i = 0; i < count; i++) {
		payload_fill(ring_produce(&local), bytes, local.position + first);
		ring_produced(&local, RING_SMALL_EVERY);
	}
	atomic_store_explicit(&local.ring->head, local.position, memory_order_release);
	*end = local;
}

BENCH_INLINE uint64_t ring_consume_small(struct ring_end *end, size_t bytes, uint64_t count)
{
	struct ring_end local = *end;
	uint64_t sum = 0;

	local.slots = RING_SMALL_SLOTS;
	local.bytes = RING_SMALL_BYTES;
	for (uint64_t i = 0; i < count; i++) {
		sum += payload_sum(ring_consume(&local), bytes);
		ring_consumed(&local, RING_SMALL_EVERY);
	}
	atomic_store_explicit(&local.ring->tail, local.position, memory_order_release);
	*end = local;
	return sum;
}

#endif
