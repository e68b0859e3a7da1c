/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DPDK's ring for one producer and one consumer, whose elements are the messages: filled and read
 * where they lie. It is made in the lab's own memory and needs no environment layer (EAL), huge
 * pages or files of DPDK.
 */
#include "peers.h"

#include <rte_ring.h>
#include <rte_ring_peek_zc.h>

struct ends {
	struct rte_ring *out;
	struct rte_ring *in;
};

static size_t way_bytes(const struct lab_case *what)
{
	ssize_t bytes =
	    rte_ring_get_memsize_elem((unsigned)what->bytes, (unsigned)lab_slots(what->bytes));

	if (bytes < 0)
		bench_die("rte_ring has no elements of %llu bytes",
			  (unsigned long long)what->bytes);
	return ((size_t)bytes + 4095) / 4096 * 4096;
}

static size_t ways_bytes(const struct lab_case *what)
{
	return peer_ways(what) * way_bytes(what);
}

static struct rte_ring *end_open(struct lab_side *me, int sender)
{
	struct rte_ring *ring;

	if ((size_t)sender >= peer_ways(me->what))
		return NULL;
	ring = (void *)((unsigned char *)me->memory + (size_t)sender * way_bytes(me->what));
	if (me->side == sender && rte_ring_init(ring, "lab", (unsigned)lab_slots(me->what->bytes),
						RING_F_SP_ENQ | RING_F_SC_DEQ) < 0)
		bench_die("rte_ring_init failed");
	return ring;
}

static void rte_open(struct lab_side *me)
{
	struct ends *ends = lab_alloc(sizeof *ends);

	ends->out = end_open(me, me->side);
	ends->in = end_open(me, 1 - me->side);
	me->state = ends;
}

static void rte_send(struct lab_side *me, size_t bytes, uint64_t number)
{
	struct rte_ring *ring = ((struct ends *)me->state)->out;
	struct rte_ring_zc_data place;

	while (!rte_ring_enqueue_zc_bulk_elem_start(ring, (unsigned)bytes, 1, &place, NULL))
		bench_relax();
	lab_fill(place.ptr1, bytes, number);
	rte_ring_enqueue_zc_elem_finish(ring, 1);
}

static uint64_t rte_take(struct lab_side *me, size_t bytes, uint64_t number)
{
	struct rte_ring *ring = ((struct ends *)me->state)->in;
	struct rte_ring_zc_data place;
	uint64_t sum;

	(void)number;
	while (!rte_ring_dequeue_zc_bulk_elem_start(ring, (unsigned)bytes, 1, &place, NULL))
		bench_relax();
	sum = lab_sum(place.ptr1, bytes);
	rte_ring_dequeue_zc_elem_finish(ring, 1);
	return sum;
}

/* The ring's end may lie between two of them. */
static unsigned char *nth(const struct rte_ring_zc_data *places, size_t bytes, unsigned i)
{
	if (i < places->n1)
		return (unsigned char *)places->ptr1 + i * bytes;
	return (unsigned char *)places->ptr2 + (i - places->n1) * bytes;
}

static void rte_send_many(struct lab_side *me, size_t bytes, uint64_t number, size_t count)
{
	struct rte_ring *ring = ((struct ends *)me->state)->out;
	struct rte_ring_zc_data places;

	for (size_t sent = 0; sent < count;) {
		unsigned some = rte_ring_enqueue_zc_burst_elem_start(
		    ring, (unsigned)bytes, (unsigned)(count - sent), &places, NULL);

		for (unsigned i = 0; i < some; i++)
			lab_fill(nth(&places, bytes, i), bytes, number + sent + i);
		if (some > 0)
			rte_ring_enqueue_zc_elem_finish(ring, some);
		else
			bench_relax();
		sent += some;
	}
}

static size_t rte_take_many(struct lab_side *me, size_t bytes, size_t most, uint64_t *sum)
{
	struct rte_ring *ring = ((struct ends *)me->state)->in;
	struct rte_ring_zc_data places;
	unsigned some;

	while ((some = rte_ring_dequeue_zc_burst_elem_start(ring, (unsigned)bytes, (unsigned)most,
							    &places, NULL)) == 0)
		bench_relax();
	for (unsigned i = 0; i < some; i++)
		*sum += lab_sum(nth(&places, bytes, i), bytes);
	rte_ring_dequeue_zc_elem_finish(ring, some);
	return some;
}

LAB_JOBS_OF(rte)
LAB_BATCH_OF(rte)

const struct lab_transport peer_rte_ring = {
    .name = "rte-ring",
    .note = "DPDK, rte_ring for one producer and one consumer, its elements as large as a message, "
	    "filled and read in place (zc), one a call, in batches by bursts; without EAL, in "
	    "memory that "
	    "both map",
    .modes = LAB_BIT(LAB_SPINNING),
    LAB_DOES_BATCHES_TOO_OF(rte),
    .usual = true,
    .memory_bytes = ways_bytes,
    .open = rte_open,
    .close = lab_free_state,
};
