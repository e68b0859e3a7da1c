/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a publisher pays for many lossless subscribers. Side 1 holds them all in one process and
 * asks each in turn. The next message goes out when all have the last one, and not sooner than
 * PACE_NS after it, so that the publisher never waits inside publish. The clock runs around
 * publish only; a repeat is as long as the ring of slots, so that the walk over all cursors that
 * comes once a round has its share in the mean.
 */
#include "payload.h"
#include "programs.h"
#include "topic_use.h"

#include <stdlib.h>

#define FANOUT_BYTES 48
#define PACE_NS      8000

struct fanout {
	shoal_pub *pub;
	shoal_sub **subs;
	double tick_ns;
	double clock_ticks; /* what reading the clock adds to each measurement */
	uint64_t sequence;
};

/* Where side 1 says how many messages all its subscribers have. */
struct arrived {
	_Atomic uint64_t count;
};

static size_t fanout_memory_bytes(const struct bench_setup *setup)
{
	(void)setup;
	return sizeof(struct arrived);
}

static double clock_cost(void)
{
	uint64_t least = UINT64_MAX;

	for (int i = 0; i < 10000; i++) {
		uint64_t start = bench_ticks();
		uint64_t took = bench_ticks() - start;

		if (took < least)
			least = took;
	}
	return (double)least;
}

static void fanout_open(struct bench_side *me)
{
	uint32_t count = me->setup->subscribers;
	struct fanout *fanout = calloc(1, sizeof *fanout);

	me->state = fanout;
	if (fanout == NULL)
		bench_die("out of memory");
	if (me->side == 0) {
		fanout->pub = use_pub(me->topic, me->setup);
		fanout->tick_ns = bench_tick_ns();
		fanout->clock_ticks = clock_cost();
		return;
	}
	fanout->subs = calloc(count, sizeof(shoal_sub *));
	if (fanout->subs == NULL)
		bench_die("out of memory");
	for (uint32_t i = 0; i < count; i++)
		fanout->subs[i] = use_sub(me->topic, me->setup);
}

/* Waits outside the measured calls. */
static void pace(const struct arrived *arrived, uint64_t count, int64_t not_before_ns)
{
	while (atomic_load_explicit(&arrived->count, memory_order_acquire) < count ||
	       bench_now_ns() < not_before_ns)
		bench_relax();
}

static uint64_t publish_timed(struct fanout *fanout)
{
	uint64_t message[FANOUT_BYTES / 8];
	uint64_t start;

	payload_fill(message, sizeof message, fanout->sequence++);
	start = bench_ticks();
	must(shoal_pub_publish(fanout->pub, message, sizeof message, SHOAL_FOREVER),
	     "shoal_pub_publish");
	return bench_ticks() - start;
}

static double publish_all(struct bench_side *me, uint64_t count)
{
	struct fanout *fanout = me->state;
	uint64_t ticks = 0;

	for (uint64_t i = 0; i < count; i++) {
		int64_t start_ns = bench_now_ns();

		ticks += publish_timed(fanout);
		pace(me->memory, fanout->sequence, start_ns + PACE_NS);
	}
	return ((double)ticks / (double)count - fanout->clock_ticks) * fanout->tick_ns;
}

static void take_all(struct bench_side *me, uint64_t count)
{
	struct fanout *fanout = me->state;
	struct arrived *arrived = me->memory;

	for (uint64_t i = 0; i < count; i++) {
		for (uint32_t s = 0; s < me->setup->subscribers; s++) {
			struct shoal_view view;

			must(shoal_sub_borrow(fanout->subs[s], SHOAL_FOREVER, &view),
			     "shoal_sub_borrow");
			if (payload_sum(view.data, FANOUT_BYTES) !=
			    payload_expected(FANOUT_BYTES, fanout->sequence, 1))
				bench_die("fan-out: a wrong message");
			must(shoal_sub_release(fanout->subs[s], &view), "shoal_sub_release");
		}
		fanout->sequence++;
		atomic_store_explicit(&arrived->count, fanout->sequence, memory_order_release);
	}
}

static double fanout_run(struct bench_side *me, uint64_t count)
{
	if (me->side == 0)
		return publish_all(me, count);
	take_all(me, count);
	return 0.0;
}

static void fanout_close(struct bench_side *me)
{
	struct fanout *fanout = me->state;

	shoal_pub_close(fanout->pub);
	for (uint32_t i = 0; fanout->subs != NULL && i < me->setup->subscribers; i++)
		shoal_sub_close(fanout->subs[i]);
	free(fanout->subs);
	free(fanout);
}

const struct bench_program topic_fanout = {"topic", fanout_memory_bytes, fanout_open, fanout_run,
					   fanout_close};
