/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Subscribers that come and go while publishers run at full speed: from its first message on, each
 * sees every message, and what it reads in place stays what it was.
 */
#include "backend.h"
#include "support.h"

#define PUBLISHERS 2

struct scene {
	struct shoal_topic_options options;
	enum sizes sizes;
	_Atomic int ready;
	_Atomic int stop;
};

static void publish_until_told(void *context)
{
	struct scene *scene = context;
	shoal_pub *pub;
	CHECK(open_pub(&pub, "join", SHOAL_CREATE, &scene->options) >= 0);
	atomic_fetch_add(&scene->ready, 1);
	/* Each wait is bounded: who waits longer waits for a subscriber that is not there. */
	for (uint64_t i = 0; !atomic_load(&scene->stop); i++)
		CHECK_R(0, message_publish(pub, scene->sizes, i, BOUND));
	shoal_pub_close(pub);
}

/* What a subscriber expects of each lane: the sequence after the last one it saw. */
struct expectation {
	uint64_t next[8];
	bool known[8];
};

static void check_view(enum sizes sizes, struct expectation *expect, const struct shoal_view *view)
{
	CHECKF(view->lane < 8, "lane %u", view->lane);
	CHECKF(!expect->known[view->lane] || view->sequence == expect->next[view->lane],
	       "a gap: lane %u message %llu after %llu", view->lane,
	       (unsigned long long)view->sequence,
	       (unsigned long long)expect->next[view->lane] - 1);
	CHECKF(view->lost == 0, "a lossless subscriber lost %llu", (unsigned long long)view->lost);
	expect->known[view->lane] = true;
	expect->next[view->lane] = view->sequence + 1;
	message_check(sizes, view);
}

static void read_some(shoal_sub *sub, enum sizes sizes, uint64_t count)
{
	struct expectation expect = {0};
	struct shoal_view view;
	for (uint64_t i = 0; i < count; i++) {
		CHECK_R(0, shoal_sub_borrow(sub, BOUND, &view));
		check_view(sizes, &expect, &view);
		if (i % 16 == 0) /* it is pinned: publishers go on, and it stays */
			for (int k = 0; k < 4; k++) {
				breathe();
				message_check(sizes, &view);
			}
		CHECK_R(0, shoal_sub_release(sub, &view));
	}
}

static void come_and_go(struct shoal_topic_options options_given, enum sizes sizes, uint64_t joins)
{
	struct scene *scene = shared_memory(sizeof(*scene));
	pid_t pids[PUBLISHERS];
	uint64_t random = seed();
	scene->options = options_given;
	scene->sizes = sizes;
	object_prepare("join", &scene->options);
	for (int i = 0; i < PUBLISHERS; i++)
		pids[i] = spawn(publish_until_told, scene);
	WAIT_FOR(atomic_load(&scene->ready) == PUBLISHERS);
	int64_t start = now_ns();
	for (uint64_t i = 0; i < joins; i++) {
		shoal_sub *sub;
		unsigned flags = random_next(&random) % 2 ? SHOAL_FROM_OLDEST : 0;
		CHECK_R(0, open_sub(&sub, "join", flags, NULL));
		read_some(sub, sizes, random_next(&random) % 100);
		shoal_sub_close(sub);
	}
	printf("  %llu joins, %.0f a second\n", (unsigned long long)joins,
	       (double)joins * 1e9 / (double)(now_ns() - start));
	atomic_store(&scene->stop, 1);
	for (int i = 0; i < PUBLISHERS; i++)
		reap_ok(pids[i]);
	object_end("join");
	shared_free(scene, sizeof(*scene));
}

static void publish_tiny(void *context)
{
	struct scene *scene = context;
	shoal_pub *pub;
	CHECK(open_pub(&pub, "join", SHOAL_CREATE, &scene->options) >= 0);
	atomic_fetch_add(&scene->ready, 1);
	while (!atomic_load_explicit(&scene->stop, memory_order_relaxed)) {
		uint64_t sequence = shoal_pub_sequence(pub);
		CHECK_R(0, shoal_pub_publish(pub, &sequence, sizeof(sequence), BOUND));
	}
	shoal_pub_close(pub);
}

/* A publisher that goes round its lane in less time than a subscriber takes to join: what the
 * newcomer saw of the lane is outdated before it could say so. */
static void a_newcomer_that_is_overtaken_while_it_joins_starts_inside_the_lane(void)
{
	struct scene *scene = shared_memory(sizeof(*scene));
	scene->options = options();
	scene->options.slots = 2;
	scene->options.lanes = 1;
	object_prepare("join", &scene->options);
	pid_t pid = spawn(publish_tiny, scene);
	WAIT_FOR(atomic_load(&scene->ready) == 1);
	uint64_t joins = rounds("SHOAL_ROUNDS", 20000);
	for (uint64_t i = 0; i < joins; i++) {
		shoal_sub *sub;
		CHECK_R(0, open_sub(&sub, "join", i % 2 ? SHOAL_FROM_OLDEST : 0, NULL));
		struct expectation expect = {0};
		for (int k = 0; k < 3; k++) {
			uint64_t sequence;
			struct shoal_view view;
			CHECK_R(0,
				shoal_sub_receive(sub, &sequence, sizeof(sequence), BOUND, &view));
			CHECKF(!expect.known[0] || view.sequence == expect.next[0], "a gap");
			CHECKF(view.sequence == sequence, "message %llu says it is %llu",
			       (unsigned long long)view.sequence, (unsigned long long)sequence);
			expect.known[0] = true;
			expect.next[0] = view.sequence + 1;
		}
		shoal_sub_close(sub);
	}
	atomic_store(&scene->stop, 1);
	reap_ok(pid);
	object_end("join");
	shared_free(scene, sizeof(*scene));
}

static void a_newcomer_misses_nothing(void)
{
	come_and_go(options(), SMALL, rounds("SHOAL_ROUNDS", 1000));
}

/* In a lane of few slots the publisher overtakes a newcomer in the middle of its joining. */
static void a_newcomer_misses_nothing_in_a_lane_of_two_slots(void)
{
	struct shoal_topic_options o = options();
	o.slots = 2;
	o.lanes = 2;
	come_and_go(o, SMALL, rounds("SHOAL_ROUNDS", 3000));
}

static void a_newcomer_misses_nothing_in_a_lane_of_sixteen_slots(void)
{
	struct shoal_topic_options o = options();
	o.slots = 16;
	o.lanes = 8;
	come_and_go(o, SMALL, rounds("SHOAL_ROUNDS", 3000));
}

static void large_messages_stay_while_they_are_read(void)
{
	struct shoal_topic_options o = options();
	o.message_bytes = 8192;
	o.payload_bytes = 64u << 10;
	o.slots = 64;
	come_and_go(o, LARGE, rounds("SHOAL_ROUNDS", 2000));
}

static void messages_of_all_sizes_stay_while_they_are_read(void)
{
	struct shoal_topic_options o = options();
	o.payload_bytes = 512u << 10;
	o.slots = 256;
	come_and_go(o, MIXED, rounds("SHOAL_ROUNDS", 500));
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
	    {"a_newcomer_that_is_overtaken_while_it_joins_starts_inside_the_lane",
	     a_newcomer_that_is_overtaken_while_it_joins_starts_inside_the_lane},
	    {"a_newcomer_misses_nothing", a_newcomer_misses_nothing},
	    {"a_newcomer_misses_nothing_in_a_lane_of_two_slots",
	     a_newcomer_misses_nothing_in_a_lane_of_two_slots},
	    {"a_newcomer_misses_nothing_in_a_lane_of_sixteen_slots",
	     a_newcomer_misses_nothing_in_a_lane_of_sixteen_slots},
	    {"large_messages_stay_while_they_are_read", large_messages_stay_while_they_are_read},
	    {"messages_of_all_sizes_stay_while_they_are_read",
	     messages_of_all_sizes_stay_while_they_are_read},
	};
	return RUN_TESTS(argc, argv, tests);
}
