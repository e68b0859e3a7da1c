/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System V objects whose makers and removers are killed at every system call, before it and behind
 * it: the next one to open, and whoever collects what is left, find nothing that they can't clean.
 */
#include "sysv_support.h"

#include <sys/shm.h>
#include <sys/syscall.h>

#define NAME "sysv:g/killed"

/* More than any of these takes; a test that comes so far does not end. */
enum { STOPS_MAX = 2000 };

/* ---- what is killed ---------------------------------------------------------------------- */

static void live(void)
{
	shoal_pub_close(must_open(NAME, SHOAL_CREATE));
}

static void live_private(void)
{
	shoal_pub_close(must_open("sysv:private", SHOAL_CREATE));
}

static void make_kept(void)
{
	struct shoal_topic_options o = options();
	o.lanes = 1;
	o.slots = 2;
	CHECK_R(0, shoal_topic_create(NAME, 0, &o));
}

static void remove_it(void)
{
	int r = shoal_remove(NAME, SHOAL_FORCE);
	CHECKF(r == 0 || r == -ENOENT, "%d: %s", r, shoal_error_detail());
}

/* ---- what comes after -------------------------------------------------------------------- */

static void next_one_opens(void)
{
	shoal_pub *pub = must_open(NAME, SHOAL_CREATE);
	CHECK_R(0, shoal_pub_publish(pub, "x", 1, 0));
	shoal_pub_close(pub);
	/* One that was made to stay is idle now. */
	int r = shoal_remove(NAME, 0);
	CHECKF(r == 0 || r == -ENOENT, "%d: %s", r, shoal_error_detail());
}

static void nothing(void)
{
}

static void each_stop(const char *what, void (*before)(void), void (*op)(void), void (*after)(void))
{
	unsigned stop = 0;
	for (;; stop++) {
		CHECK(stop < STOPS_MAX);
		before();
		bool killed = killed_at(stop, op);
		after();
		check_nothing_left(what);
		if (!killed)
			break;
	}
	printf("  %s: killed at %u places\n", what, stop);
	CHECKF(stop > 20, "only %u", stop);
}

static void makers_and_openers(void)
{
	each_stop("lives, then opened", nothing, live, next_one_opens);
	each_stop("made to stay, then opened", nothing, make_kept, next_one_opens);
}

static void makers_and_collectors(void)
{
	each_stop("lives, then collected", nothing, live, collect);
	each_stop("private, then collected", nothing, live_private, collect);
	each_stop("made to stay, then collected", nothing, make_kept, collect);
}

static void removers(void)
{
	each_stop("removed, then collected", make_kept, remove_it, collect);
	each_stop("removed, then opened", make_kept, remove_it, next_one_opens);
}

/* ---- what cleaners leave ----------------------------------------------------------------- */

static void leave_half_made(void)
{
	pid_t pid = stopped_behind(SYS_shmget, live);
	CHECK(segment_count() == 1);
	reap_killed(pid);
}

static void leave_half_made_private(void)
{
	pid_t pid = stopped_behind(SYS_shmget, live_private);
	CHECK(segment_count() == 1);
	reap_killed(pid);
}

static void sweepers(void)
{
	each_stop("swept by the next maker", leave_half_made, live, collect);
	each_stop("collected", leave_half_made, collect, collect);
	each_stop("private, collected", leave_half_made_private, collect, collect);
}

static void take_segment_away(void)
{
	struct shoal_sysv_stat stat = {.size = sizeof(stat)};
	make_kept();
	CHECK_R(0, shoal_sysv_stat(NAME, &stat));
	CHECK(shmctl(stat.id, IPC_RMID, NULL) == 0);
	CHECK(segment_count() == 0);
}

static void after_ipcrm(void)
{
	each_stop("without segment, opened", take_segment_away, live, collect);
	each_stop("without segment, collected", take_segment_away, collect, next_one_opens);
}

static shoal_pub *old;

/* We are in an object whose segment somebody marks. */
static void mark_segment(void)
{
	old = must_open(NAME, SHOAL_CREATE);
	CHECK(shmctl(shoal_pub_sysv_id(old), IPC_RMID, NULL) == 0);
	CHECK(segment_count() == 1);
}

static void leave_marked(void)
{
	int r = shoal_pub_publish(old, "x", 1, 0);
	CHECKF(r == 0 || r == -ESTALE, "%d: %s", r, shoal_error_detail());
	shoal_pub_close(old);
	collect();
}

static void marked(void)
{
	each_stop("marked, opened", mark_segment, live, leave_marked);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
	    {"makers_and_openers", makers_and_openers},
	    {"makers_and_collectors", makers_and_collectors},
	    {"removers", removers},
	    {"sweepers", sweepers},
	    {"after_ipcrm", after_ipcrm},
	    {"marked", marked},
	};
	own_ipc_namespace();
	return RUN_TESTS(argc, argv, tests);
}
