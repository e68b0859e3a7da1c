/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The jobs, made of a transport's two functions:
 *
 *	void x_send(struct lab_side *me, size_t bytes, uint64_t number)
 *		makes the message with lab_fill, in place where the transport can, and sends it
 *	uint64_t x_take(struct lab_side *me, size_t bytes, uint64_t number)
 *		waits for the next message and returns its lab_sum
 *
 * LAB_JOBS_OF(x) then defines x_trip, x_stream and x_paced.
 */
#ifndef LAB_JOBS_H
#define LAB_JOBS_H

#include "control.h"
#include "payload.h"

/* From this size on a message is filled at memset's speed, and one word of each line is read. */
#define LAB_LARGE 4096

typedef void lab_send(struct lab_side *me, size_t bytes, uint64_t number);
typedef uint64_t lab_take(struct lab_side *me, size_t bytes, uint64_t number);

BENCH_INLINE void lab_fill(void *to, size_t bytes, uint64_t number)
{
	if (bytes >= LAB_LARGE)
		large_fill(to, bytes, number);
	else
		payload_fill((uint64_t *)to, bytes, number);
}

BENCH_INLINE uint64_t lab_sum(const void *from, size_t bytes)
{
	if (bytes >= LAB_LARGE) {
		uint64_t byte = *(const unsigned char *)from;

		if (!large_is(from, bytes, byte))
			bench_die("a message of %zu bytes is made of two", bytes);
		return byte;
	}
	return payload_sum((const uint64_t *)from, bytes);
}

/* What `count` messages from number `first` on add up to. */
static inline uint64_t lab_expected(size_t bytes, uint64_t first, uint64_t count)
{
	uint64_t sum = 0;

	if (bytes < LAB_LARGE)
		return count > 0 ? payload_expected(bytes, first, count) : 0;
	for (uint64_t i = 0; i < count; i++)
		sum += (first + i) & 0xff;
	return sum;
}

static inline void lab_check(struct lab_side *me, uint64_t count, uint64_t sum)
{
	if (sum != lab_expected(me->what->bytes, me->first, count) * me->copies)
		bench_die("the sum of what arrived is wrong");
	me->first += count;
}

/* One look at the clock a trip: what is recorded is from answer to answer, while the next message
 * is under way, so that recording takes nobody's time. */
BENCH_INLINE int64_t lab_trip_loop(struct lab_side *me, size_t bytes, uint64_t count,
				   lab_send *send, lab_take *take)
{
	uint64_t first = me->first;
	int64_t start_ns = bench_now_ns();
	uint64_t before = bench_ticks_about();
	uint64_t trip = 0;
	uint64_t sum = 0;

	if (me->side == 1) {
		for (uint64_t number = first; number < first + count; number++) {
			sum += take(me, bytes, number);
			send(me, bytes, number);
		}
		lab_check(me, count, sum);
		return 0;
	}
	for (uint64_t number = first; number < first + count; number++) {
		uint64_t now;

		send(me, bytes, number);
		if (number > first)
			shoal_histogram_record(me->latency, trip);
		sum += take(me, bytes, number);
		now = bench_ticks_about();
		trip = now - before;
		before = now;
	}
	shoal_histogram_record(me->latency, trip);
	start_ns = bench_now_ns() - start_ns;
	lab_check(me, count, sum);
	return start_ns;
}

/* What goes before the clock starts: the ways that hold many messages are as full then as they
 * will be. */
static inline uint64_t lab_warm(uint64_t count)
{
	return count / 8;
}

BENCH_INLINE int64_t lab_stream_loop(struct lab_side *me, size_t bytes, uint64_t count,
				     lab_send *send, lab_take *take)
{
	uint64_t first = me->first;
	uint64_t begin = first + lab_warm(count);
	uint64_t end = begin + count;
	int64_t start_ns;
	uint64_t sum = 0;

	if (me->side == 0) {
		for (uint64_t number = first; number < end; number++)
			send(me, bytes, number);
		me->first = end;
		return 0;
	}
	for (uint64_t number = first; number < begin; number++)
		sum += take(me, bytes, number);
	start_ns = bench_now_ns();
	for (uint64_t number = begin; number < end; number++)
		sum += take(me, bytes, number);
	start_ns = bench_now_ns() - start_ns;
	lab_check(me, end - first, sum);
	return start_ns;
}

/*
 * A message is sent when it is due, or at once when that is past: then it waited because those
 * before it took too long, and the time that it waited is counted. The sender spins until a
 * message is due, since a sleeper would come late.
 *
 * Where the rate is more than goes through, the clock ends it: of what was due by then, the message
 * that is sent at that moment is the last. The sender says so before it sends it, so whoever takes
 * it knows.
 */
BENCH_INLINE int64_t lab_paced_loop(struct lab_side *me, size_t bytes, uint64_t count,
				    lab_send *send, lab_take *take)
{
	double apart_ns = 1e9 / me->what->rate;
	int64_t start_ns = me->control->start_ns;
	int64_t stop_ns = start_ns + (int64_t)((double)count * apart_ns);
	uint64_t end = count;
	uint64_t sum = 0;

	for (uint64_t i = 0; i < end; i++) {
		int64_t due_ns = start_ns + (int64_t)((double)i * apart_ns);
		int64_t late_ns;

		if (me->side == 0) {
			int64_t now_ns = bench_now_ns();

			for (; now_ns < due_ns; now_ns = bench_now_ns())
				bench_relax();
			if (now_ns >= stop_ns) {
				end = i + 1;
				lab_say_end(me->control, end);
			}
			send(me, bytes, me->first + i);
			continue;
		}
		sum += take(me, bytes, me->first + i);
		late_ns = bench_now_ns() - due_ns;
		shoal_histogram_record(me->latency, late_ns > 0 ? (uint64_t)late_ns : 0);
		end = lab_end(me->control);
	}
	if (me->side == 0) {
		me->first += end;
		return 0;
	}
	lab_check(me, end, sum);
	return bench_now_ns() - start_ns;
}

/* Messages of 64 bytes by instructions that know the size. */
#define LAB_JOB_OF(x, job)                                                                         \
	static int64_t x##_##job(struct lab_side *me, uint64_t count)                              \
	{                                                                                          \
		if (me->what->bytes == 64)                                                         \
			return lab_##job##_loop(me, 64, count, x##_send, x##_take);                \
		return lab_##job##_loop(me, me->what->bytes, count, x##_send, x##_take);           \
	}

#define LAB_JOBS_OF(x)                                                                             \
	LAB_JOB_OF(x, trip)                                                                        \
	LAB_JOB_OF(x, stream)                                                                      \
	LAB_JOB_OF(x, paced)

/*
 * The batch, of two functions that make many at once, and take them:
 *
 *	void x_send_many(struct lab_side *me, size_t bytes, uint64_t number, size_t count)
 *		sends so many, the first of which is that number
 *	size_t x_take_many(struct lab_side *me, size_t bytes, size_t most, uint64_t *sum)
 *		waits for the next one, takes it and up to `most` with it, and adds them up
 */
typedef void lab_send_many(struct lab_side *me, size_t bytes, uint64_t number, size_t count);
typedef size_t lab_take_many(struct lab_side *me, size_t bytes, size_t most, uint64_t *sum);

static inline size_t lab_batch_most(uint64_t left)
{
	return left < LAB_BATCH_MESSAGES ? (size_t)left : (size_t)LAB_BATCH_MESSAGES;
}

BENCH_INLINE int64_t lab_batch_loop(struct lab_side *me, size_t bytes, uint64_t count,
				    lab_send_many *send, lab_take_many *take)
{
	uint64_t warm = lab_warm(count);
	uint64_t all = warm + count;
	uint64_t sum = 0;
	int64_t start_ns;

	if (me->side == 0) {
		for (uint64_t done = 0; done < all; done += lab_batch_most(all - done))
			send(me, bytes, me->first + done, lab_batch_most(all - done));
		me->first += all;
		return 0;
	}
	for (uint64_t done = 0; done < warm;)
		done += take(me, bytes, lab_batch_most(warm - done), &sum);
	start_ns = bench_now_ns();
	for (uint64_t done = 0; done < count;)
		done += take(me, bytes, lab_batch_most(count - done), &sum);
	start_ns = bench_now_ns() - start_ns;
	lab_check(me, all, sum);
	return start_ns;
}

#define LAB_BATCH_OF(x)                                                                            \
	static int64_t x##_batch(struct lab_side *me, uint64_t count)                              \
	{                                                                                          \
		if (me->what->bytes == 64)                                                         \
			return lab_batch_loop(me, 64, count, x##_send_many, x##_take_many);        \
		return lab_batch_loop(me, me->what->bytes, count, x##_send_many, x##_take_many);   \
	}

#define LAB_ALL_JOBS (LAB_BIT(LAB_ROUND_TRIP) | LAB_BIT(LAB_STREAM) | LAB_BIT(LAB_OPEN_LOOP))

/* Of a transport that takes every job and every message: these, and the three of LAB_JOBS_OF. */
#define LAB_DOES_ALL_OF(x)                                                                         \
	.jobs = LAB_ALL_JOBS, .bytes_least = 8, .bytes_most = LAB_BYTES_MAX,                       \
	.run = {x##_trip, x##_stream, x##_paced}

/* The same, and LAB_BATCH_OF. */
#define LAB_DOES_BATCHES_TOO_OF(x)                                                                 \
	.jobs = LAB_ALL_JOBS | LAB_BIT(LAB_BATCH), .bytes_least = 8, .bytes_most = LAB_BYTES_MAX,  \
	.run = {x##_trip, x##_stream, x##_paced, x##_batch}

#endif
