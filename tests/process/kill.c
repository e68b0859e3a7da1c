/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SIGKILL at random moments, in a loop. Publishers keep a log in memory that the library does not
 * know of: what they are about to publish, and what the library said is published. After each
 * death every lossless subscriber must get all that was published, and at most the one more that
 * was about to be; whoever takes over the lane continues exactly there; the survivors go on.
 */
#include "backend.h"
#include "support.h"

#include <sched.h>
#include <time.h>

#define NAME        "kill"
#define LANES       4
#define PUBLISHERS  3
#define SUBSCRIBERS 2 /* that live through it all */
#define PASSERS_BY  2 /* subscribers that come, read, go, and are killed */

struct log {
	struct shoal_topic_options options;
	enum sizes sizes;
	_Atomic int stop;
	_Atomic uint64_t ready;
	_Atomic uint64_t joins; /* of passers-by */
	/* By lane; written by its publisher. */
	_Atomic uint64_t about[LANES];
	_Atomic uint64_t published[LANES];
	/* By subscriber and lane: the next sequence it waits for. */
	_Atomic uint64_t seen[SUBSCRIBERS][LANES];
};

static struct log *journal;

static struct log *new_log(void)
{
	struct log *log = shared_memory(sizeof(*log));
	log->options = options();
	log->options.lanes = LANES;
	log->options.slots = 256;
	log->options.payload_bytes = 512u << 10;
	log->sizes = MIXED;
	object_prepare(NAME, &log->options);
	return log;
}

static void free_log(void)
{
	object_end(NAME);
	shared_free(journal, sizeof(*journal));
	journal = NULL;
}

/* A pause of up to that many microseconds: it gives a load its shape, nothing depends on it. */
static void pause_us(uint64_t us)
{
	struct timespec ts = {.tv_nsec = (long)us * 1000};
	nanosleep(&ts, NULL);
}

static void publish_logged(shoal_pub *pub)
{
	uint32_t lane = shoal_pub_lane(pub);
	uint64_t sequence = shoal_pub_sequence(pub);
	CHECKF(lane < LANES, "lane %u", lane);
	atomic_store(&journal->about[lane], sequence + 1);
	CHECK_R(0, message_publish(pub, journal->sizes, sequence, BOUND));
	atomic_store(&journal->published[lane], sequence + 1);
}

/* The lane goes on where it was when its last owner died: the log allows one message of doubt. */
static shoal_pub *open_and_continue(unsigned flags)
{
	shoal_pub *pub;
	int r = open_pub(&pub, NAME, flags, &journal->options);
	CHECKF(r >= 0, "%s: %s", shoal_strerror(r), shoal_error_detail());
	uint32_t lane = shoal_pub_lane(pub);
	uint64_t sequence = shoal_pub_sequence(pub);
	CHECKF(lane < LANES, "lane %u", lane);
	uint64_t published = atomic_load(&journal->published[lane]);
	uint64_t about = atomic_load(&journal->about[lane]);
	CHECKF(sequence == published || sequence == about,
	       "lane %u continues at %llu, but %llu were published and %llu at most", lane,
	       (unsigned long long)sequence, (unsigned long long)published,
	       (unsigned long long)about);
	return pub;
}

static void run_publisher(void *context)
{
	uint64_t random = mix(seed() ^ (uint64_t)getpid());
	(void)context;
	shoal_pub *pub = open_and_continue(SHOAL_CREATE);
	while (!atomic_load(&journal->stop)) {
		publish_logged(pub);
		uint64_t dice = random_next(&random) % 4096;
		if (dice < 4)
			pause_us(dice * 100); /* subscribers fall asleep */
		if (dice == 9) {
			shoal_pub_close(pub);
			pub = open_and_continue(SHOAL_CREATE);
		}
	}
	shoal_pub_close(pub);
}

/* Between two publishers, or when all come and go at once, the topic has ended for a moment. The
 * log is asked before: a publisher that saw no end of the test may still have come after ours. */
static int borrow_until_stopped(shoal_sub *sub, struct shoal_view *view)
{
	int r;
	bool last;
	do {
		last = atomic_load(&journal->stop);
		r = shoal_sub_borrow(sub, BOUND, view);
		if (r == -EPIPE && !last)
			sched_yield();
	} while (r == -EPIPE && !last);
	return r;
}

/* Reads until every publisher has closed in order, for good. */
static void run_subscriber(void *context)
{
	_Atomic uint64_t *seen = context;
	uint64_t random = mix(seed() ^ (uint64_t)getpid());
	shoal_sub *sub;
	struct shoal_view view;
	int r;
	CHECK(open_sub(&sub, NAME, SHOAL_CREATE, &journal->options) >= 0);
	atomic_fetch_add(&journal->ready, 1);
	while ((r = borrow_until_stopped(sub, &view)) == 0) {
		CHECKF(view.lane < LANES, "lane %u", view.lane);
		uint64_t next = atomic_load(&seen[view.lane]);
		CHECKF(view.sequence == next, "lane %u: message %llu came, not %llu", view.lane,
		       (unsigned long long)view.sequence, (unsigned long long)next);
		message_check(journal->sizes, &view);
		CHECK_R(0, shoal_sub_release(sub, &view));
		atomic_store(&seen[view.lane], next + 1);
		if (random_next(&random) % 8192 == 0)
			pause_us(500); /* publishers come to the gate */
	}
	CHECK_R(-EPIPE, r);
	shoal_sub_close(sub);
}

static void run_passer_by(void *context)
{
	uint64_t random = mix(seed() ^ (uint64_t)getpid());
	(void)context;
	while (!atomic_load(&journal->stop)) {
		uint64_t dice = random_next(&random);
		unsigned flags = (dice & 1 ? SHOAL_FROM_OLDEST : 0) | (dice & 6 ? 0 : SHOAL_LOSSY);
		shoal_sub *sub;
		struct shoal_view view;
		CHECK_R(0, open_sub(&sub, NAME, flags | SHOAL_FOLLOW, NULL));
		for (uint64_t i = 0; i < dice / 8 % 100 && !atomic_load(&journal->stop); i++) {
			int r = shoal_sub_borrow(sub, SECONDS / 100, &view);
			if (r == -ETIMEDOUT)
				break;
			CHECK_R(0, r);
			message_check(journal->sizes, &view);
			CHECK_R(0, shoal_sub_release(sub, &view));
		}
		shoal_sub_close(sub);
		atomic_fetch_add(&journal->joins, 1);
	}
}

static uint64_t total(_Atomic uint64_t *counts)
{
	uint64_t sum = 0;
	for (int i = 0; i < LANES; i++)
		sum += atomic_load(&counts[i]);
	return sum;
}

static bool all_have_seen(const uint64_t published[LANES])
{
	for (int i = 0; i < SUBSCRIBERS; i++)
		for (int lane = 0; lane < LANES; lane++)
			if (atomic_load(&journal->seen[i][lane]) < published[lane])
				return false;
	return true;
}

/* After a death: what was published arrives, and more comes. */
static void check_survivors(void)
{
	uint64_t published[LANES];
	for (int lane = 0; lane < LANES; lane++)
		published[lane] = atomic_load(&journal->published[lane]);
	WAIT_FOR(all_have_seen(published));
	uint64_t before = total(journal->published);
	WAIT_FOR(total(journal->published) > before);
}

static void check_audit(const pid_t *pids, int count)
{
	for (int i = 0; i < count; i++)
		stop_process(pids[i]);
	CHECK_R(0, audit_topic(NAME, 0));
	for (int i = 0; i < count; i++)
		resume_process(pids[i]);
}

static void check_end(void)
{
	for (int lane = 0; lane < LANES; lane++) {
		uint64_t published = atomic_load(&journal->published[lane]);
		uint64_t about = atomic_load(&journal->about[lane]);
		for (int i = 0; i < SUBSCRIBERS; i++) {
			uint64_t seen = atomic_load(&journal->seen[i][lane]);
			CHECKF(seen == published || seen == about,
			       "lane %d: %llu arrived, %llu were published", lane,
			       (unsigned long long)seen, (unsigned long long)published);
		}
	}
}

/* pids: publishers, then subscribers, then passers-by. */
static void kill_in_a_loop(uint64_t kills)
{
	enum { ALL = PUBLISHERS + SUBSCRIBERS + PASSERS_BY, FIRST_PASSER = ALL - PASSERS_BY };
	pid_t pids[ALL];
	uint64_t random = seed();
	journal = new_log();
	for (int i = 0; i < SUBSCRIBERS; i++)
		pids[PUBLISHERS + i] = spawn(run_subscriber, journal->seen[i]);
	WAIT_FOR(atomic_load(&journal->ready) == SUBSCRIBERS);
	for (int i = 0; i < PUBLISHERS; i++)
		pids[i] = spawn(run_publisher, NULL);
	for (int i = FIRST_PASSER; i < ALL; i++)
		pids[i] = spawn(run_passer_by, NULL);
	for (uint64_t k = 0; k < kills; k++) {
		uint64_t dice = random_next(&random);
		bool publisher = k % 2;
		int victim = publisher ? (int)(dice % PUBLISHERS)
				       : FIRST_PASSER + (int)(dice % PASSERS_BY);
		pause_us(random_next(&random) % 6000);
		reap_killed(pids[victim]);
		check_survivors();
		pids[victim] = spawn(publisher ? run_publisher : run_passer_by, NULL);
		if (k % 32 == 31)
			check_audit(pids, ALL);
	}
	/* Ours is the last to close, so the topic does not end before the youngest has come. */
	shoal_pub *last = open_and_continue(0);
	atomic_store(&journal->stop, 1);
	for (int i = 0; i < PUBLISHERS; i++)
		reap_ok(pids[i]);
	for (int i = FIRST_PASSER; i < ALL; i++)
		reap_ok(pids[i]);
	shoal_pub_close(last);
	for (int i = PUBLISHERS; i < FIRST_PASSER; i++)
		reap_ok(pids[i]);
	check_end();
	printf("  %llu kills, %llu messages, %llu joins\n", (unsigned long long)kills,
	       (unsigned long long)total(journal->published),
	       (unsigned long long)atomic_load(&journal->joins));
	free_log();
}

static void no_message_is_lost_when_publishers_and_subscribers_are_killed(void)
{
	kill_in_a_loop(rounds("SHOAL_KILLS", 700));
}

/* ---- a subscriber asleep, and nobody left to wake it ------------------------------------- */

static void publish_now_and_then(void *context)
{
	uint64_t random = mix(seed() ^ (uint64_t)getpid());
	(void)context;
	shoal_pub *pub = open_and_continue(SHOAL_CREATE);
	while (!atomic_load(&journal->stop)) {
		publish_logged(pub);
		if (random_next(&random) % 4)
			pause_us(random_next(&random) % 100);
	}
	shoal_pub_close(pub);
}

static void a_sleeper_gets_the_last_message_of_a_killed_publisher(void)
{
	uint64_t kills = rounds("SHOAL_KILLS", 1000);
	uint64_t random = seed();
	pid_t subscribers[SUBSCRIBERS];
	journal = new_log();
	journal->sizes = SMALL;
	journal->options.spin_ns = SHOAL_SPIN_NEVER;
	for (int i = 0; i < SUBSCRIBERS; i++)
		subscribers[i] = spawn(run_subscriber, journal->seen[i]);
	WAIT_FOR(atomic_load(&journal->ready) == SUBSCRIBERS);
	for (uint64_t k = 0; k < kills; k++) {
		uint64_t before = total(journal->about);
		pid_t pid = spawn(publish_now_and_then, NULL);
		WAIT_FOR(total(journal->about) > before);
		pause_us(random_next(&random) % 600);
		reap_killed(pid);
		uint64_t published[LANES];
		for (int lane = 0; lane < LANES; lane++)
			published[lane] = atomic_load(&journal->published[lane]);
		WAIT_FOR(all_have_seen(published));
	}
	for (int i = 0; i < SUBSCRIBERS; i++)
		CHECKF(process_state(subscribers[i]) != 'Z', "a subscriber ended");
	/* The last publisher was killed, so they wait for another: it closes in order. */
	atomic_store(&journal->stop, 1);
	reap_ok(spawn(publish_now_and_then, NULL));
	for (int i = 0; i < SUBSCRIBERS; i++)
		reap_ok(subscribers[i]);
	check_end();
	free_log();
}

/* ---- everybody at once ------------------------------------------------------------------- */

static void after_all_were_killed_the_next_one_starts_afresh(void)
{
	enum { ALL = PUBLISHERS + SUBSCRIBERS };
	uint64_t times = rounds("SHOAL_KILLS", 100);
	uint64_t random = seed();
	for (uint64_t k = 0; k < times; k++) {
		pid_t pids[ALL];
		journal = new_log();
		for (int i = 0; i < SUBSCRIBERS; i++)
			pids[i] = spawn(run_subscriber, journal->seen[i]);
		WAIT_FOR(atomic_load(&journal->ready) == SUBSCRIBERS);
		for (int i = SUBSCRIBERS; i < ALL; i++)
			pids[i] = spawn(run_publisher, NULL);
		WAIT_FOR(total(journal->published) > 0);
		pause_us(random_next(&random) % 3000);
		for (int i = 0; i < ALL; i++)
			CHECK(kill(pids[i], SIGKILL) == 0);
		for (int i = 0; i < ALL; i++)
			reap_killed(pids[i]);
		CHECK_R(0, audit_topic(NAME, 0));
		shoal_sub *sub;
		int r = open_sub(&sub, NAME, SHOAL_CREATE, &journal->options);
		CHECKF(r == !backend_keeps(), "%d, %s", r, shoal_error_detail());
		shoal_sub_close(sub);
		free_log();
	}
}

/* ---- in opening, closing and removing ---------------------------------------------------- */

static void come_and_go(void *context)
{
	_Atomic uint64_t *done = context;
	uint64_t random = mix(seed() ^ (uint64_t)getpid());
	for (;;) {
		shoal_sub *sub;
		shoal_pub *pub;
		int r = 0;
		switch (random_next(&random) % 5) {
		case 0:
			if (!backend_has_names())
				break; /* what is removed can't be made again there */
			r = remove_topic(NAME, 0);
			CHECKF(r == 0 || r == -ENOENT || r == -EBUSY, "%s", shoal_error_detail());
			break;
		case 1:
		case 2:
			r = open_pub(&pub, NAME, SHOAL_CREATE, NULL);
			CHECKF(r >= 0, "%s: %s", shoal_strerror(r), shoal_error_detail());
			CHECK_R(0, shoal_pub_publish(pub, "x", 1, BOUND));
			shoal_pub_close(pub);
			break;
		default:
			r = open_sub(&sub, NAME, SHOAL_CREATE, NULL);
			CHECKF(r >= 0, "%s: %s", shoal_strerror(r), shoal_error_detail());
			shoal_sub_close(sub);
			break;
		}
		atomic_fetch_add(done, 1);
	}
}

static void who_is_killed_in_opening_or_closing_holds_up_nobody(void)
{
	enum { ALL = 3 };
	uint64_t kills = rounds("SHOAL_KILLS", 300);
	uint64_t random = seed();
	pid_t pids[ALL];
	int64_t longest = 0;
	_Atomic uint64_t *done = shared_memory(4096);
	object_prepare(NAME, NULL);
	for (int i = 0; i < ALL; i++)
		pids[i] = spawn(come_and_go, &done[i * 8]);
	for (uint64_t k = 0; k < kills; k++) {
		int victim = (int)(random_next(&random) % ALL);
		int other = (victim + 1) % ALL;
		pause_us(random_next(&random) % 2000);
		reap_killed(pids[victim]);
		/* Two whole turns: one was begun before the death. */
		uint64_t before = atomic_load(&done[other * 8]);
		int64_t start = now_ns();
		WAIT_FOR(atomic_load(&done[other * 8]) >= before + 2);
		if (now_ns() - start > longest)
			longest = now_ns() - start;
		pids[victim] = spawn(come_and_go, &done[victim * 8]);
	}
	for (int i = 0; i < ALL; i++)
		reap_killed(pids[i]);
	shoal_sub *sub;
	CHECK(open_sub(&sub, NAME, SHOAL_CREATE, NULL) >= 0);
	shoal_sub_close(sub);
	shared_free(done, 4096);
	printf("  the longest any waited: %.1f ms\n", (double)longest / 1e6);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
	    {"no_message_is_lost_when_publishers_and_subscribers_are_killed",
	     no_message_is_lost_when_publishers_and_subscribers_are_killed},
	    {"a_sleeper_gets_the_last_message_of_a_killed_publisher",
	     a_sleeper_gets_the_last_message_of_a_killed_publisher},
	    {"after_all_were_killed_the_next_one_starts_afresh",
	     after_all_were_killed_the_next_one_starts_afresh},
	    {"who_is_killed_in_opening_or_closing_holds_up_nobody",
	     who_is_killed_in_opening_or_closing_holds_up_nobody},
	};
	return RUN_TESTS(argc, argv, tests);
}
