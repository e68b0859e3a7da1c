/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The limit of a stream: a plain ring of slots as large as a message, whose two ends trust each
 * other. A round trip goes through two of them.
 */
#include "ring.h"

#include "jobs.h"

struct ends {
	struct ring_end out;
	struct ring_end in;
};

static size_t one_ring_bytes(const struct lab_case *what)
{
	size_t bytes = ring_memory_bytes(lab_slots(what->bytes), what->bytes);

	return (bytes + 4095) / 4096 * 4096;
}

static size_t rings_bytes(const struct lab_case *what)
{
	return (what->job == LAB_ROUND_TRIP ? 2 : 1) * one_ring_bytes(what);
}

static void ring_open(struct lab_side *me)
{
	unsigned char *memory = me->memory;
	struct ends *ends = lab_alloc(sizeof *ends);
	uint64_t slots = lab_slots(me->what->bytes);
	size_t apart = one_ring_bytes(me->what); /* where there is no way back, nobody goes it */

	ring_begin(&ends->out, memory + (me->side == 0 ? 0 : apart), slots, me->what->bytes, true);
	ring_begin(&ends->in, memory + (me->side == 0 ? apart : 0), slots, me->what->bytes, false);
	me->state = ends;
}

BENCH_INLINE void ring_send(struct lab_side *me, size_t bytes, uint64_t number)
{
	struct ends *ends = me->state;

	lab_fill(ring_produce(&ends->out), bytes, number);
	ring_produced(&ends->out, 1);
}

BENCH_INLINE uint64_t ring_take(struct lab_side *me, size_t bytes, uint64_t number)
{
	struct ends *ends = me->state;
	uint64_t sum = lab_sum(ring_consume(&ends->in), bytes);

	(void)number;
	ring_consumed(&ends->in, 1);
	return sum;
}

LAB_JOB_OF(ring, trip)
LAB_JOB_OF(ring, stream)
LAB_JOB_OF(ring, paced)

/* Small messages as a stream, published in batches: nothing that is correct is faster. */
static int64_t ring_fast_stream(struct lab_side *me, uint64_t count)
{
	struct ends *ends = me->state;
	uint64_t warm = lab_warm(count);
	int64_t start_ns;
	uint64_t sum;

	if (me->what->bytes != RING_SMALL_BYTES)
		return ring_stream(me, count);
	if (me->side == 0) {
		ring_produce_small(&ends->out, RING_SMALL_BYTES, warm + count, 1);
		me->first += warm + count;
		return 0;
	}
	sum = ring_consume_small(&ends->in, RING_SMALL_BYTES, warm);
	start_ns = bench_now_ns();
	sum += ring_consume_small(&ends->in, RING_SMALL_BYTES, count);
	start_ns = bench_now_ns() - start_ns;
	lab_check(me, warm + count, sum);
	return start_ns;
}

const struct lab_transport lab_ring = {
    .name = "ring",
    .modes = LAB_BIT(LAB_SPINNING),
    .jobs = LAB_ALL_JOBS | LAB_BIT(LAB_BATCH),
    .bytes_least = 8,
    .bytes_most = LAB_BYTES_MAX,
    .usual = true,
    .memory_bytes = rings_bytes,
    .open = ring_open,
    .close = lab_free_state,
    .run = {ring_trip, ring_fast_stream, ring_paced, ring_fast_stream},
};
