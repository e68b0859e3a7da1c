/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The races of an object's lifetime, run for real: last leaver against joiner, remover against
 * joiner, creator against creator. Two processes live through all rounds and meet at a barrier
 * before each; random delays move one against the other. What must hold after every round: who has
 * a handle has the object that the name leads to, and nobody else has another one.
 *
 * Such a race is lost once in thousands of rounds, so the number of rounds is part of the test:
 * fewer than wanted, because the time was up, is a failure and no shorter test.
 */
#include "support.h"
#include "topic/handle.h"

#include <fcntl.h>
#include <sys/stat.h>

#define NAME        "race"
#define RACE_ROUNDS 100000
/* One race may take so long, and longer in proportion when more rounds are asked for. It is several
 * times what a slow machine needs; the TIMEOUT of ctest is above that of all races together. */
#define RACE_LIMIT (600 * SECONDS)
#define RACERS     3

struct meeting {
	_Atomic uint64_t arrived;
	_Atomic uint64_t inode[2];
	_Atomic int64_t result[2];
	_Atomic uint64_t tally[4];
	_Atomic uint64_t rounds; /* to be done: fewer than wanted once the time is up */
	uint64_t wanted;
	_Atomic uint64_t done[RACERS];
	int64_t started_ns;
	int64_t limit_ns;
};

/* One of the two processes, `me` 0 or 1. */
struct racer {
	struct meeting *meeting;
	int me;
	uint64_t met;
	uint64_t random;
};

typedef void round_function(struct racer *racer, uint64_t round);

/* Both are here; nobody leaves before. */
static void meet(struct racer *racer)
{
	int64_t end = 0;
	uint64_t target = ++racer->met * 2;
	atomic_fetch_add(&racer->meeting->arrived, 1);
	for (unsigned i = 0; atomic_load(&racer->meeting->arrived) < target; i++) {
		cpu_pause();
		if (i < 1000)
			continue;
		if (end == 0)
			end = now_ns() + BOUND;
		CHECKF(now_ns() < end, "the other one did not come");
		breathe();
	}
}

static void delay(struct racer *racer, uint64_t longest_ns)
{
	int64_t end = now_ns() + (int64_t)(random_next(&racer->random) % (longest_ns + 1));
	while (now_ns() < end)
		cpu_pause();
}

static uint64_t named_inode(void)
{
	char path[512];
	struct stat st;
	snprintf(path, sizeof(path), "%s/shoal:" NAME, objects_directory());
	return lstat(path, &st) < 0 ? 0 : st.st_ino;
}

/* A handle begins with a struct handle; this is the inode of the file that it has mapped. */
static uint64_t inode_of(const void *handle)
{
	return ((const struct handle *)handle)->object->segment.inode;
}

/* Small, so that making one costs little. */
static struct shoal_topic_options small_topic(void)
{
	struct shoal_topic_options o = options();
	o.lanes = 1;
	o.subscribers = 4;
	o.slots = 2;
	o.payload_bytes = 4096;
	o.spin_ns = SHOAL_SPIN_NEVER;
	return o;
}

static int64_t open_sub(shoal_sub **ret, unsigned flags)
{
	struct shoal_topic_options o = small_topic();
	return shoal_sub_open(ret, NAME, flags, &o);
}

static void check_named(const void *handle)
{
	uint64_t name = named_inode(), mine = inode_of(handle);
	CHECKF(name == mine, "the name leads to inode %llu, the handle to %llu",
	       (unsigned long long)name, (unsigned long long)mine);
}

struct side {
	struct meeting *meeting;
	round_function *round;
	int me;
};

/* The time is up: an orderly end, so that what is said is how far it came. The other one is in this
 * round at most, and meets us at its end: so both do this one and one more. */
static void keep_to_limit(struct meeting *meeting, uint64_t round)
{
	if (round + 2 < atomic_load(&meeting->rounds) &&
	    now_ns() - meeting->started_ns > meeting->limit_ns)
		atomic_store(&meeting->rounds, round + 2);
}

static void run_side(void *context)
{
	const struct side *side = context;
	struct racer racer = {.meeting = side->meeting, .me = side->me};
	racer.random = mix(seed() + (uint64_t)side->me);
	for (uint64_t i = 0; i < atomic_load(&side->meeting->rounds); i++) {
		if (side->me == 0)
			keep_to_limit(side->meeting, i);
		side->round(&racer, i);
		atomic_fetch_add(&side->meeting->done[side->me], 1);
	}
}

/* Says how many rounds were done; all that were wanted, or it fails. */
static void check_rounds(struct meeting *meeting, int racers, const char *const tallies[4])
{
	double seconds = (double)(now_ns() - meeting->started_ns) / 1e9;
	uint64_t done = atomic_load(&meeting->done[0]);
	for (int i = 1; i < racers; i++)
		if (atomic_load(&meeting->done[i]) < done)
			done = atomic_load(&meeting->done[i]);
	printf("  %llu of %llu rounds, %.0f a second:", (unsigned long long)done,
	       (unsigned long long)meeting->wanted, (double)done / seconds);
	for (int i = 0; i < 4 && tallies[i]; i++)
		printf(" %s %llu", tallies[i], (unsigned long long)atomic_load(&meeting->tally[i]));
	printf("\n");
	CHECKF(done >= meeting->wanted,
	       "only %llu of %llu rounds within %.0f s: too few to say that the race is won; run "
	       "it on a less busy machine, or ask for fewer with SHOAL_ROUNDS",
	       (unsigned long long)done, (unsigned long long)meeting->wanted,
	       (double)meeting->limit_ns / 1e9);
}

static void race_of(int racers, round_function *round, uint64_t count, const char *const tallies[4])
{
	struct meeting *meeting = shared_memory(sizeof(*meeting));
	struct side sides[RACERS];
	pid_t pids[RACERS];
	meeting->wanted = rounds("SHOAL_ROUNDS", count);
	meeting->rounds = meeting->wanted;
	meeting->limit_ns = RACE_LIMIT * (int64_t)(1 + meeting->wanted / (RACE_ROUNDS + 1));
	meeting->started_ns = now_ns();
	for (int i = 0; i < racers; i++) {
		sides[i] = (struct side){meeting, round, i};
		pids[i] = spawn(run_side, &sides[i]);
	}
	for (int i = 0; i < racers; i++)
		reap_ok_within(pids[i], meeting->limit_ns + 6 * BOUND);
	check_rounds(meeting, racers, tallies);
	shared_free(meeting, sizeof(*meeting));
}

static void race(round_function *round, uint64_t count, const char *const tallies[4])
{
	race_of(2, round, count, tallies);
}

static void count(struct racer *racer, int which)
{
	atomic_fetch_add(&racer->meeting->tally[which], 1);
}

/* ---- last leaver against joiner ---------------------------------------------------------- */

/* A message from one to the other, so that "the same inode" is not all we know. */
static void send_one(uint64_t round)
{
	shoal_pub *pub;
	struct shoal_topic_options o = small_topic();
	CHECK_R(0, shoal_pub_open(&pub, NAME, 0, &o));
	CHECK_R(0, shoal_pub_publish(pub, &round, sizeof(round), BOUND));
	shoal_pub_close(pub);
}

static void receive_one(shoal_sub *sub, uint64_t round)
{
	uint64_t value;
	do /* an object that outlived a round has the message of an earlier one */
		CHECK_R(0, shoal_sub_receive(sub, &value, sizeof(value), BOUND, NULL));
	while (value < round);
	CHECKF(value == round, "%llu came, not %llu", (unsigned long long)value,
	       (unsigned long long)round);
}

/* Who has the handle changes with every round: the joiner is the next last leaver. */
static void leave_against_join(struct racer *racer, uint64_t round)
{
	static shoal_sub *held;
	bool leaver = (int)(round % 2) == racer->me;
	bool talk = round % 16 == 0;
	bool last = round + 1 == racer->meeting->rounds;
	if (round == 0 && leaver)
		CHECK_R(1, open_sub(&held, SHOAL_CREATE));
	meet(racer);
	delay(racer, leaver ? 60000 : 20000);
	if (leaver) {
		shoal_sub_close(held);
		held = NULL;
	} else {
		int64_t r = open_sub(&held, SHOAL_CREATE | SHOAL_FOLLOW);
		CHECKF(r >= 0, "joining: %s, %s", shoal_strerror((int)r), shoal_error_detail());
		count(racer, (int)r);
	}
	meet(racer);
	if (leaver && talk)
		send_one(round);
	if (!leaver) {
		check_named(held);
		if (talk)
			receive_one(held, round);
		if (last)
			shoal_sub_close(held);
	}
	meet(racer);
}

static void a_joiner_against_the_last_leaver_has_an_object_with_a_name(void)
{
	static const char *const tallies[4] = {"joined", "made a new one"};
	race(leave_against_join, RACE_ROUNDS, tallies);
}

/* Both leave at once: one of them must be the one that removes it. */
static void leave_against_leave(struct racer *racer, uint64_t round)
{
	shoal_sub *sub;
	(void)round;
	CHECK(open_sub(&sub, SHOAL_CREATE) >= 0);
	meet(racer);
	check_named(sub);
	meet(racer);
	delay(racer, 10000);
	shoal_sub_close(sub);
	meet(racer);
	CHECKF(named_inode() == 0, "both left, and the object is still there");
	meet(racer);
}

static void of_two_last_leavers_one_removes_the_object(void)
{
	static const char *const tallies[4] = {NULL};
	race(leave_against_leave, 20000, tallies);
}

/* ---- creator against creator ------------------------------------------------------------- */

static void create_against_create(struct racer *racer, uint64_t round)
{
	struct meeting *meeting = racer->meeting;
	unsigned flags = SHOAL_CREATE | (round % 4 == 3 ? SHOAL_EXCLUSIVE : 0);
	shoal_sub *sub;
	meet(racer);
	delay(racer, 10000);
	int64_t r = open_sub(&sub, flags);
	atomic_store(&meeting->result[racer->me], r);
	atomic_store(&meeting->inode[racer->me], r >= 0 ? inode_of(sub) : 0);
	CHECKF(r >= 0 || (r == -EEXIST && (flags & SHOAL_EXCLUSIVE)), "%s, %s",
	       shoal_strerror((int)r), shoal_error_detail());
	if (r >= 0)
		check_named(sub);
	meet(racer);
	int64_t other = atomic_load(&meeting->result[!racer->me]);
	CHECKF((r == 1) != (other == 1), "%lld and %lld: not one maker", (long long)r,
	       (long long)other);
	CHECKF(r < 0 || other < 0 || atomic_load(&meeting->inode[0]) == meeting->inode[1],
	       "two objects of one name");
	shoal_sub_close(sub);
	meet(racer);
	CHECKF(named_inode() == 0, "all left, and the object is still there");
	count(racer, r == 1 ? 0 : r == 0 ? 1 : 2);
}

static void of_two_creators_one_makes_the_object_and_both_use_it(void)
{
	static const char *const tallies[4] = {"made", "joined", "refused"};
	race(create_against_create, RACE_ROUNDS, tallies);
}

/* ---- remover against joiner -------------------------------------------------------------- */

static void join_for_a_while(struct racer *racer)
{
	shoal_sub *sub;
	int64_t r = open_sub(&sub, SHOAL_CREATE | SHOAL_KEEP);
	CHECKF(r >= 0, "joining: %s, %s", shoal_strerror((int)r), shoal_error_detail());
	count(racer, (int)r);
	check_named(sub);
	meet(racer);
	check_named(sub);
	shoal_sub_close(sub);
}

static void remove_against_join(struct racer *racer, uint64_t round)
{
	if (round == 0 && racer->me == 0) {
		struct shoal_topic_options o = small_topic();
		CHECK_R(0, shoal_topic_create(NAME, 0, &o));
	}
	meet(racer);
	delay(racer, 40000);
	if (racer->me == 0) {
		join_for_a_while(racer);
	} else {
		int r = shoal_remove(NAME, 0);
		CHECKF(r == 0 || r == -EBUSY || r == -ENOENT, "%s", shoal_error_detail());
		count(racer, r == 0 ? 2 : 3);
		meet(racer);
	}
	meet(racer);
	if (round + 1 == racer->meeting->rounds && racer->me == 0)
		CHECK_R(0, shoal_remove(NAME, 0));
}

static void a_joiner_against_a_remover_has_an_object_with_a_name(void)
{
	static const char *const tallies[4] = {"joined", "made a new one", "removed", "refused"};
	race(remove_against_join, RACE_ROUNDS, tallies);
}

/* Without a name, but the handle says so: who was in it when it was removed by force. */
static bool is_stale(shoal_sub *sub)
{
	char buffer[64];
	int r = shoal_sub_receive(sub, buffer, sizeof(buffer), 0, NULL);
	CHECKF(r == -ESTALE || r == -EAGAIN || r == -EPIPE, "%s", shoal_strerror(r));
	return r == -ESTALE;
}

static void join_against_force(struct racer *racer)
{
	shoal_sub *sub;
	int64_t r = open_sub(&sub, SHOAL_CREATE);
	CHECKF(r >= 0, "joining: %s, %s", shoal_strerror((int)r), shoal_error_detail());
	meet(racer);
	bool named = named_inode() == inode_of(sub);
	bool stale = is_stale(sub);
	CHECKF(named || stale, "it has no name, and the handle does not know");
	CHECKF(!named || !stale, "it has its name, and the handle thinks it has none");
	count(racer, stale);
	shoal_sub_close(sub);
	CHECKF(named_inode() == 0, "all left, and the object is still there");
}

static void force_against_join(struct racer *racer, uint64_t round)
{
	(void)round;
	meet(racer);
	delay(racer, 40000);
	if (racer->me == 0) {
		join_against_force(racer);
	} else {
		int r = shoal_remove(NAME, SHOAL_FORCE);
		CHECKF(r == 0 || r == -ENOENT, "by force: %s, %s", shoal_strerror(r),
		       shoal_error_detail());
		count(racer, r == 0 ? 2 : 3);
		meet(racer);
	}
	meet(racer);
}

static void a_joiner_against_removal_by_force_is_in_a_named_object_or_knows(void)
{
	static const char *const tallies[4] = {"kept", "went stale", "removed", "not there"};
	race(force_against_join, 20000, tallies);
}

/* ---- all at once ------------------------------------------------------------------------- */

/* No barrier: each opens, looks whether the name is its own for as long as it is in, and leaves.
 * A remover without force may never harm those who are in. */
static void come_look_and_go(struct racer *racer, uint64_t round)
{
	shoal_sub *sub;
	(void)round;
	uint64_t dice = random_next(&racer->random);
	if (dice % 8 == 0) {
		int r = shoal_remove(NAME, 0);
		CHECKF(r == 0 || r == -EBUSY || r == -ENOENT, "%s", shoal_error_detail());
		count(racer, r == 0 ? 2 : 3);
		return;
	}
	int64_t r = open_sub(&sub, SHOAL_CREATE);
	CHECKF(r >= 0, "joining: %s, %s", shoal_strerror((int)r), shoal_error_detail());
	count(racer, (int)r);
	for (uint64_t i = 0; i < dice / 8 % 4; i++) {
		check_named(sub);
		delay(racer, 20000);
	}
	check_named(sub);
	shoal_sub_close(sub);
}

static void who_is_in_an_object_keeps_its_name(void)
{
	static const char *const tallies[4] = {"joined", "made", "removed", "refused"};
	race_of(3, come_look_and_go, 20000, tallies);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
	    {"a_joiner_against_the_last_leaver_has_an_object_with_a_name",
	     a_joiner_against_the_last_leaver_has_an_object_with_a_name},
	    {"of_two_last_leavers_one_removes_the_object",
	     of_two_last_leavers_one_removes_the_object},
	    {"of_two_creators_one_makes_the_object_and_both_use_it",
	     of_two_creators_one_makes_the_object_and_both_use_it},
	    {"a_joiner_against_a_remover_has_an_object_with_a_name",
	     a_joiner_against_a_remover_has_an_object_with_a_name},
	    {"a_joiner_against_removal_by_force_is_in_a_named_object_or_knows",
	     a_joiner_against_removal_by_force_is_in_a_named_object_or_knows},
	    {"who_is_in_an_object_keeps_its_name", who_is_in_an_object_keeps_its_name},
	};
	return RUN_TESTS(argc, argv, tests);
}
