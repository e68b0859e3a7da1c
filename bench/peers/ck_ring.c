/* SPDX-License-Identifier: Apache-2.0 */
/* Concurrency Kit's ring for one producer and one consumer, in a mapping of both. */
#include "peers.h"

#include <ck_ring.h>

struct slot_number {
	uint32_t number;
};

CK_RING_PROTOTYPE(value, peer_value)
CK_RING_PROTOTYPE(slot, slot_number)

struct end {
	ck_ring_t *ring;
	struct peer_value *values;
	struct slot_number *numbers;
	unsigned char *slots;
	uint32_t position;
	uint32_t mask;
};

struct ends {
	struct end out;
	struct end in;
};

/* The ring, its entries, the slots beside it: each from a page's start. */
#define RING_BYTES 4096

static size_t entries_bytes(const struct lab_case *what)
{
	return (peer_entries(what) * sizeof(struct peer_value) + 4095) / 4096 * 4096;
}

static size_t way_bytes(const struct lab_case *what)
{
	return RING_BYTES + entries_bytes(what) + peer_slots_bytes(what);
}

static size_t ways_bytes(const struct lab_case *what)
{
	return peer_ways(what) * way_bytes(what);
}

static void end_open(struct lab_side *me, struct end *end, int sender)
{
	unsigned char *way = me->memory;

	if ((size_t)sender >= peer_ways(me->what))
		return;
	way += (size_t)sender * way_bytes(me->what);
	end->ring = (ck_ring_t *)way;
	end->values = (struct peer_value *)(way + RING_BYTES);
	end->numbers = (struct slot_number *)(way + RING_BYTES);
	end->slots = way + RING_BYTES + entries_bytes(me->what);
	end->mask = (uint32_t)lab_slots(me->what->bytes) - 1;
	if (me->side == sender)
		ck_ring_init(end->ring, peer_entries(me->what));
}

static void ck_open(struct lab_side *me)
{
	struct ends *ends = lab_alloc(sizeof *ends);

	end_open(me, &ends->out, me->side);
	end_open(me, &ends->in, 1 - me->side);
	me->state = ends;
}

static void ck_send(struct lab_side *me, size_t bytes, uint64_t number)
{
	struct end *end = &((struct ends *)me->state)->out;
	struct slot_number slot = {.number = end->position & end->mask};

	if (bytes <= PEER_VALUE_BYTES) {
		struct peer_value *value;

		while (!(value = ck_ring_enqueue_reserve_spsc_value(end->ring, end->values)))
			bench_relax();
		lab_fill(value, bytes, number);
		ck_ring_enqueue_commit_spsc(end->ring);
		return;
	}
	lab_fill(end->slots + slot.number * bytes, bytes, number);
	while (!ck_ring_enqueue_spsc_slot(end->ring, end->numbers, &slot))
		bench_relax();
	end->position++;
}

static uint64_t ck_take(struct lab_side *me, size_t bytes, uint64_t number)
{
	struct end *end = &((struct ends *)me->state)->in;
	struct slot_number slot;

	(void)number;
	if (bytes <= PEER_VALUE_BYTES) {
		struct peer_value value;

		while (!ck_ring_dequeue_spsc_value(end->ring, end->values, &value))
			bench_relax();
		return lab_sum(&value, bytes);
	}
	while (!ck_ring_dequeue_spsc_slot(end->ring, end->numbers, &slot))
		bench_relax();
	return lab_sum(end->slots + (slot.number & end->mask) * bytes, bytes);
}

LAB_JOBS_OF(ck)

const struct lab_transport peer_ck_ring = {
    .name = "ck-ring",
    .note = "Concurrency Kit, ck_ring for one producer and one consumer: up to 64 bytes as values, "
	    "filled in place; larger ones in slots, whose numbers go through the ring",
    .modes = LAB_BIT(LAB_SPINNING),
    LAB_DOES_ALL_OF(ck),
    .usual = true,
    .memory_bytes = ways_bytes,
    .open = ck_open,
    .close = lab_free_state,
};
