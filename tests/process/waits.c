/* SPDX-License-Identifier: Apache-2.0 */
/* How waits end: by time, by interrupt, by the end of the topic, by its removal. And what they
 * cost. */
#include "backend.h"
#include "support.h"

#include <pthread.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>

#define NAME "waits"
#define MS   ((int64_t)1000000)

static struct shoal_topic_options narrow(void)
{
	struct shoal_topic_options o = options();
	o.slots = 4;
	o.lanes = 4;
	o.payload_bytes = 4096;
	return o;
}

struct pair {
	shoal_pub *pub;
	shoal_sub *sub;
};

static struct pair open_pair(int64_t spin_ns)
{
	struct shoal_topic_options o = narrow();
	struct pair pair;
	o.spin_ns = spin_ns;
	CHECK_R(1, open_pub(&pair.pub, NAME, SHOAL_CREATE, &o));
	CHECK_R(0, open_sub(&pair.sub, NAME, 0, &o));
	return pair;
}

static void close_pair(struct pair *pair)
{
	shoal_sub_close(pair->sub);
	shoal_pub_close(pair->pub);
	object_end(NAME);
}

/* ---- time -------------------------------------------------------------------------------- */

/* Every call that can wait, while there is nothing to be had. */
static int64_t call(struct pair *pair, int which, int64_t timeout_ns)
{
	struct shoal_view view;
	struct shoal_loan loan;
	struct iovec message = {"x", 1};
	char buffer[8];
	switch (which) {
	case 0:
		return shoal_sub_borrow(pair->sub, timeout_ns, &view);
	case 1:
		return shoal_sub_receive(pair->sub, buffer, sizeof(buffer), timeout_ns, NULL);
	case 2:
		return shoal_sub_receivev(pair->sub, &view, 1, buffer, sizeof(buffer), timeout_ns);
	case 3:
		return shoal_pub_claim(pair->pub, 1, timeout_ns, &loan);
	case 4:
		return shoal_pub_publish(pair->pub, "x", 1, timeout_ns);
	case 5:
		return shoal_pub_publishv(pair->pub, &message, 1, timeout_ns);
	case 6:
		return shoal_pub_claim(pair->pub, 4096, timeout_ns, &loan);
	case 7:
		return shoal_pub_drain(pair->pub, timeout_ns);
	default:
		return shoal_pub_wait_subscribers(pair->pub, 2, timeout_ns);
	}
}

enum { SUB_CALLS = 3, CALLS = 9 };

/* Fills the lane, so that the publisher's calls have to wait. */
static void fill(struct pair *pair)
{
	int r;
	while ((r = shoal_pub_publish(pair->pub, "x", 1, 0)) == 0)
		;
	CHECK_R(-EAGAIN, r);
}

static void check_timeouts(struct pair *pair, int first, int end)
{
	for (int i = first; i < end; i++) {
		CHECKF(call(pair, i, 0) == -EAGAIN, "call %d", i);
		static const int64_t timeouts[] = {1, 1000, 2 * MS, 20 * MS};
		for (int k = 0; k < 4; k++) {
			int64_t start = now_ns();
			int64_t r = call(pair, i, timeouts[k]);
			int64_t took = now_ns() - start;
			CHECKF(r == -ETIMEDOUT, "call %d: %lld", i, (long long)r);
			CHECKF(took >= timeouts[k] && took < BOUND,
			       "call %d waited %lld of %lld ns", i, (long long)took,
			       (long long)timeouts[k]);
		}
	}
}

static void timeouts(int64_t spin_ns)
{
	struct pair pair = open_pair(spin_ns);
	check_timeouts(&pair, 0, SUB_CALLS);
	fill(&pair);
	check_timeouts(&pair, SUB_CALLS, CALLS);
	close_pair(&pair);
}

static void a_wait_ends_with_its_time(void)
{
	timeouts(0);
	timeouts(SHOAL_SPIN_NEVER);
	timeouts(SHOAL_FOREVER);
}

static void count_signal(int number)
{
	(void)number;
}

/* Signals every millisecond, whose handler does nothing: waits go on to their end. */
static void a_signal_handler_alone_ends_no_wait(void)
{
	struct sigaction action = {.sa_handler = count_signal}, old;
	struct itimerval timer = {{0, 1000}, {0, 1000}}, off = {{0, 0}, {0, 0}};
	CHECK(sigaction(SIGALRM, &action, &old) == 0);
	CHECK(setitimer(ITIMER_REAL, &timer, NULL) == 0);
	timeouts(SHOAL_SPIN_NEVER);
	CHECK(setitimer(ITIMER_REAL, &off, NULL) == 0);
	CHECK(sigaction(SIGALRM, &old, NULL) == 0);
}

/* ---- interrupt --------------------------------------------------------------------------- */

static struct pair *interrupted;
static _Atomic int interrupts_sub;

static void interrupt_now(void)
{
	if (interrupts_sub)
		shoal_sub_interrupt(interrupted->sub);
	else
		shoal_pub_interrupt(interrupted->pub);
}

static void interrupt_handler(int number)
{
	(void)number;
	interrupt_now();
}

static char thread_state(pid_t tid)
{
	char path[64], text[512];
	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", (int)tid);
	FILE *file = fopen(path, "re");
	if (!file)
		return '\0';
	size_t n = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	text[n] = '\0';
	const char *end = strrchr(text, ')');
	return end && end[1] ? end[2] : '\0';
}

static void *interrupt_sleeper(void *context)
{
	pid_t tid = *(pid_t *)context;
	WAIT_FOR(thread_state(tid) == 'S');
	interrupt_now();
	return NULL;
}

static void *signal_sleeper(void *context)
{
	pid_t tid = *(pid_t *)context;
	WAIT_FOR(thread_state(tid) == 'S');
	CHECK(syscall(SYS_tgkill, getpid(), tid, SIGUSR1) == 0);
	return NULL;
}

static void check_interrupts(struct pair *pair, int first, int end, int64_t then)
{
	pid_t self = (pid_t)syscall(SYS_gettid);
	for (int i = first; i < end; i++) {
		interrupts_sub = i < SUB_CALLS;
		for (int from = 0; from < 2; from++) {
			pthread_t thread;
			CHECK(pthread_create(&thread, NULL,
					     from ? signal_sleeper : interrupt_sleeper,
					     &self) == 0);
			CHECKF(call(pair, i, SHOAL_FOREVER) == -EINTR, "call %d", i);
			CHECK(pthread_join(thread, NULL) == 0);
		}
		interrupt_now(); /* before the wait: it ends the next one, and only that */
		CHECKF(call(pair, i, SHOAL_FOREVER) == -EINTR, "call %d", i);
		CHECKF(call(pair, i, MS) == then, "call %d", i);
	}
}

static void an_interrupt_ends_a_wait_from_a_thread_and_from_a_handler(void)
{
	struct sigaction action = {.sa_handler = interrupt_handler}, old;
	struct pair pair = open_pair(SHOAL_SPIN_NEVER);
	interrupted = &pair;
	CHECK(sigaction(SIGUSR1, &action, &old) == 0);
	check_interrupts(&pair, 0, SUB_CALLS, -ETIMEDOUT);
	fill(&pair);
	/* With a subscriber that is alive the publisher sleeps in slices, and is S in between. */
	check_interrupts(&pair, SUB_CALLS, CALLS, -ETIMEDOUT);
	CHECK(sigaction(SIGUSR1, &old, NULL) == 0);
	close_pair(&pair);
}

/* ---- the end ----------------------------------------------------------------------------- */

struct actor {
	_Atomic int go; /* 1: publish one, 2: close */
	_Atomic int done;
};

static void act(void *context)
{
	struct actor *actor = context;
	struct shoal_topic_options o = narrow();
	shoal_pub *pub;
	CHECK(open_pub(&pub, NAME, SHOAL_CREATE, &o) >= 0);
	CHECK_R(0, shoal_pub_publish(pub, "x", 1, BOUND));
	atomic_store(&actor->done, 1);
	WAIT_FOR(atomic_load(&actor->go));
	shoal_pub_close(pub);
}

static pid_t start_actor(struct actor *actor)
{
	atomic_store(&actor->go, 0);
	atomic_store(&actor->done, 0);
	pid_t pid = spawn(act, actor);
	WAIT_FOR(atomic_load(&actor->done));
	return pid;
}

static void close_actor(struct actor *actor, pid_t pid)
{
	atomic_store(&actor->go, 1);
	reap_ok(pid);
}

static void expect_messages(shoal_sub *sub, int count, int then)
{
	char c;
	for (int i = 0; i < count; i++)
		CHECK_R(0, shoal_sub_receive(sub, &c, 1, BOUND, NULL));
	CHECK_R(then, shoal_sub_receive(sub, &c, 1, 0, NULL));
	/* The same with a wait: who is dead is found out, and changes nothing. */
	if (then == -EAGAIN)
		CHECK_R(-ETIMEDOUT, shoal_sub_receive(sub, &c, 1, 20 * MS, NULL));
	else
		CHECK_R(then, shoal_sub_receive(sub, &c, 1, SHOAL_FOREVER, NULL));
}

static void check_ended(int expected)
{
	struct shoal_topic_stat *stat;
	CHECK_R(0, stat_topic(NAME, 0, &stat));
	CHECKF(stat->ended == expected, "ended is %d", stat->ended);
	shoal_topic_stat_free(stat);
}

static void the_topic_ends_when_the_last_to_go_closes_in_order(void)
{
	struct actor *actors = shared_memory(2 * sizeof(*actors));
	struct actor *a = &actors[0], *b = &actors[1];
	struct shoal_topic_options o = narrow();
	shoal_sub *sub, *follower;
	char c;
	CHECK_R(1, open_sub(&sub, NAME, SHOAL_CREATE, &o));
	CHECK_R(0, open_sub(&follower, NAME, SHOAL_FOLLOW | SHOAL_LOSSY, &o));
	expect_messages(sub, 0, -EAGAIN); /* nobody was ever there */

	close_actor(a, start_actor(a));
	expect_messages(sub, 1, -EPIPE);
	expect_messages(follower, 1, -EAGAIN);
	check_ended(1);

	reap_killed(start_actor(a)); /* killed: not closed */
	expect_messages(sub, 1, -EAGAIN);

	pid_t pid_a = start_actor(a), pid_b = start_actor(b);
	expect_messages(sub, 2, -EAGAIN);
	reap_killed(pid_a);
	close_actor(b, pid_b); /* A killed, then B closes */
	expect_messages(sub, 0, -EPIPE);
	check_ended(1);

	pid_a = start_actor(a);
	pid_b = start_actor(b);
	close_actor(a, pid_a); /* A closes, then B is killed */
	expect_messages(sub, 2, -EAGAIN);
	reap_killed(pid_b);
	expect_messages(sub, 0, -EAGAIN);
	check_ended(0);

	shoal_sub *late; /* who comes after the death sees it the same way, repair or not */
	CHECK_R(0, open_sub(&late, NAME, 0, &o));
	expect_messages(late, 0, -EAGAIN);
	shoal_sub_close(late);
	close_actor(b, start_actor(b));
	expect_messages(sub, 1, -EPIPE);
	for (int i = 0; i < 6; i++)
		CHECK_R(0, shoal_sub_receive(follower, &c, 1, BOUND, NULL));
	shoal_sub_close(follower);
	shoal_sub_close(sub);
	shared_free(actors, 2 * sizeof(*actors));
}

static void receive_to_the_end(void *context)
{
	struct actor *actor = context;
	struct shoal_topic_options o = narrow();
	shoal_sub *sub;
	char c;
	int r;
	o.spin_ns = SHOAL_SPIN_NEVER;
	CHECK(open_sub(&sub, NAME, SHOAL_CREATE, &o) >= 0);
	atomic_store(&actor->done, 1);
	while ((r = shoal_sub_receive(sub, &c, 1, SHOAL_FOREVER, NULL)) == 0)
		;
	atomic_store(&actor->go, -r);
	shoal_sub_close(sub);
}

static pid_t start_sleeper(struct actor *sleeper)
{
	atomic_store(&sleeper->done, 0);
	pid_t pid = spawn(receive_to_the_end, sleeper);
	WAIT_FOR(atomic_load(&sleeper->done) && process_state(pid) == 'S');
	return pid;
}

static void a_sleeper_is_woken_by_the_end_and_by_removal(void)
{
	struct actor *actors = shared_memory(2 * sizeof(*actors));
	struct shoal_topic_options o = narrow();
	for (int i = 0; i < 50; i++) {
		object_prepare(NAME, &o);
		pid_t sleeper = start_sleeper(&actors[1]);
		pid_t publisher = start_actor(&actors[0]);
		WAIT_FOR(process_state(sleeper) == 'S');
		if (i % 2) {
			close_actor(&actors[0], publisher);
			reap_ok(sleeper);
			CHECK(actors[1].go == EPIPE);
		} else {
			CHECK_R(0, remove_topic(NAME, SHOAL_FORCE));
			reap_ok(sleeper);
			CHECK(actors[1].go == ESTALE);
			close_actor(&actors[0], publisher);
		}
		object_end(NAME);
	}
	shared_free(actors, 2 * sizeof(*actors));
}

/* ---- removal ----------------------------------------------------------------------------- */

/* Each within two calls: the first one may still have gone to the old object. */
static void everyone_in_a_topic_learns_of_its_removal(void)
{
	enum { EACH = 3 };
	struct shoal_topic_options o = narrow();
	shoal_pub *pubs[EACH];
	shoal_sub *subs[EACH];
	char c;
	for (int i = 0; i < EACH; i++)
		CHECK(open_pub(&pubs[i], NAME, SHOAL_CREATE, &o) >= 0);
	for (int i = 0; i < EACH; i++)
		CHECK_R(0, open_sub(&subs[i], NAME, i == 2 ? SHOAL_LOSSY : 0, &o));
	CHECK_R(-EBUSY, remove_topic(NAME, 0));
	CHECK_R(0, remove_topic(NAME, SHOAL_FORCE));
	CHECK(directory_is_empty());
	for (int i = 0; i < EACH; i++) {
		int r = shoal_pub_publish(pubs[i], "x", 1, 0);
		if (r == 0)
			r = shoal_pub_publish(pubs[i], "x", 1, 0);
		CHECKF(r == -ESTALE, "publisher %d: %s", i, shoal_strerror(r));
		CHECK_R(-ESTALE, shoal_pub_drain(pubs[i], 0));
		CHECK_R(-ESTALE, shoal_pub_wait_subscribers(pubs[i], 1, 0));
	}
	for (int i = 0; i < EACH; i++) {
		int r = 0;
		for (int k = 0; k <= 2 * EACH && r == 0; k++) /* what was there may still be read */
			r = shoal_sub_receive(subs[i], &c, 1, 0, NULL);
		CHECKF(r == -ESTALE, "subscriber %d: %s", i, shoal_strerror(r));
	}
	for (int i = 0; i < EACH; i++) {
		shoal_pub_close(pubs[i]);
		shoal_sub_close(subs[i]);
	}
}

/* ---- cost -------------------------------------------------------------------------------- */

static void wait_for_subscribers(void *context)
{
	struct actor *actor = context;
	struct shoal_topic_options o = narrow();
	shoal_pub *pub;
	CHECK(open_pub(&pub, NAME, SHOAL_CREATE, &o) >= 0);
	atomic_store(&actor->done, 1);
	CHECK_R(-ESTALE, shoal_pub_wait_subscribers(pub, 100, SHOAL_FOREVER));
	shoal_pub_close(pub);
}

static void who_sleeps_on_a_silent_topic_is_not_woken(void)
{
	struct actor *actors = shared_memory(3 * sizeof(*actors));
	pid_t pids[3];
	struct shoal_topic_options o = narrow();
	object_prepare(NAME, &o);
	pids[0] = start_sleeper(&actors[0]);
	pids[1] = start_sleeper(&actors[1]);
	pids[2] = spawn(wait_for_subscribers, &actors[2]);
	WAIT_FOR(atomic_load(&actors[2].done) && process_state(pids[2]) == 'S');
	uint64_t before[3];
	/* Asleep for good, and not in the last turn before: a tenth of a second without a switch.
	 */
	struct timespec tenth = {.tv_nsec = 100 * MS}, two = {.tv_sec = 2};
	for (int i = 0; i < 3; i++) {
		int64_t end = now_ns() + BOUND;
		do {
			CHECKF(now_ns() < end, "process %d does not settle", i);
			before[i] = context_switches(pids[i]);
			nanosleep(&tenth, NULL);
		} while (context_switches(pids[i]) != before[i]);
	}
	nanosleep(&two, NULL); /* the length of the measurement */
	for (int i = 0; i < 3; i++) {
		uint64_t after = context_switches(pids[i]);
		CHECKF(after == before[i], "process %d was switched %llu times", i,
		       (unsigned long long)(after - before[i]));
	}
	CHECK_R(0, remove_topic(NAME, SHOAL_FORCE));
	for (int i = 0; i < 3; i++)
		reap_ok(pids[i]);
	shared_free(actors, 3 * sizeof(*actors));
}

#define CASE(name)                                                                                 \
	{                                                                                          \
#name, name                                                                        \
	}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
	    CASE(a_wait_ends_with_its_time),
	    CASE(a_signal_handler_alone_ends_no_wait),
	    CASE(an_interrupt_ends_a_wait_from_a_thread_and_from_a_handler),
	    CASE(the_topic_ends_when_the_last_to_go_closes_in_order),
	    CASE(a_sleeper_is_woken_by_the_end_and_by_removal),
	    CASE(everyone_in_a_topic_learns_of_its_removal),
	    CASE(who_sleeps_on_a_silent_topic_is_not_woken),
	};
	return RUN_TESTS(argc, argv, tests);
}
