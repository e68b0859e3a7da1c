/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stream of small messages to one lossless subscriber. One by one it is publish on one side and
 * borrow, read, release on the other, which is what a program would write; and publish, receive
 * (a copy more). In batches it is publishv and receivev.
 */
#include "payload.h"
#include "programs.h"
#include "topic_use.h"

#define BATCH_MAX 64

BENCH_INLINE void publish_loop(struct use_end *end, size_t bytes, uint64_t count, bool in_turn)
{
	for (uint64_t i = 0; i < count; i++) {
		shoal_pub *pub = in_turn && i % 2 == 1 ? end->second : end->pub;
		uint64_t message[8];

		payload_fill(message, bytes, end->sequence++);
		must(shoal_pub_publish(pub, message, bytes, SHOAL_FOREVER), "shoal_pub_publish");
	}
}

BENCH_INLINE uint64_t borrow_loop(struct use_end *end, size_t bytes, uint64_t count)
{
	uint64_t sum = 0;

	for (uint64_t i = 0; i < count; i++) {
		struct shoal_view view;

		must(shoal_sub_borrow(end->sub, SHOAL_FOREVER, &view), "shoal_sub_borrow");
		if (view.bytes != bytes)
			bench_die("a message of %zu bytes instead of %zu", view.bytes, bytes);
		sum += payload_sum(view.data, bytes);
		must(shoal_sub_release(end->sub, &view), "shoal_sub_release");
	}
	return sum;
}

BENCH_INLINE uint64_t receive_loop(struct use_end *end, size_t bytes, uint64_t count)
{
	uint64_t sum = 0;

	for (uint64_t i = 0; i < count; i++) {
		uint64_t message[8];

		must(shoal_sub_receive(end->sub, message, bytes, SHOAL_FOREVER, NULL),
		     "shoal_sub_receive");
		sum += payload_sum(message, bytes);
	}
	return sum;
}

BENCH_INLINE void publishv_loop(struct use_end *end, size_t bytes, uint64_t count, size_t batch)
{
	uint64_t messages[BATCH_MAX][8];
	struct iovec vector[BATCH_MAX];
	size_t filled = 0;
	size_t sent = 0;

	for (uint64_t done = 0; done < count;) {
		int64_t some;

		for (; filled < batch && done + filled - sent < count; filled++) {
			payload_fill(messages[filled], bytes, end->sequence++);
			vector[filled] = (struct iovec){messages[filled], bytes};
		}
		some = shoal_pub_publishv(end->pub, vector + sent, filled - sent, SHOAL_FOREVER);
		must(some, "shoal_pub_publishv");
		done += (uint64_t)some;
		sent += (size_t)some;
		if (sent == filled)
			sent = filled = 0;
	}
}

/* Asks for no more than `count`, so that the next part begins where this one ends. */
BENCH_INLINE uint64_t receivev_loop(struct use_end *end, size_t bytes, uint64_t count, size_t batch)
{
	uint64_t buffer[BATCH_MAX * 8];
	struct shoal_view views[BATCH_MAX];
	uint64_t sum = 0;

	for (uint64_t done = 0; done < count;) {
		size_t most = count - done < batch ? (size_t)(count - done) : batch;
		int64_t some =
		    shoal_sub_receivev(end->sub, views, most, buffer, sizeof buffer, SHOAL_FOREVER);

		must(some, "shoal_sub_receivev");
		for (int64_t i = 0; i < some; i++) {
			if (views[i].bytes != bytes)
				bench_die("a message of %zu bytes", views[i].bytes);
			sum += payload_sum(views[i].data, bytes);
		}
		done += (uint64_t)some;
	}
	return sum;
}

enum way { BY_BORROW, BY_RECEIVE, BY_BATCH, IN_TURN };

static void send_some(struct bench_side *me, enum way way, uint64_t count)
{
	struct use_end *end = me->state;
	size_t batch = me->setup->batch;

	if (way == BY_BATCH && me->setup->bytes == 48)
		publishv_loop(end, 48, count, batch);
	else if (way == BY_BATCH)
		publishv_loop(end, 64, count, batch);
	else if (way == IN_TURN)
		publish_loop(end, 64, count, true);
	else if (me->setup->bytes == 48)
		publish_loop(end, 48, count, false);
	else
		publish_loop(end, 64, count, false);
}

static uint64_t take_some(struct bench_side *me, enum way way, uint64_t count)
{
	struct use_end *end = me->state;
	bool small = me->setup->bytes == 48;
	size_t batch = me->setup->batch;

	switch (way) {
	case BY_BATCH:
		return small ? receivev_loop(end, 48, count, batch)
			     : receivev_loop(end, 64, count, batch);
	case BY_RECEIVE:
		return small ? receive_loop(end, 48, count) : receive_loop(end, 64, count);
	default:
		return small ? borrow_loop(end, 48, count) : borrow_loop(end, 64, count);
	}
}

static double stream_run(struct bench_side *me, enum way way, uint64_t count)
{
	struct use_end *end = me->state;
	uint64_t warm = count / 8;
	int64_t start_ns;
	uint64_t sum;

	if (me->side == 0) {
		send_some(me, way, warm + count);
		return 0.0;
	}
	sum = take_some(me, way, warm);
	start_ns = bench_now_ns();
	sum += take_some(me, way, count);
	start_ns = bench_now_ns() - start_ns;
	if (sum != payload_expected(me->setup->bytes, end->sequence, warm + count))
		bench_die("stream: the sum is wrong");
	end->sequence += warm + count;
	return (double)count * 1e9 / (double)start_ns;
}

static double borrow_run(struct bench_side *me, uint64_t count)
{
	return stream_run(me, BY_BORROW, count);
}

static double receive_run(struct bench_side *me, uint64_t count)
{
	return stream_run(me, BY_RECEIVE, count);
}

static double batch_run(struct bench_side *me, uint64_t count)
{
	return stream_run(me, BY_BATCH, count);
}

static void pair_open(struct bench_side *me)
{
	use_open_oneway(me);
	if (me->side == 0)
		((struct use_end *)me->state)->second = use_pub(me->topic, me->setup);
}

static double pair_run(struct bench_side *me, uint64_t count)
{
	return stream_run(me, IN_TURN, count);
}

static void large_send(struct use_end *end, size_t bytes, uint64_t count)
{
	for (uint64_t i = 0; i < count; i++) {
		struct shoal_loan loan;

		must(shoal_pub_claim(end->pub, bytes, SHOAL_FOREVER, &loan), "shoal_pub_claim");
		large_fill(loan.data, bytes, end->sequence++);
		must(shoal_pub_commit(end->pub, &loan), "shoal_pub_commit");
	}
}

static void large_take(struct use_end *end, size_t bytes, uint64_t count)
{
	for (uint64_t i = 0; i < count; i++) {
		struct shoal_view view;

		must(shoal_sub_borrow(end->sub, SHOAL_FOREVER, &view), "shoal_sub_borrow");
		if (view.bytes != bytes || !large_is(view.data, bytes, end->sequence++))
			bench_die("a wrong message");
		must(shoal_sub_release(end->sub, &view), "shoal_sub_release");
	}
}

static double large_run(struct bench_side *me, uint64_t count)
{
	struct use_end *end = me->state;
	int64_t start_ns;

	if (me->side == 0) {
		large_send(end, me->setup->bytes, count + count / 8);
		return 0.0;
	}
	large_take(end, me->setup->bytes, count / 8);
	start_ns = bench_now_ns();
	large_take(end, me->setup->bytes, count);
	return (double)count * 1e9 / (double)(bench_now_ns() - start_ns);
}

const struct bench_program topic_stream = {"topic", NULL, use_open_oneway, borrow_run, use_close};
const struct bench_program topic_stream_pair = {"topic, two publishers", NULL, pair_open, pair_run,
						use_close};
const struct bench_program topic_stream_copy = {"topic, receive", NULL, use_open_oneway,
						receive_run, use_close};
const struct bench_program topic_stream_batch = {"topic, batches", NULL, use_open_oneway, batch_run,
						 use_close};
const struct bench_program topic_large = {"topic", NULL, use_open_oneway, large_run, use_close};
