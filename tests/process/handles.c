/* SPDX-License-Identifier: Apache-2.0 */
/* What holds a seat: this process's memory, and nothing else. Forks, execs, descriptors,
 * namespaces. */
#include "backend.h"
#include "support.h"

#include "leak_check.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define NAME "handles"

struct state {
	_Atomic int step;
	_Atomic int pid;
	_Atomic uint64_t published;
};

static struct shoal_topic_options narrow(void)
{
	struct shoal_topic_options o = options();
	o.slots = 8;
	o.lanes = 4;
	o.payload_bytes = 4096;
	return o;
}

/* How many seats are alive, and dead, seen from outside. */
static void count_seats(uint32_t *ret_alive, uint32_t *ret_dead)
{
	struct shoal_topic_stat *stat;
	uint32_t seen[2] = {0, 0};
	CHECK_R(0, stat_topic(NAME, 0, &stat));
	for (uint32_t i = 0; i < stat->seat_count; i++)
		seen[stat->seats[i].health == SHOAL_DEAD]++;
	CHECK(stat->object.seats_alive == seen[0]);
	shoal_topic_stat_free(stat);
	*ret_alive = seen[0];
	*ret_dead = seen[1];
}

static void check_seats(uint32_t alive, uint32_t dead)
{
	uint32_t seen[2];
	count_seats(&seen[0], &seen[1]);
	CHECKF(seen[0] == alive && seen[1] == dead, "%u alive and %u dead, not %u and %u", seen[0],
	       seen[1], alive, dead);
}

/* ---- fork -------------------------------------------------------------------------------- */

static shoal_pub *inherited_pub;
static shoal_sub *inherited_sub;
static struct shoal_view inherited_view;
static struct shoal_loan inherited_loan;

static void use_inherited(void *context)
{
	struct shoal_view view;
	struct shoal_loan loan;
	struct iovec message = {"x", 1};
	char c;
	(void)context;
	CHECK_R(-ECHILD, shoal_pub_publish(inherited_pub, "x", 1, SHOAL_FOREVER));
	CHECK(strstr(shoal_error_detail(), "fork"));
	CHECK_R(-ECHILD, shoal_pub_publishv(inherited_pub, &message, 1, 0));
	CHECK_R(-ECHILD, shoal_pub_claim(inherited_pub, 1, 0, &loan));
	CHECK_R(-ECHILD, shoal_pub_commit(inherited_pub, &inherited_loan));
	CHECK_R(-ECHILD, shoal_pub_abort(inherited_pub, &inherited_loan));
	CHECK_R(-ECHILD, shoal_pub_drain(inherited_pub, SHOAL_FOREVER));
	CHECK_R(-ECHILD, shoal_pub_wait_subscribers(inherited_pub, 1, SHOAL_FOREVER));
	shoal_pub_interrupt(inherited_pub);
	CHECK_R(-ECHILD, shoal_sub_borrow(inherited_sub, SHOAL_FOREVER, &view));
	CHECK_R(-ECHILD, shoal_sub_release(inherited_sub, &inherited_view));
	CHECK_R(-ECHILD, shoal_sub_receive(inherited_sub, &c, 1, 0, NULL));
	CHECK_R(-ECHILD, shoal_sub_receivev(inherited_sub, &view, 1, &c, 1, 0));
	shoal_sub_interrupt(inherited_sub);
	shoal_sub_close(inherited_sub);
	shoal_pub_close(inherited_pub);
	/* It may have handles of its own. */
	struct holdings before = holdings_now();
	shoal_pub *pub;
	CHECK_R(0, open_pub(&pub, NAME, 0, NULL));
	CHECK_R(0, shoal_pub_publish(pub, "c", 1, BOUND));
	shoal_pub_close(pub);
	holdings_check(&before, "child");
}

static void a_forked_child_is_refused_and_harms_nobody(void)
{
	struct shoal_topic_options o = narrow();
	char c;
	CHECK_R(1, open_pub(&inherited_pub, NAME, SHOAL_CREATE, &o));
	CHECK_R(0, open_sub(&inherited_sub, NAME, 0, &o));
	for (int i = 0; i < 20; i++) {
		CHECK_R(0, shoal_pub_publish(inherited_pub, "1", 1, BOUND));
		CHECK_R(0, shoal_sub_borrow(inherited_sub, BOUND, &inherited_view));
		CHECK_R(0, shoal_pub_claim(inherited_pub, 1, BOUND, &inherited_loan));
		pid_t pid = spawn(use_inherited, NULL);
		*(char *)inherited_loan.data = '2';
		reap_ok(pid);
		check_seats(2, 0);
		CHECK(*(const char *)inherited_view.data == '1');
		CHECK_R(0, shoal_sub_release(inherited_sub, &inherited_view));
		CHECK_R(0, shoal_pub_commit(inherited_pub, &inherited_loan));
		unsigned seen = 0;
		for (int k = 0; k < 2; k++) {
			CHECK_R(0, shoal_sub_receive(inherited_sub, &c, 1, BOUND, NULL));
			seen |= c == 'c' ? 1 : c == '2' ? 2 : 4;
		}
		CHECKF(seen == 3, "the child's and ours: %u", seen);
	}
	CHECK_R(0, audit_topic(NAME, 0));
	shoal_sub_close(inherited_sub);
	shoal_pub_close(inherited_pub);
}

/* Takes seats, forks a child that stays, and dies. */
static void die_before_child(void *context)
{
	struct state *state = context;
	struct shoal_topic_options o = narrow();
	CHECK_R(0, open_pub(&inherited_pub, NAME, 0, &o));
	CHECK_R(0, open_sub(&inherited_sub, NAME, 0, &o));
	pid_t child = fork(); /* not by spawn: it must outlive us */
	CHECK(child >= 0);
	if (child == 0) {
		atomic_store(&state->pid, getpid());
		for (;;)
			pause();
	}
	WAIT_FOR(atomic_load(&state->pid));
	atomic_store(&state->step, 1);
	for (;;)
		pause();
}

static void a_child_that_outlives_its_parent_keeps_no_seat(void)
{
	struct state *state = shared_memory(sizeof(*state));
	struct shoal_topic_options o = narrow();
	shoal_pub *pub;
	CHECK(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
	CHECK_R(1, open_pub(&pub, NAME, SHOAL_CREATE, &o));
	pid_t parent = spawn(die_before_child, state);
	WAIT_FOR(atomic_load(&state->step));
	check_seats(3, 0);
	reap_killed(parent);
	CHECK(kill(state->pid, 0) == 0);
	check_seats(1, 2);
	/* More than fits: the dead subscriber holds up nobody. */
	for (int i = 0; i < 100; i++)
		CHECK_R(0, shoal_pub_publish(pub, "x", 1, BOUND));
	reap_killed(state->pid);
	shoal_pub_close(pub);
	CHECK(prctl(PR_SET_CHILD_SUBREAPER, 0) == 0);
	shared_free(state, sizeof(*state));
}

enum { FORKS = 400 };

static void *open_over_and_over(void *context)
{
	struct state *state = context;
	shoal_sub *sub;
	do {
		CHECK_R(0, open_sub(&sub, NAME, 0, NULL));
		shoal_sub_close(sub);
		atomic_fetch_add(&state->published, 1);
	} while (!atomic_load(&state->step));
	return NULL;
}

/* The children live on while we look which seat is the first free one. */
static void fork_while_a_thread_opens(void *context)
{
	struct state *state = context;
	struct shoal_topic_stat *stat;
	pthread_t thread;
	shoal_sub *sub;
	pid_t pids[FORKS];
	CHECK(pthread_create(&thread, NULL, open_over_and_over, state) == 0);
	for (int i = 0; i < FORKS; i++) {
		uint64_t before = atomic_load(&state->published);
		pids[i] = fork();
		CHECK(pids[i] >= 0);
		if (pids[i] == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			for (;;)
				pause();
		}
		WAIT_FOR(atomic_load(&state->published) > before);
	}
	atomic_store(&state->step, 1);
	CHECK(pthread_join(thread, NULL) == 0);
	CHECK_R(0, open_sub(&sub, NAME, 0, NULL));
	CHECK_R(0, stat_topic(NAME, 0, &stat));
	const struct shoal_topic_seat *seat = seat_of(stat, getpid());
	CHECKF(seat && seat->seat == 1,
	       "our seat is %u: children of ours hold the locks of those before",
	       seat ? seat->seat : 0);
	shoal_topic_stat_free(stat);
	shoal_sub_close(sub);
	for (int i = 0; i < FORKS; i++)
		reap_killed(pids[i]);
}

static void a_fork_while_another_thread_opens_inherits_no_seat(void)
{
	struct state *state = shared_memory(sizeof(*state));
	struct shoal_topic_options o = narrow();
	shoal_pub *pub;
	o.subscribers = 64;
	CHECK_R(1, open_pub(&pub, NAME, SHOAL_CREATE, &o));
	reap_ok(spawn(fork_while_a_thread_opens, state));
	shoal_pub_close(pub);
	shared_free(state, sizeof(*state));
}

/* ---- exec -------------------------------------------------------------------------------- */

#define SLEEP_WORD "sleep-until-killed"

static void open_and_exec(void *context)
{
	(void)context;
	CHECK_R(0, open_sub(&inherited_sub, NAME, 0, NULL));
	execl("/proc/self/exe", "handles", SLEEP_WORD, (char *)NULL);
	CHECKF(false, "exec: %s", strerror(errno));
}

/* The kernel shows the new program a moment before it has taken the old one's memory away. */
static void await_one_dead(void)
{
	uint32_t alive = 0, dead = 0;
	for (int64_t end = now_ns() + BOUND; alive != 1 || dead != 1;) {
		CHECKF(now_ns() < end, "%u alive and %u dead, not 1 and 1", alive, dead);
		count_seats(&alive, &dead);
	}
}

static void check_sleeping(pid_t pid)
{
	char path[64], text[64] = "";
	snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
	int64_t end = now_ns() + BOUND;
	while (!strstr(text + 8, SLEEP_WORD)) {
		CHECKF(now_ns() < end, "it does not exec");
		breathe();
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		ssize_t n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : 0;
		if (fd >= 0)
			close(fd);
		for (ssize_t i = 0; i < n; i++)
			if (text[i] == '\0')
				text[i] = ' ';
	}
}

static void a_program_that_execs_another_leaves_its_seat(void)
{
	struct shoal_topic_options o = narrow();
	shoal_pub *pub;
	CHECK_R(1, open_pub(&pub, NAME, SHOAL_CREATE, &o));
	pid_t pid = spawn(open_and_exec, NULL);
	check_sleeping(pid);
	await_one_dead();
	for (int i = 0; i < 100; i++)
		CHECK_R(0, shoal_pub_publish(pub, "x", 1, BOUND));
	reap_killed(pid);
	shoal_pub_close(pub);
}

/* ---- descriptors closed behind the library's back ---------------------------------------- */

static void gated(void *context)
{
	struct state *state = context;
	CHECK_R(0, open_sub(&inherited_sub, NAME, 0, NULL));
	atomic_store(&state->step, 1);
	for (;;)
		pause();
}

static void lose_descriptors(void *context)
{
	struct state *state = context;
	struct shoal_topic_options o = narrow();
	shoal_pub *pub;
	shoal_sub *sub;
	char c;
	CHECK_R(1, open_pub(&pub, NAME, SHOAL_CREATE, &o));
	CHECK_R(0, open_sub(&sub, NAME, 0, &o));
	CHECK(syscall(SYS_close_range, 3, ~0u, 0) == 0);
	unsigned before = holdings_now().descriptors;
	/* Others get the numbers now; they must neither be used nor closed. */
	int files[8];
	for (int i = 0; i < 8; i++)
		files[i] = open("/dev/null", O_RDWR);
	check_seats(2, 0);
	for (int i = 0; i < 100; i++) {
		CHECK_R(0, shoal_pub_publish(pub, "x", 1, BOUND));
		CHECK_R(0, shoal_sub_receive(sub, &c, 1, BOUND, NULL));
	}
	/* A subscriber comes and dies: we must ask the kernel, and for that open the file again. */
	pid_t pid = spawn(gated, state);
	WAIT_FOR(atomic_load(&state->step));
	check_seats(3, 0);
	int r;
	while ((r = shoal_pub_publish(pub, "x", 1, 0)) == 0)
		CHECK_R(0, shoal_sub_receive(sub, &c, 1, BOUND, NULL));
	CHECK_R(-EAGAIN, r);
	reap_killed(pid);
	for (int i = 0; i < 100; i++) {
		CHECK_R(0, shoal_pub_publish(pub, "x", 1, BOUND));
		CHECK_R(0, shoal_sub_receive(sub, &c, 1, BOUND, NULL));
	}
	shoal_sub_close(sub);
	shoal_pub_close(pub);
	for (int i = 0; i < 8; i++)
		CHECKF(close(files[i]) == 0, "file %d was closed by the library", i);
	CHECKF(holdings_now().descriptors == before, "descriptors were left");
	object_end(NAME);
	CHECK(directory_is_empty());
}

static void closing_all_descriptors_costs_no_seat(void)
{
	if (!backend_has_names()) {
		printf("  %s: left out: it has nothing but descriptors\n", backend_name());
		return;
	}
	struct state *state = shared_memory(sizeof(*state));
	reap_ok(spawn(lose_descriptors, state));
	shared_free(state, sizeof(*state));
}

/* ---- PID namespaces ---------------------------------------------------------------------- */

/* Process 1 of a namespace of its own: looks at the publisher outside until that is dead. */
static void live_inside(void *context)
{
	struct state *state = context;
	struct shoal_topic_stat *stat;
	shoal_sub *sub;
	CHECK(getpid() == 1);
	CHECK_R(0, open_sub(&sub, NAME, SHOAL_FOLLOW, NULL));
	CHECK_R(0, stat_topic(NAME, 0, &stat));
	CHECKF(stat->object.seats_alive == 3, "%u are alive", stat->object.seats_alive);
	for (uint32_t i = 0; i < stat->seat_count; i++)
		CHECK(stat->seats[i].health == SHOAL_ALIVE &&
		      stat->seats[i].same_pid_namespace == (stat->seats[i].pid == 1));
	shoal_topic_stat_free(stat);
	atomic_store(&state->step, 1);
	WAIT_FOR(atomic_load(&state->step) == 2);
	check_seats(2, 1); /* the one outside was killed */
	atomic_store(&state->step, 3);
	for (;;)
		pause();
}

static void enter_namespace(void *context)
{
	CHECKF(unshare(CLONE_NEWPID) == 0, "%s", strerror(errno));
	struct state *state = context;
	pid_t pid = spawn(live_inside, state);
	atomic_store(&state->pid, pid);
	for (;;)
		pause();
}

static void publish_outside(void *context)
{
	struct state *state = context;
	shoal_pub *pub;
	CHECK_R(0, open_pub(&pub, NAME, 0, NULL));
	atomic_store(&state->published, 1);
	for (;;)
		pause();
}

static void liveness_holds_across_pid_namespaces(void)
{
	struct state *state = shared_memory(sizeof(*state));
	struct shoal_topic_options o = narrow();
	struct shoal_topic_stat *stat;
	shoal_pub *pub;
	if (geteuid() != 0) {
		printf("  not root: left out\n");
		shared_free(state, sizeof(*state));
		return;
	}
	CHECK_R(1, open_pub(&pub, NAME, SHOAL_CREATE, &o));
	pid_t outside = spawn(publish_outside, state);
	WAIT_FOR(atomic_load(&state->published));
	pid_t keeper = spawn(enter_namespace, state);
	WAIT_FOR(atomic_load(&state->step) == 1);
	CHECK_R(0, stat_topic(NAME, 0, &stat));
	const struct shoal_topic_seat *inside = seat_of(stat, 1);
	CHECK(inside && inside->health == SHOAL_ALIVE && !inside->same_pid_namespace);
	shoal_topic_stat_free(stat);
	reap_killed(outside);
	atomic_store(&state->step, 2);
	WAIT_FOR(atomic_load(&state->step) == 3);
	/* Our number 1 lives for ever: it must not be taken for the one inside. */
	int r;
	while ((r = shoal_pub_publish(pub, "x", 1, 0)) == 0)
		;
	CHECK_R(-EAGAIN, r);
	CHECK_R(-ETIMEDOUT, shoal_pub_publish(pub, "x", 1, SECONDS / 50));
	reap_killed(keeper); /* its child dies with it */
	CHECK_R(0, shoal_pub_publish(pub, "x", 1, BOUND));
	shoal_pub_close(pub);
	shared_free(state, sizeof(*state));
}

#define CASE(name)                                                                                 \
	{                                                                                          \
#name, name                                                                        \
	}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
	    CASE(a_forked_child_is_refused_and_harms_nobody),
	    CASE(a_child_that_outlives_its_parent_keeps_no_seat),
	    CASE(a_fork_while_another_thread_opens_inherits_no_seat),
	    CASE(a_program_that_execs_another_leaves_its_seat),
	    CASE(closing_all_descriptors_costs_no_seat),
	    CASE(liveness_holds_across_pid_namespaces),
	};
	if (argc > 1 && strcmp(argv[1], SLEEP_WORD) == 0)
		for (;;)
			pause();
	return RUN_TESTS(argc, argv, tests);
}
