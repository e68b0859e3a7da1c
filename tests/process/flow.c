/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Slow, stopped and dead: a lossless subscriber holds up publishers while it is alive and is named
 * by stat; a stopped publisher and a lossy subscriber hold up nobody.
 */
#include "backend.h"
#include "support.h"

#include "base/bits.h"

#define NAME "flow"

struct flow {
	struct shoal_topic_options options;
	enum sizes sizes;
	bool lossy;
	bool hold_view; /* stop reading with a view in hand */
	uint64_t limit; /* publishers end after so many; 0: when told */
	_Atomic int stop;
	_Atomic int ready;
	_Atomic int take; /* subscribers read only while it is set */
	_Atomic uint64_t published[4];
	_Atomic uint64_t received[4];
	_Atomic uint64_t lost;
};

static struct flow *new_flow(uint32_t slots, enum sizes sizes)
{
	struct flow *flow = shared_memory(sizeof(*flow));
	flow->options = options();
	flow->options.slots = slots;
	flow->options.lanes = 4;
	flow->options.payload_bytes = 256u << 10;
	flow->sizes = sizes;
	flow->take = 1;
	object_prepare(NAME, &flow->options);
	return flow;
}

static void free_flow(struct flow *flow)
{
	object_end(NAME);
	shared_free(flow, sizeof(*flow));
}

static void run_publisher(void *context)
{
	struct flow *flow = context;
	shoal_pub *pub;
	CHECK(open_pub(&pub, NAME, SHOAL_CREATE, &flow->options) >= 0);
	uint32_t lane = shoal_pub_lane(pub);
	atomic_fetch_add(&flow->ready, 1);
	for (uint64_t i = shoal_pub_sequence(pub); !atomic_load(&flow->stop); i++) {
		if (flow->limit && i == flow->limit)
			break;
		CHECK_R(0, message_publish(pub, flow->sizes, i, SHOAL_FOREVER));
		atomic_store(&flow->published[lane], i + 1);
	}
	shoal_pub_close(pub);
}

static void run_subscriber(void *context)
{
	struct flow *flow = context;
	shoal_sub *sub;
	struct shoal_view view;
	uint64_t next[4] = {0};
	bool known[4] = {false};
	int r;
	unsigned flags = SHOAL_CREATE | (flow->lossy ? SHOAL_LOSSY : 0);
	CHECK(open_sub(&sub, NAME, flags, &flow->options) >= 0);
	atomic_fetch_add(&flow->ready, 1);
	while ((r = shoal_sub_borrow(sub, BOUND, &view)) == 0) {
		if (!known[view.lane] && !flow->lossy)
			next[view.lane] = view.sequence; /* it may have come late */
		known[view.lane] = true;
		CHECKF(view.sequence == next[view.lane] + view.lost, "%llu came, not %llu + %llu",
		       (unsigned long long)view.sequence, (unsigned long long)next[view.lane],
		       (unsigned long long)view.lost);
		CHECK(flow->lossy || view.lost == 0);
		next[view.lane] = view.sequence + 1;
		message_check(flow->sizes, &view);
		atomic_fetch_add(&flow->lost, view.lost);
		atomic_fetch_add(&flow->received[view.lane], 1);
		if (!flow->hold_view)
			CHECK_R(0, shoal_sub_release(sub, &view));
		while (!atomic_load(&flow->take))
			breathe();
		if (flow->hold_view)
			CHECK_R(0, shoal_sub_release(sub, &view));
	}
	CHECK_R(-EPIPE, r);
	CHECK(shoal_sub_lost(sub) == atomic_load(&flow->lost));
	shoal_sub_close(sub);
}

static void wait_ready(struct flow *flow, int count)
{
	WAIT_FOR(atomic_load(&flow->ready) == count);
}

/* ---- who holds up whom ------------------------------------------------------------------- */

/* Does stat say of that process that it holds up, with that health, and of nobody else? */
static bool is_named(pid_t pid, enum shoal_health health)
{
	struct shoal_topic_stat *stat;
	CHECK_R(0, stat_topic(NAME, 0, &stat));
	const struct shoal_topic_seat *seat = seat_of(stat, pid);
	CHECKF(seat && seat->same_pid_namespace, "process %d has no seat", (int)pid);
	bool named = seat->holds_up && seat->health == health;
	/* Others are, while they have as much to read as the slowest: not for long. */
	for (uint32_t i = 0; i < stat->seat_count; i++)
		named = named && (!stat->seats[i].holds_up || stat->seats[i].pid == pid);
	shoal_topic_stat_free(stat);
	return named;
}

static uint64_t published(struct flow *flow)
{
	uint64_t sum = 0;
	for (int i = 0; i < 4; i++)
		sum += atomic_load(&flow->published[i]);
	return sum;
}

static void wait_for_more(struct flow *flow, uint64_t more)
{
	uint64_t before = published(flow);
	WAIT_FOR(published(flow) >= before + more);
}

/* Named, and really held up: not one message between two looks that a named one lies between. */
static void wait_for_hold_up(struct flow *flow, pid_t pid, enum shoal_health health)
{
	WAIT_FOR(is_named(pid, health));
	uint64_t before;
	do {
		before = published(flow);
		WAIT_FOR(is_named(pid, health));
	} while (published(flow) != before);
}

static void hold_up(struct flow *flow)
{
	pid_t other, publisher, victim;
	other = spawn(run_subscriber, flow);
	wait_ready(flow, 1);
	publisher = spawn(run_publisher, flow);
	victim = spawn(run_subscriber, flow);
	wait_ready(flow, 3);
	for (int i = 0; i < 5; i++) {
		wait_for_more(flow, 100);
		stop_process(victim);
		wait_for_hold_up(flow, victim, SHOAL_STOPPED);
		resume_process(victim);
		wait_for_more(flow, 1000);
	}
	stop_process(victim);
	wait_for_hold_up(flow, victim, SHOAL_STOPPED);
	reap_killed(victim);
	wait_for_more(flow, 1000);
	atomic_store(&flow->stop, 1);
	reap_ok(publisher);
	reap_ok(other);
	free_flow(flow);
}

static void a_stopped_subscriber_holds_up_until_it_goes_on_or_is_killed(void)
{
	struct flow *flow = new_flow(64, SMALL);
	flow->options.spin_ns = SHOAL_SPIN_NEVER;
	hold_up(flow);
}

static void a_stopped_subscriber_is_named_by_a_publisher_that_only_spins(void)
{
	struct flow *flow = new_flow(64, SMALL);
	flow->options.spin_ns = SHOAL_FOREVER;
	hold_up(flow);
}

static void a_stopped_subscriber_holds_up_through_the_payload_area(void)
{
	hold_up(new_flow(16384, LARGE));
}

/* Alive and slow: with a view in its hands for as long as it likes. */
static void a_subscriber_that_keeps_a_view_is_waited_for(void)
{
	struct flow *flow = new_flow(64, LARGE);
	flow->hold_view = true;
	flow->take = 0;
	pid_t subscriber = spawn(run_subscriber, flow);
	wait_ready(flow, 1);
	pid_t publisher = spawn(run_publisher, flow);
	wait_for_hold_up(flow, subscriber, SHOAL_ALIVE);
	atomic_store(&flow->take, 1);
	wait_for_more(flow, 1000);
	atomic_store(&flow->take, 0);
	wait_for_hold_up(flow, subscriber, SHOAL_ALIVE);
	reap_killed(subscriber);
	wait_for_more(flow, 1000);
	atomic_store(&flow->stop, 1);
	reap_ok(publisher);
	free_flow(flow);
}

/* ---- publishers -------------------------------------------------------------------------- */

static void a_stopped_publisher_holds_up_nobody(void)
{
	struct flow *flow = new_flow(256, MIXED);
	uint64_t random = seed(), stops = rounds("SHOAL_ROUNDS", 200);
	pid_t subscribers[2], publishers[2];
	for (int i = 0; i < 2; i++)
		subscribers[i] = spawn(run_subscriber, flow);
	wait_ready(flow, 2);
	for (int i = 0; i < 2; i++)
		publishers[i] = spawn(run_publisher, flow);
	wait_ready(flow, 4);
	for (uint64_t k = 0; k < stops; k++) {
		pid_t victim = publishers[random_next(&random) % 2];
		for (uint64_t i = random_next(&random) % 64; i > 0; i--)
			breathe();
		stop_process(victim);
		uint64_t before = atomic_load(&flow->received[0]) + flow->received[1];
		wait_for_more(flow, 300);
		WAIT_FOR(atomic_load(&flow->received[0]) + flow->received[1] > before);
		if (k % 16 == 0) { /* coming and going is not held up either */
			shoal_sub *sub;
			shoal_pub *pub;
			struct shoal_view view;
			CHECK_R(0, open_sub(&sub, NAME, 0, NULL));
			CHECK_R(0, shoal_sub_borrow(sub, BOUND, &view));
			CHECK_R(0, shoal_sub_release(sub, &view));
			shoal_sub_close(sub);
			CHECK_R(0, open_pub(&pub, NAME, 0, NULL));
			shoal_pub_close(pub);
		}
		resume_process(victim);
	}
	atomic_store(&flow->stop, 1);
	for (int i = 0; i < 2; i++)
		reap_ok(publishers[i]);
	for (int i = 0; i < 2; i++)
		reap_ok(subscribers[i]);
	free_flow(flow);
}

/* ---- loss -------------------------------------------------------------------------------- */

/* From before the first message to after the last: every one is received or counted as lost. */
static void lose(struct flow *flow, uint64_t messages, bool slow)
{
	flow->lossy = true;
	flow->limit = messages;
	pid_t subscriber = spawn(run_subscriber, flow);
	wait_ready(flow, 1);
	pid_t publishers[2];
	for (int i = 0; i < 2; i++)
		publishers[i] = spawn(run_publisher, flow);
	uint64_t random = seed();
	while (slow && published(flow) < messages) {
		atomic_store(&flow->take, 0);
		for (uint64_t i = random_next(&random) % 32; i > 0; i--)
			breathe();
		atomic_store(&flow->take, 1);
		breathe();
	}
	for (int i = 0; i < 2; i++)
		reap_ok(publishers[i]);
	reap_ok(subscriber);
	uint64_t received = 0;
	for (int i = 0; i < 4; i++)
		received += atomic_load(&flow->received[i]);
	printf("  received %llu, lost %llu\n", (unsigned long long)received,
	       (unsigned long long)flow->lost);
	CHECKF(received + flow->lost == published(flow), "%llu received, %llu lost, %llu published",
	       (unsigned long long)received, (unsigned long long)flow->lost,
	       (unsigned long long)published(flow));
	free_flow(flow);
}

static void a_lossy_subscriber_counts_every_loss(void)
{
	lose(new_flow(64, SMALL), rounds("SHOAL_MESSAGES", 1000000), false);
	lose(new_flow(4, SMALL), rounds("SHOAL_MESSAGES", 1000000), false);
	lose(new_flow(1024, SMALL), rounds("SHOAL_MESSAGES", 1000000), true);
}

static void a_lossy_subscriber_counts_every_loss_of_large_messages(void)
{
	lose(new_flow(64, MIXED), rounds("SHOAL_MESSAGES", 50000), false);
	lose(new_flow(1024, LARGE), rounds("SHOAL_MESSAGES", 100000), true);
}

/* One that is stopped, and one that is killed, in the middle of copying. */
static void a_stopped_or_dead_lossy_subscriber_holds_up_nobody(void)
{
	struct flow *flow = new_flow(64, MIXED);
	flow->lossy = true;
	pid_t subscriber = spawn(run_subscriber, flow);
	wait_ready(flow, 1);
	pid_t publisher = spawn(run_publisher, flow);
	for (int i = 0; i < 20; i++) {
		stop_process(subscriber);
		wait_for_more(flow, 500);
		resume_process(subscriber);
	}
	reap_killed(subscriber);
	wait_for_more(flow, 500);
	atomic_store(&flow->stop, 1);
	reap_ok(publisher);
	free_flow(flow);
}

/* ---- one that is quick to answer, and one that always has something ---------------------- */

struct duet {
	_Atomic uint64_t read[2]; /* so many of each lane were */
	_Atomic int stop;
};

/* Lane 0 gets a message a moment after its last one was read; lane 1 is always full. */
static void play_both(void *context)
{
	struct duet *duet = context;
	shoal_pub *slow, *full;
	CHECK_R(0, open_pub(&slow, NAME, 0, NULL));
	CHECK_R(0, open_pub(&full, NAME, 0, NULL));
	CHECK(shoal_pub_lane(slow) == 0 && shoal_pub_lane(full) == 1);
	while (!atomic_load(&duet->stop)) {
		for (int i = 0; i < 64 && shoal_pub_publish(full, "full", 4, 0) == 0; i++)
			;
		if (atomic_load(&duet->read[0]) != shoal_pub_sequence(slow))
			continue;
		for (int i = 0; i < 20; i++)
			cpu_pause();
		CHECK_R(0, shoal_pub_publish(slow, "slow", 4, BOUND));
	}
	shoal_pub_close(slow);
	shoal_pub_close(full);
}

/* While it waits for the next message of one lane, another lane has some. */
static void a_lane_that_is_always_about_to_answer_does_not_starve_another(void)
{
	struct duet *duet = shared_memory(sizeof(*duet));
	char buffer[64];
	struct shoal_view view;
	shoal_sub *sub;
	struct shoal_topic_options o = options();
	o.lanes = 2;
	o.slots = 1024;
	CHECK_R(1, open_sub(&sub, NAME, SHOAL_CREATE, &o));
	pid_t player = spawn(play_both, duet);
	uint64_t count = rounds("SHOAL_MESSAGES", 20000);
	int64_t limit = now_ns() + BOUND;
	while (duet->read[0] < count && now_ns() < limit) {
		CHECK_R(0, shoal_sub_receive(sub, buffer, sizeof(buffer), BOUND, &view));
		atomic_fetch_add(&duet->read[view.lane], 1);
	}
	atomic_store(&duet->stop, 1);
	shoal_sub_close(sub);
	reap_ok(player);
	printf("  %llu of the slow one, %llu of the full one\n", (unsigned long long)duet->read[0],
	       (unsigned long long)duet->read[1]);
	/* A turn of 64 for a message, not a message for a message. */
	CHECKF(duet->read[1] > 8 * duet->read[0], "%llu and %llu",
	       (unsigned long long)duet->read[0], (unsigned long long)duet->read[1]);
	shared_free(duet, sizeof(*duet));
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
	    {"a_stopped_subscriber_holds_up_until_it_goes_on_or_is_killed",
	     a_stopped_subscriber_holds_up_until_it_goes_on_or_is_killed},
	    {"a_stopped_subscriber_is_named_by_a_publisher_that_only_spins",
	     a_stopped_subscriber_is_named_by_a_publisher_that_only_spins},
	    {"a_stopped_subscriber_holds_up_through_the_payload_area",
	     a_stopped_subscriber_holds_up_through_the_payload_area},
	    {"a_subscriber_that_keeps_a_view_is_waited_for",
	     a_subscriber_that_keeps_a_view_is_waited_for},
	    {"a_stopped_publisher_holds_up_nobody", a_stopped_publisher_holds_up_nobody},
	    {"a_lossy_subscriber_counts_every_loss", a_lossy_subscriber_counts_every_loss},
	    {"a_lossy_subscriber_counts_every_loss_of_large_messages",
	     a_lossy_subscriber_counts_every_loss_of_large_messages},
	    {"a_lane_that_is_always_about_to_answer_does_not_starve_another",
	     a_lane_that_is_always_about_to_answer_does_not_starve_another},
	    {"a_stopped_or_dead_lossy_subscriber_holds_up_nobody",
	     a_stopped_or_dead_lossy_subscriber_holds_up_nobody},
	};
	return RUN_TESTS(argc, argv, tests);
}
