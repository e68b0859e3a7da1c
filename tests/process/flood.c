/* SPDX-License-Identifier: Apache-2.0 */
/* Four publishers, three subscribers, ten million messages: each arrives once, whole, in order. */
#include "backend.h"
#include "support.h"

#define NAME        "flood"
#define PUBLISHERS  4
#define SUBSCRIBERS 3

struct flood {
	struct shoal_topic_options options;
	enum sizes sizes;
	uint64_t messages; /* of each publisher */
	_Atomic int subscribed;
	_Atomic int opened;
	_Atomic int number;
	_Atomic uint64_t received[SUBSCRIBERS];
};

#define BATCH 64

/* A batch of small messages in one call; larger ones one by one. */
static uint64_t publish_batch(shoal_pub *pub, enum sizes sizes, uint64_t sequence, uint64_t end)
{
	static uint64_t bytes[BATCH][8];
	struct iovec messages[BATCH];
	size_t count = 0;
	uint32_t lane = shoal_pub_lane(pub);
	for (; count < BATCH && sequence + count < end; count++) {
		size_t size = message_size(sizes, lane, sequence + count);
		if (size > sizeof(bytes[0]))
			break;
		message_fill(bytes[count], size, lane, sequence + count);
		messages[count] = (struct iovec){bytes[count], size};
	}
	if (count == 0) {
		CHECK_R(0, message_publish(pub, sizes, sequence, BOUND));
		return 1;
	}
	int64_t n = shoal_pub_publishv(pub, messages, count, BOUND);
	CHECKF(n >= 1 && (uint64_t)n <= count, "publishv: %lld of %zu", (long long)n, count);
	return (uint64_t)n;
}

static void run_publisher(void *context)
{
	struct flood *flood = context;
	shoal_pub *pub;
	CHECK_R(0, open_pub(&pub, NAME, 0, NULL));
	/* Every lane has one owner from beginning to end, so its sequence counts from 0. */
	atomic_fetch_add(&flood->opened, 1);
	WAIT_FOR(atomic_load(&flood->opened) == PUBLISHERS);
	bool batches = shoal_pub_lane(pub) % 2;
	for (uint64_t i = 0; i < flood->messages;) {
		if (batches) {
			i += publish_batch(pub, flood->sizes, i, flood->messages);
		} else {
			CHECK_R(0, message_publish(pub, flood->sizes, i, BOUND));
			i++;
		}
	}
	CHECK(shoal_pub_sequence(pub) == flood->messages);
	shoal_pub_close(pub);
}

static void take(struct flood *flood, uint64_t next[PUBLISHERS], const struct shoal_view *view)
{
	CHECKF(view->lane < PUBLISHERS, "lane %u", view->lane);
	CHECKF(view->sequence == next[view->lane], "lane %u: %llu came, not %llu", view->lane,
	       (unsigned long long)view->sequence, (unsigned long long)next[view->lane]);
	next[view->lane]++;
	message_check(flood->sizes, view);
}

static int64_t take_some(struct flood *flood, shoal_sub *sub, int how, uint64_t next[PUBLISHERS])
{
	static uint64_t buffer[2 * MESSAGE_MAX / 8];
	struct shoal_view views[BATCH];
	int64_t n = 1;
	if (how == 0) {
		n = shoal_sub_receivev(sub, views, BATCH, buffer, sizeof(buffer), BOUND);
	} else {
		int r = how == 1 ? shoal_sub_borrow(sub, BOUND, views)
				 : shoal_sub_receive(sub, buffer, sizeof(buffer), BOUND, views);
		n = r < 0 ? r : 1;
	}
	for (int64_t i = 0; i < n; i++)
		take(flood, next, &views[i]);
	if (how == 1 && n == 1)
		CHECK_R(0, shoal_sub_release(sub, views));
	return n;
}

static void run_subscriber(void *context)
{
	struct flood *flood = context;
	int number = atomic_fetch_add(&flood->number, 1);
	uint64_t next[PUBLISHERS] = {0};
	shoal_sub *sub;
	int64_t n;
	CHECK_R(0, open_sub(&sub, NAME, 0, NULL));
	atomic_fetch_add(&flood->subscribed, 1);
	while ((n = take_some(flood, sub, number, next)) > 0)
		atomic_fetch_add(&flood->received[number], (uint64_t)n);
	CHECK_R(-EPIPE, n);
	for (int i = 0; i < PUBLISHERS; i++)
		CHECKF(next[i] == flood->messages, "lane %d ended at %llu", i,
		       (unsigned long long)next[i]);
	shoal_sub_close(sub);
}

static void pour(struct shoal_topic_options given, enum sizes sizes, uint64_t messages)
{
	struct flood *flood = shared_memory(sizeof(*flood));
	pid_t pids[PUBLISHERS + SUBSCRIBERS];
	int n = 0;
	flood->options = given;
	flood->sizes = sizes;
	flood->messages = messages / PUBLISHERS;
	CHECK_R(0, create_topic(NAME, SHOAL_EXCLUSIVE, &flood->options));
	for (int i = 0; i < SUBSCRIBERS; i++)
		pids[n++] = spawn(run_subscriber, flood);
	WAIT_FOR(atomic_load(&flood->subscribed) == SUBSCRIBERS);
	int64_t start = now_ns();
	for (int i = 0; i < PUBLISHERS; i++)
		pids[n++] = spawn(run_publisher, flood);
	for (int i = 0; i < n; i++)
		reap_ok(pids[i]);
	double s = (double)(now_ns() - start) / 1e9;
	printf("  %llu messages in %.1f s: %.2f million a second\n", (unsigned long long)messages,
	       s, (double)messages / 1e6 / s);
	CHECK_R(0, audit_topic(NAME, 0));
	CHECK_R(0, remove_topic(NAME, 0));
	shared_free(flood, sizeof(*flood));
}

static void ten_million_small_messages_arrive_in_order(void)
{
	pour(options(), SMALL, rounds("SHOAL_MESSAGES", 10000000));
}

static void messages_of_all_sizes_arrive_in_order(void)
{
	struct shoal_topic_options o = options();
	o.slots = 1024;
	pour(o, MIXED, rounds("SHOAL_MESSAGES", 200000));
}

/* Every message meets a full lane. */
static void messages_through_a_lane_of_four_slots_arrive_in_order(void)
{
	struct shoal_topic_options o = options();
	o.slots = 4;
	o.payload_bytes = MESSAGE_MAX;
	pour(o, MIXED, rounds("SHOAL_MESSAGES", 40000));
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
	    {"ten_million_small_messages_arrive_in_order",
	     ten_million_small_messages_arrive_in_order},
	    {"messages_of_all_sizes_arrive_in_order", messages_of_all_sizes_arrive_in_order},
	    {"messages_through_a_lane_of_four_slots_arrive_in_order",
	     messages_through_a_lane_of_four_slots_arrive_in_order},
	};
	return RUN_TESTS(argc, argv, tests);
}
