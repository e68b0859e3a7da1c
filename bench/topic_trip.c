/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A round trip through two topics, one publisher in each: publish, then wait for the answer;
 * spinning, and asleep. And the round trip of a message that nobody fills or reads.
 */
#include "paced.h"
#include "programs.h"
#include "topic_use.h"

BENCH_INLINE void trip_send(struct use_end *end, size_t bytes, uint64_t sequence)
{
	uint64_t message[8];

	payload_fill(message, bytes, sequence);
	must(shoal_pub_publish(end->pub, message, bytes, SHOAL_FOREVER), "shoal_pub_publish");
}

BENCH_INLINE uint64_t trip_take(struct use_end *end, size_t bytes)
{
	struct shoal_view view;
	uint64_t sum;

	must(shoal_sub_borrow(end->sub, SHOAL_FOREVER, &view), "shoal_sub_borrow");
	if (view.bytes != bytes)
		bench_die("a message of %zu bytes instead of %zu", view.bytes, bytes);
	sum = payload_sum(view.data, bytes);
	must(shoal_sub_release(end->sub, &view), "shoal_sub_release");
	return sum;
}

/* How long `count` of them took. Paced where there is a pace, which then has the latencies. */
BENCH_INLINE int64_t trip_loop(struct bench_side *me, size_t bytes, uint64_t count,
			       struct pace *pace)
{
	struct use_end *end = me->state;
	uint64_t first = end->sequence;
	uint64_t last = first + count + count / 8;
	int64_t start_ns = 0;
	uint64_t sum = 0;

	for (uint64_t sequence = first; sequence < last; sequence++) {
		if (sequence == last - count)
			start_ns = bench_now_ns();
		if (me->side == 0) {
			if (pace != NULL)
				pace_wait(pace);
			trip_send(end, bytes, sequence);
		}
		sum += trip_take(end, bytes);
		if (me->side == 1)
			trip_send(end, bytes, sequence);
		else if (pace != NULL)
			pace_answered(pace);
	}
	start_ns = bench_now_ns() - start_ns;
	if (sum != payload_expected(bytes, first, last - first))
		bench_die("round trip: the sum is wrong");
	end->sequence = last;
	return start_ns;
}

static double trip_run(struct bench_side *me, uint64_t count)
{
	int64_t took_ns = me->setup->bytes == 48 ? trip_loop(me, 48, count, NULL)
						 : trip_loop(me, 64, count, NULL);

	return me->side == 0 ? (double)took_ns / (double)count : 0.0;
}

static double paced_run(struct bench_side *me, uint64_t count)
{
	static struct pace pace;

	pace_begin(&pace, count / 8);
	trip_loop(me, 48, count, &pace);
	return me->side == 0 ? pace_p99(&pace) : 0.0;
}

/* Both asleep: see payload_think. Side 0 counts from its message to the answer, without what the
 * other side thought meanwhile. */
static double blocking_run(struct bench_side *me, uint64_t count)
{
	struct use_end *end = me->state;
	uint64_t first_sleep = payload_sleeps();
	int64_t took_ns = 0;

	for (uint64_t i = 0; i < count; i++) {
		int64_t start_ns;

		if (me->side == 1)
			trip_take(end, 48);
		payload_think();
		start_ns = bench_now_ns();
		trip_send(end, 48, end->sequence++);
		if (me->side == 0) {
			trip_take(end, 48);
			took_ns += bench_now_ns() - start_ns - THINK_NS;
		}
	}
	me->spoiled = payload_sleeps() - first_sleep < count * 9 / 10;
	return me->side == 0 ? (double)took_ns / (double)count : 0.0;
}

static void untouched_send(struct use_end *end, size_t bytes)
{
	struct shoal_loan loan;

	must(shoal_pub_claim(end->pub, bytes, SHOAL_FOREVER, &loan), "shoal_pub_claim");
	must(shoal_pub_commit(end->pub, &loan), "shoal_pub_commit");
}

static void untouched_take(struct use_end *end, size_t bytes)
{
	struct shoal_view view;

	must(shoal_sub_borrow(end->sub, SHOAL_FOREVER, &view), "shoal_sub_borrow");
	if (view.bytes != bytes)
		bench_die("a message of %zu bytes instead of %zu", view.bytes, bytes);
	must(shoal_sub_release(end->sub, &view), "shoal_sub_release");
}

static double untouched_trip_run(struct bench_side *me, uint64_t count)
{
	struct use_end *end = me->state;
	int64_t start_ns = 0;

	for (uint64_t i = 0; i < count + count / 8; i++) {
		if (i == count / 8)
			start_ns = bench_now_ns();
		if (me->side == 0)
			untouched_send(end, me->setup->bytes);
		untouched_take(end, me->setup->bytes);
		if (me->side == 1)
			untouched_send(end, me->setup->bytes);
	}
	start_ns = bench_now_ns() - start_ns;
	return me->side == 0 ? (double)start_ns / (double)count : 0.0;
}

/* One thread, both handles: what the four calls themselves cost. */
static void calls_open(struct bench_side *me)
{
	if (me->side != 0)
		return;
	use_open_oneway(me);
	((struct use_end *)me->state)->sub = use_sub(me->topic, me->setup);
}

static double calls_run(struct bench_side *me, uint64_t count)
{
	struct use_end *end = me->state;
	int64_t start_ns = 0;

	if (me->side != 0)
		return 0.0;
	for (uint64_t i = 0; i < count + count / 8; i++) {
		if (i == count / 8)
			start_ns = bench_now_ns();
		untouched_send(end, me->setup->bytes);
		untouched_take(end, me->setup->bytes);
	}
	return (double)(bench_now_ns() - start_ns) / (double)count;
}

static void calls_close(struct bench_side *me)
{
	if (me->side == 0)
		use_close(me);
}

const struct bench_program topic_trip = {"topic", NULL, use_open_bothways, trip_run, use_close};
const struct bench_program topic_paced = {"topic", NULL, use_open_bothways, paced_run, use_close};
const struct bench_program topic_blocking = {"topic", NULL, use_open_bothways, blocking_run,
					     use_close};
const struct bench_program topic_calls_trip = {"topic", NULL, use_open_bothways, untouched_trip_run,
					       use_close};
const struct bench_program topic_calls = {"topic", NULL, calls_open, calls_run, calls_close};
