/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Handles that a child inherited take seats of their own, and whatever happens in the child, the
 * parent's are not touched.
 */
#include "backend.h"
#include "support.h"

#include "leak_check.h"

#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#define NAME "rejoin"

struct state {
	_Atomic int step;
	_Atomic int pid;
	_Atomic uint64_t lanes; /* a bit for each lane that a child had */
};

static struct state *state;
static shoal_pub *pub;
static shoal_sub *sub;

static struct shoal_topic_options narrow(void)
{
	struct shoal_topic_options o = options();
	o.slots = 16;
	o.lanes = 8;
	o.subscribers = 8;
	o.payload_bytes = 4096;
	return o;
}

static void open_both(unsigned sub_flags)
{
	struct shoal_topic_options o = narrow();
	state = shared_memory(sizeof(*state));
	CHECK_R(1, open_pub(&pub, NAME, SHOAL_CREATE, &o));
	CHECK_R(0, open_sub(&sub, NAME, sub_flags, &o));
}

static void close_both(void)
{
	shoal_sub_close(sub);
	shoal_pub_close(pub);
	shared_free(state, sizeof(*state));
}

static void expect(shoal_sub *from, const char *text)
{
	char buffer[16] = "";
	CHECK_R(0, shoal_sub_receive(from, buffer, sizeof(buffer), BOUND, NULL));
	CHECKF(strcmp(buffer, text) == 0, "'%s' came, not '%s'", buffer, text);
}

static void publish(const char *text)
{
	CHECK_R(0, shoal_pub_publish(pub, text, strlen(text), BOUND));
}

static void check_seats(uint32_t alive)
{
	struct shoal_topic_stat *stat;
	CHECK_R(0, stat_topic(NAME, 0, &stat));
	CHECKF(stat->object.seats_alive == alive && stat->object.seats_taken == alive,
	       "%u alive of %u, not %u", stat->object.seats_alive, stat->object.seats_taken, alive);
	shoal_topic_stat_free(stat);
}

/* ---- one child --------------------------------------------------------------------------- */

static void publish_as_a_child(void *context)
{
	(void)context;
	uint32_t before = shoal_pub_lane(pub);
	CHECK_R(-ECHILD, shoal_pub_publish(pub, "x", 1, 0));
	CHECK(strstr(shoal_error_detail(), "rejoin"));
	CHECK_R(0, shoal_pub_rejoin(pub));
	CHECK(before == 0 && shoal_pub_lane(pub) == 1 && shoal_pub_sequence(pub) == 0);
	publish("child");
	CHECK_R(0, shoal_sub_rejoin(sub));
	check_seats(4);
	publish("more");
	expect(sub, "more"); /* it starts now: "child" was before */
	CHECK(shoal_pub_fd(pub) >= 0 && shoal_sub_fd(sub) >= 0);
	CHECK_R(-EINVAL, shoal_pub_rejoin(pub));
	CHECK_R(-EINVAL, shoal_sub_rejoin(sub));
	CHECK_R(0, shoal_pub_drain(pub, BOUND)); /* the parent reads it, too */
	shoal_sub_close(sub);
	shoal_pub_close(pub);
}

static void a_child_rejoins_and_its_parent_goes_on(void)
{
	struct shoal_loan loan;
	struct shoal_view view;
	open_both(0);
	publish("before");
	CHECK_R(0, shoal_sub_borrow(sub, BOUND, &view));
	CHECK_R(0, shoal_pub_claim(pub, 5, BOUND, &loan));
	pid_t pid = spawn(publish_as_a_child, NULL);
	memcpy(loan.data, "after", 5);
	CHECK(memcmp(view.data, "before", 6) == 0);
	CHECK_R(0, shoal_sub_release(sub, &view));
	expect(sub, "child");
	expect(sub, "more");
	reap_ok(pid);
	check_seats(2);
	CHECK_R(0, shoal_pub_commit(pub, &loan));
	expect(sub, "after");
	CHECK(shoal_pub_lane(pub) == 0 && shoal_pub_sequence(pub) == 2);
	CHECK_R(0, audit_topic(NAME, 0));
	close_both();
}

/* SHOAL_FROM_OLDEST, SHOAL_LOSSY, SHOAL_FOLLOW and the rest are as they were. */
static void look_at_role(void *context)
{
	struct shoal_topic_stat *stat;
	const char *role = context;
	char c;
	CHECK_R(0, shoal_sub_rejoin(sub));
	CHECK_R(0, stat_topic(NAME, 0, &stat));
	const struct shoal_topic_seat *seat = seat_of(stat, getpid());
	CHECKF(seat && strcmp(seat->role, role) == 0, "role %s", seat ? seat->role : "none");
	shoal_topic_stat_free(stat);
	expect(sub, "old");
	CHECK_R(-EAGAIN, shoal_sub_receive(sub, &c, 1, 0, NULL)); /* and not -EPIPE */
	shoal_sub_close(sub);
	shoal_pub_close(pub);
}

static void with_flags(unsigned flags, char *role)
{
	open_both(flags | SHOAL_FROM_OLDEST | SHOAL_FOLLOW);
	publish("old");
	expect(sub, "old");
	reap_ok(spawn(look_at_role, role));
	close_both();
	object_end(NAME);
}

static void a_handle_rejoins_as_it_was_opened(void)
{
	static char subscriber[] = "subscriber", lossy[] = "lossy";
	with_flags(0, subscriber);
	with_flags(SHOAL_LOSSY, lossy);
}

static void a_handle_that_has_its_seat_does_not_rejoin(void)
{
	open_both(0);
	CHECK_R(-EINVAL, shoal_pub_rejoin(pub));
	CHECK(strstr(shoal_error_detail(), "fork"));
	CHECK_R(-EINVAL, shoal_sub_rejoin(sub));
	CHECK_R(-EINVAL, shoal_pub_rejoin(NULL));
	CHECK_R(-EINVAL, shoal_sub_rejoin(NULL));
	CHECK_R(-EINVAL, shoal_pub_fd(NULL));
	CHECK_R(-EINVAL, shoal_sub_fd(NULL));
	publish("on");
	expect(sub, "on");
	check_seats(2);
	CHECK_R(0, remove_topic(NAME, SHOAL_FORCE));
	while (shoal_pub_publish(pub, "x", 1, 0) == 0)
		;
	CHECK_R(-ESTALE, shoal_pub_rejoin(pub));
	CHECK_R(-ESTALE, shoal_pub_fd(pub));
	close_both();
}

/* ---- generations ------------------------------------------------------------------------- */

static void publish_from(int depth)
{
	CHECK_R(-ECHILD, shoal_pub_publish(pub, "x", 1, 0));
	if (depth % 2 == 0) { /* every other generation rejoins itself, the others only pass on */
		CHECK_R(0, shoal_pub_rejoin(pub));
		publish("g");
	}
}

static void generation(void *context)
{
	int depth = (int)(intptr_t)context;
	publish_from(depth);
	if (depth < 6)
		reap_ok(spawn(generation, (void *)(intptr_t)(depth + 1)));
	if (depth % 2 == 0)
		publish("G"); /* the grandchild's rejoining took nothing from us */
	shoal_sub_close(sub);
	shoal_pub_close(pub);
}

static void grandchildren_rejoin_too(void)
{
	open_both(0);
	reap_ok(spawn(generation, NULL));
	unsigned first = 0;
	for (int i = 0; i < 8; i++) { /* of four lanes, in any order */
		char c;
		CHECK_R(0, shoal_sub_receive(sub, &c, 1, BOUND, NULL));
		first += c == 'g';
	}
	CHECK(first == 4);
	CHECK_R(0, audit_topic(NAME, 0));
	check_seats(2);
	close_both();
}

enum { CROWD = 6 };

static void rejoin_in_a_crowd(void *context)
{
	uint64_t messages = rounds("SHOAL_MESSAGES", 20000);
	(void)context;
	shoal_sub_close(sub);
	WAIT_FOR(atomic_load(&state->step));
	CHECK_R(0, shoal_pub_rejoin(pub));
	uint32_t lane = shoal_pub_lane(pub);
	CHECKF(!(atomic_fetch_or(&state->lanes, (uint64_t)1 << lane) >> lane & 1),
	       "lane %u is held by two", lane);
	for (uint64_t i = 0; i < messages; i++)
		CHECK_R(0, shoal_pub_publish(pub, &i, sizeof(i), BOUND));
	atomic_fetch_add(&state->pid, 1);
	WAIT_FOR(atomic_load(&state->pid) == CROWD); /* so that each lane has one owner */
	shoal_pub_close(pub);
}

static void many_rejoin_at_once(void)
{
	pid_t pids[CROWD];
	uint64_t next[8] = {0}, number, all = CROWD * rounds("SHOAL_MESSAGES", 20000);
	struct shoal_view view;
	open_both(0);
	for (int i = 0; i < CROWD; i++)
		pids[i] = spawn(rejoin_in_a_crowd, NULL);
	atomic_store(&state->step, 1);
	for (uint64_t i = 0; i < all; i++) {
		CHECK_R(0, shoal_sub_receive(sub, &number, sizeof(number), BOUND, &view));
		CHECKF(number == next[view.lane]++, "lane %u: %llu", view.lane,
		       (unsigned long long)number);
	}
	for (int i = 0; i < CROWD; i++)
		reap_ok(pids[i]);
	CHECK(state->lanes == 0x7e); /* and lane 0 is ours */
	check_seats(2);
	CHECK_R(0, audit_topic(NAME, 0));
	close_both();
}

/* ---- what can be wrong ------------------------------------------------------------------- */

static void rejoin_for_ever(void *context)
{
	(void)context;
	CHECK_R(0, shoal_pub_rejoin(pub));
	CHECK_R(0, shoal_sub_rejoin(sub));
	atomic_store(&state->step, 1);
	for (;;)
		shoal_pub_publish(pub, "x", 1, 0);
}

static void a_child_that_is_killed_takes_nothing_along(void)
{
	open_both(0);
	for (int i = 0; i < 20; i++) {
		state->step = 0;
		pid_t pid = spawn(rejoin_for_ever, NULL);
		WAIT_FOR(atomic_load(&state->step));
		reap_killed(pid);
		for (int k = 0; k < 40; k++) {
			publish("on");
			char text[8];
			struct shoal_view view;
			do
				CHECK_R(0,
					shoal_sub_receive(sub, text, sizeof(text), BOUND, &view));
			while (view.lane != shoal_pub_lane(pub));
		}
	}
	CHECK_R(0, audit_topic(NAME, 0));
	close_both();
}

static void use_up_and_rejoin(void *context)
{
	struct shoal_topic_options o = narrow();
	shoal_pub *others[8];
	struct holdings before = holdings_now();
	(void)context;
	for (int i = 0; i < 7; i++)
		CHECK_R(0, open_pub(&others[i], NAME, 0, &o));
	for (int i = 0; i < 3; i++) {
		CHECK_R(-EUSERS, shoal_pub_rejoin(pub));
		CHECK(strstr(shoal_error_detail(), "lanes"));
		CHECK_R(-ECHILD, shoal_pub_publish(pub, "x", 1, 0));
		CHECK(strstr(shoal_error_detail(), "fork"));
	}
	check_seats(2 + 7);
	/* Without a descriptor to be had. */
	struct rlimit files, none;
	CHECK(getrlimit(RLIMIT_NOFILE, &files) == 0);
	none = (struct rlimit){.rlim_cur = 3, .rlim_max = files.rlim_max};
	CHECK(setrlimit(RLIMIT_NOFILE, &none) == 0);
	CHECK_R(-EMFILE, shoal_sub_rejoin(sub));
	CHECK(setrlimit(RLIMIT_NOFILE, &files) == 0);
	CHECK_R(-ECHILD, shoal_sub_receive(sub, others, 1, 0, NULL));
	for (int i = 0; i < 7; i++)
		shoal_pub_close(others[i]);
	holdings_check(&before, "after rejoining in vain");
	CHECK_R(0, shoal_pub_rejoin(pub));
	CHECK_R(0, shoal_sub_rejoin(sub));
	publish("late");
	shoal_sub_close(sub);
	shoal_pub_close(pub);
}

static void close_after_failing(void *context)
{
	struct shoal_topic_options o = narrow();
	shoal_pub *others[7];
	(void)context;
	for (int i = 0; i < 7; i++)
		CHECK_R(0, open_pub(&others[i], NAME, 0, &o));
	CHECK_R(-EUSERS, shoal_pub_rejoin(pub));
	shoal_pub_close(pub);
	shoal_sub_close(sub);
	for (int i = 0; i < 7; i++)
		shoal_pub_close(others[i]);
}

static void a_handle_that_could_not_rejoin_is_as_it_was(void)
{
	open_both(0);
	reap_ok(spawn(use_up_and_rejoin, NULL));
	expect(sub, "late");
	reap_ok(spawn(close_after_failing, NULL));
	check_seats(2);
	publish("on");
	expect(sub, "on");
	close_both();
}

static void rejoin_what_was_removed(void *context)
{
	(void)context;
	WAIT_FOR(atomic_load(&state->step));
	int64_t start = now_ns();
	CHECK_R(-ESTALE, shoal_pub_rejoin(pub));
	CHECK(strstr(shoal_error_detail(), "removed"));
	CHECK_R(-ESTALE, shoal_sub_rejoin(sub));
	CHECKF(now_ns() - start < SECONDS, "it went round in circles");
	CHECK_R(-ECHILD, shoal_pub_publish(pub, "x", 1, 0));
	shoal_sub_close(sub);
	shoal_pub_close(pub);
}

static void what_was_removed_is_not_joined_again(void)
{
	open_both(0);
	pid_t pid = spawn(rejoin_what_was_removed, NULL);
	CHECK_R(0, remove_topic(NAME, SHOAL_FORCE));
	atomic_store(&state->step, 1);
	reap_ok(pid);
	close_both();
}

/* ---- parents that are gone --------------------------------------------------------------- */

static void publish_when_orphaned(void *context)
{
	int expected = (int)(intptr_t)context;
	WAIT_FOR(atomic_load(&state->step) == 2);
	CHECK_R(expected, shoal_pub_rejoin(pub));
	if (expected == 0)
		publish("orphan");
	shoal_sub_close(sub);
	shoal_pub_close(pub);
	atomic_store(&state->step, 3);
}

/* Its child is not killed with it. */
static void leave_an_orphan(void *context)
{
	struct shoal_topic_options o = narrow();
	CHECK(open_pub(&pub, NAME, SHOAL_CREATE, &o) >= 0);
	CHECK_R(0, open_sub(&sub, NAME, 0, &o));
	pid_t pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		publish_when_orphaned(context);
		_exit(0);
	}
	atomic_store(&state->pid, pid);
	atomic_store(&state->step, 1);
	for (;;)
		pause();
}

static void orphan(int expected)
{
	CHECK(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
	pid_t parent = spawn(leave_an_orphan, (void *)(intptr_t)expected);
	WAIT_FOR(atomic_load(&state->step) == 1);
	reap_killed(parent);
	atomic_store(&state->step, 2);
	reap_ok(atomic_load(&state->pid));
	CHECK(atomic_load(&state->step) == 3);
	CHECK(prctl(PR_SET_CHILD_SUBREAPER, 0) == 0);
}

static void a_child_rejoins_while_somebody_is_in_it(void)
{
	struct shoal_topic_options o = narrow();
	state = shared_memory(sizeof(*state));
	CHECK_R(1, open_sub(&sub, NAME, SHOAL_CREATE, &o));
	shoal_sub *ours = sub;
	orphan(0);
	expect(ours, "orphan");
	shoal_sub_close(ours);
	shared_free(state, sizeof(*state));
}

/* All who were in it are dead: an object that was not to be kept is gone, one that was is there. */
static void an_orphan_rejoins_what_was_kept(void)
{
	struct shoal_topic_options o = narrow();
	state = shared_memory(sizeof(*state));
	object_prepare(NAME, &o);
	orphan(backend_keeps() ? 0 : -ESTALE);
	CHECK(backend_keeps() || directory_is_empty());
	shared_free(state, sizeof(*state));
}

/* ---- descriptors and names --------------------------------------------------------------- */

static void rejoin_without_a_name(void *context)
{
	(void)context;
	WAIT_FOR(atomic_load(&state->step));
	CHECK_R(0, shoal_pub_rejoin(pub));
	CHECK_R(0, shoal_sub_rejoin(sub));
	publish("found");
	expect(sub, "found");
	shoal_sub_close(sub);
	shoal_pub_close(pub);
}

/* By hand, behind the library's back: the object is live, its name leads nowhere. */
static void it_is_found_when_its_name_is_gone(void)
{
	open_both(0);
	pid_t pid = spawn(rejoin_without_a_name, NULL);
	if (backend_has_names()) {
		char path[600];
		const char *uri = object_uri(NAME);
		if (strncmp(uri, "file:", 5) == 0)
			snprintf(path, sizeof(path), "%s", uri + 5);
		else
			snprintf(path, sizeof(path), "%s/shoal:%s", objects_directory(), uri);
		CHECK(unlink(path) == 0);
	}
	atomic_store(&state->step, 1);
	reap_ok(pid);
	expect(sub, "found");
	close_both();
}

static void rejoin_without_descriptors(void *context)
{
	bool named = context != NULL;
	CHECK(syscall(SYS_close_range, 3, ~0u, 0) == 0);
	CHECK_R(named ? 0 : -ESTALE, shoal_pub_rejoin(pub));
	if (named)
		publish("by name");
	shoal_sub_close(sub);
	shoal_pub_close(pub);
}

/* As daemons do after a fork: then the name is all that is left. */
static void it_is_found_by_name_when_its_descriptor_is_gone(void)
{
	static char named[] = "named";
	open_both(0);
	reap_ok(spawn(rejoin_without_descriptors, backend_has_names() ? named : NULL));
	if (backend_has_names())
		expect(sub, "by name");
	check_seats(2);
	close_both();
}

#define CASE(name)                                                                                 \
	{                                                                                          \
#name, name                                                                        \
	}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
	    CASE(a_child_rejoins_and_its_parent_goes_on),
	    CASE(a_handle_rejoins_as_it_was_opened),
	    CASE(a_handle_that_has_its_seat_does_not_rejoin),
	    CASE(grandchildren_rejoin_too),
	    CASE(many_rejoin_at_once),
	    CASE(a_child_that_is_killed_takes_nothing_along),
	    CASE(a_handle_that_could_not_rejoin_is_as_it_was),
	    CASE(what_was_removed_is_not_joined_again),
	    CASE(a_child_rejoins_while_somebody_is_in_it),
	    CASE(an_orphan_rejoins_what_was_kept),
	    CASE(it_is_found_when_its_name_is_gone),
	    CASE(it_is_found_by_name_when_its_descriptor_is_gone),
	};
	return RUN_TESTS(argc, argv, tests);
}
